//! Exceptions to EL1 and the return from them (Arm DDI 0487, D1.3), and the exceptions that instructions raise.

use super::access::exit;
use super::cpu::{Cpu, Exception, PSTATE_A, PSTATE_D, PSTATE_F, PSTATE_I, Trap, legal_mode};
use super::sysreg::Reg;
use crate::engine::software::dispatch::{Op, Stop};

/// Exception classes, in place (ESR bits \[31:26\]) and with IL set.
pub(crate) mod class {
    const IL: u64 = 1 << 25;
    pub(crate) const UNKNOWN: u64 = IL;
    pub(crate) const WFX: u64 = 0x01 << 26 | IL;
    pub(crate) const FP_ACCESS: u64 = 0x07 << 26 | IL;
    pub(crate) const ILLEGAL_STATE: u64 = 0x0e << 26 | IL;
    pub(crate) const SVC: u64 = 0x15 << 26 | IL;
    pub(crate) const HVC: u64 = 0x16 << 26 | IL;
    pub(crate) const SMC: u64 = 0x17 << 26 | IL;
    pub(crate) const SYSTEM: u64 = 0x18 << 26 | IL;
    pub(crate) const INSTRUCTION_ABORT_LOWER: u64 = 0x20 << 26 | IL;
    pub(crate) const PC_ALIGNMENT: u64 = 0x22 << 26 | IL;
    pub(crate) const DATA_ABORT_LOWER: u64 = 0x24 << 26 | IL;
    pub(crate) const SP_ALIGNMENT: u64 = 0x26 << 26 | IL;
    pub(crate) const BREAKPOINT_LOWER: u64 = 0x30 << 26 | IL;
    pub(crate) const STEP_LOWER: u64 = 0x32 << 26 | IL;
    pub(crate) const WATCHPOINT_LOWER: u64 = 0x34 << 26 | IL;
    pub(crate) const BRK: u64 = 0x3c << 26 | IL;
    /// What is added to a class when the exception is taken from the level that takes it.
    pub(crate) const SAME_LEVEL: u64 = 1 << 26;
    /// Of a syndrome.
    pub(crate) fn of(syndrome: u64) -> u64 {
        syndrome >> 26 & 0x3f
    }
}

/// Offsets in the vector table, from the entry for synchronous exceptions.
pub(crate) mod vector {
    pub(crate) const SYNCHRONOUS: u64 = 0;
    pub(crate) const IRQ: u64 = 0x80;
    pub(crate) const FIQ: u64 = 0x100;
    pub(crate) const SERROR: u64 = 0x180;
}

impl Cpu {
    /// Raises an exception to EL1 at the instruction of `op`.
    #[cold]
    pub(crate) fn raise(&mut self, op: &Op<Self>, syndrome: u64) -> Stop {
        self.stop(
            op,
            Trap::Exception(Exception {
                syndrome,
                far: None,
            }),
        )
    }

    /// Leaves to the VMM at the instruction of `op`.
    #[cold]
    pub(crate) fn leave(&mut self, op: &Op<Self>, syndrome: u64) -> Stop {
        self.stop(op, exit(syndrome, 0, 0))
    }

    /// The instruction does not exist, or not at this level.
    #[cold]
    pub(crate) fn undefined(&mut self, op: &Op<Self>) -> Stop {
        self.raise(op, class::UNKNOWN)
    }

    /// EL1 takes a synchronous exception; the program counter is the preferred return address.
    pub(crate) fn take_exception(&mut self, exception: Exception) {
        let mut syndrome = exception.syndrome;
        let by_level = matches!(class::of(syndrome), 0x20 | 0x24 | 0x30 | 0x32 | 0x34);
        if by_level && self.pstate.el1 {
            syndrome += class::SAME_LEVEL;
        }
        self.sys[Reg::ESR_EL1] = syndrome;
        if let Some(far) = exception.far {
            self.sys[Reg::FAR_EL1] = far;
        }
        self.enter_el1(vector::SYNCHRONOUS);
    }

    /// EL1 takes an exception through an entry of its vector table.
    pub(crate) fn enter_el1(&mut self, entry: u64) {
        let offset = match (self.pstate.el1, self.pstate.sp) {
            (false, _) => 0x400,
            (true, false) => 0,
            (true, true) => 0x200,
        };
        let sctlr = self.sys[Reg::SCTLR_EL1];
        self.sys[Reg::SPSR_EL1] = self.cpsr();
        self.sys[Reg::ELR_EL1] = self.pc;
        self.select_sp(true);
        let state = &mut self.pstate;
        state.el1 = true;
        state.daif = PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F;
        state.pan |= sctlr & (1 << 23) == 0;
        state.ss = false;
        state.il = false;
        state.dit = false;
        state.ssbs = sctlr & (1 << 44) != 0;
        self.pc = (self.sys[Reg::VBAR_EL1] & !0x7ff) + offset + entry;
        self.monitor = None;
        self.attend();
        self.update_mode();
    }

    /// ERET.
    pub(crate) fn exception_return(&mut self) {
        let status = self.sys[Reg::SPSR_EL1];
        self.pc = self.sys[Reg::ELR_EL1];
        self.monitor = None;
        self.event = true;
        if legal_mode(status) {
            // Software step becomes active with SS only where debug exceptions are enabled at the target.
            let step = self.step_enabled_after(status);
            self.set_cpsr(if step { status } else { status & !(1 << 21) });
            if self.context_tags_ignored() {
                self.pc = self.context.untagged(self.pc);
            }
        } else {
            // An illegal return keeps the level and sets PSTATE.IL (D1.3.4).
            let state = (self.pstate.el1, self.pstate.sp);
            let mode = if state.0 { 4 | u64::from(state.1) } else { 0 };
            self.set_cpsr(status & !0x1f & !(1 << 21) | 1 << 20 | mode);
        }
    }

    /// Branch targets lose their tag where the top byte is ignored.
    fn context_tags_ignored(&self) -> bool {
        self.pc != self.context.untagged(self.pc)
    }
}
