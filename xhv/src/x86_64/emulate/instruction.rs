//! What each instruction that can meet memory-mapped I/O does: `machine` has its operands, `string` and `vector` their instructions.

use iced_x86::{Mnemonic, OpKind, Register};

use super::Stop;
use super::alu::{Alu, alu};
use super::machine::{Machine, mask};
use super::{string, vector};
use crate::x86_64::reg::Rflags;

pub(super) const UNKNOWN: Stop =
    Stop::Impossible("this instruction is not emulated on memory-mapped I/O");

/// Does the instruction as far as the client has answered.
pub(super) fn execute(machine: &mut Machine<'_>) -> Result<(), Stop> {
    if let Some(round) = string::Round::of(machine.instruction) {
        return string::execute(machine, round);
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
        Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b => compare_exchange_pair(machine),
        Mnemonic::Bt => bit(machine, |_, _| None),
        Mnemonic::Bts => bit(machine, |value, bit| Some(value | bit)),
        Mnemonic::Btr => bit(machine, |value, bit| Some(value & !bit)),
        Mnemonic::Btc => bit(machine, |value, bit| Some(value ^ bit)),
        _ => vector::execute(machine),
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

/// CMPXCHG8B and CMPXCHG16B: EDX:EAX or RDX:RAX with ECX:EBX or RCX:RBX. Of the flags only ZF changes.
fn compare_exchange_pair(machine: &mut Machine<'_>) -> Result<(), Stop> {
    let size = machine.instruction.memory_size().size();
    let [high, low, new_high, new_low] = if size == 8 {
        [Register::EDX, Register::EAX, Register::ECX, Register::EBX]
    } else {
        [Register::RDX, Register::RAX, Register::RCX, Register::RBX]
    };
    let half = size / 2;
    let pair = |high: u64, low: u64| u128::from(high) << (8 * half) | u128::from(low);
    let expected = pair(machine.register(high)?, machine.register(low)?);
    let new = pair(machine.register(new_high)?, machine.register(new_low)?);
    let address = machine.address(0)?;
    let there = machine.load(address, size)?;
    let equal = there == expected;
    // The processor writes back what was there if it differs.
    machine.store(address, size, if equal { new } else { there })?;
    if !equal {
        machine.set_register(high, (there >> (8 * half)) as u64)?;
        machine.set_register(low, there as u64)?;
    }
    let flags = machine.flags()?.with(Rflags::ZF, equal);
    machine.set_status(flags)
}

pub(super) fn accumulator(size: usize) -> Register {
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
