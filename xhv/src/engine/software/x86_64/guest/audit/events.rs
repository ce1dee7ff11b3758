//! Exits that no instruction asks for by itself: windows, timers, steps, interrupts of the host, task switches, triple faults, and the
//! order in which they come (SDM vol. 3, 27.4.2, 27.5, 28.7, 29.1, 29.3).

use super::super::{GDT, HANDLER, TSS};
use super::exceptions::{BS, ENABLED, STEP, all, at, data_breakpoint, tss};
use super::{AT, CODE, Guest, MOV_SS, NMI, Row, STI, Seen, VALID, check, flags, row};
use crate::time::absolute_ticks;
use crate::x86_64::entry::field::{bit, exit, pin, primary, secondary, vmcs};

pub(super) fn rows() -> Vec<Row> {
    [steps(), windows(), others(), task_switches()]
        .into_iter()
        .flatten()
        .collect()
}

/// The monitor trap flag: a trap, which keeps debug exceptions pending.
fn steps() -> Vec<Row> {
    fn on(guest: &mut Guest) {
        all(guest);
        guest.on(vmcs::PRIMARY, primary::MONITOR_TRAP_FLAG);
    }
    const fn trap(offset: u64) -> Seen {
        at(offset, Seen { reason: 37, ..AT })
    }
    vec![
        row("nop", Guest::real, &[0x90], on, trap(1)),
        row(
            "nop with RF, which it ends",
            Guest::flat,
            &[0x90],
            |guest| {
                on(guest);
                flags(guest, bit::FLAG_RF);
            },
            trap(1),
        ),
        row(
            "sti",
            Guest::real,
            &[0xfb],
            on,
            Seen {
                blocking: STI,
                ..trap(1)
            },
        ),
        row(
            "mov ss, ax",
            Guest::real,
            &[0x8e, 0xd0],
            on,
            Seen {
                blocking: MOV_SS,
                ..trap(2)
            },
        ),
        row(
            "nop with TF",
            Guest::real,
            &[0x90],
            |guest| {
                on(guest);
                guest.set(vmcs::RFLAGS, STEP);
            },
            Seen {
                pending: BS,
                ..trap(1)
            },
        ),
        row(
            "a store that meets a data breakpoint",
            Guest::flat,
            &[0xa2, 0, 0x60, 0, 0],
            |guest| {
                data_breakpoint(guest);
                on(guest);
            },
            Seen {
                pending: ENABLED | 2,
                ..trap(5)
            },
        ),
        row(
            "hlt: from the halted state",
            Guest::real,
            &[0xf4],
            |guest| {
                on(guest);
                guest.off(vmcs::PRIMARY, primary::HLT);
            },
            Seen {
                activity: 1,
                ..trap(1)
            },
        ),
        row(
            "rep stosb: one iteration",
            Guest::flat,
            &[0xf3, 0xaa],
            |guest| {
                on(guest);
                guest.set_reg(3, 5);
                guest.set_reg(7, 0x6000);
            },
            trap(0),
        ),
        row(
            "int 40h: before the handler's first instruction",
            Guest::flat,
            &[0xcd, 0x40],
            |guest| {
                on(guest);
                guest.gate(0x40, 8, HANDLER, 0x8e);
            },
            Seen {
                rip: HANDLER,
                ..trap(0)
            },
        ),
        row(
            "pending by injection, in the halted state",
            Guest::real,
            &[0x90],
            |guest| {
                guest.set(vmcs::ACTIVITY, 1);
                guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x700);
            },
            Seen {
                activity: 1,
                ..trap(0)
            },
        ),
    ]
}

/// Windows, timer, TPR threshold: at the boundary where they are due; a halted CPU stays so (SDM vol. 3, 29.1).
fn windows() -> Vec<Row> {
    fn interrupt(guest: &mut Guest) {
        guest.on(vmcs::PRIMARY, primary::INTERRUPT_WINDOW);
        flags(guest, bit::FLAG_IF);
    }
    fn nmi(guest: &mut Guest) {
        guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
        guest.on(vmcs::PRIMARY, primary::NMI_WINDOW);
    }
    fn timer(guest: &mut Guest) {
        guest.on(vmcs::PIN_BASED, pin::PREEMPTION_TIMER);
    }
    const fn trap(reason: u64, offset: u64) -> Seen {
        at(offset, Seen { reason, ..AT })
    }
    vec![
        row(
            "interrupt window",
            Guest::real,
            &[0x90],
            interrupt,
            trap(7, 0),
        ),
        row(
            "interrupt window behind the shadow, with RF",
            Guest::real,
            &[0x90, 0x90],
            |guest| {
                interrupt(guest);
                flags(guest, bit::FLAG_RF);
                guest.set(vmcs::INTERRUPTIBILITY, STI);
            },
            trap(7, 1),
        ),
        row(
            "interrupt window in the halted state; RF stays",
            Guest::real,
            &[0x90],
            |guest| {
                interrupt(guest);
                flags(guest, bit::FLAG_RF);
                guest.set(vmcs::ACTIVITY, 1);
            },
            Seen {
                activity: 1,
                rf: true,
                ..trap(7, 0)
            },
        ),
        row("NMI window", Guest::real, &[0x90], nmi, trap(8, 0)),
        row(
            "NMI window behind IRET",
            Guest::real,
            &[0xcf],
            |guest| {
                nmi(guest);
                guest.set(vmcs::INTERRUPTIBILITY, NMI);
                guest.put(guest.get(vmcs::RSP), &[0x00, 0x15, 0, 0, 2, 0]);
            },
            Seen {
                rip: 0x1500,
                ..trap(8, 0)
            },
        ),
        row("preemption timer", Guest::real, &[0x90], timer, trap(52, 0)),
        row(
            "preemption timer in the shadow of STI",
            Guest::real,
            &[0x90],
            |guest| {
                timer(guest);
                flags(guest, bit::FLAG_IF);
                guest.set(vmcs::INTERRUPTIBILITY, STI);
            },
            Seen {
                blocking: STI,
                ..trap(52, 0)
            },
        ),
        row(
            "preemption timer in the halted state",
            Guest::real,
            &[0xf4],
            |guest| {
                timer(guest);
                guest.off(vmcs::PRIMARY, primary::HLT);
                guest.set(vmcs::TIMER_VALUE, 30_000);
            },
            Seen {
                activity: 1,
                ..trap(52, 1)
            },
        ),
        row(
            "TPR below the threshold at the entry, with APIC accesses virtualized",
            Guest::real,
            &[0x90],
            |guest| {
                guest.on(vmcs::PRIMARY, primary::TPR_SHADOW);
                guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
                guest.set_reg(49, 0x3f);
                guest.set(vmcs::TPR_THRESHOLD, 4);
            },
            trap(43, 0),
        ),
    ]
}

fn others() -> Vec<Row> {
    fn cancel(guest: &mut Guest) {
        guest.vcpu.interrupter().interrupt().unwrap();
    }
    const CANCELED: Seen = Seen { reason: 1, ..AT };
    vec![
        row(
            "an interrupt of the host",
            Guest::real,
            &[0x90],
            cancel,
            CANCELED,
        ),
        row(
            "which has no vector to acknowledge",
            Guest::real,
            &[0x90],
            |guest| {
                cancel(guest);
                guest.on(vmcs::EXIT_CONTROLS, exit::ACKNOWLEDGE);
                flags(guest, bit::FLAG_RF);
            },
            Seen {
                rf: true,
                ..CANCELED
            },
        ),
        row(
            "a triple fault",
            Guest::flat,
            &[0x8e, 0xd8],
            |guest| guest.set_reg(2, 0x108),
            Seen { reason: 2, ..AT },
        ),
    ]
}

/// Sources 0 to 3, with the selector as it was given.
fn task_switches() -> Vec<Row> {
    fn available(guest: &mut Guest) {
        tss(guest, 0x8900, 0x67);
    }
    fn gate_40(guest: &mut Guest) {
        available(guest);
        guest.gate(0x40, 0x33, 0, 0x85);
    }
    fn resumed(guest: &mut Guest) {
        gate_40(guest);
        flags(guest, bit::FLAG_RF);
    }
    const fn switch(source: u64, selector: u64, length: u64) -> Seen {
        Seen {
            reason: 9,
            qualification: source << 30 | selector,
            length,
            ..AT
        }
    }
    vec![
        row(
            "call 30h:0",
            Guest::flat,
            &[0x9a, 0, 0, 0, 0, 0x30, 0],
            available,
            switch(0, 0x30, 7),
        ),
        row(
            "jmp far [6000h], 16-bit operand, with RF",
            Guest::flat,
            &[0x66, 0xff, 0x2d, 0, 0x60, 0, 0],
            |guest| {
                tss(guest, 0xe900, 0x67);
                guest.put(0x6000, &[0, 0, 0x33, 0]);
                flags(guest, bit::FLAG_RF);
            },
            switch(2, 0x33, 7),
        ),
        row(
            "call through a task gate in the GDT",
            Guest::flat,
            &[0x9a, 0, 0, 0, 0, 0x28, 0],
            |guest| {
                available(guest);
                let gate = 0x8500_u64 << 32 | 0x31 << 16;
                guest.put(GDT + 0x28, &gate.to_le_bytes());
            },
            switch(0, 0x31, 7),
        ),
        row(
            "a 16-bit TSS has 2Ch bytes",
            Guest::flat,
            &[0x9a, 0, 0, 0, 0, 0x30, 0],
            |guest| tss(guest, 0x8100, 0x2b),
            switch(0, 0x30, 7),
        ),
        row(
            "iretd with NT",
            Guest::flat,
            &[0xcf],
            |guest| {
                tss(guest, 0x8b00, 0x67);
                guest.put(TSS, &[0x30, 0]);
                flags(guest, 0x4000);
            },
            switch(1, 0x30, 1),
        ),
        row(
            "int 40h, with RF",
            Guest::flat,
            &[0xcd, 0x40],
            resumed,
            Seen {
                vectoring: VALID | 0x440,
                ..switch(3, 0x33, 2)
            },
        ),
        row(
            "#UD: a fault's image has RF",
            Guest::flat,
            &[0x0f, 0x0b],
            |guest| {
                available(guest);
                guest.gate(6, 0x30, 0, 0x85);
            },
            Seen {
                vectoring: VALID | 0x306,
                rf: true,
                ..switch(3, 0x30, 0)
            },
        ),
    ]
}

#[test]
fn events() {
    check(&rows());
}

#[test]
fn an_exit_leaves_what_delivery_would_change() {
    // CR2 of #PF; DR6, and DR7.GD, of #DB: all in the qualification only.
    let mut guest = Guest::long(&[0x48, 0xa1, 8, 0, 0, 0x40, 0, 0, 0, 0]);
    all(&mut guest);
    guest.set_reg(38, 0x1111);
    assert_eq!((guest.run(), guest.reg(38)), (0, 0x1111));
    let mut guest = Guest::flat(&[0xa2, 0, 0x60, 0, 0, 0x90]);
    data_breakpoint(&mut guest);
    let dr7 = guest.get(vmcs::DR7) | 0x2000;
    guest.set(vmcs::DR7, dr7);
    assert_eq!(guest.run(), 0);
    assert_eq!((guest.reg(47), guest.get(vmcs::DR7)), (0xffff_0ff0, dr7));
    // RFLAGS.NT, the TSS and TR of a task switch.
    let mut guest = Guest::flat(&[0xcf]);
    tss(&mut guest, 0x8b00, 0x67);
    guest.put(TSS, &[0x30, 0]);
    flags(&mut guest, 0x4000);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RFLAGS), guest.get(vmcs::TR)),
        (9, 0x4002, 0x28)
    );
    assert_eq!(guest.u32(GDT + 0x34) >> 8 & 0xff, 0x8b);
}

#[test]
fn each_iteration_is_a_step() {
    let mut guest = Guest::flat(&[0xf3, 0xaa, 0xf4]);
    guest.on(vmcs::PRIMARY, primary::MONITOR_TRAP_FLAG);
    guest.set_reg(3, 3);
    guest.set_reg(7, 0x6000);
    let left: Vec<_> = (0..3)
        .map(|_| (guest.run(), guest.get(vmcs::RIP) - CODE, guest.reg(3)))
        .collect();
    assert_eq!(left, [(37, 0, 2), (37, 0, 1), (37, 2, 0)]);
    // TF traps after each of them, too.
    let mut guest = Guest::flat(&[0xf3, 0xaa, 0xf4]);
    guest.set(vmcs::EXCEPTION_BITMAP, 2);
    guest.set(vmcs::RFLAGS, STEP);
    guest.set_reg(3, 2);
    guest.set_reg(7, 0x6000);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP), guest.reg(3)),
        (0, CODE, 1)
    );
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP), guest.reg(3)),
        (0, CODE + 2, 0)
    );
}

/// One guest for which everything is due at once: TPR threshold, trap flag of the monitor, debug exception, timer, both windows.
#[test]
fn events_come_in_their_order() {
    let mut guest = Guest::real(&[0x90, 0x90]);
    guest.on(
        vmcs::PRIMARY,
        primary::TPR_SHADOW
            | primary::NMI_WINDOW
            | primary::INTERRUPT_WINDOW
            | primary::MONITOR_TRAP_FLAG,
    );
    guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS | pin::PREEMPTION_TIMER);
    guest.on(vmcs::SECONDARY, secondary::VIRTUALIZE_APIC);
    guest.set(vmcs::TPR_THRESHOLD, 1);
    guest.set(vmcs::EXCEPTION_BITMAP, 2);
    flags(&mut guest, bit::FLAG_IF);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x700);
    guest.set(vmcs::PENDING_DEBUG, BS);
    assert_eq!((guest.run(), guest.get(vmcs::PENDING_DEBUG)), (43, BS));
    guest.set(vmcs::TPR_THRESHOLD, 0);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x700);
    assert_eq!((guest.run(), guest.get(vmcs::PENDING_DEBUG)), (37, BS));
    assert_eq!((guest.run(), guest.get(vmcs::PENDING_DEBUG)), (0, 0));
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0x301);
    assert_eq!(guest.run(), 52);
    guest.off(vmcs::PIN_BASED, pin::PREEMPTION_TIMER);
    assert_eq!(guest.run(), 8);
    guest.off(vmcs::PRIMARY, primary::NMI_WINDOW);
    assert_eq!(guest.run(), 7);
    guest.off(vmcs::PRIMARY, primary::INTERRUPT_WINDOW);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (37, CODE + 1));
}

#[test]
fn a_step_is_not_lost_to_an_interrupt() {
    let mut guest = Guest::real(&[0x90, 0x90, 0x90, 0xeb, 0xfb]);
    guest.on(vmcs::PRIMARY, primary::MONITOR_TRAP_FLAG);
    let interrupter = guest.vcpu.interrupter();
    let until = absolute_ticks() + 20_000_000;
    let nuisance = std::thread::spawn(move || {
        while absolute_ticks() < until {
            interrupter.interrupt().unwrap();
            std::thread::yield_now();
        }
    });
    let mut next = CODE;
    while absolute_ticks() < until {
        let reason = guest.run();
        if reason == 37 {
            next = if next == CODE + 3 { CODE } else { next + 1 };
        } else {
            assert_eq!(reason, 1);
        }
        assert_eq!(guest.get(vmcs::RIP), next, "no instruction goes untold");
    }
    nuisance.join().unwrap();
    // However many came, the guest gets on.
    while guest.run() != 37 {}
}
