//! A vCPU of the process's VM. Not `Send`: the framework binds it to the thread that creates it.

use super::vm::Vm;
use super::{call, get};
use crate::aarch64::ffi;
use crate::engine::aarch64::RunExit;
use crate::error::Code;

/// A vCPU; destroyed when dropped.
#[derive(Debug)]
pub(crate) struct Vcpu {
    id: u64,
    /// Memory of the framework, written by each run, valid until the vCPU is destroyed.
    exit: *mut ffi::hv_vcpu_exit_t,
    /// Keeps the VM alive.
    _vm: Vm,
}

/// Makes a vCPU leave the guest, from any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exiter(u64);

impl Exiter {
    /// `hv_vcpus_exit`: sticky. The caller sees to it that the vCPU still exists, as ids are used again.
    pub(crate) fn exit(&self) -> Result<(), Code> {
        let mut id = self.0;
        // SAFETY: the pointer is to one id, and the count says so.
        let code = unsafe { ffi::hv_vcpus_exit(&raw mut id, 1) };
        Code(code).result()
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        let _ = call!(hv_vcpu_destroy(self.id));
    }
}

impl Vcpu {
    pub(crate) fn create(vm: &Vm) -> Result<Self, Code> {
        let (mut id, mut exit) = (0, core::ptr::null_mut());
        // SAFETY: the out pointers are places of the types that the table gives and live past the call; no configuration
        // means the default one.
        let code =
            unsafe { ffi::hv_vcpu_create(&raw mut id, &raw mut exit, core::ptr::null_mut()) };
        Code(code).result()?;
        Ok(Self {
            id,
            exit,
            _vm: vm.clone(),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn exiter(&self) -> Exiter {
        Exiter(self.id)
    }

    #[inline]
    pub(crate) fn run(&mut self) -> Result<RunExit, Code> {
        call!(hv_vcpu_run(self.id))?;
        // SAFETY: the framework keeps the structure until the vCPU is destroyed, and writes it only inside of a run of this
        // thread.
        let exit = unsafe { self.exit.read_volatile() };
        Ok(RunExit {
            reason: exit.reason,
            syndrome: exit.exception.syndrome,
            virtual_address: exit.exception.virtual_address,
            physical_address: exit.exception.physical_address,
        })
    }

    #[inline]
    pub(crate) fn get_reg(&self, reg: u32) -> Result<u64, Code> {
        get!(hv_vcpu_get_reg(self.id, reg): u64)
    }

    #[inline]
    pub(crate) fn set_reg(&mut self, reg: u32, value: u64) -> Result<(), Code> {
        call!(hv_vcpu_set_reg(self.id, reg, value))
    }

    pub(crate) fn get_simd_fp_reg(&self, reg: u32) -> Result<u128, Code> {
        let mut value = core::mem::MaybeUninit::<ffi::hv_simd_fp_uchar16_t>::zeroed();
        // SAFETY: the out pointer is a place for one vector, aligned as its type says, and lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_simd_fp_reg(self.id, reg, value.as_mut_ptr()) };
        Code(code).result()?;
        // SAFETY: any 16 bytes are a vector and a number; `zeroed` gave them a value where the framework did not.
        Ok(unsafe { value.as_ptr().cast::<u128>().read() })
    }

    pub(crate) fn set_simd_fp_reg(&mut self, reg: u32, value: u128) -> Result<(), Code> {
        // SAFETY: vector and number have 16 bytes each, and any bytes are a vector.
        let vector: ffi::hv_simd_fp_uchar16_t = unsafe { core::mem::transmute(value) };
        call!(hv_vcpu_set_simd_fp_reg(self.id, reg, vector))
    }

    #[inline]
    pub(crate) fn get_sys_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_vcpu_get_sys_reg(self.id, reg): u64)
    }

    #[inline]
    pub(crate) fn set_sys_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_vcpu_set_sys_reg(self.id, reg, value))
    }

    pub(crate) fn get_pending_interrupt(&self, kind: u32) -> Result<bool, Code> {
        get!(hv_vcpu_get_pending_interrupt(self.id, kind): bool)
    }

    pub(crate) fn set_pending_interrupt(&mut self, kind: u32, pending: bool) -> Result<(), Code> {
        call!(hv_vcpu_set_pending_interrupt(self.id, kind, pending))
    }

    pub(crate) fn get_trap_debug_exceptions(&self) -> Result<bool, Code> {
        get!(hv_vcpu_get_trap_debug_exceptions(self.id): bool)
    }

    pub(crate) fn set_trap_debug_exceptions(&mut self, value: bool) -> Result<(), Code> {
        call!(hv_vcpu_set_trap_debug_exceptions(self.id, value))
    }

    pub(crate) fn get_trap_debug_reg_accesses(&self) -> Result<bool, Code> {
        get!(hv_vcpu_get_trap_debug_reg_accesses(self.id): bool)
    }

    pub(crate) fn set_trap_debug_reg_accesses(&mut self, value: bool) -> Result<(), Code> {
        call!(hv_vcpu_set_trap_debug_reg_accesses(self.id, value))
    }

    pub(crate) fn get_exec_time(&self) -> Result<u64, Code> {
        get!(hv_vcpu_get_exec_time(self.id): u64)
    }

    pub(crate) fn get_vtimer_mask(&self) -> Result<bool, Code> {
        get!(hv_vcpu_get_vtimer_mask(self.id): bool)
    }

    pub(crate) fn set_vtimer_mask(&mut self, masked: bool) -> Result<(), Code> {
        call!(hv_vcpu_set_vtimer_mask(self.id, masked))
    }

    pub(crate) fn get_vtimer_offset(&self) -> Result<u64, Code> {
        get!(hv_vcpu_get_vtimer_offset(self.id): u64)
    }

    pub(crate) fn set_vtimer_offset(&mut self, offset: u64) -> Result<(), Code> {
        call!(hv_vcpu_set_vtimer_offset(self.id, offset))
    }

    pub(crate) fn get_serror(&self) -> Result<bool, Code> {
        get!(hv_vcpu_get_serror(self.id): bool)
    }

    pub(crate) fn set_serror(&mut self, pending: bool) -> Result<(), Code> {
        call!(hv_vcpu_set_serror(self.id, pending))
    }

    pub(crate) fn get_wait_for_interrupt_time(&self) -> Result<u64, Code> {
        get!(hv_vcpu_get_wait_for_interrupt_time(self.id): u64)
    }

    pub(crate) fn invalidate_tlb(&mut self, op: u32, param: u64) -> Result<(), Code> {
        call!(hv_vcpu_invalidate_tlb(self.id, op, param))
    }

    pub(crate) fn get_sme_state(&self) -> Result<(bool, bool), Code> {
        let mut state = ffi::hv_vcpu_sme_state_t {
            streaming_sve_mode_enabled: false,
            za_storage_enabled: false,
        };
        // SAFETY: the pointer is to a structure of the type that the table gives and lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_sme_state(self.id, &raw mut state) };
        Code(code).result()?;
        Ok((state.streaming_sve_mode_enabled, state.za_storage_enabled))
    }

    pub(crate) fn set_sme_state(&mut self, streaming: bool, za: bool) -> Result<(), Code> {
        let state = ffi::hv_vcpu_sme_state_t {
            streaming_sve_mode_enabled: streaming,
            za_storage_enabled: za,
        };
        // SAFETY: the pointer is to a structure of the type that the table gives and lives past the call.
        let code = unsafe { ffi::hv_vcpu_set_sme_state(self.id, &raw const state) };
        Code(code).result()
    }

    pub(crate) fn get_sme_z_reg(&self, reg: u32, value: &mut [u8]) -> Result<(), Code> {
        let (to, len) = (value.as_mut_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_sme_z_reg(self.id, reg, to, len) };
        Code(code).result()
    }

    pub(crate) fn set_sme_z_reg(&mut self, reg: u32, value: &[u8]) -> Result<(), Code> {
        let (from, len) = (value.as_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_set_sme_z_reg(self.id, reg, from, len) };
        Code(code).result()
    }

    pub(crate) fn get_sme_p_reg(&self, reg: u32, value: &mut [u8]) -> Result<(), Code> {
        let (to, len) = (value.as_mut_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_sme_p_reg(self.id, reg, to, len) };
        Code(code).result()
    }

    pub(crate) fn set_sme_p_reg(&mut self, reg: u32, value: &[u8]) -> Result<(), Code> {
        let (from, len) = (value.as_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_set_sme_p_reg(self.id, reg, from, len) };
        Code(code).result()
    }

    pub(crate) fn get_sme_za_reg(&self, value: &mut [u8]) -> Result<(), Code> {
        let (to, len) = (value.as_mut_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_sme_za_reg(self.id, to, len) };
        Code(code).result()
    }

    pub(crate) fn set_sme_za_reg(&mut self, value: &[u8]) -> Result<(), Code> {
        let (from, len) = (value.as_ptr(), value.len());
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_vcpu_set_sme_za_reg(self.id, from, len) };
        Code(code).result()
    }

    pub(crate) fn get_sme_zt0_reg(&self) -> Result<[u8; 64], Code> {
        let mut value = core::mem::MaybeUninit::<ffi::hv_sme_zt0_uchar64_t>::zeroed();
        // SAFETY: the out pointer is a place for one vector, aligned as its type says, and lives past the call.
        let code = unsafe { ffi::hv_vcpu_get_sme_zt0_reg(self.id, value.as_mut_ptr()) };
        Code(code).result()?;
        // SAFETY: any 64 bytes are a vector and an array; `zeroed` gave them a value where the framework did not.
        Ok(unsafe { value.as_ptr().cast::<[u8; 64]>().read() })
    }

    pub(crate) fn set_sme_zt0_reg(&mut self, value: &[u8; 64]) -> Result<(), Code> {
        // SAFETY: vector and array have 64 bytes each, and any bytes are a vector.
        let vector: ffi::hv_sme_zt0_uchar64_t = unsafe { core::mem::transmute(*value) };
        // SAFETY: the pointer is to a vector of the type that the table gives and lives past the call.
        let code = unsafe { ffi::hv_vcpu_set_sme_zt0_reg(self.id, &raw const vector) };
        Code(code).result()
    }

    pub(crate) fn gic_get_redistributor_base(&self) -> Result<u64, Code> {
        get!(hv_gic_get_redistributor_base(self.id): u64)
    }

    pub(crate) fn gic_get_redistributor_reg(&self, reg: u32) -> Result<u64, Code> {
        get!(hv_gic_get_redistributor_reg(self.id, reg): u64)
    }

    pub(crate) fn gic_set_redistributor_reg(&mut self, reg: u32, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_redistributor_reg(self.id, reg, value))
    }

    pub(crate) fn gic_get_icc_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_gic_get_icc_reg(self.id, reg): u64)
    }

    pub(crate) fn gic_set_icc_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_icc_reg(self.id, reg, value))
    }

    pub(crate) fn gic_get_ich_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_gic_get_ich_reg(self.id, reg): u64)
    }

    pub(crate) fn gic_set_ich_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_ich_reg(self.id, reg, value))
    }

    pub(crate) fn gic_get_icv_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_gic_get_icv_reg(self.id, reg): u64)
    }

    pub(crate) fn gic_set_icv_reg(&mut self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_icv_reg(self.id, reg, value))
    }
}
