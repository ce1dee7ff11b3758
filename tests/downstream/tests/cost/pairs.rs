//! Raw calls and typed rows side by side, for a vCPU whose raw step is a C function.

use xhv::Code;
use xhv::typed::{RawRead, RawWrite, Readable, Writable, space};
use xhv::x86_64::{msr, reg, vmcs};

pub struct Vcpu;

unsafe extern "C" {
    safe fn c_read(key: u32, value: &mut u64) -> i32;
    safe fn c_write(key: u32, value: u64) -> i32;
}

macro_rules! spaces {
    ($($space:ident)*) => {$(
        impl RawRead<space::$space> for Vcpu {
            #[inline(always)]
            fn raw_read(&self, key: u32) -> Result<u64, Code> {
                let mut value = 0;
                Code(c_read(key, &mut value)).result().map(|()| value)
            }
        }
        impl RawWrite<space::$space> for Vcpu {
            #[inline(always)]
            fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
                Code(c_write(key, value)).result()
            }
        }
    )*};
}
spaces!(General Vmcs Msr);

#[unsafe(no_mangle)]
pub fn raw_rip(vcpu: &Vcpu) -> Result<u64, Code> {
    RawRead::<space::General>::raw_read(vcpu, reg::RIP.key())
}
#[unsafe(no_mangle)]
pub fn typed_rip(vcpu: &Vcpu) -> Result<u64, Code> {
    reg::RIP.read_from(vcpu)
}

#[unsafe(no_mangle)]
pub fn raw_cr0(vcpu: &Vcpu) -> Result<u64, Code> {
    RawRead::<space::General>::raw_read(vcpu, reg::CR0.key())
}
#[unsafe(no_mangle)]
pub fn typed_cr0(vcpu: &Vcpu) -> Result<reg::Cr0, Code> {
    reg::CR0.read_from(vcpu)
}

#[unsafe(no_mangle)]
pub fn raw_wvmcs(vcpu: &mut Vcpu, value: u64) -> Result<(), Code> {
    RawWrite::<space::Vmcs>::raw_write(vcpu, 0x6820, value)
}
#[unsafe(no_mangle)]
pub fn typed_wvmcs(vcpu: &mut Vcpu, value: reg::Rflags) -> Result<(), Code> {
    vmcs::GUEST_RFLAGS.write_to(vcpu, value)
}

#[unsafe(no_mangle)]
pub fn raw_efer(vcpu: &Vcpu) -> Result<u64, Code> {
    RawRead::<space::Vmcs>::raw_read(vcpu, 0x2806)
}
#[unsafe(no_mangle)]
pub fn typed_efer(vcpu: &Vcpu) -> Result<msr::Efer, Code> {
    msr::EFER.read_from(vcpu)
}
