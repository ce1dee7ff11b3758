//! Guest-physical address spaces, and the numbers that are read from and written to them: `vm` has the one that every VM has.

use std::sync::Arc;

use super::vm::Vm;
use crate::error::Error;
use crate::guest_memory::{Gpa, GuestMemory, Mapping};
use crate::memory::{Memory, PAGE, Permissions};

/// A guest-physical address space. Every VM has one; more of them come from [`Vm::create_space`].
#[derive(Clone, Debug)]
pub struct Space {
    vm: Vm,
    id: u32,
    memory: Arc<GuestMemory>,
}

impl Space {
    pub(super) fn new(vm: Vm, id: u32, memory: Arc<GuestMemory>) -> Self {
        Self { vm, id, memory }
    }

    /// The engine's number; 0 is the one that every VM has.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    fn call(&self, default: &'static str, other: &'static str) -> &'static str {
        if self.id == 0 { default } else { other }
    }

    /// As [`Vm::map`].
    ///
    /// # Errors
    /// As there.
    pub fn map(&self, gpa: Gpa, memory: &Memory, permissions: Permissions) -> Result<(), Error> {
        self.map_part(gpa, memory, 0, memory.size(), permissions)
    }

    /// As [`Vm::map_part`].
    ///
    /// # Errors
    /// As there.
    pub fn map_part(
        &self,
        gpa: Gpa,
        memory: &Memory,
        offset: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Error> {
        let mapping = Mapping {
            gpa,
            size,
            memory: memory.clone(),
            offset,
            permissions,
        };
        self.memory.check_map(&mapping, PAGE)?;
        self.vm
            .raw()
            .map(self.id, memory, offset, gpa.0, size, permissions)
            .map_err(|code| {
                self.vm
                    .failed(self.call("hv_vm_map", "hv_vm_map_space"), code)
            })?;
        self.memory.add(mapping);
        Ok(())
    }

    fn covered(&self, gpa: Gpa, size: u64) -> Result<(), Error> {
        if size != 0 && self.memory.covers(gpa.0, size) {
            return Ok(());
        }
        Err(Error::OutOfRange {
            address: gpa.0,
            size,
        })
    }

    /// As [`Vm::unmap`].
    ///
    /// # Errors
    /// As there.
    pub fn unmap(&self, gpa: Gpa, size: u64) -> Result<(), Error> {
        self.covered(gpa, size)?;
        let call = self.call("hv_vm_unmap", "hv_vm_unmap_space");
        let answer = self.vm.raw().unmap(self.id, gpa.0, size);
        answer.map_err(|code| self.vm.failed(call, code))?;
        self.memory.remove(gpa.0, size);
        Ok(())
    }

    /// As [`Vm::protect`].
    ///
    /// # Errors
    /// As there.
    pub fn protect(&self, gpa: Gpa, size: u64, permissions: Permissions) -> Result<(), Error> {
        self.covered(gpa, size)?;
        let call = self.call("hv_vm_protect", "hv_vm_protect_space");
        let answer = self.vm.raw().protect(self.id, gpa.0, size, permissions);
        answer.map_err(|code| self.vm.failed(call, code))?;
        self.memory.protect(gpa.0, size, permissions);
        Ok(())
    }

    /// As [`Vm::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read(&self, gpa: Gpa, out: &mut [u8]) -> Result<(), Error> {
        self.memory.read(gpa.0, out)
    }

    /// As [`Vm::write`].
    ///
    /// # Errors
    /// As there.
    pub fn write(&self, gpa: Gpa, bytes: &[u8]) -> Result<(), Error> {
        self.memory.write(gpa.0, bytes)
    }

    /// Ends the space. No vCPU may use it.
    ///
    /// # Errors
    /// [`Error::Call`] while a vCPU uses it, and for the default space.
    pub fn destroy(self) -> Result<(), Error> {
        let answer = self.vm.raw().space_destroy(self.id);
        answer.map_err(|code| self.vm.failed("hv_vm_space_destroy", code))?;
        self.vm.forget_space(self.id);
        Ok(())
    }
}
