//! The guest's memory: `vm-memory` owns it, and loaders write to it by its traits; the VM maps the same bytes.

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};
use xhv::{Gpa, Memory};

/// The most that a machine may have: with it all addresses stay below the 36 bits that every Mac has.
pub const MOST: u64 = 32 << 30;

/// Memory at these addresses: first byte and size of each range.
///
/// # Errors
/// In words, if the host has no more.
pub fn allocate(ranges: &[(u64, u64)]) -> Result<GuestMemoryMmap, String> {
    let ranges: Vec<_> = ranges
        .iter()
        .map(|&(start, size)| (GuestAddress(start), size as usize))
        .collect();
    GuestMemoryMmap::from_ranges(&ranges).map_err(|why| format!("guest memory: {why}"))
}

/// What a VM has to map, and where. The VM is to be dropped before `memory`.
///
/// # Errors
/// In words.
#[allow(unsafe_code)]
pub fn parts(memory: &GuestMemoryMmap) -> Result<Vec<(Gpa, Memory)>, String> {
    memory
        .iter()
        .map(|region| {
            // SAFETY: the region is a private mapping, page-aligned as every mapping; machines keep it until all their vCPUs have
            // ended and the VM is gone, and only raw copies go to it.
            let part = unsafe { Memory::from_raw(region.as_ptr(), region.len()) };
            let part = part.map_err(|why| why.to_string())?;
            Ok((Gpa(region.start_addr().0), part))
        })
        .collect()
}
