//! Accesses of the guest to system registers that the engine leaves to the VMM. `policy.rs` has default answers.

use super::exit::Exit;
use super::exits::IssSystemRegister;
use super::inject::Exception;
use super::sysreg::TrappedRegister;
use super::vcpu::Vcpu;
use crate::error::Error;

pub(super) fn system_register(vcpu: &mut Vcpu, iss: IssSystemRegister) -> Exit<'_> {
    let number = u16::from(iss.op0()) << 14
        | u16::from(iss.op1()) << 11
        | u16::from(iss.crn()) << 7
        | u16::from(iss.crm()) << 3
        | u16::from(iss.op2());
    let register = TrappedRegister(number);
    if iss.contains(IssSystemRegister::READ) {
        Exit::SystemRegisterRead(SystemRegisterRead {
            vcpu,
            register,
            rt: iss.rt(),
        })
    } else {
        Exit::SystemRegisterWrite(SystemRegisterWrite {
            vcpu,
            register,
            rt: iss.rt(),
        })
    }
}

/// A read of a system register that waits for its value.
#[derive(Debug)]
#[must_use]
pub struct SystemRegisterRead<'a> {
    vcpu: &'a mut Vcpu,
    register: TrappedRegister,
    rt: u8,
}

impl SystemRegisterRead<'_> {
    /// Which register, by its packed number; unknown ones print it.
    #[must_use]
    pub fn register(&self) -> TrappedRegister {
        self.register
    }

    /// The vCPU, for anything that the guard does not offer.
    pub fn vcpu(&mut self) -> &mut Vcpu {
        self.vcpu
    }

    /// Answers the read and goes on behind the instruction. What a register has that nobody knows: 0.
    ///
    /// # Errors
    /// [`Error::Call`] or [`Error::Row`] if the engine refuses.
    pub fn finish(self, value: u64) -> Result<(), Error> {
        self.vcpu.set_x(self.rt, value)?;
        self.vcpu.advance()
    }

    /// Ends the instruction with an exception instead.
    ///
    /// # Errors
    /// As [`Vcpu::inject`].
    pub fn fault(self, exception: Exception) -> Result<(), Error> {
        self.vcpu.inject(exception)
    }

    /// Tells the guest that the register does not exist: an Undefined exception.
    ///
    /// # Errors
    /// As [`Vcpu::inject`].
    pub fn undefined(self) -> Result<(), Error> {
        self.fault(Exception::UNDEFINED)
    }
}

/// A write of a system register, or a system instruction, that waits for its effect.
#[derive(Debug)]
#[must_use]
pub struct SystemRegisterWrite<'a> {
    vcpu: &'a mut Vcpu,
    register: TrappedRegister,
    rt: u8,
}

impl SystemRegisterWrite<'_> {
    /// Which register, by its packed number; unknown ones print it.
    #[must_use]
    pub fn register(&self) -> TrappedRegister {
        self.register
    }

    /// What the guest writes.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn value(&self) -> Result<u64, Error> {
        self.vcpu.x(self.rt)
    }

    /// The vCPU, for anything that the guard does not offer.
    pub fn vcpu(&mut self) -> &mut Vcpu {
        self.vcpu
    }

    /// Goes on behind the instruction.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.advance()
    }

    /// Ends the instruction with an exception instead.
    ///
    /// # Errors
    /// As [`Vcpu::inject`].
    pub fn fault(self, exception: Exception) -> Result<(), Error> {
        self.vcpu.inject(exception)
    }

    /// Tells the guest that the register does not exist: an Undefined exception.
    ///
    /// # Errors
    /// As [`Vcpu::inject`].
    pub fn undefined(self) -> Result<(), Error> {
        self.fault(Exception::UNDEFINED)
    }
}
