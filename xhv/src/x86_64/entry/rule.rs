//! The names of the VM-entry rules, and each in words. What checks them is in the files beside this one.

macro_rules! rules {
    ($($name:ident $words:literal;)*) => {
        /// A rule that a vCPU's state has to keep to be entered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $words] $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The rule in words: what has to hold.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

rules! {
    // SDM vol. 3, 28.2.1.1: execution control fields
    PinBasedRequired              "pin-based controls: a bit that this host requires is 0";
    PinBasedAllowed               "pin-based controls: a bit that this host does not offer is 1";
    PrimaryRequired               "primary processor-based controls: a bit that this host requires is 0";
    PrimaryAllowed                "primary processor-based controls: a bit that this host does not offer is 1";
    SecondaryRequired             "secondary processor-based controls: a bit that this host requires is 0";
    SecondaryAllowed              "secondary processor-based controls: a bit that this host does not offer is 1";
    Cr3TargetCount                "there are at most four CR3-target values";
    Cr0MaskCacheBits              "the CR0 mask has to contain CD and NW (0x60000000)";
    TprThresholdReserved          "TPR threshold: bits 31:4 are 0";
    TprThresholdAboveTpr          "TPR threshold is not above bits 7:4 of the virtual TPR, unless APIC accesses are virtualized";
    TprShadowNeeded               "x2APIC, APIC-register and virtual-interrupt virtualization need the TPR shadow";
    X2apicExcludesApicAccess      "x2APIC virtualization excludes virtualization of APIC accesses";
    VirtualInterruptsNeedExiting  "virtual-interrupt delivery needs external-interrupt exiting";
    ApicAccessAddress             "virtualization of APIC accesses needs an APIC-access address, page-aligned and inside physical memory";
    VirtualNmisNeedNmiExiting     "virtual NMIs need NMI exiting";
    NmiWindowNeedsVirtualNmis     "NMI-window exiting needs virtual NMIs";
    UnrestrictedNeedsEpt          "unrestricted guest, mode-based execution, PML and sub-page permissions need EPT";
    TscMultiplier                 "the TSC multiplier is not 0";
    // 28.2.1.2: exit control fields
    ExitRequired                  "VM-exit controls: a bit that this host requires is 0";
    ExitAllowed                   "VM-exit controls: a bit that this host does not offer is 1";
    SaveTimerNeedsTimer           "saving the preemption timer needs the preemption timer";
    // 28.2.1.3: entry control fields
    EntryRequired                 "VM-entry controls: a bit that this host requires is 0";
    EntryAllowed                  "VM-entry controls: a bit that this host does not offer is 1";
    EntrySmm                      "entry to SMM and deactivation of dual-monitor treatment happen in SMM only";
    EventType                     "event to inject: type 1 is reserved, and type 7 needs the monitor trap flag";
    EventVector                   "event to inject: an NMI has vector 2, a hardware exception at most 31, a pending monitor trap 0";
    EventErrorCode                "event to inject: exactly the hardware exceptions 8, 10-14, 17 have an error code, in protected mode";
    EventReserved                 "event to inject: bits 30:12 are 0";
    EventErrorCodeHigh            "event to inject: bits 31:16 of the error code are 0";
    EventLength                   "event to inject: software interrupts and exceptions need an instruction length of 1 to 15";
    // 28.3.1.1: control registers, debug registers, MSRs
    Cr0Fixed                      "guest CR0: NE is 1, and bits that the CPU does not know are 0";
    Cr0CacheBits                  "guest CR0: CD and NW are 0";
    Cr0PagingNeedsProtection      "guest CR0: PG needs PE";
    Cr0WpForCet                   "guest CR4.CET needs CR0.WP";
    Cr4Fixed                      "guest CR4: VMXE is 1, and bits that the CPU does not know are 0";
    DebugctlReserved              "guest DEBUGCTL: reserved bits are 0";
    Dr7High                       "guest DR7: bits 63:32 are 0";
    Ia32eNeedsPaging              "an IA-32e mode guest needs CR0.PG and CR4.PAE";
    PcidNeedsIa32e                "guest CR4.PCIDE needs an IA-32e mode guest";
    Cr3Width                      "guest CR3 is inside the physical address width";
    SysenterEspCanonical          "guest SYSENTER_ESP is canonical";
    SysenterEipCanonical          "guest SYSENTER_EIP is canonical";
    PatTypes                      "guest PAT: each byte is 0, 1, 4, 5, 6 or 7";
    EferReserved                  "guest EFER: reserved bits are 0";
    EferLma                       "guest EFER.LMA is as the IA-32e mode guest control says";
    EferLme                       "guest EFER.LME is as EFER.LMA while paging is on";
    // 28.3.1.2: segments
    V86Base                       "virtual-8086 mode: the base of a segment is its selector * 16";
    V86Limit                      "virtual-8086 mode: the limit of a segment is 0xffff";
    V86Rights                     "virtual-8086 mode: the access rights of a segment are 0xf3";
    TrSelector                    "TR: the selector does not refer to the LDT";
    LdtrSelector                  "LDTR: the selector does not refer to the LDT";
    SsRpl                         "SS and CS have the same RPL";
    BaseCanonical                 "TR, FS, GS, LDTR: the base is canonical";
    BaseHigh                      "CS, SS, DS, ES: bits 63:32 of the base are 0";
    TypeAccessed                  "a usable segment has been accessed (bit 0 of the type)";
    CodeReadable                  "DS, ES, FS, GS: a code segment is readable";
    CsType                        "CS: type 9, 11, 13 or 15, or 3 in an unrestricted guest";
    SsType                        "SS: type 3 or 7";
    NotSystem                     "a code or data segment has S = 1";
    CsDpl                         "CS: DPL as SS has it (not above it if conforming; 0 for type 3)";
    SsDpl                         "SS: DPL 0 in real mode and with CS type 3; else as its RPL, unless the guest is unrestricted";
    DataDpl                       "DS, ES, FS, GS: DPL is not below RPL, unless conforming or the guest is unrestricted";
    Present                       "a usable segment is present";
    RightsReserved                "access rights: bits 31:17 and 11:8 of a usable segment are 0";
    CsLongAndBig                  "CS: L and D are not both 1 in IA-32e mode";
    Granularity                   "G fits the limit: 0 if bits 11:0 are not all 1, 1 if bits 31:20 are not all 0";
    TrType                        "TR: type 11, or 3 outside IA-32e mode";
    TrSystem                      "TR: S is 0";
    TrUsable                      "TR is usable";
    LdtrType                      "LDTR: type 2, S is 0";
    TableBase                     "GDTR, IDTR: the base is canonical";
    TableLimit                    "GDTR, IDTR: the limit is at most 0xffff";
    // 28.3.1.4: RIP and RFLAGS
    RipHigh                       "RIP: bits 63:32 are 0 outside 64-bit mode";
    RipCanonical                  "RIP is canonical";
    FlagsReserved                 "RFLAGS: bit 1 is 1; bits 63:22, 15, 5, 3 are 0";
    FlagsV86                      "RFLAGS.VM needs protected mode outside IA-32e mode";
    FlagsInterrupt                "RFLAGS.IF is 1 if an external interrupt is injected";
    // 28.3.1.5: non-register state
    Activity                      "the activity state is active or HLT";
    ActivityHltDpl                "activity state HLT needs SS.DPL = 0";
    ActivityBlocking              "blocking by STI or MOV SS needs activity state active";
    ActivityEvent                 "the event to inject cannot be delivered in this activity state";
    InterruptibilityReserved      "interruptibility: bits 31:4 are 0";
    InterruptibilityBoth          "interruptibility: not blocked by STI and by MOV SS at once";
    InterruptibilitySti           "interruptibility: blocking by STI needs RFLAGS.IF";
    InterruptibilityInterrupt     "no blocking by STI or MOV SS while an external interrupt is injected";
    InterruptibilityNmi           "no blocking by MOV SS while an NMI is injected";
    InterruptibilitySmi           "interruptibility: blocking by SMI happens in SMM only";
    InterruptibilityVirtualNmi    "no blocking by NMI while a virtual NMI is injected";
    PendingDebugReserved          "pending debug exceptions: reserved bits are 0";
    PendingDebugStep              "pending debug exceptions: BS is as RFLAGS.TF says (unless DEBUGCTL.BTF) while blocked or halted";
    LinkPointer                   "the VMCS link pointer is all ones";
    // 28.3.1.6
    Pdpte                         "PAE paging: reserved bits of a present PDPTE are 0";
}

impl core::fmt::Display for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.words())
    }
}
