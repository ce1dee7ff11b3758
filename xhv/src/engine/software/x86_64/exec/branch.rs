//! Near JMP, CALL, RET, Jcc, LOOPcc, JCXZ.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::stack::{Any, Flat, Stack};
use super::{Condition, Int, Mem, Reg0, Source, condition, wide};
use crate::engine::software::dispatch::{Flow, Near, Path, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Operation, Segmented};
use crate::engine::software::x86_64::cpu::{Cpu, RIP, RSP};
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number};
use crate::engine::software::x86_64::mode::{MASKS, Size};

/// Goes on at a target in the page of the block.
#[inline(always)]
pub(crate) fn near(cpu: &mut Cpu, op: &Operation, near: Near) -> Done {
    // It cannot leave the code segment, nor wrap: see `Mode::flat`.
    cpu.rip = cpu.rip.wrapping_add(near.by() as u64);
    cpu.gpr[usize::from(RIP)] = cpu.rip;
    cpu.retire(op.x[2]);
    Ok(Flow::Near(near))
}

/// Goes on at a target that is `imm` from the block's start, truncated to the size in `x[1]`.
#[inline(always)]
fn far(cpu: &mut Cpu, op: &Operation) -> Done {
    let target = cpu.rip.wrapping_add(op.imm) & MASKS[usize::from(op.x[1] & 3)];
    if target >= cpu.mode.cs_end {
        return refuse(cpu, op);
    }
    jump_to(cpu, op, target)
}

/// A relative branch that would leave the code segment: ends the block with RIP on it, and the run loop raises #GP(0). (No call,
/// so that the handlers of branches have no registers to save.)
#[inline(always)]
fn refuse(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.rip = cpu.rip.wrapping_add(u64::from(op.at)) & cpu.mode.linear_mask;
    cpu.retire(op.x[2] - 1);
    cpu.refused = true;
    cpu.attend();
    Ok(Flow::End)
}

/// How a relative branch goes on.
pub(crate) trait Reach: 'static {
    fn go(cpu: &mut Cpu, op: &Operation) -> Done;
}

/// To a place in the block's page: the link is in `disp`.
#[derive(Debug)]
struct InPage;

/// Anywhere.
#[derive(Debug)]
struct Anywhere;

impl Reach for InPage {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Operation) -> Done {
        near(cpu, op, Near::from_word(op.disp as u32))
    }
}

impl Reach for Anywhere {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Operation) -> Done {
        far(cpu, op)
    }
}

/// Goes on at an offset that the guest computed.
#[inline(always)]
fn jump_to(cpu: &mut Cpu, op: &Operation, target: u64) -> Done {
    cpu.rip = target;
    cpu.retire(op.x[2]);
    Ok(Flow::Jump)
}

/// Refuses targets outside of the code segment, and such that are not canonical.
#[inline(always)]
fn check_target<P: Path>(cpu: &mut Cpu, target: u64) -> Result<(), Stop> {
    if target.wrapping_add(cpu.mode.target_bias) < cpu.mode.target_end {
        return Ok(());
    }
    Err(if P::SLOW { outside(cpu) } else { Stop::Miss })
}

#[cold]
#[inline(never)]
fn outside(cpu: &mut Cpu) -> Stop {
    cpu.gp(0)
}

struct Jmp<R>(PhantomData<R>);

impl<R: Reach> Exec for Jmp<R> {
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        R::go(cpu, op)
    }
}

struct Jcc<C, R>(PhantomData<(C, R)>);

impl<C: Condition, R: Reach> Exec for Jcc<C, R> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if C::holds(&cpu.lazy) {
            return R::go(cpu, op);
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

/// CALL to a place in the block's page, in 64-bit mode.
struct CallNear;

impl Exec for CallNear {
    const MEMORY: bool = true;
    const ENDS: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        Flat::push::<P, u64>(cpu, cpu.next_rip(op))?;
        InPage::go(cpu, op)
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
        K::release(cpu, op.imm);
        jump_to(cpu, op, target)
    }
}

/// LOOP, LOOPE, LOOPNE: `r[0]` = 0, 1, 2; the counter's size is `T`.
struct Loop<T, R>(PhantomData<(T, R)>);

impl<T: Int, R: Reach> Exec for Loop<T, R> {
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
        let done = R::go(cpu, op)?;
        // A branch out of the code segment is a fault: it has not counted.
        if !cpu.refused {
            T::put(cpu, 1, count);
        }
        Ok(done)
    }
}

struct Jcxz<T, R>(PhantomData<(T, R)>);

impl<T: Int, R: Reach> Exec for Jcxz<T, R> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if T::get(cpu, 1).wide() == 0 {
            return R::go(cpu, op);
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
        Mnemonic::Jcxz => counter_zero::<u16>(i, a),
        Mnemonic::Jecxz => counter_zero::<u32>(i, a),
        Mnemonic::Jrcxz => counter_zero::<u64>(i, a),
        _ if i.code().is_jcc_short_or_near() => {
            return super::fused::decode(i, a)
                || condition!(i.condition_code(), C => {
                    relative::<Jcc<C, InPage>, Jcc<C, Anywhere>>(i, a);
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
fn branch_size(i: &Instruction) -> Size {
    match i.op0_kind() {
        OpKind::NearBranch16 => Size::Bits16,
        OpKind::NearBranch32 => Size::Bits32,
        _ => Size::Bits64,
    }
}

/// A link for a relative branch, if its target is in the block's page.
pub(crate) fn link(i: &Instruction, a: &mut Assembler) -> Option<Near> {
    if branch_size(i) != a.mode().code {
        return None;
    }
    a.link(i.near_branch_target() as i64)
}

/// Emits `N` if the target is in the block's page, else `F`.
fn relative<'a, N: Exec, F: Exec>(i: &Instruction, a: &'a mut Assembler) -> &'a mut Operation {
    match link(i, a) {
        Some(link) => {
            let op = a.emit::<N>(i);
            op.disp = link.word() as i32;
            op
        }
        None => relative_far::<F>(i, a),
    }
}

fn relative_far<'a, F: Exec>(i: &Instruction, a: &'a mut Assembler) -> &'a mut Operation {
    let op = a.emit::<F>(i);
    op.imm = i.near_branch_target();
    op.x[1] = branch_size(i) as u8;
    op
}

fn counter_zero<T: Int>(i: &Instruction, a: &mut Assembler) {
    relative::<Jcxz<T, InPage>, Jcxz<T, Anywhere>>(i, a);
}

fn counted(i: &Instruction, a: &mut Assembler, kind: u8) {
    use iced_x86::Code::{
        Loop_rel8_16_CX, Loop_rel8_32_CX, Loop_rel8_64_RCX, Loope_rel8_16_CX, Loope_rel8_32_CX,
        Loope_rel8_64_RCX, Loopne_rel8_16_CX, Loopne_rel8_32_CX, Loopne_rel8_64_RCX,
    };
    let op = match i.code() {
        Loop_rel8_16_CX | Loop_rel8_32_CX | Loope_rel8_16_CX | Loope_rel8_32_CX
        | Loopne_rel8_16_CX | Loopne_rel8_32_CX => {
            relative::<Loop<u16, InPage>, Loop<u16, Anywhere>>(i, a)
        }
        Loop_rel8_64_RCX | Loope_rel8_64_RCX | Loopne_rel8_64_RCX => {
            relative::<Loop<u64, InPage>, Loop<u64, Anywhere>>(i, a)
        }
        _ => relative::<Loop<u32, InPage>, Loop<u32, Anywhere>>(i, a),
    };
    op.r[0] = kind;
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
        _ => {
            relative::<Jmp<InPage>, Jmp<Anywhere>>(i, a);
        }
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
        _ if flat && bytes == 8 => {
            relative::<CallNear, Call<u64, Flat>>(i, a);
        }
        _ => {
            wide!(bytes, T => relative_far::<Call<T, Any>>(i, a));
        }
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
