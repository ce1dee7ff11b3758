//! The guest's own MOV DR while the debugger holds the debug registers: done on the guest's values.

use crate::error::Error;
use crate::typed::{RawRead, RawWrite, space};
use crate::x86_64::control::register_id;
use crate::x86_64::exits::DrQualification;
use crate::x86_64::inject::Injection;
use crate::x86_64::reg::{self, Cr4, Dr6, Dr7, Rflags};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs;

/// Bits of DR6 that a write changes, and those that read as 1; then the same for DR7 (SDM vol. 3, 19.2.3 and 19.2.4).
const DR6: [u64; 2] = [0xe00f, 0xffff_0ff0];
const DR7: [u64; 2] = [0xffff_23ff, 0x400];

impl Vcpu {
    /// Does the access that exited, after the checks of CR4.DE and privilege: unlike others this exit comes before them (SDM vol. 3,
    /// 27.1.3).
    pub(super) fn move_debug_register(&mut self) -> Result<(), Error> {
        let access = DrQualification::from_bits(self.raw_vmcs(vmcs::EXIT_QUALIFICATION.key()));
        if matches!(access.number(), 4 | 5) && self.read(reg::CR4)?.contains(Cr4::DE) {
            return self.inject(Injection::exception(6)).map(drop);
        }
        // The privilege level is always there (SDM vol. 3, 26.4.1).
        if self.read(vmcs::GUEST_SS_ACCESS_RIGHTS)?.dpl() != 0 {
            return self.inject(Injection::general_protection()).map(drop);
        }
        let control = self.read(vmcs::GUEST_DR7)?;
        if control.contains(Dr7::GD) {
            self.write(vmcs::GUEST_DR7, control - Dr7::GD)?;
            self.modify(reg::DR6, |status: Dr6| status | Dr6::BD)?;
            // What #DB as a fault pushes; an injected one pushes what there is.
            self.modify(reg::RFLAGS, |flags: Rflags| flags | Rflags::RF)?;
            return self.inject(Injection::exception(1)).map(drop);
        }
        let id = register_id(access.register().0);
        if access.contains(DrQualification::FROM_DR) {
            let value = self.read_debug_register(access.number())?;
            RawWrite::<space::General>::raw_write(self, id, value)
                .map_err(|code| self.failed("hv_vcpu_write_register", code))?;
            return self.finish_instruction();
        }
        let value = RawRead::<space::General>::raw_read(self, id)
            .map_err(|code| self.failed("hv_vcpu_read_register", code))?;
        let value = if self.code()?.1 == 64 {
            value
        } else {
            value & 0xffff_ffff
        };
        if access.number() >= 4 && value >> 32 != 0 {
            return self.inject(Injection::general_protection()).map(drop);
        }
        self.write_debug_register(access.number(), value)?;
        self.finish_instruction()
    }

    fn read_debug_register(&self, number: u8) -> Result<u64, Error> {
        match number {
            0 => self.read(reg::DR0),
            1 => self.read(reg::DR1),
            2 => self.read(reg::DR2),
            3 => self.read(reg::DR3),
            4 | 6 => Ok(self.read(reg::DR6)?.bits()),
            _ => Ok(self.read(vmcs::GUEST_DR7)?.bits()),
        }
    }

    fn write_debug_register(&mut self, number: u8, value: u64) -> Result<(), Error> {
        let fixed = |[writable, ones]: [u64; 2]| value & writable | ones;
        match number {
            0 => self.write(reg::DR0, value),
            1 => self.write(reg::DR1, value),
            2 => self.write(reg::DR2, value),
            3 => self.write(reg::DR3, value),
            4 | 6 => self.write(reg::DR6, Dr6::from_bits(fixed(DR6))),
            _ => self.write(vmcs::GUEST_DR7, Dr7::from_bits(fixed(DR7))),
        }
    }
}
