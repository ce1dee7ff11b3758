//! The generic timer: counters, and the virtual timer with the framework's mask (the physical one needs a GIC).

use super::cpu::Cpu;
use super::exec::system::trapped;
use super::gic::{PHYSICAL_TIMER, VIRTUAL_TIMER};
use super::sysreg::Reg;
use crate::engine::software::dispatch::{Op, Stop};

/// Ticks in a second.
pub(crate) use crate::engine::aarch64::COUNTER_FREQUENCY as FREQUENCY;

/// Bits of `CNT*_CTL_EL0`.
mod control {
    pub(super) const ENABLE: u64 = 1;
    pub(super) const IMASK: u64 = 2;
    pub(super) const ISTATUS: u64 = 4;
}

/// One comparator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparator {
    /// ENABLE and IMASK of the control register.
    pub(crate) control: u64,
    /// Compare value.
    pub(crate) value: u64,
}

impl Comparator {
    /// The control register, ISTATUS included.
    pub(crate) fn control(&self, now: u64) -> u64 {
        let met = self.control & control::ENABLE != 0 && now >= self.value;
        self.control | if met { control::ISTATUS } else { 0 }
    }

    /// Whether the timer asserts its interrupt.
    pub(crate) fn asserted(&self, now: u64) -> bool {
        self.control(now) & 7 == control::ENABLE | control::ISTATUS
    }

    /// When it will assert, unless it does so already, or never will.
    pub(crate) fn deadline(&self, now: u64) -> Option<u64> {
        (self.control == control::ENABLE && now < self.value).then_some(self.value)
    }

    fn set_control(&mut self, value: u64) {
        self.control = value & (control::ENABLE | control::IMASK);
    }
}

/// The timers of a vCPU.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timer {
    /// `hv_vcpu_set_vtimer_mask`
    pub(crate) masked: bool,
    /// What the virtual counter is behind the host's.
    pub(crate) offset: u64,
    pub(crate) virt: Comparator,
    pub(crate) phys: Comparator,
    /// What the GIC knows the virtual and the physical timer to assert.
    pub(crate) told: [bool; 2],
}

pub(crate) use crate::engine::aarch64::counter;

impl Timer {
    /// `CNTVCT_EL0`
    pub(crate) fn virtual_count(&self) -> u64 {
        counter().wrapping_sub(self.offset)
    }

    /// Whether the virtual timer asserts its interrupt.
    pub(crate) fn virtual_asserted(&self) -> bool {
        self.virt.control & 3 == control::ENABLE && self.virt.asserted(self.virtual_count())
    }
}

impl Timer {
    /// Whether the physical timer asserts its interrupt.
    pub(crate) fn physical_asserted(&self) -> bool {
        self.phys.control & 3 == control::ENABLE && self.phys.asserted(counter())
    }

    /// Ticks until a timer asserts that does not yet.
    pub(crate) fn next_deadline(&self) -> u64 {
        let (virtual_now, now) = (self.virtual_count(), counter());
        let virt = self.virt.deadline(virtual_now).map(|at| at - virtual_now);
        let phys = self.phys.deadline(now).map(|at| at - now);
        virt.unwrap_or(u64::MAX).min(phys.unwrap_or(u64::MAX))
    }
}

impl Cpu {
    /// An access of the guest to a register of the timer: a write if there is a value.
    pub(crate) fn timer_register(
        &mut self,
        op: &Op<Self>,
        reg: Reg,
        value: Option<u64>,
    ) -> Result<u64, Stop> {
        let word = op.imm as u32;
        let enable = match reg {
            Reg::CNTFRQ_EL0 => 3,
            Reg::CNTPCT_EL0 => 1,
            Reg::CNTVCT_EL0 => 2,
            Reg::CNTV_TVAL_EL0 | Reg::CNTV_CTL_EL0 | Reg::CNTV_CVAL_EL0 => 1 << 8,
            Reg::CNTP_TVAL_EL0 | Reg::CNTP_CTL_EL0 | Reg::CNTP_CVAL_EL0 => 1 << 9,
            _ => return Err(self.undefined(op)),
        };
        if !self.pstate.el1 && self.sys[Reg::CNTKCTL_EL1] & enable == 0 {
            return Err(self.raise(op, trapped(word)));
        }
        let physical = enable == 1 << 9 || reg == Reg::CNTPCT_EL0;
        if physical && !self.shared.has_gic() {
            return Err(self.leave(op, trapped(word)));
        }
        match value {
            None => Ok(self.read_timer(reg)),
            Some(_) if enable < 4 => Err(self.undefined(op)),
            Some(value) => {
                self.write_timer(reg, value);
                self.update_timer_lines();
                self.attend();
                Ok(0)
            }
        }
    }

    /// Reads a register of the timer.
    pub(crate) fn read_timer(&self, reg: Reg) -> u64 {
        let (timer, physical) = (&self.timer, counter());
        let now = timer.virtual_count();
        match reg {
            Reg::CNTFRQ_EL0 => FREQUENCY,
            Reg::CNTPCT_EL0 => physical,
            Reg::CNTVCT_EL0 => now,
            Reg::CNTV_CTL_EL0 => timer.virt.control(now),
            Reg::CNTV_CVAL_EL0 => timer.virt.value,
            Reg::CNTV_TVAL_EL0 => u64::from(timer.virt.value.wrapping_sub(now) as u32),
            Reg::CNTP_CTL_EL0 => timer.phys.control(physical),
            Reg::CNTP_CVAL_EL0 => timer.phys.value,
            Reg::CNTP_TVAL_EL0 => u64::from(timer.phys.value.wrapping_sub(physical) as u32),
            _ => 0,
        }
    }

    /// Writes a register of the timer.
    pub(crate) fn write_timer(&mut self, reg: Reg, value: u64) {
        let now = self.timer.virtual_count();
        let ahead = value as i32 as u64;
        let timer = &mut self.timer;
        match reg {
            Reg::CNTV_CTL_EL0 => timer.virt.set_control(value),
            Reg::CNTV_CVAL_EL0 => timer.virt.value = value,
            Reg::CNTV_TVAL_EL0 => timer.virt.value = now.wrapping_add(ahead),
            Reg::CNTP_CTL_EL0 => timer.phys.set_control(value),
            Reg::CNTP_CVAL_EL0 => timer.phys.value = value,
            Reg::CNTP_TVAL_EL0 => timer.phys.value = counter().wrapping_add(ahead),
            _ => {}
        }
    }
}

impl Cpu {
    /// Tells the GIC what the timers assert, if that has changed.
    pub(crate) fn update_timer_lines(&mut self) {
        let Some(gic) = self.shared.gic() else {
            return;
        };
        let lines = [
            (VIRTUAL_TIMER, self.timer.virtual_asserted()),
            (PHYSICAL_TIMER, self.timer.physical_asserted()),
        ];
        for (at, (intid, level)) in lines.into_iter().enumerate() {
            if self.timer.told[at] != level {
                self.timer.told[at] = level;
                gic.set_ppi(self.number, intid, level);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparator_asserts_when_it_is_met() {
        let mut timer = Comparator {
            control: 1,
            value: 100,
        };
        assert_eq!((timer.control(99), timer.control(100)), (1, 5));
        assert!(!timer.asserted(99) && timer.asserted(100));
        assert_eq!((timer.deadline(99), timer.deadline(100)), (Some(100), None));
        timer.set_control(0xff);
        assert!(!timer.asserted(100));
        assert_eq!(timer.control(100), 7);
    }

    #[test]
    fn the_counter_goes_on() {
        let start = counter();
        std::thread::sleep(core::time::Duration::from_millis(2));
        assert!(counter() - start >= FREQUENCY / 1000);
    }
}
