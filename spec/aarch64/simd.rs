//! AArch64: the SIMD and floating-point registers; their control words are in `registers.rs`, the streaming ones in `sme.rs`.

xhv_macros::spec! {
    /// 128-bit registers: the low halves are D0 to D31. Travels by value in V0 to the framework, never as an integer.
    simd aarch64
        cite "Arm ARM DDI 0487, B1.2.2; hv_vcpu_types.h, hv_simd_fp_reg_t"
    {
//      id name       Apple's name
        0  Q0:  u128 = HV_SIMD_FP_REG_Q0;
        1  Q1:  u128 = HV_SIMD_FP_REG_Q1;
        2  Q2:  u128 = HV_SIMD_FP_REG_Q2;
        3  Q3:  u128 = HV_SIMD_FP_REG_Q3;
        4  Q4:  u128 = HV_SIMD_FP_REG_Q4;
        5  Q5:  u128 = HV_SIMD_FP_REG_Q5;
        6  Q6:  u128 = HV_SIMD_FP_REG_Q6;
        7  Q7:  u128 = HV_SIMD_FP_REG_Q7;
        8  Q8:  u128 = HV_SIMD_FP_REG_Q8;
        9  Q9:  u128 = HV_SIMD_FP_REG_Q9;
        10 Q10: u128 = HV_SIMD_FP_REG_Q10;
        11 Q11: u128 = HV_SIMD_FP_REG_Q11;
        12 Q12: u128 = HV_SIMD_FP_REG_Q12;
        13 Q13: u128 = HV_SIMD_FP_REG_Q13;
        14 Q14: u128 = HV_SIMD_FP_REG_Q14;
        15 Q15: u128 = HV_SIMD_FP_REG_Q15;
        16 Q16: u128 = HV_SIMD_FP_REG_Q16;
        17 Q17: u128 = HV_SIMD_FP_REG_Q17;
        18 Q18: u128 = HV_SIMD_FP_REG_Q18;
        19 Q19: u128 = HV_SIMD_FP_REG_Q19;
        20 Q20: u128 = HV_SIMD_FP_REG_Q20;
        21 Q21: u128 = HV_SIMD_FP_REG_Q21;
        22 Q22: u128 = HV_SIMD_FP_REG_Q22;
        23 Q23: u128 = HV_SIMD_FP_REG_Q23;
        24 Q24: u128 = HV_SIMD_FP_REG_Q24;
        25 Q25: u128 = HV_SIMD_FP_REG_Q25;
        26 Q26: u128 = HV_SIMD_FP_REG_Q26;
        27 Q27: u128 = HV_SIMD_FP_REG_Q27;
        28 Q28: u128 = HV_SIMD_FP_REG_Q28;
        29 Q29: u128 = HV_SIMD_FP_REG_Q29;
        30 Q30: u128 = HV_SIMD_FP_REG_Q30;
        31 Q31: u128 = HV_SIMD_FP_REG_Q31;
    }
}
