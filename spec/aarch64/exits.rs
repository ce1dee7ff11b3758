//! AArch64: why a vCPU stopped: exit reasons of the framework, exception classes, and the layout of the syndrome for each class.

xhv_macros::spec! {
    /// Why `hv_vcpu_run` returned; open: later systems may add reasons.
    values ExitReason: u32
        cite "hv_vcpu_types.h, hv_exit_reason_t"
    {
        0 CANCELED         = HV_EXIT_REASON_CANCELED         "A cancel took effect";
        1 EXCEPTION        = HV_EXIT_REASON_EXCEPTION        "The guest trapped; the syndrome tells why";
        2 VTIMER_ACTIVATED = HV_EXIT_REASON_VTIMER_ACTIVATED "The virtual timer fired and is masked now";
        3 UNKNOWN          = HV_EXIT_REASON_UNKNOWN          "Unexpected; run again";
    }

    /// Why an access failed.
    values FaultStatus: u6
        cite "Arm DDI 0601, ESR_EL2, DFSC and IFSC"
    {
        0x00 AddressSizeLevel0                   "Address size fault, level 0 or base register";
        0x01 AddressSizeLevel1                   "Address size fault, level 1";
        0x02 AddressSizeLevel2                   "Address size fault, level 2";
        0x03 AddressSizeLevel3                   "Address size fault, level 3";
        0x04 TranslationLevel0                   "Translation fault, level 0";
        0x05 TranslationLevel1                   "Translation fault, level 1";
        0x06 TranslationLevel2                   "Translation fault, level 2";
        0x07 TranslationLevel3                   "Translation fault, level 3";
        0x08 AccessFlagLevel0                    "Access flag fault, level 0";
        0x09 AccessFlagLevel1                    "Access flag fault, level 1";
        0x0a AccessFlagLevel2                    "Access flag fault, level 2";
        0x0b AccessFlagLevel3                    "Access flag fault, level 3";
        0x0c PermissionLevel0                    "Permission fault, level 0";
        0x0d PermissionLevel1                    "Permission fault, level 1";
        0x0e PermissionLevel2                    "Permission fault, level 2";
        0x0f PermissionLevel3                    "Permission fault, level 3";
        0x10 External                            "Synchronous external abort";
        0x11 TagCheck                            "Synchronous tag check fault; asynchronous SError for SError exceptions";
        0x13 ExternalOnWalkLevelMinus1           "External abort on a walk, level -1";
        0x14 ExternalOnWalkLevel0                "External abort on a walk, level 0";
        0x15 ExternalOnWalkLevel1                "External abort on a walk, level 1";
        0x16 ExternalOnWalkLevel2                "External abort on a walk, level 2";
        0x17 ExternalOnWalkLevel3                "External abort on a walk, level 3";
        0x18 Parity                              "Parity or ECC error";
        0x1b ParityOnWalkLevelMinus1             "Parity or ECC error on a walk, level -1";
        0x1c ParityOnWalkLevel0                  "Parity or ECC error on a walk, level 0";
        0x1d ParityOnWalkLevel1                  "Parity or ECC error on a walk, level 1";
        0x1e ParityOnWalkLevel2                  "Parity or ECC error on a walk, level 2";
        0x1f ParityOnWalkLevel3                  "Parity or ECC error on a walk, level 3";
        0x21 Alignment                           "Alignment fault";
        0x22 Debug                               "Debug exception";
        0x23 GranuleProtectionOnWalkLevelMinus1  "Granule protection fault on a walk, level -1";
        0x24 GranuleProtectionOnWalkLevel0       "Granule protection fault on a walk, level 0";
        0x25 GranuleProtectionOnWalkLevel1       "Granule protection fault on a walk, level 1";
        0x26 GranuleProtectionOnWalkLevel2       "Granule protection fault on a walk, level 2";
        0x27 GranuleProtectionOnWalkLevel3       "Granule protection fault on a walk, level 3";
        0x28 GranuleProtection                   "Granule protection fault";
        0x29 AddressSizeLevelMinus1              "Address size fault, level -1";
        0x2a TranslationLevelMinus2              "Translation fault, level -2";
        0x2b TranslationLevelMinus1              "Translation fault, level -1";
        0x2c AddressSizeLevelMinus2              "Address size fault, level -2";
        0x30 TlbConflict                         "TLB conflict";
        0x31 UnsupportedAtomicUpdate             "Hardware update of a descriptor is not supported";
        0x34 Lockdown                            "Implementation defined, lockdown";
        0x35 UnsupportedAtomic                   "Exclusive or atomic access is not supported";
    }

    /// Exception syndrome: of an exit (`hv_vcpu_exit_exception_t.syndrome`), ESR_EL1 and ESR_EL2.
    fields Esr: u64
        cite "Arm DDI 0601, ESR_EL2"
    {
        [63:56] res0;
        [55:32] ISS2                  "More details of some exceptions";
        [31:26] EC as SyndromeReason  "Exception class";
        [25]    IL                    "The instruction has 32 bits";
        [24:0]  ISS                   "Details; the layout depends on the class";
    }

    /// Trapped WFI, WFE, WFIT or WFET.
    fields IssWfx: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x01"
    {
        [24]    CV    "COND is valid";
        [23:20] COND  "Condition of the instruction";
        [19:10] res0;
        [9:5]   RN    "Register of the timeout";
        [4:3]   res0;
        [2]     RV    "RN is valid";
        [1:0]   TI { 0 Wfi, 1 Wfe, 2 Wfit, 3 Wfet }  "Instruction";
    }

    /// Access to SVE, SIMD or floating point while it traps.
    fields IssFpAccess: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x07"
    {
        [24]    CV    "COND is valid";
        [23:20] COND  "Condition of the instruction";
        [19:0]  res0;
    }

    /// Trapped AArch32 MCR or MRC.
    fields IssMcr: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x03"
    {
        [24]    CV    "COND is valid";
        [23:20] COND  "Condition of the instruction";
        [19:17] OPC2  "Opc2";
        [16:14] OPC1  "Opc1";
        [13:10] CRN   "CRn";
        [9:5]   RT    "Register transferred";
        [4:1]   CRM   "CRm";
        [0]     READ  "MRC, a read";
    }

    /// Trapped AArch32 MCRR or MRRC.
    fields IssMcrr: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x04"
    {
        [24]    CV    "COND is valid";
        [23:20] COND  "Condition of the instruction";
        [19:16] OPC1  "Opc1";
        [15]    res0;
        [14:10] RT2   "Second register transferred";
        [9:5]   RT    "First register transferred";
        [4:1]   CRM   "CRm";
        [0]     READ  "MRRC, a read";
    }

    /// Trapped AArch32 LDC or STC.
    fields IssLdc: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x06"
    {
        [24]    CV      "COND is valid";
        [23:20] COND    "Condition of the instruction";
        [19:12] IMM8    "Immediate";
        [11:10] res0;
        [9:5]   RN      "Base register";
        [4]     OFFSET  "The offset is added";
        [3:1]   AM { 0 Unindexed, 1 PostIndexed, 2 Offset, 3 PreIndexed, 4 LiteralUnindexed, 6 LiteralOffset }  "Addressing mode";
        [0]     READ    "LDC, a read";
    }

    /// Branch target exception.
    fields IssBti: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x0d"
    {
        [24:2] res0;
        [1:0]  BTYPE  "PSTATE.BTYPE that the instruction did not allow";
    }

    /// SVC, HVC or SMC.
    fields IssCall: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x15 to 0x17"
    {
        [24:16] res0;
        [15:0]  IMM16  "Immediate of the instruction";
    }

    /// Trapped MSR, MRS or system instruction.
    fields IssSystemRegister: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x18"
    {
        [24:22] res0;
        [21:20] OP0   "op0";
        [19:17] OP2   "op2";
        [16:14] OP1   "op1";
        [13:10] CRN   "CRn";
        [9:5]   RT    "Register transferred; 31 is the zero register";
        [4:1]   CRM   "CRm";
        [0]     READ  "MRS, a read";
    }

    /// Trapped MSRR or MRRS.
    fields IssSystemRegisterPair: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x14"
    {
        [24:22] res0;
        [21:20] OP0   "op0";
        [19:17] OP2   "op2";
        [16:14] OP1   "op1";
        [13:10] CRN   "CRn";
        [9:6]   RT    "Register pair, first register divided by two";
        [5]     res0;
        [4:1]   CRM   "CRm";
        [0]     READ  "MRRS, a read";
    }

    /// Trapped ERET, ERETAA or ERETAB.
    fields IssEret: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x1a"
    {
        [24:2] res0;
        [1]    ERET   "ERETAA or ERETAB";
        [0]    ERETA  "ERETAB";
    }

    /// Pointer authentication failed.
    fields IssPacFail: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x1c"
    {
        [24:2] res0;
        [1]    DATA   "A data key; otherwise an instruction key";
        [0]    KEY_B  "Key B; otherwise key A";
    }

    /// SME instruction that may not run now.
    fields IssSme: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x1d"
    {
        [24:3] res0;
        [2:0]  SMTC { 0 Trapped, 1 IllegalInStreaming, 2 NotStreaming, 3 ZaInactive, 4 Zt0 }  "Reason";
    }

    /// Instruction abort.
    fields IssInstructionAbort: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x20"
    {
        [24:15] res0;
        [14]    PFV                  "The physical fault address is valid";
        [13]    res0;
        [12:11] SET { 0 Recoverable, 2 Uncontainable, 3 Restartable }  "Error type of an external abort";
        [10]    FNV                  "The fault address is not valid";
        [9]     EA                   "External abort type";
        [8]     res0;
        [7]     S1PTW                "Stage 2 fault of a stage 1 walk";
        [6]     res0;
        [5:0]   IFSC as FaultStatus  "Fault status";
    }

    /// Data abort. Bits 23 to 14 count while ISV is 1.
    fields IssDataAbort: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x24"
    {
        [24]    ISV                  "SAS, SSE, SRT, SF and AR are valid";
        [23:22] SAS { 0 Byte, 1 Halfword, 2 Word, 3 Doubleword }  "Access size";
        [21]    SSE                  "The load extends its sign";
        [20:16] SRT                  "Register transferred; 31 is the zero register";
        [15]    SF                   "The register has 64 bits";
        [14]    AR                   "Acquire or release";
        [13]    VNCR                 "Access through VNCR_EL2";
        [12:11] LST                  "Load or store type; error type of an external abort";
        [10]    FNV                  "The fault address is not valid";
        [9]     EA                   "External abort type";
        [8]     CM                   "Cache maintenance or address translation";
        [7]     S1PTW                "Stage 2 fault of a stage 1 walk";
        [6]     WNR                  "A write";
        [5:0]   DFSC as FaultStatus  "Fault status";
    }

    /// Memory copy or set instruction on the wrong processor.
    fields IssMops: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x27"
    {
        [24]    MEMINST       "Memory set; otherwise copy";
        [23]    ISSETG        "Sets tags";
        [22:19] OPTIONS       "Options of the instruction";
        [18]    FROMEPILOGUE  "Epilogue";
        [17]    WRONGOPTION   "The algorithm is the wrong one";
        [16]    OPTIONA       "Algorithm A";
        [15]    res0;
        [14:10] DESTREG       "Destination address register";
        [9:5]   SRCREG        "Source register";
        [4:0]   SIZEREG       "Size register";
    }

    /// Trapped floating-point exception.
    fields IssFpException: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x2c"
    {
        [24]    res0;
        [23]    TFV     "The bits below are valid";
        [22:11] res0;
        [10:8]  VECITR  "AArch32 only";
        [7]     IDF     "Input denormal";
        [6:5]   res0;
        [4]     IXF     "Inexact";
        [3]     UFF     "Underflow";
        [2]     OFF     "Overflow";
        [1]     DZF     "Division by zero";
        [0]     IOF     "Invalid operation";
    }

    /// SError.
    fields IssSerror: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x2f"
    {
        [24]    IDS                  "Bits [23:0] are implementation defined";
        [23:14] res;
        [13]    IESB                 "Taken at an implicit synchronization";
        [12:10] AET { 0 Uncontainable, 1 Unrecoverable, 2 Restartable, 3 Recoverable, 6 Corrected }  "Error type";
        [9]     EA                   "External abort type";
        [8:6]   res;
        [5:0]   DFSC as FaultStatus  "Fault status";
    }

    /// Breakpoint or vector catch.
    fields IssBreakpoint: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x30"
    {
        [24:6] res0;
        [5:0]  IFSC as FaultStatus  "0x22: debug exception";
    }

    /// Software step.
    fields IssStep: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x32"
    {
        [24]   ISV                  "EX is valid";
        [23:7] res0;
        [6]    EX                   "A load-exclusive was stepped";
        [5:0]  IFSC as FaultStatus  "0x22: debug exception";
    }

    /// Watchpoint.
    fields IssWatchpoint: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x34"
    {
        [24]    res0;
        [23:18] WPT                  "Watchpoint number";
        [17]    WPTV                 "WPT is valid";
        [16]    WPF                  "May be a false match";
        [15]    FNP                  "The fault address is not precise";
        [14]    res0;
        [13]    VNCR                 "Access through VNCR_EL2";
        [12:11] res0;
        [10]    FNV                  "The fault address is not valid";
        [9]     res0;
        [8]     CM                   "Cache maintenance";
        [7]     res0;
        [6]     WNR                  "A write";
        [5:0]   DFSC as FaultStatus  "0x22: debug exception";
    }

    /// BRK or AArch32 BKPT.
    fields IssBrk: u25
        cite "Arm DDI 0601, ESR_EL2, ISS for EC 0x3c"
    {
        [24:16] res0;
        [15:0]  COMMENT  "Immediate of the instruction";
    }

    /// What a syndrome says: the exception class and the layout of its details.
    exits Syndrome in Esr[31:26]
        cite "Arm DDI 0601, ESR_EL2, EC"
    {
        0x00 UNKNOWN                                                          "Unknown reason, mostly an undefined instruction";
        0x01 WFX                     { iss: [24:0] as IssWfx }                "WFI, WFE, WFIT or WFET";
        0x03 CP15_MCR                { iss: [24:0] as IssMcr }                "AArch32 MCR or MRC, coprocessor 15";
        0x04 CP15_MCRR               { iss: [24:0] as IssMcrr }               "AArch32 MCRR or MRRC, coprocessor 15";
        0x05 CP14_MCR                { iss: [24:0] as IssMcr }                "AArch32 MCR or MRC, coprocessor 14";
        0x06 CP14_LDC                { iss: [24:0] as IssLdc }                "AArch32 LDC or STC, coprocessor 14";
        0x07 FP_ACCESS               { iss: [24:0] as IssFpAccess }           "SVE, SIMD or floating point while it traps";
        0x08 CP10_VMRS               { iss: [24:0] as IssMcr }                "AArch32 VMRS";
        0x09 PAC                                                              "Pointer authentication while it traps";
        0x0a OTHER                   { iss: [24:0] as u32 }                   "LD64B, ST64B, TSTART and other instructions";
        0x0c CP14_MRRC               { iss: [24:0] as IssMcrr }               "AArch32 MRRC, coprocessor 14";
        0x0d BTI                     { iss: [24:0] as IssBti }                "Branch target";
        0x0e ILLEGAL_STATE                                                    "Illegal execution state";
        0x11 SVC32                   { iss: [24:0] as IssCall }               "SVC in AArch32";
        0x12 HVC32                   { iss: [24:0] as IssCall }               "HVC in AArch32";
        0x13 SMC32                   { iss: [24:0] as IssCall }               "SMC in AArch32";
        0x14 SYSTEM_REGISTER_PAIR    { iss: [24:0] as IssSystemRegisterPair } "MSRR, MRRS or 128-bit system instruction";
        0x15 SVC                     { iss: [24:0] as IssCall }               "SVC";
        0x16 HVC                     { iss: [24:0] as IssCall }               "HVC; PC is already after it";
        0x17 SMC                     { iss: [24:0] as IssCall }               "SMC; PC is at it";
        0x18 SYSTEM_REGISTER         { iss: [24:0] as IssSystemRegister }     "MSR, MRS or system instruction; PC is at it";
        0x19 SVE                                                              "SVE while it traps";
        0x1a ERET                    { iss: [24:0] as IssEret }               "ERET, ERETAA or ERETAB";
        0x1c PAC_FAIL                { iss: [24:0] as IssPacFail }            "Pointer authentication failed";
        0x1d SME                     { iss: [24:0] as IssSme }                "SME while it traps or in the wrong mode";
        0x1e GRANULE_PROTECTION      { iss: [24:0] as u32 }                   "Granule protection check";
        0x20 INSTRUCTION_ABORT_LOWER { iss: [24:0] as IssInstructionAbort }   "Instruction abort from a lower level: every one of the guest";
        0x21 INSTRUCTION_ABORT       { iss: [24:0] as IssInstructionAbort }   "Instruction abort at the same level";
        0x22 PC_ALIGNMENT                                                     "PC is not aligned";
        0x24 DATA_ABORT_LOWER        { iss: [24:0] as IssDataAbort }          "Data abort from a lower level: every one of the guest";
        0x25 DATA_ABORT              { iss: [24:0] as IssDataAbort }          "Data abort at the same level";
        0x26 SP_ALIGNMENT                                                     "SP is not aligned";
        0x27 MOPS                    { iss: [24:0] as IssMops }               "Memory copy or set";
        0x28 FP_EXCEPTION32          { iss: [24:0] as IssFpException }        "Floating-point exception in AArch32";
        0x2c FP_EXCEPTION            { iss: [24:0] as IssFpException }        "Floating-point exception";
        0x2d GCS                     { iss: [24:0] as u32 }                   "Guarded control stack";
        0x2f SERROR                  { iss: [24:0] as IssSerror }             "SError";
        0x30 BREAKPOINT_LOWER        { iss: [24:0] as IssBreakpoint }         "Breakpoint from a lower level";
        0x31 BREAKPOINT              { iss: [24:0] as IssBreakpoint }         "Breakpoint at the same level";
        0x32 STEP_LOWER              { iss: [24:0] as IssStep }               "Software step from a lower level";
        0x33 STEP                    { iss: [24:0] as IssStep }               "Software step at the same level";
        0x34 WATCHPOINT_LOWER        { iss: [24:0] as IssWatchpoint }         "Watchpoint from a lower level";
        0x35 WATCHPOINT              { iss: [24:0] as IssWatchpoint }         "Watchpoint at the same level";
        0x38 BKPT32                  { iss: [24:0] as IssBrk }                "BKPT in AArch32";
        0x3a VECTOR_CATCH32          { iss: [24:0] as IssBreakpoint }         "Vector catch in AArch32";
        0x3c BRK                     { iss: [24:0] as IssBrk }                "BRK; PC is at it";
        0x3d PROFILING               { iss: [24:0] as u32 }                   "Profiling exception";
    }
}
