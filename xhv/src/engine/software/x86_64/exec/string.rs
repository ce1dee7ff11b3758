//! MOVS STOS LODS SCAS CMPS, with their repeat prefixes.
//!
//! Repetitions are interruptible: registers but flags are exact after each element, and an instruction that has to let others in ends its
//! block with RIP on itself. MOVS and STOS upwards go page by page where the TLB knows both pages.

use iced_x86::{Code, Instruction, OpKind};

use super::alu::{Cmp, binary};
use super::{Int, width};
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::Operation;
use crate::engine::software::x86_64::cpu::{Cpu, Seg};
use crate::engine::software::x86_64::decode::{Assembler, segment_number};
use crate::engine::software::x86_64::flags::Rflags;
use crate::engine::software::x86_64::mode::{MASKS, Size};
use crate::memory::PAGE;

/// One of the five instructions.
trait Element: 'static {
    /// Uses (E/R)SI, and (E/R)DI.
    const SOURCE: bool;
    const TARGET: bool;
    /// Whether REPE and REPNE look at ZF.
    const COMPARES: bool;
    /// One element.
    fn once<T: Int>(cpu: &mut Cpu, seg: Seg, si: u64, di: u64) -> Result<(), Stop>;
    /// Many elements upwards, from within one page each; answers how many.
    fn many<T: Int>(_: &mut Cpu, _: Seg, _si: u64, _di: u64, _count: u64) -> Option<u64> {
        None
    }
}

struct Movs;
struct Stos;
struct Lods;
struct Scas;
struct Cmps;

impl Cpu {
    /// The linear address of up to `count` elements of `size` bytes at an offset, and how many of them lie in its page, if the fast path may
    /// access the segment there.
    fn run_of(&self, seg: Seg, offset: u64, size: u64, count: u64, write: bool) -> (u64, u64) {
        let span = &self.spans[seg as usize];
        let end = if write { span.write } else { span.read };
        let linear = span.base.wrapping_add(offset) & self.mode.linear_mask;
        let in_page = (PAGE - linear % PAGE) / size;
        let in_segment = end.saturating_sub(offset) / size;
        (linear, count.min(in_page).min(in_segment))
    }
}

impl Element for Movs {
    const SOURCE: bool = true;
    const TARGET: bool = true;
    const COMPARES: bool = false;

    fn once<T: Int>(cpu: &mut Cpu, seg: Seg, si: u64, di: u64) -> Result<(), Stop> {
        let value = cpu.load::<Slow, T>(seg, si)?;
        cpu.store::<Slow, T>(Seg::Es, di, value)
    }

    fn many<T: Int>(cpu: &mut Cpu, seg: Seg, si: u64, di: u64, count: u64) -> Option<u64> {
        let (from, n) = cpu.run_of(seg, si, T::SIZE, count, false);
        let (to, n) = cpu.run_of(Seg::Es, di, T::SIZE, n, true);
        cpu.view
            .copy(cpu.mode.regime, to, from, n * T::SIZE, T::SIZE)?;
        Some(n)
    }
}

impl Element for Stos {
    const SOURCE: bool = false;
    const TARGET: bool = true;
    const COMPARES: bool = false;

    fn once<T: Int>(cpu: &mut Cpu, _: Seg, _: u64, di: u64) -> Result<(), Stop> {
        let value = T::get(cpu, 0);
        cpu.store::<Slow, T>(Seg::Es, di, value)
    }

    fn many<T: Int>(cpu: &mut Cpu, _: Seg, _: u64, di: u64, count: u64) -> Option<u64> {
        let (to, n) = cpu.run_of(Seg::Es, di, T::SIZE, count, true);
        let value = T::get(cpu, 0);
        cpu.view.fill_with(cpu.mode.regime, to, n, value)?;
        Some(n)
    }
}

impl Element for Lods {
    const SOURCE: bool = true;
    const TARGET: bool = false;
    const COMPARES: bool = false;

    fn once<T: Int>(cpu: &mut Cpu, seg: Seg, si: u64, _: u64) -> Result<(), Stop> {
        let value = cpu.load::<Slow, T>(seg, si)?;
        T::put(cpu, 0, value);
        Ok(())
    }
}

impl Element for Scas {
    const SOURCE: bool = false;
    const TARGET: bool = true;
    const COMPARES: bool = true;

    fn once<T: Int>(cpu: &mut Cpu, _: Seg, _: u64, di: u64) -> Result<(), Stop> {
        let value = cpu.load::<Slow, T>(Seg::Es, di)?;
        let accumulator = T::get(cpu, 0);
        binary::<Cmp, T>(cpu, accumulator, value, 0);
        Ok(())
    }
}

impl Element for Cmps {
    const SOURCE: bool = true;
    const TARGET: bool = true;
    const COMPARES: bool = true;

    fn once<T: Int>(cpu: &mut Cpu, seg: Seg, si: u64, di: u64) -> Result<(), Stop> {
        let a = cpu.load::<Slow, T>(seg, si)?;
        let b = cpu.load::<Slow, T>(Seg::Es, di)?;
        binary::<Cmp, T>(cpu, a, b, 0);
        Ok(())
    }
}

/// Repeat prefixes, in `r[0]`.
const REPEAT: u8 = 1;
const REPEAT_NOT_EQUAL: u8 = 2;
/// Elements, or pages of them, after which a repetition lets the world look at its timers.
const TURNS: u32 = 1024;

/// Writes the low bits of a register that the address size covers: a doubleword clears the rest.
pub(crate) fn put_masked(cpu: &mut Cpu, number: usize, size: u8, value: u64) {
    let old = cpu.gpr[number & 31];
    cpu.gpr[number & 31] = match size {
        0 => (old & !0xffff) | (value & 0xffff),
        1 => value & 0xffff_ffff,
        _ => value,
    };
}

/// Moves the index registers by `count` elements.
fn advance<E: Element, T: Int>(cpu: &mut Cpu, size: u8, count: u64) {
    let by = count.wrapping_mul(T::SIZE);
    let by = if cpu.lazy.system & Rflags::DF == 0 {
        by
    } else {
        by.wrapping_neg()
    };
    if E::SOURCE {
        let value = cpu.gpr[6].wrapping_add(by);
        put_masked(cpu, 6, size, value);
    }
    if E::TARGET {
        let value = cpu.gpr[7].wrapping_add(by);
        put_masked(cpu, 7, size, value);
    }
}

fn string<E: Element, T: Int>(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, seg) = (op.x[1], cpu.seg_of(op));
    let mask = MASKS[usize::from(size & 3)];
    if op.r[0] == 0 {
        E::once::<T>(cpu, seg, cpu.gpr[6] & mask, cpu.gpr[7] & mask)?;
        advance::<E, T>(cpu, size, 1);
        return Ok(Flow::Next);
    }
    // Whoever gets to see the guest in between, by a fault, trap or interrupt, finds the flags from before the instruction (SDM vol. 2, REP; for
    // traps as processors do it).
    let before = cpu.lazy;
    for turn in 0.. {
        let count = cpu.gpr[1] & mask;
        if count == 0 {
            return Ok(Flow::Next);
        }
        let done = repeat::<E, T>(cpu, seg, mask, count).inspect_err(|_| cpu.lazy = before)?;
        advance::<E, T>(cpu, size, done);
        put_masked(cpu, 1, size, count.wrapping_sub(done));
        if E::COMPARES && cpu.lazy.zf() == (op.r[0] == REPEAT_NOT_EQUAL) || done == count {
            return Ok(Flow::Next);
        }
        if cpu.code_hit || cpu.is_wanted() || turn > TURNS {
            // Others first: RIP stays here. The instruction is not over, so it does not count.
            cpu.lazy = before;
            cpu.code_hit = false;
            cpu.midway = true;
            cpu.grant(0);
            cpu.unretire();
            return Ok(Flow::End);
        }
    }
    Ok(Flow::Next)
}

/// Does some elements, one at least; answers how many.
fn repeat<E: Element, T: Int>(cpu: &mut Cpu, seg: Seg, mask: u64, count: u64) -> Result<u64, Stop> {
    let (si, di) = (cpu.gpr[6] & mask, cpu.gpr[7] & mask);
    let up = cpu.lazy.system & Rflags::DF == 0;
    if up && count > 1 && !cpu.is_wanted() {
        // No index may wrap on the way.
        let room = |index: u64| (mask - index) / T::SIZE;
        let most = count.min(room(si)).min(room(di));
        if let Some(done) = E::many::<T>(cpu, seg, si, di, most).filter(|&done| done > 0) {
            return Ok(done);
        }
    }
    E::once::<T>(cpu, seg, si, di)?;
    Ok(1)
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    use Code::{
        Cmpsb_m8_m8, Cmpsd_m32_m32, Cmpsq_m64_m64, Cmpsw_m16_m16, Lodsb_AL_m8, Lodsd_EAX_m32,
        Lodsq_RAX_m64, Lodsw_AX_m16, Movsb_m8_m8, Movsd_m32_m32, Movsq_m64_m64, Movsw_m16_m16,
        Scasb_AL_m8, Scasd_EAX_m32, Scasq_RAX_m64, Scasw_AX_m16, Stosb_m8_AL, Stosd_m32_EAX,
        Stosq_m64_RAX, Stosw_m16_AX,
    };
    match i.code() {
        Movsb_m8_m8 | Movsw_m16_m16 | Movsd_m32_m32 | Movsq_m64_m64 => emit::<Movs>(i, a),
        Stosb_m8_AL | Stosw_m16_AX | Stosd_m32_EAX | Stosq_m64_RAX => emit::<Stos>(i, a),
        Lodsb_AL_m8 | Lodsw_AX_m16 | Lodsd_EAX_m32 | Lodsq_RAX_m64 => emit::<Lods>(i, a),
        Scasb_AL_m8 | Scasw_AX_m16 | Scasd_EAX_m32 | Scasq_RAX_m64 => emit::<Scas>(i, a),
        Cmpsb_m8_m8 | Cmpsw_m16_m16 | Cmpsd_m32_m32 | Cmpsq_m64_m64 => emit::<Cmps>(i, a),
        _ => return false,
    }
    true
}

fn emit<E: Element>(i: &Instruction, a: &mut Assembler) {
    let op = width!(i.memory_size().size(), T => a.complex(i, string::<E, T>));
    string_operands(i, op);
}

/// Fills in repeat prefix (`r[0]`), segment and address size of a string instruction.
pub(crate) fn string_operands(i: &Instruction, op: &mut Operation) {
    op.r[0] = if i.has_repne_prefix() {
        REPEAT_NOT_EQUAL
    } else if i.has_repe_prefix() || i.has_rep_prefix() {
        REPEAT
    } else {
        0
    };
    op.x[0] = segment_number(i.memory_segment());
    op.x[1] = address_size(i) as u8;
}

fn address_size(i: &Instruction) -> Size {
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI => return Size::Bits16,
            OpKind::MemorySegESI | OpKind::MemorySegEDI | OpKind::MemoryESEDI => {
                return Size::Bits32;
            }
            _ => {}
        }
    }
    Size::Bits64
}
