//! The one dispatcher: decoded operations, blocks of them, and how one operation hands over to the next.
//!
//! An operation is a [`Step`]: a type with one function, generic over how it reaches guest memory. [`Op::new`] turns it into
//! a handler that runs the step and then *calls the next operation's handler in tail position*. rustc compiles that to a jump at
//! opt-level 1 and above, which is up to twice as fast as a loop (the branch predictor sees one indirect jump for each
//! operation). Stable Rust does not promise it, so everything that rests on it is here: at opt-level 0 (`xhv_loop_dispatch`,
//! set by the build script) handlers return to a loop instead.
//!
//! A step is tried with [`Fast`] memory access first, which knows nothing but the software TLB. On a miss nothing has
//! happened yet, and the handler jumps to a second, out-of-line copy of the same step with [`Slow`] access, which walks page
//! tables, crosses pages, reports faults and refills the TLB. So no fast handler has to save registers for a call.
//!
//! Blocks are chained the same way: a branch inside a page follows its link ([`Links`], [`Flow::Near`]), any other looks its target up in the CPU's jump
//! cache ([`Jumps`], [`Flow::Jump`]), and jumps to the first operation there; only what neither knows, or a CPU that somebody wants
//! attention of, goes back to the caller.
#![allow(unsafe_code)] // `Cursor::next` walks a block without a bounds check: `Block::new` proves that the last operation never goes on.

mod jumps;
mod links;

use core::marker::PhantomData;
use core::ptr::NonNull;

pub(crate) use jumps::{Jumps, Start};
pub(crate) use links::{Links, Near, Wanted};

/// What an operation answers when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on with the next operation of the block.
    Next,
    /// The block is over and the CPU's program counter is set: back to the caller.
    End,
    /// The same after a branch: go on with the block at the program counter, if [`Chain::chain`] knows it.
    Jump,
    /// The same after a branch inside a page: go on with the block that the link leads to. The CPU is ready to run it.
    Near(Near),
}

/// Why an operation could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The software TLB does not know the address: do it again with [`Slow`]. Nothing has changed.
    Miss,
    /// The CPU holds an exception or an exit that has to be dealt with; its program counter is set.
    Trap,
}

/// How a run of operations ended. A byte: handlers with larger answers do not become jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At the end of a block: look up the next.
    End,
    /// With an exception or exit that the CPU holds.
    Trap,
    /// Only in loop form: go on with the next operation.
    Next,
    /// Only in loop form: go on with the block that the link leads to which [`Links`] have taken note of.
    Near,
}

/// How a step reaches guest memory.
pub(crate) trait Path: 'static {
    /// Whether this is [`Slow`].
    const SLOW: bool;
}

/// Through the software TLB only; anything else is a [`Stop::Miss`].
#[derive(Debug)]
pub(crate) struct Fast;

/// All the way: page tables, page crossings, faults, TLB refill.
#[derive(Debug)]
pub(crate) struct Slow;

impl Path for Fast {
    const SLOW: bool = false;
}

impl Path for Slow {
    const SLOW: bool = true;
}

/// What an operation does.
pub(crate) trait Step<C>: 'static {
    /// Whether the step can miss: touches guest memory through its [`Path`]. Steps that cannot have no slow copy.
    const MEMORY: bool;
    /// Whether the step always ends its block: answers [`Flow::End`] or an error, never [`Flow::Next`].
    const ENDS: bool;
    /// Whether the fast copy is a function of its own, as the slow one always is: for steps that lend places of their stack frame to functions
    /// that they call. A handler with such a place still in its frame could not end with a jump.
    const OUTLINE: bool = false;

    /// Does it. On [`Stop::Miss`] nothing may have changed.
    fn step<P: Path>(cpu: &mut C, op: &Op<C>) -> Result<Flow, Stop>;
}

/// A CPU whose blocks hand over to each other.
///
/// # Safety
/// The dispatcher goes on in the block that [`Chain::chain`] or a link leads to without keeping it alive. So no step may change the [`Jumps`]
/// that the answers come from, or the [`Links`]: that is for the time between blocks.
pub(crate) unsafe trait Chain: Sized + 'static {
    /// Whether code may go on in another block, or something has to be looked at first. Asked at every [`Flow::Jump`] and
    /// [`Flow::Near`], so that no guest code can go on for ever.
    fn may_go_on(&mut self) -> bool;

    /// The block at the program counter, unless the jump cache does not know it. The CPU is made ready to run it.
    fn chain(&mut self) -> Option<Start<'_, Self>>;

    /// The links of the CPU's blocks.
    fn links(&mut self) -> &mut Links<Self>;
}

/// The code of an operation.
pub(crate) type Handler<C> = for<'b> fn(&mut C, Cursor<'b, C>) -> Outcome;

/// One decoded operation: 32 bytes, operands resolved as far as decoding can.
///
/// What the operand fields mean is between a decoder and its steps.
pub(crate) struct Op<C> {
    handler: Handler<C>,
    /// Always ends its block.
    ends: bool,
    /// Register numbers and other small operands.
    pub(crate) r: [u8; 5],
    /// Where the instruction starts, in bytes from the start of the block.
    pub(crate) at: u16,
    /// Displacement of a memory operand.
    pub(crate) disp: i32,
    /// Length of the instruction in bytes, and whatever else is small.
    pub(crate) len: u8,
    /// More small operands.
    pub(crate) x: [u8; 3],
    /// Immediate operand.
    pub(crate) imm: u64,
}

impl<C> core::fmt::Debug for Op<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Op")
            .field("at", &self.at)
            .field("r", &self.r)
            .field("x", &self.x)
            .finish_non_exhaustive()
    }
}

impl<C> Clone for Op<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Op<C> {}

impl<C: Chain> Op<C> {
    /// An operation that does `S`, its operands zero.
    pub(crate) fn new<S: Step<C>>() -> Self {
        Self {
            handler: run::<C, S>,
            ends: S::ENDS,
            r: [0; 5],
            at: 0,
            disp: 0,
            len: 0,
            x: [0; 3],
            imm: 0,
        }
    }

    /// An operation that calls `function`, a plain function or a closure without captures; `ends` says that it never answers [`Flow::Next`].
    pub(crate) fn with<F>(ends: bool, function: F) -> Self
    where
        F: Fn(&mut C, &Self) -> Result<Flow, Stop> + Copy + 'static,
    {
        const {
            assert!(
                size_of::<F>() == 0,
                "the function must not capture anything"
            )
        };
        let _ = function; // one exists, so that there may be another (see `Called`)
        if ends {
            Self::new::<Called<F, true>>()
        } else {
            Self::new::<Called<F, false>>()
        }
    }
}

impl<C> Op<C> {
    /// Whether it always ends its block.
    pub(crate) fn ends(&self) -> bool {
        self.ends
    }
}

/// The step that calls a function: made by [`Op::with`] only.
struct Called<F, const ENDS: bool>(PhantomData<F>);

impl<C: Chain, F, const ENDS: bool> Step<C> for Called<F, ENDS>
where
    F: Fn(&mut C, &Op<C>) -> Result<Flow, Stop> + Copy + 'static,
{
    const MEMORY: bool = false;
    const ENDS: bool = ENDS;
    const OUTLINE: bool = true;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut C, op: &Op<C>) -> Result<Flow, Stop> {
        // SAFETY: `Op::with` was given a value of `F`, which has no bytes and is `Copy`: this is a copy of it.
        let function: F = unsafe { core::mem::zeroed() };
        function(cpu, op)
    }
}

/// A straight run of operations; the last one ends it.
pub(crate) struct Block<C> {
    ops: Box<[Op<C>]>,
}

impl<C> core::fmt::Debug for Block<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.ops.iter()).finish()
    }
}

impl<C: Chain> Block<C> {
    /// A block of `ops`, or `None` if the last one does not end a block.
    pub(crate) fn new(ops: Vec<Op<C>>) -> Option<Self> {
        let ops = ops.into_boxed_slice();
        ops.last()?.ends.then_some(Self { ops })
    }

    fn first(&self) -> NonNull<Op<C>> {
        NonNull::from(&self.ops[0])
    }

    /// Runs it on `cpu`, and the blocks that it leads to, until one ends or traps.
    #[inline]
    pub(crate) fn run(&self, cpu: &mut C) -> Outcome {
        let (op, block) = (self.first(), PhantomData);
        run_from(cpu, Cursor { op, block })
    }
}

/// Goes on with the block at the program counter, if [`Chain::chain`] knows it.
#[inline]
pub(crate) fn go_on<C: Chain>(cpu: &mut C) -> Option<Outcome> {
    let first = chained(cpu)?;
    Some(run_from(cpu, first))
}

#[inline(always)]
fn chained<'b, C: Chain>(cpu: &mut C) -> Option<Cursor<'b, C>> {
    if !cpu.may_go_on() {
        return None;
    }
    // The jump cache keeps the block alive, and does not change while it runs: see `Chain`.
    let op = cpu.chain()?.op();
    let block = PhantomData;
    Some(Cursor { op, block })
}

#[inline(always)]
fn run_from<C: Chain>(cpu: &mut C, mut cursor: Cursor<'_, C>) -> Outcome {
    loop {
        match (cursor.op().handler)(cpu, cursor) {
            // SAFETY: only the handler of a step that goes on answers `Next` (see `next`).
            Outcome::Next => cursor = unsafe { cursor.next() },
            Outcome::Near => match cpu.links().follow_noted() {
                Some(first) => cursor = first,
                None => return Outcome::End,
            },
            outcome => return outcome,
        }
    }
}

/// A place in a block that is alive for `'b`.
pub(crate) struct Cursor<'b, C> {
    op: NonNull<Op<C>>,
    block: PhantomData<&'b Block<C>>,
}

impl<C> Clone for Cursor<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Cursor<'_, C> {}

impl<'b, C> Cursor<'b, C> {
    /// The operation here.
    #[inline(always)]
    fn op(self) -> &'b Op<C> {
        // SAFETY: `op` points into the boxed slice of a block that is borrowed for `'b` and that nothing can change.
        unsafe { self.op.as_ref() }
    }

    /// The place behind this one.
    ///
    /// # Safety
    /// The operation here must not be the last of its block.
    #[inline(always)]
    unsafe fn next(self) -> Self {
        // SAFETY: the caller says that there is an operation behind this one in the same slice.
        let op = unsafe { self.op.add(1) };
        Self {
            op,
            block: PhantomData,
        }
    }
}

/// Hands over to the block that a link leads to.
#[inline(always)]
fn near<C: Chain>(cpu: &mut C, link: Near) -> Outcome {
    if !cpu.may_go_on() {
        return Outcome::End;
    }
    if cfg!(xhv_loop_dispatch) {
        cpu.links().note(link);
        return Outcome::Near;
    }
    match cpu.links().follow(link) {
        Some(first) => (first.op().handler)(cpu, first),
        None => Outcome::End,
    }
}

/// Hands over to the block at the program counter.
#[inline(always)]
fn jump<C: Chain>(cpu: &mut C) -> Outcome {
    if cfg!(xhv_loop_dispatch) {
        return Outcome::End;
    }
    match chained(cpu) {
        Some(first) => (first.op().handler)(cpu, first),
        None => Outcome::End,
    }
}

/// Hands over to the operation behind `cursor`, whose step just answered [`Flow::Next`].
#[inline(always)]
fn next<C: Chain, S: Step<C>>(cpu: &mut C, cursor: Cursor<'_, C>) -> Outcome {
    // A step that ends its block must not go on: there may be nothing behind it.
    assert!(!S::ENDS, "a step that ends its block answered `Next`");
    if cfg!(xhv_loop_dispatch) {
        return Outcome::Next;
    }
    // SAFETY: `S` does not end blocks, so this operation was made with `ENDS` unset, so `Block::new` has not accepted it as the last.
    let cursor = unsafe { cursor.next() };
    (cursor.op().handler)(cpu, cursor)
}

/// A step as a function of its own, so that nothing of its stack frame is left when its handler hands over.
#[inline(never)]
fn outlined<C: Chain, S: Step<C>, P: Path>(cpu: &mut C, op: &Op<C>) -> Result<Flow, Stop> {
    S::step::<P>(cpu, op)
}

fn run<C: Chain, S: Step<C>>(cpu: &mut C, cursor: Cursor<'_, C>) -> Outcome {
    let done = if S::OUTLINE {
        outlined::<C, S, Fast>(cpu, cursor.op())
    } else {
        S::step::<Fast>(cpu, cursor.op())
    };
    match done {
        Ok(Flow::Next) => next::<C, S>(cpu, cursor),
        Ok(Flow::Near(link)) => near(cpu, link),
        Ok(Flow::Jump) => jump(cpu),
        Ok(Flow::End) => Outcome::End,
        Err(Stop::Miss) => {
            assert!(S::MEMORY, "a step without memory access missed");
            run_slow::<C, S>(cpu, cursor)
        }
        Err(Stop::Trap) => Outcome::Trap,
    }
}

#[cold]
#[inline(never)]
fn run_slow<C: Chain, S: Step<C>>(cpu: &mut C, cursor: Cursor<'_, C>) -> Outcome {
    match outlined::<C, S, Slow>(cpu, cursor.op()) {
        Ok(Flow::Next) => next::<C, S>(cpu, cursor),
        Ok(Flow::Near(link)) => near(cpu, link),
        Ok(Flow::Jump) => jump(cpu),
        Ok(Flow::End) => Outcome::End,
        Err(_) => Outcome::Trap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u64);

    // SAFETY: answers nothing.
    unsafe impl Chain for Count {
        fn may_go_on(&mut self) -> bool {
            true
        }

        fn chain(&mut self) -> Option<Start<'_, Self>> {
            None
        }

        fn links(&mut self) -> &mut Links<Self> {
            unreachable!("no step branches")
        }
    }

    struct Add;
    struct Missing;
    struct Halt;

    impl Step<Count> for Add {
        const MEMORY: bool = false;
        const ENDS: bool = false;
        fn step<P: Path>(cpu: &mut Count, op: &Op<Count>) -> Result<Flow, Stop> {
            cpu.0 += op.imm;
            Ok(Flow::Next)
        }
    }

    impl Step<Count> for Missing {
        const MEMORY: bool = true;
        const ENDS: bool = false;
        fn step<P: Path>(cpu: &mut Count, _: &Op<Count>) -> Result<Flow, Stop> {
            if !P::SLOW {
                return Err(Stop::Miss);
            }
            cpu.0 *= 2;
            Ok(Flow::Next)
        }
    }

    impl Step<Count> for Halt {
        const MEMORY: bool = false;
        const ENDS: bool = true;
        fn step<P: Path>(_: &mut Count, _: &Op<Count>) -> Result<Flow, Stop> {
            Ok(Flow::End)
        }
    }

    #[test]
    fn an_operation_is_half_a_cache_line() {
        assert_eq!(size_of::<Op<Count>>(), 32);
    }

    #[test]
    fn a_block_has_to_end() {
        assert!(Block::<Count>::new(vec![]).is_none());
        assert!(Block::<Count>::new(vec![Op::new::<Halt>(), Op::new::<Add>()]).is_none());
        assert!(Block::<Count>::new(vec![Op::new::<Halt>()]).is_some());
    }

    #[test]
    fn a_long_block_needs_no_stack() {
        let mut ops = vec![Op::new::<Add>(); 1_000_000];
        ops.iter_mut().for_each(|op| op.imm = 3);
        ops.extend([Op::new::<Missing>(), Op::new::<Halt>()]);
        let block = Block::new(ops).unwrap();
        let run = move || {
            let mut cpu = Count(0);
            assert_eq!(block.run(&mut cpu), Outcome::End);
            assert_eq!(cpu.0, 6_000_000);
        };
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap();
    }
}
