//! Mapping, protection, spaces, dirty pages: what the guest sees and what the client is told.

use xhv::x86_64::{Exit, reg};
use xhv::{Gpa, Memory, Permissions};

use crate::support::{exits_with, flat32, on_every_engine, real_mode, vm};

#[test]
fn memory_appears_and_goes() {
    on_every_engine(|engine| {
        // mov al, [200000h]; hlt
        let vm = vm(engine, &[0xa0, 0, 0, 0x20, 0, 0xf4, 0xeb, 0xf8]);
        let mut vcpu = flat32(&vm);
        exits_with!(vcpu.run().unwrap(), MmioRead(read) {
            assert_eq!((read.gpa(), read.size()), (Gpa(0x20_0000), 1));
        });
        let memory = Memory::new(0x4000).unwrap();
        memory.write(0, &[77]).unwrap();
        vm.map(Gpa(0x20_0000), &memory, Permissions::ALL).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(hlt) { hlt.finish().unwrap() });
        assert_eq!(vcpu.read(reg::RAX).unwrap() & 0xff, 77);
        vm.unmap(Gpa(0x20_0000), 0x4000).unwrap();
        exits_with!(vcpu.run().unwrap(), MmioRead(_read) {});
        assert!(vm.read(Gpa(0x20_0000), &mut [0]).is_err());
    });
}

#[test]
fn rom_can_be_read_but_not_written() {
    on_every_engine(|engine| {
        // mov al, [200000h]; mov [200000h], al; hlt
        let vm = vm(engine, &[0xa0, 0, 0, 0x20, 0, 0xa2, 0, 0, 0x20, 0, 0xf4]);
        let memory = Memory::new(0x4000).unwrap();
        memory.write(0, &[9]).unwrap();
        vm.map(
            Gpa(0x20_0000),
            &memory,
            Permissions::READ | Permissions::EXECUTE,
        )
        .unwrap();
        let mut vcpu = flat32(&vm);
        exits_with!(vcpu.run().unwrap(), MmioWrite(write) {
            assert_eq!((write.gpa(), write.value()), (Gpa(0x20_0000), 9));
            write.finish().unwrap();
        });
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        vm.protect(Gpa(0x20_0000), 0x4000, Permissions::ALL)
            .unwrap();
        vcpu.set_flat32(0x1005).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn dirty_pages_are_found() {
    on_every_engine(|engine| {
        // mov [30000h], al; mov [32fffh], ax (crosses into 33000h); hlt
        let code = [0xa2, 0, 0, 3, 0, 0x66, 0xa3, 0xff, 0x2f, 3, 0, 0xf4];
        let vm = vm(engine, &code);
        vm.track_dirty(Gpa(0x3_0000), 0x8000).unwrap();
        let mut vcpu = flat32(&vm);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        let pages = vm.take_dirty(Gpa(0x3_0000), 0x8000).unwrap();
        assert_eq!(pages, [Gpa(0x3_0000), Gpa(0x3_2000), Gpa(0x3_3000)]);
        assert!(vm.take_dirty(Gpa(0x3_0000), 0x8000).unwrap().is_empty());
        vcpu.set_flat32(0x1000).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vm.take_dirty(Gpa(0x3_0000), 0x8000).unwrap().len(), 3);
        vm.untrack_dirty(Gpa(0x3_0000), 0x8000).unwrap();
        vcpu.set_flat32(0x1000).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert!(vm.take_dirty(Gpa(0x3_0000), 0x8000).unwrap().is_empty());
    });
}

#[test]
fn a_second_space_has_other_memory() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xb0, 1, 0xf4]); // mov al, 1; hlt
        let space = match vm.create_space() {
            Ok(space) => space,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        let memory = Memory::new(0x4000).unwrap();
        memory.write(0x1000, &[0xb0, 2, 0xf4]).unwrap(); // mov al, 2; hlt
        space.map(Gpa(0), &memory, Permissions::ALL).unwrap();
        let mut vcpu = real_mode(&vm);
        vcpu.set_space(&space).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RAX).unwrap() & 0xff, 2);
        assert!(space.clone().destroy().is_err(), "a vCPU uses it");
        vcpu.set_default_space().unwrap();
        vcpu.set_real_mode(0, 0x1000).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RAX).unwrap() & 0xff, 1);
        space.destroy().unwrap();
    });
}

#[test]
fn code_that_a_client_writes_is_seen() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xb0, 1, 0xe6, 5, 0xeb, 0xfa]); // l: mov al, 1; out 5, al; jmp l
        let mut vcpu = real_mode(&vm);
        for value in [1_u8, 2, 3] {
            vm.write(Gpa(0x1001), &[value]).unwrap();
            match vcpu.run().unwrap() {
                Exit::PortWrite(out) => {
                    assert_eq!(out.value(), u32::from(value));
                    out.finish().unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    });
}
