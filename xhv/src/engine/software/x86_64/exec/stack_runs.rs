//! PUSHes (or POPs) of 64-bit registers in a row, as one operation: functions begin and end with them.
//!
//! Fast, all of it happens in one page of the stack that the TLB knows, or nothing. The slow way is one instruction after another, and
//! can stop between any two.

use iced_x86::Instruction;

use crate::engine::software::dispatch::{Flow, Path, Slow, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::Operation;
use crate::engine::software::x86_64::cpu::{Cpu, RSP};
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number};

/// Instructions in a run at most: as many as the immediate has bytes.
const MOST: usize = 8;
/// In a run's byte: the instruction has two bytes, not one.
const LONG: u8 = 0x80;

/// What the last operation may be the beginning of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pops: bool,
    /// Number of its last instruction in the block.
    count: u8,
    len: usize,
    /// A byte for each: the register, and [`LONG`].
    registers: [u8; MOST],
}

/// Registers of a run, first instruction first.
#[inline(always)]
fn registers<const N: usize>(op: &Operation) -> [u8; N] {
    let bytes = op.imm.to_le_bytes();
    core::array::from_fn(|n| bytes[n] & !LONG)
}

/// Bytes that the first `n` instructions have.
fn len(op: &Operation, n: usize) -> u64 {
    let bytes = op.imm.to_le_bytes();
    bytes[..n]
        .iter()
        .map(|byte| 1 + u64::from(byte / LONG))
        .sum()
}

/// Does the instructions one by one.
fn slowly<const N: usize>(
    cpu: &mut Cpu,
    op: &Operation,
    one: fn(&mut Cpu, u8) -> Result<(), Stop>,
) -> Done {
    for (n, register) in registers::<N>(op).into_iter().enumerate() {
        let done = one(cpu, register);
        if done.is_ok() && !cpu.code_hit {
            continue;
        }
        // It is as if this were the last of them.
        (n + 1..N).for_each(|_| cpu.unretire());
        if let Err(stop) = done {
            cpu.rip = cpu.rip.wrapping_add(len(op, n));
            return Err(stop);
        }
        cpu.code_hit = false;
        cpu.rip = cpu.rip.wrapping_add(u64::from(op.at) + len(op, n + 1));
        cpu.retire(op.x[2]);
        return Ok(Flow::End);
    }
    Ok(Flow::Next)
}

struct Pushes<const N: usize>;

impl<const N: usize> Exec for Pushes<N> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if P::SLOW {
            return slowly::<N>(cpu, op, |cpu, register| {
                cpu.push::<Slow, u64>(cpu.gpr[usize::from(register)])
            });
        }
        let registers = registers::<N>(op);
        // The last one lies lowest.
        let values = core::array::from_fn(|n| cpu.gpr[usize::from(registers[N - 1 - n])]);
        let rsp = cpu.gpr[RSP].wrapping_sub(8 * N as u64);
        let stored = cpu.view.store_words::<N>(cpu.mode.regime, rsp, values);
        stored.ok_or(Stop::Miss)?;
        cpu.gpr[RSP] = rsp;
        Ok(Flow::Next)
    }
}

struct Pops<const N: usize>;

impl<const N: usize> Exec for Pops<N> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if P::SLOW {
            return slowly::<N>(cpu, op, |cpu, register| {
                cpu.gpr[usize::from(register)] = cpu.pop::<Slow, u64>()?;
                Ok(())
            });
        }
        let rsp = cpu.gpr[RSP];
        let loaded = cpu.view.load_words::<N>(cpu.mode.regime, rsp);
        let values = loaded.ok_or(Stop::Miss)?;
        for (register, value) in registers::<N>(op).into_iter().zip(values) {
            cpu.gpr[usize::from(register)] = value;
        }
        cpu.gpr[RSP] = rsp.wrapping_add(8 * N as u64);
        Ok(Flow::Next)
    }
}

/// Takes a PUSH of a 64-bit register if it goes on a run.
pub(super) fn push(i: &Instruction, a: &mut Assembler) -> bool {
    take(i, a, false)
}

/// Takes a POP of a 64-bit register if it goes on a run.
pub(super) fn pop(i: &Instruction, a: &mut Assembler) -> bool {
    take(i, a, true)
}

fn take(i: &Instruction, a: &mut Assembler, pops: bool) -> bool {
    let register = gpr_number(i.op0_register());
    // RSP is what moves; and longer forms (with prefixes that mean nothing) are rare.
    let byte = match i.len() {
        1 if usize::from(register) != RSP => register,
        2 if usize::from(register) != RSP => register | LONG,
        _ => return false,
    };
    if a.single {
        return false;
    }
    let begun = a
        .run
        .take()
        .filter(|run| run.pops == pops && run.count + 1 == a.count() && run.len < MOST);
    let mut run = begun.unwrap_or(Run {
        pops,
        count: 0,
        len: 0,
        registers: [0; MOST],
    });
    run.registers[run.len] = byte;
    run.len += 1;
    run.count = a.count();
    a.run = Some(run);
    if run.len == 1 {
        return false;
    }
    let Some(first) = a.ops().pop() else {
        return false;
    };
    let op = if pops {
        match run.len {
            2 => a.emit::<Pops<2>>(i),
            3 => a.emit::<Pops<3>>(i),
            4 => a.emit::<Pops<4>>(i),
            5 => a.emit::<Pops<5>>(i),
            6 => a.emit::<Pops<6>>(i),
            7 => a.emit::<Pops<7>>(i),
            _ => a.emit::<Pops<8>>(i),
        }
    } else {
        match run.len {
            2 => a.emit::<Pushes<2>>(i),
            3 => a.emit::<Pushes<3>>(i),
            4 => a.emit::<Pushes<4>>(i),
            5 => a.emit::<Pushes<5>>(i),
            6 => a.emit::<Pushes<6>>(i),
            7 => a.emit::<Pushes<7>>(i),
            _ => a.emit::<Pushes<8>>(i),
        }
    };
    op.at = first.at;
    op.len = first.len + i.len() as u8;
    op.imm = u64::from_le_bytes(run.registers);
    true
}
