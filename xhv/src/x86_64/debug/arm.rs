//! One run under a debugger: debug registers, exception bitmap and controls are the debugger's for its length, and what came out is
//! sorted.

use super::Event;
use crate::debug::{Armed, Machine, Outcome, Watch};
use crate::error::Error;
use crate::time::FOREVER;
use crate::x86_64::capabilities;
use crate::x86_64::controls::{
    PrimaryProcessorBasedControls as Primary, VmEntryControls as Entry, VmExitControls as Exit,
};
use crate::x86_64::exit::Kind;
use crate::x86_64::exits::ExitReason;
use crate::x86_64::reg::{self, BreakpointCondition, BreakpointLength, Dr6, Dr7};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs::{
    self, EventType, IdtVectoringInformation, PendingDebugExceptions as Pending,
};

/// #DB
const DEBUG: u8 = 1;
/// #BP
pub(super) const BREAKPOINT: u8 = 3;
/// Conditions of the four breakpoints, in DR6 and in the pending debug exceptions.
const CONDITIONS: u64 = 0xf;

/// What a run came to.
pub(super) enum Found {
    Outcome(Outcome<Event>),
    /// #DB of the guest's own doing.
    OwnDebug,
    /// The guest reads or writes a debug register.
    MoveDr,
}

/// What the VMM itself had asked for.
pub(super) struct Own {
    /// #DB exits.
    pub(super) debug_exits: bool,
    /// The event whose delivery the exit interrupted.
    pub(super) interrupted: Option<IdtVectoringInformation>,
    /// MOV DR exits.
    move_dr: bool,
    /// Each instruction exits.
    trap_flag: bool,
}

/// What the vCPU had before.
struct Saved {
    bitmap: u32,
    primary: Primary,
    entry: Entry,
    exit: Exit,
    /// DR0 to DR3, and DR7; if they are changed.
    registers: Option<([u64; 4], Dr7)>,
}

const ADDRESSES: [crate::typed::Register<u64>; 4] = [reg::DR0, reg::DR1, reg::DR2, reg::DR3];

impl Vcpu {
    /// Whether the exception bitmap picks a vector.
    pub(super) fn exits_on(&self, vector: u8) -> Result<bool, Error> {
        Ok(self.read(vmcs::EXCEPTION_BITMAP)? >> vector & 1 != 0)
    }

    /// Enters the guest with what is armed, and sorts what comes.
    pub(super) fn run_armed(&mut self, armed: &Armed) -> Result<(Found, Own), Error> {
        let saved = self.arm(armed)?;
        self.control.begin();
        let kind = self.next_exit(FOREVER);
        self.control.end();
        // Also after a failed entry the vCPU gets its registers back.
        let disarmed = self.disarm(&saved);
        let kind = kind?;
        disarmed?;
        let mut own = Own {
            debug_exits: saved.bitmap >> DEBUG & 1 != 0,
            interrupted: None,
            move_dr: saved.primary.contains(Primary::MOV_DR_EXITING),
            trap_flag: saved.primary.contains(Primary::MONITOR_TRAP_FLAG),
        };
        if let Kind::Exception(interrupted) = &kind {
            own.interrupted = *interrupted;
        }
        Ok((self.sort(kind, armed, &own)?, own))
    }

    fn arm(&mut self, armed: &Armed) -> Result<Saved, Error> {
        let saved = Saved {
            bitmap: self.read(vmcs::EXCEPTION_BITMAP)?,
            primary: self.read(vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS)?,
            entry: self.read(vmcs::VM_ENTRY_CONTROLS)?,
            exit: self.read(vmcs::VM_EXIT_CONTROLS)?,
            registers: armed
                .has_points()
                .then(|| self.debug_registers())
                .transpose()?,
        };
        let allowed = u64::from(self.read(capabilities::PROCBASED)?.allowed1());
        let may = Primary::from_bits(allowed as u32);
        let mut primary = saved.primary;
        if armed.step {
            if !may.contains(Primary::MONITOR_TRAP_FLAG) {
                return Err(super::missing(
                    "this host does not have MONITOR_TRAP_FLAG, by which the guest is stepped"
                        .to_owned(),
                ));
            }
            primary |= Primary::MONITOR_TRAP_FLAG;
        }
        let mut bitmap = saved.bitmap | 1 << BREAKPOINT;
        if armed.has_points() {
            bitmap |= 1 << DEBUG;
            primary |= Primary::MOV_DR_EXITING & may;
            self.load_points(armed)?;
            self.set_controls(saved.entry, Entry::LOAD_DEBUG_CONTROLS)?;
            // Before macOS 10.10.3 there is no capability for this word: it stays as it is.
            if self.read(capabilities::EXIT).is_ok() {
                self.set_controls(saved.exit, Exit::SAVE_DEBUG_CONTROLS)?;
            }
        }
        self.write(vmcs::EXCEPTION_BITMAP, bitmap)?;
        self.write(vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS, primary)?;
        Ok(saved)
    }

    fn debug_registers(&self) -> Result<([u64; 4], Dr7), Error> {
        let mut addresses = [0; 4];
        for (address, register) in addresses.iter_mut().zip(ADDRESSES) {
            *address = self.read(register)?;
        }
        Ok((addresses, self.read(vmcs::GUEST_DR7)?))
    }

    fn load_points(&mut self, armed: &Armed) -> Result<(), Error> {
        let mut control = Dr7::from_bits(0x400) | Dr7::LE | Dr7::GE;
        let mut registers = ADDRESSES.into_iter().zip(0..);
        for &address in &armed.breakpoints {
            let Some((register, number)) = registers.next() else {
                break;
            };
            self.write(register, address)?;
            control |= point(number, BreakpointCondition::EXECUTE, BreakpointLength::ONE);
        }
        for (part, kind) in &armed.watches {
            let Some((register, number)) = registers.next() else {
                break;
            };
            let condition = match kind {
                Watch::Write => BreakpointCondition::WRITE,
                Watch::Read | Watch::Access => BreakpointCondition::READ_WRITE,
            };
            let length = match part.length {
                1 => BreakpointLength::ONE,
                2 => BreakpointLength::TWO,
                4 => BreakpointLength::FOUR,
                _ => BreakpointLength::EIGHT,
            };
            self.write(register, part.address)?;
            control |= point(number, condition, length);
        }
        self.write(vmcs::GUEST_DR7, control)
    }

    fn disarm(&mut self, saved: &Saved) -> Result<(), Error> {
        self.write(vmcs::EXCEPTION_BITMAP, saved.bitmap)?;
        // An exit may have changed other bits meanwhile: only what was added goes.
        let added = Primary::MONITOR_TRAP_FLAG | Primary::MOV_DR_EXITING;
        self.modify(vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS, |now: Primary| {
            now - (added - saved.primary)
        })?;
        let Some((addresses, control)) = saved.registers else {
            return Ok(());
        };
        self.modify(vmcs::VM_ENTRY_CONTROLS, |now: Entry| {
            now - (Entry::LOAD_DEBUG_CONTROLS - saved.entry)
        })?;
        self.modify(vmcs::VM_EXIT_CONTROLS, |now: Exit| {
            now - (Exit::SAVE_DEBUG_CONTROLS - saved.exit)
        })?;
        for (address, register) in addresses.into_iter().zip(ADDRESSES) {
            self.write(register, address)?;
        }
        self.write(vmcs::GUEST_DR7, control)
    }

    fn sort(&mut self, kind: Kind, armed: &Armed, own: &Own) -> Result<Found, Error> {
        let met = self.take_pending(armed)?;
        Ok(match kind {
            Kind::MonitorTrap if armed.step => Found::Outcome(match met {
                Some(watch) => watch,
                None => Outcome::Stepped,
            }),
            Kind::MonitorTrap if own.trap_flag => Found::Outcome(Outcome::Event(Event(kind))),
            Kind::Exception(_) => self.sort_exception(kind, armed)?,
            Kind::Other(ExitReason::MOV_DR) if armed.has_points() && !own.move_dr => Found::MoveDr,
            kind => {
                let event = Event(kind);
                match met {
                    // Met in the shadow of MOV SS: the instruction behind it exits again.
                    Some(watch) if Self::is_of_instruction(&event) => Found::Outcome(watch),
                    _ => Found::Outcome(Outcome::Event(event)),
                }
            }
        })
    }

    fn sort_exception(&mut self, kind: Kind, armed: &Armed) -> Result<Found, Error> {
        let information = self.read(vmcs::VM_EXIT_INTERRUPTION_INFORMATION)?;
        match (information.type_(), information.vector()) {
            (EventType::SOFTWARE_EXCEPTION, BREAKPOINT) => Ok(Found::Outcome(Outcome::Trap)),
            (EventType::HARDWARE_EXCEPTION, DEBUG) => {
                let status = self.raw_vmcs(vmcs::EXIT_QUALIFICATION.key());
                let Some(outcome) = outcome_of(armed, status) else {
                    return Ok(Found::OwnDebug);
                };
                if Dr6::from_bits(status).contains(Dr6::BS) {
                    // The guest steps itself, too: that #DB is still to come.
                    self.modify(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS, |pending: Pending| {
                        pending | Pending::BS
                    })?;
                }
                Ok(Found::Outcome(outcome))
            }
            (EventType::PRIVILEGED_SOFTWARE_EXCEPTION, DEBUG) => Ok(Found::OwnDebug),
            _ => Ok(Found::Outcome(Outcome::Event(Event(kind)))),
        }
    }

    /// Takes conditions of the debugger's points out of the debug exceptions that wait, so that the guest never sees them.
    fn take_pending(&mut self, armed: &Armed) -> Result<Option<Outcome<Event>>, Error> {
        if !armed.has_points() {
            return Ok(None);
        }
        let pending = self.read(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS)?;
        let conditions = pending.bits() & CONDITIONS;
        if conditions == 0 {
            return Ok(None);
        }
        let rest = Pending::from_bits(pending.bits() & !CONDITIONS) - Pending::ENABLED_BREAKPOINT;
        self.write(vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS, rest)?;
        Ok(outcome_of(armed, conditions))
    }
}

/// What the condition bits of DR6 mean; `None` if they are none of the debugger's.
fn outcome_of(armed: &Armed, status: u64) -> Option<Outcome<Event>> {
    let bits = status & CONDITIONS;
    let first = bits.trailing_zeros() as usize;
    let watches = armed.breakpoints.len();
    if bits == 0 || first >= watches + armed.watches.len() {
        return None;
    }
    Some(match first.checked_sub(watches) {
        Some(watch) => Outcome::Watch(watch, None),
        None => Outcome::Breakpoint,
    })
}

/// The bits of DR7 that enable one of the four breakpoints.
fn point(number: u32, condition: BreakpointCondition, length: BreakpointLength) -> Dr7 {
    let fields = u64::from(condition.0) | u64::from(length.0) << 2;
    Dr7::from_bits(1 << (2 * number) | fields << (16 + 4 * number))
}
