//! Floating point and Advanced SIMD: instructions whose encodings have bits \[28:25\] = x111.
//!
//! | file | what |
//! |---|---|
//! | `env`, `estimate` | arithmetic of one element under FPCR and FPSR |
//! | `lanes` | vectors as elements |
//! | `scalar`, `vector` | floating-point operations, of scalars and of vectors |
//! | `integer`, `permute` | integer operations on vectors, moving of elements |
//! | `decode` | words of code to these operations |
//!
//! Not here, and not in the identification registers: half-precision arithmetic and the cryptographic extensions.

mod decode;
mod env;
mod estimate;
mod integer;
mod lanes;
mod permute;
mod scalar;
mod vector;

pub(crate) use decode::decode;

/// Fields of `ID_AA64ISAR0_EL1` for what is here: none of the cryptographic extensions.
pub(crate) const ISAR0: u64 = 0;
/// Fields of `ID_AA64ISAR1_EL1` for what is here.
pub(crate) const ISAR1: u64 = 0;

/// Bits of `FPCR` that exist: AHP, DN, FZ, RMode.
pub(crate) const FPCR_MASK: u64 = 0x07c0_0000;
/// Bits of `FPSR` that exist: QC and the cumulative exception flags.
pub(crate) const FPSR_MASK: u64 = 0x0800_009f;
