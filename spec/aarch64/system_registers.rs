//! AArch64: system registers: their layouts, then one row for each that the framework gives access to, then names of those that only trap.

use super::exits::{Esr, FaultStatus};
use super::reg::Spsr;

xhv_macros::spec! {
    // Values that several registers share.

    /// Kind of a cache level.
    values CacheKind: u3
        cite "Arm DDI 0601, CLIDR_EL1.Ctypen"
    {
        0 NoCache      "No cache";
        1 Instruction  "Instruction cache";
        2 Data         "Data cache";
        3 Separate     "Separate instruction and data caches";
        4 Unified      "Unified cache";
    }

    /// Tags of a cache level.
    values CacheTags: u2
        cite "Arm DDI 0601, CLIDR_EL1.Ttypen"
    {
        0 NoTags        "No tag cache";
        1 Separate      "Separate tag cache";
        2 UnifiedLines  "Unified, tags and data in the same lines";
        3 UnifiedApart  "Unified, tags and data in separate lines";
    }

    /// Effect of a tag check fault.
    values TagCheckFault: u2
        cite "Arm DDI 0601, SCTLR_EL1.TCF"
    {
        0 Ignored       "No effect";
        1 Synchronous   "Synchronous exception";
        2 Asynchronous  "Accumulated";
        3 Asymmetric    "Synchronous for loads, accumulated for stores";
    }

    /// Which levels may use a unit.
    values TrapControl: u2
        cite "Arm DDI 0601, CPACR_EL1.FPEN"
    {
        0 TrapAll   "EL1 and EL0 trap";
        1 TrapEl0   "EL0 traps";
        2 TrapBoth  "EL1 and EL0 trap";
        3 TrapNone  "Nothing traps";
    }

    /// Size of physical addresses.
    values PaSize: u3
        cite "Arm DDI 0601, TCR_EL1.IPS"
    {
        0 Bits32  "4 GiB";
        1 Bits36  "64 GiB";
        2 Bits40  "1 TiB";
        3 Bits42  "4 TiB";
        4 Bits44  "16 TiB";
        5 Bits48  "256 TiB";
        6 Bits52  "4 PiB";
        7 Bits56  "64 PiB";
    }

    /// Translation granule in the numbers of TG0.
    values Granule: u2
        cite "Arm DDI 0601, TCR_EL1.TG0"
    {
        0 Kib4   "4 KiB";
        1 Kib64  "64 KiB";
        2 Kib16  "16 KiB";
    }

    /// Shareability domain.
    values Shareability: u2
        cite "Arm DDI 0601, TCR_EL1.SH0"
    {
        0 NonShareable    "One observer";
        2 OuterShareable  "Outer domain";
        3 InnerShareable  "Inner domain";
    }

    /// Cacheability of table walks.
    values WalkCacheability: u2
        cite "Arm DDI 0601, TCR_EL1.IRGN0"
    {
        0 NonCacheable            "Not cached";
        1 WriteBackWriteAllocate  "Write-back, read and write allocate";
        2 WriteThrough            "Write-through, read allocate";
        3 WriteBack               "Write-back, read allocate";
    }

    /// Memory types that are in use; any other byte is allowed by the manual's table too.
    values MairAttr: u8
        cite "Arm DDI 0601, MAIR_EL1"
    {
        0x00 DeviceNGnRnE        "Device, no gathering, no reordering, no early acknowledgement";
        0x04 DeviceNGnRE         "Device, no gathering, no reordering";
        0x08 DeviceNGRE          "Device, no gathering";
        0x0c DeviceGRE           "Device";
        0x44 NormalNonCacheable  "Not cached";
        0xbb NormalWriteThrough  "Write-through, read and write allocate";
        0xf0 NormalTagged        "Write-back, tagged";
        0xff NormalWriteBack     "Write-back, read and write allocate";
    }

    // Identification.

    /// Main ID.
    fields Midr: u64
        cite "Arm DDI 0601, MIDR_EL1"
    {
        [63:32] res0;
        [31:24] IMPLEMENTER { 0x41 Arm, 0x42 Broadcom, 0x43 Cavium, 0x46 Fujitsu, 0x48 HiSilicon, 0x4e Nvidia, 0x51 Qualcomm, 0x61 Apple, 0xc0 Ampere }  "Who made the processor";
        [23:20] VARIANT   "Major revision";
        [19:16] ARCHITECTURE { 15 ById }  "Architecture; 15: see the ID registers";
        [15:4]  PARTNUM   "Part number";
        [3:0]   REVISION  "Minor revision";
    }

    /// Multiprocessor affinity. With a framework GIC the affinity chooses the redistributor.
    fields Mpidr: u64
        cite "Arm DDI 0601, MPIDR_EL1"
    {
        [63:40] res0;
        [39:32] AFF3  "Affinity level 3";
        [31]    res1;
        [30]    U     "Uniprocessor system";
        [29:25] res0;
        [24]    MT    "Lowest level is made of threads";
        [23:16] AFF2  "Affinity level 2";
        [15:8]  AFF1  "Affinity level 1";
        [7:0]   AFF0  "Affinity level 0";
    }

    /// Processor features 0.
    fields IdAa64pfr0: u64
        cite "Arm DDI 0601, ID_AA64PFR0_EL1"
    {
        [63:60] CSV3 { 0 Unknown, 1 Implemented }  "Speculative use of out-of-context data";
        [59:56] CSV2 { 0 Unknown, 1 Csv2, 2 Csv2_2, 3 Csv2_3 }  "Speculative use of branch targets";
        [55:52] RME { 0 None, 1 Rme, 2 Gpc2, 3 Gpc3 }  "Realm management";
        [51:48] DIT { 0 None, 1 Dit }  "Data-independent timing";
        [47:44] AMU { 0 None, 1 Amuv1, 2 Amuv1p1 }  "Activity monitors";
        [43:40] MPAM  "Memory partitioning, major version";
        [39:36] SEL2 { 0 None, 1 Sel2 }  "Secure EL2";
        [35:32] SVE { 0 None, 1 Sve }  "Scalable vectors";
        [31:28] RAS { 0 None, 1 Ras, 2 Rasv1p1, 3 Rasv2 }  "Reliability";
        [27:24] GIC { 0 None, 1 Gicv3, 3 Gicv4p1 }  "System registers of the GIC CPU interface; 1 when the VMM gives the guest a GICv3";
        [23:20] ADVSIMD { 0 Simd, 1 HalfPrecision, 15 None }  "Advanced SIMD";
        [19:16] FP { 0 Fp, 1 HalfPrecision, 15 None }  "Floating point";
        [15:12] EL3 { 0 None, 1 Aarch64, 2 Aarch64And32 }  "EL3";
        [11:8]  EL2 { 0 None, 1 Aarch64, 2 Aarch64And32 }  "EL2; 1 when the VMM nests";
        [7:4]   EL1 { 1 Aarch64, 2 Aarch64And32 }  "EL1";
        [3:0]   EL0 { 1 Aarch64, 2 Aarch64And32 }  "EL0";
    }

    /// Processor features 1.
    fields IdAa64pfr1: u64
        cite "Arm DDI 0601, ID_AA64PFR1_EL1"
    {
        [63:60] PFAR { 0 None, 1 Pfar }  "Physical fault address registers";
        [59:56] DF2 { 0 None, 1 DoubleFault2 }  "Double fault extension";
        [55:52] MTEX { 0 None, 1 Mte4 }  "Canonical tag checking, tagging without tags in memory";
        [51:48] THE { 0 None, 1 The }  "Translation hardening";
        [47:44] GCS { 0 None, 1 Gcs }  "Guarded control stack";
        [43:40] MTE_FRAC { 0 Async, 15 None }  "Asynchronous tag checking";
        [39:36] NMI { 0 None, 1 Nmi }  "Non-maskable interrupts";
        [35:32] CSV2_FRAC { 0 None, 1 Csv2_1p1, 2 Csv2_1p2 }  "Fraction of CSV2";
        [31:28] RNDR_TRAP { 0 None, 1 Trap }  "Traps of RNDR";
        [27:24] SME { 0 None, 1 Sme, 2 Sme2 }  "Scalable matrices; clear when nesting";
        [23:20] res0;
        [19:16] MPAM_FRAC  "Memory partitioning, minor version";
        [15:12] RAS_FRAC { 0 None, 1 Rasv1p1 }  "Fraction of RAS";
        [11:8]  MTE { 0 None, 1 Mte, 2 Mte2, 3 Mte3 }  "Memory tagging";
        [7:4]   SSBS { 0 None, 1 Ssbs, 2 Ssbs2 }  "Speculative store bypass control";
        [3:0]   BT { 0 None, 1 Bti }  "Branch target identification";
    }

    /// Processor features 2.
    fields IdAa64pfr2: u64
        cite "Arm DDI 0601, ID_AA64PFR2_EL1"
    {
        [63:36] res0;
        [35:32] FPMR { 0 None, 1 Fpmr }  "Floating-point mode register";
        [31:20] res0;
        [19:16] UINJ { 0 None, 1 Uinj }  "Injection of Undefined exceptions";
        [15:12] res0;
        [11:8]  MTEFAR { 0 None, 1 Valid }  "Fault address bits of tag check faults";
        [7:4]   MTESTOREONLY { 0 None, 1 StoreOnly }  "Tag checks of stores only";
        [3:0]   MTEPERM { 0 None, 1 Perm }  "Tag permission in memory attributes";
    }

    /// SVE features.
    fields IdAa64zfr0: u64
        cite "Arm DDI 0601, ID_AA64ZFR0_EL1"
    {
        [63:60] res0;
        [59:56] F64MM { 0 None, 1 F64mm }  "FP64 matrix multiply";
        [55:52] F32MM { 0 None, 1 F32mm }  "FP32 matrix multiply";
        [51:48] F16MM { 0 None, 1 F16mm }  "FP16 to FP32 matrix multiply";
        [47:44] I8MM { 0 None, 1 I8mm }  "Int8 matrix multiply";
        [43:40] SM4 { 0 None, 1 Sm4 }  "SM4";
        [39:36] res0;
        [35:32] SHA3 { 0 None, 1 Sha3 }  "SHA3";
        [31:28] res0;
        [27:24] B16B16 { 0 None, 1 B16b16, 2 Bfscale }  "BFloat16 arithmetic";
        [23:20] BF16 { 0 None, 1 Bf16, 2 Ebf16 }  "BFloat16";
        [19:16] BITPERM { 0 None, 1 BitPerm }  "Bit permutes";
        [15:12] ELTPERM { 0 None, 1 EltPerm }  "Element permutes";
        [11:8]  res0;
        [7:4]   AES { 0 None, 1 Aes, 2 Pmull, 3 Aes2 }  "AES";
        [3:0]   SVEVER { 0 Sve, 1 Sve2, 2 Sve2p1, 3 Sve2p2 }  "Version";
    }

    /// SME features.
    fields IdAa64smfr0: u64
        cite "Arm DDI 0601, ID_AA64SMFR0_EL1"
    {
        [63]    FA64      "All of A64 in streaming mode";
        [62:61] res0;
        [60]    LUTV2     "Lookup table 2";
        [59:56] SMEVER { 0 Sme, 1 Sme2, 2 Sme2p1, 3 Sme2p2 }  "Version";
        [55:52] I16I64 { 0 None, 15 I16i64 }  "Int16 outer products to int64";
        [51:49] res0;
        [48]    F64F64    "FP64 outer products";
        [47:44] I16I32 { 0 None, 5 I16i32 }  "Int16 outer products to int32";
        [43]    B16B16    "BFloat16 outer products";
        [42]    F16F16    "FP16 outer products";
        [41]    F8F16     "FP8 to FP16";
        [40]    F8F32     "FP8 to FP32";
        [39:36] I8I32 { 0 None, 15 I8i32 }  "Int8 outer products to int32";
        [35]    F16F32    "FP16 outer products to FP32";
        [34]    B16F32    "BFloat16 outer products to FP32";
        [33]    BI32I32   "Binary outer products";
        [32]    F32F32    "FP32 outer products";
        [31]    res0;
        [30]    SF8FMA    "FP8 multiply-add in streaming mode";
        [29]    SF8DP4    "FP8 4-way dot product in streaming mode";
        [28]    SF8DP2    "FP8 2-way dot product in streaming mode";
        [27:26] res0;
        [25]    SBITPERM  "Bit permutes in streaming mode";
        [24]    AES       "AES in streaming mode";
        [23]    SFEXPA    "FEXPA in streaming mode";
        [22:17] res0;
        [16]    STMOP     "Structured sparsity outer products";
        [15:1]  res0;
        [0]     SMOP4     "Quarter-tile outer products";
    }

    /// Debug features 0.
    fields IdAa64dfr0: u64
        cite "Arm DDI 0601, ID_AA64DFR0_EL1"
    {
        [63:60] HPMN0 { 0 Unpredictable, 1 Allowed }  "Zero event counters for a guest";
        [59:56] EXTTRCBUFF { 0 None, 1 External }  "Trace buffer external mode";
        [55:52] BRBE { 0 None, 1 Brbe, 2 Brbev1p1 }  "Branch records";
        [51:48] MTPMU { 0 Unknown, 1 Mtpmu, 15 None }  "Multi-threaded PMU";
        [47:44] TRACEBUFFER { 0 None, 1 Trbe, 2 Exceptions }  "Trace buffer";
        [43:40] TRACEFILT { 0 None, 1 Filter }  "Trace filter";
        [39:36] DOUBLELOCK { 0 Implemented, 15 None }  "OS double lock";
        [35:32] PMSVER { 0 None, 1 Spe, 2 Spev1p1, 3 Spev1p2, 4 Spev1p3, 5 Spev1p4, 6 Spev1p5 }  "Statistical profiling";
        [31:28] CTX_CMPS  "Context-aware breakpoints, minus one";
        [27:24] SEBEP { 0 None, 1 Sebep }  "Synchronous event-based profiling";
        [23:20] WRPS      "Watchpoints, minus one";
        [19:16] PMSS { 0 None, 1 Snapshot }  "PMU snapshots";
        [15:12] BRPS      "Breakpoints, minus one";
        [11:8]  PMUVER { 0 None, 1 Pmuv3, 4 V8p1, 5 V8p4, 6 V8p5, 7 V8p7, 8 V8p8, 9 V8p9, 15 ImplementationDefined }  "PMU; 0 unless the VMM emulates one";
        [7:4]   TRACEVER { 0 None, 1 Implemented }  "Trace registers";
        [3:0]   DEBUGVER { 6 V8, 7 V8Vhe, 8 V8p2, 9 V8p4, 10 V8p8, 11 V8p9 }  "Debug architecture";
    }

    /// Debug features 1.
    fields IdAa64dfr1: u64
        cite "Arm DDI 0601, ID_AA64DFR1_EL1"
    {
        [63:56] ABL_CMPS  "Breakpoints with address linking, minus one";
        [55:52] DPFZS { 0 NotFrozen, 1 Frozen }  "Cycle counter freezes with the event counters";
        [51:48] EBEP { 0 None, 1 Ebep }  "Exception-based event profiling";
        [47:44] ITE { 0 None, 1 Ite }  "Instrumentation trace";
        [43:40] ABLE { 0 None, 1 Able }  "Address breakpoint linking";
        [39:36] PMICNTR { 0 None, 1 Pmicntr }  "Instruction counter";
        [35:32] SPMU { 0 None, 1 Spmu, 2 Spmzr }  "System PMU";
        [31:24] CTX_CMPS  "Context-aware breakpoints, minus one";
        [23:16] WRPS      "Watchpoints, minus one";
        [15:8]  BRPS      "Breakpoints, minus one";
        [7:0]   SYSPMUID  "System PMU id";
    }

    /// Instructions 0.
    fields IdAa64isar0: u64
        cite "Arm DDI 0601, ID_AA64ISAR0_EL1"
    {
        [63:60] RNDR { 0 None, 1 Rndr }  "Random numbers";
        [59:56] TLB { 0 None, 1 OuterShareable, 2 Range }  "TLBI of the outer shareable domain and by range";
        [55:52] TS { 0 None, 1 FlagM, 2 FlagM2 }  "Flag manipulation";
        [51:48] FHM { 0 None, 1 Fhm }  "FP16 multiply-add to FP32";
        [47:44] DP { 0 None, 1 DotProd }  "Dot product";
        [43:40] SM4 { 0 None, 1 Sm4 }  "SM4";
        [39:36] SM3 { 0 None, 1 Sm3 }  "SM3";
        [35:32] SHA3 { 0 None, 1 Sha3 }  "SHA3";
        [31:28] RDM { 0 None, 1 Rdm }  "Rounding doubling multiply-add";
        [27:24] TME { 0 None, 1 Tme }  "Transactions";
        [23:20] ATOMIC { 0 None, 2 Lse, 3 Lse128 }  "Atomic instructions";
        [19:16] CRC32 { 0 None, 1 Crc32 }  "CRC32";
        [15:12] SHA2 { 0 None, 1 Sha256, 2 Sha512 }  "SHA2";
        [11:8]  SHA1 { 0 None, 1 Sha1 }  "SHA1";
        [7:4]   AES { 0 None, 1 Aes, 2 Pmull }  "AES";
        [3:0]   res0;
    }

    /// Instructions 1.
    fields IdAa64isar1: u64
        cite "Arm DDI 0601, ID_AA64ISAR1_EL1"
    {
        [63:60] LS64 { 0 None, 1 Ls64, 2 V, 3 AccData, 4 WriteBack }  "64-byte loads and stores";
        [59:56] XS { 0 None, 1 Xs }  "nXS barriers";
        [55:52] I8MM { 0 None, 1 I8mm }  "Int8 matrix multiply";
        [51:48] DGH { 0 None, 1 Dgh }  "Data gathering hint";
        [47:44] BF16 { 0 None, 1 Bf16, 2 Ebf16 }  "BFloat16";
        [43:40] SPECRES { 0 None, 1 Specres, 2 Specres2 }  "Prediction invalidation";
        [39:36] SB { 0 None, 1 Sb }  "Speculation barrier";
        [35:32] FRINTTS { 0 None, 1 FrintTs }  "Rounding to 32 and 64-bit integers";
        [31:28] GPI { 0 None, 1 Implemented }  "Generic authentication, own algorithm";
        [27:24] GPA { 0 None, 1 Qarma5 }  "Generic authentication, QARMA5";
        [23:20] LRCPC { 0 None, 1 Rcpc, 2 Rcpc2, 3 Rcpc3 }  "Release consistency";
        [19:16] FCMA { 0 None, 1 Fcma }  "Complex numbers";
        [15:12] JSCVT { 0 None, 1 Jscvt }  "JavaScript conversion";
        [11:8]  API { 0 None, 1 Pauth, 2 Epac, 3 Pauth2, 4 Fpac, 5 FpacCombine, 6 PauthLr }  "Address authentication, own algorithm";
        [7:4]   APA { 0 None, 1 Pauth, 2 Epac, 3 Pauth2, 4 Fpac, 5 FpacCombine, 6 PauthLr }  "Address authentication, QARMA5";
        [3:0]   DPB { 0 None, 1 Dpb, 2 Dpb2 }  "Clean to persistence";
    }

    /// Instructions 2.
    fields IdAa64isar2: u64
        cite "Arm DDI 0601, ID_AA64ISAR2_EL1"
    {
        [63:60] ATS1A { 0 None, 1 Ats1a }  "Address translation without permission checks";
        [59:56] LUT { 0 None, 1 Lut }  "Lookup table instructions";
        [55:52] CSSC { 0 None, 1 Cssc, 2 Cmpbr }  "Common short sequences";
        [51:48] RPRFM { 0 Nop, 1 Rprfm }  "Range prefetch";
        [47:44] res0;
        [43:40] PRFMSLC { 0 None, 1 Slc }  "Prefetch to the system level cache";
        [39:36] SYSINSTR_128 { 0 None, 1 Sysinstr128 }  "128-bit system instructions";
        [35:32] SYSREG_128 { 0 None, 1 Sysreg128 }  "128-bit system registers";
        [31:28] CLRBHB { 0 None, 1 Clrbhb }  "Branch history clearing";
        [27:24] PAC_FRAC { 0 None, 1 ConstPacField }  "PAC field is constant";
        [23:20] BC { 0 None, 1 Bc }  "Hinted conditional branches";
        [19:16] MOPS { 0 None, 1 Mops }  "Memory copy and set";
        [15:12] APA3 { 0 None, 1 Pauth, 2 Epac, 3 Pauth2, 4 Fpac, 5 FpacCombine, 6 PauthLr }  "Address authentication, QARMA3";
        [11:8]  GPA3 { 0 None, 1 Qarma3 }  "Generic authentication, QARMA3";
        [7:4]   RPRES { 0 Bits8, 1 Bits12 }  "Precision of reciprocal estimates";
        [3:0]   WFXT { 0 None, 2 Wfxt }  "WFE and WFI with timeout";
    }

    /// Memory model 0.
    fields IdAa64mmfr0: u64
        cite "Arm DDI 0601, ID_AA64MMFR0_EL1"
    {
        [63:60] ECV { 0 None, 1 Ecv, 2 EcvPoff }  "Enhanced counter virtualization";
        [59:56] FGT { 0 None, 1 Fgt, 2 Fgt2 }  "Fine-grained traps";
        [55:48] res0;
        [47:44] EXS { 0 None, 1 Exs }  "Exceptions need not synchronize context";
        [43:40] TGRAN4_2 { 0 AsStage1, 1 None, 2 Implemented, 3 Bits52 }  "4 KiB granule at stage 2";
        [39:36] TGRAN64_2 { 0 AsStage1, 1 None, 2 Implemented }  "64 KiB granule at stage 2";
        [35:32] TGRAN16_2 { 0 AsStage1, 1 None, 2 Implemented, 3 Bits52 }  "16 KiB granule at stage 2";
        [31:28] TGRAN4 { 0 Implemented, 1 Bits52, 15 None }  "4 KiB granule at stage 1";
        [27:24] TGRAN64 { 0 Implemented, 15 None }  "64 KiB granule at stage 1";
        [23:20] TGRAN16 { 0 None, 1 Implemented, 2 Bits52 }  "16 KiB granule at stage 1";
        [19:16] BIGENDEL0 { 0 Fixed, 1 Mixed }  "Mixed endianness at EL0 only";
        [15:12] SNSMEM { 0 None, 1 Distinct }  "Secure and non-secure memory are distinct";
        [11:8]  BIGEND { 0 Fixed, 1 Mixed }  "Mixed endianness";
        [7:4]   ASIDBITS { 0 Bits8, 2 Bits16 }  "ASID width";
        [3:0]   PARANGE { 0 Bits32, 1 Bits36, 2 Bits40, 3 Bits42, 4 Bits44, 5 Bits48, 6 Bits52, 7 Bits56 }  "Physical address width; must match the VM's";
    }

    /// Memory model 1.
    fields IdAa64mmfr1: u64
        cite "Arm DDI 0601, ID_AA64MMFR1_EL1"
    {
        [63:60] ECBHB { 0 Unknown, 1 Ecbhb }  "Branch history of other contexts is not used";
        [59:56] CMOW { 0 None, 1 Cmow }  "Cache maintenance needs write permission";
        [55:52] TIDCP1 { 0 None, 1 Tidcp1 }  "Traps of EL0 implementation defined accesses";
        [51:48] NTLBPA { 0 MayCache, 1 NoCache }  "Intermediate caching of translations";
        [47:44] AFP { 0 None, 1 Afp }  "Alternate floating-point behaviour";
        [43:40] HCX { 0 None, 1 Hcx }  "HCRX_EL2";
        [39:36] ETS { 0 None, 2 Ets2, 3 Ets3 }  "Enhanced translation synchronization";
        [35:32] TWED { 0 None, 1 Twed }  "Delayed trapping of WFE";
        [31:28] XNX { 0 None, 1 Xnx }  "Execute-never at stage 2 for EL0 and EL1 apart";
        [27:24] SPECSEI { 0 None, 1 Specsei }  "SError from speculative reads";
        [23:20] PAN { 0 None, 1 Pan, 2 Pan2, 3 Pan3 }  "Privileged access never";
        [19:16] LO { 0 None, 1 LoRegions }  "Limited ordering regions";
        [15:12] HPDS { 0 None, 1 Hpds, 2 Hpds2 }  "Hierarchical permission disables";
        [11:8]  VH { 0 None, 1 Vhe }  "Virtualization host extensions";
        [7:4]   VMIDBITS { 0 Bits8, 2 Bits16 }  "VMID width";
        [3:0]   HAFDBS { 0 None, 1 Access, 2 AccessAndDirty, 3 TableAccess, 4 Hdbss }  "Hardware update of access flag and dirty state";
    }

    /// Memory model 2.
    fields IdAa64mmfr2: u64
        cite "Arm DDI 0601, ID_AA64MMFR2_EL1"
    {
        [63:60] E0PD { 0 None, 1 E0pd }  "EL0 kept out of half of the address space";
        [59:56] EVT { 0 None, 1 Evt, 2 Evt2 }  "Enhanced virtualization traps";
        [55:52] BBM { 0 Level0, 1 Level1, 2 Level2 }  "Break-before-make requirement";
        [51:48] TTL { 0 None, 1 Ttl }  "Level hint of TLBI";
        [47:44] res0;
        [43:40] FWB { 0 None, 1 Fwb }  "Stage 2 forced write-back";
        [39:36] IDS { 0 Undefined, 1 Trap, 2 TrapAll }  "Syndrome of ID register reads at EL0";
        [35:32] AT { 0 None, 1 Lse2 }  "Unaligned single-copy atomicity";
        [31:28] ST { 0 None, 1 SmallTables }  "Small translation tables";
        [27:24] NV { 0 None, 1 Nv, 2 Nv2 }  "Nested virtualization";
        [23:20] CCIDX { 0 Bits32, 1 Bits64 }  "Format of CCSIDR_EL1";
        [19:16] VARANGE { 0 Bits48, 1 Bits52, 2 Bits56 }  "Virtual address width";
        [15:12] IESB { 0 None, 1 Iesb }  "Implicit error synchronization";
        [11:8]  LSM { 0 None, 1 Lsmaoc }  "Ordering of load and store multiple";
        [7:4]   UAO { 0 None, 1 Uao }  "User access override";
        [3:0]   CNP { 0 None, 1 Cnp }  "Common not private translations";
    }

    /// Memory model 3.
    fields IdAa64mmfr3: u64
        cite "Arm DDI 0601, ID_AA64MMFR3_EL1"
    {
        [63:60] SPEC_FPACC { 0 Unknown, 1 NoSpeculation }  "Speculation after failed authentication";
        [59:56] ADERR  "Asynchronous device errors";
        [55:52] SDERR  "Synchronous device errors";
        [51:48] res0;
        [47:44] ANERR  "Asynchronous normal memory errors";
        [43:40] SNERR  "Synchronous normal memory errors";
        [39:36] D128_2 { 0 None, 1 D128 }  "128-bit descriptors at stage 2";
        [35:32] D128 { 0 None, 1 D128 }  "128-bit descriptors at stage 1";
        [31:28] MEC { 0 None, 1 Mec }  "Memory encryption contexts";
        [27:24] AIE { 0 None, 1 Aie }  "Attribute index extension";
        [23:20] S2POE { 0 None, 1 S2poe }  "Permission overlays at stage 2";
        [19:16] S1POE { 0 None, 1 S1poe }  "Permission overlays at stage 1";
        [15:12] S2PIE { 0 None, 1 S2pie }  "Permission indirection at stage 2";
        [11:8]  S1PIE { 0 None, 1 S1pie }  "Permission indirection at stage 1";
        [7:4]   SCTLRX { 0 None, 1 Sctlr2 }  "SCTLR2";
        [3:0]   TCRX { 0 None, 1 Tcr2 }  "TCR2";
    }

    /// Memory model 4.
    fields IdAa64mmfr4: u64
        cite "Arm DDI 0601, ID_AA64MMFR4_EL1"
    {
        [63:48] res0;
        [47:44] SRMASK { 0 None, 1 Srmask }  "Write masks of control registers";
        [43:40] res0;
        [39:36] E3DSE { 0 None, 1 E3dse }  "Delegated SError from EL3";
        [35:32] res0;
        [31:28] RMEGDI { 0 None, 1 RmeGdi }  "Granular data isolation";
        [27:24] E2H0 { 0 Implemented, 14 NoNv1, 15 None }  "HCR_EL2.E2H can be 0";
        [23:20] NV_FRAC { 0 AsNv, 1 Nv2Only }  "Fraction of NV";
        [19:16] FGWTE3 { 0 None, 1 Fgwte3 }  "Fine-grained write traps to EL3";
        [15:12] HACDBS { 0 None, 1 Hacdbs }  "Accelerator for cleaning dirty state";
        [11:8]  ASID2 { 0 None, 1 Asid2 }  "Two ASIDs at a time";
        [7:4]   EIESB { 0 Unknown, 1 El3, 2 All, 15 None }  "Early implicit error synchronization";
        [3:0]   POPS { 0 None, 1 Pops }  "Clean to the point of physical storage";
    }

    /// Cache type.
    fields Ctr: u64
        cite "Arm DDI 0601, CTR_EL0"
    {
        [63:38] res0;
        [37:32] TMINLINE  "Words in the smallest tag line, log2";
        [31]    res1;
        [30]    res0;
        [29]    DIC       "Instruction cache needs no invalidation for coherence";
        [28]    IDC       "Data cache needs no cleaning for coherence";
        [27:24] CWG       "Words of the largest write-back, log2";
        [23:20] ERG       "Words of the largest exclusives reservation, log2";
        [19:16] DMINLINE  "Words in the smallest data cache line, log2";
        [15:14] L1IP { 0 Vpipt, 2 Vipt, 3 Pipt }  "Level 1 instruction cache policy";
        [13:4]  res0;
        [3:0]   IMINLINE  "Words in the smallest instruction cache line, log2";
    }

    /// What DC ZVA zeroes.
    fields Dczid: u64
        cite "Arm DDI 0601, DCZID_EL0"
    {
        [63:6] res0;
        [5]    TBS   "DC GVA and GZVA block size differs";
        [4]    DZP   "DC ZVA is prohibited";
        [3:0]  BS    "Words of the block, log2";
    }

    /// Cache levels.
    fields Clidr: u64
        cite "Arm DDI 0601, CLIDR_EL1"
    {
        [63:47] res0;
        [46:45] TTYPE7 as CacheTags  "Tags at level 7";
        [44:43] TTYPE6 as CacheTags  "Tags at level 6";
        [42:41] TTYPE5 as CacheTags  "Tags at level 5";
        [40:39] TTYPE4 as CacheTags  "Tags at level 4";
        [38:37] TTYPE3 as CacheTags  "Tags at level 3";
        [36:35] TTYPE2 as CacheTags  "Tags at level 2";
        [34:33] TTYPE1 as CacheTags  "Tags at level 1";
        [32:30] ICB                  "Inner cache boundary";
        [29:27] LOUU                 "Level of unification, uniprocessor";
        [26:24] LOC                  "Level of coherence";
        [23:21] LOUIS                "Level of unification, inner shareable";
        [20:18] CTYPE7 as CacheKind  "Cache at level 7";
        [17:15] CTYPE6 as CacheKind  "Cache at level 6";
        [14:12] CTYPE5 as CacheKind  "Cache at level 5";
        [11:9]  CTYPE4 as CacheKind  "Cache at level 4";
        [8:6]   CTYPE3 as CacheKind  "Cache at level 3";
        [5:3]   CTYPE2 as CacheKind  "Cache at level 2";
        [2:0]   CTYPE1 as CacheKind  "Cache at level 1";
    }

    /// Which cache CCSIDR_EL1 describes.
    fields Csselr: u64
        cite "Arm DDI 0601, CSSELR_EL1"
    {
        [63:5] res0;
        [4]    TND    "Tags, not data";
        [3:1]  LEVEL  "Cache level, minus one";
        [0]    IND    "Instruction cache";
    }

    /// Cache geometry, when ID_AA64MMFR2_EL1.CCIDX is 0.
    fields Ccsidr: u64
        cite "Arm DDI 0601, CCSIDR_EL1"
    {
        [63:32] res0;
        [31:28] res;
        [27:13] NUMSETS        "Sets, minus one";
        [12:3]  ASSOCIATIVITY  "Ways, minus one";
        [2:0]   LINESIZE       "Words of a line, log2, minus two";
    }

    /// Cache geometry, when ID_AA64MMFR2_EL1.CCIDX is 1.
    fields CcsidrWide: u64
        cite "Arm DDI 0601, CCSIDR_EL1"
    {
        [63:56] res0;
        [55:32] NUMSETS        "Sets, minus one";
        [31:24] res0;
        [23:3]  ASSOCIATIVITY  "Ways, minus one";
        [2:0]   LINESIZE       "Words of a line, log2, minus two";
    }

    // Control.

    /// System control. Bits named for EL0 count at EL2 only while HCR_EL2.{E2H,TGE} is {1,1}.
    fields Sctlr: u64
        cite "Arm DDI 0601, SCTLR_EL1 and SCTLR_EL2"
    {
        [63]    TIDCP                  "EL0 implementation defined accesses trap";
        [62]    SPINTMASK              "Interrupts are masked with SP selection";
        [61]    NMI                    "Non-maskable interrupts";
        [60]    ENTP2                  "EL0 may use TPIDR2_EL0";
        [59]    TCSO                   "Tag checks of stores only";
        [58]    TCSO0                  "Tag checks of stores only, at EL0";
        [57]    EPAN                   "Enhanced privileged access never";
        [56]    ENALS                  "EL0 may use LD64B and ST64B";
        [55]    ENAS0                  "EL0 may use ST64BV0";
        [54]    ENASR                  "EL0 may use ST64BV";
        [53]    TME                    "Transactions at EL1";
        [52]    TME0                   "Transactions at EL0";
        [51]    TMT                    "Transactions fail at EL1";
        [50]    TMT0                   "Transactions fail at EL0";
        [49:46] TWEDEL                 "Delay of trapped WFE: 2^(n+8) cycles";
        [45]    TWEDEN                 "Trapped WFE is delayed";
        [44]    DSSBS                  "PSTATE.SSBS on exception entry";
        [43]    ATA                    "Allocation tags accessible";
        [42]    ATA0                   "Allocation tags accessible at EL0";
        [41:40] TCF as TagCheckFault   "Effect of tag check faults";
        [39:38] TCF0 as TagCheckFault  "Effect of tag check faults at EL0";
        [37]    ITFSB                  "Tag check faults synchronize on entry";
        [36]    BT1                    "PACIxSP is no landing pad for BR at EL1";
        [35]    BT0                    "PACIxSP is no landing pad for BR at EL0";
        [34]    ENFPM                  "EL0 may use FPMR";
        [33]    MSCEN                  "EL0 may use memory copy and set";
        [32]    CMOW                   "Cache maintenance at EL0 needs write permission";
        [31]    ENIA                   "Pointer authentication with key IA";
        [30]    ENIB                   "Pointer authentication with key IB";
        [29]    LSMAOE                 "Load and store multiple ordering";
        [28]    NTLSMD                 "Load and store multiple to device memory do not trap";
        [27]    ENDA                   "Pointer authentication with key DA";
        [26]    UCI                    "EL0 may use cache maintenance";
        [25]    EE                     "Big-endian data at this level and in table walks";
        [24]    E0E                    "Big-endian data at EL0";
        [23]    SPAN                   "PSTATE.PAN is left alone on exception entry";
        [22]    EIS                    "Exception entry synchronizes context";
        [21]    IESB                   "Implicit error synchronization";
        [20]    TSCXT                  "EL0 accesses to SCXTNUM_EL0 trap";
        [19]    WXN                    "Writable memory is not executable";
        [18]    NTWE                   "EL0 WFE does not trap";
        [17]    res0;
        [16]    NTWI                   "EL0 WFI does not trap";
        [15]    UCT                    "EL0 may read CTR_EL0";
        [14]    DZE                    "EL0 may use DC ZVA";
        [13]    ENDB                   "Pointer authentication with key DB";
        [12]    I                      "Instruction caches";
        [11]    EOS                    "Exception return synchronizes context";
        [10]    ENRCTX                 "EL0 may use prediction restriction";
        [9]     UMA                    "EL0 may mask interrupts";
        [8]     SED                    "SETEND is disabled in AArch32";
        [7]     ITD                    "IT is restricted in AArch32";
        [6]     NAA                    "Unaligned atomics do not fault within 16 bytes";
        [5]     CP15BEN                "AArch32 barriers by CP15";
        [4]     SA0                    "SP alignment checks at EL0";
        [3]     SA                     "SP alignment checks";
        [2]     C                      "Data caches";
        [1]     A                      "Alignment checks";
        [0]     M                      "MMU";
    }

    /// Auxiliary control on Apple silicon; the framework lets only ENTSO change.
    fields Actlr: u64
        cite "hv_vcpu_types.h, HV_SYS_REG_ACTLR_EL1"
    {
        [63:2] res;
        [1]    ENTSO  "Total store ordering, as x86 has it";
        [0]    res;
    }

    /// Access to floating point, SVE, SME and trace.
    fields Cpacr: u64
        cite "Arm DDI 0601, CPACR_EL1"
    {
        [63:32] res0;
        [31]    TCPAC                "Accesses to CPACR_EL1 trap";
        [30]    TAM                  "Activity monitor accesses trap";
        [29]    E0POE                "Permission overlay at EL0";
        [28]    TTA                  "Trace register accesses trap";
        [27:26] res0;
        [25:24] SMEN as TrapControl  "SME";
        [23:22] res0;
        [21:20] FPEN as TrapControl  "Floating point and SIMD";
        [19:18] res0;
        [17:16] ZEN as TrapControl   "SVE";
        [15:0]  res0;
    }

    /// Streaming vector length and modes.
    fields Smcr: u64
        cite "Arm DDI 0601, SMCR_EL1"
    {
        [63:32] res0;
        [31]    FA64     "All of A64 in streaming mode";
        [30]    EZT0     "ZT0 accessible";
        [29:9]  res0;
        [8:4]   ignored;
        [3:0]   LEN      "Vector length in 128-bit units, minus one";
    }

    /// Streaming execution priority.
    fields Smpri: u64
        cite "Arm DDI 0601, SMPRI_EL1"
    {
        [63:4] res0;
        [3:0]  PRIORITY  "Priority";
    }

    // Translation.

    /// Translation table base.
    fields Ttbr: u64
        cite "Arm DDI 0601, TTBR0_EL1"
    {
        [63:48] ASID   "Address space id";
        [47:1]  BADDR  "Table address bits [47:1]";
        [0]     CNP    "Common not private";
    }

    /// Stage 2 translation table base.
    fields Vttbr: u64
        cite "Arm DDI 0601, VTTBR_EL2"
    {
        [63:48] VMID   "Virtual machine id";
        [47:1]  BADDR  "Table address bits [47:1]";
        [0]     CNP    "Common not private";
    }

    /// Translation control of EL1, and of EL2 while HCR_EL2.E2H is 1.
    fields Tcr: u64
        cite "Arm DDI 0601, TCR_EL1"
    {
        [63:62] res0;
        [61]    MTX1                       "Tag checks use the extended logical tag, TTBR1";
        [60]    MTX0                       "Tag checks use the extended logical tag, TTBR0";
        [59]    DS                         "52-bit addresses with 4 and 16 KiB granules";
        [58]    TCMA1                      "Unchecked accesses, TTBR1";
        [57]    TCMA0                      "Unchecked accesses, TTBR0";
        [56]    E0PD1                      "EL0 accesses through TTBR1 fault";
        [55]    E0PD0                      "EL0 accesses through TTBR0 fault";
        [54]    NFD1                       "No walk for non-fault accesses, TTBR1";
        [53]    NFD0                       "No walk for non-fault accesses, TTBR0";
        [52]    TBID1                      "Top byte ignored for data only, TTBR1";
        [51]    TBID0                      "Top byte ignored for data only, TTBR0";
        [50]    HWU162                     "Hardware may use descriptor bit 62, TTBR1";
        [49]    HWU161                     "Hardware may use descriptor bit 61, TTBR1";
        [48]    HWU160                     "Hardware may use descriptor bit 60, TTBR1";
        [47]    HWU159                     "Hardware may use descriptor bit 59, TTBR1";
        [46]    HWU062                     "Hardware may use descriptor bit 62, TTBR0";
        [45]    HWU061                     "Hardware may use descriptor bit 61, TTBR0";
        [44]    HWU060                     "Hardware may use descriptor bit 60, TTBR0";
        [43]    HWU059                     "Hardware may use descriptor bit 59, TTBR0";
        [42]    HPD1                       "Hierarchical permissions disabled, TTBR1";
        [41]    HPD0                       "Hierarchical permissions disabled, TTBR0";
        [40]    HD                         "Hardware management of dirty state";
        [39]    HA                         "Hardware update of the access flag";
        [38]    TBI1                       "Top byte ignored, TTBR1";
        [37]    TBI0                       "Top byte ignored, TTBR0";
        [36]    AS                         "ASID has 16 bits";
        [35]    res0;
        [34:32] IPS as PaSize              "Intermediate physical address size";
        [31:30] TG1 { 1 Kib16, 2 Kib4, 3 Kib64 }  "Granule, TTBR1; other numbers than TG0";
        [29:28] SH1 as Shareability        "Shareability of walks, TTBR1";
        [27:26] ORGN1 as WalkCacheability  "Outer cacheability of walks, TTBR1";
        [25:24] IRGN1 as WalkCacheability  "Inner cacheability of walks, TTBR1";
        [23]    EPD1                       "No walks, TTBR1";
        [22]    A1                         "ASID comes from TTBR1";
        [21:16] T1SZ                       "Region is 2^(64 - T1SZ) bytes, TTBR1";
        [15:14] TG0 as Granule             "Granule, TTBR0";
        [13:12] SH0 as Shareability        "Shareability of walks, TTBR0";
        [11:10] ORGN0 as WalkCacheability  "Outer cacheability of walks, TTBR0";
        [9:8]   IRGN0 as WalkCacheability  "Inner cacheability of walks, TTBR0";
        [7]     EPD0                       "No walks, TTBR0";
        [6]     res0;
        [5:0]   T0SZ                       "Region is 2^(64 - T0SZ) bytes, TTBR0";
    }

    /// Translation control of EL2 while HCR_EL2.E2H is 0; otherwise the layout is `Tcr`.
    fields TcrEl2: u64
        cite "Arm DDI 0601, TCR_EL2"
    {
        [63:34] res0;
        [33]    MTX                        "Tag checks use the extended logical tag";
        [32]    DS                         "52-bit addresses with 4 and 16 KiB granules";
        [31]    res1;
        [30]    TCMA                       "Unchecked accesses";
        [29]    TBID                       "Top byte ignored for data only";
        [28]    HWU62                      "Hardware may use descriptor bit 62";
        [27]    HWU61                      "Hardware may use descriptor bit 61";
        [26]    HWU60                      "Hardware may use descriptor bit 60";
        [25]    HWU59                      "Hardware may use descriptor bit 59";
        [24]    HPD                        "Hierarchical permissions disabled";
        [23]    res1;
        [22]    HD                         "Hardware management of dirty state";
        [21]    HA                         "Hardware update of the access flag";
        [20]    TBI                        "Top byte ignored";
        [19]    res0;
        [18:16] PS as PaSize               "Physical address size";
        [15:14] TG0 as Granule             "Granule";
        [13:12] SH0 as Shareability        "Shareability of walks";
        [11:10] ORGN0 as WalkCacheability  "Outer cacheability of walks";
        [9:8]   IRGN0 as WalkCacheability  "Inner cacheability of walks";
        [7:6]   res0;
        [5:0]   T0SZ                       "Region is 2^(64 - T0SZ) bytes";
    }

    /// Stage 2 translation control.
    fields Vtcr: u64
        cite "Arm DDI 0601, VTCR_EL2"
    {
        [63:34] res;
        [33]    SL2                        "Start level, high bit";
        [32]    DS                         "52-bit addresses with 4 and 16 KiB granules";
        [31]    res1;
        [30]    NSA                        "Non-secure translations reach non-secure memory";
        [29]    NSW                        "Non-secure walks reach non-secure memory";
        [28]    HWU62                      "Hardware may use descriptor bit 62";
        [27]    HWU61                      "Hardware may use descriptor bit 61";
        [26]    HWU60                      "Hardware may use descriptor bit 60";
        [25]    HWU59                      "Hardware may use descriptor bit 59";
        [24:23] res0;
        [22]    HD                         "Hardware management of dirty state";
        [21]    HA                         "Hardware update of the access flag";
        [20]    res0;
        [19]    VS                         "VMID has 16 bits";
        [18:16] PS as PaSize               "Physical address size";
        [15:14] TG0 as Granule             "Granule";
        [13:12] SH0 as Shareability        "Shareability of walks";
        [11:10] ORGN0 as WalkCacheability  "Outer cacheability of walks";
        [9:8]   IRGN0 as WalkCacheability  "Inner cacheability of walks";
        [7:6]   SL0                        "Start level; its meaning depends on the granule";
        [5:0]   T0SZ                       "Region is 2^(64 - T0SZ) bytes";
    }

    /// Memory attributes that descriptors index.
    fields Mair: u64
        cite "Arm DDI 0601, MAIR_EL1"
    {
        [63:56] ATTR7 as MairAttr  "Attribute 7";
        [55:48] ATTR6 as MairAttr  "Attribute 6";
        [47:40] ATTR5 as MairAttr  "Attribute 5";
        [39:32] ATTR4 as MairAttr  "Attribute 4";
        [31:24] ATTR3 as MairAttr  "Attribute 3";
        [23:16] ATTR2 as MairAttr  "Attribute 2";
        [15:8]  ATTR1 as MairAttr  "Attribute 1";
        [7:0]   ATTR0 as MairAttr  "Attribute 0";
    }

    /// Result of an address translation that succeeded (F = 0).
    fields Par: u64
        cite "Arm DDI 0601, PAR_EL1"
    {
        [63:56] ATTR as MairAttr    "Memory attributes";
        [55:52] res0;
        [51:12] PA                  "Physical address bits [51:12]";
        [11]    NSE                 "Security space, with NS";
        [10]    res                 "Implementation defined";
        [9]     NS                  "Non-secure";
        [8:7]   SH as Shareability  "Shareability";
        [6:1]   res0;
        [0]     F                   "The translation failed: see `ParFault`";
    }

    /// Result of an address translation that failed (F = 1).
    fields ParFault: u64
        cite "Arm DDI 0601, PAR_EL1"
    {
        [63:48] res                 "Implementation defined";
        [47:12] res0;
        [11]    res1;
        [10]    res0;
        [9]     S                   "Stage 2 fault";
        [8]     PTW                 "Stage 2 fault of a stage 1 walk";
        [7]     res0;
        [6:1]   FST as FaultStatus  "Fault status";
        [0]     F                   "The translation failed";
    }

    // Exceptions.

    /// Vector base address.
    fields Vbar: u64
        cite "Arm DDI 0601, VBAR_EL1"
    {
        [63:11] VBA   "Address bits [63:11]";
        [10:0]  res0;
    }

    /// Faulting intermediate physical address.
    fields Hpfar: u64
        cite "Arm DDI 0601, HPFAR_EL2"
    {
        [63]    NS    "Non-secure";
        [62:48] res0;
        [47:4]  FIPA  "Address bits [55:12]";
        [3:0]   res0;
    }

    /// Hypervisor configuration.
    fields Hcr: u64
        cite "Arm DDI 0601, HCR_EL2"
    {
        [63:60] TWEDEL    "Delay of trapped WFE: 2^(n+8) cycles";
        [59]    TWEDEN    "Trapped WFE is delayed";
        [58]    TID5      "GMID_EL1 reads trap";
        [57]    DCT       "Default cacheability is tagged";
        [56]    ATA       "Allocation tags accessible";
        [55]    TTLBOS    "Outer shareable TLBI traps";
        [54]    TTLBIS    "Inner shareable TLBI traps";
        [53]    ENSCXT    "SCXTNUM accessible";
        [52]    TOCU      "Cache maintenance to the point of unification traps";
        [51]    AMVOFFEN  "Activity monitor offsets";
        [50]    TICAB     "IC IALLUIS traps";
        [49]    TID4      "Cache id accesses trap";
        [48]    GPF       "Granule protection faults are taken to EL2";
        [47]    FIEN      "Fault injection registers accessible";
        [46]    FWB       "Forced write-back";
        [45]    NV2       "Nested virtualization through memory";
        [44]    AT        "Address translation instructions trap";
        [43]    NV1       "Nested virtualization, EL1 registers";
        [42]    NV        "Nested virtualization";
        [41]    API       "Pointer authentication instructions do not trap";
        [40]    APK       "Pointer authentication keys do not trap";
        [39]    TME       "Transactions";
        [38]    MIOCNCE   "Mismatched cacheability is allowed";
        [37]    TEA       "Synchronous external aborts are taken to EL2";
        [36]    TERR      "Error record accesses trap";
        [35]    TLOR      "LORegion accesses trap";
        [34]    E2H       "EL2 runs a host operating system";
        [33]    ID        "Stage 2 instruction caching disabled";
        [32]    CD        "Stage 2 data caching disabled";
        [31]    RW        "EL1 is AArch64";
        [30]    TRVM      "Reads of memory control registers trap";
        [29]    HCD       "HVC is disabled";
        [28]    TDZ       "DC ZVA traps";
        [27]    TGE       "EL0 exceptions are taken to EL2";
        [26]    TVM       "Writes of memory control registers trap";
        [25]    TTLB      "TLBI traps";
        [24]    TPU       "Cache maintenance to unification traps";
        [23]    TPCP      "Cache maintenance to coherence traps";
        [22]    TSW       "Cache maintenance by set and way traps";
        [21]    TACR      "ACTLR_EL1 accesses trap";
        [20]    TIDCP     "Implementation defined accesses trap";
        [19]    TSC       "SMC traps";
        [18]    TID3      "Reads of ID group 3 trap";
        [17]    TID2      "Reads of ID group 2 trap";
        [16]    TID1      "Reads of ID group 1 trap";
        [15]    TID0      "Reads of ID group 0 trap";
        [14]    TWE       "WFE traps";
        [13]    TWI       "WFI traps";
        [12]    DC        "Default cacheability";
        [11:10] BSU { 0 None, 1 InnerShareable, 2 OuterShareable, 3 FullSystem }  "Barrier shareability upgrade";
        [9]     FB        "TLB and cache maintenance is broadcast";
        [8]     VSE       "Virtual SError pending";
        [7]     VI        "Virtual IRQ pending";
        [6]     VF        "Virtual FIQ pending";
        [5]     AMO       "Physical SError is taken to EL2";
        [4]     IMO       "Physical IRQ is taken to EL2";
        [3]     FMO       "Physical FIQ is taken to EL2";
        [2]     PTW       "Walks of device memory fault";
        [1]     SWIO      "Set and way invalidation also cleans";
        [0]     VM        "Stage 2 translation";
    }

    /// Traps to EL2 while HCR_EL2.E2H is 0; otherwise the layout is `Cpacr`.
    fields Cptr: u64
        cite "Arm DDI 0601, CPTR_EL2"
    {
        [63:32] res0;
        [31]    TCPAC  "CPACR_EL1 accesses trap";
        [30]    TAM    "Activity monitor accesses trap";
        [29:21] res0;
        [20]    TTA    "Trace register accesses trap";
        [19:14] res0;
        [13]    res1;
        [12]    TSM    "SME traps";
        [11]    res0;
        [10]    TFP    "Floating point and SIMD trap";
        [9]     res1;
        [8]     TZ     "SVE traps";
        [7:0]   res1;
    }

    // Timers.

    /// Control of a timer.
    fields CntCtl: u64
        cite "Arm DDI 0601, CNTV_CTL_EL0"
    {
        [63:3] res0;
        [2]    ISTATUS ro  "Timer condition is met";
        [1]    IMASK       "Interrupt masked";
        [0]    ENABLE      "Timer enabled";
    }

    /// What EL0 may use of the timers.
    fields Cntkctl: u64
        cite "Arm DDI 0601, CNTKCTL_EL1"
    {
        [63:20] res0;
        [19]    CNTPMASK  "Physical timer interrupt masked";
        [18]    CNTVMASK  "Virtual timer interrupt masked";
        [17]    EVNTIS    "Event stream counts in units of 256";
        [16:10] res0;
        [9]     EL0PTEN   "EL0 may use the physical timer";
        [8]     EL0VTEN   "EL0 may use the virtual timer";
        [7:4]   EVNTI     "Counter bit that triggers the event stream";
        [3]     EVNTDIR   "Event on a 1 to 0 change";
        [2]     EVNTEN    "Event stream";
        [1]     EL0VCTEN  "EL0 may read the virtual counter";
        [0]     EL0PCTEN  "EL0 may read the physical counter";
    }

    /// What EL1 and EL0 may use of the timers. Bits 11 to 8 count while HCR_EL2.E2H is 1.
    fields Cnthctl: u64
        cite "Arm DDI 0601, CNTHCTL_EL2"
    {
        [63:20] res0;
        [19]    CNTPMASK      "Physical timer interrupt masked";
        [18]    CNTVMASK      "Virtual timer interrupt masked";
        [17]    EVNTIS        "Event stream counts in units of 256";
        [16]    EL1NVVCT      "EL1 virtual timer accesses by EL02 names trap";
        [15]    EL1NVPCT      "EL1 physical timer accesses by EL02 names trap";
        [14]    EL1TVCT       "EL1 and EL0 virtual counter reads trap";
        [13]    EL1TVT        "EL1 and EL0 virtual timer accesses trap";
        [12]    ECV           "CNTPOFF_EL2 counts";
        [11]    EL1PTEN       "E2H: EL1 may use the physical timer";
        [10]    EL1PCTEN_E2H  "E2H: EL1 may read the physical counter";
        [9]     EL0PTEN       "E2H: EL0 may use the physical timer";
        [8]     EL0VTEN       "E2H: EL0 may use the virtual timer";
        [7:4]   EVNTI         "Counter bit that triggers the event stream";
        [3]     EVNTDIR       "Event on a 1 to 0 change";
        [2]     EVNTEN        "Event stream";
        [1]     EL1PCEN       "EL1 may use the physical timer; E2H: EL0 may read the virtual counter";
        [0]     EL1PCTEN      "EL1 may read the physical counter; E2H: EL0 may read the physical counter";
    }

    // Debug.

    /// Monitor debug.
    fields Mdscr: u64
        cite "Arm DDI 0601, MDSCR_EL1"
    {
        [63:51] res0;
        [50]    ENSTEPOP  "Execution from MDSTEPOP_EL1";
        [49:36] res0;
        [35]    EHBWE     "Extended halting breakpoints and watchpoints";
        [34]    ENSPM     "System PMU accessible";
        [33]    TTA       "Trap of trace accesses";
        [32]    EMBWE     "Extended monitor breakpoints and watchpoints";
        [31]    TFO       "Trace filter override";
        [30]    RXFULL    "Save and restore of EDSCR.RXfull";
        [29]    TXFULL    "Save and restore of EDSCR.TXfull";
        [28]    res0;
        [27]    RXO       "Save and restore of EDSCR.RXO";
        [26]    TXU       "Save and restore of EDSCR.TXU";
        [25:24] res0;
        [23:22] INTDIS    "Save and restore of EDSCR.INTdis";
        [21]    TDA       "Save and restore of EDSCR.TDA";
        [20]    res0;
        [19]    SC2       "Save and restore of EDSCR.SC2";
        [18:16] ignored;
        [15]    MDE       "Breakpoints, watchpoints and vector catch";
        [14]    HDE       "Save and restore of EDSCR.HDE";
        [13]    KDE       "Debug exceptions at this level";
        [12]    TDCC      "EL0 debug communication accesses trap";
        [11:7]  res0;
        [6]     ERR       "Save and restore of EDSCR.ERR";
        [5:1]   res0;
        [0]     SS        "Software step";
    }

    /// Interrupts of the debug communication channel.
    fields Mdccint: u64
        cite "Arm DDI 0601, MDCCINT_EL1"
    {
        [63:31] res0;
        [30]    RX    "Receive interrupt";
        [29]    TX    "Transmit interrupt";
        [28:0]  res0;
    }

    /// Breakpoint control.
    fields Dbgbcr: u64
        cite "Arm DDI 0601, DBGBCRn_EL1"
    {
        [63:32] res0;
        [31:30] LBNX  "Linked breakpoint number, high bits";
        [29]    SSCE  "Security state control, extended";
        [28:24] MASK  "Address bits that are not compared";
        [23:20] BT { 0 Address, 1 AddressLinked, 2 ContextId, 3 ContextIdLinked, 4 Mismatch, 5 MismatchLinked, 6 ContextIdEl1, 7 ContextIdEl1Linked, 8 Vmid, 9 VmidLinked, 10 VmidContextId, 11 VmidContextIdLinked, 12 ContextIdEl2, 13 ContextIdEl2Linked, 14 FullContextId, 15 FullContextIdLinked }  "What is compared";
        [19:16] LBN   "Linked breakpoint number";
        [15:14] SSC   "Security state control";
        [13]    HMC   "Higher modes";
        [12:9]  res0;
        [8:5]   BAS { 0x3 LowHalf, 0xc HighHalf, 0xf Word }  "Bytes of the word that count";
        [4]     res0;
        [3]     BT2   "Breakpoint type, extended";
        [2:1]   PMC { 0 NotEl0NorEl1, 1 El1, 2 El0, 3 El1AndEl0 }  "Exception levels, with HMC and SSC";
        [0]     E     "Enabled";
    }

    /// Watchpoint control.
    fields Dbgwcr: u64
        cite "Arm DDI 0601, DBGWCRn_EL1"
    {
        [63:32] res0;
        [31:30] LBNX  "Linked breakpoint number, high bits";
        [29]    SSCE  "Security state control, extended";
        [28:24] MASK  "Address bits that are not compared";
        [23:21] res0;
        [20]    WT    "Linked to a breakpoint";
        [19:16] LBN   "Linked breakpoint number";
        [15:14] SSC   "Security state control";
        [13]    HMC   "Higher modes";
        [12:5]  BAS   "Bytes of the doubleword that count";
        [4:3]   LSC { 1 Load, 2 Store, 3 LoadAndStore }  "Accesses that match";
        [2:1]   PAC { 0 NotEl0NorEl1, 1 El1, 2 El0, 3 El1AndEl0 }  "Exception levels, with HMC and SSC";
        [0]     E     "Enabled";
    }

    /// Monitor debug configuration of EL2.
    fields Mdcr: u64
        cite "Arm DDI 0601, MDCR_EL2"
    {
        [63:51] res0;
        [50]    ENSTEPOP  "Execution from MDSTEPOP_EL1";
        [49:44] res0;
        [43]    EBWE      "Extended breakpoints and watchpoints";
        [42]    res0;
        [41:40] PMEE      "PMU profiling exception";
        [39:37] res0;
        [36]    HPMFZS    "Hypervisor counters freeze on profiling events";
        [35:32] res0;
        [31:30] PMSSE     "PMU snapshots";
        [29]    HPMFZO    "Hypervisor counters freeze on overflow";
        [28]    MTPME     "Multi-threaded PMU";
        [27]    TDCC      "Debug communication accesses trap";
        [26]    HLP       "Hypervisor counters have 64 bits";
        [25:24] E2TB      "Trace buffer owner";
        [23]    HCCD      "Cycle counter stops at EL2";
        [22:20] res0;
        [19]    TTRF      "Trace filter accesses trap";
        [18]    res0;
        [17]    HPMD      "Event counting stops at EL2";
        [16]    res0;
        [15]    ENSPM     "System PMU accessible";
        [14]    TPMS      "Statistical profiling accesses trap";
        [13:12] E2PB      "Statistical profiling buffer owner";
        [11]    TDRA      "Debug ROM accesses trap";
        [10]    TDOSA     "OS debug accesses trap";
        [9]     TDA       "Debug register accesses trap";
        [8]     TDE       "Debug exceptions are taken to EL2";
        [7]     HPME      "Hypervisor counters enabled";
        [6]     TPM       "PMU accesses trap";
        [5]     TPMCR     "PMCR_EL0 accesses trap";
        [4:0]   HPMN      "Counters that the guest sees";
    }

    // Registers.

    /// System registers that the framework reads and writes. CNTV_TVAL_EL0 has no number: the virtual timer is saved by its compare value.
    /// ID registers can be written for each vCPU before the first run: that changes what the guest reads, not what the processor does.
    sysregs
        cite "hv_vcpu_types.h, hv_sys_reg_t; Arm DDI 0601"
    {
//      op0 op1 CRn CRm op2  name and type                                facts
        2   0   0   0   4    DBGBVR0_EL1: u64                                                                             "Breakpoint 0 value";
        2   0   0   0   5    DBGBCR0_EL1: u64 as Dbgbcr                                                                   "Breakpoint 0 control";
        2   0   0   0   6    DBGWVR0_EL1: u64                                                                             "Watchpoint 0 address";
        2   0   0   0   7    DBGWCR0_EL1: u64 as Dbgwcr                                                                   "Watchpoint 0 control";
        2   0   0   1   4    DBGBVR1_EL1: u64                                                                             "Breakpoint 1 value";
        2   0   0   1   5    DBGBCR1_EL1: u64 as Dbgbcr                                                                   "Breakpoint 1 control";
        2   0   0   1   6    DBGWVR1_EL1: u64                                                                             "Watchpoint 1 address";
        2   0   0   1   7    DBGWCR1_EL1: u64 as Dbgwcr                                                                   "Watchpoint 1 control";
        2   0   0   2   0    MDCCINT_EL1: u64 as Mdccint                                                                  "Debug communication interrupts; guest accesses exit from macOS 26";
        2   0   0   2   2    MDSCR_EL1: u64 as Mdscr                                                                      "Monitor debug";
        2   0   0   2   4    DBGBVR2_EL1: u64                                                                             "Breakpoint 2 value";
        2   0   0   2   5    DBGBCR2_EL1: u64 as Dbgbcr                                                                   "Breakpoint 2 control";
        2   0   0   2   6    DBGWVR2_EL1: u64                                                                             "Watchpoint 2 address";
        2   0   0   2   7    DBGWCR2_EL1: u64 as Dbgwcr                                                                   "Watchpoint 2 control";
        2   0   0   3   4    DBGBVR3_EL1: u64                                                                             "Breakpoint 3 value";
        2   0   0   3   5    DBGBCR3_EL1: u64 as Dbgbcr                                                                   "Breakpoint 3 control";
        2   0   0   3   6    DBGWVR3_EL1: u64                                                                             "Watchpoint 3 address";
        2   0   0   3   7    DBGWCR3_EL1: u64 as Dbgwcr                                                                   "Watchpoint 3 control";
        2   0   0   4   4    DBGBVR4_EL1: u64                                                                             "Breakpoint 4 value";
        2   0   0   4   5    DBGBCR4_EL1: u64 as Dbgbcr                                                                   "Breakpoint 4 control";
        2   0   0   4   6    DBGWVR4_EL1: u64                                                                             "Watchpoint 4 address";
        2   0   0   4   7    DBGWCR4_EL1: u64 as Dbgwcr                                                                   "Watchpoint 4 control";
        2   0   0   5   4    DBGBVR5_EL1: u64                                                                             "Breakpoint 5 value";
        2   0   0   5   5    DBGBCR5_EL1: u64 as Dbgbcr                                                                   "Breakpoint 5 control";
        2   0   0   5   6    DBGWVR5_EL1: u64                                                                             "Watchpoint 5 address";
        2   0   0   5   7    DBGWCR5_EL1: u64 as Dbgwcr                                                                   "Watchpoint 5 control";
        2   0   0   6   4    DBGBVR6_EL1: u64                      optional                                               "Breakpoint 6 value";
        2   0   0   6   5    DBGBCR6_EL1: u64 as Dbgbcr            optional                                               "Breakpoint 6 control";
        2   0   0   6   6    DBGWVR6_EL1: u64                      optional                                               "Watchpoint 6 address";
        2   0   0   6   7    DBGWCR6_EL1: u64 as Dbgwcr            optional                                               "Watchpoint 6 control";
        2   0   0   7   4    DBGBVR7_EL1: u64                      optional                                               "Breakpoint 7 value";
        2   0   0   7   5    DBGBCR7_EL1: u64 as Dbgbcr            optional                                               "Breakpoint 7 control";
        2   0   0   7   6    DBGWVR7_EL1: u64                      optional                                               "Watchpoint 7 address";
        2   0   0   7   7    DBGWCR7_EL1: u64 as Dbgwcr            optional                                               "Watchpoint 7 control";
        2   0   0   8   4    DBGBVR8_EL1: u64                      optional                                               "Breakpoint 8 value";
        2   0   0   8   5    DBGBCR8_EL1: u64 as Dbgbcr            optional                                               "Breakpoint 8 control";
        2   0   0   8   6    DBGWVR8_EL1: u64                      optional                                               "Watchpoint 8 address";
        2   0   0   8   7    DBGWCR8_EL1: u64 as Dbgwcr            optional                                               "Watchpoint 8 control";
        2   0   0   9   4    DBGBVR9_EL1: u64                      optional                                               "Breakpoint 9 value";
        2   0   0   9   5    DBGBCR9_EL1: u64 as Dbgbcr            optional                                               "Breakpoint 9 control";
        2   0   0   9   6    DBGWVR9_EL1: u64                      optional                                               "Watchpoint 9 address";
        2   0   0   9   7    DBGWCR9_EL1: u64 as Dbgwcr            optional                                               "Watchpoint 9 control";
        2   0   0   10  4    DBGBVR10_EL1: u64                     optional                                               "Breakpoint 10 value";
        2   0   0   10  5    DBGBCR10_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 10 control";
        2   0   0   10  6    DBGWVR10_EL1: u64                     optional                                               "Watchpoint 10 address";
        2   0   0   10  7    DBGWCR10_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 10 control";
        2   0   0   11  4    DBGBVR11_EL1: u64                     optional                                               "Breakpoint 11 value";
        2   0   0   11  5    DBGBCR11_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 11 control";
        2   0   0   11  6    DBGWVR11_EL1: u64                     optional                                               "Watchpoint 11 address";
        2   0   0   11  7    DBGWCR11_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 11 control";
        2   0   0   12  4    DBGBVR12_EL1: u64                     optional                                               "Breakpoint 12 value";
        2   0   0   12  5    DBGBCR12_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 12 control";
        2   0   0   12  6    DBGWVR12_EL1: u64                     optional                                               "Watchpoint 12 address";
        2   0   0   12  7    DBGWCR12_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 12 control";
        2   0   0   13  4    DBGBVR13_EL1: u64                     optional                                               "Breakpoint 13 value";
        2   0   0   13  5    DBGBCR13_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 13 control";
        2   0   0   13  6    DBGWVR13_EL1: u64                     optional                                               "Watchpoint 13 address";
        2   0   0   13  7    DBGWCR13_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 13 control";
        2   0   0   14  4    DBGBVR14_EL1: u64                     optional                                               "Breakpoint 14 value";
        2   0   0   14  5    DBGBCR14_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 14 control";
        2   0   0   14  6    DBGWVR14_EL1: u64                     optional                                               "Watchpoint 14 address";
        2   0   0   14  7    DBGWCR14_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 14 control";
        2   0   0   15  4    DBGBVR15_EL1: u64                     optional                                               "Breakpoint 15 value";
        2   0   0   15  5    DBGBCR15_EL1: u64 as Dbgbcr           optional                                               "Breakpoint 15 control";
        2   0   0   15  6    DBGWVR15_EL1: u64                     optional                                               "Watchpoint 15 address";
        2   0   0   15  7    DBGWCR15_EL1: u64 as Dbgwcr           optional                                               "Watchpoint 15 control";
        3   0   0   0   0    MIDR_EL1: u64 as Midr                                                                        "Main ID; writable for each vCPU";
        3   0   0   0   5    MPIDR_EL1: u64 as Mpidr                                                                      "Affinity; set before the first run, unique";
        3   0   0   4   0    ID_AA64PFR0_EL1: u64 as IdAa64pfr0                                                           "Processor features 0";
        3   0   0   4   1    ID_AA64PFR1_EL1: u64 as IdAa64pfr1                                                           "Processor features 1";
        3   0   0   4   2    ID_AA64PFR2_EL1: u64 as IdAa64pfr2    optional since macos 27.0 unsure "number derived from the architecture, not seen in a header"  "Processor features 2";
        3   0   0   4   4    ID_AA64ZFR0_EL1: u64 as IdAa64zfr0    optional since macos 15.2                              "SVE features";
        3   0   0   4   5    ID_AA64SMFR0_EL1: u64 as IdAa64smfr0  optional since macos 15.2                              "SME features";
        3   0   0   5   0    ID_AA64DFR0_EL1: u64 as IdAa64dfr0                                                           "Debug features 0";
        3   0   0   5   1    ID_AA64DFR1_EL1: u64 as IdAa64dfr1                                                           "Debug features 1";
        3   0   0   6   0    ID_AA64ISAR0_EL1: u64 as IdAa64isar0                                                         "Instructions 0";
        3   0   0   6   1    ID_AA64ISAR1_EL1: u64 as IdAa64isar1                                                         "Instructions 1";
        3   0   0   6   2    ID_AA64ISAR2_EL1: u64 as IdAa64isar2  optional since macos 27.0 unsure "number derived from the architecture, not seen in a header"  "Instructions 2";
        3   0   0   7   0    ID_AA64MMFR0_EL1: u64 as IdAa64mmfr0                                                         "Memory model 0; PARANGE must match the VM's address width";
        3   0   0   7   1    ID_AA64MMFR1_EL1: u64 as IdAa64mmfr1                                                         "Memory model 1";
        3   0   0   7   2    ID_AA64MMFR2_EL1: u64 as IdAa64mmfr2                                                         "Memory model 2";
        3   0   0   7   3    ID_AA64MMFR3_EL1: u64 as IdAa64mmfr3  optional since macos 27.0 unsure "number derived from the architecture, not seen in a header"  "Memory model 3";
        3   0   0   7   4    ID_AA64MMFR4_EL1: u64 as IdAa64mmfr4  optional since macos 27.0 unsure "number derived from the architecture, not seen in a header"  "Memory model 4";
        3   0   1   0   0    SCTLR_EL1: u64 as Sctlr                                                                      "System control; 0 on a new vCPU, so set the RES1 bits";
        3   0   1   0   1    ACTLR_EL1: u64 as Actlr               optional since macos 15.0                              "Auxiliary control; only ENTSO changes";
        3   0   1   0   2    CPACR_EL1: u64 as Cpacr                                                                      "Access to FP, SVE, SME";
        3   0   1   2   4    SMPRI_EL1: u64 as Smpri               requires sme since macos 15.2                          "Streaming priority";
        3   0   1   2   6    SMCR_EL1: u64 as Smcr                 requires sme since macos 15.2                          "Streaming vector control";
        3   0   2   0   0    TTBR0_EL1: u64 as Ttbr                                                                       "Translation table base, low addresses";
        3   0   2   0   1    TTBR1_EL1: u64 as Ttbr                                                                       "Translation table base, high addresses";
        3   0   2   0   2    TCR_EL1: u64 as Tcr                                                                          "Translation control";
        3   0   2   1   0    APIAKEYLO_EL1: u64                                                                           "Pointer authentication key IA, low half";
        3   0   2   1   1    APIAKEYHI_EL1: u64                                                                           "Pointer authentication key IA, high half";
        3   0   2   1   2    APIBKEYLO_EL1: u64                                                                           "Pointer authentication key IB, low half";
        3   0   2   1   3    APIBKEYHI_EL1: u64                                                                           "Pointer authentication key IB, high half";
        3   0   2   2   0    APDAKEYLO_EL1: u64                                                                           "Pointer authentication key DA, low half";
        3   0   2   2   1    APDAKEYHI_EL1: u64                                                                           "Pointer authentication key DA, high half";
        3   0   2   2   2    APDBKEYLO_EL1: u64                                                                           "Pointer authentication key DB, low half";
        3   0   2   2   3    APDBKEYHI_EL1: u64                                                                           "Pointer authentication key DB, high half";
        3   0   2   3   0    APGAKEYLO_EL1: u64                                                                           "Pointer authentication key GA, low half";
        3   0   2   3   1    APGAKEYHI_EL1: u64                                                                           "Pointer authentication key GA, high half";
        3   0   4   0   0    SPSR_EL1: u64 as Spsr                                                                        "Saved PSTATE";
        3   0   4   0   1    ELR_EL1: u64                                                                                 "Exception return address";
        3   0   4   1   0    SP_EL0: u64                                                                                  "Stack pointer of EL0";
        3   0   5   1   0    AFSR0_EL1: u64                                                                               "Auxiliary fault status 0";
        3   0   5   1   1    AFSR1_EL1: u64                                                                               "Auxiliary fault status 1";
        3   0   5   2   0    ESR_EL1: u64 as Esr                                                                          "Exception syndrome";
        3   0   6   0   0    FAR_EL1: u64                                                                                 "Fault address";
        3   0   7   4   0    PAR_EL1: u64 as Par                                                                          "Result of address translation; F = 1: see `ParFault`";
        3   0   10  2   0    MAIR_EL1: u64 as Mair                                                                        "Memory attributes";
        3   0   10  3   0    AMAIR_EL1: u64                                                                               "Auxiliary memory attributes";
        3   0   12  0   0    VBAR_EL1: u64 as Vbar                                                                        "Vector base";
        3   0   13  0   1    CONTEXTIDR_EL1: u64                                                                          "Context id";
        3   0   13  0   4    TPIDR_EL1: u64                                                                               "Thread pointer of EL1";
        3   0   13  0   7    SCXTNUM_EL1: u64                      optional since macos 15.2                              "Software context number";
        3   0   14  1   0    CNTKCTL_EL1: u64 as Cntkctl                                                                  "What EL0 may use of the timers";
        3   2   0   0   0    CSSELR_EL1: u64 as Csselr                                                                    "Cache selection";
        3   3   13  0   2    TPIDR_EL0: u64                                                                               "Thread pointer of EL0";
        3   3   13  0   3    TPIDRRO_EL0: u64                                                                             "Thread pointer that EL0 only reads";
        3   3   13  0   5    TPIDR2_EL0: u64                       requires sme since macos 15.2                          "Second thread pointer of EL0";
        3   3   13  0   7    SCXTNUM_EL0: u64                      optional since macos 15.2                              "Software context number of EL0";
        3   3   14  2   0    CNTP_TVAL_EL0: u64                    alias of CNTP_CVAL_EL0 requires gic since macos 15.0   "Physical timer, ticks left; a view of CVAL";
        3   3   14  2   1    CNTP_CTL_EL0: u64 as CntCtl           after CNTP_CVAL_EL0 requires gic since macos 15.0      "Physical timer control";
        3   3   14  2   2    CNTP_CVAL_EL0: u64                    requires gic since macos 15.0                          "Physical timer compare value";
        3   3   14  3   1    CNTV_CTL_EL0: u64 as CntCtl           after CNTV_CVAL_EL0                                    "Virtual timer control";
        3   3   14  3   2    CNTV_CVAL_EL0: u64                                                                           "Virtual timer compare value";
        3   4   0   0   0    VPIDR_EL2: u64 as Midr                requires el2 since macos 15.0                          "MIDR that EL1 sees";
        3   4   0   0   5    VMPIDR_EL2: u64 as Mpidr              requires el2 since macos 15.0                          "MPIDR that EL1 sees";
        3   4   1   0   0    SCTLR_EL2: u64 as Sctlr               requires el2 since macos 15.0                          "System control";
        3   4   1   1   0    HCR_EL2: u64 as Hcr                   requires el2 since macos 15.0                          "Hypervisor configuration";
        3   4   1   1   1    MDCR_EL2: u64 as Mdcr                 requires el2 since macos 15.0                          "Monitor debug configuration; SDKs 15.0 to 15.5 carried the wrong number 0xe019";
        3   4   1   1   2    CPTR_EL2: u64 as Cptr                 requires el2 since macos 15.0                          "Feature traps; E2H = 1: the layout of `Cpacr`";
        3   4   2   0   0    TTBR0_EL2: u64 as Ttbr                requires el2 since macos 15.0                          "Translation table base";
        3   4   2   0   1    TTBR1_EL2: u64 as Ttbr                requires el2 since macos 15.0                          "Translation table base, high addresses, E2H = 1";
        3   4   2   0   2    TCR_EL2: u64 as TcrEl2                requires el2 since macos 15.0                          "Translation control; E2H = 1: the layout of `Tcr`";
        3   4   2   1   0    VTTBR_EL2: u64 as Vttbr               requires el2 since macos 15.0                          "Stage 2 table base";
        3   4   2   1   2    VTCR_EL2: u64 as Vtcr                 requires el2 since macos 15.0                          "Stage 2 translation control";
        3   4   4   0   0    SPSR_EL2: u64 as Spsr                 requires el2 since macos 15.0                          "Saved PSTATE";
        3   4   4   0   1    ELR_EL2: u64                          requires el2 since macos 15.0                          "Exception return address";
        3   4   4   1   0    SP_EL1: u64                                                                                  "Stack pointer of EL1";
        3   4   5   2   0    ESR_EL2: u64 as Esr                   requires el2 since macos 15.0                          "Exception syndrome";
        3   4   6   0   0    FAR_EL2: u64                          requires el2 since macos 15.0                          "Fault address";
        3   4   6   0   4    HPFAR_EL2: u64 as Hpfar               requires el2 since macos 15.0                          "Faulting intermediate physical address";
        3   4   10  2   0    MAIR_EL2: u64 as Mair                 requires el2 since macos 15.0                          "Memory attributes";
        3   4   12  0   0    VBAR_EL2: u64 as Vbar                 requires el2 since macos 15.0                          "Vector base";
        3   4   13  0   2    TPIDR_EL2: u64                        requires el2 since macos 15.0                          "Thread pointer of EL2";
        3   4   14  0   3    CNTVOFF_EL2: u64                      requires el2 since macos 15.0                          "Virtual counter offset";
        3   4   14  1   0    CNTHCTL_EL2: u64 as Cnthctl           requires el2 since macos 15.0                          "What EL1 and EL0 may use of the timers; guest accesses exit from macOS 26";
        3   4   14  2   0    CNTHP_TVAL_EL2: u64                   alias of CNTHP_CVAL_EL2 requires el2 since macos 15.0  "EL2 physical timer, ticks left; a view of CVAL";
        3   4   14  2   1    CNTHP_CTL_EL2: u64 as CntCtl          after CNTHP_CVAL_EL2 requires el2 since macos 15.0     "EL2 physical timer control";
        3   4   14  2   2    CNTHP_CVAL_EL2: u64                   requires el2 since macos 15.0                          "EL2 physical timer compare value";
        3   6   4   1   0    SP_EL2: u64                           requires el2 since macos 15.0                          "Stack pointer of EL2";
    }

    /// Registers that the framework gives no access to and whose guest accesses exit to the VMM (EC 0x18), by the number that the syndrome makes.
    /// Which of them exit depends on the version of macOS, the GIC and EL2; a number without a name is legal.
    values TrappedRegister: u16
        cite "Arm DDI 0601; QEMU and libkrun for what is seen to exit"
    {
        0x8002 OSDTRRX_EL1       "OS lock data transfer, receive";
        0x801a OSDTRTX_EL1       "OS lock data transfer, transmit";
        0x8032 OSECCR_EL1        "OS lock exception catch";
        0x8080 MDRAR_EL1         "Debug ROM address";
        0x8084 OSLAR_EL1         "OS lock access";
        0x808c OSLSR_EL1         "OS lock status";
        0x809c OSDLR_EL1         "OS double lock";
        0x80a4 DBGPRCR_EL1       "Debug power control";
        0x83c6 DBGCLAIMSET_EL1   "Debug claim set";
        0x83ce DBGCLAIMCLR_EL1   "Debug claim clear";
        0x83f6 DBGAUTHSTATUS_EL1 "Debug authentication status";
        0x9808 MDCCSR_EL0        "Debug communication status";
        0x9820 DBGDTR_EL0        "Debug data transfer, both halves";
        0x9828 DBGDTRRX_EL0      "Debug data transfer";
        0xc006 REVIDR_EL1        "Revision ID";
        0xc02c ID_AA64AFR0_EL1   "Auxiliary features 0";
        0xc02d ID_AA64AFR1_EL1   "Auxiliary features 1";
        0xc230 ICC_PMR_EL1       "GIC priority mask";
        0xc4f1 PMINTENSET_EL1    "PMU interrupt enable";
        0xc4f2 PMINTENCLR_EL1    "PMU interrupt disable";
        0xc4f6 PMMIR_EL1         "PMU machine identification";
        0xc520 LORSA_EL1         "LORegion start";
        0xc521 LOREA_EL1         "LORegion end";
        0xc522 LORN_EL1          "LORegion number";
        0xc523 LORC_EL1          "LORegion control";
        0xc527 LORID_EL1         "LORegion ID";
        0xc640 ICC_IAR0_EL1      "GIC acknowledge, group 0";
        0xc641 ICC_EOIR0_EL1     "GIC end of interrupt, group 0";
        0xc642 ICC_HPPIR0_EL1    "GIC highest pending, group 0";
        0xc643 ICC_BPR0_EL1      "GIC binary point, group 0";
        0xc644 ICC_AP0R0_EL1     "GIC active priorities, group 0";
        0xc648 ICC_AP1R0_EL1     "GIC active priorities, group 1";
        0xc659 ICC_DIR_EL1       "GIC deactivate";
        0xc65b ICC_RPR_EL1       "GIC running priority";
        0xc65d ICC_SGI1R_EL1     "GIC software interrupt, group 1";
        0xc65e ICC_ASGI1R_EL1    "GIC software interrupt, other security state";
        0xc65f ICC_SGI0R_EL1     "GIC software interrupt, group 0";
        0xc660 ICC_IAR1_EL1      "GIC acknowledge, group 1";
        0xc661 ICC_EOIR1_EL1     "GIC end of interrupt, group 1";
        0xc662 ICC_HPPIR1_EL1    "GIC highest pending, group 1";
        0xc663 ICC_BPR1_EL1      "GIC binary point, group 1";
        0xc664 ICC_CTLR_EL1      "GIC control";
        0xc665 ICC_SRE_EL1       "GIC system register enable";
        0xc666 ICC_IGRPEN0_EL1   "GIC enable, group 0";
        0xc667 ICC_IGRPEN1_EL1   "GIC enable, group 1";
        0xc800 CCSIDR_EL1        "Cache geometry";
        0xc801 CLIDR_EL1         "Cache levels";
        0xc807 AIDR_EL1          "Auxiliary ID";
        0xd801 CTR_EL0           "Cache type";
        0xd807 DCZID_EL0         "Block of DC ZVA";
        0xdce0 PMCR_EL0          "PMU control";
        0xdce1 PMCNTENSET_EL0    "PMU counter enable";
        0xdce2 PMCNTENCLR_EL0    "PMU counter disable";
        0xdce3 PMOVSCLR_EL0      "PMU overflow clear";
        0xdce4 PMSWINC_EL0       "PMU software increment";
        0xdce5 PMSELR_EL0        "PMU counter selection";
        0xdce6 PMCEID0_EL0       "PMU common events 0";
        0xdce7 PMCEID1_EL0       "PMU common events 1";
        0xdce8 PMCCNTR_EL0       "PMU cycle counter";
        0xdce9 PMXEVTYPER_EL0    "PMU selected event type";
        0xdcea PMXEVCNTR_EL0     "PMU selected event counter";
        0xdcf0 PMUSERENR_EL0     "PMU access from EL0";
        0xdcf3 PMOVSSET_EL0      "PMU overflow set";
        0xdf00 CNTFRQ_EL0        "Counter frequency";
        0xdf01 CNTPCT_EL0        "Physical counter";
        0xdf02 CNTVCT_EL0        "Virtual counter";
        0xdf05 CNTPCTSS_EL0      "Physical counter, ordered";
        0xdf06 CNTVCTSS_EL0      "Virtual counter, ordered";
        0xdf10 CNTP_TVAL_EL0     "Physical timer, ticks left";
        0xdf11 CNTP_CTL_EL0      "Physical timer control";
        0xdf12 CNTP_CVAL_EL0     "Physical timer compare value";
        0xdf18 CNTV_TVAL_EL0     "Virtual timer, ticks left";
        0xdf40..=0xdf5e step 1 PMEVCNTR{0}_EL0 "PMU event counter";
        0xdf60..=0xdf7e step 1 PMEVTYPER{0}_EL0 "PMU event type";
        0xdf7f PMCCFILTR_EL0     "PMU cycle counter filter";
    }
}
