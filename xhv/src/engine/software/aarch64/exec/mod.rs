//! What the operations do, a file for each family, and the traits that they are made of.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod bits;
pub(crate) mod branch;
pub(crate) mod memory;
pub(crate) mod registers;
pub(crate) mod structure;
pub(crate) mod system;

use core::marker::PhantomData;

use super::cpu::Cpu;
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};

/// An operation that only computes.
pub(crate) trait Plain: 'static {
    /// Does it.
    fn go(cpu: &mut Cpu, op: &Op<Cpu>);
}

/// The step of a [`Plain`] operation.
pub(crate) struct Do<T>(PhantomData<T>);

impl<T: Plain> Step<Cpu> for Do<T> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        T::go(cpu, op);
        Ok(Flow::Next)
    }
}

/// Operand width.
pub(crate) trait Width: 'static {
    /// In bits.
    const BITS: u32;
    /// The low bits, zero-extended.
    fn cut(value: u64) -> u64;
    /// The low bits, sign-extended.
    fn signed(value: u64) -> i64;
    /// Moves the low bits to the top, where flags are computed.
    fn top(value: u64) -> u64;
}

/// 32 bits: a W register.
pub(crate) struct W32;
/// 64 bits: an X register.
pub(crate) struct W64;

impl Width for W32 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn cut(value: u64) -> u64 {
        u64::from(value as u32)
    }
    #[inline(always)]
    fn signed(value: u64) -> i64 {
        i64::from(value as i32)
    }
    #[inline(always)]
    fn top(value: u64) -> u64 {
        value << 32
    }
}

impl Width for W64 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn cut(value: u64) -> u64 {
        value
    }
    #[inline(always)]
    fn signed(value: u64) -> i64 {
        value as i64
    }
    #[inline(always)]
    fn top(value: u64) -> u64 {
        value
    }
}

/// A second source operand.
pub(crate) trait Source: 'static {
    /// Its value, not yet cut to a width.
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64;
}

/// `op.imm`
pub(crate) struct Imm;
/// Register `op.r[2]`
pub(crate) struct Reg;
/// Register `op.r[2]`, shifted left by `op.len`.
pub(crate) struct Lsl;
/// Register `op.r[2]`, shifted right by `op.len`.
pub(crate) struct Lsr;
/// Register `op.r[2]`, shifted right by `op.len`, sign bits in.
pub(crate) struct Asr;
/// Register `op.r[2]`, rotated right by `op.len`.
pub(crate) struct Ror;
/// Register `op.r[2]`, extended as `op.x[1]` says (the `option` field) and shifted left by `op.len`.
pub(crate) struct Extended;
/// The complement of a source.
pub(crate) struct Not<S>(PhantomData<S>);

impl Source for Imm {
    #[inline(always)]
    fn value<W: Width>(_: &Cpu, op: &Op<Cpu>) -> u64 {
        op.imm
    }
}

impl Source for Reg {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[2])
    }
}

impl Source for Lsl {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[2]) << (op.len & 63)
    }
}

impl Source for Lsr {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        W::cut(cpu.get(op.r[2])) >> (op.len & 63)
    }
}

impl Source for Asr {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        (W::signed(cpu.get(op.r[2])) >> (op.len & 63)) as u64
    }
}

impl Source for Ror {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        let value = cpu.get(op.r[2]);
        if W::BITS == 32 {
            u64::from((value as u32).rotate_right(u32::from(op.len)))
        } else {
            value.rotate_right(u32::from(op.len))
        }
    }
}

impl Source for Extended {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        extend(cpu.get(op.r[2]), op.x[1]) << (op.len & 63)
    }
}

impl<S: Source> Source for Not<S> {
    #[inline(always)]
    fn value<W: Width>(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        !S::value::<W>(cpu, op)
    }
}

/// Extends by an `option` field: UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW, SXTX.
#[inline(always)]
pub(crate) fn extend(value: u64, option: u8) -> u64 {
    match option & 7 {
        0 => u64::from(value as u8),
        1 => u64::from(value as u16),
        2 => u64::from(value as u32),
        4 => value as i8 as u64,
        5 => value as i16 as u64,
        6 => value as i32 as u64,
        _ => value,
    }
}
