//! The cache of decoded blocks: by place in memory and mode for good, by virtual address for the next look-up.
//!
//! Blocks belong to a place in a [`Memory`], so that they outlive changes of the page tables. What leads from a virtual address to a
//! block, the jump cache (`Cpu::jumps`), is only good for one *generation* of the CPU's translations.
#![allow(unsafe_code)] // Promises `Chain` that no step changes jump cache or links: only `Blocks`, which steps cannot reach, does.

use core::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use super::access::{exit, iss, stage2_status};
use super::cpu::{Cpu, Exception, Mode, Trap, regime};
use super::decode::{self, Made};
use super::exception::class;
use super::mmu::Access;
use crate::engine::software::dispatch::{Block, Chain, Jumps, Links, Near, Start, Wanted};
use crate::engine::software::memory::{Mapping, lines_of};
use crate::memory::{Memory, PAGE, Permissions};

/// Instructions in a page.
const PER_PAGE: u64 = PAGE / 4;
/// Entries of the look-up of code pages, a power of two.
const PAGES: usize = 64;
/// Blocks that are kept at most; with more, all are dropped.
const MOST: usize = if cfg!(test) { 1 << 10 } else { 1 << 16 };
/// Bytes of code in the longest block.
const LONGEST: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct CodePage {
    va: u64,
    key: u64,
    ipa: u64,
}

/// Where a block was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    memory: usize,
    offset: u64,
    mode: Mode,
}

/// Multiplication is enough for addresses.
#[derive(Clone, Copy, Debug, Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(26) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<PlaceHasher>>;

#[derive(Debug)]
struct Decoded {
    block: Rc<Block<Cpu>>,
    place: Place,
    /// 64-byte lines of the page that it was decoded from.
    lines: u64,
    /// The links of its branches.
    links: Vec<Near>,
    /// Links that may lead to it.
    incoming: RefCell<Vec<Near>>,
}

/// The blocks of one page; the handle keeps the memory's identity from being used again.
#[derive(Debug)]
struct Page {
    _memory: Memory,
    blocks: Vec<Rc<Decoded>>,
}

/// All decoded blocks of a vCPU.
#[derive(Debug)]
pub(crate) struct Blocks {
    code_pages: Box<[CodePage; PAGES]>,
    places: Map<Place, Rc<Decoded>>,
    pages: Map<(usize, u64), Page>,
}

/// A page of code: its mapping and where it is.
struct Found {
    memory: Memory,
    offset: u64,
    ipa: u64,
}

/// Where the jump cache keeps what `pc` leads to.
#[inline(always)]
fn slot(pc: u64) -> u64 {
    pc >> 2
}

// SAFETY: steps get no `Blocks`, which alone changes `Cpu::jumps` and `Cpu::links`.
unsafe impl Chain for Cpu {
    #[inline(always)]
    fn may_go_on(&mut self) -> bool {
        self.patience = self.patience.wrapping_sub(1);
        self.patience > 0
    }

    #[inline(always)]
    fn chain(&mut self) -> Option<Start<'_, Self>> {
        self.jumps.find(slot(self.pc), self.pc, self.key(self.pc))
    }

    #[inline(always)]
    fn links(&mut self) -> &mut Links<Self> {
        &mut self.links
    }
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self {
            code_pages: Box::new([CodePage::default(); PAGES]),
            places: Map::default(),
            pages: Map::default(),
        }
    }

    /// The block at the program counter, decoded if need be; an exception or exit if there is no code. If a branch there has found its
    /// link cut, that is mended.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(
        &mut self,
        cpu: &mut Cpu,
        wanted: Option<Wanted>,
    ) -> Result<Rc<Block<Cpu>>, Trap> {
        cpu.pc = cpu.context.untagged(cpu.pc);
        if cpu.pc & 3 != 0 {
            return Err(Trap::Exception(Exception {
                syndrome: class::PC_ALIGNMENT,
                far: Some(cpu.pc),
            }));
        }
        let found = self.page(cpu)?;
        let place = Place {
            memory: found.memory.id(),
            offset: found.offset,
            mode: cpu.mode,
        };
        let decoded = match self.places.get(&place) {
            Some(decoded) => decoded.clone(),
            None => self.decode(cpu, &found, place)?,
        };
        let (pc, key) = (cpu.pc, cpu.key(cpu.pc));
        cpu.jumps.put(slot(pc), pc, key, &decoded.block);
        let mended = wanted.and_then(|wanted| cpu.links.mend(wanted, &decoded.block));
        if let Some(link) = mended {
            let mut incoming = decoded.incoming.borrow_mut();
            if !incoming.contains(&link) {
                incoming.push(link);
            }
        }
        Ok(decoded.block.clone())
    }

    /// Translates the program counter.
    fn page(&mut self, cpu: &mut Cpu) -> Result<Found, Trap> {
        let (va, key) = (cpu.pc & !(PAGE - 1), cpu.key(cpu.pc));
        let cached = &mut self.code_pages[(va / PAGE) as usize % PAGES];
        let ipa = if cached.va == va && cached.key == key {
            cached.ipa | cpu.pc & (PAGE - 1)
        } else {
            let regime = if cpu.pstate.el1 {
                regime::EL1
            } else {
                regime::EL0
            };
            let found = cpu
                .translate(cpu.pc, Access::Execute, regime, true)
                .map_err(|fault| {
                    let status = u64::from(fault.status);
                    let syndrome = class::INSTRUCTION_ABORT_LOWER | status;
                    match fault.walk {
                        Some(ipa) => exit(syndrome | iss::S1PTW, cpu.pc, ipa),
                        None => Trap::Exception(Exception {
                            syndrome,
                            far: Some(cpu.pc),
                        }),
                    }
                })?;
            *cached = CodePage {
                va,
                key,
                ipa: found.ipa & !(PAGE - 1),
            };
            found.ipa
        };
        match cpu.view.locate(ipa, Permissions::EXECUTE) {
            Ok(Mapping {
                memory,
                offset,
                gpa,
                ..
            }) => Ok(Found {
                memory: memory.clone(),
                offset: offset + (ipa - gpa),
                ipa,
            }),
            Err(fault) => {
                let status = u64::from(stage2_status(&fault));
                Err(exit(class::INSTRUCTION_ABORT_LOWER | status, cpu.pc, ipa))
            }
        }
    }

    fn decode(&mut self, cpu: &mut Cpu, found: &Found, place: Place) -> Result<Rc<Decoded>, Trap> {
        if self.places.len() >= MOST {
            self.clear(cpu);
        }
        let fault = |cpu: &Cpu| {
            let syndrome = class::INSTRUCTION_ABORT_LOWER | 0b11 | 0b100;
            exit(syndrome, cpu.pc, found.ipa)
        };
        let (mut words, mut len) = ([0_u32; LONGEST / 4], 0);
        fetch(cpu, found.ipa, &mut words, &mut len).ok_or_else(|| fault(cpu))?;
        loop {
            let start = found.offset % PAGE;
            let made = decode::block(&words[..len], cpu.mode, &mut cpu.links, start)
                .ok_or_else(|| fault(cpu))?;
            let bytes = 4 * made.words as u64;
            let mut again = words;
            let marked = cpu.view.mark_code(found.ipa, bytes);
            let same = marked.ok().and_then(|first| {
                if first && cpu.view.refresh() {
                    cpu.code_changed();
                }
                fetch(cpu, found.ipa, &mut again, &mut len)?;
                let covered = made.words.min(len);
                Some(again[..covered] == words[..covered])
            });
            if same == Some(true) {
                return Ok(self.insert(found, place, made));
            }
            release(cpu, &made.links);
            if same.is_none() {
                return Err(fault(cpu));
            }
            // Code that has changed since it was fetched, before the marks: once more.
            words = again;
        }
    }

    fn insert(&mut self, found: &Found, place: Place, made: Made) -> Rc<Decoded> {
        let decoded = Rc::new(Decoded {
            block: Rc::new(made.block),
            place,
            lines: lines_of(found.offset % PAGE, 4 * made.words as u64),
            links: made.links,
            incoming: RefCell::default(),
        });
        self.places.insert(place, decoded.clone());
        let page = (place.memory, found.offset & !(PAGE - 1));
        let entry = self.pages.entry(page).or_insert_with(|| Page {
            _memory: found.memory.clone(),
            blocks: Vec::new(),
        });
        entry.blocks.push(decoded.clone());
        decoded
    }

    fn clear(&mut self, cpu: &mut Cpu) {
        cpu.jumps.clear();
        cpu.links.clear();
        self.places.clear();
        self.pages.clear();
        cpu.code_changed();
    }

    /// Drops blocks whose code was written.
    pub(crate) fn drop_stale(&mut self, cpu: &mut Cpu) {
        for stale in cpu.view.slot().take_stale() {
            let Some(page) = self.pages.get_mut(&(stale.memory, stale.page)) else {
                continue;
            };
            page.blocks.retain(|decoded| {
                let hit = decoded.lines & stale.lines != 0;
                if hit {
                    self.places.remove(&decoded.place);
                    // Every address of the block has the same offset in its page: few entries can lead to it.
                    let low = decoded.place.offset / 4 % PER_PAGE;
                    for at in (low..Jumps::<Cpu>::ENTRIES).step_by(PER_PAGE as usize) {
                        cpu.jumps.forget(at, &decoded.block);
                    }
                    let incoming = decoded.incoming.borrow();
                    incoming
                        .iter()
                        .for_each(|&link| cpu.links.cut(link, &decoded.block));
                    release(cpu, &decoded.links);
                }
                !hit
            });
        }
    }

    /// Drops the blocks of memory that is not mapped any more.
    pub(crate) fn drop_unmapped(&mut self, cpu: &mut Cpu) {
        let mappings = cpu.view.space().mappings();
        let mapped = |memory: usize| mappings.iter().any(|range| range.memory.id() == memory);
        if self.pages.keys().any(|&(memory, _)| !mapped(memory)) {
            self.clear(cpu);
        }
    }
}

/// Gives back the links of a block that is no more.
fn release(cpu: &mut Cpu, links: &[Near]) {
    links.iter().for_each(|&link| cpu.links.release(link));
}

/// Fetches words up to the end of the page.
fn fetch(cpu: &Cpu, ipa: u64, words: &mut [u32; LONGEST / 4], len: &mut usize) -> Option<()> {
    let mut bytes = [0; LONGEST];
    let got = cpu.view.fetch(ipa, &mut bytes).ok()?;
    *len = got / 4;
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    Some(())
}
