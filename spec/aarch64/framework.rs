//! Apple silicon: the C interface of Hypervisor.framework: types, constants and functions. The numbers of registers are in the tables
//! beside this one, under the names Apple gives them, and come from there.

#![allow(non_camel_case_types)]

pub use super::{
    feature::raw::*, gic_registers::raw::*, reg::raw::*, simd::raw::*, sysreg::raw::*,
};

xhv_macros::spec! {
    /// The framework on Apple silicon. Functions newer than macOS 11.0 are looked up at run time.
    ///
    /// Threads: `owner` functions must be called on the thread that created the vCPU, `any` ones may be called on any thread of the process,
    /// `binds` makes the calling thread the owner. Calls from a wrong thread are not reliably reported.
    framework Hypervisor on aarch64 since macos 11.0
        cite "hv_kern_types.h, hv_vm.h, hv_vm_types.h, hv_vm_config.h, hv_vm_allocate.h, hv_vcpu.h, hv_vcpu_types.h, hv_vcpu_config.h, hv_gic.h, hv_gic_types.h, hv_gic_config.h, hv_gic_parameters.h, hv_gic_state.h, hv_sme_config.h of the SDKs 11.3 to 26.4; Apple documentation for 27.0"
    {
        // Results.
        enum hv_return_t: i32 {
            0          HV_SUCCESS             "Done";
            0xfae94001 HV_ERROR               "Failure without details";
            0xfae94002 HV_BUSY                "The resource is taken: a second VM, a VM with vCPUs, a thread that has a vCPU";
            0xfae94003 HV_BAD_ARGUMENT        "An argument is wrong: alignment, number, length";
            0xfae94004 HV_ILLEGAL_GUEST_STATE "The guest cannot be entered in this state";
            0xfae94005 HV_NO_RESOURCES        "The host has no more";
            0xfae94006 HV_NO_DEVICE           "There is no such VM, vCPU or device";
            0xfae94007 HV_DENIED              "The entitlement is missing";
            0xfae94008 HV_EXISTS              since macos 26.0 unsure "absent in the 15.x SDKs, present in 26.4" "It exists already; on Intel the number is HV_FAULT";
            0xfae9400f HV_UNSUPPORTED         "This host, system or configuration does not have it";
        } "Result of a call: success or an error number";

        // Objects and addresses.
        type hv_vcpu_t               = u64 "A vCPU of the VM: small integers from 0, used again";
        type hv_ipa_t                = u64 "Guest-physical address";
        type hv_exception_syndrome_t = u64 "In the layout of ESR_EL2";
        type hv_exception_address_t  = u64 "What FAR_EL2 says";
        opaque hv_vm_config_t                    "VM configuration, a counted OS object";
        opaque hv_vcpu_config_t                  "vCPU configuration, a counted OS object";
        opaque hv_gic_config_t  since macos 15.0 "GIC configuration, a counted OS object";
        opaque hv_gic_state_t   since macos 15.0 "State of a GIC, a counted OS object";
        vector hv_simd_fp_uchar16_t size 16 align 16                  "A Q register; by value it travels in V0";
        vector hv_sme_zt0_uchar64_t size 64 align 16 since macos 15.2 "ZT0; only ever behind a pointer";

        // Register numbers: their names are in `reg`, `simd`, `sysreg`, `feature` and `gic_registers`.
        type hv_reg_t                   = u32                  "General register; 31 is PC, not the zero register";
        type hv_simd_fp_reg_t           = u32                  "Q register";
        type hv_sys_reg_t               = u16                  "System register: op0[15:14] op1[13:11] CRn[10:7] CRm[6:3] op2[2:0]";
        type hv_feature_reg_t           = u32                  "Feature register";
        type hv_gic_distributor_reg_t   = u16 since macos 15.0 "Offset in the distributor";
        type hv_gic_redistributor_reg_t = u32 since macos 15.0 "Offset from RD_base";
        type hv_gic_icc_reg_t           = u16 since macos 15.0 "CPU interface register, packed as `hv_sys_reg_t`";
        type hv_gic_ich_reg_t           = u16 since macos 15.0 "Hypervisor interface register, packed as `hv_sys_reg_t`";
        type hv_gic_icv_reg_t           = u16 since macos 15.0 "Virtual CPU interface register, packed as `hv_sys_reg_t`";
        type hv_gic_msi_reg_t           = u16 since macos 15.0 "Offset in the MSI frame";

        // Options and flags.
        flags hv_memory_flags_t: u64 {
            1 HV_MEMORY_READ  "Data reads";
            2 HV_MEMORY_WRITE "Data writes";
            4 HV_MEMORY_EXEC  "Instruction fetches";
        } "What the guest may do with mapped memory";
        flags hv_allocate_flags_t: u64 {
            0 HV_ALLOCATE_DEFAULT "None";
        } since macos 12.1 "How memory is allocated";
        enum hv_ipa_granule_t: u32 {
            0 HV_IPA_GRANULE_4KB  "4 KiB";
            1 HV_IPA_GRANULE_16KB "16 KiB";
        } since macos 26.0 "Granule of stage 2";
        enum hv_cache_type_t: u32 {
            0 HV_CACHE_TYPE_DATA        "Data and unified caches";
            1 HV_CACHE_TYPE_INSTRUCTION "Instruction caches";
        } "Kind of caches";
        enum hv_interrupt_type_t: u32 {
            0 HV_INTERRUPT_TYPE_IRQ "IRQ";
            1 HV_INTERRUPT_TYPE_FIQ "FIQ";
        } "Interrupt line of a vCPU";
        enum hv_tlbi_op_t: u32 {
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
        } since macos 27.0 unsure "no SDK 27 header was seen: the width is assumed, the numbers are from one dump" "TLB invalidation: CRm << 3 | op2 of the instruction";
        enum hv_gic_intid_t: u16 {
            23 HV_GIC_INT_PERFORMANCE_MONITOR "Performance monitor";
            25 HV_GIC_INT_MAINTENANCE         "GIC maintenance, with EL2";
            26 HV_GIC_INT_EL2_PHYSICAL_TIMER  "EL2 physical timer, with EL2";
            27 HV_GIC_INT_EL1_VIRTUAL_TIMER   "EL1 virtual timer";
            30 HV_GIC_INT_EL1_PHYSICAL_TIMER  "EL1 physical timer";
        } since macos 15.0 "PPI of a built-in source";

        // Exits.
        enum hv_exit_reason_t: u32 {
            0 HV_EXIT_REASON_CANCELED         "`hv_vcpus_exit` took effect";
            1 HV_EXIT_REASON_EXCEPTION        "The guest trapped";
            2 HV_EXIT_REASON_VTIMER_ACTIVATED "The virtual timer fired and is masked now";
            3 HV_EXIT_REASON_UNKNOWN          "Unexpected: run again";
        } "Why a run ended; open: later systems may add reasons";
        struct hv_vcpu_exit_exception_t size 24 align 8 {
            0  syndrome:         hv_exception_syndrome_t "In the layout of ESR_EL2";
            8  virtual_address:  hv_exception_address_t  "What FAR_EL2 says";
            16 physical_address: hv_ipa_t                "The full guest-physical address";
        } "Details of HV_EXIT_REASON_EXCEPTION";
        struct hv_vcpu_exit_t size 32 align 8 {
            0  reason:           hv_exit_reason_t         "Why";
            8  exception:        hv_vcpu_exit_exception_t "For HV_EXIT_REASON_EXCEPTION only";
        } "What a run came back with: memory of the framework, written by each run, gone with the vCPU";

        // SME.
        enum hv_sme_z_reg_t: u32 {
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
        } since macos 15.2 "Z register";
        enum hv_sme_p_reg_t: u32 {
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
        } since macos 15.2 "P register";
        struct hv_vcpu_sme_state_t size 2 align 1 {
            0 streaming_sve_mode_enabled: bool "PSTATE.SM";
            1 za_storage_enabled:         bool "PSTATE.ZA";
        } since macos 15.2 "What of SME is on";

        // hv_vm.h.
        fn hv_vm_get_max_vcpu_count(max_vcpu_count: out u32) -> hv_return_t thread any "vCPUs that a VM can have; 64 was seen";
        fn hv_vm_create(config: hv_vm_config_t) -> hv_return_t thread any "Makes the one VM of this process; null is the default configuration. HV_BUSY if there is one, or was a moment ago";
        fn hv_vm_destroy() -> hv_return_t thread any "Ends the VM; destroy its vCPUs first";
        fn hv_vm_map(addr: *mut void, ipa: hv_ipa_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any "Shows memory of this process to the guest; address, guest address and size are multiples of the granule, and the memory stays until it is unmapped";
        fn hv_vm_unmap(ipa: hv_ipa_t, size: usize) -> hv_return_t thread any "Hides a range from the guest";
        fn hv_vm_protect(ipa: hv_ipa_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any "Changes what the guest may do with a mapped range; 0 is nothing";

        // hv_vcpu_config.h.
        fn hv_vcpu_config_create() -> hv_vcpu_config_t thread any "A vCPU configuration, with one reference";
        fn hv_vcpu_config_get_feature_reg(config: hv_vcpu_config_t, feature_reg: hv_feature_reg_t, value: out u64) -> hv_return_t thread any "What a feature register will be in such vCPUs";
        fn hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config: hv_vcpu_config_t, cache_type: hv_cache_type_t, values: out [u64; 8]) -> hv_return_t thread any "CCSIDR_EL1 of cache levels 1 to 8: always eight values";

        // hv_vcpu.h.
        fn hv_vcpu_create(vcpu: out hv_vcpu_t, exit: out *mut hv_vcpu_exit_t, config: hv_vcpu_config_t) -> hv_return_t thread binds "Makes a vCPU, which belongs to the calling thread: one for each. The exit structure is valid until it is destroyed";
        fn hv_vcpu_destroy(vcpu: hv_vcpu_t) -> hv_return_t thread owner "Ends the vCPU of the calling thread";
        fn hv_vcpu_get_reg(vcpu: hv_vcpu_t, reg: hv_reg_t, value: out u64) -> hv_return_t thread owner "Reads a general register; SP is among the system registers";
        fn hv_vcpu_set_reg(vcpu: hv_vcpu_t, reg: hv_reg_t, value: u64) -> hv_return_t thread owner "Writes a general register";
        fn hv_vcpu_get_simd_fp_reg(vcpu: hv_vcpu_t, reg: hv_simd_fp_reg_t, value: out hv_simd_fp_uchar16_t) -> hv_return_t thread owner "Reads a Q register; the place is aligned to 16 bytes";
        fn hv_vcpu_set_simd_fp_reg(vcpu: hv_vcpu_t, reg: hv_simd_fp_reg_t, value: hv_simd_fp_uchar16_t) -> hv_return_t thread owner "Writes a Q register; the value travels in V0, where an integer of the same size would not";
        fn hv_vcpu_get_sys_reg(vcpu: hv_vcpu_t, reg: hv_sys_reg_t, value: out u64) -> hv_return_t thread owner "Reads a system register; some need EL2, a GIC or SME";
        fn hv_vcpu_set_sys_reg(vcpu: hv_vcpu_t, reg: hv_sys_reg_t, value: u64) -> hv_return_t thread owner "Writes a system register";
        fn hv_vcpu_get_pending_interrupt(vcpu: hv_vcpu_t, kind: hv_interrupt_type_t, pending: out bool) -> hv_return_t thread owner "Whether an interrupt is asserted for the next run";
        fn hv_vcpu_set_pending_interrupt(vcpu: hv_vcpu_t, kind: hv_interrupt_type_t, pending: bool) -> hv_return_t thread owner "Asserts an interrupt for the next run only; not with a GIC";
        fn hv_vcpu_get_trap_debug_exceptions(vcpu: hv_vcpu_t, value: out bool) -> hv_return_t thread owner "Whether debug exceptions of the guest are exits";
        fn hv_vcpu_set_trap_debug_exceptions(vcpu: hv_vcpu_t, value: bool) -> hv_return_t thread owner "Makes debug exceptions of the guest exits";
        fn hv_vcpu_get_trap_debug_reg_accesses(vcpu: hv_vcpu_t, value: out bool) -> hv_return_t thread owner "Whether accesses to debug registers are exits";
        fn hv_vcpu_set_trap_debug_reg_accesses(vcpu: hv_vcpu_t, value: bool) -> hv_return_t thread owner "Makes accesses to debug registers exits";
        fn hv_vcpu_run(vcpu: hv_vcpu_t) -> hv_return_t thread owner "Runs the guest until an exit; success says only that there was one";
        fn hv_vcpus_exit(vcpus: *mut hv_vcpu_t, vcpu_count: u32) -> hv_return_t thread any "Makes vCPUs leave the guest; one that does not run leaves its next run at once";
        fn hv_vcpu_get_exec_time(vcpu: hv_vcpu_t, time: out u64) -> hv_return_t thread owner "Time in the guest so far, in ticks of mach absolute time";
        fn hv_vcpu_get_vtimer_mask(vcpu: hv_vcpu_t, vtimer_is_masked: out bool) -> hv_return_t thread owner "Whether the virtual timer is masked";
        fn hv_vcpu_set_vtimer_mask(vcpu: hv_vcpu_t, vtimer_is_masked: bool) -> hv_return_t thread owner "Masks the virtual timer; it is masked by itself at each of its exits";
        fn hv_vcpu_get_vtimer_offset(vcpu: hv_vcpu_t, vtimer_offset: out u64) -> hv_return_t thread owner "What CNTVCT_EL0 lags behind mach absolute time";
        fn hv_vcpu_set_vtimer_offset(vcpu: hv_vcpu_t, vtimer_offset: u64) -> hv_return_t thread owner "Sets what CNTVCT_EL0 lags behind mach absolute time; the same on all vCPUs";

        // hv_vm_allocate.h.
        fn hv_vm_allocate(uvap: out *mut void, size: usize, flags: hv_allocate_flags_t) -> hv_return_t thread any since macos 12.1 "Zeroed memory for guests; the size is a multiple of the page size";
        fn hv_vm_deallocate(uva: *mut void, size: usize) -> hv_return_t thread any since macos 12.1 "Gives it back";

        // hv_vm_config.h.
        fn hv_vm_config_create() -> hv_vm_config_t thread any since macos 13.0 "A VM configuration, with one reference";
        fn hv_vm_config_get_max_ipa_size(ipa_bit_length: out u32) -> hv_return_t thread any since macos 13.0 "Largest width of guest-physical addresses, in bits";
        fn hv_vm_config_get_default_ipa_size(ipa_bit_length: out u32) -> hv_return_t thread any since macos 13.0 "Default width of guest-physical addresses, in bits";
        fn hv_vm_config_set_ipa_size(config: hv_vm_config_t, ipa_bit_length: u32) -> hv_return_t thread any since macos 13.0 "Chooses the width of guest-physical addresses; 0 is the default";
        fn hv_vm_config_get_ipa_size(config: hv_vm_config_t, ipa_bit_length: out u32) -> hv_return_t thread any since macos 13.0 "The chosen width";
        fn hv_vm_config_get_el2_supported(el2_supported: out bool) -> hv_return_t thread any since macos 15.0 "Whether guests can have an EL2 on this host";
        fn hv_vm_config_get_el2_enabled(config: hv_vm_config_t, el2_enabled: out bool) -> hv_return_t thread any since macos 15.0 "Whether the guest will have one";
        fn hv_vm_config_set_el2_enabled(config: hv_vm_config_t, el2_enabled: bool) -> hv_return_t thread any since macos 15.0 "Gives the guest an EL2";

        // hv_gic_config.h.
        fn hv_gic_config_create() -> hv_gic_config_t thread any since macos 15.0 "A GIC configuration, with one reference; after the VM";
        fn hv_gic_config_set_distributor_base(config: hv_gic_config_t, distributor_base_address: hv_ipa_t) -> hv_return_t thread any since macos 15.0 "Where the distributor is";
        fn hv_gic_config_set_redistributor_base(config: hv_gic_config_t, redistributor_base_address: hv_ipa_t) -> hv_return_t thread any since macos 15.0 "Where the redistributors of all vCPUs are";
        fn hv_gic_config_set_msi_region_base(config: hv_gic_config_t, msi_region_base_address: hv_ipa_t) -> hv_return_t thread any since macos 15.0 "Where the MSI frame is; with an interrupt range only";
        fn hv_gic_config_set_msi_interrupt_range(config: hv_gic_config_t, msi_intid_base: u32, msi_intid_count: u32) -> hv_return_t thread any since macos 15.0 "SPIs that the MSI frame takes; they are no lines any more";

        // hv_gic.h.
        fn hv_gic_create(gic_config: hv_gic_config_t) -> hv_return_t thread any since macos 15.0 "Makes the GIC: one, after the VM and before any vCPU";
        fn hv_gic_set_spi(intid: u32, level: bool) -> hv_return_t thread any since macos 15.0 "Level-triggered: sets the line. Edge-triggered: true triggers";
        fn hv_gic_send_msi(address: hv_ipa_t, intid: u32) -> hv_return_t thread any since macos 15.0 "Delivers a message: the doorbell and the interrupt id";
        fn hv_gic_get_distributor_reg(reg: hv_gic_distributor_reg_t, value: out u64) -> hv_return_t thread any since macos 15.0 "Reads a distributor register";
        fn hv_gic_set_distributor_reg(reg: hv_gic_distributor_reg_t, value: u64) -> hv_return_t thread any since macos 15.0 "Writes a distributor register";
        fn hv_gic_get_redistributor_base(vcpu: hv_vcpu_t, redistributor_base_address: out hv_ipa_t) -> hv_return_t thread any since macos 15.0 "Where a vCPU's redistributor is, once its MPIDR_EL1 is set";
        fn hv_gic_get_redistributor_reg(vcpu: hv_vcpu_t, reg: hv_gic_redistributor_reg_t, value: out u64) -> hv_return_t thread owner since macos 15.0 "Reads a redistributor register";
        fn hv_gic_set_redistributor_reg(vcpu: hv_vcpu_t, reg: hv_gic_redistributor_reg_t, value: u64) -> hv_return_t thread owner since macos 15.0 "Writes a redistributor register";
        fn hv_gic_get_icc_reg(vcpu: hv_vcpu_t, reg: hv_gic_icc_reg_t, value: out u64) -> hv_return_t thread owner since macos 15.0 "Reads a CPU interface register";
        fn hv_gic_set_icc_reg(vcpu: hv_vcpu_t, reg: hv_gic_icc_reg_t, value: u64) -> hv_return_t thread owner since macos 15.0 "Writes a CPU interface register";
        fn hv_gic_get_ich_reg(vcpu: hv_vcpu_t, reg: hv_gic_ich_reg_t, value: out u64) -> hv_return_t thread owner since macos 15.0 "Reads a hypervisor interface register; with EL2";
        fn hv_gic_set_ich_reg(vcpu: hv_vcpu_t, reg: hv_gic_ich_reg_t, value: u64) -> hv_return_t thread owner since macos 15.0 "Writes a hypervisor interface register; with EL2";
        fn hv_gic_get_icv_reg(vcpu: hv_vcpu_t, reg: hv_gic_icv_reg_t, value: out u64) -> hv_return_t thread owner since macos 15.0 "Reads a virtual CPU interface register; with EL2";
        fn hv_gic_set_icv_reg(vcpu: hv_vcpu_t, reg: hv_gic_icv_reg_t, value: u64) -> hv_return_t thread owner since macos 15.0 "Writes a virtual CPU interface register; with EL2";
        fn hv_gic_get_msi_reg(reg: hv_gic_msi_reg_t, value: out u64) -> hv_return_t thread any since macos 15.0 "Reads a register of the MSI frame";
        fn hv_gic_set_msi_reg(reg: hv_gic_msi_reg_t, value: u64) -> hv_return_t thread any since macos 15.0 "Writes a register of the MSI frame";
        fn hv_gic_set_state(gic_state_data: *const void, gic_state_size: usize) -> hv_return_t thread any since macos 15.0 "Restores saved state: after all vCPUs were made, before any runs; CPU interfaces apart";
        fn hv_gic_reset() -> hv_return_t thread any since macos 15.0 "Resets the GIC, as the VM is";

        // hv_gic_parameters.h.
        fn hv_gic_get_distributor_size(distributor_size: out usize) -> hv_return_t thread any since macos 15.0 "Bytes of the distributor";
        fn hv_gic_get_distributor_base_alignment(distributor_base_alignment: out usize) -> hv_return_t thread any since macos 15.0 "Alignment of the distributor";
        fn hv_gic_get_redistributor_region_size(redistributor_region_size: out usize) -> hv_return_t thread any since macos 15.0 "Bytes of all redistributors";
        fn hv_gic_get_redistributor_size(redistributor_size: out usize) -> hv_return_t thread any since macos 15.0 "Bytes of one redistributor";
        fn hv_gic_get_redistributor_base_alignment(redistributor_base_alignment: out usize) -> hv_return_t thread any since macos 15.0 "Alignment of the redistributors";
        fn hv_gic_get_msi_region_size(msi_region_size: out usize) -> hv_return_t thread any since macos 15.0 "Bytes of the MSI frame";
        fn hv_gic_get_msi_region_base_alignment(msi_region_base_alignment: out usize) -> hv_return_t thread any since macos 15.0 "Alignment of the MSI frame";
        fn hv_gic_get_spi_interrupt_range(spi_intid_base: out u32, spi_intid_count: out u32) -> hv_return_t thread any since macos 15.0 "First SPI and number of SPIs";
        fn hv_gic_get_intid(interrupt: hv_gic_intid_t, intid: out u32) -> hv_return_t thread any since macos 15.0 "PPI of a built-in source";

        // hv_gic_state.h.
        fn hv_gic_state_create() -> hv_gic_state_t thread any since macos 15.0 "State of the GIC, with one reference; null if it fails. No vCPU may run";
        fn hv_gic_state_get_size(state: hv_gic_state_t, gic_state_size: out usize) -> hv_return_t thread any since macos 15.0 "Bytes of the state";
        fn hv_gic_state_get_data(state: hv_gic_state_t, gic_state_data: *mut void) -> hv_return_t thread any since macos 15.0 "Copies the state out";

        // hv_sme_config.h.
        fn hv_sme_config_get_max_svl_bytes(value: out usize) -> hv_return_t thread any since macos 15.2 "Largest streaming vector length, in bytes";

        // hv_vcpu.h.
        fn hv_vcpu_get_sme_state(vcpu: hv_vcpu_t, sme_state: out hv_vcpu_sme_state_t) -> hv_return_t thread owner since macos 15.2 "What of SME is on";
        fn hv_vcpu_set_sme_state(vcpu: hv_vcpu_t, sme_state: ref hv_vcpu_sme_state_t) -> hv_return_t thread owner since macos 15.2 "Switches SME; a change of SM zeroes Z and P and sets bits of FPSR";
        fn hv_vcpu_get_sme_z_reg(vcpu: hv_vcpu_t, reg: hv_sme_z_reg_t, value: *mut u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Reads a Z register: SVL bytes, with SM on";
        fn hv_vcpu_set_sme_z_reg(vcpu: hv_vcpu_t, reg: hv_sme_z_reg_t, value: *const u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Writes a Z register: SVL bytes, with SM on";
        fn hv_vcpu_get_sme_p_reg(vcpu: hv_vcpu_t, reg: hv_sme_p_reg_t, value: *mut u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Reads a P register: SVL / 8 bytes, with SM on";
        fn hv_vcpu_set_sme_p_reg(vcpu: hv_vcpu_t, reg: hv_sme_p_reg_t, value: *const u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Writes a P register: SVL / 8 bytes, with SM on";
        fn hv_vcpu_get_sme_za_reg(vcpu: hv_vcpu_t, value: *mut u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Reads ZA: SVL squared bytes, with ZA on";
        fn hv_vcpu_set_sme_za_reg(vcpu: hv_vcpu_t, value: *const u8, length: usize) -> hv_return_t thread owner since macos 15.2 "Writes ZA: SVL squared bytes, with ZA on";
        fn hv_vcpu_get_sme_zt0_reg(vcpu: hv_vcpu_t, value: out hv_sme_zt0_uchar64_t) -> hv_return_t thread owner since macos 15.2 "Reads ZT0, with ZA on";
        fn hv_vcpu_set_sme_zt0_reg(vcpu: hv_vcpu_t, value: ref hv_sme_zt0_uchar64_t) -> hv_return_t thread owner since macos 15.2 "Writes ZT0, with ZA on";

        // hv_vm_config.h.
        fn hv_vm_config_get_default_ipa_granule(granule: out hv_ipa_granule_t) -> hv_return_t thread any since macos 26.0 "Default granule of stage 2";
        fn hv_vm_config_get_ipa_granule(config: hv_vm_config_t, granule: out hv_ipa_granule_t) -> hv_return_t thread any since macos 26.0 "The chosen granule";
        fn hv_vm_config_set_ipa_granule(config: hv_vm_config_t, granule: hv_ipa_granule_t) -> hv_return_t thread any since macos 26.0 "Chooses the granule of stage 2, to which maps are aligned";

        // hv_vcpu.h (27.0).
        fn hv_vcpu_get_serror(vcpu: hv_vcpu_t, pending: out bool) -> hv_return_t thread owner since macos 27.0 unsure "no SDK 27 header was seen" "Whether a virtual SError is pending";
        fn hv_vcpu_set_serror(vcpu: hv_vcpu_t, pending: bool) -> hv_return_t thread owner since macos 27.0 unsure "no SDK 27 header was seen" "Makes a virtual SError pending";
        fn hv_vcpu_get_wait_for_interrupt_time(vcpu: hv_vcpu_t, time: out u64) -> hv_return_t thread owner since macos 27.0 unsure "no SDK 27 header was seen" "Time spent waiting for interrupts inside the kernel, in ticks of mach absolute time";
        fn hv_vcpu_invalidate_tlb(vcpu: hv_vcpu_t, op: hv_tlbi_op_t, param: u64) -> hv_return_t thread owner since macos 27.0 unsure "no SDK 27 header was seen" "Executes a TLB invalidation for the guest";
    }
}
