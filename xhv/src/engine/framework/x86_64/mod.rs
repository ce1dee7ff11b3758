//! The framework engine on Intel Macs: `vm` has what belongs to the VM, `vcpu` what belongs to a vCPU and its thread.

mod vcpu;
mod vm;

pub(crate) use vcpu::{Interrupter, Vcpu};
pub(crate) use vm::Vm;

use crate::error::Code;

/// The answer of a call that may fail.
fn answer(code: i32) -> Result<(), Code> {
    Code(code).result()
}
