//! The machine that a DOS program runs on: one vCPU in real mode, a megabyte of memory, and an interrupt table whose every entry
//! leads to an HLT that hands over to DOS.

use xhv::x86_64::reg::{self, Rflags};
use xhv::x86_64::{Exit, Vcpu, Vm, vmcs};
use xhv::{Error, Gpa};

use crate::int21::Memory;
use crate::registers::Registers;

/// Memory of the machine in bytes: one megabyte, and the 64 KiB above it that FFFF:FFFF reaches.
pub const MEMORY: u64 = 0x11_0000;
/// Segment that the program's prefix is at.
pub const PSP: u16 = 0x1000;
/// Segment of the environment.
const ENVIRONMENT: u16 = 0x0f00;
/// Segment behind the last that a program owns.
pub const END: u16 = 0xa000;
/// Segment of the stubs: for each vector HLT and IRET.
const STUBS: u16 = 0xf000;
/// The longest .COM file: a segment without the prefix and a word of stack.
pub const LONGEST: usize = 0x1_0000 - 0x100 - 2;

/// Bits of the flags image that an IRET will load.
const CARRY: u16 = 1;
const ZERO: u16 = 1 << 6;

/// What the guest did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It called an interrupt that leads to DOS.
    Interrupt(u8),
    /// It asked for something that is not there: an interrupt, a port. It goes on.
    Idle,
    /// It cannot go on.
    Broken,
}

/// The guest's memory by real-mode addresses.
pub struct Segments<'a>(pub &'a Vm);

impl Memory for Segments<'_> {
    fn read(&self, segment: u16, offset: u16, out: &mut [u8]) {
        let (before, behind) = out.split_at_mut(split(offset, out.len()));
        // Every real-mode address lies in the machine's memory, unless a damaged state says otherwise: then zeros are read.
        let _ = self.0.read(linear(segment, offset), before);
        let _ = self.0.read(linear(segment, 0), behind);
    }

    fn write(&self, segment: u16, offset: u16, bytes: &[u8]) {
        let (before, behind) = bytes.split_at(split(offset, bytes.len()));
        let _ = self.0.write(linear(segment, offset), before);
        let _ = self.0.write(linear(segment, 0), behind);
    }
}

/// How many of `len` bytes from `offset` on come before the segment wraps around.
fn split(offset: u16, len: usize) -> usize {
    len.min(0x1_0000 - usize::from(offset))
}

fn linear(segment: u16, offset: u16) -> Gpa {
    Gpa(u64::from(segment) * 16 + u64::from(offset))
}

/// Gives the VM its memory and writes interrupt table, stubs, prefix, environment and program.
///
/// # Errors
/// [`Error::OutOfRange`] cannot happen with a program of at most [`LONGEST`] bytes.
pub fn load(vm: &Vm, program: &[u8], arguments: &[u8]) -> Result<(), Error> {
    vm.map_new(Gpa(0), MEMORY)?;
    for vector in 0..256_u64 {
        let stub = vector * 2;
        vm.write_value(Gpa(vector * 4), u32::from(STUBS) << 16 | stub as u32)?;
        vm.write(Gpa(u64::from(STUBS) * 16 + stub), &[0xf4, 0xcf])?;
    }
    let mut prefix = [0; 0x100];
    prefix[..2].copy_from_slice(&[0xcd, 0x20]);
    prefix[2..4].copy_from_slice(&END.to_le_bytes());
    prefix[0x2c..0x2e].copy_from_slice(&ENVIRONMENT.to_le_bytes());
    prefix[0x50..0x53].copy_from_slice(&[0xcd, 0x21, 0xcb]);
    let tail = &arguments[..arguments.len().min(126)];
    prefix[0x80] = tail.len() as u8;
    prefix[0x81..0x81 + tail.len()].copy_from_slice(tail);
    prefix[0x81 + tail.len()] = b'\r';
    vm.write(linear(PSP, 0), &prefix)?;
    vm.write(linear(PSP, 0x100), program)?;
    vm.write(
        linear(ENVIRONMENT, 0),
        b"PATH=C:\\\0\0\x01\0C:\\PROGRAM.COM\0",
    )
}

/// Puts the vCPU at the start of the program, as DOS does: all segments the prefix's, a return to INT 20h on the stack.
///
/// # Errors
/// As the engine says.
pub fn start(vcpu: &mut Vcpu) -> Result<(), Error> {
    use xhv::x86_64::{Segment, SegmentName};
    vcpu.set_real_mode(PSP, 0x100)?;
    for name in [SegmentName::Ds, SegmentName::Es, SegmentName::Ss] {
        let rights = vcpu.segment(name)?.rights;
        vcpu.set_segment(
            name,
            Segment {
                selector: PSP,
                base: u64::from(PSP) * 16,
                limit: 0xffff,
                rights,
            },
        )?;
    }
    vcpu.write(reg::RSP, 0xfffe)?;
    // Bit 1 is always set.
    vcpu.write(reg::RFLAGS, Rflags::from_bits(2) | Rflags::IF)
}

/// Runs until the guest does something that DOS or the user has to know of.
///
/// # Errors
/// As the engine says, and if the processor refuses the state.
pub fn run(vcpu: &mut Vcpu) -> Result<Event, Error> {
    match vcpu.run()? {
        Exit::Hlt(mut hlt) => {
            let vcpu = hlt.vcpu();
            let (cs, ip) = (vcpu.read(vmcs::GUEST_CS_SELECTOR)?, vcpu.read(reg::RIP)?);
            let event = if u64::from(cs) == u64::from(STUBS) && ip < 512 {
                Event::Interrupt((ip / 2) as u8)
            } else {
                Event::Idle
            };
            hlt.finish()?;
            Ok(event)
        }
        Exit::PortWrite(write) => {
            write.finish()?;
            Ok(Event::Idle)
        }
        Exit::PortRead(read) => {
            // Nothing is there: all ones.
            read.finish(u32::MAX)?;
            Ok(Event::Idle)
        }
        Exit::Cpuid(cpuid) => {
            cpuid.finish_default()?;
            Ok(Event::Idle)
        }
        Exit::EntryRefused(refused) => Err(Error::Argument {
            call: "run",
            why: refused.to_string(),
        }),
        _ => Ok(Event::Broken),
    }
}

/// Where the guest stands, as CS:IP.
///
/// # Errors
/// As the engine says.
pub fn place(vcpu: &Vcpu) -> Result<String, Error> {
    Ok(format!(
        "{:04x}:{:04x}",
        vcpu.read(vmcs::GUEST_CS_SELECTOR)?,
        vcpu.read(reg::RIP)?
    ))
}

/// Where the interrupt that leads to DOS came from, as CS:IP: the return address on the stack.
///
/// # Errors
/// As the engine says.
pub fn caller(vcpu: &Vcpu) -> Result<String, Error> {
    let (ss, sp) = (
        vcpu.read(vmcs::GUEST_SS_SELECTOR)?,
        vcpu.read(reg::RSP)? as u16,
    );
    let mut frame = [0; 4];
    Segments(vcpu.vm()).read(ss, sp, &mut frame);
    let [ip_low, ip_high, cs_low, cs_high] = frame;
    Ok(format!(
        "{:04x}:{:04x}",
        u16::from_le_bytes([cs_low, cs_high]),
        u16::from_le_bytes([ip_low, ip_high])
    ))
}

/// Offset in the stack segment of the flags that the stub's IRET will load.
fn flags_at(vcpu: &Vcpu) -> Result<(u16, u16), Error> {
    Ok((
        vcpu.read(vmcs::GUEST_SS_SELECTOR)?,
        (vcpu.read(reg::RSP)? as u16).wrapping_add(4),
    ))
}

/// The registers of a call.
///
/// # Errors
/// As the engine says.
pub fn registers(vcpu: &Vcpu) -> Result<Registers, Error> {
    let (ss, at) = flags_at(vcpu)?;
    let mut flags = [0; 2];
    Segments(vcpu.vm()).read(ss, at, &mut flags);
    let flags = u16::from_le_bytes(flags);
    Ok(Registers {
        ax: vcpu.read(reg::RAX)? as u16,
        bx: vcpu.read(reg::RBX)? as u16,
        cx: vcpu.read(reg::RCX)? as u16,
        dx: vcpu.read(reg::RDX)? as u16,
        si: vcpu.read(reg::RSI)? as u16,
        di: vcpu.read(reg::RDI)? as u16,
        ds: vcpu.read(vmcs::GUEST_DS_SELECTOR)?,
        es: vcpu.read(vmcs::GUEST_ES_SELECTOR)?,
        carry: flags & CARRY != 0,
        zero: flags & ZERO != 0,
    })
}

/// Gives the caller what a call has changed.
///
/// # Errors
/// As the engine says.
pub fn set_registers(vcpu: &mut Vcpu, before: &Registers, after: &Registers) -> Result<(), Error> {
    use xhv::x86_64::{Segment, SegmentName};
    for (row, old, new) in [
        (reg::RAX, before.ax, after.ax),
        (reg::RBX, before.bx, after.bx),
        (reg::RCX, before.cx, after.cx),
        (reg::RDX, before.dx, after.dx),
        (reg::RSI, before.si, after.si),
        (reg::RDI, before.di, after.di),
    ] {
        if old != new {
            let rest = vcpu.read(row)? & !0xffff;
            vcpu.write(row, rest | u64::from(new))?;
        }
    }
    for (name, old, new) in [
        (SegmentName::Ds, before.ds, after.ds),
        (SegmentName::Es, before.es, after.es),
    ] {
        if old != new {
            let segment = vcpu.segment(name)?;
            vcpu.set_segment(
                name,
                Segment {
                    selector: new,
                    base: u64::from(new) * 16,
                    ..segment
                },
            )?;
        }
    }
    let (ss, at) = flags_at(vcpu)?;
    let vm = vcpu.vm();
    let mut flags = [0; 2];
    Segments(vm).read(ss, at, &mut flags);
    let mut flags = u16::from_le_bytes(flags) & !(CARRY | ZERO);
    flags |= if after.carry { CARRY } else { 0 } | if after.zero { ZERO } else { 0 };
    Segments(vm).write(ss, at, &flags.to_le_bytes());
    Ok(())
}
