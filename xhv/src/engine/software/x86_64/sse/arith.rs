//! Floating-point arithmetic into operations: legacy ADD to MAX with an operation each, everything else through a table of functions.

use core::marker::PhantomData;
use std::sync::LazyLock;

use iced_x86::{
    Instruction,
    Mnemonic::{self, *},
    OpKind,
};

use super::super::Done;
use super::super::access::{Long, Operation, Segmented};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec};
use super::compare::cmp;
use super::convert::*;
use super::float::{
    Add, Context, Div, Extreme, Mul, Operation2, Real, Sqrt, Sub, lanes, nearest, quiet,
};
use super::functions::*;
use super::operand::{
    Aligned, Fields, Mem, Reg, Source, Width, function, immediate, immediate_of, in_memory,
    register,
};
use crate::engine::software::dispatch::{Flow, Path, Stop};

/// Takes floating-point arithmetic.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    frequent(i, asm) || others(i, asm)
}

fn frequent(i: &Instruction, asm: &mut Assembler) -> bool {
    macro_rules! table {
        ($($op:ty: $ps:ident $pd:ident $ss:ident $sd:ident;)*) => {
            match i.mnemonic() {
                $(
                    $ps => packed::<f32, $op>(i, asm),
                    $pd => packed::<f64, $op>(i, asm),
                    $ss => scalar::<f32, u32, $op>(i, asm),
                    $sd => scalar::<f64, u64, $op>(i, asm),
                )*
                _ => return false,
            }
        };
    }
    table! {
        Add: Addps Addpd Addss Addsd;
        Sub: Subps Subpd Subss Subsd;
        Mul: Mulps Mulpd Mulss Mulsd;
        Div: Divps Divpd Divss Divsd;
        Sqrt: Sqrtps Sqrtpd Sqrtss Sqrtsd;
        Extreme<true>: Minps Minpd Minss Minsd;
        Extreme<false>: Maxps Maxpd Maxss Maxsd;
    }
    true
}

/// Fills in destination and sources: the first source is the destination unless it has an operand of its own.
fn operands(op: &mut Operation, i: &Instruction, function: u16) {
    let last = i.op_count() - u32::from(i.op_kind(i.op_count() - 1) == OpKind::Immediate8);
    op.r[0] = register(i, 0);
    op.r[1] = register(i, last.saturating_sub(2));
    op.imm = Fields {
        source: register(i, last - 1),
        immediate: immediate_of(i),
        function,
        extra: 0,
    }
    .pack();
}

fn memory(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| in_memory(i, n))
}

fn scalar<R: Real, T: crate::engine::software::memory::Scalar, O: Operation2>(
    i: &Instruction,
    asm: &mut Assembler,
) {
    let op = if memory(i) {
        asm.emit_either::<Scalar<R, O, Mem<Long, T>>, Scalar<R, O, Mem<Segmented, T>>>(i)
    } else {
        asm.emit::<Scalar<R, O, Reg>>(i)
    };
    operands(op, i, 0);
}

fn packed<R: Real, O: Operation2>(i: &Instruction, asm: &mut Assembler) {
    let op = if memory(i) {
        asm.emit_either::<Packed<R, O, Aligned<Long>>, Packed<R, O, Aligned<Segmented>>>(i)
    } else {
        asm.emit::<Packed<R, O, Reg>>(i)
    };
    operands(op, i, 0);
}

struct Scalar<R, O, S>(PhantomData<(R, O, S)>);

impl<R: Real, O: Operation2, S: Source> Exec for Scalar<R, O, S> {
    // Whatever is not quick goes the slow way.
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b: R = S::low::<P, R>(cpu, op)?;
        // The first source of a legacy encoding is the destination.
        let register = &mut cpu.fpu.xmm[usize::from(op.r[0] & 15)];
        if !P::SLOW {
            let a = R::low(register);
            let (result, mxcsr) = (O::quick(a, b).ok_or(Stop::Miss)?, cpu.fpu.mxcsr);
            if !quiet(mxcsr) && !(nearest(mxcsr) && O::is_exact(a, b, result)) {
                return Err(Stop::Miss);
            }
            result.set_low(register);
            return Ok(Flow::Next);
        }
        let a = *register;
        let mut context = cpu.float();
        let result = O::apply::<R>(&mut context, R::of(a), b);
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], result.insert(a), false);
        Ok(Flow::Next)
    }
}

struct Packed<R, O, S>(PhantomData<(R, O, S)>);

impl<R: Real, O: Operation2, S: Source> Exec for Packed<R, O, S> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if !P::SLOW {
            let loaded = if S::MEMORY { S::get::<P>(cpu, op)? } else { 0 };
            let xmm = &mut cpu.fpu.xmm;
            let source = &xmm[usize::from(op.imm as u8 & 15)];
            let b = if S::MEMORY { &loaded } else { source };
            let (a, mxcsr) = (&xmm[usize::from(op.r[0] & 15)], cpu.fpu.mxcsr);
            if !nearest(mxcsr) {
                return Err(Stop::Miss);
            }
            let result = R::quick_lanes::<O>(a, b, !quiet(mxcsr)).ok_or(Stop::Miss)?;
            *bytemuck::cast_mut(&mut xmm[usize::from(op.r[0] & 15)]) = result;
            return Ok(Flow::Next);
        }
        let b = S::get::<P>(cpu, op)?;
        let mut context = cpu.float();
        let result = lanes::<R, O>(&mut context, cpu.xmm(op.r[1]), b);
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], result, false);
        Ok(Flow::Next)
    }
}

/// A function of (first source, second source, immediate) under MXCSR.
type Lane = fn(&mut Context, u128, u128, u8) -> u128;

/// How an instruction on YMM uses its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lane by lane.
    Same,
    /// Each result lane takes 64 bits of the source.
    Widen,
    /// Each source lane gives 64 bits of the result.
    Narrow,
    /// The low element only: there is no form on YMM.
    Low,
}

struct Row(Mnemonic, Mnemonic, Lane, Kind);

use Kind::{Low, Narrow, Same, Widen};

/// Everything else. Source: Intel SDM vol. 2, the instructions' pages.
#[rustfmt::skip]
static ROWS: [Row; 59] = [
    Row(INVALID, Vaddps, packed_lanes::<f32, Add>, Same),
    Row(INVALID, Vaddpd, packed_lanes::<f64, Add>, Same),
    Row(INVALID, Vaddss, low_lane::<f32, Add>, Low),
    Row(INVALID, Vaddsd, low_lane::<f64, Add>, Low),
    Row(INVALID, Vsubps, packed_lanes::<f32, Sub>, Same),
    Row(INVALID, Vsubpd, packed_lanes::<f64, Sub>, Same),
    Row(INVALID, Vsubss, low_lane::<f32, Sub>, Low),
    Row(INVALID, Vsubsd, low_lane::<f64, Sub>, Low),
    Row(INVALID, Vmulps, packed_lanes::<f32, Mul>, Same),
    Row(INVALID, Vmulpd, packed_lanes::<f64, Mul>, Same),
    Row(INVALID, Vmulss, low_lane::<f32, Mul>, Low),
    Row(INVALID, Vmulsd, low_lane::<f64, Mul>, Low),
    Row(INVALID, Vdivps, packed_lanes::<f32, Div>, Same),
    Row(INVALID, Vdivpd, packed_lanes::<f64, Div>, Same),
    Row(INVALID, Vdivss, low_lane::<f32, Div>, Low),
    Row(INVALID, Vdivsd, low_lane::<f64, Div>, Low),
    Row(INVALID, Vsqrtps, packed_lanes::<f32, Sqrt>, Same),
    Row(INVALID, Vsqrtpd, packed_lanes::<f64, Sqrt>, Same),
    Row(INVALID, Vsqrtss, low_lane::<f32, Sqrt>, Low),
    Row(INVALID, Vsqrtsd, low_lane::<f64, Sqrt>, Low),
    Row(INVALID, Vminps, packed_lanes::<f32, Extreme<true>>, Same),
    Row(INVALID, Vminpd, packed_lanes::<f64, Extreme<true>>, Same),
    Row(INVALID, Vminss, low_lane::<f32, Extreme<true>>, Low),
    Row(INVALID, Vminsd, low_lane::<f64, Extreme<true>>, Low),
    Row(INVALID, Vmaxps, packed_lanes::<f32, Extreme<false>>, Same),
    Row(INVALID, Vmaxpd, packed_lanes::<f64, Extreme<false>>, Same),
    Row(INVALID, Vmaxss, low_lane::<f32, Extreme<false>>, Low),
    Row(INVALID, Vmaxsd, low_lane::<f64, Extreme<false>>, Low),
    Row(Addsubps, Vaddsubps, addsub::<f32>, Same),
    Row(Addsubpd, Vaddsubpd, addsub::<f64>, Same),
    Row(Haddps, Vhaddps, horizontal::<f32, Add>, Same),
    Row(Haddpd, Vhaddpd, horizontal::<f64, Add>, Same),
    Row(Hsubps, Vhsubps, horizontal::<f32, Sub>, Same),
    Row(Hsubpd, Vhsubpd, horizontal::<f64, Sub>, Same),
    Row(Dpps, Vdpps, dot::<f32>, Same),
    Row(Dppd, Vdppd, dot::<f64>, Same),
    Row(Rcpps, Vrcpps, |_, _, b, _| each32(b, reciprocal), Same),
    Row(Rcpss, Vrcpss, |_, a, b, _| reciprocal(f32::of(b)).insert(a), Low),
    Row(Rsqrtps, Vrsqrtps, |_, _, b, _| each32(b, reciprocal_sqrt), Same),
    Row(Rsqrtss, Vrsqrtss, |_, a, b, _| reciprocal_sqrt(f32::of(b)).insert(a), Low),
    Row(Roundps, Vroundps, |c, _, b, imm| each::<f32>(b, |x| round(c, x, imm)), Same),
    Row(Roundpd, Vroundpd, |c, _, b, imm| each::<f64>(b, |x| round(c, x, imm)), Same),
    Row(Roundss, Vroundss, |c, a, b, imm| round(c, f32::of(b), imm).insert(a), Low),
    Row(Roundsd, Vroundsd, |c, a, b, imm| round(c, f64::of(b), imm).insert(a), Low),
    Row(Cmpps, Vcmpps, |c, a, b, imm| pairs::<f32>(a, b, |x, y| cmp(c, x, y, imm)), Same),
    Row(Cmppd, Vcmppd, |c, a, b, imm| pairs::<f64>(a, b, |x, y| cmp(c, x, y, imm)), Same),
    Row(Cmpss, Vcmpss, |c, a, b, imm| cmp(c, f32::of(a), f32::of(b), imm).insert(a), Low),
    Row(Cmpsd, Vcmpsd, |c, a, b, imm| cmp(c, f64::of(a), f64::of(b), imm).insert(a), Low),
    Row(Cvtdq2ps, Vcvtdq2ps, cvtdq2ps, Same),
    Row(Cvtps2dq, Vcvtps2dq, cvtps2dq::<false>, Same),
    Row(Cvttps2dq, Vcvttps2dq, cvtps2dq::<true>, Same),
    Row(Cvtdq2pd, Vcvtdq2pd, cvtdq2pd, Widen),
    Row(Cvtps2pd, Vcvtps2pd, cvtps2pd, Widen),
    Row(INVALID, Vcvtph2ps, cvtph2ps, Widen),
    Row(Cvtpd2ps, Vcvtpd2ps, cvtpd2ps, Narrow),
    Row(Cvtpd2dq, Vcvtpd2dq, cvtpd2dq::<false>, Narrow),
    Row(Cvttpd2dq, Vcvttpd2dq, cvtpd2dq::<true>, Narrow),
    Row(Cvtss2sd, Vcvtss2sd, |c, a, b, _| cvtss2sd(c, f32::of(b)).insert(a), Low),
    Row(Cvtsd2ss, Vcvtsd2ss, |c, a, b, _| cvtsd2ss(c, f64::of(b)).insert(a), Low),
];

static INDEX: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut index = vec![u16::MAX; Mnemonic::values().len()];
    for (number, row) in ROWS.iter().enumerate() {
        for mnemonic in [row.0, row.1] {
            if mnemonic != INVALID {
                index[mnemonic as usize] = number as u16;
            }
        }
    }
    index
});

fn others(i: &Instruction, asm: &mut Assembler) -> bool {
    let number = INDEX.get(i.mnemonic() as usize).copied();
    let Some(number) = number.filter(|&number| number != u16::MAX) else {
        return false;
    };
    let memory = memory(i);
    let op = match (ROWS[usize::from(number)].3, memory) {
        (Kind::Same, true) if Width::of(i) == Width::Vex256 => {
            asm.emit::<Other256<Mem<Segmented, u128>>>(i)
        }
        (Kind::Same, false) if Width::of(i) == Width::Vex256 => asm.emit::<Other256<Reg>>(i),
        (Kind::Widen, true) if Width::of(i) == Width::Vex256 => {
            asm.emit::<Widened<Mem<Segmented, u128>>>(i)
        }
        (Kind::Widen, false) if Width::of(i) == Width::Vex256 => asm.emit::<Widened<Reg>>(i),
        // The destination is an XMM register: the source tells.
        (Kind::Narrow, true) if i.memory_size().size() == 32 => {
            asm.emit::<Narrowed<Mem<Segmented, u128>>>(i)
        }
        (Kind::Narrow, false) if i.op_register(1).is_ymm() => asm.emit::<Narrowed<Reg>>(i),
        _ => emit_128(i, asm, memory),
    };
    operands(op, i, number);
    if !Width::of(i).is_vex() && matches!(i.mnemonic(), Cmpps | Cmppd | Cmpss | Cmpsd) {
        // Legacy encodings have eight predicates.
        op.imm &= !0xf800;
    }
    true
}

fn emit_128<'a>(i: &Instruction, asm: &'a mut Assembler, memory: bool) -> &'a mut Operation {
    let vex = Width::of(i).is_vex();
    match (memory, i.memory_size().size(), vex) {
        (false, _, true) => asm.emit::<Other<true, Reg>>(i),
        (false, _, false) => asm.emit::<Other<false, Reg>>(i),
        (_, 4, true) => asm.emit::<Other<true, Mem<Segmented, u32>>>(i),
        (_, 4, false) => asm.emit::<Other<false, Mem<Segmented, u32>>>(i),
        (_, 8, true) => asm.emit::<Other<true, Mem<Segmented, u64>>>(i),
        (_, 8, false) => asm.emit::<Other<false, Mem<Segmented, u64>>>(i),
        (_, _, true) => asm.emit::<Other<true, Mem<Segmented, u128>>>(i),
        (_, _, false) => asm.emit::<Other<false, Aligned<Segmented>>>(i),
    }
}

#[inline(always)]
fn lane(op: &Operation) -> Lane {
    ROWS.get(function(op)).unwrap_or(&ROWS[0]).2
}

struct Other<const VEX: bool, S>(PhantomData<S>);

impl<const VEX: bool, S: Source> Exec for Other<VEX, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P>(cpu, op)?;
        let mut context = cpu.float();
        let result = lane(op)(&mut context, cpu.xmm(op.r[1]), b, immediate(op));
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], result, VEX);
        Ok(Flow::Next)
    }
}

struct Other256<S>(PhantomData<S>);

impl<S: Source> Exec for Other256<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let mut context = cpu.float();
        let (f, imm) = (lane(op), immediate(op));
        let low = f(&mut context, cpu.xmm(op.r[1]), low, imm);
        let high = f(&mut context, cpu.high(op.r[1]), high, imm);
        cpu.settle(&context)?;
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

struct Widened<S>(PhantomData<S>);

impl<S: Source> Exec for Widened<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P>(cpu, op)?;
        let mut context = cpu.float();
        let low = lane(op)(&mut context, 0, b, 0);
        let high = lane(op)(&mut context, 0, b >> 64, 0);
        cpu.settle(&context)?;
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

struct Narrowed<S>(PhantomData<S>);

impl<S: Source> Exec for Narrowed<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let mut context = cpu.float();
        let low = lane(op)(&mut context, 0, low, 0);
        let high = lane(op)(&mut context, 0, high, 0);
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], low | high << 64, true);
        Ok(Flow::Next)
    }
}
