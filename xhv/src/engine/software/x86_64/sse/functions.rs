//! Functions of two lanes under MXCSR that `arith` has in its table: sums across lanes, dot products, approximations, rounding.

use super::float::{Add, Context, Mul, Operation2, Real, Sub, lanes};
use crate::engine::software::float::{self, Flags, Rounding};

/// Applies a function to each lane.
pub(super) fn each<R: Real>(b: u128, mut f: impl FnMut(R) -> R) -> u128 {
    let size = 128 / R::LANES;
    (0..R::LANES).fold(0, |all, n| all | f(R::lane(b, n)).bits() << (size * n))
}

pub(super) fn each32(b: u128, f: fn(f32) -> f32) -> u128 {
    each(b, f)
}

pub(super) fn pairs<R: Real>(a: u128, b: u128, mut f: impl FnMut(R, R) -> R) -> u128 {
    let size = 128 / R::LANES;
    (0..R::LANES).fold(0, |all, n| {
        all | f(R::lane(a, n), R::lane(b, n)).bits() << (size * n)
    })
}

pub(super) fn packed_lanes<R: Real, O: Operation2>(
    context: &mut Context,
    a: u128,
    b: u128,
    _: u8,
) -> u128 {
    lanes::<R, O>(context, a, b)
}

pub(super) fn low_lane<R: Real, O: Operation2>(
    context: &mut Context,
    a: u128,
    b: u128,
    _: u8,
) -> u128 {
    O::apply(context, R::of(a), R::of(b)).insert(a)
}

pub(super) fn addsub<R: Real>(context: &mut Context, a: u128, b: u128, _: u8) -> u128 {
    let mut odd = false;
    pairs::<R>(a, b, |x, y| {
        odd = !odd;
        if odd {
            Sub::apply(context, x, y)
        } else {
            Add::apply(context, x, y)
        }
    })
}

pub(super) fn horizontal<R: Real, O: Operation2>(
    context: &mut Context,
    a: u128,
    b: u128,
    _: u8,
) -> u128 {
    let (size, half) = (128 / R::LANES, R::LANES / 2);
    (0..R::LANES).fold(0, |all, n| {
        let (from, at) = if n < half {
            (a, 2 * n)
        } else {
            (b, 2 * (n - half))
        };
        let sum = O::apply(context, R::lane(from, at), R::lane(from, at + 1));
        all | sum.bits() << (size * n)
    })
}

/// DPPS, DPPD: the products that the immediate's bits 7:4 select, summed pairwise, into the lanes that bits 3:0 select.
pub(super) fn dot<R: Real>(context: &mut Context, a: u128, b: u128, select: u8) -> u128 {
    let zero = R::of(0);
    let products: [R; 4] = core::array::from_fn(|n| {
        if n < R::LANES && select >> (4 + n) & 1 != 0 {
            Mul::apply(context, R::lane(a, n), R::lane(b, n))
        } else {
            zero
        }
    });
    let sum = if R::LANES == 2 {
        Add::apply(context, products[0], products[1])
    } else {
        let low = Add::apply(context, products[0], products[1]);
        let high = Add::apply(context, products[2], products[3]);
        Add::apply(context, low, high)
    };
    let size = 128 / R::LANES;
    (0..R::LANES)
        .filter(|n| select >> n & 1 != 0)
        .fold(0, |all, n| all | sum.bits() << (size * n))
}

/// What RCPPS and RSQRTPS give for operands that the division is not asked for.
fn special(x: f32) -> Option<f32> {
    if x.is_nan() {
        return Some(f32::from_bits(x.to_bits() | 0x40_0000));
    }
    // Denormals count as zeros, whatever MXCSR says.
    (!x.is_normal() && x.is_finite()).then(|| f32::INFINITY.copysign(x))
}

/// RCPPS: the manual asks for a relative error below 1.5 * 2^-12; this one is rounded correctly.
pub(super) fn reciprocal(x: f32) -> f32 {
    special(x).unwrap_or_else(|| {
        let result = 1.0 / x;
        if result.is_subnormal() {
            0_f32.copysign(x)
        } else {
            result
        }
    })
}

/// RSQRTPS, likewise.
pub(super) fn reciprocal_sqrt(x: f32) -> f32 {
    special(x).unwrap_or_else(|| {
        if x < 0.0 {
            f32::from_bits(0xffc0_0000)
        } else {
            (1.0 / f64::from(x).sqrt()) as f32
        }
    })
}

/// ROUNDPS and its like.
pub(super) fn round<R: Real>(context: &mut Context, x: R, control: u8) -> R {
    let mut env = context.env;
    if control & 4 == 0 {
        env.rounding = Rounding::from_rc(control.into());
    }
    let (bits, mut flags) = float::to_integral(R::FORMAT, x.bits(), &env);
    flags.0 &= !Flags::DENORMAL.0;
    if control & 8 != 0 {
        flags.0 &= !Flags::INEXACT.0;
    }
    context.flags |= flags;
    R::of(bits)
}
