//! CMP or TEST together with the conditional jump behind it, as one operation.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::alu::{Cmp, Test, binary};
use super::branch::{branch_size, jump_within};
use super::{Condition, Int, Mem, Reg, Reg0, Source, condition};
use crate::engine::software::dispatch::{Flow, Path, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Long, Operation};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, operand_size};

/// A comparison that the next instruction may be fused with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// Number of its instruction in the block.
    count: u8,
    bytes: usize,
    test: bool,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    RegReg,
    RegImm,
    RegMem,
    MemReg,
    MemImm,
}

/// The immediate of a fused operation: in the upper half the comparison's, in the lower the jump's target.
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
            let by = i64::from(op.imm as i32) as u64;
            return jump_within(cpu, op, by, cpu.mode.ip_mask);
        }
        Ok(Flow::Next)
    }
}

/// Remembers an instruction that was just emitted, if it is a comparison that can be fused.
pub(crate) fn note(i: &Instruction, a: &mut Assembler) {
    let test = match i.mnemonic() {
        Mnemonic::Cmp => false,
        Mnemonic::Test => true,
        _ => return,
    };
    let bytes = operand_size(i, 0);
    if bytes == 2 || a.single {
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
        test,
        form,
    });
}

/// Takes a conditional jump behind a comparison.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    let Some(before) = a.comparison.take() else {
        return false;
    };
    let target = i.near_branch_target();
    let near = i64::from(target as i32) as u64 == target;
    // The operation has no room for a branch that truncates its target to another size than the code's.
    if before.count + 1 != a.count() || !near || branch_size(i) != a.mode().code {
        return false;
    }
    let Some(old) = a.ops().pop() else {
        return false;
    };
    let emitted = condition!(i.condition_code(), C => match before.bytes {
        1 => emit::<C, u8>(i, a, before),
        4 => emit::<C, u32>(i, a, before),
        _ => emit::<C, u64>(i, a, before),
    });
    if let (true, Some(op)) = (emitted, a.ops().last_mut()) {
        op.r = old.r;
        op.at = old.at;
        op.disp = old.disp;
        op.x[0] = old.x[0];
        op.x[1] = old.x[1];
        op.imm = (target & 0xffff_ffff) | (old.imm << 32);
        // Two instructions: if the first faults, one less has been executed; if the branch is refused, it is behind the first.
        op.len = 0x80 | old.len;
    }
    emitted
}

fn emit<C: Condition, T: Int>(i: &Instruction, a: &mut Assembler, before: Comparison) -> bool {
    match (before.form, before.test) {
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
