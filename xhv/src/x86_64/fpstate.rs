//! x87, MMX, SSE and AVX state as the framework exchanges it: the XSAVE area in its standard format, as a struct.
//!
//! Source: Intel SDM vol. 1, "XSAVE Area" and "FXSAVE Area" (64-bit form).

use serde::{Deserialize, Serialize};

/// Bytes that are passed to an engine: enough for every component that Macs have (AVX-512 included).
pub(super) const XSAVE_SIZE: usize = 4096;
/// Where the upper halves of YMM0 to YMM15 lie in the standard format.
const YMM_HIGH: usize = 576;
/// Where components beyond AVX begin.
const REST: usize = 832;

/// x87, SSE and AVX state of a vCPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FpState {
    /// x87 control word.
    #[serde(with = "number")]
    pub fcw: u16,
    /// x87 status word.
    #[serde(with = "number")]
    pub fsw: u16,
    /// x87 tag word, abridged: a bit for each physical register that is not empty.
    #[serde(with = "number")]
    pub ftw: u8,
    /// Last x87 opcode.
    #[serde(with = "number")]
    pub fop: u16,
    /// Last x87 instruction pointer.
    #[serde(with = "number")]
    pub fip: u64,
    /// Last x87 data pointer.
    #[serde(with = "number")]
    pub fdp: u64,
    /// SSE control and status.
    #[serde(with = "number")]
    pub mxcsr: u32,
    /// Bits of MXCSR that exist.
    #[serde(with = "number")]
    pub mxcsr_mask: u32,
    /// ST0 to ST7, 80 bits each; MM0 to MM7 are their low 64 bits.
    #[serde(with = "hex_list")]
    pub st: [u128; 8],
    /// XMM0 to XMM15.
    #[serde(with = "hex_list")]
    pub xmm: [u128; 16],
    /// Upper halves of YMM0 to YMM15.
    #[serde(with = "hex_list")]
    pub ymm_high: [u128; 16],
    /// Which components are in use (XSTATE_BV).
    #[serde(with = "number")]
    pub xstate_bv: u64,
    /// Components beyond AVX, as they lie in the area from offset 832 on; trailing zeros left out.
    #[serde(with = "hex_bytes")]
    pub rest: Vec<u8>,
}

impl Default for FpState {
    /// The state after FNINIT, with MXCSR as after reset.
    fn default() -> Self {
        Self {
            fcw: 0x37f,
            fsw: 0,
            ftw: 0,
            fop: 0,
            fip: 0,
            fdp: 0,
            mxcsr: 0x1f80,
            mxcsr_mask: 0xffff,
            st: [0; 8],
            xmm: [0; 16],
            ymm_high: [0; 16],
            xstate_bv: 3,
            rest: Vec::new(),
        }
    }
}

/// Reads a little-endian number of up to 16 bytes; bytes beyond the end count as 0.
fn get(area: &[u8], offset: usize, len: usize) -> u128 {
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().take(len).enumerate() {
        *byte = area.get(offset + at).copied().unwrap_or(0);
    }
    u128::from_le_bytes(bytes)
}

fn put(area: &mut [u8], offset: usize, len: usize, value: u128) {
    for (byte, from) in area
        .iter_mut()
        .skip(offset)
        .take(len)
        .zip(value.to_le_bytes())
    {
        *byte = from;
    }
}

impl FpState {
    /// The component with bits 511:256 of ZMM0 to ZMM15, as a bit of XCR0.
    #[cfg(feature = "decode")]
    pub(super) const ZMM_HIGH: u32 = 6;
    /// The component that is PKRU.
    pub(super) const PKRU: u32 = 9;

    /// From an XSAVE area in the standard format. Components whose bit in XSTATE_BV is 0 have their initial value.
    #[must_use]
    pub fn from_xsave(area: &[u8]) -> Self {
        let list = |offset: usize| core::array::from_fn(|at| get(area, offset + 16 * at, 16));
        let xstate_bv = get(area, 512, 8) as u64;
        let mut state = Self {
            fcw: get(area, 0, 2) as u16,
            fsw: get(area, 2, 2) as u16,
            ftw: get(area, 4, 1) as u8,
            fop: get(area, 6, 2) as u16,
            fip: get(area, 8, 8) as u64,
            fdp: get(area, 16, 8) as u64,
            mxcsr: get(area, 24, 4) as u32,
            mxcsr_mask: get(area, 28, 4) as u32,
            st: core::array::from_fn(|at| get(area, 32 + 16 * at, 10)),
            xmm: list(160),
            ymm_high: list(YMM_HIGH),
            xstate_bv,
            rest: area.get(REST..).unwrap_or_default().to_vec(),
        };
        let initial = Self::default();
        if xstate_bv & 1 == 0 {
            (state.fcw, state.fsw, state.ftw, state.fop) = (initial.fcw, 0, 0, 0);
            (state.fip, state.fdp, state.st) = (0, 0, initial.st);
        }
        if xstate_bv & 2 == 0 {
            state.xmm = initial.xmm;
        }
        if xstate_bv & 4 == 0 {
            state.ymm_high = initial.ymm_high;
        }
        while state.rest.last() == Some(&0) {
            state.rest.pop();
        }
        state
    }

    /// As an XSAVE area of 4096 bytes in the standard format.
    #[must_use]
    pub fn to_xsave(&self) -> Vec<u8> {
        let mut area = vec![0; XSAVE_SIZE];
        for (offset, len, value) in [
            (0, 2, u128::from(self.fcw)),
            (2, 2, self.fsw.into()),
            (4, 1, self.ftw.into()),
            (6, 2, self.fop.into()),
            (8, 8, self.fip.into()),
            (16, 8, self.fdp.into()),
            (24, 4, self.mxcsr.into()),
            (28, 4, self.mxcsr_mask.into()),
            (512, 8, self.used().into()),
        ] {
            put(&mut area, offset, len, value);
        }
        for (at, value) in self.st.iter().enumerate() {
            put(&mut area, 32 + 16 * at, 10, *value);
        }
        for (at, value) in self.xmm.iter().enumerate() {
            put(&mut area, 160 + 16 * at, 16, *value);
        }
        for (at, value) in self.ymm_high.iter().enumerate() {
            put(&mut area, YMM_HIGH + 16 * at, 16, *value);
        }
        for (to, from) in area[REST..].iter_mut().zip(&self.rest) {
            *to = *from;
        }
        area
    }

    /// Clears bits 511:256 of a vector register, if this state has AVX-512's. `place` is where its component lies in the standard format.
    #[cfg(feature = "decode")]
    pub(super) fn clear_zmm_high(&mut self, register: usize, place: usize) {
        if self.xstate_bv >> Self::ZMM_HIGH & 1 == 0 {
            return;
        }
        let Some(first) = (place + 32 * register).checked_sub(REST) else {
            return;
        };
        // Trailing zeros are left out.
        self.rest
            .iter_mut()
            .skip(first)
            .take(32)
            .for_each(|byte| *byte = 0);
        while self.rest.last() == Some(&0) {
            self.rest.pop();
        }
    }

    /// PKRU; `place` is where its component lies in the standard format.
    pub(super) fn pkru(&self, place: usize) -> u32 {
        match place.checked_sub(REST) {
            Some(first) if self.xstate_bv >> Self::PKRU & 1 != 0 => {
                get(&self.rest, first, 4) as u32
            }
            _ => 0,
        }
    }

    /// XSTATE_BV, with the bits of x87, SSE and AVX set where their state is not initial.
    fn used(&self) -> u64 {
        let avx = self.ymm_high.iter().any(|half| *half != 0);
        self.xstate_bv | 3 | u64::from(avx) << 2
    }

    /// The x87 tag word in full, two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, 8.1.7).
    #[must_use]
    pub fn tag_word(&self) -> u16 {
        let top = usize::from(self.fsw >> 11 & 7);
        (0..8).fold(0, |word, physical: usize| {
            let tag = if self.ftw >> physical & 1 == 0 {
                3
            } else {
                tag_of(self.st[(physical + 8 - top) % 8])
            };
            word | tag << (2 * physical)
        })
    }

    /// Takes from a full tag word which registers are empty.
    pub fn set_tag_word(&mut self, word: u16) {
        self.ftw = (0..8)
            .filter(|physical| word >> (2 * physical) & 3 != 3)
            .fold(0, |tags, physical| tags | 1 << physical);
    }

    /// As an FXSAVE image, 512 bytes.
    #[must_use]
    pub fn to_fxsave(&self) -> [u8; 512] {
        let area = self.to_xsave();
        core::array::from_fn(|at| area[at])
    }

    /// From an FXSAVE image: no component beyond SSE.
    #[must_use]
    pub fn from_fxsave(image: &[u8; 512]) -> Self {
        let mut area = image.to_vec();
        area.extend(3_u64.to_le_bytes());
        Self::from_xsave(&area)
    }
}

/// Valid, zero or special: what the tag word says of an 80-bit value that is there.
fn tag_of(value: u128) -> u16 {
    let (exponent, significand) = (value >> 64 & 0x7fff, value as u64);
    match (exponent, significand) {
        (0, 0) => 1,
        (1..=0x7ffe, _) if significand >> 63 != 0 => 0,
        _ => 2,
    }
}

mod number {
    use serde::de::Deserializer;
    use serde::ser::Serializer;

    use crate::typed::{Bits, hex};

    pub(super) fn serialize<T: Bits, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        hex::serialize(*value, serializer)
    }

    pub(super) fn deserialize<'de, T: Bits, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        hex::deserialize(deserializer)
    }
}

mod hex_list {
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        list: &[u128; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|value| format!("{value:#x}")))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u128; N], D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        let count = words.len();
        let mut list = [0; N];
        if count != N {
            return Err(D::Error::custom(format_args!(
                "{count} registers where there are {N}"
            )));
        }
        for (place, word) in list.iter_mut().zip(words) {
            let digits = word.strip_prefix("0x");
            let value = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
            *place = value.ok_or_else(|| {
                D::Error::custom(format_args!("`{word}` is no hexadecimal number like 0x1f"))
            })?;
        }
        Ok(list)
    }
}

mod hex_bytes {
    use core::fmt::Write;

    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = text.as_bytes().chunks(2).map(|pair| match *pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes
            .filter(|bytes| bytes.len() <= super::XSAVE_SIZE - super::REST)
            .ok_or_else(|| D::Error::custom("not a list of bytes, two hexadecimal digits each"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_json_keep_everything() {
        let mut state = FpState {
            fip: 0x1234_5678_9abc,
            xstate_bv: 0x207,
            rest: vec![0, 1, 2],
            ..FpState::default()
        };
        state.st[7] = 0x4000_c90f_daa2_2168_c235;
        state.xmm[15] = u128::MAX;
        state.ymm_high[3] = 7;
        assert_eq!(FpState::from_xsave(&state.to_xsave()), state);
        let json = serde_json::to_string(&state).unwrap();
        assert!(json.contains("\"0x4000c90fdaa22168c235\""), "{json}");
        assert_eq!(serde_json::from_str::<FpState>(&json).unwrap(), state);
        let image = FpState::from_fxsave(&state.to_fxsave());
        assert_eq!((image.xmm, image.st), (state.xmm, state.st));
    }

    #[test]
    fn components_beyond_avx_lie_where_cpuid_says() {
        let mut state = FpState {
            xstate_bv: 1 << FpState::PKRU | 1 << FpState::ZMM_HIGH,
            rest: vec![0xff; 2692 - REST],
            ..FpState::default()
        };
        assert_eq!(state.pkru(2688), u32::MAX);
        assert_eq!(state.pkru(REST + 4096), 0);
        assert_eq!(state.pkru(0), 0);
        state.clear_zmm_high(3, 1152);
        let cleared = 1152 + 96 - REST..1152 + 128 - REST;
        for (at, byte) in state.rest.iter().enumerate() {
            assert_eq!(*byte == 0, cleared.contains(&at), "{at}");
        }
        state.clear_zmm_high(15, 4096);
        state.xstate_bv = 0;
        assert_eq!(state.pkru(2688), 0);
        let before = state.clone();
        state.clear_zmm_high(0, 1152);
        assert_eq!(state, before);
    }

    #[test]
    fn tag_words_tell_what_is_in_the_registers() {
        let mut state = FpState::default();
        assert_eq!(state.tag_word(), 0xffff);
        // TOP is 6: ST0 is register 6, ST1 register 7, ST2 register 0.
        (state.fsw, state.ftw) = (6 << 11, 0b1100_0001);
        state.st[0] = 0x3fff_8000_0000_0000_0000;
        state.st[2] = 0x7fff_8000_0000_0000_0000;
        let word = state.tag_word();
        assert_eq!(word, 0b01_00_11_11_11_11_11_10);
        state.ftw = 0;
        state.set_tag_word(word);
        assert_eq!(state.ftw, 0b1100_0001);
    }

    #[test]
    fn damaged_input_is_refused() {
        let json = serde_json::to_string(&FpState::default()).unwrap();
        for (from, to) in [
            ("\"0x37f\"", "\"0x10000\""),
            ("\"rest\":\"\"", "\"rest\":\"0\""),
            ("[\"0x0\",", "["),
        ] {
            let damaged = json.replacen(from, to, 1);
            assert_ne!(damaged, json);
            assert!(
                serde_json::from_str::<FpState>(&damaged).is_err(),
                "{damaged}"
            );
        }
        assert_eq!(FpState::from_xsave(&[]).fcw, 0x37f);
    }
}
