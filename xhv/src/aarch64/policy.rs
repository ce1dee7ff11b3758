//! Default answers to trapped system registers, for VMMs that have none of their own.

use super::sysreg::TrappedRegister;
use super::trapped::{SystemRegisterRead, SystemRegisterWrite};
use super::vcpu::Vcpu;
use crate::error::Error;

/// What a default answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answered {
    /// The register is one that does nothing here: it reads as zero, writes are ignored.
    Ignored,
    /// A counter was read.
    Value(u64),
    /// Nobody knows the register. It was treated as one that does nothing: newer systems trap more, and a guest that finds its debug or
    /// performance registers dead goes on. Worth a line in a log.
    Unknown(TrappedRegister),
}

/// What a trapped register reads as.
///
/// # Errors
/// [`Error::Call`] if the engine refuses.
pub fn read(vcpu: &Vcpu, register: TrappedRegister) -> Result<Answered, Error> {
    /// OS lock status: unlocked, and implemented the way that all processors do.
    const OSLSR: u64 = 1 << 3;
    Ok(match register {
        TrappedRegister::OSLSR_EL1 => Answered::Value(OSLSR),
        TrappedRegister::CNTPCT_EL0 | TrappedRegister::CNTPCTSS_EL0 => {
            Answered::Value(Vcpu::counter())
        }
        TrappedRegister::CNTVCT_EL0 | TrappedRegister::CNTVCTSS_EL0 => {
            Answered::Value(Vcpu::counter().wrapping_sub(vcpu.vtimer_offset()?))
        }
        TrappedRegister::CNTFRQ_EL0 => Answered::Value(Vcpu::COUNTER_FREQUENCY),
        known if is_named(known) => Answered::Ignored,
        unknown => Answered::Unknown(unknown),
    })
}

fn is_named(register: TrappedRegister) -> bool {
    let number = u128::from(register.0);
    TrappedRegister::VALUES
        .iter()
        .any(|row| row.value == number)
}

impl SystemRegisterRead<'_> {
    /// Answers as [`read`] says, and tells what that was.
    ///
    /// # Errors
    /// [`Error::Call`] or [`Error::Row`] if the engine refuses.
    pub fn finish_default(mut self) -> Result<Answered, Error> {
        let register = self.register();
        let answer = read(self.vcpu(), register)?;
        let value = match answer {
            Answered::Value(value) => value,
            _ => 0,
        };
        self.finish(value)?;
        Ok(answer)
    }
}

impl SystemRegisterWrite<'_> {
    /// Ignores the write, and tells whether the register is known.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish_default(self) -> Result<Answered, Error> {
        let register = self.register();
        self.finish()?;
        Ok(if is_named(register) {
            Answered::Ignored
        } else {
            Answered::Unknown(register)
        })
    }
}
