//! Calls, trapped system registers, injected exceptions.

use xhv::aarch64::exits::SyndromeReason;
use xhv::aarch64::reg::PC;
use xhv::aarch64::sysreg::{ESR_EL1, TrappedRegister};
use xhv::aarch64::{Exit, Vcpu};

use crate::guest::{RAM, load, on_every_engine, start};

/// Runs to the next HVC and answers its immediate.
#[track_caller]
fn hvc(vcpu: &mut Vcpu) -> u16 {
    match vcpu.run().unwrap() {
        Exit::Hvc(call) => {
            let immediate = call.immediate();
            call.finish_with(&[]).unwrap();
            immediate
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_take_arguments_and_results() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xd280_00a0, // mov x0, #5
                0xd280_0061, // mov x1, #3
                0x8b01_0000, // add x0, x0, x1
                0xd400_00e2, // hvc #7
                0xaa00_03e2, // mov x2, x0
                0xd400_0123, // smc #9
                0xaa00_03e3, // mov x3, x0
                0xd400_0022, // hvc #1
            ],
        );
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => {
                assert_eq!(call.immediate(), 7);
                assert_eq!(call.function().unwrap(), 8);
                assert_eq!(call.argument(1).unwrap(), 3);
                call.finish(100).unwrap();
            }
            other => panic!("{other:?}"),
        }
        // One that is dropped comes again.
        for _ in 0..2 {
            assert!(matches!(vcpu.run().unwrap(), Exit::Smc(call) if call.immediate() == 9));
        }
        match vcpu.run().unwrap() {
            Exit::Smc(call) => call.finish(200).unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(hvc(&mut vcpu), 1);
        assert_eq!(vcpu.x(2).unwrap(), 100);
        assert_eq!(vcpu.x(3).unwrap(), 200);
        assert_eq!(vcpu.read(PC).unwrap(), RAM + 32);
    });
}

#[test]
fn trapped_registers_are_read_and_written() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xd53b_9c01, // mrs x1, pmcr_el0
                0xd51b_9c02, // msr pmcr_el0, x2
                0xd53b_9c1f, // mrs xzr, pmcr_el0
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(2, 0x1234).unwrap();
        match vcpu.run().unwrap() {
            Exit::SystemRegisterRead(read) => {
                assert_eq!(read.register(), TrappedRegister::PMCR_EL0);
                read.finish(0x55).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.x(1).unwrap(), 0x55);
        match vcpu.run().unwrap() {
            Exit::SystemRegisterWrite(write) => {
                assert_eq!(write.register(), TrappedRegister::PMCR_EL0);
                assert_eq!(write.value().unwrap(), 0x1234);
                write.finish().unwrap();
            }
            other => panic!("{other:?}"),
        }
        // The zero register is not PC.
        match vcpu.run().unwrap() {
            Exit::SystemRegisterRead(read) => read.finish(0xdead).unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(PC).unwrap(), RAM + 12);
        assert_eq!(hvc(&mut vcpu), 0);
    });
}

#[test]
fn an_undefined_exception_is_taken() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(
            engine,
            &[
                0x1000_4000, // adr x0, vectors
                0xd518_c000, // msr vbar_el1, x0
                0xd53b_9c01, // mrs x1, pmcr_el0
                0xd400_0022, // hvc #1
            ],
        );
        load(
            &memory,
            0xa00,
            &[
                0xd538_520a, // mrs x10, esr_el1
                0xd538_402b, // mrs x11, elr_el1
                0xd538_400c, // mrs x12, spsr_el1
                0xd400_0042, // hvc #2
            ],
        );
        match vcpu.run().unwrap() {
            Exit::SystemRegisterRead(read) => read.undefined().unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(ESR_EL1).unwrap().ec(), SyndromeReason::UNKNOWN);
        assert_eq!(hvc(&mut vcpu), 2);
        assert_eq!(vcpu.x(10).unwrap(), 1 << 25);
        assert_eq!(vcpu.x(11).unwrap(), RAM + 8);
        assert_eq!(vcpu.x(12).unwrap(), 0x3c5);
    });
}
