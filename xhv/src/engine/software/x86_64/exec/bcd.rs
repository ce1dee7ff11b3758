//! DAA DAS AAA AAS AAM AAD, SALC.

use iced_x86::{Instruction, Mnemonic};

use super::{Int, logic};
use crate::engine::software::dispatch::Flow;
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::Operation;
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::Assembler;
use crate::engine::software::x86_64::flags::Rflags;

/// SF, ZF and PF of a byte, with the given AF and CF; OF (undefined) as given.
fn set(cpu: &mut Cpu, al: u8, af: bool, cf: bool, of: bool) {
    logic::<u8>(&mut cpu.lazy, al);
    let status = cpu.lazy.value() & (Rflags::SF | Rflags::ZF | Rflags::PF);
    cpu.lazy.set_status(
        status
            | if af { Rflags::AF } else { 0 }
            | if cf { Rflags::CF } else { 0 }
            | if of { Rflags::OF } else { 0 },
    );
}

/// DAA (`ADD`) and DAS.
fn decimal<const ADD: bool>(cpu: &mut Cpu, _: &Operation) -> Done {
    let old = u8::get(cpu, 0);
    let (af, cf) = (cpu.lazy.af(), cpu.lazy.cf());
    let low = old & 15 > 9 || af;
    let high = old > 0x99 || cf;
    let by = if low { 6 } else { 0 } + if high { 0x60 } else { 0 };
    let new = if ADD {
        old.wrapping_add(by)
    } else {
        old.wrapping_sub(by)
    };
    // DAS: a borrow of the low correction counts as carry, too.
    let borrow = !ADD && low && old < 6;
    u8::put(cpu, 0, new);
    let of = if ADD {
        !old & new & 0x80 != 0
    } else {
        old & !new & 0x80 != 0
    };
    set(cpu, new, low, high || borrow, of);
    Ok(Flow::Next)
}

/// AAA (`ADD`) and AAS.
fn ascii<const ADD: bool>(cpu: &mut Cpu, _: &Operation) -> Done {
    let ax = u16::get(cpu, 0);
    let adjust = ax & 15 > 9 || cpu.lazy.af();
    let new = match (adjust, ADD) {
        (false, _) => ax,
        (true, true) => ax.wrapping_add(0x106),
        (true, false) => ax.wrapping_sub(0x106),
    };
    let new = new & 0xff0f;
    u16::put(cpu, 0, new);
    set(cpu, new as u8, adjust, adjust, false);
    Ok(Flow::Next)
}

fn aam(cpu: &mut Cpu, op: &Operation) -> Done {
    let (al, base) = (u8::get(cpu, 0), op.imm as u8);
    let Some(high) = al.checked_div(base) else {
        return Err(cpu.de());
    };
    let low = al % base;
    u16::put(cpu, 0, u16::from(high) << 8 | u16::from(low));
    logic::<u8>(&mut cpu.lazy, low);
    Ok(Flow::Next)
}

fn aad(cpu: &mut Cpu, op: &Operation) -> Done {
    let ax = u16::get(cpu, 0);
    let al = (ax as u8).wrapping_add(((ax >> 8) as u8).wrapping_mul(op.imm as u8));
    u16::put(cpu, 0, al.into());
    logic::<u8>(&mut cpu.lazy, al);
    Ok(Flow::Next)
}

fn salc(cpu: &mut Cpu, _: &Operation) -> Done {
    let cf = cpu.lazy.cf();
    u8::put(cpu, 0, if cf { 0xff } else { 0 });
    Ok(Flow::Next)
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Daa => {
            a.complex(i, decimal::<true>);
        }
        Mnemonic::Das => {
            a.complex(i, decimal::<false>);
        }
        Mnemonic::Aaa => {
            a.complex(i, ascii::<true>);
        }
        Mnemonic::Aas => {
            a.complex(i, ascii::<false>);
        }
        Mnemonic::Aam => a.complex(i, aam).imm = i.immediate(0),
        Mnemonic::Aad => a.complex(i, aad).imm = i.immediate(0),
        Mnemonic::Salc => {
            a.complex(i, salc);
        }
        _ => return false,
    }
    true
}
