//! FXSAVE and XSAVE images of the state (Intel SDM vol. 1, 10.5.1 and 13.4).
//!
//! The instructions store parts of them (`sse::xsave`); the framework's `read_fpstate` and `write_fpstate` and snapshots take
//! the whole standard-format image.

use super::{MXCSR_INIT, MXCSR_MASK, State};

/// Number of a state component: a bit of XCR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Component {
    X87 = 0,
    Sse = 1,
    Avx = 2,
    Pkru = 9,
}

impl Component {
    /// Its bit in XCR0, XSTATE_BV, …
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Offset in the standard format and size, for components of the extended region (CPUID leaf 0DH).
    pub(crate) const fn place(self) -> (usize, usize) {
        match self {
            Self::X87 => (0, 160),
            Self::Sse => (160, 256),
            Self::Avx => (576, 256),
            Self::Pkru => (2688, 8),
        }
    }
}

/// All components that the engine has, as bits of XCR0.
pub(crate) const fn components() -> u64 {
    Component::X87.bit() | Component::Sse.bit() | Component::Avx.bit() | Component::Pkru.bit()
}

/// Size of the standard format for the components in `xcr0` (CPUID leaf 0DH, EBX).
pub(crate) const fn size_of_standard(xcr0: u64) -> usize {
    if xcr0 & Component::Pkru.bit() != 0 {
        2696
    } else if xcr0 & Component::Avx.bit() != 0 {
        832
    } else {
        576
    }
}

/// Size of the standard format with all components.
pub(crate) const XSAVE_SIZE: usize = size_of_standard(components());

/// Why an image cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadImage;

fn u16_at(image: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([image[at], image[at + 1]])
}

fn u32_at(image: &[u8], at: usize) -> u32 {
    u32::from(u16_at(image, at)) | u32::from(u16_at(image, at + 2)) << 16
}

fn u64_at(image: &[u8], at: usize) -> u64 {
    u64::from(u32_at(image, at)) | u64::from(u32_at(image, at + 4)) << 32
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The sixteen bytes at `at`.
pub(crate) fn u128_at(image: &[u8], at: usize) -> u128 {
    u128::from(u64_at(image, at)) | u128::from(u64_at(image, at + 8)) << 64
}

impl State {
    /// The first 160 bytes of an FXSAVE image: x87 and MXCSR. `wide` (REX.W) has 64-bit pointers; else 32-bit ones with selectors, which are
    /// deprecated: 0.
    pub(crate) fn legacy(&self, wide: bool) -> [u8; 160] {
        let mut image = [0; 160];
        put(&mut image, 0, &self.control.to_le_bytes());
        put(&mut image, 2, &self.status_word().to_le_bytes());
        image[4] = self.valid;
        put(&mut image, 6, &(self.opcode & 0x7ff).to_le_bytes());
        let pointer = if wide { !0 } else { 0xffff_ffff };
        put(&mut image, 8, &(self.ip & pointer).to_le_bytes());
        put(&mut image, 16, &(self.dp & pointer).to_le_bytes());
        put(&mut image, 24, &self.mxcsr.to_le_bytes());
        put(&mut image, 28, &MXCSR_MASK.to_le_bytes());
        for i in 0..8 {
            put(&mut image, 32 + 16 * i, &self.get(i as u8).to_le_bytes());
        }
        image
    }

    /// Takes the x87 part of an FXSAVE image, at least 160 bytes.
    pub(crate) fn set_x87(&mut self, image: &[u8], wide: bool) {
        self.set_control(u16_at(image, 0));
        self.set_status_word(u16_at(image, 2));
        self.valid = image[4];
        self.opcode = u16_at(image, 6) & 0x7ff;
        (self.ip, self.dp) = (u64_at(image, 8), u64_at(image, 16));
        (self.cs, self.ds) = (0, 0);
        if !wide {
            self.ip &= 0xffff_ffff;
            self.dp &= 0xffff_ffff;
        }
        for i in 0..8 {
            let register = self.register(i as u8);
            self.st[register] = u128_at(image, 32 + 16 * i) & ((1 << 80) - 1);
        }
    }

    /// The x87 component's initial configuration.
    pub(crate) fn init_x87(&mut self) {
        self.init();
        self.st = [0; 8];
    }

    /// Which of x87, SSE and AVX are not in their initial configuration (XINUSE).
    pub(crate) fn in_use(&self) -> u64 {
        let mut used = 0;
        let initial = State {
            xmm: self.xmm,
            high: self.high,
            mxcsr: self.mxcsr,
            ..State::default()
        };
        if *self != initial {
            used |= Component::X87.bit();
        }
        if self.xmm != [0; 16] {
            used |= Component::Sse.bit();
        }
        if self.high != [0; 16] {
            used |= Component::Avx.bit();
        }
        used
    }

    /// The whole state as an XSAVE image in standard format.
    pub(crate) fn to_xsave(&self, pkru: u32) -> [u8; XSAVE_SIZE] {
        let mut image = [0; XSAVE_SIZE];
        put(&mut image, 0, &self.legacy(true));
        for i in 0..16 {
            put(&mut image, 160 + 16 * i, &self.xmm[i].to_le_bytes());
            put(&mut image, 576 + 16 * i, &self.high[i].to_le_bytes());
        }
        put(&mut image, 512, &components().to_le_bytes());
        put(&mut image, Component::Pkru.place().0, &pkru.to_le_bytes());
        image
    }

    /// Takes an XSAVE image in standard format; components that its header leaves out, and those it is too short for, get their
    /// initial configuration. Answers PKRU.
    #[allow(clippy::wrong_self_convention)] // The counterpart of `to_xsave`; it must leave the state alone if it fails.
    pub(crate) fn from_xsave(&mut self, image: &[u8]) -> Result<u32, BadImage> {
        if image.len() < size_of_standard(0) {
            return Err(BadImage);
        }
        let present = u64_at(image, 512);
        let reserved = image[520..576].iter().any(|&byte| byte != 0);
        let mxcsr = u32_at(image, 24);
        if present & !components() != 0 || reserved || mxcsr & !MXCSR_MASK != 0 {
            return Err(BadImage);
        }
        let has = |component: Component| {
            let (at, size) = component.place();
            present & component.bit() != 0 && image.len() >= at + size
        };
        let mut state = State { ..State::default() };
        if has(Component::X87) {
            // 64-bit pointers: a selector from a processor that still has FCS becomes the upper half of a pointer that only handlers of
            // floating-point exceptions look at.
            state.set_x87(image, true);
        }
        state.mxcsr = if present == 0 { MXCSR_INIT } else { mxcsr };
        for i in 0..16 {
            if has(Component::Sse) {
                state.xmm[i] = u128_at(image, 160 + 16 * i);
            }
            if has(Component::Avx) {
                state.high[i] = u128_at(image, 576 + 16 * i);
            }
        }
        *self = state;
        Ok(if has(Component::Pkru) {
            u32_at(image, Component::Pkru.place().0)
        } else {
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_state() -> State {
        let mut state = State {
            mxcsr: 0x9fc2,
            opcode: 0x123,
            ip: 0x5555_5555_1234,
            dp: 0x5678,
            ..State::default()
        };
        for i in 0..16 {
            state.xmm[i] = u128::MAX / (i as u128 + 3);
            state.high[i] = u128::MAX / (i as u128 + 77);
        }
        state.fild(-12345);
        state.fld64(1.5_f64.to_bits());
        state
    }

    #[test]
    fn an_image_comes_back_as_it_went() {
        let state = some_state();
        let image = state.to_xsave(0x55);
        let mut other = State::default();
        assert_eq!(other.from_xsave(&image), Ok(0x55));
        assert_eq!(other, state);
        let far = State {
            ip: 0xffff_ffff_8100_0000,
            ..state
        };
        assert_eq!(other.from_xsave(&far.to_xsave(0)), Ok(0));
        assert_eq!(other, far);
    }

    #[test]
    fn damaged_images_change_nothing() {
        let good = some_state().to_xsave(0);
        let mut state = State::default();
        for (at, bit) in [(512, 0x08), (519, 0x80), (520, 1), (575, 1), (26, 1)] {
            let mut image = good;
            image[at] |= bit;
            assert_eq!(state.from_xsave(&image), Err(BadImage), "byte {at}");
        }
        for len in [0, 1, 511, 512, 575] {
            assert_eq!(state.from_xsave(&good[..len]), Err(BadImage), "{len} bytes");
        }
        assert_eq!(state, State::default());
    }

    #[test]
    fn absent_components_are_initialized() {
        let mut image = some_state().to_xsave(7);
        image[512] = Component::Avx.bit() as u8;
        image[513] = 0;
        let mut state = some_state();
        assert_eq!(state.from_xsave(&image), Ok(0));
        assert_eq!(state.in_use(), Component::Avx.bit());
        assert_eq!(state.mxcsr, 0x9fc2);
        image[512] = 0;
        assert_eq!(state.from_xsave(&image), Ok(0));
        assert_eq!(state, State::default());
    }
}
