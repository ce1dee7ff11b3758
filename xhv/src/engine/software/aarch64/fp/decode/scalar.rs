//! Scalar floating point (Arm DDI 0487, C4.1.96).

use super::super::super::cpu::Cpu;
use super::super::super::decode::{self, Assembler};
use super::super::super::exec::{Plain, W32, W64};
use super::super::scalar::{
    Compare, CompareIf, Constant, Convert, Fabs, Fadd, Fdiv, Fmax, Fmaxnm, Fmin, Fminnm, Fmov,
    Fmul, Fneg, Fnmul, Frinta, Frinti, Frintm, Frintn, Frintp, Frintx, Frintz, FromHalf,
    FromInteger, Fsqrt, Fsub, MoveHigh, MoveIn, MoveOut, MultiplyAdd, One, Scalar1, Scalar2,
    Select, ToHalf, ToInteger, Two,
};
use super::Found;
use crate::aarch64::instructions_fp::{
    Fp1src, Fp2src, Fp3src, FpCcmp, FpCompare, FpCsel, FpFixed, FpImm, FpInteger,
};
use crate::engine::software::dispatch::Op;

/// Single precision for type 0, double for 1; half precision arithmetic is not here.
fn typed<'a, S: Plain, D: Plain>(asm: &'a mut Assembler<'_>, ftype: u32) -> Found<'a> {
    match ftype {
        0 => Some(asm.plain::<S>()),
        1 => Some(asm.plain::<D>()),
        _ => None,
    }
}

fn two<'a, F: Two>(asm: &'a mut Assembler<'_>, ftype: u32) -> Found<'a> {
    typed::<Scalar2<F, u32>, Scalar2<F, u64>>(asm, ftype)
}

fn one<'a, F: One>(asm: &'a mut Assembler<'_>, ftype: u32) -> Found<'a> {
    typed::<Scalar1<F, u32>, Scalar1<F, u64>>(asm, ftype)
}

pub(super) fn two_sources<'a>(asm: &'a mut Assembler<'_>, i: Fp2src) -> Found<'a> {
    match i.opcode() {
        0 => two::<Fmul>(asm, i.ftype()),
        1 => two::<Fdiv>(asm, i.ftype()),
        2 => two::<Fadd>(asm, i.ftype()),
        3 => two::<Fsub>(asm, i.ftype()),
        4 => two::<Fmax>(asm, i.ftype()),
        5 => two::<Fmin>(asm, i.ftype()),
        6 => two::<Fmaxnm>(asm, i.ftype()),
        7 => two::<Fminnm>(asm, i.ftype()),
        8 => two::<Fnmul>(asm, i.ftype()),
        _ => None,
    }
}

pub(super) fn one_source<'a>(asm: &'a mut Assembler<'_>, i: Fp1src) -> Found<'a> {
    match (i.opcode(), i.ftype()) {
        (0, ftype) => one::<Fmov>(asm, ftype),
        (1, ftype) => one::<Fabs>(asm, ftype),
        (2, ftype) => one::<Fneg>(asm, ftype),
        (3, ftype) => one::<Fsqrt>(asm, ftype),
        (4, 1) => Some(asm.plain::<Convert<u64, u32>>()),
        (4, 3) => Some(asm.plain::<FromHalf<u32>>()),
        (5, 0) => Some(asm.plain::<Convert<u32, u64>>()),
        (5, 3) => Some(asm.plain::<FromHalf<u64>>()),
        (7, ftype) => typed::<ToHalf<u32>, ToHalf<u64>>(asm, ftype),
        (8, ftype) => one::<Frintn>(asm, ftype),
        (9, ftype) => one::<Frintp>(asm, ftype),
        (10, ftype) => one::<Frintm>(asm, ftype),
        (11, ftype) => one::<Frintz>(asm, ftype),
        (12, ftype) => one::<Frinta>(asm, ftype),
        (14, ftype) => one::<Frintx>(asm, ftype),
        (15, ftype) => one::<Frinti>(asm, ftype),
        _ => None,
    }
}

pub(super) fn three_sources<'a>(asm: &'a mut Assembler<'_>, i: Fp3src) -> Found<'a> {
    match (i.o1(), i.o0()) {
        (false, false) => {
            typed::<MultiplyAdd<u32, false, false>, MultiplyAdd<u64, false, false>>(asm, i.ftype())
        }
        (false, true) => {
            typed::<MultiplyAdd<u32, true, false>, MultiplyAdd<u64, true, false>>(asm, i.ftype())
        }
        (true, false) => {
            typed::<MultiplyAdd<u32, true, true>, MultiplyAdd<u64, true, true>>(asm, i.ftype())
        }
        (true, true) => {
            typed::<MultiplyAdd<u32, false, true>, MultiplyAdd<u64, false, true>>(asm, i.ftype())
        }
    }
}

pub(super) fn compare<'a>(asm: &'a mut Assembler<'_>, i: FpCompare) -> Found<'a> {
    match i.opcode2() {
        0b00000 => typed::<Compare<u32, false, false>, Compare<u64, false, false>>(asm, i.ftype()),
        0b01000 => typed::<Compare<u32, true, false>, Compare<u64, true, false>>(asm, i.ftype()),
        0b10000 => typed::<Compare<u32, false, true>, Compare<u64, false, true>>(asm, i.ftype()),
        0b11000 => typed::<Compare<u32, true, true>, Compare<u64, true, true>>(asm, i.ftype()),
        _ => None,
    }
}

pub(super) fn conditional_compare<'a>(asm: &'a mut Assembler<'_>, i: FpCcmp) -> Found<'a> {
    let op = if i.op() {
        typed::<CompareIf<u32, true>, CompareIf<u64, true>>(asm, i.ftype())?
    } else {
        typed::<CompareIf<u32, false>, CompareIf<u64, false>>(asm, i.ftype())?
    };
    op.x[0] = i.cond() as u8;
    op.imm = u64::from(i.nzcv()) << 28;
    Some(op)
}

pub(super) fn select<'a>(asm: &'a mut Assembler<'_>, i: FpCsel) -> Found<'a> {
    let op = typed::<Select<u32>, Select<u64>>(asm, i.ftype())?;
    op.x[0] = i.cond() as u8;
    Some(op)
}

/// `VFPExpandImm`
pub(super) fn expand(imm8: u32, double: bool) -> u64 {
    let (sign, low, b) = (
        u64::from(imm8 >> 7),
        u64::from(imm8 & 0x3f),
        imm8 >> 6 & 1 != 0,
    );
    if double {
        sign << 63 | u64::from(!b) << 62 | if b { 0xff << 54 } else { 0 } | low << 48
    } else {
        sign << 31 | u64::from(!b) << 30 | if b { 0x1f << 25 } else { 0 } | low << 19
    }
}

pub(super) fn immediate<'a>(asm: &'a mut Assembler<'_>, i: FpImm) -> Found<'a> {
    let op = typed::<Constant, Constant>(asm, i.ftype())?;
    op.imm = expand(i.imm8(), i.ftype() == 1);
    Some(op)
}

/// The four widths and precisions of a conversion.
macro_rules! widths {
    ($asm:expr, $sf:expr, $ftype:expr, $name:ident, $signed:literal) => {
        match ($sf, $ftype) {
            (false, 0) => Some($asm.plain::<$name<u32, W32, $signed>>()),
            (false, 1) => Some($asm.plain::<$name<u64, W32, $signed>>()),
            (true, 0) => Some($asm.plain::<$name<u32, W64, $signed>>()),
            (true, 1) => Some($asm.plain::<$name<u64, W64, $signed>>()),
            _ => None,
        }
    };
}

fn to_integer<'a>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
    ftype: u32,
    signed: bool,
    rounding: u8,
    rd: u32,
) -> Found<'a> {
    let op: &mut Op<Cpu> = if signed {
        widths!(asm, sf, ftype, ToInteger, true)
    } else {
        widths!(asm, sf, ftype, ToInteger, false)
    }?;
    op.x[0] = rounding;
    op.r[0] = decode::target(rd);
    Some(op)
}

fn from_integer<'a>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
    ftype: u32,
    signed: bool,
    rn: u32,
) -> Found<'a> {
    let op: &mut Op<Cpu> = if signed {
        widths!(asm, sf, ftype, FromInteger, true)
    } else {
        widths!(asm, sf, ftype, FromInteger, false)
    }?;
    op.r[1] = decode::source(rn);
    Some(op)
}

pub(super) fn integer<'a>(asm: &'a mut Assembler<'_>, i: FpInteger) -> Found<'a> {
    let (sf, ftype) = (i.sf(), i.ftype());
    match (i.rmode(), i.opcode()) {
        // The rounding of FCVT{N,P,M,Z} is the field itself, in the order of `rounding_of`.
        (rmode, opcode @ (0 | 1)) => to_integer(asm, sf, ftype, opcode == 0, rmode as u8, i.rd()),
        (0, opcode @ (4 | 5)) => to_integer(asm, sf, ftype, opcode == 4, 4, i.rd()),
        (0, opcode @ (2 | 3)) => from_integer(asm, sf, ftype, opcode == 2, i.rn()),
        (0, 6) => {
            let op = match (sf, ftype) {
                (false, 0) => asm.plain::<MoveOut<u32>>(),
                (true, 1) => asm.plain::<MoveOut<u64>>(),
                _ => return None,
            };
            op.r[0] = decode::target(i.rd());
            Some(op)
        }
        (0, 7) => {
            let op = match (sf, ftype) {
                (false, 0) => asm.plain::<MoveIn<u32>>(),
                (true, 1) => asm.plain::<MoveIn<u64>>(),
                _ => return None,
            };
            op.r[1] = decode::source(i.rn());
            Some(op)
        }
        (1, 6) if sf && ftype == 2 => {
            let op = asm.plain::<MoveHigh<true>>();
            op.r[0] = decode::target(i.rd());
            Some(op)
        }
        (1, 7) if sf && ftype == 2 => {
            let op = asm.plain::<MoveHigh<false>>();
            op.r[1] = decode::source(i.rn());
            Some(op)
        }
        _ => None,
    }
}

pub(super) fn fixed<'a>(asm: &'a mut Assembler<'_>, i: FpFixed) -> Found<'a> {
    let (sf, ftype) = (i.sf(), i.ftype());
    let fraction = 64 - i.scale();
    if !sf && fraction > 32 {
        return None;
    }
    let op = match (i.rmode(), i.opcode()) {
        (3, opcode @ (0 | 1)) => to_integer(asm, sf, ftype, opcode == 0, 3, i.rd()),
        (0, opcode @ (2 | 3)) => from_integer(asm, sf, ftype, opcode == 2, i.rn()),
        _ => None,
    }?;
    op.len = fraction as u8;
    Some(op)
}
