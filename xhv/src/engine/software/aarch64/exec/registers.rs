//! Accesses to system registers that have more to them than a value.

use super::super::cpu::{Cpu, PSTATE_A, PSTATE_F, PSTATE_I};
use super::super::flags::Flags;
use super::super::sysreg::{Kind, Reg, ccsidr, lookup};
use super::system::{register_number, trapped};
use crate::engine::software::dispatch::{Op, Stop};

/// Who answers an access to a register that the table does not have.
enum Absent {
    /// The VMM.
    Exit,
    /// Reads as zero.
    Zero,
    /// Nobody.
    Undefined,
}

/// Registers that real systems trap to the VMM, and the space of identification registers.
fn absent(number: u16) -> Absent {
    let (op0, op1) = (number >> 14, number >> 11 & 7);
    let (crn, crm) = (number >> 7 & 15, number >> 3 & 15);
    match (op0, op1, crn, crm) {
        // Debug registers that are not here, the OS lock among them.
        (2, 0, _, _) | (2, 3, 0, 1..=7) => Absent::Exit,
        // Performance monitors.
        (3, 0, 9, 14) | (3, 3, 9, 12..=14) | (3, 3, 14, 8..) => Absent::Exit,
        // Limited ordering regions, the GIC's CPU interface, registers of the implementation.
        (3, 0, 10, 4) | (3, 0, 4, 6) | (3, 0, 12, 8..=12) | (3, _, 11 | 15, _) => Absent::Exit,
        (3, 0, 0, 1..=7) => Absent::Zero,
        _ => Absent::Undefined,
    }
}

impl Cpu {
    /// MRS; the access has been found allowed for the level as far as the encoding tells.
    pub(crate) fn read_register(&mut self, op: &Op<Self>) -> Result<u64, Stop> {
        let word = op.imm as u32;
        let number = register_number(word);
        if let Some(result) = self.debug_register(op, number, None) {
            return result;
        }
        if let Some(result) = self.gic_register(op, number, None) {
            return result;
        }
        let Some(info) = lookup(number) else {
            return match absent(number) {
                Absent::Exit if self.pstate.el1 => Err(self.leave(op, trapped(word))),
                Absent::Exit if number >> 7 & 15 == 9 || number >> 7 & 15 == 14 => {
                    Err(self.raise(op, trapped(word)))
                }
                Absent::Zero => Ok(0),
                _ => Err(self.undefined(op)),
            };
        };
        match info.kind {
            Kind::Special => self.read_special(op, info.reg),
            Kind::Vmm => Err(self.undefined(op)),
            Kind::Exits => Err(self.leave(op, trapped(word))),
            _ => Ok(self.sys[info.reg]),
        }
    }

    fn read_special(&mut self, op: &Op<Self>, reg: Reg) -> Result<u64, Stop> {
        let word = op.imm as u32;
        let sctlr = self.sys[Reg::SCTLR_EL1];
        let trap_el0 = |enable: u32| !self.pstate.el1 && sctlr >> enable & 1 == 0;
        Ok(match reg {
            Reg::SP_EL0 if !self.pstate.sp => return Err(self.undefined(op)),
            Reg::SP_EL0 => *self.stack_pointer(false),
            Reg::SPSel => u64::from(self.pstate.sp),
            Reg::CurrentEL => u64::from(self.pstate.el1) << 2,
            Reg::PAN => u64::from(self.pstate.pan) << 22,
            Reg::ISR_EL1 => self.interrupt_status(),
            Reg::CCSIDR_EL1 => {
                let select = self.sys[Reg::CSSELR_EL1];
                ccsidr(select >> 1 & 7, select & 1 != 0)
            }
            Reg::CTR_EL0 if trap_el0(15) => return Err(self.raise(op, trapped(word))),
            Reg::CTR_EL0 => self.sys[Reg::CTR_EL0],
            Reg::DCZID_EL0 => self.sys[Reg::DCZID_EL0] | u64::from(trap_el0(14)) << 4,
            Reg::NZCV => self.flags.bits(),
            Reg::DAIF if trap_el0(9) => return Err(self.raise(op, trapped(word))),
            Reg::DAIF => self.pstate.daif,
            Reg::DIT => u64::from(self.pstate.dit) << 24,
            Reg::SSBS => u64::from(self.pstate.ssbs) << 12,
            Reg::FPCR | Reg::FPSR => {
                self.fp_enabled(op)?;
                if reg == Reg::FPCR {
                    self.fpcr
                } else {
                    self.fpsr
                }
            }
            Reg::SCXTNUM_EL0 => return Err(self.undefined(op)),
            _ => return self.timer_register(op, reg, None),
        })
    }

    /// MSR; the access has been found allowed for the level as far as the encoding tells.
    pub(crate) fn write_register(&mut self, op: &Op<Self>, value: u64) -> Result<(), Stop> {
        let word = op.imm as u32;
        let number = register_number(word);
        if let Some(result) = self.debug_register(op, number, Some(value)) {
            return result.map(|_| ());
        }
        if let Some(result) = self.gic_register(op, number, Some(value)) {
            return result.map(|_| ());
        }
        let Some(info) = lookup(number) else {
            return Err(match absent(number) {
                Absent::Exit if self.pstate.el1 => self.leave(op, trapped(word)),
                Absent::Exit if number >> 7 & 15 == 9 || number >> 7 & 15 == 14 => {
                    self.raise(op, trapped(word))
                }
                _ => self.undefined(op),
            });
        };
        match info.kind {
            Kind::Id | Kind::Vmm => return Err(self.undefined(op)),
            Kind::UserRead if !self.pstate.el1 => return Err(self.undefined(op)),
            Kind::Exits => return Err(self.leave(op, trapped(word))),
            Kind::Special => return self.write_special(op, info.reg, value),
            Kind::Control => self.write_control(info.reg, value),
            Kind::Plain | Kind::User | Kind::UserRead => self.sys[info.reg] = value,
        }
        Ok(())
    }

    /// Writes a register that decides about translation, or about what instructions do.
    pub(crate) fn write_control(&mut self, reg: Reg, value: u64) {
        let before = core::mem::replace(&mut self.sys[reg], value);
        match reg {
            Reg::TTBR0_EL1 | Reg::TTBR1_EL1 => {
                if before != value {
                    self.table_base_changed(reg == Reg::TTBR1_EL1, value);
                }
            }
            Reg::CPACR_EL1 => self.update_mode(),
            _ if before == value => {}
            _ => self.update_context(),
        }
    }

    fn write_special(&mut self, op: &Op<Self>, reg: Reg, value: u64) -> Result<(), Stop> {
        match reg {
            Reg::SP_EL0 if !self.pstate.sp => return Err(self.undefined(op)),
            Reg::SP_EL0 => *self.stack_pointer(false) = value,
            Reg::SPSel => self.select_sp(value & 1 != 0),
            Reg::PAN => self.pstate.pan = value >> 22 & 1 != 0,
            Reg::NZCV => self.flags = Flags::from_bits(value),
            Reg::DAIF => {
                if !self.pstate.el1 && self.sys[Reg::SCTLR_EL1] & (1 << 9) == 0 {
                    return Err(self.raise(op, trapped(op.imm as u32)));
                }
                self.pstate.daif = value & 0x3c0;
            }
            Reg::DIT => self.pstate.dit = value >> 24 & 1 != 0,
            Reg::SSBS => self.pstate.ssbs = value >> 12 & 1 != 0,
            Reg::FPCR | Reg::FPSR => {
                self.fp_enabled(op)?;
                if reg == Reg::FPCR {
                    self.fpcr = value & super::super::fp::FPCR_MASK;
                } else {
                    self.fpsr = value & super::super::fp::FPSR_MASK;
                }
            }
            Reg::CurrentEL
            | Reg::ISR_EL1
            | Reg::CCSIDR_EL1
            | Reg::CTR_EL0
            | Reg::DCZID_EL0
            | Reg::SCXTNUM_EL0 => return Err(self.undefined(op)),
            _ => return self.timer_register(op, reg, Some(value)).map(|_| ()),
        }
        self.attend();
        self.update_mode();
        Ok(())
    }

    /// Raises the trap of `CPACR_EL1.FPEN` if it is on.
    pub(crate) fn fp_enabled(&mut self, op: &Op<Self>) -> Result<(), Stop> {
        if self.mode.has(super::super::cpu::Mode::FP) {
            return Ok(());
        }
        Err(self.raise(
            op,
            super::super::exception::class::FP_ACCESS | 1 << 24 | 0xe << 20,
        ))
    }

    /// `ISR_EL1`
    fn interrupt_status(&self) -> u64 {
        let (irq, fiq, serror) = self.pending();
        let bit = |on, bit| if on { bit } else { 0 };
        bit(irq, PSTATE_I) | bit(fiq, PSTATE_F) | bit(serror, PSTATE_A)
    }
}
