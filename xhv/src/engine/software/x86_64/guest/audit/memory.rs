//! EPT violations with every bit of their qualification, and accesses to the APIC page (SDM vol. 3, tables 29-6 and 29-7).

use super::{AT, CODE, Guest, NMI, Row, Seen, VALID, check, flat_user, nothing, row};
use crate::memory::Permissions;
use crate::x86_64::entry::field::{pin, secondary, vmcs};

const READ: u64 = 1;
const WRITE: u64 = 1 << 1;
const FETCH: u64 = 1 << 2;
/// What the entries permitted.
const MAY_READ: u64 = 1 << 3;
const MAY_WRITE: u64 = 1 << 4;
const MAY_EXECUTE: u64 = 1 << 5;
/// The linear address is valid; the access was to its translation.
const LINEAR: u64 = 1 << 7;
const DATA: u64 = LINEAR | 1 << 8;
const NMI_UNBLOCKING: u64 = 1 << 12;
/// Where no memory is.
const HOLE: u64 = 0x80_0010;
const APIC: u64 = 0xfee0_0000;

/// RF is saved as 1, so that an instruction breakpoint does not hit twice (SDM vol. 3, 29.3.3).
const fn violation(qualification: u64, linear: u64, physical: u64) -> Seen {
    Seen {
        reason: 48,
        qualification,
        linear,
        physical,
        rf: true,
        ..AT
    }
}

const fn at(rip: u64, seen: Seen) -> Seen {
    Seen { rip, ..seen }
}

fn protect(guest: &mut Guest, gpa: u64, permissions: Permissions) {
    guest.vm.protect(0, gpa, 0x1000, permissions).unwrap();
}

pub(super) fn rows() -> Vec<Row> {
    [rights(), places(), tables(), nmis(), apic()]
        .into_iter()
        .flatten()
        .collect()
}

/// Bits 0 to 5: what was wanted, and what was permitted.
fn rights() -> Vec<Row> {
    const LOAD: &[u8] = &[0xa1, 0x10, 0x60, 0, 0];
    const STORE: &[u8] = &[0xa3, 0x10, 0x60, 0, 0];
    const JUMP: &[u8] = &[0xea, 0x10, 0x60, 0, 0, 8, 0];
    let here = |qualification| violation(qualification | DATA, 0x6010, 0x6010);
    let there = |qualification| at(0x6010, violation(qualification | DATA, 0x6010, 0x6010));
    let none: fn(&mut Guest) = |guest| protect(guest, 0x6000, Permissions::empty());
    let read: fn(&mut Guest) = |guest| protect(guest, 0x6000, Permissions::READ);
    let read_write: fn(&mut Guest) =
        |guest| protect(guest, 0x6000, Permissions::READ | Permissions::WRITE);
    let read_execute: fn(&mut Guest) =
        |guest| protect(guest, 0x6000, Permissions::READ | Permissions::EXECUTE);
    let execute: fn(&mut Guest) = |guest| protect(guest, 0x6000, Permissions::EXECUTE);
    vec![
        row(
            "load, nothing permitted",
            Guest::flat,
            LOAD,
            none,
            here(READ),
        ),
        row(
            "load, execution permitted",
            Guest::flat,
            LOAD,
            execute,
            here(READ | MAY_EXECUTE),
        ),
        row(
            "store, nothing permitted",
            Guest::flat,
            STORE,
            none,
            here(WRITE),
        ),
        row(
            "store, reading permitted",
            flat_user,
            STORE,
            read,
            here(WRITE | MAY_READ),
        ),
        row(
            "store, all but writing permitted",
            Guest::flat,
            STORE,
            read_execute,
            here(WRITE | MAY_READ | MAY_EXECUTE),
        ),
        row(
            "inc dword [6010h]: the store fails",
            Guest::flat,
            &[0xff, 0x05, 0x10, 0x60, 0, 0],
            read,
            here(WRITE | MAY_READ),
        ),
        row(
            "lock inc dword [6010h]",
            Guest::flat,
            &[0xf0, 0xff, 0x05, 0x10, 0x60, 0, 0],
            read,
            here(WRITE | MAY_READ),
        ),
        row(
            "fetch, nothing permitted",
            Guest::flat,
            JUMP,
            none,
            there(FETCH),
        ),
        row(
            "fetch, reading permitted",
            Guest::flat,
            JUMP,
            read,
            there(FETCH | MAY_READ),
        ),
        row(
            "fetch, all but execution permitted",
            Guest::flat,
            JUMP,
            read_write,
            there(FETCH | MAY_READ | MAY_WRITE),
        ),
    ]
}

/// Addresses: of the byte that is not there, by whatever way it was meant.
fn places() -> Vec<Row> {
    vec![
        row(
            "load from a hole",
            Guest::flat,
            &[0xa1, 0x10, 0x00, 0x80, 0x00],
            nothing,
            violation(READ | DATA, HOLE, HOLE),
        ),
        row(
            "store over the end of memory",
            Guest::flat,
            &[0xa3, 0xfe, 0xff, 0x03, 0x00],
            nothing,
            violation(WRITE | DATA, 0x4_0000, 0x4_0000),
        ),
        row(
            "load through a segment: the linear address has 32 bits",
            Guest::flat,
            &[0x64, 0xa1, 0x20, 0x00, 0x80, 0x00],
            |guest| guest.set(vmcs::ES_BASE + 8, 0xffff_fff0),
            violation(READ | DATA, HOLE, HOLE),
        ),
        row(
            "a descriptor is not there",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| {
                guest.set(vmcs::GDTR_BASE, 0x80_0000);
                guest.set_reg(2, 0x10);
            },
            violation(READ | DATA, HOLE, HOLE),
        ),
        row(
            "an instruction runs over the end of memory",
            Guest::flat,
            &[],
            |guest| {
                guest.put(0x3_fffe, &[0x0f, 0x38]);
                guest.set(vmcs::RIP, 0x3_fffe);
            },
            at(0x3_fffe, violation(FETCH | DATA, 0x4_0000, 0x4_0000)),
        ),
    ]
}

/// Paging-structure entries: reads, and writes of accessed and dirty flags; bit 8 is 0.
fn tables() -> Vec<Row> {
    // mov rax, [8000200008h]: PML4 entry 1, PDPT entry 0, PD entry 1.
    const LOAD: &[u8] = &[0x48, 0xa1, 8, 0, 0x20, 0, 0x80, 0, 0, 0];
    const STORE: &[u8] = &[0x48, 0xa3, 8, 0, 0x20, 0, 0x80, 0, 0, 0];
    const LINEAR_ADDRESS: u64 = 0x80_0020_0008;
    let hole: fn(&mut Guest) = |guest| guest.put(0x1_0008, &0x80_0007_u64.to_le_bytes());
    vec![
        row(
            "a table for a load",
            Guest::long,
            LOAD,
            hole,
            violation(READ | LINEAR, LINEAR_ADDRESS, 0x80_0000),
        ),
        row(
            "a table for a store is read as well",
            Guest::long,
            STORE,
            hole,
            violation(READ | LINEAR, LINEAR_ADDRESS, 0x80_0000),
        ),
        row(
            "the second table",
            Guest::long,
            LOAD,
            |guest| {
                guest.put(0x1_0008, &0x2_0007_u64.to_le_bytes());
                guest.put(0x2_0000, &0x80_0007_u64.to_le_bytes());
            },
            violation(READ | LINEAR, LINEAR_ADDRESS, 0x80_0008),
        ),
        row(
            "the accessed flag of the code's page cannot be set",
            Guest::long,
            &[0x90],
            |guest| protect(guest, 0x1_2000, Permissions::READ),
            violation(WRITE | MAY_READ | LINEAR, CODE, 0x1_2000),
        ),
        row(
            "the dirty flag cannot be set",
            Guest::long,
            &[0xa3, 0x10, 0x60, 0, 0, 0, 0, 0, 0],
            |guest| {
                guest.put(0x1_2000, &0xa7_u64.to_le_bytes());
                protect(guest, 0x1_2000, Permissions::READ | Permissions::EXECUTE);
            },
            violation(WRITE | MAY_READ | MAY_EXECUTE | LINEAR, 0x6010, 0x1_2000),
        ),
        row(
            "mov cr3, ecx loads PDPTEs: no linear address",
            Guest::flat,
            &[0x0f, 0x22, 0xd9],
            |guest| {
                guest.set(vmcs::CR4, 0x2020);
                guest.set(vmcs::CR0, 0x8000_0031);
                guest.set(vmcs::PDPTE0, 0x1_1001);
                guest.put(0x1_1000, &0x83_u64.to_le_bytes());
                guest.set_reg(3, 0x80_0020);
            },
            violation(READ, 0, 0x80_0020),
        ),
    ]
}

/// IRET has unblocked NMIs before its stack is found missing.
fn nmis() -> Vec<Row> {
    let stack = |guest: &mut Guest| {
        guest.set(vmcs::RSP, HOLE);
        guest.set(vmcs::INTERRUPTIBILITY, NMI);
    };
    let unblocked: fn(&mut Guest) = |guest| {
        guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
        guest.set(vmcs::RSP, HOLE);
        guest.set(vmcs::INTERRUPTIBILITY, NMI);
    };
    let blocked: fn(&mut Guest) = stack;
    vec![
        row(
            "iret with virtual NMIs",
            Guest::flat,
            &[0xcf],
            unblocked,
            violation(READ | DATA | NMI_UNBLOCKING, HOLE, HOLE),
        ),
        row(
            "iret without: NMIs stay blocked",
            Guest::flat,
            &[0xcf],
            blocked,
            Seen {
                blocking: NMI,
                ..violation(READ | DATA, HOLE, HOLE)
            },
        ),
        row(
            "pop is no iret",
            Guest::flat,
            &[0x58],
            unblocked,
            Seen {
                blocking: NMI,
                ..violation(READ | DATA, HOLE, HOLE)
            },
        ),
    ]
}

/// The APIC-access page: offset and kind.
fn apic() -> Vec<Row> {
    const fn exit(kind: u64, offset: u64) -> Seen {
        Seen {
            reason: 44,
            qualification: kind << 12 | offset,
            ..violation(0, APIC + offset, APIC + offset)
        }
    }
    fn page(guest: &mut Guest) {
        guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
        guest.vcpu.set_apic_address(APIC).unwrap();
    }
    vec![
        row(
            "load",
            Guest::flat,
            &[0xa1, 0x30, 0, 0xe0, 0xfe],
            page,
            exit(0, 0x30),
        ),
        row(
            "store",
            Guest::flat,
            &[0xa3, 0xb0, 0, 0xe0, 0xfe],
            page,
            exit(1, 0xb0),
        ),
        row(
            "inc",
            Guest::flat,
            &[0xff, 0x05, 0x80, 0, 0xe0, 0xfe],
            page,
            exit(1, 0x80),
        ),
        row(
            "fetch",
            Guest::flat,
            &[0xea, 0x10, 0, 0xe0, 0xfe, 8, 0],
            page,
            at(APIC + 0x10, exit(2, 0x10)),
        ),
        row(
            "int 40h with its stack in the page",
            Guest::flat,
            &[0xcd, 0x40],
            |guest| {
                page(guest);
                guest.gate(0x40, 8, super::super::HANDLER, 0x8e);
                guest.set(vmcs::RSP, APIC + 0x84);
            },
            Seen {
                vectoring: VALID | 0x440,
                length: 2,
                rf: false,
                ..exit(3, 0x80)
            },
        ),
        row(
            "a paging structure in the page",
            Guest::long,
            &[0x48, 0xa1, 0, 0, 0, 0, 0x80, 0, 0, 0],
            |guest| {
                page(guest);
                guest.put(0x1_0008, &(APIC | 7).to_le_bytes());
            },
            Seen {
                linear: 0x80_0000_0000,
                physical: APIC,
                ..exit(15, 0)
            },
        ),
    ]
}

#[test]
fn memory() {
    check(&rows());
}
