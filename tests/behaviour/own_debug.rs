//! What a guest that debugs itself gets: #DB of its own breakpoints and steps, also behind what the VMM does for it.

use xhv::Gpa;
use xhv::x86_64::{Exit, Injection, Vcpu, Vm, policy, reg, vmcs};

use crate::support::{CODE, flat32, on_every_engine, vm};

const HANDLER: u64 = 0x2000;
const TF: u64 = 0x100;
const RF: u64 = 1 << 16;
const DEBUGCTL: u32 = 0x1d9;

/// A 32-bit guest that stops in its #DB handler, and returns from it. Vector 20H leads to a HLT at 2010H.
fn guest(vm: &Vm) -> Vcpu {
    vm.write(Gpa(HANDLER), &[0xf4, 0xcf]).unwrap();
    vm.write(Gpa(HANDLER + 0x10), &[0xf4]).unwrap();
    vm.write(Gpa(0x3008), &[0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0])
        .unwrap();
    for (vector, low) in [(1, 0), (0x20, 0x10)] {
        let gate = [low, 0x20, 8, 0, 0, 0x8e, 0, 0];
        vm.write(Gpa(0x4000 + 8 * vector), &gate).unwrap();
    }
    let mut vcpu = flat32(vm);
    vcpu.write(vmcs::GUEST_GDTR_BASE, 0x3000).unwrap();
    vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0xf).unwrap();
    vcpu.write(vmcs::GUEST_IDTR_BASE, 0x4000).unwrap();
    vcpu.modify(reg::CR4, |value: reg::Cr4| value | reg::Cr4::DE)
        .unwrap();
    vcpu
}

fn set_flags(vcpu: &mut Vcpu, bits: u64) {
    vcpu.write(reg::RFLAGS, reg::Rflags::from_bits(2 | bits))
        .unwrap();
}

/// Breakpoint 0 on ports from `port` on; `length`: bits of DR7.
fn watch_ports(vcpu: &mut Vcpu, port: u64, length: u64) {
    vcpu.write(reg::DR0, port).unwrap();
    let control = reg::Dr7::from_bits(0x2_0401 | length << 18);
    vcpu.write(vmcs::GUEST_DR7, control).unwrap();
}

/// What happens up to the HLT that is none of the handler's: ports by number, #DB by the return address, pushed RF, and conditions.
fn story(vm: &Vm, vcpu: &mut Vcpu) -> Vec<String> {
    let mut story = Vec::new();
    loop {
        let exit = vcpu.run().unwrap();
        match exit {
            Exit::PortRead(read) => {
                story.push(format!("in {:x}", read.port()));
                read.finish(0x5a).unwrap();
            }
            Exit::PortWrite(write) => {
                story.push(format!("out {:x}", write.port()));
                write.finish().unwrap();
            }
            Exit::Hlt(hlt) => {
                hlt.finish().unwrap();
                if vcpu.read(reg::RIP).unwrap() != HANDLER + 1 {
                    return story;
                }
                let at = Gpa(vcpu.read(reg::RSP).unwrap());
                let mut frame = [0; 12];
                vm.read(at, &mut frame).unwrap();
                let word = |n: usize| u32::from_le_bytes(frame[n..n + 4].try_into().unwrap());
                let status = vcpu.read(reg::DR6).unwrap().bits() & 0xe00f;
                let resume = if u64::from(word(8)) & RF != 0 {
                    " RF"
                } else {
                    ""
                };
                story.push(format!("#DB {:x}{resume} {status:x}", word(0)));
                vcpu.write(reg::DR6, reg::Dr6::from_bits(0xffff_0ff0))
                    .unwrap();
            }
            other => panic!("{other:?} after {story:?}"),
        }
    }
}

#[test]
fn breakpoints_on_ports_that_the_vmm_answers() {
    on_every_engine(|engine| {
        // 1000: out 70h, al; 1002: in eax, 71h; 1004: in al, 73h; 1006: nop; hlt
        let vm = vm(engine, &[0xe6, 0x70, 0xe5, 0x71, 0xe4, 0x73, 0x90, 0xf4]);
        for (port, length, expected) in [
            (0x70, 0, &["out 70", "#DB 1002 1", "in 71", "in 73"][..]),
            // Two ports, from 72h on: the four of the IN meet them.
            (
                0x73,
                1,
                &["out 70", "in 71", "#DB 1004 1", "in 73", "#DB 1006 1"],
            ),
            (0x75, 0, &["out 70", "in 71", "in 73"]),
            (0x170, 0, &["out 70", "in 71", "in 73"]),
        ] {
            let mut vcpu = guest(&vm);
            watch_ports(&mut vcpu, port, length);
            assert_eq!(story(&vm, &mut vcpu), expected, "{port:x} {length}");
        }
        // Without CR4.DE there are none.
        let mut vcpu = guest(&vm);
        watch_ports(&mut vcpu, 0x70, 0);
        vcpu.modify(reg::CR4, |value: reg::Cr4| value - reg::Cr4::DE)
            .unwrap();
        assert_eq!(story(&vm, &mut vcpu), ["out 70", "in 71", "in 73"]);
    });
}

#[test]
fn each_round_of_a_string_instruction_traps() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf3, 0x6e, 0xf3, 0x6c, 0xf4]); // rep outsb; rep insb; hlt
        for (flags, status) in [(0, 1), (TF, 0x4001)] {
            let mut vcpu = guest(&vm);
            watch_ports(&mut vcpu, 0x80, 0);
            vcpu.write(reg::RDX, 0x80).unwrap();
            vcpu.write(reg::RSI, 0x5000).unwrap();
            vcpu.write(reg::RCX, 2).unwrap();
            set_flags(&mut vcpu, flags);
            let mut expected = vec![
                "out 80".to_owned(),
                format!("#DB 1000 RF {status:x}"),
                "out 80".to_owned(),
                format!("#DB 1002 {status:x}"),
            ];
            if flags & TF != 0 {
                // REP INSB with RCX = 0.
                expected.push("#DB 1004 4000".to_owned());
            }
            assert_eq!(story(&vm, &mut vcpu), expected);
        }
        // A breakpoint on the instruction itself is met before the first round.
        let mut vcpu = guest(&vm);
        vcpu.write(reg::DR0, CODE + 2).unwrap();
        vcpu.write(vmcs::GUEST_DR7, reg::Dr7::from_bits(0x401))
            .unwrap();
        vcpu.write(reg::RIP, CODE + 2).unwrap();
        vcpu.write(reg::RDX, 0x80).unwrap();
        vcpu.write(reg::RDI, 0x5000).unwrap();
        vcpu.write(reg::RCX, 3).unwrap();
        set_flags(&mut vcpu, RF);
        assert_eq!(story(&vm, &mut vcpu), ["in 80", "in 80", "in 80"]);
        let mut stored = [0; 4];
        vm.read(Gpa(0x5000), &mut stored).unwrap();
        assert_eq!(stored, [0x5a, 0x5a, 0x5a, 0]);
    });
}

#[test]
fn an_interrupt_waits_for_a_debug_exception() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xe6, 0x70, 0x90, 0xf4]); // out 70h, al; nop; hlt
        let mut vcpu = guest(&vm);
        watch_ports(&mut vcpu, 0x70, 0);
        set_flags(&mut vcpu, 0x200);
        match vcpu.run().unwrap() {
            Exit::PortWrite(write) => write.finish().unwrap(),
            other => panic!("{other:?}"),
        }
        assert!(!vcpu.can_take_interrupt().unwrap() && !vcpu.can_take_nmi().unwrap());
        assert!(!vcpu.interrupt_or_window(0x20).unwrap());
        // The handler runs with interrupts off: the window opens behind it.
        assert_eq!(
            story_of_window(&vm, &mut vcpu),
            ["#DB 1002 1", "window 1002"]
        );
        vcpu.request_interrupt_window(false).unwrap();
        vcpu.inject(Injection::interrupt(0x20)).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        assert_eq!(vcpu.read(reg::RIP).unwrap(), HANDLER + 0x10);
    });
}

fn story_of_window(vm: &Vm, vcpu: &mut Vcpu) -> Vec<String> {
    let mut story = Vec::new();
    for _ in 0..4 {
        match vcpu.run().unwrap() {
            Exit::Hlt(hlt) => {
                hlt.finish().unwrap();
                let mut rip = [0; 4];
                vm.read(Gpa(vcpu.read(reg::RSP).unwrap()), &mut rip)
                    .unwrap();
                let status = vcpu.read(reg::DR6).unwrap().bits() & 0xe00f;
                story.push(format!("#DB {:x} {status:x}", u32::from_le_bytes(rip)));
            }
            Exit::InterruptWindow => {
                story.push(format!("window {:x}", vcpu.read(reg::RIP).unwrap()));
                break;
            }
            other => panic!("{other:?} after {story:?}"),
        }
    }
    story
}

#[test]
fn steps_by_branches() {
    on_every_engine(|engine| {
        // 1000: nop; 1001: jmp 1003; 1003: nop; 1004: hlt
        let vm = vm(engine, &[0x90, 0xeb, 0, 0x90, 0xf4]);
        let mut vcpu = guest(&vm);
        assert!(policy::write_msr(&mut vcpu, DEBUGCTL, 2).unwrap());
        assert_eq!(policy::read_msr(&vcpu, DEBUGCTL).unwrap(), Some(2));
        set_flags(&mut vcpu, TF);
        // The exception clears BTF, so that TF steps by instructions from then on.
        let expected = ["#DB 1003 4000", "#DB 1004 4000"];
        assert_eq!(story(&vm, &mut vcpu), expected);
        assert_eq!(policy::read_msr(&vcpu, DEBUGCTL).unwrap(), Some(0));
        // Bits that the processor does not have: #GP.
        assert!(!policy::write_msr(&mut vcpu, DEBUGCTL, 1 << 40).unwrap());
        let software = vm.engine() == xhv::Engine::Software;
        if software {
            assert!(
                !policy::write_msr(&mut vcpu, DEBUGCTL, 1).unwrap(),
                "no branch records"
            );
        }
    });
}
