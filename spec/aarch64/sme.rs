//! AArch64: the streaming registers of SME, whose size is the streaming vector length of the host; switches are in `SmeState`.

xhv_macros::spec! {
    /// What of SME is switched on: PSTATE.SM and PSTATE.ZA, the bits of SVCR. A change of SM zeroes Z and P.
    fields Svcr: u64
        cite "Arm DDI 0601, SVCR; hv_vcpu_types.h, hv_vcpu_sme_state_t"
    {
        [63:2]  res0;
        [1]     ZA           "ZA and ZT0 are accessible";
        [0]     SM           "Streaming mode: Z and P are accessible";
    }

    /// Vector registers, SVL bytes each; accessible while SM is on. The low 128 bits are Q0 to Q31.
    values ZRegister: u32
        cite "Arm ARM DDI 0487, B1.4.10; hv_vcpu_types.h, hv_sme_z_reg_t"
    {
        0  Z0  = HV_SME_Z_REG_0;
        1  Z1  = HV_SME_Z_REG_1;
        2  Z2  = HV_SME_Z_REG_2;
        3  Z3  = HV_SME_Z_REG_3;
        4  Z4  = HV_SME_Z_REG_4;
        5  Z5  = HV_SME_Z_REG_5;
        6  Z6  = HV_SME_Z_REG_6;
        7  Z7  = HV_SME_Z_REG_7;
        8  Z8  = HV_SME_Z_REG_8;
        9  Z9  = HV_SME_Z_REG_9;
        10 Z10 = HV_SME_Z_REG_10;
        11 Z11 = HV_SME_Z_REG_11;
        12 Z12 = HV_SME_Z_REG_12;
        13 Z13 = HV_SME_Z_REG_13;
        14 Z14 = HV_SME_Z_REG_14;
        15 Z15 = HV_SME_Z_REG_15;
        16 Z16 = HV_SME_Z_REG_16;
        17 Z17 = HV_SME_Z_REG_17;
        18 Z18 = HV_SME_Z_REG_18;
        19 Z19 = HV_SME_Z_REG_19;
        20 Z20 = HV_SME_Z_REG_20;
        21 Z21 = HV_SME_Z_REG_21;
        22 Z22 = HV_SME_Z_REG_22;
        23 Z23 = HV_SME_Z_REG_23;
        24 Z24 = HV_SME_Z_REG_24;
        25 Z25 = HV_SME_Z_REG_25;
        26 Z26 = HV_SME_Z_REG_26;
        27 Z27 = HV_SME_Z_REG_27;
        28 Z28 = HV_SME_Z_REG_28;
        29 Z29 = HV_SME_Z_REG_29;
        30 Z30 = HV_SME_Z_REG_30;
        31 Z31 = HV_SME_Z_REG_31;
    }

    /// Predicate registers, SVL / 8 bytes each; accessible while SM is on.
    values PRegister: u32
        cite "Arm ARM DDI 0487, B1.4.10; hv_vcpu_types.h, hv_sme_p_reg_t"
    {
        0  P0  = HV_SME_P_REG_0;
        1  P1  = HV_SME_P_REG_1;
        2  P2  = HV_SME_P_REG_2;
        3  P3  = HV_SME_P_REG_3;
        4  P4  = HV_SME_P_REG_4;
        5  P5  = HV_SME_P_REG_5;
        6  P6  = HV_SME_P_REG_6;
        7  P7  = HV_SME_P_REG_7;
        8  P8  = HV_SME_P_REG_8;
        9  P9  = HV_SME_P_REG_9;
        10 P10 = HV_SME_P_REG_10;
        11 P11 = HV_SME_P_REG_11;
        12 P12 = HV_SME_P_REG_12;
        13 P13 = HV_SME_P_REG_13;
        14 P14 = HV_SME_P_REG_14;
        15 P15 = HV_SME_P_REG_15;
    }
}
