//! What a spec file says, read by `syntax`, compared by `check`, written out by `emit`.
//! Every part keeps the tokens that an error about it points at.

mod exits;
mod framework;
mod instructions;
mod state;
mod table;

use proc_macro2::{Ident, Literal, Span, TokenStream};

pub(crate) use exits::*;
pub(crate) use framework::*;
pub(crate) use instructions::*;
pub(crate) use state::*;
pub(crate) use table::*;

/// The items of one `spec!` call, in order.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The items.
    pub items: Vec<Item>,
}

/// An item: a keyword, a head, a table.
#[derive(Debug)]
pub(crate) enum Item {
    /// `registers`, `simd`, `vmcs`, `msrs`, `sysregs`, …: a list of rows that become typed constants.
    Table(Table),
    /// `fields`: a bit-field type.
    Fields(Fields),
    /// `values`: an open newtype.
    Values(Values),
    /// `controls`: a bit-field type with the field and capability of a control word.
    Controls(Controls),
    /// `exits`: an enum with a struct for each reason.
    Exits(Exits),
    /// `framework`, `library`: FFI.
    Framework(Framework),
    /// `state`: the snapshot struct.
    State(State),
    /// `instructions`: a decoder.
    Instructions(Instructions),
}

/// A number with the token that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    /// Its value.
    pub value: u128,
    /// As written, so that hexadecimal stays hexadecimal.
    pub token: Literal,
}

impl Number {
    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        self.token.span()
    }
}

/// A path to something in Rust: resolved by rustc, not here.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The tokens as written.
    pub tokens: TokenStream,
    /// The last segment.
    pub last: Ident,
}

/// What stands before every table: `/// docs` and `cite "…"`.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Contents of the `///` lines.
    pub docs: Vec<Literal>,
    /// Document and place.
    pub cite: Literal,
}

/// A name, perhaps with a running number: `GICD_ISENABLER{0}`.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// The part before the number, or the whole name.
    pub ident: Ident,
    /// The first running number of a range row, and the part after it.
    pub first: Option<(Number, String)>,
}

impl Name {
    /// The name of the row with this place in its range.
    pub(crate) fn nth(&self, index: u128) -> Ident {
        match &self.first {
            Some((first, tail)) => {
                let number = first.value + index;
                Ident::new(&format!("{}{number}{tail}", self.ident), self.ident.span())
            }
            None => self.ident.clone(),
        }
    }
}

/// The numbers of a row: one, or `first..=last step n`.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    /// The first or only number.
    pub first: Number,
    /// The last number and the distance between two.
    pub rest: Option<(Number, Option<Number>)>,
}

impl Range {
    /// The distance between two numbers.
    pub(crate) fn step(&self) -> u128 {
        match &self.rest {
            Some((_, Some(step))) => step.value,
            _ => 1,
        }
    }
    /// The last number.
    pub(crate) fn last(&self) -> u128 {
        self.rest
            .as_ref()
            .map_or(self.first.value, |(last, _)| last.value)
    }
    /// The numbers; `check` has seen that they are few and that the step is not 0.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u128> + use<> {
        let (first, last, step) = (self.first.value, self.last(), self.step().max(1));
        let count = if last < first {
            0
        } else {
            (last - first) / step + 1
        };
        (0..count.min(MAX_RANGE)).map(move |index| first + index * step)
    }
}

/// More rows than this in one range are a mistake, not a table.
pub(crate) const MAX_RANGE: u128 = 4096;

/// A version of macOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub u8, pub u8, pub u8);

/// The width of a value.
#[derive(Clone, Debug)]
pub(crate) struct Width {
    /// Bits: 1 to 128.
    pub bits: u32,
    /// `natural`: as wide as the processor's registers; `bits` is 64.
    pub natural: bool,
    /// `i32` and the like.
    pub signed: bool,
    /// Where it stands.
    pub span: Span,
}

impl Width {
    /// The unsigned Rust type that holds it.
    pub(crate) fn storage(&self) -> u32 {
        storage(self.bits)
    }
}

/// The narrowest integer that holds so many bits.
pub(crate) fn storage(bits: u32) -> u32 {
    bits.next_power_of_two().max(8)
}
