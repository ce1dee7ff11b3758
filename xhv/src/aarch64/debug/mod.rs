//! The debugger's view of an AArch64 vCPU: BRK, debug registers and software step, trapped to the VMM. `arm` puts these in and out around a
//! run, `registers` does the guest's own accesses to debug registers meanwhile, `sequence` finds the end of exclusive sequences.

mod arm;
mod registers;
mod sequence;

use std::sync::Arc;

use arm::Found;

use super::exit::{self, Exit, RawExit};
use super::exits::Syndrome;
use super::inject::Exception;
use super::sysreg::ID_AA64DFR0_EL1;
use super::vcpu::Vcpu;
use crate::debug::{
    Armed, Debugger as Generic, HandOver, Machine, Outcome, Part, Single, Watchpoint, blocks,
};
use crate::error::Error;
use crate::guest_memory::GuestMemory;
use crate::handle::VcpuHandle;

/// A debugger on an AArch64 vCPU.
///
/// The numbers of hardware breakpoints and watchpoints are those of ID_AA64DFR0_EL1. A load-exclusive up to its store-exclusive is one step;
/// a breakpoint between the two makes the store fail each time: set it before or behind. WFI and WFE do nothing when a VM with a GIC steps
/// them. That the framework's vCPUs step by MDSCR_EL1.SS and CPSR.SS is what other clients do; not verified here.
pub type Debugger<'v> = Generic<'v, Vcpu>;

/// An exit before it borrows the vCPU.
#[derive(Debug)]
pub enum Event {
    /// The next part of an instruction that accesses devices in several parts.
    Part,
    /// As the engine told it.
    Raw(RawExit),
}

/// What one watchpoint register covers at most: its mask has 31 bits.
const LARGEST: u64 = 1 << 31;

fn missing(what: String) -> Error {
    Error::Missing {
        call: "Debugger",
        what,
    }
}

/// A range as watchpoint registers take it: any bytes inside of a doubleword, or an aligned power of two.
fn watch_parts(address: u64, length: u64) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for part in blocks(address, length, LARGEST) {
        match parts.last_mut() {
            Some(last) if last.address >> 3 == (part.address + (part.length - 1)) >> 3 => {
                last.length += part.length;
            }
            _ => parts.push(part),
        }
    }
    parts
}

impl Machine for Vcpu {
    type Exit<'v> = Exit<'v>;
    type Event = Event;

    /// BRK #0
    const TRAP: &'static [u8] = &[0x00, 0x00, 0x20, 0xd4];
    const WATCH_STOPS_BEFORE: bool = true;

    fn debug_pc(&self) -> Result<u64, Error> {
        self.read(super::reg::PC)
    }

    fn locate(&self, address: u64) -> Result<Option<u64>, Error> {
        Ok(self.translate(address)?.map(|found| found.gpa.0))
    }

    fn debug_memory(&self) -> &Arc<GuestMemory> {
        &self.vm.0.memory
    }

    fn debug_handle(&self) -> VcpuHandle {
        self.handle()
    }

    fn parts(&self, point: Watchpoint) -> Result<Vec<Part>, Error> {
        Ok(watch_parts(point.address, point.length))
    }

    fn check_room(&self, armed: &Armed) -> Result<(), Error> {
        let features = self.read(ID_AA64DFR0_EL1)?;
        if let Some(odd) = armed.breakpoints.iter().find(|&at| !at.is_multiple_of(4)) {
            return Err(Error::Argument {
                call: "Debugger::add_hardware_breakpoint",
                why: format!("{odd:#x} is no multiple of 4"),
            });
        }
        for (what, wanted, present) in [
            ("breakpoints", armed.breakpoints.len(), features.brps()),
            ("watchpoints", armed.watches.len(), features.wrps()),
        ] {
            let present = usize::from(present) + 1;
            if wanted > present {
                return Err(missing(format!(
                    "{wanted} hardware {what} would be needed, and there are {present}"
                )));
            }
        }
        Ok(())
    }

    fn single(&self) -> Result<Single, Error> {
        self.how_to_step()
    }

    fn skip(&mut self) -> Result<(), Error> {
        self.advance()
    }

    fn enter_armed(&mut self, armed: &Armed) -> Result<Outcome<Event>, Error> {
        loop {
            if self.transfer.is_some() {
                return Ok(Outcome::Event(Event::Part));
            }
            match self.run_armed(armed)? {
                Found::Outcome(outcome) => return Ok(outcome),
                Found::DebugRegister(access) => {
                    self.access_debug_register(access)?;
                    if armed.step {
                        return Ok(Outcome::Stepped);
                    }
                }
            }
        }
    }

    fn hand_over(&mut self) -> Result<HandOver<Event>, Error> {
        let raw = self.last_exit();
        if self.trap_debug_exceptions()? {
            return Ok(HandOver::Event(Event::Raw(raw)));
        }
        self.inject(Exception {
            syndrome: raw.syndrome,
            address: None,
        })?;
        Ok(HandOver::Taken)
    }

    fn is_of_instruction(event: &Event) -> bool {
        match event {
            Event::Part => true,
            Event::Raw(raw) => {
                raw.reason == super::exits::ExitReason::EXCEPTION
                    && !matches!(
                        Syndrome::decode(raw.syndrome),
                        Syndrome::InstructionAbortLower(_)
                    )
            }
        }
    }

    fn finish_event(&mut self, event: Event) -> Result<Exit<'_>, Error> {
        match event {
            Event::Part => exit::next_part(self),
            Event::Raw(raw) => {
                self.statistics.exits += 1;
                exit::decode(self, raw)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: u64, length: u64) -> Vec<(u64, u64)> {
        let parts = watch_parts(address, length);
        parts
            .iter()
            .map(|part| (part.address, part.length))
            .collect()
    }

    #[test]
    fn one_register_covers_a_doubleword_or_a_power_of_two() {
        assert_eq!(parts(0x1001, 7), [(0x1001, 7)]);
        assert_eq!(parts(0x1000, 8), [(0x1000, 8)]);
        assert_eq!(parts(0x1000, 4096), [(0x1000, 4096)]);
        assert_eq!(parts(0x1006, 4), [(0x1006, 2), (0x1008, 2)]);
        assert_eq!(parts(0x1004, 16), [(0x1004, 4), (0x1008, 8), (0x1010, 4)]);
        assert_eq!(parts(0, 1 << 32), [(0, 1 << 31), (1 << 31, 1 << 31)]);
        assert_eq!(parts(u64::MAX - 2, 3), [(u64::MAX - 2, 3)]);
    }
}
