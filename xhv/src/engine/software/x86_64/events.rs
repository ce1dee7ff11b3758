//! What happens between instructions: events to inject, debug traps, windows, timers, interrupts, and what exceptions lead to.
//!
//! The run loop calls [`boundary`] when `Cpu::check` is set, [`exception`] for an exception that an instruction holds, and
//! [`wait`] while the CPU is halted. `deliver` does the delivery itself.

use super::cpu::{Activity, Cpu, EventKind, Exception, Exit, Shadow, Trap};
use super::debug::BTF;
use super::deliver::deliver;
use super::flags::Rflags;
use super::vmx::capabilities::TIMER_SHIFT;
use crate::engine::software::dispatch::Stop;
use crate::time::absolute_ticks;
use crate::x86_64::entry::field::{pin, primary};

const VALID: u32 = 1 << 31;
const ERROR_VALID: u32 = 1 << 11;
const NMI_UNBLOCKING: u32 = 1 << 12;
const DOUBLE_FAULT: u8 = 8;
const PAGE_FAULT: u8 = 14;
/// Bits of DR6 that read as 1, and DR7.GD.
const DR6_ONES: u64 = 0xffff_0ff0;
const DR7_GD: u64 = 1 << 13;

/// Exit reasons that this file gives.
mod reason {
    pub(super) const EXCEPTION: u16 = 0;
    pub(super) const TRIPLE_FAULT: u16 = 2;
    pub(super) const INTERRUPT_WINDOW: u16 = 7;
    pub(super) const NMI_WINDOW: u16 = 8;
    pub(super) const MONITOR_TRAP_FLAG: u16 = 37;
    pub(super) const TPR_BELOW_THRESHOLD: u16 = 43;
    pub(super) const PREEMPTION_TIMER: u16 = 52;
}

/// An event's type in interruption information (SDM vol. 3, table 26-17).
fn kind_number(event: &Exception) -> u32 {
    match event.kind {
        EventKind::External => 0,
        EventKind::Nmi => 2,
        EventKind::Fault | EventKind::Trap => 3,
        EventKind::SoftwareInterrupt => 4,
        EventKind::PrivilegedSoftwareException => 5,
        EventKind::SoftwareException => 6,
    }
}

/// Interruption information and error code of an event.
fn information(event: &Exception) -> (u32, u32) {
    let error = event.error.map_or(0, |_| ERROR_VALID);
    let info = VALID | kind_number(event) << 8 | error | u32::from(event.vector);
    (info, event.error.unwrap_or(0))
}

/// The event that entry interruption information describes.
fn injected(info: u32, error: u32, len: u32) -> Exception {
    let vector = info as u8;
    let kind = match info >> 8 & 7 {
        0 => EventKind::External,
        2 => EventKind::Nmi,
        4 => EventKind::SoftwareInterrupt,
        5 => EventKind::PrivilegedSoftwareException,
        6 => EventKind::SoftwareException,
        // An injected exception pushes RFLAGS as they are: the VMM sets RF where it wants it.
        _ => EventKind::Trap,
    };
    Exception {
        vector,
        error: (info & ERROR_VALID != 0).then_some(error),
        cr2_or_dr6: 0,
        kind,
        len: len as u8,
    }
}

/// Whether the exception bitmap turns an event into an exit.
fn is_intercepted(cpu: &Cpu, event: &Exception) -> bool {
    if matches!(
        event.kind,
        EventKind::External | EventKind::Nmi | EventKind::SoftwareInterrupt
    ) {
        return false;
    }
    match event.vector {
        PAGE_FAULT => cpu.vmx.page_fault_exits(event.error.unwrap_or(0)),
        vector => vector < 32 && cpu.vmx.exception_bitmap >> vector & 1 != 0,
    }
}

/// The exit that an intercepted exception is.
fn intercept(cpu: &mut Cpu, event: &Exception) -> Exit {
    let (mut interruption, error) = information(event);
    if cpu.vmx.flight.nmi_unblocked && event.vector != DOUBLE_FAULT {
        interruption |= NMI_UNBLOCKING;
    }
    if event.sets_rf() || cpu.midway {
        let flags = cpu.flags() | Rflags::RF;
        cpu.set_flags(flags);
    }
    let qualification = match event.vector {
        1 | PAGE_FAULT if event.kind != EventKind::PrivilegedSoftwareException => event.cr2_or_dr6,
        _ => 0,
    };
    Exit {
        reason: reason::EXCEPTION,
        qualification,
        len: event.len,
        interruption,
        error,
        ..Exit::default()
    }
}

/// What an exception does to CR2, DR6, DR7 and IA32_DEBUGCTL when it is delivered.
fn note(cpu: &mut Cpu, event: &Exception) {
    let hardware = matches!(event.kind, EventKind::Fault | EventKind::Trap);
    match event.vector {
        PAGE_FAULT if hardware => cpu.cr2 = event.cr2_or_dr6,
        1 if hardware => {
            let conditions = event.cr2_or_dr6 & 0xe00f;
            cpu.dr[6] = cpu.dr[6] & !0xf | conditions | DR6_ONES;
            cpu.dr[7] &= !DR7_GD;
            cpu.msr.debugctl &= !BTF;
            cpu.update_mode();
        }
        _ => {}
    }
}

/// Classes of exceptions for double faults (SDM vol. 3, table 6-4).
#[derive(PartialEq)]
enum Class {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

fn class(event: &Exception) -> Class {
    if !matches!(event.kind, EventKind::Fault | EventKind::Trap) {
        return Class::Benign;
    }
    match event.vector {
        0 | 10..=13 => Class::Contributory,
        PAGE_FAULT => Class::PageFault,
        DOUBLE_FAULT => Class::DoubleFault,
        _ => Class::Benign,
    }
}

/// What a fault while delivering `first` makes of `second`; `None` is a triple fault.
fn combine(first: &Exception, second: Exception) -> Option<Exception> {
    use Class::{Benign, Contributory, DoubleFault, PageFault};
    match (class(first), class(&second)) {
        (DoubleFault, Contributory | PageFault) => None,
        (Contributory, Contributory) | (PageFault, Contributory | PageFault) => Some(Exception {
            vector: DOUBLE_FAULT,
            error: second.error.map(|_| 0),
            kind: EventKind::Fault,
            ..Exception::default()
        }),
        (Benign | Contributory | PageFault | DoubleFault, _) => Some(second),
    }
}

fn leave(cpu: &mut Cpu, exit: Exit) -> Stop {
    cpu.exit(exit)
}

fn leave_for(cpu: &mut Cpu, reason: u16) -> Stop {
    leave(
        cpu,
        Exit {
            reason,
            ..Exit::default()
        },
    )
}

/// Takes an event that the CPU has come upon: delivers it, or makes it an exit. Ok: the CPU is at the handler.
pub(crate) fn exception(cpu: &mut Cpu, event: Exception) -> Result<(), Stop> {
    take(cpu, event, None, true)
}

/// `parent`: the event during whose delivery this one came; `check`: the exception bitmap counts.
fn take(
    cpu: &mut Cpu,
    event: Exception,
    parent: Option<Exception>,
    check: bool,
) -> Result<(), Stop> {
    let (mut event, mut parent, mut check) = (event, parent, check);
    loop {
        if check && is_intercepted(cpu, &event) {
            let mut exit = intercept(cpu, &event);
            if let Some(parent) = parent.filter(|_| event.vector != DOUBLE_FAULT) {
                vectoring(&mut exit, &parent);
            }
            return Err(leave(cpu, exit));
        }
        note(cpu, &event);
        cpu.vmx.flight.delivering = Some(event);
        let delivered = deliver(cpu, &event);
        cpu.vmx.flight.delivering = None;
        let Err(stop) = delivered else {
            cpu.activity = Activity::Active;
            cpu.vmx.flight.stepped = true;
            return Ok(());
        };
        match cpu.trap.take() {
            Some(Trap::Exit(mut exit)) => {
                vectoring(&mut exit, &event);
                return Err(leave(cpu, exit));
            }
            Some(Trap::Exception(second)) => {
                // The bitmap looks at the fault itself before it is made a double fault.
                if is_intercepted(cpu, &second) {
                    parent = Some(event);
                    (event, check) = (second, true);
                    continue;
                }
                let Some(next) = combine(&event, second) else {
                    return Err(leave_for(cpu, reason::TRIPLE_FAULT));
                };
                if next.vector == DOUBLE_FAULT {
                    note(cpu, &second);
                }
                parent = Some(event);
                (event, check) = (next, true);
            }
            None => return Err(stop),
        }
    }
}

/// Records the event whose delivery an exit interrupted.
fn vectoring(exit: &mut Exit, event: &Exception) {
    (exit.vectoring, exit.vectoring_error) = information(event);
    let software = matches!(kind_number(event), 4..=6);
    if software && exit.len == 0 {
        exit.len = event.len;
    }
}

/// The event that the entry was told to inject.
fn enter(cpu: &mut Cpu) -> Result<(), Stop> {
    cpu.vmx.flight.entering = false;
    let info = cpu.vmx.event;
    if info & VALID == 0 {
        return Ok(());
    }
    cpu.vmx.event &= !VALID;
    if info >> 8 & 7 == 7 {
        cpu.vmx.flight.stepped = true;
        return Err(leave_for(cpu, reason::MONITOR_TRAP_FLAG));
    }
    let event = injected(info, cpu.vmx.event_error, cpu.vmx.event_len);
    let software = matches!(
        event.kind,
        EventKind::SoftwareInterrupt | EventKind::SoftwareException
    );
    if !software || cpu.shadow & Shadow::MOV_SS == 0 {
        // SDM vol. 3, 28.7.3: such an event leaves no debug exception pending.
        cpu.pending_debug = 0;
    }
    // CR2, DR6 and what else #DB changes are the VMM's business, and the exception bitmap does not count.
    let (cr2, dr6, dr7, debugctl) = (cpu.cr2, cpu.dr[6], cpu.dr[7], cpu.msr.debugctl);
    let masked = Exception {
        cr2_or_dr6: if event.vector == PAGE_FAULT { cr2 } else { 0 },
        ..event
    };
    let done = take(cpu, masked, None, false);
    if event.vector == 1 {
        cpu.dr[6] = dr6;
        cpu.dr[7] = dr7;
        cpu.msr.debugctl = debugctl;
        cpu.update_mode();
    }
    done
}

/// Does everything that is due at an instruction boundary, in the order of SDM vol. 3, table 6-2, and 26.3 to 26.5.
pub(crate) fn boundary(cpu: &mut Cpu) -> Result<(), Stop> {
    if cpu.vmx.flight.entering {
        enter(cpu)?;
    }
    if core::mem::take(&mut cpu.vmx.flight.tpr_below) {
        return Err(leave_for(cpu, reason::TPR_BELOW_THRESHOLD));
    }
    // A round of a repetition is a step, too (SDM vol. 3, 27.5.2).
    let flight = &cpu.vmx.flight;
    let stepped = flight.stepped || cpu.retired() != flight.retired || cpu.midway;
    if stepped && cpu.vmx.steps() {
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
    let flight = &mut cpu.vmx.flight;
    flight.entering = true;
    flight.stepped = false;
    flight.retired = retired;
    flight.nmi_unblocked = false;
    flight.deadline = deadline;
    flight.timer_end = timer.then(|| {
        // The timer counts each time bit TIMER_SHIFT of the TSC changes.
        let ticks = u64::from(cpu.vmx.timer) << TIMER_SHIFT;
        (now >> TIMER_SHIFT << TIMER_SHIFT).saturating_add(ticks)
    });
    cpu.attend();
}

/// What the preemption timer has left, for the exit to save.
pub(crate) fn timer_left(cpu: &Cpu) -> u32 {
    let Some(end) = cpu.vmx.flight.timer_end else {
        return cpu.vmx.timer;
    };
    let now = cpu.vmx.clock.now(cpu.retired());
    u32::try_from(end.saturating_sub(now) >> TIMER_SHIFT).unwrap_or(u32::MAX)
}
