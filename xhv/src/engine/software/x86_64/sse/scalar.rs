//! Moves between vector or MMX registers and general registers, masks; LDMXCSR, EMMS. `element` has single elements.

use bytemuck::cast;
use iced_x86::{Code, Instruction, Mnemonic};

use super::super::Done;
use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec, gpr_number};
use super::super::mode::MASKS;
use super::element;
use super::operand::{Width, in_memory, register};
use super::packed::start_mmx;
use crate::engine::software::dispatch::{Flow, Path, Slow, Stop};

/// Takes them.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    general(i, asm)
        || mmx_moves(i, asm)
        || element::insert(i, asm)
        || element::extract(i, asm)
        || masks(i, asm)
        || masked_bytes(i, asm)
        || control(i, asm)
}

/// The number of the general register that operand `n` is.
pub(super) fn gpr(i: &Instruction, n: u32) -> u8 {
    if in_memory(i, n) {
        0
    } else {
        gpr_number(i.op_register(n))
    }
}

/// MOVD and MOVQ between vector and general registers; MOVNTI.
fn general(i: &Instruction, asm: &mut Assembler) -> bool {
    let vex = Width::of(i).is_vex();
    match i.code() {
        Code::Movd_xmm_rm32 | Code::VEX_Vmovd_xmm_rm32 => {
            let op = asm.emit::<ToVector<0xffff_ffff>>(i);
            (op.r[0], op.r[1], op.imm) = (register(i, 0), gpr(i, 1), vex.into());
        }
        Code::Movq_xmm_rm64 | Code::VEX_Vmovq_xmm_rm64 => {
            let op = asm.emit::<ToVector<{ u64::MAX }>>(i);
            (op.r[0], op.r[1], op.imm) = (register(i, 0), gpr(i, 1), vex.into());
        }
        Code::Movd_rm32_xmm | Code::VEX_Vmovd_rm32_xmm => {
            let op = asm.emit::<FromVector<0xffff_ffff>>(i);
            (op.r[0], op.r[1]) = (gpr(i, 0), register(i, 1));
        }
        Code::Movq_rm64_xmm | Code::VEX_Vmovq_rm64_xmm => {
            let op = asm.emit::<FromVector<{ u64::MAX }>>(i);
            (op.r[0], op.r[1]) = (gpr(i, 0), register(i, 1));
        }
        _ => return false,
    }
    true
}

struct ToVector<const MASK: u64>;

impl<const MASK: u64> Exec for ToVector<MASK> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = cpu.gpr[usize::from(op.r[1] & 15)] & MASK;
        cpu.set_xmm(op.r[0], value.into(), op.imm != 0);
        Ok(Flow::Next)
    }
}

struct FromVector<const MASK: u64>;

impl<const MASK: u64> Exec for FromVector<MASK> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        cpu.gpr[usize::from(op.r[0] & 15)] = cpu.xmm(op.r[1]) as u64 & MASK;
        Ok(Flow::Next)
    }
}

pub(super) fn set_mm(cpu: &mut Cpu, op: &Operation, value: u64) -> Done {
    cpu.fpu.enter_mmx();
    cpu.fpu.set_mm(op.r[0], value);
    Ok(Flow::Next)
}

/// Moves with an MMX register.
fn mmx_moves(i: &Instruction, asm: &mut Assembler) -> bool {
    if !(0..i.op_count()).any(|n| i.op_register(n).is_mm()) {
        return false;
    }
    match i.mnemonic() {
        Mnemonic::Movd | Mnemonic::Movq if in_memory(i, 0) => mmx_store(i, asm),
        Mnemonic::Movntq => mmx_store(i, asm),
        Mnemonic::Movd | Mnemonic::Movq if in_memory(i, 1) => mmx_load(i, asm),
        Mnemonic::Movd | Mnemonic::Movq => mmx_register(i, asm),
        Mnemonic::Movdq2q => {
            let op = asm.complex(i, |cpu, op| {
                start_mmx(cpu)?;
                let value = cpu.xmm(op.r[1]) as u64;
                set_mm(cpu, op, value)
            });
            (op.r[0], op.r[1]) = (register(i, 0), register(i, 1));
        }
        Mnemonic::Movq2dq => {
            let op = asm.complex(i, |cpu, op| {
                start_mmx(cpu)?;
                let value = cpu.fpu.mm(op.r[1]);
                cpu.fpu.enter_mmx();
                cpu.set_xmm(op.r[0], value.into(), false);
                Ok(Flow::Next)
            });
            (op.r[0], op.r[1]) = (register(i, 0), register(i, 1));
        }
        _ => return false,
    }
    true
}

fn mmx_store(i: &Instruction, asm: &mut Assembler) {
    let op = match i.memory_size().size() {
        4 => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.fpu.mm(op.r[0]) as u32;
            cpu.store_at::<Slow, u32>(op, 0, value)?;
            cpu.fpu.enter_mmx();
            Ok(Flow::Next)
        }),
        _ => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.fpu.mm(op.r[0]);
            cpu.store_at::<Slow, u64>(op, 0, value)?;
            cpu.fpu.enter_mmx();
            Ok(Flow::Next)
        }),
    };
    op.r[0] = register(i, 1);
}

fn mmx_load(i: &Instruction, asm: &mut Assembler) {
    let op = match i.memory_size().size() {
        4 => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.load_at::<Slow, u32>(op, 0)?;
            set_mm(cpu, op, value.into())
        }),
        _ => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.load_at::<Slow, u64>(op, 0)?;
            set_mm(cpu, op, value)
        }),
    };
    op.r[0] = register(i, 0);
}

fn mmx_register(i: &Instruction, asm: &mut Assembler) {
    let mask = match i.code() {
        Code::Movd_mm_rm32 | Code::Movd_rm32_mm => 0xffff_ffff,
        _ => u64::MAX,
    };
    let op = match (i.op_register(0).is_mm(), i.op_register(1).is_mm()) {
        (true, true) => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.fpu.mm(op.r[1]);
            set_mm(cpu, op, value)
        }),
        (true, false) => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let value = cpu.gpr[usize::from(op.r[1] & 15)] & op.imm;
            set_mm(cpu, op, value)
        }),
        _ => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            cpu.gpr[usize::from(op.r[0] & 15)] = cpu.fpu.mm(op.r[1]) & op.imm;
            cpu.fpu.enter_mmx();
            Ok(Flow::Next)
        }),
    };
    let number = |n: u32| match i.op_register(n).is_mm() {
        true => register(i, n),
        false => gpr(i, n),
    };
    (op.r[0], op.r[1], op.imm) = (number(0), number(1), mask);
}

/// The top bits of all bytes.
fn byte_mask(vector: u128) -> u64 {
    let bytes: [u8; 16] = cast(vector);
    bytes
        .iter()
        .enumerate()
        .fold(0, |mask, (n, byte)| mask | u64::from(byte >> 7) << n)
}

fn single_mask(vector: u128) -> u64 {
    let lanes: [u32; 4] = cast(vector);
    (0..4).fold(0, |mask, n| mask | u64::from(lanes[n] >> 31) << n)
}

fn double_mask(vector: u128) -> u64 {
    (vector >> 63) as u64 & 1 | ((vector >> 127) as u64) << 1
}

/// PMOVMSKB, MOVMSKPS, MOVMSKPD.
fn masks(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let op = match i.mnemonic() {
        Pmovmskb if i.op_register(1).is_mm() => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let mask = byte_mask(cpu.fpu.mm(op.r[1]).into());
            cpu.fpu.enter_mmx();
            cpu.gpr[usize::from(op.r[0] & 15)] = mask;
            Ok(Flow::Next)
        }),
        Pmovmskb | Vpmovmskb => asm.emit::<Mask<16>>(i),
        Movmskps | Vmovmskps => asm.emit::<Mask<4>>(i),
        Movmskpd | Vmovmskpd => asm.emit::<Mask<2>>(i),
        _ => return false,
    };
    op.r[0] = gpr(i, 0);
    op.r[1] = register(i, 1);
    op.imm = u64::from(i.op_register(1).is_ymm());
    true
}

/// The top bits of 16, 4 or 2 lanes; `imm` asks for YMM's.
struct Mask<const LANES: u32>;

impl<const LANES: u32> Exec for Mask<LANES> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let f = match LANES {
            16 => byte_mask,
            4 => single_mask,
            _ => double_mask,
        };
        let mut mask = f(cpu.xmm(op.r[1]));
        if op.imm != 0 {
            mask |= f(cpu.high(op.r[1])) << LANES;
        }
        cpu.gpr[usize::from(op.r[0] & 15)] = mask;
        Ok(Flow::Next)
    }
}

/// MASKMOVQ, MASKMOVDQU: to the bytes at DS:rDI that the mask selects.
fn masked_bytes(i: &Instruction, asm: &mut Assembler) -> bool {
    let op = match i.mnemonic() {
        Mnemonic::Maskmovq => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let (value, mask) = (cpu.fpu.mm(op.r[0]), cpu.fpu.mm(op.r[1]));
            store_masked(cpu, op, value.into(), mask.into())?;
            cpu.fpu.enter_mmx();
            Ok(Flow::Next)
        }),
        Mnemonic::Maskmovdqu | Mnemonic::Vmaskmovdqu => asm.complex(i, |cpu, op| {
            let (value, mask) = (cpu.xmm(op.r[0]), cpu.xmm(op.r[1]));
            store_masked(cpu, op, value, mask)?;
            Ok(Flow::Next)
        }),
        _ => return false,
    };
    use iced_x86::OpKind;
    let size = match i.op_kind(0) {
        OpKind::MemorySegDI => 0,
        OpKind::MemorySegEDI => 1,
        _ => 2,
    };
    op.r[0] = register(i, 1);
    op.r[1] = register(i, 2);
    op.x[0] = super::super::decode::segment_number(i.memory_segment());
    op.imm = size;
    true
}

fn store_masked(cpu: &mut Cpu, op: &Operation, value: u128, mask: u128) -> Result<(), Stop> {
    let address_mask = MASKS[op.imm as usize & 3];
    let (bytes, mask): ([u8; 16], [u8; 16]) = (cast(value), cast(mask));
    for n in 0..16 {
        if mask[n] & 0x80 != 0 {
            let offset = cpu.gpr[7].wrapping_add(n as u64) & address_mask;
            cpu.store::<Slow, u8>(cpu.seg_of(op), offset, bytes[n])?;
        }
    }
    Ok(())
}

/// LDMXCSR, STMXCSR, EMMS.
fn control(i: &Instruction, asm: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr => {
            asm.complex(i, |cpu, op| {
                let value = cpu.load_at::<Slow, u32>(op, 0)?;
                if value & !super::super::fpu::MXCSR_MASK != 0 {
                    return Err(cpu.gp(0));
                }
                cpu.fpu.mxcsr = value;
                Ok(Flow::Next)
            });
        }
        Mnemonic::Stmxcsr | Mnemonic::Vstmxcsr => {
            asm.complex(i, |cpu, op| {
                let value = cpu.fpu.mxcsr;
                cpu.store_at::<Slow, u32>(op, 0, value)?;
                Ok(Flow::Next)
            });
        }
        Mnemonic::Emms => {
            asm.complex(i, |cpu, _| {
                start_mmx(cpu)?;
                // Intel SDM vol. 3, table 13-3: TOP too.
                (cpu.fpu.valid, cpu.fpu.top) = (0, 0);
                Ok(Flow::Next)
            });
        }
        _ => return false,
    }
    true
}
