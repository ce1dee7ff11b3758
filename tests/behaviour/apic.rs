//! Interrupt controllers inside the engine.

use std::time::Duration;

use xhv::x86_64::{Exit, Trigger, Vm, VmOptions, reg};
use xhv::{Engine, Gpa};

use crate::support::{CODE, exits_with, on_every_engine};

/// A VM with controllers, if the engine has them. In its real-mode guest vector 30h prints AL on port 5.
fn vm(engine: Engine, code: &[u8]) -> Option<Vm> {
    let vm = match Vm::builder().engine(engine).accelerated_apic().build() {
        Ok(vm) => vm,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    assert!(vm.options().contains(VmOptions::ACCEL_APIC));
    vm.map_new(Gpa(0), 0x10_0000).unwrap();
    vm.write(Gpa(CODE), code).unwrap();
    vm.write(Gpa(0x1100), &[0xe6, 5, 0xcf]).unwrap(); // out 5, al; iret
    vm.write(Gpa(0x30 * 4), &[0x00, 0x11, 0x00, 0x00]).unwrap();
    Some(vm)
}

/// A vCPU whose local APIC is on.
fn vcpu(vm: &Vm) -> xhv::x86_64::Vcpu {
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_real_mode(0, CODE as u16).unwrap();
    vcpu.write(reg::RSP, 0x8000).unwrap();
    vcpu.set_apic_address(Gpa(0xfee0_0000)).unwrap();
    assert!(vcpu.write_apic(0xf0, 0x1ff).unwrap().no_side_effect);
    vcpu
}

#[test]
fn an_interrupt_wakes_a_halted_guest() {
    on_every_engine(|engine| {
        // sti; hlt; mov al, 2; out 6, al
        let Some(vm) = vm(engine, &[0xb0, 1, 0xfb, 0xf4, 0xb0, 2, 0xe6, 6]) else {
            return;
        };
        let mut vcpu = vcpu(&vm);
        let id = vcpu.id();
        let device = {
            let vm = vm.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                vm.send_lapic_interrupt(id, 0x30, Trigger::Edge).unwrap();
            })
        };
        exits_with!(vcpu.run().unwrap(), PortWrite(out) {
            assert_eq!((out.port(), out.value()), (5, 1));
            out.finish().unwrap();
        });
        exits_with!(vcpu.run().unwrap(), PortWrite(out) { assert_eq!((out.port(), out.value()), (6, 2)) });
        device.join().unwrap();
    });
}

#[test]
fn a_halted_guest_can_be_canceled() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine, &[0xfb, 0xf4]) else {
            return;
        };
        let mut vcpu = vcpu(&vm);
        let handle = vcpu.handle();
        let canceler = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            handle.cancel();
        });
        exits_with!(vcpu.run().unwrap(), Canceled);
        canceler.join().unwrap();
    });
}

#[test]
fn controllers_are_saved_and_restored() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine, &[0xf4]) else {
            return;
        };
        let mut vcpu = vcpu(&vm);
        vcpu.write_apic(0x80, 0x50).unwrap();
        vm.write_ioapic(Gpa(0xfec0_0000), 0x14).unwrap();
        vm.write_ioapic(Gpa(0xfec0_0010), 0x0001_0042).unwrap();
        vm.write_atpic_port(0x21, 0xfb).unwrap();
        let (state, shared) = (
            vcpu.save().unwrap(),
            vm.save_controllers().unwrap().unwrap(),
        );
        let json = serde_json::to_string(&shared).unwrap();

        vcpu.write_apic(0x80, 0).unwrap();
        vm.write_ioapic(Gpa(0xfec0_0010), 0x0001_0000).unwrap();
        vm.write_atpic_port(0x21, 0).unwrap();
        vcpu.restore(&state).unwrap();
        vm.restore_controllers(&serde_json::from_str(&json).unwrap())
            .unwrap();
        assert_eq!(vcpu.read_apic(0x80).unwrap(), 0x50);
        assert_eq!(vm.read_ioapic(Gpa(0xfec0_0010)).unwrap(), 0x0001_0042);
        assert_eq!(vm.read_atpic_port(0x21).unwrap(), 0xfb);

        let damaged = json.replacen("\"irr\":", "\"irq\":", 1);
        let damaged = serde_json::from_str(&damaged).unwrap();
        let told = vm.restore_controllers(&damaged).unwrap_err().to_string();
        assert!(told.contains("irr: missing"), "{told}");
    });
}

#[test]
fn the_apic_page_is_emulated() {
    on_every_engine(|engine| {
        // Real mode with a 4 GiB data segment: mov eax, [dword 0fee00020h]; out 7, eax; mov dword [0fee00080h], 30h; hlt
        let code = [
            0x67, 0x66, 0xa1, 0x20, 0x00, 0xe0, 0xfe, 0x66, 0xe7, 7, 0x67, 0x66, 0xc7, 0x05, 0x80,
            0x00, 0xe0, 0xfe, 0x30, 0, 0, 0, 0xe6, 8,
        ];
        let Some(vm) = vm(engine, &code) else { return };
        let mut vcpu = vcpu(&vm);
        let mut data = vcpu.segment(xhv::x86_64::SegmentName::Ds).unwrap();
        data.limit = u32::MAX;
        data.rights = xhv::x86_64::vmcs::AccessRights::from_bits(0x8093);
        vcpu.set_segment(xhv::x86_64::SegmentName::Ds, data)
            .unwrap();
        let id = vcpu.read_apic(0x20).unwrap();
        loop {
            match vcpu.run().unwrap() {
                Exit::PortWrite(out) if out.port() == 7 => {
                    assert_eq!(out.value(), id);
                    out.finish().unwrap();
                }
                Exit::PortWrite(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(vcpu.read_apic(0x80).unwrap(), 0x30);
    });
}
