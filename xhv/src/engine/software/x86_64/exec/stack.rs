//! PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Imm, Int, Mem, Reg0, Source, wide};
use crate::engine::software::dispatch::{Flow, Path, Slow, Stop};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Operation, Segmented, stored};
use crate::engine::software::x86_64::cpu::{Cpu, Cr, RBP, RSP, Seg};
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, segment_number};
use crate::engine::software::x86_64::flags::Rflags;
use crate::engine::software::x86_64::mode::Size;

/// What kind of stack is in use.
pub(crate) trait Stack: 'static {
    fn push<P: Path, T: Int>(cpu: &mut Cpu, value: T) -> Result<(), Stop>;
    fn pop<P: Path, T: Int>(cpu: &mut Cpu) -> Result<T, Stop>;
    /// Takes so many bytes from the stack.
    fn release(cpu: &mut Cpu, bytes: u64);
}

/// 64-bit mode: no segment, no truncation.
#[derive(Debug)]
pub(crate) struct Flat;

/// Any.
#[derive(Debug)]
pub(crate) struct Any;

impl Stack for Flat {
    #[inline(always)]
    fn push<P: Path, T: Int>(cpu: &mut Cpu, value: T) -> Result<(), Stop> {
        let rsp = cpu.gpr[RSP].wrapping_sub(T::SIZE);
        match cpu.view.store(cpu.mode.regime, rsp, value) {
            Some(()) => {
                cpu.gpr[RSP] = rsp;
                Ok(())
            }
            None if P::SLOW => cpu.push::<Slow, T>(value),
            None => Err(Stop::Miss),
        }
    }

    #[inline(always)]
    fn pop<P: Path, T: Int>(cpu: &mut Cpu) -> Result<T, Stop> {
        let rsp = cpu.gpr[RSP];
        match cpu.view.load(cpu.mode.regime, rsp) {
            Some(value) => {
                cpu.gpr[RSP] = rsp.wrapping_add(T::SIZE);
                Ok(value)
            }
            None if P::SLOW => cpu.pop::<Slow, T>(),
            None => Err(Stop::Miss),
        }
    }

    #[inline(always)]
    fn release(cpu: &mut Cpu, bytes: u64) {
        cpu.gpr[RSP] = cpu.gpr[RSP].wrapping_add(bytes);
    }
}

impl Stack for Any {
    #[inline(always)]
    fn push<P: Path, T: Int>(cpu: &mut Cpu, value: T) -> Result<(), Stop> {
        cpu.push::<P, T>(value)
    }

    #[inline(always)]
    fn pop<P: Path, T: Int>(cpu: &mut Cpu) -> Result<T, Stop> {
        cpu.pop::<P, T>()
    }

    #[inline(always)]
    fn release(cpu: &mut Cpu, bytes: u64) {
        let (mask, rsp) = (cpu.mode.stack.mask(), cpu.gpr[RSP]);
        cpu.gpr[RSP] = (rsp & !mask) | (rsp.wrapping_add(bytes) & mask);
    }
}

struct Push<T, S, K>(PhantomData<(T, S, K)>);

impl<T: Int, S: Source, K: Stack> Exec for Push<T, S, K> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, T>(cpu, op)?;
        K::push::<P, T>(cpu, value)?;
        stored::<P>(cpu, op)
    }
}

struct Pop<T, K>(PhantomData<(T, K)>);

impl<T: Int, K: Stack> Exec for Pop<T, K> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = K::pop::<P, T>(cpu)?;
        T::put(cpu, op.r[0], value);
        Ok(Flow::Next)
    }
}

/// POP to memory: an address by RSP is computed after the pop.
fn pop_memory<T: Int>(cpu: &mut Cpu, op: &Operation) -> Done {
    let rsp = cpu.gpr[RSP];
    let value = cpu.pop::<Slow, T>()?;
    let offset = cpu.ea(op);
    if let Err(stop) = cpu.store::<Slow, T>(cpu.seg_of(op), offset, value) {
        cpu.gpr[RSP] = rsp;
        return Err(stop);
    }
    Ok(Flow::Next)
}

/// PUSH of a segment register: as a doubleword only the selector's word is written (as recent Intel CPUs do).
fn push_segment(cpu: &mut Cpu, op: &Operation) -> Done {
    let selector = cpu.seg[usize::from(op.r[1] % 6)].selector;
    match op.r[0] {
        2 => cpu.push::<Slow, u16>(selector)?,
        8 => cpu.push::<Slow, u64>(selector.into())?,
        _ => {
            let mask = cpu.mode.stack.mask();
            let rsp = cpu.gpr[RSP];
            let new = rsp.wrapping_sub(4) & mask;
            cpu.store::<Slow, u16>(Seg::Ss, new, selector)?;
            cpu.gpr[RSP] = (rsp & !mask) | new;
        }
    }
    Ok(Flow::Next)
}

fn push_all<T: Int>(cpu: &mut Cpu, _: &Operation) -> Done {
    let rsp = cpu.gpr[RSP];
    for number in 0..8 {
        let value = if usize::from(number) == RSP {
            T::narrow(rsp)
        } else {
            T::get(cpu, number)
        };
        if let Err(stop) = cpu.push::<Slow, T>(value) {
            cpu.gpr[RSP] = rsp;
            return Err(stop);
        }
    }
    Ok(Flow::Next)
}

fn pop_all<T: Int>(cpu: &mut Cpu, _: &Operation) -> Done {
    let before: [u64; 8] = core::array::from_fn(|number| cpu.gpr[number]);
    for number in (0..8_u8).rev() {
        match cpu.pop::<Slow, T>() {
            Ok(_) if usize::from(number) == RSP => {}
            Ok(value) => T::put(cpu, number, value),
            Err(stop) => {
                cpu.gpr[..8].copy_from_slice(&before);
                return Err(stop);
            }
        }
    }
    Ok(Flow::Next)
}

/// Whether the CPU is in virtual-8086 mode with IOPL below 3: then VME decides, else #GP.
fn is_sensitive(cpu: &Cpu) -> bool {
    cpu.mode.v8086 && cpu.lazy.system & Rflags::IOPL != Rflags::IOPL
}

fn push_flags<T: Int>(cpu: &mut Cpu, _: &Operation) -> Done {
    let mut flags = cpu.flags() & !(Rflags::VM | Rflags::RF);
    if is_sensitive(cpu) {
        if T::BITS != 16 || cpu.cr4 & Cr::CR4_VME == 0 {
            return Err(cpu.gp(0));
        }
        let vif = flags & Rflags::VIF != 0;
        flags = (flags & !Rflags::IF) | Rflags::IOPL | if vif { Rflags::IF } else { 0 };
    }
    cpu.push::<Slow, T>(T::narrow(flags))?;
    Ok(Flow::Next)
}

fn pop_flags<T: Int>(cpu: &mut Cpu, _: &Operation) -> Done {
    let old = cpu.flags();
    let vme = is_sensitive(cpu);
    if vme && (T::BITS != 16 || cpu.cr4 & Cr::CR4_VME == 0) {
        return Err(cpu.gp(0));
    }
    let rsp = cpu.gpr[RSP];
    let new = cpu.pop::<Slow, T>()?.wide();
    let iopl = (old & Rflags::IOPL) >> 12;
    let mut keep = Rflags::VM | Rflags::RF | Rflags::VIF | Rflags::VIP;
    if T::BITS == 16 {
        keep |= !0xffff;
    }
    if cpu.cpl() != 0 {
        keep |= Rflags::IOPL;
    }
    if u64::from(cpu.cpl()) > iopl && !vme {
        keep |= Rflags::IF;
    }
    let mut value = (new & !keep) | (old & keep);
    if vme {
        let bad = new & Rflags::TF != 0 || new & Rflags::IF != 0 && old & Rflags::VIP != 0;
        if bad {
            cpu.gpr[RSP] = rsp;
            return Err(cpu.gp(0));
        }
        let vif = if new & Rflags::IF != 0 {
            Rflags::VIF
        } else {
            0
        };
        value = (value & !(Rflags::IF | Rflags::VIF | Rflags::IOPL))
            | (old & (Rflags::IF | Rflags::IOPL))
            | vif;
    } else if T::BITS != 16 {
        value &= !Rflags::RF;
    }
    cpu.set_flags(value);
    Ok(Flow::Next)
}

fn enter<T: Int>(cpu: &mut Cpu, op: &Operation) -> Done {
    let (size, level) = (op.imm & 0xffff, op.imm >> 16 & 31);
    let (rsp, rbp) = (cpu.gpr[RSP], cpu.gpr[RBP]);
    let done = enter_in::<T>(cpu, size, level);
    if done.is_err() {
        (cpu.gpr[RSP], cpu.gpr[RBP]) = (rsp, rbp);
    }
    done
}

fn enter_in<T: Int>(cpu: &mut Cpu, size: u64, level: u64) -> Done {
    let mask = cpu.mode.stack.mask();
    let mut rbp = cpu.gpr[RBP];
    cpu.push::<Slow, T>(T::narrow(rbp))?;
    let frame = cpu.gpr[RSP];
    for _ in 1..level {
        rbp = (rbp & !mask) | (rbp.wrapping_sub(T::SIZE) & mask);
        let value = cpu.load::<Slow, T>(Seg::Ss, rbp & mask)?;
        cpu.push::<Slow, T>(value)?;
    }
    if level > 0 {
        cpu.push::<Slow, T>(T::narrow(frame))?;
    }
    let rsp = cpu.gpr[RSP];
    let new = rsp.wrapping_sub(size) & mask;
    // The new top of the stack has to be writable: it is touched.
    cpu.update::<Slow, T>(Seg::Ss, new, false, |old| old)?;
    cpu.gpr[RSP] = (rsp & !mask) | new;
    T::put(cpu, 5, T::narrow(frame));
    Ok(Flow::Next)
}

struct Leave<T, K>(PhantomData<(T, K)>);

impl<T: Int, K: Stack> Exec for Leave<T, K> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, _: &Operation) -> Done {
        let mask = cpu.mode.stack.mask();
        let rsp = cpu.gpr[RSP];
        cpu.gpr[RSP] = (rsp & !mask) | (cpu.gpr[RBP] & mask);
        match K::pop::<P, T>(cpu) {
            Ok(value) => T::put(cpu, 5, value),
            Err(stop) => {
                cpu.gpr[RSP] = rsp;
                return Err(stop);
            }
        }
        Ok(Flow::Next)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    let bytes = i.stack_pointer_increment().unsigned_abs();
    match i.mnemonic() {
        Mnemonic::Push => push(i, a, bytes),
        Mnemonic::Pop => return pop(i, a, bytes),
        Mnemonic::Pusha => {
            a.complex(i, push_all::<u16>);
        }
        Mnemonic::Pushad => {
            a.complex(i, push_all::<u32>);
        }
        Mnemonic::Popa => {
            a.complex(i, pop_all::<u16>);
        }
        Mnemonic::Popad => {
            a.complex(i, pop_all::<u32>);
        }
        Mnemonic::Pushf => {
            a.complex(i, push_flags::<u16>);
        }
        Mnemonic::Pushfd => {
            a.complex(i, push_flags::<u32>);
        }
        Mnemonic::Pushfq => {
            a.complex(i, push_flags::<u64>);
        }
        Mnemonic::Popf => {
            a.complex_end(i, pop_flags::<u16>);
        }
        Mnemonic::Popfd => {
            a.complex_end(i, pop_flags::<u32>);
        }
        Mnemonic::Popfq => {
            a.complex_end(i, pop_flags::<u64>);
        }
        Mnemonic::Enter => {
            let op = match i.code() {
                iced_x86::Code::Enterw_imm16_imm8 => a.complex(i, enter::<u16>),
                iced_x86::Code::Enterd_imm16_imm8 => a.complex(i, enter::<u32>),
                _ => a.complex(i, enter::<u64>),
            };
            op.imm = i.immediate(0) & 0xffff | (i.immediate(1) & 0xff) << 16;
        }
        Mnemonic::Leave => leave(i, a),
        _ => return false,
    }
    true
}

fn leave(i: &Instruction, a: &mut Assembler) {
    let flat = a.mode().code == Size::Bits64;
    match i.code() {
        iced_x86::Code::Leavew => a.emit::<Leave<u16, Any>>(i),
        iced_x86::Code::Leaved => a.emit::<Leave<u32, Any>>(i),
        _ if flat => a.emit::<Leave<u64, Flat>>(i),
        _ => a.emit::<Leave<u64, Any>>(i),
    };
}

fn push(i: &Instruction, a: &mut Assembler, bytes: u32) {
    let flat = a.mode().code == Size::Bits64;
    if i.op0_kind() == OpKind::Register && i.op0_register().is_segment_register() {
        let op = a.complex(i, push_segment);
        op.r[0] = bytes as u8;
        op.r[1] = segment_number(i.op0_register());
        return;
    }
    let op = match i.op0_kind() {
        OpKind::Register if flat && bytes == 8 => {
            if super::stack_runs::push(i, a) {
                return;
            }
            a.emit::<Push<u64, Reg0, Flat>>(i)
        }
        OpKind::Register => wide!(bytes, T => a.emit::<Push<T, Reg0, Any>>(i)),
        OpKind::Memory => wide!(bytes, T => a.emit::<Push<T, Mem<Segmented>, Any>>(i)),
        _ if flat && bytes == 8 => a.emit::<Push<u64, Imm, Flat>>(i),
        _ => wide!(bytes, T => a.emit::<Push<T, Imm, Any>>(i)),
    };
    match i.op0_kind() {
        OpKind::Register => op.r[0] = gpr_number(i.op0_register()),
        OpKind::Memory => {}
        _ => op.imm = i.immediate(0),
    }
}

fn pop(i: &Instruction, a: &mut Assembler, bytes: u32) -> bool {
    let flat = a.mode().code == Size::Bits64;
    if i.op0_kind() == OpKind::Memory {
        wide!(bytes, T => a.complex(i, pop_memory::<T>));
        return true;
    }
    if !i.op0_register().is_gpr() {
        return false; // segment registers: another family
    }
    let op = if flat && bytes == 8 {
        if super::stack_runs::pop(i, a) {
            return true;
        }
        a.emit::<Pop<u64, Flat>>(i)
    } else {
        wide!(bytes, T => a.emit::<Pop<T, Any>>(i))
    };
    op.r[0] = gpr_number(i.op0_register());
    true
}
