//! Running a vCPU: enters the guest until there is an exit that the client has to know of. `exit` is what the client gets.
//!
//! Hidden here: host interrupts (reason 1), EPT violations on memory that is mapped (cold pages, dirty-page tracking), events whose delivery an
//! exit interrupted (they are injected again), and the blocking of NMIs that an IRET lifted too early.

use super::emulate::{Progress, Translated};
use super::exit::{Exit, Kind};
use super::exits::{EptQualification, ExitReason};
use super::vcpu::Vcpu;
use super::vm::VmOptions;
use super::vmcs::{
    self, EventType, ExitReasonField, IdtVectoringInformation as Vectoring,
    InterruptibilityState as Blocking, VmEntryInterruptionInformation as Event,
};
use crate::error::{Code, Error};
use crate::exit_statistics::{ExitStatistics, Recorder};
use crate::guest_memory::{Gpa, Verdict};
use crate::handle::Request;
use crate::memory::Permissions;
use crate::time::FOREVER;
use crate::trace::event;
use crate::typed::Named;

/// How often a vCPU left the guest, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Returns of the engine's run call.
    pub entries: u64,
    /// Exits that were handed to the client.
    pub exits: u64,
    /// Exits that were dealt with here.
    pub hidden: u64,
    /// Events that had to be injected again.
    pub reinjected: u64,
}

impl Vcpu {
    /// Runs the guest until there is something to do for the client.
    ///
    /// The exit borrows the vCPU. One that needs an answer is a guard: call its `finish`. If it is dropped without, the guest does the same
    /// again, and the exit comes again.
    ///
    /// # Errors
    /// [`Error::Call`] if the entry instruction fails; the cause names every broken rule.
    pub fn run(&mut self) -> Result<Exit<'_>, Error> {
        self.run_until(FOREVER)
    }

    /// As [`Vcpu::run`], but answers [`Exit::Deadline`] at `deadline`, in ticks of [`crate::time::absolute_ticks`];
    /// [`crate::time::deadline`] makes one from a duration.
    ///
    /// # Errors
    /// As [`Vcpu::run`]; [`Code::UNSUPPORTED`] if the processor has no VMX-preemption timer.
    pub fn run_until(&mut self, deadline: u64) -> Result<Exit<'_>, Error> {
        self.control.begin();
        let kind = self.next_exit(deadline);
        self.control.end();
        let kind = kind?;
        self.statistics.exits += 1;
        Ok(Exit::new(self, kind))
    }

    /// How often the vCPU left the guest so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    pub(super) fn next_exit(&mut self, deadline: u64) -> Result<Kind, Error> {
        loop {
            match self.control.request() {
                Some(Request::Cancel) => return Ok(Kind::Canceled),
                Some(Request::Work) => {
                    self.work();
                    continue;
                }
                None => {}
            }
            if self.pending.is_some()
                && let Some(kind) = self.go_on_emulating()?
            {
                return Ok(kind);
            }
            if let Some(recorder) = &mut self.recorder {
                recorder.enter();
            }
            self.enter(deadline)?;
            self.statistics.entries += 1;
            self.note_exit();
            if let Some(kind) = self.decode(deadline)? {
                return Ok(kind);
            }
            self.statistics.hidden += 1;
        }
    }

    /// Tells those who want to know of the exit.
    #[inline]
    fn note_exit(&mut self) {
        event!(TRACE, vcpu = self.id(), rip = self.raw_vmcs(vmcs::GUEST_RIP.key()), reason = ?self.exit_reason(), "exit");
        if self.recorder.is_some() {
            let reason = self.exit_reason();
            if let Some(recorder) = &mut self.recorder {
                recorder.leave(usize::from(reason.0));
            }
        }
    }

    fn exit_reason(&self) -> ExitReason {
        let word = self.raw_vmcs(vmcs::EXIT_REASON.key());
        ExitReason(ExitReasonField::from_bits(word as u32).basic())
    }

    /// Begins to count exits by reason, and the time in the guest and out of it; or ends it. Counting costs two looks at the clock for each exit.
    pub fn set_exit_statistics(&mut self, wanted: bool) {
        self.recorder = wanted.then(Recorder::new);
    }

    /// What was counted since [`Vcpu::set_exit_statistics`]; `None` if nothing is.
    #[must_use]
    pub fn exit_statistics(&self) -> Option<ExitStatistics> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.statistics(|reason| {
            let reason = ExitReason(reason as u16);
            let name = reason.value_name().map(str::to_owned);
            name.unwrap_or_else(|| format!("exit reason {}", reason.0))
        }))
    }

    #[cold]
    fn work(&mut self) {
        let jobs = self.jobs();
        while let Some(job) = jobs.next() {
            job(self);
        }
        // A job may have run the vCPU.
        self.control.begin();
    }

    #[inline]
    fn enter(&mut self, deadline: u64) -> Result<(), Error> {
        let (call, answer) = if deadline != FOREVER || self.vm.can_run_until() {
            ("hv_vcpu_run_until", self.engine.run_until(deadline))
        } else {
            ("hv_vcpu_run", self.engine.run())
        };
        answer.map_err(|code| self.not_entered(call, code))
    }

    #[cold]
    fn not_entered(&self, call: &'static str, code: Code) -> Error {
        if code != Code::ERROR {
            return self.failed(call, code);
        }
        let mut cause = String::new();
        if let Ok(error) = self.read(vmcs::VM_INSTRUCTION_ERROR)
            && error.0 != 0
        {
            cause = format!("VM-instruction error {error:?}");
        }
        for violation in self.check_entry() {
            let joint = if cause.is_empty() { "" } else { "; " };
            cause.push_str(joint);
            cause.push_str(&violation.to_string());
        }
        if cause.is_empty() {
            cause.push_str("the framework found the set-up inconsistent (an MSR that is not enabled, for example)");
        }
        Error::Call { call, code, cause }
    }

    /// What the exit means to the client; `None` if it means nothing.
    fn decode(&mut self, deadline: u64) -> Result<Option<Kind>, Error> {
        if self.vm.options().contains(VmOptions::ACCEL_APIC)
            && let Some(kind) = self.decode_apic()?
        {
            return Ok(kind);
        }
        let word = self.read(vmcs::EXIT_REASON)?;
        if word.contains(ExitReasonField::ENTRY_FAILURE) {
            let reason = ExitReason(word.basic());
            return Ok(Some(Kind::EntryRefused(reason, self.check_entry())));
        }
        let reason = ExitReason(word.basic());
        let interrupted = self.keep_interrupted_event(reason)?;
        Ok(match reason {
            ExitReason::EXTERNAL_INTERRUPT => None,
            ExitReason::EPT_VIOLATION => self.decode_ept(interrupted.is_some())?,
            ExitReason::VMX_PREEMPTION_TIMER_EXPIRED if deadline != FOREVER => Some(Kind::Deadline),
            ExitReason::EXCEPTION_OR_NMI => {
                self.restore_nmi_blocking(interrupted)?;
                Some(Kind::Exception(interrupted))
            }
            ExitReason::TRIPLE_FAULT => Some(Kind::TripleFault),
            ExitReason::INTERRUPT_WINDOW => Some(Kind::InterruptWindow),
            ExitReason::NMI_WINDOW => Some(Kind::NmiWindow),
            ExitReason::CPUID => Some(Kind::Cpuid),
            ExitReason::HLT => Some(Kind::Hlt),
            ExitReason::VMCALL => Some(Kind::Vmcall),
            ExitReason::CR_ACCESS => Some(Kind::ControlRegister),
            ExitReason::IO => self.decode_io()?,
            ExitReason::RDMSR => Some(Kind::MsrRead),
            ExitReason::WRMSR => Some(Kind::MsrWrite),
            ExitReason::XSETBV => Some(Kind::Xsetbv),
            ExitReason::MONITOR_TRAP_FLAG => Some(Kind::MonitorTrap),
            ExitReason::APIC_ACCESS => self.decode_apic_access()?,
            _ => Some(Kind::Other(reason)),
        })
    }

    /// Queues again the event whose delivery the exit interrupted. Answers it.
    #[inline]
    fn keep_interrupted_event(&mut self, reason: ExitReason) -> Result<Option<Vectoring>, Error> {
        let vectoring = self.read(vmcs::IDT_VECTORING_INFORMATION)?;
        if !vectoring.contains(Vectoring::VALID) {
            return Ok(None);
        }
        self.reinject(reason, vectoring)?;
        Ok(Some(vectoring))
    }

    #[cold]
    fn reinject(&mut self, reason: ExitReason, vectoring: Vectoring) -> Result<(), Error> {
        if matches!(reason, ExitReason::TRIPLE_FAULT | ExitReason::TASK_SWITCH) {
            // The exit stands for the event, or its handling takes over the event.
            return Ok(());
        }
        // Bits 30:12 are undefined in the one word and reserved in the other.
        let event = Event::from_bits(vectoring.bits() & 0x8000_0fff);
        self.write(vmcs::VM_ENTRY_INTERRUPTION_INFORMATION, event)?;
        if vectoring.contains(Vectoring::ERROR_CODE_VALID) {
            let code = self.read(vmcs::IDT_VECTORING_ERROR_CODE)?;
            self.write(vmcs::VM_ENTRY_EXCEPTION_ERROR_CODE, code)?;
        }
        if (4..=6).contains(&vectoring.type_().0) {
            let length = self.read(vmcs::VM_EXIT_INSTRUCTION_LENGTH)?;
            self.write(vmcs::VM_ENTRY_INSTRUCTION_LENGTH, length)?;
        }
        if vectoring.type_() == EventType::NMI {
            self.modify(vmcs::GUEST_INTERRUPTIBILITY_STATE, |blocking: Blocking| {
                blocking - Blocking::BLOCKING_BY_NMI
            })?;
        }
        self.statistics.reinjected += 1;
        Ok(())
    }

    /// An IRET that faulted had lifted the blocking of NMIs already: block them again (SDM vol. 3, 28.2.3).
    fn restore_nmi_blocking(&mut self, interrupted: Option<Vectoring>) -> Result<(), Error> {
        let information = self.read(vmcs::VM_EXIT_INTERRUPTION_INFORMATION)?;
        let lifted = information.contains(vmcs::VmExitInterruptionInformation::NMI_UNBLOCKING);
        if lifted && information.vector() != 8 && interrupted.is_none() {
            self.block_nmis()?;
        }
        Ok(())
    }

    fn block_nmis(&mut self) -> Result<(), Error> {
        self.modify(vmcs::GUEST_INTERRUPTIBILITY_STATE, |blocking: Blocking| {
            blocking | Blocking::BLOCKING_BY_NMI
        })
    }

    /// `delivering`: an event was being delivered, so that the access is not the instruction's at RIP.
    fn decode_ept(&mut self, delivering: bool) -> Result<Option<Kind>, Error> {
        let access = EptQualification::from_bits(self.read(vmcs::EXIT_QUALIFICATION)?);
        let gpa = Gpa(self.read(vmcs::GUEST_PHYSICAL_ADDRESS)?);
        if access.contains(EptQualification::NMI_UNBLOCKING) && !delivering {
            self.block_nmis()?;
        }
        let mut needed = Permissions::empty();
        needed.set(Permissions::READ, access.contains(EptQualification::READ));
        needed.set(Permissions::WRITE, access.contains(EptQualification::WRITE));
        needed.set(
            Permissions::EXECUTE,
            access.contains(EptQualification::FETCH),
        );
        match self.memory.judge(gpa.0, needed) {
            Verdict::Retry => return Ok(None),
            Verdict::Dirtied(page, size, permissions) => {
                self.vm.set_access(page, size, permissions)?;
                return Ok(None);
            }
            Verdict::Fault => {}
        }
        if access.contains(EptQualification::FETCH) {
            return Ok(Some(Kind::Undecoded(
                gpa,
                "the guest fetches instructions from where nothing is mapped",
            )));
        }
        if !access.contains(EptQualification::LINEAR_VALID | EptQualification::TRANSLATED) {
            return Ok(Some(Kind::Undecoded(
                gpa,
                "the guest's paging structures lie where nothing is mapped",
            )));
        }
        if delivering {
            return Ok(Some(Kind::Undecoded(
                gpa,
                "an event is delivered by way of what is not mapped",
            )));
        }
        let known = Translated {
            linear: self.read(vmcs::GUEST_LINEAR_ADDRESS)?,
            gpa: gpa.0,
        };
        match self.begin_emulating(Some(known))? {
            Progress::Access(access) => Ok(Some(Kind::Mmio(access))),
            Progress::Done => Ok(None),
            Progress::Impossible(why) => Ok(Some(Kind::Undecoded(gpa, why))),
        }
    }

    fn go_on_emulating(&mut self) -> Result<Option<Kind>, Error> {
        match self.continue_emulating()? {
            // The guest does it again from its start.
            Progress::Impossible(_) => Ok(None),
            progress => self.route_apic_access(progress, None),
        }
    }
}
