//! Moves between a vector register, or half of one, and memory-mapped I/O, of 4 to 32 bytes: `instruction` sends them here.

use iced_x86::{EncodingKind, Instruction, Mnemonic, OpKind, Register};

use super::Stop;
use super::instruction::UNKNOWN;
use super::machine::Machine;

/// What a move takes or replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The register, whose bytes beyond the operand a load clears, up to the 16 that SSE knows.
    Whole,
    /// Its low 8 bytes; a load keeps the other 8.
    Low,
    /// Its bytes 8 to 15; a load keeps the low 8.
    High,
}

/// The SSE and AVX forms are the same moves. `None` for anything else.
fn part(mnemonic: Mnemonic) -> Option<Part> {
    use Mnemonic as M;
    Some(match mnemonic {
        M::Movaps | M::Movapd | M::Movups | M::Movupd | M::Movdqa | M::Movdqu => Part::Whole,
        M::Vmovaps | M::Vmovapd | M::Vmovups | M::Vmovupd | M::Vmovdqa | M::Vmovdqu => Part::Whole,
        M::Lddqu | M::Movntdqa | M::Movntdq | M::Movntps | M::Movntpd => Part::Whole,
        M::Vlddqu | M::Vmovntdqa | M::Vmovntdq | M::Vmovntps | M::Vmovntpd => Part::Whole,
        M::Movd | M::Movq | M::Movss | M::Movsd => Part::Whole,
        M::Vmovd | M::Vmovq | M::Vmovss | M::Vmovsd => Part::Whole,
        M::Movlps | M::Movlpd | M::Vmovlps | M::Vmovlpd => Part::Low,
        M::Movhps | M::Movhpd | M::Vmovhps | M::Vmovhpd => Part::High,
        _ => return None,
    })
}

pub(super) fn execute(machine: &mut Machine<'_>) -> Result<(), Stop> {
    let instruction = machine.instruction;
    let part = part(instruction.mnemonic()).ok_or(UNKNOWN)?;
    let is_vex = match instruction.encoding() {
        EncodingKind::Legacy => false,
        EncodingKind::VEX => true,
        // Masks and 64 bytes are not done here.
        _ => return Err(UNKNOWN),
    };
    let last = instruction.op_count().wrapping_sub(1);
    if instruction.op0_kind() == OpKind::Memory && last == 1 {
        return store(machine, part, instruction.op1_register());
    }
    let is_load = instruction.op0_kind() == OpKind::Register
        && matches!(last, 1 | 2)
        && instruction.op_kind(last) == OpKind::Memory;
    if !is_load {
        return Err(UNKNOWN);
    }
    load(machine, instruction, part, last, is_vex)
}

fn load(
    machine: &mut Machine<'_>,
    instruction: &Instruction,
    part: Part,
    last: u32,
    is_vex: bool,
) -> Result<(), Stop> {
    let size = instruction.memory_size().size();
    let to = number(instruction.op0_register())?;
    // What half a register is merged with: VEX names it.
    let other = if last == 2 {
        number(instruction.op1_register())?
    } else {
        to
    };
    let address = machine.address(last)?;
    let value = machine.load(address, size.min(16))?;
    let value = match part {
        Part::Whole => value,
        Part::Low => machine.vector(other)?.0 >> 64 << 64 | value,
        Part::High => machine.vector(other)?.0 & u128::from(u64::MAX) | value << 64,
    };
    if !is_vex {
        return machine.set_vector(to, value);
    }
    let upper = if size > 16 {
        machine.load(address.wrapping_add(16), size - 16)?
    } else {
        0
    };
    machine.set_wide_vector(to, value, upper)
}

fn store(machine: &mut Machine<'_>, part: Part, from: Register) -> Result<(), Stop> {
    let size = machine.instruction.memory_size().size();
    let (value, upper) = machine.vector(number(from)?)?;
    let value = if part == Part::High {
        value >> 64
    } else {
        value
    };
    let address = machine.address(0)?;
    machine.store(address, size.min(16), value)?;
    if size > 16 {
        machine.store(address.wrapping_add(16), size - 16, upper)?;
    }
    Ok(())
}

/// The number of an XMM or YMM register.
fn number(register: Register) -> Result<usize, Stop> {
    if register.is_xmm() || register.is_ymm() {
        Ok(register.number())
    } else {
        Err(UNKNOWN)
    }
}
