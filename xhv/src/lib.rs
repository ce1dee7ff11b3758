//! Virtual machines on Apple's Hypervisor.framework, Intel and Apple silicon, and on a software CPU everywhere else.

extern crate self as xhv;

mod engine;
mod error;
mod memory;
pub mod typed;

pub use error::{Code, Error};
pub use memory::{Memory, Permissions, host_page_size};
pub use xhv_macros::spec;
