//! The debugger's view of an Intel vCPU: INT3 by the exception bitmap, hardware points by DR0 to DR3 and #DB, single step by the monitor
//! trap flag. `arm` puts these in and out around a run, `registers` does the guest's own MOV DR meanwhile.

mod arm;
mod registers;

use std::sync::Arc;

use arm::Found;

use super::exit::{Exit, Kind};
use super::vcpu::Vcpu;
use crate::debug::{
    Armed, Debugger as Generic, HandOver, Machine, Outcome, Part, Single, Watch, Watchpoint, blocks,
};
use crate::error::Error;
use crate::guest_memory::GuestMemory;
use crate::handle::VcpuHandle;

/// A debugger on an Intel vCPU.
///
/// Four hardware points in all. Addresses are linear. Single step wants the monitor trap flag, which every Intel Mac has; that the framework
/// passes it on, and DR0 to DR3 with it, is not verified on a Mac.
pub type Debugger<'v> = Generic<'v, Vcpu>;

/// An exit before it borrows the vCPU.
#[derive(Debug)]
pub struct Event(Kind);

/// Debug registers for breakpoints and watchpoints.
const POINTS: usize = 4;

fn missing(what: String) -> Error {
    Error::Missing {
        call: "Debugger",
        what,
    }
}

impl Machine for Vcpu {
    type Exit<'v> = Exit<'v>;
    type Event = Event;

    const TRAP: &'static [u8] = &[0xcc];
    const WATCH_STOPS_BEFORE: bool = false;

    fn debug_pc(&self) -> Result<u64, Error> {
        Ok(self.code()?.0)
    }

    fn locate(&self, address: u64) -> Result<Option<u64>, Error> {
        self.locate_linear(address)
    }

    fn debug_memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    fn debug_handle(&self) -> VcpuHandle {
        self.handle()
    }

    fn parts(&self, point: Watchpoint) -> Result<Vec<Part>, Error> {
        if point.kind == Watch::Read {
            return Err(missing(
                "x86 debug registers have no watchpoint for reads alone: use `Watch::Access`"
                    .to_owned(),
            ));
        }
        // Five registers are as much too many as any number.
        Ok(blocks(point.address, point.length.min(40), 8))
    }

    fn check_room(&self, armed: &Armed) -> Result<(), Error> {
        let wanted = armed.breakpoints.len() + armed.watches.len();
        if wanted > POINTS {
            return Err(missing(format!(
                "{wanted} debug registers would be needed, and there are {POINTS}"
            )));
        }
        Ok(())
    }

    fn single(&self) -> Result<Single, Error> {
        Ok(Single::Plain)
    }

    fn skip(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn enter_armed(&mut self, armed: &Armed) -> Result<Outcome<Event>, Error> {
        loop {
            let (found, own) = self.run_armed(armed)?;
            match found {
                Found::Outcome(outcome) => return Ok(outcome),
                Found::OwnDebug if own.debug_exits => {}
                Found::OwnDebug => {
                    self.reflect_exception()?;
                    continue;
                }
                Found::MoveDr => {
                    self.move_debug_register()?;
                    continue;
                }
            }
            return Ok(Outcome::Event(Event(Kind::Exception(own.interrupted))));
        }
    }

    fn hand_over(&mut self) -> Result<HandOver<Event>, Error> {
        // The bitmap is the VMM's own again.
        if self.exits_on(arm::BREAKPOINT)? {
            return Ok(HandOver::Event(Event(Kind::Exception(None))));
        }
        self.reflect_exception()?;
        Ok(HandOver::Queued)
    }

    fn is_of_instruction(Event(event): &Event) -> bool {
        !matches!(
            event,
            Kind::Canceled
                | Kind::Deadline
                | Kind::InterruptWindow
                | Kind::NmiWindow
                | Kind::MonitorTrap
                | Kind::EntryRefused(..)
        )
    }

    fn finish_event(&mut self, Event(event): Event) -> Result<Exit<'_>, Error> {
        self.statistics.exits += 1;
        Ok(Exit::new(self, event))
    }
}
