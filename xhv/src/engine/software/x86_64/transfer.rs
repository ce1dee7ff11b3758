//! Far transfers: JMP, CALL and RET between segments, call gates, task switches.
//!
//! `interrupt` has INT, `iret` IRET, `syscall` the fast system calls.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::access::Operation;
use super::cpu::{Cpu, Exit, RSP, Seg, Segment};
use super::decode::Assembler;
use super::deliver::Stack;
use super::descriptor::{Descriptor, index, is_null, system};
use super::mode::Size;
use super::segment::{load_far, null_segment};
use crate::engine::software::dispatch::{Flow, Stop};

/// What asked for a task switch: bits 31:30 of the exit qualification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Call,
    Iret,
    Jmp,
    Interrupt,
}

/// A code segment as CS holds it.
pub(crate) fn code_segment(code: Descriptor, selector: u16, cpl: u8) -> Segment {
    Segment {
        selector: index(selector) | u16::from(cpl),
        ..code.segment(selector)
    }
}

impl Cpu {
    /// The exit that every task switch is in VMX non-root operation, after the checks of the TSS (SDM vol. 3, 27.4.2).
    pub(crate) fn task_switch(
        &mut self,
        source: Source,
        selector: u16,
        len: u8,
        ext: bool,
    ) -> Stop {
        if let Err(stop) = self.check_tss(source, selector, u16::from(ext)) {
            return stop;
        }
        self.exit(Exit {
            reason: 9,
            qualification: u64::from(selector) | (source as u64) << 30,
            len,
            ..Exit::default()
        })
    }

    fn check_tss(&mut self, source: Source, selector: u16, ext: u16) -> Result<(), Stop> {
        let error = index(selector) | ext;
        let iret = source == Source::Iret;
        let found = match selector & 4 {
            0 if !is_null(selector) => self.descriptor(selector)?,
            _ => None,
        };
        let wanted = |kind| match iret {
            true => matches!(kind, system::TSS16_BUSY | system::TSS_BUSY),
            false => matches!(kind, system::TSS16 | system::TSS),
        };
        match found {
            Some(tss) if !tss.is_segment() && wanted(tss.kind()) => {
                let wide = matches!(tss.kind(), system::TSS | system::TSS_BUSY);
                let least = if wide { 0x67 } else { 0x2b };
                if !tss.present() {
                    return Err(self.np(error));
                }
                match tss.limit() >= least {
                    true => Ok(()),
                    false => Err(self.ts(error)),
                }
            }
            _ if iret => Err(self.ts(error)),
            _ => Err(self.gp(error)),
        }
    }

    /// Goes to `offset` in real or virtual-8086 mode.
    fn jump_flat(&mut self, selector: u16, offset: u64) -> Result<(), Stop> {
        let code = &self.seg[Seg::Cs as usize];
        let limit = if self.mode.v8086 { 0xffff } else { code.limit };
        if offset > u64::from(limit) {
            return Err(self.gp(0));
        }
        let code = &mut self.seg[Seg::Cs as usize];
        code.selector = selector;
        code.base = u64::from(selector) << 4;
        if self.mode.v8086 {
            code.rights = 0xf3;
            code.limit = 0xffff;
        } else {
            code.rights = code.rights & !(3 << 5) | 0x93;
        }
        self.rip = offset;
        self.update_mode();
        Ok(())
    }

    /// Whether `offset` may be gone to in `code`.
    pub(crate) fn check_target(&mut self, code: Descriptor, offset: u64) -> Result<(), Stop> {
        let inside = match self.mode.long && code.long() {
            true => self.is_canonical(offset),
            false => offset <= u64::from(code.limit()),
        };
        match inside {
            true => Ok(()),
            false => Err(self.gp(0)),
        }
    }

    /// Goes to a code segment at privilege level `cpl`; everything has been checked.
    pub(crate) fn enter_code(&mut self, code: Descriptor, selector: u16, cpl: u8, offset: u64) {
        self.seg[Seg::Cs as usize] = code_segment(code, selector, cpl);
        self.rip = offset;
        self.update_mode();
    }

    /// JMP (`call` false) or CALL to a far pointer. `size` is the operand size.
    fn far_transfer(
        &mut self,
        op: &Operation,
        selector: u16,
        offset: u64,
        size: Size,
        call: bool,
    ) -> Result<(), Stop> {
        let next = self.rip.wrapping_add(u64::from(op.len)) & self.mode.linear_mask;
        if !self.mode.protected {
            let cs = self.seg[Seg::Cs as usize].selector;
            let mut stack = Stack::current(self);
            if call {
                stack.push_sized(self, size, cs.into())?;
                stack.push_sized(self, size, next)?;
            }
            self.jump_flat(selector, offset)?;
            self.gpr[RSP] = stack.rsp;
            return Ok(());
        }
        if is_null(selector) {
            return Err(self.gp(0));
        }
        let error = index(selector);
        let Some(descriptor) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        if descriptor.is_segment() {
            return self.transfer_direct(selector, descriptor, offset, size, call.then_some(next));
        }
        let privilege = self.cpl().max((selector & 3) as u8);
        let long = self.mode.long;
        let kind = descriptor.kind();
        let open = descriptor.dpl() >= privilege;
        let source = if call { Source::Call } else { Source::Jmp };
        match kind {
            system::CALL_GATE if open => {
                self.through_gate(selector, descriptor, call.then_some(next))
            }
            system::CALL_GATE16 if open && !long => {
                self.through_gate(selector, descriptor, call.then_some(next))
            }
            system::TSS16 | system::TSS if open && !long => {
                Err(self.task_switch(source, selector, op.len, false))
            }
            system::TASK_GATE if open && !long => {
                if !descriptor.present() {
                    return Err(self.np(error));
                }
                Err(self.task_switch(source, descriptor.gate_selector(), op.len, false))
            }
            _ => Err(self.gp(error)),
        }
    }

    fn transfer_direct(
        &mut self,
        selector: u16,
        code: Descriptor,
        offset: u64,
        size: Size,
        next: Option<u64>,
    ) -> Result<(), Stop> {
        let (cpl, rpl, error) = (self.cpl(), (selector & 3) as u8, index(selector));
        let allowed = match code.is_conforming() {
            true => code.dpl() <= cpl,
            false => rpl <= cpl && code.dpl() == cpl,
        };
        let ambiguous = self.mode.long && code.long() && code.big();
        if !code.is_code() || !allowed || ambiguous {
            return Err(self.gp(error));
        }
        if !code.present() {
            return Err(self.np(error));
        }
        let code = self.mark_accessed(selector, code)?;
        let offset = offset & size.mask();
        let mut stack = Stack::current(self);
        if let Some(next) = next {
            let cs = self.seg[Seg::Cs as usize].selector;
            stack.push_sized(self, size, cs.into())?;
            stack.push_sized(self, size, next)?;
        }
        self.check_target(code, offset)?;
        self.gpr[RSP] = stack.rsp;
        self.enter_code(code, selector, cpl, offset);
        Ok(())
    }

    /// Through a call gate; `next` is the return address of a CALL.
    fn through_gate(
        &mut self,
        gate_selector: u16,
        gate: Descriptor,
        next: Option<u64>,
    ) -> Result<(), Stop> {
        let long = self.mode.long;
        let gate_error = index(gate_selector);
        let mut offset = gate.gate_offset();
        if long {
            let high = match self.long_descriptor(gate_selector)? {
                Some((_, high)) if high >> 40 & 0x1f == 0 => high,
                _ => return Err(self.gp(gate_error)),
            };
            offset |= (high & 0xffff_ffff) << 32;
        }
        if !gate.present() {
            return Err(self.np(gate_error));
        }
        let size = match (long, gate.kind()) {
            (true, _) => Size::Bits64,
            (false, system::CALL_GATE) => Size::Bits32,
            _ => Size::Bits16,
        };
        offset &= size.mask();
        let selector = gate.gate_selector();
        if is_null(selector) {
            return Err(self.gp(0));
        }
        let error = index(selector);
        let Some(code) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        let cpl = self.cpl();
        let inner = !code.is_conforming() && code.dpl() < cpl;
        let bad_size = long && (!code.long() || code.big());
        if !code.is_code() || code.dpl() > cpl || bad_size || inner && next.is_none() {
            return Err(self.gp(error));
        }
        if !code.present() {
            return Err(self.np(error));
        }
        let code = self.mark_accessed(selector, code)?;
        self.check_target(code, offset)?;
        let new_cpl = if inner { code.dpl() } else { cpl };
        if let Some(next) = next {
            let parameters = if long { 0 } else { (gate.0 >> 32 & 31) as u32 };
            self.gate_frame(new_cpl, size, parameters, next)?;
        }
        self.enter_code(code, selector, new_cpl, offset);
        Ok(())
    }

    /// The stack frame of a CALL through a gate, and the stack switch that may go with it.
    fn gate_frame(&mut self, cpl: u8, size: Size, parameters: u32, next: u64) -> Result<(), Stop> {
        let cs = self.seg[Seg::Cs as usize].selector;
        let (ss, rsp) = (self.seg[Seg::Ss as usize].selector, self.gpr[RSP]);
        let mut stack = Stack::current(self);
        if cpl != self.cpl() {
            stack = if size == Size::Bits64 {
                Stack {
                    segment: null_segment(cpl.into(), cpl),
                    rsp: self.tss_rsp(4 + 8 * u64::from(cpl), 0)?,
                    flat: true,
                    user: cpl == 3,
                    error: 0,
                }
            } else {
                self.inner_stack(cpl, 0)?
            };
            stack.push_sized(self, size, ss.into())?;
            stack.push_sized(self, size, rsp)?;
            let bytes = u64::from(size.bits() / 8);
            for n in (0..u64::from(parameters)).rev() {
                let mut from = rsp.wrapping_add(n * bytes);
                let value = self.pop_at(&mut from, size)?;
                stack.push_sized(self, size, value)?;
            }
        } else if size == Size::Bits64 {
            stack.flat = true;
        }
        stack.push_sized(self, size, cs.into())?;
        stack.push_sized(self, size, next)?;
        self.seg[Seg::Ss as usize] = stack.segment;
        self.gpr[RSP] = stack.rsp;
        Ok(())
    }

    /// RET to another segment, releasing `release` bytes of parameters.
    fn far_return(&mut self, size: Size, release: u64) -> Result<(), Stop> {
        let mut rsp = self.gpr[RSP];
        let offset = self.pop_at(&mut rsp, size)?;
        let selector = self.pop_at(&mut rsp, size)? as u16;
        let mask = self.mode.stack.mask();
        let released = |rsp: u64| (rsp & !mask) | (rsp.wrapping_add(release) & mask);
        if !self.mode.protected {
            self.jump_flat(selector, offset)?;
            self.gpr[RSP] = released(rsp);
            return Ok(());
        }
        let code = self.return_code(selector)?;
        self.check_target(code, offset)?;
        let rpl = (selector & 3) as u8;
        rsp = released(rsp);
        if rpl == self.cpl() {
            self.gpr[RSP] = rsp;
        } else {
            let outer_rsp = self.pop_at(&mut rsp, size)?;
            let outer_ss = self.pop_at(&mut rsp, size)? as u16;
            let segment = self.outer_stack(outer_ss, rpl, code)?;
            self.return_outer(segment, rpl);
            self.set_outer_rsp(outer_rsp, size);
            let mask = self.mode.stack.mask();
            let rsp = self.gpr[RSP];
            self.gpr[RSP] = (rsp & !mask) | (rsp.wrapping_add(release) & mask);
        }
        self.enter_code(code, selector, rpl, offset);
        Ok(())
    }

    /// The code segment that RET or IRET goes back to.
    pub(crate) fn return_code(&mut self, selector: u16) -> Result<Descriptor, Stop> {
        if is_null(selector) {
            return Err(self.gp(0));
        }
        let (rpl, error) = ((selector & 3) as u8, index(selector));
        let Some(code) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        let allowed = match code.is_conforming() {
            true => code.dpl() <= rpl,
            false => code.dpl() == rpl,
        };
        let ambiguous = self.mode.long && code.long() && code.big();
        if !code.is_code() || rpl < self.cpl() || !allowed || ambiguous {
            return Err(self.gp(error));
        }
        if !code.present() {
            return Err(self.np(error));
        }
        self.mark_accessed(selector, code)
    }

    /// The stack segment that RET or IRET to an outer level (or any, in 64-bit mode) goes back to.
    pub(crate) fn outer_stack(
        &mut self,
        selector: u16,
        cpl: u8,
        code: Descriptor,
    ) -> Result<Segment, Stop> {
        if is_null(selector) {
            let allowed = self.mode.long && code.long() && cpl < 3 && (selector & 3) as u8 == cpl;
            return match allowed {
                true => Ok(null_segment(selector, cpl)),
                false => Err(self.gp(0)),
            };
        }
        let error = index(selector);
        let Some(descriptor) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        let rpl = (selector & 3) as u8;
        if rpl != cpl || descriptor.dpl() != cpl || !descriptor.is_writable() {
            return Err(self.gp(error));
        }
        if !descriptor.present() {
            return Err(self.ss(error));
        }
        let descriptor = self.mark_accessed(selector, descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// Goes to an outer level: its stack segment, and data segments that it may not use become null.
    pub(crate) fn return_outer(&mut self, stack: Segment, cpl: u8) {
        self.seg[Seg::Ss as usize] = stack;
        for seg in [Seg::Es, Seg::Ds, Seg::Fs, Seg::Gs] {
            let segment = self.seg[seg as usize];
            let conforming = segment.kind() & 12 == 12;
            if segment.usable() && !conforming && segment.dpl() < cpl {
                self.seg[seg as usize] = null_segment(0, 0);
            }
        }
        self.update_mode();
    }

    /// RSP as it was popped in `size`.
    pub(crate) fn set_outer_rsp(&mut self, value: u64, size: Size) {
        let stack = match self.seg[Seg::Ss as usize].has(Segment::BIG) || size == Size::Bits64 {
            true => size.mask(),
            false => 0xffff,
        };
        self.gpr[RSP] = match size {
            Size::Bits64 => value,
            _ => (self.gpr[RSP] & !stack | value & stack) & 0xffff_ffff,
        };
    }
}

/// The operand size of a far transfer from the width of its pointer or stack slots.
fn size_of(bytes: u64) -> Size {
    match bytes {
        2 => Size::Bits16,
        4 => Size::Bits32,
        _ => Size::Bits64,
    }
}

/// Emits operations for far transfers.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Jmp if is_far(i) => far(i, a, false),
        Mnemonic::Call if is_far(i) => far(i, a, true),
        Mnemonic::Retf => retf(i, a),
        _ => return false,
    }
    true
}

fn is_far(i: &Instruction) -> bool {
    i.is_jmp_far() || i.is_call_far() || i.is_jmp_far_indirect() || i.is_call_far_indirect()
}

fn far(i: &Instruction, a: &mut Assembler, call: bool) {
    let direct = match i.op0_kind() {
        OpKind::FarBranch16 => Some((i.far_branch_selector(), u64::from(i.far_branch16()), 2)),
        OpKind::FarBranch32 => Some((i.far_branch_selector(), u64::from(i.far_branch32()), 4)),
        _ => None,
    };
    let Some((selector, offset, bytes)) = direct else {
        let bytes = i.memory_size().size().saturating_sub(2);
        let op = a.complex_end(i, |cpu, op| {
            let at = cpu.ea(op);
            let (target, selector) = load_far(cpu, op, at, op.imm as usize)?;
            cpu.far_transfer(op, selector, target, size_of(op.imm), op.r[0] != 0)?;
            Ok(Flow::End)
        });
        op.imm = bytes as u64;
        op.r[0] = call.into();
        return;
    };
    let op = a.complex_end(i, |cpu, op| {
        let (offset, selector) = (op.imm & 0xffff_ffff, (op.imm >> 32) as u16);
        let size = size_of(op.r[1].into());
        cpu.far_transfer(op, selector, offset, size, op.r[0] != 0)?;
        Ok(Flow::End)
    });
    op.imm = offset | u64::from(selector) << 32;
    op.r[0] = call.into();
    op.r[1] = bytes;
}

fn retf(i: &Instruction, a: &mut Assembler) {
    let release = if i.op_count() == 1 {
        i.immediate16()
    } else {
        0
    };
    let popped = i.stack_pointer_increment() - i32::from(release);
    let op = a.complex_end(i, |cpu, op| {
        cpu.far_return(size_of(op.r[0].into()), op.imm)?;
        Ok(Flow::End)
    });
    op.r[0] = (popped / 2) as u8;
    op.imm = release.into();
}
