//! The software CPU against QEMU: every row of both decoder tables with random fields, operands and flags.
//!
//! `ORACLE_CASES` sets the number of cases for each row, `ORACLE_ROW` picks one row.

use oracle_a64::generate::{Random, fp_table, named_case, table};
use oracle_a64::{CODE, DATA, MEMORY, Qemu, State};
use xhv::aarch64::{Exit, Granule, Vcpu, Vm, reg, simd, sysreg};
use xhv::typed::SimdRegister;
use xhv::{Engine, Memory};

/// Where the tables and vectors of the software CPU are.
const SYSTEM: u64 = 0x8000_0000;
/// Bytes of each of the mapped memories.
const SIZE: u64 = 0x4000;
/// Signals of Linux by what raises them.
const SIGILL: u64 = 4;
const SIGTRAP: u64 = 5;
const SIGBUS: u64 = 7;
const SIGSEGV: u64 = 11;

/// A VM that runs cases at EL0, as QEMU's user mode does.
struct Here {
    vcpu: Vcpu,
    code: Memory,
    data: Memory,
}

impl Here {
    fn new() -> Self {
        let builder = Vm::builder()
            .engine(Engine::Software)
            .granule(Granule::Kib4);
        let vm = builder.build().unwrap();
        let code = vm.map_new(CODE, SIZE).unwrap();
        let data = vm.map_new(DATA, SIZE).unwrap();
        let system = vm.map_new(SYSTEM, SIZE).unwrap();
        // Blocks of 1 GiB: code and data for EL0, tables and vectors for EL1.
        system.write(8, &(CODE | 0x741).to_le_bytes()).unwrap();
        system.write(16, &(SYSTEM | 0x701).to_le_bytes()).unwrap();
        for vector in (0..0x800).step_by(0x80) {
            let hvc = 0xd400_0002_u32;
            system.write(0x1000 + vector, &hvc.to_le_bytes()).unwrap();
        }
        let mut vcpu = vm.create_vcpu().unwrap();
        let writes = [
            (sysreg::VBAR_EL1.cast::<u64>(), SYSTEM + 0x1000),
            (sysreg::TTBR0_EL1.cast(), SYSTEM),
            // 39-bit addresses, no upper half, 40-bit outputs.
            (sysreg::TCR_EL1.cast(), 25 | 1 << 23 | 2 << 32),
            (sysreg::MAIR_EL1.cast(), 0xff),
            (sysreg::CPACR_EL1.cast(), 3 << 20),
            // M, SA0, DZE, UCT, UCI
            (
                sysreg::SCTLR_EL1.cast(),
                1 | 1 << 4 | 1 << 14 | 1 << 15 | 1 << 26,
            ),
        ];
        for (row, value) in writes {
            vcpu.write(row, value).unwrap();
        }
        Self { vcpu, code, data }
    }

    fn run(&mut self, case: &State) -> State {
        let words: Vec<u8> = case
            .words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        self.code.write(0, &words).unwrap();
        // SVC ends it.
        self.code
            .write(words.len() as u64, &0xd400_0ee1_u32.to_le_bytes())
            .unwrap();
        let memory: Vec<u8> = case
            .memory
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        self.data.write(0, &memory).unwrap();
        let vcpu = &mut self.vcpu;
        for (number, &x) in (0..).zip(&case.x) {
            vcpu.set_x(number, x).unwrap();
        }
        for (number, &v) in (0..).zip(&case.v) {
            vcpu.write(quad(number), v).unwrap();
        }
        vcpu.write(reg::FPCR.cast::<u64>(), case.fpcr).unwrap();
        vcpu.write(reg::FPSR.cast::<u64>(), case.fpsr).unwrap();
        vcpu.write(sysreg::SP_EL0.cast::<u64>(), case.sp).unwrap();
        vcpu.write(reg::CPSR.cast::<u64>(), case.nzcv | 0x3c0)
            .unwrap();
        vcpu.write(reg::PC.cast::<u64>(), CODE).unwrap();
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => call.finish_with(&[]).unwrap(),
            other => panic!("{other:?} after {:08x?}", case.words),
        }
        self.after(case)
    }

    fn after(&self, case: &State) -> State {
        let vcpu = &self.vcpu;
        let syndrome = vcpu.read(sysreg::ESR_EL1.cast::<u64>()).unwrap();
        let mut bytes = [0; 8 * MEMORY];
        self.data.read(0, &mut bytes).unwrap();
        State {
            words: case.words,
            x: core::array::from_fn(|number| vcpu.x(number as u8).unwrap()),
            sp: vcpu.read(sysreg::SP_EL0.cast::<u64>()).unwrap(),
            nzcv: vcpu.read(sysreg::SPSR_EL1.cast::<u64>()).unwrap() & 0xf000_0000,
            fpcr: vcpu.read(reg::FPCR.cast::<u64>()).unwrap(),
            fpsr: vcpu.read(reg::FPSR.cast::<u64>()).unwrap(),
            fault: signal(syndrome),
            v: core::array::from_fn(|number| vcpu.read(quad(number as u32)).unwrap()),
            memory: core::array::from_fn(|at| {
                u64::from_le_bytes(core::array::from_fn(|byte| bytes[8 * at + byte]))
            }),
        }
    }
}

/// The row of a Q register by its number.
fn quad(number: u32) -> SimdRegister {
    SimdRegister::new(number, simd::Q0.info())
}

/// The signal that Linux makes of a syndrome.
fn signal(syndrome: u64) -> u64 {
    match (syndrome >> 26 & 0x3f, syndrome & 0x3f) {
        (0x15, _) => 0,
        (0x22 | 0x26, _) | (0x24, 0x21) => SIGBUS,
        (0x20 | 0x24, _) => SIGSEGV,
        (0x3c, _) => SIGTRAP,
        _ => SIGILL,
    }
}

/// Runs one row's cases on both sides. Answers how many were executed, how many QEMU has and this CPU does not, and the differences.
fn row(
    (name, value, mask): (&str, u32, u32),
    count: usize,
    here: &mut Here,
    qemu: &mut Qemu,
) -> (usize, usize, Vec<String>) {
    let mut random = Random::new(0x5eed_0000 + u64::from(value));
    let mut cases = Vec::new();
    for _ in 0..count {
        let word = value | random.next() as u32 & !mask;
        cases.extend(named_case(name, word, &mut random));
    }
    let (mut executed, mut absent, mut wrong) = (0, 0, Vec::new());
    let expected = qemu.run(&cases).unwrap();
    for (case, expected) in cases.iter().zip(&expected) {
        let got = here.run(case);
        if got.fault == SIGILL {
            // Instructions of extensions that this CPU does not claim; in both: not allocated.
            absent += usize::from(expected.fault != SIGILL);
            continue;
        }
        executed += 1;
        let difference = got.difference(expected);
        if !difference.is_empty() {
            wrong.push(format!(
                "{name} {:08x?}: {}",
                &case.words[..2],
                difference.join(", ")
            ));
        }
    }
    (executed, absent, wrong)
}

fn compare(kind: &str, rows: Vec<(&'static str, u32, u32)>) {
    let mut qemu = match Qemu::start(&std::env::temp_dir()) {
        Ok(qemu) => qemu,
        Err(why) => return println!("{kind}: skipped, {why}"),
    };
    let count = std::env::var("ORACLE_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    let only = std::env::var("ORACLE_ROW").ok();
    let mut here = Here::new();
    let (mut all, mut wrong) = (0, Vec::new());
    for one in rows {
        if only.as_deref().is_some_and(|only| only != one.0) {
            continue;
        }
        let (executed, absent, some) = row(one, count.unwrap_or(200), &mut here, &mut qemu);
        if executed != 0 || absent != 0 {
            let differ = some.len();
            println!(
                "{}: {executed} executed, {differ} differ, {absent} only in QEMU",
                one.0
            );
        }
        all += executed;
        wrong.extend(some.into_iter().take(4));
    }
    println!("{kind}: {all} instructions compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn base_instructions_and_memory() {
    let rows = table::A64::ALL
        .iter()
        .map(|row| (row.name, row.value, row.mask));
    compare("base", rows.collect());
}

#[test]
fn floating_point_and_simd() {
    let rows = fp_table::A64Fp::ALL
        .iter()
        .map(|row| (row.name, row.value, row.mask));
    compare("fp", rows.collect());
}

#[test]
fn states_travel_as_bytes() {
    let state = Random::new(7).state();
    assert_eq!(state.to_bytes().len(), State::SIZE);
    assert_eq!(State::from_bytes(&state.to_bytes()), state);
}
