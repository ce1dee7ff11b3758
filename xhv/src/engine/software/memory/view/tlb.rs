//! The software TLB's tables: direct-mapped entries, with notes about them so that forgetting costs no more than there is to forget; and a
//! set of tables for each of the address spaces that a CPU comes back to.
//!
//! Loads and stores know nothing of address spaces: they use the tables in [`View`](super::View) itself, and [`Parked`] ones take their place when
//! the CPU switches.

use super::{BESIDE_CODE, ENTRIES, NOTHING, REGIMES};
use crate::memory::PAGE;

/// How many address spaces keep their tables, each up to `REGIMES` times 33 KiB. Linux uses six process-context identifiers on a processor.
pub(crate) const SPACES: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Entry {
    pub(super) read: u64,
    /// With [`BESIDE_CODE`] on pages that hold code.
    pub(super) write: u64,
    /// Host address of the page less its virtual address.
    pub(super) addend: usize,
    /// Address of the [`Memory`](crate::Memory) that the page belongs to.
    pub(super) memory: usize,
}

pub(super) const EMPTY: Entry = Entry {
    read: NOTHING,
    write: NOTHING,
    addend: 0,
    memory: 0,
};

impl Entry {
    /// The addresses in its tags.
    fn tags(&self) -> impl Iterator<Item = u64> {
        let tags = [self.read, self.write];
        tags.into_iter().filter(|&tag| tag | BESIDE_CODE != NOTHING)
    }
}

/// What is known of a translation besides where it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Kind {
    /// It outlives [`View::flush_local`](super::View::flush_local).
    pub(crate) global: bool,
    /// It is a part of a page of more than 4 KiB, and goes with any other part of it.
    pub(crate) large: bool,
}

/// A set of entries, by their numbers in the table.
#[derive(Default)]
struct Set([u64; ENTRIES / 64]);

impl Set {
    fn put(&mut self, number: usize, inside: bool) {
        let (word, bit) = (&mut self.0[number / 64 % (ENTRIES / 64)], number % 64);
        *word = *word & !(1 << bit) | u64::from(inside) << bit;
    }

    fn has(&self, number: usize) -> bool {
        self.0[number / 64 % (ENTRIES / 64)] >> (number % 64) & 1 != 0
    }

    fn or(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn and(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    fn each(&self, mut with: impl FnMut(usize)) {
        for (at, &word) in self.0.iter().enumerate() {
            let mut left = word;
            while left != 0 {
                with(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

#[repr(C)] // The entries come first: no load or store adds an offset to reach them.
struct Table {
    entries: [Entry; ENTRIES],
    /// Entries that are not empty: each is in one of these two.
    local: Set,
    global: Set,
    /// Of those, the ones that code may be fetched from, and the parts of large pages.
    execute: Set,
    large: Set,
    /// A bit for each hashed GiB in which an entry of `large` lies or lay.
    large_at: u64,
}

/// A direct-mapped TLB.
///
/// Invariant: a tag that is not `NOTHING` belongs to a page of host memory that the view's current map holds a
/// [`Memory`](crate::Memory) for, at the address in the entry. Entries are made by `View::fill` only, from that map, and all are dropped when it is
/// replaced. Who wants memory out of the map waits for that in `AddressSpace`.
pub(super) struct Tlb {
    table: Box<Table>,
}

/// Which entry is for an address.
#[inline(always)]
fn number(va: u64) -> usize {
    (va / PAGE) as usize % ENTRIES
}

/// The bit of [`Table::large_at`] for an address. No page is larger than 1 GiB.
fn large_bit(va: u64) -> u64 {
    1 << ((va >> 30).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

impl Tlb {
    pub(super) fn new() -> Self {
        let table = Box::new(Table {
            entries: [EMPTY; ENTRIES],
            local: Set::default(),
            global: Set::default(),
            execute: Set::default(),
            large: Set::default(),
            large_at: 0,
        });
        Self { table }
    }

    /// The entry that would have the address.
    #[inline(always)]
    pub(super) fn entry(&self, va: u64) -> &Entry {
        &self.table.entries[number(va)]
    }

    /// Replaces an entry.
    pub(super) fn put(&mut self, va: u64, entry: Entry, execute: bool, kind: Kind) {
        let (table, number) = (&mut *self.table, number(va));
        table.entries[number] = entry;
        table.local.put(number, !kind.global);
        table.global.put(number, kind.global);
        table.execute.put(number, execute);
        table.large.put(number, kind.large);
        if kind.large {
            table.large_at |= large_bit(va);
        }
    }

    /// The entry for the page of `va`, if code may be fetched from it.
    pub(super) fn executable(&self, va: u64) -> Option<(&Entry, Kind)> {
        let (table, number) = (&*self.table, number(va));
        let entry = &table.entries[number];
        if entry.read != va & !(PAGE - 1) || !table.execute.has(number) {
            return None;
        }
        let (global, large) = (table.global.has(number), table.large.has(number));
        Some((entry, Kind { global, large }))
    }

    /// Forgets everything.
    pub(super) fn flush(&mut self) {
        let table = &mut *self.table;
        table
            .global
            .each(|number| table.entries[number % ENTRIES] = EMPTY);
        table.global = Set::default();
        self.flush_local();
        self.table.large_at = 0;
    }

    /// Forgets everything that is not global.
    pub(super) fn flush_local(&mut self) {
        let table = &mut *self.table;
        table
            .local
            .each(|number| table.entries[number % ENTRIES] = EMPTY);
        table.local = Set::default();
    }

    /// Forgets the entries in `among` that `gone` picks.
    fn flush_entries(&mut self, among: impl Fn(&Table) -> Set, gone: impl Fn(&Entry) -> bool) {
        let table = &mut *self.table;
        among(table).each(|number| {
            let entry = &mut table.entries[number % ENTRIES];
            if gone(entry) {
                *entry = EMPTY;
                table.local.put(number, false);
                table.global.put(number, false);
            }
        });
    }

    /// Forgets the pages whose address `gone` picks.
    pub(super) fn flush_pages(&mut self, gone: &impl Fn(u64) -> bool) {
        let used = |table: &Table| table.local.or(&table.global);
        self.flush_entries(used, |entry| entry.tags().any(gone));
    }

    /// Forgets the page of `va`, and whatever else would have its entry (tags may have more bits than the address); if the page may be a
    /// part of a large one, whatever else may be a part of that. `global`: only if it is global.
    pub(super) fn flush_page(&mut self, va: u64, global: bool) {
        let (table, number) = (&mut *self.table, number(va));
        if !global || table.global.has(number) {
            table.entries[number] = EMPTY;
            table.local.put(number, false);
            table.global.put(number, false);
        }
        if table.large_at & large_bit(va) != 0 {
            let large = |table: &Table| match global {
                true => table.global.and(&table.large),
                false => table.local.or(&table.global).and(&table.large),
            };
            let near = |tag: u64| tag >> 30 == va >> 30;
            self.flush_entries(large, |entry| entry.tags().any(near));
        }
    }

    /// Gives `with` every entry that lets stores hit.
    pub(super) fn each_writable(&mut self, with: impl Fn(&mut Entry)) {
        let table = &mut *self.table;
        table.local.or(&table.global).each(|number| {
            let entry = &mut table.entries[number % ENTRIES];
            if entry.write & BESIDE_CODE == 0 {
                with(entry);
            }
        });
    }
}

/// Names an address space: a number below [`SPACES`] that is its own as long as its tables are kept, and the CPU's tag for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Space {
    pub(super) number: usize,
    pub(super) tag: u16,
}

/// The tables of an address space that is not the current one.
pub(super) struct Parked {
    pub(super) space: Space,
    pub(super) tlbs: [Tlb; REGIMES],
}

/// Empty tables for an address space.
pub(super) fn tables() -> [Tlb; REGIMES] {
    core::array::from_fn(|_| Tlb::new())
}
