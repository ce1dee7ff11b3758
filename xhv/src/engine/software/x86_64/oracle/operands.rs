//! Register contents worth trying: special values of every format in every lane, and random ones.

use crate::engine::software::x86_64::fpu::State;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() >> 33) as usize % from.len()]
    }

    fn f64(&mut self) -> u64 {
        const SPECIAL: [u64; 16] = [
            0,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x4000_0000_0000_0000,
            0x3fe0_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ff8_0000_0000_1234,
            0x41df_ffff_ffe0_0000,
            0x41e0_0000_0000_0000,
            0x43e0_0000_0000_0000,
            0x47ef_ffff_f000_0000,
            0x3690_0000_0000_0000,
        ];
        let random = self.next();
        match random & 7 {
            0 | 1 => self.pick(&SPECIAL) | random & 1 << 63,
            2 => (f64::from(random as i32) / 8.0).to_bits(),
            3 => (f64::from((random >> 8) as i8) / 2.0).to_bits(),
            4 => random & !0 << 63 | 0x3ff0_0000_0000_0000 | self.next() >> 12,
            5 => random & 0x800f_ffff_ffff_ffff,
            6 => {
                (random & 0x800f_ffff_ffff_ffff)
                    | (0x3800_0000_0000_0000 + (self.next() & (0x7f0 << 52)))
            }
            _ => random,
        }
    }

    fn f32(&mut self) -> u32 {
        const SPECIAL: [u32; 14] = [
            0,
            1,
            0x7f_ffff,
            0x80_0000,
            0x3f80_0000,
            0x4000_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7f80_0001,
            0x7fc0_4321,
            0x4f00_0000,
            0x4eff_ffff,
            0x3f00_0000,
            0x4780_0000,
        ];
        let random = self.next();
        let sign = random as u32 & 1 << 31;
        match random >> 32 & 7 {
            0 | 1 => self.pick(&SPECIAL) | sign,
            2 => (f32::from(random as i16) / 4.0).to_bits(),
            3 => sign | 0x3f80_0000 | random as u32 & 0x7f_ffff,
            4 => random as u32 & 0x807f_ffff,
            5 => sign | 0x3800_0000 | random as u32 & 0x0fff_ffff,
            _ => random as u32,
        }
    }

    pub(super) fn vector(&mut self) -> u128 {
        let wide = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
        match self.next() >> 61 {
            0..3 => wide(self.f64(), self.f64()),
            3..6 => (0..4).fold(0, |v, n| v | u128::from(self.f32()) << (32 * n)),
            6 => {
                let small = [0_u8, 1, 0x7f, 0x80, 0xff, 3];
                (0..16).fold(0, |v, n| v | u128::from(self.pick(&small)) << (8 * n))
            }
            _ => wide(self.next(), self.next()),
        }
    }

    fn f80(&mut self) -> u128 {
        let random = self.next();
        let sign = u128::from(random >> 63) << 79;
        let at = |exponent: u64, significand: u64| {
            sign | u128::from(exponent & 0x7fff) << 64 | u128::from(significand)
        };
        match random & 15 {
            0 => at(0, 0),
            1 => at(0x7fff, 1 << 63),
            2 => at(0x7fff, 3 << 62 | self.next() >> 4),
            3 => at(0x7fff, 2 << 62 | 1),
            4 => at(0, self.next() >> 1),
            5 => at(0, 1 << 63 | 5),
            6 => at(self.next(), self.next() >> 1),
            7 => at(0x3fff + (random >> 8 & 15), 1 << 63),
            8 => at(0x3fff, 1 << 63 | self.next() & 0xffff << 40),
            9 => at(0x7ffe, !0),
            10 => at(1, 1 << 63 | self.next()),
            11 => at(0x3fff - 130 + (random >> 8 & 255), 1 << 63 | self.next()),
            12 | 13 => at(0x3fff - 20 + (random >> 8 & 63), 1 << 63 | self.next()),
            14 => at(0x3fff + (random >> 8 & 31), 1 << 63 | self.next() << 45),
            _ => at(self.next(), 1 << 63 | self.next()),
        }
    }

    /// A whole register state, MXCSR's exceptions all masked, no x87 exception pending.
    pub(super) fn state(&mut self) -> State {
        let mut state = State::default();
        for n in 0..16 {
            state.xmm[n] = self.vector();
            state.high[n] = self.vector();
        }
        let random = self.next();
        // Rounding, DAZ, FTZ; flags none, inexact, or any.
        let sticky = self.pick(&[0, 0x20, random as u32 & 0x3f]);
        state.mxcsr = 0x1f80 | (random >> 32) as u32 & 0xe040 | sticky;
        if random & 0x300 == 0 {
            state.mxcsr = 0x1fa0;
        }
        for n in 0..8 {
            state.st[n] = self.f80();
        }
        state.top = (random >> 40) as u8 & 7;
        state.valid = self.pick(&[0xff, 0xff, 0x7f << (random >> 40 & 7), random as u8]);
        let precision = self.pick(&[0, 2, 3, 3, 3]);
        let masks = self.pick(&[0x3f, 0x3f, 0x3f, random as u16 & 0x3f]);
        state.set_control((random >> 20) as u16 & 0xc00 | precision << 8 | masks);
        state.set_status_word((random >> 48) as u16 & 0x7d00 | u16::from(state.top) << 11);
        state
    }
}
