//! Ranges of memory as debug registers take them: aligned blocks whose size is a power of two.

/// A block of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First address.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) length: u64,
}

impl Part {
    /// Whether an access of `size` bytes at `address` touches it.
    pub(crate) fn meets(&self, address: u64, size: u64) -> bool {
        self.address.wrapping_sub(address) < size
            || address.wrapping_sub(self.address) < self.length
    }
}

/// The fewest aligned blocks of at most `largest` bytes (a power of two) that make up a range which does not wrap.
pub(crate) fn blocks(address: u64, length: u64, largest: u64) -> Vec<Part> {
    let (mut at, mut left) = (address, length);
    let mut parts = Vec::new();
    while left > 0 {
        let aligned = if at == 0 {
            largest
        } else {
            1 << at.trailing_zeros()
        };
        let fitting = 1 << left.ilog2();
        let length = largest.min(aligned).min(fitting);
        parts.push(Part {
            address: at,
            length,
        });
        (at, left) = (at.wrapping_add(length), left - length);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(address: u64, length: u64) -> Vec<u64> {
        blocks(address, length, 8)
            .iter()
            .map(|part| part.length)
            .collect()
    }

    #[test]
    fn ranges_become_aligned_blocks() {
        assert_eq!(lengths(0x1000, 8), [8]);
        assert_eq!(lengths(0x1001, 8), [1, 2, 4, 1]);
        assert_eq!(lengths(0x1006, 3), [2, 1]);
        assert_eq!(lengths(0, 24), [8, 8, 8]);
        assert_eq!(lengths(u64::MAX, 1), [1]);
        for part in blocks(0x1235, 77, 16) {
            assert!(part.address.is_multiple_of(part.length));
        }
    }

    #[test]
    fn accesses_meet_parts() {
        let part = Part {
            address: 0x100,
            length: 4,
        };
        assert!(part.meets(0x103, 1) && part.meets(0xfd, 4) && part.meets(0xf0, 64));
        assert!(!part.meets(0x104, 8) && !part.meets(0xfc, 4));
    }
}
