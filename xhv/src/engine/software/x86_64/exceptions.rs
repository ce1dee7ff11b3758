//! What an exception or another event leads to: an exit, its handler, a double fault (Intel SDM vol. 3, 6.15, 28.6.1, 29.1 to 29.3).
//!
//! `events` says when; `deliver` does the delivery through the IDT.

use super::cpu::{Activity, Cpu, EventKind, Exception, Exit, Shadow, Trap};
use super::debug::BTF;
use super::deliver::{deliver, image};
use crate::engine::software::dispatch::Stop;

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
        // Only software events have one.
        len: if matches!(info >> 8 & 7, 4..=6) {
            len as u8
        } else {
            0
        },
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
    save_flags_image(cpu, event);
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

/// An exit that an event causes, or that interrupts its delivery, saves RFLAGS as the event would have pushed them (SDM vol. 3, 29.3.3).
fn save_flags_image(cpu: &mut Cpu, event: &Exception) {
    let flags = image(cpu, event).1;
    cpu.set_flags(flags);
}

/// What delivery of an event begins with, whether it comes to its end or an exit interrupts it (SDM vol. 3, 29.1).
fn begin_delivery(cpu: &mut Cpu, event: &Exception) {
    note(cpu, event);
    cpu.shadow &= !(Shadow::STI | Shadow::MOV_SS);
    if event.kind == EventKind::Nmi {
        cpu.shadow |= Shadow::NMI;
    }
    cpu.activity = Activity::Active;
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

/// An exit of which only the reason is told.
pub(super) fn leave_for(cpu: &mut Cpu, reason: u16) -> Stop {
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
    if event.kind == EventKind::Fault && cpu.shadow & Shadow::MOV_SS == 0 {
        // Data breakpoints of an instruction that is not done: it comes again.
        cpu.pending_debug = 0;
    }
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
        begin_delivery(cpu, &event);
        cpu.vmx.flight.delivering = Some(event);
        let delivered = deliver(cpu, &event);
        cpu.vmx.flight.delivering = None;
        let Err(stop) = delivered else {
            cpu.vmx.flight.stepped = true;
            cpu.vmx.flight.nmi_unblocked = false;
            return Ok(());
        };
        match cpu.trap.take() {
            Some(Trap::Exit(mut exit)) => {
                vectoring(&mut exit, &event);
                save_flags_image(cpu, &event);
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
    // NMI unblocking by IRET is told only where no delivery was interrupted.
    exit.interruption &= !NMI_UNBLOCKING;
    let software = matches!(kind_number(event), 4..=6);
    if software && exit.len == 0 {
        exit.len = event.len;
    }
}

/// The event that the entry was told to inject.
pub(super) fn enter(cpu: &mut Cpu) -> Result<(), Stop> {
    cpu.vmx.flight.entering = false;
    let info = cpu.vmx.event;
    if info & VALID == 0 {
        return Ok(());
    }
    cpu.vmx.event &= !VALID;
    if info >> 8 & 7 == 7 {
        cpu.vmx.flight.trap_injected = true;
        return Ok(());
    }
    let event = injected(info, cpu.vmx.event_error, cpu.vmx.event_len);
    let after_mov_ss = matches!(
        event.kind,
        EventKind::SoftwareInterrupt | EventKind::SoftwareException
    ) && cpu.shadow & Shadow::MOV_SS != 0;
    if !after_mov_ss {
        // Of pending debug exceptions nothing is left when an event is injected (SDM vol. 3, 28.7.3).
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
