//! x86: fields of the virtual-machine control structure, and the layouts of those that have one; `controls` lays out the control words, `exits` the exit information.
//!
//! Write classes: Apple's list of writable fields (Hypervisor, Virtual Machine Control Structure) has `rw` and, within a condition,
//! `cond`; `undocumented` is missing there, yet clients write it; `ro`, `hidden`, `refused` and `framework` cannot be written; of
//! `unknown` nothing is published: ask `hv_vmx_vcpu_get_cap_write_vmcs`. What the host owns is not saved.

use super::controls::{
    PinBasedControls, PrimaryProcessorBasedControls, SecondaryProcessorBasedControls,
    SecondaryVmExitControls, TertiaryProcessorBasedControls, VmEntryControls, VmExitControls,
};
use super::msr::{Cet, Debugctl, Efer, Pat, PerfGlobalCtrl, SpecCtrl, Xss};
use super::reg::{Cr0, Cr3, Cr4, Dr7, Rflags};

xhv_macros::spec! {
    /// The type of a segment.
    ///
    /// The names are those of code and data segments (S = 1); the system types (S = 0) in use are told beside them.
    values SegmentType: u4
        cite "Intel SDM vol. 3, Code- and Data-Segment Descriptor Types; System Descriptor Types"
    {
        0  DataReadOnly                   "Data, read-only";
        1  DataReadOnlyAccessed           "Data, read-only, accessed";
        2  DataReadWrite                  "Data, writable; with S = 0: LDT";
        3  DataReadWriteAccessed          "Data, writable, accessed; with S = 0: busy 16-bit TSS";
        4  DataDownReadOnly               "Data, expand-down, read-only";
        5  DataDownReadOnlyAccessed       "Data, expand-down, read-only, accessed";
        6  DataDownReadWrite              "Data, expand-down, writable";
        7  DataDownReadWriteAccessed      "Data, expand-down, writable, accessed";
        8  CodeExecuteOnly                "Code, execute-only";
        9  CodeExecuteOnlyAccessed        "Code, execute-only, accessed; with S = 0: available 32-bit or 64-bit TSS";
        10 CodeReadable                   "Code, readable";
        11 CodeReadableAccessed           "Code, readable, accessed; with S = 0: busy 32-bit or 64-bit TSS";
        12 CodeConforming                 "Code, conforming, execute-only";
        13 CodeConformingAccessed         "Code, conforming, execute-only, accessed";
        14 CodeConformingReadable         "Code, conforming, readable";
        15 CodeConformingReadableAccessed "Code, conforming, readable, accessed";
    }

    /// Access rights of a segment register, as the VMCS keeps them: bits 55:40 of the descriptor, and whether the register is usable.
    fields AccessRights: u32
        cite "Intel SDM vol. 3, Guest Register State; Segment Access Rights"
    {
        [31:17] res0;
        [16]    UNUSABLE                "The register was loaded with a null selector";
        [15]    G                       "The limit counts 4-KiB units";
        [14]    DB                      "Default operation size is 32 bits; stack and expand-down segments: 32-bit";
        [13]    L                       "64-bit code segment; CS only";
        [12]    AVL                     "Available to software";
        [11:8]  res0;
        [7]     P                       "Present";
        [6:5]   DPL                     "Descriptor privilege level";
        [4]     S                       "1: code or data; 0: system";
        [3:0]   TYPE     as SegmentType "Segment type";
    }

    /// Which events are held back for now.
    fields InterruptibilityState: u32
        cite "Intel SDM vol. 3, Guest Non-Register State; Format of Interruptibility State"
    {
        [31:5] res0;
        [4]    ENCLAVE_INTERRUPTION "The exit came from enclave mode";
        [3]    BLOCKING_BY_NMI      "NMIs are blocked; virtual NMIs with the virtual-NMIs control";
        [2]    BLOCKING_BY_SMI      "SMIs are blocked";
        [1]    BLOCKING_BY_MOV_SS   "The previous instruction was MOV SS or POP SS";
        [0]    BLOCKING_BY_STI      "The previous instruction was an STI that set IF";
    }

    /// What the logical processor is doing. The framework accepts the first two only.
    values ActivityState: u32
        cite "Intel SDM vol. 3, Guest Non-Register State"
    {
        0 Active      "Executing instructions";
        1 Hlt         "Halted by HLT";
        2 Shutdown    "After a triple fault";
        3 WaitForSipi "Waiting for a start-up IPI";
    }

    /// Debug exceptions that were met but are not yet delivered.
    fields PendingDebugExceptions: u64
        cite "Intel SDM vol. 3, Guest Non-Register State; Format of Pending-Debug-Exceptions"
    {
        [63:17] res0;
        [16]    RTM                "In a transactional region";
        [15]    res0;
        [14]    BS                 "Single step";
        [13]    res0;
        [12]    ENABLED_BREAKPOINT "At least one of the breakpoints that were met is enabled in DR7";
        [11]    BLD                "Bus lock";
        [10:4]  res0;
        [3]     B3                 "Condition of breakpoint 3 was met";
        [2]     B2                 "Condition of breakpoint 2 was met";
        [1]     B1                 "Condition of breakpoint 1 was met";
        [0]     B0                 "Condition of breakpoint 0 was met";
    }

    /// State of virtual-interrupt delivery.
    fields GuestInterruptStatus: u16
        cite "Intel SDM vol. 3, Guest Non-Register State"
    {
        [15:8] SVI "Servicing virtual interrupt: highest vector in service";
        [7:0]  RVI "Requesting virtual interrupt: highest vector requested";
    }

    /// What kind of event an interruption-information word describes.
    values EventType: u3
        cite "Intel SDM vol. 3, Format of the VM-Entry Interruption-Information Field"
    {
        0 ExternalInterrupt           "External interrupt";
        2 Nmi                         "Non-maskable interrupt";
        3 HardwareException           "Exception of the processor";
        4 SoftwareInterrupt           "INT n";
        5 PrivilegedSoftwareException "INT1";
        6 SoftwareException           "INT3 or INTO";
        7 OtherEvent                  "With vector 0: a pending monitor-trap-flag exit";
    }

    /// The event to deliver right after VM entry.
    fields VmEntryInterruptionInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Entry Interruption-Information Field"
    {
        [31]    VALID                           "Deliver; every VM exit clears it, a failed entry keeps it";
        [30:14] res0;
        [13]    NESTED                          "Nested exception; only with FRED";
        [12]    res0;
        [11]    DELIVER_ERROR_CODE              "Push the error code of `VM_ENTRY_EXCEPTION_ERROR_CODE`";
        [10:8]  TYPE               as EventType "Kind of event";
        [7:0]   VECTOR                          "Vector";
    }

    /// The event that caused the exit. Valid for exceptions and NMIs, and for external interrupts that the exit acknowledged.
    fields VmExitInterruptionInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Interruption-Information Field"
    {
        [31]    VALID                         "The word describes an event";
        [30:14] res;
        [13]    NESTED                        "Nested exception; only with FRED";
        [12]    NMI_UNBLOCKING                "IRET had unblocked NMIs. Undefined for vector 8 and when the IDT-vectoring word is valid";
        [11]    ERROR_CODE_VALID              "The error code is in `VM_EXIT_INTERRUPTION_ERROR_CODE`";
        [10:8]  TYPE             as EventType "Kind of event; never a software interrupt";
        [7:0]   VECTOR                        "Vector";
    }

    /// The event whose delivery the exit interrupted; it has to be injected again.
    fields IdtVectoringInformation: u32
        cite "Intel SDM vol. 3, Format of the IDT-Vectoring Information Field"
    {
        [31]    VALID                         "The exit happened during the delivery of this event";
        [30:14] res;
        [13]    NESTED                        "Nested exception; only with FRED";
        [12]    res;
        [11]    ERROR_CODE_VALID              "The error code is in `IDT_VECTORING_ERROR_CODE`";
        [10:8]  TYPE             as EventType "Kind of event";
        [7:0]   VECTOR                        "Vector";
    }

    /// The exit-reason word.
    fields ExitReasonField: u32
        cite "Intel SDM vol. 3, Format of Exit Reason"
    {
        [31]    ENTRY_FAILURE     "The processor refused the guest state: nothing was executed";
        [30]    res0;
        [29]    FROM_VMX_ROOT     "Exit from VMX root operation; SMM exits only";
        [28]    PENDING_MTF       "A monitor-trap-flag exit is pending; SMM exits only";
        [27]    ENCLAVE           "The exit was incident to enclave mode";
        [26]    BUS_LOCK          "A bus lock was detected as well";
        [25]    SHADOW_STACK_BUSY "The shadow stack became busy prematurely";
        [24:16] res0;
        [15:0]  BASIC             "Basic exit reason";
    }

    /// Why a VMX instruction failed.
    values VmInstructionError: u32
        cite "Intel SDM vol. 3, VM-Instruction Error Numbers"
    {
        1  VmcallInRoot                  "VMCALL in VMX root operation";
        2  VmclearInvalidAddress         "VMCLEAR with invalid physical address";
        3  VmclearVmxonPointer           "VMCLEAR with VMXON pointer";
        4  VmlaunchNonClear              "VMLAUNCH with non-clear VMCS";
        5  VmresumeNonLaunched           "VMRESUME with non-launched VMCS";
        6  VmresumeAfterVmxoff           "VMRESUME after VMXOFF";
        7  EntryInvalidControls          "VM entry with invalid control fields";
        8  EntryInvalidHostState         "VM entry with invalid host-state fields";
        9  VmptrldInvalidAddress         "VMPTRLD with invalid physical address";
        10 VmptrldVmxonPointer           "VMPTRLD with VMXON pointer";
        11 VmptrldWrongRevision          "VMPTRLD with wrong revision identifier";
        12 UnsupportedComponent          "VMREAD/VMWRITE of unsupported component";
        13 WriteReadOnlyComponent        "VMWRITE to read-only component";
        15 VmxonInRoot                   "VMXON in VMX root operation";
        16 EntryInvalidExecutiveVmcs     "VM entry with invalid executive-VMCS pointer";
        17 EntryNonLaunchedExecutiveVmcs "VM entry with non-launched executive VMCS";
        18 EntryExecutiveVmcsNotVmxon    "VM entry with executive-VMCS pointer not VMXON pointer";
        19 VmcallNonClear                "VMCALL with non-clear VMCS";
        20 VmcallInvalidExitControls     "VMCALL with invalid VM-exit control fields";
        22 VmcallWrongMsegRevision       "VMCALL with wrong MSEG revision identifier";
        23 VmxoffDualMonitor             "VMXOFF under dual-monitor treatment";
        24 VmcallInvalidSmmFeatures      "VMCALL with invalid SMM-monitor features";
        25 EntryInvalidExecutiveControls "VM entry with invalid control fields in executive VMCS";
        26 EntryBlockedByMovSs           "VM entry with events blocked by MOV SS";
        28 InvalidOperandToInv           "Invalid operand to INVEPT/INVVPID";
    }

    /// Memory type of an EPT structure or leaf.
    values EptMemoryType: u3
        cite "Intel SDM vol. 3, Format of Extended-Page-Table Pointer"
    {
        0 Uncacheable    "UC";
        1 WriteCombining "WC; leaves only";
        4 WriteThrough   "WT; leaves only";
        5 WriteProtected "WP; leaves only";
        6 WriteBack      "WB";
    }

    /// Extended-page-table pointer. The framework owns and hides it.
    fields Eptp: u64
        cite "Intel SDM vol. 3, Format of Extended-Page-Table Pointer"
    {
        [63:52] res0;
        [51:12] PML4                                     "Physical address of the top table, bits 51:12";
        [11:8]  res0;
        [7]     SUPERVISOR_SHADOW_STACK                  "Access rights for supervisor shadow-stack pages are enforced";
        [6]     ACCESSED_DIRTY                           "Accessed and dirty flags are enabled";
        [5:3]   WALK_LENGTH                              "Page-walk length minus 1: 3 for four levels";
        [2:0]   MEMORY_TYPE             as EptMemoryType "Memory type of the paging structures";
    }

    /// An entry of an EPT paging structure; what holds for leaves only is told.
    fields EptEntry: u64
        cite "Intel SDM vol. 3, Format of EPT entries"
    {
        [63]    SUPPRESS_VE                              "Do not turn violations into #VE";
        [62]    ignored;
        [61]    SUB_PAGE_WRITE                           "Sub-page write permissions; 4-KiB leaf";
        [60]    SUPERVISOR_SHADOW_STACK                  "Supervisor shadow-stack page; leaf";
        [59]    ignored;
        [58]    PAGING_WRITE                             "The guest may use the page for its paging structures";
        [57]    VERIFY_GUEST_PAGING                      "Verify that guest paging led here";
        [56:52] ignored;
        [51:12] ADDRESS                                  "Physical address of the page or the next table, bits 51:12";
        [11]    ignored;
        [10]    USER_EXECUTE                             "Execute from user-mode addresses, with mode-based execute control";
        [9]     DIRTY                                    "Written; leaf, with EPTP bit 6";
        [8]     ACCESSED                                 "Used, with EPTP bit 6";
        [7]     LARGE_PAGE                               "Leaf of 1 GiB (PDPTE) or 2 MiB (PDE)";
        [6]     IGNORE_PAT                               "The guest's PAT does not count; leaf";
        [5:3]   MEMORY_TYPE             as EptMemoryType "Memory type; leaf";
        [2]     EXECUTE                                  "Instruction fetches; from supervisor-mode addresses with mode-based execute control";
        [1]     WRITE                                    "Data writes";
        [0]     READ                                     "Data reads";
    }

    /// 16-bit control fields.
    vmcs
        cite "Intel SDM vol. 3, B.1.1, 16-bit control fields; hv_arch_vmx.h"
    {
        //     name                                  width write     Apple's name                    state    since               what it holds
        0x0000 VPID:                                 u16   framework = VMCS_VPID                                                  "Tag of this guest's cached translations";
        0x0002 POSTED_INTERRUPT_NOTIFICATION_VECTOR: u16   unknown   = VMCS_CTRL_POSTED_INT_N_VECTOR optional since macos 10.10.3 "Vector that announces posted interrupts";
        0x0004 EPTP_INDEX:                           u16   unknown   = VMCS_CTRL_EPTP_INDEX          optional since macos 10.10.3 "Entry of the EPTP list in use";
        0x0006 HLAT_PREFIX_SIZE:                     u16   unknown                                   optional                     "How much of an address HLAT paging translates";
        0x0008 LAST_PID_POINTER_INDEX:               u16   unknown                                   optional                     "Last index of the PID-pointer table";
        0x000a VIRTUAL_TIMER_VECTOR:                 u16   unknown                                   optional                     "Vector of the virtual APIC timer";
    }

    /// 16-bit guest-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.1.2, 16-bit guest-state fields; hv_arch_vmx.h"
    {
        //     name                    width                         write   Apple's name            state    since               what it holds
        0x0800 GUEST_ES_SELECTOR:      u16                           rw      = VMCS_GUEST_ES                                      "Guest ES selector";
        0x0802 GUEST_CS_SELECTOR:      u16                           rw      = VMCS_GUEST_CS                                      "Guest CS selector";
        0x0804 GUEST_SS_SELECTOR:      u16                           rw      = VMCS_GUEST_SS                                      "Guest SS selector";
        0x0806 GUEST_DS_SELECTOR:      u16                           rw      = VMCS_GUEST_DS                                      "Guest DS selector";
        0x0808 GUEST_FS_SELECTOR:      u16                           rw      = VMCS_GUEST_FS                                      "Guest FS selector";
        0x080a GUEST_GS_SELECTOR:      u16                           rw      = VMCS_GUEST_GS                                      "Guest GS selector";
        0x080c GUEST_LDTR_SELECTOR:    u16                           rw      = VMCS_GUEST_LDTR                                    "Guest LDTR selector";
        0x080e GUEST_TR_SELECTOR:      u16                           rw      = VMCS_GUEST_TR                                      "Guest TR selector";
        0x0810 GUEST_INTERRUPT_STATUS: u16   as GuestInterruptStatus unknown = VMCS_GUEST_INT_STATUS optional since macos 10.10.3 "State of virtual-interrupt delivery";
        0x0812 PML_INDEX:              u16                           unknown = VMCS_GUESTPML_INDEX   optional since macos 10.15   "Next entry of the page-modification log";
        0x0814 GUEST_UINV:             u16                           unknown                         optional                     "User-interrupt notification vector";
    }

    /// 16-bit host-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.1.3, 16-bit host-state fields; hv_arch_vmx.h"
    {
        //     name              width write     Apple's name   what it holds
        0x0c00 HOST_ES_SELECTOR: u16   framework = VMCS_HOST_ES "Host ES selector";
        0x0c02 HOST_CS_SELECTOR: u16   framework = VMCS_HOST_CS "Host CS selector";
        0x0c04 HOST_SS_SELECTOR: u16   framework = VMCS_HOST_SS "Host SS selector";
        0x0c06 HOST_DS_SELECTOR: u16   framework = VMCS_HOST_DS "Host DS selector";
        0x0c08 HOST_FS_SELECTOR: u16   framework = VMCS_HOST_FS "Host FS selector";
        0x0c0a HOST_GS_SELECTOR: u16   framework = VMCS_HOST_GS "Host GS selector";
        0x0c0c HOST_TR_SELECTOR: u16   framework = VMCS_HOST_TR "Host TR selector";
    }

    /// 64-bit control fields.
    vmcs
        cite "Intel SDM vol. 3, B.2.1, 64-bit control fields; hv_arch_vmx.h"
    {
        //     name                                 width                                   write   high half   Apple's name                      state    since               what it holds
        0x2000 IO_BITMAP_A:                         u64                                     unknown high 0x2001 = VMCS_CTRL_IO_BITMAP_A                                        "Bitmap of ports 0 to 0x7fff";
        0x2002 IO_BITMAP_B:                         u64                                     unknown high 0x2003 = VMCS_CTRL_IO_BITMAP_B                                        "Bitmap of ports 0x8000 to 0xffff";
        0x2004 MSR_BITMAPS:                         u64                                     unknown high 0x2005 = VMCS_CTRL_MSR_BITMAPS                                        "Bitmaps of MSRs whose reads and writes exit";
        0x2006 VM_EXIT_MSR_STORE_ADDRESS:           u64                                     unknown high 0x2007 = VMCS_CTRL_VMEXIT_MSR_STORE_ADDR                              "Where a VM exit stores MSRs";
        0x2008 VM_EXIT_MSR_LOAD_ADDRESS:            u64                                     unknown high 0x2009 = VMCS_CTRL_VMEXIT_MSR_LOAD_ADDR                               "Whence a VM exit loads MSRs";
        0x200a VM_ENTRY_MSR_LOAD_ADDRESS:           u64                                     unknown high 0x200b = VMCS_CTRL_VMENTRY_MSR_LOAD_ADDR                              "Whence a VM entry loads MSRs";
        0x200c EXECUTIVE_VMCS_POINTER:              u64                                     unknown high 0x200d = VMCS_CTRL_EXECUTIVE_VMCS_PTR             since macos 10.10.3 "VMCS of the executive monitor; SMM only";
        0x200e PML_ADDRESS:                         u64                                     unknown high 0x200f = VMCS_CTRL_PML_ADDR                       since macos 10.15   "Page-modification log";
        0x2010 TSC_OFFSET:                          u64                                     ro      high 0x2011 = VMCS_CTRL_TSC_OFFSET            volatile                     "Added to the host's TSC; change it by hv_vm_sync_tsc or hv_vcpu_set_tsc_relative";
        0x2012 VIRTUAL_APIC_ADDRESS:                u64                                     unknown high 0x2013 = VMCS_CTRL_VIRTUAL_APIC                                       "Page that stands for the local APIC";
        0x2014 APIC_ACCESS_ADDRESS:                 u64                                     ro      high 0x2015 = VMCS_CTRL_APIC_ACCESS           volatile                     "Guest page whose accesses exit; set by hv_vmx_vcpu_set_apic_address";
        0x2016 POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: u64                                     unknown high 0x2017 = VMCS_CTRL_POSTED_INT_DESC_ADDR           since macos 10.10.3 "Descriptor of posted interrupts";
        0x2018 VM_FUNCTION_CONTROLS:                u64                                     unknown high 0x2019 = VMCS_CTRL_VMFUNC_CTRL                    since macos 10.10.3 "VM functions that the guest may call";
        0x201a EPTP:                                u64   as Eptp                           hidden  high 0x201b = VMCS_CTRL_EPTP                                               "Root of the extended page tables; reads answer HV_BAD_ARGUMENT";
        0x201c EOI_EXIT_BITMAP_0:                   u64                                     unknown high 0x201d = VMCS_CTRL_EOI_EXIT_BITMAP_0     optional since macos 10.10.3 "Vectors 0 to 63 whose EOI exits";
        0x201e EOI_EXIT_BITMAP_1:                   u64                                     unknown high 0x201f = VMCS_CTRL_EOI_EXIT_BITMAP_1     optional since macos 10.10.3 "Vectors 64 to 127 whose EOI exits";
        0x2020 EOI_EXIT_BITMAP_2:                   u64                                     unknown high 0x2021 = VMCS_CTRL_EOI_EXIT_BITMAP_2     optional since macos 10.10.3 "Vectors 128 to 191 whose EOI exits";
        0x2022 EOI_EXIT_BITMAP_3:                   u64                                     unknown high 0x2023 = VMCS_CTRL_EOI_EXIT_BITMAP_3     optional since macos 10.10.3 "Vectors 192 to 255 whose EOI exits";
        0x2024 EPTP_LIST_ADDRESS:                   u64                                     unknown high 0x2025 = VMCS_CTRL_EPTP_LIST_ADDR                 since macos 10.10.3 "List of EPTPs for the VM function 0";
        0x2026 VMREAD_BITMAP_ADDRESS:               u64                                     unknown high 0x2027 = VMCS_CTRL_VMREAD_BITMAP_ADDR             since macos 10.10.3 "Fields whose VMREAD exits";
        0x2028 VMWRITE_BITMAP_ADDRESS:              u64                                     unknown high 0x2029 = VMCS_CTRL_VMWRITE_BITMAP_ADDR            since macos 10.10.3 "Fields whose VMWRITE exits";
        0x202a VIRTUALIZATION_EXCEPTION_ADDRESS:    u64                                     unknown high 0x202b = VMCS_CTRL_VIRT_EXC_INFO_ADDR             since macos 10.10.3 "Area that describes a virtualization exception";
        0x202c XSS_EXITING_BITMAP:                  u64   as Xss                            unknown high 0x202d = VMCS_CTRL_XSS_EXITING_BITMAP    optional since macos 10.10.3 "Components of IA32_XSS whose XSAVES and XRSTORS exit";
        0x202e ENCLS_EXITING_BITMAP:                u64                                     unknown high 0x202f = VMCS_CTRL_ENCLS_EXITING_BITMAP  optional since macos 10.15   "ENCLS leaves that exit";
        0x2030 SPPTP:                               u64                                     unknown high 0x2031 = VMCS_CTRL_SPP_TABLE                      since macos 11.0    "Root of the sub-page permission tables";
        0x2032 TSC_MULTIPLIER:                      u64                                     unknown high 0x2033 = VMCS_CTRL_TSC_MULTIPLIER        optional since macos 10.15   "Scales the host's TSC; 48 fractional bits";
        0x2034 TERTIARY_PROCESSOR_BASED_CONTROLS:   u64   as TertiaryProcessorBasedControls unknown high 0x2035                                   optional                     "Tertiary processor-based VM-execution controls";
        0x2036 ENCLV_EXITING_BITMAP:                u64                                     unknown high 0x2037 = VMCS_CTRL_ENCLV_EXITING_BITMAP  optional since macos 12.0    "ENCLV leaves that exit";
        0x2038 LOW_PASID_DIRECTORY_ADDRESS:         u64                                     unknown high 0x2039                                                                "PASID translation, lower half";
        0x203a HIGH_PASID_DIRECTORY_ADDRESS:        u64                                     unknown high 0x203b                                                                "PASID translation, upper half";
        0x203c SHARED_EPTP:                         u64   as Eptp                           unknown high 0x203d                                                                "Extended page tables of shared memory; TDX";
        0x203e PCONFIG_EXITING_BITMAP:              u64                                     unknown high 0x203f                                   optional                     "PCONFIG leaves that exit";
        0x2040 HLATP:                               u64                                     unknown high 0x2041                                                                "Root of the hypervisor-managed paging structures";
        0x2042 PID_POINTER_TABLE_ADDRESS:           u64                                     unknown high 0x2043                                                                "Table of posted-interrupt descriptors for IPI virtualization";
        0x2044 SECONDARY_VM_EXIT_CONTROLS:          u64   as SecondaryVmExitControls        unknown high 0x2045                                   optional                     "Secondary VM-exit controls";
        0x204a IA32_SPEC_CTRL_MASK:                 u64   as SpecCtrl                       unknown high 0x204b                                   optional                     "Bits of IA32_SPEC_CTRL that the guest cannot change";
        0x204c IA32_SPEC_CTRL_SHADOW:               u64   as SpecCtrl                       unknown high 0x204d                                   optional                     "What the guest reads as IA32_SPEC_CTRL";
        0x204e GUEST_DEADLINE_SHADOW:               u64                                     unknown high 0x204f                                   optional                     "What the guest reads as its TSC deadline";
        0x2052 INJECTED_EVENT_DATA:                 u64                                     unknown high 0x2053                                   optional                     "Event data to deliver on entry; FRED";
    }

    /// 64-bit read-only data fields.
    vmcs
        cite "Intel SDM vol. 3, B.2.2, 64-bit read-only data fields; hv_arch_vmx.h"
    {
        //     name                    width write   high half   Apple's name                  state    what it holds
        0x2400 GUEST_PHYSICAL_ADDRESS: u64   ro      high 0x2401 = VMCS_GUEST_PHYSICAL_ADDRESS volatile "Guest-physical address of the access that exited";
        0x2402 MSR_DATA:               u64   unknown high 0x2403                      optional volatile "Value of the MSR access that exited";
        0x2404 ORIGINAL_EVENT_DATA:    u64   unknown high 0x2405                      optional volatile "Event data of the interrupted delivery; FRED";
    }

    /// 64-bit guest-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.2.3, 64-bit guest-state fields; hv_arch_vmx.h"
    {
        //     name                         width                   write        high half   Apple's name                       state    since                                                                        what it holds
        0x2800 VMCS_LINK_POINTER:           u64                     framework    high 0x2801 = VMCS_GUEST_LINK_POINTER                                                                                                "Shadow VMCS, or all ones";
        0x2802 GUEST_IA32_DEBUGCTL:         u64   as Debugctl       undocumented high 0x2803 = VMCS_GUEST_IA32_DEBUGCTL                                                                                               "Not in Apple's list; clients write it";
        0x2804 GUEST_IA32_PAT:              u64   as Pat            refused      high 0x2805 = VMCS_GUEST_IA32_PAT              volatile                                                                              "Writes are refused in practice";
        0x2806 GUEST_IA32_EFER:             u64   as Efer           rw           high 0x2807 = VMCS_GUEST_IA32_EFER             order 1                                                                               "Extended feature enables; LMA must equal the IA-32e entry control";
        0x2808 GUEST_IA32_PERF_GLOBAL_CTRL: u64   as PerfGlobalCtrl unknown      high 0x2809 = VMCS_GUEST_IA32_PERF_GLOBAL_CTRL optional                                                                              "Guest IA32_PERF_GLOBAL_CTRL";
        0x280a GUEST_PDPTE0:                u64                     rw           high 0x280b = VMCS_GUEST_PDPTE0                                                                                                      "Page-directory-pointer-table entry 0, with PAE paging";
        0x280c GUEST_PDPTE1:                u64                     rw           high 0x280d = VMCS_GUEST_PDPTE1                                                                                                      "Page-directory-pointer-table entry 1, with PAE paging";
        0x280e GUEST_PDPTE2:                u64                     rw           high 0x280f = VMCS_GUEST_PDPTE2                                                                                                      "Page-directory-pointer-table entry 2, with PAE paging";
        0x2810 GUEST_PDPTE3:                u64                     rw           high 0x2811 = VMCS_GUEST_PDPTE3                                                                                                      "Page-directory-pointer-table entry 3, with PAE paging";
        0x2812 GUEST_IA32_BNDCFGS:          u64                     unknown      high 0x2813 = VMCS_GUEST_IA32_BNDCFGS          optional since macos 10.15                                                            "Guest IA32_BNDCFGS";
        0x2814 GUEST_IA32_RTIT_CTL:         u64                     unknown      high 0x2815 = VMCS_GUEST_IA32_RTIT_CTL         optional since macos 11.0                                                             "Guest IA32_RTIT_CTL";
        0x2816 GUEST_IA32_LBR_CTL:          u64                     unknown      high 0x2817                                    optional                   unsure "the encoding stands in no source that was at hand" "Last-branch-record control";
        0x2818 GUEST_IA32_PKRS:             u64                     unknown      high 0x2819 = VMCS_GUEST_IA32_PKRS             optional since macos 12.0                                                             "Guest IA32_PKRS";
        0x281a GUEST_IA32_FRED_CONFIG:      u64                     unknown      high 0x281b                                    optional                                                                              "Guest IA32_FRED_CONFIG";
        0x281c GUEST_IA32_FRED_RSP1:        u64                     unknown      high 0x281d                                    optional                                                                              "Guest IA32_FRED_RSP1";
        0x281e GUEST_IA32_FRED_RSP2:        u64                     unknown      high 0x281f                                    optional                                                                              "Guest IA32_FRED_RSP2";
        0x2820 GUEST_IA32_FRED_RSP3:        u64                     unknown      high 0x2821                                    optional                                                                              "Guest IA32_FRED_RSP3";
        0x2822 GUEST_IA32_FRED_STKLVLS:     u64                     unknown      high 0x2823                                    optional                                                                              "Guest IA32_FRED_STKLVLS";
        0x2824 GUEST_IA32_FRED_SSP1:        u64                     unknown      high 0x2825                                    optional                                                                              "Guest IA32_FRED_SSP1";
        0x2826 GUEST_IA32_FRED_SSP2:        u64                     unknown      high 0x2827                                    optional                                                                              "Guest IA32_FRED_SSP2";
        0x2828 GUEST_IA32_FRED_SSP3:        u64                     unknown      high 0x2829                                    optional                                                                              "Guest IA32_FRED_SSP3";
        0x282e GUEST_IA32_SPEC_CTRL:        u64   as SpecCtrl       unknown      high 0x282f                                    optional                                                                              "Guest IA32_SPEC_CTRL";
        0x2830 GUEST_DEADLINE:              u64                     unknown      high 0x2831                                    optional                                                                              "TSC deadline of the virtual APIC timer";
    }

    /// 64-bit host-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.2.4, 64-bit host-state fields; hv_arch_vmx.h"
    {
        //     name                        width                   write     high half   Apple's name                      since            what it holds
        0x2c00 HOST_IA32_PAT:              u64   as Pat            framework high 0x2c01 = VMCS_HOST_IA32_PAT                               "Host IA32_PAT";
        0x2c02 HOST_IA32_EFER:             u64   as Efer           framework high 0x2c03 = VMCS_HOST_IA32_EFER                              "Host IA32_EFER";
        0x2c04 HOST_IA32_PERF_GLOBAL_CTRL: u64   as PerfGlobalCtrl framework high 0x2c05 = VMCS_HOST_IA32_PERF_GLOBAL_CTRL                  "Host IA32_PERF_GLOBAL_CTRL";
        0x2c06 HOST_IA32_PKRS:             u64                     framework high 0x2c07 = VMCS_HOST_IA32_PKRS             since macos 12.0 "Host IA32_PKRS";
        0x2c08 HOST_IA32_FRED_CONFIG:      u64                     unknown   high 0x2c09                                                    "Host IA32_FRED_CONFIG";
        0x2c0a HOST_IA32_FRED_RSP1:        u64                     unknown   high 0x2c0b                                                    "Host IA32_FRED_RSP1";
        0x2c0c HOST_IA32_FRED_RSP2:        u64                     unknown   high 0x2c0d                                                    "Host IA32_FRED_RSP2";
        0x2c0e HOST_IA32_FRED_RSP3:        u64                     unknown   high 0x2c0f                                                    "Host IA32_FRED_RSP3";
        0x2c10 HOST_IA32_FRED_STKLVLS:     u64                     unknown   high 0x2c11                                                    "Host IA32_FRED_STKLVLS";
        0x2c12 HOST_IA32_FRED_SSP1:        u64                     unknown   high 0x2c13                                                    "Host IA32_FRED_SSP1";
        0x2c14 HOST_IA32_FRED_SSP2:        u64                     unknown   high 0x2c15                                                    "Host IA32_FRED_SSP2";
        0x2c16 HOST_IA32_FRED_SSP3:        u64                     unknown   high 0x2c17                                                    "Host IA32_FRED_SSP3";
        0x2c1a HOST_IA32_SPEC_CTRL:        u64   as SpecCtrl       unknown   high 0x2c1b                                                    "Host IA32_SPEC_CTRL";
    }

    /// 32-bit control fields.
    vmcs
        cite "Intel SDM vol. 3, B.3.1, 32-bit control fields; hv_arch_vmx.h"
    {
        //     name                                width                                    write        Apple's name                       state    what it holds
        0x4000 PIN_BASED_CONTROLS:                 u32   as PinBasedControls                cond         = VMCS_CTRL_PIN_BASED                       "Pin-based VM-execution controls; bits limited by HV_VMX_CAP_PINBASED";
        0x4002 PRIMARY_PROCESSOR_BASED_CONTROLS:   u32   as PrimaryProcessorBasedControls   cond         = VMCS_CTRL_CPU_BASED                       "Primary processor-based VM-execution controls; bits limited by HV_VMX_CAP_PROCBASED";
        0x4004 EXCEPTION_BITMAP:                   u32                                      rw           = VMCS_CTRL_EXC_BITMAP                      "Exceptions that exit: bit n for vector n";
        0x4006 PAGE_FAULT_ERROR_CODE_MASK:         u32                                      rw           = VMCS_CTRL_PF_ERROR_MASK                   "Bits of the page-fault error code that are compared";
        0x4008 PAGE_FAULT_ERROR_CODE_MATCH:        u32                                      rw           = VMCS_CTRL_PF_ERROR_MATCH                  "What the compared bits must be for a page fault to follow its bit of the exception bitmap";
        0x400a CR3_TARGET_COUNT:                   u32                                      undocumented = VMCS_CTRL_CR3_COUNT                       "How many CR3 targets count, 0 to 4; not in Apple's list, clients write it";
        0x400c VM_EXIT_CONTROLS:                   u32   as VmExitControls                  undocumented = VMCS_CTRL_VMEXIT_CONTROLS                 "VM-exit controls; bits limited by HV_VMX_CAP_EXIT; not in Apple's list, clients write it";
        0x400e VM_EXIT_MSR_STORE_COUNT:            u32                                      unknown      = VMCS_CTRL_VMEXIT_MSR_STORE_COUNT          "Entries of the VM-exit MSR-store list";
        0x4010 VM_EXIT_MSR_LOAD_COUNT:             u32                                      unknown      = VMCS_CTRL_VMEXIT_MSR_LOAD_COUNT           "Entries of the VM-exit MSR-load list";
        0x4012 VM_ENTRY_CONTROLS:                  u32   as VmEntryControls                 cond         = VMCS_CTRL_VMENTRY_CONTROLS                "VM-entry controls; bits limited by HV_VMX_CAP_ENTRY";
        0x4014 VM_ENTRY_MSR_LOAD_COUNT:            u32                                      unknown      = VMCS_CTRL_VMENTRY_MSR_LOAD_COUNT          "Entries of the VM-entry MSR-load list";
        0x4016 VM_ENTRY_INTERRUPTION_INFORMATION:  u32   as VmEntryInterruptionInformation  rw           = VMCS_CTRL_VMENTRY_IRQ_INFO       order 2  "Event to deliver on entry";
        0x4018 VM_ENTRY_EXCEPTION_ERROR_CODE:      u32                                      rw           = VMCS_CTRL_VMENTRY_EXC_ERROR               "Error code of the event to deliver";
        0x401a VM_ENTRY_INSTRUCTION_LENGTH:        u32                                      rw           = VMCS_CTRL_VMENTRY_INSTR_LEN               "Length of the instruction that a software event stands for";
        0x401c TPR_THRESHOLD:                      u32                                      rw           = VMCS_CTRL_TPR_THRESHOLD                   "Task priority below which the guest exits";
        0x401e SECONDARY_PROCESSOR_BASED_CONTROLS: u32   as SecondaryProcessorBasedControls cond         = VMCS_CTRL_CPU_BASED2                      "Secondary processor-based VM-execution controls; bits limited by HV_VMX_CAP_PROCBASED2";
        0x4020 PLE_GAP:                            u32                                      rw           = VMCS_CTRL_PLE_GAP                         "Longest time between two PAUSEs of one loop, in TSC ticks";
        0x4022 PLE_WINDOW:                         u32                                      rw           = VMCS_CTRL_PLE_WINDOW                      "Longest time in a PAUSE loop, in TSC ticks";
        0x4024 INSTRUCTION_TIMEOUT_CONTROL:        u32                                      unknown                                         optional "Notify window, in crystal-clock ticks";
        0x4026 GUEST_KEY_ID:                       u32                                      unknown                                                  "Key identifier of the guest; TDX";
    }

    /// 32-bit read-only data fields.
    vmcs
        cite "Intel SDM vol. 3, B.3.2, 32-bit read-only data fields; hv_arch_vmx.h"
    {
        //     name                              width                                  write Apple's name               state    what it holds
        0x4400 VM_INSTRUCTION_ERROR:             u32   as VmInstructionError            ro    = VMCS_RO_INSTR_ERROR      volatile "Why the last VMX instruction failed";
        0x4402 EXIT_REASON:                      u32   as ExitReasonField               ro    = VMCS_RO_EXIT_REASON      volatile "Why the guest left";
        0x4404 VM_EXIT_INTERRUPTION_INFORMATION: u32   as VmExitInterruptionInformation ro    = VMCS_RO_VMEXIT_IRQ_INFO  volatile "The event that exited";
        0x4406 VM_EXIT_INTERRUPTION_ERROR_CODE:  u32                                    ro    = VMCS_RO_VMEXIT_IRQ_ERROR volatile "Error code of the event that exited";
        0x4408 IDT_VECTORING_INFORMATION:        u32   as IdtVectoringInformation       ro    = VMCS_RO_IDT_VECTOR_INFO  volatile "The event whose delivery was interrupted";
        0x440a IDT_VECTORING_ERROR_CODE:         u32                                    ro    = VMCS_RO_IDT_VECTOR_ERROR volatile "Error code of the interrupted event";
        0x440c VM_EXIT_INSTRUCTION_LENGTH:       u32                                    ro    = VMCS_RO_VMEXIT_INSTR_LEN volatile "Length of the instruction that exited, in bytes";
        0x440e VM_EXIT_INSTRUCTION_INFORMATION:  u32                                    ro    = VMCS_RO_VMX_INSTR_INFO   volatile "Operands of the instruction that exited";
    }

    /// 32-bit guest-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.3.3, 32-bit guest-state fields; hv_arch_vmx.h"
    {
        //     name                          width                          write   Apple's name                                         state    since               what it holds
        0x4800 GUEST_ES_LIMIT:               u32                            rw      = VMCS_GUEST_ES_LIMIT                                                             "Guest ES limit";
        0x4802 GUEST_CS_LIMIT:               u32                            rw      = VMCS_GUEST_CS_LIMIT                                                             "Guest CS limit";
        0x4804 GUEST_SS_LIMIT:               u32                            rw      = VMCS_GUEST_SS_LIMIT                                                             "Guest SS limit";
        0x4806 GUEST_DS_LIMIT:               u32                            rw      = VMCS_GUEST_DS_LIMIT                                                             "Guest DS limit";
        0x4808 GUEST_FS_LIMIT:               u32                            rw      = VMCS_GUEST_FS_LIMIT                                                             "Guest FS limit";
        0x480a GUEST_GS_LIMIT:               u32                            rw      = VMCS_GUEST_GS_LIMIT                                                             "Guest GS limit";
        0x480c GUEST_LDTR_LIMIT:             u32                            rw      = VMCS_GUEST_LDTR_LIMIT                                                           "Guest LDTR limit";
        0x480e GUEST_TR_LIMIT:               u32                            rw      = VMCS_GUEST_TR_LIMIT                                                             "Guest TR limit";
        0x4810 GUEST_GDTR_LIMIT:             u32                            rw      = VMCS_GUEST_GDTR_LIMIT                                                           "Guest GDTR limit";
        0x4812 GUEST_IDTR_LIMIT:             u32                            rw      = VMCS_GUEST_IDTR_LIMIT                                                           "Guest IDTR limit";
        0x4814 GUEST_ES_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_ES_AR                                                                "Guest ES access rights";
        0x4816 GUEST_CS_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_CS_AR                                                                "Guest CS access rights";
        0x4818 GUEST_SS_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_SS_AR                                                                "Guest SS access rights";
        0x481a GUEST_DS_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_DS_AR                                                                "Guest DS access rights";
        0x481c GUEST_FS_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_FS_AR                                                                "Guest FS access rights";
        0x481e GUEST_GS_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_GS_AR                                                                "Guest GS access rights";
        0x4820 GUEST_LDTR_ACCESS_RIGHTS:     u32   as AccessRights          rw      = VMCS_GUEST_LDTR_AR                                                              "Guest LDTR access rights";
        0x4822 GUEST_TR_ACCESS_RIGHTS:       u32   as AccessRights          rw      = VMCS_GUEST_TR_AR                                                                "Guest TR access rights";
        0x4824 GUEST_INTERRUPTIBILITY_STATE: u32   as InterruptibilityState rw      = VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_IGNORE_IRQ          since macos 11.0    "Which events are held back";
        0x4826 GUEST_ACTIVITY_STATE:         u32   as ActivityState         cond    = VMCS_GUEST_ACTIVITY_STATE                                                       "What the processor is doing; 0 and 1 only";
        0x4828 GUEST_SMBASE:                 u32                            unknown = VMCS_GUEST_SMBASE                                  optional since macos 10.10.3 "SMM base";
        0x482a GUEST_IA32_SYSENTER_CS:       u32                            rw      = VMCS_GUEST_IA32_SYSENTER_CS                                                     "Guest IA32_SYSENTER_CS";
        0x482e VMX_PREEMPTION_TIMER_VALUE:   u32                            unknown = VMCS_GUEST_VMX_TIMER_VALUE                         optional since macos 10.10.3 "Counts down in the guest; hv_vcpu_run_until programs it itself";
    }

    /// 32-bit host-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.3.4, 32-bit host-state fields; hv_arch_vmx.h"
    {
        //     name                   width write     Apple's name                 what it holds
        0x4c00 HOST_IA32_SYSENTER_CS: u32   framework = VMCS_HOST_IA32_SYSENTER_CS "Host IA32_SYSENTER_CS";
    }

    /// Natural-width control fields.
    vmcs
        cite "Intel SDM vol. 3, B.4.1, Natural-width control fields; hv_arch_vmx.h"
    {
        //     name                 width          write Apple's name           what it holds
        0x6000 CR0_GUEST_HOST_MASK: natural as Cr0 cond  = VMCS_CTRL_CR0_MASK   "CR0 bits that the host owns; CD and NW must stay set";
        0x6002 CR4_GUEST_HOST_MASK: natural as Cr4 rw    = VMCS_CTRL_CR4_MASK   "CR4 bits that the host owns";
        0x6004 CR0_READ_SHADOW:     natural as Cr0 rw    = VMCS_CTRL_CR0_SHADOW "What the guest reads in the CR0 bits that the host owns";
        0x6006 CR4_READ_SHADOW:     natural as Cr4 rw    = VMCS_CTRL_CR4_SHADOW "What the guest reads in the CR4 bits that the host owns";
        0x6008 CR3_TARGET_VALUE_0:  natural        rw    = VMCS_CTRL_CR3_VALUE0 "A CR3 value whose load does not exit";
        0x600a CR3_TARGET_VALUE_1:  natural        rw    = VMCS_CTRL_CR3_VALUE1 "A CR3 value whose load does not exit";
        0x600c CR3_TARGET_VALUE_2:  natural        rw    = VMCS_CTRL_CR3_VALUE2 "A CR3 value whose load does not exit";
        0x600e CR3_TARGET_VALUE_3:  natural        rw    = VMCS_CTRL_CR3_VALUE3 "A CR3 value whose load does not exit";
    }

    /// Natural-width read-only data fields.
    vmcs
        cite "Intel SDM vol. 3, B.4.2, Natural-width read-only data fields; hv_arch_vmx.h"
    {
        //     name                  width   write Apple's name             state    since               what it holds
        0x6400 EXIT_QUALIFICATION:   natural ro    = VMCS_RO_EXIT_QUALIFIC  volatile                     "Details of the exit, laid out by its reason";
        0x6402 IO_RCX:               natural ro    = VMCS_RO_IO_RCX         volatile since macos 10.10.3 "RCX before the I/O instruction; SMM exits only";
        0x6404 IO_RSI:               natural ro    = VMCS_RO_IO_RSI         volatile since macos 10.10.3 "RSI before the I/O instruction; SMM exits only";
        0x6406 IO_RDI:               natural ro    = VMCS_RO_IO_RDI         volatile since macos 10.10.3 "RDI before the I/O instruction; SMM exits only";
        0x6408 IO_RIP:               natural ro    = VMCS_RO_IO_RIP         volatile since macos 10.10.3 "RIP of the I/O instruction; SMM exits only";
        0x640a GUEST_LINEAR_ADDRESS: natural ro    = VMCS_RO_GUEST_LIN_ADDR volatile                     "Linear address of the access that exited";
    }

    /// Natural-width guest-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.4.3, Natural-width guest-state fields; hv_arch_vmx.h"
    {
        //     name                                 width                             write   Apple's name                          state           since            what it holds
        0x6800 GUEST_CR0:                           natural as Cr0                    cond    = VMCS_GUEST_CR0                                                       "Operating mode; CD and NW must be clear";
        0x6802 GUEST_CR3:                           natural as Cr3                    rw      = VMCS_GUEST_CR3                                                       "Root of the paging structures";
        0x6804 GUEST_CR4:                           natural as Cr4                    rw      = VMCS_GUEST_CR4                                                       "Architectural extensions; VMXE must be set";
        0x6806 GUEST_ES_BASE:                       natural                           rw      = VMCS_GUEST_ES_BASE                                                   "Guest ES base";
        0x6808 GUEST_CS_BASE:                       natural                           rw      = VMCS_GUEST_CS_BASE                                                   "Guest CS base";
        0x680a GUEST_SS_BASE:                       natural                           rw      = VMCS_GUEST_SS_BASE                                                   "Guest SS base";
        0x680c GUEST_DS_BASE:                       natural                           rw      = VMCS_GUEST_DS_BASE                                                   "Guest DS base";
        0x680e GUEST_FS_BASE:                       natural                           rw      = VMCS_GUEST_FS_BASE                                                   "Guest FS base";
        0x6810 GUEST_GS_BASE:                       natural                           rw      = VMCS_GUEST_GS_BASE                                                   "Guest GS base";
        0x6812 GUEST_LDTR_BASE:                     natural                           rw      = VMCS_GUEST_LDTR_BASE                                                 "Guest LDTR base";
        0x6814 GUEST_TR_BASE:                       natural                           rw      = VMCS_GUEST_TR_BASE                                                   "Guest TR base";
        0x6816 GUEST_GDTR_BASE:                     natural                           rw      = VMCS_GUEST_GDTR_BASE                                                 "Guest GDTR base";
        0x6818 GUEST_IDTR_BASE:                     natural                           rw      = VMCS_GUEST_IDTR_BASE                                                 "Guest IDTR base";
        0x681a GUEST_DR7:                           natural as Dr7                    rw      = VMCS_GUEST_DR7                                                       "Debug control";
        0x681c GUEST_RSP:                           natural                           rw      = VMCS_GUEST_RSP                      alias of RSP                     "Stack pointer";
        0x681e GUEST_RIP:                           natural                           rw      = VMCS_GUEST_RIP                      alias of RIP                     "Instruction pointer";
        0x6820 GUEST_RFLAGS:                        natural as Rflags                 rw      = VMCS_GUEST_RFLAGS                   alias of RFLAGS                  "Flags";
        0x6822 GUEST_PENDING_DEBUG_EXCEPTIONS:      natural as PendingDebugExceptions rw      = VMCS_GUEST_DEBUG_EXC                                                 "Debug exceptions that wait for delivery";
        0x6824 GUEST_IA32_SYSENTER_ESP:             natural                           rw      = VMCS_GUEST_SYSENTER_ESP                                              "Guest IA32_SYSENTER_ESP";
        0x6826 GUEST_IA32_SYSENTER_EIP:             natural                           rw      = VMCS_GUEST_SYSENTER_EIP                                              "Guest IA32_SYSENTER_EIP";
        0x6828 GUEST_IA32_S_CET:                    natural as Cet                    unknown = VMCS_GUEST_IA32_S_CET               optional        since macos 12.0 "Supervisor control-flow enforcement";
        0x682a GUEST_SSP:                           natural                           unknown = VMCS_GUEST_SSP                      optional        since macos 12.0 "Shadow-stack pointer";
        0x682c GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR: natural                           unknown = VMCS_GUEST_IA32_INTR_SSP_TABLE_ADDR optional        since macos 12.0 "Table of interrupt shadow stacks";
    }

    /// Natural-width host-state fields.
    vmcs
        cite "Intel SDM vol. 3, B.4.4, Natural-width host-state fields; hv_arch_vmx.h"
    {
        //     name                                width          write     Apple's name                         since            what it holds
        0x6c00 HOST_CR0:                           natural as Cr0 framework = VMCS_HOST_CR0                                       "Host CR0";
        0x6c02 HOST_CR3:                           natural as Cr3 framework = VMCS_HOST_CR3                                       "Host CR3";
        0x6c04 HOST_CR4:                           natural as Cr4 framework = VMCS_HOST_CR4                                       "Host CR4";
        0x6c06 HOST_FS_BASE:                       natural        framework = VMCS_HOST_FS_BASE                                   "Host FS base";
        0x6c08 HOST_GS_BASE:                       natural        framework = VMCS_HOST_GS_BASE                                   "Host GS base";
        0x6c0a HOST_TR_BASE:                       natural        framework = VMCS_HOST_TR_BASE                                   "Host TR base";
        0x6c0c HOST_GDTR_BASE:                     natural        framework = VMCS_HOST_GDTR_BASE                                 "Host GDTR base";
        0x6c0e HOST_IDTR_BASE:                     natural        framework = VMCS_HOST_IDTR_BASE                                 "Host IDTR base";
        0x6c10 HOST_IA32_SYSENTER_ESP:             natural        framework = VMCS_HOST_IA32_SYSENTER_ESP                         "Host IA32_SYSENTER_ESP";
        0x6c12 HOST_IA32_SYSENTER_EIP:             natural        framework = VMCS_HOST_IA32_SYSENTER_EIP                         "Host IA32_SYSENTER_EIP";
        0x6c14 HOST_RSP:                           natural        framework = VMCS_HOST_RSP                                       "Host RSP";
        0x6c16 HOST_RIP:                           natural        framework = VMCS_HOST_RIP                                       "Host RIP";
        0x6c18 HOST_IA32_S_CET:                    natural as Cet framework = VMCS_HOST_IA32_S_CET               since macos 12.0 "Host IA32_S_CET";
        0x6c1a HOST_SSP:                           natural        framework = VMCS_HOST_SSP                      since macos 12.0 "Host SSP";
        0x6c1c HOST_IA32_INTERRUPT_SSP_TABLE_ADDR: natural        framework = VMCS_HOST_IA32_INTR_SSP_TABLE_ADDR since macos 12.0 "Host IA32_INTERRUPT_SSP_TABLE_ADDR";
    }
}
