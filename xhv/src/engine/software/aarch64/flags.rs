//! The condition flags N, Z, C and V, kept apart so that an instruction writes each with one store; read by `exec`.

/// NZCV. A flag is computed from its word only when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// Bit 63 is N.
    pub(crate) n: u64,
    /// Z is set when this is zero.
    pub(crate) z: u64,
    /// C: 0 or 1.
    pub(crate) c: u64,
    /// Bit 63 is V.
    pub(crate) v: u64,
}

impl Flags {
    /// From bits \[31:28\] of a word, as in `NZCV` and `SPSR_EL1`.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            n: bits << 32,
            z: !bits >> 30 & 1,
            c: bits >> 29 & 1,
            v: bits << 35,
        }
    }

    /// As bits \[31:28\] of a word.
    pub(crate) fn bits(self) -> u64 {
        (self.n >> 63) << 31 | u64::from(self.z == 0) << 30 | self.c << 29 | (self.v >> 63) << 28
    }

    /// `ConditionHolds` of the manual, for a condition known when the operation was compiled.
    #[inline(always)]
    pub(crate) fn holds<const CONDITION: u8>(self) -> bool {
        let negative = self.n >> 63 != 0;
        let overflow = self.v >> 63 != 0;
        let base = match CONDITION >> 1 {
            0 => self.z == 0,
            1 => self.c != 0,
            2 => negative,
            3 => overflow,
            4 => self.c != 0 && self.z != 0,
            5 => negative == overflow,
            6 => negative == overflow && self.z != 0,
            _ => return true,
        };
        base != (CONDITION & 1 != 0)
    }

    /// `ConditionHolds` for a condition known only now; bits \[3:0\] count.
    #[inline]
    pub(crate) fn test(self, condition: u8) -> bool {
        let base = match condition >> 1 & 7 {
            0 => self.z == 0,
            1 => self.c != 0,
            2 => self.n >> 63 != 0,
            3 => self.v >> 63 != 0,
            4 => self.c != 0 && self.z != 0,
            5 => (self.n ^ self.v) >> 63 == 0,
            6 => (self.n ^ self.v) >> 63 == 0 && self.z != 0,
            _ => return true,
        };
        base != (condition & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_round_trip_and_conditions_agree() {
        for bits in 0..16_u64 {
            let flags = Flags::from_bits(bits << 28);
            assert_eq!(flags.bits(), bits << 28);
            let (n, z, c, v) = (bits & 8 != 0, bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
            let expected = [
                z,
                !z,
                c,
                !c,
                n,
                !n,
                v,
                !v,
                c && !z,
                !c || z,
                n == v,
                n != v,
                n == v && !z,
                n != v || z,
                true,
                true,
            ];
            for (condition, &holds) in expected.iter().enumerate() {
                assert_eq!(flags.test(condition as u8), holds, "{bits:#x} {condition}");
            }
            assert_eq!(flags.holds::<8>(), expected[8]);
            assert_eq!(flags.holds::<13>(), expected[13]);
            assert!(flags.holds::<14>() && flags.holds::<15>());
        }
    }
}
