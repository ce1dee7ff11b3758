//! x86: model-specific registers; `reg` and `vmcs` have the state that is not reached by RDMSR.
//!
//! Reach: `native` MSRs can be given to the guest, `managed` ones are switched with the vCPU and can be given to it in part (macOS 11),
//! `via` names the VMCS field that holds the value, `emulated` ones exist only in what the client answers to the exit.

use super::capabilities::{AllowedSettings, EptVpidCap, VmcsEnum, VmxBasic, VmxMisc};
use super::controls::{SecondaryVmExitControls, TertiaryProcessorBasedControls};
use super::reg::{Cr0, Cr4, Rflags, Tpr};
use super::vmcs;

xhv_macros::spec! {
    /// How a range of memory is cached.
    values MemoryType: u8
        cite "Intel SDM vol. 3, Memory Types and Their Encoding in MTRRs"
    {
        0 Uncacheable    "UC";
        1 WriteCombining "WC";
        4 WriteThrough   "WT";
        5 WriteProtected "WP";
        6 WriteBack      "WB";
    }

    /// Memory type of a page attribute.
    values PatType: u3
        cite "Intel SDM vol. 3, Memory Types That Can Be Encoded With PAT"
    {
        0 Uncacheable    "UC";
        1 WriteCombining "WC";
        4 WriteThrough   "WT";
        5 WriteProtected "WP";
        6 WriteBack      "WB";
        7 Uncached       "UC-";
    }

    /// Where a variable-range MTRR begins.
    fields MtrrPhysbase: u64
        cite "Intel SDM vol. 3, Variable Range MTRRs"
    {
        [63:52] res0;
        [51:12] BASE               "Physical address, bits 51:12";
        [11:8]  res0;
        [7:0]   TYPE as MemoryType "Memory type of the range";
    }

    /// Which addresses belong to a variable-range MTRR: those with `address & mask == base & mask`.
    fields MtrrPhysmask: u64
        cite "Intel SDM vol. 3, Variable Range MTRRs"
    {
        [63:52] res0;
        [51:12] MASK  "Mask, bits 51:12";
        [11]    VALID "The pair is in use";
        [10:0]  res0;
    }

    /// Memory types of eight consecutive ranges.
    fields MtrrFixed: u64
        cite "Intel SDM vol. 3, Fixed Range MTRRs"
    {
        [63:56] TYPE7 as MemoryType "Memory type of range 7";
        [55:48] TYPE6 as MemoryType "Memory type of range 6";
        [47:40] TYPE5 as MemoryType "Memory type of range 5";
        [39:32] TYPE4 as MemoryType "Memory type of range 4";
        [31:24] TYPE3 as MemoryType "Memory type of range 3";
        [23:16] TYPE2 as MemoryType "Memory type of range 2";
        [15:8]  TYPE1 as MemoryType "Memory type of range 1";
        [7:0]   TYPE0 as MemoryType "Memory type of range 0";
    }

    /// What a general-purpose counter counts.
    fields PerfEvtSel: u64
        cite "Intel SDM vol. 3, Architectural Performance Monitoring"
    {
        [63:34] res0;
        [33]    IN_TXCP      "Not counted: cycles of aborted transactions";
        [32]    IN_TX        "Count in transactions only";
        [31:24] CMASK        "Count cycles with at least this many events";
        [23]    INV          "Invert the comparison with CMASK";
        [22]    EN           "Enable the counter";
        [21]    ANY          "Count for all threads of the core";
        [20]    INT          "Interrupt on overflow";
        [19]    PC           "Pin control";
        [18]    E            "Edge detect";
        [17]    OS           "Count at privilege level 0";
        [16]    USR          "Count at privilege levels 1 to 3";
        [15:8]  UMASK        "Unit mask";
        [7:0]   EVENT_SELECT "Event";
    }

    /// Control-flow enforcement of one privilege class.
    fields Cet: u64
        cite "Intel SDM vol. 1, CET Configuration MSRs"
    {
        [63:12] EB_LEG_BITMAP_BASE "Linear address of the legacy code-page bitmap, bits 63:12";
        [11]    TRACKER            "State machine: 1 waits for ENDBRANCH";
        [10]    SUPPRESS           "Tracking is suppressed";
        [9:6]   res0;
        [5]     SUPPRESS_DIS       "Suppression is off";
        [4]     NO_TRACK_EN        "The no-track prefix is honoured";
        [3]     LEG_IW_EN          "Legacy code pages may be interworked with";
        [2]     ENDBR_EN           "Indirect-branch tracking";
        [1]     WR_SHSTK_EN        "WRSS is enabled";
        [0]     SH_STK_EN          "Shadow stacks";
    }

    /// How the local APIC delivers an interrupt.
    values DeliveryMode: u3
        cite "Intel SDM vol. 3, Local Vector Table; Interrupt Command Register"
    {
        0 Fixed          "The vector";
        1 LowestPriority "The vector, to one of the destinations";
        2 Smi            "System-management interrupt";
        4 Nmi            "Non-maskable interrupt";
        5 Init           "INIT";
        6 StartUp        "Start-up IPI: the vector is a page number";
        7 ExtInt         "The vector comes from the external 8259";
    }

    /// Local vector table: timer.
    fields LvtTimer: u64
        cite "Intel SDM vol. 3, Local Vector Table"
    {
        [63:19] res0;
        [18:17] MODE    { 0 OneShot, 1 Periodic, 2 TscDeadline } "When the timer fires";
        [16]    MASK                                             "Masked";
        [15:13] res0;
        [12]    PENDING ro                                       "Sent but not yet accepted";
        [11:8]  res0;
        [7:0]   VECTOR                                           "Vector";
    }

    /// Local vector table: CMCI, thermal sensor, performance counters, error.
    fields Lvt: u64
        cite "Intel SDM vol. 3, Local Vector Table"
    {
        [63:17] res0;
        [16]    MASK                          "Masked";
        [15:13] res0;
        [12]    PENDING       ro              "Sent but not yet accepted";
        [11]    res0;
        [10:8]  DELIVERY_MODE as DeliveryMode "How to deliver";
        [7:0]   VECTOR                        "Vector";
    }

    /// Local vector table: the pins LINT0 and LINT1.
    fields LvtLint: u64
        cite "Intel SDM vol. 3, Local Vector Table"
    {
        [63:17] res0;
        [16]    MASK                            "Masked";
        [15]    LEVEL_TRIGGERED                 "Level-triggered, else edge-triggered";
        [14]    REMOTE_IRR      ro              "A level-triggered interrupt was accepted and awaits its EOI";
        [13]    ACTIVE_LOW                      "Polarity";
        [12]    PENDING         ro              "Sent but not yet accepted";
        [11]    res0;
        [10:8]  DELIVERY_MODE   as DeliveryMode "How to deliver";
        [7:0]   VECTOR                          "Vector";
    }

    /// Time, platform and power.
    msrs
        cite "Intel SDM vol. 4, 2.1, Architectural MSRs"
    {
        //    name             type    reach    Apple's name      what it holds
        0x0   P5_MC_ADDR:      u64  rw emulated                   "Address of the last machine check, Pentium style";
        0x1   P5_MC_TYPE:      u64  rw emulated                   "Type of the last machine check, Pentium style";
        0x10  TSC:             u64  rw native   = HV_MSR_IA32_TSC "Time-stamp counter; the guest sees it offset and scaled";
        0x17  PLATFORM_ID:     u64  ro emulated                   "Platform identifier of the microcode";
        0x34  SMI_COUNT:       u64  ro emulated                   "Number of system-management interrupts";
        0x3b  TSC_ADJUST:      u64  rw emulated                   "Added to the TSC by software; emulate with hv_vcpu_set_tsc_relative or hide CPUID.07H:EBX[1]";
        0x79  BIOS_UPDT_TRIG:  u64  wo emulated                   "Microcode update trigger";
        0x8b  BIOS_SIGN_ID:    u64  rw emulated                   "Microcode revision";
        0x9e  SMBASE:          u64  ro emulated                   "SMM base";
        0xe7  MPERF:           u64  rw emulated                   "Clock count at the highest frequency";
        0xe8  APERF:           u64  rw emulated                   "Clock count at the actual frequency";
        0x10f TSX_FORCE_ABORT: u64  rw emulated                   "Force transactions to abort";
        0x123 MCU_OPT_CTRL:    u64  rw emulated                   "Microcode options: SRBDS mitigation";
    }

    /// Base and mode of the local APIC.
    msr 0x1b APIC_BASE: ApicBase rw emulated
        cite "Intel SDM vol. 4, 2.1, IA32_APIC_BASE"
    {
        [63:52] res0;
        [51:12] BASE   "Physical address of the APIC page, bits 51:12";
        [11]    ENABLE "The APIC is enabled";
        [10]    EXTD   "x2APIC mode";
        [9]     res0;
        [8]     BSP    "Bootstrap processor";
        [7:0]   res0;
    }

    /// What firmware permits. A guest should find it locked, without VMX.
    msr 0x3a FEATURE_CONTROL: FeatureControl rw emulated
        cite "Intel SDM vol. 4, 2.1, IA32_FEATURE_CONTROL"
    {
        [63:21] res0;
        [20]    LMCE_ON            "Local machine checks";
        [19]    res0;
        [18]    SGX_GLOBAL         "SGX";
        [17]    SGX_LAUNCH_CONTROL "SGX launch control can be written";
        [16]    res0;
        [15]    SENTER_GLOBAL      "SENTER";
        [14:8]  SENTER_LOCAL       "SENTER leaves";
        [7:3]   res0;
        [2]     VMX_OUTSIDE_SMX    "VMXON outside SMX";
        [1]     VMX_IN_SMX         "VMXON inside SMX";
        [0]     LOCK               "Locked until reset";
    }

    /// Speculation control.
    msr 0x48 SPEC_CTRL: SpecCtrl rw native managed = HV_MSR_IA32_SPEC_CTRL optional
        cite "Intel SDM vol. 4, 2.1, IA32_SPEC_CTRL"
    {
        [63:11] res0;
        [10]    BHI_DIS_S   "No branch-history injection for supervisor code";
        [9]     res0;
        [8]     DDPD_U      "No data-dependent prefetch in user mode";
        [7]     PSFD        "No predictive store forwarding";
        [6]     RRSBA_DIS_S "No alternate return prediction for supervisor code";
        [5]     RRSBA_DIS_U "No alternate return prediction for user code";
        [4]     IPRED_DIS_S "Indirect prediction of supervisor code restricted";
        [3]     IPRED_DIS_U "Indirect prediction of user code restricted";
        [2]     SSBD        "No speculative store bypass";
        [1]     STIBP       "No indirect prediction across threads";
        [0]     IBRS        "Indirect branches restricted";
    }

    /// Prediction command.
    msr 0x49 PRED_CMD: PredCmd wo native managed = HV_MSR_IA32_PRED_CMD
        cite "Intel SDM vol. 4, 2.1, IA32_PRED_CMD"
    {
        [63:1] res0;
        [0]    IBPB "Indirect-branch prediction barrier";
    }

    /// Platform facts.
    msr 0xce PLATFORM_INFO: PlatformInfo ro emulated
        cite "Intel SDM vol. 4, MSRs of 2nd generation Core processors and later, MSR_PLATFORM_INFO"
    {
        [63:48] res;
        [47:40] MAX_EFFICIENCY_RATIO "Lowest bus ratio";
        [39:32] res;
        [31]    CPUID_FAULTING       "CPUID faulting can be enabled";
        [30]    res;
        [29]    PROGRAMMABLE_TDP     "TDP limits can be set";
        [28]    PROGRAMMABLE_RATIO   "Turbo ratios can be set";
        [27:16] res;
        [15:8]  MAX_NON_TURBO_RATIO  "Ratio of the TSC to the bus clock";
        [7:0]   res;
    }

    /// Core facts.
    msr 0xcf CORE_CAPABILITIES: CoreCapabilities ro emulated
        cite "Intel SDM vol. 4, 2.1, IA32_CORE_CAPABILITIES"
    {
        [63:6] res;
        [5]    SPLIT_LOCK_DISABLE "Split locks can raise #AC";
        [4:0]  res;
    }

    /// Limits of UMWAIT and TPAUSE.
    msr 0xe1 UMWAIT_CONTROL: UmwaitControl rw emulated
        cite "Intel SDM vol. 4, 2.1, IA32_UMWAIT_CONTROL"
    {
        [63:32] res0;
        [31:2]  MAX_TIME    "Longest wait in TSC ticks, bits 31:2; 0: none";
        [1]     res0;
        [0]     C02_DISABLE "The deeper state is not used";
    }

    /// What the MTRRs can do.
    msr 0xfe MTRRCAP: Mtrrcap ro emulated
        cite "Intel SDM vol. 3, IA32_MTRRCAP Register"
    {
        [63:12] res0;
        [11]    SMRR "SMM ranges";
        [10]    WC   "Write-combining";
        [9]     res0;
        [8]     FIX  "Fixed ranges";
        [7:0]   VCNT "Number of variable ranges";
    }

    /// Which attacks the processor withstands; value of the host through hv_vmx_get_msr_info.
    msr 0x10a ARCH_CAPABILITIES: ArchCapabilities ro managed = HV_MSR_IA32_ARCH_CAPABILITIES
        cite "Intel SDM vol. 4, 2.1, IA32_ARCH_CAPABILITIES"
    {
        [63:29] res;
        [28]    RFDS_CLEAR           "VERW clears register files";
        [27]    RFDS_NO              "No register-file data sampling";
        [26]    GDS_NO               "No gather data sampling";
        [25]    GDS_CTRL             "Gather mitigation can be controlled";
        [24]    PBRSB_NO             "No post-barrier return prediction";
        [23]    OVERCLOCKING_STATUS  "IA32_OVERCLOCKING_STATUS exists";
        [22]    res;
        [21]    XAPIC_DISABLE_STATUS "IA32_XAPIC_DISABLE_STATUS exists";
        [20]    BHI_NO               "No branch-history injection";
        [19]    RRSBA                "Alternate return prediction, restricted";
        [18]    FB_CLEAR_CTRL        "Fill-buffer clearing can be switched off";
        [17]    FB_CLEAR             "VERW clears fill buffers";
        [16]    res;
        [15]    PSDP_NO              "No primary stale data propagation";
        [14]    FBSDP_NO             "No fill-buffer stale data propagation";
        [13]    SBDR_SSDP_NO         "No shared-buffer data reads";
        [12]    DOITM                "Data-independent timing mode exists";
        [11]    ENERGY_FILTERING_CTL "Energy filtering can be controlled";
        [10]    MISC_PACKAGE_CTLS    "IA32_MISC_PACKAGE_CTLS exists";
        [9]     MCU_CONTROL          "IA32_MCU_CONTROL exists";
        [8]     TAA_NO               "No TSX asynchronous abort";
        [7]     TSX_CTRL             "IA32_TSX_CTRL exists";
        [6]     IF_PSCHANGE_MC_NO    "No machine check on page-size change";
        [5]     MDS_NO               "No microarchitectural data sampling";
        [4]     SSB_NO               "No speculative store bypass";
        [3]     SKIP_L1DFL_VMENTRY   "No L1D flush needed at VM entry";
        [2]     RSBA                 "Return prediction from other predictors";
        [1]     IBRS_ALL             "Enhanced IBRS";
        [0]     RDCL_NO              "No rogue data cache load";
    }

    /// Cache flush command.
    msr 0x10b FLUSH_CMD: FlushCmd wo managed = HV_MSR_IA32_FLUSH_CMD
        cite "Intel SDM vol. 4, 2.1, IA32_FLUSH_CMD"
    {
        [63:1] res0;
        [0]    L1D_FLUSH "Write back and invalidate the L1 data cache";
    }

    /// Transactional memory.
    msr 0x122 TSX_CTRL: TsxCtrl rw emulated
        cite "Intel SDM vol. 4, 2.1, IA32_TSX_CTRL"
    {
        [63:2] res0;
        [1]    TSX_CPUID_CLEAR "CPUID hides TSX";
        [0]    RTM_DISABLE     "XBEGIN aborts";
    }

    /// Optional behaviour.
    msr 0x140 MISC_FEATURES_ENABLES: MiscFeaturesEnables rw emulated
        cite "Intel SDM vol. 4, MSR_MISC_FEATURES_ENABLES"
    {
        [63:2] res;
        [1]    RING3_MWAIT    "MONITOR and MWAIT at privilege level 3";
        [0]    CPUID_FAULTING "CPUID faults above privilege level 0";
    }

    /// Fast system calls of 32-bit code.
    msrs
        cite "Intel SDM vol. 3, SYSENTER and SYSEXIT Instructions"
    {
        //    name          type    reach                                    Apple's name               state                            what it holds
        0x174 SYSENTER_CS:  u64  rw native via vmcs::GUEST_IA32_SYSENTER_CS  = HV_MSR_IA32_SYSENTER_CS  alias of GUEST_IA32_SYSENTER_CS  "Code segment of the SYSENTER handler, in the low 16 bits";
        0x175 SYSENTER_ESP: u64  rw native via vmcs::GUEST_IA32_SYSENTER_ESP = HV_MSR_IA32_SYSENTER_ESP alias of GUEST_IA32_SYSENTER_ESP "Stack pointer of the SYSENTER handler";
        0x176 SYSENTER_EIP: u64  rw native via vmcs::GUEST_IA32_SYSENTER_EIP = HV_MSR_IA32_SYSENTER_EIP alias of GUEST_IA32_SYSENTER_EIP "Instruction pointer of the SYSENTER handler";
    }

    /// What the machine-check architecture can do.
    msr 0x179 MCG_CAP: McgCap ro emulated
        cite "Intel SDM vol. 3, IA32_MCG_CAP MSR"
    {
        [63:28] res0;
        [27]    LMCE_P  "Local machine checks";
        [26]    ELOG_P  "Extended error logging";
        [25]    EMC_P   "Enhanced machine-check capability";
        [24]    SER_P   "Software error recovery";
        [23:16] EXT_CNT "Number of extended state registers";
        [15:12] res0;
        [11]    TES_P   "Threshold-based status";
        [10]    CMCI_P  "Corrected-error interrupts";
        [9]     EXT_P   "Extended state registers";
        [8]     CTL_P   "IA32_MCG_CTL exists";
        [7:0]   COUNT   "Number of banks";
    }

    /// State of the processor at a machine check.
    msr 0x17a MCG_STATUS: McgStatus rw emulated
        cite "Intel SDM vol. 3, IA32_MCG_STATUS MSR"
    {
        [63:4] res0;
        [3]    LMCE_S "Delivered to this processor only";
        [2]    MCIP   "In progress";
        [1]    EIPV   "The pushed RIP belongs to the error";
        [0]    RIPV   "Execution can resume";
    }

    /// Machine-check control; bank 0 as the pattern of all (MSR 0x400 + 4 * bank).
    msrs
        cite "Intel SDM vol. 3, Machine-Check Global Control MSRs; Error-Reporting Register Banks"
    {
        //    name        type    reach    what it holds
        0x17b MCG_CTL:    u64  rw emulated "Which features of the machine-check architecture are on";
        0x400 MC0_CTL:    u64  rw emulated "Which errors of the bank are signalled";
        0x401 MC0_STATUS: u64  rw emulated "What went wrong";
        0x402 MC0_ADDR:   u64  rw emulated "Where it went wrong";
        0x403 MC0_MISC:   u64  rw emulated "More about what went wrong";
    }

    /// Performance: power, temperature, prefetch.
    msrs
        cite "Intel SDM vol. 4, 2.1, Architectural MSRs; 2.8 and later, model-specific MSRs"
    {
        //    name                    type    reach    what it holds
        0x198 PERF_STATUS:            u64  ro emulated "Current performance state";
        0x199 PERF_CTL:               u64  rw emulated "Wanted performance state";
        0x19a CLOCK_MODULATION:       u64  rw emulated "Clock modulation";
        0x19b THERM_INTERRUPT:        u64  rw emulated "Thermal interrupt control";
        0x19c THERM_STATUS:           u64  rw emulated "Thermal status";
        0x1a2 TEMPERATURE_TARGET:     u64  rw emulated "Temperature target";
        0x1a6 OFFCORE_RSP_0:          u64  rw emulated "Off-core response event 0";
        0x1a7 OFFCORE_RSP_1:          u64  rw emulated "Off-core response event 1";
        0x1ad TURBO_RATIO_LIMIT:      u64  ro emulated "Turbo ratio limits";
        0x1b0 ENERGY_PERF_BIAS:       u64  rw emulated "Performance and energy bias";
        0x1f2 SMRR_PHYSBASE:          u64  rw emulated "SMM range: base";
        0x1f3 SMRR_PHYSMASK:          u64  rw emulated "SMM range: mask";
        0x1fc POWER_CTL:              u64  rw emulated "Power control";
        0x606 RAPL_POWER_UNIT:        u64  ro emulated "Units of the energy counters";
        0x611 PKG_ENERGY_STATUS:      u64  ro emulated "Energy of the package";
        0x619 DRAM_ENERGY_STATUS:     u64  ro emulated "Energy of the memory";
        0x639 PP0_ENERGY_STATUS:      u64  ro emulated "Energy of the cores";
        0x641 PP1_ENERGY_STATUS:      u64  ro emulated "Energy of the graphics";
        0x64d PLATFORM_ENERGY_STATUS: u64  ro emulated "Energy of the platform";
        0x64e PPERF:                  u64  ro emulated "Productive clock count";
        0x770 PM_ENABLE:              u64  rw emulated "Hardware-controlled performance states";
    }

    /// Miscellaneous features.
    msr 0x1a0 MISC_ENABLE: MiscEnable rw emulated
        cite "Intel SDM vol. 4, 2.1, IA32_MISC_ENABLE"
    {
        [63:39] res;
        [38]    TURBO_DISABLE                "No turbo";
        [37:35] res;
        [34]    XD_BIT_DISABLE               "EFER.NXE cannot be set";
        [33:24] res;
        [23]    XTPR_DISABLE                 "No task-priority messages";
        [22]    LIMIT_CPUID_MAXVAL           "CPUID.00H answers at most 2";
        [21:19] res;
        [18]    MONITOR_FSM                  "MONITOR and MWAIT";
        [17]    res;
        [16]    EIST                         "Enhanced SpeedStep";
        [15:13] res;
        [12]    PEBS_UNAVAILABLE          ro "No precise event-based sampling";
        [11]    BTS_UNAVAILABLE           ro "No branch trace store";
        [10:8]  res;
        [7]     PERFORMANCE_MONITORING    ro "Performance monitoring";
        [6:4]   res;
        [3]     AUTOMATIC_THERMAL_CONTROL    "Automatic thermal control";
        [2:1]   res;
        [0]     FAST_STRINGS                 "Fast strings";
    }

    /// Extended feature disable.
    msrs
        cite "Intel SDM vol. 1, Extended Feature Disable (XFD)"
    {
        //    name     type    reach    what it holds
        0x1c4 XFD:     u64  rw emulated "State components whose use raises #NM";
        0x1c5 XFD_ERR: u64  rw emulated "State component whose use raised #NM";
    }

    /// Debug and trace control; hv_vmx_get_msr_info tells the usable bits.
    msr 0x1d9 DEBUGCTL: Debugctl rw via vmcs::GUEST_IA32_DEBUGCTL = HV_MSR_IA32_DEBUGCTL alias of GUEST_IA32_DEBUGCTL
        cite "Intel SDM vol. 3, IA32_DEBUGCTL MSR"
    {
        [63:16] res0;
        [15]    RTM                   "Debugging of transactional regions";
        [14]    FREEZE_WHILE_SMM      "Counters freeze in SMM";
        [13]    ENABLE_UNCORE_PMI     "Interrupts of the uncore";
        [12]    FREEZE_PERFMON_ON_PMI "Counters freeze on their interrupt";
        [11]    FREEZE_LBRS_ON_PMI    "Branch records freeze on the interrupt";
        [10]    BTS_OFF_USR           "No branch trace at privilege levels 1 to 3";
        [9]     BTS_OFF_OS            "No branch trace at privilege level 0";
        [8]     BTINT                 "Branch trace store interrupts when full";
        [7]     BTS                   "Branch trace store";
        [6]     TR                    "Branch trace messages";
        [5:3]   res0;
        [2]     BLD                   "Bus locks raise #DB";
        [1]     BTF                   "RFLAGS.TF steps by branches";
        [0]     LBR                   "Last branches are recorded";
    }

    /// Which branches are recorded.
    msr 0x1c8 LBR_SELECT: LbrSelect rw managed = HV_MSR_LBR_SELECT optional
        cite "Intel SDM vol. 3, LBR filtering, MSR_LBR_SELECT"
    {
        [63:10] res0;
        [9]     EN_CALLSTACK  "Call-stack mode";
        [8]     FAR_BRANCH    "Not: far branches";
        [7]     NEAR_REL_JMP  "Not: near relative jumps";
        [6]     NEAR_IND_JMP  "Not: near indirect jumps";
        [5]     NEAR_RET      "Not: near returns";
        [4]     NEAR_IND_CALL "Not: near indirect calls";
        [3]     NEAR_REL_CALL "Not: near relative calls";
        [2]     JCC           "Not: conditional branches";
        [1]     CPL_NEQ_0     "Not: privilege levels 1 to 3";
        [0]     CPL_EQ_0      "Not: privilege level 0";
    }

    /// Last-branch records: bind the whole set or none.
    msrs
        cite "Intel SDM vol. 3, Last Branch, Interrupt, and Exception Recording; Apple, Model-Specific Registers"
    {
        //            name                    type    reach   Apple's name                    state    what it holds
        0x1c9         LASTBRANCH_TOS:         u64  rw managed = HV_MSR_LASTBRANCH_TOS         optional "Index of the latest record";
        0x1dd         LASTINT_FROM_IP:        u64  rw managed = HV_MSR_LASTINT_FROM_IP        optional "Source of the last branch before an event";
        0x1de         LASTINT_TO_IP:          u64  rw managed = HV_MSR_LASTINT_TO_IP          optional "Target of the last branch before an event";
        0x680..=0x69f LASTBRANCH_{0}_FROM_IP: u64  rw managed = HV_MSR_LASTBRANCH_{0}_FROM_IP optional "Source of recorded branch {0}";
        0x6c0..=0x6df LASTBRANCH_{0}_TO_IP:   u64  rw managed = HV_MSR_LASTBRANCH_{0}_TO_IP   optional "Target of recorded branch {0}";
        0xdc0..=0xddf LASTBRANCH_INFO_{0}:    u64  rw managed = HV_MSR_LASTBRANCH_INFO_{0}    optional "Facts about recorded branch {0}";
    }

    /// What the fixed counters count.
    msr 0x38d FIXED_CTR_CTRL: FixedCtrCtrl rw managed = HV_MSR_IA32_FIXED_CTR_CTRL optional
        cite "Intel SDM vol. 3, IA32_FIXED_CTR_CTRL MSR"
    {
        [63:16] res0;
        [15]    PMI3 "Counter 3 interrupts on overflow";
        [14]    ANY3 "Counter 3 counts for all threads of the core";
        [13]    USR3 "Counter 3 counts at privilege levels 1 to 3";
        [12]    OS3  "Counter 3 counts at privilege level 0";
        [11]    PMI2 "Counter 2 interrupts on overflow";
        [10]    ANY2 "Counter 2 counts for all threads of the core";
        [9]     USR2 "Counter 2 counts at privilege levels 1 to 3";
        [8]     OS2  "Counter 2 counts at privilege level 0";
        [7]     PMI1 "Counter 1 interrupts on overflow";
        [6]     ANY1 "Counter 1 counts for all threads of the core";
        [5]     USR1 "Counter 1 counts at privilege levels 1 to 3";
        [4]     OS1  "Counter 1 counts at privilege level 0";
        [3]     PMI0 "Counter 0 interrupts on overflow";
        [2]     ANY0 "Counter 0 counts for all threads of the core";
        [1]     USR0 "Counter 0 counts at privilege levels 1 to 3";
        [0]     OS0  "Counter 0 counts at privilege level 0";
    }

    /// Which counters overflowed.
    msr 0x38e PERF_GLOBAL_STATUS: PerfGlobalStatus ro managed = HV_MSR_IA32_PERF_GLOBAL_STATUS
        cite "Intel SDM vol. 3, IA32_PERF_GLOBAL_STATUS MSR"
    {
        [63]    COND_CHGD        "State of a counter changed";
        [62]    OVF_DS_BUFFER    "The debug-store buffer is full";
        [61]    OVF_UNCORE       "An uncore counter overflowed";
        [60]    ASCI             "SGX state is involved";
        [59]    CTR_FRZ          "Counters are frozen";
        [58]    LBR_FRZ          "Branch records are frozen";
        [57:56] res0;
        [55]    TRACE_TOPA_PMI   "Trace output region is full";
        [54:49] res0;
        [48]    OVF_PERF_METRICS "PERF_METRICS overflowed";
        [47:36] res0;
        [35:32] OVF_FIXED        "Fixed counter n: bit n";
        [31:8]  res0;
        [7:0]   OVF_PMC          "General counter n: bit n";
    }

    /// Which counters run.
    msr 0x38f PERF_GLOBAL_CTRL: PerfGlobalCtrl rw managed = HV_MSR_IA32_PERF_GLOBAL_CTRL optional
        cite "Intel SDM vol. 3, IA32_PERF_GLOBAL_CTRL MSR"
    {
        [63:49] res0;
        [48]    EN_PERF_METRICS "PERF_METRICS";
        [47:36] res0;
        [35:32] EN_FIXED        "Fixed counter n: bit n";
        [31:8]  res0;
        [7:0]   EN_PMC          "General counter n: bit n";
    }

    /// Performance monitoring. Bind PMCn or A_PMCn, not both, and with its PERFEVTSELn.
    msrs
        cite "Intel SDM vol. 3, Performance Monitoring; Apple, Model-Specific Registers"
    {
        //            name                      type                        reach    Apple's name                           state    what it holds
        0xc1..=0xc8   PMC{0}:                   u64                      rw managed  = HV_MSR_IA32_PMC{0}                   optional "General counter {0}";
        0x186..=0x18d PERFEVTSEL{0}:            u64  as PerfEvtSel       rw managed  = HV_MSR_IA32_PERFEVNTSEL{0}           optional "What general counter {0} counts; guest writes must be trapped";
        0x309         FIXED_CTR0:               u64                      rw managed  = HV_MSR_IA32_FIXED_CTR0               optional "Instructions retired";
        0x30a         FIXED_CTR1:               u64                      rw managed  = HV_MSR_IA32_FIXED_CTR1               optional "Core cycles";
        0x30b         FIXED_CTR2:               u64                      rw managed  = HV_MSR_IA32_FIXED_CTR2               optional "Reference cycles";
        0x30c         FIXED_CTR3:               u64                      rw managed  = HV_MSR_IA32_FIXED_CTR3               optional "Slots";
        0x329         PERF_METRICS:             u64                      rw managed  = HV_MSR_PERF_METRICS                  optional "Where the slots went";
        0x345         PERF_CAPABILITIES:        u64                      ro emulated                                                 "What the monitor can do; value of the host through hv_vmx_get_msr_info";
        0x390         PERF_GLOBAL_STATUS_RESET: u64  as PerfGlobalStatus wo managed  = HV_MSR_IA32_PERF_GLOBAL_STATUS_RESET          "Clears bits of PERF_GLOBAL_STATUS";
        0x391         PERF_GLOBAL_STATUS_SET:   u64  as PerfGlobalStatus wo managed  = HV_MSR_IA32_PERF_GLOBAL_STATUS_SET            "Sets bits of PERF_GLOBAL_STATUS";
        0x392         PERF_GLOBAL_INUSE:        u64                      ro managed  = HV_MSR_IA32_PERF_GLOBAL_INUSE                 "Which counters are in use";
        0x3f1         PEBS_ENABLE:              u64                      rw emulated                                                 "Which counters sample precisely";
        0x3f6         PEBS_LD_LAT_THRESHOLD:    u64                      rw emulated                                                 "Latency above which loads are sampled";
        0x4c1..=0x4c8 A_PMC{0}:                 u64                      rw managed  = HV_MSR_IA32_A_PMC{0}                 optional "General counter {0}, full width";
        0x600         DS_AREA:                  u64                      rw emulated                                                 "Linear address of the debug-store area";
    }

    /// Memory types by physical address.
    msrs
        cite "Intel SDM vol. 3, Memory Type Range Registers (MTRRs)"
    {
        //                   name               type                    reach    what it holds
        0x200..=0x20e step 2 MTRR_PHYSBASE{0}:  u64  as MtrrPhysbase rw emulated "Base of variable range {0}";
        0x201..=0x20f step 2 MTRR_PHYSMASK{0}:  u64  as MtrrPhysmask rw emulated "Mask of variable range {0}";
        0x250                MTRR_FIX64K_00000: u64  as MtrrFixed    rw emulated "0x00000 to 0x7ffff";
        0x258                MTRR_FIX16K_80000: u64  as MtrrFixed    rw emulated "0x80000 to 0x9ffff";
        0x259                MTRR_FIX16K_A0000: u64  as MtrrFixed    rw emulated "0xa0000 to 0xbffff";
        0x268                MTRR_FIX4K_C0000:  u64  as MtrrFixed    rw emulated "0xc0000 to 0xc7fff";
        0x269                MTRR_FIX4K_C8000:  u64  as MtrrFixed    rw emulated "0xc8000 to 0xcffff";
        0x26a                MTRR_FIX4K_D0000:  u64  as MtrrFixed    rw emulated "0xd0000 to 0xd7fff";
        0x26b                MTRR_FIX4K_D8000:  u64  as MtrrFixed    rw emulated "0xd8000 to 0xdffff";
        0x26c                MTRR_FIX4K_E0000:  u64  as MtrrFixed    rw emulated "0xe0000 to 0xe7fff";
        0x26d                MTRR_FIX4K_E8000:  u64  as MtrrFixed    rw emulated "0xe8000 to 0xeffff";
        0x26e                MTRR_FIX4K_F0000:  u64  as MtrrFixed    rw emulated "0xf0000 to 0xf7fff";
        0x26f                MTRR_FIX4K_F8000:  u64  as MtrrFixed    rw emulated "0xf8000 to 0xfffff";
    }

    /// Memory types by page attributes: 0x0007040600070406 after reset. The framework refuses writes to the VMCS field.
    msr 0x277 PAT: Pat rw emulated
        cite "Intel SDM vol. 3, IA32_PAT MSR"
    {
        [63:59] res0;
        [58:56] PA7 as PatType "Memory type of attribute index 7";
        [55:51] res0;
        [50:48] PA6 as PatType "Memory type of attribute index 6";
        [47:43] res0;
        [42:40] PA5 as PatType "Memory type of attribute index 5";
        [39:35] res0;
        [34:32] PA4 as PatType "Memory type of attribute index 4";
        [31:27] res0;
        [26:24] PA3 as PatType "Memory type of attribute index 3";
        [23:19] res0;
        [18:16] PA2 as PatType "Memory type of attribute index 2";
        [15:11] res0;
        [10:8]  PA1 as PatType "Memory type of attribute index 1";
        [7:3]   res0;
        [2:0]   PA0 as PatType "Memory type of attribute index 0";
    }

    /// Memory type of what no MTRR covers.
    msr 0x2ff MTRR_DEF_TYPE: MtrrDefType rw emulated
        cite "Intel SDM vol. 3, IA32_MTRR_DEF_TYPE MSR"
    {
        [63:12] res0;
        [11]    E                  "MTRRs are enabled";
        [10]    FE                 "Fixed ranges are enabled";
        [9:8]   res0;
        [7:0]   TYPE as MemoryType "Default memory type";
    }

    /// VMX capabilities, as a guest would read them; the host's own are in `capabilities`.
    msrs
        cite "Intel SDM vol. 3, appendix A"
    {
        //    name                     type                                      reach    what it holds
        0x480 VMX_BASIC:               u64  as VmxBasic                       ro emulated "Basic facts";
        0x481 VMX_PINBASED_CTLS:       u64  as AllowedSettings                ro emulated "Pin-based controls";
        0x482 VMX_PROCBASED_CTLS:      u64  as AllowedSettings                ro emulated "Primary processor-based controls";
        0x483 VMX_EXIT_CTLS:           u64  as AllowedSettings                ro emulated "VM-exit controls";
        0x484 VMX_ENTRY_CTLS:          u64  as AllowedSettings                ro emulated "VM-entry controls";
        0x485 VMX_MISC:                u64  as VmxMisc                        ro emulated "Miscellaneous facts";
        0x486 VMX_CR0_FIXED0:          u64  as Cr0                            ro emulated "CR0 bits that must be 1";
        0x487 VMX_CR0_FIXED1:          u64  as Cr0                            ro emulated "CR0 bits that may be 1";
        0x488 VMX_CR4_FIXED0:          u64  as Cr4                            ro emulated "CR4 bits that must be 1";
        0x489 VMX_CR4_FIXED1:          u64  as Cr4                            ro emulated "CR4 bits that may be 1";
        0x48a VMX_VMCS_ENUM:           u64  as VmcsEnum                       ro emulated "Highest field index";
        0x48b VMX_PROCBASED_CTLS2:     u64  as AllowedSettings                ro emulated "Secondary processor-based controls";
        0x48c VMX_EPT_VPID_CAP:        u64  as EptVpidCap                     ro emulated "EPT and VPID";
        0x48d VMX_TRUE_PINBASED_CTLS:  u64  as AllowedSettings                ro emulated "Pin-based controls, default1 class relaxed";
        0x48e VMX_TRUE_PROCBASED_CTLS: u64  as AllowedSettings                ro emulated "Primary processor-based controls, default1 class relaxed";
        0x48f VMX_TRUE_EXIT_CTLS:      u64  as AllowedSettings                ro emulated "VM-exit controls, default1 class relaxed";
        0x490 VMX_TRUE_ENTRY_CTLS:     u64  as AllowedSettings                ro emulated "VM-entry controls, default1 class relaxed";
        0x491 VMX_VMFUNC:              u64                                    ro emulated "VM functions";
        0x492 VMX_PROCBASED_CTLS3:     u64  as TertiaryProcessorBasedControls ro emulated "Tertiary processor-based controls that may be 1";
        0x493 VMX_EXIT_CTLS2:          u64  as SecondaryVmExitControls        ro emulated "Secondary VM-exit controls that may be 1";
    }

    /// Intel PT.
    msrs
        cite "Intel SDM vol. 3, Intel Processor Trace, Configuration and Programming"
    {
        //    name              type    reach    what it holds
        0x560 RTIT_OUTPUT_BASE: u64  rw emulated "Where trace output goes; hide CPUID.07H:EBX[25]";
        0x570 RTIT_CTL:         u64  rw emulated "Trace control";
        0x571 RTIT_STATUS:      u64  rw emulated "Trace status";
    }

    /// Control-flow enforcement and supervisor protection keys.
    msrs
        cite "Intel SDM vol. 1, Control-Flow Enforcement Technology; vol. 3, Protection Keys"
    {
        //    name                      type           reach                                         state                                        what it holds
        0x6a0 U_CET:                    u64  as Cet rw emulated                                                                                   "User code";
        0x6a2 S_CET:                    u64  as Cet rw via vmcs::GUEST_IA32_S_CET                    alias of GUEST_IA32_S_CET                    "Supervisor code";
        0x6a4 PL0_SSP:                  u64         rw emulated                                                                                   "Shadow-stack pointer of privilege level 0";
        0x6a7 PL3_SSP:                  u64         rw emulated                                                                                   "Shadow-stack pointer of privilege level 3";
        0x6a8 INTERRUPT_SSP_TABLE_ADDR: u64         rw via vmcs::GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR alias of GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR "Table of interrupt shadow stacks";
        0x6e1 PKRS:                     u64         rw emulated                                                                                   "Rights of the supervisor protection keys: 2 bits for each";
    }

    /// APIC timer.
    msrs
        cite "Intel SDM vol. 3, TSC-Deadline Mode"
    {
        //    name          type    reach    what it holds
        0x6e0 TSC_DEADLINE: u64  rw emulated "TSC value at which the timer fires; within hv_apic_state with HV_VM_ACCEL_APIC";
    }

    /// Version of the local APIC.
    fields X2apicVersion: u64
        cite "Intel SDM vol. 3, Local APIC Version Register"
    {
        [63:25] res0;
        [24]    SUPPRESS_EOI_BROADCAST "EOI broadcasts can be suppressed";
        [23:16] MAX_LVT                "Number of LVT entries, minus 1";
        [15:8]  res0;
        [7:0]   VERSION                "Version";
    }

    /// Spurious-interrupt vector.
    fields X2apicSivr: u64
        cite "Intel SDM vol. 3, Spurious-Interrupt Vector Register"
    {
        [63:13] res0;
        [12]    SUPPRESS_EOI_BROADCAST "EOIs are not broadcast";
        [11:10] res0;
        [9]     FOCUS_CHECKING_DISABLE "No focus checking";
        [8]     ENABLE                 "The APIC is enabled by software";
        [7:0]   VECTOR                 "Vector";
    }

    /// Errors of the local APIC.
    fields X2apicEsr: u64
        cite "Intel SDM vol. 3, Error Status Register (ESR)"
    {
        [63:8] res0;
        [7]    ILLEGAL_REGISTER        "Access to a register that does not exist";
        [6]    RECEIVED_ILLEGAL_VECTOR "Illegal vector received";
        [5]    SEND_ILLEGAL_VECTOR     "Illegal vector sent";
        [4]    REDIRECTABLE_IPI        "Lowest-priority IPI that cannot be sent";
        [3]    RECEIVE_ACCEPT          "Message accepted by none, when received";
        [2]    SEND_ACCEPT             "Message accepted by none, when sent";
        [1]    RECEIVE_CHECKSUM        "Checksum error when received";
        [0]    SEND_CHECKSUM           "Checksum error when sent";
    }

    /// Interrupt command.
    fields X2apicIcr: u64
        cite "Intel SDM vol. 3, ICR Operation in x2APIC Mode"
    {
        [63:32] DESTINATION                                                 "x2APIC identifier, or logical destination";
        [31:20] res0;
        [19:18] SHORTHAND       { 0 NoShorthand, 1 OneSelf, 2 AllIncludingSelf, 3 AllExcludingSelf } "Destination shorthand";
        [17:16] res0;
        [15]    LEVEL_TRIGGERED                                             "Level-triggered, else edge-triggered";
        [14]    ASSERT                                                      "Level: assert, else de-assert";
        [13:12] res0;
        [11]    LOGICAL                                                     "Logical destination, else physical";
        [10:8]  DELIVERY_MODE   as DeliveryMode                             "How to deliver";
        [7:0]   VECTOR                                                      "Vector";
    }

    /// Local APIC in x2APIC mode.
    msrs
        cite "Intel SDM vol. 3, x2APIC Register Address Space"
    {
        //            name                type                     reach    what it holds
        0x800         X2APIC_BASE:        u64                   rw emulated "First MSR of the range 0x800 to 0x8ff: register offset >> 4";
        0x802         X2APIC_APICID:      u64                   ro emulated "x2APIC identifier";
        0x803         X2APIC_VERSION:     u64  as X2apicVersion ro emulated "Version";
        0x808         X2APIC_TPR:         u64  as Tpr           rw emulated "Task priority";
        0x80a         X2APIC_PPR:         u64                   ro emulated "Processor priority";
        0x80b         X2APIC_EOI:         u64                   wo emulated "End of interrupt: write 0";
        0x80d         X2APIC_LDR:         u64                   ro emulated "Logical destination";
        0x80f         X2APIC_SIVR:        u64  as X2apicSivr    rw emulated "Spurious-interrupt vector";
        0x810..=0x817 X2APIC_ISR{0}:      u64                   ro emulated "In service: vectors {0} * 32 and up";
        0x818..=0x81f X2APIC_TMR{0}:      u64                   ro emulated "Trigger mode: vectors {0} * 32 and up";
        0x820..=0x827 X2APIC_IRR{0}:      u64                   ro emulated "Requested: vectors {0} * 32 and up";
        0x828         X2APIC_ESR:         u64  as X2apicEsr     rw emulated "Errors";
        0x82f         X2APIC_LVT_CMCI:    u64  as Lvt           rw emulated "Corrected machine checks";
        0x830         X2APIC_ICR:         u64  as X2apicIcr     rw emulated "Interrupt command";
        0x832         X2APIC_LVT_TIMER:   u64  as LvtTimer      rw emulated "Timer";
        0x833         X2APIC_LVT_THERMAL: u64  as Lvt           rw emulated "Thermal sensor";
        0x834         X2APIC_LVT_PMI:     u64  as Lvt           rw emulated "Performance counters";
        0x835         X2APIC_LVT_LINT0:   u64  as LvtLint       rw emulated "Pin LINT0";
        0x836         X2APIC_LVT_LINT1:   u64  as LvtLint       rw emulated "Pin LINT1";
        0x837         X2APIC_LVT_ERROR:   u64  as Lvt           rw emulated "Errors";
        0x838         X2APIC_INIT_COUNT:  u64                   rw emulated "Initial count of the timer";
        0x839         X2APIC_CUR_COUNT:   u64                   ro emulated "Current count of the timer";
        0x83e         X2APIC_DIV_CONF:    u64                   rw emulated "Divisor of the timer: bits 3, 1 and 0";
        0x83f         X2APIC_SELF_IPI:    u64                   wo emulated "IPI to oneself: the vector";
    }

    /// Supervisor state components that XSAVES manages.
    msr 0xda0 XSS: Xss rw native managed = HV_MSR_IA32_XSS optional
        cite "Intel SDM vol. 1, XSAVE-Supported Features and State-Component Bitmaps"
    {
        [63:17] res0;
        [16]    HWP   "Hardware-controlled performance states";
        [15]    LBR   "Last-branch records";
        [14]    UINTR "User interrupts";
        [13]    HDC   "Hardware duty cycling";
        [12]    CET_S "Supervisor control-flow enforcement";
        [11]    CET_U "User control-flow enforcement";
        [10]    PASID "PASID";
        [9]     res0;
        [8]     PT    "Intel PT";
        [7:0]   res0;
    }

    /// Extended feature enables.
    msr 0xc000_0080 EFER: Efer rw via vmcs::GUEST_IA32_EFER = HV_MSR_IA32_EFER alias of GUEST_IA32_EFER
        cite "Intel SDM vol. 3, Extended Feature Enable Register"
    {
        [63:12] res0;
        [11]    NXE    "Execute-disable bit of pages";
        [10]    LMA ro "IA-32e mode is active";
        [9]     res0;
        [8]     LME    "IA-32e mode once paging is on";
        [7:1]   res0;
        [0]     SCE    "SYSCALL and SYSRET";
    }

    /// Segments of SYSCALL and SYSRET.
    msr 0xc000_0081 STAR: Star rw native = HV_MSR_IA32_STAR
        cite "Intel SDM vol. 3, Fast System Calls in 64-Bit Mode; AMD APM vol. 2, SYSCALL and SYSRET"
    {
        [63:48] SYSRET_CS  "CS of SYSRET: 64-bit code at + 16, SS at + 8";
        [47:32] SYSCALL_CS "CS of SYSCALL; SS at + 8";
        [31:0]  EIP        "Entry point of legacy SYSCALL, AMD only";
    }

    /// Fast system calls and segment bases of 64-bit code.
    msrs
        cite "Intel SDM vol. 3, Fast System Calls in 64-Bit Mode; vol. 4, 2.1, Architectural MSRs"
    {
        //          name            type              reach                          Apple's name                 state                  what it holds
        0xc000_0082 LSTAR:          u64            rw native                         = HV_MSR_IA32_LSTAR                                 "Entry point of SYSCALL in 64-bit mode";
        0xc000_0083 CSTAR:          u64            rw native                         = HV_MSR_IA32_CSTAR                                 "Entry point of SYSCALL in compatibility mode, AMD only";
        0xc000_0084 FMASK:          u64  as Rflags rw native                         = HV_MSR_IA32_FMASK                                 "Flags that SYSCALL clears";
        0xc000_0100 FS_BASE:        u64            rw native via vmcs::GUEST_FS_BASE = HV_MSR_IA32_FS_BASE        alias of GUEST_FS_BASE "Base of FS";
        0xc000_0101 GS_BASE:        u64            rw native via vmcs::GUEST_GS_BASE = HV_MSR_IA32_GS_BASE        alias of GUEST_GS_BASE "Base of GS";
        0xc000_0102 KERNEL_GS_BASE: u64            rw native                         = HV_MSR_IA32_KERNEL_GS_BASE                        "Base that SWAPGS puts into GS; must be native before a 64-bit guest can be entered";
        0xc000_0103 TSC_AUX:        u64            rw native                         = HV_MSR_IA32_TSC_AUX                               "What RDTSCP and RDPID tell: low 32 bits";
    }
}
