//! The engine's GICv3: its layout, made before the VM has a vCPU, and what any thread may do with it afterwards.
//!
//! Registers are rows of [`super::gic_registers`]; those of a vCPU (redistributor, ICC, ICH, ICV) are read through the vCPU.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::builder::choose;
use super::sme::Bytes;
use super::vm::Vm;
use super::{error, ffi};
use crate::engine::aarch64 as engine;
use crate::error::{Code, Error};
use crate::guest_memory::Gpa;
use crate::host::Engine;
use crate::typed::{RawRead, RawWrite, Readable, Writable, space};

/// Where the parts of a GIC are to be: given to [`super::VmBuilder::gic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct GicBuilder {
    distributor: Gpa,
    redistributors: Gpa,
    msi: Option<Msi>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Msi {
    base: Gpa,
    first: u32,
    count: u32,
}

/// What the host's GIC is like: sizes and alignments in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GicParameters {
    /// Size of the distributor.
    pub distributor_size: u64,
    /// Alignment of the distributor.
    pub distributor_alignment: u64,
    /// Size of all redistributors.
    pub redistributor_region_size: u64,
    /// Size of one redistributor.
    pub redistributor_size: u64,
    /// Alignment of the redistributors.
    pub redistributor_alignment: u64,
    /// Size of the MSI frame.
    pub msi_size: u64,
    /// Alignment of the MSI frame.
    pub msi_alignment: u64,
    /// First SPI.
    pub spi_base: u32,
    /// Number of SPIs.
    pub spi_count: u32,
}

impl GicParameters {
    /// Those of an engine.
    ///
    /// # Errors
    /// [`Error::NoEngine`] if the engine cannot be used here, [`Error::Unavailable`] before macOS 15.0.
    pub fn probe(engine: Engine) -> Result<Self, Error> {
        Self::of(choose(engine)?)
    }

    fn of(choice: engine::Choice) -> Result<Self, Error> {
        let raw = engine::gic_parameters(choice)
            .map_err(|code| error::call(choice, "hv_gic_get_distributor_size", code))?;
        Ok(Self {
            distributor_size: raw.distributor_size,
            distributor_alignment: raw.distributor_base_alignment,
            redistributor_region_size: raw.redistributor_region_size,
            redistributor_size: raw.redistributor_size,
            redistributor_alignment: raw.redistributor_base_alignment,
            msi_size: raw.msi_region_size,
            msi_alignment: raw.msi_region_base_alignment,
            spi_base: raw.spi_base,
            spi_count: raw.spi_count,
        })
    }
}

impl GicBuilder {
    /// A GIC with its distributor and the region of all redistributors at these addresses.
    pub fn new(distributor: impl Into<Gpa>, redistributors: impl Into<Gpa>) -> Self {
        Self {
            distributor: distributor.into(),
            redistributors: redistributors.into(),
            msi: None,
        }
    }

    /// With a frame for message-signalled interrupts at `base`, which takes `count` SPIs from `first` on; those cannot be set as lines
    /// any more.
    pub fn msi(mut self, base: impl Into<Gpa>, first: u32, count: u32) -> Self {
        self.msi = Some(Msi {
            base: base.into(),
            first,
            count,
        });
        self
    }

    /// Checks it against the host, so that a refusal has words.
    pub(super) fn layout(&self, choice: engine::Choice, ipa_bits: u32) -> Result<GicLayout, Error> {
        let host = GicParameters::of(choice)?;
        let mut parts = vec![
            (
                "distributor",
                self.distributor,
                host.distributor_size,
                host.distributor_alignment,
            ),
            (
                "redistributor region",
                self.redistributors,
                host.redistributor_region_size,
                host.redistributor_alignment,
            ),
        ];
        if let Some(msi) = &self.msi {
            parts.push(("MSI frame", msi.base, host.msi_size, host.msi_alignment));
            check_msi(msi, &host)?;
        }
        for &(what, base, size, alignment) in &parts {
            check_part(what, base, size, alignment, ipa_bits)?;
        }
        for (at, &(what, base, size, _)) in parts.iter().enumerate() {
            for &(other, start, length, _) in &parts[at + 1..] {
                if base.0 < start.0 + length && start.0 < base.0 + size {
                    return Err(refuse(format!(
                        "the {what} at {base} overlaps the {other} at {start}"
                    )));
                }
            }
        }
        Ok(GicLayout {
            builder: *self,
            host,
        })
    }
}

fn refuse(why: String) -> Error {
    Error::Argument {
        call: "GicBuilder",
        why,
    }
}

fn check_part(
    what: &str,
    base: Gpa,
    size: u64,
    alignment: u64,
    ipa_bits: u32,
) -> Result<(), Error> {
    if !base.0.is_multiple_of(alignment.max(1)) {
        return Err(refuse(format!(
            "the {what} at {base} is no multiple of {alignment:#x}"
        )));
    }
    let fits = base
        .0
        .checked_add(size)
        .is_some_and(|end| end >> ipa_bits == 0 || end == 1 << ipa_bits);
    if !fits {
        return Err(refuse(format!(
            "the {what} at {base}, {size:#x} bytes, leaves the guest-physical address space of {ipa_bits} bits"
        )));
    }
    Ok(())
}

fn check_msi(msi: &Msi, host: &GicParameters) -> Result<(), Error> {
    let spis = u64::from(host.spi_base)..u64::from(host.spi_base) + u64::from(host.spi_count);
    let first = u64::from(msi.first);
    let last = first + u64::from(msi.count).max(1) - 1;
    if msi.count == 0 || !spis.contains(&first) || !spis.contains(&last) {
        return Err(refuse(format!(
            "{} MSIs from {} on are not among the SPIs {} to {}",
            msi.count,
            msi.first,
            spis.start,
            spis.end - 1
        )));
    }
    Ok(())
}

/// A GIC that exists.
#[derive(Debug, Clone, Copy)]
pub(super) struct GicLayout {
    builder: GicBuilder,
    host: GicParameters,
}

impl GicLayout {
    pub(super) fn config(&self) -> engine::GicConfig {
        engine::GicConfig {
            distributor_base: self.builder.distributor.0,
            redistributor_base: self.builder.redistributors.0,
            msi_region_base: self.builder.msi.map(|msi| msi.base.0),
            msi_interrupts: self.builder.msi.map(|msi| (msi.first, msi.count)),
        }
    }
}

/// An interrupt source that is built into the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// Performance monitor.
    PerformanceMonitor,
    /// GIC maintenance; with EL2.
    Maintenance,
    /// EL2 physical timer; with EL2.
    El2PhysicalTimer,
    /// EL1 virtual timer.
    El1VirtualTimer,
    /// EL1 physical timer.
    El1PhysicalTimer,
}

/// Whole state of a GIC without the CPU interfaces: opaque, of one engine and one version of macOS.
///
/// In a file it is a string of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GicState(pub Vec<u8>);

impl Serialize for GicState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(self.0.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for GicState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(|bytes| Self(bytes.0))
    }
}

/// The GIC of a VM; any thread may use it.
#[derive(Debug, Clone)]
pub struct Gic {
    vm: Vm,
    layout: GicLayout,
}

impl Vm {
    /// The VM's GIC, if it was built with one.
    #[must_use]
    pub fn gic(&self) -> Option<Gic> {
        self.0.gic.map(|layout| Gic {
            vm: self.clone(),
            layout,
        })
    }
}

impl Gic {
    fn engine(&self) -> &engine::Vm {
        &self.vm.0.engine
    }

    fn call<T>(&self, name: &'static str, result: Result<T, Code>) -> Result<T, Error> {
        result.map_err(|code| error::call(self.vm.choice(), name, code))
    }

    /// Sizes and alignments, for the device tree.
    #[must_use]
    pub fn parameters(&self) -> GicParameters {
        self.layout.host
    }

    /// Base of the distributor.
    #[must_use]
    pub fn distributor(&self) -> Gpa {
        self.layout.builder.distributor
    }

    /// Base of the redistributor region. Which redistributor is a vCPU's is told by [`super::Vcpu::redistributor_base`].
    #[must_use]
    pub fn redistributors(&self) -> Gpa {
        self.layout.builder.redistributors
    }

    /// Sets the line of a shared interrupt. Level-triggered: keeps the level until it is set anew. Edge-triggered: `true` triggers,
    /// `false` does nothing.
    ///
    /// # Errors
    /// [`Error::Call`] for a number that is no SPI or belongs to the MSI frame.
    pub fn set_spi(&self, intid: u32, level: bool) -> Result<(), Error> {
        self.call("hv_gic_set_spi", self.engine().gic_set_spi(intid, level))
    }

    /// Delivers a message-signalled interrupt as a device would: `data` written to `address`.
    ///
    /// # Errors
    /// [`Error::Call`] for an address that is not the frame's doorbell or a number outside of its range.
    pub fn send_msi(&self, address: impl Into<Gpa>, data: u32) -> Result<(), Error> {
        self.call(
            "hv_gic_send_msi",
            self.engine().gic_send_msi(address.into().0, data),
        )
    }

    /// The doorbell of the MSI frame, if there is one.
    #[must_use]
    pub fn msi_doorbell(&self) -> Option<Gpa> {
        let msi = self.layout.builder.msi?;
        Some(Gpa(
            msi.base.0 + u64::from(super::gic_registers::GICM_SET_SPI_NSR.key())
        ))
    }

    /// The interrupt id of a built-in source.
    ///
    /// # Errors
    /// [`Error::Call`] if this VM does not have it.
    pub fn intid(&self, source: BuiltIn) -> Result<u32, Error> {
        let number = match source {
            BuiltIn::PerformanceMonitor => ffi::HV_GIC_INT_PERFORMANCE_MONITOR,
            BuiltIn::Maintenance => ffi::HV_GIC_INT_MAINTENANCE,
            BuiltIn::El2PhysicalTimer => ffi::HV_GIC_INT_EL2_PHYSICAL_TIMER,
            BuiltIn::El1VirtualTimer => ffi::HV_GIC_INT_EL1_VIRTUAL_TIMER,
            BuiltIn::El1PhysicalTimer => ffi::HV_GIC_INT_EL1_PHYSICAL_TIMER,
        };
        self.call(
            "hv_gic_get_intid",
            engine::gic_get_intid(self.vm.choice(), number),
        )
    }

    /// Puts it into its reset state: for a reset of the VM.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn reset(&self) -> Result<(), Error> {
        self.call("hv_gic_reset", self.engine().gic_reset())
    }

    /// Reads a register of the distributor or the MSI frame, a row of [`super::gic_registers`].
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn read<R: Readable<Self>>(&self, row: R) -> Result<R::Value, Error> {
        row.read_from(self)
            .map_err(|code| error::row("read", row.row_info(), code))
    }

    /// Writes a register of the distributor or the MSI frame.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn write<R: Writable<Self>>(&mut self, row: R, value: R::Value) -> Result<(), Error> {
        row.write_to(self, value)
            .map_err(|code| error::row("write", row.row_info(), code))
    }

    /// Its whole state. No vCPU may run meanwhile.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn save(&self) -> Result<GicState, Error> {
        self.call("hv_gic_state_create", self.engine().gic_state())
            .map(GicState)
    }

    /// Brings a saved state back: after all vCPUs were created, before any runs.
    ///
    /// # Errors
    /// [`Error::Argument`] if the VM has no vCPU yet; [`Error::Call`] for a state that is damaged or of another engine.
    pub fn restore(&self, state: &GicState) -> Result<(), Error> {
        if !self.vm.has_vcpu() {
            return Err(Error::Argument {
                call: "Gic::restore",
                why: "the VM's vCPUs have to be created first".to_owned(),
            });
        }
        self.call("hv_gic_set_state", self.engine().gic_set_state(&state.0))
    }
}

impl RawRead<space::GicDistributor> for Gic {
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine().gic_get_distributor_reg(key as u16)
    }
}

impl RawWrite<space::GicDistributor> for Gic {
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine().gic_set_distributor_reg(key as u16, value)
    }
}

impl RawRead<space::GicMsi> for Gic {
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        self.engine().gic_get_msi_reg(key as u16)
    }
}

impl RawWrite<space::GicMsi> for Gic {
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        self.engine().gic_set_msi_reg(key as u16, value)
    }
}
