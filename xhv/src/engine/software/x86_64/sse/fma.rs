//! FMA: VFMADD132PS to VFNMSUB231SD, VFMADDSUB, VFMSUBADD.

use core::marker::PhantomData;

use iced_x86::Instruction;

use super::super::Done;
use super::super::access::{Operation, Segmented};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec};
use super::float::{Context, Real};
use super::operand::{Fields, Mem, Reg, Source, Width, immediate, in_memory, register};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::float;

/// What to compute, in an operation's immediate field.
const NEGATE_PRODUCT: u8 = 1;
/// Subtract the addend in even and in odd lanes.
const SUBTRACT_EVEN: u8 = 2;
const SUBTRACT_ODD: u8 = 4;
/// Order of operands in bits 5:4: 132, 213, 231.
const ORDER_SHIFT: u8 = 4;

/// The instruction's control bits, from its name.
fn control(name: &str) -> Option<(u8, &str)> {
    let rest = name.strip_prefix("Vf")?;
    let (rest, negate) = match rest.strip_prefix('n') {
        Some(rest) => (rest, NEGATE_PRODUCT),
        None => (rest, 0),
    };
    let kinds = [
        ("maddsub", SUBTRACT_EVEN),
        ("msubadd", SUBTRACT_ODD),
        ("madd", 0),
        ("msub", SUBTRACT_EVEN | SUBTRACT_ODD),
    ];
    let (kind, rest) = kinds
        .iter()
        .find_map(|(kind, bits)| Some((*bits, rest.strip_prefix(kind)?)))?;
    let orders = ["132", "213", "231"];
    let (order, rest) = (0..3).find_map(|n| Some((n as u8, rest.strip_prefix(orders[n])?)))?;
    Some((negate | kind | order << ORDER_SHIFT, rest))
}

/// Takes them.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    let name = format!("{:?}", i.mnemonic());
    let Some((control, format)) = control(&name) else {
        return false;
    };
    let op = match format {
        "ps" => packed::<f32>(i, asm),
        "pd" => packed::<f64>(i, asm),
        "ss" if in_memory(i, 2) => asm.emit::<Scalar<f32, Mem<Segmented, u32>>>(i),
        "ss" => asm.emit::<Scalar<f32, Reg>>(i),
        "sd" if in_memory(i, 2) => asm.emit::<Scalar<f64, Mem<Segmented, u64>>>(i),
        "sd" => asm.emit::<Scalar<f64, Reg>>(i),
        _ => return false,
    };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, 1);
    op.imm = Fields {
        source: register(i, 2),
        immediate: control,
        ..Fields::default()
    }
    .pack();
    true
}

fn packed<'a, R: Real>(i: &Instruction, asm: &'a mut Assembler) -> &'a mut Operation {
    match (Width::of(i) == Width::Vex256, in_memory(i, 2)) {
        (true, true) => asm.emit::<Packed256<R, Mem<Segmented, u128>>>(i),
        (true, false) => asm.emit::<Packed256<R, Reg>>(i),
        (false, true) => asm.emit::<Packed<R, Mem<Segmented, u128>>>(i),
        (false, false) => asm.emit::<Packed<R, Reg>>(i),
    }
}

/// One lane: operands in the instruction's order.
#[inline(always)]
fn lane<R: Real>(context: &mut Context, operands: [R; 3], control: u8, n: usize) -> R {
    let [first, second, third] = operands;
    let (a, b, c) = match control >> ORDER_SHIFT {
        0 => (first, third, second),
        1 => (second, first, third),
        _ => (second, third, first),
    };
    let subtract = control
        & if n.is_multiple_of(2) {
            SUBTRACT_EVEN
        } else {
            SUBTRACT_ODD
        }
        != 0;
    let negate = |yes: bool, x: R| if yes { negated(x) } else { x };
    let x = negate(control & NEGATE_PRODUCT != 0, a);
    let z = negate(subtract, c);
    if context.host
        && context.sticky
        && let Some(result) = x.fma(b, z)
    {
        return result;
    }
    exactly(context, [x, b, z])
}

/// Changes the sign, but not of a NaN: that comes out as it went in.
#[inline(always)]
fn negated<R: Real>(x: R) -> R {
    if x.partial_cmp(&x).is_none() {
        return x;
    }
    R::of(x.bits() ^ 1 << R::FORMAT.sign_bit())
}

#[inline(never)]
fn exactly<R: Real>(context: &mut Context, operands: [R; 3]) -> R {
    let bits = operands.map(R::bits);
    let result = float::fma(R::FORMAT, bits, [0, 1, 2], &context.env);
    R::of(context.take(result))
}

fn vector<R: Real>(
    context: &mut Context,
    first: u128,
    second: u128,
    third: u128,
    control: u8,
) -> u128 {
    let size = 128 / R::LANES;
    (0..R::LANES).fold(0, |all, n| {
        let operands = [first, second, third].map(|v| R::lane(v, n));
        all | lane(context, operands, control, n).bits() << (size * n)
    })
}

struct Scalar<R, S>(PhantomData<(R, S)>);

impl<R: Real, S: Source> Exec for Scalar<R, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let third = S::get::<P>(cpu, op)?;
        let first = cpu.xmm(op.r[0]);
        let operands = [first, cpu.xmm(op.r[1]), third].map(R::of);
        let mut context = cpu.float();
        let result = lane(&mut context, operands, immediate(op), 0);
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], result.insert(first), true);
        Ok(Flow::Next)
    }
}

struct Packed<R, S>(PhantomData<(R, S)>);

impl<R: Real, S: Source> Exec for Packed<R, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let third = S::get::<P>(cpu, op)?;
        let mut context = cpu.float();
        let (first, second) = (cpu.xmm(op.r[0]), cpu.xmm(op.r[1]));
        let result = vector::<R>(&mut context, first, second, third, immediate(op));
        cpu.settle(&context)?;
        cpu.set_xmm(op.r[0], result, true);
        Ok(Flow::Next)
    }
}

struct Packed256<R, S>(PhantomData<(R, S)>);

impl<R: Real, S: Source> Exec for Packed256<R, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let (mut context, control) = (cpu.float(), immediate(op));
        let (first, second) = (cpu.xmm(op.r[0]), cpu.xmm(op.r[1]));
        let low = vector::<R>(&mut context, first, second, low, control);
        let (first, second) = (cpu.high(op.r[0]), cpu.high(op.r[1]));
        let high = vector::<R>(&mut context, first, second, high, control);
        cpu.settle(&context)?;
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}
