//! The default policy for all exits at once: a machine whose bus has nobody on it. `policy` and `psci` have the answers one by one.

use core::time::Duration;

use super::exit::Exit;
use super::psci::{Psci, result};
use crate::error::Error;

/// The longest sleep in WFI: somebody may have changed a line without a word.
const NAP: Duration = Duration::from_millis(100);

/// Calls to the firmware differ in type only.
macro_rules! firmware {
    ($call:expr) => {
        match $call.psci()? {
            Psci::Answer(value) => $call.finish(value),
            Psci::CpuSuspend { .. } => $call.finish(result::SUCCESS),
            Psci::SystemOff => refused("the machine was switched off (PSCI)"),
            Psci::SystemReset => refused("the machine was reset (PSCI)"),
            _ => $call.finish(result::NOT_SUPPORTED),
        }
    };
}

impl Exit<'_> {
    /// Answers as a machine does that has no devices and one CPU: accesses to addresses without memory are external aborts, system
    /// registers go by [`policy`](super::policy), PSCI tells its version and knows of no other CPU, WFI waits for the guest's timer and
    /// its lines.
    ///
    /// For the last arm of an exit loop: the client's own devices come before it.
    ///
    /// # Errors
    /// [`Error::Guest`] for what nobody can answer: the machine was switched off, an instruction fetch from nowhere, a debug exception,
    /// the virtual timer of a VM without GIC ([`Vcpu::vtimer_line`](super::Vcpu::vtimer_line) answers it), an unknown exit. Others as
    /// `finish` of each guard.
    pub fn finish_default(self) -> Result<(), Error> {
        match self {
            Self::Canceled => Ok(()),
            Self::MmioRead(read) => read.abort(),
            Self::MmioWrite(write) => write.abort(),
            Self::DataAbort(abort) => abort.abort(),
            Self::SystemRegisterRead(read) => read.finish_default().map(drop),
            Self::SystemRegisterWrite(write) => write.finish_default().map(drop),
            Self::Hvc(call) => firmware!(call),
            Self::Smc(call) => firmware!(call),
            Self::Wfx(wait) => wait.wait(NAP),
            Self::VtimerActivated => refused("the virtual timer fired, and there is no GIC"),
            Self::InstructionAbort(abort) => refused(&format!(
                "an instruction fetch from {}, where no memory is",
                abort.gpa()
            )),
            other => refused(&format!("an exit without a default: {other:?}")),
        }
    }
}

fn refused(what: &str) -> Result<(), Error> {
    Err(Error::Guest {
        what: what.to_owned(),
    })
}
