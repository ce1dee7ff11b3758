//! Instructions that always or by the controls exit: CPUID, MSRs, control registers, XSETBV, HLT, VMCALL.

use super::guard;
use crate::error::Error;
use crate::x86_64::exits::CrQualification;
use crate::x86_64::inject::Injection;
use crate::x86_64::policy::{self, CpuidResult};
use crate::x86_64::reg;
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs;

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "call `finish`; otherwise the instruction comes again"]
        pub struct $name<'v> {
            vcpu: &'v mut Vcpu,
        }

        guard!($name);

        impl<'v> $name<'v> {
            pub(super) fn new(vcpu: &'v mut Vcpu) -> Self {
                Self { vcpu }
            }
        }
    )*};
}

guards! {
    /// The guest asks what the processor can do.
    Cpuid;
    /// The guest reads an MSR.
    MsrRead;
    /// The guest writes an MSR.
    MsrWrite;
    /// The guest accesses a control register whose masked bits differ from the shadow, or that the controls make exit.
    ControlRegisterAccess;
    /// The guest writes an extended control register.
    Xsetbv;
    /// The guest halts.
    Hlt;
    /// The guest calls its hypervisor: VMCALL.
    Hypercall;
}

fn low(vcpu: &Vcpu, register: crate::typed::Register<u64>) -> u32 {
    vcpu.read(register).unwrap_or(0) as u32
}

impl Cpuid<'_> {
    /// EAX.
    #[must_use]
    pub fn leaf(&self) -> u32 {
        low(self.vcpu, reg::RAX)
    }

    /// ECX.
    #[must_use]
    pub fn subleaf(&self) -> u32 {
        low(self.vcpu, reg::RCX)
    }

    /// What the default policy answers: see [`policy::cpuid`]. A start for an answer of one's own.
    #[must_use]
    pub fn default_result(&self) -> CpuidResult {
        policy::cpuid(self.vcpu, self.leaf(), self.subleaf())
    }

    /// The answer.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self, result: CpuidResult) -> Result<(), Error> {
        let CpuidResult { eax, ebx, ecx, edx } = result;
        for (register, value) in [
            (reg::RAX, eax),
            (reg::RBX, ebx),
            (reg::RCX, ecx),
            (reg::RDX, edx),
        ] {
            self.vcpu.write(register, u64::from(value))?;
        }
        self.vcpu.finish_instruction()
    }

    /// The answer of the default policy.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish_default(self) -> Result<(), Error> {
        let result = self.default_result();
        self.finish(result)
    }
}

impl MsrRead<'_> {
    /// Index of the MSR.
    #[must_use]
    pub fn index(&self) -> u32 {
        low(self.vcpu, reg::RCX)
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self, value: u64) -> Result<(), Error> {
        self.vcpu.write(reg::RAX, value & 0xffff_ffff)?;
        self.vcpu.write(reg::RDX, value >> 32)?;
        self.vcpu.finish_instruction()
    }

    /// What the default policy does: the value of an MSR that it knows, #GP for the rest. Answers whether it knows the MSR.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish_default(self) -> Result<bool, Error> {
        match policy::read_msr(self.vcpu, self.index())? {
            Some(value) => self.finish(value).map(|()| true),
            None => self.fault(Injection::general_protection()).map(|()| false),
        }
    }
}

impl MsrWrite<'_> {
    /// Index of the MSR.
    #[must_use]
    pub fn index(&self) -> u32 {
        low(self.vcpu, reg::RCX)
    }

    /// What the guest writes.
    #[must_use]
    pub fn value(&self) -> u64 {
        u64::from(low(self.vcpu, reg::RDX)) << 32 | u64::from(low(self.vcpu, reg::RAX))
    }

    /// The write is done.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.finish_instruction()
    }

    /// What the default policy does: keeps the value of an MSR that it knows, #GP for the rest and for bad values. Answers whether
    /// it did.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish_default(self) -> Result<bool, Error> {
        let (index, value) = (self.index(), self.value());
        if policy::write_msr(self.vcpu, index, value)? {
            self.finish().map(|()| true)
        } else {
            self.fault(Injection::general_protection()).map(|()| false)
        }
    }
}

impl ControlRegisterAccess<'_> {
    /// Which register, and how.
    #[must_use]
    pub fn access(&self) -> CrQualification {
        CrQualification::from_bits(self.vcpu.raw_vmcs(vmcs::EXIT_QUALIFICATION.key()))
    }

    /// Does what the guest asks: checks the value, keeps what the framework has to have (CD and NW clear, NE and VMXE set) behind the
    /// guest's back, switches long mode on and off, loads PDPTEs, forgets translations. Injects #GP where the processor would.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        let access = self.access();
        if self.vcpu.do_control_register(access)? {
            self.vcpu.finish_instruction()
        } else {
            self.fault(Injection::general_protection())
        }
    }
}

impl Xsetbv<'_> {
    /// Number of the extended control register; only 0 exists.
    #[must_use]
    pub fn index(&self) -> u32 {
        low(self.vcpu, reg::RCX)
    }

    /// What the guest writes.
    #[must_use]
    pub fn value(&self) -> u64 {
        u64::from(low(self.vcpu, reg::RDX)) << 32 | u64::from(low(self.vcpu, reg::RAX))
    }

    /// Writes XCR0 if the value is one that the processor takes, else injects #GP.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        let value = self.value();
        let supported = policy::xcr0_mask(self.vcpu);
        let avx_alone = value & 0b100 != 0 && value & 0b010 == 0;
        let avx512 = value & 0xe0;
        let avx512_bad = avx512 != 0 && (avx512 != 0xe0 || value & 0b110 != 0b110);
        let mpx_bad = matches!(value & 0x18, 0x08 | 0x10);
        let good = self.index() == 0 && value & 1 != 0 && value & !supported == 0;
        if !good || avx_alone || avx512_bad || mpx_bad {
            return self.fault(Injection::general_protection());
        }
        self.vcpu.write(reg::XCR0, reg::Xcr0::from_bits(value))?;
        self.vcpu.finish_instruction()
    }
}

impl Hlt<'_> {
    /// Whether an interrupt could wake the guest: RFLAGS.IF. A guest that halts without is done.
    #[must_use]
    pub fn can_wake(&self) -> bool {
        self.vcpu
            .read(reg::RFLAGS)
            .is_ok_and(|flags| flags.contains(reg::Rflags::IF))
    }

    /// The guest goes on behind the HLT: call this when there is an interrupt for it.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        self.vcpu.finish_instruction()
    }
}

impl Hypercall<'_> {
    /// RAX: by custom the number of the call.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.vcpu.read(reg::RAX).unwrap_or(0)
    }

    /// The answer, in RAX.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self, result: u64) -> Result<(), Error> {
        self.vcpu.write(reg::RAX, result)?;
        self.vcpu.finish_instruction()
    }
}
