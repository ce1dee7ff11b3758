//! What other clients of the framework got wrong: one test for each mistake that must be impossible here, named after it. The doc line
//! of each is the row of the project's list of lessons: area, mistake, effect. What does not compile at all is in `refused.rs`, whose
//! doctests belong to this package's library.
//!
//! | file | areas |
//! |---|---|
//! | `ffi` | declarations of the C interface |
//! | `sharing` | lifetimes, threads, cancel, build, tests |
//! | `arm` | Apple silicon: devices, exits, timer |
//! | `intel` | Intel: entries and exits |
//! | `snapshots` | what a snapshot holds |

mod arm;
mod ffi;
mod intel;
mod sharing;
mod snapshots;

use xhv::Engine;

/// A VM of either architecture on the software engine: what is tested here is the library above the engines.
macro_rules! vm {
    ($architecture:ident) => {
        xhv::$architecture::Vm::builder()
            .engine(crate::ENGINE)
            .build()
            .unwrap()
    };
}
use vm;

const ENGINE: Engine = Engine::Software;
