//! From words of floating-point and Advanced SIMD code to operations: the encodings are the table `spec/aarch64/instructions_fp.rs`.

mod integer;
mod scalar;
mod vector;

use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Outcome};
use super::super::exec::Plain;
use super::lanes::Shape;
use crate::aarch64::instructions_fp::A64Fp;
use crate::engine::software::dispatch::Op;

/// What decoding of an instruction answers: its operation, or nothing where there is no such instruction.
type Found<'a> = Option<&'a mut Op<Cpu>>;

/// Decodes a word of this family.
pub(crate) fn decode(asm: &mut Assembler<'_>, word: u32) -> Outcome {
    let found = A64Fp::decode(word).and_then(|instruction| match instruction {
        A64Fp::FpInteger(i) => scalar::integer(asm, i),
        A64Fp::FpFixed(i) => scalar::fixed(asm, i),
        A64Fp::Fp1src(i) => scalar::one_source(asm, i),
        A64Fp::FpCompare(i) => scalar::compare(asm, i),
        A64Fp::FpImm(i) => scalar::immediate(asm, i),
        A64Fp::FpCcmp(i) => scalar::conditional_compare(asm, i),
        A64Fp::Fp2src(i) => scalar::two_sources(asm, i),
        A64Fp::FpCsel(i) => scalar::select(asm, i),
        A64Fp::Fp3src(i) => scalar::three_sources(asm, i),
        A64Fp::Scalar3same(i) => vector::three_same(asm, Class::scalar(i.0)),
        A64Fp::Scalar3diff(i) => integer::three_different(asm, Class::scalar(i.0)),
        A64Fp::Scalar2misc(i) => vector::two_misc(asm, Class::scalar(i.0)),
        A64Fp::ScalarPairwise(i) => vector::pairwise(asm, Class::scalar(i.0)),
        A64Fp::ScalarCopy(i) => integer::scalar_copy(asm, i),
        A64Fp::ScalarIndexed(i) => vector::indexed(asm, Class::scalar(i.0)),
        A64Fp::ScalarShift(i) => integer::shift(asm, Class::scalar(i.0)),
        A64Fp::Vector3same(i) => vector::three_same(asm, Class::vector(i.0)),
        A64Fp::Vector3diff(i) => integer::three_different(asm, Class::vector(i.0)),
        A64Fp::Vector2misc(i) => vector::two_misc(asm, Class::vector(i.0)),
        A64Fp::VectorAcross(i) => vector::across(asm, Class::vector(i.0)),
        A64Fp::VectorCopy(i) => integer::copy(asm, i),
        A64Fp::VectorIndexed(i) => vector::indexed(asm, Class::vector(i.0)),
        A64Fp::VectorShift(i) => integer::shift(asm, Class::vector(i.0)),
        A64Fp::VectorImm(i) => integer::modified_immediate(asm, i),
        A64Fp::VectorTable(i) => integer::table(asm, i),
        A64Fp::VectorPermute(i) => integer::permute(asm, i),
        A64Fp::VectorExtract(i) => integer::extract(asm, i),
    });
    match found {
        Some(op) => {
            registers(op, word);
            Outcome::Next
        }
        None => Outcome::Undefined,
    }
}

/// Fills in the register numbers, which every class has in the same place. A slot that is not zero holds a general register
/// with a number of its own, or one that has fewer bits.
fn registers(op: &mut Op<Cpu>, word: u32) {
    for (slot, shift) in [(0, 0), (1, 5), (2, 16), (3, 10)] {
        if op.r[slot] == 0 {
            op.r[slot] = (word >> shift & 31) as u8;
        }
    }
}

/// The fields that the Advanced SIMD classes share.
#[derive(Clone, Copy, Debug)]
struct Class {
    word: u32,
    shape: Shape,
    /// The U field.
    u: bool,
    /// The size field.
    size: u32,
}

impl Class {
    fn scalar(word: u32) -> Self {
        Self {
            word,
            shape: Shape::Scalar,
            u: word >> 29 & 1 != 0,
            size: word >> 22 & 3,
        }
    }

    fn vector(word: u32) -> Self {
        Self {
            shape: Shape::of(word >> 30 & 1 != 0),
            ..Self::scalar(word)
        }
    }

    fn is_scalar(self) -> bool {
        self.shape == Shape::Scalar
    }

    /// Bits of the word.
    fn field(self, low: u32, bits: u32) -> u32 {
        self.word >> low & ((1 << bits) - 1)
    }

    /// Whether there are elements of the size: a vector of 64 bits has no 64-bit elements here.
    fn sized(self, size: u32) -> bool {
        size < 3 || self.shape != Shape::Half
    }

    /// Adds the operation, its shape filled in.
    fn plain<'a, T: Plain>(self, asm: &'a mut Assembler<'_>) -> Found<'a> {
        let op = asm.plain::<T>();
        op.x[0] = self.shape as u8;
        Some(op)
    }
}

/// An operation for each of the element sizes that it is listed with: `lanes!(class, asm, size => Type<_, (u8, u16)>)`.
macro_rules! lanes {
    ($class:expr, $asm:expr, $size:expr, $name:ident<$f:ty>: $($at:literal $lane:ty),*) => {
        match $size {
            $($at if $class.sized($at) => $class.plain::<$name<$f, $lane>>($asm),)*
            _ => None,
        }
    };
}
pub(super) use lanes;
