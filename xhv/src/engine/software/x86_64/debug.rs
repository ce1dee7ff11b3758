//! Breakpoints on instructions and data by DR0 to DR3 (Intel SDM vol. 3, 18.2).

use super::cpu::Cpu;
use crate::memory::PAGE;

/// Bits of the pending debug exceptions that make the others count: a breakpoint that was met is enabled, a single step (SDM vol. 3,
/// table 26-4).
pub(crate) const ENABLED_BREAKPOINT: u64 = 1 << 12;
pub(crate) const SINGLE_STEP: u64 = 1 << 14;

impl Cpu {
    /// Notes which data breakpoints an access of `size` bytes at `linear` meets, for the #DB behind the instruction, which runs alone.
    ///
    /// Every access to a page with a breakpoint comes here, because such pages are kept out of the TLB.
    pub(crate) fn watch(&mut self, linear: u64, size: u64, write: bool) {
        if !self.mode.watch {
            return;
        }
        for n in 0..4 {
            if !self.data_breakpoint(n) {
                continue;
            }
            let (first, len) = self.watched(n);
            let kind = self.dr[7] >> (16 + 4 * n) & 3;
            let meets = first.wrapping_sub(linear) < size || linear.wrapping_sub(first) < len;
            if meets && (kind == 3 || kind == 1 && write) {
                self.pending_debug |= 1 << n | ENABLED_BREAKPOINT;
            }
        }
    }

    fn watched(&self, n: usize) -> (u64, u64) {
        let len = [1, 2, 8, 4][(self.dr[7] >> (18 + 4 * n) & 3) as usize];
        (self.dr[n] & !(len - 1), len)
    }

    /// Whether some enabled data breakpoint lies in the page of `linear`.
    pub(crate) fn is_watched_page(&self, linear: u64) -> bool {
        (0..4).any(|n| self.data_breakpoint(n) && self.dr[n] / PAGE == linear / PAGE)
    }

    /// Bits of DR6 for the instruction breakpoints that match an instruction at `linear`.
    pub(crate) fn breakpoints_at(&self, linear: u64) -> u64 {
        (0..4)
            .filter(|&n| self.code_breakpoint(n) && self.dr[n] == linear)
            .map(|n| 1 << n)
            .sum()
    }
}
