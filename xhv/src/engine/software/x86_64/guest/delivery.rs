//! Events through the IDT in every mode, faults on the way, system calls and far transfers.

use super::{CODE, GDT, Guest, HANDLER, IDT, INNER_STACK, STACK, TSS};
use crate::x86_64::entry::field::vmcs;

const HLT: u8 = 0xf4;
const VALID: u64 = 1 << 31;

/// Real mode with vector `n` at 0:HANDLER, where an HLT is.
fn real(code: &[u8], vector: u64) -> Guest {
    let mut guest = Guest::real(code);
    guest.put(4 * vector, &(HANDLER as u32).to_le_bytes());
    guest.put(HANDLER, &[HLT]);
    guest
}

fn flat(code: &[u8], vector: u64, kind: u64) -> Guest {
    let mut guest = Guest::flat(code);
    guest.gate(vector, 8, HANDLER, kind);
    guest.put(HANDLER, &[HLT]);
    guest
}

fn long(code: &[u8], vector: u64, kind: u64, ist: u64) -> Guest {
    let mut guest = Guest::long(code);
    guest.long_gate(vector, HANDLER, kind, ist);
    guest.put(HANDLER, &[HLT]);
    guest
}

fn at_handler(guest: &mut Guest) {
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, HANDLER));
}

#[test]
fn int_and_iret_in_real_mode() {
    let mut guest = real(&[0xcd, 0x21, HLT], 0x21);
    guest.set(vmcs::RFLAGS, 0x202);
    at_handler(&mut guest);
    assert_eq!(guest.get(vmcs::RFLAGS), 2, "IF is off");
    assert_eq!(guest.get(vmcs::RSP), STACK - 6);
    assert_eq!(guest.u32(STACK - 6), CODE as u32 + 2);
    assert_eq!(guest.u32(STACK - 4) >> 16, 0x202);
    guest.put(HANDLER + 1, &[0xcf]);
    guest.set(vmcs::RIP, HANDLER + 1);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, CODE + 2));
    assert_eq!(
        (guest.get(vmcs::RFLAGS), guest.get(vmcs::RSP)),
        (0x202, STACK)
    );
}

#[test]
fn faults_in_real_mode_push_their_own_address() {
    let mut guest = real(&[0xf7, 0xf1], 0); // div cx
    at_handler(&mut guest);
    assert_eq!(guest.u32(STACK - 6) & 0xffff, CODE as u32);
    let mut guest = real(&[0xcc], 3);
    at_handler(&mut guest);
    assert_eq!(guest.u32(STACK - 6) & 0xffff, CODE as u32 + 1, "a trap");
    let mut guest = real(&[0xce, HLT], 4);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (12, CODE + 1),
        "OF is 0"
    );
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::RFLAGS, 0x802);
    at_handler(&mut guest);
}

#[test]
fn the_dos_trap() {
    // INT 21h with an empty IDT: #GP, and the event in IDT-vectoring information.
    let mut guest = Guest::real(&[0xcd, 0x21]);
    guest.set(vmcs::IDTR_LIMIT, 0);
    guest.set(vmcs::EXCEPTION_BITMAP, !0 >> 32);
    assert_eq!(guest.run(), 0);
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0x30d);
    assert_eq!(guest.get(vmcs::IDT_VECTORING), VALID | 0x421);
    assert_eq!(
        (guest.get(vmcs::EXIT_LENGTH), guest.get(vmcs::RIP)),
        (2, CODE)
    );
}

#[test]
fn software_exceptions_exit_with_their_length() {
    for (code, info, len) in [
        (&[0xcc][..], 0x603, 1),
        (&[0xf1], 0x501, 1),
        (&[0x0f, 0x0b], 0x306, 0),
    ] {
        let mut guest = Guest::real(code);
        guest.set(vmcs::EXCEPTION_BITMAP, !0 >> 32);
        assert_eq!(guest.run(), 0);
        assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | info);
        assert_eq!(
            (guest.get(vmcs::EXIT_LENGTH), guest.get(vmcs::RIP)),
            (len, CODE)
        );
    }
    let mut guest = real(&[0xcd, 3], 3);
    guest.set(vmcs::EXCEPTION_BITMAP, !0 >> 32);
    at_handler(&mut guest);
}

#[test]
fn gates_of_protected_mode() {
    let mut guest = flat(&[0xcd, 0x40], 0x40, 0x8e);
    guest.set(vmcs::RFLAGS, 0x202);
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::RFLAGS), guest.get(vmcs::RSP)),
        (2, STACK - 12)
    );
    let frame = [STACK - 12, STACK - 8, STACK - 4].map(|at| guest.u32(at));
    assert_eq!(frame, [CODE as u32 + 2, 8, 0x202]);
    let mut guest = flat(&[0xcd, 0x40], 0x40, 0x8f);
    guest.set(vmcs::RFLAGS, 0x202);
    at_handler(&mut guest);
    assert_eq!(guest.get(vmcs::RFLAGS), 0x202, "a trap gate leaves IF");
    let mut guest = flat(&[0xcd, 0x40], 0x40, 0x86);
    at_handler(&mut guest);
    assert_eq!(guest.get(vmcs::RSP), STACK - 6, "a 16-bit gate");
    let mut guest = flat(&[0x0f, 0x0b], 6, 0x8e);
    at_handler(&mut guest);
    assert_eq!(guest.u32(STACK - 4), 0x1_0002, "a fault pushes RF");
}

#[test]
fn inner_levels_have_their_own_stack() {
    let mut guest = flat(&[0xcd, 0x40, HLT], 0x40, 0xee).user(0xc09b);
    at_handler(&mut guest);
    assert_eq!(guest.get(vmcs::RSP), INNER_STACK - 20);
    assert_eq!((guest.get(vmcs::CS), guest.get(vmcs::SS)), (8, 0x10));
    let frame: Vec<_> = (0..5)
        .map(|n| guest.u32(INNER_STACK - 20 + 4 * n))
        .collect();
    assert_eq!(frame, [CODE as u32 + 2, 0x1b, 2, STACK as u32, 0x23]);
    guest.put(HANDLER, &[0xcf]);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!(guest.run(), 0, "HLT in user code");
    assert_eq!(
        (guest.get(vmcs::RIP), guest.get(vmcs::RSP)),
        (CODE + 2, STACK)
    );
    assert_eq!((guest.get(vmcs::CS), guest.get(vmcs::SS)), (0x1b, 0x23));
    // A gate that is closed to user code.
    let mut guest = flat(&[0xcd, 0x40], 0x40, 0x8e).user(0xc09b);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::EXIT_ERROR)), (0, 0x202));
}

#[test]
fn error_codes_are_pushed() {
    let mut guest = flat(&[0x8e, 0xd8], 13, 0x8e); // mov ds, ax
    guest.set_reg(2, 0x108);
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::RSP), guest.u32(STACK - 16)),
        (STACK - 16, 0x108)
    );
    let mut guest = flat(&[0x8e, 0xd0], 12, 0x8e); // mov ss, ax: not present
    guest.put(GDT + 0x30, &0x00cf_1300_0000_ffff_u64.to_le_bytes());
    guest.set_reg(2, 0x30);
    at_handler(&mut guest);
    assert_eq!(guest.u32(STACK - 16), 0x30);
}

#[test]
fn double_and_triple_faults() {
    // #GP on a missing gate while #GP is delivered: #DF.
    let mut guest = flat(&[0x8e, 0xd8], 8, 0x8e);
    guest.set_reg(2, 0x108);
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::RSP), guest.u32(STACK - 16)),
        (STACK - 16, 0)
    );
    let mut guest = Guest::flat(&[0x8e, 0xd8]);
    guest.set_reg(2, 0x108);
    assert_eq!((guest.run(), guest.get(vmcs::IDT_VECTORING)), (2, 0));
    let mut guest = Guest::flat(&[0x8e, 0xd8]);
    guest.set_reg(2, 0x108);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 8);
    assert_eq!(guest.run(), 0);
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0xb08);
    assert_eq!(
        guest.get(vmcs::IDT_VECTORING),
        0,
        "#DF by itself is no delivery"
    );
    // A benign exception first is no double fault: #UD, then #GP.
    let mut guest = flat(&[0x0f, 0x0b], 13, 0x8e);
    at_handler(&mut guest);
    assert_eq!(guest.u32(STACK - 16), 6 * 8 + 3);
}

#[test]
fn an_exit_on_the_way_records_the_event() {
    let mut guest = flat(&[0x0f, 0x0b], 6, 0x8e);
    guest.set(vmcs::RSP, 0x80_0000); // no memory there
    assert_eq!((guest.run(), guest.get(vmcs::QUALIFICATION)), (48, 0x182));
    assert_eq!(guest.get(vmcs::IDT_VECTORING), VALID | 0x306);
    assert_eq!(
        (guest.get(vmcs::RSP), guest.get(vmcs::RIP)),
        (0x80_0000, CODE)
    );
    let mut guest = flat(&[0xcd, 0x40], 0x40, 0x8e);
    guest.set(vmcs::RSP, 0x80_0000);
    assert_eq!(guest.run(), 48);
    assert_eq!(
        (guest.get(vmcs::IDT_VECTORING), guest.get(vmcs::EXIT_LENGTH)),
        (VALID | 0x440, 2)
    );
}

#[test]
fn task_switches_exit() {
    let mut guest = Guest::flat(&[0xcd, 0x40]);
    guest.put(
        GDT + 0x30,
        &(0x8900_u64 << 32 | 0x6000 << 16 | 0x67).to_le_bytes(),
    );
    guest.gate(0x40, 0x30, 0, 0x85);
    assert_eq!(
        (guest.run(), guest.get(vmcs::QUALIFICATION)),
        (9, 3 << 30 | 0x30)
    );
    assert_eq!(
        (guest.get(vmcs::EXIT_LENGTH), guest.get(vmcs::IDT_VECTORING)),
        (2, VALID | 0x440)
    );
    // call 0x30:0, jmp 0x30:0
    for (code, source) in [(0x9a, 0), (0xea, 2_u64)] {
        let mut guest = Guest::flat(&[code, 0, 0, 0, 0, 0x30, 0]);
        guest.put(
            GDT + 0x30,
            &(0x8900_u64 << 32 | 0x6000 << 16 | 0x67).to_le_bytes(),
        );
        assert_eq!(
            (guest.run(), guest.get(vmcs::QUALIFICATION)),
            (9, source << 30 | 0x30)
        );
        assert_eq!(guest.get(vmcs::EXIT_LENGTH), 7);
    }
    // iret with NT: the back link, which has to be busy.
    let mut guest = Guest::flat(&[0xcf]);
    guest.put(
        GDT + 0x30,
        &(0x8b00_u64 << 32 | 0x6000 << 16 | 0x67).to_le_bytes(),
    );
    guest.put(TSS, &[0x30, 0]);
    guest.set(vmcs::RFLAGS, 0x4002);
    assert_eq!(
        (guest.run(), guest.get(vmcs::QUALIFICATION)),
        (9, 1 << 30 | 0x30)
    );
    // A busy TSS is no target.
    let mut guest = Guest::flat(&[0xea, 0, 0, 0, 0, 0x28, 0]);
    guest.put(
        GDT + 0x28,
        &(0x8b00_u64 << 32 | TSS << 16 | 0x67).to_le_bytes(),
    );
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::EXIT_ERROR)), (0, 0x28));
}

#[test]
fn gates_of_64_bit_mode() {
    let mut guest = long(&[0xcd, 0x40], 0x40, 0x8e, 0);
    guest.set(vmcs::RSP, STACK - 3);
    at_handler(&mut guest);
    assert_eq!(guest.get(vmcs::RSP), STACK - 16 - 40, "aligned to 16");
    let frame: Vec<_> = (0..5).map(|n| guest.u64(STACK - 56 + 8 * n)).collect();
    assert_eq!(frame, [CODE + 2, 8, 2, STACK - 3, 0x10]);
    guest.put(HANDLER, &[0x48, 0xcf]);
    guest.put(CODE + 2, &[HLT]);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, CODE + 2));
    assert_eq!(
        (guest.get(vmcs::RSP), guest.get(vmcs::SS)),
        (STACK - 3, 0x10)
    );
    // An interrupt stack, and #PF with its error code.
    let mut guest = long(&[0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x40], 14, 0x8e, 2);
    guest.put(TSS + 28 + 16, &INNER_STACK.to_le_bytes());
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::RSP), guest.u64(INNER_STACK - 48)),
        (INNER_STACK - 48, 0)
    );
    assert_eq!(guest.reg(38), 0x4000_0000, "CR2");
}

#[test]
fn user_code_of_64_bit_mode_comes_in_and_goes_back() {
    let mut guest = long(&[0xcd, 0x40, HLT], 0x40, 0xee, 0).user(0xa09b);
    at_handler(&mut guest);
    assert_eq!((guest.get(vmcs::SS), guest.get(vmcs::CS)), (0, 8));
    assert_eq!(
        guest.get(vmcs::SS_RIGHTS) >> 16 & 1,
        1,
        "a null stack segment"
    );
    guest.put(HANDLER, &[0x48, 0xcf]);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE + 2));
    assert_eq!((guest.get(vmcs::CS), guest.get(vmcs::SS)), (0x1b, 0x23));
}

#[test]
fn page_faults_by_mask_and_match() {
    let code = [0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x40];
    let mut guest = long(&code, 14, 0x8e, 0);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 14);
    assert_eq!(
        (guest.run(), guest.get(vmcs::QUALIFICATION)),
        (0, 0x4000_0000)
    );
    assert_eq!(
        (guest.reg(38), guest.get(vmcs::EXIT_INTERRUPTION)),
        (0, VALID | 0xb0e)
    );
    guest.set(vmcs::PF_ERROR_MASK, 2);
    guest.set(vmcs::PF_ERROR_MATCH, 2);
    at_handler(&mut guest);
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::EXCEPTION_BITMAP, 0);
    assert_eq!(guest.run(), 0, "a mismatch inverts the bit");
}

#[test]
fn system_calls() {
    let mut guest = Guest::long(&[0x0f, 0x05, HLT]).user(0xa09b); // syscall
    for (msr, value) in [
        (0xc000_0081, 0x0013_0008_u64 << 32),
        (0xc000_0082, HANDLER),
        (0xc000_0084, 0x200),
    ] {
        guest.vcpu.enable_native_msr(msr, true).unwrap();
        guest.vcpu.write_msr(msr, value).unwrap();
    }
    guest.put(HANDLER, &[HLT, 0x48, 0x0f, 0x07]); // hlt; sysretq
    guest.set(vmcs::RFLAGS, 0x202);
    at_handler(&mut guest);
    assert_eq!(
        (guest.reg(3), guest.reg(13), guest.get(vmcs::RFLAGS)),
        (CODE + 2, 0x202, 2)
    );
    assert_eq!(
        (
            guest.get(vmcs::CS),
            guest.get(vmcs::SS),
            guest.get(vmcs::SS_RIGHTS)
        ),
        (8, 0x10, 0xc093)
    );
    guest.set(vmcs::RIP, HANDLER + 1);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE + 2));
    assert_eq!(
        (
            guest.get(vmcs::CS),
            guest.get(vmcs::SS),
            guest.get(vmcs::SS_RIGHTS)
        ),
        (0x23, 0x1b, 0xc0f3)
    );
    // sysenter, 32-bit
    let mut guest = Guest::flat(&[0x0f, 0x34]).user(0xc09b);
    guest.set(vmcs::SYSENTER_CS, 8);
    guest.set(vmcs::SYSENTER_EIP, HANDLER);
    guest.set(vmcs::SYSENTER_ESP, INNER_STACK);
    guest.put(HANDLER, &[HLT]);
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::RSP), guest.get(vmcs::SS)),
        (INNER_STACK, 0x10)
    );
}

#[test]
fn far_calls_and_returns() {
    let mut guest = Guest::real(&[0x9a, 0x10, 0x00, 0x00, 0x05, HLT]); // call 0x500:0x10
    guest.put(0x5010, &[0xca, 2, 0]); // retf 2
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP), guest.get(vmcs::CS)),
        (12, CODE + 5, 0)
    );
    assert_eq!(guest.get(vmcs::RSP), STACK + 2);
    // Through a call gate to an inner level, with one parameter, and back.
    let mut guest = Guest::flat(&[0x9a, 0, 0, 0, 0, 0x33, 0, HLT]).user(0xc09b);
    let gate = HANDLER & 0xffff | 8 << 16 | 1 << 32 | 0xec00 << 32;
    guest.put(GDT + 0x30, &gate.to_le_bytes());
    guest.put(STACK, &0x77_u32.to_le_bytes());
    guest.put(HANDLER, &[HLT, 0xca, 4, 0]);
    at_handler(&mut guest);
    let frame: Vec<_> = (0..5)
        .map(|n| guest.u32(INNER_STACK - 20 + 4 * n))
        .collect();
    assert_eq!(frame, [CODE as u32 + 7, 0x1b, 0x77, STACK as u32, 0x23]);
    guest.set(vmcs::RIP, HANDLER + 1);
    guest.set(vmcs::EXCEPTION_BITMAP, 1 << 13);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE + 7));
    assert_eq!(
        (guest.get(vmcs::RSP), guest.get(vmcs::CS)),
        (STACK + 4, 0x1b)
    );
}

#[test]
fn to_protected_mode_and_to_virtual_8086_mode() {
    // lgdt [0x600]; mov eax, cr0; or al, 1; mov cr0, eax; jmp 8:0x5000
    let code = [
        0x0f, 0x01, 0x16, 0x00, 0x06, 0x0f, 0x20, 0xc0, 0x0c, 1, 0x0f, 0x22, 0xc0, 0xea, 0x00,
        0x50, 8, 0,
    ];
    let mut guest = Guest::flat(&[]);
    guest.put(CODE, &code);
    for n in 0..6 {
        guest.set(vmcs::ES + 2 * n, 0);
        guest.set(vmcs::ES_LIMIT + 2 * n, 0xffff);
        guest.set(vmcs::ES_RIGHTS + 2 * n, 0x93);
    }
    guest.set(vmcs::ES_RIGHTS + 2, 0x9b);
    guest.set(vmcs::CR0, 0x30);
    guest.put(0x600, &[0x37, 0, 0, 0x20, 0, 0]);
    guest.put(HANDLER, &[HLT, 0xcf]);
    at_handler(&mut guest);
    assert_eq!(
        (guest.get(vmcs::CR0) & 1, guest.get(vmcs::CS_RIGHTS)),
        (1, 0xc09b)
    );
    // iret to virtual-8086 mode at 0x100:0, and INT back through a gate to level 0.
    let mut guest = Guest::flat(&[0xcf]);
    let frame = [0_u32, 0x100, 0x2_3002, 0x400, 0x200, 0x11, 0x22, 0x33, 0x44];
    for (n, value) in frame.iter().enumerate() {
        guest.put(STACK + 4 * n as u64, &value.to_le_bytes());
    }
    guest.put(0x1000, &[0xcf]);
    guest.set(vmcs::RIP, 0x5800);
    guest.put(0x5800, &[0xcf]);
    guest.put(0x1000, &[0xcd, 0x40]);
    guest.gate(0x40, 8, HANDLER, 0xee);
    guest.put(HANDLER, &[HLT]);
    at_handler(&mut guest);
    let frame: Vec<_> = (0..9)
        .map(|n| guest.u32(INNER_STACK - 36 + 4 * n))
        .collect();
    assert_eq!(
        frame,
        [2, 0x100, 0x2_3002, 0x400, 0x200, 0x11, 0x22, 0x33, 0x44]
    );
    assert_eq!(
        guest.get(vmcs::ES_RIGHTS) >> 16 & 1,
        1,
        "data segments are null"
    );
    assert_eq!(IDT, guest.get(vmcs::IDTR_BASE));
}
