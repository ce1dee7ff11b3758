//! The common case by the host's own operations: rounding to nearest, normal operands, a normal result.
//!
//! Every function answers `None` where it cannot vouch for the result or its flags: then the exact functions of this folder
//! have to be asked. The one exception that a normal result can raise is "inexact", and that is decided in integers
//! (the exact product of two odd significands fits, or does not), so that the host's flags need not be read. A guest
//! whose flag is set already (it stays set) need not know: it passes `sticky`, and the answer may then say `true` without looking.

/// The host's floating-point type of a format, and what can be said of its operations.
pub(crate) trait Host: Copy + PartialEq {
    /// The format's bits as an integer.
    type Bits: Copy;
    /// From its bits.
    fn from_bits(bits: Self::Bits) -> Self;
    /// To its bits.
    fn to_bits(self) -> Self::Bits;
    /// The sum, and whether it is inexact.
    fn add(self, other: Self, sticky: bool) -> Option<(Self, bool)>;
    /// The difference, and whether it is inexact.
    fn sub(self, other: Self, sticky: bool) -> Option<(Self, bool)>;
    /// The product, and whether it is inexact.
    fn mul(self, other: Self, sticky: bool) -> Option<(Self, bool)>;
    /// The quotient, and whether it is inexact.
    fn div(self, other: Self, sticky: bool) -> Option<(Self, bool)>;
    /// The square root, and whether it is inexact.
    fn sqrt(self, sticky: bool) -> Option<(Self, bool)>;
    /// Whether `sum`, finite, is `self + other` exactly.
    fn is_exact_sum(self, other: Self, sum: Self) -> bool;
    /// Whether the normal `product` of two normal numbers is exact.
    fn is_exact_product(self, other: Self, product: Self) -> bool;
    /// Whether the normal `quotient` of two normal numbers is exact.
    fn is_exact_quotient(self, other: Self, quotient: Self) -> bool;
    /// Whether the normal `root` of a normal number is exact.
    fn is_exact_root(self, root: Self) -> bool;
    /// `self * b + c` rounded once, for guests that do not need to know whether it is inexact.
    fn fma(self, b: Self, c: Self) -> Option<Self>;
    /// An integer as a number, and whether it is inexact.
    fn from_i64(value: i64) -> (Self, bool);
    /// The number towards zero as an integer, and whether it is inexact.
    fn to_i64(self) -> Option<(i64, bool)>;
    /// Neither a NaN nor denormal nor infinite.
    fn plain(self) -> bool;
}

macro_rules! host {
    ($float:ident $bits:ident $wide:ident $mantissa:literal) => {
        impl Host for $float {
            type Bits = $bits;

            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                $float::from_bits(bits)
            }

            #[inline(always)]
            fn to_bits(self) -> $bits {
                self.to_bits()
            }

            #[inline(always)]
            fn plain(self) -> bool {
                self.is_normal() || self == 0.0
            }

            #[inline(always)]
            fn add(self, other: Self, sticky: bool) -> Option<(Self, bool)> {
                let sum = self + other;
                if !(self.plain() && other.plain() && (safe(sum) || sum == 0.0)) {
                    return None;
                }
                Some((sum, sticky || !self.is_exact_sum(other, sum)))
            }

            #[inline(always)]
            fn is_exact_sum(self, other: Self, sum: Self) -> bool {
                // The rounding error of a sum is a number of the same format (Knuth's TwoSum).
                let part = sum - self;
                (self - (sum - part)) + (other - part) == 0.0
            }

            #[inline(always)]
            fn sub(self, other: Self, sticky: bool) -> Option<(Self, bool)> {
                Host::add(self, -other, sticky)
            }

            #[inline(always)]
            fn mul(self, other: Self, sticky: bool) -> Option<(Self, bool)> {
                let product = self * other;
                if self.plain() && other.plain() && (self == 0.0 || other == 0.0) {
                    return Some((product, false));
                }
                if !(self.plain() && other.plain() && safe(product)) {
                    return None;
                }
                Some((product, sticky || !self.is_exact_product(other, product)))
            }

            #[inline(always)]
            fn is_exact_product(self, other: Self, _: Self) -> bool {
                // The product of two odd numbers has as many bits as both together, or one less. The hidden bit ends the zeros.
                let zeros = |value: $float| (value.to_bits() | 1 << $mantissa).trailing_zeros();
                // Half of the significand is zero in both: no need to count.
                if (self.to_bits() | other.to_bits()) << ($bits::BITS - $mantissa / 2 - 1) == 0 {
                    return true;
                }
                match zeros(self) + zeros(other) {
                    0..$mantissa => false,
                    $mantissa => (odd(self) * odd(other)) >> ($mantissa + 1) == 0,
                    _ => true,
                }
            }

            #[inline(always)]
            fn div(self, other: Self, sticky: bool) -> Option<(Self, bool)> {
                let quotient = self / other;
                if !(self.plain() && other.plain() && safe(quotient)) {
                    return None;
                }
                Some((quotient, sticky || !self.is_exact_quotient(other, quotient)))
            }

            #[inline(always)]
            fn is_exact_quotient(self, other: Self, quotient: Self) -> bool {
                odd(quotient) * odd(other) == odd(self)
            }

            #[inline(always)]
            fn sqrt(self, sticky: bool) -> Option<(Self, bool)> {
                let root = self.sqrt();
                if !(self.plain() && safe(root)) {
                    return None;
                }
                Some((root, sticky || !self.is_exact_root(root)))
            }

            #[inline(always)]
            fn is_exact_root(self, root: Self) -> bool {
                odd(root) * odd(root) == odd(self)
            }

            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Option<Self> {
                let result = self.mul_add(b, c);
                (self.plain() && b.plain() && c.plain() && safe(result)).then_some(result)
            }

            #[inline(always)]
            fn from_i64(value: i64) -> (Self, bool) {
                let float = value as $float;
                (float, float as i128 != i128::from(value))
            }

            #[inline(always)]
            fn to_i64(self) -> Option<(i64, bool)> {
                // Below 2^63 in magnitude, so that the cast saturates nowhere.
                (self.plain() && self.abs() < 9.0e18).then(|| (self as i64, self != self.trunc()))
            }
        }

        const _: () = {
            /// The significand without its trailing zeros, in an integer that holds a product of two.
            #[inline(always)]
            fn odd_of(value: $float) -> $wide {
                let significand = value.to_bits() & ((1 << $mantissa) - 1) | 1 << $mantissa;
                $wide::from(significand >> significand.trailing_zeros())
            }

            /// Normal, and not at the edge where tininess before and after rounding differ.
            #[inline(always)]
            fn safe_of(value: $float) -> bool {
                let exponent = value.to_bits() << 1 >> ($mantissa + 1);
                exponent.wrapping_sub(2) < ($bits::MAX << ($mantissa + 1) >> ($mantissa + 1)) - 2
            }

            impl Parts for $float {
                type Wide = $wide;
                #[inline(always)]
                fn odd(self) -> $wide {
                    odd_of(self)
                }
                #[inline(always)]
                fn safe(self) -> bool {
                    safe_of(self)
                }
            }
        };
    };
}

/// What the exactness of a result is decided by.
trait Parts: Copy {
    type Wide;
    fn odd(self) -> Self::Wide;
    fn safe(self) -> bool;
}

#[inline(always)]
fn odd<F: Parts>(value: F) -> F::Wide {
    value.odd()
}

#[inline(always)]
fn safe<F: Parts>(value: F) -> bool {
    value.safe()
}

host!(f32 u32 u64 23);
host!(f64 u64 u128 52);

/// A double as a single, and whether that is inexact.
#[inline(always)]
pub(crate) fn narrow(value: f64) -> Option<(f32, bool)> {
    let single = value as f32;
    (value.plain() && (safe(single) || value == 0.0)).then(|| (single, f64::from(single) != value))
}

/// A single as a double: always exact.
#[inline(always)]
pub(crate) fn widen(value: f32) -> Option<f64> {
    value.plain().then(|| value.into())
}

#[cfg(test)]
mod tests {
    use super::super::{self as float, Env, F32, F64, Flags};
    use super::*;

    fn numbers() -> Vec<f64> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut all = vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            1.5,
            3.0,
            0.1,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
            f64::NAN,
            9.0e18,
            1e300,
            1e-300,
        ];
        for n in 0..400 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Few significant bits for half of them, so that exact results are met.
            let keep = if n % 2 == 0 { !0 } else { !0 << 40 };
            all.push(f64::from_bits(
                (seed & 0x000f_ffff_ffff_ffff | (1003 + seed % 40) << 52) & keep,
            ));
        }
        all
    }

    fn same(what: &str, fast: Option<(u128, bool)>, (bits, flags): (u128, Flags)) -> usize {
        let Some((result, inexact)) = fast else {
            return 0;
        };
        assert_eq!(result, bits, "{what}");
        assert_eq!(inexact, flags.has(Flags::INEXACT), "{what}");
        assert_eq!(
            flags.sticky() & !Flags::INEXACT.0,
            0,
            "{what}: another flag"
        );
        1
    }

    /// Whatever the host vouches for is what the exact functions say.
    #[test]
    fn agrees_with_the_exact_functions() {
        let (all, env) = (numbers(), Env::default());
        let mut vouched = 0;
        for &a in &all {
            for &b in &all {
                let (x, y) = (u128::from(a.to_bits()), u128::from(b.to_bits()));
                let bits = |fast: Option<(f64, bool)>| {
                    fast.map(|(result, inexact)| (result.to_bits().into(), inexact))
                };
                vouched += same(
                    "add",
                    bits(Host::add(a, b, false)),
                    float::add(F64, x, y, &env),
                );
                vouched += same(
                    "sub",
                    bits(Host::sub(a, b, false)),
                    float::sub(F64, x, y, &env),
                );
                vouched += same(
                    "mul",
                    bits(Host::mul(a, b, false)),
                    float::mul(F64, x, y, &env),
                );
                vouched += same(
                    "div",
                    bits(Host::div(a, b, false)),
                    float::div(F64, x, y, &env),
                );
                let (a, b) = (a as f32, b as f32);
                let (x, y) = (u128::from(a.to_bits()), u128::from(b.to_bits()));
                let bits = |fast: Option<(f32, bool)>| {
                    fast.map(|(result, inexact)| (result.to_bits().into(), inexact))
                };
                vouched += same(
                    "add single",
                    bits(Host::add(a, b, false)),
                    float::add(F32, x, y, &env),
                );
                vouched += same(
                    "sub single",
                    bits(Host::sub(a, b, false)),
                    float::sub(F32, x, y, &env),
                );
                vouched += same(
                    "mul single",
                    bits(Host::mul(a, b, false)),
                    float::mul(F32, x, y, &env),
                );
                vouched += same(
                    "div single",
                    bits(Host::div(a, b, false)),
                    float::div(F32, x, y, &env),
                );
            }
            let x = u128::from(a.to_bits());
            let root = Host::sqrt(a, false).map(|(root, inexact)| (root.to_bits().into(), inexact));
            vouched += same("sqrt", root, float::sqrt(F64, x, &env));
            let single = narrow(a).map(|(single, inexact)| (single.to_bits().into(), inexact));
            vouched += same("narrow", single, float::convert(F64, F32, x, &env));
        }
        assert!(vouched > 1_000_000, "{vouched}");
    }
}
