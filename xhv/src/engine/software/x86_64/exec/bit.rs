//! BT BTS BTR BTC, BSF BSR, POPCNT LZCNT TZCNT.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Int, Mem, Reg, Source, logic, wide};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Operation, Segmented, stored};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};
use crate::engine::software::x86_64::flags::Rflags;
use crate::engine::software::x86_64::mode::MASKS;

/// What becomes of the tested bit.
trait BitAction: 'static {
    const WRITES: bool = true;
    fn apply(value: u64, bit: u64) -> u64;
}

macro_rules! actions {
    ($($name:ident $writes:literal |$v:ident, $b:ident| $e:expr;)*) => {$(
        struct $name;
        impl BitAction for $name {
            const WRITES: bool = $writes;
            #[inline(always)]
            fn apply($v: u64, $b: u64) -> u64 {
                $e
            }
        }
    )*};
}

actions! {
    Keep false |v, _b| v;
    SetBit true |v, b| v | b;
    Reset true |v, b| v & !b;
    Complement true |v, b| v ^ b;
}

/// On a register: `r[0]`, bit number in `r[1]` or `imm`.
struct OnReg<B, T, const IMMEDIATE: bool>(PhantomData<(B, T)>);

#[inline(always)]
fn number<T: Int, const IMMEDIATE: bool>(cpu: &Cpu, op: &Operation) -> i64 {
    if IMMEDIATE {
        (op.imm & u64::from(T::BITS - 1)) as i64
    } else {
        T::get(cpu, op.r[1]).signed()
    }
}

impl<B: BitAction, T: Int, const IMMEDIATE: bool> Exec for OnReg<B, T, IMMEDIATE> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let bit = 1_u64 << (number::<T, IMMEDIATE>(cpu, op) as u64 & u64::from(T::BITS - 1));
        let value = T::get(cpu, op.r[0]).wide();
        cpu.lazy.set_cf(value & bit != 0);
        if B::WRITES {
            T::put(cpu, op.r[0], T::narrow(B::apply(value, bit)));
        }
        Ok(Flow::Next)
    }
}

/// On memory: a bit number in a register reaches beyond the operand.
struct OnMem<B, T, const IMMEDIATE: bool, const LOCK: bool>(PhantomData<(B, T)>);

impl<B: BitAction, T: Int, const IMMEDIATE: bool, const LOCK: bool> Exec
    for OnMem<B, T, IMMEDIATE, LOCK>
{
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let number = number::<T, IMMEDIATE>(cpu, op);
        let unit = (number >> T::BITS.trailing_zeros()) * i64::from(T::BITS / 8);
        let mask = MASKS[usize::from(op.x[1] & 3)];
        let offset = cpu.ea_long(op).wrapping_add(unit as u64) & mask;
        let bit = 1_u64 << (number as u64 & u64::from(T::BITS - 1));
        let seg = cpu.seg_of(op);
        let value = if B::WRITES {
            cpu.update::<P, T>(seg, offset, LOCK, |old| {
                T::narrow(B::apply(old.wide(), bit))
            })?
        } else {
            cpu.load::<P, T>(seg, offset)?
        };
        cpu.lazy.set_cf(value.wide() & bit != 0);
        stored::<P>(cpu, op)
    }
}

/// BSF and BSR. A source of zero sets ZF and leaves the destination alone.
struct Scan<T, S, const FORWARD: bool>(PhantomData<(T, S)>);

impl<T: Int, S: Source, const FORWARD: bool> Exec for Scan<T, S, FORWARD> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, T>(cpu, op)?.wide();
        // ZF is defined; the others are left as if the source had been tested.
        logic::<T>(&mut cpu.lazy, T::narrow(value));
        if value != 0 {
            let index = if FORWARD {
                value.trailing_zeros()
            } else {
                63 - value.leading_zeros()
            };
            T::put(cpu, op.r[0], T::narrow(index.into()));
        }
        Ok(Flow::Next)
    }
}

/// LZCNT and TZCNT: CF if the source is zero, ZF if the result is. The other flags, which are undefined (SDM vol. 2), are 0 as on Intel's processors.
struct Zeros<T, S, const TRAILING: bool>(PhantomData<(T, S)>);

impl<T: Int, S: Source, const TRAILING: bool> Exec for Zeros<T, S, TRAILING> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, T>(cpu, op)?.wide();
        let count = if TRAILING {
            value.trailing_zeros().min(T::BITS)
        } else {
            value.leading_zeros() - (64 - T::BITS)
        };
        T::put(cpu, op.r[0], T::narrow(count.into()));
        let zero = if count == 0 { Rflags::ZF } else { 0 };
        let carry = if value == 0 { Rflags::CF } else { 0 };
        cpu.lazy.set_status(zero | carry);
        Ok(Flow::Next)
    }
}

struct Popcnt<T, S>(PhantomData<(T, S)>);

impl<T: Int, S: Source> Exec for Popcnt<T, S> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let count = S::get::<P, T>(cpu, op)?.wide().count_ones();
        T::put(cpu, op.r[0], T::narrow(count.into()));
        cpu.lazy.set_status(if count == 0 { Rflags::ZF } else { 0 });
        Ok(Flow::Next)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Bt => test::<Keep>(i, a),
        Mnemonic::Bts => test::<SetBit>(i, a),
        Mnemonic::Btr => test::<Reset>(i, a),
        Mnemonic::Btc => test::<Complement>(i, a),
        Mnemonic::Bsf => {
            wide!(operand_size(i, 0), T => to_reg::<Scan<T, Reg, true>, Scan<T, Mem<Segmented>, true>>(i, a))
        }
        Mnemonic::Bsr => {
            wide!(operand_size(i, 0), T => to_reg::<Scan<T, Reg, false>, Scan<T, Mem<Segmented>, false>>(i, a))
        }
        Mnemonic::Tzcnt => {
            wide!(operand_size(i, 0), T => to_reg::<Zeros<T, Reg, true>, Zeros<T, Mem<Segmented>, true>>(i, a))
        }
        Mnemonic::Lzcnt => {
            wide!(operand_size(i, 0), T => to_reg::<Zeros<T, Reg, false>, Zeros<T, Mem<Segmented>, false>>(i, a))
        }
        Mnemonic::Popcnt => {
            wide!(operand_size(i, 0), T => to_reg::<Popcnt<T, Reg>, Popcnt<T, Mem<Segmented>>>(i, a))
        }
        _ => return false,
    }
    true
}

/// `r[0]` = something of a register or memory.
pub(crate) fn to_reg<R: Exec, M: Exec>(i: &Instruction, a: &mut Assembler) {
    let op = if i.op1_kind() == OpKind::Register {
        let op = a.emit::<R>(i);
        op.r[1] = gpr_number(i.op1_register());
        op
    } else {
        a.emit::<M>(i)
    };
    op.r[0] = gpr_number(i.op0_register());
}

fn test<B: BitAction>(i: &Instruction, a: &mut Assembler) {
    let by_register = i.op1_kind() == OpKind::Register;
    let locked = i.has_lock_prefix();
    let op = wide!(operand_size(i, 0), T => match (i.op0_kind(), by_register, locked) {
        (OpKind::Register, true, _) => a.emit::<OnReg<B, T, false>>(i),
        (OpKind::Register, false, _) => a.emit::<OnReg<B, T, true>>(i),
        (_, true, false) => a.emit::<OnMem<B, T, false, false>>(i),
        (_, true, true) => a.emit::<OnMem<B, T, false, true>>(i),
        (_, false, false) => a.emit::<OnMem<B, T, true, false>>(i),
        (_, false, true) => a.emit::<OnMem<B, T, true, true>>(i),
    });
    if i.op0_kind() == OpKind::Register {
        op.r[0] = gpr_number(i.op0_register());
    }
    if by_register {
        op.r[1] = gpr_number(i.op1_register());
    } else {
        op.imm = i.immediate(1);
    }
}
