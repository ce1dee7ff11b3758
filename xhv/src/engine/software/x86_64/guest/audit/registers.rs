//! Control and debug registers: qualifications, masks and shadows, CR3-target values, what comes first (SDM vol. 3, 27.1.3, tables 29-3, 29-4).

use super::system::instruction;
use super::{AT, CODE, Guest, Row, Seen, check_instructions, flat_user, nothing, row};
use crate::x86_64::entry::field::{primary, vmcs};

/// Kinds of access.
const FROM: u64 = 1 << 4;
const CLTS: u64 = 2 << 4;
const LMSW: u64 = 3 << 4;
const LMSW_MEMORY: u64 = 1 << 6;

const fn cr(number: u64, kind: u64, register: u64, length: u64) -> Seen {
    Seen {
        qualification: number | kind | register << 8,
        ..instruction(28, length)
    }
}

const fn dr(number: u64, kind: u64, register: u64, length: u64) -> Seen {
    Seen {
        qualification: number | kind | register << 8,
        ..instruction(29, length)
    }
}

fn mask_cr0(guest: &mut Guest, bits: u64) {
    guest.set(vmcs::CR0_MASK, 0x6000_0000 | bits);
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = moves();
    rows.extend(parts());
    rows.extend(debug());
    rows.push(row(
        "mov cr8, below the threshold: a trap",
        Guest::long,
        &[0x44, 0x0f, 0x22, 0xc0],
        |guest| {
            guest.on(vmcs::PRIMARY, primary::TPR_SHADOW);
            guest.set_reg(49, 0x50);
            guest.set(vmcs::TPR_THRESHOLD, 4);
            guest.set_reg(2, 3);
        },
        Seen {
            reason: 43,
            rip: CODE + 4,
            ..AT
        },
    ));
    rows
}

/// MOV to and from CR0, CR3, CR4, CR8.
fn moves() -> Vec<Row> {
    vec![
        row(
            "mov cr0, r15: WP differs from the shadow",
            Guest::long,
            &[0x41, 0x0f, 0x22, 0xc7],
            |guest| {
                mask_cr0(guest, 1 << 16);
                guest.set_reg(17, 0x8001_0031);
            },
            cr(0, 0, 15, 4),
        ),
        row(
            "mov cr0, esp: a value that is none",
            Guest::flat,
            &[0x0f, 0x22, 0xc4],
            |guest| {
                mask_cr0(guest, 1);
                guest.set(vmcs::CR0_SHADOW, 1);
                guest.set(vmcs::RSP, 0x8000_0000);
            },
            cr(0, 0, 4, 3),
        ),
        row(
            "mov cr4, rax: PGE differs from the shadow",
            Guest::long,
            &[0x0f, 0x22, 0xe0],
            |guest| {
                guest.set(vmcs::CR4_MASK, 1 << 7);
                guest.set_reg(2, 0x26a0);
            },
            cr(4, 0, 0, 3),
        ),
        row(
            "mov cr3, rdi: not among the targets that count",
            Guest::long,
            &[0x0f, 0x22, 0xdf],
            |guest| {
                guest.on(vmcs::PRIMARY, primary::CR3_LOAD);
                guest.set(vmcs::CR3_TARGET_COUNT, 1);
                guest.set(vmcs::CR3_TARGET0 + 2, 0x5000);
                guest.set_reg(7, 0x5000);
            },
            cr(3, 0, 7, 3),
        ),
        row(
            "mov r8, cr3",
            Guest::long,
            &[0x41, 0x0f, 0x20, 0xd8],
            |guest| guest.on(vmcs::PRIMARY, primary::CR3_STORE),
            cr(3, FROM, 8, 4),
        ),
        row(
            "mov cr8, r9: a value that is none",
            Guest::long,
            &[0x45, 0x0f, 0x22, 0xc1],
            |guest| {
                guest.on(vmcs::PRIMARY, primary::CR8_LOAD);
                guest.set_reg(11, 0x100);
            },
            cr(8, 0, 9, 4),
        ),
        row(
            "mov rsp, cr8",
            Guest::long,
            &[0x44, 0x0f, 0x20, 0xc4],
            |guest| guest.on(vmcs::PRIMARY, primary::CR8_STORE),
            cr(8, FROM, 4, 4),
        ),
    ]
}

/// CLTS and LMSW: no number, no register; LMSW with its source, and where that is.
fn parts() -> Vec<Row> {
    vec![
        row(
            "clts: TS is 1 in mask and shadow",
            Guest::real,
            &[0x0f, 0x06],
            |guest| {
                mask_cr0(guest, 8);
                guest.set(vmcs::CR0_SHADOW, 8);
            },
            cr(0, CLTS, 0, 2),
        ),
        row(
            "lmsw dx: PE would be set",
            Guest::real,
            &[0x0f, 0x01, 0xf2],
            |guest| {
                mask_cr0(guest, 1);
                guest.set_reg(4, 0x1_8009);
            },
            Seen {
                qualification: LMSW | 0x8009 << 16,
                ..instruction(28, 3)
            },
        ),
        row(
            "lmsw fs:[ebx + 8]: EM differs",
            Guest::flat,
            &[0x64, 0x0f, 0x01, 0x73, 8],
            |guest| {
                mask_cr0(guest, 4);
                guest.set(vmcs::ES_BASE + 8, 0x6000);
                guest.set_reg(5, 0xffff_fffc);
                guest.put(0x6004, &[5, 0x12]);
            },
            Seen {
                qualification: LMSW | LMSW_MEMORY | 0x1205 << 16,
                linear: 0x6004,
                ..instruction(28, 5)
            },
        ),
    ]
}

/// MOV DR. The exit comes before #GP for privilege and #UD for DR4 and DR5.
fn debug() -> Vec<Row> {
    let on: fn(&mut Guest) = |guest| guest.on(vmcs::PRIMARY, primary::MOV_DR);
    let extensions: fn(&mut Guest) = |guest| {
        guest.on(vmcs::PRIMARY, primary::MOV_DR);
        guest.set(vmcs::CR4, 0x2008);
        guest.set(vmcs::DR7, 0x2400);
    };
    vec![
        row(
            "mov dr7, r11",
            Guest::long,
            &[0x41, 0x0f, 0x23, 0xfb],
            on,
            dr(7, 0, 11, 4),
        ),
        row(
            "mov eax, dr6",
            Guest::real,
            &[0x0f, 0x21, 0xf0],
            on,
            dr(6, FROM, 0, 3),
        ),
        row(
            "mov dr0, ebx at level 3",
            flat_user,
            &[0x0f, 0x23, 0xc3],
            on,
            dr(0, 0, 3, 3),
        ),
        row(
            "mov dr5, ecx with CR4.DE and DR7.GD",
            Guest::flat,
            &[0x0f, 0x23, 0xe9],
            extensions,
            dr(5, 0, 1, 3),
        ),
        row(
            "mov edx, dr4 with CR4.DE",
            flat_user,
            &[0x0f, 0x21, 0xe2],
            extensions,
            dr(4, FROM, 2, 3),
        ),
    ]
}

#[test]
fn registers() {
    let (traps, instructions): (Vec<Row>, Vec<Row>) =
        rows().into_iter().partition(|row| row.wanted.reason == 43);
    check_instructions(&instructions);
    super::check(&traps);
}

#[test]
fn masks_and_shadows() {
    // mov cr0, ecx; mov eax, cr0; smsw edx; hlt
    let code = [0x0f, 0x22, 0xc1, 0x0f, 0x20, 0xc0, 0x0f, 0x01, 0xe2, 0xf4];
    let mut guest = Guest::flat(&code);
    mask_cr0(&mut guest, 0x1_000a);
    guest.set(vmcs::CR0_SHADOW, 0x6001_000a);
    guest.set_reg(3, 0x6001_003f);
    assert_eq!(guest.run(), 12, "equal to the shadow where it counts");
    assert_eq!(
        guest.get(vmcs::CR0),
        0x35,
        "masked bits stay, others are written"
    );
    assert_eq!((guest.reg(2), guest.reg(4)), (0x6001_003f, 0x6001_003f));
    // mov cr4, ecx; mov eax, cr4; hlt
    let mut guest = Guest::flat(&[0x0f, 0x22, 0xe1, 0x0f, 0x20, 0xe0, 0xf4]);
    guest.set(vmcs::CR4_MASK, 0x2080);
    guest.set(vmcs::CR4_SHADOW, 0x80);
    guest.set_reg(3, 0x688);
    assert_eq!(guest.run(), 12);
    assert_eq!((guest.get(vmcs::CR4), guest.reg(2)), (0x2608, 0x688));
    // CLTS of a TS that is masked and 0 in the shadow does nothing.
    let mut guest = Guest::flat(&[0x0f, 0x06, 0xf4]);
    mask_cr0(&mut guest, 8);
    guest.set(vmcs::CR0, 0x39);
    assert_eq!((guest.run(), guest.get(vmcs::CR0)), (12, 0x39));
    // LMSW cannot clear PE: a source without it does not exit.
    let mut guest = Guest::flat(&[0x0f, 0x01, 0xf2, 0xf4]);
    mask_cr0(&mut guest, 1);
    guest.set(vmcs::CR0_SHADOW, 1);
    guest.set_reg(4, 0xe);
    assert_eq!((guest.run(), guest.get(vmcs::CR0)), (12, 0x3f));
}

#[test]
fn target_values_do_not_exit() {
    for count in 1..=4_u32 {
        let mut guest = Guest::flat(&[0x0f, 0x22, 0xd9, 0xf4]); // mov cr3, ecx
        guest.on(vmcs::PRIMARY, primary::CR3_LOAD);
        guest.set(vmcs::CR3_TARGET_COUNT, count.into());
        guest.set(vmcs::CR3_TARGET0 + 2 * (count - 1), 0x7000);
        guest.set_reg(3, 0x7000);
        assert_eq!((guest.run(), guest.get(vmcs::CR3)), (12, 0x7000), "{count}");
    }
}

#[test]
fn what_comes_before_the_exit() {
    /// Code at level 3, and the fault's interruption information.
    const PRIVILEGED: [&[u8]; 9] = [
        &[0x0f, 0x22, 0xc1],
        &[0x0f, 0x20, 0xd8],
        &[0x0f, 0x06],
        &[0x0f, 0x01, 0xf2],
        &[0xf4],
        &[0x0f, 0x01, 0x3b],
        &[0x0f, 0x01, 0xd1],
        &[0x0f, 0x00, 0xd9],
        &[0x0f, 0x09],
    ];
    for code in PRIVILEGED {
        let mut guest = flat_user(code);
        nothing(&mut guest);
        guest.set(vmcs::CR4, 0x4_2000);
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        mask_cr0(&mut guest, 0xf);
        guest.set(vmcs::CR0_SHADOW, 8);
        guest.on(vmcs::PRIMARY, primary::CR3_STORE | primary::INVLPG);
        guest.on(
            vmcs::SECONDARY,
            crate::x86_64::entry::field::secondary::DESCRIPTOR_TABLE
                | crate::x86_64::entry::field::secondary::WBINVD,
        );
        assert_eq!(guest.run(), 0, "{code:x?}");
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), super::VALID | 0xb0d);
    }
    // The operand of LMSW is loaded first: its page fault is no exit for CR0.
    let mut guest = Guest::long(&[0x0f, 0x01, 0x34, 0x25, 0, 0, 0, 0x40]);
    mask_cr0(&mut guest, 0xf);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 14);
    assert_eq!(
        (guest.run(), guest.get(vmcs::QUALIFICATION)),
        (0, 0x4000_0000)
    );
    // MOV DR without its exit: privilege, DR4 with CR4.DE, general detect; all of them are faults that set RF.
    for (level3, code, vector, qualification) in [
        (true, &[0x0f, 0x23, 0xc3], 0xb0d_u64, 0),
        (false, &[0x0f, 0x23, 0xe3], 0x306, 0),
        (false, &[0x0f, 0x23, 0xc3], 0x301, 1 << 13),
    ] {
        let mut guest = match level3 {
            true => flat_user(code),
            false => Guest::flat(code),
        };
        guest.set(vmcs::CR4, 0x2008);
        guest.set(vmcs::DR7, 0x2400);
        guest.set(vmcs::EXCEPTION_BITMAP, 0xffff_ffff);
        assert_eq!(guest.run(), 0);
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), super::VALID | vector);
        assert_eq!(guest.get(vmcs::QUALIFICATION), qualification);
        assert_eq!(guest.get(vmcs::RFLAGS) >> 16 & 1, 1);
        assert_eq!(
            (guest.reg(47), guest.get(vmcs::DR7)),
            (0xffff_0ff0, 0x2400),
            "DR6 and GD stay"
        );
    }
}
