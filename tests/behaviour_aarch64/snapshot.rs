//! Snapshots: a guest goes on where it was, on a new VM, through JSON; damage and misfits are told.

use xhv::aarch64::reg::{FPCR, Fpcr, PC, X0};
use xhv::aarch64::sysreg::{APIAKEYLO_EL1, CNTV_CVAL_EL0, TPIDR_EL0, TTBR0_EL1, Ttbr};
use xhv::aarch64::{Clock, Exit, Interrupt, RestoreOptions, VcpuState, simd};
use xhv::typed::state::Mode;

use crate::guest::{RAM, SIZE, load, on_every_engine, start, vcpu, vm};

const PROGRAM: [u32; 4] = [
    0x9100_0400, // add x0, x0, #1
    0xd400_0002, // hvc #0
    0x9100_0800, // add x0, x0, #2
    0xd400_0022, // hvc #1
];

#[test]
fn a_guest_goes_on_in_another_vm() {
    on_every_engine(|engine| {
        let (state, memory) = {
            let (mut vcpu, memory) = start(engine, &PROGRAM);
            vcpu.write(X0, 40).unwrap();
            vcpu.write(simd::Q31, 1 << 127 | 5).unwrap();
            vcpu.write(FPCR, Fpcr::FZ).unwrap();
            vcpu.write(APIAKEYLO_EL1, 0xdead_beef_dead_beef).unwrap();
            vcpu.write(TPIDR_EL0, u64::MAX).unwrap();
            vcpu.write(TTBR0_EL1, Ttbr::from_bits(0x1234_0000)).unwrap();
            vcpu.set_interrupt_line(Interrupt::Fiq, true);
            vcpu.set_vtimer_offset(1 << 40).unwrap();
            assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
            let mut bytes = vec![0; SIZE as usize];
            memory.read(0, &mut bytes).unwrap();
            (vcpu.save().unwrap().to_json(), bytes)
        };
        assert!(state.contains(r#""arch": "aarch64""#));
        assert!(state.contains(r#""X0": "0x29""#), "{state}");
        assert!(state.contains(r#""Q31": "0x80000000000000000000000000000005""#));
        assert!(
            !state.contains("TVAL"),
            "a view of the compare value is saved"
        );

        let state = VcpuState::from_json(&state).unwrap();
        let (vm, new) = vm(engine, &[]);
        new.write(0, &memory).unwrap();
        let mut vcpu = vcpu(&vm);
        let report = vcpu.restore(&state).unwrap();
        assert!(
            report.unknown.is_empty() && report.missing.is_empty(),
            "{report}"
        );
        let again = vcpu.save().unwrap();
        let differences: Vec<_> = state
            .diff(&again)
            .iter()
            .map(ToString::to_string)
            .filter(|line| !line.contains("timer"))
            .collect();
        assert_eq!(differences, Vec::<String>::new());
        assert!(vcpu.interrupt_line(Interrupt::Fiq));
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => assert_eq!(call.immediate(), 1),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(X0).unwrap(), 43);
        assert_eq!(vcpu.read(PC).unwrap(), RAM + 16);
        assert_eq!(vcpu.read(simd::Q31).unwrap(), 1 << 127 | 5);
    });
}

#[test]
fn the_clock_goes_on_where_it_was() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(engine, &[]);
        load(&memory, 0, &[0xd53b_e040, 0xd400_0002]); // mrs x0, cntvct_el0; hvc #0
        vcpu.set_vtimer_offset(0).unwrap();
        vcpu.write(CNTV_CVAL_EL0, 77).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let before = vcpu.read(X0).unwrap();
        let state = vcpu.save().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let options = RestoreOptions {
            clock: Clock::anchor(&state),
            ..RestoreOptions::default()
        };
        vcpu.restore_with(&state, &options).unwrap();
        assert_eq!(vcpu.read(CNTV_CVAL_EL0).unwrap(), 77);
        vcpu.write(PC, RAM).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        let passed = vcpu.read(X0).unwrap() - before;
        // Less than the nap, which was 1.2 million ticks.
        assert!(passed < 1_200_000, "{passed}");
    });
}

#[test]
fn misfits_are_refused_and_change_nothing() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &PROGRAM);
        vcpu.write(X0, 1).unwrap();
        let good = vcpu.save().unwrap();
        vcpu.write(X0, 2).unwrap();

        let mut unknown = good.clone();
        unknown.general.set("X99", 5);
        let told = vcpu.restore(&unknown).unwrap_err().to_string();
        assert!(told.contains("general.X99"), "{told}");
        assert_eq!(vcpu.read(X0).unwrap(), 2);

        let mut missing = good.clone();
        missing.general.remove("X5");
        let told = vcpu.restore(&missing).unwrap_err().to_string();
        assert!(told.contains("general.X5"), "{told}");

        let mut wide = good.clone();
        wide.general.set("X0", 1 << 64);
        let told = vcpu.restore(&wide).unwrap_err().to_string();
        assert!(told.contains("general.X0"), "{told}");

        let options = RestoreOptions {
            mode: Mode::Lenient,
            ..RestoreOptions::default()
        };
        let report = vcpu.restore_with(&unknown, &options).unwrap();
        assert_eq!(report.unknown.len(), 1);
        assert_eq!(vcpu.read(X0).unwrap(), 1);
    });
}

#[test]
fn damaged_text_is_told_with_its_place() {
    on_every_engine(|engine| {
        let (vcpu, _memory) = start(engine, &PROGRAM);
        let json = vcpu.save().unwrap().to_json();
        for (from, to, word) in [
            ("aarch64", "x86_64", "aarch64"),
            ("xhv-vcpu", "other", "format"),
            ("\"version\": 1", "\"version\": 9", "version"),
            ("\"PC\": \"0x", "\"PC\": \"", "PC"),
            ("\"masked\"", "\"mask\"", "mask"),
        ] {
            let damaged = json.replacen(from, to, 1);
            assert_ne!(damaged, json, "{from}");
            let told = VcpuState::from_json(&damaged).unwrap_err().to_string();
            assert!(told.contains("line") && told.contains(word), "{told}");
        }
        for cut in [0, 1, json.len() / 2, json.len() - 2] {
            assert!(VcpuState::from_json(&json[..cut]).is_err(), "{cut}");
        }
    });
}

#[test]
fn differences_have_names() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &PROGRAM);
        let before = vcpu.save().unwrap();
        vcpu.write(FPCR, Fpcr::FZ | Fpcr::AHP).unwrap();
        let after = vcpu.save().unwrap();
        let told: Vec<_> = before
            .diff(&after)
            .iter()
            .map(ToString::to_string)
            .collect();
        let told = told.join("\n");
        assert!(told.contains("FPCR") && told.contains("FZ"), "{told}");
    });
}

#[test]
fn a_dump_names_bits() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &PROGRAM);
        vcpu.write(FPCR, Fpcr::FZ).unwrap();
        let short = vcpu.dump().to_string();
        assert!(short.contains("FPCR") && short.contains("FZ"), "{short}");
        assert!(!short.contains("SCTLR_EL1"));
        let long = format!("{:#}", vcpu.dump());
        assert!(long.contains("SCTLR_EL1") && long.contains("Q31"), "{long}");
    });
}
