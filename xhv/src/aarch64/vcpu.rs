//! The vCPU: registers by rows of the tables, interrupt lines, debug traps. `run.rs` runs it, `timer.rs` has its clock.

use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::exit::RawExit;
use super::reg::{self, Spsr};
use super::run::Statistics;
use super::sysreg;
use super::transfer::Transfer;
use super::vm::Vm;
use super::{error, ffi};
use crate::engine::aarch64 as engine;
use crate::error::{Code, Error};
use crate::exit_statistics::Recorder;
use crate::guest_memory::Gpa;
use crate::handle::{Control, VcpuHandle};
use crate::thread::Jobs;
use crate::trace::event;
use crate::typed::{Readable, Writable};

/// A virtual processor. It belongs to the thread that created it and goes away when dropped.
pub struct Vcpu {
    pub(super) vm: Vm,
    pub(super) engine: engine::Vcpu,
    pub(super) control: Arc<Control>,
    pub(super) jobs: Arc<Jobs<Vcpu>>,
    /// The rest of an instruction that accesses devices in several parts.
    pub(super) transfer: Option<Transfer>,
    /// Levels of IRQ and FIQ that are asserted anew before every entry.
    lines: [bool; 2],
    /// IRQ and FIQ for the next run only.
    pub(super) pending: [bool; 2],
    pub(super) last: RawExit,
    pub(super) statistics: Statistics,
    /// Counts exits by reason, if somebody wants it.
    pub(super) recorder: Option<Box<Recorder>>,
    /// The framework binds a vCPU to its thread.
    thread: PhantomData<*mut ()>,
}

impl fmt::Debug for Vcpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vcpu")
            .field("id", &self.engine.id())
            .field("engine", &self.vm.engine())
            .field("last_exit", &self.last)
            .finish_non_exhaustive()
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        event!(DEBUG, vcpu = self.id(), "vCPU destroyed");
        // Before the engine's vCPU goes and its id becomes another's.
        self.control.retire();
        self.jobs.clear();
    }
}

/// An interrupt line of a vCPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// Normal interrupt.
    Irq,
    /// Fast interrupt.
    Fiq,
}

impl Interrupt {
    pub(super) const BOTH: [Self; 2] = [Self::Irq, Self::Fiq];

    const fn number(self) -> u32 {
        match self {
            Self::Irq => ffi::HV_INTERRUPT_TYPE_IRQ,
            Self::Fiq => ffi::HV_INTERRUPT_TYPE_FIQ,
        }
    }
}

impl Vcpu {
    pub(super) fn create(vm: &Vm) -> Result<Self, Error> {
        let engine = engine::Vcpu::create(&vm.0.engine)
            .map_err(|code| error::call(vm.choice(), "hv_vcpu_create", code))?;
        let control = Control::new(true, engine.exiter());
        event!(DEBUG, vcpu = engine.id(), "vCPU created");
        Ok(Self {
            vm: vm.clone(),
            engine,
            control,
            jobs: Arc::default(),
            transfer: None,
            lines: [false; 2],
            pending: [false; 2],
            last: RawExit::canceled(),
            statistics: Statistics::default(),
            recorder: None,
            thread: PhantomData,
        })
    }

    /// Its number in the engine. Numbers are used again when a vCPU is gone.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.engine.id()
    }

    /// How often it left the guest, and why.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The VM that it belongs to.
    #[must_use]
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// A handle for other threads: cancel, pause, resume.
    #[must_use]
    pub fn handle(&self) -> VcpuHandle {
        VcpuHandle(self.control.clone())
    }

    pub(super) fn jobs(&self) -> Arc<Jobs<Self>> {
        self.jobs.clone()
    }

    pub(super) fn call<T>(&self, name: &'static str, result: Result<T, Code>) -> Result<T, Error> {
        result.map_err(|code| error::call(self.vm.choice(), name, code))
    }

    /// Reads a row of a table: [`super::reg`], [`super::sysreg`], [`super::simd`], [`super::gic_registers`], or one of your own.
    ///
    /// # Errors
    /// [`Error::Row`] with the likely cause if the engine refuses.
    #[inline]
    pub fn read<R: Readable<Self>>(&self, row: R) -> Result<R::Value, Error> {
        row.read_from(self)
            .map_err(|code| error::row("read", row.row_info(), code))
    }

    /// Writes a row of a table. Rows that cannot be written do not compile.
    ///
    /// # Errors
    /// [`Error::Row`] with the likely cause if the engine refuses.
    #[inline]
    pub fn write<R: Writable<Self>>(&mut self, row: R, value: R::Value) -> Result<(), Error> {
        row.write_to(self, value)
            .map_err(|code| error::row("write", row.row_info(), code))
    }

    /// Reads a row, changes it, writes it back.
    ///
    /// # Errors
    /// As [`Vcpu::read`] and [`Vcpu::write`].
    pub fn modify<R, T>(&mut self, row: R, change: impl FnOnce(T) -> T) -> Result<(), Error>
    where
        R: Readable<Self, Value = T> + Writable<Self, Value = T> + Copy,
    {
        let value = self.read(row)?;
        self.write(row, change(value))
    }

    /// Register X0 to X30 by number as instructions and syndromes have it: 31 is the zero register.
    ///
    /// # Errors
    /// [`Error::Argument`] above 31; [`Error::Call`] if the engine refuses.
    #[inline]
    pub fn x(&self, number: u8) -> Result<u64, Error> {
        match number {
            0..=30 => self.call("hv_vcpu_get_reg", self.engine.get_reg(u32::from(number))),
            31 => Ok(0),
            _ => Err(no_register(number)),
        }
    }

    /// Writes X0 to X30 by number; a write to 31, the zero register, does nothing.
    ///
    /// # Errors
    /// As [`Vcpu::x`].
    #[inline]
    pub fn set_x(&mut self, number: u8, value: u64) -> Result<(), Error> {
        match number {
            0..=30 => {
                let result = self.engine.set_reg(u32::from(number), value);
                self.call("hv_vcpu_set_reg", result)
            }
            31 => Ok(()),
            _ => Err(no_register(number)),
        }
    }

    /// Vector register Q0 to Q31 by number.
    ///
    /// # Errors
    /// [`Error::Argument`] above 31; [`Error::Call`] if the engine refuses.
    pub fn q(&self, number: u8) -> Result<u128, Error> {
        let register = vector(number)?;
        self.call(
            "hv_vcpu_get_simd_fp_reg",
            self.engine.get_simd_fp_reg(register),
        )
    }

    /// Writes Q0 to Q31 by number.
    ///
    /// # Errors
    /// As [`Vcpu::q`].
    pub fn set_q(&mut self, number: u8, value: u128) -> Result<(), Error> {
        let register = vector(number)?;
        let result = self.engine.set_simd_fp_reg(register, value);
        self.call("hv_vcpu_set_simd_fp_reg", result)
    }

    /// The stack pointer that the guest uses now.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn sp(&self) -> Result<u64, Error> {
        match self.stack()? {
            0 => self.read(sysreg::SP_EL0),
            1 => self.read(sysreg::SP_EL1),
            _ => self.read(sysreg::SP_EL2),
        }
    }

    /// Writes the stack pointer that the guest uses now.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_sp(&mut self, value: u64) -> Result<(), Error> {
        match self.stack()? {
            0 => self.write(sysreg::SP_EL0, value),
            1 => self.write(sysreg::SP_EL1, value),
            _ => self.write(sysreg::SP_EL2, value),
        }
    }

    /// The level whose stack pointer is in use: PSTATE.SP 0 means that of EL0.
    fn stack(&self) -> Result<u64, Error> {
        let mode = self.read(reg::CPSR)?.bits() & 0xf;
        Ok(if mode & 1 == 0 { 0 } else { mode >> 2 })
    }

    /// The exception level that the guest is at.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn exception_level(&self) -> Result<u8, Error> {
        Ok((self.read(reg::CPSR)?.bits() >> 2 & 3) as u8)
    }

    /// Makes the guest go on behind the instruction that it stopped at.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        let pc = self.read(reg::PC)?;
        // An instruction that was emulated ends what the one before it said of its kind of branch, and a pending step.
        let pstate = self.read(reg::CPSR)?;
        let plain = pstate.with_btype(0) - Spsr::SS;
        if plain != pstate {
            self.write(reg::CPSR, plain)?;
        }
        self.write(reg::PC, pc.wrapping_add(4))
    }

    /// What the last `run` came back with, as the framework tells it.
    #[must_use]
    pub fn last_exit(&self) -> RawExit {
        self.last
    }

    /// Sets the level of an interrupt line. It is asserted anew before every entry, as the framework forgets it after each run.
    /// For VMs without a GIC.
    pub fn set_interrupt_line(&mut self, line: Interrupt, level: bool) {
        self.lines[line as usize] = level;
    }

    /// The level of an interrupt line.
    #[must_use]
    pub fn interrupt_line(&self, line: Interrupt) -> bool {
        self.lines[line as usize]
    }

    /// Makes an interrupt pending for the next run only, whether it is taken or not (`hv_vcpu_set_pending_interrupt`). For VMs without
    /// a GIC.
    ///
    /// # Errors
    /// [`Error::Argument`] if the VM has a GIC.
    pub fn set_pending_interrupt(&mut self, line: Interrupt, pending: bool) -> Result<(), Error> {
        if self.vm.0.gic.is_some() {
            return Err(Error::Argument {
                call: "Vcpu::set_pending_interrupt",
                why: "the VM has a GIC: raise the interrupt there".to_owned(),
            });
        }
        let result = self.engine.set_pending_interrupt(line.number(), pending);
        self.call("hv_vcpu_set_pending_interrupt", result)?;
        self.pending[line as usize] = pending;
        Ok(())
    }

    /// Whether an interrupt is pending for the next run.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn pending_interrupt(&self, line: Interrupt) -> Result<bool, Error> {
        let result = self.engine.get_pending_interrupt(line.number());
        self.call("hv_vcpu_get_pending_interrupt", result)
    }

    pub(super) fn pending_lines(&self) -> [bool; 2] {
        self.pending
    }

    pub(super) fn set_pending_lines(&mut self, pending: [bool; 2]) {
        self.pending = pending;
    }

    pub(super) fn assert_lines(&mut self) -> Result<(), Error> {
        if self.vm.0.gic.is_some() {
            return Ok(());
        }
        for line in Interrupt::BOTH {
            if self.lines[line as usize] || self.pending[line as usize] {
                let result = self.engine.set_pending_interrupt(line.number(), true);
                self.call("hv_vcpu_set_pending_interrupt", result)?;
            }
        }
        Ok(())
    }

    /// Whether debug exceptions of the guest (BRK, breakpoints, watchpoints, steps) are exits.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn trap_debug_exceptions(&self) -> Result<bool, Error> {
        let result = self.engine.get_trap_debug_exceptions();
        self.call("hv_vcpu_get_trap_debug_exceptions", result)
    }

    /// Chooses whether debug exceptions of the guest are exits.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_trap_debug_exceptions(&mut self, trap: bool) -> Result<(), Error> {
        let result = self.engine.set_trap_debug_exceptions(trap);
        self.call("hv_vcpu_set_trap_debug_exceptions", result)
    }

    /// Whether accesses of the guest to debug registers are exits.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn trap_debug_registers(&self) -> Result<bool, Error> {
        let result = self.engine.get_trap_debug_reg_accesses();
        self.call("hv_vcpu_get_trap_debug_reg_accesses", result)
    }

    /// Chooses whether accesses of the guest to debug registers are exits.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_trap_debug_registers(&mut self, trap: bool) -> Result<(), Error> {
        let result = self.engine.set_trap_debug_reg_accesses(trap);
        self.call("hv_vcpu_set_trap_debug_reg_accesses", result)
    }

    /// How long it has executed guest code.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn exec_time(&self) -> Result<Duration, Error> {
        let ticks = self.call("hv_vcpu_get_exec_time", self.engine.get_exec_time())?;
        Ok(engine::duration(ticks))
    }

    /// How long it has waited for interrupts inside of the engine. macOS 27.0 with a GIC.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] elsewhere.
    pub fn wait_time(&self) -> Result<Duration, Error> {
        let result = self.engine.get_wait_for_interrupt_time();
        let ticks = self.call("hv_vcpu_get_wait_for_interrupt_time", result)?;
        Ok(engine::duration(ticks))
    }

    /// Whether a virtual SError is pending. macOS 27.0.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] elsewhere.
    pub fn serror(&self) -> Result<bool, Error> {
        self.call("hv_vcpu_get_serror", self.engine.get_serror())
    }

    /// Makes a virtual SError pending or not. macOS 27.0.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] elsewhere.
    pub fn set_serror(&mut self, pending: bool) -> Result<(), Error> {
        let result = self.engine.set_serror(pending);
        self.call("hv_vcpu_set_serror", result)
    }

    /// Executes a TLB invalidation for the guest: one of `ffi::HV_TLBI_OP_…` and the operand of the instruction. macOS 27.0.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] elsewhere.
    pub fn invalidate_tlb(&mut self, op: u32, operand: u64) -> Result<(), Error> {
        let result = self.engine.invalidate_tlb(op, operand);
        self.call("hv_vcpu_invalidate_tlb", result)
    }

    /// Base of this vCPU's redistributor, once MPIDR_EL1 is set: what belongs into the device tree.
    ///
    /// # Errors
    /// [`Error::Call`] without a GIC.
    pub fn redistributor_base(&self) -> Result<Gpa, Error> {
        let result = self.engine.gic_get_redistributor_base();
        self.call("hv_gic_get_redistributor_base", result).map(Gpa)
    }
}

fn vector(number: u8) -> Result<u32, Error> {
    if number > 31 {
        return Err(Error::Argument {
            call: "Vcpu::q",
            why: format!("there is no Q{number}"),
        });
    }
    Ok(super::simd::Q0.key() + u32::from(number))
}

#[cold]
fn no_register(number: u8) -> Error {
    Error::Argument {
        call: "Vcpu::x",
        why: format!("there is no X{number}"),
    }
}
