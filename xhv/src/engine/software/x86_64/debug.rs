//! Debug exceptions: breakpoints on instructions, data and ports by DR0 to DR3, single step, branch step (Intel SDM vol. 3, 18.2 to 18.4).

use iced_x86::{Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction};

use super::cpu::{Cpu, Cr};
use super::exec::condition;
use super::mode::Size;
use crate::memory::PAGE;

/// Bits of [`Cpu::pending_debug`] besides those of the breakpoints, which make the others count: a breakpoint that was met is enabled, a
/// single step (SDM vol. 3, table 26-4).
pub(crate) const ENABLED_BREAKPOINT: u64 = 1 << 12;
pub(crate) const SINGLE_STEP: u64 = 1 << 14;
/// Transactional regions: a client may set it, and makes #DB pending so.
const RTM: u64 = 1 << 16;
/// What #DB leaves in DR6: B0 to B3, BD, BS, BT.
const CONDITIONS: u64 = 0xe00f;
/// IA32_DEBUGCTL.BTF: RFLAGS.TF steps by branches. The only bit of the MSR that this CPU has.
pub(crate) const BTF: u64 = 1 << 1;
const RCX: usize = 1;

impl Cpu {
    /// Notes which data breakpoints an access of `size` bytes at `linear` meets, for the #DB behind the instruction, which runs alone.
    ///
    /// Every access to a page with a breakpoint comes here, because such pages are kept out of the TLB.
    pub(crate) fn watch(&mut self, linear: u64, size: u64, write: bool) {
        if !self.mode.watch {
            return;
        }
        for n in 0..4 {
            let kind = self.breakpoint_kind(n);
            if self.data_breakpoint(n) && self.meets(n, linear, size) && (kind == 3 || write) {
                self.pending_debug |= ENABLED_BREAKPOINT | 1 << n;
            }
        }
    }

    /// Notes which I/O breakpoints an access to `size` ports from `port` on meets: a trap as well. Without CR4.DE there are none.
    pub(crate) fn watch_port(&mut self, port: u16, size: u8) {
        if self.dr[7] & 0xff == 0 || self.cr4 & Cr::CR4_DE == 0 {
            return;
        }
        for n in 0..4 {
            if self.io_breakpoint(n) && self.meets(n, port.into(), size.into()) {
                self.pending_debug |= ENABLED_BREAKPOINT | 1 << n;
            }
        }
    }

    /// Whether breakpoint `n`, whose length aligns it, has a byte in common with `size` bytes at `at`.
    fn meets(&self, n: usize, at: u64, size: u64) -> bool {
        let len = [1, 2, 8, 4][(self.dr[7] >> (18 + 4 * n) & 3) as usize];
        let first = self.dr[n] & !(len - 1);
        first.wrapping_sub(at) < size || at.wrapping_sub(first) < len
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

    /// Takes the debug exceptions that wait, as conditions of DR6. Breakpoints that were met count if one of them is enabled.
    pub(crate) fn take_pending_debug(&mut self) -> Option<u64> {
        let pending = core::mem::take(&mut self.pending_debug);
        (pending & (ENABLED_BREAKPOINT | SINGLE_STEP | RTM) != 0).then_some(pending & CONDITIONS)
    }

    /// Whether the instruction that has just run is one that RFLAGS.TF stops behind; `bytes` begin with it.
    pub(crate) fn is_step(&self, start: u64, code: Size, bytes: &[u8]) -> bool {
        self.msr.debugctl & BTF == 0 || self.has_branched(start, code, bytes)
    }

    /// Whether the instruction was a branch that was taken. What has no effect on RIP, as a jump to the next instruction, is told
    /// by its condition, which branches do not change.
    fn has_branched(&self, start: u64, code: Size, bytes: &[u8]) -> bool {
        let i = Decoder::with_ip(code.bits(), bytes, start, DecoderOptions::NONE).decode();
        match i.flow_control() {
            FlowControl::Next | FlowControl::Exception => false,
            FlowControl::ConditionalBranch => {
                let next = start.wrapping_add(i.len() as u64) & self.mode.linear_mask;
                self.rip != next || i.near_branch_target() == i.next_ip() && self.holds(&i)
            }
            _ => true,
        }
    }

    fn holds(&self, i: &Instruction) -> bool {
        let count = self.gpr[RCX]
            & match i.code() {
                Code::Jcxz_rel8_16
                | Code::Jcxz_rel8_32
                | Code::Loop_rel8_16_CX
                | Code::Loop_rel8_32_CX
                | Code::Loope_rel8_16_CX
                | Code::Loope_rel8_32_CX
                | Code::Loopne_rel8_16_CX
                | Code::Loopne_rel8_32_CX => 0xffff,
                Code::Jrcxz_rel8_16
                | Code::Jrcxz_rel8_64
                | Code::Loop_rel8_16_RCX
                | Code::Loop_rel8_64_RCX
                | Code::Loope_rel8_16_RCX
                | Code::Loope_rel8_64_RCX
                | Code::Loopne_rel8_16_RCX
                | Code::Loopne_rel8_64_RCX => !0,
                _ => 0xffff_ffff,
            };
        if i.is_jcx_short() {
            return count == 0;
        }
        let by_count = !(i.is_loop() || i.is_loopcc()) || count != 0;
        let code = i.condition_code();
        by_count
            && (code == ConditionCode::None
                || condition!(code, C => <C as super::exec::Condition>::holds(&self.lazy)))
    }
}
