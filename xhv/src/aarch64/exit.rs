//! Why the guest stopped: decoded exits, each with what it needs to be answered. Device accesses are in `mmio.rs`, calls and waits in `calls.rs`,
//! system registers in `trapped.rs`.

use super::calls::{Hvc, Smc, Wfx};
use super::exits::{Esr, ExitReason, IssDataAbort, IssInstructionAbort, IssWatchpoint, Syndrome};
use super::inject::Exception;
use super::mmio::{self, MmioRead, MmioWrite};
use super::trapped::{self, SystemRegisterRead, SystemRegisterWrite};
use super::vcpu::Vcpu;
use crate::engine::aarch64 as engine;
use crate::error::Error;
use crate::guest_memory::Gpa;

/// An exit as the framework tells it: `hv_vcpu_exit_t`. All but the reason count for [`ExitReason::EXCEPTION`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawExit {
    /// Why the run ended.
    pub reason: ExitReason,
    /// What the guest did, as ESR_EL2 would say.
    pub syndrome: Esr,
    /// The address that it used, as FAR_EL2 would say.
    pub virtual_address: u64,
    /// The guest-physical address that it used.
    pub physical_address: Gpa,
}

impl RawExit {
    pub(super) fn new(exit: engine::RunExit) -> Self {
        Self {
            reason: ExitReason(exit.reason),
            syndrome: Esr::from_bits(exit.syndrome),
            virtual_address: exit.virtual_address,
            physical_address: Gpa(exit.physical_address),
        }
    }

    pub(super) fn canceled() -> Self {
        Self::new(engine::RunExit {
            reason: ExitReason::CANCELED.0,
            ..engine::RunExit::default()
        })
    }
}

/// Why `run` came back. Exits with a lifetime borrow the vCPU until they are answered; one that is dropped comes again.
#[derive(Debug)]
#[non_exhaustive]
#[must_use]
pub enum Exit<'a> {
    /// A handle asked for it.
    Canceled,
    /// The virtual timer fired, and is masked until [`Vcpu::set_vtimer_mask`] or [`Vcpu::vtimer_line`] unmasks it. Without a GIC.
    VtimerActivated,
    /// A load from an address without memory.
    MmioRead(MmioRead<'a>),
    /// A store to an address without memory, or that the guest may not write.
    MmioWrite(MmioWrite<'a>),
    /// A read of a system register that the engine leaves to the VMM.
    SystemRegisterRead(SystemRegisterRead<'a>),
    /// A write of a system register, or a system instruction.
    SystemRegisterWrite(SystemRegisterWrite<'a>),
    /// HVC.
    Hvc(Hvc<'a>),
    /// SMC.
    Smc(Smc<'a>),
    /// The guest waits for an interrupt or an event. Without a GIC.
    Wfx(Wfx<'a>),
    /// An instruction fetch from an address without memory, or that the guest may not execute.
    InstructionAbort(InstructionAbort),
    /// A data access that is no plain device access, with the reason.
    DataAbort(DataAbort<'a>),
    /// A breakpoint, watchpoint, step or BRK: see [`Vcpu::set_trap_debug_exceptions`].
    Debug(Debug),
    /// Another exception, as the engine told it.
    Exception(RawExit),
    /// A reason that this version of the library does not know.
    Unknown(RawExit),
}

pub(super) fn decode(vcpu: &mut Vcpu, raw: RawExit) -> Result<Exit<'_>, Error> {
    Ok(match raw.reason {
        ExitReason::EXCEPTION => return exception(vcpu, raw),
        ExitReason::CANCELED => Exit::Canceled,
        ExitReason::VTIMER_ACTIVATED => Exit::VtimerActivated,
        _ => Exit::Unknown(raw),
    })
}

fn exception(vcpu: &mut Vcpu, raw: RawExit) -> Result<Exit<'_>, Error> {
    Ok(match Syndrome::decode(raw.syndrome) {
        Syndrome::DataAbortLower(abort) => return mmio::decode(vcpu, raw, abort.iss),
        Syndrome::SystemRegister(access) => trapped::system_register(vcpu, access.iss),
        Syndrome::Hvc(call) => Exit::Hvc(Hvc::new(vcpu, call.iss)),
        Syndrome::Smc(call) => Exit::Smc(Smc::new(vcpu, call.iss)),
        Syndrome::Wfx(wait) => Exit::Wfx(Wfx::new(vcpu, wait.iss)),
        Syndrome::InstructionAbortLower(abort) => Exit::InstructionAbort(InstructionAbort {
            raw,
            iss: abort.iss,
        }),
        other => debug(vcpu, raw, &other)?,
    })
}

fn debug<'a>(vcpu: &Vcpu, raw: RawExit, syndrome: &Syndrome) -> Result<Exit<'a>, Error> {
    let kind = match syndrome {
        Syndrome::BreakpointLower(_) | Syndrome::Breakpoint(_) => DebugKind::Breakpoint,
        Syndrome::StepLower(_) | Syndrome::Step(_) => DebugKind::Step,
        Syndrome::WatchpointLower(at) => watchpoint(&raw, at.iss),
        Syndrome::Watchpoint(at) => watchpoint(&raw, at.iss),
        Syndrome::Brk(brk) => DebugKind::Brk {
            comment: brk.iss.comment(),
        },
        Syndrome::Bkpt32(brk) => DebugKind::Brk {
            comment: brk.iss.comment(),
        },
        Syndrome::VectorCatch32(_) => DebugKind::VectorCatch,
        _ => return Ok(Exit::Exception(raw)),
    };
    Ok(Exit::Debug(Debug {
        kind,
        pc: vcpu.read(super::reg::PC)?,
        raw,
    }))
}

fn watchpoint(raw: &RawExit, iss: IssWatchpoint) -> DebugKind {
    DebugKind::Watchpoint {
        address: (!iss.contains(IssWatchpoint::FNV)).then_some(raw.virtual_address),
        write: iss.contains(IssWatchpoint::WNR),
        number: iss.contains(IssWatchpoint::WPTV).then_some(iss.wpt()),
    }
}

/// The next part of an instruction that accesses devices in several parts.
pub(super) fn next_part(vcpu: &mut Vcpu) -> Result<Exit<'_>, Error> {
    mmio::next_part(vcpu)
}

/// The guest fetched an instruction where it cannot. PC is there. Nothing to answer: change the map, the guest, or give up.
#[derive(Debug, Clone, Copy)]
pub struct InstructionAbort {
    /// As the engine told it.
    pub raw: RawExit,
    /// Details.
    pub iss: IssInstructionAbort,
}

impl InstructionAbort {
    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.raw.physical_address
    }
}

/// A data access that is no plain device access.
#[derive(Debug)]
#[must_use]
pub struct DataAbort<'a> {
    pub(super) vcpu: &'a mut Vcpu,
    pub(super) raw: RawExit,
    pub(super) iss: IssDataAbort,
    pub(super) reason: Undecoded,
}

/// Why a data abort could not be made a device access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Undecoded {
    /// It was the walk of a translation table, which has no memory behind it.
    TableWalk,
    /// A fault of another kind than missing memory or permission: see the fault status.
    Fault,
    /// The instruction could not be fetched to find out what it transfers.
    NoInstruction,
    /// The instruction transfers in a way that is not known here; the word tells which.
    Instruction(u32),
}

impl DataAbort<'_> {
    /// As the engine told it.
    #[must_use]
    pub fn raw(&self) -> RawExit {
        self.raw
    }

    /// Details.
    #[must_use]
    pub fn iss(&self) -> IssDataAbort {
        self.iss
    }

    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.raw.physical_address
    }

    /// Why it is not a device access.
    #[must_use]
    pub fn reason(&self) -> Undecoded {
        self.reason
    }

    /// The vCPU, for anything that the guard does not offer.
    pub fn vcpu(&mut self) -> &mut Vcpu {
        self.vcpu
    }

    /// Goes on behind the instruction as if it had done nothing.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn skip(self) -> Result<(), Error> {
        self.vcpu.advance()
    }

    /// Tells the guest by a synchronous external abort.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn abort(self) -> Result<(), Error> {
        let write = self.iss.contains(IssDataAbort::WNR);
        let exception = Exception::external_abort(self.raw.virtual_address, write);
        self.vcpu.inject(exception)
    }
}

/// A debug exception of the guest. PC is at the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debug {
    /// What it is.
    pub kind: DebugKind,
    /// The program counter.
    pub pc: u64,
    /// As the engine told it.
    pub raw: RawExit,
}

/// Kinds of debug exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DebugKind {
    /// A hardware breakpoint.
    Breakpoint,
    /// A step was made.
    Step,
    /// A watchpoint.
    Watchpoint {
        /// The address, where it is known.
        address: Option<u64>,
        /// A write.
        write: bool,
        /// Which, where it is known.
        number: Option<u8>,
    },
    /// BRK.
    Brk {
        /// Immediate of the instruction.
        comment: u16,
    },
    /// AArch32 vector catch.
    VectorCatch,
}
