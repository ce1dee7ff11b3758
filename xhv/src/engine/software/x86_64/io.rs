//! IN, OUT, INS, OUTS: permission, exits, and the notifiers that take an OUT's place (Intel SDM vol. 1, 19; vol. 3, 27.1.3).
//!
//! There are no ports here: an access that does not exit reads all ones.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, Exit, Seg};
use super::decode::{Assembler, segment_number};
use super::flags::Rflags;
use super::mode::{MASKS, Size};
use super::operand::exit_of;
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::x86_64::entry::field::primary;

const REASON_IO: u16 = 30;
const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RSI: u8 = 6;
const RDI: u8 = 7;
/// Bits of the exit qualification.
const IN: u64 = 1 << 3;
const STRING: u64 = 1 << 4;
const REP: u64 = 1 << 5;
const IMMEDIATE: u64 = 1 << 6;

/// Emits operations for port instructions.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::In => port(i, a, 0),
        Mnemonic::Out => port(i, a, 1),
        Mnemonic::Insb | Mnemonic::Insw | Mnemonic::Insd => string(i, a, true),
        Mnemonic::Outsb | Mnemonic::Outsw | Mnemonic::Outsd => string(i, a, false),
        _ => return false,
    }
    true
}

/// `r[0]`: bytes; `r[1]`: OUT; `imm`: the port, or beyond all ports for DX.
fn port(i: &Instruction, a: &mut Assembler, out: u8) {
    let data = i.op_register(u32::from(out));
    let port = u32::from(1 - out);
    let op = a.complex_end(i, transfer);
    op.r[0] = data.size() as u8;
    op.r[1] = out;
    op.imm = match i.op_kind(port) {
        OpKind::Immediate8 => i.immediate8().into(),
        _ => !0,
    };
}

impl Cpu {
    /// The permission to use `size` ports from `port` on: IOPL, or the map in the TSS.
    fn check_ports(&mut self, port: u16, size: u8) -> Result<(), Stop> {
        let iopl = (self.flags() & Rflags::IOPL) >> 12;
        let free = self.cr0 & 1 == 0 || !self.mode.v8086 && u64::from(self.cpl()) <= iopl;
        if free {
            return Ok(());
        }
        // Only a 32-bit or 64-bit TSS has a map.
        if !self.tr.usable() || self.tr.kind() & 8 == 0 || self.tr.limit < 103 {
            return Err(self.gp(0));
        }
        let base = self.tr.base;
        let map: u16 = self.load_system(base.wrapping_add(102))?;
        let at = u64::from(map) + u64::from(port / 8);
        if at + 1 > u64::from(self.tr.limit) {
            return Err(self.gp(0));
        }
        let bits: u16 = self.load_system(base.wrapping_add(at))?;
        let wanted = ((1_u16 << size) - 1) << (port & 7);
        match bits & wanted {
            0 => Ok(()),
            _ => Err(self.gp(0)),
        }
    }

    fn io_exits(&self) -> bool {
        // The bitmaps are the framework's, with every bit set.
        self.vmx.on(primary::UNCONDITIONAL_IO | primary::IO_BITMAPS)
    }
}

fn transfer(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, out, immediate) = (op.r[0], op.r[1] != 0, op.imm <= 0xff);
    let port = if immediate {
        op.imm as u16
    } else {
        cpu.gpr[RDX] as u16
    };
    cpu.check_ports(port, size)?;
    let mask = (1_u64 << (8 * size)) - 1;
    if out
        && cpu
            .vmx
            .notifiers
            .notify(port, size, (cpu.gpr[RAX] & mask) as u32)
    {
        cpu.watch_port(port, size);
        return Ok(Flow::Next);
    }
    if cpu.io_exits() {
        let qualification = u64::from(size - 1)
            | if out { 0 } else { IN }
            | if immediate { IMMEDIATE } else { 0 }
            | u64::from(port) << 16;
        return Err(cpu.exit(exit_of(op, REASON_IO, qualification)));
    }
    if !out {
        cpu.write_gpr(RAX as u8, size.into(), mask);
    }
    cpu.watch_port(port, size);
    Ok(Flow::Next)
}

/// `r[0]`: bytes; `r[1]`: INS; `r[3]`: REP; `x[0]`, `x[1]`: segment and address size.
fn string(i: &Instruction, a: &mut Assembler, ins: bool) {
    let memory = if ins { i.op0_kind() } else { i.op1_kind() };
    let size = match memory {
        OpKind::MemorySegSI | OpKind::MemoryESDI => Size::Bits16,
        OpKind::MemorySegESI | OpKind::MemoryESEDI => Size::Bits32,
        _ => Size::Bits64,
    };
    let op = a.complex_end(i, string_step);
    op.r[0] = match i.mnemonic() {
        Mnemonic::Insb | Mnemonic::Outsb => 1,
        Mnemonic::Insw | Mnemonic::Outsw => 2,
        _ => 4,
    };
    op.r[1] = ins.into();
    op.r[3] = (i.has_rep_prefix() || i.has_repne_prefix()).into();
    op.x[0] = match ins {
        true => Seg::Es as u8,
        false => segment_number(i.memory_segment()),
    };
    op.x[1] = size as u8;
}

/// One element. A repeated instruction goes on at itself.
fn string_step(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, ins, rep) = (op.r[0], op.r[1] != 0, op.r[3] != 0);
    let mask = MASKS[usize::from(op.x[1] & 3)];
    if rep && cpu.gpr[RCX] & mask == 0 {
        return Ok(Flow::Next);
    }
    let port = cpu.gpr[RDX] as u16;
    cpu.check_ports(port, size)?;
    let pointer = if ins { RDI } else { RSI };
    let offset = cpu.gpr[usize::from(pointer)] & mask;
    // The exit comes before what segmentation and alignment have against the operand (SDM vol. 3, 27.1.1).
    if cpu.io_exits() {
        let exit = string_exit(op, port, cpu.linear_of(op.x[0], offset));
        return Err(cpu.exit(exit));
    }
    let seg = Seg::from_number(op.x[0]);
    match (ins, size) {
        (true, 1) => cpu.store::<Slow, u8>(seg, offset, !0)?,
        (true, 2) => cpu.store::<Slow, u16>(seg, offset, !0)?,
        (true, _) => cpu.store::<Slow, u32>(seg, offset, !0)?,
        (false, 1) => drop(cpu.load::<Slow, u8>(seg, offset)?),
        (false, 2) => drop(cpu.load::<Slow, u16>(seg, offset)?),
        (false, _) => drop(cpu.load::<Slow, u32>(seg, offset)?),
    }
    advance(cpu, pointer, mask, size);
    cpu.watch_port(port, size);
    if !rep {
        return Ok(Flow::Next);
    }
    let count = cpu.gpr[RCX];
    let left = count.wrapping_sub(1) & mask;
    cpu.gpr[RCX] = keep_above(count, left, mask);
    // Going on at itself ends the block with RIP where it is.
    if left == 0 {
        return Ok(Flow::Next);
    }
    // The instruction is not over, so it does not count.
    cpu.midway = true;
    cpu.grant(0);
    cpu.unretire();
    Ok(Flow::End)
}

fn string_exit(op: &Operation, port: u16, linear: u64) -> Exit {
    let qualification = u64::from(op.r[0] - 1)
        | if op.r[1] != 0 { IN } else { 0 }
        | STRING
        | if op.r[3] != 0 { REP } else { 0 }
        | u64::from(port) << 16;
    Exit {
        linear,
        info: u32::from(op.x[1] & 3) << 7 | u32::from(op.x[0] & 7) << 15,
        ..exit_of(op, REASON_IO, qualification)
    }
}

fn keep_above(old: u64, new: u64, mask: u64) -> u64 {
    match mask {
        0xffff => old & !mask | new,
        _ => new,
    }
}

fn advance(cpu: &mut Cpu, pointer: u8, mask: u64, size: u8) {
    let step = match cpu.flags() & Rflags::DF {
        0 => u64::from(size),
        _ => u64::from(size).wrapping_neg(),
    };
    let old = cpu.gpr[usize::from(pointer)];
    let new = old.wrapping_add(step) & mask;
    cpu.gpr[usize::from(pointer)] = keep_above(old, new, mask);
}
