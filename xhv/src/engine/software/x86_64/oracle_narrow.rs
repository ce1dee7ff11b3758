//! 16-bit and 32-bit protected-mode code against the host CPU, which runs it in segments of an LDT: random instructions with random
//! operands and segments; all registers and selectors, defined flags, memory, and the vector and error code of every fault compared.
//!
//! `oracle_integer` does the same for 64-bit code that does not fault.
#![allow(unsafe_code)] // Runs generated instructions natively; the engine has run them first and stayed inside the arena.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{
    Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register,
};
use xhv_oracle_x86::Random;
use xhv_oracle_x86::narrow::{ARENA_AT, ARENA_LEN, Fault, LDT, Narrow, State, selector};

use super::cpu::{Cr, Segment, Table};
use super::descriptor::Descriptor;
use super::oracle_integer::{defined, is_undefined, is_wanted};
use super::tests::{Bounded, Machine};
use crate::engine::software::memory::Mapping;
use crate::memory::{Memory, Permissions};

/// Status flags, DF, NT and AC.
const FLAGS: u64 = 0x4_4cd5;
/// Flags a case starts with.
const START: u64 = 0x4_48d5 | 0x400;
/// Where the guest has its tables.
const GDT_AT: u64 = 0x2000;
const LDT_AT: u64 = 0x3000;
const TSS_AT: u64 = 0x4000;
/// Linux's segments, which selectors may name as well: kernel code, kernel data, user code of 32 bits, user data, user code, the number of
/// the CPU.
const GDT: [u64; 16] = [
    0,
    0x00cf_9b00_0000_ffff,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x0040_f500_0000_0000,
];

/// The engine and the host, with the same arena and the same descriptors.
struct Pair {
    machine: Machine,
    arena: Memory,
    host: Narrow,
}

impl Pair {
    fn new(random: &mut Random) -> Self {
        let machine = Machine::long(32, &[]);
        let arena = Memory::new(ARENA_LEN as u64).unwrap();
        let mapping = Mapping {
            gpa: ARENA_AT,
            size: arena.size(),
            memory: arena.clone(),
            offset: 0,
            permissions: Permissions::ALL,
        };
        machine.cpu.view.space().map(mapping).unwrap();
        let ldt = LDT.map(|entry| entry.map_or(0, |descriptor| descriptor.bits()));
        for (at, table) in [(GDT_AT, &GDT[..]), (LDT_AT, &ldt[..])] {
            let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            machine.memory.write(at, &bytes).unwrap();
        }
        let mut pair = Self {
            machine,
            arena,
            host: Narrow::new().unwrap(),
        };
        pair.fill(random);
        pair
    }

    /// Code: INT3 all over. Data and stack: random, with many selectors and small numbers in it.
    fn fill(&mut self, random: &mut Random) {
        let mut bytes = vec![0xcc; ARENA_LEN];
        for word in bytes[0x1_0000..].as_chunks_mut::<2>().0 {
            let value = match random.below(4) {
                0 => a_selector(random),
                1 => random.below(0x100) as u16,
                _ => random.bits() as u16,
            };
            *word = value.to_le_bytes();
        }
        self.put(0, &bytes);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.arena.write(at as u64, bytes).unwrap();
        self.host.write(at, bytes);
    }

    /// Runs on the engine; the exit's reason is not 0 if it does not end by an exception.
    fn engine(&mut self, state: &State) -> (u16, State, Fault) {
        let cpu = &mut self.machine.cpu;
        cpu.cr0 |= Cr::CR0_AM | Cr::CR0_NE;
        for (n, &value) in state.seg.iter().enumerate() {
            cpu.seg[n] = segment(value);
        }
        cpu.gdtr = table(GDT_AT, GDT.len());
        let ldtr = table(LDT_AT, LDT.len());
        cpu.ldtr = Segment {
            selector: 0x50,
            rights: 0x82,
            limit: ldtr.limit,
            base: ldtr.base,
        };
        cpu.tr.base = TSS_AT;
        cpu.tr.limit = 0x67;
        // An I/O map base beyond the limit: there is none.
        self.machine.memory.write(TSS_AT + 102, &[0x68, 0]).unwrap();
        cpu.gpr[..8].copy_from_slice(&state.gpr);
        cpu.rip = state.ip;
        cpu.set_flags(state.flags | 0x202);
        cpu.set_retired(0);
        (cpu.shadow, cpu.pending_debug) = (0, 0);
        cpu.activity = super::cpu::Activity::Active;
        cpu.update_mode();
        let exit = cpu.run::<Bounded>(&mut self.machine.blocks);
        let mut after = State {
            flags: cpu.flags(),
            ip: cpu.rip,
            seg: core::array::from_fn(|n| cpu.seg[n].selector),
            ..State::default()
        };
        after.gpr.copy_from_slice(&cpu.gpr[..8]);
        let error = if exit.error == !0 {
            0
        } else {
            exit.error.into()
        };
        let fault = Fault {
            vector: exit.qualification,
            error,
        };
        (exit.reason, after, fault)
    }

    fn same_memory(&self) -> Option<String> {
        let mut own = vec![0; ARENA_LEN];
        self.arena.read(0, &mut own).unwrap();
        let host = self.host.arena();
        if own == host {
            return None;
        }
        let at = (0..ARENA_LEN).find(|&at| own[at] != host[at])?;
        Some(format!(
            "memory {at:#x}: {:02x?}, host {:02x?}",
            &own[at..(at + 8).min(ARENA_LEN)],
            &host[at..(at + 8).min(ARENA_LEN)]
        ))
    }
}

fn table(base: u64, entries: usize) -> Table {
    Table {
        base,
        limit: entries as u32 * 8 - 1,
    }
}

/// What a segment register holds after a load of a good selector.
fn segment(value: u16) -> Segment {
    match LDT.get(usize::from(value >> 3)) {
        Some(Some(entry)) if value & 4 != 0 => Descriptor(entry.bits()).segment(value),
        _ => super::segment::null_segment(value, 0),
    }
}

/// A selector worth trying: of the LDT and beyond its end, null, of the GDT; any privilege level.
fn a_selector(random: &mut Random) -> u16 {
    match random.below(16) {
        0 => random.below(4) as u16,
        1 => (random.below(7) << 3 | random.below(4)) as u16,
        2 => random.bits() as u16,
        3 => (random.below(16) << 3 | 4 | random.below(4)) as u16,
        _ => selector(random.below(14) as u16),
    }
}

/// A random instruction: prefixes, an opcode of the one-byte map or of 0F, and whatever follows.
fn generate(random: &mut Random) -> Vec<u8> {
    const PREFIXES: [u8; 11] = [
        0x66, 0x66, 0x67, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0xf0, 0xf2, 0xf3,
    ];
    let mut code = Vec::new();
    for _ in 0..random.below(6).saturating_sub(2) {
        code.push(PREFIXES[random.below(11) as usize]);
    }
    match random.below(16) {
        0..4 => code.push(0x0f),
        4 => code.extend([0x0f, 0x38]),
        5 => code.extend([
            0xc4,
            random.bits() as u8 & 0xe0 | 2,
            random.bits() as u8 & 0x7b,
        ]),
        _ => {}
    }
    for _ in 0..15 {
        code.push(match random.below(3) {
            0 => random.below(64) as u8,
            _ => random.bits() as u8,
        });
    }
    code
}

/// Whether the instruction may be tried on the host.
fn is_wanted_here(i: &Instruction, info: &mut InstructionInfoFactory) -> bool {
    use Mnemonic::*;
    let excluded = matches!(
        i.mnemonic(),
        // System calls, and what a kernel or hypervisor emulates.
        Int | Syscall | Sysenter | Sgdt | Sidt | Sldt | Smsw | Str | Vmcall | Vmmcall | Cpuid
        // Their answers are the host's own.
        | Rdtsc | Rdtscp | Rdpmc | Rdrand | Rdseed | Rdpid | Xgetbv
        // KVM on AMD's processors leaves RIP at the instruction.
        | Int1
        // Loads of FS would take the thread's own storage away.
        | Lfs
    );
    let fs = info
        .info(i)
        .used_registers()
        .iter()
        .any(|used| used.register() == Register::FS);
    let vector = (0..i.op_count()).any(|n| i.op_register(n).is_vector_register());
    !excluded && !fs && !vector && is_wanted(i, &mut BTreeSet::new())
}

fn start(random: &mut Random) -> State {
    let mut state = State {
        flags: random.bits() & START & !(0x4_4400 * u64::from(random.below(4) != 0)) | 0x202,
        ip: match random.below(32) {
            0 => 0xffff - random.below(16),
            _ => 0x100 + random.below(0x8000),
        },
        ..State::default()
    };
    for value in &mut state.gpr {
        *value = match random.below(4) {
            0 => random.operand() & 0xffff_ffff,
            1 => random.below(0x100),
            2 => u64::from(a_selector(random)),
            _ => random.below(0x1_0000),
        };
    }
    state.gpr[4] = match random.below(16) {
        0 => random.below(24),
        1 => 0xffff - random.below(24),
        2 => random.operand() & 0xffff_ffff,
        _ => 0x1000 + random.below(0xe000) & !3,
    };
    let data = |random: &mut Random| match random.below(16) {
        0 => 0,
        _ => selector([1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6, 12][random.below(12) as usize]),
    };
    let code = [1, 2, 1, 2, 9][random.below(5) as usize];
    let stack = [7, 8, 7, 8, 6][random.below(5) as usize];
    state.seg = [
        data(random),
        selector(code),
        selector(stack),
        data(random),
        0,
        data(random),
    ];
    state
}

struct Case {
    code: Vec<u8>,
    instruction: Instruction,
    state: State,
}

fn case(random: &mut Random, info: &mut InstructionInfoFactory) -> Option<Case> {
    let state = start(random);
    let mut code = generate(random);
    let bits = if segment(state.seg[1]).has(Segment::BIG) {
        32
    } else {
        16
    };
    let instruction = Decoder::with_ip(bits, &code, state.ip, DecoderOptions::NONE).decode();
    if instruction.is_invalid() || !is_wanted_here(&instruction, info) {
        return None;
    }
    code.truncate(instruction.len());
    let room = 0x1_0000 - state.ip as usize;
    // Behind the segment lie data, and the host's kernel emulates an SLDT that it would find there.
    if code.len() > room && code.contains(&0x0f) {
        return None;
    }
    code.truncate(room);
    Some(Case {
        code,
        instruction,
        state,
    })
}

fn differences(case: &Case, own: &(State, Fault), host: &(State, Fault)) -> Vec<String> {
    let ((got, fault), (want, real)) = (own, host);
    let mut wrong = Vec::new();
    // LAR leaves bits 19:16 undefined; LSL of the host's segment with the CPU's number is just that number.
    let loose = match case.instruction.mnemonic() {
        Mnemonic::Lar => 0xf_0000,
        Mnemonic::Lsl => 0xff,
        _ => 0,
    };
    for n in 0..8 {
        if (got.gpr[n] ^ want.gpr[n]) as u32 & !loose != 0 {
            wrong.push(format!("r{n} {:#x}, host {:#x}", got.gpr[n], want.gpr[n]));
        }
    }
    // Which of two faults comes first, processors of different makers and ages do not agree on: whether CALL's target is checked
    // before its stack, how much of the stack a far RET and IRET look at before the selector, which operand of CMPS and MOVS comes first.
    use Mnemonic::{Call, Cmpsb, Cmpsd, Cmpsw, Iret, Iretd, Movsb, Movsd, Movsw, Retf};
    let either = matches!(
        case.instruction.mnemonic(),
        Call | Iret | Iretd | Retf | Cmpsb | Cmpsw | Cmpsd | Movsb | Movsw | Movsd
    ) && matches!(fault.vector, 12 | 13 | 17)
        && matches!(real.vector, 12 | 13 | 17);
    if fault != real && !either {
        wrong.push(format!("{fault:x?}, host {real:x?}"));
    }
    // A trap leaves RIP behind its instruction; the engine tells where that begins.
    let behind = match (fault.vector, got.ip == case.state.ip) {
        (1 | 3 | 4, true) => case.code.len() as u64,
        (1 | 3 | 4, false) => 1,
        _ => 0,
    };
    if got.ip + behind != want.ip {
        wrong.push(format!("ip {:#x}, host {:#x}", got.ip + behind, want.ip));
    }
    // The kernel's IRET to the signal handler has cleared the RPL of null selectors.
    let seen = got
        .seg
        .map(|selector| if selector < 4 { 0 } else { selector });
    if seen != want.seg {
        wrong.push(format!("selectors {seen:x?}, host {:x?}", want.seg));
    }
    let done = fault.vector == 3 || got.ip != case.state.ip;
    let mask = if done {
        defined(&case.instruction) & 0x8d5 | FLAGS & !0x8d5
    } else {
        FLAGS
    };
    if (got.flags ^ want.flags) & mask != 0 {
        wrong.push(format!(
            "flags {:#x}, host {:#x}, before {:#x}",
            got.flags & mask,
            want.flags & mask,
            case.state.flags
        ));
    }
    wrong
}

/// Cases in which processors are known to differ, or leave something undefined.
fn is_apart(case: &Case) -> bool {
    let mut state = xhv_oracle_x86::State::default();
    state.gpr[..8].copy_from_slice(&case.state.gpr);
    let i = &case.instruction;
    let segment = |n| i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register();
    let doubleword = i.stack_pointer_increment().abs() == 4;
    let repeats = i.has_rep_prefix() || i.has_repne_prefix();
    let apart = match i.mnemonic() {
        // PUSH of a segment register in a doubleword: Intel's write the selector's two bytes, AMD's all four; as POP reads them.
        Mnemonic::Push | Mnemonic::Pop => segment(0) && doubleword,
        // What POPA has loaded before its fault: Intel says nothing.
        Mnemonic::Popa | Mnemonic::Popad => !(24..=0xffe0).contains(&(case.state.gpr[4] as u16)),
        // The frame's pointer on a 16-bit stack that wraps: some processors compute it in 32 bits.
        Mnemonic::Enter => (case.state.gpr[4] as u16) < 4 * 32,
        // AMD's take a repeat prefix for the condition.
        Mnemonic::Loope | Mnemonic::Loopne => repeats,
        // AMD's check the permission for the port before the count.
        Mnemonic::Insb
        | Mnemonic::Insw
        | Mnemonic::Insd
        | Mnemonic::Outsb
        | Mnemonic::Outsw
        | Mnemonic::Outsd => repeats,
        _ => false,
    };
    apart || is_undefined(i, &state)
}

/// Whether nothing of what the run has left leads out of the arena.
fn stays_inside(after: &State) -> bool {
    let code = LDT.get(usize::from(after.seg[1] >> 3)).copied().flatten();
    after.seg[1] & 4 != 0 && code.is_some_and(|code| code.contents >= 2)
}

#[derive(Default)]
struct Count {
    tried: BTreeMap<String, u32>,
    faults: BTreeMap<u64, u32>,
    endless: u32,
    failures: Vec<String>,
}

fn compare(pair: &mut Pair, case: &Case, count: &mut Count) {
    let ip = case.state.ip as usize;
    pair.put(ip, &case.code);
    let (reason, after, fault) = pair.engine(&case.state);
    let mut wrong = Vec::new();
    if reason != 0 {
        // A branch to itself.
        count.endless += 1;
    } else if stays_inside(&after) {
        // SAFETY: the engine has run it to a fault, in segments of the arena only.
        let host = unsafe { pair.host.run(&case.state) };
        wrong = differences(case, &(after, fault), &host);
        *count.faults.entry(host.1.vector).or_default() += 1;
        *count
            .tried
            .entry(format!("{:?}", case.instruction.code()))
            .or_default() += 1;
    }
    let memory = pair.same_memory();
    if memory.is_some() {
        let host = pair.host.arena().to_vec();
        pair.arena.write(0, &host).unwrap();
    }
    // Some processors have pushed the return address when they find that CALL's target is outside of the segment.
    let pushed = case.instruction.mnemonic() == Mnemonic::Call && after.ip == case.state.ip;
    wrong.extend(memory.filter(|_| reason == 0 && !pushed));
    if !wrong.is_empty() {
        count.failures.push(format!(
            "{:02x?} {:?} from {:x?}: {}",
            case.code,
            case.instruction.code(),
            case.state,
            wrong.join("; ")
        ));
    }
    pair.put(ip, &vec![0xcc; case.code.len()]);
}

#[test]
fn narrow_code_agrees_with_the_host() {
    let mut random = Random::new(0x5eed_0003);
    let mut info = InstructionInfoFactory::new();
    let mut pair = Pair::new(&mut random);
    let mut count = Count::default();
    let mut left = if cfg!(debug_assertions) {
        12_000
    } else {
        200_000
    };
    while left > 0 {
        let Some(case) = case(&mut random, &mut info) else {
            continue;
        };
        if is_apart(&case) {
            continue;
        }
        left -= 1;
        compare(&mut pair, &case, &mut count);
    }
    println!(
        "{} encodings of 16 and 32-bit code, {} cases compared; by vector: {:?}",
        count.tried.len(),
        count.tried.values().sum::<u32>(),
        count.faults
    );
    for failure in count.failures.iter().take(40) {
        println!("{failure}");
    }
    assert!(
        count.failures.is_empty(),
        "{} differences",
        count.failures.len()
    );
    assert!(count.tried.len() > 400 && count.endless < 100);
}
