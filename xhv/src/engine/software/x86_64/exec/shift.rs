//! SHL SHR SAR ROL ROR RCL RCR SHLD SHRD.
//!
//! Flags that the manual leaves undefined are set as Intel's CPUs do where that is known: OF by the same formula for all
//! counts, AF cleared.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Imm, Int, Reg, Source, wide, width};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Address, Operation, Segmented, stored};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};
use crate::engine::software::x86_64::flags::Flags;

/// A shift or rotation.
pub(crate) trait Shift: 'static {
    /// Sets all status flags, not only CF and OF.
    const ALL_FLAGS: bool;
    /// Result, CF and OF for a count that is not zero, masked to 5 or 6 bits.
    fn apply<T: Int>(a: T, count: u32, cf: bool) -> (T, bool, bool);
}

fn top<T: Int>(value: u64) -> bool {
    value >> (T::BITS - 1) & 1 != 0
}

macro_rules! shift {
    ($($name:ident($all:literal) |$a:ident, $count:ident, $cf:ident, $T:ident| $body:block)*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Shift for $name {
            const ALL_FLAGS: bool = $all;
            #[inline(always)]
            fn apply<$T: Int>($a: $T, $count: u32, $cf: bool) -> ($T, bool, bool) $body
        }
    )*};
}

shift! {
    Shl(true) |a, count, _cf, T| {
        // One bit more than the operand has room for is CF.
        let r = u128::from(a.wide()) << count;
        let (cf, r) = ((r >> T::BITS) & 1 != 0, r as u64);
        (T::narrow(r), cf, cf != top::<T>(r))
    }
    Shr(true) |a, count, _cf, T| {
        let r = a.wide() >> (count - 1);
        (T::narrow(r >> 1), r & 1 != 0, top::<T>((r >> 1) ^ (r & (1 << (T::BITS - 1)))))
    }
    Sar(true) |a, count, _cf, T| {
        let r = a.signed() >> (count - 1);
        (T::narrow((r >> 1) as u64), r & 1 != 0, false)
    }
    Rol(false) |a, count, _cf, T| {
        let r = rotate_left::<T>(a, count);
        (r, r.wide() & 1 != 0, (r.wide() & 1 != 0) != top::<T>(r.wide()))
    }
    Ror(false) |a, count, _cf, T| {
        let r = rotate_left::<T>(a, T::BITS - count % T::BITS);
        let cf = top::<T>(r.wide());
        (r, cf, cf != top::<T>(r.wide() << 1))
    }
    Rcl(false) |a, count, cf, T| {
        let (r, cf) = through_carry::<T>(a, cf, count % (T::BITS + 1));
        (r, cf, cf != top::<T>(r.wide()))
    }
    Rcr(false) |a, count, cf, T| {
        let by = T::BITS + 1 - count % (T::BITS + 1);
        let (r, cf) = through_carry::<T>(a, cf, by % (T::BITS + 1));
        (r, cf, top::<T>(r.wide()) != top::<T>(r.wide() << 1))
    }
}

#[inline(always)]
fn rotate_left<T: Int>(a: T, count: u32) -> T {
    let count = count % T::BITS;
    let a = u128::from(a.wide());
    T::narrow(((a << count) | (a >> (T::BITS - count))) as u64)
}

/// Rotates the operand with CF above it to the left.
#[inline(always)]
fn through_carry<T: Int>(a: T, cf: bool, count: u32) -> (T, bool) {
    let all = T::BITS + 1;
    let value = u128::from(a.wide()) | u128::from(cf) << T::BITS;
    let r = (value << count) | (value >> (all - count));
    (T::narrow(r as u64), r >> T::BITS & 1 != 0)
}

#[inline(always)]
fn masked<T: Int>(count: u8) -> u32 {
    u32::from(count) & if T::BITS == 64 { 63 } else { 31 }
}

#[inline(always)]
fn set_flags<T: Int>(flags: &mut Flags, all: bool, r: T, cf: bool, of: bool) {
    if all {
        let carry = (u64::from(cf) << 63) | (u64::from(cf != of) << 62);
        flags.set(r.signed() as u64, carry);
    } else {
        flags.set_cf_of(cf, of);
    }
}

struct OnReg<S, T, N>(PhantomData<(S, T, N)>);

impl<S: Shift, T: Int, N: Source> Exec for OnReg<S, T, N> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let count = masked::<T>(N::get::<P, u8>(cpu, op)?);
        let a = T::get(cpu, op.r[0]);
        if count != 0 {
            let (r, cf, of) = S::apply(a, count, cpu.lazy.cf());
            T::put(cpu, op.r[0], r);
            set_flags(&mut cpu.lazy, S::ALL_FLAGS, r, cf, of);
        } else {
            T::put(cpu, op.r[0], a); // a doubleword is zero-extended all the same
        }
        Ok(Flow::Next)
    }
}

struct OnMem<S, T, N>(PhantomData<(S, T, N)>);

impl<S: Shift, T: Int, N: Source> Exec for OnMem<S, T, N> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let count = masked::<T>(N::get::<P, u8>(cpu, op)?);
        let cf = cpu.lazy.cf();
        let mut done = None;
        Segmented::update::<P, T>(cpu, op, false, |a| {
            done = (count != 0).then(|| S::apply(a, count, cf));
            done.map_or(a, |(r, ..)| r)
        })?;
        if let Some((r, cf, of)) = done {
            set_flags(&mut cpu.lazy, S::ALL_FLAGS, r, cf, of);
        }
        stored::<P>(cpu, op)
    }
}

/// SHLD and SHRD. The result, CF and OF for a count that is not zero.
fn double<T: Int, const LEFT: bool>(a: T, b: T, count: u32) -> (T, bool, bool) {
    let (bits, a, b) = (T::BITS, u128::from(a.wide()), u128::from(b.wide()));
    // A word shifted by more than 16 takes the other operand's bits once more (undefined, but so processors do).
    let (r, cf) = if LEFT {
        let both = (a << bits) | b;
        let again = if count > bits {
            b >> (2 * bits - count)
        } else {
            0
        };
        let r = ((both << count) >> bits) | again;
        (r, both >> (2 * bits - count) & 1 != 0)
    } else {
        let both = (b << bits) | a;
        let again = if count > bits {
            b << (2 * bits - count)
        } else {
            0
        };
        ((both >> count) | again, both >> (count - 1) & 1 != 0)
    };
    let r = T::narrow(r as u64);
    let of = if LEFT {
        cf != top::<T>(r.wide())
    } else {
        top::<T>(r.wide()) != top::<T>(r.wide() << 1)
    };
    (r, cf, of)
}

struct Double<T, const LEFT: bool, const TO_MEMORY: bool>(PhantomData<T>);

impl<T: Int, const LEFT: bool, const TO_MEMORY: bool> Exec for Double<T, LEFT, TO_MEMORY> {
    const MEMORY: bool = TO_MEMORY;
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        // `imm` is the count, or 0x100 for CL.
        let count = masked::<T>(if op.imm & 0x100 != 0 {
            cpu.gpr[1] as u8
        } else {
            op.imm as u8
        });
        let b = T::get(cpu, op.r[0]);
        let mut done = None;
        let mut change = |a: T| {
            done = (count != 0).then(|| double::<T, LEFT>(a, b, count));
            done.map_or(a, |(r, ..)| r)
        };
        if TO_MEMORY {
            Segmented::update::<P, T>(cpu, op, false, change)?;
        } else {
            let r = change(T::get(cpu, op.r[1]));
            T::put(cpu, op.r[1], r);
        }
        if let Some((r, cf, of)) = done {
            set_flags(&mut cpu.lazy, true, r, cf, of);
        }
        stored::<P>(cpu, op)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Shl | Mnemonic::Sal => single::<Shl>(i, a),
        Mnemonic::Shr => single::<Shr>(i, a),
        Mnemonic::Sar => single::<Sar>(i, a),
        Mnemonic::Rol => single::<Rol>(i, a),
        Mnemonic::Ror => single::<Ror>(i, a),
        Mnemonic::Rcl => single::<Rcl>(i, a),
        Mnemonic::Rcr => single::<Rcr>(i, a),
        Mnemonic::Shld => pair::<true>(i, a),
        Mnemonic::Shrd => pair::<false>(i, a),
        _ => return false,
    }
    true
}

fn single<S: Shift>(i: &Instruction, a: &mut Assembler) {
    width!(operand_size(i, 0), T => {
        let by_register = i.op1_kind() == OpKind::Register;
        let op = match (i.op0_kind(), by_register) {
            (OpKind::Register, true) => a.emit::<OnReg<S, T, Reg>>(i),
            (OpKind::Register, false) => a.emit::<OnReg<S, T, Imm>>(i),
            (_, true) => a.emit::<OnMem<S, T, Reg>>(i),
            (_, false) => a.emit::<OnMem<S, T, Imm>>(i),
        };
        if i.op0_kind() == OpKind::Register {
            op.r[0] = gpr_number(i.op0_register());
        }
        if by_register {
            op.r[1] = gpr_number(i.op1_register());
        } else {
            op.imm = i.immediate(1);
        }
    });
}

fn pair<const LEFT: bool>(i: &Instruction, a: &mut Assembler) {
    let by_register = i.op2_kind() == OpKind::Register;
    wide!(operand_size(i, 0), T => {
        let op = if i.op0_kind() == OpKind::Register {
            let op = a.emit::<Double<T, LEFT, false>>(i);
            op.r[1] = gpr_number(i.op0_register());
            op
        } else {
            a.emit::<Double<T, LEFT, true>>(i)
        };
        op.r[0] = gpr_number(i.op1_register());
        op.imm = if by_register { 0x100 } else { i.immediate(2) & 0xff };
    });
}
