//! INT n in virtual-8086 mode: the six methods of Intel SDM vol. 3, table 22-2, by CR4.VME, IOPL and the TSS's redirection bitmap.

use super::*;

const VECTOR: u64 = 0x40;
/// Where the program's own handler lies: 700h:0.
const OWN: u64 = 0x7000;
/// The program's stack: 900h:100h.
const TOP: u64 = 0x9100;
const VALID: u64 = 1 << 31;
const VME: u64 = 1;
const IF: u64 = 1 << 9;
const IOPL: u64 = 3 << 12;
const RF: u64 = 1 << 16;
const VM: u64 = 1 << 17;
const VIF: u64 = 1 << 19;

/// Runs INT 40h with these flags; whether the bitmap names the gate. UD2 ends the program's handler, HLT the gate's, and #GP exits.
fn int(cr4: u64, flags: u64, to_gate: bool) -> Guest {
    let mut guest = Guest::flat(&[0xcd, VECTOR as u8]);
    guest.put(OWN, &[0x0f, 0x0b]);
    guest.put(HANDLER, &[0xf4]);
    guest.gate(VECTOR, 8, HANDLER, 0xee);
    guest.put(4 * VECTOR, &(OWN as u32 >> 4 << 16).to_le_bytes());
    // The bitmap lies below the I/O bitmap.
    guest.put(TSS + 102, &0x88_u16.to_le_bytes());
    let bit = u8::from(to_gate) << (VECTOR % 8);
    guest.put(TSS + 0x68 + VECTOR / 8, &[bit]);
    guest.set(vmcs::TR_LIMIT, 0xff);
    for n in 0..6 {
        let selector = [0, 0x100, 0x900, 0, 0, 0][n as usize];
        guest.set(vmcs::ES + 2 * n, selector);
        guest.set(vmcs::ES_BASE + 2 * n, selector << 4);
        guest.set(vmcs::ES_LIMIT + 2 * n, 0xffff);
        guest.set(vmcs::ES_RIGHTS + 2 * n, 0xf3);
    }
    guest.set(vmcs::RIP, 0);
    guest.set(vmcs::RSP, 0x100);
    guest.set(vmcs::RFLAGS, 2 | VM | flags);
    guest.set(vmcs::CR4, 0x2000 | cr4);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 6 | 1 << 13);
    guest
}

/// It came to the program's handler: the FLAGS on its stack, and those that it has (but for RF, which the exit for a fault sets).
fn at_own(mut guest: Guest) -> (u64, u64) {
    assert_eq!(guest.run(), 0);
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0x306);
    assert_eq!((guest.get(vmcs::CS), guest.get(vmcs::RIP)), (OWN >> 4, 0));
    assert_eq!(guest.get(vmcs::CS_RIGHTS), 0xf3);
    assert_eq!(guest.get(vmcs::RSP), 0x100 - 6);
    assert_eq!(guest.u32(TOP - 6), 0x100 << 16 | 2, "back behind the INT");
    (
        u64::from(guest.u32(TOP - 2) & 0xffff),
        guest.get(vmcs::RFLAGS) & !RF,
    )
}

fn at_gate(mut guest: Guest) {
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, HANDLER));
    assert_eq!(guest.get(vmcs::RFLAGS) & VM, 0);
    assert_eq!(guest.u32(INNER_STACK - 36), 2);
}

fn refused(mut guest: Guest) {
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, 0));
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0xb0d);
    assert_eq!(guest.get(vmcs::RSP), 0x100);
}

#[test]
fn without_the_extensions_iopl_decides() {
    for to_gate in [true, false] {
        at_gate(int(0, IOPL, to_gate));
        refused(int(0, 0, to_gate));
    }
}

#[test]
fn the_bitmap_names_the_gate() {
    at_gate(int(VME, IOPL, true));
    refused(int(VME, 0, true));
}

#[test]
fn the_program_handles_its_interrupts() {
    for interrupts in [0, IF] {
        for virtual_interrupts in [0, VIF] {
            let flags = interrupts | virtual_interrupts;
            // Privileged: IF is the program's.
            let (pushed, now) = at_own(int(VME, IOPL | flags, false));
            assert_eq!(pushed, 2 | IOPL | interrupts);
            assert_eq!(now, 2 | VM | IOPL | virtual_interrupts);
            // Not privileged: it sees VIF as IF, and IOPL as 3.
            let (pushed, now) = at_own(int(VME, flags, false));
            let seen = if virtual_interrupts == 0 { 0 } else { IF };
            assert_eq!(pushed, 2 | IOPL | seen);
            assert_eq!(now, 2 | VM | interrupts);
        }
    }
}

#[test]
fn a_bitmap_outside_of_the_tss_refuses() {
    for (offset, limit) in [(0x88, 0x6f), (0x1f, 0xff), (0x88, 0x66), (0xffff, 0xff)] {
        let mut guest = int(VME, IOPL, false);
        guest.put(TSS + 102, &u16::to_le_bytes(offset));
        // The processor loads no TSS with less than 67h; what a VM entry loads is the client's.
        guest.set(vmcs::TR_LIMIT, limit);
        refused(guest);
    }
}
