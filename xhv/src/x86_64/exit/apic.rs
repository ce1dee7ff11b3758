//! What the engine's local APIC asks of its client: only VMs with interrupt controllers in the engine see these exits.

use super::Kind;
use crate::error::Error;
use crate::x86_64::ffi;
use crate::x86_64::inject::Injection;
use crate::x86_64::vcpu::Vcpu;

/// What is asked (`hv_vm_exitinfo_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::x86_64) struct Request(u32);

/// The engine's local APIC wants something.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApicExit<'v> {
    /// INIT was sent to these vCPUs (by id): they are to stop and wait.
    Init(Vec<u32>),
    /// These vCPUs (by id) are to start in real mode at this address.
    Startup {
        /// Ids.
        vcpus: Vec<u32>,
        /// Guest-physical address: CS base.
        address: u64,
    },
    /// An EOI for this vector, which a client's own I/O APIC may wait for.
    IoapicEoi(u8),
    /// An SMI was sent.
    Smi,
    /// The guest loads from the APIC page.
    Read(ApicRead<'v>),
    /// A number that this version does not know.
    Unknown(u32),
}

/// The guest loads from the APIC page; the value is there already.
#[derive(Debug)]
#[must_use = "call `finish`; otherwise the guest reads again"]
pub struct ApicRead<'v> {
    vcpu: &'v mut Vcpu,
    value: u32,
}

/// What a write to a local APIC register led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApicWrite {
    /// Whether nothing is left to do for the client.
    pub no_side_effect: bool,
}

/// More vCPUs than any engine has.
const MOST: usize = 256;

fn ids(active: &[bool]) -> Vec<u32> {
    let numbered = (0_u32..).zip(active);
    numbered.filter(|(_, on)| **on).map(|(id, _)| id).collect()
}

impl<'v> ApicExit<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, request: Request) -> Self {
        match request.0 {
            ffi::HV_VM_EXITINFO_INIT_AP => {
                let mut active = [false; MOST];
                let told = vcpu.engine.exit_init_ap(&mut active);
                Self::Init(told.map_or_else(|_| Vec::new(), |()| ids(&active)))
            }
            ffi::HV_VM_EXITINFO_STARTUP_AP => {
                let mut active = [false; MOST];
                let address = vcpu.engine.exit_startup_ap(&mut active).unwrap_or(0);
                Self::Startup {
                    vcpus: ids(&active),
                    address,
                }
            }
            ffi::HV_VM_EXITINFO_IOAPIC_EOI => {
                Self::IoapicEoi(vcpu.engine.exit_ioapic_eoi().unwrap_or(0))
            }
            ffi::HV_VM_EXITINFO_SMI => Self::Smi,
            ffi::HV_VM_EXITINFO_APIC_ACCESS_READ => {
                let value = vcpu.engine.exit_apic_access_read().unwrap_or(0);
                Self::Read(ApicRead { vcpu, value })
            }
            other => Self::Unknown(other),
        }
    }
}

impl ApicRead<'_> {
    /// What the register holds.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.value
    }

    /// Puts the value where the instruction wants it and moves on.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.finish_apic_read(self.value)
    }
}

impl Vcpu {
    /// What the engine's local APIC asks: nothing for an ordinary exit; `Some(None)` if it is dealt with here.
    pub(in crate::x86_64) fn decode_apic(&mut self) -> Result<Option<Option<Kind>>, Error> {
        let info = self
            .engine
            .exit_info()
            .map_err(|code| self.failed("hv_vcpu_exit_info", code))?;
        match info {
            ffi::HV_VM_EXITINFO_VMX => Ok(None),
            ffi::HV_VM_EXITINFO_INJECT_EXCP => {
                self.inject_apic_exception()?;
                Ok(Some(None))
            }
            _ => Ok(Some(Some(Kind::Apic(Request(info))))),
        }
    }

    fn inject_apic_exception(&mut self) -> Result<(), Error> {
        let (vector, has_code, code, _restart) = self
            .engine
            .exit_inject_excp()
            .map_err(|code| self.failed("hv_vcpu_exit_inject_excp", code))?;
        let event = Injection::exception(vector);
        self.inject(Injection {
            error_code: has_code.then_some(code),
            ..event
        })?;
        Ok(())
    }

    fn finish_apic_read(&mut self, value: u32) -> Result<(), Error> {
        // The instruction is emulated with the value as the bus's one answer.
        let gpa = crate::Gpa(self.raw_vmcs(crate::x86_64::vmcs::GUEST_PHYSICAL_ADDRESS.key()));
        match self.begin_emulating(gpa)? {
            crate::x86_64::emulate::Progress::Access(access) => {
                self.answer_bus(access, u64::from(value))
            }
            _ => self.finish_instruction(),
        }
    }
}
