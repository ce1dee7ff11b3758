//! An instruction whose accesses are answered one after the other; `plan.rs` makes these from instruction words.
//!
//! Accesses have at most eight bytes; registers change only when the last is answered.

use super::mmio::{extend, mask};
use super::vcpu::Vcpu;
use crate::error::Error;

/// An instruction in the middle of its accesses.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    /// Where the instruction is.
    pub(super) pc: u64,
    pub(super) parts: Vec<Part>,
    pub(super) next: usize,
    /// What was loaded: where to, the value, and its size in bytes.
    pub(super) loaded: Vec<(To, (u64, u8))>,
    pub(super) writeback: Option<(u8, u64)>,
    /// Whether what [`Action::Compare`] has loaded so far was what it is to be.
    pub(super) same: bool,
}

/// One access.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) gpa: u64,
    /// Virtual address.
    pub(super) address: u64,
    pub(super) size: u8,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Load(To),
    Store(u64),
    /// Loads, and stores what comes of it.
    Modify(Operation, u64, To),
    /// Loads one of several values that have to be these for [`Action::Exchange`] to store.
    Compare(u64, To),
    /// Stores if every value that was compared is the same.
    Exchange(u64),
}

/// Where a loaded value goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    /// X register, by the number in the instruction.
    X {
        rt: u8,
        signed: bool,
        wide: bool,
        size: u8,
    },
    /// Bytes of a V register; those that nothing is loaded into are kept or zero.
    V { rt: u8, offset: u8, keep: bool },
    /// Every element of a V register of 8 or, with `q`, 16 bytes.
    Replicated { rt: u8, q: bool },
}

/// What an atomic instruction does (Arm ARM DDI 0487, C3.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Clear,
    ExclusiveOr,
    Set,
    SignedMax,
    SignedMin,
    UnsignedMax,
    UnsignedMin,
    Swap,
    /// Stores only if the value is this one.
    Compare(u64),
}

impl Operation {
    fn apply(self, old: u64, operand: u64, size: u8) -> u64 {
        let signed = |value| extend(value, size, true, true).cast_signed();
        match self {
            Self::Add => old.wrapping_add(operand),
            Self::Clear => old & !operand,
            Self::ExclusiveOr => old ^ operand,
            Self::Set => old | operand,
            Self::SignedMax => signed(old).max(signed(operand)).cast_unsigned(),
            Self::SignedMin => signed(old).min(signed(operand)).cast_unsigned(),
            Self::UnsignedMax => old.max(operand),
            Self::UnsignedMin => old.min(operand),
            Self::Swap | Self::Compare(_) => operand,
        }
    }
}

impl Part {
    /// What it stores; `None` if it loads.
    pub(super) fn store(&self) -> Option<u64> {
        match self.action {
            Action::Store(value) | Action::Exchange(value) => Some(value),
            _ => None,
        }
    }
}

impl Transfer {
    /// Accesses in this order; registers are written at the end.
    pub(super) fn new(pc: u64, parts: Vec<Part>) -> Self {
        Self {
            pc,
            parts,
            next: 0,
            loaded: Vec::new(),
            writeback: None,
            same: true,
        }
    }

    /// The access that waits.
    pub(super) fn current(&self) -> Option<Part> {
        self.parts.get(self.next).copied()
    }

    /// The access that waited is done: `value` is what it loaded.
    pub(super) fn answer(&mut self, value: u64) {
        let Some(part) = self.parts.get_mut(self.next) else {
            return;
        };
        let value = value & mask(part.size);
        match part.action {
            Action::Store(_) | Action::Exchange(_) => self.next += 1,
            Action::Load(to) => {
                self.loaded.push((to, (value, part.size)));
                self.next += 1;
            }
            Action::Compare(expected, to) => {
                self.loaded.push((to, (value, part.size)));
                self.same &= expected & mask(part.size) == value;
                self.next += 1;
                self.skip_exchange();
            }
            Action::Modify(operation, operand, to) => {
                self.loaded.push((to, (value, part.size)));
                let operand = operand & mask(part.size);
                let stored = operation.apply(value, operand, part.size) & mask(part.size);
                part.action = Action::Store(stored);
                if matches!(operation, Operation::Compare(expected) if expected & mask(part.size) != value)
                {
                    self.next += 1;
                }
            }
        }
    }

    /// A comparison that has failed leaves nothing to be stored.
    fn skip_exchange(&mut self) {
        let stores = |part: &Part| matches!(part.action, Action::Exchange(_));
        if !self.same && self.parts.get(self.next).is_some_and(stores) {
            self.next = self.parts.len();
        }
    }

    /// Writes registers and goes on behind the instruction.
    pub(super) fn commit(self, vcpu: &mut Vcpu) -> Result<(), Error> {
        let mut vectors: Vec<(u8, u128)> = Vec::new();
        for (to, value) in self.loaded {
            match to {
                To::X {
                    rt,
                    signed,
                    wide,
                    size,
                } => vcpu.set_x(rt, extend(value.0, size, signed, wide))?,
                To::Replicated { rt, q } => {
                    let bits = 8 * u32::from(value.1);
                    let whole = (0..if q { 128 } else { 64 })
                        .step_by(bits as usize)
                        .fold(0, |whole, at| whole | u128::from(value.0) << at);
                    vectors.push((rt, whole));
                }
                To::V { rt, offset, keep } => {
                    let found = vectors.iter().position(|(register, _)| *register == rt);
                    let at = match found {
                        Some(at) => at,
                        None => {
                            let before = if keep { read_vector(vcpu, rt)? } else { 0 };
                            vectors.push((rt, before));
                            vectors.len() - 1
                        }
                    };
                    let shift = 8 * u32::from(offset & 15);
                    let (old, size) = (&mut vectors[at].1, value.1);
                    *old = *old & !(u128::from(mask(size)) << shift) | u128::from(value.0) << shift;
                }
            }
        }
        for (rt, value) in vectors {
            write_vector(vcpu, rt, value)?;
        }
        if let Some((base, value)) = self.writeback {
            match base {
                31 => vcpu.set_sp(value)?,
                _ => vcpu.set_x(base, value)?,
            }
        }
        vcpu.advance()
    }
}

pub(super) fn read_vector(vcpu: &Vcpu, rt: u8) -> Result<u128, Error> {
    let result = vcpu.engine.get_simd_fp_reg(u32::from(rt));
    vcpu.call("hv_vcpu_get_simd_fp_reg", result)
}

fn write_vector(vcpu: &mut Vcpu, rt: u8, value: u128) -> Result<(), Error> {
    let result = vcpu.engine.set_simd_fp_reg(u32::from(rt), value);
    vcpu.call("hv_vcpu_set_simd_fp_reg", result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomics_compare_in_their_own_width() {
        assert_eq!(Operation::SignedMax.apply(0x80, 0x01, 1), 1);
        assert_eq!(Operation::UnsignedMax.apply(0x80, 0x01, 1), 0x80);
        assert_eq!(Operation::SignedMin.apply(0x80, 0x01, 1) & 0xff, 0x80);
        assert_eq!(Operation::Clear.apply(0xff, 0x0f, 1), 0xf0);
    }

    #[test]
    fn a_compare_that_fails_stores_nothing() {
        let to = To::X {
            rt: 0,
            signed: false,
            wide: true,
            size: 4,
        };
        let mut transfer = Transfer::new(
            0,
            vec![Part {
                gpa: 0,
                address: 0,
                size: 4,
                action: Action::Modify(Operation::Compare(5), 7, to),
            }],
        );
        let mut other = transfer.clone();
        transfer.answer(6);
        assert!(transfer.current().is_none());
        other.answer(5);
        assert_eq!(other.current().and_then(|part| part.store()), Some(7));
    }
}
