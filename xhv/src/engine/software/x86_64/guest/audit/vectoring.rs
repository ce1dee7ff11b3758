//! Exits while an event is delivered: IDT-vectoring information, and that the event comes to its end when it is injected again
//! (SDM vol. 3, 29.1, 29.2.4, 29.3.3).

use super::super::{HANDLER, STACK, TSS};
use super::{AT, CODE, Guest, Row, STI, Seen, VALID, check, flags, flat_user, row, seen};
use crate::x86_64::entry::field::{bit, pin, vmcs};

/// Where stacks lie that are not there.
const HOLE: u64 = 0x80_0000;

/// An EPT violation while pushing `bytes` to the missing stack.
const fn push(bytes: u64, vectoring: u64, length: u64) -> Seen {
    Seen {
        reason: 48,
        qualification: 0x182,
        linear: HOLE - bytes,
        physical: HOLE - bytes,
        vectoring: VALID | vectoring,
        length,
        ..AT
    }
}

/// A fault's image of RFLAGS has RF.
const fn faulted(seen: Seen) -> Seen {
    Seen { rf: true, ..seen }
}

/// 32-bit code whose stack is not there; every vector that is used here leads to [`HANDLER`].
fn flat(code: &[u8]) -> Guest {
    let mut guest = Guest::flat(code);
    gates(&mut guest);
    guest.set(vmcs::RSP, HOLE);
    guest
}

fn long(code: &[u8]) -> Guest {
    let mut guest = Guest::long(code);
    for vector in [1, 3, 6, 8, 13, 14, 0x40] {
        guest.long_gate(vector, HANDLER, 0x8e, 0);
    }
    guest.put(HANDLER, &[0xf4]);
    guest.set(vmcs::RSP, HOLE);
    guest
}

fn gates(guest: &mut Guest) {
    for vector in [1, 2, 3, 4, 6, 8, 13, 14, 0x20, 0x40] {
        guest.gate(vector, 8, HANDLER, 0xee);
    }
    guest.put(HANDLER, &[0xf4]);
}

pub(super) fn rows() -> Vec<Row> {
    [pushes(), tables(), nested()]
        .into_iter()
        .flatten()
        .collect()
}

/// Every kind of event that code can raise, its stack missing.
fn pushes() -> Vec<Row> {
    fn resumed(guest: &mut Guest) {
        flags(guest, bit::FLAG_RF);
    }
    fn none(_: &mut Guest) {}
    vec![
        row(
            "int 40h, with RF, which it ends",
            flat,
            &[0xcd, 0x40],
            resumed,
            push(4, 0x440, 2),
        ),
        row(
            "int 40h with a prefix",
            long,
            &[0x48, 0xcd, 0x40],
            none,
            push(8, 0x440, 3),
        ),
        row("int3", flat, &[0xcc], resumed, push(4, 0x603, 1)),
        row("int1", flat, &[0xf1], resumed, push(4, 0x501, 1)),
        row(
            "into",
            flat,
            &[0xce],
            |guest| flags(guest, 0x800),
            push(4, 0x604, 1),
        ),
        row("#UD", flat, &[0x0f, 0x0b], none, faulted(push(4, 0x306, 0))),
        row(
            "#UD in the shadow of STI: delivery ends it",
            flat,
            &[0xfb, 0x0f, 0x0b],
            none,
            Seen {
                rip: CODE + 1,
                ..faulted(push(4, 0x306, 0))
            },
        ),
        row(
            "#GP with its error code",
            flat,
            &[0x8e, 0xd8],
            |guest| guest.set_reg(2, 0x108),
            Seen {
                vectoring_error: 0x108,
                ..faulted(push(4, 0xb0d, 0))
            },
        ),
        row(
            "#PF",
            long,
            &[0x48, 0xa3, 8, 0, 0, 0x40, 0, 0, 0, 0],
            none,
            Seen {
                vectoring_error: 2,
                ..faulted(push(8, 0xb0e, 0))
            },
        ),
        row(
            "#DB of a step: a trap",
            flat,
            &[0x90],
            |guest| guest.set(vmcs::RFLAGS, 0x102),
            Seen {
                rip: CODE + 1,
                ..push(4, 0x301, 0)
            },
        ),
        row(
            "#DB wakes from the halted state",
            flat,
            &[0x90],
            |guest| {
                guest.set(vmcs::ACTIVITY, 1);
                guest.set(vmcs::RFLAGS, 0x102);
                guest.set(vmcs::PENDING_DEBUG, 0x4000);
            },
            push(4, 0x301, 0),
        ),
        row(
            "int 21h in real mode",
            |code| {
                let mut guest = Guest::real(code);
                guest.put(4 * 0x21, &(HANDLER as u32).to_le_bytes());
                guest.set(vmcs::ES_BASE + 4, HOLE - 0x8000);
                guest
            },
            &[0xcd, 0x21],
            none,
            push(2, 0x421, 2),
        ),
        row(
            "int 21h of virtual-8086 mode, to the program's own vector",
            redirected,
            &[0xcd, 0x21],
            none,
            Seen {
                linear: 0x7_7ffe,
                physical: 0x7_7ffe,
                ..push(2, 0x421, 2)
            },
        ),
    ]
}

/// Virtual-8086 mode with CR4.VME, and a bitmap in the TSS that sends INT 21h to the program's vectors at linear address 0.
fn redirected(code: &[u8]) -> Guest {
    let mut guest = Guest::flat(code);
    for n in 0..6 {
        guest.set(vmcs::ES + 2 * n, 0);
        guest.set(vmcs::ES_BASE + 2 * n, 0);
        guest.set(vmcs::ES_LIMIT + 2 * n, 0xffff);
        guest.set(vmcs::ES_RIGHTS + 2 * n, 0xf3);
    }
    guest.set(vmcs::ES + 4, 0x7000);
    guest.set(vmcs::ES_BASE + 4, 0x7_0000);
    guest.set(vmcs::RFLAGS, 0x2_0002);
    guest.set(vmcs::CR4, 0x2001);
    guest.set(vmcs::TR_LIMIT, 0x200);
    guest.put(TSS + 102, &0x88_u16.to_le_bytes());
    guest.put(4 * 0x21, &(HANDLER as u32).to_le_bytes());
    guest
}

/// What is read on the way: IDT, GDT, TSS.
fn tables() -> Vec<Row> {
    const fn read(linear: u64) -> Seen {
        Seen {
            qualification: 0x181,
            linear,
            physical: linear,
            ..push(4, 0x440, 2)
        }
    }
    vec![
        row(
            "the IDT is not there",
            flat,
            &[0xcd, 0x40],
            |guest| guest.set(vmcs::IDTR_BASE, HOLE),
            read(HOLE + 0x200),
        ),
        row(
            "the GDT is not there",
            flat,
            &[0xcd, 0x40],
            |guest| guest.set(vmcs::GDTR_BASE, HOLE),
            read(HOLE + 8),
        ),
        row(
            "the TSS is not there",
            |code| {
                let mut guest = flat_user(code);
                gates(&mut guest);
                guest
            },
            &[0xcd, 0x40],
            |guest| guest.set(vmcs::TR_BASE, HOLE),
            read(HOLE + 4),
        ),
    ]
}

/// A second event on the way that exits by itself, or is combined with the first.
fn nested() -> Vec<Row> {
    const fn second(interruption: u64, error: u64, vectoring: u64, length: u64) -> Seen {
        Seen {
            interruption: VALID | interruption,
            error,
            vectoring: VALID | vectoring,
            length,
            rf: true,
            ..AT
        }
    }
    fn bitmap(guest: &mut Guest, vector: u32) {
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << vector);
    }
    vec![
        row(
            "#GP for a missing gate of int 41h",
            flat,
            &[0xcd, 0x41],
            |guest| bitmap(guest, 13),
            second(0xb0d, 0x41 * 8 + 2, 0x441, 2),
        ),
        row(
            "#PF for the IDT, while #UD is delivered",
            long,
            &[0x0f, 0x0b],
            |guest| {
                bitmap(guest, 14);
                guest.set(vmcs::IDTR_BASE, 0x4000_0000);
            },
            Seen {
                qualification: 0x4000_0060,
                ..second(0xb0e, 0, 0x306, 0)
            },
        ),
        row(
            "#NP during #GP exits before the two are a double fault",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| {
                bitmap(guest, 11);
                guest.set_reg(2, 0x108);
                guest.gate(13, 8, HANDLER, 0x0e); // not present
            },
            second(0xb0b, 13 * 8 + 3, 0xb0d, 0).with_vectoring_error(0x108),
        ),
        // A double fault is an abort, whose image leaves RF alone; by itself it is no delivery.
        row(
            "#DF exits",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| {
                bitmap(guest, 8);
                guest.set_reg(2, 0x108);
            },
            Seen {
                interruption: VALID | 0xb08,
                ..AT
            },
        ),
        row(
            "#DF is being delivered",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| {
                guest.gate(8, 8, HANDLER, 0x8e);
                guest.set(vmcs::RSP, HOLE);
                guest.set_reg(2, 0x108);
            },
            push(4, 0xb08, 0),
        ),
        row(
            "iret with NMIs blocked, whose #GP meets an exit: unblocking is not told",
            flat,
            &[0xcf],
            |guest| {
                guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
                guest.set(vmcs::INTERRUPTIBILITY, super::NMI);
                guest.set(vmcs::RSP, STACK);
                guest.put(STACK, &[0; 12]);
                guest.set(vmcs::IDTR_BASE, HOLE);
            },
            Seen {
                qualification: 0x181,
                linear: HOLE + 0x68,
                physical: HOLE + 0x68,
                ..faulted(push(4, 0xb0d, 0))
            },
        ),
    ]
}

impl Seen {
    const fn with_vectoring_error(self, vectoring_error: u64) -> Self {
        Self {
            vectoring_error,
            ..self
        }
    }
}

#[test]
fn vectoring() {
    check(&rows());
}

#[test]
fn delivery_that_is_interrupted_has_begun() {
    // CR2 of #PF, DR6 and DR7 of #DB are those of the event that is being delivered.
    let mut guest = long(&[0x48, 0xa1, 8, 0, 0, 0x40, 0, 0, 0, 0]);
    assert_eq!((guest.run(), guest.reg(38)), (48, 0x4000_0008));
    let mut guest = flat(&[0x90]);
    guest.set(vmcs::RFLAGS, 0x102);
    assert_eq!((guest.run(), guest.reg(47)), (48, 0xffff_4ff0));
    assert_eq!(guest.get(vmcs::PENDING_DEBUG), 0);
    // The rest of the state is that before.
    assert_eq!((guest.get(vmcs::RSP), guest.get(vmcs::CS)), (HOLE, 8));
}

/// Does with an interrupted event what every client has to (and `Vcpu::run` does).
pub(super) fn inject_again(guest: &mut Guest) {
    let vectoring = guest.get(vmcs::IDT_VECTORING);
    assert_ne!(vectoring & VALID, 0);
    guest.set(vmcs::ENTRY_INTERRUPTION, vectoring & (VALID | 0xfff));
    guest.set(vmcs::ENTRY_ERROR, guest.get(vmcs::IDT_VECTORING_ERROR));
    guest.set(vmcs::ENTRY_LENGTH, guest.get(vmcs::EXIT_LENGTH));
    let blocking = guest.get(vmcs::INTERRUPTIBILITY) & !super::NMI;
    guest.set(vmcs::INTERRUPTIBILITY, blocking);
}

#[test]
fn an_interrupted_event_comes_to_its_end() {
    for row in pushes() {
        let mut guest = (row.guest)(row.code);
        (row.prepare)(&mut guest);
        let first = seen(&mut guest);
        inject_again(&mut guest);
        // A good stack: of the mode's own kind.
        guest.set(vmcs::RSP, STACK);
        guest.set(vmcs::ES_BASE + 4, 0);
        if guest.get(vmcs::RFLAGS) & bit::FLAG_VM != 0 {
            guest.set(vmcs::ES + 4, 0);
        }
        guest.put(HANDLER, &[0x0f, 0xa2]);
        let got = (
            guest.run(),
            guest.get(vmcs::RIP),
            guest.get(vmcs::IDT_VECTORING),
        );
        assert_eq!(got, (10, HANDLER, 0), "{}", row.name);
        // The image: RIP behind a software event, at a fault; RFLAGS as the exit saved it.
        let software = (4..=6).contains(&(first.vectoring >> 8 & 7));
        let rip = first.rip + if software { first.length } else { 0 };
        let bytes = STACK - guest.get(vmcs::RSP);
        let error = first.vectoring >> 11 & 1;
        let frame = match bytes {
            6 => guest.u64(STACK - 6) & 0xffff,
            12 | 16 => u64::from(guest.u32(STACK - bytes + 4 * error)),
            _ => guest.u64(STACK - bytes + 8 * error),
        };
        assert_eq!(frame, rip, "{}: {bytes} bytes", row.name);
        let pushed = match bytes {
            6 => 0,
            12 | 16 => u64::from(guest.u32(STACK - 4)) >> 16 & 1,
            _ => guest.u64(STACK - 24) >> 16 & 1,
        };
        assert_eq!(pushed, u64::from(first.rf), "{}: RF", row.name);
        if error != 0 && bytes != 6 {
            let at = STACK - bytes;
            assert_eq!(
                u64::from(guest.u32(at)),
                first.vectoring_error,
                "{}",
                row.name
            );
        }
        assert_eq!(guest.get(vmcs::INTERRUPTIBILITY) & STI, 0, "{}", row.name);
    }
}
