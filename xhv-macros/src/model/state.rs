//! The snapshot struct of an architecture.

use proc_macro2::Ident;

use super::{CType, Head, Path};

/// The snapshot struct.
#[derive(Debug)]
pub(crate) struct State {
    /// Docs and citation.
    pub head: Head,
    /// Its name.
    pub name: Ident,
    /// The architecture, as written into the file.
    pub arch: Ident,
    /// Groups of rows.
    pub groups: Vec<Group>,
    /// Parts that are written by hand.
    pub extras: Vec<Extra>,
}

/// A group of rows: the `ALL` list of a module.
#[derive(Debug)]
pub(crate) struct Group {
    /// Name of the member and the JSON key.
    pub name: Ident,
    /// The module.
    pub module: Path,
}

/// A part that is not a list of rows.
#[derive(Debug)]
pub(crate) struct Extra {
    /// Name of the member and the JSON key.
    pub name: Ident,
    /// Its type.
    pub ty: CType,
}
