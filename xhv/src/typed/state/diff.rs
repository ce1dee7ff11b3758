//! What differs between two snapshots, in words: rows, values, bit names.

use core::fmt;

use super::{Group, Place, Snapshot, Table};
use crate::typed::RowInfo;

/// A row whose value differs, or that only one of two snapshots has.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The row.
    pub place: Place,
    /// Its value in the first snapshot.
    pub left: Option<u128>,
    /// Its value in the second.
    pub right: Option<u128>,
    /// What the table says about it, if a table has it.
    pub row: Option<&'static RowInfo>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<u128>| match (value, self.row) {
            (None, _) => "absent".to_string(),
            (Some(value), Some(row)) => row.describe(value),
            (Some(value), None) => format!("{value:#x}"),
        };
        write!(
            f,
            "{}: {} -> {}",
            self.place,
            text(self.left),
            text(self.right)
        )
    }
}

/// The rows that differ, in the order of the tables; volatile ones are left out.
pub fn diff<S: Snapshot>(left: &S, right: &S) -> Vec<Difference> {
    let mut differences = Vec::new();
    let groups = left.groups().into_iter().zip(right.groups());
    for (table, (left, right)) in S::tables().iter().zip(groups) {
        diff_group(table.name, Some(table), left, right, &mut differences);
    }
    let empty = Group::new();
    let (left, right) = (left.extra(), right.extra());
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let group = |groups: &'_ std::collections::BTreeMap<String, Group>| {
            groups.get(name).unwrap_or(&empty).clone()
        };
        diff_group(name, None, &group(left), &group(right), &mut differences);
    }
    differences
}

fn diff_group(
    name: &str,
    table: Option<&Table>,
    left: &Group,
    right: &Group,
    differences: &mut Vec<Difference>,
) {
    let only_right = right.iter().filter(|(row, _)| left.get(row).is_none());
    let rows = left.iter().chain(only_right).map(|(row, _)| row);
    for row_name in rows {
        let row = table.and_then(|table| table.rows.iter().find(|row| row.name == row_name));
        let (left, right) = (left.get(row_name), right.get(row_name));
        if left == right || row.is_some_and(|row| row.volatile) {
            continue;
        }
        let place = Place {
            group: name.to_string(),
            row: row_name.to_string(),
        };
        differences.push(Difference {
            place,
            left,
            right,
            row,
        });
    }
}
