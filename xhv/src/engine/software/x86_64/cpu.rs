//! The x86 CPU's state, and the words in which it says why it stops: exceptions and VM exits.
//!
//! `mode` derives from this state what decoding and memory access depend on, `access` and `mmu` reach guest memory.

use super::contexts::Contexts;
use super::flags::{Flags, Rflags};
use super::mode::{Mode, Span};
use super::{fpu, msr, vmx};
use crate::engine::software::dispatch::{Jumps, Links, Stop};
use crate::engine::software::memory::View;

/// Number of RSP in [`Cpu::gpr`].
pub(crate) const RSP: usize = 4;
/// Number of RBP.
pub(crate) const RBP: usize = 5;
/// A slot of [`Cpu::gpr`] that is always zero: the base or index that a memory operand does not have.
pub(crate) const ZERO: u8 = 16;
/// A slot of [`Cpu::gpr`] that holds [`Cpu::rip`] while a block runs: the base of RIP-relative operands.
pub(crate) const RIP: u8 = 17;

/// A segment register with its hidden part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) selector: u16,
    /// Access rights in the format of the VMCS (Intel SDM vol. 3, table 26-2); bit 16 is "unusable".
    pub(crate) rights: u32,
    /// The last byte's offset, granularity applied.
    pub(crate) limit: u32,
    pub(crate) base: u64,
}

/// Bits of [`Segment::rights`].
#[allow(dead_code)]
impl Segment {
    pub(crate) const ACCESSED: u32 = 1;
    /// Data: writable; code: readable.
    pub(crate) const WRITABLE: u32 = 1 << 1;
    /// Data: expand-down; code: conforming.
    pub(crate) const EXPAND_DOWN: u32 = 1 << 2;
    pub(crate) const CODE: u32 = 1 << 3;
    /// Code or data, not a system segment.
    pub(crate) const S: u32 = 1 << 4;
    pub(crate) const PRESENT: u32 = 1 << 7;
    pub(crate) const LONG: u32 = 1 << 13;
    /// Default operand size, stack size, or upper bound of expand-down: 32 bits.
    pub(crate) const BIG: u32 = 1 << 14;
    pub(crate) const GRANULARITY: u32 = 1 << 15;
    pub(crate) const UNUSABLE: u32 = 1 << 16;

    /// Descriptor privilege level.
    pub(crate) fn dpl(&self) -> u8 {
        (self.rights >> 5 & 3) as u8
    }

    /// The type field: bits 3:0 of the rights.
    pub(crate) fn kind(&self) -> u8 {
        (self.rights & 15) as u8
    }

    /// Whether all of `bits` are set in the rights.
    pub(crate) fn has(&self, bits: u32) -> bool {
        self.rights & bits == bits
    }

    /// Whether it can be used for access at all.
    pub(crate) fn usable(&self) -> bool {
        self.rights & Self::UNUSABLE == 0
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) base: u64,
    pub(crate) limit: u32,
}

/// The number of a segment register, in the VMCS's order (which is the instructions' order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Seg {
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
}

impl Seg {
    /// From its number; numbers that no segment register has give DS.
    #[inline(always)]
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Es,
            1 => Self::Cs,
            2 => Self::Ss,
            4 => Self::Fs,
            5 => Self::Gs,
            _ => Self::Ds,
        }
    }
}

/// Control register bits that the CPU core asks for (Intel SDM vol. 3, 2.5).
#[derive(Debug)]
pub(crate) struct Cr;

#[allow(dead_code)]
impl Cr {
    pub(crate) const CR0_PE: u64 = 1;
    pub(crate) const CR0_MP: u64 = 1 << 1;
    pub(crate) const CR0_EM: u64 = 1 << 2;
    pub(crate) const CR0_TS: u64 = 1 << 3;
    pub(crate) const CR0_NE: u64 = 1 << 5;
    pub(crate) const CR0_WP: u64 = 1 << 16;
    pub(crate) const CR0_AM: u64 = 1 << 18;
    pub(crate) const CR0_PG: u64 = 1 << 31;
    pub(crate) const CR4_VME: u64 = 1;
    pub(crate) const CR4_PVI: u64 = 1 << 1;
    pub(crate) const CR4_TSD: u64 = 1 << 2;
    pub(crate) const CR4_DE: u64 = 1 << 3;
    pub(crate) const CR4_PSE: u64 = 1 << 4;
    pub(crate) const CR4_PAE: u64 = 1 << 5;
    pub(crate) const CR4_PGE: u64 = 1 << 7;
    pub(crate) const CR4_PCE: u64 = 1 << 8;
    pub(crate) const CR4_OSFXSR: u64 = 1 << 9;
    pub(crate) const CR4_OSXMMEXCPT: u64 = 1 << 10;
    pub(crate) const CR4_UMIP: u64 = 1 << 11;
    pub(crate) const CR4_LA57: u64 = 1 << 12;
    pub(crate) const CR4_FSGSBASE: u64 = 1 << 16;
    pub(crate) const CR4_PCIDE: u64 = 1 << 17;
    pub(crate) const CR4_OSXSAVE: u64 = 1 << 18;
    pub(crate) const CR4_SMEP: u64 = 1 << 20;
    pub(crate) const CR4_SMAP: u64 = 1 << 21;
    pub(crate) const CR4_PKE: u64 = 1 << 22;
    pub(crate) const EFER_SCE: u64 = 1;
    pub(crate) const EFER_LME: u64 = 1 << 8;
    pub(crate) const EFER_LMA: u64 = 1 << 10;
    pub(crate) const EFER_NXE: u64 = 1 << 11;
}

/// What the CPU does between instructions (the VMCS's activity state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Activity {
    #[default]
    Active,
    Halt,
    #[expect(
        dead_code,
        reason = "a state of the VMCS that clients may not set: a triple fault exits"
    )]
    Shutdown,
    WaitForSipi,
}

/// What kind of event an exception is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A fault: RIP is the instruction's, and the pushed RFLAGS has RF set (see [`Exception::sets_rf`]).
    #[default]
    Fault,
    /// A trap or abort that hardware raises: RIP is the next instruction's.
    Trap,
    /// INT n.
    SoftwareInterrupt,
    /// INT3 and INTO.
    SoftwareException,
    /// INT1.
    PrivilegedSoftwareException,
    Nmi,
    External,
}

/// An event to be delivered through the IDT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) vector: u8,
    pub(crate) error: Option<u32>,
    /// What #PF puts into CR2 and #DB into DR6.
    pub(crate) cr2_or_dr6: u64,
    pub(crate) kind: EventKind,
    /// Length of the instruction in bytes, for software events.
    pub(crate) len: u8,
}

/// A VM exit (Intel SDM vol. 3, 29.2): what goes into the exit fields of the VMCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) reason: u16,
    pub(crate) qualification: u64,
    /// Length of the instruction in bytes.
    pub(crate) len: u8,
    /// VM-exit instruction information.
    pub(crate) info: u32,
    pub(crate) linear: u64,
    pub(crate) gpa: u64,
    /// VM-exit interruption information and its error code.
    pub(crate) interruption: u32,
    pub(crate) error: u32,
    /// IDT-vectoring information and its error code.
    pub(crate) vectoring: u32,
    pub(crate) vectoring_error: u32,
}

/// Why a block was left before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    Exception(Exception),
    Exit(Exit),
}

/// Bits of [`Cpu::shadow`] (the VMCS's interruptibility state).
#[derive(Debug)]
pub(crate) struct Shadow;

#[allow(dead_code)]
impl Shadow {
    pub(crate) const STI: u32 = 1;
    pub(crate) const MOV_SS: u32 = 1 << 1;
    pub(crate) const NMI: u32 = 1 << 3;
}

/// One x86 CPU.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15; then [`ZERO`] and [`RIP`]; the rest is not used (the length is such that no
    /// byte needs a check as index).
    pub(crate) gpr: [u64; 256],
    /// While a block runs: its start. Exact outside of blocks and whenever [`Stop::Trap`] is answered.
    pub(crate) rip: u64,
    /// RFLAGS; see [`Cpu::flags`].
    pub(crate) lazy: Flags,
    pub(crate) mode: Mode,
    /// Derived from `seg` by [`Cpu::update_mode`].
    pub(crate) spans: [Span; 8],
    pub(crate) view: View,
    /// Instructions until code has to look at the world: see [`Cpu::grant`].
    budget: i64,
    /// What [`Cpu::retired`] is when the budget is used up.
    budget_end: u64,
    /// Something wants the block to end behind the current instruction: decoded code was written, a data breakpoint was met.
    pub(crate) code_hit: bool,
    /// The branch at RIP leads out of the code segment: #GP(0) is due.
    pub(crate) refused: bool,
    /// Something is pending that `events::boundary` has to look at: set by [`Cpu::attend`].
    pub(crate) check: bool,
    pub(crate) seg: [Segment; 6],
    pub(crate) ldtr: Segment,
    pub(crate) tr: Segment,
    pub(crate) gdtr: Table,
    pub(crate) idtr: Table,
    pub(crate) cr0: u64,
    pub(crate) cr2: u64,
    pub(crate) cr3: u64,
    pub(crate) cr4: u64,
    pub(crate) cr8: u64,
    pub(crate) efer: u64,
    pub(crate) xcr0: u64,
    /// Protection keys of user pages; [`Cpu::update_mode`] after a change.
    pub(crate) pkru: u32,
    /// DR0 to DR3, DR6 and DR7 at their numbers.
    pub(crate) dr: [u64; 8],
    /// PAE paging without IA-32e mode: the four page-directory-pointer entries.
    pub(crate) pdpte: [u64; 4],
    pub(crate) msr: msr::Msrs,
    pub(crate) fpu: fpu::State,
    pub(crate) vmx: vmx::Controls,
    pub(crate) trap: Option<Trap>,
    /// Blocking by STI, MOV SS and NMI: bits of [`Shadow`].
    pub(crate) shadow: u32,
    /// Debug exceptions that wait for the instruction's end, in the format of the VMCS's field (SDM vol. 3, table 26-4).
    pub(crate) pending_debug: u64,
    /// The instruction at RIP is a repetition that has done some of its elements: to the end of the boundary that follows.
    pub(crate) midway: bool,
    /// An operation has answered [`Stop::Trap`] and holds no trap: its instruction wants to be done with the bus locked.
    pub(crate) wants_bus: bool,
    /// The bus is locked for the instruction that runs.
    pub(crate) has_bus: bool,
    /// The instruction has masked TF for its own step, too (SYSCALL).
    pub(crate) unstepped: bool,
    pub(crate) activity: Activity,
    /// From RIP and `code_key` to decoded code.
    pub(crate) jumps: Jumps<Self>,
    /// Where branches inside a page lead to.
    pub(crate) links: Links<Self>,
    pub(crate) code_key: u64,
    pub(crate) contexts: Contexts,
    /// Seed of RDRAND and RDSEED; zero takes the host's generator.
    pub(crate) seed: u64,
}

impl Exception {
    /// Whether RF is set in the RFLAGS that it pushes, of an instruction that is not midway: of every fault but that of an instruction
    /// breakpoint, which general detection (BD of DR6) is not (SDM vol. 3, 18.3.1.1). #DF is an abort.
    pub(crate) fn sets_rf(&self) -> bool {
        const BD: u64 = 1 << 13;
        let breakpoint = self.vector == 1 && self.cr2_or_dr6 & BD == 0;
        self.kind == EventKind::Fault && !breakpoint && self.vector != 8
    }
}

impl Cpu {
    /// A CPU after RESET (Intel SDM vol. 3, table 11-1) over `view`.
    pub(crate) fn new(view: View) -> Self {
        let data = Segment {
            selector: 0,
            rights: 0x93,
            limit: 0xffff,
            base: 0,
        };
        let code = Segment {
            selector: 0xf000,
            rights: 0x9b,
            base: 0xffff_0000,
            ..data
        };
        let mut cpu = Self {
            gpr: [0; 256],
            rip: 0xfff0,
            lazy: Flags::default(),
            mode: Mode::default(),
            spans: [Span::default(); 8],
            view,
            budget: i64::MAX,
            budget_end: i64::MAX as u64,
            code_hit: false,
            refused: false,
            check: false,
            seg: [data, code, data, data, data, data],
            ldtr: Segment {
                rights: 0x82,
                ..data
            },
            tr: Segment {
                rights: 0x8b,
                ..data
            },
            gdtr: Table {
                base: 0,
                limit: 0xffff,
            },
            idtr: Table {
                base: 0,
                limit: 0xffff,
            },
            cr0: 0x6000_0010,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            cr8: 0,
            efer: 0,
            xcr0: 1,
            pkru: 0,
            dr: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
            pdpte: [0; 4],
            msr: msr::Msrs::default(),
            fpu: fpu::State::default(),
            vmx: vmx::Controls::default(),
            trap: None,
            shadow: 0,
            pending_debug: 0,
            midway: false,
            wants_bus: false,
            has_bus: false,
            unstepped: false,
            activity: Activity::Active,
            jumps: Jumps::default(),
            links: Links::default(),
            code_key: 0,
            contexts: Contexts::default(),
            seed: 0,
        };
        cpu.lazy.set_value(Rflags::ONE);
        cpu.update_mode();
        cpu
    }

    /// Instructions executed.
    #[inline(always)]
    pub(crate) fn retired(&self) -> u64 {
        self.budget_end.wrapping_sub(self.budget as u64)
    }

    /// Counts instructions as executed.
    #[inline(always)]
    pub(crate) fn retire(&mut self, instructions: u8) {
        self.budget -= i64::from(instructions);
    }

    /// Takes back that an instruction was executed.
    pub(crate) fn unretire(&mut self) {
        self.budget += 1;
    }

    /// Lets code go on for so many instructions without a look at the world.
    pub(crate) fn grant(&mut self, instructions: u16) {
        self.budget_end = self.retired().wrapping_add(instructions.into());
        self.budget = instructions.into();
    }

    /// Whether code may go on without a look at the world.
    #[inline(always)]
    pub(crate) fn has_budget(&self) -> bool {
        self.budget > 0
    }

    /// Whether somebody wants a look at the world now: for instructions that take long.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.has_budget() || self.view.slot().attention() != 0
    }

    /// Makes [`Cpu::retired`] answer `instructions`.
    #[cfg(test)]
    pub(crate) fn set_retired(&mut self, instructions: u64) {
        self.budget_end = instructions.wrapping_add(self.budget as u64);
    }

    /// Asks for a look at the world before the next block.
    pub(crate) fn attend(&mut self) {
        self.check = true;
        self.grant(0);
    }

    /// RFLAGS.
    pub(crate) fn flags(&self) -> u64 {
        self.lazy.value()
    }

    /// Replaces RFLAGS, with all that follows: translation regime, single step.
    pub(crate) fn set_flags(&mut self, value: u64) {
        let changed = self.lazy.system ^ value;
        self.lazy.set_value(value);
        if changed & (Rflags::AC | Rflags::VM | Rflags::TF | Rflags::RF | Rflags::IF) != 0 {
            self.attend();
        }
        // Each exit by a fault sets RF, and its end clears it: the mode does not depend on that.
        if changed & (Rflags::AC | Rflags::VM) != 0 {
            self.update_mode();
        }
    }

    /// Whether the CPU is in protected mode and not in virtual-8086 mode: selectors name descriptors.
    #[inline(always)]
    pub(crate) fn protected(&self) -> bool {
        self.mode.protected
    }

    /// Current privilege level.
    #[inline(always)]
    pub(crate) fn cpl(&self) -> u8 {
        self.mode.cpl
    }
}

/// Raising exceptions and exits.
#[allow(dead_code)]
impl Cpu {
    /// Holds an exception, and answers what a step has to answer then.
    #[cold]
    #[inline(never)]
    pub(crate) fn raise(&mut self, exception: Exception) -> Stop {
        self.trap = Some(Trap::Exception(exception));
        Stop::Trap
    }

    /// Holds a VM exit.
    #[cold]
    #[inline(never)]
    pub(crate) fn exit(&mut self, exit: Exit) -> Stop {
        self.trap = Some(Trap::Exit(exit));
        Stop::Trap
    }

    /// A fault; `error` is dropped in real mode, where no exception has an error code.
    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&mut self, vector: u8, error: Option<u32>) -> Stop {
        let real = self.cr0 & Cr::CR0_PE == 0;
        self.raise(Exception {
            vector,
            error: error.filter(|_| !real),
            ..Exception::default()
        })
    }

    /// Divide error.
    pub(crate) fn de(&mut self) -> Stop {
        self.fault(0, None)
    }

    /// BOUND range exceeded.
    pub(crate) fn br(&mut self) -> Stop {
        self.fault(5, None)
    }

    /// Invalid opcode.
    pub(crate) fn ud(&mut self) -> Stop {
        self.fault(6, None)
    }

    /// Device not available.
    pub(crate) fn nm(&mut self) -> Stop {
        self.fault(7, None)
    }

    /// Invalid TSS.
    pub(crate) fn ts(&mut self, error: u16) -> Stop {
        self.fault(10, Some(error.into()))
    }

    /// Segment not present.
    pub(crate) fn np(&mut self, error: u16) -> Stop {
        self.fault(11, Some(error.into()))
    }

    /// Stack fault.
    pub(crate) fn ss(&mut self, error: u16) -> Stop {
        self.fault(12, Some(error.into()))
    }

    /// General protection.
    pub(crate) fn gp(&mut self, error: u16) -> Stop {
        self.fault(13, Some(error.into()))
    }

    /// Page fault at a linear address.
    pub(crate) fn pf(&mut self, linear: u64, error: u32) -> Stop {
        self.raise(Exception {
            vector: 14,
            error: Some(error),
            cr2_or_dr6: linear,
            ..Exception::default()
        })
    }

    /// x87 floating-point error.
    pub(crate) fn mf(&mut self) -> Stop {
        self.fault(16, None)
    }

    /// Alignment check.
    pub(crate) fn ac(&mut self) -> Stop {
        self.fault(17, Some(0))
    }

    /// SIMD floating-point exception.
    pub(crate) fn xm(&mut self) -> Stop {
        self.fault(19, None)
    }
}
