//! The VMM's own page walk against what the processor does: in every paging mode, through random entries, by reads, writes and fetches.

use xhv::x86_64::policy::cpuid;
use xhv::x86_64::reg::{self, Cr0, Cr4};
use xhv::x86_64::vmcs::AccessRights;
use xhv::x86_64::{Access, Exit, Vcpu, Vm, msr::Efer, vmcs};
use xhv::{Engine, Gpa};

use super::support::*;

const TABLES: u64 = 0x2_0000;
const PAGES: u64 = 0x8_0000;
/// INT3, which exits in every ring: what is executed last.
const STOP: u8 = 0xcc;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const USER: u64 = 4;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

/// A paging mode: bytes of an entry, index bits of a level and of the top, levels, and the address where the second entry of the top begins.
struct Mode {
    name: &'static str,
    entry: usize,
    bits: u32,
    levels: u32,
    cr4: Cr4,
    long: bool,
}

const MODES: [Mode; 5] = [
    Mode {
        name: "32-bit",
        entry: 4,
        bits: 10,
        levels: 2,
        cr4: Cr4::empty(),
        long: false,
    },
    Mode {
        name: "32-bit with 4-MiB pages",
        entry: 4,
        bits: 10,
        levels: 2,
        cr4: Cr4::PSE,
        long: false,
    },
    Mode {
        name: "PAE",
        entry: 8,
        bits: 9,
        levels: 3,
        cr4: Cr4::PAE,
        long: false,
    },
    Mode {
        name: "4-level",
        entry: 8,
        bits: 9,
        levels: 4,
        cr4: Cr4::PAE,
        long: true,
    },
    Mode {
        name: "5-level",
        entry: 8,
        bits: 9,
        levels: 5,
        cr4: Cr4::PAE.union(Cr4::LA57),
        long: true,
    },
];

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: u64) -> bool {
        (self.next() >> 32).is_multiple_of(n)
    }
}

impl Mode {
    /// Writes tables: the first page of code as it is, and behind the second entry of the top a chain of random entries.
    fn tables(&self, vm: &Vm, user: bool, random: &mut Random) -> u64 {
        vm.write(Gpa(TABLES), &[0; 0x2_0000]).unwrap();
        let chain = |number: u64| move |level: u64| TABLES + (number * 8 + level) * 0x1000;
        let (plain, wild) = (chain(0), chain(1));
        let put = |table: u64, index: u64, entry: u64| {
            let at = Gpa(table + index * self.entry as u64);
            vm.write(at, &entry.to_le_bytes()[..self.entry]).unwrap();
        };
        let levels = u64::from(self.levels);
        let pae_top = |level| !self.long && levels == 3 && level == 0;
        let code_is_for = if user { USER } else { 0 };
        for level in 0..levels - 1 {
            let rights = if pae_top(level) {
                PRESENT
            } else {
                PRESENT | WRITABLE | code_is_for
            };
            put(plain(level), 0, plain(level + 1) | rights);
        }
        let page = CODE | PRESENT | WRITABLE | code_is_for;
        put(plain(levels - 1), CODE >> 12, page);
        // A page is for users only if all levels say so: else hardly one would be.
        let for_users = if user { 9 } else { 2 };
        let for_users = random.next() % 10 < for_users;
        let linear = 1_u64 << (12 + self.bits * (self.levels - 1));
        for level in 0..levels {
            let last = level + 1 == levels;
            let mut entry = if last {
                PAGES + (random.next() % 16 << 12)
            } else {
                wild(level + 1)
            };
            entry |= if random.one_in(12) { 0 } else { PRESENT };
            if !pae_top(level) {
                entry |= if random.one_in(4) { 0 } else { WRITABLE };
                let differs = random.one_in(12);
                entry |= if for_users != differs { USER } else { 0 };
                if self.entry == 8 && random.one_in(6) {
                    entry |= NO_EXECUTE;
                }
                if self.long && last {
                    entry |= random.next() % 16 << 59;
                }
                if !last && random.one_in(8) {
                    // A large page at 0, where the guest has memory, or with a bit that is reserved there.
                    let reserved = if self.cr4.contains(Cr4::PSE) {
                        1 << 21
                    } else {
                        1 << 13
                    };
                    entry = entry & 0x1ff | LARGE | if random.one_in(4) { reserved } else { 0 };
                }
            }
            let (table, index) = if level == 0 {
                (plain(0), 1)
            } else {
                (wild(level), 0)
            };
            put(table, index, entry);
        }
        linear | random.next() % 0x1000
    }

    fn start(&self, vm: &Vm, user: bool, random: &mut Random) -> Vcpu {
        let mut vcpu = if self.long { long_mode(vm) } else { flat32(vm) };
        let mut cr4 = self.cr4;
        for bit in [Cr4::SMEP, Cr4::SMAP] {
            if random.one_in(3) {
                cr4 |= bit;
            }
        }
        // CPUID.07H:ECX[3]: protection keys for user pages.
        if self.long && random.one_in(2) && cpuid(&vcpu, 7, 0).ecx & 1 << 3 != 0 {
            cr4 |= Cr4::PKE;
            set_pkru(&mut vcpu, random.next() as u32);
        }
        let mut cr0 = Cr0::PE | Cr0::PG | Cr0::ET | Cr0::NE;
        if random.one_in(2) {
            cr0 |= Cr0::WP;
        }
        vcpu.set_guest_cr4(cr4).unwrap();
        vcpu.set_guest_cr0(cr0).unwrap();
        if self.entry == 8 && random.one_in(2) {
            vcpu.modify(vmcs::GUEST_IA32_EFER, |efer: Efer| efer | Efer::NXE)
                .unwrap();
        }
        if user {
            for (rights, selector) in [
                (vmcs::GUEST_CS_ACCESS_RIGHTS, vmcs::GUEST_CS_SELECTOR),
                (vmcs::GUEST_SS_ACCESS_RIGHTS, vmcs::GUEST_SS_SELECTOR),
            ] {
                vcpu.modify(rights, |rights: AccessRights| rights.with_dpl(3))
                    .unwrap();
                vcpu.modify(selector, |selector: u16| selector | 3).unwrap();
            }
        }
        vcpu.write(vmcs::EXCEPTION_BITMAP, 1 << 14 | 1 << 3)
            .unwrap();
        vcpu
    }
}

/// Sets PKRU: component 9 of the extended state, which lies where CPUID says, bits in XSTATE_BV at 512.
fn set_pkru(vcpu: &mut Vcpu, value: u32) {
    let mut image = vec![0; 4096];
    vcpu.read_fpstate(&mut image).unwrap();
    let place = cpuid(vcpu, 0xd, 9).ebx as usize;
    image[place..place + 4].copy_from_slice(&value.to_le_bytes());
    image[513] |= 2;
    vcpu.write_fpstate(&image).unwrap();
}

/// Points the vCPU to the tables, PAE's four entries included, which a processor keeps.
fn load_tables(vcpu: &mut Vcpu, vm: &Vm, mode: &Mode) {
    vcpu.write(reg::CR3, reg::Cr3::from_bits(TABLES)).unwrap();
    if !mode.long && mode.levels == 3 {
        let rows = [
            vmcs::GUEST_PDPTE0,
            vmcs::GUEST_PDPTE1,
            vmcs::GUEST_PDPTE2,
            vmcs::GUEST_PDPTE3,
        ];
        for (index, row) in (0..).zip(rows) {
            vcpu.write(row, vm.read_value(Gpa(TABLES + index * 8)).unwrap())
                .unwrap();
        }
    }
}

fn code(access: Access) -> &'static [u8] {
    match access {
        Access::Read => &[0x8a, 0x06, STOP],  // mov al, [esi]; int3
        Access::Write => &[0x88, 0x06, STOP], // mov [esi], al; int3
        Access::Fetch => &[0xff, 0xe6],       // jmp esi
    }
}

/// One access through one set of tables. Answers whether it was allowed.
fn one(engine: Engine, mode: &Mode, random: &mut Random) -> bool {
    let access = [Access::Read, Access::Write, Access::Fetch][random.next() as usize % 3];
    let user = random.one_in(2);
    let vm = vm(engine, code(access));
    let mut vcpu = mode.start(&vm, user, random);
    let linear = mode.tables(&vm, user, random);
    load_tables(&mut vcpu, &vm, mode);
    vcpu.write(reg::RSI, linear).unwrap();
    vcpu.write(reg::RAX, 0x5a).unwrap();
    let told = vcpu.translate(linear, access).unwrap();
    let context = format!(
        "{}: {access:?} of {linear:#x}, user {user}: {told:x?}",
        mode.name
    );
    match told {
        Ok(gpa) if access == Access::Read => vm.write(gpa, &[0xa5]).unwrap(),
        Ok(gpa) => vm.write(gpa, &[STOP]).unwrap(),
        Err(_) => {}
    }
    match (vcpu.run().unwrap(), told) {
        (Exit::Exception(stop), Ok(gpa)) if stop.vector() == 3 => {
            let mut byte = [0];
            vm.read(gpa, &mut byte).unwrap();
            match access {
                Access::Read => assert_eq!(vcpu.read(reg::RAX).unwrap(), 0xa5, "{context}"),
                Access::Write => assert_eq!(byte, [0x5a], "{context}"),
                Access::Fetch => assert_eq!(vcpu.read(reg::RIP).unwrap(), linear, "{context}"),
            }
            true
        }
        (Exit::Exception(fault), Err(expected)) => {
            assert_eq!(fault.vector(), 14, "{context}");
            assert_eq!(fault.error_code(), Some(expected.code), "{context}");
            assert_eq!(fault.qualification(), expected.linear, "{context}");
            false
        }
        (Exit::Exception(fault), Ok(_)) => {
            panic!(
                "{context}, but vector {}, error code {:x?} at {:#x}",
                fault.vector(),
                fault.error_code(),
                fault.qualification()
            )
        }
        (exit, _) => panic!("{context}, but {exit:?}"),
    }
}

#[test]
fn the_walk_agrees_with_the_processor_in_every_mode() {
    on_every_engine(|engine| {
        for (seed, mode) in (1..).zip(&MODES) {
            let mut random = Random(seed);
            let allowed = (0..400).filter(|_| one(engine, mode, &mut random)).count();
            assert!(
                (40..360).contains(&allowed),
                "{}: {allowed} of 400",
                mode.name
            );
        }
    });
}

/// A user program's rights: the level of the segments counts.
#[test]
fn the_walk_knows_the_privilege() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[STOP]);
        let mut vcpu = long_mode(&vm);
        let top: u64 = vm.read_value(Gpa(TABLES)).unwrap();
        vm.write_value(Gpa(TABLES), top & !USER).unwrap();
        assert!(vcpu.translate(CODE, Access::Read).unwrap().is_ok());
        vcpu.modify(vmcs::GUEST_SS_ACCESS_RIGHTS, |rights: AccessRights| {
            rights.with_dpl(3)
        })
        .unwrap();
        let fault = vcpu.translate(CODE, Access::Read).unwrap().unwrap_err();
        assert_eq!((fault.linear, fault.code), (CODE, 5));
    });
}

#[test]
fn memory_is_read_and_written_over_page_borders_as_far_as_it_is_mapped() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[STOP]);
        let vcpu = long_mode(&vm);
        // The guest's page tables map 1 GiB, of which the VM has 1 MiB.
        let text: Vec<u8> = (0..=255).cycle().take(0x3000).collect();
        assert_eq!(vcpu.write_linear(0x8_0800, &text).unwrap(), text.len());
        let mut back = vec![0; text.len()];
        assert_eq!(vcpu.read_linear(0x8_0800, &mut back).unwrap(), text.len());
        assert_eq!(back, text);
        let mut byte = [0; 4];
        assert_eq!(vcpu.read_linear((1 << 30) - 2, &mut byte).unwrap_or(0), 0);
        assert_eq!(vcpu.read_linear(u64::MAX - 1, &mut byte).unwrap(), 0);
    });
}
