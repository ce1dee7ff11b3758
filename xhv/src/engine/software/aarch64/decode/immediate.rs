//! Data processing with immediates (Arm DDI 0487, C4.1: 100x).

use super::super::cpu::SP;
use super::super::exec::alu::{
    Add, Adds, Adr, AluSp, And, Ands, Binary, Eor, Move, MoveKeep, Orr, SetImm, Subs,
};
use super::super::exec::bits::{
    ExtractPair, ExtractUnsigned, FieldInsert, FieldSigned, InsertSigned, InsertUnsigned,
};
use super::super::exec::{Imm, W32, W64, Width};
use super::register::{alu, fuse};
use super::{Assembler, Outcome, source, target};
use crate::aarch64::instructions::{AddsubImm, Bitfield, Extr, LogicalImm, MoveWide, PcRel};

pub(super) fn pc_rel(asm: &mut Assembler<'_>, i: PcRel) -> Outcome {
    let distance = i64::from(i.immhi()) << 2 | i64::from(i.immlo());
    let op = if i.op() {
        asm.plain::<Adr<true>>()
    } else {
        asm.plain::<Adr<false>>()
    };
    op.imm = (if i.op() { distance << 12 } else { distance }) as u64;
    op.r[0] = target(i.rd());
    Outcome::Next
}

pub(super) fn addsub(asm: &mut Assembler<'_>, i: AddsubImm) -> Outcome {
    let imm = u64::from(i.imm12()) << if i.sh() { 12 } else { 0 };
    let (rd, rn) = (i.rd(), i.rn() as u8);
    let mut outcome = Outcome::Next;
    let op = match (i.s(), i.op()) {
        (false, _) if rd == 31 && (rn != SP || imm % 16 != 0 || !i.sf()) => {
            if i.sf() {
                asm.push::<AluSp<Add, W64, Imm>>()
            } else {
                asm.push::<AluSp<Add, W32, Imm>>()
            }
        }
        (false, _) => alu::<Add, Imm>(asm, i.sf()),
        (true, false) => alu::<Adds, Imm>(asm, i.sf()),
        (true, true) => {
            if let Some(op) = fuse::<Subs, Imm>(asm, i.sf()) {
                outcome = Outcome::Fused;
                op
            } else {
                alu::<Subs, Imm>(asm, i.sf())
            }
        }
    };
    // Subtraction without flags is addition of the negative.
    op.imm = if i.op() && !i.s() {
        imm.wrapping_neg()
    } else {
        imm
    };
    op.r[0] = if i.s() { target(rd) } else { rd as u8 };
    op.r[1] = rn;
    outcome
}

/// `DecodeBitMasks` of the manual, for the logical immediates: the mask, if the fields make one.
pub(super) fn logical_mask(sf: bool, n: bool, imms: u32, immr: u32) -> Option<u64> {
    let width = u32::from(n) << 6 | (!imms & 0x3f);
    let len = width.checked_ilog2()?;
    if len == 0 || (!sf && n) {
        return None;
    }
    let size = 1 << len;
    let levels = size - 1;
    let (s, r) = (imms & levels, immr & levels);
    if s == levels {
        return None;
    }
    let ones = (1_u64 << (s + 1)) - 1;
    let element_mask = !0_u64 >> (64 - size);
    let element = if r == 0 {
        ones
    } else {
        (ones >> r | ones << (size - r)) & element_mask
    };
    let mut mask = 0;
    for at in (0..64).step_by(size as usize) {
        mask |= element << at;
    }
    Some(if sf { mask } else { mask & 0xffff_ffff })
}

pub(super) fn logical(asm: &mut Assembler<'_>, i: LogicalImm) -> Outcome {
    let Some(mask) = logical_mask(i.sf(), i.n(), i.imms(), i.immr()) else {
        return Outcome::Undefined;
    };
    let mut outcome = Outcome::Next;
    let op = match i.opc() {
        3 => {
            if let Some(op) = fuse::<Ands, Imm>(asm, i.sf()) {
                outcome = Outcome::Fused;
                op
            } else {
                alu::<Ands, Imm>(asm, i.sf())
            }
        }
        0 => to_register_or_sp::<And>(asm, i),
        1 if i.rn() == 31 && i.rd() != 31 => asm.plain::<SetImm>(),
        1 => to_register_or_sp::<Orr>(asm, i),
        _ => to_register_or_sp::<Eor>(asm, i),
    };
    op.imm = mask;
    op.r[0] = if i.opc() == 3 {
        target(i.rd())
    } else {
        i.rd() as u8
    };
    op.r[1] = source(i.rn());
    outcome
}

fn to_register_or_sp<'a, B: Binary>(
    asm: &'a mut Assembler<'_>,
    i: LogicalImm,
) -> &'a mut super::Op<super::Cpu> {
    match (i.rd() == 31, i.sf()) {
        (false, sf) => alu::<B, Imm>(asm, sf),
        (true, true) => asm.push::<AluSp<B, W64, Imm>>(),
        (true, false) => asm.push::<AluSp<B, W32, Imm>>(),
    }
}

pub(super) fn move_wide(asm: &mut Assembler<'_>, i: MoveWide) -> Outcome {
    let shift = 16 * i.hw();
    if i.opc() == 1 || (!i.sf() && i.hw() > 1) {
        return Outcome::Undefined;
    }
    let value = u64::from(i.imm16());
    if i.opc() == 3 {
        let op = if i.sf() {
            asm.plain::<MoveKeep<W64>>()
        } else {
            asm.plain::<MoveKeep<W32>>()
        };
        op.imm = value;
        op.len = shift as u8;
        op.r[0] = target(i.rd());
        return Outcome::Next;
    }
    let value = value << shift;
    let value = if i.opc() == 0 { !value } else { value };
    let op = asm.plain::<SetImm>();
    op.imm = if i.sf() { value } else { W32::cut(value) };
    op.r[0] = target(i.rd());
    Outcome::Next
}

pub(super) fn bitfield(asm: &mut Assembler<'_>, i: Bitfield) -> Outcome {
    let (immr, imms, sf) = (i.immr(), i.imms(), i.sf());
    if i.opc() == 3 || i.n() != sf || (!sf && (immr > 31 || imms > 31)) {
        return Outcome::Undefined;
    }
    let bits = if sf { 64 } else { 32 };
    // Either the field [imms:immr] comes down to bit 0, or the field [imms:0] goes up to bit (bits - immr).
    let down = imms >= immr;
    let width = if down { imms - immr + 1 } else { imms + 1 };
    let up = (bits - immr) & (bits - 1);
    let mask = !0_u64 >> (64 - width);
    let op = match (i.opc(), down, sf) {
        (0, true, true) => asm.plain::<FieldSigned<W64>>(),
        (0, true, false) => asm.plain::<FieldSigned<W32>>(),
        (0, false, true) => asm.plain::<InsertSigned<W64>>(),
        (0, false, false) => asm.plain::<InsertSigned<W32>>(),
        (1, _, true) => asm.plain::<FieldInsert<W64>>(),
        (1, _, false) => asm.plain::<FieldInsert<W32>>(),
        (_, true, _) => asm.plain::<ExtractUnsigned>(),
        (_, false, true) => asm.plain::<InsertUnsigned<W64>>(),
        (_, false, false) => asm.plain::<InsertUnsigned<W32>>(),
    };
    op.r[0] = target(i.rd());
    op.r[1] = source(i.rn());
    (op.len, op.imm) = match (i.opc(), down) {
        (0, true) => {
            op.x[1] = (64 - width) as u8;
            ((63 - imms) as u8, 0)
        }
        (0, false) => {
            op.x[1] = (64 - width) as u8;
            (up as u8, 0)
        }
        (1, true) => (immr as u8, mask),
        (1, false) => (immr as u8, mask << up),
        (_, true) => (immr as u8, mask),
        (_, false) => (up as u8, mask),
    };
    if i.opc() == 1 && i.rd() == 31 {
        op.r[0] = super::SINK;
    }
    Outcome::Next
}

pub(super) fn extr(asm: &mut Assembler<'_>, i: Extr) -> Outcome {
    if i.n() != i.sf() || (!i.sf() && i.imms() > 31) {
        return Outcome::Undefined;
    }
    let op = match (i.imms(), i.sf()) {
        (0, true) => asm.plain::<Move<W64>>(),
        (0, false) => asm.plain::<Move<W32>>(),
        (_, true) => asm.plain::<ExtractPair<W64>>(),
        (_, false) => asm.plain::<ExtractPair<W32>>(),
    };
    op.r[0] = target(i.rd());
    op.r[1] = source(i.rn());
    op.r[2] = source(i.rm());
    op.len = i.imms() as u8;
    Outcome::Next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(logical_mask(true, true, 7, 0), Some(0xff));
        assert_eq!(logical_mask(true, true, 7, 4), Some(0xf000_0000_0000_000f));
        assert_eq!(logical_mask(false, false, 0b111100, 0), Some(0x5555_5555));
        assert_eq!(
            logical_mask(true, false, 0b111100, 1),
            Some(0xaaaa_aaaa_aaaa_aaaa)
        );
        assert_eq!(logical_mask(true, true, 63, 0), None);
        assert_eq!(logical_mask(false, true, 7, 0), None);
        assert_eq!(logical_mask(true, false, 0b111110, 0), None);
        assert_eq!(logical_mask(true, false, 0b111111, 0), None);
    }
}
