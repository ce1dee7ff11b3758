//! ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Imm, Int, Mem, Reg, Source, carries, width};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Address, Long, Operation, Segmented, stored};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};

/// An operation on two operands.
pub(crate) trait Binary: 'static {
    /// Whether there is no result but flags.
    const COMPARES: bool = false;
    /// Whether CF is an operand.
    const CARRY: bool = false;
    /// Whether it is a sum or a difference of just the operands, whose carries can wait.
    const SUM: bool = false;
    const DIFFERENCE: bool = false;
    /// The result and the carries out of each bit, both with rubbish above the operand's bits. The operands are zero-extended.
    fn apply(a: u64, b: u64, cf: u64) -> (u64, u64);
}

/// Carries out of each bit of `r = a + b + carry`.
#[inline(always)]
fn add_carries(a: u64, b: u64, r: u64) -> u64 {
    (a & b) | ((a | b) & !r)
}

/// Borrows out of each bit of `r = a - b - borrow`.
#[inline(always)]
fn sub_borrows(a: u64, b: u64, r: u64) -> u64 {
    (!a & b) | (!(a ^ b) & r)
}

macro_rules! binary {
    ($($name:ident $(: $($konst:ident)+)?, |$a:ident, $b:ident, $c:ident| $result:expr, $carries:expr;)*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Binary for $name {
            $($(const $konst: bool = true;)+)?
            #[inline(always)]
            fn apply($a: u64, $b: u64, $c: u64) -> (u64, u64) {
                let r = $result;
                let carries: fn(u64, u64, u64) -> u64 = $carries;
                (r, carries($a, $b, r))
            }
        }
    )*};
}

binary! {
    Add: SUM, |a, b, _c| a.wrapping_add(b), add_carries;
    Adc: CARRY, |a, b, c| a.wrapping_add(b).wrapping_add(c), add_carries;
    Sub: DIFFERENCE, |a, b, _c| a.wrapping_sub(b), sub_borrows;
    Sbb: CARRY, |a, b, c| a.wrapping_sub(b).wrapping_sub(c), sub_borrows;
    Cmp: COMPARES DIFFERENCE, |a, b, _c| a.wrapping_sub(b), sub_borrows;
    And, |a, b, _c| a & b, |_, _, _| 0;
    Or, |a, b, _c| a | b, |_, _, _| 0;
    Xor, |a, b, _c| a ^ b, |_, _, _| 0;
    Test: COMPARES, |a, b, _c| a & b, |_, _, _| 0;
}

/// Does `O` on two values, and sets the flags.
#[inline(always)]
pub(crate) fn binary<O: Binary, T: Int>(cpu: &mut Cpu, a: T, b: T, cf: u64) -> T {
    let (r, out) = O::apply(a.wide(), b.wide(), cf);
    let r = T::narrow(r);
    let result = r.signed() as u64;
    if O::SUM {
        cpu.lazy.set_sum(result, a.wide(), T::BITS);
    } else if O::DIFFERENCE {
        cpu.lazy.set_difference(result, a.wide(), T::BITS);
    } else {
        cpu.lazy.set(result, carries::<T>(out));
    }
    r
}

#[inline(always)]
fn carry<O: Binary>(cpu: &Cpu) -> u64 {
    if O::CARRY {
        u64::from(cpu.lazy.cf())
    } else {
        0
    }
}

/// `r[0]` = `r[0]` O source.
struct ToReg<O, T, S>(PhantomData<(O, T, S)>);

impl<O: Binary, T: Int, S: Source> Exec for ToReg<O, T, S> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P, T>(cpu, op)?;
        let a = T::get(cpu, op.r[0]);
        let r = binary::<O, T>(cpu, a, b, carry::<O>(cpu));
        if !O::COMPARES {
            T::put(cpu, op.r[0], r);
        }
        Ok(Flow::Next)
    }
}

/// Memory = memory O source.
struct ToMem<O, T, S, A, const LOCK: bool>(PhantomData<(O, T, S, A)>);

impl<O: Binary, T: Int, S: Source, A: Address, const LOCK: bool> Exec for ToMem<O, T, S, A, LOCK> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P, T>(cpu, op)?;
        let cf = carry::<O>(cpu);
        if O::COMPARES {
            let a = A::load::<P, T>(cpu, op)?;
            binary::<O, T>(cpu, a, b, cf);
            return Ok(Flow::Next);
        }
        let change = |a: T| T::narrow(O::apply(a.wide(), b.wide(), cf).0);
        let a = A::update::<P, T>(cpu, op, LOCK, change)?;
        binary::<O, T>(cpu, a, b, cf);
        stored::<P>(cpu, op)
    }
}

/// INC or DEC of a register: adds or subtracts 1 and leaves CF alone.
struct StepReg<O, T>(PhantomData<(O, T)>);

/// Adds or subtracts 1 and sets all flags but CF.
#[inline(always)]
pub(crate) fn step_flags<O: Binary, T: Int>(cpu: &mut Cpu, a: T) -> T {
    let (r, out) = O::apply(a.wide(), 1, 0);
    let r = T::narrow(r);
    cpu.lazy.set_but_cf(r.signed() as u64, carries::<T>(out));
    r
}

impl<O: Binary, T: Int> Exec for StepReg<O, T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = T::get(cpu, op.r[0]);
        let r = step_flags::<O, T>(cpu, a);
        T::put(cpu, op.r[0], r);
        Ok(Flow::Next)
    }
}

struct StepMem<O, T, A, const LOCK: bool>(PhantomData<(O, T, A)>);

impl<O: Binary, T: Int, A: Address, const LOCK: bool> Exec for StepMem<O, T, A, LOCK> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let change = |a: T| T::narrow(O::apply(a.wide(), 1, 0).0);
        let a = A::update::<P, T>(cpu, op, LOCK, change)?;
        step_flags::<O, T>(cpu, a);
        stored::<P>(cpu, op)
    }
}

/// NEG (flags of 0 - operand) or NOT (no flags).
struct Negate<T, const NOT: bool>(PhantomData<T>);

impl<T: Int, const NOT: bool> Exec for Negate<T, NOT> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = T::get(cpu, op.r[0]);
        let r = if NOT {
            T::narrow(!a.wide())
        } else {
            binary::<Sub, T>(cpu, T::default(), a, 0)
        };
        T::put(cpu, op.r[0], r);
        Ok(Flow::Next)
    }
}

struct NegateMem<T, const NOT: bool, const LOCK: bool>(PhantomData<T>);

impl<T: Int, const NOT: bool, const LOCK: bool> Exec for NegateMem<T, NOT, LOCK> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let change = |a: T| {
            let less = if NOT { 1 } else { 0 };
            T::narrow(0_u64.wrapping_sub(a.wide()).wrapping_sub(less))
        };
        let a = Segmented::update::<P, T>(cpu, op, LOCK, change)?;
        if !NOT {
            binary::<Sub, T>(cpu, T::default(), a, 0);
        }
        stored::<P>(cpu, op)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Add => two::<Add>(i, a),
        Mnemonic::Or => two::<Or>(i, a),
        Mnemonic::Adc => two::<Adc>(i, a),
        Mnemonic::Sbb => two::<Sbb>(i, a),
        Mnemonic::And => two::<And>(i, a),
        Mnemonic::Sub => two::<Sub>(i, a),
        Mnemonic::Xor => two::<Xor>(i, a),
        Mnemonic::Cmp => two::<Cmp>(i, a),
        Mnemonic::Test => two::<Test>(i, a),
        Mnemonic::Inc => one_step::<Add>(i, a),
        Mnemonic::Dec => one_step::<Sub>(i, a),
        Mnemonic::Neg => negate::<false>(i, a),
        Mnemonic::Not => negate::<true>(i, a),
        _ => return false,
    }
    true
}

fn two<O: Binary>(i: &Instruction, a: &mut Assembler) {
    width!(operand_size(i, 0), T => two_in::<O, T>(i, a));
    super::fused::note(i, a);
}

fn two_in<O: Binary, T: Int>(i: &Instruction, a: &mut Assembler) {
    let op = match (i.op0_kind(), i.op1_kind()) {
        (OpKind::Register, OpKind::Register) => a.emit::<ToReg<O, T, Reg>>(i),
        (OpKind::Register, OpKind::Memory) => {
            a.emit_either::<ToReg<O, T, Mem<Long>>, ToReg<O, T, Mem<Segmented>>>(i)
        }
        (OpKind::Register, _) => a.emit::<ToReg<O, T, Imm>>(i),
        (_, OpKind::Register) if i.has_lock_prefix() => {
            a.emit::<ToMem<O, T, Reg, Segmented, true>>(i)
        }
        (_, OpKind::Register) => {
            a.emit_either::<ToMem<O, T, Reg, Long, false>, ToMem<O, T, Reg, Segmented, false>>(i)
        }
        _ if i.has_lock_prefix() => a.emit::<ToMem<O, T, Imm, Segmented, true>>(i),
        _ => a.emit_either::<ToMem<O, T, Imm, Long, false>, ToMem<O, T, Imm, Segmented, false>>(i),
    };
    if i.op0_kind() == OpKind::Register {
        op.r[0] = gpr_number(i.op0_register());
    }
    match i.op1_kind() {
        OpKind::Register => op.r[1] = gpr_number(i.op1_register()),
        OpKind::Memory => {}
        _ => op.imm = i.immediate(1),
    }
}

fn one_step<O: Binary>(i: &Instruction, a: &mut Assembler) {
    width!(operand_size(i, 0), T => {
        if i.op0_kind() == OpKind::Register {
            a.emit::<StepReg<O, T>>(i).r[0] = gpr_number(i.op0_register());
        } else if i.has_lock_prefix() {
            a.emit::<StepMem<O, T, Segmented, true>>(i);
        } else {
            a.emit_either::<StepMem<O, T, Long, false>, StepMem<O, T, Segmented, false>>(i);
        }
    });
    super::fused::note(i, a);
}

fn negate<const NOT: bool>(i: &Instruction, a: &mut Assembler) {
    width!(operand_size(i, 0), T => {
        if i.op0_kind() == OpKind::Register {
            a.emit::<Negate<T, NOT>>(i).r[0] = gpr_number(i.op0_register());
        } else if i.has_lock_prefix() {
            a.emit::<NegateMem<T, NOT, true>>(i);
        } else {
            a.emit::<NegateMem<T, NOT, false>>(i);
        }
    });
}
