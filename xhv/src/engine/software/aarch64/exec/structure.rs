//! SIMD structure loads and stores: LD1 to LD4, ST1 to ST4, LD1R to LD4R.
//!
//! Operands: `r[0]` the first register, `r[1]` the base, `r[3]` the number of registers, `r[4]` elements of a structure (or the index of
//! the element), `x[1]` log2 of the element size and, at bit 2, whether registers are whole; `len` is set if the base goes up by
//! `disp` and `r[2]` afterwards.

use core::marker::PhantomData;

use super::super::cpu::{Cpu, Mode, SP};
use super::alu::after_sp;
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};
use crate::engine::software::memory::Scalar;

/// Bytes of an element.
fn element_bytes(op: &Op<Cpu>) -> u64 {
    1 << (op.x[1] & 3)
}

/// Bytes of a register that count.
fn register_bytes(op: &Op<Cpu>) -> u64 {
    if op.x[1] & 4 != 0 { 16 } else { 8 }
}

#[inline(always)]
fn finish(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
    if op.len == 0 {
        return Ok(Flow::Next);
    }
    let base = cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp));
    let base = base.wrapping_add(cpu.get(op.r[2]));
    cpu.set(op.r[1], base);
    if op.r[1] == SP {
        return Ok(after_sp(cpu, op));
    }
    Ok(Flow::Next)
}

/// Where alignment is checked, elements have to be aligned.
fn check(cpu: &mut Cpu, op: &Op<Cpu>, va: u64) -> Result<(), Stop> {
    if cpu.mode.has(Mode::ALIGN) && va & (element_bytes(op) - 1) != 0 {
        return Err(cpu.alignment_fault(op, va));
    }
    Ok(())
}

fn load_element<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>, va: u64) -> Result<u128, Stop> {
    Ok(match op.x[1] & 3 {
        0 => cpu.load::<P, u8>(op, va)?.into(),
        1 => cpu.load::<P, u16>(op, va)?.into(),
        2 => cpu.load::<P, u32>(op, va)?.into(),
        _ => cpu.load::<P, u64>(op, va)?.into(),
    })
}

fn store_element<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>, va: u64, value: u128) -> Result<(), Stop> {
    match op.x[1] & 3 {
        0 => cpu.store::<P, u8>(op, va, value as u8),
        1 => cpu.store::<P, u16>(op, va, value as u16),
        2 => cpu.store::<P, u32>(op, va, value as u32),
        _ => cpu.store::<P, u64>(op, va, value as u64),
    }
}

/// Register number `at` from the first on, wrapping.
fn register(op: &Op<Cpu>, at: u64) -> usize {
    (usize::from(op.r[0]) + at as usize) & 31
}

/// LD1 to LD4 (multiple structures)
pub(crate) struct LoadStructures;

impl Step<Cpu> for LoadStructures {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let base = cpu.get(op.r[1]);
        check(cpu, op, base)?;
        let (registers, whole) = (u64::from(op.r[3]), register_bytes(op));
        let mut values = [0_u128; 4];
        if op.r[4] == 1 {
            for (at, value) in values.iter_mut().enumerate().take(registers as usize) {
                let va = base.wrapping_add(at as u64 * whole);
                *value = if whole == 16 {
                    cpu.load::<P, u128>(op, va)?
                } else {
                    cpu.load::<P, u64>(op, va)?.into()
                };
            }
        } else {
            let size = element_bytes(op);
            for at in 0..whole / size * registers {
                let value = load_element::<P>(cpu, op, base.wrapping_add(at * size))?;
                let (element, into) = (at / registers, at % registers);
                values[into as usize & 3] |= value << (8 * size * element);
            }
        }
        for at in 0..registers {
            cpu.v[register(op, at)] = values[at as usize & 3];
        }
        finish(cpu, op)
    }
}

/// ST1 to ST4 (multiple structures)
pub(crate) struct StoreStructures;

impl Step<Cpu> for StoreStructures {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let base = cpu.get(op.r[1]);
        check(cpu, op, base)?;
        let (registers, whole) = (u64::from(op.r[3]), register_bytes(op));
        if !P::SLOW
            && !cpu
                .view
                .can_store(usize::from(op.x[0]), base, registers * whole)
        {
            return Err(Stop::Miss);
        }
        if op.r[4] == 1 {
            for at in 0..registers {
                let value = cpu.v[register(op, at)];
                let va = base.wrapping_add(at * whole);
                if whole == 16 {
                    cpu.store::<P, u128>(op, va, value)?;
                } else {
                    cpu.store::<P, u64>(op, va, value as u64)?;
                }
            }
        } else {
            let size = element_bytes(op);
            for at in 0..whole / size * registers {
                let (element, from) = (at / registers, at % registers);
                let value = cpu.v[register(op, from)] >> (8 * size * element);
                store_element::<P>(cpu, op, base.wrapping_add(at * size), value)?;
            }
        }
        finish(cpu, op)
    }
}

/// LD1 to LD4 (single structure)
pub(crate) struct LoadElement;

impl Step<Cpu> for LoadElement {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let (base, size) = (cpu.get(op.r[1]), element_bytes(op));
        check(cpu, op, base)?;
        let mut values = [0_u128; 4];
        for at in 0..u64::from(op.r[3]) {
            values[at as usize & 3] = load_element::<P>(cpu, op, base.wrapping_add(at * size))?;
        }
        let shift = (8 * size as u32 * u32::from(op.r[4])) & 127;
        let mask = ((1_u128 << (8 * size)) - 1) << shift;
        for at in 0..u64::from(op.r[3]) {
            let target = &mut cpu.v[register(op, at)];
            *target = *target & !mask | values[at as usize & 3] << shift;
        }
        finish(cpu, op)
    }
}

/// ST1 to ST4 (single structure)
pub(crate) struct StoreElement;

impl Step<Cpu> for StoreElement {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let (base, size) = (cpu.get(op.r[1]), element_bytes(op));
        check(cpu, op, base)?;
        let registers = u64::from(op.r[3]);
        if !P::SLOW
            && !cpu
                .view
                .can_store(usize::from(op.x[0]), base, registers * size)
        {
            return Err(Stop::Miss);
        }
        let shift = (8 * size as u32 * u32::from(op.r[4])) & 127;
        for at in 0..registers {
            let value = cpu.v[register(op, at)] >> shift;
            store_element::<P>(cpu, op, base.wrapping_add(at * size), value)?;
        }
        finish(cpu, op)
    }
}

/// LD1R of elements `T`
pub(crate) struct LoadReplicateOne<T>(PhantomData<T>);

impl<T: Scalar> Step<Cpu> for LoadReplicateOne<T> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let base = cpu.get(op.r[1]);
        if cpu.mode.has(Mode::ALIGN) && base & (T::SIZE - 1) != 0 {
            return Err(if P::SLOW {
                cpu.alignment_fault(op, base)
            } else {
                Stop::Miss
            });
        }
        let value = cpu.load::<P, T>(op, base)?.to_u128() as u64;
        // A one in each element.
        let ones = u64::MAX / (u64::MAX >> (64 - 8 * T::SIZE));
        let low = value.wrapping_mul(ones);
        let high = if op.x[1] & 4 != 0 { low } else { 0 };
        cpu.v[usize::from(op.r[0] & 31)] = u128::from(low) | u128::from(high) << 64;
        finish(cpu, op)
    }
}

/// LD1R to LD4R
pub(crate) struct LoadReplicate;

impl Step<Cpu> for LoadReplicate {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let (base, size) = (cpu.get(op.r[1]), element_bytes(op));
        check(cpu, op, base)?;
        let mut values = [0_u128; 4];
        for at in 0..u64::from(op.r[3]) {
            let value = load_element::<P>(cpu, op, base.wrapping_add(at * size))?;
            let copies = (0..register_bytes(op) / size)
                .fold(0, |all, element| all | value << (8 * size * element));
            values[at as usize & 3] = copies;
        }
        for at in 0..u64::from(op.r[3]) {
            cpu.v[register(op, at)] = values[at as usize & 3];
        }
        finish(cpu, op)
    }
}
