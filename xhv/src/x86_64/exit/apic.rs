//! What the engine's local APIC asks of its client: only VMs with interrupt controllers in the engine see these exits.

use super::Kind;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::x86_64::emulate::{BusAccess, Progress};
use crate::x86_64::exits::{ApicAccessQualification, ApicAccessQualificationType};
use crate::x86_64::ffi;
use crate::x86_64::inject::Injection;
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vm::VmOptions;
use crate::x86_64::vmcs;

/// What is asked (`hv_vm_exitinfo_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::x86_64) struct Request(u32);

/// The engine's local APIC wants something.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApicExit {
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
    /// A number that this version does not know.
    Unknown(u32),
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

impl ApicExit {
    pub(super) fn new(vcpu: &mut Vcpu, request: Request) -> Self {
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
            other => Self::Unknown(other),
        }
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
            ffi::HV_VM_EXITINFO_APIC_ACCESS_READ => {
                let value = self.engine.exit_apic_access_read();
                let value =
                    value.map_err(|code| self.failed("hv_vcpu_exit_apic_access_read", code))?;
                self.do_apic_access(Some(value)).map(Some)
            }
            _ => Ok(Some(Some(Kind::Apic(Request(info))))),
        }
    }

    /// An access to the APIC page: one of an instruction to a linear address is done, others are the client's to explain.
    pub(in crate::x86_64) fn decode_apic_access(&mut self) -> Result<Option<Kind>, Error> {
        let access = ApicAccessQualification::from_bits(self.read(vmcs::EXIT_QUALIFICATION)?);
        let why = match access.type_() {
            ApicAccessQualificationType::LINEAR_READ
            | ApicAccessQualificationType::LINEAR_WRITE => return self.do_apic_access(None),
            ApicAccessQualificationType::LINEAR_FETCH => {
                "the guest fetches instructions from the APIC page"
            }
            ApicAccessQualificationType::LINEAR_EVENT => {
                "an event is delivered by way of the APIC page"
            }
            ApicAccessQualificationType::LINEAR_MONITOR
            | ApicAccessQualificationType::PHYSICAL_MONITOR => "the guest monitors the APIC page",
            _ => "the guest's paging structures lie in the APIC page",
        };
        let at = self.apic_page.0 | u64::from(access.offset());
        Ok(Some(Kind::Undecoded(Gpa(at), why)))
    }

    /// Does an instruction that touches the APIC page: the engine's local APIC answers, or the client where there is none. `read` is
    /// what the engine has read already.
    pub(in crate::x86_64) fn do_apic_access(
        &mut self,
        read: Option<u32>,
    ) -> Result<Option<Kind>, Error> {
        let progress = self.begin_emulating(None)?;
        self.route_apic_access(progress, read)
    }

    /// Answers accesses to the APIC page as long as the instruction makes some.
    pub(in crate::x86_64) fn route_apic_access(
        &mut self,
        mut progress: Progress,
        mut read: Option<u32>,
    ) -> Result<Option<Kind>, Error> {
        let mut side_effect = false;
        loop {
            let access = match progress {
                Progress::Access(access) if self.is_own_apic(access) => access,
                Progress::Access(access) => return Ok(Some(Kind::Mmio(access))),
                Progress::Impossible(why) => return Ok(Some(Kind::Undecoded(self.apic_page, why))),
                Progress::Done => break,
            };
            let offset = (access.gpa.0 & 0xfff) as u32;
            let value = match (access.write, read.take()) {
                (Some(value), _) => {
                    let quiet = self.engine.apic_write(offset, value as u32);
                    side_effect |=
                        !quiet.map_err(|code| self.failed("hv_vcpu_apic_write", code))?;
                    0
                }
                (None, Some(value)) => value,
                (None, None) => {
                    let value = self.engine.apic_read(offset);
                    value.map_err(|code| self.failed("hv_vcpu_apic_read", code))?
                }
            };
            progress = self.answer_bus(access, u64::from(value))?;
        }
        if side_effect {
            return Ok(self.decode_apic()?.flatten());
        }
        Ok(None)
    }

    /// Whether the engine's local APIC answers an access.
    fn is_own_apic(&self, access: BusAccess) -> bool {
        self.vm.options().contains(VmOptions::ACCEL_APIC)
            && access.gpa.0 & !0xfff == self.apic_page.0
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
}
