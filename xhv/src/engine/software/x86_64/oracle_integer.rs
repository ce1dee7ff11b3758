//! Integer instructions against the host CPU: random encodings and operands, all registers, defined flags and memory compared.
//!
//! What is undefined after an instruction, `iced-x86` tells. Instructions that the host lacks are left out, and said so.
#![allow(unsafe_code)] // Runs generated instructions natively; the engine has run them first without a fault.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use xhv_oracle_x86::{CODE_AT, DATA_AT, DATA_LEN, Oracle, Random, State};

use super::decode::{gpr_number, has_memory};
use super::tests::Machine;
use crate::engine::software::memory::Mapping;
use crate::memory::{Memory, Permissions};

/// Status flags and DF.
pub(super) const FLAGS: u64 = 0xcd5;

/// The engine and the host, with the same memory.
pub(super) struct Pair {
    pub(super) machine: Machine,
    oracle: Oracle,
    data: Memory,
    code: Memory,
}

impl Pair {
    pub(super) fn new() -> Self {
        let machine = Machine::long(32, &[]);
        let data = Memory::new(DATA_LEN as u64).unwrap();
        let code = Memory::new(4096).unwrap();
        for (gpa, memory) in [(DATA_AT, &data), (CODE_AT, &code)] {
            machine
                .cpu
                .view
                .space()
                .map(Mapping {
                    gpa,
                    size: memory.size(),
                    memory: memory.clone(),
                    offset: 0,
                    permissions: Permissions::ALL,
                })
                .unwrap();
        }
        Self {
            machine,
            oracle: Oracle::new().unwrap(),
            data,
            code,
        }
    }

    /// Runs code on the engine. `None` if it does not get to its end.
    pub(super) fn engine(&mut self, code: &[u8], data: &[u8], state: &State) -> Option<()> {
        let mut bytes = code.to_vec();
        bytes.extend([0x0f, 0x0b]); // UD2
        self.code.write(0, &bytes).unwrap();
        self.data.write(0, data).unwrap();
        let cpu = &mut self.machine.cpu;
        cpu.gpr[..16].copy_from_slice(&state.gpr);
        cpu.set_flags(state.rflags & FLAGS);
        cpu.rip = CODE_AT;
        let exit = self.machine.run();
        let end = CODE_AT + code.len() as u64;
        (exit.reason == 0 && exit.qualification == 6 && self.machine.cpu.rip == end).then_some(())
    }

    /// The engine's data.
    pub(super) fn engine_data(&self) -> Vec<u8> {
        let mut data = vec![0; DATA_LEN];
        self.data.read(0, &mut data).unwrap();
        data
    }

    /// Runs on the host what the engine has run without a fault.
    pub(super) fn host(
        &mut self,
        code: &[u8],
        data: &[u8; DATA_LEN],
        state: &State,
    ) -> (State, Box<[u8; DATA_LEN]>) {
        self.oracle.set_data(data);
        // SAFETY: the engine has run the same code on the same state without a fault, and with stores to the data range only.
        let after = unsafe { self.oracle.run(code, state) };
        (after, self.oracle.data())
    }
}

/// Opcodes: bytes in front of the operands, whether a ModRM byte follows, bytes of immediate (4: as the operand size says), and
/// whether operand-size prefixes make sense.
struct Opcode(&'static [u8], bool, usize, bool);

const OPCODES: &[Opcode] = &[
    Opcode(&[0x00], true, 0, true),
    Opcode(&[0x80], true, 1, false),
    Opcode(&[0x81], true, 4, true),
    Opcode(&[0x83], true, 1, true),
    Opcode(&[0x84], true, 0, false),
    Opcode(&[0x85], true, 0, true),
    Opcode(&[0xa8], false, 1, false),
    Opcode(&[0xa9], false, 4, true),
    Opcode(&[0x86], true, 0, false),
    Opcode(&[0x87], true, 0, true),
    Opcode(&[0x88], true, 0, false),
    Opcode(&[0x89], true, 0, true),
    Opcode(&[0x8a], true, 0, false),
    Opcode(&[0x8b], true, 0, true),
    Opcode(&[0x8d], true, 0, true),
    Opcode(&[0x63], true, 0, true),
    Opcode(&[0x98], false, 0, true),
    Opcode(&[0x99], false, 0, true),
    Opcode(&[0x9e], false, 0, false),
    Opcode(&[0x9f], false, 0, false),
    Opcode(&[0xc0], true, 1, false),
    Opcode(&[0xc1], true, 1, true),
    Opcode(&[0xd0], true, 0, false),
    Opcode(&[0xd1], true, 0, true),
    Opcode(&[0xd2], true, 0, false),
    Opcode(&[0xd3], true, 0, true),
    Opcode(&[0xc6], true, 1, false),
    Opcode(&[0xc7], true, 4, true),
    Opcode(&[0xf6], true, 0, false),
    Opcode(&[0xf7], true, 0, true),
    Opcode(&[0xfe], true, 0, false),
    Opcode(&[0xff], true, 0, true),
    Opcode(&[0xf5], false, 0, false),
    Opcode(&[0xf8], false, 0, false),
    Opcode(&[0xf9], false, 0, false),
    Opcode(&[0x69], true, 4, true),
    Opcode(&[0x6b], true, 1, true),
    Opcode(&[0xa4], false, 0, false),
    Opcode(&[0xa5], false, 0, true),
    Opcode(&[0xa6], false, 0, false),
    Opcode(&[0xa7], false, 0, true),
    Opcode(&[0xaa], false, 0, false),
    Opcode(&[0xab], false, 0, true),
    Opcode(&[0xac], false, 0, false),
    Opcode(&[0xad], false, 0, true),
    Opcode(&[0xae], false, 0, false),
    Opcode(&[0xaf], false, 0, true),
    Opcode(&[0xd7], false, 0, false),
    Opcode(&[0x0f, 0x40], true, 0, true),
    Opcode(&[0x0f, 0x90], true, 0, false),
    Opcode(&[0x0f, 0xa3], true, 0, true),
    Opcode(&[0x0f, 0xab], true, 0, true),
    Opcode(&[0x0f, 0xb3], true, 0, true),
    Opcode(&[0x0f, 0xbb], true, 0, true),
    Opcode(&[0x0f, 0xba], true, 1, true),
    Opcode(&[0x0f, 0xa4], true, 1, true),
    Opcode(&[0x0f, 0xa5], true, 0, true),
    Opcode(&[0x0f, 0xac], true, 1, true),
    Opcode(&[0x0f, 0xad], true, 0, true),
    Opcode(&[0x0f, 0xaf], true, 0, true),
    Opcode(&[0x0f, 0xb0], true, 0, false),
    Opcode(&[0x0f, 0xb1], true, 0, true),
    Opcode(&[0x0f, 0xb6], true, 0, true),
    Opcode(&[0x0f, 0xb7], true, 0, true),
    Opcode(&[0x0f, 0xbe], true, 0, true),
    Opcode(&[0x0f, 0xbf], true, 0, true),
    Opcode(&[0x0f, 0xbc], true, 0, true),
    Opcode(&[0x0f, 0xbd], true, 0, true),
    Opcode(&[0x0f, 0xb8], true, 0, true),
    Opcode(&[0x0f, 0xc0], true, 0, false),
    Opcode(&[0x0f, 0xc1], true, 0, true),
    Opcode(&[0x0f, 0xc7], true, 0, true),
    Opcode(&[0x0f, 0xc8], false, 0, true),
    Opcode(&[0x0f, 0x38, 0xf0], true, 0, true),
    Opcode(&[0x0f, 0x38, 0xf1], true, 0, true),
    Opcode(&[0x0f, 0x38, 0xf6], true, 0, true),
];

/// One random instruction.
fn generate(random: &mut Random) -> Vec<u8> {
    if random.below(8) == 0 {
        return generate_vex(random);
    }
    let Opcode(opcode, modrm, immediate, sized) =
        &OPCODES[random.below(OPCODES.len() as u64) as usize];
    let mut opcode = opcode.to_vec();
    let last = opcode.len() - 1;
    match opcode[..] {
        // The eight operations in their forms with ModRM, and with the accumulator.
        [0x00] => opcode[0] = (random.below(8) * 8 + random.below(4)) as u8,
        [0x0f, 0x40 | 0x90] => opcode[last] += random.below(16) as u8,
        [0x0f, 0xc8] => opcode[last] += random.below(8) as u8,
        _ => {}
    }
    let mut code = Vec::new();
    match random.below(8) {
        0 => code.push(0xf2),
        1 | 2 => code.push(0xf3),
        _ => {}
    }
    let small = *sized && random.below(3) == 0;
    if small {
        code.push(0x66);
    }
    if random.below(3) != 0 {
        code.push(0x40 | random.below(16) as u8);
    }
    let rex_w = code.last().is_some_and(|rex| rex & 0xf8 == 0x48);
    code.extend(&opcode);
    if *modrm {
        push_modrm(&mut code, random);
    }
    let bytes = match immediate {
        4 if small && !rex_w => 2,
        n => *n,
    };
    (0..bytes).for_each(|_| code.push(random.operand() as u8));
    code
}

fn push_modrm(code: &mut Vec<u8>, random: &mut Random) {
    let modrm = if random.below(2) == 0 {
        0xc0 | random.bits() as u8
    } else {
        random.bits() as u8
    };
    code.push(modrm);
    if modrm < 0xc0 && modrm & 7 == 4 {
        code.push(random.bits() as u8);
    }
    let displacement = match modrm >> 6 {
        1 => 1,
        2 => 4,
        _ => 0,
    };
    let value = (random.below(256) as i8) as i32;
    code.extend(&value.to_le_bytes()[..displacement]);
}

/// BMI1 and BMI2: VEX.0F38.F2, F3, F5, F6, F7 and VEX.F2.0F3A.F0.
fn generate_vex(random: &mut Random) -> Vec<u8> {
    let (opcode, map) = match random.below(6) {
        0 => (0xf2, 2),
        1 => (0xf3, 2),
        2 => (0xf5, 2),
        3 => (0xf6, 2),
        4 => (0xf7, 2),
        _ => (0xf0, 3),
    };
    let mut code = vec![
        0xc4,
        (random.bits() as u8 & 0xe0) | map,
        random.bits() as u8 & 0xfb,
        opcode,
    ];
    push_modrm(&mut code, random);
    if map == 3 {
        code.push(random.bits() as u8);
    }
    code
}

/// Whether the engine has to have the instruction, and the host has it.
pub(super) fn is_wanted(instruction: &Instruction, missing: &mut BTreeSet<String>) -> bool {
    let host = |feature: CpuidFeature| {
        use std::arch::is_x86_feature_detected as has;
        match feature {
            CpuidFeature::BMI1 => has!("bmi1"),
            CpuidFeature::BMI2 => has!("bmi2"),
            CpuidFeature::ADX => has!("adx"),
            CpuidFeature::LZCNT => has!("lzcnt"),
            CpuidFeature::POPCNT => has!("popcnt"),
            CpuidFeature::MOVBE => has!("movbe"),
            CpuidFeature::SSE4_2 => has!("sse4.2"),
            CpuidFeature::CMPXCHG16B => has!("cmpxchg16b"),
            CpuidFeature::INTEL8086
            | CpuidFeature::INTEL186
            | CpuidFeature::INTEL386
            | CpuidFeature::INTEL486
            | CpuidFeature::X64
            | CpuidFeature::CX8
            | CpuidFeature::CMOV => true,
            _ => false,
        }
    };
    let lacking = instruction
        .cpuid_features()
        .iter()
        .find(|&&feature| !host(feature));
    if let Some(feature) = lacking {
        missing.insert(format!("{feature:?}"));
        return false;
    }
    true
}

/// Makes the memory operand lie in the data, if that can be done. RSP stays what it is.
fn place(instruction: &Instruction, state: &mut State, random: &mut Random) -> bool {
    let uses = |register: Register| {
        (0..instruction.op_count()).any(|n| {
            instruction.op_kind(n) == OpKind::Register
                && instruction.op_register(n).full_register() == register
        })
    };
    if uses(Register::RSP) {
        return false;
    }
    let middle = DATA_AT + DATA_LEN as u64 / 2;
    if instruction.is_string_instruction() {
        state.gpr[6] = middle + random.below(64);
        state.gpr[7] = middle + random.below(64);
        state.gpr[1] = random.below(20);
        return true;
    }
    if instruction.mnemonic() == Mnemonic::Xlatb {
        state.gpr[3] = middle;
        return true;
    }
    if !has_memory(instruction) || instruction.mnemonic() == Mnemonic::Lea {
        return true;
    }
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    if !base.is_gpr64() || base == Register::RSP || base == index {
        return false;
    }
    state.gpr[usize::from(gpr_number(base))] = middle + random.below(16) * 8;
    if index != Register::None {
        state.gpr[usize::from(gpr_number(index))] = random.below(64);
    }
    // CMPXCHG16B wants alignment; a bit string must not lead out of the data.
    if instruction.mnemonic() == Mnemonic::Cmpxchg16b {
        return instruction.memory_displacement64().is_multiple_of(16)
            && index == Register::None
            && state.gpr[usize::from(gpr_number(base))].is_multiple_of(16);
    }
    let bits = matches!(
        instruction.mnemonic(),
        Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
    );
    if bits && instruction.op1_kind() == OpKind::Register {
        let number = instruction.op1_register().full_register();
        if number == base || number == index {
            return false;
        }
        state.gpr[usize::from(gpr_number(number))] = random.below(0x1000).wrapping_sub(0x800);
    }
    true
}

/// Flags to compare: those that are not undefined, and in shifts not undefined by the count.
pub(super) fn defined(instruction: &Instruction) -> u64 {
    use iced_x86::RflagsBits as Bits;
    let mut undefined = instruction.rflags_undefined();
    // The decoder takes the count modulo the operand's bits and one. What it leaves of OF, only a count of 1 defines, and 0 keeps.
    if matches!(instruction.mnemonic(), Mnemonic::Rcl | Mnemonic::Rcr)
        && instruction.op1_kind() == OpKind::Immediate8
        && instruction.immediate8() & 31 > 1
    {
        undefined |= Bits::OF;
    }
    let bits = [
        (Bits::OF, 0x800_u64),
        (Bits::SF, 0x80),
        (Bits::ZF, 0x40),
        (Bits::AF, 0x10),
        (Bits::CF, 1),
        (Bits::PF, 4),
    ];
    bits.iter()
        .filter(|(bit, _)| undefined & bit != 0)
        .fold(FLAGS, |mask, (_, flag)| mask & !flag)
}

/// Cases that leave the destination itself undefined.
pub(super) fn is_undefined(instruction: &Instruction, state: &State) -> bool {
    let word = instruction.op0_kind() == OpKind::Register && instruction.op0_register().size() == 2
        || instruction.memory_size().size() == 2;
    match instruction.mnemonic() {
        Mnemonic::Bswap => word,
        Mnemonic::Shld | Mnemonic::Shrd => {
            let count = if instruction.op2_kind() == OpKind::Register {
                state.gpr[1]
            } else {
                instruction.immediate(2)
            };
            word && count & 31 > 16
        }
        // A source of zero: Intel leaves the destination, AMD says so; both do.
        _ => false,
    }
}

struct Case {
    code: Vec<u8>,
    instruction: Instruction,
    state: State,
    data: Box<[u8; DATA_LEN]>,
}

fn differences(pair: &Pair, case: &Case, after: &State, data: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    let cpu = &pair.machine.cpu;
    for n in 0..16 {
        // CMPXCHG that does not exchange: Intel's manual writes the register operand (and so clears its upper half), AMD does not.
        let kept = case.instruction.code() == iced_x86::Code::Cmpxchg_rm32_r32
            && cpu.gpr[n] as u32 == after.gpr[n] as u32
            && cpu.gpr[n] >> 32 == 0;
        if cpu.gpr[n] != after.gpr[n] && !kept {
            wrong.push(format!("r{n} {:#x}, host {:#x}", cpu.gpr[n], after.gpr[n]));
        }
    }
    let mask = defined(&case.instruction);
    if (cpu.flags() ^ after.rflags) & mask != 0 {
        wrong.push(format!(
            "flags {:#x}, host {:#x}, before {:#x}",
            cpu.flags() & mask,
            after.rflags & mask,
            case.state.rflags
        ));
    }
    let own = pair.engine_data();
    if let Some(at) = (0..DATA_LEN).find(|&at| own[at] != data[at]) {
        wrong.push(format!(
            "data {at:#x}: {:#x}, host {:#x}",
            own[at], data[at]
        ));
    }
    wrong
}

fn case(random: &mut Random, missing: &mut BTreeSet<String>) -> Option<Case> {
    let mut code = generate(random);
    let mut decoder = Decoder::with_ip(64, &code, CODE_AT, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    code.truncate(instruction.len());
    let mut state = State::default();
    for (n, value) in state.gpr.iter_mut().enumerate() {
        if n != 4 {
            *value = random.operand();
        }
    }
    state.rflags = random.bits() & 0x8d5 | 2;
    use Mnemonic::{Call, Jmp, Nop, Pause, Pop, Push, Rdpid, Rdrand, Rdseed, Xabort, Xbegin};
    let other = matches!(
        instruction.mnemonic(),
        Call | Jmp | Push | Pop | Rdrand | Rdseed | Rdpid | Xbegin | Xabort | Nop | Pause
    );
    let fits = !other
        && is_wanted(&instruction, missing)
        && place(&instruction, &mut state, random)
        && !is_undefined(&instruction, &state);
    let mut data = Box::new([0; DATA_LEN]);
    if fits {
        let middle = DATA_LEN / 2;
        for at in (middle - 1024..middle + 1024).step_by(8) {
            data[at..at + 8].copy_from_slice(&random.operand().to_le_bytes());
        }
    }
    fits.then_some(Case {
        code,
        instruction,
        state,
        data,
    })
}

#[test]
fn integer_instructions_agree_with_the_host() {
    let mut pair = Pair::new();
    let mut random = Random::new(0x5eed_0001);
    let (mut tried, mut faulted) = (BTreeMap::<String, u32>::new(), 0);
    let (mut missing, mut failures) = (BTreeSet::new(), Vec::new());
    let mut left = if cfg!(debug_assertions) {
        12_000
    } else {
        60_000
    };
    while left > 0 {
        let Some(case) = case(&mut random, &mut missing) else {
            continue;
        };
        left -= 1;
        let run = pair.engine(&case.code, &case.data[..], &case.state);
        if run.is_none() {
            faulted += 1;
            // Only division may fault: everything else is a hole in the engine.
            if !matches!(case.instruction.mnemonic(), Mnemonic::Div | Mnemonic::Idiv) {
                failures.push(format!(
                    "{:02x?} {:?} does not run",
                    case.code,
                    case.instruction.code()
                ));
            }
            continue;
        }
        let (after, data) = pair.host(&case.code, &case.data, &case.state);
        *tried
            .entry(format!("{:?}", case.instruction.code()))
            .or_default() += 1;
        let wrong = differences(&pair, &case, &after, &data[..]);
        if !wrong.is_empty() {
            failures.push(format!(
                "{:02x?} {:?}: {}",
                case.code,
                case.instruction.code(),
                wrong.join("; ")
            ));
        }
    }
    println!(
        "{} encodings, {} operand sets compared, {faulted} divisions left out because they fault",
        tried.len(),
        tried.values().sum::<u32>()
    );
    if !missing.is_empty() {
        println!("not here, or not integer: {missing:?}");
    }
    for failure in failures.iter().take(40) {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} differences", failures.len());
    assert!(tried.len() > 250);
}
