//! Intel: entries that are refused, exits that are nobody's business, interrupts around emulated instructions.

use xhv::Gpa;
use xhv::x86_64::exits::ExitReason;
use xhv::x86_64::vmcs::{self, InterruptibilityState};
use xhv::x86_64::{Exit, Injection, Segment, SegmentName, Vcpu, msr, reg};

/// A real-mode vCPU at 0:1000h with this code.
fn vcpu(code: &[u8]) -> Vcpu {
    let vm = crate::vm!(x86_64);
    vm.map_new(Gpa(0), 0x10_0000).unwrap();
    vm.write(Gpa(0x1000), code).unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_real_mode(0, 0x1000).unwrap();
    vcpu.write(reg::RSP, 0x8000).unwrap();
    vcpu
}

/// | x86 | exit reason not masked, bit 31 (entry refused) not tested | "unknown exit 0x80000021" |
#[test]
fn exit_reason_not_masked() {
    let mut vcpu = vcpu(&[0xf4]);
    let good = vcpu.segment(SegmentName::Tr).unwrap();
    let rights = vmcs::AccessRights::empty();
    vcpu.set_segment(SegmentName::Tr, Segment { rights, ..good })
        .unwrap();
    match vcpu.run().unwrap() {
        Exit::EntryRefused(refused) => {
            assert_eq!(refused.reason, ExitReason(33));
            assert!(!refused.violations.is_empty());
        }
        other => panic!("{other:?}"),
    }
    vcpu.set_segment(SegmentName::Tr, good).unwrap();
    assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
}

/// | x86 | CR0 fixed bits, CD/NW in the CR0 mask, EFER.LMA against the IA-32e entry control, KERNEL_GS_BASE not enabled | entry refused with no explanation |
#[test]
fn entry_refused_with_no_explanation() {
    let vm = crate::vm!(x86_64);
    vm.map_new(Gpa(0), 0x10_0000).unwrap();
    vm.write_identity_map(Gpa(0x2_0000), 1 << 30).unwrap();
    vm.write(Gpa(0x1000), &[0xf4]).unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    // The presets get all of it right.
    vcpu.set_long_mode64(0x1000, Gpa(0x2_0000)).unwrap();
    assert!(vcpu.check_entry().is_empty(), "{:?}", vcpu.check_entry());
    let mask = vcpu.read(vmcs::CR0_GUEST_HOST_MASK).unwrap();
    assert!(mask.contains(reg::Cr0::CD | reg::Cr0::NW));
    vcpu.write(msr::KERNEL_GS_BASE, 0x1000).unwrap();
    assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
    // What a client gets wrong is told by name.
    vcpu.write(vmcs::GUEST_IA32_EFER, msr::Efer::empty())
        .unwrap();
    let told: Vec<String> = vcpu.check_entry().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|rule| rule.contains("LMA")), "{told:?}");
}

/// | x86 | first-touch EPT faults and host interrupts returned by `hv_vcpu_run` taken for MMIO or errors | spurious failures |
#[test]
fn first_touch_ept_faults() {
    // mov cx, 4000h; l: mov [bx], al; add bx, 16; loop l; hlt: memory that nobody has touched.
    let mut vcpu = vcpu(&[
        0xb9, 0x00, 0x40, 0x88, 0x07, 0x83, 0xc3, 0x10, 0xe2, 0xf9, 0xf4,
    ]);
    vcpu.vm().map_new(Gpa(0x10_0000), 0x10_0000).unwrap();
    let mut ds = vcpu.segment(SegmentName::Ds).unwrap();
    (ds.selector, ds.base) = (0xffff, 0xf_fff0);
    vcpu.set_segment(SegmentName::Ds, ds).unwrap();
    assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
}

/// | x86 | interrupt shadow not cleared after emulating an instruction; IDT-vectoring event not re-injected | lost interrupts |
#[test]
fn interrupt_shadow_not_cleared() {
    // sti; in al, 1; nop; hlt: IN exits in the shadow of STI.
    let mut vcpu = vcpu(&[0xfb, 0xe4, 0x01, 0x90, 0xf4]);
    match vcpu.run().unwrap() {
        Exit::PortRead(mut read) => {
            let shadow = read
                .vcpu()
                .read(vmcs::GUEST_INTERRUPTIBILITY_STATE)
                .unwrap();
            assert!(shadow.contains(InterruptibilityState::BLOCKING_BY_STI));
            read.finish(0).unwrap();
        }
        other => panic!("{other:?}"),
    }
    let shadow = vcpu.read(vmcs::GUEST_INTERRUPTIBILITY_STATE).unwrap();
    assert!(!shadow.contains(InterruptibilityState::BLOCKING_BY_STI));
    assert!(vcpu.can_take_interrupt().unwrap());

    // An interrupt whose delivery needs memory that is not there yet comes again when it is.
    // At 0:1100h: mov bl, 1; iret
    let mut vcpu = self::vcpu(&[0xfb, 0x90, 0xf4]);
    let vm = vcpu.vm().clone();
    vm.write(Gpa(0x1100), &[0xb3, 1, 0xcf]).unwrap();
    vm.write(Gpa(4 * 0x20), &[0x00, 0x11, 0, 0]).unwrap();
    let mut ss = vcpu.segment(SegmentName::Ss).unwrap();
    (ss.selector, ss.base) = (0xffff, 0xf_fff0);
    vcpu.set_segment(SegmentName::Ss, ss).unwrap();
    vcpu.modify(reg::RFLAGS, |flags: reg::Rflags| flags | reg::Rflags::IF)
        .unwrap();
    vcpu.inject(Injection::interrupt(0x20)).unwrap();
    match vcpu.run().unwrap() {
        Exit::UndecodedAccess(access) => assert_eq!(access.gpa().0 & !0xffff, 0x10_0000),
        Exit::MmioWrite(write) => assert_eq!(write.gpa().0 & !0xffff, 0x10_0000),
        other => panic!("{other:?}"),
    }
    vm.map_new(Gpa(0x10_0000), 0x1_0000).unwrap();
    assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
    assert_eq!(
        vcpu.read(reg::RBX).unwrap() & 0xff,
        1,
        "the interrupt was delivered"
    );
}
