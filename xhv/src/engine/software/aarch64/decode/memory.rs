//! Loads and stores (Arm DDI 0487, C4.1: x1x0), but for SIMD structures and what `atomic` has.

use super::super::access::iss;
use super::super::cpu::{Cpu, Mode, SP, regime};
use super::super::exec::memory::{
    Address, Aligned, Doubles, Doublewords, Indexed, IndexedExtended, Literal, Load, LoadPair,
    LoadQuads, LoadSimd, Offset, PostIndex, PreIndex, SignedWords, Signs32, Signs64, Singles,
    StackMisaligned, Store, StorePair, StoreQuads, StoreSimd, Words, Zeros,
};
use super::super::exec::system::Nothing;
use super::{Assembler, FP_TRAP, Outcome, source, target};
use crate::aarch64::instructions::{LdstImm9, LdstImm12, LdstPair, LdstReg, LoadLiteral};
use crate::engine::software::dispatch::Op;

/// Operands of an access, before it is known which operation it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operands {
    pub(super) r: [u8; 5],
    pub(super) disp: i32,
    pub(super) len: u8,
    /// Extension of an index register.
    pub(super) extend: u8,
    pub(super) regime: u8,
    /// Alignment that the access asks for where alignment is checked, in bytes.
    pub(super) align: u8,
    /// Syndrome of an abort.
    pub(super) iss: u64,
}

impl Operands {
    pub(super) fn apply(self, op: &mut Op<Cpu>) {
        op.r = self.r;
        op.disp = self.disp;
        op.len = self.len;
        op.x = [self.regime, self.extend, self.align];
        op.imm = self.iss;
    }
}

/// Puts checks before an access where the mode asks for them. `false` if the block ends with one.
pub(super) fn guard<A: Address>(asm: &mut Assembler<'_>, operands: &Operands) -> bool {
    if asm.mode.has(Mode::SP_FAULT) && operands.r[1] == SP {
        asm.push::<StackMisaligned>();
        return false;
    }
    if asm.mode.has(Mode::ALIGN) && operands.align > 1 {
        operands.apply(asm.push::<Aligned<A>>());
    }
    true
}

/// A single register: which operation `size`, `V` and `opc` mean.
fn single<A: Address>(
    asm: &mut Assembler<'_>,
    (size, v, opc): (u32, bool, u32),
    rt: u32,
    mut operands: Operands,
) -> Outcome {
    if v {
        return simd::<A>(asm, (size, opc), rt, operands);
    }
    if (size, opc) == (3, 2) {
        // PRFM
        asm.plain::<Nothing>();
        return Outcome::Next;
    }
    if opc == 3 && size >= 2 {
        return Outcome::Undefined;
    }
    operands.align = 1 << size;
    operands.r[0] = if opc == 0 { source(rt) } else { target(rt) };
    operands.iss = describe(size, opc, rt, A::WRITES_BACK);
    if !guard::<A>(asm, &operands) {
        return Outcome::End;
    }
    operands.apply(match (size, opc) {
        (0, 0) => asm.push::<Store<u8, A>>(),
        (0, 1) => asm.push::<Load<u8, Zeros, A>>(),
        (0, 2) => asm.push::<Load<u8, Signs64, A>>(),
        (0, _) => asm.push::<Load<u8, Signs32, A>>(),
        (1, 0) => asm.push::<Store<u16, A>>(),
        (1, 1) => asm.push::<Load<u16, Zeros, A>>(),
        (1, 2) => asm.push::<Load<u16, Signs64, A>>(),
        (1, _) => asm.push::<Load<u16, Signs32, A>>(),
        (2, 0) => asm.push::<Store<u32, A>>(),
        (2, 1) => asm.push::<Load<u32, Zeros, A>>(),
        (2, _) => asm.push::<Load<u32, Signs64, A>>(),
        (_, 0) => asm.push::<Store<u64, A>>(),
        _ => asm.push::<Load<u64, Zeros, A>>(),
    });
    Outcome::Next
}

/// What an abort's syndrome says about a load or store of one general register; nothing with write-back.
pub(super) fn describe(size: u32, opc: u32, rt: u32, writes_back: bool) -> u64 {
    let write = if opc == 0 { iss::WNR } else { 0 };
    if writes_back {
        return write;
    }
    let signed = if opc >= 2 { iss::SSE } else { 0 };
    let wide = if opc == 2 || (opc < 2 && size == 3) {
        iss::SF
    } else {
        0
    };
    iss::ISV | u64::from(size) << iss::SAS | signed | u64::from(rt) << iss::SRT | wide | write
}

fn simd<A: Address>(
    asm: &mut Assembler<'_>,
    (size, opc): (u32, u32),
    rt: u32,
    mut operands: Operands,
) -> Outcome {
    let scale = (opc & 2) << 1 | size;
    if scale > 4 {
        return Outcome::Undefined;
    }
    if !asm.mode.has(Mode::FP) {
        return asm.raise(FP_TRAP);
    }
    operands.align = 1 << scale;
    operands.r[0] = rt as u8;
    operands.iss = if opc & 1 == 0 { iss::WNR } else { 0 };
    if !guard::<A>(asm, &operands) {
        return Outcome::End;
    }
    operands.apply(match (scale, opc & 1) {
        (0, 0) => asm.push::<StoreSimd<u8, A>>(),
        (0, _) => asm.push::<LoadSimd<u8, A>>(),
        (1, 0) => asm.push::<StoreSimd<u16, A>>(),
        (1, _) => asm.push::<LoadSimd<u16, A>>(),
        (2, 0) => asm.push::<StoreSimd<u32, A>>(),
        (2, _) => asm.push::<LoadSimd<u32, A>>(),
        (3, 0) => asm.push::<StoreSimd<u64, A>>(),
        (3, _) => asm.push::<LoadSimd<u64, A>>(),
        (_, 0) => asm.push::<StoreSimd<u128, A>>(),
        _ => asm.push::<LoadSimd<u128, A>>(),
    });
    Outcome::Next
}

pub(super) fn unsigned_offset(asm: &mut Assembler<'_>, i: LdstImm12) -> Outcome {
    let scale = if i.v() {
        (i.opc() & 2) << 1 | i.size()
    } else {
        i.size()
    };
    let operands = Operands {
        r: [0, i.rn() as u8, 0, 0, 0],
        disp: (i.imm12() << scale.min(4)) as i32,
        regime: asm.mode.regime(),
        ..Operands::default()
    };
    single::<Offset>(asm, (i.size(), i.v(), i.opc()), i.rt(), operands)
}

pub(super) fn unscaled(asm: &mut Assembler<'_>, i: LdstImm9) -> Outcome {
    let mut operands = Operands {
        r: [0, i.rn() as u8, 0, 0, 0],
        disp: i.imm9(),
        regime: asm.mode.regime(),
        ..Operands::default()
    };
    let kind = (i.size(), i.v(), i.opc());
    let prefetch = !i.v() && i.size() == 3 && i.opc() == 2;
    match i.index() {
        0 => single::<Offset>(asm, kind, i.rt(), operands),
        2 if i.v() || prefetch => Outcome::Undefined,
        2 => {
            // LDTR and its like: as if at EL0.
            operands.regime = regime::EL0;
            single::<Offset>(asm, kind, i.rt(), operands)
        }
        _ if prefetch => Outcome::Undefined,
        1 => single::<PostIndex>(asm, kind, i.rt(), operands),
        _ => single::<PreIndex>(asm, kind, i.rt(), operands),
    }
}

pub(super) fn register_offset(asm: &mut Assembler<'_>, i: LdstReg) -> Outcome {
    if i.option() & 2 == 0 {
        return Outcome::Undefined;
    }
    let scale = if i.v() {
        (i.opc() & 2) << 1 | i.size()
    } else {
        i.size()
    };
    let operands = Operands {
        r: [0, i.rn() as u8, source(i.rm()), 0, 0],
        len: if i.s() { scale as u8 } else { 0 },
        extend: i.option() as u8,
        regime: asm.mode.regime(),
        ..Operands::default()
    };
    let kind = (i.size(), i.v(), i.opc());
    if i.option() & 3 == 3 {
        single::<Indexed>(asm, kind, i.rt(), operands)
    } else {
        single::<IndexedExtended>(asm, kind, i.rt(), operands)
    }
}

pub(super) fn literal(asm: &mut Assembler<'_>, i: LoadLiteral) -> Outcome {
    let operands = Operands {
        disp: asm.displacement(4 * i.imm19()),
        regime: asm.mode.regime(),
        ..Operands::default()
    };
    let kind = match (i.opc(), i.v()) {
        (0, _) => (2, i.v(), 1),
        (1, _) => (3, i.v(), 1),
        (2, true) => (0, true, 3),
        (2, false) => (2, false, 2),
        (_, false) => (3, false, 2),
        (_, true) => return Outcome::Undefined,
    };
    single::<Literal>(asm, kind, i.rt(), operands)
}

pub(super) fn pair(asm: &mut Assembler<'_>, i: LdstPair) -> Outcome {
    match i.index() {
        0 | 2 => pair_at::<Offset>(asm, i),
        1 => pair_at::<PostIndex>(asm, i),
        _ => pair_at::<PreIndex>(asm, i),
    }
}

fn pair_at<A: Address>(asm: &mut Assembler<'_>, i: LdstPair) -> Outcome {
    let (opc, v, load) = (i.opc(), i.v(), i.l());
    // LDPSW has neither a store nor a non-temporal form.
    if opc == 3 || (!v && opc == 1 && (!load || i.index() == 0)) {
        return Outcome::Undefined;
    }
    if v && !asm.mode.has(Mode::FP) {
        return asm.raise(FP_TRAP);
    }
    let scale = if v { 2 + opc } else { 2 + (opc >> 1) };
    let register = |r: u32| match (v, load) {
        (true, _) => r as u8,
        (false, true) => target(r),
        (false, false) => source(r),
    };
    let operands = Operands {
        r: [register(i.rt()), i.rn() as u8, register(i.rt2()), 0, 0],
        disp: i.imm7() << scale,
        regime: asm.mode.regime(),
        align: 1 << scale,
        iss: if load { 0 } else { iss::WNR },
        ..Operands::default()
    };
    if !guard::<A>(asm, &operands) {
        return Outcome::End;
    }
    operands.apply(match (v, opc, load) {
        (false, 0, true) => asm.push::<LoadPair<Words, A>>(),
        (false, 0, false) => asm.push::<StorePair<Words, A>>(),
        (false, 1, _) => asm.push::<LoadPair<SignedWords, A>>(),
        (false, _, true) => asm.push::<LoadPair<Doublewords, A>>(),
        (false, _, false) => asm.push::<StorePair<Doublewords, A>>(),
        (true, 0, true) => asm.push::<LoadPair<Singles, A>>(),
        (true, 0, false) => asm.push::<StorePair<Singles, A>>(),
        (true, 1, true) => asm.push::<LoadPair<Doubles, A>>(),
        (true, 1, false) => asm.push::<StorePair<Doubles, A>>(),
        (true, _, true) => asm.push::<LoadQuads<A>>(),
        (true, _, false) => asm.push::<StoreQuads<A>>(),
    });
    Outcome::Next
}
