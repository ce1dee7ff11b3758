//! BRK, steps, breakpoints and watchpoints, for the VMM and for the guest.

use super::{CODE, CPSR, ELR_EL1, ESR_EL1, MDSCR_EL1, PC, SPSR_EL1, exits, hvc, machine, sys};

#[test]
fn breakpoint_instructions_are_the_guests_unless_trapped() {
    let (mut vcpu, ..) = machine(&[0xd420_0840] /* brk #0x42 */);
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x3c << 26 | 1 << 25 | 0x42, CODE)
    );
    vcpu.set_trap_debug_exceptions(true).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(exits(&mut vcpu, 0x3c).syndrome & 0xffff, 0x42);
    assert_eq!(vcpu.get_reg(PC), Ok(CODE));
}

#[test]
fn the_vmm_steps_and_breaks() {
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0020,
            0xd280_0040,
            0xf900_0420,
            0xd280_0060,
            0xd400_0022,
        ], /* mov x0, #1; mov x0, #2; str x0, [x1, #8]; mov x0, #3; hvc #1 */
    );
    vcpu.set_trap_debug_exceptions(true).unwrap();
    vcpu.set_sys_reg(MDSCR_EL1, 1).unwrap();
    for step in 1..3 {
        vcpu.set_reg(CPSR, 0x3c5 | 1 << 21).unwrap();
        exits(&mut vcpu, 0x32);
        assert_eq!(
            (vcpu.get_reg(0), vcpu.get_reg(PC)),
            (Ok(step), Ok(CODE + 4 * step))
        );
    }
    // A watchpoint on the store, a breakpoint behind it.
    vcpu.set_reg(1, 0x8_0000).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    vcpu.set_sys_reg(MDSCR_EL1, 1 << 15).unwrap();
    vcpu.set_sys_reg(0x8006, 0x8_0008).unwrap();
    vcpu.set_sys_reg(0x8007, 0xff << 5 | 2 << 3 | 3 << 1 | 1)
        .unwrap();
    vcpu.set_sys_reg(0x800c, CODE + 12).unwrap();
    vcpu.set_sys_reg(0x800d, 0xf << 5 | 3 << 1 | 1).unwrap();
    let exit = exits(&mut vcpu, 0x34);
    assert_eq!(
        (exit.virtual_address, exit.syndrome & 0x7f),
        (0x8_0008, 0x62)
    );
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 8));
    vcpu.set_sys_reg(0x8007, 0).unwrap();
    exits(&mut vcpu, 0x30);
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 12));
    vcpu.set_sys_reg(0x800d, 0).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(0), Ok(3));
}

#[test]
fn a_guest_steps_its_el0() {
    // EL1 returns to EL0 with SS set: one instruction, then the step exception.
    let (mut vcpu, ..) = machine(
        &[0xd69f_03e0, 0xd280_0020, 0xd280_0040], /* eret; mov x0, #1; mov x0, #2 */
    );
    vcpu.set_sys_reg(MDSCR_EL1, 1).unwrap();
    vcpu.set_sys_reg(SPSR_EL1, 1 << 21).unwrap();
    vcpu.set_sys_reg(ELR_EL1, CODE + 4).unwrap();
    assert_eq!(hvc(&mut vcpu), 8);
    // ISV, and not EX: it was no load-exclusive.
    let syndrome = 0x32 << 26 | 1 << 25 | 1 << 24 | 0x22;
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (syndrome, CODE + 8)
    );
    assert_eq!(vcpu.get_reg(0), Ok(1));
}
