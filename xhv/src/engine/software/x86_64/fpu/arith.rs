//! x87 arithmetic between stack registers and operands already converted to 80 bits.

use super::{INDEFINITE, State, status};
use crate::engine::software::float::{
    self, Env, F32, F64, F80, Flags, Format, Kind, Number, Rounding, convert, from_int, round_pack,
};
use core::cmp::Ordering;

/// A two-operand operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Binary {
    Add,
    Mul,
    Sub,
    /// Operands swapped.
    SubR,
    Div,
    DivR,
}

/// Which comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fcom {
    /// FCOM: quiet NaNs are invalid.
    Ordered,
    /// FUCOM: only signaling NaNs are.
    Unordered,
}

/// A memory operand of arithmetic, converted; the conversion's flags belong to the operation.
pub(crate) struct Operand {
    bits: u128,
    flags: Flags,
}

impl Operand {
    /// m32fp.
    pub(crate) fn f32(bits: u32) -> Self {
        Self::float(F32, bits.into())
    }

    /// m64fp.
    pub(crate) fn f64(bits: u64) -> Self {
        Self::float(F64, bits.into())
    }

    fn float(format: Format, bits: u128) -> Self {
        let number = format.unpack(bits);
        if number.is_nan() {
            // Still signaling if it was: the operation chooses between its operands by that.
            let bits = u128::from(number.sign) << 79 | 0x7fff << 64 | number.sig >> 64;
            return Self {
                bits,
                flags: Flags::NONE,
            };
        }
        let (bits, flags) = convert(format, F80, bits, &Env::default());
        Self { bits, flags }
    }

    /// m16int, m32int.
    pub(crate) fn int(value: i64) -> Self {
        let (bits, flags) = from_int(F80, value.into(), &Env::default());
        Self { bits, flags }
    }
}

/// The flags of an operation with its operand's: a conversion's denormal flag counts unless the operation is invalid or
/// divides by zero.
fn merge(operand: Flags, result: Flags, nan: bool) -> Flags {
    if !(result.has(Flags::INVALID | Flags::ZERO_DIVIDE) || nan) {
        return operand | result;
    }
    result
}

impl State {
    /// ST(`dst`) becomes `op` of ST(`dst`) and ST(`src`). Answers whether a pop may follow.
    pub(crate) fn binary(&mut self, op: Binary, dst: u8, src: u8) -> bool {
        if self.is_empty(dst) || self.is_empty(src) {
            let masked = self.stack_fault(false);
            if masked {
                self.set(dst, INDEFINITE);
            }
            return masked;
        }
        let operand = Operand {
            bits: self.get(src),
            flags: Flags::NONE,
        };
        self.compute(op, dst, operand)
    }

    /// ST(0) becomes `op` of ST(0) and a memory operand.
    pub(crate) fn binary_memory(&mut self, op: Binary, operand: Operand) {
        if self.is_empty(0) {
            if self.stack_fault(false) {
                self.set(0, INDEFINITE);
            }
            return;
        }
        self.compute(op, 0, operand);
    }

    fn compute(&mut self, op: Binary, dst: u8, operand: Operand) -> bool {
        let (format, env) = (self.format(), self.env());
        let (a, b) = (self.get(dst), operand.bits);
        let (bits, flags) = match op {
            Binary::Add => float::add(format, a, b, &env),
            Binary::Mul => float::mul(format, a, b, &env),
            Binary::Sub => float::sub(format, a, b, &env),
            Binary::SubR => float::sub(format, b, a, &env),
            Binary::Div => float::div(format, a, b, &env),
            Binary::DivR => float::div(format, b, a, &env),
        };
        let nan = F80.unpack(a).is_nan();
        let done = self.raise(merge(operand.flags, flags, nan));
        if done {
            self.set(dst, bits);
        }
        done
    }

    /// ST(0) becomes a function of itself, unless it is empty.
    pub(super) fn unary(&mut self, function: impl FnOnce(&Self, u128) -> (u128, Flags)) {
        if self.is_empty(0) {
            if self.stack_fault(false) {
                self.set(0, INDEFINITE);
            }
            return;
        }
        let (bits, flags) = function(self, self.get(0));
        if self.raise(flags) {
            self.set(0, bits);
        }
    }

    /// FSQRT.
    pub(crate) fn fsqrt(&mut self) {
        self.unary(|state, bits| float::sqrt(state.format(), bits, &state.env()));
    }

    /// FRNDINT.
    pub(crate) fn frndint(&mut self) {
        self.unary(|state, bits| float::to_integral(F80, bits, &state.env()));
    }

    /// FCHS.
    pub(crate) fn fchs(&mut self) {
        self.unary(|_, bits| (bits ^ 1 << 79, Flags::NONE));
    }

    /// FABS.
    pub(crate) fn fabs(&mut self) {
        self.unary(|_, bits| (bits & !(1 << 79), Flags::NONE));
    }

    /// FXCH.
    pub(crate) fn fxch(&mut self, i: u8) {
        if self.is_empty(0) || self.is_empty(i) {
            if !self.stack_fault(false) {
                return;
            }
            for register in [0, i] {
                if self.is_empty(register) {
                    self.set(register, INDEFINITE);
                }
            }
        } else {
            self.status &= !status::C1;
        }
        let (a, b) = (self.get(0), self.get(i));
        self.set(0, b);
        self.set(i, a);
    }

    /// FCMOVcc whose condition holds (`taken`) or not.
    pub(crate) fn fcmov(&mut self, i: u8, taken: bool) {
        if self.is_empty(0) || self.is_empty(i) {
            if self.stack_fault(false) {
                self.set(0, INDEFINITE);
            }
            return;
        }
        self.status &= !status::C1;
        if taken {
            self.set(0, self.get(i));
        }
    }

    /// FXAM: classifies ST(0).
    pub(crate) fn fxam(&mut self) {
        let bits = self.get(0);
        let number = F80.unpack(bits);
        let class = if self.is_empty(0) {
            status::C3 | status::C0
        } else {
            match number.kind {
                Kind::Unsupported => 0,
                Kind::Quiet | Kind::Signaling => status::C0,
                Kind::Infinity => status::C2 | status::C0,
                Kind::Zero => status::C3,
                Kind::Finite if number.denormal => status::C3 | status::C2,
                Kind::Finite => status::C2,
            }
        };
        let sign = if bits >> 79 & 1 != 0 { status::C1 } else { 0 };
        self.status = self.status & !status::CONDITION | class | sign;
    }

    /// Compares ST(0) with an operand (an empty register has none). Answers the order, which processors deliver also when an
    /// unmasked exception is raised, and whether none is, so that a pop may follow.
    pub(crate) fn compare(
        &mut self,
        kind: Fcom,
        operand: Option<Operand>,
    ) -> (Option<Ordering>, bool) {
        let Some(operand) = operand.filter(|_| !self.is_empty(0)) else {
            return (None, self.stack_fault(false));
        };
        let signaling = kind == Fcom::Ordered;
        let a = self.get(0);
        let (order, flags) = float::compare(F80, a, operand.bits, signaling, &self.env());
        let nan = F80.unpack(a).is_nan();
        (order, self.raise(merge(operand.flags, flags, nan)))
    }

    /// ST(i) as an operand of [`State::compare`].
    pub(crate) fn operand(&self, i: u8) -> Option<Operand> {
        (!self.is_empty(i)).then(|| Operand {
            bits: self.get(i),
            flags: Flags::NONE,
        })
    }

    /// +0 as an operand: FTST.
    pub(crate) fn zero_operand(&self) -> Option<Operand> {
        Some(Operand {
            bits: 0,
            flags: Flags::NONE,
        })
    }

    /// Compares and sets the condition codes. Answers whether a pop may follow.
    pub(crate) fn fcom(&mut self, kind: Fcom, operand: Option<Operand>) -> bool {
        let (order, done) = self.compare(kind, operand);
        let code = match order {
            Some(Ordering::Greater) => 0,
            Some(Ordering::Less) => status::C0,
            Some(Ordering::Equal) => status::C3,
            None => status::C3 | status::C2 | status::C0,
        };
        self.status = self.status & !(status::C0 | status::C2 | status::C3) | code;
        done
    }

    /// FPREM and, with `nearest`, FPREM1.
    pub(crate) fn fprem(&mut self, nearest: bool) {
        self.status &= !status::C2;
        if self.is_empty(0) || self.is_empty(1) {
            if self.stack_fault(false) {
                self.set(0, INDEFINITE);
            }
            return;
        }
        let (a, b) = (self.get(0), self.get(1));
        let (bits, flags, condition) = partial_remainder(a, b, nearest, &self.env());
        if !self.raise(flags) {
            return;
        }
        if let Some(condition) = condition {
            self.status = self.status & !status::CONDITION | condition;
        }
        self.set(0, bits);
    }

    /// FSCALE: ST(0) times two to the power of ST(1) truncated.
    pub(crate) fn fscale(&mut self) {
        if self.is_empty(1) {
            if self.stack_fault(false) {
                self.set(0, INDEFINITE);
            }
            return;
        }
        let by = self.get(1);
        self.unary(|state, bits| scale(bits, by, &state.env()));
    }

    /// FXTRACT: exponent into ST(0), significand pushed.
    pub(crate) fn fxtract(&mut self) {
        if self.is_empty(0) || !self.is_empty(7) {
            let overflow = !self.is_empty(0);
            if self.stack_fault(overflow) {
                self.set(0, INDEFINITE);
                self.top = self.top.wrapping_sub(1) & 7;
                self.set(0, INDEFINITE);
            }
            return;
        }
        let bits = self.get(0);
        let number = F80.unpack(bits);
        let denormal = if number.denormal {
            Flags::DENORMAL
        } else {
            Flags::NONE
        };
        let (exponent, significand, flags) = match number.kind {
            Kind::Zero => (F80.infinity(true), bits, Flags::ZERO_DIVIDE),
            Kind::Infinity => (F80.infinity(false), bits, Flags::NONE),
            Kind::Finite => {
                let exponent = from_int(F80, number.exp.into(), &Env::default()).0;
                let unit = Number { exp: 0, ..number };
                (
                    exponent,
                    round_pack(F80, &unit, &Env::default()).0,
                    denormal,
                )
            }
            _ => {
                let (nan, flags) = convert(F80, F80, bits, &self.env());
                (nan, nan, flags)
            }
        };
        if !self.raise(flags) {
            return;
        }
        self.set(0, exponent);
        self.top = self.top.wrapping_sub(1) & 7;
        self.set(0, significand);
    }
}

fn scale(a: u128, b: u128, env: &Env) -> (u128, Flags) {
    let (x, y) = (F80.unpack(a), F80.unpack(b));
    let denormal = |n: &Number| {
        if n.denormal {
            Flags::DENORMAL
        } else {
            Flags::NONE
        }
    };
    let flags = denormal(&x) | denormal(&y);
    if x.is_nan() || y.is_nan() || x.kind == Kind::Unsupported || y.kind == Kind::Unsupported {
        return float::add(F80, a, b, env);
    }
    let invalid = (INDEFINITE, Flags::INVALID);
    match (x.kind, y.kind) {
        (Kind::Infinity, Kind::Infinity) if y.sign => invalid,
        (Kind::Zero, Kind::Infinity) if !y.sign => invalid,
        (Kind::Zero | Kind::Infinity, _) => (a, flags),
        (_, Kind::Infinity) if y.sign => (F80.zero(x.sign), flags),
        (_, Kind::Infinity) => (F80.infinity(x.sign), flags),
        _ => {
            let truncate = Env {
                rounding: Rounding::Zero,
                ..*env
            };
            // Beyond 2^17 every result overflows or underflows, also with its exponent wrapped.
            let by = match float::to_int(F80, b, 32, true, &truncate).0 {
                Some(by) => by.clamp(-0x2_0000, 0x2_0000) as i32,
                None if y.sign => -0x2_0000,
                None => 0x2_0000,
            };
            let scaled = Number {
                exp: x.exp + by,
                ..x
            };
            let (bits, raised) = round_pack(F80, &scaled, env);
            (bits, flags | raised)
        }
    }
}

/// One step of FPREM or FPREM1: result, flags, condition codes (which operands that are no numbers leave alone).
fn partial_remainder(a: u128, b: u128, nearest: bool, env: &Env) -> (u128, Flags, Option<u16>) {
    let (x, y) = (F80.unpack(a), F80.unpack(b));
    let special = !matches!(x.kind, Kind::Zero | Kind::Finite)
        || !matches!(y.kind, Kind::Finite | Kind::Infinity);
    if special {
        let nan =
            x.is_nan() || y.is_nan() || x.kind == Kind::Unsupported || y.kind == Kind::Unsupported;
        let (bits, flags) = if nan {
            float::add(F80, a, b, env)
        } else {
            (INDEFINITE, Flags::INVALID)
        };
        return (bits, flags, None);
    }
    let flags = if x.denormal || y.denormal {
        Flags::DENORMAL
    } else {
        Flags::NONE
    };
    if y.kind == Kind::Infinity || x.kind == Kind::Zero {
        // The operand itself, normalized if it was a pseudo-denormal.
        let (bits, raised) = round_pack(F80, &x, env);
        return (bits, flags | raised, Some(0));
    }
    if let Some((left, quotient)) = float::remainder(&x, &y, nearest, 63) {
        let (bits, raised) = round_pack(F80, &left, env);
        let bit = |at: u32, code: u16| if quotient >> at & 1 != 0 { code } else { 0 };
        let codes = bit(0, status::C1) | bit(1, status::C3) | bit(2, status::C0);
        return (bits, flags | raised, Some(codes));
    }
    // Too far apart: take away as much as lowers the exponent by 32 to 63, and say that it is incomplete.
    let by = 32 + ((x.exp - y.exp) & 31);
    let lifted = Number {
        exp: x.exp - by,
        ..y
    };
    let left = float::remainder(&x, &lifted, false, 63).map_or(x, |(left, _)| left);
    let (bits, raised) = round_pack(F80, &left, env);
    (bits, flags | raised, Some(status::C2))
}
