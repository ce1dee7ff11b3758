//! What a vCPU will be like before it exists: feature registers and cache geometry of its default configuration.

use super::builder::choose;
use super::sysreg::Ccsidr;
use super::{error, ffi};
use crate::engine::aarch64 as engine;
use crate::error::{Code, Error};
use crate::host::Engine;
use crate::typed::{RawRead, Readable, space};

/// The default configuration of vCPUs on an engine.
#[derive(Debug, Clone, Copy)]
pub struct VcpuConfig(pub(super) engine::Choice);

/// Which caches a list of geometries is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// Data and unified caches.
    Data,
    /// Instruction caches.
    Instruction,
}

impl VcpuConfig {
    /// That of an engine.
    ///
    /// # Errors
    /// [`Error::NoEngine`] if it cannot be used here.
    pub fn of(engine: Engine) -> Result<Self, Error> {
        choose(engine).map(Self)
    }

    /// Reads a feature register, a row of [`super::feature`].
    ///
    /// # Errors
    /// [`Error::Row`] if this host does not have it.
    pub fn read<R: Readable<Self>>(&self, row: R) -> Result<R::Value, Error> {
        row.read_from(self)
            .map_err(|code| error::row("read", row.row_info(), code))
    }

    /// CCSIDR_EL1 of cache levels 1 to 8.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn ccsidr(&self, caches: CacheType) -> Result<[Ccsidr; 8], Error> {
        let number = match caches {
            CacheType::Data => ffi::HV_CACHE_TYPE_DATA,
            CacheType::Instruction => ffi::HV_CACHE_TYPE_INSTRUCTION,
        };
        engine::get_ccsidr_el1_sys_reg_values(self.0, number)
            .map(|values| values.map(Ccsidr::from_bits))
            .map_err(|code| {
                error::call(self.0, "hv_vcpu_config_get_ccsidr_el1_sys_reg_values", code)
            })
    }
}

impl RawRead<space::Feature> for VcpuConfig {
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        engine::get_feature_reg(self.0, key)
    }
}
