//! Tests of `mmu`: every paging mode, every right, every error code, accessed and dirty bits (Intel SDM vol. 3, chapter 5).

use super::cpu::{Cr, Exception, Trap};
use super::flags::Rflags;
use super::mmu::Access;
use super::mode::Paging;
use super::tests::Machine;

/// The linear address that the tests map, and the page that it is mapped to.
const LINEAR: u64 = 0x40_5123;
const PAGE: u64 = 0x9000;
/// The tables: a page each, from the top one down.
const TABLES: u64 = 0x1_0000;

const P: u64 = 1;
const RW: u64 = 2;
const US: u64 = 4;
const A: u64 = 1 << 5;
const D: u64 = 1 << 6;
const PS: u64 = 1 << 7;
const XD: u64 = 1 << 63;
const MODES: [Paging; 4] = [Paging::Bits32, Paging::Pae, Paging::Level4, Paging::Level5];

const READ: Access = Access {
    write: false,
    fetch: false,
    user: false,
    implicit: false,
};
const WRITE: Access = Access {
    write: true,
    ..READ
};
const FETCH: Access = Access {
    fetch: true,
    ..READ
};

fn user(access: Access) -> Access {
    Access {
        user: true,
        ..access
    }
}

/// A machine with [`LINEAR`] mapped by a last entry with these flags, everything above it allowed.
struct Mapped {
    machine: Machine,
    /// Where the last entry lies, and its size.
    leaf: (u64, usize),
}

impl Mapped {
    fn new(paging: Paging, flags: u64) -> Self {
        Self::with_page(paging, flags, 1)
    }

    /// The last entry at this level: 1, or for large pages 2 or 3.
    fn with_page(paging: Paging, flags: u64, level: u32) -> Self {
        let mut machine = Machine::long(64, &[]);
        let (levels, bits, size) = match paging {
            Paging::Bits32 => (2, 10, 4),
            Paging::Pae => (2, 9, 8),
            Paging::Level4 => (4, 9, 8),
            _ => (5, 9, 8),
        };
        let mut leaf = (0, size);
        for (n, at) in (level..=levels).rev().enumerate() {
            let table = TABLES + 0x1000 * n as u64;
            let index = LINEAR >> (12 + bits * (at - 1)) & ((1 << bits) - 1);
            let place = table + index * size as u64;
            let entry = match at == level {
                true => flags | if level == 1 { PAGE } else { PS },
                false => (table + 0x1000) | P | RW | US,
            };
            let bytes = u64::to_le_bytes(entry);
            machine.memory.write(place, &bytes[..size]).unwrap();
            leaf = (place, size);
        }
        let cpu = &mut machine.cpu;
        cpu.cr3 = TABLES;
        cpu.cr4 = Cr::CR4_PSE;
        cpu.efer = 0;
        match paging {
            Paging::Bits32 => {}
            Paging::Pae => {
                cpu.cr4 |= Cr::CR4_PAE;
                cpu.pdpte = [TABLES | P, 0, 0, 0];
            }
            _ => {
                cpu.cr4 |= Cr::CR4_PAE;
                cpu.efer = Cr::EFER_LME | Cr::EFER_LMA;
            }
        }
        if paging == Paging::Level5 {
            cpu.cr4 |= Cr::CR4_LA57;
        }
        if paging != Paging::Bits32 {
            cpu.efer |= Cr::EFER_NXE;
        }
        cpu.update_mode();
        cpu.flush_tlb();
        assert_eq!(cpu.mode.paging, paging);
        Self { machine, leaf }
    }

    /// Sets and clears what the rights depend on.
    fn set(mut self, cr0_off: u64, cr4: u64, flags: u64, pkru: u32) -> Self {
        let cpu = &mut self.machine.cpu;
        cpu.cr0 &= !cr0_off;
        cpu.cr4 |= cr4;
        cpu.pkru = pkru;
        cpu.set_flags(2 | flags);
        cpu.update_mode();
        self
    }

    /// The error code of the page fault that the access has, if it has one.
    fn try_it(&mut self, access: Access) -> Result<u64, u32> {
        let cpu = &mut self.machine.cpu;
        match cpu.translate(LINEAR, access) {
            Ok(gpa) => Ok(gpa),
            Err(_) => match cpu.trap.take() {
                Some(Trap::Exception(Exception {
                    vector: 14,
                    error: Some(error),
                    cr2_or_dr6: LINEAR,
                    ..
                })) => Err(error),
                other => panic!("{other:?}"),
            },
        }
    }

    fn entry(&self) -> u64 {
        let mut bytes = [0; 8];
        let (at, size) = self.leaf;
        self.machine.memory.read(at, &mut bytes[..size]).unwrap();
        u64::from_le_bytes(bytes)
    }
}

const GOOD: Result<u64, u32> = Ok(PAGE | LINEAR & 0xfff);

#[test]
fn rights_of_users_and_supervisors() {
    for paging in MODES {
        let tell = |flags, access| Mapped::new(paging, flags).try_it(access);
        for access in [READ, WRITE, FETCH, user(READ), user(WRITE), user(FETCH)] {
            assert_eq!(tell(P | RW | US, access), GOOD, "{paging:?} {access:?}");
        }
        let fetch = if paging == Paging::Bits32 { 0 } else { 0x10 };
        for (flags, access, expected) in [
            (0, READ, Err(0)),
            (0, user(WRITE), Err(6)),
            (0, user(FETCH), Err(4 | fetch)),
            (P | RW, READ, GOOD),
            (P | RW, user(READ), Err(5)),
            (P | RW, user(WRITE), Err(7)),
            (P | US, user(READ), GOOD),
            (P | US, user(WRITE), Err(7)),
            (P | US, WRITE, Err(3)),
        ] {
            assert_eq!(
                tell(flags, access),
                expected,
                "{paging:?} {flags:x} {access:?}"
            );
        }
        let mut unprotected = Mapped::new(paging, P | US).set(Cr::CR0_WP, 0, 0, 0);
        assert_eq!(unprotected.try_it(WRITE), GOOD, "without WP");
        assert_eq!(unprotected.try_it(user(WRITE)), Err(7));
    }
}

#[test]
fn no_execution() {
    for paging in [Paging::Pae, Paging::Level4, Paging::Level5] {
        let mut mapped = Mapped::new(paging, P | RW | US | XD);
        assert_eq!(mapped.try_it(user(FETCH)), Err(0x15), "{paging:?}");
        assert_eq!(mapped.try_it(FETCH), Err(0x11));
        assert_eq!(mapped.try_it(user(WRITE)), GOOD);
        // Without NXE the bit is reserved, and fetches are not told.
        mapped.machine.cpu.efer &= !Cr::EFER_NXE;
        mapped.machine.cpu.update_mode();
        assert_eq!(mapped.try_it(user(FETCH)), Err(0xd));
        // Beyond the physical-address width.
        let mut mapped = Mapped::new(paging, P | RW | US | 1 << 45);
        assert_eq!(mapped.try_it(READ), Err(9), "{paging:?}");
    }
}

#[test]
fn supervisors_keep_away_from_user_pages() {
    for paging in MODES {
        let page = || Mapped::new(paging, P | RW | US);
        let mut smep = page().set(0, Cr::CR4_SMEP, 0, 0);
        assert_eq!(smep.try_it(FETCH), Err(0x11), "{paging:?}");
        assert_eq!(smep.try_it(user(FETCH)), GOOD);
        assert_eq!(smep.try_it(READ), GOOD);
        let mut smap = page().set(0, Cr::CR4_SMAP, 0, 0);
        assert_eq!(smap.try_it(READ), Err(1), "{paging:?}");
        assert_eq!(smap.try_it(WRITE), Err(3));
        assert_eq!(smap.try_it(user(WRITE)), GOOD);
        let mut lifted = page().set(0, Cr::CR4_SMAP, Rflags::AC, 0);
        assert_eq!(lifted.try_it(WRITE), GOOD, "{paging:?}");
        assert_eq!(lifted.try_it(Access::system(false)), Err(1), "implicit");
    }
}

#[test]
fn protection_keys() {
    const KEY: u64 = 5 << 59;
    for paging in [Paging::Level4, Paging::Level5] {
        let keyed = |flags, cr0_off, pkru| {
            Mapped::new(paging, flags | KEY).set(cr0_off, Cr::CR4_PKE, 0, pkru)
        };
        let (no_access, no_write) = (1 << 10, 2 << 10);
        let page = P | RW | US;
        assert_eq!(keyed(page, 0, 0).try_it(user(WRITE)), GOOD);
        assert_eq!(keyed(page, 0, no_access).try_it(user(READ)), Err(0x25));
        assert_eq!(keyed(page, 0, no_access).try_it(READ), Err(0x21));
        assert_eq!(keyed(page, 0, no_access).try_it(user(FETCH)), GOOD);
        assert_eq!(keyed(page, 0, no_write).try_it(user(READ)), GOOD);
        assert_eq!(keyed(page, 0, no_write).try_it(user(WRITE)), Err(0x27));
        assert_eq!(keyed(page, 0, no_write).try_it(WRITE), Err(0x23));
        assert_eq!(keyed(page, Cr::CR0_WP, no_write).try_it(WRITE), GOOD);
        assert_eq!(
            keyed(P | RW, 0, no_access).try_it(WRITE),
            GOOD,
            "a supervisor's page"
        );
    }
}

#[test]
fn large_pages() {
    let offset = |size: u64| Ok(LINEAR & (size - 1));
    for (paging, level, size) in [
        (Paging::Bits32, 2, 4 << 20),
        (Paging::Pae, 2, 2 << 20),
        (Paging::Level4, 2, 2 << 20),
        (Paging::Level4, 3, 1 << 30),
        (Paging::Level5, 3, 1 << 30),
    ] {
        let mut mapped = Mapped::with_page(paging, P | RW | US, level);
        assert_eq!(
            mapped.try_it(user(WRITE)),
            offset(size),
            "{paging:?} {level}"
        );
        assert_eq!(mapped.entry() & (A | D), A | D);
        // The bits between flags and address are reserved.
        let mut reserved = Mapped::with_page(paging, P | RW | US | 1 << 13, level);
        let expected = if paging == Paging::Bits32 {
            Ok(())
        } else {
            Err(9)
        };
        assert_eq!(
            reserved.try_it(READ).map(drop),
            expected,
            "{paging:?} {level}"
        );
    }
}

#[test]
fn accessed_and_dirty() {
    for paging in MODES {
        let mut mapped = Mapped::new(paging, P | RW | US);
        assert_eq!(mapped.try_it(READ), GOOD);
        assert_eq!(mapped.entry() & (A | D), A, "{paging:?}");
        assert_eq!(mapped.try_it(user(WRITE)), GOOD);
        assert_eq!(mapped.entry() & (A | D), A | D, "{paging:?}");
        let mut refused = Mapped::new(paging, P | US);
        assert_eq!(refused.try_it(WRITE), Err(3));
        assert_eq!(refused.entry() & (A | D), 0, "a fault leaves no trace");
    }
}
