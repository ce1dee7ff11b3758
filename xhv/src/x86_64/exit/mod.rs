//! Why a vCPU came back to its client, decoded; and the guards that finish what the guest began.
//!
//! | file | guards |
//! |---|---|
//! | `io` | port reads and writes, plain and string |
//! | `mmio` | reads and writes where no memory is |
//! | `system` | CPUID, MSRs, control registers, XSETBV, HLT, VMCALL |
//! | `event` | exceptions, and what is handed over raw |
//! | `apic` | what the engine's local APIC asks for |
//!
//! `default` answers them all as a machine without devices does.

mod apic;
mod default;
mod event;
mod io;
mod mmio;
mod system;

pub use apic::{ApicExit, ApicWrite};
pub use event::{ExceptionExit, RawExit, RefusedEntry};
pub use io::{PortRead, PortWrite};
pub use mmio::{MmioRead, MmioWrite, UndecodedAccess};
pub use system::{ControlRegisterAccess, Cpuid, Hlt, Hypercall, MsrRead, MsrWrite, Xsetbv};

use super::emulate::BusAccess;
use super::entry::Violation;
use super::exits::ExitReason;
use super::vcpu::Vcpu;
use super::vmcs::IdtVectoringInformation;
use crate::guest_memory::Gpa;

/// Why the vCPU left the guest.
///
/// Variants with a guard want an answer: call its `finish`. A guard that is dropped changes nothing, and the exit comes again.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "an exit that is not finished comes again"]
pub enum Exit<'v> {
    /// IN or INS.
    PortRead(PortRead<'v>),
    /// OUT or OUTS.
    PortWrite(PortWrite<'v>),
    /// A load where the guest may not read: a device.
    MmioRead(MmioRead<'v>),
    /// A store where the guest may not write: a device, or ROM.
    MmioWrite(MmioWrite<'v>),
    /// An access that could not be decoded, with the reason.
    UndecodedAccess(UndecodedAccess<'v>),
    /// CPUID.
    Cpuid(Cpuid<'v>),
    /// RDMSR of an MSR that the guest does not have natively.
    MsrRead(MsrRead<'v>),
    /// WRMSR of an MSR that the guest does not have natively.
    MsrWrite(MsrWrite<'v>),
    /// MOV to or from CR0, CR3, CR4, CR8, CLTS or LMSW that the controls make exit.
    ControlRegister(ControlRegisterAccess<'v>),
    /// XSETBV.
    Xsetbv(Xsetbv<'v>),
    /// HLT.
    Hlt(Hlt<'v>),
    /// VMCALL.
    Hypercall(Hypercall<'v>),
    /// An exception that the exception bitmap picks, or an NMI.
    Exception(ExceptionExit<'v>),
    /// A fault during a double fault: a real machine would reset.
    TripleFault,
    /// The guest can take an interrupt now: see [`Vcpu::request_interrupt_window`].
    InterruptWindow,
    /// The guest can take an NMI now.
    NmiWindow,
    /// One instruction is done (monitor trap flag).
    MonitorTrap,
    /// [`VcpuHandle::cancel`](crate::VcpuHandle::cancel) was called.
    Canceled,
    /// The deadline of [`Vcpu::run_until`] has come.
    Deadline,
    /// The processor refused to enter: nothing was executed.
    EntryRefused(RefusedEntry),
    /// The engine's local APIC wants something: only with [`super::VmOptions::ACCEL_APIC`].
    Apic(ApicExit),
    /// Anything else, with its number.
    Other(RawExit<'v>),
}

/// What `run` found, before it borrows the vCPU.
#[derive(Debug)]
pub(super) enum Kind {
    PortRead,
    PortWrite(u32),
    Mmio(BusAccess),
    Undecoded(Gpa, &'static str),
    Cpuid,
    MsrRead,
    MsrWrite,
    ControlRegister,
    Xsetbv,
    Hlt,
    Vmcall,
    Exception(Option<IdtVectoringInformation>),
    TripleFault,
    InterruptWindow,
    NmiWindow,
    MonitorTrap,
    Canceled,
    Deadline,
    EntryRefused(ExitReason, Vec<Violation>),
    Apic(apic::Request),
    Other(ExitReason),
}

impl<'v> Exit<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, kind: Kind) -> Self {
        match kind {
            Kind::PortRead => Self::PortRead(PortRead::new(vcpu)),
            Kind::PortWrite(value) => Self::PortWrite(PortWrite::new(vcpu, value)),
            Kind::Mmio(access) if access.write.is_some() => {
                Self::MmioWrite(MmioWrite::new(vcpu, access))
            }
            Kind::Mmio(access) => Self::MmioRead(MmioRead::new(vcpu, access)),
            Kind::Undecoded(gpa, why) => {
                Self::UndecodedAccess(UndecodedAccess::new(vcpu, gpa, why))
            }
            Kind::Cpuid => Self::Cpuid(Cpuid::new(vcpu)),
            Kind::MsrRead => Self::MsrRead(MsrRead::new(vcpu)),
            Kind::MsrWrite => Self::MsrWrite(MsrWrite::new(vcpu)),
            Kind::ControlRegister => Self::ControlRegister(ControlRegisterAccess::new(vcpu)),
            Kind::Xsetbv => Self::Xsetbv(Xsetbv::new(vcpu)),
            Kind::Hlt => Self::Hlt(Hlt::new(vcpu)),
            Kind::Vmcall => Self::Hypercall(Hypercall::new(vcpu)),
            Kind::Exception(interrupted) => Self::Exception(ExceptionExit::new(vcpu, interrupted)),
            Kind::TripleFault => Self::TripleFault,
            Kind::InterruptWindow => Self::InterruptWindow,
            Kind::NmiWindow => Self::NmiWindow,
            Kind::MonitorTrap => Self::MonitorTrap,
            Kind::Canceled => Self::Canceled,
            Kind::Deadline => Self::Deadline,
            Kind::EntryRefused(reason, violations) => {
                Self::EntryRefused(RefusedEntry { reason, violations })
            }
            Kind::Apic(request) => Self::Apic(ApicExit::new(vcpu, request)),
            Kind::Other(reason) => Self::Other(RawExit::new(vcpu, reason)),
        }
    }
}

/// What every guard that stands for an instruction has: the vCPU, raw numbers, and other ends than `finish`.
macro_rules! guard {
    ($name:ident) => {
        impl<'v> $name<'v> {
            /// The vCPU, for anything that the guard does not offer. Moving RIP by hand ends the instruction too.
            pub fn vcpu(&mut self) -> &mut Vcpu {
                self.vcpu
            }

            /// Ends the instruction with an exception instead.
            ///
            /// # Errors
            /// As [`Vcpu::inject`].
            pub fn fault(self, event: $crate::x86_64::Injection) -> Result<(), $crate::Error> {
                self.vcpu.pending = None;
                self.vcpu.inject(event)?;
                Ok(())
            }
        }
    };
}
use guard;

impl Vcpu {
    /// Length of the instruction that exited, as the processor tells it.
    pub(super) fn exit_length(&self) -> Result<u64, crate::Error> {
        Ok(u64::from(
            self.read(super::vmcs::VM_EXIT_INSTRUCTION_LENGTH)?,
        ))
    }

    /// Moves on behind the instruction that exited.
    pub(super) fn finish_instruction(&mut self) -> Result<(), crate::Error> {
        let length = self.exit_length()?;
        self.advance(length)
    }
}
