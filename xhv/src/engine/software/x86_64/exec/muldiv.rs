//! MUL IMUL DIV IDIV.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Int, Mem, Reg, Reg0, Source, wide, width};
use crate::engine::software::dispatch::{Flow, Path, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Long, Operation, Segmented};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};

/// Sets CF and OF, and the undefined others as the low half of the product has them.
#[inline(always)]
fn flags<T: Int>(cpu: &mut Cpu, low: T, fits: bool) {
    cpu.lazy
        .set(low.signed() as u64, if fits { 0 } else { 1 << 63 });
}

/// Writes a double-width result: AX for bytes, else (E/R)DX and (E/R)AX.
#[inline(always)]
fn put_pair<T: Int>(cpu: &mut Cpu, low: T, high: T) {
    if T::BITS == 8 {
        u16::put(cpu, 0, (high.wide() << 8 | low.wide()) as u16);
    } else {
        T::put(cpu, 0, low);
        T::put(cpu, 2, high);
    }
}

/// MUL (`SIGNED` false) and IMUL with one operand.
struct Mul<T, S, const SIGNED: bool>(PhantomData<(T, S)>);

impl<T: Int, S: Source, const SIGNED: bool> Exec for Mul<T, S, SIGNED> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let b = S::get::<P, T>(cpu, op)?;
        let a = T::get(cpu, 0);
        let product = if SIGNED {
            (i128::from(a.signed()) * i128::from(b.signed())) as u128
        } else {
            u128::from(a.wide()) * u128::from(b.wide())
        };
        let low = T::narrow(product as u64);
        let high = T::narrow((product >> T::BITS) as u64);
        let fits = if SIGNED {
            i128::from(low.signed()) as u128 == product
        } else {
            high.wide() == 0
        };
        put_pair(cpu, low, high);
        flags(cpu, low, fits);
        Ok(Flow::Next)
    }
}

/// IMUL with two or three operands: `r[0]` = source A * source B.
struct Imul<T, A, const BY_IMMEDIATE: bool>(PhantomData<(T, A)>);

impl<T: Int, A: Source, const BY_IMMEDIATE: bool> Exec for Imul<T, A, BY_IMMEDIATE> {
    const MEMORY: bool = A::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = A::get::<P, T>(cpu, op)?;
        let b = if BY_IMMEDIATE {
            T::narrow(op.imm)
        } else {
            T::get(cpu, op.r[0])
        };
        let (low, fits) = if T::BITS == 64 {
            let (low, over) = a.signed().overflowing_mul(b.signed());
            (T::narrow(low as u64), !over)
        } else {
            let product = a.signed() * b.signed();
            let low = T::narrow(product as u64);
            (low, low.signed() == product)
        };
        T::put(cpu, op.r[0], low);
        flags(cpu, low, fits);
        Ok(Flow::Next)
    }
}

/// DIV and IDIV.
struct Div<T, S, const SIGNED: bool>(PhantomData<(T, S)>);

impl<T: Int, S: Source, const SIGNED: bool> Exec for Div<T, S, SIGNED> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let divisor = S::get::<P, T>(cpu, op)?;
        let (low, high) = if T::BITS == 8 {
            let ax = u16::get(cpu, 0);
            (T::narrow(ax.into()), T::narrow(u64::from(ax >> 8)))
        } else {
            (T::get(cpu, 0), T::get(cpu, 2))
        };
        let divided = if SIGNED {
            divide_signed(low, high, divisor)
        } else {
            divide(low, high, divisor)
        };
        let Some((quotient, remainder)) = divided else {
            return Err(if P::SLOW { overflow(cpu) } else { Stop::Miss });
        };
        put_pair(cpu, quotient, remainder);
        Ok(Flow::Next)
    }
}

#[cold]
#[inline(never)]
fn overflow(cpu: &mut Cpu) -> Stop {
    cpu.de()
}

/// Quotient and remainder, or `None` if the divisor is zero or the quotient does not fit.
#[inline(always)]
fn divide<T: Int>(low: T, high: T, divisor: T) -> Option<(T, T)> {
    if T::BITS == 64 {
        if high.wide() == 0 {
            let quotient = low.wide().checked_div(divisor.wide())?;
            return Some((T::narrow(quotient), T::narrow(low.wide() % divisor.wide())));
        }
        if high.wide() >= divisor.wide() {
            return None;
        }
        let (dividend, divisor) = (
            u128::from(high.wide()) << 64 | u128::from(low.wide()),
            u128::from(divisor.wide()),
        );
        let quotient = dividend / divisor;
        return Some((
            T::narrow(quotient as u64),
            T::narrow((dividend - quotient * divisor) as u64),
        ));
    }
    let dividend = high.wide() << (T::BITS % 64) | low.wide();
    let quotient = dividend.checked_div(divisor.wide())?;
    if quotient >> (T::BITS % 64) != 0 {
        return None;
    }
    Some((T::narrow(quotient), T::narrow(dividend % divisor.wide())))
}

#[inline(always)]
fn divide_signed<T: Int>(low: T, high: T, divisor: T) -> Option<(T, T)> {
    let divisor = divisor.signed();
    if T::BITS == 64 {
        if high.signed() == low.signed() >> 63 {
            let quotient = low.signed().checked_div(divisor)?;
            let remainder = low.signed().wrapping_rem(divisor);
            return Some((T::narrow(quotient as u64), T::narrow(remainder as u64)));
        }
        let dividend = (i128::from(high.signed()) << 64) | i128::from(low.wide());
        let quotient = dividend.checked_div(i128::from(divisor))?;
        let remainder = dividend.wrapping_rem(i128::from(divisor));
        let fits = i64::try_from(quotient).ok()?;
        return Some((T::narrow(fits as u64), T::narrow(remainder as u64)));
    }
    let dividend = (high.signed() << (T::BITS % 64)) | low.wide() as i64;
    let quotient = dividend.checked_div(divisor)?;
    let result = T::narrow(quotient as u64);
    if result.signed() != quotient {
        return None;
    }
    Some((result, T::narrow((dividend % divisor) as u64)))
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Mul => width!(operand_size(i, 0), T => {
            one::<Mul<T, Reg0, false>, Mul<T, Mem<Long>, false>, Mul<T, Mem<Segmented>, false>>(i, a);
        }),
        Mnemonic::Imul if i.op_count() == 1 => width!(operand_size(i, 0), T => {
            one::<Mul<T, Reg0, true>, Mul<T, Mem<Long>, true>, Mul<T, Mem<Segmented>, true>>(i, a);
        }),
        Mnemonic::Imul => imul(i, a),
        Mnemonic::Div => width!(operand_size(i, 0), T => {
            one::<Div<T, Reg0, false>, Div<T, Mem<Long>, false>, Div<T, Mem<Segmented>, false>>(i, a);
        }),
        Mnemonic::Idiv => width!(operand_size(i, 0), T => {
            one::<Div<T, Reg0, true>, Div<T, Mem<Long>, true>, Div<T, Mem<Segmented>, true>>(i, a);
        }),
        _ => return false,
    }
    true
}

fn one<R: Exec, L: Exec, S: Exec>(i: &Instruction, a: &mut Assembler) {
    if i.op0_kind() == OpKind::Register {
        a.emit::<R>(i).r[0] = gpr_number(i.op0_register());
    } else {
        a.emit_either::<L, S>(i);
    }
}

fn imul(i: &Instruction, a: &mut Assembler) {
    let immediate = i.op_count() == 3;
    let op = wide!(operand_size(i, 0), T => match (i.op1_kind(), immediate) {
        (OpKind::Register, false) => a.emit::<Imul<T, Reg, false>>(i),
        (OpKind::Register, true) => a.emit::<Imul<T, Reg, true>>(i),
        (_, false) => a.emit_either::<Imul<T, Mem<Long>, false>, Imul<T, Mem<Segmented>, false>>(i),
        (_, true) => a.emit_either::<Imul<T, Mem<Long>, true>, Imul<T, Mem<Segmented>, true>>(i),
    });
    op.r[0] = gpr_number(i.op0_register());
    if i.op1_kind() == OpKind::Register {
        op.r[1] = gpr_number(i.op1_register());
    }
    if immediate {
        op.imm = i.immediate(2);
    }
}
