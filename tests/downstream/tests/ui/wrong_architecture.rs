//! An Intel vCPU has no AArch64 registers.
use xhv::x86_64::Vcpu;

pub fn read(vcpu: &Vcpu) {
    let _ = vcpu.read(xhv::aarch64::sysreg::SCTLR_EL1);
}
