//! Delivery of one event through the IDT: real-mode vectors, protected-mode and IA-32e gates (Intel SDM vol. 3, 6.12 to 6.14).
//!
//! Nothing of the CPU changes if delivery fails. `events` decides what is delivered, and what a failure leads to.

use super::cpu::{Cpu, EventKind, Exception, RSP, Seg, Segment};
use super::descriptor::{Descriptor, index, is_null, system};
use super::flags::Rflags;
use super::interrupt::redirect_v86;
use super::mmu::Access;
use super::mode::Size;
use super::segment::null_segment;
use super::transfer::{Source, code_segment};
use crate::engine::software::dispatch::{Slow, Stop};
use crate::engine::software::memory::Scalar;

/// A stack that is being written to before it is anybody's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub(crate) segment: Segment,
    pub(crate) rsp: u64,
    /// 64-bit mode: no segmentation.
    pub(crate) flat: bool,
    /// Written with user rights.
    pub(crate) user: bool,
    /// Error code of a stack fault.
    pub(crate) error: u16,
}

impl Stack {
    /// The stack in use.
    pub(crate) fn current(cpu: &Cpu) -> Self {
        Self {
            segment: cpu.seg[Seg::Ss as usize],
            rsp: cpu.gpr[RSP],
            flat: cpu.mode.code == Size::Bits64,
            user: cpu.cpl() == 3,
            error: 0,
        }
    }

    fn mask(&self) -> u64 {
        if self.flat {
            !0
        } else if self.segment.has(Segment::BIG) {
            0xffff_ffff
        } else {
            0xffff
        }
    }

    fn holds(&self, cpu: &Cpu, offset: u64, size: u64) -> bool {
        let last = offset + (size - 1);
        if self.flat {
            return cpu.is_canonical(offset) && cpu.is_canonical(last);
        }
        if self.segment.expands_down() && cpu.mode.protected {
            return offset > u64::from(self.segment.limit) && last <= self.mask();
        }
        last <= u64::from(self.segment.limit)
    }

    /// Pushes a value of width `T`.
    pub(crate) fn push<T: Scalar>(&mut self, cpu: &mut Cpu, value: T) -> Result<(), Stop> {
        let mask = self.mask();
        let offset = self.rsp.wrapping_sub(T::SIZE) & mask;
        if offset > mask - (T::SIZE - 1) || !self.holds(cpu, offset, T::SIZE) {
            return Err(cpu.ss(self.error));
        }
        let linear = match self.flat {
            true => offset,
            false => self.segment.base.wrapping_add(offset) & 0xffff_ffff,
        };
        let access = Access {
            write: true,
            user: self.user,
            ..Access::default()
        };
        cpu.store_linear(linear, access, value)?;
        self.rsp = (self.rsp & !mask) | offset;
        Ok(())
    }

    /// Pushes in a width.
    pub(crate) fn push_sized(&mut self, cpu: &mut Cpu, size: Size, value: u64) -> Result<(), Stop> {
        match size {
            Size::Bits16 => self.push(cpu, value as u16),
            Size::Bits32 => self.push(cpu, value as u32),
            Size::Bits64 => self.push(cpu, value),
        }
    }
}

/// Whether the event comes from the program itself, so that EXT of error codes is 0 and gates have to be open to it.
fn is_software(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SoftwareInterrupt | EventKind::SoftwareException
    )
}

/// RIP and RFLAGS as they are pushed.
pub(super) fn image(cpu: &Cpu, event: &Exception) -> (u64, u64) {
    let len = match event.kind {
        EventKind::SoftwareInterrupt
        | EventKind::SoftwareException
        | EventKind::PrivilegedSoftwareException => event.len,
        _ => 0,
    };
    let rip = cpu.rip.wrapping_add(u64::from(len)) & cpu.mode.linear_mask;
    let mut flags = cpu.flags();
    if event.sets_rf() || cpu.midway {
        flags |= Rflags::RF;
    }
    (rip, flags)
}

/// Delivers `event`: the CPU is at the first instruction of its handler then.
pub(crate) fn deliver(cpu: &mut Cpu, event: &Exception) -> Result<(), Stop> {
    if cpu.cr0 & 1 == 0 {
        deliver_real(cpu, event)?;
    } else if cpu.mode.v8086 && cpu.is_redirected(event)? {
        redirect_v86(cpu, event)?;
    } else if cpu.mode.long {
        deliver_long(cpu, event)?;
    } else {
        deliver_protected(cpu, event)?;
    }
    cpu.midway = false;
    if !is_software(event.kind) {
        // What MOV SS held back is lost; an INT n does not lose it (SDM vol. 3, 28.7.3 says so of events that an entry injects).
        cpu.pending_debug = 0;
    }
    cpu.attend();
    Ok(())
}

fn deliver_real(cpu: &mut Cpu, event: &Exception) -> Result<(), Stop> {
    let at = u64::from(event.vector) * 4;
    if at + 3 > u64::from(cpu.idtr.limit) {
        return Err(cpu.gp(0));
    }
    let vector: u32 = cpu.load_system(cpu.idtr.base.wrapping_add(at))?;
    enter_16(cpu, event, vector)
}

/// Pushes FLAGS, CS and IP, and goes to a far pointer: real mode, and redirected interrupts of virtual-8086 mode.
fn enter_16(cpu: &mut Cpu, event: &Exception, pointer: u32) -> Result<(), Stop> {
    let (rip, flags) = image(cpu, event);
    let cs = cpu.seg[Seg::Cs as usize].selector;
    let mut stack = Stack::current(cpu);
    stack.push(cpu, flags as u16)?;
    stack.push(cpu, cs)?;
    stack.push(cpu, rip as u16)?;
    cpu.gpr[RSP] = stack.rsp;
    let target = (pointer >> 16) as u16;
    let code = &mut cpu.seg[Seg::Cs as usize];
    code.selector = target;
    code.base = u64::from(target) << 4;
    cpu.rip = u64::from(pointer & 0xffff);
    let gone = Rflags::IF | Rflags::TF | Rflags::AC | Rflags::RF;
    let flags = cpu.flags() & !gone;
    cpu.set_flags(flags);
    cpu.update_mode();
    Ok(())
}

/// What a gate leads to.
struct Target {
    code: Descriptor,
    selector: u16,
    offset: u64,
    /// Clears IF.
    interrupt: bool,
    /// Privilege level of the handler.
    cpl: u8,
    ext: u16,
}

/// Looks up the gate of `event` and checks what is the same in all modes; `long`: 16-byte gates.
fn gate(cpu: &mut Cpu, event: &Exception, long: bool) -> Result<(Descriptor, u64), Stop> {
    let software = is_software(event.kind);
    let error = u16::from(event.vector) * 8 + 2 + u16::from(!software);
    let size = if long { 16 } else { 8 };
    let at = u64::from(event.vector) * size;
    if at + size - 1 > u64::from(cpu.idtr.limit) {
        return Err(cpu.gp(error));
    }
    let at = cpu.idtr.base.wrapping_add(at);
    let gate = Descriptor(cpu.load_system(at)?);
    let high = if long {
        cpu.load_system(at.wrapping_add(8))?
    } else {
        0
    };
    let wide = matches!(gate.kind(), system::INTERRUPT_GATE | system::TRAP_GATE);
    let narrow = matches!(
        gate.kind(),
        system::TASK_GATE | system::INTERRUPT_GATE16 | system::TRAP_GATE16
    );
    if gate.is_segment() || !(wide || narrow && !long) {
        return Err(cpu.gp(error));
    }
    if software && gate.dpl() < cpu.cpl() {
        return Err(cpu.gp(error));
    }
    if !gate.present() {
        return Err(cpu.np(error));
    }
    Ok((gate, high))
}

/// The code segment that a gate leads to, and the privilege level of its code.
fn target(cpu: &mut Cpu, gate: Descriptor, high: u64, software: bool) -> Result<Target, Stop> {
    let (selector, ext) = (gate.gate_selector(), u16::from(!software));
    if is_null(selector) {
        return Err(cpu.gp(ext));
    }
    let error = index(selector) | ext;
    let Some(code) = cpu.descriptor(selector)? else {
        return Err(cpu.gp(error));
    };
    let cpl = cpu.cpl();
    let bad_size = cpu.mode.long && (!code.long() || code.big());
    if !code.is_code() || code.dpl() > cpl || bad_size {
        return Err(cpu.gp(error));
    }
    if !code.present() {
        return Err(cpu.np(error));
    }
    let inner = !code.is_conforming() && code.dpl() < cpl;
    if cpu.mode.v8086 && (!inner || code.dpl() != 0) {
        return Err(cpu.gp(error));
    }
    let code = cpu.mark_accessed(selector, code)?;
    Ok(Target {
        code,
        selector,
        offset: gate.gate_offset() | (high & 0xffff_ffff) << 32,
        interrupt: matches!(
            gate.kind(),
            system::INTERRUPT_GATE | system::INTERRUPT_GATE16
        ),
        cpl: if inner { code.dpl() } else { cpl },
        ext,
    })
}

/// CS, RIP and RFLAGS of a handler, once its frame is on the stack.
fn commit(cpu: &mut Cpu, target: &Target) {
    let selector = index(target.selector) | u16::from(target.cpl);
    cpu.seg[Seg::Cs as usize] = code_segment(target.code, selector, target.cpl);
    cpu.rip = target.offset;
    let mut gone = Rflags::TF | Rflags::NT | Rflags::RF | Rflags::VM;
    if target.interrupt {
        gone |= Rflags::IF;
    }
    let flags = cpu.flags() & !gone;
    cpu.set_flags(flags);
    cpu.update_mode();
}

fn deliver_protected(cpu: &mut Cpu, event: &Exception) -> Result<(), Stop> {
    let (gate, _) = gate(cpu, event, false)?;
    let software = is_software(event.kind);
    if gate.kind() == system::TASK_GATE {
        let selector = gate.gate_selector();
        return Err(cpu.task_switch(Source::Interrupt, selector, event.len, !software));
    }
    let size = match gate.kind() {
        system::INTERRUPT_GATE | system::TRAP_GATE => Size::Bits32,
        _ => Size::Bits16,
    };
    let mut target = target(cpu, gate, 0, software)?;
    target.offset &= size.mask();
    let (rip, flags) = image(cpu, event);
    let (cs, old_ss) = (
        cpu.seg[Seg::Cs as usize].selector,
        cpu.seg[Seg::Ss as usize],
    );
    let switches = target.cpl != cpu.cpl();
    let v8086 = cpu.mode.v8086;
    let mut stack = match switches {
        true => cpu.inner_stack(target.cpl, target.ext)?,
        false => Stack {
            error: target.ext,
            ..Stack::current(cpu)
        },
    };
    if switches {
        let rsp = cpu.gpr[RSP];
        if v8086 {
            for seg in [Seg::Gs, Seg::Fs, Seg::Ds, Seg::Es] {
                let selector = cpu.seg[seg as usize].selector;
                stack.push_sized(cpu, size, selector.into())?;
            }
        }
        stack.push_sized(cpu, size, old_ss.selector.into())?;
        stack.push_sized(cpu, size, rsp)?;
    }
    stack.push_sized(cpu, size, flags)?;
    stack.push_sized(cpu, size, cs.into())?;
    stack.push_sized(cpu, size, rip)?;
    if let Some(error) = event.error {
        stack.push_sized(cpu, size, error.into())?;
    }
    // Offsets beyond the limit of the new segment fault before anything is committed.
    if target.offset > u64::from(target.code.limit()) {
        return Err(cpu.gp(target.ext));
    }
    if v8086 {
        for seg in [Seg::Gs, Seg::Fs, Seg::Ds, Seg::Es] {
            cpu.seg[seg as usize] = null_segment(0, 0);
        }
    }
    cpu.seg[Seg::Ss as usize] = stack.segment;
    cpu.gpr[RSP] = stack.rsp;
    commit(cpu, &target);
    Ok(())
}

fn deliver_long(cpu: &mut Cpu, event: &Exception) -> Result<(), Stop> {
    let (gate, high) = gate(cpu, event, true)?;
    let target = target(cpu, gate, high, is_software(event.kind))?;
    let ist = (gate.0 >> 32 & 7) as u8;
    let switches = target.cpl != cpu.cpl();
    let rsp = match (ist, switches) {
        (0, false) => cpu.gpr[RSP],
        (0, true) => cpu.tss_rsp(4 + 8 * u64::from(target.cpl), target.ext)?,
        (ist, _) => cpu.tss_rsp(28 + 8 * u64::from(ist), target.ext)?,
    };
    let old_ss = cpu.seg[Seg::Ss as usize];
    let (rip, flags) = image(cpu, event);
    let mut stack = Stack {
        segment: match switches {
            true => null_segment(target.cpl.into(), target.cpl),
            false => old_ss,
        },
        rsp: rsp & !15,
        flat: true,
        user: target.cpl == 3,
        error: target.ext,
    };
    if !cpu.is_canonical(target.offset) {
        return Err(cpu.gp(target.ext));
    }
    let old_rsp = cpu.gpr[RSP];
    let cs = cpu.seg[Seg::Cs as usize].selector;
    for value in [old_ss.selector.into(), old_rsp, flags, cs.into(), rip] {
        stack.push::<u64>(cpu, value)?;
    }
    if let Some(error) = event.error {
        stack.push::<u64>(cpu, error.into())?;
    }
    cpu.seg[Seg::Ss as usize] = stack.segment;
    cpu.gpr[RSP] = stack.rsp;
    commit(cpu, &target);
    Ok(())
}

impl Cpu {
    /// A stack pointer of the 64-bit TSS; `ext` goes into error codes.
    pub(crate) fn tss_rsp(&mut self, offset: u64, ext: u16) -> Result<u64, Stop> {
        let error = index(self.tr.selector) | ext;
        if !self.tr.usable() || offset + 7 > u64::from(self.tr.limit) {
            return Err(self.ts(error));
        }
        let rsp: u64 = self.load_system(self.tr.base.wrapping_add(offset))?;
        if !self.is_canonical(rsp) {
            return Err(self.ss(ext));
        }
        Ok(rsp)
    }

    /// The stack that the TSS has for an inner privilege level, checked (SDM vol. 3, 6.12.1).
    pub(crate) fn inner_stack(&mut self, cpl: u8, ext: u16) -> Result<Stack, Stop> {
        let (wide, cpl64) = (self.tr.kind() & 8 != 0, u64::from(cpl));
        let (at, size) = if wide {
            (4 + 8 * cpl64, 4)
        } else {
            (2 + 4 * cpl64, 2)
        };
        if !self.tr.usable() || at + size + 1 > u64::from(self.tr.limit) {
            let error = index(self.tr.selector) | ext;
            return Err(self.ts(error));
        }
        let base = self.tr.base.wrapping_add(at);
        let rsp = if wide {
            self.load_system::<u32>(base)?.into()
        } else {
            self.load_system::<u16>(base)?.into()
        };
        let selector: u16 = self.load_system(base.wrapping_add(size))?;
        let segment = self.inner_ss(selector, cpl, ext)?;
        Ok(Stack {
            segment,
            rsp,
            flat: false,
            user: cpl == 3,
            error: index(selector) | ext,
        })
    }

    /// The stack segment of an inner privilege level.
    fn inner_ss(&mut self, selector: u16, cpl: u8, ext: u16) -> Result<Segment, Stop> {
        if is_null(selector) {
            return Err(self.ts(ext));
        }
        let error = index(selector) | ext;
        let Some(descriptor) = self.descriptor(selector)? else {
            return Err(self.ts(error));
        };
        let rpl = (selector & 3) as u8;
        if rpl != cpl || descriptor.dpl() != cpl || !descriptor.is_writable() {
            return Err(self.ts(error));
        }
        if !descriptor.present() {
            return Err(self.ss(error));
        }
        let descriptor = self.mark_accessed(selector, descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// Pops a value of `size` from a stack pointer that is not committed yet.
    pub(crate) fn pop_at(&mut self, rsp: &mut u64, size: Size) -> Result<u64, Stop> {
        let mask = self.mode.stack.mask();
        let offset = *rsp & mask;
        let (value, bytes) = match size {
            Size::Bits16 => (self.load::<Slow, u16>(Seg::Ss, offset)?.into(), 2),
            Size::Bits32 => (self.load::<Slow, u32>(Seg::Ss, offset)?.into(), 4),
            Size::Bits64 => (self.load::<Slow, u64>(Seg::Ss, offset)?, 8),
        };
        *rsp = (*rsp & !mask) | (rsp.wrapping_add(bytes) & mask);
        Ok(value)
    }
}
