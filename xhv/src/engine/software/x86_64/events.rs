//! What happens between instructions: events to inject, debug traps, windows, timers, interrupts.
//!
//! The run loop calls [`boundary`] when `Cpu::check` is set, and [`wait`] while the CPU is halted. `exceptions` has what an event leads to.

use super::cpu::{Activity, Cpu, EventKind, Exception, Shadow};
use super::exceptions::{enter, exception, leave_for};
use super::vmx::capabilities::TIMER_SHIFT;
use crate::engine::software::dispatch::Stop;
use crate::time::absolute_ticks;
use crate::x86_64::entry::field::{pin, primary, secondary};

/// Exit reasons that this file gives.
mod reason {
    pub(super) const INTERRUPT_WINDOW: u16 = 7;
    pub(super) const NMI_WINDOW: u16 = 8;
    pub(super) const MONITOR_TRAP_FLAG: u16 = 37;
    pub(super) const TPR_BELOW_THRESHOLD: u16 = 43;
    pub(super) const PREEMPTION_TIMER: u16 = 52;
}

/// Does everything that is due at an instruction boundary, in the order of SDM vol. 3, table 6-2, and 26.3 to 26.5.
pub(crate) fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.vmx.flight.entering {
        enter(cpu)?;
    }
    if core::mem::take(&mut cpu.vmx.flight.tpr_below) {
        return Err(leave_for(cpu, reason::TPR_BELOW_THRESHOLD));
    }
    if is_trap_due(cpu) {
        return Err(leave_for(cpu, reason::MONITOR_TRAP_FLAG));
    }
    debug_trap(cpu)?;
    timers(cpu)?;
    let blocked = cpu.shadow & (Shadow::STI | Shadow::MOV_SS) != 0;
    if !blocked && cpu.activity != Activity::WaitForSipi {
        interrupts(cpu)?;
    }
    cpu.midway = false;
    cpu.check = wants_boundary(cpu);
    Ok(())
}

/// Whether something is due at this boundary that comes before an external interrupt (SDM vol. 3, 27.5.2 and 28.7).
pub(crate) fn precedes_interrupts(cpu: &Cpu) -> bool {
    let flight = &cpu.vmx.flight;
    let debug = cpu.pending_debug != 0 && cpu.shadow & Shadow::MOV_SS == 0;
    !flight.entering && (flight.tpr_below || is_trap_due(cpu) || debug)
}

/// Whether the exit for the monitor trap flag is pending: after a step, or because the entry has injected it.
fn is_trap_due(cpu: &Cpu) -> bool {
    cpu.vmx.flight.trap_injected || cpu.vmx.flight.stepped && cpu.vmx.steps()
}

/// Whether the next boundary has to be looked at although nothing new happens: interrupts wait for the end of a shadow.
fn wants_boundary(cpu: &Cpu) -> bool {
    cpu.vmx.steps() || cpu.shadow & (Shadow::STI | Shadow::MOV_SS) != 0
}

fn debug_trap(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.pending_debug == 0 || cpu.shadow & Shadow::MOV_SS != 0 {
        return Ok(());
    }
    let Some(conditions) = cpu.take_pending_debug() else {
        return Ok(());
    };
    exception(
        cpu,
        Exception {
            vector: 1,
            cr2_or_dr6: conditions,
            kind: EventKind::Trap,
            ..Exception::default()
        },
    )
}

fn timers(cpu: &mut Cpu) -> Result<(), Stop> {
    let flight = &cpu.vmx.flight;
    let timer = flight.timer_end.is_some_and(|end| {
        let now = cpu.vmx.clock.now(cpu.retired());
        now >= end
    });
    let deadline = flight.deadline.is_some_and(|end| absolute_ticks() >= end);
    if timer || deadline {
        return Err(leave_for(cpu, reason::PREEMPTION_TIMER));
    }
    Ok(())
}

fn interrupts(cpu: &mut Cpu) -> Result<(), Stop> {
    let nmi_open = cpu.shadow & Shadow::NMI == 0;
    if nmi_open && cpu.vmx.on(primary::NMI_WINDOW) {
        return Err(leave_for(cpu, reason::NMI_WINDOW));
    }
    let now = cpu
        .vmx
        .clock
        .now_for_apic(cpu.retired(), cpu.vmx.apic.is_some());
    if let Some(apic) = &cpu.vmx.apic {
        apic.advance(now);
        if nmi_open && apic.take_nmi() {
            let nmi = Exception {
                vector: 2,
                kind: EventKind::Nmi,
                ..Exception::default()
            };
            return exception(cpu, nmi);
        }
    }
    if !cpu.interruptible() {
        return Ok(());
    }
    if cpu.vmx.on(primary::INTERRUPT_WINDOW) {
        return Err(leave_for(cpu, reason::INTERRUPT_WINDOW));
    }
    let vector = cpu.vmx.apic.as_ref().and_then(|apic| apic.acknowledge());
    if let Some(vector) = vector {
        let interrupt = Exception {
            vector,
            kind: EventKind::External,
            ..Exception::default()
        };
        return exception(cpu, interrupt);
    }
    Ok(())
}

/// Waits until something ends the halt, or the run loop has to look at the attention bits.
pub(crate) fn wait(cpu: &mut Cpu) -> Result<(), Stop> {
    let start = absolute_ticks();
    let done = wait_in(cpu);
    let slept = absolute_ticks().saturating_sub(start);
    cpu.vmx.flight.idle = cpu.vmx.flight.idle.saturating_add(slept);
    done
}

fn wait_in(cpu: &mut Cpu) -> Result<(), Stop> {
    loop {
        boundary(cpu)?;
        if cpu.activity == Activity::Active || cpu.view.slot().attention() != 0 {
            return Ok(());
        }
        let alarm = cpu.vmx.apic.as_ref().and_then(|apic| apic.next_event());
        let ticks = [cpu.vmx.flight.timer_end, alarm]
            .into_iter()
            .flatten()
            .min();
        if let Some(ticks) = ticks.filter(|_| !cpu.vmx.clock.is_host()) {
            cpu.vmx.clock.skip_to(ticks, cpu.retired());
            continue;
        }
        let until = [ticks, cpu.vmx.flight.deadline].into_iter().flatten().min();
        let timeout = until.map(|until| until.saturating_sub(absolute_ticks()));
        cpu.view.slot().wait(timeout);
    }
}

/// Arms what runs with an entry; the entry's checks have passed.
pub(crate) fn arm(cpu: &mut Cpu, deadline: Option<u64>) {
    let timer = cpu.vmx.pin(pin::PREEMPTION_TIMER);
    let retired = cpu.retired();
    // The host's clock is not cheap beside an exit: it is asked only for a timer.
    let now = if timer { cpu.vmx.clock.now(retired) } else { 0 };
    let tpr_below = is_tpr_below(cpu);
    cpu.vmx.ple.last = None;
    let flight = &mut cpu.vmx.flight;
    flight.entering = true;
    flight.stepped = false;
    flight.trap_injected = false;
    flight.tpr_below = tpr_below;
    flight.nmi_unblocked = false;
    flight.deadline = deadline;
    flight.timer_end = timer.then(|| {
        // The timer counts each time bit TIMER_SHIFT of the TSC changes.
        let ticks = u64::from(cpu.vmx.timer) << TIMER_SHIFT;
        (now >> TIMER_SHIFT << TIMER_SHIFT).saturating_add(ticks)
    });
    cpu.attend();
}

/// Whether the entry itself leads to an exit for the TPR threshold (SDM vol. 3, 28.7.7). Without APIC-access virtualization a threshold
/// above the TPR fails the entry.
fn is_tpr_below(cpu: &Cpu) -> bool {
    cpu.vmx.on(primary::TPR_SHADOW)
        && cpu.vmx.on2(secondary::VIRTUALIZE_APIC)
        && u32::from(cpu.tpr() >> 4) < cpu.vmx.tpr_threshold & 15
}

/// What the preemption timer has left, for the exit to save.
pub(crate) fn timer_left(cpu: &Cpu) -> u32 {
    let Some(end) = cpu.vmx.flight.timer_end else {
        return cpu.vmx.timer;
    };
    let now = cpu.vmx.clock.now(cpu.retired());
    u32::try_from(end.saturating_sub(now) >> TIMER_SHIFT).unwrap_or(u32::MAX)
}
