//! Operands and memory of an instruction that is emulated, and what it will change: `instruction` says what it does with them.

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

use super::{BusAccess, Stop};
use crate::guest_memory::Gpa;
use crate::memory::Permissions;
use crate::typed::{RawRead, RawWrite, space};
use crate::x86_64::fpstate::FpState;
use crate::x86_64::reg::{self, Rflags};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs::{self, AccessRights};
use crate::x86_64::walk::Access;

/// A write to RAM that waits for the end of the instruction.
struct Store {
    gpa: u64,
    bytes: [u8; 8],
    len: usize,
}

/// An instruction under way.
pub(super) struct Machine<'v> {
    vcpu: &'v mut Vcpu,
    pub(super) instruction: Instruction,
    log: core::slice::Iter<'v, (BusAccess, u64)>,
    /// General registers that change: id and value.
    registers: Vec<(u32, u64)>,
    vectors: Option<FpState>,
    stores: Vec<Store>,
    flags: Option<Rflags>,
    /// A repeated string instruction that has rounds left: RIP stays.
    again: bool,
}

/// Ids of the framework for the general registers, in the order of instruction encoding.
fn general(number: usize) -> u32 {
    const IDS: [u32; 16] = {
        [
            reg::RAX.key(),
            reg::RCX.key(),
            reg::RDX.key(),
            reg::RBX.key(),
            reg::RSP.key(),
            reg::RBP.key(),
            reg::RSI.key(),
            reg::RDI.key(),
            reg::R8.key(),
            reg::R9.key(),
            reg::R10.key(),
            reg::R11.key(),
            reg::R12.key(),
            reg::R13.key(),
            reg::R14.key(),
            reg::R15.key(),
        ]
    };
    IDS[number % 16]
}

impl<'v> Machine<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, log: &'v [(BusAccess, u64)]) -> Result<Self, Stop> {
        let (linear, bits) = vcpu.code()?;
        let rip = vcpu.read(reg::RIP)?;
        let mut bytes = [0; 15];
        let got = vcpu.fetch_linear(linear, &mut bytes)?;
        let mut decoder = Decoder::with_ip(bits, &bytes[..got], rip, DecoderOptions::NONE);
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Err(Stop::Impossible(
                "the instruction cannot be fetched or decoded",
            ));
        }
        Ok(Self {
            vcpu,
            instruction,
            log: log.iter(),
            registers: Vec::new(),
            vectors: None,
            stores: Vec::new(),
            flags: None,
            again: false,
        })
    }

    /// Makes the changes and moves on.
    pub(super) fn commit(self) -> Result<(), Stop> {
        let Self {
            vcpu,
            instruction,
            registers,
            vectors,
            stores,
            flags,
            again,
            ..
        } = self;
        for Store { gpa, bytes, len } in &stores {
            vcpu.memory.write(*gpa, &bytes[..*len])?;
        }
        for (id, value) in registers {
            RawWrite::<space::General>::raw_write(vcpu, id, value)
                .map_err(|code| vcpu.failed("hv_vcpu_write_register", code))?;
        }
        if let Some(state) = vectors {
            vcpu.set_fpstate(&state)?;
        }
        if let Some(flags) = flags {
            vcpu.write(reg::RFLAGS, flags)?;
        }
        if again {
            // An event may come between two rounds.
            vcpu.end_interrupt_shadow()?;
        } else {
            vcpu.advance(instruction.len() as u64)?;
        }
        Ok(())
    }

    /// A general register, or a part of one.
    pub(super) fn register(&self, register: Register) -> Result<u64, Stop> {
        if register.is_segment_register() {
            return self.selector(register);
        }
        let full = register.full_register();
        if !full.is_gpr64() {
            return Err(Stop::Impossible("an operand is no general register"));
        }
        let id = general(full.number());
        let pending = self.registers.iter().rev().find(|(known, _)| *known == id);
        let value = match pending {
            Some(&(_, value)) => value,
            None => RawRead::<space::General>::raw_read(self.vcpu, id)
                .map_err(|code| self.vcpu.failed("hv_vcpu_read_register", code))?,
        };
        Ok(match register.size() {
            1 if is_high_byte(register) => value >> 8 & 0xff,
            size => value & mask(size),
        })
    }

    fn selector(&self, register: Register) -> Result<u64, Stop> {
        let field = vmcs::GUEST_ES_SELECTOR.key() + 2 * register.number() as u32;
        Ok(self.vcpu.raw_vmcs(field))
    }

    /// Sets a general register or a part of one: 32 bits clear the upper half.
    pub(super) fn set_register(&mut self, register: Register, value: u64) -> Result<(), Stop> {
        let full = register.full_register();
        if !full.is_gpr64() {
            return Err(Stop::Impossible("an operand is no general register"));
        }
        let old = self.register(full)?;
        let value = match register.size() {
            8 => value,
            4 => value & 0xffff_ffff,
            2 => old & !0xffff | value & 0xffff,
            _ if is_high_byte(register) => old & !0xff00 | (value & 0xff) << 8,
            _ => old & !0xff | value & 0xff,
        };
        self.registers.push((general(full.number()), value));
        Ok(())
    }

    /// A vector register's low 16 bytes.
    pub(super) fn vector(&mut self, number: usize) -> Result<u128, Stop> {
        let state = match &self.vectors {
            Some(state) => state,
            None => &self.vcpu.fpstate()?,
        };
        state.xmm.get(number).copied().ok_or(Stop::Impossible(
            "an operand is a vector register beyond XMM15",
        ))
    }

    /// Sets a vector register's low 16 bytes.
    pub(super) fn set_vector(&mut self, number: usize, value: u128) -> Result<(), Stop> {
        if self.vectors.is_none() {
            self.vectors = Some(self.vcpu.fpstate()?);
        }
        let place = self
            .vectors
            .as_mut()
            .and_then(|state| state.xmm.get_mut(number));
        *place.ok_or(Stop::Impossible(
            "an operand is a vector register beyond XMM15",
        ))? = value;
        Ok(())
    }

    pub(super) fn flags(&self) -> Result<Rflags, Stop> {
        match self.flags {
            Some(flags) => Ok(flags),
            None => Ok(self.vcpu.read(reg::RFLAGS)?),
        }
    }

    /// Replaces the arithmetic flags.
    pub(super) fn set_status(&mut self, status: Rflags) -> Result<(), Stop> {
        let kept = self.flags()? - super::alu::STATUS;
        self.flags = Some(kept | (status & super::alu::STATUS));
        Ok(())
    }

    pub(super) fn repeat(&mut self) {
        self.again = true;
    }

    /// The linear address of memory operand `operand`.
    pub(super) fn address(&self, operand: u32) -> Result<u64, Stop> {
        let mut failed = None;
        let address = self
            .instruction
            .virtual_address(operand, 0, |register, _, _| {
                let value = match register {
                    segment if segment.is_segment_register() => self.segment_base(segment),
                    Register::RIP | Register::EIP => Ok(self.instruction.next_ip()),
                    other => self.register(other),
                };
                value.map_err(|stop| failed = Some(stop)).ok()
            });
        match (address, failed) {
            (_, Some(stop)) => Err(stop),
            (Some(address), None) => Ok(self.trimmed(address)),
            (None, None) => Err(Stop::Impossible(
                "the address of an operand cannot be computed",
            )),
        }
    }

    /// Outside of 64-bit code a linear address has 32 bits.
    fn trimmed(&self, address: u64) -> u64 {
        match self.instruction.code_size() {
            iced_x86::CodeSize::Code64 => address,
            _ => address & 0xffff_ffff,
        }
    }

    fn segment_base(&self, segment: Register) -> Result<u64, Stop> {
        let number = segment.number() as u32;
        let long = self.instruction.code_size() == iced_x86::CodeSize::Code64;
        if long && !matches!(segment, Register::FS | Register::GS) {
            return Ok(0);
        }
        let rights = self
            .vcpu
            .raw_vmcs(vmcs::GUEST_ES_ACCESS_RIGHTS.key() + 2 * number);
        if !long && AccessRights::from_bits(rights as u32).contains(AccessRights::UNUSABLE) {
            return Err(Stop::Impossible("the operand's segment is not usable"));
        }
        Ok(self.vcpu.raw_vmcs(vmcs::GUEST_ES_BASE.key() + 2 * number))
    }

    fn place(&self, linear: u64, access: Access) -> Result<u64, Stop> {
        let gpa = self.vcpu.translate(linear, access)?;
        gpa.map(|gpa| gpa.0).map_err(Stop::Fault)
    }

    fn is_ram(&self, gpa: u64, needed: Permissions) -> bool {
        let permissions = self.vcpu.memory.permissions(gpa);
        permissions.is_some_and(|permissions| permissions.contains(needed))
    }

    /// Answers an access from the log, or asks the client.
    fn bus(&mut self, access: BusAccess) -> Result<u64, Stop> {
        match self.log.next() {
            Some((asked, value)) if *asked == access => Ok(*value),
            Some(_) => Err(Stop::Impossible(
                "the instruction changed while it was emulated",
            )),
            None => Err(Stop::Access(access)),
        }
    }

    /// Loads up to 16 bytes by linear address.
    pub(super) fn load(&mut self, linear: u64, size: usize) -> Result<u128, Stop> {
        let mut value = 0;
        for (at, len) in pieces(linear, size) {
            let gpa = self.place(linear.wrapping_add(at), Access::Read)?;
            let part = if self.is_ram(gpa, Permissions::READ) {
                let mut bytes = [0; 8];
                self.vcpu.memory.read(gpa, &mut bytes[..len])?;
                u64::from_le_bytes(bytes)
            } else {
                self.bus(BusAccess {
                    gpa: Gpa(gpa),
                    size: len as u8,
                    write: None,
                })? & mask(len)
            };
            value |= u128::from(part) << (8 * at);
        }
        Ok(value)
    }

    /// Stores up to 16 bytes by linear address; RAM when the instruction is through.
    pub(super) fn store(&mut self, linear: u64, size: usize, value: u128) -> Result<(), Stop> {
        for (at, len) in pieces(linear, size) {
            let gpa = self.place(linear.wrapping_add(at), Access::Write)?;
            let part = (value >> (8 * at)) as u64 & mask(len);
            if self.is_ram(gpa, Permissions::WRITE) {
                self.stores.push(Store {
                    gpa,
                    bytes: part.to_le_bytes(),
                    len,
                });
            } else {
                self.bus(BusAccess {
                    gpa: Gpa(gpa),
                    size: len as u8,
                    write: Some(part),
                })?;
            }
        }
        Ok(())
    }

    /// An operand of up to 8 bytes.
    pub(super) fn operand(&mut self, number: u32) -> Result<u64, Stop> {
        match self.instruction.op_kind(number) {
            OpKind::Register => self.register(self.instruction.op_register(number)),
            kind if is_memory(kind) => {
                let size = self.instruction.memory_size().size();
                let address = self.address(number)?;
                Ok(self.load(address, size)? as u64)
            }
            _ => Ok(self.instruction.immediate(number)),
        }
    }

    /// Writes an operand of up to 8 bytes.
    pub(super) fn set_operand(&mut self, number: u32, value: u64) -> Result<(), Stop> {
        match self.instruction.op_kind(number) {
            OpKind::Register => self.set_register(self.instruction.op_register(number), value),
            _ => {
                let size = self.instruction.memory_size().size();
                let address = self.address(number)?;
                self.store(address, size, u128::from(value))
            }
        }
    }

    /// Size of an operand in bytes.
    pub(super) fn operand_size(&self, number: u32) -> usize {
        match self.instruction.op_kind(number) {
            OpKind::Register => self.instruction.op_register(number).size(),
            _ => self.instruction.memory_size().size(),
        }
    }
}

fn is_memory(kind: OpKind) -> bool {
    !matches!(
        kind,
        OpKind::Register
            | OpKind::NearBranch16
            | OpKind::NearBranch32
            | OpKind::NearBranch64
            | OpKind::FarBranch16
            | OpKind::FarBranch32
            | OpKind::Immediate8
            | OpKind::Immediate8_2nd
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64
    )
}

fn is_high_byte(register: Register) -> bool {
    matches!(
        register,
        Register::AH | Register::CH | Register::DH | Register::BH
    )
}

/// The low `size` bytes.
pub(super) fn mask(size: usize) -> u64 {
    if size >= 8 { !0 } else { (1 << (8 * size)) - 1 }
}

/// Splits an access into pieces of at most 8 bytes that stay inside a page: offset and length.
fn pieces(linear: u64, size: usize) -> impl Iterator<Item = (u64, usize)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        if at >= size {
            return None;
        }
        let left = 4096 - (linear.wrapping_add(at as u64) % 4096) as usize;
        let len = (size - at).min(8).min(left);
        let piece = (at as u64, len);
        at += len;
        Some(piece)
    })
}
