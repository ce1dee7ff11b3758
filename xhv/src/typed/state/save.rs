//! Saving: reads every row that the tables say is state.

use core::fmt;

use super::{Group, Place, Refusal, RowAccess, Snapshot, Table};

/// What a save could not get, and why that is no error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveReport {
    /// Rows that this host or VM does not have.
    pub absent: Vec<Refusal>,
}

/// A row that must be there could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveError(pub Refusal);

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "save: cannot read {}", self.0)
    }
}
impl core::error::Error for SaveError {}

/// Reads the rows of a snapshot's tables, and those of `more`, which become its extra groups.
///
/// # Errors
/// The first row that is not read although every host has it.
pub fn save<S: Snapshot>(
    vcpu: &impl RowAccess,
    more: &[Table],
) -> Result<(S, SaveReport), SaveError> {
    let mut report = SaveReport::default();
    let mut groups = Vec::with_capacity(S::tables().len());
    for table in S::tables() {
        groups.push(read_table(vcpu, table, &mut report)?);
    }
    let mut state = S::from_groups(groups);
    for table in more {
        let group = read_table(vcpu, table, &mut report)?;
        state.extra_mut().insert(table.name.to_string(), group);
    }
    Ok((state, report))
}

fn read_table(
    vcpu: &impl RowAccess,
    table: &Table,
    report: &mut SaveReport,
) -> Result<Group, SaveError> {
    let mut group = Group::new();
    for row in table.rows.iter().filter(|row| row.is_saved()) {
        match vcpu.read_row(row) {
            Ok(value) => group.push(row.name, value),
            Err(code) => {
                let place = Place {
                    group: table.name.to_string(),
                    row: row.name.to_string(),
                };
                let refusal = Refusal {
                    place,
                    value: None,
                    code,
                };
                match row.may_be_absent() {
                    true => report.absent.push(refusal),
                    false => return Err(SaveError(refusal)),
                }
            }
        }
    }
    Ok(group)
}
