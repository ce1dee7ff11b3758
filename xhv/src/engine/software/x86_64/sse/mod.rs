//! MMX, SSE to SSE4.2, AES, PCLMULQDQ, SHA, AVX, AVX2, F16C and FMA: their instructions into operations.
//!
//! | file | what |
//! |---|---|
//! | `operand` | registers and memory as 128-bit operands; where results go in each encoding |
//! | `table` | instructions that are a function of two 128-bit lanes: which function |
//! | `lanes`, `shuffle`, `crypto`, `text` | these functions |
//! | `packed` | binds the table |
//! | `moves`, `scalar`, `element` | moves between registers and memory, and to and from general registers |
//! | `wide` | AVX instructions that cross 128-bit lanes; masked moves, gathers |
//! | `float`, `arith`, `functions`, `compare`, `convert`, `fma` | floating point under MXCSR |
//! | `xsave` | FXSAVE and XSAVE families |
//!
//! Which of them the control registers allow is part of the mode that blocks are decoded for, so operations need not ask.

mod arith;
mod compare;
mod convert;
mod crypto;
mod element;
mod float;
mod fma;
mod functions;
mod lanes;
mod moves;
mod operand;
mod packed;
mod scalar;
mod shuffle;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod wide;
mod xsave;

use iced_x86::{CpuidFeature, EncodingKind, Instruction};

use super::decode::Assembler;
use super::mode::Mode;

/// Bits of [`Mode::fp`].
const EM: u8 = 2;
const TS: u8 = 4;
const OSFXSR: u8 = 8;
const OSXSAVE: u8 = 32;
const XCR0_AVX: u8 = 0xc0;

/// Takes SIMD instructions and those that save their state.
pub(crate) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    let Some(rule) = Rule::of(i) else {
        return false;
    };
    match rule.fault(asm.mode()) {
        Some(6) => asm.complex_end(i, |cpu, _| Err(cpu.ud())),
        Some(_) => asm.complex_end(i, |cpu, _| Err(cpu.nm())),
        None => return families(i, asm),
    };
    true
}

fn families(i: &Instruction, asm: &mut Assembler) -> bool {
    moves::decode(i, asm)
        || arith::decode(i, asm)
        || packed::decode(i, asm)
        || scalar::decode(i, asm)
        || compare::decode(i, asm)
        || convert::decode(i, asm)
        || fma::decode(i, asm)
        || wide::decode(i, asm)
        || text::decode(i, asm)
        || xsave::decode(i, asm)
}

/// What an instruction asks of the control registers (Intel SDM vol. 3, tables 2-3 and 14-1, vol. 2, 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Nothing: XSAVE and its like ask for themselves.
    Own,
    /// CR0.EM and TS.
    Mmx,
    /// And CR4.OSFXSR.
    Sse,
    /// CR4.OSXSAVE, XCR0 and protected mode; TS.
    Avx,
}

impl Rule {
    fn of(i: &Instruction) -> Option<Self> {
        use CpuidFeature as F;
        let features = i.code().cpuid_features();
        let vex = match i.code().encoding() {
            EncodingKind::Legacy => false,
            EncodingKind::VEX => true,
            _ => return None,
        };
        let is = |any: &[F]| features.iter().any(|feature| any.contains(feature));
        if vex {
            return is(&[F::AVX, F::AVX2, F::FMA, F::F16C]).then_some(Self::Avx);
        }
        if is(&[F::FXSR, F::XSAVE, F::XSAVEOPT, F::XSAVEC, F::XSAVES]) {
            return Some(Self::Own);
        }
        let mmx = (0..i.op_count()).any(|n| i.op_register(n).is_mm());
        let xmm = (0..i.op_count()).any(|n| i.op_register(n).is_xmm());
        let simd = is(&[
            F::SSE,
            F::SSE2,
            F::SSE3,
            F::SSSE3,
            F::SSE4_1,
            F::SSE4_2,
            F::AES,
            F::PCLMULQDQ,
            F::SHA,
        ]);
        match (is(&[F::MMX]), simd) {
            (true, _) => Some(Self::Mmx),
            (_, true) if mmx && !xmm => Some(Self::Mmx),
            (_, true) if xmm || without_vector(i) => Some(Self::Sse),
            _ => None,
        }
    }

    /// The vector of the exception that the instruction raises in `mode`.
    fn fault(self, mode: &Mode) -> Option<u8> {
        let fp = mode.fp;
        let undefined = match self {
            Self::Own => return None,
            Self::Mmx => fp & EM != 0,
            Self::Sse => fp & EM != 0 || fp & OSFXSR == 0,
            Self::Avx => fp & OSXSAVE == 0 || fp & XCR0_AVX != XCR0_AVX || !mode.protected,
        };
        if undefined {
            Some(6)
        } else if fp & TS != 0 {
            Some(7)
        } else {
            None
        }
    }
}

/// Instructions whose vector operand is in memory, or that have none. All others without one (PREFETCH, MOVNTI, CRC32, …) are not
/// SIMD instructions and ask nothing of the control registers.
fn without_vector(i: &Instruction) -> bool {
    use iced_x86::Mnemonic::*;
    matches!(
        i.mnemonic(),
        Ldmxcsr | Stmxcsr | Cvtss2si | Cvttss2si | Cvtsd2si | Cvttsd2si
    )
}
