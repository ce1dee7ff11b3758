//! System instructions: hints, barriers, PSTATE fields, register moves, cache, TLB and address translation operations.
//!
//! Those that anything else could depend on end their block. `imm` is the instruction word unless said otherwise.

use core::sync::atomic::{Ordering, fence};

use super::super::access::iss;
use super::super::cpu::{Cpu, Trap, regime};
use super::super::exception::class;
use super::super::mmu::{Access, Fault, Translation};
use super::super::shared::Invalidation;
use super::super::sysreg::Reg;
use super::Plain;
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};
use crate::engine::software::memory::Kind;
use crate::memory::Permissions;

/// Bytes that DC ZVA clears.
const ZVA: u64 = 64;

/// An instruction that is rare: done with the program counter known, and at the end of its block.
pub(crate) trait Rare: 'static {
    /// Does it. The program counter is at it, and goes on behind it if the answer is `Ok`.
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop>;
}

/// The step of a [`Rare`] instruction.
pub(crate) struct System<T>(core::marker::PhantomData<T>);

impl<T: Rare> Step<Cpu> for System<T> {
    const MEMORY: bool = true;
    const ENDS: bool = true;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        if !P::SLOW {
            return Err(Stop::Miss);
        }
        T::go(cpu, op)?;
        cpu.pc = cpu.pc_of(op).wrapping_add(4);
        Ok(Flow::End)
    }
}

/// `r[0]` becomes the system register with index `x[0]`: one that only has a value.
pub(crate) struct ReadStored;

impl Plain for ReadStored {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = cpu.sys.by_index(op.x[0]);
        cpu.set(op.r[0], value);
    }
}

/// The system register with index `x[0]`, which only has a value, becomes `r[0]`.
pub(crate) struct WriteStored;

impl Plain for WriteStored {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        *cpu.sys.by_index_mut(op.x[0]) = cpu.get(op.r[0]);
    }
}

/// `r[0]` becomes NZCV.
pub(crate) struct ReadFlags;

impl Plain for ReadFlags {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let flags = cpu.flags.bits();
        cpu.set(op.r[0], flags);
    }
}

/// NZCV becomes `r[0]`.
pub(crate) struct WriteFlags;

impl Plain for WriteFlags {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        cpu.flags = super::super::flags::Flags::from_bits(cpu.get(op.r[0]));
    }
}

/// Nothing.
pub(crate) struct Nothing;

impl Plain for Nothing {
    #[inline(always)]
    fn go(_: &mut Cpu, _: &Op<Cpu>) {}
}

/// DMB
pub(crate) struct MemoryBarrier;

impl Plain for MemoryBarrier {
    #[inline(always)]
    fn go(_: &mut Cpu, _: &Op<Cpu>) {
        fence(Ordering::SeqCst);
    }
}

/// CLREX
pub(crate) struct ClearExclusive;

impl Plain for ClearExclusive {
    fn go(cpu: &mut Cpu, _: &Op<Cpu>) {
        cpu.monitor = None;
    }
}

/// DSB: also waits until other vCPUs have done what a TLBI asked them to.
pub(crate) struct SynchronizationBarrier;

impl Rare for SynchronizationBarrier {
    fn go(cpu: &mut Cpu, _: &Op<Cpu>) -> Result<(), Stop> {
        fence(Ordering::SeqCst);
        cpu.wait_for_invalidations();
        Ok(())
    }
}

/// ISB, SB: the end of the block is what they need.
pub(crate) struct EndBlock;

impl Rare for EndBlock {
    fn go(_: &mut Cpu, _: &Op<Cpu>) -> Result<(), Stop> {
        Ok(())
    }
}

/// SEV, SEVL: `x[0]` is set for SEV.
pub(crate) struct SendEvent;

impl Rare for SendEvent {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        cpu.event = true;
        if op.x[0] != 0 {
            cpu.shared.send_event();
        }
        Ok(())
    }
}

/// WFI, and with `x[0]` WFE.
pub(crate) struct Wait;

impl Rare for Wait {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        let for_event = op.x[0] != 0;
        let seen = for_event && (core::mem::take(&mut cpu.event) || cpu.peer.take_event());
        if seen || cpu.interrupt_pending() {
            return Ok(());
        }
        let syndrome = class::WFX | 1 << 24 | 0xe << 20 | u64::from(for_event);
        let allowed = if for_event { 1 << 18 } else { 1 << 16 };
        if !cpu.pstate.el1 && cpu.sys[Reg::SCTLR_EL1] & allowed == 0 {
            return Err(cpu.raise(op, syndrome));
        }
        if !cpu.shared.has_gic() {
            return Err(cpu.leave(op, syndrome));
        }
        if for_event {
            // Others may be about to send the event; there is no harm in waking early.
            std::thread::yield_now();
            return Ok(());
        }
        let stop = cpu.stop(op, Trap::Wait);
        cpu.pc = cpu.pc.wrapping_add(4);
        Err(stop)
    }
}

/// MSR (immediate)
pub(crate) struct WriteField;

impl Rare for WriteField {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        let word = op.imm as u32;
        let (op1, value, op2) = (word >> 16 & 7, u64::from(word >> 8 & 15), word >> 5 & 7);
        let el1 = cpu.pstate.el1;
        match (op1, op2) {
            (0, 4) if el1 => cpu.pstate.pan = value & 1 != 0,
            (0, 5) if el1 => cpu.select_sp(value & 1 != 0),
            (3, 1) => cpu.pstate.ssbs = value & 1 != 0,
            (3, 2) => cpu.pstate.dit = value & 1 != 0,
            (3, 6 | 7) => {
                if !el1 && cpu.sys[Reg::SCTLR_EL1] & (1 << 9) == 0 {
                    return Err(cpu.raise(op, trapped(word)));
                }
                let bits = value << 6;
                if op2 == 6 {
                    cpu.pstate.daif |= bits;
                } else {
                    cpu.pstate.daif &= !bits;
                }
            }
            _ => return Err(cpu.undefined(op)),
        }
        cpu.attend();
        cpu.update_mode();
        Ok(())
    }
}

/// Syndrome of a trapped MSR, MRS or SYS with this word (D17.2.37, EC 0x18).
pub(crate) fn trapped(word: u32) -> u64 {
    let word = u64::from(word);
    let field = |from: u32, bits: u32, to: u32| (word >> from & ((1 << bits) - 1)) << to;
    class::SYSTEM
        | field(19, 2, 20)
        | field(5, 3, 17)
        | field(16, 3, 14)
        | field(12, 4, 10)
        | field(0, 5, 5)
        | field(8, 4, 1)
        | field(21, 1, 0)
}

/// Number of the register that an MSR or MRS names.
pub(crate) fn register_number(word: u32) -> u16 {
    (word >> 5 & 0xffff) as u16
}

/// MRS of a register that has more to it than a value.
pub(crate) struct ReadRegister;

impl Rare for ReadRegister {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        let value = cpu.read_register(op)?;
        cpu.set(op.r[0], value);
        Ok(())
    }
}

/// MSR (register) of a register that has more to it than a value.
pub(crate) struct WriteRegister;

impl Rare for WriteRegister {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        let value = cpu.get(op.r[0]);
        cpu.write_register(op, value)
    }
}

/// SYS, SYSL
pub(crate) struct Operation;

impl Rare for Operation {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<(), Stop> {
        let word = op.imm as u32;
        let (op1, crn, crm, op2) = (
            word >> 16 & 7,
            word >> 12 & 15,
            word >> 8 & 15,
            word >> 5 & 7,
        );
        let el1 = cpu.pstate.el1;
        let value = cpu.get(op.r[0]);
        let sysl = word >> 21 & 1 != 0;
        match (op1, crn, crm, op2) {
            (_, 11 | 15, _, _) if el1 => Err(cpu.leave(op, trapped(word))),
            _ if sysl => Err(cpu.undefined(op)),
            (0, 7, 1 | 5, 0) if el1 => Ok(()),
            (0, 7, 6 | 10 | 14, 2) if el1 => Ok(()),
            (0, 7, 6, 1) if el1 => maintain(cpu, op, value, Access::Write),
            (3, 7, 5, 1) | (3, 7, 10..=12 | 14, 1) => {
                if !el1 && cpu.sys[Reg::SCTLR_EL1] & (1 << 26) == 0 {
                    return Err(cpu.raise(op, trapped(word)));
                }
                maintain(cpu, op, value, Access::Read)
            }
            (0, 7, 8, 0..=3) | (0, 7, 9, 0..=1) if el1 => {
                address_translation(cpu, op, value, crm == 9, op2)
            }
            (0, 8, 3 | 7, 0..=3 | 5 | 7) if el1 => {
                let what = Invalidation::decode(op2, value);
                if crm == 3 {
                    cpu.shared.broadcast(&cpu.peer, what);
                }
                cpu.invalidate(what);
                Ok(())
            }
            _ => Err(cpu.undefined(op)),
        }
    }
}

/// Cache maintenance by address has nothing to do but to fault where an access would.
fn maintain(cpu: &mut Cpu, op: &Op<Cpu>, va: u64, access: Access) -> Result<(), Stop> {
    let mut described = *op;
    described.imm = iss::CM | iss::WNR;
    let found = translated(cpu, &described, va, access)?;
    let needed = if access == Access::Write {
        Permissions::READ | Permissions::WRITE
    } else {
        Permissions::READ
    };
    match cpu.view.locate(found.ipa, needed).map(|_| ()) {
        Ok(()) => Ok(()),
        Err(fault) => Err(cpu.stage2_data(&described, va, Access::Write, fault)),
    }
}

fn translated(cpu: &mut Cpu, op: &Op<Cpu>, va: u64, access: Access) -> Result<Translation, Stop> {
    cpu.translate(va, access, cpu.mode.regime(), true)
        // Faults of these instructions are always reported as writes.
        .map_err(|fault| cpu.data_fault(op, va, Access::Write, fault))
}

/// AT: the result goes to `PAR_EL1`.
fn address_translation(
    cpu: &mut Cpu,
    op: &Op<Cpu>,
    va: u64,
    with_pan: bool,
    op2: u32,
) -> Result<(), Stop> {
    let regime = match (op2 & 2 != 0, with_pan && cpu.pstate.pan) {
        (true, _) => regime::EL0,
        (false, true) => regime::EL1_PAN,
        (false, false) => regime::EL1,
    };
    let access = if op2 & 1 != 0 {
        Access::Write
    } else {
        Access::Read
    };
    let par = match cpu.translate(va, access, regime, true) {
        Ok(found) => {
            let shareability = if found.device || found.attributes == 0x44 {
                2
            } else {
                u64::from(found.shareability)
            };
            u64::from(found.attributes) << 56
                | found.ipa & 0xffff_ffff_f000
                | 1 << 11
                | shareability << 7
        }
        Err(fault @ Fault { walk: Some(_), .. }) => {
            // Stage 2 faults of the walk leave to the VMM (D5.2.11).
            let mut described = *op;
            described.imm = iss::CM | iss::WNR;
            return Err(cpu.data_fault(&described, va, Access::Write, fault));
        }
        Err(fault) => 1 << 11 | u64::from(fault.status) << 1 | 1,
    };
    cpu.sys[Reg::PAR_EL1] = par;
    Ok(())
}

/// DC ZVA; `disp` is the instruction word.
pub(crate) struct ZeroBlock;

impl Step<Cpu> for ZeroBlock {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = cpu.get(op.r[0]);
        let block = va & !(ZVA - 1);
        let regime = usize::from(op.x[0]);
        if cpu.view.fill_with(regime, block, ZVA / 8, 0_u64).is_some() {
            return Ok(Flow::Next);
        }
        if !P::SLOW {
            return Err(Stop::Miss);
        }
        if !cpu.pstate.el1 && cpu.sys[Reg::SCTLR_EL1] & (1 << 14) == 0 {
            return Err(cpu.raise(op, trapped(op.disp as u32)));
        }
        // The first store faults with the address that the instruction names, if the block cannot be written.
        let found = cpu
            .translate(va, Access::Write, op.x[0], true)
            .map_err(|fault| cpu.data_fault(op, va, Access::Write, fault))?;
        if found.device {
            return Err(cpu.alignment_fault(op, va));
        }
        if cpu.debug.watching {
            cpu.watch(op, block, ZVA, true)?;
        }
        for at in (0..ZVA).step_by(16) {
            let ipa = (found.ipa & !(ZVA - 1)) + at;
            let stored = cpu.view.store_physical(ipa, 0_u128);
            stored.map_err(|fault| cpu.stage2_data(op, va, Access::Write, fault))?;
        }
        if !cpu.debug.watching {
            cpu.view
                .fill(regime, va, found.ipa, found.rights, Kind::default());
        }
        Ok(Flow::Next)
    }
}
