//! An instruction whose accesses are answered one after the other; `plan.rs` makes these from instruction words.
//!
//! Accesses have at most eight bytes; registers change only when the last is answered.

use super::mmio::{extend, mask};
use super::vcpu::Vcpu;
use crate::error::Error;

/// An instruction in the middle of its accesses.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    pub(super) parts: Vec<Part>,
    pub(super) next: usize,
    pub(super) loaded: Vec<(To, u64)>,
    pub(super) writeback: Option<(u8, u64)>,
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
    /// Half of a V register: 0 is the low one.
    V { rt: u8, half: u8 },
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
            Action::Store(value) => Some(value),
            _ => None,
        }
    }
}

impl Transfer {
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
            Action::Store(_) => self.next += 1,
            Action::Load(to) => {
                self.loaded.push((to, value));
                self.next += 1;
            }
            Action::Modify(operation, operand, to) => {
                self.loaded.push((to, value));
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

    /// Writes registers and goes on behind the instruction.
    pub(super) fn commit(self, vcpu: &mut Vcpu) -> Result<(), Error> {
        let mut vector: Option<(u8, u128)> = None;
        for (to, value) in self.loaded {
            match to {
                To::X {
                    rt,
                    signed,
                    wide,
                    size,
                } => vcpu.set_x(rt, extend(value, size, signed, wide))?,
                To::V { rt, half } => {
                    let low = match vector {
                        Some((same, low)) if same == rt && half != 0 => low,
                        _ => 0,
                    };
                    let whole = low | u128::from(value) << (64 * u32::from(half & 1));
                    vector = Some((rt, whole));
                    write_vector(vcpu, rt, whole)?;
                }
            }
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
        let mut transfer = Transfer {
            parts: vec![Part {
                gpa: 0,
                address: 0,
                size: 4,
                action: Action::Modify(Operation::Compare(5), 7, to),
            }],
            next: 0,
            loaded: Vec::new(),
            writeback: None,
        };
        let mut other = transfer.clone();
        transfer.answer(6);
        assert!(transfer.current().is_none());
        other.answer(5);
        assert_eq!(other.current().and_then(|part| part.store()), Some(7));
    }
}
