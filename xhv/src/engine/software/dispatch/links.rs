//! Links: where branches inside one page lead to, by a number that the branch carries.
//!
//! Who runs code of a page goes on in that page whatever the page tables say meanwhile: a branch to another place of the same page needs no
//! look-up by address, only the block there. A link holds it as long as the block is good; who drops the block cuts the links to it.
#![allow(unsafe_code)] // The test's `Chain`, which changes nothing.

use core::marker::PhantomData;
use core::ptr::NonNull;
use std::rc::Rc;

use super::{Block, Chain, Cursor, Op};

/// Bits of a link's number.
const BITS: u32 = 18;

/// A branch to a place in the page of its block: how far that is from the block's start, and the number of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Near(u32);

impl Near {
    /// From what [`Near::word`] answered.
    #[inline(always)]
    pub(crate) fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// As a word, for an operation's operand.
    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// Bytes from the block's start to the target.
    #[inline(always)]
    pub(crate) fn by(self) -> i64 {
        i64::from(self.0 as i32 >> BITS)
    }

    #[inline(always)]
    fn number(self) -> usize {
        self.0 as usize % Links::<()>::COUNT
    }
}

/// A link that a branch has found cut, to be mended by [`Links::mend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    link: Near,
    generation: u64,
}

/// The links of a CPU's blocks.
pub(crate) struct Links<C> {
    /// The first operation of the block that a link leads to; null for one that is cut.
    targets: Box<[*const Op<C>; Links::<()>::COUNT]>,
    /// Keeps alive what `targets` points to; as long as there are links in use.
    blocks: Vec<Option<Rc<Block<C>>>>,
    /// Numbers that are not in use, besides those from `blocks.len()` on.
    free: Vec<Near>,
    /// The link that a branch has found cut: see [`Links::take_wanted`].
    wanted: Option<Near>,
    /// In loop form, the link to follow.
    noted: Option<Near>,
    /// Counts [`Links::clear`]: numbers mean other links then.
    generation: u64,
}

impl<C> core::fmt::Debug for Links<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links<()> {
    /// How many there are.
    const COUNT: usize = 1 << BITS;
}

impl<C> Default for Links<C> {
    fn default() -> Self {
        // Zeroed memory of the allocator: pages that nobody uses cost nothing.
        let targets = vec![core::ptr::null(); Links::<()>::COUNT].into_boxed_slice();
        let Ok(targets) = targets.try_into() else {
            unreachable!("as many as were made")
        };
        Self {
            targets,
            blocks: Vec::new(),
            free: Vec::new(),
            wanted: None,
            noted: None,
            generation: 0,
        }
    }
}

impl<C: Chain> Links<C> {
    /// A link for a branch to what is `by` bytes from its block's start; none if that is too far for any place in the same page, or if no
    /// link is left.
    pub(crate) fn take(&mut self, by: i64) -> Option<Near> {
        if by << (32 + BITS) >> (32 + BITS) != by {
            return None;
        }
        let number = match self.free.pop() {
            Some(free) => free.number(),
            None if self.blocks.len() < Links::<()>::COUNT => {
                self.blocks.push(None);
                self.blocks.len() - 1
            }
            None => return None,
        };
        Some(Near((by as u32) << BITS | number as u32))
    }

    /// Gives a link back: its branch is no more.
    pub(crate) fn release(&mut self, link: Near) {
        self.set(link, None);
        self.free.push(link);
    }

    /// Makes a link lead to `block`, which is where its branch wanted to go; answers it. The branch may be gone meanwhile, with all others.
    pub(crate) fn mend(&mut self, wanted: Wanted, block: &Rc<Block<C>>) -> Option<Near> {
        if wanted.generation != self.generation {
            return None;
        }
        self.set(wanted.link, Some(block.clone()));
        Some(wanted.link)
    }

    /// Takes all links back.
    pub(crate) fn clear(&mut self) {
        self.targets[..self.blocks.len()].fill(core::ptr::null());
        self.blocks.clear();
        self.free.clear();
        (self.wanted, self.noted) = (None, None);
        self.generation += 1;
    }

    /// Cuts a link, if it leads to `block`.
    pub(crate) fn cut(&mut self, link: Near, block: &Rc<Block<C>>) {
        let here = self.blocks[link.number()].as_ref();
        if here.is_some_and(|here| Rc::ptr_eq(here, block)) {
            self.set(link, None);
        }
    }

    fn set(&mut self, link: Near, block: Option<Rc<Block<C>>>) {
        let first = block
            .as_ref()
            .map(|block| block.first().as_ptr().cast_const());
        self.targets[link.number()] = first.unwrap_or(core::ptr::null());
        self.blocks[link.number()] = block;
    }

    /// The link that a branch wanted to follow since the last call and that is cut: the program counter is at its target.
    pub(crate) fn take_wanted(&mut self) -> Option<Wanted> {
        let generation = self.generation;
        let link = self.wanted.take()?;
        Some(Wanted { link, generation })
    }

    /// In loop form: takes note of a link to follow.
    #[inline(always)]
    pub(super) fn note(&mut self, link: Near) {
        self.noted = Some(link);
    }

    /// Where the noted link leads to.
    pub(super) fn follow_noted<'b>(&mut self) -> Option<Cursor<'b, C>> {
        let link = self.noted.take()?;
        self.follow(link)
    }

    /// Where a link leads to; if it is cut, it is the one that is wanted.
    #[inline(always)]
    pub(super) fn follow<'b>(&mut self, link: Near) -> Option<Cursor<'b, C>> {
        let Some(op) = NonNull::new(self.targets[link.number()].cast_mut()) else {
            self.wanted = Some(link);
            return None;
        };
        let block = PhantomData;
        Some(Cursor { op, block })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flow, Outcome, Path, Start, Step, Stop};
    use super::*;

    /// Counts how often its block has run.
    struct Counter {
        turns: u64,
        limit: u64,
        links: Links<Counter>,
    }

    // SAFETY: no step changes `links`.
    unsafe impl Chain for Counter {
        fn may_go_on(&mut self) -> bool {
            self.turns < self.limit
        }

        fn chain(&mut self) -> Option<Start<'_, Self>> {
            None
        }

        fn links(&mut self) -> &mut Links<Self> {
            &mut self.links
        }
    }

    struct Turn;

    impl Step<Counter> for Turn {
        const MEMORY: bool = false;
        const ENDS: bool = true;
        fn step<P: Path>(cpu: &mut Counter, op: &Op<Counter>) -> Result<Flow, Stop> {
            cpu.turns += 1;
            Ok(Flow::Near(Near::from_word(op.imm as u32)))
        }
    }

    fn counter(limit: u64) -> (Counter, Near, Rc<Block<Counter>>) {
        let mut links = Links::default();
        let near = links.take(-4).unwrap();
        assert_eq!(near.by(), -4);
        let mut op = Op::new::<Turn>();
        op.imm = near.word().into();
        let block = Rc::new(Block::new(vec![op]).unwrap());
        let turns = 0;
        (
            Counter {
                turns,
                limit,
                links,
            },
            near,
            block,
        )
    }

    #[test]
    fn a_branch_follows_its_link_until_somebody_wants_attention() {
        // Without sibling calls a million blocks would not fit on the stack.
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let done = small.spawn(|| {
            let (mut cpu, near, block) = counter(1_000_000);
            assert_eq!(block.run(&mut cpu), Outcome::End);
            let wanted = cpu.links.take_wanted().unwrap();
            assert_eq!((cpu.turns, wanted.link), (1, near));
            assert_eq!(cpu.links.mend(wanted, &block), Some(near));
            assert_eq!(block.run(&mut cpu), Outcome::End);
            assert_eq!((cpu.turns, cpu.links.take_wanted()), (1_000_000, None));
        });
        done.unwrap().join().unwrap();
    }

    #[test]
    fn a_link_is_cut_by_whom_it_leads_to_only() {
        let (mut cpu, near, block) = counter(9);
        let other = Rc::new(Block::new(vec![Op::new::<Turn>()]).unwrap());
        lead(&mut cpu.links, near, &block);
        cpu.links.cut(near, &other);
        assert!(cpu.links.follow(near).is_some());
        cpu.links.cut(near, &block);
        assert!(cpu.links.follow(near).is_none());
        assert_eq!(Rc::strong_count(&block), 1);
    }

    fn lead(links: &mut Links<Counter>, link: Near, block: &Rc<Block<Counter>>) {
        assert!(links.follow(link).is_none());
        let wanted = links.take_wanted().unwrap();
        links.mend(wanted, block).unwrap();
    }

    #[test]
    fn a_link_that_was_wanted_before_all_were_taken_back_is_not_mended() {
        let (mut cpu, near, block) = counter(9);
        lead(&mut cpu.links, near, &block);
        let second = cpu.links.take(8).unwrap();
        assert!(cpu.links.follow(second).is_none());
        let wanted = cpu.links.take_wanted().unwrap();
        cpu.links.clear();
        assert_eq!(Rc::strong_count(&block), 1);
        // Of no number, and then of another branch's.
        assert_eq!(cpu.links.mend(wanted, &block), None);
        for by in [4, 12] {
            let link = cpu.links.take(by).unwrap();
            assert!(cpu.links.follow(link).is_none());
        }
        assert_eq!(cpu.links.mend(wanted, &block), None);
        assert!(cpu.links.follow(second).is_none());
    }

    #[test]
    fn numbers_are_used_again() {
        let (mut cpu, near, block) = counter(9);
        lead(&mut cpu.links, near, &block);
        cpu.links.release(near);
        let again = cpu.links.take(4095).unwrap();
        assert_eq!((again.number(), again.by()), (near.number(), 4095));
        assert!(cpu.links.follow(again).is_none());
        assert!(cpu.links.take(1 << 13).is_none() && cpu.links.take(-(1 << 13) - 1).is_none());
        assert!(cpu.links.take(i64::MIN).is_none());
    }
}
