//! The first members of a snapshot file: types that write one text and read no other.

use core::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                match text == $text {
                    true => Ok($name),
                    false => Err(D::Error::invalid_value(Unexpected::Str(&text), &$what)),
                }
            }
        }
    )*};
}
constants! {
    /// The format of a vCPU's file.
    Format = "xhv-vcpu", "the format \"xhv-vcpu\"";
    /// The file of an Intel vCPU.
    X86_64 = "x86_64", "the architecture \"x86_64\"";
    /// The file of an Apple silicon vCPU.
    Aarch64 = "aarch64", "the architecture \"aarch64\"";
}

/// The version of the format that this library writes and reads: 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatVersion;

impl Serialize for FormatVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(FormatVersion)
    }
}

impl Visitor<'_> for FormatVersion {
    type Value = FormatVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("version 1 of the format")
    }

    fn visit_u64<E: Error>(self, version: u64) -> Result<FormatVersion, E> {
        match version {
            1 => Ok(FormatVersion),
            _ => Err(E::invalid_value(Unexpected::Unsigned(version), &self)),
        }
    }
}
