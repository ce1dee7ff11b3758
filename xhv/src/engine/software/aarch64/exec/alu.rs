//! Arithmetic and logic, conditional selects and compares, flag manipulation.
//!
//! Operands: `r[0]` destination, `r[1]` first source, the second is a [`Source`].

use core::marker::PhantomData;

use super::super::cpu::{Cpu, SP};
use super::super::flags::Flags;
use super::{Plain, Source, Width};
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};

/// An operation on two values, both as they are in the registers: `compute` cuts what it needs to.
pub(crate) trait Binary: 'static {
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64;
}

pub(crate) struct Add;
pub(crate) struct Adds;
pub(crate) struct Sub;
pub(crate) struct Subs;
pub(crate) struct And;
pub(crate) struct Ands;
pub(crate) struct Orr;
pub(crate) struct Eor;
pub(crate) struct Adc;
pub(crate) struct Adcs;

impl Binary for Add {
    #[inline(always)]
    fn compute<W: Width>(_: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a.wrapping_add(b))
    }
}

impl Binary for Sub {
    #[inline(always)]
    fn compute<W: Width>(_: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a.wrapping_sub(b))
    }
}

impl Binary for Adds {
    #[inline(always)]
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64 {
        let (x, y) = (W::top(a), W::top(b));
        let (sum, carry) = x.overflowing_add(y);
        *flags = Flags {
            n: sum,
            z: sum,
            c: u64::from(carry),
            v: (x ^ sum) & (y ^ sum),
        };
        W::cut(a.wrapping_add(b))
    }
}

impl Binary for Subs {
    #[inline(always)]
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64 {
        let (x, y) = (W::top(a), W::top(b));
        let difference = x.wrapping_sub(y);
        *flags = Flags {
            n: difference,
            z: difference,
            c: u64::from(x >= y),
            v: (x ^ y) & (x ^ difference),
        };
        W::cut(a.wrapping_sub(b))
    }
}

impl Binary for And {
    #[inline(always)]
    fn compute<W: Width>(_: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a & b)
    }
}

impl Binary for Orr {
    #[inline(always)]
    fn compute<W: Width>(_: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a | b)
    }
}

impl Binary for Eor {
    #[inline(always)]
    fn compute<W: Width>(_: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a ^ b)
    }
}

impl Binary for Ands {
    #[inline(always)]
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64 {
        let result = W::top(a & b);
        *flags = Flags {
            n: result,
            z: result,
            c: 0,
            v: 0,
        };
        W::cut(a & b)
    }
}

impl Binary for Adc {
    #[inline(always)]
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64 {
        W::cut(a.wrapping_add(b).wrapping_add(flags.c))
    }
}

impl Binary for Adcs {
    #[inline(always)]
    fn compute<W: Width>(flags: &mut Flags, a: u64, b: u64) -> u64 {
        let (x, y) = (W::cut(a), W::cut(b));
        let wide = u128::from(x) + u128::from(y) + u128::from(flags.c);
        let sum = wide as u64;
        *flags = Flags {
            n: W::top(sum),
            z: W::top(sum),
            c: (wide >> W::BITS) as u64 & 1,
            v: W::top((x ^ sum) & (y ^ sum)),
        };
        W::cut(sum)
    }
}

/// `B` of a register and a source.
pub(crate) struct Alu<B, W, S>(PhantomData<(B, W, S)>);

impl<B: Binary, W: Width, S: Source> Plain for Alu<B, W, S> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (cpu.get(op.r[1]), S::value::<W>(cpu, op));
        let result = B::compute::<W>(&mut cpu.flags, a, b);
        cpu.set(op.r[0], result);
    }
}

/// The same where the destination is the stack pointer, which may become misaligned or aligned by it.
pub(crate) struct AluSp<B, W, S>(PhantomData<(B, W, S)>);

impl<B: Binary, W: Width, S: Source> Step<Cpu> for AluSp<B, W, S> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let (a, b) = (cpu.get(op.r[1]), S::value::<W>(cpu, op));
        cpu.x[usize::from(SP)] = B::compute::<W>(&mut cpu.flags, a, b);
        Ok(after_sp(cpu, op))
    }
}

/// After the stack pointer of the running block has got a value that need not be aligned.
#[inline(always)]
pub(crate) fn after_sp(cpu: &mut Cpu, op: &Op<Cpu>) -> Flow {
    if !cpu.sp_changed() {
        return Flow::Next;
    }
    cpu.pc = cpu.pc_of(op).wrapping_add(4);
    Flow::End
}

/// `r[0]` becomes `imm`.
pub(crate) struct SetImm;

impl Plain for SetImm {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        cpu.set(op.r[0], op.imm);
    }
}

/// `r[0]` becomes `r[2]`.
pub(crate) struct Move<W>(PhantomData<W>);

impl<W: Width> Plain for Move<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = W::cut(cpu.get(op.r[2]));
        cpu.set(op.r[0], value);
    }
}

/// ADR, ADRP: `imm` is the distance from the instruction, or from its page with `PAGES`.
pub(crate) struct Adr<const PAGES: bool>;

impl<const PAGES: bool> Plain for Adr<PAGES> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let base = cpu.pc_of(op);
        let base = if PAGES { base & !0xfff } else { base };
        cpu.set(op.r[0], base.wrapping_add(op.imm));
    }
}

/// MOVK: the sixteen bits of `imm` go where `len` (a shift) says.
pub(crate) struct MoveKeep<W>(PhantomData<W>);

impl<W: Width> Plain for MoveKeep<W> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let shift = op.len & 63;
        let value = cpu.get(op.r[0]) & !(0xffff << shift) | op.imm << shift;
        cpu.set(op.r[0], W::cut(value));
    }
}

/// What a conditional select does to its second operand.
pub(crate) trait Else: 'static {
    fn change(value: u64) -> u64;
}

pub(crate) struct Same;
pub(crate) struct Increment;
pub(crate) struct Invert;
pub(crate) struct Negate;

impl Else for Same {
    #[inline(always)]
    fn change(value: u64) -> u64 {
        value
    }
}

impl Else for Increment {
    #[inline(always)]
    fn change(value: u64) -> u64 {
        value.wrapping_add(1)
    }
}

impl Else for Invert {
    #[inline(always)]
    fn change(value: u64) -> u64 {
        !value
    }
}

impl Else for Negate {
    #[inline(always)]
    fn change(value: u64) -> u64 {
        value.wrapping_neg()
    }
}

/// CSEL, CSINC, CSINV, CSNEG under a condition that is in the type.
pub(crate) struct Select<W, E, const CONDITION: u8>(PhantomData<(W, E)>);

impl<W: Width, E: Else, const CONDITION: u8> Plain for Select<W, E, CONDITION> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (yes, no) = (cpu.get(op.r[1]), E::change(cpu.get(op.r[2])));
        let value = if cpu.flags.holds::<CONDITION>() {
            yes
        } else {
            no
        };
        cpu.set(op.r[0], W::cut(value));
    }
}

/// CCMP, CCMN: the condition is `x[1]`, the flags otherwise `x[2]`.
pub(crate) struct Conditional<B, W, S>(PhantomData<(B, W, S)>);

impl<B: Binary, W: Width, S: Source> Plain for Conditional<B, W, S> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        if cpu.flags.test(op.x[1]) {
            let (a, b) = (cpu.get(op.r[1]), S::value::<W>(cpu, op));
            B::compute::<W>(&mut cpu.flags, a, b);
        } else {
            cpu.flags = Flags::from_bits(u64::from(op.x[2]) << 28);
        }
    }
}

/// RMIF: flags in the mask `x[1]` come from `r[1]` rotated by `len`.
pub(crate) struct RotateIntoFlags;

impl Plain for RotateIntoFlags {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let new = cpu.get(op.r[1]).rotate_right(u32::from(op.len)) << 28;
        let mask = u64::from(op.x[1]) << 28;
        cpu.flags = Flags::from_bits(cpu.flags.bits() & !mask | new & mask);
    }
}

/// SETF8, SETF16: `len` is the number of bits.
pub(crate) struct SetFlags;

impl Plain for SetFlags {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let value = cpu.get(op.r[1]);
        let sign = value << (64 - u32::from(op.len));
        let above = value << (63 - u32::from(op.len));
        cpu.flags.n = sign;
        cpu.flags.z = sign;
        cpu.flags.v = sign ^ above;
    }
}

/// CFINV.
pub(crate) struct InvertCarry;

impl Plain for InvertCarry {
    fn go(cpu: &mut Cpu, _: &Op<Cpu>) {
        cpu.flags.c ^= 1;
    }
}
