//! Moving elements: copies, tables, permutations, reversals.
//!
//! Operands: `r[0]` destination, `r[1]` and `r[2]` sources, `x[0]` the [`Shape`], `x[1]` and `x[2]` element numbers.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exec::{Plain, Width};
use super::integer::finish;
use super::lanes::{Lane, Shape, build, get, put};
use crate::engine::software::dispatch::Op;

fn v(cpu: &Cpu, register: u8) -> u128 {
    cpu.v[usize::from(register & 31)]
}

/// DUP (element): also of a scalar.
pub(crate) struct Duplicate<L>(PhantomData<L>);

impl<L: Lane> Plain for Duplicate<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let x = get::<L>(v(cpu, op.r[1]), op.x[1].into());
        finish::<L>(cpu, op, build(|_| x), false);
    }
}

/// DUP (general)
pub(crate) struct DuplicateGeneral<L>(PhantomData<L>);

impl<L: Lane> Plain for DuplicateGeneral<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let x = L::cut(cpu.get(op.r[1]).into());
        finish::<L>(cpu, op, build(|_| x), false);
    }
}

/// INS (general): element `x[1]`.
pub(crate) struct InsertGeneral<L>(PhantomData<L>);

impl<L: Lane> Plain for InsertGeneral<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let x = L::cut(cpu.get(op.r[1]).into());
        cpu.v[usize::from(op.r[0] & 31)] = put(v(cpu, op.r[0]), op.x[1].into(), x);
    }
}

/// INS (element): element `x[1]` from element `x[2]`.
pub(crate) struct InsertElement<L>(PhantomData<L>);

impl<L: Lane> Plain for InsertElement<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let x = get::<L>(v(cpu, op.r[1]), op.x[2].into());
        cpu.v[usize::from(op.r[0] & 31)] = put(v(cpu, op.r[0]), op.x[1].into(), x);
    }
}

/// SMOV, UMOV: element `x[1]`.
pub(crate) struct MoveElement<L, W, const SIGNED: bool>(PhantomData<(L, W)>);

impl<L: Lane, W: Width, const SIGNED: bool> Plain for MoveElement<L, W, SIGNED> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let x = get::<L>(v(cpu, op.r[1]), op.x[1].into());
        let x = if SIGNED { x.signed() } else { x.unsigned() };
        cpu.set(op.r[0], W::cut(x as u64));
    }
}

/// EXT: bytes from number `len` on of Vn followed by Vm.
pub(crate) struct Extract;

impl Plain for Extract {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (v(cpu, op.r[1]), v(cpu, op.r[2]));
        let by = u32::from(op.len) * 8;
        let result = if op.x[0] == Shape::Full as u8 {
            if by == 0 {
                a
            } else {
                a >> by | b << (128 - by)
            }
        } else {
            (a & u128::from(u64::MAX) | b << 64) >> by
        };
        finish::<u8>(cpu, op, result, false);
    }
}

/// TBL, TBX: `x[1]` registers of table from `r[1]` on; `KEEP` leaves the destination where an index is out of range.
pub(crate) struct Table<const KEEP: bool>;

impl<const KEEP: bool> Plain for Table<KEEP> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (d, index) = (v(cpu, op.r[0]), v(cpu, op.r[2]));
        let result = build::<u8>(|at| {
            let wanted = get::<u8>(index, at);
            if wanted / 16 < op.x[1] {
                get(
                    v(cpu, op.r[1].wrapping_add(wanted / 16)),
                    usize::from(wanted % 16),
                )
            } else if KEEP {
                get(d, at)
            } else {
                0
            }
        });
        finish::<u8>(cpu, op, result, false);
    }
}

/// How a permutation picks element `at` of `count`: `false` and an index of Vn, `true` and an index of Vm.
pub(crate) trait Pick: 'static {
    /// Picks.
    fn pick(at: usize, count: usize) -> (bool, usize);
}

macro_rules! picks {
    ($($name:ident ($at:ident, $count:ident) $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Pick for $name {
            #[inline(always)]
            fn pick($at: usize, $count: usize) -> (bool, usize) {
                $body
            }
        }
    )*};
}

picks! {
    Uzp1 (at, count) (2 * at >= count, 2 * at % count);
    Uzp2 (at, count) (2 * at >= count, 2 * at % count + 1);
    Trn1 (at, _count) (at % 2 == 1, at / 2 * 2);
    Trn2 (at, _count) (at % 2 == 1, at / 2 * 2 + 1);
    Zip1 (at, _count) (at % 2 == 1, at / 2);
    Zip2 (at, count) (at % 2 == 1, count / 2 + at / 2);
}

/// UZP, TRN, ZIP
pub(crate) struct Permute<F, L>(PhantomData<(F, L)>);

impl<F: Pick, L: Lane> Plain for Permute<F, L> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (v(cpu, op.r[1]), v(cpu, op.r[2]));
        let count = if op.x[0] == Shape::Full as u8 { 16 } else { 8 } / L::BYTES;
        let result = build::<L>(|at| {
            // Elements behind the shape are cut off: any will do.
            let (second, index) = F::pick(at % count, count);
            get(if second { b } else { a }, index)
        });
        finish::<L>(cpu, op, result, false);
    }
}

/// REV16, REV32, REV64: elements reversed in containers of `len` elements.
pub(crate) struct Reverse<L>(PhantomData<L>);

impl<L: Lane> Plain for Reverse<L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = v(cpu, op.r[1]);
        let last = usize::from(op.len) - 1;
        finish::<L>(cpu, op, build::<L>(|at| get(a, at ^ last)), false);
    }
}

/// MOVI and MVNI as ORR and BIC of an immediate: `imm` is the half that is repeated.
pub(crate) struct Immediate<const CLEAR: bool>;

impl<const CLEAR: bool> Plain for Immediate<CLEAR> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let d = v(cpu, op.r[0]);
        let imm = u128::from(op.imm) << 64 | u128::from(op.imm);
        finish::<u64>(cpu, op, if CLEAR { d & !imm } else { d | imm }, false);
    }
}
