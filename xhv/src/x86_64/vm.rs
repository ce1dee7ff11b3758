//! A virtual machine with Intel CPUs: its engine, its memory, its clock. `vcpu` runs code in it, `apic` has its interrupt controllers.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::space::Space;
use super::vcpu::{Vcpu, VcpuOptions};
use super::{capabilities, failed, ffi};
use crate::engine::x86_64 as engine;
use crate::error::{Code, Error};
use crate::guest_memory::{Gpa, GuestMemory, Mapping};
use crate::host::{Architecture, Engine, resolve};
use crate::memory::{Memory, PAGE, Permissions, lock};
use crate::scalar::Scalar;
use crate::thread::{VcpuThread, spawn};
use crate::trace::event;
use crate::typed::{RawRead, Readable, space};

/// A virtual machine. Clones are handles to the same one; it goes away with the last of them and its last vCPU.
///
/// On the framework a process can have one VM at a time; on the software engine as many as it likes.
#[derive(Clone)]
pub struct Vm(Arc<Shared>);

struct Shared {
    engine: engine::Vm,
    memory: Arc<GuestMemory>,
    /// Address spaces besides the default one.
    spaces: Mutex<BTreeMap<u32, Arc<GuestMemory>>>,
    options: VmOptions,
    /// Whether the host's `hv_vcpu_run_until` can be trusted: from macOS 11.0 on.
    run_until: bool,
}

bitflags::bitflags! {
    /// What a VM is made with (`hv_vm_options_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct VmOptions: u64 {
        /// The client chooses the mitigations by the bits below (macOS 10.15).
        const SPECIFY_MITIGATIONS = 0x1;
        /// Mitigation A.
        const MITIGATION_A = 0x2;
        /// Mitigation B.
        const MITIGATION_B = 0x4;
        /// Mitigation C.
        const MITIGATION_C = 0x8;
        /// Mitigation D.
        const MITIGATION_D = 0x10;
        /// Mitigation E (macOS 11.0).
        const MITIGATION_E = 0x40;
        /// The engine has local APICs, an I/O APIC and 8259s, and handles HLT (macOS 12.0): see [`Vm::ioapic`](Vm::assert_ioapic_irq).
        const ACCEL_APIC = 0x400;
    }
}

/// How a [`Vm`] is to be made.
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "nothing happens before `build`"]
pub struct VmBuilder {
    engine: Engine,
    options: VmOptions,
}

impl VmBuilder {
    /// The engine to run on; [`Engine::Auto`] unless told otherwise.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Options of `hv_vm_create`.
    pub fn options(mut self, options: VmOptions) -> Self {
        self.options = options;
        self
    }

    /// Interrupt controllers inside the engine: adds [`VmOptions::ACCEL_APIC`].
    pub fn accelerated_apic(mut self) -> Self {
        self.options |= VmOptions::ACCEL_APIC;
        self
    }

    /// Makes the VM.
    ///
    /// # Errors
    /// [`Error::NoEngine`] if the chosen engine is not there, [`Error::Call`] with the likely cause if it refuses.
    pub fn build(self) -> Result<Vm, Error> {
        let chosen = resolve(self.engine, Architecture::X86_64)?;
        let engine = engine::Vm::create(chosen, self.options.bits())
            .map_err(|code| failed(chosen, "hv_vm_create", code))?;
        let run_until = chosen == Engine::Software || is_present("hv_tsc_clock");
        event!(DEBUG, engine = ?chosen, options = ?self.options, "VM created");
        Ok(Vm(Arc::new(Shared {
            engine,
            memory: Arc::default(),
            spaces: Mutex::default(),
            options: self.options,
            run_until,
        })))
    }
}

/// Whether this system has a function of the framework.
fn is_present(name: &str) -> bool {
    ffi::FUNCTIONS
        .iter()
        .any(|function| function.name == name && (function.present)())
}

impl Vm {
    /// A VM with default options on the engine that fits the host.
    ///
    /// # Errors
    /// See [`VmBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Choices for a new VM.
    pub fn builder() -> VmBuilder {
        VmBuilder::default()
    }

    /// The engine that runs this VM; never [`Engine::Auto`].
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.0.engine.engine()
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> VmOptions {
        self.0.options
    }

    pub(super) fn raw(&self) -> &engine::Vm {
        &self.0.engine
    }

    pub(crate) fn memory(&self) -> &Arc<GuestMemory> {
        &self.0.memory
    }

    pub(super) fn can_run_until(&self) -> bool {
        self.0.run_until
    }

    pub(super) fn failed(&self, call: &'static str, code: Code) -> Error {
        failed(self.engine(), call, code)
    }

    fn default_space(&self) -> Space {
        Space::new(self.clone(), 0, self.0.memory.clone())
    }

    /// Shows all of `memory` to the guest at `gpa`.
    ///
    /// # Errors
    /// [`Error::Argument`] if an address is misaligned or the range overlaps another, [`Error::Call`] if the engine refuses.
    pub fn map(&self, gpa: Gpa, memory: &Memory, permissions: Permissions) -> Result<(), Error> {
        self.default_space().map(gpa, memory, permissions)
    }

    /// Shows `size` bytes of `memory` from `offset` on to the guest at `gpa`.
    ///
    /// # Errors
    /// As [`Vm::map`].
    pub fn map_part(
        &self,
        gpa: Gpa,
        memory: &Memory,
        offset: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        self.default_space()
            .map_part(gpa, memory, offset, size, permissions)
    }

    /// New memory of `size` bytes at `gpa`, as ordinary RAM.
    ///
    /// # Errors
    /// As [`Memory::new`] and [`Vm::map`].
    pub fn map_new(&self, gpa: Gpa, size: u64) -> Result<Memory, Error> {
        let memory = Memory::new(size)?;
        self.map(gpa, &memory, Permissions::ALL)?;
        Ok(memory)
    }

    /// Takes a mapped range from the guest. When this returns no vCPU uses it any more.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped, [`Error::Call`] if the engine refuses.
    pub fn unmap(&self, gpa: Gpa, size: u64) -> Result<(), Error> {
        self.default_space().unmap(gpa, size)
    }

    /// Changes what the guest may do with a mapped range.
    ///
    /// # Errors
    /// As [`Vm::unmap`].
    pub fn protect(&self, gpa: Gpa, size: u64, permissions: Permissions) -> Result<(), Error> {
        self.default_space().protect(gpa, size, permissions)
    }

    /// What is mapped, by address.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        self.0.memory.list()
    }

    /// Copies guest memory out, across mappings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped; `out` may be filled in part then.
    pub fn read(&self, gpa: Gpa, out: &mut [u8]) -> Result<(), Error> {
        self.0.memory.read(gpa.0, out)
    }

    /// Copies bytes into guest memory, across mappings, whatever the guest itself may do there.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped; nothing is written then.
    pub fn write(&self, gpa: Gpa, bytes: &[u8]) -> Result<(), Error> {
        self.0.memory.write(gpa.0, bytes)
    }

    /// Reads a little-endian number.
    ///
    /// # Errors
    /// As [`Vm::read`].
    pub fn read_value<T: Scalar>(&self, gpa: Gpa) -> Result<T, Error> {
        self.0.memory.read_value(gpa.0)
    }

    /// Writes a little-endian number.
    ///
    /// # Errors
    /// As [`Vm::write`].
    pub fn write_value<T: Scalar>(&self, gpa: Gpa, value: T) -> Result<(), Error> {
        self.0.memory.write_value(gpa.0, value)
    }

    /// Begins to note which pages of a mapped range are written, by the guest or through [`Vm::write`]. The guest's first write to
    /// each page costs an exit, which `run` hides.
    ///
    /// # Errors
    /// [`Error::Argument`] if the range is misaligned, [`Error::OutOfRange`] if not all of it is mapped.
    pub fn track_dirty(&self, gpa: Gpa, size: u64) -> Result<(), Error> {
        self.aligned("Vm::track_dirty", gpa, size)?;
        let clean = self.0.memory.track(gpa.0, size, PAGE);
        self.write_protect(&clean)
    }

    /// The pages of 4 KiB in a tracked range that were written since it was tracked or since the last call.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses to protect them again.
    pub fn take_dirty(&self, gpa: Gpa, size: u64) -> Result<Vec<Gpa>, Error> {
        let (pages, page) = self.0.memory.take_dirty(gpa.0, size);
        for &first in &pages {
            if let Some(permissions) = self.0.memory.permissions(first) {
                self.write_protect(&[(first, page, permissions)])?;
            }
        }
        Ok(pages.into_iter().map(Gpa).collect())
    }

    /// Ends the tracking of a range that was given to [`Vm::track_dirty`].
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses to give write access back.
    pub fn untrack_dirty(&self, gpa: Gpa, size: u64) -> Result<(), Error> {
        for (first, len, permissions) in self.0.memory.untrack(gpa.0, size) {
            self.set_access(first, len, permissions)?;
        }
        Ok(())
    }

    fn write_protect(&self, parts: &[(u64, u64, Permissions)]) -> Result<(), Error> {
        parts.iter().try_for_each(|&(gpa, size, permissions)| {
            self.set_access(gpa, size, permissions - Permissions::WRITE)
        })
    }

    /// Tells the engine alone: what the mapping list says stays.
    pub(super) fn set_access(
        &self,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        let answer = self.0.engine.protect(0, gpa, size, permissions);
        answer.map_err(|code| self.failed("hv_vm_protect", code))
    }

    fn aligned(&self, call: &'static str, gpa: Gpa, size: u64) -> Result<(), Error> {
        if !gpa.0.is_multiple_of(PAGE) || !size.is_multiple_of(PAGE) || size == 0 {
            return Err(Error::Argument {
                call,
                why: format!(
                    "{gpa} and the size {size:#x} have to be positive multiples of {PAGE:#x}"
                ),
            });
        }
        if !self.0.memory.covers(gpa.0, size) {
            return Err(Error::OutOfRange {
                address: gpa.0,
                size,
            });
        }
        Ok(())
    }

    /// One more guest-physical address space (macOS 10.15). It ends with [`Space::destroy`] or the VM.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine has no more, [`Error::Unavailable`] before macOS 10.15.
    pub fn create_space(&self) -> Result<Space, Error> {
        let answer = self.0.engine.space_create();
        let id = answer.map_err(|code| self.failed("hv_vm_space_create", code))?;
        let memory = Arc::<GuestMemory>::default();
        lock(&self.0.spaces).insert(id, memory.clone());
        Ok(Space::new(self.clone(), id, memory))
    }

    pub(super) fn forget_space(&self, id: u32) {
        lock(&self.0.spaces).remove(&id);
    }

    /// Makes every vCPU's time-stamp counter go on from `tsc` now.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn sync_tsc(&self, tsc: u64) -> Result<(), Error> {
        let answer = self.0.engine.sync_tsc(tsc);
        answer.map_err(|code| self.failed("hv_vm_sync_tsc", code))
    }

    /// The clock that [`Vcpu::set_tsc_relative`] counts from, in TSC ticks.
    #[must_use]
    pub fn tsc_clock(&self) -> u64 {
        self.0.engine.tsc_clock()
    }

    /// How fast the guest's TSC counts, in Hz: what the system says (`machdep.tsc.frequency`), else what CPUID leaf 15H says; 0 if
    /// neither does.
    #[must_use]
    pub fn tsc_frequency(&self) -> u64 {
        let told = match self.engine() {
            Engine::Software => None,
            _ => crate::host::sysctl_number("machdep.tsc.frequency"),
        };
        told.unwrap_or_else(|| {
            let leaf = engine::cpuid(self.engine(), 0x15, 0);
            let ratio = u64::from(leaf.ecx) * u64::from(leaf.ebx);
            ratio.checked_div(u64::from(leaf.eax)).unwrap_or(0)
        })
    }

    /// A limit of the engine (`hv_capability`): 0 = most vCPUs in a VM, 1 = most address spaces.
    ///
    /// # Errors
    /// [`Error::Call`] for an unknown id, [`Error::Unavailable`] before macOS 10.15.
    pub fn capability(&self, id: u64) -> Result<u64, Error> {
        let answer = self.0.engine.capability(id);
        answer.map_err(|code| self.failed("hv_capability", code))
    }

    /// Reads a VMX capability, for example [`capabilities::MISC`].
    ///
    /// # Errors
    /// [`Error::Row`] if this host does not tell it.
    pub fn read_capability<R: Readable<Self>>(&self, row: R) -> Result<R::Value, Error> {
        let info = row.row_info();
        row.read_from(self)
            .map_err(|code| Error::row("read", info.name, code))
    }

    /// Facts about MSRs of the host (`hv_vmx_get_msr_info`, macOS 11.0).
    ///
    /// # Errors
    /// [`Error::Call`] for an unknown id, [`Error::Unavailable`] before macOS 11.0.
    pub fn msr_info(&self, id: u64) -> Result<u64, Error> {
        let answer = engine::Vm::get_msr_info(self.engine(), id);
        answer.map_err(|code| self.failed("hv_vmx_get_msr_info", code))
    }

    /// Frequency of the VMX-preemption timer in Hz, which bounds how fine the deadlines of [`Vcpu::run_until`] are.
    ///
    /// # Errors
    /// [`Error::Row`] if the processor has no such timer.
    pub fn preemption_timer_hz(&self) -> Result<u64, Error> {
        self.read_capability(capabilities::PREEMPTION_TIMER)
    }

    /// A vCPU on this thread. The framework allows one for each thread.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine has no more, or this thread has one.
    pub fn create_vcpu(&self) -> Result<Vcpu, Error> {
        Vcpu::create(self, VcpuOptions::default())
    }

    /// A vCPU with options, on this thread.
    ///
    /// # Errors
    /// As [`Vm::create_vcpu`].
    pub fn create_vcpu_with(&self, options: VcpuOptions) -> Result<Vcpu, Error> {
        Vcpu::create(self, options)
    }

    /// A vCPU on a thread of its own, which runs `body` and ends with it.
    ///
    /// # Errors
    /// As [`Vm::create_vcpu`]; or the host gives no thread.
    pub fn spawn_vcpu<R: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Vcpu) -> R + Send + 'static,
    ) -> Result<VcpuThread<Vcpu, R>, Error> {
        let vm = self.clone();
        spawn(
            move || vm.create_vcpu(),
            |vcpu| (vcpu.handle(), vcpu.jobs()),
            body,
        )
    }
}

impl RawRead<space::Capability> for Vm {
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        engine::Vm::read_capability(self.engine(), key)
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("engine", &self.engine())
            .field("options", &self.0.options)
            .field("mappings", &self.mappings())
            .finish()
    }
}
