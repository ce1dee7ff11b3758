//! Snapshots by the tables: which rows are saved, in which order they are written, what differs and what is refused.
//!
//! The `state` form of `spec!` makes the struct of an architecture from these parts; the vCPU reads and writes single
//! rows ([`RowAccess`]) and adds what is no list of rows.

mod diff;
mod group;
mod header;
mod restore;
mod save;
#[cfg(test)]
mod tests;

use core::fmt;

use super::info::{Kind, Route, RowInfo, Save, VmcsClass};
use crate::Code;

pub use diff::{Difference, diff};
pub use group::Group;
pub use header::{Aarch64, Format, FormatVersion, X86_64};
pub use restore::{Mode, RestoreError, RestoreReport, Undo, restore};
pub use save::{SaveError, SaveReport, save};

/// A group of rows under a name: an `ALL` list of a module.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name of the group in the file.
    pub name: &'static str,
    /// The rows.
    pub rows: &'static [RowInfo],
}

/// Access to single rows by their description: what a vCPU implements for its snapshots.
pub trait RowAccess {
    /// Reads the row, whatever its kind.
    ///
    /// # Errors
    /// The engine's code.
    fn read_row(&self, row: &'static RowInfo) -> Result<u128, Code>;
    /// Writes the row, whatever its kind.
    ///
    /// # Errors
    /// The engine's code.
    fn write_row(&mut self, row: &'static RowInfo, value: u128) -> Result<(), Code>;
}

/// A snapshot struct that `spec!` made: its groups, in the order of its tables.
pub trait Snapshot: Sized {
    /// The architecture, as the file names it.
    const ARCH: &'static str;
    /// The tables.
    fn tables() -> &'static [Table];
    /// The groups, one for each table.
    fn groups(&self) -> Vec<&Group>;
    /// A snapshot of these groups, one for each table, and no other parts.
    fn from_groups(groups: Vec<Group>) -> Self;
    /// Groups of tables that are not the library's.
    fn extra(&self) -> &std::collections::BTreeMap<String, Group>;
    /// Groups of tables that are not the library's, to be changed.
    fn extra_mut(&mut self) -> &mut std::collections::BTreeMap<String, Group>;
}

/// A row in a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Name of the group.
    pub group: String,
    /// Name of the row.
    pub row: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.group, self.row)
    }
}

/// A row that an engine would not read or write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The row.
    pub place: Place,
    /// The value that was refused; none for a read.
    pub value: Option<u128>,
    /// The engine's answer.
    pub code: Code,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{} = {value:#x}: {}", self.place, self.code),
            None => write!(f, "{}: {}", self.place, self.code),
        }
    }
}

impl RowInfo {
    /// Whether a snapshot has the row.
    pub fn is_saved(&self) -> bool {
        let has_state = match self.kind {
            Kind::Capability | Kind::FeatureRegister => false,
            Kind::Msr => self.optional || self.routes.iter().any(|route| *route != Route::Emulated),
            Kind::Vmcs => {
                let is_clients = matches!(
                    self.class,
                    Some(VmcsClass::Rw | VmcsClass::Cond | VmcsClass::Undocumented)
                );
                is_clients || self.optional || self.volatile
            }
            _ => true,
        };
        let is_own = matches!(self.save, Save::Auto);
        is_own && has_state && self.readable && (self.writable || self.volatile)
    }

    /// Whether a snapshot's value of the row is written back.
    pub fn is_restored(&self) -> bool {
        self.is_saved() && self.writable && !self.volatile
    }

    /// Whether a host may do without the row.
    pub fn may_be_absent(&self) -> bool {
        let is_told_nowhere = self.class == Some(VmcsClass::Unknown);
        self.optional
            || is_told_nowhere
            || !self.requires.is_empty()
            || self.since.is_some()
            || self.kind == Kind::Msr
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, items: &[impl fmt::Display]) -> fmt::Result {
    const SHOWN: usize = 8;
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { what } else { "," };
        write!(f, "{separator} {item}")?;
    }
    match items.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
