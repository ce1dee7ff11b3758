//! Exceptions, refused entries, and exits that are handed over with their number.

use core::fmt;

use super::guard;
use crate::error::Error;
use crate::x86_64::entry::Violation;
use crate::x86_64::exits::{self, ExitReason};
use crate::x86_64::inject::Injection;
use crate::x86_64::msr::Debugctl;
use crate::x86_64::reg::{self, Dr6, Dr7};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs::{
    self, EventType, IdtVectoringInformation, VmExitInterruptionInformation,
};
use crate::x86_64::walk::PageFault;

/// The guest raised an exception that the exception bitmap picks, or an NMI came.
#[derive(Debug)]
#[must_use = "repair the cause, or give the exception back by `reflect`: otherwise it comes again"]
pub struct ExceptionExit<'v> {
    vcpu: &'v mut Vcpu,
    interrupted: Option<IdtVectoringInformation>,
}

guard!(ExceptionExit);

impl<'v> ExceptionExit<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, interrupted: Option<IdtVectoringInformation>) -> Self {
        Self { vcpu, interrupted }
    }

    /// The raw word: kind, vector, whether there is an error code.
    #[must_use]
    pub fn information(&self) -> VmExitInterruptionInformation {
        self.vcpu
            .read(vmcs::VM_EXIT_INTERRUPTION_INFORMATION)
            .unwrap_or_default()
    }

    /// The vector.
    #[must_use]
    pub fn vector(&self) -> u8 {
        self.information().vector()
    }

    /// The error code, if the exception has one.
    #[must_use]
    pub fn error_code(&self) -> Option<u32> {
        let has = self
            .information()
            .contains(VmExitInterruptionInformation::ERROR_CODE_VALID);
        has.then(|| {
            self.vcpu
                .raw_vmcs(vmcs::VM_EXIT_INTERRUPTION_ERROR_CODE.key()) as u32
        })
    }

    /// For #PF the linear address, for #DB the bits of DR6, else 0.
    #[must_use]
    pub fn qualification(&self) -> u64 {
        self.vcpu.raw_vmcs(vmcs::EXIT_QUALIFICATION.key())
    }

    /// The event that was being delivered when the exception came. It is queued again already: [`Vcpu::clear_injection`] drops it.
    #[must_use]
    pub fn interrupted(&self) -> Option<IdtVectoringInformation> {
        self.interrupted
    }

    /// Lets the guest have its exception.
    ///
    /// # Errors
    /// As [`Vcpu::inject`].
    pub fn reflect(self) -> Result<(), Error> {
        self.vcpu.reflect_exception()
    }
}

impl Vcpu {
    /// Gives the guest the exception that the last exit stands for.
    pub(in crate::x86_64) fn reflect_exception(&mut self) -> Result<(), Error> {
        let information = self.read(vmcs::VM_EXIT_INTERRUPTION_INFORMATION)?;
        let (vector, kind) = (information.vector(), information.type_());
        let has_code = information.contains(VmExitInterruptionInformation::ERROR_CODE_VALID);
        let code = self.raw_vmcs(vmcs::VM_EXIT_INTERRUPTION_ERROR_CODE.key()) as u32;
        let error_code = has_code.then_some(code);
        let qualification = self.raw_vmcs(vmcs::EXIT_QUALIFICATION.key());
        let event = match (kind, vector) {
            (EventType::NMI, _) => Injection::nmi(),
            (_, 14) => Injection::page_fault(PageFault {
                linear: qualification,
                code: error_code.unwrap_or(0),
            }),
            (EventType::HARDWARE_EXCEPTION, _) => Injection {
                error_code,
                kind,
                length: 0,
                ..Injection::exception(vector)
            },
            _ => Injection {
                kind,
                length: self.exit_length()? as u8,
                ..Injection::exception(vector)
            },
        };
        if vector == 1 && kind == EventType::HARDWARE_EXCEPTION {
            // An injected #DB leaves them to the VMM: the conditions replace the old ones, GD and BTF are cleared (SDM vol. 3, 19.2.3 and
            // 19.4.3). DEBUGCTL is in no list of Apple's: a host may not have it.
            let conditions = Dr6::B0 | Dr6::B1 | Dr6::B2 | Dr6::B3;
            let met = Dr6::from_bits(qualification) & (conditions | Dr6::BD | Dr6::BS);
            self.modify(reg::DR6, |old: Dr6| (old - conditions) | met)?;
            self.modify(vmcs::GUEST_DR7, |old: Dr7| old - Dr7::GD)?;
            let control = self.read(vmcs::GUEST_IA32_DEBUGCTL);
            if let Ok(control) = control
                && control.contains(Debugctl::BTF)
            {
                self.write(vmcs::GUEST_IA32_DEBUGCTL, control - Debugctl::BTF)?;
            }
        }
        self.inject(event)?;
        Ok(())
    }
}

/// The processor found the guest state wanting; nothing was executed.
#[derive(Debug, Clone)]
pub struct RefusedEntry {
    /// The exit reason without bit 31: 33 guest state, 34 MSR loading, 41 machine check.
    pub reason: ExitReason,
    /// The rules that the state breaks, as far as they can be told from here.
    pub violations: Vec<Violation>,
}

impl fmt::Display for RefusedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the entry was refused ({:?})", self.reason)?;
        for violation in &self.violations {
            write!(f, "; {violation}")?;
        }
        Ok(())
    }
}

/// An exit that xhv gives no meaning to.
#[derive(Debug)]
#[must_use = "an exit that is not finished comes again"]
pub struct RawExit<'v> {
    vcpu: &'v mut Vcpu,
    reason: ExitReason,
}

guard!(RawExit);

impl<'v> RawExit<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, reason: ExitReason) -> Self {
        Self { vcpu, reason }
    }

    /// The exit reason.
    #[must_use]
    pub fn reason(&self) -> ExitReason {
        self.reason
    }

    /// The exit with all that belongs to it, as the table of exits says.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine does not tell a field.
    pub fn details(&self) -> Result<exits::Exit, Error> {
        exits::Exit::decode(|row| {
            self.vcpu
                .engine
                .read_vmcs(row.key)
                .map_err(|code| Error::row("read", row.name, code))
        })
    }

    /// Moves on behind the instruction, if the exit stands for one.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn skip(self) -> Result<(), Error> {
        self.vcpu.finish_instruction()
    }
}
