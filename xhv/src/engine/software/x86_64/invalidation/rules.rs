//! What each operation has to forget, what it spares, and what it refuses.

use super::*;

const PAGE_OF: u64 = P | RW | US;
const GLOBAL: u64 = PAGE_OF | G;

/// A guest with both features on and the window's page 0 known as frame 0 under PCID 1 and root 0; the table says frame 1.
fn stale(flags: u64) -> Guest {
    let mut guest = Guest::new(flags & G);
    guest.change_cr4(PGE | PCIDE, 0).unwrap();
    guest.write_cr3(table(0, 4) | 1).unwrap();
    guest.map(0, 0, leaf(0, 0, flags));
    assert_eq!(guest.meets(0), Ok(0));
    guest.map(0, 0, leaf(0, 1, flags));
    assert_eq!(guest.meets(0), Ok(0), "known");
    guest
}

#[test]
fn bit_63_keeps_what_is_known() {
    for flags in [PAGE_OF, GLOBAL] {
        let mut guest = stale(flags);
        guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
        assert_eq!(guest.meets(0), Ok(0));
        // To another, which may meet what is global, and back.
        guest.map(1, 0, leaf(0, 2, PAGE_OF));
        guest.write_cr3(table(1, 4) | 2).unwrap();
        for met in [guest.read(0), guest.call(0)] {
            assert!(met == Ok(2) || flags == GLOBAL && met == Ok(0), "{met:?}");
        }
        guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
        assert_eq!(guest.meets(0), Ok(0));
        assert_eq!(guest.run(Op::ReadCr3, false), Ok(()));
        assert_eq!(guest.machine.cpu.gpr[0], table(0, 4) | 1);
    }
}

#[test]
fn without_bit_63_only_global_pages_are_kept() {
    for (flags, expected) in [(PAGE_OF, 1), (GLOBAL, 0)] {
        let mut guest = stale(flags);
        guest.write_cr3(table(0, 4) | 1).unwrap();
        assert_eq!(guest.meets(0), Ok(expected));
        // From afar: the load of another PCID leaves this one's alone, its own load does not.
        let mut guest = stale(flags);
        guest.write_cr3(table(1, 4) | 2).unwrap();
        guest.write_cr3(table(0, 4) | 1).unwrap();
        assert_eq!(guest.meets(0), Ok(expected));
    }
}

#[test]
fn global_pages_outlive_mov_cr3_without_pcids() {
    for (flags, expected) in [(PAGE_OF, 1), (GLOBAL, 0)] {
        let mut guest = Guest::new(flags & G);
        guest.change_cr4(PGE, 0).unwrap();
        guest.map(0, 0, leaf(0, 0, flags));
        assert_eq!(guest.meets(0), Ok(0));
        guest.map(0, 0, leaf(0, 1, flags));
        guest.write_cr3(table(0, 4)).unwrap();
        assert_eq!(guest.meets(0), Ok(expected));
        // Also changing CR4.PGE forgets them, and without it there are none.
        guest.change_cr4(0, PGE).unwrap();
        assert_eq!(guest.meets(0), Ok(1));
        guest.map(0, 0, leaf(0, 2, flags));
        guest.write_cr3(table(0, 4)).unwrap();
        assert_eq!(guest.meets(0), Ok(2));
        guest.map(0, 0, leaf(0, 3, flags));
        guest.change_cr4(PGE, 0).unwrap();
        assert_eq!(guest.meets(0), Ok(3));
    }
}

#[test]
fn global_pages_in_every_paging_mode() {
    // One page of 4 MiB or 2 MiB by 32-bit and PAE paging, its G bit set, read by 32-bit code.
    let code = {
        use iced_x86::code_asm::{CodeAssembler, al, cr3, eax, ptr};
        let mut a = CodeAssembler::new(32).unwrap();
        a.mov(cr3, eax).unwrap();
        a.mov(al, ptr(0x9000)).unwrap();
        a.ud2().unwrap();
        a.assemble(0x1000).unwrap()
    };
    for pae in [false, true] {
        for global in [0, G] {
            let mut machine = Machine::flat(64, &code);
            machine.memory.write(0x9000, &[1]).unwrap();
            machine.memory.write(0xa000, &[2]).unwrap();
            let entry = |at: u64| u64::to_le_bytes(at | P | RW | global);
            let size = if pae { 8 } else { 4 };
            let put = |at: u64, value: [u8; 8]| {
                machine.memory.write(at, &value[..size]).unwrap();
            };
            let table = |n: u64| 0x2_1000 + n * size as u64;
            put(0x2_0000, u64::to_le_bytes(0x2_1000 | P | RW));
            (0..0x30).for_each(|n| put(table(n), entry(n * PAGE)));
            // The only page-directory-pointer entry, in a page of its own.
            let pointer = u64::to_le_bytes(0x2_0000 | P);
            machine.memory.write(0x2_2000, &pointer).unwrap();
            let root = if pae { 0x2_2000 } else { 0x2_0000 };
            machine.cpu.cr3 = root;
            machine.cpu.cr4 |= PGE | if pae { Cr::CR4_PAE } else { 0 };
            machine.cpu.cr0 |= Cr::CR0_PG;
            machine.cpu.pdpte[0] = 0x2_0000 | P;
            machine.cpu.update_mode();
            let go = |machine: &mut Machine| {
                machine.cpu.rip = 0x1000;
                machine.cpu.gpr[0] = root;
                let exit = machine.run();
                assert_eq!((exit.reason, exit.qualification), (0, 6), "{exit:?}");
                machine.cpu.gpr[0] as u8
            };
            assert_eq!(go(&mut machine), 1);
            let other = entry(0xa000);
            machine.memory.write(table(9), &other[..size]).unwrap();
            let expected = if global == 0 { 2 } else { 1 };
            assert_eq!(go(&mut machine), expected, "PAE: {pae}");
        }
    }
}

#[test]
fn invlpg_reaches_global_pages_of_all_pcids() {
    let mut guest = stale(PAGE_OF);
    guest.invlpg(linear(0, false) + 0x123);
    assert_eq!(guest.meets(0), Ok(1));

    let mut guest = stale(GLOBAL);
    guest.map(1, 0, leaf(0, 1, GLOBAL));
    guest.write_cr3(table(1, 4) | 2).unwrap();
    guest.invlpg(linear(0, false));
    assert_eq!(guest.meets(0), Ok(1));
    guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
    assert_eq!(guest.meets(0), Ok(1));

    // What is not global is another PCID's own.
    let mut guest = stale(PAGE_OF);
    guest.write_cr3(table(1, 4) | 2).unwrap();
    guest.invlpg(linear(0, false));
    guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
    assert_eq!(guest.meets(0), Ok(0));
}

#[test]
fn a_large_page_is_invalidated_by_any_of_its_addresses() {
    let unit = SMALL;
    for flags in [PAGE_OF, GLOBAL] {
        let mut guest = Guest::new(flags & G);
        guest.change_cr4(PGE, 0).unwrap();
        guest.map(0, unit, leaf(unit, 0, flags));
        assert_eq!(guest.meets(unit), Ok(LARGE_ID[0]));
        guest.map(0, unit, leaf(unit, 1, flags));
        assert_eq!(guest.meets(unit), Ok(LARGE_ID[0]));
        guest.invlpg(linear(unit, false) + LARGE - 1);
        assert_eq!(guest.meets(unit), Ok(LARGE_ID[0] + 1));
    }
}

#[test]
fn invpcid_forgets_what_its_type_says() {
    let at = linear(0, false);
    // Type, PCID, address; whether a page of PCID 1 and a global one have to be forgotten.
    for (kind, pcid, address, local, global) in [
        (0, 1, at, true, false),
        (0, 2, at, false, false),
        (0, 1, at + PAGE, false, false),
        (1, 1, 0, true, false),
        (1, 2, 0, false, false),
        (2, 0, 0, true, true),
        (3, 0, 0, true, false),
        (3, 5, 1 << 63, true, false),
    ] {
        for there in [true, false] {
            let mut guest = stale(PAGE_OF);
            if !there {
                guest.write_cr3(table(1, 4) | 2).unwrap();
            }
            assert_eq!(guest.invpcid(kind, pcid, address), Ok(()));
            guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
            assert_eq!(guest.meets(0), Ok(local.into()), "{kind} {pcid} {there}");
        }
        let mut guest = stale(GLOBAL);
        assert_eq!(guest.invpcid(kind, pcid, address), Ok(()));
        let met = guest.meets(0);
        // An individual address may take a global translation with it.
        let more = kind == 0 && address == at;
        assert!(met == Ok(global.into()) || more, "{kind} {pcid}");
    }
}

#[test]
fn invpcid_refuses() {
    let mut guest = Guest::new(0);
    assert_eq!(guest.invpcid(0, 0, 0), Ok(()));
    assert_eq!(guest.invpcid(0, 1, 0), Err(GP), "no PCIDs");
    assert_eq!(guest.invpcid(1, 1, 0), Err(GP));
    assert_eq!(guest.invpcid(2, 1, 0), Ok(()), "not looked at");
    guest.change_cr4(PCIDE, 0).unwrap();
    for kind in 0..4 {
        assert_eq!(guest.invpcid(kind, 0xfff, 0), Ok(()), "{kind}");
        assert_eq!(guest.invpcid(kind, 1 << 12, 0), Err(GP), "{kind}");
        assert_eq!(guest.invpcid(kind, 1 << 63, 0), Err(GP), "{kind}");
        let not_canonical = guest.invpcid(kind, 0, 1 << 47);
        let expected = if kind == 0 { Err(GP) } else { Ok(()) };
        assert_eq!(not_canonical, expected, "{kind}");
    }
    assert_eq!(guest.invpcid(4, 0, 0), Err(GP));
    assert_eq!(guest.invpcid(1 << 32, 0, 0), Err(GP));
    assert_eq!(guest.run(Op::Invpcid, true), Err(GP), "a user");
    guest.machine.cpu.gpr[0] = 0;
    guest.machine.cpu.gpr[3] = WINDOW;
    assert_eq!(guest.run(Op::Invpcid, false), Err((14, 0)));
    guest.machine.cpu.vmx.secondary_written = 0;
    assert_eq!(guest.invpcid(0, 0, 0), Err(UD));
}

#[test]
fn control_registers_refuse() {
    let mut guest = Guest::new(0);
    assert_eq!(guest.write_cr3(table(0, 4) | KEEP), Err(GP), "no PCIDs");
    guest.write_cr3(table(0, 4) | 8).unwrap();
    assert_eq!(guest.change_cr4(PCIDE, 0), Err(GP), "CR3[11:0] is not 0");
    guest.write_cr3(table(0, 4)).unwrap();
    assert_eq!(guest.change_cr4(PCIDE, 0), Ok(()));
    assert_eq!(guest.write_cr3(table(0, 4) | 1 << 62), Err(GP));
    assert_eq!(guest.write_cr3(table(0, 4) | 0xfff | KEEP), Ok(()));
    guest.machine.cpu.gpr[0] = guest.machine.cpu.cr0 & !Cr::CR0_PG;
    assert_eq!(guest.run(Op::WriteCr0, false), Err(GP));
    // It may stay set, and may be cleared with any CR3.
    assert_eq!(guest.change_cr4(PGE, 0), Ok(()));
    assert_eq!(guest.change_cr4(0, PCIDE), Ok(()));
    // Outside of IA-32e mode there are none.
    let mut machine = Machine::flat(16, &[0x0f, 0x22, 0xe0]);
    machine.cpu.gpr[0] = PCIDE;
    let exit = machine.run();
    assert_eq!((exit.qualification, exit.error), (13, 0));
}

#[test]
fn switching_pcids_off_forgets_all_of_them() {
    for flags in [PAGE_OF, GLOBAL] {
        let mut guest = stale(flags);
        guest.write_cr3(table(1, 4)).unwrap();
        guest.change_cr4(0, PCIDE).unwrap();
        guest.change_cr4(PCIDE, 0).unwrap();
        guest.write_cr3(table(0, 4) | 1 | KEEP).unwrap();
        assert_eq!(guest.meets(0), Ok(1));
    }
}

#[test]
fn a_page_fault_forgets_what_was_known_of_the_page() {
    for flags in [P | US, P | US | G] {
        let mut guest = Guest::new(flags & G);
        guest.change_cr4(PGE, 0).unwrap();
        guest.map(0, 0, leaf(0, 0, flags));
        assert_eq!(guest.meets(0), Ok(0));
        // Copy on write: the handler of the fault has another frame for the page, and no INVLPG.
        let denied = guest.access(Op::Write, linear(0, false), false);
        assert_eq!(denied, Err((14, 3)));
        guest.map(0, 0, leaf(0, 1, flags | RW));
        assert_eq!(guest.meets(0), Ok(1));
    }
}

#[test]
fn more_pcids_than_are_kept() {
    let mut guest = Guest::new(0);
    guest.change_cr4(PCIDE, 0).unwrap();
    for round in 0..3_u64 {
        for pcid in 0..20 {
            let (root, frame) = (pcid as usize % ROOTS, (pcid % 7) as u8);
            guest.map(root, 0, leaf(0, frame, PAGE_OF));
            // Nothing but this load tells that the table has changed.
            guest.write_cr3(table(root, 4) | pcid).unwrap();
            assert_eq!(guest.meets(0), Ok(frame), "{round} {pcid}");
        }
    }
}
