//! Memory-mapped I/O: does the instruction that an EPT violation stopped, with the client as the bus.
//!
//! The instruction is emulated from its start each time, with the answers that the client has given so far; where one more is needed it
//! stops and asks. Registers and RAM change only when it is through, so that an exit that nobody answers has had no effect and comes again.
//! A load or store that does nothing else needs no second look: its answer ends it.
//!
//! | file | what |
//! |---|---|
//! | `fetch` | the instruction at RIP, decoded; remembers the last ones |
//! | `machine` | operands, memory and the log of bus accesses |
//! | `plain` | the end of a load or store that does nothing else |
//! | `alu` | results and flags of the arithmetic |
//! | `instruction` | what each instruction does; `string` and `vector` theirs |

#[cfg(feature = "decode")]
mod alu;
#[cfg(feature = "decode")]
mod fetch;
#[cfg(feature = "decode")]
mod instruction;
#[cfg(feature = "decode")]
mod machine;
#[cfg(feature = "decode")]
mod plain;
#[cfg(feature = "decode")]
mod string;
#[cfg(feature = "decode")]
mod vector;

#[cfg(feature = "decode")]
pub(super) use fetch::Decoded;
#[cfg(feature = "decode")]
pub(super) use plain::Plain;

use super::inject::Injection;
use super::reg;
use super::vcpu::Vcpu;
use super::walk::PageFault;
#[cfg(feature = "decode")]
use super::walk::Paging;
use crate::error::Error;
use crate::guest_memory::Gpa;

/// One access to the bus: at most 8 bytes, inside a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BusAccess {
    pub(super) gpa: Gpa,
    /// Bytes: 1 to 8.
    pub(super) size: u8,
    /// The value to write; `None` for a read.
    pub(super) write: Option<u64>,
}

/// What the processor has translated when the exit came.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "decode"), allow(dead_code))]
pub(super) struct Translated {
    pub(super) linear: u64,
    pub(super) gpa: u64,
}

/// An instruction that has made some of its bus accesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    /// Where the instruction is: if RIP has moved, the client has dropped it.
    rip: u64,
    /// Accesses that the client has answered: what was asked, and the value read.
    log: Vec<(BusAccess, u64)>,
}

/// How far emulation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The client has to answer this access.
    Access(BusAccess),
    /// The instruction is done, or a fault is queued for the guest.
    Done,
    /// It cannot be done by hand, for this reason.
    Impossible(&'static str),
}

/// Why an instruction could not be done yet, or not at all.
#[derive(Debug)]
#[cfg_attr(not(feature = "decode"), allow(dead_code))]
enum Stop {
    Access(BusAccess),
    Fault(PageFault),
    Impossible(&'static str),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Vcpu {
    /// Emulates the instruction at RIP, which stumbled over memory that is not there. `known` saves a page walk.
    pub(super) fn begin_emulating(&mut self, known: Option<Translated>) -> Result<Progress, Error> {
        let rip = self.read(reg::RIP)?;
        self.pending = None;
        self.emulate(rip, &[], known)
    }

    /// Goes on with the instruction that is half done; `Done` as well if the client has dropped it.
    pub(super) fn continue_emulating(&mut self) -> Result<Progress, Error> {
        let Some(pending) = self.pending.take() else {
            return Ok(Progress::Done);
        };
        if self.read(reg::RIP)? != pending.rip || self.injected()?.is_some() {
            return Ok(Progress::Done);
        }
        self.emulate(pending.rip, &pending.log, None)
    }

    /// The answer to a bus access.
    pub(super) fn answer_bus(&mut self, access: BusAccess, value: u64) -> Result<Progress, Error> {
        let rip = self.read(reg::RIP)?;
        #[cfg(feature = "decode")]
        if let Some(plain) = self.plain.take()
            && plain.waits_for(rip, access)
        {
            let end = self.finish_plain(plain, value);
            return self.progress(rip, &[], end);
        }
        match self.pending.take() {
            Some(mut pending) if pending.rip == rip => {
                pending.log.push((access, value));
                self.emulate(rip, &pending.log, None)
            }
            _ => self.emulate(rip, &[(access, value)], None),
        }
    }

    fn emulate(
        &mut self,
        rip: u64,
        log: &[(BusAccess, u64)],
        known: Option<Translated>,
    ) -> Result<Progress, Error> {
        let end = self.attempt(rip, log, known);
        self.progress(rip, log, end)
    }

    /// What an attempt means to the client; its faults go to the guest.
    fn progress(
        &mut self,
        rip: u64,
        log: &[(BusAccess, u64)],
        end: Result<(), Stop>,
    ) -> Result<Progress, Error> {
        match end {
            Ok(()) => Ok(Progress::Done),
            Err(Stop::Access(access)) => {
                // With nothing answered yet nothing has to be kept: the guest does it again.
                self.pending = (!log.is_empty()).then(|| Pending {
                    rip,
                    log: log.to_vec(),
                });
                Ok(Progress::Access(access))
            }
            Err(Stop::Fault(fault)) => {
                self.inject(Injection::page_fault(fault))?;
                Ok(Progress::Done)
            }
            Err(Stop::Impossible(why)) => Ok(Progress::Impossible(why)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    #[cfg(feature = "decode")]
    fn attempt(
        &mut self,
        rip: u64,
        log: &[(BusAccess, u64)],
        known: Option<Translated>,
    ) -> Result<(), Stop> {
        let paging = Paging::of(self)?;
        let instruction = self.fetch_decoded(rip, &paging)?;
        let mut machine = machine::Machine::new(self, &instruction, paging, log, known);
        let end = match instruction::execute(&mut machine) {
            Ok(()) => machine.commit(),
            stop => stop,
        };
        if let Err(Stop::Access(access)) = end
            && log.is_empty()
        {
            self.plain = Plain::of(&instruction, access);
        }
        end
    }

    #[cfg(not(feature = "decode"))]
    fn attempt(
        &mut self,
        _rip: u64,
        _log: &[(BusAccess, u64)],
        _known: Option<Translated>,
    ) -> Result<(), Stop> {
        Err(Stop::Impossible(
            "this build has no instruction decoder: turn the cargo feature `decode` on",
        ))
    }
}
