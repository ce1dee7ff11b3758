//! Events that the entry delivers: every type, with its image on the stack; what is in the way; exits while they are delivered (SDM vol. 3,
//! 28.2.1.3, 28.6.1, 28.7).

use super::super::{HANDLER, STACK, TSS};
use super::vectoring::inject_again;
use super::{CODE, Guest, MOV_SS, NMI, STI, VALID, flags, flat_user, seen};
use crate::error::Code;
use crate::x86_64::entry::field::{bit, pin, vmcs};

const HLT: u64 = 12;
const REFUSED: u64 = 0x8000_0021;
const HOLE: u64 = 0x80_0000;

fn inject(guest: &mut Guest, what: u64, error: u64, length: u64) {
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | what);
    guest.set(vmcs::ENTRY_ERROR, error);
    guest.set(vmcs::ENTRY_LENGTH, length);
}

/// Every type that goes through the IDT: event, error code, length, whether RIP is moved by the length, whether a gate's DPL counts.
const TYPES: [(&str, u64, u64, u64, bool, bool); 8] = [
    ("external interrupt", 0x020, 0, 3, false, false),
    ("NMI", 0x202, 0, 3, false, false),
    ("hardware exception", 0x306, 0, 3, false, false),
    (
        "hardware exception with error code",
        0xb0d,
        0x1234,
        3,
        false,
        false,
    ),
    ("software interrupt", 0x440, 0, 2, true, true),
    ("privileged software exception", 0x501, 0, 1, true, false),
    ("software exception", 0x603, 0, 1, true, true),
    ("software exception without length", 0x604, 0, 0, true, true),
];

fn flat(dpl: u64) -> Guest {
    let mut guest = Guest::flat(&[0x90]);
    gates(&mut guest, dpl);
    guest
}

fn gates(guest: &mut Guest, dpl: u64) {
    for vector in [1, 2, 3, 4, 6, 13, 0x20, 0x40] {
        guest.gate(vector, 8, HANDLER, 0x8e | dpl << 5);
    }
    guest.put(HANDLER, &[0xf4]);
    flags(guest, bit::FLAG_IF);
}

#[test]
fn every_type_is_delivered_with_its_image() {
    for (name, what, error, length, moves, _) in TYPES {
        for resumed in [0, bit::FLAG_RF] {
            let mut guest = flat(0);
            flags(&mut guest, resumed);
            guest.set(vmcs::EXCEPTION_BITMAP, 0xffff_ffff);
            let before = guest.get(vmcs::RFLAGS);
            inject(&mut guest, what, error, length);
            assert_eq!(
                (guest.run(), guest.get(vmcs::RIP)),
                (HLT, HANDLER),
                "{name}"
            );
            let code = what >> 11 & 1;
            let bytes = 12 + 4 * code;
            assert_eq!(guest.get(vmcs::RSP), STACK - bytes, "{name}");
            if code != 0 {
                assert_eq!(u64::from(guest.u32(STACK - 16)), error, "{name}");
            }
            let rip = CODE + if moves { length } else { 0 };
            assert_eq!(u64::from(guest.u32(STACK - 12)), rip, "{name}");
            // RFLAGS are pushed as they are, RF as well, whatever the type.
            assert_eq!(u64::from(guest.u32(STACK - 4)), before, "{name}");
            let blocking = if what == 0x202 { NMI } else { 0 };
            assert_eq!(guest.get(vmcs::INTERRUPTIBILITY), blocking, "{name}");
            assert_eq!(guest.get(vmcs::ENTRY_INTERRUPTION) & VALID, 0, "{name}");
            assert_eq!(guest.get(vmcs::IDT_VECTORING), 0, "{name}");
        }
    }
}

#[test]
fn a_closed_gate_stops_software_events_only() {
    for (name, what, error, length, _, asks) in TYPES {
        let mut guest = flat_user(&[0x90]);
        gates(&mut guest, 0);
        guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
        inject(&mut guest, what, error, length);
        let got = seen(&mut guest);
        if !asks {
            assert_eq!((got.reason, got.rip), (HLT, HANDLER), "{name}");
            continue;
        }
        let vector = what & 0xff;
        assert_eq!(got.interruption, VALID | 0xb0d, "{name}");
        assert_eq!(
            (got.error, got.vectoring),
            (vector * 8 + 2, VALID | what),
            "{name}"
        );
        assert_eq!(
            (got.length, got.rip, got.rf),
            (length, CODE, true),
            "{name}"
        );
    }
}

#[test]
fn an_exit_while_it_is_delivered_tells_the_event() {
    for (name, what, error, length, moves, _) in TYPES {
        for shadow in [0, STI, MOV_SS] {
            let mut guest = flat(0);
            guest.set(vmcs::RSP, HOLE);
            let allowed = shadow == 0 || !matches!(what >> 8 & 7, 0 | 2);
            let shadow = if allowed { shadow } else { 0 };
            guest.set(vmcs::INTERRUPTIBILITY, shadow);
            guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
            inject(&mut guest, what, error, length);
            let got = seen(&mut guest);
            assert_eq!((got.reason, got.qualification), (48, 0x182), "{name}");
            assert_eq!(
                (got.vectoring, got.vectoring_error),
                (VALID | what, error),
                "{name}"
            );
            assert_eq!(got.length, if moves { length } else { 0 }, "{name}");
            assert_eq!((got.rip, got.rf), (CODE, false), "{name}");
            // No shadow is left; an NMI blocks the next one before the exit.
            let blocking = if what == 0x202 { NMI } else { 0 };
            assert_eq!(got.blocking, blocking, "{name}");
            assert_eq!(guest.get(vmcs::ENTRY_INTERRUPTION) & VALID, 0, "{name}");
            inject_again(&mut guest);
            guest.set(vmcs::RSP, STACK);
            assert_eq!(
                (guest.run(), guest.get(vmcs::RIP)),
                (HLT, HANDLER),
                "{name}"
            );
            assert_eq!(guest.get(vmcs::INTERRUPTIBILITY), blocking, "{name}");
        }
    }
}

#[test]
fn it_may_lead_to_a_task_switch() {
    for (name, what, error, length, moves, _) in TYPES {
        let mut guest = flat(0);
        guest.put(
            super::super::GDT + 0x30,
            &(0x8900_u64 << 32 | 0x6000 << 16 | 0x67).to_le_bytes(),
        );
        guest.gate(what & 0xff, 0x30, 0, 0x85);
        inject(&mut guest, what, error, length);
        let got = seen(&mut guest);
        assert_eq!(
            (got.reason, got.qualification),
            (9, 3 << 30 | 0x30),
            "{name}"
        );
        assert_eq!(
            (got.vectoring, got.vectoring_error),
            (VALID | what, error),
            "{name}"
        );
        assert_eq!(got.length, if moves { length } else { 0 }, "{name}");
    }
}

#[test]
fn it_wakes_and_combines() {
    // What may be injected into the halted state, and that the exit of its delivery saves the active one.
    for what in [0x020, 0x202, 0x301] {
        let mut guest = flat(0);
        guest.set(vmcs::ACTIVITY, 1);
        guest.set(vmcs::RSP, HOLE);
        inject(&mut guest, what, 0, 0);
        assert_eq!(
            (guest.run(), guest.get(vmcs::ACTIVITY)),
            (48, 0),
            "{what:x}"
        );
    }
    // #GP that cannot be delivered for want of a gate is a double fault, and then a triple fault.
    let mut guest = Guest::flat(&[0x90]);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 8);
    inject(&mut guest, 0xb0d, 0, 0);
    assert_eq!(
        (guest.run(), guest.get(vmcs::EXIT_INTERRUPTION)),
        (0, VALID | 0xb08)
    );
    inject(&mut guest, 0xb08, 0, 0);
    assert_eq!((guest.run(), guest.get(vmcs::IDT_VECTORING)), (2, 0));
    // An external interrupt is benign: what it meets comes to the guest as it is, EXT set.
    let mut guest = flat(0);
    inject(&mut guest, 0x021, 0, 0);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (HLT, HANDLER));
    assert_eq!(guest.u32(STACK - 16), 0x21 * 8 + 3);
}

#[test]
fn debug_exceptions_that_wait_are_lost_to_an_injected_event() {
    for (name, what, error, length, ..) in TYPES {
        for shadow in [0, MOV_SS] {
            let kind = what >> 8 & 7;
            if shadow != 0 && matches!(kind, 0 | 2) {
                continue;
            }
            let mut guest = flat(0);
            guest.put(HANDLER, &[0x90, 0xf4]);
            guest.set(vmcs::INTERRUPTIBILITY, shadow);
            guest.set(vmcs::PENDING_DEBUG, 0x1001);
            guest.set(vmcs::EXCEPTION_BITMAP, 2);
            inject(&mut guest, what, error, length);
            // INT n, INT3 and INTO behind MOV SS: the debug exception comes at the handler (SDM vol. 3, 28.7.3).
            let kept = shadow != 0 && matches!(kind, 4 | 6);
            let wanted = if kept {
                (0, HANDLER)
            } else {
                (HLT, HANDLER + 1)
            };
            assert_eq!(
                (guest.run(), guest.get(vmcs::RIP)),
                wanted,
                "{name} {shadow}"
            );
        }
    }
}

#[test]
fn debug_registers_stay_with_an_injected_debug_exception() {
    for what in [0x301, 0x501] {
        let mut guest = flat(0);
        guest.set_reg(47, 0xffff_0ff5);
        guest.set(vmcs::DR7, 0x2400);
        inject(&mut guest, what, 0, 1);
        assert_eq!(guest.run(), HLT);
        assert_eq!(
            (guest.reg(47), guest.get(vmcs::DR7)),
            (0xffff_0ff5, 0x2400),
            "{what:x}"
        );
    }
}

#[test]
fn a_pending_trap_is_an_exit_of_its_own() {
    for blocking in [0, STI, MOV_SS] {
        let mut guest = flat(0);
        guest.set(vmcs::INTERRUPTIBILITY, blocking);
        inject(&mut guest, 0x700, 0, 0);
        let got = seen(&mut guest);
        assert_eq!((got.reason, got.rip, got.blocking), (37, CODE, blocking));
        // Once, and without the control that asks for one after each instruction.
        guest.put(CODE, &[0x0f, 0xa2]);
        assert_eq!(guest.run(), 10);
    }
}

/// Fields that fail the entry instruction with error 7, each with the good value beside it.
#[test]
fn fields_of_the_event_are_checked() {
    let attempt = |guest: &mut Guest, what: u64, error: u64, length: u64| {
        inject(guest, what, error, length);
        let run = guest.vcpu.run();
        (run, guest.get(vmcs::EXIT_REASON))
    };
    for (what, error, length, why) in [
        (0x120, 0, 0, "type 1 is reserved"),
        (0x203, 0, 0, "an NMI has vector 2"),
        (0x320, 0, 0, "exceptions have vectors up to 31"),
        (0x701, 0, 0, "other events have vector 0"),
        (0x820, 0, 0, "an interrupt has no error code"),
        (0xa02, 0, 0, "an NMI has none"),
        (0xc40, 0, 2, "a software interrupt has none"),
        (0x1306, 0, 0, "bit 12 is reserved"),
        (0x4000_0306, 0, 0, "bit 30 is reserved"),
        (0xb0d, 0x1_0000, 0, "error codes have 16 bits"),
        (0x440, 0, 16, "instructions have up to 15 bytes"),
        (0x603, 0, 16, "instructions have up to 15 bytes"),
    ] {
        let mut guest = flat(0);
        assert_eq!(
            attempt(&mut guest, what, error, length).0,
            Err(Code::ERROR),
            "{why}"
        );
        assert_eq!(guest.get(vmcs::INSTRUCTION_ERROR), 7, "{why}");
        assert_eq!(guest.get(vmcs::ENTRY_INTERRUPTION), VALID | what, "{why}");
    }
    // Lengths count for software events only, high error-code bits with an error code only.
    for (what, error, length) in [(0x306, 0x1_0000, 99), (0x020, 0x1_0000, 99), (0x440, 0, 15)] {
        let mut guest = flat(0);
        assert_eq!(
            attempt(&mut guest, what, error, length),
            (Ok(()), HLT),
            "{what:x}"
        );
    }
    // In real mode nothing has an error code.
    let mut guest = Guest::real(&[0xf4]);
    assert_eq!(attempt(&mut guest, 0xb0d, 0, 0).0, Err(Code::ERROR));
}

/// Guest states that refuse an event, with reason 0x80000021 and the qualification.
#[test]
fn blocking_refuses_events() {
    let state = |what: u64, blocking: u64, virtual_nmis: bool, interrupts: bool| {
        let mut guest = flat(0);
        if virtual_nmis {
            guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
        }
        if !interrupts {
            guest.set(vmcs::RFLAGS, 2);
        }
        guest.set(vmcs::INTERRUPTIBILITY, blocking);
        inject(&mut guest, what, 0, 1);
        (guest.run(), guest.get(vmcs::QUALIFICATION))
    };
    assert_eq!(state(0x020, 0, false, false), (REFUSED, 0), "IF is 0");
    assert_eq!(state(0x020, STI, false, true), (REFUSED, 0));
    assert_eq!(state(0x020, MOV_SS, false, true), (REFUSED, 0));
    assert_eq!(state(0x202, MOV_SS, false, true), (REFUSED, 3));
    assert_eq!(state(0x202, NMI, true, true), (REFUSED, 0));
    assert_eq!(state(0x202, NMI, false, true), (HLT, 0), "host's blocking");
    assert_eq!(
        state(0x020, NMI, true, true),
        (HLT, 0),
        "no business of interrupts"
    );
    for what in [0x306, 0x440, 0x501, 0x603] {
        for blocking in [STI, MOV_SS, NMI] {
            assert_eq!(
                state(what, blocking, true, true),
                (HLT, 0),
                "{what:x} {blocking}"
            );
        }
    }
    // The halted state takes few exceptions.
    for (what, reason) in [
        (0x306, REFUSED),
        (0x440, REFUSED),
        (0x301, HLT),
        (0x202, HLT),
    ] {
        let mut guest = flat(0);
        guest.set(vmcs::ACTIVITY, 1);
        inject(&mut guest, what, 0, 1);
        assert_eq!(guest.run(), reason, "{what:x}");
    }
}

#[test]
fn software_interrupts_of_virtual_8086_mode_are_redirected() {
    let guest = |bit: u8, iopl: u64, extensions: u64| {
        let mut guest = Guest::flat(&[0x90]);
        for n in 0..6 {
            guest.set(vmcs::ES + 2 * n, 0);
            guest.set(vmcs::ES_BASE + 2 * n, 0);
            guest.set(vmcs::ES_LIMIT + 2 * n, 0xffff);
            guest.set(vmcs::ES_RIGHTS + 2 * n, 0xf3);
        }
        guest.set(vmcs::RFLAGS, 0x2_0002 | iopl << 12 | 1 << 19);
        guest.set(vmcs::CR4, 0x2000 | extensions);
        guest.set(vmcs::TR_LIMIT, 0x200);
        guest.put(TSS + 102, &0x88_u16.to_le_bytes());
        guest.put(TSS + 0x68 + 4, &[bit << 1]);
        guest.put(4 * 0x21, &0x5500_u32.to_le_bytes());
        guest.gate(0x21, 8, HANDLER, 0xee);
        guest.put(0x5500, &[0x0f, 0xa2]);
        guest.put(HANDLER, &[0x0f, 0xa2]);
        inject(&mut guest, 0x421, 0, 2);
        assert_eq!(guest.run(), 10);
        guest
    };
    // Bit clear: the program's vector; IOPL is pushed as 3, IF as VIF.
    let one = guest(0, 0, 1);
    assert_eq!(one.get(vmcs::RIP), 0x5500);
    assert_eq!(one.u32(STACK - 6) & 0xffff, CODE as u32 + 2);
    assert_eq!(one.u32(STACK - 4) >> 16, 0x3202);
    // Bit set, or no extensions: the gate, whatever IOPL is.
    for (bit, iopl, extensions) in [(1, 0, 1), (1, 3, 1), (0, 0, 0), (0, 3, 0)] {
        let one = guest(bit, iopl, extensions);
        assert_eq!(one.get(vmcs::RIP), HANDLER, "{bit} {iopl} {extensions}");
    }
}
