//! AVX instructions that cross 128-bit lanes, broadcasts, masked moves, gathers, VZEROUPPER.

use bytemuck::cast;
use iced_x86::{Instruction, Mnemonic};

use super::super::Done;
use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::Assembler;
use super::super::mode::MASKS;
use super::operand::{Fields, extra, immediate, immediate_of, in_memory, register};
use crate::engine::software::dispatch::{Flow, Slow, Stop};

type Ymm = [u128; 2];

/// Bits of an operation's extra field.
const MEMORY: u8 = 1;
const WIDE: u8 = 2;

/// Takes them.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    upper(i, asm)
        || broadcast(i, asm)
        || halves(i, asm)
        || permute(i, asm)
        || masked(i, asm)
        || gather(i, asm)
}

fn ymm(cpu: &Cpu, n: u8) -> Ymm {
    [cpu.xmm(n), cpu.high(n)]
}

/// Bits for a memory operand `n` and for 256-bit registers.
fn shape(i: &Instruction, n: u32) -> u8 {
    let wide = (0..i.op_count()).any(|n| i.op_register(n).is_ymm());
    let memory = if in_memory(i, n) { MEMORY } else { 0 };
    memory | if wide { WIDE } else { 0 }
}

/// VZEROUPPER, VZEROALL.
fn upper(i: &Instruction, asm: &mut Assembler) -> bool {
    // Outside of 64-bit mode there are eight registers.
    fn registers(cpu: &Cpu) -> usize {
        if cpu.mode.code == super::super::mode::Size::Bits64 {
            16
        } else {
            8
        }
    }
    match i.mnemonic() {
        Mnemonic::Vzeroupper => asm.complex(i, |cpu, _| {
            let count = registers(cpu);
            cpu.fpu.high[..count].fill(0);
            Ok(Flow::Next)
        }),
        Mnemonic::Vzeroall => asm.complex(i, |cpu, _| {
            let count = registers(cpu);
            cpu.fpu.high[..count].fill(0);
            cpu.fpu.xmm[..count].fill(0);
            Ok(Flow::Next)
        }),
        _ => return false,
    };
    true
}

/// VBROADCASTSS to VBROADCASTF128, VPBROADCASTB to VPBROADCASTQ: element size in the immediate field.
fn broadcast(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let size = match i.mnemonic() {
        Vpbroadcastb => 1,
        Vpbroadcastw => 2,
        Vpbroadcastd | Vbroadcastss => 4,
        Vpbroadcastq | Vbroadcastsd => 8,
        Vbroadcastf128 | Vbroadcasti128 => 16,
        _ => return false,
    };
    let op = asm.complex(i, |cpu, op| {
        let size = immediate(op);
        let value: u128 = match (extra(op) & MEMORY != 0, size) {
            (false, _) => cpu.xmm(op.imm as u8),
            (_, 1) => cpu.load_at::<Slow, u8>(op, 0)?.into(),
            (_, 2) => cpu.load_at::<Slow, u16>(op, 0)?.into(),
            (_, 4) => cpu.load_at::<Slow, u32>(op, 0)?.into(),
            (_, 8) => cpu.load_at::<Slow, u64>(op, 0)?.into(),
            _ => cpu.load_at::<Slow, u128>(op, 0)?,
        };
        let repeated = match size {
            1 => cast([value as u8; 16]),
            2 => cast([value as u16; 8]),
            4 => cast([value as u32; 4]),
            8 => cast([value as u64; 2]),
            _ => value,
        };
        let high = if extra(op) & WIDE != 0 { repeated } else { 0 };
        cpu.set_ymm(op.r[0], repeated, high);
        Ok(Flow::Next)
    });
    op.r[0] = register(i, 0);
    op.imm = Fields {
        source: register(i, 1),
        immediate: size,
        extra: shape(i, 1),
        ..Fields::default()
    }
    .pack();
    true
}

/// A 128-bit source that operand `n` is.
fn source128(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
    if extra(op) & MEMORY != 0 {
        cpu.load_at::<Slow, u128>(op, 0)
    } else {
        Ok(cpu.xmm(op.imm as u8))
    }
}

/// A 256-bit source.
fn source256(cpu: &mut Cpu, op: &Operation) -> Result<Ymm, Stop> {
    if extra(op) & MEMORY == 0 {
        return Ok(ymm(cpu, op.imm as u8));
    }
    Ok([
        cpu.load_at::<Slow, u128>(op, 0)?,
        cpu.load_at::<Slow, u128>(op, 16)?,
    ])
}

/// VINSERTF128, VEXTRACTF128, VPERM2F128 and their integer twins.
fn halves(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let (op, source) = match i.mnemonic() {
        Vinsertf128 | Vinserti128 => {
            let op = asm.complex(i, |cpu, op| {
                let value = source128(cpu, op)?;
                let mut result = ymm(cpu, op.r[1]);
                result[usize::from(immediate(op) & 1)] = value;
                cpu.set_ymm(op.r[0], result[0], result[1]);
                Ok(Flow::Next)
            });
            (op, 2)
        }
        Vextractf128 | Vextracti128 => {
            let op = asm.complex(i, extract128);
            op.r[0] = register(i, 0);
            op.r[1] = register(i, 1);
            op.imm = Fields {
                immediate: i.immediate8(),
                extra: shape(i, 0),
                ..Fields::default()
            }
            .pack();
            return true;
        }
        Vperm2f128 | Vperm2i128 => (asm.complex(i, permute128), 2),
        _ => return false,
    };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, 1);
    op.imm = Fields {
        source: register(i, source),
        immediate: i.immediate8(),
        extra: shape(i, source),
        ..Fields::default()
    }
    .pack();
    true
}

fn extract128(cpu: &mut Cpu, op: &Operation) -> Done {
    let value = ymm(cpu, op.r[1])[usize::from(immediate(op) & 1)];
    if extra(op) & MEMORY != 0 {
        cpu.store_at::<Slow, u128>(op, 0, value)?;
    } else {
        cpu.set_xmm(op.r[0], value, true);
    }
    Ok(Flow::Next)
}

fn permute128(cpu: &mut Cpu, op: &Operation) -> Done {
    let b = source256(cpu, op)?;
    let a = ymm(cpu, op.r[1]);
    let all = [a[0], a[1], b[0], b[1]];
    let pick = |control: u8| match control & 8 {
        0 => all[usize::from(control & 3)],
        _ => 0,
    };
    let control = immediate(op);
    cpu.set_ymm(op.r[0], pick(control), pick(control >> 4));
    Ok(Flow::Next)
}

/// VPERMQ, VPERMPD (immediate), VPERMD, VPERMPS (vector).
fn permute(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let (op, source) = match i.mnemonic() {
        Vpermq | Vpermpd => {
            let op = asm.complex(i, |cpu, op| {
                let lanes: [u64; 4] = cast(source256(cpu, op)?);
                let order = immediate(op);
                let picked: [u64; 4] =
                    core::array::from_fn(|n| lanes[usize::from(order >> (2 * n) & 3)]);
                let [low, high]: Ymm = cast(picked);
                cpu.set_ymm(op.r[0], low, high);
                Ok(Flow::Next)
            });
            (op, 1)
        }
        Vpermd | Vpermps => {
            let op = asm.complex(i, |cpu, op| {
                let lanes: [u32; 8] = cast(source256(cpu, op)?);
                let order: [u32; 8] = cast(ymm(cpu, op.r[1]));
                let [low, high]: Ymm = cast(order.map(|at| lanes[at as usize & 7]));
                cpu.set_ymm(op.r[0], low, high);
                Ok(Flow::Next)
            });
            (op, 2)
        }
        _ => return false,
    };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, 1);
    op.imm = Fields {
        source: register(i, source),
        immediate: immediate_of(i),
        extra: shape(i, source),
        ..Fields::default()
    }
    .pack();
    true
}

/// VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ: only the elements that the mask selects are accessed. The element size is in
/// the immediate field.
fn masked(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let size = match i.mnemonic() {
        Vmaskmovps | Vpmaskmovd => 4,
        Vmaskmovpd | Vpmaskmovq => 8,
        _ => return false,
    };
    let store = in_memory(i, 0);
    let op = if store {
        asm.complex(i, masked_store)
    } else {
        asm.complex(i, masked_load)
    };
    op.r[0] = register(i, if store { 2 } else { 0 });
    op.r[1] = register(i, 1);
    op.imm = Fields {
        immediate: size,
        extra: shape(i, 0),
        ..Fields::default()
    }
    .pack();
    true
}

/// How many elements of `size` bytes the operation has.
fn elements(op: &Operation, size: u8) -> usize {
    usize::from(if extra(op) & WIDE != 0 { 32 } else { 16 } / size.max(1))
}

fn selected(mask: Ymm, n: usize, size: u8) -> bool {
    let top = (n + 1) * 8 * usize::from(size) - 1;
    mask[top / 128] >> (top % 128) & 1 != 0
}

fn masked_load(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, mask) = (immediate(op), ymm(cpu, op.r[1]));
    let mut result = [0_u128; 2];
    for n in 0..elements(op, size) {
        if !selected(mask, n, size) {
            continue;
        }
        let at = n * usize::from(size);
        let value = load_element(cpu, op, at as u64, size)?;
        result[at / 16] |= u128::from(value) << (8 * (at % 16));
    }
    cpu.set_ymm(op.r[0], result[0], result[1]);
    Ok(Flow::Next)
}

fn load_element(cpu: &mut Cpu, op: &Operation, at: u64, size: u8) -> Result<u64, Stop> {
    if size == 4 {
        Ok(cpu.load_at::<Slow, u32>(op, at)?.into())
    } else {
        cpu.load_at::<Slow, u64>(op, at)
    }
}

fn masked_store(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, mask, value) = (immediate(op), ymm(cpu, op.r[1]), ymm(cpu, op.r[0]));
    for n in 0..elements(op, size) {
        if !selected(mask, n, size) {
            continue;
        }
        let at = n * usize::from(size);
        let element = value[at / 16] >> (8 * (at % 16));
        if size == 4 {
            cpu.store_at::<Slow, u32>(op, at as u64, element as u32)?;
        } else {
            cpu.store_at::<Slow, u64>(op, at as u64, element as u64)?;
        }
    }
    Ok(Flow::Next)
}

/// VGATHERDPS to VPGATHERQQ. The immediate field has the size of elements in bits 3:0 and that of indices in bits 7:4.
fn gather(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let (data, index) = match i.mnemonic() {
        Vgatherdps | Vpgatherdd => (4, 4),
        Vgatherqps | Vpgatherqd => (4, 8),
        Vgatherdpd | Vpgatherdq => (8, 4),
        Vgatherqpd | Vpgatherqq => (8, 8),
        _ => return false,
    };
    let vector = i.memory_index();
    let (to, mask, by) = (register(i, 0), register(i, 2), vector.number() as u8);
    if to == mask || to == by || mask == by {
        asm.complex_end(i, |cpu, _| Err(cpu.ud()));
        return true;
    }
    let op = asm.complex(i, gather_elements);
    // As many as both destination and index vector have room for.
    let room = |register: iced_x86::Register, size: u8| register.size() as u8 / size;
    let count = room(i.op_register(0), data).min(room(vector, index));
    op.r[0] = to;
    op.r[1] = mask;
    op.imm = Fields {
        source: by,
        immediate: data | index << 4,
        extra: count,
        ..Fields::default()
    }
    .pack();
    true
}

fn gather_elements(cpu: &mut Cpu, op: &Operation) -> Done {
    let (data, index) = (immediate(op) & 15, immediate(op) >> 4);
    let count = usize::from(extra(op));
    let (mut result, mut mask) = (ymm(cpu, op.r[0]), ymm(cpu, op.r[1]));
    let indices = ymm(cpu, op.imm as u8);
    let width = 8 * usize::from(data);
    for n in 0..count {
        if !selected(mask, n, data) {
            continue;
        }
        let at = n * usize::from(index);
        let bits = indices[at / 16] >> (8 * (at % 16));
        let by = if index == 4 {
            i64::from(bits as i32)
        } else {
            bits as i64
        };
        let offset = cpu.ea_long(op).wrapping_add((by << (op.r[4] & 3)) as u64);
        let offset = offset & MASKS[usize::from(op.x[1] & 3)];
        let seg = cpu.seg_of(op);
        let loaded = if data == 4 {
            cpu.load::<Slow, u32>(seg, offset).map(u64::from)
        } else {
            cpu.load::<Slow, u64>(seg, offset)
        };
        let value = match loaded {
            Ok(value) => value,
            Err(stop) => {
                // What is done is done: the mask says what is left.
                cpu.set_ymm(op.r[0], result[0], result[1]);
                cpu.set_ymm(op.r[1], mask[0], mask[1]);
                return Err(stop);
            }
        };
        let (half, shift) = (n * width / 128, n * width % 128);
        let ones = ((1_u128 << width) - 1) << shift;
        result[half] = result[half] & !ones | u128::from(value) << shift;
        mask[half] &= !ones;
    }
    // Beyond the elements the destination is zero, and the mask always.
    let used = count * width;
    if used <= 128 {
        result[1] = 0;
        if used == 64 {
            result[0] &= u128::from(u64::MAX);
        }
    }
    cpu.set_ymm(op.r[0], result[0], result[1]);
    cpu.set_ymm(op.r[1], 0, 0);
    Ok(Flow::Next)
}
