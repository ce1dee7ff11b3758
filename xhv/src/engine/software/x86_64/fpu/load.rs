//! x87 loads: from memory formats and integers, constants, packed decimal. `store` is the way back.

use super::State;
use crate::engine::software::float::{Env, F32, F64, F80, Flags, convert, from_int};

/// The constants that FLD1 … FLDZ push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    One,
    Log2Of10,
    Log2OfE,
    Pi,
    Log10Of2,
    LnOf2,
    Zero,
}

impl Constant {
    /// Sign and exponent, significand rounded to nearest, and how that must be changed to round down and up.
    const fn bits(self, rc: u16) -> u128 {
        let (exponent, nearest, down, up) = match self {
            Self::One => (0x3fff, 1 << 63, 0, 0),
            Self::Log2Of10 => (0x4000, 0xd49a_784b_cd1b_8afe_u64, 0, 1),
            Self::Log2OfE => (0x3fff, 0xb8aa_3b29_5c17_f0bc, -1, 0),
            Self::Pi => (0x4000, 0xc90f_daa2_2168_c235, -1, 0),
            Self::Log10Of2 => (0x3ffd, 0x9a20_9a84_fbcf_f799, -1, 0),
            Self::LnOf2 => (0x3ffe, 0xb172_17f7_d1cf_79ac, -1, 0),
            Self::Zero => return 0,
        };
        let significand = match rc & 3 {
            0 => nearest,
            2 => nearest.wrapping_add_signed(up),
            _ => nearest.wrapping_add_signed(down),
        };
        (exponent as u128) << 64 | significand as u128
    }
}

impl State {
    /// FLD m32fp.
    pub(crate) fn fld32(&mut self, bits: u32) {
        let (value, flags) = convert(F32, F80, bits.into(), &self.env());
        self.push(value, flags);
    }

    /// FLD m64fp.
    pub(crate) fn fld64(&mut self, bits: u64) {
        let (value, flags) = convert(F64, F80, bits.into(), &self.env());
        self.push(value, flags);
    }

    /// FLD m80fp: any pattern, nothing raised.
    pub(crate) fn fld80(&mut self, bits: u128) {
        self.push(bits, Flags::NONE);
    }

    /// FLD ST(i).
    pub(crate) fn fld_register(&mut self, i: u8) {
        if self.is_empty(i) {
            if self.stack_fault(false) {
                self.top = self.top.wrapping_sub(1) & 7;
                self.set(0, super::INDEFINITE);
            }
            return;
        }
        self.push(self.get(i), Flags::NONE);
    }

    /// FILD.
    pub(crate) fn fild(&mut self, value: i64) {
        let (bits, flags) = from_int(F80, value.into(), &Env::default());
        self.push(bits, flags);
    }

    /// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ.
    pub(crate) fn fld_constant(&mut self, constant: Constant) {
        self.push(constant.bits(self.control >> 10), Flags::NONE);
    }

    /// FBLD: eighteen packed decimal digits and a sign.
    pub(crate) fn fbld(&mut self, packed: u128) {
        let digits = (0..18).rev().map(|n| (packed >> (4 * n)) as i64 & 15);
        let magnitude = digits.fold(0_i64, |sum, digit| sum * 10 + digit);
        let (mut bits, flags) = from_int(F80, magnitude.into(), &Env::default());
        bits |= packed & 1 << 79;
        self.push(bits, flags);
    }
}
