//! MOV, MOVZX, MOVSX, LEA, XCHG, BSWAP, MOVBE, CMOVcc, SETcc, sign extensions of the accumulator; reading segment registers.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Condition, Imm, Int, Mem, Reg, Source, condition, wide, width};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{
    Address, Long, LongBase, Operation, Segmented, stored,
};
use crate::engine::software::x86_64::cpu::{Cpu, ZERO};
use crate::engine::software::x86_64::decode::{
    Assembler, Exec, gpr_number, operand_size, segment_number,
};
use crate::engine::software::x86_64::mode::{MASKS, Size};

/// `r[0]` = source.
struct ToReg<T, S>(PhantomData<(T, S)>);

impl<T: Int, S: Source> Exec for ToReg<T, S> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, T>(cpu, op)?;
        T::put(cpu, op.r[0], value);
        Ok(Flow::Next)
    }
}

/// Memory = source.
struct ToMem<T, S, A>(PhantomData<(T, S, A)>);

impl<T: Int, S: Source, A: Address> Exec for ToMem<T, S, A> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, T>(cpu, op)?;
        A::store::<P, T>(cpu, op, value)?;
        stored::<P>(cpu, op)
    }
}

/// MOVZX, MOVSX, MOVSXD: `r[0]` in size `T` = source in size `F`, extended.
struct Extend<T, F, S, const SIGN: bool>(PhantomData<(T, F, S)>);

impl<T: Int, F: Int, S: Source, const SIGN: bool> Exec for Extend<T, F, S, SIGN> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = S::get::<P, F>(cpu, op)?;
        let value = if SIGN {
            value.signed() as u64
        } else {
            value.wide()
        };
        T::put(cpu, op.r[0], T::narrow(value));
        Ok(Flow::Next)
    }
}

/// LEA of a base and a displacement in 64-bit mode, as compilers write sums.
struct LeaBase<T>(PhantomData<T>);

impl<T: Int> Exec for LeaBase<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let offset = LongBase::address(cpu, op);
        T::put(cpu, op.r[0], T::narrow(offset));
        Ok(Flow::Next)
    }
}

/// LEA.
struct Lea<T, const LONG: bool>(PhantomData<T>);

impl<T: Int, const LONG: bool> Exec for Lea<T, LONG> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let offset = if LONG { cpu.ea_long(op) } else { cpu.ea(op) };
        T::put(cpu, op.r[0], T::narrow(offset));
        Ok(Flow::Next)
    }
}

/// XCHG of two registers.
struct Swap<T>(PhantomData<T>);

impl<T: Int> Exec for Swap<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let (a, b) = (T::get(cpu, op.r[0]), T::get(cpu, op.r[1]));
        T::put(cpu, op.r[0], b);
        T::put(cpu, op.r[1], a);
        Ok(Flow::Next)
    }
}

/// XCHG with memory: always locked.
struct SwapMem<T>(PhantomData<T>);

impl<T: Int> Exec for SwapMem<T> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let new = T::get(cpu, op.r[0]);
        let old = Segmented::update::<P, T>(cpu, op, true, |_| new)?;
        T::put(cpu, op.r[0], old);
        stored::<P>(cpu, op)
    }
}

struct Bswap<T>(PhantomData<T>);

impl<T: Int> Exec for Bswap<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = swap_bytes(T::get(cpu, op.r[0]));
        T::put(cpu, op.r[0], value);
        Ok(Flow::Next)
    }
}

#[inline(always)]
fn swap_bytes<T: Int>(value: T) -> T {
    T::narrow(value.wide().swap_bytes() >> (64 - T::BITS))
}

/// MOVBE to a register (`LOAD`) or to memory.
struct Movbe<T, const LOAD: bool>(PhantomData<T>);

impl<T: Int, const LOAD: bool> Exec for Movbe<T, LOAD> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        if LOAD {
            let value = Segmented::load::<P, T>(cpu, op)?;
            T::put(cpu, op.r[0], swap_bytes(value));
            return Ok(Flow::Next);
        }
        let value = T::get(cpu, op.r[0]);
        Segmented::store::<P, T>(cpu, op, swap_bytes(value))?;
        stored::<P>(cpu, op)
    }
}

/// CMOVcc. Its source is read, and may fault, whatever the condition; a doubleword register is zero-extended even if not moved to.
struct Cmov<C, T, S>(PhantomData<(C, T, S)>);

impl<C: Condition, T: Int, S: Source> Exec for Cmov<C, T, S> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let new = S::get::<P, T>(cpu, op)?;
        let old = T::get(cpu, op.r[0]);
        let value = if C::holds(&cpu.lazy) { new } else { old };
        T::put(cpu, op.r[0], value);
        Ok(Flow::Next)
    }
}

struct Set<C>(PhantomData<C>);

impl<C: Condition> Exec for Set<C> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = u8::from(C::holds(&cpu.lazy));
        u8::put(cpu, op.r[0], value);
        Ok(Flow::Next)
    }
}

struct SetMem<C>(PhantomData<C>);

impl<C: Condition> Exec for SetMem<C> {
    const MEMORY: bool = true;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let value = u8::from(C::holds(&cpu.lazy));
        Segmented::store::<P, u8>(cpu, op, value)?;
        stored::<P>(cpu, op)
    }
}

/// CBW, CWDE, CDQE: RAX in size `T` = its lower half in size `F`, sign-extended.
struct Widen<T, F>(PhantomData<(T, F)>);

impl<T: Int, F: Int> Exec for Widen<T, F> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, _: &Operation) -> Done {
        let value = F::get(cpu, 0).signed();
        T::put(cpu, 0, T::narrow(value as u64));
        Ok(Flow::Next)
    }
}

/// CWD, CDQ, CQO: RDX = the sign of RAX.
struct SignOf<T>(PhantomData<T>);

impl<T: Int> Exec for SignOf<T> {
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, _: &Operation) -> Done {
        let sign = T::get(cpu, 0).signed() >> 63;
        T::put(cpu, 2, T::narrow(sign as u64));
        Ok(Flow::Next)
    }
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        Mnemonic::Mov => return mov(i, a),
        // The hint means nothing here.
        Mnemonic::Movnti => wide!(operand_size(i, 1), T => mov_in::<T>(i, a)),
        Mnemonic::Movzx => extend::<false>(i, a),
        Mnemonic::Movsx | Mnemonic::Movsxd => extend::<true>(i, a),
        Mnemonic::Lea => lea(i, a),
        Mnemonic::Xchg => xchg(i, a),
        Mnemonic::Bswap => wide!(operand_size(i, 0), T => {
            // BSWAP of a word is undefined; Intel's CPUs clear it.
            if T::BITS == 16 {
                a.emit::<ToReg<T, Imm>>(i).r[0] = gpr_number(i.op0_register());
            } else {
                a.emit::<Bswap<T>>(i).r[0] = gpr_number(i.op0_register());
            }
        }),
        Mnemonic::Movbe => movbe(i, a),
        Mnemonic::Cbw => {
            a.emit::<Widen<u16, u8>>(i);
        }
        Mnemonic::Cwde => {
            a.emit::<Widen<u32, u16>>(i);
        }
        Mnemonic::Cdqe => {
            a.emit::<Widen<u64, u32>>(i);
        }
        Mnemonic::Cwd => {
            a.emit::<SignOf<u16>>(i);
        }
        Mnemonic::Cdq => {
            a.emit::<SignOf<u32>>(i);
        }
        Mnemonic::Cqo => {
            a.emit::<SignOf<u64>>(i);
        }
        _ => return conditional(i, a),
    }
    true
}

fn mov(i: &Instruction, a: &mut Assembler) -> bool {
    let is = |n: u32, test: fn(iced_x86::Register) -> bool| {
        i.op_kind(n) == OpKind::Register && test(i.op_register(n))
    };
    if is(1, |register| register.is_segment_register()) {
        return from_segment(i, a);
    }
    let special =
        |register: iced_x86::Register| !register.is_gpr() && register != iced_x86::Register::None;
    if is(0, special) || is(1, special) {
        return false; // segment, control and debug registers: other families
    }
    let far = i.memory_displ_size() == 8
        && i.memory_displacement64() as i32 as u64 != i.memory_displacement64();
    if far
        && !i.is_ip_rel_memory_operand()
        && (i.op0_kind() == OpKind::Memory || i.op1_kind() == OpKind::Memory)
    {
        width!(operand_size(i, 0), T => absolute::<T>(i, a));
        return true;
    }
    width!(operand_size(i, 0), T => mov_in::<T>(i, a));
    true
}

fn mov_in<T: Int>(i: &Instruction, a: &mut Assembler) {
    let op = match (i.op0_kind(), i.op1_kind()) {
        (OpKind::Register, OpKind::Register) => a.emit::<ToReg<T, Reg>>(i),
        (OpKind::Register, OpKind::Memory) => match a.is_based(i) {
            true => a.emit::<ToReg<T, Mem<LongBase>>>(i),
            false => a.emit_either::<ToReg<T, Mem<Long>>, ToReg<T, Mem<Segmented>>>(i),
        },
        (OpKind::Register, _) => a.emit::<ToReg<T, Imm>>(i),
        (_, OpKind::Register) => match a.is_based(i) {
            true => a.emit::<ToMem<T, Reg, LongBase>>(i),
            false => a.emit_either::<ToMem<T, Reg, Long>, ToMem<T, Reg, Segmented>>(i),
        },
        _ => a.emit_either::<ToMem<T, Imm, Long>, ToMem<T, Imm, Segmented>>(i),
    };
    if i.op0_kind() == OpKind::Register {
        op.r[0] = gpr_number(i.op0_register());
    }
    match i.op1_kind() {
        OpKind::Register => op.r[1] = gpr_number(i.op1_register()),
        OpKind::Memory => {}
        _ => op.imm = i.immediate(1),
    }
}

/// MOV between the accumulator and a 64-bit offset, which has no room but in the immediate.
fn absolute<T: Int>(i: &Instruction, a: &mut Assembler) {
    use crate::engine::software::dispatch::Slow;
    let op = if i.op0_kind() == OpKind::Register {
        a.complex(i, |cpu, op| {
            let value = cpu.load::<Slow, T>(cpu.seg_of(op), op.imm)?;
            T::put(cpu, 0, value);
            Ok(Flow::Next)
        })
    } else {
        a.complex(i, |cpu, op| {
            let value = T::get(cpu, 0);
            cpu.store::<Slow, T>(cpu.seg_of(op), op.imm, value)?;
            Ok(Flow::Next)
        })
    };
    op.imm = i.memory_displacement64();
}

/// MOV of a segment register to a general register (zero-extended) or to a word in memory.
fn from_segment(i: &Instruction, a: &mut Assembler) -> bool {
    let op = if i.op0_kind() == OpKind::Memory {
        a.complex(i, |cpu, op| {
            use crate::engine::software::dispatch::Slow;
            let selector = cpu.seg[usize::from(op.r[1] % 6)].selector;
            let offset = cpu.ea(op);
            cpu.store::<Slow, u16>(cpu.seg_of(op), offset, selector)?;
            Ok(Flow::Next)
        })
    } else {
        let op = wide!(operand_size(i, 0), T => a.complex(i, |cpu, op| {
            let selector = cpu.seg[usize::from(op.r[1] % 6)].selector;
            T::put(cpu, op.r[0], T::narrow(selector.into()));
            Ok(Flow::Next)
        }));
        op.r[0] = gpr_number(i.op0_register());
        op
    };
    op.r[1] = segment_number(i.op1_register());
    true
}

fn extend<const SIGN: bool>(i: &Instruction, a: &mut Assembler) {
    wide!(operand_size(i, 0), T => match operand_size(i, 1) {
        1 => extend_in::<T, u8, SIGN>(i, a),
        2 => extend_in::<T, u16, SIGN>(i, a),
        _ => extend_in::<T, u32, SIGN>(i, a),
    });
}

fn extend_in<T: Int, F: Int, const SIGN: bool>(i: &Instruction, a: &mut Assembler) {
    let op = if i.op1_kind() == OpKind::Register {
        let op = a.emit::<Extend<T, F, Reg, SIGN>>(i);
        op.r[1] = gpr_number(i.op1_register());
        op
    } else {
        a.emit_either::<Extend<T, F, Mem<Long>, SIGN>, Extend<T, F, Mem<Segmented>, SIGN>>(i)
    };
    op.r[0] = gpr_number(i.op0_register());
}

fn lea(i: &Instruction, a: &mut Assembler) {
    let long = crate::engine::software::x86_64::decode::address_size(i) == Size::Bits64;
    let op = wide!(operand_size(i, 0), T => {
        if long && !i.memory_index().is_gpr() {
            a.emit::<LeaBase<T>>(i)
        } else if long {
            a.emit::<Lea<T, true>>(i)
        } else {
            a.emit::<Lea<T, false>>(i)
        }
    });
    op.r[0] = gpr_number(i.op0_register());
}

fn xchg(i: &Instruction, a: &mut Assembler) {
    width!(operand_size(i, 0), T => {
        let (memory, register) = match (i.op0_kind(), i.op1_kind()) {
            (OpKind::Register, OpKind::Register) => {
                let op = a.emit::<Swap<T>>(i);
                op.r[0] = gpr_number(i.op0_register());
                op.r[1] = gpr_number(i.op1_register());
                return;
            }
            (OpKind::Memory, _) => (true, i.op1_register()),
            _ => (true, i.op0_register()),
        };
        if memory {
            a.emit::<SwapMem<T>>(i).r[0] = gpr_number(register);
        }
    });
}

fn movbe(i: &Instruction, a: &mut Assembler) {
    wide!(operand_size(i, 0), T => {
        if i.op0_kind() == OpKind::Register {
            a.emit::<Movbe<T, true>>(i).r[0] = gpr_number(i.op0_register());
        } else {
            a.emit::<Movbe<T, false>>(i).r[0] = gpr_number(i.op1_register());
        }
    });
}

fn is_setcc(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Seto
            | Mnemonic::Setno
            | Mnemonic::Setb
            | Mnemonic::Setae
            | Mnemonic::Sete
            | Mnemonic::Setne
            | Mnemonic::Setbe
            | Mnemonic::Seta
            | Mnemonic::Sets
            | Mnemonic::Setns
            | Mnemonic::Setp
            | Mnemonic::Setnp
            | Mnemonic::Setl
            | Mnemonic::Setge
            | Mnemonic::Setle
            | Mnemonic::Setg
    )
}

fn is_cmovcc(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Cmovo
            | Mnemonic::Cmovno
            | Mnemonic::Cmovb
            | Mnemonic::Cmovae
            | Mnemonic::Cmove
            | Mnemonic::Cmovne
            | Mnemonic::Cmovbe
            | Mnemonic::Cmova
            | Mnemonic::Cmovs
            | Mnemonic::Cmovns
            | Mnemonic::Cmovp
            | Mnemonic::Cmovnp
            | Mnemonic::Cmovl
            | Mnemonic::Cmovge
            | Mnemonic::Cmovle
            | Mnemonic::Cmovg
    )
}

fn conditional(i: &Instruction, a: &mut Assembler) -> bool {
    if is_setcc(i.mnemonic()) {
        return condition!(i.condition_code(), C => {
            if i.op0_kind() == OpKind::Register {
                a.emit::<Set<C>>(i).r[0] = gpr_number(i.op0_register());
            } else {
                a.emit::<SetMem<C>>(i);
            }
            true
        });
    }
    if !is_cmovcc(i.mnemonic()) {
        return false;
    }
    condition!(i.condition_code(), C => {
        let op = wide!(operand_size(i, 0), T => {
            if i.op1_kind() == OpKind::Register {
                a.emit::<Cmov<C, T, Reg>>(i)
            } else {
                a.emit::<Cmov<C, T, Mem<Segmented>>>(i)
            }
        });
        op.r[0] = gpr_number(i.op0_register());
        if i.op1_kind() == OpKind::Register {
            op.r[1] = gpr_number(i.op1_register());
        }
        true
    })
}

const _: () = assert!(ZERO == 16 && MASKS[0] == 0xffff);
