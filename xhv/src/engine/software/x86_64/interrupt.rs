//! INT n, INT3, INTO, INT1, and what virtual-8086 mode makes of an INT n (Intel SDM vol. 3, 22.3).

use iced_x86::{Instruction, Mnemonic};

use super::Done;
use super::cpu::{Cpu, Cr, EventKind, Exception, RSP, Seg};
use super::decode::Assembler;
use super::deliver::{Stack, image};
use super::flags::Rflags;
use super::mmu::Access;
use crate::engine::software::dispatch::{Flow, Stop};

/// Emits operations for the INT instructions.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Int => event(i, a, i.immediate8(), EventKind::SoftwareInterrupt),
        Mnemonic::Int3 => event(i, a, 3, EventKind::SoftwareException),
        Mnemonic::Int1 => event(i, a, 1, EventKind::PrivilegedSoftwareException),
        Mnemonic::Into => into(i, a),
        _ => return false,
    }
    true
}

fn event(i: &Instruction, a: &mut Assembler, vector: u8, kind: EventKind) {
    let op = a.complex_end(i, |cpu, op| {
        let kind = match op.r[1] {
            0 => EventKind::SoftwareInterrupt,
            1 => EventKind::SoftwareException,
            _ => EventKind::PrivilegedSoftwareException,
        };
        let event = Exception {
            vector: op.r[0],
            kind,
            len: op.len,
            ..Exception::default()
        };
        software_event(cpu, event)
    });
    op.r[0] = vector;
    op.r[1] = match kind {
        EventKind::SoftwareInterrupt => 0,
        EventKind::SoftwareException => 1,
        _ => 2,
    };
}

fn into(i: &Instruction, a: &mut Assembler) {
    a.complex_end(i, |cpu, op| {
        if cpu.flags() & Rflags::OF == 0 {
            return Ok(Flow::Next);
        }
        let event = Exception {
            vector: 4,
            kind: EventKind::SoftwareException,
            len: op.len,
            ..Exception::default()
        };
        software_event(cpu, event)
    });
}

/// Raises a software event. In virtual-8086 mode an INT n wants IOPL 3, but where CR4.VME redirects it (SDM vol. 3, table 22-2).
fn software_event(cpu: &mut Cpu, event: Exception) -> Done {
    // RF ends with the instruction that it was set for, and so is 0 in the image of RFLAGS (SDM vol. 3, 18.3.1.1).
    cpu.lazy.system &= !Rflags::RF;
    let virtual_8086 = event.kind == EventKind::SoftwareInterrupt && cpu.mode.v8086;
    let may = cpu.flags() & Rflags::IOPL == Rflags::IOPL;
    if virtual_8086 && !may && !cpu.is_redirected(&event)? {
        return Err(cpu.gp(0));
    }
    Err(cpu.raise(event))
}

impl Cpu {
    /// Whether an event is an INT n of virtual-8086 mode that CR4.VME and the TSS's bitmap send to the program's own vectors
    /// (SDM vol. 3, 22.3.3).
    pub(super) fn is_redirected(&mut self, event: &Exception) -> Result<bool, Stop> {
        let candidate = event.kind == EventKind::SoftwareInterrupt && self.mode.v8086;
        if !candidate || self.cr4 & Cr::CR4_VME == 0 {
            return Ok(false);
        }
        redirected_to_gate(self, event.vector).map(|gate| !gate)
    }
}

/// Whether the TSS's redirection bitmap sends a vector to protected mode.
fn redirected_to_gate(cpu: &mut Cpu, vector: u8) -> Result<bool, Stop> {
    if cpu.tr.limit < 103 {
        return Err(cpu.gp(0));
    }
    let base = cpu.tr.base;
    let io_map: u16 = cpu.load_system(base.wrapping_add(102))?;
    // The bitmap ends where the I/O map begins.
    let Some(bitmap) = io_map.checked_sub(32) else {
        return Err(cpu.gp(0));
    };
    let at = u64::from(bitmap) + u64::from(vector / 8);
    if at > u64::from(cpu.tr.limit) {
        return Err(cpu.gp(0));
    }
    let byte: u8 = cpu.load_system(base.wrapping_add(at))?;
    Ok(byte >> (vector & 7) & 1 != 0)
}

/// INT n in virtual-8086 mode with CR4.VME that the TSS redirects to the program's own vectors (SDM vol. 3, 22.3.3).
pub(super) fn redirect_v86(cpu: &mut Cpu, event: &Exception) -> Result<(), Stop> {
    let pointer: u32 = cpu.load_linear(
        u64::from(event.vector) * 4,
        Access {
            user: true,
            ..Access::default()
        },
    )?;
    let (rip, flags) = image(cpu, event);
    let (cs, real_if) = (cpu.seg[Seg::Cs as usize].selector, cpu.flags() & Rflags::IF);
    let restricted = flags & Rflags::IOPL != Rflags::IOPL;
    let mut pushed = flags | Rflags::IOPL;
    if restricted {
        let vif = flags & Rflags::VIF != 0;
        pushed = pushed & !Rflags::IF | if vif { Rflags::IF } else { 0 };
    } else {
        pushed = flags;
    }
    let mut stack = Stack::current(cpu);
    stack.push(cpu, pushed as u16)?;
    stack.push(cpu, cs)?;
    stack.push(cpu, rip as u16)?;
    cpu.gpr[RSP] = stack.rsp;
    let target = (pointer >> 16) as u16;
    cpu.seg[Seg::Cs as usize] = cpu.flat_segment(cpu.seg[Seg::Cs as usize], target);
    cpu.rip = u64::from(pointer & 0xffff);
    let mut new = cpu.flags() & !(Rflags::TF | Rflags::IF | Rflags::VIF | Rflags::RF);
    // As any INT n it masks TF for its own step, too.
    cpu.unstepped = true;
    new |= if restricted {
        real_if
    } else {
        flags & Rflags::VIF
    };
    cpu.set_flags(new);
    cpu.update_mode();
    Ok(())
}
