//! What a debugger asks of a processor: the seam between `flow` and the two architectures' `debug` modules.

use std::sync::Arc;

use super::{Part, Watch, Watchpoint};
use crate::error::Error;
use crate::guest_memory::GuestMemory;
use crate::handle::VcpuHandle;

/// What an entry is to stop at.
#[derive(Debug, Clone, Default)]
pub struct Armed {
    /// One instruction.
    pub(crate) step: bool,
    /// Hardware breakpoints.
    pub(crate) breakpoints: Vec<u64>,
    /// Parts of watchpoints, each in one hardware point.
    pub(crate) watches: Vec<(Part, Watch)>,
}

impl Armed {
    /// Whether debug registers are in use.
    pub(crate) fn has_points(&self) -> bool {
        !self.breakpoints.is_empty() || !self.watches.is_empty()
    }
}

/// How an entry ended.
#[derive(Debug)]
pub enum Outcome<E> {
    /// For the VMM, not the debugger.
    Event(E),
    /// The guest came upon an INT3 or BRK at its program counter.
    Trap,
    /// A hardware breakpoint.
    Breakpoint,
    /// A watchpoint: index in [`Armed::watches`], and the address of the access where it is known.
    Watch(usize, Option<u64>),
    /// One instruction is done.
    Stepped,
}

/// How an instruction is stepped over.
#[derive(Debug, PartialEq, Eq)]
pub enum Single {
    /// By the processor's single step.
    Plain,
    /// It does nothing but wait: the program counter is moved.
    Skip,
    /// It begins a sequence that a debug exception would break: the guest runs until one of these addresses.
    Until(Vec<u64>),
}

/// A vCPU as the debugger sees it.
pub trait Machine: Sized {
    /// The architecture's exit.
    type Exit<'v>
    where
        Self: 'v;
    /// An exit before it borrows the vCPU.
    type Event;

    /// The instruction of a software breakpoint.
    const TRAP: &'static [u8];
    /// Watchpoints stop before the access.
    const WATCH_STOPS_BEFORE: bool;

    /// Virtual address of the next instruction.
    fn debug_pc(&self) -> Result<u64, Error>;
    /// Guest-physical address behind a virtual one, whatever its permissions.
    fn locate(&self, address: u64) -> Result<Option<u64>, Error>;
    /// The memory that it runs in.
    fn debug_memory(&self) -> &Arc<GuestMemory>;
    /// Its handle.
    fn debug_handle(&self) -> VcpuHandle;
    /// How a watchpoint is made of hardware points.
    fn parts(&self, point: Watchpoint) -> Result<Vec<Part>, Error>;
    /// Whether the processor has room for these.
    fn check_room(&self, armed: &Armed) -> Result<(), Error>;
    /// How the next instruction is stepped over.
    fn single(&self) -> Result<Single, Error>;
    /// Moves on behind the next instruction, of [`Single::Skip`].
    fn skip(&mut self) -> Result<(), Error>;
    /// Runs the guest, with what is armed, until it stops.
    fn enter_armed(&mut self, armed: &Armed) -> Result<Outcome<Self::Event>, Error>;
    /// The INT3 or BRK that it stopped at is the guest's: hands it over. `None`: the exception is queued, or taken already (true);
    /// an event if the VMM has asked to see them itself.
    fn hand_over(&mut self) -> Result<HandOver<Self::Event>, Error>;
    /// Whether the event stands for the instruction at the program counter.
    fn is_of_instruction(event: &Self::Event) -> bool;
    /// The event as the VMM gets it.
    fn finish_event(&mut self, event: Self::Event) -> Result<Self::Exit<'_>, Error>;
}

/// What became of a guest's own INT3 or BRK.
#[derive(Debug)]
pub enum HandOver<E> {
    /// It is delivered with the next entry.
    Queued,
    /// The program counter is at the guest's handler.
    Taken,
    /// The VMM has asked for such exceptions.
    Event(E),
}
