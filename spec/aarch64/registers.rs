//! AArch64: general registers and the layouts of PSTATE, FPCR and FPSR; system registers are in `system_registers.rs`.

xhv_macros::spec! {
    /// PSTATE as CPSR and the SPSRs hold it, for exceptions taken from AArch64.
    fields Spsr: u64
        cite "Arm DDI 0601, SPSR_EL1"
    {
        [63:36] res0;
        [35]    PACM         "PAuth_LR: return address signing uses the PC";
        [34]    EXLOCK       "Guarded control stack: exception state is locked";
        [33]    PPEND        "Profiling exception pending";
        [32]    PM           "Profiling exception masked";
        [31]    N            "Negative";
        [30]    Z            "Zero";
        [29]    C            "Carry";
        [28]    V            "Overflow";
        [27:26] res0;
        [25]    TCO          "Tag check override";
        [24]    DIT          "Data-independent timing";
        [23]    UAO          "User access override";
        [22]    PAN          "Privileged access never";
        [21]    SS           "Software step";
        [20]    IL           "Illegal execution state";
        [19:14] res0;
        [13]    ALLINT       "All interrupts masked";
        [12]    SSBS         "Speculative store bypass is safe";
        [11:10] BTYPE        "Branch type, for branch target identification";
        [9]     D            "Debug exceptions masked";
        [8]     A            "SError masked";
        [7]     I            "IRQ masked";
        [6]     F            "FIQ masked";
        [5]     res0;
        [4:0]   M { 0x00 El0t, 0x04 El1t, 0x05 El1h, 0x08 El2t, 0x09 El2h, 0x0c El3t, 0x0d El3h,
                    0x10 User, 0x11 Fiq, 0x12 Irq, 0x13 Supervisor, 0x16 Monitor, 0x17 Abort, 0x1a Hyp, 0x1b Undefined, 0x1f System }
                             "Exception level and stack pointer; 0x10 and above are AArch32";
    }

    /// Floating-point control.
    fields Fpcr: u64
        cite "Arm DDI 0601, FPCR"
    {
        [63:27] res0;
        [26]    AHP          "Alternative half precision";
        [25]    DN           "NaN operands give the default NaN";
        [24]    FZ           "Denormals are flushed to zero";
        [23:22] RMode { 0 Nearest, 1 PlusInfinity, 2 MinusInfinity, 3 Zero }
                             "Rounding mode";
        [21:20] Stride       "AArch32 only";
        [19]    FZ16         "Half-precision denormals are flushed to zero";
        [18:16] Len          "AArch32 only";
        [15]    IDE          "Input denormal traps";
        [14]    res0;
        [13]    EBF          "Extended BFloat16 behaviour";
        [12]    IXE          "Inexact traps";
        [11]    UFE          "Underflow traps";
        [10]    OFE          "Overflow traps";
        [9]     DZE          "Division by zero traps";
        [8]     IOE          "Invalid operation traps";
        [7:3]   res0;
        [2]     NEP          "Scalar operations keep the upper elements";
        [1]     AH           "Alternate handling";
        [0]     FIZ          "Denormal inputs are taken as zero";
    }

    /// Floating-point status.
    fields Fpsr: u64
        cite "Arm DDI 0601, FPSR"
    {
        [63:32] res0;
        [31]    N            "AArch32 only";
        [30]    Z            "AArch32 only";
        [29]    C            "AArch32 only";
        [28]    V            "AArch32 only";
        [27]    QC           "A saturating operation has saturated";
        [26:8]  res0;
        [7]     IDC          "Input denormal";
        [6:5]   res0;
        [4]     IXC          "Inexact";
        [3]     UFC          "Underflow";
        [2]     OFC          "Overflow";
        [1]     DZC          "Division by zero";
        [0]     IOC          "Invalid operation";
    }

    /// Registers of a vCPU that the framework names by number. 31 is PC, not the zero register; SP is among the system registers.
    registers aarch64
        cite "hv_vcpu_types.h, hv_reg_t"
    {
//      id name and type    Apple's name
        0  X0: u64           = HV_REG_X0;
        1  X1: u64           = HV_REG_X1;
        2  X2: u64           = HV_REG_X2;
        3  X3: u64           = HV_REG_X3;
        4  X4: u64           = HV_REG_X4;
        5  X5: u64           = HV_REG_X5;
        6  X6: u64           = HV_REG_X6;
        7  X7: u64           = HV_REG_X7;
        8  X8: u64           = HV_REG_X8               "Indirect result location";
        9  X9: u64           = HV_REG_X9;
        10 X10: u64          = HV_REG_X10;
        11 X11: u64          = HV_REG_X11;
        12 X12: u64          = HV_REG_X12;
        13 X13: u64          = HV_REG_X13;
        14 X14: u64          = HV_REG_X14;
        15 X15: u64          = HV_REG_X15;
        16 X16: u64          = HV_REG_X16              "First scratch register between procedures";
        17 X17: u64          = HV_REG_X17              "Second scratch register between procedures";
        18 X18: u64          = HV_REG_X18              "Platform register";
        19 X19: u64          = HV_REG_X19;
        20 X20: u64          = HV_REG_X20;
        21 X21: u64          = HV_REG_X21;
        22 X22: u64          = HV_REG_X22;
        23 X23: u64          = HV_REG_X23;
        24 X24: u64          = HV_REG_X24;
        25 X25: u64          = HV_REG_X25;
        26 X26: u64          = HV_REG_X26;
        27 X27: u64          = HV_REG_X27;
        28 X28: u64          = HV_REG_X28;
        29 X29: u64          = HV_REG_X29              "Frame pointer";
        29 FP: u64           = HV_REG_FP alias of X29  "Frame pointer";
        30 X30: u64          = HV_REG_X30              "Link register";
        30 LR: u64           = HV_REG_LR alias of X30  "Link register";
        31 PC: u64           = HV_REG_PC               "Program counter";
        32 FPCR: u64 as Fpcr = HV_REG_FPCR             "Floating-point control";
        33 FPSR: u64 as Fpsr = HV_REG_FPSR             "Floating-point status";
        34 CPSR: u64 as Spsr = HV_REG_CPSR             "PSTATE in the layout of SPSR";
    }
}
