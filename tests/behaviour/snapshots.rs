//! Saving, restoring and comparing vCPUs and machines.

use xhv::Error;
use xhv::typed::state::Mode;
use xhv::x86_64::{Hex, VcpuState, Vm, msr, reg, vmcs};

use crate::support::{exits_with, flat32, long_mode, on_every_engine, vm};

/// mov eax, 5; out 1, al; add eax, 3; out 1, al; hlt
const STEPS: [u8; 13] = [0xb8, 5, 0, 0, 0, 0xe6, 1, 0x83, 0xc0, 3, 0xe6, 1, 0xf4];

#[test]
fn everything_is_kept() {
    on_every_engine(|engine| {
        let vm = vm(engine, &STEPS);
        let mut vcpu = long_mode(&vm);
        vcpu.write(msr::KERNEL_GS_BASE, 0x1234_5000).unwrap();
        vcpu.write(reg::R15, 0xfeed_face_cafe_beef).unwrap();
        let mut fp = vcpu.fpstate().unwrap();
        fp.xmm[7] = 77;
        vcpu.set_fpstate(&fp).unwrap();
        let saved = vcpu.save().unwrap();
        assert_eq!(saved.general.get("R15"), Some(0xfeed_face_cafe_beef));
        assert_eq!(saved.msrs.get("KERNEL_GS_BASE"), Some(0x1234_5000));
        drop(vcpu);

        let mut other = vm.create_vcpu().unwrap();
        other
            .restore(&VcpuState::from_json(&saved.to_json()).unwrap())
            .unwrap();
        let again = other.save().unwrap();
        let differences: Vec<String> = saved.diff(&again).iter().map(ToString::to_string).collect();
        assert!(
            differences
                .iter()
                .all(|difference| difference.contains("TSC")),
            "{differences:?}"
        );
        assert_eq!(again.fpu.map(|fpu| fpu.xmm[7]), Some(77));
        assert_eq!(other.read(msr::KERNEL_GS_BASE).unwrap(), 0x1234_5000);
    });
}

#[test]
fn damaged_snapshots_are_refused_with_a_place() {
    on_every_engine(|engine| {
        let vm = vm(engine, &STEPS);
        let mut vcpu = flat32(&vm);
        let json = vcpu.save().unwrap().to_json();
        for (from, to) in [
            ("\"xhv-vcpu\"", "\"other\""),
            ("\"version\": 1", "\"version\": 2"),
            ("\"x86_64\"", "\"aarch64\""),
            ("\"0x1000\"", "\"1000\""),
            ("\"0x1000\"", "4096"),
        ] {
            let damaged = json.replacen(from, to, 1);
            assert_ne!(damaged, json, "{from}");
            let error = VcpuState::from_json(&damaged).unwrap_err();
            assert!(
                matches!(&error, Error::Snapshot { place, .. } if place.starts_with("line")),
                "{error}"
            );
        }
        assert!(VcpuState::from_json(&json[..json.len() / 2]).is_err());

        // A row that nobody knows, and a value that is refused: nothing has changed afterwards.
        vcpu.write(reg::RAX, 99).unwrap();
        let strange = json.replacen("\"RAX\"", "\"RAY\"", 1);
        let strange = VcpuState::from_json(&strange).unwrap();
        let error = vcpu.restore(&strange).unwrap_err().to_string();
        assert!(error.contains("RAY"), "{error}");
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 99);
        let report = vcpu.restore_with(&strange, Mode::Lenient, &[]).unwrap();
        assert_eq!(report.unknown.len(), 1);
        assert_eq!(report.missing.len(), 1);

        let mut wide = VcpuState::from_json(&json).unwrap();
        wide.vmcs.set("GUEST_ES_LIMIT", 1 << 40);
        vcpu.write(reg::RAX, 98).unwrap();
        let error = vcpu.restore(&wide).unwrap_err().to_string();
        assert!(error.contains("GUEST_ES_LIMIT"), "{error}");
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 98);
    });
}

#[test]
fn volatile_rows_are_saved_but_not_compared() {
    on_every_engine(|engine| {
        let vm = vm(engine, &STEPS);
        let mut vcpu = flat32(&vm);
        let before = vcpu.save().unwrap();
        exits_with!(vcpu.run().unwrap(), PortWrite(_out) {});
        assert!(vcpu.read(vmcs::EXIT_REASON).unwrap().bits() & 0xffff == 30);
        let after = vcpu.save().unwrap();
        let told: Vec<String> = before
            .diff(&after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            told.iter().all(|line| !line.contains("EXIT_REASON")),
            "{told:?}"
        );
    });
}

/// A restore that fails leaves the local APIC as it was too, whichever register of it is damaged, and so do the other controllers.
#[test]
fn a_failed_restore_leaves_the_interrupt_controllers_alone() {
    on_every_engine(|engine| {
        let built = Vm::builder().engine(engine).accelerated_apic().build();
        let Ok(vm) = built else {
            return eprintln!("skipped: {}", built.unwrap_err());
        };
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_real_mode(0, 0x1000).unwrap();
        let before = vcpu.save().unwrap();
        let names: Vec<String> = before.apic.as_ref().unwrap().0.keys().cloned().collect();
        let mut refused = 0;
        for name in names {
            for value in [0xff, 0xffff_ffff, u64::MAX] {
                let mut damaged = before.clone();
                let registers = &mut damaged.apic.as_mut().unwrap().0;
                registers.get_mut(&name).unwrap().fill(Hex(value));
                // So that the rows before it are written, and have to be undone.
                damaged.general.set("RBX", 0x1234).unwrap();
                if vcpu.restore(&damaged).is_err() {
                    refused += 1;
                    let now = vcpu.save().unwrap();
                    assert!(now.diff(&before).is_empty(), "{name} {value:#x}");
                    assert_eq!(now.apic, before.apic, "{name} {value:#x}");
                } else {
                    vcpu.restore(&before).unwrap();
                }
            }
        }
        assert!(refused > 10);
        let controllers = vm.save_controllers().unwrap().unwrap();
        for part in 0..3 {
            let mut damaged = controllers.clone();
            let parts = [
                &mut damaged.ioapic,
                &mut damaged.primary_pic,
                &mut damaged.secondary_pic,
            ];
            parts
                .into_iter()
                .nth(part)
                .unwrap()
                .0
                .values_mut()
                .for_each(|values| values.fill(Hex(u64::MAX)));
            assert!(vm.restore_controllers(&damaged).is_err());
            assert_eq!(vm.save_controllers().unwrap().unwrap(), controllers);
        }
    });
}
