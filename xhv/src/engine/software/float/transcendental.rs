//! The transcendental functions of the x87 unit.
//!
//! On x86-64 hosts the host's own instructions compute them: results and flags are those of that processor. Elsewhere `f64`
//! functions do, with the accuracy of `f64`: 53 bits of the 64, and denormals of the 80-bit format count as zeros.
#![allow(unsafe_code)] // Runs single x87 instructions that raise nothing, and leaves the unit as it was.

use super::Flags;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transcendental {
    Sin,
    Cos,
    SinCos,
    Tan,
    Atan,
    Exp2Minus1,
    YLog2,
    YLog2Plus1,
}

impl Transcendental {
    /// Whether it takes ST(1) too, and pops.
    pub(crate) const fn two_operands(self) -> bool {
        matches!(self, Self::Atan | Self::YLog2 | Self::YLog2Plus1)
    }

    /// Whether it refuses operands of 2^63 and more, and says so in C2.
    pub(crate) const fn has_range(self) -> bool {
        matches!(self, Self::Sin | Self::Cos | Self::SinCos | Self::Tan)
    }

    /// Whether it pushes a second result.
    pub(crate) const fn pushes(self) -> bool {
        matches!(self, Self::SinCos | Self::Tan)
    }
}

/// What a function answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// What ends up in ST(0).
    pub(crate) first: u128,
    /// What ends up in ST(1), if it pushes.
    pub(crate) second: u128,
    /// What it raised.
    pub(crate) flags: Flags,
    /// The operand was out of range (C2); the results do not count.
    pub(crate) out_of_range: bool,
}

/// Computes `function` of ST(0) = `x` and ST(1) = `y` under an x87 control word's rounding and precision.
#[cfg(target_arch = "x86_64")]
pub(crate) fn transcendental(function: Transcendental, x: u128, y: u128, control: u16) -> Answer {
    // Unmasked overflow and underflow change the result, so the host has to know of them; no other exception is pending long
    // enough to be raised: FNCLEX follows the instruction.
    let control = control | 0x27;
    let (first, second, status) = match function {
        Transcendental::Sin => host::fsin(x, y, control),
        Transcendental::Cos => host::fcos(x, y, control),
        Transcendental::SinCos => host::fsincos(x, y, control),
        Transcendental::Tan => host::fptan(x, y, control),
        Transcendental::Atan => host::fpatan(x, y, control),
        Transcendental::Exp2Minus1 => host::f2xm1(x, y, control),
        Transcendental::YLog2 => host::fyl2x(x, y, control),
        Transcendental::YLog2Plus1 => host::fyl2xp1(x, y, control),
    };
    let mut flags = Flags((status & 0x3f) as u8);
    if status & 0x200 != 0 {
        flags |= Flags::ROUNDED_UP;
    }
    Answer {
        first,
        second,
        flags,
        out_of_range: function.has_range() && status & 0x400 != 0,
    }
}

#[cfg(target_arch = "x86_64")]
mod host {
    use core::arch::asm;

    macro_rules! instructions {
        ($($name:ident)*) => {$(
            pub(super) fn $name(x: u128, y: u128, control: u16) -> (u128, u128, u16) {
                let (x, y) = (x.to_le_bytes(), y.to_le_bytes());
                let (mut first, mut second) = ([0_u8; 16], [0_u8; 16]);
                let status: u16;
                // SAFETY: all x87 registers are declared clobbered, exceptions are masked or cleared before they are raised, and FNINIT before and after leaves
                // an empty stack and the control word that compiled code expects. The pointers are to locals of 10 bytes and more.
                unsafe {
                    asm!(
                        "fninit",
                        "fldcw word ptr [{control}]",
                        "fld tbyte ptr [{y}]",
                        "fld tbyte ptr [{x}]",
                        "fnclex",
                        stringify!($name),
                        "fnstsw ax",
                        "fnclex",
                        "fstp tbyte ptr [{first}]",
                        "fstp tbyte ptr [{second}]",
                        "fninit",
                        control = in(reg) &control, x = in(reg) &x, y = in(reg) &y,
                        first = in(reg) &mut first, second = in(reg) &mut second,
                        out("ax") status,
                        out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                        out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                        options(nostack),
                    );
                }
                (u128::from_le_bytes(first), u128::from_le_bytes(second), status)
            }
        )*};
    }

    instructions!(fsin fcos fsincos fptan fpatan f2xm1 fyl2x fyl2xp1);
}

/// Computes `function` of ST(0) = `x` and ST(1) = `y` with the host's `f64` functions.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[cfg_attr(target_arch = "x86_64", allow(dead_code))]
pub(crate) mod portable {
    use super::super::{Env, F64, F80, Kind, NanRule, add, convert};
    use super::{Answer, Flags, Transcendental};

    fn narrow(bits: u128) -> f64 {
        f64::from_bits(convert(F80, F64, bits, &Env::default()).0 as u64)
    }

    fn widen(value: f64) -> u128 {
        convert(F64, F80, value.to_bits().into(), &Env::default()).0
    }

    /// See [`super::transcendental`].
    pub(crate) fn transcendental(
        function: Transcendental,
        x: u128,
        y: u128,
        _control: u16,
    ) -> Answer {
        let env = Env {
            nan: NanRule::X87,
            ..Env::default()
        };
        let two = function.two_operands();
        let (a, b) = (F80.unpack(x), F80.unpack(if two { y } else { 0 }));
        let answer = |first, second, flags| Answer {
            first,
            second,
            flags,
            out_of_range: false,
        };
        let odd = |kind| matches!(kind, Kind::Quiet | Kind::Signaling | Kind::Unsupported);
        if odd(a.kind) || odd(b.kind) {
            let (nan, flags) = add(F80, x, if two { y } else { 0 }, &env);
            return answer(nan, nan, flags);
        }
        if function.has_range() && a.kind == Kind::Finite && a.exp >= 63 {
            return Answer {
                out_of_range: true,
                ..answer(x, y, Flags::NONE)
            };
        }
        let (s, t) = (narrow(x), narrow(y));
        let (first, second) = match function {
            Transcendental::Sin => (s.sin(), 0.0),
            Transcendental::Cos => (s.cos(), 0.0),
            Transcendental::SinCos => (s.cos(), s.sin()),
            Transcendental::Tan => (1.0, s.tan()),
            Transcendental::Atan => (t.atan2(s), 0.0),
            Transcendental::Exp2Minus1 => ((s * core::f64::consts::LN_2).exp_m1(), 0.0),
            Transcendental::YLog2 => (t * s.log2(), 0.0),
            Transcendental::YLog2Plus1 => (t * s.ln_1p() * core::f64::consts::LOG2_E, 0.0),
        };
        if first.is_nan() || second.is_nan() {
            let nan = F80.default_nan(false);
            return answer(nan, nan, Flags::INVALID);
        }
        let divides = function == Transcendental::YLog2 && a.kind == Kind::Zero;
        let mut flags = if divides && b.kind == Kind::Finite {
            Flags::ZERO_DIVIDE
        } else if a.denormal || b.denormal {
            Flags::DENORMAL
        } else {
            Flags::NONE
        };
        if first.is_finite() && a.kind == Kind::Finite && first != 0.0 {
            flags |= Flags::INEXACT;
        }
        answer(widen(first), widen(second), flags)
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::transcendental;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::{Env, F64, F80, convert};
    use super::*;

    /// The portable functions are those of the host to `f64`'s accuracy.
    #[test]
    fn portable_functions_are_close() {
        let functions = [
            (Transcendental::Sin, 0.7, 0.0),
            (Transcendental::Cos, -2.5, 0.0),
            (Transcendental::SinCos, 100.25, 0.0),
            (Transcendental::Tan, 1.25, 0.0),
            (Transcendental::Atan, -0.5, 3.0),
            (Transcendental::Atan, f64::INFINITY, -1.0),
            (Transcendental::Exp2Minus1, 0.3, 0.0),
            (Transcendental::YLog2, 10.0, 3.0),
            (Transcendental::YLog2, 0.0, -3.0),
            (Transcendental::YLog2Plus1, 1e-9, 3.0),
            (Transcendental::YLog2, -1.0, 3.0),
        ];
        let wide = |x: f64| convert(F64, F80, x.to_bits().into(), &Env::default()).0;
        let narrow = |x| f64::from_bits(convert(F80, F64, x, &Env::default()).0 as u64);
        for (function, x, y) in functions {
            let host = transcendental(function, wide(x), wide(y), 0x37f);
            let ours = portable::transcendental(function, wide(x), wide(y), 0x37f);
            let (want, got) = (narrow(host.first), narrow(ours.first));
            let close = want == got || (want - got).abs() <= want.abs() * 1e-15;
            assert!(
                close || want.is_nan() && got.is_nan(),
                "{function:?} {want} {got}"
            );
            let serious = 7;
            assert_eq!(
                host.flags.sticky() & serious,
                ours.flags.sticky() & serious,
                "{function:?} {x} {y}"
            );
        }
    }
}
