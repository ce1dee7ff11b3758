//! PUSHes and POPs in a row, which are one operation: seen from outside they are as many instructions.

use super::{Machine, expect_ud};

// push rax; push r12; push rbx; push rbp
const PUSHES: [u8; 5] = [0x50, 0x41, 0x54, 0x53, 0x55];
// pop rdx; pop r13; pop rdi; ud2
const POPS: [u8; 6] = [0x5a, 0x41, 0x5d, 0x5f, 0x0f, 0x0b];
const RSP: usize = 4;

fn machine(rsp: u64) -> Machine {
    let mut machine = Machine::long(16, &[&PUSHES[..], &POPS].concat());
    for n in 0..16 {
        machine.cpu.gpr[n] = 0x1111 * n as u64;
    }
    machine.cpu.gpr[RSP] = rsp;
    machine
}

fn words<const N: usize>(machine: &Machine, at: u64) -> [u64; N] {
    let mut bytes = [0; 8];
    core::array::from_fn(|n| {
        machine.memory.read(at + 8 * n as u64, &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    })
}

#[test]
fn what_is_pushed_is_popped() {
    // Inside a page, over the border of two, and off alignment over it.
    for rsp in [0x8800, 0x8010, 0x8008, 0x800b] {
        let mut machine = machine(rsp);
        expect_ud(machine.run());
        let cpu = &machine.cpu;
        assert_eq!(cpu.gpr[2], 0x5555);
        assert_eq!(cpu.gpr[13], 0x3333);
        assert_eq!(cpu.gpr[7], 0xcccc);
        assert_eq!((cpu.gpr[RSP], cpu.rip), (rsp - 8, 0x1009));
        assert_eq!(cpu.retired(), 7);
        assert_eq!(words(&machine, rsp - 32), [0x5555, 0x3333, 0xcccc, 0]);
    }
}

#[test]
fn a_push_in_the_middle_faults() {
    let mut machine = machine(0x10);
    let exit = machine.run();
    assert_eq!((exit.reason, exit.qualification), (0, 14));
    assert_eq!(exit.linear, !7);
    let cpu = &machine.cpu;
    // Behind push rax and push r12.
    assert_eq!((cpu.rip, cpu.gpr[RSP], cpu.retired()), (0x1003, 0, 2));
    assert_eq!(words(&machine, 0), [0xcccc, 0]);
}

#[test]
fn a_pop_in_the_middle_faults() {
    let mut machine = machine(0xfff0);
    machine.cpu.rip = 0x1005;
    let exit = machine.run();
    // Memory ends there: an EPT violation.
    assert_eq!((exit.reason, exit.gpa), (48, 0x1_0000));
    let cpu = &machine.cpu;
    assert_eq!(
        (cpu.rip, cpu.gpr[RSP], cpu.retired()),
        (0x1008, 0x1_0000, 2)
    );
    assert_eq!((cpu.gpr[2], cpu.gpr[13], cpu.gpr[7]), (0, 0, 0x7777));
}

#[test]
fn a_push_changes_the_next_instruction() {
    // push rax; push rcx; push rdx, with the second one's word over the third
    let mut machine = Machine::long(16, &[0x50, 0x51, 0x52]);
    machine.cpu.gpr[1] = 0x0b0f;
    machine.cpu.gpr[RSP] = 0x1012;
    expect_ud(machine.run());
    let cpu = &machine.cpu;
    assert_eq!((cpu.rip, cpu.gpr[RSP], cpu.retired()), (0x1002, 0x1002, 2));
}
