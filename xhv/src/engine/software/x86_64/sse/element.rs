//! Single elements in and out of vectors: PINSRB to PINSRQ, INSERTPS, PEXTRB to PEXTRQ, EXTRACTPS.

use bytemuck::cast;
use iced_x86::Instruction;
use iced_x86::Mnemonic::*;

use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::Assembler;
use super::operand::{Fields, Width, extra, immediate, in_memory, register};
use super::packed::start_mmx;
use super::scalar::{gpr, set_mm};
use crate::engine::software::dispatch::{Flow, Slow, Stop};

/// The element that PINSR or INSERTPS puts in: from memory, or from the register that `imm` names.
fn element(cpu: &mut Cpu, op: &Operation, size: u8) -> Result<u128, Stop> {
    if extra(op) & 0x80 == 0 {
        return Ok(cpu.gpr[usize::from(op.imm as u8 & 15)].into());
    }
    Ok(match size {
        1 => cpu.load_at::<Slow, u8>(op, 0)?.into(),
        2 => cpu.load_at::<Slow, u16>(op, 0)?.into(),
        4 => cpu.load_at::<Slow, u32>(op, 0)?.into(),
        _ => cpu.load_at::<Slow, u64>(op, 0)?.into(),
    })
}

/// Replaces element `n` of `size` bytes.
fn replace(vector: u128, n: u8, size: u8, value: u128) -> u128 {
    let shift = 8 * u32::from(size) * u32::from(n);
    let mask = (1_u128 << (8 * size)) - 1;
    vector & !(mask << shift) | (value & mask) << shift
}

/// PINSRB to PINSRQ, INSERTPS.
pub(super) fn insert(i: &Instruction, asm: &mut Assembler) -> bool {
    let size = match i.mnemonic() {
        Pinsrb | Vpinsrb => 1,
        Pinsrw | Vpinsrw => 2,
        Pinsrd | Vpinsrd => 4,
        Pinsrq | Vpinsrq => 8,
        Insertps | Vinsertps => return insertps(i, asm),
        _ => return false,
    };
    let source = i.op_count() - 2;
    let op = if i.op_register(0).is_mm() {
        asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = element(cpu, op, 2)?;
            let old = cpu.fpu.mm(op.r[1]);
            let new = replace(old.into(), immediate(op) & 3, 2, value);
            set_mm(cpu, op, new as u64)
        })
    } else {
        asm.complex(i, |cpu, op| {
            let size = extra(op) & 15;
            let value = element(cpu, op, size)?;
            let n = immediate(op) & (16 / size - 1);
            let result = replace(cpu.xmm(op.r[1]), n, size, value);
            cpu.set_xmm(op.r[0], result, extra(op) & 0x40 != 0);
            Ok(Flow::Next)
        })
    };
    let memory = in_memory(i, source);
    op.r[0] = register(i, 0);
    op.r[1] = register(i, source - 1);
    op.imm = Fields {
        source: gpr(i, source),
        immediate: i.immediate8(),
        extra: size | u8::from(memory) << 7 | u8::from(Width::of(i).is_vex()) << 6,
        ..Fields::default()
    }
    .pack();
    true
}

fn insertps(i: &Instruction, asm: &mut Assembler) -> bool {
    let source = i.op_count() - 2;
    let op = asm.complex(i, |cpu, op| {
        let control = immediate(op);
        let value = if extra(op) & 0x80 != 0 {
            cpu.load_at::<Slow, u32>(op, 0)?
        } else {
            (cpu.xmm(op.imm as u8) >> (32 * (control >> 6))) as u32
        };
        let inserted = replace(cpu.xmm(op.r[1]), control >> 4 & 3, 4, value.into());
        let mut lanes: [u32; 4] = cast(inserted);
        for (n, lane) in lanes.iter_mut().enumerate() {
            if control >> n & 1 != 0 {
                *lane = 0;
            }
        }
        cpu.set_xmm(op.r[0], cast(lanes), extra(op) & 0x40 != 0);
        Ok(Flow::Next)
    });
    op.r[0] = register(i, 0);
    op.r[1] = register(i, source - 1);
    op.imm = Fields {
        source: register(i, source),
        immediate: i.immediate8(),
        extra: u8::from(in_memory(i, source)) << 7 | u8::from(Width::of(i).is_vex()) << 6,
        ..Fields::default()
    }
    .pack();
    true
}

/// PEXTRB to PEXTRQ, EXTRACTPS: into a general register, zero-extended, or memory.
pub(super) fn extract(i: &Instruction, asm: &mut Assembler) -> bool {
    let size = match i.mnemonic() {
        Pextrb | Vpextrb => 1,
        Pextrw | Vpextrw => 2,
        Pextrd | Vpextrd | Extractps | Vextractps => 4,
        Pextrq | Vpextrq => 8,
        _ => return false,
    };
    let op = if i.op_register(1).is_mm() {
        asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.fpu.mm(op.r[1]) >> (16 * (immediate(op) & 3));
            cpu.fpu.enter_mmx();
            cpu.gpr[usize::from(op.r[0] & 15)] = value & 0xffff;
            Ok(Flow::Next)
        })
    } else {
        asm.complex(i, |cpu, op| {
            let size = extra(op) & 15;
            let n = immediate(op) & (16 / size - 1);
            let value = (cpu.xmm(op.r[1]) >> (8 * size * n)) as u64;
            match (extra(op) & 0x80 != 0, size) {
                (false, 8) => cpu.gpr[usize::from(op.r[0] & 15)] = value,
                (false, _) => cpu.gpr[usize::from(op.r[0] & 15)] = value & ((1 << (8 * size)) - 1),
                (true, 1) => cpu.store_at::<Slow, u8>(op, 0, value as u8)?,
                (true, 2) => cpu.store_at::<Slow, u16>(op, 0, value as u16)?,
                (true, 4) => cpu.store_at::<Slow, u32>(op, 0, value as u32)?,
                (true, _) => cpu.store_at::<Slow, u64>(op, 0, value)?,
            }
            Ok(Flow::Next)
        })
    };
    op.r[0] = gpr(i, 0);
    op.r[1] = register(i, 1);
    op.imm = Fields {
        immediate: i.immediate8(),
        extra: size | u8::from(in_memory(i, 0)) << 7,
        ..Fields::default()
    }
    .pack();
    true
}
