//! Bytes as x86 code in every mode: real, virtual-8086, 16 and 32-bit protected, compatibility and 64-bit, at privilege levels 0 and 3.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xhv::x86_64::{Segment, SegmentName, Vcpu, Vm, reg, vmcs};
use xhv::{Error, Gpa};
use xhv_fuzz::{Input, intel, run_intel};

const CODE: u64 = 0x1000;
const TABLES: u64 = 0x3_0000;
/// D/B and L.
const SIZES: u32 = 0x6000;
const BIG: u32 = 0x4000;
const USER: u32 = 0x60;

/// Changes the segment registers but LDTR and TR.
fn segments(vcpu: &mut Vcpu, change: impl Fn(SegmentName, &mut Segment)) -> Result<(), Error> {
    for name in SegmentName::ALL.into_iter().take(6) {
        let mut segment = vcpu.segment(name)?;
        change(name, &mut segment);
        vcpu.set_segment(name, segment)?;
    }
    Ok(())
}

fn rights(segment: &mut Segment, off: u32, on: u32) {
    segment.rights = vmcs::AccessRights::from_bits(segment.rights.bits() & !off | on);
}

fn prepare(vm: &Vm, vcpu: &mut Vcpu, mode: u64) -> Result<(), Error> {
    match mode % 8 {
        0 => vcpu.set_real_mode(0, CODE as u16),
        1 | 2 => vcpu.set_flat32(CODE as u32),
        3 => {
            vcpu.set_flat32(CODE as u32)?;
            segments(vcpu, |_, segment| rights(segment, SIZES, 0))
        }
        4 => {
            vcpu.set_flat32(CODE as u32)?;
            segments(vcpu, |_, segment| {
                *segment = Segment::real(0, 0xf3);
            })?;
            vcpu.modify(reg::RFLAGS, |flags: reg::Rflags| {
                reg::Rflags::from_bits(flags.bits() | 1 << 17)
            })
        }
        _ => {
            let root = vm.write_identity_map(Gpa(TABLES), 1 << 30)?;
            vcpu.set_long_mode64(CODE, root)?;
            let (compatibility, user) = (mode & 8 != 0, mode & 16 != 0);
            segments(vcpu, |name, segment| {
                if compatibility && name == SegmentName::Cs {
                    rights(segment, SIZES, BIG);
                }
                if user {
                    rights(segment, 0, USER);
                    segment.selector |= 3;
                }
            })
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mode = input.number(1);
    let (vm, mut vcpu) = intel(&[]);
    if prepare(&vm, &mut vcpu, mode).is_err() {
        return;
    }
    for row in [
        reg::RAX,
        reg::RBX,
        reg::RCX,
        reg::RDX,
        reg::RSI,
        reg::RDI,
        reg::RBP,
    ] {
        let _ = vcpu.write(row, input.number(4));
    }
    let _ = vcpu.write(reg::RSP, 0x8000);
    let _ = vm.write(Gpa(CODE), input.bytes(0x1000));
    run_intel(&mut vcpu);
});
