//! The interrupt controllers with a guest: interrupts, HLT inside, the APIC page, the APIC timer.

use super::{CODE, Guest, HANDLER};
use crate::error::Code;
use crate::x86_64::entry::field::{secondary, vmcs};

const ACCEL_APIC: u64 = 1 << 10;
const SVR: u32 = 0xf0;
const EOI: u32 = 0xb0;

/// Real mode with an APIC at 0xfee00000; every vector from 0x20 goes to a handler that stores 1 at 0x700 and exits by CPUID.
fn guest(code: &[u8]) -> Guest {
    let mut guest = Guest::with(ACCEL_APIC, code);
    guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
    guest.vcpu.set_apic_address(0xfee0_0000).unwrap();
    for vector in 0x20..0x100_u64 {
        guest.put(4 * vector, &(HANDLER as u32).to_le_bytes());
    }
    guest.put(HANDLER, &[0x0f, 0xa2]);
    assert!(guest.vcpu.apic_write(SVR, 0x1ff).unwrap());
    guest
}

#[test]
fn an_interrupt_ends_hlt() {
    let mut guest = guest(&[0xfb, 0xf4, 0x90]); // sti; hlt
    let vm = guest.vm.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(core::time::Duration::from_millis(5));
        vm.lapic_set_intr(0, 0x41, 0).unwrap();
    });
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (10, HANDLER),
        "no HLT exit"
    );
    thread.join().unwrap();
    assert_eq!(guest.u32(super::STACK - 6) & 0xffff, CODE as u32 + 2);
    assert!(guest.vcpu.get_idle_time().unwrap() > 1_000_000);
    assert_eq!(guest.vcpu.apic_read(0x120), Ok(2), "in service");
    guest.vcpu.apic_write(EOI, 0).unwrap();
    assert_eq!(guest.vcpu.apic_read(0x120), Ok(0));
}

#[test]
fn interrupts_wait_for_if_and_priority() {
    let mut guest = guest(&[0x90, 0x0f, 0x01, 0xc1, 0xfb, 0x90, 0xf4]); // nop; vmcall; sti; nop; hlt
    guest.vm.lapic_set_intr(0, 0x41, 0).unwrap();
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (18, CODE + 1));
    guest.set(vmcs::RIP, CODE + 4);
    guest.set_reg(49, 0x50);
    assert_eq!(guest.vcpu.apic_read(0x80), Ok(0x50), "TPR");
    let deadline = crate::time::absolute_ticks() + 3_000_000;
    guest.vcpu.run_until(deadline).unwrap();
    assert_eq!(
        (guest.get(vmcs::EXIT_REASON), guest.get(vmcs::ACTIVITY)),
        (52, 1),
        "halted"
    );
    guest.set_reg(49, 0);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, HANDLER));
}

#[test]
fn the_apic_timer_interrupts() {
    let mut guest = guest(&[0xfb, 0xf4]);
    guest.vcpu.apic_write(0x3e0, 0xb).unwrap();
    guest.vcpu.apic_write(0x320, 0x55).unwrap();
    guest.vcpu.apic_write(0x380, 2_000_000).unwrap();
    let start = crate::time::absolute_ticks();
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, HANDLER));
    assert!(crate::time::absolute_ticks() - start >= 1_900_000);
    // And a guest that does not halt.
    guest.vcpu.apic_write(EOI, 0).unwrap();
    guest.put(0x900, &[0xfb, 0xeb, 0xfe]);
    guest.set(vmcs::RIP, 0x900);
    guest.vcpu.apic_write(0x380, 500_000).unwrap();
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, HANDLER));
}

#[test]
fn a_tsc_deadline_interrupts() {
    // wrmsr; rdmsr; sti; hlt
    let mut guest = guest(&[0x0f, 0x30, 0x0f, 0x32, 0xfb, 0xf4]);
    guest.vcpu.apic_write(0x320, 0x4_0066).unwrap();
    let deadline = crate::time::absolute_ticks() + 60_000_000;
    guest.set_reg(3, 0x6e0);
    guest.set_reg(2, deadline & 0xffff_ffff);
    guest.set_reg(4, deadline >> 32);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, HANDLER));
    assert_eq!(
        guest.reg(4) << 32 | guest.reg(2),
        deadline,
        "read back before it fired"
    );
    assert!(crate::time::absolute_ticks() >= deadline);
}

#[test]
fn the_8259s_interrupt() {
    let mut guest = guest(&[0xfb, 0xf4]);
    for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0)] {
        guest.vm.atpic_port_write(port, value).unwrap();
    }
    let vm = guest.vm.clone();
    let thread = std::thread::spawn(move || vm.atpic_assert_irq(0).unwrap());
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, HANDLER));
    thread.join().unwrap();
    assert_eq!(guest.vm.atpic_port_read(0x21), Ok(0));
}

#[test]
fn reads_of_the_apic_page_come_with_their_value() {
    let mut guest = Guest::with(ACCEL_APIC, &[]);
    let flat = Guest::flat(&[0xa1, 0x30, 0x00, 0xe0, 0xfe]);
    for field in [
        vmcs::CR0,
        vmcs::GDTR_BASE,
        vmcs::TR,
        vmcs::TR_BASE,
        vmcs::TR_LIMIT,
        vmcs::TR_RIGHTS,
    ] {
        guest.set(field, flat.get(field));
    }
    for n in 0..6 {
        for first in [vmcs::ES, vmcs::ES_LIMIT, vmcs::ES_RIGHTS, vmcs::ES_BASE] {
            guest.set(first + 2 * n, flat.get(first + 2 * n));
        }
    }
    guest.put(CODE, &[0xa1, 0x30, 0x00, 0xe0, 0xfe]);
    guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
    guest.vcpu.set_apic_address(0xfee0_0000).unwrap();
    assert_eq!((guest.run(), guest.vcpu.exit_info()), (44, Ok(7)));
    assert_eq!(
        guest.vcpu.exit_apic_access_read(),
        guest.vcpu.apic_read(0x30)
    );
    assert_eq!(guest.vcpu.exit_ioapic_eoi(), Err(Code::ERROR));
}

#[test]
fn start_up_of_a_second_cpu() {
    let mut guest = guest(&[]);
    let _second = crate::engine::software::x86_64::Vcpu::create(&guest.vm, 0).unwrap();
    let mut targets = [false; 2];
    assert_eq!(guest.vcpu.apic_write(0x300, 0xc_4500), Ok(false));
    assert_eq!(guest.vcpu.exit_info(), Ok(2));
    guest.vcpu.exit_init_ap(&mut targets).unwrap();
    assert_eq!(targets, [false, true]);
    assert_eq!(guest.vcpu.apic_write(0x300, 0xc_4609), Ok(false));
    assert_eq!(
        (
            guest.vcpu.exit_info(),
            guest.vcpu.exit_startup_ap(&mut targets)
        ),
        (Ok(3), Ok(0x9000))
    );
    assert_eq!(
        guest.vcpu.apic_write(0x300, 0xc_4609),
        Ok(true),
        "only once"
    );
    assert!(guest.vcpu.exit_startup_ap(&mut [false]).is_err());
}

#[test]
fn without_the_option_there_are_no_controllers() {
    let mut guest = Guest::real(&[0xf4]);
    assert_eq!(guest.vcpu.apic_read(0x20), Err(Code::UNSUPPORTED));
    assert_eq!(
        guest.vm.lapic_msi(0xfee0_0000, 0x40),
        Err(Code::UNSUPPORTED)
    );
    assert_eq!(guest.vm.ioapic_read(0xfec0_0000), Err(Code::UNSUPPORTED));
    assert_eq!(guest.run(), 12);
}
