//! Operands of SIMD operations, and where results go: the legacy encodings leave the upper half of YMM alone, VEX encodings clear it.
//!
//! In an operation `r[0]` is the destination, `r[1]` the first source, and `imm` holds the rest: see [`Fields`].

use core::marker::PhantomData;

use iced_x86::{EncodingKind, Instruction, OpKind, Register};

use super::super::access::{Long, Operation, Segmented};
use super::super::cpu::Cpu;
use super::float::Real;
use crate::engine::software::dispatch::{Path, Stop};
use crate::engine::software::memory::Scalar;

/// What an operation's `imm` holds: second source register in bits 7:0, immediate byte in 15:8, number of a function in 31:16, a
/// further register in 39:32.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub(super) source: u8,
    pub(super) immediate: u8,
    pub(super) function: u16,
    pub(super) extra: u8,
}

impl Fields {
    pub(super) fn pack(self) -> u64 {
        u64::from(self.source)
            | u64::from(self.immediate) << 8
            | u64::from(self.function) << 16
            | u64::from(self.extra) << 32
    }
}

#[inline(always)]
pub(super) fn immediate(op: &Operation) -> u8 {
    (op.imm >> 8) as u8
}

#[inline(always)]
pub(super) fn function(op: &Operation) -> usize {
    (op.imm >> 16) as usize & 0xffff
}

#[inline(always)]
pub(super) fn extra(op: &Operation) -> u8 {
    (op.imm >> 32) as u8
}

/// The number of a vector or MMX register operand; 0 if the operand is none.
pub(super) fn register(i: &Instruction, n: u32) -> u8 {
    if n < i.op_count() && i.op_kind(n) == OpKind::Register {
        i.op_register(n).number() as u8
    } else {
        0
    }
}

/// Whether operand `n` is in memory.
pub(super) fn in_memory(i: &Instruction, n: u32) -> bool {
    n < i.op_count() && i.op_kind(n) == OpKind::Memory
}

/// The last operand if it is an immediate byte.
pub(super) fn immediate_of(i: &Instruction) -> u8 {
    let last = i.op_count().saturating_sub(1);
    match i.op_kind(last) {
        OpKind::Immediate8 => i.immediate8(),
        _ => 0,
    }
}

/// Which registers an instruction computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Mmx,
    Legacy,
    Vex128,
    Vex256,
}

impl Width {
    /// From the encoding and the register operands: the widest of them.
    pub(super) fn of(i: &Instruction) -> Self {
        let any = |is: fn(Register) -> bool| {
            (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Register && is(i.op_register(n)))
        };
        match i.code().encoding() {
            EncodingKind::VEX if any(Register::is_ymm) => Self::Vex256,
            EncodingKind::VEX => Self::Vex128,
            _ if any(Register::is_xmm) => Self::Legacy,
            _ => Self::Mmx,
        }
    }

    pub(super) fn is_vex(self) -> bool {
        matches!(self, Self::Vex128 | Self::Vex256)
    }
}

impl Cpu {
    /// XMM`n`.
    #[inline(always)]
    pub(super) fn xmm(&self, n: u8) -> u128 {
        self.fpu.xmm[usize::from(n & 15)]
    }

    /// The high half of YMM`n`.
    #[inline(always)]
    pub(super) fn high(&self, n: u8) -> u128 {
        self.fpu.high[usize::from(n & 15)]
    }

    /// Writes XMM`n`, and clears the rest of YMM`n` if `vex`.
    #[inline(always)]
    pub(super) fn set_xmm(&mut self, n: u8, value: u128, vex: bool) {
        self.fpu.xmm[usize::from(n & 15)] = value;
        if vex {
            self.fpu.high[usize::from(n & 15)] = 0;
        }
    }

    /// Writes YMM`n`.
    #[inline(always)]
    pub(super) fn set_ymm(&mut self, n: u8, low: u128, high: u128) {
        self.fpu.xmm[usize::from(n & 15)] = low;
        self.fpu.high[usize::from(n & 15)] = high;
    }

    /// Loads 16 bytes that the instruction wants aligned: #GP if they are not.
    #[inline(always)]
    pub(super) fn load_aligned<P: Path>(&mut self, op: &Operation) -> Result<u128, Stop> {
        self.want_aligned::<P>(op, 15)?;
        let offset = self.ea(op);
        self.load::<P, u128>(self.seg_of(op), offset)
    }

    /// Raises #GP if the memory operand's linear address has bits of `mask`.
    #[inline(always)]
    pub(super) fn want_aligned<P: Path>(&mut self, op: &Operation, mask: u64) -> Result<(), Stop> {
        let base = self.spans[usize::from(op.x[0] & 7)].base;
        if base.wrapping_add(self.ea(op)) & mask == 0 {
            return Ok(());
        }
        Err(if P::SLOW { self.gp(0) } else { Stop::Miss })
    }

    /// The same for 16 bytes at an address that `access::Long` finds.
    #[inline(always)]
    pub(super) fn want_aligned_long<P: Path>(&mut self, op: &Operation) -> Result<(), Stop> {
        if self.ea_long(op) & 15 == 0 {
            return Ok(());
        }
        Err(if P::SLOW { self.gp(0) } else { Stop::Miss })
    }

    /// Loads from `at` bytes into the memory operand.
    #[inline(always)]
    pub(super) fn load_at<P: Path, T: Scalar>(
        &mut self,
        op: &Operation,
        at: u64,
    ) -> Result<T, Stop> {
        let offset = self.ea(op).wrapping_add(at);
        self.load::<P, T>(self.seg_of(op), offset)
    }

    /// Stores at `at` bytes into the memory operand.
    #[inline(always)]
    pub(super) fn store_at<P: Path, T: Scalar>(
        &mut self,
        op: &Operation,
        at: u64,
        value: T,
    ) -> Result<(), Stop> {
        let offset = self.ea(op).wrapping_add(at);
        self.store::<P, T>(self.seg_of(op), offset, value)
    }

    /// Stores 32 bytes, or nothing.
    pub(super) fn store_256<P: Path>(
        &mut self,
        op: &Operation,
        low: u128,
        high: u128,
    ) -> Result<(), Stop> {
        let offset = self.ea(op);
        let seg = op.x[0];
        let linear = self.spans[usize::from(seg & 7)].base.wrapping_add(offset);
        if !P::SLOW {
            // Both halves have to hit, or nothing may have happened.
            if !self.view.can_store(self.mode.regime, linear, 32) {
                return Err(Stop::Miss);
            }
        } else {
            // A fault in the second half is found before the first is stored.
            self.touch(op, offset.wrapping_add(16), 16)?;
        }
        self.store_at::<P, u128>(op, 0, low)?;
        self.store_at::<P, u128>(op, 16, high)
    }

    /// Finds out whether `size` bytes at `offset` can be stored to, by storing what is there.
    pub(super) fn touch(&mut self, op: &Operation, offset: u64, size: u64) -> Result<(), Stop> {
        use crate::engine::software::dispatch::Slow;
        let seg = self.seg_of(op);
        for at in [offset, offset.wrapping_add(size - 1)] {
            self.update::<Slow, u8>(seg, at, true, |byte| byte)?;
        }
        Ok(())
    }
}

/// Where the last source operand of an operation is.
pub(super) trait Source: 'static {
    const MEMORY: bool;
    /// The low 16 bytes, or what there is of them.
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop>;
    /// The low lane as a floating-point number.
    #[inline(always)]
    fn low<P: Path, R: Real>(cpu: &mut Cpu, op: &Operation) -> Result<R, Stop> {
        Ok(R::of(Self::get::<P>(cpu, op)?))
    }
    /// Both halves of a 32-byte operand.
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop>;
}

/// A vector register.
#[derive(Debug)]
pub(super) struct Reg;

impl Source for Reg {
    const MEMORY: bool = false;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        Ok(cpu.xmm(op.imm as u8))
    }

    #[inline(always)]
    fn low<P: Path, R: Real>(cpu: &mut Cpu, op: &Operation) -> Result<R, Stop> {
        Ok(R::low(&cpu.fpu.xmm[usize::from(op.imm as u8 & 15)]))
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        Ok((cpu.xmm(op.imm as u8), cpu.high(op.imm as u8)))
    }
}

/// Memory, `T` wide, found by `A`.
#[derive(Debug)]
pub(super) struct Mem<A, T>(PhantomData<(A, T)>);

impl<T: Scalar> Source for Mem<Segmented, T> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        Ok(cpu.load_at::<P, T>(op, 0)?.to_u128())
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        Ok((
            cpu.load_at::<P, u128>(op, 0)?,
            cpu.load_at::<P, u128>(op, 16)?,
        ))
    }
}

impl<T: Scalar> Source for Mem<Long, T> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        use super::super::access::Address;
        Ok(Long::load::<P, T>(cpu, op)?.to_u128())
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        <Mem<Segmented, T> as Source>::get2::<P>(cpu, op)
    }
}

/// Memory, 16 bytes, that has to be aligned, found by `A`.
#[derive(Debug)]
pub(super) struct Aligned<A>(PhantomData<A>);

impl Source for Aligned<Segmented> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        cpu.load_aligned::<P>(op)
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        cpu.want_aligned::<P>(op, 31)?;
        <Mem<Segmented, u128> as Source>::get2::<P>(cpu, op)
    }
}

impl Source for Aligned<Long> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        cpu.want_aligned_long::<P>(op)?;
        <Mem<Long, u128> as Source>::get::<P>(cpu, op)
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        <Aligned<Segmented> as Source>::get2::<P>(cpu, op)
    }
}
