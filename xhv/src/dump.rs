//! Registers in readable form, by the tables: what the dumps of both architectures are made of.

use core::fmt;

use crate::typed::state::RowAccess;
use crate::typed::{RowInfo, Save};

/// Prints the registers of a vCPU: `{}` the general ones, `{:#}` everything that it tells, bit fields by name.
///
/// ```
/// # fn main() -> Result<(), xhv::Error> {
/// use xhv::x86_64::{Vm, reg};
/// let vm = Vm::new()?;
/// let mut vcpu = vm.create_vcpu()?;
/// vcpu.set_flat32(0x1000)?;
/// vcpu.write(reg::RAX, 0x1234)?;
/// let short = vcpu.dump().to_string();
/// assert!(short.starts_with("RIP                  0x1000\nRFLAGS               0x2"));
/// let whole = format!("{:#}", vcpu.dump());
/// for line in [
///     "-- segments",
///     "CS     0x0008 base 0x0 limit 0xffffffff 0xc09b: G | DB | P | S | TYPE=CodeReadableAccessed",
///     "-- guest state",
///     "GUEST_CR0            0x31: NE | ET | PE",
///     "-- floating point",
///     "MXCSR                0x1f80",
///     "-- last exit",
/// ] {
///     assert!(whole.contains(line), "{line} is not in\n{whole}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Dump<'a, V>(pub(crate) &'a V);

/// A line of a dump.
pub(crate) fn line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: impl fmt::Display,
) -> fmt::Result {
    writeln!(f, "{name:<20} {value}")
}

/// The heading of a part.
pub(crate) fn part(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    writeln!(f, "-- {name}")
}

/// The rows that a vCPU tells, one a line. Other names of the same state are left out.
pub(crate) fn rows<'r>(
    f: &mut fmt::Formatter<'_>,
    vcpu: &impl RowAccess,
    rows: impl IntoIterator<Item = &'r RowInfo>,
) -> fmt::Result
where
    'r: 'static,
{
    for row in rows {
        if matches!(row.save, Save::AliasOf(_)) {
            continue;
        }
        if let Ok(value) = vcpu.read_row(row) {
            line(f, row.name, row.describe(value))?;
        }
    }
    Ok(())
}
