//! The default policy for all exits at once: a machine whose bus has nobody on it. `policy` has the answers one by one.

use super::Exit;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::x86_64::inject::Injection;
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vm::VmOptions;

/// The page of the I/O APIC, where every PC has it (Intel 82093AA, 3.0).
const IO_APIC: u64 = 0xfec0_0000;

impl Exit<'_> {
    /// Answers as a machine does that has no devices: CPUID, MSRs, control registers and XCR0 by [`policy`](crate::x86_64::policy),
    /// ports and addresses without memory read all ones and lose what is written, VMCALL is undefined, exceptions are the guest's,
    /// HLT waits if the engine has interrupt controllers, and the engine's I/O APIC is at FEC00000h. What the client asked
    /// for (cancel, windows, steps) needs no answer, and what the local APIC asks gets none: start-up messages are the client's.
    ///
    /// For the last arm of an exit loop: the client's own devices come before it.
    ///
    /// # Errors
    /// [`Error::Guest`] for what nobody can answer: a triple fault, a refused entry, an access that cannot be decoded, HLT without
    /// interrupt controllers, an unknown exit. Others as `finish` of each guard.
    pub fn finish_default(self) -> Result<(), Error> {
        match self {
            Self::PortRead(read) => read.finish(u32::MAX),
            Self::PortWrite(write) => write.finish(),
            Self::MmioRead(mut read) => {
                let gpa = read.gpa();
                let value = match io_apic(read.vcpu(), gpa) {
                    true => read.vcpu().vm().read_ioapic(gpa)?.into(),
                    false => u64::MAX,
                };
                read.finish(value)
            }
            Self::MmioWrite(mut write) => {
                let (gpa, value) = (write.gpa(), write.value());
                if io_apic(write.vcpu(), gpa) {
                    write.vcpu().vm().write_ioapic(gpa, value as u32)?;
                }
                write.finish()
            }
            Self::Cpuid(cpuid) => cpuid.finish_default(),
            Self::MsrRead(read) => read.finish_default().map(drop),
            Self::MsrWrite(write) => write.finish_default().map(drop),
            Self::ControlRegister(access) => access.finish(),
            Self::Xsetbv(xsetbv) => xsetbv.finish(),
            Self::Hypercall(call) => call.fault(Injection::exception(6)),
            Self::Exception(exception) => exception.reflect(),
            Self::Hlt(mut hlt) => {
                if !has_controllers(hlt.vcpu()) {
                    return refused("HLT, and nothing that could wake the vCPU".to_owned());
                }
                hlt.finish()
            }
            Self::Canceled
            | Self::Deadline
            | Self::InterruptWindow
            | Self::NmiWindow
            | Self::MonitorTrap
            | Self::Apic(_) => Ok(()),
            Self::TripleFault => refused("a triple fault: a real machine would reset".to_owned()),
            Self::EntryRefused(refusal) => refused(refusal.to_string()),
            Self::UndecodedAccess(access) => refused(format!(
                "an access to {} that cannot be emulated: {}",
                access.gpa(),
                access.why()
            )),
            Self::Other(raw) => refused(format!("an exit without a default: {:?}", raw.reason())),
        }
    }
}

fn refused(what: String) -> Result<(), Error> {
    Err(Error::Guest { what })
}

fn has_controllers(vcpu: &Vcpu) -> bool {
    vcpu.vm().options().contains(VmOptions::ACCEL_APIC)
}

fn io_apic(vcpu: &Vcpu, gpa: Gpa) -> bool {
    has_controllers(vcpu) && gpa.0 & !0xfff == IO_APIC
}
