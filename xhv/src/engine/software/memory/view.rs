//! One vCPU's view of guest memory: a snapshot of the map and the software TLB over it. All loads and stores of guest code.
//!
//! The TLB maps virtual pages of 4 KiB to host memory. An entry has three tags, one for each kind of access: a page that may
//! be read but not written (by the guest's page tables, by its mapping, or because it holds decoded code) has just the
//! first. One comparison tells a hit: it fails as well for an access that leaves the page, because the tag is compared with
//! the page of its *last* byte.
#![allow(unsafe_code)] // Dereferences the TLB's host addresses: the head of `Tlb` says why they are good.

use std::sync::{Arc, Weak};

use super::host::Scalar;
use super::map::{Fault, Map, Mapping};
use super::space::{AddressSpace, Attention, Slot};
use crate::memory::{CODE_LINE, CodeWatcher, Memory, PAGE, Permissions};

/// How many independent TLBs a view has: translation regimes that a CPU switches between (user, supervisor, …).
pub(crate) const REGIMES: usize = 4;
/// Entries in each TLB, a power of two.
const ENTRIES: usize = 1024;
/// Not the address of any page.
const NOTHING: u64 = !0;

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Entry {
    read: u64,
    write: u64,
    execute: u64,
    /// Host address of the page less its virtual address.
    addend: usize,
}

const EMPTY: Entry = Entry {
    read: NOTHING,
    write: NOTHING,
    execute: NOTHING,
    addend: 0,
};

/// A direct-mapped TLB.
///
/// Invariant: a tag that is not `NOTHING` belongs to a page of host memory that the view's current map holds a
/// [`Memory`] for. Entries are made by [`View::fill`] only, from that map, and all are dropped when it is replaced. Who wants
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
    /// Fetches.
    pub(crate) execute: bool,
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
            if [entry.read, entry.write, entry.execute]
                .iter()
                .any(|&tag| tag != NOTHING && gone(tag))
            {
                *entry = EMPTY;
            }
        }
    }

    /// Loads by virtual address; `None` if the TLB does not know it, or if it leaves the page.
    #[inline(always)]
    pub(crate) fn load<T: Scalar>(&self, regime: usize, va: u64) -> Option<T> {
        let entry = self.tlbs[regime % REGIMES].entry(va);
        if entry.read != page_of_last(va, T::SIZE) {
            return None;
        }
        let host = core::ptr::with_exposed_provenance(entry.addend.wrapping_add(va as usize));
        // SAFETY: first and last byte lie in the page of the entry, which is live host memory (invariant of `Tlb`).
        Some(unsafe { T::load(host) })
    }

    /// Stores by virtual address; `None`, and nothing done, if the TLB does not know it, or if it leaves the page.
    #[inline(always)]
    pub(crate) fn store<T: Scalar>(&self, regime: usize, va: u64, value: T) -> Option<()> {
        let host = self.writable(regime, va, T::SIZE)?;
        // SAFETY: first and last byte lie in the page of the entry, which is live host memory (invariant of `Tlb`).
        unsafe { T::store(host, value) };
        Some(())
    }

    /// Whether the TLB knows `size` bytes (at most a page) at `va` as writable.
    #[inline(always)]
    pub(crate) fn can_store(&self, regime: usize, va: u64, size: u64) -> bool {
        self.writable(regime, va, size).is_some()
    }

    #[inline(always)]
    fn writable(&self, regime: usize, va: u64, size: u64) -> Option<*mut u8> {
        let entry = self.tlbs[regime % REGIMES].entry(va);
        (entry.write == page_of_last(va, size))
            .then(|| core::ptr::with_exposed_provenance_mut(entry.addend.wrapping_add(va as usize)))
    }

    /// Loads, changes and stores in one atomic step; answers what was there. `None` (nothing done) if the TLB does not
    /// know the address, or if it is not aligned to the size. `change` may be called more than once.
    #[inline(always)]
    pub(crate) fn update<T: Scalar>(
        &self,
        regime: usize,
        va: u64,
        change: impl FnMut(T) -> T,
    ) -> Option<T> {
        if !va.is_multiple_of(T::SIZE) {
            return None;
        }
        let host = self.writable(regime, va, T::SIZE)?;
        // SAFETY: aligned, and the bytes lie in the page of the entry, which is live host memory (invariant of `Tlb`).
        Some(unsafe { update(host, change) })
    }

    /// Loads, changes and stores, not atomically; answers what was there. `None`, and nothing done, as for [`View::store`].
    #[inline(always)]
    pub(crate) fn modify<T: Scalar>(
        &self,
        regime: usize,
        va: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Option<T> {
        let host = self.writable(regime, va, T::SIZE)?;
        // SAFETY: first and last byte lie in the page of the entry, which is live host memory (invariant of `Tlb`). A write tag
        // is only given to pages that may be read.
        let old = unsafe { T::load(host) };
        // SAFETY: as above.
        unsafe { T::store(host, change(old)) };
        Some(old)
    }

    /// Copies `len` bytes, lowest address first in steps of `step` bytes, as a repeated string instruction would, if both
    /// ranges lie within a page that the TLB knows. `None`, and nothing done, else.
    pub(crate) fn copy(
        &self,
        regime: usize,
        to: u64,
        from: u64,
        len: u64,
        step: u64,
    ) -> Option<()> {
        let entry = self.tlbs[regime % REGIMES].entry(from);
        if len == 0 || entry.read != page_of_last(from, len) || from & !(PAGE - 1) != entry.read {
            return None;
        }
        if to & !(PAGE - 1) != page_of_last(to, len) {
            return None;
        }
        let target = self.writable(regime, to, len)?;
        let source: *const u8 =
            core::ptr::with_exposed_provenance(entry.addend.wrapping_add(from as usize));
        let ahead = (target as usize).wrapping_sub(source as usize);
        if ahead != 0 && ahead < len as usize {
            // The ranges overlap so that the copy repeats itself.
            for at in (0..len as usize).step_by(step.max(1) as usize) {
                let step = (step.max(1) as usize).min(len as usize - at);
                // SAFETY: `at + step` is at most `len`, and both ranges lie in live pages (invariant of `Tlb`).
                unsafe { core::ptr::copy(source.wrapping_add(at), target.wrapping_add(at), step) };
            }
        } else {
            // SAFETY: both ranges lie in live pages (invariant of `Tlb`).
            unsafe { core::ptr::copy(source, target, len as usize) };
        }
        Some(())
    }

    /// Stores `count` times `value` from `va` upwards, if all of it lies in a page that the TLB knows. `None`, and nothing done, else.
    pub(crate) fn fill_with<T: Scalar>(
        &self,
        regime: usize,
        va: u64,
        count: u64,
        value: T,
    ) -> Option<()> {
        let len = count
            .checked_mul(T::SIZE)
            .filter(|&len| len != 0 && len <= PAGE)?;
        if va & !(PAGE - 1) != page_of_last(va, len) {
            return None;
        }
        let host = self.writable(regime, va, len)?;
        for at in 0..count {
            // SAFETY: all of the range lies in a live page (invariant of `Tlb`).
            unsafe { T::store(host.wrapping_add((at * T::SIZE) as usize), value) };
        }
        Some(())
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
        let write = rights.write && range.memory.code_lines(offset) == 0;
        let host = range
            .memory
            .as_ptr()
            .wrapping_add(offset as usize)
            .expose_provenance();
        let entry = Entry {
            read: tag(rights.read, Permissions::READ),
            write: tag(write, Permissions::READ | Permissions::WRITE),
            execute: tag(rights.execute, Permissions::EXECUTE),
            addend: host.wrapping_sub(page as usize),
        };
        self.tlbs[regime % REGIMES].entries[(va / PAGE) as usize % ENTRIES] = entry;
    }

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
        let first = offset % PAGE / CODE_LINE;
        let last = ((offset % PAGE + len.max(1) - 1).min(PAGE - 1)) / CODE_LINE;
        let lines = (!0_u64 << first) & (!0_u64 >> (63 - last));
        let memory = range.memory.clone();
        if memory.mark_code(offset, lines, &self.watcher) != 0 {
            return Ok(false);
        }
        self.space.shoot_down_others(&self.slot);
        Ok(true)
    }
}

/// # Safety
/// As [`Scalar::compare_exchange`].
#[inline(always)]
unsafe fn update<T: Scalar>(host: *mut u8, mut change: impl FnMut(T) -> T) -> T {
    // SAFETY: the caller says that the bytes are there.
    let mut old = unsafe { T::load(host) };
    loop {
        // SAFETY: the caller says that the bytes are there and aligned.
        let was = unsafe { T::compare_exchange(host, old, change(old)) };
        if was == old {
            return was;
        }
        old = was;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RWX: Rights = Rights {
        read: true,
        write: true,
        execute: true,
    };

    fn view(pages: u64) -> (View, Memory) {
        let memory = Memory::new(pages * PAGE).unwrap();
        let space = Arc::new(AddressSpace::default());
        let mapping = Mapping {
            gpa: 0x1_0000,
            size: pages * PAGE,
            memory: memory.clone(),
            offset: 0,
            permissions: Permissions::ALL,
        };
        space.map(mapping).unwrap();
        let mut view = View::new(space);
        view.enter();
        (view, memory)
    }

    #[test]
    fn hits_stay_in_their_page() {
        let (mut view, memory) = view(4);
        memory.write(0xffc, &0x1122_3344_u32.to_le_bytes()).unwrap();
        assert_eq!(view.load::<u32>(0, 0x5ffc), None);
        view.fill(0, 0x5000, 0x1_0000, RWX);
        assert_eq!(view.load::<u32>(0, 0x5ffc), Some(0x1122_3344));
        assert_eq!(view.load::<u32>(0, 0x5ffd), None, "leaves the page");
        assert_eq!(view.load::<u32>(1, 0x5ffc), None, "another regime");
        assert_eq!(view.store(0, 0x5ffe, 7_u32), None);
        assert_eq!(view.store(0, 0x5ff8, 7_u32), Some(()));
        assert_eq!(
            view.load_physical::<u64>(0x1_0ff8),
            Ok(0x1122_3344_0000_0007)
        );
        assert_eq!(
            view.load::<u64>(0, 0x4fff),
            None,
            "ends in the page, starts before"
        );
        view.flush_page(0x5123);
        assert_eq!(view.load::<u32>(0, 0x5ffc), None);
    }

    #[test]
    fn the_last_page_of_the_address_space() {
        let (mut view, _memory) = view(4);
        view.fill(0, !0xfff, 0x1_0000, RWX);
        view.fill(0, 0, 0x1_1000, RWX);
        assert_eq!(view.load::<u8>(0, !0), Some(0));
        assert_eq!(view.load::<u16>(0, !0), None);
    }

    #[test]
    fn physical_accesses_fault_at_the_end() {
        let (view, _memory) = view(4);
        assert_eq!(
            view.load_physical::<u8>(0),
            Err(Fault {
                gpa: 0,
                permissions: None
            })
        );
        assert_eq!(
            view.load_physical::<u16>(0x1_3fff),
            Err(Fault {
                gpa: 0x1_4000,
                permissions: None
            })
        );
        assert_eq!(view.store_physical(0x1_3ffe, 5_u16), Ok(()));
        assert_eq!(view.update_physical(0x1_3ffe, |old: u16| old + 1), Ok(5));
        assert_eq!(view.load_physical::<u16>(0x1_3ffe), Ok(6));
    }

    #[test]
    fn code_cannot_be_written_unnoticed() {
        let (mut view, memory) = view(4);
        view.fill(0, 0, 0x1_0000, RWX);
        assert!(view.can_store(0, 0, 8));
        assert_eq!(view.mark_code(0x1_0040, 3), Ok(true));
        assert!(
            view.refresh(),
            "a shoot-down reaches the vCPU that asked for it too"
        );
        view.fill(0, 0, 0x1_0000, RWX);
        assert!(!view.can_store(0, 0, 8));
        assert_eq!(view.load::<u8>(0, 0), Some(0));
        view.store_physical(0x1_0000, 1_u8).unwrap();
        assert_eq!(view.slot().attention(), 0, "another line");
        view.store_physical(0x1_003c, 1_u64).unwrap();
        assert_eq!(view.slot().attention(), Attention::CODE);
        let stale = view.slot().take_stale();
        assert_eq!(
            (stale.len(), stale[0].memory, stale[0].page, stale[0].lines),
            (1, memory.id(), 0, 0b11)
        );
    }

    #[test]
    fn unmap_waits_for_running_vcpus() {
        let (mut view, _memory) = view(4);
        view.fill(0, 0, 0x1_0000, RWX);
        let space = view.space().clone();
        let unmap = std::thread::spawn(move || space.unmap(0x1_0000, 0x1000));
        while view.slot().attention() & Attention::MAP == 0 {
            std::thread::yield_now();
        }
        assert!(!unmap.is_finished());
        assert_eq!(view.load::<u8>(0, 0), Some(0));
        assert!(view.refresh());
        assert_eq!(unmap.join().unwrap(), Ok(()));
        assert_eq!(view.load::<u8>(0, 0), None);
        assert_eq!(
            view.load_physical::<u8>(0x1_0000),
            Err(Fault {
                gpa: 0x1_0000,
                permissions: None
            })
        );
    }

    #[test]
    fn copies_repeat_as_string_instructions_do() {
        let (mut view, memory) = view(4);
        view.fill(0, 0, 0x1_0000, RWX);
        memory.write(0, &[1, 2, 3]).unwrap();
        assert_eq!(view.copy(0, 1, 0, 4, 1), Some(()));
        assert_eq!(view.load::<u64>(0, 0), Some(0x01_0101_0101));
        assert_eq!(view.copy(0, 0xfff, 0, 2, 1), None);
        assert_eq!(view.fill_with(0, 0x10, 2, 0xabcd_u16), Some(()));
        assert_eq!(view.load::<u64>(0, 0x10), Some(0xabcd_abcd));
        assert_eq!(view.fill_with(0, 0xffe, 2, 0xabcd_u16), None);
    }

    #[test]
    fn atomics_of_two_vcpus_meet() {
        let (mut one, _memory) = view(4);
        let space = one.space().clone();
        one.fill(0, 0, 0x1_0000, RWX);
        let other = std::thread::spawn(move || {
            let mut two = View::new(space);
            two.enter();
            two.fill(0, 0x8000, 0x1_0000, RWX);
            assert_eq!(
                two.update(0, 0x8008, |old: u128| old + 1),
                None,
                "not aligned"
            );
            (0..50_000).for_each(|_| assert!(two.update(0, 0x8010, |old: u128| old + 1).is_some()));
        });
        (0..50_000).for_each(|_| assert!(one.update(0, 0x10, |old: u128| old + 1).is_some()));
        other.join().unwrap();
        assert_eq!(one.load::<u128>(0, 0x10), Some(100_000));
    }
}
