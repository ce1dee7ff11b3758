//! Floating point and Advanced SIMD: instructions whose encodings have bits \[28:25\] = x111.

use super::decode::{Assembler, Outcome};

/// Fields of `ID_AA64ISAR0_EL1` for what is here: none of the cryptographic extensions yet.
pub(crate) const ISAR0: u64 = 0;
/// Fields of `ID_AA64ISAR1_EL1` for what is here.
pub(crate) const ISAR1: u64 = 0;

/// Bits of `FPCR` that exist: AHP, DN, FZ, RMode.
pub(crate) const FPCR_MASK: u64 = 0x07c0_0000;
/// Bits of `FPSR` that exist: QC and the cumulative exception flags.
pub(crate) const FPSR_MASK: u64 = 0x0800_009f;

/// Decodes a word of this family. `Mode::FP` is set: accesses that `CPACR_EL1` traps do not come here.
pub(crate) fn decode(_asm: &mut Assembler<'_>, _word: u32) -> Outcome {
    Outcome::Undefined
}
