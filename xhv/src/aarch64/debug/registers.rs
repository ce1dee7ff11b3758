//! Debug registers by number, and the guest's own accesses to them while the debugger holds them: done on the guest's values.

use crate::aarch64::exits::IssSystemRegister;
use crate::aarch64::inject::Exception;
use crate::aarch64::sysreg::{
    DBGBCR0_EL1, DBGBVR0_EL1, DBGWCR0_EL1, DBGWVR0_EL1, ID_AA64DFR0_EL1, MDSCR_EL1,
};
use crate::aarch64::vcpu::Vcpu;
use crate::error::Error;

/// Breakpoints or watchpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bank {
    Breakpoints,
    Watchpoints,
}

impl Bank {
    /// Packed numbers of value and control register `n`: CRm is the number.
    pub(super) fn pair(self, n: u8) -> (u16, u16) {
        let (value, control) = match self {
            Self::Breakpoints => (DBGBVR0_EL1.key(), DBGBCR0_EL1.key()),
            Self::Watchpoints => (DBGWVR0_EL1.key(), DBGWCR0_EL1.key()),
        };
        let crm = u16::from(n) << 3;
        (value as u16 | crm, control as u16 | crm)
    }
}

/// The packed number of the register that an access names.
fn number(iss: IssSystemRegister) -> u16 {
    u16::from(iss.op0()) << 14
        | u16::from(iss.op1()) << 11
        | u16::from(iss.crn()) << 7
        | u16::from(iss.crm()) << 3
        | u16::from(iss.op2())
}

/// Whether a trapped access is one to the registers that the debugger uses.
pub(super) fn is_debug_register(iss: IssSystemRegister) -> bool {
    let register = number(iss);
    let (first, ..) = Bank::Breakpoints.pair(0);
    // Operation 2 is 4 to 7 for the four kinds.
    let numbered = register & !(0xf << 3) & !3 == first;
    numbered || u32::from(register) == MDSCR_EL1.key()
}

impl Vcpu {
    /// A debug register by number.
    pub(super) fn debug_register(&self, number: u16) -> Result<u64, Error> {
        self.call("hv_vcpu_get_sys_reg", self.engine.get_sys_reg(number))
    }

    /// Writes a debug register by number.
    pub(super) fn set_debug_register(&mut self, number: u16, value: u64) -> Result<(), Error> {
        let result = self.engine.set_sys_reg(number, value);
        self.call("hv_vcpu_set_sys_reg", result)
    }

    /// Does the access that exited.
    pub(super) fn access_debug_register(&mut self, iss: IssSystemRegister) -> Result<(), Error> {
        let register = number(iss);
        if u32::from(register) != MDSCR_EL1.key() {
            let features = self.read(ID_AA64DFR0_EL1)?;
            let last = if iss.op2() < 6 {
                features.brps()
            } else {
                features.wrps()
            };
            if iss.crm() > last {
                return self.inject(Exception::UNDEFINED);
            }
        }
        if iss.contains(IssSystemRegister::READ) {
            let value = self.debug_register(register)?;
            self.set_x(iss.rt(), value)?;
        } else {
            let value = self.x(iss.rt())?;
            self.set_debug_register(register, value)?;
        }
        self.advance()
    }
}
