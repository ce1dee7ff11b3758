//! Instructions whose exit describes their operands: displacement as qualification, VM-exit instruction information (SDM vol. 3, 29.2.1,
//! tables 29-9 to 29-16).

use super::system::instruction;
use super::{CODE, Guest, Row, Seen, check_instructions, flat_user, long_user, nothing, row};
use crate::x86_64::entry::field::{primary, secondary, vmcs};

/// No index register, no base register.
const NO_INDEX: u64 = 1 << 22;
const NO_BASE: u64 = 1 << 27;
const REGISTER: u64 = 1 << 10;
/// Address sizes.
const A16: u64 = 0;
const A32: u64 = 1 << 7;
const A64: u64 = 2 << 7;
/// Segments.
const ES: u64 = 0;
const SS: u64 = 2 << 15;
const DS: u64 = 3 << 15;
const FS: u64 = 4 << 15;

const fn base(number: u64) -> u64 {
    number << 23
}

const fn index(number: u64, scale: u64) -> u64 {
    number << 18 | scale
}

const fn register1(number: u64) -> u64 {
    number << 3
}

/// The second register, or which instruction it is.
const fn top(number: u64) -> u64 {
    number << 28
}

const fn exit(reason: u64, length: u64, qualification: u64, information: u64) -> Seen {
    Seen {
        qualification,
        information,
        ..instruction(reason, length)
    }
}

pub(super) fn rows() -> Vec<Row> {
    [
        tables(),
        selectors(),
        vmx_memory(),
        vmx_fields(),
        invalidations(),
        random(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn table_exits(guest: &mut Guest) {
    guest.on(vmcs::SECONDARY, secondary::DESCRIPTOR_TABLE);
}

/// SGDT, SIDT, LGDT, LIDT. Bit 11 is the operand size; in 64-bit mode it is undefined, and 1 here.
fn tables() -> Vec<Row> {
    const O32: u64 = 1 << 11;
    vec![
        row(
            "sgdt [bp + si + 7fh]",
            Guest::real,
            &[0x0f, 0x01, 0x42, 0x7f],
            table_exits,
            exit(46, 4, 0x7f, top(0) | base(5) | index(6, 0) | SS | A16),
        ),
        row(
            "lidt [500h], 32-bit operand",
            Guest::real,
            &[0x66, 0x0f, 0x01, 0x1e, 0, 5],
            table_exits,
            exit(46, 6, 0x500, top(3) | O32 | NO_BASE | NO_INDEX | DS | A16),
        ),
        row(
            "lgdt es:[esp], 32-bit address in 16-bit code",
            Guest::real,
            &[0x26, 0x67, 0x0f, 0x01, 0x14, 0x24],
            table_exits,
            exit(46, 6, 0, top(2) | base(4) | NO_INDEX | ES | A32),
        ),
        row(
            "sidt [eax] at level 3",
            flat_user,
            &[0x0f, 0x01, 0x08],
            table_exits,
            exit(46, 3, 0, top(1) | O32 | base(0) | NO_INDEX | DS | A32),
        ),
        row(
            "lgdt [rip - 1]",
            Guest::long,
            &[0x0f, 0x01, 0x15, 0xff, 0xff, 0xff, 0xff],
            table_exits,
            exit(
                46,
                7,
                CODE + 6,
                top(2) | O32 | NO_BASE | NO_INDEX | DS | A64,
            ),
        ),
    ]
}

/// SLDT, STR, LLDT, LTR.
fn selectors() -> Vec<Row> {
    vec![
        row(
            "sldt [eax + ecx * 4 + 10h]",
            Guest::flat,
            &[0x0f, 0x00, 0x44, 0x88, 0x10],
            table_exits,
            exit(47, 5, 0x10, top(0) | base(0) | index(1, 2) | DS | A32),
        ),
        row(
            "str ecx at level 3",
            flat_user,
            &[0x0f, 0x00, 0xc9],
            table_exits,
            exit(47, 3, 0, top(1) | REGISTER | register1(1)),
        ),
        row(
            "lldt [ebx * 2 + 92345678h]",
            Guest::flat,
            &[0x0f, 0x00, 0x14, 0x5d, 0x78, 0x56, 0x34, 0x92],
            table_exits,
            exit(
                47,
                8,
                0xffff_ffff_9234_5678,
                top(2) | NO_BASE | index(3, 1) | DS | A32,
            ),
        ),
        row(
            "ltr r8w, of a selector that is none",
            Guest::long,
            &[0x41, 0x0f, 0x00, 0xd8],
            table_exits,
            exit(47, 4, 0, top(3) | REGISTER | register1(8)),
        ),
    ]
}

/// VMCLEAR, VMPTRLD, VMPTRST, VMXON.
fn vmx_memory() -> Vec<Row> {
    vec![
        row(
            "vmclear [esp], in 64-bit mode",
            Guest::long,
            &[0x67, 0x66, 0x0f, 0xc7, 0x34, 0x24],
            nothing,
            exit(19, 6, 0, base(4) | NO_INDEX | SS | A32),
        ),
        row(
            "vmptrld fs:[rbp]",
            Guest::long,
            &[0x64, 0x0f, 0xc7, 0x75, 0],
            nothing,
            exit(21, 5, 0, base(5) | NO_INDEX | FS | A64),
        ),
        row(
            "vmptrst [eax] at level 3",
            flat_user,
            &[0x0f, 0xc7, 0x38],
            nothing,
            exit(22, 3, 0, base(0) | NO_INDEX | DS | A32),
        ),
        row(
            "vmxon [r13 + r12 * 8 - 80h]",
            Guest::long,
            &[0xf3, 0x43, 0x0f, 0xc7, 0x74, 0xe5, 0x80],
            nothing,
            exit(27, 7, !0x7f, base(13) | index(12, 3) | DS | A64),
        ),
    ]
}

/// VMREAD and VMWRITE: register 1 is the operand that may be memory, register 2 holds the encoding.
fn vmx_fields() -> Vec<Row> {
    vec![
        row(
            "vmread [rip + 10h], rax",
            Guest::long,
            &[0x0f, 0x78, 0x05, 0x10, 0, 0, 0],
            nothing,
            exit(
                23,
                7,
                CODE + 7 + 0x10,
                top(0) | NO_BASE | NO_INDEX | DS | A64,
            ),
        ),
        row(
            "vmread r9, r10",
            long_user,
            &[0x45, 0x0f, 0x78, 0xd1],
            nothing,
            exit(23, 4, 0, top(10) | REGISTER | register1(9)),
        ),
        row(
            "vmwrite rax, [rbx + r8 * 4 - 8]",
            Guest::long,
            &[0x42, 0x0f, 0x79, 0x44, 0x83, 0xf8],
            nothing,
            exit(25, 6, !7, top(0) | base(3) | index(8, 2) | DS | A64),
        ),
        row(
            "vmwrite edi, esi",
            Guest::flat,
            &[0x0f, 0x79, 0xfe],
            nothing,
            exit(25, 3, 0, top(7) | REGISTER | register1(6)),
        ),
        row(
            "vmread of a shadow field that is not open",
            Guest::long,
            &[0x0f, 0x78, 0xc1],
            |guest| {
                guest.on(vmcs::SECONDARY, secondary::VMCS_SHADOWING);
                guest.vcpu.set_shadow_access(vmcs::RIP, 2).unwrap();
                guest.set_reg(2, vmcs::RIP.into());
            },
            exit(23, 3, 0, top(0) | REGISTER | register1(1)),
        ),
        row(
            "vmwrite of an encoding with high bits",
            Guest::long,
            &[0x0f, 0x79, 0xc1],
            |guest| {
                guest.on(vmcs::SECONDARY, secondary::VMCS_SHADOWING);
                guest.vcpu.set_shadow_access(vmcs::RIP, 3).unwrap();
                guest.set_reg(2, 1 << 32 | u64::from(vmcs::RIP));
            },
            exit(25, 3, 0, top(0) | REGISTER | register1(1)),
        ),
    ]
}

/// INVEPT, INVVPID, INVPCID.
fn invalidations() -> Vec<Row> {
    let invpcid: fn(&mut Guest) = |guest| {
        guest.on(vmcs::PRIMARY, primary::INVLPG);
        guest.on(vmcs::SECONDARY, secondary::INVPCID);
    };
    vec![
        row(
            "invept rcx, [rdx]",
            Guest::long,
            &[0x66, 0x0f, 0x38, 0x80, 0x0a],
            nothing,
            exit(50, 5, 0, top(1) | base(2) | NO_INDEX | DS | A64),
        ),
        row(
            "invvpid r15, [r14 + rcx * 8 + 12345678h]",
            long_user,
            &[
                0x66, 0x45, 0x0f, 0x38, 0x81, 0xbc, 0xce, 0x78, 0x56, 0x34, 0x12,
            ],
            nothing,
            exit(
                53,
                11,
                0x1234_5678,
                top(15) | base(14) | index(1, 3) | DS | A64,
            ),
        ),
        row(
            "invpcid ecx, [ebx]",
            Guest::flat,
            &[0x66, 0x0f, 0x38, 0x82, 0x0b],
            invpcid,
            exit(58, 5, 0, top(1) | base(3) | NO_INDEX | DS | A32),
        ),
        row(
            "invpcid of a type that is none, from memory that is none",
            Guest::real,
            &[0x66, 0x0f, 0x38, 0x82, 0x0e, 0xff, 0xff],
            invpcid,
            exit(58, 7, 0xffff, top(1) | NO_BASE | NO_INDEX | DS | A16),
        ),
    ]
}

/// RDRAND and RDSEED: destination and operand size.
fn random() -> Vec<Row> {
    let rand: fn(&mut Guest) = |guest| guest.on(vmcs::SECONDARY, secondary::RDRAND);
    let seed: fn(&mut Guest) = |guest| guest.on(vmcs::SECONDARY, secondary::RDSEED);
    let size = |number: u64| number << 11;
    vec![
        row(
            "rdrand bx",
            flat_user,
            &[0x66, 0x0f, 0xc7, 0xf3],
            rand,
            exit(57, 4, 0, register1(3) | size(0)),
        ),
        row(
            "rdrand esp",
            Guest::flat,
            &[0x0f, 0xc7, 0xf4],
            rand,
            exit(57, 3, 0, register1(4) | size(1)),
        ),
        row(
            "rdrand r12",
            Guest::long,
            &[0x49, 0x0f, 0xc7, 0xf4],
            rand,
            exit(57, 4, 0, register1(12) | size(2)),
        ),
        row(
            "rdseed edi",
            Guest::flat,
            &[0x0f, 0xc7, 0xff],
            seed,
            exit(61, 3, 0, register1(7) | size(1)),
        ),
        row(
            "rdseed r15",
            Guest::long,
            &[0x49, 0x0f, 0xc7, 0xff],
            seed,
            exit(61, 4, 0, register1(15) | size(2)),
        ),
    ]
}

#[test]
fn operands() {
    check_instructions(&rows());
}

#[test]
fn an_open_shadow_field_wants_privilege() {
    for code in [&[0x0f, 0x78, 0xc1][..], &[0x0f, 0x79, 0xc1]] {
        let mut guest = long_user(code);
        guest.on(vmcs::SECONDARY, secondary::VMCS_SHADOWING);
        guest.vcpu.set_shadow_access(vmcs::RIP, 3).unwrap();
        guest.set_reg(2, vmcs::RIP.into());
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        assert_eq!(guest.run(), 0);
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), super::VALID | 0xb0d);
    }
    // Outside of 64-bit mode the encoding is 32 bits of the register.
    let mut guest = Guest::flat(&[0x0f, 0x78, 0xc1, 0xf4]);
    guest.on(vmcs::SECONDARY, secondary::VMCS_SHADOWING);
    guest.vcpu.set_shadow_access(vmcs::RIP, 1).unwrap();
    guest.set_reg(2, 1 << 40 | u64::from(vmcs::RIP));
    assert_eq!(guest.run(), 12);
}
