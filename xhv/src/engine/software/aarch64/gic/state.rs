//! The state of a GIC as bytes (`hv_gic_state_*`): all but the CPU interfaces and the levels of private lines.

use super::bank::Bank;
use super::{END, Gic, Inner};
use crate::error::Code;

/// First bytes of a state, with its version.
const MAGIC: &[u8; 8] = b"xhvgic\x00\x01";
/// Bytes of a bank.
const BANK: usize = 6 * 4 + 32;

fn put(bank: &Bank, out: &mut Vec<u8>) {
    let words = [
        bank.enabled,
        bank.pending,
        bank.line,
        bank.active,
        bank.edge,
        bank.group1,
    ];
    words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(bank.priorities);
}

/// Reads bytes in order.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        let (some, rest) = self.0.split_first_chunk::<N>().ok_or(Code::BAD_ARGUMENT)?;
        self.0 = rest;
        Ok(*some)
    }

    fn word(&mut self) -> Result<u32, Code> {
        self.take().map(u32::from_le_bytes)
    }

    fn bank(&mut self) -> Result<Bank, Code> {
        Ok(Bank {
            enabled: self.word()?,
            pending: self.word()?,
            line: self.word()?,
            active: self.word()?,
            edge: self.word()?,
            group1: self.word()?,
            priorities: self.take()?,
        })
    }
}

impl Inner {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.control.to_le_bytes());
        self.banks.iter().for_each(|bank| put(bank, out));
        self.routes
            .iter()
            .for_each(|route| out.extend(route.to_le_bytes()));
        out.extend((self.cores.len() as u32).to_le_bytes());
        for core in &self.cores {
            let default = Bank::private();
            put(core.as_ref().map_or(&default, |core| &core.bank), out);
        }
    }
}

impl Gic {
    /// `hv_gic_state_create` and `hv_gic_state_get_data`
    pub(crate) fn state(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * BANK + 8 * END as usize);
        out.extend(MAGIC);
        self.inner().put(&mut out);
        out
    }

    /// `hv_gic_set_state`: [`Code::BAD_ARGUMENT`], and nothing changed, for bytes that are no state of this version, or too few.
    pub(crate) fn set_state(&self, bytes: &[u8]) -> Result<(), Code> {
        let mut reader = Reader(bytes);
        if &reader.take::<8>()? != MAGIC {
            return Err(Code::BAD_ARGUMENT);
        }
        let control = reader.word()? & 3;
        let banks = (0..32)
            .map(|_| reader.bank())
            .collect::<Result<Vec<_>, _>>()?;
        let routes = (0..END)
            .map(|_| reader.take().map(u64::from_le_bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let count = reader.word()?;
        if count > 4096 {
            return Err(Code::BAD_ARGUMENT);
        }
        let private = (0..count)
            .map(|_| reader.bank())
            .collect::<Result<Vec<_>, _>>()?;
        let mut inner = self.inner();
        inner.control = control;
        inner.banks = banks;
        inner.routes = routes;
        for (core, bank) in inner.cores.iter_mut().zip(private) {
            if let Some(core) = core {
                // The timers know the levels of their lines.
                let line = core.bank.line;
                core.bank = Bank { line, ..bank };
            }
        }
        inner.signal();
        Ok(())
    }
}
