//! Branches, also fused with the compare before them.
//!
//! `disp` is the distance of the target from the start of the block. A conditional branch that is not taken goes on in its block.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exception::class;
use super::alu::Binary;
use super::{Source, Width};
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};

#[inline(always)]
fn jump(cpu: &mut Cpu, op: &Op<Cpu>, taken: bool) -> Result<Flow, Stop> {
    if !taken {
        return Ok(Flow::Next);
    }
    if op.disp == 0 {
        return Ok(Flow::Again);
    }
    cpu.pc = cpu.pc.wrapping_add_signed(i64::from(op.disp));
    Ok(Flow::Jump)
}

/// B.cond
pub(crate) struct If<const CONDITION: u8>;

impl<const CONDITION: u8> Step<Cpu> for If<CONDITION> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = cpu.flags.holds::<CONDITION>();
        jump(cpu, op, taken)
    }
}

/// An operation that sets the flags, and the B.cond behind it.
pub(crate) struct ThenIf<B, W, S, const CONDITION: u8>(PhantomData<(B, W, S)>);

impl<B: Binary, W: Width, S: Source, const CONDITION: u8> Step<Cpu> for ThenIf<B, W, S, CONDITION> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let (a, b) = (cpu.get(op.r[1]), S::value::<W>(cpu, op));
        let mut flags = cpu.flags;
        let result = B::compute::<W>(&mut flags, a, b);
        cpu.flags = flags;
        cpu.set(op.r[0], result);
        jump(cpu, op, flags.holds::<CONDITION>())
    }
}

/// CBZ, CBNZ
pub(crate) struct IfZero<W, const NOT: bool>(PhantomData<W>);

impl<W: Width, const NOT: bool> Step<Cpu> for IfZero<W, NOT> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = (W::cut(cpu.get(op.r[1])) == 0) != NOT;
        jump(cpu, op, taken)
    }
}

/// TBZ, TBNZ: `imm` is the mask.
pub(crate) struct IfBit<const NOT: bool>;

impl<const NOT: bool> Step<Cpu> for IfBit<NOT> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = (cpu.get(op.r[1]) & op.imm == 0) != NOT;
        jump(cpu, op, taken)
    }
}

/// B; also where a block ends without a branch.
pub(crate) struct Goto;

impl Step<Cpu> for Goto {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        jump(cpu, op, true)
    }
}

/// BL
pub(crate) struct Call;

impl Step<Cpu> for Call {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let link = cpu.pc_of(op).wrapping_add(4);
        cpu.set(30, link);
        jump(cpu, op, true)
    }
}

/// BR, RET, and BLR with `LINK`.
pub(crate) struct Indirect<const LINK: bool>;

impl<const LINK: bool> Step<Cpu> for Indirect<LINK> {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let target = cpu.get(op.r[1]);
        if LINK {
            let link = cpu.pc_of(op).wrapping_add(4);
            cpu.set(30, link);
        }
        cpu.pc = target;
        Ok(Flow::Jump)
    }
}

/// An instruction that raises an exception with the syndrome `imm`, returning to itself.
pub(crate) struct Raise;

impl Step<Cpu> for Raise {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        Err(cpu.raise(op, op.imm))
    }
}

/// BRK: `imm` is its immediate.
pub(crate) struct Breakpoint;

impl Step<Cpu> for Breakpoint {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        Err(cpu.software_breakpoint(op))
    }
}

/// SVC: raises an exception that returns behind it.
pub(crate) struct SupervisorCall;

impl Step<Cpu> for SupervisorCall {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let stop = cpu.raise(op, class::SVC | op.imm);
        cpu.pc = cpu.pc.wrapping_add(4);
        Err(stop)
    }
}

/// HVC: exits with the program counter behind it.
pub(crate) struct HypervisorCall;

impl Step<Cpu> for HypervisorCall {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        if !cpu.pstate.el1 {
            return Err(cpu.undefined(op));
        }
        let stop = cpu.leave(op, class::HVC | op.imm);
        cpu.pc = cpu.pc.wrapping_add(4);
        Err(stop)
    }
}

/// SMC: exits with the program counter at it.
pub(crate) struct MonitorCall;

impl Step<Cpu> for MonitorCall {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        if !cpu.pstate.el1 {
            return Err(cpu.undefined(op));
        }
        Err(cpu.leave(op, class::SMC | op.imm))
    }
}

/// ERET
pub(crate) struct ExceptionReturn;

impl Step<Cpu> for ExceptionReturn {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        if !cpu.pstate.el1 {
            return Err(cpu.undefined(op));
        }
        cpu.exception_return();
        Ok(Flow::End)
    }
}
