//! RFLAGS, the arithmetic ones lazily: kept as the last result and its carries, and made into bits when somebody asks.

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

/// Where the carry bits of a byte, word or doubleword land: see [`Flags`].
const CARRY: u64 = 1 << 63;
const INTO_SIGN: u64 = 1 << 62;
const SIGN_DELTA: u64 = 1;
const AUXILIARY: u64 = 1 << 3;
const PARITY_SHIFT: u32 = 16;

/// RFLAGS.
///
/// ZF, SF and PF come from `result`, the last result sign-extended to 64 bits. `carry` has in bit 63 the carry out of the result's
/// sign bit (CF), in bit 62 the carry into it (OF is their difference), and in bit 3 AF. POPF and its like can set what no
/// result shows: bit 0 inverts SF, and bits 23:16 are added (exclusive or) to the byte that PF is taken from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    result: u64,
    carry: u64,
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
    }

    /// After an operation like INC that leaves CF alone.
    #[inline(always)]
    pub(crate) fn set_but_cf(&mut self, result: u64, carry: u64) {
        let changed = (self.carry ^ carry) & CARRY;
        // Bit 62 changes with bit 63, so that OF is the new operation's.
        self.set(result, carry ^ changed ^ (changed >> 1));
    }

    /// CF.
    #[inline(always)]
    pub(crate) fn cf(&self) -> bool {
        self.carry & CARRY != 0
    }

    /// OF.
    #[inline(always)]
    pub(crate) fn of(&self) -> bool {
        (self.carry ^ (self.carry << 1)) & CARRY != 0
    }

    /// ZF.
    #[inline(always)]
    pub(crate) fn zf(&self) -> bool {
        self.result == 0
    }

    /// SF.
    #[inline(always)]
    pub(crate) fn sf(&self) -> bool {
        (self.result ^ (self.carry << 63)) & (1 << 63) != 0
    }

    /// SF differs from OF: the condition "less".
    #[inline(always)]
    pub(crate) fn less(&self) -> bool {
        (self.result ^ (self.carry << 63) ^ self.carry ^ (self.carry << 1)) & (1 << 63) != 0
    }

    /// PF.
    #[inline(always)]
    pub(crate) fn pf(&self) -> bool {
        let byte = (self.result ^ (self.carry >> PARITY_SHIFT)) as u8;
        byte.count_ones() & 1 == 0
    }

    /// AF.
    #[inline(always)]
    pub(crate) fn af(&self) -> bool {
        self.carry & AUXILIARY != 0
    }

    /// Sets CF and leaves the others.
    #[inline(always)]
    pub(crate) fn set_cf(&mut self, cf: bool) {
        let changed = (self.carry ^ (u64::from(cf) << 63)) & CARRY;
        self.carry ^= changed ^ (changed >> 1);
    }

    /// Sets CF and OF and leaves the others.
    #[inline(always)]
    pub(crate) fn set_cf_of(&mut self, cf: bool, of: bool) {
        let rest = self.carry & !(CARRY | INTO_SIGN);
        self.carry = rest | (u64::from(cf) << 63) | (u64::from(cf ^ of) << 62);
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
            self.set(0, carry | is(Rflags::SF) | (odd << PARITY_SHIFT));
        } else {
            self.set((is(Rflags::SF) << 63) | 0x100 | odd, carry);
        }
    }
}

const _: () = assert!(SIGN_DELTA == 1 && Rflags::AF >> 1 == AUXILIARY);

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
}
