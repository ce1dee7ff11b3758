//! The values of one group of rows: names and hexadecimal strings in the file, in the order of the table.

use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::super::hex;

/// Values by row name, in the order in which they were saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    values: Vec<(String, u128)>,
}

impl Group {
    /// No values.
    pub const fn new() -> Group {
        Group { values: Vec::new() }
    }

    /// The value of a row.
    pub fn get(&self, name: &str) -> Option<u128> {
        self.values
            .iter()
            .find(|(row, _)| row == name)
            .map(|(_, value)| *value)
    }

    /// Sets the value of a row; tells the value that it had.
    pub fn set(&mut self, name: &str, value: u128) -> Option<u128> {
        if let Some((_, old)) = self.values.iter_mut().find(|(row, _)| row == name) {
            return Some(core::mem::replace(old, value));
        }
        self.values.push((name.to_string(), value));
        None
    }

    /// Takes a row out; tells the value that it had.
    pub fn remove(&mut self, name: &str) -> Option<u128> {
        let index = self.values.iter().position(|(row, _)| row == name)?;
        Some(self.values.remove(index).1)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u128)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a row that is known not to be there yet.
    pub(super) fn push(&mut self, name: &str, value: u128) {
        self.values.push((name.to_string(), value));
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &hex::format(value))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Group, D::Error> {
        deserializer.deserialize_map(Rows)
    }
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of row names and hexadecimal strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Group, A::Error> {
        let mut group = Group::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("`{name}` is given twice")));
            }
            let value = map.next_value_seed(Value { row: &name })?;
            group.push(&name, value);
        }
        Ok(group)
    }
}

/// A value; its row is named in errors.
struct Value<'n> {
    row: &'n str,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = u128;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Value<'_> {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a hexadecimal string such as \"0x1f\" for `{}`",
            self.row
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u128, E> {
        hex::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}
