//! One run under a debugger: debug exceptions are trapped, and MDSCR_EL1, debug registers and CPSR.SS are the debugger's for its length.

use crate::aarch64::exit::RawExit;
use crate::aarch64::exits::{ExitReason, IssSystemRegister, IssWatchpoint, Syndrome};
use crate::aarch64::reg::{CPSR, PC, Spsr};
use crate::aarch64::sysreg::{ID_AA64DFR0_EL1, MDSCR_EL1, Mdscr, SPSR_EL1};
use crate::aarch64::vcpu::Vcpu;
use crate::debug::{Armed, Outcome, Part, Watch};
use crate::error::Error;

use super::Event;
use super::registers::{Bank, is_debug_register};

/// What a run came to.
pub(super) enum Found {
    Outcome(Outcome<Event>),
    /// The guest reads or writes a debug register.
    DebugRegister(IssSystemRegister),
}

/// What the vCPU had before.
struct Saved {
    exceptions: bool,
    accesses: bool,
    control: Mdscr,
    pstate: Spsr,
    pc: u64,
    /// SPSR_EL1, if the guest is stepped.
    status: Option<Spsr>,
    /// The registers that were changed: number and value.
    registers: Vec<(u16, u64)>,
}

impl Vcpu {
    /// Enters the guest with what is armed, and sorts what comes.
    pub(super) fn run_armed(&mut self, armed: &Armed) -> Result<Found, Error> {
        let saved = self.arm(armed)?;
        let raw = self.enter();
        // Also after a failed entry the vCPU gets its registers back.
        let stepped = matches!(&raw, Ok(raw) if armed.step && is_step(raw));
        let disarmed = self.disarm(&saved, stepped);
        let raw = raw?;
        disarmed?;
        Ok(self.sort(raw, armed, &saved))
    }

    fn arm(&mut self, armed: &Armed) -> Result<Saved, Error> {
        let pstate = self.read(CPSR)?;
        let mut saved = Saved {
            exceptions: self.trap_debug_exceptions()?,
            accesses: self.trap_debug_registers()?,
            control: self.read(MDSCR_EL1)?,
            pstate,
            pc: self.read(PC)?,
            status: None,
            registers: Vec::new(),
        };
        self.set_trap_debug_exceptions(true)?;
        self.set_trap_debug_registers(true)?;
        let mut control = saved.control - (Mdscr::SS | Mdscr::MDE | Mdscr::KDE);
        if armed.has_points() {
            control |= Mdscr::MDE;
            self.load_points(armed, &mut saved.registers)?;
        }
        if armed.step {
            control |= Mdscr::SS;
            saved.status = Some(self.read(SPSR_EL1)?);
            self.write(CPSR, pstate | Spsr::SS)?;
        }
        self.write(MDSCR_EL1, control)?;
        Ok(saved)
    }

    /// Fills all debug registers: those that are not used are switched off, since the guest may have enabled them.
    fn load_points(&mut self, armed: &Armed, registers: &mut Vec<(u16, u64)>) -> Result<(), Error> {
        let features = self.read(ID_AA64DFR0_EL1)?;
        let breakpoints = armed
            .breakpoints
            .iter()
            .map(|&at| (at, breakpoint_control()));
        let watches = armed
            .watches
            .iter()
            .map(|&(part, kind)| watch_pair(part, kind));
        self.load_bank(
            Bank::Breakpoints,
            features.brps(),
            breakpoints.collect(),
            registers,
        )?;
        self.load_bank(
            Bank::Watchpoints,
            features.wrps(),
            watches.collect(),
            registers,
        )
    }

    fn load_bank(
        &mut self,
        bank: Bank,
        last: u8,
        pairs: Vec<(u64, u64)>,
        registers: &mut Vec<(u16, u64)>,
    ) -> Result<(), Error> {
        for n in 0..=last {
            let (value, control) = bank.pair(n);
            let pair = pairs.get(usize::from(n)).copied();
            let (address, enable) = pair.unwrap_or_default();
            if pair.is_some() {
                registers.push((value, self.debug_register(value)?));
                self.set_debug_register(value, address)?;
            }
            registers.push((control, self.debug_register(control)?));
            self.set_debug_register(control, enable)?;
        }
        Ok(())
    }

    fn disarm(&mut self, saved: &Saved, stepped: bool) -> Result<(), Error> {
        self.set_trap_debug_exceptions(saved.exceptions)?;
        self.set_trap_debug_registers(saved.accesses)?;
        self.write(MDSCR_EL1, saved.control)?;
        for &(number, value) in &saved.registers {
            self.set_debug_register(number, value)?;
        }
        let Some(before) = saved.status else {
            return Ok(());
        };
        // The step was the debugger's: the guest's own, if it is in one, is where it was unless an instruction was done.
        let untouched = !stepped && self.read(PC)? == saved.pc;
        let own = untouched && saved.pstate.contains(Spsr::SS);
        self.modify(CPSR, |now: Spsr| now.with(Spsr::SS, own))?;
        // An exception that the guest took meanwhile has saved the debugger's bit.
        let status = self.read(SPSR_EL1)?;
        if status != before && status.contains(Spsr::SS) && !saved.pstate.contains(Spsr::SS) {
            self.write(SPSR_EL1, status - Spsr::SS)?;
        }
        Ok(())
    }

    fn sort(&self, raw: RawExit, armed: &Armed, saved: &Saved) -> Found {
        let event = || Found::Outcome(Outcome::Event(Event::Raw(raw)));
        if raw.reason != ExitReason::EXCEPTION {
            return event();
        }
        match Syndrome::decode(raw.syndrome) {
            Syndrome::Brk(_) => Found::Outcome(Outcome::Trap),
            Syndrome::StepLower(_) | Syndrome::Step(_) if armed.step => {
                Found::Outcome(Outcome::Stepped)
            }
            Syndrome::BreakpointLower(_) | Syndrome::Breakpoint(_)
                if !armed.breakpoints.is_empty() =>
            {
                Found::Outcome(Outcome::Breakpoint)
            }
            Syndrome::WatchpointLower(at) => watch(&raw, at.iss, armed).unwrap_or_else(event),
            Syndrome::Watchpoint(at) => watch(&raw, at.iss, armed).unwrap_or_else(event),
            Syndrome::SystemRegister(access)
                if !saved.accesses && is_debug_register(access.iss) =>
            {
                Found::DebugRegister(access.iss)
            }
            _ => event(),
        }
    }
}

fn is_step(raw: &RawExit) -> bool {
    raw.reason == ExitReason::EXCEPTION
        && matches!(
            Syndrome::decode(raw.syndrome),
            Syndrome::StepLower(_) | Syndrome::Step(_)
        )
}

/// Which watchpoint was met: the register's number where the processor tells it, else the first that the access can have met.
fn watch(raw: &RawExit, iss: IssWatchpoint, armed: &Armed) -> Option<Found> {
    /// The address told is the lowest of the access, or of the part that is watched.
    const WIDEST: u64 = 64;
    let told = iss
        .contains(IssWatchpoint::WPTV)
        .then(|| usize::from(iss.wpt()));
    let access = (!iss.contains(IssWatchpoint::FNV)).then_some(raw.virtual_address);
    let write = iss.contains(IssWatchpoint::WNR);
    let fits = |kind: Watch| kind == Watch::Access || (kind == Watch::Write) == write;
    let near = |size| {
        let at = access?;
        armed
            .watches
            .iter()
            .position(|&(part, kind)| fits(kind) && part.meets(at, size))
    };
    let known = told.filter(|&number| number < armed.watches.len());
    let index = known.or_else(|| near(1)).or_else(|| near(WIDEST))?;
    Some(Found::Outcome(Outcome::Watch(index, access)))
}

/// Enabled, for EL1 and EL0, unlinked, all four bytes (DBGBCRn_EL1).
fn breakpoint_control() -> u64 {
    0xf << 5 | 0b11 << 1 | 1
}

/// DBGWVRn_EL1 and DBGWCRn_EL1: a mask for more than a doubleword, else the bytes of one.
fn watch_pair(part: Part, kind: Watch) -> (u64, u64) {
    let load_store = match kind {
        Watch::Read => 1,
        Watch::Write => 2,
        Watch::Access => 3,
    };
    let control = load_store << 3 | 0b11 << 1 | 1;
    if part.length > 8 {
        let mask = u64::from(part.length.trailing_zeros());
        return (part.address, control | mask << 24 | 0xff << 5);
    }
    let bytes = (1 << part.length) - 1;
    (
        part.address & !7,
        control | bytes << (part.address & 7) << 5,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_registers_select_bytes() {
        let pair = |address, length| watch_pair(Part { address, length }, Watch::Write);
        assert_eq!(
            pair(0x1003, 2),
            (0x1000, 0b11000 << 5 | 2 << 3 | 3 << 1 | 1)
        );
        assert_eq!(pair(0x1000, 8), (0x1000, 0xff << 5 | 2 << 3 | 3 << 1 | 1));
        assert_eq!(
            pair(0x2000, 0x1000),
            (0x2000, 12 << 24 | 0xff << 5 | 2 << 3 | 3 << 1 | 1)
        );
    }
}
