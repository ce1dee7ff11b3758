//! AArch64: registers of the framework's GICv3 (macOS 15): distributor, redistributor, MSI frame, CPU interfaces.

xhv_macros::spec! {
    /// Distributor control, as a guest with one security state sees it.
    fields GicdCtlr: u32
        cite "Arm IHI 0069, 12.9.4, GICD_CTLR"
    {
        [31]   RWP ro      "A register write is pending";
        [30:8] res0;
        [7]    E1NWF       "1 of N wakeup";
        [6]    DS          "One security state";
        [5]    res0;
        [4]    ARE         "Affinity routing";
        [3:2]  res0;
        [1]    ENABLEGRP1  "Group 1 interrupts";
        [0]    ENABLEGRP0  "Group 0 interrupts";
    }

    /// What the distributor can do.
    fields GicdTyper: u32
        cite "Arm IHI 0069, 12.9.38, GICD_TYPER"
    {
        [31:27] ESPI_RANGE     "Extended SPIs, in units of 32, minus one";
        [26]    RSS            "Affinity 0 up to 255";
        [25]    NO1N           "No 1 of N interrupts";
        [24]    A3V            "Affinity 3";
        [23:19] IDBITS         "Bits of an interrupt id, minus one";
        [18]    DVIS           "Direct injection of virtual LPIs";
        [17]    LPIS           "LPIs";
        [16]    MBIS           "Message-based SPIs";
        [15:11] NUM_LPIS       "LPIs, log2, minus one; 0: from IDBITS";
        [10]    SECURITYEXTN   "Two security states";
        [9]     NMI            "Non-maskable interrupts";
        [8]     ESPI           "Extended SPIs";
        [7:5]   CPUNUMBER      "Processors without affinity routing, minus one";
        [4:0]   ITLINESNUMBER  "SPIs, in units of 32, minus one";
    }

    /// Which GIC this is.
    fields GicPidr2: u32
        cite "Arm IHI 0069, 12.9.35, GICD_PIDR2"
    {
        [31:8] res0;
        [7:4]  ARCHREV { 1 Gicv1, 2 Gicv2, 3 Gicv3, 4 Gicv4 }  "Architecture";
        [3:0]  res   "Implementation defined";
    }

    /// Where an SPI goes.
    fields GicdIrouter: u64
        cite "Arm IHI 0069, 12.9.22, GICD_IROUTERn"
    {
        [63:40] res0;
        [39:32] AFF3  "Affinity level 3";
        [31]    IRM   "Any processor";
        [30:24] res0;
        [23:16] AFF2  "Affinity level 2";
        [15:8]  AFF1  "Affinity level 1";
        [7:0]   AFF0  "Affinity level 0";
    }

    /// What a redistributor is.
    fields GicrTyper: u64
        cite "Arm IHI 0069, 12.11.35, GICR_TYPER"
    {
        [63:32] AFFINITY          "Affinity of its processor";
        [31:27] PPINUM { 0 Max31, 1 Max1087, 2 Max1119 }  "Highest PPI";
        [26]    VSGI              "Virtual SGIs";
        [25:24] COMMONLPIAFF      "Affinity level that shares LPI tables";
        [23:8]  PROCESSOR_NUMBER  "Processor number";
        [7]     RVPEID            "Resident virtual processors by id";
        [6]     MPAM              "Memory partitioning";
        [5]     DPGS              "Disable processor selection";
        [4]     LAST              "Last redistributor of its region";
        [3]     DIRECTLPI         "Direct injection of LPIs";
        [2]     DIRTY             "Virtual pending tables are tracked";
        [1]     VLPIS             "Virtual LPIs";
        [0]     PLPIS             "Physical LPIs";
    }

    /// SPIs of the MSI frame.
    fields GicmTyper: u32
        cite "Arm GICv2m, MSI_TYPER"
    {
        [31:26] res0;
        [25:16] BASE   "First interrupt id";
        [15:10] res0;
        [9:0]   COUNT  "Number of interrupts";
    }

    /// Priority mask.
    fields IccPmr: u64
        cite "Arm DDI 0601, ICC_PMR_EL1"
    {
        [63:8] res0;
        [7:0]  PRIORITY  "Only higher priorities (smaller numbers) are signalled";
    }

    /// Binary point.
    fields IccBpr: u64
        cite "Arm DDI 0601, ICC_BPR0_EL1"
    {
        [63:3] res0;
        [2:0]  BINARYPOINT  "How a priority splits in group and subpriority";
    }

    /// Running priority.
    fields IccRpr: u64
        cite "Arm DDI 0601, ICC_RPR_EL1"
    {
        [63]   NMI       "An NMI is active";
        [62]   NMI_NS    "A non-secure NMI is active";
        [61:8] res0;
        [7:0]  PRIORITY  "Priority of the active interrupt";
    }

    /// CPU interface control.
    fields IccCtlr: u64
        cite "Arm DDI 0601, ICC_CTLR_EL1"
    {
        [63:20] res0;
        [19]    EXTRANGE ro  "Extended ids";
        [18]    RSS ro       "Affinity 0 up to 255";
        [17:16] res0;
        [15]    A3V ro       "Affinity 3";
        [14]    SEIS ro      "SError generation";
        [13:11] IDBITS ro { 0 Bits16, 1 Bits24 }  "Bits of an interrupt id";
        [10:8]  PRIBITS ro   "Priority bits, minus one";
        [7]     res0;
        [6]     PMHE         "Priority mask is a hint";
        [5:2]   res0;
        [1]     EOIMODE      "End of interrupt does not deactivate";
        [0]     CBPR         "One binary point for both groups";
    }

    /// System register enable.
    fields IccSre: u64
        cite "Arm DDI 0601, ICC_SRE_EL1"
    {
        [63:3] res0;
        [2]    DIB   "IRQ bypass disabled";
        [1]    DFB   "FIQ bypass disabled";
        [0]    SRE   "System registers are used";
    }

    /// System register enable of EL2.
    fields IccSreEl2: u64
        cite "Arm DDI 0601, ICC_SRE_EL2"
    {
        [63:4] res0;
        [3]    ENABLE  "EL1 may use ICC_SRE_EL1";
        [2]    DIB     "IRQ bypass disabled";
        [1]    DFB     "FIQ bypass disabled";
        [0]    SRE     "System registers are used";
    }

    /// Interrupt group enable.
    fields IccIgrpen: u64
        cite "Arm DDI 0601, ICC_IGRPEN0_EL1"
    {
        [63:1] res0;
        [0]    ENABLE  "The group is signalled";
    }

    /// Hypervisor control of the virtual CPU interface.
    fields IchHcr: u64
        cite "Arm DDI 0601, ICH_HCR_EL2"
    {
        [63:32] res0;
        [31:27] EOICOUNT      "End of interrupts without a list register";
        [26:16] res0;
        [15]    DVIM          "Direct injection masked";
        [14]    TDIR          "ICC_DIR_EL1 accesses trap";
        [13]    TSEI          "SErrors trap";
        [12]    TALL1         "Group 1 accesses trap";
        [11]    TALL0         "Group 0 accesses trap";
        [10]    TC            "Common accesses trap";
        [9]     res0;
        [8]     VSGIEOICOUNT  "Virtual SGIs count";
        [7]     VGRP1DIE      "Interrupt when group 1 is disabled";
        [6]     VGRP1EIE      "Interrupt when group 1 is enabled";
        [5]     VGRP0DIE      "Interrupt when group 0 is disabled";
        [4]     VGRP0EIE      "Interrupt when group 0 is enabled";
        [3]     NPIE          "Interrupt when nothing is pending";
        [2]     LRENPIE       "Interrupt when an end of interrupt has no list register";
        [1]     UIE           "Interrupt on underflow";
        [0]     EN            "Virtual CPU interface";
    }

    /// What the virtual CPU interface can do.
    fields IchVtr: u64
        cite "Arm DDI 0601, ICH_VTR_EL2"
    {
        [63:32] res0;
        [31:29] PRIBITS   "Priority bits, minus one";
        [28:26] PREBITS   "Preemption bits, minus one";
        [25:23] IDBITS { 0 Bits16, 1 Bits24 }  "Bits of an interrupt id";
        [22]    SEIS      "SError generation";
        [21]    A3V       "Affinity 3";
        [20]    NV4       "No direct injection";
        [19]    TDS       "ICH_HCR_EL2.TDIR";
        [18]    DVIM      "ICH_HCR_EL2.DVIM";
        [17:5]  res0;
        [4:0]   LISTREGS  "List registers, minus one";
    }

    /// Why the maintenance interrupt is asserted.
    fields IchMisr: u64
        cite "Arm DDI 0601, ICH_MISR_EL2"
    {
        [63:8] res0;
        [7]    VGRP1D  "Group 1 disabled";
        [6]    VGRP1E  "Group 1 enabled";
        [5]    VGRP0D  "Group 0 disabled";
        [4]    VGRP0E  "Group 0 enabled";
        [3]    NP      "Nothing pending";
        [2]    LRENP   "List register entry not present";
        [1]    U       "Underflow";
        [0]    EOI     "End of interrupt";
    }

    /// List registers with an end of interrupt.
    fields IchEisr: u64
        cite "Arm DDI 0601, ICH_EISR_EL2"
    {
        [63:16] res0;
        [15:0]  STATUS  "One bit for each list register";
    }

    /// List registers that are empty.
    fields IchElrsr: u64
        cite "Arm DDI 0601, ICH_ELRSR_EL2"
    {
        [63:16] res0;
        [15:0]  STATUS  "One bit for each list register";
    }

    /// Virtual machine control of the CPU interface.
    fields IchVmcr: u64
        cite "Arm DDI 0601, ICH_VMCR_EL2"
    {
        [63:32] res0;
        [31:24] VPMR     "Priority mask";
        [23:21] VBPR0    "Binary point of group 0";
        [20:18] VBPR1    "Binary point of group 1";
        [17:10] res0;
        [9]     VEOIM    "End of interrupt does not deactivate";
        [8:5]   res0;
        [4]     VCBPR    "One binary point for both groups";
        [3]     VFIQEN   "Group 0 is FIQ";
        [2]     VACKCTL  "Acknowledge control";
        [1]     VENG1    "Group 1";
        [0]     VENG0    "Group 0";
    }

    /// List register: one virtual interrupt.
    fields IchLr: u64
        cite "Arm DDI 0601, ICH_LRn_EL2"
    {
        [63:62] STATE { 0 Invalid, 1 Pending, 2 Active, 3 PendingAndActive }  "State";
        [61]    HW        "Maps to a physical interrupt";
        [60]    GROUP     "Group 1";
        [59]    NMI       "Non-maskable";
        [58:56] res0;
        [55:48] PRIORITY  "Priority";
        [47:45] res0;
        [44:32] PINTID    "Physical id; bit 41: maintenance interrupt at the end";
        [31:0]  VINTID    "Virtual id";
    }

    /// Distributor registers by their offset in the frame. The whole state travels in the opaque blob of `hv_gic_state_get_data`.
    gic distributor
        cite "Arm IHI 0069, 12.9; hv_gic_types.h, hv_gic_distributor_reg_t"
    {
//      offset                     name and type
        0x0000                 GICD_CTLR: u32 as GicdCtlr           rw = HV_GIC_DISTRIBUTOR_REG_GICD_CTLR          nosave "part of the blob"  "Control";
        0x0004                 GICD_TYPER: u32 as GicdTyper         ro = HV_GIC_DISTRIBUTOR_REG_GICD_TYPER         nosave "part of the blob"  "Type";
        0x0080..=0x00fc step 4 GICD_IGROUPR{0}: u32                 rw = HV_GIC_DISTRIBUTOR_REG_GICD_IGROUPR{0}    nosave "part of the blob"  "Interrupt groups, 32 a register";
        0x0100..=0x017c step 4 GICD_ISENABLER{0}: u32               rw = HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER{0}  nosave "part of the blob"  "Set enable";
        0x0180..=0x01fc step 4 GICD_ICENABLER{0}: u32               rw = HV_GIC_DISTRIBUTOR_REG_GICD_ICENABLER{0}  nosave "part of the blob"  "Clear enable";
        0x0200..=0x027c step 4 GICD_ISPENDR{0}: u32                 rw = HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR{0}    nosave "part of the blob"  "Set pending";
        0x0280..=0x02fc step 4 GICD_ICPENDR{0}: u32                 rw = HV_GIC_DISTRIBUTOR_REG_GICD_ICPENDR{0}    nosave "part of the blob"  "Clear pending";
        0x0300..=0x037c step 4 GICD_ISACTIVER{0}: u32               rw = HV_GIC_DISTRIBUTOR_REG_GICD_ISACTIVER{0}  nosave "part of the blob"  "Set active";
        0x0380..=0x03fc step 4 GICD_ICACTIVER{0}: u32               rw = HV_GIC_DISTRIBUTOR_REG_GICD_ICACTIVER{0}  nosave "part of the blob"  "Clear active";
        0x0400..=0x07f8 step 4 GICD_IPRIORITYR{0}: u32              rw = HV_GIC_DISTRIBUTOR_REG_GICD_IPRIORITYR{0} nosave "part of the blob"  "Priorities, 4 a register";
        0x0c00..=0x0cfc step 4 GICD_ICFGR{0}: u32                   rw = HV_GIC_DISTRIBUTOR_REG_GICD_ICFGR{0}      nosave "part of the blob"  "Edge or level, 16 a register";
        0x6100..=0x7fd8 step 8 GICD_IROUTER{32}: u64 as GicdIrouter rw = HV_GIC_DISTRIBUTOR_REG_GICD_IROUTER{32}   nosave "part of the blob"  "Route of an SPI";
        0xffe8                 GICD_PIDR2: u32 as GicPidr2          ro = HV_GIC_DISTRIBUTOR_REG_GICD_PIDR2         nosave "part of the blob"  "Peripheral ID 2";
    }

    /// Redistributor registers of a vCPU by their offset from RD_base; the SGI frame starts at 0x10000.
    gic redistributor
        cite "Arm IHI 0069, 12.11; hv_gic_types.h, hv_gic_redistributor_reg_t"
    {
//      offset                   name and type
        0x0008                   GICR_TYPER: u64 as GicrTyper ro = HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER         nosave "part of the blob"  "Type";
        0xffe8                   GICR_PIDR2: u32 as GicPidr2  ro = HV_GIC_REDISTRIBUTOR_REG_GICR_PIDR2         nosave "part of the blob"  "Peripheral ID 2";
        0x10080                  GICR_IGROUPR0: u32           rw = HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0      nosave "part of the blob"  "Interrupt groups";
        0x10100                  GICR_ISENABLER0: u32         rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0    nosave "part of the blob"  "Set enable";
        0x10180                  GICR_ICENABLER0: u32         rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ICENABLER0    nosave "part of the blob"  "Clear enable";
        0x10200                  GICR_ISPENDR0: u32           rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0      nosave "part of the blob"  "Set pending";
        0x10280                  GICR_ICPENDR0: u32           rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ICPENDR0      nosave "part of the blob"  "Clear pending";
        0x10300                  GICR_ISACTIVER0: u32         rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ISACTIVER0    nosave "part of the blob"  "Set active";
        0x10380                  GICR_ICACTIVER0: u32         rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ICACTIVER0    nosave "part of the blob"  "Clear active";
        0x10400..=0x1041c step 4 GICR_IPRIORITYR{0}: u32      rw = HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR{0} nosave "part of the blob"  "Priorities, 4 a register";
        0x10c00..=0x10c04 step 4 GICR_ICFGR{0}: u32           rw = HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR{0}      nosave "part of the blob"  "Edge or level, 16 a register";
    }

    /// Registers of the MSI frame.
    gic msi
        cite "Arm GICv2m; hv_gic_types.h, hv_gic_msi_reg_t"
    {
//      offset name and type
        0x08 GICM_TYPER: u32 as GicmTyper ro = HV_GIC_REG_GICM_TYPER       nosave "part of the blob"  "SPIs of the frame";
        0x40 GICM_SET_SPI_NSR: u32        wo = HV_GIC_REG_GICM_SET_SPI_NSR nosave "part of the blob"  "Doorbell: the data is the interrupt id";
    }

    /// CPU interface registers of a vCPU; IAR, EOIR, DIR and HPPIR have no number.
    gic icc
        cite "Arm DDI 0601; hv_gic_types.h, hv_gic_icc_reg_t"
    {
//      op0 op1 CRn CRm op2  name and type
        3   0   4   6   0   ICC_PMR_EL1: u64 as IccPmr        rw = HV_GIC_ICC_REG_PMR_EL1     requires gic  "Priority mask";
        3   0   12  8   3   ICC_BPR0_EL1: u64 as IccBpr       rw = HV_GIC_ICC_REG_BPR0_EL1    requires gic  "Binary point, group 0";
        3   0   12  8   4   ICC_AP0R0_EL1: u64                rw = HV_GIC_ICC_REG_AP0R0_EL1   requires gic  "Active priorities, group 0";
        3   0   12  9   0   ICC_AP1R0_EL1: u64                rw = HV_GIC_ICC_REG_AP1R0_EL1   requires gic  "Active priorities, group 1";
        3   0   12  11  3   ICC_RPR_EL1: u64 as IccRpr        ro = HV_GIC_ICC_REG_RPR_EL1     requires gic  "Running priority";
        3   0   12  12  3   ICC_BPR1_EL1: u64 as IccBpr       rw = HV_GIC_ICC_REG_BPR1_EL1    requires gic  "Binary point, group 1";
        3   0   12  12  4   ICC_CTLR_EL1: u64 as IccCtlr      rw = HV_GIC_ICC_REG_CTLR_EL1    requires gic  "Control";
        3   0   12  12  5   ICC_SRE_EL1: u64 as IccSre        rw = HV_GIC_ICC_REG_SRE_EL1     requires gic  "System register enable";
        3   0   12  12  6   ICC_IGRPEN0_EL1: u64 as IccIgrpen rw = HV_GIC_ICC_REG_IGRPEN0_EL1 requires gic  "Enable of group 0";
        3   0   12  12  7   ICC_IGRPEN1_EL1: u64 as IccIgrpen rw = HV_GIC_ICC_REG_IGRPEN1_EL1 requires gic  "Enable of group 1";
        3   4   12  9   5   ICC_SRE_EL2: u64 as IccSreEl2     rw = HV_GIC_ICC_REG_SRE_EL2     requires el2  "System register enable of EL2";
    }

    /// Registers by which a hypervisor in the guest controls virtual interrupts.
    gic ich
        cite "Arm DDI 0601; hv_gic_types.h, hv_gic_ich_reg_t"
    {
//      op0 op1 CRn CRm op2  name and type
        3   4   12  8   0   ICH_AP0R0_EL2: u64             rw = HV_GIC_ICH_REG_AP0R0_EL2 requires el2           "Active priorities, group 0";
        3   4   12  9   0   ICH_AP1R0_EL2: u64             rw = HV_GIC_ICH_REG_AP1R0_EL2 requires el2           "Active priorities, group 1";
        3   4   12  11  0   ICH_HCR_EL2: u64 as IchHcr     rw = HV_GIC_ICH_REG_HCR_EL2   requires el2           "Hypervisor control";
        3   4   12  11  1   ICH_VTR_EL2: u64 as IchVtr     ro = HV_GIC_ICH_REG_VTR_EL2   requires el2           "Type";
        3   4   12  11  2   ICH_MISR_EL2: u64 as IchMisr   ro = HV_GIC_ICH_REG_MISR_EL2  requires el2           "Maintenance interrupt status";
        3   4   12  11  3   ICH_EISR_EL2: u64 as IchEisr   ro = HV_GIC_ICH_REG_EISR_EL2  requires el2           "End of interrupt status";
        3   4   12  11  5   ICH_ELRSR_EL2: u64 as IchElrsr ro = HV_GIC_ICH_REG_ELRSR_EL2 requires el2           "Empty list registers";
        3   4   12  11  7   ICH_VMCR_EL2: u64 as IchVmcr   rw = HV_GIC_ICH_REG_VMCR_EL2  requires el2           "Virtual machine control";
        3   4   12  12  0   ICH_LR0_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR0_EL2   requires el2           "List register 0";
        3   4   12  12  1   ICH_LR1_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR1_EL2   requires el2           "List register 1";
        3   4   12  12  2   ICH_LR2_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR2_EL2   requires el2           "List register 2";
        3   4   12  12  3   ICH_LR3_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR3_EL2   requires el2           "List register 3";
        3   4   12  12  4   ICH_LR4_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR4_EL2   requires el2           "List register 4";
        3   4   12  12  5   ICH_LR5_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR5_EL2   requires el2           "List register 5";
        3   4   12  12  6   ICH_LR6_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR6_EL2   requires el2           "List register 6";
        3   4   12  12  7   ICH_LR7_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR7_EL2   requires el2           "List register 7";
        3   4   12  13  0   ICH_LR8_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR8_EL2   requires el2 optional  "List register 8";
        3   4   12  13  1   ICH_LR9_EL2: u64 as IchLr      rw = HV_GIC_ICH_REG_LR9_EL2   requires el2 optional  "List register 9";
        3   4   12  13  2   ICH_LR10_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR10_EL2  requires el2 optional  "List register 10";
        3   4   12  13  3   ICH_LR11_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR11_EL2  requires el2 optional  "List register 11";
        3   4   12  13  4   ICH_LR12_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR12_EL2  requires el2 optional  "List register 12";
        3   4   12  13  5   ICH_LR13_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR13_EL2  requires el2 optional  "List register 13";
        3   4   12  13  6   ICH_LR14_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR14_EL2  requires el2 optional  "List register 14";
        3   4   12  13  7   ICH_LR15_EL2: u64 as IchLr     rw = HV_GIC_ICH_REG_LR15_EL2  requires el2 optional  "List register 15";
    }

    /// Virtual CPU interface registers: the numbers are those of the ICC registers.
    gic icv
        cite "Arm DDI 0601; hv_gic_types.h, hv_gic_icv_reg_t"
    {
//      op0 op1 CRn CRm op2  name and type
        3   0   4   6   0   ICV_PMR_EL1: u64 as IccPmr        rw = HV_GIC_ICV_REG_PMR_EL1     requires el2  "Priority mask";
        3   0   12  8   3   ICV_BPR0_EL1: u64 as IccBpr       rw = HV_GIC_ICV_REG_BPR0_EL1    requires el2  "Binary point, group 0";
        3   0   12  8   4   ICV_AP0R0_EL1: u64                rw = HV_GIC_ICV_REG_AP0R0_EL1   requires el2  "Active priorities, group 0";
        3   0   12  9   0   ICV_AP1R0_EL1: u64                rw = HV_GIC_ICV_REG_AP1R0_EL1   requires el2  "Active priorities, group 1";
        3   0   12  11  3   ICV_RPR_EL1: u64 as IccRpr        ro = HV_GIC_ICV_REG_RPR_EL1     requires el2  "Running priority";
        3   0   12  12  3   ICV_BPR1_EL1: u64 as IccBpr       rw = HV_GIC_ICV_REG_BPR1_EL1    requires el2  "Binary point, group 1";
        3   0   12  12  4   ICV_CTLR_EL1: u64 as IccCtlr      rw = HV_GIC_ICV_REG_CTLR_EL1    requires el2  "Control";
        3   0   12  12  5   ICV_SRE_EL1: u64 as IccSre        rw = HV_GIC_ICV_REG_SRE_EL1     requires el2  "System register enable";
        3   0   12  12  6   ICV_IGRPEN0_EL1: u64 as IccIgrpen rw = HV_GIC_ICV_REG_IGRPEN0_EL1 requires el2  "Enable of group 0";
        3   0   12  12  7   ICV_IGRPEN1_EL1: u64 as IccIgrpen rw = HV_GIC_ICV_REG_IGRPEN1_EL1 requires el2  "Enable of group 1";
    }
}
