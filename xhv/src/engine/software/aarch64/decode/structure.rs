//! SIMD structure loads and stores (Arm DDI 0487, C4.1: 0x00 with V).

use super::super::access::iss;
use super::super::cpu::{Mode, SP};
use super::super::exec::memory::StackMisaligned;
use super::super::exec::structure::{
    LoadElement, LoadReplicate, LoadReplicateOne, LoadStructures, StoreElement, StoreStructures,
};
use super::memory::Operands;
use super::{Assembler, FP_TRAP, Outcome, source};
use crate::aarch64::instructions::{SimdMultiple, SimdMultiplePost, SimdSingle, SimdSinglePost};

/// Which base update: none, or by a register (31: by the size of the access).
type Post = Option<u32>;

/// Fills in the post-index: `r[2]` is the register, or `disp` the amount; `len` is set if there is any.
fn post_index(operands: &mut Operands, post: Post, bytes: u32) {
    match post {
        None => {}
        Some(31) => {
            operands.len = 1;
            operands.disp = bytes as i32;
            operands.r[2] = super::ZERO;
        }
        Some(register) => {
            operands.len = 1;
            operands.r[2] = source(register);
        }
    }
}

/// Checks common to all, and operands that do not depend on the form. `Err` is how decoding ended.
fn begin(
    asm: &mut Assembler<'_>,
    load: bool,
    rn: u32,
    rt: u32,
    size: u32,
) -> Result<Operands, Outcome> {
    if !asm.mode.has(Mode::FP) {
        return Err(asm.raise(FP_TRAP));
    }
    if asm.mode.has(Mode::SP_FAULT) && rn == u32::from(SP) {
        asm.push::<StackMisaligned>();
        return Err(Outcome::End);
    }
    Ok(Operands {
        r: [rt as u8, rn as u8, 0, 0, 0],
        regime: asm.mode.regime(),
        align: 1 << size,
        iss: if load { 0 } else { iss::WNR },
        ..Operands::default()
    })
}

pub(super) fn multiple(asm: &mut Assembler<'_>, i: SimdMultiple) -> Outcome {
    whole(
        asm,
        (i.l(), i.q()),
        i.opcode(),
        i.size(),
        (i.rn(), i.rt()),
        None,
    )
}

pub(super) fn multiple_post(asm: &mut Assembler<'_>, i: SimdMultiplePost) -> Outcome {
    let post = Some(i.rm());
    whole(
        asm,
        (i.l(), i.q()),
        i.opcode(),
        i.size(),
        (i.rn(), i.rt()),
        post,
    )
}

fn whole(
    asm: &mut Assembler<'_>,
    (load, q): (bool, bool),
    opcode: u32,
    size: u32,
    (rn, rt): (u32, u32),
    post: Post,
) -> Outcome {
    let (registers, elements) = match opcode {
        0b0000 => (4, 4),
        0b0010 => (4, 1),
        0b0100 => (3, 3),
        0b0110 => (3, 1),
        0b0111 => (1, 1),
        0b1000 => (2, 2),
        0b1010 => (2, 1),
        _ => return Outcome::Undefined,
    };
    if size == 3 && !q && elements > 1 {
        return Outcome::Undefined;
    }
    let mut operands = match begin(asm, load, rn, rt, size) {
        Ok(operands) => operands,
        Err(outcome) => return outcome,
    };
    post_index(&mut operands, post, registers * if q { 16 } else { 8 });
    operands.r[3] = registers as u8;
    operands.r[4] = elements;
    operands.extend = size as u8 | u8::from(q) << 2;
    operands.apply(if load {
        asm.push::<LoadStructures>()
    } else {
        asm.push::<StoreStructures>()
    });
    Outcome::Next
}

pub(super) fn single(asm: &mut Assembler<'_>, i: SimdSingle) -> Outcome {
    let place = (i.opcode(), i.s(), i.size(), i.q());
    element(asm, (i.l(), i.r()), place, (i.rn(), i.rt()), None)
}

pub(super) fn single_post(asm: &mut Assembler<'_>, i: SimdSinglePost) -> Outcome {
    let place = (i.opcode(), i.s(), i.size(), i.q());
    element(asm, (i.l(), i.r()), place, (i.rn(), i.rt()), Some(i.rm()))
}

fn element(
    asm: &mut Assembler<'_>,
    (load, r): (bool, bool),
    (opcode, s, size, q): (u32, bool, u32, bool),
    (rn, rt): (u32, u32),
    post: Post,
) -> Outcome {
    let registers = (opcode & 1) << 1 | u32::from(r);
    let registers = registers + 1;
    let (high, bit) = (u32::from(q) << 3, u32::from(s) << 2);
    // Scale and index of the element, by the pseudocode of LD1 (single structure).
    let (scale, index) = match (opcode >> 1, size) {
        (0, _) => (0, high | bit | size),
        (1, 0 | 2) => (1, (high | bit | size) >> 1),
        (2, 0) => (2, (high | bit) >> 2),
        (2, 1) if !s => (3, high >> 3),
        (3, _) if load && !s => (size, 0),
        _ => return Outcome::Undefined,
    };
    let mut operands = match begin(asm, load, rn, rt, scale) {
        Ok(operands) => operands,
        Err(outcome) => return outcome,
    };
    post_index(&mut operands, post, registers << scale);
    operands.r[3] = registers as u8;
    operands.r[4] = index as u8;
    operands.extend = scale as u8 | u8::from(q) << 2;
    operands.apply(match (opcode >> 1, load) {
        (3, _) if registers == 1 => match scale {
            0 => asm.push::<LoadReplicateOne<u8>>(),
            1 => asm.push::<LoadReplicateOne<u16>>(),
            2 => asm.push::<LoadReplicateOne<u32>>(),
            _ => asm.push::<LoadReplicateOne<u64>>(),
        },
        (3, _) => asm.push::<LoadReplicate>(),
        (_, true) => asm.push::<LoadElement>(),
        (_, false) => asm.push::<StoreElement>(),
    });
    Outcome::Next
}
