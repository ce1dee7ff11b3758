//! Entries: refusals, injection, windows, single steps, timers, cancels, and what a client may do to a vCPU.

use super::{CODE, Guest, HANDLER, STACK};
use crate::engine::software::x86_64::time::Source;
use crate::engine::software::x86_64::{Vcpu, Vm};
use crate::error::Code;
use crate::time::{FOREVER, absolute_ticks};
use crate::x86_64::entry::field::{entry, exit, pin, primary, vmcs};

const HLT: u8 = 0xf4;
const VALID: u64 = 1 << 31;
const REFUSED: u64 = 0x8000_0021;

#[test]
fn refused_guest_state_is_a_success_with_bit_31() {
    let mut guest = Guest::real(&[HLT]);
    guest.set(vmcs::RFLAGS, 0);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x202);
    assert_eq!((guest.run(), guest.get(vmcs::QUALIFICATION)), (REFUSED, 0));
    assert_eq!(guest.get(vmcs::RFLAGS), 0, "nothing has changed");
    assert_eq!(guest.get(vmcs::ENTRY_INTERRUPTION), VALID | 0x202);
    guest.set(vmcs::ENTRY_INTERRUPTION, 0);
    guest.set(vmcs::RFLAGS, 2);
    assert_eq!(guest.run(), 12);
    guest.set(vmcs::CR4, 0);
    assert_eq!(guest.run(), REFUSED);
    assert_eq!(guest.run(), REFUSED, "and again");
    guest.set(vmcs::CR4, 0x2000);
    assert_eq!(guest.run(), 12);
}

#[test]
fn bad_controls_are_an_error_with_number_7() {
    let mut guest = Guest::real(&[HLT]);
    assert_eq!(guest.vcpu.vmx_status(), Err(Code::ERROR), "never ran");
    let good = guest.get(vmcs::PIN_BASED);
    guest.set(vmcs::PIN_BASED, 0);
    assert_eq!(guest.vcpu.run(), Err(Code::ERROR));
    assert_eq!(
        (guest.get(vmcs::INSTRUCTION_ERROR), guest.vcpu.vmx_status()),
        (7, Ok(0x40))
    );
    guest.set(vmcs::PIN_BASED, good);
    assert_eq!((guest.run(), guest.vcpu.vmx_status()), (12, Ok(0)));
}

#[test]
fn a_64_bit_guest_needs_kernel_gs_base() {
    let mut guest = Guest::long(&[HLT]);
    guest.vcpu.enable_native_msr(0xc000_0102, false).unwrap();
    assert_eq!(guest.vcpu.run(), Err(Code::ERROR));
    guest.vcpu.enable_native_msr(0xc000_0102, true).unwrap();
    assert_eq!(guest.run(), 12);
}

#[test]
fn write_classes() {
    let mut guest = Guest::real(&[HLT]);
    for field in [
        vmcs::EXIT_REASON,
        vmcs::EPTP,
        vmcs::PAT,
        vmcs::TSC_OFFSET,
        0,
        0x6c16,
        0x2000,
        0x2800,
        0x681f,
        0xffff,
    ] {
        assert_eq!(
            guest.vcpu.write_vmcs(field, 0),
            Err(Code::BAD_ARGUMENT),
            "{field:#x}"
        );
        assert!(guest.vcpu.get_cap_write_vmcs(field).is_err());
    }
    assert_eq!(guest.vcpu.read_vmcs(vmcs::EPTP), Err(Code::BAD_ARGUMENT));
    assert_eq!(guest.vcpu.read_vmcs(0x9999), Err(Code::BAD_ARGUMENT));
    assert!(guest.vcpu.read_vmcs(0x2000).is_ok(), "named, so it reads");
    assert_eq!(
        guest.vcpu.write_vmcs(vmcs::ES, 0x1_0000),
        Err(Code::BAD_ARGUMENT),
        "too wide"
    );
    assert_eq!(
        guest.vcpu.write_vmcs(vmcs::ACTIVITY, 2),
        Err(Code::BAD_ARGUMENT)
    );
    assert_eq!(
        guest.vcpu.get_cap_write_vmcs(vmcs::CR0),
        Ok((0x20, 0x9fff_ffff))
    );
    assert_eq!(guest.vcpu.get_cap_write_vmcs(vmcs::ES), Ok((0, 0xffff)));
    assert_eq!(guest.vcpu.flush(), Err(Code::UNSUPPORTED));
    for row in crate::x86_64::vmcs::ALL {
        let Ok((must, may)) = guest.vcpu.get_cap_write_vmcs(row.key) else {
            continue;
        };
        assert_eq!(must & !may, 0, "{}", row.name);
        assert_eq!(guest.vcpu.write_vmcs(row.key, must), Ok(()), "{}", row.name);
        assert_eq!(guest.vcpu.read_vmcs(row.key), Ok(must), "{}", row.name);
        assert!(row.writable, "{} is not for clients", row.name);
    }
}

#[test]
fn every_writable_row_of_the_table_takes_a_value() {
    use crate::typed::VmcsClass;
    let mut guest = Guest::real(&[HLT]);
    for row in crate::x86_64::vmcs::ALL {
        let wanted = matches!(
            row.class,
            Some(VmcsClass::Rw | VmcsClass::Cond | VmcsClass::Undocumented)
        );
        let found = guest.vcpu.get_cap_write_vmcs(row.key).is_ok();
        assert!(found || !wanted, "{} ({:#x})", row.name, row.key);
    }
    guest.set(vmcs::RIP, CODE);
}

#[test]
fn injection() {
    let mut guest = Guest::real(&[HLT]);
    guest.put(4 * 0x20, &(HANDLER as u32).to_le_bytes());
    guest.put(HANDLER, &[HLT]);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x20);
    assert_eq!(guest.run(), REFUSED, "IF is 0");
    guest.set(vmcs::RFLAGS, 0x202);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, HANDLER));
    assert_eq!(
        guest.get(vmcs::ENTRY_INTERRUPTION),
        0x20,
        "the valid bit is cleared"
    );
    assert_eq!(guest.u32(STACK - 6) & 0xffff, CODE as u32);
    // A software interrupt pushes the next instruction's address.
    guest.set(vmcs::RIP, CODE);
    guest.set(vmcs::ENTRY_LENGTH, 2);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x420);
    assert_eq!(
        (guest.run(), guest.u32(STACK - 12) & 0xffff),
        (12, CODE as u32 + 2)
    );
    // The exception bitmap does not count for injected events.
    let mut guest = Guest::flat(&[HLT]);
    guest.gate(14, 8, HANDLER, 0x8e);
    guest.put(HANDLER, &[HLT]);
    guest.set(vmcs::EXCEPTION_BITMAP, !0 >> 32);
    guest.set(vmcs::ENTRY_ERROR, 4);
    guest.set_reg(38, 0x1234);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0xb0e);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP), guest.reg(38)),
        (12, HANDLER, 0x1234)
    );
    assert_eq!(guest.u32(STACK - 16), 4);
}

#[test]
fn injection_wakes_a_halted_cpu() {
    let mut guest = Guest::real(&[HLT]);
    guest.put(4 * 0x20, &(HANDLER as u32).to_le_bytes());
    guest.put(HANDLER, &[HLT]);
    guest.set(vmcs::RFLAGS, 0x202);
    guest.set(vmcs::ACTIVITY, 1);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x20);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP), guest.get(vmcs::ACTIVITY)),
        (12, HANDLER, 0)
    );
}

#[test]
fn an_nmi_blocks_nmis_until_iret() {
    let mut guest = Guest::real(&[HLT]);
    guest.put(8, &(HANDLER as u32).to_le_bytes());
    guest.put(HANDLER, &[HLT, 0xcf]);
    guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x202);
    assert_eq!((guest.run(), guest.get(vmcs::INTERRUPTIBILITY)), (12, 8));
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x202);
    assert_eq!(guest.run(), REFUSED);
    guest.set(vmcs::ENTRY_INTERRUPTION, 0);
    guest.on(vmcs::PRIMARY, primary::NMI_WINDOW);
    guest.set(vmcs::RIP, HANDLER + 1);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (8, CODE),
        "the window opens behind IRET"
    );
    assert_eq!(guest.get(vmcs::INTERRUPTIBILITY), 0);
}

#[test]
fn the_interrupt_window() {
    // sti; nop; nop: the window opens behind the first NOP.
    let mut guest = Guest::real(&[0xfb, 0x90, 0x90, HLT]);
    guest.on(vmcs::PRIMARY, primary::INTERRUPT_WINDOW);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (7, CODE + 2));
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (7, CODE + 2),
        "before any instruction"
    );
    guest.off(vmcs::PRIMARY, primary::INTERRUPT_WINDOW);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (12, CODE + 3));
    // mov ss, ax blocks as well.
    let mut guest = Guest::real(&[0x8e, 0xd0, 0x90, HLT]);
    guest.set(vmcs::RFLAGS, 0x202);
    guest.set(vmcs::INTERRUPTIBILITY, 1);
    guest.on(vmcs::PRIMARY, primary::INTERRUPT_WINDOW);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (7, CODE + 3));
    let mut guest = Guest::real(&[0xfb, 0x0f, 0xa2]);
    assert_eq!(
        (guest.run(), guest.get(vmcs::INTERRUPTIBILITY)),
        (10, 1),
        "blocking is saved"
    );
}

#[test]
fn single_steps() {
    let mut guest = Guest::real(&[0x40, 0x40, 0xeb, 0xfc]); // inc ax; inc ax; jmp
    guest.on(vmcs::PRIMARY, primary::MONITOR_TRAP_FLAG);
    let rips: Vec<_> = (0..5)
        .map(|_| (guest.run(), guest.get(vmcs::RIP) - CODE))
        .collect();
    assert_eq!(rips, [(37, 1), (37, 2), (37, 0), (37, 1), (37, 2)]);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x700);
    assert_eq!(
        (guest.run(), guest.get(vmcs::RIP)),
        (37, CODE + 2),
        "pending: no instruction"
    );
    // After an injected event, before its handler's first instruction.
    guest.put(4 * 0x20, &(HANDLER as u32).to_le_bytes());
    guest.set(vmcs::RFLAGS, 0x202);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x20);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (37, HANDLER));
    // TF: #DB behind the instruction, qualification BS, DR6 untouched.
    let mut guest = Guest::real(&[0x40, 0x40, HLT]);
    guest.set(vmcs::RFLAGS, 0x102);
    guest.set(vmcs::EXCEPTION_BITMAP, 2);
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (0, CODE + 1));
    assert_eq!(
        (guest.get(vmcs::QUALIFICATION), guest.reg(47)),
        (0x4000, 0xffff_0ff0)
    );
    assert_eq!(guest.get(vmcs::EXIT_INTERRUPTION), VALID | 0x301);
}

#[test]
fn timers() {
    let mut guest = Guest::real(&[0xeb, 0xfe]);
    let deadline = absolute_ticks() + 2_000_000;
    guest.vcpu.run_until(deadline).unwrap();
    assert_eq!(guest.get(vmcs::EXIT_REASON), 52);
    assert!(absolute_ticks() >= deadline);
    guest.vcpu.run_until(1).unwrap();
    assert_eq!(guest.get(vmcs::EXIT_REASON), 52, "long past");
    guest.on(vmcs::PIN_BASED, pin::PREEMPTION_TIMER);
    guest.on(vmcs::EXIT_CONTROLS, exit::SAVE_TIMER);
    guest.set(vmcs::TIMER_VALUE, 31_250);
    let start = absolute_ticks();
    assert_eq!((guest.run(), guest.get(vmcs::TIMER_VALUE)), (52, 0));
    assert!(absolute_ticks() - start >= 900_000);
    assert_eq!(guest.run(), 52, "zero ends at once");
    guest.set(vmcs::TIMER_VALUE, u64::from(u32::MAX));
    guest.put(CODE, &[HLT]);
    assert_eq!(guest.run(), 12);
    let left = guest.get(vmcs::TIMER_VALUE);
    assert!(left < u64::from(u32::MAX) && left > 0xf000_0000);
    assert!(guest.vcpu.get_exec_time().unwrap() > 2_000_000);
    guest.vcpu.run_until(FOREVER).unwrap();
}

#[test]
fn cancels_are_sticky() {
    let mut guest = Guest::real(&[0xeb, 0xfe]);
    let interrupter = guest.vcpu.interrupter();
    interrupter.interrupt().unwrap();
    guest.set(vmcs::RFLAGS, 0x202);
    guest.set(vmcs::ENTRY_INTERRUPTION, VALID | 0x20);
    assert_eq!(guest.run(), 1, "before the run");
    assert_eq!(
        guest.get(vmcs::ENTRY_INTERRUPTION),
        VALID | 0x20,
        "the event is kept"
    );
    guest.set(vmcs::ENTRY_INTERRUPTION, 0);
    let late = interrupter.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(core::time::Duration::from_millis(5));
        late.interrupt().unwrap();
    });
    assert_eq!((guest.run(), guest.get(vmcs::RIP)), (1, CODE));
    thread.join().unwrap();
    // A halted guest, too.
    guest.set(vmcs::ACTIVITY, 1);
    let late = interrupter.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(core::time::Duration::from_millis(5));
        late.interrupt().unwrap();
    });
    assert_eq!((guest.run(), guest.get(vmcs::ACTIVITY)), (1, 1));
    thread.join().unwrap();
    drop(guest);
    interrupter.interrupt().unwrap();
}

#[test]
fn efer_goes_stale_unless_it_is_saved() {
    // mov cr0 with PG on in a guest with LME: long mode begins.
    let mut guest = Guest::long(&[0x0f, 0x22, 0xc0, HLT]);
    guest.off(vmcs::ENTRY_CONTROLS, entry::IA32E);
    guest.set(vmcs::EFER, 0x901);
    guest.set(vmcs::CR0, 0x31);
    guest.set(vmcs::CS_RIGHTS, 0xc09b);
    guest.set_reg(2, 0x8000_0031);
    assert_eq!(guest.run(), 12);
    assert_ne!(
        guest.get(vmcs::ENTRY_CONTROLS) & u64::from(entry::IA32E),
        0,
        "follows LMA"
    );
    assert_eq!(guest.get(vmcs::EFER), 0x901);
    assert_eq!(guest.run(), REFUSED);
    guest.set(vmcs::EFER, 0xd01);
    assert_eq!(guest.run(), 12);
}

#[test]
fn time_stamps() {
    let mut guest = Guest::real(&[0x0f, 0x31, HLT]);
    guest.on(vmcs::PRIMARY, primary::TSC_OFFSETTING);
    guest.vm.sync_tsc(0).unwrap();
    assert_eq!(guest.run(), 12);
    let tsc = guest.reg(4) << 32 | guest.reg(2);
    assert!(tsc < 60_000_000_000, "{tsc}");
    let offset = guest.get(vmcs::TSC_OFFSET);
    assert!(Vm::tsc_clock().wrapping_add(offset) >= tsc);
    assert!(
        guest.vcpu.set_tsc_relative(0).is_err(),
        "not asked for at creation"
    );
    let vcpu = Vcpu::create(&guest.vm, 2);
    assert_eq!(vcpu.unwrap().set_tsc_relative(-5), Ok(()));
}

#[test]
fn a_clock_of_instructions_repeats() {
    let run = || {
        let vm = Vm::create_with(0, Source::Instructions).unwrap();
        let mut guest = Guest::real(&[0x40, 0x0f, 0x31, HLT]);
        guest.vcpu = Vcpu::create(&vm, 0).unwrap();
        vm.map(
            0,
            &guest.memory,
            0,
            0,
            guest.memory.size(),
            crate::memory::Permissions::ALL,
        )
        .unwrap();
        for (field, value) in [(vmcs::CS, 0), (vmcs::ES_BASE + 2, 0), (vmcs::RIP, CODE)] {
            guest.set(field, value);
        }
        guest.on(vmcs::PRIMARY, primary::HLT);
        assert_eq!(guest.run(), 12);
        guest.reg(2)
    };
    assert_eq!(run(), run());
}

#[test]
fn registers_and_fp_state() {
    let mut guest = Guest::real(&[HLT]);
    for id in 0..51 {
        guest.vcpu.write_register(id, 1).unwrap();
        assert!(guest.vcpu.read_register(id).is_ok());
    }
    assert_eq!(guest.vcpu.read_register(51), Err(Code::BAD_ARGUMENT));
    assert_eq!(guest.vcpu.write_register(51, 0), Err(Code::BAD_ARGUMENT));
    guest.set_reg(50, 0x1f);
    assert_eq!(guest.reg(50), 1, "MPX is ignored");
    let mut image = vec![0; 4096];
    guest.vcpu.read_fpstate(&mut image).unwrap();
    image[160] = 0x5a;
    image[512] |= 2;
    guest.vcpu.write_fpstate(&image).unwrap();
    let mut again = vec![0; 4096];
    guest.vcpu.read_fpstate(&mut again).unwrap();
    assert_eq!(again[160], 0x5a);
    assert_eq!(
        guest.vcpu.read_fpstate(&mut [0; 100]),
        Err(Code::BAD_ARGUMENT)
    );
    assert_eq!(guest.vcpu.write_fpstate(&[0; 100]), Err(Code::BAD_ARGUMENT));
}

#[test]
fn spaces_and_ids() {
    let mut guest = Guest::real(&[HLT]);
    assert_eq!(guest.run(), 12);
    let space = guest.vm.space_create().unwrap();
    guest.vcpu.set_space(space).unwrap();
    assert_eq!(guest.vm.space_destroy(space), Err(Code::BUSY));
    assert_eq!(guest.run(), 48, "nothing is mapped there");
    let other = guest.memory.clone();
    guest
        .vm
        .map(
            space,
            &other,
            0,
            0,
            other.size(),
            crate::memory::Permissions::ALL,
        )
        .unwrap();
    assert_eq!(guest.run(), 12);
    guest.vcpu.set_space(0).unwrap();
    assert_eq!(guest.vm.space_destroy(space), Ok(()));
    assert_eq!(guest.vm.space_destroy(0), Err(Code::BAD_ARGUMENT));
    assert_eq!(guest.vcpu.set_space(7), Err(Code::BAD_ARGUMENT));
    let second = Vcpu::create(&guest.vm, 0).unwrap();
    assert_eq!((guest.vcpu.id(), second.id()), (0, 1));
    drop(second);
    assert_eq!(Vcpu::create(&guest.vm, 0).unwrap().id(), 1);
    assert!(Vcpu::create(&guest.vm, 1 << 9).is_err() && Vm::create(1 << 20).is_err());
    let many: Vec<_> = (0..63)
        .map(|_| Vcpu::create(&guest.vm, 0).unwrap())
        .collect();
    assert_eq!(
        Vcpu::create(&guest.vm, 0).map(|vcpu| vcpu.id()),
        Err(Code::NO_RESOURCES)
    );
    drop(many);
}

#[test]
fn misuse_of_maps() {
    let guest = Guest::real(&[HLT]);
    let (vm, memory) = (&guest.vm, &guest.memory);
    let all = crate::memory::Permissions::ALL;
    assert!(vm.map(0, memory, 0, 0, 4096, all).is_err(), "overlap");
    for (offset, gpa, size) in [
        (0, 0x10_0001, 4096),
        (0, 0x10_0000, 5),
        (1 << 40, 0x10_0000, 4096),
        (u64::MAX - 4095, 0, 4096),
    ] {
        assert!(vm.map(0, memory, offset, gpa, size, all).is_err());
    }
    assert!(
        vm.map(3, memory, 0, 0x10_0000, 4096, all).is_err(),
        "no such space"
    );
    assert!(
        vm.map(
            0,
            memory,
            0,
            0x10_0000,
            4096,
            crate::memory::Permissions::WRITE
        )
        .is_err()
    );
}
