//! String instructions on memory-mapped I/O, one round at a time: `instruction` sends them here.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::Stop;
use super::alu::{Alu, alu};
use super::instruction::{UNKNOWN, accumulator};
use super::machine::Machine;
use crate::x86_64::reg::Rflags;

/// What a round does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// MOVS
    Move,
    /// STOS
    Store,
    /// LODS
    Load,
    /// SCAS
    Scan,
    /// CMPS
    Compare,
}

impl Round {
    /// `None` if it is no string instruction, or one of port I/O.
    pub(super) fn of(instruction: &Instruction) -> Option<Self> {
        use Mnemonic as M;
        if !instruction.is_string_instruction() {
            return None;
        }
        Some(match instruction.mnemonic() {
            M::Movsb | M::Movsw | M::Movsd | M::Movsq => Self::Move,
            M::Stosb | M::Stosw | M::Stosd | M::Stosq => Self::Store,
            M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => Self::Load,
            M::Scasb | M::Scasw | M::Scasd | M::Scasq => Self::Scan,
            M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => Self::Compare,
            _ => return None,
        })
    }

    /// Whether it has an operand at SI.
    fn has_source(self) -> bool {
        matches!(self, Self::Move | Self::Load | Self::Compare)
    }

    /// Whether it has an operand at DI.
    fn has_target(self) -> bool {
        self != Self::Load
    }

    /// Whether a repeat prefix looks at ZF.
    fn compares(self) -> bool {
        matches!(self, Self::Scan | Self::Compare)
    }
}

/// One round; a repeat prefix with rounds left leaves RIP where it is.
pub(super) fn execute(machine: &mut Machine<'_>, round: Round) -> Result<(), Stop> {
    let instruction = machine.instruction;
    let size = instruction.memory_size().size();
    let (counter, source, target) = index_registers(instruction)?;
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    let left = machine.register(counter)?;
    if repeated && left == 0 {
        return Ok(());
    }
    operate(machine, round, size)?;
    let backwards = machine.flags()?.contains(Rflags::DF);
    let step = if backwards {
        (size as u64).wrapping_neg()
    } else {
        size as u64
    };
    for (register, used) in [(source, round.has_source()), (target, round.has_target())] {
        if used {
            let moved = machine.register(register)?.wrapping_add(step);
            machine.set_register(register, moved)?;
        }
    }
    if repeated {
        machine.set_register(counter, left.wrapping_sub(1))?;
        // REPE goes on while ZF is 1, REPNE while it is 0.
        let wanted = !instruction.has_repne_prefix();
        let ended = round.compares() && machine.flags()?.contains(Rflags::ZF) != wanted;
        if left != 1 && !ended {
            machine.repeat();
        }
    }
    Ok(())
}

/// The operation on the operands, without the index registers.
fn operate(machine: &mut Machine<'_>, round: Round, size: usize) -> Result<(), Stop> {
    let accumulator = accumulator(size);
    match round {
        Round::Move => {
            let value = load(machine, 1, size)?;
            let address = machine.address(0)?;
            machine.store(address, size, value.into())
        }
        Round::Store => {
            let value = machine.register(accumulator)?;
            let address = machine.address(0)?;
            machine.store(address, size, value.into())
        }
        Round::Load => {
            let value = load(machine, 1, size)?;
            machine.set_register(accumulator, value)
        }
        Round::Scan => {
            let value = machine.register(accumulator)?;
            let other = load(machine, 1, size)?;
            machine.set_status(alu(Alu::Sub, value, other, size, false).1)
        }
        Round::Compare => {
            let value = load(machine, 0, size)?;
            let other = load(machine, 1, size)?;
            machine.set_status(alu(Alu::Sub, value, other, size, false).1)
        }
    }
}

fn load(machine: &mut Machine<'_>, operand: u32, size: usize) -> Result<u64, Stop> {
    let address = machine.address(operand)?;
    Ok(machine.load(address, size)? as u64)
}

/// Counter, source and destination, by the address size.
fn index_registers(instruction: &Instruction) -> Result<(Register, Register, Register), Stop> {
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
