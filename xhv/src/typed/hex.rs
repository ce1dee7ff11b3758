//! Values as hexadecimal strings in JSON: 64-bit numbers do not survive readers that keep numbers as doubles.

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;

use super::bits::Bits;

/// `0x` and the digits of `value`, lower case, no leading zeros.
pub fn format(value: u128) -> String {
    format!("{value:#x}")
}

/// The value of `0x` and 1 to 32 hexadecimal digits; `None` for anything else.
pub fn parse(text: &str) -> Option<u128> {
    let digits = text.strip_prefix("0x")?;
    let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > 32 || !all_hex {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

/// Writes a value as a hexadecimal string; for `#[serde(with = "xhv::typed::hex")]`.
pub fn serialize<T: Bits, S: Serializer>(value: T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(value.into_u128()))
}

/// Reads a hexadecimal string that fits the type.
///
/// # Errors
/// Anything but `0x` and hexadecimal digits, and values wider than `T`.
pub fn deserialize<'de, T: Bits, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer
        .deserialize_str(Hex { width: T::WIDTH })
        .map(T::from_u128)
}

struct Hex {
    width: u32,
}

impl Visitor<'_> for Hex {
    type Value = u128;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "a hexadecimal string of at most {} bits, such as \"0x1f\"",
            self.width
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u128, E> {
        parse(text)
            .filter(|value| 128 - value.leading_zeros() <= self.width)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hexadecimal_is_read() {
        assert_eq!(parse("0x1F"), Some(0x1f));
        assert_eq!(parse(&format(u128::MAX)), Some(u128::MAX));
        for bad in [
            "",
            "0x",
            "1f",
            "0x+1",
            "0x 1",
            "0xg",
            "0x1ffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
