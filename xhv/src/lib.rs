//! Virtual machines on Apple's Hypervisor.framework, Intel and Apple silicon, and on a software CPU everywhere else.

extern crate self as xhv;

pub mod aarch64;
mod engine;
mod error;
mod guest_memory;
mod handle;
mod host;
mod memory;
mod thread;
pub mod time;
pub mod typed;
mod vm_state;
pub mod x86_64;

pub use error::{Code, Error};
pub use guest_memory::{Gpa, Mapping};
pub use handle::VcpuHandle;
pub use host::{Architecture, Engine, Host};
pub use memory::{Memory, Permissions, host_page_size};
pub use thread::VcpuThread;
pub use vm_state::{SavedMemory, VmState};
pub use xhv_macros::spec;
