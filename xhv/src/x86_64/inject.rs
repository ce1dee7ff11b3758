//! Events that a VMM gives to the guest: exceptions, interrupts, NMIs, and the windows to wait for.

use super::controls::PrimaryProcessorBasedControls as Primary;
use super::reg::{self, Cr0, Rflags};
use super::vcpu::Vcpu;
use super::vmcs::{
    self, EventType, InterruptibilityState as Blocking, PendingDebugExceptions as Pending,
    VmEntryInterruptionInformation as Word,
};
use super::walk::PageFault;
use crate::error::Error;

/// An event for the guest, delivered when it is entered next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    /// Kind of event.
    pub kind: EventType,
    /// Vector.
    pub vector: u8,
    /// Error code, for the exceptions that have one.
    pub error_code: Option<u32>,
    /// Length of the instruction, for software events.
    pub length: u8,
    /// For #PF: what CR2 becomes.
    pub cr2: Option<u64>,
}

/// Exceptions that push an error code in protected mode: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP.
const WITH_ERROR_CODE: u32 =
    1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21;

/// Exceptions that make a double fault of a second one (SDM vol. 3, "Interrupt 8").
fn is_contributory(vector: u8) -> bool {
    matches!(vector, 0 | 10..=13 | 21)
}

impl Injection {
    const fn new(kind: EventType, vector: u8) -> Self {
        Self {
            kind,
            vector,
            error_code: None,
            length: 0,
            cr2: None,
        }
    }

    /// A maskable interrupt: wants RFLAGS.IF, and no blocking by STI or MOV SS: see [`Vcpu::can_take_interrupt`].
    #[must_use]
    pub const fn interrupt(vector: u8) -> Self {
        Self::new(EventType::EXTERNAL_INTERRUPT, vector)
    }

    /// A non-maskable interrupt.
    #[must_use]
    pub const fn nmi() -> Self {
        Self::new(EventType::NMI, 2)
    }

    /// An exception without error code. #BP and #OF become software exceptions of one byte, as INT3 and INTO raise them.
    #[must_use]
    pub const fn exception(vector: u8) -> Self {
        match vector {
            3 | 4 => Self {
                length: 1,
                ..Self::new(EventType::SOFTWARE_EXCEPTION, vector)
            },
            _ => Self::new(EventType::HARDWARE_EXCEPTION, vector),
        }
    }

    /// An exception with error code; in real mode none is pushed.
    #[must_use]
    pub const fn fault(vector: u8, error_code: u32) -> Self {
        Self {
            error_code: Some(error_code),
            ..Self::new(EventType::HARDWARE_EXCEPTION, vector)
        }
    }

    /// #GP(0).
    #[must_use]
    pub const fn general_protection() -> Self {
        Self::fault(13, 0)
    }

    /// #UD.
    #[must_use]
    pub const fn invalid_opcode() -> Self {
        Self::exception(6)
    }

    /// #PF, with the address in CR2.
    #[must_use]
    pub const fn page_fault(fault: PageFault) -> Self {
        Self {
            cr2: Some(fault.linear),
            ..Self::fault(14, fault.code)
        }
    }

    /// INT n, `length` bytes long.
    #[must_use]
    pub const fn software_interrupt(vector: u8, length: u8) -> Self {
        Self {
            length,
            ..Self::new(EventType::SOFTWARE_INTERRUPT, vector)
        }
    }

    fn is_exception(&self) -> bool {
        self.kind == EventType::HARDWARE_EXCEPTION
    }

    /// The two together, where the architecture makes one of them: a double fault. `None`: a triple fault.
    fn after(self, first: Self) -> Option<Self> {
        let page_fault_first =
            first.vector == 14 && (self.vector == 14 || is_contributory(self.vector));
        let both = is_contributory(first.vector) && is_contributory(self.vector);
        if first.vector == 8 && (is_contributory(self.vector) || self.vector == 14) {
            None
        } else if both || page_fault_first {
            Some(Self::fault(8, 0))
        } else {
            Some(self)
        }
    }
}

impl Vcpu {
    /// The event that the guest will get when it is entered next, if any.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn injected(&self) -> Result<Option<Injection>, Error> {
        let word = self.read(vmcs::VM_ENTRY_INTERRUPTION_INFORMATION)?;
        if !word.contains(Word::VALID) {
            return Ok(None);
        }
        let mut event = Injection::new(word.type_(), word.vector());
        if word.contains(Word::DELIVER_ERROR_CODE) {
            event.error_code = Some(self.read(vmcs::VM_ENTRY_EXCEPTION_ERROR_CODE)?);
        }
        event.length = self.read(vmcs::VM_ENTRY_INSTRUCTION_LENGTH)? as u8;
        Ok(Some(event))
    }

    /// Gives the guest an event. If another is waiting already (the exit interrupted its delivery), exceptions combine to a
    /// double fault where the architecture says so, and an interrupt that has to stand back is answered: inject it later.
    ///
    /// # Errors
    /// [`Error::Argument`] if the combination is a triple fault, or an interrupt cannot be taken now; [`Error::Row`] if the engine refuses.
    pub fn inject(&mut self, event: Injection) -> Result<Option<Injection>, Error> {
        let waiting = self.injected()?;
        let refused = |why: &str| Error::Argument {
            call: "Vcpu::inject",
            why: why.to_owned(),
        };
        let mut displaced = None;
        let mut wanted = event;
        if let Some(first) = waiting {
            if event.is_exception() && first.is_exception() {
                let combined = event.after(first);
                wanted = combined.ok_or_else(|| {
                    refused("an exception during a double fault: that is a triple fault")
                })?;
            } else if matches!(first.kind, EventType::EXTERNAL_INTERRUPT | EventType::NMI) {
                displaced = Some(first);
            } else if !event.is_exception() {
                return Err(refused(
                    "another event is waiting: it was not delivered yet",
                ));
            }
        }
        if event.kind == EventType::EXTERNAL_INTERRUPT
            && !self.is_open(EventType::EXTERNAL_INTERRUPT)?
        {
            return Err(refused(
                "the guest does not take interrupts now: ask for the interrupt window and inject at `Exit::InterruptWindow`",
            ));
        }
        self.queue(wanted)?;
        Ok(displaced)
    }

    fn queue(&mut self, event: Injection) -> Result<(), Error> {
        let mut word = Word::VALID.with_type(event.kind).with_vector(event.vector);
        let protected = self.read(vmcs::GUEST_CR0)?.contains(Cr0::PE);
        if event.is_exception() && protected && WITH_ERROR_CODE >> (event.vector & 31) & 1 != 0 {
            word |= Word::DELIVER_ERROR_CODE;
            self.write(
                vmcs::VM_ENTRY_EXCEPTION_ERROR_CODE,
                event.error_code.unwrap_or(0),
            )?;
        }
        if let Some(cr2) = event.cr2 {
            self.write(reg::CR2, cr2)?;
        }
        if (4..=6).contains(&event.kind.0) {
            self.write(vmcs::VM_ENTRY_INSTRUCTION_LENGTH, u32::from(event.length))?;
        }
        if event.is_exception() && !matches!(event.vector, 1 | 8 | 18) {
            // A fault: the image of the flags has RF set, so that an instruction breakpoint does not hit twice.
            self.modify(reg::RFLAGS, |flags: Rflags| flags | Rflags::RF)?;
        }
        self.write(vmcs::VM_ENTRY_INTERRUPTION_INFORMATION, word)
    }

    /// Takes back the event that was to be delivered at the next entry, and answers it.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn clear_injection(&mut self) -> Result<Option<Injection>, Error> {
        let event = self.injected()?;
        if event.is_some() {
            self.write(vmcs::VM_ENTRY_INTERRUPTION_INFORMATION, Word::empty())?;
        }
        Ok(event)
    }

    /// Whether a maskable interrupt can be injected now. Not before a debug exception that waits: it would be lost.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn can_take_interrupt(&self) -> Result<bool, Error> {
        Ok(!self.has_event()? && self.is_open(EventType::EXTERNAL_INTERRUPT)?)
    }

    /// Whether an NMI can be injected now; as for [`Vcpu::can_take_interrupt`].
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn can_take_nmi(&self) -> Result<bool, Error> {
        Ok(!self.has_event()? && self.is_open(EventType::NMI)?)
    }

    /// Whether the next entry has an event to deliver already: one to inject, or a debug exception.
    fn has_event(&self) -> Result<bool, Error> {
        let debug = Pending::ENABLED_BREAKPOINT | Pending::BS | Pending::RTM;
        let pending = self.read(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS)?;
        Ok(self.injected()?.is_some() || pending.intersects(debug))
    }

    fn is_open(&self, kind: EventType) -> Result<bool, Error> {
        let blocking = self.read(vmcs::GUEST_INTERRUPTIBILITY_STATE)?;
        let shadow = Blocking::BLOCKING_BY_STI | Blocking::BLOCKING_BY_MOV_SS;
        if kind == EventType::NMI {
            let blocked = blocking.intersects(shadow | Blocking::BLOCKING_BY_NMI);
            return Ok(!blocked && !self.debug_is_pending()?);
        }
        let enabled = self.read(reg::RFLAGS)?.contains(Rflags::IF);
        Ok(enabled && !blocking.intersects(shadow) && !self.debug_is_pending()?)
    }

    /// Whether a debug exception comes before any interrupt; one that is injected would drop it (SDM vol. 3, 28.7.3).
    fn debug_is_pending(&self) -> Result<bool, Error> {
        use vmcs::PendingDebugExceptions as Pending;
        let pending = self.read(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS)?;
        Ok(pending.intersects(Pending::BS | Pending::ENABLED_BREAKPOINT))
    }

    /// Asks for [`Exit::InterruptWindow`](super::Exit::InterruptWindow) as soon as the guest can take an interrupt, or takes the wish back.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn request_interrupt_window(&mut self, wanted: bool) -> Result<(), Error> {
        self.modify(
            vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS,
            |controls: Primary| controls.with(Primary::INTERRUPT_WINDOW_EXITING, wanted),
        )
    }

    /// Injects an interrupt at once if the guest can take it, else asks for the interrupt window. Answers whether it was injected.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn interrupt_or_window(&mut self, vector: u8) -> Result<bool, Error> {
        if !self.can_take_interrupt()? {
            self.request_interrupt_window(true)?;
            return Ok(false);
        }
        self.inject(Injection::interrupt(vector))?;
        Ok(true)
    }

    /// Moves on behind an instruction that was done by hand: RIP, interrupt shadow, single step.
    pub(super) fn advance(&mut self, length: u64) -> Result<(), Error> {
        let rip = self.read(reg::RIP)?;
        let mut next = rip.wrapping_add(length);
        if (rip ^ next) >> 32 != 0 && self.code()?.1 != 64 {
            next &= 0xffff_ffff;
        }
        self.write(reg::RIP, next)?;
        self.end_interrupt_shadow()?;
        let flags = self.read(reg::RFLAGS)?;
        if flags.intersects(Rflags::TF | Rflags::RF) {
            self.after_step(flags)?;
        }
        Ok(())
    }

    /// STI and MOV SS block for one instruction only.
    pub(super) fn end_interrupt_shadow(&mut self) -> Result<(), Error> {
        let blocking = self.read(vmcs::GUEST_INTERRUPTIBILITY_STATE)?;
        let shadow = Blocking::BLOCKING_BY_STI | Blocking::BLOCKING_BY_MOV_SS;
        if blocking.intersects(shadow) {
            self.write(vmcs::GUEST_INTERRUPTIBILITY_STATE, blocking - shadow)?;
        }
        Ok(())
    }

    /// Stays at a repeated instruction of which one round was done by hand, but not the last.
    pub(super) fn end_round(&mut self) -> Result<(), Error> {
        self.end_interrupt_shadow()?;
        let flags = self.read(reg::RFLAGS)?;
        let breakpoints = self.raw_vmcs(vmcs::GUEST_DR7.key()) & 0xff != 0;
        if flags.contains(Rflags::TF) || breakpoints {
            // Its breakpoint has been looked at, and a trap between rounds pushes RF (SDM vol. 3, 18.3.1.1).
            self.write(reg::RFLAGS, flags | Rflags::RF)?;
            self.step_behind(flags)?;
        }
        Ok(())
    }

    #[cold]
    fn after_step(&mut self, flags: Rflags) -> Result<(), Error> {
        if flags.contains(Rflags::RF) {
            self.write(reg::RFLAGS, flags - Rflags::RF)?;
        }
        self.step_behind(flags)
    }

    /// Makes #DB pending if RFLAGS.TF asks for it behind an instruction, which was no branch.
    fn step_behind(&mut self, flags: Rflags) -> Result<(), Error> {
        let branches = self
            .read(vmcs::GUEST_IA32_DEBUGCTL)
            .is_ok_and(|control| control.contains(super::msr::Debugctl::BTF));
        if flags.contains(Rflags::TF) && !branches {
            self.modify(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS, |pending: Pending| {
                pending | Pending::BS
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_combine() {
        let (gp, pf) = (Injection::general_protection(), Injection::fault(14, 2));
        assert_eq!(gp.after(gp), Some(Injection::fault(8, 0)));
        assert_eq!(pf.after(gp), Some(pf));
        assert_eq!(gp.after(pf), Some(Injection::fault(8, 0)));
        assert_eq!(pf.after(Injection::fault(8, 0)), None);
        assert_eq!(gp.after(Injection::exception(1)), Some(gp));
    }
}
