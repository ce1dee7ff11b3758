//! Answers that a VMM can start from: CPUID, MSRs, XCR0. Override what you know better, and leave the rest to these.

use super::capabilities;
use super::msr::{self, ArchCapabilities};
use super::reg::{self, Xcr0};
use super::vcpu::Vcpu;
use super::vmcs;
use crate::error::Error;
use crate::typed::{RawRead, RawWrite, space};

/// The four registers that CPUID answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct CpuidResult {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// What the processor under the guest answers: the host's own, or the software engine's.
fn processor(vcpu: &Vcpu, leaf: u32, subleaf: u32) -> CpuidResult {
    crate::engine::x86_64::cpuid(vcpu.vm().engine(), leaf, subleaf)
}

/// Leaf 1, ECX: what a guest cannot have: DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, PDCM, DCA, x2APIC, TSC deadline.
const LEAF1_ECX_HIDDEN: u32 = 1 << 2
    | 1 << 3
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 15
    | 1 << 18
    | 1 << 21
    | 1 << 24;
/// Leaf 1, EDX: DS, ACPI thermal, thermal monitor, pending-break enable.
const LEAF1_EDX_HIDDEN: u32 = 1 << 21 | 1 << 22 | 1 << 29 | 1 << 31;
/// Leaf 7, EBX: TSC_ADJUST, SGX, RTM-independent PQM and PQE, MPX, PCOMMIT, Intel PT.
const LEAF7_EBX_HIDDEN: u32 = 1 << 1 | 1 << 2 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 22 | 1 << 25;
/// Leaf 7, ECX: WAITPKG, CET shadow stacks, TME, key locker, bus-lock detection, ENQCMD, SGX_LC, PKS.
const LEAF7_ECX_HIDDEN: u32 =
    1 << 5 | 1 << 7 | 1 << 13 | 1 << 23 | 1 << 24 | 1 << 29 | 1 << 30 | 1 << 31;
/// Leaf 7, ECX: CR4.PKE is set.
const OSPKE: u32 = 1 << 4;
/// Leaf 7, EDX: UINTR, hybrid, PCONFIG, architectural LBR, CET IBT, AMX, core capabilities.
const LEAF7_EDX_HIDDEN: u32 =
    1 << 5 | 1 << 15 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 22 | 1 << 24 | 1 << 25 | 1 << 30;

/// The default answer to CPUID: what the processor offers, less what the engine cannot give to a guest (MONITOR, VMX, TSC deadline,
/// Intel PT, MPX, performance monitoring, x2APIC, AMX, …), with OSXSAVE, the APIC id and the XSAVE sizes of this vCPU.
#[must_use]
pub fn cpuid(vcpu: &Vcpu, leaf: u32, subleaf: u32) -> CpuidResult {
    let mut answer = processor(vcpu, leaf, subleaf);
    match leaf {
        1 => {
            answer.ecx &= !LEAF1_ECX_HIDDEN;
            answer.ecx |= 1 << 31;
            answer.edx &= !LEAF1_EDX_HIDDEN;
            let on = vcpu
                .read(vmcs::GUEST_CR4)
                .is_ok_and(|cr4| cr4.contains(reg::Cr4::OSXSAVE));
            answer.ecx = answer.ecx & !(1 << 27) | u32::from(on && answer.ecx & 1 << 26 != 0) << 27;
            answer.ebx = answer.ebx & 0x0000_ff00 | (vcpu.id() & 0xff) << 24 | 1 << 16;
        }
        4 => answer.eax &= 0x3ff,
        // The APIC timer that runs in every state; nothing else of power management.
        6 => {
            answer = CpuidResult {
                eax: answer.eax & 1 << 2,
                ..CpuidResult::default()
            };
        }
        10 | 0x12 | 0x14 | 0x19 | 0x1c | 0x1d | 0x1e => answer = CpuidResult::default(),
        7 if subleaf == 0 => {
            answer.ebx &= !LEAF7_EBX_HIDDEN;
            answer.ecx &= !LEAF7_ECX_HIDDEN & !OSPKE;
            let on = vcpu
                .read(vmcs::GUEST_CR4)
                .is_ok_and(|cr4| cr4.contains(reg::Cr4::PKE));
            answer.ecx |= if on { OSPKE } else { 0 };
            answer.edx &= !LEAF7_EDX_HIDDEN;
        }
        11 | 0x1f => {
            answer = CpuidResult {
                ecx: subleaf & 0xff,
                edx: vcpu.id(),
                ..CpuidResult::default()
            };
        }
        13 => answer = xsave_leaf(vcpu, subleaf, answer),
        0x4000_0000 => {
            let [ebx, ecx, edx] = [*b"xhvx", *b"hvxh", *b"vxhv"].map(u32::from_le_bytes);
            answer = CpuidResult {
                eax: 0x4000_0000,
                ebx,
                ecx,
                edx,
            };
        }
        _ => {}
    }
    answer
}

/// Leaf 0DH: only the components that a guest can enable, and the size of what it has enabled.
fn xsave_leaf(vcpu: &Vcpu, subleaf: u32, host: CpuidResult) -> CpuidResult {
    let mask = xcr0_mask(vcpu);
    match subleaf {
        0 => {
            let enabled = vcpu.read(reg::XCR0).map_or(1, Xcr0::bits);
            CpuidResult {
                eax: mask as u32,
                ebx: xsave_size(vcpu, enabled & mask),
                ecx: xsave_size(vcpu, mask),
                edx: (mask >> 32) as u32,
            }
        }
        // XSAVEOPT, XSAVEC, XGETBV with ECX = 1; not XSAVES, whose state would need IA32_XSS.
        1 => {
            let enabled = vcpu.read(reg::XCR0).map_or(1, Xcr0::bits);
            CpuidResult {
                eax: host.eax & 0b111,
                ebx: compacted_size(vcpu, enabled & mask),
                ..CpuidResult::default()
            }
        }
        2..=63 if mask >> subleaf & 1 != 0 => host,
        _ => CpuidResult::default(),
    }
}

/// Size of the compacted format that XSAVEC writes.
fn compacted_size(vcpu: &Vcpu, components: u64) -> u32 {
    let enabled = (2..63).filter(|component| components >> component & 1 != 0);
    enabled.fold(576_u32, |size, component| {
        let CpuidResult { eax, ecx, .. } = processor(vcpu, 13, component);
        let start = if ecx & 2 != 0 {
            size.next_multiple_of(64)
        } else {
            size
        };
        start.saturating_add(eax)
    })
}

fn xsave_size(vcpu: &Vcpu, components: u64) -> u32 {
    let ends = (2..63)
        .filter(|component| components >> component & 1 != 0)
        .map(|component| {
            let CpuidResult { eax, ebx, .. } = processor(vcpu, 13, component);
            eax.saturating_add(ebx)
        });
    ends.max().unwrap_or(0).max(576)
}

/// The bits of XCR0 that a guest can set: x87, SSE, AVX, AVX-512 and protection keys, as far as the processor has them. MPX is left out: the
/// framework ignores a write with its bits.
#[must_use]
pub fn xcr0_mask(vcpu: &Vcpu) -> u64 {
    let leaf = processor(vcpu, 13, 0);
    let host = u64::from(leaf.edx) << 32 | u64::from(leaf.eax);
    let wanted = Xcr0::X87
        | Xcr0::SSE
        | Xcr0::AVX
        | Xcr0::OPMASK
        | Xcr0::ZMM_HI256
        | Xcr0::HI16_ZMM
        | Xcr0::PKRU;
    (host & wanted.bits()) | 1
}

/// The value of an MSR by the default policy; `None` for an MSR that it does not know: a processor raises #GP then.
///
/// # Errors
/// [`Error::Row`] if the engine refuses.
pub fn read_msr(vcpu: &Vcpu, index: u32) -> Result<Option<u64>, Error> {
    if vcpu.msrs.contains_key(&index) {
        return vcpu.native_msr(index).map(Some);
    }
    if let Some(field) = in_vmcs(index) {
        return Ok(Some(vcpu.raw_vmcs(field)));
    }
    if let Some(value) = vcpu.emulated_msrs.get(&index) {
        return Ok(Some(*value));
    }
    Ok(Some(match index {
        // Enabled, at the usual place, bootstrap processor if it is the first.
        APIC_BASE => 0xfee0_0900 & !0x100 | u64::from(vcpu.id() == 0) << 8,
        PAT => 0x0007_0406_0007_0406,
        // No variable ranges, fixed ranges off, everything write-back.
        MTRR_CAP => 0x500,
        MTRR_DEF_TYPE => 0x806,
        MISC_ENABLE => 1,
        // Locked, VMX off.
        FEATURE_CONTROL => 1,
        ARCH_CAPABILITIES => arch_capabilities(vcpu),
        TSC_ADJUST | PLATFORM_ID | BIOS_SIGN_ID | MCG_CAP | MCG_STATUS | SMI_COUNT => 0,
        0x200..=0x20f | 0x250 | 0x258 | 0x259 | 0x268..=0x26f => 0,
        PLATFORM_INFO => 0,
        _ => return Ok(None),
    }))
}

/// What a guest is told of the attacks that the processor withstands, or that VERW clears after, or that it is open to (RSBA, RRSBA). The
/// other bits promise MSRs that this policy does not have, IA32_SPEC_CTRL of enhanced IBRS among them.
const TOLD: ArchCapabilities = ArchCapabilities::RDCL_NO
    .union(ArchCapabilities::RSBA)
    .union(ArchCapabilities::SKIP_L1DFL_VMENTRY)
    .union(ArchCapabilities::SSB_NO)
    .union(ArchCapabilities::MDS_NO)
    .union(ArchCapabilities::IF_PSCHANGE_MC_NO)
    .union(ArchCapabilities::TAA_NO)
    .union(ArchCapabilities::SBDR_SSDP_NO)
    .union(ArchCapabilities::FBSDP_NO)
    .union(ArchCapabilities::PSDP_NO)
    .union(ArchCapabilities::FB_CLEAR)
    .union(ArchCapabilities::RRSBA)
    .union(ArchCapabilities::BHI_NO)
    .union(ArchCapabilities::PBRSB_NO)
    .union(ArchCapabilities::GDS_NO)
    .union(ArchCapabilities::RFDS_NO)
    .union(ArchCapabilities::RFDS_CLEAR);

/// The processor's IA32_ARCH_CAPABILITIES as far as a guest can use it; nothing on a host that does not tell (before macOS 11).
///
/// Without RDCL_NO a guest isolates its kernel's page tables: two loads of CR3 for each system call, which cost the software engine its TLB.
fn arch_capabilities(vcpu: &Vcpu) -> u64 {
    const HV_VMX_INFO_MSR_IA32_ARCH_CAPABILITIES: u64 = 0;
    let of_host = vcpu.vm().msr_info(HV_VMX_INFO_MSR_IA32_ARCH_CAPABILITIES);
    of_host.unwrap_or(0) & TOLD.bits()
}

/// Writes an MSR by the default policy; answers false where a processor would raise #GP.
///
/// # Errors
/// [`Error::Row`] if the engine refuses.
pub fn write_msr(vcpu: &mut Vcpu, index: u32, value: u64) -> Result<bool, Error> {
    if vcpu.msrs.contains_key(&index) {
        vcpu.set_native_msr(index, value)?;
        return Ok(true);
    }
    match index {
        EFER => return vcpu.do_efer(value),
        PAT => {
            let good = value
                .to_le_bytes()
                .iter()
                .all(|kind| matches!(kind, 0 | 1 | 4..=7));
            if good {
                vcpu.emulated_msrs.insert(index, value);
            }
            return Ok(good);
        }
        MTRR_CAP | PLATFORM_ID | FEATURE_CONTROL | ARCH_CAPABILITIES | MCG_CAP | PLATFORM_INFO
        | SMI_COUNT => {
            return Ok(false);
        }
        BIOS_SIGN_ID => return Ok(true),
        DEBUGCTL if value & !vcpu.debugctl_bits() != 0 => return Ok(false),
        _ => {}
    }
    if let Some(field) = in_vmcs(index) {
        let answer = RawWrite::<space::Vmcs>::raw_write(vcpu, field, value);
        return Ok(answer.is_ok());
    }
    if read_msr(vcpu, index)?.is_none() {
        return Ok(false);
    }
    vcpu.emulated_msrs.insert(index, value);
    Ok(true)
}

const PLATFORM_ID: u32 = 0x17;
const APIC_BASE: u32 = 0x1b;
const SMI_COUNT: u32 = 0x34;
const FEATURE_CONTROL: u32 = 0x3a;
const TSC_ADJUST: u32 = 0x3b;
const BIOS_SIGN_ID: u32 = 0x8b;
const PLATFORM_INFO: u32 = 0xce;
const MTRR_CAP: u32 = 0xfe;
const ARCH_CAPABILITIES: u32 = 0x10a;
const MCG_CAP: u32 = 0x179;
const MCG_STATUS: u32 = 0x17a;
const MISC_ENABLE: u32 = 0x1a0;
const DEBUGCTL: u32 = 0x1d9;
const PAT: u32 = 0x277;
const MTRR_DEF_TYPE: u32 = 0x2ff;
const EFER: u32 = 0xc000_0080;

/// The VMCS field that holds an MSR.
fn in_vmcs(index: u32) -> Option<u32> {
    Some(match index {
        0x174 => vmcs::GUEST_IA32_SYSENTER_CS.key(),
        0x175 => vmcs::GUEST_IA32_SYSENTER_ESP.key(),
        0x176 => vmcs::GUEST_IA32_SYSENTER_EIP.key(),
        DEBUGCTL => vmcs::GUEST_IA32_DEBUGCTL.key(),
        EFER => vmcs::GUEST_IA32_EFER.key(),
        0xc000_0100 => vmcs::GUEST_FS_BASE.key(),
        0xc000_0101 => vmcs::GUEST_GS_BASE.key(),
        _ => return None,
    })
}

impl Vcpu {
    fn native_msr(&self, index: u32) -> Result<u64, Error> {
        RawRead::<space::Msr>::raw_read(self, index)
            .map_err(|code| self.failed("hv_vcpu_read_msr", code))
    }

    fn set_native_msr(&mut self, index: u32, value: u64) -> Result<(), Error> {
        RawWrite::<space::Msr>::raw_write(self, index, value)
            .map_err(|code| self.failed("hv_vcpu_write_msr", code))
    }

    /// Gives the guest every MSR natively that the framework offers and a 64-bit guest uses: STAR family, FS, GS and KERNEL_GS base,
    /// TSC, TSC_AUX, SYSENTER. One that this host does not have is left out; KERNEL_GS_BASE has to be enabled before 64-bit code runs.
    ///
    /// # Errors
    /// [`Error::Call`] if KERNEL_GS_BASE is refused.
    pub fn enable_usual_msrs(&mut self) -> Result<(), Error> {
        self.enable_native_msr(msr::KERNEL_GS_BASE.key(), true)?;
        for index in [
            0xc000_0081,
            0xc000_0082,
            0xc000_0083,
            0xc000_0084,
            0xc000_0100,
            0xc000_0101,
            0xc000_0103,
            0x10,
            0x174,
            0x175,
            0x176,
        ] {
            // Refused ones exit, and the default policy answers them.
            let _ = self.enable_native_msr(index, true);
        }
        Ok(())
    }

    /// Reads a capability of the host: `capabilities::…`.
    ///
    /// # Errors
    /// [`Error::Row`] if this host does not tell it.
    pub fn misc_capability(&self) -> Result<capabilities::VmxMisc, Error> {
        self.read(capabilities::MISC)
    }
}
