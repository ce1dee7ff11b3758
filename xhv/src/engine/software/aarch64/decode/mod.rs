//! From words of code to blocks of operations: the encodings are the table `spec/aarch64/instructions.rs`, a file here for each group
//! of the manual's chapter C4 says what they mean.

mod atomic;
mod branch;
mod immediate;
mod memory;
mod register;
mod structure;

use super::cpu::{Cpu, Mode, SINK, ZERO};
use super::exception::class;
use super::exec::branch::Raise;
use super::exec::{Do, Plain};
use super::fp;
use crate::aarch64::instructions::A64;
use crate::engine::software::dispatch::{Block, Links, Near, Op, Step};
use crate::memory::PAGE;

/// Instructions in a block, at most.
const LONGEST: usize = 64;

/// How the decoding of a word ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Go on with the next word.
    Next,
    /// Go on, one more word has been used up.
    Fused,
    /// The last operation ends the block.
    End,
    /// There is no such instruction: nothing was pushed.
    Undefined,
}

/// Collects the operations of a block.
#[derive(Debug)]
pub(crate) struct Assembler<'a> {
    ops: Vec<Op<Cpu>>,
    words: &'a [u32],
    /// Index of the word that is being decoded.
    now: usize,
    /// What the block is decoded for.
    pub(crate) mode: Mode,
    /// Where links come from, and those that the block has taken.
    links: &'a mut Links<Cpu>,
    taken: Vec<Near>,
    /// Where the block starts in its page.
    start: u64,
}

impl Assembler<'_> {
    /// Adds an operation, and answers it for its operands to be filled in.
    pub(crate) fn push<S: Step<Cpu>>(&mut self) -> &mut Op<Cpu> {
        let mut op = Op::new::<S>();
        op.at = self.at();
        op.len = 0;
        let at = self.ops.len();
        self.ops.push(op);
        &mut self.ops[at]
    }

    /// Adds an operation that only computes.
    pub(crate) fn plain<T: Plain>(&mut self) -> &mut Op<Cpu> {
        self.push::<Do<T>>()
    }

    /// Offset of the instruction in the block, in bytes.
    pub(crate) fn at(&self) -> u16 {
        4 * self.now as u16
    }

    /// The word behind the one that is being decoded, if the block may have both.
    pub(crate) fn following(&self) -> Option<u32> {
        if self.mode.has(Mode::DEBUG) {
            return None;
        }
        self.words.get(self.now + 1).copied()
    }

    /// Displacement from the start of the block, of what is `distance` away from the instruction.
    pub(crate) fn displacement(&self, distance: i32) -> i32 {
        i32::from(self.at()).wrapping_add(distance)
    }

    /// A link for a branch to what is `by` bytes from the block's start, if that is in the block's page.
    pub(crate) fn link(&mut self, by: i32) -> Option<Near> {
        if self.mode.has(Mode::DEBUG) || self.start.wrapping_add_signed(by.into()) >= PAGE {
            return None;
        }
        let link = self.links.take(by.into())?;
        self.taken.push(link);
        Some(link)
    }

    /// The block, which covers `more` words than are decoded.
    fn finish(self, more: usize) -> Option<Made> {
        Some(Made {
            block: Block::new(self.ops)?,
            words: (self.now + more).max(1),
            links: self.taken,
        })
    }

    /// Ends the block with an exception.
    pub(crate) fn raise(&mut self, syndrome: u64) -> Outcome {
        self.push::<Raise>().imm = syndrome;
        Outcome::End
    }
}

/// Index of a source register where 31 is the zero register.
pub(crate) fn source(register: u32) -> u8 {
    if register == 31 { ZERO } else { register as u8 }
}

/// Index of a destination register where 31 is the zero register.
pub(crate) fn target(register: u32) -> u8 {
    if register == 31 { SINK } else { register as u8 }
}

/// Syndrome of an FP or SIMD instruction that `CPACR_EL1` traps.
pub(crate) const FP_TRAP: u64 = class::FP_ACCESS | 1 << 24 | 0xe << 20;

/// What a block was made of.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) block: Block<Cpu>,
    /// The words that it covers.
    pub(crate) words: usize,
    /// The links of its branches.
    pub(crate) links: Vec<Near>,
}

/// Decodes a block from the start of `words`, which lie `start` bytes into their page.
///
/// `None` only if there are no words.
pub(crate) fn block(words: &[u32], mode: Mode, links: &mut Links<Cpu>, start: u64) -> Option<Made> {
    let mut asm = Assembler {
        ops: Vec::with_capacity(16),
        words,
        now: 0,
        mode,
        links,
        taken: Vec::new(),
        start,
    };
    let longest = if mode.has(Mode::DEBUG) { 1 } else { LONGEST };
    while let Some(&word) = words.get(asm.now).filter(|_| asm.now < longest) {
        match decode(&mut asm, word) {
            Outcome::Next => asm.now += 1,
            Outcome::Fused => asm.now += 2,
            Outcome::End => return asm.finish(1),
            Outcome::Undefined => {
                asm.raise(class::UNKNOWN);
                return asm.finish(1);
            }
        }
    }
    // To the word that was not decoded any more.
    branch::go_to(&mut asm, 0);
    asm.finish(0)
}

fn decode(asm: &mut Assembler<'_>, word: u32) -> Outcome {
    if word >> 25 & 7 == 7 {
        if !asm.mode.has(Mode::FP) {
            return asm.raise(FP_TRAP);
        }
        return fp::decode(asm, word);
    }
    match A64::decode(word) {
        Some(instruction) => decode_instruction(asm, instruction),
        None => Outcome::Undefined,
    }
}

fn decode_instruction(asm: &mut Assembler<'_>, instruction: A64) -> Outcome {
    match instruction {
        A64::PcRel(i) => immediate::pc_rel(asm, i),
        A64::AddsubImm(i) => immediate::addsub(asm, i),
        A64::LogicalImm(i) => immediate::logical(asm, i),
        A64::MoveWide(i) => immediate::move_wide(asm, i),
        A64::Bitfield(i) => immediate::bitfield(asm, i),
        A64::Extr(i) => immediate::extr(asm, i),

        A64::BCond(i) => branch::conditional(asm, i),
        A64::Svc(i) => branch::svc(asm, i),
        A64::Hvc(i) => branch::hvc(asm, i),
        A64::Smc(i) => branch::smc(asm, i),
        A64::Brk(i) => branch::brk(asm, i),
        A64::Hlt(_) => Outcome::Undefined,
        A64::MsrImm(i) => branch::msr_imm(asm, i),
        A64::Hint(i) => branch::hint(asm, i),
        A64::Barrier(i) => branch::barrier(asm, i),
        A64::Sys(i) => branch::sys(asm, i),
        A64::SystemRegister(i) => branch::system_register(asm, i),
        A64::Br(i) => branch::register::<false>(asm, i.rn()),
        A64::Blr(i) => branch::register::<true>(asm, i.rn()),
        A64::Ret(i) => branch::register::<false>(asm, i.rn()),
        A64::Eret(_) => branch::eret(asm),
        A64::BImm(i) => branch::immediate(asm, i),
        A64::CbImm(i) => branch::compare(asm, i),
        A64::TbImm(i) => branch::test(asm, i),

        A64::Dp2src(i) => register::two_sources(asm, i),
        A64::Dp1src(i) => register::one_source(asm, i),
        A64::LogicalShift(i) => register::logical(asm, i),
        A64::AddsubShift(i) => register::addsub(asm, i),
        A64::AddsubExt(i) => register::addsub_extended(asm, i),
        A64::AddsubCarry(i) => register::carry(asm, i),
        A64::Rmif(i) => register::rmif(asm, i),
        A64::Setf(i) => register::setf(asm, i),
        A64::CondCompare(i) => register::conditional_compare(asm, i),
        A64::CondSelect(i) => register::conditional_select(asm, i),
        A64::Dp3src(i) => register::three_sources(asm, i),

        A64::SimdMultiple(i) => structure::multiple(asm, i),
        A64::SimdMultiplePost(i) => structure::multiple_post(asm, i),
        A64::SimdSingle(i) => structure::single(asm, i),
        A64::SimdSinglePost(i) => structure::single_post(asm, i),
        A64::Exclusive(i) => atomic::exclusive(asm, i),
        A64::ExclusivePair(i) => atomic::exclusive_pair(asm, i),
        A64::Casp(i) => atomic::compare_swap_pair(asm, i),
        A64::Ordered(i) => atomic::ordered(asm, i),
        A64::Cas(i) => atomic::compare_swap(asm, i),
        A64::OrderedUnscaled(i) => atomic::ordered_unscaled(asm, i),
        A64::LoadLiteral(i) => memory::literal(asm, i),
        A64::LdstPair(i) => memory::pair(asm, i),
        A64::LdstImm9(i) => memory::unscaled(asm, i),
        A64::LdstReg(i) => memory::register_offset(asm, i),
        A64::LdstImm12(i) => memory::unsigned_offset(asm, i),
        A64::Atomic(i) => atomic::atomic(asm, i),
    }
}
