//! I/O breakpoints where port instructions do not exit.

use super::{Machine, expect_ud};
use crate::engine::software::x86_64::cpu::Cr;

/// DR7: breakpoint 0 on ports; with the length bits.
fn control(length: u64) -> u64 {
    0x2_0401 | length << 18
}

/// RIP behind each instruction that traps, from 1000H on.
fn traps(code: &[u8], port: u64, length: u64, cr4: u64) -> Vec<(u64, u64)> {
    let mut machine = Machine::real(16, &[code, &[0x0f, 0x0b]].concat());
    machine.cpu.cr4 |= cr4;
    machine.cpu.dr[0] = port;
    machine.cpu.dr[7] = control(length);
    machine.cpu.gpr[1] = 2;
    machine.cpu.gpr[2] = 0x71;
    machine.cpu.gpr[6] = 0x4000;
    machine.cpu.gpr[7] = 0x4000;
    machine.cpu.update_mode();
    let mut found = Vec::new();
    for _ in 0..8 {
        let exit = machine.run();
        if exit.qualification != 1 {
            expect_ud(exit);
            break;
        }
        found.push((machine.cpu.rip - 0x1000, exit.linear));
    }
    found
}

#[test]
fn breakpoints_on_ports() {
    let code = [0xe5, 0x70, 0xee, 0x90]; // in ax, 70h; out dx, al; nop
    for (port, length, expected) in [
        (0x70, 0, &[(2, 1)][..]),
        (0x71, 0, &[(2, 1), (3, 1)]),
        (0x72, 0, &[]),
        // Four bytes, aligned: 70h to 73h.
        (0x73, 3, &[(2, 1), (3, 1)]),
        // A linear address, not a port.
        (0x1_0070, 0, &[]),
    ] {
        assert_eq!(
            traps(&code, port, length, Cr::CR4_DE),
            expected,
            "{port:x} {length}"
        );
        assert_eq!(traps(&code, port, length, 0), [], "without CR4.DE");
    }
    // Neither memory nor code at that address.
    let code = [0xa2, 0x71, 0, 0xa0, 0x71, 0];
    assert_eq!(traps(&code, 0x71, 0, Cr::CR4_DE), []);
    assert_eq!(traps(&[0x90], 0x1000, 0, Cr::CR4_DE), []);
}

#[test]
fn each_element_of_a_repetition_traps() {
    for opcode in [0x6c, 0x6e] {
        let found = traps(&[0xf3, opcode], 0x71, 0, Cr::CR4_DE);
        assert_eq!(found, [(0, 1), (2, 1)], "{opcode:x}");
    }
}
