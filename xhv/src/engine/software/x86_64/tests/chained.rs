//! Blocks that hand over to each other through the jump cache: what has to make it forget, and that nothing makes it deaf.

use iced_x86::code_asm::{CodeAssembler, byte_ptr, cx, qword_ptr, rbx, rcx};

use super::{Machine, expect_ud};
use crate::engine::software::memory::Attention;

#[test]
fn another_block_is_changed() {
    let mut a = CodeAssembler::new(16).unwrap();
    let (mut again, mut skip) = (a.create_label(), a.create_label());
    let function = 0x1080_u64;
    a.mov(cx, 4).unwrap();
    a.set_label(&mut again).unwrap();
    a.call(function).unwrap();
    a.dec(cx).unwrap();
    a.cmp(cx, 2).unwrap();
    a.jne(skip).unwrap();
    a.mov(byte_ptr(function + 2), 5).unwrap();
    a.set_label(&mut skip).unwrap();
    a.test(cx, cx).unwrap();
    a.jne(again).unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::real(16, &a.assemble(0x1000).unwrap());
    // add ax, 1; ret
    let code = [0x83, 0xc0, 1, 0xc3];
    machine.memory.write(function, &code).unwrap();
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 1 + 1 + 5 + 5);
    // And by the VMM, between two runs.
    machine.memory.write(function + 2, &[7]).unwrap();
    (machine.cpu.rip, machine.cpu.gpr[0]) = (function, 0);
    machine.cpu.gpr[4] -= 2;
    machine.memory.write(0x7ffe, &[0x0e, 0x10]).unwrap();
    machine.memory.write(0x100e, &[0x0f, 0x0b]).unwrap();
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 7);
}

#[test]
fn the_same_offset_in_another_segment_is_other_code() {
    let mut machine = Machine::real(16, &[]);
    // 100h:0: add ax, 1; jmp 200h:0. 200h:0: add ax, 10h; cmp ax, 33h; jne 100h:0 (over a far jump); ud2
    let first = [0x05, 1, 0, 0xea, 0, 0, 0, 2];
    let second = [
        0x05, 0x10, 0, 0x3d, 0x33, 0, 0x74, 5, 0xea, 0, 0, 0, 1, 0x0f, 0x0b,
    ];
    machine.memory.write(0x1000, &first).unwrap();
    machine.memory.write(0x2000, &second).unwrap();
    machine.cpu.seg[1].base = 0x1000;
    machine.cpu.rip = 0;
    machine.cpu.update_mode();
    expect_ud(machine.run());
    assert_eq!((machine.cpu.gpr[0], machine.cpu.rip), (0x33, 13));
    assert_eq!(machine.cpu.retired(), 3 * 2 + 3 * 3 + 2);
}

#[test]
fn a_remapped_page_is_other_code() {
    let mut a = CodeAssembler::new(64).unwrap();
    let mut again = a.create_label();
    a.mov(rcx, 6_u64).unwrap();
    a.mov(rbx, 0x4000_0000_u64).unwrap();
    a.set_label(&mut again).unwrap();
    a.call(rbx).unwrap();
    a.dec(rcx).unwrap();
    let mut skip = a.create_label();
    a.cmp(rcx, 4).unwrap();
    a.jne(skip).unwrap();
    a.mov(qword_ptr(Machine::TABLE), 0x6007).unwrap();
    a.invlpg(qword_ptr(rbx)).unwrap();
    a.set_label(&mut skip).unwrap();
    a.test(rcx, rcx).unwrap();
    a.jne(again).unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::long(32, &a.assemble(0x1000).unwrap());
    machine.map_second_gib(&[0x5000]);
    // add rax, 1; ret and add rax, 10h; ret
    machine
        .memory
        .write(0x5000, &[0x48, 0x83, 0xc0, 1, 0xc3])
        .unwrap();
    machine
        .memory
        .write(0x6000, &[0x48, 0x83, 0xc0, 0x10, 0xc3])
        .unwrap();
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 2 + 4 * 0x10);
}

#[test]
fn blocks_that_never_end_hear_a_cancel() {
    // 1000: jmp 1100. 1100: jmp 1000.
    let mut machine = Machine::real(16, &[0xe9, 0xfd, 0]);
    machine.memory.write(0x1100, &[0xe9, 0xfd, 0xfe]).unwrap();
    let slot = machine.cpu.view.slot().clone();
    let other = std::thread::spawn(move || {
        std::thread::sleep(core::time::Duration::from_millis(20));
        slot.ask(Attention::CANCEL);
    });
    let exit = machine.run();
    assert_eq!(exit.reason, 1);
    assert!(machine.cpu.retired() > 100);
    assert!([0x1000, 0x1100].contains(&machine.cpu.rip));
    other.join().unwrap();
}
