//! Events whose delivery an exit interrupts, and what exits come before: every kind is delivered in the end, and nothing else is done meanwhile.

use xhv::Gpa;
use xhv::x86_64::vmcs::{self, EventType};
use xhv::x86_64::{Exit, Injection, SegmentName, Vcpu, Vm, reg};

use crate::support::{CODE, exits_with, flat32, long_mode, on_every_engine, real_mode, vm};

const GDT: u64 = 0x500;
const IDT: u64 = 0x600;
const HANDLER: u64 = 0x3000;
/// The end of a stack that is not there yet.
const STACK: u64 = 0x20_1000;

/// 32-bit code with a GDT (code at 8, data at 16), and an IDT whose 64 gates lead to an HLT.
fn flat_with_tables(vm: &Vm) -> Vcpu {
    let mut vcpu = flat32(vm);
    tables(vm, &mut vcpu, 0x00cf_9b00_0000_ffff, 8);
    vcpu
}

/// The same for 64-bit code.
fn long_with_tables(vm: &Vm) -> Vcpu {
    let mut vcpu = long_mode(vm);
    tables(vm, &mut vcpu, 0x00af_9b00_0000_ffff, 16);
    vcpu
}

fn tables(vm: &Vm, vcpu: &mut Vcpu, code: u64, gate_size: u64) {
    vm.write(Gpa(GDT + 8), &code.to_le_bytes()).unwrap();
    vm.write(Gpa(GDT + 16), &0x00cf_9300_0000_ffff_u64.to_le_bytes())
        .unwrap();
    for vector in 0..64 {
        let gate = HANDLER | 8 << 16 | 0x8e00 << 32;
        vm.write(Gpa(IDT + gate_size * vector), &gate.to_le_bytes())
            .unwrap();
    }
    vm.write(Gpa(HANDLER), &[0xf4]).unwrap();
    vcpu.write(vmcs::GUEST_GDTR_BASE, GDT).unwrap();
    vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0x17).unwrap();
    vcpu.write(vmcs::GUEST_IDTR_BASE, IDT).unwrap();
    vcpu.write(vmcs::GUEST_IDTR_LIMIT, 64 * gate_size as u32 - 1)
        .unwrap();
}

fn word(vm: &Vm, at: u64) -> u32 {
    let mut bytes = [0; 4];
    vm.read(Gpa(at), &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Runs into the missing stack, maps it, and runs to the handler. What was told of the event.
fn deliver(vm: &Vm, vcpu: &mut Vcpu) -> vmcs::IdtVectoringInformation {
    exits_with!(vcpu.run().unwrap(), UndecodedAccess(access) {
        assert!(access.why().contains("event"), "{}", access.why());
        assert_eq!(access.gpa().0 >> 12, (STACK - 1) >> 12);
    });
    let told = vcpu.read(vmcs::IDT_VECTORING_INFORMATION).unwrap();
    vm.map_new(Gpa(STACK - 0x1000), 0x1000).unwrap();
    exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    assert_eq!(vcpu.read(reg::RIP).unwrap(), HANDLER);
    assert_eq!(vcpu.statistics().reinjected, 1);
    told
}

/// Code, event to inject, type and vector, error code, offset of the pushed RIP.
type Row = (
    &'static [u8],
    Option<Injection>,
    EventType,
    u8,
    Option<u32>,
    u64,
);

const ROWS: [Row; 9] = [
    (
        &[0xcd, 0x20],
        None,
        EventType::SOFTWARE_INTERRUPT,
        0x20,
        None,
        2,
    ),
    (&[0xcc], None, EventType::SOFTWARE_EXCEPTION, 3, None, 1),
    (
        &[0xf1],
        None,
        EventType::PRIVILEGED_SOFTWARE_EXCEPTION,
        1,
        None,
        1,
    ),
    (
        &[0x0f, 0x0b],
        None,
        EventType::HARDWARE_EXCEPTION,
        6,
        None,
        0,
    ),
    // mov ds, ax
    (
        &[0x8e, 0xd8],
        None,
        EventType::HARDWARE_EXCEPTION,
        13,
        Some(0x38),
        0,
    ),
    (
        &[0xa1, 0, 0x20, 0, 0],
        Some(Injection::interrupt(0x21)),
        EventType::EXTERNAL_INTERRUPT,
        0x21,
        None,
        0,
    ),
    (
        &[0xa1, 0, 0x20, 0, 0],
        Some(Injection::nmi()),
        EventType::NMI,
        2,
        None,
        0,
    ),
    (
        &[0xa1, 0, 0x20, 0, 0],
        Some(Injection::fault(14, 5)),
        EventType::HARDWARE_EXCEPTION,
        14,
        Some(5),
        0,
    ),
    (
        &[0xa1, 0, 0x20, 0, 0],
        Some(Injection::software_interrupt(0x22, 5)),
        EventType::SOFTWARE_INTERRUPT,
        0x22,
        None,
        5,
    ),
];

#[test]
fn every_kind_of_event_is_delivered_in_the_end() {
    on_every_engine(|engine| {
        for (code, injected, kind, vector, error, moved) in ROWS {
            let vm = vm(engine, code);
            let mut vcpu = flat_with_tables(&vm);
            vcpu.write(reg::RSP, STACK).unwrap();
            vcpu.write(reg::RAX, 0x38).unwrap();
            vcpu.modify(reg::RFLAGS, |flags: reg::Rflags| flags | reg::Rflags::IF)
                .unwrap();
            if let Some(event) = injected {
                assert_eq!(vcpu.inject(event).unwrap(), None);
            }
            let told = deliver(&vm, &mut vcpu);
            assert_eq!((told.type_(), told.vector()), (kind, vector));
            let bytes = if error.is_some() { 16 } else { 12 };
            assert_eq!(vcpu.read(reg::RSP).unwrap(), STACK - bytes, "{kind:?}");
            assert_eq!(u64::from(word(&vm, STACK - 12)), CODE + moved, "{kind:?}");
            if let Some(error) = error {
                assert_eq!(word(&vm, STACK - 16), error, "{kind:?}");
            }
            // The instruction that an injected event stood before was not done.
            assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x38, "{kind:?}");
        }
    });
}

#[test]
fn a_page_fault_is_delivered_in_the_end() {
    on_every_engine(|engine| {
        // mov [40000000h], al: the identity map ends there.
        let vm = vm(engine, &[0xa2, 0, 0, 0, 0x40, 0, 0, 0, 0]);
        let mut vcpu = long_with_tables(&vm);
        vcpu.write(reg::RSP, STACK).unwrap();
        let told = deliver(&vm, &mut vcpu);
        assert_eq!(told.vector(), 14);
        assert_eq!(vcpu.read(reg::CR2).unwrap(), 0x4000_0000);
        assert_eq!(word(&vm, STACK - 48), 2, "error code of a write");
    });
}

#[test]
fn a_step_is_not_lost_to_an_interrupt() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0xa2, 0x90, 0xf4]); // cpuid; nop; hlt
        let mut vcpu = flat_with_tables(&vm);
        vcpu.write(vmcs::EXCEPTION_BITMAP, 1 << 1).unwrap();
        vcpu.modify(reg::RFLAGS, |flags: reg::Rflags| {
            flags | reg::Rflags::IF | reg::Rflags::TF
        })
        .unwrap();
        exits_with!(vcpu.run().unwrap(), Cpuid(cpuid) { cpuid.finish_default().unwrap() });
        assert!(!vcpu.can_take_interrupt().unwrap(), "the step comes first");
        assert!(!vcpu.interrupt_or_window(0x20).unwrap());
        exits_with!(vcpu.run().unwrap(), Exception(exception) {
            assert_eq!((exception.vector(), exception.qualification()), (1, 1 << 14));
        });
        assert_eq!(vcpu.read(reg::RIP).unwrap(), CODE + 2);
        exits_with!(vcpu.run().unwrap(), InterruptWindow);
        assert_eq!(vcpu.read(reg::RIP).unwrap(), CODE + 2);
    });
}

/// INS and OUTS exit before their segment is looked at: the guest gets its fault, and no device hears of the access.
#[test]
fn string_ports_fault_before_the_device_is_asked() {
    on_every_engine(|engine| {
        for (code, register) in [(&[0x6f][..], reg::RSI), (&[0x6d], reg::RDI)] {
            // A word at FFFFh is beyond the limit.
            let vm = vm(engine, code);
            vm.write(Gpa(13 * 4), &[0, 0x30, 0, 0]).unwrap();
            vm.write(Gpa(HANDLER), &[0xf4]).unwrap();
            let mut vcpu = real_mode(&vm);
            vcpu.write(register, 0xffff).unwrap();
            exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
            assert_eq!(vcpu.read(reg::RIP).unwrap(), HANDLER);
            assert_eq!(word(&vm, 0x8000 - 6) & 0xffff, CODE as u32);
        }
        for (code, name) in [(&[0x6e][..], SegmentName::Ds), (&[0x6c], SegmentName::Es)] {
            let vm = vm(engine, code);
            let mut vcpu = flat_with_tables(&vm);
            let mut segment = vcpu.segment(name).unwrap();
            segment.rights |= vmcs::AccessRights::UNUSABLE;
            segment.selector = 0;
            vcpu.set_segment(name, segment).unwrap();
            exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
            assert_eq!(word(&vm, 0x8000 - 16), 0, "#GP(0)");
            assert_eq!(vcpu.read(reg::RIP).unwrap(), HANDLER);
        }
        // INS to a page that is not there: CR2 tells, and RIP is still at the instruction.
        let vm = vm(engine, &[0xf3, 0x6c]);
        let mut vcpu = long_with_tables(&vm);
        vcpu.write(reg::RCX, 2).unwrap();
        vcpu.write(reg::RDI, 0x4000_0000).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::CR2).unwrap(), 0x4000_0000);
        assert_eq!(
            (word(&vm, 0x8000 - 48), word(&vm, 0x8000 - 40)),
            (2, CODE as u32)
        );
        assert_eq!(vcpu.read(reg::RCX).unwrap(), 2);
    });
}

/// A segment that is good, next to the cases that are not: what the checks let through.
#[test]
fn string_ports_reach_the_device() {
    on_every_engine(|engine| {
        for (code, read) in [(&[0x36, 0x6e][..], false), (&[0x6c], true)] {
            let vm = vm(engine, code);
            vm.write(Gpa(0x2000), &[0x5a]).unwrap();
            let mut vcpu = flat_with_tables(&vm);
            vcpu.write(reg::RSI, 0x2000).unwrap();
            vcpu.write(reg::RDI, 0x2000).unwrap();
            match vcpu.run().unwrap() {
                Exit::PortWrite(out) if !read => assert_eq!(out.value(), 0x5a),
                Exit::PortRead(input) if read => input.finish(0x77).unwrap(),
                other => panic!("{other:?}"),
            }
            let wanted = if read { 0x77 } else { 0x5a };
            assert_eq!(word(&vm, 0x2000) & 0xff, wanted);
        }
    });
}
