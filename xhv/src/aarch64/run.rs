//! Running a vCPU: enters the guest until there is an exit that the client has to know of. `exit.rs` is what the client gets.
//!
//! Hidden here: kicks that nobody meant, writes to tracked pages, accesses that are allowed by now, cache maintenance of addresses without memory.

use super::exit::{self, Exit, RawExit};
use super::exits::{ExitReason, IssDataAbort, IssInstructionAbort, Syndrome, SyndromeReason};
use super::reg;
use super::vcpu::Vcpu;
use crate::error::Error;
use crate::exit_statistics::{ExitStatistics, Recorder};
use crate::guest_memory::Verdict;
use crate::handle::Request;
use crate::memory::Permissions;
use crate::trace::event;
use crate::typed::Named;

/// How often in a row the engine may say that it left the guest for an unknown reason before `run` passes that on.
const UNKNOWN_PATIENCE: u32 = 1000;
/// Exception classes have six bits; the other reasons are counted behind them.
const OTHER_REASONS: usize = 64;

/// How often a vCPU left the guest, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Returns of the engine's run call.
    pub entries: u64,
    /// Exits that were handed to the client.
    pub exits: u64,
    /// Exits that were dealt with here.
    pub hidden: u64,
}

impl Vcpu {
    /// Runs the guest until something happens that the VMM has to deal with, or it is canceled.
    ///
    /// An exit that needs an answer borrows the vCPU; dropping it unanswered makes it come again.
    ///
    /// # Errors
    /// [`Error::Call`] if the guest cannot be entered, with the likely cause.
    #[inline]
    pub fn run(&mut self) -> Result<Exit<'_>, Error> {
        if let Some(transfer) = &self.transfer {
            if transfer.pc == self.read(reg::PC)? {
                return exit::next_part(self);
            }
            // The client has sent the guest elsewhere.
            self.transfer = None;
        }
        let raw = self.enter()?;
        self.statistics.exits += 1;
        exit::decode(self, raw)
    }

    pub(super) fn enter(&mut self) -> Result<RawExit, Error> {
        self.control.begin();
        let result = self.enter_until_exit();
        self.control.end();
        self.pending = [false; 2];
        if let Ok(raw) = &result {
            self.last = *raw;
        }
        result
    }

    fn enter_until_exit(&mut self) -> Result<RawExit, Error> {
        let mut unknown = 0;
        let mut retried = None;
        loop {
            match self.control.request() {
                None => {}
                Some(Request::Cancel) => return Ok(RawExit::canceled()),
                Some(Request::Work) => {
                    while let Some(job) = self.jobs.clone().next() {
                        job(self);
                    }
                    continue;
                }
            }
            self.assert_lines()?;
            if let Some(recorder) = &mut self.recorder {
                recorder.enter();
            }
            let result = self.engine.run();
            let raw = RawExit::new(self.call("hv_vcpu_run", result)?);
            self.statistics.entries += 1;
            self.note_exit(&raw);
            match raw.reason {
                // Whether it was meant is told by the requests: one may have been taken before the engine saw its kick.
                ExitReason::CANCELED => {}
                ExitReason::UNKNOWN if unknown < UNKNOWN_PATIENCE => unknown += 1,
                ExitReason::EXCEPTION if retried != Some(raw) && self.settles(&raw)? => {
                    retried = Some(raw);
                }
                _ => return Ok(raw),
            }
            self.statistics.hidden += 1;
        }
    }

    /// Tells those who want to know of the exit.
    #[inline]
    fn note_exit(&mut self, raw: &RawExit) {
        event!(TRACE, vcpu = self.id(), reason = ?raw.reason, syndrome = ?raw.syndrome, "exit");
        if let Some(recorder) = &mut self.recorder {
            recorder.leave(match raw.reason {
                ExitReason::EXCEPTION => usize::from(raw.syndrome.ec().0),
                other => OTHER_REASONS + other.0 as usize,
            });
        }
    }

    /// Begins to count exits by reason, and the time in the guest and out of it; or ends it. Counting costs two looks at the clock for each exit.
    pub fn set_exit_statistics(&mut self, wanted: bool) {
        self.recorder = wanted.then(Recorder::new);
    }

    /// What was counted since [`Vcpu::set_exit_statistics`]; `None` if nothing is. Exceptions are told apart by their class.
    #[must_use]
    pub fn exit_statistics(&self) -> Option<ExitStatistics> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.statistics(|number| {
            let name = match number.checked_sub(OTHER_REASONS as u32) {
                Some(reason) => ExitReason(reason).value_name(),
                None => SyndromeReason(number as u8).value_name(),
            };
            name.map_or_else(|| format!("exception class {number:#x}"), str::to_owned)
        }))
    }

    /// Deals with exits that are nobody's business: writes to tracked pages, accesses that are allowed by now, cache maintenance of
    /// addresses without memory.
    #[inline]
    fn settles(&mut self, raw: &RawExit) -> Result<bool, Error> {
        let needed = match Syndrome::decode(raw.syndrome) {
            Syndrome::DataAbortLower(abort) => {
                if abort.iss.contains(IssDataAbort::CM) {
                    self.advance()?;
                    return Ok(true);
                }
                if abort.iss.contains(IssDataAbort::WNR) {
                    Permissions::READ | Permissions::WRITE
                } else {
                    Permissions::READ
                }
            }
            Syndrome::InstructionAbortLower(abort) => {
                if abort.iss.contains(IssInstructionAbort::S1PTW) {
                    Permissions::READ
                } else {
                    Permissions::EXECUTE
                }
            }
            _ => return Ok(false),
        };
        match self.vm.0.memory.judge(raw.physical_address.0, needed) {
            Verdict::Fault => Ok(false),
            Verdict::Retry => Ok(true),
            Verdict::Dirtied(start, size, permissions) => {
                self.vm.protect_engine(start, size, permissions)?;
                Ok(true)
            }
        }
    }
}
