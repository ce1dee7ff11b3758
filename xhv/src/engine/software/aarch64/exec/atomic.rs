//! Exclusives, compare-and-swap, atomic read-modify-write, and loads and stores that acquire and release.
//!
//! Operands: `r[0]` the register loaded or stored, `r[1]` the base, `r[2]` the second register of a pair, `r[3]` the status or the source.
//! Host atomics are sequentially consistent, so that acquire and release need nothing more.

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use super::super::cpu::{Cpu, Monitor};
use super::memory::Pair;
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};
use crate::engine::software::memory::Scalar;

/// LDAR and its like.
pub(crate) struct LoadAcquire<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for LoadAcquire<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp));
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let value = cpu.load::<P, T>(op, va)?;
        fence(Ordering::Acquire);
        cpu.set(op.r[0], value.to_u128() as u64);
        Ok(Flow::Next)
    }
}

/// LDAPURSB and its like: `len` is what the value is shifted by, up and down, to extend its sign; `x[1]` is set for a W register.
pub(crate) struct LoadAcquireSigned<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for LoadAcquireSigned<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp));
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let value = cpu.load::<P, T>(op, va)?.to_u128() as u64;
        fence(Ordering::Acquire);
        let above = 64 - 8 * T::SIZE as u32;
        let extended = ((value << above) as i64 >> above) as u64;
        let mask = if op.x[1] != 0 { 0xffff_ffff } else { !0 };
        cpu.set(op.r[0], extended & mask);
        Ok(Flow::Next)
    }
}

/// STLR and its like.
pub(crate) struct StoreRelease<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for StoreRelease<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp));
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let value = T::from_u128(cpu.get(op.r[0]).into());
        fence(Ordering::Release);
        cpu.store::<P, T>(op, va, value)?;
        // A later load-acquire must not go before it.
        fence(Ordering::SeqCst);
        Ok(Flow::Next)
    }
}

/// LDXR, LDAXR
pub(crate) struct LoadExclusive<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for LoadExclusive<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]);
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let value = cpu.load::<P, T>(op, va)?;
        fence(Ordering::Acquire);
        watch(cpu, va, value);
        cpu.set(op.r[0], value.to_u128() as u64);
        Ok(Flow::Next)
    }
}

/// LDXP, LDAXP
pub(crate) struct LoadExclusivePair<R>(PhantomData<R>);

impl<R: Pair> Step<Cpu> for LoadExclusivePair<R> {
    const OUTLINE: bool = true;
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]);
        cpu.aligned::<P>(op, va, R::Both::SIZE)?;
        // An atomic read of all 16 bytes, where memory is writable; else nobody's store can tear it but the VMM's.
        let regime = usize::from(op.x[0]);
        let value = match cpu.view.update::<R::Both>(regime, va, |now| now) {
            Some(value) => value,
            None => cpu.load::<P, R::Both>(op, va)?,
        };
        watch(cpu, va, value);
        R::set(cpu, op, value);
        Ok(Flow::Next)
    }
}

fn watch<T: Scalar>(cpu: &mut Cpu, va: u64, value: T) {
    cpu.debug.exclusive = true;
    cpu.monitor = Some(Monitor {
        va,
        size: T::SIZE as u8,
        value: value.to_u128(),
    });
}

/// Stores `new` if the monitor still stands for `va` and the memory holds what it remembers; writes the status register.
#[inline(always)]
fn store_exclusive<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Op<Cpu>, new: T) -> Result<Flow, Stop> {
    let va = cpu.get(op.r[1]);
    cpu.aligned::<P>(op, va, T::SIZE)?;
    let mut failed = true;
    if let Some(monitor) = cpu.monitor
        && monitor.va == va
        && u64::from(monitor.size) == T::SIZE
    {
        let expected = T::from_u128(monitor.value);
        let was = cpu.update::<P, T>(op, va, |now| if now == expected { new } else { now })?;
        failed = was != expected;
    }
    cpu.monitor = None;
    cpu.set(op.r[3], u64::from(failed));
    Ok(Flow::Next)
}

/// STXR, STLXR
pub(crate) struct StoreExclusive<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for StoreExclusive<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let new = T::from_u128(cpu.get(op.r[0]).into());
        store_exclusive::<P, T>(cpu, op, new)
    }
}

/// STXP, STLXP
pub(crate) struct StoreExclusivePair<R>(PhantomData<R>);

impl<R: Pair> Step<Cpu> for StoreExclusivePair<R> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let new = R::get(cpu, op);
        store_exclusive::<P, R::Both>(cpu, op, new)
    }
}

/// CAS: compares with `r[3]`, which gets what was there.
pub(crate) struct CompareSwap<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for CompareSwap<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]);
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let expected = T::from_u128(cpu.get(op.r[3]).into());
        let new = T::from_u128(cpu.get(op.r[0]).into());
        let was = cpu.update::<P, T>(op, va, |now| if now == expected { new } else { now })?;
        cpu.set(op.r[4], was.to_u128() as u64);
        Ok(Flow::Next)
    }
}

/// CASP: compares with the pair `r[3]`, `len`, and what was there goes to the pair `r[4]`, `x[1]`.
pub(crate) struct CompareSwapPair<R>(PhantomData<R>);

impl<R: Pair> Step<Cpu> for CompareSwapPair<R> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]);
        cpu.aligned::<P>(op, va, R::Both::SIZE)?;
        let new = R::get(cpu, op);
        let mut compared = *op;
        (compared.r[0], compared.r[2]) = (op.r[3], op.len);
        let expected = R::get(cpu, &compared);
        let was =
            cpu.update::<P, R::Both>(op, va, |now| if now == expected { new } else { now })?;
        (compared.r[0], compared.r[2]) = (op.r[4], op.x[1]);
        R::set(cpu, &compared, was);
        Ok(Flow::Next)
    }
}

/// What an atomic instruction makes of memory and operand.
pub(crate) trait Change: 'static {
    fn change<T: Scalar>(memory: T, operand: T) -> T;
}

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident |$memory:ident, $operand:ident, $bits:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Change for $name {
            #[inline(always)]
            fn change<T: Scalar>(memory: T, operand: T) -> T {
                let $bits = 8 * T::SIZE as u32;
                let ($memory, $operand) = (memory.to_u128() as u64, operand.to_u128() as u64);
                T::from_u128(u128::from($value))
            }
        }
    )*};
}

#[inline(always)]
fn signed(value: u64, bits: u32) -> i64 {
    (value << (64 - bits)) as i64
}

changes! {
    /// LDADD
    AtomicAdd |memory, operand, _bits| memory.wrapping_add(operand);
    /// LDCLR
    AtomicClear |memory, operand, _bits| memory & !operand;
    /// LDEOR
    AtomicEor |memory, operand, _bits| memory ^ operand;
    /// LDSET
    AtomicSet |memory, operand, _bits| memory | operand;
    /// LDSMAX
    AtomicMaxSigned |memory, operand, bits| if signed(memory, bits) > signed(operand, bits) { memory } else { operand };
    /// LDSMIN
    AtomicMinSigned |memory, operand, bits| if signed(memory, bits) < signed(operand, bits) { memory } else { operand };
    /// LDUMAX
    AtomicMax |memory, operand, _bits| memory.max(operand);
    /// LDUMIN
    AtomicMin |memory, operand, _bits| memory.min(operand);
    /// SWP
    AtomicSwap |_memory, operand, _bits| operand;
}

/// LDADD and its like: the operand is `r[3]`, and `r[0]` gets what was there.
pub(crate) struct Atomic<C, T>(PhantomData<(C, T)>);

impl<C: Change, T: Scalar> Step<Cpu> for Atomic<C, T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[1]);
        cpu.aligned::<P>(op, va, T::SIZE)?;
        let operand = T::from_u128(cpu.get(op.r[3]).into());
        let was = cpu.update::<P, T>(op, va, |now| C::change(now, operand))?;
        cpu.set(op.r[0], was.to_u128() as u64);
        Ok(Flow::Next)
    }
}
