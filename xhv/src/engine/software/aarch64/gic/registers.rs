//! The registers of a GIC's distributor and redistributors (Arm IHI 0069, 12.8 to 12.11), for the guest and for the VMM.

use super::bank::Bank;
use super::{Gic, Inner, MSI_DOORBELL, bits};
use crate::error::Code;

/// `GICD_PIDR2`, `GICR_PIDR2`: GICv3.
const PIDR2: u64 = 0x3b;
/// Implementer of `GICD_IIDR` and `GICR_IIDR`: Arm.
const IIDR: u64 = 0x43b;
/// `GICD_CTLR.DS` and `ARE`: one security state, affinity routing.
const DS_ARE: u64 = 1 << 6 | 1 << 4;

/// A register with a bit, two bits or a byte for each interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Array {
    Group,
    SetEnable,
    ClearEnable,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
    Priority,
    Configuration,
}

/// The array that an offset lies in, and the offset within it.
fn array(offset: u64) -> Option<(Array, u64)> {
    Some(match offset {
        0x080..0x100 => (Array::Group, offset - 0x080),
        0x100..0x180 => (Array::SetEnable, offset - 0x100),
        0x180..0x200 => (Array::ClearEnable, offset - 0x180),
        0x200..0x280 => (Array::SetPending, offset - 0x200),
        0x280..0x300 => (Array::ClearPending, offset - 0x280),
        0x300..0x380 => (Array::SetActive, offset - 0x300),
        0x380..0x400 => (Array::ClearActive, offset - 0x380),
        0x400..0x800 => (Array::Priority, offset - 0x400),
        0xc00..0xd00 => (Array::Configuration, offset - 0xc00),
        _ => return None,
    })
}

/// The bank that an offset within an array lies in, and the offset of its part.
fn bank_of(kind: Array, offset: u64) -> (usize, u64) {
    let bytes = match kind {
        Array::Priority => 32,
        Array::Configuration => 8,
        _ => 4,
    };
    ((offset / bytes) as usize, offset % bytes)
}

fn low(size: u64) -> u64 {
    !0 >> (64 - 8 * size.clamp(1, 8))
}

/// Two bits for each of sixteen interrupts: the upper one says edge-triggered.
fn spread(edge: u32) -> u64 {
    bits(edge & 0xffff).fold(0, |all, bit| all | 2 << (2 * bit))
}

impl Bank {
    fn read(&self, kind: Array, offset: u64, size: u64) -> u64 {
        let word: u64 = match kind {
            Array::Group => self.group1.into(),
            Array::SetEnable | Array::ClearEnable => self.enabled.into(),
            Array::SetPending | Array::ClearPending => self.pends().into(),
            Array::SetActive | Array::ClearActive => self.active.into(),
            Array::Configuration => spread(self.edge) | spread(self.edge >> 16) << 32,
            Array::Priority => {
                let at = offset as usize;
                let some = self.priorities.iter().skip(at).take(size as usize);
                return some.rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
            }
        };
        word >> (8 * offset) & low(size)
    }

    fn write(&mut self, kind: Array, offset: u64, size: u64, value: u64) {
        let value = value & low(size);
        let word = (value << (8 * offset.min(7))) as u32;
        let touched = (low(size) << (8 * offset.min(7))) as u32;
        match kind {
            Array::Group => self.group1 = self.group1 & !touched | word,
            Array::SetEnable => self.enabled |= word,
            Array::ClearEnable => self.enabled &= !word,
            Array::SetPending => self.pending |= word,
            Array::ClearPending => self.pending &= !word,
            Array::SetActive => self.active |= word,
            Array::ClearActive => self.active &= !word,
            Array::Priority => {
                for at in 0..size {
                    if let Some(priority) = self.priorities.get_mut((offset + at) as usize) {
                        // Five bits are implemented.
                        *priority = (value >> (8 * at)) as u8 & 0xf8;
                    }
                }
            }
            Array::Configuration => {
                for at in 0..(4 * size as u32).min(16) {
                    let bit = 4 * offset as u32 + at;
                    let edge = value >> (2 * at + 1) & 1;
                    self.edge = self.edge & !(1 << bit) | (edge as u32) << bit;
                }
            }
        }
    }
}

impl Inner {
    pub(super) fn read_distributor(&self, offset: u64, size: u64) -> u64 {
        match offset {
            0x0 => DS_ARE | u64::from(self.control),
            // ITLinesNumber 31, ten bits of interrupt numbers, no LPIs, affinity 3, no 1-of-N for more than one.
            0x4 => 31 | 9 << 19 | 1 << 24,
            0x8 => IIDR,
            0xffe8 => PIDR2,
            0x6000..0x8000 => {
                let intid = (offset - 0x6000) / 8;
                let route = self.routes.get(intid as usize).copied().unwrap_or(0);
                route >> (8 * (offset % 8)) & low(size)
            }
            _ => match array(offset) {
                Some((kind, within)) => {
                    let (bank, part) = bank_of(kind, within);
                    // Interrupts below 32 are in the redistributors.
                    let banks = self.banks.get(bank).filter(|_| bank != 0);
                    banks.map_or(0, |bank| bank.read(kind, part, size))
                }
                None => 0,
            },
        }
    }

    pub(super) fn write_distributor(&mut self, offset: u64, size: u64, value: u64) {
        match offset {
            0x0 => self.control = value as u32 & 3,
            // GICD_SETSPI_NSR, GICD_CLRSPI_NSR
            0x40 | 0x48 => {
                let intid = value as u32 & 0x3ff;
                let Some(bank) = self
                    .bank(0, intid)
                    .filter(|_| !super::interface::is_private(intid))
                else {
                    return;
                };
                let bit = 1 << (intid & 31);
                bank.pending = if offset == 0x40 {
                    bank.pending | bit
                } else {
                    bank.pending & !bit
                };
            }
            0x6100..0x8000 => {
                let intid = ((offset - 0x6000) / 8) as usize;
                let shift = 8 * (offset % 8);
                if let Some(route) = self.routes.get_mut(intid) {
                    let mask = low(size) << shift;
                    // IRM and the four affinity fields.
                    *route = (*route & !mask | value << shift & mask) & 0xff_80ff_ffff;
                }
            }
            _ => {
                if let Some((kind, within)) = array(offset) {
                    let (bank, part) = bank_of(kind, within);
                    if let Some(bank) = self.banks.get_mut(bank).filter(|_| bank != 0) {
                        bank.write(kind, part, size, value);
                    }
                }
            }
        }
    }

    pub(super) fn read_redistributor(&self, cpu: usize, offset: u64, size: u64) -> u64 {
        let Some(Some(core)) = self.cores.get(cpu) else {
            return 0;
        };
        let last = self.cores.iter().rposition(Option::is_some) == Some(cpu);
        let typer = u64::from(core.affinity) << 32 | (cpu as u64) << 8 | u64::from(last) << 4;
        match offset {
            0x4 => IIDR,
            0x8 => typer & low(size),
            0xc => typer >> 32,
            // GICR_WAKER: awake
            0x14 => 0,
            0xffe8 | 0x1_ffe8 => PIDR2,
            0x1_0000.. => match array(offset - 0x1_0000) {
                Some((kind, within)) => match bank_of(kind, within) {
                    (0, part) => core.bank.read(kind, part, size),
                    _ => 0,
                },
                None => 0,
            },
            _ => 0,
        }
    }

    pub(super) fn write_redistributor(&mut self, cpu: usize, offset: u64, size: u64, value: u64) {
        let Some(core) = self.core(cpu) else {
            return;
        };
        let Some((kind, within)) = offset.checked_sub(0x1_0000).and_then(array) else {
            return;
        };
        let (bank, part) = bank_of(kind, within);
        // SGIs are always edge-triggered.
        if bank == 0 && !(kind == Array::Configuration && part < 4) {
            core.bank.write(kind, part, size, value);
        }
    }
}

/// Bytes of a distributor register that the framework names; `None` if it names none at the offset.
fn distributor_width(offset: u64) -> Option<u64> {
    match offset {
        0x0 | 0x4 | 0xffe8 => Some(4),
        0x6100..0x7fe0 if offset.is_multiple_of(8) => Some(8),
        _ if !offset.is_multiple_of(4) => None,
        _ => array(offset).map(|_| 4),
    }
}

fn redistributor_width(offset: u64) -> Option<u64> {
    match offset {
        0x8 => Some(8),
        0xffe8 => Some(4),
        0x1_0080 | 0x1_0100 | 0x1_0180 | 0x1_0200 | 0x1_0280 | 0x1_0300 | 0x1_0380 => Some(4),
        0x1_0400..0x1_0420 | 0x1_0c00..0x1_0c08 if offset.is_multiple_of(4) => Some(4),
        _ => None,
    }
}

impl Gic {
    /// `hv_gic_get_distributor_reg`: [`Code::BAD_ARGUMENT`] for an offset without a register.
    pub(crate) fn get_distributor(&self, offset: u64) -> Result<u64, Code> {
        let size = distributor_width(offset).ok_or(Code::BAD_ARGUMENT)?;
        Ok(self.inner().read_distributor(offset, size))
    }

    /// `hv_gic_set_distributor_reg`
    pub(crate) fn set_distributor(&self, offset: u64, value: u64) -> Result<(), Code> {
        let size = distributor_width(offset).ok_or(Code::BAD_ARGUMENT)?;
        let mut inner = self.inner();
        inner.write_distributor(offset, size, value);
        inner.signal();
        Ok(())
    }

    /// `hv_gic_get_redistributor_reg`
    pub(crate) fn get_redistributor(&self, cpu: usize, offset: u64) -> Result<u64, Code> {
        let size = redistributor_width(offset).ok_or(Code::BAD_ARGUMENT)?;
        Ok(self.inner().read_redistributor(cpu, offset, size))
    }

    /// `hv_gic_set_redistributor_reg`
    pub(crate) fn set_redistributor(
        &self,
        cpu: usize,
        offset: u64,
        value: u64,
    ) -> Result<(), Code> {
        let size = redistributor_width(offset).ok_or(Code::BAD_ARGUMENT)?;
        let mut inner = self.inner();
        inner.write_redistributor(cpu, offset, size, value);
        inner.signal();
        Ok(())
    }

    /// `hv_gic_get_msi_reg`
    pub(crate) fn get_msi(&self, offset: u64) -> Result<u64, Code> {
        match offset {
            8 | MSI_DOORBELL => Ok(self.read_msi(offset)),
            _ => Err(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_gic_set_msi_reg`
    pub(crate) fn set_msi(&self, offset: u64, value: u64) -> Result<(), Code> {
        match (offset, self.config.msi_region_base) {
            (MSI_DOORBELL, Some(base)) => self.send_msi(base + offset, value as u32 & 0x3ff),
            (8, _) => Ok(()),
            _ => Err(Code::BAD_ARGUMENT),
        }
    }
}
