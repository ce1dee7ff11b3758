//! x86: what the host can do, and the layout of the VMX capability words; `controls` are judged by it.

use super::reg::{Cr0, Cr4};

xhv_macros::spec! {
    /// What a control word may be: `value = (wanted | allowed0) & allowed1`.
    fields AllowedSettings: u64
        cite "Intel SDM vol. 3, A.2 to A.5, VM-execution, VM-exit and VM-entry control capabilities"
    {
        [63:32] ALLOWED1 "0: the control must be 0";
        [31:0]  ALLOWED0 "1: the control must be 1";
    }

    /// Basic facts about the processor's VMX.
    fields VmxBasic: u64
        cite "Intel SDM vol. 3, A.1, Basic VMX Information"
    {
        [63:57] res0;
        [56]    NO_ERROR_CODE_CHECK  "Any hardware exception may be injected with or without an error code";
        [55]    TRUE_CONTROLS        "The TRUE capability MSRs exist";
        [54]    INS_OUTS_INFORMATION "Exits by INS and OUTS come with instruction information";
        [53:50] MEMORY_TYPE          "Memory type of the VMCS: 6 for write-back";
        [49]    DUAL_MONITOR         "Dual-monitor treatment of SMM";
        [48]    WIDTH_32             "Physical addresses of VMX structures have 32 bits";
        [47:45] res0;
        [44:32] REGION_SIZE          "Size of the VMCS region in bytes";
        [31]    res0;
        [30:0]  REVISION             "VMCS revision identifier";
    }

    /// Miscellaneous facts about the processor's VMX.
    fields VmxMisc: u64
        cite "Intel SDM vol. 3, A.6, Miscellaneous Data"
    {
        [63:32] MSEG_REVISION         "MSEG revision identifier";
        [31]    res0;
        [30]    ZERO_LENGTH_INJECTION "Software events may be injected with instruction length 0";
        [29]    VMWRITE_ANY           "VMWRITE reaches every field, read-only ones too";
        [28]    SMM_MONITOR_CTL       "IA32_SMM_MONITOR_CTL bit 2 may be set";
        [27:25] MSR_LIST              "Longest recommended MSR list: 512 * (n + 1) entries";
        [24:16] CR3_TARGETS           "Number of CR3-target values";
        [15]    RDMSR_SMBASE          "IA32_SMBASE can be read in SMM";
        [14]    PT_IN_VMX             "Intel PT in VMX operation";
        [13:9]  res0;
        [8]     WAIT_FOR_SIPI         "Activity state wait-for-SIPI";
        [7]     SHUTDOWN              "Activity state shutdown";
        [6]     HLT                   "Activity state HLT";
        [5]     EFER_LMA_STORE        "Exits store EFER.LMA into the IA-32e entry control";
        [4:0]   TIMER_SHIFT           "The VMX-preemption timer ticks every 2^n TSC ticks";
    }

    /// The highest index of any VMCS field.
    fields VmcsEnum: u64
        cite "Intel SDM vol. 3, A.9, VMCS Enumeration"
    {
        [63:10] res0;
        [9:1]   HIGHEST_INDEX "Highest value of bits 9:1 of a field encoding";
        [0]     res0;
    }

    /// What EPT and VPID of the processor can do.
    fields EptVpidCap: u64
        cite "Intel SDM vol. 3, A.10, VPID and EPT Capabilities"
    {
        [63:44] res0;
        [43]    INVVPID_SINGLE_KEEP_GLOBAL "INVVPID of one context, global translations kept";
        [42]    INVVPID_ALL                "INVVPID of all contexts";
        [41]    INVVPID_SINGLE             "INVVPID of one context";
        [40]    INVVPID_ADDRESS            "INVVPID of one address";
        [39:33] res0;
        [32]    INVVPID                    "INVVPID";
        [31:27] res0;
        [26]    INVEPT_ALL                 "INVEPT of all contexts";
        [25]    INVEPT_SINGLE              "INVEPT of one context";
        [24]    res0;
        [23]    SUPERVISOR_SHADOW_STACK    "EPT entries control supervisor shadow stacks";
        [22]    ADVANCED_EXIT_INFORMATION  "EPT violations tell about the guest's own rights";
        [21]    ACCESSED_DIRTY             "Accessed and dirty flags";
        [20]    INVEPT                     "INVEPT";
        [19:18] res0;
        [17]    PAGE_1G                    "1-GiB pages";
        [16]    PAGE_2M                    "2-MiB pages";
        [15]    res0;
        [14]    WRITE_BACK                 "Structures may be write-back";
        [13:9]  res0;
        [8]     UNCACHEABLE                "Structures may be uncacheable";
        [7]     WALK_5                     "5-level tables";
        [6]     WALK_4                     "4-level tables";
        [5:1]   res0;
        [0]     EXECUTE_ONLY               "Execute-only pages";
    }

    /// What `hv_vmx_read_capability` tells of the host.
    ///
    /// The framework removes what it keeps to itself; the rows that begin with `TRUE_` are the processor's own.
    capabilities
        cite "Intel SDM vol. 3, appendix A; hv_arch_vmx.h, hv_vmx_capability_t"
    {
        //   name              type                    Apple's name                  since               what it tells
        0x00 PINBASED:         u64  as AllowedSettings = HV_VMX_CAP_PINBASED                             "Pin-based controls";
        0x01 PROCBASED:        u64  as AllowedSettings = HV_VMX_CAP_PROCBASED                            "Primary processor-based controls";
        0x02 PROCBASED2:       u64  as AllowedSettings = HV_VMX_CAP_PROCBASED2                           "Secondary processor-based controls";
        0x03 ENTRY:            u64  as AllowedSettings = HV_VMX_CAP_ENTRY                                "VM-entry controls";
        0x04 EXIT:             u64  as AllowedSettings = HV_VMX_CAP_EXIT             since macos 10.10.3 "VM-exit controls";
        0x05 BASIC:            u64  as VmxBasic        = HV_VMX_CAP_BASIC            since macos 11.0    "IA32_VMX_BASIC";
        0x06 TRUE_PINBASED:    u64  as AllowedSettings = HV_VMX_CAP_TRUE_PINBASED    since macos 11.0    "Pin-based controls of the processor";
        0x07 TRUE_PROCBASED:   u64  as AllowedSettings = HV_VMX_CAP_TRUE_PROCBASED   since macos 11.0    "Primary processor-based controls of the processor";
        0x08 TRUE_ENTRY:       u64  as AllowedSettings = HV_VMX_CAP_TRUE_ENTRY       since macos 11.0    "VM-entry controls of the processor";
        0x09 TRUE_EXIT:        u64  as AllowedSettings = HV_VMX_CAP_TRUE_EXIT        since macos 11.0    "VM-exit controls of the processor";
        0x0a MISC:             u64  as VmxMisc         = HV_VMX_CAP_MISC             since macos 11.0    "IA32_VMX_MISC";
        0x0b CR0_FIXED0:       u64  as Cr0             = HV_VMX_CAP_CR0_FIXED0       since macos 11.0    "CR0 bits that must be 1";
        0x0c CR0_FIXED1:       u64  as Cr0             = HV_VMX_CAP_CR0_FIXED1       since macos 11.0    "CR0 bits that may be 1";
        0x0d CR4_FIXED0:       u64  as Cr4             = HV_VMX_CAP_CR4_FIXED0       since macos 11.0    "CR4 bits that must be 1";
        0x0e CR4_FIXED1:       u64  as Cr4             = HV_VMX_CAP_CR4_FIXED1       since macos 11.0    "CR4 bits that may be 1";
        0x0f VMCS_ENUM:        u64  as VmcsEnum        = HV_VMX_CAP_VMCS_ENUM        since macos 11.0    "IA32_VMX_VMCS_ENUM";
        0x10 EPT_VPID_CAP:     u64  as EptVpidCap      = HV_VMX_CAP_EPT_VPID_CAP     since macos 11.0    "IA32_VMX_EPT_VPID_CAP";
        0x20 PREEMPTION_TIMER: u64                     = HV_VMX_CAP_PREEMPTION_TIMER since macos 10.10.3 "Frequency of the VMX-preemption timer, in Hz";
    }
}
