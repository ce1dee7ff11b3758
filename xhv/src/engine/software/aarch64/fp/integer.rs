//! Integer arithmetic on vectors, element by element; also of scalars, which are vectors of one element.
//!
//! Operands: `r[0]` destination, `r[1]` and `r[2]` sources, `x[0]` the [`Shape`], `len` a shift amount.

use core::marker::PhantomData;

use super::super::cpu::Cpu;
use super::super::exec::Plain;
use super::env::QC;
use super::lanes::{Lane, Shape, build, get, map, map2, map3, put};
use crate::engine::software::dispatch::Op;

/// A function of the elements of two vectors.
pub(crate) trait Binary: 'static {
    /// Computes one element.
    fn of<L: Lane>(sat: &mut bool, a: L, b: L) -> L;
}

/// A function of the elements of the destination and two vectors.
pub(crate) trait Ternary: 'static {
    /// Computes one element.
    fn of<L: Lane>(sat: &mut bool, d: L, a: L, b: L) -> L;
}

/// A function of the elements of one vector.
pub(crate) trait Unary: 'static {
    /// Computes one element.
    fn of<L: Lane>(sat: &mut bool, a: L) -> L;
}

macro_rules! functions {
    ($($kind:ident $name:ident ($sat:ident $(, $x:ident)+) $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl $kind for $name {
            #[inline(always)]
            fn of<L: Lane>($sat: &mut bool $(, $x: L)+) -> L {
                $body
            }
        }
    )*};
}

/// Saturates to the signed range of an element.
#[inline(always)]
fn saturate_signed<L: Lane>(sat: &mut bool, value: i128) -> L {
    let high = (1_i128 << (L::BITS - 1)) - 1;
    let clamped = value.clamp(-high - 1, high);
    *sat |= clamped != value;
    L::cut(clamped)
}

/// Saturates to the unsigned range of an element.
#[inline(always)]
fn saturate_unsigned<L: Lane>(sat: &mut bool, value: i128) -> L {
    let clamped = value.clamp(0, (1_i128 << L::BITS) - 1);
    *sat |= clamped != value;
    L::cut(clamped)
}

/// A shift by a signed amount: left, or right with rounding if `round`. The value is exact as far as a saturating caller can tell.
#[inline(always)]
fn shift(value: i128, by: i128, bits: u32, round: bool) -> i128 {
    if by >= 0 {
        // A shift by the size of an element or more overflows it in any case, unless the value is zero.
        let by = by.min(i128::from(bits)) as u32;
        return if value == 0 { 0 } else { value << by };
    }
    let by = (-by).min(100) as u32;
    let rounding = if round { 1 << (by - 1) } else { 0 };
    (value + rounding) >> by
}

/// The shift amount in the low byte of an element.
#[inline(always)]
fn amount<L: Lane>(b: L) -> i128 {
    i128::from(b.unsigned() as u8 as i8)
}

functions! {
    Binary Add (_sat, a, b) a.add(b);
    Binary Sub (_sat, a, b) a.sub(b);
    Binary Mul (_sat, a, b) a.mul(b);
    Binary And (_sat, a, b) L::cut(a.unsigned() & b.unsigned());
    Binary Bic (_sat, a, b) L::cut(a.unsigned() & !b.unsigned());
    Binary Orr (_sat, a, b) L::cut(a.unsigned() | b.unsigned());
    Binary Orn (_sat, a, b) L::cut(a.unsigned() | !b.unsigned());
    Binary Eor (_sat, a, b) L::cut(a.unsigned() ^ b.unsigned());
    Binary Cmeq (_sat, a, b) L::all(a == b);
    Binary Cmtst (_sat, a, b) L::all(a.unsigned() & b.unsigned() != 0);
    Binary Cmgt (_sat, a, b) L::all(b.less(a));
    Binary Cmge (_sat, a, b) L::all(!a.less(b));
    Binary Cmhi (_sat, a, b) L::all(a > b);
    Binary Cmhs (_sat, a, b) L::all(a >= b);
    Binary Smax (_sat, a, b) if a.less(b) { b } else { a };
    Binary Smin (_sat, a, b) if b.less(a) { b } else { a };
    Binary Umax (_sat, a, b) a.max(b);
    Binary Umin (_sat, a, b) a.min(b);
    Binary Sabd (_sat, a, b) if a.less(b) { b.sub(a) } else { a.sub(b) };
    Binary Uabd (_sat, a, b) if a < b { b.sub(a) } else { a.sub(b) };
    Binary Shadd (_sat, a, b) L::cut((a.signed() + b.signed()) >> 1);
    Binary Uhadd (_sat, a, b) L::cut((a.unsigned() + b.unsigned()) >> 1);
    Binary Srhadd (_sat, a, b) L::cut((a.signed() + b.signed() + 1) >> 1);
    Binary Urhadd (_sat, a, b) L::cut((a.unsigned() + b.unsigned() + 1) >> 1);
    Binary Shsub (_sat, a, b) L::cut((a.signed() - b.signed()) >> 1);
    Binary Uhsub (_sat, a, b) L::cut((a.unsigned() - b.unsigned()) >> 1);
    Binary Sqadd (sat, a, b) saturate_signed(sat, a.signed() + b.signed());
    Binary Uqadd (sat, a, b) saturate_unsigned(sat, a.unsigned() + b.unsigned());
    Binary Sqsub (sat, a, b) saturate_signed(sat, a.signed() - b.signed());
    Binary Uqsub (sat, a, b) saturate_unsigned(sat, a.unsigned() - b.unsigned());
    Binary Sshl (_sat, a, b) L::cut(shift(a.signed(), amount(b), L::BITS, false));
    Binary Ushl (_sat, a, b) L::cut(shift(a.unsigned(), amount(b), L::BITS, false));
    Binary Srshl (_sat, a, b) L::cut(shift(a.signed(), amount(b), L::BITS, true));
    Binary Urshl (_sat, a, b) L::cut(shift(a.unsigned(), amount(b), L::BITS, true));
    Binary Sqshl (sat, a, b) saturate_signed(sat, shift(a.signed(), amount(b).min(63), L::BITS, false));
    Binary Uqshl (sat, a, b) saturate_unsigned(sat, shift(a.unsigned(), amount(b).min(63), L::BITS, false));
    Binary Sqrshl (sat, a, b) saturate_signed(sat, shift(a.signed(), amount(b).min(63), L::BITS, true));
    Binary Uqrshl (sat, a, b) saturate_unsigned(sat, shift(a.unsigned(), amount(b).min(63), L::BITS, true));
    Binary Sqdmulh (sat, a, b) saturate_signed(sat, (2 * a.signed() * b.signed()) >> L::BITS);
    Binary Sqrdmulh (sat, a, b) saturate_signed(sat, (2 * a.signed() * b.signed() + (1 << (L::BITS - 1))) >> L::BITS);
    Binary Pmul (_sat, a, b) L::cut(carryless(a.unsigned() as u64, b.unsigned() as u64) as i128);
    Ternary Mla (_sat, d, a, b) d.add(a.mul(b));
    Ternary Mls (_sat, d, a, b) d.sub(a.mul(b));
    Ternary Saba (_sat, d, a, b) d.add(if a.less(b) { b.sub(a) } else { a.sub(b) });
    Ternary Uaba (_sat, d, a, b) d.add(if a < b { b.sub(a) } else { a.sub(b) });
    Ternary Bsl (_sat, d, a, b) L::cut(b.unsigned() ^ ((a.unsigned() ^ b.unsigned()) & d.unsigned()));
    Ternary Bit (_sat, d, a, b) L::cut(d.unsigned() ^ ((d.unsigned() ^ a.unsigned()) & b.unsigned()));
    Ternary Bif (_sat, d, a, b) L::cut(d.unsigned() ^ ((d.unsigned() ^ a.unsigned()) & !b.unsigned()));
    Ternary Suqadd (sat, d, a, _b) saturate_signed(sat, d.signed() + a.unsigned());
    Ternary Usqadd (sat, d, a, _b) saturate_unsigned(sat, d.unsigned() + a.signed());
    Unary Abs (_sat, a) if a.signed() < 0 { L::default().sub(a) } else { a };
    Unary Neg (_sat, a) L::default().sub(a);
    Unary Sqabs (sat, a) saturate_signed(sat, a.signed().abs());
    Unary Sqneg (sat, a) saturate_signed(sat, -a.signed());
    Unary Not (_sat, a) L::cut(!a.unsigned());
    Unary Rbit (_sat, a) L::cut(i128::from((a.unsigned() as u8).reverse_bits()));
    Unary Cnt (_sat, a) L::cut(i128::from(a.unsigned().count_ones()));
    Unary Clz (_sat, a) L::cut(i128::from(a.leading_zeros()));
    Unary Cls (_sat, a) L::cut(i128::from(L::cut(a.unsigned() ^ (a.signed() >> 1)).leading_zeros() - 1));
    Unary Cmgt0 (_sat, a) L::all(a.signed() > 0);
    Unary Cmge0 (_sat, a) L::all(a.signed() >= 0);
    Unary Cmeq0 (_sat, a) L::all(a == L::default());
    Unary Cmle0 (_sat, a) L::all(a.signed() <= 0);
    Unary Cmlt0 (_sat, a) L::all(a.signed() < 0);
    Unary Urecpe (_sat, a) L::cut(super::estimate::unsigned_reciprocal(a.unsigned() as u32).into());
    Unary Ursqrte (_sat, a) L::cut(super::estimate::unsigned_reciprocal_root(a.unsigned() as u32).into());
}

/// The product of two polynomials over {0, 1}.
pub(crate) fn carryless(a: u64, b: u64) -> u128 {
    (0..64)
        .filter(|bit| b >> bit & 1 != 0)
        .fold(0, |sum, bit| sum ^ u128::from(a) << bit)
}

/// Writes a result of the shape and sets the saturation flag.
#[inline(always)]
pub(crate) fn finish<L: Lane>(cpu: &mut Cpu, op: &Op<Cpu>, value: u128, saturated: bool) {
    cpu.v[usize::from(op.r[0] & 31)] = Shape::cut(op.x[0], value, L::BITS);
    if saturated {
        saturate(cpu, op.x[0]);
    }
}

#[cold]
fn saturate(cpu: &mut Cpu, _shape: u8) {
    cpu.fpsr |= QC;
}

/// The part of a source that an instruction of this shape looks at: elements that do not exist must not saturate.
#[inline(always)]
pub(crate) fn source<L: Lane>(cpu: &Cpu, op: &Op<Cpu>, register: u8) -> u128 {
    Shape::cut(op.x[0], cpu.v[usize::from(register & 31)], L::BITS)
}

/// `Vd = f(Vn, Vm)`
pub(crate) struct Vector2<F, L>(PhantomData<(F, L)>);

impl<F: Binary, L: Lane> Plain for Vector2<F, L> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (source::<L>(cpu, op, op.r[1]), source::<L>(cpu, op, op.r[2]));
        let mut sat = false;
        let result = map2::<L>(a, b, |a, b| F::of(&mut sat, a, b));
        finish::<L>(cpu, op, result, sat);
    }
}

/// `Vd = f(Vd, Vn, Vm)`
pub(crate) struct Vector3<F, L>(PhantomData<(F, L)>);

impl<F: Ternary, L: Lane> Plain for Vector3<F, L> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (source::<L>(cpu, op, op.r[1]), source::<L>(cpu, op, op.r[2]));
        let d = source::<L>(cpu, op, op.r[0]);
        let mut sat = false;
        let result = map3::<L>(d, a, b, |d, a, b| F::of(&mut sat, d, a, b));
        finish::<L>(cpu, op, result, sat);
    }
}

/// `Vd = f(Vn)`
pub(crate) struct Vector1<F, L>(PhantomData<(F, L)>);

impl<F: Unary, L: Lane> Plain for Vector1<F, L> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = source::<L>(cpu, op, op.r[1]);
        let mut sat = false;
        let result = map::<L>(a, |a| F::of(&mut sat, a));
        finish::<L>(cpu, op, result, sat);
    }
}

/// `Vd = f(Vn, Vm[index])` with the index in `x[1]`; `ACCUMULATE` functions take the destination too.
pub(crate) struct ByElement<F, L>(PhantomData<(F, L)>);

impl<F: Binary, L: Lane> Plain for ByElement<F, L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = source::<L>(cpu, op, op.r[1]);
        let b = get::<L>(cpu.v[usize::from(op.r[2] & 31)], op.x[1].into());
        let mut sat = false;
        let result = map::<L>(a, |a| F::of(&mut sat, a, b));
        finish::<L>(cpu, op, result, sat);
    }
}

/// `Vd = f(Vd, Vn, Vm[index])` with the index in `x[1]`.
pub(crate) struct ByElement3<F, L>(PhantomData<(F, L)>);

impl<F: Ternary, L: Lane> Plain for ByElement3<F, L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = source::<L>(cpu, op, op.r[1]);
        let d = source::<L>(cpu, op, op.r[0]);
        let b = get::<L>(cpu.v[usize::from(op.r[2] & 31)], op.x[1].into());
        let mut sat = false;
        let result = map2::<L>(d, a, |d, a| F::of(&mut sat, d, a, b));
        finish::<L>(cpu, op, result, sat);
    }
}

/// `Vd = f(pairs of Vn, then of Vm)`; a scalar of one pair of Vn if the shape says so.
pub(crate) struct Pairwise<F, L>(PhantomData<(F, L)>);

impl<F: Binary, L: Lane> Plain for Pairwise<F, L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (
            cpu.v[usize::from(op.r[1] & 31)],
            cpu.v[usize::from(op.r[2] & 31)],
        );
        let pairs = if op.x[0] == Shape::Half as u8 { 8 } else { 16 } / L::BYTES / 2;
        let mut sat = false;
        let result = build::<L>(|at| {
            let (from, at) = if at < pairs { (a, at) } else { (b, at - pairs) };
            F::of(&mut sat, get(from, 2 * at), get(from, 2 * at + 1))
        });
        finish::<L>(cpu, op, result, false);
    }
}

/// `Vd = f over all elements of Vn`: ADDV, SMAXV, …
pub(crate) struct Across<F, L>(PhantomData<(F, L)>);

impl<F: Binary, L: Lane> Plain for Across<F, L> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.v[usize::from(op.r[1] & 31)];
        let count = if op.x[0] == Shape::Half as u8 { 8 } else { 16 } / L::BYTES;
        let result = (1..count).fold(get::<L>(a, 0), |sum, at| F::of(&mut false, sum, get(a, at)));
        cpu.v[usize::from(op.r[0] & 31)] = result.unsigned() as u128;
    }
}

/// SADDLV, UADDLV: the sum of all elements in twice their size.
pub(crate) struct AcrossLong<L, const SIGNED: bool>(PhantomData<L>);

impl<L: Lane, const SIGNED: bool> Plain for AcrossLong<L, SIGNED> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.v[usize::from(op.r[1] & 31)];
        let count = if op.x[0] == Shape::Half as u8 { 8 } else { 16 } / L::BYTES;
        let sum: i128 = (0..count)
            .map(|at| get::<L>(a, at))
            .map(|x| if SIGNED { x.signed() } else { x.unsigned() })
            .sum();
        cpu.v[usize::from(op.r[0] & 31)] = sum as u128 & u128::MAX >> (128 - 2 * L::BITS);
    }
}

/// What a shift by an immediate does with an element; `by` is the amount.
pub(crate) trait Shift: 'static {
    /// Computes one element.
    fn of<L: Lane>(sat: &mut bool, d: L, a: L, by: u32) -> L;
}

macro_rules! shifts {
    ($($name:ident ($sat:ident, $d:ident, $a:ident, $by:ident) $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Shift for $name {
            #[inline(always)]
            fn of<L: Lane>($sat: &mut bool, $d: L, $a: L, $by: u32) -> L {
                $body
            }
        }
    )*};
}

/// Right by one up to the size of an element, rounded if `round`.
#[inline(always)]
fn right(value: i128, by: u32, round: bool) -> i128 {
    (value + if round { 1 << (by - 1) } else { 0 }) >> by
}

shifts! {
    Shl (_sat, _d, a, by) a.shl(by);
    Sshr (_sat, _d, a, by) a.sar(by.min(L::BITS - 1));
    Ushr (_sat, _d, a, by) if by < L::BITS { a.shr(by) } else { L::default() };
    Ssra (_sat, d, a, by) d.add(a.sar(by.min(L::BITS - 1)));
    Usra (_sat, d, a, by) d.add(if by < L::BITS { a.shr(by) } else { L::default() });
    Srshr (_sat, _d, a, by) L::cut(right(a.signed(), by, true));
    Urshr (_sat, _d, a, by) L::cut(right(a.unsigned(), by, true));
    Srsra (_sat, d, a, by) d.add(L::cut(right(a.signed(), by, true)));
    Ursra (_sat, d, a, by) d.add(L::cut(right(a.unsigned(), by, true)));
    Sri (_sat, d, a, by) {
        let mask = if by < L::BITS { L::ONES.shr(by).unsigned() } else { 0 };
        L::cut((d.unsigned() & !mask) | if by < L::BITS { a.shr(by).unsigned() } else { 0 })
    };
    Sli (_sat, d, a, by) L::cut((d.unsigned() & !L::ONES.shl(by).unsigned()) | a.shl(by).unsigned());
    SqshlImm (sat, _d, a, by) saturate_signed(sat, a.signed() << by);
    UqshlImm (sat, _d, a, by) saturate_unsigned(sat, a.unsigned() << by);
    Sqshlu (sat, _d, a, by) saturate_unsigned(sat, a.signed() << by);
}

/// `Vd = f(Vd, Vn, #len)`
pub(crate) struct ShiftBy<F, L>(PhantomData<(F, L)>);

impl<F: Shift, L: Lane> Plain for ShiftBy<F, L> {
    #[inline(always)]
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (d, a) = (source::<L>(cpu, op, op.r[0]), source::<L>(cpu, op, op.r[1]));
        let mut sat = false;
        let by = u32::from(op.len);
        let result = map2::<L>(d, a, |d, a| F::of(&mut sat, d, a, by));
        finish::<L>(cpu, op, result, sat);
    }
}

/// Narrows each element of Vn, shifted right by `len` and rounded if `ROUND`, into the low half of Vd, or into the high half
/// if the shape is full. `FROM` and `TO`: whether the element and its saturated range are signed; `SATURATE` or cut.
pub(crate) struct Narrow<
    W,
    N,
    const FROM: bool,
    const TO: bool,
    const SATURATE: bool,
    const ROUND: bool,
>(PhantomData<(W, N)>);

impl<W: Lane, N: Lane, const FROM: bool, const TO: bool, const SATURATE: bool, const ROUND: bool>
    Plain for Narrow<W, N, FROM, TO, SATURATE, ROUND>
{
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.v[usize::from(op.r[1] & 31)];
        let by = u32::from(op.len);
        let count = if op.x[0] == Shape::Scalar as u8 {
            1
        } else {
            16 / W::BYTES
        };
        let (mut sat, mut result) = (false, 0);
        for at in 0..count {
            let x = get::<W>(a, at);
            let x = if FROM { x.signed() } else { x.unsigned() };
            let x = if by == 0 { x } else { right(x, by, ROUND) };
            let x = match (SATURATE, TO) {
                (true, true) => saturate_signed::<N>(&mut sat, x),
                (true, false) => saturate_unsigned::<N>(&mut sat, x),
                _ => N::cut(x),
            };
            result = put(result, at, x);
        }
        halves(cpu, op, result, sat);
    }
}

/// Writes the result of a narrowing instruction: to the low half, or to the high half of what is there.
pub(crate) fn halves(cpu: &mut Cpu, op: &Op<Cpu>, result: u128, sat: bool) {
    let d = &mut cpu.v[usize::from(op.r[0] & 31)];
    *d = if op.x[0] == Shape::Full as u8 {
        *d & u128::from(u64::MAX) | result << 64
    } else {
        result
    };
    if sat {
        saturate(cpu, op.x[0]);
    }
}

/// ADDHN, SUBHN and their rounding forms: the high halves of sums or differences.
pub(crate) struct NarrowHigh<W, N, const SUBTRACT: bool, const ROUND: bool>(PhantomData<(W, N)>);

impl<W: Lane, N: Lane, const SUBTRACT: bool, const ROUND: bool> Plain
    for NarrowHigh<W, N, SUBTRACT, ROUND>
{
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (
            cpu.v[usize::from(op.r[1] & 31)],
            cpu.v[usize::from(op.r[2] & 31)],
        );
        let rounding = W::cut(if ROUND { 1 << (N::BITS - 1) } else { 0 });
        let result = (0..16 / W::BYTES).fold(0, |result, at| {
            let (x, y) = (get::<W>(a, at), get::<W>(b, at));
            let sum = if SUBTRACT { x.sub(y) } else { x.add(y) }.add(rounding);
            put(result, at, N::cut(sum.shr(N::BITS).unsigned()))
        });
        halves(cpu, op, result, false);
    }
}

/// A function of narrow elements with a wide result, also of what is in the destination.
pub(crate) trait Long: 'static {
    /// Computes one wide element; `x` and `y` are extended as the instruction says.
    fn of<W: Lane>(sat: &mut bool, d: W, x: i128, y: i128) -> W;
}

macro_rules! longs {
    ($($name:ident ($sat:ident, $d:ident, $x:ident, $y:ident) $body:expr;)*) => {$(
        pub(crate) struct $name;
        impl Long for $name {
            #[inline(always)]
            fn of<W: Lane>($sat: &mut bool, $d: W, $x: i128, $y: i128) -> W {
                $body
            }
        }
    )*};
}

/// The doubled product, saturated.
fn doubled<W: Lane>(sat: &mut bool, x: i128, y: i128) -> i128 {
    saturate_signed::<W>(sat, 2 * x * y).signed()
}

longs! {
    AddLong (_sat, _d, x, y) W::cut(x + y);
    SubLong (_sat, _d, x, y) W::cut(x - y);
    MulLong (_sat, _d, x, y) W::cut(x * y);
    MlaLong (_sat, d, x, y) W::cut(d.signed() + x * y);
    MlsLong (_sat, d, x, y) W::cut(d.signed() - x * y);
    AbdLong (_sat, _d, x, y) W::cut((x - y).abs());
    AbaLong (_sat, d, x, y) W::cut(d.signed() + (x - y).abs());
    PmulLong (_sat, _d, x, y) W::cut(carryless(x as u64, y as u64) as i128);
    Sqdmull (sat, _d, x, y) W::cut(doubled::<W>(sat, x, y));
    Sqdmlal (sat, d, x, y) { let product = doubled::<W>(sat, x, y); saturate_signed(sat, d.signed() + product) };
    Sqdmlsl (sat, d, x, y) { let product = doubled::<W>(sat, x, y); saturate_signed(sat, d.signed() - product) };
}

/// `Vd (wide) = f(Vd, Vn, Vm)`: elements from the low halves, or from the high ones if the shape is full. With `INDEXED` the
/// second source is element `x[1]`.
pub(crate) struct Lengthen<F, N, W, const SIGNED: bool, const INDEXED: bool>(
    PhantomData<(F, N, W)>,
);

impl<F: Long, N: Lane, W: Lane, const SIGNED: bool, const INDEXED: bool> Plain
    for Lengthen<F, N, W, SIGNED, INDEXED>
{
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let extend = |x: N| if SIGNED { x.signed() } else { x.unsigned() };
        let (d, a, b) = (
            cpu.v[usize::from(op.r[0] & 31)],
            cpu.v[usize::from(op.r[1] & 31)],
            cpu.v[usize::from(op.r[2] & 31)],
        );
        let scalar = op.x[0] == Shape::Scalar as u8;
        let first = if op.x[0] == Shape::Full as u8 {
            8 / N::BYTES
        } else {
            0
        };
        let (mut sat, mut result) = (false, 0);
        for at in 0..if scalar { 1 } else { 16 / W::BYTES } {
            let y = get::<N>(b, if INDEXED { op.x[1].into() } else { first + at });
            let x = extend(get::<N>(a, first + at));
            result = put(result, at, F::of::<W>(&mut sat, get(d, at), x, extend(y)));
        }
        cpu.v[usize::from(op.r[0] & 31)] = result;
        if sat {
            saturate(cpu, op.x[0]);
        }
    }
}

/// `Vd (wide) = f(Vn (wide), Vm)`: SADDW, USUBW, …
pub(crate) struct Widen<N, W, const SIGNED: bool, const SUBTRACT: bool>(PhantomData<(N, W)>);

impl<N: Lane, W: Lane, const SIGNED: bool, const SUBTRACT: bool> Plain
    for Widen<N, W, SIGNED, SUBTRACT>
{
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (a, b) = (
            cpu.v[usize::from(op.r[1] & 31)],
            cpu.v[usize::from(op.r[2] & 31)],
        );
        let first = if op.x[0] == Shape::Full as u8 {
            8 / N::BYTES
        } else {
            0
        };
        let result = build::<W>(|at| {
            let y = get::<N>(b, first + at);
            let y = W::cut(if SIGNED { y.signed() } else { y.unsigned() });
            let x = get::<W>(a, at);
            if SUBTRACT { x.sub(y) } else { x.add(y) }
        });
        cpu.v[usize::from(op.r[0] & 31)] = result;
    }
}

/// SSHLL, USHLL, SHLL: elements of a half, extended and shifted left by `len`.
pub(crate) struct ShiftLong<N, W, const SIGNED: bool>(PhantomData<(N, W)>);

impl<N: Lane, W: Lane, const SIGNED: bool> Plain for ShiftLong<N, W, SIGNED> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let a = cpu.v[usize::from(op.r[1] & 31)];
        let first = if op.x[0] == Shape::Full as u8 {
            8 / N::BYTES
        } else {
            0
        };
        cpu.v[usize::from(op.r[0] & 31)] = build::<W>(|at| {
            let x = get::<N>(a, first + at);
            W::cut(if SIGNED { x.signed() } else { x.unsigned() } << op.len)
        });
    }
}

/// SADDLP, UADDLP, SADALP, UADALP: sums of neighbours in twice their size, added to the destination if `ADD`.
pub(crate) struct PairLong<N, W, const SIGNED: bool, const ADD: bool>(PhantomData<(N, W)>);

impl<N: Lane, W: Lane, const SIGNED: bool, const ADD: bool> Plain for PairLong<N, W, SIGNED, ADD> {
    fn go(cpu: &mut Cpu, op: &Op<Cpu>) {
        let (d, a) = (
            cpu.v[usize::from(op.r[0] & 31)],
            cpu.v[usize::from(op.r[1] & 31)],
        );
        let extend = |x: N| if SIGNED { x.signed() } else { x.unsigned() };
        let result = build::<W>(|at| {
            let sum = W::cut(extend(get::<N>(a, 2 * at)) + extend(get::<N>(a, 2 * at + 1)));
            if ADD { get::<W>(d, at).add(sum) } else { sum }
        });
        finish::<W>(cpu, op, result, false);
    }
}
