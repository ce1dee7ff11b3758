//! VM entry: the checks of `crate::x86_64::entry`, the framework's own rules, and what is loaded.

use super::super::cpu::{Cpu, Cr};
use super::super::events;
use super::capabilities::LIMITS;
use super::store::{View, Vmcs};
use crate::x86_64::entry::field::entry;
use crate::x86_64::entry::{Stage, Violation, check, check_volatile};

/// VM-instruction error: entry with invalid control fields.
const INVALID_CONTROLS: u32 = 7;
/// Exit reason of an entry that invalid guest state refuses.
const REFUSED: u32 = 0x8000_0021;

/// How an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The guest may run.
    Yes,
    /// The run call succeeds; the exit fields tell of the refusal.
    Refused,
    /// The run call fails: the entry instruction did, with an error number.
    Failed,
    /// The run call fails before the entry instruction.
    NotTried,
}

impl Vmcs {
    /// Every entry rule that the state breaks.
    pub(crate) fn violations(&self, cpu: &Cpu) -> Vec<Violation> {
        check(&View { cpu, vmcs: self }, &LIMITS)
    }

    /// Tries to enter the guest.
    pub(crate) fn enter(&mut self, cpu: &mut Cpu, deadline: Option<u64>) -> Entered {
        let found = match self.dirty {
            true => self.violations(cpu),
            false => check_volatile(&View { cpu, vmcs: self }, &LIMITS),
        };
        if let Some(first) = found.first() {
            self.dirty = true;
            return self.refuse(first);
        }
        let ia32e = cpu.vmx.entry & entry::IA32E != 0;
        if ia32e && !cpu.vmx.msr.has_kernel_gs_base() {
            return Entered::NotTried;
        }
        self.load(cpu, ia32e);
        events::arm(cpu, deadline);
        Entered::Yes
    }

    fn refuse(&mut self, violation: &Violation) -> Entered {
        if violation.stage == Stage::Control {
            self.exit.instruction_error = INVALID_CONTROLS;
            return Entered::Failed;
        }
        self.exit.reason = REFUSED;
        self.exit.qualification = violation.qualification;
        Entered::Refused
    }

    fn load(&mut self, cpu: &mut Cpu, ia32e: bool) {
        if core::mem::take(&mut self.flush) {
            cpu.flush_tlb();
        }
        let efer = if cpu.vmx.entry & entry::LOAD_EFER != 0 {
            cpu.vmx.efer
        } else {
            // SDM vol. 3, 28.3.2.1; NXE and SCE would be the host's.
            let active = if ia32e {
                Cr::EFER_LMA | Cr::EFER_LME
            } else {
                0
            };
            cpu.vmx.efer & !(Cr::EFER_LMA | Cr::EFER_LME) | active
        };
        if efer != cpu.efer || self.dirty {
            cpu.efer = efer;
            cpu.update_mode();
        }
        self.dirty = false;
        self.flags = None;
    }
}
