//! Stage 1 translation: faults, permissions, PAN, invalidation, AT.

use super::{
    CODE, CPSR, ELR_EL1, ESR_EL1, FAR_EL1, MAIR_EL1, PC, SCTLR_EL1, TABLES, TCR_EL1, TTBR0_EL1,
    exits, hvc, machine, sys,
};
use crate::engine::software::aarch64::vcpu::Vcpu;
use crate::engine::software::aarch64::vm::Vm;
use crate::memory::Memory;

/// One level 1 table of 1 GiB blocks (T0SZ 25): [0] all for EL1, [1] all for EL0 of the same memory.
fn translated(words: &[u32]) -> (Vcpu, Vm, Memory) {
    let (mut vcpu, vm, memory) = machine(words);
    for (entry, descriptor) in [(0, 0x701_u64), (1, 0x741), (2, 0x781), (3, 0x301)] {
        memory
            .write(TABLES + 8 * entry, &descriptor.to_le_bytes())
            .unwrap();
    }
    vcpu.set_sys_reg(TTBR0_EL1, TABLES).unwrap();
    vcpu.set_sys_reg(TCR_EL1, 25 | 1 << 23 | 1 << 32 | 1 << 37)
        .unwrap();
    vcpu.set_sys_reg(MAIR_EL1, 0xff).unwrap();
    vcpu.set_sys_reg(SCTLR_EL1, 1 | 1 << 23).unwrap();
    (vcpu, vm, memory)
}

#[test]
fn translation_faults_say_why() {
    for (address, store, status, is_el0) in [
        (0x1_0000_0000_u64, false, 0x05, false), // invalid descriptor, level 1
        (0x80_0000_0000, false, 0x04, false),    // outside of the input range
        (0xffff_ff80_0000_0000, false, 0x04, false), // TTBR1 walks are disabled
        (0xc000_0000, false, 0x09, false),       // access flag
        (0x8000_0000, true, 0x4d, false),        // read-only
        (0x0, false, 0x0d, true),                // not for EL0
        (0x8000_0000, false, 0x0d, true),
    ] {
        let (mut vcpu, ..) = translated(if store {
            &[0xf900_0020] /* str x0, [x1] */
        } else {
            &[0xf940_0020] /* ldr x0, [x1] */
        });
        vcpu.set_reg(1, address | 8).unwrap();
        if is_el0 {
            vcpu.set_reg(CPSR, 0x3c0).unwrap();
            vcpu.set_reg(PC, CODE | 0x4000_0000).unwrap();
        }
        assert_eq!(hvc(&mut vcpu), if is_el0 { 8 } else { 4 });
        let class = if is_el0 { 0x24 } else { 0x25 };
        assert_eq!(
            sys(&vcpu, ESR_EL1),
            class << 26 | 1 << 25 | status,
            "{address:#x}"
        );
        assert_eq!(sys(&vcpu, FAR_EL1), address | 8);
    }
}

#[test]
fn privileged_code_may_not_be_writable_by_el0_and_pan_keeps_el1_out() {
    let (mut vcpu, ..) = translated(&[0xd503_201f] /* nop */);
    vcpu.set_reg(PC, CODE | 0x4000_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x21 << 26 | 1 << 25 | 0x0d);
    let words = &[0xf940_0020, 0xd500_419f, 0xf840_0820, 0xf940_0020] /* ldr x0, [x1]; msr pan, #1; ldtr x0, [x1]; ldr x0, [x1] */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4000_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1) & 0x3f, sys(&vcpu, ELR_EL1)),
        (0x0d, CODE + 12)
    );
    // The top byte is ignored (TBI0).
    let (mut vcpu, ..) = translated(
        &[0xf940_0020, 0x3940_0422, 0xd400_0022], /* ldr x0, [x1]; ldrb w2, [x1, #1]; hvc #1 */
    );
    vcpu.set_reg(1, 0xab00_0000_4001_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(0).unwrap() as u32, 0xf940_0020);
}

#[test]
fn changed_tables_count_after_invalidation() {
    // Loads, makes the block invalid, invalidates, loads again.
    let words = &[0xf940_0020, 0xf900_005f, 0xd503_3a9f, 0xd34c_fc23, 0xd508_8323, 0xd503_3b9f, 0xd503_3fdf, 0xf940_0020] /* ldr x0, [x1]; str xzr, [x2]; dsb ishst; lsr x3, x1, #12; tlbi vae1is, x3; dsb ish; isb; ldr x0, [x1] */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4000_0000).unwrap();
    vcpu.set_reg(2, TABLES + 8).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1) & 0x3f, sys(&vcpu, ELR_EL1)),
        (0x05, CODE + 28)
    );
}

#[test]
fn a_walk_to_nowhere_exits() {
    let (mut vcpu, ..) = translated(&[0xf940_0020] /* ldr x0, [x1] */);
    vcpu.set_sys_reg(TTBR0_EL1, 0x50_0000).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0xff, exit.physical_address),
        (0x87, 0x50_0000)
    );
}

#[test]
fn at_reports_in_par() {
    let words = &[0xd508_7801, 0xd538_7402, 0xd508_7863, 0xd538_7404, 0xd400_0022] /* at s1e1r, x1; mrs x2, par_el1; at s1e0w, x3; mrs x4, par_el1; hvc #1 */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4001_2345).unwrap();
    vcpu.set_reg(3, 0x8001_2345).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(
        vcpu.get_reg(2),
        Ok(0xff << 56 | 0x1_2000 | 1 << 11 | 3 << 7)
    );
    assert_eq!(vcpu.get_reg(4), Ok(1 << 11 | 0x0d << 1 | 1));
}
