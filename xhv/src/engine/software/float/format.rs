//! Formats; unpacking to sign, exponent and significand; rounding and packing. `arith` and `convert` work on what this unpacks.

use super::{Env, Flags, Rounding};

/// A binary floating-point format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// Bits of the significand, the integer bit included.
    pub(crate) precision: u32,
    /// Bits of the biased exponent.
    pub(crate) exponent_bits: u32,
    /// Whether the integer bit is stored.
    pub(crate) explicit: bool,
    /// Bits of the significand that results are rounded to: less than `precision` under an x87 precision control.
    pub(crate) round_to: u32,
}

const fn ieee(precision: u32, exponent_bits: u32) -> Format {
    Format {
        precision,
        exponent_bits,
        explicit: false,
        round_to: precision,
    }
}

/// Half precision.
pub(crate) const F16: Format = ieee(11, 5);
/// Single precision.
pub(crate) const F32: Format = ieee(24, 8);
/// Double precision.
pub(crate) const F64: Format = ieee(53, 11);
/// x87 double extended precision.
pub(crate) const F80: Format = Format {
    precision: 64,
    exponent_bits: 15,
    explicit: true,
    round_to: 64,
};

/// What a bit pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Zero.
    Zero,
    /// A finite number other than zero.
    Finite,
    /// Infinity.
    Infinity,
    /// A NaN with its quiet bit set.
    Quiet,
    /// A NaN with its quiet bit clear.
    Signaling,
    /// A pattern of the x87 format that current processors refuse: pseudo-NaN, pseudo-infinity, unnormal.
    Unsupported,
}

/// An unpacked number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// What it is.
    pub(crate) kind: Kind,
    /// Sign: negative.
    pub(crate) sign: bool,
    /// Exponent of the first bit of the significand.
    pub(crate) exp: i32,
    /// Significand, its first bit at the top; of a NaN: integer bit and payload.
    pub(crate) sig: u128,
    /// Whether the pattern is a denormal (also a pseudo-denormal).
    pub(crate) denormal: bool,
}

impl Number {
    pub(crate) const fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::Quiet | Kind::Signaling)
    }

    pub(crate) const fn zero(sign: bool) -> Self {
        Self {
            kind: Kind::Zero,
            sign,
            exp: 0,
            sig: 0,
            denormal: false,
        }
    }

    /// `sig` times two to the power of `exp` - 127; normalizes.
    pub(crate) const fn scaled(sign: bool, exp: i32, sig: u128) -> Self {
        if sig == 0 {
            return Self::zero(sign);
        }
        let shift = sig.leading_zeros();
        Self {
            kind: Kind::Finite,
            sign,
            exp: exp - shift as i32,
            sig: sig << shift,
            denormal: false,
        }
    }
}

impl Format {
    const fn stored(self) -> u32 {
        self.precision - !self.explicit as u32
    }

    /// Exponent of the smallest normal number.
    pub(crate) const fn emin(self) -> i32 {
        2 - (1 << (self.exponent_bits - 1))
    }

    /// Exponent of the largest finite number, and the bias.
    pub(crate) const fn emax(self) -> i32 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    const fn exponent_mask(self) -> u128 {
        (1 << self.exponent_bits) - 1
    }

    /// Position of the sign bit.
    pub(crate) const fn sign_bit(self) -> u32 {
        self.stored() + self.exponent_bits
    }

    /// The same format with results rounded to fewer bits.
    pub(crate) const fn rounded_to(mut self, bits: u32) -> Self {
        self.round_to = bits;
        self
    }

    /// Takes a bit pattern apart.
    pub(crate) const fn unpack(self, bits: u128) -> Number {
        let stored = self.stored();
        let field = bits >> stored & self.exponent_mask();
        let fraction = bits & ((1 << stored) - 1);
        let sign = bits >> self.sign_bit() & 1 != 0;
        let integer = 1_u128 << (self.precision - 1);
        if field == 0 {
            let lowest = self.emin() - (self.precision as i32 - 1);
            let mut number = Number::scaled(sign, lowest + 127, fraction);
            number.denormal = fraction != 0;
            return number;
        }
        let unsupported = self.explicit && fraction & integer == 0;
        let payload = fraction & (integer - 1);
        let kind = if unsupported {
            Kind::Unsupported
        } else if field != self.exponent_mask() {
            Kind::Finite
        } else if payload == 0 {
            Kind::Infinity
        } else if payload & (integer >> 1) != 0 {
            Kind::Quiet
        } else {
            Kind::Signaling
        };
        Number {
            kind,
            sign,
            exp: field as i32 - self.emax(),
            sig: (payload | integer) << (128 - self.precision),
            denormal: false,
        }
    }

    const fn assemble(self, sign: bool, field: u128, significand: u128) -> u128 {
        let stored = if self.explicit {
            significand
        } else {
            significand & ((1 << (self.precision - 1)) - 1)
        };
        (sign as u128) << self.sign_bit() | field << self.stored() | stored
    }

    /// Zero.
    pub(crate) const fn zero(self, sign: bool) -> u128 {
        (sign as u128) << self.sign_bit()
    }

    /// Infinity.
    pub(crate) const fn infinity(self, sign: bool) -> u128 {
        self.assemble(sign, self.exponent_mask(), 1 << (self.precision - 1))
    }

    /// The largest finite number that results are rounded to.
    pub(crate) const fn largest(self, sign: bool) -> u128 {
        let ones = ((1 << self.round_to) - 1) << (self.precision - self.round_to);
        self.assemble(sign, self.exponent_mask() - 1, ones)
    }

    /// The NaN that an invalid operation gives.
    pub(crate) const fn default_nan(self, positive: bool) -> u128 {
        self.assemble(!positive, self.exponent_mask(), 3 << (self.precision - 2))
    }

    /// Packs a NaN of any format, quieted.
    pub(crate) const fn quiet(self, nan: &Number) -> u128 {
        let significand = (nan.sig | 3 << 126) >> (128 - self.precision);
        self.assemble(nan.sign, self.exponent_mask(), significand)
    }
}

/// The first `keep` bits of `sig`, rounded; whether that is inexact, and whether it was rounded up.
const fn cut(sig: u128, keep: i32, sign: bool, rounding: Rounding) -> (u128, bool, bool) {
    let (kept, half, rest) = if keep < 0 {
        (0, false, true)
    } else if keep == 0 {
        (0, sig >> 127 != 0, sig << 1 != 0)
    } else {
        let shift = 128 - keep as u32;
        let rest = sig & ((1 << (shift - 1)) - 1) != 0;
        (sig >> shift, sig >> (shift - 1) & 1 != 0, rest)
    };
    let inexact = half || rest;
    let up = match rounding {
        Rounding::Nearest => half && (rest || kept & 1 != 0),
        Rounding::NearestAway => half,
        Rounding::Down => sign && inexact,
        Rounding::Up => !sign && inexact,
        Rounding::Zero => false,
    };
    (kept + up as u128, inexact, up)
}

/// How far the x87 unit moves the exponent of a result that overflows or underflows unmasked.
const WRAP: i32 = 24576;

/// Rounds a finite number (the last bit of its significand sticky) and packs it.
pub(crate) fn round_pack(f: Format, number: &Number, env: &Env) -> (u128, Flags) {
    if number.kind == Kind::Zero {
        return (f.zero(number.sign), Flags::NONE);
    }
    let Number {
        sign, mut exp, sig, ..
    } = *number;
    let mut flags = Flags::NONE;
    if exp < f.emin() {
        let bits = f.round_to as i32;
        let carries = exp == f.emin() - 1 && cut(sig, bits, sign, env.rounding).0 >> bits != 0;
        let tiny = env.tiny_before_rounding || !carries;
        if !(tiny && env.wrap & Flags::UNDERFLOW.0 != 0) {
            return pack_low(f, number, tiny, env);
        }
        flags |= Flags::UNDERFLOW;
        exp += WRAP;
    }
    let (mut kept, inexact, up) = cut(sig, f.round_to as i32, sign, env.rounding);
    if kept >> f.round_to != 0 {
        kept >>= 1;
        exp += 1;
    }
    if inexact {
        flags |= Flags::INEXACT;
    }
    if up {
        flags |= Flags::ROUNDED_UP;
    }
    if exp > f.emax() {
        if env.wrap & Flags::OVERFLOW.0 == 0 {
            return overflow(f, sign, env);
        }
        if exp - WRAP > f.emax() {
            // Even a wrapped exponent is too large: only FSCALE gets here.
            let flags = Flags::OVERFLOW | Flags::INEXACT | Flags::ROUNDED_UP;
            return (f.infinity(sign), flags);
        }
        flags |= Flags::OVERFLOW;
        exp -= WRAP;
    }
    if exp < f.emin() {
        // Too small, likewise.
        return (f.zero(sign), flags | Flags::INEXACT);
    }
    let significand = kept << (f.precision - f.round_to);
    (
        f.assemble(sign, (exp + f.emax()) as u128, significand),
        flags,
    )
}

fn overflow(f: Format, sign: bool, env: &Env) -> (u128, Flags) {
    let flags = Flags::OVERFLOW | Flags::INEXACT;
    let infinite = match env.rounding {
        Rounding::Nearest | Rounding::NearestAway => true,
        Rounding::Down => sign,
        Rounding::Up => !sign,
        Rounding::Zero => false,
    };
    if infinite {
        (f.infinity(sign), flags | Flags::ROUNDED_UP)
    } else {
        (f.largest(sign), flags)
    }
}

/// A number below the normal range; it may round up into it.
fn pack_low(f: Format, number: &Number, tiny: bool, env: &Env) -> (u128, Flags) {
    let mut flags = if tiny { Flags::TINY } else { Flags::NONE };
    if tiny && env.flush_results {
        return (
            f.zero(number.sign),
            flags | Flags::UNDERFLOW | Flags::INEXACT,
        );
    }
    let keep = (number.exp - f.emin()).saturating_add(f.round_to as i32);
    let (kept, inexact, up) = cut(number.sig, keep, number.sign, env.rounding);
    if inexact {
        flags |= Flags::INEXACT;
        if tiny {
            flags |= Flags::UNDERFLOW;
        }
    }
    if up {
        flags |= Flags::ROUNDED_UP;
    }
    let field = kept >> (f.round_to - 1);
    let significand = kept << (f.precision - f.round_to);
    (f.assemble(number.sign, field, significand), flags)
}
