//! Binds the instructions of `table`, and those that select by a mask, to operations.

use core::marker::PhantomData;

use bytemuck::{cast_mut, cast_ref};
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::super::Done;
use super::super::access::{Long, Operation, Segmented};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec};
use super::operand::{
    Aligned, Fields, Mem, Reg, Source, Width, extra, function, immediate, immediate_of, in_memory,
    register,
};
use super::table::{InPlace, Kind, Mmx, ROWS, Row, find, row_of};
use super::{crypto, shuffle};
use crate::engine::software::dispatch::{Flow, Path, Slow, Stop};

/// Takes the instructions of the table.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    if let Some(select) = Select::of(i.mnemonic()) {
        decode_select(i, asm, select);
        return true;
    }
    let ends = i.op_count() > 0 && i.op_kind(i.op_count() - 1) == OpKind::Immediate8;
    let Some(number) = find(i.mnemonic(), ends) else {
        return false;
    };
    let row = &ROWS[usize::from(number)];
    let width = Width::of(i);
    if width == Width::Mmx {
        return decode_mmx(i, asm, row, number);
    }
    let op = emit(i, asm, row, number, width);
    operands(op, i, row, width, number);
    true
}

/// Fills in the operands: destination, sources, immediate.
fn operands(op: &mut Operation, i: &Instruction, row: &Row, width: Width, number: u16) {
    let unary = matches!(row.kind, Kind::Unary | Kind::Widen(_));
    // The destination is also the first source unless there is an operand for it.
    let last = i.op_count() - u32::from(i.op_kind(i.op_count() - 1) == OpKind::Immediate8);
    let source = last - 1;
    let first = if !unary && width.is_vex() { 1 } else { 0 };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, first);
    op.imm = Fields {
        source: register(i, source),
        immediate: immediate_of(i),
        function: number,
        extra: 0,
    }
    .pack();
}

fn emit<'a>(
    i: &Instruction,
    asm: &'a mut Assembler,
    row: &Row,
    number: u16,
    width: Width,
) -> &'a mut Operation {
    let memory = (0..i.op_count()).any(|n| in_memory(i, n));
    match (width, row.kind, memory) {
        (Width::Vex256, Kind::Count, true) => asm.emit::<Counted<Mem<Segmented, u128>>>(i),
        (Width::Vex256, Kind::Count, false) => asm.emit::<Counted<Reg>>(i),
        (Width::Vex256, Kind::Widen(_), _) => emit_widen(i, asm, memory),
        (Width::Vex256, _, true) => asm.emit::<Wide<Mem<Segmented, u128>>>(i),
        (Width::Vex256, _, false) => asm.emit::<Wide<Reg>>(i),
        (Width::Vex128, _, false) => asm.emit::<Lane<true, Reg>>(i),
        (_, _, false) => emit_frequent(i, asm, usize::from(number)),
        (width, _, true) => emit_memory(i, asm, usize::from(number), width.is_vex()),
    }
}

fn emit_memory<'a>(
    i: &Instruction,
    asm: &'a mut Assembler,
    number: usize,
    vex: bool,
) -> &'a mut Operation {
    match (i.memory_size().size(), vex) {
        (2, true) => asm.emit::<Lane<true, Mem<Segmented, u16>>>(i),
        (2, false) => asm.emit::<Lane<false, Mem<Segmented, u16>>>(i),
        (4, true) => asm.emit::<Lane<true, Mem<Segmented, u32>>>(i),
        (4, false) => asm.emit::<Lane<false, Mem<Segmented, u32>>>(i),
        (8, true) => asm.emit::<Lane<true, Mem<Segmented, u64>>>(i),
        (8, false) => asm.emit::<Lane<false, Mem<Segmented, u64>>>(i),
        (_, true) => asm.emit::<Lane<true, Mem<Segmented, u128>>>(i),
        (_, false) if number == PXOR => {
            asm.emit_either::<Frequent<PXOR, Aligned<Long>>, Frequent<PXOR, Aligned<Segmented>>>(i)
        }
        (_, false) if number == PADDD => asm
            .emit_either::<Frequent<PADDD, Aligned<Long>>, Frequent<PADDD, Aligned<Segmented>>>(i),
        (_, false) if number == PMULUDQ => asm
            .emit_either::<Frequent<PMULUDQ, Aligned<Long>>, Frequent<PMULUDQ, Aligned<Segmented>>>(
                i,
            ),
        (_, false) => asm.emit::<Lane<false, Aligned<Segmented>>>(i),
    }
}

fn emit_widen<'a>(i: &Instruction, asm: &'a mut Assembler, memory: bool) -> &'a mut Operation {
    match (memory, i.memory_size().size()) {
        (false, _) => asm.emit::<Widened<Reg>>(i),
        (true, 4) => asm.emit::<Widened<Mem<Segmented, u32>>>(i),
        (true, 8) => asm.emit::<Widened<Mem<Segmented, u64>>>(i),
        (true, _) => asm.emit::<Widened<Mem<Segmented, u128>>>(i),
    }
}

const fn number(mnemonic: Mnemonic, immediate: bool) -> usize {
    match row_of(mnemonic, immediate) {
        Some(number) => number,
        None => panic!("no such row"),
    }
}

const PXOR: usize = number(Mnemonic::Pxor, false);
const PADDD: usize = number(Mnemonic::Paddd, false);
const PMULUDQ: usize = number(Mnemonic::Pmuludq, false);
const PSUBD: usize = number(Mnemonic::Psubd, false);
const PANDN: usize = number(Mnemonic::Pandn, false);
const PUNPCKLDQ: usize = number(Mnemonic::Punpckldq, false);
const PADDQ: usize = number(Mnemonic::Paddq, false);
const PAND: usize = number(Mnemonic::Pand, false);
const POR: usize = number(Mnemonic::Por, false);
const PSHUFD: usize = number(Mnemonic::Pshufd, false);
const PCMPEQB: usize = number(Mnemonic::Pcmpeqb, false);
const PMINUB: usize = number(Mnemonic::Pminub, false);
const XORPS: usize = number(Mnemonic::Xorps, false);
const ANDPD: usize = number(Mnemonic::Andpd, false);
const UNPCKLPD: usize = number(Mnemonic::Unpcklpd, false);
const PUNPCKLQDQ: usize = number(Mnemonic::Punpcklqdq, false);
const PSLLD_I: usize = number(Mnemonic::Pslld, true);
const PSRLD_I: usize = number(Mnemonic::Psrld, true);
const PSLLQ_I: usize = number(Mnemonic::Psllq, true);
const PSRLQ_I: usize = number(Mnemonic::Psrlq, true);

/// Register forms that programs use most get an operation of their own each.
fn emit_frequent<'a>(i: &Instruction, asm: &'a mut Assembler, number: usize) -> &'a mut Operation {
    match number {
        PXOR => asm.emit::<Frequent<PXOR, Reg>>(i),
        PADDD => asm.emit::<Frequent<PADDD, Reg>>(i),
        PADDQ => asm.emit::<Frequent<PADDQ, Reg>>(i),
        PAND => asm.emit::<Frequent<PAND, Reg>>(i),
        POR => asm.emit::<Frequent<POR, Reg>>(i),
        PSHUFD => emit_shuffle(i, asm),
        PCMPEQB => asm.emit::<Frequent<PCMPEQB, Reg>>(i),
        PMINUB => asm.emit::<Frequent<PMINUB, Reg>>(i),
        XORPS => asm.emit::<Frequent<XORPS, Reg>>(i),
        ANDPD => asm.emit::<Frequent<ANDPD, Reg>>(i),
        UNPCKLPD => asm.emit::<Frequent<UNPCKLPD, Reg>>(i),
        PUNPCKLQDQ => asm.emit::<Frequent<PUNPCKLQDQ, Reg>>(i),
        PSLLD_I => asm.emit::<Frequent<PSLLD_I, Reg>>(i),
        PSRLD_I => asm.emit::<Frequent<PSRLD_I, Reg>>(i),
        PSLLQ_I => asm.emit::<Frequent<PSLLQ_I, Reg>>(i),
        PSRLQ_I => asm.emit::<Frequent<PSRLQ_I, Reg>>(i),
        PMULUDQ => asm.emit::<Frequent<PMULUDQ, Reg>>(i),
        PSUBD => asm.emit::<Frequent<PSUBD, Reg>>(i),
        PANDN => asm.emit::<Frequent<PANDN, Reg>>(i),
        PUNPCKLDQ => asm.emit::<Frequent<PUNPCKLDQ, Reg>>(i),
        _ => asm.emit::<Lane<false, Reg>>(i),
    }
}

/// PSHUFD in the orders that compilers use, as one shuffle of the host each.
fn emit_shuffle<'a>(i: &Instruction, asm: &'a mut Assembler) -> &'a mut Operation {
    macro_rules! orders {
        ($($order:literal)*) => {
            match i.immediate8() {
                $($order => asm.emit::<Shuffle<$order>>(i),)*
                _ => asm.emit::<Frequent<PSHUFD, Reg>>(i),
            }
        };
    }
    orders!(0x00 0x08 0x0e 0x1b 0x39 0x44 0x4e 0x55 0x93 0xaa 0xb1 0xd8 0xe5 0xee 0xf5 0xff)
}

/// PSHUFD in the order `N`.
struct Shuffle<const N: u8>;

impl<const N: u8> Exec for Shuffle<N> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let from: [u32; 4] = *cast_ref(&cpu.fpu.xmm[usize::from(op.imm as u8 & 15)]);
        let lane = |n: u8| from[usize::from(N >> (2 * n) & 3)];
        let to = [lane(0), lane(1), lane(2), lane(3)];
        *cast_mut(&mut cpu.fpu.xmm[usize::from(op.r[0] & 15)]) = to;
        Ok(Flow::Next)
    }
}

/// A legacy-encoded operation of the row `N`.
struct Frequent<const N: usize, S>(PhantomData<S>);

impl<const N: usize, S: Source> Exec for Frequent<N, S> {
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        in_place::<P, S>(cpu, op, const { ROWS[N].in_place })?;
        Ok(Flow::Next)
    }
}

/// Applies a function of vectors in their places.
#[inline(always)]
fn in_place<P: Path, S: Source>(
    cpu: &mut Cpu,
    op: &Operation,
    function: InPlace,
) -> Result<(), Stop> {
    let loaded = if S::MEMORY { S::get::<P>(cpu, op)? } else { 0 };
    let (mut result, xmm) = (0_u128, &mut cpu.fpu.xmm);
    let [a, source] = [op.r[1], op.imm as u8].map(|n| &xmm[usize::from(n & 15)]);
    let b = if S::MEMORY { &loaded } else { source };
    function(&mut result, a, b, immediate(op));
    // Copied as an array, and so in one piece.
    let result: [u64; 2] = *cast_ref(&result);
    *cast_mut(&mut xmm[usize::from(op.r[0] & 15)]) = result;
    Ok(())
}

#[inline(always)]
fn row(op: &Operation) -> &'static Row {
    const { &ROWS }
        .get(function(op))
        .unwrap_or(const { &ROWS[0] })
}

/// On 128 bits, legacy or VEX encoded.
struct Lane<const VEX: bool, S>(PhantomData<S>);

impl<const VEX: bool, S: Source> Exec for Lane<VEX, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        in_place::<P, S>(cpu, op, row(op).in_place)?;
        if VEX {
            cpu.fpu.high[usize::from(op.r[0] & 15)] = 0;
        }
        Ok(Flow::Next)
    }
}

/// On 256 bits.
struct Wide<S>(PhantomData<S>);

impl<S: Source> Exec for Wide<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let row = row(op);
        let imm = immediate(op);
        let a = (cpu.xmm(op.r[1]), cpu.high(op.r[1]));
        let low = (row.function)(a.0, low, imm);
        let high = (row.function)(a.1, high, imm >> row.high_shift);
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

/// On 256 bits, all lanes shifted by one count.
struct Counted<S>(PhantomData<S>);

impl<S: Source> Exec for Counted<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let count = S::get::<P>(cpu, op)?;
        let f = row(op).function;
        let low = f(cpu.xmm(op.r[1]), count, 0);
        let high = f(cpu.high(op.r[1]), count, 0);
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

/// 256 bits from a narrower source.
struct Widened<S>(PhantomData<S>);

impl<S: Source> Exec for Widened<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P>(cpu, op)?;
        let row = row(op);
        let bits = match row.kind {
            Kind::Widen(bits) => bits,
            _ => 0,
        };
        let (low, high) = ((row.function)(0, b, 0), (row.function)(0, b >> bits, 0));
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}

fn decode_mmx(i: &Instruction, asm: &mut Assembler, row: &Row, number: u16) -> bool {
    if matches!(row.mmx, Mmx::None) {
        return false;
    }
    let memory = (0..i.op_count()).any(|n| in_memory(i, n));
    let op = match (memory, i.memory_size().size()) {
        (false, _) => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let b = cpu.fpu.mm(op.imm as u8);
            mmx(cpu, op, b)
        }),
        (true, 4) => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let b: u32 = cpu.load_at::<Slow, u32>(op, 0)?;
            mmx(cpu, op, b.into())
        }),
        (true, _) => asm.complex(i, |cpu, op| {
            start_mmx(cpu)?;
            let b = cpu.load_at::<Slow, u64>(op, 0)?;
            mmx(cpu, op, b)
        }),
    };
    operands(op, i, row, Width::Mmx, number);
    true
}

/// What every MMX instruction begins with.
pub(super) fn start_mmx(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.fpu.pending() {
        return Err(cpu.mf());
    }
    Ok(())
}

fn mmx(cpu: &mut Cpu, op: &Operation, b: u64) -> Done {
    let row = row(op);
    let (a, imm) = (cpu.fpu.mm(op.r[1]), immediate(op));
    let result = match row.mmx {
        Mmx::Own(function) => function(a, b, imm),
        _ => (row.function)(a.into(), b.into(), imm) as u64,
    };
    cpu.fpu.enter_mmx();
    cpu.fpu.set_mm(op.r[0], result);
    Ok(Flow::Next)
}

/// Instructions with a third vector: a mask, or SHA256RNDS2's round words.
#[derive(Clone, Copy)]
struct Select {
    number: u16,
    /// The third vector is XMM0.
    implicit: bool,
}

const SELECTS: [fn(u128, u128, u128) -> u128; 4] = [
    shuffle::blendvps,
    shuffle::blendvpd,
    shuffle::pblendvb,
    crypto::sha256rnds2,
];

impl Select {
    fn of(mnemonic: Mnemonic) -> Option<Self> {
        let (number, implicit) = match mnemonic {
            Mnemonic::Blendvps => (0, true),
            Mnemonic::Blendvpd => (1, true),
            Mnemonic::Pblendvb => (2, true),
            Mnemonic::Sha256rnds2 => (3, true),
            Mnemonic::Vblendvps => (0, false),
            Mnemonic::Vblendvpd => (1, false),
            Mnemonic::Vpblendvb => (2, false),
            _ => return None,
        };
        Some(Self { number, implicit })
    }
}

fn decode_select(i: &Instruction, asm: &mut Assembler, select: Select) {
    let (width, source) = (Width::of(i), if select.implicit { 1 } else { 2 });
    let op = match (width, in_memory(i, source)) {
        (Width::Vex256, true) => asm.emit::<Selected256<Mem<Segmented, u128>>>(i),
        (Width::Vex256, false) => asm.emit::<Selected256<Reg>>(i),
        (Width::Vex128, true) => asm.emit::<Selected<true, Mem<Segmented, u128>>>(i),
        (Width::Vex128, false) => asm.emit::<Selected<true, Reg>>(i),
        (_, true) => asm.emit::<Selected<false, Aligned<Segmented>>>(i),
        (_, false) => asm.emit::<Selected<false, Reg>>(i),
    };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, source - 1);
    op.imm = Fields {
        source: register(i, source),
        function: select.number,
        extra: if select.implicit { 0 } else { register(i, 3) },
        immediate: 0,
    }
    .pack();
}

struct Selected<const VEX: bool, S>(PhantomData<S>);

impl<const VEX: bool, S: Source> Exec for Selected<VEX, S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P>(cpu, op)?;
        let mask = cpu.xmm(extra(op));
        let result = SELECTS[function(op) & 3](cpu.xmm(op.r[1]), b, mask);
        cpu.set_xmm(op.r[0], result, VEX);
        Ok(Flow::Next)
    }
}

struct Selected256<S>(PhantomData<S>);

impl<S: Source> Exec for Selected256<S> {
    const OUTLINE: bool = true;
    const MEMORY: bool = S::MEMORY;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (low, high) = S::get2::<P>(cpu, op)?;
        let (f, mask) = (SELECTS[function(op) & 3], extra(op));
        let low = f(cpu.xmm(op.r[1]), low, cpu.xmm(mask));
        let high = f(cpu.high(op.r[1]), high, cpu.high(mask));
        cpu.set_ymm(op.r[0], low, high);
        Ok(Flow::Next)
    }
}
