//! CLC STC CMC CLD STD CLI STI LAHF SAHF CLAC STAC.

use iced_x86::{Instruction, Mnemonic};

use super::Int;
use crate::engine::software::dispatch::Flow;
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::Operation;
use crate::engine::software::x86_64::cpu::{Cpu, Cr, Shadow};
use crate::engine::software::x86_64::decode::Assembler;
use crate::engine::software::x86_64::flags::Rflags;

fn direction<const SET: bool>(cpu: &mut Cpu, _: &Operation) -> Done {
    cpu.lazy.system &= !Rflags::DF;
    if SET {
        cpu.lazy.system |= Rflags::DF;
    }
    Ok(Flow::Next)
}

/// The flag that CLI and STI act on here (Intel SDM vol. 2, STI, table 4-19): IF, VIF, or none (#GP).
fn interrupt_flag(cpu: &Cpu) -> Option<u64> {
    let iopl = (cpu.lazy.system & Rflags::IOPL) >> 12;
    if u64::from(cpu.cpl()) <= iopl {
        return Some(Rflags::IF);
    }
    let virtual_flag = if cpu.mode.v8086 {
        cpu.cr4 & Cr::CR4_VME != 0
    } else {
        cpu.cpl() == 3 && cpu.cr4 & Cr::CR4_PVI != 0
    };
    virtual_flag.then_some(Rflags::VIF)
}

fn cli(cpu: &mut Cpu, _: &Operation) -> Done {
    let Some(flag) = interrupt_flag(cpu) else {
        return Err(cpu.gp(0));
    };
    cpu.lazy.system &= !flag;
    Ok(Flow::Next)
}

fn sti(cpu: &mut Cpu, _: &Operation) -> Done {
    let Some(flag) = interrupt_flag(cpu) else {
        return Err(cpu.gp(0));
    };
    if flag == Rflags::VIF && cpu.lazy.system & Rflags::VIP != 0 {
        return Err(cpu.gp(0));
    }
    if flag == Rflags::IF && cpu.lazy.system & Rflags::IF == 0 {
        cpu.shadow |= Shadow::STI;
    }
    cpu.lazy.system |= flag;
    cpu.attend();
    Ok(Flow::Next)
}

fn lahf(cpu: &mut Cpu, _: &Operation) -> Done {
    let status = cpu.lazy.value() as u8;
    u8::put(cpu, 0x80, status);
    Ok(Flow::Next)
}

fn sahf(cpu: &mut Cpu, _: &Operation) -> Done {
    let of = if cpu.lazy.of() { Rflags::OF } else { 0 };
    let status = u64::from(u8::get(cpu, 0x80)) & Rflags::STATUS;
    cpu.lazy.set_status(status | of);
    Ok(Flow::Next)
}

fn alignment<const SET: bool>(cpu: &mut Cpu, _: &Operation) -> Done {
    if cpu.cpl() != 0 {
        return Err(cpu.ud());
    }
    cpu.lazy.system &= !Rflags::AC;
    if SET {
        cpu.lazy.system |= Rflags::AC;
    }
    cpu.update_mode();
    Ok(Flow::Next)
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Clc => a.complex(i, |cpu, _| {
            cpu.lazy.set_cf(false);
            Ok(Flow::Next)
        }),
        Mnemonic::Stc => a.complex(i, |cpu, _| {
            cpu.lazy.set_cf(true);
            Ok(Flow::Next)
        }),
        Mnemonic::Cmc => a.complex(i, |cpu, _| {
            let cf = cpu.lazy.cf();
            cpu.lazy.set_cf(!cf);
            Ok(Flow::Next)
        }),
        Mnemonic::Cld => a.complex(i, direction::<false>),
        Mnemonic::Std => a.complex(i, direction::<true>),
        Mnemonic::Cli => a.complex(i, cli),
        Mnemonic::Sti => a.complex_end(i, sti),
        Mnemonic::Lahf => a.complex(i, lahf),
        Mnemonic::Sahf => a.complex(i, sahf),
        Mnemonic::Clac => a.complex_end(i, alignment::<false>),
        Mnemonic::Stac => a.complex_end(i, alignment::<true>),
        _ => return false,
    };
    true
}
