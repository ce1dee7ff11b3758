//! Instruction patterns of 32 bits.

use proc_macro2::{Ident, Span};

use super::{Facts, Head};

/// A decoder.
#[derive(Debug)]
pub(crate) struct Instructions {
    /// Docs and citation.
    pub head: Head,
    /// Name of the enum.
    pub name: Ident,
    /// The rows.
    pub rows: Vec<Pattern>,
}

/// An instruction.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Where the pattern stands.
    pub span: Span,
    /// The parts, highest bit first; together 32 bits.
    pub parts: Vec<Part>,
    /// The name; `_` for patterns without an instruction.
    pub name: Ident,
    /// The rest.
    pub facts: Facts,
}

/// A part of a pattern.
#[derive(Debug)]
pub(crate) struct Part {
    /// How many bits.
    pub width: u32,
    /// What they are.
    pub what: Bits,
}

/// What the bits of a part are.
#[derive(Debug)]
pub(crate) enum Bits {
    /// These digits.
    Fixed(u32),
    /// Anything.
    Any,
    /// A field.
    Field {
        /// Its name.
        name: Ident,
        /// Whether its highest bit is a sign.
        signed: bool,
    },
}

impl Pattern {
    /// The fixed bits: which, and what they are.
    pub(crate) fn mask_and_value(&self) -> (u32, u32) {
        self.parts.iter().fold((0, 0), |(mask, value), part| {
            let ones = (((1u64 << part.width) - 1) & 0xffff_ffff) as u32;
            let shift = |bits: u32| {
                if part.width >= 32 {
                    0
                } else {
                    bits << part.width
                }
            };
            match part.what {
                Bits::Fixed(bits) => (shift(mask) | ones, shift(value) | bits),
                _ => (shift(mask), shift(value)),
            }
        })
    }
}
