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

    /// As [`View::update_physical`] for a locked access at any alignment inside a page. It is one step for all others if it stays inside
    /// 16 aligned bytes and the host has such a step ([`has_wide_atomics`](super::super::has_wide_atomics)), else as [`View::update_split`]
    /// says.
    pub(crate) fn update_unaligned<T: Scalar>(
        &self,
        gpa: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Fault> {
        let at = gpa % 16;
        if at + T::SIZE > 16 {
            return self.update_split(gpa, gpa + (16 - at), 16 - at, change);
        }
        let (shift, mut old) = (8 * at, T::default());
        self.update_physical(gpa - at, |all: u128| {
            old = T::from_u128(all >> shift);
            let mask = (!0 >> (128 - 8 * T::SIZE)) << shift;
            all & !mask | change(old).to_u128() << shift
        })?;
        Ok(old)
    }

    /// A locked access (of 8 bytes at most) in two parts: `room` bytes up to a 16-byte boundary behind `first`, the rest from `second` on.
    ///
    /// By itself it excludes others of its kind, and loses no update of an aligned access; an aligned access may see the one part without
    /// the other. To vCPUs of the VM it is one step under the [bus lock](View::lock_bus). It stays what it is to others: to the VMM (`Memory::read` and
    /// what is built on it) and to another VM that has the memory mapped.
    pub(crate) fn update_split<T: Scalar>(
        &self,
        first: u64,
        second: u64,
        room: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Fault> {
        static SPLIT: std::sync::Mutex<()> = std::sync::Mutex::new(());
        debug_assert!(room < 8 && T::SIZE <= 8 && second.is_multiple_of(16));
        let _alone = crate::memory::lock(&SPLIT);
        // Nothing is done if a part may not be written.
        self.can_store_physical(first)?;
        self.can_store_physical(second)?;
        let (low_at, bits) = (first & !7, 8 * room);
        let high_mask = (1_u64 << (8 * T::SIZE - bits)) - 1;
        let read = |low: u64, high: u64| {
            T::from_u128(u128::from(low >> (64 - bits)) | u128::from(high) << bits)
        };
        let mut changed = |low: u64, high: u64| {
            let new = change(read(low, high)).to_u128();
            let kept = low & (!0 >> bits);
            let upper = (new >> bits) as u64 & high_mask;
            (
                kept | (new as u64) << (64 - bits),
                high & !high_mask | upper,
            )
        };
        loop {
            let (low, high) = (self.load_physical(low_at)?, self.load_physical(second)?);
            let (new_low, new_high) = changed(low, high);
            if !self.exchange(low_at, low, new_low)? {
                continue;
            }
            if self.exchange(second, high, new_high)? {
                return Ok(read(low, high));
            }
            // Somebody has changed the upper part meanwhile: begin again, unless the lower part has been built upon already.
            if !self.exchange(low_at, new_low, low)? {
                let was = self.update_physical(second, |high| changed(low, high).1)?;
                return Ok(read(low, was));
            }
        }
    }

    /// Replaces eight aligned bytes if they are `old`; answers whether they were.
    fn exchange(&self, gpa: u64, old: u64, new: u64) -> Result<bool, Fault> {
        let replaced = |now| if now == old { new } else { now };
        Ok(self.update_physical(gpa, replaced)? == old)
    }
}
