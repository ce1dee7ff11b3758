//! Loads and stores by virtual address, through the TLB: what it does not know is not done.
#![allow(unsafe_code)] // Dereferences the TLB's host addresses: the head of `Tlb` says why they are good.

use super::super::host::{Scalar, update};
use super::tlb::{Entry, Kind};
use super::{BESIDE_CODE, REGIMES, View, lines_of, page_of_last};
use crate::memory::{Memory, PAGE};

impl View {
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

    /// Stores by virtual address to a page that the TLB knows to hold decoded code as well; answers whether the store hit any (then
    /// [`Attention::CODE`] is set). `None`, and nothing done, as for [`View::store`].
    #[inline]
    pub(crate) fn store_beside_code<T: Scalar>(
        &self,
        regime: usize,
        va: u64,
        value: T,
    ) -> Option<bool> {
        let entry = self.tlbs[regime % REGIMES].entry(va);
        if entry.write != page_of_last(va, T::SIZE) | BESIDE_CODE {
            return None;
        }
        let host = entry.addend.wrapping_add(va as usize);
        // SAFETY: first and last byte lie in the page of the entry, which is live host memory (invariant of `Tlb`).
        unsafe { T::store(core::ptr::with_exposed_provenance_mut(host), value) };
        // SAFETY: the entry is one of the view's.
        let memory = unsafe { memory_of(entry) };
        let offset = (host - memory.as_ptr().addr()) as u64;
        let hit = memory.code_lines(offset) & lines_of(offset % PAGE, T::SIZE) != 0;
        Some(hit && memory.written(offset, T::SIZE))
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

    /// Loads words from `va` upwards; `None` if the TLB does not know all of it, or if it leaves the page.
    #[inline(always)]
    pub(crate) fn load_words<const N: usize>(&self, regime: usize, va: u64) -> Option<[u64; N]> {
        const { assert!(N > 0 && N < 512) };
        let entry = self.tlbs[regime % REGIMES].entry(va);
        if entry.read != page_of_last(va, 8 * N as u64) {
            return None;
        }
        let host: *const u8 =
            core::ptr::with_exposed_provenance(entry.addend.wrapping_add(va as usize));
        Some(core::array::from_fn(|n| {
            // SAFETY: first and last byte of all lie in the page of the entry, which is live host memory (invariant of `Tlb`).
            unsafe { u64::load(host.wrapping_add(8 * n)) }
        }))
    }

    /// Stores words from `va` upwards; `None`, and nothing done, as for [`View::store`].
    #[inline(always)]
    pub(crate) fn store_words<const N: usize>(
        &self,
        regime: usize,
        va: u64,
        words: [u64; N],
    ) -> Option<()> {
        const { assert!(N > 0 && N < 512) };
        let host = self.writable(regime, va, 8 * N as u64)?;
        for (n, word) in words.into_iter().enumerate() {
            // SAFETY: first and last byte of all lie in the page of the entry, which is live host memory (invariant of `Tlb`).
            unsafe { u64::store(host.wrapping_add(8 * n), word) };
        }
        Some(())
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

    /// Where the code at a virtual address lies, if the TLB knows that it may be fetched: a memory and an offset in it.
    pub(crate) fn code_at(&self, regime: usize, va: u64) -> Option<(&Memory, u64, Kind)> {
        let (entry, kind) = self.tlbs[regime % REGIMES].executable(va)?;
        // SAFETY: the entry is one of the view's.
        let memory = unsafe { memory_of(entry) };
        let host = entry.addend.wrapping_add(va as usize);
        Some((memory, (host - memory.as_ptr().addr()) as u64, kind))
    }

    /// Some page of the current map has got decoded code: stores to such pages hit no more, in any address space.
    pub(super) fn notice_code(&mut self) {
        let notice = |entry: &mut Entry| {
            let host = entry.addend.wrapping_add(entry.write as usize);
            // SAFETY: the entry is one of the view's.
            let memory = unsafe { memory_of(entry) };
            if memory.code_lines((host - memory.as_ptr().addr()) as u64) != 0 {
                entry.write |= BESIDE_CODE;
            }
        };
        self.tables().for_each(|(_, tlb)| tlb.each_writable(notice));
    }
}

/// The memory that the page of an entry belongs to.
///
/// # Safety
/// The entry has a tag and is in a TLB of a view, whose map must not change while the answer is used.
unsafe fn memory_of(entry: &Entry) -> &Memory {
    let memory: *const Memory = core::ptr::with_exposed_provenance(entry.memory);
    // SAFETY: it lies in the view's current map, which does not change as long as there is an entry (invariant of `Tlb`).
    unsafe { &*memory }
}
