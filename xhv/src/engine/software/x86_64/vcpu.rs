//! A vCPU of the software engine: the seam's vCPU functions, by the framework's names without `hv_vcpu_` or `hv_vmx_vcpu_`.
//!
//! `register` has the registers by id, `vmx` the VMCS, `vcpu_apic` the functions of the interrupt controllers.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::apic::{Information, Local};
use super::blocks::Blocks;
use super::cpu::{Cpu, Exception};
use super::run::World;
use super::vm::Vm;
use super::vmx::{self, Entered, Vmcs, capabilities};
use super::{events, exceptions, msr, register};
use crate::engine::software::dispatch::Stop;
use crate::engine::software::memory::{Attention, Slot, View};
use crate::error::Code;
use crate::memory::lock;
use crate::time::{FOREVER, absolute_ticks};
use crate::x86_64::entry::field::vmcs as field;

/// Bits of `hv_vcpu_options_t`.
const ACCEL_RDPMC: u64 = 1;
const TSC_RELATIVE: u64 = 2;

/// What others have of a vCPU to interrupt it with.
#[derive(Clone, Debug)]
pub(crate) struct Interrupter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slot: Mutex<Arc<Slot>>,
    gone: AtomicBool,
}

impl Interrupter {
    /// `hv_vcpu_interrupt`: gets the vCPU out of the guest, now or at its next entry. Does nothing once the vCPU is gone.
    pub(crate) fn interrupt(&self) -> Result<(), Code> {
        if !self.0.gone.load(Ordering::SeqCst) {
            lock(&self.0.slot).ask(Attention::CANCEL);
        }
        Ok(())
    }
}

/// A virtual CPU. It belongs to the thread that made it.
#[derive(Debug)]
pub(crate) struct Vcpu {
    vm: Vm,
    id: u32,
    space: u32,
    cpu: Box<Cpu>,
    blocks: Blocks,
    vmcs: Vmcs,
    shared: Arc<Shared>,
    tsc_relative: bool,
    ever_ran: bool,
    /// Flags of the last entry instruction that failed: ZF.
    status: Option<u32>,
    exec_time: u64,
    /// What the client has to do for the interrupt controllers.
    pub(super) information: Information,
    own_thread: PhantomData<*const ()>,
}

/// The run loop's view of this file's neighbours.
struct Engine;

impl World for Engine {
    fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
        events::boundary(cpu)
    }

    fn exception(cpu: &mut Cpu, exception: Exception) -> Result<(), Stop> {
        exceptions::exception(cpu, exception)
    }

    fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
        events::wait(cpu)
    }

    fn attention(cpu: &mut Cpu, bits: u32) -> Result<(), Stop> {
        if bits & Attention::EVENT != 0 {
            cpu.view.slot().take(Attention::EVENT);
            cpu.attend();
        }
        if bits & Attention::CANCEL != 0 && events::precedes_interrupts(cpu) {
            // The boundary exits, or is at the handler of a #DB; the cancel stays.
            cpu.attend();
        } else if bits & Attention::CANCEL != 0 {
            cpu.view.slot().take(Attention::CANCEL);
            return Err(cpu.exit(vmx::canceled()));
        }
        Ok(())
    }

    fn steps(cpu: &Cpu) -> bool {
        cpu.vmx.steps()
    }
}

impl Vcpu {
    /// `hv_vcpu_create`.
    pub(crate) fn create(vm: &Vm, options: u64) -> Result<Self, Code> {
        if options & !(ACCEL_RDPMC | TSC_RELATIVE) != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        let id = vm.take_id()?;
        let memory = vm.use_space(None, 0).inspect_err(|_| vm.give_back(id, 0))?;
        let mut cpu = Box::new(Cpu::new(View::new(memory)));
        let slot = cpu.view.slot().clone();
        preset(&mut cpu);
        cpu.vmx.accel_rdpmc = options & ACCEL_RDPMC != 0;
        cpu.vmx.clock = vm.clock();
        cpu.vmx.notifiers = vm.notifiers();
        cpu.vmx.apic = vm.chip().map(|chip| Local::new(chip, id, slot.clone()));
        Ok(Self {
            vm: vm.clone(),
            id,
            space: 0,
            cpu,
            blocks: Blocks::default(),
            vmcs: Vmcs {
                dirty: true,
                ..Vmcs::default()
            },
            shared: Arc::new(Shared {
                slot: Mutex::new(slot),
                gone: AtomicBool::new(false),
            }),
            tsc_relative: options & TSC_RELATIVE != 0,
            ever_ran: false,
            status: None,
            exec_time: 0,
            information: Information::Vmx,
            own_thread: PhantomData,
        })
    }

    /// Its number in the VM.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// What other threads interrupt it with.
    pub(crate) fn interrupter(&self) -> Interrupter {
        Interrupter(self.shared.clone())
    }

    /// `hv_vcpu_run`.
    pub(crate) fn run(&mut self) -> Result<(), Code> {
        self.run_for(None)
    }

    /// `hv_vcpu_run_until`. The deadline is in ticks of [`absolute_ticks`].
    pub(crate) fn run_until(&mut self, deadline: u64) -> Result<(), Code> {
        self.run_for((deadline != FOREVER).then_some(deadline))
    }

    fn run_for(&mut self, deadline: Option<u64>) -> Result<(), Code> {
        self.information = Information::Vmx;
        // A cancel that came first: nothing is entered, and an event to inject stays.
        let asked = self.cpu.view.slot().attention() & Attention::CANCEL != 0;
        if asked && self.cpu.view.slot().take(Attention::CANCEL) != 0 {
            self.cpu.vmx.flight.entering = true;
            self.vmcs.record(&mut self.cpu, &vmx::canceled());
            return Ok(());
        }
        match self.vmcs.enter(&mut self.cpu, deadline) {
            Entered::Yes => {}
            Entered::Refused => {
                self.ever_ran = true;
                return Ok(());
            }
            Entered::Failed => {
                self.ever_ran = true;
                self.status = Some(1 << 6); // ZF: the VM-instruction error is valid
                return Err(Code::ERROR);
            }
            Entered::NotTried => {
                self.status = None;
                return Err(Code::ERROR);
            }
        }
        (self.ever_ran, self.status) = (true, Some(0));
        if let Some(apic) = &self.cpu.vmx.apic {
            apic.running();
        }
        let start = absolute_ticks();
        let exit = self.cpu.run::<Engine>(&mut self.blocks);
        let spent = absolute_ticks().wrapping_sub(start);
        self.exec_time = self.exec_time.wrapping_add(spent);
        self.note_apic(&exit);
        self.vmcs.record(&mut self.cpu, &exit);
        Ok(())
    }

    /// `hv_vcpu_read_register`.
    #[inline]
    pub(crate) fn read_register(&self, id: u32) -> Result<u64, Code> {
        match id {
            1 => self.vmcs.read(&self.cpu, field::RFLAGS),
            _ => register::read(&self.cpu, id),
        }
    }

    /// `hv_vcpu_write_register`. Selectors only for segment registers: base, limit and rights are VMCS fields.
    #[inline]
    pub(crate) fn write_register(&mut self, id: u32, value: u64) -> Result<(), Code> {
        match id {
            0 => self.cpu.rip = value,
            1 => self.vmcs.write_flags(&mut self.cpu, value),
            _ => {
                register::write(&mut self.cpu, id, value)?;
                self.vmcs.dirty |= register::is_checked(id);
                self.vmcs.flush |= id == register::CR3;
            }
        }
        Ok(())
    }

    /// `hv_vmx_vcpu_read_vmcs`.
    #[inline]
    pub(crate) fn read_vmcs(&self, field: u32) -> Result<u64, Code> {
        self.vmcs.read(&self.cpu, field)
    }

    /// `hv_vmx_vcpu_write_vmcs`.
    #[inline]
    pub(crate) fn write_vmcs(&mut self, field: u32, value: u64) -> Result<(), Code> {
        self.vmcs.write(&mut self.cpu, field, value)
    }

    /// `hv_vmx_vcpu_get_cap_write_vmcs`: bits that must be 1, and bits that may be.
    pub(crate) fn get_cap_write_vmcs(&self, field: u32) -> Result<(u64, u64), Code> {
        Vmcs::write_masks(field)
    }

    /// `hv_vmx_vcpu_read_shadow_vmcs`.
    pub(crate) fn read_shadow_vmcs(&self, field: u32) -> Result<u64, Code> {
        self.cpu.vmx.shadow.read(field)
    }

    /// `hv_vmx_vcpu_write_shadow_vmcs`.
    pub(crate) fn write_shadow_vmcs(&mut self, field: u32, value: u64) -> Result<(), Code> {
        self.cpu.vmx.shadow.write(field, value)
    }

    /// `hv_vmx_vcpu_set_shadow_access`.
    pub(crate) fn set_shadow_access(&mut self, field: u32, flags: u64) -> Result<(), Code> {
        self.cpu.vmx.shadow.set_access(field, flags)
    }

    /// `hv_vcpu_enable_native_msr`.
    pub(crate) fn enable_native_msr(&mut self, index: u32, enable: bool) -> Result<(), Code> {
        self.cpu.vmx.msr.set_native(index, enable)
    }

    /// `hv_vcpu_enable_managed_msr`.
    pub(crate) fn enable_managed_msr(&mut self, index: u32, enable: bool) -> Result<(), Code> {
        self.cpu.vmx.msr.set_managed(index, enable)
    }

    /// `hv_vcpu_set_msr_access`.
    pub(crate) fn set_msr_access(&mut self, index: u32, flags: u32) -> Result<(), Code> {
        self.cpu.vmx.msr.set_access(index, flags)
    }

    /// `hv_vcpu_read_msr`: of MSRs that are native or managed; of others [`Code::BAD_ARGUMENT`].
    pub(crate) fn read_msr(&self, index: u32) -> Result<u64, Code> {
        if !self.cpu.vmx.msr.is_bound(index) {
            return Err(Code::BAD_ARGUMENT);
        }
        match index {
            msr::number::PRED_CMD | msr::number::FLUSH_CMD => Ok(0),
            _ => self.cpu.msr(index).ok_or(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_vcpu_write_msr`.
    pub(crate) fn write_msr(&mut self, index: u32, value: u64) -> Result<(), Code> {
        if !self.cpu.vmx.msr.is_bound(index) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.vmcs.dirty = true;
        self.cpu.set_msr(index, value).ok_or(Code::BAD_ARGUMENT)
    }

    /// `hv_vcpu_read_fpstate`: the XSAVE area in standard format; [`Code::BAD_ARGUMENT`] if the buffer is too short.
    pub(crate) fn read_fpstate(&self, buffer: &mut [u8]) -> Result<(), Code> {
        let image = self.cpu.fpu.to_xsave(self.cpu.pkru);
        let place = buffer.get_mut(..image.len()).ok_or(Code::BAD_ARGUMENT)?;
        place.copy_from_slice(&image);
        Ok(())
    }

    /// `hv_vcpu_write_fpstate`; [`Code::BAD_ARGUMENT`] for an image that XRSTOR would refuse.
    pub(crate) fn write_fpstate(&mut self, buffer: &[u8]) -> Result<(), Code> {
        let read = self.cpu.fpu.from_xsave(buffer);
        self.cpu.pkru = read.map_err(|_| Code::BAD_ARGUMENT)?;
        self.cpu.update_mode();
        Ok(())
    }

    /// `hv_vcpu_flush`: historical.
    pub(crate) fn flush(&mut self) -> Result<(), Code> {
        Err(Code::UNSUPPORTED)
    }

    /// `hv_vcpu_invalidate_tlb`.
    pub(crate) fn invalidate_tlb(&mut self) -> Result<(), Code> {
        self.cpu.flush_tlb();
        Ok(())
    }

    /// `hv_vcpu_get_exec_time`: nanoseconds in the guest.
    pub(crate) fn get_exec_time(&self) -> Result<u64, Code> {
        let idle = self.cpu.vmx.flight.idle;
        Ok(self.exec_time.saturating_sub(idle))
    }

    /// `hv_vcpu_get_idle_time`: nanoseconds halted inside the engine.
    pub(crate) fn get_idle_time(&self) -> Result<u64, Code> {
        Ok(self.cpu.vmx.flight.idle)
    }

    /// `hv_vcpu_set_tsc_relative`: for vCPUs made with `HV_VCPU_TSC_RELATIVE`.
    pub(crate) fn set_tsc_relative(&mut self, offset: i64) -> Result<(), Code> {
        if !self.tsc_relative {
            return Err(Code::BAD_ARGUMENT);
        }
        self.cpu.vmx.clock.set_offset(offset as u64);
        Ok(())
    }

    /// `hv_vcpu_vmx_status`: ZF and CF of the last entry instruction.
    pub(crate) fn vmx_status(&self) -> Result<u32, Code> {
        self.status.filter(|_| self.ever_ran).ok_or(Code::ERROR)
    }

    /// `hv_vcpu_set_space`.
    pub(crate) fn set_space(&mut self, space: u32) -> Result<(), Code> {
        let memory = self.vm.use_space(Some(self.space), space)?;
        self.space = space;
        let view = View::new(memory);
        {
            let mut slot = lock(&self.shared.slot);
            let asked = slot.take(Attention::CANCEL | Attention::EVENT);
            view.slot().ask(asked);
            *slot = view.slot().clone();
        }
        if let Some(apic) = &self.cpu.vmx.apic {
            apic.set_slot(view.slot().clone());
        }
        self.cpu.view = view;
        self.blocks = Blocks::default();
        self.cpu.forget_derived();
        Ok(())
    }

    /// `hv_vmx_vcpu_set_apic_address`.
    pub(crate) fn set_apic_address(&mut self, gpa: u64) -> Result<(), Code> {
        self.set_apic_address_space(0, gpa)
    }

    /// `hv_vmx_vcpu_set_apic_address_space`.
    pub(crate) fn set_apic_address_space(&mut self, space: u32, gpa: u64) -> Result<(), Code> {
        self.vm.space(space)?;
        if !gpa.is_multiple_of(4096) || gpa >> capabilities::LIMITS.physical_width != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        self.cpu.vmx.apic_page = Some(gpa);
        self.vmcs.dirty = true;
        self.cpu.flush_tlb();
        Ok(())
    }

    /// The CPU, for the parts of the seam in other files.
    pub(super) fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    pub(super) fn cpu_mut(&mut self) -> &mut Cpu {
        &mut self.cpu
    }
}

/// What the framework presets: required control bits; guest state as after RESET, but for what VMX does not allow.
fn preset(cpu: &mut Cpu) {
    let l = &capabilities::LIMITS;
    cpu.vmx.pin = l.pin as u32;
    cpu.vmx.primary = l.primary as u32;
    cpu.vmx.secondary_written = l.secondary as u32;
    cpu.vmx.exit = l.exit as u32;
    cpu.vmx.entry = l.entry as u32;
    cpu.vmx.cr0_mask = 0x6000_0000;
    cpu.cr0 = 0x30;
    cpu.cr4 = 0x2000;
    cpu.update_mode();
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        self.shared.gone.store(true, Ordering::SeqCst);
        self.vm.give_back(self.id, self.space);
    }
}
