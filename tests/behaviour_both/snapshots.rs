//! Saving and restoring: a guest goes on in another VM, from text and from files; damage is told with its place and changes nothing.

use xhv::{Engine, Error, Gpa, VmState};

use super::guest::*;
use crate::Stop;

/// The state of a guest in the middle of [`STEPS`].
fn in_the_middle(engine: Engine) -> VcpuState {
    let vm = vm(engine, STEPS);
    let mut vcpu = vcpu(&vm);
    assert_eq!(next(&mut vcpu), Stop::Output(5));
    vcpu.save().unwrap()
}

#[test]
fn a_guest_goes_on_in_another_vm() {
    on_every_engine(|engine| {
        let json = in_the_middle(engine).to_json();
        let state = VcpuState::from_json(&json).unwrap();
        assert_eq!(state.general.get(RESULT.name()), Some(5));
        let vm = vm(engine, STEPS);
        let mut vcpu = vm.create_vcpu().unwrap();
        let report = vcpu.restore(&state).unwrap();
        assert!(
            report.refused.is_empty() && report.missing.is_empty(),
            "{report}"
        );
        assert!(report.unknown.is_empty(), "{report}");
        assert_eq!(next(&mut vcpu), Stop::Output(8));
        assert_eq!(next(&mut vcpu), Stop::End);
        // As often as one likes.
        vcpu.restore(&state).unwrap();
        assert_eq!(next(&mut vcpu), Stop::Output(8));
    });
}

#[test]
fn a_whole_machine_goes_through_files() {
    on_every_engine(|engine| {
        let name = format!("xhv-machine-{NAME}-{engine}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("machine.json");
        {
            let vm = vm(engine, STEPS);
            vm.write(Gpa(RAM + 0x5_0000), b"kept").unwrap();
            let mut vcpu = vcpu(&vm);
            assert_eq!(next(&mut vcpu), Stop::Output(5));
            let mut state = VmState::new(vec![vcpu.save().unwrap()], &vm.mappings());
            state.extra = "mine".into();
            state.write(&path).unwrap();
        }
        let state = VmState::<VcpuState>::read(&path).unwrap();
        assert_eq!(state.extra, "mine");
        let vm = empty(engine);
        for saved in &state.memory {
            vm.map(saved.gpa, &saved.memory, saved.permissions).unwrap();
        }
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.restore(&state.vcpus[0]).unwrap();
        assert_eq!(next(&mut vcpu), Stop::Output(8));
        let mut kept = [0; 4];
        vm.read(Gpa(RAM + 0x5_0000), &mut kept).unwrap();
        assert_eq!(&kept, b"kept");

        let memory = folder.join("machine.json.mem");
        let bytes = std::fs::read(&memory).unwrap();
        std::fs::write(&memory, &bytes[1..]).unwrap();
        let told = VmState::<VcpuState>::read(&path).unwrap_err().to_string();
        assert!(told.contains("machine.json.mem"), "{told}");
        std::fs::remove_file(&memory).unwrap();
        let told = VmState::<VcpuState>::read(&path).unwrap_err().to_string();
        assert!(told.contains("machine.json.mem"), "{told}");
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn damaged_text_is_told_with_its_place() {
    on_every_engine(|engine| {
        let json = in_the_middle(engine).to_json();
        let place = format!("\"{}\": \"0x", PLACE.name());
        let (no_prefix, number) = (
            place.replace("0x", ""),
            format!("\"{}\": 5, \"x\": \"", PLACE.name()),
        );
        for (from, to, word) in [
            ("\"xhv-vcpu\"", "\"other\"", "format"),
            ("\"version\": 1", "\"version\": 2", "version"),
            (NAME, OTHER, OTHER),
            (&*place, &*no_prefix, "0x"),
            (&*place, &*number, "line"),
        ] {
            let damaged = json.replacen(from, to, 1);
            assert_ne!(damaged, json, "{from}");
            let error = VcpuState::from_json(&damaged).unwrap_err();
            assert!(
                matches!(&error, Error::Snapshot { place, .. } if place.starts_with("line")),
                "{error}"
            );
            assert!(error.to_string().contains(word), "{error}");
        }
        for cut in [0, 1, json.len() / 2, json.len() - 2] {
            assert!(VcpuState::from_json(&json[..cut]).is_err(), "{cut}");
        }
    });
}

#[test]
fn misfits_are_refused_and_change_nothing() {
    on_every_engine(|engine| {
        let good = in_the_middle(engine);
        let vm = vm(engine, STEPS);
        let mut vcpu = vcpu(&vm);
        vcpu.write(RESULT, 99).unwrap();
        let (name, mut bad) = (RESULT.name(), [good.clone(), good.clone(), good.clone()]);
        bad[0].general.set("NOTHING", 1);
        bad[1].general.remove(name);
        bad[2].general.set(name, 1 << 64);
        for (state, word) in bad.iter().zip(["NOTHING", name, name]) {
            let told = vcpu.restore(state).unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
            assert_eq!(vcpu.read(RESULT).unwrap(), 99);
            assert_eq!(vcpu.read(PLACE).unwrap(), CODE);
        }
        assert_eq!(next(&mut vcpu), Stop::Output(5));
    });
}

#[test]
fn differences_are_named() {
    on_every_engine(|engine| {
        let vm = vm(engine, STEPS);
        let mut vcpu = vcpu(&vm);
        let before = vcpu.save().unwrap();
        vcpu.write(RESULT, 0x1234).unwrap();
        let after = vcpu.save().unwrap();
        let told = before.diff(&after);
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let of_it = told
            .iter()
            .any(|line| line.contains(RESULT.name()) && line.contains("0x1234"));
        assert!(of_it, "{told:?}");
        // Time goes on by itself.
        assert!(told.len() <= 2, "{told:?}");
    });
}
