//! Scalar floating point: arithmetic, compares, moves, conversions.
//!
//! Operands: `r[0]` destination, `r[1]` to `r[3]` sources; a scalar result clears the rest of its register.

use core::cmp::Ordering;
use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exec::{Plain, Width};
use super::super::flags::Flags;
use super::env::{self, Fp, absolute, negate};
use super::lanes::Lane;
use crate::engine::software::dispatch::Op;
use crate::engine::software::float::Rounding;

impl Cpu {
    /// The lowest element of a vector register.
    #[inline(always)]
    pub(crate) fn element<L: Lane>(&self, register: u8) -> L {
        L::cut(self.v[usize::from(register & 31)] as i128)
    }

    /// Writes a scalar; the rest of the register becomes zero.
    #[inline(always)]
    pub(crate) fn set_element<L: Lane>(&mut self, register: u8, value: L) {
        self.v[usize::from(register & 31)] = value.unsigned() as u128;
    }
}

/// A function of two numbers.
pub(crate) trait Two: 'static {
    /// Computes it.
    fn of<T: Fp>(cpu: &mut Cpu, a: T, b: T) -> T;
}

/// A function of one number.
pub(crate) trait One: 'static {
    /// Computes it.
    fn of<T: Fp>(cpu: &mut Cpu, a: T) -> T;
}

macro_rules! functions {
    ($($kind:ident $name:ident ($cpu:ident $(, $x:ident)+) $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl $kind for $name {
            #[inline(always)]
            fn of<T: Fp>($cpu: &mut Cpu $(, $x: T)+) -> T {
                $body
            }
        }
    )*};
}

functions! {
    Two Fadd (cpu, a, b) cpu.fadd(a, b);
    Two Fsub (cpu, a, b) cpu.fsub(a, b);
    Two Fmul (cpu, a, b) cpu.fmul(a, b);
    Two Fdiv (cpu, a, b) cpu.fdiv(a, b);
    Two Fnmul (cpu, a, b) { let product = cpu.fmul(a, b); negate(product) };
    Two Fmulx (cpu, a, b) cpu.fmulx(a, b);
    Two Fmax (cpu, a, b) cpu.fminmax(a, b, true);
    Two Fmin (cpu, a, b) cpu.fminmax(a, b, false);
    Two Fmaxnm (cpu, a, b) cpu.fminmax_number(a, b, true);
    Two Fminnm (cpu, a, b) cpu.fminmax_number(a, b, false);
    Two Fabd (cpu, a, b) { let difference = cpu.fsub(a, b); absolute(difference) };
    Two Frecps (cpu, a, b) cpu.frecps(a, b);
    Two Frsqrts (cpu, a, b) cpu.frsqrts(a, b);
    Two Fcmeq (cpu, a, b) T::all(cpu.fcompare(a, b, false) == Some(Ordering::Equal));
    Two Fcmge (cpu, a, b) T::all(matches!(cpu.fcompare(a, b, true), Some(Ordering::Equal | Ordering::Greater)));
    Two Fcmgt (cpu, a, b) T::all(cpu.fcompare(a, b, true) == Some(Ordering::Greater));
    Two Facge (cpu, a, b) T::all(matches!(cpu.fcompare(absolute(a), absolute(b), true), Some(Ordering::Equal | Ordering::Greater)));
    Two Facgt (cpu, a, b) T::all(cpu.fcompare(absolute(a), absolute(b), true) == Some(Ordering::Greater));
    One Fmov (_cpu, a) a;
    One Fabs (_cpu, a) absolute(a);
    One Fneg (_cpu, a) negate(a);
    One Fsqrt (cpu, a) cpu.fsqrt(a);
    One Frintn (cpu, a) cpu.fround(a, Rounding::Nearest, false);
    One Frintp (cpu, a) cpu.fround(a, Rounding::Up, false);
    One Frintm (cpu, a) cpu.fround(a, Rounding::Down, false);
    One Frintz (cpu, a) cpu.fround(a, Rounding::Zero, false);
    One Frinta (cpu, a) cpu.fround(a, Rounding::NearestAway, false);
    One Frintx (cpu, a) { let rounding = env::rounding(cpu.fpcr); cpu.fround(a, rounding, true) };
    One Frinti (cpu, a) { let rounding = env::rounding(cpu.fpcr); cpu.fround(a, rounding, false) };
    One Frecpe (cpu, a) cpu.frecpe(a);
    One Frsqrte (cpu, a) cpu.frsqrte(a);
    One Frecpx (cpu, a) cpu.frecpx(a);
    One Fcmeq0 (cpu, a) T::all(cpu.fcompare(a, T::default(), false) == Some(Ordering::Equal));
    One Fcmge0 (cpu, a) T::all(matches!(cpu.fcompare(a, T::default(), true), Some(Ordering::Equal | Ordering::Greater)));
    One Fcmgt0 (cpu, a) T::all(cpu.fcompare(a, T::default(), true) == Some(Ordering::Greater));
    One Fcmle0 (cpu, a) T::all(matches!(cpu.fcompare(a, T::default(), true), Some(Ordering::Equal | Ordering::Less)));
    One Fcmlt0 (cpu, a) T::all(cpu.fcompare(a, T::default(), true) == Some(Ordering::Less));
}

/// A function of two numbers, of scalars.
pub(crate) struct Scalar2<F, T>(PhantomData<(F, T)>);

impl<F: Two, T: Fp> Plain for Scalar2<F, T> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (cpu.element::<T>(op.r[1]), cpu.element(op.r[2]));
        let result = F::of(cpu, a, b);
        cpu.set_element(op.r[0], result);
    }
}

/// A function of one number, of scalars.
pub(crate) struct Scalar1<F, T>(PhantomData<(F, T)>);

impl<F: One, T: Fp> Plain for Scalar1<F, T> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.element::<T>(op.r[1]);
        let result = F::of(cpu, a);
        cpu.set_element(op.r[0], result);
    }
}

/// FMADD, FMSUB, FNMADD, FNMSUB: `r[3]` is the addend; `A` negates it, `P` the product.
pub(crate) struct MultiplyAdd<T, const P: bool, const A: bool>(PhantomData<T>);

impl<T: Fp, const P: bool, const A: bool> Plain for MultiplyAdd<T, P, A> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b, c) = (
            cpu.element::<T>(op.r[1]),
            cpu.element(op.r[2]),
            cpu.element(op.r[3]),
        );
        let a = if P { negate(a) } else { a };
        let c = if A { negate(c) } else { c };
        let result = cpu.fma(a, b, c);
        cpu.set_element(op.r[0], result);
    }
}

/// The condition flags of a comparison.
fn nzcv(order: Option<Ordering>) -> Flags {
    Flags::from_bits(match order {
        Some(Ordering::Equal) => 0b0110 << 28,
        Some(Ordering::Less) => 0b1000 << 28,
        Some(Ordering::Greater) => 0b0010 << 28,
        None => 0b0011 << 28,
    })
}

/// FCMP, FCMPE: with zero if `ZERO`.
pub(crate) struct Compare<T, const ZERO: bool, const SIGNALING: bool>(PhantomData<T>);

impl<T: Fp, const ZERO: bool, const SIGNALING: bool> Plain for Compare<T, ZERO, SIGNALING> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.element::<T>(op.r[1]);
        let b = if ZERO {
            T::default()
        } else {
            cpu.element(op.r[2])
        };
        let order = cpu.fcompare(a, b, SIGNALING);
        cpu.flags = nzcv(order);
    }
}

/// FCCMP, FCCMPE: `x[0]` condition, `imm` the flags if it does not hold.
pub(crate) struct CompareIf<T, const SIGNALING: bool>(PhantomData<T>);

impl<T: Fp, const SIGNALING: bool> Plain for CompareIf<T, SIGNALING> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        cpu.flags = if cpu.flags.test(op.x[0]) {
            let (a, b) = (cpu.element::<T>(op.r[1]), cpu.element(op.r[2]));
            nzcv(cpu.fcompare(a, b, SIGNALING))
        } else {
            Flags::from_bits(op.imm)
        };
    }
}

/// FCSEL: `x[0]` condition.
pub(crate) struct Select<T>(PhantomData<T>);

impl<T: Fp> Plain for Select<T> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let from = if cpu.flags.test(op.x[0]) {
            op.r[1]
        } else {
            op.r[2]
        };
        let value = cpu.element::<T>(from);
        cpu.set_element(op.r[0], value);
    }
}

/// FMOV of an immediate, also of vectors: `imm` goes to the low half, and to the high half too if `x[0]` is set.
pub(crate) struct Constant;

impl Plain for Constant {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let high = if op.x[0] == 1 { op.imm } else { 0 };
        cpu.v[usize::from(op.r[0] & 31)] = u128::from(high) << 64 | u128::from(op.imm);
    }
}

/// FCVT between single and double precision.
pub(crate) struct Convert<A, B>(PhantomData<(A, B)>);

impl<A: Fp, B: Fp> Plain for Convert<A, B> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.element::<A>(op.r[1]);
        let result = cpu.fconvert::<A, B>(a);
        cpu.set_element(op.r[0], result);
    }
}

/// FCVT from half precision.
pub(crate) struct FromHalf<T>(PhantomData<T>);

impl<T: Fp> Plain for FromHalf<T> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let half = cpu.element(op.r[1]);
        let result = cpu.ffrom_half::<T>(half);
        cpu.set_element(op.r[0], result);
    }
}

/// FCVT to half precision.
pub(crate) struct ToHalf<T>(PhantomData<T>);

impl<T: Fp> Plain for ToHalf<T> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.element::<T>(op.r[1]);
        let result = cpu.fto_half(a);
        cpu.set_element(op.r[0], result);
    }
}

/// Rounding by the number that decoding puts into `x[0]`: nearest, up, down, zero, nearest away.
pub(crate) fn rounding_of(number: u8) -> Rounding {
    match number {
        0 => Rounding::Nearest,
        1 => Rounding::Up,
        2 => Rounding::Down,
        3 => Rounding::Zero,
        _ => Rounding::NearestAway,
    }
}

/// FCVTxS, FCVTxU to a general register: `x[0]` rounding, `len` bits behind the binary point.
pub(crate) struct ToInteger<T, W, const SIGNED: bool>(PhantomData<(T, W)>);

impl<T: Fp, W: Width, const SIGNED: bool> Plain for ToInteger<T, W, SIGNED> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.element::<T>(op.r[1]);
        let value = cpu.fto_int(a, W::BITS, SIGNED, rounding_of(op.x[0]), op.len.into());
        cpu.set(op.r[0], value);
    }
}

/// SCVTF, UCVTF from a general register: `len` bits behind the binary point.
pub(crate) struct FromInteger<T, W, const SIGNED: bool>(PhantomData<(T, W)>);

impl<T: Fp, W: Width, const SIGNED: bool> Plain for FromInteger<T, W, SIGNED> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = cpu.get(op.r[1]);
        let value = if SIGNED {
            W::signed(value).into()
        } else {
            W::cut(value).into()
        };
        let result = cpu.ffrom_int::<T>(value, op.len.into());
        cpu.set_element(op.r[0], result);
    }
}

/// FMOV from a general register.
pub(crate) struct MoveIn<L>(PhantomData<L>);

impl<L: Lane> Plain for MoveIn<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = L::cut(cpu.get(op.r[1]).into());
        cpu.set_element(op.r[0], value);
    }
}

/// FMOV to a general register.
pub(crate) struct MoveOut<L>(PhantomData<L>);

impl<L: Lane> Plain for MoveOut<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = cpu.element::<L>(op.r[1]).unsigned() as u64;
        cpu.set(op.r[0], value);
    }
}

/// FMOV between a general register and the high half of a vector.
pub(crate) struct MoveHigh<const OUT: bool>;

impl<const OUT: bool> Plain for MoveHigh<OUT> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        if OUT {
            let high = cpu.v[usize::from(op.r[1] & 31)] >> 64;
            cpu.set(op.r[0], high as u64);
        } else {
            let value = u128::from(cpu.get(op.r[1]));
            let register = &mut cpu.v[usize::from(op.r[0] & 31)];
            *register = *register & u128::from(u64::MAX) | value << 64;
        }
    }
}
