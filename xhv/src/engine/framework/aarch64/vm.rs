//! The process's VM, its memory and its GIC.

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Object, call, get};
use crate::aarch64::ffi;
use crate::engine::aarch64::{GicConfig, GicParameters, VmConfig};
use crate::error::Code;
use crate::memory::{Memory, Permissions, lock};

/// The VM of this process; destroyed with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Vm(Arc<Inner>);

/// What is mapped, so that it is unmapped before its memory is freed.
#[derive(Debug)]
struct Inner {
    mapped: Mutex<Vec<Mapped>>,
}

#[derive(Debug)]
struct Mapped {
    ipa: u64,
    size: u64,
    /// Keeps the host memory alive.
    _memory: Memory,
}

/// VMs of this process: one at most.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

impl Drop for Inner {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
        for range in lock(&self.mapped).drain(..) {
            // Parts of it may be unmapped already; the VM goes away in any case.
            let _ = call!(hv_vm_unmap(range.ipa, range.size as usize));
        }
        // Every vCPU holds a clone of the VM, so none exists any more.
        let _ = call!(hv_vm_destroy());
    }
}

impl Vm {
    pub(crate) fn create(config: &VmConfig) -> Result<Self, Code> {
        let plain = config.ipa_bits == 0 && !config.el2 && config.granule == 0;
        if plain {
            // macOS 11 and 12 know no configuration.
            call!(hv_vm_create(core::ptr::null_mut()))?;
        } else {
            let object = configuration(config)?;
            call!(hv_vm_create(object.0))?;
        }
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Ok(Self(Arc::new(Inner {
            mapped: Mutex::default(),
        })))
    }

    pub(crate) fn is_alive() -> bool {
        ALIVE.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn get_max_vcpu_count() -> Result<u32, Code> {
        get!(hv_vm_get_max_vcpu_count(): u32)
    }

    pub(crate) fn get_max_ipa_size() -> Result<u32, Code> {
        get!(hv_vm_config_get_max_ipa_size(): u32)
    }

    pub(crate) fn get_default_ipa_size() -> Result<u32, Code> {
        get!(hv_vm_config_get_default_ipa_size(): u32)
    }

    pub(crate) fn get_el2_supported() -> Result<bool, Code> {
        get!(hv_vm_config_get_el2_supported(): bool)
    }

    pub(crate) fn get_feature_reg(reg: u32) -> Result<u64, Code> {
        let config = vcpu_configuration()?;
        get!(hv_vcpu_config_get_feature_reg(config.0, reg): u64)
    }

    pub(crate) fn get_ccsidr_el1_sys_reg_values(cache_type: u32) -> Result<[u64; 8], Code> {
        let config = vcpu_configuration()?;
        get!(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config.0, cache_type): [u64; 8])
    }

    pub(crate) fn get_max_svl_bytes() -> Result<usize, Code> {
        get!(hv_sme_config_get_max_svl_bytes(): usize)
    }

    pub(crate) fn map(
        &self,
        memory: &Memory,
        offset: u64,
        ipa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        let inside = offset
            .checked_add(size)
            .is_some_and(|end| end <= memory.size());
        if !inside {
            return Err(Code::BAD_ARGUMENT);
        }
        let host = memory
            .as_ptr()
            .wrapping_add(offset as usize)
            .cast::<c_void>();
        // SAFETY: `size` bytes from `host` lie inside `memory`, which is kept until the range is unmapped.
        let code = unsafe { ffi::hv_vm_map(host, ipa, size as usize, permissions.bits()) };
        Code(code).result()?;
        lock(&self.0.mapped).push(Mapped {
            ipa,
            size,
            _memory: memory.clone(),
        });
        Ok(())
    }

    pub(crate) fn unmap(&self, ipa: u64, size: u64) -> Result<(), Code> {
        call!(hv_vm_unmap(ipa, size as usize))?;
        // What is left of a mapping that was unmapped in part keeps its memory until the VM goes away.
        lock(&self.0.mapped).retain(|range| range.ipa < ipa || range.ipa + range.size > ipa + size);
        Ok(())
    }

    pub(crate) fn protect(
        &self,
        ipa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        call!(hv_vm_protect(ipa, size as usize, permissions.bits()))
    }

    pub(crate) fn gic_parameters() -> Result<GicParameters, Code> {
        let (mut base, mut count) = (0_u32, 0_u32);
        // SAFETY: both out pointers are places for 32-bit numbers that live past the call.
        let code = unsafe { ffi::hv_gic_get_spi_interrupt_range(&raw mut base, &raw mut count) };
        Code(code).result()?;
        Ok(GicParameters {
            distributor_size: get!(hv_gic_get_distributor_size(): usize)? as u64,
            distributor_base_alignment: get!(hv_gic_get_distributor_base_alignment(): usize)?
                as u64,
            redistributor_region_size: get!(hv_gic_get_redistributor_region_size(): usize)? as u64,
            redistributor_size: get!(hv_gic_get_redistributor_size(): usize)? as u64,
            redistributor_base_alignment: get!(hv_gic_get_redistributor_base_alignment(): usize)?
                as u64,
            msi_region_size: get!(hv_gic_get_msi_region_size(): usize)? as u64,
            msi_region_base_alignment: get!(hv_gic_get_msi_region_base_alignment(): usize)? as u64,
            spi_base: base,
            spi_count: count,
        })
    }

    pub(crate) fn gic_get_intid(interrupt: u16) -> Result<u32, Code> {
        get!(hv_gic_get_intid(interrupt): u32)
    }

    pub(crate) fn gic_create(&self, config: &GicConfig) -> Result<(), Code> {
        // SAFETY: the function takes nothing.
        let object = Object::new(unsafe { ffi::hv_gic_config_create() })?;
        call!(hv_gic_config_set_distributor_base(
            object.0,
            config.distributor_base
        ))?;
        call!(hv_gic_config_set_redistributor_base(
            object.0,
            config.redistributor_base
        ))?;
        if let Some(base) = config.msi_region_base {
            call!(hv_gic_config_set_msi_region_base(object.0, base))?;
        }
        if let Some((base, count)) = config.msi_interrupts {
            call!(hv_gic_config_set_msi_interrupt_range(object.0, base, count))?;
        }
        call!(hv_gic_create(object.0))
    }

    pub(crate) fn gic_set_spi(&self, intid: u32, level: bool) -> Result<(), Code> {
        call!(hv_gic_set_spi(intid, level))
    }

    pub(crate) fn gic_send_msi(&self, address: u64, intid: u32) -> Result<(), Code> {
        call!(hv_gic_send_msi(address, intid))
    }

    pub(crate) fn gic_reset(&self) -> Result<(), Code> {
        call!(hv_gic_reset())
    }

    pub(crate) fn gic_get_distributor_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_gic_get_distributor_reg(reg): u64)
    }

    pub(crate) fn gic_set_distributor_reg(&self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_distributor_reg(reg, value))
    }

    pub(crate) fn gic_get_msi_reg(&self, reg: u16) -> Result<u64, Code> {
        get!(hv_gic_get_msi_reg(reg): u64)
    }

    pub(crate) fn gic_set_msi_reg(&self, reg: u16, value: u64) -> Result<(), Code> {
        call!(hv_gic_set_msi_reg(reg, value))
    }

    pub(crate) fn gic_state(&self) -> Result<Vec<u8>, Code> {
        // SAFETY: the function takes nothing.
        let state = Object::new(unsafe { ffi::hv_gic_state_create() })?;
        let size = get!(hv_gic_state_get_size(state.0): usize)?;
        let mut data = vec![0_u8; size];
        // SAFETY: the buffer has the size that the framework has just told, and lives past the call.
        let code = unsafe { ffi::hv_gic_state_get_data(state.0, data.as_mut_ptr().cast()) };
        Code(code).result().map(|()| data)
    }

    pub(crate) fn gic_set_state(&self, state: &[u8]) -> Result<(), Code> {
        // SAFETY: pointer and length are those of a slice that lives past the call.
        let code = unsafe { ffi::hv_gic_set_state(state.as_ptr().cast(), state.len()) };
        Code(code).result()
    }
}

/// A `hv_vm_config_t` with everything that `config` asks for.
fn configuration(config: &VmConfig) -> Result<Object<<ffi::hv_vm_config_t as Pointee>::To>, Code> {
    // SAFETY: the function takes nothing. Null, below macOS 13, means that it is absent.
    let object =
        Object::new(unsafe { ffi::hv_vm_config_create() }).map_err(|_| Code::UNSUPPORTED)?;
    if config.ipa_bits != 0 {
        call!(hv_vm_config_set_ipa_size(object.0, config.ipa_bits))?;
    }
    if config.el2 {
        call!(hv_vm_config_set_el2_enabled(object.0, true))?;
    }
    if config.granule != 0 {
        let granule = match config.granule {
            4096 => ffi::HV_IPA_GRANULE_4KB,
            16384 => ffi::HV_IPA_GRANULE_16KB,
            _ => return Err(Code::BAD_ARGUMENT),
        };
        call!(hv_vm_config_set_ipa_granule(object.0, granule))?;
    }
    Ok(object)
}

fn vcpu_configuration() -> Result<Object<<ffi::hv_vcpu_config_t as Pointee>::To>, Code> {
    // SAFETY: the function takes nothing.
    Object::new(unsafe { ffi::hv_vcpu_config_create() })
}

/// What a pointer type points to.
trait Pointee {
    type To;
}

impl<T> Pointee for *mut T {
    type To = T;
}
