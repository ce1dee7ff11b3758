//! Random page tables of every paging mode under code that touches memory, with holes and read-only pages in the guest's memory: walks,
//! faults, EPT violations, and the decoder of memory-mapped accesses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xhv::typed::{RawWrite, space};
use xhv::x86_64::{Access, vmcs};
use xhv::{Gpa, Permissions};
use xhv_fuzz::{Input, MEMORY, intel, run_intel};

const TABLES: u64 = 0x3_0000;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (vm, mut vcpu) = intel(&[]);
    let (mode, holes) = (input.number(1), input.number(2));
    let root = vm.write_identity_map(Gpa(TABLES), 1 << 30);
    let Ok(root) = root else { return };
    if vcpu.set_long_mode64(0x1000, root).is_err() {
        return;
    }
    let mut field = |key: u32, value: u64| {
        let _ = RawWrite::<space::Vmcs>::raw_write(&mut vcpu, key, value);
    };
    // CR4: PSE, PGE, LA57, PCIDE, SMEP, SMAP and PKE as the input says; CR0.WP.
    let cr4 = input.number(4) & 0x73_1090 | 0x2620;
    field(vmcs::GUEST_CR4.key(), cr4);
    field(vmcs::GUEST_CR0.key(), 0x8000_0031 | mode << 16 & 0x5_0000);
    let at = input.number(2) % (MEMORY - 0x1000);
    for _ in 0..mode % 32 {
        let (place, entry) = (input.number(2) & 0xfff8, input.number(8));
        // Most entries lead back into memory.
        let entry = if entry & 0x100 != 0 {
            entry & 0x800f_ffff_0003_ffff
        } else {
            entry
        };
        let _ = vm.write(Gpa(TABLES + place), &entry.to_le_bytes());
    }
    for page in 0..16_u64 {
        let gpa = Gpa(0x1_0000 + page * 0x1000);
        if holes >> page & 1 != 0 {
            let _ = vm.protect(gpa, 0x1000, Permissions::READ);
        } else if at & 1 << page != 0 {
            let _ = vm.unmap(gpa, 0x1000);
        }
    }
    let _ = vm.write(Gpa(0x1000), input.bytes(0x800));
    let _ = vcpu.invalidate_tlb();
    let linear = input.number(8);
    let _ = vcpu.translate(linear, Access::Read);
    let mut seen = [0; 64];
    let _ = vcpu.read_linear(linear, &mut seen);
    run_intel(&mut vcpu);
});
