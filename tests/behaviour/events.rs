//! Injection, windows, exceptions that exit, events that an exit interrupted, entries that are refused.

use xhv::Gpa;
use xhv::x86_64::controls::PrimaryProcessorBasedControls;
use xhv::x86_64::vmcs::{self, AccessRights};
use xhv::x86_64::{Exit, Injection, SegmentName, Stage, reg};

use crate::support::{CODE, exits_with, on_every_engine, real_mode, vm};

/// At 0:1100h: mov bl, 1; iret. The vector is given.
fn handler(vm: &xhv::x86_64::Vm, vector: u64) {
    vm.write(Gpa(0x1100), &[0xb3, 0x01, 0xcf]).unwrap();
    vm.write(Gpa(vector * 4), &[0x00, 0x11, 0x00, 0x00])
        .unwrap();
}

#[test]
fn an_interrupt_waits_for_its_window() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x90, 0xfb, 0x90, 0x90, 0xf4]); // nop; sti; nop; nop; hlt
        handler(&vm, 0x20);
        let mut vcpu = real_mode(&vm);
        assert!(!vcpu.can_take_interrupt().unwrap());
        let refused = vcpu.inject(Injection::interrupt(0x20)).unwrap_err();
        assert!(
            refused.to_string().contains("interrupt window"),
            "{refused}"
        );
        assert!(!vcpu.interrupt_or_window(0x20).unwrap());
        exits_with!(vcpu.run().unwrap(), InterruptWindow);
        assert_eq!(
            vcpu.read(reg::RIP).unwrap(),
            CODE + 3,
            "behind the shadow of STI"
        );
        vcpu.request_interrupt_window(false).unwrap();
        assert!(vcpu.interrupt_or_window(0x20).unwrap());
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RBX).unwrap() & 0xff, 1);
    });
}

#[test]
fn exceptions_are_injected_and_reflected() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x0b, 0xf4]); // ud2; hlt
        // At 0:1100h: mov bl, 1; pop ax; add ax, 2; push ax; iret
        vm.write(Gpa(0x1100), &[0xb3, 0x01, 0x58, 0x05, 2, 0, 0x50, 0xcf])
            .unwrap();
        vm.write(Gpa(6 * 4), &[0x00, 0x11, 0x00, 0x00]).unwrap();
        let mut vcpu = real_mode(&vm);
        vcpu.write(vmcs::EXCEPTION_BITMAP, 1 << 6).unwrap();
        exits_with!(vcpu.run().unwrap(), Exception(exception) {
            assert_eq!((exception.vector(), exception.error_code()), (6, None));
            assert!(exception.interrupted().is_none());
            exception.reflect().unwrap();
        });
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RBX).unwrap() & 0xff, 1);
    });
}

#[test]
fn a_double_fault_is_made_of_two() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        vcpu.inject(Injection::general_protection()).unwrap();
        vcpu.inject(Injection::general_protection()).unwrap();
        assert_eq!(vcpu.injected().unwrap().map(|event| event.vector), Some(8));
        assert!(
            vcpu.inject(Injection::general_protection()).is_err(),
            "triple fault"
        );
        assert_eq!(
            vcpu.clear_injection().unwrap().map(|event| event.vector),
            Some(8)
        );
        assert_eq!(vcpu.injected().unwrap(), None);
    });
}

#[test]
fn an_interrupted_event_is_injected_again() {
    on_every_engine(|engine| {
        // INT 21h pushes to 3:fff6h, which is not mapped: an EPT violation while the event is delivered.
        let vm = vm(engine, &[0xcd, 0x21, 0xf4]);
        handler(&vm, 0x21);
        let mut vcpu = real_mode(&vm);
        let mut stack = vcpu.segment(SegmentName::Ss).unwrap();
        stack.base = 0x10_0000;
        vcpu.set_segment(SegmentName::Ss, stack).unwrap();
        exits_with!(vcpu.run().unwrap(), UndecodedAccess(_access) {});
        vm.map_new(Gpa(0x10_0000), 0x1_0000).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RBX).unwrap() & 0xff, 1);
        assert_eq!(vcpu.statistics().reinjected, 1);
    });
}

#[test]
fn a_triple_fault_ends_the_guest() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x0b]); // ud2
        let mut vcpu = crate::support::flat32(&vm);
        vcpu.write(vmcs::GUEST_IDTR_LIMIT, 0).unwrap();
        exits_with!(vcpu.run().unwrap(), TripleFault);
    });
}

#[test]
fn a_refused_entry_names_the_rule() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        assert!(vcpu.check_entry().is_empty(), "{:?}", vcpu.check_entry());
        let rights = vcpu.read(vmcs::GUEST_TR_ACCESS_RIGHTS).unwrap();
        vcpu.write(
            vmcs::GUEST_TR_ACCESS_RIGHTS,
            rights | AccessRights::UNUSABLE,
        )
        .unwrap();
        let violations = vcpu.check_entry();
        assert!(
            violations
                .iter()
                .any(|violation| violation.to_string().contains("TR")),
            "{violations:?}"
        );
        assert!(
            violations
                .iter()
                .all(|violation| violation.stage == Stage::Guest)
        );
        match vcpu.run().unwrap() {
            Exit::EntryRefused(refused) => {
                assert_eq!(refused.reason.0, 33);
                assert!(refused.to_string().contains("TR"), "{refused}");
            }
            other => panic!("{other:?}"),
        }
        vcpu.write(vmcs::GUEST_TR_ACCESS_RIGHTS, rights).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn single_steps_by_the_monitor_trap_flag() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x90, 0xb0, 7, 0xf4]); // nop; mov al, 7; hlt
        let mut vcpu = real_mode(&vm);
        vcpu.modify(
            vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS,
            |controls: PrimaryProcessorBasedControls| {
                controls | PrimaryProcessorBasedControls::MONITOR_TRAP_FLAG
            },
        )
        .unwrap();
        for rip in [CODE + 1, CODE + 3] {
            exits_with!(vcpu.run().unwrap(), MonitorTrap);
            assert_eq!(vcpu.read(reg::RIP).unwrap(), rip);
        }
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}
