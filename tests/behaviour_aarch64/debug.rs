//! Debugging: breakpoints, watchpoints, single step, and what a guest notices of them.

use xhv::Engine;
use xhv::aarch64::exits::SyndromeReason;
use xhv::aarch64::reg::{CPSR, PC, Spsr, SpsrM};
use xhv::aarch64::sysreg::{
    CONTEXTIDR_EL1, DBGBCR0_EL1, DBGBCR5_EL1, DBGBVR0_EL1, DBGBVR5_EL1, DBGWCR0_EL1, DBGWVR0_EL1,
    Dbgbcr, Dbgwcr, ELR_EL1, ESR_EL1, MDSCR_EL1, Mdscr, SPSR_EL1, VBAR_EL1, Vbar,
};
use xhv::aarch64::{Debugger, Exit, Vcpu};
use xhv::debug::{Stop, Watch};

use crate::guest::{DEVICE, RAM, load, on_every_engine, start, vm};

/// Runs and says what stopped it.
#[track_caller]
fn run(debugger: &mut Debugger) -> String {
    named(debugger.run().unwrap())
}

#[track_caller]
fn step(debugger: &mut Debugger) -> String {
    named(debugger.step().unwrap())
}

fn named(stop: Stop<Exit>) -> String {
    match stop {
        Stop::Exit(Exit::Hvc(call)) => format!("hvc {}", call.immediate()),
        Stop::Exit(exit) => format!("{exit:?}"),
        Stop::Breakpoint { address, hardware } => format!(
            "{} {:x}",
            if hardware { "hardware" } else { "software" },
            address - RAM
        ),
        Stop::Watchpoint { point, access } => format!(
            "watch {:x}+{} at {:x}",
            point.address - RAM,
            point.length,
            access.unwrap_or(0).wrapping_sub(RAM)
        ),
        Stop::Step => "step".to_owned(),
    }
}

fn x(debugger: &Debugger, number: u8) -> u64 {
    debugger.vcpu().x(number).unwrap()
}

fn at(debugger: &Debugger) -> u64 {
    debugger.pc().unwrap() - RAM
}

const ADD: u32 = 0x9100_0400; // add x0, x0, #1
const HVC: u32 = 0xd400_0022; // hvc #1

#[test]
fn a_breakpoint_stops_before_its_instruction_and_is_passed() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(engine, &[ADD, ADD, 0x17ff_fffe]); // b back
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(RAM).unwrap();
        debugger.add_breakpoint(RAM + 4).unwrap();
        for round in 0..3 {
            assert_eq!(run(&mut debugger), "software 0", "also where it starts");
            assert_eq!((x(&debugger, 0), at(&debugger)), (2 * round, 0));
            assert_eq!(run(&mut debugger), "software 4");
        }
        assert!(debugger.remove_breakpoint(RAM).unwrap());
        assert!(!debugger.remove_breakpoint(RAM).unwrap());
        assert_eq!(run(&mut debugger), "software 4");
        assert_eq!(x(&debugger, 0), 7);
        let mut seen = [0; 4];
        assert_eq!(debugger.read_memory(RAM + 4, &mut seen).unwrap(), 4);
        assert_eq!(u32::from_le_bytes(seen), ADD);
        assert_eq!(
            debugger
                .write_memory(RAM + 4, &0xd100_0400_u32.to_le_bytes())
                .unwrap(),
            4
        );
        drop(debugger);
        memory.read(4, &mut seen).unwrap();
        assert_eq!(u32::from_le_bytes(seen), 0xd100_0400);
        assert!(!vcpu.trap_debug_exceptions().unwrap());
    });
}

#[test]
fn odd_addresses_and_missing_memory_are_refused() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[HVC]);
        let mut debugger = Debugger::new(&mut vcpu);
        let odd = debugger.add_breakpoint(RAM + 2).unwrap_err().to_string();
        assert!(odd.contains("no multiple of 4"), "{odd}");
        assert!(debugger.add_hardware_breakpoint(RAM + 2).is_err());
        assert!(debugger.add_breakpoint(DEVICE).is_err());
        for n in 0..6 {
            debugger.add_hardware_breakpoint(RAM + 4 * n).unwrap();
        }
        let full = debugger
            .add_hardware_breakpoint(RAM + 64)
            .unwrap_err()
            .to_string();
        assert!(
            full.contains("7 hardware breakpoints would be needed, and there are 6"),
            "{full}"
        );
        debugger.add_watchpoint(RAM + 4, 20, Watch::Read).unwrap();
        let full = debugger
            .add_watchpoint(RAM + 4, 20, Watch::Write)
            .unwrap_err()
            .to_string();
        assert!(
            full.contains("watchpoints would be needed, and there are 4"),
            "{full}"
        );
    });
}

#[test]
fn steps_are_one_instruction_whatever_it_is() {
    on_every_engine(|engine| {
        // svc #0; ldr x1, [x2] (a device); add; hvc #1. At the vector 200h: add x0, x0, #1; eret
        let (mut vcpu, memory) = start(engine, &[0xd400_0001, 0xf940_0041, ADD, HVC]);
        load(&memory, 0xa00, &[ADD, 0xd69f_03e0]);
        vcpu.write(VBAR_EL1, Vbar::from_bits(RAM + 0x800)).unwrap();
        vcpu.set_x(2, DEVICE).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        let mut places = Vec::new();
        loop {
            match debugger.step().unwrap() {
                Stop::Step => {}
                Stop::Exit(Exit::MmioRead(read)) => {
                    read.finish(7).unwrap();
                    continue;
                }
                Stop::Exit(Exit::Hvc(_)) => break,
                other => panic!("{other:?}"),
            }
            places.push(at(&debugger));
        }
        assert_eq!(places, [0xa00, 0xa04, 4, 8, 12]);
        assert_eq!((x(&debugger, 0), x(&debugger, 1)), (2, 7));
        let vcpu = debugger.vcpu();
        assert_eq!(
            vcpu.read(SPSR_EL1).unwrap().bits() & 1 << 21,
            0,
            "no SS in what it saved"
        );
        assert_eq!(vcpu.read(CPSR).unwrap().bits() & 1 << 21, 0);
        assert_eq!(vcpu.read(MDSCR_EL1).unwrap().bits(), 0);
    });
}

#[test]
fn exclusive_sequences_are_one_step_and_end() {
    on_every_engine(|engine| {
        // 0: ldxr x3, [x1]; add x3, x3, #1; stxr w4, x3, [x1]; 0xc: cbnz w4, 0; 10: hvc #1
        let code = [0xc85f_7c23, 0x9100_0463, 0xc804_7c23, 0x35ff_ffa4, HVC];
        let (mut vcpu, memory) = start(engine, &code);
        vcpu.set_x(1, RAM + 0x1000).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 0xc);
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 0x10, "the store was made");
        // A breakpoint on the load is passed together with its sequence.
        debugger.vcpu_mut().write(PC, RAM).unwrap();
        debugger.add_breakpoint(RAM).unwrap();
        assert_eq!(run(&mut debugger), "software 0");
        assert_eq!(run(&mut debugger), "hvc 1");
        let mut count = [0; 8];
        memory.read(0x1000, &mut count).unwrap();
        assert_eq!(u64::from_le_bytes(count), 2);
        drop(debugger);
        let mut seen = [0; 20];
        memory.read(0, &mut seen).unwrap();
        let words: Vec<u32> = seen
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, code, "nothing is left behind");
    });
}

/// At the vector of EL1h: mrs x9, esr_el1; add x10, x10, #1; mrs x11, elr_el1; add x11, x11, #4; msr elr_el1, x11; eret
fn with_handler(engine: Engine, words: &[u32]) -> (Vcpu, xhv::Memory) {
    let (mut vcpu, memory) = start(engine, words);
    let handler = [
        0xd538_5209,
        0x9100_054a,
        0xd538_402b,
        0x9100_116b,
        0xd518_402b,
        0xd69f_03e0,
    ];
    load(&memory, 0xa00, &handler);
    vcpu.write(VBAR_EL1, Vbar::from_bits(RAM + 0x800)).unwrap();
    (vcpu, memory)
}

#[test]
fn the_guests_own_brk_reaches_it() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = with_handler(engine, &[0xd420_0540, ADD, HVC]); // brk #42
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(RAM + 4).unwrap();
        assert_eq!(run(&mut debugger), "software 4");
        assert_eq!((x(&debugger, 9), x(&debugger, 10)), (0xf200_002a, 1));
        assert_eq!(run(&mut debugger), "hvc 1");
        // One with a breakpoint of the debugger on it tells both.
        debugger.vcpu_mut().write(PC, RAM).unwrap();
        debugger.add_breakpoint(RAM).unwrap();
        assert_eq!(run(&mut debugger), "software 0");
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 0xa00, "in its handler");
        assert_eq!(run(&mut debugger), "software 4");
        assert_eq!((x(&debugger, 9), x(&debugger, 10)), (0xf200_002a, 2));
        // A VMM that traps debug exceptions itself gets it.
        debugger.vcpu_mut().write(PC, RAM).unwrap();
        debugger.remove_breakpoint(RAM).unwrap();
        debugger.vcpu_mut().set_trap_debug_exceptions(true).unwrap();
        assert!(matches!(
            debugger.run().unwrap(),
            Stop::Exit(Exit::Debug(_))
        ));
    });
}

#[test]
fn watchpoints_stop_before_the_access() {
    on_every_engine(|engine| {
        // 0: ldr w3, [x1]; 4: strb w3, [x1, #2]; 8: stp x3, x4, [x1, #-8]; c: str w3, [x1, #4]; 10: hvc #1
        let (mut vcpu, _memory) = start(
            engine,
            &[0xb940_0023, 0x3900_0823, 0xa93f_9023, 0xb900_0423, HVC],
        );
        let base = RAM + 0x1000;
        vcpu.set_x(1, base).unwrap();
        for (kind, length, expected) in [
            (Watch::Read, 4, vec![0]),
            (Watch::Write, 4, vec![4, 8]),
            (Watch::Access, 4, vec![0, 4, 8]),
            (Watch::Write, 1, vec![8]),
            (Watch::Write, 0x800, vec![4, 8, 12]),
        ] {
            vcpu.write(PC, RAM).unwrap();
            let mut debugger = Debugger::new(&mut vcpu);
            debugger.add_watchpoint(base, length, kind).unwrap();
            let mut stops = Vec::new();
            loop {
                match debugger.run().unwrap() {
                    Stop::Watchpoint { point, access } => {
                        assert_eq!(
                            (point.address, point.length, point.kind),
                            (base, length, kind)
                        );
                        // Any address from the lowest of the access to the highest that is watched.
                        assert!((base - 8..base + length).contains(&access.unwrap()));
                        stops.push(at(&debugger));
                    }
                    Stop::Exit(Exit::Hvc(_)) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(stops, expected, "{kind:?} {length}");
        }
    });
}

#[test]
fn a_step_tells_of_a_watchpoint_and_then_makes_the_access() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[ADD, 0xf900_0020, ADD, HVC]); // str x0, [x1]
        vcpu.set_x(1, RAM + 0x1000).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger
            .add_watchpoint(RAM + 0x1000, 8, Watch::Write)
            .unwrap();
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(step(&mut debugger), "watch 1000+8 at 1000");
        assert_eq!(at(&debugger), 4);
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 8);
    });
}

#[test]
fn the_guest_keeps_its_own_debug_registers() {
    on_every_engine(|engine| {
        // msr dbgwvr0_el1, x1; msr mdscr_el1, x2; mrs x3, dbgwvr0_el1; mrs x4, mdscr_el1; mrs x5, dbgbcr0_el1; hvc #1
        let (mut vcpu, _memory) = start(
            engine,
            &[
                0xd510_00c1,
                0xd510_0242,
                0xd530_00c3,
                0xd530_0244,
                0xd530_00a5,
                HVC,
            ],
        );
        vcpu.set_x(1, 0x1230).unwrap();
        vcpu.set_x(2, 1 << 15).unwrap();
        // Enabled, but the debugger's run is not disturbed by it.
        let own = Dbgbcr::from_bits(0xf << 5 | 3 << 1 | 1);
        vcpu.write(DBGBCR0_EL1, own).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_hardware_breakpoint(RAM + 20).unwrap();
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 4);
        assert_eq!(run(&mut debugger), "hardware 14");
        let vcpu = debugger.vcpu();
        assert_eq!((x(&debugger, 3), x(&debugger, 4)), (0x1230, 1 << 15));
        assert_eq!(x(&debugger, 5), own.bits());
        assert_eq!(vcpu.read(DBGWVR0_EL1).unwrap(), 0x1230);
        assert!(vcpu.read(MDSCR_EL1).unwrap().contains(Mdscr::MDE));
        assert!(!vcpu.trap_debug_registers().unwrap());
    });
}

#[test]
fn masked_debug_exceptions_come_to_the_vmm_all_the_same() {
    on_every_engine(|engine| {
        // EL0 and EL1, PSTATE.D set and clear: what the VMM takes goes to a higher level.
        for mode in [SpsrM::EL1H, SpsrM::EL0T] {
            for masked in [Spsr::D, Spsr::empty()] {
                let (mut vcpu, _memory) = start(engine, &[ADD, ADD, HVC]);
                vcpu.write(CPSR, (masked | Spsr::I).with_m(mode)).unwrap();
                let mut debugger = Debugger::new(&mut vcpu);
                debugger.add_hardware_breakpoint(RAM + 4).unwrap();
                assert_eq!(run(&mut debugger), "hardware 4");
                assert_eq!(step(&mut debugger), "step");
                assert_eq!(at(&debugger), 8);
            }
        }
    });
}

#[test]
fn a_step_over_exits_goes_on_when_they_are_finished() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xf940_0041, ADD, HVC]); // ldr x1, [x2]
        vcpu.set_x(2, DEVICE).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(RAM).unwrap();
        debugger.add_breakpoint(RAM + 4).unwrap();
        assert_eq!(run(&mut debugger), "software 0");
        for _ in 0..2 {
            assert!(matches!(
                debugger.run().unwrap(),
                Stop::Exit(Exit::MmioRead(_))
            ));
        }
        match debugger.run().unwrap() {
            Stop::Exit(Exit::MmioRead(read)) => read.finish(5).unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(run(&mut debugger), "software 4");
        assert_eq!(x(&debugger, 1), 5);
    });
}

#[test]
fn all_vcpus_meet_a_breakpoint_in_memory() {
    on_every_engine(|engine| {
        // 0: ldxr x3, [x1]; add x3, x3, #1; stxr w4, x3, [x1]; cbnz w4, 0; 10: sub x2, x2, #1; cbnz x2, 0; hvc #1
        let code = [
            0xc85f_7c23,
            0x9100_0463,
            0xc804_7c23,
            0x35ff_ffa4,
            0xd100_0442,
            0xb5ff_ff62,
            HVC,
        ];
        let (vm, memory) = vm(engine, &code);
        let rounds = 50;
        let threads: Vec<_> = (0..2)
            .map(|number| {
                vm.spawn_vcpu(move |vcpu| {
                    vcpu.set_el1(RAM, 0)?;
                    vcpu.set_identity(number)?;
                    vcpu.set_x(1, RAM + 0x1000)?;
                    vcpu.set_x(2, rounds)?;
                    let mut debugger = Debugger::new(vcpu);
                    debugger.add_breakpoint(RAM + 16)?;
                    let mut hits = 0;
                    loop {
                        match debugger.run()? {
                            Stop::Breakpoint { .. } => hits += 1,
                            Stop::Exit(Exit::Hvc(_)) => return Ok::<u64, xhv::Error>(hits),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(
                thread.unwrap().join().unwrap().unwrap(),
                rounds,
                "none slips through"
            );
        }
        let mut count = [0; 8];
        memory.read(0x1000, &mut count).unwrap();
        assert_eq!(u64::from_le_bytes(count), 2 * rounds);
    });
}

#[test]
fn a_step_into_an_exception_is_told_at_its_vector() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = with_handler(engine, &[0x0000_0000, HVC]); // udf
        let mut debugger = Debugger::new(&mut vcpu);
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(at(&debugger), 0xa00);
        let vcpu = debugger.vcpu();
        assert_eq!(vcpu.read(ELR_EL1).unwrap(), RAM);
        assert_eq!(vcpu.read(ESR_EL1).unwrap().ec(), SyndromeReason::UNKNOWN);
        assert!(!vcpu.read(SPSR_EL1).unwrap().contains(Spsr::SS));
        assert_eq!(run(&mut debugger), "hvc 1");
    });
}

#[test]
fn exits_are_counted_for_who_asks() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[HVC, 0xf940_0041, HVC]); // ldr x1, [x2]
        vcpu.set_x(2, DEVICE).unwrap();
        vcpu.set_exit_statistics(true);
        for _ in 0..3 {
            match vcpu.run().unwrap() {
                Exit::MmioRead(read) => read.finish(7).unwrap(),
                Exit::Hvc(call) => call.finish_with(&[]).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        let statistics = vcpu.exit_statistics().unwrap();
        assert_eq!(statistics.count("HVC"), 2, "{statistics}");
        assert_eq!(statistics.count("DATA_ABORT_LOWER"), 1, "{statistics}");
        assert_eq!(statistics.total(), 3);
    });
}

/// A guest whose own debugging is on: MDSCR_EL1 MDE and KDE, PSTATE.D clear, a handler that counts in X10 and passes the instruction.
fn debugging_itself(engine: Engine, words: &[u32]) -> (Vcpu, xhv::Memory) {
    let (mut vcpu, memory) = with_handler(engine, words);
    vcpu.write(MDSCR_EL1, Mdscr::MDE | Mdscr::KDE).unwrap();
    vcpu.modify(CPSR, |pstate: Spsr| pstate - Spsr::D).unwrap();
    (vcpu, memory)
}

#[test]
fn breakpoints_and_watchpoints_can_be_linked_to_a_context() {
    const NOP: u32 = 0xd503_201f;
    on_every_engine(|engine| {
        // 0: nop; 4: nop; 8: str x0, [x1]; c: hvc #1
        let store = 0xf900_0020;
        let linked = |number: u64, kind: u64| kind << 20 | number << 16 | 0xf << 5 | 3 << 1 | 1;
        // Breakpoint 5 is the one that is aware of contexts; the last column is how often the guest was in its handler.
        for (context, address, point, expected) in [
            (7, linked(5, 1), None, 1),
            (8, linked(5, 1), None, 0),
            // Linked to one that is none.
            (7, linked(4, 1), None, 0),
            (7, 0, Some(2 << 3 | 1 << 20 | 5 << 16), 1),
            (8, 0, Some(2 << 3 | 1 << 20 | 5 << 16), 0),
            // Secure state only.
            (7, linked(0, 0) | 2 << 14, None, 0),
            (7, linked(0, 0), None, 1),
        ] {
            let (mut vcpu, _memory) = debugging_itself(engine, &[NOP, NOP, store, HVC]);
            vcpu.set_x(1, RAM + 0x1000).unwrap();
            vcpu.write(CONTEXTIDR_EL1, context).unwrap();
            vcpu.write(DBGBVR5_EL1, 7).unwrap();
            vcpu.write(
                DBGBCR5_EL1,
                Dbgbcr::from_bits(3 << 20 | 0xf << 5 | 3 << 1 | 1),
            )
            .unwrap();
            vcpu.write(DBGBVR0_EL1, RAM + 4).unwrap();
            vcpu.write(DBGBCR0_EL1, Dbgbcr::from_bits(address)).unwrap();
            if let Some(point) = point {
                vcpu.write(DBGWVR0_EL1, RAM + 0x1000).unwrap();
                let control = point | 0xff << 5 | 3 << 1 | 1;
                vcpu.write(DBGWCR0_EL1, Dbgwcr::from_bits(control)).unwrap();
            }
            assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
            assert_eq!(
                vcpu.x(10).unwrap(),
                expected,
                "{context} {address:#x} {point:x?}"
            );
        }
    });
}

#[test]
fn the_guests_own_debugging_wants_kde_and_an_open_mask() {
    on_every_engine(|engine| {
        for (control, masked, expected) in [
            (Mdscr::MDE | Mdscr::KDE, Spsr::empty(), 1),
            (Mdscr::MDE, Spsr::empty(), 0),
            (Mdscr::KDE, Spsr::empty(), 0),
            (Mdscr::MDE | Mdscr::KDE, Spsr::D, 0),
        ] {
            let (mut vcpu, _memory) = debugging_itself(engine, &[ADD, ADD, HVC]);
            vcpu.write(MDSCR_EL1, control).unwrap();
            vcpu.modify(CPSR, |pstate: Spsr| pstate | masked).unwrap();
            vcpu.write(DBGBVR0_EL1, RAM + 4).unwrap();
            vcpu.write(DBGBCR0_EL1, Dbgbcr::from_bits(0xf << 5 | 3 << 1 | 1))
                .unwrap();
            assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
            assert_eq!(vcpu.x(10).unwrap(), expected, "{control:?} {masked:?}");
        }
    });
}

#[test]
fn stepping_over_eret_stops_at_its_target() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xd69f_03e0, ADD, ADD, HVC]); // eret
        vcpu.write(ELR_EL1, RAM + 4).unwrap();
        // Whatever the saved status says of a step.
        vcpu.write(SPSR_EL1, Spsr::SS.with_m(SpsrM::EL0T)).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        assert_eq!(step(&mut debugger), "step");
        assert_eq!((at(&debugger), x(&debugger, 0)), (4, 0));
    });
}
