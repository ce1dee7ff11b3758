//! Exceptions by the bitmap: interruption information, error code, qualification, RF (SDM vol. 3, 29.2.1, 29.2.2, 29.3.3).

use super::super::{GDT, HANDLER, TSS};
use super::{AT, CODE, Guest, MOV_SS, NMI, Row, STI, Seen, VALID, check, flags, flat_user, row};
use crate::x86_64::entry::field::{bit, pin, vmcs};

/// Single step, in the qualification and among pending debug exceptions; there with the bit of enabled breakpoints.
pub(super) const BS: u64 = 1 << 14;
pub(super) const ENABLED: u64 = 1 << 12;
/// RFLAGS with TF.
pub(super) const STEP: u64 = 0x102;

/// An intercepted exception, without error code: type and vector.
const fn exception(what: u64) -> Seen {
    Seen {
        interruption: VALID | what,
        ..AT
    }
}

/// A fault: RF is 1 in the image of RFLAGS.
const fn fault(vector: u64) -> Seen {
    Seen {
        rf: true,
        ..exception(0x300 | vector)
    }
}

const fn fault_with(vector: u64, error: u64) -> Seen {
    Seen {
        error,
        ..fault(0x800 | vector)
    }
}

pub(super) const fn at(offset: u64, seen: Seen) -> Seen {
    Seen {
        rip: CODE + offset,
        ..seen
    }
}

pub(super) fn all(guest: &mut Guest) {
    guest.set(vmcs::EXCEPTION_BITMAP, 0xffff_ffff);
}

/// A TSS at GDT 30h: `rights` in bits 47:32 of the descriptor, and its limit.
pub(super) fn tss(guest: &mut Guest, rights: u64, limit: u64) {
    let descriptor = rights << 32 | 0x6000 << 16 | limit;
    guest.put(GDT + 0x30, &descriptor.to_le_bytes());
}

pub(super) fn rows() -> Vec<Row> {
    [
        faults(),
        faults_with_codes(),
        page_faults(),
        floating_point(),
        debug(),
        software(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn faults() -> Vec<Row> {
    vec![
        row("#DE", Guest::real, &[0xf7, 0xf1], all, fault(0)),
        row(
            "#BR: bound eax, [ebx]",
            Guest::flat,
            &[0x62, 0x03],
            |guest| {
                all(guest);
                guest.set_reg(2, 5);
                guest.set_reg(5, 0x6000);
            },
            fault(5),
        ),
        row("#UD", Guest::long, &[0x0f, 0x0b], all, fault(6)),
        row(
            "#UD in the shadow of STI, which stays",
            Guest::flat,
            &[0xfb, 0x0f, 0x0b],
            all,
            Seen {
                blocking: STI,
                ..at(1, fault(6))
            },
        ),
        row(
            "#NM: fld1 with CR0.TS",
            Guest::flat,
            &[0xd9, 0xe8],
            |guest| {
                all(guest);
                guest.set(vmcs::CR0, 0x39);
            },
            fault(7),
        ),
        row(
            "#GP in real mode has no error code",
            Guest::real,
            &[0xa3, 0xff, 0xff],
            all,
            fault(13),
        ),
    ]
}

fn faults_with_codes() -> Vec<Row> {
    fn absent(guest: &mut Guest) {
        all(guest);
        guest.put(GDT + 0x30, &0x00cf_1300_0000_ffff_u64.to_le_bytes());
        guest.set_reg(2, 0x30);
    }
    fn small_tss(guest: &mut Guest) {
        all(guest);
        tss(guest, 0x8900, 0x66);
    }
    vec![
        row(
            "#TS: iret to what is no TSS",
            Guest::flat,
            &[0xcf],
            |guest| {
                all(guest);
                guest.put(TSS, &[0x10, 0]);
                flags(guest, 0x4000);
            },
            fault_with(10, 0x10),
        ),
        row(
            "#TS: jmp to a TSS that is too small",
            Guest::flat,
            &[0xea, 0, 0, 0, 0, 0x30, 0],
            small_tss,
            fault_with(10, 0x30),
        ),
        row(
            "#NP: mov ds, ax",
            Guest::flat,
            &[0x8e, 0xd8],
            absent,
            fault_with(11, 0x30),
        ),
        row(
            "#SS: mov ss, ax",
            Guest::flat,
            &[0x8e, 0xd0],
            absent,
            fault_with(12, 0x30),
        ),
        row(
            "#SS(0): mov eax, [ebp]",
            Guest::flat,
            &[0x8b, 0x45, 0],
            |guest| {
                all(guest);
                guest.set(vmcs::ES_LIMIT + 4, 0xffff);
                guest.set_reg(9, 0x2_0000);
            },
            fault_with(12, 0),
        ),
        row(
            "#GP: mov ds, ax",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| {
                all(guest);
                guest.set_reg(2, 0x10b);
            },
            fault_with(13, 0x108),
        ),
        row(
            "#GP(0): hlt at level 3",
            flat_user,
            &[0xf4],
            all,
            fault_with(13, 0),
        ),
        row(
            "#AC",
            flat_user,
            &[0xa1, 1, 0x60, 0, 0],
            |guest| {
                all(guest);
                guest.set(vmcs::CR0, 0x4_0031);
                flags(guest, 0x4_0000);
            },
            fault_with(17, 0),
        ),
    ]
}

/// The qualification is the linear address; the bitmap's bit 14 counts for error codes that match.
fn page_faults() -> Vec<Row> {
    const LOAD: &[u8] = &[0x48, 0xa1, 8, 0, 0, 0x40, 0, 0, 0, 0];
    const STORE: &[u8] = &[0x48, 0xa3, 8, 0, 0, 0x40, 0, 0, 0, 0];
    const fn page_fault(error: u64) -> Seen {
        Seen {
            qualification: 0x4000_0008,
            ..fault_with(14, error)
        }
    }
    vec![
        row("#PF: load", Guest::long, LOAD, all, page_fault(0)),
        row("#PF: store", Guest::long, STORE, all, page_fault(2)),
        row(
            "#PF: store of level 3",
            super::long_user,
            STORE,
            all,
            page_fault(6),
        ),
        row(
            "#PF: fetch with NXE",
            Guest::long,
            &[0xff, 0xe0],
            |guest| {
                all(guest);
                guest.set_reg(2, 0x4000_0008);
            },
            Seen {
                rip: 0x4000_0008,
                ..page_fault(0x10)
            },
        ),
        row(
            "#PF: a match with the bit",
            Guest::long,
            STORE,
            |guest| {
                all(guest);
                guest.set(vmcs::PF_ERROR_MASK, 3);
                guest.set(vmcs::PF_ERROR_MATCH, 2);
            },
            page_fault(2),
        ),
        row(
            "#PF: no match, without the bit",
            Guest::long,
            LOAD,
            |guest| {
                guest.set(vmcs::PF_ERROR_MASK, 3);
                guest.set(vmcs::PF_ERROR_MATCH, 2);
            },
            page_fault(0),
        ),
    ]
}

fn floating_point() -> Vec<Row> {
    vec![
        row(
            "#MF: fninit; fldcw; fld1; fldz; fdivp; fwait",
            Guest::flat,
            &[
                0xdb, 0xe3, 0xd9, 0x2d, 0, 0x60, 0, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b,
            ],
            |guest| {
                all(guest);
                guest.put(0x6000, &[0x7b, 3]);
            },
            at(14, fault(16)),
        ),
        row(
            "#XM: ldmxcsr; xorps; divss",
            Guest::flat,
            &[
                0x0f, 0xae, 0x15, 0, 0x60, 0, 0, 0x0f, 0x57, 0xc0, 0xf3, 0x0f, 0x5e, 0x05, 4, 0x60,
                0, 0,
            ],
            |guest| {
                all(guest);
                guest.set(vmcs::CR4, 0x2600);
                guest.put(0x6000, &[0, 0x1f, 0, 0, 0, 0, 0, 0]);
            },
            at(10, fault(19)),
        ),
    ]
}

/// A data breakpoint on writes to 6000h in DR1, and one on instructions at `CODE` in DR0.
pub(super) fn data_breakpoint(guest: &mut Guest) {
    all(guest);
    guest.set_reg(42, 0x6000);
    guest.set(vmcs::DR7, 0x404 | 1 << 20);
}

/// #DB: the qualification has the conditions in the format of DR6; RF is as it was.
fn debug() -> Vec<Row> {
    const STORE: &[u8] = &[0xa2, 0, 0x60, 0, 0, 0x90];
    const fn conditions(qualification: u64) -> Seen {
        Seen {
            qualification,
            ..exception(0x301)
        }
    }
    vec![
        row(
            "#DB: step",
            Guest::real,
            &[0x90],
            |guest| {
                all(guest);
                guest.set(vmcs::RFLAGS, STEP);
            },
            at(1, conditions(BS)),
        ),
        row(
            "#DB: instruction breakpoint",
            Guest::flat,
            &[0x90],
            |guest| {
                all(guest);
                guest.set_reg(41, CODE);
                guest.set(vmcs::DR7, 0x401);
            },
            conditions(1),
        ),
        row(
            "#DB: data breakpoint",
            Guest::flat,
            STORE,
            data_breakpoint,
            at(5, conditions(2)),
        ),
        row(
            "#DB: data breakpoint and step",
            Guest::flat,
            STORE,
            |guest| {
                data_breakpoint(guest);
                guest.set(vmcs::RFLAGS, STEP);
            },
            at(5, conditions(BS | 2)),
        ),
        row(
            "#DB: pending at the entry",
            Guest::flat,
            &[0x90],
            |guest| {
                all(guest);
                guest.set(vmcs::PENDING_DEBUG, ENABLED | 5);
            },
            conditions(5),
        ),
        row(
            "a condition without its enabling bit is no pending exception",
            Guest::flat,
            &[0xf4],
            |guest| {
                all(guest);
                guest.set(vmcs::PENDING_DEBUG, 5);
            },
            super::system::instruction(12, 1),
        ),
        row(
            "a data breakpoint that MOV SS holds back: mov ss, [6000h]; cpuid",
            Guest::flat,
            &[0x8e, 0x15, 0, 0x60, 0, 0, 0x0f, 0xa2],
            |guest| {
                data_breakpoint(guest);
                guest.set(vmcs::DR7, 0x404 | 3 << 20);
                guest.put(0x6000, &[0x10, 0]);
            },
            Seen {
                blocking: MOV_SS,
                pending: ENABLED | 2,
                ..at(6, super::system::instruction(10, 2))
            },
        ),
        row(
            "a data breakpoint of an instruction that is not done: movsb into a hole",
            Guest::flat,
            &[0xa4],
            |guest| {
                data_breakpoint(guest);
                guest.set(vmcs::DR7, 0x404 | 3 << 20);
                guest.set_reg(6, 0x6000);
                guest.set_reg(7, 0x80_0000);
            },
            Seen {
                reason: 48,
                qualification: 0x182,
                linear: 0x80_0000,
                physical: 0x80_0000,
                rf: true,
                ..AT
            },
        ),
    ]
}

/// INT1, INT3, INTO: types 5 and 6, with their length; RF is 0 whatever it was. INT n never exits by the bitmap.
fn software() -> Vec<Row> {
    const fn event(what: u64, length: u64) -> Seen {
        Seen {
            length,
            ..exception(what)
        }
    }
    fn resumed(guest: &mut Guest) {
        all(guest);
        guest.set(vmcs::RFLAGS, bit::FLAG_RF | 2);
    }
    fn overflow(guest: &mut Guest) {
        all(guest);
        guest.set(vmcs::RFLAGS, bit::FLAG_RF | 0x802);
    }
    vec![
        row("int1", Guest::real, &[0xf1], resumed, event(0x501, 1)),
        row("int3", flat_user, &[0xcc], resumed, event(0x603, 1)),
        row(
            "int3 with a prefix",
            Guest::long,
            &[0x66, 0xcc],
            all,
            event(0x603, 2),
        ),
        row("into", Guest::flat, &[0xce], overflow, event(0x604, 1)),
    ]
}

#[test]
fn exceptions() {
    check(&rows());
}

#[test]
fn iret_that_faults_tells_of_nmi_unblocking() {
    let iret = |bitmap: u64| {
        let mut guest = Guest::flat(&[0xcf]);
        guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
        guest.set(vmcs::INTERRUPTIBILITY, NMI);
        guest.set(vmcs::EXCEPTION_BITMAP, bitmap);
        guest.put(guest.get(vmcs::RSP), &[0; 12]); // a null selector
        guest
    };
    let mut guest = iret(1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::INTERRUPTIBILITY)), (0, 0));
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 1 << 12 | 0xb0d);
    // Delivered to the guest it is past: a later exit does not tell of it.
    let mut guest = iret(1 << 6);
    guest.gate(13, 8, HANDLER, 0x8e);
    guest.put(HANDLER, &[0x0f, 0x0b]);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, HANDLER));
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0x306);
}
