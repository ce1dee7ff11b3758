//! Operands and memory of an instruction that is emulated, and what it will change: `instruction` says what it does with them.

use iced_x86::{Instruction, OpKind, Register};

use super::{BusAccess, Stop, Translated};
use crate::guest_memory::Gpa;
use crate::memory::Permissions;
use crate::typed::{RawRead, RawWrite, space};
use crate::x86_64::fpstate::FpState;
use crate::x86_64::reg::{self, Rflags};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs::{self, AccessRights};
use crate::x86_64::walk::{Access, Paging};

/// A write to RAM that waits for the end of the instruction.
struct Store {
    gpa: u64,
    bytes: [u8; 8],
    len: usize,
}

/// An instruction under way.
pub(super) struct Machine<'v> {
    vcpu: &'v mut Vcpu,
    pub(super) instruction: &'v Instruction,
    /// Stays as it is: the instruction makes its changes at its end.
    paging: Paging,
    known: Option<Translated>,
    log: core::slice::Iter<'v, (BusAccess, u64)>,
    /// General registers that change, by number, and their values.
    changed: u16,
    registers: [u64; 16],
    vectors: Option<Box<FpState>>,
    stores: Vec<Store>,
    flags: Option<Rflags>,
    /// A repeated string instruction that has rounds left: RIP stays.
    again: bool,
}

const NO_VECTOR: Stop = Stop::Impossible("an operand is a vector register beyond XMM15 or YMM15");

/// Ids of the framework for the general registers, in the order of instruction encoding.
pub(super) const GENERAL: [u32; 16] = [
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
];

impl<'v> Machine<'v> {
    pub(super) fn new(
        vcpu: &'v mut Vcpu,
        instruction: &'v Instruction,
        paging: Paging,
        log: &'v [(BusAccess, u64)],
        known: Option<Translated>,
    ) -> Self {
        Self {
            vcpu,
            instruction,
            paging,
            known,
            log: log.iter(),
            changed: 0,
            registers: [0; 16],
            vectors: None,
            stores: Vec::new(),
            flags: None,
            again: false,
        }
    }

    /// Makes the changes and moves on.
    pub(super) fn commit(&mut self) -> Result<(), Stop> {
        for Store { gpa, bytes, len } in &self.stores {
            self.vcpu.memory.write(*gpa, &bytes[..*len])?;
        }
        for (number, id) in GENERAL.into_iter().enumerate() {
            if self.changed >> number & 1 != 0 {
                RawWrite::<space::General>::raw_write(self.vcpu, id, self.registers[number])
                    .map_err(|code| self.vcpu.failed("hv_vcpu_write_register", code))?;
            }
        }
        if let Some(state) = &self.vectors {
            self.vcpu.set_fpstate(state)?;
        }
        if let Some(flags) = self.flags {
            self.vcpu.write(reg::RFLAGS, flags)?;
        }
        if self.again {
            // An event may come between two rounds.
            self.vcpu.end_interrupt_shadow()?;
        } else {
            self.vcpu.advance(self.instruction.len() as u64)?;
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
        let number = full.number() % 16;
        let value = if self.changed >> number & 1 != 0 {
            self.registers[number]
        } else {
            RawRead::<space::General>::raw_read(self.vcpu, GENERAL[number])
                .map_err(|code| self.vcpu.failed("hv_vcpu_read_register", code))?
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
        let number = full.number() % 16;
        self.changed |= 1 << number;
        self.registers[number] = merged(register, old, value);
        Ok(())
    }

    /// A vector register's bytes 0 to 15, and 16 to 31.
    pub(super) fn vector(&mut self, number: usize) -> Result<(u128, u128), Stop> {
        let state = self.vectors()?;
        match (state.xmm.get(number), state.ymm_high.get(number)) {
            (Some(low), Some(high)) => Ok((*low, *high)),
            _ => Err(NO_VECTOR),
        }
    }

    /// Sets a vector register's low 16 bytes, and leaves the others.
    pub(super) fn set_vector(&mut self, number: usize, value: u128) -> Result<(), Stop> {
        let state = self.vectors()?;
        *state.xmm.get_mut(number).ok_or(NO_VECTOR)? = value;
        Ok(())
    }

    /// Sets a vector register's bytes 0 to 15 and 16 to 31, and clears what there is beyond.
    pub(super) fn set_wide_vector(
        &mut self,
        number: usize,
        low: u128,
        high: u128,
    ) -> Result<(), Stop> {
        let beyond = self.vcpu.component_place(FpState::ZMM_HIGH);
        let state = self.vectors()?;
        *state.ymm_high.get_mut(number).ok_or(NO_VECTOR)? = high;
        state.clear_zmm_high(number, beyond);
        self.set_vector(number, low)
    }

    fn vectors(&mut self) -> Result<&mut FpState, Stop> {
        let state = match self.vectors.take() {
            Some(state) => state,
            None => Box::new(self.vcpu.fpstate()?),
        };
        Ok(self.vectors.insert(state))
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
        let instruction = self.instruction;
        if let Some(offset) = self.plain_offset(operand)? {
            let base = self.segment_base(instruction.memory_segment())?;
            return Ok(self.trimmed(base.wrapping_add(offset)));
        }
        let mut failed = None;
        let address = instruction.virtual_address(operand, 0, |register, _, _| {
            let value = match register {
                segment if segment.is_segment_register() => self.segment_base(segment),
                Register::RIP | Register::EIP => Ok(instruction.next_ip()),
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

    /// The offset in the segment if it is a register plus a displacement, which is quicker by hand.
    fn plain_offset(&self, operand: u32) -> Result<Option<u64>, Stop> {
        let instruction = self.instruction;
        let base = instruction.memory_base();
        let width = match base {
            _ if instruction.op_kind(operand) != OpKind::Memory => return Ok(None),
            _ if instruction.memory_index() != Register::None => return Ok(None),
            wide if wide.is_gpr64() => !0,
            narrow if narrow.is_gpr32() => 0xffff_ffff,
            _ => return Ok(None),
        };
        let offset = self.register(base)?;
        let displacement = instruction.memory_displacement64();
        Ok(Some(offset.wrapping_add(displacement) & width))
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

    /// The guest-physical address behind a linear one, and whether there is memory for the access.
    fn place(&self, linear: u64, access: Access) -> Result<(u64, bool), Stop> {
        let memory = self.vcpu.memory.reader();
        let gpa = match self.known {
            Some(known) if known.linear == linear => known.gpa,
            _ => self
                .paging
                .translate(self.vcpu, &memory, linear, access)?
                .map_err(Stop::Fault)?,
        };
        let needed = match access {
            Access::Write => Permissions::WRITE,
            _ => Permissions::READ,
        };
        let permissions = memory.permissions(gpa);
        Ok((gpa, permissions.is_some_and(|has| has.contains(needed))))
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
            let (gpa, is_ram) = self.place(linear.wrapping_add(at), Access::Read)?;
            let part = if is_ram {
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
            let (gpa, is_ram) = self.place(linear.wrapping_add(at), Access::Write)?;
            let part = (value >> (8 * at)) as u64 & mask(len);
            if is_ram {
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

/// What becomes of a general register of which a part is written: 32 bits clear the upper half.
pub(super) fn merged(part: Register, old: u64, value: u64) -> u64 {
    match part.size() {
        8 => value,
        4 => value & 0xffff_ffff,
        2 => old & !0xffff | value & 0xffff,
        _ if is_high_byte(part) => old & !0xff00 | (value & 0xff) << 8,
        _ => old & !0xff | value & 0xff,
    }
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
