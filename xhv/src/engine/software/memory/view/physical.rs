//! Loads and stores by guest-physical address, through the map.
#![allow(unsafe_code)] // Dereferences host addresses of memories that the map keeps alive.

use super::super::host::{Scalar, update};
use super::super::map::{Fault, Mapping};
use super::View;
use crate::memory::{Memory, Permissions};

impl View {
    /// The mapping behind a guest-physical address, if it gives `needed`.
    pub(crate) fn locate(&self, gpa: u64, needed: Permissions) -> Result<&Mapping, Fault> {
        match self.map.find(gpa) {
            Some(range) if range.permissions.contains(needed) => Ok(range),
            Some(range) => Err(Fault {
                gpa,
                permissions: Some(range.permissions),
            }),
            None => Err(Fault {
                gpa,
                permissions: None,
            }),
        }
    }

    fn physical<T: Scalar>(&self, gpa: u64, needed: Permissions) -> Result<(&Memory, u64), Fault> {
        let range = self.locate(gpa, needed)?;
        let at = gpa - range.gpa;
        if range.size - at < T::SIZE {
            return Err(Fault {
                gpa: range.gpa + range.size,
                permissions: None,
            });
        }
        Ok((&range.memory, range.offset + at))
    }

    /// Loads by guest-physical address. An access that leaves a mapping faults behind its end: split it first.
    pub(crate) fn load_physical<T: Scalar>(&self, gpa: u64) -> Result<T, Fault> {
        let (memory, offset) = self.physical::<T>(gpa, Permissions::READ)?;
        // SAFETY: `physical` checked that all bytes lie inside the memory, which the map keeps alive.
        Ok(unsafe { T::load(memory.as_ptr().wrapping_add(offset as usize)) })
    }

    /// Stores by guest-physical address. Decoded code there is forgotten ([`Attention::CODE`] is set then).
    pub(crate) fn store_physical<T: Scalar>(&self, gpa: u64, value: T) -> Result<(), Fault> {
        let (memory, offset) = self.physical::<T>(gpa, Permissions::READ | Permissions::WRITE)?;
        // SAFETY: `physical` checked that all bytes lie inside the memory, which the map keeps alive.
        unsafe { T::store(memory.as_ptr().wrapping_add(offset as usize), value) };
        memory.written(offset, T::SIZE);
        Ok(())
    }

    /// Whether a byte can be stored by guest-physical address.
    pub(crate) fn can_store_physical(&self, gpa: u64) -> Result<(), Fault> {
        self.physical::<u8>(gpa, Permissions::READ | Permissions::WRITE)
            .map(drop)
    }

    /// Loads, changes and stores in one atomic step by guest-physical address; answers what was there. An address that is not
    /// aligned to the size is accessed in steps that are not atomic together.
    pub(crate) fn update_physical<T: Scalar>(
        &self,
        gpa: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Fault> {
        let (memory, offset) = self.physical::<T>(gpa, Permissions::READ | Permissions::WRITE)?;
        let host = memory.as_ptr().wrapping_add(offset as usize);
        let was = if offset.is_multiple_of(T::SIZE) {
            // SAFETY: aligned (memories are page-aligned); `physical` checked that all bytes lie inside the memory.
            unsafe { update(host, change) }
        } else {
            // SAFETY: `physical` checked that all bytes lie inside the memory, which the map keeps alive.
            let was = unsafe { T::load(host) };
            // SAFETY: as above.
            unsafe { T::store(host, change(was)) };
            was
        };
        memory.written(offset, T::SIZE);
        Ok(was)
    }
}
