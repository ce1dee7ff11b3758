//! Exclusives, atomics, and loads and stores that acquire and release (Arm DDI 0487, C4.1: x1x0).

use super::super::access::iss;
use super::super::cpu::{Mode, SP};
use super::super::exec::atomic::{
    Atomic, AtomicAdd, AtomicClear, AtomicEor, AtomicMax, AtomicMaxSigned, AtomicMin,
    AtomicMinSigned, AtomicSet, AtomicSwap, Change, CompareSwap, CompareSwapPair, LoadAcquire,
    LoadAcquireSigned, LoadExclusive, LoadExclusivePair, StoreExclusive, StoreExclusivePair,
    StoreRelease,
};
use super::super::exec::memory::{Doublewords, StackMisaligned, Words};
use super::memory::{Operands, describe};
use super::{Assembler, Outcome, source, target};
use crate::aarch64::instructions::{
    Atomic as AtomicClass, Cas, Casp, Exclusive, ExclusivePair, Ordered, OrderedUnscaled,
};

/// Operands of an access whose address is a register alone and which checks its alignment itself.
fn plain_operands(asm: &Assembler<'_>, rn: u32, size: u32, iss: u64) -> Operands {
    Operands {
        r: [0, rn as u8, 0, 0, 0],
        regime: asm.mode.regime(),
        align: 1 << size,
        iss,
        ..Operands::default()
    }
}

/// Ends an access that checks its alignment itself.
fn finish(
    asm: &mut Assembler<'_>,
    operands: Operands,
    push: impl FnOnce(&mut Assembler<'_>) -> Operands,
) -> Outcome {
    if asm.mode.has(Mode::SP_FAULT) && operands.r[1] == SP {
        asm.push::<StackMisaligned>();
        return Outcome::End;
    }
    let operands = push(asm);
    let at = asm.ops.len() - 1;
    operands.apply(&mut asm.ops[at]);
    Outcome::Next
}

macro_rules! by_size {
    ($asm:ident, $size:expr, $T:ident => $step:ty) => {
        match $size {
            0 => {
                type $T = u8;
                $asm.push::<$step>()
            }
            1 => {
                type $T = u16;
                $asm.push::<$step>()
            }
            2 => {
                type $T = u32;
                $asm.push::<$step>()
            }
            _ => {
                type $T = u64;
                $asm.push::<$step>()
            }
        }
    };
}

pub(super) fn exclusive(asm: &mut Assembler<'_>, i: Exclusive) -> Outcome {
    let write = if i.l() { 0 } else { iss::WNR };
    let mut operands = plain_operands(asm, i.rn(), i.size(), write);
    operands.r[0] = if i.l() {
        target(i.rt())
    } else {
        source(i.rt())
    };
    operands.r[3] = target(i.rs());
    finish(asm, operands, |asm| {
        if i.l() {
            by_size!(asm, i.size(), T => LoadExclusive<T>);
        } else {
            by_size!(asm, i.size(), T => StoreExclusive<T>);
        }
        operands
    })
}

pub(super) fn exclusive_pair(asm: &mut Assembler<'_>, i: ExclusivePair) -> Outcome {
    let write = if i.l() { 0 } else { iss::WNR };
    let mut operands = plain_operands(asm, i.rn(), if i.sz() { 4 } else { 3 }, write);
    let register = if i.l() { target } else { source };
    operands.r[0] = register(i.rt());
    operands.r[2] = register(i.rt2());
    operands.r[3] = target(i.rs());
    finish(asm, operands, |asm| {
        match (i.l(), i.sz()) {
            (true, false) => asm.push::<LoadExclusivePair<Words>>(),
            (true, true) => asm.push::<LoadExclusivePair<Doublewords>>(),
            (false, false) => asm.push::<StoreExclusivePair<Words>>(),
            (false, true) => asm.push::<StoreExclusivePair<Doublewords>>(),
        };
        operands
    })
}

pub(super) fn compare_swap_pair(asm: &mut Assembler<'_>, i: Casp) -> Outcome {
    if (i.rs() | i.rt()) & 1 != 0 {
        return Outcome::Undefined;
    }
    let mut operands = plain_operands(asm, i.rn(), if i.sz() { 4 } else { 3 }, 0);
    operands.r[0] = source(i.rt());
    operands.r[2] = source(i.rt() + 1);
    operands.r[3] = source(i.rs());
    operands.len = source(i.rs() + 1);
    operands.r[4] = target(i.rs());
    operands.extend = target(i.rs() + 1);
    finish(asm, operands, |asm| {
        if i.sz() {
            asm.push::<CompareSwapPair<Doublewords>>();
        } else {
            asm.push::<CompareSwapPair<Words>>();
        }
        operands
    })
}

pub(super) fn compare_swap(asm: &mut Assembler<'_>, i: Cas) -> Outcome {
    let mut operands = plain_operands(asm, i.rn(), i.size(), 0);
    operands.r[0] = source(i.rt());
    operands.r[3] = source(i.rs());
    operands.r[4] = target(i.rs());
    finish(asm, operands, |asm| {
        by_size!(asm, i.size(), T => CompareSwap<T>);
        operands
    })
}

pub(super) fn ordered(asm: &mut Assembler<'_>, i: Ordered) -> Outcome {
    // LDLAR and STLLR belong to FEAT_LOR, which ID_AA64MMFR1_EL1.LO does not claim.
    if !i.o0() {
        return Outcome::Undefined;
    }
    let opc = u32::from(i.l());
    let described = describe(i.size(), opc, i.rt(), false) | iss::AR;
    let mut operands = plain_operands(asm, i.rn(), i.size(), described);
    operands.r[0] = if i.l() {
        target(i.rt())
    } else {
        source(i.rt())
    };
    finish(asm, operands, |asm| {
        if i.l() {
            by_size!(asm, i.size(), T => LoadAcquire<T>);
        } else {
            by_size!(asm, i.size(), T => StoreRelease<T>);
        }
        operands
    })
}

pub(super) fn ordered_unscaled(asm: &mut Assembler<'_>, i: OrderedUnscaled) -> Outcome {
    let (size, opc) = (i.size(), i.opc());
    if (opc == 3 && size >= 2) || (opc == 2 && size == 3) {
        return Outcome::Undefined;
    }
    let described = describe(size, opc, i.rt(), false) | iss::AR;
    let mut operands = plain_operands(asm, i.rn(), size, described);
    operands.disp = i.imm9();
    operands.r[0] = if opc == 0 {
        source(i.rt())
    } else {
        target(i.rt())
    };
    operands.extend = u8::from(opc == 3);
    finish(asm, operands, |asm| {
        match opc {
            0 => by_size!(asm, size, T => StoreRelease<T>),
            1 => by_size!(asm, size, T => LoadAcquire<T>),
            _ => by_size!(asm, size, T => LoadAcquireSigned<T>),
        };
        operands
    })
}

pub(super) fn atomic(asm: &mut Assembler<'_>, i: AtomicClass) -> Outcome {
    let size = i.size();
    if i.o3() && i.opc() == 4 {
        if i.rs() != 31 || !i.a() || i.r() {
            return Outcome::Undefined;
        }
        // LDAPR
        let described = describe(size, 1, i.rt(), false) | iss::AR;
        let mut operands = plain_operands(asm, i.rn(), size, described);
        operands.r[0] = target(i.rt());
        return finish(asm, operands, |asm| {
            by_size!(asm, size, T => LoadAcquire<T>);
            operands
        });
    }
    let mut operands = plain_operands(asm, i.rn(), size, 0);
    operands.r[0] = target(i.rt());
    operands.r[3] = source(i.rs());
    match (i.o3(), i.opc()) {
        (false, 0) => change::<AtomicAdd>(asm, size, operands),
        (false, 1) => change::<AtomicClear>(asm, size, operands),
        (false, 2) => change::<AtomicEor>(asm, size, operands),
        (false, 3) => change::<AtomicSet>(asm, size, operands),
        (false, 4) => change::<AtomicMaxSigned>(asm, size, operands),
        (false, 5) => change::<AtomicMinSigned>(asm, size, operands),
        (false, 6) => change::<AtomicMax>(asm, size, operands),
        (false, _) => change::<AtomicMin>(asm, size, operands),
        (true, 0) => change::<AtomicSwap>(asm, size, operands),
        _ => Outcome::Undefined,
    }
}

fn change<C: Change>(asm: &mut Assembler<'_>, size: u32, operands: Operands) -> Outcome {
    finish(asm, operands, |asm| {
        match size {
            0 => asm.push::<Atomic<C, u8>>(),
            1 => asm.push::<Atomic<C, u16>>(),
            2 => asm.push::<Atomic<C, u32>>(),
            _ => asm.push::<Atomic<C, u64>>(),
        };
        operands
    })
}
