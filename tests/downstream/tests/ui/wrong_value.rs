//! A control register takes its own bits.
use xhv::x86_64::reg::{self, Cr0, Cr4};
use xhv::x86_64::Vcpu;

pub fn write(vcpu: &mut Vcpu) {
    let _ = vcpu.write(reg::CR0, Cr0::PE);
    let _ = vcpu.write(reg::CR0, Cr4::PAE);
}
