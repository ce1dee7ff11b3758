//! What the software engine offers to a VMM: capability words (`hv_vmx_capability_t`), limits, facts about MSRs.
//!
//! The words without TRUE are those a client adjusts its controls with: bits that the framework owns are required there.

use crate::error::Code;
use crate::x86_64::entry::Limits;
use crate::x86_64::entry::field::{entry, exit, pin, primary, secondary};

use super::super::mmu::MAXPHYADDR;

/// log2 of the TSC ticks in a tick of the VMX-preemption timer (IA32_VMX_MISC bits 4:0).
pub(crate) const TIMER_SHIFT: u32 = 5;
/// Frequency of the TSC in Hz: it counts nanoseconds.
pub(crate) const TSC_HZ: u64 = 1_000_000_000;
/// vCPUs in a VM.
pub(crate) const VCPU_MAX: u32 = 64;
/// Guest-physical address spaces of a VM.
pub(crate) const SPACE_MAX: u32 = 64;

/// Default-1 bits of the four control words (SDM vol. 3, A.3 to A.5).
const PIN_DEFAULT: u32 = 0x16;
const PRIMARY_DEFAULT: u32 = 0x0401_e172;
const EXIT_DEFAULT: u32 = 0x0003_6dff;
const ENTRY_DEFAULT: u32 = 0x0000_11ff;
/// CR3-load and CR3-store exiting; save and load of debug controls: what the TRUE words relax.
const PRIMARY_RELAXED: u32 = primary::CR3_LOAD | primary::CR3_STORE;
const DEBUG_RELAXED: u32 = exit::SAVE_DEBUG;

/// What the framework has always on.
const PIN_OWNED: u32 = pin::EXTERNAL_INTERRUPT | pin::NMI;
const PRIMARY_OWNED: u32 = primary::UNCONDITIONAL_IO | primary::SECONDARY;
const SECONDARY_OWNED: u32 = secondary::EPT | secondary::VPID | secondary::UNRESTRICTED;

const PIN_ALLOWED: u32 = PIN_DEFAULT | PIN_OWNED | pin::VIRTUAL_NMIS | pin::PREEMPTION_TIMER;
const PRIMARY_ALLOWED: u32 = PRIMARY_DEFAULT
    | PRIMARY_OWNED
    | primary::INTERRUPT_WINDOW
    | primary::TSC_OFFSETTING
    | primary::HLT
    | primary::INVLPG
    | primary::MWAIT
    | primary::RDPMC
    | primary::RDTSC
    | primary::CR8_LOAD
    | primary::CR8_STORE
    | primary::TPR_SHADOW
    | primary::NMI_WINDOW
    | primary::MOV_DR
    | primary::MONITOR_TRAP_FLAG
    | primary::MSR_BITMAPS
    | primary::MONITOR
    | primary::PAUSE;
const SECONDARY_ALLOWED: u32 = SECONDARY_OWNED
    | secondary::VIRTUALIZE_APIC
    | secondary::DESCRIPTOR_TABLE
    | secondary::RDTSCP
    | secondary::WBINVD
    | secondary::PAUSE_LOOP
    | secondary::RDRAND
    | secondary::INVPCID
    | secondary::VMCS_SHADOWING
    | secondary::RDSEED
    | secondary::XSAVES;
const EXIT_ALLOWED: u32 = EXIT_DEFAULT
    | exit::HOST_IA32E
    | exit::LOAD_PERF_GLOBAL_CTRL
    | exit::ACKNOWLEDGE
    | exit::SAVE_PAT
    | exit::LOAD_PAT
    | exit::SAVE_EFER
    | exit::LOAD_EFER
    | exit::SAVE_TIMER;
const ENTRY_ALLOWED: u32 = ENTRY_DEFAULT
    | entry::IA32E
    | entry::LOAD_PERF_GLOBAL_CTRL
    | entry::LOAD_PAT
    | entry::LOAD_EFER;

const fn word(required: u32, allowed: u32) -> u64 {
    required as u64 | (allowed as u64) << 32
}

const PIN: u64 = word(PIN_DEFAULT | PIN_OWNED, PIN_ALLOWED);
// Exits on CR3 accesses are a client's choice, as every client's own choice of controls shows.
const PRIMARY: u64 = word(
    (PRIMARY_DEFAULT & !PRIMARY_RELAXED) | PRIMARY_OWNED,
    PRIMARY_ALLOWED,
);
const SECONDARY: u64 = word(SECONDARY_OWNED, SECONDARY_ALLOWED);
const EXIT: u64 = word(EXIT_DEFAULT | exit::HOST_IA32E, EXIT_ALLOWED);
const ENTRY: u64 = word(ENTRY_DEFAULT, ENTRY_ALLOWED);

/// Revision 1, 4 KiB, write-back, information for INS and OUTS, TRUE controls, no check of error codes.
const BASIC: u64 = 1 | 4096 << 32 | 6 << 50 | 1 << 54 | 1 << 55 | 1 << 56;
/// Timer shift, LMA store, HLT state, four CR3 targets, events without instruction length.
const MISC: u64 = TIMER_SHIFT as u64 | 1 << 5 | 1 << 6 | 4 << 16 | 1 << 30;
const CR0_FIXED0: u64 = 0x8000_0021;
const CR0_FIXED1: u64 = 0xffff_ffff;
const CR4_FIXED0: u64 = 0x2000;
/// VME to OSXMMEXCPT, UMIP, LA57, VMXE, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP, PKE.
const CR4_FIXED1: u64 = 0x0077_3fff & !0x8000;
/// Execute-only, four and five levels, UC and WB, 2 MiB and 1 GiB, INVEPT and INVVPID.
const EPT_VPID: u64 = 1
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 14
    | 1 << 16
    | 1 << 17
    | 1 << 20
    | 3 << 25
    | 1 << 32
    | 0xf << 40;

/// The bits of IA32_DEBUGCTL: BTF. Branches are not recorded, whatever last-branch MSRs a client binds.
const DEBUGCTL: u64 = super::super::debug::BTF;

/// What the entry rules need to know.
pub(crate) const LIMITS: Limits = Limits {
    pin: PIN,
    primary: PRIMARY,
    secondary: SECONDARY,
    exit: EXIT,
    entry: ENTRY,
    basic: BASIC,
    misc: MISC,
    cr0_fixed0: CR0_FIXED0,
    cr0_fixed1: CR0_FIXED1,
    cr4_fixed0: CR4_FIXED0,
    cr4_fixed1: CR4_FIXED1,
    debugctl: DEBUGCTL,
    physical_width: MAXPHYADDR as u8,
    linear_width: 57,
};

/// A capability word by its `hv_vmx_capability_t`.
pub(crate) fn read(id: u32) -> Result<u64, Code> {
    Ok(match id {
        0 => PIN,
        1 => PRIMARY,
        2 => SECONDARY,
        3 => ENTRY,
        4 => EXIT,
        5 => BASIC,
        6 => word(PIN_DEFAULT, PIN_ALLOWED),
        7 => word(PRIMARY_DEFAULT & !PRIMARY_RELAXED, PRIMARY_ALLOWED),
        8 => word(ENTRY_DEFAULT & !DEBUG_RELAXED, ENTRY_ALLOWED),
        9 => word(EXIT_DEFAULT & !DEBUG_RELAXED, EXIT_ALLOWED),
        10 => MISC,
        11 => CR0_FIXED0,
        12 => CR0_FIXED1,
        13 => CR4_FIXED0,
        14 => CR4_FIXED1,
        15 => 0x19 << 1, // the highest index of a field is TSC_MULTIPLIER's
        16 => EPT_VPID,
        32 => TSC_HZ >> TIMER_SHIFT,
        _ => return Err(Code::BAD_ARGUMENT),
    })
}

/// A framework limit by its `hv_capability_t`.
pub(crate) fn limit(id: u64) -> Result<u64, Code> {
    match id {
        0 => Ok(VCPU_MAX.into()),
        1 => Ok(SPACE_MAX.into()),
        _ => Err(Code::BAD_ARGUMENT),
    }
}

/// Facts about MSRs by their `hv_vmx_msr_info_t`: a CPU without the faults that mitigations are for, and without counters.
pub(crate) fn msr_info(id: u64) -> Result<u64, Code> {
    match id {
        0 => Ok(super::super::msr::ARCH_CAPABILITIES),
        1..=5 => Ok(0),
        6 => Ok(DEBUGCTL),
        7 => Ok(super::super::msr::SPEC_CTRL_VALID),
        8 => Ok(0),
        _ => Err(Code::BAD_ARGUMENT),
    }
}
