//! What floating-point operations depend on and leave behind: FPCR, FPSR, and the arithmetic of one element under them.
//!
//! The common case is the host's (`float::host`); everything else is exact (`float`). Arm ARM, shared/functions/float.

use core::cmp::Ordering;

use super::super::cpu::Cpu;
use crate::engine::software::float::host::{self, Host};
use crate::engine::software::float::{self, Env, F16, F32, F64, Flags, Format, NanRule, Rounding};

/// Invalid operation.
pub(crate) const IOC: u64 = 1;
const DZC: u64 = 1 << 1;
const OFC: u64 = 1 << 2;
const UFC: u64 = 1 << 3;
const IXC: u64 = 1 << 4;
const IDC: u64 = 1 << 7;
/// Cumulative saturation.
pub(crate) const QC: u64 = 1 << 27;

const RMODE: u64 = 3 << 22;
const FZ: u64 = 1 << 24;
const DN: u64 = 1 << 25;

/// An element that is a floating-point number, as its bits.
pub(crate) trait Fp: super::lanes::Lane {
    /// The host's type.
    type Host: Host<Bits = Self>;
    /// Its format.
    const FORMAT: Format;
    /// Two, and one and a half.
    const TWO: Self;
    const ONE_AND_HALF: Self;
    /// Significand bits without the hidden one.
    const FRACTION: u32;
}

impl Fp for u32 {
    type Host = f32;
    const FORMAT: Format = F32;
    const TWO: Self = 2.0_f32.to_bits();
    const ONE_AND_HALF: Self = 1.5_f32.to_bits();
    const FRACTION: u32 = 23;
}

impl Fp for u64 {
    type Host = f64;
    const FORMAT: Format = F64;
    const TWO: Self = 2.0_f64.to_bits();
    const ONE_AND_HALF: Self = 1.5_f64.to_bits();
    const FRACTION: u32 = 52;
}

/// `FPCR.RMode`
pub(crate) fn rounding(fpcr: u64) -> Rounding {
    match fpcr >> 22 & 3 {
        0 => Rounding::Nearest,
        1 => Rounding::Up,
        2 => Rounding::Down,
        _ => Rounding::Zero,
    }
}

fn env(fpcr: u64, rounding: Rounding) -> Env {
    Env {
        rounding,
        flush_inputs: fpcr & FZ != 0,
        flush_results: fpcr & FZ != 0,
        tiny_before_rounding: true,
        wrap: 0,
        nan: if fpcr & DN != 0 {
            NanRule::Default
        } else {
            NanRule::SignalingFirst
        },
        positive_nan: true,
    }
}

#[inline(always)]
fn wide<T: Fp>(bits: T) -> u128 {
    bits.unsigned() as u128
}

#[inline(always)]
fn narrow<T: Fp>(bits: u128) -> T {
    T::cut(bits as i128)
}

/// A NaN.
#[inline(always)]
pub(crate) fn is_nan<T: Fp>(bits: T) -> bool {
    bits.shl(1) > exponent::<T>().shl(1)
}

fn is_denormal<T: Fp>(bits: T) -> bool {
    let magnitude = bits.shl(1).shr(1);
    magnitude != T::default() && magnitude.shr(T::FRACTION) == T::default()
}

/// The exponent field, all ones.
fn exponent<T: Fp>() -> T {
    T::ONES.shr(1).shr(T::FRACTION).shl(T::FRACTION)
}

/// The sign bit.
#[inline(always)]
pub(crate) fn sign<T: Fp>() -> T {
    T::cut(1).shl(T::BITS - 1)
}

/// `-x`
#[inline(always)]
pub(crate) fn negate<T: Fp>(bits: T) -> T {
    T::cut(bits.unsigned() ^ sign::<T>().unsigned())
}

/// `|x|`
#[inline(always)]
pub(crate) fn absolute<T: Fp>(bits: T) -> T {
    bits.shl(1).shr(1)
}

/// An operation in integers.
type Arithmetic = fn(Format, u128, u128, &Env) -> (u128, Flags);
/// The same by the host.
type HostArithmetic<T> =
    fn(<T as Fp>::Host, <T as Fp>::Host, bool) -> Option<(<T as Fp>::Host, bool)>;

impl Cpu {
    /// Rounding to nearest, denormals kept: what the host's operations do.
    #[inline(always)]
    fn host_rounds(&self) -> bool {
        self.fpcr & (RMODE | FZ) == 0
    }

    #[inline(always)]
    fn inexact_known(&self) -> bool {
        self.fpsr & IXC != 0
    }

    #[inline(always)]
    fn inexact(&mut self, inexact: bool) {
        self.fpsr |= u64::from(inexact) << 4;
    }

    /// Adds to the cumulative flags what an exact operation on `operands` raised.
    #[cold]
    fn raised<T: Fp>(&mut self, flags: Flags, operands: &[T]) {
        let mut add = 0;
        for (flag, bit) in [
            (Flags::INVALID, IOC),
            (Flags::ZERO_DIVIDE, DZC),
            (Flags::OVERFLOW, OFC),
            (Flags::UNDERFLOW, UFC),
            (Flags::INEXACT, IXC),
        ] {
            if flags.has(flag) {
                add |= bit;
            }
        }
        if self.fpcr & FZ != 0 {
            if operands.iter().any(|&operand| is_denormal(operand)) {
                add |= IDC;
            }
            // A result that is flushed to zero raises underflow alone.
            if flags.has(Flags::UNDERFLOW) {
                add &= !IXC;
            }
        }
        self.fpsr |= add;
    }

    #[inline(never)]
    fn exact2<T: Fp>(&mut self, f: Arithmetic, a: T, b: T) -> T {
        let env = env(self.fpcr, rounding(self.fpcr));
        let (bits, flags) = f(T::FORMAT, wide(a), wide(b), &env);
        self.raised(flags, &[a, b]);
        narrow(bits)
    }

    /// By the host if it can vouch for the result, else exactly.
    #[inline(always)]
    fn arithmetic<T: Fp>(&mut self, host: HostArithmetic<T>, exact: Arithmetic, a: T, b: T) -> T {
        if self.host_rounds()
            && let Some((result, inexact)) = host(
                T::Host::from_bits(a),
                T::Host::from_bits(b),
                self.inexact_known(),
            )
        {
            self.inexact(inexact);
            return result.to_bits();
        }
        self.exact2(exact, a, b)
    }

    /// FADD
    #[inline(always)]
    pub(crate) fn fadd<T: Fp>(&mut self, a: T, b: T) -> T {
        self.arithmetic(Host::add, float::add, a, b)
    }

    /// FSUB
    #[inline(always)]
    pub(crate) fn fsub<T: Fp>(&mut self, a: T, b: T) -> T {
        self.arithmetic(Host::sub, float::sub, a, b)
    }

    /// FMUL
    #[inline(always)]
    pub(crate) fn fmul<T: Fp>(&mut self, a: T, b: T) -> T {
        self.arithmetic(Host::mul, float::mul, a, b)
    }

    /// FDIV
    #[inline(always)]
    pub(crate) fn fdiv<T: Fp>(&mut self, a: T, b: T) -> T {
        self.arithmetic(Host::div, float::div, a, b)
    }

    /// FSQRT
    pub(crate) fn fsqrt<T: Fp>(&mut self, a: T) -> T {
        if self.host_rounds()
            && let Some((root, inexact)) = T::Host::from_bits(a).sqrt(self.inexact_known())
        {
            self.inexact(inexact);
            return root.to_bits();
        }
        let (bits, flags) = float::sqrt(T::FORMAT, wide(a), &env(self.fpcr, rounding(self.fpcr)));
        self.raised(flags, &[a]);
        narrow(bits)
    }

    /// `a * b + c` in one rounding: FMADD. NaNs are considered in the order c, a, b (`FPProcessNaNs3`).
    #[inline(always)]
    pub(crate) fn fma<T: Fp>(&mut self, a: T, b: T, c: T) -> T {
        if self.host_rounds() {
            let [x, y, z] = [a, b, c].map(T::Host::from_bits);
            let known = self.inexact_known();
            if let Some((product, false)) = x.mul(y, false)
                && let Some((result, inexact)) = product.add(z, known)
            {
                self.inexact(inexact);
                return result.to_bits();
            }
            if known && let Some(result) = x.fma(y, z) {
                return result.to_bits();
            }
        }
        self.fma_exact(a, b, c)
    }

    #[inline(never)]
    fn fma_exact<T: Fp>(&mut self, a: T, b: T, c: T) -> T {
        let env = env(self.fpcr, rounding(self.fpcr));
        // FPMulAdd: zero times infinity is invalid even with a quiet NaN as addend, and gives the default NaN.
        let product_invalid = |x: T, y: T| absolute(x) == exponent::<T>() && self.zero(y);
        if (product_invalid(a, b) || product_invalid(b, a))
            && is_nan(c)
            && c.shl(T::BITS - T::FRACTION).shr(T::BITS - 1) != T::default()
        {
            self.fpsr |= IOC;
            return narrow(T::FORMAT.default_nan(true));
        }
        let (bits, flags) = float::fma(T::FORMAT, [wide(a), wide(b), wide(c)], [2, 0, 1], &env);
        self.raised(flags, &[a, b, c]);
        narrow(bits)
    }

    /// Zero, or a denormal number that counts as zero.
    fn zero<T: Fp>(&self, bits: T) -> bool {
        absolute(bits) == T::default() || (self.fpcr & FZ != 0 && is_denormal(bits))
    }

    /// FMULX: zero times infinity is two.
    pub(crate) fn fmulx<T: Fp>(&mut self, a: T, b: T) -> T {
        let infinite = |x: T| absolute(x) == exponent::<T>();
        if (infinite(a) && self.zero(b)) || (infinite(b) && self.zero(a)) {
            if is_denormal(a) || is_denormal(b) {
                self.fpsr |= IDC;
            }
            let negative = (a.signed() < 0) != (b.signed() < 0);
            return if negative { negate(T::TWO) } else { T::TWO };
        }
        self.fmul(a, b)
    }

    /// FMAX, FMIN: a NaN operand wins.
    pub(crate) fn fminmax<T: Fp>(&mut self, a: T, b: T, max: bool) -> T {
        if is_nan(a) || is_nan(b) {
            // The sum has the NaN and the flags that are wanted.
            return self.exact2(float::add, a, b);
        }
        let (a, b) = (self.flushed(a), self.flushed(b));
        // Numbers in sign and magnitude, ordered as integers; minus zero is below plus zero.
        let key = |x: T| {
            if x.signed() < 0 {
                -absolute(x).unsigned() - 1
            } else {
                x.unsigned()
            }
        };
        if (key(a) > key(b)) == max { a } else { b }
    }

    /// FMAXNM, FMINNM: a number wins over a quiet NaN.
    pub(crate) fn fminmax_number<T: Fp>(&mut self, a: T, b: T, max: bool) -> T {
        let quiet = |x: T| is_nan(x) && x.shr(T::FRACTION - 1).unsigned() & 1 == 1;
        let infinity = exponent::<T>();
        let worst = if max { negate(infinity) } else { infinity };
        match (quiet(a), quiet(b)) {
            (true, false) if !is_nan(b) => self.fminmax(worst, b, max),
            (false, true) if !is_nan(a) => self.fminmax(a, worst, max),
            _ => self.fminmax(a, b, max),
        }
    }

    /// A denormal operand under FPCR.FZ is a zero.
    fn flushed<T: Fp>(&mut self, bits: T) -> T {
        if self.fpcr & FZ != 0 && is_denormal(bits) {
            self.fpsr |= IDC;
            return T::cut(bits.unsigned() & sign::<T>().unsigned());
        }
        bits
    }

    /// Compares: `None` is unordered. `signaling` comparisons raise invalid for every NaN.
    #[inline(always)]
    pub(crate) fn fcompare<T: Fp>(&mut self, a: T, b: T, signaling: bool) -> Option<Ordering> {
        let (x, y) = (T::Host::from_bits(a), T::Host::from_bits(b));
        if x.plain() && y.plain() {
            let key = |v: T| {
                if v.signed() < 0 {
                    -absolute(v).unsigned()
                } else {
                    v.unsigned()
                }
            };
            return Some(key(a).cmp(&key(b)));
        }
        self.fcompare_exact(a, b, signaling)
    }

    #[inline(never)]
    fn fcompare_exact<T: Fp>(&mut self, a: T, b: T, signaling: bool) -> Option<Ordering> {
        let env = env(self.fpcr, Rounding::Nearest);
        let (order, flags) = float::compare(T::FORMAT, wide(a), wide(b), signaling, &env);
        self.raised(flags, &[a, b]);
        order
    }

    /// Rounds to an integer; inexact is raised only if `exact` (FRINTX).
    pub(crate) fn fround<T: Fp>(&mut self, a: T, rounding: Rounding, exact: bool) -> T {
        let (bits, flags) = float::to_integral(T::FORMAT, wide(a), &env(self.fpcr, rounding));
        let flags = if exact {
            flags
        } else {
            Flags(flags.0 & !Flags::INEXACT.0)
        };
        self.raised(flags, &[a]);
        narrow(bits)
    }

    /// Converts to an integer of `width` bits, saturating; `fraction` bits behind the binary point are kept.
    pub(crate) fn fto_int<T: Fp>(
        &mut self,
        a: T,
        width: u32,
        signed: bool,
        rounding: Rounding,
        fraction: u32,
    ) -> u64 {
        if fraction == 0
            && rounding == Rounding::Zero
            && self.host_rounds()
            && let Some((value, inexact)) = T::Host::from_bits(a).to_i64()
        {
            let (low, high) = limits(width, signed);
            if (low..=high).contains(&i128::from(value)) {
                self.inexact(inexact);
                return value as u64 & u64::MAX >> (64 - width);
            }
        }
        self.fto_int_exact(a, width, signed, rounding, fraction)
    }

    #[inline(never)]
    fn fto_int_exact<T: Fp>(
        &mut self,
        a: T,
        width: u32,
        signed: bool,
        rounding: Rounding,
        fraction: u32,
    ) -> u64 {
        let env = env(self.fpcr, rounding);
        // Scaling by a power of two is exact; to infinity where the result saturates anyway.
        let a64 = if T::BITS == 32 {
            float::convert(
                F32,
                F64,
                wide(a),
                &Env {
                    nan: NanRule::First,
                    ..env
                },
            )
            .0
        } else {
            wide(a)
        };
        let (scaled, _) = match fraction {
            _ if self.zero(a) => (wide(a), Flags::NONE),
            0 => (a64, Flags::NONE),
            fraction => {
                let factor = u128::from((1023 + u64::from(fraction)) << 52);
                float::mul(
                    F64,
                    a64,
                    factor,
                    &Env {
                        flush_inputs: false,
                        flush_results: false,
                        ..env
                    },
                )
            }
        };
        if self.zero(a) {
            self.raised(Flags::NONE, &[a]);
            return 0;
        }
        let (value, flags) = float::to_int(F64, scaled, width, signed, &env);
        self.raised(flags, &[a]);
        let value = value.unwrap_or_else(|| {
            let (low, high) = limits(width, signed);
            match () {
                () if is_nan(a) => 0,
                () if a.signed() < 0 => low,
                () => high,
            }
        });
        value as u64 & u64::MAX >> (64 - width)
    }

    /// Converts an integer that has `fraction` bits behind the binary point.
    pub(crate) fn ffrom_int<T: Fp>(&mut self, value: i128, fraction: u32) -> T {
        if fraction == 0
            && self.host_rounds()
            && let Ok(value) = i64::try_from(value)
        {
            let (result, inexact) = T::Host::from_i64(value);
            self.inexact(inexact);
            return result.to_bits();
        }
        let env = env(self.fpcr, rounding(self.fpcr));
        let (bits, flags) = float::from_int(T::FORMAT, value, &env);
        self.raised::<T>(flags, &[]);
        if value == 0 {
            return narrow(bits);
        }
        // The exponent is so far from both ends that scaling is a subtraction.
        narrow::<T>(bits).sub(T::cut(i128::from(fraction)).shl(T::FRACTION))
    }

    /// FCVT between single and double precision.
    pub(crate) fn fconvert<A: Fp, B: Fp>(&mut self, a: A) -> B {
        if A::BITS == 64 && self.host_rounds() {
            if let Some((result, inexact)) = host::narrow(f64::from_bits(a.unsigned() as u64)) {
                self.inexact(inexact);
                return B::cut(i128::from(result.to_bits()));
            }
        } else if A::BITS == 32
            && let Some(result) = host::widen(f32::from_bits(a.unsigned() as u32))
        {
            return B::cut(i128::from(result.to_bits()));
        }
        let (bits, flags) = float::convert(
            A::FORMAT,
            B::FORMAT,
            wide(a),
            &env(self.fpcr, rounding(self.fpcr)),
        );
        self.raised(flags, &[a]);
        narrow(bits)
    }

    /// FCVTXN: double to single with rounding to odd, so that a later rounding is not a second one.
    pub(crate) fn fconvert_odd(&mut self, a: u64) -> u32 {
        let env = env(self.fpcr, Rounding::Zero);
        let (bits, flags) = float::convert(F64, F32, a.into(), &env);
        self.raised(flags, &[a]);
        let odd =
            flags.has(Flags::INEXACT) && !(self.fpcr & FZ != 0 && flags.has(Flags::UNDERFLOW));
        bits as u32 | u32::from(odd)
    }

    /// FCVT from half precision (FPCR.AHP is taken as zero).
    pub(crate) fn ffrom_half<T: Fp>(&mut self, half: u16) -> T {
        let env = Env {
            flush_inputs: false,
            ..env(self.fpcr, rounding(self.fpcr))
        };
        let (bits, flags) = float::convert(F16, T::FORMAT, half.into(), &env);
        self.raised::<T>(flags, &[]);
        narrow(bits)
    }

    /// FCVT to half precision (FPCR.AHP is taken as zero).
    pub(crate) fn fto_half<T: Fp>(&mut self, a: T) -> u16 {
        // FPCR.FZ does not flush half-precision results.
        let env = Env {
            flush_results: false,
            ..env(self.fpcr, rounding(self.fpcr))
        };
        let (bits, flags) = float::convert(T::FORMAT, F16, wide(a), &env);
        self.raised(flags, &[a]);
        if flags.has(Flags::UNDERFLOW) {
            self.fpsr |= IXC;
        }
        bits as u16
    }
}

fn limits(width: u32, signed: bool) -> (i128, i128) {
    if signed {
        (-(1_i128 << (width - 1)), (1_i128 << (width - 1)) - 1)
    } else {
        (0, (1_i128 << width) - 1)
    }
}
