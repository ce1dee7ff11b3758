//! Instructions into operations: the assembler of blocks, and the families that know the instructions.
//!
//! A family (`exec/…`, and others beside it) has a function [`Family`] that is offered each instruction in turn. It emits
//! operations and answers true, or answers false and emits nothing. Nobody's instruction raises #UD.

use iced_x86::{Instruction, MemorySize, OpKind, Register};

use super::Done;
use super::access::Operation;
use super::cpu::{Cpu, RIP, Seg, ZERO};
use super::exec;
use super::exec::fused::Comparison;
use super::exec::stack_runs::Run;
use super::mode::{Mode, Size};
use crate::engine::software::dispatch::{Flow, Links, Near, Op, Path, Step, Stop};
use crate::memory::PAGE;

/// A family of instructions: emits operations for one of its own, or answers false.
pub(crate) type Family = fn(&Instruction, &mut Assembler) -> bool;

/// All families, most frequent first.
const FAMILIES: &[Family] = &[
    exec::mov::decode,
    exec::alu::decode,
    exec::branch::decode,
    exec::stack::decode,
    exec::shift::decode,
    exec::bit::decode,
    exec::muldiv::decode,
    exec::string::decode,
    exec::flag::decode,
    exec::bmi::decode,
    exec::atomic::decode,
    exec::bcd::decode,
    super::system::decode,
    super::io::decode,
    super::segment::decode,
    super::transfer::decode,
    super::interrupt::decode,
    super::iret::decode,
    super::syscall::decode,
    super::control::decode,
    super::tables::decode,
    exec::misc::decode,
    super::sse::decode,
    super::fpu::decode,
    super::vmx::instructions::decode,
];

/// An instruction's step. What [`Step`] is to the dispatcher, with the bookkeeping of RIP done by [`At`].
pub(crate) trait Exec: 'static {
    /// Touches memory through its path, or may raise an exception: has a slow copy. An error of the fast one means to run the slow one.
    const MEMORY: bool = false;
    /// Always ends its block.
    const ENDS: bool = false;
    /// Calls functions of a table, or others that it lends places of its stack frame: see [`Step::OUTLINE`].
    const OUTLINE: bool = false;
    /// Does it. RIP is that of the block's start; see `Cpu::next_rip`.
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done;
}

/// Runs `X`, and sets RIP to its instruction when it traps.
#[derive(Debug)]
pub(crate) struct At<X>(core::marker::PhantomData<X>);

impl<X: Exec> Step<Cpu> for At<X> {
    const MEMORY: bool = X::MEMORY;
    const ENDS: bool = X::ENDS;
    const OUTLINE: bool = X::OUTLINE;

    #[inline(always)]
    fn step<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let done = X::run::<P>(cpu, op);
        if X::MEMORY && !P::SLOW {
            // Whatever it was, the slow copy finds it again: so the fast one needs no call that is not its last act.
            return done.map_err(|_| Stop::Miss);
        }
        if done == Err(Stop::Trap) {
            cpu.trapped(op);
        }
        done
    }
}

impl Cpu {
    #[cold]
    #[inline(never)]
    fn trapped(&mut self, op: &Operation) {
        self.rip = self.rip.wrapping_add(u64::from(op.at)) & self.mode.linear_mask;
        // Bit 7 of the length: two instructions in one, and the first has trapped.
        let fused = op.len >> 7;
        self.retire(op.x[2].saturating_sub(1 + fused));
    }
}

/// How an instruction refers to its operands in the fields of an operation.
///
/// `r[2]`, `r[3]`, `r[4]`, `disp`: base, index, scale (log2) and displacement of the memory operand; `x[0]`, `x[1]`: its segment and
/// address size ([`Size`]); `x[2]`: number of the instruction in its block, from 1; `len`, `at` as the dispatcher says. A step is
/// free in the use of `r[0]`, `r[1]` and `imm`, and of the memory fields if it has no memory operand.
#[derive(Debug)]
pub(crate) struct Assembler<'l> {
    ops: Vec<Operation>,
    mode: Mode,
    /// Where links come from, and those that the block has taken.
    links: &'l mut Links<Cpu>,
    taken: Vec<Near>,
    /// Where the block starts in its page.
    start: u16,
    /// Where the instruction being decoded starts in the block, and how many it and those before it are.
    at: u16,
    count: u8,
    /// The opcode of an x87 instruction: see [`Assembler::note_x87`].
    opcode: u16,
    /// One instruction only: nothing may be fused.
    pub(crate) single: bool,
    /// The comparison that was decoded last.
    pub(crate) comparison: Option<Comparison>,
    /// The PUSHes or POPs that were decoded last.
    pub(crate) run: Option<Run>,
}

impl<'l> Assembler<'l> {
    /// For a block of code that runs in `mode`, `start` bytes into its page.
    pub(crate) fn new(mode: Mode, links: &'l mut Links<Cpu>, start: u16, single: bool) -> Self {
        Self {
            ops: Vec::with_capacity(32),
            mode,
            links,
            taken: Vec::new(),
            start,
            at: 0,
            count: 0,
            opcode: 0,
            single,
            comparison: None,
            run: None,
        }
    }

    /// The mode. Only what `Mode::decode` covers may be asked for.
    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Decodes one more instruction, `at` bytes from the block's start.
    pub(crate) fn instruction(&mut self, instruction: &Instruction, at: u16) {
        self.at = at;
        self.count = self.count.saturating_add(1);
        if instruction.is_invalid() || !FAMILIES.iter().any(|family| family(instruction, self)) {
            self.complex_end(instruction, |cpu, _| Err(cpu.ud()));
        }
    }

    /// Tells the bytes of the next instruction, if it is one of the x87: its opcode becomes part of the unit's state.
    pub(crate) fn note_x87(&mut self, bytes: &[u8]) {
        self.opcode = super::fpu::opcode(bytes);
    }

    /// The opcode that was noted last.
    pub(crate) fn x87_opcode(&self) -> u16 {
        self.opcode
    }

    /// How many instructions it has decoded.
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Whether the last operation ends the block.
    pub(crate) fn has_ended(&self) -> bool {
        self.ops.last().is_some_and(Op::ends)
    }

    /// What it has made, and the links that are in it.
    pub(crate) fn finish(self) -> (Vec<Operation>, Vec<Near>) {
        (self.ops, self.taken)
    }

    /// A link for a branch to what is `by` bytes from the block's start, if that is in the block's page and cannot leave the code segment.
    pub(crate) fn link(&mut self, by: i64) -> Option<Near> {
        let target = i64::from(self.start).wrapping_add(by);
        if self.single || !self.mode.flat || !(0..PAGE as i64).contains(&target) {
            return None;
        }
        let link = self.links.take(by)?;
        self.taken.push(link);
        Some(link)
    }

    /// The operations so far: the last may be taken back by a fusing family.
    pub(crate) fn ops(&mut self) -> &mut Vec<Operation> {
        &mut self.ops
    }

    fn push(&mut self, mut op: Operation, instruction: &Instruction) -> &mut Operation {
        op.at = self.at;
        op.len = instruction.len() as u8;
        op.x[2] = self.count;
        op.r[2] = ZERO;
        op.r[3] = ZERO;
        if has_memory(instruction) {
            self.memory_operand(&mut op, instruction);
        }
        self.ops.push(op);
        let last = self.ops.len() - 1;
        &mut self.ops[last]
    }

    fn memory_operand(&self, op: &mut Operation, i: &Instruction) {
        let base = i.memory_base();
        op.x[0] = segment_number(i.memory_segment());
        op.x[1] = address_size(i) as u8;
        op.r[3] = if i.memory_index().is_gpr() {
            gpr_number(i.memory_index())
        } else {
            ZERO
        };
        op.r[4] = i.memory_index_scale().trailing_zeros() as u8;
        match base {
            Register::RIP | Register::EIP => {
                // iced gives the absolute address for the instruction pointer it was told: 0 for the block's start.
                op.r[2] = RIP;
                op.disp = i.memory_displacement64() as i32;
            }
            _ => {
                op.r[2] = if base.is_gpr() {
                    gpr_number(base)
                } else {
                    ZERO
                };
                op.disp = i.memory_displacement64() as i32;
            }
        }
    }

    /// Emits `X` with the instruction's memory operand, if it has one.
    pub(crate) fn emit<X: Exec>(&mut self, instruction: &Instruction) -> &mut Operation {
        self.push(Op::new::<At<X>>(), instruction)
    }

    /// Emits `L` if [`Assembler::is_long`], else `S`.
    pub(crate) fn emit_either<L: Exec, S: Exec>(
        &mut self,
        instruction: &Instruction,
    ) -> &mut Operation {
        if self.is_long(instruction) {
            self.emit::<L>(instruction)
        } else {
            self.emit::<S>(instruction)
        }
    }

    /// Whether the instruction's memory operand is one for `access::Long`: 64-bit mode and address size, no FS or GS.
    pub(crate) fn is_long(&self, i: &Instruction) -> bool {
        self.mode.code == Size::Bits64
            && address_size(i) == Size::Bits64
            && !matches!(i.memory_segment(), Register::FS | Register::GS)
    }

    /// Whether it is one for `access::LongBase`, which has no index.
    pub(crate) fn is_based(&self, i: &Instruction) -> bool {
        self.is_long(i) && !i.memory_index().is_gpr()
    }

    /// Emits a call of `function`, with RIP exactly at the instruction. It may answer [`Flow::End`] (RIP set to where to go on), or
    /// [`Flow::Next`] (RIP untouched).
    pub(crate) fn complex<F>(&mut self, instruction: &Instruction, function: F) -> &mut Operation
    where
        F: Fn(&mut Cpu, &Operation) -> Done + Copy + 'static,
    {
        let op = Op::with(false, move |cpu: &mut Cpu, op: &Operation| {
            call(cpu, op, function)
        });
        self.push(op, instruction)
    }

    /// The same, and the block always ends: a [`Flow::Next`] of `function` means to go on behind the instruction.
    pub(crate) fn complex_end<F>(
        &mut self,
        instruction: &Instruction,
        function: F,
    ) -> &mut Operation
    where
        F: Fn(&mut Cpu, &Operation) -> Done + Copy + 'static,
    {
        let op = Op::with(true, move |cpu: &mut Cpu, op: &Operation| {
            let flow = call(cpu, op, function)?;
            if flow == Flow::Next {
                cpu.rip = cpu.next_rip(op) & cpu.mode.linear_mask;
                cpu.retire(op.x[2]);
            }
            Ok(Flow::End)
        });
        self.push(op, instruction)
    }

    /// Ends the block behind the last instruction, which did not: code goes on at `at`.
    pub(crate) fn go_on(&mut self, at: u16) {
        let mut op = Op::with(true, |cpu: &mut Cpu, op: &Operation| {
            cpu.rip = cpu.rip.wrapping_add(u64::from(op.at)) & cpu.mode.linear_mask;
            cpu.retire(op.x[2]);
            Ok(Flow::Jump)
        });
        op.at = at;
        op.x[2] = self.count;
        self.ops.push(op);
    }
}

/// Calls a complex instruction's function with RIP at the instruction, and counts it if it ends the block.
#[inline(always)]
fn call(cpu: &mut Cpu, op: &Operation, function: impl Fn(&mut Cpu, &Operation) -> Done) -> Done {
    let start = cpu.rip;
    cpu.rip = start.wrapping_add(u64::from(op.at)) & cpu.mode.linear_mask;
    let here = cpu.rip;
    let done = function(cpu, op);
    match done {
        Ok(Flow::Next) if cpu.code_hit => {
            cpu.rip = here.wrapping_add(u64::from(op.len)) & cpu.mode.linear_mask;
            cpu.code_hit = false;
            cpu.retire(op.x[2]);
            Ok(Flow::End)
        }
        Ok(Flow::Next) => {
            cpu.rip = start;
            done
        }
        Ok(_) => {
            cpu.retire(op.x[2]);
            done
        }
        Err(_) => {
            cpu.retire(op.x[2].saturating_sub(1));
            done
        }
    }
}

/// Whether some operand is a memory operand with base, index and displacement.
pub(crate) fn has_memory(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory)
}

/// The address size of a memory operand.
pub(crate) fn address_size(i: &Instruction) -> Size {
    let by = |register: Register| match register.size() {
        2 => Some(Size::Bits16),
        4 => Some(Size::Bits32),
        8 => Some(Size::Bits64),
        _ => None,
    };
    let registers = [i.memory_base(), i.memory_index()];
    registers
        .into_iter()
        .filter(|register| register.is_gpr() || register.is_ip())
        .find_map(by)
        .unwrap_or(match i.memory_displ_size() {
            2 => Size::Bits16,
            4 => Size::Bits32,
            8 => Size::Bits64,
            // No base, index or displacement: nothing to truncate.
            _ => Size::Bits64,
        })
}

/// The number of a segment register.
pub(crate) fn segment_number(register: Register) -> u8 {
    match register {
        Register::ES => Seg::Es as u8,
        Register::CS => Seg::Cs as u8,
        Register::SS => Seg::Ss as u8,
        Register::FS => Seg::Fs as u8,
        Register::GS => Seg::Gs as u8,
        _ => Seg::Ds as u8,
    }
}

/// The number of a general register of any size. AH, CH, DH and BH have bit 7 set, over the number of the register they are in.
pub(crate) fn gpr_number(register: Register) -> u8 {
    match register {
        Register::AH | Register::CH | Register::DH | Register::BH => {
            0x80 | (register as u8 - Register::AH as u8)
        }
        // The number of the whole register: iced counts SPL to R15L from another base.
        _ => register.full_register().number() as u8,
    }
}

/// Size in bytes of operand `n`, register or memory.
pub(crate) fn operand_size(i: &Instruction, n: u32) -> usize {
    match i.op_kind(n) {
        OpKind::Register => i.op_register(n).size(),
        OpKind::Memory => memory_bytes(i.memory_size()),
        _ => 0,
    }
}

fn memory_bytes(size: MemorySize) -> usize {
    size.size()
}
