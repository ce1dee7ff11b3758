//! VMCS field encodings and control bits by number, for the entry rules and the software engine.
//!
//! The public, typed names are the rows of `spec/x86_64/vmcs.rs` and `controls.rs`; a test in the tables compares both.
#![allow(dead_code)] // Each is used by the rules or by one of the engines, depending on features and targets.

/// VMCS fields (Intel SDM vol. 3, appendix B).
pub(crate) mod vmcs {
    // 16-bit guest state
    pub(crate) const ES: u32 = 0x0800;
    pub(crate) const CS: u32 = 0x0802;
    pub(crate) const SS: u32 = 0x0804;
    pub(crate) const DS: u32 = 0x0806;
    pub(crate) const FS: u32 = 0x0808;
    pub(crate) const GS: u32 = 0x080a;
    pub(crate) const LDTR: u32 = 0x080c;
    pub(crate) const TR: u32 = 0x080e;
    // 64-bit controls
    pub(crate) const MSR_BITMAPS: u32 = 0x2004;
    pub(crate) const TSC_OFFSET: u32 = 0x2010;
    pub(crate) const VIRTUAL_APIC: u32 = 0x2012;
    pub(crate) const APIC_ACCESS: u32 = 0x2014;
    pub(crate) const EPTP: u32 = 0x201a;
    pub(crate) const XSS_EXITING_BITMAP: u32 = 0x202c;
    pub(crate) const TSC_MULTIPLIER: u32 = 0x2032;
    // 64-bit exit information and guest state
    pub(crate) const GUEST_PHYSICAL_ADDRESS: u32 = 0x2400;
    pub(crate) const LINK_POINTER: u32 = 0x2800;
    pub(crate) const DEBUGCTL: u32 = 0x2802;
    pub(crate) const PAT: u32 = 0x2804;
    pub(crate) const EFER: u32 = 0x2806;
    pub(crate) const PERF_GLOBAL_CTRL: u32 = 0x2808;
    pub(crate) const PDPTE0: u32 = 0x280a;
    pub(crate) const PDPTE1: u32 = 0x280c;
    pub(crate) const PDPTE2: u32 = 0x280e;
    pub(crate) const PDPTE3: u32 = 0x2810;
    // 32-bit controls
    pub(crate) const PIN_BASED: u32 = 0x4000;
    pub(crate) const PRIMARY: u32 = 0x4002;
    pub(crate) const EXCEPTION_BITMAP: u32 = 0x4004;
    pub(crate) const PF_ERROR_MASK: u32 = 0x4006;
    pub(crate) const PF_ERROR_MATCH: u32 = 0x4008;
    pub(crate) const CR3_TARGET_COUNT: u32 = 0x400a;
    pub(crate) const EXIT_CONTROLS: u32 = 0x400c;
    pub(crate) const EXIT_MSR_STORE_COUNT: u32 = 0x400e;
    pub(crate) const EXIT_MSR_LOAD_COUNT: u32 = 0x4010;
    pub(crate) const ENTRY_CONTROLS: u32 = 0x4012;
    pub(crate) const ENTRY_MSR_LOAD_COUNT: u32 = 0x4014;
    pub(crate) const ENTRY_INTERRUPTION: u32 = 0x4016;
    pub(crate) const ENTRY_ERROR: u32 = 0x4018;
    pub(crate) const ENTRY_LENGTH: u32 = 0x401a;
    pub(crate) const TPR_THRESHOLD: u32 = 0x401c;
    pub(crate) const SECONDARY: u32 = 0x401e;
    pub(crate) const PLE_GAP: u32 = 0x4020;
    pub(crate) const PLE_WINDOW: u32 = 0x4022;
    // 32-bit exit information
    pub(crate) const INSTRUCTION_ERROR: u32 = 0x4400;
    pub(crate) const EXIT_REASON: u32 = 0x4402;
    pub(crate) const EXIT_INTERRUPTION: u32 = 0x4404;
    pub(crate) const EXIT_ERROR: u32 = 0x4406;
    pub(crate) const IDT_VECTORING: u32 = 0x4408;
    pub(crate) const IDT_VECTORING_ERROR: u32 = 0x440a;
    pub(crate) const EXIT_LENGTH: u32 = 0x440c;
    pub(crate) const EXIT_INFORMATION: u32 = 0x440e;
    // 32-bit guest state; limits and rights of segment n at + 2 * n
    pub(crate) const ES_LIMIT: u32 = 0x4800;
    pub(crate) const LDTR_LIMIT: u32 = 0x480c;
    pub(crate) const TR_LIMIT: u32 = 0x480e;
    pub(crate) const GDTR_LIMIT: u32 = 0x4810;
    pub(crate) const IDTR_LIMIT: u32 = 0x4812;
    pub(crate) const ES_RIGHTS: u32 = 0x4814;
    pub(crate) const CS_RIGHTS: u32 = 0x4816;
    pub(crate) const SS_RIGHTS: u32 = 0x4818;
    pub(crate) const LDTR_RIGHTS: u32 = 0x4820;
    pub(crate) const TR_RIGHTS: u32 = 0x4822;
    pub(crate) const INTERRUPTIBILITY: u32 = 0x4824;
    pub(crate) const ACTIVITY: u32 = 0x4826;
    pub(crate) const SMBASE: u32 = 0x4828;
    pub(crate) const SYSENTER_CS: u32 = 0x482a;
    pub(crate) const TIMER_VALUE: u32 = 0x482e;
    // natural-width controls
    pub(crate) const CR0_MASK: u32 = 0x6000;
    pub(crate) const CR4_MASK: u32 = 0x6002;
    pub(crate) const CR0_SHADOW: u32 = 0x6004;
    pub(crate) const CR4_SHADOW: u32 = 0x6006;
    pub(crate) const CR3_TARGET0: u32 = 0x6008;
    pub(crate) const CR3_TARGET3: u32 = 0x600e;
    // natural-width exit information
    pub(crate) const QUALIFICATION: u32 = 0x6400;
    pub(crate) const IO_RCX: u32 = 0x6402;
    pub(crate) const IO_RIP: u32 = 0x6408;
    pub(crate) const LINEAR_ADDRESS: u32 = 0x640a;
    // natural-width guest state; base of segment n at + 2 * n
    pub(crate) const CR0: u32 = 0x6800;
    pub(crate) const CR3: u32 = 0x6802;
    pub(crate) const CR4: u32 = 0x6804;
    pub(crate) const ES_BASE: u32 = 0x6806;
    pub(crate) const LDTR_BASE: u32 = 0x6812;
    pub(crate) const TR_BASE: u32 = 0x6814;
    pub(crate) const GDTR_BASE: u32 = 0x6816;
    pub(crate) const IDTR_BASE: u32 = 0x6818;
    pub(crate) const DR7: u32 = 0x681a;
    pub(crate) const RSP: u32 = 0x681c;
    pub(crate) const RIP: u32 = 0x681e;
    pub(crate) const RFLAGS: u32 = 0x6820;
    pub(crate) const PENDING_DEBUG: u32 = 0x6822;
    pub(crate) const SYSENTER_ESP: u32 = 0x6824;
    pub(crate) const SYSENTER_EIP: u32 = 0x6826;
}

/// Pin-based controls (SDM vol. 3, 26.6.1).
pub(crate) mod pin {
    pub(crate) const EXTERNAL_INTERRUPT: u32 = 1 << 0;
    pub(crate) const NMI: u32 = 1 << 3;
    pub(crate) const VIRTUAL_NMIS: u32 = 1 << 5;
    pub(crate) const PREEMPTION_TIMER: u32 = 1 << 6;
    pub(crate) const POSTED_INTERRUPTS: u32 = 1 << 7;
}

/// Primary processor-based controls (SDM vol. 3, 26.6.2).
pub(crate) mod primary {
    pub(crate) const INTERRUPT_WINDOW: u32 = 1 << 2;
    pub(crate) const TSC_OFFSETTING: u32 = 1 << 3;
    pub(crate) const HLT: u32 = 1 << 7;
    pub(crate) const INVLPG: u32 = 1 << 9;
    pub(crate) const MWAIT: u32 = 1 << 10;
    pub(crate) const RDPMC: u32 = 1 << 11;
    pub(crate) const RDTSC: u32 = 1 << 12;
    pub(crate) const CR3_LOAD: u32 = 1 << 15;
    pub(crate) const CR3_STORE: u32 = 1 << 16;
    pub(crate) const CR8_LOAD: u32 = 1 << 19;
    pub(crate) const CR8_STORE: u32 = 1 << 20;
    pub(crate) const TPR_SHADOW: u32 = 1 << 21;
    pub(crate) const NMI_WINDOW: u32 = 1 << 22;
    pub(crate) const MOV_DR: u32 = 1 << 23;
    pub(crate) const UNCONDITIONAL_IO: u32 = 1 << 24;
    pub(crate) const IO_BITMAPS: u32 = 1 << 25;
    pub(crate) const MONITOR_TRAP_FLAG: u32 = 1 << 27;
    pub(crate) const MSR_BITMAPS: u32 = 1 << 28;
    pub(crate) const MONITOR: u32 = 1 << 29;
    pub(crate) const PAUSE: u32 = 1 << 30;
    pub(crate) const SECONDARY: u32 = 1 << 31;
}

/// Secondary processor-based controls (SDM vol. 3, 26.6.2).
pub(crate) mod secondary {
    pub(crate) const VIRTUALIZE_APIC: u32 = 1 << 0;
    pub(crate) const EPT: u32 = 1 << 1;
    pub(crate) const DESCRIPTOR_TABLE: u32 = 1 << 2;
    pub(crate) const RDTSCP: u32 = 1 << 3;
    pub(crate) const X2APIC: u32 = 1 << 4;
    pub(crate) const VPID: u32 = 1 << 5;
    pub(crate) const WBINVD: u32 = 1 << 6;
    pub(crate) const UNRESTRICTED: u32 = 1 << 7;
    pub(crate) const APIC_REGISTERS: u32 = 1 << 8;
    pub(crate) const VIRTUAL_INTERRUPTS: u32 = 1 << 9;
    pub(crate) const PAUSE_LOOP: u32 = 1 << 10;
    pub(crate) const RDRAND: u32 = 1 << 11;
    pub(crate) const INVPCID: u32 = 1 << 12;
    pub(crate) const VMFUNC: u32 = 1 << 13;
    pub(crate) const VMCS_SHADOWING: u32 = 1 << 14;
    pub(crate) const RDSEED: u32 = 1 << 16;
    pub(crate) const PML: u32 = 1 << 17;
    pub(crate) const XSAVES: u32 = 1 << 20;
    pub(crate) const MODE_BASED_EXECUTE: u32 = 1 << 22;
    pub(crate) const SUB_PAGE_WRITE: u32 = 1 << 23;
    pub(crate) const TSC_SCALING: u32 = 1 << 25;
    pub(crate) const USER_WAIT: u32 = 1 << 26;
}

/// VM-exit controls (SDM vol. 3, 26.7.1).
pub(crate) mod exit {
    pub(crate) const SAVE_DEBUG: u32 = 1 << 2;
    pub(crate) const HOST_IA32E: u32 = 1 << 9;
    pub(crate) const LOAD_PERF_GLOBAL_CTRL: u32 = 1 << 12;
    pub(crate) const ACKNOWLEDGE: u32 = 1 << 15;
    pub(crate) const SAVE_PAT: u32 = 1 << 18;
    pub(crate) const LOAD_PAT: u32 = 1 << 19;
    pub(crate) const SAVE_EFER: u32 = 1 << 20;
    pub(crate) const LOAD_EFER: u32 = 1 << 21;
    pub(crate) const SAVE_TIMER: u32 = 1 << 22;
}

/// VM-entry controls (SDM vol. 3, 26.8.1).
pub(crate) mod entry {
    pub(crate) const LOAD_DEBUG: u32 = 1 << 2;
    pub(crate) const IA32E: u32 = 1 << 9;
    pub(crate) const SMM: u32 = 1 << 10;
    pub(crate) const DEACTIVATE_DUAL_MONITOR: u32 = 1 << 11;
    pub(crate) const LOAD_PERF_GLOBAL_CTRL: u32 = 1 << 13;
    pub(crate) const LOAD_PAT: u32 = 1 << 14;
    pub(crate) const LOAD_EFER: u32 = 1 << 15;
}

/// Bits of control registers, flags and rights that the rules ask about.
pub(crate) mod bit {
    pub(crate) const CR0_PE: u64 = 1 << 0;
    pub(crate) const CR0_NE: u64 = 1 << 5;
    pub(crate) const CR0_WP: u64 = 1 << 16;
    pub(crate) const CR0_CD_NW: u64 = 0x6000_0000;
    pub(crate) const CR0_PG: u64 = 1 << 31;
    pub(crate) const CR4_PAE: u64 = 1 << 5;
    pub(crate) const CR4_PCIDE: u64 = 1 << 17;
    pub(crate) const CR4_CET: u64 = 1 << 23;
    pub(crate) const FLAG_TF: u64 = 1 << 8;
    pub(crate) const FLAG_IF: u64 = 1 << 9;
    pub(crate) const FLAG_RF: u64 = 1 << 16;
    pub(crate) const FLAG_VM: u64 = 1 << 17;
    pub(crate) const EFER_LME: u64 = 1 << 8;
    pub(crate) const EFER_LMA: u64 = 1 << 10;
    /// SCE, LME, LMA, NXE.
    pub(crate) const EFER_ALL: u64 = 0xd01;
    pub(crate) const RIGHTS_UNUSABLE: u64 = 1 << 16;
    pub(crate) const STI_BLOCKING: u64 = 1;
    pub(crate) const MOV_SS_BLOCKING: u64 = 2;
    pub(crate) const SMI_BLOCKING: u64 = 4;
    pub(crate) const NMI_BLOCKING: u64 = 8;
}
