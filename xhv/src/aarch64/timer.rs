//! The virtual timer of a vCPU: mask, offset, and the protocol by which a VMM delivers its interrupt.

use super::sysreg::{self, CntCtl};
use super::vcpu::Vcpu;
use crate::engine::aarch64 as engine;
use crate::error::Error;

impl Vcpu {
    /// Whether the virtual timer is masked: it is after each [`Exit::VtimerActivated`](super::Exit::VtimerActivated).
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn vtimer_mask(&self) -> Result<bool, Error> {
        self.call("hv_vcpu_get_vtimer_mask", self.engine.get_vtimer_mask())
    }

    /// Masks or unmasks the virtual timer. Unmask it when the guest has dealt with its interrupt, or it stays silent.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_vtimer_mask(&mut self, masked: bool) -> Result<(), Error> {
        let result = self.engine.set_vtimer_mask(masked);
        self.call("hv_vcpu_set_vtimer_mask", result)
    }

    /// What the guest's virtual counter lags behind [`Vcpu::counter`], in ticks.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn vtimer_offset(&self) -> Result<u64, Error> {
        self.call("hv_vcpu_get_vtimer_offset", self.engine.get_vtimer_offset())
    }

    /// Sets the offset: the guest's CNTVCT_EL0 is [`Vcpu::counter`] less this. Give all vCPUs of a VM the same.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_vtimer_offset(&mut self, offset: u64) -> Result<(), Error> {
        let result = self.engine.set_vtimer_offset(offset);
        self.call("hv_vcpu_set_vtimer_offset", result)
    }

    /// Ticks a second of the guest's counters: what CNTFRQ_EL0 says.
    pub const COUNTER_FREQUENCY: u64 = engine::COUNTER_FREQUENCY;

    /// The host's counter in the ticks of CNTVCT_EL0: 24 MHz.
    #[must_use]
    pub fn counter() -> u64 {
        engine::counter()
    }

    /// Ticks until the virtual timer fires: 0 if its condition is met, `None` if it is off or its interrupt masked.
    ///
    /// # Errors
    /// [`Error::Row`] or [`Error::Call`] if the engine refuses.
    pub fn vtimer_remaining(&self) -> Result<Option<u64>, Error> {
        let control = self.read(sysreg::CNTV_CTL_EL0)?;
        if !control.contains(CntCtl::ENABLE) || control.contains(CntCtl::IMASK) {
            return Ok(None);
        }
        let now = engine::counter().wrapping_sub(self.vtimer_offset()?);
        let due = self.read(sysreg::CNTV_CVAL_EL0)?;
        Ok(Some(due.saturating_sub(now)))
    }

    /// The level of the virtual timer's interrupt, for VMMs that see no end of interrupt: call it after each exit, and give the level to
    /// your interrupt controller. Once the guest has quieted the timer it is unmasked here, so that it can fire again.
    ///
    /// # Errors
    /// [`Error::Row`] or [`Error::Call`] if the engine refuses.
    pub fn vtimer_line(&mut self) -> Result<bool, Error> {
        if !self.vtimer_mask()? {
            return Ok(false);
        }
        let control = self.read(sysreg::CNTV_CTL_EL0)?;
        let asserted =
            control.contains(CntCtl::ENABLE | CntCtl::ISTATUS) && !control.contains(CntCtl::IMASK);
        if !asserted {
            self.set_vtimer_mask(false)?;
        }
        Ok(asserted)
    }
}
