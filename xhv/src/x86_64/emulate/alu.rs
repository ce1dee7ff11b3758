//! Results and flags of the arithmetic that `instruction` needs.

use super::machine::mask;
use crate::x86_64::reg::Rflags;

/// The arithmetic flags.
pub(super) const STATUS: Rflags = Rflags::CF
    .union(Rflags::PF)
    .union(Rflags::AF)
    .union(Rflags::ZF)
    .union(Rflags::SF)
    .union(Rflags::OF);

/// A two-operand operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alu {
    Add,
    Adc,
    Sub,
    Sbb,
    And,
    Or,
    Xor,
}

fn sign(value: u64, size: usize) -> bool {
    value >> (8 * size - 1) & 1 != 0
}

/// ZF, SF and PF of a result.
fn common(result: u64, size: usize) -> Rflags {
    Rflags::empty()
        .with(Rflags::ZF, result == 0)
        .with(Rflags::SF, sign(result, size))
        .with(Rflags::PF, (result as u8).count_ones().is_multiple_of(2))
}

/// Result and flags; `carry` is CF before.
pub(super) fn alu(operation: Alu, a: u64, b: u64, size: usize, carry: bool) -> (u64, Rflags) {
    let (a, b) = (a & mask(size), b & mask(size));
    match operation {
        Alu::Add => add(a, b, size, false),
        Alu::Adc => add(a, b, size, carry),
        Alu::Sub => subtract(a, b, size, false),
        Alu::Sbb => subtract(a, b, size, carry),
        Alu::And => logic(a & b, size),
        Alu::Or => logic(a | b, size),
        Alu::Xor => logic(a ^ b, size),
    }
}

fn logic(result: u64, size: usize) -> (u64, Rflags) {
    (result, common(result, size))
}

fn add(a: u64, b: u64, size: usize, carry: bool) -> (u64, Rflags) {
    let wide = u128::from(a) + u128::from(b) + u128::from(carry);
    let result = wide as u64 & mask(size);
    let flags = common(result, size)
        .with(Rflags::CF, wide >> (8 * size) != 0)
        .with(Rflags::AF, (a ^ b ^ result) & 0x10 != 0)
        .with(Rflags::OF, sign((a ^ result) & (b ^ result), size));
    (result, flags)
}

fn subtract(a: u64, b: u64, size: usize, borrow: bool) -> (u64, Rflags) {
    let result = a.wrapping_sub(b).wrapping_sub(u64::from(borrow)) & mask(size);
    let flags = common(result, size)
        .with(
            Rflags::CF,
            u128::from(a) < u128::from(b) + u128::from(borrow),
        )
        .with(Rflags::AF, (a ^ b ^ result) & 0x10 != 0)
        .with(Rflags::OF, sign((a ^ b) & (a ^ result), size));
    (result, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_at_the_edges() {
        assert_eq!(
            alu(Alu::Add, 0x7f, 1, 1, false),
            (0x80, Rflags::SF | Rflags::OF | Rflags::AF)
        );
        assert_eq!(
            alu(Alu::Add, u64::MAX, 1, 8, false),
            (0, Rflags::CF | Rflags::ZF | Rflags::AF | Rflags::PF)
        );
        assert_eq!(
            alu(Alu::Sub, 0, 1, 4, false),
            (
                0xffff_ffff,
                Rflags::CF | Rflags::SF | Rflags::AF | Rflags::PF
            )
        );
        assert_eq!(
            alu(Alu::Sub, 0x8000, 1, 2, false),
            (0x7fff, Rflags::OF | Rflags::AF | Rflags::PF)
        );
        assert_eq!(alu(Alu::Sbb, 0, u64::MAX, 8, true).0, 0);
        assert!(alu(Alu::Sbb, 0, u64::MAX, 8, true).1.contains(Rflags::CF));
        assert_eq!(
            alu(Alu::And, 0xf0, 0x1f0, 1, true),
            (0xf0, Rflags::SF | Rflags::PF)
        );
    }
}
