//! Floating-point comparisons: CMPPS and its like, COMISD and UCOMISD, PTEST and VTESTPS.

use core::cmp::Ordering;
use core::marker::PhantomData;

use iced_x86::{Instruction, Mnemonic};

use super::super::Done;
use super::super::access::{Long, Operation, Segmented};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec};
use super::super::flags::Rflags;
use super::super::fpu::order_flags;
use super::float::{Context, Real};
use super::operand::{Aligned, Fields, Mem, Reg, Source, Width, immediate, in_memory, register};
use crate::engine::software::dispatch::{Flow, Path, Stop};
use crate::engine::software::float;

const GREATER: u8 = 1;
const LESS: u8 = 2;
const EQUAL: u8 = 4;
const UNORDERED: u8 = 8;

/// The outcomes for which predicates 0 to 15 hold; 16 to 31 are the same ones (Intel SDM vol. 2, table 3-1).
const PREDICATES: [u8; 16] = [
    EQUAL,
    LESS,
    LESS | EQUAL,
    UNORDERED,
    GREATER | LESS | UNORDERED,
    GREATER | EQUAL | UNORDERED,
    GREATER | UNORDERED,
    GREATER | LESS | EQUAL,
    EQUAL | UNORDERED,
    LESS | UNORDERED,
    LESS | EQUAL | UNORDERED,
    0,
    GREATER | LESS,
    GREATER | EQUAL,
    GREATER,
    GREATER | LESS | EQUAL | UNORDERED,
];

/// Which of predicates 0 to 15 raise invalid for quiet NaNs; of 16 to 31 it is the others.
const SIGNALING: u16 = 0b0110_0110_0110_0110;

/// Compares; all ones if the predicate holds.
pub(super) fn cmp<R: Real>(context: &mut Context, a: R, b: R, predicate: u8) -> R {
    let base = predicate & 15;
    let signaling = (SIGNALING >> base & 1 != 0) != (predicate & 16 != 0);
    let outcome = match order(context, a, b, signaling) {
        Some(Ordering::Greater) => GREATER,
        Some(Ordering::Less) => LESS,
        Some(Ordering::Equal) => EQUAL,
        None => UNORDERED,
    };
    let holds = PREDICATES[usize::from(base)] & outcome != 0;
    R::of(if holds { u128::MAX } else { 0 })
}

#[inline(always)]
fn order<R: Real>(context: &mut Context, a: R, b: R, signaling: bool) -> Option<Ordering> {
    if a.plain() && b.plain() {
        return a.partial_cmp(&b);
    }
    let (order, flags) = float::compare(R::FORMAT, a.bits(), b.bits(), signaling, &context.env);
    context.flags |= flags;
    order
}

/// Takes comparisons that set RFLAGS.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Comiss | Mnemonic::Vcomiss => compare::<f32, u32, true>(i, asm),
        Mnemonic::Comisd | Mnemonic::Vcomisd => compare::<f64, u64, true>(i, asm),
        Mnemonic::Ucomiss | Mnemonic::Vucomiss => compare::<f32, u32, false>(i, asm),
        Mnemonic::Ucomisd | Mnemonic::Vucomisd => compare::<f64, u64, false>(i, asm),
        Mnemonic::Ptest | Mnemonic::Vptest => test(i, asm, 0),
        Mnemonic::Vtestps => test(i, asm, 4),
        Mnemonic::Vtestpd => test(i, asm, 8),
        _ => return false,
    }
    true
}

fn compare<R: Real, T: crate::engine::software::memory::Scalar, const SIGNALING: bool>(
    i: &Instruction,
    asm: &mut Assembler,
) where
    Mem<Long, T>: Source,
    Mem<Segmented, T>: Source,
{
    let op = if in_memory(i, 1) {
        asm.emit_either::<
            Compare<R, SIGNALING, Mem<Long, T>>,
            Compare<R, SIGNALING, Mem<Segmented, T>>,
        >(i)
    } else {
        asm.emit::<Compare<R, SIGNALING, Reg>>(i)
    };
    op.r[0] = register(i, 0);
    op.imm = register(i, 1).into();
}

struct Compare<R, const SIGNALING: bool, S>(PhantomData<(R, S)>);

impl<R: Real, const SIGNALING: bool, S: Source> Exec for Compare<R, SIGNALING, S> {
    // Operands that could raise something go the slow way.
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b: R = S::low::<P, R>(cpu, op)?;
        let a = R::low(&cpu.fpu.xmm[usize::from(op.r[0] & 15)]);
        if !P::SLOW {
            let usual = |x: R| x.ordinary() || x.is_zero();
            if !(usual(a) && usual(b)) {
                return Err(Stop::Miss);
            }
            cpu.lazy.set_status(order_flags(a.partial_cmp(&b)));
            return Ok(Flow::Next);
        }
        let mut context = cpu.float();
        let order = order(&mut context, a, b, SIGNALING);
        cpu.settle(&context)?;
        cpu.lazy.set_status(order_flags(order));
        Ok(Flow::Next)
    }
}

/// PTEST on all bits (`lane` 0), or VTESTPS and VTESTPD on the sign bits of lanes of `lane` bytes.
fn test(i: &Instruction, asm: &mut Assembler, lane: u8) {
    let op = match (Width::of(i), in_memory(i, 1)) {
        (Width::Vex256, true) => asm.emit::<Test256<Mem<Segmented, u128>>>(i),
        (Width::Vex256, false) => asm.emit::<Test256<Reg>>(i),
        (Width::Vex128, true) => asm.emit::<Test<Mem<Segmented, u128>>>(i),
        (_, true) => asm.emit::<Test<Aligned<Segmented>>>(i),
        (_, false) => asm.emit::<Test<Reg>>(i),
    };
    op.r[0] = register(i, 0);
    op.imm = Fields {
        source: register(i, 1),
        immediate: lane,
        ..Fields::default()
    }
    .pack();
}

/// The bits that count.
fn tested(op: &Operation) -> u128 {
    match immediate(op) {
        4 => 0x8000_0000_8000_0000_8000_0000_8000_0000,
        8 => 0x8000_0000_0000_0000_8000_0000_0000_0000,
        _ => u128::MAX,
    }
}

fn set_test_flags(cpu: &mut Cpu, both: u128, only: u128) {
    let zf = if both == 0 { Rflags::ZF } else { 0 };
    let cf = if only == 0 { Rflags::CF } else { 0 };
    cpu.lazy.set_status(zf | cf);
}

struct Test<S>(PhantomData<S>);

impl<S: Source> Exec for Test<S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P>(cpu, op)? & tested(op);
        let a = cpu.xmm(op.r[0]);
        set_test_flags(cpu, a & b, !a & b);
        Ok(Flow::Next)
    }
}

struct Test256<S>(PhantomData<S>);

impl<S: Source> Exec for Test256<S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let (low, high) = (low & tested(op), high & tested(op));
        let (a, c) = (cpu.xmm(op.r[0]), cpu.high(op.r[0]));
        set_test_flags(cpu, a & low | c & high, !a & low | !c & high);
        Ok(Flow::Next)
    }
}
