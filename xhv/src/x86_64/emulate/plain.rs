//! Loads and stores that do nothing else, as nearly all that a driver does: once the client has answered the only access, what is left is
//! done without a look at the instruction again. All others are `instruction`'s.

use iced_x86::{Instruction, Mnemonic, Register};

use super::machine::{GENERAL, merged};
use super::{BusAccess, Stop};
use crate::typed::{RawRead, RawWrite, space};
use crate::x86_64::vcpu::Vcpu;

/// A MOV, MOVZX or MOVSX whose only access the client has been asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::x86_64) struct Plain {
    rip: u64,
    length: u64,
    access: BusAccess,
    /// Where a load goes, and whether the sign is extended.
    load: Option<(Register, bool)>,
}

impl Plain {
    /// `None` for other instructions, and for accesses that are a part of the operand only.
    pub(super) fn of(instruction: &Instruction, access: BusAccess) -> Option<Self> {
        let signed = match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movzx => false,
            Mnemonic::Movsx | Mnemonic::Movsxd => true,
            _ => return None,
        };
        if instruction.memory_size().size() != usize::from(access.size) {
            return None;
        }
        let load = match access.write {
            Some(_) => None,
            None if instruction.op0_register().full_register().is_gpr64() => {
                Some((instruction.op0_register(), signed))
            }
            None => return None,
        };
        Some(Self {
            rip: instruction.ip(),
            length: instruction.len() as u64,
            access,
            load,
        })
    }

    /// Whether the answer to `access` of the instruction at `rip` is what it waits for.
    pub(super) fn waits_for(&self, rip: u64, access: BusAccess) -> bool {
        self.rip == rip && self.access == access
    }
}

impl Vcpu {
    pub(super) fn finish_plain(&mut self, plain: Plain, value: u64) -> Result<(), Stop> {
        if let Some((register, signed)) = plain.load {
            let shift = 64 - 8 * u32::from(plain.access.size);
            let value = match signed {
                true => ((value << shift) as i64 >> shift) as u64,
                false => value << shift >> shift,
            };
            let id = GENERAL[register.full_register().number() % 16];
            let old = RawRead::<space::General>::raw_read(self, id)
                .map_err(|code| self.failed("hv_vcpu_read_register", code))?;
            RawWrite::<space::General>::raw_write(self, id, merged(register, old, value))
                .map_err(|code| self.failed("hv_vcpu_write_register", code))?;
        }
        Ok(self.advance(plain.length)?)
    }
}
