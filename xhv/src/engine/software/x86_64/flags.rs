//! RFLAGS, the arithmetic ones lazily: kept as the last result and where it came from, and made into bits when somebody asks.

/// Bits of RFLAGS (Intel SDM vol. 1, 3.4.3).
#[derive(Debug)]
pub(crate) struct Rflags;

#[allow(dead_code)]
impl Rflags {
    pub(crate) const CF: u64 = 1 << 0;
    pub(crate) const ONE: u64 = 1 << 1;
    pub(crate) const PF: u64 = 1 << 2;
    pub(crate) const AF: u64 = 1 << 4;
    pub(crate) const ZF: u64 = 1 << 6;
    pub(crate) const SF: u64 = 1 << 7;
    pub(crate) const TF: u64 = 1 << 8;
    pub(crate) const IF: u64 = 1 << 9;
    pub(crate) const DF: u64 = 1 << 10;
    pub(crate) const OF: u64 = 1 << 11;
    pub(crate) const IOPL: u64 = 3 << 12;
    pub(crate) const NT: u64 = 1 << 14;
    pub(crate) const RF: u64 = 1 << 16;
    pub(crate) const VM: u64 = 1 << 17;
    pub(crate) const AC: u64 = 1 << 18;
    pub(crate) const VIF: u64 = 1 << 19;
    pub(crate) const VIP: u64 = 1 << 20;
    pub(crate) const ID: u64 = 1 << 21;
    /// The six that arithmetic sets.
    pub(crate) const STATUS: u64 = Self::CF | Self::PF | Self::AF | Self::ZF | Self::SF | Self::OF;
    /// Everything that exists.
    pub(crate) const ALL: u64 = 0x3f_7fd5;
}

/// Bits of [`Flags::carry`].
const CARRY: u64 = 1 << 63;
const INTO_SIGN: u64 = 1 << 62;
const AUXILIARY: u64 = 1 << 3;

/// Bits of [`Flags::form`].
const SIGN_DELTA: u64 = 1;
const PARITY_SHIFT: u32 = 16;
const SUM: u64 = 1 << 8;
const DIFFERENCE: u64 = 1 << 9;
/// Six bits: what moves the sign bit to bit 63.
const WIDTH_SHIFT: u32 = 24;

/// RFLAGS.
///
/// ZF, SF and PF come from `result`, the last result sign-extended to 64 bits. `carry` has in bit 63 the carry out of the result's
/// sign bit (CF), in bit 62 the carry into it (OF is their difference), and in bit 3 AF. After an addition or subtraction it has
/// the first operand instead, from which these follow: most of them nobody asks for. `form` says so (bits 8 and 9, and the width).
/// POPF and its like can set what no result shows: bit 0 of `form` inverts SF, and bits 23:16 are added (exclusive or) to the byte that PF is taken from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    result: u64,
    carry: u64,
    form: u64,
    /// All other bits.
    pub(crate) system: u64,
}

impl Flags {
    /// After an operation: its result sign-extended to 64 bits, and its carries out of each bit, moved up so that the sign bit's is bit 63
    /// (nothing below bit 32 but AF in bit 3).
    #[inline(always)]
    pub(crate) fn set(&mut self, result: u64, carry: u64) {
        self.result = result;
        self.carry = carry;
        self.form = 0;
    }

    /// After `a + b`, of so many bits: the sum sign-extended to 64 bits, and `a` zero-extended.
    #[inline(always)]
    pub(crate) fn set_sum(&mut self, result: u64, a: u64, bits: u32) {
        self.result = result;
        self.carry = a;
        self.form = SUM | u64::from(64 - bits) << WIDTH_SHIFT;
    }

    /// After `a - b`, likewise.
    #[inline(always)]
    pub(crate) fn set_difference(&mut self, result: u64, a: u64, bits: u32) {
        self.result = result;
        self.carry = a;
        self.form = DIFFERENCE | u64::from(64 - bits) << WIDTH_SHIFT;
    }

    /// The carries, whatever the form.
    #[inline(always)]
    fn carries(&self) -> u64 {
        if self.form & (SUM | DIFFERENCE) == 0 {
            return self.carry;
        }
        // A difference's minuend is the sum of the difference and the subtrahend: the borrows are that sum's carries.
        let (a, sum) = if self.form & SUM != 0 {
            (self.carry, self.result)
        } else {
            (self.result, self.carry)
        };
        let b = sum.wrapping_sub(a);
        let out = (a & b) | ((a | b) & !sum);
        (out << (self.form >> WIDTH_SHIFT & 63)) & (CARRY | INTO_SIGN) | out & AUXILIARY
    }

    /// After an operation like INC that leaves CF alone.
    #[inline(always)]
    pub(crate) fn set_but_cf(&mut self, result: u64, carry: u64) {
        let changed = (self.carries() ^ carry) & CARRY;
        // Bit 62 changes with bit 63, so that OF is the new operation's.
        self.set(result, carry ^ changed ^ (changed >> 1));
    }

    /// The result and the first operand of a sum or difference, moved up so that their sign bits are bit 63.
    #[inline(always)]
    fn topmost(&self) -> (u64, u64) {
        let up = self.form >> WIDTH_SHIFT & 63;
        (self.result << up, self.carry << up)
    }

    /// CF.
    #[inline(always)]
    pub(crate) fn cf(&self) -> bool {
        if self.form & (SUM | DIFFERENCE) == 0 {
            return self.carry & CARRY != 0;
        }
        // A sum has carried if it is less than an operand, a difference borrowed if it is more than the minuend.
        let (result, a) = self.topmost();
        if self.form & SUM != 0 {
            result < a
        } else {
            a < result
        }
    }

    /// OF.
    #[inline(always)]
    pub(crate) fn of(&self) -> bool {
        let carries = self.carries();
        (carries ^ (carries << 1)) & CARRY != 0
    }

    /// ZF.
    #[inline(always)]
    pub(crate) fn zf(&self) -> bool {
        self.result == 0
    }

    /// SF.
    #[inline(always)]
    pub(crate) fn sf(&self) -> bool {
        (self.result ^ (self.form << 63)) & (1 << 63) != 0
    }

    /// SF differs from OF: the condition "less".
    #[inline(always)]
    pub(crate) fn less(&self) -> bool {
        if self.form & DIFFERENCE != 0 {
            let (result, a) = self.topmost();
            return (a as i64) < a.wrapping_sub(result) as i64;
        }
        let carries = self.carries();
        (self.result ^ (self.form << 63) ^ carries ^ (carries << 1)) & (1 << 63) != 0
    }

    /// PF.
    #[inline(always)]
    pub(crate) fn pf(&self) -> bool {
        let byte = (self.result ^ (self.form >> PARITY_SHIFT)) as u8;
        byte.count_ones() & 1 == 0
    }

    /// AF.
    #[inline(always)]
    pub(crate) fn af(&self) -> bool {
        self.carries() & AUXILIARY != 0
    }

    /// Sets CF and leaves the others.
    #[inline(always)]
    pub(crate) fn set_cf(&mut self, cf: bool) {
        let carries = self.carries();
        let changed = (carries ^ (u64::from(cf) << 63)) & CARRY;
        self.put_carries(carries ^ changed ^ (changed >> 1));
    }

    /// Replaces the carries and leaves what comes from the result.
    #[inline(always)]
    fn put_carries(&mut self, carries: u64) {
        self.carry = carries;
        self.form &= SIGN_DELTA | 0xff << PARITY_SHIFT;
    }

    /// Sets CF and OF and leaves the others.
    #[inline(always)]
    pub(crate) fn set_cf_of(&mut self, cf: bool, of: bool) {
        let rest = self.carries() & !(CARRY | INTO_SIGN);
        self.put_carries(rest | (u64::from(cf) << 63) | (u64::from(cf ^ of) << 62));
    }

    /// All of RFLAGS.
    pub(crate) fn value(&self) -> u64 {
        let status = u64::from(self.cf()) * Rflags::CF
            | u64::from(self.pf()) * Rflags::PF
            | u64::from(self.af()) * Rflags::AF
            | u64::from(self.zf()) * Rflags::ZF
            | u64::from(self.sf()) * Rflags::SF
            | u64::from(self.of()) * Rflags::OF;
        self.system | status | Rflags::ONE
    }

    /// Replaces all of RFLAGS. Bits that do not exist are ignored.
    pub(crate) fn set_value(&mut self, value: u64) {
        self.system = value & Rflags::ALL & !Rflags::STATUS;
        self.set_status(value);
    }

    /// Replaces the six status flags by those of `value`.
    pub(crate) fn set_status(&mut self, value: u64) {
        let is = |bit: u64| u64::from(value & bit != 0);
        let (zf, odd) = (is(Rflags::ZF) != 0, is(Rflags::PF) ^ 1);
        let (cf, of) = (is(Rflags::CF), is(Rflags::OF));
        let carry = (cf << 63) | ((cf ^ of) << 62) | (is(Rflags::AF) << 3);
        if zf {
            self.set(0, carry);
            self.form = is(Rflags::SF) * SIGN_DELTA | odd << PARITY_SHIFT;
        } else {
            self.set((is(Rflags::SF) << 63) | 0x100 | odd, carry);
        }
    }
}

const _: () = assert!(SIGN_DELTA == 1 && Rflags::AF >> 1 == AUXILIARY);
// A width has to stay clear of the parity byte.
const _: () = assert!(WIDTH_SHIFT == PARITY_SHIFT + 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        let bits = [
            Rflags::CF,
            Rflags::PF,
            Rflags::AF,
            Rflags::ZF,
            Rflags::SF,
            Rflags::OF,
        ];
        for pick in 0..64_u32 {
            let value = (0..6)
                .filter(|n| pick >> n & 1 == 1)
                .map(|n| bits[n])
                .sum::<u64>();
            let mut flags = Flags::default();
            flags.set_value(value | Rflags::IF | 1 << 40);
            assert_eq!(flags.value(), value | Rflags::IF | Rflags::ONE);
            assert_eq!(flags.less(), flags.sf() != flags.of());
            for cf in [false, true] {
                let mut other = flags;
                other.set_cf(cf);
                assert_eq!(
                    other.value() & !Rflags::CF | u64::from(cf),
                    flags.value() & !Rflags::CF | u64::from(cf)
                );
                other.set_cf_of(cf, !cf);
                assert_eq!((other.cf(), other.of(), other.zf()), (cf, !cf, flags.zf()));
            }
        }
    }

    /// By definition (Intel SDM vol. 1, 3.4.3.1): `a + b` or `a - b` of `bits` bits.
    fn defined(subtract: bool, a: u64, b: u64, bits: u32) -> (u64, u64) {
        let mask = u64::MAX >> (64 - bits);
        let signed = |value: u64| i128::from((value << (64 - bits)) as i64 >> (64 - bits));
        let (wide, of) = if subtract {
            (i128::from(a) - i128::from(b), signed(a) - signed(b))
        } else {
            (i128::from(a) + i128::from(b), signed(a) + signed(b))
        };
        let r = wide as u64 & mask;
        let nibble = if subtract {
            a & 15 < b & 15
        } else {
            (a & 15) + (b & 15) > 15
        };
        let status = u64::from(wide < 0 || wide > i128::from(mask)) * Rflags::CF
            | u64::from((r as u8).count_ones() & 1 == 0) * Rflags::PF
            | u64::from(nibble) * Rflags::AF
            | u64::from(r == 0) * Rflags::ZF
            | u64::from(r >> (bits - 1) != 0) * Rflags::SF
            | u64::from(of != signed(of as u64 & mask)) * Rflags::OF;
        (signed(r) as u64, status)
    }

    fn check(a: u64, b: u64, bits: u32) {
        let mut flags = Flags::default();
        for subtract in [false, true] {
            let (result, status) = defined(subtract, a, b, bits);
            if subtract {
                flags.set_difference(result, a, bits);
            } else {
                flags.set_sum(result, a, bits);
            }
            assert_eq!(
                flags.value(),
                status | Rflags::ONE,
                "{a:x} {b:x} {bits} {subtract}"
            );
            assert_eq!(flags.less(), flags.sf() != flags.of());
            let mut other = flags;
            other.set_cf(true);
            assert_eq!(other.value(), status | Rflags::ONE | Rflags::CF);
        }
    }

    #[test]
    fn sums_and_differences_show_their_carries_when_asked() {
        (0..=255).for_each(|a| (0..=255).for_each(|b| check(a, b, 8)));
        let edges = [
            0_u64,
            1,
            7,
            8,
            15,
            16,
            0x7f,
            0x80,
            0xff,
            0x1234_5678_9abc_def0,
        ];
        for bits in [16, 32, 64] {
            let mask = u64::MAX >> (64 - bits);
            let sign = 1_u64 << (bits - 1);
            let all = edges.iter().flat_map(|&x| {
                [x, !x, x.wrapping_add(sign), sign.wrapping_sub(x)].map(|x| x & mask)
            });
            let all: Vec<u64> = all.collect();
            for &a in &all {
                all.iter().for_each(|&b| check(a, b, bits));
            }
        }
    }
}
