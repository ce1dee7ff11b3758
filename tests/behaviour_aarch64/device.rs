//! Accesses to devices: width, sign, the zero register, and instructions whose syndrome does not tell.

use xhv::aarch64::reg::PC;
use xhv::aarch64::{Exit, Vcpu, simd};
use xhv::{Gpa, Permissions};

use crate::guest::{DEVICE, RAM, SIZE, device, load, on_every_engine, start};

/// Answers a read and checks what is asked.
#[track_caller]
fn read(vcpu: &mut Vcpu, at: Gpa, size: u8, value: u64) {
    match vcpu.run().unwrap() {
        Exit::MmioRead(read) => {
            assert_eq!((read.gpa(), read.size()), (at, size));
            read.finish(value).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

/// Answers a write and checks what is written.
#[track_caller]
fn write(vcpu: &mut Vcpu, at: Gpa, size: u8, value: u64) {
    match vcpu.run().unwrap() {
        Exit::MmioWrite(write) => {
            assert_eq!(
                (write.gpa(), write.size(), write.value()),
                (at, size, value)
            );
            write.finish().unwrap();
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn loads_extend_and_stores_truncate() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0x3940_0001, // ldrb w1, [x0]
                0x39c0_0402, // ldrsb w2, [x0, #1]
                0x7980_0403, // ldrsh x3, [x0, #2]
                0xb940_0404, // ldr w4, [x0, #4]
                0xb980_0405, // ldrsw x5, [x0, #4]
                0xf940_0406, // ldr x6, [x0, #8]
                0xb940_001f, // ldr wzr, [x0]
                0x3900_4007, // strb w7, [x0, #16]
                0x7900_2407, // strh w7, [x0, #18]
                0xf900_0c1f, // str xzr, [x0, #24]
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(0, DEVICE).unwrap();
        vcpu.set_x(7, 0x1122_3344_5566_7788).unwrap();
        for register in 1..=5 {
            vcpu.set_x(register, u64::MAX).unwrap();
        }
        read(&mut vcpu, device(0), 1, 0xffff_ff80);
        read(&mut vcpu, device(1), 1, 0x80);
        read(&mut vcpu, device(2), 2, 0x8001);
        read(&mut vcpu, device(4), 4, 0x8000_0002);
        read(&mut vcpu, device(4), 4, 0x8000_0002);
        read(&mut vcpu, device(8), 8, 0x8000_0000_0000_0003);
        read(&mut vcpu, device(0), 4, 0x4000_0000);
        assert_eq!(vcpu.read(PC).unwrap(), RAM + 28);
        write(&mut vcpu, device(16), 1, 0x88);
        write(&mut vcpu, device(18), 2, 0x7788);
        write(&mut vcpu, device(24), 8, 0);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let registers: Vec<_> = (1..=6).map(|number| vcpu.x(number).unwrap()).collect();
        assert_eq!(
            registers,
            [
                0x80,
                0xffff_ff80,
                0xffff_ffff_ffff_8001,
                0x8000_0002,
                0xffff_ffff_8000_0002,
                0x8000_0000_0000_0003
            ]
        );
    });
}

#[test]
fn pairs_vectors_and_atomics_come_in_parts() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xa940_0801, // ldp x1, x2, [x0]
                0x2981_1003, // stp w3, w4, [x0, #8]!
                0x3cc2_04a0, // ldr q0, [x5], #32
                0xfd00_00a1, // str d1, [x5]
                0xb826_0107, // ldadd w6, w7, [x8]
                0xc8a9_7d0a, // cas x9, x10, [x8]
                0x6941_310b, // ldpsw x11, x12, [x8, #8]
                0xf86f_d9cd, // ldr x13, [x14, w15, sxtw #3]
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(0, DEVICE).unwrap();
        vcpu.set_x(3, 0x3333_3333_3333).unwrap();
        vcpu.set_x(4, 4).unwrap();
        vcpu.set_x(5, DEVICE + 0x100).unwrap();
        vcpu.set_x(6, 5).unwrap();
        vcpu.set_x(8, DEVICE + 0x200).unwrap();
        vcpu.set_x(9, 77).unwrap();
        vcpu.set_x(10, 78).unwrap();
        vcpu.set_x(14, DEVICE + 0x300).unwrap();
        vcpu.set_x(15, 0xffff_ffff).unwrap();
        vcpu.write(simd::Q0, u128::MAX).unwrap();
        vcpu.write(simd::Q1, 0x1111).unwrap();

        read(&mut vcpu, device(0), 8, 11);
        // A part that is dropped comes again, and the registers wait for all parts.
        assert!(matches!(vcpu.run().unwrap(), Exit::MmioRead(read) if read.gpa() == device(8)));
        assert_eq!(vcpu.x(1).unwrap(), 0);
        read(&mut vcpu, device(8), 8, 22);
        assert_eq!((vcpu.x(1).unwrap(), vcpu.x(2).unwrap()), (11, 22));
        write(&mut vcpu, device(8), 4, 0x3333_3333);
        write(&mut vcpu, device(12), 4, 4);
        assert_eq!(vcpu.x(0).unwrap(), DEVICE + 8);
        read(&mut vcpu, device(0x100), 8, 0xaaaa);
        read(&mut vcpu, device(0x108), 8, 0xbbbb);
        assert_eq!(vcpu.read(simd::Q0).unwrap(), 0xbbbb << 64 | 0xaaaa);
        assert_eq!(vcpu.x(5).unwrap(), DEVICE + 0x120);
        write(&mut vcpu, device(0x120), 8, 0x1111);
        read(&mut vcpu, device(0x200), 4, 0xffff_fffe);
        write(&mut vcpu, device(0x200), 4, 3);
        assert_eq!(vcpu.x(7).unwrap(), 0xffff_fffe);
        // The comparison fails: nothing is written.
        read(&mut vcpu, device(0x200), 8, 76);
        assert_eq!(vcpu.x(9).unwrap(), 76);
        read(&mut vcpu, device(0x208), 4, 0x8000_0000);
        read(&mut vcpu, device(0x20c), 4, 1);
        assert_eq!(vcpu.x(11).unwrap(), 0xffff_ffff_8000_0000);
        assert_eq!(vcpu.x(12).unwrap(), 1);
        read(&mut vcpu, device(0x2f8), 8, 13);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        assert_eq!(vcpu.x(13).unwrap(), 13);
    });
}

#[test]
fn parts_in_memory_need_no_answer() {
    on_every_engine(|engine| {
        // The pair straddles the end of the memory.
        let (mut vcpu, memory) = start(
            engine,
            &[
                0xa9be_0801, // stp x1, x2, [x0, #-32]!
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(0, RAM + SIZE - 8 + 32).unwrap();
        vcpu.set_x(1, 1).unwrap();
        vcpu.set_x(2, 2).unwrap();
        write(&mut vcpu, Gpa(RAM + SIZE), 8, 2);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let mut word = [0; 8];
        memory.read(SIZE - 8, &mut word).unwrap();
        assert_eq!(u64::from_le_bytes(word), 1);
    });
}

#[test]
fn memory_that_may_not_be_written_is_a_device() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(
            engine,
            &[
                0xf900_0001, // str x1, [x0]
                0xf940_0002, // ldr x2, [x0]
                0xd400_0002, // hvc #0
            ],
        );
        let vm = vcpu.vm().clone();
        memory.write(0x4000, &7_u64.to_le_bytes()).unwrap();
        vm.protect(RAM + 0x4000, 0x4000, Permissions::READ).unwrap();
        vcpu.set_x(0, RAM + 0x4000).unwrap();
        vcpu.set_x(1, 9).unwrap();
        write(&mut vcpu, Gpa(RAM + 0x4000), 8, 9);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        assert_eq!(vcpu.x(2).unwrap(), 7);
    });
}

#[test]
fn dirty_pages_are_found_without_exits() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xf900_0001, // str x1, [x0]
                0xd400_0002, // hvc #0
                0xf900_0001, // str x1, [x0]
                0xd400_0002, // hvc #0
            ],
        );
        let vm = vcpu.vm().clone();
        vm.track_dirty(RAM, SIZE).unwrap();
        vcpu.set_x(0, RAM + 0x4010).unwrap();
        for _ in 0..2 {
            assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
            assert_eq!(vm.take_dirty(RAM, SIZE).unwrap(), [Gpa(RAM + 0x4000)]);
            assert_eq!(vm.take_dirty(RAM, SIZE).unwrap(), []);
        }
        vm.untrack_dirty(RAM, SIZE).unwrap();
    });
}

#[test]
fn an_absent_device_aborts() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(
            engine,
            &[
                0x1000_4000, // adr x0, vectors
                0xd518_c000, // msr vbar_el1, x0
                0xf940_0022, // ldr x2, [x1]
            ],
        );
        load(&memory, 0xa00, &[0xd400_0042]); // hvc #2
        vcpu.set_x(1, DEVICE).unwrap();
        match vcpu.run().unwrap() {
            Exit::MmioRead(read) => read.abort().unwrap(),
            other => panic!("{other:?}"),
        }
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(call) if call.immediate() == 2));
        let esr = vcpu.read(xhv::aarch64::sysreg::ESR_EL1).unwrap();
        assert_eq!(esr.bits(), 0x9600_0010);
        assert_eq!(vcpu.read(xhv::aarch64::sysreg::FAR_EL1).unwrap(), DEVICE);
    });
}

#[test]
fn fetches_without_memory_are_told() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[]);
        vcpu.write(PC, DEVICE).unwrap();
        match vcpu.run().unwrap() {
            Exit::InstructionAbort(abort) => assert_eq!(abort.gpa(), device(0)),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(PC).unwrap(), DEVICE);
    });
}
