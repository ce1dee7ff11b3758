//! Flags where they are easily wrong: between the elements of a repetition, and where the manual leaves them undefined but all processors agree.

use super::{Machine, expect_ud};
use crate::engine::software::x86_64::flags::Rflags;

const STATUS: u64 = Rflags::CF | Rflags::PF | Rflags::AF | Rflags::ZF | Rflags::SF | Rflags::OF;

fn status(machine: &Machine) -> u64 {
    machine.cpu.flags() & STATUS
}

#[test]
fn a_step_inside_a_repetition_sees_the_flags_from_before() {
    // repne scasb; ud2
    let mut machine = Machine::real(16, &[0xf2, 0xae, 0x0f, 0x0b]);
    machine.memory.write(0x3000, &[9, 1, 7]).unwrap();
    (machine.cpu.gpr[0], machine.cpu.gpr[1]) = (7, 5);
    machine.cpu.gpr[7] = 0x3000;
    let before = Rflags::ZF | Rflags::SF | Rflags::CF;
    machine.cpu.set_flags(before | Rflags::TF | 2);
    for count in [4, 3] {
        assert_eq!(machine.run().qualification, 1);
        assert_eq!((machine.cpu.rip, machine.cpu.gpr[1]), (0x1000, count));
        assert_eq!(status(&machine), before);
    }
    assert_eq!(machine.run().qualification, 1);
    assert_eq!((machine.cpu.rip, machine.cpu.gpr[1]), (0x1002, 2));
    assert_eq!(status(&machine), Rflags::ZF | Rflags::PF);
}

#[test]
fn a_fault_inside_a_repetition_sees_the_flags_from_before() {
    // repe cmpsw: the third word of the target is beyond the segment's limit.
    let mut machine = Machine::real(32, &[0xf3, 0xa7]);
    machine.memory.write(0xfff0, &[0; 16]).unwrap();
    machine.cpu.gpr[1] = 8;
    (machine.cpu.gpr[6], machine.cpu.gpr[7]) = (0x4000, 0xfffb);
    let before = Rflags::OF | Rflags::AF | Rflags::CF;
    machine.cpu.set_flags(before | 2);
    assert_eq!(machine.run().qualification, 13);
    assert_eq!((machine.cpu.rip, machine.cpu.gpr[1]), (0x1000, 6));
    assert_eq!((machine.cpu.gpr[6], machine.cpu.gpr[7]), (0x4004, 0xffff));
    assert_eq!(status(&machine), before);
}

/// As every processor of Intel's has them: only ZF and CF are defined.
#[test]
fn counts_of_zeros_clear_the_other_flags() {
    // lzcnt ax, cx; ud2, and tzcnt
    for opcode in [0xbd, 0xbc] {
        // The count is 0 (of even parity), 3 (of even parity), 1 (of odd), 16.
        let sources = match opcode {
            0xbd => [0x8000, 0x1000, 0x4000, 0],
            _ => [1, 8, 2, 0],
        };
        let flags = [Rflags::ZF, 0, 0, Rflags::CF];
        for (source, expected) in sources.into_iter().zip(flags) {
            let mut machine = Machine::real(16, &[0xf3, 0x0f, opcode, 0xc1, 0x0f, 0x0b]);
            machine.cpu.gpr[1] = source;
            machine.cpu.set_flags(STATUS | 2);
            expect_ud(machine.run());
            assert_eq!(status(&machine), expected, "{opcode:x} {source:x}");
        }
    }
}

/// INT1 leaves DR6 alone: Linux knows it by a DR6 with no more than the bits that are always 1.
#[test]
fn debug_status_and_control_have_fixed_bits() {
    // mov dr6, eax; mov ebx, dr6; mov dr7, eax; mov ecx, dr7; ud2
    let code = [
        0x0f, 0x23, 0xf0, 0x0f, 0x21, 0xf3, 0x0f, 0x23, 0xf8, 0x0f, 0x21, 0xf9, 0x0f, 0x0b,
    ];
    // Without DR7.GD and breakpoints.
    for (value, status, control) in [
        (0, 0xffff_0ff0, 0x400),
        (0xffff_d800, 0xffff_cff0, 0xffff_0400),
    ] {
        let mut machine = Machine::flat(16, &code);
        machine.cpu.gpr[0] = value;
        expect_ud(machine.run());
        assert_eq!(machine.cpu.gpr[3], status);
        assert_eq!(machine.cpu.gpr[1], control);
    }
}
