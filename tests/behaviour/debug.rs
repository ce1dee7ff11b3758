//! Debugging: breakpoints, watchpoints, single step, and what a guest notices of them.

use xhv::debug::{Stop, Watch, Watchpoint};
use xhv::x86_64::vmcs::{self, AccessRights};
use xhv::x86_64::{Debugger, Exit, Vm, policy, reg};
use xhv::{Engine, Gpa};

use crate::support::{CODE, flat32, long_mode, on_every_engine, vm};

/// Runs and says what stopped it.
fn run(debugger: &mut Debugger) -> String {
    named(debugger.run().unwrap())
}

fn step(debugger: &mut Debugger) -> String {
    named(debugger.step().unwrap())
}

fn named(stop: Stop<Exit>) -> String {
    match stop {
        Stop::Exit(Exit::Hlt(_)) => "hlt".to_owned(),
        Stop::Exit(exit) => format!("{exit:?}"),
        Stop::Breakpoint { address, hardware } => {
            format!(
                "{} {address:x}",
                if hardware { "hardware" } else { "software" }
            )
        }
        Stop::Watchpoint { point, .. } => format!("watch {:x}+{}", point.address, point.length),
        Stop::Step => "step".to_owned(),
    }
}

fn rax(debugger: &Debugger) -> u64 {
    debugger.vcpu().read(reg::RAX).unwrap()
}

#[test]
fn a_breakpoint_stops_before_its_instruction_and_is_passed() {
    on_every_engine(|engine| {
        // 1000: inc eax; 1001: inc eax; 1002: jmp 1000
        let vm = vm(engine, &[0x40, 0x40, 0xeb, 0xfc]);
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE).unwrap();
        debugger.add_breakpoint(CODE + 1).unwrap();
        for round in 0..3 {
            assert_eq!(run(&mut debugger), "software 1000", "also where it starts");
            assert_eq!((rax(&debugger), debugger.pc().unwrap()), (2 * round, CODE));
            assert_eq!(run(&mut debugger), "software 1001");
            assert_eq!(rax(&debugger), 2 * round + 1);
        }
        assert!(debugger.remove_breakpoint(CODE).unwrap());
        assert!(!debugger.remove_breakpoint(CODE).unwrap());
        assert_eq!(run(&mut debugger), "software 1001");
        assert_eq!(rax(&debugger), 7);
    });
}

#[test]
fn memory_is_shown_without_breakpoints_and_is_clean_when_the_debugger_is_gone() {
    on_every_engine(|engine| {
        let code = [0x40, 0x40, 0x40, 0xf4];
        let vm = vm(engine, &code);
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE + 1).unwrap();
        debugger.add_breakpoint(CODE + 2).unwrap();
        let mut seen = [0; 4];
        assert_eq!(debugger.read_memory(CODE, &mut seen).unwrap(), 4);
        assert_eq!(seen, code);
        vm.read(Gpa(CODE), &mut seen).unwrap();
        assert_eq!(seen, [0x40, 0xcc, 0xcc, 0xf4]);
        // dec eax over the second and third.
        assert_eq!(debugger.write_memory(CODE + 1, &[0x48, 0x48]).unwrap(), 2);
        assert_eq!(run(&mut debugger), "software 1001");
        assert_eq!(run(&mut debugger), "software 1002");
        assert_eq!(rax(&debugger), 0);
        drop(debugger);
        vm.read(Gpa(CODE), &mut seen).unwrap();
        assert_eq!(seen, [0x40, 0x48, 0x48, 0xf4]);
        assert_eq!(vcpu.read(vmcs::EXCEPTION_BITMAP).unwrap(), 0);
    });
}

#[test]
fn memory_reads_end_where_memory_ends() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        assert_eq!(debugger.read_memory(0x10_0000 - 3, &mut [0; 8]).unwrap(), 3);
        assert_eq!(debugger.write_memory(0x20_0000, &[1]).unwrap(), 0);
        let error = debugger.add_breakpoint(0x20_0000).unwrap_err();
        assert!(matches!(error, xhv::Error::OutOfRange { .. }), "{error}");
    });
}

#[test]
fn steps_are_one_instruction_whatever_it_is() {
    on_every_engine(|engine| {
        // 1000: sti; 1001: pushf; 1002: pop eax; 1003: mov ss, dx; 1005: inc eax; 1006: call 100c; 100b: hlt; 100c: out 10h, al; 100e: ret
        let vm = vm(
            engine,
            &[
                0xfb, 0x9c, 0x58, 0x8e, 0xd2, 0x40, 0xe8, 1, 0, 0, 0, 0xf4, 0xe6, 0x10, 0xc3,
            ],
        );
        // Flat descriptors for selector 10h.
        vm.write(Gpa(0x3010), &[0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0])
            .unwrap();
        let mut vcpu = flat32(&vm);
        vcpu.write(vmcs::GUEST_GDTR_BASE, 0x3000).unwrap();
        vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0x17).unwrap();
        vcpu.write(reg::RDX, 0x10).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        let mut places = Vec::new();
        loop {
            let stop = debugger.step().unwrap();
            match stop {
                Stop::Step => {}
                Stop::Exit(Exit::PortWrite(out)) => {
                    out.finish().unwrap();
                    continue;
                }
                Stop::Exit(Exit::Hlt(_)) => break,
                other => panic!("{other:?}"),
            }
            places.push(debugger.pc().unwrap());
        }
        assert_eq!(
            places,
            [
                0x1001, 0x1002, 0x1003, 0x1005, 0x1006, 0x100c, 0x100e, 0x100b
            ]
        );
        assert_eq!(rax(&debugger), 0x203, "the guest sees no trap flag");
    });
}

/// A 32-bit guest whose interrupt table has gates to 2000h for #DB and 2010h for #BP: each counts in EBX and returns.
fn with_handlers(engine: Engine, code: &[u8]) -> Vm {
    let vm = vm(engine, code);
    vm.write(Gpa(0x2000), &[0x43, 0xcf]).unwrap(); // inc ebx; iret
    vm.write(Gpa(0x2010), &[0x81, 0xc3, 0, 1, 0, 0, 0xcf])
        .unwrap(); // add ebx, 100h; iret
    vm.write(Gpa(0x3008), &[0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0])
        .unwrap();
    vm.write(Gpa(0x4008), &[0, 0x20, 8, 0, 0, 0x8e, 0, 0])
        .unwrap();
    vm.write(Gpa(0x4018), &[0x10, 0x20, 8, 0, 0, 0x8e, 0, 0])
        .unwrap();
    vm
}

fn handled(vm: &Vm) -> xhv::x86_64::Vcpu {
    let mut vcpu = flat32(vm);
    vcpu.write(vmcs::GUEST_GDTR_BASE, 0x3000).unwrap();
    vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0xf).unwrap();
    vcpu.write(vmcs::GUEST_IDTR_BASE, 0x4000).unwrap();
    vcpu
}

#[test]
fn the_guests_own_int3_and_steps_reach_it() {
    on_every_engine(|engine| {
        // int3; nop; pushf; or dword [esp], 100h; popf; nop; nop; pushf; and dword [esp], ~100h; popf; hlt
        let vm = with_handlers(
            engine,
            &[
                0xcc, 0x90, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90, 0x9c, 0x81, 0x24,
                0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d, 0xf4,
            ],
        );
        let mut vcpu = handled(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE + 12).unwrap();
        // With hardware points #DB comes to the debugger first.
        debugger.add_watchpoint(0x7000, 4, Watch::Write).unwrap();
        debugger.add_hardware_breakpoint(CODE + 11).unwrap();
        assert_eq!(run(&mut debugger), "hardware 100b");
        assert_eq!(debugger.vcpu().read(reg::RBX).unwrap(), 0x100);
        assert_eq!(run(&mut debugger), "software 100c");
        assert_eq!(
            debugger.vcpu().read(reg::RBX).unwrap(),
            0x101,
            "stepped once"
        );
        assert_eq!(run(&mut debugger), "hlt");
        assert_eq!(debugger.vcpu().read(reg::RBX).unwrap(), 0x105);
        // BS, of the guest's own step; none of the debugger's conditions.
        assert_eq!(
            debugger.vcpu().read(reg::DR6).unwrap().bits() & 0xe00f,
            0x4000
        );
    });
}

#[test]
fn a_breakpoint_on_the_guests_own_int3_tells_both() {
    on_every_engine(|engine| {
        let vm = with_handlers(engine, &[0xcc, 0xf4]);
        let mut vcpu = handled(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE).unwrap();
        assert_eq!(run(&mut debugger), "software 1000");
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(debugger.pc().unwrap(), 0x2010, "in its handler");
        assert_eq!(run(&mut debugger), "hlt");
        assert_eq!(debugger.vcpu().read(reg::RBX).unwrap(), 0x100);
    });
}

#[test]
fn watchpoints_stop_behind_the_access() {
    on_every_engine(|engine| {
        // 1000: mov eax, [7000h]; 1005: mov [7002h], al; 100a: mov [6fffh], eax; 100f: mov [7004h], eax; 1014: hlt
        let vm = vm(
            engine,
            &[
                0xa1, 0, 0x70, 0, 0, 0xa2, 2, 0x70, 0, 0, 0xa3, 0xff, 0x6f, 0, 0, 0xa3, 4, 0x70, 0,
                0, 0xf4,
            ],
        );
        for (kind, length, expected) in [
            (
                Watch::Write,
                4,
                &["watch 7000+4 100a", "watch 7000+4 100f", "hlt 1014"][..],
            ),
            (
                Watch::Access,
                4,
                &[
                    "watch 7000+4 1005",
                    "watch 7000+4 100a",
                    "watch 7000+4 100f",
                    "hlt 1014",
                ],
            ),
            (Watch::Write, 1, &["watch 7000+1 100f", "hlt 1014"]),
            // Two registers.
            (
                Watch::Write,
                6,
                &[
                    "watch 7000+6 100a",
                    "watch 7000+6 100f",
                    "watch 7000+6 1014",
                    "hlt 1014",
                ],
            ),
        ] {
            let mut vcpu = flat32(&vm);
            let mut debugger = Debugger::new(&mut vcpu);
            debugger.add_watchpoint(0x7000, length, kind).unwrap();
            let mut stops = Vec::new();
            for _ in expected {
                let stop = run(&mut debugger);
                stops.push(format!("{stop} {:x}", debugger.pc().unwrap()));
            }
            assert_eq!(stops, expected, "{kind:?} {length}");
            assert!(debugger.remove_watchpoint(0x7000, length, kind));
        }
    });
}

#[test]
fn a_step_tells_of_a_watchpoint() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xa2, 2, 0x70, 0, 0, 0x90, 0xf4]); // mov [7002h], al; nop; hlt
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_watchpoint(0x7002, 1, Watch::Write).unwrap();
        assert_eq!(step(&mut debugger), "watch 7002+1");
        assert_eq!(step(&mut debugger), "step");
        assert_eq!(step(&mut debugger), "hlt");
        let point = Watchpoint {
            address: 0x7002,
            length: 1,
            kind: Watch::Write,
        };
        assert!(debugger.remove_watchpoint(point.address, point.length, point.kind));
    });
}

#[test]
fn the_guest_keeps_its_own_debug_registers() {
    on_every_engine(|engine| {
        // mov eax, 7000h; mov dr0, eax; mov eax, 0d0402h; mov dr7, eax; mov ecx, dr0; mov edx, dr7; mov [7000h], al; hlt
        let vm = with_handlers(
            engine,
            &[
                0xb8, 0, 0x70, 0, 0, 0x0f, 0x23, 0xc0, 0xb8, 2, 4, 0xd, 0, 0x0f, 0x23, 0xf8, 0x0f,
                0x21, 0xc1, 0x0f, 0x21, 0xfa, 0xa2, 0, 0x70, 0, 0, 0xf4,
            ],
        );
        let mut vcpu = handled(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_hardware_breakpoint(CODE + 22).unwrap();
        assert_eq!(run(&mut debugger), "hardware 1016");
        let vcpu = debugger.vcpu();
        assert_eq!(vcpu.read(reg::RCX).unwrap(), 0x7000);
        assert_eq!(vcpu.read(reg::RDX).unwrap(), 0xd_0402);
        assert_eq!(vcpu.read(reg::DR0).unwrap(), 0x7000);
        // Without hardware points of the debugger the guest's own work again.
        debugger.remove_hardware_breakpoint(CODE + 22);
        assert_eq!(run(&mut debugger), "hlt");
        assert_eq!(debugger.vcpu().read(reg::RBX).unwrap(), 1);
    });
}

#[test]
fn user_code_gets_no_debug_registers_from_the_debugger() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x23, 0xc0, 0xf4]); // mov dr0, eax
        let mut vcpu = flat32(&vm);
        for (field, rights) in [
            (vmcs::GUEST_CS_ACCESS_RIGHTS, 0xc0fb),
            (vmcs::GUEST_SS_ACCESS_RIGHTS, 0xc0f3),
        ] {
            vcpu.write(field, AccessRights::from_bits(rights)).unwrap();
        }
        vcpu.write(reg::RAX, 0x7000).unwrap();
        vcpu.write(vmcs::GUEST_IDTR_LIMIT, 0).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_hardware_breakpoint(CODE + 0x100).unwrap();
        // #GP, for which there is no handler.
        assert_eq!(run(&mut debugger), "TripleFault");
        assert_eq!(debugger.pc().unwrap(), CODE);
        assert_eq!(debugger.vcpu().read(reg::DR0).unwrap(), 0);
    });
}

#[test]
fn steps_by_branches_end_with_a_reflected_exception() {
    on_every_engine(|engine| {
        let vm = with_handlers(engine, &[0xeb, 0, 0xf4]); // jmp to the HLT
        let mut vcpu = handled(&vm);
        policy::write_msr(&mut vcpu, 0x1d9, 2).unwrap();
        let flags = reg::Rflags::from_bits(0x102);
        vcpu.write(reg::RFLAGS, flags).unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_hardware_breakpoint(CODE + 0x100).unwrap();
        assert_eq!(run(&mut debugger), "hlt");
        let vcpu = debugger.vcpu();
        assert_eq!(vcpu.read(reg::RBX).unwrap(), 1, "one #DB");
        assert_eq!(policy::read_msr(vcpu, 0x1d9).unwrap(), Some(0));
    });
}

#[test]
fn a_step_over_exits_goes_on_when_they_are_finished() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xe4, 0x10, 0x40, 0xf4]); // in al, 10h; inc eax; hlt
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE).unwrap();
        debugger.add_breakpoint(CODE + 2).unwrap();
        assert_eq!(run(&mut debugger), "software 1000");
        // Dropped: it comes again, not the breakpoint.
        for _ in 0..2 {
            assert!(matches!(
                debugger.run().unwrap(),
                Stop::Exit(Exit::PortRead(_))
            ));
        }
        match debugger.run().unwrap() {
            Stop::Exit(Exit::PortRead(read)) => read.finish(5).unwrap(),
            other => panic!("{other:?}"),
        }
        assert_eq!(run(&mut debugger), "software 1002");
        assert_eq!(rax(&debugger), 5);
    });
}

#[test]
fn what_the_processor_cannot_is_refused_in_words() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = flat32(&vm);
        let mut debugger = Debugger::new(&mut vcpu);
        for at in 0..3 {
            debugger.add_hardware_breakpoint(CODE + at).unwrap();
        }
        debugger.add_watchpoint(0x7000, 8, Watch::Write).unwrap();
        let full = debugger
            .add_hardware_breakpoint(CODE + 3)
            .unwrap_err()
            .to_string();
        assert!(
            full.contains("5 debug registers would be needed, and there are 4"),
            "{full}"
        );
        let full = debugger
            .add_watchpoint(0x8000, 1, Watch::Write)
            .unwrap_err()
            .to_string();
        assert!(full.contains("5 debug registers"), "{full}");
        let reads = debugger
            .add_watchpoint(0x8000, 1, Watch::Read)
            .unwrap_err()
            .to_string();
        assert!(reads.contains("use `Watch::Access`"), "{reads}");
        let empty = debugger
            .add_watchpoint(0x8000, 0, Watch::Write)
            .unwrap_err()
            .to_string();
        assert!(empty.contains("empty"), "{empty}");
        assert!(debugger.add_watchpoint(u64::MAX, 2, Watch::Write).is_err());
        // What was refused is not there.
        assert!(!debugger.remove_watchpoint(0x8000, 1, Watch::Write));
        assert!(debugger.remove_watchpoint(0x7000, 8, Watch::Write));
    });
}

#[test]
fn sixty_four_bit_guests_are_debugged_through_their_tables() {
    on_every_engine(|engine| {
        // 401000: inc eax; mov [rip + 0ff7h], al (402000); hlt
        let vm = vm(engine, &[0xff, 0xc0, 0x88, 0x05, 0xf8, 0x0f, 0, 0, 0xf4]);
        let mut vcpu = long_mode(&vm);
        // 2 MiB at 400000h are those at 0.
        vm.write_value(Gpa(0x2_2010), 0x87_u64).unwrap();
        vcpu.write(reg::RIP, 0x40_1000).unwrap();
        vcpu.invalidate_tlb().unwrap();
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(0x40_1002).unwrap();
        debugger.add_watchpoint(0x40_2000, 8, Watch::Write).unwrap();
        assert_eq!(run(&mut debugger), "software 401002");
        assert_eq!(run(&mut debugger), "watch 402000+8");
        assert_eq!(debugger.pc().unwrap(), 0x40_1008);
        assert_eq!(run(&mut debugger), "hlt");
        let mut byte = [0];
        vm.read(Gpa(0x2000), &mut byte).unwrap();
        assert_eq!(byte, [1]);
    });
}

#[test]
fn all_vcpus_meet_a_breakpoint_in_memory() {
    on_every_engine(|engine| {
        // 1000: lock inc dword [7000h]; 1007: dec ecx; 1008: jnz 1000; 100a: hlt
        let code = [0xf0, 0xff, 0x05, 0, 0x70, 0, 0, 0x49, 0x75, 0xf6, 0xf4];
        let vm = vm(engine, &code);
        let rounds = 50;
        let hits: Vec<_> = (0..2)
            .map(|_| {
                vm.spawn_vcpu(move |vcpu| {
                    vcpu.set_flat32(CODE as u32)?;
                    vcpu.write(reg::RCX, rounds)?;
                    let mut debugger = Debugger::new(vcpu);
                    debugger.add_breakpoint(CODE)?;
                    let mut hits = 0;
                    loop {
                        match debugger.run()? {
                            Stop::Breakpoint { address: CODE, .. } => hits += 1,
                            Stop::Exit(Exit::Hlt(_)) => return Ok::<u64, xhv::Error>(hits),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        for thread in hits {
            assert_eq!(
                thread.unwrap().join().unwrap().unwrap(),
                rounds,
                "none slips through"
            );
        }
        assert_eq!(
            vm.read_value::<u32>(Gpa(0x7000)).unwrap(),
            2 * rounds as u32
        );
        let mut seen = [0; 11];
        vm.read(Gpa(CODE), &mut seen).unwrap();
        assert_eq!(seen, code);
    });
}

#[test]
fn the_segment_base_counts() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x40, 0xf4]); // inc ax; hlt
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_real_mode(0x100, 0).unwrap();
        assert!(
            !vcpu
                .read(vmcs::GUEST_CS_ACCESS_RIGHTS)
                .unwrap()
                .contains(AccessRights::L)
        );
        let mut debugger = Debugger::new(&mut vcpu);
        debugger.add_breakpoint(CODE + 1).unwrap();
        assert_eq!(run(&mut debugger), "software 1001");
        assert_eq!(debugger.vcpu().read(reg::RIP).unwrap(), 1);
    });
}

#[test]
fn a_dump_has_everything_by_name() {
    on_every_engine(|engine| {
        // fldpi; out 10h, al; hlt
        let vm = vm(engine, &[0xd9, 0xeb, 0xe6, 0x10, 0xf4]);
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, 0x1234).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::PortWrite(_)));
        let short = vcpu.dump().to_string();
        assert!(
            short.contains("RBX                  0x1234\n") && !short.contains("XMM"),
            "{short}"
        );
        let whole = format!("{:#}", vcpu.dump());
        for line in [
            "RFLAGS               0x2\n",
            "SS     0x0010 base 0x0 limit 0xffffffff 0xc093: G | DB | P | S | TYPE=DataReadWriteAccessed\n",
            "GUEST_GDTR_LIMIT     0x0\n",
            "HLT_EXITING",
            "ST0                  0x4000c90fdaa22168c235\n",
            "XMM15                0x00000000000000000000000000000000\n",
            "Io {",
            "PORT=0x10",
        ] {
            assert!(whole.contains(line), "{line} is not in\n{whole}");
        }
        // What would not be entered says so.
        vcpu.write(vmcs::GUEST_CS_ACCESS_RIGHTS, AccessRights::from_bits(0))
            .unwrap();
        assert!(format!("{:#}", vcpu.dump()).contains("the next entry fails: "));
    });
}

#[test]
fn exits_are_counted_for_who_asks() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xe6, 0x10, 0xe4, 0x11, 0xf4]); // out 10h, al; in al, 11h; hlt
        let mut vcpu = flat32(&vm);
        assert_eq!(vcpu.exit_statistics(), None);
        vcpu.set_exit_statistics(true);
        for _ in 0..3 {
            match vcpu.run().unwrap() {
                Exit::PortWrite(out) => out.finish().unwrap(),
                Exit::PortRead(read) => read.finish(1).unwrap(),
                Exit::Hlt(halt) => halt.finish().unwrap(),
                other => panic!("{other:?}"),
            }
        }
        let statistics = vcpu.exit_statistics().unwrap();
        assert_eq!(
            (statistics.count("IO"), statistics.count("HLT")),
            (2, 1),
            "{statistics}"
        );
        assert!(statistics.to_string().contains(" IO\n"), "{statistics}");
        assert!(!statistics.in_guest.is_zero() && !statistics.in_vmm.is_zero());
        vcpu.set_exit_statistics(false);
        assert_eq!(vcpu.exit_statistics(), None);
    });
}

#[test]
fn a_guest_that_steps_a_system_call_is_stopped_behind_it() {
    use xhv::x86_64::{SegmentName, msr};
    on_every_engine(|engine| {
        // At 1000 (user): syscall; nop; hlt. At 1100 (kernel): nop; sysretq. At 1200, for #DB: inc ebx; mov rdx, [rsp]; hlt
        let vm = vm(engine, &[0x0f, 0x05, 0x90, 0xf4]);
        vm.write(Gpa(0x1100), &[0x90, 0x48, 0x0f, 0x07]).unwrap();
        vm.write(Gpa(0x1200), &[0xff, 0xc3, 0x48, 0x8b, 0x14, 0x24, 0xf4])
            .unwrap();
        // 64-bit code for selector 8; a gate for #DB; a task with its stack.
        vm.write(Gpa(0x3008), &[0xff, 0xff, 0, 0, 0, 0x9b, 0xaf, 0])
            .unwrap();
        vm.write(Gpa(0x4010), &[0, 0x12, 8, 0, 0, 0x8e, 0, 0])
            .unwrap();
        vm.write_value(Gpa(0x5004), 0x9000_u64).unwrap();
        let mut vcpu = long_mode(&vm);
        vcpu.write(vmcs::GUEST_GDTR_BASE, 0x3000).unwrap();
        vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0xf).unwrap();
        vcpu.write(vmcs::GUEST_IDTR_BASE, 0x4000).unwrap();
        vcpu.write(vmcs::GUEST_TR_BASE, 0x5000).unwrap();
        for (name, selector) in [(SegmentName::Cs, 0x2b), (SegmentName::Ss, 0x23)] {
            let mut segment = vcpu.segment(name).unwrap();
            segment.selector = selector;
            segment.rights = segment.rights.with_dpl(3);
            vcpu.set_segment(name, segment).unwrap();
        }
        vcpu.write(msr::STAR, msr::Star::from_bits(0x1b_0008 << 32))
            .unwrap();
        vcpu.write(msr::LSTAR, 0x1100).unwrap();
        vcpu.write(msr::FMASK, reg::Rflags::from_bits(0x100))
            .unwrap();
        vcpu.modify(reg::RFLAGS, |flags: reg::Rflags| flags | reg::Rflags::TF)
            .unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        // Not in the kernel, whose FMASK has TF, and not behind the nop that follows: right behind SYSCALL.
        assert_eq!(vcpu.read(reg::RBX).unwrap(), 1);
        assert_eq!(vcpu.read(reg::RDX).unwrap(), CODE + 2);
    });
}
