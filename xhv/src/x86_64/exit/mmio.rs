//! Memory-mapped I/O: one guard for each bus access of an instruction.

use super::guard;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::x86_64::emulate::BusAccess;
use crate::x86_64::exits::EptQualification;
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs;

/// The guest loads from a device.
#[derive(Debug)]
#[must_use = "call `finish` with the value; otherwise the guest reads again"]
pub struct MmioRead<'v> {
    vcpu: &'v mut Vcpu,
    access: BusAccess,
}

/// The guest stores to a device.
#[derive(Debug)]
#[must_use = "call `finish`; otherwise the guest writes again"]
pub struct MmioWrite<'v> {
    vcpu: &'v mut Vcpu,
    access: BusAccess,
}

/// The guest touched what is not mapped in a way that cannot be emulated here.
#[derive(Debug)]
#[must_use = "map the memory, inject a fault, or give up: otherwise the exit comes again"]
pub struct UndecodedAccess<'v> {
    vcpu: &'v mut Vcpu,
    gpa: Gpa,
    why: &'static str,
}

guard!(MmioRead);
guard!(MmioWrite);
guard!(UndecodedAccess);

impl<'v> MmioRead<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, access: BusAccess) -> Self {
        Self { vcpu, access }
    }

    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.access.gpa
    }

    /// Bytes: 1 to 8. Longer loads come as several.
    #[must_use]
    pub fn size(&self) -> u8 {
        self.access.size
    }

    /// What the device answers, in the low bytes. Extension, flags and RIP are done here; an instruction that writes back as well exits
    /// once more, with a write.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self, value: u64) -> Result<(), Error> {
        self.vcpu.answer_bus(self.access, value).map(drop)
    }
}

impl<'v> MmioWrite<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, access: BusAccess) -> Self {
        Self { vcpu, access }
    }

    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.access.gpa
    }

    /// Bytes: 1 to 8. Longer stores come as several.
    #[must_use]
    pub fn size(&self) -> u8 {
        self.access.size
    }

    /// What the guest stores, in the low bytes; the others are 0.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.access.write.unwrap_or(0)
    }

    /// The store is done.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.answer_bus(self.access, 0).map(drop)
    }
}

impl<'v> UndecodedAccess<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, gpa: Gpa, why: &'static str) -> Self {
        Self { vcpu, gpa, why }
    }

    /// The guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        self.gpa
    }

    /// Why it could not be emulated.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// What kind of access it was.
    #[must_use]
    pub fn access(&self) -> EptQualification {
        EptQualification::from_bits(self.vcpu.raw_vmcs(vmcs::EXIT_QUALIFICATION.key()))
    }
}
