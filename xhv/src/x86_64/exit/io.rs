//! Port I/O: one guard for each access; a repeated string instruction exits once for each element.

use super::{Kind, guard};
use crate::error::Error;
use crate::x86_64::exits::{AddressSize, InsOutsInformation, IoQualification, SegmentRegister};
use crate::x86_64::inject::Injection;
use crate::x86_64::presets::SegmentName;
use crate::x86_64::reg::{self, BreakpointCondition, Cr0, Cr4, Rflags};
use crate::x86_64::vcpu::Vcpu;
use crate::x86_64::vmcs::{self, PendingDebugExceptions};
use crate::x86_64::walk::Access;

/// Bits of DR7 that enable breakpoints.
const ENABLED: u64 = 0xff;

/// The guest reads a port: IN, or one element of INS.
#[derive(Debug)]
#[must_use = "call `finish` with the value; otherwise the guest reads again"]
pub struct PortRead<'v> {
    vcpu: &'v mut Vcpu,
}

/// The guest writes a port: OUT, or one element of OUTS.
#[derive(Debug)]
#[must_use = "call `finish`; otherwise the guest writes again"]
pub struct PortWrite<'v> {
    vcpu: &'v mut Vcpu,
    value: u32,
}

guard!(PortRead);
guard!(PortWrite);

fn qualification(vcpu: &Vcpu) -> IoQualification {
    IoQualification::from_bits(vcpu.raw_vmcs(vmcs::EXIT_QUALIFICATION.key()))
}

fn bytes(access: IoQualification) -> u8 {
    access.size().0 + 1
}

fn mask(size: u8) -> u64 {
    (1 << (8 * u32::from(size.min(4)))) - 1
}

impl<'v> PortRead<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu) -> Self {
        Self { vcpu }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        qualification(self.vcpu).port()
    }

    /// Bytes: 1, 2 or 4.
    #[must_use]
    pub fn size(&self) -> u8 {
        bytes(qualification(self.vcpu))
    }

    /// The value that the port has, in the low bytes.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses; [`Error::OutOfRange`] if INS reads into what is no memory.
    pub fn finish(self, value: u32) -> Result<(), Error> {
        let access = qualification(self.vcpu);
        let size = bytes(access);
        if access.contains(IoQualification::STRING) {
            return self.vcpu.finish_ins(access, value);
        }
        if size == 4 {
            self.vcpu.write(reg::RAX, u64::from(value))?;
        } else {
            let kept = self.vcpu.read(reg::RAX)? & !mask(size);
            self.vcpu
                .write(reg::RAX, kept | u64::from(value) & mask(size))?;
        }
        self.vcpu.finish_instruction()?;
        self.vcpu.note_port_breakpoints(access)
    }
}

impl<'v> PortWrite<'v> {
    pub(super) fn new(vcpu: &'v mut Vcpu, value: u32) -> Self {
        Self { vcpu, value }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        qualification(self.vcpu).port()
    }

    /// Bytes: 1, 2 or 4.
    #[must_use]
    pub fn size(&self) -> u8 {
        bytes(qualification(self.vcpu))
    }

    /// What the guest writes, in the low bytes; the others are 0.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.value
    }

    /// The write is done.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn finish(self) -> Result<(), Error> {
        let access = qualification(self.vcpu);
        if access.contains(IoQualification::STRING) {
            return self.vcpu.finish_string(access, Index::Source);
        }
        self.vcpu.finish_instruction()?;
        self.vcpu.note_port_breakpoints(access)
    }
}

/// The index register of a string instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Source,
    Target,
}

impl Vcpu {
    pub(in crate::x86_64) fn decode_io(&mut self) -> Result<Option<Kind>, Error> {
        let access = IoQualification::from_bits(self.read(vmcs::EXIT_QUALIFICATION)?);
        let size = bytes(access);
        let input = access.contains(IoQualification::IN);
        if !access.contains(IoQualification::STRING) {
            if input {
                return Ok(Some(Kind::PortRead));
            }
            let value = self.read(reg::RAX)? & mask(size);
            return Ok(Some(Kind::PortWrite(value as u32)));
        }
        let linear = self.read(vmcs::GUEST_LINEAR_ADDRESS)?;
        if !self.begin_string(access, linear)? {
            return Ok(None);
        }
        if input {
            // Before the port is read, which may have effects: an INS that faults comes again.
            let fits = self.check_target(linear, size.into())?;
            return Ok(fits.then_some(Kind::PortRead));
        }
        let mut value = [0; 4];
        let got = self.read_linear(linear, &mut value[..usize::from(size)])?;
        if got == usize::from(size) {
            return Ok(Some(Kind::PortWrite(u32::from_le_bytes(value))));
        }
        // OUTS exits before its memory operand is read: the page fault comes now.
        match self.translate(linear.wrapping_add(got as u64), Access::Read)? {
            Err(fault) => {
                self.inject(Injection::page_fault(fault))?;
                Ok(None)
            }
            Ok(gpa) => Err(Error::OutOfRange {
                address: gpa.0,
                size: u64::from(size),
            }),
        }
    }

    /// What the exit of INS or OUTS comes before, and is done here: a repetition without elements, and the segment's protection (SDM
    /// vol. 3, 27.1.1). Answers whether there is an element to transfer.
    fn begin_string(&mut self, access: IoQualification, linear: u64) -> Result<bool, Error> {
        let width = self.string_address_mask()?;
        let repeats = access.contains(IoQualification::REP);
        if repeats && self.read(reg::RCX)? & width == 0 {
            self.finish_instruction()?;
            return Ok(false);
        }
        let input = access.contains(IoQualification::IN);
        let (index, name) = match input {
            true => (reg::RDI, SegmentName::Es),
            false => (reg::RSI, self.source_segment()?),
        };
        let offset = self.read(index)? & width;
        let last = u64::from(bytes(access)) - 1;
        let good = match self.code()?.1 {
            64 => self.are_canonical(linear, linear.wrapping_add(last))?,
            _ => {
                let protected = self.read(vmcs::GUEST_CR0)?.contains(Cr0::PE)
                    && !self.read(reg::RFLAGS)?.contains(Rflags::VM);
                let segment = self.segment(name)?;
                segment.holds(offset, offset + last, input, protected)
            }
        };
        if !good {
            let vector = if name == SegmentName::Ss { 12 } else { 13 };
            self.inject(Injection::fault(vector, 0))?;
        }
        Ok(good)
    }

    fn are_canonical(&self, first: u64, last: u64) -> Result<bool, Error> {
        let deep = self.read(vmcs::GUEST_CR4)?.contains(Cr4::LA57);
        let unused = if deep { 7 } else { 16 };
        let fits = |linear: u64| ((linear << unused) as i64 >> unused) as u64 == linear;
        Ok(fits(first) && fits(last))
    }

    /// The segment of OUTS: from the instruction information where the processor gives it, else from the code.
    fn source_segment(&self) -> Result<SegmentName, Error> {
        if self.has_string_information() {
            let information = self.read(vmcs::VM_EXIT_INSTRUCTION_INFORMATION)?;
            return Ok(segment_name(
                InsOutsInformation::from_bits(information).segment(),
            ));
        }
        let (code, got) = self.string_code()?;
        let prefixes = prefixes(&code[..got]);
        let named = prefixes.iter().rev().find_map(|prefix| match prefix {
            0x26 => Some(SegmentName::Es),
            0x2e => Some(SegmentName::Cs),
            0x36 => Some(SegmentName::Ss),
            0x64 => Some(SegmentName::Fs),
            0x65 => Some(SegmentName::Gs),
            _ => None,
        });
        Ok(named.unwrap_or(SegmentName::Ds))
    }

    /// Whether INS may write its element; queues #PF if not.
    fn check_target(&mut self, linear: u64, size: u64) -> Result<bool, Error> {
        for at in [0, size - 1] {
            match self.translate(linear.wrapping_add(at), Access::Write)? {
                Err(fault) => {
                    self.inject(Injection::page_fault(fault))?;
                    return Ok(false);
                }
                Ok(gpa) if !self.memory.covers(gpa.0, 1) => {
                    return Err(Error::OutOfRange {
                        address: gpa.0,
                        size: 1,
                    });
                }
                Ok(_) => {}
            }
        }
        Ok(true)
    }

    fn finish_ins(&mut self, access: IoQualification, value: u32) -> Result<(), Error> {
        let size = usize::from(bytes(access).min(4));
        let linear = self.read(vmcs::GUEST_LINEAR_ADDRESS)?;
        // The client may have changed the tables meanwhile: every byte has to be writable before the first is written.
        if !self.check_target(linear, size as u64)? {
            return Ok(());
        }
        self.write_linear(linear, &value.to_le_bytes()[..size])?;
        self.finish_string(access, Index::Target)
    }

    /// Steps the index register and the counter, and RIP when no round is left.
    fn finish_string(&mut self, access: IoQualification, index: Index) -> Result<(), Error> {
        let width = self.string_address_mask()?;
        let backwards = self.read(reg::RFLAGS)?.contains(Rflags::DF);
        let size = u64::from(bytes(access));
        let step = if backwards { size.wrapping_neg() } else { size };
        let register = if index == Index::Source {
            reg::RSI
        } else {
            reg::RDI
        };
        let old = self.read(register)?;
        self.write(register, merge(old, old.wrapping_add(step), width))?;
        if access.contains(IoQualification::REP) {
            let old = self.read(reg::RCX)?;
            let left = old.wrapping_sub(1) & width;
            self.write(reg::RCX, merge(old, left, width))?;
            if left != 0 {
                self.end_round()?;
                return self.note_port_breakpoints(access);
            }
        }
        self.finish_instruction()?;
        self.note_port_breakpoints(access)
    }

    /// Makes the guest's I/O breakpoints on the ports of an access pending, which the processor looks at only behind instructions that it
    /// does itself (Intel SDM vol. 3, 18.2.4 and 18.3.1.3): the next entry delivers #DB.
    fn note_port_breakpoints(&mut self, access: IoQualification) -> Result<(), Error> {
        let control = self.raw_vmcs(vmcs::GUEST_DR7.key());
        if control & ENABLED == 0 || !self.read(reg::CR4)?.contains(Cr4::DE) {
            return Ok(());
        }
        let (port, size) = (u64::from(access.port()), u64::from(bytes(access)));
        let mut met = 0;
        for (n, register) in [reg::DR0, reg::DR1, reg::DR2, reg::DR3]
            .into_iter()
            .enumerate()
        {
            let kind = BreakpointCondition((control >> (16 + 4 * n) & 3) as u8);
            if control >> (2 * n) & 3 == 0 || kind != BreakpointCondition::IO {
                continue;
            }
            let length = [1, 2, 8, 4][(control >> (18 + 4 * n) & 3) as usize];
            let first = self.read(register)? & !(length - 1);
            if first.wrapping_sub(port) < size || port.wrapping_sub(first) < length {
                met |= 1 << n;
            }
        }
        if met == 0 {
            return Ok(());
        }
        let met =
            PendingDebugExceptions::from_bits(met) | PendingDebugExceptions::ENABLED_BREAKPOINT;
        self.modify(
            vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS,
            |pending: PendingDebugExceptions| pending | met,
        )
    }

    /// Whether the processor tells the operands of INS and OUTS.
    fn has_string_information(&self) -> bool {
        self.vm()
            .read_capability(crate::x86_64::capabilities::BASIC)
            .is_ok_and(|basic| {
                basic.contains(crate::x86_64::capabilities::VmxBasic::INS_OUTS_INFORMATION)
            })
    }

    /// The bits of an address of INS or OUTS: from the instruction information where the processor gives it, else from the code.
    fn string_address_mask(&self) -> Result<u64, Error> {
        let size = if self.has_string_information() {
            InsOutsInformation::from_bits(self.read(vmcs::VM_EXIT_INSTRUCTION_INFORMATION)?)
                .address_size()
        } else {
            self.string_address_size()?
        };
        Ok(match size {
            AddressSize::BITS16 => 0xffff,
            AddressSize::BITS32 => 0xffff_ffff,
            _ => !0,
        })
    }

    /// From the width of the code and an address-size prefix.
    fn string_address_size(&self) -> Result<AddressSize, Error> {
        let bits = self.code()?.1;
        let (code, got) = self.string_code()?;
        let flipped = prefixes(&code[..got]).contains(&0x67);
        Ok(match (bits, flipped) {
            (64, false) => AddressSize::BITS64,
            (64, true) | (32, false) | (16, true) => AddressSize::BITS32,
            _ => AddressSize::BITS16,
        })
    }

    /// The bytes of the instruction, and how many of them could be read.
    fn string_code(&self) -> Result<([u8; 15], usize), Error> {
        let mut code = [0; 15];
        let got = self.fetch_linear(self.code()?.0, &mut code)?;
        Ok((code, got))
    }
}

/// What stands before the opcode of INS or OUTS.
fn prefixes(code: &[u8]) -> &[u8] {
    let opcode = code.iter().position(|byte| matches!(byte, 0x6c..=0x6f));
    &code[..opcode.unwrap_or(code.len())]
}

fn segment_name(register: SegmentRegister) -> SegmentName {
    match register {
        SegmentRegister::ES => SegmentName::Es,
        SegmentRegister::CS => SegmentName::Cs,
        SegmentRegister::SS => SegmentName::Ss,
        SegmentRegister::FS => SegmentName::Fs,
        SegmentRegister::GS => SegmentName::Gs,
        _ => SegmentName::Ds,
    }
}

/// A register after a write of an address-sized part: 32 bits clear the upper half, 16 leave the rest.
fn merge(old: u64, new: u64, width: u64) -> u64 {
    match width {
        0xffff => old & !0xffff | new & 0xffff,
        width => new & width,
    }
}
