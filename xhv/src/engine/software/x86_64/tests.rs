//! Small programs on the bare CPU: a world in which every exception is an exit.

mod chained;
mod flags;
mod links;
mod ports;
mod runs;

use std::sync::Arc;

use super::blocks::Blocks;
use super::cpu::{Cpu, Cr, Exception, Exit, Seg, Segment};
use super::run::World;
use crate::engine::software::dispatch::Stop;
use crate::engine::software::memory::{AddressSpace, Mapping, View};
use crate::memory::{Memory, Permissions};

/// A world that gives exceptions to the test: exit reason 0, the vector as qualification.
pub(super) struct Bare;

impl World for Bare {
    fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
        (cpu.check, cpu.midway) = (false, false);
        if let Some(cr2_or_dr6) = cpu.take_pending_debug() {
            return Self::exception(
                cpu,
                Exception {
                    vector: 1,
                    cr2_or_dr6,
                    ..Exception::default()
                },
            );
        }
        Ok(())
    }

    fn exception(cpu: &mut Cpu, exception: Exception) -> Result<(), Stop> {
        Err(cpu.exit(Exit {
            reason: 0,
            qualification: exception.vector.into(),
            error: exception.error.unwrap_or(!0),
            linear: exception.cr2_or_dr6,
            ..Exit::default()
        }))
    }

    fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
        Err(cpu.exit(Exit {
            reason: 12,
            ..Exit::default()
        }))
    }

    fn attention(cpu: &mut Cpu, _: u32) -> Result<(), Stop> {
        Err(cpu.exit(Exit {
            reason: 1,
            ..Exit::default()
        }))
    }

    fn steps(_: &Cpu) -> bool {
        false
    }
}

/// Exit reason of a run that has been long enough.
const ENOUGH: u16 = 0xfff;
/// Instructions (and a quantum) after which a run is stopped.
const LONG: u64 = 4000;

/// As [`Bare`], but no run is long.
pub(super) struct Bounded;

impl World for Bounded {
    fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
        Bare::boundary(cpu)?;
        if cpu.retired() > LONG {
            return Err(cpu.exit(Exit {
                reason: ENOUGH,
                ..Exit::default()
            }));
        }
        // A repetition that does not get anywhere does not retire anything.
        cpu.set_retired(cpu.retired() + 100);
        Ok(())
    }

    fn exception(cpu: &mut Cpu, exception: Exception) -> Result<(), Stop> {
        Bare::exception(cpu, exception)
    }

    fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
        Bare::wait(cpu)
    }

    fn attention(cpu: &mut Cpu, bits: u32) -> Result<(), Stop> {
        Bare::attention(cpu, bits)
    }

    fn steps(_: &Cpu) -> bool {
        false
    }
}

/// A CPU with memory, and its decoded code.
pub(super) struct Machine {
    pub(super) cpu: Cpu,
    pub(super) blocks: Blocks,
    pub(super) memory: Memory,
}

impl Machine {
    /// Real mode, segments at 0, `pages` of memory at 0, `code` at 0x1000.
    pub(super) fn real(pages: u64, code: &[u8]) -> Self {
        let memory = Memory::new(pages * 4096).unwrap();
        memory.write(0x1000, code).unwrap();
        let space = Arc::new(AddressSpace::default());
        space
            .map(Mapping {
                gpa: 0,
                size: memory.size(),
                memory: memory.clone(),
                offset: 0,
                permissions: Permissions::ALL,
            })
            .unwrap();
        let mut cpu = Cpu::new(View::new(space));
        cpu.seg[Seg::Cs as usize].base = 0;
        cpu.seg[Seg::Cs as usize].selector = 0;
        cpu.rip = 0x1000;
        cpu.gpr[4] = 0x8000;
        cpu.update_mode();
        Self {
            cpu,
            blocks: Blocks::default(),
            memory,
        }
    }

    /// Flat 32-bit protected mode without paging.
    pub(super) fn flat(pages: u64, code: &[u8]) -> Self {
        let mut machine = Self::real(pages, code);
        machine.cpu.cr0 |= Cr::CR0_PE;
        machine.segments(0xc09b, 0xc093);
        machine
    }

    /// 64-bit mode; the first GiB mapped to itself by one large page, tables in the last three pages.
    pub(super) fn long(pages: u64, code: &[u8]) -> Self {
        let mut machine = Self::real(pages, code);
        let tables = (pages - 3) * 4096;
        for (at, entry) in [(tables, tables + 0x1000 + 7), (tables + 0x1000, 0x87)] {
            machine.memory.write(at, &u64::to_le_bytes(entry)).unwrap();
        }
        let cpu = &mut machine.cpu;
        cpu.cr3 = tables;
        cpu.cr4 |= Cr::CR4_PAE;
        cpu.efer = Cr::EFER_LME | Cr::EFER_LMA | Cr::EFER_NXE;
        cpu.cr0 |= Cr::CR0_PE | Cr::CR0_PG | Cr::CR0_WP;
        machine.segments(0xa09b, 0xc093);
        machine
    }

    /// In 64-bit mode: maps pages of 4 KiB from 1 GiB on to `frames`. Their entries are at [`Machine::TABLE`].
    fn map_second_gib(&mut self, frames: &[u64]) {
        let directory = Self::TABLE - 0x1000;
        let pointers = [(self.cpu.cr3 + 0x1008, directory), (directory, Self::TABLE)];
        let pages = (Self::TABLE..).step_by(8).zip(frames.iter().copied());
        for (at, frame) in pointers.into_iter().chain(pages) {
            let entry = u64::to_le_bytes(frame + 7);
            self.memory.write(at, &entry).unwrap();
        }
    }

    /// Where [`Machine::map_second_gib`] has its page table.
    const TABLE: u64 = 0x9000;

    fn segments(&mut self, code: u32, data: u32) {
        for (number, segment) in self.cpu.seg.iter_mut().enumerate() {
            *segment = Segment {
                selector: 8,
                rights: if number == Seg::Cs as usize {
                    code
                } else {
                    data
                },
                limit: 0xffff_ffff,
                base: 0,
            };
        }
        self.cpu.update_mode();
    }

    pub(super) fn run(&mut self) -> Exit {
        self.cpu.run::<Bare>(&mut self.blocks)
    }
}

/// UD2 ends the test programs.
fn expect_ud(exit: Exit) {
    assert_eq!((exit.reason, exit.qualification), (0, 6), "{exit:?}");
}

#[test]
fn a_loop_in_real_mode() {
    // mov cx, 1000; xor ax, ax; again: add ax, cx; loop again; push ax; pop bx; ud2
    let code = [
        0xb9, 0xe8, 3, 0x31, 0xc0, 0x01, 0xc8, 0xe2, 0xfc, 0x50, 0x5b, 0x0f, 0x0b,
    ];
    let mut machine = Machine::real(16, &code);
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[3], 500_500 & 0xffff);
    assert_eq!(machine.cpu.rip, 0x100b);
    assert_eq!(machine.cpu.retired(), 2 + 2000 + 2);
}

#[test]
fn code_that_writes_itself() {
    // mov byte [0x100b], 0x43 (inc bx); mov cx, 3; (100b:) inc ax becomes inc bx; dec cx…
    // 1000: c6 06 08 10 43   mov byte [0x1008], 0x43
    // 1005: b9 03 00         mov cx, 3
    // 1008: 40               inc ax
    // 1009: 0f 0b            ud2
    let code = [0xc6, 0x06, 0x08, 0x10, 0x43, 0xb9, 3, 0, 0x40, 0x0f, 0x0b];
    let mut machine = Machine::real(16, &code);
    expect_ud(machine.run());
    assert_eq!((machine.cpu.gpr[0], machine.cpu.gpr[3]), (0, 1));
    assert_eq!(machine.cpu.retired(), 3);
    // And once more: the byte is there already, the store hits code again.
    machine.cpu.rip = 0x1000;
    expect_ud(machine.run());
    assert_eq!((machine.cpu.gpr[0], machine.cpu.gpr[3]), (0, 2));
}

#[test]
fn repeated_moves_in_64_bit_mode() {
    use iced_x86::code_asm::{CodeAssembler, rcx, rdi, rsi};
    let mut a = CodeAssembler::new(64).unwrap();
    a.mov(rsi, 0x4000_u64).unwrap();
    a.mov(rdi, 0x5fff_u64).unwrap();
    a.mov(rcx, 0x1801_u64).unwrap();
    a.rep().movsb().unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::long(32, &a.assemble(0x1000).unwrap());
    let bytes: Vec<u8> = (0..0x1801_u32).map(|n| (n * 7 + n / 251) as u8).collect();
    machine.memory.write(0x4000, &bytes).unwrap();
    expect_ud(machine.run());
    let mut copied = vec![0; bytes.len()];
    machine.memory.read(0x5fff, &mut copied).unwrap();
    assert_eq!(copied, bytes);
    assert_eq!((machine.cpu.gpr[1], machine.cpu.gpr[6]), (0, 0x5801));
    assert_eq!(machine.cpu.retired(), 4);
}

#[test]
fn single_step_traps_behind_each_instruction() {
    let mut machine = Machine::real(16, &[0x40, 0x39, 0xc0, 0x74, 0xfb, 0x0f, 0x0b]);
    machine.cpu.set_flags(0x102);
    for (n, rip) in [0x1001, 0x1003, 0x1000, 0x1001].into_iter().enumerate() {
        let exit = machine.run();
        assert_eq!((exit.qualification, exit.linear), (1, 1 << 14));
        assert_eq!(machine.cpu.rip, rip);
        assert_eq!(machine.cpu.retired(), n as u64 + 1);
    }
}

#[test]
fn breakpoints_on_code_and_data() {
    // inc ax; mov [0x3000], ax; inc ax; ud2
    let code = [0x40, 0xa3, 0, 0x30, 0x40, 0x0f, 0x0b];
    let mut machine = Machine::real(16, &code);
    machine.cpu.dr[0] = 0x1001;
    machine.cpu.dr[1] = 0x3001;
    // DR0: instruction; DR1: data writes, one byte
    machine.cpu.dr[7] = 0x400 | 1 | 4 | 1 << 20;
    machine.cpu.update_mode();
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.linear), (1, 1));
    assert_eq!((machine.cpu.rip, machine.cpu.gpr[0]), (0x1001, 1));
    machine.cpu.set_flags(0x1_0002);
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.linear), (1, 2));
    assert_eq!(machine.cpu.rip, 0x1004);
    expect_ud(machine.run());
    assert_eq!(machine.cpu.gpr[0], 2);
}

#[test]
fn faults_leave_registers_alone() {
    // push dword [0xfffe] in a 16-bit stack at 2 …: word access at 0xffff faults with #GP, SP stays
    let mut machine = Machine::real(32, &[0xff, 0x36, 0xff, 0xff]);
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.error), (13, !0));
    assert_eq!((machine.cpu.gpr[4], machine.cpu.rip), (0x8000, 0x1000));
    assert_eq!(machine.cpu.retired(), 0);
}

#[test]
fn page_faults_tell_address_and_error() {
    use iced_x86::code_asm::{CodeAssembler, eax, ecx, ptr, rbx};
    let mut a = CodeAssembler::new(64).unwrap();
    a.mov(rbx, 0x4000_0ffe_u64).unwrap();
    a.mov(ecx, 5).unwrap();
    a.mov(ptr(rbx), eax).unwrap();
    let mut machine = Machine::long(32, &a.assemble(0x1000).unwrap());
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.error), (14, 2));
    assert_eq!(exit.linear, 0x4000_0ffe);
    assert_eq!(machine.cpu.retired(), 2);
    // Not canonical: #GP(0).
    machine.cpu.rip = 0x1000 + machine.cpu.rip - 0x1000;
    machine.cpu.gpr[3] = 0x8000_0000_0000_0000;
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.error), (13, 0));
}

#[test]
fn an_ept_violation_tells_what_was_wanted() {
    use iced_x86::code_asm::{CodeAssembler, eax, ptr};
    let mut a = CodeAssembler::new(32).unwrap();
    a.mov(eax, ptr(0x20_0004)).unwrap();
    let mut machine = Machine::flat(32, &a.assemble(0x1000).unwrap());
    let exit = machine.run();
    assert_eq!((exit.reason, exit.qualification), (48, 0x181));
    assert_eq!((exit.gpa, exit.linear), (0x20_0004, 0x20_0004));
    machine.cpu.rip = 0x30_0000;
    let exit = machine.run();
    assert_eq!((exit.reason, exit.qualification), (48, 0x184));
}

#[test]
fn an_instruction_on_two_pages_is_kept_and_watched() {
    // 1fff: mov ax, 1 (all but the opcode on the next page); add dx, ax; inc cx; cmp cx, 3; jb 1fff; ud2
    let mut machine = Machine::real(16, &[]);
    let code = [
        0xb8, 1, 0, 0x01, 0xc2, 0x41, 0x83, 0xf9, 3, 0x72, 0xf5, 0x0f, 0x0b,
    ];
    machine.memory.write(0x1fff, &code).unwrap();
    machine.cpu.rip = 0x1fff;
    expect_ud(machine.run());
    assert_eq!((machine.cpu.gpr[1], machine.cpu.gpr[2]), (3, 3));
    // The second page changes under it.
    machine.memory.write(0x2000, &[5]).unwrap();
    machine.cpu.rip = 0x1fff;
    machine.cpu.gpr[1] = 0;
    machine.cpu.gpr[2] = 0;
    expect_ud(machine.run());
    assert_eq!((machine.cpu.gpr[1], machine.cpu.gpr[2]), (3, 15));
}

#[test]
fn an_instruction_has_15_bytes_at_most() {
    for prefixes in [14, 15, 30] {
        let code = [vec![0x66; prefixes], vec![0x90, 0x0f, 0x0b]].concat();
        // In the middle of a page, and across its end.
        for at in [0x1000_u64, 0x1ff8, 0x1ff1] {
            for mut machine in [Machine::real(32, &[]), Machine::long(32, &[])] {
                machine.memory.write(at, &code).unwrap();
                machine.cpu.rip = at;
                let exit = machine.run();
                let expected = if prefixes == 14 {
                    (6, at + 15)
                } else {
                    (13, at)
                };
                assert_eq!(
                    (exit.qualification, machine.cpu.rip),
                    expected,
                    "{prefixes}"
                );
            }
        }
    }
}

#[test]
fn code_that_runs_off_its_segment() {
    // nop at the end of a segment of 64 KiB: the next instruction would lie at 10000H, which is no wrap but #GP(0).
    let mut machine = Machine::real(32, &[]);
    machine.memory.write(0xffff, &[0x90]).unwrap();
    machine.cpu.rip = 0xffff;
    let exit = machine.run();
    assert_eq!((exit.qualification, machine.cpu.rip), (13, 0x1_0000));
    // loop out of the segment: the fault has not counted.
    let mut machine = Machine::flat(32, &[]);
    machine.cpu.seg[1].limit = 0xffff;
    machine.cpu.update_mode();
    machine.memory.write(0xfffe, &[0xe2, 0x16]).unwrap();
    (machine.cpu.rip, machine.cpu.gpr[1]) = (0xfffe, 5);
    let exit = machine.run();
    assert_eq!((exit.qualification, machine.cpu.rip), (13, 0xfffe));
    assert_eq!(machine.cpu.gpr[1], 5);
}

#[test]
fn protection_keys_are_not_for_32_bit_paging() {
    use iced_x86::code_asm::{CodeAssembler, eax, ptr};
    let mut a = CodeAssembler::new(32).unwrap();
    a.mov(eax, ptr(0x4000)).unwrap();
    a.ud2().unwrap();
    let mut machine = Machine::flat(32, &a.assemble(0x1000).unwrap());
    // One page of 4 MiB, mapped to itself.
    machine
        .memory
        .write(0x1f000, &0x87_u32.to_le_bytes())
        .unwrap();
    let cpu = &mut machine.cpu;
    cpu.cr3 = 0x1f000;
    cpu.cr4 |= Cr::CR4_PSE | Cr::CR4_PKE;
    cpu.cr0 |= Cr::CR0_PG;
    cpu.pkru = !0;
    cpu.update_mode();
    expect_ud(machine.run());
}
