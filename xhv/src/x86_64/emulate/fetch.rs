//! The instruction that is to be emulated, fetched and decoded: a driver's loop meets its device with the same few instructions, so the last
//! ones are remembered. `machine` takes it from here.

use iced_x86::{Decoder, DecoderOptions, Instruction};

use super::Stop;
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::walk::Paging;

/// Longest instruction, in bytes.
const LONGEST: usize = 15;
/// How many instructions are remembered.
const SLOTS: usize = 8;

/// Instructions that were decoded lately. They are told apart by address and width of the code, and used only if guest memory still holds
/// the bytes that they were decoded from: nothing has to be told of a change.
#[derive(Debug, Default)]
pub(in crate::x86_64) struct Decoded([Option<Entry>; SLOTS]);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Width of the code: 16, 32 or 64.
    bits: u32,
    bytes: [u8; LONGEST],
    /// With the address: operands may be relative to it.
    instruction: Instruction,
}

impl Decoded {
    fn slot(&mut self, rip: u64) -> &mut Option<Entry> {
        // Instructions next to each other begin two to eight bytes apart.
        let number = (rip ^ rip >> 3) as usize % SLOTS;
        &mut self.0[number]
    }
}

impl Vcpu {
    /// The instruction at RIP.
    pub(super) fn fetch_decoded(&mut self, rip: u64, paging: &Paging) -> Result<Instruction, Stop> {
        let (linear, bits) = self.code_if(paging.long)?;
        let mut bytes = [0; LONGEST];
        let slot = self.decoded.slot(rip);
        let memory = self.memory.reader();
        if let Some(known) = slot
            && known.instruction.ip() == rip
            && known.bits == bits
        {
            // As many bytes as the processor would fetch: those behind may be on a page that is not there.
            let len = known.instruction.len();
            let got = paging.fetch(&memory, linear, &mut bytes[..len]);
            if got == len && bytes[..len] == known.bytes[..len] {
                return Ok(known.instruction);
            }
        }
        let got = paging.fetch(&memory, linear, &mut bytes);
        let mut decoder = Decoder::with_ip(bits, &bytes[..got], rip, DecoderOptions::NONE);
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Err(Stop::Impossible(
                "the instruction cannot be fetched or decoded",
            ));
        }
        *slot = Some(Entry {
            bits,
            bytes,
            instruction,
        });
        Ok(instruction)
    }
}
