//! The guest's own address translation, done by hand: linear to guest-physical addresses in every paging mode.
//!
//! Source: Intel SDM vol. 3, chapter "Paging". Accessed and dirty flags are not set.

use super::controls::VmEntryControls;
use super::fpstate::FpState;
use super::reg::{self, Cr0, Cr4, Rflags};
use super::vcpu::Vcpu;
use super::vmcs::{self, AccessRights};
use crate::error::Error;
use crate::guest_memory::{Gpa, GuestMemory, Reader};

/// What is to be done at a linear address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Data read.
    Read,
    /// Data write.
    Write,
    /// Instruction fetch.
    Fetch,
}

/// Why a linear address has no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageFault {
    /// The address, as CR2 would hold it.
    pub linear: u64,
    /// The error code of #PF.
    pub code: u32,
}

/// The registers that translation depends on. Those that do not matter in a mode are not read, which costs a system call each on the
/// framework.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paging {
    cr0: Cr0,
    cr3: u64,
    cr4: Cr4,
    nxe: bool,
    /// IA-32e mode.
    pub(super) long: bool,
    user: bool,
    /// RFLAGS.AC: SMAP is lifted.
    alignment_check: bool,
    pdptes: [u64; 4],
}

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Bits of #PF's error code.
const CODE_PRESENT: u32 = 1;
const CODE_RESERVED: u32 = 1 << 3;
const CODE_KEY: u32 = 1 << 5;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Where a walk ended.
struct Page {
    gpa: u64,
    /// User code may reach it.
    user: bool,
    /// Its protection key.
    key: u32,
}

/// How the levels of a paging mode are laid out.
struct Levels {
    /// Physical address of the top table.
    top: u64,
    /// How many levels, from this one down.
    count: u32,
    /// Index bits of a level.
    bits: u32,
    /// Bytes of an entry.
    size: u64,
}

impl Paging {
    pub(super) fn of(vcpu: &Vcpu) -> Result<Self, Error> {
        let mut paging = Self {
            cr0: vcpu.read(vmcs::GUEST_CR0)?,
            cr3: 0,
            cr4: Cr4::empty(),
            nxe: false,
            long: is_long(vcpu)?,
            user: false,
            alignment_check: false,
            pdptes: [0; 4],
        };
        if !paging.cr0.contains(Cr0::PG) {
            return Ok(paging);
        }
        paging.cr3 = vcpu.raw_vmcs(vmcs::GUEST_CR3.key());
        paging.cr4 = vcpu.read(vmcs::GUEST_CR4)?;
        paging.nxe = vcpu.raw_vmcs(vmcs::GUEST_IA32_EFER.key()) & 1 << 11 != 0;
        paging.user = vcpu.read(vmcs::GUEST_SS_ACCESS_RIGHTS)?.dpl() == 3;
        paging.alignment_check = vcpu.read(reg::RFLAGS)?.contains(Rflags::AC);
        if paging.pae() && !paging.long {
            paging.pdptes = [
                vmcs::GUEST_PDPTE0.key(),
                vmcs::GUEST_PDPTE1.key(),
                vmcs::GUEST_PDPTE2.key(),
                vmcs::GUEST_PDPTE3.key(),
            ]
            .map(|field| vcpu.raw_vmcs(field));
        }
        Ok(paging)
    }

    fn pae(&self) -> bool {
        self.cr4.contains(Cr4::PAE)
    }

    /// The top of the tables for an address; `None` if a PDPTE says that there is nothing.
    fn levels(&self, linear: u64) -> Option<Levels> {
        if self.long {
            let count = if self.cr4.contains(Cr4::LA57) { 5 } else { 4 };
            return Some(Levels {
                top: self.cr3 & ADDRESS,
                count,
                bits: 9,
                size: 8,
            });
        }
        if self.pae() {
            let pdpte = self.pdptes[(linear >> 30) as usize & 3];
            return (pdpte & PRESENT != 0).then_some(Levels {
                top: pdpte & ADDRESS,
                count: 2,
                bits: 9,
                size: 8,
            });
        }
        Some(Levels {
            top: self.cr3 & 0xffff_f000,
            count: 2,
            bits: 10,
            size: 4,
        })
    }

    fn fault(&self, linear: u64, access: Access, present: bool) -> PageFault {
        let mut code = u32::from(present);
        code |= u32::from(access == Access::Write) << 1;
        code |= u32::from(self.user) << 2;
        let tells_fetch = (self.pae() && self.nxe) || self.cr4.contains(Cr4::SMEP);
        code |= u32::from(access == Access::Fetch && tells_fetch) << 4;
        PageFault { linear, code }
    }

    /// The guest-physical address behind a linear one, for an access of the present privilege; inside, the fault that it would raise.
    pub(super) fn translate(
        &self,
        vcpu: &Vcpu,
        memory: &Reader<'_>,
        linear: u64,
        access: Access,
    ) -> Result<Result<u64, PageFault>, Error> {
        let page = match self.walk(memory, linear, access) {
            Ok(page) => page,
            Err(fault) => return Ok(Err(fault)),
        };
        let keyed = self.long && self.cr4.contains(Cr4::PKE) && page.user;
        if keyed && access != Access::Fetch {
            // PKRU is expensive to get at, so it is looked at last.
            let rights = vcpu.pkru()? >> (2 * page.key);
            let held_to_write = self.user || self.cr0.contains(Cr0::WP);
            let no_write = access == Access::Write && held_to_write && rights & 2 != 0;
            if rights & 1 != 0 || no_write {
                let mut fault = self.fault(linear, access, true);
                fault.code |= CODE_KEY;
                return Ok(Err(fault));
            }
        }
        Ok(Ok(page.gpa))
    }

    /// Without protection keys.
    fn walk(&self, memory: &Reader<'_>, linear: u64, access: Access) -> Result<Page, PageFault> {
        let linear = if self.long {
            linear
        } else {
            linear & 0xffff_ffff
        };
        if !self.cr0.contains(Cr0::PG) {
            return Ok(Page {
                gpa: linear,
                user: true,
                key: 0,
            });
        }
        let absent = self.fault(linear, access, false);
        let levels = self.levels(linear).ok_or(absent)?;
        let mut table = levels.top;
        let mut rights = WRITABLE | USER;
        let mut forbidden = 0;
        for level in (0..levels.count).rev() {
            let shift = 12 + level * levels.bits;
            let index = linear >> shift & ((1 << levels.bits) - 1);
            let mut bytes = [0; 8];
            let (value, _) = bytes.split_at_mut(levels.size as usize);
            memory
                .read(table + index * levels.size, value)
                .map_err(|_| absent)?;
            let entry = u64::from_le_bytes(bytes);
            if entry & PRESENT == 0 {
                return Err(absent);
            }
            let leaf = level == 0 || self.is_large(entry, level);
            if entry & self.reserved(level, leaf) != 0 {
                let code = absent.code | CODE_PRESENT | CODE_RESERVED;
                return Err(PageFault { linear, code });
            }
            rights &= entry;
            forbidden |= entry & NO_EXECUTE;
            if leaf {
                self.check(linear, access, rights, forbidden)?;
                return Ok(Page {
                    gpa: place(entry, linear, shift, levels.size),
                    user: rights & USER != 0,
                    key: (entry >> 59) as u32 & 0xf,
                });
            }
            table = entry & ADDRESS;
        }
        Err(absent)
    }

    /// Copies instruction bytes; answers how many could be fetched.
    pub(super) fn fetch(&self, memory: &Reader<'_>, linear: u64, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let at = linear.wrapping_add(done as u64);
            let step = ((4096 - at % 4096) as usize).min(out.len() - done);
            let page = self.walk(memory, at, Access::Fetch);
            if !page.is_ok_and(|page| memory.read(page.gpa, &mut out[done..done + step]).is_ok()) {
                break;
            }
            done += step;
        }
        done
    }

    fn is_large(&self, entry: u64, level: u32) -> bool {
        let allowed = if self.long || self.pae() {
            level <= 2
        } else {
            self.cr4.contains(Cr4::PSE)
        };
        allowed && entry & LARGE != 0
    }

    /// Bits that have to be 0 in an entry of a level, counted from the lowest. Which bits of an address the processor has is not
    /// looked at.
    fn reserved(&self, level: u32, leaf: bool) -> u64 {
        if !self.long && !self.pae() {
            return if leaf && level == 1 { 1 << 21 } else { 0 };
        }
        let no_execute = if self.nxe { 0 } else { NO_EXECUTE };
        // Software may use these with long mode only.
        let high = if self.long { 0 } else { 0x7ff << 52 };
        let by_size = match (level, leaf) {
            (1, true) => 0x1f_e000,
            (2, true) => 0x3fff_e000,
            (3.., _) => LARGE,
            _ => 0,
        };
        no_execute | high | by_size
    }

    fn check(
        &self,
        linear: u64,
        access: Access,
        rights: u64,
        forbidden: u64,
    ) -> Result<(), PageFault> {
        let user_page = rights & USER != 0;
        let supervisor_data = !self.user && access != Access::Fetch;
        let denied = match access {
            _ if self.user && !user_page => true,
            Access::Fetch => {
                let no_execute = self.nxe && (self.long || self.pae()) && forbidden != 0;
                no_execute || (!self.user && user_page && self.cr4.contains(Cr4::SMEP))
            }
            _ if supervisor_data
                && user_page
                && self.cr4.contains(Cr4::SMAP)
                && !self.alignment_check =>
            {
                true
            }
            Access::Write => rights & WRITABLE == 0 && (self.user || self.cr0.contains(Cr0::WP)),
            Access::Read => false,
        };
        if denied {
            return Err(self.fault(linear, access, true));
        }
        Ok(())
    }
}

/// The physical address inside a page whose size is `1 << shift`.
fn place(entry: u64, linear: u64, shift: u32, size: u64) -> u64 {
    let offset = linear & ((1 << shift) - 1);
    if size == 4 && shift == 22 {
        // A 4-MiB page holds bits 39:32 of its address in bits 20:13 (PSE-36).
        return (entry & 0xffc0_0000) | (entry >> 13 & 0xff) << 32 | offset;
    }
    let base = entry & ADDRESS & !((1 << shift) - 1);
    base | offset
}

/// An error unless as much was copied as was wanted.
fn all(address: u64, wanted: usize, done: usize) -> Result<(), Error> {
    if done == wanted {
        return Ok(());
    }
    Err(Error::OutOfRange {
        address: address.wrapping_add(done as u64),
        size: (wanted - done) as u64,
    })
}

/// Whether the guest is in IA-32e mode.
fn is_long(vcpu: &Vcpu) -> Result<bool, Error> {
    let entry = vcpu.read(vmcs::VM_ENTRY_CONTROLS)?;
    Ok(entry.contains(VmEntryControls::IA_32E_MODE_GUEST))
}

impl Vcpu {
    fn pkru(&self) -> Result<u32, Error> {
        Ok(self.fpstate()?.pkru(self.component_place(FpState::PKRU)))
    }

    /// The guest-physical address behind a linear one, by the guest's page tables and present privilege. The processor's
    /// physical-address width is not looked at.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine does not tell the registers. The inner result is the page fault that the guest would get.
    pub fn translate(&self, linear: u64, access: Access) -> Result<Result<Gpa, PageFault>, Error> {
        let answer = Paging::of(self)?.translate(self, &self.memory.reader(), linear, access)?;
        Ok(answer.map(Gpa))
    }

    /// Copies bytes out of guest memory by linear address, as far as they are mapped. Answers how many.
    ///
    /// # Errors
    /// As [`Vcpu::translate`].
    pub fn read_linear(&self, linear: u64, out: &mut [u8]) -> Result<usize, Error> {
        self.each_page(linear, out.len(), Access::Read, |memory, gpa, from, to| {
            memory.read(gpa, &mut out[from..to])
        })
    }

    /// Copies bytes into guest memory by linear address, as far as it is mapped and writable. Answers how many.
    ///
    /// # Errors
    /// As [`Vcpu::translate`].
    pub fn write_linear(&self, linear: u64, bytes: &[u8]) -> Result<usize, Error> {
        self.each_page(
            linear,
            bytes.len(),
            Access::Write,
            |memory, gpa, from, to| memory.write(gpa, &bytes[from..to]),
        )
    }

    /// The guest-physical address behind a linear one, whatever its permissions.
    pub(super) fn locate_linear(&self, linear: u64) -> Result<Option<u64>, Error> {
        let mut paging = Paging::of(self)?;
        // A supervisor with SMAP lifted may read everything that is present.
        (paging.user, paging.alignment_check) = (false, true);
        let page = paging.walk(&self.memory.reader(), linear, Access::Read);
        Ok(page.ok().map(|page| page.gpa))
    }

    /// Reads guest memory by virtual (linear) address, across pages: [`Vcpu::read_linear`] that wants all.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the first address that has no memory; otherwise as [`Vcpu::translate`].
    pub fn read_virtual(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        all(address, out.len(), self.read_linear(address, out)?)
    }

    /// Writes guest memory by virtual (linear) address, across pages: [`Vcpu::write_linear`] that wants all.
    ///
    /// # Errors
    /// As [`Vcpu::read_virtual`]; what lies before the address that failed is written.
    pub fn write_virtual(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        all(address, bytes.len(), self.write_linear(address, bytes)?)
    }

    /// Copies instruction bytes; answers how many could be fetched.
    pub(super) fn fetch_linear(&self, linear: u64, out: &mut [u8]) -> Result<usize, Error> {
        Ok(Paging::of(self)?.fetch(&self.memory.reader(), linear, out))
    }

    fn each_page(
        &self,
        linear: u64,
        len: usize,
        access: Access,
        mut copy: impl FnMut(&GuestMemory, u64, usize, usize) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let paging = Paging::of(self)?;
        let mut done = 0;
        while done < len {
            let at = linear.wrapping_add(done as u64);
            let Ok(gpa) = paging.translate(self, &self.memory.reader(), at, access)? else {
                break;
            };
            let step = ((4096 - at % 4096) as usize).min(len - done);
            if copy(&self.memory, gpa, done, done + step).is_err() {
                break;
            }
            done += step;
        }
        Ok(done)
    }

    /// The linear address of the next instruction, and the width of its code: 16, 32 or 64.
    pub(super) fn code(&self) -> Result<(u64, u32), Error> {
        self.code_if(is_long(self)?)
    }

    /// [`Vcpu::code`] where it is known whether the guest is in IA-32e mode.
    pub(super) fn code_if(&self, long: bool) -> Result<(u64, u32), Error> {
        let rip = self.read(reg::RIP)?;
        let rights = self.read(vmcs::GUEST_CS_ACCESS_RIGHTS)?;
        if long && rights.contains(AccessRights::L) {
            return Ok((rip, 64));
        }
        let base = self.read(vmcs::GUEST_CS_BASE)?;
        let linear = base.wrapping_add(rip) & 0xffff_ffff;
        let protected = self.read(vmcs::GUEST_CR0)?.contains(Cr0::PE);
        let v8086 = self.read(reg::RFLAGS)?.contains(Rflags::VM);
        // Rights of real mode are what they were before: D counts there too, unless this is virtual-8086 mode.
        let wide = rights.contains(AccessRights::DB) && !(v8086 && protected);
        Ok((linear, if wide { 32 } else { 16 }))
    }
}
