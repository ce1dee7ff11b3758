//! Self-hosted debug (Arm DDI 0487, D2): BRK, software step, breakpoints and watchpoints, and their registers.

use super::cpu::{Cpu, Exception, Exit, PSTATE_D, Trap};
use super::exception::class;
use super::exec::system::trapped;
use super::sysreg::{Reg, number};
use crate::engine::software::dispatch::{Op, Stop};

/// Breakpoints that the guest sees (`ID_AA64DFR0_EL1.BRPs` + 1).
const BREAKPOINTS: usize = 6;
/// Watchpoints that the guest sees (`ID_AA64DFR0_EL1.WRPs` + 1).
const WATCHPOINTS: usize = 4;
/// Kinds of breakpoints (`DBGBCRn_EL1.BT`).
const ADDRESS: u64 = 0;
const LINKED_ADDRESS: u64 = 1;
const CONTEXT: u64 = 2;
const LINKED_CONTEXT: u64 = 3;
/// `DBGBCRn_EL1.SSC`, `DBGWCRn_EL1.SSC`
const SECURE_ONLY: u64 = 2;
/// `MDSCR_EL1.SS`
const SS: u64 = 1;
/// `MDSCR_EL1.KDE`
const KDE: u64 = 1 << 13;
/// `MDSCR_EL1.MDE`
const MDE: u64 = 1 << 15;

/// Registers, and what the VMM wants to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Debug {
    /// `DBGBVRn_EL1`, `DBGBCRn_EL1`, `DBGWVRn_EL1`, `DBGWCRn_EL1`
    pub(crate) pairs: [[u64; 16]; 4],
    /// Debug exceptions exit (`hv_vcpu_set_trap_debug_exceptions`).
    pub(crate) exceptions_exit: bool,
    /// Accesses to debug registers exit (`hv_vcpu_set_trap_debug_reg_accesses`).
    pub(crate) accesses_exit: bool,
    /// A watchpoint may be hit: no access may be answered by the TLB.
    pub(crate) watching: bool,
    /// An instruction was stepped, and whether it was a load-exclusive: what the step exception tells.
    pub(crate) stepped: Option<bool>,
    /// A load-exclusive was executed since this was cleared.
    pub(crate) exclusive: bool,
}

/// Which of [`Debug::pairs`] a register number names, and which element.
pub(crate) fn pair_of(register: u16) -> Option<(usize, usize)> {
    let base = number(2, 0, 0, 0, 4);
    let (kind, n) = (register & 7, register >> 3 & 15);
    (register & !0x7b == base & !0x7b && kind >= 4).then(|| (usize::from(kind - 4), usize::from(n)))
}

impl Cpu {
    /// Whether debug exceptions (other than BRK) are taken from a level, with a value of `PSTATE.D`.
    fn debug_enabled(&self, el1: bool, masked: bool) -> bool {
        // Those that the VMM takes are not masked by the guest: they go to a higher level.
        self.debug.exceptions_exit || !el1 || (self.sys[Reg::MDSCR_EL1] & KDE != 0 && !masked)
    }

    /// Whether instructions have to be looked at one by one.
    pub(crate) fn debug_is_on(&self) -> bool {
        let control = self.sys[Reg::MDSCR_EL1];
        if control & (SS | MDE) == 0 {
            return false;
        }
        let points = &self.debug.pairs;
        let armed = points[1]
            .iter()
            .chain(&points[3])
            .any(|control| control & 1 != 0);
        (control & SS != 0 || armed)
            && self.debug_enabled(self.pstate.el1, self.pstate.daif & PSTATE_D != 0)
    }

    /// Finds out whether watchpoints are on. They are checked where an access misses the TLB: so the TLB has to be empty.
    pub(crate) fn update_watching(&mut self) {
        let control = self.sys[Reg::MDSCR_EL1];
        let armed = self.debug.pairs[3].iter().any(|control| control & 1 != 0);
        let watching = control & MDE != 0 && armed;
        if watching && !self.debug.watching {
            self.view.flush();
        }
        self.debug.watching = watching;
    }

    /// Raises the exception of a watchpoint that an access of `size` bytes at `va` hits.
    pub(crate) fn watch(
        &mut self,
        op: &Op<Self>,
        va: u64,
        size: u64,
        write: bool,
    ) -> Result<(), Stop> {
        let enabled = self.debug_enabled(self.pstate.el1, self.pstate.daif & PSTATE_D != 0);
        if !enabled || !self.watchpoint_hit(va, size, write) {
            return Ok(());
        }
        let syndrome = class::WATCHPOINT_LOWER | u64::from(write) << 6 | 0x22;
        let trap = self.debug_trap(syndrome, Some(va));
        Err(self.stop(op, trap))
    }

    /// Whether software step will be active or pending after a return to `status`, so that `PSTATE.SS` counts.
    pub(crate) fn step_enabled_after(&self, status: u64) -> bool {
        let here = self.debug_enabled(self.pstate.el1, self.pstate.daif & PSTATE_D != 0);
        let there = self.debug_enabled(status & 0xc != 0, status & PSTATE_D != 0);
        // AArch64.DebugExceptionReturnSS: from where debug exceptions are enabled already, a return ends the step.
        self.sys[Reg::MDSCR_EL1] & SS != 0 && there && !here
    }

    /// A debug exception that comes before the next instruction, if any.
    pub(crate) fn debug_before(&mut self) -> Option<Trap> {
        let control = self.sys[Reg::MDSCR_EL1];
        if control & SS != 0 && !self.pstate.ss {
            // Active-pending: the step exception. ISV and EX, unless nothing was stepped.
            let details = match self.debug.stepped.take() {
                Some(exclusive) => 1 << 24 | u64::from(exclusive) << 6,
                None => 0,
            };
            return Some(self.debug_trap(class::STEP_LOWER | details | 0x22, None));
        }
        if control & MDE != 0 && self.breakpoint_hit() {
            return Some(self.debug_trap(class::BREAKPOINT_LOWER | 0x22, None));
        }
        None
    }

    /// A debug exception as what it is for the VMM or the guest.
    pub(crate) fn debug_trap(&self, syndrome: u64, far: Option<u64>) -> Trap {
        if self.debug.exceptions_exit {
            return Trap::Exit(Exit {
                reason: Exit::EXCEPTION,
                syndrome,
                virtual_address: far.unwrap_or(0),
                physical_address: 0,
            });
        }
        Trap::Exception(Exception { syndrome, far })
    }

    fn enabled_here(&self, control: u64) -> bool {
        // PMC/PAC [2:1]: 1 is EL1, 2 is EL0; nothing else can match without EL2 and EL3. SSC [15:14]: 2 is Secure state only.
        let levels = control >> 1 & 3;
        let level = if self.pstate.el1 { 1 } else { 2 };
        control & 1 != 0 && levels & level != 0 && control >> 14 & 3 != SECURE_ONLY
    }

    /// Whether the context that breakpoint `n` names is the present one (D2.8.3): the last breakpoint is aware of contexts.
    fn context_matches(&self, n: usize) -> bool {
        let [values, ..] = &self.debug.pairs;
        let present = self.sys[Reg::CONTEXTIDR_EL1] as u32;
        n == BREAKPOINTS - 1 && values[n] as u32 == present
    }

    /// Whether the breakpoint that an address match links to, in LBN [19:16], has its context.
    fn link_matches(&self, control: u64) -> bool {
        let n = (control >> 16 & 15) as usize;
        let linked = self.debug.pairs[1][n];
        linked & 1 != 0 && linked >> 20 & 15 == LINKED_CONTEXT && self.context_matches(n)
    }

    fn breakpoint_hit(&self) -> bool {
        let [values, controls, ..] = &self.debug.pairs;
        (0..BREAKPOINTS).any(|n| {
            let control = controls[n];
            let address = ((values[n] << 15) as i64 >> 15) as u64 & !3;
            self.enabled_here(control)
                && match control >> 20 & 15 {
                    ADDRESS => address == self.pc,
                    LINKED_ADDRESS => address == self.pc && self.link_matches(control),
                    CONTEXT => self.context_matches(n),
                    // A linked context matches for those that link to it; the rest are EL2's.
                    _ => false,
                }
        })
    }

    /// Whether an access of `size` bytes at `va` hits a watchpoint.
    fn watchpoint_hit(&self, va: u64, size: u64, write: bool) -> bool {
        if self.sys[Reg::MDSCR_EL1] & MDE == 0 {
            return false;
        }
        let [_, _, values, controls] = &self.debug.pairs;
        let direction = if write { 2 } else { 1 };
        // Tags do not count.
        let va = self.context.untagged(va);
        (0..WATCHPOINTS).any(|n| {
            let control = controls[n];
            if !self.enabled_here(control) || control >> 3 & direction == 0 {
                return false;
            }
            if control >> 20 & 1 != 0 && !self.link_matches(control) {
                return false;
            }
            let address = ((values[n] << 15) as i64 >> 15) as u64 & !3;
            let mask_bits = control >> 24 & 31;
            if mask_bits >= 3 {
                let mask = !0_u64 << mask_bits;
                return (0..size).any(|at| va.wrapping_add(at) & mask == address & mask);
            }
            // In the upper half of a doubleword only four bytes can be chosen.
            let bytes = if address & 4 == 0 { 0xff } else { 0xf };
            let select = control >> 5 & bytes;
            (0..size).any(|at| {
                let offset = va.wrapping_add(at).wrapping_sub(address);
                offset < 8 && select >> offset & 1 != 0
            })
        })
    }

    /// BRK
    pub(crate) fn software_breakpoint(&mut self, op: &Op<Self>) -> Stop {
        let trap = self.debug_trap(class::BRK | op.imm, None);
        self.stop(op, trap)
    }

    /// An access of the guest to a debug register that is here; `None` for others.
    pub(crate) fn debug_register(
        &mut self,
        op: &Op<Self>,
        register: u16,
        value: Option<u64>,
    ) -> Option<Result<u64, Stop>> {
        let pair = pair_of(register);
        let control = register == number(2, 0, 0, 2, 2);
        if pair.is_none() && !control {
            return None;
        }
        if self.debug.accesses_exit {
            return Some(Err(self.leave(op, trapped(op.imm as u32))));
        }
        let Some((kind, n)) = pair else {
            let result = value.map_or(self.sys[Reg::MDSCR_EL1], |value| {
                self.sys[Reg::MDSCR_EL1] = value;
                self.attend();
                self.update_mode();
                0
            });
            return Some(Ok(result));
        };
        if n >= if kind < 2 { BREAKPOINTS } else { WATCHPOINTS } {
            return Some(Err(self.undefined(op)));
        }
        if let Some(value) = value {
            self.debug.pairs[kind][n] = value;
            self.update_mode();
        }
        Some(Ok(self.debug.pairs[kind][n]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_pairs() {
        assert_eq!(pair_of(0x8004), Some((0, 0)));
        assert_eq!(pair_of(0x807f), Some((3, 15)));
        assert_eq!(pair_of(0x802e), Some((2, 5)));
        assert_eq!(pair_of(0x8012), None);
        assert_eq!(pair_of(0xc080), None);
    }
}
