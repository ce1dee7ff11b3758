//! The run loop: one block after another, and between them whatever somebody wants attention for.

use super::blocks::Blocks;
use super::cpu::{Activity, Cpu, Exception, Exit, RIP, Shadow, Trap};
use super::debug::SINGLE_STEP;
use super::flags::Rflags;
use crate::engine::software::dispatch::{Outcome, Stop, go_on};
use crate::engine::software::memory::Attention;

/// Instructions after which timers and attention are looked at, whatever happens: some microseconds.
const QUANTUM: u16 = 1 << 12;

/// What the loop asks of the virtual machine around the CPU.
pub(crate) trait World {
    /// An instruction boundary with `Cpu::check` set, or at which time has passed: windows, timers, interrupts, debug traps.
    fn boundary(cpu: &mut Cpu) -> Result<(), Stop>;
    /// The CPU has raised an exception: deliver it, or make it an exit.
    fn exception(cpu: &mut Cpu, exception: Exception) -> Result<(), Stop>;
    /// The CPU is not active: wait for something to do.
    fn wait(cpu: &mut Cpu) -> Result<(), Stop>;
    /// Somebody has set [`Attention::CANCEL`] or [`Attention::EVENT`].
    fn attention(cpu: &mut Cpu, bits: u32) -> Result<(), Stop>;
    /// Whether each instruction ends at a boundary (monitor trap flag); asked while `Cpu::check` is set.
    fn steps(cpu: &Cpu) -> bool;
}

impl Cpu {
    /// Runs the guest until a VM exit.
    pub(crate) fn run<W: World>(&mut self, blocks: &mut Blocks) -> Exit {
        if self.view.enter() {
            self.remapped(blocks);
        }
        self.grant(QUANTUM);
        let exit = loop {
            // An error leaves its reason in `trap`.
            let _ = match core::mem::take(&mut self.wants_bus) {
                false => self.blocks::<W>(blocks),
                true => self.with_bus(blocks),
            };
            match self.trap.take() {
                Some(Trap::Exit(exit)) => break exit,
                Some(Trap::Exception(exception)) => {
                    // An error leaves its reason in `trap`, which the next turn of the loop finds.
                    if W::exception(self, exception).is_err()
                        && let Some(Trap::Exit(exit)) = self.trap.take()
                    {
                        break exit;
                    }
                }
                None => {}
            }
        };
        self.view.leave();
        exit
    }

    /// Runs blocks until one of them, or something between them, holds a trap.
    fn blocks<W: World>(&mut self, blocks: &mut Blocks) -> Result<(), Stop> {
        loop {
            // Before anything else is done with RIP: it is at the target.
            let mut link = self.links.take_wanted();
            if self.check
                || !self.has_budget()
                || self.view.slot().attention() != 0
                || self.activity != Activity::Active
            {
                self.between::<W>(blocks)?;
                link = None;
            }
            if self.is_single::<W>() {
                self.single(blocks)?;
                continue;
            }
            let chained = if link.is_none() { go_on(self) } else { None };
            let outcome = match chained {
                Some(outcome) => outcome,
                None => {
                    let block = match link {
                        Some(wanted) => blocks.find_linked(self, wanted)?,
                        None => blocks.find(self, false)?,
                    };
                    self.gpr[usize::from(RIP)] = self.rip;
                    block.run(self)
                }
            };
            if outcome == Outcome::Trap {
                return Err(Stop::Trap);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn between<W: World>(&mut self, blocks: &mut Blocks) -> Result<(), Stop> {
        loop {
            if core::mem::take(&mut self.refused) {
                return Err(self.gp(0));
            }
            if self.view.slot().attention() & Attention::BUS != 0 && self.view.pass_bus() {
                self.remapped(blocks);
            }
            let bits = self.view.slot().attention();
            if bits & Attention::MAP != 0 && self.view.refresh() {
                self.remapped(blocks);
            }
            if bits & Attention::CODE != 0 {
                self.view.slot().take(Attention::CODE);
                let stale = self.view.slot().take_stale();
                blocks.drop_stale(self, &stale);
            }
            if bits & (Attention::CANCEL | Attention::EVENT) != 0 {
                W::attention(self, bits)?;
            }
            W::boundary(self)?;
            self.grant(if self.check { 0 } else { QUANTUM });
            if self.activity == Activity::Active {
                return Ok(());
            }
            W::wait(self)?;
            if self.activity == Activity::Active && self.view.slot().attention() == 0 {
                return Ok(());
            }
        }
    }

    /// The map has changed: what was derived from it goes.
    fn remapped(&mut self, blocks: &mut Blocks) {
        self.forget_derived();
        let mapped: Vec<usize> = self
            .view
            .space()
            .mappings()
            .iter()
            .map(|mapping| mapping.memory.id())
            .collect();
        blocks.drop_unmapped(self, |memory| mapped.contains(&memory));
    }

    /// Whether the next instruction has to run alone.
    #[inline(always)]
    fn is_single<W: World>(&self) -> bool {
        self.shadow & (Shadow::STI | Shadow::MOV_SS) != 0
            || self.lazy.system & (Rflags::TF | Rflags::RF) != 0
            || self.mode.debugged
            || self.check && W::steps(self)
    }

    /// Runs one instruction: with instruction breakpoints before it, and the end of shadows and single step behind it.
    #[cold]
    #[inline(never)]
    fn single(&mut self, blocks: &mut Blocks) -> Result<(), Stop> {
        let (before, pending) = (self.lazy.system, self.pending_debug);
        let (start, code) = (self.rip, self.mode.code);
        let shadow = self.shadow & (Shadow::STI | Shadow::MOV_SS);
        if before & Rflags::RF == 0 && self.mode.breakpoint && shadow & Shadow::MOV_SS == 0 {
            self.check_breakpoint()?;
        }
        let block = blocks.find(self, true)?;
        self.gpr[usize::from(RIP)] = self.rip;
        self.grant(0);
        self.unstepped = false;
        // RF is for the instruction's start. An IRET that pops it wants it for the next.
        self.lazy.system &= !Rflags::RF;
        let outcome = block.run(self);
        self.grant(QUANTUM);
        if outcome == Outcome::Trap {
            // Breakpoints that it met do not count: it has not been done.
            self.pending_debug = pending;
            if self.wants_bus {
                self.lazy.system |= before & Rflags::RF;
            }
            return Err(Stop::Trap);
        }
        self.shadow &= !shadow;
        if self.midway && self.mode.breakpoint {
            self.lazy.system |= Rflags::RF;
        }
        if before & Rflags::TF != 0
            && !self.unstepped
            && self.is_step(start, code, blocks.fetched())
        {
            self.pending_debug |= SINGLE_STEP;
        }
        // An iteration of a repeated instruction is a step as well (SDM vol. 3, 27.5.2).
        self.vmx.flight.stepped = true;
        self.attend();
        Ok(())
    }

    /// Runs one instruction while no other vCPU runs: a locked access that the host cannot do in one step.
    #[cold]
    #[inline(never)]
    fn with_bus(&mut self, blocks: &mut Blocks) -> Result<(), Stop> {
        let lock = self.view.lock_bus();
        if self.view.enter() {
            self.remapped(blocks);
        }
        self.has_bus = true;
        let done = self.single(blocks);
        self.has_bus = false;
        drop(lock);
        done
    }

    fn check_breakpoint(&mut self) -> Result<(), Stop> {
        let linear = self.mode.cs_base.wrapping_add(self.rip) & self.mode.linear_mask;
        let hit = self.breakpoints_at(linear);
        if hit == 0 {
            return Ok(());
        }
        Err(self.raise(Exception {
            vector: 1,
            cr2_or_dr6: hit,
            ..Exception::default()
        }))
    }
}
