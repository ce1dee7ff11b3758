//! Calls, trapped system registers, injected exceptions.

use xhv::Gpa;
use xhv::aarch64::exits::SyndromeReason;
use xhv::aarch64::policy::{self, Answered};
use xhv::aarch64::psci::{self, Psci};
use xhv::aarch64::reg::PC;
use xhv::aarch64::sysreg::{
    ESR_EL1, Granule, ID_AA64MMFR0_EL1, MAIR_EL1, MPIDR_EL1, Mair, MairAttr, PaSize, SCTLR_EL1,
    Sctlr, TCR_EL1, TTBR0_EL1, Tcr, TrappedRegister, Ttbr,
};
use xhv::aarch64::{Exit, Vcpu, affinity};

use crate::guest::{RAM, SIZE, load, on_every_engine, start, vm};

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

#[test]
fn default_answers_keep_a_guest_going() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xd53b_9c01, // mrs x1, pmcr_el0
                0xd51b_9c02, // msr pmcr_el0, x2
                0xd400_0002, // hvc #0
            ],
        );
        vcpu.set_x(1, 5).unwrap();
        match vcpu.run().unwrap() {
            Exit::SystemRegisterRead(read) => {
                assert_eq!(read.finish_default().unwrap(), Answered::Ignored);
            }
            other => panic!("{other:?}"),
        }
        match vcpu.run().unwrap() {
            Exit::SystemRegisterWrite(write) => {
                assert_eq!(write.finish_default().unwrap(), Answered::Ignored);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(hvc(&mut vcpu), 0);
        assert_eq!(vcpu.x(1).unwrap(), 0);
        // A newer system may trap what nobody has heard of.
        let unknown = TrappedRegister(0xc7ff);
        assert_eq!(
            policy::read(&vcpu, unknown).unwrap(),
            Answered::Unknown(unknown)
        );
    });
}

#[test]
fn a_second_cpu_is_switched_on_by_psci() {
    on_every_engine(|engine| {
        let (vm, memory) = vm(
            engine,
            &[
                0xd400_0002, // hvc #0
                0x9100_0401, // add x1, x0, #1
                0xf900_0041, // str x1, [x2]
                0xd400_0002, // hvc #0
            ],
        );
        let mut first = vm.create_vcpu().unwrap();
        first.set_el1(RAM, RAM + SIZE).unwrap();
        first.set_x(0, 0xc400_0003).unwrap();
        first.set_x(1, affinity(1).bits() & !(1 << 31)).unwrap();
        first.set_x(2, RAM + 4).unwrap();
        first.set_x(3, 41).unwrap();
        let (entry, context) = match first.run().unwrap() {
            Exit::Hvc(call) => match call.psci().unwrap() {
                Psci::CpuOn {
                    target,
                    entry,
                    context,
                } => {
                    assert_eq!(target, 1);
                    call.finish(psci::result::SUCCESS).unwrap();
                    (entry, context)
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let second = vm.spawn_vcpu(move |vcpu| {
            vcpu.set_identity(1).unwrap();
            vcpu.set_psci_entry(entry, context).unwrap();
            assert_eq!(vcpu.read(MPIDR_EL1).unwrap(), affinity(1));
            vcpu.set_x(2, RAM + 0x4000).unwrap();
            assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        });
        second.unwrap().join().unwrap();
        let mut word = [0; 8];
        memory.read(0x4000, &mut word).unwrap();
        assert_eq!(u64::from_le_bytes(word), 42);
        assert_eq!(first.x(0).unwrap(), 0);
    });
}

#[test]
fn linux_begins_as_it_wants() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xd400_0002]); // hvc #0
        vcpu.set_x(3, 9).unwrap();
        vcpu.set_linux(RAM, Gpa(RAM + 0x4000)).unwrap();
        assert_eq!(hvc(&mut vcpu), 0);
        let arguments: Vec<_> = (0..4).map(|number| vcpu.x(number).unwrap()).collect();
        assert_eq!(arguments, [RAM + 0x4000, 0, 0, 0]);
        assert_eq!(vcpu.exception_level().unwrap(), 1);
        let wide = vcpu.read(ID_AA64MMFR0_EL1).unwrap().parange();
        assert!(wide.0 <= 1, "{wide:?}");
    });
}

#[test]
fn addresses_are_translated_by_the_guests_tables() {
    on_every_engine(|engine| {
        // The guest runs through a 2 MiB block at 1 GiB that leads to its memory; 39 bits of addresses.
        let (mut vcpu, memory) = start(
            engine,
            &[
                0xf940_0001, // ldr x1, [x0]
                0xd400_0002, // hvc #0
            ],
        );
        const BLOCK: u64 = 0x701;
        memory
            .write(0x4000 + 8, &(RAM + 0x5000 | 3).to_le_bytes())
            .unwrap();
        memory.write(0x5000, &(RAM | BLOCK).to_le_bytes()).unwrap();
        memory.write(0x6000, &77_u64.to_le_bytes()).unwrap();
        vcpu.write(
            MAIR_EL1,
            Mair::empty().with_attr0(MairAttr::NORMAL_WRITE_BACK),
        )
        .unwrap();
        vcpu.write(TTBR0_EL1, Ttbr::from_bits(RAM + 0x4000))
            .unwrap();
        let control = Tcr::EPD1
            .with_t0sz(25)
            .with_tg0(Granule::KIB4)
            .with_ips(PaSize::BITS36);
        vcpu.write(TCR_EL1, control).unwrap();
        vcpu.modify(SCTLR_EL1, |control: Sctlr| control | Sctlr::M)
            .unwrap();
        vcpu.write(PC, 1 << 30).unwrap();
        vcpu.set_x(0, (1 << 30) + 0x6000).unwrap();
        assert_eq!(vcpu.instruction().unwrap(), Some(0xf940_0001));
        let found = vcpu.translate((1 << 30) + 0x6123).unwrap().unwrap();
        assert_eq!(found.gpa, Gpa(RAM + 0x6123));
        assert_eq!(found.page, Some(2 << 20));
        assert_eq!(vcpu.translate(1 << 38).unwrap(), None);
        assert_eq!(vcpu.translate(u64::MAX).unwrap(), None);
        let mut word = [0; 8];
        vcpu.read_virtual((1 << 30) + 0x6000, &mut word).unwrap();
        assert_eq!(u64::from_le_bytes(word), 77);
        assert_eq!(hvc(&mut vcpu), 0);
        assert_eq!(vcpu.x(1).unwrap(), 77);
    });
}

#[test]
fn identification_is_read_back_and_a_difference_told() {
    use xhv::aarch64::sysreg::{
        ACTLR_EL1, Actlr, ID_AA64DFR0_EL1, ID_AA64ISAR0_EL1, IdAa64dfr0Pmuver, IdAa64isar0Atomic,
    };
    on_every_engine(|engine| {
        // mrs x0, id_aa64isar0_el1; hvc #1
        let (mut vcpu, _memory) = start(engine, &[0xd538_0600, 0xd400_0022]);
        let without = vcpu
            .read(ID_AA64ISAR0_EL1)
            .unwrap()
            .with_atomic(IdAa64isar0Atomic::NONE);
        assert!(
            vcpu.write_kept(ID_AA64ISAR0_EL1, without)
                .unwrap()
                .is_none()
        );
        assert_eq!(hvc(&mut vcpu), 1);
        assert_eq!(vcpu.x(0).unwrap(), without.bits(), "what the guest is told");
        // Of this one the engine keeps one bit.
        let difference = vcpu
            .write_kept(ACTLR_EL1, Actlr::from_bits(0x43))
            .unwrap()
            .unwrap();
        assert_eq!(
            (difference.register(), difference.written),
            ("ACTLR_EL1", 0x43)
        );
        assert_ne!(difference.kept, 0x43);
        assert!(vcpu.set_usual_features().unwrap().is_empty());
        let debug = vcpu.read(ID_AA64DFR0_EL1).unwrap();
        assert_eq!(debug.pmuver(), IdAa64dfr0Pmuver::NONE);
    });
}
