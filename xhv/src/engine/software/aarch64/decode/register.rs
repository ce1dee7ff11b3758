//! Data processing with registers (Arm DDI 0487, C4.1: x101), and what other groups share with it.

use super::super::cpu::Cpu;
use super::super::exec::alu::{
    Adc, Adcs, Add, Adds, Alu, AluSp, And, Ands, Binary, Conditional, Else, Eor, Increment, Invert,
    Move, Negate, Orr, RotateIntoFlags, Same, Select, SetFlags, Sub, Subs,
};
use super::super::exec::bits::{
    Crc, DivideSigned, DivideUnsigned, Factor, LeadingSigns, LeadingZeros, MultiplyAdd,
    MultiplyHigh, OfOne, OfTwo, One, Reverse16, Reverse32, Reverse64, ReverseBits, Rotate,
    ShiftLeft, ShiftRight, ShiftSigned, SignedHalf, Two, UnsignedHalf, Whole,
};
use super::super::exec::branch::ThenIf;
use super::super::exec::{
    Asr, Do, Extended, Imm, Lsl, Lsr, Not, Reg, Ror, Source, W32, W64, Width,
};
use super::{Assembler, Outcome, source, target};
use crate::aarch64::instructions::{
    A64, AddsubCarry, AddsubExt, AddsubShift, CondCompare, CondSelect, Dp1src, Dp2src, Dp3src,
    LogicalShift, Rmif, Setf,
};
use crate::engine::software::dispatch::Op;

/// An operation of a register and a source, in the width that `sf` means.
pub(super) fn alu<'a, B: Binary, S: Source>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
) -> &'a mut Op<Cpu> {
    if sf {
        asm.push::<Do<Alu<B, W64, S>>>()
    } else {
        asm.push::<Do<Alu<B, W32, S>>>()
    }
}

/// The same with a shifted register.
fn shifted<'a, B: Binary>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
    shift: u32,
    amount: u32,
) -> &'a mut Op<Cpu> {
    match (shift, amount) {
        (_, 0) => alu::<B, Reg>(asm, sf),
        (0, _) => alu::<B, Lsl>(asm, sf),
        (1, _) => alu::<B, Lsr>(asm, sf),
        (2, _) => alu::<B, Asr>(asm, sf),
        _ => alu::<B, Ror>(asm, sf),
    }
}

/// The same with the complement of a shifted register.
fn inverted<'a, B: Binary>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
    shift: u32,
    amount: u32,
) -> &'a mut Op<Cpu> {
    match (shift, amount) {
        (_, 0) => alu::<B, Not<Reg>>(asm, sf),
        (0, _) => alu::<B, Not<Lsl>>(asm, sf),
        (1, _) => alu::<B, Not<Lsr>>(asm, sf),
        (2, _) => alu::<B, Not<Asr>>(asm, sf),
        _ => alu::<B, Not<Ror>>(asm, sf),
    }
}

/// If a B.cond to a place in the block's page follows: one operation for both, its link filled in.
pub(super) fn fuse<'a, B: Binary, S: Source>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
) -> Option<&'a mut Op<Cpu>> {
    let Some(A64::BCond(branch)) = asm.following().and_then(A64::decode) else {
        return None;
    };
    let link = asm.link(asm.displacement(4 * (branch.imm19() + 1)))?;
    let condition = branch.cond();
    let op = if sf {
        then_if::<B, W64, S>(asm, condition)
    } else {
        then_if::<B, W32, S>(asm, condition)
    };
    op.disp = link.word() as i32;
    Some(op)
}

fn then_if<'a, B: Binary, W: Width, S: Source>(
    asm: &'a mut Assembler<'_>,
    condition: u32,
) -> &'a mut Op<Cpu> {
    match condition {
        0 => asm.push::<ThenIf<B, W, S, 0>>(),
        1 => asm.push::<ThenIf<B, W, S, 1>>(),
        2 => asm.push::<ThenIf<B, W, S, 2>>(),
        3 => asm.push::<ThenIf<B, W, S, 3>>(),
        4 => asm.push::<ThenIf<B, W, S, 4>>(),
        5 => asm.push::<ThenIf<B, W, S, 5>>(),
        6 => asm.push::<ThenIf<B, W, S, 6>>(),
        7 => asm.push::<ThenIf<B, W, S, 7>>(),
        8 => asm.push::<ThenIf<B, W, S, 8>>(),
        9 => asm.push::<ThenIf<B, W, S, 9>>(),
        10 => asm.push::<ThenIf<B, W, S, 10>>(),
        11 => asm.push::<ThenIf<B, W, S, 11>>(),
        12 => asm.push::<ThenIf<B, W, S, 12>>(),
        13 => asm.push::<ThenIf<B, W, S, 13>>(),
        _ => asm.push::<ThenIf<B, W, S, 14>>(),
    }
}

pub(super) fn logical(asm: &mut Assembler<'_>, i: LogicalShift) -> Outcome {
    let (sf, shift, amount) = (i.sf(), i.shift(), i.imm6());
    if !sf && amount > 31 {
        return Outcome::Undefined;
    }
    let mut outcome = Outcome::Next;
    let op = match (i.opc(), i.n()) {
        (0, false) => shifted::<And>(asm, sf, shift, amount),
        (0, true) => inverted::<And>(asm, sf, shift, amount),
        (1, false) if i.rn() == 31 && amount == 0 => {
            if sf {
                asm.plain::<Move<W64>>()
            } else {
                asm.plain::<Move<W32>>()
            }
        }
        (1, false) => shifted::<Orr>(asm, sf, shift, amount),
        (1, true) => inverted::<Orr>(asm, sf, shift, amount),
        (2, false) => shifted::<Eor>(asm, sf, shift, amount),
        (2, true) => inverted::<Eor>(asm, sf, shift, amount),
        (_, false) if amount == 0 => {
            if let Some(op) = fuse::<Ands, Reg>(asm, sf) {
                outcome = Outcome::Fused;
                op
            } else {
                alu::<Ands, Reg>(asm, sf)
            }
        }
        (_, false) => shifted::<Ands>(asm, sf, shift, amount),
        (_, true) => inverted::<Ands>(asm, sf, shift, amount),
    };
    operands(op, i.rd(), i.rn(), i.rm());
    op.len = amount as u8;
    outcome
}

fn operands(op: &mut Op<Cpu>, rd: u32, rn: u32, rm: u32) {
    op.r[0] = target(rd);
    op.r[1] = source(rn);
    op.r[2] = source(rm);
}

pub(super) fn addsub(asm: &mut Assembler<'_>, i: AddsubShift) -> Outcome {
    let (sf, shift, amount) = (i.sf(), i.shift(), i.imm6());
    if shift == 3 || (!sf && amount > 31) {
        return Outcome::Undefined;
    }
    let mut outcome = Outcome::Next;
    let op = match (i.op(), i.s()) {
        (false, false) => shifted::<Add>(asm, sf, shift, amount),
        (false, true) => shifted::<Adds>(asm, sf, shift, amount),
        (true, false) => shifted::<Sub>(asm, sf, shift, amount),
        (true, true) if amount == 0 => {
            if let Some(op) = fuse::<Subs, Reg>(asm, sf) {
                outcome = Outcome::Fused;
                op
            } else {
                alu::<Subs, Reg>(asm, sf)
            }
        }
        (true, true) => shifted::<Subs>(asm, sf, shift, amount),
    };
    operands(op, i.rd(), i.rn(), i.rm());
    op.len = amount as u8;
    outcome
}

pub(super) fn addsub_extended(asm: &mut Assembler<'_>, i: AddsubExt) -> Outcome {
    if i.imm3() > 4 {
        return Outcome::Undefined;
    }
    let sf = i.sf();
    let to_sp = i.rd() == 31 && !i.s();
    let op = match (i.op(), i.s(), to_sp) {
        (false, false, false) => alu::<Add, Extended>(asm, sf),
        (true, false, false) => alu::<Sub, Extended>(asm, sf),
        (false, true, _) => alu::<Adds, Extended>(asm, sf),
        (true, true, _) => alu::<Subs, Extended>(asm, sf),
        (false, false, true) if sf => asm.push::<AluSp<Add, W64, Extended>>(),
        (true, false, true) if sf => asm.push::<AluSp<Sub, W64, Extended>>(),
        (false, false, true) => asm.push::<AluSp<Add, W32, Extended>>(),
        (true, false, true) => asm.push::<AluSp<Sub, W32, Extended>>(),
    };
    operands(op, i.rd(), i.rn(), i.rm());
    op.r[1] = i.rn() as u8;
    op.len = i.imm3() as u8;
    op.x[1] = i.option() as u8;
    Outcome::Next
}

pub(super) fn carry(asm: &mut Assembler<'_>, i: AddsubCarry) -> Outcome {
    let sf = i.sf();
    let op = match (i.op(), i.s()) {
        (false, false) => alu::<Adc, Reg>(asm, sf),
        (false, true) => alu::<Adcs, Reg>(asm, sf),
        (true, false) => alu::<Adc, Not<Reg>>(asm, sf),
        (true, true) => alu::<Adcs, Not<Reg>>(asm, sf),
    };
    operands(op, i.rd(), i.rn(), i.rm());
    Outcome::Next
}

pub(super) fn rmif(asm: &mut Assembler<'_>, i: Rmif) -> Outcome {
    let op = asm.plain::<RotateIntoFlags>();
    op.r[1] = source(i.rn());
    op.len = i.imm6() as u8;
    op.x[1] = i.mask() as u8;
    Outcome::Next
}

pub(super) fn setf(asm: &mut Assembler<'_>, i: Setf) -> Outcome {
    let op = asm.plain::<SetFlags>();
    op.r[1] = source(i.rn());
    op.len = if i.sz() { 16 } else { 8 };
    Outcome::Next
}

pub(super) fn conditional_compare(asm: &mut Assembler<'_>, i: CondCompare) -> Outcome {
    let op = match (i.imm(), i.op(), i.sf()) {
        (false, false, false) => asm.plain::<Conditional<Adds, W32, Reg>>(),
        (false, false, true) => asm.plain::<Conditional<Adds, W64, Reg>>(),
        (false, true, false) => asm.plain::<Conditional<Subs, W32, Reg>>(),
        (false, true, true) => asm.plain::<Conditional<Subs, W64, Reg>>(),
        (true, false, false) => asm.plain::<Conditional<Adds, W32, Imm>>(),
        (true, false, true) => asm.plain::<Conditional<Adds, W64, Imm>>(),
        (true, true, false) => asm.plain::<Conditional<Subs, W32, Imm>>(),
        (true, true, true) => asm.plain::<Conditional<Subs, W64, Imm>>(),
    };
    op.r[1] = source(i.rn());
    op.r[2] = source(i.rm());
    op.imm = u64::from(i.rm());
    op.x[1] = i.cond() as u8;
    op.x[2] = i.nzcv() as u8;
    Outcome::Next
}

pub(super) fn conditional_select(asm: &mut Assembler<'_>, i: CondSelect) -> Outcome {
    let (sf, condition) = (i.sf(), i.cond());
    let op = match (i.op(), i.o2()) {
        (false, false) => select::<Same>(asm, sf, condition),
        (false, true) => select::<Increment>(asm, sf, condition),
        (true, false) => select::<Invert>(asm, sf, condition),
        (true, true) => select::<Negate>(asm, sf, condition),
    };
    operands(op, i.rd(), i.rn(), i.rm());
    Outcome::Next
}

fn select<'a, E: Else>(asm: &'a mut Assembler<'_>, sf: bool, condition: u32) -> &'a mut Op<Cpu> {
    if sf {
        select_if::<W64, E>(asm, condition)
    } else {
        select_if::<W32, E>(asm, condition)
    }
}

fn select_if<'a, W: Width, E: Else>(asm: &'a mut Assembler<'_>, condition: u32) -> &'a mut Op<Cpu> {
    match condition {
        0 => asm.plain::<Select<W, E, 0>>(),
        1 => asm.plain::<Select<W, E, 1>>(),
        2 => asm.plain::<Select<W, E, 2>>(),
        3 => asm.plain::<Select<W, E, 3>>(),
        4 => asm.plain::<Select<W, E, 4>>(),
        5 => asm.plain::<Select<W, E, 5>>(),
        6 => asm.plain::<Select<W, E, 6>>(),
        7 => asm.plain::<Select<W, E, 7>>(),
        8 => asm.plain::<Select<W, E, 8>>(),
        9 => asm.plain::<Select<W, E, 9>>(),
        10 => asm.plain::<Select<W, E, 10>>(),
        11 => asm.plain::<Select<W, E, 11>>(),
        12 => asm.plain::<Select<W, E, 12>>(),
        13 => asm.plain::<Select<W, E, 13>>(),
        _ => asm.plain::<Select<W, E, 14>>(),
    }
}

fn two<'a, T: Two>(asm: &'a mut Assembler<'_>, sf: bool) -> &'a mut Op<Cpu> {
    if sf {
        asm.plain::<OfTwo<T, W64>>()
    } else {
        asm.plain::<OfTwo<T, W32>>()
    }
}

pub(super) fn two_sources(asm: &mut Assembler<'_>, i: Dp2src) -> Outcome {
    let sf = i.sf();
    let op = match (i.opcode(), sf) {
        (0b00_0010, _) => two::<DivideUnsigned>(asm, sf),
        (0b00_0011, _) => two::<DivideSigned>(asm, sf),
        (0b00_1000, _) => two::<ShiftLeft>(asm, sf),
        (0b00_1001, _) => two::<ShiftRight>(asm, sf),
        (0b00_1010, _) => two::<ShiftSigned>(asm, sf),
        (0b00_1011, _) => two::<Rotate>(asm, sf),
        (0b01_0000, false) => two::<Crc<1, false>>(asm, false),
        (0b01_0001, false) => two::<Crc<2, false>>(asm, false),
        (0b01_0010, false) => two::<Crc<4, false>>(asm, false),
        (0b01_0011, true) => two::<Crc<8, false>>(asm, false),
        (0b01_0100, false) => two::<Crc<1, true>>(asm, false),
        (0b01_0101, false) => two::<Crc<2, true>>(asm, false),
        (0b01_0110, false) => two::<Crc<4, true>>(asm, false),
        (0b01_0111, true) => two::<Crc<8, true>>(asm, false),
        _ => return Outcome::Undefined,
    };
    operands(op, i.rd(), i.rn(), i.rm());
    Outcome::Next
}

fn one<'a, T: One>(asm: &'a mut Assembler<'_>, sf: bool) -> &'a mut Op<Cpu> {
    if sf {
        asm.plain::<OfOne<T, W64>>()
    } else {
        asm.plain::<OfOne<T, W32>>()
    }
}

pub(super) fn one_source(asm: &mut Assembler<'_>, i: Dp1src) -> Outcome {
    let sf = i.sf();
    let op = match (i.opcode(), sf) {
        (0, _) => one::<ReverseBits>(asm, sf),
        (1, _) => one::<Reverse16>(asm, sf),
        (2, false) => {
            // REV of a W register: the low half of the other order.
            one::<Reverse32>(asm, false)
        }
        (2, true) => one::<Reverse32>(asm, true),
        (3, true) => one::<Reverse64>(asm, true),
        (4, _) => one::<LeadingZeros>(asm, sf),
        (5, _) => one::<LeadingSigns>(asm, sf),
        _ => return Outcome::Undefined,
    };
    op.r[0] = target(i.rd());
    op.r[1] = source(i.rn());
    Outcome::Next
}

fn multiply<'a, M: Factor>(
    asm: &'a mut Assembler<'_>,
    sf: bool,
    subtract: bool,
) -> &'a mut Op<Cpu> {
    match (sf, subtract) {
        (true, false) => asm.plain::<MultiplyAdd<M, W64, false>>(),
        (true, true) => asm.plain::<MultiplyAdd<M, W64, true>>(),
        (false, false) => asm.plain::<MultiplyAdd<M, W32, false>>(),
        (false, true) => asm.plain::<MultiplyAdd<M, W32, true>>(),
    }
}

pub(super) fn three_sources(asm: &mut Assembler<'_>, i: Dp3src) -> Outcome {
    let op = match (i.op31(), i.o0(), i.sf()) {
        (0, subtract, sf) => multiply::<Whole>(asm, sf, subtract),
        (1, subtract, true) => multiply::<SignedHalf>(asm, true, subtract),
        (2, false, true) => asm.plain::<MultiplyHigh<true>>(),
        (5, subtract, true) => multiply::<UnsignedHalf>(asm, true, subtract),
        (6, false, true) => asm.plain::<MultiplyHigh<false>>(),
        _ => return Outcome::Undefined,
    };
    operands(op, i.rd(), i.rn(), i.rm());
    op.r[3] = source(i.ra());
    Outcome::Next
}
