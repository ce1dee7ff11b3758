//! Bit fields, shifts, bit counting and reversal, multiplication and division, CRC32.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::{Plain, Width};
use crate::engine::software::dispatch::Op;

/// UBFM with the field at the bottom of the source (UBFX, LSR): `len` shift, `imm` mask of the result.
pub(crate) struct ExtractUnsigned;

impl Plain for ExtractUnsigned {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = cpu.get(op.r[1]) >> (op.len & 63) & op.imm;
        cpu.set(op.r[0], value);
    }
}

/// UBFM with the field going up (UBFIZ, LSL): `len` shift, `imm` mask of the source.
pub(crate) struct InsertUnsigned<W>(PhantomData<W>);

impl<W: Width> Plain for InsertUnsigned<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = (cpu.get(op.r[1]) & op.imm) << (op.len & 63);
        cpu.set(op.r[0], W::cut(value));
    }
}

/// SBFM: the source is shifted left by `len`, then right by `x[1]` with sign bits in.
pub(crate) struct FieldSigned<W>(PhantomData<W>);

impl<W: Width> Plain for FieldSigned<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = (cpu.get(op.r[1]) << (op.len & 63)) as i64 >> (op.x[1] & 63);
        cpu.set(op.r[0], W::cut(value as u64));
    }
}

/// SBFM with the field going up (SBFIZ): the field is extended by two shifts of `x[1]`, then shifted left by `len`.
pub(crate) struct InsertSigned<W>(PhantomData<W>);

impl<W: Width> Plain for InsertSigned<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let extended = (cpu.get(op.r[1]) << (op.x[1] & 63)) as i64 >> (op.x[1] & 63);
        cpu.set(op.r[0], W::cut((extended as u64) << (op.len & 63)));
    }
}

/// BFM: bits of the mask `imm` come from the source rotated right by `len`.
pub(crate) struct FieldInsert<W>(PhantomData<W>);

impl<W: Width> Plain for FieldInsert<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let source = cpu.get(op.r[1]);
        let rotated = if W::BITS == 32 {
            u64::from((source as u32).rotate_right(u32::from(op.len)))
        } else {
            source.rotate_right(u32::from(op.len))
        };
        let value = cpu.get(op.r[0]) & !op.imm | rotated & op.imm;
        cpu.set(op.r[0], W::cut(value));
    }
}

/// EXTR: `len` is the position of the lowest bit.
pub(crate) struct ExtractPair<W>(PhantomData<W>);

impl<W: Width> Plain for ExtractPair<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (high, low) = (cpu.get(op.r[1]), cpu.get(op.r[2]));
        let value = if W::BITS == 32 {
            (high << 32 | u64::from(low as u32)) >> (op.len & 31)
        } else {
            ((u128::from(high) << 64 | u128::from(low)) >> (op.len & 63)) as u64
        };
        cpu.set(op.r[0], W::cut(value));
    }
}

/// An operation on two registers.
pub(crate) trait Two: 'static {
    fn compute<W: Width>(a: u64, b: u64) -> u64;
}

/// The step of an operation on two registers.
pub(crate) struct OfTwo<T, W>(PhantomData<(T, W)>);

impl<T: Two, W: Width> Plain for OfTwo<T, W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = T::compute::<W>(cpu.get(op.r[1]), cpu.get(op.r[2]));
        cpu.set(op.r[0], W::cut(value));
    }
}

pub(crate) struct DivideUnsigned;
pub(crate) struct DivideSigned;
pub(crate) struct ShiftLeft;
pub(crate) struct ShiftRight;
pub(crate) struct ShiftSigned;
pub(crate) struct Rotate;
/// CRC32 (`CASTAGNOLI` false) or CRC32C of the low `BYTES` of the second operand.
pub(crate) struct Crc<const BYTES: u32, const CASTAGNOLI: bool>;

impl Two for DivideUnsigned {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        W::cut(a).checked_div(W::cut(b)).unwrap_or(0)
    }
}

impl Two for DivideSigned {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        match W::signed(b) {
            0 => 0,
            b => W::signed(a).wrapping_div(b) as u64,
        }
    }
}

impl Two for ShiftLeft {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        a << (b as u32 & (W::BITS - 1))
    }
}

impl Two for ShiftRight {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        W::cut(a) >> (b as u32 & (W::BITS - 1))
    }
}

impl Two for ShiftSigned {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        (W::signed(a) >> (b as u32 & (W::BITS - 1))) as u64
    }
}

impl Two for Rotate {
    #[inline(always)]
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        if W::BITS == 32 {
            u64::from((a as u32).rotate_right(b as u32 & 31))
        } else {
            a.rotate_right(b as u32 & 63)
        }
    }
}

impl<const BYTES: u32, const CASTAGNOLI: bool> Two for Crc<BYTES, CASTAGNOLI> {
    fn compute<W: Width>(a: u64, b: u64) -> u64 {
        // Polynomials with their bits reversed, as the checksum is computed from the low end.
        let polynomial: u32 = if CASTAGNOLI { 0x82f6_3b78 } else { 0xedb8_8320 };
        let mut sum = a as u32;
        for byte in 0..BYTES {
            sum ^= u32::from((b >> (8 * byte)) as u8);
            for _ in 0..8 {
                sum = sum >> 1 ^ if sum & 1 != 0 { polynomial } else { 0 };
            }
        }
        u64::from(sum)
    }
}

/// An operation on one register.
pub(crate) trait One: 'static {
    fn compute<W: Width>(a: u64) -> u64;
}

/// The step of an operation on one register.
pub(crate) struct OfOne<T, W>(PhantomData<(T, W)>);

impl<T: One, W: Width> Plain for OfOne<T, W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = T::compute::<W>(cpu.get(op.r[1]));
        cpu.set(op.r[0], W::cut(value));
    }
}

pub(crate) struct ReverseBits;
pub(crate) struct Reverse16;
pub(crate) struct Reverse32;
pub(crate) struct Reverse64;
pub(crate) struct LeadingZeros;
pub(crate) struct LeadingSigns;

impl One for ReverseBits {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        a.reverse_bits() >> (64 - W::BITS)
    }
}

impl One for Reverse16 {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        a >> 8 & 0x00ff_00ff_00ff_00ff | (a & 0x00ff_00ff_00ff_00ff) << 8
    }
}

impl One for Reverse32 {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        a.swap_bytes().rotate_left(32)
    }
}

impl One for Reverse64 {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        a.swap_bytes()
    }
}

impl One for LeadingZeros {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        u64::from(W::cut(a).leading_zeros() - (64 - W::BITS))
    }
}

impl One for LeadingSigns {
    #[inline(always)]
    fn compute<W: Width>(a: u64) -> u64 {
        let a = W::signed(a);
        u64::from((a ^ a >> 63).leading_zeros() - (64 - W::BITS) - 1)
    }
}

/// MADD and its like: `r[3]` plus (or, subtracting, minus) the product of `r[1]` and `r[2]`.
pub(crate) struct MultiplyAdd<M, W, const SUBTRACT: bool>(PhantomData<(M, W)>);

/// How the factors of a [`MultiplyAdd`] are read.
pub(crate) trait Factor: 'static {
    fn read(value: u64) -> u64;
}

/// As they are.
pub(crate) struct Whole;
/// The low halves, sign-extended.
pub(crate) struct SignedHalf;
/// The low halves, zero-extended.
pub(crate) struct UnsignedHalf;

impl Factor for Whole {
    #[inline(always)]
    fn read(value: u64) -> u64 {
        value
    }
}

impl Factor for SignedHalf {
    #[inline(always)]
    fn read(value: u64) -> u64 {
        value as i32 as u64
    }
}

impl Factor for UnsignedHalf {
    #[inline(always)]
    fn read(value: u64) -> u64 {
        u64::from(value as u32)
    }
}

impl<M: Factor, W: Width, const SUBTRACT: bool> Plain for MultiplyAdd<M, W, SUBTRACT> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let product = M::read(cpu.get(op.r[1])).wrapping_mul(M::read(cpu.get(op.r[2])));
        let sum = cpu.get(op.r[3]);
        let value = if SUBTRACT {
            sum.wrapping_sub(product)
        } else {
            sum.wrapping_add(product)
        };
        cpu.set(op.r[0], W::cut(value));
    }
}

/// SMULH, UMULH.
pub(crate) struct MultiplyHigh<const SIGNED: bool>;

impl<const SIGNED: bool> Plain for MultiplyHigh<SIGNED> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (cpu.get(op.r[1]), cpu.get(op.r[2]));
        let value = if SIGNED {
            ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
        } else {
            ((u128::from(a) * u128::from(b)) >> 64) as u64
        };
        cpu.set(op.r[0], value);
    }
}
