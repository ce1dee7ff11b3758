//! How often a vCPU leaves the guest and why, and where its time goes: counted for who asks. Shared by both architectures.

use core::fmt;
use std::time::{Duration, Instant};

/// Reasons that are told apart: exit reasons of VMX have 7 bits in use, exception classes of AArch64 have 6.
const REASONS: usize = 128;

/// What a vCPU's exits were since counting began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExitStatistics {
    /// Reason by the manual's name, and how often, most frequent first. Exits that `run` deals with by itself are among them.
    pub counts: Vec<(String, u64)>,
    /// Time between entries and exits.
    pub in_guest: Duration,
    /// Time between exits and the next entries.
    pub in_vmm: Duration,
}

impl ExitStatistics {
    /// All exits.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Exits of one reason.
    #[must_use]
    pub fn count(&self, reason: &str) -> u64 {
        let found = self.counts.iter().find(|(name, _)| name == reason);
        found.map_or(0, |(_, count)| *count)
    }
}

impl fmt::Display for ExitStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(
            f,
            "{total} exits; {:?} in the guest, {:?} in the VMM",
            self.in_guest, self.in_vmm
        )?;
        for (reason, count) in &self.counts {
            let share = *count as f64 * 100.0 / total as f64;
            writeln!(f, "{count:>12} {share:>5.1} %  {reason}")?;
        }
        Ok(())
    }
}

/// What counts, while somebody wants it.
#[derive(Debug)]
pub(crate) struct Recorder {
    counts: [u64; REASONS],
    in_guest: Duration,
    in_vmm: Duration,
    /// The last entry or exit.
    last: Option<Instant>,
}

impl Recorder {
    /// Begins with nothing.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            counts: [0; REASONS],
            in_guest: Duration::ZERO,
            in_vmm: Duration::ZERO,
            last: None,
        })
    }

    /// The guest is about to be entered.
    pub(crate) fn enter(&mut self) {
        let now = Instant::now();
        if let Some(left) = self.last.replace(now) {
            self.in_vmm += now - left;
        }
    }

    /// It was left, for a reason that has this number.
    pub(crate) fn leave(&mut self, reason: usize) {
        let now = Instant::now();
        if let Some(entered) = self.last.replace(now) {
            self.in_guest += now - entered;
        }
        self.counts[reason % REASONS] += 1;
    }

    /// What was counted, with the architecture's names.
    pub(crate) fn statistics(&self, name: impl Fn(u32) -> String) -> ExitStatistics {
        let seen = (0..).zip(self.counts).filter(|(_, count)| *count > 0);
        let mut counts: Vec<_> = seen.map(|(reason, count)| (name(reason), count)).collect();
        counts.sort_by(|(first, more), (second, less)| less.cmp(more).then(first.cmp(second)));
        ExitStatistics {
            counts,
            in_guest: self.in_guest,
            in_vmm: self.in_vmm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_counted_by_reason() {
        let mut recorder = Recorder::new();
        for reason in [30, 12, 30, 30, 12, 10] {
            recorder.enter();
            recorder.leave(reason);
        }
        let statistics = recorder.statistics(|reason| format!("reason {reason}"));
        let counts: Vec<_> = statistics.counts.iter().map(|(_, count)| *count).collect();
        assert_eq!((counts, statistics.total()), (vec![3, 2, 1], 6));
        assert_eq!(
            (statistics.count("reason 12"), statistics.count("none")),
            (2, 0)
        );
        let text = statistics.to_string();
        assert!(text.starts_with("6 exits; "), "{text}");
        assert!(
            text.contains("\n           3  50.0 %  reason 30\n"),
            "{text}"
        );
        assert_eq!(
            ExitStatistics::default().to_string(),
            "0 exits; 0ns in the guest, 0ns in the VMM\n"
        );
    }
}
