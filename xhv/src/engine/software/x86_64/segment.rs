//! Loading and storing segment registers: MOV, PUSH, POP, LDS and its like, and the instructions that ask about selectors.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, RSP, Seg, Segment, Shadow};
use super::decode::{Assembler, gpr_number, operand_size, segment_number};
use super::descriptor::{Descriptor, index, is_null, system};
use super::flags::Rflags;
use super::mode::Size;
use crate::engine::software::dispatch::{Flow, Slow, Stop};

/// A segment register that holds a null selector.
pub(crate) fn null_segment(selector: u16, dpl: u8) -> Segment {
    Segment {
        selector,
        rights: Segment::UNUSABLE | u32::from(dpl) << 5,
        limit: 0,
        base: 0,
    }
}

impl Cpu {
    /// Loads a segment register other than CS, with everything that the mode asks for.
    pub(crate) fn load_segment(&mut self, seg: Seg, selector: u16) -> Result<(), Stop> {
        let segment = if !self.mode.protected {
            self.flat_segment(self.seg[seg as usize], selector)
        } else if seg == Seg::Ss {
            self.stack_segment(selector)?
        } else {
            self.data_segment(selector)?
        };
        self.seg[seg as usize] = segment;
        self.update_mode();
        Ok(())
    }

    /// A segment register of real or virtual-8086 mode. Real mode leaves limit and size as they are ("unreal mode").
    pub(crate) fn flat_segment(&self, old: Segment, selector: u16) -> Segment {
        let base = u64::from(selector) << 4;
        if self.mode.v8086 {
            return Segment {
                selector,
                rights: 0xf3,
                limit: 0xffff,
                base,
            };
        }
        let (rights, limit) = match old.usable() {
            true => (old.rights & 0xf09f | 0x93, old.limit),
            false => (0x93, 0xffff),
        };
        Segment {
            selector,
            rights: rights & !Segment::CODE & !Segment::EXPAND_DOWN,
            limit,
            base,
        }
    }

    fn stack_segment(&mut self, selector: u16) -> Result<Segment, Stop> {
        let (cpl, rpl) = (self.cpl(), (selector & 3) as u8);
        if is_null(selector) {
            let allowed = self.mode.code == Size::Bits64 && cpl < 3 && rpl == cpl;
            return match allowed {
                true => Ok(null_segment(selector, cpl)),
                false => Err(self.gp(0)),
            };
        }
        let error = index(selector);
        let Some(descriptor) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        if rpl != cpl || descriptor.dpl() != cpl || !descriptor.is_writable() {
            return Err(self.gp(error));
        }
        if !descriptor.present() {
            return Err(self.ss(error));
        }
        let descriptor = self.mark_accessed(selector, descriptor)?;
        Ok(descriptor.segment(selector))
    }

    fn data_segment(&mut self, selector: u16) -> Result<Segment, Stop> {
        if is_null(selector) {
            return Ok(null_segment(selector, 0));
        }
        let error = index(selector);
        let Some(descriptor) = self.descriptor(selector)? else {
            return Err(self.gp(error));
        };
        let privilege = self.cpl().max((selector & 3) as u8);
        let denied = !descriptor.is_conforming() && descriptor.dpl() < privilege;
        if !descriptor.is_readable() || denied {
            return Err(self.gp(error));
        }
        if !descriptor.present() {
            return Err(self.np(error));
        }
        let descriptor = self.mark_accessed(selector, descriptor)?;
        Ok(descriptor.segment(selector))
    }

    /// Starts the interrupt shadow of a load of SS.
    fn shadow_ss(&mut self) {
        if self.shadow & Shadow::MOV_SS == 0 {
            self.shadow = self.shadow & !Shadow::STI | Shadow::MOV_SS;
            self.attend();
        }
    }
}

/// Emits operations for segment-register instructions.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Mov if is_segment(i, 1) => mov_from(i, a),
        Mnemonic::Mov if is_segment(i, 0) => mov_to(i, a),
        Mnemonic::Push if is_segment(i, 0) => push(i, a),
        Mnemonic::Pop if is_segment(i, 0) => pop(i, a),
        Mnemonic::Lds => far_pointer(i, a, Seg::Ds),
        Mnemonic::Les => far_pointer(i, a, Seg::Es),
        Mnemonic::Lss => far_pointer(i, a, Seg::Ss),
        Mnemonic::Lfs => far_pointer(i, a, Seg::Fs),
        Mnemonic::Lgs => far_pointer(i, a, Seg::Gs),
        Mnemonic::Lar => ask(i, a, lar),
        Mnemonic::Lsl => ask(i, a, lsl),
        Mnemonic::Verr => ask(i, a, |cpu, op| verify(cpu, op, Descriptor::is_readable)),
        Mnemonic::Verw => ask(i, a, |cpu, op| verify(cpu, op, Descriptor::is_writable)),
        Mnemonic::Arpl => ask(i, a, arpl),
        _ => return false,
    }
    true
}

fn is_segment(i: &Instruction, n: u32) -> bool {
    i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register()
}

/// A 16-bit operand that is a register (`x[3]` = 0 … see `decode`) or in memory: `r[0]` is the register or 0xff.
fn word_operand(cpu: &mut Cpu, op: &Operation) -> Result<u16, Stop> {
    if op.r[0] != 0xff {
        return Ok(cpu.gpr[usize::from(op.r[0] & 15)] as u16);
    }
    let offset = cpu.ea(op);
    cpu.load::<Slow, u16>(cpu.seg_of(op), offset)
}

fn register_or_memory(i: &Instruction, n: u32) -> u8 {
    match i.op_kind(n) {
        OpKind::Register => gpr_number(i.op_register(n)),
        _ => 0xff,
    }
}

fn mov_from(i: &Instruction, a: &mut Assembler) {
    let (seg, size) = (segment_number(i.op1_register()), operand_size(i, 0));
    let op = a.complex(i, |cpu, op| {
        let value = cpu.seg[usize::from(op.r[1] & 7)].selector;
        if op.r[0] == 0xff {
            let offset = cpu.ea(op);
            cpu.store::<Slow, u16>(cpu.seg_of(op), offset, value)?;
        } else {
            cpu.write_gpr(op.r[0], op.imm as usize, value.into());
        }
        Ok(Flow::Next)
    });
    op.r[0] = register_or_memory(i, 0);
    op.r[1] = seg;
    op.imm = size as u64;
}

fn mov_to(i: &Instruction, a: &mut Assembler) {
    let register = i.op0_register();
    if register == Register::CS {
        a.complex_end(i, |cpu, _| Err(cpu.ud()));
        return;
    }
    let op = a.complex_end(i, |cpu, op| {
        let selector = word_operand(cpu, op)?;
        let seg = Seg::from_number(op.r[1]);
        cpu.load_segment(seg, selector)?;
        if seg == Seg::Ss {
            cpu.shadow_ss();
        }
        Ok(Flow::Next)
    });
    op.r[0] = register_or_memory(i, 1);
    op.r[1] = segment_number(register);
}

/// Bytes on the stack of a PUSH or POP of a segment register.
fn stack_bytes(i: &Instruction) -> u64 {
    i.stack_pointer_increment().unsigned_abs().into()
}

fn push(i: &Instruction, a: &mut Assembler) {
    let op = a.complex(i, |cpu, op| {
        let selector = cpu.seg[usize::from(op.r[1] & 7)].selector;
        // A 32-bit push of a selector writes 16 bits on current CPUs, and moves ESP by 4.
        match op.imm {
            2 => cpu.push::<Slow, u16>(selector)?,
            size => {
                let mask = cpu.mode.stack.mask();
                let rsp = cpu.gpr[RSP];
                let new = rsp.wrapping_sub(size) & mask;
                if size == 8 {
                    cpu.store::<Slow, u64>(Seg::Ss, new, selector.into())?;
                } else {
                    cpu.store::<Slow, u16>(Seg::Ss, new, selector)?;
                }
                cpu.gpr[RSP] = (rsp & !mask) | new;
            }
        }
        Ok(Flow::Next)
    });
    op.r[1] = segment_number(i.op0_register());
    op.imm = stack_bytes(i);
}

fn pop(i: &Instruction, a: &mut Assembler) {
    if i.op0_register() == Register::CS {
        a.complex_end(i, |cpu, _| Err(cpu.ud()));
        return;
    }
    let op = a.complex_end(i, |cpu, op| {
        let mask = cpu.mode.stack.mask();
        let rsp = cpu.gpr[RSP];
        let selector = cpu.load::<Slow, u16>(Seg::Ss, rsp & mask)?;
        let seg = Seg::from_number(op.r[1]);
        cpu.load_segment(seg, selector)?;
        // The stack size is that of before.
        cpu.gpr[RSP] = (rsp & !mask) | (rsp.wrapping_add(op.imm) & mask);
        if seg == Seg::Ss {
            cpu.shadow_ss();
        }
        Ok(Flow::Next)
    });
    op.r[1] = segment_number(i.op0_register());
    op.imm = stack_bytes(i);
}

fn far_pointer(i: &Instruction, a: &mut Assembler, seg: Seg) {
    if i.op1_kind() != OpKind::Memory {
        a.complex_end(i, |cpu, _| Err(cpu.ud()));
        return;
    }
    let op = a.complex_end(i, |cpu, op| {
        let offset = cpu.ea(op);
        let (target, selector) = load_far(cpu, op, offset, op.imm as usize)?;
        cpu.load_segment(Seg::from_number(op.r[1]), selector)?;
        cpu.write_gpr(op.r[0], op.imm as usize, target);
        Ok(Flow::Next)
    });
    op.r[0] = gpr_number(i.op0_register());
    op.r[1] = seg as u8;
    op.imm = operand_size(i, 0) as u64;
}

/// A far pointer in memory: an offset of `size` bytes, then the selector.
pub(crate) fn load_far(
    cpu: &mut Cpu,
    op: &Operation,
    offset: u64,
    size: usize,
) -> Result<(u64, u16), Stop> {
    let seg = cpu.seg_of(op);
    let target = match size {
        2 => cpu.load::<Slow, u16>(seg, offset)?.into(),
        4 => cpu.load::<Slow, u32>(seg, offset)?.into(),
        _ => cpu.load::<Slow, u64>(seg, offset)?,
    };
    let behind = offset.wrapping_add(size as u64) & super::mode::MASKS[usize::from(op.x[1] & 3)];
    let selector = cpu.load::<Slow, u16>(seg, behind)?;
    Ok((target, selector))
}

/// LAR, LSL, VERR, VERW, ARPL: only where selectors name descriptors.
fn ask<F>(i: &Instruction, a: &mut Assembler, function: F)
where
    F: Fn(&mut Cpu, &Operation) -> Done + Copy + 'static,
{
    if !a.mode().protected {
        a.complex_end(i, |cpu, _| Err(cpu.ud()));
        return;
    }
    let op = a.complex(i, function);
    let last = i.op_count() - 1;
    if i.mnemonic() == Mnemonic::Arpl {
        op.r[0] = register_or_memory(i, 0);
        op.r[1] = gpr_number(i.op1_register());
    } else {
        op.r[0] = register_or_memory(i, last);
        op.r[1] = gpr_number(i.op0_register());
        op.imm = operand_size(i, 0) as u64;
    }
}

fn set_zf(cpu: &mut Cpu, zf: bool) {
    let flags = cpu.flags() & !Rflags::ZF;
    cpu.lazy.set_status(flags | if zf { Rflags::ZF } else { 0 });
}

/// The descriptor that LAR, LSL, VERR or VERW may look at.
fn visible(cpu: &mut Cpu, selector: u16) -> Result<Option<Descriptor>, Stop> {
    if is_null(selector) {
        return Ok(None);
    }
    let Some(descriptor) = cpu.descriptor(selector)? else {
        return Ok(None);
    };
    let privilege = cpu.cpl().max((selector & 3) as u8);
    let seen = descriptor.is_conforming() || descriptor.dpl() >= privilege;
    Ok(seen.then_some(descriptor))
}

fn lar(cpu: &mut Cpu, op: &Operation) -> Done {
    let selector = word_operand(cpu, op)?;
    let long = cpu.mode.long;
    let shown = visible(cpu, selector)?.filter(|descriptor| {
        descriptor.is_segment()
            || match descriptor.kind() {
                system::TSS16 | system::TSS16_BUSY | system::CALL_GATE16 | system::TASK_GATE => {
                    !long
                }
                system::LDT | system::TSS | system::TSS_BUSY | system::CALL_GATE => true,
                _ => false,
            }
    });
    if let Some(descriptor) = shown {
        let rights = descriptor.0 >> 32 & 0x00f0_ff00;
        cpu.write_gpr(op.r[1], op.imm as usize, rights);
    }
    set_zf(cpu, shown.is_some());
    Ok(Flow::Next)
}

fn lsl(cpu: &mut Cpu, op: &Operation) -> Done {
    let selector = word_operand(cpu, op)?;
    let long = cpu.mode.long;
    let shown = visible(cpu, selector)?.filter(|descriptor| {
        descriptor.is_segment()
            || match descriptor.kind() {
                system::TSS16 | system::TSS16_BUSY => !long,
                system::LDT | system::TSS | system::TSS_BUSY => true,
                _ => false,
            }
    });
    if let Some(descriptor) = shown {
        cpu.write_gpr(op.r[1], op.imm as usize, descriptor.limit().into());
    }
    set_zf(cpu, shown.is_some());
    Ok(Flow::Next)
}

fn verify(cpu: &mut Cpu, op: &Operation, allowed: fn(Descriptor) -> bool) -> Done {
    let selector = word_operand(cpu, op)?;
    let good = visible(cpu, selector)?.is_some_and(allowed);
    set_zf(cpu, good);
    Ok(Flow::Next)
}

fn arpl(cpu: &mut Cpu, op: &Operation) -> Done {
    let destination = word_operand(cpu, op)?;
    let rpl = cpu.gpr[usize::from(op.r[1] & 15)] as u16 & 3;
    let raise = destination & 3 < rpl;
    if raise {
        let value = destination & !3 | rpl;
        if op.r[0] == 0xff {
            let offset = cpu.ea(op);
            cpu.store::<Slow, u16>(cpu.seg_of(op), offset, value)?;
        } else {
            cpu.write_gpr(op.r[0], 2, value.into());
        }
    }
    set_zf(cpu, raise);
    Ok(Flow::Next)
}

impl Cpu {
    /// Writes a general register (not AH and its like) in a size of 2, 4 or 8 bytes, as instructions do.
    #[inline]
    pub(crate) fn write_gpr(&mut self, number: u8, size: usize, value: u64) {
        let register = &mut self.gpr[usize::from(number & 15)];
        *register = match size {
            1 => *register & !0xff | value & 0xff,
            2 => *register & !0xffff | value & 0xffff,
            4 => value & 0xffff_ffff,
            _ => value,
        };
    }
}
