//! CMP, TEST, ADD, SUB, AND, INC or DEC together with the conditional jump behind it, as one operation.

use core::marker::PhantomData;
use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind};

use super::alu::{Add, And, Binary, Cmp, Sub, Test, binary, step_flags};
use super::branch::{link, near};
use super::{
    Below, Condition, Equal, Int, Mem, NotBelow, NotEqual, NotSign, Reg, Reg0, Sign, Source,
    condition,
};
use crate::engine::software::dispatch::{Flow, Near, Path, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Long, Operation};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, has_memory, operand_size};

/// An instruction that the next may be fused with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// Number of its instruction in the block.
    count: u8,
    bytes: usize,
    first: First,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Cmp,
    Test,
    /// These write a register.
    Add,
    Sub,
    And,
    Inc,
    Dec,
}

impl First {
    fn of(mnemonic: Mnemonic) -> Option<Self> {
        Some(match mnemonic {
            Mnemonic::Cmp => Self::Cmp,
            Mnemonic::Test => Self::Test,
            Mnemonic::Add => Self::Add,
            Mnemonic::Sub => Self::Sub,
            Mnemonic::And => Self::And,
            Mnemonic::Inc => Self::Inc,
            Mnemonic::Dec => Self::Dec,
            _ => return None,
        })
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Cmp | Self::Test)
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    RegReg,
    RegImm,
    RegMem,
    MemReg,
    MemImm,
}

/// The immediate of a fused operation: in the upper half the comparison's, in the lower the jump's link.
#[derive(Debug)]
struct HighImm;

impl Source for HighImm {
    const MEMORY: bool = false;
    #[inline(always)]
    fn get<P: Path, T: Int>(_: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        Ok(T::narrow((op.imm as i64 >> 32) as u64))
    }
}

struct Fused<C, T, X, Y, const TEST: bool>(PhantomData<(C, T, X, Y)>);

impl<C: Condition, T: Int, X: Source, Y: Source, const TEST: bool> Exec
    for Fused<C, T, X, Y, TEST>
{
    const MEMORY: bool = X::MEMORY || Y::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (x, y) = (X::get::<P, T>(cpu, op)?, Y::get::<P, T>(cpu, op)?);
        let taken = if TEST {
            let r = binary::<Test, T>(cpu, x, y, 0);
            C::tests(r)
        } else {
            binary::<Cmp, T>(cpu, x, y, 0);
            C::compares(x, y)
        };
        if taken {
            return near(cpu, op, Near::from_word(op.imm as u32));
        }
        Ok(Flow::Next)
    }
}

/// ADD, SUB or AND to a register.
struct Written<C, T, O, Y>(PhantomData<(C, T, O, Y)>);

impl<C: Condition, T: Int, O: Binary, Y: Source> Exec for Written<C, T, O, Y> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (x, y) = (T::get(cpu, op.r[0]), Y::get::<P, T>(cpu, op)?);
        let r = binary::<O, T>(cpu, x, y, 0);
        written::<C, T>(cpu, op, r)
    }
}

/// INC or DEC of a register.
struct Stepped<C, T, O>(PhantomData<(C, T, O)>);

impl<C: Condition, T: Int, O: Binary> Exec for Stepped<C, T, O> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let x = T::get(cpu, op.r[0]);
        let r = step_flags::<O, T>(cpu, x);
        written::<C, T>(cpu, op, r)
    }
}

#[inline(always)]
fn written<C: Condition, T: Int>(cpu: &mut Cpu, op: &Operation, r: T) -> Done {
    T::put(cpu, op.r[0], r);
    if C::holds(&cpu.lazy) {
        return near(cpu, op, Near::from_word(op.imm as u32));
    }
    Ok(Flow::Next)
}

/// Remembers an instruction that was just emitted, if it is one that can be fused.
pub(crate) fn note(i: &Instruction, a: &mut Assembler) {
    let Some(first) = First::of(i.mnemonic()) else {
        return;
    };
    let bytes = operand_size(i, 0);
    if bytes == 2 || a.single {
        return;
    }
    let registers = i.op0_kind() == OpKind::Register && !has_memory(i);
    if first.writes() && (bytes == 1 || !registers) {
        return;
    }
    let form = match (i.op0_kind(), i.op1_kind()) {
        (OpKind::Register, OpKind::Register) => Form::RegReg,
        (OpKind::Register, OpKind::Memory) => Form::RegMem,
        (OpKind::Register, _) => Form::RegImm,
        (_, OpKind::Register) => Form::MemReg,
        _ => Form::MemImm,
    };
    if matches!(form, Form::RegMem | Form::MemReg | Form::MemImm) && !a.is_long(i) {
        return;
    }
    a.comparison = Some(Comparison {
        count: a.count(),
        bytes,
        first,
        form,
    });
}

/// Takes a conditional jump behind a comparison.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    let Some(before) = a.comparison.take() else {
        return false;
    };
    if before.count + 1 != a.count() {
        return false;
    }
    if before.first.writes() && !is_frequent(i.condition_code()) {
        return false;
    }
    // The operation has room for a link only.
    let Some(link) = link(i, a) else {
        return false;
    };
    let Some(old) = a.ops().pop() else {
        return false;
    };
    let emitted = match (before.first.writes(), before.bytes) {
        (true, 4) => emit_written::<u32>(i, a, before),
        (true, _) => emit_written::<u64>(i, a, before),
        (false, bytes) => condition!(i.condition_code(), C => match bytes {
            1 => emit::<C, u8>(i, a, before),
            4 => emit::<C, u32>(i, a, before),
            _ => emit::<C, u64>(i, a, before),
        }),
    };
    if let (true, Some(op)) = (emitted, a.ops().last_mut()) {
        op.r = old.r;
        op.at = old.at;
        op.disp = old.disp;
        op.x[0] = old.x[0];
        op.x[1] = old.x[1];
        op.imm = u64::from(link.word()) | (old.imm << 32);
        // Two instructions: if the first faults, one less has been executed.
        op.len = 0x80 | old.len;
    }
    emitted
}

/// Conditions that programs use behind arithmetic: the others are not worth an operation for each.
fn is_frequent(condition: ConditionCode) -> bool {
    use ConditionCode::{ae, b, e, ne, ns, s};
    matches!(condition, e | ne | b | ae | s | ns)
}

fn emit_written<T: Int>(i: &Instruction, a: &mut Assembler, before: Comparison) -> bool {
    match i.condition_code() {
        ConditionCode::e => emit_if::<Equal, T>(i, a, before),
        ConditionCode::ne => emit_if::<NotEqual, T>(i, a, before),
        ConditionCode::b => emit_if::<Below, T>(i, a, before),
        ConditionCode::ae => emit_if::<NotBelow, T>(i, a, before),
        ConditionCode::s => emit_if::<Sign, T>(i, a, before),
        _ => emit_if::<NotSign, T>(i, a, before),
    }
    true
}

fn emit_if<C: Condition, T: Int>(i: &Instruction, a: &mut Assembler, before: Comparison) {
    let register = matches!(before.form, Form::RegReg);
    match (before.first, register) {
        (First::Inc, _) => a.emit::<Stepped<C, T, Add>>(i),
        (First::Dec, _) => a.emit::<Stepped<C, T, Sub>>(i),
        (First::Add, true) => a.emit::<Written<C, T, Add, Reg>>(i),
        (First::Add, false) => a.emit::<Written<C, T, Add, HighImm>>(i),
        (First::And, true) => a.emit::<Written<C, T, And, Reg>>(i),
        (First::And, false) => a.emit::<Written<C, T, And, HighImm>>(i),
        (_, true) => a.emit::<Written<C, T, Sub, Reg>>(i),
        (_, false) => a.emit::<Written<C, T, Sub, HighImm>>(i),
    };
}

fn emit<C: Condition, T: Int>(i: &Instruction, a: &mut Assembler, before: Comparison) -> bool {
    match (before.form, before.first == First::Test) {
        (Form::RegReg, false) => a.emit::<Fused<C, T, Reg0, Reg, false>>(i),
        (Form::RegReg, true) => a.emit::<Fused<C, T, Reg0, Reg, true>>(i),
        (Form::RegImm, false) => a.emit::<Fused<C, T, Reg0, HighImm, false>>(i),
        (Form::RegImm, true) => a.emit::<Fused<C, T, Reg0, HighImm, true>>(i),
        (Form::RegMem, _) => a.emit::<Fused<C, T, Reg0, Mem<Long>, false>>(i),
        (Form::MemReg, false) => a.emit::<Fused<C, T, Mem<Long>, Reg, false>>(i),
        (Form::MemReg, true) => a.emit::<Fused<C, T, Mem<Long>, Reg, true>>(i),
        (Form::MemImm, false) => a.emit::<Fused<C, T, Mem<Long>, HighImm, false>>(i),
        (Form::MemImm, true) => a.emit::<Fused<C, T, Mem<Long>, HighImm, true>>(i),
    };
    true
}
