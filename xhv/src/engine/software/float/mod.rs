//! Floating-point arithmetic in integers: any rounding mode, every exception flag, formats of 16 to 80 bits, on every host.
//!
//! The CPUs of the software engine compute the common case (rounding to nearest, normal operands and results) with the host's
//! own `f32` and `f64` operations; whatever could raise a flag or round otherwise comes here. The x87 unit always does.
//! Results are exact: those of IEEE 754, with the NaN rules of [`NanRule`]. Tests compare with the host CPU bit by bit.
//!
//! | file | what |
//! |---|---|
//! | `format` | formats, unpacking to a [`Number`](format::Number), rounding and packing |
//! | `arith` | add, multiply, divide, square root, fused multiply-add, remainder |
//! | `transcendental` | sine, logarithm, … of the x87 unit |
//! | `host` | the common case by the host's own operations |
//! | `convert` | between formats, from and to integers, rounding to an integer, comparison |
//!
//! Numbers of all formats travel as the low bits of a `u128`.

mod arith;
mod convert;
mod format;
pub(crate) mod host;
#[cfg(all(test, target_arch = "x86_64"))]
mod oracle;
mod transcendental;

pub(crate) use arith::{add, div, fma, mul, remainder, sqrt, sub};
pub(crate) use convert::{compare, convert, from_int, to_int, to_integral};
pub(crate) use format::{F16, F32, F64, F80, Format, Kind, Number, round_pack};
pub(crate) use transcendental::{Transcendental, transcendental};

/// Rounding direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Rounding {
    /// To nearest, ties to even.
    #[default]
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    NearestAway,
}

impl Rounding {
    /// From the two-bit rounding control of the x87 control word and of MXCSR.
    pub(crate) const fn from_rc(rc: u32) -> Self {
        match rc & 3 {
            0 => Self::Nearest,
            1 => Self::Down,
            2 => Self::Up,
            _ => Self::Zero,
        }
    }
}

/// What an operation raised; the low six bits are those of MXCSR and of the x87 status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// Nothing raised.
    pub(crate) const NONE: Self = Self(0);
    /// Invalid operation.
    pub(crate) const INVALID: Self = Self(1);
    /// Denormal operand.
    pub(crate) const DENORMAL: Self = Self(2);
    /// Division of a finite number by zero.
    pub(crate) const ZERO_DIVIDE: Self = Self(4);
    /// Overflow.
    pub(crate) const OVERFLOW: Self = Self(8);
    /// Underflow: tiny and inexact.
    pub(crate) const UNDERFLOW: Self = Self(16);
    /// Inexact.
    pub(crate) const INEXACT: Self = Self(32);
    /// The result is tiny, exact or not: what an unmasked underflow exception asks for.
    pub(crate) const TINY: Self = Self(64);
    /// The magnitude was rounded up (C1 of the x87 status word).
    pub(crate) const ROUNDED_UP: Self = Self(128);

    /// Whether any of `other` is raised.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The exceptions that MXCSR and the x87 status word have bits for.
    pub(crate) const fn sticky(self) -> u8 {
        self.0 & 0x3f
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Which NaN comes out when NaNs go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum NanRule {
    /// The first operand that is a NaN, quieted (Intel SDM vol. 1, table 4-7, SSE).
    #[default]
    First,
    /// The x87 rule: a quiet one before a signaling one, then the larger significand (same table).
    X87,
    /// The first signaling one, else the first quiet one (Arm ARM, `FPProcessNaNs`).
    SignalingFirst,
    /// Always the default NaN (FPCR.DN).
    Default,
}

/// What an operation depends on besides its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Env {
    /// Rounding direction.
    pub(crate) rounding: Rounding,
    /// Denormal operands count as zeros, silently.
    pub(crate) flush_inputs: bool,
    /// Tiny results become zeros and raise underflow and inexact.
    pub(crate) flush_results: bool,
    /// Tininess is detected before rounding (Arm) instead of after (x86).
    pub(crate) tiny_before_rounding: bool,
    /// Overflow and underflow ([`Flags::OVERFLOW`], [`Flags::UNDERFLOW`]) that deliver the result with its exponent wrapped
    /// into range, as the x87 unit does when they are unmasked.
    pub(crate) wrap: u8,
    /// Which NaN comes out.
    pub(crate) nan: NanRule,
    /// The default NaN is positive (Arm) instead of negative (x86).
    pub(crate) positive_nan: bool,
}
