//! The functions of the seam that belong to a VM, named as the framework's without `hv_vm_`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use super::gic::{self, Gic};
use super::shared::Shared;
use super::sysreg::{Reg, ccsidr, identification};
use crate::engine::aarch64::{GicConfig, GicParameters};
use crate::engine::software::memory::Mapping;
use crate::error::Code;
use crate::memory::{Memory, Permissions, lock};

/// vCPUs of a VM, at most.
const MAX_VCPUS: u32 = 64;
/// IPA width without a configuration, in bits.
const DEFAULT_IPA_BITS: u32 = 36;
/// The widest IPA, in bits.
const MAX_IPA_BITS: u32 = 40;

/// What a VM is created with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VmConfig {
    /// IPA width; 0 is the default.
    pub(crate) ipa_bits: u32,
    /// Gives the guest an EL2.
    pub(crate) el2: bool,
    /// Stage 2 granule in bytes: 4096 or 16384.
    pub(crate) granule: u64,
}

/// A VM; clones are the same VM.
#[derive(Clone, Debug)]
pub(crate) struct Vm {
    pub(super) shared: Arc<Shared>,
    /// Which thread owns which vCPU.
    pub(super) owners: Arc<Mutex<HashMap<u64, ThreadId>>>,
}

impl Vm {
    /// `hv_vm_create`: [`Code::UNSUPPORTED`] with EL2 or a too wide IPA, [`Code::BAD_ARGUMENT`] for another granule.
    pub(crate) fn create(config: &VmConfig) -> Result<Self, Code> {
        if config.el2 || config.ipa_bits > MAX_IPA_BITS {
            return Err(Code::UNSUPPORTED);
        }
        if !matches!(config.granule, 4096 | 16384) {
            return Err(Code::BAD_ARGUMENT);
        }
        let bits = match config.ipa_bits {
            0 => DEFAULT_IPA_BITS,
            bits => bits,
        };
        Ok(Self {
            shared: Arc::new(Shared::new(bits, config.granule)),
            owners: Arc::default(),
        })
    }

    /// `hv_vm_get_max_vcpu_count`
    pub(crate) fn get_max_vcpu_count() -> Result<u32, Code> {
        Ok(MAX_VCPUS)
    }

    /// `hv_vm_config_get_max_ipa_size`, in bits
    pub(crate) fn get_max_ipa_size() -> Result<u32, Code> {
        Ok(MAX_IPA_BITS)
    }

    /// `hv_vm_config_get_default_ipa_size`, in bits
    pub(crate) fn get_default_ipa_size() -> Result<u32, Code> {
        Ok(DEFAULT_IPA_BITS)
    }

    /// `hv_vm_config_get_el2_supported`
    pub(crate) fn get_el2_supported() -> Result<bool, Code> {
        Ok(false)
    }

    /// `hv_vcpu_config_get_feature_reg` of the default configuration.
    pub(crate) fn get_feature_reg(reg: u32) -> Result<u64, Code> {
        let reg = match reg {
            0 => Reg::ID_AA64DFR0_EL1,
            1 => Reg::ID_AA64DFR1_EL1,
            2 => Reg::ID_AA64ISAR0_EL1,
            3 => Reg::ID_AA64ISAR1_EL1,
            4 => Reg::ID_AA64MMFR0_EL1,
            5 => Reg::ID_AA64MMFR1_EL1,
            6 => Reg::ID_AA64MMFR2_EL1,
            7 => Reg::ID_AA64PFR0_EL1,
            8 => Reg::ID_AA64PFR1_EL1,
            9 => Reg::CTR_EL0,
            10 => Reg::CLIDR_EL1,
            11 => Reg::DCZID_EL0,
            12 => Reg::ID_AA64SMFR0_EL1,
            13 => Reg::ID_AA64ZFR0_EL1,
            _ => return Err(Code::BAD_ARGUMENT),
        };
        let all = identification(DEFAULT_IPA_BITS);
        let found = all.iter().find(|(known, _)| *known == reg);
        Ok(found.map_or(0, |&(_, value)| value))
    }

    /// `hv_vcpu_config_get_ccsidr_el1_sys_reg_values`: by cache level, from 1 on.
    pub(crate) fn get_ccsidr_el1_sys_reg_values(cache_type: u32) -> Result<[u64; 8], Code> {
        let instruction = match cache_type {
            0 => false,
            1 => true,
            _ => return Err(Code::BAD_ARGUMENT),
        };
        Ok(core::array::from_fn(|level| {
            ccsidr(level as u64, instruction)
        }))
    }

    /// `hv_sme_config_get_max_svl_bytes`: there is no SME.
    pub(crate) fn get_max_svl_bytes() -> Result<usize, Code> {
        Err(Code::UNSUPPORTED)
    }

    /// [`Code::BAD_ARGUMENT`] unless all are multiples of the granule and the range lies within the IPA width.
    fn check_range(&self, ipa: u64, size: u64, offset: u64) -> Result<(), Code> {
        let aligned = (ipa | size | offset).is_multiple_of(self.shared.granule);
        let end = ipa.checked_add(size).ok_or(Code::BAD_ARGUMENT)?;
        if !aligned || end > 1 << self.shared.ipa_bits {
            return Err(Code::BAD_ARGUMENT);
        }
        Ok(())
    }

    /// `hv_vm_map`
    pub(crate) fn map(
        &self,
        memory: &Memory,
        offset: u64,
        ipa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        self.check_range(ipa, size, offset)?;
        self.shared.space.map(Mapping {
            gpa: ipa,
            size,
            memory: memory.clone(),
            offset,
            permissions,
        })
    }

    /// `hv_vm_unmap`. When it returns, no vCPU uses the memory any more.
    pub(crate) fn unmap(&self, ipa: u64, size: u64) -> Result<(), Code> {
        self.check_range(ipa, size, 0)?;
        self.shared.space.unmap(ipa, size)
    }

    /// `hv_vm_protect`
    pub(crate) fn protect(
        &self,
        ipa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        self.check_range(ipa, size, 0)?;
        self.shared.space.protect(ipa, size, permissions)
    }

    fn gic(&self) -> Result<Arc<Gic>, Code> {
        self.shared.gic().ok_or(Code::NO_DEVICE)
    }

    /// `hv_gic_get_*_size` and their like
    pub(crate) fn gic_parameters() -> Result<GicParameters, Code> {
        Ok(gic::parameters())
    }

    /// `hv_gic_get_intid`: the PPI of a built-in source.
    pub(crate) fn gic_get_intid(interrupt: u16) -> Result<u32, Code> {
        match interrupt {
            // Performance monitor, maintenance, EL2 physical, EL1 virtual and EL1 physical timer.
            23 | 25 | 26 | 27 | 30 => Ok(interrupt.into()),
            _ => Err(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_gic_create`: [`Code::BUSY`] once there are vCPUs, [`Code::EXISTS`] if there is a GIC, [`Code::BAD_ARGUMENT`] for a wrong layout.
    pub(crate) fn gic_create(&self, config: &GicConfig) -> Result<(), Code> {
        let owners = lock(&self.owners);
        if !owners.is_empty() {
            return Err(Code::BUSY);
        }
        self.shared.set_gic(Gic::new(config, self.shared.ipa_bits)?)
    }

    /// `hv_gic_set_spi`
    pub(crate) fn gic_set_spi(&self, intid: u32, level: bool) -> Result<(), Code> {
        self.gic()?.set_spi(intid, level)
    }

    /// `hv_gic_send_msi`
    pub(crate) fn gic_send_msi(&self, address: u64, intid: u32) -> Result<(), Code> {
        self.gic()?.send_msi(address, intid)
    }

    /// `hv_gic_reset`
    pub(crate) fn gic_reset(&self) -> Result<(), Code> {
        self.gic()?.reset();
        Ok(())
    }

    /// `hv_gic_get_distributor_reg`
    pub(crate) fn gic_get_distributor_reg(&self, reg: u16) -> Result<u64, Code> {
        self.gic()?.get_distributor(reg.into())
    }

    /// `hv_gic_set_distributor_reg`
    pub(crate) fn gic_set_distributor_reg(&self, reg: u16, value: u64) -> Result<(), Code> {
        self.gic()?.set_distributor(reg.into(), value)
    }

    /// `hv_gic_get_msi_reg`
    pub(crate) fn gic_get_msi_reg(&self, reg: u16) -> Result<u64, Code> {
        self.gic()?.get_msi(reg.into())
    }

    /// `hv_gic_set_msi_reg`
    pub(crate) fn gic_set_msi_reg(&self, reg: u16, value: u64) -> Result<(), Code> {
        self.gic()?.set_msi(reg.into(), value)
    }

    /// `hv_gic_state_create` with `hv_gic_state_get_data`
    pub(crate) fn gic_state(&self) -> Result<Vec<u8>, Code> {
        Ok(self.gic()?.state())
    }

    /// `hv_gic_set_state`
    pub(crate) fn gic_set_state(&self, state: &[u8]) -> Result<(), Code> {
        self.gic()?.set_state(state)
    }

    /// A number for a new vCPU of this thread: [`Code::BUSY`] if it has one, [`Code::NO_RESOURCES`] if there are too many.
    pub(super) fn claim(&self) -> Result<u64, Code> {
        let thread = std::thread::current().id();
        let mut owners = lock(&self.owners);
        if owners.values().any(|&owner| owner == thread) {
            return Err(Code::BUSY);
        }
        let free = (0..u64::from(MAX_VCPUS)).find(|id| !owners.contains_key(id));
        let id = free.ok_or(Code::NO_RESOURCES)?;
        owners.insert(id, thread);
        Ok(id)
    }
}
