//! BOUND XLAT NOP PAUSE, fences, prefetches, cache-line hints, RDRAND and RDSEED.

use core::sync::atomic::{Ordering, fence};
use iced_x86::{Instruction, Mnemonic};

use super::{Int, wide};
use crate::engine::software::dispatch::{Flow, Slow};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::Operation;
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, gpr_number, operand_size};
use crate::engine::software::x86_64::flags::Rflags;
use crate::engine::software::x86_64::mode::MASKS;

fn bound<T: Int>(cpu: &mut Cpu, op: &Operation) -> Done {
    let (offset, seg) = (cpu.ea(op), cpu.seg_of(op));
    let mask = MASKS[usize::from(op.x[1] & 3)];
    let lower = cpu.load::<Slow, T>(seg, offset)?.signed();
    let upper = cpu
        .load::<Slow, T>(seg, offset.wrapping_add(T::SIZE) & mask)?
        .signed();
    let index = T::get(cpu, op.r[0]).signed();
    if index < lower || index > upper {
        return Err(cpu.br());
    }
    Ok(Flow::Next)
}

fn xlat(cpu: &mut Cpu, op: &Operation) -> Done {
    let offset = cpu.gpr[3].wrapping_add(cpu.gpr[0] & 0xff) & MASKS[usize::from(op.x[1] & 3)];
    let value = cpu.load::<Slow, u8>(cpu.seg_of(op), offset)?;
    u8::put(cpu, 0, value);
    Ok(Flow::Next)
}

fn nothing(_: &mut Cpu, _: &Operation) -> Done {
    Ok(Flow::Next)
}

fn memory_fence(_: &mut Cpu, _: &Operation) -> Done {
    fence(Ordering::SeqCst);
    Ok(Flow::Next)
}

/// CLFLUSH and its like: caches are not modelled, but the line has to be readable.
fn flush_line(cpu: &mut Cpu, op: &Operation) -> Done {
    let offset = cpu.ea(op);
    cpu.load::<Slow, u8>(cpu.seg_of(op), offset)?;
    Ok(Flow::Next)
}

impl Cpu {
    /// 64 random bits: from the host, or from the seed (xorshift64*) so that a run can be repeated.
    pub(crate) fn random(&mut self) -> u64 {
        if self.seed == 0 {
            use std::hash::{BuildHasher, Hasher};
            let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
            hasher.write_u64(self.retired());
            return hasher.finish();
        }
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// RDRAND and RDSEED: always succeed, with CF = 1 and the other status flags clear.
pub(crate) fn random<T: Int>(cpu: &mut Cpu, op: &Operation) -> Done {
    let value = T::narrow(cpu.random());
    T::put(cpu, op.r[0], value);
    cpu.lazy.set_status(Rflags::CF);
    Ok(Flow::Next)
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Bound => {
            let op = if operand_size(i, 0) == 2 {
                a.complex(i, bound::<u16>)
            } else {
                a.complex(i, bound::<u32>)
            };
            op.r[0] = gpr_number(i.op0_register());
        }
        Mnemonic::Xlatb => xlatb(i, a),
        Mnemonic::Nop | Mnemonic::Endbr32 | Mnemonic::Endbr64 | Mnemonic::Pause => {
            a.complex(i, nothing);
        }
        Mnemonic::Prefetcht0
        | Mnemonic::Prefetcht1
        | Mnemonic::Prefetcht2
        | Mnemonic::Prefetchnta
        | Mnemonic::Prefetch
        | Mnemonic::Prefetchw
        | Mnemonic::Prefetchwt1
        | Mnemonic::Cldemote => {
            a.complex(i, nothing);
        }
        Mnemonic::Lfence | Mnemonic::Sfence | Mnemonic::Mfence => {
            a.complex(i, memory_fence);
        }
        Mnemonic::Clflush | Mnemonic::Clflushopt | Mnemonic::Clwb => {
            a.complex(i, flush_line);
        }
        Mnemonic::Rdrand | Mnemonic::Rdseed => {
            let op = wide!(operand_size(i, 0), T => a.complex(i, random::<T>));
            op.r[0] = gpr_number(i.op0_register());
        }
        _ if is_reserved_nop(i) => {
            a.complex(i, nothing);
        }
        _ => return false,
    }
    true
}

/// The encodings that are reserved for hints: NOPs with an operand that is not accessed. Some have got a meaning with features
/// that are not offered.
fn is_reserved_nop(i: &Instruction) -> bool {
    matches!(
        i.mnemonic(),
        Mnemonic::Reservednop
            | Mnemonic::Rdsspd
            | Mnemonic::Rdsspq
            | Mnemonic::Prefetchit0
            | Mnemonic::Prefetchit1
    )
}

fn xlatb(i: &Instruction, a: &mut Assembler) {
    // The operand is base (R/E)BX plus index AL: only its segment and size are of use here.
    let size = match i.memory_base().size() {
        2 => 0,
        4 => 1,
        _ => 2,
    };
    let segment = crate::engine::software::x86_64::decode::segment_number(i.memory_segment());
    let op = a.complex(i, xlat);
    op.x[0] = segment;
    op.x[1] = size;
}
