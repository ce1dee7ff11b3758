//! Floating point under MXCSR: what an instruction's lanes raise together, and the way back to the guest as #XM.
//!
//! Arithmetic tries the host's `f32` and `f64` first (`float::Host`), which vouch for result and exactness in the common case. All
//! else is computed exactly in integers.

use core::ops;

use bytemuck::{cast, cast_mut, cast_ref};

use super::super::cpu::Cpu;
use crate::engine::software::dispatch::Stop;
use crate::engine::software::float::host::Host;
use crate::engine::software::float::{self, Env, F32, F64, Flags, Format, NanRule, Rounding};
use crate::engine::software::memory::Scalar;

/// Bits of MXCSR.
pub(super) const INEXACT: u32 = 0x20;
const DAZ: u32 = 0x40;
const MASK_SHIFT: u32 = 7;
const ROUNDING: u32 = 0x6000;
const FTZ: u32 = 0x8000;
/// CR4.OSXMMEXCPT in `Mode::fp`.
const OSXMMEXCPT: u8 = 16;

/// Floating-point context of one instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) env: Env,
    pub(super) flags: Flags,
    /// Rounding is to nearest: the host may be tried.
    pub(super) host: bool,
    /// "Inexact" is already set, so that nobody has to find out.
    pub(super) sticky: bool,
}

impl Context {
    #[inline(always)]
    pub(super) fn new(mxcsr: u32) -> Self {
        let masks = mxcsr >> MASK_SHIFT;
        let underflow_masked = masks & u32::from(Flags::UNDERFLOW.0) != 0;
        Self {
            env: Env {
                rounding: Rounding::from_rc(mxcsr >> 13),
                flush_inputs: mxcsr & DAZ != 0,
                flush_results: mxcsr & FTZ != 0 && underflow_masked,
                nan: NanRule::First,
                ..Env::default()
            },
            flags: Flags::NONE,
            host: mxcsr & ROUNDING == 0,
            // With the exception unmasked it has to be known.
            sticky: mxcsr & (INEXACT | INEXACT << MASK_SHIFT) == INEXACT | INEXACT << MASK_SHIFT,
        }
    }

    #[inline(always)]
    pub(super) fn inexact(&mut self, inexact: bool) {
        if inexact && !self.sticky {
            self.flags |= Flags::INEXACT;
        }
    }

    /// Notes the flags of a result.
    #[inline(always)]
    pub(super) fn take(&mut self, (bits, flags): (u128, Flags)) -> u128 {
        self.flags |= flags;
        bits
    }
}

impl Cpu {
    /// The context of a floating-point instruction.
    #[inline(always)]
    pub(super) fn float(&self) -> Context {
        Context::new(self.fpu.mxcsr)
    }

    /// Puts what an instruction raised into MXCSR. If something of it is unmasked, raises the exception: the instruction must
    /// not deliver its result then.
    #[inline(always)]
    pub(super) fn settle(&mut self, context: &Context) -> Result<(), Stop> {
        if context.flags.0 == 0 {
            return Ok(());
        }
        self.settle_flags(context.flags)
    }

    fn settle_flags(&mut self, mut flags: Flags) -> Result<(), Stop> {
        let enabled = !(self.fpu.mxcsr >> MASK_SHIFT) as u8 & 0x3f;
        let before = flags.sticky() & 7;
        if before & enabled != 0 {
            // Found before the operation: nothing is computed.
            self.fpu.mxcsr |= u32::from(before);
            return Err(self.simd_exception());
        }
        if flags.has(Flags::TINY) && enabled & Flags::UNDERFLOW.0 != 0 {
            flags |= Flags::UNDERFLOW;
        }
        self.fpu.mxcsr |= u32::from(flags.sticky());
        if flags.sticky() & enabled != 0 {
            return Err(self.simd_exception());
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn simd_exception(&mut self) -> Stop {
        if self.mode.fp & OSXMMEXCPT != 0 {
            self.xm()
        } else {
            self.ud()
        }
    }
}

/// Whether a guest needs to know nothing but results as long as only "inexact" can be raised: that is set already and masked, and
/// rounding is to nearest.
#[inline(always)]
pub(super) fn quiet(mxcsr: u32) -> bool {
    mxcsr & (ROUNDING | INEXACT | INEXACT << MASK_SHIFT) == INEXACT | INEXACT << MASK_SHIFT
}

/// Whether rounding is to nearest: then nothing is raised where nothing is rounded.
#[inline(always)]
pub(super) fn nearest(mxcsr: u32) -> bool {
    mxcsr & ROUNDING == 0
}

/// A format that SSE computes in.
pub(super) trait Real:
    Host<Bits: Scalar>
    + PartialOrd
    + ops::Add<Output = Self>
    + ops::Sub<Output = Self>
    + ops::Mul<Output = Self>
    + ops::Div<Output = Self>
    + ops::Neg<Output = Self>
    + 'static
{
    const FORMAT: Format;
    /// Lanes of 128 bits.
    const LANES: usize;

    /// Whether a result is normal, and not at the edge of the denormals, where underflow would have to be looked at.
    fn ordinary(self) -> bool;
    /// Whether an operand is not denormal.
    fn no_denormal(self) -> bool;
    /// Whether it is a zero.
    fn is_zero(self) -> bool;
    /// The square root.
    fn root(self) -> Self;
    /// Towards zero, as `as` does it.
    fn truncated(self) -> i64;
    /// To nearest.
    fn nearest(value: i64) -> Self;
    /// The low lane of a register. Only its bytes are loaded, and by `set_low` stored: the host forwards what was stored
    /// just before to a load of the same size.
    fn low(register: &u128) -> Self;
    /// Replaces the low lane of a register.
    fn set_low(self, register: &mut u128);
    /// [`Operation2::quick`] on all lanes; with `exact` only if all results are exact.
    fn quick_lanes<O: Operation2>(a: &u128, b: &u128, exact: bool) -> Option<[u64; 2]>;

    /// Lane `n` of a vector.
    #[inline(always)]
    fn lane(vector: u128, n: usize) -> Self {
        Self::from_bits(Self::Bits::from_u128(
            vector >> (8 * <Self::Bits as Scalar>::SIZE as usize * n),
        ))
    }

    /// As the low bits of a vector.
    #[inline(always)]
    fn bits(self) -> u128 {
        self.to_bits().to_u128()
    }

    /// From the low bits of a vector.
    #[inline(always)]
    fn of(bits: u128) -> Self {
        Self::lane(bits, 0)
    }

    /// Replaces the low lane.
    #[inline(always)]
    fn insert(self, vector: u128) -> u128 {
        let mask = (1_u128 << (8 * <Self::Bits as Scalar>::SIZE)) - 1;
        vector & !mask | self.bits()
    }
}

macro_rules! real {
    ($($float:ident $bits:ident $format:ident $lanes:literal $fraction:literal;)*) => {$(
        impl Real for $float {
            const FORMAT: Format = $format;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn ordinary(self) -> bool {
                // The sign shifted out, exponents 2 to the largest finite one.
                let least: $bits = 2 << ($fraction + 1);
                let infinity: $bits = !0 << ($fraction + 1);
                (self.to_bits() << 1).wrapping_sub(least) < infinity - least
            }

            #[inline(always)]
            fn no_denormal(self) -> bool {
                // Zero wraps around to the largest number.
                let normal: $bits = 1 << ($fraction + 1);
                (self.to_bits() << 1).wrapping_sub(1) >= normal - 1
            }

            #[inline(always)]
            fn is_zero(self) -> bool {
                self.to_bits() << 1 == 0
            }

            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn truncated(self) -> i64 {
                self as i64
            }

            #[inline(always)]
            fn nearest(value: i64) -> Self {
                value as $float
            }

            #[inline(always)]
            fn low(register: &u128) -> Self {
                cast_ref::<u128, [$float; $lanes]>(register)[0]
            }

            #[inline(always)]
            fn set_low(self, register: &mut u128) {
                cast_mut::<u128, [$float; $lanes]>(register)[0] = self;
            }

            #[inline(always)]
            fn quick_lanes<O: Operation2>(a: &u128, b: &u128, exact: bool) -> Option<[u64; 2]> {
                let (a, b): (&[Self; $lanes], &[Self; $lanes]) = (cast_ref(a), cast_ref(b));
                let (mut results, mut fine) = ([0.0; $lanes], true);
                for n in 0..$lanes {
                    match O::quick(a[n], b[n]) {
                        Some(result) => results[n] = result,
                        None => fine = false,
                    }
                }
                if exact {
                    for n in 0..$lanes {
                        fine &= O::is_exact(a[n], b[n], results[n]);
                    }
                }
                fine.then_some(cast(results))
            }
        }
    )*};
}

real! {
    f32 u32 F32 4 23;
    f64 u64 F64 2 52;
}

/// A lane operation of two operands.
pub(super) trait Operation2: 'static {
    /// Computes one lane.
    fn apply<R: Real>(context: &mut Context, a: R, b: R) -> R;

    /// Computes one lane by the host, if nothing but "inexact" can be raised then; for guests that are [`quiet`].
    fn quick<R: Real>(a: R, b: R) -> Option<R>;

    /// Whether what `quick` has answered is exact, under rounding to nearest.
    fn is_exact<R: Real>(a: R, b: R, result: R) -> bool;
}

macro_rules! arithmetic {
    ($($name:ident $f:ident $zero:expr, |$a:ident, $b:ident, $r:ident| $exact:expr;)*) => {$(
        #[derive(Debug)]
        pub(super) struct $name;

        impl Operation2 for $name {
            #[inline(always)]
            fn apply<R: Real>(context: &mut Context, a: R, b: R) -> R {
                if context.host && let Some((result, inexact)) = Host::$f(a, b, context.sticky) {
                    context.inexact(inexact);
                    return result;
                }
                exactly(context, a, b, float::$f)
            }

            #[inline(always)]
            fn quick<R: Real>(a: R, b: R) -> Option<R> {
                let result = ops::$name::$f(a, b);
                let exact_zero: fn(R, R) -> bool = $zero;
                let fine = result.ordinary() || result.is_zero() && exact_zero(a, b);
                (fine && a.no_denormal() && b.no_denormal()).then_some(result)
            }

            #[inline(always)]
            fn is_exact<R: Real>($a: R, $b: R, $r: R) -> bool {
                $exact
            }
        }
    )*};
}

arithmetic! {
    Add add |_, _| true, |a, b, r| a.is_exact_sum(b, r);
    Sub sub |_, _| true, |a, b, r| a.is_exact_sum(-b, r);
    Mul mul |a, b| a.is_zero() || b.is_zero(), |a, b, r| r.is_zero() || a.is_exact_product(b, r);
    Div div |a, _| a.is_zero(), |a, b, r| r.is_zero() || a.is_exact_quotient(b, r);
}

type Exact = fn(Format, u128, u128, &Env) -> (u128, Flags);

#[cold]
#[inline(never)]
fn exactly<R: Real>(context: &mut Context, a: R, b: R, f: Exact) -> R {
    let result = f(R::FORMAT, a.bits(), b.bits(), &context.env);
    R::of(context.take(result))
}

/// SQRT of the second operand.
#[derive(Debug)]
pub(super) struct Sqrt;

impl Operation2 for Sqrt {
    #[inline(always)]
    fn apply<R: Real>(context: &mut Context, _: R, b: R) -> R {
        if context.host
            && let Some((result, inexact)) = Host::sqrt(b, context.sticky)
        {
            context.inexact(inexact);
            return result;
        }
        exactly(context, b, b, |f, a, _, env| float::sqrt(f, a, env))
    }

    #[inline(always)]
    fn quick<R: Real>(_: R, b: R) -> Option<R> {
        let result = b.root();
        (result.ordinary() && b.no_denormal()).then_some(result)
    }

    #[inline(always)]
    fn is_exact<R: Real>(_: R, b: R, result: R) -> bool {
        b.is_exact_root(result)
    }
}

/// MIN (`LESS`) and MAX: the second operand unless the first is less or greater; so if one is a NaN, and for zeros.
#[derive(Debug)]
pub(super) struct Extreme<const LESS: bool>;

impl<const LESS: bool> Operation2 for Extreme<LESS> {
    #[inline(always)]
    fn apply<R: Real>(context: &mut Context, a: R, b: R) -> R {
        use core::cmp::Ordering;
        if a.plain() && b.plain() {
            let first = if LESS { a < b } else { a > b };
            return if first { a } else { b };
        }
        let (order, flags) = float::compare(R::FORMAT, a.bits(), b.bits(), true, &context.env);
        context.flags |= flags;
        let wanted = if LESS {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        let chosen = if order == Some(wanted) { a } else { b };
        flush(context, chosen)
    }

    #[inline(always)]
    fn quick<R: Real>(a: R, b: R) -> Option<R> {
        let first = if LESS { a < b } else { a > b };
        let chosen = if first { a } else { b };
        let fine = (a.ordinary() || a.is_zero()) && (b.ordinary() || b.is_zero());
        fine.then_some(chosen)
    }

    #[inline(always)]
    fn is_exact<R: Real>(_: R, _: R, _: R) -> bool {
        true
    }
}

/// Denormal operands count as zeros under DAZ, also where an operand is the result.
fn flush<R: Real>(context: &Context, value: R) -> R {
    let number = R::FORMAT.unpack(value.bits());
    if context.env.flush_inputs && number.denormal {
        return R::of(R::FORMAT.zero(number.sign));
    }
    value
}

/// Applies an operation to all lanes of two vectors.
#[inline(always)]
pub(super) fn lanes<R: Real, O: Operation2>(context: &mut Context, a: u128, b: u128) -> u128 {
    let size = 8 * <R::Bits as Scalar>::SIZE as usize;
    let mut result = 0;
    for n in 0..R::LANES {
        let lane = O::apply::<R>(context, R::lane(a, n), R::lane(b, n));
        result |= lane.bits() << (size * n);
    }
    result
}
