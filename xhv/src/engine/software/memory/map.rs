//! Which guest-physical range is which part of which memory: an immutable snapshot that `space` replaces as a whole.

use crate::error::Code;
use crate::memory::{Memory, PAGE, Permissions};

/// A guest-physical range and the memory behind it.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// First guest-physical address, a multiple of 4096.
    pub(crate) gpa: u64,
    /// Bytes, a multiple of 4096.
    pub(crate) size: u64,
    /// What lies behind it.
    pub(crate) memory: Memory,
    /// Where in `memory` the range starts.
    pub(crate) offset: u64,
    /// What the guest may do.
    pub(crate) permissions: Permissions,
}

impl Mapping {
    fn end(&self) -> u64 {
        self.gpa + self.size
    }

    /// The part of this mapping between two addresses inside it.
    fn part(&self, from: u64, to: u64) -> Self {
        Self {
            gpa: from,
            size: to - from,
            offset: self.offset + (from - self.gpa),
            ..self.clone()
        }
    }
}

/// Why guest-physical memory cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The guest-physical address.
    pub(crate) gpa: u64,
    /// What is allowed there; `None` where nothing is mapped.
    pub(crate) permissions: Option<Permissions>,
}

/// All mappings of an address space, sorted by address, without overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    ranges: Vec<Mapping>,
}

impl Map {
    /// The mapping that holds `gpa`.
    #[inline]
    pub(super) fn find(&self, gpa: u64) -> Option<&Mapping> {
        let at = self
            .ranges
            .partition_point(|range| range.gpa <= gpa)
            .checked_sub(1)?;
        self.ranges
            .get(at)
            .filter(|range| gpa - range.gpa < range.size)
    }

    pub(super) fn ranges(&self) -> &[Mapping] {
        &self.ranges
    }

    fn check(gpa: u64, size: u64) -> Result<u64, Code> {
        if size == 0 || !gpa.is_multiple_of(PAGE) || !size.is_multiple_of(PAGE) {
            return Err(Code::BAD_ARGUMENT);
        }
        gpa.checked_add(size).ok_or(Code::BAD_ARGUMENT)
    }

    /// With one more range; refused where it overlaps another.
    pub(super) fn with(&self, new: Mapping) -> Result<Self, Code> {
        let end = Self::check(new.gpa, new.size)?;
        let inside = new
            .offset
            .checked_add(new.size)
            .is_some_and(|end| end <= new.memory.size());
        if !inside || !new.offset.is_multiple_of(PAGE) {
            return Err(Code::BAD_ARGUMENT);
        }
        if self
            .ranges
            .iter()
            .any(|range| range.gpa < end && new.gpa < range.end())
        {
            return Err(Code::ERROR);
        }
        let mut ranges = self.ranges.clone();
        let at = ranges.partition_point(|range| range.gpa < new.gpa);
        ranges.insert(at, new);
        Ok(Self { ranges })
    }

    /// Without a range, all of which has to be mapped.
    pub(super) fn without(&self, gpa: u64, size: u64) -> Result<Self, Code> {
        self.replace(gpa, size, |_| None)
    }

    /// With other permissions on a range, all of which has to be mapped.
    pub(super) fn protected(
        &self,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<Self, Code> {
        self.replace(gpa, size, |part| {
            Some(Mapping {
                permissions,
                ..part
            })
        })
    }

    fn replace(
        &self,
        gpa: u64,
        size: u64,
        change: impl Fn(Mapping) -> Option<Mapping>,
    ) -> Result<Self, Code> {
        let end = Self::check(gpa, size)?;
        let mut covered = 0;
        let mut ranges = Vec::with_capacity(self.ranges.len() + 2);
        for range in &self.ranges {
            let (from, to) = (range.gpa.max(gpa), range.end().min(end));
            if from >= to {
                ranges.push(range.clone());
                continue;
            }
            covered += to - from;
            if range.gpa < from {
                ranges.push(range.part(range.gpa, from));
            }
            ranges.extend(change(range.part(from, to)));
            if to < range.end() {
                ranges.push(range.part(to, range.end()));
            }
        }
        if covered == size {
            Ok(Self { ranges })
        } else {
            Err(Code::BAD_ARGUMENT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(gpa: u64, pages: u64) -> Mapping {
        let memory = Memory::new(64 * PAGE).unwrap();
        Mapping {
            gpa,
            size: pages * PAGE,
            memory,
            offset: 0,
            permissions: Permissions::ALL,
        }
    }

    #[test]
    fn refuses_overlap_and_misalignment() {
        let map = Map::default().with(mapping(0x1000, 4)).unwrap();
        assert_eq!(map.with(mapping(0x4000, 1)).unwrap_err(), Code::ERROR);
        assert_eq!(map.with(mapping(0x800, 1)).unwrap_err(), Code::BAD_ARGUMENT);
        assert_eq!(
            map.with(mapping(0x10_0000, 65)).unwrap_err(),
            Code::BAD_ARGUMENT
        );
        assert_eq!(
            map.with(mapping(0_u64.wrapping_sub(PAGE), 1)).unwrap_err(),
            Code::BAD_ARGUMENT
        );
        assert!(map.with(mapping(0x5000, 1)).is_ok());
        assert!(map.with(mapping(0, 1)).is_ok());
    }

    #[test]
    fn splits() {
        let map = Map::default()
            .with(mapping(0x1000, 4))
            .unwrap()
            .with(mapping(0x5000, 1))
            .unwrap();
        let map = map.without(0x2000, 0x1000).unwrap();
        assert!(map.find(0x2fff).is_none() && map.find(0xfff).is_none());
        assert_eq!(
            map.find(0x3004).map(|range| (range.gpa, range.offset)),
            Some((0x3000, 0x2000))
        );
        assert_eq!(map.without(0x1000, 0x3000).unwrap_err(), Code::BAD_ARGUMENT);
        let map = map.protected(0x4000, 0x2000, Permissions::READ).unwrap();
        assert_eq!(map.find(0x5000).unwrap().permissions, Permissions::READ);
        assert_eq!(map.find(0x3000).unwrap().permissions, Permissions::ALL);
        assert_eq!(map.ranges().len(), 4);
    }
}
