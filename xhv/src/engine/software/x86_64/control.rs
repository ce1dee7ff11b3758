//! MOV to and from control and debug registers, CLTS, LMSW, SMSW (Intel SDM vol. 3, 2.5, 18.2, and 27.3 for VMX).

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, Cr, Exception, Seg};
use super::decode::{Assembler, gpr_number, operand_size};
use super::descriptor::system;
use super::mmu::MAXPHYADDR;
use super::mode::{Paging, Size};
use super::operand::{MEMORY, exit_of, load_word, register_or_memory, store_word};
use super::vmx::capabilities::LIMITS;
use crate::engine::software::dispatch::{Flow, Stop};
use crate::x86_64::entry::field::primary;

const REASON_CR: u16 = 28;
const REASON_DR: u16 = 29;
const CR0_MP_EM_TS: u64 = 14;
const CR0_KNOWN: u64 = 0xe005_003f;
const CR0_ET: u64 = 1 << 4;
const CR0_CD: u64 = 1 << 30;
const CR0_NW: u64 = 1 << 29;
/// Kinds of access in the exit qualification.
const CLTS: u64 = 2 << 4;
const LMSW: u64 = 3 << 4;
const MOV_FROM: u64 = 1 << 4;

/// Emits operations for this family.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Mov if i.op0_kind() == OpKind::Register => {
            let (to, from) = (i.op0_register(), i.op1_register());
            if to.is_cr() {
                mov(i, a, write_cr, from, to.number());
            } else if to.is_dr() {
                mov(i, a, write_dr, from, to.number());
            } else if i.op1_kind() == OpKind::Register && from.is_cr() {
                mov(i, a, read_cr, to, from.number());
            } else if i.op1_kind() == OpKind::Register && from.is_dr() {
                mov(i, a, read_dr, to, from.number());
            } else {
                return false;
            }
        }
        Mnemonic::Clts => {
            a.complex_end(i, clts);
        }
        Mnemonic::Lmsw => a.complex_end(i, lmsw).r[0] = register_or_memory(i, 0),
        Mnemonic::Smsw => {
            let op = a.complex(i, smsw);
            op.r[0] = register_or_memory(i, 0);
            op.imm = operand_size(i, 0) as u64;
        }
        _ => return false,
    }
    true
}

fn mov<F>(i: &Instruction, a: &mut Assembler, function: F, gpr: Register, number: usize)
where
    F: Fn(&mut Cpu, &Operation) -> Done + Copy + 'static,
{
    let op = a.complex_end(i, function);
    op.r[0] = gpr_number(gpr);
    op.r[1] = number as u8;
}

/// The value of the general register, in the width of the mode.
fn source(cpu: &Cpu, op: &Operation) -> u64 {
    let value = cpu.gpr[usize::from(op.r[0] & 15)];
    match cpu.mode.code {
        Size::Bits64 => value,
        _ => value & 0xffff_ffff,
    }
}

fn set_destination(cpu: &mut Cpu, op: &Operation, value: u64) {
    let bytes = if cpu.mode.code == Size::Bits64 { 8 } else { 4 };
    cpu.write_gpr(op.r[0], bytes, value);
}

fn cr_exit(cpu: &mut Cpu, op: &Operation, access: u64) -> Stop {
    let qualification = u64::from(op.r[1]) | access | u64::from(op.r[0] & 15) << 8;
    cpu.exit(exit_of(op, REASON_CR, qualification))
}

fn read_cr(cpu: &mut Cpu, op: &Operation) -> Done {
    if !matches!(op.r[1], 0 | 2 | 3 | 4 | 8) {
        return Err(cpu.ud());
    }
    cpu.need_cpl0()?;
    let exits = match op.r[1] {
        3 => cpu.vmx.on(primary::CR3_STORE),
        8 => cpu.vmx.on(primary::CR8_STORE),
        _ => false,
    };
    if exits {
        return Err(cr_exit(cpu, op, MOV_FROM));
    }
    let value = match op.r[1] {
        0 => cpu.vmx.seen_cr0(cpu.cr0),
        2 => cpu.cr2,
        3 => cpu.cr3,
        4 => cpu.vmx.seen_cr4(cpu.cr4),
        _ => u64::from(cpu.tpr() >> 4),
    };
    set_destination(cpu, op, value);
    Ok(Flow::Next)
}

fn write_cr(cpu: &mut Cpu, op: &Operation) -> Done {
    if !matches!(op.r[1], 0 | 2 | 3 | 4 | 8) {
        return Err(cpu.ud());
    }
    cpu.need_cpl0()?;
    let value = source(cpu, op);
    let exits = match op.r[1] {
        0 => (value ^ cpu.vmx.cr0_shadow) & cpu.vmx.cr0_mask != 0,
        3 => cpu.vmx.cr3_load_exits(value),
        4 => (value ^ cpu.vmx.cr4_shadow) & cpu.vmx.cr4_mask != 0,
        8 => cpu.vmx.on(primary::CR8_LOAD),
        _ => false,
    };
    if exits {
        return Err(cr_exit(cpu, op, 0));
    }
    match op.r[1] {
        0 => {
            let mask = cpu.vmx.cr0_mask;
            cpu.set_cr0(cpu.cr0 & mask | value & !mask)?;
        }
        2 => cpu.cr2 = value,
        3 => cpu.set_cr3(value)?,
        4 => {
            let mask = cpu.vmx.cr4_mask;
            cpu.set_cr4(cpu.cr4 & mask | value & !mask)?;
        }
        _ => cpu.set_cr8(value)?,
    }
    Ok(Flow::Next)
}

impl Cpu {
    /// CR0 as an instruction writes it, controls considered already.
    fn set_cr0(&mut self, value: u64) -> Result<(), Stop> {
        let value = value | CR0_ET;
        let paging = value & Cr::CR0_PG != 0;
        let turned_on = paging && self.cr0 & Cr::CR0_PG == 0;
        let turned_off = !paging && self.cr0 & Cr::CR0_PG != 0;
        let code64 = self.mode.code == Size::Bits64;
        let fixed = value & Cr::CR0_NE == 0 && self.cr0 & Cr::CR0_NE != 0;
        let bad = value >> 32 != 0
            || paging && value & Cr::CR0_PE == 0
            || value & CR0_NW != 0 && value & CR0_CD == 0
            || fixed
            || turned_off && (code64 || self.cr4 & Cr::CR4_PCIDE != 0);
        if bad {
            return Err(self.gp(0));
        }
        let long = self.efer & Cr::EFER_LME != 0;
        if turned_on && long {
            let cs_long = self.seg[Seg::Cs as usize].rights >> 13 & 1 != 0;
            let narrow = self.tr.kind() == system::TSS16_BUSY;
            if self.cr4 & Cr::CR4_PAE == 0 || cs_long || narrow {
                return Err(self.gp(0));
            }
        }
        let pae = paging && self.cr4 & Cr::CR4_PAE != 0 && !long;
        if pae && (value ^ self.cr0) & (Cr::CR0_PG | CR0_CD | CR0_NW) != 0 {
            self.load_pdptes(self.cr3)?;
        }
        if turned_on && long {
            self.efer |= Cr::EFER_LMA;
        } else if turned_off {
            self.efer &= !Cr::EFER_LMA;
        }
        self.cr0 = value & CR0_KNOWN;
        self.update_mode();
        Ok(())
    }

    fn set_cr3(&mut self, value: u64) -> Result<(), Stop> {
        let keep = self.cr4 & Cr::CR4_PCIDE != 0 && value >> 63 != 0;
        let value = if self.cr4 & Cr::CR4_PCIDE != 0 {
            value & !(1 << 63)
        } else {
            value
        };
        if self.mode.long && value >> MAXPHYADDR != 0 {
            return Err(self.gp(0));
        }
        if self.mode.paging == Paging::Pae {
            self.load_pdptes(value)?;
        }
        let same = self.cr3 == value;
        self.cr3 = value;
        // The TLB does not tell address spaces apart: only a reload that keeps everything may keep it.
        if !(keep && same) {
            self.flush_tlb();
        }
        Ok(())
    }

    fn set_cr4(&mut self, value: u64) -> Result<(), Stop> {
        let changed = value ^ self.cr4;
        let required = self.cr4 & LIMITS.cr4_fixed0;
        let pcid_on = changed & value & Cr::CR4_PCIDE != 0;
        let bad = value & !LIMITS.cr4_fixed1 != 0
            || value & required != required
            || self.mode.long && (value & Cr::CR4_PAE == 0 || changed & Cr::CR4_LA57 != 0)
            || pcid_on && (!self.mode.long || self.cr3 & 0xfff != 0);
        if bad {
            return Err(self.gp(0));
        }
        let pae = self.cr0 & Cr::CR0_PG != 0 && value & Cr::CR4_PAE != 0 && !self.mode.long;
        let reloads = Cr::CR4_PAE | Cr::CR4_PGE | Cr::CR4_PSE | Cr::CR4_SMEP;
        if pae && changed & reloads != 0 {
            self.load_pdptes(self.cr3)?;
        }
        self.cr4 = value;
        self.update_mode();
        if changed & Cr::CR4_PCIDE != 0 {
            self.flush_tlb();
        }
        Ok(())
    }

    /// The four entries that PAE paging keeps in registers (SDM vol. 3, 5.4.1).
    fn load_pdptes(&mut self, cr3: u64) -> Result<(), Stop> {
        let mut entries = [0_u64; 4];
        for (n, entry) in entries.iter_mut().enumerate() {
            let at = (cr3 & 0xffff_ffe0) + 8 * n as u64;
            *entry = match self.view.load_physical(at) {
                Ok(entry) => entry,
                Err(fault) => return Err(self.ept_violation(fault, super::mmu::Ept::pdpte())),
            };
            let reserved = *entry & 0x1e6 != 0 || *entry >> MAXPHYADDR != 0;
            if *entry & 1 != 0 && reserved {
                return Err(self.gp(0));
            }
        }
        self.pdpte = entries;
        Ok(())
    }

    /// The task-priority register, all 8 bits.
    pub(crate) fn tpr(&self) -> u8 {
        match &self.vmx.apic {
            Some(apic) => apic.tpr(),
            None => (self.cr8 as u8 & 15) << 4 | self.vmx.tpr_low & 15,
        }
    }

    /// Replaces the task-priority register.
    pub(crate) fn set_tpr(&mut self, tpr: u8) {
        if let Some(apic) = &self.vmx.apic {
            apic.set_tpr(tpr);
            self.check = true;
        }
        self.cr8 = u64::from(tpr >> 4);
        self.vmx.tpr_low = tpr & 15;
    }

    fn set_cr8(&mut self, value: u64) -> Result<(), Stop> {
        if value > 15 {
            return Err(self.gp(0));
        }
        self.set_tpr((value as u8) << 4);
        if self.vmx.on(primary::TPR_SHADOW) && value < u64::from(self.vmx.tpr_threshold & 15) {
            self.vmx.flight.tpr_below = true;
            self.check = true;
        }
        Ok(())
    }
}

fn clts(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    if cpu.vmx.cr0_mask & Cr::CR0_TS != 0 {
        if cpu.vmx.cr0_shadow & Cr::CR0_TS != 0 {
            return Err(cpu.exit(exit_of(op, REASON_CR, CLTS)));
        }
        return Ok(Flow::Next);
    }
    cpu.cr0 &= !Cr::CR0_TS;
    cpu.update_mode();
    Ok(Flow::Next)
}

fn lmsw(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    let value = u64::from(load_word(cpu, op)?);
    let (mask, shadow) = (cpu.vmx.cr0_mask, cpu.vmx.cr0_shadow);
    let sets_pe = mask & value & !shadow & Cr::CR0_PE != 0;
    if sets_pe || (value ^ shadow) & mask & CR0_MP_EM_TS != 0 {
        let memory = op.r[0] == MEMORY;
        let mut exit = exit_of(op, REASON_CR, LMSW | u64::from(memory) << 6 | value << 16);
        if memory {
            let offset = cpu.ea(op);
            exit.linear = cpu.linear_of(op.x[0], offset);
        }
        return Err(cpu.exit(exit));
    }
    let change = CR0_MP_EM_TS & !mask;
    let pe = value & Cr::CR0_PE & !mask;
    cpu.set_cr0(cpu.cr0 & !change | value & change | pe)?;
    Ok(Flow::Next)
}

fn smsw(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.check_umip()?;
    let value = cpu.vmx.seen_cr0(cpu.cr0);
    store_word(cpu, op, op.imm as usize, value)?;
    Ok(Flow::Next)
}

impl Cpu {
    /// #GP(0) for a look at system registers that CR4.UMIP forbids.
    pub(crate) fn check_umip(&mut self) -> Result<(), Stop> {
        match self.cr4 & Cr::CR4_UMIP != 0 && self.cpl() != 0 {
            true => Err(self.gp(0)),
            false => Ok(()),
        }
    }
}

/// What MOV DR checks in either direction; answers the register's number, DR4 and DR5 resolved.
fn debug_register(cpu: &mut Cpu, op: &Operation, read: bool) -> Result<usize, Stop> {
    let number = usize::from(op.r[1] & 15);
    let alias = matches!(number, 4 | 5);
    if number > 7 || alias && cpu.cr4 & Cr::CR4_DE != 0 {
        return Err(cpu.ud());
    }
    cpu.need_cpl0()?;
    if cpu.vmx.on(primary::MOV_DR) {
        let qualification = number as u64 | u64::from(read) << 4 | u64::from(op.r[0] & 15) << 8;
        return Err(cpu.exit(exit_of(op, REASON_DR, qualification)));
    }
    if cpu.dr[7] >> 13 & 1 != 0 {
        return Err(cpu.raise(Exception {
            vector: 1,
            cr2_or_dr6: 1 << 13,
            ..Exception::default()
        }));
    }
    Ok(if alias { number + 2 } else { number })
}

fn read_dr(cpu: &mut Cpu, op: &Operation) -> Done {
    let number = debug_register(cpu, op, true)?;
    let value = cpu.dr[number];
    set_destination(cpu, op, value);
    Ok(Flow::Next)
}

fn write_dr(cpu: &mut Cpu, op: &Operation) -> Done {
    let number = debug_register(cpu, op, false)?;
    let value = source(cpu, op);
    if number >= 6 && value >> 32 != 0 {
        return Err(cpu.gp(0));
    }
    cpu.dr[number] = match number {
        // Neither has bits for transactional regions or bus locks, which the CPU does not have.
        6 => value & 0xe00f | 0xffff_0ff0,
        7 => value & 0xffff_27ff | 0x400,
        _ => value,
    };
    cpu.update_mode();
    cpu.flush_tlb();
    Ok(Flow::Next)
}
