//! Accesses to devices: width, sign, the zero register, protection, absence. `device_parts` has instructions of several accesses.

use xhv::Gpa;
use xhv::aarch64::reg::PC;
use xhv::aarch64::{Exit, Vcpu};

use crate::guest::{DEVICE, RAM, device, load, on_every_engine, start};

/// Answers a read and checks what is asked.
#[track_caller]
pub fn read(vcpu: &mut Vcpu, at: Gpa, size: u8, value: u64) {
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
pub fn write(vcpu: &mut Vcpu, at: Gpa, size: u8, value: u64) {
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
