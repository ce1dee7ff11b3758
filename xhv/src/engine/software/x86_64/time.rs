//! The clock behind TSC, preemption timer and APIC timer: nanoseconds of the host, or instructions.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::time::absolute_ticks;

/// What time is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// The host's monotonic clock.
    #[default]
    Host,
    /// Instructions of the vCPU itself, a nanosecond each: a run repeats exactly.
    #[allow(dead_code)] // for tests and for the option of the VM builder
    Instructions,
}

/// A vCPU's clock. Ticks are those of the TSC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    source: Source,
    /// TSC offset of the whole VM (`hv_vm_sync_tsc`).
    common: Arc<AtomicU64>,
    /// The vCPU's own, which replaces it (`hv_vcpu_set_tsc_relative`).
    own: Option<u64>,
    /// Time that instructions do not account for: what was slept through.
    skipped: u64,
}

impl Clock {
    /// A clock of a VM whose TSC offset is `common`.
    pub(crate) fn new(source: Source, common: Arc<AtomicU64>) -> Self {
        Self {
            source,
            common,
            own: None,
            skipped: 0,
        }
    }

    /// The ticks of `hv_tsc_clock`.
    #[inline]
    pub(crate) fn now(&self, retired: u64) -> u64 {
        match self.source {
            Source::Host => absolute_ticks(),
            Source::Instructions => retired.wrapping_add(self.skipped),
        }
    }

    /// The same where there is an APIC to tell it; else 0, to spare a look at the host's clock.
    #[inline]
    pub(crate) fn now_for_apic(&self, retired: u64, wanted: bool) -> u64 {
        if wanted { self.now(retired) } else { 0 }
    }

    /// Sleeps through to `ticks`, on a clock that does not go by itself.
    pub(crate) fn skip_to(&mut self, ticks: u64, retired: u64) {
        let now = self.now(retired);
        self.skipped = self.skipped.wrapping_add(ticks.saturating_sub(now));
    }

    /// Whether it is the host's time.
    pub(crate) fn is_host(&self) -> bool {
        self.source == Source::Host
    }

    /// What the guest's TSC is ahead of the clock.
    pub(crate) fn offset(&self) -> u64 {
        self.own
            .unwrap_or_else(|| self.common.load(Ordering::Relaxed))
    }

    /// Gives the vCPU a TSC offset of its own.
    pub(crate) fn set_offset(&mut self, offset: u64) {
        self.own = Some(offset);
    }
}
