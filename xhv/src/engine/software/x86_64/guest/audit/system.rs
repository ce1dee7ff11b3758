//! Instructions that exit by themselves or by a control, without further information: reason and length (SDM vol. 3, 27.1.2, 27.1.3).

use super::{AT, Guest, Row, Seen, check_instructions, flat_user, long_user, nothing, row};
use crate::x86_64::entry::field::{bit, primary, secondary, vmcs};

/// An exit of an instruction of `length` bytes.
pub(super) const fn instruction(reason: u64, length: u64) -> Seen {
    Seen {
        reason,
        length,
        ..AT
    }
}

fn with_primary(guest: &mut Guest, bits: u32) {
    guest.on(vmcs::PRIMARY, bits);
}

pub(super) fn rows() -> Vec<Row> {
    [unconditional(), by_control(), addresses(), vmx()]
        .into_iter()
        .flatten()
        .collect()
}

fn unconditional() -> Vec<Row> {
    let exit = instruction;
    vec![
        row("cpuid", Guest::real, &[0x0f, 0xa2], nothing, exit(10, 2)),
        row(
            "cpuid at level 3",
            long_user,
            &[0x0f, 0xa2],
            nothing,
            exit(10, 2),
        ),
        row(
            "repne cpuid",
            Guest::flat,
            &[0xf2, 0x0f, 0xa2],
            nothing,
            exit(10, 3),
        ),
        row("invd", Guest::real, &[0x0f, 0x08], nothing, exit(13, 2)),
        row(
            "xsetbv of a register that is none, with a value that is none",
            Guest::real,
            &[0x0f, 0x01, 0xd1],
            |guest| {
                guest.set(vmcs::CR4, 0x4_2000);
                guest.set_reg(3, 7);
            },
            exit(55, 3),
        ),
        row(
            "vmcall",
            Guest::real,
            &[0x0f, 0x01, 0xc1],
            nothing,
            exit(18, 3),
        ),
        row(
            "vmcall at level 3",
            long_user,
            &[0x0f, 0x01, 0xc1],
            nothing,
            exit(18, 3),
        ),
    ]
}

fn by_control() -> Vec<Row> {
    let exit = instruction;
    let time: fn(&mut Guest) = |guest| with_primary(guest, primary::RDTSC);
    vec![
        row("hlt", Guest::real, &[0xf4], nothing, exit(12, 1)),
        row(
            "hlt with a prefix",
            Guest::long,
            &[0x48, 0xf4],
            nothing,
            exit(12, 2),
        ),
        row(
            "wbinvd",
            Guest::real,
            &[0x0f, 0x09],
            |guest| guest.on(vmcs::SECONDARY, secondary::WBINVD),
            exit(54, 2),
        ),
        row(
            "wbnoinvd",
            Guest::long,
            &[0xf3, 0x0f, 0x09],
            |guest| guest.on(vmcs::SECONDARY, secondary::WBINVD),
            exit(54, 3),
        ),
        row("rdtsc", Guest::real, &[0x0f, 0x31], time, exit(16, 2)),
        row(
            "rdtsc at level 3",
            flat_user,
            &[0x0f, 0x31],
            time,
            exit(16, 2),
        ),
        row(
            "rdtscp",
            Guest::long,
            &[0x0f, 0x01, 0xf9],
            |guest| {
                with_primary(guest, primary::RDTSC);
                guest.on(vmcs::SECONDARY, secondary::RDTSCP);
            },
            exit(51, 3),
        ),
        row("rdpmc", Guest::real, &[0x0f, 0x33], nothing, exit(15, 2)),
        row(
            "rdpmc at level 3",
            flat_user,
            &[0x0f, 0x33],
            |guest| guest.set(vmcs::CR4, 0x2100),
            exit(15, 2),
        ),
        row(
            "rdmsr of none",
            Guest::real,
            &[0x0f, 0x32],
            nothing,
            exit(31, 2),
        ),
        row(
            "wrmsr of none",
            Guest::long,
            &[0x0f, 0x30],
            nothing,
            exit(32, 2),
        ),
        row(
            "pause",
            flat_user,
            &[0xf3, 0x90],
            |guest| with_primary(guest, primary::PAUSE),
            exit(40, 2),
        ),
        row(
            "monitor",
            Guest::real,
            &[0x0f, 0x01, 0xc8],
            |guest| with_primary(guest, primary::MONITOR),
            exit(39, 3),
        ),
        // Nothing ever arms the monitor: MONITOR is #UD where it does not exit. Bit 0 of the qualification is 0.
        row(
            "mwait",
            Guest::real,
            &[0x0f, 0x01, 0xc9],
            |guest| with_primary(guest, primary::MWAIT),
            exit(36, 3),
        ),
    ]
}

/// INVLPG: the qualification is the linear address.
fn addresses() -> Vec<Row> {
    let exit = |qualification, length| Seen {
        qualification,
        ..instruction(14, length)
    };
    let on: fn(&mut Guest) = |guest| with_primary(guest, primary::INVLPG);
    vec![
        row(
            "invlpg [bx + di - 1], with wrap of the offset and a base",
            Guest::real,
            &[0x0f, 0x01, 0x79, 0xff],
            |guest| {
                with_primary(guest, primary::INVLPG);
                guest.set_reg(5, 0xffff);
                guest.set_reg(7, 0x12);
                guest.set(vmcs::ES_BASE + 6, 0x1_0000);
            },
            exit(0x1_0010, 4),
        ),
        row(
            "invlpg gs:[ebx], with wrap of the linear address",
            Guest::flat,
            &[0x65, 0x0f, 0x01, 0x3b],
            |guest| {
                with_primary(guest, primary::INVLPG);
                guest.set_reg(5, 0xffff_fff0);
                guest.set(vmcs::ES_BASE + 10, 0x30);
            },
            exit(0x20, 4),
        ),
        row(
            "invlpg through a null segment, beyond any limit",
            Guest::flat,
            &[0x26, 0x0f, 0x01, 0x3b],
            |guest| {
                with_primary(guest, primary::INVLPG);
                guest.set_reg(5, 0x4567);
                guest.set(vmcs::ES, 0);
                guest.set(vmcs::ES_LIMIT, 0);
                guest.set(vmcs::ES_RIGHTS, 0x1_0000);
            },
            exit(0x4567, 4),
        ),
        row(
            "invlpg of what is not canonical; DS has no base in 64-bit mode",
            Guest::long,
            &[0x0f, 0x01, 0x3b],
            |guest| {
                with_primary(guest, primary::INVLPG);
                guest.set_reg(5, 0x8000_1234_5678_9abc);
                guest.set(vmcs::ES_BASE + 6, 0x1000);
            },
            exit(0x8000_1234_5678_9abc, 3),
        ),
        row(
            "invlpg [eip + 10h]",
            Guest::long,
            &[0x67, 0x0f, 0x01, 0x3d, 0x10, 0, 0, 0],
            on,
            exit(super::CODE + 8 + 0x10, 8),
        ),
    ]
}

/// VMX instructions without operands. Privilege does not count.
fn vmx() -> Vec<Row> {
    let exit = instruction;
    vec![
        row(
            "vmlaunch",
            Guest::flat,
            &[0x0f, 0x01, 0xc2],
            nothing,
            exit(20, 3),
        ),
        row(
            "vmresume",
            flat_user,
            &[0x0f, 0x01, 0xc3],
            nothing,
            exit(24, 3),
        ),
        row(
            "vmxoff",
            long_user,
            &[0x0f, 0x01, 0xc4],
            nothing,
            exit(26, 3),
        ),
    ]
}

#[test]
fn system_instructions() {
    check_instructions(&rows());
}

#[test]
fn a_loop_around_pause_exits_with_its_length() {
    // A loop begins anew with each entry: its first PAUSE does not exit, whatever the window is.
    for round in 0..3 {
        let mut guest = Guest::real(&[0xf3, 0x90, 0xf4]);
        guest.on(vmcs::SECONDARY, secondary::PAUSE_LOOP);
        guest.set(vmcs::PLE_GAP, 0xffff_ffff);
        for _ in 0..=round {
            guest.set(vmcs::RIP, super::CODE);
            assert_eq!(guest.run(), 12, "one PAUSE is no loop");
        }
    }
    // At privilege level 3 it never exits.
    let mut guest = flat_user(&[0xf3, 0x90, 0xf3, 0x90, 0x0f, 0xa2]);
    guest.on(vmcs::SECONDARY, secondary::PAUSE_LOOP);
    guest.set(vmcs::PLE_GAP, 0xffff_ffff);
    assert_eq!(guest.run(), 10);
}

#[test]
fn what_this_cpu_does_not_have_is_undefined() {
    for (name, code) in [
        ("getsec", &[0x0f, 0x37][..]),
        ("rsm", &[0x0f, 0xaa]),
        ("vmfunc", &[0x0f, 0x01, 0xd4]),
        ("encls", &[0x0f, 0x01, 0xcf]),
        ("enclv", &[0x0f, 0x01, 0xc0]),
        ("pconfig", &[0x0f, 0x01, 0xc5]),
        ("umonitor eax", &[0xf3, 0x0f, 0xae, 0xf0]),
        ("umwait eax", &[0xf2, 0x0f, 0xae, 0xf0]),
        ("tpause eax", &[0x66, 0x0f, 0xae, 0xf0]),
        ("lock cpuid", &[0xf0, 0x0f, 0xa2]),
        ("lock hlt", &[0xf0, 0xf4]),
        ("invpcid, its control off", &[0x66, 0x0f, 0x38, 0x82, 0x08]),
        ("rdtscp, its control off", &[0x0f, 0x01, 0xf9]),
        ("rdpid, its control off", &[0xf3, 0x0f, 0xc7, 0xf9]),
        ("xsaves, its control off", &[0x0f, 0xc7, 0x28]),
        ("mov cr1, rax", &[0x0f, 0x22, 0xc8]),
        ("mov cr9, rax", &[0x44, 0x0f, 0x22, 0xc8]),
        ("mov rax, dr8", &[0x44, 0x0f, 0x21, 0xc0]),
    ] {
        for ts in [0, 8] {
            let mut guest = Guest::long(code);
            guest.set(vmcs::CR4, 0x4_2620);
            guest.set(vmcs::CR0, 0x8000_0031 | ts);
            guest.set(vmcs::EXCEPTION_BITMAP, 1 << 6);
            guest.on(
                vmcs::PRIMARY,
                primary::MOV_DR | primary::INVLPG | primary::RDTSC,
            );
            assert_eq!(guest.run(), 0, "{name}");
            assert_eq!(
                guest.get(vmcs::EXIT_INTERRUPTION),
                super::VALID | 0x306,
                "{name}"
            );
            assert_eq!(
                guest.get(vmcs::RFLAGS) & bit::FLAG_RF,
                bit::FLAG_RF,
                "{name}"
            );
        }
    }
}
