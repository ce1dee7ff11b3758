//! x86: control, debug and flag registers bit by bit, and the ids of all registers of the framework; `vmcs` has the rest of the state.

use super::vmcs::AccessRights;

xhv_macros::spec! {
    /// The flags register.
    fields Rflags: u64
        cite "Intel SDM vol. 1, EFLAGS Register"
    {
        [63:22] res0;
        [21]    ID   "CPUID is available if software can toggle this";
        [20]    VIP  "Virtual interrupt pending";
        [19]    VIF  "Virtual image of IF";
        [18]    AC   "Alignment check; access control under SMAP";
        [17]    VM   "Virtual-8086 mode";
        [16]    RF   "Resume: no instruction breakpoint on the next instruction";
        [15]    res0;
        [14]    NT   "Nested task";
        [13:12] IOPL "I/O privilege level";
        [11]    OF   "Overflow";
        [10]    DF   "Direction: string instructions count down";
        [9]     IF   "Maskable interrupts are enabled";
        [8]     TF   "Trap after each instruction";
        [7]     SF   "Sign";
        [6]     ZF   "Zero";
        [5]     res0;
        [4]     AF   "Auxiliary carry, out of bit 3";
        [3]     res0;
        [2]     PF   "Parity of the low byte is even";
        [1]     res1;
        [0]     CF   "Carry";
    }

    /// Control register 0: operating mode and processor state.
    fields Cr0: u64
        cite "Intel SDM vol. 3, Control Registers"
    {
        [63:32] res0;
        [31]    PG "Paging";
        [30]    CD "Cache disable; must be clear in a guest of the framework";
        [29]    NW "Not write-through; must be clear in a guest of the framework";
        [28:19] res0;
        [18]    AM "Alignment mask: RFLAGS.AC has effect";
        [17]    res0;
        [16]    WP "Supervisor writes honour read-only pages";
        [15:6]  res0;
        [5]     NE "Numeric error: x87 errors raise #MF; must be set under VMX";
        [4]     ET "Extension type; always 1";
        [3]     TS "Task switched: FP instructions raise #NM";
        [2]     EM "Emulation: no x87";
        [1]     MP "Monitor coprocessor: WAIT honours TS";
        [0]     PE "Protected mode";
    }

    /// Control register 3: root of the paging structures. With CR4.PCIDE clear.
    fields Cr3: u64
        cite "Intel SDM vol. 3, Control Registers; Linear-Address Pre-Processing"
    {
        [63]    res0;
        [62]    LAM_U48 "Linear-address masking of user pointers, bits 62:48";
        [61]    LAM_U57 "Linear-address masking of user pointers, bits 62:57";
        [60:52] res0;
        [51:12] BASE    "Physical address of the top table, bits 51:12 (bits 31:5 count with PAE paging)";
        [11:5]  ignored;
        [4]     PCD     "Page-level cache disable for the top table";
        [3]     PWT     "Page-level write-through for the top table";
        [2:0]   ignored;
    }

    /// Control register 3 with CR4.PCIDE set.
    fields Cr3Pcid: u64
        cite "Intel SDM vol. 3, Process-Context Identifiers (PCIDs)"
    {
        [63]    NO_FLUSH "In the operand of MOV to CR3: keep the cached translations of this PCID; never stored";
        [62]    LAM_U48  "Linear-address masking of user pointers, bits 62:48";
        [61]    LAM_U57  "Linear-address masking of user pointers, bits 62:57";
        [60:52] res0;
        [51:12] BASE     "Physical address of the top table, bits 51:12";
        [11:0]  PCID     "Process-context identifier";
    }

    /// Control register 4: architectural extensions.
    fields Cr4: u64
        cite "Intel SDM vol. 3, Control Registers"
    {
        [63:33] res0;
        [32]    FRED       "Flexible return and event delivery";
        [31:29] res0;
        [28]    LAM_SUP    "Linear-address masking of supervisor pointers";
        [27]    LASS       "Linear-address-space separation";
        [26]    res0;
        [25]    UINTR      "User interrupts";
        [24]    PKS        "Protection keys for supervisor pages";
        [23]    CET        "Control-flow enforcement; needs CR0.WP";
        [22]    PKE        "Protection keys for user pages";
        [21]    SMAP       "Supervisor-mode access prevention";
        [20]    SMEP       "Supervisor-mode execution prevention";
        [19]    KL         "Key locker";
        [18]    OSXSAVE    "XSAVE and XGETBV are enabled";
        [17]    PCIDE      "Process-context identifiers";
        [16]    FSGSBASE   "RDFSBASE, WRFSBASE and kin are enabled";
        [15]    res0;
        [14]    SMXE       "Safer mode extensions";
        [13]    VMXE       "VMX is enabled; must be set under VMX";
        [12]    LA57       "57-bit linear addresses";
        [11]    UMIP       "User-mode instruction prevention: SGDT, SIDT, SLDT, SMSW, STR";
        [10]    OSXMMEXCPT "SIMD floating-point errors raise #XM";
        [9]     OSFXSR     "FXSAVE, FXRSTOR and SSE are enabled";
        [8]     PCE        "RDPMC at any privilege level";
        [7]     PGE        "Global pages";
        [6]     MCE        "Machine-check exceptions";
        [5]     PAE        "Physical-address extension";
        [4]     PSE        "4-MiB pages with 32-bit paging";
        [3]     DE         "Debugging extensions: DR4 and DR5 raise #UD";
        [2]     TSD        "RDTSC only at privilege level 0";
        [1]     PVI        "Protected-mode virtual interrupts";
        [0]     VME        "Virtual-8086 mode extensions";
    }

    /// Control register 8: the task-priority class. The framework has no id for it: see `TPR`.
    fields Cr8: u64
        cite "Intel SDM vol. 3, Interrupt Masking in IA-32e Mode"
    {
        [63:4] res0;
        [3:0]  TPL "Task-priority level: interrupts of this class and below are held";
    }

    /// The 8-bit task-priority register of the local APIC.
    fields Tpr: u64
        cite "Intel SDM vol. 3, Task and Processor Priorities"
    {
        [63:8] res0;
        [7:4]  CLASS     "Task-priority class: the value of CR8";
        [3:0]  SUB_CLASS "Task-priority sub-class";
    }

    /// What a breakpoint of DR7 waits for.
    values BreakpointCondition: u2
        cite "Intel SDM vol. 3, Debug Control Register (DR7)"
    {
        0 Execute   "Instruction execution";
        1 Write     "Data writes";
        2 Io        "I/O reads and writes, with CR4.DE";
        3 ReadWrite "Data reads and writes";
    }

    /// How many bytes a breakpoint of DR7 covers.
    values BreakpointLength: u2
        cite "Intel SDM vol. 3, Debug Control Register (DR7)"
    {
        0 One   "1 byte; the only length for execution";
        1 Two   "2 bytes";
        2 Eight "8 bytes";
        3 Four  "4 bytes";
    }

    /// Debug status: why the last debug exception was raised.
    fields Dr6: u64
        cite "Intel SDM vol. 3, Debug Status Register (DR6)"
    {
        [63:32] res0;
        [31:17] res1;
        [16]    RTM "0: the exception arose in a transactional region";
        [15]    BT  "Task switch to a TSS with the T flag";
        [14]    BS  "Single step";
        [13]    BD  "Debug-register access while DR7.GD was set";
        [12]    res0;
        [11]    BLD "0: a bus lock was detected";
        [10:4]  res1;
        [3]     B3  "Condition of breakpoint 3 was met";
        [2]     B2  "Condition of breakpoint 2 was met";
        [1]     B1  "Condition of breakpoint 1 was met";
        [0]     B0  "Condition of breakpoint 0 was met";
    }

    /// Debug control. 0x400 after reset.
    fields Dr7: u64
        cite "Intel SDM vol. 3, Debug Control Register (DR7)"
    {
        [63:32] res0;
        [31:30] LEN3 as BreakpointLength    "Length of breakpoint 3";
        [29:28] RW3  as BreakpointCondition "Condition of breakpoint 3";
        [27:26] LEN2 as BreakpointLength    "Length of breakpoint 2";
        [25:24] RW2  as BreakpointCondition "Condition of breakpoint 2";
        [23:22] LEN1 as BreakpointLength    "Length of breakpoint 1";
        [21:20] RW1  as BreakpointCondition "Condition of breakpoint 1";
        [19:18] LEN0 as BreakpointLength    "Length of breakpoint 0";
        [17:16] RW0  as BreakpointCondition "Condition of breakpoint 0";
        [15:14] res0;
        [13]    GD                          "General detect: MOV DR raises #DB";
        [12]    res0;
        [11]    RTM                         "Debugging of transactional regions";
        [10]    res1;
        [9]     GE                          "Global exact breakpoints (no effect on current processors)";
        [8]     LE                          "Local exact breakpoints (no effect on current processors)";
        [7]     G3                          "Breakpoint 3 is enabled for all tasks";
        [6]     L3                          "Breakpoint 3 is enabled for this task";
        [5]     G2                          "Breakpoint 2 is enabled for all tasks";
        [4]     L2                          "Breakpoint 2 is enabled for this task";
        [3]     G1                          "Breakpoint 1 is enabled for all tasks";
        [2]     L1                          "Breakpoint 1 is enabled for this task";
        [1]     G0                          "Breakpoint 0 is enabled for all tasks";
        [0]     L0                          "Breakpoint 0 is enabled for this task";
    }

    /// Extended control register 0: the state components that XSAVE manages.
    fields Xcr0: u64
        cite "Intel SDM vol. 1, XSAVE-Supported Features and State-Component Bitmaps"
    {
        [63:20] res0;
        [19]    APX       "R16 to R31";
        [18]    TILEDATA  "AMX tile data";
        [17]    TILECFG   "AMX tile configuration";
        [16:10] res0;
        [9]     PKRU      "User protection keys";
        [8]     res0;
        [7]     HI16_ZMM  "AVX-512: ZMM16 to ZMM31";
        [6]     ZMM_HI256 "AVX-512: upper halves of ZMM0 to ZMM15";
        [5]     OPMASK    "AVX-512: K0 to K7";
        [4]     BNDCSR    "MPX: BNDCFGU and BNDSTATUS";
        [3]     BNDREGS   "MPX: BND0 to BND3";
        [2]     AVX       "Upper halves of the YMM registers";
        [1]     SSE       "XMM registers and MXCSR";
        [0]     X87       "x87 state; always 1";
    }

    /// Registers that `hv_vcpu_read_register` and `hv_vcpu_write_register` reach.
    ///
    /// RIP, RFLAGS and RSP are saved here; whatever else the framework keeps in the VMCS is saved from there.
    registers x86_64
        cite "hv_arch_x86.h, hv_x86_reg_t"
    {
        // name       type                 Apple's name       state                             what it holds
        0  RIP:       u64                  = HV_X86_RIP                                         "Instruction pointer";
        1  RFLAGS:    u64  as Rflags       = HV_X86_RFLAGS                                      "Flags";
        2  RAX:       u64                  = HV_X86_RAX                                         "Accumulator";
        3  RCX:       u64                  = HV_X86_RCX                                         "Counter";
        4  RDX:       u64                  = HV_X86_RDX                                         "Data";
        5  RBX:       u64                  = HV_X86_RBX                                         "Base";
        6  RSI:       u64                  = HV_X86_RSI                                         "Source index";
        7  RDI:       u64                  = HV_X86_RDI                                         "Destination index";
        8  RSP:       u64                  = HV_X86_RSP                                         "Stack pointer";
        9  RBP:       u64                  = HV_X86_RBP                                         "Frame pointer";
        10 R8:        u64                  = HV_X86_R8                                          "General register 8";
        11 R9:        u64                  = HV_X86_R9                                          "General register 9";
        12 R10:       u64                  = HV_X86_R10                                         "General register 10";
        13 R11:       u64                  = HV_X86_R11                                         "General register 11";
        14 R12:       u64                  = HV_X86_R12                                         "General register 12";
        15 R13:       u64                  = HV_X86_R13                                         "General register 13";
        16 R14:       u64                  = HV_X86_R14                                         "General register 14";
        17 R15:       u64                  = HV_X86_R15                                         "General register 15";
        18 CS:        u64                  = HV_X86_CS        alias of GUEST_CS_SELECTOR        "Code segment: the selector only";
        19 SS:        u64                  = HV_X86_SS        alias of GUEST_SS_SELECTOR        "Stack segment: the selector only";
        20 DS:        u64                  = HV_X86_DS        alias of GUEST_DS_SELECTOR        "Data segment: the selector only";
        21 ES:        u64                  = HV_X86_ES        alias of GUEST_ES_SELECTOR        "Extra segment: the selector only";
        22 FS:        u64                  = HV_X86_FS        alias of GUEST_FS_SELECTOR        "F segment: the selector only";
        23 GS:        u64                  = HV_X86_GS        alias of GUEST_GS_SELECTOR        "G segment: the selector only";
        24 IDT_BASE:  u64                  = HV_X86_IDT_BASE  alias of GUEST_IDTR_BASE          "Base of the interrupt descriptor table";
        25 IDT_LIMIT: u64                  = HV_X86_IDT_LIMIT alias of GUEST_IDTR_LIMIT         "Limit of the interrupt descriptor table";
        26 GDT_BASE:  u64                  = HV_X86_GDT_BASE  alias of GUEST_GDTR_BASE          "Base of the global descriptor table";
        27 GDT_LIMIT: u64                  = HV_X86_GDT_LIMIT alias of GUEST_GDTR_LIMIT         "Limit of the global descriptor table";
        28 LDTR:      u64                  = HV_X86_LDTR      alias of GUEST_LDTR_SELECTOR      "Selector of the local descriptor table";
        29 LDT_BASE:  u64                  = HV_X86_LDT_BASE  alias of GUEST_LDTR_BASE          "Base of the local descriptor table";
        30 LDT_LIMIT: u64                  = HV_X86_LDT_LIMIT alias of GUEST_LDTR_LIMIT         "Limit of the local descriptor table";
        31 LDT_AR:    u64  as AccessRights = HV_X86_LDT_AR    alias of GUEST_LDTR_ACCESS_RIGHTS "Access rights of the local descriptor table";
        32 TR:        u64                  = HV_X86_TR        alias of GUEST_TR_SELECTOR        "Selector of the task-state segment";
        33 TSS_BASE:  u64                  = HV_X86_TSS_BASE  alias of GUEST_TR_BASE            "Base of the task-state segment";
        34 TSS_LIMIT: u64                  = HV_X86_TSS_LIMIT alias of GUEST_TR_LIMIT           "Limit of the task-state segment";
        35 TSS_AR:    u64  as AccessRights = HV_X86_TSS_AR    alias of GUEST_TR_ACCESS_RIGHTS   "Access rights of the task-state segment";
        36 CR0:       u64  as Cr0          = HV_X86_CR0       alias of GUEST_CR0                "Operating mode; the framework post-processes a write: prefer the VMCS field";
        37 CR1:       u64                  = HV_X86_CR1       nosave "no such register"         "A placeholder: the architecture has no such register";
        38 CR2:       u64                  = HV_X86_CR2                                         "Page-fault linear address";
        39 CR3:       u64  as Cr3          = HV_X86_CR3       alias of GUEST_CR3                "Root of the paging structures; prefer the VMCS field";
        40 CR4:       u64  as Cr4          = HV_X86_CR4       alias of GUEST_CR4                "Architectural extensions; prefer the VMCS field";
        41 DR0:       u64                  = HV_X86_DR0                                         "Address of breakpoint 0";
        42 DR1:       u64                  = HV_X86_DR1                                         "Address of breakpoint 1";
        43 DR2:       u64                  = HV_X86_DR2                                         "Address of breakpoint 2";
        44 DR3:       u64                  = HV_X86_DR3                                         "Address of breakpoint 3";
        45 DR4:       u64                  = HV_X86_DR4       nosave "another name of DR6"      "Slot of the old name of DR6";
        46 DR5:       u64                  = HV_X86_DR5       nosave "another name of DR7"      "Slot of the old name of DR7";
        47 DR6:       u64  as Dr6          = HV_X86_DR6                                         "Debug status";
        48 DR7:       u64  as Dr7          = HV_X86_DR7       alias of GUEST_DR7                "Debug control";
        49 TPR:       u64  as Tpr          = HV_X86_TPR                                         "Task priority, all eight bits (CR8 = TPR >> 4)";
        50 XCR0:      u64  as Xcr0         = HV_X86_XCR0                                        "State components that XSAVE manages; an unsupported combination is ignored";
    }
}
