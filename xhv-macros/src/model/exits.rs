//! Exit reasons with their details.

use proc_macro2::Ident;

use super::{Facts, Head, Number, Path};

/// A range of bits: `[15:0]`, `[25]`.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// Highest bit.
    pub msb: Number,
    /// Lowest bit.
    pub lsb: Number,
}

/// Where the reason's number stands.
#[derive(Debug)]
pub(crate) enum Source {
    /// `of vmcs::EXIT_REASON[15:0]`: in a row; details are read from rows.
    Row(Path, Slice),
    /// `in Esr[31:26]`: in a value; details are slices of the same value.
    Value(Path, Slice),
}

/// A table of exit reasons.
#[derive(Debug)]
pub(crate) struct Exits {
    /// Docs and citation.
    pub head: Head,
    /// Name of the enum.
    pub name: Ident,
    /// Where the number stands.
    pub source: Source,
    /// The rows.
    pub rows: Vec<ExitRow>,
}

/// An exit reason.
#[derive(Debug)]
pub(crate) struct ExitRow {
    /// Its number.
    pub number: Number,
    /// Its name.
    pub name: Ident,
    /// Its details.
    pub payload: Vec<Detail>,
    /// The rest.
    pub facts: Facts,
}

/// A detail of an exit.
#[derive(Debug)]
pub(crate) struct Detail {
    /// Name of the member.
    pub name: Ident,
    /// The row it is read from; none for slices of the value itself.
    pub row: Option<Path>,
    /// The bits of it.
    pub slice: Option<Slice>,
    /// Its type; `u64` if none is given.
    pub ty: Option<Path>,
}
