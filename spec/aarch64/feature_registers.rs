//! AArch64: feature registers, what a vCPU will have before it exists; after that the ID registers of `system_registers.rs` tell.

use super::sysreg::{
    Clidr, Ctr, Dczid, IdAa64dfr0, IdAa64dfr1, IdAa64isar0, IdAa64isar1, IdAa64mmfr0, IdAa64mmfr1,
    IdAa64mmfr2, IdAa64pfr0, IdAa64pfr1, IdAa64smfr0, IdAa64zfr0,
};

xhv_macros::spec! {
    /// Feature registers of a vCPU configuration: sequential ids, not encodings.
    /// 27.0 adds ID_AA64ISAR2_EL1, ID_AA64MMFR3_EL1, ID_AA64MMFR4_EL1 and ID_AA64PFR2_EL1; their numbers are not public, so they are not here.
    feature_registers
        cite "hv_vcpu_config.h, hv_feature_reg_t"
    {
//      id name and type                                  Apple's name
        0  ID_AA64DFR0_EL1: u64 as IdAa64dfr0   ro = HV_FEATURE_REG_ID_AA64DFR0_EL1                      "Debug features 0";
        1  ID_AA64DFR1_EL1: u64 as IdAa64dfr1   ro = HV_FEATURE_REG_ID_AA64DFR1_EL1                      "Debug features 1";
        2  ID_AA64ISAR0_EL1: u64 as IdAa64isar0 ro = HV_FEATURE_REG_ID_AA64ISAR0_EL1                     "Instructions 0";
        3  ID_AA64ISAR1_EL1: u64 as IdAa64isar1 ro = HV_FEATURE_REG_ID_AA64ISAR1_EL1                     "Instructions 1";
        4  ID_AA64MMFR0_EL1: u64 as IdAa64mmfr0 ro = HV_FEATURE_REG_ID_AA64MMFR0_EL1                     "Memory model 0";
        5  ID_AA64MMFR1_EL1: u64 as IdAa64mmfr1 ro = HV_FEATURE_REG_ID_AA64MMFR1_EL1                     "Memory model 1";
        6  ID_AA64MMFR2_EL1: u64 as IdAa64mmfr2 ro = HV_FEATURE_REG_ID_AA64MMFR2_EL1                     "Memory model 2";
        7  ID_AA64PFR0_EL1: u64 as IdAa64pfr0   ro = HV_FEATURE_REG_ID_AA64PFR0_EL1                      "Processor features 0";
        8  ID_AA64PFR1_EL1: u64 as IdAa64pfr1   ro = HV_FEATURE_REG_ID_AA64PFR1_EL1                      "Processor features 1";
        9  CTR_EL0: u64 as Ctr                  ro = HV_FEATURE_REG_CTR_EL0                              "Cache type";
        10 CLIDR_EL1: u64 as Clidr              ro = HV_FEATURE_REG_CLIDR_EL1                            "Cache levels";
        11 DCZID_EL0: u64 as Dczid              ro = HV_FEATURE_REG_DCZID_EL0                            "Block of DC ZVA";
        12 ID_AA64SMFR0_EL1: u64 as IdAa64smfr0 ro = HV_FEATURE_REG_ID_AA64SMFR0_EL1 since macos 15.2    "SME features";
        13 ID_AA64ZFR0_EL1: u64 as IdAa64zfr0   ro = HV_FEATURE_REG_ID_AA64ZFR0_EL1 since macos 15.2     "SVE features";
    }
}
