//! What a VM has mapped where: guest-physical reads and writes across mappings, and dirty pages. Shared by both architectures.
//!
//! The list holds a clone of each mapped [`Memory`], so that it lives until it is unmapped, on every engine.

use core::ops::Range;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use crate::debug::Traps;
use crate::error::Error;
use crate::memory::{Memory, Permissions, lock};
use crate::scalar::Scalar;
use crate::trace::event;

/// A guest-physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Gpa(pub u64);

impl core::fmt::Debug for Gpa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Gpa({:#x})", self.0)
    }
}

impl core::fmt::Display for Gpa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<u64> for Gpa {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

/// A mapped range.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// First guest-physical address.
    pub gpa: Gpa,
    /// Bytes.
    pub size: u64,
    /// What lies behind it.
    pub memory: Memory,
    /// Where in `memory` the range starts.
    pub offset: u64,
    /// What the guest may do. Where dirty pages are tracked the engine withholds write access from clean ones.
    pub permissions: Permissions,
}

impl Mapping {
    fn end(&self) -> u64 {
        self.gpa.0 + self.size
    }
}

/// The mappings of one guest-physical address space.
#[derive(Debug, Default)]
pub struct GuestMemory(Mutex<Inner>, Traps);

#[derive(Debug, Default)]
struct Inner {
    /// By first address; without overlap.
    ranges: BTreeMap<u64, Mapping>,
    /// Ranges whose writes are tracked: first address and size, page size of the tracking.
    tracked: Vec<Range<u64>>,
    dirty: BTreeSet<u64>,
    page: u64,
}

/// What the list says about a guest access that an engine reported as fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is allowed: enter the guest again.
    Retry,
    /// A write to the clean page at this address and of this size: give write access back and enter again.
    Dirtied(u64, u64, Permissions),
    /// Not allowed, or nothing there.
    Fault,
}

fn argument(call: &'static str, why: String) -> Error {
    Error::Argument { call, why }
}

impl GuestMemory {
    /// Software breakpoints in it.
    pub(crate) fn traps(&self) -> &Traps {
        &self.1
    }

    /// Checks alignment and overlap before an engine is asked.
    pub(crate) fn check_map(&self, new: &Mapping, page: u64) -> Result<(), Error> {
        let call = "Vm::map";
        for (what, value) in [
            ("guest-physical address", new.gpa.0),
            ("size", new.size),
            ("offset in the memory", new.offset),
        ] {
            if !value.is_multiple_of(page) {
                let hint = if value.is_multiple_of(4096) {
                    "; this host has larger pages than 4 KiB"
                } else {
                    ""
                };
                return Err(argument(
                    call,
                    format!("the {what} {value:#x} is no multiple of {page:#x}{hint}"),
                ));
            }
        }
        if new.size == 0 {
            return Err(argument(call, "the size is zero".to_owned()));
        }
        let inside = new.offset.checked_add(new.size);
        if inside.is_none_or(|end| end > new.memory.size()) {
            return Err(argument(
                call,
                format!(
                    "{:#x} bytes at offset {:#x} are not all in a memory of {:#x} bytes",
                    new.size,
                    new.offset,
                    new.memory.size()
                ),
            ));
        }
        let Some(end) = new.gpa.0.checked_add(new.size) else {
            return Err(argument(
                call,
                format!(
                    "{:#x} bytes at {} leave the address space",
                    new.size, new.gpa
                ),
            ));
        };
        match lock(&self.0).overlap(new.gpa.0, end) {
            Some(other) => Err(argument(
                call,
                format!(
                    "{}..{end:#x} overlaps {}..{:#x}, which is mapped: unmap it first",
                    new.gpa,
                    other.gpa,
                    other.end()
                ),
            )),
            None => Ok(()),
        }
    }

    /// Enters a mapping that the engine accepted.
    pub(crate) fn add(&self, new: Mapping) {
        event!(DEBUG, gpa = %new.gpa, size = new.size, permissions = ?new.permissions, "map");
        lock(&self.0).ranges.insert(new.gpa.0, new);
    }

    /// Whether all of a range is mapped.
    pub(crate) fn covers(&self, gpa: u64, size: u64) -> bool {
        let inner = lock(&self.0);
        let Some(end) = gpa.checked_add(size) else {
            return false;
        };
        let mut at = gpa;
        while at < end {
            match inner.find(at) {
                Some(range) => at = range.end(),
                None => return false,
            }
        }
        true
    }

    /// Takes a range out, splitting mappings where needed.
    pub(crate) fn remove(&self, gpa: u64, size: u64) {
        event!(DEBUG, gpa = %Gpa(gpa), size, "unmap");
        lock(&self.0).replace(gpa, size, |_| None);
    }

    /// Changes permissions, splitting mappings where needed.
    pub(crate) fn protect(&self, gpa: u64, size: u64, permissions: Permissions) {
        event!(DEBUG, gpa = %Gpa(gpa), size, ?permissions, "protect");
        lock(&self.0).replace(gpa, size, |part| {
            Some(Mapping {
                permissions,
                ..part
            })
        });
    }

    /// All mappings, by address.
    pub(crate) fn list(&self) -> Vec<Mapping> {
        lock(&self.0).ranges.values().cloned().collect()
    }

    pub(crate) fn read(&self, gpa: u64, out: &mut [u8]) -> Result<(), Error> {
        if let Some((memory, offset)) = self.one_part(gpa, out.len() as u64) {
            return memory.read(offset, out);
        }
        let parts = self.parts(gpa, out.len() as u64)?;
        let mut rest = out;
        for (memory, offset, len) in parts {
            let (part, behind) = rest.split_at_mut(len);
            memory.read(offset, part)?;
            rest = behind;
        }
        Ok(())
    }

    pub(crate) fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), Error> {
        let parts = self.parts(gpa, bytes.len() as u64)?;
        let mut rest = bytes;
        for (memory, offset, len) in parts {
            let (part, behind) = rest.split_at(len);
            memory.write(offset, part)?;
            rest = behind;
        }
        lock(&self.0).mark(gpa, bytes.len() as u64);
        Ok(())
    }

    /// A little-endian number.
    pub(crate) fn read_value<T: Scalar>(&self, gpa: u64) -> Result<T, Error> {
        let mut bytes = [0; 16];
        let (value, _) = bytes.split_at_mut(T::SIZE);
        self.read(gpa, value)?;
        Ok(T::from_le(u128::from_le_bytes(bytes)))
    }

    pub(crate) fn write_value<T: Scalar>(&self, gpa: u64, value: T) -> Result<(), Error> {
        self.write(gpa, &value.to_le().to_le_bytes()[..T::SIZE])
    }

    /// The list, locked: for several small reads in a row, as a page walk makes them.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader(lock(&self.0))
    }

    /// The memory behind a range that lies in one mapping: the usual case.
    fn one_part(&self, gpa: u64, size: u64) -> Option<(Memory, u64)> {
        let inner = lock(&self.0);
        let range = inner.find(gpa)?;
        let at = gpa - range.gpa.0;
        (size <= range.size - at).then(|| (range.memory.clone(), range.offset + at))
    }

    /// The pieces of memory behind a range, all of which has to be mapped.
    fn parts(&self, gpa: u64, size: u64) -> Result<Vec<(Memory, u64, usize)>, Error> {
        let out = || Error::OutOfRange { address: gpa, size };
        let end = gpa.checked_add(size).ok_or_else(out)?;
        let inner = lock(&self.0);
        let mut parts = Vec::with_capacity(1);
        let mut at = gpa;
        while at < end {
            let range = inner.find(at).ok_or_else(out)?;
            let to = range.end().min(end);
            let offset = range.offset + (at - range.gpa.0);
            parts.push((range.memory.clone(), offset, (to - at) as usize));
            at = to;
        }
        Ok(parts)
    }

    /// Begins to track writes to a mapped range, in pages of `page` bytes. Answers the writable parts, whose write access the engine
    /// has to take away.
    pub(crate) fn track(&self, gpa: u64, size: u64, page: u64) -> Vec<(u64, u64, Permissions)> {
        let mut inner = lock(&self.0);
        inner.page = page;
        inner.tracked.push(gpa..gpa + size);
        inner.writable_parts(gpa, gpa + size)
    }

    /// Ends tracking of a range; answers the parts that get write access back.
    pub(crate) fn untrack(&self, gpa: u64, size: u64) -> Vec<(u64, u64, Permissions)> {
        let mut inner = lock(&self.0);
        let range = gpa..gpa + size;
        if !inner.tracked.contains(&range) {
            return Vec::new();
        }
        inner.tracked.retain(|known| *known != range);
        inner.dirty.retain(|page| !range.contains(page));
        inner.writable_parts(gpa, gpa + size)
    }

    /// The pages of a tracked range that were written since the last call, and forgets them: they are clean again.
    pub(crate) fn take_dirty(&self, gpa: u64, size: u64) -> (Vec<u64>, u64) {
        let mut inner = lock(&self.0);
        let range = gpa..gpa.saturating_add(size);
        let taken: Vec<u64> = inner.dirty.range(range.clone()).copied().collect();
        inner.dirty.retain(|page| !range.contains(page));
        (taken, inner.page.max(1))
    }

    /// Notes that a range was written by other ways than [`GuestMemory::write`].
    #[cfg(feature = "vm-memory")]
    pub(crate) fn mark(&self, gpa: u64, size: u64) {
        lock(&self.0).mark(gpa, size);
    }

    /// Whether the page at an address was written since it was tracked or taken.
    #[cfg(feature = "vm-memory")]
    pub(crate) fn is_dirty(&self, gpa: u64) -> bool {
        let inner = lock(&self.0);
        let page = inner.page.max(1);
        inner.dirty.contains(&(gpa / page * page))
    }

    /// The permissions at an address.
    pub(crate) fn permissions(&self, gpa: u64) -> Option<Permissions> {
        self.reader().permissions(gpa)
    }

    /// Judges a guest access that faulted.
    pub(crate) fn judge(&self, gpa: u64, needed: Permissions) -> Verdict {
        let mut inner = lock(&self.0);
        let Some(permissions) = inner.find(gpa).map(|range| range.permissions) else {
            return Verdict::Fault;
        };
        if !permissions.contains(needed) {
            return Verdict::Fault;
        }
        let page = inner.page.max(1);
        let first = gpa / page * page;
        let tracked = inner.tracked.iter().any(|range| range.contains(&gpa));
        if needed.contains(Permissions::WRITE) && tracked && inner.dirty.insert(first) {
            return Verdict::Dirtied(first, page, permissions);
        }
        Verdict::Retry
    }
}

/// The mappings while nobody changes them; see [`GuestMemory::reader`].
#[derive(Debug)]
pub(crate) struct Reader<'m>(MutexGuard<'m, Inner>);

impl Reader<'_> {
    /// Copies bytes out. What lies before the first one without memory is copied all the same.
    pub(crate) fn read(&self, gpa: u64, out: &mut [u8]) -> Result<(), Error> {
        let size = out.len() as u64;
        let out_of_range = || Error::OutOfRange { address: gpa, size };
        let mut done = 0;
        while done < out.len() {
            let at = gpa.checked_add(done as u64).ok_or_else(out_of_range)?;
            let range = self.0.find(at).ok_or_else(out_of_range)?;
            let into = at - range.gpa.0;
            let len = (range.size - into).min((out.len() - done) as u64) as usize;
            let part = &mut out[done..done + len];
            range.memory.read(range.offset + into, part)?;
            done += len;
        }
        Ok(())
    }

    /// The permissions at an address.
    pub(crate) fn permissions(&self, gpa: u64) -> Option<Permissions> {
        self.0.find(gpa).map(|range| range.permissions)
    }
}

impl Inner {
    fn find(&self, gpa: u64) -> Option<&Mapping> {
        let (_, range) = self.ranges.range(..=gpa).next_back()?;
        (gpa - range.gpa.0 < range.size).then_some(range)
    }

    fn overlap(&self, from: u64, to: u64) -> Option<&Mapping> {
        let (_, last) = self.ranges.range(..to).next_back()?;
        (last.end() > from).then_some(last)
    }

    fn replace(&mut self, gpa: u64, size: u64, change: impl Fn(Mapping) -> Option<Mapping>) {
        let end = gpa.saturating_add(size);
        let touched: Vec<u64> = self
            .ranges
            .values()
            .filter(|range| range.gpa.0 < end && gpa < range.end())
            .map(|range| range.gpa.0)
            .collect();
        for first in touched {
            let Some(range) = self.ranges.remove(&first) else {
                continue;
            };
            let (from, to) = (range.gpa.0.max(gpa), range.end().min(end));
            for (start, stop) in [(range.gpa.0, from), (to, range.end())] {
                if start < stop {
                    self.ranges.insert(start, part(&range, start, stop));
                }
            }
            if let Some(changed) = change(part(&range, from, to)) {
                self.ranges.insert(from, changed);
            }
        }
    }

    fn writable_parts(&self, from: u64, to: u64) -> Vec<(u64, u64, Permissions)> {
        self.ranges
            .values()
            .filter(|range| range.permissions.contains(Permissions::WRITE))
            .map(|range| {
                let start = range.gpa.0.max(from);
                (
                    start,
                    range.end().min(to).saturating_sub(start),
                    range.permissions,
                )
            })
            .filter(|&(start, size, _)| size > 0 && start < to)
            .collect()
    }

    fn mark(&mut self, gpa: u64, size: u64) {
        let page = self.page;
        if self.tracked.is_empty() || size == 0 || page == 0 {
            return;
        }
        for number in gpa / page..=(gpa + size - 1) / page {
            let first = number * page;
            if self.tracked.iter().any(|range| range.contains(&first)) {
                self.dirty.insert(first);
            }
        }
    }
}

fn part(range: &Mapping, from: u64, to: u64) -> Mapping {
    Mapping {
        gpa: Gpa(from),
        size: to - from,
        offset: range.offset + (from - range.gpa.0),
        ..range.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x4000;

    fn mapping(gpa: u64, pages: u64) -> Mapping {
        Mapping {
            gpa: Gpa(gpa),
            size: pages * PAGE,
            memory: Memory::new(pages * PAGE).unwrap(),
            offset: 0,
            permissions: Permissions::ALL,
        }
    }

    #[test]
    fn accesses_cross_mappings_but_not_holes() {
        let memory = GuestMemory::default();
        memory.add(mapping(0, 1));
        memory.add(mapping(PAGE, 1));
        memory.write(PAGE - 2, &[1, 2, 3, 4]).unwrap();
        let mut out = [0; 4];
        memory.read(PAGE - 2, &mut out).unwrap();
        assert_eq!(out, [1, 2, 3, 4]);
        assert!(memory.read(2 * PAGE - 2, &mut out).is_err());
        assert!(memory.read(u64::MAX, &mut out).is_err());
        let mut again = [0; 4];
        memory.reader().read(PAGE - 2, &mut again).unwrap();
        assert_eq!(again, out);
        assert!(memory.reader().read(2 * PAGE - 2, &mut again).is_err());
        assert!(memory.reader().read(u64::MAX, &mut again).is_err());
        memory.remove(0, PAGE);
        assert!(memory.read(PAGE - 2, &mut out).is_err());
        assert!(memory.reader().read(PAGE - 2, &mut again).is_err());
        assert!(memory.covers(PAGE, PAGE) && !memory.covers(0, 2 * PAGE));
    }

    #[test]
    fn misaligned_and_overlapping_maps_are_refused_in_words() {
        let memory = GuestMemory::default();
        let words = |new: &Mapping| match memory.check_map(new, PAGE) {
            Err(error) => error.to_string(),
            Ok(()) => String::new(),
        };
        assert!(words(&mapping(0x1000, 1)).contains("larger pages than 4 KiB"));
        assert!(words(&mapping(0x10, 1)).contains("no multiple"));
        assert_eq!(words(&mapping(PAGE, 2)), "");
        memory.add(mapping(PAGE, 2));
        assert!(words(&mapping(2 * PAGE, 4)).contains("overlaps 0x4000..0xc000"));
        assert_eq!(words(&mapping(0, 1)), "");
        assert!(words(&mapping(!(PAGE - 1), 1)).contains("leave the address space"));
    }

    #[test]
    fn dirty_pages_are_told_once() {
        let memory = GuestMemory::default();
        memory.add(mapping(0, 4));
        assert_eq!(
            memory.track(PAGE, 2 * PAGE, PAGE),
            [(PAGE, 2 * PAGE, Permissions::ALL)]
        );
        let write = Permissions::READ | Permissions::WRITE;
        assert_eq!(memory.judge(0, write), Verdict::Retry);
        assert_eq!(
            memory.judge(PAGE + 5, write),
            Verdict::Dirtied(PAGE, PAGE, Permissions::ALL)
        );
        assert_eq!(memory.judge(PAGE + 5, write), Verdict::Retry);
        memory.write(2 * PAGE, &[1]).unwrap();
        assert_eq!(memory.take_dirty(0, 4 * PAGE).0, [PAGE, 2 * PAGE]);
        assert!(memory.take_dirty(0, 4 * PAGE).0.is_empty());
        assert_eq!(memory.judge(4 * PAGE, write), Verdict::Fault);
    }
}
