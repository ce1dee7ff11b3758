//! Segment descriptors: reading them from the GDT and LDT, and what is in them (Intel SDM vol. 3, 3.4.5).
//!
//! `segment` loads registers from them, `transfer` and `deliver` code segments, gates and stacks.

use super::cpu::{Cpu, Segment};
use crate::engine::software::dispatch::Stop;

/// A descriptor of 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptor(pub(crate) u64);

/// Types of system descriptors.
pub(crate) mod system {
    pub(crate) const TSS16: u8 = 1;
    pub(crate) const LDT: u8 = 2;
    pub(crate) const TSS16_BUSY: u8 = 3;
    pub(crate) const CALL_GATE16: u8 = 4;
    pub(crate) const TASK_GATE: u8 = 5;
    pub(crate) const INTERRUPT_GATE16: u8 = 6;
    pub(crate) const TRAP_GATE16: u8 = 7;
    pub(crate) const TSS: u8 = 9;
    pub(crate) const TSS_BUSY: u8 = 11;
    pub(crate) const CALL_GATE: u8 = 12;
    pub(crate) const INTERRUPT_GATE: u8 = 14;
    pub(crate) const TRAP_GATE: u8 = 15;
}

impl Descriptor {
    /// The type field, bits 43:40.
    pub(crate) fn kind(self) -> u8 {
        (self.0 >> 40 & 15) as u8
    }

    /// Code or data.
    pub(crate) fn is_segment(self) -> bool {
        self.0 >> 44 & 1 != 0
    }

    /// Code segment.
    pub(crate) fn is_code(self) -> bool {
        self.is_segment() && self.kind() & 8 != 0
    }

    /// Conforming code segment.
    pub(crate) fn is_conforming(self) -> bool {
        self.is_segment() && self.kind() & 12 == 12
    }

    /// Writable data segment.
    pub(crate) fn is_writable(self) -> bool {
        self.is_segment() && self.kind() & 10 == 2
    }

    /// Data, or code that may be read.
    pub(crate) fn is_readable(self) -> bool {
        self.is_segment() && (self.kind() & 8 == 0 || self.kind() & 2 != 0)
    }

    pub(crate) fn dpl(self) -> u8 {
        (self.0 >> 45 & 3) as u8
    }

    pub(crate) fn present(self) -> bool {
        self.0 >> 47 & 1 != 0
    }

    /// L: 64-bit code.
    pub(crate) fn long(self) -> bool {
        self.0 >> 53 & 1 != 0
    }

    /// D or B.
    pub(crate) fn big(self) -> bool {
        self.0 >> 54 & 1 != 0
    }

    pub(crate) fn base(self) -> u64 {
        (self.0 >> 16 & 0xff_ffff) | (self.0 >> 56) << 24
    }

    /// The last byte's offset, granularity applied.
    pub(crate) fn limit(self) -> u32 {
        let limit = (self.0 & 0xffff) as u32 | (self.0 >> 32) as u32 & 0xf_0000;
        match self.0 >> 55 & 1 {
            0 => limit,
            _ => limit << 12 | 0xfff,
        }
    }

    /// Access rights as the VMCS has them.
    pub(crate) fn rights(self) -> u32 {
        (self.0 >> 40) as u32 & 0xf0ff
    }

    /// As a segment register holds it.
    pub(crate) fn segment(self, selector: u16) -> Segment {
        Segment {
            selector,
            rights: self.rights(),
            limit: self.limit(),
            base: self.base(),
        }
    }

    /// Gate: target selector.
    pub(crate) fn gate_selector(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Gate: target offset, its low 32 bits.
    pub(crate) fn gate_offset(self) -> u64 {
        (self.0 & 0xffff) | (self.0 >> 32 & 0xffff_0000)
    }
}

/// A selector without its RPL, as error codes have it.
pub(crate) fn index(selector: u16) -> u16 {
    selector & !3
}

/// Whether a selector is null.
pub(crate) fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}

impl Cpu {
    /// The linear address of a selector's descriptor; `None` if it lies outside of its table. `size` is 8 or 16 bytes.
    fn descriptor_address(&self, selector: u16, size: u64) -> Option<u64> {
        let offset = u64::from(selector & !7);
        let (base, limit) = if selector & 4 == 0 {
            (self.gdtr.base, self.gdtr.limit)
        } else if self.ldtr.usable() {
            (self.ldtr.base, self.ldtr.limit)
        } else {
            return None;
        };
        (offset + size - 1 <= u64::from(limit)).then(|| base.wrapping_add(offset))
    }

    /// A selector's descriptor; `None` if there is none.
    pub(crate) fn descriptor(&mut self, selector: u16) -> Result<Option<Descriptor>, Stop> {
        match self.descriptor_address(selector, 8) {
            Some(at) => Ok(Some(Descriptor(self.load_system(at)?))),
            None => Ok(None),
        }
    }

    /// A 16-byte system descriptor of IA-32e mode: its halves; `None` if there is none.
    pub(crate) fn long_descriptor(
        &mut self,
        selector: u16,
    ) -> Result<Option<(Descriptor, u64)>, Stop> {
        let Some(at) = self.descriptor_address(selector, 16) else {
            return Ok(None);
        };
        let low = Descriptor(self.load_system(at)?);
        let high = self.load_system(at.wrapping_add(8))?;
        Ok(Some((low, high)))
    }

    /// Sets the accessed bit of a descriptor that was just read, in memory and in the answer.
    pub(crate) fn mark_accessed(
        &mut self,
        selector: u16,
        descriptor: Descriptor,
    ) -> Result<Descriptor, Stop> {
        if descriptor.kind() & 1 != 0 {
            return Ok(descriptor);
        }
        self.set_type_bits(selector, descriptor, 1)
    }

    /// Sets the busy bit of a TSS descriptor.
    pub(crate) fn mark_busy(
        &mut self,
        selector: u16,
        descriptor: Descriptor,
    ) -> Result<Descriptor, Stop> {
        self.set_type_bits(selector, descriptor, 2)
    }

    fn set_type_bits(
        &mut self,
        selector: u16,
        descriptor: Descriptor,
        bits: u8,
    ) -> Result<Descriptor, Stop> {
        if let Some(at) = self.descriptor_address(selector, 8) {
            let at = at.wrapping_add(5);
            let byte: u8 = self.load_system(at)?;
            self.store_system::<u8>(at, byte | bits)?;
        }
        Ok(Descriptor(descriptor.0 | u64::from(bits) << 40))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_code_segment() {
        let code = Descriptor(0x00cf_9b00_0000_ffff);
        let segment = code.segment(8);
        assert_eq!(
            (segment.base, segment.limit, segment.rights),
            (0, 0xffff_ffff, 0xc09b)
        );
        assert!(code.is_code() && code.is_readable() && !code.is_writable() && code.big());
    }

    #[test]
    fn base_and_limit_are_put_together() {
        let data = Descriptor(0x1240_f356_789a_bcde);
        assert_eq!(
            (data.base(), data.limit(), data.dpl()),
            (0x1256_789a, 0xbcde, 3)
        );
        let gate = Descriptor(0xfedc_8e00_0010_ba98);
        assert_eq!(
            (gate.gate_selector(), gate.gate_offset()),
            (0x10, 0xfedc_ba98)
        );
    }
}
