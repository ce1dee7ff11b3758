//! Virtual machines on Apple's Hypervisor.framework, Intel and Apple silicon, and on a software CPU everywhere else.
//!
//! A complete guest: it adds 5 and 3, prints the sum on a port, and halts.
//!
//! ```
//! use xhv::x86_64::{Exit, Vm, reg};
//! use xhv::{Error, Gpa};
//!
//! fn main() -> Result<(), Error> {
//!     // mov dx, 3f8h; add al, bl; add al, '0'; out dx, al; hlt
//!     let code = [0xba, 0xf8, 0x03, 0x00, 0xd8, 0x04, 0x30, 0xee, 0xf4];
//!     let vm = Vm::new()?;
//!     vm.map_new(Gpa(0), 0x10000)?;
//!     vm.write(Gpa(0x1000), &code)?;
//!     let mut vcpu = vm.create_vcpu()?;
//!     vcpu.set_real_mode(0, 0x1000)?;
//!     vcpu.write(reg::RAX, 5)?;
//!     vcpu.write(reg::RBX, 3)?;
//!     loop {
//!         match vcpu.run()? {
//!             Exit::PortWrite(out) => {
//!                 assert_eq!((out.port(), out.value()), (0x3f8, u32::from(b'8')));
//!                 out.finish()?;
//!             }
//!             Exit::Hlt(_) => return Ok(()),
//!             other => panic!("{other:?}"),
//!         }
//!     }
//! }
//! ```
//!
//! | what | where |
//! |---|---|
//! | Intel guests: VM, vCPU, exits, snapshots, tables, raw functions | [`x86_64`] |
//! | Apple-silicon guests: the same | [`aarch64`] |
//! | Guest memory, and page tables in it | [`Memory`], [`Gpa`], [`Permissions`], [`PageTables`], [`GuestAccess`] |
//! | What tells a guest of its machine | [`DeviceNode`] |
//! | Hermit's unikernels (feature `hermit`) | `hermit` |
//! | Registers in words, exits counted | [`Dump`], [`ExitStatistics`]; feature `tracing` for events |
//! | Device models of rust-vmm (feature `vm-memory`) | `rust_vmm` |
//! | Engines, and what this host offers | [`Engine`], [`Host`] |
//! | Debugging guests: breakpoints, watchpoints, single step | [`debug`] |
//! | vCPUs and threads | [`VcpuHandle`], [`VcpuThread`], [`time`] |
//! | Whole machines in files | [`VmState`] |
//! | For users of the crate `xhypervisor` | `coming_from_xhypervisor` |
//! | Rows of one's own in tables of one's own | [`spec!`](spec), [`typed`] |
//!
//! A VM runs on the framework where the process can use it, and on the software engine elsewhere; the environment variable
//! `XHV_ENGINE` (`framework` or `software`) and [`x86_64::VmBuilder::engine`] choose. The software engine is made to answer as
//! the framework does, errors included; what is not known of the framework is marked where it matters.

#![warn(unreachable_pub)]
// A host without any engine compiles the seam, but nothing reaches it.
#![cfg_attr(
    not(any(feature = "software", target_os = "macos")),
    allow(dead_code, unused_imports, unused_variables, unreachable_code)
)]

extern crate self as xhv;

pub mod aarch64;
#[cfg(doc)]
#[doc = include_str!("coming_from_xhypervisor.md")]
pub mod coming_from_xhypervisor {}
pub mod debug;
mod device_tree;
mod dump;
mod engine;
mod error;
mod exit_statistics;
mod guest_access;
mod guest_memory;
mod handle;
#[cfg(feature = "hermit")]
pub mod hermit;
mod host;
mod memory;
mod page_tables;
#[cfg(feature = "vm-memory")]
pub mod rust_vmm;
mod scalar;
mod thread;
pub mod time;
mod trace;
pub mod typed;
mod vm_state;
pub mod x86_64;

pub use device_tree::{DeviceNode, PropertyValue};
pub use dump::Dump;
pub use error::{Code, Error};
pub use exit_statistics::ExitStatistics;
pub use guest_access::{GuestAccess, GuestAddress};
pub use guest_memory::{Gpa, Mapping};
pub use handle::VcpuHandle;
pub use host::{Architecture, Engine, Host};
pub use memory::{Memory, Permissions, host_page_size};
pub use page_tables::{PageKind, PageSize, PageTables};
pub use scalar::Scalar;
pub use thread::{VcpuThread, join_first};
pub use vm_state::{SavedMemory, VmState};
pub use xhv_macros::spec;

/// The programs of the README are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
