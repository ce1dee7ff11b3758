//! The loop that runs guest code until an exit, and what is looked at between blocks.

use core::time::Duration;
use std::time::Instant;

use super::blocks::Blocks;
use super::cpu::{Cpu, Exception, Exit, Mode, PSTATE_A, PSTATE_F, PSTATE_I, Trap};
use super::exception::{class, vector};
use super::gic;
use super::timer::counter;
use crate::engine::aarch64::duration;
use crate::engine::software::dispatch::{Outcome, Wanted, go_on};
use crate::engine::software::memory::Attention;

/// Branches after which attention and the clock are looked at: some microseconds.
const PATIENCE: i32 = 512;
/// The longest sleep in WFI in one go.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

impl Cpu {
    /// IRQ, FIQ and SError as they are pending for EL1.
    pub(crate) fn pending(&self) -> (bool, bool, bool) {
        let [irq, fiq] = self.lines;
        let signalled = self.peer.signalled();
        let irq = irq || signalled & gic::IRQ != 0;
        let fiq = fiq || signalled & gic::FIQ != 0;
        (irq, fiq, self.serror)
    }

    /// Whether anything is pending that ends a WFI, masked or not.
    pub(crate) fn interrupt_pending(&self) -> bool {
        self.pending() != (false, false, false)
    }

    /// Takes an interrupt if one is pending and not masked.
    fn take_interrupt(&mut self) {
        let (irq, fiq, serror) = self.pending();
        let masked = |bit| self.pstate.daif & bit != 0;
        if serror && !masked(PSTATE_A) {
            self.serror = false;
            self.sys[super::sysreg::Reg::ESR_EL1] = 0x2f << 26 | 1 << 25;
            self.enter_el1(vector::SERROR);
        } else if fiq && !masked(PSTATE_F) {
            self.enter_el1(vector::FIQ);
        } else if irq && !masked(PSTATE_I) {
            self.enter_el1(vector::IRQ);
        }
    }

    /// The virtual timer exits once when it asserts, and is masked then until the VMM unmasks it.
    fn timer_exit(&mut self) -> Option<Exit> {
        if self.shared.has_gic() || self.timer.masked || !self.timer.virtual_asserted() {
            return None;
        }
        self.timer.masked = true;
        Some(Exit {
            reason: Exit::VTIMER_ACTIVATED,
            ..Exit::default()
        })
    }

    /// How long a WFI may sleep before something has to be looked at.
    fn sleep_limit(&self) -> Duration {
        duration(self.timer.next_deadline()).min(LONGEST_SLEEP)
    }
}

/// Runs `cpu` until an exit.
pub(crate) fn run(cpu: &mut Cpu, blocks: &mut Blocks) -> Exit {
    if cpu.enter_guest() {
        blocks.drop_unmapped(cpu);
    }
    cpu.attend();
    let exit = run_until_exit(cpu, blocks);
    cpu.leave_guest();
    cpu.lines = [false; 2];
    exit
}

fn run_until_exit(cpu: &mut Cpu, blocks: &mut Blocks) -> Exit {
    cpu.patience = PATIENCE;
    loop {
        // Before anything else is done with the program counter: it is at the target.
        let mut link = cpu.links.take_wanted();
        if cpu.check || cpu.patience <= 0 || cpu.view.slot().attention() != 0 {
            if cpu.patience <= 0 && !cpu.check && cpu.long_since.is_none() {
                cpu.long_since = Some(Instant::now());
            }
            if let Some(exit) = between_blocks(cpu, blocks) {
                return exit;
            }
            cpu.patience = if cpu.check { 0 } else { PATIENCE };
            link = None;
            if cpu.mode.has(Mode::DEBUG) {
                match step(cpu, blocks) {
                    Some(exit) => return exit,
                    None => continue,
                }
            }
        }
        let chained = if link.is_none() { go_on(cpu) } else { None };
        let outcome = chained.unwrap_or_else(|| run_block(cpu, blocks, link));
        if outcome == Outcome::Trap
            && let Some(exit) = deal_with_trap(cpu, blocks)
        {
            return exit;
        }
    }
}

/// Runs the block at the program counter, and what is chained to it. If a branch there has found its link cut, that is mended.
fn run_block(cpu: &mut Cpu, blocks: &mut Blocks, wanted: Option<Wanted>) -> Outcome {
    match blocks.find(cpu, wanted) {
        Ok(block) => block.run(cpu),
        Err(trap) => {
            cpu.trap = Some(trap);
            Outcome::Trap
        }
    }
}

/// Takes what the CPU holds; answers it if it is for the VMM.
fn deal_with_trap(cpu: &mut Cpu, blocks: &mut Blocks) -> Option<Exit> {
    match cpu.trap.take() {
        Some(Trap::Exception(exception)) => cpu.take_exception(exception),
        Some(Trap::Exit(exit)) => return Some(exit),
        Some(Trap::Wait) => wait(cpu, blocks),
        None => {}
    }
    None
}

/// Sleeps until an interrupt may be pending; being asked for attention ends it too.
fn wait(cpu: &mut Cpu, blocks: &mut Blocks) {
    cpu.attend();
    cpu.update_timer_lines();
    if cpu.interrupt_pending() || cpu.view.slot().attention() != 0 {
        return;
    }
    let (limit, start) = (cpu.sleep_limit(), counter());
    cpu.leave_guest();
    cpu.peer.sleep(limit);
    if cpu.enter_guest() {
        blocks.drop_unmapped(cpu);
    }
    cpu.wait_ticks += counter() - start;
    cpu.update_timer_lines();
}

/// Everything that is looked at between blocks, when there is reason to.
#[cold]
#[inline(never)]
fn between_blocks(cpu: &mut Cpu, blocks: &mut Blocks) -> Option<Exit> {
    let asked = cpu.view.slot().attention();
    if asked & Attention::MAP != 0 && cpu.view.refresh() {
        cpu.code_changed();
        blocks.drop_unmapped(cpu);
    }
    if asked & Attention::CODE != 0 {
        cpu.view.slot().take(Attention::CODE);
        blocks.drop_stale(cpu);
    }
    if asked & Attention::EVENT != 0 {
        cpu.view.slot().take(Attention::EVENT);
        cpu.take_invalidations();
    }
    if asked & Attention::CANCEL != 0 {
        cpu.view.slot().take(Attention::CANCEL);
        return Some(Exit {
            reason: Exit::CANCELED,
            ..Exit::default()
        });
    }
    cpu.update_timer_lines();
    if let Some(exit) = cpu.timer_exit() {
        return Some(exit);
    }
    cpu.check = false;
    if cpu.pstate.il {
        cpu.take_exception(Exception {
            syndrome: class::ILLEGAL_STATE,
            far: None,
        });
    }
    cpu.take_interrupt();
    None
}

/// Runs one instruction with everything that debugging asks before and after it.
fn step(cpu: &mut Cpu, blocks: &mut Blocks) -> Option<Exit> {
    cpu.attend();
    if let Some(trap) = cpu.debug_before() {
        cpu.trap = Some(trap);
        return deal_with_trap(cpu, blocks);
    }
    let stepping = core::mem::take(&mut cpu.pstate.ss);
    cpu.debug.exclusive = false;
    let outcome = run_block(cpu, blocks, None);
    cpu.attend();
    if outcome != Outcome::Trap {
        // An exception return has begun another step.
        cpu.debug.stepped = (stepping && !cpu.pstate.ss).then_some(cpu.debug.exclusive);
        return None;
    }
    // An instruction that faults has not been stepped over yet.
    if let Some(Trap::Exception(exception)) = cpu.trap
        && exception.syndrome & !0x1ff_ffff != class::SVC
    {
        cpu.pstate.ss = stepping;
    }
    deal_with_trap(cpu, blocks)
}
