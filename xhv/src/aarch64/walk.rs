//! Guest virtual to guest-physical addresses by the guest's own stage 1 tables (VMSAv8-64), read from its registers and memory.
//!
//! A look from outside: it sets no access flag and checks no permission. What a guest's own hypervisor does at stage 2 is not seen.

use super::reg;
use super::sysreg::{
    Granule, HCR_EL2, Hcr, PaSize, SCTLR_EL1, SCTLR_EL2, Sctlr, TCR_EL1, TCR_EL2, TTBR0_EL1,
    TTBR0_EL2, TTBR1_EL1, TTBR1_EL2, Tcr, TcrEl2,
};
use super::vcpu::Vcpu;
use crate::error::Error;
use crate::guest_memory::Gpa;

/// What a virtual address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// The guest-physical address.
    pub gpa: Gpa,
    /// Bytes of the page or block; `None` while the MMU is off.
    pub page: Option<u64>,
    /// The descriptor of the page or block; 0 while the MMU is off.
    pub descriptor: u64,
}

/// The half of an address space that one table describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Regime {
    table: u64,
    /// The region has 2^(64 - size_offset) bytes.
    size_offset: u32,
    /// Bits of an address inside of a page.
    page_bits: u32,
    /// 52-bit addresses in the descriptors of 4 and 16 KiB granules.
    wide: bool,
    /// Bits of a physical address.
    physical_bits: u32,
}

impl Vcpu {
    /// Where a virtual address of the guest leads, by the tables that are in use now; `None` if nowhere.
    ///
    /// # Errors
    /// [`Error::Row`] if a register cannot be read.
    pub fn translate(&self, address: u64) -> Result<Option<Translation>, Error> {
        let Some(regime) = self.regime(address)? else {
            return Ok(None);
        };
        Ok(match regime {
            None => Some(Translation {
                gpa: Gpa(address & 0xff_ffff_ffff_ffff),
                page: None,
                descriptor: 0,
            }),
            Some(regime) => regime.walk(address, |at| {
                let mut bytes = [0; 8];
                self.vm().read(at, &mut bytes).ok()?;
                Some(u64::from_le_bytes(bytes))
            }),
        })
    }

    /// The instruction word at PC, if there is one.
    ///
    /// # Errors
    /// [`Error::Row`] if a register cannot be read.
    pub fn instruction(&self) -> Result<Option<u32>, Error> {
        let mut word = [0; 4];
        let pc = self.read(reg::PC)?;
        match self.read_virtual(pc, &mut word) {
            Ok(()) => Ok(Some(u32::from_le_bytes(word))),
            Err(Error::OutOfRange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads guest memory by virtual address, across pages.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it has memory; [`Error::Row`] if a register cannot be read.
    pub fn read_virtual(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        let mut at = address;
        let mut rest = out;
        while !rest.is_empty() {
            let gpa = self.translated(at)?;
            let len = rest.len().min(to_page_end(at));
            let (part, behind) = rest.split_at_mut(len);
            self.vm().read(gpa, part)?;
            (at, rest) = (at.wrapping_add(len as u64), behind);
        }
        Ok(())
    }

    /// Writes guest memory by virtual address, across pages, whatever the guest's permissions are.
    ///
    /// # Errors
    /// As [`Vcpu::read_virtual`]; what lies before the address that failed is written.
    pub fn write_virtual(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut at = address;
        let mut rest = bytes;
        while !rest.is_empty() {
            let gpa = self.translated(at)?;
            let (part, behind) = rest.split_at(rest.len().min(to_page_end(at)));
            self.vm().write(gpa, part)?;
            (at, rest) = (at.wrapping_add(part.len() as u64), behind);
        }
        Ok(())
    }

    fn translated(&self, address: u64) -> Result<Gpa, Error> {
        match self.translate(address)? {
            Some(found) => Ok(found.gpa),
            None => Err(Error::OutOfRange { address, size: 1 }),
        }
    }

    /// The tables for an address: `Some(None)` without an MMU, `None` if the address belongs to no table.
    fn regime(&self, address: u64) -> Result<Option<Option<Regime>>, Error> {
        let level = self.exception_level()?;
        let at_el2 = level == 2;
        let host = at_el2 && self.read(HCR_EL2)?.contains(Hcr::E2H);
        let control = if at_el2 {
            self.read(SCTLR_EL2)?
        } else {
            self.read(SCTLR_EL1)?
        };
        if !control.contains(Sctlr::M) {
            return Ok(Some(None));
        }
        let high = address >> 55 & 1 != 0;
        if at_el2 && !host {
            let regime = Regime::of_el2(self.read(TCR_EL2)?, self.read(TTBR0_EL2)?.bits());
            return Ok(regime
                .filter(|regime| regime.covers(address, false))
                .map(Some));
        }
        let control = if host {
            Tcr::from_bits(self.read(TCR_EL2)?.bits())
        } else {
            self.read(TCR_EL1)?
        };
        let table = match (host, high) {
            (false, false) => self.read(TTBR0_EL1)?,
            (false, true) => self.read(TTBR1_EL1)?,
            (true, false) => self.read(TTBR0_EL2)?,
            (true, true) => self.read(TTBR1_EL2)?,
        };
        let regime = Regime::of(control, table.bits(), high);
        Ok(regime
            .filter(|regime| regime.covers(address, high))
            .map(Some))
    }
}

/// Bytes to the end of the smallest page.
fn to_page_end(address: u64) -> usize {
    (4096 - address % 4096) as usize
}

fn physical_bits(size: PaSize) -> u32 {
    match size {
        PaSize::BITS32 => 32,
        PaSize::BITS36 => 36,
        PaSize::BITS40 => 40,
        PaSize::BITS42 => 42,
        PaSize::BITS44 => 44,
        PaSize::BITS48 => 48,
        _ => 52,
    }
}

impl Regime {
    fn of(control: Tcr, table: u64, high: bool) -> Option<Self> {
        let (granule, size_offset, off) = if high {
            let granule = match control.tg1().0 {
                1 => Granule::KIB16,
                2 => Granule::KIB4,
                3 => Granule::KIB64,
                _ => return None,
            };
            (granule, control.t1sz(), Tcr::EPD1)
        } else {
            (control.tg0(), control.t0sz(), Tcr::EPD0)
        };
        if control.contains(off) {
            return None;
        }
        Self::new(
            granule,
            u32::from(size_offset),
            table,
            control.contains(Tcr::DS),
            physical_bits(control.ips()),
        )
    }

    fn of_el2(control: TcrEl2, table: u64) -> Option<Self> {
        Self::new(
            control.tg0(),
            u32::from(control.t0sz()),
            table,
            control.contains(TcrEl2::DS),
            physical_bits(control.ps()),
        )
    }

    fn new(
        granule: Granule,
        size_offset: u32,
        table: u64,
        wide: bool,
        physical_bits: u32,
    ) -> Option<Self> {
        let page_bits = match granule {
            Granule::KIB4 => 12,
            Granule::KIB16 => 14,
            Granule::KIB64 => 16,
            _ => return None,
        };
        // Outside of 12 to 48 the architecture lets nobody rely on anything.
        (12..=48).contains(&size_offset).then_some(Self {
            table,
            size_offset,
            page_bits,
            wide: wide && page_bits != 16,
            physical_bits,
        })
    }

    fn virtual_bits(&self) -> u32 {
        64 - self.size_offset
    }

    /// Whether the address is in the region; the top byte may be a tag.
    fn covers(&self, address: u64, high: bool) -> bool {
        let bits = self.virtual_bits().min(56);
        let above = if bits == 56 {
            0
        } else {
            address << 8 >> 8 >> bits
        };
        let ones = if bits == 56 {
            0
        } else {
            (1 << (56 - bits)) - 1
        };
        above == if high { ones } else { 0 }
    }

    /// An address field of a descriptor or of TTBR.
    fn output(&self, descriptor: u64) -> u64 {
        let low = descriptor & 0xffff_ffff_f000 & !((1 << self.page_bits) - 1);
        if self.wide {
            // Bits [49:48] stay, [51:50] are in [9:8].
            return low | descriptor & 0x3_0000_0000_0000 | (descriptor >> 8 & 3) << 50;
        }
        if self.page_bits == 16 && self.physical_bits > 48 {
            return low | (descriptor >> 12 & 0xf) << 48;
        }
        low
    }

    /// The root table, whose alignment may be below a page.
    fn root(&self) -> u64 {
        let low = self.table & 0xffff_ffff_ffc0;
        if self.physical_bits > 48 {
            low | (self.table >> 2 & 0xf) << 48
        } else {
            self.table & 0xffff_ffff_fffe
        }
    }

    fn walk(&self, address: u64, read: impl Fn(u64) -> Option<u64>) -> Option<Translation> {
        let stride = self.page_bits - 3;
        let levels = (self.virtual_bits() - self.page_bits).div_ceil(stride);
        let mut table = self.root();
        for left in (0..levels).rev() {
            let shift = self.page_bits + stride * left;
            let top = self.virtual_bits().min(shift + stride);
            let index = address << (64 - top) >> (64 - top) >> shift;
            let descriptor = read(table.checked_add(index * 8)?)?;
            let is_last = left == 0;
            match descriptor & 3 {
                // At the last level only 3 is valid.
                3 if is_last => return Some(self.found(address, descriptor, shift)),
                3 => table = self.output(descriptor),
                1 if !is_last && self.has_block(left) => {
                    return Some(self.found(address, descriptor, shift));
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether a table with `left` levels below it can have blocks.
    fn has_block(&self, left: u32) -> bool {
        match self.page_bits {
            12 => left <= 2 || self.wide,
            14 => left == 1 || self.wide && left == 2,
            _ => left == 1 || self.physical_bits > 48 && left == 2,
        }
    }

    fn found(&self, address: u64, descriptor: u64, shift: u32) -> Translation {
        let inside = (1_u64 << shift) - 1;
        Translation {
            gpa: Gpa(self.output(descriptor) & !inside | address & inside),
            page: Some(inside + 1),
            descriptor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn regime(page_bits: u32, size_offset: u32, table: u64) -> Regime {
        Regime {
            table,
            size_offset,
            page_bits,
            wide: false,
            physical_bits: 40,
        }
    }

    #[test]
    fn four_levels_of_4_kib() {
        let memory: HashMap<u64, u64> = [
            (0x1000, 0x2003),                     // level 0
            (0x2000 + 8, 0x3003),                 // level 1, entry 1
            (0x3000 + 16, 0x4003),                // level 2, entry 2
            (0x4000 + 24, 0x0060_0000_8000_0703), // level 3, entry 3
            (0x2000 + 16, 0x0060_0000_c000_0701), // level 1 block, entry 2
        ]
        .into();
        let regime = regime(12, 16, 0x1000);
        let read = |at: u64| memory.get(&at).copied();
        let address = 1 << 30 | 2 << 21 | 3 << 12 | 0x123;
        let found = regime.walk(address, read).unwrap();
        assert_eq!(found.gpa, Gpa(0x8000_0123));
        assert_eq!(found.page, Some(4096));
        let block = regime.walk(2 << 30 | 0x12_3456, read).unwrap();
        assert_eq!(block.gpa, Gpa(0xc012_3456));
        assert_eq!(block.page, Some(1 << 30));
        assert_eq!(regime.walk(0, read), None);
    }

    #[test]
    fn fewer_bits_begin_lower() {
        // 39 bits, 4 KiB: three levels; 36 bits, 16 KiB: two.
        let memory: HashMap<u64, u64> = [(0x1000 + 8 * 5, 0x8000_0000_0701)].into();
        let found = regime(12, 25, 0x1000).walk(5 << 30, |at| memory.get(&at).copied());
        assert_eq!(found.unwrap().gpa, Gpa(0x8000_0000_0000));
        let memory: HashMap<u64, u64> = [(0x4000 + 8 * 7, 0x8003), (0x8000, 0x1_0000_0003)].into();
        let found = regime(14, 28, 0x4000).walk(7 << 25 | 5, |at| memory.get(&at).copied());
        assert_eq!(found.unwrap().gpa, Gpa(0x1_0000_0005));
    }

    #[test]
    fn regions_have_ends() {
        let low = regime(12, 25, 0);
        assert!(low.covers(0x7f_ffff_ffff, false));
        assert!(low.covers(0xab00_0000_0000_1000, false));
        assert!(!low.covers(0x80_0000_0000, false));
        assert!(low.covers(0xffff_ff80_0000_0000, true));
        assert!(!low.covers(0xffff_fe80_0000_0000, true));
    }

    #[test]
    fn wide_addresses() {
        let wide = Regime {
            wide: true,
            physical_bits: 52,
            ..regime(12, 12, 0)
        };
        assert_eq!(wide.output(0x0003_8000_0000_0303), 0xf_8000_0000_0000);
        let kib64 = Regime {
            physical_bits: 52,
            ..regime(16, 16, 0)
        };
        assert_eq!(kib64.output(0x0000_8000_0001_a003), 0xa_8000_0001_0000);
    }
}
