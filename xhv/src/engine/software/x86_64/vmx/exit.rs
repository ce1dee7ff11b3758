//! What a VM exit leaves in the VMCS (Intel SDM vol. 3, 29.2 and 29.3).

use super::super::cpu::{Cpu, Cr, Exit, Shadow};
use super::super::events::timer_left;
use super::super::flags::Rflags;
use super::store::Vmcs;
use crate::x86_64::entry::field::{entry, exit, vmcs};

/// Reason of an exit that a host interrupt (here: a cancel) causes.
const EXTERNAL_INTERRUPT: u16 = 1;
const MONITOR_TRAP_FLAG: u16 = 37;
const TPR_BELOW_THRESHOLD: u16 = 43;
const PREEMPTION_TIMER: u16 = 52;
const EVENT_VALID: u32 = 1 << 31;
/// NMI unblocking due to IRET, in the qualification of an EPT violation.
const NMI_UNBLOCKING: u64 = 1 << 12;

/// The read-only fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExitFields {
    pub(crate) reason: u32,
    pub(crate) len: u32,
    pub(crate) info: u32,
    pub(crate) interruption: u32,
    pub(crate) error: u32,
    pub(crate) vectoring: u32,
    pub(crate) vectoring_error: u32,
    /// VM-instruction error.
    pub(crate) instruction_error: u32,
    pub(crate) qualification: u64,
    pub(crate) linear: u64,
    pub(crate) gpa: u64,
}

impl ExitFields {
    pub(super) fn read_32(&self, field: u32) -> u64 {
        u64::from(match field {
            vmcs::INSTRUCTION_ERROR => self.instruction_error,
            vmcs::EXIT_REASON => self.reason,
            vmcs::EXIT_INTERRUPTION => self.interruption,
            vmcs::EXIT_ERROR => self.error,
            vmcs::IDT_VECTORING => self.vectoring,
            vmcs::IDT_VECTORING_ERROR => self.vectoring_error,
            vmcs::EXIT_LENGTH => self.len,
            _ => self.info,
        })
    }

    pub(super) fn read_wide(&self, field: u32) -> u64 {
        match field {
            vmcs::LINEAR_ADDRESS => self.linear,
            // I/O RCX, RSI, RDI, RIP are valid after SMIs only.
            _ => 0,
        }
    }
}

/// The exit that a cancel makes.
pub(crate) fn canceled() -> Exit {
    Exit {
        reason: EXTERNAL_INTERRUPT,
        ..Exit::default()
    }
}

impl Vmcs {
    /// Records an exit, and saves what the exit controls ask for.
    pub(crate) fn record(&mut self, cpu: &mut Cpu, exit: &Exit) {
        self.save(cpu, exit.reason);
        let mut qualification = exit.qualification;
        let midway = core::mem::take(&mut cpu.midway) && exit.reason == EXTERNAL_INTERRUPT;
        let memory = matches!(exit.reason, 44 | 48 | 49);
        let delivering = exit.vectoring & EVENT_VALID != 0;
        if memory && !delivering || midway {
            let flags = cpu.flags() | Rflags::RF;
            cpu.set_flags(flags);
        }
        if !delivering && exit.reason == 48 && cpu.vmx.flight.nmi_unblocked {
            qualification |= NMI_UNBLOCKING;
        }
        let instruction = exit.len != 0 && exit.reason != 0;
        if instruction && !delivering && cpu.lazy.system & Rflags::RF != 0 {
            // SDM vol. 3, 29.3.3: 0 for instructions that exit, whatever it was. Events have set their image.
            let flags = cpu.flags() & !Rflags::RF;
            cpu.set_flags(flags);
        }
        self.exit = ExitFields {
            reason: exit.reason.into(),
            len: exit.len.into(),
            info: exit.info,
            interruption: exit.interruption,
            error: exit.error,
            vectoring: exit.vectoring,
            vectoring_error: exit.vectoring_error,
            instruction_error: self.exit.instruction_error,
            qualification,
            linear: exit.linear,
            gpa: exit.gpa,
        };
    }

    fn save(&mut self, cpu: &mut Cpu, reason: u16) {
        if !cpu.vmx.flight.entering {
            cpu.vmx.event &= !EVENT_VALID;
            // Debug exceptions stay pending over few exits, and where MOV SS holds them back (SDM vol. 3, 29.3.4).
            let kept = matches!(reason, MONITOR_TRAP_FLAG | TPR_BELOW_THRESHOLD);
            if !kept && cpu.shadow & Shadow::MOV_SS == 0 {
                cpu.pending_debug = 0;
            }
        }
        let controls = cpu.vmx.exit;
        if controls & exit::SAVE_EFER != 0 {
            cpu.vmx.efer = cpu.efer;
        }
        let ia32e = cpu.vmx.entry & entry::IA32E != 0;
        let long = cpu.efer & Cr::EFER_LMA != 0;
        if ia32e != long {
            cpu.vmx.entry ^= entry::IA32E;
            self.dirty = true;
        }
        if controls & exit::SAVE_TIMER != 0 {
            cpu.vmx.timer = match reason {
                PREEMPTION_TIMER => 0,
                _ => timer_left(cpu),
            };
        }
        cpu.vmx.flight.timer_end = None;
        cpu.vmx.flight.deadline = None;
    }
}
