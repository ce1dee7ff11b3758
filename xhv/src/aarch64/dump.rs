//! All registers of a vCPU in readable form.

use core::fmt;

use super::vcpu::Vcpu;
use super::{gic_registers, reg, simd, sysreg};
use crate::typed::state::RowAccess;
use crate::typed::{RowInfo, Save};

/// Prints all registers of a vCPU: `{}` the general ones, `{:#}` everything that it tells, bit fields by name.
#[derive(Debug, Clone, Copy)]
pub struct Dump<'a>(&'a Vcpu);

impl Vcpu {
    /// Its registers, to be printed.
    #[must_use]
    pub fn dump(&self) -> Dump<'_> {
        Dump(self)
    }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole = f.alternate();
        self.rows(f, &reg::ALL)?;
        if is_whole {
            self.rows(f, &simd::ALL)?;
            self.rows(f, &sysreg::ALL)?;
            self.rows(f, &gic_registers::ALL)?;
        }
        Ok(())
    }
}

impl Dump<'_> {
    /// Rows that the vCPU tells, one a line.
    fn rows(&self, f: &mut fmt::Formatter<'_>, rows: &'static [RowInfo]) -> fmt::Result {
        for row in rows
            .iter()
            .filter(|row| !matches!(row.save, Save::AliasOf(_)))
        {
            let Ok(value) = self.0.read_row(row) else {
                continue;
            };
            writeln!(f, "{:<18} {}", row.name, row.describe(value))?;
        }
        Ok(())
    }
}
