//! Printing of values by the tables: bit names, named values, hexadecimal for the rest.

use core::fmt::{self, Write};

use super::bits::Bits;
use super::info::{FieldInfo, FieldKind, Reserved, ValueInfo};

/// The name that a table gives to a value.
pub trait Named: Bits {
    /// The name of the value, if it has one.
    fn value_name(self) -> Option<&'static str> {
        value_name(Self::VALUES, self.into_u128())
    }
}
impl<T: Bits> Named for T {}

fn value_name(values: &'static [ValueInfo], value: u128) -> Option<&'static str> {
    values
        .iter()
        .find(|row| row.value == value)
        .map(|row| row.name)
}

/// Prints a value of a `spec!` type as `Name(0x246: ID | IOPL=3)` or `Name::HLT`.
pub fn fmt_bits<T: Bits>(value: T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(T::NAME)?;
    f.write_char('(')?;
    fmt_value(T::FIELDS, T::VALUES, value.into_u128(), f)?;
    f.write_char(')')
}

/// Prints a value by its fields or named values: `0x246: ID | IOPL=3`, `Dword`, `0x7`.
pub fn fmt_value(
    fields: &'static [FieldInfo],
    values: &'static [ValueInfo],
    value: u128,
    f: &mut dyn Write,
) -> fmt::Result {
    if !values.is_empty() {
        return match value_name(values, value) {
            Some(name) => f.write_str(name),
            None => write!(f, "{value:#x}"),
        };
    }
    write!(f, "{value:#x}")?;
    let mut separator = ": ";
    for field in fields {
        let part = field.extract(value);
        if !is_worth_printing(field, part) {
            continue;
        }
        f.write_str(separator)?;
        separator = " | ";
        fmt_field(field, part, f)?;
    }
    Ok(())
}

/// Zero is the rest state of flags and numbers; of reserved bits only a departure is news.
fn is_worth_printing(field: &FieldInfo, part: u128) -> bool {
    match field.kind {
        FieldKind::Flag | FieldKind::Number => part != 0,
        FieldKind::Typed { values, .. } => part != 0 || value_name(values, 0).is_some(),
        FieldKind::Reserved(Reserved::Zero) => part != 0,
        FieldKind::Reserved(Reserved::One) => part.count_ones() != width(field),
        FieldKind::Reserved(_) => false,
    }
}

fn width(field: &FieldInfo) -> u32 {
    u32::from(field.msb) - u32::from(field.lsb) + 1
}

fn fmt_field(field: &FieldInfo, part: u128, f: &mut dyn Write) -> fmt::Result {
    match field.kind {
        FieldKind::Flag => f.write_str(field.name),
        FieldKind::Number => write!(f, "{}={part:#x}", field.name),
        FieldKind::Typed { fields, values, .. } => {
            write!(f, "{}=", field.name)?;
            if fields.is_empty() {
                return fmt_value(fields, values, part, f);
            }
            f.write_char('(')?;
            fmt_value(fields, values, part, f)?;
            f.write_char(')')
        }
        FieldKind::Reserved(_) => write!(f, "reserved[{}:{}]={part:#x}", field.msb, field.lsb),
    }
}

/// [`fmt_value`] as a string.
pub fn describe(fields: &'static [FieldInfo], values: &'static [ValueInfo], value: u128) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = fmt_value(fields, values, value, &mut text);
    text
}
