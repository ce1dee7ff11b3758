//! Instructions that exit or not, by controls, masks, privilege and what the VMM has set up; `audit` has every field of each exit.

use super::{CODE, Guest, STACK};
use crate::x86_64::entry::field::{primary, secondary, vmcs};

/// What an exit has to show.
#[derive(Debug, PartialEq)]
struct Seen {
    reason: u64,
    qualification: u64,
    len: u64,
}

fn seen(guest: &mut Guest) -> Seen {
    let reason = guest.run();
    assert_eq!(guest.get(vmcs::RIP), CODE, "RIP stays at the instruction");
    Seen {
        reason,
        qualification: guest.get(vmcs::QUALIFICATION),
        len: guest.get(vmcs::EXIT_LENGTH),
    }
}

fn expect(guest: &mut Guest, reason: u64, qualification: u64, len: u64) {
    let wanted = Seen {
        reason,
        qualification,
        len,
    };
    assert_eq!(seen(guest), wanted);
}

/// Runs `code` in real mode with primary and secondary controls.
fn real(code: &[u8], primary: u32, secondary: u32) -> Guest {
    let mut guest = Guest::real(code);
    guest.on(vmcs::PRIMARY, primary);
    guest.on(vmcs::SECONDARY, secondary);
    guest
}

#[test]
fn without_the_control_they_do_not_exit() {
    use secondary as s;
    for (code, secondary) in [
        (&[0x0f, 0x09][..], 0),
        (&[0x0f, 0x31], 0),
        (&[0x0f, 0x01, 0xf9], s::RDTSCP),
        (&[0xf3, 0x90], 0),
        (&[0x0f, 0x20, 0xd8], 0),
        (&[0x0f, 0x22, 0xd8], 0),
        (&[0x0f, 0x21, 0xc0], 0),
        (&[0x0f, 0x06], 0),
        (&[0x0f, 0x01, 0x3f], 0),
        (&[0x0f, 0xc7, 0xf0], 0),
    ] {
        let mut guest = real(&[code, &[0xf4]].concat(), 0, secondary);
        assert_eq!(guest.run(), 12, "{code:x?}");
        assert_eq!(guest.get(vmcs::RIP), CODE + code.len() as u64);
    }
}

#[test]
fn xsetbv_needs_osxsave() {
    let mut guest = Guest::real(&[0x0f, 0x01, 0xd1]);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 6);
    assert_eq!(guest.run(), 0);
    guest.set(vmcs::CR4, 0x4_2000);
    expect(&mut guest, 55, 0, 3);
}

#[test]
fn control_registers() {
    let mut guest = real(&[0x0f, 0x22, 0xdb], primary::CR3_LOAD, 0); // mov cr3, ebx
    guest.set_reg(5, 0x5000);
    expect(&mut guest, 28, 0x303, 3);
    guest.set(vmcs::CR3_TARGET_COUNT, 1);
    guest.set(vmcs::CR3_TARGET0, 0x5000);
    guest.put(CODE + 3, &[0xf4]);
    assert_eq!((guest.run(), guest.get(vmcs::CR3)), (12, 0x5000));
    expect(
        &mut real(&[0x0f, 0x20, 0xda], primary::CR3_STORE, 0),
        28,
        0x213,
        3,
    );
    let mut guest = Guest::real(&[0x0f, 0x22, 0xc1, 0xf4]); // mov cr0, ecx
    guest.set(vmcs::CR0_MASK, 0x6000_0001);
    guest.set_reg(3, 0x31);
    expect(&mut guest, 28, 0x100, 3);
    guest.set(vmcs::CR0_SHADOW, 1);
    assert_eq!(guest.run(), 12, "equal to the shadow");
    assert_eq!(guest.get(vmcs::CR0), 0x30, "masked bits stay");
    let mut guest = Guest::real(&[0x0f, 0x20, 0xc0, 0xf4]); // mov eax, cr0
    guest.set(vmcs::CR0_MASK, 0x6000_0001);
    guest.set(vmcs::CR0_SHADOW, 0x6000_0001);
    guest.run();
    assert_eq!(guest.reg(2), 0x6000_0031, "the shadow is read");
}

#[test]
fn lmsw_and_clts() {
    let mut guest = Guest::real(&[0x0f, 0x01, 0xf2]); // lmsw dx
    guest.set(vmcs::CR0_MASK, 0x6000_0001);
    guest.set_reg(4, 0x1_0009);
    expect(&mut guest, 28, 0x9_0030, 3);
    let mut guest = Guest::real(&[0x0f, 0x01, 0x36, 0x00, 0x06]); // lmsw [0x600]
    guest.set(vmcs::CR0_MASK, 0x6000_0008);
    guest.put(0x600, &[8, 0]);
    expect(&mut guest, 28, 0x8_0070, 5);
    assert_eq!(guest.get(vmcs::LINEAR_ADDRESS), 0x600);
    let mut guest = Guest::real(&[0x0f, 0x06, 0xf4]);
    guest.set(vmcs::CR0_MASK, 0x6000_0008);
    assert_eq!(guest.run(), 12, "no-op: TS is 0 in the shadow");
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::CR0_SHADOW, 8);
    expect(&mut guest, 28, 0x20, 2);
}

#[test]
fn debug_registers_and_cr8() {
    expect(
        &mut real(&[0x0f, 0x23, 0xfb], primary::MOV_DR, 0),
        29,
        0x307,
        3,
    );
    expect(
        &mut real(&[0x0f, 0x21, 0xf1], primary::MOV_DR, 0),
        29,
        0x116,
        3,
    );
    let mut guest = Guest::long(&[0x44, 0x0f, 0x22, 0xc3]); // mov cr8, rbx
    guest.on(vmcs::PRIMARY, primary::CR8_LOAD);
    expect(&mut guest, 28, 0x308, 4);
    let mut guest = Guest::long(&[0x44, 0x0f, 0x22, 0xc3, 0xf4]);
    guest.on(vmcs::PRIMARY, primary::TPR_SHADOW);
    guest.set_reg(5, 5);
    assert_eq!((guest.run(), guest.reg(49)), (12, 0x50));
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::TPR_THRESHOLD, 4);
    guest.set_reg(5, 3);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (43, CODE + 4),
        "a trap"
    );
}

#[test]
fn invalidation_and_random_numbers() {
    let mut guest = real(&[0x0f, 0x01, 0x3f], primary::INVLPG, 0); // invlpg [bx]
    guest.set_reg(5, 0x1234);
    guest.set(vmcs::ES_BASE + 6, 0x100);
    expect(&mut guest, 14, 0x1334, 3);
    let mut guest = Guest::flat(&[0x66, 0x0f, 0x38, 0x82, 0x0b]); // invpcid ecx, [ebx]
    guest.on(vmcs::PRIMARY, primary::INVLPG);
    guest.on(vmcs::SECONDARY, secondary::INVPCID);
    expect(&mut guest, 58, 0, 5);
    let info = guest.get(vmcs::EXIT_INFORMATION);
    assert_eq!(info, 1 << 28 | 3 << 23 | 1 << 22 | 3 << 15 | 1 << 7);
    let mut guest = real(&[0x66, 0x0f, 0xc7, 0xf3], 0, secondary::RDRAND); // rdrand ebx
    expect(&mut guest, 57, 0, 4);
    assert_eq!(guest.get(vmcs::EXIT_INFORMATION), 3 << 3 | 1 << 11);
    expect(
        &mut real(&[0x0f, 0xc7, 0xfb], 0, secondary::RDSEED),
        61,
        0,
        3,
    );
}

#[test]
fn vmx_instructions() {
    for (code, reason) in [
        (&[0x0f, 0x01, 0xc2][..], 20),
        (&[0x0f, 0x01, 0xc3], 24),
        (&[0x0f, 0x01, 0xc4], 26),
        (&[0x66, 0x0f, 0xc7, 0x30], 19),
        (&[0x0f, 0xc7, 0x30], 21),
        (&[0x0f, 0xc7, 0x38], 22),
        (&[0xf3, 0x0f, 0xc7, 0x30], 27),
        (&[0x66, 0x0f, 0x38, 0x80, 0x08], 50),
        (&[0x66, 0x0f, 0x38, 0x81, 0x08], 53),
        (&[0x0f, 0x78, 0xc8], 23),
        (&[0x0f, 0x79, 0xc8], 25),
    ] {
        expect(&mut Guest::flat(code), reason, 0, code.len() as u64);
        let mut guest = Guest::real(code);
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 6);
        assert_eq!(guest.run(), 0, "{code:x?}: #UD in real mode");
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), 0x8000_0306);
    }
}

#[test]
fn a_shadow_vmcs_field_does_not_exit() {
    let mut guest = Guest::flat(&[0x0f, 0x78, 0xc8, 0xf4]); // vmread eax, ecx
    guest.on(vmcs::SECONDARY, secondary::VMCS_SHADOWING);
    guest.vcpu.set_shadow_access(0x681e, 1).unwrap();
    guest.vcpu.write_shadow_vmcs(0x681e, 0x77).unwrap();
    guest.set_reg(3, 0x681e);
    assert_eq!((guest.run(), guest.reg(2)), (12, 0x77));
}

#[test]
fn msrs_are_native_when_they_are_enabled() {
    let code = [0x0f, 0x32, 0x0f, 0x30, 0xf4]; // rdmsr; wrmsr; hlt
    let mut guest = Guest::real(&code);
    guest.on(vmcs::PRIMARY, primary::MSR_BITMAPS);
    guest.vcpu.enable_native_msr(0xc000_0081, true).unwrap();
    guest
        .vcpu
        .write_msr(0xc000_0081, 0x1234_5678_9abc_def0)
        .unwrap();
    guest.set_reg(3, 0xc000_0081);
    assert_eq!(
        (guest.run(), guest.reg(2), guest.reg(4)),
        (12, 0x9abc_def0, 0x1234_5678)
    );
    guest.vcpu.enable_native_msr(0xc000_0081, false).unwrap();
    guest.set(vmcs::RIP, CODE);
    expect(&mut guest, 31, 0, 2);
    assert!(guest.vcpu.read_msr(0xc000_0081).is_err());
    assert!(guest.vcpu.enable_native_msr(0xc000_0080, true).is_err());
    guest.vcpu.enable_native_msr(0x174, true).unwrap();
    guest.set_reg(3, 0x174);
    guest.set(vmcs::SYSENTER_CS, 0x99);
    assert_eq!((guest.run(), guest.reg(2)), (12, 0x99));
}

#[test]
fn the_apic_page_exits() {
    let mut guest = Guest::flat(&[0xa1, 0x30, 0x00, 0xe0, 0xfe, 0xa3, 0xb0, 0x00, 0xe0, 0xfe]);
    guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
    guest.vcpu.set_apic_address(0xfee0_0000).unwrap();
    assert_eq!((guest.run(), guest.get(vmcs::QUALIFICATION)), (44, 0x30));
    guest.set(vmcs::RIP, CODE + 5);
    assert_eq!((guest.run(), guest.get(vmcs::QUALIFICATION)), (44, 0x10b0));
    assert!(guest.vcpu.set_apic_address(0x10).is_err());
}

#[test]
fn notified_ports_do_not_exit() {
    let mut guest = Guest::real(&[0xe6, 0x80, 0xe6, 0x81]);
    guest.vm.add_pio_notifier(0x80, 1, 0x42, 9, 0).unwrap();
    guest.set_reg(2, 0x42);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (30, CODE + 2));
    assert!(guest.vm.remove_pio_notifier(0x80, 1, 0, 9, 0).is_err());
    guest.vm.remove_pio_notifier(0x80, 1, 0x42, 9, 0).unwrap();
    guest.set(vmcs::RIP, CODE);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (30, CODE));
}

#[test]
fn ports_of_user_code_ask_the_map() {
    let mut guest = Guest::flat(&[0xe4, 0x60]).user(0xc09b);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!(guest.run(), 0, "no map inside the limit");
    guest.set(vmcs::TR_LIMIT, 0x80);
    guest.set(vmcs::RFLAGS, 2);
    assert_eq!(guest.run(), 30);
    guest.put(super::TSS + 0x68 + 12, &[1]);
    assert_eq!((guest.run(), guest.get(vmcs::EXIT_ERROR)), (0, 0));
    guest.set(vmcs::RFLAGS, 0x3002);
    assert_eq!(guest.run(), 30, "IOPL 3");
}

#[test]
fn privilege_comes_before_the_exit() {
    for code in [
        &[0xf4][..],
        &[0x0f, 0x32],
        &[0x0f, 0x20, 0xc0],
        &[0x0f, 0x08],
        &[0x0f, 0x01, 0x16],
    ] {
        let mut guest = Guest::flat(code).user(0xc09b);
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        assert_eq!(guest.run(), 0, "{code:x?}");
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), 0x8000_0b0d);
        assert_eq!(guest.get(vmcs::RSP), STACK);
    }
}
