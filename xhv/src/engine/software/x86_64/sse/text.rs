//! PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM vol. 2, 4.1).

use bytemuck::cast;
use iced_x86::{Code, Instruction, Mnemonic};

use super::super::Done;
use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::Assembler;
use super::super::flags::Rflags;
use super::operand::{Fields, extra, immediate, in_memory, register};
use crate::engine::software::dispatch::{Flow, Slow, Stop};

/// Bits of an operation's extra field.
const EXPLICIT: u8 = 1;
const LONG: u8 = 2;
const MASK: u8 = 4;
const VEX: u8 = 8;

/// Takes the string comparisons.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    let kind = match i.mnemonic() {
        Mnemonic::Pcmpestri | Mnemonic::Pcmpestri64 => EXPLICIT,
        Mnemonic::Pcmpestrm | Mnemonic::Pcmpestrm64 => EXPLICIT | MASK,
        Mnemonic::Vpcmpestri | Mnemonic::Vpcmpestri64 => EXPLICIT | VEX,
        Mnemonic::Vpcmpestrm | Mnemonic::Vpcmpestrm64 => EXPLICIT | MASK | VEX,
        Mnemonic::Pcmpistri => 0,
        Mnemonic::Pcmpistrm => MASK,
        Mnemonic::Vpcmpistri => VEX,
        Mnemonic::Vpcmpistrm => MASK | VEX,
        _ => return false,
    };
    let long = matches!(
        i.code(),
        Code::Pcmpestri64_xmm_xmmm128_imm8
            | Code::Pcmpestrm64_xmm_xmmm128_imm8
            | Code::VEX_Vpcmpestri64_xmm_xmmm128_imm8
            | Code::VEX_Vpcmpestrm64_xmm_xmmm128_imm8
    );
    let op = if in_memory(i, 1) {
        asm.complex(i, |cpu, op| {
            let b = cpu.load_at::<Slow, u128>(op, 0)?;
            compare(cpu, op, b)
        })
    } else {
        asm.complex(i, |cpu, op| {
            let b = cpu.xmm(op.imm as u8);
            compare(cpu, op, b)
        })
    };
    op.r[0] = register(i, 0);
    op.imm = Fields {
        source: register(i, 1),
        immediate: i.immediate8(),
        function: 0,
        extra: kind | if long { LONG } else { 0 },
    }
    .pack();
    true
}

/// A string: its elements as numbers, and how many of them count.
struct Text {
    elements: [i32; 16],
    len: usize,
}

impl Text {
    fn new(vector: u128, control: u8, len: Option<u64>) -> Self {
        let bytes: [u8; 16] = cast(vector);
        let words: [u16; 8] = cast(vector);
        let elements = core::array::from_fn(|n| match control & 3 {
            0 => bytes[n].into(),
            1 => words[n % 8].into(),
            2 => (bytes[n] as i8).into(),
            _ => (words[n % 8] as i16).into(),
        });
        let count = count(control);
        let zero = || elements[..count].iter().position(|&element| element == 0);
        let len = match len {
            Some(len) => len.min(count as u64) as usize,
            None => zero().unwrap_or(count),
        };
        Self { elements, len }
    }
}

/// How many elements fit.
fn count(control: u8) -> usize {
    if control & 1 != 0 { 8 } else { 16 }
}

/// A bit for each element of the second string: what the aggregation says, before polarity.
fn aggregate(a: &Text, b: &Text, control: u8) -> u32 {
    let count = count(control);
    let (x, y) = (&a.elements, &b.elements);
    let holds = |j: usize| match control >> 2 & 3 {
        0 => j < b.len && (0..a.len).any(|i| x[i] == y[j]),
        1 => {
            let pairs = (0..a.len / 2).map(|i| 2 * i);
            j < b.len && pairs.into_iter().any(|i| x[i] <= y[j] && y[j] <= x[i + 1])
        }
        2 => match (j < a.len, j < b.len) {
            (true, true) => x[j] == y[j],
            (one, other) => one == other,
        },
        _ => (0..(count - j).min(a.len)).all(|i| j + i < b.len && x[i] == y[j + i]),
    };
    (0..count).fold(0, |bits, j| bits | u32::from(holds(j)) << j)
}

/// The length that a register gives: its magnitude.
fn length(register: u64, long: bool) -> u64 {
    if long {
        (register as i64).unsigned_abs()
    } else {
        (register as i32).unsigned_abs().into()
    }
}

fn compare(cpu: &mut Cpu, op: &Operation, second: u128) -> Result<Flow, Stop> {
    let (control, kind) = (immediate(op), extra(op));
    let len = |register: u64| (kind & EXPLICIT != 0).then(|| length(register, kind & LONG != 0));
    let a = Text::new(cpu.xmm(op.r[0]), control, len(cpu.gpr[0]));
    let b = Text::new(second, control, len(cpu.gpr[2]));
    let count = count(control);
    let all = (1_u32 << count) - 1;
    let valid = (1_u32 << b.len) - 1;
    let bits = aggregate(&a, &b, control)
        ^ match control >> 4 & 3 {
            1 => all,
            3 => valid,
            _ => 0,
        };
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    cpu.lazy.set_status(
        flag(bits != 0, Rflags::CF)
            | flag(b.len < count, Rflags::ZF)
            | flag(a.len < count, Rflags::SF)
            | flag(bits & 1 != 0, Rflags::OF),
    );
    answer(cpu, bits, control, kind)
}

/// Delivers the bits as index in ECX or as mask in XMM0.
fn answer(cpu: &mut Cpu, bits: u32, control: u8, kind: u8) -> Done {
    let count = count(control);
    let high = control & 0x40 != 0;
    if kind & MASK == 0 {
        cpu.gpr[1] = match (bits, high) {
            (0, _) => count as u64,
            (_, false) => bits.trailing_zeros().into(),
            (_, true) => (31 - bits.leading_zeros()).into(),
        };
        return Ok(Flow::Next);
    }
    let set = |n: usize| bits >> n & 1 != 0;
    let mask = match (high, count) {
        (false, _) => bits.into(),
        (true, 16) => {
            cast::<[u8; 16], u128>(core::array::from_fn(|n| if set(n) { 0xff } else { 0 }))
        }
        (true, _) => {
            cast::<[u16; 8], u128>(core::array::from_fn(|n| if set(n) { 0xffff } else { 0 }))
        }
    };
    cpu.set_xmm(0, mask, kind & VEX != 0);
    Ok(Flow::Next)
}
