//! Operands as system instructions and their exits see them: register or memory, and the VM-exit instruction information.

use iced_x86::{Instruction, OpKind};

use super::access::Operation;
use super::cpu::{Cpu, Exit, RIP, ZERO};
use super::decode::gpr_number;
use crate::engine::software::dispatch::{Slow, Stop};

/// In `r[0]`: the operand is in memory.
pub(crate) const MEMORY: u8 = 0xff;

/// The register of operand `n`, or [`MEMORY`].
pub(crate) fn register_or_memory(i: &Instruction, n: u32) -> u8 {
    match i.op_kind(n) {
        OpKind::Register => gpr_number(i.op_register(n)),
        _ => MEMORY,
    }
}

/// Loads the 16-bit operand that `r[0]` tells of.
pub(crate) fn load_word(cpu: &mut Cpu, op: &Operation) -> Result<u16, Stop> {
    if op.r[0] != MEMORY {
        return Ok(cpu.gpr[usize::from(op.r[0] & 15)] as u16);
    }
    let offset = cpu.ea(op);
    cpu.load::<Slow, u16>(cpu.seg_of(op), offset)
}

/// Stores to the operand that `r[0]` tells of: 16 bits to memory, `bytes` to a register.
pub(crate) fn store_word(
    cpu: &mut Cpu,
    op: &Operation,
    bytes: usize,
    value: u64,
) -> Result<(), Stop> {
    if op.r[0] != MEMORY {
        cpu.write_gpr(op.r[0], bytes, value);
        return Ok(());
    }
    let offset = cpu.ea(op);
    cpu.store::<Slow, u16>(cpu.seg_of(op), offset, value as u16)
}

/// Instruction information of a memory operand: scale, address size, segment, index, base (SDM vol. 3, 29.2.5).
pub(crate) fn information(op: &Operation) -> u32 {
    let index_invalid = op.r[3] >= ZERO;
    let base_invalid = op.r[2] >= ZERO;
    let number = |register: u8, invalid: bool| if invalid { 0 } else { u32::from(register & 15) };
    let scale = if index_invalid { 0 } else { op.r[4] & 3 };
    u32::from(scale)
        | u32::from(op.x[1] & 3) << 7
        | u32::from(op.x[0] & 7) << 15
        | number(op.r[3], index_invalid) << 18
        | u32::from(index_invalid) << 22
        | number(op.r[2], base_invalid) << 23
        | u32::from(base_invalid) << 27
}

/// Displacement of a memory operand, as exit qualifications have it.
pub(crate) fn displacement(cpu: &Cpu, op: &Operation) -> u64 {
    let displacement = i64::from(op.disp) as u64;
    match op.r[2] {
        RIP => cpu.gpr[usize::from(RIP)].wrapping_add(displacement),
        _ => displacement,
    }
}

/// An exit of an instruction: reason, length, qualification.
pub(crate) fn exit_of(op: &Operation, reason: u16, qualification: u64) -> Exit {
    Exit {
        reason,
        qualification,
        len: op.len,
        ..Exit::default()
    }
}

/// An exit of an instruction with an operand in memory or in register `r[0]`; `extra` are further bits of the information.
pub(crate) fn exit_with_operand(cpu: &Cpu, op: &Operation, reason: u16, extra: u32) -> Exit {
    if op.r[0] != MEMORY {
        let info = extra | 1 << 10 | u32::from(op.r[0] & 15) << 3;
        return Exit {
            info,
            ..exit_of(op, reason, 0)
        };
    }
    Exit {
        info: extra | information(op),
        ..exit_of(op, reason, displacement(cpu, op))
    }
}
