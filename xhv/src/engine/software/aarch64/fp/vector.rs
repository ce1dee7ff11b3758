//! Floating point on vectors, element by element.
//!
//! Operands: `r[0]` destination, `r[1]` and `r[2]` sources, `x[0]` the [`Shape`], `x[1]` an element number. Only elements that
//! the instruction has are computed: the others must not raise anything.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exec::Plain;
use super::env::{Fp, negate};
use super::integer::halves;
use super::lanes::{Lane, Shape, get, put};
use super::scalar::{One, Two, rounding_of};
use crate::engine::software::dispatch::Op;

#[inline(always)]
fn v(cpu: &Cpu, register: u8) -> u128 {
    cpu.v[usize::from(register & 31)]
}

/// How many elements of this size the instruction has.
#[inline(always)]
fn count<L: Lane>(op: &Op<Cpu>) -> usize {
    match op.x[0] {
        0 => 8 / L::BYTES,
        1 => 16 / L::BYTES,
        _ => 1,
    }
}

#[inline(always)]
fn each<L: Lane>(cpu: &mut Cpu, op: &Op<Cpu>, mut f: impl FnMut(&mut Cpu, usize) -> L) {
    let result = (0..count::<L>(op)).fold(0, |result, at| put(result, at, f(cpu, at)));
    cpu.v[usize::from(op.r[0] & 31)] = result;
}

/// `Vd = f(Vn, Vm)`
pub(crate) struct Each2<F, T>(PhantomData<(F, T)>);

impl<F: Two, T: Fp> Plain for Each2<F, T> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (v(cpu, op.r[1]), v(cpu, op.r[2]));
        each::<T>(cpu, op, |cpu, at| F::of(cpu, get(a, at), get(b, at)));
    }
}

/// `Vd = f(Vn, Vm[x[1]])`
pub(crate) struct EachBy<F, T>(PhantomData<(F, T)>);

impl<F: Two, T: Fp> Plain for EachBy<F, T> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (v(cpu, op.r[1]), get::<T>(v(cpu, op.r[2]), op.x[1].into()));
        each::<T>(cpu, op, |cpu, at| F::of(cpu, get(a, at), b));
    }
}

/// `Vd = f(Vn)`
pub(crate) struct Each1<F, T>(PhantomData<(F, T)>);

impl<F: One, T: Fp> Plain for Each1<F, T> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        each::<T>(cpu, op, |cpu, at| F::of(cpu, get(a, at)));
    }
}

/// FMLA, FMLS: `Vd += Vn * Vm`; with `INDEXED` the factor is element `x[1]` of Vm.
pub(crate) struct EachFma<T, const NEGATE: bool, const INDEXED: bool>(PhantomData<T>);

impl<T: Fp, const NEGATE: bool, const INDEXED: bool> Plain for EachFma<T, NEGATE, INDEXED> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (d, a, b) = (v(cpu, op.r[0]), v(cpu, op.r[1]), v(cpu, op.r[2]));
        each::<T>(cpu, op, |cpu, at| {
            let x = get::<T>(a, at);
            let x = if NEGATE { negate(x) } else { x };
            cpu.fma(
                x,
                get(b, if INDEXED { op.x[1].into() } else { at }),
                get(d, at),
            )
        });
    }
}

/// FADDP, FMAXP, …: pairs of Vn, then of Vm; a scalar of the one pair of Vn if the shape says so.
pub(crate) struct EachPair<F, T>(PhantomData<(F, T)>);

impl<F: Two, T: Fp> Plain for EachPair<F, T> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (v(cpu, op.r[1]), v(cpu, op.r[2]));
        let pairs = (count::<T>(op) / 2).max(1);
        each::<T>(cpu, op, |cpu, at| {
            let (from, at) = if at < pairs { (a, at) } else { (b, at - pairs) };
            F::of(cpu, get(from, 2 * at), get(from, 2 * at + 1))
        });
    }
}

/// FMAXV, FMINV, FMAXNMV, FMINNMV of four single-precision elements: by halves, as `Reduce` does.
pub(crate) struct FpAcross<F>(PhantomData<F>);

impl<F: Two> Plain for FpAcross<F> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let low = F::of::<u32>(cpu, get(a, 0), get(a, 1));
        let high = F::of::<u32>(cpu, get(a, 2), get(a, 3));
        let result = F::of(cpu, low, high);
        cpu.set_element(op.r[0], result);
    }
}

/// FCVTxS, FCVTxU to integers of the same size: `x[1]` rounding, `len` bits behind the binary point.
pub(crate) struct EachToInteger<T, const SIGNED: bool>(PhantomData<T>);

impl<T: Fp, const SIGNED: bool> Plain for EachToInteger<T, SIGNED> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let rounding = rounding_of(op.x[1]);
        each::<T>(cpu, op, |cpu, at| {
            T::cut(
                cpu.fto_int(get::<T>(a, at), T::BITS, SIGNED, rounding, op.len.into())
                    .into(),
            )
        });
    }
}

/// SCVTF, UCVTF from integers of the same size: `len` bits behind the binary point.
pub(crate) struct EachFromInteger<T, const SIGNED: bool>(PhantomData<T>);

impl<T: Fp, const SIGNED: bool> Plain for EachFromInteger<T, SIGNED> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        each::<T>(cpu, op, |cpu, at| {
            let x = get::<T>(a, at);
            cpu.ffrom_int(
                if SIGNED { x.signed() } else { x.unsigned() },
                op.len.into(),
            )
        });
    }
}

/// FCVTL: single to double precision, from the low half or the high one.
pub(crate) struct LongSingle;

impl Plain for LongSingle {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let first = if op.x[0] == Shape::Full as u8 { 2 } else { 0 };
        let result = (0..2).fold(0, |result, at| {
            put(result, at, cpu.fconvert::<u32, u64>(get(a, first + at)))
        });
        cpu.v[usize::from(op.r[0] & 31)] = result;
    }
}

/// FCVTL: half to single precision.
pub(crate) struct LongHalf;

impl Plain for LongHalf {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let first = if op.x[0] == Shape::Full as u8 { 4 } else { 0 };
        let result = (0..4).fold(0, |result, at| {
            put(result, at, cpu.ffrom_half::<u32>(get(a, first + at)))
        });
        cpu.v[usize::from(op.r[0] & 31)] = result;
    }
}

/// FCVTN: double to single precision, into the low half or the high one. `ODD` is FCVTXN, also of a scalar.
pub(crate) struct NarrowDouble<const ODD: bool>;

impl<const ODD: bool> Plain for NarrowDouble<ODD> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let elements = if op.x[0] == Shape::Scalar as u8 { 1 } else { 2 };
        let result = (0..elements).fold(0, |result, at| {
            let x = get::<u64>(a, at);
            put(
                result,
                at,
                if ODD {
                    cpu.fconvert_odd(x)
                } else {
                    cpu.fconvert::<u64, u32>(x)
                },
            )
        });
        halves(cpu, op, result, false);
    }
}

/// FCVTN: single to half precision.
pub(crate) struct NarrowSingle;

impl Plain for NarrowSingle {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let result = (0..4).fold(0, |result, at| {
            put(result, at, cpu.fto_half(get::<u32>(a, at)))
        });
        halves(cpu, op, result, false);
    }
}
