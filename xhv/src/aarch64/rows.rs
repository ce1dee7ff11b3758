//! The raw step behind the typed rows: which engine function reads and writes each kind.

use super::sysreg;
use super::vcpu::Vcpu;
use crate::error::Code;
use crate::typed::{RawRead, RawWrite, space};

impl RawRead<space::General> for Vcpu {
    #[inline(always)]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine.get_reg(key)
    }
}

impl RawWrite<space::General> for Vcpu {
    #[inline(always)]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine.set_reg(key, value)
    }
}

impl RawRead<space::Simd> for Vcpu {
    #[inline(always)]
    fn raw_read(&self, key: u32) -> Result<u128, Code> {
        self.engine.get_simd_fp_reg(key)
    }
}

impl RawWrite<space::Simd> for Vcpu {
    #[inline(always)]
    fn raw_write(&mut self, key: u32, value: u128) -> Result<(), Code> {
        self.engine.set_simd_fp_reg(key, value)
    }
}

/// What the SDKs 15.0 to 15.5 called MDCR_EL2; macOS 15 may want it.
const MDCR_EL2_OF_15: u16 = 0xe019;

impl RawRead<space::System> for Vcpu {
    #[inline(always)]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        match self.engine.get_sys_reg(key as u16) {
            Err(Code::BAD_ARGUMENT) if key == sysreg::MDCR_EL2.key() => {
                self.engine.get_sys_reg(MDCR_EL2_OF_15)
            }
            result => result,
        }
    }
}

impl RawWrite<space::System> for Vcpu {
    #[inline(always)]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        match self.engine.set_sys_reg(key as u16, value) {
            Err(Code::BAD_ARGUMENT) if key == sysreg::MDCR_EL2.key() => {
                self.engine.set_sys_reg(MDCR_EL2_OF_15, value)
            }
            result => result,
        }
    }
}

/// Register files of the GIC that belong to a vCPU.
macro_rules! gic {
    ($($space:ident: $get:ident $set:ident $key:ty;)*) => {$(
        impl RawRead<space::$space> for Vcpu {
            fn raw_read(&self, key: u32) -> Result<u64, Code> {
                self.engine.$get(key as $key)
            }
        }

        impl RawWrite<space::$space> for Vcpu {
            fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
                self.engine.$set(key as $key, value)
            }
        }
    )*};
}

gic! {
    GicRedistributor: gic_get_redistributor_reg gic_set_redistributor_reg u32;
    GicIcc: gic_get_icc_reg gic_set_icc_reg u16;
    GicIch: gic_get_ich_reg gic_set_ich_reg u16;
    GicIcv: gic_get_icv_reg gic_set_icv_reg u16;
}
