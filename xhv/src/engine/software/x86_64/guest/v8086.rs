//! Virtual-8086 mode with and without CR4.VME, and CR4.PVI: software interrupts by the redirection bitmap, and the virtual interrupt flag (Intel
//! SDM vol. 3, 22.3 and 22.4).

use super::{Guest, HANDLER, INNER_STACK, TSS};
use crate::x86_64::entry::field::vmcs;

const GP: u64 = 1 << 13;
const VECTOR: u8 = 0x21;
/// The program's own handler of it: 0600:0010.
const OWN: u64 = 0x10;
const SP: u64 = 0x7000;
/// A port that the TSS opens: the exit ends a program.
const OUT: [u8; 2] = [0xe6, 5];
const TF: u64 = 1 << 8;
const IF: u64 = 1 << 9;
const IOPL: u64 = 3 << 12;
const VM: u64 = 1 << 17;
const VIF: u64 = 1 << 19;
const VIP: u64 = 1 << 20;
const VME: u64 = 1;
const PVI: u64 = 2;

/// The TSS with a redirection bitmap in front of the I/O map, `bit` for [`VECTOR`].
fn with_maps(guest: &mut Guest, bit: bool) {
    guest.put(TSS + 102, &0x88_u16.to_le_bytes());
    guest.put(TSS + 0x68, &[0xff; 32]);
    let byte = if bit { 0xff } else { !(1 << (VECTOR & 7)) };
    guest.put(TSS + 0x68 + u64::from(VECTOR / 8), &[byte]);
    guest.set(vmcs::TR_LIMIT, 0x90);
}

/// A guest in virtual-8086 mode at 0100:0000 with its stack at 0000:[`SP`]. [`VECTOR`] has a gate to [`HANDLER`] as well.
fn guest(code: &[u8], flags: u64, cr4: u64, bit: bool) -> Guest {
    let mut guest = Guest::flat(&[code, &OUT].concat());
    with_maps(&mut guest, bit);
    for n in 0..6 {
        let selector = if n == 1 { 0x100 } else { 0 };
        guest.set(vmcs::ES + 2 * n, selector);
        guest.set(vmcs::ES_BASE + 2 * n, selector << 4);
        guest.set(vmcs::ES_LIMIT + 2 * n, 0xffff);
        guest.set(vmcs::ES_RIGHTS + 2 * n, 0xf3);
    }
    guest.put(4 * u64::from(VECTOR), &[OWN as u8, 0, 0, 6]);
    guest.put(0x6000 + OWN, &OUT);
    for vector in [u64::from(VECTOR), 3] {
        guest.gate(vector, 8, HANDLER, 0xee);
    }
    guest.put(HANDLER, &[0xf4]);
    guest.set(vmcs::RIP, 0);
    guest.set(vmcs::RSP, SP);
    guest.set(vmcs::RFLAGS, 2 | VM | flags);
    guest.set(vmcs::CR4, 0x2000 | cr4);
    guest.set(vmcs::EXCEPTION_BITMAP, GP | 2);
    guest
}

/// How a program has ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// At the OUT behind it, with these RFLAGS (without reserved and status flags, and VM).
    Out(u64),
    /// #GP with this error code, at its start.
    Gp(u64),
    /// At the gate's handler.
    Gate,
    /// At the program's own handler: RFLAGS, and FLAGS as pushed.
    Own(u64, u64),
    Other(u64),
}

fn end(guest: &mut Guest) -> End {
    let reason = guest.run();
    let (rip, flags) = (
        guest.get(vmcs::RIP),
        guest.get(vmcs::RFLAGS) & !(0x8d7 | VM),
    );
    let information = guest.get(vmcs::EXIT_INTERRUPTION);
    match reason {
        0 if information == 0x8000_0b0d => End::Gp(guest.get(vmcs::EXIT_ERROR)),
        12 if rip == HANDLER => End::Gate,
        30 if guest.get(vmcs::CS) == 0x600 && rip == OWN => {
            let sp = guest.get(vmcs::RSP);
            assert_eq!((sp, guest.u32(sp)), (SP - 6, 0x100_0002), "CS:IP behind it");
            End::Own(flags, u64::from(guest.u32(sp + 4) & 0xffff) & !0x8d7)
        }
        30 => End::Out(flags),
        _ => End::Other(reason | rip << 16),
    }
}

#[test]
fn software_interrupts_by_six_methods() {
    let int = [0xcd, VECTOR];
    // SDM vol. 3, table 22-2: CR4.VME, IOPL, bit of the redirection bitmap.
    for (method, vme, flags, bit, expected) in [
        (1, 0, IOPL | IF, true, End::Gate),
        (1, 0, IOPL | IF, false, End::Gate),
        (2, 0, IF, true, End::Gp(0)),
        (2, 0, IF, false, End::Gp(0)),
        (3, VME, IF, true, End::Gp(0)),
        (4, VME, IOPL | IF, true, End::Gate),
        // The program's own vector: IF is off, or VIF in its place; the image has IOPL 3 and VIF in the place of IF.
        (5, VME, IOPL | IF, false, End::Own(IOPL, IOPL | IF)),
        (5, VME, IOPL | VIF, false, End::Own(IOPL | VIF, IOPL)),
        (6, VME, IF | VIF, false, End::Own(IF, IOPL | IF)),
        (6, VME, IF, false, End::Own(IF, IOPL)),
        (6, VME, VIF | VIP, false, End::Own(VIP, IOPL | IF)),
    ] {
        let mut guest = guest(&int, flags, vme, bit);
        assert_eq!(end(&mut guest), expected, "method {method}, {flags:x}");
    }
    // The frame of the gate: GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP.
    let mut guest = guest(&int, IOPL | IF | VIF, VME, true);
    assert_eq!(end(&mut guest), End::Gate);
    let frame: Vec<_> = (0..9)
        .map(|n| guest.u32(INNER_STACK - 36 + 4 * n))
        .collect();
    let flags = (2 | VM | IOPL | IF | VIF) as u32;
    assert_eq!(frame, [2, 0x100, flags, SP as u32, 0, 0, 0, 0, 0]);
    assert_eq!(guest.get(vmcs::RFLAGS) & (VM | IF | VIF), VIF);
}

#[test]
fn the_redirection_bitmap_has_to_lie_in_the_tss() {
    for (limit, map) in [(102, 0x88_u16), (0x6b, 0x88), (0x90, 0x1f), (0x90, 0xfff0)] {
        let mut guest = guest(&[0xcd, VECTOR], IOPL, VME, false);
        guest.put(TSS + 102, &map.to_le_bytes());
        guest.set(vmcs::TR_LIMIT, limit);
        assert_eq!(end(&mut guest), End::Gp(0), "{limit:x} {map:x}");
    }
}

#[test]
fn int3_is_not_redirected() {
    for (flags, vme) in [(0, 0), (0, VME), (IOPL, VME)] {
        assert_eq!(end(&mut guest(&[0xcc], flags, vme, false)), End::Gate);
    }
}

#[test]
fn a_redirected_interrupt_is_not_stepped() {
    for flags in [IOPL, 0] {
        let mut guest = guest(&[0xcd, VECTOR], flags | TF, VME, false);
        let End::Own(now, pushed) = end(&mut guest) else {
            panic!("stepped");
        };
        assert_eq!((now & TF, pushed & TF), (0, TF));
    }
}

#[test]
fn the_virtual_interrupt_flag() {
    const CLI: &[u8] = &[0xfa];
    const STI: &[u8] = &[0xfb];
    for (code, flags, cr4, expected) in [
        (STI, 0, VME, End::Out(VIF)),
        (CLI, VIF | IF, VME, End::Out(IF)),
        (CLI, VIF | VIP, VME, End::Out(VIP)),
        (STI, VIP, VME, End::Gp(0)),
        (STI, IOPL, VME, End::Out(IOPL | IF)),
        (CLI, IOPL | IF | VIF, VME, End::Out(IOPL | VIF)),
        (STI, IOPL | VIP, VME, End::Out(IOPL | VIP | IF)),
        (STI, 0, 0, End::Gp(0)),
        (CLI, 0, 0, End::Gp(0)),
        // Of protected mode only.
        (STI, 0, PVI, End::Gp(0)),
    ] {
        let mut guest = guest(code, flags, cr4, true);
        assert_eq!(end(&mut guest), expected, "{code:x?} {flags:x} {cr4}");
    }
}

#[test]
fn flags_on_the_stack() {
    // pushf; pop ax
    for (flags, cr4, expected) in [
        (VIF, VME, Some(IOPL | IF)),
        (IF, VME, Some(IOPL)),
        (IOPL | IF, VME, Some(IOPL | IF)),
        (IOPL | VIF, VME, Some(IOPL)),
        (0, 0, None),
    ] {
        let mut guest = guest(&[0x9c, 0x58], flags, cr4, true);
        let image = match end(&mut guest) {
            End::Out(_) => Some(guest.reg(2) & !0x8d7),
            End::Gp(0) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(image, expected, "{flags:x} {cr4}");
    }
    // popf, and iret to the OUT: what the image has, what RFLAGS become.
    for (image, flags, cr4, expected) in [
        (IF, 0, VME, End::Out(VIF)),
        (IOPL, IF | VIF, VME, End::Out(IF)),
        (IF, VIP, VME, End::Gp(0)),
        (0, VIP | VIF, VME, End::Out(VIP)),
        (TF, 0, VME, End::Gp(0)),
        (IF, IOPL, VME, End::Out(IOPL | IF)),
        (0, IOPL | IF | VIF, VME, End::Out(IOPL | VIF)),
        (IF, IOPL | VIP, VME, End::Out(IOPL | VIP | IF)),
        (0, 0, 0, End::Gp(0)),
    ] {
        let popf = &[0x68, image as u8 | 2, (image >> 8) as u8, 0x9d][..];
        let iret = &[
            0x68,
            image as u8 | 2,
            (image >> 8) as u8,
            0x0e,
            0x6a,
            7,
            0xcf,
        ];
        for code in [popf, iret] {
            let mut guest = guest(code, flags, cr4, true);
            let what = format!("{code:x?} {flags:x} {cr4}");
            assert_eq!(end(&mut guest), expected, "{what}");
            if expected == End::Gp(0) {
                let left = SP - if code.len() == 4 { 2 } else { 6 };
                assert_eq!(guest.get(vmcs::RSP), left, "nothing is popped: {what}");
            }
        }
    }
    // Operands of 32 bits are never virtual.
    for code in [0x9c, 0x9d, 0xcf] {
        let mut guest = guest(&[0x66, code], 0, VME, true);
        assert_eq!(end(&mut guest), End::Gp(0), "{code:x}");
    }
}

#[test]
fn virtual_interrupts_of_protected_mode() {
    const CLI: &[u8] = &[0xfa];
    const STI: &[u8] = &[0xfb];
    /// push image; popfd
    const POPF_IF: &[u8] = &[0x68, 2, 2, 0, 0, 0x9d];
    const POPF_0: &[u8] = &[0x6a, 2, 0x9d];
    for (code, flags, cr4, expected) in [
        (STI, 0, PVI, End::Out(VIF)),
        (CLI, VIF | IF, PVI, End::Out(IF)),
        (STI, VIP, PVI, End::Gp(0)),
        (STI, IOPL, PVI, End::Out(IOPL | IF)),
        (STI, 0, 0, End::Gp(0)),
        (CLI, 0, VME, End::Gp(0)),
        // POPF is not virtual here: neither flag changes.
        (POPF_IF, 0, PVI, End::Out(0)),
        (POPF_IF, VIP, PVI, End::Out(VIP)),
        (POPF_0, VIF | IF, PVI, End::Out(VIF | IF)),
        (POPF_0, IOPL | IF, PVI, End::Out(IOPL)),
    ] {
        let mut guest = Guest::flat(&[code, &OUT].concat()).user(0xc09b);
        with_maps(&mut guest, true);
        guest.set(vmcs::RFLAGS, 2 | flags);
        guest.set(vmcs::CR4, 0x2000 | cr4);
        guest.set(vmcs::EXCEPTION_BITMAP, GP);
        assert_eq!(end(&mut guest), expected, "{code:x?} {flags:x} {cr4}");
    }
    // PUSHF has the real flag.
    let mut guest = Guest::flat(&[&[0x9c, 0x58], &OUT[..]].concat()).user(0xc09b);
    with_maps(&mut guest, true);
    guest.set(vmcs::RFLAGS, 2 | VIF);
    guest.set(vmcs::CR4, 0x2000 | PVI);
    assert_eq!(end(&mut guest), End::Out(VIF));
    assert_eq!(guest.reg(2), 2 | VIF);
    // At an inner level there is nothing virtual.
    let mut guest = Guest::flat(&[0xfb, 0x90, 0xf4]);
    guest.set(vmcs::CR4, 0x2000 | PVI);
    assert_eq!(guest.run(), 12);
    assert_eq!(guest.get(vmcs::RFLAGS) & (IF | VIF), IF);
}
