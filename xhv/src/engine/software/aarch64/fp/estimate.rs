//! Reciprocal and square root estimates and their Newton steps, bit by bit as the manual has them
//! (Arm ARM, shared/functions/float: FPRecipEstimate, FPRSqrtEstimate, FPRecipStepFused, FPRSqrtStepFused, FPRecpX).

use super::super::cpu::Cpu;
use super::env::{Fp, absolute, is_nan, negate};
use crate::engine::software::float::{F32, F64, Format};

/// `RecipEstimate`: of a number from 256 to 511, standing for 0.5 to 1, an estimate from 256 to 511.
fn reciprocal(a: u32) -> u32 {
    let a = a * 2 + 1;
    ((1 << 19) / a).div_ceil(2)
}

/// `RecipSqrtEstimate`: of a number from 128 to 511, standing for 0.25 to 1, an estimate from 256 to 511.
fn reciprocal_root(a: u32) -> u32 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        (a >> 1 << 1 | 1) * 2
    };
    let mut b = 512_u64;
    while u64::from(a) * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2) as u32
}

/// URECPE of one element.
pub(crate) fn unsigned_reciprocal(a: u32) -> u32 {
    if a >> 31 == 0 {
        u32::MAX
    } else {
        reciprocal(a >> 23) << 23
    }
}

/// URSQRTE of one element.
pub(crate) fn unsigned_reciprocal_root(a: u32) -> u32 {
    if a >> 30 == 0 {
        u32::MAX
    } else {
        reciprocal_root(a >> 23) << 23
    }
}

fn parts<T: Fp>(value: T) -> (u64, i64) {
    let bits = absolute(value).unsigned() as u64;
    // The fraction as that of a double.
    let fraction = bits << (64 - T::FRACTION) >> 12;
    (fraction, (bits >> T::FRACTION) as i64)
}

fn assemble<T: Fp>(negative: bool, exponent: i64, fraction: u64) -> T {
    let bits = (exponent as u64) << T::FRACTION | fraction >> (52 - T::FRACTION);
    let value = T::cut(bits.into());
    if negative { negate(value) } else { value }
}

/// Bias of the exponent.
fn bias<T: Fp>() -> i64 {
    (1 << (T::BITS - T::FRACTION - 2)) - 1
}

fn infinity<T: Fp>(negative: bool) -> T {
    assemble(negative, 2 * bias::<T>() + 1, 0)
}

const FRACTION: u64 = (1 << 52) - 1;

impl Cpu {
    /// A NaN operand as the result of an operation that has no other.
    fn fnan<T: Fp>(&mut self, a: T) -> T {
        self.fadd(a, a)
    }

    fn default_nan<T: Fp>(format: Format) -> T {
        T::cut(format.default_nan(true) as i128)
    }

    fn flushes(&self) -> bool {
        self.fpcr & 1 << 24 != 0
    }

    /// FRECPE
    pub(crate) fn frecpe<T: Fp>(&mut self, a: T) -> T {
        let negative = a.signed() < 0;
        let (mut fraction, mut exponent) = parts(a);
        let top = 2 * bias::<T>() + 1;
        if is_nan(a) {
            return self.fnan(a);
        }
        if exponent == top {
            return assemble(negative, 0, 0);
        }
        if exponent == 0 && (fraction == 0 || self.flushes()) {
            self.fpsr |= if fraction == 0 { 0 } else { 1 << 7 };
            self.fpsr |= 1 << 1;
            return infinity(negative);
        }
        if exponent == 0 && fraction >> 50 == 0 {
            // Below 2^-(bias + 1): too small for a finite reciprocal.
            self.fpsr |= 1 << 2 | 1 << 4;
            let away = match self.fpcr >> 22 & 3 {
                0 => true,
                1 => !negative,
                2 => negative,
                _ => false,
            };
            return if away {
                infinity(negative)
            } else {
                assemble(negative, top - 1, FRACTION)
            };
        }
        if self.flushes() && exponent >= 2 * bias::<T>() - 1 {
            self.fpsr |= 1 << 3;
            return assemble(negative, 0, 0);
        }
        if exponent == 0 {
            if fraction >> 51 == 0 {
                exponent = -1;
                fraction = fraction << 2 & FRACTION;
            } else {
                fraction = fraction << 1 & FRACTION;
            }
        }
        let estimate = reciprocal((0x100 | fraction >> 44) as u32);
        let mut result = 2 * bias::<T>() - 1 - exponent;
        let mut fraction = u64::from(estimate & 0xff) << 44;
        if result == 0 {
            fraction = 1 << 51 | fraction >> 1;
        } else if result == -1 {
            fraction = 1 << 50 | fraction >> 2;
            result = 0;
        }
        assemble(negative, result, fraction)
    }

    /// FRSQRTE
    pub(crate) fn frsqrte<T: Fp>(&mut self, a: T) -> T {
        let negative = a.signed() < 0;
        let (mut fraction, mut exponent) = parts(a);
        let top = 2 * bias::<T>() + 1;
        if is_nan(a) {
            return self.fnan(a);
        }
        if exponent == 0 && (fraction == 0 || self.flushes()) {
            self.fpsr |= if fraction == 0 { 0 } else { 1 << 7 };
            self.fpsr |= 1 << 1;
            return infinity(negative);
        }
        if negative {
            self.fpsr |= 1;
            return Self::default_nan(if T::BITS == 32 { F32 } else { F64 });
        }
        if exponent == top {
            return T::default();
        }
        if exponent == 0 {
            while fraction >> 51 == 0 {
                fraction = fraction << 1 & FRACTION;
                exponent -= 1;
            }
            fraction = fraction << 1 & FRACTION;
        }
        let scaled = if exponent & 1 == 0 {
            0x100 | fraction >> 44
        } else {
            0x80 | fraction >> 45
        };
        let estimate = reciprocal_root(scaled as u32);
        let result = (3 * bias::<T>() - 1 - exponent).div_euclid(2);
        assemble(false, result, u64::from(estimate & 0xff) << 44)
    }

    /// FRECPX
    pub(crate) fn frecpx<T: Fp>(&mut self, a: T) -> T {
        if is_nan(a) {
            return self.fnan(a);
        }
        let (fraction, exponent) = parts(a);
        let top = 2 * bias::<T>() + 1;
        if exponent == 0 && fraction != 0 && self.flushes() {
            self.fpsr |= 1 << 7;
        }
        let result = if exponent == 0 {
            top - 1
        } else {
            top ^ exponent
        };
        assemble(a.signed() < 0, result, 0)
    }

    /// FRECPS: `2 - a * b` in one rounding.
    pub(crate) fn frecps<T: Fp>(&mut self, a: T, b: T) -> T {
        if is_nan(a) || is_nan(b) {
            return self.fadd(negate(a), b);
        }
        if self.infinity_by_zero(a, b) {
            return T::TWO;
        }
        self.fma(negate(a), b, T::TWO)
    }

    /// FRSQRTS: `(3 - a * b) / 2` in one rounding.
    pub(crate) fn frsqrts<T: Fp>(&mut self, a: T, b: T) -> T {
        if is_nan(a) || is_nan(b) {
            return self.fadd(negate(a), b);
        }
        if self.infinity_by_zero(a, b) {
            return T::ONE_AND_HALF;
        }
        // Half of the larger factor is exact; if both are so small that it is not, the product vanishes beside 1.5.
        let (large, small) = if absolute(a) > absolute(b) {
            (a, b)
        } else {
            (b, a)
        };
        let half = self.scaled_down(large);
        self.fma(negate(half), small, T::ONE_AND_HALF)
    }

    /// Half of a number, by its exponent where that is exact.
    fn scaled_down<T: Fp>(&mut self, value: T) -> T {
        let (_, exponent) = parts(value);
        if exponent > 1 && exponent <= 2 * bias::<T>() {
            return value.sub(T::cut(1).shl(T::FRACTION));
        }
        value
    }

    /// Whether one is infinite and the other zero, or counts as zero.
    fn infinity_by_zero<T: Fp>(&mut self, a: T, b: T) -> bool {
        let infinite = |x: T| absolute(x) == infinity::<T>(false);
        let zero = |x: T| absolute(x) == T::default() || (self.flushes() && parts(x).1 == 0);
        let is = (infinite(a) && zero(b)) || (infinite(b) && zero(a));
        let denormal = |x: T| absolute(x) != T::default() && parts(x).1 == 0;
        if is && (denormal(a) || denormal(b)) {
            self.fpsr |= 1 << 7;
        }
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_the_manuals() {
        // The ends of the tables: 0.5 and just below 1.
        assert_eq!((reciprocal(256), reciprocal(511)), (511, 256));
        assert_eq!((reciprocal_root(128), reciprocal_root(511)), (511, 256));
        assert_eq!(unsigned_reciprocal(0x7fff_ffff), u32::MAX);
        assert_eq!(unsigned_reciprocal(0x8000_0000), 0xff80_0000);
    }
}
