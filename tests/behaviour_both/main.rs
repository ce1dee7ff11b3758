//! Behaviour that both architectures share, through the public API, on every engine: each file of tests is compiled once for each
//! architecture, against that architecture's `guest`.
//!
//! | module | what |
//! |---|---|
//! | `guest` | what the tests need of an architecture: engines, small programs, exits under one name |
//! | `memory` | mapping, protection, aliases, ownership, dirty pages, code that changes |
//! | `threads` | cancel, pause, work on a vCPU's thread |
//! | `snapshots` | saving, restoring, damage |
//! | `rust_vmm` | memory through the crate `vm-memory` |
//! | `misuse` | what bad input gets |

#[cfg(test)]
#[allow(clippy::duplicate_mod)] // compiled against another guest
mod x86_64 {
    mod guest;
    #[path = "../memory.rs"]
    mod memory;
    #[path = "../misuse.rs"]
    mod misuse;
    #[path = "../rust_vmm.rs"]
    mod rust_vmm;
    #[path = "../snapshots.rs"]
    mod snapshots;
    #[path = "../threads.rs"]
    mod threads;
}

#[cfg(test)]
#[allow(clippy::duplicate_mod)] // compiled against another guest
mod aarch64 {
    mod guest;
    #[path = "../memory.rs"]
    mod memory;
    #[path = "../misuse.rs"]
    mod misuse;
    #[path = "../rust_vmm.rs"]
    mod rust_vmm;
    #[path = "../snapshots.rs"]
    mod snapshots;
    #[path = "../threads.rs"]
    mod threads;
}

/// Where a guest stopped, whatever its architecture calls it.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The program is at its end; running on begins it anew.
    End,
    /// It has put out a number, and goes on.
    Output(u64),
    /// It waits for a value from where no memory is.
    Read { gpa: u64, size: u8 },
    /// It has written where it could not, and goes on.
    Write { gpa: u64, size: u8, value: u64 },
    /// It fetched where it could not.
    NoCode { gpa: u64 },
    /// Somebody has asked for it.
    Canceled,
}
