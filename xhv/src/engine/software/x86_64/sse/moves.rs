//! Moves between vector registers and memory.

use core::marker::PhantomData;

use iced_x86::{Code, Instruction, Mnemonic, OpKind};

use super::super::Done;
use super::super::access::{Address, Long, Operation, Segmented, stored};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec};
use super::operand::{Aligned, Mem, Reg, Source, Width, in_memory, register};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::memory::Scalar;

/// Takes moves of whole vectors and of their low and high parts.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    match whole(i.mnemonic()) {
        Some(aligned) => {
            move_whole(i, asm, aligned);
            true
        }
        None => part(i, asm) || half(i, asm),
    }
}

/// Whether a move of whole vectors wants its memory operand aligned.
fn whole(mnemonic: Mnemonic) -> Option<bool> {
    use Mnemonic::*;
    Some(match mnemonic {
        Movaps | Movapd | Movdqa | Movntps | Movntpd | Movntdq | Movntdqa | Vmovaps | Vmovapd
        | Vmovdqa | Vmovntps | Vmovntpd | Vmovntdq | Vmovntdqa => true,
        Movups | Movupd | Movdqu | Lddqu | Vmovups | Vmovupd | Vmovdqu | Vlddqu => false,
        _ => return None,
    })
}

fn move_whole(i: &Instruction, asm: &mut Assembler, aligned: bool) {
    let width = Width::of(i);
    if in_memory(i, 0) {
        let op = match (width, aligned) {
            (Width::Vex256, true) => asm.emit::<Store256<true>>(i),
            (Width::Vex256, false) => asm.emit::<Store256<false>>(i),
            (_, true) => asm.emit_either::<StoreAligned<Long>, StoreAligned<Segmented>>(i),
            (_, false) => asm.emit_either::<Store<Long, u128>, Store<Segmented, u128>>(i),
        };
        op.r[0] = register(i, 1);
        return;
    }
    let memory = in_memory(i, 1);
    let op = match (width, memory, aligned) {
        (Width::Vex256, true, true) => asm.emit::<Load256<Aligned<Segmented>>>(i),
        (Width::Vex256, true, false) => asm.emit::<Load256<Mem<Segmented, u128>>>(i),
        (Width::Vex256, false, _) => asm.emit::<Load256<Reg>>(i),
        (Width::Vex128, false, _) => asm.emit::<Load<true, Reg>>(i),
        (Width::Vex128, true, true) => asm.emit::<Load<true, Aligned<Segmented>>>(i),
        (Width::Vex128, true, false) => asm.emit::<Load<true, Mem<Segmented, u128>>>(i),
        (_, false, _) => asm.emit::<Load<false, Reg>>(i),
        (_, true, true) => {
            asm.emit_either::<Load<false, Aligned<Long>>, Load<false, Aligned<Segmented>>>(i)
        }
        (_, true, false) => {
            asm.emit_either::<Load<false, Mem<Long, u128>>, Load<false, Mem<Segmented, u128>>>(i)
        }
    };
    op.r[0] = register(i, 0);
    op.imm = register(i, 1).into();
}

/// Moves of the low 32 or 64 bits: MOVSS, MOVSD, MOVQ, MOVD with memory.
fn part(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let vex = Width::of(i).is_vex();
    let single = match i.mnemonic() {
        Movss | Vmovss => true,
        Movsd | Vmovsd => false,
        _ => return part_of_integer(i, asm),
    };
    if in_memory(i, 0) {
        store_part(i, asm, single);
    } else if in_memory(i, 1) {
        load_part(i, asm, single, vex);
    } else {
        let last = i.op_count() - 1;
        let op = match (single, vex) {
            (true, false) => asm.emit::<Merge<false, u32>>(i),
            (true, true) => asm.emit::<Merge<true, u32>>(i),
            (false, false) => asm.emit::<Merge<false, u64>>(i),
            (false, true) => asm.emit::<Merge<true, u64>>(i),
        };
        op.r[0] = register(i, 0);
        op.r[1] = register(i, last - 1);
        op.imm = register(i, last).into();
    }
    true
}

fn part_of_integer(i: &Instruction, asm: &mut Assembler) -> bool {
    let vex = Width::of(i).is_vex();
    match i.code() {
        Code::Movd_xmm_rm32 | Code::VEX_Vmovd_xmm_rm32 if in_memory(i, 1) => {
            load_part(i, asm, true, vex)
        }
        Code::Movq_xmm_rm64
        | Code::VEX_Vmovq_xmm_rm64
        | Code::Movq_xmm_xmmm64
        | Code::VEX_Vmovq_xmm_xmmm64
            if in_memory(i, 1) =>
        {
            load_part(i, asm, false, vex)
        }
        Code::Movd_rm32_xmm | Code::VEX_Vmovd_rm32_xmm if in_memory(i, 0) => {
            store_part(i, asm, true)
        }
        Code::Movq_rm64_xmm
        | Code::VEX_Vmovq_rm64_xmm
        | Code::Movq_xmmm64_xmm
        | Code::VEX_Vmovq_xmmm64_xmm
        | Code::Movlps_m64_xmm
        | Code::Movlpd_m64_xmm
        | Code::VEX_Vmovlps_m64_xmm
        | Code::VEX_Vmovlpd_m64_xmm
            if in_memory(i, 0) =>
        {
            store_part(i, asm, false)
        }
        Code::Movq_xmm_xmmm64
        | Code::Movq_xmmm64_xmm
        | Code::VEX_Vmovq_xmm_xmmm64
        | Code::VEX_Vmovq_xmmm64_xmm => {
            let op = if vex {
                asm.emit::<Low<true>>(i)
            } else {
                asm.emit::<Low<false>>(i)
            };
            op.r[0] = register(i, 0);
            op.r[1] = register(i, 1);
        }
        _ => return false,
    }
    true
}

fn load_part(i: &Instruction, asm: &mut Assembler, single: bool, vex: bool) {
    let op = match (single, vex) {
        (true, false) => {
            asm.emit_either::<Load<false, Mem<Long, u32>>, Load<false, Mem<Segmented, u32>>>(i)
        }
        (false, false) => {
            asm.emit_either::<Load<false, Mem<Long, u64>>, Load<false, Mem<Segmented, u64>>>(i)
        }
        (true, true) => asm.emit::<Load<true, Mem<Segmented, u32>>>(i),
        (false, true) => asm.emit::<Load<true, Mem<Segmented, u64>>>(i),
    };
    op.r[0] = register(i, 0);
}

fn store_part(i: &Instruction, asm: &mut Assembler, single: bool) {
    let op = if single {
        asm.emit_either::<Store<Long, u32>, Store<Segmented, u32>>(i)
    } else {
        asm.emit_either::<Store<Long, u64>, Store<Segmented, u64>>(i)
    };
    op.r[0] = register(i, 1);
}

/// A vector from memory or another register; narrower memory is zero-extended.
struct Load<const VEX: bool, S>(PhantomData<S>);

impl<const VEX: bool, S: Source> Exec for Load<VEX, S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P>(cpu, op)?;
        cpu.set_xmm(op.r[0], value, VEX);
        Ok(Flow::Next)
    }
}

struct Load256<S>(PhantomData<S>);

impl<S: Source> Exec for Load256<S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

/// The low bits of a register to memory.
struct Store<A, T>(PhantomData<(A, T)>);

impl<A: Address, T: Scalar> Exec for Store<A, T> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = T::from_u128(cpu.xmm(op.r[0]));
        A::store::<P, T>(cpu, op, value)?;
        stored::<P>(cpu, op)
    }
}

/// A whole register to memory that has to be aligned.
struct StoreAligned<A>(PhantomData<A>);

impl Exec for StoreAligned<Segmented> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        cpu.want_aligned::<P>(op, 15)?;
        Store::<Segmented, u128>::run::<P>(cpu, op)
    }
}

impl Exec for StoreAligned<Long> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        cpu.want_aligned_long::<P>(op)?;
        Store::<Long, u128>::run::<P>(cpu, op)
    }
}

struct Store256<const ALIGNED: bool>;

impl<const ALIGNED: bool> Exec for Store256<ALIGNED> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if ALIGNED {
            cpu.want_aligned::<P>(op, 31)?;
        }
        let (low, high) = (cpu.xmm(op.r[0]), cpu.high(op.r[0]));
        cpu.store_256::<P>(op, low, high)?;
        stored::<P>(cpu, op)
    }
}

/// The low bits of the second source in the first one.
struct Merge<const VEX: bool, T>(PhantomData<T>);

impl<const VEX: bool, T: Scalar> Exec for Merge<VEX, T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let low = T::from_u128(cpu.xmm(op.imm as u8)).to_u128();
        let kept = cpu.xmm(op.r[1]) >> (8 * T::SIZE) << (8 * T::SIZE);
        cpu.set_xmm(op.r[0], kept | low, VEX);
        Ok(Flow::Next)
    }
}

/// MOVQ between registers: the low 64 bits, zero-extended.
struct Low<const VEX: bool>;

impl<const VEX: bool> Exec for Low<VEX> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let low = cpu.xmm(op.r[1]) as u64;
        cpu.set_xmm(op.r[0], low.into(), VEX);
        Ok(Flow::Next)
    }
}

/// Moves of one half of 128 bits: MOVLPS, MOVHPS, MOVLHPS, MOVHLPS and their like.
fn half(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let last = i.op_count().saturating_sub(1);
    let memory = i.op_kind(last) == OpKind::Memory;
    match (i.mnemonic(), memory) {
        (Movhps | Movhpd | Vmovhps | Vmovhpd, false) => {
            asm.emit::<StoreHigh>(i).r[0] = register(i, 1);
            return true;
        }
        (Movlps | Movlpd | Vmovlps | Vmovlpd, true) => {
            asm.emit::<Halves<false, false, Mem<Segmented, u64>>>(i)
        }
        (Movhps | Movhpd | Vmovhps | Vmovhpd, true) => {
            asm.emit::<Halves<true, false, Mem<Segmented, u64>>>(i)
        }
        (Movlhps | Vmovlhps, false) => asm.emit::<Halves<true, false, Reg>>(i),
        (Movhlps | Vmovhlps, false) => asm.emit::<Halves<false, true, Reg>>(i),
        _ => return false,
    };
    let vex = Width::of(i).is_vex();
    let at = asm.ops().len() - 1;
    let op = &mut asm.ops()[at];
    op.r[0] = register(i, 0) | u8::from(vex) << 7;
    op.r[1] = register(i, last - 1);
    op.imm = register(i, last).into();
    true
}

/// Replaces the high or the low half of the first source by one half of the second. Bit 7 of `r[0]` says VEX.
struct Halves<const TO_HIGH: bool, const FROM_HIGH: bool, S>(PhantomData<S>);

impl<const TO_HIGH: bool, const FROM_HIGH: bool, S: Source> Exec for Halves<TO_HIGH, FROM_HIGH, S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let source = S::get::<P>(cpu, op)?;
        let part = if FROM_HIGH {
            source >> 64
        } else {
            source & u128::from(u64::MAX)
        };
        let kept = cpu.xmm(op.r[1]);
        let result = if TO_HIGH {
            kept & u128::from(u64::MAX) | part << 64
        } else {
            kept >> 64 << 64 | part
        };
        cpu.set_xmm(op.r[0], result, op.r[0] & 0x80 != 0);
        Ok(Flow::Next)
    }
}

struct StoreHigh;

impl Exec for StoreHigh {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = (cpu.xmm(op.r[0]) >> 64) as u64;
        cpu.store_at::<P, u64>(op, 0, value)?;
        stored::<P>(cpu, op)
    }
}
