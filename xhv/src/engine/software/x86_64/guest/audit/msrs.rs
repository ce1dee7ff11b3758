//! Who may reach an MSR without an exit: native, managed with rights, and everything else (SDM vol. 3, 27.1.3; the framework's rules).

use super::{CODE, Guest};
use crate::x86_64::entry::field::{primary, vmcs};

const HLT: u64 = 12;
const RDMSR: u64 = 31;
const WRMSR: u64 = 32;
const READ: u32 = 1;
const WRITE: u32 = 2;
const SPEC_CTRL: u32 = 0x48;
const PRED_CMD: u32 = 0x49;
const ARCH_CAPABILITIES: u32 = 0x10a;
const FLUSH_CMD: u32 = 0x10b;
/// MSRs that can be native, with a value that each takes.
const NATIVE: [(u32, u64); 15] = [
    (0x10, 1 << 50),
    (SPEC_CTRL, 1),
    (PRED_CMD, 1),
    (0x174, 0x1234),
    (0x175, 0xffff_8000_0000_1000),
    (0x176, 0x7fff_ffff_ffff),
    (0xda0, 0),
    (0xc000_0081, 0x23_0010_1234_5678),
    (0xc000_0082, 0xffff_8000_0000_2000),
    (0xc000_0083, 0x5000),
    (0xc000_0084, 0x4700),
    (0xc000_0100, 0x7fff_0000_0000),
    (0xc000_0101, 0xffff_8000_0000_3000),
    (0xc000_0102, 0x1000),
    (0xc000_0103, 7),
];

fn guest(code: &[u8], msr: u32, value: u64) -> Guest {
    let mut guest = Guest::long(code);
    guest.on(vmcs::PRIMARY, primary::MSR_BITMAPS);
    guest.set_reg(3, 0xffff_ffff_0000_0000 | u64::from(msr));
    guest.set_reg(2, 0xdead_0000_0000_0000 | value & 0xffff_ffff);
    guest.set_reg(4, 0xbeef_0000_0000_0000 | value >> 32);
    guest
}

fn reading(msr: u32) -> Guest {
    guest(&[0x0f, 0x32, 0xf4], msr, 0)
}

fn writing(msr: u32, value: u64) -> Guest {
    guest(&[0x0f, 0x30, 0xf4], msr, value)
}

/// Where a run ends: the exit at the instruction, or the HLT behind it.
fn ends(guest: &mut Guest) -> u64 {
    let reason = guest.run();
    let rip = CODE + if reason == HLT { 2 } else { 0 };
    assert_eq!(guest.get(vmcs::RIP), rip);
    reason
}

#[test]
fn every_msr_exits_that_was_not_opened() {
    for msr in [
        0,
        0x1b,
        0x277,
        0x1fff,
        0x2000,
        0x6e0,
        0x802,
        0xc000_0080,
        0xc000_1fff,
        0xffff_ffff,
    ]
    .into_iter()
    .chain(NATIVE.map(|(msr, _)| msr))
    .filter(|&msr| msr != 0xc000_0102)
    {
        assert_eq!(ends(&mut reading(msr)), RDMSR, "{msr:#x}");
        assert_eq!(ends(&mut writing(msr, 0)), WRMSR, "{msr:#x}");
    }
}

#[test]
fn native_msrs_are_read_and_written_without_an_exit() {
    for (msr, value) in NATIVE {
        let mut guest = writing(msr, value);
        guest.on(vmcs::PRIMARY, primary::TSC_OFFSETTING);
        guest.vcpu.enable_native_msr(msr, true).unwrap();
        assert_eq!(ends(&mut guest), HLT, "{msr:#x}");
        if msr == PRED_CMD {
            continue; // a command: nothing to read
        }
        guest.put(CODE, &[0x0f, 0x32]);
        guest.set(vmcs::RIP, CODE);
        assert_eq!(ends(&mut guest), HLT, "{msr:#x}");
        let (low, high) = (guest.reg(2), guest.reg(4));
        assert_eq!(
            (low >> 32, high >> 32),
            (0, 0),
            "{msr:#x}: upper halves are cleared"
        );
        let read = high << 32 | low;
        let told = guest.vcpu.read_msr(msr).unwrap();
        match msr {
            0x10 => assert!(read >= value && told >= read, "{msr:#x}: time goes on"),
            _ => assert_eq!((read, told), (value, value), "{msr:#x}"),
        }
    }
}

#[test]
fn native_msrs_exit_without_the_bitmaps() {
    for (msr, value) in NATIVE {
        for (mut guest, reason) in [(reading(msr), RDMSR), (writing(msr, value), WRMSR)] {
            guest.vcpu.enable_native_msr(msr, true).unwrap();
            guest.off(vmcs::PRIMARY, primary::MSR_BITMAPS);
            assert_eq!(ends(&mut guest), reason, "{msr:#x}");
        }
    }
}

#[test]
fn managed_msrs_exit_by_their_rights() {
    for (msr, value, grantable) in [
        (SPEC_CTRL, 1, READ | WRITE),
        (PRED_CMD, 1, WRITE),
        (ARCH_CAPABILITIES, 0, READ),
        (FLUSH_CMD, 1, WRITE),
        (0x1c9, 3, READ | WRITE),
        (0x680, 0x1234_5678_9abc, READ | WRITE),
    ] {
        for rights in 0..=READ | WRITE {
            let open = |mut guest: Guest| {
                guest.vcpu.enable_managed_msr(msr, true).unwrap();
                let granted = guest.vcpu.set_msr_access(msr, rights);
                assert_eq!(
                    granted.is_ok(),
                    rights & !grantable == 0,
                    "{msr:#x} {rights}"
                );
                granted.is_ok().then_some(guest)
            };
            let Some(mut reader) = open(reading(msr)) else {
                continue;
            };
            let wanted = if rights & READ != 0 { HLT } else { RDMSR };
            assert_eq!(ends(&mut reader), wanted, "{msr:#x} {rights}");
            let Some(mut writer) = open(writing(msr, value)) else {
                continue;
            };
            let wanted = if rights & WRITE != 0 { HLT } else { WRMSR };
            assert_eq!(ends(&mut writer), wanted, "{msr:#x} {rights}");
            if rights & WRITE != 0 && grantable & READ != 0 {
                assert_eq!(writer.vcpu.read_msr(msr), Ok(value), "{msr:#x}");
            }
            writer.vcpu.enable_managed_msr(msr, false).unwrap();
            writer.set(vmcs::RIP, CODE);
            assert_eq!(ends(&mut writer), WRMSR, "{msr:#x}: unbound");
        }
    }
}

#[test]
fn values_that_an_msr_does_not_take_are_faults() {
    for (msr, value) in [
        (SPEC_CTRL, 1 << 63),
        (PRED_CMD, 2),
        (0x175, 0x8000_0000_0000),
        (0x176, 1 << 63),
        (0xda0, 1 << 8),
        (0xc000_0082, 0x8000_0000_0000),
        (0xc000_0084, 1 << 32),
        (0xc000_0101, 0x8000_0000_0000),
        (0xc000_0103, 1 << 32),
    ] {
        let mut guest = writing(msr, value);
        guest.vcpu.enable_native_msr(msr, true).unwrap();
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        assert_eq!(ends(&mut guest), 0, "{msr:#x}");
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), super::VALID | 0xb0d);
    }
}
