//! Advanced SIMD classes that hold integer instructions alone: three different, shifts by immediates, copies, permutations,
//! immediates; and the fixed-point conversions among the shifts (Arm DDI 0487, C4.1.96).

use super::super::super::decode::{self, Assembler};
use super::super::super::exec::{W32, W64};
use super::super::integer::{
    AbaLong, AbdLong, AddLong, Lengthen, Long, MlaLong, MlsLong, MulLong, Narrow, NarrowHigh,
    PmulLong, Shift, ShiftBy, ShiftLong, Shl, Sli, Sqdmlal, Sqdmlsl, Sqdmull, SqshlImm, Sqshlu,
    Sri, Srshr, Srsra, Sshr, Ssra, SubLong, UqshlImm, Urshr, Ursra, Ushr, Usra, Widen,
};
use super::super::lanes::Shape;
use super::super::permute::{
    Duplicate, DuplicateGeneral, Extract, Immediate, InsertElement, InsertGeneral, MoveElement,
    Permute, Pick, Table, Trn1, Trn2, Uzp1, Uzp2, Zip1, Zip2,
};
use super::super::scalar::Constant;
use super::scalar::expand;
use super::vector::{fp_to_integer, integer_to_fp};
use super::{Class, Found, lanes};
use crate::aarch64::instructions_fp::{
    ScalarCopy, VectorCopy, VectorExtract, VectorImm, VectorPermute, VectorTable,
};

/// An operation for each element size.
macro_rules! lanes1 {
    ($class:expr, $asm:expr, $size:expr, $name:ident) => {
        match $size {
            0 => $class.plain::<$name<u8>>($asm),
            1 => $class.plain::<$name<u16>>($asm),
            2 => $class.plain::<$name<u32>>($asm),
            _ => $class.plain::<$name<u64>>($asm),
        }
    };
}

fn long<'a, F: Long>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match (class.size, class.u) {
        (0, false) => class.plain::<Lengthen<F, u8, u16, true, false>>(asm),
        (1, false) => class.plain::<Lengthen<F, u16, u32, true, false>>(asm),
        (2, false) => class.plain::<Lengthen<F, u32, u64, true, false>>(asm),
        (0, true) => class.plain::<Lengthen<F, u8, u16, false, false>>(asm),
        (1, true) => class.plain::<Lengthen<F, u16, u32, false, false>>(asm),
        (2, true) => class.plain::<Lengthen<F, u32, u64, false, false>>(asm),
        _ => None,
    }
}

/// The saturating doubling forms: signed elements of 16 and 32 bits.
fn doubling<'a, F: Long>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match (class.size, class.u) {
        (1, false) => class.plain::<Lengthen<F, u16, u32, true, false>>(asm),
        (2, false) => class.plain::<Lengthen<F, u32, u64, true, false>>(asm),
        _ => None,
    }
}

fn wide<'a, const SUBTRACT: bool>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match (class.size, class.u) {
        (0, false) => class.plain::<Widen<u8, u16, true, SUBTRACT>>(asm),
        (1, false) => class.plain::<Widen<u16, u32, true, SUBTRACT>>(asm),
        (2, false) => class.plain::<Widen<u32, u64, true, SUBTRACT>>(asm),
        (0, true) => class.plain::<Widen<u8, u16, false, SUBTRACT>>(asm),
        (1, true) => class.plain::<Widen<u16, u32, false, SUBTRACT>>(asm),
        (2, true) => class.plain::<Widen<u32, u64, false, SUBTRACT>>(asm),
        _ => None,
    }
}

fn high<'a, const SUBTRACT: bool>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match (class.size, class.u) {
        (0, false) => class.plain::<NarrowHigh<u16, u8, SUBTRACT, false>>(asm),
        (1, false) => class.plain::<NarrowHigh<u32, u16, SUBTRACT, false>>(asm),
        (2, false) => class.plain::<NarrowHigh<u64, u32, SUBTRACT, false>>(asm),
        (0, true) => class.plain::<NarrowHigh<u16, u8, SUBTRACT, true>>(asm),
        (1, true) => class.plain::<NarrowHigh<u32, u16, SUBTRACT, true>>(asm),
        (2, true) => class.plain::<NarrowHigh<u64, u32, SUBTRACT, true>>(asm),
        _ => None,
    }
}

pub(super) fn three_different<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    match class.field(12, 4) {
        9 => doubling::<Sqdmlal>(class, asm),
        11 => doubling::<Sqdmlsl>(class, asm),
        13 => doubling::<Sqdmull>(class, asm),
        _ if class.is_scalar() => None,
        0 => long::<AddLong>(class, asm),
        1 => wide::<false>(class, asm),
        2 => long::<SubLong>(class, asm),
        3 => wide::<true>(class, asm),
        4 => high::<false>(class, asm),
        5 => long::<AbaLong>(class, asm),
        6 => high::<true>(class, asm),
        7 => long::<AbdLong>(class, asm),
        8 => long::<MlaLong>(class, asm),
        10 => long::<MlsLong>(class, asm),
        12 => long::<MulLong>(class, asm),
        14 if class.size == 0 && !class.u => {
            class.plain::<Lengthen<PmulLong, u8, u16, false, false>>(asm)
        }
        _ => None,
    }
}

fn shifted<'a, F: Shift>(
    class: Class,
    asm: &'a mut Assembler<'_>,
    size: u32,
    by: u32,
) -> Found<'a> {
    let op = lanes!(class, asm, size, ShiftBy<F>: 0 u8, 1 u16, 2 u32, 3 u64)?;
    op.len = by as u8;
    Some(op)
}

fn narrowed<'a, const FROM: bool, const TO: bool, const SATURATE: bool, const ROUND: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
    size: u32,
    by: u32,
) -> Found<'a> {
    let op = match size {
        0 => class.plain::<Narrow<u16, u8, FROM, TO, SATURATE, ROUND>>(asm),
        1 => class.plain::<Narrow<u32, u16, FROM, TO, SATURATE, ROUND>>(asm),
        2 => class.plain::<Narrow<u64, u32, FROM, TO, SATURATE, ROUND>>(asm),
        _ => None,
    }?;
    op.len = by as u8;
    Some(op)
}

fn lengthened<'a, const SIGNED: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
    size: u32,
    by: u32,
) -> Found<'a> {
    let op = match size {
        0 => class.plain::<ShiftLong<u8, u16, SIGNED>>(asm),
        1 => class.plain::<ShiftLong<u16, u32, SIGNED>>(asm),
        2 => class.plain::<ShiftLong<u32, u64, SIGNED>>(asm),
        _ => None,
    }?;
    op.len = by as u8;
    Some(op)
}

pub(super) fn shift<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let (immh, amount) = (class.field(19, 4), class.field(16, 7));
    if immh == 0 {
        return None;
    }
    let size = 31 - immh.leading_zeros();
    // Right shifts count down from twice the size, left shifts up from the size.
    let (right, left) = ((16 << size) - amount, amount - (8 << size));
    let opcode = class.field(11, 5);
    let saturating = matches!(opcode, 0b01100 | 0b01110 | 0b10010 | 0b10011);
    if opcode < 0b10000 && class.is_scalar() && size != 3 && !saturating {
        return None;
    }
    if opcode < 0b10000 && !class.sized(size) {
        return None;
    }
    match (opcode, class.u) {
        (0b00000, false) => shifted::<Sshr>(class, asm, size, right),
        (0b00000, true) => shifted::<Ushr>(class, asm, size, right),
        (0b00010, false) => shifted::<Ssra>(class, asm, size, right),
        (0b00010, true) => shifted::<Usra>(class, asm, size, right),
        (0b00100, false) => shifted::<Srshr>(class, asm, size, right),
        (0b00100, true) => shifted::<Urshr>(class, asm, size, right),
        (0b00110, false) => shifted::<Srsra>(class, asm, size, right),
        (0b00110, true) => shifted::<Ursra>(class, asm, size, right),
        (0b01000, true) => shifted::<Sri>(class, asm, size, right),
        (0b01010, false) => shifted::<Shl>(class, asm, size, left),
        (0b01010, true) => shifted::<Sli>(class, asm, size, left),
        (0b01100, true) => shifted::<Sqshlu>(class, asm, size, left),
        (0b01110, false) => shifted::<SqshlImm>(class, asm, size, left),
        (0b01110, true) => shifted::<UqshlImm>(class, asm, size, left),
        (0b10000, true) => narrowed::<true, false, true, false>(class, asm, size, right),
        (0b10001, true) => narrowed::<true, false, true, true>(class, asm, size, right),
        (0b10010, false) => narrowed::<true, true, true, false>(class, asm, size, right),
        (0b10011, false) => narrowed::<true, true, true, true>(class, asm, size, right),
        (0b10010, true) => narrowed::<false, false, true, false>(class, asm, size, right),
        (0b10011, true) => narrowed::<false, false, true, true>(class, asm, size, right),
        (0b10000, false) if !class.is_scalar() => {
            narrowed::<false, false, false, false>(class, asm, size, right)
        }
        (0b10001, false) if !class.is_scalar() => {
            narrowed::<false, false, false, true>(class, asm, size, right)
        }
        (0b10100, false) if !class.is_scalar() => lengthened::<true>(class, asm, size, left),
        (0b10100, true) if !class.is_scalar() => lengthened::<false>(class, asm, size, left),
        (0b11100 | 0b11111, _) => fixed_point(asm, class, size, right, opcode),
        _ => None,
    }
}

/// SCVTF, UCVTF, FCVTZS, FCVTZU of fixed-point numbers.
fn fixed_point<'a>(
    asm: &'a mut Assembler<'_>,
    class: Class,
    size: u32,
    fraction: u32,
    opcode: u32,
) -> Found<'a> {
    if size < 2 {
        return None;
    }
    let class = Class {
        size: size - 2,
        ..class
    };
    let op = match (opcode, class.u) {
        (0b11100, false) => integer_to_fp::<true>(class, asm),
        (0b11100, true) => integer_to_fp::<false>(class, asm),
        (_, unsigned) => fp_to_integer(class, asm, unsigned, 3),
    }?;
    op.len = fraction as u8;
    Some(op)
}

/// The size and number of the element that `imm5` names.
fn element(imm5: u32) -> Option<(u32, u8)> {
    let size = imm5.trailing_zeros();
    (size < 4).then(|| (size, (imm5 >> (size + 1)) as u8))
}

fn duplicate<'a>(asm: &'a mut Assembler<'_>, class: Class, imm5: u32) -> Found<'a> {
    let (size, index) = element(imm5)?;
    let op = match size {
        0 => class.plain::<Duplicate<u8>>(asm),
        1 => class.plain::<Duplicate<u16>>(asm),
        2 => class.plain::<Duplicate<u32>>(asm),
        _ if class.sized(3) => class.plain::<Duplicate<u64>>(asm),
        _ => None,
    }?;
    op.x[1] = index;
    Some(op)
}

pub(super) fn scalar_copy<'a>(asm: &'a mut Assembler<'_>, i: ScalarCopy) -> Found<'a> {
    if i.op() || i.imm4() != 0 {
        return None;
    }
    duplicate(asm, Class::scalar(i.0), i.imm5())
}

pub(super) fn copy<'a>(asm: &'a mut Assembler<'_>, i: VectorCopy) -> Found<'a> {
    let class = Class::vector(i.0);
    let (size, index) = element(i.imm5())?;
    let general = decode::source(i.rn());
    match (i.op(), i.imm4(), i.q()) {
        (false, 0, _) => duplicate(asm, class, i.imm5()),
        (false, 1, _) => {
            let op = match size {
                0 => class.plain::<DuplicateGeneral<u8>>(asm),
                1 => class.plain::<DuplicateGeneral<u16>>(asm),
                2 => class.plain::<DuplicateGeneral<u32>>(asm),
                _ if class.sized(3) => class.plain::<DuplicateGeneral<u64>>(asm),
                _ => None,
            }?;
            op.r[1] = general;
            Some(op)
        }
        (false, 3, true) => {
            let op = lanes1!(class, asm, size, InsertGeneral)?;
            op.r[1] = general;
            op.x[1] = index;
            Some(op)
        }
        (false, 5 | 7, q) => {
            let op = match (i.imm4() == 5, size, q) {
                (true, 0, false) => asm.plain::<MoveElement<u8, W32, true>>(),
                (true, 1, false) => asm.plain::<MoveElement<u16, W32, true>>(),
                (true, 0, true) => asm.plain::<MoveElement<u8, W64, true>>(),
                (true, 1, true) => asm.plain::<MoveElement<u16, W64, true>>(),
                (true, 2, true) => asm.plain::<MoveElement<u32, W64, true>>(),
                (false, 0, false) => asm.plain::<MoveElement<u8, W32, false>>(),
                (false, 1, false) => asm.plain::<MoveElement<u16, W32, false>>(),
                (false, 2, false) => asm.plain::<MoveElement<u32, W32, false>>(),
                (false, 3, true) => asm.plain::<MoveElement<u64, W64, false>>(),
                _ => return None,
            };
            op.r[0] = decode::target(i.rd());
            op.x[1] = index;
            Some(op)
        }
        (true, imm4, true) => {
            let op = lanes1!(class, asm, size, InsertElement)?;
            op.x[1] = index;
            op.x[2] = (imm4 >> size) as u8;
            Some(op)
        }
        _ => None,
    }
}

/// `AdvSIMDExpandImm`
fn modified(i: VectorImm, op: bool) -> u64 {
    let imm8 = u64::from(i.abc() << 5 | i.defgh());
    let repeat = |value: u64, bits: u32| match bits {
        16 => value * 0x0001_0001_0001_0001,
        _ => value * 0x0000_0001_0000_0001,
    };
    match i.cmode() {
        cmode @ 0..=7 => repeat(imm8 << (8 * (cmode >> 1)), 32),
        cmode @ 8..=11 => repeat(imm8 << (8 * (cmode >> 1 & 1)), 16),
        12 => repeat(imm8 << 8 | 0xff, 32),
        13 => repeat(imm8 << 16 | 0xffff, 32),
        14 if !op => imm8 * 0x0101_0101_0101_0101,
        14 => (0..8)
            .filter(|bit| imm8 >> bit & 1 != 0)
            .fold(0, |all, bit| all | 0xff << (8 * bit)),
        _ if !op => repeat(expand(imm8 as u32, false), 32),
        _ => expand(imm8 as u32, true),
    }
}

pub(super) fn modified_immediate<'a>(asm: &'a mut Assembler<'_>, i: VectorImm) -> Found<'a> {
    let class = Class::vector(i.0);
    // o2 is for half precision; FMOV of doubles has no 64-bit vector.
    if i.o2() || (i.cmode() == 15 && i.op() && !i.q()) {
        return None;
    }
    let imm = modified(i, i.op());
    let keeps = i.cmode() < 12 && i.cmode() & 1 != 0;
    let op = match (keeps, i.op()) {
        (true, false) => class.plain::<Immediate<false>>(asm),
        (true, true) => class.plain::<Immediate<true>>(asm),
        _ => class.plain::<Constant>(asm),
    }?;
    let inverted = !keeps && i.op() && i.cmode() < 14;
    op.imm = if inverted { !imm } else { imm };
    Some(op)
}

pub(super) fn table<'a>(asm: &'a mut Assembler<'_>, i: VectorTable) -> Found<'a> {
    let class = Class::vector(i.0);
    let op = if i.op() {
        class.plain::<Table<true>>(asm)
    } else {
        class.plain::<Table<false>>(asm)
    }?;
    op.x[1] = i.len() as u8 + 1;
    Some(op)
}

fn permuted<'a, F: Pick>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    lanes!(class, asm, class.size, Permute<F>: 0 u8, 1 u16, 2 u32, 3 u64)
}

pub(super) fn permute<'a>(asm: &'a mut Assembler<'_>, i: VectorPermute) -> Found<'a> {
    let class = Class::vector(i.0);
    match i.opcode() {
        1 => permuted::<Uzp1>(class, asm),
        2 => permuted::<Trn1>(class, asm),
        3 => permuted::<Zip1>(class, asm),
        5 => permuted::<Uzp2>(class, asm),
        6 => permuted::<Trn2>(class, asm),
        7 => permuted::<Zip2>(class, asm),
        _ => None,
    }
}

pub(super) fn extract<'a>(asm: &'a mut Assembler<'_>, i: VectorExtract) -> Found<'a> {
    let class = Class::vector(i.0);
    if class.shape == Shape::Half && i.imm4() > 7 {
        return None;
    }
    let op = class.plain::<Extract>(asm)?;
    op.len = i.imm4() as u8;
    Some(op)
}
