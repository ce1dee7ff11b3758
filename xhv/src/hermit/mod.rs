//! Unikernels of Hermit: their images, and the state that uhyve starts them in. Feature `hermit`.
//!
//! | step | x86_64 and AArch64 |
//! |---|---|
//! | [`Image::load`] | reads an image of either machine, on either host, with the crate `hermit-entry` |
//! | `Vm::load_hermit` | writes the kernel, boot information, device tree and page tables into guest memory, where uhyve has them |
//! | `Vcpu::set_hermit` | the registers that each vCPU starts with |
//! | `PortWrite::hermit_hypercall`, `MmioWrite::hermit_hypercall` | what the guest asks of its VMM: a [`Hypercall`] |
//!
//! Files and console are the VMM's: the example `unikernel` is a whole one.
//!
//! Sources: the crates `hermit-entry` 0.10 and `uhyve-interface` 0.3; uhyve, `src/mem_layout.rs`, `src/vm.rs`, `src/arch`.

mod boot;
mod hypercall;
mod image;
mod interface;
mod start;

pub use boot::Boot;
pub use hypercall::{Hypercall, Request};
pub use image::Image;
