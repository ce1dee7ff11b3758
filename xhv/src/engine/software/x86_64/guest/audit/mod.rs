//! All that an exit tells, field by field, against the manual: one row for each way that a guest can leave by (Intel SDM vol. 3, 29.1 to 29.3).
//!
//! | module | rows |
//! |---|---|
//! | `system` | instructions that exit by themselves or by a control |
//! | `operands` | instructions with instruction information |
//! | `registers` | control and debug registers |
//! | `ports` | IN, OUT, INS, OUTS |
//! | `memory` | EPT violations, the APIC-access page |
//! | `exceptions` | exceptions by the bitmap |
//! | `events` | windows, timers, traps, task switches, and their order |
//! | `vectoring` | exits while an event is delivered |
//! | `injection` | events that the entry delivers |
//! | `msrs` | who may reach an MSR without an exit |
//!
//! Fields that the manual leaves undefined for an exit are 0, as the engine makes them.

mod events;
mod exceptions;
mod injection;
mod memory;
mod msrs;
mod operands;
mod ports;
mod registers;
mod system;
mod vectoring;

use super::{CODE, Guest};
use crate::typed::Named;
use crate::x86_64::entry::field::{bit, vmcs};
use crate::x86_64::exits::ExitReason;

const VALID: u64 = 1 << 31;
const STI: u64 = bit::STI_BLOCKING;
const MOV_SS: u64 = bit::MOV_SS_BLOCKING;
const NMI: u64 = bit::NMI_BLOCKING;

/// What an exit leaves behind: the exit fields, and the guest state whose saving depends on the kind of exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    reason: u64,
    qualification: u64,
    linear: u64,
    physical: u64,
    length: u64,
    information: u64,
    interruption: u64,
    error: u64,
    vectoring: u64,
    vectoring_error: u64,
    rip: u64,
    rf: bool,
    blocking: u64,
    pending: u64,
    activity: u64,
}

/// The least that an exit leaves: RIP at the instruction.
const AT: Seen = Seen {
    reason: 0,
    qualification: 0,
    linear: 0,
    physical: 0,
    length: 0,
    information: 0,
    interruption: 0,
    error: 0,
    vectoring: 0,
    vectoring_error: 0,
    rip: CODE,
    rf: false,
    blocking: 0,
    pending: 0,
    activity: 0,
};

/// What a run of `guest` leaves.
fn seen(guest: &mut Guest) -> Seen {
    Seen {
        reason: guest.run(),
        qualification: guest.get(vmcs::QUALIFICATION),
        linear: guest.get(vmcs::LINEAR_ADDRESS),
        physical: guest.get(vmcs::GUEST_PHYSICAL_ADDRESS),
        length: guest.get(vmcs::EXIT_LENGTH),
        information: guest.get(vmcs::EXIT_INFORMATION),
        interruption: guest.get(vmcs::EXIT_INTERRUPTION),
        error: guest.get(vmcs::EXIT_ERROR),
        vectoring: guest.get(vmcs::IDT_VECTORING),
        vectoring_error: guest.get(vmcs::IDT_VECTORING_ERROR),
        rip: guest.get(vmcs::RIP),
        rf: guest.get(vmcs::RFLAGS) & bit::FLAG_RF != 0,
        blocking: guest.get(vmcs::INTERRUPTIBILITY),
        pending: guest.get(vmcs::PENDING_DEBUG),
        activity: guest.get(vmcs::ACTIVITY),
    }
}

/// A guest, and how it has to leave.
struct Row {
    name: &'static str,
    guest: fn(&[u8]) -> Guest,
    code: &'static [u8],
    prepare: fn(&mut Guest),
    wanted: Seen,
}

fn row(
    name: &'static str,
    guest: fn(&[u8]) -> Guest,
    code: &'static [u8],
    prepare: fn(&mut Guest),
    wanted: Seen,
) -> Row {
    Row {
        name,
        guest,
        code,
        prepare,
        wanted,
    }
}

fn nothing(_: &mut Guest) {}

/// 32-bit code at privilege level 3.
fn flat_user(code: &[u8]) -> Guest {
    Guest::flat(code).user(0xc09b)
}

/// 64-bit code at privilege level 3.
fn long_user(code: &[u8]) -> Guest {
    Guest::long(code).user(0xa09b)
}

/// Runs every row as it is.
fn check(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| differs(row, |_| {}, row.wanted))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs every row in the states that an instruction can be met in: after nothing, with RFLAGS.RF (which the exit saves as 0, SDM vol. 3,
/// 29.3.3), in the shadow of STI and of MOV SS (which stay), and with debug exceptions that MOV SS holds back.
fn check_instructions(rows: &[Row]) {
    check(rows);
    type State = (fn(&mut Guest), u64, u64);
    let states: [State; 4] = [
        (|guest| flags(guest, bit::FLAG_RF), 0, 0),
        (
            |guest| {
                flags(guest, bit::FLAG_IF);
                guest.set(vmcs::INTERRUPTIBILITY, STI);
            },
            STI,
            0,
        ),
        (|guest| guest.set(vmcs::INTERRUPTIBILITY, MOV_SS), MOV_SS, 0),
        (
            |guest| {
                guest.set(vmcs::INTERRUPTIBILITY, MOV_SS);
                guest.set(vmcs::PENDING_DEBUG, 0x1002);
            },
            MOV_SS,
            0x1002,
        ),
    ];
    for (state, blocking, pending) in states {
        let wrong: Vec<String> = rows
            .iter()
            .filter_map(|row| {
                let wanted = Seen {
                    blocking,
                    pending,
                    ..row.wanted
                };
                differs(row, state, wanted)
            })
            .collect();
        assert!(wrong.is_empty(), "blocking {blocking}: {wrong:#?}");
    }
}

fn differs(row: &Row, state: impl Fn(&mut Guest), wanted: Seen) -> Option<String> {
    let mut guest = (row.guest)(row.code);
    (row.prepare)(&mut guest);
    state(&mut guest);
    let before = [guest.reg(2), guest.get(vmcs::RSP), guest.get(vmcs::CR0)];
    let got = seen(&mut guest);
    let after = [guest.reg(2), guest.get(vmcs::RSP), guest.get(vmcs::CR0)];
    let untouched = before == after || wanted.rip != CODE;
    (got != wanted || !untouched).then(|| {
        format!(
            "{}:\n got    {got:x?}\n wanted {wanted:x?}\n {after:x?}",
            row.name
        )
    })
}

/// Sets bits of RFLAGS.
fn flags(guest: &mut Guest, bits: u64) {
    let value = guest.get(vmcs::RFLAGS) | bits;
    guest.set(vmcs::RFLAGS, value);
}

/// Exit reasons that this engine cannot give a client, each with the cause.
const IMPOSSIBLE: [(&[u16], &str); 9] = [
    (
        &[3, 4],
        "INIT and SIPI: the activity state that waits for them cannot be set; the local APIC inside asks by `exit_info`",
    ),
    (
        &[5, 6, 17],
        "SMM: the framework offers none, and RSM outside of it is #UD",
    ),
    (
        &[
            11, 59, 60, 65, 67, 68, 69, 70, 72, 73, 76, 77, 78, 79, 80, 81, 84, 85,
        ],
        "instructions that this CPU does not have, or whose control it does not offer: #UD",
    ),
    (
        &[34],
        "the MSR lists are the framework's, and their fields cannot be written",
    ),
    (&[41], "no machine checks"),
    (
        &[45, 56],
        "virtual-interrupt delivery and APIC-register virtualization are not offered",
    ),
    (
        &[49, 62, 66, 75],
        "mappings cannot be malformed; no log, no sub-page rights, no notify window",
    ),
    (
        &[63, 64],
        "no bit of IA32_XSS can be 1 that they could exit for",
    ),
    (&[74], "no detection of bus locks"),
];

/// Exit reasons that the rows of this module and `entries::a_refused_guest_state` cover.
fn covered() -> Vec<u64> {
    let tables = [
        system::rows(),
        operands::rows(),
        registers::rows(),
        ports::rows(),
        memory::rows(),
        exceptions::rows(),
        events::rows(),
        vectoring::rows(),
    ];
    let rows = tables.iter().flatten();
    rows.map(|row| row.wanted.reason).chain([33]).collect()
}

#[test]
fn every_exit_reason_has_a_row_or_is_impossible() {
    let covered = covered();
    let impossible: Vec<u16> = IMPOSSIBLE
        .iter()
        .flat_map(|(reasons, _)| reasons.iter().copied())
        .collect();
    for number in 0..=0xff {
        let known = ExitReason(number).value_name().is_some();
        let has_row = covered.contains(&u64::from(number));
        let is_impossible = impossible.contains(&number);
        assert_eq!(has_row || is_impossible, known, "reason {number}");
        assert!(!(has_row && is_impossible), "reason {number}");
    }
}
