//! Conversions between formats and integers, rounding to an integer, comparison.

use super::arith::{invalid, nans, operand};
use super::format::{Format, Kind, Number, round_pack};
use super::{Env, Flags, Rounding};
use core::cmp::Ordering;

/// Converts from one format to another.
pub(crate) fn convert(from: Format, to: Format, bits: u128, env: &Env) -> (u128, Flags) {
    let (number, flags) = operand(from, bits, env);
    if let Some(nan) = nans(to, &[&number], env) {
        return nan;
    }
    if number.kind == Kind::Infinity {
        return (to.infinity(number.sign), flags);
    }
    let (bits, rounded) = round_pack(to, &number, env);
    (bits, flags | rounded)
}

/// Converts a signed integer.
pub(crate) fn from_int(to: Format, value: i128, env: &Env) -> (u128, Flags) {
    let number = Number::scaled(value < 0, 127, value.unsigned_abs());
    round_pack(to, &number, env)
}

/// The magnitude of a finite number rounded to an integer, if it is below 2^64; whether that is inexact, and rounded up.
fn integer(number: &Number, rounding: Rounding) -> Option<(u64, bool, bool)> {
    if number.kind == Kind::Zero {
        return Some((0, false, false));
    }
    if number.exp > 63 {
        return None;
    }
    // Bits 127:64 are the integer part, of bits below those only whether and how much.
    let fixed = if number.exp < -2 {
        1
    } else {
        let by = (63 - number.exp) as u32;
        number.sig >> by | u128::from(by > 0 && number.sig << (128 - by) != 0)
    };
    let (whole, part) = ((fixed >> 64) as u64, fixed as u64);
    let half = 1_u64 << 63;
    let up = match rounding {
        Rounding::Nearest => part > half || part == half && whole & 1 != 0,
        Rounding::NearestAway => part >= half,
        Rounding::Down => number.sign && part != 0,
        Rounding::Up => !number.sign && part != 0,
        Rounding::Zero => false,
    };
    Some((whole.checked_add(u64::from(up))?, part != 0, up))
}

/// Converts to a two's-complement integer of `width` bits (at most 64), `None` if it does not fit.
pub(crate) fn to_int(
    from: Format,
    bits: u128,
    width: u32,
    signed: bool,
    env: &Env,
) -> (Option<i128>, Flags) {
    let (number, _) = operand(from, bits, env);
    let rounded = match number.kind {
        Kind::Zero | Kind::Finite => integer(&number, env.rounding),
        _ => None,
    };
    let Some((magnitude, inexact, up)) = rounded else {
        return (None, Flags::INVALID);
    };
    let value = if number.sign {
        -i128::from(magnitude)
    } else {
        i128::from(magnitude)
    };
    let (low, high) = if signed {
        (-(1_i128 << (width - 1)), 1_i128 << (width - 1))
    } else {
        (0, 1_i128 << width)
    };
    if value < low || value >= high {
        return (None, Flags::INVALID);
    }
    let mut flags = if inexact { Flags::INEXACT } else { Flags::NONE };
    if up {
        flags |= Flags::ROUNDED_UP;
    }
    (Some(value), flags)
}

/// Rounds to an integer in the same format.
pub(crate) fn to_integral(f: Format, bits: u128, env: &Env) -> (u128, Flags) {
    let (number, flags) = operand(f, bits, env);
    if let Some(nan) = nans(f, &[&number], env) {
        return nan;
    }
    if number.kind != Kind::Finite || number.exp >= f.precision as i32 - 1 {
        return match number.kind {
            Kind::Zero => (f.zero(number.sign), flags),
            _ => (bits, flags),
        };
    }
    let Some((magnitude, inexact, up)) = integer(&number, env.rounding) else {
        return invalid(f, env);
    };
    let whole = Number::scaled(number.sign, 127, u128::from(magnitude));
    let (bits, mut raised) = round_pack(f, &whole, env);
    if inexact {
        raised |= Flags::INEXACT;
    }
    if up {
        raised |= Flags::ROUNDED_UP;
    }
    (bits, flags | raised)
}

/// Compares; `None` is unordered. Invalid is raised for signaling NaNs, and for quiet ones too if `signaling`.
pub(crate) fn compare(
    f: Format,
    a: u128,
    b: u128,
    signaling: bool,
    env: &Env,
) -> (Option<Ordering>, Flags) {
    let ((x, fx), (y, fy)) = (operand(f, a, env), operand(f, b, env));
    let odd = |n: &Number| matches!(n.kind, Kind::Signaling | Kind::Unsupported);
    if odd(&x) || odd(&y) || signaling && (x.is_nan() || y.is_nan()) {
        return (None, Flags::INVALID);
    }
    if x.is_nan() || y.is_nan() {
        return (None, Flags::NONE);
    }
    (Some(order(&x, &y)), fx | fy)
}

fn order(a: &Number, b: &Number) -> Ordering {
    let rank = |n: &Number| match n.kind {
        Kind::Zero => (0, 0, 0),
        Kind::Infinity => (2, 0, 0),
        _ => (1, n.exp, n.sig),
    };
    let signs = (
        a.sign && a.kind != Kind::Zero,
        b.sign && b.kind != Kind::Zero,
    );
    match signs {
        (false, false) => rank(a).cmp(&rank(b)),
        (true, true) => rank(b).cmp(&rank(a)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}
