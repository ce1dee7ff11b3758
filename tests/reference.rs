//! The facts tables that the tables in `spec/` are compared with: where they are, and a list of all differences found.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xhv::typed::{FieldInfo, FieldKind, Version};

/// A file of facts, from the folder `$XHV_REFERENCE` or from `../shared/reference` beside the workspace.
///
/// Absent: says so on the terminal and answers `None`, or fails if `XHV_REQUIRE` is set.
pub fn reference(file: &str) -> Option<Value> {
    let folder = match std::env::var_os("XHV_REFERENCE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference"),
    };
    let path = folder.join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        let why = format!(
            "{file} is not in {}: set XHV_REFERENCE to its folder",
            folder.display()
        );
        assert!(std::env::var_os("XHV_REQUIRE").is_none(), "{why}");
        // Not `eprintln!`: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}")))
}

/// A string member of a fact; empty if it is absent or null.
pub fn text<'a>(fact: &'a Value, member: &str) -> &'a str {
    fact[member].as_str().unwrap_or("")
}

/// A number member of a fact.
pub fn number(fact: &Value, member: &str) -> u64 {
    fact[member]
        .as_u64()
        .unwrap_or_else(|| panic!("{member} of {fact}"))
}

/// A list member of a fact.
pub fn list<'a>(fact: &'a Value, member: &str) -> &'a [Value] {
    fact[member]
        .as_array()
        .unwrap_or_else(|| panic!("{member} of {fact}"))
}

/// `"10.10.3"` as a version; `None` for null.
pub fn version(fact: &Value) -> Option<Version> {
    let mut parts = fact
        .as_str()?
        .split('.')
        .map(|part| part.parse().expect("a version"));
    let mut next = || parts.next().unwrap_or(0);
    Some(Version(next(), next(), next()))
}

/// What differs, so that one run tells all of it.
#[derive(Debug, Default)]
pub struct Differences {
    found: Vec<String>,
    compared: usize,
}

impl Differences {
    /// Compares one fact.
    pub fn equal<T: PartialEq + Debug>(&mut self, what: impl Display, table: T, reference: T) {
        self.compared += 1;
        if table != reference {
            self.found
                .push(format!("{what}: table {table:?}, reference {reference:?}"));
        }
    }

    /// Notes a difference that is not one of two values.
    pub fn note(&mut self, what: impl Display) {
        self.found.push(what.to_string());
    }

    /// Compares two lists by key, in both directions. `extra` are keys of the table alone, with the reason why.
    pub fn both_ways<K: Ord + Debug + Clone, T, R>(
        &mut self,
        table: &BTreeMap<K, T>,
        reference: &BTreeMap<K, R>,
        extra: &BTreeMap<K, &str>,
        mut compare: impl FnMut(&mut Self, &T, &R),
    ) {
        for (key, row) in table {
            match reference.get(key) {
                Some(fact) => compare(self, row, fact),
                None if extra.contains_key(key) => (),
                None => self.note(format!("{key:x?} is in the table only")),
            }
        }
        for key in reference.keys().filter(|key| !table.contains_key(*key)) {
            self.note(format!("{key:x?} is in the reference only"));
        }
        for (key, why) in extra {
            if !table.contains_key(key) || reference.contains_key(key) {
                self.note(format!("{key:x?} is no longer extra ({why})"));
            }
        }
    }

    /// Compares a bit layout with the fields of a type. `extra` are fields of the type alone, with the reason why.
    pub fn layout(
        &mut self,
        what: &str,
        fields: &[FieldInfo],
        facts: &[Value],
        extra: &[(&str, &str)],
    ) {
        let mut told = 0u128;
        for fact in facts {
            let Some((msb, lsb)) = bits(text(fact, "bits")) else {
                continue;
            };
            let mask = mask(msb, lsb);
            if is_reserved(fact) {
                continue;
            }
            told |= mask;
            let inside: Vec<_> = fields
                .iter()
                .filter(|field| mask & self::mask(field.msb, field.lsb) != 0)
                .collect();
            let whole = inside.len() == 1 && (inside[0].msb, inside[0].lsb) == (msb, lsb);
            let bits = usize::from(msb - lsb) + 1;
            let split = inside.len() == bits && inside.iter().all(|field| field.msb == field.lsb);
            let reserved = inside
                .iter()
                .any(|field| matches!(field.kind, FieldKind::Reserved(_)));
            self.compared += 1;
            if !(whole || split) || reserved {
                self.note(format!(
                    "{what}[{msb}:{lsb}] ({}): the table splits or reserves it",
                    text(fact, "name")
                ));
            }
        }
        for field in fields
            .iter()
            .filter(|field| !matches!(field.kind, FieldKind::Reserved(_)))
        {
            let expected = extra.iter().any(|(name, _)| *name == field.name);
            if (told & mask(field.msb, field.lsb) == 0) != expected {
                self.note(format!(
                    "{what}.{}: in the table only, or no longer so",
                    field.name
                ));
            }
        }
    }

    /// Fails with all differences, or if fewer facts were compared than there are.
    pub fn finish(self, at_least: usize) {
        assert!(
            self.found.is_empty(),
            "{} differences:\n{}",
            self.found.len(),
            self.found.join("\n")
        );
        assert!(
            self.compared >= at_least,
            "only {} of {at_least} facts were compared",
            self.compared
        );
    }
}

/// `"15:8"` or `"3"`; `None` for ranges that depend on the processor.
fn bits(text: &str) -> Option<(u8, u8)> {
    let (msb, lsb) = text.split_once(':').unwrap_or((text, text));
    // The highest address bit depends on the processor: the field extends to the architecture's limit.
    let msb = if msb == "N-1" { Ok(51) } else { msb.parse() };
    Some((msb.ok()?, lsb.parse().ok()?))
}

fn mask(msb: u8, lsb: u8) -> u128 {
    (u128::MAX >> (127 - (msb - lsb))) << lsb
}

fn is_reserved(fact: &Value) -> bool {
    ["reserved", "zero", "undefined"].contains(&text(fact, "name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(pairs: &[(u32, &'static str)]) -> BTreeMap<u32, &'static str> {
        pairs.iter().copied().collect()
    }

    fn compared(
        table: &[(u32, &'static str)],
        facts: &[(u32, &'static str)],
        extra: &[(u32, &'static str)],
    ) -> Differences {
        let mut all = Differences::default();
        all.both_ways(&map(table), &map(facts), &map(extra), |all, a, b| {
            all.equal("name", *a, *b)
        });
        all
    }

    #[test]
    fn every_direction_is_seen() {
        assert!(compared(&[(1, "a")], &[(1, "a")], &[]).found.is_empty());
        assert_eq!(
            compared(&[(1, "a")], &[(1, "b")], &[]).found,
            [r#"name: table "a", reference "b""#]
        );
        assert_eq!(
            compared(&[(1, "a"), (2, "b")], &[(1, "a")], &[]).found,
            ["2 is in the table only"]
        );
        assert_eq!(
            compared(&[(1, "a")], &[(1, "a"), (2, "b")], &[]).found,
            ["2 is in the reference only"]
        );
        assert!(
            compared(&[(1, "a"), (2, "b")], &[(1, "a")], &[(2, "why")])
                .found
                .is_empty()
        );
        assert_eq!(
            compared(&[(1, "a")], &[(1, "a")], &[(1, "why")]).found,
            ["1 is no longer extra (why)"]
        );
    }

    #[test]
    #[should_panic(expected = "only 1 of 2 facts")]
    fn an_empty_comparison_fails() {
        compared(&[(1, "a")], &[(1, "a")], &[]).finish(2);
    }

    #[test]
    fn layouts_are_seen() {
        const FLAG: FieldInfo = FieldInfo {
            name: "A",
            msb: 3,
            lsb: 3,
            ..FieldInfo::EMPTY
        };
        const WIDE: FieldInfo = FieldInfo {
            name: "B",
            msb: 2,
            lsb: 1,
            kind: FieldKind::Number,
            ..FieldInfo::EMPTY
        };
        let fact = |bits: &str| json!({"bits": bits, "name": "x"});
        let found = |facts: &[Value], extra| {
            let mut all = Differences::default();
            all.layout("T", &[FLAG, WIDE], facts, extra);
            all.found
        };
        assert!(found(&[fact("3"), fact("2:1")], &[]).is_empty());
        assert_eq!(
            found(&[fact("3")], &[]),
            ["T.B: in the table only, or no longer so"]
        );
        assert!(found(&[fact("3")], &[("B", "why")]).is_empty());
        assert_eq!(found(&[fact("3"), fact("2"), fact("1")], &[]).len(), 2);
        assert_eq!(found(&[fact("3"), fact("2:1"), fact("0")], &[]).len(), 1);
    }

    #[test]
    fn versions() {
        assert_eq!(version(&json!("10.10.3")), Some(Version(10, 10, 3)));
        assert_eq!(version(&json!("11.0")), Some(Version(11, 0, 0)));
        assert_eq!(version(&Value::Null), None);
    }
}
