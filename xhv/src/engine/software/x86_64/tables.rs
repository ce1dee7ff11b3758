//! LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR (Intel SDM vol. 3, 2.4), and their descriptor-table exits.

use iced_x86::{Instruction, Mnemonic};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, Segment, Table};
use super::decode::{Assembler, operand_size};
use super::descriptor::{index, is_null, system};
use super::mode::{MASKS, Size};
use super::operand::{MEMORY, exit_with_operand, load_word, register_or_memory, store_word};
use super::segment::null_segment;
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::x86_64::entry::field::secondary;

const REASON_GDTR_IDTR: u16 = 46;
const REASON_LDTR_TR: u16 = 47;

/// Emits operations for this family.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Sgdt => table(i, a, 0),
        Mnemonic::Sidt => table(i, a, 1),
        Mnemonic::Lgdt => table(i, a, 2),
        Mnemonic::Lidt => table(i, a, 3),
        Mnemonic::Sldt => selector(i, a, 0),
        Mnemonic::Str => selector(i, a, 1),
        Mnemonic::Lldt => selector(i, a, 2),
        Mnemonic::Ltr => selector(i, a, 3),
        _ => return false,
    }
    true
}

/// `r[1]`: which instruction, as bits 29:28 of the instruction information; `imm`: operand size in bytes.
fn table(i: &Instruction, a: &mut Assembler, which: u8) {
    use iced_x86::Code as C;
    let bytes = match i.code() {
        C::Lgdt_m1632_16 | C::Lidt_m1632_16 | C::Sgdt_m1632_16 | C::Sidt_m1632_16 => 2,
        C::Lgdt_m1632 | C::Lidt_m1632 | C::Sgdt_m1632 | C::Sidt_m1632 => 4,
        _ => 8,
    };
    let op = a.complex_end(i, |cpu, op| {
        let loads = op.r[1] >= 2;
        if loads {
            cpu.need_cpl0()?;
        } else {
            cpu.check_umip()?;
        }
        if cpu.vmx.on2(secondary::DESCRIPTOR_TABLE) {
            let size = u32::from(op.imm >= 4) << 11;
            let extra = u32::from(op.r[1]) << 28 | size;
            return Err(cpu.exit(exit_with_operand(cpu, op, REASON_GDTR_IDTR, extra)));
        }
        if loads {
            load_table(cpu, op)
        } else {
            store_table(cpu, op)
        }
    });
    op.r[0] = MEMORY;
    op.r[1] = which;
    op.imm = bytes;
}

fn behind_limit(op: &Operation, offset: u64) -> u64 {
    offset.wrapping_add(2) & MASKS[usize::from(op.x[1] & 3)]
}

fn load_table(cpu: &mut Cpu, op: &Operation) -> Done {
    let (offset, seg) = (cpu.ea(op), cpu.seg_of(op));
    let limit = cpu.load::<Slow, u16>(seg, offset)?;
    let at = behind_limit(op, offset);
    let base = match op.imm {
        2 => u64::from(cpu.load::<Slow, u32>(seg, at)? & 0xff_ffff),
        4 => cpu.load::<Slow, u32>(seg, at)?.into(),
        _ => cpu.load::<Slow, u64>(seg, at)?,
    };
    if cpu.mode.code == Size::Bits64 && !cpu.is_canonical(base) {
        return Err(cpu.gp(0));
    }
    let table = Table {
        base,
        limit: limit.into(),
    };
    if op.r[1] == 2 {
        cpu.gdtr = table;
    } else {
        cpu.idtr = table;
    }
    Ok(Flow::Next)
}

fn store_table(cpu: &mut Cpu, op: &Operation) -> Done {
    let table = if op.r[1] == 0 { cpu.gdtr } else { cpu.idtr };
    let (offset, seg) = (cpu.ea(op), cpu.seg_of(op));
    cpu.store::<Slow, u16>(seg, offset, table.limit as u16)?;
    let at = behind_limit(op, offset);
    match op.imm {
        8 => cpu.store::<Slow, u64>(seg, at, table.base)?,
        // With a 16-bit operand current CPUs store all four bytes, too.
        _ => cpu.store::<Slow, u32>(seg, at, table.base as u32)?,
    }
    Ok(Flow::Next)
}

fn selector(i: &Instruction, a: &mut Assembler, which: u8) {
    if !a.mode().protected {
        a.complex_end(i, |cpu, _| Err(cpu.ud()));
        return;
    }
    let op = a.complex_end(i, |cpu, op| {
        let loads = op.r[1] >= 2;
        if loads {
            cpu.need_cpl0()?;
        } else {
            cpu.check_umip()?;
        }
        if cpu.vmx.on2(secondary::DESCRIPTOR_TABLE) {
            let extra = u32::from(op.r[1]) << 28;
            return Err(cpu.exit(exit_with_operand(cpu, op, REASON_LDTR_TR, extra)));
        }
        match op.r[1] {
            2 => load_ldtr(cpu, op)?,
            3 => load_tr(cpu, op)?,
            which => {
                let register = if which == 0 { cpu.ldtr } else { cpu.tr };
                store_word(cpu, op, op.imm as usize, register.selector.into())?;
            }
        }
        Ok(Flow::Next)
    });
    op.r[0] = register_or_memory(i, 0);
    op.r[1] = which;
    op.imm = operand_size(i, 0) as u64;
}

/// The LDT or TSS that a selector names, from its 8-byte or 16-byte descriptor.
fn system_segment(cpu: &mut Cpu, selector: u16, kinds: &[u8]) -> Result<(Segment, u64), Stop> {
    let error = index(selector);
    let long = cpu.mode.long;
    if selector & 4 != 0 {
        return Err(cpu.gp(error));
    }
    let found = match long {
        true => cpu.long_descriptor(selector)?,
        false => cpu.descriptor(selector)?.map(|low| (low, 0)),
    };
    let Some((low, high)) = found else {
        return Err(cpu.gp(error));
    };
    let base = low.base() | high << 32;
    let bad_high = long && (high >> 40 & 0x1f != 0 || !cpu.is_canonical(base));
    if low.is_segment() || !kinds.contains(&low.kind()) || bad_high {
        return Err(cpu.gp(error));
    }
    if !low.present() {
        return Err(cpu.np(error));
    }
    let segment = Segment {
        base,
        ..low.segment(selector)
    };
    Ok((segment, low.0))
}

fn load_ldtr(cpu: &mut Cpu, op: &Operation) -> Result<(), Stop> {
    let selector = load_word(cpu, op)?;
    if is_null(selector) {
        cpu.ldtr = null_segment(selector, 0);
        return Ok(());
    }
    cpu.ldtr = system_segment(cpu, selector, &[system::LDT])?.0;
    Ok(())
}

fn load_tr(cpu: &mut Cpu, op: &Operation) -> Result<(), Stop> {
    let selector = load_word(cpu, op)?;
    if is_null(selector) {
        return Err(cpu.gp(0));
    }
    let kinds: &[u8] = match cpu.mode.long {
        true => &[system::TSS],
        false => &[system::TSS16, system::TSS],
    };
    let (mut segment, low) = system_segment(cpu, selector, kinds)?;
    cpu.mark_busy(selector, super::descriptor::Descriptor(low))?;
    segment.rights |= 2;
    cpu.tr = segment;
    Ok(())
}
