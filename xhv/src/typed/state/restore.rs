//! Restoring: compares names first, writes in the order of the tables, and undoes everything if a row is refused.

use core::fmt;

use super::{Group, Place, Refusal, RowAccess, Snapshot, Table, list};
use crate::typed::RowInfo;

/// What to do about names that the file and the tables do not share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Refuse the file before anything is written.
    #[default]
    Strict,
    /// Report them and go on; refused rows too.
    Lenient,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// How many rows were written.
    pub written: usize,
    /// Names in the file that the tables do not have, or that are not state.
    pub unknown: Vec<Place>,
    /// Rows of this host that the file does not have.
    pub missing: Vec<Place>,
    /// Rows that the engine refused: those that a host may do without, and in lenient mode all.
    pub refused: Vec<Refusal>,
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows written", self.written)?;
        list(f, "; unknown:", &self.unknown)?;
        list(f, "; missing:", &self.missing)?;
        list(f, "; refused:", &self.refused)
    }
}

/// Why nothing was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Strict mode: the file has names that the tables do not have, or lacks some. Nothing was written.
    Names {
        /// Names in the file that the tables do not have, or that are not state.
        unknown: Vec<Place>,
        /// Rows of this host that the file does not have.
        missing: Vec<Place>,
    },
    /// A value is wider than its row. Nothing was written.
    TooWide {
        /// The row.
        place: Place,
        /// The value in the file.
        value: u128,
        /// The row's width in bits.
        width: u32,
    },
    /// A row was refused; what had been written before it was undone.
    Refused {
        /// The row and the answer.
        refusal: Refusal,
        /// Rows that could not be undone: the vCPU's state is lost if there are any.
        not_undone: Vec<Refusal>,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Names { unknown, missing } => {
                f.write_str("restore: the file does not fit this host;")?;
                list(f, " unknown:", unknown)?;
                list(f, " missing:", missing)
            }
            RestoreError::TooWide {
                place,
                value,
                width,
            } => {
                write!(
                    f,
                    "restore: {place} = {value:#x} has more than {width} bits"
                )
            }
            RestoreError::Refused {
                refusal,
                not_undone,
            } => {
                write!(f, "restore: {refusal}")?;
                list(f, "; could not be undone:", not_undone)
            }
        }
    }
}
impl core::error::Error for RestoreError {}

/// The values that a restore replaced.
#[derive(Debug, Default)]
#[must_use = "keep it until nothing can fail any more, then drop it"]
pub struct Undo {
    old: Vec<(&'static str, &'static RowInfo, u128)>,
}

impl Undo {
    /// Writes the old values back, in the order of the tables; tells which rows refused.
    pub fn roll_back(self, vcpu: &mut impl RowAccess) -> Vec<Refusal> {
        let mut refused = Vec::new();
        for (group, row, value) in self.old {
            if let Err(code) = vcpu.write_row(row, value) {
                refused.push(Refusal {
                    place: place(group, row.name),
                    value: Some(value),
                    code,
                });
            }
        }
        refused
    }
}

/// A row to be written.
struct Step {
    group: &'static str,
    row: &'static RowInfo,
    value: u128,
}

/// Writes a snapshot's rows; `more` are the tables of its extra groups.
///
/// # Errors
/// See [`RestoreError`]; after any error the vCPU is as it was, unless the error says otherwise.
pub fn restore<S: Snapshot>(
    state: &S,
    vcpu: &mut impl RowAccess,
    mode: Mode,
    more: &[Table],
) -> Result<(RestoreReport, Undo), RestoreError> {
    let mut report = RestoreReport::default();
    let empty = Group::new();
    let tables = S::tables().iter().zip(state.groups());
    let extra = more
        .iter()
        .map(|table| (table, state.extra().get(table.name).unwrap_or(&empty)));
    let mut steps = Vec::new();
    for (table, group) in tables.chain(extra) {
        plan(table, group, vcpu, &mut steps, &mut report)?;
    }
    for (name, group) in state.extra() {
        if !more.iter().any(|table| table.name == name) {
            report
                .unknown
                .extend(group.iter().map(|(row, _)| place(name, row)));
        }
    }
    if mode == Mode::Strict && !(report.unknown.is_empty() && report.missing.is_empty()) {
        let RestoreReport {
            unknown, missing, ..
        } = report;
        return Err(RestoreError::Names { unknown, missing });
    }
    let undo = write(in_order(steps), vcpu, mode, &mut report)?;
    Ok((report, undo))
}

/// Compares a group with its table.
fn plan(
    table: &Table,
    group: &Group,
    vcpu: &impl RowAccess,
    steps: &mut Vec<Step>,
    report: &mut RestoreReport,
) -> Result<(), RestoreError> {
    for (name, value) in group.iter() {
        match table.rows.iter().find(|row| row.name == name) {
            Some(row) if row.is_restored() => {
                if 128 - value.leading_zeros() > row.width {
                    let place = place(table.name, name);
                    return Err(RestoreError::TooWide {
                        place,
                        value,
                        width: row.width,
                    });
                }
                steps.push(Step {
                    group: table.name,
                    row,
                    value,
                });
            }
            Some(row) if row.is_saved() => {}
            _ => report.unknown.push(place(table.name, name)),
        }
    }
    for row in table.rows.iter().filter(|row| row.is_restored()) {
        // A row that this host lacks is not missed.
        let is_missed =
            group.get(row.name).is_none() && (!row.may_be_absent() || vcpu.read_row(row).is_ok());
        if is_missed {
            report.missing.push(place(table.name, row.name));
        }
    }
    Ok(())
}

/// The order of the tables: `order` first, then the place in the file's tables, then `after`.
fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| step.row.order);
    let mut sorted: Vec<Step> = Vec::with_capacity(steps.len());
    // Every round takes the rows whose predecessor is written; one that waits for itself goes last.
    while !steps.is_empty() {
        let waiting: Vec<&'static str> = steps.iter().map(|step| step.row.name).collect();
        let is_blocked = |step: &Step| step.row.after.is_some_and(|name| waiting.contains(&name));
        let (blocked, free): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(is_blocked);
        let is_stuck = free.is_empty();
        sorted.extend(free);
        steps = blocked;
        if is_stuck {
            sorted.append(&mut steps);
        }
    }
    sorted
}

/// Writes the rows, keeping what they replace.
fn write(
    steps: Vec<Step>,
    vcpu: &mut impl RowAccess,
    mode: Mode,
    report: &mut RestoreReport,
) -> Result<Undo, RestoreError> {
    let mut undo = Undo::default();
    for step in steps {
        let old = vcpu.read_row(step.row);
        let written = old.and_then(|old| match vcpu.write_row(step.row, step.value) {
            // What cannot be written and is right already is no loss.
            Err(_) if old == step.value && step.row.may_be_absent() => Ok(old),
            answer => answer.map(|()| old),
        });
        match written {
            Ok(old) => {
                report.written += 1;
                undo.old.push((step.group, step.row, old));
            }
            Err(code) => {
                let place = place(step.group, step.row.name);
                let refusal = Refusal {
                    place,
                    value: Some(step.value),
                    code,
                };
                if mode == Mode::Lenient || step.row.may_be_absent() {
                    report.refused.push(refusal);
                    continue;
                }
                return Err(RestoreError::Refused {
                    refusal,
                    not_undone: undo.roll_back(vcpu),
                });
            }
        }
    }
    Ok(undo)
}

fn place(group: &str, row: &str) -> Place {
    Place {
        group: group.to_string(),
        row: row.to_string(),
    }
}
