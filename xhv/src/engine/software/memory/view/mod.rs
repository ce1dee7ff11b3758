//! One vCPU's view of guest memory: a snapshot of the map and the software TLB over it. Loads and stores of guest code are in `guest` (by
//! virtual address, through the TLB) and `physical`.
//!
//! The TLB maps virtual pages of 4 KiB to host memory. An entry has a tag for loads and one for stores: a page that may be read but
//! not written (by the guest's page tables or by its mapping) has just the first. The page of decoded code has a write tag that stores miss
//! and that only [`View::store_beside_code`] knows. One comparison tells a hit: it fails as well for an access that leaves the page, because the tag is compared with
//! the page of its *last* byte.

mod guest;
mod physical;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};

use super::bus::BusLock;
use super::map::{Fault, Map};
use super::space::{AddressSpace, Attention, Slot};
use crate::memory::{CODE_LINE, CodeWatcher, PAGE, Permissions};

/// How many independent TLBs a view has: translation regimes that a CPU switches between (user, supervisor, …).
pub(crate) const REGIMES: usize = 4;
/// Entries in each TLB, a power of two.
const ENTRIES: usize = 1024;
/// Not the address of any page.
const NOTHING: u64 = !0;
/// In a write tag: the page holds decoded code.
const BESIDE_CODE: u64 = 1;

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Entry {
    read: u64,
    /// With [`BESIDE_CODE`] on pages that hold code.
    write: u64,
    /// Host address of the page less its virtual address.
    addend: usize,
    /// Address of the [`Memory`] that the page belongs to.
    memory: usize,
}

const EMPTY: Entry = Entry {
    read: NOTHING,
    write: NOTHING,
    addend: 0,
    memory: 0,
};

/// A direct-mapped TLB.
///
/// Invariant: a tag that is not `NOTHING` belongs to a page of host memory that the view's current map holds a
/// [`Memory`] for, at the address in the entry. Entries are made by [`View::fill`] only, from that map, and all are dropped when it is replaced. Who wants
/// memory out of the map waits for that in [`AddressSpace`].
struct Tlb {
    entries: Box<[Entry; ENTRIES]>,
}

impl Tlb {
    #[inline(always)]
    fn entry(&self, va: u64) -> &Entry {
        &self.entries[(va / PAGE) as usize % ENTRIES]
    }

    fn flush(&mut self) {
        self.entries.fill(EMPTY);
    }
}

/// What a translation regime allows on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    /// Loads.
    pub(crate) read: bool,
    /// Stores; false as well while a store still has to be noticed, for example to set a dirty bit.
    pub(crate) write: bool,
}

/// One vCPU's view of guest memory.
pub(crate) struct View {
    space: Arc<AddressSpace>,
    slot: Arc<Slot>,
    watcher: Weak<dyn CodeWatcher>,
    map: Arc<Map>,
    epoch: u64,
    tlbs: [Tlb; REGIMES],
}

impl core::fmt::Debug for View {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("View")
            .field("epoch", &self.epoch)
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}

/// The lines that `len` bytes at `at` of a page cover, a bit each; what goes beyond the page is left out.
#[inline(always)]
pub(crate) fn lines_of(at: u64, len: u64) -> u64 {
    let first = at / CODE_LINE;
    let last = (at + len.max(1) - 1).min(PAGE - 1) / CODE_LINE;
    (!0_u64 << first) & (!0_u64 >> (63 - last))
}

#[inline(always)]
fn page_of_last(va: u64, size: u64) -> u64 {
    va.wrapping_add(size - 1) & !(PAGE - 1)
}

impl View {
    /// A view of `space` for a new vCPU.
    pub(crate) fn new(space: Arc<AddressSpace>) -> Self {
        let slot = space.join();
        let watcher: Weak<dyn CodeWatcher> =
            Arc::downgrade(&(slot.clone() as Arc<dyn CodeWatcher>));
        let tlbs = core::array::from_fn(|_| Tlb {
            entries: Box::new([EMPTY; ENTRIES]),
        });
        let (map, epoch) = (space.current(), 0);
        Self {
            space,
            slot,
            watcher,
            map,
            epoch,
            tlbs,
        }
    }

    /// What others see of this vCPU.
    #[inline(always)]
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The address space behind the view.
    pub(crate) fn space(&self) -> &Arc<AddressSpace> {
        &self.space
    }

    /// Begins to run guest code. Answers whether the TLB was flushed (see [`View::refresh`]).
    pub(crate) fn enter(&mut self) -> bool {
        self.slot.enter();
        self.refresh()
    }

    /// Stops running guest code: changes of the map no longer wait for this vCPU.
    pub(crate) fn leave(&mut self) {
        self.slot.leave();
    }

    /// Locks the bus, between two blocks. The guest is left with that: [`View::enter`] it again.
    pub(crate) fn lock_bus(&self) -> BusLock {
        self.space.bus().lock(&self.slot)
    }

    /// Waits between two blocks while another vCPU has the bus locked ([`Attention::BUS`]). Answers as [`View::refresh`].
    pub(crate) fn pass_bus(&mut self) -> bool {
        self.slot.take(Attention::BUS);
        self.space.bus().pass(&self.slot);
        self.refresh()
    }

    /// Takes the current map; to be called between blocks when [`Attention::MAP`] is set. Answers whether it was a new one:
    /// then the TLB is empty, and what the CPU derived from translations has to go too.
    pub(crate) fn refresh(&mut self) -> bool {
        self.slot.take(Attention::MAP);
        let epoch = self.space.epoch();
        if epoch == self.epoch {
            return false;
        }
        self.flush();
        self.map = self.space.current();
        self.epoch = epoch;
        self.slot.seen(epoch);
        true
    }

    /// Forgets all translations.
    pub(crate) fn flush(&mut self) {
        self.tlbs.iter_mut().for_each(Tlb::flush);
    }

    /// Forgets the translation of one 4 KiB page in all regimes.
    pub(crate) fn flush_page(&mut self, va: u64) {
        for tlb in &mut self.tlbs {
            tlb.entries[(va / PAGE) as usize % ENTRIES] = EMPTY;
        }
    }

    /// Forgets the translations of pages whose address `gone` picks.
    pub(crate) fn flush_pages(&mut self, gone: impl Fn(u64) -> bool) {
        for entry in self.tlbs.iter_mut().flat_map(|tlb| tlb.entries.iter_mut()) {
            if [entry.read, entry.write]
                .iter()
                .any(|&tag| tag != NOTHING && gone(tag))
            {
                *entry = EMPTY;
            }
        }
    }

    /// Enters the page of `va` into a TLB: it is the guest-physical page of `gpa`, with at most `rights`.
    ///
    /// Rights that the mapping does not give are left out silently: the access that needs them will miss again, and
    /// [`View::locate`] says what is wrong with it. Nothing happens where nothing is mapped.
    pub(crate) fn fill(&mut self, regime: usize, va: u64, gpa: u64, rights: Rights) {
        let Some(range) = self.map.find(gpa) else {
            return;
        };
        let (page, gpa) = (va & !(PAGE - 1), gpa & !(PAGE - 1));
        let offset = range.offset + (gpa - range.gpa);
        let allowed = range.permissions;
        let tag = |granted: bool, needed| {
            if granted && allowed.contains(needed) {
                page
            } else {
                NOTHING
            }
        };
        let has_code = range.memory.code_lines(offset) != 0;
        let host = range
            .memory
            .as_ptr()
            .wrapping_add(offset as usize)
            .expose_provenance();
        let entry = Entry {
            read: tag(rights.read, Permissions::READ),
            write: tag(rights.write, Permissions::READ | Permissions::WRITE)
                | if has_code { BESIDE_CODE } else { 0 },
            addend: host.wrapping_sub(page as usize),
            memory: core::ptr::from_ref(&range.memory).expose_provenance(),
        };
        self.tlbs[regime % REGIMES].entries[(va / PAGE) as usize % ENTRIES] = entry;
    }

    /// Copies bytes to decode from the page of `gpa`, up to its end at most; answers how many.
    pub(crate) fn fetch(&self, gpa: u64, out: &mut [u8]) -> Result<usize, Fault> {
        let range = self.locate(gpa, Permissions::EXECUTE)?;
        let len = out.len().min((PAGE - gpa % PAGE) as usize);
        let offset = range.offset + (gpa - range.gpa);
        let got = range.memory.read(offset, &mut out[..len]);
        got.map(|()| len).map_err(|_| Fault {
            gpa,
            permissions: None,
        })
    }

    /// Marks `len` bytes at `gpa` (inside one page) as decoded: from now on a write to them sets [`Attention::CODE`].
    ///
    /// To be called between blocks. When the page had no code before, other vCPUs are made to forget that they may write it; bytes that
    /// were fetched before have to be fetched again and compared, and the caller has to [`View::refresh`]: both if the answer is true.
    pub(crate) fn mark_code(&mut self, gpa: u64, len: u64) -> Result<bool, Fault> {
        let range = self.locate(gpa, Permissions::EXECUTE)?;
        let offset = range.offset + (gpa - range.gpa);
        let memory = range.memory.clone();
        if memory.mark_code(offset, lines_of(offset % PAGE, len), &self.watcher) != 0 {
            return Ok(false);
        }
        self.space.shoot_down_others(&self.slot);
        Ok(true)
    }
}
