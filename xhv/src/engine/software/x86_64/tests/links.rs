//! Branches inside a page, which follow links: what has to cut them, and that nothing makes them deaf.

use iced_x86::code_asm::{CodeAssembler, byte_ptr, cl, ecx, qword_ptr, rax, rbx, rcx};

use super::{Machine, expect_ud};
use crate::engine::software::memory::Attention;

/// add rax, 1 (at 1002h); dec ecx; jne 1002h; ud2
const LOOP: [u8; 12] = [
    0x31, 0xc0, 0x48, 0x83, 0xc0, 0x01, 0xff, 0xc9, 0x75, 0xf8, 0x0f, 0x0b,
];

#[test]
fn the_target_is_changed() {
    let mut machine = Machine::long(16, &LOOP);
    machine.cpu.gpr[1] = 10_000;
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 10_000);
    // By the VMM.
    machine.memory.write(0x1005, &[3]).unwrap();
    machine.cpu.rip = 0x1000;
    machine.cpu.gpr[1] = 1000;
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 3000);
}

#[test]
fn the_target_is_changed_by_the_loop() {
    let mut a = CodeAssembler::new(64).unwrap();
    let (mut again, mut skip) = (a.create_label(), a.create_label());
    a.mov(ecx, 8).unwrap();
    a.set_label(&mut again).unwrap();
    // 48 05 and the 1 in four bytes.
    a.add(rax, 1).unwrap();
    a.cmp(cl, 5).unwrap();
    a.jne(skip).unwrap();
    a.mov(byte_ptr(0x1007), 7).unwrap();
    a.set_label(&mut skip).unwrap();
    a.dec(ecx).unwrap();
    a.jne(again).unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::long(16, &a.assemble(0x1000).unwrap());
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 4 + 4 * 7);
}

#[test]
fn the_page_is_another() {
    let mut a = CodeAssembler::new(64).unwrap();
    let mut again = a.create_label();
    a.mov(rbx, 0x4000_0000_u64).unwrap();
    a.set_label(&mut again).unwrap();
    a.mov(rcx, 3_u64).unwrap();
    a.call(rbx).unwrap();
    a.mov(qword_ptr(Machine::TABLE), 0x6007).unwrap();
    a.invlpg(qword_ptr(rbx)).unwrap();
    a.mov(rcx, 3_u64).unwrap();
    a.call(rbx).unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::long(32, &a.assemble(0x1000).unwrap());
    machine.map_second_gib(&[0x5000]);
    // again: add rax, 1 (or 10h); dec ecx; jne again; ret
    for (page, step) in [(0x5000, 1), (0x6000, 0x10)] {
        let code = [0x48, 0x83, 0xc0, step, 0xff, 0xc9, 0x75, 0xf8, 0xc3];
        machine.memory.write(page, &code).unwrap();
    }
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 3 + 3 * 0x10);
}

#[test]
fn the_page_changes_under_its_own_code() {
    let mut machine = Machine::long(32, &[]);
    machine.map_second_gib(&[0x5000]);
    for (page, step) in [(0x5000, 1), (0x6000, 0x10)] {
        let mut a = CodeAssembler::new(64).unwrap();
        let (mut start, mut again) = (a.create_label(), a.create_label());
        a.set_label(&mut start).unwrap();
        a.mov(ecx, 3).unwrap();
        a.set_label(&mut again).unwrap();
        a.add(rax, step).unwrap();
        a.dec(ecx).unwrap();
        a.jne(again).unwrap();
        a.mov(qword_ptr(Machine::TABLE), 0x6007).unwrap();
        a.invlpg(qword_ptr(rbx)).unwrap();
        a.cmp(rax, 10).unwrap();
        a.jb(start).unwrap();
        a.ud2().unwrap();
        let code = a.assemble(0x4000_0000).unwrap();
        machine.memory.write(page, &code).unwrap();
    }
    (machine.cpu.rip, machine.cpu.gpr[3]) = (0x4000_0000, 0x4000_0000);
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 3 + 3 * 0x10);
}

#[test]
fn an_instruction_that_reaches_into_the_next_page_is_not_linked() {
    // The branch at 1f00h goes to an ADD at 1ffeh, whose last two bytes lie in the next page; that one is remapped meanwhile.
    let mut machine = Machine::long(32, &[]);
    machine.map_second_gib(&[0x5000, 0x6000]);
    // 40000f00: jmp 40000ffe. 40000ffe: add rax, 1 (or 10h); ret
    machine
        .memory
        .write(0x5f00, &[0xe9, 0xf9, 0, 0, 0])
        .unwrap();
    machine.memory.write(0x5ffe, &[0x48, 0x83]).unwrap();
    machine.memory.write(0x6000, &[0xc0, 1, 0xc3]).unwrap();
    machine.memory.write(0x7000, &[0xc0, 0x10, 0xc3]).unwrap();
    let mut a = CodeAssembler::new(64).unwrap();
    a.mov(rbx, 0x4000_0f00_u64).unwrap();
    a.call(rbx).unwrap();
    a.call(rbx).unwrap();
    a.mov(qword_ptr(Machine::TABLE + 8), 0x7007).unwrap();
    a.mov(rcx, 0x4000_1000_u64).unwrap();
    a.invlpg(qword_ptr(rcx)).unwrap();
    a.call(rbx).unwrap();
    a.ud2().unwrap();
    let code = a.assemble(0x1000).unwrap();
    machine.memory.write(0x1000, &code).unwrap();
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 1 + 1 + 0x10);
}

#[test]
fn a_loop_hears_a_cancel() {
    // jmp $
    let mut machine = Machine::long(16, &[0xeb, 0xfe]);
    let slot = machine.cpu.view.slot().clone();
    let other = std::thread::spawn(move || {
        std::thread::sleep(core::time::Duration::from_millis(20));
        slot.ask(Attention::CANCEL);
    });
    let exit = machine.run();
    assert_eq!((exit.reason, machine.cpu.rip), (1, 0x1000));
    assert!(machine.cpu.retired() > 100);
    other.join().unwrap();
}

#[test]
fn a_smaller_code_segment_is_not_flat() {
    // In 32-bit code: the loop is linked; then the limit ends behind its first instruction.
    let mut machine = Machine::flat(16, &LOOP[2..]);
    // In 32-bit code 48h is DEC EAX, and a byte of its own.
    machine.cpu.gpr[1] = 10;
    expect_ud(machine.run());
    machine.cpu.seg[1].limit = 0x1005;
    machine.cpu.rip = 0x1000;
    machine.cpu.gpr[1] = 10;
    machine.cpu.update_mode();
    let exit = machine.run();
    assert_eq!((exit.reason, exit.qualification), (0, 13));
    assert_eq!((machine.cpu.rip, machine.cpu.gpr[1]), (0x1006, 9));
}

#[test]
fn more_code_than_is_kept() {
    // Pages full of jumps, each to the next instruction and a block of its own: all blocks are dropped on the way, also while a link is wanted.
    const PAGES: u64 = 4;
    let mut machine = Machine::long(32, &[]);
    let page = [0xeb, 0].repeat(0x1000 / 2);
    for n in 1..=PAGES {
        machine.memory.write(0x1000 * n, &page).unwrap();
    }
    let end = 0x1000 * (1 + PAGES);
    machine.memory.write(end, &[0x0f, 0x0b]).unwrap();
    for _ in 0..3 {
        machine.cpu.rip = 0x1000;
        machine.cpu.set_retired(0);
        expect_ud(machine.run());
        assert_eq!(machine.cpu.rip, end);
        assert_eq!(machine.cpu.retired(), PAGES * 0x1000 / 2);
    }
}
