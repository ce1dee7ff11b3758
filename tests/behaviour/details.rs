//! What exits tell through the typed rows of `spec/x86_64/exits.rs`: each field in its width, from the VMCS field that holds it.

use xhv::Gpa;
use xhv::x86_64::controls::{
    PrimaryProcessorBasedControls as Primary, SecondaryProcessorBasedControls as Secondary,
};
use xhv::x86_64::exits::{
    self, AddressSize, CrQualificationAccess, ExitReason, GdtrIdtrInformationInstruction,
    GeneralRegister, LdtrTrInformationInstruction, OperandSize, SegmentRegister,
    TaskSwitchQualificationSource,
};
use xhv::x86_64::{Exit, MsrAccess, Vcpu, Vm, reg, vmcs};

use crate::support::{exits_with, flat32, long_mode, on_every_engine, real_mode, vm};

/// The details of the exit that comes next.
fn details(vcpu: &mut Vcpu) -> (ExitReason, exits::Exit) {
    match vcpu.run().unwrap() {
        Exit::Other(raw) => (raw.reason(), raw.details().unwrap()),
        other => panic!("{other:?}"),
    }
}

/// A vCPU in 64-bit mode with these controls, if the host has them.
fn long(vm: &Vm, primary: Primary, secondary: Secondary) -> Option<Vcpu> {
    let mut vcpu = long_mode(vm);
    let word = vcpu.read(vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS).unwrap();
    let word2 = vcpu.read(vmcs::SECONDARY_PROCESSOR_BASED_CONTROLS).unwrap();
    let set = vcpu
        .set_controls(primary, word)
        .and_then(|_| vcpu.set_controls(secondary, word2));
    match set {
        Ok(_) => Some(vcpu),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

#[test]
fn operands_in_memory() {
    on_every_engine(|engine| {
        // sgdt fs:[rbx + r9 * 4 - 10h]
        let vm = vm(engine, &[0x64, 0x42, 0x0f, 0x01, 0x44, 0x8b, 0xf0]);
        let secondary = Secondary::DESCRIPTOR_TABLE_EXITING;
        let Some(mut vcpu) = long(&vm, Primary::empty(), secondary) else {
            return;
        };
        let (reason, exit) = details(&mut vcpu);
        assert_eq!(reason, ExitReason::GDTR_IDTR_ACCESS);
        let exits::Exit::GdtrIdtrAccess(told) = exit else {
            panic!("{exit:?}");
        };
        let information = told.information;
        assert_eq!((told.displacement, told.length), ((-0x10_i64) as u64, 7));
        assert_eq!(
            information.instruction(),
            GdtrIdtrInformationInstruction::SGDT
        );
        assert_eq!(information.base(), GeneralRegister::RBX);
        assert_eq!(information.index(), GeneralRegister::R9);
        assert_eq!(information.segment(), SegmentRegister::FS);
        assert_eq!(information.address_size(), AddressSize::BITS64);
        assert_eq!(information.scale().0, 2);
        assert!(!information.intersects(
            exits::GdtrIdtrInformation::BASE_INVALID | exits::GdtrIdtrInformation::INDEX_INVALID
        ));
    });
}

#[test]
fn operands_in_registers() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x41, 0x0f, 0x00, 0xdb]); // ltr r11w
        let secondary = Secondary::DESCRIPTOR_TABLE_EXITING;
        let Some(mut vcpu) = long(&vm, Primary::empty(), secondary) else {
            return;
        };
        let (_, exit) = details(&mut vcpu);
        let exits::Exit::LdtrTrAccess(told) = exit else {
            panic!("{exit:?}");
        };
        let information = told.information;
        assert_eq!(information.instruction(), LdtrTrInformationInstruction::LTR);
        assert!(information.contains(exits::LdtrTrInformation::REGISTER_FORM));
        assert_eq!(information.register1(), GeneralRegister::R11);
        vm.write(Gpa(crate::support::CODE), &[0x49, 0x0f, 0xc7, 0xf5]) // rdrand r13
            .unwrap();
        let Some(mut vcpu) = long(&vm, Primary::empty(), Secondary::RDRAND_EXITING) else {
            return;
        };
        let (_, exit) = details(&mut vcpu);
        let exits::Exit::Rdrand(told) = exit else {
            panic!("{exit:?}");
        };
        assert_eq!(told.information.register1(), GeneralRegister::R13);
        assert_eq!(
            (told.information.operand_size(), told.length),
            (OperandSize::BITS64, 4)
        );
    });
}

#[test]
fn addresses_and_debug_registers() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x01, 0x3b, 0x41, 0x0f, 0x21, 0xf7]); // invlpg [rbx]; mov r15, dr6
        let primary = Primary::INVLPG_EXITING | Primary::MOV_DR_EXITING;
        let Some(mut vcpu) = long(&vm, primary, Secondary::empty()) else {
            return;
        };
        vcpu.write(reg::RBX, 0xffff_8123_4567_89ab).unwrap();
        match vcpu.run().unwrap() {
            Exit::Other(raw) => {
                let exits::Exit::Invlpg(told) = raw.details().unwrap() else {
                    panic!("{:?}", raw.details());
                };
                let address = 0xffff_8123_4567_89ab;
                assert_eq!((told.linear_address, told.length), (address, 3));
                raw.skip().unwrap();
            }
            other => panic!("{other:?}"),
        }
        let (_, exit) = details(&mut vcpu);
        let exits::Exit::MovDr(told) = exit else {
            panic!("{exit:?}");
        };
        let qualification = told.qualification;
        assert_eq!((qualification.number(), told.length), (6, 4));
        assert_eq!(qualification.register(), GeneralRegister::R15);
        assert!(qualification.contains(exits::DrQualification::FROM_DR));
    });
}

#[test]
fn a_task_switch() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xea, 0, 0, 0, 0, 0x1b, 0]); // jmp 1bh:0
        let mut vcpu = flat32(&vm);
        let tss = 0xe900_u64 << 32 | 0x6000 << 16 | 0x67;
        vm.write(Gpa(0x518), &tss.to_le_bytes()).unwrap();
        vcpu.write(vmcs::GUEST_GDTR_BASE, 0x500).unwrap();
        vcpu.write(vmcs::GUEST_GDTR_LIMIT, 0x1f).unwrap();
        let (_, exit) = details(&mut vcpu);
        let exits::Exit::TaskSwitch(told) = exit else {
            panic!("{exit:?}");
        };
        let qualification = told.qualification;
        assert_eq!(qualification.source(), TaskSwitchQualificationSource::JMP);
        assert_eq!((qualification.selector(), told.length), (0x1b, 7));
        assert!(
            !told
                .vectoring
                .contains(vmcs::IdtVectoringInformation::VALID)
        );
    });
}

#[test]
fn control_registers_by_guard() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x01, 0x36, 0x00, 0x20]); // lmsw [2000h]
        vm.write(Gpa(0x2000), &[0x0e, 0x12]).unwrap();
        let mut vcpu = real_mode(&vm);
        vcpu.modify(vmcs::CR0_GUEST_HOST_MASK, |mask: reg::Cr0| {
            mask | reg::Cr0::EM
        })
        .unwrap();
        let linear;
        match vcpu.run().unwrap() {
            Exit::ControlRegister(mut access) => {
                let told = access.access();
                assert_eq!(told.access(), CrQualificationAccess::LMSW);
                assert!(told.contains(exits::CrQualification::LMSW_MEMORY));
                assert_eq!((told.lmsw_source(), told.number()), (0x120e, 0));
                linear = access.vcpu().read(vmcs::GUEST_LINEAR_ADDRESS).unwrap();
                access.finish().unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(linear, 0x2000);
        let wanted = reg::Cr0::MP | reg::Cr0::EM | reg::Cr0::TS;
        assert!(vcpu.guest_cr0().unwrap().contains(wanted));
    });
}

#[test]
fn exceptions_by_guard() {
    on_every_engine(|engine| {
        // mov [40000010h], eax in 64-bit mode; int3
        let vm = vm(engine, &[0xa3, 0x10, 0, 0, 0x40, 0, 0, 0, 0, 0xcc]);
        let mut vcpu = long_mode(&vm);
        vcpu.write(vmcs::EXCEPTION_BITMAP, 1 << 14 | 1 << 3)
            .unwrap();
        exits_with!(vcpu.run().unwrap(), Exception(exception) {
            assert_eq!((exception.vector(), exception.error_code()), (14, Some(2)));
            assert_eq!(exception.qualification(), 0x4000_0010);
            assert_eq!(exception.information().type_(), vmcs::EventType::HARDWARE_EXCEPTION);
            assert!(exception.interrupted().is_none());
        });
        vcpu.write(reg::RIP, crate::support::CODE + 9).unwrap();
        exits_with!(vcpu.run().unwrap(), Exception(exception) {
            assert_eq!((exception.vector(), exception.error_code()), (3, None));
            assert_eq!(exception.information().type_(), vmcs::EventType::SOFTWARE_EXCEPTION);
        });
        assert_eq!(vcpu.read(vmcs::VM_EXIT_INSTRUCTION_LENGTH).unwrap(), 1);
    });
}

#[test]
fn managed_msrs_exit_by_their_rights() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x32, 0x0f, 0x30, 0xf4]); // rdmsr; wrmsr; hlt
        for (rights, reads, writes) in [
            (MsrAccess::empty(), true, true),
            (MsrAccess::READ, false, true),
            (MsrAccess::READ | MsrAccess::WRITE, false, false),
        ] {
            let mut vcpu = flat32(&vm);
            vcpu.write(reg::RCX, 0x48).unwrap(); // IA32_SPEC_CTRL
            if let Err(why) = vcpu.enable_managed_msr(0x48, true) {
                return eprintln!("skipped: {why}");
            }
            vcpu.set_msr_access(0x48, rights).unwrap();
            if reads {
                exits_with!(vcpu.run().unwrap(), MsrRead(read) {
                    assert_eq!(read.index(), 0x48);
                    read.finish(0).unwrap();
                });
            }
            if writes {
                exits_with!(vcpu.run().unwrap(), MsrWrite(write) {
                    assert_eq!((write.index(), write.value()), (0x48, 0));
                    write.finish().unwrap();
                });
            }
            exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        }
    });
}
