//! Spaces, and dirty pages of accesses that cross pages. What both architectures share is in `behaviour_both`.

use xhv::x86_64::reg;
use xhv::{Gpa, Memory, Permissions};

use crate::support::{exits_with, flat32, on_every_engine, real_mode, vm};

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
