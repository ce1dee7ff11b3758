//! The x86 CPU of the software engine.
//!
//! | file | what |
//! |---|---|
//! | `cpu`, `flags`, `mode` | the state, and what is derived from it |
//! | `access`, `mmu`, `debug` | segment checks, paging, data breakpoints |
//! | `decode/`, `exec/` | instructions into operations; a file for each family |
//! | `blocks`, `run` | decoded blocks and the loop that runs them |
//! | `vmx/`, `fpu/`, `msr` | VMX controls, x87 and SIMD state, model-specific registers |

pub(crate) mod access;
pub(crate) mod blocks;
pub(crate) mod cpu;
pub(crate) mod debug;
pub(crate) mod decode;
pub(crate) mod exec;
pub(crate) mod flags;
pub(crate) mod fpu;
pub(crate) mod mmu;
pub(crate) mod mode;
pub(crate) mod msr;
pub(crate) mod run;
pub(crate) mod sse;
#[cfg(test)]
mod tests;
pub(crate) mod vmx;

use super::dispatch::{Flow, Stop};

/// What a step answers.
pub(crate) type Done = Result<Flow, Stop>;
