//! VMX instructions in a guest: they exit, but VMREAD and VMWRITE of fields in the shadow VMCS.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::{Assembler, gpr_number};
use super::super::flags::Rflags;
use super::super::mode::Size;
use super::super::operand::{MEMORY, exit_of, exit_with_operand, register_or_memory};
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::x86_64::entry::field::secondary;

const VMREAD: u16 = 23;
const VMWRITE: u16 = 25;

/// Emits operations for VMX instructions.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Vmcall => {
            a.complex_end(i, |cpu, op| Err(cpu.exit(exit_of(op, 18, 0))));
        }
        Mnemonic::Vmlaunch => plain(i, a, 20),
        Mnemonic::Vmresume => plain(i, a, 24),
        Mnemonic::Vmxoff => plain(i, a, 26),
        Mnemonic::Vmclear => memory(i, a, 19),
        Mnemonic::Vmptrld => memory(i, a, 21),
        Mnemonic::Vmptrst => memory(i, a, 22),
        Mnemonic::Vmxon => memory(i, a, 27),
        Mnemonic::Invept => invalidate(i, a, 50),
        Mnemonic::Invvpid => invalidate(i, a, 53),
        Mnemonic::Vmread => field_access(i, a, true),
        Mnemonic::Vmwrite => field_access(i, a, false),
        _ => return false,
    }
    true
}

/// #UD where VMX instructions are not recognized.
fn recognized(cpu: &mut Cpu) -> Result<(), Stop> {
    let compatibility = cpu.mode.long && cpu.mode.code != Size::Bits64;
    match !cpu.mode.protected || compatibility {
        true => Err(cpu.ud()),
        false => Ok(()),
    }
}

fn plain(i: &Instruction, a: &mut Assembler, reason: u64) {
    a.complex_end(i, |cpu, op| {
        recognized(cpu)?;
        Err(cpu.exit(exit_of(op, op.imm as u16, 0)))
    })
    .imm = reason;
}

fn memory(i: &Instruction, a: &mut Assembler, reason: u64) {
    let op = a.complex_end(i, |cpu, op| {
        recognized(cpu)?;
        Err(cpu.exit(exit_with_operand(cpu, op, op.imm as u16, 0)))
    });
    op.r[0] = MEMORY;
    op.imm = reason;
}

fn invalidate(i: &Instruction, a: &mut Assembler, reason: u64) {
    let op = a.complex_end(i, |cpu, op| {
        recognized(cpu)?;
        let extra = u32::from(op.r[1] & 15) << 28;
        Err(cpu.exit(exit_with_operand(cpu, op, op.imm as u16, extra)))
    });
    op.r[0] = MEMORY;
    op.r[1] = gpr_number(i.op0_register());
    op.imm = reason;
}

/// `r[0]`: the operand that is register or memory; `r[1]`: the register with the encoding; `imm`: VMREAD.
fn field_access(i: &Instruction, a: &mut Assembler, read: bool) {
    let (operand, encoding) = if read { (0, 1) } else { (1, 0) };
    debug_assert_eq!(i.op_kind(encoding), OpKind::Register);
    let op = a.complex_end(i, |cpu, op| {
        recognized(cpu)?;
        match access(cpu, op)? {
            Some(()) => Ok(Flow::Next),
            None => {
                let reason = if op.imm != 0 { VMREAD } else { VMWRITE };
                let extra = u32::from(op.r[1] & 15) << 28;
                Err(cpu.exit(exit_with_operand(cpu, op, reason, extra)))
            }
        }
    });
    op.r[0] = register_or_memory(i, operand);
    op.r[1] = gpr_number(i.op_register(encoding));
    op.imm = read.into();
}

/// The access to the shadow VMCS; `None` if it exits. Privilege counts for what does not exit only (SDM vol. 3, 32.3).
fn access(cpu: &mut Cpu, op: &Operation) -> Result<Option<()>, Stop> {
    if !cpu.vmx.on2(secondary::VMCS_SHADOWING) {
        return Ok(None);
    }
    let encoding = cpu.gpr[usize::from(op.r[1] & 15)] & cpu.mode.linear_mask;
    let wide = cpu.mode.code == Size::Bits64;
    let bytes = if wide { 8 } else { 4 };
    if op.imm != 0 {
        let Some(value) = cpu.vmx.shadow.guest_read(encoding) else {
            return Ok(None);
        };
        cpu.need_cpl0()?;
        if op.r[0] != MEMORY {
            cpu.write_gpr(op.r[0], bytes, value);
        } else {
            let (seg, offset) = (cpu.seg_of(op), cpu.ea(op));
            match wide {
                true => cpu.store::<Slow, u64>(seg, offset, value)?,
                false => cpu.store::<Slow, u32>(seg, offset, value as u32)?,
            }
        }
    } else {
        if !cpu.vmx.shadow.guest_may_write(encoding) {
            return Ok(None);
        }
        cpu.need_cpl0()?;
        let value = if op.r[0] != MEMORY {
            cpu.gpr[usize::from(op.r[0] & 15)]
        } else {
            let (seg, offset) = (cpu.seg_of(op), cpu.ea(op));
            match wide {
                true => cpu.load::<Slow, u64>(seg, offset)?,
                false => cpu.load::<Slow, u32>(seg, offset)?.into(),
            }
        };
        cpu.vmx.shadow.guest_write(encoding, value);
    }
    // VMsucceed.
    let flags = cpu.flags() & !Rflags::STATUS;
    cpu.lazy.set_status(flags);
    Ok(Some(()))
}
