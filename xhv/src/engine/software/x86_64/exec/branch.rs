//! Near JMP, CALL, RET, Jcc, LOOPcc, JCXZ.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::stack::{Any, Flat, Stack};
use super::{Condition, Int, Mem, Reg0, Source, condition, wide};
use crate::engine::software::dispatch::{Flow, Path, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Operation, Segmented};
use crate::engine::software::x86_64::cpu::{Cpu, RSP};
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number};
use crate::engine::software::x86_64::mode::{MASKS, Size};

/// Goes on at a target that is `by` from the block's start, truncated to the size in `x[1]`.
#[inline(always)]
fn jump(cpu: &mut Cpu, op: &Operation, by: u64) -> Done {
    jump_within(cpu, op, by, MASKS[usize::from(op.x[1] & 3)])
}

/// Goes on at a target that is `by` from the block's start, truncated by `mask`.
#[inline(always)]
pub(crate) fn jump_within(cpu: &mut Cpu, op: &Operation, by: u64, mask: u64) -> Done {
    let target = cpu.rip.wrapping_add(by) & mask;
    if target >= cpu.mode.cs_end {
        return refuse(cpu, op);
    }
    cpu.retired += u64::from(op.x[2]);
    if by == 0 {
        return Ok(Flow::Again);
    }
    cpu.rip = target;
    Ok(Flow::Jump)
}

/// A relative branch that would leave the code segment: ends the block with RIP on it, and the run loop raises #GP(0). (No call,
/// so that the handlers of branches have no registers to save.)
#[inline(always)]
fn refuse(cpu: &mut Cpu, op: &Operation) -> Done {
    // Of a fused operation the branch is the second instruction: bit 7 of the length, and the first one's length.
    let first = if op.len & 0x80 != 0 {
        u64::from(op.len & 0x7f)
    } else {
        0
    };
    cpu.rip = cpu.rip.wrapping_add(u64::from(op.at) + first) & cpu.mode.linear_mask;
    cpu.retired += u64::from(op.x[2]) - 1;
    cpu.refused = true;
    cpu.check = true;
    Ok(Flow::End)
}

/// Goes on at an offset that the guest computed.
#[inline(always)]
fn jump_to(cpu: &mut Cpu, op: &Operation, target: u64) -> Done {
    cpu.rip = target;
    cpu.retired += u64::from(op.x[2]);
    Ok(Flow::Jump)
}

/// Refuses targets outside of the code segment, and such that are not canonical.
#[inline(always)]
fn check_target<P: Path>(cpu: &mut Cpu, target: u64) -> Result<(), Stop> {
    let unused = cpu.mode.unused & 63;
    let folded = ((target << unused) as i64 >> unused) as u64;
    if target < cpu.mode.cs_end && folded == target {
        return Ok(());
    }
    Err(if P::SLOW { outside(cpu) } else { Stop::Miss })
}

#[cold]
#[inline(never)]
fn outside(cpu: &mut Cpu) -> Stop {
    cpu.gp(0)
}

struct Jmp;

impl Exec for Jmp {
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        jump(cpu, op, op.imm)
    }
}

struct Jcc<C>(PhantomData<C>);

impl<C: Condition> Exec for Jcc<C> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if C::holds(&cpu.lazy) {
            return jump(cpu, op, op.imm);
        }
        Ok(Flow::Next)
    }
}

/// JMP to an offset in a register or in memory.
struct JmpTo<T, S>(PhantomData<(T, S)>);

impl<T: Int, S: Source> Exec for JmpTo<T, S> {
    const MEMORY: bool = true;
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let target = S::get::<P, T>(cpu, op)?.wide();
        check_target::<P>(cpu, target)?;
        jump_to(cpu, op, target)
    }
}

struct Call<T, K>(PhantomData<(T, K)>);

impl<T: Int, K: Stack> Exec for Call<T, K> {
    const MEMORY: bool = true;
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let back = cpu.next_rip(op);
        let target = T::narrow(cpu.rip.wrapping_add(op.imm)).wide();
        check_target::<P>(cpu, target)?;
        K::push::<P, T>(cpu, T::narrow(back))?;
        jump_to(cpu, op, target)
    }
}

struct CallTo<T, S, K>(PhantomData<(T, S, K)>);

impl<T: Int, S: Source, K: Stack> Exec for CallTo<T, S, K> {
    const MEMORY: bool = true;
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let target = S::get::<P, T>(cpu, op)?.wide();
        let back = cpu.next_rip(op);
        check_target::<P>(cpu, target)?;
        K::push::<P, T>(cpu, T::narrow(back))?;
        jump_to(cpu, op, target)
    }
}

/// RET, which releases `imm` bytes of parameters.
struct Ret<T, K>(PhantomData<(T, K)>);

impl<T: Int, K: Stack> Exec for Ret<T, K> {
    const MEMORY: bool = true;
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let rsp = cpu.gpr[RSP];
        let target = K::pop::<P, T>(cpu)?.wide();
        if let Err(stop) = check_target::<P>(cpu, target) {
            cpu.gpr[RSP] = rsp;
            return Err(stop);
        }
        let mask = cpu.mode.stack.mask();
        let rsp = cpu.gpr[RSP];
        cpu.gpr[RSP] = (rsp & !mask) | (rsp.wrapping_add(op.imm) & mask);
        jump_to(cpu, op, target)
    }
}

/// LOOP, LOOPE, LOOPNE: `r[0]` = 0, 1, 2; the counter's size is `T`.
struct Loop<T>(PhantomData<T>);

impl<T: Int> Exec for Loop<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let count = T::narrow(T::get(cpu, 1).wide().wrapping_sub(1));
        let holds = match op.r[0] {
            1 => cpu.lazy.zf(),
            2 => !cpu.lazy.zf(),
            _ => true,
        };
        if count.wide() == 0 || !holds {
            T::put(cpu, 1, count);
            return Ok(Flow::Next);
        }
        let done = jump(cpu, op, op.imm)?;
        // A branch out of the code segment is a fault: it has not counted.
        if !cpu.refused {
            T::put(cpu, 1, count);
        }
        Ok(done)
    }
}

struct Jcxz<T>(PhantomData<T>);

impl<T: Int> Exec for Jcxz<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if T::get(cpu, 1).wide() == 0 {
            return jump(cpu, op, op.imm);
        }
        Ok(Flow::Next)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Jmp | Mnemonic::Call if !is_near(i) => return false,
        Mnemonic::Jmp => jmp(i, a),
        Mnemonic::Call => call(i, a),
        Mnemonic::Ret => ret(i, a),
        Mnemonic::Loop => counted(i, a, 0),
        Mnemonic::Loope => counted(i, a, 1),
        Mnemonic::Loopne => counted(i, a, 2),
        Mnemonic::Jcxz => relative::<Jcxz<u16>>(i, a),
        Mnemonic::Jecxz => relative::<Jcxz<u32>>(i, a),
        Mnemonic::Jrcxz => relative::<Jcxz<u64>>(i, a),
        _ if i.code().is_jcc_short_or_near() => {
            return super::fused::decode(i, a)
                || condition!(i.condition_code(), C => {
                    relative::<Jcc<C>>(i, a);
                    true
                });
        }
        _ => return false,
    }
    true
}

fn is_near(i: &Instruction) -> bool {
    let code = i.code();
    code.is_jmp_short_or_near()
        || code.is_jmp_near_indirect()
        || code.is_call_near()
        || code.is_call_near_indirect()
}

/// The size that a relative branch truncates its target to.
pub(crate) fn branch_size(i: &Instruction) -> Size {
    match i.op0_kind() {
        OpKind::NearBranch16 => Size::Bits16,
        OpKind::NearBranch32 => Size::Bits32,
        _ => Size::Bits64,
    }
}

fn relative<X: Exec>(i: &Instruction, a: &mut Assembler) {
    let op = a.emit::<X>(i);
    op.imm = i.near_branch_target();
    op.x[1] = branch_size(i) as u8;
}

fn counted(i: &Instruction, a: &mut Assembler, kind: u8) {
    use iced_x86::Code::{
        Loop_rel8_16_CX, Loop_rel8_32_CX, Loop_rel8_64_RCX, Loope_rel8_16_CX, Loope_rel8_32_CX,
        Loope_rel8_64_RCX, Loopne_rel8_16_CX, Loopne_rel8_32_CX, Loopne_rel8_64_RCX,
    };
    let op = match i.code() {
        Loop_rel8_16_CX | Loop_rel8_32_CX | Loope_rel8_16_CX | Loope_rel8_32_CX
        | Loopne_rel8_16_CX | Loopne_rel8_32_CX => a.emit::<Loop<u16>>(i),
        Loop_rel8_64_RCX | Loope_rel8_64_RCX | Loopne_rel8_64_RCX => a.emit::<Loop<u64>>(i),
        _ => a.emit::<Loop<u32>>(i),
    };
    op.r[0] = kind;
    op.imm = i.near_branch_target();
    op.x[1] = branch_size(i) as u8;
}

fn jmp(i: &Instruction, a: &mut Assembler) {
    match i.op0_kind() {
        OpKind::Register => {
            let op = wide!(i.op0_register().size(), T => a.emit::<JmpTo<T, Reg0>>(i));
            op.r[0] = gpr_number(i.op0_register());
        }
        OpKind::Memory => {
            wide!(i.memory_size().size(), T => a.emit::<JmpTo<T, Mem<Segmented>>>(i));
        }
        _ => relative::<Jmp>(i, a),
    }
}

fn call(i: &Instruction, a: &mut Assembler) {
    let flat = a.mode().code == Size::Bits64;
    let bytes = i.stack_pointer_increment().unsigned_abs();
    match i.op0_kind() {
        OpKind::Register => {
            let op = match flat && bytes == 8 {
                true => a.emit::<CallTo<u64, Reg0, Flat>>(i),
                false => wide!(bytes, T => a.emit::<CallTo<T, Reg0, Any>>(i)),
            };
            op.r[0] = gpr_number(i.op0_register());
        }
        OpKind::Memory => {
            wide!(bytes, T => a.emit::<CallTo<T, Mem<Segmented>, Any>>(i));
        }
        _ if flat && bytes == 8 => relative::<Call<u64, Flat>>(i, a),
        _ => wide!(bytes, T => relative::<Call<T, Any>>(i, a)),
    }
}

fn ret(i: &Instruction, a: &mut Assembler) {
    use iced_x86::Code::{Retnd, Retnd_imm16, Retnw, Retnw_imm16};
    let flat = a.mode().code == Size::Bits64;
    let op = match i.code() {
        Retnw | Retnw_imm16 => a.emit::<Ret<u16, Any>>(i),
        Retnd | Retnd_imm16 => a.emit::<Ret<u32, Any>>(i),
        _ if flat => a.emit::<Ret<u64, Flat>>(i),
        _ => a.emit::<Ret<u64, Any>>(i),
    };
    if i.op_count() == 1 {
        op.imm = i.immediate(0) & 0xffff;
    }
}
