//! The runtime types that the tables in `spec/` become: rows, bit-field types, their descriptions, and what FFI needs.
//!
//! `spec!` (crate `xhv-macros`) emits constants of these types and little else; the logic is here.
//! A vCPU implements [`RawRead`] and [`RawWrite`] for each [`space`] of rows that it has, and offers
//! [`Readable`] and [`Writable`] rows through its verbs `read` and `write`.

mod bits;
pub mod ffi;
pub mod hex;
mod info;
mod print;
mod row;
pub mod state;

pub use bits::Bits;
pub use info::{
    ExitInfo, FieldInfo, FieldKind, InstructionInfo, Kind, PatternField, Reserved, Route, RowInfo,
    Save, ValueInfo, Version, VmcsClass,
};
pub use print::{Named, describe, fmt_bits, fmt_value};
pub use row::{
    Access, CanRead, CanWrite, Capability, Controls, FeatureRegister, GicDistributorRegister,
    GicIccRegister, GicIchRegister, GicIcvRegister, GicMsiRegister, GicRedistributorRegister, Msr,
    NoAccess, RawRead, RawWrite, ReadOnly, ReadWrite, Readable, Register, Row, SimdRegister, Space,
    SystemRegister, VmcsField, Writable, WriteOnly, space,
};

#[doc(hidden)]
pub use serde;
