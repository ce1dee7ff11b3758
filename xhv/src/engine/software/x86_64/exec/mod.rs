//! What instructions do: a file for each family of integer instructions. Here is what they share: operand sizes, sources, conditions.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod bcd;
pub(crate) mod bit;
pub(crate) mod bmi;
pub(crate) mod branch;
pub(crate) mod flag;
pub(crate) mod fused;
pub(crate) mod misc;
pub(crate) mod mov;
pub(crate) mod muldiv;
pub(crate) mod shift;
pub(crate) mod stack;
pub(crate) mod stack_runs;
pub(crate) mod string;

use super::access::{Address, Operation};
use super::cpu::Cpu;
use super::flags::Flags;
use crate::engine::software::dispatch::{Path, Stop};
use crate::engine::software::memory::Scalar;

/// An operand size.
pub(crate) trait Int: Scalar {
    /// Its bits.
    const BITS: u32;

    /// The low bits of `value`.
    fn narrow(value: u64) -> Self;
    /// Zero-extended.
    fn wide(self) -> u64;
    /// Sign-extended.
    fn signed(self) -> i64;
    /// Reads general register `number` (see `decode::gpr_number`).
    fn get(cpu: &Cpu, number: u8) -> Self;
    /// Writes general register `number` as this operand size does: a doubleword clears the upper half.
    fn put(cpu: &mut Cpu, number: u8, value: Self);
}

macro_rules! int {
    ($($int:ident $signed:ident $index:ident $get:expr, $put:expr;)*) => {$(
        impl Int for $int {
            const BITS: u32 = $int::BITS;

            #[inline(always)]
            fn narrow(value: u64) -> Self {
                value as $int
            }

            #[inline(always)]
            fn wide(self) -> u64 {
                self.into()
            }

            #[inline(always)]
            fn signed(self) -> i64 {
                (self as $signed).into()
            }

            #[inline(always)]
            fn get(cpu: &Cpu, number: u8) -> Self {
                let get: fn(u64, u8) -> u64 = $get;
                get(cpu.gpr[usize::from($index(number))], number) as $int
            }

            #[inline(always)]
            fn put(cpu: &mut Cpu, number: u8, value: Self) {
                let put: fn(u64, u8, u64) -> u64 = $put;
                let slot = &mut cpu.gpr[usize::from($index(number))];
                *slot = put(*slot, number, value.into());
            }
        }
    )*};
}

/// How far a byte register lies from the low end: 8 bits for AH, CH, DH, BH.
#[inline(always)]
fn high(number: u8) -> u32 {
    u32::from(number >> 4 & 8)
}

/// The number in [`Cpu::gpr`] of the register that a byte register is in.
#[inline(always)]
fn whole(number: u8) -> u8 {
    number & 0x7f
}

/// The same of other registers.
#[inline(always)]
fn same(number: u8) -> u8 {
    number
}

int! {
    u8 i8 whole |old, number| old >> high(number),
        |old, number, new| (old & !(0xff << high(number))) | (new << high(number));
    u16 i16 same |old, _| old, |old, _, new| (old & !0xffff) | new;
    u32 i32 same |old, _| old, |_, _, new| new;
    u64 i64 same |old, _| old, |_, _, new| new;
}

/// Where an operand comes from.
pub(crate) trait Source: 'static {
    const MEMORY: bool;
    fn get<P: Path, T: Int>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop>;
}

/// Register `r[0]`.
#[derive(Debug)]
pub(crate) struct Reg0;
/// Register `r[1]`.
#[derive(Debug)]
pub(crate) struct Reg;
/// `imm`.
#[derive(Debug)]
pub(crate) struct Imm;
/// The memory operand.
#[derive(Debug)]
pub(crate) struct Mem<A>(core::marker::PhantomData<A>);

impl Source for Reg0 {
    const MEMORY: bool = false;
    #[inline(always)]
    fn get<P: Path, T: Int>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        Ok(T::get(cpu, op.r[0]))
    }
}

impl Source for Reg {
    const MEMORY: bool = false;
    #[inline(always)]
    fn get<P: Path, T: Int>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        Ok(T::get(cpu, op.r[1]))
    }
}

impl Source for Imm {
    const MEMORY: bool = false;
    #[inline(always)]
    fn get<P: Path, T: Int>(_: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        Ok(T::narrow(op.imm))
    }
}

impl<A: Address> Source for Mem<A> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn get<P: Path, T: Int>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        A::load::<P, T>(cpu, op)
    }
}

/// Moves the carries out of each bit of a result to where [`Flags`] has them.
#[inline(always)]
pub(crate) fn carries<T: Int>(out: u64) -> u64 {
    if T::BITS == 64 {
        out & 0xc000_0000_0000_0008
    } else {
        (out << (64 - T::BITS)) | (out & 8)
    }
}

/// Sets the flags after a logical operation: CF = OF = 0 (AF is undefined; Intel's CPUs clear it).
#[inline(always)]
pub(crate) fn logic<T: Int>(flags: &mut Flags, result: T) {
    flags.set(result.signed() as u64, 0);
}

/// Runs `$body` with `$T` being the integer of `$bytes` bytes.
macro_rules! width {
    ($bytes:expr, $T:ident => $body:expr) => {
        match $bytes {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}

/// The same without bytes.
macro_rules! wide {
    ($bytes:expr, $T:ident => $body:expr) => {
        match $bytes {
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}

pub(crate) use {wide, width};

/// A condition of Jcc, SETcc and CMOVcc.
pub(crate) trait Condition: 'static {
    /// Whether it holds.
    fn holds(flags: &Flags) -> bool;
    /// Whether it holds behind CMP of two values.
    fn compares<T: Int>(a: T, b: T) -> bool;
    /// Whether it holds behind TEST (or AND, OR, XOR) with this result.
    fn tests<T: Int>(result: T) -> bool;
}

macro_rules! conditions {
    ($($name:ident: $flags:expr, |$a:ident, $b:ident, $T:ident| $compare:expr, |$r:ident| $test:expr;)*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Condition for $name {
            #[inline(always)]
            fn holds(flags: &Flags) -> bool {
                let holds: fn(&Flags) -> bool = $flags;
                holds(flags)
            }
            #[inline(always)]
            fn compares<$T: Int>($a: $T, $b: $T) -> bool {
                $compare
            }
            #[inline(always)]
            fn tests<T: Int>($r: T) -> bool {
                $test
            }
        }
    )*};
}

#[inline(always)]
fn even(byte: u64) -> bool {
    (byte as u8).count_ones() & 1 == 0
}

/// OF behind CMP.
#[inline(always)]
fn overflows<T: Int>(a: T, b: T) -> bool {
    let r = a.wide().wrapping_sub(b.wide());
    T::narrow((a.wide() ^ b.wide()) & (a.wide() ^ r)).signed() < 0
}

#[inline(always)]
fn difference<T: Int>(a: T, b: T) -> T {
    T::narrow(a.wide().wrapping_sub(b.wide()))
}

conditions! {
    Overflow: |f| f.of(), |a, b, T| overflows::<T>(a, b), |_r| false;
    NotOverflow: |f| !f.of(), |a, b, T| !overflows::<T>(a, b), |_r| true;
    Below: |f| f.cf(), |a, b, T| a.wide() < b.wide(), |_r| false;
    NotBelow: |f| !f.cf(), |a, b, T| a.wide() >= b.wide(), |_r| true;
    Equal: |f| f.zf(), |a, b, T| a == b, |r| r.wide() == 0;
    NotEqual: |f| !f.zf(), |a, b, T| a != b, |r| r.wide() != 0;
    BelowEqual: |f| f.cf() || f.zf(), |a, b, T| a.wide() <= b.wide(), |r| r.wide() == 0;
    Above: |f| !(f.cf() || f.zf()), |a, b, T| a.wide() > b.wide(), |r| r.wide() != 0;
    Sign: |f| f.sf(), |a, b, T| difference::<T>(a, b).signed() < 0, |r| r.signed() < 0;
    NotSign: |f| !f.sf(), |a, b, T| difference::<T>(a, b).signed() >= 0, |r| r.signed() >= 0;
    Parity: |f| f.pf(), |a, b, T| even(difference::<T>(a, b).wide()), |r| even(r.wide());
    NotParity: |f| !f.pf(), |a, b, T| !even(difference::<T>(a, b).wide()), |r| !even(r.wide());
    Less: |f| f.less(), |a, b, T| a.signed() < b.signed(), |r| r.signed() < 0;
    NotLess: |f| !f.less(), |a, b, T| a.signed() >= b.signed(), |r| r.signed() >= 0;
    LessEqual: |f| f.less() || f.zf(), |a, b, T| a.signed() <= b.signed(), |r| r.signed() <= 0;
    Greater: |f| !(f.less() || f.zf()), |a, b, T| a.signed() > b.signed(), |r| r.signed() > 0;
}

/// Runs `$body` with `$C` being the condition of the instruction's `ConditionCode`; false if it has none.
macro_rules! condition {
    ($code:expr, $C:ident => $body:expr) => {
        condition!(@ $code, $C => $body;
            o Overflow, no NotOverflow, b Below, ae NotBelow, e Equal, ne NotEqual, be BelowEqual, a Above,
            s Sign, ns NotSign, p Parity, np NotParity, l Less, ge NotLess, le LessEqual, g Greater)
    };
    (@ $code:expr, $C:ident => $body:expr; $($name:ident $type:ident),*) => {
        match $code {
            $(iced_x86::ConditionCode::$name => {
                type $C = crate::engine::software::x86_64::exec::$type;
                $body
            })*
            iced_x86::ConditionCode::None => false,
        }
    };
}

pub(crate) use condition;
