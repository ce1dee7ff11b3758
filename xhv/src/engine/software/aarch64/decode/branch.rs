//! Branches, exception generating and system instructions (Arm DDI 0487, C4.1: 101x).

use super::super::cpu::Mode;
use super::super::exec::alu::InvertCarry;
use super::super::exec::branch::{
    Breakpoint, Call, ExceptionReturn, Goto, HypervisorCall, If, IfBit, IfZero, Indirect,
    MonitorCall, SupervisorCall,
};
use super::super::exec::system::{
    ClearExclusive, EndBlock, MemoryBarrier, Nothing, Operation, ReadFlags, ReadRegister,
    ReadStored, SendEvent, SynchronizationBarrier, System, Wait, WriteField, WriteFlags,
    WriteRegister, WriteStored, ZeroBlock, register_number,
};
use super::super::exec::{W32, W64};
use super::super::sysreg::{Kind, Reg, lookup};
use super::{Assembler, Outcome, source, target};
use crate::aarch64::instructions::{
    BCond, BImm, Barrier, Brk, CbImm, Hint, Hvc, MsrImm, Smc, Svc, Sys, SystemRegister, TbImm,
};

pub(super) fn conditional(asm: &mut Assembler<'_>, i: BCond) -> Outcome {
    let disp = asm.displacement(4 * i.imm19());
    let op = match i.cond() {
        0 => asm.push::<If<0>>(),
        1 => asm.push::<If<1>>(),
        2 => asm.push::<If<2>>(),
        3 => asm.push::<If<3>>(),
        4 => asm.push::<If<4>>(),
        5 => asm.push::<If<5>>(),
        6 => asm.push::<If<6>>(),
        7 => asm.push::<If<7>>(),
        8 => asm.push::<If<8>>(),
        9 => asm.push::<If<9>>(),
        10 => asm.push::<If<10>>(),
        11 => asm.push::<If<11>>(),
        12 => asm.push::<If<12>>(),
        13 => asm.push::<If<13>>(),
        _ => asm.push::<If<14>>(),
    };
    op.disp = disp;
    Outcome::Next
}

pub(super) fn immediate(asm: &mut Assembler<'_>, i: BImm) -> Outcome {
    let disp = asm.displacement(4 * i.imm26());
    let op = if i.op() {
        asm.push::<Call>()
    } else {
        asm.push::<Goto>()
    };
    op.disp = disp;
    Outcome::End
}

pub(super) fn compare(asm: &mut Assembler<'_>, i: CbImm) -> Outcome {
    let disp = asm.displacement(4 * i.imm19());
    let op = match (i.sf(), i.op()) {
        (false, false) => asm.push::<IfZero<W32, false>>(),
        (false, true) => asm.push::<IfZero<W32, true>>(),
        (true, false) => asm.push::<IfZero<W64, false>>(),
        (true, true) => asm.push::<IfZero<W64, true>>(),
    };
    op.disp = disp;
    op.r[1] = source(i.rt());
    Outcome::Next
}

pub(super) fn test(asm: &mut Assembler<'_>, i: TbImm) -> Outcome {
    let disp = asm.displacement(4 * i.imm14());
    let op = if i.op() {
        asm.push::<IfBit<true>>()
    } else {
        asm.push::<IfBit<false>>()
    };
    op.disp = disp;
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
