//! The execution controls as instructions ask for them. `store` writes them, `entry` arms what runs with an entry.

use super::super::cpu::{Cpu, Exception};
use super::super::msr::Access as MsrAccess;
use super::super::time::Clock;
use crate::engine::software::x86_64::apic;
use crate::engine::software::x86_64::pio::Notifiers;
use crate::x86_64::entry::field::{bit, pin, primary, secondary};
use std::sync::Arc;

/// The control fields of a VMCS, and what the engine keeps beside them. The default exits only where VMX always does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controls {
    pub(crate) pin: u32,
    pub(crate) primary: u32,
    /// As the client wrote them; see [`Controls::secondary`].
    pub(crate) secondary_written: u32,
    pub(crate) exit: u32,
    pub(crate) entry: u32,
    pub(crate) exception_bitmap: u32,
    pub(crate) pf_mask: u32,
    pub(crate) pf_match: u32,
    pub(crate) cr0_mask: u64,
    pub(crate) cr0_shadow: u64,
    pub(crate) cr4_mask: u64,
    pub(crate) cr4_shadow: u64,
    pub(crate) cr3_targets: [u64; 4],
    pub(crate) cr3_count: u32,
    pub(crate) tpr_threshold: u32,
    pub(crate) ple_gap: u32,
    pub(crate) ple_window: u32,
    pub(crate) xss_exiting: u64,
    /// The event to inject: interruption information, error code, instruction length.
    pub(crate) event: u32,
    pub(crate) event_error: u32,
    pub(crate) event_len: u32,
    /// The preemption timer's field.
    pub(crate) timer: u32,
    /// The APIC-access page.
    pub(crate) apic_page: Option<u64>,
    /// EFER as the VMCS has it: stale where the exit controls do not save it.
    pub(crate) efer: u64,
    pub(crate) msr: MsrAccess,
    pub(crate) clock: Clock,
    pub(crate) notifiers: Notifiers,
    /// The local APIC inside the engine, where the VM has one.
    pub(crate) apic: Option<Arc<apic::Local>>,
    /// Low four bits of the task priority; the others are CR8.
    pub(crate) tpr_low: u8,
    /// RDPMC does not exit by itself (`HV_VCPU_ACCEL_RDPMC`).
    pub(crate) accel_rdpmc: bool,
    pub(crate) shadow: super::shadow::Shadow,
    pub(crate) flight: Flight,
    pub(crate) ple: PauseLoop,
}

/// What is armed from an entry to the exit that follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flight {
    /// The event to inject has not been looked at yet.
    pub(crate) entering: bool,
    /// When the preemption timer runs out, in the clock's ticks; `None`: it is not armed.
    pub(crate) timer_end: Option<u64>,
    /// The deadline of `run_until`, in ticks of the host.
    pub(crate) deadline: Option<u64>,
    /// An instruction or delivery is done, so that the monitor trap flag is due.
    pub(crate) stepped: bool,
    /// The entry has injected the event "pending MTF VM exit".
    pub(crate) trap_injected: bool,
    /// The task priority has fallen below its threshold.
    pub(crate) tpr_below: bool,
    /// IRET has unblocked NMIs and is not done yet.
    pub(crate) nmi_unblocked: bool,
    /// Time spent halted inside the engine, in nanoseconds.
    pub(crate) idle: u64,
    /// The event being delivered, while its delivery may still fault.
    pub(crate) delivering: Option<Exception>,
}

/// Where a loop around PAUSE stands (SDM vol. 3, 27.1.3).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PauseLoop {
    pub(crate) first: u64,
    /// The PAUSE before this one; `None`: this is the first one at CPL 0 since the entry.
    pub(crate) last: Option<u64>,
}

impl Controls {
    /// The secondary controls, if they are active.
    #[inline]
    pub(crate) fn secondary(&self) -> u32 {
        if self.primary & primary::SECONDARY == 0 {
            return 0;
        }
        self.secondary_written
    }

    /// Whether a pin-based control is on.
    #[inline]
    pub(crate) fn pin(&self, bit: u32) -> bool {
        self.pin & bit != 0
    }

    /// Whether a primary control is on.
    #[inline]
    pub(crate) fn on(&self, bit: u32) -> bool {
        self.primary & bit != 0
    }

    /// Whether a secondary control is on.
    #[inline]
    pub(crate) fn on2(&self, bit: u32) -> bool {
        self.secondary() & bit != 0
    }

    /// CR0 or CR4 as the guest reads it.
    #[inline]
    pub(crate) fn seen_cr0(&self, real: u64) -> u64 {
        (real & !self.cr0_mask) | (self.cr0_shadow & self.cr0_mask)
    }

    /// CR4 as the guest reads it.
    #[inline]
    pub(crate) fn seen_cr4(&self, real: u64) -> u64 {
        (real & !self.cr4_mask) | (self.cr4_shadow & self.cr4_mask)
    }

    /// Whether a MOV to CR3 of `value` exits.
    pub(crate) fn cr3_load_exits(&self, value: u64) -> bool {
        let count = (self.cr3_count as usize).min(4);
        self.on(primary::CR3_LOAD) && !self.cr3_targets[..count].contains(&value)
    }

    /// Whether NMIs are blocked by a bit of their own (virtual NMIs) or not: both use bit 3 of the interruptibility state.
    pub(crate) fn virtual_nmis(&self) -> bool {
        self.pin(pin::VIRTUAL_NMIS)
    }

    /// Whether an access to guest-physical `gpa` hits the APIC-access page.
    #[inline]
    pub(crate) fn hits_apic_page(&self, gpa: u64) -> bool {
        let page = gpa & !0xfff;
        // With an APIC inside the framework watches the page by itself.
        page == self.apic_page.unwrap_or(0)
            && (self.on2(secondary::VIRTUALIZE_APIC)
                || self.apic.is_some() && self.apic_page.is_some())
    }

    /// Whether page faults with this error code exit.
    pub(crate) fn page_fault_exits(&self, error: u32) -> bool {
        let matches = error & self.pf_mask == self.pf_match;
        let wanted = self.exception_bitmap >> 14 & 1 != 0;
        matches == wanted
    }

    /// Whether the monitor trap flag is set: code runs one instruction at a time.
    #[inline]
    pub(crate) fn steps(&self) -> bool {
        self.on(primary::MONITOR_TRAP_FLAG)
    }

    /// Whether a PAUSE exits (`now` in TSC ticks, `cpl` of the instruction).
    pub(crate) fn pause_exits(&mut self, now: u64, cpl: u8) -> bool {
        if self.on(primary::PAUSE) {
            return true;
        }
        if cpl != 0 || !self.on2(secondary::PAUSE_LOOP) {
            return false;
        }
        let (gap, window) = (u64::from(self.ple_gap), u64::from(self.ple_window));
        let begins = |last| now.wrapping_sub(last) > gap;
        if self.ple.last.is_none_or(begins) {
            self.ple.first = now;
        }
        self.ple.last = Some(now);
        now.wrapping_sub(self.ple.first) > window
    }
}

impl Cpu {
    /// The guest's TSC.
    pub(crate) fn tsc(&self) -> u64 {
        let clock = self.vmx.clock.now(self.retired());
        if self.vmx.on(primary::TSC_OFFSETTING) {
            clock.wrapping_add(self.vmx.clock.offset())
        } else {
            clock
        }
    }

    /// Whether the guest state has interrupts open: RFLAGS.IF and no blocking by STI or MOV SS.
    pub(crate) fn interruptible(&self) -> bool {
        self.lazy.system & bit::FLAG_IF != 0 && self.shadow & 3 == 0
    }
}
