//! Guest memory through rust-vmm's `vm-memory`: both sides see each other's writes, dirty pages and code included.

use vm_memory::bitmap::Bitmap;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};
use xhv::Gpa;

use super::guest::*;
use crate::Stop;

/// A granule of every engine.
const PAGE: u64 = 0x4000;

#[test]
fn both_sides_see_the_same_bytes() {
    on_every_engine(|engine| {
        let vm = vm(engine, NOTHING);
        vm.map_new(Gpa(FREE), PAGE).unwrap();
        vm.map_new(Gpa(FREE + PAGE), PAGE).unwrap();
        let memory = vm.guest_memory().unwrap();
        assert_eq!(memory.num_regions(), vm.mappings().len());
        // Across two regions.
        memory
            .write_slice(&[1, 2, 3, 4], GuestAddress(FREE + PAGE - 2))
            .unwrap();
        assert_eq!(
            vm.read_value::<u32>(Gpa(FREE + PAGE - 2)).unwrap(),
            0x0403_0201
        );
        vm.write_value(Gpa(FREE), 0x55_u8).unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress(FREE)).unwrap(), 0x55);
        let mut source = &b"from a file"[..];
        memory
            .read_volatile_from(GuestAddress(FREE + 8), &mut source, 11)
            .unwrap();
        let mut out = [0; 11];
        vm.read(Gpa(FREE + 8), &mut out).unwrap();
        assert_eq!(&out, b"from a file");
        for wild in [FREE + 2 * PAGE, u64::MAX, FREE + 2 * PAGE - 1] {
            assert!(memory.write_obj(0_u16, GuestAddress(wild)).is_err());
            assert!(memory.read_obj::<u16>(GuestAddress(wild)).is_err());
        }
        // The regions keep what they show.
        vm.unmap(Gpa(FREE), PAGE).unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress(FREE)).unwrap(), 0x55);
        assert_eq!(
            vm.guest_memory().unwrap().num_regions(),
            memory.num_regions() - 1
        );
    });
}

#[test]
fn what_a_device_writes_is_dirty() {
    on_every_engine(|engine| {
        let vm = vm(engine, STORE);
        vm.map_new(Gpa(FREE), 2 * PAGE).unwrap();
        vm.track_dirty(Gpa(FREE), 2 * PAGE).unwrap();
        let memory = vm.guest_memory().unwrap();
        let region = memory.find_region(GuestAddress(FREE)).unwrap();
        memory
            .write_obj(1_u8, GuestAddress(FREE + PAGE + 5))
            .unwrap();
        assert!(region.bitmap().dirty_at(PAGE as usize));
        assert!(!region.bitmap().dirty_at(0));
        assert!(!region.bitmap().dirty_at(usize::MAX));
        // What the guest writes is dirty for the device too.
        assert_eq!(next(&mut vcpu(&vm)), Stop::End);
        assert!(region.bitmap().dirty_at(0));
        assert_eq!(
            vm.take_dirty(Gpa(FREE), 2 * PAGE).unwrap(),
            [Gpa(FREE), Gpa(FREE + PAGE)]
        );
        assert!(!region.bitmap().dirty_at(0));
        // Writes behind the library's back are told by hand; ranges that leave the region are cut.
        let second = region.bitmap().slice_at(PAGE as usize);
        second.mark_dirty(0, 1);
        second.mark_dirty(usize::MAX, 5);
        second.mark_dirty(PAGE as usize - 1, usize::MAX);
        let dirty = vm.take_dirty(Gpa(FREE), 2 * PAGE).unwrap();
        assert_eq!(dirty[0], Gpa(FREE + PAGE));
        assert!(
            dirty.iter().all(|page| page.0 < FREE + 2 * PAGE),
            "{dirty:?}"
        );
    });
}

#[test]
fn code_that_a_device_writes_is_seen() {
    on_every_engine(|engine| {
        let vm = vm(engine, &output(0));
        let memory = vm.guest_memory().unwrap();
        let mut vcpu = vcpu(&vm);
        for value in [0_u8, 1, 200] {
            memory
                .write_slice(&output(value), GuestAddress(CODE))
                .unwrap();
            start(&mut vcpu);
            assert_eq!(next(&mut vcpu), Stop::Output(value.into()));
        }
    });
}

#[test]
fn a_vm_without_memory_has_no_regions() {
    on_every_engine(|engine| {
        let vm = Vm::builder().engine(engine).build().unwrap();
        let error = vm.guest_memory().unwrap_err();
        assert!(error.to_string().contains("Vm::guest_memory"), "{error}");
    });
}
