//! Calls of the framework that belong to a vCPU, made on the thread that created it.
#![allow(unsafe_code)] // Calls the framework's C functions.

use core::marker::PhantomData;

use super::{Vm, answer};
use crate::error::Code;
use crate::x86_64::ffi;

type Answer<T> = Result<T, Code>;

/// A vCPU. The framework binds it to the thread that creates it, so it stays there.
#[derive(Debug)]
pub(crate) struct Vcpu {
    id: u32,
    /// Keeps the VM.
    _vm: Vm,
    /// Neither `Send` nor `Sync`.
    _thread: PhantomData<*const ()>,
}

/// Makes a vCPU leave the guest. To be dropped before the vCPU: its id may be given to another.
#[derive(Clone, Debug)]
pub(crate) struct Interrupter {
    id: u32,
}

impl Interrupter {
    pub(crate) fn interrupt(&self) -> Answer<()> {
        let mut id = self.id;
        // SAFETY: the list has the one element that the count says.
        answer(unsafe { ffi::hv_vcpu_interrupt(&raw mut id, 1) })
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        // SAFETY: the vCPU exists and belongs to this thread. A failure leaves it to the end of the thread.
        let _ = unsafe { ffi::hv_vcpu_destroy(self.id) };
    }
}

macro_rules! calls {
    ($(fn $function:ident($($argument:ident: $type:ty),*) = $binding:ident;)*) => {$(
        pub(crate) fn $function(&mut self, $($argument: $type),*) -> Answer<()> {
            // SAFETY: the vCPU exists and belongs to this thread; the call takes plain numbers.
            answer(unsafe { ffi::$binding(self.id, $($argument),*) })
        }
    )*};
}

macro_rules! reads {
    ($(fn $function:ident($($argument:ident: $type:ty),*) -> $value:ty = $binding:ident;)*) => {$(
        #[inline]
        pub(crate) fn $function(&self, $($argument: $type),*) -> Answer<$value> {
            let mut value = <$value>::default();
            // SAFETY: the vCPU exists and belongs to this thread; `value` is a place for the answer.
            answer(unsafe { ffi::$binding(self.id, $($argument,)* &raw mut value) })?;
            Ok(value)
        }
    )*};
}

impl Vcpu {
    pub(crate) fn create(vm: &Vm, options: u64) -> Answer<Self> {
        let mut id = 0;
        // SAFETY: the VM exists, and `id` is a place for the answer.
        answer(unsafe { ffi::hv_vcpu_create(&raw mut id, options) })?;
        Ok(Self {
            id,
            _vm: vm.clone(),
            _thread: PhantomData,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn interrupter(&self) -> Interrupter {
        Interrupter { id: self.id }
    }

    calls! {
        fn run() = hv_vcpu_run;
        fn run_until(deadline: u64) = hv_vcpu_run_until;
        fn write_register(id: u32, value: u64) = hv_vcpu_write_register;
        fn write_vmcs(field: u32, value: u64) = hv_vmx_vcpu_write_vmcs;
        fn write_shadow_vmcs(field: u32, value: u64) = hv_vmx_vcpu_write_shadow_vmcs;
        fn set_shadow_access(field: u32, flags: u64) = hv_vmx_vcpu_set_shadow_access;
        fn write_msr(index: u32, value: u64) = hv_vcpu_write_msr;
        fn enable_native_msr(index: u32, enable: bool) = hv_vcpu_enable_native_msr;
        fn enable_managed_msr(index: u32, enable: bool) = hv_vcpu_enable_managed_msr;
        fn set_msr_access(index: u32, flags: u32) = hv_vcpu_set_msr_access;
        fn flush() = hv_vcpu_flush;
        fn invalidate_tlb() = hv_vcpu_invalidate_tlb;
        fn set_tsc_relative(offset: i64) = hv_vcpu_set_tsc_relative;
        fn set_space(space: u32) = hv_vcpu_set_space;
        fn set_apic_address(gpa: u64) = hv_vmx_vcpu_set_apic_address;
        fn set_apic_address_space(space: u32, gpa: u64) = hv_vmx_vcpu_set_apic_address_space;
        fn inject_extint() = hv_vcpu_inject_extint;
        fn apic_lsc_invalidate() = hv_vcpu_apic_lsc_invalidate;
        fn apic_ctrl(controls: u64) = hv_vcpu_apic_ctrl;
        fn apic_trigger_lvt(flavor: u32) = hv_vcpu_apic_trigger_lvt;
    }

    reads! {
        fn read_register(id: u32) -> u64 = hv_vcpu_read_register;
        fn read_vmcs(field: u32) -> u64 = hv_vmx_vcpu_read_vmcs;
        fn read_shadow_vmcs(field: u32) -> u64 = hv_vmx_vcpu_read_shadow_vmcs;
        fn read_msr(index: u32) -> u64 = hv_vcpu_read_msr;
        fn get_exec_time() -> u64 = hv_vcpu_get_exec_time;
        fn get_idle_time() -> u64 = hv_vcpu_get_idle_time;
        fn vmx_status() -> u32 = hv_vcpu_vmx_status;
        fn exit_info() -> u32 = hv_vcpu_exit_info;
        fn exit_ioapic_eoi() -> u8 = hv_vcpu_exit_ioapic_eoi;
        fn exit_apic_access_read() -> u32 = hv_vcpu_exit_apic_access_read;
    }

    pub(crate) fn get_cap_write_vmcs(&self, field: u32) -> Answer<(u64, u64)> {
        let (mut zero, mut one) = (0, 0);
        // SAFETY: the vCPU exists and belongs to this thread; both are places for the answer.
        answer(unsafe {
            ffi::hv_vmx_vcpu_get_cap_write_vmcs(self.id, field, &raw mut zero, &raw mut one)
        })?;
        Ok((zero, one))
    }

    pub(crate) fn read_fpstate(&self, buffer: &mut [u8]) -> Answer<()> {
        // SAFETY: pointer and size describe `buffer`.
        answer(unsafe {
            ffi::hv_vcpu_read_fpstate(self.id, buffer.as_mut_ptr().cast(), buffer.len())
        })
    }

    pub(crate) fn write_fpstate(&mut self, buffer: &[u8]) -> Answer<()> {
        // SAFETY: pointer and size describe `buffer`; the call only reads it, although its parameter is not const.
        answer(unsafe {
            ffi::hv_vcpu_write_fpstate(self.id, buffer.as_ptr().cast_mut().cast(), buffer.len())
        })
    }

    pub(crate) fn apic_read(&mut self, offset: u32) -> Answer<u32> {
        let mut value = 0;
        // SAFETY: the vCPU exists and belongs to this thread; `value` is a place for the answer.
        answer(unsafe { ffi::hv_vcpu_apic_read(self.id, offset, &raw mut value) })?;
        Ok(value)
    }

    pub(crate) fn apic_write(&mut self, offset: u32, data: u32) -> Answer<bool> {
        let mut quiet = true;
        // SAFETY: the vCPU exists and belongs to this thread; `quiet` is a place for the answer.
        answer(unsafe { ffi::hv_vcpu_apic_write(self.id, offset, data, &raw mut quiet) })?;
        Ok(quiet)
    }

    pub(crate) fn apic_get_state(&self, state: &mut ffi::hv_apic_state_ext_t) -> Answer<()> {
        // SAFETY: `state` is a place for the answer, with its version set.
        answer(unsafe { ffi::hv_vcpu_apic_get_state(self.id, state) })
    }

    pub(crate) fn apic_put_state(&mut self, state: &ffi::hv_apic_state_ext_t) -> Answer<()> {
        // SAFETY: the call only reads `state`.
        answer(unsafe { ffi::hv_vcpu_apic_put_state(self.id, state) })
    }

    pub(crate) fn exit_init_ap(&self, is_actv: &mut [bool]) -> Answer<()> {
        let count = is_actv.len() as u32;
        // SAFETY: pointer and count describe the list.
        answer(unsafe { ffi::hv_vcpu_exit_init_ap(self.id, is_actv.as_mut_ptr(), count) })
    }

    pub(crate) fn exit_startup_ap(&self, is_actv: &mut [bool]) -> Answer<u64> {
        let (count, mut rip) = (is_actv.len() as u32, 0);
        // SAFETY: pointer and count describe the list; `rip` is a place for the answer.
        answer(unsafe {
            ffi::hv_vcpu_exit_startup_ap(self.id, is_actv.as_mut_ptr(), count, &raw mut rip)
        })?;
        Ok(rip)
    }

    pub(crate) fn exit_inject_excp(&self) -> Answer<(u8, bool, u32, bool)> {
        let (mut vector, mut valid, mut code, mut restart) = (0, false, 0, false);
        // SAFETY: all four are places for the answer.
        answer(unsafe {
            ffi::hv_vcpu_exit_inject_excp(
                self.id,
                &raw mut vector,
                &raw mut valid,
                &raw mut code,
                &raw mut restart,
            )
        })?;
        Ok((vector, valid, code, restart))
    }

    pub(crate) fn apic_lsc_enter_r32(
        &mut self,
        is_load: bool,
        rip: u64,
        ilen: u32,
        cs: u16,
        register: u32,
        uva: &[u64],
    ) -> Answer<()> {
        let (pages, count) = (uva.as_ptr().cast_mut(), uva.len() as u32);
        // SAFETY: pointer and count describe the list, which the call only reads.
        answer(unsafe {
            ffi::hv_vcpu_apic_lsc_enter_r32(self.id, is_load, rip, ilen, cs, register, pages, count)
        })
    }

    pub(crate) fn apic_lsc_enter_imm32(
        &mut self,
        rip: u64,
        ilen: u32,
        cs: u16,
        imm32: u32,
        uva: &[u64],
    ) -> Answer<()> {
        let (pages, count) = (uva.as_ptr().cast_mut(), uva.len() as u32);
        // SAFETY: pointer and count describe the list, which the call only reads.
        answer(unsafe {
            ffi::hv_vcpu_apic_lsc_enter_imm32(self.id, rip, ilen, cs, imm32, pages, count)
        })
    }
}
