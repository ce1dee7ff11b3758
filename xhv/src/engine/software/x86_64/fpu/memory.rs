//! x87 instructions with a memory operand.

use iced_x86::{Code, Instruction};

use super::super::Done;
use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::Assembler;
use super::arith::Operand;
use super::decode::{binary_of, note, note_exception, wait};
use super::{Binary, Fcom, Layout, State};
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::engine::software::memory::Scalar;

/// Behind an instruction: an unmasked exception that it has raised makes its opcode and operand known (CPUID.07H.EBX\[6\],
/// FDP_EXCPTN_ONLY).
fn note_operand(cpu: &mut Cpu, op: &Operation) {
    if note_exception(cpu, op) {
        cpu.fpu.dp = cpu.ea(op);
        cpu.fpu.ds = cpu.seg[cpu.seg_of(op) as usize].selector;
    }
}

fn load<T: Scalar>(cpu: &mut Cpu, op: &Operation, at: u64) -> Result<T, Stop> {
    let offset = cpu.ea(op).wrapping_add(at);
    cpu.load::<Slow, T>(cpu.seg_of(op), offset)
}

fn store<T: Scalar>(cpu: &mut Cpu, op: &Operation, at: u64, value: T) -> Result<(), Stop> {
    let offset = cpu.ea(op).wrapping_add(at);
    cpu.store::<Slow, T>(cpu.seg_of(op), offset, value)
}

/// The memory operand of a waiting instruction.
fn operand<T: Scalar>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
    wait(cpu)?;
    let value = load(cpu, op, 0)?;
    note(cpu);
    Ok(value)
}

fn load80(cpu: &mut Cpu, op: &Operation) -> Result<u128, Stop> {
    wait(cpu)?;
    let low: u64 = load(cpu, op, 0)?;
    let high: u16 = load(cpu, op, 8)?;
    note(cpu);
    Ok(u128::from(low) | u128::from(high) << 64)
}

/// Stores what `f` makes of ST(0), and pops if `r[1]` says so. When memory refuses, nothing has happened.
fn store_with<T: Scalar>(
    cpu: &mut Cpu,
    op: &Operation,
    f: impl FnOnce(&mut State) -> Option<T>,
) -> Done {
    wait(cpu)?;
    let before = cpu.fpu.status;
    let value = f(&mut cpu.fpu);
    if let Some(value) = value {
        let stored = store(cpu, op, 0, value);
        if stored.is_err() {
            cpu.fpu.status = before;
        }
        stored?;
    }
    note(cpu);
    note_operand(cpu, op);
    if value.is_some() && op.r[1] != 0 {
        cpu.fpu.pop();
    }
    Ok(Flow::Next)
}

fn store80(cpu: &mut Cpu, op: &Operation, f: impl FnOnce(&mut State) -> Option<u128>) -> Done {
    wait(cpu)?;
    let before = cpu.fpu.status;
    let value = f(&mut cpu.fpu);
    if let Some(value) = value {
        // The far end first: if it faults, nothing has been stored.
        let stored =
            store(cpu, op, 8, (value >> 64) as u16).and_then(|()| store(cpu, op, 0, value as u64));
        if stored.is_err() {
            cpu.fpu.status = before;
        }
        stored?;
    }
    note(cpu);
    note_operand(cpu, op);
    if value.is_some() {
        cpu.fpu.pop();
    }
    Ok(Flow::Next)
}

/// Takes instructions with a memory operand.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    loads(i, asm) || stores(i, asm) || arithmetic(i, asm) || control(i, asm)
}

fn loads(i: &Instruction, asm: &mut Assembler) -> bool {
    macro_rules! load {
        ($type:ty, $f:expr) => {{
            asm.complex(i, |cpu: &mut Cpu, op: &Operation| {
                let value: $type = operand(cpu, op)?;
                let function: fn(&mut State, $type) = $f;
                function(&mut cpu.fpu, value);
                note_operand(cpu, op);
                Ok(Flow::Next)
            });
        }};
    }
    match i.code() {
        Code::Fld_m32fp => load!(u32, |s, value| s.fld32(value)),
        Code::Fld_m64fp => load!(u64, |s, value| s.fld64(value)),
        Code::Fild_m16int => load!(u16, |s, value| s.fild(value as i16 as i64)),
        Code::Fild_m32int => load!(u32, |s, value| s.fild(value as i32 as i64)),
        Code::Fild_m64int => load!(u64, |s, value| s.fild(value as i64)),
        Code::Fld_m80fp => {
            asm.complex(i, |cpu: &mut Cpu, op: &Operation| {
                let bits = load80(cpu, op)?;
                cpu.fpu.fld80(bits);
                note_operand(cpu, op);
                Ok(Flow::Next)
            });
        }
        Code::Fbld_m80bcd => {
            asm.complex(i, |cpu: &mut Cpu, op: &Operation| {
                let bits = load80(cpu, op)?;
                cpu.fpu.fbld(bits);
                note_operand(cpu, op);
                Ok(Flow::Next)
            });
        }
        _ => return false,
    }
    true
}

fn stores(i: &Instruction, asm: &mut Assembler) -> bool {
    macro_rules! store {
        ($pop:expr, $f:expr) => {{
            let op = asm.complex(i, |cpu: &mut Cpu, op: &Operation| store_with(cpu, op, $f));
            op.r[1] = u8::from($pop);
        }};
    }
    match i.code() {
        Code::Fst_m32fp => store!(false, |s| s.fst32()),
        Code::Fstp_m32fp => store!(true, |s| s.fst32()),
        Code::Fst_m64fp => store!(false, |s| s.fst64()),
        Code::Fstp_m64fp => store!(true, |s| s.fst64()),
        Code::Fist_m16int => store!(false, |s| s.fist(16, false).map(|v| v as u16)),
        Code::Fistp_m16int => store!(true, |s| s.fist(16, false).map(|v| v as u16)),
        Code::Fisttp_m16int => store!(true, |s| s.fist(16, true).map(|v| v as u16)),
        Code::Fist_m32int => store!(false, |s| s.fist(32, false).map(|v| v as u32)),
        Code::Fistp_m32int => store!(true, |s| s.fist(32, false).map(|v| v as u32)),
        Code::Fisttp_m32int => store!(true, |s| s.fist(32, true).map(|v| v as u32)),
        Code::Fistp_m64int => store!(true, |s| s.fist(64, false)),
        Code::Fisttp_m64int => store!(true, |s| s.fist(64, true)),
        Code::Fstp_m80fp => {
            asm.complex(i, |cpu, op| store80(cpu, op, |s| s.fst80()));
        }
        Code::Fbstp_m80bcd => {
            asm.complex(i, |cpu, op| store80(cpu, op, |s| s.fbst()));
        }
        _ => return false,
    }
    true
}

/// What the codes of arithmetic and comparison with memory do.
enum Use {
    Binary(Binary),
    /// Compare; pop or not.
    Compare(bool),
}

fn use_of(code: Code) -> Option<Use> {
    use Code::*;
    Some(match code {
        Fadd_m32fp | Fadd_m64fp | Fiadd_m16int | Fiadd_m32int => Use::Binary(Binary::Add),
        Fmul_m32fp | Fmul_m64fp | Fimul_m16int | Fimul_m32int => Use::Binary(Binary::Mul),
        Fsub_m32fp | Fsub_m64fp | Fisub_m16int | Fisub_m32int => Use::Binary(Binary::Sub),
        Fsubr_m32fp | Fsubr_m64fp | Fisubr_m16int | Fisubr_m32int => Use::Binary(Binary::SubR),
        Fdiv_m32fp | Fdiv_m64fp | Fidiv_m16int | Fidiv_m32int => Use::Binary(Binary::Div),
        Fdivr_m32fp | Fdivr_m64fp | Fidivr_m16int | Fidivr_m32int => Use::Binary(Binary::DivR),
        Fcom_m32fp | Fcom_m64fp | Ficom_m16int | Ficom_m32int => Use::Compare(false),
        Fcomp_m32fp | Fcomp_m64fp | Ficomp_m16int | Ficomp_m32int => Use::Compare(true),
        _ => return None,
    })
}

/// Arithmetic or, if `r[0]` is none of its numbers, comparison; `r[1]` pops.
fn with_operand(cpu: &mut Cpu, op: &Operation, operand: Operand) -> Done {
    if op.r[0] != COMPARE {
        cpu.fpu.binary_memory(binary_of(op), operand);
    } else if cpu.fpu.fcom(Fcom::Ordered, Some(operand)) && op.r[1] != 0 {
        cpu.fpu.pop();
    }
    note_operand(cpu, op);
    Ok(Flow::Next)
}

const COMPARE: u8 = 0xff;

fn arithmetic(i: &Instruction, asm: &mut Assembler) -> bool {
    let Some(used) = use_of(i.code()) else {
        return false;
    };
    let op = match i.memory_size() {
        iced_x86::MemorySize::Float32 => asm.complex(i, |cpu, op| {
            let value = operand::<u32>(cpu, op)?;
            with_operand(cpu, op, Operand::f32(value))
        }),
        iced_x86::MemorySize::Float64 => asm.complex(i, |cpu, op| {
            let value = operand::<u64>(cpu, op)?;
            with_operand(cpu, op, Operand::f64(value))
        }),
        iced_x86::MemorySize::Int16 => asm.complex(i, |cpu, op| {
            let value = operand::<u16>(cpu, op)? as i16;
            with_operand(cpu, op, Operand::int(value.into()))
        }),
        _ => asm.complex(i, |cpu, op| {
            let value = operand::<u32>(cpu, op)? as i32;
            with_operand(cpu, op, Operand::int(value.into()))
        }),
    };
    (op.r[0], op.r[1]) = match used {
        Use::Binary(binary) => (binary as u8, 0),
        Use::Compare(pop) => (COMPARE, pop.into()),
    };
    true
}

fn layout(cpu: &Cpu, op: &Operation) -> Layout {
    Layout {
        wide: op.r[0] != 0,
        real: !cpu.protected(),
    }
}

fn store_environment(cpu: &mut Cpu, op: &Operation) -> Result<u64, Stop> {
    let layout = layout(cpu, op);
    let image = cpu.fpu.environment(layout);
    for at in (0..layout.size()).step_by(2) {
        let word = u16::from_le_bytes([image[at], image[at + 1]]);
        store(cpu, op, at as u64, word)?;
    }
    Ok(layout.size() as u64)
}

fn load_environment(cpu: &mut Cpu, op: &Operation) -> Result<([u8; 28], Layout), Stop> {
    let layout = layout(cpu, op);
    let mut image = [0; 28];
    for at in (0..layout.size()).step_by(2) {
        let word: u16 = load(cpu, op, at as u64)?;
        image[at..at + 2].copy_from_slice(&word.to_le_bytes());
    }
    Ok((image, layout))
}

fn fnstenv(cpu: &mut Cpu, op: &Operation) -> Done {
    store_environment(cpu, op)?;
    cpu.fpu.mask_exceptions();
    Ok(Flow::Next)
}

fn fldenv(cpu: &mut Cpu, op: &Operation) -> Done {
    wait(cpu)?;
    let (image, layout) = load_environment(cpu, op)?;
    cpu.fpu.set_environment(&image, layout);
    Ok(Flow::Next)
}

fn fnsave(cpu: &mut Cpu, op: &Operation) -> Done {
    let behind = store_environment(cpu, op)?;
    let registers = cpu.fpu.registers();
    for at in (0..80).step_by(2) {
        let word = u16::from_le_bytes([registers[at], registers[at + 1]]);
        store(cpu, op, behind + at as u64, word)?;
    }
    cpu.fpu.init();
    Ok(Flow::Next)
}

fn frstor(cpu: &mut Cpu, op: &Operation) -> Done {
    wait(cpu)?;
    let (image, layout) = load_environment(cpu, op)?;
    let mut registers = [0; 80];
    for at in (0..80).step_by(2) {
        let word: u16 = load(cpu, op, (layout.size() + at) as u64)?;
        registers[at..at + 2].copy_from_slice(&word.to_le_bytes());
    }
    cpu.fpu.set_environment(&image, layout);
    cpu.fpu.set_registers(&registers);
    Ok(Flow::Next)
}

fn control(i: &Instruction, asm: &mut Assembler) -> bool {
    use Code::*;
    match i.code() {
        Fldcw_m2byte => {
            asm.complex(i, |cpu, op| {
                wait(cpu)?;
                let word = load(cpu, op, 0)?;
                cpu.fpu.set_control(word);
                Ok(Flow::Next)
            });
        }
        Fnstcw_m2byte | Fstcw_m2byte => {
            asm.complex(i, |cpu, op| {
                let word = cpu.fpu.control;
                store(cpu, op, 0, word).map(|()| Flow::Next)
            });
        }
        Fnstsw_m2byte | Fstsw_m2byte => {
            asm.complex(i, |cpu, op| {
                let word = cpu.fpu.status_word();
                store(cpu, op, 0, word).map(|()| Flow::Next)
            });
        }
        Fnstenv_m14byte | Fstenv_m14byte => asm.complex(i, fnstenv).r[0] = 0,
        Fnstenv_m28byte | Fstenv_m28byte => asm.complex(i, fnstenv).r[0] = 1,
        Fldenv_m14byte => asm.complex(i, fldenv).r[0] = 0,
        Fldenv_m28byte => asm.complex(i, fldenv).r[0] = 1,
        Fnsave_m94byte | Fsave_m94byte => asm.complex(i, fnsave).r[0] = 0,
        Fnsave_m108byte | Fsave_m108byte => asm.complex(i, fnsave).r[0] = 1,
        Frstor_m94byte => asm.complex(i, frstor).r[0] = 0,
        Frstor_m108byte => asm.complex(i, frstor).r[0] = 1,
        _ => return false,
    }
    true
}
