//! All registers of a vCPU in readable form, with the last exit: how `Dump` prints an AArch64 vCPU.

use core::fmt;

use super::exits::{ExitReason, Syndrome};
use super::vcpu::Vcpu;
use super::{gic_registers, reg, simd, sysreg};
use crate::dump::{Dump, line, part, rows};

impl Vcpu {
    /// Its registers, to be printed.
    ///
    /// ```
    /// # fn main() -> Result<(), xhv::Error> {
    /// use xhv::aarch64::Vm;
    /// let vm = Vm::new()?;
    /// let mut vcpu = vm.create_vcpu()?;
    /// vcpu.set_el1(0x4000_0000, 0)?;
    /// assert!(vcpu.dump().to_string().contains("PC                   0x40000000"));
    /// let whole = format!("{:#}", vcpu.dump());
    /// assert!(whole.contains("CPACR_EL1            0x300000: SMEN=TrapAll | FPEN=TrapNone"), "{whole}");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump<'_, Self> {
        Dump(self)
    }
}

impl fmt::Display for Dump<'_, Vcpu> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vcpu = self.0;
        if !f.alternate() {
            return rows(f, vcpu, &reg::ALL);
        }
        part(f, "general registers")?;
        rows(f, vcpu, &reg::ALL)?;
        part(f, "vector registers")?;
        rows(f, vcpu, &simd::ALL)?;
        part(f, "system registers")?;
        rows(f, vcpu, &sysreg::ALL)?;
        if vcpu.vm().gic().is_some() {
            part(f, "interrupt controller")?;
            rows(f, vcpu, &gic_registers::ALL)?;
        }
        part(f, "last exit")?;
        let exit = vcpu.last_exit();
        line(f, "reason", format_args!("{:?}", exit.reason))?;
        if exit.reason == ExitReason::EXCEPTION {
            writeln!(f, "{:#x?}", Syndrome::decode(exit.syndrome))?;
            line(
                f,
                "virtual address",
                format_args!("{:#x}", exit.virtual_address),
            )?;
            line(f, "physical address", exit.physical_address)?;
        }
        Ok(())
    }
}
