//! Instructions whose syndrome does not tell what they transfer: pairs, writeback, SIMD structures, atomics, literals, DC ZVA; and what
//! is no device access at all.

use xhv::Gpa;
use xhv::aarch64::reg::PC;
use xhv::aarch64::sysreg::{
    MAIR_EL1, Mair, SCTLR_EL1, Sctlr, TCR_EL1, TTBR0_EL1, TTBR1_EL1, Tcr, Ttbr,
};
use xhv::aarch64::{Exit, Undecoded, Vcpu, simd};

use crate::device::{read, write};
use crate::guest::{DEVICE, RAM, SIZE, device, on_every_engine, start};

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
fn a_guest_that_is_sent_elsewhere_leaves_its_parts() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xa940_0801, // ldp x1, x2, [x0]
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(0, DEVICE).unwrap();
        read(&mut vcpu, device(0), 8, 11);
        assert!(matches!(vcpu.run().unwrap(), Exit::MmioRead(read) if read.gpa() == device(8)));
        vcpu.write(PC, RAM + 4).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        assert_eq!((vcpu.x(1).unwrap(), vcpu.x(2).unwrap()), (0, 0));
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
fn structures_are_taken_apart() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0x0c40_8800, // ld2 {v0.2s, v1.2s}, [x0]
                0x4d00_1462, // st1 {v2.b}[13], [x3]
                0x4ddf_c883, // ld1r {v3.4s}, [x4], #4
                0x4cdf_2ca4, // ld1 {v4.2d-v7.2d}, [x5], #64
                0xd400_0002, // hvc #0
            ],
        );
        for (register, offset) in [(0, 0), (3, 0x101), (4, 0x200), (5, 0x300)] {
            vcpu.set_x(register, DEVICE + offset).unwrap();
        }
        vcpu.write(simd::Q2, 0x5a << 104).unwrap();
        vcpu.write(simd::Q0, u128::MAX).unwrap();
        for word in 0..4 {
            read(&mut vcpu, device(4 * word), 4, 10 + word);
        }
        write(&mut vcpu, device(0x101), 1, 0x5a);
        assert_eq!(vcpu.read(simd::Q0).unwrap(), 12 << 32 | 10);
        assert_eq!(vcpu.read(simd::Q1).unwrap(), 13 << 32 | 11);
        read(&mut vcpu, device(0x200), 4, 7);
        for double in 0..8 {
            assert_eq!(vcpu.read(simd::Q7).unwrap(), 0, "before the last part");
            read(&mut vcpu, device(0x300 + 8 * double), 8, double);
        }
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let four = 7 | 7 << 32 | 7 << 64 | 7 << 96;
        assert_eq!(vcpu.read(simd::Q3).unwrap(), four);
        assert_eq!(vcpu.read(simd::Q7).unwrap(), 7 << 64 | 6);
        assert_eq!(vcpu.x(4).unwrap(), DEVICE + 0x204);
        assert_eq!(vcpu.x(5).unwrap(), DEVICE + 0x340);
    });
}

#[test]
fn exclusives_and_pairs_are_exchanged() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xc87f_0c01, // ldxp x1, x3, [x0]
                0xc822_0c01, // stxp w2, x1, x3, [x0]
                0x4824_7c06, // casp x4, x5, x6, x7, [x0]
                0x4824_7c06, // casp x4, x5, x6, x7, [x0]
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(0, DEVICE).unwrap();
        vcpu.set_x(2, 9).unwrap();
        for (register, value) in [(4, 100), (5, 101), (6, 200), (7, 201)] {
            vcpu.set_x(register, value).unwrap();
        }
        read(&mut vcpu, device(0), 8, 1);
        read(&mut vcpu, device(8), 8, 2);
        // The exit has taken the monitor, as on every processor: nothing is stored. Then the second half differs: nothing is written, both are read.
        read(&mut vcpu, device(0), 8, 100);
        read(&mut vcpu, device(8), 8, 7);
        read(&mut vcpu, device(0), 8, 100);
        assert_eq!((vcpu.x(1).unwrap(), vcpu.x(3).unwrap()), (1, 2));
        assert_eq!(vcpu.x(2).unwrap(), 1, "the store-exclusive has failed");
        assert_eq!((vcpu.x(4).unwrap(), vcpu.x(5).unwrap()), (100, 7));
        read(&mut vcpu, device(8), 8, 7);
        write(&mut vcpu, device(0), 8, 200);
        write(&mut vcpu, device(8), 8, 201);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
    });
}

#[test]
fn literals_behind_the_memory_are_read() {
    on_every_engine(|engine| {
        // Each 8000h further than the instruction: in the first bytes behind the memory.
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0x5804_0001, // ldr x1
                0x1804_0002, // ldr w2
                0x9804_0003, // ldrsw x3
                0x1c04_0000, // ldr s0
                0x9c04_0001, // ldr q1
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(2, u64::MAX).unwrap();
        vcpu.write(simd::Q0, u128::MAX).unwrap();
        let at = |offset: u64| Gpa(RAM + SIZE + offset);
        read(&mut vcpu, at(0), 8, 11);
        read(&mut vcpu, at(4), 4, 0x8000_0000);
        read(&mut vcpu, at(8), 4, 0x8000_0000);
        read(&mut vcpu, at(12), 4, 5);
        read(&mut vcpu, at(16), 8, 6);
        read(&mut vcpu, at(24), 8, 7);
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let registers = [1, 2, 3].map(|number| vcpu.x(number).unwrap());
        assert_eq!(registers, [11, 0x8000_0000, 0xffff_ffff_8000_0000]);
        assert_eq!(vcpu.read(simd::Q0).unwrap(), 5);
        assert_eq!(vcpu.read(simd::Q1).unwrap(), 7 << 64 | 6);
    });
}

/// Turns the MMU on: 1 GiB of normal memory at 0, which is the device, and one at [`RAM`], each at itself; the tables are at `RAM` + 4000h.
fn translate(vcpu: &mut Vcpu) {
    for (entry, block) in [(0, 0x701_u64), (1, RAM | 0x701)] {
        let at = RAM + 0x4000 + 8 * entry;
        vcpu.vm().write(at, &block.to_le_bytes()).unwrap();
    }
    vcpu.write(MAIR_EL1, Mair::from_bits(0xff)).unwrap();
    vcpu.write(TTBR0_EL1, Ttbr::from_bits(RAM + 0x4000))
        .unwrap();
    // 4 KiB granules in both halves, 39 bits.
    let control = Tcr::from_bits(2 << 30).with_t0sz(25).with_t1sz(25);
    vcpu.write(TCR_EL1, control).unwrap();
    vcpu.modify(SCTLR_EL1, |control: Sctlr| control | Sctlr::M)
        .unwrap();
}

#[test]
fn a_zeroed_block_is_written() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xd50b_7420, 0xd400_0002]); // dc zva, x0; hvc #0
        translate(&mut vcpu);
        vcpu.set_x(0, DEVICE + 5).unwrap();
        let mut zeroed = 0;
        while let Exit::MmioWrite(write) = vcpu.run().unwrap() {
            assert_eq!((write.gpa(), write.value()), (device(zeroed), 0));
            zeroed += u64::from(write.size());
            write.finish().unwrap();
        }
        assert!(zeroed >= 16 && zeroed.is_power_of_two(), "{zeroed}");
    });
}

#[test]
fn a_table_without_memory_is_no_device() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xf940_0001, 0xd400_0002]); // ldr x1, [x0]; hvc #0
        translate(&mut vcpu);
        // The table of the upper half is where no memory is.
        vcpu.write(TTBR1_EL1, Ttbr::from_bits(DEVICE)).unwrap();
        vcpu.set_x(0, 0xffff_ff80_0000_0000).unwrap();
        match vcpu.run().unwrap() {
            Exit::DataAbort(abort) => {
                assert_eq!(abort.reason(), Undecoded::TableWalk);
                assert_eq!(abort.gpa(), device(0));
                abort.skip().unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
    });
}
