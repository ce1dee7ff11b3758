//! 16-bit guests: ports, string I/O, HLT, software interrupts.

use xhv::Gpa;
use xhv::x86_64::{Exit, reg, vmcs};

use crate::support::{CODE, exits_with, on_every_engine, real_mode, vm};

#[test]
fn a_sum_is_printed() {
    on_every_engine(|engine| {
        // mov dx, 3f8h; add al, bl; add al, '0'; out dx, al; hlt
        let vm = vm(
            engine,
            &[0xba, 0xf8, 0x03, 0x00, 0xd8, 0x04, 0x30, 0xee, 0xf4],
        );
        let mut vcpu = real_mode(&vm);
        vcpu.write(reg::RAX, 5).unwrap();
        vcpu.write(reg::RBX, 3).unwrap();
        exits_with!(vcpu.run().unwrap(), PortWrite(out) {
            assert_eq!((out.port(), out.size(), out.value()), (0x3f8, 1, u32::from(b'8')));
            out.finish().unwrap();
        });
        exits_with!(vcpu.run().unwrap(), Hlt(hlt) {
            assert!(!hlt.can_wake());
            hlt.finish().unwrap();
        });
        assert_eq!(vcpu.read(reg::RIP).unwrap(), CODE + 9);
    });
}

#[test]
fn a_forgotten_guard_comes_again() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xe5, 0x40, 0xf4]); // in ax, 40h; hlt
        let mut vcpu = real_mode(&vm);
        vcpu.write(reg::RAX, 0x1234_5678).unwrap();
        for _ in 0..3 {
            exits_with!(vcpu.run().unwrap(), PortRead(read) {
                assert_eq!((read.port(), read.size()), (0x40, 2));
            });
            assert_eq!(vcpu.read(reg::RIP).unwrap(), CODE);
        }
        exits_with!(vcpu.run().unwrap(), PortRead(read) { read.finish(0xffff_abcd).unwrap() });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x1234_abcd);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn a_byte_port_leaves_the_rest_of_the_register() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xe4, 0x40, 0x66, 0xe5, 0x41]); // in al, 40h; in eax, 41h
        let mut vcpu = real_mode(&vm);
        vcpu.write(reg::RAX, 0x1122_3344_5566_7788).unwrap();
        exits_with!(vcpu.run().unwrap(), PortRead(read) { read.finish(0x1ff).unwrap() });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x1122_3344_5566_77ff);
        exits_with!(vcpu.run().unwrap(), PortRead(read) {
            assert_eq!(read.size(), 4);
            read.finish(0x89ab_cdef).unwrap();
        });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x89ab_cdef);
    });
}

#[test]
fn outs_comes_element_by_element() {
    on_every_engine(|engine| {
        // mov si, 2000h; mov cx, 3; mov dx, 1f0h; rep outsw; hlt
        let vm = vm(
            engine,
            &[
                0xbe, 0x00, 0x20, 0xb9, 3, 0, 0xba, 0xf0, 0x01, 0xf3, 0x6f, 0xf4,
            ],
        );
        vm.write(Gpa(0x2000), &[1, 2, 3, 4, 5, 6]).unwrap();
        let mut vcpu = real_mode(&vm);
        let mut words = Vec::new();
        loop {
            match vcpu.run().unwrap() {
                Exit::PortWrite(out) => {
                    assert_eq!((out.port(), out.size()), (0x1f0, 2));
                    words.push(out.value());
                    out.finish().unwrap();
                }
                Exit::Hlt(_) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(words, [0x0201, 0x0403, 0x0605]);
        assert_eq!(vcpu.read(reg::RCX).unwrap(), 0);
        assert_eq!(vcpu.read(reg::RSI).unwrap(), 0x2006);
    });
}

#[test]
fn ins_fills_memory_downwards() {
    on_every_engine(|engine| {
        // std; mov di, 2002h; mov cx, 3; mov dx, 60h; rep insb; hlt
        let vm = vm(
            engine,
            &[
                0xfd, 0xbf, 0x02, 0x20, 0xb9, 3, 0, 0xba, 0x60, 0, 0xf3, 0x6c, 0xf4,
            ],
        );
        let mut vcpu = real_mode(&vm);
        for value in [b'a', b'b', b'c'] {
            exits_with!(vcpu.run().unwrap(), PortRead(read) { read.finish(value.into()).unwrap() });
        }
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        let mut out = [0; 3];
        vm.read(Gpa(0x2000), &mut out).unwrap();
        assert_eq!(&out, b"cba");
        assert_eq!(vcpu.read(reg::RDI).unwrap(), 0x1fff);
    });
}

#[test]
fn interrupts_go_through_the_vector_table() {
    on_every_engine(|engine| {
        // int 21h; hlt          at 1100h: mov ah, 7; iret
        let vm = vm(engine, &[0xcd, 0x21, 0xf4]);
        vm.write(Gpa(0x1100), &[0xb4, 0x07, 0xcf]).unwrap();
        vm.write(Gpa(0x21 * 4), &[0x00, 0x11, 0x00, 0x00]).unwrap();
        let mut vcpu = real_mode(&vm);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RAX).unwrap() >> 8 & 0xff, 7);
        assert_eq!(vcpu.read(reg::RSP).unwrap(), 0x8000);
    });
}

#[test]
fn segments_are_added() {
    on_every_engine(|engine| {
        // mov ax, [0]; out 1, ax; hlt, with DS = 200h
        let vm = vm(engine, &[0xa1, 0, 0, 0xe7, 1, 0xf4]);
        vm.write(Gpa(0x2000), &[0x34, 0x12]).unwrap();
        let mut vcpu = real_mode(&vm);
        let mut data = vcpu.segment(xhv::x86_64::SegmentName::Ds).unwrap();
        (data.selector, data.base) = (0x200, 0x2000);
        vcpu.set_segment(xhv::x86_64::SegmentName::Ds, data)
            .unwrap();
        exits_with!(vcpu.run().unwrap(), PortWrite(out) { assert_eq!(out.value(), 0x1234) });
        assert_eq!(vcpu.read(vmcs::GUEST_DS_SELECTOR).unwrap(), 0x200);
        assert_eq!(vcpu.read(reg::DS).unwrap(), 0x200);
    });
}
