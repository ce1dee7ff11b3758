//! x86: the bits of the VMX control words; `vmcs` has the fields, `capabilities` says which bits a host permits.

use super::{capabilities, vmcs};

xhv_macros::spec! {
    /// Asynchronous events.
    controls PinBasedControls: u32 of vmcs::PIN_BASED_CONTROLS  capability capabilities::PINBASED  default1 0x16 true_default1 0x16
        cite "Intel SDM vol. 3, Pin-Based VM-Execution Controls; hv_arch_vmx.h"
    {
        // name                          Apple's name                 meaning when set
        0  EXTERNAL_INTERRUPT_EXITING    = PIN_BASED_INTR             "Host interrupts exit; the framework sets it";
        3  NMI_EXITING                   = PIN_BASED_NMI              "NMIs exit";
        5  VIRTUAL_NMIS                  = PIN_BASED_VIRTUAL_NMI      "Virtual NMI blocking is tracked; needs NMI exiting";
        6  ACTIVATE_VMX_PREEMPTION_TIMER = PIN_BASED_PREEMPTION_TIMER "The VMX-preemption timer runs in the guest and exits at zero";
        7  PROCESS_POSTED_INTERRUPTS     = PIN_BASED_POSTED_INTR      "The notification vector posts interrupts instead of exiting";
    }

    /// Synchronous events: instructions.
    controls PrimaryProcessorBasedControls: u32 of vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS  capability capabilities::PROCBASED  default1 0x0401_e172 true_default1 0x0400_6172
        cite "Intel SDM vol. 3, Primary Processor-Based VM-Execution Controls; hv_arch_vmx.h"
    {
        // name                        Apple's name                meaning when set
        2  INTERRUPT_WINDOW_EXITING    = CPU_BASED_IRQ_WND         "Exit as soon as the guest could take an interrupt";
        3  USE_TSC_OFFSETTING          = CPU_BASED_TSC_OFFSET      "RDTSC, RDTSCP and RDMSR of the TSC add TSC_OFFSET";
        7  HLT_EXITING                 = CPU_BASED_HLT             "HLT exits";
        9  INVLPG_EXITING              = CPU_BASED_INVLPG          "INVLPG exits; so does INVPCID";
        10 MWAIT_EXITING               = CPU_BASED_MWAIT           "MWAIT exits";
        11 RDPMC_EXITING               = CPU_BASED_RDPMC           "RDPMC exits";
        12 RDTSC_EXITING               = CPU_BASED_RDTSC           "RDTSC exits; so do RDTSCP, UMWAIT and TPAUSE";
        15 CR3_LOAD_EXITING            = CPU_BASED_CR3_LOAD        "MOV to CR3 exits, except for a CR3-target value";
        16 CR3_STORE_EXITING           = CPU_BASED_CR3_STORE       "MOV from CR3 exits";
        17 ACTIVATE_TERTIARY_CONTROLS                              "The tertiary controls are used, else they count as 0";
        19 CR8_LOAD_EXITING            = CPU_BASED_CR8_LOAD        "MOV to CR8 exits";
        20 CR8_STORE_EXITING           = CPU_BASED_CR8_STORE       "MOV from CR8 exits";
        21 USE_TPR_SHADOW              = CPU_BASED_TPR_SHADOW      "CR8 is kept in the virtual-APIC page";
        22 NMI_WINDOW_EXITING          = CPU_BASED_VIRTUAL_NMI_WND "Exit as soon as the guest could take a virtual NMI; needs virtual NMIs";
        23 MOV_DR_EXITING              = CPU_BASED_MOV_DR          "MOV to and from debug registers exits";
        24 UNCONDITIONAL_IO_EXITING    = CPU_BASED_UNCOND_IO       "Every port exits; ignored with I/O bitmaps";
        25 USE_IO_BITMAPS              = CPU_BASED_IO_BITMAPS      "The I/O bitmaps decide which ports exit";
        27 MONITOR_TRAP_FLAG           = CPU_BASED_MTF             "Exit after each instruction";
        28 USE_MSR_BITMAPS             = CPU_BASED_MSR_BITMAPS     "The MSR bitmaps decide which MSRs exit; 0: all do";
        29 MONITOR_EXITING             = CPU_BASED_MONITOR         "MONITOR exits";
        30 PAUSE_EXITING               = CPU_BASED_PAUSE           "PAUSE exits";
        31 ACTIVATE_SECONDARY_CONTROLS = CPU_BASED_SECONDARY_CTLS  "The secondary controls are used, else they count as 0";
    }

    /// More synchronous events, and features of the guest.
    controls SecondaryProcessorBasedControls: u32 of vmcs::SECONDARY_PROCESSOR_BASED_CONTROLS  capability capabilities::PROCBASED2
        cite "Intel SDM vol. 3, Secondary Processor-Based VM-Execution Controls; hv_arch_vmx.h"
    {
        // name                                   Apple's name                     since               meaning when set
        0  VIRTUALIZE_APIC_ACCESSES               = CPU_BASED2_VIRTUAL_APIC                            "Accesses to the APIC-access page exit or are virtualized";
        1  ENABLE_EPT                             = CPU_BASED2_EPT                                     "Guest-physical addresses are translated; always on under the framework";
        2  DESCRIPTOR_TABLE_EXITING               = CPU_BASED2_DESC_TABLE          since macos 10.10.3 "SGDT, SIDT, SLDT, STR, LGDT, LIDT, LLDT and LTR exit";
        3  ENABLE_RDTSCP                          = CPU_BASED2_RDTSCP                                  "RDTSCP and RDPID are enabled; 0: #UD";
        4  VIRTUALIZE_X2APIC_MODE                 = CPU_BASED2_X2APIC                                  "MSRs 0x800 to 0x8ff are served from the virtual-APIC page";
        5  ENABLE_VPID                            = CPU_BASED2_VPID                                    "Cached translations are tagged";
        6  WBINVD_EXITING                         = CPU_BASED2_WBINVD                                  "WBINVD and WBNOINVD exit";
        7  UNRESTRICTED_GUEST                     = CPU_BASED2_UNRESTRICTED                            "The guest may run in real mode or without paging; needs EPT";
        8  APIC_REGISTER_VIRTUALIZATION           = CPU_BASED2_APIC_REG_VIRT                           "APIC reads are served from the virtual-APIC page";
        9  VIRTUAL_INTERRUPT_DELIVERY             = CPU_BASED2_VIRT_INTR_DELIVERY                      "Pending virtual interrupts are evaluated and delivered";
        10 PAUSE_LOOP_EXITING                     = CPU_BASED2_PAUSE_LOOP                              "PAUSE in a loop exits, by PLE_GAP and PLE_WINDOW";
        11 RDRAND_EXITING                         = CPU_BASED2_RDRAND                                  "RDRAND exits";
        12 ENABLE_INVPCID                         = CPU_BASED2_INVPCID                                 "INVPCID is enabled; 0: #UD";
        13 ENABLE_VM_FUNCTIONS                    = CPU_BASED2_VMFUNC                                  "VMFUNC is enabled; 0: #UD";
        14 VMCS_SHADOWING                         = CPU_BASED2_VMCS_SHADOW                             "VMREAD and VMWRITE may reach the shadow VMCS";
        15 ENABLE_ENCLS_EXITING                   = CPU_BASED2_ENCLS_EXIT_MAP      since macos 11.0    "ENCLS exits by its bitmap";
        16 RDSEED_EXITING                         = CPU_BASED2_RDSEED                                  "RDSEED exits";
        17 ENABLE_PML                             = CPU_BASED2_PML                 since macos 11.0    "Pages that become dirty are logged";
        18 EPT_VIOLATION_VE                       = CPU_BASED2_EPT_VE                                  "EPT violations may become #VE";
        19 CONCEAL_VMX_FROM_PT                    = CPU_BASED2_PT_CONCEAL_VMX      since macos 11.0    "Trace packets do not tell VMX operation";
        20 ENABLE_XSAVES_XRSTORS                  = CPU_BASED2_XSAVES_XRSTORS                          "XSAVES and XRSTORS are enabled; 0: #UD";
        21 PASID_TRANSLATION                                                                           "ENQCMD and ENQCMDS translate PASIDs";
        22 MODE_BASED_EXECUTE_CONTROL_FOR_EPT     = CPU_BASED2_EPT_MODE_BASED_EXEC since macos 11.0    "Execute rights are separate for user and supervisor addresses";
        23 SUB_PAGE_WRITE_PERMISSIONS_FOR_EPT     = CPU_BASED2_EPT_SUBPAGE_WRITE   since macos 11.0    "Write rights by 128-byte sub-page";
        24 INTEL_PT_USES_GUEST_PHYSICAL_ADDRESSES = CPU_BASED2_PT_GUEST_PHYSICAL   since macos 11.0    "Trace output addresses are guest-physical";
        25 USE_TSC_SCALING                        = CPU_BASED2_TSC_SCALING         since macos 11.0    "RDTSC and kin are scaled by TSC_MULTIPLIER";
        26 ENABLE_USER_WAIT_AND_PAUSE             = CPU_BASED2_USER_WAIT_PAUSE     since macos 11.0    "UMONITOR, UMWAIT and TPAUSE are enabled; 0: #UD";
        27 ENABLE_PCONFIG                                                                              "PCONFIG is enabled; 0: #UD";
        28 ENABLE_ENCLV_EXITING                   = CPU_BASED2_ENCLV_EXIT_MAP      since macos 11.0    "ENCLV exits by its bitmap";
        30 VMM_BUS_LOCK_DETECTION                                                                      "Bus locks exit";
        31 INSTRUCTION_TIMEOUT                                                                         "A guest without interrupt window for the notify window exits";
    }

    /// Features of newer processors. The framework does not expose the field.
    controls TertiaryProcessorBasedControls: u64 of vmcs::TERTIARY_PROCESSOR_BASED_CONTROLS
        cite "Intel SDM vol. 3, Tertiary Processor-Based VM-Execution Controls"
    {
        // name                       meaning when set
        0  LOADIWKEY_EXITING          "LOADIWKEY exits";
        1  ENABLE_HLAT                "Some linear addresses are translated by the hypervisor-managed tables";
        2  EPT_PAGING_WRITE_CONTROL   "Guest paging structures may be confined to pages with the paging-write right";
        3  GUEST_PAGING_VERIFICATION  "Translations may have to come from verified guest paging structures";
        4  IPI_VIRTUALIZATION         "IPIs are sent through the PID-pointer table";
        6  ENABLE_RDMSRLIST_WRMSRLIST "RDMSRLIST and WRMSRLIST are enabled";
        7  VIRTUALIZE_IA32_SPEC_CTRL  "IA32_SPEC_CTRL has a mask and a shadow";
        8  APIC_TIMER_VIRTUALIZATION  "The APIC timer of the guest is virtualized";
    }

    /// What a VM exit saves and loads.
    controls VmExitControls: u32 of vmcs::VM_EXIT_CONTROLS  capability capabilities::EXIT  default1 0x0003_6dff true_default1 0x0003_6dfb
        cite "Intel SDM vol. 3, VM-Exit Controls; hv_arch_vmx.h"
    {
        // name                            Apple's name                        since            meaning when set
        2  SAVE_DEBUG_CONTROLS             = VMEXIT_SAVE_DBG_CONTROLS                           "DR7 and IA32_DEBUGCTL are saved";
        9  HOST_ADDRESS_SPACE_SIZE         = VMEXIT_HOST_IA32E                                  "The host is in 64-bit mode; always set on macOS";
        12 LOAD_IA32_PERF_GLOBAL_CTRL      = VMEXIT_LOAD_IA32_PERF_GLOBAL_CTRL                  "IA32_PERF_GLOBAL_CTRL of the host is loaded";
        15 ACKNOWLEDGE_INTERRUPT_ON_EXIT   = VMEXIT_ACK_INTR                                    "The interrupt controller is acknowledged and the vector stored";
        18 SAVE_IA32_PAT                   = VMEXIT_SAVE_IA32_PAT                               "IA32_PAT of the guest is saved";
        19 LOAD_IA32_PAT                   = VMEXIT_LOAD_IA32_PAT                               "IA32_PAT of the host is loaded";
        20 SAVE_IA32_EFER                  = VMEXIT_SAVE_EFER                                   "IA32_EFER of the guest is saved";
        21 LOAD_IA32_EFER                  = VMEXIT_LOAD_EFER                                   "IA32_EFER of the host is loaded";
        22 SAVE_VMX_PREEMPTION_TIMER_VALUE = VMEXIT_SAVE_VMX_TIMER                              "The remaining time is saved";
        23 CLEAR_IA32_BNDCFGS              = VMEXIT_CLEAR_IA32_BNDCFGS         since macos 11.0 "BNDCFGS is cleared";
        24 CONCEAL_VMX_FROM_PT             = VMEXIT_PT_CONCEAL_VMX             since macos 11.0 "No trace packet tells of the exit";
        25 CLEAR_IA32_RTIT_CTL             = VMEXIT_CLEAR_IA32_RTIT_CTL        since macos 11.0 "RTIT_CTL is cleared";
        26 CLEAR_IA32_LBR_CTL                                                                   "LBR_CTL is cleared";
        27 CLEAR_UINV                                                                           "The notification vector is cleared";
        28 LOAD_CET_STATE                  = VMEXIT_LOAD_CET_STATE             since macos 11.0 "The host's control-flow state is loaded";
        29 LOAD_PKRS                       = VMEXIT_LOAD_PKRS                  since macos 12.0 "IA32_PKRS of the host is loaded";
        30 SAVE_IA32_PERF_GLOBAL_CTRL                                                           "IA32_PERF_GLOBAL_CTRL of the guest is saved";
        31 ACTIVATE_SECONDARY_CONTROLS                                                          "The secondary VM-exit controls are used";
    }

    /// More of what a VM exit saves and loads. The framework does not expose the field.
    controls SecondaryVmExitControls: u64 of vmcs::SECONDARY_VM_EXIT_CONTROLS
        cite "Intel SDM vol. 3, Secondary VM-Exit Controls"
    {
        // name                                    meaning when set
        0  SAVE_GUEST_FRED_STATE                   "FRED state of the guest is saved";
        1  LOAD_HOST_FRED_STATE                    "FRED state of the host is loaded";
        2  LOAD_HOST_IA32_SPEC_CTRL                "IA32_SPEC_CTRL of the host is loaded";
        3  SHADOW_STACK_PREMATURELY_BUSY_REPORTING "Shadow stacks that became busy prematurely are reported";
    }

    /// What a VM entry loads, and the mode of the guest.
    controls VmEntryControls: u32 of vmcs::VM_ENTRY_CONTROLS  capability capabilities::ENTRY  default1 0x11ff true_default1 0x11fb
        cite "Intel SDM vol. 3, VM-Entry Controls; hv_arch_vmx.h"
    {
        // name                              Apple's name                         since            meaning when set
        2  LOAD_DEBUG_CONTROLS               = VMENTRY_LOAD_DBG_CONTROLS                           "DR7 and IA32_DEBUGCTL are loaded";
        9  IA_32E_MODE_GUEST                 = VMENTRY_GUEST_IA32E                                 "The guest is in IA-32e mode; must equal EFER.LMA";
        10 ENTRY_TO_SMM                      = VMENTRY_SMM                                         "The guest enters SMM; must be 0 under the framework";
        11 DEACTIVATE_DUAL_MONITOR_TREATMENT = VMENTRY_DEACTIVATE_DUAL_MONITOR                     "The default treatment of SMM returns; must be 0 under the framework";
        13 LOAD_IA32_PERF_GLOBAL_CTRL        = VMENTRY_LOAD_IA32_PERF_GLOBAL_CTRL                  "IA32_PERF_GLOBAL_CTRL of the guest is loaded";
        14 LOAD_IA32_PAT                     = VMENTRY_LOAD_IA32_PAT                               "IA32_PAT of the guest is loaded";
        15 LOAD_IA32_EFER                    = VMENTRY_LOAD_EFER                                   "IA32_EFER of the guest is loaded";
        16 LOAD_IA32_BNDCFGS                 = VMENTRY_LOAD_IA32_BNDCFGS          since macos 11.0 "IA32_BNDCFGS of the guest is loaded";
        17 CONCEAL_VMX_FROM_PT               = VMENTRY_PT_CONCEAL_VMX             since macos 11.0 "No trace packet tells of the entry";
        18 LOAD_IA32_RTIT_CTL                = VMENTRY_LOAD_IA32_RTIT_CTL         since macos 11.0 "IA32_RTIT_CTL of the guest is loaded";
        19 LOAD_UINV                                                                               "The notification vector is loaded";
        20 LOAD_CET_STATE                    = VMENTRY_LOAD_CET_STATE             since macos 11.0 "The guest's control-flow state is loaded";
        21 LOAD_IA32_LBR_CTL                                                                       "IA32_LBR_CTL of the guest is loaded";
        22 LOAD_PKRS                         = VMENTRY_LOAD_PKRS                  since macos 12.0 "IA32_PKRS of the guest is loaded";
        23 LOAD_GUEST_FRED_STATE                                                                   "FRED state of the guest is loaded";
        24 LOAD_GUEST_IA32_SPEC_CTRL                                                               "IA32_SPEC_CTRL of the guest is loaded";
    }
}
