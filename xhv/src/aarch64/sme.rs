//! SME: what of it is on, and its registers, whose size is the streaming vector length of the host. macOS 15.2 and an M4 or later.

use serde::{Deserialize, Serialize};

use super::builder::Limits;
use super::sme_registers::{PRegister, Svcr, ZRegister};
use super::vcpu::Vcpu;
use crate::engine::aarch64 as engine;
use crate::error::Error;

impl Vcpu {
    /// Streaming vector length of the host, in bytes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] without SME.
    pub fn streaming_vector_length(&self) -> Result<usize, Error> {
        let result = engine::get_max_svl_bytes(self.vm().choice());
        self.call("hv_sme_config_get_max_svl_bytes", result)
    }

    /// What of SME is on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] without SME.
    pub fn sme_state(&self) -> Result<Svcr, Error> {
        let result = self.engine.get_sme_state();
        let (streaming, za) = self.call("hv_vcpu_get_sme_state", result)?;
        let mut state = Svcr::empty();
        state.set(Svcr::SM, streaming);
        state.set(Svcr::ZA, za);
        Ok(state)
    }

    /// Switches SME. A change of SM zeroes the Z and P registers and sets the flags of FPSR.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Call`] without SME.
    pub fn set_sme_state(&mut self, state: Svcr) -> Result<(), Error> {
        let (streaming, za) = (state.contains(Svcr::SM), state.contains(Svcr::ZA));
        let result = self.engine.set_sme_state(streaming, za);
        self.call("hv_vcpu_set_sme_state", result)
    }

    /// A Z register; needs SM.
    ///
    /// # Errors
    /// [`Error::Call`] if SM is off; without SME as [`Vcpu::sme_state`].
    pub fn z(&self, register: ZRegister) -> Result<Vec<u8>, Error> {
        let mut value = vec![0; self.streaming_vector_length()?];
        let result = self.engine.get_sme_z_reg(register.0, &mut value);
        self.call("hv_vcpu_get_sme_z_reg", result).map(|()| value)
    }

    /// Writes a Z register; needs SM and a value of the streaming vector length.
    ///
    /// # Errors
    /// [`Error::Argument`] for another length, otherwise as [`Vcpu::z`].
    pub fn set_z(&mut self, register: ZRegister, value: &[u8]) -> Result<(), Error> {
        check("Vcpu::set_z", value, self.streaming_vector_length()?)?;
        let result = self.engine.set_sme_z_reg(register.0, value);
        self.call("hv_vcpu_set_sme_z_reg", result)
    }

    /// A P register; needs SM.
    ///
    /// # Errors
    /// As [`Vcpu::z`].
    pub fn p(&self, register: PRegister) -> Result<Vec<u8>, Error> {
        let mut value = vec![0; self.streaming_vector_length()? / 8];
        let result = self.engine.get_sme_p_reg(register.0, &mut value);
        self.call("hv_vcpu_get_sme_p_reg", result).map(|()| value)
    }

    /// Writes a P register; needs SM and a value of an eighth of the streaming vector length.
    ///
    /// # Errors
    /// As [`Vcpu::set_z`].
    pub fn set_p(&mut self, register: PRegister, value: &[u8]) -> Result<(), Error> {
        check("Vcpu::set_p", value, self.streaming_vector_length()? / 8)?;
        let result = self.engine.set_sme_p_reg(register.0, value);
        self.call("hv_vcpu_set_sme_p_reg", result)
    }

    /// ZA: the square of the streaming vector length; needs ZA.
    ///
    /// # Errors
    /// [`Error::Call`] if ZA is off; without SME as [`Vcpu::sme_state`].
    pub fn za(&self) -> Result<Vec<u8>, Error> {
        let mut value = vec![0; self.streaming_vector_length()?.pow(2)];
        let result = self.engine.get_sme_za_reg(&mut value);
        self.call("hv_vcpu_get_sme_za_reg", result).map(|()| value)
    }

    /// Writes ZA; needs ZA and a value of its size.
    ///
    /// # Errors
    /// [`Error::Argument`] for another length, otherwise as [`Vcpu::za`].
    pub fn set_za(&mut self, value: &[u8]) -> Result<(), Error> {
        check(
            "Vcpu::set_za",
            value,
            self.streaming_vector_length()?.pow(2),
        )?;
        let result = self.engine.set_sme_za_reg(value);
        self.call("hv_vcpu_set_sme_za_reg", result)
    }

    /// ZT0; needs ZA and SME2.
    ///
    /// # Errors
    /// As [`Vcpu::za`].
    pub fn zt0(&self) -> Result<[u8; 64], Error> {
        self.call("hv_vcpu_get_sme_zt0_reg", self.engine.get_sme_zt0_reg())
    }

    /// Writes ZT0; needs ZA and SME2.
    ///
    /// # Errors
    /// As [`Vcpu::za`].
    pub fn set_zt0(&mut self, value: &[u8; 64]) -> Result<(), Error> {
        let result = self.engine.set_sme_zt0_reg(value);
        self.call("hv_vcpu_set_sme_zt0_reg", result)
    }
}

fn check(call: &'static str, value: &[u8], length: usize) -> Result<(), Error> {
    if value.len() == length {
        return Ok(());
    }
    Err(Error::Argument {
        call,
        why: format!(
            "the value has {} bytes, and {length} are needed",
            value.len()
        ),
    })
}

/// State of SME in a snapshot: registers that are not accessible are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmeState {
    /// What is on.
    pub svcr: Svcr,
    /// Z registers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub z: Vec<Bytes>,
    /// P registers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p: Vec<Bytes>,
    /// ZA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub za: Option<Bytes>,
    /// ZT0, with SME2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zt0: Option<Bytes>,
}

/// Bytes that are written as pairs of hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl core::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bytes({})", self.text())
    }
}

impl Bytes {
    fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let all_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !all_hex || !text.len().is_multiple_of(2) {
            return None;
        }
        let bytes = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        bytes.collect::<Result<_, _>>().ok().map(Self)
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("pairs of hexadecimal digits are expected"))
    }
}

impl Vcpu {
    /// State of SME; `None` where there is none.
    pub(super) fn save_sme(&self) -> Result<Option<SmeState>, Error> {
        if Limits::of(self.vm().choice()).max_svl_bytes == 0 {
            return Ok(None);
        }
        let svcr = self.sme_state()?;
        let mut state = SmeState {
            svcr,
            ..SmeState::default()
        };
        if svcr.contains(Svcr::SM) {
            for number in 0..32 {
                state.z.push(Bytes(self.z(ZRegister(number))?));
            }
            for number in 0..16 {
                state.p.push(Bytes(self.p(PRegister(number))?));
            }
        }
        if svcr.contains(Svcr::ZA) {
            state.za = Some(Bytes(self.za()?));
            // SME without SME2 has no ZT0.
            state.zt0 = self.zt0().ok().map(|value| Bytes(value.to_vec()));
        }
        Ok(Some(state))
    }

    /// The contents, once the switches are set and the Q registers written.
    pub(super) fn restore_sme(&mut self, state: &SmeState) -> Result<(), Error> {
        for (number, value) in (0..).zip(&state.z) {
            self.set_z(ZRegister(number), &value.0)?;
        }
        for (number, value) in (0..).zip(&state.p) {
            self.set_p(PRegister(number), &value.0)?;
        }
        if let Some(za) = &state.za {
            self.set_za(&za.0)?;
        }
        if let Some(zt0) = &state.zt0 {
            let value = zt0.0.as_slice().try_into().map_err(|_| Error::Snapshot {
                place: "sme.zt0".to_owned(),
                why: format!("{} bytes, and 64 are needed", zt0.0.len()),
            })?;
            self.set_zt0(value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_as_digits() {
        let bytes = Bytes(vec![0, 0xab, 0x10]);
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"00ab10\"");
        assert_eq!(Bytes::parse("00ab10"), Some(bytes));
        for damaged in ["0", "0g", "€€", "+1"] {
            assert_eq!(Bytes::parse(damaged), None, "{damaged}");
        }
    }
}
