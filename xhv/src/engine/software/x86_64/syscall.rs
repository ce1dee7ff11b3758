//! SYSCALL, SYSRET, SYSENTER, SYSEXIT (Intel SDM vol. 3, 5.8.7 and 5.8.8), and SWAPGS.

use iced_x86::{Code, Instruction, Mnemonic};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, Cr, RSP, Seg, Segment};
use super::debug::SINGLE_STEP;
use super::decode::Assembler;
use super::flags::Rflags;
use super::mode::Size;
use crate::engine::software::dispatch::Flow;

const RCX: usize = 1;
const RDX: usize = 2;
const R11: usize = 11;
/// Flat code: 32-bit, 64-bit; flat data. All of privilege level 0.
const CODE32: u32 = 0xc09b;
const CODE64: u32 = 0xa09b;
const DATA: u32 = 0xc093;

/// Emits operations for the fast system calls.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Syscall => {
            a.complex_end(i, syscall);
        }
        Mnemonic::Sysret | Mnemonic::Sysretq => {
            a.complex_end(i, sysret).imm = (i.code() == Code::Sysretq).into();
        }
        Mnemonic::Sysenter => {
            a.complex_end(i, |cpu, _| sysenter(cpu));
        }
        Mnemonic::Sysexit | Mnemonic::Sysexitq => {
            a.complex_end(i, sysexit).imm = (i.code() == Code::Sysexitq).into();
        }
        Mnemonic::Swapgs => {
            a.complex_end(i, |cpu, _| swapgs(cpu));
        }
        _ => return false,
    }
    true
}

fn flat(selector: u16, rights: u32, cpl: u8) -> Segment {
    Segment {
        selector,
        rights: rights | u32::from(cpl) << 5,
        limit: 0xffff_ffff,
        base: 0,
    }
}

impl Cpu {
    fn set_code_and_stack(&mut self, code: Segment, stack: Segment) {
        self.seg[Seg::Cs as usize] = code;
        self.seg[Seg::Ss as usize] = stack;
        self.update_mode();
    }
}

fn syscall(cpu: &mut Cpu, op: &Operation) -> Done {
    if cpu.mode.code != Size::Bits64 || cpu.efer & Cr::EFER_SCE == 0 {
        return Err(cpu.ud());
    }
    cpu.gpr[RCX] = cpu.rip.wrapping_add(u64::from(op.len));
    cpu.gpr[R11] = cpu.flags();
    cpu.rip = cpu.msr.lstar;
    let flags = cpu.flags() & !cpu.msr.fmask & !Rflags::RF;
    // Unlike after other instructions the new TF counts: by FMASK a kernel keeps steps out of its entry.
    cpu.unstepped = flags & Rflags::TF == 0;
    let selector = (cpu.msr.star >> 32) as u16 & !3;
    cpu.set_code_and_stack(
        flat(selector, CODE64, 0),
        flat(selector.wrapping_add(8), DATA, 0),
    );
    cpu.set_flags(flags);
    Ok(Flow::End)
}

fn sysret(cpu: &mut Cpu, op: &Operation) -> Done {
    if cpu.mode.code != Size::Bits64 || cpu.efer & Cr::EFER_SCE == 0 {
        return Err(cpu.ud());
    }
    let (long, target) = (op.imm != 0, cpu.gpr[RCX]);
    if cpu.cpl() != 0 || long && !cpu.is_canonical(target) {
        return Err(cpu.gp(0));
    }
    let base = (cpu.msr.star >> 48) as u16;
    let code = match long {
        true => flat(base.wrapping_add(16) | 3, CODE64, 3),
        false => flat(base | 3, CODE32, 3),
    };
    cpu.rip = if long { target } else { target & 0xffff_ffff };
    let flags = cpu.gpr[R11] & 0x3c_7fd7 | Rflags::ONE;
    cpu.set_code_and_stack(code, flat(base.wrapping_add(8) | 3, DATA, 3));
    cpu.set_flags(flags);
    if flags & Rflags::TF != 0 {
        // The step of the SYSCALL is told here.
        cpu.pending_debug |= SINGLE_STEP;
        cpu.attend();
    }
    Ok(Flow::End)
}

fn sysenter(cpu: &mut Cpu) -> Done {
    let selector = cpu.msr.sysenter_cs as u16 & !3;
    if cpu.cr0 & Cr::CR0_PE == 0 || selector == 0 {
        return Err(cpu.gp(0));
    }
    let long = cpu.mode.long;
    let mask = if long { !0 } else { 0xffff_ffff };
    cpu.rip = cpu.msr.sysenter_eip & mask;
    cpu.gpr[RSP] = cpu.msr.sysenter_esp & mask;
    let flags = cpu.flags() & !(Rflags::VM | Rflags::IF | Rflags::RF);
    let rights = if long { CODE64 } else { CODE32 };
    cpu.set_flags(flags);
    cpu.set_code_and_stack(
        flat(selector, rights, 0),
        flat(selector.wrapping_add(8), DATA, 0),
    );
    Ok(Flow::End)
}

fn sysexit(cpu: &mut Cpu, op: &Operation) -> Done {
    let (long, selector) = (op.imm != 0, cpu.msr.sysenter_cs as u16 & !3);
    let (rip, rsp) = (cpu.gpr[RDX], cpu.gpr[RCX]);
    if cpu.cr0 & Cr::CR0_PE == 0 || selector == 0 || cpu.cpl() != 0 || cpu.mode.v8086 {
        return Err(cpu.gp(0));
    }
    if long && !(cpu.is_canonical(rip) && cpu.is_canonical(rsp)) {
        return Err(cpu.gp(0));
    }
    let (code, stack, mask) = match long {
        true => (flat(selector.wrapping_add(32) | 3, CODE64, 3), 40, !0),
        false => (
            flat(selector.wrapping_add(16) | 3, CODE32, 3),
            24,
            0xffff_ffff,
        ),
    };
    cpu.rip = rip & mask;
    cpu.gpr[RSP] = rsp & mask;
    cpu.set_code_and_stack(code, flat(selector.wrapping_add(stack) | 3, DATA, 3));
    Ok(Flow::End)
}

fn swapgs(cpu: &mut Cpu) -> Done {
    if cpu.mode.code != Size::Bits64 {
        return Err(cpu.ud());
    }
    if cpu.cpl() != 0 {
        return Err(cpu.gp(0));
    }
    let base = &mut cpu.seg[Seg::Gs as usize].base;
    core::mem::swap(base, &mut cpu.msr.kernel_gs_base);
    cpu.update_mode();
    Ok(Flow::Next)
}
