//! x87 instructions into operations. Register forms first, then those with memory (`memory`); both work on [`State`].

use iced_x86::{Code, Instruction};

use super::super::access::Operation;
use super::super::cpu::{Cpu, Seg};
use super::super::decode::Assembler;
use super::super::flags::Rflags;
use super::super::{Done, mode::Mode};
use super::{Binary, Constant, Fcom, Function, State, memory};
use crate::engine::software::dispatch::{Flow, Stop};
use core::cmp::Ordering;

/// Bits of [`Mode::fp`].
const MP: u8 = 1;
const EM: u8 = 2;
const TS: u8 = 4;

const BINARY: [Binary; 6] = [
    Binary::Add,
    Binary::Mul,
    Binary::Sub,
    Binary::SubR,
    Binary::Div,
    Binary::DivR,
];

/// The operation that `r[0]` of an operation names.
pub(super) fn binary_of(op: &Operation) -> Binary {
    BINARY[usize::from(op.r[0]).min(5)]
}

/// Takes x87 instructions.
pub(crate) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    let code = i.code();
    if !is_x87(code) {
        return false;
    }
    if blocked(code, asm.mode()) {
        asm.complex_end(i, |cpu, _| Err(cpu.nm()));
        return true;
    }
    let done = stack(i, asm)
        || arithmetic(i, asm)
        || comparison(i, asm)
        || conditional(i, asm)
        || function(i, asm)
        || control(i, asm)
        || memory::decode(i, asm);
    let opcode = asm.x87_opcode();
    if let Some(op) = asm.ops().last_mut().filter(|_| done) {
        op.imm |= u64::from(opcode) << OPCODE;
    }
    done
}

/// Where an operation has the instruction's opcode: above everything else in `imm`.
const OPCODE: u32 = 48;

/// The eleven bits of an x87 instruction that FOP keeps (Intel SDM vol. 1, 8.1.9): the low three of the first opcode byte, and the second.
pub(crate) fn opcode(bytes: &[u8]) -> u16 {
    let mut rest = bytes.iter().skip_while(|byte| **byte & 0xf8 != 0xd8);
    let (first, second) = (rest.next(), rest.next());
    u16::from(first.map_or(0, |byte| byte & 7)) << 8 | second.map_or(0, |&byte| byte.into())
}

pub(crate) fn is_x87(code: Code) -> bool {
    code == Code::Wait || code.mnemonic_is_x87()
}

trait X87 {
    fn mnemonic_is_x87(self) -> bool;
}

impl X87 for Code {
    /// iced lists the x87 codes in one run, in the order of their opcodes D8 to DF.
    fn mnemonic_is_x87(self) -> bool {
        (Code::Fadd_m32fp as u32..=Code::Fcomip_st0_sti as u32).contains(&(self as u32))
    }
}

fn blocked(code: Code, mode: &Mode) -> bool {
    let needed = if code == Code::Wait { MP | TS } else { 0 };
    if needed != 0 {
        return mode.fp & needed == needed;
    }
    mode.fp & (EM | TS) != 0
}

/// What every waiting instruction begins with: a pending exception is raised.
pub(super) fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.fpu.pending() {
        return Err(cpu.mf());
    }
    Ok(())
}

/// Notes the instruction's address, as every instruction does but those that save, load or clear the unit's control state.
pub(super) fn note(cpu: &mut Cpu) {
    cpu.fpu.ip = cpu.rip;
    cpu.fpu.cs = cpu.seg[Seg::Cs as usize].selector;
}

/// Behind an instruction that began with [`wait`]: notes its opcode if it has raised an unmasked exception, and answers whether. Others leave
/// FOP alone (SDM vol. 1, 8.1.9.1: there is no fopcode compatibility mode here).
pub(super) fn note_exception(cpu: &mut Cpu, op: &Operation) -> bool {
    let raised = cpu.fpu.pending();
    if raised {
        cpu.fpu.opcode = (op.imm >> OPCODE) as u16 & 0x7ff;
    }
    raised
}

/// Does a waiting instruction without memory operand. Always part of its handler, so that no call there goes through a pointer.
#[inline(always)]
fn with_state<R>(
    cpu: &mut Cpu,
    op: &Operation,
    function: impl FnOnce(&mut State) -> R,
) -> Result<R, Stop> {
    wait(cpu)?;
    note(cpu);
    let result = function(&mut cpu.fpu);
    note_exception(cpu, op);
    Ok(result)
}

/// Emits a register instruction: `$f` on the state, with `r[0]` and `r[1]` of the operation set.
macro_rules! register {
    ($asm:ident, $i:ident, $f:expr) => {
        register!($asm, $i, 0, 0, $f)
    };
    ($asm:ident, $i:ident, $a:expr, $b:expr, $f:expr) => {{
        let op = $asm.complex($i, |cpu: &mut Cpu, op: &Operation| {
            let function: fn(&mut State, &Operation) = $f;
            with_state(cpu, op, |state| function(state, op))?;
            Ok(Flow::Next)
        });
        op.r[0] = $a;
        op.r[1] = $b;
    }};
}

fn st(i: &Instruction, n: u32) -> u8 {
    i.op_register(n).number() as u8
}

fn constant(code: Code) -> Option<u8> {
    Some(match code {
        Code::Fld1 => 0,
        Code::Fldl2t => 1,
        Code::Fldl2e => 2,
        Code::Fldpi => 3,
        Code::Fldlg2 => 4,
        Code::Fldln2 => 5,
        Code::Fldz => 6,
        _ => return None,
    })
}

const CONSTANTS: [Constant; 7] = [
    Constant::One,
    Constant::Log2Of10,
    Constant::Log2OfE,
    Constant::Pi,
    Constant::Log10Of2,
    Constant::LnOf2,
    Constant::Zero,
];

/// Loads, stores and exchanges between registers; FFREE, FINCSTP, FDECSTP.
fn stack(i: &Instruction, asm: &mut Assembler) -> bool {
    if let Some(number) = constant(i.code()) {
        register!(asm, i, number, 0, |s, op| {
            s.fld_constant(CONSTANTS[usize::from(op.r[0]).min(6)])
        });
        return true;
    }
    match i.code() {
        Code::Fld_sti => register!(asm, i, st(i, 0), 0, |s, op| s.fld_register(op.r[0])),
        Code::Fst_sti => register!(asm, i, st(i, 0), 0, |s, op| {
            s.fst_register(op.r[0]);
        }),
        Code::Fstpnce_sti => register!(asm, i, st(i, 0), 0, |s, op| s.fstp_unchecked(op.r[0])),
        Code::Fstp_sti | Code::Fstp_sti_DFD0 | Code::Fstp_sti_DFD8 => {
            register!(asm, i, st(i, 0), 0, |s, op| {
                if s.fst_register(op.r[0]) {
                    s.pop();
                }
            })
        }
        Code::Fxch_st0_sti | Code::Fxch_st0_sti_DDC8 | Code::Fxch_st0_sti_DFC8 => {
            register!(asm, i, st(i, 1), 0, |s, op| s.fxch(op.r[0]))
        }
        Code::Ffree_sti => register!(asm, i, st(i, 0), 0, |s, op| s.free(op.r[0])),
        Code::Ffreep_sti => register!(asm, i, st(i, 0), 0, |s, op| {
            s.free(op.r[0]);
            s.pop();
        }),
        Code::Fincstp => register!(asm, i, |s, _| s.rotate(1)),
        Code::Fdecstp => register!(asm, i, |s, _| s.rotate(7)),
        Code::Fnop => register!(asm, i, |_, _| ()),
        _ => return false,
    }
    true
}

/// Operation, and whether ST(0) is popped.
fn binary_code(code: Code) -> Option<(Binary, bool)> {
    Some(match code {
        Code::Fadd_st0_sti | Code::Fadd_sti_st0 => (Binary::Add, false),
        Code::Fmul_st0_sti | Code::Fmul_sti_st0 => (Binary::Mul, false),
        Code::Fsub_st0_sti | Code::Fsub_sti_st0 => (Binary::Sub, false),
        Code::Fsubr_st0_sti | Code::Fsubr_sti_st0 => (Binary::SubR, false),
        Code::Fdiv_st0_sti | Code::Fdiv_sti_st0 => (Binary::Div, false),
        Code::Fdivr_st0_sti | Code::Fdivr_sti_st0 => (Binary::DivR, false),
        Code::Faddp_sti_st0 => (Binary::Add, true),
        Code::Fmulp_sti_st0 => (Binary::Mul, true),
        Code::Fsubp_sti_st0 => (Binary::Sub, true),
        Code::Fsubrp_sti_st0 => (Binary::SubR, true),
        Code::Fdivp_sti_st0 => (Binary::Div, true),
        Code::Fdivrp_sti_st0 => (Binary::DivR, true),
        _ => return None,
    })
}

fn arithmetic(i: &Instruction, asm: &mut Assembler) -> bool {
    let Some((binary, pop)) = binary_code(i.code()) else {
        return false;
    };
    // r[1]: destination in bits 2:0, source in bits 5:3, pop in bit 6.
    let registers = st(i, 0) | st(i, 1) << 3 | u8::from(pop) << 6;
    register!(asm, i, binary as u8, registers, |s, op| {
        let done = s.binary(binary_of(op), op.r[1] & 7, op.r[1] >> 3 & 7);
        if done && op.r[1] & 0x40 != 0 {
            s.pop();
        }
    });
    true
}

/// Condition codes from a comparison, then as many pops as `r[1]` says.
fn compare(asm: &mut Assembler, i: &Instruction, kind: Fcom, with: u8, pops: u8) {
    let control = pops | u8::from(kind == Fcom::Unordered) << 7;
    register!(asm, i, with, control, |s, op| {
        let kind = match op.r[1] & 0x80 {
            0 => Fcom::Ordered,
            _ => Fcom::Unordered,
        };
        let operand = s.operand(op.r[0]);
        if s.fcom(kind, operand) {
            (0..op.r[1] & 3).for_each(|_| s.pop());
        }
    });
}

fn comparison(i: &Instruction, asm: &mut Assembler) -> bool {
    match i.code() {
        Code::Fcom_st0_sti | Code::Fcom_st0_sti_DCD0 => compare(asm, i, Fcom::Ordered, st(i, 1), 0),
        Code::Fcomp_st0_sti | Code::Fcomp_st0_sti_DCD8 | Code::Fcomp_st0_sti_DED0 => {
            compare(asm, i, Fcom::Ordered, st(i, 1), 1)
        }
        Code::Fcompp => compare(asm, i, Fcom::Ordered, 1, 2),
        Code::Fucom_st0_sti => compare(asm, i, Fcom::Unordered, st(i, 1), 0),
        Code::Fucomp_st0_sti => compare(asm, i, Fcom::Unordered, st(i, 1), 1),
        Code::Fucompp => compare(asm, i, Fcom::Unordered, 1, 2),
        Code::Ftst => register!(asm, i, |s, _| {
            let zero = s.zero_operand();
            s.fcom(Fcom::Ordered, zero);
        }),
        Code::Fxam => register!(asm, i, |s, _| s.fxam()),
        Code::Fcomi_st0_sti => compare_flags(asm, i, Fcom::Ordered, 0),
        Code::Fcomip_st0_sti => compare_flags(asm, i, Fcom::Ordered, 1),
        Code::Fucomi_st0_sti => compare_flags(asm, i, Fcom::Unordered, 0),
        Code::Fucomip_st0_sti => compare_flags(asm, i, Fcom::Unordered, 1),
        _ => return false,
    }
    true
}

/// The status flags that say how a comparison came out (Intel SDM vol. 2, COMISD and FCOMI).
pub(crate) fn order_flags(order: Option<Ordering>) -> u64 {
    match order {
        Some(Ordering::Greater) => 0,
        Some(Ordering::Less) => Rflags::CF,
        Some(Ordering::Equal) => Rflags::ZF,
        None => Rflags::ZF | Rflags::PF | Rflags::CF,
    }
}

fn compare_flags(asm: &mut Assembler, i: &Instruction, kind: Fcom, pops: u8) {
    let op = asm.complex(i, |cpu: &mut Cpu, op: &Operation| {
        let kind = match op.r[1] & 0x80 {
            0 => Fcom::Ordered,
            _ => Fcom::Unordered,
        };
        let order = with_state(cpu, op, |state| {
            let operand = state.operand(op.r[0]);
            let (order, done) = state.compare(kind, operand);
            if done && op.r[1] & 1 != 0 {
                state.pop();
            }
            order
        })?;
        cpu.lazy.set_status(order_flags(order));
        Ok(Flow::Next)
    });
    op.r[0] = st(i, 1);
    op.r[1] = pops | u8::from(kind == Fcom::Unordered) << 7;
}

/// FCMOVcc.
fn conditional(i: &Instruction, asm: &mut Assembler) -> bool {
    let (mask, wanted) = match i.code() {
        Code::Fcmovb_st0_sti => (Rflags::CF, true),
        Code::Fcmove_st0_sti => (Rflags::ZF, true),
        Code::Fcmovbe_st0_sti => (Rflags::CF | Rflags::ZF, true),
        Code::Fcmovu_st0_sti => (Rflags::PF, true),
        Code::Fcmovnb_st0_sti => (Rflags::CF, false),
        Code::Fcmovne_st0_sti => (Rflags::ZF, false),
        Code::Fcmovnbe_st0_sti => (Rflags::CF | Rflags::ZF, false),
        Code::Fcmovnu_st0_sti => (Rflags::PF, false),
        _ => return false,
    };
    let op = asm.complex(i, |cpu: &mut Cpu, op: &Operation| {
        let flags = cpu.flags();
        // RFLAGS has nothing where the opcode is.
        let taken = (flags & op.imm != 0) == (op.r[1] != 0);
        with_state(cpu, op, |state| state.fcmov(op.r[0], taken))?;
        Ok(Flow::Next)
    });
    op.r[0] = st(i, 1);
    op.r[1] = wanted.into();
    op.imm = mask;
    true
}

/// Functions of ST(0) and ST(1).
fn function(i: &Instruction, asm: &mut Assembler) -> bool {
    match i.code() {
        Code::Fchs => register!(asm, i, |s, _| s.fchs()),
        Code::Fabs => register!(asm, i, |s, _| s.fabs()),
        Code::Fsqrt => register!(asm, i, |s, _| s.fsqrt()),
        Code::Frndint => register!(asm, i, |s, _| s.frndint()),
        Code::Fscale => register!(asm, i, |s, _| s.fscale()),
        Code::Fxtract => register!(asm, i, |s, _| s.fxtract()),
        Code::Fprem => register!(asm, i, |s, _| s.fprem(false)),
        Code::Fprem1 => register!(asm, i, |s, _| s.fprem(true)),
        Code::Fsin => register!(asm, i, |s, _| s.transcendental(Function::Sin)),
        Code::Fcos => register!(asm, i, |s, _| s.transcendental(Function::Cos)),
        Code::Fsincos => register!(asm, i, |s, _| s.transcendental(Function::SinCos)),
        Code::Fptan => register!(asm, i, |s, _| s.transcendental(Function::Tan)),
        Code::Fpatan => register!(asm, i, |s, _| s.transcendental(Function::Atan)),
        Code::F2xm1 => register!(asm, i, |s, _| s.transcendental(Function::Exp2Minus1)),
        Code::Fyl2x => register!(asm, i, |s, _| s.transcendental(Function::YLog2)),
        Code::Fyl2xp1 => register!(asm, i, |s, _| s.transcendental(Function::YLog2Plus1)),
        _ => return false,
    }
    true
}

/// Control instructions without memory operand.
fn control(i: &Instruction, asm: &mut Assembler) -> bool {
    fn go_on(cpu: &mut Cpu, f: impl FnOnce(&mut Cpu)) -> Done {
        f(cpu);
        Ok(Flow::Next)
    }
    match i.code() {
        Code::Wait => {
            asm.complex(i, |cpu, _| wait(cpu).map(|()| Flow::Next));
        }
        Code::Fninit | Code::Finit => {
            asm.complex(i, |cpu, _| go_on(cpu, |cpu| cpu.fpu.init()));
        }
        Code::Fnclex | Code::Fclex => {
            asm.complex(i, |cpu, _| go_on(cpu, |cpu| cpu.fpu.clear_exceptions()));
        }
        Code::Fnstsw_AX | Code::Fstsw_AX => {
            asm.complex(i, |cpu, _| {
                go_on(cpu, |cpu| {
                    let word = u64::from(cpu.fpu.status_word());
                    cpu.gpr[0] = cpu.gpr[0] & !0xffff | word;
                })
            });
        }
        // Instructions of the 8087 and 80287 that later processors ignore.
        Code::Fneni | Code::Feni | Code::Fndisi | Code::Fdisi | Code::Fnsetpm | Code::Fsetpm => {
            asm.complex(i, |cpu, _| go_on(cpu, |_| ()));
        }
        _ => return false,
    }
    true
}
