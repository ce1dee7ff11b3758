//! Conversions between floating-point formats and integers, in vectors and to and from general and MMX registers.

use core::marker::PhantomData;

use bytemuck::cast;
use iced_x86::{Instruction, Mnemonic, Register};

use super::super::Done;
use super::super::access::{Operation, Segmented};
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, Exec, gpr_number};
use super::float::{Context, Real, quiet};
use super::functions::each;
use super::operand::{Fields, Mem, Reg, Source, Width, immediate, in_memory, register};
use super::packed::start_mmx;
use crate::engine::software::dispatch::{Flow, Path, Slow, Stop};
use crate::engine::software::float::host::{narrow, widen};
use crate::engine::software::float::{self, Env, F16, F32, F64, Flags, Rounding};

/// Converts to a signed integer of `width` bits; the "integer indefinite" if it does not fit.
fn to_int<R: Real>(context: &mut Context, x: R, width: u32, truncate: bool) -> u64 {
    let limit = 1_i64 << (width - 2) << 1;
    if truncate
        && let Some((value, inexact)) = x.to_i64()
        && (width == 64 || -i128::from(limit) <= value.into() && value < limit)
    {
        context.inexact(inexact);
        return value as u64;
    }
    let mut env = context.env;
    if truncate {
        env.rounding = Rounding::Zero;
    }
    let (value, flags) = float::to_int(R::FORMAT, x.bits(), width, true, &env);
    context.flags |= flags;
    match value {
        Some(value) => value as u64,
        None => (-1_i64 << (width - 1)) as u64,
    }
}

fn from_int<R: Real>(context: &mut Context, value: i64) -> R {
    if context.host {
        let (result, inexact) = R::from_i64(value);
        context.inexact(inexact);
        return result;
    }
    let result = float::from_int(R::FORMAT, value.into(), &context.env);
    R::of(context.take(result))
}

/// CVTSS2SD.
pub(super) fn cvtss2sd(context: &mut Context, x: f32) -> f64 {
    if let Some(wide) = widen(x) {
        return wide;
    }
    let result = float::convert(F32, F64, x.bits(), &context.env);
    f64::of(context.take(result))
}

/// CVTSD2SS.
pub(super) fn cvtsd2ss(context: &mut Context, x: f64) -> f32 {
    if context.host
        && let Some((result, inexact)) = narrow(x)
    {
        context.inexact(inexact);
        return result;
    }
    let result = float::convert(F64, F32, x.bits(), &context.env);
    f32::of(context.take(result))
}

pub(super) fn cvtps2pd(context: &mut Context, _: u128, b: u128, _: u8) -> u128 {
    let low = cvtss2sd(context, f32::lane(b, 0)).bits();
    low | cvtss2sd(context, f32::lane(b, 1)).bits() << 64
}

pub(super) fn cvtpd2ps(context: &mut Context, _: u128, b: u128, _: u8) -> u128 {
    let low = cvtsd2ss(context, f64::lane(b, 0)).bits();
    low | cvtsd2ss(context, f64::lane(b, 1)).bits() << 32
}

pub(super) fn cvtdq2ps(context: &mut Context, _: u128, b: u128, _: u8) -> u128 {
    each::<f32>(b, |x| from_int(context, (x.to_bits() as i32).into()))
}

pub(super) fn cvtdq2pd(_: &mut Context, _: u128, b: u128, _: u8) -> u128 {
    let lanes: [i32; 4] = cast(b);
    f64::from(lanes[0]).bits() | f64::from(lanes[1]).bits() << 64
}

pub(super) fn cvtps2dq<const TRUNCATE: bool>(
    context: &mut Context,
    _: u128,
    b: u128,
    _: u8,
) -> u128 {
    each::<f32>(b, |x| {
        f32::from_bits(to_int(context, x, 32, TRUNCATE) as u32)
    })
}

pub(super) fn cvtpd2dq<const TRUNCATE: bool>(
    context: &mut Context,
    _: u128,
    b: u128,
    _: u8,
) -> u128 {
    let low = to_int(context, f64::lane(b, 0), 32, TRUNCATE) as u32;
    let high = to_int(context, f64::lane(b, 1), 32, TRUNCATE) as u32;
    u128::from(low) | u128::from(high) << 32
}

/// VCVTPH2PS: four half-precision numbers; denormals are converted, whatever MXCSR says, and silently.
pub(super) fn cvtph2ps(context: &mut Context, _: u128, b: u128, _: u8) -> u128 {
    let halves: [u16; 8] = cast(b);
    (0..4).fold(0, |all, n| {
        let env = Env::default();
        let (bits, mut flags) = float::convert(F16, F32, halves[n].into(), &env);
        flags.0 &= !Flags::DENORMAL.0;
        all | context.take((bits, flags)) << (32 * n)
    })
}

/// VCVTPS2PH: denormal results are kept whatever MXCSR says.
fn cvtps2ph(context: &mut Context, b: u128, control: u8) -> u64 {
    let mut env = context.env;
    env.flush_results = false;
    if control & 4 == 0 {
        env.rounding = Rounding::from_rc(control.into());
    }
    (0..4).fold(0, |all, n| {
        let result = float::convert(F32, F16, f32::lane(b, n).bits(), &env);
        all | (context.take(result) as u64) << (16 * n)
    })
}

/// Takes conversions that are not lane by lane.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    match i.mnemonic() {
        Cvtsi2ss | Vcvtsi2ss => from_general::<f32>(i, asm),
        Cvtsi2sd | Vcvtsi2sd => from_general::<f64>(i, asm),
        Cvtss2si | Vcvtss2si => to_general::<f32, u32, false>(i, asm),
        Cvttss2si | Vcvttss2si => to_general::<f32, u32, true>(i, asm),
        Cvtsd2si | Vcvtsd2si => to_general::<f64, u64, false>(i, asm),
        Cvttsd2si | Vcvttsd2si => to_general::<f64, u64, true>(i, asm),
        Vcvtps2ph => half(i, asm),
        _ => return mmx(i, asm),
    }
    true
}

/// The general register of operand `n`, and whether it is 64 bits wide.
fn general(i: &Instruction, n: u32) -> (u8, bool) {
    let register = i.op_register(n);
    match register {
        Register::None => (0, false),
        _ => (gpr_number(register), register.size() == 8),
    }
}

fn from_general<R: Real>(i: &Instruction, asm: &mut Assembler) {
    let last = i.op_count() - 1;
    let wide = match in_memory(i, last) {
        true => i.memory_size().size() == 8,
        false => general(i, last).1,
    };
    let op = match (in_memory(i, last), wide) {
        (true, true) => asm.emit::<FromGeneral<R, true, Mem<Segmented, u64>>>(i),
        (true, false) => asm.emit::<FromGeneral<R, false, Mem<Segmented, u32>>>(i),
        (false, true) => asm.emit::<FromGeneral<R, true, General>>(i),
        (false, false) => asm.emit::<FromGeneral<R, false, General>>(i),
    };
    op.r[0] = register(i, 0);
    op.r[1] = register(i, last - 1);
    op.imm = Fields {
        source: if in_memory(i, last) {
            0
        } else {
            general(i, last).0
        },
        immediate: Width::of(i).is_vex().into(),
        ..Fields::default()
    }
    .pack();
}

/// A general register as source.
struct General;

impl Source for General {
    const MEMORY: bool = false;

    #[inline(always)]
    fn get<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
        Ok(cpu.gpr[usize::from(op.imm as u8 & 15)].into())
    }

    #[inline(always)]
    fn get2<P: Path>(cpu: &mut Cpu, op: &Operation) -> Result<(u128, u128), Stop> {
        Ok((Self::get::<P>(cpu, op)?, 0))
    }
}

struct FromGeneral<R, const WIDE: bool, S>(PhantomData<(R, S)>);

impl<R: Real, const WIDE: bool, S: Source> Exec for FromGeneral<R, WIDE, S> {
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let bits = S::get::<P>(cpu, op)?;
        let value = if WIDE {
            bits as i64
        } else {
            (bits as i32).into()
        };
        if !P::SLOW {
            // 32 bits always fit in a double.
            let exact = !WIDE && R::FORMAT.precision > 32;
            if !exact && !quiet(cpu.fpu.mxcsr) {
                return Err(Stop::Miss);
            }
            let result = R::nearest(value);
            if immediate(op) == 0 {
                result.set_low(&mut cpu.fpu.xmm[usize::from(op.r[0] & 15)]);
            } else {
                let result = result.insert(cpu.xmm(op.r[1]));
                cpu.set_xmm(op.r[0], result, true);
            }
            return Ok(Flow::Next);
        }
        let mut context = cpu.float();
        let result: R = from_int(&mut context, value);
        cpu.settle(&context)?;
        let result = result.insert(cpu.xmm(op.r[1]));
        cpu.set_xmm(op.r[0], result, immediate(op) != 0);
        Ok(Flow::Next)
    }
}

/// The number towards zero if it is neither denormal nor out of range.
#[inline(always)]
fn quick_to_int<R: Real>(x: R, wide: bool) -> Option<i64> {
    let value = x.truncated();
    let fits = if wide {
        // The cast saturates; 2^63 - 1 can be a result of that only.
        value != i64::MIN && value != i64::MAX
    } else {
        i64::from(value as i32) == value
    };
    (fits && (x.ordinary() || x.is_zero())).then_some(value)
}

fn to_general<R: Real, T: crate::engine::software::memory::Scalar, const TRUNCATE: bool>(
    i: &Instruction,
    asm: &mut Assembler,
) {
    let (number, wide) = general(i, 0);
    let op = match (in_memory(i, 1), wide) {
        (true, true) => asm.emit::<ToGeneral<R, TRUNCATE, true, Mem<Segmented, T>>>(i),
        (true, false) => asm.emit::<ToGeneral<R, TRUNCATE, false, Mem<Segmented, T>>>(i),
        (false, true) => asm.emit::<ToGeneral<R, TRUNCATE, true, Reg>>(i),
        (false, false) => asm.emit::<ToGeneral<R, TRUNCATE, false, Reg>>(i),
    };
    op.r[0] = number;
    op.imm = register(i, 1).into();
}

struct ToGeneral<R, const TRUNCATE: bool, const WIDE: bool, S>(PhantomData<(R, S)>);

impl<R: Real, const TRUNCATE: bool, const WIDE: bool, S: Source> Exec
    for ToGeneral<R, TRUNCATE, WIDE, S>
{
    const MEMORY: bool = true;

    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let x: R = S::low::<P, R>(cpu, op)?;
        if !P::SLOW {
            let value = quick_to_int(x, WIDE)
                .filter(|&value| TRUNCATE && quiet(cpu.fpu.mxcsr) || R::nearest(value) == x);
            let value = value.ok_or(Stop::Miss)? as u64;
            cpu.gpr[usize::from(op.r[0] & 15)] = if WIDE { value } else { (value as u32).into() };
            return Ok(Flow::Next);
        }
        let mut context = cpu.float();
        let width = if WIDE { 64 } else { 32 };
        let value = to_int(&mut context, x, width, TRUNCATE);
        cpu.settle(&context)?;
        cpu.gpr[usize::from(op.r[0] & 15)] = if WIDE { value } else { (value as u32).into() };
        Ok(Flow::Next)
    }
}

/// VCVTPS2PH, whose destination is a register or memory.
fn half(i: &Instruction, asm: &mut Assembler) {
    let wide = i.op_register(1).is_ymm();
    let op = asm.complex(i, |cpu, op| {
        let mut context = cpu.float();
        let control = immediate(op);
        let low = cvtps2ph(&mut context, cpu.xmm(op.r[1]), control);
        let wide = op.imm >> 32 & 1 != 0;
        let high = match wide {
            true => cvtps2ph(&mut context, cpu.high(op.r[1]), control),
            false => 0,
        };
        let before = cpu.fpu.mxcsr;
        cpu.settle(&context)?;
        let both = u128::from(low) | u128::from(high) << 64;
        let stored = match (op.imm >> 33 & 1 != 0, wide) {
            (true, true) => cpu.store_at::<Slow, u128>(op, 0, both),
            (true, false) => cpu.store_at::<Slow, u64>(op, 0, low),
            (false, _) => {
                cpu.set_xmm(op.r[0], both, true);
                Ok(())
            }
        };
        if stored.is_err() {
            cpu.fpu.mxcsr = before;
        }
        stored.map(|()| Flow::Next)
    });
    op.r[0] = register(i, 0);
    op.r[1] = register(i, 1);
    op.imm = Fields {
        immediate: i.immediate8(),
        extra: u8::from(wide) | u8::from(in_memory(i, 0)) << 1,
        ..Fields::default()
    }
    .pack();
}

/// The 64-bit or 128-bit source of a conversion from or to MMX registers: MMX (bit 7 of the number set), XMM or memory.
fn mmx_source(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
    let number = op.imm as u8;
    match immediate(op) {
        8 => Ok(cpu.load_at::<Slow, u64>(op, 0)?.into()),
        16 => cpu.load_aligned::<Slow>(op),
        _ if number & 0x80 != 0 => Ok(cpu.fpu.mm(number).into()),
        _ => Ok(cpu.xmm(number)),
    }
}

/// Conversions between MMX and XMM registers.
fn mmx(i: &Instruction, asm: &mut Assembler) -> bool {
    type Function = fn(&mut Context, u128) -> u64;
    fn to_mmx(cpu: &mut Cpu, op: &Operation, f: Function) -> Done {
        start_mmx(cpu)?;
        let source = mmx_source(cpu, op)?;
        let mut context = cpu.float();
        let result = f(&mut context, source);
        cpu.settle(&context)?;
        cpu.fpu.enter_mmx();
        cpu.fpu.set_mm(op.r[0], result);
        Ok(Flow::Next)
    }
    fn integers(cpu: &mut Cpu, op: &Operation) -> Result<[i32; 4], Stop> {
        start_mmx(cpu)?;
        Ok(cast(mmx_source(cpu, op)?))
    }
    let op = match i.mnemonic() {
        Mnemonic::Cvtpi2ps => asm.complex(i, |cpu, op| {
            let lanes = integers(cpu, op)?;
            let mut context = cpu.float();
            let low: f32 = from_int(&mut context, lanes[0].into());
            let high: f32 = from_int(&mut context, lanes[1].into());
            cpu.settle(&context)?;
            cpu.fpu.enter_mmx();
            let kept = cpu.xmm(op.r[0]) >> 64 << 64;
            cpu.set_xmm(op.r[0], kept | low.bits() | high.bits() << 32, false);
            Ok(Flow::Next)
        }),
        Mnemonic::Cvtpi2pd => asm.complex(i, |cpu, op| {
            let lanes = integers(cpu, op)?;
            let both = f64::from(lanes[0]).bits() | f64::from(lanes[1]).bits() << 64;
            // From memory it does not touch the x87 state.
            if immediate(op) == 0 {
                cpu.fpu.enter_mmx();
            }
            cpu.set_xmm(op.r[0], both, false);
            Ok(Flow::Next)
        }),
        Mnemonic::Cvtps2pi => asm.complex(i, |cpu, op| {
            to_mmx(cpu, op, |c, b| {
                cvtps2dq::<false>(c, 0, b & u128::from(u64::MAX), 0) as u64
            })
        }),
        Mnemonic::Cvttps2pi => asm.complex(i, |cpu, op| {
            to_mmx(cpu, op, |c, b| {
                cvtps2dq::<true>(c, 0, b & u128::from(u64::MAX), 0) as u64
            })
        }),
        Mnemonic::Cvtpd2pi => asm.complex(i, |cpu, op| {
            to_mmx(cpu, op, |c, b| cvtpd2dq::<false>(c, 0, b, 0) as u64)
        }),
        Mnemonic::Cvttpd2pi => asm.complex(i, |cpu, op| {
            to_mmx(cpu, op, |c, b| cvtpd2dq::<true>(c, 0, b, 0) as u64)
        }),
        _ => return false,
    };
    let mm = u8::from(i.op_register(1).is_mm()) << 7;
    op.r[0] = register(i, 0);
    op.imm = Fields {
        source: register(i, 1) | mm,
        immediate: if in_memory(i, 1) {
            i.memory_size().size() as u8
        } else {
            0
        },
        ..Fields::default()
    }
    .pack();
    true
}
