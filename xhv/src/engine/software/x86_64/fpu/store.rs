//! x87 stores: ST(0) as a memory format. They answer `None` when an unmasked exception keeps memory and stack as they are.

use super::{INDEFINITE, State};
use crate::engine::software::float::{F32, F64, F80, Flags, Format, Rounding, convert, to_int};

impl State {
    /// ST(0), or what a masked stack underflow makes of it.
    fn source(&mut self) -> Option<u128> {
        if self.is_empty(0) {
            return self.stack_fault(false).then_some(INDEFINITE);
        }
        self.status &= !super::status::C1;
        Some(self.get(0))
    }

    fn fst(&mut self, to: Format) -> Option<u128> {
        let empty = self.is_empty(0);
        let source = self.source()?;
        // A result in memory is not delivered at all when it overflows or underflows unmasked.
        let mut env = self.env();
        let unmasked = env.wrap;
        env.wrap = 0;
        let (bits, mut flags) = convert(F80, to, source, &env);
        if empty {
            return Some(bits);
        }
        // A denormal in 80 bits is none of the exceptions of FST.
        flags.0 &= !Flags::DENORMAL.0;
        if flags.has(Flags::TINY) && unmasked & Flags::UNDERFLOW.0 != 0 {
            flags |= Flags::UNDERFLOW;
        }
        let refused = flags.sticky() & unmasked != 0;
        if refused {
            flags = Flags(flags.0 & !(Flags::INEXACT.0 | Flags::ROUNDED_UP.0));
        }
        (self.raise(flags) && !refused).then_some(bits)
    }

    /// FST m32fp.
    pub(crate) fn fst32(&mut self) -> Option<u32> {
        self.fst(F32).map(|bits| bits as u32)
    }

    /// FST m64fp.
    pub(crate) fn fst64(&mut self) -> Option<u64> {
        self.fst(F64).map(|bits| bits as u64)
    }

    /// FSTP m80fp.
    pub(crate) fn fst80(&mut self) -> Option<u128> {
        self.source()
    }

    /// FST ST(i).
    pub(crate) fn fst_register(&mut self, i: u8) -> bool {
        let Some(bits) = self.source() else {
            return false;
        };
        self.set(i, bits);
        true
    }

    /// FSTPNCE ST(i) (D9 D8): an empty ST(0) is no fault; it is popped, and nothing stored.
    pub(crate) fn fstp_unchecked(&mut self, i: u8) {
        self.status &= !super::status::C1;
        if !self.is_empty(0) {
            self.set(i, self.get(0));
        }
        self.pop();
    }

    /// FIST and, with `truncate`, FISTTP: an integer of `width` bits.
    pub(crate) fn fist(&mut self, width: u32, truncate: bool) -> Option<u64> {
        let empty = self.is_empty(0);
        let source = self.source()?;
        let mut env = self.env();
        if truncate {
            env.rounding = Rounding::Zero;
        }
        let (value, flags) = to_int(F80, source, width, true, &env);
        let value = value.unwrap_or(-(1 << (width - 1)));
        (empty || self.raise(flags)).then_some(value as u64)
    }

    /// FBSTP: eighteen packed decimal digits and a sign.
    pub(crate) fn fbst(&mut self) -> Option<u128> {
        const INDEFINITE_BCD: u128 = 0xffff_c000_0000_0000_0000;
        const LIMIT: u64 = 1_000_000_000_000_000_000;
        let empty = self.is_empty(0);
        let source = self.source()?;
        let (value, mut flags) = to_int(F80, source, 64, true, &self.env());
        let magnitude = value.map(|value| value.unsigned_abs() as u64);
        let packed = match magnitude.filter(|&magnitude| magnitude < LIMIT) {
            Some(mut rest) => {
                let mut packed = source & 1 << 79;
                for digit in 0..18 {
                    packed |= u128::from(rest % 10) << (4 * digit);
                    rest /= 10;
                }
                packed
            }
            None => {
                flags = Flags::INVALID;
                INDEFINITE_BCD
            }
        };
        (empty || self.raise(flags)).then_some(packed)
    }
}
