//! Exceptions that EL1 takes: their syndromes, return addresses and saved states.

use super::{CODE, CPSR, ELR_EL1, ESR_EL1, FAR_EL1, PC, SCTLR_EL1, SPSR_EL1, hvc, machine, sys};
use crate::engine::software::aarch64::vcpu::Vcpu;
use crate::error::Code;

#[test]
fn a_loop_and_a_hypercall() {
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0000,
            0xd280_0141,
            0x8b01_0000,
            0xf100_0421,
            0x54ff_ffc1,
            0xd400_00e2,
        ], /* mov x0, #0; mov x1, #10; 1: add x0, x0, x1; subs x1, x1, #1; b.ne 1b; hvc #7 */
    );
    assert_eq!(hvc(&mut vcpu), 7);
    assert_eq!(vcpu.get_reg(0), Ok(55));
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 24));
}

#[test]
fn a_supervisor_call_is_taken_by_el1() {
    let (mut vcpu, ..) = machine(
        &[0xeb00_0000, 0xd402_4681], /* subs x0, x0, x0; svc #0x1234 */
    );
    assert_eq!(hvc(&mut vcpu), 4, "synchronous, from EL1h");
    assert_eq!(sys(&vcpu, ESR_EL1), 0x15 << 26 | 1 << 25 | 0x1234);
    assert_eq!(sys(&vcpu, ELR_EL1), CODE + 8);
    assert_eq!(sys(&vcpu, SPSR_EL1), 0x6000_03c5);
    vcpu.set_reg(PC, CODE + 4).unwrap();
    vcpu.set_reg(CPSR, 0).unwrap();
    assert_eq!(hvc(&mut vcpu), 8, "synchronous, from EL0");
    assert_eq!(
        (sys(&vcpu, SPSR_EL1), vcpu.get_reg(CPSR).unwrap() & 0x3cf),
        (0, 0x3c5)
    );
    vcpu.set_reg(PC, CODE + 4).unwrap();
    vcpu.set_reg(CPSR, 0x3c4).unwrap();
    assert_eq!(hvc(&mut vcpu), 0, "synchronous, from EL1t");
}

#[test]
fn stack_pointers_are_banked() {
    let (mut vcpu, ..) = machine(
        &[
            0x9100_03e0,
            0xd500_40bf,
            0x9100_03e1,
            0xd280_4002,
            0x9100_005f,
            0xd500_41bf,
            0x9100_03e3,
            0xd400_0022,
        ], /* mov x0, sp; msr spsel, #0; mov x1, sp; mov x2, #0x200; mov sp, x2; msr spsel, #1; mov x3, sp; hvc #1 */
    );
    vcpu.set_sys_reg(0xe208, 0x1000).unwrap();
    vcpu.set_sys_reg(0xc208, 0x2000).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    let x = |n| vcpu.get_reg(n).unwrap();
    assert_eq!((x(0), x(1), x(3)), (0x1000, 0x2000, 0x1000));
    assert_eq!((sys(&vcpu, 0xc208), sys(&vcpu, 0xe208)), (0x200, 0x1000));
}

#[test]
fn what_does_not_exist_is_undefined() {
    for words in [
        &[0x0000_0000], /* udf #0 */
        &[0xd53c_1100], /* mrs x0, s3_4_c1_c1_0 */
        &[0xd538_2100], /* mrs x0, apiakeylo_el1 */
        &[0xd440_0000], /* hlt #0 */
        &[0x48df_7cbb], /* ldlarh w27, [x5]: FEAT_LOR */
        &[0xd518_0000], /* msr midr_el1, x0 */
    ] {
        let (mut vcpu, ..) = machine(words);
        assert_eq!(hvc(&mut vcpu), 4);
        assert_eq!((sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)), (1 << 25, CODE));
    }
}

#[test]
fn fp_is_trapped_until_enabled() {
    let (mut vcpu, ..) = machine(&[0x3dc0_0000, 0xd400_0022] /* ldr q0, [x0]; hvc #1 */);
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x07 << 26 | 1 << 25 | 0x1e << 20);
    vcpu.set_sys_reg(0xc082, 3 << 20).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
}

#[test]
fn unaligned_accesses_fault_without_translation() {
    let (mut vcpu, ..) = machine(&[0xf940_0020] /* ldr x0, [x1] */);
    vcpu.set_reg(1, 0x8_0001).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x25 << 26 | 1 << 25 | 0x21);
    assert_eq!(sys(&vcpu, FAR_EL1), 0x8_0001);
    let (mut vcpu, ..) = machine(
        &[0x9100_003f, 0x9100_13ff, 0xf940_03e0], /* mov sp, x1; add sp, sp, #4; ldr x0, [sp] */
    );
    vcpu.set_reg(1, 0x8_0000).unwrap();
    vcpu.set_sys_reg(SCTLR_EL1, 1 << 3).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x26 << 26 | 1 << 25, CODE + 8)
    );
    let (mut vcpu, ..) = machine(&[0xd61f_0020] /* br x1 */);
    vcpu.set_reg(1, 0x8_0002).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x22 << 26 | 1 << 25, 0x8_0002)
    );
}

#[test]
fn an_illegal_state_is_refused() {
    let (mut vcpu, vm, _memory) = machine(&[0xd400_0022] /* hvc #1 */);
    for status in [0x3c9, 0x3cd, 0x1d3] {
        vcpu.set_reg(CPSR, status).unwrap();
        assert_eq!(vcpu.run().unwrap_err(), Code::ILLEGAL_GUEST_STATE);
        assert_eq!(vcpu.get_reg(CPSR), Ok(status));
    }
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(Vcpu::create(&vm).unwrap_err(), Code::BUSY);
    drop(vcpu);
    assert!(Vcpu::create(&vm).is_ok());
    // An illegal ERET sets PSTATE.IL, and the next instruction takes the exception.
    let (mut vcpu, ..) = machine(&[0xd69f_03e0] /* eret */);
    vcpu.set_sys_reg(SPSR_EL1, 0x3c9).unwrap();
    vcpu.set_sys_reg(ELR_EL1, 0x8_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x0e << 26 | 1 << 25, 0x8_0000)
    );
    assert_eq!(sys(&vcpu, SPSR_EL1) >> 20 & 1, 1);
}
