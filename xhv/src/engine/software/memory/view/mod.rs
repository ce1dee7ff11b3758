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
mod tlb;

use std::sync::{Arc, Weak};

use super::bus::BusLock;
use super::map::{Fault, Map};
use super::space::{AddressSpace, Attention, Slot};
use crate::memory::{CODE_LINE, CodeWatcher, PAGE, Permissions};
use tlb::{Entry, Parked, Space, Tlb, tables};
pub(crate) use tlb::{Kind, SPACES};

/// How many independent TLBs a view has: translation regimes that a CPU switches between (user, supervisor, …).
pub(crate) const REGIMES: usize = 4;
/// Entries in each TLB, a power of two.
const ENTRIES: usize = 1024;
/// Not the address of any page.
const NOTHING: u64 = !0;
/// In a write tag: the page holds decoded code.
const BESIDE_CODE: u64 = 1;

/// What a translation regime allows on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    /// Loads.
    pub(crate) read: bool,
    /// Stores; false as well while a store still has to be noticed, for example to set a dirty bit.
    pub(crate) write: bool,
    /// Fetches of code by [`View::code_at`], which a CPU need not use.
    pub(crate) execute: bool,
}

/// One vCPU's view of guest memory.
pub(crate) struct View {
    space: Arc<AddressSpace>,
    slot: Arc<Slot>,
    watcher: Weak<dyn CodeWatcher>,
    map: Arc<Map>,
    epoch: u64,
    /// The current address space's.
    tlbs: [Tlb; REGIMES],
    space_now: Space,
    /// Those of other address spaces, the one that was current last at the end.
    parked: Vec<Parked>,
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
        let (map, epoch) = (space.current(), 0);
        Self {
            space,
            slot,
            watcher,
            map,
            epoch,
            tlbs: tables(),
            space_now: Space::default(),
            parked: Vec::new(),
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
    /// then the TLB is empty, and what the CPU derived from translations has to go too. If it is the old one, some page has got decoded
    /// code, and stores to it hit no more.
    pub(crate) fn refresh(&mut self) -> bool {
        self.slot.take(Attention::MAP);
        let epoch = self.space.epoch();
        if epoch == self.epoch {
            return false;
        }
        let map = self.space.current();
        let replaced = !Arc::ptr_eq(&map, &self.map);
        if replaced {
            self.flush();
            self.map = map;
        } else {
            self.notice_code();
        }
        self.epoch = epoch;
        self.slot.seen(epoch);
        replaced
    }

    /// The tables of all address spaces, with their tags.
    fn tables(&mut self) -> impl Iterator<Item = (u16, &mut Tlb)> {
        let parked = self.parked.iter_mut();
        let parked = parked.map(|parked| (parked.space.tag, &mut parked.tlbs));
        core::iter::once((self.space_now.tag, &mut self.tlbs))
            .chain(parked)
            .flat_map(|(tag, tlbs)| tlbs.iter_mut().map(move |tlb| (tag, tlb)))
    }

    /// Makes the address space with a tag the current one, with the translations that are still known of it. Answers its number, and
    /// whether it is new: then it knows none, and another address space may have had the number.
    pub(crate) fn switch(&mut self, tag: u16) -> (usize, bool) {
        if tag == self.space_now.tag {
            return (self.space_now.number, false);
        }
        let known = self.parked.iter().position(|it| it.space.tag == tag);
        let mut next = match known {
            Some(at) => self.parked.remove(at),
            None if self.parked.len() + 1 < SPACES => Parked {
                space: Space {
                    number: self.parked.len() + 1,
                    tag,
                },
                tlbs: tables(),
            },
            None => {
                // The one that has not been current for the longest time makes room.
                let mut oldest = self.parked.remove(0);
                oldest.tlbs.iter_mut().for_each(Tlb::flush);
                oldest.space.tag = tag;
                oldest
            }
        };
        core::mem::swap(&mut self.tlbs, &mut next.tlbs);
        core::mem::swap(&mut self.space_now, &mut next.space);
        self.parked.push(next);
        (self.space_now.number, known.is_none())
    }

    /// The number of the address space with a tag, if translations of it are kept.
    pub(crate) fn space_of(&self, tag: u16) -> Option<usize> {
        let parked = self.parked.iter().map(|parked| parked.space);
        core::iter::once(self.space_now)
            .chain(parked)
            .find(|space| space.tag == tag)
            .map(|space| space.number)
    }

    /// Forgets all translations of all address spaces.
    pub(crate) fn flush(&mut self) {
        self.tables().for_each(|(_, tlb)| tlb.flush());
    }

    /// Forgets all translations but the global ones: of the address space with a tag, or of all.
    pub(crate) fn flush_local(&mut self, tag: Option<u16>) {
        self.tables()
            .filter(|&(of, _)| tag.is_none_or(|tag| tag == of))
            .for_each(|(_, tlb)| tlb.flush_local());
    }

    /// Forgets the translation of one page in all regimes: that of the address space with a tag, and global ones of all.
    pub(crate) fn flush_page(&mut self, tag: u16, va: u64) {
        for (of, tlb) in self.tables() {
            tlb.flush_page(va, of != tag);
        }
    }

    /// Forgets the translations of pages whose address `gone` picks, in all address spaces.
    pub(crate) fn flush_pages(&mut self, gone: impl Fn(u64) -> bool) {
        self.tables().for_each(|(_, tlb)| tlb.flush_pages(&gone));
    }

    /// Enters the page of `va` into a TLB of the current address space: it is the guest-physical page of `gpa`, with at most `rights`.
    ///
    /// Rights that the mapping does not give are left out silently: the access that needs them will miss again, and
    /// [`View::locate`] says what is wrong with it. Nothing happens where nothing is mapped.
    pub(crate) fn fill(&mut self, regime: usize, va: u64, gpa: u64, rights: Rights, kind: Kind) {
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
        let execute = rights.execute && allowed.contains(Permissions::EXECUTE);
        self.tlbs[regime % REGIMES].put(va, entry, execute, kind);
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
