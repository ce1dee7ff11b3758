//! How a vCPU's rows are reached, whatever table they come from; and the VM-entry rules looked at through them.

use super::entry::{self, Violation};
use super::vcpu::Vcpu;
use super::{capabilities, vmcs};
use crate::engine::x86_64 as engine;
use crate::error::Code;
use crate::typed::{RawRead, RawWrite, space};

impl Vcpu {
    /// Every VM-entry rule that the present state breaks, in the order in which the processor looks. Empty: the vCPU can be entered.
    #[must_use]
    pub fn check_entry(&self) -> Vec<Violation> {
        entry::check(self, &self.entry_limits())
    }

    /// The bits of IA32_DEBUGCTL that this host lets a guest use; where it does not tell (before macOS 11.0), all that ever were: LBR, BTF,
    /// bus-lock trap, TR, BTS, BTINT, BTS_OFF_OS, BTS_OFF_USR, FREEZE_LBRS, FREEZE_PERFMON, SMM, RTM.
    pub(super) fn debugctl_bits(&self) -> u64 {
        const HV_VMX_VALID_MSR_IA32_DEBUGCTL: u64 = 6;
        let told = self.vm.msr_info(HV_VMX_VALID_MSR_IA32_DEBUGCTL);
        told.unwrap_or(0xdfc7)
    }

    fn entry_limits(&self) -> entry::Limits {
        let engine = self.vm.engine();
        let get = |key| engine::Vm::read_capability(engine, key).ok();
        // What the framework filters may lack bits that it sets itself, so the processor's own answer is added.
        let word = |filtered: u32, own: Option<u32>, absent: u64| {
            let Some(first) = get(filtered) else {
                return absent;
            };
            let second = own.and_then(get).unwrap_or(first);
            ((first | second) & !0xffff_ffff) | (first & second & 0xffff_ffff)
        };
        const ANY: u64 = 0xffff_ffff << 32;
        entry::Limits {
            pin: word(
                capabilities::PINBASED.key(),
                Some(capabilities::TRUE_PINBASED.key()),
                ANY,
            ),
            primary: word(
                capabilities::PROCBASED.key(),
                Some(capabilities::TRUE_PROCBASED.key()),
                ANY,
            ),
            secondary: word(capabilities::PROCBASED2.key(), None, ANY) | FRAMEWORK_OWNED << 32,
            exit: word(
                capabilities::EXIT.key(),
                Some(capabilities::TRUE_EXIT.key()),
                ANY,
            ),
            entry: word(
                capabilities::ENTRY.key(),
                Some(capabilities::TRUE_ENTRY.key()),
                ANY,
            ),
            basic: get(capabilities::BASIC.key()).unwrap_or(0),
            misc: get(capabilities::MISC.key()).unwrap_or(0x1c0 | 4 << 16),
            cr0_fixed0: get(capabilities::CR0_FIXED0.key()).unwrap_or(0x20),
            cr0_fixed1: get(capabilities::CR0_FIXED1.key()).unwrap_or(0xffff_ffff),
            cr4_fixed0: get(capabilities::CR4_FIXED0.key()).unwrap_or(0x2000),
            cr4_fixed1: get(capabilities::CR4_FIXED1.key()).unwrap_or(!0),
            debugctl: self.debugctl_bits(),
            physical_width: 52,
            linear_width: if self.raw_vmcs(vmcs::GUEST_CR4.key()) & 1 << 12 != 0 {
                57
            } else {
                48
            },
        }
    }

    /// A VMCS field, 0 where it cannot be read.
    pub(super) fn raw_vmcs(&self, encoding: u32) -> u64 {
        self.engine.read_vmcs(encoding).unwrap_or(0)
    }
}

/// Secondary controls that the framework sets whatever its capability says: EPT, VPID, unrestricted guest.
const FRAMEWORK_OWNED: u64 = 1 << 1 | 1 << 5 | 1 << 7;

impl entry::Fields for Vcpu {
    fn get(&self, field: u32) -> u64 {
        // The framework keeps the link pointer at all ones and need not show it.
        let absent = if field == vmcs::VMCS_LINK_POINTER.key() {
            !0
        } else {
            0
        };
        self.engine.read_vmcs(field).unwrap_or(absent)
    }
}

impl RawRead<space::General> for Vcpu {
    #[inline]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine.read_register(key)
    }
}

impl RawWrite<space::General> for Vcpu {
    #[inline]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine.write_register(key, value)
    }
}

impl RawRead<space::Vmcs> for Vcpu {
    #[inline]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine.read_vmcs(key)
    }
}

impl RawWrite<space::Vmcs> for Vcpu {
    #[inline]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine.write_vmcs(key, value)
    }
}

impl RawRead<space::Msr> for Vcpu {
    #[inline]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine.read_msr(key)
    }
}

impl RawWrite<space::Msr> for Vcpu {
    #[inline]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine.write_msr(key, value)
    }
}

impl RawRead<space::Capability> for Vcpu {
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        engine::Vm::read_capability(self.vm.engine(), key)
    }
}
