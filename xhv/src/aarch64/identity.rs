//! What the guest is told of its processor: affinity and identification registers, written with a look at what the engine made of them.

use core::fmt;

use super::sysreg::{
    ID_AA64DFR0_EL1, ID_AA64MMFR0_EL1, ID_AA64PFR0_EL1, ID_AA64PFR1_EL1, IdAa64dfr0Pmuver,
    IdAa64mmfr0Parange, IdAa64pfr0El2, IdAa64pfr0Gic, IdAa64pfr1Sme, MPIDR_EL1, Mpidr,
};
use super::vcpu::Vcpu;
use crate::error::Error;
use crate::typed::{Bits, Readable, RowInfo, Writable, describe};

/// A register that an engine did not keep as it was written: the guest sees something else.
#[derive(Debug, Clone, Copy)]
pub struct NotKept {
    row: &'static RowInfo,
    /// What was written.
    pub written: u64,
    /// What is there.
    pub kept: u64,
}

impl NotKept {
    /// The register, by the manual's name.
    #[must_use]
    pub fn register(&self) -> &'static str {
        self.row.name
    }
}

impl fmt::Display for NotKept {
    /// The fields that differ, by name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, kept) = (u128::from(self.written), u128::from(self.kept));
        write!(
            f,
            "{}: {written:#x} was written, {kept:#x} is there",
            self.row.name
        )?;
        for field in self.row.fields {
            let one = core::slice::from_ref(field);
            if field.extract(written) != field.extract(kept) {
                let [wanted, found] = [written, kept].map(|value| {
                    let text = describe(one, &[], value & bits(field.msb, field.lsb));
                    text.split_once(": ")
                        .map_or("0".to_owned(), |(_, part)| part.to_owned())
                });
                write!(f, "; {wanted} became {found}")?;
            }
        }
        Ok(())
    }
}

fn bits(msb: u8, lsb: u8) -> u128 {
    (u128::MAX >> (127 - (msb - lsb))) << lsb
}

impl Vcpu {
    /// Writes a register and reads it back; answers the difference, if the engine made something else of it. For identification registers:
    /// the framework takes some writes and ignores them. Before the first run.
    ///
    /// ```
    /// # fn main() -> Result<(), xhv::Error> {
    /// use xhv::aarch64::Vm;
    /// use xhv::aarch64::sysreg::{ID_AA64ISAR0_EL1, IdAa64isar0Atomic};
    /// let vm = Vm::new()?;
    /// let mut vcpu = vm.create_vcpu()?;
    /// let without = vcpu.read(ID_AA64ISAR0_EL1)?.with_atomic(IdAa64isar0Atomic::NONE);
    /// if let Some(difference) = vcpu.write_kept(ID_AA64ISAR0_EL1, without)? {
    ///     println!("the guest is told otherwise: {difference}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn write_kept<R, T>(&mut self, row: R, value: T) -> Result<Option<NotKept>, Error>
    where
        R: Readable<Self, Value = T> + Writable<Self, Value = T> + Copy,
        T: Bits,
    {
        self.write(row, value)?;
        let kept = self.read(row)?;
        let [written, kept] = [value, kept].map(|value| value.into_u128() as u64);
        Ok((written != kept).then(|| NotKept {
            row: Readable::<Self>::row_info(&row),
            written,
            kept,
        }))
    }

    /// Affinity of CPU `number` (16 in a cluster), and the fields of ID registers that a VMM has to set by itself: the width of
    /// physical addresses, whether there is a GIC, whether there is an EL2. Before the first run.
    ///
    /// # Errors
    /// [`Error::Argument`] if the engine does not keep a field; [`Error::Row`] if it refuses the write.
    pub fn set_identity(&mut self, number: u64) -> Result<(), Error> {
        self.write(MPIDR_EL1, affinity(number))?;
        let parange = match self.vm().ipa_bits() {
            52.. => IdAa64mmfr0Parange::BITS52,
            48..=51 => IdAa64mmfr0Parange::BITS48,
            44..=47 => IdAa64mmfr0Parange::BITS44,
            42..=43 => IdAa64mmfr0Parange::BITS42,
            40..=41 => IdAa64mmfr0Parange::BITS40,
            36..=39 => IdAa64mmfr0Parange::BITS36,
            _ => IdAa64mmfr0Parange::BITS32,
        };
        let memory = self.read(ID_AA64MMFR0_EL1)?;
        if memory.parange().0 > parange.0 {
            let difference = self.write_kept(ID_AA64MMFR0_EL1, memory.with_parange(parange))?;
            refuse(difference)?;
        }
        let features = self.read(ID_AA64PFR0_EL1)?;
        let mut wanted = features;
        if self.vm().gic().is_some() {
            wanted = wanted.with_gic(IdAa64pfr0Gic::GICV3);
        }
        let el2 = if self.vm().has_el2() {
            IdAa64pfr0El2::AARCH64
        } else {
            IdAa64pfr0El2::NONE
        };
        wanted = wanted.with_el2(el2);
        if wanted != features {
            refuse(self.write_kept(ID_AA64PFR0_EL1, wanted)?)?;
        }
        Ok(())
    }

    /// Hides from the guest what a VMM would have to emulate: performance counters, whose registers the default policy only ignores;
    /// and scalable matrices in a VM with an EL2, whose guests break on them. Answers what the engine did not keep. Before the first run.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_usual_features(&mut self) -> Result<Vec<NotKept>, Error> {
        let mut differences = Vec::new();
        let debug = self.read(ID_AA64DFR0_EL1)?;
        if debug.pmuver() != IdAa64dfr0Pmuver::NONE {
            let wanted = debug.with_pmuver(IdAa64dfr0Pmuver::NONE);
            differences.extend(self.write_kept(ID_AA64DFR0_EL1, wanted)?);
        }
        let features = self.read(ID_AA64PFR1_EL1)?;
        if self.vm().has_el2() && features.sme() != IdAa64pfr1Sme::NONE {
            let wanted = features.with_sme(IdAa64pfr1Sme::NONE);
            differences.extend(self.write_kept(ID_AA64PFR1_EL1, wanted)?);
        }
        Ok(differences)
    }
}

fn refuse(difference: Option<NotKept>) -> Result<(), Error> {
    match difference {
        None => Ok(()),
        Some(difference) => Err(Error::Argument {
            call: "Vcpu::set_identity",
            why: format!("the engine does not keep {difference}"),
        }),
    }
}

/// The affinity of CPU `number`: 16 in a cluster, as the framework's GIC numbers its redistributors.
#[must_use]
pub fn affinity(number: u64) -> Mpidr {
    Mpidr::from_bits(1 << 31)
        .with_aff0((number & 0xf) as u8)
        .with_aff1((number >> 4) as u8)
        .with_aff2((number >> 12) as u8)
        .with_aff3((number >> 20) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_field_by_field() {
        let row = ID_AA64PFR0_EL1.info();
        let kept = NotKept {
            row,
            written: 0x0100_0011,
            kept: 0x11,
        };
        assert_eq!(
            kept.to_string(),
            "ID_AA64PFR0_EL1: 0x1000011 was written, 0x11 is there; GIC=Gicv3 became GIC=None"
        );
    }
}
