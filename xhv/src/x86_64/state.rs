//! Everything that a vCPU is, as JSON: saved, restored, compared. The tables say what belongs to it and in which order it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::controllers::Controller;
use super::fpstate::FpState;
use super::vcpu::{Enabled, MsrAccess, Vcpu};
use super::{msr, reg, vmcs};
use crate::error::{Code, Error};
use crate::typed::state::{
    Mode, RestoreError, RestoreReport, RowAccess, SaveReport, Table, restore, save,
};
use crate::typed::{Kind, RawRead, RawWrite, Route, RowInfo, space};

xhv_macros::spec! {
    /// All state of an x86 vCPU: general registers, VMCS guest and control fields, MSRs, FP and SIMD registers, and how its MSRs are set up.
    state VcpuState on x86_64 cite "hv.h, hv_vmx.h: what can be read" {
        general reg;
        vmcs vmcs;
        msrs msr;
        extra fpu: FpState;
        extra setup: MsrSetup;
        extra apic: Controller;
    }
}

/// Which MSRs the guest has, and those that the default policy keeps for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsrSetup {
    /// Native ones, by index in hexadecimal.
    pub native: Vec<Hex>,
    /// Managed ones, and what the guest may do with them: bit 0 read, bit 1 write.
    pub managed: BTreeMap<Hex, Hex>,
    /// Values that the default policy answers with.
    pub emulated: BTreeMap<Hex, Hex>,
}

/// A number that is written as a hexadecimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x");
        let value = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        value.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format_args!("`{text}` is no hexadecimal number like 0x1f"))
        })
    }
}

impl VcpuState {
    /// As JSON text: registers by name, values as hexadecimal strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The state holds strings, numbers and maps with string keys: nothing that JSON does not have.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// From JSON text.
    ///
    /// # Errors
    /// [`Error::Snapshot`] that says where the text is damaged, or that it is of another architecture or version.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Snapshot {
            place: format!("line {}, column {}", error.line(), error.column()),
            why: error.to_string(),
        })
    }
}

impl RowAccess for Vcpu {
    fn read_row(&self, row: &'static RowInfo) -> Result<u128, Code> {
        let value = match row.kind {
            Kind::Register => RawRead::<space::General>::raw_read(self, row.key),
            Kind::Vmcs => RawRead::<space::Vmcs>::raw_read(self, row.key),
            Kind::Msr => match held_by(row) {
                Some(field) => RawRead::<space::Vmcs>::raw_read(self, field),
                None if self.msrs.contains_key(&row.key) => {
                    RawRead::<space::Msr>::raw_read(self, row.key)
                }
                None => Err(Code::UNSUPPORTED),
            },
            _ => Err(Code::UNSUPPORTED),
        }?;
        Ok(u128::from(value))
    }

    fn write_row(&mut self, row: &'static RowInfo, value: u128) -> Result<(), Code> {
        let value = value as u64;
        match row.kind {
            Kind::Register => RawWrite::<space::General>::raw_write(self, row.key, value),
            Kind::Vmcs => RawWrite::<space::Vmcs>::raw_write(self, row.key, value),
            Kind::Msr => match held_by(row) {
                Some(field) => RawWrite::<space::Vmcs>::raw_write(self, field, value),
                None if self.msrs.contains_key(&row.key) => {
                    RawWrite::<space::Msr>::raw_write(self, row.key, value)
                }
                None => Err(Code::UNSUPPORTED),
            },
            _ => Err(Code::UNSUPPORTED),
        }
    }
}

/// The VMCS field that holds an MSR.
fn held_by(row: &RowInfo) -> Option<u32> {
    row.routes.iter().find_map(|route| match route {
        Route::Vmcs(field) => Some(*field),
        _ => None,
    })
}

impl Vcpu {
    /// All state of the vCPU. An MMIO instruction that is half answered counts as not begun.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the engine does not tell a row that every host has.
    pub fn save(&self) -> Result<VcpuState, Error> {
        self.save_with(&[]).map(|(state, _)| state)
    }

    /// As [`Vcpu::save`], with rows of tables of one's own, and a report of what this host does not have.
    ///
    /// # Errors
    /// As [`Vcpu::save`].
    pub fn save_with(&self, more: &[Table]) -> Result<(VcpuState, SaveReport), Error> {
        let (mut state, mut report) =
            save::<VcpuState>(self, more).map_err(|error| Error::Snapshot {
                place: error.0.place.to_string(),
                why: error.to_string(),
            })?;
        // An MSR that is not enabled is no state of this vCPU.
        report
            .absent
            .retain(|refusal| refusal.place.group != "msrs");
        state.fpu = Some(self.fpstate()?);
        state.setup = Some(self.msr_setup());
        state.apic = self.save_apic()?;
        Ok((state, report))
    }

    fn msr_setup(&self) -> MsrSetup {
        let mut setup = MsrSetup::default();
        for (&index, &enabled) in &self.msrs {
            let index = Hex(u64::from(index));
            match enabled {
                Enabled::Native => setup.native.push(index),
                Enabled::Managed(access) => {
                    setup.managed.insert(index, Hex(u64::from(access.bits())));
                }
            }
        }
        let emulated = self.emulated_msrs.iter();
        setup.emulated = emulated
            .map(|(&index, &value)| (Hex(u64::from(index)), Hex(value)))
            .collect();
        setup
    }

    /// Makes the vCPU what the state says. Names that this host does not know and rows that the file lacks are refused.
    ///
    /// # Errors
    /// [`Error::Snapshot`] with the row; the vCPU is as it was then.
    pub fn restore(&mut self, state: &VcpuState) -> Result<RestoreReport, Error> {
        self.restore_with(state, Mode::Strict, &[])
    }

    /// As [`Vcpu::restore`], strict or lenient, with rows of tables of one's own. Lenient: unknown, missing and refused rows are
    /// listed in the report.
    ///
    /// # Errors
    /// As [`Vcpu::restore`].
    pub fn restore_with(
        &mut self,
        state: &VcpuState,
        mode: Mode,
        more: &[Table],
    ) -> Result<RestoreReport, Error> {
        let old = self.fpstate()?;
        let apic = self.own_apic_state()?;
        let had = (self.msrs.clone(), self.emulated_msrs.clone());
        let outcome = self.try_restore(state, mode, more);
        if outcome.is_err() {
            self.undo_setup(had);
            self.set_fpstate(&old)?;
            if let Some(apic) = &apic {
                self.set_apic_state(apic)?;
            }
        }
        self.pending = None;
        self.invalidate_tlb()?;
        outcome
    }

    fn try_restore(
        &mut self,
        state: &VcpuState,
        mode: Mode,
        more: &[Table],
    ) -> Result<RestoreReport, Error> {
        if let Some(setup) = &state.setup {
            self.restore_setup(setup, mode)?;
        }
        let (report, undo) = restore(state, self, mode, more).map_err(|error| {
            let place = match &error {
                RestoreError::TooWide { place, .. } => place.to_string(),
                RestoreError::Refused { refusal, .. } => refusal.place.to_string(),
                _ => String::new(),
            };
            Error::Snapshot {
                place,
                why: error.to_string(),
            }
        })?;
        if let Err(error) = self.restore_parts(state) {
            undo.roll_back(self);
            return Err(error);
        }
        Ok(report)
    }

    /// What is no list of rows. A failure of the last part leaves the others to the caller.
    fn restore_parts(&mut self, state: &VcpuState) -> Result<(), Error> {
        let told = |place: &str, error: Error| Error::Snapshot {
            place: place.to_owned(),
            why: error.to_string(),
        };
        if let Some(fpu) = &state.fpu {
            self.set_fpstate(fpu).map_err(|error| told("fpu", error))?;
        }
        if let Some(apic) = &state.apic {
            self.restore_apic(apic)
                .map_err(|error| told("apic", error))?;
        }
        Ok(())
    }

    fn restore_setup(&mut self, setup: &MsrSetup, mode: Mode) -> Result<(), Error> {
        let number = |hex: Hex| u32::try_from(hex.0).unwrap_or(u32::MAX);
        let strict = |outcome: Result<(), Error>, index: Hex| match outcome {
            Err(error) if mode == Mode::Strict => Err(Error::Snapshot {
                place: format!("setup, MSR {:#x}", index.0),
                why: error.to_string(),
            }),
            _ => Ok(()),
        };
        for &index in &setup.native {
            let at = number(index);
            if self.msrs.get(&at) != Some(&Enabled::Native) {
                strict(self.enable_native_msr(at, true), index)?;
            }
        }
        for (&index, &access) in &setup.managed {
            let at = number(index);
            if !matches!(self.msrs.get(&at), Some(Enabled::Managed(_))) {
                strict(self.enable_managed_msr(at, true), index)?;
            }
            let access = MsrAccess::from_bits_truncate(access.0 as u32);
            strict(self.set_msr_access(at, access), index)?;
        }
        self.emulated_msrs = setup
            .emulated
            .iter()
            .map(|(&index, &value)| (number(index), value.0))
            .collect();
        Ok(())
    }

    fn undo_setup(&mut self, had: (BTreeMap<u32, Enabled>, BTreeMap<u32, u64>)) {
        let (msrs, emulated) = had;
        let added: Vec<_> = self
            .msrs
            .iter()
            .filter(|(index, _)| !msrs.contains_key(index))
            .map(|(&index, &enabled)| (index, enabled))
            .collect();
        for (index, enabled) in added {
            // It was enabled a moment ago; a refusal leaves it enabled, which harms nothing.
            let _ = match enabled {
                Enabled::Native => self.enable_native_msr(index, false),
                Enabled::Managed(_) => self.enable_managed_msr(index, false),
            };
        }
        self.emulated_msrs = emulated;
    }
}
