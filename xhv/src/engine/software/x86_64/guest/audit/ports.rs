//! IN, OUT, INS, OUTS: qualification, linear address, instruction information (SDM vol. 3, tables 29-5 and 29-8).

use super::system::instruction;
use super::{Guest, Row, Seen, check_instructions, flat_user, long_user, nothing, row};
use crate::x86_64::entry::field::vmcs;

const IN: u64 = 1 << 3;
const STRING: u64 = 1 << 4;
const REP: u64 = 1 << 5;
const IMMEDIATE: u64 = 1 << 6;
const A32: u64 = 1 << 7;
const A64: u64 = 2 << 7;

const fn port(number: u64, bits: u64, length: u64) -> Seen {
    Seen {
        qualification: number << 16 | bits,
        ..instruction(30, length)
    }
}

const fn string(bits: u64, length: u64, linear: u64, information: u64) -> Seen {
    Seen {
        linear,
        information,
        ..port(0x1f0, bits | STRING, length)
    }
}

const fn segment(number: u64) -> u64 {
    number << 15
}

/// DX, SI and DI of all rows.
fn registers(guest: &mut Guest) {
    guest.set_reg(4, 0xdead_01f0);
    guest.set_reg(6, 0x700);
    guest.set_reg(7, 0x900);
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = plain();
    rows.extend(inputs());
    rows.extend(outputs());
    rows.extend(faults_that_come_later());
    rows
}

fn plain() -> Vec<Row> {
    let free: fn(&mut Guest) = |guest| guest.set(vmcs::RFLAGS, 0x3002);
    vec![
        row(
            "in al, 60h",
            Guest::real,
            &[0xe4, 0x60],
            nothing,
            port(0x60, IN | IMMEDIATE, 2),
        ),
        row(
            "in ax, ffh",
            Guest::real,
            &[0xe5, 0xff],
            nothing,
            port(0xff, IN | IMMEDIATE | 1, 2),
        ),
        row(
            "in eax, 60h",
            Guest::flat,
            &[0xe5, 0x60],
            nothing,
            port(0x60, IN | IMMEDIATE | 3, 2),
        ),
        row(
            "out 61h, al",
            Guest::real,
            &[0xe6, 0x61],
            nothing,
            port(0x61, IMMEDIATE, 2),
        ),
        row(
            "out 61h, ax",
            Guest::flat,
            &[0x66, 0xe7, 0x61],
            nothing,
            port(0x61, IMMEDIATE | 1, 3),
        ),
        row(
            "in al, dx",
            flat_user,
            &[0xec],
            |guest| {
                guest.set(vmcs::RFLAGS, 0x3002);
                registers(guest);
            },
            port(0x1f0, IN, 1),
        ),
        row(
            "in eax, dx",
            Guest::real,
            &[0x66, 0xed],
            registers,
            port(0x1f0, IN | 3, 2),
        ),
        row(
            "out dx, al",
            Guest::real,
            &[0xee],
            registers,
            port(0x1f0, 0, 1),
        ),
        row(
            "out dx, ax",
            Guest::real,
            &[0xef],
            registers,
            port(0x1f0, 1, 1),
        ),
        row(
            "rep out dx, eax: the prefix means nothing",
            Guest::long,
            &[0xf3, 0xef],
            registers,
            port(0x1f0, 3, 2),
        ),
        row(
            "out ffh, eax at level 3",
            long_user,
            &[0xe7, 0xff],
            free,
            port(0xff, IMMEDIATE | 3, 2),
        ),
    ]
}

/// INS: always ES, no override.
fn inputs() -> Vec<Row> {
    vec![
        row(
            "insb",
            Guest::real,
            &[0x6c],
            |guest| {
                registers(guest);
                guest.set_reg(7, 0x1_0900);
                guest.set(vmcs::ES_BASE, 0x4000);
            },
            string(IN, 1, 0x4900, 0),
        ),
        row(
            "rep insw; the segment override means nothing",
            Guest::real,
            &[0xf3, 0x2e, 0x6d],
            |guest| {
                registers(guest);
                guest.set_reg(3, 2);
            },
            string(IN | REP | 1, 3, 0x900, 0),
        ),
        row(
            "repne insd",
            Guest::flat,
            &[0xf2, 0x6d],
            |guest| {
                registers(guest);
                guest.set_reg(3, 2);
            },
            string(IN | REP | 3, 2, 0x900, A32),
        ),
        row(
            "insd [edi] in 64-bit mode",
            Guest::long,
            &[0x67, 0x6d],
            |guest| {
                registers(guest);
                guest.set_reg(7, 0xffff_0000_0000_0900);
            },
            string(IN | 3, 2, 0x900, A32),
        ),
        row(
            "insb [rdi], anywhere",
            Guest::long,
            &[0x6c],
            |guest| {
                registers(guest);
                guest.set_reg(7, 0xffff_8000_0000_0900);
            },
            string(IN, 1, 0xffff_8000_0000_0900, A64),
        ),
    ]
}

/// OUTS: DS, or the override.
fn outputs() -> Vec<Row> {
    vec![
        row(
            "outsb",
            Guest::real,
            &[0x6e],
            registers,
            string(0, 1, 0x700, segment(3)),
        ),
        row(
            "outsw es:[esi]",
            Guest::real,
            &[0x26, 0x67, 0x6f],
            |guest| {
                registers(guest);
                guest.set(vmcs::ES_BASE, 0x300);
            },
            string(1, 3, 0xa00, A32),
        ),
        row(
            "rep outsd ss:[si]",
            Guest::flat,
            &[0xf3, 0x36, 0x67, 0x6f],
            |guest| {
                registers(guest);
                guest.set_reg(3, 1);
                guest.set_reg(6, 0x5_0700);
            },
            string(REP | 3, 4, 0x700, segment(2)),
        ),
        row(
            "outsb gs:[rsi]",
            Guest::long,
            &[0x65, 0x6e],
            |guest| {
                registers(guest);
                guest.set(vmcs::ES_BASE + 10, 0x1_0000_0000);
            },
            string(0, 2, 0x1_0000_0700, A64 | segment(5)),
        ),
        row(
            "outsb cs:[rsi]: no base in 64-bit mode",
            Guest::long,
            &[0x2e, 0x6e],
            registers,
            string(0, 2, 0x700, A64 | segment(1)),
        ),
    ]
}

/// What the exit comes before (SDM vol. 3, 27.1.1): a segment that is not usable, a limit, alignment, pages.
fn faults_that_come_later() -> Vec<Row> {
    vec![
        row(
            "outsb through a null segment",
            Guest::flat,
            &[0x6e],
            |guest| {
                registers(guest);
                guest.set(vmcs::ES_RIGHTS + 6, 0x1_0000);
            },
            string(0, 1, 0x700, A32 | segment(3)),
        ),
        row(
            "insd over the limit",
            Guest::real,
            &[0x66, 0x6d],
            |guest| {
                registers(guest);
                guest.set_reg(7, 0xfffd);
            },
            string(IN | 3, 2, 0xfffd, 0),
        ),
        row(
            "insb into a segment that is read-only",
            Guest::flat,
            &[0x6c],
            |guest| {
                registers(guest);
                guest.set(vmcs::ES_RIGHTS, 0xc091);
            },
            string(IN, 1, 0x900, A32),
        ),
        row(
            "outsd, not aligned, with alignment checks",
            flat_user,
            &[0x6f],
            |guest| {
                registers(guest);
                guest.set_reg(6, 0x701);
                guest.set(vmcs::RFLAGS, 0x4_3002);
                guest.set(vmcs::CR0, 0x4_0031);
            },
            string(3, 1, 0x701, A32 | segment(3)),
        ),
        row(
            "outsb from a page that is not there",
            Guest::long,
            &[0x6e],
            |guest| {
                registers(guest);
                guest.set_reg(6, 0x4000_0000);
            },
            string(0, 1, 0x4000_0000, A64 | segment(3)),
        ),
    ]
}

#[test]
fn ports() {
    check_instructions(&rows());
}

#[test]
fn a_repetition_without_elements_does_nothing() {
    let mut guest = Guest::real(&[0xf3, 0x6c, 0xf4]);
    guest.set_reg(3, 0x1_0000);
    assert_eq!(guest.run(), 12, "CX is 0");
}

#[test]
fn the_permission_map_comes_before_the_exit() {
    for code in [&[0xe4, 0x60][..], &[0x6c], &[0xf3, 0x6e]] {
        let mut guest = flat_user(code);
        registers(&mut guest);
        guest.set_reg(3, 1);
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        assert_eq!(guest.run(), 0, "{code:x?}: no map inside the limit");
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), super::VALID | 0xb0d);
    }
}
