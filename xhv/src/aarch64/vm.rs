//! The VM: owner of the guest's memory map and of the GIC. `builder.rs` makes it, vCPUs are in `vcpu.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::builder::VmBuilder;
use super::config::VcpuConfig;
use super::error;
use super::gic::GicLayout;
use super::vcpu::Vcpu;
use crate::engine::aarch64 as engine;
use crate::error::Error;
use crate::guest_memory::{Gpa, GuestMemory, Mapping};
use crate::host::Engine;
use crate::memory::{Memory, Permissions};
use crate::scalar::Scalar;
use crate::thread::{self, VcpuThread};

/// A virtual machine. Clones are the same VM; it goes away with the last of them and the last vCPU.
#[derive(Clone, Debug)]
pub struct Vm(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    // Dropped first: the VM goes away before its memory.
    pub(super) engine: engine::Vm,
    pub(super) memory: Arc<GuestMemory>,
    pub(super) gic: Option<GicLayout>,
    pub(super) el2: bool,
    pub(super) ipa_bits: u32,
    pub(super) granule: u64,
    pub(super) has_vcpu: AtomicBool,
}

impl Vm {
    /// A VM with everything at its default.
    ///
    /// # Errors
    /// As [`VmBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Says what a VM is to be like, then creates it.
    pub fn builder() -> VmBuilder {
        VmBuilder::default()
    }

    /// The engine that runs it: never [`Engine::Auto`].
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.choice() {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            engine::Choice::Framework => Engine::Framework,
            #[cfg(feature = "software")]
            engine::Choice::Software => Engine::Software,
        }
    }

    pub(super) fn choice(&self) -> engine::Choice {
        self.0.engine.choice()
    }

    #[cfg(feature = "vm-memory")]
    pub(crate) fn memory(&self) -> &Arc<GuestMemory> {
        &self.0.memory
    }

    /// Width of guest-physical addresses, in bits.
    #[must_use]
    pub fn ipa_bits(&self) -> u32 {
        self.0.ipa_bits
    }

    /// What addresses, offsets and sizes of mappings are multiples of, in bytes.
    #[must_use]
    pub fn granule(&self) -> u64 {
        self.0.granule
    }

    /// Whether the guest has an EL2.
    #[must_use]
    pub fn has_el2(&self) -> bool {
        self.0.el2
    }

    /// What vCPUs of this VM are like: feature registers and caches.
    #[must_use]
    pub fn vcpu_config(&self) -> VcpuConfig {
        VcpuConfig(self.choice())
    }

    /// Maps all of `memory` at `gpa`. The VM holds a clone of it until it is unmapped.
    ///
    /// # Errors
    /// [`Error::Argument`] if anything is no multiple of [`Vm::granule`], overlaps what is mapped, or leaves the guest-physical
    /// address space; [`Error::Call`] if the engine refuses.
    pub fn map(
        &self,
        gpa: impl Into<Gpa>,
        memory: &Memory,
        permissions: Permissions,
    ) -> Result<(), Error> {
        self.map_part(gpa, memory, 0, memory.size(), permissions)
    }

    /// Maps `size` bytes at `offset` of `memory`.
    ///
    /// # Errors
    /// As [`Vm::map`].
    pub fn map_part(
        &self,
        gpa: impl Into<Gpa>,
        memory: &Memory,
        offset: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        let mapping = Mapping {
            gpa: gpa.into(),
            size,
            memory: memory.clone(),
            offset,
            permissions,
        };
        self.0.memory.check_map(&mapping, self.0.granule)?;
        self.check_width(&mapping)?;
        self.0
            .engine
            .map(memory, offset, mapping.gpa.0, size, permissions)
            .map_err(|code| error::call(self.choice(), "hv_vm_map", code))?;
        self.0.memory.add(mapping);
        Ok(())
    }

    fn check_width(&self, mapping: &Mapping) -> Result<(), Error> {
        let last = mapping.gpa.0 + (mapping.size - 1);
        if last.checked_shr(self.0.ipa_bits).unwrap_or(0) == 0 {
            return Ok(());
        }
        Err(Error::Argument {
            call: "Vm::map",
            why: format!(
                "{} to {last:#x} needs more than the {} bits of this VM's addresses: see `VmBuilder::ipa_bits`",
                mapping.gpa, self.0.ipa_bits
            ),
        })
    }

    /// New zero-filled memory of `size` bytes, mapped at `gpa` with all permissions.
    ///
    /// # Errors
    /// As [`Vm::map`]; [`Error::Memory`] if the host has no more.
    pub fn map_new(&self, gpa: impl Into<Gpa>, size: u64) -> Result<Memory, Error> {
        let memory = Memory::new(size)?;
        self.map(gpa, &memory, Permissions::ALL)?;
        Ok(memory)
    }

    /// Takes a mapped range away. When this returns the guest does not touch the memory any more.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped; [`Error::Call`] if the engine refuses.
    pub fn unmap(&self, gpa: impl Into<Gpa>, size: u64) -> Result<(), Error> {
        let gpa = self.mapped(gpa.into(), size)?;
        self.0
            .engine
            .unmap(gpa, size)
            .map_err(|code| error::call(self.choice(), "hv_vm_unmap", code))?;
        self.0.memory.remove(gpa, size);
        Ok(())
    }

    /// Changes what the guest may do with a mapped range.
    ///
    /// # Errors
    /// As [`Vm::unmap`].
    pub fn protect(
        &self,
        gpa: impl Into<Gpa>,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        let gpa = self.mapped(gpa.into(), size)?;
        self.protect_engine(gpa, size, permissions)?;
        self.0.memory.protect(gpa, size, permissions);
        Ok(())
    }

    pub(super) fn protect_engine(
        &self,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        self.0
            .engine
            .protect(gpa, size, permissions)
            .map_err(|code| error::call(self.choice(), "hv_vm_protect", code))
    }

    fn mapped(&self, gpa: Gpa, size: u64) -> Result<u64, Error> {
        if size == 0 || !self.0.memory.covers(gpa.0, size) {
            return Err(Error::OutOfRange {
                address: gpa.0,
                size,
            });
        }
        Ok(gpa.0)
    }

    /// Everything that is mapped, by address.
    #[must_use]
    pub fn mappings(&self) -> Vec<Mapping> {
        self.0.memory.list()
    }

    /// Copies guest memory out, across mappings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped.
    pub fn read(&self, gpa: impl Into<Gpa>, out: &mut [u8]) -> Result<(), Error> {
        self.0.memory.read(gpa.into().0, out)
    }

    /// Copies bytes into guest memory, across mappings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped; nothing is written then.
    pub fn write(&self, gpa: impl Into<Gpa>, bytes: &[u8]) -> Result<(), Error> {
        self.0.memory.write(gpa.into().0, bytes)
    }

    /// Reads a little-endian number.
    ///
    /// # Errors
    /// As [`Vm::read`].
    pub fn read_value<T: Scalar>(&self, gpa: impl Into<Gpa>) -> Result<T, Error> {
        self.0.memory.read_value(gpa.into().0)
    }

    /// Writes a little-endian number.
    ///
    /// # Errors
    /// As [`Vm::write`].
    pub fn write_value<T: Scalar>(&self, gpa: impl Into<Gpa>, value: T) -> Result<(), Error> {
        self.0.memory.write_value(gpa.into().0, value)
    }

    /// Begins to track which pages of a range the guest or [`Vm::write`] writes to. Pages have [`Vm::granule`] bytes.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped; [`Error::Call`] if the engine refuses to take write access away.
    pub fn track_dirty(&self, gpa: impl Into<Gpa>, size: u64) -> Result<(), Error> {
        let gpa = self.mapped(gpa.into(), size)?;
        for (start, size, permissions) in self.0.memory.track(gpa, size, self.0.granule) {
            self.protect_engine(start, size, permissions - Permissions::WRITE)?;
        }
        Ok(())
    }

    /// The pages of a tracked range that were written since the last call; they count as clean again.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses to take write access away.
    pub fn take_dirty(&self, gpa: impl Into<Gpa>, size: u64) -> Result<Vec<Gpa>, Error> {
        let (pages, page) = self.0.memory.take_dirty(gpa.into().0, size);
        for &start in &pages {
            if let Some(permissions) = self.0.memory.permissions(start) {
                self.protect_engine(start, page, permissions - Permissions::WRITE)?;
            }
        }
        Ok(pages.into_iter().map(Gpa).collect())
    }

    /// Ends the tracking of a range that [`Vm::track_dirty`] began.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses to give write access back.
    pub fn untrack_dirty(&self, gpa: impl Into<Gpa>, size: u64) -> Result<(), Error> {
        for (start, size, permissions) in self.0.memory.untrack(gpa.into().0, size) {
            self.protect_engine(start, size, permissions)?;
        }
        Ok(())
    }

    /// Creates a vCPU on this thread, which owns it from now on: it cannot be sent elsewhere. One vCPU for each thread.
    ///
    /// # Errors
    /// [`Error::Call`] with the likely cause if the engine refuses.
    pub fn create_vcpu(&self) -> Result<Vcpu, Error> {
        let vcpu = Vcpu::create(self)?;
        self.0.has_vcpu.store(true, Ordering::Relaxed);
        Ok(vcpu)
    }

    /// Whether the VM ever had a vCPU.
    pub(super) fn has_vcpu(&self) -> bool {
        self.0.has_vcpu.load(Ordering::Relaxed)
    }

    /// Creates a vCPU on a new thread and runs `body` with it there.
    ///
    /// # Errors
    /// As [`Vm::create_vcpu`]; [`Error::Argument`] if the host gives no thread.
    pub fn spawn_vcpu<R: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Vcpu) -> R + Send + 'static,
    ) -> Result<VcpuThread<Vcpu, R>, Error> {
        let vm = self.clone();
        thread::spawn(
            move || vm.create_vcpu(),
            |vcpu| (vcpu.handle(), vcpu.jobs()),
            body,
        )
    }
}
