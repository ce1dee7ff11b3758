//! Single instructions recorded on a real 80286 (SingleStepTests/80286, MIT licence): `tests/data/x86-real-mode-286.json.gz`.
//!
//! Each test runs one instruction and compares all registers, the flags that are defined, and all memory that the recording names.
//! A 286 is not a modern CPU: [`excluded`] says by rule what is left out, and why.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value;

use super::cpu::{Cpu, Exception, Exit, Seg};
use super::run::World;
use super::tests::Machine;
use crate::engine::software::dispatch::Stop;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/data/x86-real-mode-286.json.gz"
);
/// Exit reason with which the world ends an instruction.
const DONE: u16 = 0xfff;
const HALT: u16 = 12;
const IO: u16 = 30;
/// What the recording board's bus reads where nothing answers.
const FLOATING: u8 = 0xff;

/// Stops behind each instruction; exceptions are delivered.
struct OneInstruction;

impl World for OneInstruction {
    fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
        // `seed` is not used by these instructions: it holds where the instruction started, to see a repetition that goes on.
        if cpu.seed == u64::MAX {
            cpu.seed = cpu.rip;
            return Ok(());
        }
        cpu.attend();
        if cpu.rip == cpu.seed && cpu.retired() == 0 {
            return Ok(());
        }
        Err(cpu.exit(Exit {
            reason: DONE,
            ..Exit::default()
        }))
    }

    fn exception(cpu: &mut Cpu, exception: Exception) -> Result<(), Stop> {
        super::exceptions::exception(cpu, exception)?;
        Err(cpu.exit(Exit {
            reason: DONE,
            ..Exit::default()
        }))
    }

    fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
        Err(cpu.exit(Exit {
            reason: HALT,
            ..Exit::default()
        }))
    }

    fn attention(_: &mut Cpu, _: u32) -> Result<(), Stop> {
        Ok(())
    }

    fn steps(_: &Cpu) -> bool {
        true
    }
}

const NAMES: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const SEGMENTS: [(&str, Seg); 4] = [
    ("es", Seg::Es),
    ("cs", Seg::Cs),
    ("ss", Seg::Ss),
    ("ds", Seg::Ds),
];

/// Why a recorded test does not say what a modern CPU does.
fn excluded(form: &str, bytes: &[u8], test: &Value) -> Option<&'static str> {
    let prefixes = bytes
        .iter()
        .take_while(|byte| matches!(byte, 0xf0 | 0xf2 | 0xf3 | 0x26 | 0x2e | 0x36 | 0x3e))
        .count();
    let body = bytes.get(prefixes..).unwrap_or(&[]);
    if bytes[..prefixes].contains(&0xf0) {
        return Some("LOCK: a 286 takes it before any instruction, modern CPUs raise #UD");
    }
    if prefixes > 4 && bytes.len() > 10 {
        return Some("longer than the 10 bytes that a 286 takes; the limit is 15 today");
    }
    let register = body.get(1).map_or(0, |modrm| modrm >> 3 & 7);
    if matches!(form, "8C" | "8E") && matches!(register, 4 | 5) {
        return Some("MOV with FS or GS: the 386 brought them");
    }
    if body.first() == Some(&0xd8) {
        return Some("x87: the board has none");
    }
    let faults = test["exception"]["number"] == 13;
    if matches!(form, "6C" | "6D" | "6E" | "6F") {
        return Some("INS and OUTS: an exit, whose completion is the VMM's (behaviour tests)");
    }
    if faults
        && matches!(
            form,
            "A4" | "A5" | "A6" | "A7" | "AA" | "AB" | "AC" | "AD" | "AE" | "AF"
        )
    {
        return Some("string instruction that faults: a 286 has moved its index registers by then");
    }
    if faults && form == "C9" {
        return Some("word at offset FFFFh of the stack segment: 13 on a 286, #SS (12) today");
    }
    let overrides = [0x26, 0x2e, 0x3e]
        .iter()
        .any(|byte| bytes[..prefixes].contains(byte));
    if faults && !overrides && uses_bp(body) {
        return Some("word at offset FFFFh of the stack segment: 13 on a 286, #SS (12) today");
    }
    None
}

/// Whether the ModRM byte behind a one-byte opcode addresses memory by BP, and so through SS.
fn uses_bp(body: &[u8]) -> bool {
    let Some(modrm) = body.get(1) else {
        return false;
    };
    match (modrm >> 6, modrm & 7) {
        (3, _) | (0, 6) => false,
        (_, 2 | 3) => true,
        (mode, 6) => mode != 0,
        _ => false,
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn load(machine: &mut Machine, initial: &Value) {
    let regs = &initial["regs"];
    let cpu = &mut machine.cpu;
    for (n, name) in NAMES.iter().enumerate() {
        cpu.gpr[n] = number(&regs[name]);
    }
    for (name, seg) in SEGMENTS {
        let selector = number(&regs[name]);
        cpu.seg[seg as usize].selector = selector as u16;
        cpu.seg[seg as usize].base = selector << 4;
    }
    cpu.rip = number(&regs["ip"]);
    cpu.set_flags(number(&regs["flags"]) & 0xfff);
    cpu.idtr.base = 0;
    cpu.idtr.limit = 0x3ff;
    cpu.activity = super::cpu::Activity::Active;
    cpu.shadow = 0;
    cpu.pending_debug = 0;
    cpu.update_mode();
    for cell in initial["ram"].as_array().unwrap() {
        let byte = [number(&cell[1]) as u8];
        machine.memory.write(number(&cell[0]), &byte).unwrap();
    }
}

/// Runs the test's instruction to its end.
fn run(machine: &mut Machine) -> Exit {
    machine.cpu.seed = u64::MAX;
    machine.cpu.set_retired(0);
    machine.cpu.attend();
    let exit = machine.cpu.run::<OneInstruction>(&mut machine.blocks);
    if exit.reason != IO {
        return exit;
    }
    if exit.qualification & 8 != 0 {
        // An IN: the floating bus answers. The qualification's low bits are the size less one.
        let mask = if exit.qualification & 7 == 0 {
            0xff
        } else {
            0xffff
        };
        machine.cpu.gpr[0] |= mask & (u64::from(FLOATING) * 0x101);
    }
    machine.cpu.rip = (machine.cpu.rip + u64::from(exit.len)) & 0xffff;
    exit
}

/// What differs from the recording.
fn compare(machine: &Machine, test: &Value, mask: u64, halted: bool) -> Vec<String> {
    let (initial, end) = (&test["initial"]["regs"], &test["final"]["regs"]);
    let wanted = |name: &str| number(end.get(name).unwrap_or(&initial[name]));
    let cpu = &machine.cpu;
    let mut wrong = Vec::new();
    let mut check = |name: &str, is: u64, wanted: u64| {
        if is != wanted {
            wrong.push(format!("{name} is {is:#x}, not {wanted:#x}"));
        }
    };
    for (n, name) in NAMES.iter().enumerate() {
        check(name, cpu.gpr[n] & 0xffff, wanted(name));
    }
    for (name, seg) in SEGMENTS {
        check(name, cpu.seg[seg as usize].selector.into(), wanted(name));
    }
    // The HLT behind the instruction has been executed in the recording.
    let behind = if halted { 0 } else { 1 };
    check("ip", (cpu.rip + behind) & 0xffff, wanted("ip"));
    check("flags", cpu.flags() & mask, wanted("flags") & mask);
    let mut memory = BTreeMap::new();
    for place in ["initial", "final"] {
        for cell in test[place]["ram"].as_array().unwrap() {
            memory.insert(number(&cell[0]), number(&cell[1]) as u8);
        }
    }
    // The recording names the word on the bus, which is one byte off where SP is odd: take it from the stack.
    let stack = &cpu.seg[Seg::Ss as usize];
    let pushed = test
        .get("exception")
        .map(|_| stack.base + (cpu.gpr[4].wrapping_add(4) & 0xffff));
    for (address, wanted) in memory {
        let mut byte = [0];
        machine.memory.read(address, &mut byte).unwrap();
        // Flags that an exception pushed: only the defined ones.
        let mask = match pushed {
            Some(at) if address == at => mask as u8,
            Some(at) if address == at + 1 => (mask >> 8) as u8,
            _ => 0xff,
        };
        check(
            &format!("[{address:#x}]"),
            (byte[0] & mask).into(),
            (wanted & mask).into(),
        );
    }
    wrong
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
    excluded: BTreeMap<&'static str, usize>,
}

fn run_form(machine: &mut Machine, form: &str, tests: &[Value], mask: u64, tally: &mut Tally) {
    for test in tests {
        let code = test["bytes"].as_str().unwrap();
        let bytes: Vec<u8> = (0..code.len() / 2)
            .map(|n| u8::from_str_radix(&code[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        if let Some(why) = excluded(form, &bytes, test) {
            *tally.excluded.entry(why).or_default() += 1;
            continue;
        }
        load(machine, &test["initial"]);
        let exit = run(machine);
        let halted = machine.cpu.activity == super::cpu::Activity::Halt || exit.reason == HALT;
        let wrong = compare(machine, test, mask, halted);
        if wrong.is_empty() {
            tally.passed += 1;
        } else {
            tally.failed.push(format!(
                "{form} {} ({code}): {}",
                test["name"],
                wrong.join(", ")
            ));
        }
        // Leave no memory behind that the next test does not name.
        for place in ["initial", "final"] {
            for cell in test[place]["ram"].as_array().unwrap() {
                machine.memory.write(number(&cell[0]), &[0]).unwrap();
            }
        }
    }
}

#[test]
fn instructions_recorded_on_a_286() {
    let Ok(file) = std::fs::File::open(FILE) else {
        println!(
            "SKIPPED: {FILE} is not there (it comes with the repository, not with the package)"
        );
        return;
    };
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut text)
        .unwrap();
    let suite: Value = serde_json::from_slice(&text).unwrap();
    let mut machine = Machine::real(4096, &[]);
    let mut tally = Tally::default();
    for (form, tests) in suite["opcodes"].as_object().unwrap() {
        let (opcode, extension) = form.split_once('.').unwrap_or((form, ""));
        let mut about = &suite["metadata"]["opcodes"][opcode];
        if !extension.is_empty() {
            about = &about["reg"][extension];
        }
        // Bits 12 to 15 of FLAGS differ by generation.
        let mask = about["flags-mask"].as_u64().unwrap_or(0xffff) & 0xfff;
        run_form(
            &mut machine,
            form,
            tests.as_array().unwrap(),
            mask,
            &mut tally,
        );
    }
    println!("{} passed, {} failed", tally.passed, tally.failed.len());
    for (why, count) in &tally.excluded {
        println!("{count} left out: {why}");
    }
    for failure in tally.failed.iter().take(2000) {
        println!("{failure}");
    }
    assert!(tally.failed.is_empty());
    assert!(tally.passed > 15_000);
}
