//! Branches, exception generating and system instructions (Arm DDI 0487, C4.1: 101x).

use super::super::cpu::{Cpu, Mode};
use super::super::exec::alu::InvertCarry;
use super::super::exec::branch::{
    Anywhere, Breakpoint, Call, ExceptionReturn, Goto, HypervisorCall, If, IfBit, IfZero, InPage,
    Indirect, MonitorCall, SupervisorCall,
};
use super::super::exec::system::{
    ClearExclusive, EndBlock, MemoryBarrier, Nothing, Operation, ReadFlags, ReadRegister,
    ReadStored, SendEvent, SynchronizationBarrier, System, Wait, WriteField, WriteFlags,
    WriteRegister, WriteStored, ZeroBlock, register_number,
};
use super::super::exec::{W32, W64, Width};
use super::super::sysreg::{Kind, Reg, lookup};
use super::{Assembler, Outcome, source, target};
use crate::aarch64::instructions::{
    BCond, BImm, Barrier, Brk, CbImm, Hint, Hvc, MsrImm, Smc, Svc, Sys, SystemRegister, TbImm,
};
use crate::engine::software::dispatch::{Op, Step};

/// Pushes `N` if the target, `distance` away from the instruction, is in the block's page, else `F`.
fn relative<'a, N: Step<Cpu>, F: Step<Cpu>>(
    asm: &'a mut Assembler<'_>,
    distance: i32,
) -> &'a mut Op<Cpu> {
    let by = asm.displacement(distance);
    match asm.link(by) {
        Some(link) => {
            let op = asm.push::<N>();
            op.disp = link.word() as i32;
            op
        }
        None => {
            let op = asm.push::<F>();
            op.disp = by;
            op
        }
    }
}

fn if_<const CONDITION: u8>(asm: &mut Assembler<'_>, distance: i32) {
    relative::<If<InPage, CONDITION>, If<Anywhere, CONDITION>>(asm, distance);
}

pub(super) fn conditional(asm: &mut Assembler<'_>, i: BCond) -> Outcome {
    let distance = 4 * i.imm19();
    match i.cond() {
        0 => if_::<0>(asm, distance),
        1 => if_::<1>(asm, distance),
        2 => if_::<2>(asm, distance),
        3 => if_::<3>(asm, distance),
        4 => if_::<4>(asm, distance),
        5 => if_::<5>(asm, distance),
        6 => if_::<6>(asm, distance),
        7 => if_::<7>(asm, distance),
        8 => if_::<8>(asm, distance),
        9 => if_::<9>(asm, distance),
        10 => if_::<10>(asm, distance),
        11 => if_::<11>(asm, distance),
        12 => if_::<12>(asm, distance),
        13 => if_::<13>(asm, distance),
        _ => if_::<14>(asm, distance),
    }
    Outcome::Next
}

pub(super) fn immediate(asm: &mut Assembler<'_>, i: BImm) -> Outcome {
    let distance = 4 * i.imm26();
    if i.op() {
        relative::<Call<InPage>, Call<Anywhere>>(asm, distance);
    } else {
        go_to(asm, distance);
    }
    Outcome::End
}

/// Ends the block with a branch.
pub(super) fn go_to(asm: &mut Assembler<'_>, distance: i32) {
    relative::<Goto<InPage>, Goto<Anywhere>>(asm, distance);
}

pub(super) fn compare(asm: &mut Assembler<'_>, i: CbImm) -> Outcome {
    match i.sf() {
        false => compare_in::<W32>(asm, i),
        true => compare_in::<W64>(asm, i),
    }
    Outcome::Next
}

fn compare_in<W: Width>(asm: &mut Assembler<'_>, i: CbImm) {
    let distance = 4 * i.imm19();
    let op = match i.op() {
        false => relative::<IfZero<InPage, W, false>, IfZero<Anywhere, W, false>>(asm, distance),
        true => relative::<IfZero<InPage, W, true>, IfZero<Anywhere, W, true>>(asm, distance),
    };
    op.r[1] = source(i.rt());
}

pub(super) fn test(asm: &mut Assembler<'_>, i: TbImm) -> Outcome {
    let distance = 4 * i.imm14();
    let op = match i.op() {
        false => relative::<IfBit<InPage, false>, IfBit<Anywhere, false>>(asm, distance),
        true => relative::<IfBit<InPage, true>, IfBit<Anywhere, true>>(asm, distance),
    };
    op.r[1] = source(i.rt());
    op.imm = 1 << (u32::from(i.b5()) << 5 | i.b40());
    Outcome::Next
}

pub(super) fn register<const LINK: bool>(asm: &mut Assembler<'_>, rn: u32) -> Outcome {
    asm.push::<Indirect<LINK>>().r[1] = source(rn);
    Outcome::End
}

pub(super) fn eret(asm: &mut Assembler<'_>) -> Outcome {
    asm.push::<ExceptionReturn>();
    Outcome::End
}

pub(super) fn svc(asm: &mut Assembler<'_>, i: Svc) -> Outcome {
    asm.push::<SupervisorCall>().imm = i.imm16().into();
    Outcome::End
}

pub(super) fn hvc(asm: &mut Assembler<'_>, i: Hvc) -> Outcome {
    asm.push::<HypervisorCall>().imm = i.imm16().into();
    Outcome::End
}

pub(super) fn smc(asm: &mut Assembler<'_>, i: Smc) -> Outcome {
    asm.push::<MonitorCall>().imm = i.imm16().into();
    Outcome::End
}

pub(super) fn brk(asm: &mut Assembler<'_>, i: Brk) -> Outcome {
    asm.push::<Breakpoint>().imm = i.imm16().into();
    Outcome::End
}

pub(super) fn msr_imm(asm: &mut Assembler<'_>, i: MsrImm) -> Outcome {
    if (i.op1(), i.op2()) == (0, 0) {
        asm.plain::<InvertCarry>();
        return Outcome::Next;
    }
    asm.push::<System<WriteField>>().imm = i.0.into();
    Outcome::End
}

pub(super) fn hint(asm: &mut Assembler<'_>, i: Hint) -> Outcome {
    match (i.crm(), i.op2()) {
        (0, which @ (2 | 3)) => asm.push::<System<Wait>>().x[0] = u8::from(which == 2),
        (0, which @ (4 | 5)) => asm.push::<System<SendEvent>>().x[0] = u8::from(which == 4),
        _ => {
            // YIELD, and what belongs to extensions that are not here.
            asm.plain::<Nothing>();
            return Outcome::Next;
        }
    }
    Outcome::End
}

pub(super) fn barrier(asm: &mut Assembler<'_>, i: Barrier) -> Outcome {
    match i.op2() {
        2 => {
            asm.plain::<ClearExclusive>();
            return Outcome::Next;
        }
        4 => asm.push::<System<SynchronizationBarrier>>(),
        5 => {
            asm.plain::<MemoryBarrier>();
            return Outcome::Next;
        }
        6 => asm.push::<System<EndBlock>>(),
        7 if i.crm() == 0 => asm.push::<System<EndBlock>>(),
        _ => return Outcome::Undefined,
    };
    Outcome::End
}

pub(super) fn sys(asm: &mut Assembler<'_>, i: Sys) -> Outcome {
    let regime = asm.mode.regime();
    if !i.l() && (i.op1(), i.crn(), i.crm(), i.op2()) == (3, 7, 4, 1) {
        let op = asm.push::<ZeroBlock>();
        op.r[0] = source(i.rt());
        op.x = [regime, 0, 1];
        op.imm = super::super::access::iss::WNR;
        op.disp = i.0 as i32;
        return Outcome::Next;
    }
    let op = asm.push::<System<Operation>>();
    op.r[0] = source(i.rt());
    op.imm = i.0.into();
    Outcome::End
}

/// MSR and MRS of registers that have just a value, or flags, do not end the block.
pub(super) fn system_register(asm: &mut Assembler<'_>, i: SystemRegister) -> Outcome {
    let el1 = asm.mode.has(Mode::EL1);
    if !el1 && i.op1() != 3 {
        return Outcome::Undefined;
    }
    let (read, number) = (i.l(), register_number(i.0));
    let register = if read { target(i.rt()) } else { source(i.rt()) };
    let info = lookup(number);
    let op = match info.map(|info| (info.kind, info.reg)) {
        Some((Kind::Plain | Kind::User | Kind::Id | Kind::UserRead | Kind::Control, _)) if read => {
            asm.plain::<ReadStored>()
        }
        Some((Kind::Plain, _)) if el1 => asm.plain::<WriteStored>(),
        Some((Kind::User, _)) => asm.plain::<WriteStored>(),
        Some((Kind::Special, Reg::NZCV)) if read => asm.plain::<ReadFlags>(),
        Some((Kind::Special, Reg::NZCV)) => asm.plain::<WriteFlags>(),
        _ => {
            let op = if read {
                asm.push::<System<ReadRegister>>()
            } else {
                asm.push::<System<WriteRegister>>()
            };
            op.r[0] = register;
            op.imm = i.0.into();
            return Outcome::End;
        }
    };
    op.r[0] = register;
    op.x[0] = info.map_or(0, |info| info.reg as u8);
    Outcome::Next
}
