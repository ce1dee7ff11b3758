//! Branches, also fused with the compare before them.
//!
//! `disp` is the link of a target in the block's page, or the distance of one elsewhere from the start of the block: see [`Reach`]. A
//! conditional branch that is not taken goes on in its block.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exception::class;
use super::alu::Binary;
use super::{Source, Width};
use crate::engine::software::dispatch::{Flow, Near, Op, Path, Step, Stop};

/// How a branch goes on when it is taken.
pub(crate) trait Reach: 'static {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Flow;
}

/// To a place in the block's page.
#[derive(Debug)]
pub(crate) struct InPage;

/// Anywhere.
#[derive(Debug)]
pub(crate) struct Anywhere;

impl Reach for InPage {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Flow {
        let near = Near::from_word(op.disp as u32);
        cpu.pc = cpu.pc.wrapping_add_signed(near.by());
        Flow::Near(near)
    }
}

impl Reach for Anywhere {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Flow {
        cpu.pc = cpu.pc.wrapping_add_signed(i64::from(op.disp));
        Flow::Jump
    }
}

#[inline(always)]
fn branch<R: Reach>(cpu: &mut Cpu, op: &Op<Cpu>, taken: bool) -> Result<Flow, Stop> {
    Ok(if taken { R::go(cpu, op) } else { Flow::Next })
}

/// B.cond
pub(crate) struct If<R, const CONDITION: u8>(PhantomData<R>);

impl<R: Reach, const CONDITION: u8> Step<Cpu> for If<R, CONDITION> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = cpu.flags.holds::<CONDITION>();
        branch::<R>(cpu, op, taken)
    }
}

/// An operation that sets the flags, and the B.cond behind it to a place in the block's page.
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
        branch::<InPage>(cpu, op, flags.holds::<CONDITION>())
    }
}

/// CBZ, CBNZ
pub(crate) struct IfZero<R, W, const NOT: bool>(PhantomData<(R, W)>);

impl<R: Reach, W: Width, const NOT: bool> Step<Cpu> for IfZero<R, W, NOT> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = (W::cut(cpu.get(op.r[1])) == 0) != NOT;
        branch::<R>(cpu, op, taken)
    }
}

/// TBZ, TBNZ: `imm` is the mask.
pub(crate) struct IfBit<R, const NOT: bool>(PhantomData<R>);

impl<R: Reach, const NOT: bool> Step<Cpu> for IfBit<R, NOT> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let taken = (cpu.get(op.r[1]) & op.imm == 0) != NOT;
        branch::<R>(cpu, op, taken)
    }
}

/// B; also where a block ends without a branch.
pub(crate) struct Goto<R>(PhantomData<R>);

impl<R: Reach> Step<Cpu> for Goto<R> {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        Ok(R::go(cpu, op))
    }
}

/// BL
pub(crate) struct Call<R>(PhantomData<R>);

impl<R: Reach> Step<Cpu> for Call<R> {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let link = cpu.pc_of(op).wrapping_add(4);
        cpu.set(30, link);
        Ok(R::go(cpu, op))
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
