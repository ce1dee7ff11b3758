//! Apple silicon: the C interface of Hypervisor.framework: types, constants and functions with the macOS version that brought them.

xhv_macros::spec! {
    /// Functions, types and constants of the framework on Apple silicon.
    framework Hypervisor on aarch64
        cite "Hypervisor.framework headers, SDK 11.3 to 26.4; Apple documentation for 27.0"
    {

        // type                        = as

        type hv_ipa_t                = u64  "Guest physical address" since macos 11.0;
        type hv_vcpu_t               = u64  "vCPU id: a small integer from 0; ids are used again" since macos 11.0;
        type hv_exception_syndrome_t = u64  "Layout of ESR_EL2" since macos 11.0;
        type hv_exception_address_t  = u64  "FAR_EL2" since macos 11.0;

        opaque hv_vm_config_t               "VM configuration, an OS object" since macos 11.0;
        opaque hv_vcpu_config_t             "vCPU configuration, an OS object" since macos 11.0;
        opaque hv_gic_config_t              "GIC configuration, an OS object" since macos 15.0;
        opaque hv_gic_state_t               "Snapshot of the GIC, an OS object" since macos 15.0;

        vector hv_simd_fp_uchar16_t size 16 align 16  "One Q register; by value it travels in V0" since macos 11.0;
        vector hv_sme_zt0_uchar64_t size 64 align 16  "ZT0; only ever passed by pointer" since macos 15.2;

        // offset  field

        /// Details of an exception; valid for `HV_EXIT_REASON_EXCEPTION` only.
        struct hv_vcpu_exit_exception_t size 24 align 8 since macos 11.0 {
            0  syndrome:                   hv_exception_syndrome_t  "Layout of ESR_EL2";
            8  virtual_address:            hv_exception_address_t   "FAR_EL2";
            16 physical_address:           hv_ipa_t                 "Full faulting guest physical address";
        }
        /// Exit information: memory of the framework, written by each run, valid until the vCPU is destroyed.
        struct hv_vcpu_exit_t size 32 align 8 since macos 11.0 {
            0  reason:                     hv_exit_reason_t         "Why the run ended";
            8  exception:                  hv_vcpu_exit_exception_t "For HV_EXIT_REASON_EXCEPTION";
        }
        /// PSTATE.SM and PSTATE.ZA.
        struct hv_vcpu_sme_state_t size 2 align 1 since macos 15.2 {
            0  streaming_sve_mode_enabled: bool                     "PSTATE.SM";
            1  za_storage_enabled:         bool                     "PSTATE.ZA";
        }

        // number  name

        /// Codes; the header writes them as unsigned numbers.
        enum hv_return_t: i32 since macos 11.0 {
            0          HV_SUCCESS             "No error";
            0xfae94001 HV_ERROR               "Generic failure";
            0xfae94002 HV_BUSY                "Resource already in use (second VM, VM with live vCPUs, thread already has a vCPU)";
            0xfae94003 HV_BAD_ARGUMENT        "Invalid argument, alignment, id";
            0xfae94004 HV_ILLEGAL_GUEST_STATE "Guest state cannot be entered";
            0xfae94005 HV_NO_RESOURCES        "Out of host resources";
            0xfae94006 HV_NO_DEVICE           "No VM / vCPU / device";
            0xfae94007 HV_DENIED              "Entitlement missing or policy refusal";
            0xfae94008 HV_EXISTS              "Object already exists; the x86_64 header calls this number HV_FAULT" since macos 26.0 unsure "first version uncertain: absent in the 15.x SDKs, present in 26.4";
            0xfae9400f HV_UNSUPPORTED         "Not supported by this host/OS/configuration";
        }
        /// Access bits.
        flags hv_memory_flags_t: u64 since macos 11.0 {
            1 HV_MEMORY_READ;
            2 HV_MEMORY_WRITE;
            4 HV_MEMORY_EXEC;
        }
        /// The only defined value.
        flags hv_allocate_flags_t: u64 since macos 12.1 {
            0 HV_ALLOCATE_DEFAULT "Only defined value";
        }
        /// Why a run ended; open: later systems may add reasons.
        enum hv_exit_reason_t: u32 since macos 11.0 {
            0 HV_EXIT_REASON_CANCELED         "`hv_vcpus_exit` took effect";
            1 HV_EXIT_REASON_EXCEPTION        "Guest trap; exception field valid";
            2 HV_EXIT_REASON_VTIMER_ACTIVATED "Virtual timer fired; VTimer is now masked";
            3 HV_EXIT_REASON_UNKNOWN          "Unexpected exit; re-enter or report";
        }
        /// General registers. 31 is PC, not the zero register: never index with an Rt of 31.
        enum hv_reg_t: u32 since macos 11.0 {
            0  HV_REG_X0;
            1  HV_REG_X1;
            2  HV_REG_X2;
            3  HV_REG_X3;
            4  HV_REG_X4;
            5  HV_REG_X5;
            6  HV_REG_X6;
            7  HV_REG_X7;
            8  HV_REG_X8;
            9  HV_REG_X9;
            10 HV_REG_X10;
            11 HV_REG_X11;
            12 HV_REG_X12;
            13 HV_REG_X13;
            14 HV_REG_X14;
            15 HV_REG_X15;
            16 HV_REG_X16;
            17 HV_REG_X17;
            18 HV_REG_X18;
            19 HV_REG_X19;
            20 HV_REG_X20;
            21 HV_REG_X21;
            22 HV_REG_X22;
            23 HV_REG_X23;
            24 HV_REG_X24;
            25 HV_REG_X25;
            26 HV_REG_X26;
            27 HV_REG_X27;
            28 HV_REG_X28;
            29 HV_REG_X29;
            29 HV_REG_FP   alias of HV_REG_X29;
            30 HV_REG_X30;
            30 HV_REG_LR   alias of HV_REG_X30;
            31 HV_REG_PC;
            32 HV_REG_FPCR;
            33 HV_REG_FPSR;
            34 HV_REG_CPSR "PSTATE in SPSR layout";
        }
        /// SIMD and FP registers.
        enum hv_simd_fp_reg_t: u32 since macos 11.0 {
            0  HV_SIMD_FP_REG_Q0;
            1  HV_SIMD_FP_REG_Q1;
            2  HV_SIMD_FP_REG_Q2;
            3  HV_SIMD_FP_REG_Q3;
            4  HV_SIMD_FP_REG_Q4;
            5  HV_SIMD_FP_REG_Q5;
            6  HV_SIMD_FP_REG_Q6;
            7  HV_SIMD_FP_REG_Q7;
            8  HV_SIMD_FP_REG_Q8;
            9  HV_SIMD_FP_REG_Q9;
            10 HV_SIMD_FP_REG_Q10;
            11 HV_SIMD_FP_REG_Q11;
            12 HV_SIMD_FP_REG_Q12;
            13 HV_SIMD_FP_REG_Q13;
            14 HV_SIMD_FP_REG_Q14;
            15 HV_SIMD_FP_REG_Q15;
            16 HV_SIMD_FP_REG_Q16;
            17 HV_SIMD_FP_REG_Q17;
            18 HV_SIMD_FP_REG_Q18;
            19 HV_SIMD_FP_REG_Q19;
            20 HV_SIMD_FP_REG_Q20;
            21 HV_SIMD_FP_REG_Q21;
            22 HV_SIMD_FP_REG_Q22;
            23 HV_SIMD_FP_REG_Q23;
            24 HV_SIMD_FP_REG_Q24;
            25 HV_SIMD_FP_REG_Q25;
            26 HV_SIMD_FP_REG_Q26;
            27 HV_SIMD_FP_REG_Q27;
            28 HV_SIMD_FP_REG_Q28;
            29 HV_SIMD_FP_REG_Q29;
            30 HV_SIMD_FP_REG_Q30;
            31 HV_SIMD_FP_REG_Q31;
        }
        /// SME: vector registers.
        enum hv_sme_z_reg_t: u32 since macos 15.2 {
            0  HV_SME_Z_REG_0;
            1  HV_SME_Z_REG_1;
            2  HV_SME_Z_REG_2;
            3  HV_SME_Z_REG_3;
            4  HV_SME_Z_REG_4;
            5  HV_SME_Z_REG_5;
            6  HV_SME_Z_REG_6;
            7  HV_SME_Z_REG_7;
            8  HV_SME_Z_REG_8;
            9  HV_SME_Z_REG_9;
            10 HV_SME_Z_REG_10;
            11 HV_SME_Z_REG_11;
            12 HV_SME_Z_REG_12;
            13 HV_SME_Z_REG_13;
            14 HV_SME_Z_REG_14;
            15 HV_SME_Z_REG_15;
            16 HV_SME_Z_REG_16;
            17 HV_SME_Z_REG_17;
            18 HV_SME_Z_REG_18;
            19 HV_SME_Z_REG_19;
            20 HV_SME_Z_REG_20;
            21 HV_SME_Z_REG_21;
            22 HV_SME_Z_REG_22;
            23 HV_SME_Z_REG_23;
            24 HV_SME_Z_REG_24;
            25 HV_SME_Z_REG_25;
            26 HV_SME_Z_REG_26;
            27 HV_SME_Z_REG_27;
            28 HV_SME_Z_REG_28;
            29 HV_SME_Z_REG_29;
            30 HV_SME_Z_REG_30;
            31 HV_SME_Z_REG_31;
        }
        /// SME: predicate registers.
        enum hv_sme_p_reg_t: u32 since macos 15.2 {
            0  HV_SME_P_REG_0;
            1  HV_SME_P_REG_1;
            2  HV_SME_P_REG_2;
            3  HV_SME_P_REG_3;
            4  HV_SME_P_REG_4;
            5  HV_SME_P_REG_5;
            6  HV_SME_P_REG_6;
            7  HV_SME_P_REG_7;
            8  HV_SME_P_REG_8;
            9  HV_SME_P_REG_9;
            10 HV_SME_P_REG_10;
            11 HV_SME_P_REG_11;
            12 HV_SME_P_REG_12;
            13 HV_SME_P_REG_13;
            14 HV_SME_P_REG_14;
            15 HV_SME_P_REG_15;
        }
        /// Interrupt lines of a vCPU.
        enum hv_interrupt_type_t: u32 since macos 11.0 {
            0 HV_INTERRUPT_TYPE_IRQ;
            1 HV_INTERRUPT_TYPE_FIQ;
        }
        /// Which caches a CCSIDR list is about.
        enum hv_cache_type_t: u32 since macos 11.0 {
            0 HV_CACHE_TYPE_DATA;
            1 HV_CACHE_TYPE_INSTRUCTION;
        }
        /// Stage-2 granules.
        enum hv_ipa_granule_t: u32 since macos 26.0 {
            0 HV_IPA_GRANULE_4KB;
            1 HV_IPA_GRANULE_16KB;
        }
        /// Feature registers of a vCPU configuration: sequential ids, not encodings.
        enum hv_feature_reg_t: u32 since macos 11.0 {
            0  HV_FEATURE_REG_ID_AA64DFR0_EL1;
            1  HV_FEATURE_REG_ID_AA64DFR1_EL1;
            2  HV_FEATURE_REG_ID_AA64ISAR0_EL1;
            3  HV_FEATURE_REG_ID_AA64ISAR1_EL1;
            4  HV_FEATURE_REG_ID_AA64MMFR0_EL1;
            5  HV_FEATURE_REG_ID_AA64MMFR1_EL1;
            6  HV_FEATURE_REG_ID_AA64MMFR2_EL1;
            7  HV_FEATURE_REG_ID_AA64PFR0_EL1;
            8  HV_FEATURE_REG_ID_AA64PFR1_EL1;
            9  HV_FEATURE_REG_CTR_EL0;
            10 HV_FEATURE_REG_CLIDR_EL1;
            11 HV_FEATURE_REG_DCZID_EL0;
            12 HV_FEATURE_REG_ID_AA64SMFR0_EL1 since macos 15.2;
            13 HV_FEATURE_REG_ID_AA64ZFR0_EL1  since macos 15.2;
            // 27.0 adds ID_AA64ISAR2_EL1, ID_AA64MMFR3_EL1, ID_AA64MMFR4_EL1 and ID_AA64PFR2_EL1; their numbers are not public.
        }
        /// System registers: op0[15:14] op1[13:11] CRn[10:7] CRm[6:3] op2[2:0].
        enum hv_sys_reg_t: u16 since macos 11.0 {
            0x8004 HV_SYS_REG_DBGBVR0_EL1;
            0x8005 HV_SYS_REG_DBGBCR0_EL1;
            0x8006 HV_SYS_REG_DBGWVR0_EL1;
            0x8007 HV_SYS_REG_DBGWCR0_EL1;
            0x800c HV_SYS_REG_DBGBVR1_EL1;
            0x800d HV_SYS_REG_DBGBCR1_EL1;
            0x800e HV_SYS_REG_DBGWVR1_EL1;
            0x800f HV_SYS_REG_DBGWCR1_EL1;
            0x8010 HV_SYS_REG_MDCCINT_EL1;
            0x8012 HV_SYS_REG_MDSCR_EL1;
            0x8014 HV_SYS_REG_DBGBVR2_EL1;
            0x8015 HV_SYS_REG_DBGBCR2_EL1;
            0x8016 HV_SYS_REG_DBGWVR2_EL1;
            0x8017 HV_SYS_REG_DBGWCR2_EL1;
            0x801c HV_SYS_REG_DBGBVR3_EL1;
            0x801d HV_SYS_REG_DBGBCR3_EL1;
            0x801e HV_SYS_REG_DBGWVR3_EL1;
            0x801f HV_SYS_REG_DBGWCR3_EL1;
            0x8024 HV_SYS_REG_DBGBVR4_EL1;
            0x8025 HV_SYS_REG_DBGBCR4_EL1;
            0x8026 HV_SYS_REG_DBGWVR4_EL1;
            0x8027 HV_SYS_REG_DBGWCR4_EL1;
            0x802c HV_SYS_REG_DBGBVR5_EL1;
            0x802d HV_SYS_REG_DBGBCR5_EL1;
            0x802e HV_SYS_REG_DBGWVR5_EL1;
            0x802f HV_SYS_REG_DBGWCR5_EL1;
            0x8034 HV_SYS_REG_DBGBVR6_EL1;
            0x8035 HV_SYS_REG_DBGBCR6_EL1;
            0x8036 HV_SYS_REG_DBGWVR6_EL1;
            0x8037 HV_SYS_REG_DBGWCR6_EL1;
            0x803c HV_SYS_REG_DBGBVR7_EL1;
            0x803d HV_SYS_REG_DBGBCR7_EL1;
            0x803e HV_SYS_REG_DBGWVR7_EL1;
            0x803f HV_SYS_REG_DBGWCR7_EL1;
            0x8044 HV_SYS_REG_DBGBVR8_EL1;
            0x8045 HV_SYS_REG_DBGBCR8_EL1;
            0x8046 HV_SYS_REG_DBGWVR8_EL1;
            0x8047 HV_SYS_REG_DBGWCR8_EL1;
            0x804c HV_SYS_REG_DBGBVR9_EL1;
            0x804d HV_SYS_REG_DBGBCR9_EL1;
            0x804e HV_SYS_REG_DBGWVR9_EL1;
            0x804f HV_SYS_REG_DBGWCR9_EL1;
            0x8054 HV_SYS_REG_DBGBVR10_EL1;
            0x8055 HV_SYS_REG_DBGBCR10_EL1;
            0x8056 HV_SYS_REG_DBGWVR10_EL1;
            0x8057 HV_SYS_REG_DBGWCR10_EL1;
            0x805c HV_SYS_REG_DBGBVR11_EL1;
            0x805d HV_SYS_REG_DBGBCR11_EL1;
            0x805e HV_SYS_REG_DBGWVR11_EL1;
            0x805f HV_SYS_REG_DBGWCR11_EL1;
            0x8064 HV_SYS_REG_DBGBVR12_EL1;
            0x8065 HV_SYS_REG_DBGBCR12_EL1;
            0x8066 HV_SYS_REG_DBGWVR12_EL1;
            0x8067 HV_SYS_REG_DBGWCR12_EL1;
            0x806c HV_SYS_REG_DBGBVR13_EL1;
            0x806d HV_SYS_REG_DBGBCR13_EL1;
            0x806e HV_SYS_REG_DBGWVR13_EL1;
            0x806f HV_SYS_REG_DBGWCR13_EL1;
            0x8074 HV_SYS_REG_DBGBVR14_EL1;
            0x8075 HV_SYS_REG_DBGBCR14_EL1;
            0x8076 HV_SYS_REG_DBGWVR14_EL1;
            0x8077 HV_SYS_REG_DBGWCR14_EL1;
            0x807c HV_SYS_REG_DBGBVR15_EL1;
            0x807d HV_SYS_REG_DBGBCR15_EL1;
            0x807e HV_SYS_REG_DBGWVR15_EL1;
            0x807f HV_SYS_REG_DBGWCR15_EL1;
            0xc000 HV_SYS_REG_MIDR_EL1;
            0xc005 HV_SYS_REG_MPIDR_EL1;
            0xc020 HV_SYS_REG_ID_AA64PFR0_EL1;
            0xc021 HV_SYS_REG_ID_AA64PFR1_EL1;
            0xc022 HV_SYS_REG_ID_AA64PFR2_EL1  since macos 27.0 unsure "number derived from the architecture, not seen in a header";
            0xc024 HV_SYS_REG_ID_AA64ZFR0_EL1  since macos 15.2;
            0xc025 HV_SYS_REG_ID_AA64SMFR0_EL1 since macos 15.2;
            0xc028 HV_SYS_REG_ID_AA64DFR0_EL1;
            0xc029 HV_SYS_REG_ID_AA64DFR1_EL1;
            0xc030 HV_SYS_REG_ID_AA64ISAR0_EL1;
            0xc031 HV_SYS_REG_ID_AA64ISAR1_EL1;
            0xc032 HV_SYS_REG_ID_AA64ISAR2_EL1 since macos 27.0 unsure "number derived from the architecture, not seen in a header";
            0xc038 HV_SYS_REG_ID_AA64MMFR0_EL1;
            0xc039 HV_SYS_REG_ID_AA64MMFR1_EL1;
            0xc03a HV_SYS_REG_ID_AA64MMFR2_EL1;
            0xc03b HV_SYS_REG_ID_AA64MMFR3_EL1 since macos 27.0 unsure "number derived from the architecture, not seen in a header";
            0xc03c HV_SYS_REG_ID_AA64MMFR4_EL1 since macos 27.0 unsure "number derived from the architecture, not seen in a header";
            0xc080 HV_SYS_REG_SCTLR_EL1;
            0xc081 HV_SYS_REG_ACTLR_EL1        since macos 15.0;
            0xc082 HV_SYS_REG_CPACR_EL1;
            0xc094 HV_SYS_REG_SMPRI_EL1        since macos 15.2;
            0xc096 HV_SYS_REG_SMCR_EL1         since macos 15.2;
            0xc100 HV_SYS_REG_TTBR0_EL1;
            0xc101 HV_SYS_REG_TTBR1_EL1;
            0xc102 HV_SYS_REG_TCR_EL1;
            0xc108 HV_SYS_REG_APIAKEYLO_EL1;
            0xc109 HV_SYS_REG_APIAKEYHI_EL1;
            0xc10a HV_SYS_REG_APIBKEYLO_EL1;
            0xc10b HV_SYS_REG_APIBKEYHI_EL1;
            0xc110 HV_SYS_REG_APDAKEYLO_EL1;
            0xc111 HV_SYS_REG_APDAKEYHI_EL1;
            0xc112 HV_SYS_REG_APDBKEYLO_EL1;
            0xc113 HV_SYS_REG_APDBKEYHI_EL1;
            0xc118 HV_SYS_REG_APGAKEYLO_EL1;
            0xc119 HV_SYS_REG_APGAKEYHI_EL1;
            0xc200 HV_SYS_REG_SPSR_EL1;
            0xc201 HV_SYS_REG_ELR_EL1;
            0xc208 HV_SYS_REG_SP_EL0;
            0xc288 HV_SYS_REG_AFSR0_EL1;
            0xc289 HV_SYS_REG_AFSR1_EL1;
            0xc290 HV_SYS_REG_ESR_EL1;
            0xc300 HV_SYS_REG_FAR_EL1;
            0xc3a0 HV_SYS_REG_PAR_EL1;
            0xc510 HV_SYS_REG_MAIR_EL1;
            0xc518 HV_SYS_REG_AMAIR_EL1;
            0xc600 HV_SYS_REG_VBAR_EL1;
            0xc681 HV_SYS_REG_CONTEXTIDR_EL1;
            0xc684 HV_SYS_REG_TPIDR_EL1;
            0xc687 HV_SYS_REG_SCXTNUM_EL1      since macos 15.2;
            0xc708 HV_SYS_REG_CNTKCTL_EL1;
            0xd000 HV_SYS_REG_CSSELR_EL1;
            0xde82 HV_SYS_REG_TPIDR_EL0;
            0xde83 HV_SYS_REG_TPIDRRO_EL0;
            0xde85 HV_SYS_REG_TPIDR2_EL0       since macos 15.2;
            0xde87 HV_SYS_REG_SCXTNUM_EL0      since macos 15.2;
            0xdf10 HV_SYS_REG_CNTP_TVAL_EL0    since macos 15.0;
            0xdf11 HV_SYS_REG_CNTP_CTL_EL0     since macos 15.0;
            0xdf12 HV_SYS_REG_CNTP_CVAL_EL0    since macos 15.0;
            0xdf19 HV_SYS_REG_CNTV_CTL_EL0;
            0xdf1a HV_SYS_REG_CNTV_CVAL_EL0;
            0xe000 HV_SYS_REG_VPIDR_EL2        since macos 15.0;
            0xe005 HV_SYS_REG_VMPIDR_EL2       since macos 15.0;
            0xe080 HV_SYS_REG_SCTLR_EL2        since macos 15.0;
            0xe088 HV_SYS_REG_HCR_EL2          since macos 15.0;
            0xe089 HV_SYS_REG_MDCR_EL2         since macos 15.0;
            0xe08a HV_SYS_REG_CPTR_EL2         since macos 15.0;
            0xe100 HV_SYS_REG_TTBR0_EL2        since macos 15.0;
            0xe101 HV_SYS_REG_TTBR1_EL2        since macos 15.0;
            0xe102 HV_SYS_REG_TCR_EL2          since macos 15.0;
            0xe108 HV_SYS_REG_VTTBR_EL2        since macos 15.0;
            0xe10a HV_SYS_REG_VTCR_EL2         since macos 15.0;
            0xe200 HV_SYS_REG_SPSR_EL2         since macos 15.0;
            0xe201 HV_SYS_REG_ELR_EL2          since macos 15.0;
            0xe208 HV_SYS_REG_SP_EL1;
            0xe290 HV_SYS_REG_ESR_EL2          since macos 15.0;
            0xe300 HV_SYS_REG_FAR_EL2          since macos 15.0;
            0xe304 HV_SYS_REG_HPFAR_EL2        since macos 15.0;
            0xe510 HV_SYS_REG_MAIR_EL2         since macos 15.0;
            0xe600 HV_SYS_REG_VBAR_EL2         since macos 15.0;
            0xe682 HV_SYS_REG_TPIDR_EL2        since macos 15.0;
            0xe703 HV_SYS_REG_CNTVOFF_EL2      since macos 15.0;
            0xe708 HV_SYS_REG_CNTHCTL_EL2      since macos 15.0;
            0xe710 HV_SYS_REG_CNTHP_TVAL_EL2   since macos 15.0;
            0xe711 HV_SYS_REG_CNTHP_CTL_EL2    since macos 15.0;
            0xe712 HV_SYS_REG_CNTHP_CVAL_EL2   since macos 15.0;
            0xf208 HV_SYS_REG_SP_EL2           since macos 15.0;
        }
        /// TLB invalidations, CRm << 3 | op2 of the TLBI instruction.
        enum hv_tlbi_op_t: u32 since macos 27.0 unsure "no SDK 27 header was available: 32 bits and the numbers rest on one third-party dump" {
            0x11 HV_TLBI_OP_RVAE1IS;
            0x13 HV_TLBI_OP_RVAAE1IS;
            0x15 HV_TLBI_OP_RVALE1IS;
            0x17 HV_TLBI_OP_RVAALE1IS;
            0x18 HV_TLBI_OP_VMALLE1IS;
            0x19 HV_TLBI_OP_VAE1IS;
            0x1a HV_TLBI_OP_ASIDE1IS;
            0x1b HV_TLBI_OP_VAAE1IS;
            0x1d HV_TLBI_OP_VALE1IS;
            0x1f HV_TLBI_OP_VAALE1IS;
        }
        /// PPIs of the built-in sources.
        enum hv_gic_intid_t: u16 since macos 15.0 {
            23 HV_GIC_INT_PERFORMANCE_MONITOR;
            25 HV_GIC_INT_MAINTENANCE         "EL2 only";
            26 HV_GIC_INT_EL2_PHYSICAL_TIMER  "EL2 only";
            27 HV_GIC_INT_EL1_VIRTUAL_TIMER;
            30 HV_GIC_INT_EL1_PHYSICAL_TIMER;
        }
        /// Distributor registers: byte offsets in the frame.
        enum hv_gic_distributor_reg_t: u16 since macos 15.0 {
            0x0000                 HV_GIC_DISTRIBUTOR_REG_GICD_CTLR;
            0x0004                 HV_GIC_DISTRIBUTOR_REG_GICD_TYPER;
            0x0080..=0x00fc step 4 HV_GIC_DISTRIBUTOR_REG_GICD_IGROUPR{0};
            0x0100..=0x017c step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER{0};
            0x0180..=0x01fc step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ICENABLER{0};
            0x0200..=0x027c step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR{0};
            0x0280..=0x02fc step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ICPENDR{0};
            0x0300..=0x037c step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ISACTIVER{0};
            0x0380..=0x03fc step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ICACTIVER{0};
            0x0400..=0x07f8 step 4 HV_GIC_DISTRIBUTOR_REG_GICD_IPRIORITYR{0};
            0x0c00..=0x0cfc step 4 HV_GIC_DISTRIBUTOR_REG_GICD_ICFGR{0};
            0x6100..=0x7fd8 step 8 HV_GIC_DISTRIBUTOR_REG_GICD_IROUTER{32};
            0xffe8                 HV_GIC_DISTRIBUTOR_REG_GICD_PIDR2;
        }
        /// Redistributor registers: byte offsets from RD_base.
        enum hv_gic_redistributor_reg_t: u32 since macos 15.0 {
            0x8     HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER;
            0xffe8  HV_GIC_REDISTRIBUTOR_REG_GICR_PIDR2;
            0x10080 HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0;
            0x10100 HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0;
            0x10180 HV_GIC_REDISTRIBUTOR_REG_GICR_ICENABLER0;
            0x10200 HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0;
            0x10280 HV_GIC_REDISTRIBUTOR_REG_GICR_ICPENDR0;
            0x10300 HV_GIC_REDISTRIBUTOR_REG_GICR_ISACTIVER0;
            0x10380 HV_GIC_REDISTRIBUTOR_REG_GICR_ICACTIVER0;
            0x10400 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR0;
            0x10404 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR1;
            0x10408 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR2;
            0x1040c HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR3;
            0x10410 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR4;
            0x10414 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR5;
            0x10418 HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR6;
            0x1041c HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR7;
            0x10c00 HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR0;
            0x10c04 HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR1;
        }
        /// CPU interface registers, packed like `hv_sys_reg_t`.
        enum hv_gic_icc_reg_t: u16 since macos 15.0 {
            0xc230 HV_GIC_ICC_REG_PMR_EL1;
            0xc643 HV_GIC_ICC_REG_BPR0_EL1;
            0xc644 HV_GIC_ICC_REG_AP0R0_EL1;
            0xc648 HV_GIC_ICC_REG_AP1R0_EL1;
            0xc65b HV_GIC_ICC_REG_RPR_EL1     "Read-only";
            0xc663 HV_GIC_ICC_REG_BPR1_EL1;
            0xc664 HV_GIC_ICC_REG_CTLR_EL1;
            0xc665 HV_GIC_ICC_REG_SRE_EL1;
            0xc666 HV_GIC_ICC_REG_IGRPEN0_EL1;
            0xc667 HV_GIC_ICC_REG_IGRPEN1_EL1;
            0xe64d HV_GIC_ICC_REG_SRE_EL2     "EL2 only";
        }
        /// Virtual CPU interface registers, packed like `hv_sys_reg_t`.
        enum hv_gic_icv_reg_t: u16 since macos 15.0 {
            0xc230 HV_GIC_ICV_REG_PMR_EL1;
            0xc643 HV_GIC_ICV_REG_BPR0_EL1;
            0xc644 HV_GIC_ICV_REG_AP0R0_EL1;
            0xc648 HV_GIC_ICV_REG_AP1R0_EL1;
            0xc65b HV_GIC_ICV_REG_RPR_EL1     "Read-only";
            0xc663 HV_GIC_ICV_REG_BPR1_EL1;
            0xc664 HV_GIC_ICV_REG_CTLR_EL1;
            0xc665 HV_GIC_ICV_REG_SRE_EL1;
            0xc666 HV_GIC_ICV_REG_IGRPEN0_EL1;
            0xc667 HV_GIC_ICV_REG_IGRPEN1_EL1;
        }
        /// Hypervisor control registers, packed like `hv_sys_reg_t`.
        enum hv_gic_ich_reg_t: u16 since macos 15.0 {
            0xe640 HV_GIC_ICH_REG_AP0R0_EL2;
            0xe648 HV_GIC_ICH_REG_AP1R0_EL2;
            0xe658 HV_GIC_ICH_REG_HCR_EL2;
            0xe659 HV_GIC_ICH_REG_VTR_EL2   "Read-only";
            0xe65a HV_GIC_ICH_REG_MISR_EL2  "Read-only";
            0xe65b HV_GIC_ICH_REG_EISR_EL2  "Read-only";
            0xe65d HV_GIC_ICH_REG_ELRSR_EL2 "Read-only";
            0xe65f HV_GIC_ICH_REG_VMCR_EL2;
            0xe660 HV_GIC_ICH_REG_LR0_EL2;
            0xe661 HV_GIC_ICH_REG_LR1_EL2;
            0xe662 HV_GIC_ICH_REG_LR2_EL2;
            0xe663 HV_GIC_ICH_REG_LR3_EL2;
            0xe664 HV_GIC_ICH_REG_LR4_EL2;
            0xe665 HV_GIC_ICH_REG_LR5_EL2;
            0xe666 HV_GIC_ICH_REG_LR6_EL2;
            0xe667 HV_GIC_ICH_REG_LR7_EL2;
            0xe668 HV_GIC_ICH_REG_LR8_EL2   "Only 8 list registers seen implemented";
            0xe669 HV_GIC_ICH_REG_LR9_EL2   "Only 8 list registers seen implemented";
            0xe66a HV_GIC_ICH_REG_LR10_EL2  "Only 8 list registers seen implemented";
            0xe66b HV_GIC_ICH_REG_LR11_EL2  "Only 8 list registers seen implemented";
            0xe66c HV_GIC_ICH_REG_LR12_EL2  "Only 8 list registers seen implemented";
            0xe66d HV_GIC_ICH_REG_LR13_EL2  "Only 8 list registers seen implemented";
            0xe66e HV_GIC_ICH_REG_LR14_EL2  "Only 8 list registers seen implemented";
            0xe66f HV_GIC_ICH_REG_LR15_EL2  "Only 8 list registers seen implemented";
        }
        /// MSI frame registers: byte offsets.
        enum hv_gic_msi_reg_t: u16 since macos 15.0 {
            0x8  HV_GIC_REG_GICM_TYPER       "GICv2m MSI_TYPER";
            0x40 HV_GIC_REG_GICM_SET_SPI_NSR "Doorbell";
        }

        // hv_vm.h

        /// Upper bound on vCPUs per VM. Meant for use before VM creation (unverified). 64 was observed on shipping systems; the value is a run-time fact.
        fn hv_vm_get_max_vcpu_count(max_vcpu_count: out u32) -> hv_return_t  since macos 11.0  thread any;

        /// Creates the one VM of the calling process. NULL config = defaults. May transiently return HV_BUSY right after another VM of the process was torn down.
        fn hv_vm_create(config: hv_vm_config_t) -> hv_return_t  since macos 11.0  thread any;

        /// Destroys the process VM. All vCPUs must have been destroyed first.
        fn hv_vm_destroy() -> hv_return_t  since macos 11.0  thread any;

        /// Maps host memory [addr,addr+size) at guest physical ipa. The memory must stay allocated while mapped. addr, ipa and size are multiples of the stage-2 granule (16 KiB by default).
        fn hv_vm_map(addr: *mut c_void, ipa: hv_ipa_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t  since macos 11.0  thread any;

        /// Removes a guest physical range.
        fn hv_vm_unmap(ipa: hv_ipa_t, size: usize) -> hv_return_t  since macos 11.0  thread any;

        /// Changes guest permissions of an already mapped range. Flags 0 makes it inaccessible (used for write/access trapping).
        fn hv_vm_protect(ipa: hv_ipa_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t  since macos 11.0  thread any;

        // hv_vcpu_config.h

        /// New vCPU configuration object, caller owns a reference (os_release).
        fn hv_vcpu_config_create() -> hv_vcpu_config_t  since macos 11.0  thread any;

        /// Value an ID/feature register would have in a vCPU created with this configuration. There is no setter on the config; per-vCPU overrides go through hv_vcpu_set_sys_reg.
        fn hv_vcpu_config_get_feature_reg(config: hv_vcpu_config_t, feature_reg: hv_feature_reg_t, value: out u64) -> hv_return_t  since macos 11.0  thread any;

        /// Fills an array of EIGHT uint64 with CCSIDR_EL1 for cache levels 1..8 (index = level-1) of the given type. Passing a single u64 corrupts memory.
        fn hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config: hv_vcpu_config_t, cache_type: hv_cache_type_t, values: out [u64; 8]) -> hv_return_t  since macos 11.0  thread any;

        // hv_vcpu.h

        /// Creates a vCPU bound to the calling thread (one vCPU per thread). *exit receives a pointer to framework-owned exit information, valid until the vCPU is destroyed, rewritten by each run.
        fn hv_vcpu_create(vcpu: out hv_vcpu_t, exit: out *const hv_vcpu_exit_t, config: hv_vcpu_config_t) -> hv_return_t  since macos 11.0  thread binds;

        /// Destroys the vCPU owned by the calling thread; its exit-info pointer dangles afterwards.
        fn hv_vcpu_destroy(vcpu: hv_vcpu_t) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads X0..X30, PC, FPCR, FPSR or CPSR. SP is not here (SP_EL0/SP_EL1/SP_EL2 are sys regs).
        fn hv_vcpu_get_reg(vcpu: hv_vcpu_t, reg: hv_reg_t, value: out u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Writes X0..X30, PC, FPCR, FPSR or CPSR. SP is not here (SP_EL0/SP_EL1/SP_EL2 are sys regs).
        fn hv_vcpu_set_reg(vcpu: hv_vcpu_t, reg: hv_reg_t, value: u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads Q0..Q31; value must be 16-byte aligned storage.
        fn hv_vcpu_get_simd_fp_reg(vcpu: hv_vcpu_t, reg: hv_simd_fp_reg_t, value: out hv_simd_fp_uchar16_t) -> hv_return_t  since macos 11.0  thread owner;

        /// Writes Q0..Q31. The value is a 128-bit vector passed by value in V0 (AAPCS64), not in general registers.
        fn hv_vcpu_set_simd_fp_reg(vcpu: hv_vcpu_t, reg: hv_simd_fp_reg_t, value: hv_simd_fp_uchar16_t) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads one system register from hv_sys_reg_t. EL2 registers need an EL2-enabled VM, CNTP_* need a GIC, SMCR/SMPRI/TPIDR2 need SME hardware.
        fn hv_vcpu_get_sys_reg(vcpu: hv_vcpu_t, reg: hv_sys_reg_t, value: out u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Writes one system register from hv_sys_reg_t. EL2 registers need an EL2-enabled VM, CNTP_* need a GIC, SMCR/SMPRI/TPIDR2 need SME hardware.
        fn hv_vcpu_set_sys_reg(vcpu: hv_vcpu_t, reg: hv_sys_reg_t, value: u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads the injected IRQ/FIQ line state for the next run.
        fn hv_vcpu_get_pending_interrupt(vcpu: hv_vcpu_t, r#type: hv_interrupt_type_t, pending: out bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Sets virtual IRQ/FIQ for the next run. Auto-cleared when hv_vcpu_run returns, so it must be re-asserted before every run. Not for use with a framework GIC.
        fn hv_vcpu_set_pending_interrupt(vcpu: hv_vcpu_t, r#type: hv_interrupt_type_t, pending: bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Reports whether guest debug exceptions (BRK, breakpoint, watchpoint, software step, vector catch) exit to the VMM.
        fn hv_vcpu_get_trap_debug_exceptions(vcpu: hv_vcpu_t, value: out bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Selects whether guest debug exceptions (BRK, breakpoint, watchpoint, software step, vector catch) exit to the VMM.
        fn hv_vcpu_set_trap_debug_exceptions(vcpu: hv_vcpu_t, value: bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Reports whether guest accesses to DBGB/DBGW value/control registers and MDSCR_EL1 exit to the VMM.
        fn hv_vcpu_get_trap_debug_reg_accesses(vcpu: hv_vcpu_t, value: out bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Selects whether guest accesses to DBGB/DBGW value/control registers and MDSCR_EL1 exit to the VMM.
        fn hv_vcpu_set_trap_debug_reg_accesses(vcpu: hv_vcpu_t, value: bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Runs the vCPU until an exit or cancellation, then fills the exit structure. HV_SUCCESS only says that an exit was delivered.
        fn hv_vcpu_run(vcpu: hv_vcpu_t) -> hv_return_t  since macos 11.0  thread owner;

        /// Forces the listed vCPUs out of the guest. Sticky: a vCPU that is not running returns CANCELED from its next run at once. (NULL,0) is a silent no-op on arm64.
        fn hv_vcpus_exit(vcpus: *const hv_vcpu_t, vcpu_count: u32) -> hv_return_t  since macos 11.0  thread any;

        /// Cumulative guest execution time. Header unit: mach_absolute_time ticks (24 MHz); the web page says nanoseconds: the header is believed.
        fn hv_vcpu_get_exec_time(vcpu: hv_vcpu_t, time: out u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads the VTimer mask.
        fn hv_vcpu_get_vtimer_mask(vcpu: hv_vcpu_t, vtimer_is_masked: out bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Masked: no VTIMER_ACTIVATED exits. Set to true automatically on each such exit; the VMM clears it when the guest has deactivated the timer interrupt.
        fn hv_vcpu_set_vtimer_mask(vcpu: hv_vcpu_t, vtimer_is_masked: bool) -> hv_return_t  since macos 11.0  thread owner;

        /// Reads the virtual counter offset.
        fn hv_vcpu_get_vtimer_offset(vcpu: hv_vcpu_t, vtimer_offset: out u64) -> hv_return_t  since macos 11.0  thread owner;

        /// Guest CNTVCT_EL0 = mach_absolute_time - offset (i.e. CNTVOFF_EL2). Per vCPU: give all vCPUs the same value.
        fn hv_vcpu_set_vtimer_offset(vcpu: hv_vcpu_t, vtimer_offset: u64) -> hv_return_t  since macos 11.0  thread owner;

        // hv_vm_allocate.h

        /// Anonymous zeroed host memory suited for guest RAM; size is a multiple of the page size. (Available from 12.0 on x86_64.)
        fn hv_vm_allocate(uvap: out *mut c_void, size: usize, flags: hv_allocate_flags_t) -> hv_return_t  since macos 12.1  thread any;

        /// Frees memory obtained from hv_vm_allocate.
        fn hv_vm_deallocate(uva: *mut c_void, size: usize) -> hv_return_t  since macos 12.1  thread any;

        // hv_vm_config.h

        /// New VM configuration, caller owns a reference (os_release).
        fn hv_vm_config_create() -> hv_vm_config_t  since macos 13.0  thread any;

        /// Largest supported IPA width in bits (40 seen on M5 Pro).
        fn hv_vm_config_get_max_ipa_size(ipa_bit_length: out u32) -> hv_return_t  since macos 13.0  thread any;

        /// Default IPA width in bits (36 seen).
        fn hv_vm_config_get_default_ipa_size(ipa_bit_length: out u32) -> hv_return_t  since macos 13.0  thread any;

        /// Selects the IPA width; needed for more than 64 GiB of guest physical space.
        fn hv_vm_config_set_ipa_size(config: hv_vm_config_t, ipa_bit_length: u32) -> hv_return_t  since macos 13.0  thread any;

        /// Reads back the IPA width.
        fn hv_vm_config_get_ipa_size(config: hv_vm_config_t, ipa_bit_length: out u32) -> hv_return_t  since macos 13.0  thread any;

        /// Whether nested virtualization is possible on this host (M3 class and later).
        fn hv_vm_config_get_el2_supported(el2_supported: out bool) -> hv_return_t  since macos 15.0  thread any;

        /// Reads the EL2 switch. Default false.
        fn hv_vm_config_get_el2_enabled(config: hv_vm_config_t, el2_enabled: out bool) -> hv_return_t  since macos 15.0  thread any;

        /// Gives the guest an EL2. Check el2_supported first.
        fn hv_vm_config_set_el2_enabled(config: hv_vm_config_t, el2_enabled: bool) -> hv_return_t  since macos 15.0  thread any;

        // hv_gic_config.h

        /// New GIC configuration, caller owns a reference (os_release). Header comment asks for the VM to exist first; applevisor creates it earlier and that works.
        fn hv_gic_config_create() -> hv_gic_config_t  since macos 15.0  thread any;

        /// Distributor MMIO base; aligned to hv_gic_get_distributor_base_alignment.
        fn hv_gic_config_set_distributor_base(config: hv_gic_config_t, distributor_base_address: hv_ipa_t) -> hv_return_t  since macos 15.0  thread any;

        /// Base of the redistributor region (all vCPUs, contiguous); aligned to hv_gic_get_redistributor_base_alignment.
        fn hv_gic_config_set_redistributor_base(config: hv_gic_config_t, redistributor_base_address: hv_ipa_t) -> hv_return_t  since macos 15.0  thread any;

        /// GICv2m-style MSI frame base. Optional: only if MSIs are wanted.
        fn hv_gic_config_set_msi_region_base(config: hv_gic_config_t, msi_region_base_address: hv_ipa_t) -> hv_return_t  since macos 15.0  thread any;

        /// Subset of SPIs reserved for MSIs; those can no longer be driven with hv_gic_set_spi.
        fn hv_gic_config_set_msi_interrupt_range(config: hv_gic_config_t, msi_intid_base: u32, msi_intid_count: u32) -> hv_return_t  since macos 15.0  thread any;

        // hv_gic.h

        /// Creates the in-framework GICv3. Exactly one, after hv_vm_create and before the first hv_vcpu_create; lives until the VM is destroyed (no destroy call).
        fn hv_gic_create(gic_config: hv_gic_config_t) -> hv_return_t  since macos 15.0  thread any;

        /// Level SPI: level is the line state. Edge SPI: true makes it pending, false is ignored.
        fn hv_gic_set_spi(intid: u32, level: bool) -> hv_return_t  since macos 15.0  thread any;

        /// Delivers an MSI: address is the doorbell (MSI region base + 0x40), intid the data.
        fn hv_gic_send_msi(address: hv_ipa_t, intid: u32) -> hv_return_t  since macos 15.0  thread any;

        /// Reads a distributor register.
        fn hv_gic_get_distributor_reg(reg: hv_gic_distributor_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread any;

        /// Writes a distributor register.
        fn hv_gic_set_distributor_reg(reg: hv_gic_distributor_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread any;

        /// Frame base of the redistributor that belongs to this vCPU. Only meaningful once MPIDR_EL1 of the vCPU has been set.
        fn hv_gic_get_redistributor_base(vcpu: hv_vcpu_t, redistributor_base_address: out hv_ipa_t) -> hv_return_t  since macos 15.0  thread any;

        /// Reads a redistributor register.
        fn hv_gic_get_redistributor_reg(vcpu: hv_vcpu_t, reg: hv_gic_redistributor_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Writes a redistributor register.
        fn hv_gic_set_redistributor_reg(vcpu: hv_vcpu_t, reg: hv_gic_redistributor_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Reads an ICC CPU-interface register.
        fn hv_gic_get_icc_reg(vcpu: hv_vcpu_t, reg: hv_gic_icc_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Writes an ICC CPU-interface register.
        fn hv_gic_set_icc_reg(vcpu: hv_vcpu_t, reg: hv_gic_icc_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Reads an ICH register; EL2-enabled VM only.
        fn hv_gic_get_ich_reg(vcpu: hv_vcpu_t, reg: hv_gic_ich_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Writes an ICH register; EL2-enabled VM only.
        fn hv_gic_set_ich_reg(vcpu: hv_vcpu_t, reg: hv_gic_ich_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Reads an ICV register; EL2-enabled VM only.
        fn hv_gic_get_icv_reg(vcpu: hv_vcpu_t, reg: hv_gic_icv_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Writes an ICV register; EL2-enabled VM only.
        fn hv_gic_set_icv_reg(vcpu: hv_vcpu_t, reg: hv_gic_icv_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread owner;

        /// Reads an MSI frame register.
        fn hv_gic_get_msi_reg(reg: hv_gic_msi_reg_t, value: out u64) -> hv_return_t  since macos 15.0  thread any;

        /// Writes an MSI frame register.
        fn hv_gic_set_msi_reg(reg: hv_gic_msi_reg_t, value: u64) -> hv_return_t  since macos 15.0  thread any;

        /// Restores a blob taken with hv_gic_state_*. Only after hv_gic_create and creation of the vCPUs, before they run. CPU-interface (ICC/ICH/ICV) registers are not in the blob and are restored separately. May fail after a host OS update.
        fn hv_gic_set_state(gic_state_data: *const c_void, gic_state_size: usize) -> hv_return_t  since macos 15.0  thread any;

        /// Puts the GIC into reset state; call when the VM is reset. Header declares it with empty parentheses.
        fn hv_gic_reset() -> hv_return_t  since macos 15.0  thread any;

        // hv_gic_parameters.h

        /// Distributor region size (0x10000 observed).
        fn hv_gic_get_distributor_size(distributor_size: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Required alignment of the distributor base.
        fn hv_gic_get_distributor_base_alignment(distributor_base_alignment: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Total size of the redistributor region (0x2000000 observed).
        fn hv_gic_get_redistributor_region_size(redistributor_region_size: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Size of one redistributor (0x20000 observed).
        fn hv_gic_get_redistributor_size(redistributor_size: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Required alignment of the redistributor base.
        fn hv_gic_get_redistributor_base_alignment(redistributor_base_alignment: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Size of the MSI frame.
        fn hv_gic_get_msi_region_size(msi_region_size: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Required alignment of the MSI frame base.
        fn hv_gic_get_msi_region_base_alignment(msi_region_base_alignment: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// First SPI intid (32) and number of SPIs.
        fn hv_gic_get_spi_interrupt_range(spi_intid_base: out u32, spi_intid_count: out u32) -> hv_return_t  since macos 15.0  thread any;

        /// PPI number the framework uses for a built-in source.
        fn hv_gic_get_intid(interrupt: hv_gic_intid_t, intid: out u32) -> hv_return_t  since macos 15.0  thread any;

        // hv_gic_state.h

        /// Snapshot of the GIC device state (VM must be stopped); caller owns a reference (os_release). NULL-able result when it fails.
        fn hv_gic_state_create() -> hv_gic_state_t  since macos 15.0  thread any;

        /// Byte size of the blob.
        fn hv_gic_state_get_size(state: hv_gic_state_t, gic_state_size: out usize) -> hv_return_t  since macos 15.0  thread any;

        /// Copies the blob into caller memory of at least that size.
        fn hv_gic_state_get_data(state: hv_gic_state_t, gic_state_data: *mut c_void) -> hv_return_t  since macos 15.0  thread any;

        // hv_sme_config.h

        /// Maximum streaming vector length in bytes; size of a Z register buffer.
        fn hv_sme_config_get_max_svl_bytes(value: out usize) -> hv_return_t  since macos 15.2  thread any;

        // hv_vcpu.h

        /// Reads PSTATE.SM / PSTATE.ZA.
        fn hv_vcpu_get_sme_state(vcpu: hv_vcpu_t, sme_state: out hv_vcpu_sme_state_t) -> hv_return_t  since macos 15.2  thread owner;

        /// Writes PSTATE.SM / PSTATE.ZA. Any change of SM zeroes Z and P and sets FPSR bits: save first.
        fn hv_vcpu_set_sme_state(vcpu: hv_vcpu_t, sme_state: *const hv_vcpu_sme_state_t) -> hv_return_t  since macos 15.2  thread owner;

        /// Reads Zn: length = max SVL bytes; SM must be on.
        fn hv_vcpu_get_sme_z_reg(vcpu: hv_vcpu_t, reg: hv_sme_z_reg_t, value: *mut u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Writes Zn: length = max SVL bytes; SM must be on.
        fn hv_vcpu_set_sme_z_reg(vcpu: hv_vcpu_t, reg: hv_sme_z_reg_t, value: *const u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Reads Pn: length = max SVL bytes / 8; SM must be on.
        fn hv_vcpu_get_sme_p_reg(vcpu: hv_vcpu_t, reg: hv_sme_p_reg_t, value: *mut u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Writes Pn: length = max SVL bytes / 8; SM must be on.
        fn hv_vcpu_set_sme_p_reg(vcpu: hv_vcpu_t, reg: hv_sme_p_reg_t, value: *const u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Reads ZA: length = (max SVL bytes)^2; ZA must be on.
        fn hv_vcpu_get_sme_za_reg(vcpu: hv_vcpu_t, value: *mut u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Writes ZA: length = (max SVL bytes)^2; ZA must be on.
        fn hv_vcpu_set_sme_za_reg(vcpu: hv_vcpu_t, value: *const u8, length: usize) -> hv_return_t  since macos 15.2  thread owner;

        /// Reads ZT0 (64 bytes, SME2); ZA must be on.
        fn hv_vcpu_get_sme_zt0_reg(vcpu: hv_vcpu_t, value: out hv_sme_zt0_uchar64_t) -> hv_return_t  since macos 15.2  thread owner;

        /// Writes ZT0 (by pointer); ZA must be on.
        fn hv_vcpu_set_sme_zt0_reg(vcpu: hv_vcpu_t, value: *const hv_sme_zt0_uchar64_t) -> hv_return_t  since macos 15.2  thread owner;

        // hv_vm_config.h

        /// Default stage-2 granule.
        fn hv_vm_config_get_default_ipa_granule(granule: out hv_ipa_granule_t) -> hv_return_t  since macos 26.0  thread any;

        /// Reads the configured stage-2 granule.
        fn hv_vm_config_get_ipa_granule(config: hv_vm_config_t, granule: out hv_ipa_granule_t) -> hv_return_t  since macos 26.0  thread any;

        /// Whole-VM stage-2 granule, 4 KiB or 16 KiB; governs the alignment of map/unmap/protect.
        fn hv_vm_config_set_ipa_granule(config: hv_vm_config_t, granule: hv_ipa_granule_t) -> hv_return_t  since macos 26.0  thread any;

        // hv_vcpu.h

        /// Reads whether a virtual SError is pending.
        fn hv_vcpu_get_serror(vcpu: hv_vcpu_t, pending: out bool) -> hv_return_t  since macos 27.0  thread owner  unsure "27.0 SDK header not seen";

        /// Makes a virtual SError pending or not.
        fn hv_vcpu_set_serror(vcpu: hv_vcpu_t, pending: bool) -> hv_return_t  since macos 27.0  thread owner  unsure "27.0 SDK header not seen";

        /// Cumulative time the vCPU spent blocked in WFI inside the kernel, mach_absolute_time units.
        fn hv_vcpu_get_wait_for_interrupt_time(vcpu: hv_vcpu_t, time: out u64) -> hv_return_t  since macos 27.0  thread owner  unsure "27.0 SDK header not seen";

        /// Executes the named TLB invalidation for the guest; param is the TLBI operand (ignored by VMALLE1IS). On an EL2-enabled VM only entries of the guest hypervisor regime are covered.
        fn hv_vcpu_invalidate_tlb(vcpu: hv_vcpu_t, op: hv_tlbi_op_t, param: u64) -> hv_return_t  since macos 27.0  thread owner  unsure "27.0 SDK header not seen";
    }
}
