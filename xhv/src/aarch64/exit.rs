//! Why the guest stopped: decoded exits, each with what it needs to be answered. Device accesses are in `mmio.rs`.

use core::time::Duration;

use super::exits::{
    Esr, ExitReason, IssDataAbort, IssInstructionAbort, IssSystemRegister, IssWatchpoint, IssWfx,
    IssWfxTi, Syndrome,
};
use super::inject::Exception;
use super::mmio::{self, MmioRead, MmioWrite};
use super::sysreg::TrappedRegister;
use super::vcpu::Vcpu;
use crate::engine::aarch64 as engine;
use crate::error::Error;
use crate::guest_memory::Gpa;

/// An exit as the framework tells it: `hv_vcpu_exit_t`. All but the reason count for [`ExitReason::EXCEPTION`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawExit {
    /// Why the run ended.
    pub reason: ExitReason,
    /// What the guest did, as ESR_EL2 would say.
    pub syndrome: Esr,
    /// The address that it used, as FAR_EL2 would say.
    pub virtual_address: u64,
    /// The guest-physical address that it used.
    pub physical_address: Gpa,
}

impl RawExit {
    pub(super) fn new(exit: engine::RunExit) -> Self {
        Self {
            reason: ExitReason(exit.reason),
            syndrome: Esr::from_bits(exit.syndrome),
            virtual_address: exit.virtual_address,
            physical_address: Gpa(exit.physical_address),
        }
    }

    pub(super) fn canceled() -> Self {
        Self::new(engine::RunExit {
            reason: ExitReason::CANCELED.0,
            ..engine::RunExit::default()
        })
    }
}

/// Why `run` came back. Exits with a lifetime borrow the vCPU until they are answered; one that is dropped comes again.
#[derive(Debug)]
#[non_exhaustive]
#[must_use]
pub enum Exit<'a> {
    /// A handle asked for it.
    Canceled,
    /// The virtual timer fired, and is masked until [`Vcpu::set_vtimer_mask`] or [`Vcpu::vtimer_line`] unmasks it. Without a GIC.
    VtimerActivated,
    /// A load from an address without memory.
    MmioRead(MmioRead<'a>),
    /// A store to an address without memory, or that the guest may not write.
    MmioWrite(MmioWrite<'a>),
    /// A read of a system register that the engine leaves to the VMM.
    SystemRegisterRead(SystemRegisterRead<'a>),
    /// A write of a system register, or a system instruction.
    SystemRegisterWrite(SystemRegisterWrite<'a>),
    /// HVC.
    Hvc(Hvc<'a>),
    /// SMC.
    Smc(Smc<'a>),
    /// The guest waits for an interrupt or an event. Without a GIC.
    Wfx(Wfx<'a>),
    /// An instruction fetch from an address without memory, or that the guest may not execute.
    InstructionAbort(InstructionAbort),
    /// A data access that is no plain device access, with the reason.
    DataAbort(DataAbort<'a>),
    /// A breakpoint, watchpoint, step or BRK: see [`Vcpu::set_trap_debug_exceptions`].
    Debug(Debug),
    /// Another exception, as the engine told it.
    Exception(RawExit),
    /// A reason that this version of the library does not know.
    Unknown(RawExit),
}

pub(super) fn decode(vcpu: &mut Vcpu, raw: RawExit) -> Result<Exit<'_>, Error> {
    Ok(match raw.reason {
        ExitReason::EXCEPTION => return exception(vcpu, raw),
        ExitReason::CANCELED => Exit::Canceled,
        ExitReason::VTIMER_ACTIVATED => Exit::VtimerActivated,
        _ => Exit::Unknown(raw),
    })
}

fn exception(vcpu: &mut Vcpu, raw: RawExit) -> Result<Exit<'_>, Error> {
    Ok(match Syndrome::decode(raw.syndrome) {
        Syndrome::DataAbortLower(abort) => return mmio::decode(vcpu, raw, abort.iss),
        Syndrome::SystemRegister(access) => system_register(vcpu, access.iss),
        Syndrome::Hvc(call) => Exit::Hvc(Hvc(Call {
            vcpu,
            immediate: call.iss.imm16(),
        })),
        Syndrome::Smc(call) => Exit::Smc(Smc(Call {
            vcpu,
            immediate: call.iss.imm16(),
        })),
        Syndrome::Wfx(wait) => Exit::Wfx(Wfx {
            vcpu,
            iss: wait.iss,
        }),
        Syndrome::InstructionAbortLower(abort) => Exit::InstructionAbort(InstructionAbort {
            raw,
            iss: abort.iss,
        }),
        other => debug(vcpu, raw, &other)?,
    })
}

fn debug<'a>(vcpu: &Vcpu, raw: RawExit, syndrome: &Syndrome) -> Result<Exit<'a>, Error> {
    let kind = match syndrome {
        Syndrome::BreakpointLower(_) | Syndrome::Breakpoint(_) => DebugKind::Breakpoint,
        Syndrome::StepLower(_) | Syndrome::Step(_) => DebugKind::Step,
        Syndrome::WatchpointLower(at) => watchpoint(&raw, at.iss),
        Syndrome::Watchpoint(at) => watchpoint(&raw, at.iss),
        Syndrome::Brk(brk) => DebugKind::Brk {
            comment: brk.iss.comment(),
        },
        Syndrome::Bkpt32(brk) => DebugKind::Brk {
            comment: brk.iss.comment(),
        },
        Syndrome::VectorCatch32(_) => DebugKind::VectorCatch,
        _ => return Ok(Exit::Exception(raw)),
    };
    Ok(Exit::Debug(Debug {
        kind,
        pc: vcpu.read(super::reg::PC)?,
        raw,
    }))
}

fn watchpoint(raw: &RawExit, iss: IssWatchpoint) -> DebugKind {
    DebugKind::Watchpoint {
        address: (!iss.contains(IssWatchpoint::FNV)).then_some(raw.virtual_address),
        write: iss.contains(IssWatchpoint::WNR),
        number: iss.contains(IssWatchpoint::WPTV).then_some(iss.wpt()),
    }
}

/// The next part of an instruction that accesses devices in several parts.
pub(super) fn next_part(vcpu: &mut Vcpu) -> Result<Exit<'_>, Error> {
    mmio::next_part(vcpu)
}

fn system_register(vcpu: &mut Vcpu, iss: IssSystemRegister) -> Exit<'_> {
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
        let asserted = super::Interrupt::BOTH
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

/// The guest fetched an instruction where it cannot. PC is there. Nothing to answer: change the map, the guest, or give up.
#[derive(Debug, Clone, Copy)]
pub struct InstructionAbort {
    /// As the engine told it.
    pub raw: RawExit,
    /// Details.
    pub iss: IssInstructionAbort,
}

impl InstructionAbort {
    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.raw.physical_address
    }
}

/// A data access that is no plain device access.
#[derive(Debug)]
#[must_use]
pub struct DataAbort<'a> {
    pub(super) vcpu: &'a mut Vcpu,
    pub(super) raw: RawExit,
    pub(super) iss: IssDataAbort,
    pub(super) reason: Undecoded,
}

/// Why a data abort could not be made a device access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Undecoded {
    /// It was the walk of a translation table, which has no memory behind it.
    TableWalk,
    /// A fault of another kind than missing memory or permission: see the fault status.
    Fault,
    /// The instruction could not be fetched to find out what it transfers.
    NoInstruction,
    /// The instruction transfers in a way that is not known here; the word tells which.
    Instruction(u32),
}

impl DataAbort<'_> {
    /// As the engine told it.
    #[must_use]
    pub fn raw(&self) -> RawExit {
        self.raw
    }

    /// Details.
    #[must_use]
    pub fn iss(&self) -> IssDataAbort {
        self.iss
    }

    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.raw.physical_address
    }

    /// Why it is not a device access.
    #[must_use]
    pub fn reason(&self) -> Undecoded {
        self.reason
    }

    /// The vCPU, for anything that the guard does not offer.
    pub fn vcpu(&mut self) -> &mut Vcpu {
        self.vcpu
    }

    /// Goes on behind the instruction as if it had done nothing.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn skip(self) -> Result<(), Error> {
        self.vcpu.advance()
    }

    /// Tells the guest by a synchronous external abort.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn abort(self) -> Result<(), Error> {
        let write = self.iss.contains(IssDataAbort::WNR);
        let exception = Exception::external_abort(self.raw.virtual_address, write);
        self.vcpu.inject(exception)
    }
}

/// A debug exception of the guest. PC is at the instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debug {
    /// What it is.
    pub kind: DebugKind,
    /// The program counter.
    pub pc: u64,
    /// As the engine told it.
    pub raw: RawExit,
}

/// Kinds of debug exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DebugKind {
    /// A hardware breakpoint.
    Breakpoint,
    /// A step was made.
    Step,
    /// A watchpoint.
    Watchpoint {
        /// The address, where it is known.
        address: Option<u64>,
        /// A write.
        write: bool,
        /// Which, where it is known.
        number: Option<u8>,
    },
    /// BRK.
    Brk {
        /// Immediate of the instruction.
        comment: u16,
    },
    /// AArch32 vector catch.
    VectorCatch,
}
