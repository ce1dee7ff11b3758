//! Bytes as A64 code with the MMU on or off, system registers from the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xhv::Gpa;
use xhv::aarch64::sysreg;
use xhv::typed::{RawWrite, space};
use xhv_fuzz::{A64_BASE, Input, MEMORY, arm, run_arm};

const CODE: u64 = A64_BASE + 0x1000;
const STACK: u64 = A64_BASE + 0x2_0000;
const TABLES: u64 = A64_BASE + 0x3_0000;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (vm, mut vcpu) = arm(&[]);
    let mode = input.number(1);
    let mapped = |vcpu: &mut xhv::aarch64::Vcpu| {
        use xhv::{PageKind, PageSize};
        let mut tables = vm.page_tables(Gpa(TABLES)..Gpa(A64_BASE + MEMORY))?;
        tables.map(
            A64_BASE,
            Gpa(A64_BASE),
            MEMORY,
            PageKind::Memory,
            PageSize::Kib4,
        )?;
        let root = tables.root();
        vcpu.set_el1_mapped(CODE, STACK, root)
    };
    let ready = if mode & 1 == 0 {
        vcpu.set_el1(CODE, STACK)
    } else {
        mapped(&mut vcpu)
    };
    if ready.is_err() {
        return;
    }
    for number in 0..8 {
        let _ = vcpu.set_x(number, A64_BASE + input.number(3));
    }
    for _ in 0..mode >> 1 & 7 {
        let (row, value) = (input.number(2) as usize, input.number(8));
        let row = &sysreg::ALL[row % sysreg::ALL.len()];
        let _ = RawWrite::<space::System>::raw_write(&mut vcpu, row.key, value);
    }
    // Some entries of the page tables.
    for _ in 0..mode >> 4 {
        let (place, entry) = (input.number(2) & 0xfff8, input.number(8));
        let _ = vm.write(Gpa(TABLES + place), &entry.to_le_bytes());
    }
    let _ = vm.write(Gpa(CODE), input.bytes(0x4000));
    run_arm(&mut vcpu);
});
