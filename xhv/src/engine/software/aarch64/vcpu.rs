//! The functions of the seam that belong to a vCPU, named as the framework's without `hv_vcpu_`.

use core::marker::PhantomData;
use core::time::Duration;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::blocks::Blocks;
use super::cpu::{Cpu, Exit, legal_mode};
use super::debug::pair_of;
use super::fp;
use super::gic::Gic;
use super::run::run;
use super::shared::{Invalidation, Peer};
use super::sysreg::{Kind, Reg, lookup};
use super::timer::FREQUENCY;
use super::vm::Vm;
use crate::engine::software::memory::Attention;
use crate::error::Code;
use crate::memory::lock;

/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_FPCR`
const FPCR: u32 = 32;
/// `HV_REG_FPSR`
const FPSR: u32 = 33;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

/// One of so many short runs is timed.
const SAMPLE: u32 = 16;

/// A vCPU. It belongs to the thread that created it.
#[derive(Debug)]
pub(crate) struct Vcpu {
    id: u64,
    vm: Vm,
    cpu: Box<Cpu>,
    blocks: Blocks,
    /// A value of `HV_REG_CPSR` that cannot be run from.
    illegal_cpsr: Option<u64>,
    exec_time: Duration,
    runs: u32,
    not_send: PhantomData<*mut ()>,
}

/// Forces a vCPU out of the guest, from any thread; does nothing when the vCPU is gone.
#[derive(Clone, Debug)]
pub(crate) struct Exiter(Weak<Peer>);

impl Exiter {
    /// `hv_vcpus_exit`: the vCPU leaves the guest, or will not enter it at its next run.
    pub(crate) fn exit(&self) -> Result<(), Code> {
        if let Some(peer) = self.0.upgrade() {
            peer.notify(Attention::CANCEL);
        }
        Ok(())
    }
}

impl Vcpu {
    /// `hv_vcpu_create`: [`Code::BUSY`] if the thread has a vCPU of this VM, [`Code::NO_RESOURCES`] if the VM has no more.
    pub(crate) fn create(vm: &Vm) -> Result<Self, Code> {
        let id = vm.claim()?;
        let mut cpu = Box::new(Cpu::new(vm.shared.clone(), id as usize));
        let mpidr = 1 << 31 | (id & 0xf) | (id >> 4) << 8;
        cpu.sys[Reg::MPIDR_EL1] = mpidr;
        if let Some(gic) = vm.shared.gic() {
            gic.join(id as usize, &cpu.peer, mpidr);
        }
        Ok(Self {
            id,
            vm: vm.clone(),
            cpu,
            blocks: Blocks::new(),
            illegal_cpsr: None,
            exec_time: Duration::ZERO,
            runs: 0,
            not_send: PhantomData,
        })
    }

    /// Number of the vCPU.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What forces it out of the guest.
    pub(crate) fn exiter(&self) -> Exiter {
        Exiter(Arc::downgrade(&self.cpu.peer))
    }

    /// `hv_vcpu_run`: [`Code::ILLEGAL_GUEST_STATE`] if `CPSR` names a mode that does not exist.
    pub(crate) fn run(&mut self) -> Result<Exit, Code> {
        if self.illegal_cpsr.is_some() {
            return Err(Code::ILLEGAL_GUEST_STATE);
        }
        // Looking at the clock can take longer than a short run: of those, some stand for all.
        let start = self.runs.is_multiple_of(SAMPLE).then(Instant::now);
        self.runs = self.runs.wrapping_add(1);
        let exit = run(&mut self.cpu, &mut self.blocks);
        let long_since = self.cpu.long_since.take();
        self.exec_time += match (start, long_since) {
            (Some(start), None) => start.elapsed() * SAMPLE,
            (Some(start), Some(_)) | (None, Some(start)) => start.elapsed(),
            (None, None) => Duration::ZERO,
        };
        Ok(exit)
    }

    /// `hv_vcpu_get_reg`
    #[inline]
    pub(crate) fn get_reg(&self, reg: u32) -> Result<u64, Code> {
        Ok(match reg {
            0..=30 => self.cpu.get(reg as u8),
            PC => self.cpu.pc,
            FPCR => self.cpu.fpcr,
            FPSR => self.cpu.fpsr,
            CPSR => self.illegal_cpsr.unwrap_or_else(|| self.cpu.cpsr()),
            _ => return Err(Code::BAD_ARGUMENT),
        })
    }

    /// `hv_vcpu_set_reg`
    #[inline]
    pub(crate) fn set_reg(&mut self, reg: u32, value: u64) -> Result<(), Code> {
        match reg {
            0..=30 => self.cpu.set(reg as u8, value),
            PC => self.cpu.pc = value,
            FPCR => self.cpu.fpcr = value & fp::FPCR_MASK,
            FPSR => self.cpu.fpsr = value & fp::FPSR_MASK,
            CPSR if legal_mode(value) => {
                self.illegal_cpsr = None;
                self.cpu.set_cpsr(value);
            }
            CPSR => self.illegal_cpsr = Some(value),
            _ => return Err(Code::BAD_ARGUMENT),
        }
        Ok(())
    }

    /// `hv_vcpu_get_simd_fp_reg`
    pub(crate) fn get_simd_fp_reg(&self, reg: u32) -> Result<u128, Code> {
        let register = self.cpu.v.get(reg as usize);
        register.copied().ok_or(Code::BAD_ARGUMENT)
    }

    /// `hv_vcpu_set_simd_fp_reg`
    pub(crate) fn set_simd_fp_reg(&mut self, reg: u32, value: u128) -> Result<(), Code> {
        let register = self.cpu.v.get_mut(reg as usize);
        *register.ok_or(Code::BAD_ARGUMENT)? = value;
        Ok(())
    }

    /// Whether the framework would know `reg`, and whether this VM has it.
    fn check_sys_reg(&self, reg: u16) -> Result<(Kind, Reg), Code> {
        let (op1, sme) = (reg >> 11 & 7, matches!(reg, 0xc094 | 0xc096 | 0xde85));
        let Some(info) = lookup(reg) else {
            let el2 = reg >> 14 == 3 && matches!(op1, 4 | 6);
            return Err(if el2 || sme {
                Code::UNSUPPORTED
            } else {
                Code::BAD_ARGUMENT
            });
        };
        match (info.kind, info.reg) {
            (_, Reg::CNTP_CTL_EL0 | Reg::CNTP_CVAL_EL0 | Reg::CNTP_TVAL_EL0)
                if !self.vm.shared.has_gic() =>
            {
                return Err(Code::UNSUPPORTED);
            }
            (_, Reg::CNTP_CTL_EL0 | Reg::CNTP_CVAL_EL0 | Reg::CNTP_TVAL_EL0) => {}
            (_, Reg::SP_EL0 | Reg::CNTV_CTL_EL0 | Reg::CNTV_CVAL_EL0) => {}
            (_, Reg::MDSCR_EL1 | Reg::SCXTNUM_EL0) => {}
            (Kind::Special, _) => return Err(Code::BAD_ARGUMENT),
            (_, Reg::REVIDR_EL1 | Reg::ID_AA64AFR0_EL1 | Reg::ID_AA64AFR1_EL1) => {
                return Err(Code::BAD_ARGUMENT);
            }
            (_, Reg::CLIDR_EL1 | Reg::AIDR_EL1) => return Err(Code::BAD_ARGUMENT),
            _ => {}
        }
        Ok((info.kind, info.reg))
    }

    /// `hv_vcpu_get_sys_reg`: [`Code::BAD_ARGUMENT`] for a number that the framework does not know, [`Code::UNSUPPORTED`] for a register
    /// that this VM does not have.
    pub(crate) fn get_sys_reg(&self, reg: u16) -> Result<u64, Code> {
        if let Some((kind, n)) = pair_of(reg) {
            return Ok(self.cpu.debug.pairs[kind][n]);
        }
        let (kind, reg) = self.check_sys_reg(reg)?;
        let cpu = &self.cpu;
        Ok(match (kind, reg) {
            (_, Reg::SP_EL0 | Reg::SP_EL1) => {
                if (reg == Reg::SP_EL1) == cpu.pstate.sp {
                    cpu.get(super::cpu::SP)
                } else {
                    cpu.other_sp
                }
            }
            (_, Reg::MDSCR_EL1 | Reg::SCXTNUM_EL0) => cpu.sys[reg],
            (Kind::Special, _) => cpu.read_timer(reg),
            _ => cpu.sys[reg],
        })
    }

    /// `hv_vcpu_set_sys_reg`: errors as [`Vcpu::get_sys_reg`].
    pub(crate) fn set_sys_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        if let Some((kind, n)) = pair_of(reg) {
            self.cpu.debug.pairs[kind][n] = value;
            self.cpu.update_mode();
            return Ok(());
        }
        let (kind, reg) = self.check_sys_reg(reg)?;
        let cpu = &mut self.cpu;
        match (kind, reg) {
            (_, Reg::SP_EL0 | Reg::SP_EL1) => {
                *cpu.stack_pointer(reg == Reg::SP_EL1) = value;
                cpu.update_mode();
            }
            (_, Reg::MDSCR_EL1 | Reg::SCXTNUM_EL0) => {
                cpu.sys[reg] = value;
                cpu.update_mode();
            }
            // Only EnTSO can be changed.
            (_, Reg::ACTLR_EL1) => cpu.sys[reg] = value & 2,
            (_, Reg::MPIDR_EL1) => {
                cpu.sys[reg] = value;
                if let Some(gic) = cpu.shared.gic() {
                    gic.set_affinity(cpu.number, value);
                }
            }
            (Kind::Special, _) => {
                cpu.write_timer(reg, value);
                cpu.update_timer_lines();
            }
            (Kind::Control, _) => cpu.write_control(reg, value),
            _ => cpu.sys[reg] = value,
        }
        Ok(())
    }

    fn line(&self, kind: u32) -> Result<usize, Code> {
        match kind {
            0 | 1 if self.vm.shared.has_gic() => Err(Code::UNSUPPORTED),
            0 | 1 => Ok(kind as usize),
            _ => Err(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_vcpu_get_pending_interrupt`: 0 is IRQ, 1 is FIQ.
    pub(crate) fn get_pending_interrupt(&self, kind: u32) -> Result<bool, Code> {
        Ok(self.cpu.lines[self.line(kind)?])
    }

    /// `hv_vcpu_set_pending_interrupt`: for the next run only.
    pub(crate) fn set_pending_interrupt(&mut self, kind: u32, pending: bool) -> Result<(), Code> {
        let line = self.line(kind)?;
        self.cpu.lines[line] = pending;
        Ok(())
    }

    /// `hv_vcpu_get_trap_debug_exceptions`
    pub(crate) fn get_trap_debug_exceptions(&self) -> Result<bool, Code> {
        Ok(self.cpu.debug.exceptions_exit)
    }

    /// `hv_vcpu_set_trap_debug_exceptions`
    pub(crate) fn set_trap_debug_exceptions(&mut self, exit: bool) -> Result<(), Code> {
        self.cpu.debug.exceptions_exit = exit;
        self.cpu.update_mode();
        Ok(())
    }

    /// `hv_vcpu_get_trap_debug_reg_accesses`
    pub(crate) fn get_trap_debug_reg_accesses(&self) -> Result<bool, Code> {
        Ok(self.cpu.debug.accesses_exit)
    }

    /// `hv_vcpu_set_trap_debug_reg_accesses`
    pub(crate) fn set_trap_debug_reg_accesses(&mut self, exit: bool) -> Result<(), Code> {
        self.cpu.debug.accesses_exit = exit;
        Ok(())
    }

    /// `hv_vcpu_get_exec_time`, in ticks of the counter.
    pub(crate) fn get_exec_time(&self) -> Result<u64, Code> {
        let ticks = self.exec_time.as_nanos() * u128::from(FREQUENCY) / 1_000_000_000;
        Ok(ticks as u64)
    }

    /// `hv_vcpu_get_vtimer_mask`
    pub(crate) fn get_vtimer_mask(&self) -> Result<bool, Code> {
        Ok(self.cpu.timer.masked)
    }

    /// `hv_vcpu_set_vtimer_mask`
    pub(crate) fn set_vtimer_mask(&mut self, masked: bool) -> Result<(), Code> {
        self.cpu.timer.masked = masked;
        Ok(())
    }

    /// `hv_vcpu_get_vtimer_offset`, in ticks
    pub(crate) fn get_vtimer_offset(&self) -> Result<u64, Code> {
        Ok(self.cpu.timer.offset)
    }

    /// `hv_vcpu_set_vtimer_offset`, in ticks
    pub(crate) fn set_vtimer_offset(&mut self, offset: u64) -> Result<(), Code> {
        self.cpu.timer.offset = offset;
        Ok(())
    }

    /// `hv_vcpu_get_serror`
    pub(crate) fn get_serror(&self) -> Result<bool, Code> {
        Ok(self.cpu.serror)
    }

    /// `hv_vcpu_set_serror`
    pub(crate) fn set_serror(&mut self, pending: bool) -> Result<(), Code> {
        self.cpu.serror = pending;
        Ok(())
    }

    /// `hv_vcpu_invalidate_tlb`: `op` is an `hv_tlbi_op_t`. Range operations invalidate everything.
    pub(crate) fn invalidate_tlb(&mut self, op: u32, param: u64) -> Result<(), Code> {
        let what = match op {
            0x11 | 0x13 | 0x15 | 0x17 | 0x18 | 0x1a => Invalidation::All,
            0x19 | 0x1b | 0x1d | 0x1f => Invalidation::decode(1, param),
            _ => return Err(Code::BAD_ARGUMENT),
        };
        self.vm.shared.broadcast(&self.cpu.peer, what);
        self.cpu.invalidate(what);
        Ok(())
    }
}

impl Vcpu {
    fn gic(&self) -> Result<Arc<Gic>, Code> {
        self.vm.shared.gic().ok_or(Code::NO_DEVICE)
    }

    /// `hv_vcpu_get_wait_for_interrupt_time`, in ticks: [`Code::UNSUPPORTED`] without a GIC.
    pub(crate) fn get_wait_for_interrupt_time(&self) -> Result<u64, Code> {
        self.gic().map_err(|_| Code::UNSUPPORTED)?;
        Ok(self.cpu.wait_ticks)
    }

    /// `hv_gic_get_redistributor_base`
    pub(crate) fn gic_get_redistributor_base(&self) -> Result<u64, Code> {
        Ok(self.gic()?.redistributor_base(self.cpu.number))
    }

    /// `hv_gic_get_redistributor_reg`
    pub(crate) fn gic_get_redistributor_reg(&self, reg: u32) -> Result<u64, Code> {
        self.gic()?.get_redistributor(self.cpu.number, reg.into())
    }

    /// `hv_gic_set_redistributor_reg`
    pub(crate) fn gic_set_redistributor_reg(&mut self, reg: u32, value: u64) -> Result<(), Code> {
        self.gic()?
            .set_redistributor(self.cpu.number, reg.into(), value)
    }

    /// `hv_gic_get_icc_reg`
    pub(crate) fn gic_get_icc_reg(&self, reg: u16) -> Result<u64, Code> {
        self.gic()?.get_icc(self.cpu.number, reg)
    }

    /// `hv_gic_set_icc_reg`
    pub(crate) fn gic_set_icc_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        self.gic()?.set_icc(self.cpu.number, reg, value)
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        if let Some(gic) = self.vm.shared.gic() {
            gic.part(self.cpu.number);
        }
        lock(&self.vm.owners).remove(&self.id);
    }
}
