//! Arithmetic on packed numbers: unpack, deal with NaNs and special operands, compute exactly, round once.

use super::format::{Format, Kind, Number, round_pack};
use super::{Env, Flags, NanRule, Rounding};
use core::cmp::Ordering;

/// Operands unpacked, with flush-to-zero of inputs applied; and the denormal flag.
pub(super) fn operand(f: Format, bits: u128, env: &Env) -> (Number, Flags) {
    let number = f.unpack(bits);
    if !number.denormal {
        return (number, Flags::NONE);
    }
    if env.flush_inputs {
        return (Number::zero(number.sign), Flags::NONE);
    }
    (number, Flags::DENORMAL)
}

pub(super) fn invalid(f: Format, env: &Env) -> (u128, Flags) {
    (f.default_nan(env.positive_nan), Flags::INVALID)
}

/// Of two NaNs the one that the x87 unit delivers.
fn x87_nan<'n>(a: &'n Number, b: &'n Number) -> &'n Number {
    match (a.kind, b.kind, a.sig.cmp(&b.sig)) {
        (Kind::Quiet, Kind::Signaling, _) => a,
        (Kind::Signaling, Kind::Quiet, _) => b,
        (_, _, Ordering::Greater) => a,
        (_, _, Ordering::Less) => b,
        _ if a.sign => b,
        _ => a,
    }
}

/// What comes out if one of the operands is a NaN or no number at all.
pub(super) fn nans(f: Format, operands: &[&Number], env: &Env) -> Option<(u128, Flags)> {
    if operands.iter().any(|n| n.kind == Kind::Unsupported) {
        return Some(invalid(f, env));
    }
    let mut found = operands.iter().filter(|n| n.is_nan());
    let first = found.next()?;
    let signaling = operands.iter().find(|n| n.kind == Kind::Signaling);
    let flags = if signaling.is_some() {
        Flags::INVALID
    } else {
        Flags::NONE
    };
    let chosen = match env.nan {
        NanRule::First => first,
        NanRule::X87 => found.fold(*first, |best, n| x87_nan(best, n)),
        NanRule::SignalingFirst => signaling.unwrap_or(first),
        NanRule::Default => return Some((f.default_nan(env.positive_nan), flags)),
    };
    Some((f.quiet(chosen), flags))
}

fn finish(f: Format, exact: &Number, flags: Flags, env: &Env) -> (u128, Flags) {
    let (bits, rounded) = round_pack(f, exact, env);
    (bits, flags | rounded)
}

/// `sig` shifted right, what falls out kept in the last bit.
const fn shift_jam(sig: u128, by: u32) -> u128 {
    if by > 127 {
        return (sig != 0) as u128;
    }
    sig >> by | (sig & ((1 << by) - 1) != 0) as u128
}

/// The sum of two numbers that are finite or zero.
fn add_finite(a: &Number, b: &Number, rounding: Rounding) -> Number {
    let cancelled = Number::zero(rounding == Rounding::Down);
    match (a.kind, b.kind) {
        (Kind::Zero, Kind::Zero) if a.sign != b.sign => return cancelled,
        (_, Kind::Zero) => return *a,
        (Kind::Zero, _) => return *b,
        _ => {}
    }
    let (big, small) = if (a.exp, a.sig) >= (b.exp, b.sig) {
        (a, b)
    } else {
        (b, a)
    };
    let aligned = shift_jam(small.sig >> 1, (big.exp - small.exp) as u32);
    let top = big.sig >> 1;
    if a.sign == b.sign {
        return Number::scaled(big.sign, big.exp + 1, top + aligned);
    }
    match top - aligned {
        0 => cancelled,
        difference => Number::scaled(big.sign, big.exp + 1, difference),
    }
}

/// The exact product of two finite numbers of at most 64 bits.
fn mul_finite(a: &Number, b: &Number) -> Number {
    let product = (a.sig >> 64) * (b.sig >> 64);
    Number::scaled(a.sign != b.sign, a.exp + b.exp + 1, product)
}

fn sum(f: Format, a: u128, b: u128, negate: bool, env: &Env) -> (u128, Flags) {
    let ((x, fx), (mut y, fy)) = (operand(f, a, env), operand(f, b, env));
    if let Some(nan) = nans(f, &[&x, &y], env) {
        return nan;
    }
    y.sign ^= negate;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Infinity) if x.sign != y.sign => invalid(f, env),
        (Kind::Infinity, _) => (f.infinity(x.sign), fx | fy),
        (_, Kind::Infinity) => (f.infinity(y.sign), fx | fy),
        _ => finish(f, &add_finite(&x, &y, env.rounding), fx | fy, env),
    }
}

/// `a + b`.
pub(crate) fn add(f: Format, a: u128, b: u128, env: &Env) -> (u128, Flags) {
    sum(f, a, b, false, env)
}

/// `a - b`.
pub(crate) fn sub(f: Format, a: u128, b: u128, env: &Env) -> (u128, Flags) {
    sum(f, a, b, true, env)
}

/// `a * b`.
pub(crate) fn mul(f: Format, a: u128, b: u128, env: &Env) -> (u128, Flags) {
    let ((x, fx), (y, fy)) = (operand(f, a, env), operand(f, b, env));
    if let Some(nan) = nans(f, &[&x, &y], env) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) => invalid(f, env),
        (Kind::Infinity, _) | (_, Kind::Infinity) => (f.infinity(sign), fx | fy),
        (Kind::Zero, _) | (_, Kind::Zero) => (f.zero(sign), fx | fy),
        _ => finish(f, &mul_finite(&x, &y), fx | fy, env),
    }
}

/// `a / b`.
pub(crate) fn div(f: Format, a: u128, b: u128, env: &Env) -> (u128, Flags) {
    let ((x, fx), (y, fy)) = (operand(f, a, env), operand(f, b, env));
    if let Some(nan) = nans(f, &[&x, &y], env) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Infinity) | (Kind::Zero, Kind::Zero) => invalid(f, env),
        (Kind::Infinity, _) => (f.infinity(sign), fx | fy),
        (Kind::Zero, _) | (_, Kind::Infinity) => (f.zero(sign), fx | fy),
        (_, Kind::Zero) => (f.infinity(sign), Flags::ZERO_DIVIDE),
        _ => {
            let (n, d) = (x.sig >> 64, y.sig >> 64);
            let (high, rest) = ((n << 63) / d, (n << 63) % d);
            let (low, rest) = ((rest << 64) / d, (rest << 64) % d);
            let quotient = Number::scaled(sign, x.exp - y.exp, high << 64 | low);
            let exact = Number {
                sig: quotient.sig | u128::from(rest != 0),
                ..quotient
            };
            finish(f, &exact, fx | fy, env)
        }
    }
}

/// The square root of `a`.
pub(crate) fn sqrt(f: Format, a: u128, env: &Env) -> (u128, Flags) {
    let (x, flags) = operand(f, a, env);
    if let Some(nan) = nans(f, &[&x], env) {
        return nan;
    }
    match x.kind {
        Kind::Zero => return (f.zero(x.sign), flags),
        _ if x.sign => return invalid(f, env),
        Kind::Infinity => return (f.infinity(false), flags),
        _ => {}
    }
    let n = (x.sig >> 64) << (63 + (x.exp & 1));
    let mut root = n.isqrt();
    let mut rest = n - root * root;
    // Four more bits, digit by digit; the remainder stays below twice the root.
    for _ in 0..4 {
        rest <<= 2;
        root <<= 1;
        if rest > root * 2 {
            rest -= root * 2 + 1;
            root += 1;
        }
    }
    let sig = root << 60 | u128::from(rest != 0);
    let exact = Number::scaled(false, x.exp >> 1, sig);
    finish(f, &exact, flags, env)
}

/// `a * b + c`, rounded once. Formats of at most 53 bits.
///
/// NaN operands are considered in the order that `nan_order` gives as indices of `[a, b, c]`.
pub(crate) fn fma(
    f: Format,
    [a, b, c]: [u128; 3],
    nan_order: [usize; 3],
    env: &Env,
) -> (u128, Flags) {
    let ((x, fx), (y, fy)) = (operand(f, a, env), operand(f, b, env));
    let (z, fz) = operand(f, c, env);
    let flags = fx | fy | fz;
    let invalid_product = matches!(
        (x.kind, y.kind),
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity)
    );
    let all = [&x, &y, &z];
    if let Some((bits, raised)) = nans(f, &nan_order.map(|index| all[index]), env) {
        return (bits, raised);
    }
    if invalid_product {
        return invalid(f, env);
    }
    let sign = x.sign != y.sign;
    if x.kind == Kind::Infinity || y.kind == Kind::Infinity {
        if z.kind == Kind::Infinity && z.sign != sign {
            return invalid(f, env);
        }
        return (f.infinity(sign), flags);
    }
    if z.kind == Kind::Infinity {
        return (f.infinity(z.sign), flags);
    }
    let product = if x.kind == Kind::Zero || y.kind == Kind::Zero {
        Number::zero(sign)
    } else {
        mul_finite(&x, &y)
    };
    finish(f, &add_finite(&product, &z, env.rounding), flags, env)
}

/// The remainder of `a / b` (finite, `b` not zero), its quotient rounded to nearest (`nearest`) or towards zero, and the
/// low bits of that quotient. `None` if the exponents differ by more than `limit`.
pub(crate) fn remainder(
    a: &Number,
    b: &Number,
    nearest: bool,
    limit: i32,
) -> Option<(Number, u64)> {
    let distance = a.exp - b.exp;
    if distance > limit {
        return None;
    }
    if distance < -1 || a.kind == Kind::Zero {
        return Some((*a, 0));
    }
    // In units of the last bit of `b` or, if `a` is smaller, of `a`.
    let (mut rest, divisor) = if distance < 0 {
        (a.sig >> 64, (b.sig >> 64) << 1)
    } else {
        (a.sig >> 64, b.sig >> 64)
    };
    let unit = if distance < 0 { a.exp } else { b.exp };
    let mut quotient = 0_u64;
    for step in 0..=distance.max(0) {
        if step > 0 {
            rest <<= 1;
        }
        quotient <<= 1;
        if rest >= divisor {
            rest -= divisor;
            quotient |= 1;
        }
    }
    let mut sign = a.sign;
    let twice = rest << 1;
    if nearest && (twice > divisor || twice == divisor && quotient & 1 != 0) {
        rest = divisor - rest;
        sign = !sign;
        quotient = quotient.wrapping_add(1);
    }
    let mut left = Number::scaled(sign, unit + 64, rest);
    if left.kind == Kind::Zero {
        left.sign = a.sign;
    }
    Some((left, quotient))
}
