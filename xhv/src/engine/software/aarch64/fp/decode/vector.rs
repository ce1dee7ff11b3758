//! Advanced SIMD classes that hold floating point and integer instructions: three same, two-register miscellaneous, across lanes,
//! pairwise, by element; of vectors and of scalars (Arm DDI 0487, C4.1.96).

use super::super::super::decode::Assembler;
use super::super::integer::{
    Abs, Across, AcrossLong, Add, And, Bic, Bif, Binary, Bit, Bsl, ByElement, ByElement3, Cls, Clz,
    Cmeq, Cmeq0, Cmge, Cmge0, Cmgt, Cmgt0, Cmhi, Cmhs, Cmle0, Cmlt0, Cmtst, Cnt, Eor, Lengthen,
    Long, Mla, MlaLong, Mls, MlsLong, Mul, MulLong, Narrow, Neg, Not, Orn, Orr, PairLong, Pairwise,
    Pmul, Rbit, Saba, Sabd, Shadd, ShiftLong, Shsub, Smax, Smin, Sqabs, Sqadd, Sqdmlal, Sqdmlsl,
    Sqdmulh, Sqdmull, Sqneg, Sqrdmulh, Sqrshl, Sqshl, Sqsub, Srhadd, Srshl, Sshl, Sub, Suqadd,
    Ternary, Uaba, Uabd, Uhadd, Uhsub, Umax, Umin, Unary, Uqadd, Uqrshl, Uqshl, Uqsub, Urecpe,
    Urhadd, Urshl, Ursqrte, Ushl, Usqadd, Vector1, Vector2, Vector3,
};
use super::super::permute::Reverse;
use super::super::scalar::{
    Fabd, Fabs, Facge, Facgt, Fadd, Fcmeq, Fcmeq0, Fcmge, Fcmge0, Fcmgt, Fcmgt0, Fcmle0, Fcmlt0,
    Fdiv, Fmax, Fmaxnm, Fmin, Fminnm, Fmul, Fmulx, Fneg, Frecpe, Frecps, Frecpx, Frinta, Frinti,
    Frintm, Frintn, Frintp, Frintx, Frintz, Frsqrte, Frsqrts, Fsqrt, Fsub, One, Two,
};
use super::super::vector::{
    Each1, Each2, EachBy, EachFma, EachFromInteger, EachPair, EachToInteger, FpAcross, LongHalf,
    LongSingle, NarrowDouble, NarrowSingle,
};
use super::{Class, Found, lanes};

fn binary<'a, F: Binary>(class: Class, asm: &'a mut Assembler<'_>, sizes: u8) -> Found<'a> {
    if sizes >> class.size & 1 == 0 {
        return None;
    }
    lanes!(class, asm, class.size, Vector2<F>: 0 u8, 1 u16, 2 u32, 3 u64)
}

fn ternary<'a, F: Ternary>(class: Class, asm: &'a mut Assembler<'_>, sizes: u8) -> Found<'a> {
    if sizes >> class.size & 1 == 0 {
        return None;
    }
    lanes!(class, asm, class.size, Vector3<F>: 0 u8, 1 u16, 2 u32, 3 u64)
}

fn unary<'a, F: Unary>(class: Class, asm: &'a mut Assembler<'_>, sizes: u8) -> Found<'a> {
    if sizes >> class.size & 1 == 0 {
        return None;
    }
    lanes!(class, asm, class.size, Vector1<F>: 0 u8, 1 u16, 2 u32, 3 u64)
}

fn pairs<'a, F: Binary>(class: Class, asm: &'a mut Assembler<'_>, sizes: u8) -> Found<'a> {
    if sizes >> class.size & 1 == 0 {
        return None;
    }
    lanes!(class, asm, class.size, Pairwise<F>: 0 u8, 1 u16, 2 u32, 3 u64)
}

/// Sizes of elements that an instruction has: a bit each for 8, 16, 32, 64 bits.
const ALL: u8 = 0b1111;
const TO_32: u8 = 0b0111;
const ONLY_8: u8 = 0b0001;
const H_AND_S: u8 = 0b0110;
const ONLY_32: u8 = 0b0100;
const ONLY_64: u8 = 0b1000;

/// Floating-point elements by the low bit of the size field.
macro_rules! floats {
    ($class:expr, $asm:expr, $name:ident<$f:ty>) => {
        match ($class.size & 1, $class.sized(2 + ($class.size & 1))) {
            (0, _) => $class.plain::<$name<$f, u32>>($asm),
            (_, true) => $class.plain::<$name<$f, u64>>($asm),
            _ => None,
        }
    };
}

fn fp2<'a, F: Two>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    floats!(class, asm, Each2<F>)
}

fn fp1<'a, F: One>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    floats!(class, asm, Each1<F>)
}

fn fp_pairs<'a, F: Two>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    floats!(class, asm, EachPair<F>)
}

fn fma<'a, const NEGATE: bool, const INDEXED: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
) -> Found<'a> {
    match (class.size & 1, class.sized(2 + (class.size & 1))) {
        (0, _) => class.plain::<EachFma<u32, NEGATE, INDEXED>>(asm),
        (_, true) => class.plain::<EachFma<u64, NEGATE, INDEXED>>(asm),
        _ => None,
    }
}

pub(super) fn three_same<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let opcode = class.field(11, 5);
    if opcode >= 0b11000 {
        return three_same_fp(asm, class, opcode);
    }
    if class.is_scalar() {
        return three_same_scalar(asm, class, opcode);
    }
    match (opcode, class.u) {
        (0, false) => binary::<Shadd>(class, asm, TO_32),
        (0, true) => binary::<Uhadd>(class, asm, TO_32),
        (1, false) => binary::<Sqadd>(class, asm, ALL),
        (1, true) => binary::<Uqadd>(class, asm, ALL),
        (2, false) => binary::<Srhadd>(class, asm, TO_32),
        (2, true) => binary::<Urhadd>(class, asm, TO_32),
        (3, _) => logic(asm, class),
        (4, false) => binary::<Shsub>(class, asm, TO_32),
        (4, true) => binary::<Uhsub>(class, asm, TO_32),
        (5, false) => binary::<Sqsub>(class, asm, ALL),
        (5, true) => binary::<Uqsub>(class, asm, ALL),
        (6, false) => binary::<Cmgt>(class, asm, ALL),
        (6, true) => binary::<Cmhi>(class, asm, ALL),
        (7, false) => binary::<Cmge>(class, asm, ALL),
        (7, true) => binary::<Cmhs>(class, asm, ALL),
        (8, false) => binary::<Sshl>(class, asm, ALL),
        (8, true) => binary::<Ushl>(class, asm, ALL),
        (9, false) => binary::<Sqshl>(class, asm, ALL),
        (9, true) => binary::<Uqshl>(class, asm, ALL),
        (10, false) => binary::<Srshl>(class, asm, ALL),
        (10, true) => binary::<Urshl>(class, asm, ALL),
        (11, false) => binary::<Sqrshl>(class, asm, ALL),
        (11, true) => binary::<Uqrshl>(class, asm, ALL),
        (12, false) => binary::<Smax>(class, asm, TO_32),
        (12, true) => binary::<Umax>(class, asm, TO_32),
        (13, false) => binary::<Smin>(class, asm, TO_32),
        (13, true) => binary::<Umin>(class, asm, TO_32),
        (14, false) => binary::<Sabd>(class, asm, TO_32),
        (14, true) => binary::<Uabd>(class, asm, TO_32),
        (15, false) => ternary::<Saba>(class, asm, TO_32),
        (15, true) => ternary::<Uaba>(class, asm, TO_32),
        (16, false) => binary::<Add>(class, asm, ALL),
        (16, true) => binary::<Sub>(class, asm, ALL),
        (17, false) => binary::<Cmtst>(class, asm, ALL),
        (17, true) => binary::<Cmeq>(class, asm, ALL),
        (18, false) => ternary::<Mla>(class, asm, TO_32),
        (18, true) => ternary::<Mls>(class, asm, TO_32),
        (19, false) => binary::<Mul>(class, asm, TO_32),
        (19, true) => binary::<Pmul>(class, asm, ONLY_8),
        (20, false) => pairs::<Smax>(class, asm, TO_32),
        (20, true) => pairs::<Umax>(class, asm, TO_32),
        (21, false) => pairs::<Smin>(class, asm, TO_32),
        (21, true) => pairs::<Umin>(class, asm, TO_32),
        (22, false) => binary::<Sqdmulh>(class, asm, H_AND_S),
        (22, true) => binary::<Sqrdmulh>(class, asm, H_AND_S),
        (23, false) => pairs::<Add>(class, asm, ALL),
        _ => None,
    }
}

fn three_same_scalar<'a>(asm: &'a mut Assembler<'_>, class: Class, opcode: u32) -> Found<'a> {
    match (opcode, class.u) {
        (1, false) => binary::<Sqadd>(class, asm, ALL),
        (1, true) => binary::<Uqadd>(class, asm, ALL),
        (5, false) => binary::<Sqsub>(class, asm, ALL),
        (5, true) => binary::<Uqsub>(class, asm, ALL),
        (6, false) => binary::<Cmgt>(class, asm, ONLY_64),
        (6, true) => binary::<Cmhi>(class, asm, ONLY_64),
        (7, false) => binary::<Cmge>(class, asm, ONLY_64),
        (7, true) => binary::<Cmhs>(class, asm, ONLY_64),
        (8, false) => binary::<Sshl>(class, asm, ONLY_64),
        (8, true) => binary::<Ushl>(class, asm, ONLY_64),
        (9, false) => binary::<Sqshl>(class, asm, ALL),
        (9, true) => binary::<Uqshl>(class, asm, ALL),
        (10, false) => binary::<Srshl>(class, asm, ONLY_64),
        (10, true) => binary::<Urshl>(class, asm, ONLY_64),
        (11, false) => binary::<Sqrshl>(class, asm, ALL),
        (11, true) => binary::<Uqrshl>(class, asm, ALL),
        (16, false) => binary::<Add>(class, asm, ONLY_64),
        (16, true) => binary::<Sub>(class, asm, ONLY_64),
        (17, false) => binary::<Cmtst>(class, asm, ONLY_64),
        (17, true) => binary::<Cmeq>(class, asm, ONLY_64),
        (22, false) => binary::<Sqdmulh>(class, asm, H_AND_S),
        (22, true) => binary::<Sqrdmulh>(class, asm, H_AND_S),
        _ => None,
    }
}

/// The logical instructions, which have no element size.
fn logic<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    match (class.u, class.size) {
        (false, 0) => class.plain::<Vector2<And, u64>>(asm),
        (false, 1) => class.plain::<Vector2<Bic, u64>>(asm),
        (false, 2) => class.plain::<Vector2<Orr, u64>>(asm),
        (false, _) => class.plain::<Vector2<Orn, u64>>(asm),
        (true, 0) => class.plain::<Vector2<Eor, u64>>(asm),
        (true, 1) => class.plain::<Vector3<Bsl, u64>>(asm),
        (true, 2) => class.plain::<Vector3<Bit, u64>>(asm),
        (true, _) => class.plain::<Vector3<Bif, u64>>(asm),
    }
}

fn three_same_fp<'a>(asm: &'a mut Assembler<'_>, class: Class, opcode: u32) -> Found<'a> {
    let second = class.size >> 1 != 0;
    match (class.u, second, opcode & 7, class.is_scalar()) {
        (false, false, 3, _) => fp2::<Fmulx>(class, asm),
        (false, false, 4, _) => fp2::<Fcmeq>(class, asm),
        (false, false, 7, _) => fp2::<Frecps>(class, asm),
        (false, true, 7, _) => fp2::<Frsqrts>(class, asm),
        (true, false, 4, _) => fp2::<Fcmge>(class, asm),
        (true, false, 5, _) => fp2::<Facge>(class, asm),
        (true, true, 2, _) => fp2::<Fabd>(class, asm),
        (true, true, 4, _) => fp2::<Fcmgt>(class, asm),
        (true, true, 5, _) => fp2::<Facgt>(class, asm),
        (_, _, _, true) => None,
        (false, false, 0, _) => fp2::<Fmaxnm>(class, asm),
        (false, false, 1, _) => fma::<false, false>(class, asm),
        (false, false, 2, _) => fp2::<Fadd>(class, asm),
        (false, false, 6, _) => fp2::<Fmax>(class, asm),
        (false, true, 0, _) => fp2::<Fminnm>(class, asm),
        (false, true, 1, _) => fma::<true, false>(class, asm),
        (false, true, 2, _) => fp2::<Fsub>(class, asm),
        (false, true, 6, _) => fp2::<Fmin>(class, asm),
        (true, false, 0, _) => fp_pairs::<Fmaxnm>(class, asm),
        (true, false, 2, _) => fp_pairs::<Fadd>(class, asm),
        (true, false, 3, _) => fp2::<Fmul>(class, asm),
        (true, false, 6, _) => fp_pairs::<Fmax>(class, asm),
        (true, false, 7, _) => fp2::<Fdiv>(class, asm),
        (true, true, 0, _) => fp_pairs::<Fminnm>(class, asm),
        (true, true, 6, _) => fp_pairs::<Fmin>(class, asm),
        _ => None,
    }
}

/// Scalar pairwise: one pair of elements of a vector.
pub(super) fn pairwise<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let second = class.size >> 1 != 0;
    match (class.u, class.field(12, 5), second) {
        (false, 0b11011, _) => pairs::<Add>(class, asm, ONLY_64),
        (true, 0b01100, false) => fp_pairs::<Fmaxnm>(class, asm),
        (true, 0b01100, true) => fp_pairs::<Fminnm>(class, asm),
        (true, 0b01101, false) => fp_pairs::<Fadd>(class, asm),
        (true, 0b01111, false) => fp_pairs::<Fmax>(class, asm),
        (true, 0b01111, true) => fp_pairs::<Fmin>(class, asm),
        _ => None,
    }
}

fn across_integer<'a, F: Binary>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    if class.size == 2 && class.shape as u8 == 0 {
        return None;
    }
    lanes!(class, asm, class.size, Across<F>: 0 u8, 1 u16, 2 u32)
}

fn across_long<'a, const SIGNED: bool>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match (class.size, class.shape as u8) {
        (0, _) => class.plain::<AcrossLong<u8, SIGNED>>(asm),
        (1, _) => class.plain::<AcrossLong<u16, SIGNED>>(asm),
        (2, 1) => class.plain::<AcrossLong<u32, SIGNED>>(asm),
        _ => None,
    }
}

pub(super) fn across<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let full = class.shape as u8 == 1;
    match (class.u, class.field(12, 5), class.size) {
        (false, 0b00011, _) => across_long::<true>(class, asm),
        (true, 0b00011, _) => across_long::<false>(class, asm),
        (false, 0b01010, _) => across_integer::<Smax>(class, asm),
        (true, 0b01010, _) => across_integer::<Umax>(class, asm),
        (false, 0b11010, _) => across_integer::<Smin>(class, asm),
        (true, 0b11010, _) => across_integer::<Umin>(class, asm),
        (false, 0b11011, _) => across_integer::<Add>(class, asm),
        (true, 0b01100, 0) if full => class.plain::<FpAcross<Fmaxnm>>(asm),
        (true, 0b01100, 2) if full => class.plain::<FpAcross<Fminnm>>(asm),
        (true, 0b01111, 0) if full => class.plain::<FpAcross<Fmax>>(asm),
        (true, 0b01111, 2) if full => class.plain::<FpAcross<Fmin>>(asm),
        _ => None,
    }
}

pub(super) fn two_misc<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let (opcode, scalar) = (class.field(12, 5), class.is_scalar());
    let wide = if scalar { ONLY_64 } else { ALL };
    match (opcode, class.u) {
        (3, false) => ternary::<Suqadd>(class, asm, ALL),
        (3, true) => ternary::<Usqadd>(class, asm, ALL),
        (7, false) => unary::<Sqabs>(class, asm, ALL),
        (7, true) => unary::<Sqneg>(class, asm, ALL),
        (8, false) => unary::<Cmgt0>(class, asm, wide),
        (8, true) => unary::<Cmge0>(class, asm, wide),
        (9, false) => unary::<Cmeq0>(class, asm, wide),
        (9, true) => unary::<Cmle0>(class, asm, wide),
        (10, false) => unary::<Cmlt0>(class, asm, wide),
        (11, false) => unary::<Abs>(class, asm, wide),
        (11, true) => unary::<Neg>(class, asm, wide),
        (0b10010, true) => narrow::<true, false, true>(class, asm),
        (0b10100, false) => narrow::<true, true, true>(class, asm),
        (0b10100, true) => narrow::<false, false, true>(class, asm),
        (0b10010, false) if !scalar => narrow::<false, false, false>(class, asm),
        (0b10110, true) if class.size == 1 => class.plain::<NarrowDouble<true>>(asm),
        (0b11010 | 0b11011 | 0b11101, _) => two_misc_fp(class, asm, opcode),
        (0b11100, _) if class.size < 2 => two_misc_fp(class, asm, opcode),
        (0b01100..=0b01110, _) => two_misc_fp(class, asm, opcode),
        _ if scalar => two_misc_fp(class, asm, opcode),
        _ => two_misc_vector(class, asm, opcode),
    }
}

fn narrow<'a, const FROM: bool, const TO: bool, const SATURATE: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
) -> Found<'a> {
    match class.size {
        0 => class.plain::<Narrow<u16, u8, FROM, TO, SATURATE, false>>(asm),
        1 => class.plain::<Narrow<u32, u16, FROM, TO, SATURATE, false>>(asm),
        2 => class.plain::<Narrow<u64, u32, FROM, TO, SATURATE, false>>(asm),
        _ => None,
    }
}

/// What only vectors have.
fn two_misc_vector<'a>(class: Class, asm: &'a mut Assembler<'_>, opcode: u32) -> Found<'a> {
    match (opcode, class.u, class.size) {
        (0, false, size @ 0..=2) => reverse(class, asm, size, 8),
        (0, true, size @ 0..=1) => reverse(class, asm, size, 4),
        (1, false, 0) => reverse(class, asm, 0, 2),
        (2, false, _) => pair_long::<true, false>(class, asm),
        (2, true, _) => pair_long::<false, false>(class, asm),
        (6, false, _) => pair_long::<true, true>(class, asm),
        (6, true, _) => pair_long::<false, true>(class, asm),
        (4, false, _) => unary::<Cls>(class, asm, TO_32),
        (4, true, _) => unary::<Clz>(class, asm, TO_32),
        (5, false, 0) => class.plain::<Vector1<Cnt, u8>>(asm),
        (5, true, 0) => class.plain::<Vector1<Not, u8>>(asm),
        (5, true, 1) => class.plain::<Vector1<Rbit, u8>>(asm),
        (0b10011, true, size) => {
            let op = match size {
                0 => class.plain::<ShiftLong<u8, u16, false>>(asm),
                1 => class.plain::<ShiftLong<u16, u32, false>>(asm),
                2 => class.plain::<ShiftLong<u32, u64, false>>(asm),
                _ => None,
            }?;
            op.len = 8 << size;
            Some(op)
        }
        (0b10110, false, 0) => class.plain::<NarrowSingle>(asm),
        (0b10110, false, 1) => class.plain::<NarrowDouble<false>>(asm),
        (0b10111, false, 0) => class.plain::<LongHalf>(asm),
        (0b10111, false, 1) => class.plain::<LongSingle>(asm),
        (0b11100, false, 2) => unary::<Urecpe>(class, asm, ONLY_32),
        (0b11100, true, 2) => unary::<Ursqrte>(class, asm, ONLY_32),
        (0b11000, false, 0 | 1) => fp1::<Frintn>(class, asm),
        (0b11000, false, _) => fp1::<Frintp>(class, asm),
        (0b11001, false, 0 | 1) => fp1::<Frintm>(class, asm),
        (0b11001, false, _) => fp1::<Frintz>(class, asm),
        (0b11000, true, 0 | 1) => fp1::<Frinta>(class, asm),
        (0b11001, true, 0 | 1) => fp1::<Frintx>(class, asm),
        (0b11001, true, _) => fp1::<Frinti>(class, asm),
        (0b01111, false, 2 | 3) => fp1::<Fabs>(class, asm),
        (0b01111, true, 2 | 3) => fp1::<Fneg>(class, asm),
        (0b11111, true, 2 | 3) => fp1::<Fsqrt>(class, asm),
        _ => None,
    }
}

fn reverse<'a>(class: Class, asm: &'a mut Assembler<'_>, size: u32, container: u8) -> Found<'a> {
    let op = match size {
        0 => class.plain::<Reverse<u8>>(asm),
        1 => class.plain::<Reverse<u16>>(asm),
        _ => class.plain::<Reverse<u32>>(asm),
    }?;
    op.len = container >> size;
    Some(op)
}

fn pair_long<'a, const SIGNED: bool, const ADD: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
) -> Found<'a> {
    match class.size {
        0 => class.plain::<PairLong<u8, u16, SIGNED, ADD>>(asm),
        1 => class.plain::<PairLong<u16, u32, SIGNED, ADD>>(asm),
        2 => class.plain::<PairLong<u32, u64, SIGNED, ADD>>(asm),
        _ => None,
    }
}

/// What vectors and scalars have.
fn two_misc_fp<'a>(class: Class, asm: &'a mut Assembler<'_>, opcode: u32) -> Found<'a> {
    let second = class.size >> 1 != 0;
    match (second, class.u, opcode) {
        // FCVT{N,M}{S,U}, FCVT{P,Z}{S,U}: rounding in the order of `rounding_of`.
        (false, u, 0b11010) => fp_to_integer(class, asm, u, 0),
        (false, u, 0b11011) => fp_to_integer(class, asm, u, 2),
        (true, u, 0b11010) => fp_to_integer(class, asm, u, 1),
        (true, u, 0b11011) => fp_to_integer(class, asm, u, 3),
        (false, u, 0b11100) => fp_to_integer(class, asm, u, 4),
        (false, false, 0b11101) => integer_to_fp::<true>(class, asm),
        (false, true, 0b11101) => integer_to_fp::<false>(class, asm),
        (true, false, 0b01100) => fp1::<Fcmgt0>(class, asm),
        (true, true, 0b01100) => fp1::<Fcmge0>(class, asm),
        (true, false, 0b01101) => fp1::<Fcmeq0>(class, asm),
        (true, true, 0b01101) => fp1::<Fcmle0>(class, asm),
        (true, false, 0b01110) => fp1::<Fcmlt0>(class, asm),
        (true, false, 0b11101) => fp1::<Frecpe>(class, asm),
        (true, true, 0b11101) => fp1::<Frsqrte>(class, asm),
        (true, false, 0b11111) if class.is_scalar() => fp1::<Frecpx>(class, asm),
        _ => None,
    }
}

pub(super) fn fp_to_integer<'a>(
    class: Class,
    asm: &'a mut Assembler<'_>,
    unsigned: bool,
    rounding: u8,
) -> Found<'a> {
    let double = class.size & 1 != 0;
    if !class.sized(2 + u32::from(double)) {
        return None;
    }
    let op = match (double, unsigned) {
        (false, false) => class.plain::<EachToInteger<u32, true>>(asm),
        (false, true) => class.plain::<EachToInteger<u32, false>>(asm),
        (true, false) => class.plain::<EachToInteger<u64, true>>(asm),
        (true, true) => class.plain::<EachToInteger<u64, false>>(asm),
    }?;
    op.x[1] = rounding;
    Some(op)
}

pub(super) fn integer_to_fp<'a, const SIGNED: bool>(
    class: Class,
    asm: &'a mut Assembler<'_>,
) -> Found<'a> {
    match (class.size & 1, class.sized(2 + (class.size & 1))) {
        (0, _) => class.plain::<EachFromInteger<u32, SIGNED>>(asm),
        (_, true) => class.plain::<EachFromInteger<u64, SIGNED>>(asm),
        _ => None,
    }
}

/// The element number of an indexed instruction, and the register it is in: with a bit above those that count, for zero
/// would be taken as not filled in.
fn index(class: Class, size: u32) -> (u8, u8) {
    let (l, m, h) = (class.field(21, 1), class.field(20, 1), class.field(11, 1));
    let (index, rm) = match size {
        1 => (h << 2 | l << 1 | m, class.field(16, 4)),
        2 => (h << 1 | l, class.field(16, 5)),
        _ => (h, class.field(16, 5)),
    };
    (index as u8, rm as u8 | 32)
}

pub(super) fn indexed<'a>(asm: &'a mut Assembler<'_>, class: Class) -> Found<'a> {
    let (opcode, scalar) = (class.field(12, 4), class.is_scalar());
    let float = matches!((opcode, class.u), (1 | 5, false) | (9, _));
    if float {
        // A double-precision element has no L bit, half precision is not here.
        if class.size < 2 || (class.size == 3 && class.field(21, 1) != 0) {
            return None;
        }
        let op = match (opcode, class.u) {
            (1, _) => fma::<false, true>(class, asm),
            (5, _) => fma::<true, true>(class, asm),
            (_, false) => floats!(class, asm, EachBy<Fmul>),
            (_, true) => floats!(class, asm, EachBy<Fmulx>),
        }?;
        (op.x[1], op.r[2]) = index(class, class.size);
        return Some(op);
    }
    if !matches!(class.size, 1 | 2) {
        return None;
    }
    let op = match (opcode, class.u) {
        (0b0011, false) => long::<Sqdmlal, true>(class, asm),
        (0b0111, false) => long::<Sqdmlsl, true>(class, asm),
        (0b1011, false) => long::<Sqdmull, true>(class, asm),
        (0b1100, false) => by_element::<Sqdmulh>(class, asm),
        (0b1101, false) => by_element::<Sqrdmulh>(class, asm),
        _ if scalar => None,
        (0b0000, true) => by_element3::<Mla>(class, asm),
        (0b0100, true) => by_element3::<Mls>(class, asm),
        (0b1000, false) => by_element::<Mul>(class, asm),
        (0b0010, false) => long::<MlaLong, true>(class, asm),
        (0b0010, true) => long::<MlaLong, false>(class, asm),
        (0b0110, false) => long::<MlsLong, true>(class, asm),
        (0b0110, true) => long::<MlsLong, false>(class, asm),
        (0b1010, false) => long::<MulLong, true>(class, asm),
        (0b1010, true) => long::<MulLong, false>(class, asm),
        _ => None,
    }?;
    (op.x[1], op.r[2]) = index(class, class.size);
    Some(op)
}

fn by_element<'a, F: Binary>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    lanes!(class, asm, class.size, ByElement<F>: 1 u16, 2 u32)
}

fn by_element3<'a, F: Ternary>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    lanes!(class, asm, class.size, ByElement3<F>: 1 u16, 2 u32)
}

fn long<'a, F: Long, const SIGNED: bool>(class: Class, asm: &'a mut Assembler<'_>) -> Found<'a> {
    match class.size {
        1 => class.plain::<Lengthen<F, u16, u32, SIGNED, true>>(asm),
        _ => class.plain::<Lengthen<F, u32, u64, SIGNED, true>>(asm),
    }
}
