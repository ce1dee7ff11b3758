//! XADD CMPXCHG CMPXCHG8B CMPXCHG16B.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::alu::{Add, Cmp, binary};
use super::{Int, width};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Address, Operation, Segmented, stored};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};
use crate::engine::software::x86_64::flags::Rflags;

struct Xadd<T>(PhantomData<T>);

impl<T: Int> Exec for Xadd<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (a, b) = (T::get(cpu, op.r[0]), T::get(cpu, op.r[1]));
        let sum = binary::<Add, T>(cpu, a, b, 0);
        T::put(cpu, op.r[1], a);
        T::put(cpu, op.r[0], sum);
        Ok(Flow::Next)
    }
}

struct XaddMem<T, const LOCK: bool>(PhantomData<T>);

impl<T: Int, const LOCK: bool> Exec for XaddMem<T, LOCK> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = T::get(cpu, op.r[1]);
        let sum = |a: T| T::narrow(a.wide().wrapping_add(b.wide()));
        let a = Segmented::update::<P, T>(cpu, op, LOCK, sum)?;
        binary::<Add, T>(cpu, a, b, 0);
        T::put(cpu, op.r[1], a);
        stored::<P>(cpu, op)
    }
}

struct Cmpxchg<T>(PhantomData<T>);

impl<T: Int> Exec for Cmpxchg<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (old, new) = (T::get(cpu, op.r[0]), T::get(cpu, op.r[1]));
        let expected = T::get(cpu, 0);
        binary::<Cmp, T>(cpu, expected, old, 0);
        if expected == old {
            T::put(cpu, op.r[0], new);
        } else {
            T::put(cpu, op.r[0], old);
            T::put(cpu, 0, old);
        }
        Ok(Flow::Next)
    }
}

struct CmpxchgMem<T, const LOCK: bool>(PhantomData<T>);

impl<T: Int, const LOCK: bool> Exec for CmpxchgMem<T, LOCK> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (expected, new) = (T::get(cpu, 0), T::get(cpu, op.r[1]));
        let change = |old: T| if old == expected { new } else { old };
        let old = Segmented::update::<P, T>(cpu, op, LOCK, change)?;
        binary::<Cmp, T>(cpu, expected, old, 0);
        if expected != old {
            T::put(cpu, 0, old);
        }
        stored::<P>(cpu, op)
    }
}

fn set_zf(cpu: &mut Cpu, zf: bool) {
    let rest = cpu.lazy.value() & Rflags::STATUS & !Rflags::ZF;
    cpu.lazy.set_status(rest | if zf { Rflags::ZF } else { 0 });
}

/// CMPXCHG8B and CMPXCHG16B: EDX:EAX with ECX:EBX, in halves of type `H`.
struct CmpxchgPair<H, const LOCK: bool>(PhantomData<H>);

impl<H: Int, const LOCK: bool> Exec for CmpxchgPair<H, LOCK> {
    const MEMORY: bool = true;
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let pair = |high: u64, low: u64| (u128::from(high) << H::BITS) | u128::from(low);
        let expected = pair(H::get(cpu, 2).wide(), H::get(cpu, 0).wide());
        let new = pair(H::get(cpu, 1).wide(), H::get(cpu, 3).wide());
        let old =
            if H::BITS == 64 {
                let offset = cpu.ea(op);
                let linear = cpu.spans[usize::from(op.x[0] & 7)]
                    .base
                    .wrapping_add(offset);
                if !linear.is_multiple_of(16) {
                    return Err(cpu.gp(0));
                }
                Segmented::update::<P, u128>(cpu, op, LOCK, |old| {
                    if old == expected { new } else { old }
                })?
            } else {
                Segmented::update::<P, u64>(cpu, op, LOCK, |old| {
                    if u128::from(old) == expected {
                        new as u64
                    } else {
                        old
                    }
                })?
                .into()
            };
        if old != expected {
            H::put(cpu, 0, H::narrow(old as u64));
            H::put(cpu, 2, H::narrow((old >> H::BITS) as u64));
        }
        set_zf(cpu, old == expected);
        stored::<P>(cpu, op)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    let locked = i.has_lock_prefix();
    let register = i.op0_kind() == OpKind::Register;
    match i.mnemonic() {
        Mnemonic::Xadd => width!(operand_size(i, 0), T => match (register, locked) {
            (true, _) => a.emit::<Xadd<T>>(i),
            (_, false) => a.emit::<XaddMem<T, false>>(i),
            (_, true) => a.emit::<XaddMem<T, true>>(i),
        }),
        Mnemonic::Cmpxchg => width!(operand_size(i, 0), T => match (register, locked) {
            (true, _) => a.emit::<Cmpxchg<T>>(i),
            (_, false) => a.emit::<CmpxchgMem<T, false>>(i),
            (_, true) => a.emit::<CmpxchgMem<T, true>>(i),
        }),
        Mnemonic::Cmpxchg8b if locked => a.emit::<CmpxchgPair<u32, true>>(i),
        Mnemonic::Cmpxchg8b => a.emit::<CmpxchgPair<u32, false>>(i),
        Mnemonic::Cmpxchg16b if locked => a.emit::<CmpxchgPair<u64, true>>(i),
        Mnemonic::Cmpxchg16b => a.emit::<CmpxchgPair<u64, false>>(i),
        _ => return false,
    };
    if i.op_count() == 2
        && let Some(op) = a.ops().last_mut()
    {
        op.r[1] = gpr_number(i.op1_register());
        if register {
            op.r[0] = gpr_number(i.op0_register());
        }
    }
    true
}
