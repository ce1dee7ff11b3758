//! The A64 CPU of the software engine: EL0 and EL1 as a guest of Apple's framework sees them.
//!
//! | file | what |
//! |---|---|
//! | `cpu`, `flags`, `sysreg` | the state: registers, condition flags, PSTATE, system registers |
//! | `decode` | words of code to operations of the dispatcher |
//! | `exec` | what the operations do, a file for each family |
//! | `fp` | floating point and Advanced SIMD |
//! | `mmu`, `access` | translation, and loads and stores through it |
//! | `exception`, `debug`, `timer` | exceptions with their syndromes, breakpoints and steps, the generic timer |
//! | `blocks`, `run` | the cache of decoded code, and the loop that runs it until an exit |
//! | `gic` | the GICv3 of `hv_gic_create` |
//! | `shared` | what the vCPUs of a VM share: TLB invalidation, events, wake-ups |
//! | `vm`, `vcpu` | the functions of the seam |

pub(crate) mod access;
pub(crate) mod blocks;
pub(crate) mod cpu;
pub(crate) mod debug;
pub(crate) mod decode;
pub(crate) mod exception;
pub(crate) mod exec;
pub(crate) mod flags;
pub(crate) mod fp;
pub(crate) mod gic;
pub(crate) mod mmu;
pub(crate) mod run;
pub(crate) mod shared;
pub(crate) mod sysreg;
#[cfg(test)]
mod tests;
pub(crate) mod timer;
pub(crate) mod vcpu;
pub(crate) mod vm;
