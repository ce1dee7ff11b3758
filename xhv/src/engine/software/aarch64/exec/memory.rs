//! Loads and stores of general and SIMD registers, single and in pairs.
//!
//! Operands: `r[0]` the register, `r[1]` the base, `r[2]` the index or the second register, `disp` the offset, `len` the shift of
//! an index; `x[0]` and `imm` as in `access`.

use core::marker::PhantomData;

use super::super::cpu::{Cpu, SP};
use super::super::exception::class;
use super::alu::after_sp;
use super::extend;
use crate::engine::software::dispatch::{Flow, Op, Path, Step, Stop};
use crate::engine::software::memory::Scalar;

/// How an address is formed.
pub(crate) trait Address: 'static {
    /// The base register gets a new value.
    const WRITES_BACK: bool = false;
    /// The address of the access.
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64;
}

/// Base plus offset.
pub(crate) struct Offset;
/// Base plus offset, which becomes the new base.
pub(crate) struct PreIndex;
/// Base; base plus offset becomes the new base.
pub(crate) struct PostIndex;
/// Base plus an index register shifted left.
pub(crate) struct Indexed;
/// Base plus an index register extended (`x[1]`) and shifted left.
pub(crate) struct IndexedExtended;
/// The start of the block plus offset.
pub(crate) struct Literal;

impl Address for Offset {
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp))
    }
}

impl Address for PreIndex {
    const WRITES_BACK: bool = true;
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp))
    }
}

impl Address for PostIndex {
    const WRITES_BACK: bool = true;
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[1])
    }
}

impl Address for Indexed {
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[1])
            .wrapping_add(cpu.get(op.r[2]) << (op.len & 63))
    }
}

impl Address for IndexedExtended {
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        let index = extend(cpu.get(op.r[2]), op.x[1]) << (op.len & 63);
        cpu.get(op.r[1]).wrapping_add(index)
    }
}

impl Address for Literal {
    #[inline(always)]
    fn address(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.pc.wrapping_add_signed(i64::from(op.disp))
    }
}

/// Writes the base back where the address form does so.
#[inline(always)]
fn write_back<A: Address>(cpu: &mut Cpu, op: &Op<Cpu>) {
    if A::WRITES_BACK {
        let base = cpu.get(op.r[1]).wrapping_add_signed(i64::from(op.disp));
        cpu.set(op.r[1], base);
    }
}

/// The new stack pointer of a write-back may be misaligned: see `mode`.
#[inline(always)]
fn done<A: Address>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
    if A::WRITES_BACK && op.disp & 15 != 0 && op.r[1] == SP {
        return Ok(after_sp(cpu, op));
    }
    Ok(Flow::Next)
}

/// How a loaded value fills a register.
pub(crate) trait Fill<T>: 'static {
    fn fill(value: T) -> u64;
}

/// With zeros.
pub(crate) struct Zeros;
/// With sign bits to 32 bits, then zeros.
pub(crate) struct Signs32;
/// With sign bits.
pub(crate) struct Signs64;

impl<T: Scalar> Fill<T> for Zeros {
    #[inline(always)]
    fn fill(value: T) -> u64 {
        value.to_u128() as u64
    }
}

impl<T: Scalar> Fill<T> for Signs32 {
    #[inline(always)]
    fn fill(value: T) -> u64 {
        u64::from(<Signs64 as Fill<T>>::fill(value) as u32)
    }
}

impl<T: Scalar> Fill<T> for Signs64 {
    #[inline(always)]
    fn fill(value: T) -> u64 {
        let above = 64 - 8 * T::SIZE as u32;
        (((value.to_u128() as u64) << above) as i64 >> above) as u64
    }
}

/// Loads a general register.
pub(crate) struct Load<T, F, A>(PhantomData<(T, F, A)>);

impl<T: Scalar, F: Fill<T>, A: Address> Step<Cpu> for Load<T, F, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let value = cpu.load::<P, T>(op, va)?;
        write_back::<A>(cpu, op);
        cpu.set(op.r[0], F::fill(value));
        done::<A>(cpu, op)
    }
}

/// Stores a general register.
pub(crate) struct Store<T, A>(PhantomData<(T, A)>);

impl<T: Scalar, A: Address> Step<Cpu> for Store<T, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let value = T::from_u128(cpu.get(op.r[0]).into());
        cpu.store::<P, T>(op, va, value)?;
        write_back::<A>(cpu, op);
        done::<A>(cpu, op)
    }
}

/// Loads a SIMD register.
pub(crate) struct LoadSimd<T, A>(PhantomData<(T, A)>);

impl<T: Scalar, A: Address> Step<Cpu> for LoadSimd<T, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let value = cpu.load::<P, T>(op, va)?;
        cpu.v[usize::from(op.r[0] & 31)] = value.to_u128();
        write_back::<A>(cpu, op);
        done::<A>(cpu, op)
    }
}

/// Stores a SIMD register.
pub(crate) struct StoreSimd<T, A>(PhantomData<(T, A)>);

impl<T: Scalar, A: Address> Step<Cpu> for StoreSimd<T, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let value = T::from_u128(cpu.v[usize::from(op.r[0] & 31)]);
        cpu.store::<P, T>(op, va, value)?;
        write_back::<A>(cpu, op);
        done::<A>(cpu, op)
    }
}

/// The two registers of a pair as one value.
pub(crate) trait Pair: 'static {
    /// Both together.
    type Both: Scalar;
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> Self::Both;
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: Self::Both);
}

/// Two W registers.
pub(crate) struct Words;
/// Two X registers that are loaded with sign-extended words.
pub(crate) struct SignedWords;
/// Two X registers.
pub(crate) struct Doublewords;
/// Two S registers.
pub(crate) struct Singles;
/// Two D registers.
pub(crate) struct Doubles;

impl Pair for Words {
    type Both = u64;
    #[inline(always)]
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        cpu.get(op.r[2]) << 32 | u64::from(cpu.get(op.r[0]) as u32)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: u64) {
        cpu.set(op.r[0], u64::from(both as u32));
        cpu.set(op.r[2], both >> 32);
    }
}

impl Pair for SignedWords {
    type Both = u64;
    #[inline(always)]
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        Words::get(cpu, op)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: u64) {
        cpu.set(op.r[0], both as i32 as u64);
        cpu.set(op.r[2], (both as i64 >> 32) as u64);
    }
}

impl Pair for Doublewords {
    type Both = u128;
    #[inline(always)]
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> u128 {
        u128::from(cpu.get(op.r[2])) << 64 | u128::from(cpu.get(op.r[0]))
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: u128) {
        cpu.set(op.r[0], both as u64);
        cpu.set(op.r[2], (both >> 64) as u64);
    }
}

impl Pair for Singles {
    type Both = u64;
    #[inline(always)]
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> u64 {
        let register = |r: u8| cpu.v[usize::from(r & 31)] as u32;
        u64::from(register(op.r[2])) << 32 | u64::from(register(op.r[0]))
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: u64) {
        cpu.v[usize::from(op.r[0] & 31)] = u128::from(both as u32);
        cpu.v[usize::from(op.r[2] & 31)] = u128::from(both >> 32);
    }
}

impl Pair for Doubles {
    type Both = u128;
    #[inline(always)]
    fn get(cpu: &Cpu, op: &Op<Cpu>) -> u128 {
        let register = |r: u8| cpu.v[usize::from(r & 31)];
        register(op.r[2]) << 64 | u128::from(register(op.r[0]) as u64)
    }
    #[inline(always)]
    fn set(cpu: &mut Cpu, op: &Op<Cpu>, both: u128) {
        cpu.v[usize::from(op.r[0] & 31)] = u128::from(both as u64);
        cpu.v[usize::from(op.r[2] & 31)] = both >> 64;
    }
}

/// Loads a pair.
pub(crate) struct LoadPair<R, A>(PhantomData<(R, A)>);

impl<R: Pair, A: Address> Step<Cpu> for LoadPair<R, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let both = cpu.load::<P, R::Both>(op, va)?;
        write_back::<A>(cpu, op);
        R::set(cpu, op, both);
        done::<A>(cpu, op)
    }
}

/// Stores a pair.
pub(crate) struct StorePair<R, A>(PhantomData<(R, A)>);

impl<R: Pair, A: Address> Step<Cpu> for StorePair<R, A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let both = R::get(cpu, op);
        cpu.store::<P, R::Both>(op, va, both)?;
        write_back::<A>(cpu, op);
        done::<A>(cpu, op)
    }
}

/// LDP of two Q registers.
pub(crate) struct LoadQuads<A>(PhantomData<A>);

impl<A: Address> Step<Cpu> for LoadQuads<A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let low = cpu.load::<P, u128>(op, va)?;
        let high = cpu.load::<P, u128>(op, va.wrapping_add(16))?;
        write_back::<A>(cpu, op);
        cpu.v[usize::from(op.r[0] & 31)] = low;
        cpu.v[usize::from(op.r[2] & 31)] = high;
        done::<A>(cpu, op)
    }
}

/// STP of two Q registers.
pub(crate) struct StoreQuads<A>(PhantomData<A>);

impl<A: Address> Step<Cpu> for StoreQuads<A> {
    const MEMORY: bool = true;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        let (low, high) = (
            cpu.v[usize::from(op.r[0] & 31)],
            cpu.v[usize::from(op.r[2] & 31)],
        );
        // A miss must not come after the first store.
        if !P::SLOW && !cpu.view.can_store(usize::from(op.x[0]), va, 32) {
            return Err(Stop::Miss);
        }
        cpu.store::<P, u128>(op, va, low)?;
        cpu.store::<P, u128>(op, va.wrapping_add(16), high)?;
        write_back::<A>(cpu, op);
        done::<A>(cpu, op)
    }
}

/// Faults if the address of the access behind it is not a multiple of `x[2]`: where that is required of all data accesses.
pub(crate) struct Aligned<A>(PhantomData<A>);

impl<A: Address> Step<Cpu> for Aligned<A> {
    const MEMORY: bool = false;
    const ENDS: bool = false;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        let va = A::address(cpu, op);
        if va & u64::from(op.x[2]).wrapping_sub(1) == 0 {
            return Ok(Flow::Next);
        }
        Err(cpu.alignment_fault(op, va))
    }
}

/// Stands before an access through a misaligned stack pointer.
pub(crate) struct StackMisaligned;

impl Step<Cpu> for StackMisaligned {
    const MEMORY: bool = false;
    const ENDS: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Op<Cpu>) -> Result<Flow, Stop> {
        Err(cpu.raise(op, class::SP_ALIGNMENT))
    }
}
