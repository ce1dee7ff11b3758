//! x86: VM exits: reasons, and the layouts of the exit qualification and the instruction information; `vmcs` has the fields they are read from.

use super::vmcs::{self, IdtVectoringInformation, VmExitInterruptionInformation};
use super::vmcs::{
    EXIT_QUALIFICATION as QUALIFICATION, GUEST_LINEAR_ADDRESS as LINEAR,
    GUEST_PHYSICAL_ADDRESS as PHYSICAL, IDT_VECTORING_INFORMATION as VECTORING, IO_RCX, IO_RDI,
    IO_RIP, IO_RSI, MSR_DATA, VM_EXIT_INSTRUCTION_INFORMATION as INFORMATION,
    VM_EXIT_INSTRUCTION_LENGTH as LENGTH, VM_EXIT_INTERRUPTION_ERROR_CODE as ERROR_CODE,
    VM_EXIT_INTERRUPTION_INFORMATION as INTERRUPTION,
};

xhv_macros::spec! {
    /// Why a debug exception was raised. For a page fault the qualification is the linear address instead; for all else 0.
    fields DebugQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for Debug Exceptions"
    {
        [63:17] res;
        [16]    RTM "In a transactional region";
        [15]    res;
        [14]    BS  "Single step or taken branch";
        [13]    BD  "Debug-register access while DR7.GD was set";
        [12]    res;
        [11]    BLD "Bus lock";
        [10:4]  res;
        [3]     B3  "Condition of breakpoint 3 was met";
        [2]     B2  "Condition of breakpoint 2 was met";
        [1]     B1  "Condition of breakpoint 1 was met";
        [0]     B0  "Condition of breakpoint 0 was met";
    }

    /// A task switch.
    fields TaskSwitchQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for Task Switches"
    {
        [63:32] res;
        [31:30] SOURCE   { 0 Call, 1 Iret, 2 Jmp, 3 TaskGate } "What started the switch";
        [29:16] res;
        [15:0]  SELECTOR                                       "Selector of the new TSS";
    }

    /// A general register, by its number in instructions.
    values GeneralRegister: u4
        cite "Intel SDM vol. 3, Exit Qualification for Control-Register Accesses"
    {
        0  Rax;
        1  Rcx;
        2  Rdx;
        3  Rbx;
        4  Rsp;
        5  Rbp;
        6  Rsi;
        7  Rdi;
        8  R8;
        9  R9;
        10 R10;
        11 R11;
        12 R12;
        13 R13;
        14 R14;
        15 R15;
    }

    /// An access to a control register.
    fields CrQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for Control-Register Accesses"
    {
        [63:32] res;
        [31:16] LMSW_SOURCE                                            "Operand of LMSW";
        [15:12] res;
        [11:8]  REGISTER    as GeneralRegister                         "General register of MOV";
        [7]     res;
        [6]     LMSW_MEMORY                                            "LMSW has a memory operand, at GUEST_LINEAR_ADDRESS";
        [5:4]   ACCESS      { 0 MovToCr, 1 MovFromCr, 2 Clts, 3 Lmsw } "Kind of access";
        [3:0]   NUMBER                                                 "Number of the control register; 0 for CLTS and LMSW";
    }

    /// An access to a debug register.
    fields DrQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for MOV DR"
    {
        [63:12] res;
        [11:8]  REGISTER as GeneralRegister "General register";
        [7:5]   res;
        [4]     FROM_DR                     "MOV from the debug register, else to it";
        [3]     res;
        [2:0]   NUMBER                      "Number of the debug register";
    }

    /// An access to an I/O port.
    fields IoQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for I/O Instructions"
    {
        [63:32] res;
        [31:16] PORT                                  "Port";
        [15:7]  res;
        [6]     IMMEDIATE                             "The port is in the instruction, else in DX";
        [5]     REP                                   "With REP prefix";
        [4]     STRING                                "INS or OUTS; memory at GUEST_LINEAR_ADDRESS";
        [3]     IN                                    "IN or INS, else OUT or OUTS";
        [2:0]   SIZE      { 0 Byte, 1 Word, 3 Dword } "Size of the access";
    }

    /// A start-up IPI.
    fields SipiQualification: u64
        cite "Intel SDM vol. 3, Basic VM-Exit Information"
    {
        [63:8] res;
        [7:0]  VECTOR "Vector: execution begins at vector << 12";
    }

    /// A MWAIT.
    fields MwaitQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for MWAIT"
    {
        [63:1] res;
        [0]    ARMED "The address-range monitor is armed";
    }

    /// An access to the APIC-access page.
    fields ApicAccessQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for APIC-Access VM Exits"
    {
        [63:17] res;
        [16]    ASYNCHRONOUS                                                                                                                                              "Not part of an instruction or of event delivery";
        [15:12] TYPE         { 0 LinearRead, 1 LinearWrite, 2 LinearFetch, 3 LinearEvent, 4 LinearMonitor, 10 PhysicalEvent, 11 PhysicalMonitor, 15 PhysicalInstruction } "Kind of access";
        [11:0]  OFFSET                                                                                                                                                    "Offset in the page, for linear accesses";
    }

    /// A virtualized EOI.
    fields VirtualizedEoiQualification: u64
        cite "Intel SDM vol. 3, EOI Virtualization"
    {
        [63:8] res;
        [7:0]  VECTOR "Vector that ended";
    }

    /// A write to the virtual-APIC page.
    fields ApicWriteQualification: u64
        cite "Intel SDM vol. 3, APIC-Write VM Exits"
    {
        [63:12] res;
        [11:0]  OFFSET "Offset in the page";
    }

    /// An EPT violation. Bits 3 to 6 are the AND of the rights of all entries used, 0 where one was not present.
    fields EptQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for EPT Violations"
    {
        [63:17] res;
        [16]    ASYNCHRONOUS                "Not part of an instruction or of event delivery";
        [15]    GUEST_PAGING_VERIFICATION   "Guest-paging verification failed";
        [14]    EPT_SUPERVISOR_SHADOW_STACK "The leaf is a supervisor shadow-stack page";
        [13]    SHADOW_STACK                "Shadow-stack access";
        [12]    NMI_UNBLOCKING              "IRET had unblocked NMIs";
        [11]    LINEAR_EXECUTE_DISABLED     "Advanced information: the linear address was execute-disabled";
        [10]    LINEAR_WRITABLE             "Advanced information: the linear address was writable";
        [9]     LINEAR_USER                 "Advanced information: the linear address was a user one";
        [8]     TRANSLATED                  "With bit 7: access to the translated address, else to a guest paging structure";
        [7]     LINEAR_VALID                "GUEST_LINEAR_ADDRESS is valid";
        [6]     EPT_USER_EXECUTE            "User execute was permitted; mode-based execute control only";
        [5]     EPT_EXECUTE                 "Execute was permitted";
        [4]     EPT_WRITE                   "Write was permitted";
        [3]     EPT_READ                    "Read was permitted";
        [2]     FETCH                       "Instruction fetch";
        [1]     WRITE                       "Data write";
        [0]     READ                        "Data read; with WRITE also for paging structures when accessed and dirty flags are on";
    }

    /// A full page-modification log.
    fields PmlFullQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for Page-Modification Log-Full Events"
    {
        [63:17] res;
        [16]    ASYNCHRONOUS   "Not part of an instruction or of event delivery";
        [15:13] res;
        [12]    NMI_UNBLOCKING "IRET had unblocked NMIs";
        [11:0]  res;
    }

    /// A sub-page permission event.
    fields SppQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for SPP-Related Events"
    {
        [63:13] res;
        [12]    NMI_UNBLOCKING "IRET had unblocked NMIs";
        [11]    MISS           "An entry was not present, else the table is misconfigured";
        [10:0]  res;
    }

    /// An instruction timeout.
    fields InstructionTimeoutQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for Instruction Timeouts"
    {
        [63:13] res;
        [12]    NMI_UNBLOCKING  "IRET had unblocked NMIs";
        [11:1]  res;
        [0]     CONTEXT_INVALID "The guest state in the VMCS may be corrupt";
    }

    /// A write of an MSR.
    fields WrmsrQualification: u64
        cite "Intel SDM vol. 3, Exit Qualification for WRMSR and WRMSRNS"
    {
        [63:1] res;
        [0]    NON_SERIALIZING "WRMSRNS, else WRMSR";
    }

    /// Which check of the guest state failed.
    values EntryFailure: u64
        cite "Intel SDM vol. 3, VM-Entry Failures During or After Loading Guest State"
    {
        0 GuestState   "Most checks";
        2 Pdptes       "Loading of the PDPTEs";
        3 NmiInjection "NMI injected while STI or MOV SS blocks";
        4 LinkPointer  "VMCS link pointer";
    }

    /// A segment register, by its number in instructions.
    values SegmentRegister: u3
        cite "Intel SDM vol. 3, VM-Exit Instruction Information"
    {
        0 Es;
        1 Cs;
        2 Ss;
        3 Ds;
        4 Fs;
        5 Gs;
    }

    /// Address size of an instruction.
    values AddressSize: u3
        cite "Intel SDM vol. 3, VM-Exit Instruction Information"
    {
        0 Bits16 "16 bits";
        1 Bits32 "32 bits";
        2 Bits64 "64 bits";
    }

    /// Operand size of an instruction.
    values OperandSize: u2
        cite "Intel SDM vol. 3, VM-Exit Instruction Information"
    {
        0 Bits16 "16 bits";
        1 Bits32 "32 bits";
        2 Bits64 "64 bits";
    }

    /// Operands of INS and OUTS; valid if VmxBasic::INS_OUTS_INFORMATION.
    fields InsOutsInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for INS and OUTS"
    {
        [31:18] res;
        [17:15] SEGMENT      as SegmentRegister "Segment of the memory operand; OUTS only";
        [14:10] res;
        [9:7]   ADDRESS_SIZE as AddressSize     "Address size";
        [6:0]   res;
    }

    /// Operands of INVEPT, INVPCID and INVVPID.
    fields InvInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for INVEPT, INVPCID, and INVVPID"
    {
        [31:28] REGISTER2     as GeneralRegister             "Register that says what to invalidate";
        [27]    BASE_INVALID                                 "No base register";
        [26:23] BASE          as GeneralRegister             "Base register";
        [22]    INDEX_INVALID                                "No index register";
        [21:18] INDEX         as GeneralRegister             "Index register";
        [17:15] SEGMENT       as SegmentRegister             "Segment of the memory operand";
        [14:10] res;
        [9:7]   ADDRESS_SIZE  as AddressSize                 "Address size";
        [6:2]   res;
        [1:0]   SCALE         { 0 By1, 1 By2, 2 By4, 3 By8 } "Index scale";
    }

    /// Operands of LGDT, LIDT, SGDT and SIDT.
    fields GdtrIdtrInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for LIDT, LGDT, SIDT, or SGDT"
    {
        [31:30] res;
        [29:28] INSTRUCTION     { 0 Sgdt, 1 Sidt, 2 Lgdt, 3 Lidt } "Instruction";
        [27]    BASE_INVALID                                       "No base register";
        [26:23] BASE            as GeneralRegister                 "Base register";
        [22]    INDEX_INVALID                                      "No index register";
        [21:18] INDEX           as GeneralRegister                 "Index register";
        [17:15] SEGMENT         as SegmentRegister                 "Segment of the memory operand";
        [14:12] res;
        [11]    OPERAND_SIZE_32                                    "32-bit operand, else 16-bit; undefined in 64-bit mode";
        [10]    res;
        [9:7]   ADDRESS_SIZE    as AddressSize                     "Address size";
        [6:2]   res;
        [1:0]   SCALE           { 0 By1, 1 By2, 2 By4, 3 By8 }     "Index scale";
    }

    /// Operands of LLDT, LTR, SLDT and STR.
    fields LdtrTrInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for LLDT, LTR, SLDT, and STR"
    {
        [31:30] res;
        [29:28] INSTRUCTION   { 0 Sldt, 1 Str, 2 Lldt, 3 Ltr } "Instruction";
        [27]    BASE_INVALID                                   "No base register";
        [26:23] BASE          as GeneralRegister               "Base register";
        [22]    INDEX_INVALID                                  "No index register";
        [21:18] INDEX         as GeneralRegister               "Index register";
        [17:15] SEGMENT       as SegmentRegister               "Segment of the memory operand";
        [14:11] res;
        [10]    REGISTER_FORM                                  "Register operand, else memory operand";
        [9:7]   ADDRESS_SIZE  as AddressSize                   "Address size";
        [6:3]   REGISTER1     as GeneralRegister               "Register operand, when it is one";
        [2]     res;
        [1:0]   SCALE         { 0 By1, 1 By2, 2 By4, 3 By8 }   "Index scale";
    }

    /// Operands of VMREAD and VMWRITE.
    fields VmreadVmwriteInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for VMREAD and VMWRITE"
    {
        [31:28] REGISTER2     as GeneralRegister             "Register with the field encoding";
        [27]    BASE_INVALID                                 "No base register";
        [26:23] BASE          as GeneralRegister             "Base register";
        [22]    INDEX_INVALID                                "No index register";
        [21:18] INDEX         as GeneralRegister             "Index register";
        [17:15] SEGMENT       as SegmentRegister             "Segment of the memory operand";
        [14:11] res;
        [10]    REGISTER_FORM                                "Register operand, else memory operand";
        [9:7]   ADDRESS_SIZE  as AddressSize                 "Address size";
        [6:3]   REGISTER1     as GeneralRegister             "Register operand, when it is one";
        [2]     res;
        [1:0]   SCALE         { 0 By1, 1 By2, 2 By4, 3 By8 } "Index scale";
    }

    /// Operand of VMCLEAR, VMPTRLD, VMPTRST, VMXON, XRSTORS and XSAVES.
    fields MemoryInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for VMCLEAR, VMPTRLD, VMPTRST, VMXON, XRSTORS, and XSAVES"
    {
        [31:28] res;
        [27]    BASE_INVALID                                 "No base register";
        [26:23] BASE          as GeneralRegister             "Base register";
        [22]    INDEX_INVALID                                "No index register";
        [21:18] INDEX         as GeneralRegister             "Index register";
        [17:15] SEGMENT       as SegmentRegister             "Segment of the memory operand";
        [14:10] res;
        [9:7]   ADDRESS_SIZE  as AddressSize                 "Address size";
        [6:2]   res;
        [1:0]   SCALE         { 0 By1, 1 By2, 2 By4, 3 By8 } "Index scale";
    }

    /// Operand of RDRAND, RDSEED, TPAUSE and UMWAIT.
    fields RegisterInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for RDRAND, RDSEED, TPAUSE, and UMWAIT"
    {
        [31:13] res;
        [12:11] OPERAND_SIZE as OperandSize     "Operand size";
        [10:7]  res;
        [6:3]   REGISTER1    as GeneralRegister "Destination, or source of TPAUSE and UMWAIT";
        [2:0]   res;
    }

    /// Operands of LOADIWKEY: numbers of XMM registers.
    fields LoadiwkeyInformation: u32
        cite "Intel SDM vol. 3, Format of the VM-Exit Instruction-Information Field as Used for LOADIWKEY"
    {
        [31:28] REGISTER2 "Second operand";
        [27:7]  res;
        [6:3]   REGISTER1 "First operand";
        [2:0]   res;
    }

    /// Why the guest left, with what belongs to it. 35, 38, 42, 71, 82 and 83 are reserved.
    ///
    /// Reasons 65, 69 and above that Apple does not name cannot appear under the framework as known.
    exits Exit of vmcs::EXIT_REASON[15:0]
        cite "Intel SDM vol. 3, appendix C, VMX Basic Exit Reasons; hv_arch_vmx.h"
    {
        // name                         payload                   Apple's name                   since            what happened
        0  EXCEPTION_OR_NMI             { information: INTERRUPTION as VmExitInterruptionInformation, error_code: ERROR_CODE as u32, qualification: QUALIFICATION, length: LENGTH as u32 } = VMX_REASON_EXC_NMI "An exception of the exception bitmap, or an NMI";
        1  EXTERNAL_INTERRUPT           { information: INTERRUPTION as VmExitInterruptionInformation } = VMX_REASON_IRQ "A host interrupt or hv_vcpu_interrupt: nothing to do";
        2  TRIPLE_FAULT                                           = VMX_REASON_TRIPLE_FAULT                       "A fault while delivering a double fault";
        3  INIT_SIGNAL                                            = VMX_REASON_INIT                               "INIT arrived";
        4  SIPI                         { qualification: QUALIFICATION as SipiQualification } = VMX_REASON_SIPI "A start-up IPI arrived in wait-for-SIPI";
        5  IO_SMI                       { qualification: QUALIFICATION as IoQualification, rcx: IO_RCX, rsi: IO_RSI, rdi: IO_RDI, rip: IO_RIP } = VMX_REASON_IO_SMI "An SMI right after an I/O instruction; SMM monitors only";
        6  OTHER_SMI                                              = VMX_REASON_OTHER_SMI                          "Another SMI; SMM monitors only";
        7  INTERRUPT_WINDOW                                       = VMX_REASON_IRQ_WND                            "The guest can take an interrupt now";
        8  NMI_WINDOW                                             = VMX_REASON_VIRTUAL_NMI_WND                    "The guest can take an NMI now";
        9  TASK_SWITCH                  { qualification: QUALIFICATION as TaskSwitchQualification, vectoring: VECTORING as IdtVectoringInformation, length: LENGTH as u32 } = VMX_REASON_TASK "A task switch";
        10 CPUID                        { length: LENGTH as u32 } = VMX_REASON_CPUID                              "CPUID; always";
        11 GETSEC                       { length: LENGTH as u32 } = VMX_REASON_GETSEC                             "GETSEC; always";
        12 HLT                          { length: LENGTH as u32 } = VMX_REASON_HLT                                "HLT, with HLT exiting";
        13 INVD                         { length: LENGTH as u32 } = VMX_REASON_INVD                               "INVD; always";
        14 INVLPG                       { linear_address: QUALIFICATION, length: LENGTH as u32 } = VMX_REASON_INVLPG "INVLPG, with INVLPG exiting";
        15 RDPMC                        { length: LENGTH as u32 } = VMX_REASON_RDPMC                              "RDPMC, with RDPMC exiting";
        16 RDTSC                        { length: LENGTH as u32 } = VMX_REASON_RDTSC                              "RDTSC, with RDTSC exiting";
        17 RSM                          { length: LENGTH as u32 } = VMX_REASON_RSM                                "RSM in SMM";
        18 VMCALL                       { length: LENGTH as u32 } = VMX_REASON_VMCALL                             "VMCALL; always";
        19 VMCLEAR                      { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_VMCLEAR "VMCLEAR; always";
        20 VMLAUNCH                     { length: LENGTH as u32 } = VMX_REASON_VMLAUNCH                           "VMLAUNCH; always";
        21 VMPTRLD                      { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_VMPTRLD "VMPTRLD; always";
        22 VMPTRST                      { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_VMPTRST "VMPTRST; always";
        23 VMREAD                       { displacement: QUALIFICATION, information: INFORMATION as VmreadVmwriteInformation, length: LENGTH as u32 } = VMX_REASON_VMREAD "VMREAD, but for VMCS shadowing";
        24 VMRESUME                     { length: LENGTH as u32 } = VMX_REASON_VMRESUME                           "VMRESUME; always";
        25 VMWRITE                      { displacement: QUALIFICATION, information: INFORMATION as VmreadVmwriteInformation, length: LENGTH as u32 } = VMX_REASON_VMWRITE "VMWRITE, but for VMCS shadowing";
        26 VMXOFF                       { length: LENGTH as u32 } = VMX_REASON_VMOFF                              "VMXOFF; always";
        27 VMXON                        { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_VMON "VMXON; always";
        28 CR_ACCESS                    { qualification: QUALIFICATION as CrQualification, guest_linear: LINEAR, length: LENGTH as u32 } = VMX_REASON_MOV_CR "CLTS, LMSW, MOV to or from a control register, by masks and controls";
        29 MOV_DR                       { qualification: QUALIFICATION as DrQualification, length: LENGTH as u32 } = VMX_REASON_MOV_DR "MOV to or from a debug register, with MOV-DR exiting";
        30 IO                           { qualification: QUALIFICATION as IoQualification, information: INFORMATION as InsOutsInformation, guest_linear: LINEAR, length: LENGTH as u32 } = VMX_REASON_IO "IN, INS, OUT or OUTS, by control or bitmap";
        31 RDMSR                        { length: LENGTH as u32 } = VMX_REASON_RDMSR                              "RDMSR, by MSR bitmaps";
        32 WRMSR                        { qualification: QUALIFICATION as WrmsrQualification, length: LENGTH as u32 } = VMX_REASON_WRMSR "WRMSR, by MSR bitmaps";
        33 ENTRY_FAILURE_GUEST_STATE    { check: QUALIFICATION as EntryFailure } = VMX_REASON_VMENTRY_GUEST "The guest state failed its checks";
        34 ENTRY_FAILURE_MSR_LOADING    { entry: QUALIFICATION }  = VMX_REASON_VMENTRY_MSR                        "An entry of the MSR-load list failed";
        36 MWAIT                        { qualification: QUALIFICATION as MwaitQualification, length: LENGTH as u32 } = VMX_REASON_MWAIT "MWAIT, with MWAIT exiting";
        37 MONITOR_TRAP_FLAG                                      = VMX_REASON_MTF                                "One instruction is done, with the monitor trap flag";
        39 MONITOR                      { length: LENGTH as u32 } = VMX_REASON_MONITOR                            "MONITOR, with MONITOR exiting";
        40 PAUSE                        { length: LENGTH as u32 } = VMX_REASON_PAUSE                              "PAUSE, by control or in a loop";
        41 ENTRY_FAILURE_MACHINE_CHECK                            = VMX_REASON_VMENTRY_MC                         "A machine check during entry";
        43 TPR_BELOW_THRESHOLD                                    = VMX_REASON_TPR_THRESHOLD                      "The task priority fell below the threshold";
        44 APIC_ACCESS                  { qualification: QUALIFICATION as ApicAccessQualification, guest_linear: LINEAR, length: LENGTH as u32 } = VMX_REASON_APIC_ACCESS "An access to the APIC-access page";
        45 VIRTUALIZED_EOI              { qualification: QUALIFICATION as VirtualizedEoiQualification } = VMX_REASON_VIRTUALIZED_EOI "An EOI of a vector in the EOI-exit bitmap";
        46 GDTR_IDTR_ACCESS             { displacement: QUALIFICATION, information: INFORMATION as GdtrIdtrInformation, length: LENGTH as u32 } = VMX_REASON_GDTR_IDTR "LGDT, LIDT, SGDT or SIDT, with descriptor-table exiting";
        47 LDTR_TR_ACCESS               { displacement: QUALIFICATION, information: INFORMATION as LdtrTrInformation, length: LENGTH as u32 } = VMX_REASON_LDTR_TR "LLDT, LTR, SLDT or STR, with descriptor-table exiting";
        48 EPT_VIOLATION                { qualification: QUALIFICATION as EptQualification, guest_physical: PHYSICAL, guest_linear: LINEAR, length: LENGTH as u32 } = VMX_REASON_EPT_VIOLATION "An access that the extended page tables do not permit; also the first touch of a mapped page";
        49 EPT_MISCONFIGURATION         { guest_physical: PHYSICAL } = VMX_REASON_EPT_MISCONFIG "A malformed entry of the extended page tables";
        50 INVEPT                       { displacement: QUALIFICATION, information: INFORMATION as InvInformation, length: LENGTH as u32 } = VMX_REASON_EPT_INVEPT "INVEPT; always";
        51 RDTSCP                       { length: LENGTH as u32 } = VMX_REASON_RDTSCP                             "RDTSCP, with RDTSC exiting";
        52 VMX_PREEMPTION_TIMER_EXPIRED                           = VMX_REASON_VMX_TIMER_EXPIRED                  "The timer reached zero; also the deadline of hv_vcpu_run_until";
        53 INVVPID                      { displacement: QUALIFICATION, information: INFORMATION as InvInformation, length: LENGTH as u32 } = VMX_REASON_INVVPID "INVVPID; always";
        54 WBINVD                       { length: LENGTH as u32 } = VMX_REASON_WBINVD                             "WBINVD or WBNOINVD, with WBINVD exiting";
        55 XSETBV                       { length: LENGTH as u32 } = VMX_REASON_XSETBV                             "XSETBV; always";
        56 APIC_WRITE                   { qualification: QUALIFICATION as ApicWriteQualification } = VMX_REASON_APIC_WRITE "A write to the virtual-APIC page is complete";
        57 RDRAND                       { information: INFORMATION as RegisterInformation, length: LENGTH as u32 } = VMX_REASON_RDRAND "RDRAND, with RDRAND exiting";
        58 INVPCID                      { displacement: QUALIFICATION, information: INFORMATION as InvInformation, length: LENGTH as u32 } = VMX_REASON_INVPCID "INVPCID, with INVLPG exiting";
        59 VMFUNC                       { length: LENGTH as u32 } = VMX_REASON_VMFUNC                             "VMFUNC of a function that is off or failed";
        60 ENCLS                        { length: LENGTH as u32 } = VMX_REASON_ENCLS             since macos 11.0 "ENCLS, by its bitmap";
        61 RDSEED                       { information: INFORMATION as RegisterInformation, length: LENGTH as u32 } = VMX_REASON_RDSEED "RDSEED, with RDSEED exiting";
        62 PML_FULL                     { qualification: QUALIFICATION as PmlFullQualification, guest_linear: LINEAR } = VMX_REASON_PML_FULL since macos 11.0 "The page-modification log is full";
        63 XSAVES                       { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_XSAVES "XSAVES, by the XSS-exiting bitmap";
        64 XRSTORS                      { displacement: QUALIFICATION, information: INFORMATION as MemoryInformation, length: LENGTH as u32 } = VMX_REASON_XRSTORS "XRSTORS, by the XSS-exiting bitmap";
        65 PCONFIG                      { length: LENGTH as u32 }                                                 "PCONFIG, by its bitmap";
        66 SPP_EVENT                    { qualification: QUALIFICATION as SppQualification, guest_physical: PHYSICAL, guest_linear: LINEAR } = VMX_REASON_SPP_EVENT since macos 11.0 "A sub-page permission event";
        67 UMWAIT                       { information: INFORMATION as RegisterInformation, length: LENGTH as u32 } = VMX_REASON_UMWAIT since macos 11.0 "UMWAIT, with RDTSC exiting";
        68 TPAUSE                       { information: INFORMATION as RegisterInformation, length: LENGTH as u32 } = VMX_REASON_TPAUSE since macos 11.0 "TPAUSE, with RDTSC exiting";
        69 LOADIWKEY                    { information: INFORMATION as LoadiwkeyInformation, length: LENGTH as u32 } "LOADIWKEY, with LOADIWKEY exiting";
        70 ENCLV                        { length: LENGTH as u32 }                                                 "ENCLV, by its bitmap";
        72 ENQCMD_PASID_FAILURE         { displacement: QUALIFICATION, length: LENGTH as u32 } "ENQCMD with a PASID that cannot be translated";
        73 ENQCMDS_PASID_FAILURE        { displacement: QUALIFICATION, length: LENGTH as u32 } "ENQCMDS with a PASID that cannot be translated";
        74 BUS_LOCK                                                                                               "A bus lock happened";
        75 INSTRUCTION_TIMEOUT          { qualification: QUALIFICATION as InstructionTimeoutQualification } "No interrupt window for too long";
        76 SEAMCALL                     { length: LENGTH as u32 }                                                 "SEAMCALL; TDX";
        77 TDCALL                       { length: LENGTH as u32 }                                                 "TDCALL; TDX";
        78 RDMSRLIST                    { msr: QUALIFICATION, length: LENGTH as u32 } "RDMSRLIST, by MSR bitmaps";
        79 WRMSRLIST                    { msr: QUALIFICATION, data: MSR_DATA, length: LENGTH as u32 } "WRMSRLIST, by MSR bitmaps";
        80 URDMSR                       { length: LENGTH as u32 }                                                 "URDMSR";
        81 UWRMSR                       { length: LENGTH as u32 }                                                 "UWRMSR";
        84 RDMSR_IMMEDIATE              { length: LENGTH as u32 }                                                 "RDMSR with the MSR number in the instruction";
        85 WRMSRNS_IMMEDIATE            { length: LENGTH as u32 }                                                 "WRMSRNS with the MSR number in the instruction";
    }
}
