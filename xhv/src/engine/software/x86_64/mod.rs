//! The x86 CPU of the software engine.
//!
//! | file | what |
//! |---|---|
//! | `cpu`, `flags`, `mode` | the state, and what is derived from it |
//! | `access`, `mmu`, `tlb`, `debug` | segment checks, paging, invalidation of translations, data breakpoints |
//! | `decode/`, `exec/` | instructions into operations; a file for each family |
//! | `blocks`, `contexts`, `run` | decoded blocks, the keys they are found by, and the loop that runs them |
//! | `vm`, `vcpu`, `vcpu_apic`, `register` | the seam's functions |
//! | `vmx/` | VMCS, entry, exit, capabilities |
//! | `events`, `exceptions`, `deliver` | what happens between instructions; what an event leads to; delivery through the IDT |
//! | `segment`, `descriptor`, `transfer`, `interrupt`, `iret`, `syscall` | segment registers, far transfers, system calls |
//! | `system`, `control`, `tables`, `io`, `msr`, `operand`, `cpuid` | system instructions |
//! | `apic/`, `time`, `pio` | interrupt controllers, clock, port notifiers |
//! | `fpu/`, `sse/` | x87 and SIMD |

pub(crate) mod access;
pub(crate) mod apic;
pub(crate) mod blocks;
pub(crate) mod contexts;
pub(crate) mod control;
pub(crate) mod cpu;
pub(crate) mod cpuid;
pub(crate) mod debug;
pub(crate) mod decode;
pub(crate) mod deliver;
pub(crate) mod descriptor;
pub(crate) mod events;
pub(crate) mod exceptions;
pub(crate) mod exec;
pub(crate) mod flags;
pub(crate) mod fpu;
#[cfg(test)]
mod guest;
#[cfg(test)]
mod hostile;
pub(crate) mod interrupt;
#[cfg(test)]
mod invalidation;
pub(crate) mod io;
pub(crate) mod iret;
pub(crate) mod mmu;
pub(crate) mod mode;
pub(crate) mod msr;
#[cfg(test)]
mod offered;
pub(crate) mod operand;
#[cfg(all(test, target_arch = "x86_64", unix))]
mod oracle;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod oracle_integer;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod oracle_narrow;
#[cfg(test)]
mod paging;
pub(crate) mod pio;
pub(crate) mod register;
pub(crate) mod run;
pub(crate) mod segment;
pub(crate) mod sse;
#[cfg(test)]
mod suite_286;
pub(crate) mod syscall;
pub(crate) mod system;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod time;
pub(crate) mod tlb;
pub(crate) mod transfer;
pub(crate) mod vcpu;
mod vcpu_apic;
pub(crate) mod vm;
pub(crate) mod vmx;

use super::dispatch::{Flow, Stop};

pub(crate) use cpuid::cpuid;
pub(crate) use vcpu::{Interrupter, Vcpu};
pub(crate) use vm::Vm;

/// What a step answers.
pub(crate) type Done = Result<Flow, Stop>;
