//! Making a VM: what it is to be like, which engine runs it, and what the host can do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::error;
use super::gic::GicBuilder;
use super::vm::{Inner, Vm};
use crate::engine::aarch64 as engine;
use crate::error::{Code, Error};
use crate::guest_memory::GuestMemory;
use crate::host::{self, Architecture, Engine};
use crate::trace::event;

/// Granule of stage-2 translation: what guest-physical addresses, offsets and sizes of mappings are multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Granule {
    /// 4 KiB. The framework has it from macOS 26.0.
    Kib4,
    /// 16 KiB: the default.
    #[default]
    Kib16,
}

impl Granule {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Kib4 => 4096,
            Self::Kib16 => 16384,
        }
    }
}

/// What a VM is to be like: made by [`Vm::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct VmBuilder {
    engine: Engine,
    ipa_bits: u32,
    el2: bool,
    granule: Granule,
    gic: Option<GicBuilder>,
}

impl VmBuilder {
    /// Which engine runs it. Default: [`Engine::Auto`].
    pub const fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Width of guest-physical addresses in bits. Default: [`Limits::default_ipa_bits`], mostly 36. Needs macOS 13.0.
    pub const fn ipa_bits(mut self, bits: u32) -> Self {
        self.ipa_bits = bits;
        self
    }

    /// Whether the guest has an EL2 and may be a hypervisor itself. Needs macOS 15.0 and a processor that can: [`Limits::el2`].
    pub const fn el2(mut self, el2: bool) -> Self {
        self.el2 = el2;
        self
    }

    /// Granule of stage-2 translation.
    pub const fn granule(mut self, granule: Granule) -> Self {
        self.granule = granule;
        self
    }

    /// Gives the VM a GICv3 of the engine's. It is created right after the VM and before any vCPU, as it has to be.
    pub const fn gic(mut self, gic: GicBuilder) -> Self {
        self.gic = Some(gic);
        self
    }

    /// Creates the VM.
    ///
    /// # Errors
    /// [`Error::NoEngine`] if no engine can run it here; [`Error::Argument`] for an address width or a GIC layout that cannot be;
    /// [`Error::Call`] with the likely cause if the engine refuses; [`Error::Unavailable`] if macOS is too old for what was asked.
    pub fn build(self) -> Result<Vm, Error> {
        let choice = choose(self.engine)?;
        let ipa_bits = self.checked_ipa_bits(&Limits::of(choice))?;
        let gic = match &self.gic {
            Some(gic) => Some(gic.layout(choice, ipa_bits)?),
            None => None,
        };
        let config = engine::VmConfig {
            ipa_bits: self.ipa_bits,
            el2: self.el2,
            // The default needs no call, so that it works on every macOS.
            granule: match self.granule {
                Granule::Kib16 => 0,
                Granule::Kib4 => self.granule.bytes(),
            },
        };
        let vm = create(choice, &config)?;
        if let Some(layout) = &gic {
            vm.gic_create(&layout.config())
                .map_err(|code| error::call(choice, "hv_gic_create", code))?;
        }
        event!(DEBUG, engine = ?choice, ipa_bits, el2 = self.el2, "VM created");
        Ok(Vm(Arc::new(Inner {
            engine: vm,
            memory: GuestMemory::default().into(),
            gic,
            el2: self.el2,
            ipa_bits,
            granule: self.granule.bytes(),
            has_vcpu: AtomicBool::new(false),
        })))
    }

    fn checked_ipa_bits(&self, limits: &Limits) -> Result<u32, Error> {
        if self.ipa_bits == 0 {
            return Ok(limits.default_ipa_bits);
        }
        if !(32..=limits.max_ipa_bits).contains(&self.ipa_bits) {
            return Err(Error::Argument {
                call: "VmBuilder::build",
                why: format!(
                    "guest-physical addresses of {} bits: this host has 32 to {}",
                    self.ipa_bits, limits.max_ipa_bits
                ),
            });
        }
        Ok(self.ipa_bits)
    }
}

/// How long `hv_vm_create` is asked again while it answers busy: the framework may need a moment after the last VM of the process.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);

fn create(choice: engine::Choice, config: &engine::VmConfig) -> Result<engine::Vm, Error> {
    let begin = Instant::now();
    loop {
        match engine::Vm::create(choice, config) {
            Err(Code::BUSY) if begin.elapsed() < BUSY_PATIENCE && !engine::Vm::is_alive(choice) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(code) => return Err(error::call(choice, "hv_vm_create", code)),
            Ok(vm) => return Ok(vm),
        }
    }
}

/// The engine of this build that a choice means.
pub(super) fn choose(engine: Engine) -> Result<engine::Choice, Error> {
    match host::resolve(engine, Architecture::Aarch64)? {
        #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
        Engine::Framework => Ok(engine::Choice::Framework),
        #[cfg(feature = "software")]
        Engine::Software => Ok(engine::Choice::Software),
        other => Err(Error::NoEngine {
            why: format!("this build has no {other} engine for aarch64 guests"),
        }),
    }
}

/// What VMs can be on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// vCPUs in a VM.
    pub max_vcpus: u32,
    /// Largest width of guest-physical addresses, in bits.
    pub max_ipa_bits: u32,
    /// Width of guest-physical addresses if nothing is asked for, in bits.
    pub default_ipa_bits: u32,
    /// Whether a guest can have an EL2.
    pub el2: bool,
    /// Largest streaming vector length in bytes; 0 without SME.
    pub max_svl_bytes: usize,
}

impl Limits {
    /// Those of an engine.
    ///
    /// # Errors
    /// [`Error::NoEngine`] if it cannot be used here.
    pub fn probe(engine: Engine) -> Result<Self, Error> {
        Ok(Self::of(choose(engine)?))
    }

    pub(super) fn of(choice: engine::Choice) -> Self {
        // Systems that do not know a function do not have what it is about; before macOS 13 every VM had 36 bits.
        let default_ipa_bits = engine::get_default_ipa_size(choice).unwrap_or(36);
        Self {
            max_vcpus: engine::get_max_vcpu_count(choice).unwrap_or(1),
            max_ipa_bits: engine::get_max_ipa_size(choice).unwrap_or(default_ipa_bits),
            default_ipa_bits,
            el2: engine::get_el2_supported(choice).unwrap_or(false),
            max_svl_bytes: engine::get_max_svl_bytes(choice).unwrap_or(0),
        }
    }
}
