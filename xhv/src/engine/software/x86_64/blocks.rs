//! Decoded code: blocks kept by where their bytes lie in host memory, and how the jump cache leads to them.
//!
//! A block is a straight run of instructions inside one page, decoded for one [`Mode::decode`](super::mode::Mode). Conditional jumps do not end it: who is
//! not taken goes on. It is found again as long as its bytes have not been written (see `View::mark_code`). The jump cache
//! (`Cpu::jumps`) is asked first, with RIP and [`Cpu::code_key`].
#![allow(unsafe_code)] // Promises `Chain` that no step changes jump cache or links: only `Blocks`, which steps cannot reach, does.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction};

use super::contexts::{Context, Fetched};
use super::cpu::{Cpu, Cr, RIP};
use super::decode::Assembler;
use super::fpu;
use super::mmu::{Access, Ept};
use crate::engine::software::dispatch::{Block, Chain, Links, Near, Start, Stop, Wanted};
use crate::engine::software::memory::{StaleCode, lines_of};
use crate::memory::{Memory, PAGE, Permissions};

/// Instructions in a block at most.
const LONGEST: u8 = 64;
/// Blocks kept at most; then all are dropped.
const MOST: usize = if cfg!(test) { 1 << 10 } else { 1 << 16 };
/// Longest x86 instruction in bytes.
const INSTRUCTION: u64 = 15;

/// A decoded block.
#[derive(Debug)]
struct Code {
    block: Rc<Block<Cpu>>,
    /// Bytes of code.
    len: u64,
    /// Where the jump cache may lead to it.
    slots: Vec<u64>,
    /// The links of its branches.
    links: Vec<Near>,
    /// Links that may lead to it.
    incoming: Vec<Near>,
}

/// Where the bytes of a block lie, and what they were decoded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    memory: usize,
    offset: u64,
    decode: u32,
    /// Where the second page lies, of an instruction on two.
    second: Option<(usize, u64)>,
}

/// A page with decoded code. Holding its memory keeps [`Memory::id`] from being used again.
#[derive(Debug)]
struct CodePage {
    memory: Memory,
    /// Blocks with the lines that they cover.
    blocks: Vec<(Key, u64)>,
}

/// Hashes by one multiplication for each word: the keys come from the engine itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// A vCPU's decoded code.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    codes: Vec<Option<Code>>,
    free: Vec<u32>,
    index: Map<Key, u32>,
    pages: Map<(usize, u64), CodePage>,
    /// A block that is used once: its instruction lies on two pages, or runs alone.
    once: Option<Code>,
    bytes: Vec<u8>,
}

/// Where to find the block to run.
#[derive(Clone, Copy, Debug)]
enum Found {
    Kept(u32),
    Once,
}

/// Where the jump cache keeps what `rip` leads to.
#[inline(always)]
fn slot(rip: u64) -> u64 {
    rip ^ (rip >> 12)
}

impl Blocks {
    /// Finds or makes the block at RIP; a block of one instruction if `single`. Fetch faults are the error.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(&mut self, cpu: &mut Cpu, single: bool) -> Result<Rc<Block<Cpu>>, Stop> {
        let found = self.find_in(cpu, single)?;
        self.block(found)
    }

    /// Finds or makes the block at RIP, where a branch has found its link cut, and mends that.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_linked(
        &mut self,
        cpu: &mut Cpu,
        wanted: Wanted,
    ) -> Result<Rc<Block<Cpu>>, Stop> {
        let found = self.find_in(cpu, false)?;
        if let Found::Kept(index) = found
            && let Some(Some(code)) = self.codes.get_mut(index as usize)
            // What reaches into the next page depends on that page's translation as well.
            && cpu.linear_rip() % PAGE + code.len <= PAGE
            && let Some(link) = cpu.links.mend(wanted, &code.block)
            && !code.incoming.contains(&link)
        {
            code.incoming.push(link);
        }
        self.block(found)
    }

    /// It is there: `find_in` says so.
    fn block(&self, found: Found) -> Result<Rc<Block<Cpu>>, Stop> {
        let code = match found {
            Found::Kept(index) => self.codes.get(index as usize).and_then(Option::as_ref),
            Found::Once => self.once.as_ref(),
        };
        code.map(|code| code.block.clone()).ok_or(Stop::Trap)
    }

    fn find_in(&mut self, cpu: &mut Cpu, single: bool) -> Result<Found, Stop> {
        let linear = cpu.linear_rip();
        if cpu.rip >= cpu.mode.cs_end || cpu.mode.cs_end == !0 && !cpu.is_canonical(linear) {
            return Err(cpu.gp(0));
        }
        if !single && let Some(index) = self.find_known(cpu, linear) {
            return Ok(Found::Kept(index));
        }
        let access = cpu.fetch_access();
        let (gpa, kind) = cpu.translate_kind(linear, access)?;
        let page = Fetched { linear, kind };
        let (memory, offset) = match cpu.view.locate(gpa, Permissions::EXECUTE) {
            Ok(mapping) => (&mapping.memory, mapping.offset + (gpa - mapping.gpa)),
            Err(fault) => return Err(cpu.ept_violation(fault, Ept::data(linear, access))),
        };
        let key = Key {
            memory: memory.id(),
            offset,
            decode: cpu.mode.decode,
            second: None,
        };
        if !single && let Some(&index) = self.index.get(&key) {
            let fits = self.codes[index as usize]
                .as_ref()
                .is_some_and(|code| code.fits(cpu));
            if fits {
                self.note_jump(cpu, index, &[page]);
                return Ok(Found::Kept(index));
            }
            // The code segment ends inside the block.
            return self.make_once(cpu, linear, gpa);
        }
        if single {
            return self.make_once(cpu, linear, gpa);
        }
        let memory = memory.clone();
        self.make(cpu, gpa, page, key, memory)
    }

    /// Finds a block by what the TLB knows of the page that it lies in, without a walk.
    fn find_known(&mut self, cpu: &mut Cpu, linear: u64) -> Option<u32> {
        let (memory, offset, kind) = cpu.view.code_at(cpu.mode.regime, linear)?;
        let key = Key {
            memory: memory.id(),
            offset,
            decode: cpu.mode.decode,
            second: None,
        };
        let &index = self.index.get(&key)?;
        let code = self.codes[index as usize].as_ref()?;
        if !code.fits(cpu) {
            return None;
        }
        self.note_jump(cpu, index, &[Fetched { linear, kind }]);
        Some(index)
    }

    /// From now on the jump cache leads from RIP to the block, which lies in these pages.
    fn note_jump(&mut self, cpu: &mut Cpu, index: u32, pages: &[Fetched]) {
        let Some(Some(code)) = self.codes.get_mut(index as usize) else {
            return;
        };
        for &page in pages {
            if cpu.contexts.note(cpu.mode.cpl == 3, page) {
                cpu.update_code_key(false);
            }
        }
        let slot = slot(cpu.rip);
        cpu.jumps.put(slot, cpu.rip, cpu.code_key, &code.block);
        if !code.slots.contains(&slot) {
            code.slots.push(slot);
        }
    }

    /// Decodes a block and keeps it.
    fn make(
        &mut self,
        cpu: &mut Cpu,
        gpa: u64,
        page: Fetched,
        key: Key,
        memory: Memory,
    ) -> Result<Found, Stop> {
        let linear = page.linear;
        if self.index.len() >= MOST {
            self.clear(cpu);
        }
        loop {
            let fetched = self.fetch(cpu, linear, gpa)?;
            let Some(code) = assemble(cpu, &self.bytes[..fetched], false) else {
                return self.make_crossing(cpu, gpa, page, key, memory);
            };
            let len = code.len;
            let first = match cpu.view.mark_code(gpa, len) {
                Ok(first) => first,
                Err(fault) => {
                    Self::discard(cpu, code);
                    return Err(cpu.ept_violation(fault, Ept::data(linear, cpu.fetch_access())));
                }
            };
            if first && cpu.view.refresh() {
                cpu.forget_derived();
            }
            // Somebody may have written the bytes before they were marked.
            let before = self.bytes[..len as usize].to_vec();
            let again = match self.fetch(cpu, linear, gpa) {
                Ok(again) => again,
                Err(stop) => {
                    Self::discard(cpu, code);
                    return Err(stop);
                }
            };
            if self.bytes[..again].get(..len as usize) != Some(&before[..]) {
                Self::discard(cpu, code);
                continue;
            }
            let index = self.keep(key, code);
            self.note_page(key, key.offset, len, memory);
            self.note_jump(cpu, index, &[page]);
            return Ok(Found::Kept(index));
        }
    }

    /// Decodes an instruction that lies on two pages, and keeps it. (What is no such instruction is left to [`Blocks::make_once`].)
    fn make_crossing(
        &mut self,
        cpu: &mut Cpu,
        gpa: u64,
        page: Fetched,
        key: Key,
        memory: Memory,
    ) -> Result<Found, Stop> {
        let linear = page.linear;
        let room = PAGE - linear % PAGE;
        if room >= INSTRUCTION || cpu.mode.cs_end - cpu.rip <= room {
            return self.make_once(cpu, linear, gpa);
        }
        let access = cpu.fetch_access();
        let behind = linear.wrapping_add(room) & cpu.mode.linear_mask;
        let (next, kind) = cpu.translate_kind(behind, access)?;
        let pages = [
            page,
            Fetched {
                linear: behind,
                kind,
            },
        ];
        let (memory2, offset2) = match cpu.view.locate(next, Permissions::EXECUTE) {
            Ok(mapping) => (
                mapping.memory.clone(),
                mapping.offset + (next - mapping.gpa),
            ),
            Err(fault) => return Err(cpu.ept_violation(fault, Ept::data(behind, access))),
        };
        let key = Key {
            second: Some((memory2.id(), offset2)),
            ..key
        };
        if let Some(&index) = self.index.get(&key) {
            self.note_jump(cpu, index, &pages);
            return Ok(Found::Kept(index));
        }
        // Marked before they are read: nobody can change them unnoticed.
        for (at, linear, len) in [(gpa, linear, room), (next, behind, INSTRUCTION - room)] {
            let marked = cpu.view.mark_code(at, len);
            let first =
                marked.map_err(|fault| cpu.ept_violation(fault, Ept::data(linear, access)))?;
            if first && cpu.view.refresh() {
                cpu.forget_derived();
            }
        }
        let Found::Once = self.make_once(cpu, linear, gpa)? else {
            return Ok(Found::Once);
        };
        let Some(code) = self.once.take_if(|code| code.len > room) else {
            return Ok(Found::Once);
        };
        let len = code.len;
        let index = self.keep(key, code);
        self.note_page(key, key.offset, room, memory);
        self.note_page(key, offset2, len - room, memory2);
        self.note_jump(cpu, index, &pages);
        Ok(Found::Kept(index))
    }

    fn keep(&mut self, key: Key, code: Code) -> u32 {
        let index = match self.free.pop() {
            Some(index) => {
                self.codes[index as usize] = Some(code);
                index
            }
            None => {
                self.codes.push(Some(code));
                self.codes.len() as u32 - 1
            }
        };
        self.index.insert(key, index);
        index
    }

    /// Remembers that a block has `len` bytes at `offset` of `memory`.
    fn note_page(&mut self, key: Key, offset: u64, len: u64, memory: Memory) {
        let lines = lines_of(offset % PAGE, len);
        let page = (memory.id(), offset & !(PAGE - 1));
        let page = self.pages.entry(page).or_insert_with(|| CodePage {
            memory,
            blocks: Vec::new(),
        });
        page.blocks.push((key, lines));
    }

    /// The bytes that were fetched last; an instruction that runs alone is at their start.
    pub(crate) fn fetched(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies what may belong to a block into `bytes`, up to the page's end.
    fn fetch(&mut self, cpu: &mut Cpu, linear: u64, gpa: u64) -> Result<usize, Stop> {
        self.bytes.resize(usize::from(LONGEST) * 8, 0);
        match cpu.view.fetch(gpa, &mut self.bytes) {
            Ok(len) => Ok(len),
            Err(fault) => {
                let access = cpu.fetch_access();
                Err(cpu.ept_violation(fault, Ept::data(linear, access)))
            }
        }
    }

    /// Decodes one instruction, which may lie on two pages, to be used once.
    fn make_once(&mut self, cpu: &mut Cpu, linear: u64, gpa: u64) -> Result<Found, Stop> {
        let fetched = self.fetch(cpu, linear, gpa)?;
        let mut code = assemble(cpu, &self.bytes[..fetched.min(INSTRUCTION as usize)], true);
        let room = PAGE - linear % PAGE;
        if code.is_none() && room < INSTRUCTION && cpu.mode.cs_end - cpu.rip > room {
            let access = cpu.fetch_access();
            let behind = linear.wrapping_add(room) & cpu.mode.linear_mask;
            let next = cpu.translate(behind, access)?;
            let mut more = [0; INSTRUCTION as usize];
            let got = cpu.view.fetch(next, &mut more);
            let got = got.map_err(|fault| cpu.ept_violation(fault, Ept::data(behind, access)))?;
            self.bytes.truncate(room as usize);
            self.bytes.extend_from_slice(&more[..got]);
            let most = self.bytes.len().min(INSTRUCTION as usize);
            code = assemble(cpu, &self.bytes[..most], true);
        }
        // Not decoded although all bytes were there: it is too long, or the code segment ends in it.
        self.once = Some(match code {
            Some(code) => code,
            None => return Err(cpu.gp(0)),
        });
        Ok(Found::Once)
    }

    /// Gives back what a block has that was decoded for nothing.
    fn discard(cpu: &mut Cpu, code: Code) {
        code.links
            .into_iter()
            .for_each(|link| cpu.links.release(link));
    }

    /// Drops blocks whose bytes were written.
    pub(crate) fn drop_stale(&mut self, cpu: &mut Cpu, stale: &[StaleCode]) {
        for written in stale {
            let Some(page) = self.pages.get_mut(&(written.memory, written.page)) else {
                continue;
            };
            let mut dead = Vec::new();
            page.blocks.retain(|&(key, lines)| {
                let hit = lines & written.lines != 0;
                if hit {
                    dead.push(key);
                }
                !hit
            });
            if page.blocks.is_empty() {
                self.pages.remove(&(written.memory, written.page));
            }
            dead.into_iter().for_each(|key| self.remove(cpu, key));
        }
    }

    fn remove(&mut self, cpu: &mut Cpu, key: Key) {
        if let Some(index) = self.index.remove(&key)
            && let Some(code) = self.codes.get_mut(index as usize)
            && let Some(code) = code.take()
        {
            let slots = code.slots.iter();
            slots.for_each(|&slot| cpu.jumps.forget(slot, &code.block));
            let incoming = code.incoming.iter();
            incoming.for_each(|&link| cpu.links.cut(link, &code.block));
            self.free.push(index);
            Self::discard(cpu, code);
        }
    }

    /// Drops blocks in memory that is not mapped any more.
    pub(crate) fn drop_unmapped(&mut self, cpu: &mut Cpu, is_mapped: impl Fn(usize) -> bool) {
        let mut dead = Vec::new();
        self.pages.retain(|&(memory, _), page| {
            debug_assert_eq!(memory, page.memory.id());
            let keep = is_mapped(memory);
            if !keep {
                dead.extend(page.blocks.iter().map(|&(key, _)| key));
            }
            keep
        });
        dead.into_iter().for_each(|key| self.remove(cpu, key));
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, cpu: &mut Cpu) {
        cpu.jumps.clear();
        cpu.links.clear();
        self.codes.clear();
        self.free.clear();
        self.index.clear();
        self.pages.clear();
        self.once = None;
    }
}

impl Code {
    /// Whether all of it lies inside the code segment.
    fn fits(&self, cpu: &Cpu) -> bool {
        cpu.rip.saturating_add(self.len) <= cpu.mode.cs_end
    }
}

// SAFETY: steps get no `Blocks`, which alone changes `Cpu::jumps` and `Cpu::links`.
unsafe impl Chain for Cpu {
    #[inline(always)]
    fn may_go_on(&mut self) -> bool {
        self.has_budget()
    }

    #[inline(always)]
    fn chain(&mut self) -> Option<Start<'_, Self>> {
        self.gpr[usize::from(RIP)] = self.rip;
        self.jumps.find(slot(self.rip), self.rip, self.code_key)
    }

    #[inline(always)]
    fn links(&mut self) -> &mut Links<Self> {
        &mut self.links
    }
}

impl Cpu {
    /// Finds the key of the code that runs: after a change of what [`Context`] has, or when translations were `forgotten`.
    pub(crate) fn update_code_key(&mut self, forgotten: bool) {
        if forgotten {
            self.contexts.forget_all(self.cr4 & Cr::CR4_PGE != 0);
        }
        self.code_key = self.contexts.key(Context {
            cs_base: self.mode.cs_base,
            cs_end: self.mode.cs_end,
            decode: self.mode.decode,
            user: self.mode.cpl == 3,
        });
    }

    /// Linear address of the next instruction.
    pub(crate) fn linear_rip(&self) -> u64 {
        self.mode.cs_base.wrapping_add(self.rip) & self.mode.linear_mask
    }

    fn fetch_access(&self) -> Access {
        Access {
            fetch: true,
            user: self.mode.cpl == 3,
            ..Access::default()
        }
    }
}

/// Decodes the block that `bytes` begin with, or a single instruction. `None` if not even one instruction is complete (or inside the code
/// segment).
fn assemble(cpu: &mut Cpu, bytes: &[u8], single: bool) -> Option<Code> {
    let inside = cpu.mode.cs_end - cpu.rip;
    let bytes = &bytes[..bytes
        .len()
        .min(usize::try_from(inside).unwrap_or(usize::MAX))];
    let bits = cpu.mode.code.bits();
    let mut decoder = Decoder::with_ip(bits, bytes, 0, DecoderOptions::NONE);
    let start = (cpu.linear_rip() % PAGE) as u16;
    let mut assembler = Assembler::new(cpu.mode, &mut cpu.links, start, single);
    let mut instruction = Instruction::default();
    let mut at = 0;
    let most = if single { 1 } else { LONGEST };
    while assembler.count() < most {
        if !decoder.can_decode() {
            break;
        }
        decoder.decode_out(&mut instruction);
        // The decoder calls it invalid to be longer than 15 bytes; for a CPU that is #GP(0).
        let too_long = instruction.is_invalid() && decoder.position() - at >= INSTRUCTION as usize;
        if too_long || decoder.last_error() == DecoderError::NoMoreBytes {
            break;
        }
        if fpu::is_x87(instruction.code()) {
            assembler.note_x87(&bytes[at..decoder.position()]);
        }
        assembler.instruction(&instruction, at as u16);
        at = decoder.position();
        if assembler.has_ended() {
            break;
        }
    }
    if assembler.count() == 0 {
        return None;
    }
    if !assembler.has_ended() {
        assembler.go_on(at as u16);
    }
    let (ops, links) = assembler.finish();
    Some(Code {
        block: Rc::new(Block::new(ops)?),
        len: at as u64,
        slots: Vec::new(),
        links,
        incoming: Vec::new(),
    })
}
