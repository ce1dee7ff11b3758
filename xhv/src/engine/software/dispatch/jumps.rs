//! The jump cache: from program counters to decoded blocks, for the dispatcher to chain them.
#![allow(unsafe_code)] // The test's `Chain`, which changes nothing.

use core::marker::PhantomData;
use core::ptr::NonNull;
use std::rc::Rc;

use super::{Block, Chain, Op};

/// Entries, a power of two.
const ENTRIES: u64 = 4096;

/// Where the jump cache leads to: the first operation of a block that the cache keeps alive.
#[derive(Debug)]
pub(crate) struct Start<'j, C> {
    op: NonNull<Op<C>>,
    jumps: PhantomData<&'j Jumps<C>>,
}

impl<C> Start<'_, C> {
    #[inline(always)]
    pub(super) fn op(self) -> NonNull<Op<C>> {
        self.op
    }
}

#[derive(Debug)]
struct Jump<C> {
    pc: u64,
    /// What else the block depends on, as one number; 0 is an empty entry.
    key: u64,
    first: NonNull<Op<C>>,
    /// Keeps alive what `first` points to.
    block: Option<Rc<Block<C>>>,
}

impl<C> Jump<C> {
    const EMPTY: Self = Self {
        pc: 0,
        key: 0,
        first: NonNull::dangling(),
        block: None,
    };
}

/// A direct-mapped cache. An entry is found by the program counter and a key, which stands for everything else that the way from the
/// one to the block depends on: translation, mode, segment. Who changes any of that changes the key.
pub(crate) struct Jumps<C> {
    entries: Box<[Jump<C>; ENTRIES as usize]>,
}

impl<C> core::fmt::Debug for Jumps<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Jumps").finish_non_exhaustive()
    }
}

impl<C> Default for Jumps<C> {
    fn default() -> Self {
        let entries: Box<[Jump<C>]> = (0..ENTRIES).map(|_| Jump::EMPTY).collect();
        let Ok(entries) = entries.try_into() else {
            unreachable!("{ENTRIES} entries were made")
        };
        Self { entries }
    }
}

impl<C: Chain> Jumps<C> {
    /// How many slots there are.
    pub(crate) const ENTRIES: u64 = ENTRIES;

    /// What [`Jumps::put`] has put into `slot` (modulo the size) for this program counter and key.
    #[inline(always)]
    pub(crate) fn find(&self, slot: u64, pc: u64, key: u64) -> Option<Start<'_, C>> {
        let jump = &self.entries[(slot % ENTRIES) as usize];
        (jump.pc == pc && jump.key == key).then_some(Start {
            op: jump.first,
            jumps: PhantomData,
        })
    }

    /// Notes that `pc` leads to `block` under `key`, which is not 0.
    pub(crate) fn put(&mut self, slot: u64, pc: u64, key: u64, block: &Rc<Block<C>>) {
        debug_assert!(key != 0);
        self.entries[(slot % ENTRIES) as usize] = Jump {
            pc,
            key,
            first: block.first(),
            block: Some(block.clone()),
        };
    }

    /// Takes `block` out of `slot`, if it is there.
    pub(crate) fn forget(&mut self, slot: u64, block: &Rc<Block<C>>) {
        let jump = &mut self.entries[(slot % ENTRIES) as usize];
        if jump
            .block
            .as_ref()
            .is_some_and(|here| Rc::ptr_eq(here, block))
        {
            *jump = Jump::EMPTY;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.fill_with(|| Jump::EMPTY);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flow, Links, Outcome, Path, Step, Stop, go_on};
    use super::*;

    /// Counts blocks; the program counter goes round.
    struct Ring {
        pc: u64,
        blocks: u64,
        limit: u64,
        jumps: Jumps<Ring>,
    }

    // SAFETY: no step changes `jumps`.
    unsafe impl Chain for Ring {
        fn may_go_on(&mut self) -> bool {
            self.blocks < self.limit
        }

        fn chain(&mut self) -> Option<Start<'_, Self>> {
            self.jumps.find(self.pc, self.pc, 1)
        }

        fn links(&mut self) -> &mut Links<Self> {
            unreachable!("no step has a link")
        }
    }

    struct Onward;

    impl Step<Ring> for Onward {
        const MEMORY: bool = false;
        const ENDS: bool = true;
        fn step<P: Path>(cpu: &mut Ring, op: &Op<Ring>) -> Result<Flow, Stop> {
            cpu.blocks += 1;
            cpu.pc = op.imm;
            Ok(Flow::Jump)
        }
    }

    fn ring(limit: u64) -> (Ring, Vec<Rc<Block<Ring>>>) {
        let block = |to| {
            let mut op = Op::new::<Onward>();
            op.imm = to;
            Rc::new(Block::new(vec![op]).unwrap())
        };
        let blocks: Vec<_> = (0..3).map(|n| block((n + 1) % 3)).collect();
        let jumps = Jumps::default();
        let mut cpu = Ring {
            pc: 0,
            blocks: 0,
            limit,
            jumps,
        };
        for (n, block) in (0..).zip(&blocks) {
            cpu.jumps.put(n, n, 1, block);
        }
        (cpu, blocks)
    }

    fn run(cpu: &mut Ring) {
        while let Some(outcome) = go_on(cpu) {
            assert_eq!(outcome, Outcome::End);
        }
    }

    #[test]
    fn blocks_hand_over_until_somebody_wants_attention() {
        // Without sibling calls a million blocks would not fit on the stack.
        let small = std::thread::Builder::new().stack_size(128 << 10);
        let done = small.spawn(|| {
            let (mut cpu, blocks) = ring(1_000_000);
            // The cache alone keeps them alive.
            drop(blocks);
            run(&mut cpu);
            assert_eq!((cpu.blocks, cpu.pc), (1_000_000, 1));
        });
        done.unwrap().join().unwrap();
    }

    #[test]
    fn a_block_that_is_forgotten_is_not_found() {
        let (mut cpu, blocks) = ring(1_000_000);
        cpu.jumps.forget(1, &blocks[2]);
        cpu.jumps.forget(2, &blocks[2]);
        assert!(cpu.jumps.find(1, 1, 2).is_none(), "another key");
        assert!(cpu.jumps.find(1, 1 + ENTRIES, 1).is_none());
        run(&mut cpu);
        assert_eq!((cpu.blocks, cpu.pc), (2, 2));
        cpu.jumps.clear();
        assert_eq!(Rc::strong_count(&blocks[0]), 1);
    }
}
