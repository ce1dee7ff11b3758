//! What each instruction that can meet memory-mapped I/O does: `machine` has its operands.

use iced_x86::{CpuidFeature, Mnemonic, OpKind, Register};

use super::Stop;
use super::alu::{Alu, alu};
use super::machine::{Machine, mask};
use crate::x86_64::reg::Rflags;

const UNKNOWN: Stop = Stop::Impossible("this instruction is not emulated on memory-mapped I/O");

/// Does the instruction as far as the client has answered.
pub(super) fn execute(machine: &mut Machine<'_>) -> Result<(), Stop> {
    if machine.instruction.is_string_instruction() && is_string(machine.instruction.mnemonic()) {
        return string(machine);
    }
    match machine.instruction.mnemonic() {
        Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movnti => {
            let value = machine.operand(1)?;
            machine.set_operand(0, value)
        }
        Mnemonic::Movsx | Mnemonic::Movsxd => {
            let size = machine.operand_size(1);
            let value = machine.operand(1)?;
            let shift = 64 - 8 * size as u32;
            machine.set_operand(0, ((value << shift) as i64 >> shift) as u64)
        }
        Mnemonic::Movbe => {
            let size = machine.operand_size(0);
            let value = machine.operand(1)?;
            machine.set_operand(0, value.swap_bytes() >> (64 - 8 * size))
        }
        Mnemonic::Add => binary(machine, Alu::Add, true),
        Mnemonic::Adc => binary(machine, Alu::Adc, true),
        Mnemonic::Sub => binary(machine, Alu::Sub, true),
        Mnemonic::Sbb => binary(machine, Alu::Sbb, true),
        Mnemonic::And => binary(machine, Alu::And, true),
        Mnemonic::Or => binary(machine, Alu::Or, true),
        Mnemonic::Xor => binary(machine, Alu::Xor, true),
        Mnemonic::Cmp => binary(machine, Alu::Sub, false),
        Mnemonic::Test => binary(machine, Alu::And, false),
        Mnemonic::Inc => step(machine, Alu::Add),
        Mnemonic::Dec => step(machine, Alu::Sub),
        Mnemonic::Not => {
            let value = machine.operand(0)?;
            machine.set_operand(0, !value)
        }
        Mnemonic::Neg => {
            let size = machine.operand_size(0);
            let value = machine.operand(0)?;
            let (result, flags) = alu(Alu::Sub, 0, value, size, false);
            machine.set_operand(0, result)?;
            machine.set_status(flags)
        }
        Mnemonic::Xchg => {
            let (a, b) = (machine.operand(0)?, machine.operand(1)?);
            machine.set_operand(0, b)?;
            machine.set_operand(1, a)
        }
        Mnemonic::Xadd => {
            let size = machine.operand_size(0);
            let (a, b) = (machine.operand(0)?, machine.operand(1)?);
            let (sum, flags) = alu(Alu::Add, a, b, size, false);
            machine.set_operand(1, a)?;
            machine.set_operand(0, sum)?;
            machine.set_status(flags)
        }
        Mnemonic::Cmpxchg => compare_exchange(machine),
        Mnemonic::Bt => bit(machine, |_, _| None),
        Mnemonic::Bts => bit(machine, |value, bit| Some(value | bit)),
        Mnemonic::Btr => bit(machine, |value, bit| Some(value & !bit)),
        Mnemonic::Btc => bit(machine, |value, bit| Some(value ^ bit)),
        _ => vector_move(machine),
    }
}

fn binary(machine: &mut Machine<'_>, operation: Alu, write: bool) -> Result<(), Stop> {
    let size = machine.operand_size(0);
    let (a, b) = (machine.operand(0)?, machine.operand(1)?);
    let carry = machine.flags()?.contains(Rflags::CF);
    let (result, flags) = alu(operation, a, b, size, carry);
    if write {
        machine.set_operand(0, result)?;
    }
    machine.set_status(flags)
}

/// INC and DEC leave CF as it is.
fn step(machine: &mut Machine<'_>, operation: Alu) -> Result<(), Stop> {
    let size = machine.operand_size(0);
    let value = machine.operand(0)?;
    let (result, flags) = alu(operation, value, 1, size, false);
    machine.set_operand(0, result)?;
    let carry = machine.flags()?.contains(Rflags::CF);
    machine.set_status(flags.with(Rflags::CF, carry))
}

fn compare_exchange(machine: &mut Machine<'_>) -> Result<(), Stop> {
    let size = machine.operand_size(0);
    let accumulator = accumulator(size);
    let (expected, there) = (machine.register(accumulator)?, machine.operand(0)?);
    let new = machine.operand(1)?;
    let (_, flags) = alu(Alu::Sub, expected, there, size, false);
    if flags.contains(Rflags::ZF) {
        machine.set_operand(0, new)?;
    } else {
        // The processor writes back what was there.
        machine.set_operand(0, there)?;
        machine.set_register(accumulator, there)?;
    }
    machine.set_status(flags)
}

fn accumulator(size: usize) -> Register {
    match size {
        1 => Register::AL,
        2 => Register::AX,
        4 => Register::EAX,
        _ => Register::RAX,
    }
}

/// BT and its kin: with a register as bit number and a memory operand the number reaches beyond the operand.
fn bit(machine: &mut Machine<'_>, change: impl Fn(u64, u64) -> Option<u64>) -> Result<(), Stop> {
    let size = machine.operand_size(0);
    let width = 8 * size as u64;
    let number = machine.operand(1)?;
    let mask_bit = 1 << (number & (width - 1));
    let (value, place) = if machine.instruction.op0_kind() == OpKind::Register {
        (machine.operand(0)?, None)
    } else {
        let far = if machine.instruction.op1_kind() == OpKind::Register {
            let shift = 64 - width as u32;
            let signed = (number << shift) as i64 >> shift;
            signed.div_euclid(width as i64) * size as i64
        } else {
            0
        };
        let address = machine.address(0)?.wrapping_add_signed(far);
        (machine.load(address, size)? as u64, Some(address))
    };
    if let Some(new) = change(value, mask_bit) {
        match place {
            Some(address) => machine.store(address, size, u128::from(new & mask(size)))?,
            None => machine.set_operand(0, new)?,
        }
    }
    let carry = value & mask_bit != 0;
    let flags = machine.flags()?.with(Rflags::CF, carry);
    machine.set_status(flags)
}

fn is_string(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Movsb
            | M::Movsw
            | M::Movsd
            | M::Movsq
            | M::Stosb
            | M::Stosw
            | M::Stosd
            | M::Stosq
            | M::Lodsb
            | M::Lodsw
            | M::Lodsd
            | M::Lodsq
    )
}

/// MOVS, STOS and LODS: one round; a repeat prefix with rounds left leaves RIP where it is.
fn string(machine: &mut Machine<'_>) -> Result<(), Stop> {
    use Mnemonic as M;
    let instruction = machine.instruction;
    let size = instruction.memory_size().size();
    let (counter, source, target) = index_registers(machine)?;
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let left = machine.register(counter)?;
    if repeated && left == 0 {
        return Ok(());
    }
    let backwards = machine.flags()?.contains(Rflags::DF);
    let step = if backwards {
        (size as u64).wrapping_neg()
    } else {
        size as u64
    };
    let mnemonic = instruction.mnemonic();
    if matches!(mnemonic, M::Stosb | M::Stosw | M::Stosd | M::Stosq) {
        let value = machine.register(accumulator(size))?;
        let address = machine.address(0)?;
        machine.store(address, size, u128::from(value))?;
    } else {
        let address = machine.address(1)?;
        let value = machine.load(address, size)?;
        if matches!(mnemonic, M::Movsb | M::Movsw | M::Movsd | M::Movsq) {
            let address = machine.address(0)?;
            machine.store(address, size, value)?;
        } else {
            machine.set_register(accumulator(size), value as u64)?;
        }
    }
    let stores = !matches!(mnemonic, M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq);
    let loads = !matches!(mnemonic, M::Stosb | M::Stosw | M::Stosd | M::Stosq);
    for (register, used) in [(source, loads), (target, stores)] {
        if used {
            let moved = machine.register(register)?.wrapping_add(step);
            machine.set_register(register, moved)?;
        }
    }
    if repeated {
        machine.set_register(counter, left.wrapping_sub(1))?;
        if left != 1 {
            machine.repeat();
        }
    }
    Ok(())
}

/// Counter, source and destination of a string instruction, by its address size.
fn index_registers(machine: &Machine<'_>) -> Result<(Register, Register, Register), Stop> {
    let instruction = &machine.instruction;
    let kinds = (0..instruction.op_count()).map(|number| instruction.op_kind(number));
    for kind in kinds {
        return Ok(match kind {
            OpKind::MemorySegSI | OpKind::MemoryESDI => (Register::CX, Register::SI, Register::DI),
            OpKind::MemorySegESI | OpKind::MemoryESEDI => {
                (Register::ECX, Register::ESI, Register::EDI)
            }
            OpKind::MemorySegRSI | OpKind::MemoryESRDI => {
                (Register::RCX, Register::RSI, Register::RDI)
            }
            _ => continue,
        });
    }
    Err(UNKNOWN)
}

/// Moves between a vector register, or half of one, and memory, of 4 to 16 bytes.
fn vector_move(machine: &mut Machine<'_>) -> Result<(), Stop> {
    use Mnemonic as M;
    let instruction = machine.instruction;
    let known = matches!(
        instruction.mnemonic(),
        M::Movaps
            | M::Movapd
            | M::Movups
            | M::Movupd
            | M::Movdqa
            | M::Movdqu
            | M::Lddqu
            | M::Movntdqa
            | M::Movntdq
            | M::Movntps
            | M::Movntpd
            | M::Movd
            | M::Movq
            | M::Movss
            | M::Movsd
    );
    let half = matches!(
        instruction.mnemonic(),
        M::Movlps | M::Movlpd | M::Movhps | M::Movhpd
    );
    // VEX forms clear the upper half of the register, which is not done here.
    let plain = !instruction.cpuid_features().contains(&CpuidFeature::AVX);
    if !(known || half) || !plain || instruction.op_count() != 2 {
        return Err(UNKNOWN);
    }
    let upper = matches!(instruction.mnemonic(), M::Movhps | M::Movhpd);
    let size = instruction.memory_size().size();
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    if instruction.op0_kind() == OpKind::Register
        && to.is_xmm()
        && instruction.op1_kind() == OpKind::Memory
    {
        let address = machine.address(1)?;
        let mut value = machine.load(address, size)?;
        if half {
            let old = machine.vector(to.number())?;
            value = if upper {
                old & u128::from(u64::MAX) | value << 64
            } else {
                old >> 64 << 64 | value
            };
        }
        return machine.set_vector(to.number(), value);
    }
    if instruction.op0_kind() == OpKind::Memory && from.is_xmm() {
        let mut value = machine.vector(from.number())?;
        if upper {
            value >>= 64;
        }
        let address = machine.address(0)?;
        return machine.store(address, size, value);
    }
    Err(UNKNOWN)
}
