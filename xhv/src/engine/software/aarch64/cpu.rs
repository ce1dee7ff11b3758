//! The state of one A64 CPU, and the small accessors that operations are made of.

use std::sync::Arc;
use std::time::Instant;

use super::debug::Debug;
use super::flags::Flags;
use super::mmu::Context;
use super::shared::{Peer, Shared};
use super::sysreg::{Reg, SystemRegisters};
use super::timer::Timer;
use crate::engine::software::dispatch::{Jumps, Links, Op, Stop};
use crate::engine::software::memory::View;

/// Index of the stack pointer in [`Cpu::x`], where an instruction means SP by 31.
pub(crate) const SP: u8 = 31;
/// Index of a register that reads as zero and is never written, where an instruction means XZR by 31.
pub(crate) const ZERO: u8 = 32;
/// Index of a register that is written and never read, where an instruction means XZR by 31.
pub(crate) const SINK: u8 = 33;

/// Why guest code stopped running: dealt with between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// A synchronous exception that EL1 takes.
    Exception(Exception),
    /// Something that the VMM gets to see.
    Exit(Exit),
    /// WFI with a GIC: sleep until an interrupt.
    Wait,
}

/// A synchronous exception to EL1; the preferred return address is the program counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// `ESR_EL1` as it will be, but for the exception class of an abort from the same level.
    pub(crate) syndrome: u64,
    /// `FAR_EL1`, where the exception sets it.
    pub(crate) far: Option<u64>,
}

/// An exit (`hv_vcpu_exit_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    /// `hv_exit_reason_t`.
    pub(crate) reason: u32,
    /// As in `ESR_EL2`.
    pub(crate) syndrome: u64,
    /// As in `FAR_EL2`.
    pub(crate) virtual_address: u64,
    /// The whole intermediate physical address of an abort.
    pub(crate) physical_address: u64,
}

impl Exit {
    /// `HV_EXIT_REASON_CANCELED`
    pub(crate) const CANCELED: u32 = 0;
    /// `HV_EXIT_REASON_EXCEPTION`
    pub(crate) const EXCEPTION: u32 = 1;
    /// `HV_EXIT_REASON_VTIMER_ACTIVATED`
    pub(crate) const VTIMER_ACTIVATED: u32 = 2;
}

/// What blocks depend on besides their code: part of their key, so that the operations need not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Mode(pub(crate) u8);

impl Mode {
    /// Runs at EL1, not EL0.
    pub(crate) const EL1: u8 = 1;
    /// `PSTATE.PAN` at EL1.
    pub(crate) const PAN: u8 = 2;
    /// FP and SIMD instructions are not trapped by `CPACR_EL1`.
    pub(crate) const FP: u8 = 4;
    /// Data accesses have to be aligned: `SCTLR_EL1.A`, or no translation, which makes all memory Device.
    pub(crate) const ALIGN: u8 = 8;
    /// The stack pointer is misaligned and an access through it has to fault.
    pub(crate) const SP_FAULT: u8 = 16;
    /// Software step or a breakpoint or watchpoint is on: one instruction at a time.
    pub(crate) const DEBUG: u8 = 32;

    pub(crate) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The translation regime of ordinary accesses, as a TLB of the view.
    pub(crate) fn regime(self) -> u8 {
        match self.0 & (Self::EL1 | Self::PAN) {
            Self::EL1 => regime::EL1,
            0 | Self::PAN => regime::EL0,
            _ => regime::EL1_PAN,
        }
    }
}

/// Translation regimes: which TLB of the view an access uses.
pub(crate) mod regime {
    /// Unprivileged accesses.
    pub(crate) const EL0: u8 = 0;
    /// Privileged accesses.
    pub(crate) const EL1: u8 = 1;
    /// Privileged accesses with `PSTATE.PAN`.
    pub(crate) const EL1_PAN: u8 = 2;
}

/// The local exclusive monitor.
///
/// It remembers what a load-exclusive read; a store-exclusive succeeds if the memory still holds that (an atomic compare and
/// exchange). A write of the same value by somebody else goes unnoticed, which the architecture's monitor would see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Monitor {
    pub(crate) va: u64,
    pub(crate) size: u8,
    pub(crate) value: u128,
}

/// `PSTATE` but for the condition flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pstate {
    /// EL1, not EL0.
    pub(crate) el1: bool,
    /// `PSTATE.SP`: SP is `SP_EL1`.
    pub(crate) sp: bool,
    /// D, A, I and F at bits 9 to 6.
    pub(crate) daif: u64,
    pub(crate) pan: bool,
    pub(crate) dit: bool,
    pub(crate) ssbs: bool,
    pub(crate) ss: bool,
    pub(crate) il: bool,
}

/// `PSTATE.I` in [`Pstate::daif`].
pub(crate) const PSTATE_I: u64 = 1 << 7;
/// `PSTATE.F` in [`Pstate::daif`].
pub(crate) const PSTATE_F: u64 = 1 << 6;
/// `PSTATE.A` in [`Pstate::daif`].
pub(crate) const PSTATE_A: u64 = 1 << 8;
/// `PSTATE.D` in [`Pstate::daif`].
pub(crate) const PSTATE_D: u64 = 1 << 9;

/// One CPU.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// X0 to X30, then [`SP`], [`ZERO`], [`SINK`]; the rest is not used (the length is such that no byte needs a check as index).
    pub(crate) x: [u64; 256],
    /// Start of the running block; the exact program counter between blocks and when a step has trapped.
    pub(crate) pc: u64,
    pub(crate) flags: Flags,
    pub(crate) mode: Mode,
    /// A second look is needed before the next block: an interrupt, a step, an illegal state. Set by [`Cpu::attend`].
    pub(crate) check: bool,
    /// Branches until attention and the clock are looked at, if it is above 0.
    pub(crate) patience: i32,
    /// When a run turned out to be long.
    pub(crate) long_since: Option<Instant>,
    /// What a look-up by code address is good for, of the lower and the upper half: see [`Cpu::update_keys`].
    pub(crate) keys: [u64; 2],
    /// From the program counter and its key to decoded code.
    pub(crate) jumps: Jumps<Self>,
    /// Where branches inside a page lead to.
    pub(crate) links: Links<Self>,
    /// V0 to V31.
    pub(crate) v: [u128; 32],
    pub(crate) fpcr: u64,
    pub(crate) fpsr: u64,
    pub(crate) pstate: Pstate,
    /// The stack pointer that is not in use: `SP_EL1` if [`Pstate::sp`] is clear, else `SP_EL0`.
    pub(crate) other_sp: u64,
    pub(crate) sys: SystemRegisters,
    /// What translation needs, derived from system registers.
    pub(crate) context: Context,
    pub(crate) view: View,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) trap: Option<Trap>,
    /// What stands for the translation of code addresses, of the lower and the upper half: changes when it may have changed.
    pub(crate) generation: [u32; 2],
    /// The event register of WFE and SEV.
    pub(crate) event: bool,
    /// What the VM's vCPUs share.
    pub(crate) shared: Arc<Shared>,
    /// Number of the vCPU.
    pub(crate) number: usize,
    /// What other vCPUs see of this one.
    pub(crate) peer: Arc<Peer>,
    pub(crate) timer: Timer,
    pub(crate) debug: Debug,
    /// IRQ and FIQ as `hv_vcpu_set_pending_interrupt` has set them, until `run` returns.
    pub(crate) lines: [bool; 2],
    /// A virtual SError is pending.
    pub(crate) serror: bool,
    /// Time spent in WFI, in ticks.
    pub(crate) wait_ticks: u64,
}

impl Cpu {
    /// A CPU as the framework creates it: EL1h, interrupts masked, everything else zero.
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Self {
        let ipa_bits = shared.ipa_bits;
        let view = View::new(shared.space.clone());
        let peer = shared.join(view.slot().clone());
        let mut cpu = Self {
            x: [0; 256],
            pc: 0,
            flags: Flags::from_bits(0),
            mode: Mode::default(),
            check: false,
            patience: 0,
            long_since: None,
            keys: [0; 2],
            jumps: Jumps::default(),
            links: Links::default(),
            v: [0; 32],
            fpcr: 0,
            fpsr: 0,
            pstate: Pstate {
                el1: true,
                sp: true,
                daif: PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F,
                ..Pstate::default()
            },
            other_sp: 0,
            sys: SystemRegisters::new(ipa_bits),
            context: Context::new(ipa_bits),
            view,
            monitor: None,
            trap: None,
            generation: [0; 2],
            event: false,
            shared,
            number,
            peer,
            timer: Timer::default(),
            debug: Debug::default(),
            lines: [false; 2],
            serror: false,
            wait_ticks: 0,
        };
        cpu.update_context();
        cpu
    }

    /// Reads a register by its index in [`Cpu::x`].
    #[inline(always)]
    pub(crate) fn get(&self, register: u8) -> u64 {
        self.x[usize::from(register)]
    }

    /// Writes a register by its index in [`Cpu::x`].
    #[inline(always)]
    pub(crate) fn set(&mut self, register: u8, value: u64) {
        self.x[usize::from(register)] = value;
    }

    /// Address of the instruction that `op` belongs to.
    #[inline(always)]
    pub(crate) fn pc_of(&self, op: &Op<Self>) -> u64 {
        self.pc.wrapping_add(u64::from(op.at))
    }

    /// Holds `trap` with the program counter at the instruction of `op`.
    #[cold]
    pub(crate) fn stop(&mut self, op: &Op<Self>, trap: Trap) -> Stop {
        self.pc = self.pc_of(op);
        self.trap = Some(trap);
        Stop::Trap
    }

    /// Recomputes [`Cpu::mode`]; to be called after anything that it depends on has changed.
    pub(crate) fn update_mode(&mut self) {
        let sctlr = self.sys[Reg::SCTLR_EL1];
        let el1 = self.pstate.el1;
        let mut mode = 0;
        let mut set = |on: bool, bit| mode |= if on { bit } else { 0 };
        set(el1, Mode::EL1);
        set(el1 && self.pstate.pan, Mode::PAN);
        let fpen = self.sys[Reg::CPACR_EL1] >> 20 & 3;
        set(fpen == 3 || (fpen == 1 && el1), Mode::FP);
        set(sctlr & 1 == 0 || sctlr & 2 != 0, Mode::ALIGN);
        let checked = sctlr & if el1 { 1 << 3 } else { 1 << 4 } != 0;
        set(checked && self.x[usize::from(SP)] & 15 != 0, Mode::SP_FAULT);
        set(self.debug_is_on(), Mode::DEBUG);
        self.mode = Mode(mode);
        self.update_keys();
        if self.sys[Reg::MDSCR_EL1] != 0 || self.debug.watching {
            self.update_watching();
        }
    }

    /// The stack pointer in use has got a new value that need not be aligned. Answers whether blocks depend on it.
    #[inline]
    pub(crate) fn sp_changed(&mut self) -> bool {
        if (self.x[usize::from(SP)] & 15 != 0) == self.mode.has(Mode::SP_FAULT) {
            return false;
        }
        let before = self.mode;
        self.update_mode();
        before != self.mode
    }

    /// Code and data addresses of both halves may translate differently from now on.
    pub(crate) fn translation_changed(&mut self) {
        self.view.flush();
        self.code_changed();
    }

    /// What was looked up by code address has to be looked up anew.
    pub(crate) fn code_changed(&mut self) {
        for generation in &mut self.generation {
            *generation = generation.wrapping_add(1);
        }
        self.update_keys();
    }

    /// Makes the keys of look-ups by code address from generation and mode. A key is never 0.
    pub(crate) fn update_keys(&mut self) {
        let mode = 1 << 8 | u64::from(self.mode.0);
        self.keys = self
            .generation
            .map(|generation| u64::from(generation) << 32 | mode);
    }

    /// The key of a look-up by this code address.
    #[inline(always)]
    pub(crate) fn key(&self, address: u64) -> u64 {
        self.keys[(address >> 55 & 1) as usize]
    }

    /// `PSTATE` as in `SPSR_EL1` and `HV_REG_CPSR`.
    pub(crate) fn cpsr(&self) -> u64 {
        let state = &self.pstate;
        let level = if !state.el1 {
            0
        } else {
            4 | u64::from(state.sp)
        };
        self.flags.bits()
            | u64::from(state.dit) << 24
            | u64::from(state.pan) << 22
            | u64::from(state.ss) << 21
            | u64::from(state.il) << 20
            | u64::from(state.ssbs) << 12
            | state.daif
            | level
    }

    /// Sets all of `PSTATE` from the form of `SPSR_EL1`. The mode has to be EL0t, EL1t or EL1h: see [`legal_mode`].
    pub(crate) fn set_cpsr(&mut self, value: u64) {
        self.flags = Flags::from_bits(value);
        let el1 = value & 0xc != 0;
        self.select_sp(el1 && value & 1 != 0);
        self.pstate = Pstate {
            el1,
            sp: el1 && value & 1 != 0,
            daif: value & 0x3c0,
            pan: value & (1 << 22) != 0,
            dit: value & (1 << 24) != 0,
            ssbs: value & (1 << 12) != 0,
            ss: value & (1 << 21) != 0,
            il: value & (1 << 20) != 0,
        };
        self.debug.stepped = None;
        self.attend();
        self.update_mode();
    }

    /// Asks for a second look before the next block.
    pub(crate) fn attend(&mut self) {
        self.check = true;
        self.patience = 0;
    }

    /// Brings `SP_EL1` (or `SP_EL0`) into use.
    pub(crate) fn select_sp(&mut self, sp_el1: bool) {
        if self.pstate.sp != sp_el1 {
            core::mem::swap(&mut self.other_sp, &mut self.x[usize::from(SP)]);
            self.pstate.sp = sp_el1;
        }
    }

    /// `SP_EL0` (false) or `SP_EL1` (true).
    pub(crate) fn stack_pointer(&mut self, sp_el1: bool) -> &mut u64 {
        if self.pstate.sp == sp_el1 {
            &mut self.x[usize::from(SP)]
        } else {
            &mut self.other_sp
        }
    }
}

/// Whether the mode field of a saved program status is one that the CPU can be in: EL0t, EL1t, EL1h in AArch64 state.
pub(crate) fn legal_mode(status: u64) -> bool {
    matches!(status & 0x1f, 0 | 4 | 5)
}
