//! A VM's memory as rust-vmm's crates want it: regions of the crate `vm-memory` over what is mapped, for device models written on it.
//! Feature `vm-memory`.
//!
//! ```
//! use vm_memory::{Bytes, GuestAddress};
//! use xhv::Gpa;
//! use xhv::x86_64::Vm;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vm = Vm::new()?;
//! vm.map_new(Gpa(0), 0x1_0000)?;
//! let memory = vm.guest_memory()?;
//! memory.write_obj(0x1234_u32, GuestAddress(0x1000))?;
//! assert_eq!(vm.read_value::<u32>(Gpa(0x1000))?, 0x1234);
//! # Ok(())
//! # }
//! ```
//!
//! What is written through the regions counts as written by [`Vm::write`](crate::x86_64::Vm::write): it is dirty where that is tracked,
//! and code that was decoded from there is forgotten. Writes through a pointer (`get_host_address`) are nobody's business until
//! [`Bitmap::mark_dirty`] is told of them.
#![allow(unsafe_code)] // Makes volatile slices of the mapped memory, which `Mapping` keeps.

use core::fmt;
use std::sync::Arc;

use vm_memory::bitmap::{BS, Bitmap, BitmapSlice, WithBitmapSlice};
use vm_memory::{
    GuestAddress, GuestMemoryError, GuestMemoryRegion, GuestMemoryRegionBytes, GuestUsize,
    MemoryRegionAddress, VolatileSlice,
};

use crate::error::Error;
use crate::guest_memory::{GuestMemory, Mapping};
use crate::{aarch64, x86_64};

/// The memory of a VM: what `vm-memory` calls a `GuestMemoryBackend`. Ranges that are mapped or unmapped later do not change it.
pub type GuestRegions = vm_memory::GuestRegionCollection<Region>;

/// A mapped range. It keeps its memory, also when it is unmapped.
#[derive(Debug)]
pub struct Region {
    mapping: Mapping,
    pages: Pages,
}

/// Which pages of a region are dirty, and what has to happen when some are written: `vm-memory`'s `Bitmap`.
#[derive(Clone)]
pub struct Pages {
    guest: Arc<GuestMemory>,
    mapping: Mapping,
    /// Where offset 0 is in the mapping.
    from: u64,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("gpa", &self.mapping.gpa)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl WithBitmapSlice<'_> for Pages {
    type S = Self;
}

impl BitmapSlice for Pages {}

impl Bitmap for Pages {
    fn mark_dirty(&self, offset: usize, len: usize) {
        let at = self.from.saturating_add(offset as u64);
        let len = (len as u64).min(self.mapping.size.saturating_sub(at));
        if len > 0 {
            self.mapping.memory.written(self.mapping.offset + at, len);
            self.guest.mark(self.mapping.gpa.0 + at, len);
        }
    }

    fn dirty_at(&self, offset: usize) -> bool {
        let at = self.from.saturating_add(offset as u64);
        at < self.mapping.size && self.guest.is_dirty(self.mapping.gpa.0 + at)
    }

    fn slice_at(&self, offset: usize) -> Self {
        Self {
            from: self.from.saturating_add(offset as u64),
            ..self.clone()
        }
    }
}

impl GuestMemoryRegion for Region {
    type B = Pages;

    fn len(&self) -> GuestUsize {
        self.mapping.size
    }

    fn start_addr(&self) -> GuestAddress {
        GuestAddress(self.mapping.gpa.0)
    }

    fn bitmap(&self) -> BS<'_, Self::B> {
        self.pages.clone()
    }

    fn get_host_address(&self, addr: MemoryRegionAddress) -> Result<*mut u8, GuestMemoryError> {
        Ok(self.get_slice(addr, 1)?.ptr_guard_mut().as_ptr())
    }

    fn get_slice(
        &self,
        offset: MemoryRegionAddress,
        count: usize,
    ) -> Result<VolatileSlice<'_, BS<'_, Self::B>>, GuestMemoryError> {
        let inside = offset.0.checked_add(count as u64);
        if inside.is_none_or(|end| end > self.mapping.size) {
            return Err(GuestMemoryError::InvalidBackendAddress);
        }
        let place = (self.mapping.offset + offset.0) as usize;
        // SAFETY: `Vm::map` checked that the mapping lies in its memory, and the range was just checked to lie in the mapping.
        let pointer = unsafe { self.mapping.memory.as_ptr().add(place) };
        let pages = self.pages.slice_at(offset.0 as usize);
        // SAFETY: the memory stays mapped as long as `self` holds its handle, which is longer than the slice lives; guests and this
        // library access it through raw pointers only.
        Ok(unsafe { VolatileSlice::with_bitmap(pointer, count, pages, None) })
    }
}

impl GuestMemoryRegionBytes for Region {}

fn regions(guest: &Arc<GuestMemory>) -> Result<GuestRegions, Error> {
    let region = |mapping: Mapping| Region {
        pages: Pages {
            guest: guest.clone(),
            mapping: mapping.clone(),
            from: 0,
        },
        mapping,
    };
    let regions = guest.list().into_iter().map(region).collect();
    GuestRegions::from_regions(regions).map_err(|why| Error::Argument {
        call: "Vm::guest_memory",
        why: why.to_string(),
    })
}

impl x86_64::Vm {
    /// What is mapped now, for rust-vmm's crates: see [`crate::rust_vmm`].
    ///
    /// # Errors
    /// [`Error::Argument`] if nothing is mapped.
    pub fn guest_memory(&self) -> Result<GuestRegions, Error> {
        regions(self.memory())
    }
}

impl aarch64::Vm {
    /// What is mapped now, for rust-vmm's crates: see [`crate::rust_vmm`].
    ///
    /// # Errors
    /// [`Error::Argument`] if nothing is mapped.
    pub fn guest_memory(&self) -> Result<GuestRegions, Error> {
        regions(self.memory())
    }
}
