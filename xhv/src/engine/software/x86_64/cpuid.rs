//! What the engine's CPU answers to CPUID: what it implements, and nothing else (Intel SDM vol. 2, CPUID).
//!
//! CPUID itself always exits; this is what a VMM's own policy starts from. APIC id, OSXSAVE and XSAVE sizes of the moment are the
//! policy's business.

use super::fpu::{self, Component};
use super::mmu::MAXPHYADDR;
use super::vmx::capabilities::TSC_HZ;
use crate::x86_64::CpuidResult;

const HIGHEST: u32 = 0x16;
const HIGHEST_EXTENDED: u32 = 0x8000_0008;
/// Family 6, model 0x5e, stepping 3.
const SIGNATURE: u32 = 0x0005_06e3;
const BRAND: &[u8; 48] = b"xhv software CPU @ 1.00GHz\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// SSE3 PCLMULQDQ SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT TSC-deadline AES XSAVE AVX F16C RDRAND.
const LEAF1_ECX: u32 = bits(&[0, 1, 9, 12, 13, 17, 19, 20, 22, 23, 24, 25, 26, 28, 29, 30]);
/// FPU VME DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2.
const LEAF1_EDX: u32 = bits(&[
    0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26,
]);
/// FSGSBASE BMI1 AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID, no FCS and FDS, RDSEED ADX SMAP CLFLUSHOPT CLWB SHA.
const LEAF7_EBX: u32 = bits(&[0, 3, 5, 6, 7, 8, 9, 10, 13, 18, 19, 20, 23, 24, 29]);
/// UMIP PKU LA57 RDPID.
const LEAF7_ECX: u32 = bits(&[2, 3, 16, 22]);
/// FSRM ARCH_CAPABILITIES.
const LEAF7_EDX: u32 = bits(&[4, 29]);
/// LAHF64 LZCNT PREFETCHW.
const EXTENDED_ECX: u32 = bits(&[0, 5, 8]);
/// SYSCALL NX 1-GiB pages RDTSCP long mode.
const EXTENDED_EDX: u32 = bits(&[11, 20, 26, 27, 29]);

const fn bits(set: &[u32]) -> u32 {
    let (mut value, mut n) = (0, 0);
    while n < set.len() {
        value |= 1 << set[n];
        n += 1;
    }
    value
}

fn result(eax: u32, ebx: u32, ecx: u32, edx: u32) -> CpuidResult {
    CpuidResult { eax, ebx, ecx, edx }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u32::from_le_bytes(word)
}

/// A cache: type (1 data, 2 code, 3 both), level, ways, sets.
fn cache(kind: u32, level: u32, ways: u32, sets: u32) -> CpuidResult {
    let line = 64;
    result(
        kind | level << 5 | 1 << 8,
        (line - 1) | (ways - 1) << 22,
        sets - 1,
        0,
    )
}

fn xsave(subleaf: u32) -> CpuidResult {
    let components = fpu::components();
    let size = fpu::size_of_standard(components) as u32;
    match subleaf {
        0 => result(components as u32, size, size, (components >> 32) as u32),
        // XSAVEOPT, XSAVEC, XGETBV with ECX = 1, XSAVES.
        1 => result(0xf, size, 0, 0),
        _ => {
            let known = [Component::Avx, Component::Pkru];
            let found = known.into_iter().find(|&known| known as u32 == subleaf);
            found.map_or_else(CpuidResult::default, |component| {
                let (offset, size) = component.place();
                result(size as u32, offset as u32, 0, 0)
            })
        }
    }
}

/// The answer to CPUID with EAX = `leaf` and ECX = `subleaf`.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    let leaf = match leaf {
        0..=HIGHEST | 0x8000_0000..=HIGHEST_EXTENDED => leaf,
        // Hypervisors answer here; a CPU does not.
        0x4000_0000..=0x4fff_ffff => return CpuidResult::default(),
        // Beyond the highest leaf Intel CPUs answer as for the highest.
        _ => HIGHEST,
    };
    let hz = TSC_HZ as u32;
    match (leaf, subleaf) {
        (0, _) => result(
            HIGHEST,
            word(b"Genu", 0),
            word(b"ntel", 0),
            word(b"ineI", 0),
        ),
        (1, _) => result(SIGNATURE, 8 << 8 | 1 << 16, LEAF1_ECX, LEAF1_EDX),
        // Look at leaf 4 for caches; no TLB descriptors.
        (2, _) => result(0x00fe_ff01, 0, 0, 0),
        (4, 0) => cache(1, 1, 8, 64),
        (4, 1) => cache(2, 1, 8, 64),
        (4, 2) => cache(3, 2, 4, 1024),
        (4, 3) => cache(3, 3, 16, 8192),
        // The APIC timer runs on whatever the CPU does.
        (6, _) => result(1 << 2, 0, 0, 0),
        (7, 0) => result(0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX),
        (0xd, _) => xsave(subleaf),
        // TSC and crystal: 1 to 1.
        (0x15, _) => result(1, 1, hz, 0),
        (0x16, _) => result(hz / 1_000_000, hz / 1_000_000, 100, 0),
        (0x8000_0000, _) => result(HIGHEST_EXTENDED, 0, 0, 0),
        (0x8000_0001, _) => result(0, 0, EXTENDED_ECX, EXTENDED_EDX),
        (0x8000_0002..=0x8000_0004, _) => {
            let at = (leaf - 0x8000_0002) as usize * 16;
            let part = |n: usize| word(BRAND, at + 4 * n);
            result(part(0), part(1), part(2), part(3))
        }
        (0x8000_0006, _) => result(0, 0, 64 | 6 << 12 | 256 << 16, 0),
        // The TSC is invariant.
        (0x8000_0007, _) => result(0, 0, 0, 1 << 8),
        (0x8000_0008, _) => result(MAXPHYADDR | 57 << 8, 0, 0, 0),
        _ => CpuidResult::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_and_the_brand_are_spelt() {
        let vendor = cpuid(0, 0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx]
            .map(u32::to_le_bytes)
            .concat();
        assert_eq!(name, b"GenuineIntel");
        assert_eq!(cpuid(0x8000_0002, 0).eax.to_le_bytes(), *b"xhv ");
    }

    #[test]
    fn leaves_beyond_the_highest_answer_as_the_highest() {
        assert_eq!(cpuid(0x17, 0), cpuid(HIGHEST, 0));
        assert_eq!(cpuid(0x4000_0000, 0), CpuidResult::default());
    }

    #[test]
    fn avx_state_lies_where_hardware_has_it() {
        let avx = cpuid(0xd, 2);
        assert_eq!((avx.eax, avx.ebx), (256, 576));
        assert_eq!(cpuid(0xd, 0).eax & 7, 7);
    }
}
