//! Debugging a guest from its VMM: breakpoints, watchpoints, single step, with the same words on both architectures.
//!
//! [`Debugger`] borrows a vCPU and runs it; `x86_64::Debugger` and `aarch64::Debugger` are its two kinds. Between two runs the vCPU's
//! registers are the guest's own: what debugging needs is put in right before an entry and taken out right after the exit.
//!
//! ```
//! use xhv::debug::Stop;
//! use xhv::x86_64::{Debugger, Exit, Vm, reg};
//! use xhv::Gpa;
//!
//! # fn main() -> Result<(), xhv::Error> {
//! let vm = Vm::new()?;
//! vm.map_new(Gpa(0), 0x10000)?;
//! vm.write(Gpa(0x1000), &[0x40, 0x40, 0x40, 0xf4])?; // inc eax, three times; hlt
//! let mut vcpu = vm.create_vcpu()?;
//! vcpu.set_flat32(0x1000)?;
//! let mut debugger = Debugger::new(&mut vcpu);
//! debugger.add_breakpoint(0x1001)?;
//! assert!(matches!(debugger.run()?, Stop::Breakpoint { address: 0x1001, .. }));
//! assert!(matches!(debugger.step()?, Stop::Step));
//! assert_eq!((debugger.pc()?, debugger.vcpu().read(reg::RAX)?), (0x1002, 2));
//! assert!(matches!(debugger.run()?, Stop::Exit(Exit::Hlt(_))));
//! # Ok(())
//! # }
//! ```
//!
//! # What a guest notices
//!
//! | | x86 | AArch64 |
//! |---|---|---|
//! | a software breakpoint is | INT3 in guest memory | BRK in guest memory |
//! | its own INT3 and BRK | reach it | reach it |
//! | its own breakpoints, watchpoints, steps | sleep while the debugger has hardware points | sleep while the debugger runs it |
//! | its own debug registers | it reads and writes them as ever | it reads and writes them as ever |
//! | its memory where a software breakpoint lies | it reads the INT3; writing there ends the breakpoint | it reads the BRK; writing there ends the breakpoint |
//!
//! A watchpoint stops behind the access on x86 and before it on AArch64, as the processors have it; x86 has none for reads alone.
//!
//! # Several vCPUs
//!
//! Software breakpoints belong to the memory: every vCPU of the VM meets them, so give each that runs a debugger of its own. While one
//! steps over a breakpoint, those of the others that have a debugger are paused, so that none slips through. Hardware points and
//! steps belong to the vCPU.

mod flow;
mod machine;
mod range;
mod traps;

pub use flow::Debugger;
pub(crate) use machine::{Armed, HandOver, Machine, Outcome, Single};
pub(crate) use range::{Part, blocks};
pub(crate) use traps::Traps;

/// What a watchpoint looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watch {
    /// Reads. Not on x86, whose debug registers have no such kind.
    Read,
    /// Writes.
    Write,
    /// Reads and writes.
    Access,
}

/// A range of guest memory that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Watchpoint {
    /// First virtual address (linear on x86).
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// What stops the guest.
    pub kind: Watch,
}

/// Why a debugged vCPU came back. `E` is the architecture's `Exit`.
#[derive(Debug)]
#[must_use]
pub enum Stop<E> {
    /// An exit that the VMM has to deal with, as without a debugger. Then run or step again: a step that an exit interrupted is complete
    /// once the exit is finished.
    Exit(E),
    /// The instruction at this address is next, and has a breakpoint.
    Breakpoint {
        /// Virtual address (linear on x86).
        address: u64,
        /// Found by the processor, not by an instruction in memory.
        hardware: bool,
    },
    /// Watched memory is accessed: was on x86, will be next on AArch64.
    Watchpoint {
        /// The watchpoint as it was added.
        point: Watchpoint,
        /// The address of the access, where the processor tells it.
        access: Option<u64>,
    },
    /// The step is done.
    Step,
}

/// Processors that a [`Debugger`] runs: the `Vcpu`s of both architectures.
pub trait Target: Machine {}

impl Target for crate::x86_64::Vcpu {}
impl Target for crate::aarch64::Vcpu {}
