//! System instructions that are not about control registers, tables or ports: HLT, CPUID, MSRs, counters, caches, PAUSE.

use iced_x86::{Instruction, Mnemonic};

use super::Done;
use super::access::Operation;
use super::cpu::{Activity, Cpu, Cr, Seg};
use super::decode::{Assembler, gpr_number, operand_size};
use super::flags::Rflags;
use super::mode::Size;
use super::msr::number;
use super::operand::{displacement, exit_of, information};
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::x86_64::entry::field::{primary, secondary};

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;

/// Exit reasons (SDM vol. 3, appendix C).
mod reason {
    pub(super) const CPUID: u16 = 10;
    pub(super) const HLT: u16 = 12;
    pub(super) const INVD: u16 = 13;
    pub(super) const INVLPG: u16 = 14;
    pub(super) const RDPMC: u16 = 15;
    pub(super) const RDTSC: u16 = 16;
    pub(super) const RDMSR: u16 = 31;
    pub(super) const WRMSR: u16 = 32;
    pub(super) const MWAIT: u16 = 36;
    pub(super) const MONITOR: u16 = 39;
    pub(super) const PAUSE: u16 = 40;
    pub(super) const RDTSCP: u16 = 51;
    pub(super) const WBINVD: u16 = 54;
    pub(super) const XSETBV: u16 = 55;
    pub(super) const RDRAND: u16 = 57;
    pub(super) const INVPCID: u16 = 58;
    pub(super) const RDSEED: u16 = 61;
}

/// Emits operations for this family.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Hlt => {
            a.complex_end(i, hlt);
        }
        Mnemonic::Cpuid => {
            a.complex_end(i, |cpu, op| Err(cpu.exit(exit_of(op, reason::CPUID, 0))));
        }
        Mnemonic::Rdmsr => {
            a.complex_end(i, rdmsr);
        }
        Mnemonic::Wrmsr => {
            a.complex_end(i, wrmsr);
        }
        Mnemonic::Rdtsc => {
            a.complex_end(i, rdtsc);
        }
        Mnemonic::Rdtscp => {
            a.complex_end(i, rdtscp);
        }
        Mnemonic::Rdpid => a.complex(i, rdpid).r[0] = gpr_number(i.op0_register()),
        Mnemonic::Rdpmc => {
            a.complex_end(i, rdpmc);
        }
        Mnemonic::Invd => {
            a.complex_end(i, invd);
        }
        Mnemonic::Wbinvd | Mnemonic::Wbnoinvd => {
            a.complex_end(i, wbinvd);
        }
        Mnemonic::Invlpg => {
            a.complex_end(i, invlpg);
        }
        Mnemonic::Invpcid => a.complex_end(i, invpcid).r[0] = gpr_number(i.op0_register()),
        Mnemonic::Xsetbv => {
            a.complex_end(i, xsetbv);
        }
        Mnemonic::Pause => {
            a.complex_end(i, pause);
        }
        Mnemonic::Monitor => {
            a.complex_end(i, |cpu, op| {
                wait_hint(cpu, op, primary::MONITOR, reason::MONITOR)
            });
        }
        Mnemonic::Mwait => {
            a.complex_end(i, |cpu, op| {
                wait_hint(cpu, op, primary::MWAIT, reason::MWAIT)
            });
        }
        Mnemonic::Rdrand | Mnemonic::Rdseed => random(i, a),
        Mnemonic::Rdpkru => {
            a.complex_end(i, |cpu, _| protection_keys(cpu, false));
        }
        Mnemonic::Wrpkru => {
            a.complex_end(i, |cpu, _| protection_keys(cpu, true));
        }
        Mnemonic::Rdfsbase => base(i, a, Seg::Fs, false),
        Mnemonic::Rdgsbase => base(i, a, Seg::Gs, false),
        Mnemonic::Wrfsbase => base(i, a, Seg::Fs, true),
        Mnemonic::Wrgsbase => base(i, a, Seg::Gs, true),
        _ => return false,
    }
    true
}

impl Cpu {
    /// #GP(0) outside privilege level 0.
    pub(crate) fn need_cpl0(&mut self) -> Result<(), Stop> {
        match self.cpl() {
            0 => Ok(()),
            _ => Err(self.gp(0)),
        }
    }

    /// Exits for `op` if a primary control asks for it.
    fn exit_if(&mut self, op: &Operation, control: u32, reason: u16) -> Result<(), Stop> {
        match self.vmx.on(control) {
            true => Err(self.exit(exit_of(op, reason, 0))),
            false => Ok(()),
        }
    }

    /// EDX:EAX.
    fn set_edx_eax(&mut self, value: u64) {
        self.gpr[RAX] = value & 0xffff_ffff;
        self.gpr[RDX] = value >> 32;
    }

    /// The exit of RDRAND (`seed` false) or RDSEED, if the controls ask for it.
    /// `register` and `bytes` are those of the destination.
    fn random_exit(
        &mut self,
        op: &Operation,
        seed: bool,
        register: u8,
        bytes: usize,
    ) -> Result<(), Stop> {
        let (control, reason) = match seed {
            true => (secondary::RDSEED, reason::RDSEED),
            false => (secondary::RDRAND, reason::RDRAND),
        };
        if !self.vmx.on2(control) {
            return Ok(());
        }
        let size = bytes.trailing_zeros().saturating_sub(1) & 3;
        let mut exit = exit_of(op, reason, 0);
        exit.info = u32::from(register & 15) << 3 | size << 11;
        Err(self.exit(exit))
    }
}

fn hlt(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    // Where the APIC is inside, so is the waiting: `VMX_REASON_HLT` does not appear.
    if cpu.vmx.apic.is_none() {
        cpu.exit_if(op, primary::HLT, reason::HLT)?;
    }
    cpu.activity = Activity::Halt;
    cpu.attend();
    Ok(Flow::Next)
}

/// Whether an MSR access exits.
fn msr_exits(cpu: &Cpu, msr: u32, write: bool) -> bool {
    // The deadline of the APIC timer belongs to the APIC, where that is inside.
    if msr == number::TSC_DEADLINE && cpu.vmx.apic.is_some() {
        return false;
    }
    !cpu.vmx.on(primary::MSR_BITMAPS) || cpu.vmx.msr.exits(msr, write)
}

fn rdmsr(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    let msr = cpu.gpr[RCX] as u32;
    if msr_exits(cpu, msr, false) {
        return Err(cpu.exit(exit_of(op, reason::RDMSR, 0)));
    }
    let Some(value) = cpu.msr(msr) else {
        return Err(cpu.gp(0));
    };
    cpu.set_edx_eax(value);
    Ok(Flow::Next)
}

fn wrmsr(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    let msr = cpu.gpr[RCX] as u32;
    if msr_exits(cpu, msr, true) {
        return Err(cpu.exit(exit_of(op, reason::WRMSR, 0)));
    }
    let value = cpu.gpr[RDX] << 32 | cpu.gpr[RAX] & 0xffff_ffff;
    match cpu.set_msr(msr, value) {
        Some(()) => Ok(Flow::Next),
        None => Err(cpu.gp(0)),
    }
}

fn time_stamp_allowed(cpu: &mut Cpu) -> Result<(), Stop> {
    match cpu.cr4 & Cr::CR4_TSD != 0 && cpu.cpl() != 0 {
        true => Err(cpu.gp(0)),
        false => Ok(()),
    }
}

fn rdtsc(cpu: &mut Cpu, op: &Operation) -> Done {
    time_stamp_allowed(cpu)?;
    cpu.exit_if(op, primary::RDTSC, reason::RDTSC)?;
    let tsc = cpu.tsc();
    cpu.set_edx_eax(tsc);
    Ok(Flow::Next)
}

fn rdtscp(cpu: &mut Cpu, op: &Operation) -> Done {
    if !cpu.vmx.on2(secondary::RDTSCP) {
        return Err(cpu.ud());
    }
    time_stamp_allowed(cpu)?;
    cpu.exit_if(op, primary::RDTSC, reason::RDTSCP)?;
    let tsc = cpu.tsc();
    cpu.set_edx_eax(tsc);
    cpu.gpr[RCX] = cpu.msr.tsc_aux & 0xffff_ffff;
    Ok(Flow::Next)
}

fn rdpid(cpu: &mut Cpu, op: &Operation) -> Done {
    if !cpu.vmx.on2(secondary::RDTSCP) {
        return Err(cpu.ud());
    }
    cpu.gpr[usize::from(op.r[0] & 15)] = cpu.msr.tsc_aux & 0xffff_ffff;
    Ok(Flow::Next)
}

fn rdpmc(cpu: &mut Cpu, op: &Operation) -> Done {
    if cpu.cpl() != 0 && cpu.cr4 & Cr::CR4_PCE == 0 {
        return Err(cpu.gp(0));
    }
    if !cpu.vmx.accel_rdpmc {
        return Err(cpu.exit(exit_of(op, reason::RDPMC, 0)));
    }
    cpu.exit_if(op, primary::RDPMC, reason::RDPMC)?;
    // This CPU has no counters.
    Err(cpu.gp(0))
}

fn invd(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    Err(cpu.exit(exit_of(op, reason::INVD, 0)))
}

fn wbinvd(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    match cpu.vmx.on2(secondary::WBINVD) {
        true => Err(cpu.exit(exit_of(op, reason::WBINVD, 0))),
        false => Ok(Flow::Next),
    }
}

fn invlpg(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.need_cpl0()?;
    let offset = cpu.ea(op);
    let linear = cpu.linear_of(op.x[0], offset);
    if cpu.vmx.on(primary::INVLPG) {
        return Err(cpu.exit(exit_of(op, reason::INVLPG, linear)));
    }
    if cpu.mode.code != Size::Bits64 || cpu.is_canonical(linear) {
        cpu.invalidate_page(cpu.pcid(), linear);
    }
    Ok(Flow::Next)
}

/// INVPCID (SDM vol. 2): individual address, single context, all contexts with global translations, all contexts.
fn invpcid(cpu: &mut Cpu, op: &Operation) -> Done {
    if !cpu.vmx.on2(secondary::INVPCID) {
        return Err(cpu.ud());
    }
    cpu.need_cpl0()?;
    if cpu.vmx.on(primary::INVLPG) {
        let mut exit = exit_of(op, reason::INVPCID, displacement(cpu, op));
        exit.info = information(op) | u32::from(op.r[0] & 15) << 28;
        return Err(cpu.exit(exit));
    }
    let kind = cpu.gpr[usize::from(op.r[0] & 15)] & cpu.mode.linear_mask;
    let (offset, seg) = (cpu.ea(op), cpu.seg_of(op));
    let low = cpu.load::<Slow, u64>(seg, offset)?;
    let high = cpu.load::<Slow, u64>(seg, offset.wrapping_add(8))?;
    let tagged = low == 0 || cpu.cr4 & Cr::CR4_PCIDE != 0;
    let bad = low >> 12 != 0
        || match kind {
            0 => !tagged || !cpu.is_canonical(high),
            1 => !tagged,
            2 | 3 => false,
            _ => true,
        };
    if bad {
        return Err(cpu.gp(0));
    }
    let pcid = low as u16;
    match kind {
        0 => cpu.invalidate_page(pcid, high),
        1 => cpu.flush_local(Some(pcid)),
        2 => cpu.flush_tlb(),
        _ => cpu.flush_local(None),
    }
    Ok(Flow::Next)
}

fn xsetbv(cpu: &mut Cpu, op: &Operation) -> Done {
    if cpu.cr4 & Cr::CR4_OSXSAVE == 0 {
        return Err(cpu.ud());
    }
    cpu.need_cpl0()?;
    Err(cpu.exit(exit_of(op, reason::XSETBV, 0)))
}

fn pause(cpu: &mut Cpu, op: &Operation) -> Done {
    let (now, cpl) = match cpu.vmx.on2(secondary::PAUSE_LOOP) {
        true => (cpu.tsc(), cpu.cpl()),
        false => (0, cpu.cpl()),
    };
    if cpu.vmx.pause_exits(now, cpl) {
        return Err(cpu.exit(exit_of(op, reason::PAUSE, 0)));
    }
    core::hint::spin_loop();
    Ok(Flow::Next)
}

/// MONITOR and MWAIT: the CPU does not offer them, so that they exit or are undefined.
fn wait_hint(cpu: &mut Cpu, op: &Operation, control: u32, reason: u16) -> Done {
    if cpu.cpl() != 0 {
        return Err(cpu.ud());
    }
    cpu.exit_if(op, control, reason)?;
    Err(cpu.ud())
}

/// RDRAND and RDSEED: they always succeed, with CF = 1 and the other status flags clear.
fn random(i: &Instruction, a: &mut Assembler) {
    let op = a.complex_end(i, |cpu, op| {
        let bytes = op.imm as usize;
        cpu.random_exit(op, op.r[1] != 0, op.r[0], bytes)?;
        let value = cpu.random();
        cpu.write_gpr(op.r[0], bytes, value);
        cpu.lazy.set_status(Rflags::CF);
        Ok(Flow::Next)
    });
    op.r[0] = gpr_number(i.op0_register());
    op.r[1] = (i.mnemonic() == Mnemonic::Rdseed).into();
    op.imm = operand_size(i, 0) as u64;
}

/// RDPKRU and WRPKRU.
fn protection_keys(cpu: &mut Cpu, write: bool) -> Done {
    if cpu.cr4 & Cr::CR4_PKE == 0 {
        return Err(cpu.ud());
    }
    let zero = cpu.gpr[RCX] as u32 | if write { cpu.gpr[RDX] as u32 } else { 0 };
    if zero != 0 {
        return Err(cpu.gp(0));
    }
    if write {
        cpu.pkru = cpu.gpr[RAX] as u32;
        cpu.update_mode();
    } else {
        cpu.set_edx_eax(cpu.pkru.into());
    }
    Ok(Flow::Next)
}

fn base(i: &Instruction, a: &mut Assembler, seg: Seg, write: bool) {
    let op = a.complex_end(i, |cpu, op| {
        if cpu.mode.code != Size::Bits64 || cpu.cr4 & Cr::CR4_FSGSBASE == 0 {
            return Err(cpu.ud());
        }
        let (seg, bytes) = (usize::from(op.r[1] & 7), op.imm as usize);
        if op.r[3] == 0 {
            let value = cpu.seg[seg].base;
            cpu.write_gpr(op.r[0], bytes, value);
            return Ok(Flow::Next);
        }
        let value = cpu.gpr[usize::from(op.r[0] & 15)];
        let value = if bytes == 4 {
            value & 0xffff_ffff
        } else {
            value
        };
        if !cpu.is_canonical(value) {
            return Err(cpu.gp(0));
        }
        cpu.seg[seg].base = value;
        cpu.update_mode();
        Ok(Flow::Next)
    });
    op.r[0] = gpr_number(i.op0_register());
    op.r[1] = seg as u8;
    op.r[3] = write.into();
    op.imm = operand_size(i, 0) as u64;
}

impl Cpu {
    /// The linear address of an offset in a segment, without checks.
    pub(crate) fn linear_of(&self, seg: u8, offset: u64) -> u64 {
        let base = self.spans[usize::from(seg & 7).min(5)].base;
        base.wrapping_add(offset) & self.mode.linear_mask
    }
}
