//! Exits as the VMM sees them: syndromes of device accesses, trapped registers, waits, timer and cancel.

use super::{CNTV_CTL_EL0, CODE, ELR_EL1, PC, SPSR_EL1, exits, hvc, machine, sys};
use crate::error::Code;
use crate::memory::Permissions;

#[test]
fn mmio_is_described() {
    let device = 0x900_0000;
    let common = 0x24 << 26 | 1 << 25 | 0x07;
    let isv = 1 << 24;
    let cases: &[(&[u32], u64)] = &[
        (
            &[0x79c0_1023], /* ldrsh w3, [x1, #8] */
            isv | 1 << 22 | 1 << 21 | 3 << 16,
        ),
        (
            &[0x3980_2023], /* ldrsb x3, [x1, #8] */
            isv | 1 << 21 | 3 << 16 | 1 << 15,
        ),
        (&[0xf840_8c3e], /* ldr x30, [x1, #8]! */ 0),
        (
            &[0xb900_083f], /* str wzr, [x1, #8] */
            isv | 2 << 22 | 31 << 16 | 1 << 6,
        ),
        (
            &[0xf820_4822], /* str x2, [x1, w0, uxtw] */
            isv | 3 << 22 | 2 << 16 | 1 << 15 | 1 << 6,
        ),
        (&[0xa940_8c22], /* ldp x2, x3, [x1, #8] */ 0),
        (&[0x2901_0c22], /* stp w2, w3, [x1, #8] */ 1 << 6),
        (
            &[0x9100_2021, 0x88df_fc22], /* add x1, x1, #8; ldar w2, [x1] */
            isv | 2 << 22 | 2 << 16 | 1 << 14,
        ),
        (
            &[0x9100_2021, 0x885f_7c22], /* add x1, x1, #8; ldxr w2, [x1] */
            0,
        ),
        (
            &[0x9100_2021, 0xb822_0023], /* add x1, x1, #8; ldadd w2, w3, [x1] */
            0,
        ),
        (&[0x3840_8822], /* ldtrb w2, [x1, #8] */ isv | 2 << 16),
    ];
    for &(words, expected) in cases {
        let (mut vcpu, ..) = machine(words);
        vcpu.set_reg(1, device).unwrap();
        vcpu.set_reg(0, 8).unwrap();
        let exit = exits(&mut vcpu, 0x24);
        assert_eq!(
            exit.syndrome,
            common | expected,
            "{words:x?} {:x}",
            exit.syndrome
        );
        let at = device + 8;
        assert_eq!(
            (exit.virtual_address, exit.physical_address),
            (at, at),
            "{words:x?}"
        );
        let last = CODE + 4 * (words.len() as u64 - 1);
        assert_eq!(vcpu.get_reg(PC), Ok(last), "the client advances it");
    }
}

#[test]
fn protected_memory_exits_as_a_permission_fault() {
    let (mut vcpu, vm, _memory) =
        machine(&[0xf900_0020, 0xd400_0022] /* str x0, [x1]; hvc #1 */);
    vm.protect(0x8_0000, 0x1000, Permissions::READ).unwrap();
    vcpu.set_reg(1, 0x8_0010).unwrap();
    let exit = exits(&mut vcpu, 0x24);
    assert_eq!(
        (exit.syndrome & 0x7f, exit.physical_address),
        (0x4f, 0x8_0010)
    );
    vm.protect(0x8_0000, 0x1000, Permissions::ALL).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    vm.protect(CODE, 0x1000, Permissions::READ).unwrap();
    vcpu.set_reg(PC, CODE + 4).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0x3f, exit.physical_address),
        (0x0f, CODE + 4)
    );
    vm.unmap(CODE, 0x1000).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0x3f, exit.virtual_address),
        (0x07, CODE + 4)
    );
}

#[test]
fn system_registers_that_the_vmm_answers_exit() {
    for (words, expected) in [
        // op0 op2 op1 CRn Rt CRm read
        (
            &[0xd530_1185], /* mrs x5, oslsr_el1 */
            2 << 20 | 4 << 17 | 1 << 10 | 5 << 5 | 1 << 1 | 1,
        ),
        (
            &[0xd51b_9c07], /* msr pmcr_el0, x7 */
            3 << 20 | 3 << 14 | 9 << 10 | 7 << 5 | 12 << 1,
        ),
        (
            &[0xd518_cba2], /* msr s3_0_c12_c11_5, x2 */
            3 << 20 | 5 << 17 | 12 << 10 | 2 << 5 | 11 << 1,
        ),
        (
            &[0xd53b_e225], /* mrs x5, cntp_ctl_el0 */
            3 << 20 | 1 << 17 | 3 << 14 | 14 << 10 | 5 << 5 | 2 << 1 | 1,
        ),
    ] {
        let (mut vcpu, ..) = machine(words);
        let exit = exits(&mut vcpu, 0x18);
        assert_eq!(exit.syndrome & 0x1ff_ffff, expected, "{words:x?}");
        assert_eq!(vcpu.get_reg(PC), Ok(CODE));
    }
}

#[test]
fn waiting_exits_unless_something_is_pending() {
    let (mut vcpu, ..) = machine(&[0xd503_207f, 0xd400_0022] /* wfi; hvc #1 */);
    let exit = exits(&mut vcpu, 0x01);
    assert_eq!((exit.syndrome & 1, vcpu.get_reg(PC)), (0, Ok(CODE)));
    vcpu.set_pending_interrupt(0, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 1, "masked, but it ends the wait");
    assert_eq!(vcpu.get_pending_interrupt(0), Ok(false), "for one run only");
    let (mut vcpu, ..) = machine(
        &[0xd503_20bf, 0xd503_205f, 0xd503_205f], /* sevl; wfe; wfe */
    );
    let exit = exits(&mut vcpu, 0x01);
    assert_eq!((exit.syndrome & 1, vcpu.get_reg(PC)), (1, Ok(CODE + 8)));
}

#[test]
fn interrupts_are_taken_when_unmasked() {
    let (mut vcpu, ..) = machine(
        &[0xd503_201f, 0xd503_43ff, 0xd503_201f, 0xd400_0c82], /* nop; msr daifclr, #3; nop; hvc #100 */
    );
    vcpu.set_pending_interrupt(0, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 5, "IRQ, from EL1h");
    assert_eq!(
        (sys(&vcpu, ELR_EL1), sys(&vcpu, SPSR_EL1)),
        (CODE + 8, 0x305)
    );
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_pending_interrupt(1, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 6, "FIQ, from EL1h");
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(hvc(&mut vcpu), 100);
    assert_eq!(vcpu.set_pending_interrupt(2, true), Err(Code::BAD_ARGUMENT));
}

#[test]
fn the_virtual_timer_exits_once_and_masks_itself() {
    let (mut vcpu, ..) = machine(&[0x1400_0000] /* 1: b 1b */);
    vcpu.set_sys_reg(CNTV_CTL_EL0, 1).unwrap();
    let exit = vcpu.run().unwrap();
    assert_eq!((exit.reason, vcpu.get_vtimer_mask()), (2, Ok(true)));
    assert_eq!(sys(&vcpu, CNTV_CTL_EL0), 5, "the mask is not the guest's");
    let exiter = vcpu.exiter();
    let canceler = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        exiter.exit()
    });
    assert_eq!(vcpu.run().unwrap().reason, 0);
    canceler.join().unwrap().unwrap();
    vcpu.set_vtimer_mask(false).unwrap();
    assert_eq!(vcpu.run().unwrap().reason, 2);
}

#[test]
fn a_cancel_before_the_run_is_not_lost() {
    let (mut vcpu, ..) = machine(&[0xd400_0022] /* hvc #1 */);
    let exiter = vcpu.exiter();
    exiter.exit().unwrap();
    exiter.exit().unwrap();
    assert_eq!(vcpu.run().unwrap().reason, 0);
    assert_eq!(hvc(&mut vcpu), 1);
    drop(vcpu);
    exiter.exit().unwrap();
}
