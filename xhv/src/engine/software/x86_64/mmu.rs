//! Paging: linear to guest-physical addresses, page faults, accessed and dirty bits, EPT violations, and the TLB's filling.

use super::cpu::{Cpu, Cr, Exit};
use super::mode::{Mode, Paging, Regime};
use super::vcpu_apic::{apic_access, apic_table_access};
use crate::engine::software::dispatch::Stop;
use crate::engine::software::memory::{Fault, Kind, Rights};
use crate::memory::{PAGE, Permissions};

/// Physical-address width in bits that the engine models.
pub(crate) const MAXPHYADDR: u32 = 40;
const PHYSICAL: u64 = (1 << MAXPHYADDR) - 1;

/// What an access wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) write: bool,
    pub(crate) fetch: bool,
    /// User-mode access: by an instruction at CPL 3.
    pub(crate) user: bool,
    /// Implicit supervisor access (descriptor tables, TSS): SMAP holds whatever RFLAGS.AC is.
    pub(crate) implicit: bool,
}

impl Access {
    /// The CPU's own access.
    pub(crate) fn system(write: bool) -> Self {
        Self {
            write,
            implicit: true,
            ..Self::default()
        }
    }
}

/// Where an EPT violation came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ept {
    linear: u64,
    access: Access,
    /// The final translation, not a paging-structure entry.
    last: bool,
    /// The linear address is known.
    valid: bool,
}

impl Ept {
    /// Access to data or code at a linear address.
    pub(crate) fn data(linear: u64, access: Access) -> Self {
        Self {
            linear,
            access,
            last: true,
            valid: true,
        }
    }

    /// The load of a page-directory-pointer entry by MOV to a control register: no linear address.
    pub(crate) fn pdpte() -> Self {
        Self {
            linear: 0,
            access: Access::default(),
            last: false,
            valid: false,
        }
    }

    fn table(linear: u64, access: Access, write: bool) -> Self {
        Self {
            linear,
            access: Access {
                write,
                fetch: false,
                ..access
            },
            last: false,
            valid: true,
        }
    }
}

/// Bits of paging-structure entries (Intel SDM vol. 3, 5.3 to 5.5).
const P: u64 = 1;
const RW: u64 = 1 << 1;
const US: u64 = 1 << 2;
const A: u64 = 1 << 5;
const D: u64 = 1 << 6;
const PS: u64 = 1 << 7;
const G: u64 = 1 << 8;
const XD: u64 = 1 << 63;

/// A page as the paging structures describe it.
#[derive(Clone, Copy, Debug)]
struct Page {
    gpa: u64,
    /// RW and US of all levels together, XD of any, D of the last.
    rw: bool,
    us: bool,
    xd: bool,
    dirty: bool,
    /// G of the last entry.
    global: bool,
    key: u8,
    /// log2 of the page size.
    shift: u32,
}

/// Why a walk ended without a page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WalkError {
    /// A page fault with this error code.
    Page(u32),
    /// A paging-structure entry is not in mapped memory; `true`: it could not be written.
    Table(Fault, bool),
}

impl Mode {
    /// What the CPU's own accesses are truncated to.
    pub(crate) fn linear_mask_system(&self) -> u64 {
        if self.long { !0 } else { 0xffff_ffff }
    }
}

impl Cpu {
    /// The guest-physical address behind a linear one, for an access that has passed segmentation; enters it into the TLB.
    pub(crate) fn translate(&mut self, linear: u64, access: Access) -> Result<u64, Stop> {
        self.translate_kind(linear, access).map(|(gpa, _)| gpa)
    }

    /// The same, with what else is known of the translation.
    pub(crate) fn translate_kind(
        &mut self,
        linear: u64,
        access: Access,
    ) -> Result<(u64, Kind), Stop> {
        let page = match self.walk(linear, access, true) {
            Ok(page) => page,
            Err(WalkError::Page(error)) => {
                // A page fault invalidates as well what the TLB has for the page (Intel SDM vol. 3, 5.10.4.1).
                self.invalidate_page(self.pcid(), linear);
                return Err(self.pf(linear, error));
            }
            Err(WalkError::Table(fault, _)) if self.vmx.hits_apic_page(fault.gpa) => {
                return Err(self.exit(apic_table_access(self, fault.gpa, linear)));
            }
            Err(WalkError::Table(fault, write)) => {
                return Err(self.ept_violation(fault, Ept::table(linear, access, write)));
            }
        };
        if self.vmx.hits_apic_page(page.gpa) {
            return Err(self.exit(apic_access(self, page.gpa, linear, access)));
        }
        let kind = Kind {
            global: page.global && self.cr4 & Cr::CR4_PGE != 0,
            large: page.shift > 12,
        };
        self.fill(linear, &page, kind);
        Ok((page.gpa, kind))
    }

    fn fill(&mut self, linear: u64, page: &Page, kind: Kind) {
        if self.mode.watch && self.is_watched_page(linear) {
            return;
        }
        let wp = self.cr0 & Cr::CR0_WP != 0;
        let (no_read, no_write) = self.key_rights(page);
        let regime = self.mode.regime;
        let rights = match regime {
            Regime::ALIGNED => return,
            Regime::USER => Rights {
                read: page.us && !no_read,
                write: page.us && page.rw && page.dirty && !no_write && !no_read,
                execute: page.us && !page.xd,
            },
            _ => {
                let shut = regime == Regime::SMAP && page.us;
                Rights {
                    read: !shut && !no_read,
                    write: !shut && (page.rw || !wp) && page.dirty && !(no_write && wp) && !no_read,
                    execute: !page.xd && !(page.us && self.cr4 & Cr::CR4_SMEP != 0),
                }
            }
        };
        self.view.fill(regime, linear, page.gpa, rights, kind);
    }

    /// What the protection key of a user page takes away: reading, and (for writes with CR0.WP or from user mode) writing.
    fn key_rights(&self, page: &Page) -> (bool, bool) {
        // Keys are a part of 4-level and 5-level paging only.
        let keyed = matches!(self.mode.paging, Paging::Level4 | Paging::Level5);
        if self.cr4 & Cr::CR4_PKE == 0 || !page.us || !keyed {
            return (false, false);
        }
        let bits = self.pkru >> (2 * u32::from(page.key));
        (bits & 1 != 0, bits & 2 != 0)
    }

    fn walk(&self, linear: u64, access: Access, update: bool) -> Result<Page, WalkError> {
        let page = match self.mode.paging {
            Paging::Off => {
                return Ok(Page {
                    gpa: linear,
                    rw: true,
                    us: true,
                    xd: false,
                    dirty: true,
                    global: false,
                    key: 0,
                    shift: 12,
                });
            }
            Paging::Bits32 => self.walk_32(linear, access, update)?,
            Paging::Pae => {
                let pdpte = self.pdpte[(linear >> 30 & 3) as usize];
                if pdpte & P == 0 {
                    return Err(self.page_error(access, false, false));
                }
                self.walk_64(linear, access, update, pdpte & PHYSICAL & !(PAGE - 1), 2)?
            }
            Paging::Level4 => self.walk_64(linear, access, update, self.cr3_base(), 4)?,
            Paging::Level5 => self.walk_64(linear, access, update, self.cr3_base(), 5)?,
        };
        Ok(page)
    }

    fn cr3_base(&self) -> u64 {
        self.cr3 & PHYSICAL & !(PAGE - 1)
    }

    fn walk_32(&self, linear: u64, access: Access, update: bool) -> Result<Page, WalkError> {
        let linear = linear & 0xffff_ffff;
        let table = |fault| WalkError::Table(fault, false);
        let pde_at = (self.cr3 & 0xffff_f000) + (linear >> 22) * 4;
        let pde: u32 = self.view.load_physical(pde_at).map_err(table)?;
        if u64::from(pde) & P == 0 {
            return Err(self.page_error(access, false, false));
        }
        if u64::from(pde) & PS != 0 && self.cr4 & Cr::CR4_PSE != 0 {
            // PSE-36: bits 20:13 are address bits 39:32, bit 21 is reserved.
            if pde & 1 << 21 != 0 {
                return Err(self.page_error(access, true, true));
            }
            let base = u64::from(pde & 0xffc0_0000) | (u64::from(pde >> 13) & 0xff) << 32;
            let page = Page::leaf(
                base | (linear & 0x3f_ffff),
                u64::from(pde),
                u64::from(pde),
                22,
            );
            self.check(&page, access)?;
            return self.mark(page, pde_at, u64::from(pde), access, update, true);
        }
        let pte_at = u64::from(pde & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4;
        let pte: u32 = self.view.load_physical(pte_at).map_err(table)?;
        if u64::from(pte) & P == 0 {
            return Err(self.page_error(access, false, false));
        }
        let both = u64::from(pde & pte);
        let page = Page::leaf(
            u64::from(pte & 0xffff_f000) | (linear & 0xfff),
            both,
            u64::from(pte),
            12,
        );
        self.check(&page, access)?;
        if update {
            self.set_accessed(pde_at, u64::from(pde), A, true)?;
        }
        self.mark(page, pte_at, u64::from(pte), access, update, true)
    }

    fn walk_64(
        &self,
        linear: u64,
        access: Access,
        update: bool,
        root: u64,
        levels: u32,
    ) -> Result<Page, WalkError> {
        let nx = self.efer & Cr::EFER_NXE != 0;
        let mut base = root;
        let (mut all, mut any) = (RW | US, 0);
        let mut above = [(0, 0); 5];
        for level in (1..=levels).rev() {
            let shift = 12 + 9 * (level - 1);
            let at = base + (linear >> shift & 0x1ff) * 8;
            let loaded = self.view.load_physical::<u64>(at);
            let entry = loaded.map_err(|fault| WalkError::Table(fault, false))?;
            if entry & P == 0 {
                return Err(self.page_error(access, false, false));
            }
            let leaf = level == 1 || (entry & PS != 0 && (level == 2 || level == 3));
            if entry & self.reserved(level, leaf, levels, nx) != 0 {
                return Err(self.page_error(access, true, true));
            }
            all &= entry;
            any |= entry;
            if leaf {
                let offset = (1_u64 << shift) - 1;
                let flags = (all & (RW | US)) | if nx { any & XD } else { 0 };
                let page = Page::leaf(
                    (entry & PHYSICAL & !offset) | (linear & offset),
                    flags,
                    entry,
                    shift,
                );
                self.check(&page, access)?;
                if update {
                    for &(at, entry) in &above[level as usize..levels as usize] {
                        self.set_accessed(at, entry, A, false)?;
                    }
                }
                return self.mark(page, at, entry, access, update, false);
            }
            above[level as usize - 1] = (at, entry);
            base = entry & PHYSICAL & !(PAGE - 1);
        }
        // Not reached: level 1 is a leaf.
        Err(self.page_error(access, false, false))
    }

    /// Reserved bits of an entry: above the physical width, XD without NXE, PS where there is no large page, low address bits of large pages.
    fn reserved(&self, level: u32, leaf: bool, levels: u32, nx: bool) -> u64 {
        let high = match levels {
            // PAE: bits 62:MAXPHYADDR.
            2 => !PHYSICAL & !XD,
            _ => !PHYSICAL & ((1 << 52) - 1),
        };
        let xd = if nx { 0 } else { XD };
        let size = match (level, leaf) {
            (2, true) => 0x1f_e000,
            (3, true) => 0x3fff_e000,
            (4 | 5, _) => PS,
            _ => 0,
        };
        high | xd | size
    }

    fn page_error(&self, access: Access, present: bool, reserved: bool) -> WalkError {
        let fetch = access.fetch
            && (self.efer & Cr::EFER_NXE != 0 && self.mode.paging != Paging::Bits32
                || self.cr4 & Cr::CR4_SMEP != 0);
        WalkError::Page(
            u32::from(present)
                | u32::from(access.write) << 1
                | u32::from(access.user) << 2
                | u32::from(reserved) << 3
                | u32::from(fetch) << 4,
        )
    }

    /// Access rights (Intel SDM vol. 3, 5.6).
    fn check(&self, page: &Page, access: Access) -> Result<(), WalkError> {
        let wp = self.cr0 & Cr::CR0_WP != 0;
        let denied = if access.user {
            !page.us || access.write && !page.rw || access.fetch && page.xd
        } else {
            let smap = page.us
                && !access.fetch
                && self.cr4 & Cr::CR4_SMAP != 0
                && (access.implicit || self.lazy.system & super::flags::Rflags::AC == 0);
            let smep = page.us && access.fetch && self.cr4 & Cr::CR4_SMEP != 0;
            smap || smep || access.write && wp && !page.rw || access.fetch && page.xd
        };
        if denied {
            return Err(self.page_error(access, true, false));
        }
        let (no_read, no_write) = self.key_rights(page);
        let kept = !access.fetch && (no_read || access.write && no_write && (access.user || wp));
        match kept {
            false => Ok(()),
            true => match self.page_error(access, true, false) {
                WalkError::Page(code) => Err(WalkError::Page(code | 1 << 5)),
                other => Err(other),
            },
        }
    }

    /// Sets A, and for a write D, in the last entry.
    fn mark(
        &self,
        mut page: Page,
        at: u64,
        entry: u64,
        access: Access,
        update: bool,
        narrow: bool,
    ) -> Result<Page, WalkError> {
        let bits = if access.write { A | D } else { A };
        if update {
            self.set_accessed(at, entry, bits, narrow)?;
        }
        page.dirty = (entry | bits) & D != 0;
        Ok(page)
    }

    fn set_accessed(&self, at: u64, entry: u64, bits: u64, narrow: bool) -> Result<(), WalkError> {
        if entry & bits == bits {
            return Ok(());
        }
        let done = if narrow {
            self.view
                .update_physical::<u32>(at, |old| old | bits as u32)
                .map(drop)
        } else {
            self.view
                .update_physical::<u64>(at, |old| old | bits)
                .map(drop)
        };
        done.map_err(|fault| WalkError::Table(fault, true))
    }

    /// An EPT violation exit (Intel SDM vol. 3, table 29-7).
    #[cold]
    #[inline(never)]
    pub(crate) fn ept_violation(&mut self, fault: Fault, from: Ept) -> Stop {
        let Access { write, fetch, .. } = from.access;
        let allowed = fault.permissions.unwrap_or(Permissions::empty()).bits() & 7;
        let qualification = u64::from(!write && !fetch)
            | u64::from(write) << 1
            | u64::from(fetch) << 2
            | allowed << 3
            | u64::from(from.valid) << 7
            | u64::from(from.last) << 8;
        self.exit(Exit {
            reason: 48,
            qualification,
            linear: from.linear,
            gpa: fault.gpa,
            ..Exit::default()
        })
    }
}

impl Page {
    fn leaf(gpa: u64, flags: u64, entry: u64, shift: u32) -> Self {
        Self {
            gpa,
            rw: flags & RW != 0,
            us: flags & US != 0,
            xd: flags & XD != 0,
            dirty: false,
            global: entry & G != 0,
            key: (entry >> 59 & 15) as u8,
            shift,
        }
    }
}
