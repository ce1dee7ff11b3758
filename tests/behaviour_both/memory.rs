//! Mapping, protection, aliases, ownership, dirty pages, code that changes: what the guest sees and what the client is told.

use std::time::{Duration, Instant};

use xhv::{Gpa, Memory, Permissions};

use super::guest::*;
use crate::Stop;

/// A granule of every engine.
const PAGE: u64 = 0x4000;
const NOT_THERE: Stop = Stop::Read { gpa: FREE, size: 1 };

/// A memory of one granule that begins with this byte.
fn page(first: u8) -> Memory {
    let memory = Memory::new(PAGE).unwrap();
    memory.write(0, &[first]).unwrap();
    memory
}

/// What [`LOAD`] has loaded.
fn loaded(vcpu: &Vcpu) -> u64 {
    vcpu.read(RESULT).unwrap() & 0xff
}

#[test]
fn memory_appears_and_goes() {
    on_every_engine(|engine| {
        let vm = vm(engine, LOAD);
        let mut vcpu = vcpu(&vm);
        assert_eq!(next(&mut vcpu), NOT_THERE);
        assert_eq!(next(&mut vcpu), NOT_THERE, "unanswered: it comes again");
        vm.map(Gpa(FREE), &page(77), Permissions::ALL).unwrap();
        assert_eq!(next(&mut vcpu), Stop::End);
        assert_eq!(loaded(&vcpu), 77);
        vm.unmap(Gpa(FREE), PAGE).unwrap();
        assert_eq!(next(&mut vcpu), NOT_THERE);
        assert!(vm.read(Gpa(FREE), &mut [0]).is_err());
        // Other memory at the same place.
        vm.map(Gpa(FREE), &page(78), Permissions::ALL).unwrap();
        assert_eq!(next(&mut vcpu), Stop::End);
        assert_eq!(loaded(&vcpu), 78);
    });
}

#[test]
fn rom_can_be_read_but_not_written() {
    on_every_engine(|engine| {
        let vm = vm(engine, STORE);
        let rom = page(7);
        let readable = Permissions::READ | Permissions::EXECUTE;
        vm.map(Gpa(FREE), &rom, readable).unwrap();
        let mut vcpu = vcpu(&vm);
        let (gpa, size, value) = (FREE, 1, 9);
        assert_eq!(next(&mut vcpu), Stop::Write { gpa, size, value });
        assert_eq!(next(&mut vcpu), Stop::End);
        let mut byte = [0];
        rom.read(0, &mut byte).unwrap();
        assert_eq!(byte, [7]);
        // The client may write all the same.
        vm.write(Gpa(FREE), &[8]).unwrap();
        vm.write(Gpa(CODE), LOAD).unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::End);
        assert_eq!(loaded(&vcpu), 8);
        vm.write(Gpa(CODE), STORE).unwrap();
        vm.protect(Gpa(FREE), PAGE, Permissions::ALL).unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::End);
        rom.read(0, &mut byte).unwrap();
        assert_eq!(byte, [9]);
    });
}

#[test]
fn code_needs_memory_that_may_be_executed() {
    on_every_engine(|engine| {
        let vm = vm(engine, JUMP);
        let mut vcpu = vcpu(&vm);
        assert_eq!(next(&mut vcpu), Stop::NoCode { gpa: FREE });
        let memory = page(0);
        memory.write(0, NOTHING).unwrap();
        let data = Permissions::READ | Permissions::WRITE;
        vm.map(Gpa(FREE), &memory, data).unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::NoCode { gpa: FREE });
        vm.protect(Gpa(FREE), PAGE, Permissions::ALL).unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::End);
        // Code that has run is not kept when its memory goes.
        vm.unmap(Gpa(FREE), PAGE).unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::NoCode { gpa: FREE });
    });
}

#[test]
fn a_part_of_a_mapping_is_protected_and_unmapped() {
    on_every_engine(|engine| {
        let vm = vm(engine, STORE);
        let memory = vm.map_new(Gpa(FREE - PAGE), 3 * PAGE).unwrap();
        vm.protect(Gpa(FREE), PAGE, Permissions::READ).unwrap();
        assert_eq!(vm.mappings().len(), 4, "split in three");
        let mut vcpu = vcpu(&vm);
        assert!(matches!(next(&mut vcpu), Stop::Write { gpa: FREE, .. }));
        assert_eq!(next(&mut vcpu), Stop::End);
        vm.unmap(Gpa(FREE), PAGE).unwrap();
        assert!(matches!(next(&mut vcpu), Stop::Write { gpa: FREE, .. }));
        assert!(vm.read(Gpa(FREE), &mut [0]).is_err());
        vm.read(Gpa(FREE - 1), &mut [0]).unwrap();
        vm.read(Gpa(FREE + PAGE), &mut [0]).unwrap();
        // The hole takes another part of the same memory: an alias of the first page.
        vm.map_part(Gpa(FREE), &memory, 0, PAGE, Permissions::ALL)
            .unwrap();
        start(&mut vcpu);
        assert_eq!(next(&mut vcpu), Stop::End);
        let mut byte = [0];
        vm.read(Gpa(FREE - PAGE), &mut byte).unwrap();
        assert_eq!(byte, [9]);
    });
}

#[test]
fn memory_outlives_its_owner_and_its_vm() {
    on_every_engine(|engine| {
        let memory = {
            let vm = vm(engine, STORE);
            let memory = page(5);
            let handle = memory.clone();
            vm.map(Gpa(FREE), &memory, Permissions::ALL).unwrap();
            // The mapping keeps it.
            drop(memory);
            let mut vcpu = vcpu(&vm);
            drop(vm);
            assert_eq!(next(&mut vcpu), Stop::End, "the vCPU keeps the VM");
            handle
        };
        let mut byte = [0];
        memory.read(0, &mut byte).unwrap();
        assert_eq!(byte, [9]);
    });
}

#[test]
fn dirty_pages_are_found_without_exits() {
    on_every_engine(|engine| {
        let vm = vm(engine, STORE);
        vm.map_new(Gpa(FREE), PAGE).unwrap();
        vm.track_dirty(Gpa(FREE), PAGE).unwrap();
        let mut vcpu = vcpu(&vm);
        assert_eq!(vm.take_dirty(Gpa(FREE), PAGE).unwrap(), []);
        for _ in 0..3 {
            assert_eq!(next(&mut vcpu), Stop::End);
            assert_eq!(next(&mut vcpu), Stop::End);
            assert_eq!(vm.take_dirty(Gpa(FREE), PAGE).unwrap(), [Gpa(FREE)]);
            assert_eq!(vm.take_dirty(Gpa(FREE), PAGE).unwrap(), []);
        }
        vm.untrack_dirty(Gpa(FREE), PAGE).unwrap();
        assert_eq!(next(&mut vcpu), Stop::End);
        assert_eq!(vm.take_dirty(Gpa(FREE), PAGE).unwrap(), []);
        assert!(vm.track_dirty(Gpa(FREE + 1), 5).is_err());
    });
}

#[test]
fn code_that_a_client_writes_is_seen() {
    on_every_engine(|engine| {
        let vm = vm(engine, &output(0));
        let mut vcpu = vcpu(&vm);
        for value in [0_u8, 1, 2, 200] {
            vm.write(Gpa(CODE), &output(value)).unwrap();
            start(&mut vcpu);
            assert_eq!(next(&mut vcpu), Stop::Output(value.into()));
            assert_eq!(next(&mut vcpu), Stop::Output(value.into()));
        }
    });
}

#[test]
fn memory_changes_under_a_running_guest() {
    on_every_engine(|engine| {
        let vm = vm(engine, COUNT);
        let thread = vm
            .spawn_vcpu(|vcpu| {
                start(vcpu);
                loop {
                    match next(vcpu) {
                        Stop::Canceled => return,
                        // Nothing is mapped at the moment.
                        Stop::Write { gpa: COUNTER, .. } | Stop::Read { gpa: COUNTER, .. } => {}
                        stop => panic!("{stop:?}"),
                    }
                }
            })
            .unwrap();
        let (other, page) = (Memory::new(PAGE).unwrap(), COUNTER & !(PAGE - 1));
        let count = || {
            let mut word = [0; 4];
            other.read(COUNTER - page, &mut word).unwrap();
            u32::from_le_bytes(word)
        };
        for _ in 0..20 {
            vm.unmap(Gpa(page), PAGE).unwrap();
            let before = count();
            assert_eq!(count(), before, "nobody uses it any more");
            vm.map(Gpa(page), &other, Permissions::ALL).unwrap();
            let limit = Instant::now() + Duration::from_secs(20);
            while count() == before {
                assert!(Instant::now() < limit, "the guest stands still");
                std::thread::yield_now();
            }
        }
        thread.cancel();
        thread.join().unwrap();
    });
}
