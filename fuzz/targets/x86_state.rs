//! Random VMCS fields, registers and MSRs on top of a good state, memory from the input: entry checks, entry, whatever runs then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xhv::Gpa;
use xhv::typed::{RawWrite, space};
use xhv::x86_64::{msr, reg, vmcs};
use xhv_fuzz::{Input, intel, run_intel};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (vm, mut vcpu) = intel(&[]);
    let start = input.number(1);
    let ready = match start % 3 {
        0 => vcpu.set_real_mode(0, 0x1000),
        1 => vcpu.set_flat32(0x1000),
        _ => vm
            .write_identity_map(Gpa(0x3_0000), 1 << 30)
            .and_then(|root| vcpu.set_long_mode64(0x1000, root)),
    };
    if ready.is_err() {
        return;
    }
    for _ in 0..start / 3 % 16 {
        let (row, value) = (input.number(2) as usize, input.number(8));
        let _ = match row % 4 {
            0 => {
                let row = &reg::ALL[row / 4 % reg::ALL.len()];
                RawWrite::<space::General>::raw_write(&mut vcpu, row.key, value)
            }
            1 => {
                let row = &msr::ALL[row / 4 % msr::ALL.len()];
                let _ = vcpu.enable_native_msr(row.key, value & 1 != 0);
                RawWrite::<space::Msr>::raw_write(&mut vcpu, row.key, value)
            }
            _ => {
                let row = &vmcs::ALL[row / 4 % vmcs::ALL.len()];
                RawWrite::<space::Vmcs>::raw_write(&mut vcpu, row.key, value)
            }
        };
    }
    let _ = vm.write(Gpa(0x1000), input.bytes(0x8000));
    let _ = vcpu.check_entry();
    run_intel(&mut vcpu);
});
