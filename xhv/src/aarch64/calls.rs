//! Exits that a guest asks for: HVC, SMC, WFI and WFE. `psci.rs` says what calls mean.

use core::time::Duration;

use super::exits::{IssCall, IssWfx, IssWfxTi};
use super::inject::Exception;
use super::vcpu::{Interrupt, Vcpu};
use crate::engine::aarch64 as engine;
use crate::error::Error;

/// What HVC and SMC have in common.
#[derive(Debug)]
struct Call<'a> {
    vcpu: &'a mut Vcpu,
    immediate: u16,
}

macro_rules! call {
    ($(#[$doc:meta])* $name:ident, $finished:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use]
        pub struct $name<'a>(Call<'a>);

        impl<'a> $name<'a> {
            pub(super) fn new(vcpu: &'a mut Vcpu, iss: IssCall) -> Self {
                let immediate = iss.imm16();
                Self(Call { vcpu, immediate })
            }
        }

        impl $name<'_> {
            /// Immediate of the instruction.
            #[must_use]
            pub fn immediate(&self) -> u16 {
                self.0.immediate
            }

            /// What SMCCC calls the function identifier: W0.
            ///
            /// # Errors
            /// [`Error::Call`] if the engine refuses.
            pub fn function(&self) -> Result<u32, Error> {
                Ok(self.0.vcpu.x(0)? as u32)
            }

            /// Register Xn, 0 to 30, where callers put their arguments.
            ///
            /// # Errors
            /// [`Error::Argument`] for other numbers; [`Error::Call`] if the engine refuses.
            pub fn argument(&self, number: u8) -> Result<u64, Error> {
                self.0.vcpu.x(number)
            }

            /// The vCPU, for anything that the guard does not offer.
            pub fn vcpu(&mut self) -> &mut Vcpu {
                self.0.vcpu
            }

            /// Puts the result into X0 and goes on behind the instruction.
            ///
            /// # Errors
            /// [`Error::Call`] or [`Error::Row`] if the engine refuses.
            pub fn finish(self, result: u64) -> Result<(), Error> {
                self.finish_with(&[result])
            }

            /// Puts results into X0 and up, 31 at most, and goes on behind the instruction; none leaves every register alone.
            ///
            /// # Errors
            /// [`Error::Argument`] for more than 31; [`Error::Call`] or [`Error::Row`] if the engine refuses.
            pub fn finish_with(self, results: &[u64]) -> Result<(), Error> {
                if results.len() > 31 {
                    return Err(Error::Argument {
                        call: "finish_with",
                        why: format!("{} results, and there are 31 registers", results.len()),
                    });
                }
                for (number, &result) in (0..).zip(results) {
                    self.0.vcpu.set_x(number, result)?;
                }
                let finished: fn(&mut Vcpu) -> Result<(), Error> = $finished;
                finished(self.0.vcpu)
            }

            /// Tells the guest that the instruction does not exist: an Undefined exception.
            ///
            /// # Errors
            /// [`Error::Row`] if the engine refuses.
            pub fn undefined(self) -> Result<(), Error> {
                self.0.vcpu.undo(Self::PC_BEHIND)?;
                self.0.vcpu.inject(Exception::UNDEFINED)
            }
        }
    };
}

call! {
    /// A hypervisor call that waits for its result. PC is behind the instruction already: an unanswered one does not come again.
    Hvc, |_| Ok(())
}
call! {
    /// A secure monitor call that waits for its result.
    Smc, Vcpu::advance
}

impl Hvc<'_> {
    const PC_BEHIND: bool = true;
}

impl Smc<'_> {
    const PC_BEHIND: bool = false;
}

impl Vcpu {
    fn undo(&mut self, behind: bool) -> Result<(), Error> {
        if behind {
            let pc = self.read(super::reg::PC)?;
            self.write(super::reg::PC, pc.wrapping_sub(4))?;
        }
        Ok(())
    }
}

/// The guest waits.
#[derive(Debug)]
#[must_use]
pub struct Wfx<'a> {
    vcpu: &'a mut Vcpu,
    iss: IssWfx,
}

impl<'a> Wfx<'a> {
    pub(super) fn new(vcpu: &'a mut Vcpu, iss: IssWfx) -> Self {
        Self { vcpu, iss }
    }
}

impl Wfx<'_> {
    /// For an event (WFE) rather than an interrupt (WFI).
    #[must_use]
    pub fn is_event(&self) -> bool {
        matches!(self.iss.ti(), IssWfxTi::WFE | IssWfxTi::WFET)
    }

    /// How long the guest would sleep if no other interrupt came: until its virtual timer fires. `None`: for ever.
    ///
    /// # Errors
    /// [`Error::Row`] or [`Error::Call`] if the engine refuses.
    pub fn timeout(&self) -> Result<Option<Duration>, Error> {
        let timer = self.vcpu.vtimer_remaining()?;
        let with_timeout = matches!(self.iss.ti(), IssWfxTi::WFIT | IssWfxTi::WFET)
            && self.iss.contains(IssWfx::RV);
        let own = if with_timeout {
            let now = Vcpu::counter().wrapping_sub(self.vcpu.vtimer_offset()?);
            Some(self.vcpu.x(self.iss.rn())?.saturating_sub(now))
        } else {
            None
        };
        let ticks = timer.into_iter().chain(own).min();
        Ok(ticks.map(engine::duration))
    }

    /// The vCPU, for anything that the guard does not offer.
    pub fn vcpu(&mut self) -> &mut Vcpu {
        self.vcpu
    }

    /// Goes on behind the instruction at once: the guest looks again by itself.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.advance()
    }

    /// Goes on behind the instruction after having slept until the guest's timer fires, an interrupt line is asserted, or somebody
    /// cancels, pauses or gives work to the vCPU; `limit` at most. WFE does not sleep for long, as its events are not seen.
    ///
    /// # Errors
    /// [`Error::Row`] or [`Error::Call`] if the engine refuses.
    pub fn wait(self, limit: Duration) -> Result<(), Error> {
        const EVENT_NAP: Duration = Duration::from_micros(100);
        let asserted = Interrupt::BOTH
            .iter()
            .any(|&line| self.vcpu.interrupt_line(line));
        if !asserted {
            let limit = if self.is_event() {
                limit.min(EVENT_NAP)
            } else {
                limit
            };
            let time = self.timeout()?.map_or(limit, |until| until.min(limit));
            self.vcpu.control.wait_for_request(time);
        }
        self.vcpu.advance()
    }
}
