//! Model-specific registers: their values, who may reach them without an exit, and RDMSR and WRMSR as the CPU does them.
//!
//! As in the framework, every access of a guest exits until the VMM has made an MSR native, or managed with access rights.

use super::cpu::{Cpu, Cr, Seg};
use crate::error::Code;

/// IA32_ARCH_CAPABILITIES of a CPU that speculates on nothing: RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO,
/// TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO.
pub(crate) const ARCH_CAPABILITIES: u64 =
    0b1_0111_1011 | 0b111 << 13 | 1 << 20 | 1 << 24 | 0b11 << 26;
/// IBRS, STIBP, SSBD.
pub(crate) const SPEC_CTRL_VALID: u64 = 7;
/// What PAT holds after RESET.
pub(crate) const PAT_RESET: u64 = 0x0007_0406_0007_0406;

/// MSRs by number (Intel SDM vol. 4).
#[allow(dead_code)]
pub(crate) mod number {
    pub(crate) const TSC: u32 = 0x10;
    pub(crate) const APIC_BASE: u32 = 0x1b;
    pub(crate) const SPEC_CTRL: u32 = 0x48;
    pub(crate) const PRED_CMD: u32 = 0x49;
    pub(crate) const ARCH_CAPABILITIES: u32 = 0x10a;
    pub(crate) const FLUSH_CMD: u32 = 0x10b;
    pub(crate) const SYSENTER_CS: u32 = 0x174;
    pub(crate) const SYSENTER_ESP: u32 = 0x175;
    pub(crate) const SYSENTER_EIP: u32 = 0x176;
    pub(crate) const TSC_DEADLINE: u32 = 0x6e0;
    pub(crate) const XSS: u32 = 0xda0;
    pub(crate) const EFER: u32 = 0xc000_0080;
    pub(crate) const STAR: u32 = 0xc000_0081;
    pub(crate) const LSTAR: u32 = 0xc000_0082;
    pub(crate) const CSTAR: u32 = 0xc000_0083;
    pub(crate) const FMASK: u32 = 0xc000_0084;
    pub(crate) const FS_BASE: u32 = 0xc000_0100;
    pub(crate) const GS_BASE: u32 = 0xc000_0101;
    pub(crate) const KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub(crate) const TSC_AUX: u32 = 0xc000_0103;
}

/// Values that the CPU itself uses, or keeps for the guest. FS and GS bases are in the segment registers.
#[derive(Clone, Debug)]
pub(crate) struct Msrs {
    pub(crate) star: u64,
    pub(crate) lstar: u64,
    pub(crate) cstar: u64,
    pub(crate) fmask: u64,
    pub(crate) kernel_gs_base: u64,
    pub(crate) tsc_aux: u64,
    pub(crate) sysenter_cs: u64,
    pub(crate) sysenter_esp: u64,
    pub(crate) sysenter_eip: u64,
    pub(crate) xss: u64,
    pub(crate) spec_ctrl: u64,
    pub(crate) debugctl: u64,
    pub(crate) pat: u64,
    pub(crate) perf_global_ctrl: u64,
}

impl Default for Msrs {
    fn default() -> Self {
        Self {
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            kernel_gs_base: 0,
            tsc_aux: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            xss: 0,
            spec_ctrl: 0,
            debugctl: 0,
            pat: PAT_RESET,
            perf_global_ctrl: 0,
        }
    }
}

/// The MSRs that can be native, in the order of the bits in [`Access::native`].
const NATIVE: [u32; 15] = [
    number::TSC,
    number::SPEC_CTRL,
    number::PRED_CMD,
    number::SYSENTER_CS,
    number::SYSENTER_ESP,
    number::SYSENTER_EIP,
    number::XSS,
    number::STAR,
    number::LSTAR,
    number::CSTAR,
    number::FMASK,
    number::FS_BASE,
    number::GS_BASE,
    number::KERNEL_GS_BASE,
    number::TSC_AUX,
];

/// May be read without an exit (`HV_MSR_READ`).
const READ: u32 = 1;
/// May be written without an exit (`HV_MSR_WRITE`).
const WRITE: u32 = 2;

/// An MSR that is switched with the vCPU (`hv_vcpu_enable_managed_msr`).
#[derive(Clone, Copy, Debug)]
struct Managed {
    msr: u32,
    access: u32,
    /// Where the CPU model has no use for it.
    value: u64,
}

/// Who may reach which MSR without an exit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    native: u16,
    managed: Vec<Managed>,
}

fn native_bit(msr: u32) -> Option<u16> {
    NATIVE
        .iter()
        .position(|&known| known == msr)
        .map(|n| 1 << n)
}

/// Whether the framework manages an MSR: last-branch records, mitigations, counters. Records and counters keep what is written, and nothing
/// else is written to them: IA32_DEBUGCTL has no LBR here (`hv_vmx_get_msr_info`), and CPUID tells of no counters.
fn manageable(msr: u32) -> bool {
    matches!(msr,
        number::SPEC_CTRL | number::PRED_CMD | number::ARCH_CAPABILITIES | number::FLUSH_CMD
        | 0x1c8 | 0x1c9 | 0x1dd | 0x1de | 0x680..=0x69f | 0x6c0..=0x6df | 0xdc0..=0xddf
        | number::XSS)
}

/// Rights that can be granted: commands are written, facts are read.
fn grantable(msr: u32) -> u32 {
    match msr {
        number::PRED_CMD | number::FLUSH_CMD => WRITE,
        number::ARCH_CAPABILITIES => READ,
        _ => READ | WRITE,
    }
}

impl Access {
    /// Whether KERNEL_GS_BASE is native, as entering a 64-bit guest needs.
    pub(crate) fn has_kernel_gs_base(&self) -> bool {
        native_bit(number::KERNEL_GS_BASE).is_some_and(|bit| self.native & bit != 0)
    }

    /// `hv_vcpu_enable_native_msr`.
    pub(crate) fn set_native(&mut self, msr: u32, enable: bool) -> Result<(), Code> {
        let bit = native_bit(msr).ok_or(Code::BAD_ARGUMENT)?;
        if enable {
            self.native |= bit;
        } else {
            self.native &= !bit;
        }
        Ok(())
    }

    /// `hv_vcpu_enable_managed_msr`. Unbinding drops the access rights.
    pub(crate) fn set_managed(&mut self, msr: u32, enable: bool) -> Result<(), Code> {
        if !manageable(msr) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.managed.retain(|known| enable || known.msr != msr);
        if enable && self.managed(msr).is_none() {
            self.managed.push(Managed {
                msr,
                access: 0,
                value: 0,
            });
        }
        Ok(())
    }

    /// `hv_vcpu_set_msr_access`.
    pub(crate) fn set_access(&mut self, msr: u32, access: u32) -> Result<(), Code> {
        let managed = self.managed.iter_mut().find(|known| known.msr == msr);
        match managed {
            Some(managed) if access & !grantable(msr) == 0 => {
                managed.access = access;
                Ok(())
            }
            _ => Err(Code::BAD_ARGUMENT),
        }
    }

    fn managed(&self, msr: u32) -> Option<&Managed> {
        self.managed.iter().find(|known| known.msr == msr)
    }

    /// Whether the VMM has the MSR's value switched with the vCPU, one way or the other.
    pub(crate) fn is_bound(&self, msr: u32) -> bool {
        native_bit(msr).is_some_and(|bit| self.native & bit != 0) || self.managed(msr).is_some()
    }

    /// Whether an access by the guest exits, MSR bitmaps in use.
    pub(crate) fn exits(&self, msr: u32, write: bool) -> bool {
        if native_bit(msr).is_some_and(|bit| self.native & bit != 0) {
            return false;
        }
        let needed = if write { WRITE } else { READ };
        let granted = self.managed(msr).map_or(0, |known| known.access);
        granted & needed == 0
    }
}

impl Cpu {
    /// The value of an MSR that the CPU has; `None` where RDMSR raises #GP.
    pub(crate) fn msr(&self, msr: u32) -> Option<u64> {
        let m = &self.msr;
        Some(match msr {
            number::TSC => self.tsc(),
            number::TSC_DEADLINE => self.vmx.apic.as_ref()?.tsc_deadline(),
            number::SPEC_CTRL => m.spec_ctrl,
            number::ARCH_CAPABILITIES => ARCH_CAPABILITIES,
            number::SYSENTER_CS => m.sysenter_cs,
            number::SYSENTER_ESP => m.sysenter_esp,
            number::SYSENTER_EIP => m.sysenter_eip,
            number::XSS => m.xss,
            number::EFER => self.efer,
            number::STAR => m.star,
            number::LSTAR => m.lstar,
            number::CSTAR => m.cstar,
            number::FMASK => m.fmask,
            number::FS_BASE => self.seg[Seg::Fs as usize].base,
            number::GS_BASE => self.seg[Seg::Gs as usize].base,
            number::KERNEL_GS_BASE => m.kernel_gs_base,
            number::TSC_AUX => m.tsc_aux,
            number::PRED_CMD | number::FLUSH_CMD => return None,
            _ => return self.vmx.msr.managed(msr).map(|known| known.value),
        })
    }

    /// Writes an MSR that the CPU has; `None`, and nothing done, where WRMSR raises #GP.
    pub(crate) fn set_msr(&mut self, msr: u32, value: u64) -> Option<()> {
        let address = matches!(
            msr,
            number::SYSENTER_ESP
                | number::SYSENTER_EIP
                | number::LSTAR
                | number::CSTAR
                | number::FS_BASE
                | number::GS_BASE
                | number::KERNEL_GS_BASE
        );
        if address && !self.canonical_address(value) {
            return None;
        }
        if msr == number::TSC_DEADLINE {
            return self.set_tsc_deadline(value);
        }
        let m = &mut self.msr;
        match msr {
            number::TSC => {
                let offset = value.wrapping_sub(self.vmx.clock.now(self.retired()));
                self.vmx.clock.set_offset(offset);
            }
            number::SPEC_CTRL if value & !SPEC_CTRL_VALID == 0 => m.spec_ctrl = value,
            number::PRED_CMD | number::FLUSH_CMD if value & !1 == 0 => {}
            number::SYSENTER_CS => m.sysenter_cs = value & 0xffff_ffff,
            number::SYSENTER_ESP => m.sysenter_esp = value,
            number::SYSENTER_EIP => m.sysenter_eip = value,
            number::XSS if value == 0 => m.xss = 0,
            number::EFER => return self.set_efer(value),
            number::STAR => m.star = value,
            number::LSTAR => m.lstar = value,
            number::CSTAR => m.cstar = value,
            number::FMASK if value >> 32 == 0 => m.fmask = value,
            number::FS_BASE | number::GS_BASE => {
                let seg = if msr == number::FS_BASE {
                    Seg::Fs
                } else {
                    Seg::Gs
                };
                self.seg[seg as usize].base = value;
                self.update_mode();
            }
            number::KERNEL_GS_BASE => m.kernel_gs_base = value,
            number::TSC_AUX if value >> 32 == 0 => m.tsc_aux = value,
            _ => {
                let managed = self.vmx.msr.managed.iter_mut();
                managed.filter(|known| known.msr == msr).last()?.value = value;
            }
        }
        Some(())
    }

    fn set_tsc_deadline(&mut self, deadline: u64) -> Option<()> {
        let apic = self.vmx.apic.as_ref()?;
        let now = self.vmx.clock.now(self.retired());
        // What the TSC is ahead of the clock; a deadline that has passed fires at once.
        let ahead = self.tsc().wrapping_sub(now) as i64;
        let at = i128::from(deadline) - i128::from(ahead);
        apic.set_tsc_deadline(deadline, u64::try_from(at.max(0)).unwrap_or(u64::MAX));
        self.attend();
        Some(())
    }

    fn set_efer(&mut self, value: u64) -> Option<()> {
        let known = Cr::EFER_SCE | Cr::EFER_LME | Cr::EFER_LMA | Cr::EFER_NXE;
        let paging = self.cr0 & Cr::CR0_PG != 0;
        if value & !known != 0 || paging && (value ^ self.efer) & Cr::EFER_LME != 0 {
            return None;
        }
        self.efer = (value & !Cr::EFER_LMA) | (self.efer & Cr::EFER_LMA);
        self.update_mode();
        Some(())
    }

    /// Whether an address that is kept for later use is canonical: on a CPU with 57-bit addresses, in 57 bits where paging has five
    /// levels.
    pub(crate) fn canonical_address(&self, address: u64) -> bool {
        self.is_canonical(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_exits_until_it_is_native() {
        let mut access = Access::default();
        assert!(access.exits(number::STAR, false));
        access.set_native(number::STAR, true).unwrap();
        assert!(!access.exits(number::STAR, false) && !access.exits(number::STAR, true));
        assert!(access.exits(number::LSTAR, true));
        access.set_native(number::STAR, false).unwrap();
        assert!(access.exits(number::STAR, false));
        for refused in [number::EFER, number::APIC_BASE, 0x277, 0] {
            assert_eq!(access.set_native(refused, true), Err(Code::BAD_ARGUMENT));
        }
    }

    #[test]
    fn managed_msrs_exit_until_access_is_granted() {
        let mut access = Access::default();
        assert_eq!(
            access.set_access(number::SPEC_CTRL, READ),
            Err(Code::BAD_ARGUMENT)
        );
        access.set_managed(number::SPEC_CTRL, true).unwrap();
        assert!(access.exits(number::SPEC_CTRL, false) && access.is_bound(number::SPEC_CTRL));
        access.set_access(number::SPEC_CTRL, READ).unwrap();
        assert!(!access.exits(number::SPEC_CTRL, false) && access.exits(number::SPEC_CTRL, true));
        access.set_managed(number::SPEC_CTRL, false).unwrap();
        assert!(access.exits(number::SPEC_CTRL, false) && !access.is_bound(number::SPEC_CTRL));
        access.set_managed(number::ARCH_CAPABILITIES, true).unwrap();
        assert_eq!(
            access.set_access(number::ARCH_CAPABILITIES, WRITE),
            Err(Code::BAD_ARGUMENT)
        );
        assert_eq!(
            access.set_managed(number::EFER, true),
            Err(Code::BAD_ARGUMENT)
        );
    }
}
