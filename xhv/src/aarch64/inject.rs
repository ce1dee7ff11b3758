//! Exceptions that a VMM raises in the guest: what a processor does when it takes one to EL1, done through the registers.

use super::exits::Esr;
use super::reg::{PC, Spsr, SpsrM};
use super::sysreg::{ELR_EL1, ESR_EL1, FAR_EL1, SCTLR_EL1, SPSR_EL1, Sctlr, VBAR_EL1};
use super::vcpu::Vcpu;
use super::{exits, reg};
use crate::error::Error;

/// A synchronous exception to be taken to EL1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// What ESR_EL1 says; the exception class of aborts is made to fit the level that it comes from.
    pub syndrome: Esr,
    /// What FAR_EL1 says, for exceptions that write it.
    pub address: Option<u64>,
}

impl Exception {
    /// The instruction does not exist.
    pub const UNDEFINED: Self = Self {
        syndrome: Esr::IL,
        address: None,
    };

    /// A data access got no answer.
    #[must_use]
    pub fn external_abort(address: u64, write: bool) -> Self {
        let mut iss = exits::IssDataAbort::empty().with_dfsc(exits::FaultStatus::EXTERNAL);
        iss.set(exits::IssDataAbort::WNR, write);
        Self {
            syndrome: Esr::IL
                .with_ec(exits::SyndromeReason::DATA_ABORT)
                .with_iss(iss.bits()),
            address: Some(address),
        }
    }

    /// The class as it is when the exception comes from EL0.
    fn at_lower_level(self) -> Self {
        let class = match self.syndrome.ec() {
            exits::SyndromeReason::DATA_ABORT => exits::SyndromeReason::DATA_ABORT_LOWER,
            exits::SyndromeReason::INSTRUCTION_ABORT => {
                exits::SyndromeReason::INSTRUCTION_ABORT_LOWER
            }
            exits::SyndromeReason::BREAKPOINT => exits::SyndromeReason::BREAKPOINT_LOWER,
            exits::SyndromeReason::STEP => exits::SyndromeReason::STEP_LOWER,
            exits::SyndromeReason::WATCHPOINT => exits::SyndromeReason::WATCHPOINT_LOWER,
            other => other,
        };
        Self {
            syndrome: self.syndrome.with_ec(class),
            ..self
        }
    }
}

/// Offsets in the vector table (Arm ARM DDI 0487, D1.3.1): synchronous, from where.
const FROM_EL1_SP0: u64 = 0x000;
const FROM_EL1_SPX: u64 = 0x200;
const FROM_EL0: u64 = 0x400;
const FROM_EL0_AARCH32: u64 = 0x600;

impl Vcpu {
    /// Has the guest take a synchronous exception to EL1 at its current instruction. For guests without an EL2 of their own.
    ///
    /// # Errors
    /// [`Error::Argument`] if the guest is at EL2; [`Error::Row`] if the engine refuses.
    pub fn inject(&mut self, exception: Exception) -> Result<(), Error> {
        let pstate = self.read(reg::CPSR)?;
        let (offset, exception) = match pstate.m() {
            SpsrM::EL0T => (FROM_EL0, exception.at_lower_level()),
            SpsrM::EL1T => (FROM_EL1_SP0, exception),
            SpsrM::EL1H => (FROM_EL1_SPX, exception),
            mode if mode.0 & 0x10 != 0 => (FROM_EL0_AARCH32, exception.at_lower_level()),
            mode => {
                return Err(Error::Argument {
                    call: "Vcpu::inject",
                    why: format!("the guest is at {mode:?}, and exceptions are injected into EL1"),
                });
            }
        };
        let pc = self.read(PC)?;
        self.write(SPSR_EL1, pstate)?;
        self.write(ELR_EL1, pc)?;
        self.write(ESR_EL1, exception.syndrome)?;
        if let Some(address) = exception.address {
            self.write(FAR_EL1, address)?;
        }
        let control = self.read(SCTLR_EL1)?;
        self.write(reg::CPSR, entered(pstate, control))?;
        let vectors = self.read(VBAR_EL1)?.bits();
        self.write(PC, (vectors & !0x7ff) + offset)
    }
}

/// PSTATE behind the entry to EL1 (Arm ARM DDI 0487, AArch64.TakeException).
fn entered(pstate: Spsr, control: Sctlr) -> Spsr {
    let kept = Spsr::N | Spsr::Z | Spsr::C | Spsr::V | Spsr::DIT | Spsr::PAN;
    let mut new = (pstate & kept).with_m(SpsrM::EL1H);
    new.insert(Spsr::D | Spsr::A | Spsr::I | Spsr::F);
    if !control.contains(Sctlr::SPAN) {
        new.insert(Spsr::PAN);
    }
    new.set(Spsr::SSBS, control.contains(Sctlr::DSSBS));
    new.set(
        Spsr::ALLINT,
        control.contains(Sctlr::NMI) && !control.contains(Sctlr::SPINTMASK),
    );
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_masks_and_keeps_flags() {
        let from = Spsr::N | Spsr::UAO | Spsr::SS;
        let new = entered(from, Sctlr::empty());
        assert_eq!(new.bits(), 0x8040_03c5);
        let new = entered(from, Sctlr::SPAN);
        assert_eq!(new.bits(), 0x8000_03c5);
    }

    #[test]
    fn aborts_name_the_level_they_come_from() {
        let abort = Exception::external_abort(0x1234, true);
        assert_eq!(abort.syndrome.bits(), 0x9600_0050);
        assert_eq!(abort.at_lower_level().syndrome.bits(), 0x9200_0050);
    }
}
