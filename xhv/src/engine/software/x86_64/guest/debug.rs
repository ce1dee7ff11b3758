//! Debug exceptions: when they come, what they push, and what DR6, DR7 and IA32_DEBUGCTL have then.

use super::{CODE, Guest, HANDLER, STACK};
use crate::x86_64::entry::field::{primary, vmcs};

const HLT: u8 = 0xf4;
const VALID: u64 = 1 << 31;
const DR0: u32 = 41;
const DR6: u32 = 47;
/// DR6 with nothing in it.
const CLEAR: u64 = 0xffff_0ff0;
const TF: u64 = 0x100;
const RF: u64 = 1 << 16;
const STEP: u64 = 1 << 14;
const GENERAL_DETECT: u64 = 1 << 13;
const BTF: u64 = 2;
/// DR7 that enables breakpoint 0 for instructions, written bytes, ports.
const EXECUTE: u64 = 0x401;
const WRITE: u64 = 0x1_0401;
const PORT: u64 = 0x2_0401;
/// Blocking by MOV SS.
const SHADOW: u64 = 2;
const DATA: u64 = 0x6000;

/// What #DB has found: RIP from [`CODE`] on, RFLAGS as pushed, conditions in DR6.
type Found = (u64, u64, u64);

/// A flat guest whose #DB handler stops, and goes on by IRET.
fn flat(code: &[u8]) -> Guest {
    let mut guest = Guest::flat(&[code, &[HLT]].concat());
    guest.gate(1, 8, HANDLER, 0x8e);
    guest.put(HANDLER, &[HLT, 0xcf]);
    guest
}

/// The next #DB, from whose handler the guest returns afterwards; `None`: the code has ended.
fn next(guest: &mut Guest) -> Option<Found> {
    assert_eq!(guest.run(), 12);
    if guest.get(vmcs::RIP) != HANDLER {
        return None;
    }
    let sp = guest.get(vmcs::RSP);
    let frame = (guest.u32(sp), guest.u32(sp + 8));
    let conditions = guest.reg(DR6) & !CLEAR;
    guest.set_reg(DR6, CLEAR);
    guest.set(vmcs::RIP, HANDLER + 1);
    Some((
        u64::from(frame.0).wrapping_sub(CODE),
        frame.1.into(),
        conditions,
    ))
}

/// All that come; RFLAGS without status flags.
fn all(guest: &mut Guest) -> Vec<Found> {
    std::iter::from_fn(|| next(guest))
        .map(|(rip, flags, conditions)| (rip, flags & !0xcd5, conditions))
        .take(20)
        .collect()
}

/// The same with single step from the start.
fn steps(code: &[u8]) -> Vec<Found> {
    let mut guest = flat(code);
    guest.set(vmcs::RFLAGS, 2 | TF);
    guest.set_reg(2, 0x10);
    all(&mut guest)
}

#[test]
fn steps_stop_behind_each_instruction() {
    let step = |rip| (rip, 2 | TF, STEP);
    assert_eq!(steps(&[0x90, 0x40, 0xeb, 0]), [1, 2, 4].map(step));
    // MOV SS and POP SS hold the step back: mov ss, ax; nop; push ss; pop ss; nop.
    let code = [0x8e, 0xd0, 0x90, 0x16, 0x17, 0x90];
    assert_eq!(steps(&code), [3, 4, 6].map(step));
    // Only the first of two does.
    let code = [0x8e, 0xd0, 0x8e, 0xd0, 0x90];
    assert_eq!(steps(&code), [4, 5].map(step));
    // POPF that clears TF is stepped; behind POPF that sets it the next instruction is the first.
    assert_eq!(
        steps(&[0x6a, 2, 0x9d, 0x90]),
        [(2, 2 | TF, STEP), (3, 2, STEP)]
    );
    let mut guest = flat(&[0x68, 2, 1, 0, 0, 0x9d, 0x90, 0x90]);
    assert_eq!(all(&mut guest), [7, 8].map(step));
}

#[test]
fn iret_that_sets_the_trap_flag() {
    // push 102h; push cs; push (behind); iret; nop; nop
    let code = [
        0x68, 2, 1, 0, 0, 0x0e, 0x68, 0x0c, 0x10, 0, 0, 0xcf, 0x90, 0x90,
    ];
    let mut guest = flat(&code);
    assert_eq!(all(&mut guest), [13, 14].map(|rip| (rip, 2 | TF, STEP)));
}

#[test]
fn repetitions_are_stepped_by_rounds() {
    let mut guest = flat(&[0xf3, 0xa4, 0x90]); // rep movsb; nop
    guest.set(vmcs::RFLAGS, 2 | TF);
    for (register, value) in [(3, 3), (6, DATA), (7, DATA + 0x100)] {
        guest.set_reg(register, value);
    }
    // RF is pushed between rounds, not behind the last.
    let expected = [
        (0, 2 | TF | RF, STEP),
        (0, 2 | TF | RF, STEP),
        (2, 2 | TF, STEP),
        (3, 2 | TF, STEP),
    ];
    assert_eq!(all(&mut guest), expected);
    // The monitor trap flag stops there as well.
    let mut guest = flat(&[0xf3, 0xa4]);
    guest.on(vmcs::PRIMARY, primary::MONITOR_TRAP_FLAG);
    guest.set_reg(3, 2);
    let mut stop = || (guest.run(), guest.get(vmcs::RIP) - CODE, guest.reg(3));
    assert_eq!([stop(), stop()], [(37, 0, 1), (37, 2, 0)]);
}

#[test]
fn an_instruction_breakpoint_on_a_repetition_is_met_once() {
    let mut guest = flat(&[0xf3, 0xaa, 0x90]); // rep stosb; nop
    guest.set_reg(3, 5);
    guest.set_reg(7, DATA);
    guest.set_reg(DR0, CODE);
    guest.set(vmcs::DR7, EXECUTE);
    let (rip, flags, conditions) = next(&mut guest).unwrap();
    assert_eq!((rip, flags, conditions), (0, 2, 1), "RF is not pushed");
    // The handler sets it in its frame.
    let frame = guest.get(vmcs::RSP) + 8;
    guest.put(frame, &(2 | RF as u32).to_le_bytes());
    assert_eq!(next(&mut guest), None);
    assert_eq!((guest.reg(3), guest.reg(7)), (0, DATA + 5));
    assert_eq!(guest.get(vmcs::RFLAGS) & RF, 0, "the instruction is over");
    // With data breakpoints each round is a trap, and the instruction is met before the first only.
    guest.set(vmcs::RIP, CODE);
    guest.set_reg(3, 2);
    guest.set_reg(7, DATA);
    guest.set_reg(DR0 + 1, DATA);
    guest.set(vmcs::DR7, EXECUTE | 4 | 1 << 20 | 1 << 22); // two bytes
    guest.set(vmcs::RFLAGS, 2 | RF);
    assert_eq!(all(&mut guest), [(0, 2 | RF, 2), (2, 2, 2)]);
}

#[test]
fn iret_keeps_the_resume_flag_that_it_pops() {
    // push 10002h; push cs; push (behind); iret; nop: breakpoint on the NOP, RF set at the IRET itself.
    let code = [0x68, 2, 0, 1, 0, 0x0e, 0x68, 0x0c, 0x10, 0, 0, 0xcf, 0x90];
    let mut guest = flat(&code);
    guest.set_reg(DR0, CODE + 12);
    guest.set(vmcs::DR7, EXECUTE);
    assert_eq!(all(&mut guest), []);
    let mut guest = flat(&code);
    guest.set_reg(DR0, CODE + 11);
    guest.set_reg(DR0 + 1, CODE + 12);
    guest.set(vmcs::DR7, EXECUTE | 4);
    assert_eq!(next(&mut guest), Some((11, 2, 1)));
    let frame = guest.get(vmcs::RSP) + 8;
    guest.put(frame, &(2 | RF as u32).to_le_bytes());
    assert_eq!(all(&mut guest), []);
}

#[test]
fn mov_ss_holds_breakpoints_back() {
    // mov ss, [DATA]; nop
    let code = [0x8e, 0x15, 0, 0x60, 0, 0, 0x90];
    let mut guest = flat(&code);
    guest.put(DATA, &[0x10, 0]);
    guest.set_reg(DR0, DATA);
    guest.set(vmcs::DR7, WRITE | 2 << 16); // reads as well
    assert_eq!(all(&mut guest), [(7, 2, 1)], "behind the NOP");
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::RFLAGS, 2 | TF);
    assert_eq!(next(&mut guest), Some((7, 2 | TF, 1 | STEP)));
    // An exit in between has it in the VMCS: the NOP becomes CPUID.
    let mut guest = flat(&[&code[..6], &[0x0f, 0xa2]].concat());
    guest.put(DATA, &[0x10, 0]);
    guest.set_reg(DR0, DATA);
    guest.set(vmcs::DR7, WRITE | 2 << 16);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (10, CODE + 6));
    assert_eq!(guest.get(vmcs::INTERRUPTIBILITY), SHADOW);
    assert_eq!(guest.get(vmcs::PENDING_DEBUG), 0x1001);
}

#[test]
fn events_behind_mov_ss() {
    // mov ss, [DATA]; then INT 40h, whose handler finds the debug exception before its first instruction.
    let with = |behind: &[u8]| {
        let mut guest = flat(&[&[0x8e, 0x15, 0, 0x60, 0, 0], behind].concat());
        guest.put(DATA, &[0x10, 0]);
        guest.set_reg(DR0, DATA);
        guest.set(vmcs::DR7, WRITE | 2 << 16);
        for vector in [6, 0x40] {
            guest.gate(vector, 8, HANDLER + 0x100, 0x8e);
        }
        guest.put(HANDLER + 0x100, &[HLT]);
        guest
    };
    let mut guest = with(&[0xcd, 0x40]);
    let found = next(&mut guest).unwrap();
    assert_eq!((found.0, found.2), (HANDLER + 0x100 - CODE, 1));
    // A fault loses it.
    let mut guest = with(&[0x0f, 0x0b]);
    assert_eq!(next(&mut guest), None);
    assert_eq!(guest.get(vmcs::RIP), HANDLER + 0x100);
}

#[test]
fn an_instruction_that_faults_has_met_no_breakpoint() {
    let mut guest = flat(&[0xff, 0x35, 0, 0x60, 0, 0]); // push dword [DATA], with no stack
    guest.set_reg(DR0, DATA);
    guest.set(vmcs::DR7, WRITE | 2 << 16);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 12);
    guest.set(vmcs::ES_LIMIT + 4, 0xfff);
    guest.set(vmcs::ES_RIGHTS + 4, 0x4093);
    assert_eq!(guest.run(), 0);
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0xb0c);
    assert_eq!(guest.get(vmcs::PENDING_DEBUG), 0);
}

#[test]
fn fast_system_calls_and_the_trap_flag() {
    let mut guest = flat(&[0x0f, 0x34]).user(0xc09b); // sysenter
    guest.set(vmcs::RFLAGS, 2 | TF);
    for (field, value) in [
        (vmcs::SYSENTER_CS, 8),
        (vmcs::SYSENTER_ESP, STACK),
        (vmcs::SYSENTER_EIP, HANDLER + 0x100),
    ] {
        guest.set(field, value);
    }
    guest.put(HANDLER + 0x100, &[0x90, HLT]);
    let at = HANDLER + 0x100 - CODE;
    // TF stays: the kernel is stepped until it clears the flag.
    assert_eq!(next(&mut guest), Some((at, 2 | TF, STEP)));
    assert_eq!(next(&mut guest), Some((at + 1, 2 | TF, STEP)));
    // SYSCALL without TF in FMASK is stepped; with it, not before SYSRET.
    for (mask, expected) in [(0, Some(STEP)), (TF, None)] {
        let mut guest = Guest::long(&[0x0f, 0x05]).user(0xa09b);
        guest.long_gate(1, HANDLER, 0x8e, 0);
        guest.put(HANDLER, &[HLT]);
        guest.put(HANDLER + 0x100, &[HLT]);
        for (msr, value) in [
            (0xc000_0081, 8 << 32),
            (0xc000_0082, HANDLER + 0x100),
            (0xc000_0084, mask),
        ] {
            guest.vcpu.enable_native_msr(msr, true).unwrap();
            guest.vcpu.write_msr(msr, value).unwrap();
        }
        guest.set(vmcs::RFLAGS, 2 | TF);
        assert_eq!(guest.run(), 12);
        let found = (guest.get(vmcs::RIP) == HANDLER).then(|| guest.reg(DR6) & !CLEAR);
        assert_eq!(found, expected);
    }
}

#[test]
fn branches_are_stepped_with_btf() {
    let with = |code: &[u8], count: u64, flags: u64| {
        let mut guest = flat(code);
        guest.set(vmcs::RFLAGS, 2 | TF | flags);
        guest.set(vmcs::DEBUGCTL, BTF);
        guest.set_reg(3, count);
        let found = next(&mut guest).map(|found| (found.0, found.2));
        (found, guest.get(vmcs::DEBUGCTL))
    };
    let zf = 0x40;
    // #DB comes behind branches that are taken, and clears the bit.
    for (code, count, flags, rip) in [
        (&[0x90, 0xeb, 0][..], 0, 0, 3),    // jmp to the next instruction
        (&[0x90, 0x74, 0], 0, zf, 3),       // jz to the next
        (&[0x90, 0x74, 1, 0x90], 0, zf, 4), // jz
        (&[0xe2, 0], 2, 0, 2),              // loop
        (&[0xe2, 0xfe], 2, 0, 0),           // loop to itself
        (&[0xe3, 0], 0, 0, 2),              // jecxz
        (&[0xe1, 0], 2, zf, 2),             // loope
        (&[0xe8, 0, 0, 0, 0], 0, 0, 5),     // call
        (&[0x67, 0xe2, 0], 0x1_0002, 0, 3), // loop with CX
    ] {
        let expected = (Some((rip, STEP)), 0);
        assert_eq!(with(code, count, flags), expected, "{code:x?}");
    }
    for (code, count, flags) in [
        (&[0x90, 0x40][..], 0, 0),
        (&[0x74, 0], 0, 0),
        (&[0xe2, 0], 1, 0),
        (&[0xe3, 0], 1, 0),
        (&[0xe1, 0], 2, 0),
        (&[0xe0, 0], 2, zf),
    ] {
        assert_eq!(with(code, count, flags), (None, BTF), "{code:x?}");
    }
    // An exit in place of #DB changes nothing, nor does #DB that an entry injects.
    let mut guest = flat(&[0xeb, 0]);
    guest.set(vmcs::RFLAGS, 2 | TF);
    guest.set(vmcs::DEBUGCTL, BTF);
    guest.set(vmcs::EXCEPTION_BITMAP, 2);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE + 2));
    let left = (guest.get(vmcs::QUALIFICATION), guest.reg(DR6));
    assert_eq!((left, guest.get(vmcs::DEBUGCTL)), ((STEP, CLEAR), BTF));
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x301);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, HANDLER));
    assert_eq!((guest.reg(DR6), guest.get(vmcs::DEBUGCTL)), (CLEAR, BTF));
    // Bits that the CPU does not have keep it from being entered.
    guest.set(vmcs::DEBUGCTL, 1);
    assert_eq!(guest.run(), 0x8000_0021);
}

#[test]
fn general_detection() {
    let mut guest = flat(&[0x90, 0x0f, 0x21, 0xf0]); // nop; mov eax, dr6
    guest.set(vmcs::DR7, 0x2400);
    assert_eq!(next(&mut guest), Some((1, 2 | RF, GENERAL_DETECT)));
    assert_eq!(guest.get(vmcs::DR7), 0x400, "off, for the handler");
    assert_eq!(next(&mut guest), None);
    assert_eq!(guest.reg(2), CLEAR);
}

#[test]
fn debug_registers_4_and_5() {
    // mov ebx, dr4; mov ecx, dr5; mov dr5, eax; mov dr4, eax
    let code = [
        0x0f, 0x21, 0xe3, 0x0f, 0x21, 0xe9, 0x0f, 0x23, 0xe8, 0x0f, 0x23, 0xe0,
    ];
    let mut guest = flat(&code);
    guest.set(vmcs::DR7, 0x402);
    guest.set_reg(DR6, CLEAR | 8);
    guest.set_reg(2, 0xffff_ffff & !0x2003);
    assert_eq!(next(&mut guest), None);
    assert_eq!((guest.reg(5), guest.reg(3)), (CLEAR | 8, 0x402));
    // Bits that are not there stay as they are.
    assert_eq!(guest.reg(DR6), 0xffff_cffc | 0xff0);
    assert_eq!(guest.get(vmcs::DR7), 0xffff_07fc);
    guest.set(vmcs::CR4, 0x2008);
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 6);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE));
    // The exit comes before both #UD and the look at privilege.
    guest.on(vmcs::PRIMARY, primary::MOV_DR);
    assert_eq!((guest.run(), guest.get(vmcs::QUALIFICATION)), (29, 0x314));
    let mut guest = flat(&code).user(0xc09b);
    guest.on(vmcs::PRIMARY, primary::MOV_DR);
    assert_eq!(guest.run(), 29);
}

#[test]
fn pending_debug_exceptions_of_the_client() {
    let mut guest = flat(&[0x90]);
    guest.set(vmcs::PENDING_DEBUG, 1);
    assert_eq!(next(&mut guest), None, "none of them is enabled");
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::PENDING_DEBUG, 0x1003);
    assert_eq!(next(&mut guest), Some((0, 2, 3)));
    // An injected interrupt loses them; a software interrupt in the shadow of MOV SS does not.
    for (info, len, shadow, kept) in [
        (VALID | 0x40, 0, 0, false),
        (VALID | 0x440, 1, 0, false),
        (VALID | 0x440, 1, SHADOW, true),
    ] {
        let mut guest = flat(&[0x90]);
        guest.gate(0x40, 8, HANDLER + 0x100, 0x8e);
        guest.put(HANDLER + 0x100, &[HLT]);
        guest.set(vmcs::RFLAGS, 0x202);
        guest.set(vmcs::PENDING_DEBUG, 0x1001);
        guest.set(vmcs::INTERRUPTIBILITY, shadow);
        guest.set(vmcs::ENTRY_INTERRUPTION, info);
        guest.set(vmcs::ENTRY_LENGTH, len);
        assert_eq!(next(&mut guest).is_some(), kept, "{info:x} {shadow}");
        assert_eq!(guest.get(vmcs::PENDING_DEBUG), 0);
    }
}

#[test]
fn a_notified_port_has_breakpoints_too() {
    let mut guest = flat(&[0xe6, 0x70, 0x90]); // out 70h, al; nop
    guest.set(vmcs::CR4, 0x2008);
    guest.set_reg(DR0, 0x70);
    guest.set(vmcs::DR7, PORT);
    guest.set_reg(2, 0x42);
    guest.vm.add_pio_notifier(0x70, 1, 0x42, 9, 0).unwrap();
    assert_eq!(all(&mut guest), [(2, 2, 1)]);
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::CR4, 0x2000);
    assert_eq!(all(&mut guest), [], "no I/O breakpoints without CR4.DE");
}
