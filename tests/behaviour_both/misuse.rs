//! What bad input gets: an error in words, nothing lost, no panic.

use xhv::{Engine, Error, Gpa, Memory, Permissions};

use super::guest::*;
use crate::Stop;

/// The last granule of the memory.
const LAST: u64 = RAM + (SIZE - 0x4000);

#[test]
fn maps_are_checked() {
    on_every_engine(|engine| {
        let vm = vm(engine, NOTHING);
        let memory = Memory::new(0x8000).unwrap();
        for (gpa, offset, size) in [
            (FREE + 0x10, 0, 0x4000),
            (FREE, 0x10, 0x4000),
            (FREE, 0, 0x4010),
            (FREE, 0, 0),
            (FREE, 0x4000, 0x8000),
            (FREE, !0x3fff, 0x8000),
            (!0x3fff, 0, 0x4000),
            (LAST, 0, 0x8000),
            (RAM, 0, 0x4000),
        ] {
            let error = vm
                .map_part(Gpa(gpa), &memory, offset, size, Permissions::ALL)
                .unwrap_err();
            assert!(
                matches!(error, Error::Argument { call, .. } if call.starts_with("Vm::map")),
                "{gpa:#x} {offset:#x} {size:#x}: {error}"
            );
        }
        for (gpa, size) in [(FREE, 0x4000), (LAST, 0x8000), (RAM + 1, 0x4000)] {
            assert!(vm.unmap(Gpa(gpa), size).is_err(), "{gpa:#x}");
            let protected = vm.protect(Gpa(gpa), size, Permissions::READ);
            assert!(protected.is_err(), "{gpa:#x}");
        }
        assert!(vm.read(Gpa(u64::MAX), &mut [0; 8]).is_err());
        assert!(vm.write(Gpa(LAST + 0x3fff), &[0; 2]).is_err());
        assert_eq!(vm.mappings().len(), 1);
        assert_eq!(next(&mut vcpu(&vm)), Stop::End);
    });
}

#[test]
fn the_framework_has_one_vm_the_software_engine_many() {
    on_every_engine(|engine| {
        let _first = vm(engine, NOTHING);
        match (engine, Vm::builder().engine(engine).build()) {
            (Engine::Software, Ok(second)) => drop(second),
            (Engine::Framework, Err(error)) => {
                assert!(error.to_string().contains("has a VM already"), "{error}");
            }
            (_, outcome) => panic!("{outcome:?}"),
        }
    });
}

#[test]
fn an_engine_that_is_not_there_is_told() {
    if cfg!(target_os = "macos") {
        return eprintln!("SKIPPED: the framework is part of macOS");
    }
    let error = Vm::builder().engine(Engine::Framework).build().unwrap_err();
    assert!(matches!(error, Error::NoEngine { .. }), "{error}");
    assert!(error.to_string().contains("part of macOS"), "{error}");
}

#[test]
fn places_without_code_do_not_panic() {
    on_every_engine(|engine| {
        let vm = vm(engine, NOTHING);
        let mut vcpu = vcpu(&vm);
        for place in [u64::MAX, 1 << 63, LAST + 0x3fff, 3, 1 << 47] {
            start(&mut vcpu);
            vcpu.write(PLACE, place).unwrap();
            // Refused, or an exit, or an exception that goes on and on until somebody cancels it.
            let handle = vcpu.handle();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    handle.cancel();
                });
                let _ = vcpu.run().map(|exit| format!("{exit:?}"));
            });
            // The cancel may have come too late to be seen.
            vcpu.handle().cancel();
            start(&mut vcpu);
            assert_eq!(next(&mut vcpu), Stop::Canceled);
            assert_eq!(next(&mut vcpu), Stop::End);
        }
    });
}
