//! C functions, types and constants.

use proc_macro2::{Ident, Literal, TokenStream};

use super::{Facts, Head, Number, ValueRow, Version, Width};

/// The FFI of a library.
#[derive(Debug)]
pub(crate) struct Framework {
    /// Docs and citation.
    pub head: Head,
    /// `framework` rather than `library`.
    pub is_framework: bool,
    /// What is linked.
    pub name: Ident,
    /// `x86_64` or `aarch64`.
    pub arch: Ident,
    /// Functions up to this version are linked, newer ones are looked up.
    pub baseline: Version,
    /// The rows.
    pub rows: Vec<FfiRow>,
}

/// A row of FFI.
#[derive(Debug)]
pub(crate) struct FfiRow {
    /// Contents of the `///` lines.
    pub docs: Vec<Literal>,
    /// Name; none for `enum _`.
    pub name: Ident,
    /// What it is.
    pub what: Ffi,
    /// The rest.
    pub facts: Facts,
}

/// What a row of FFI declares.
#[derive(Debug)]
pub(crate) enum Ffi {
    /// `type T = U`
    Alias(CType),
    /// `opaque T`
    Opaque,
    /// `vector T size 16 align 16`
    Vector(Number, Number),
    /// `struct T size 8 align 8 { … }`
    Struct(Struct),
    /// `enum T: u32 { … }` and `flags`
    Enum(Width, Vec<ValueRow>, bool),
    /// `const N: T = v`
    Const(CType, Number),
    /// `fn f(…) -> T`
    Fn(Vec<Parameter>, Option<CType>),
}

/// A C structure.
#[derive(Debug)]
pub(crate) struct Struct {
    /// Size in bytes.
    pub size: Number,
    /// Alignment in bytes.
    pub align: Number,
    /// The members, by offset.
    pub members: Vec<Member>,
}

/// A member of a C structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// Offset in bytes.
    pub offset: Number,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: CType,
    /// The rest.
    pub facts: Facts,
}

/// A parameter of a C function.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: CType,
}

/// A type of C.
#[derive(Clone, Debug)]
pub(crate) struct CType {
    /// In Rust.
    pub tokens: TokenStream,
    /// As the row spells it.
    pub text: String,
}
