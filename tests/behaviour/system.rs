//! CPUID, MSRs, control registers, modes, capabilities, FP state, clocks.

use xhv::Gpa;
use xhv::x86_64::controls::SecondaryProcessorBasedControls as Secondary;
use xhv::x86_64::reg::{Cr0, Cr4, Xcr0};
use xhv::x86_64::{Access, CpuidResult, Exit, FpState, capabilities, msr, reg, vmcs};

use crate::support::{CODE, exits_with, flat32, long_mode, on_every_engine, real_mode, vm};

#[test]
fn cpuid_is_answered() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0xa2, 0xf4]); // cpuid; hlt
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RAX, 0x1234).unwrap();
        vcpu.write(reg::RCX, 5).unwrap();
        exits_with!(vcpu.run().unwrap(), Cpuid(cpuid) {
            assert_eq!((cpuid.leaf(), cpuid.subleaf()), (0x1234, 5));
            cpuid.finish(CpuidResult { eax: 1, ebx: 2, ecx: 3, edx: 4 }).unwrap();
        });
        let registers =
            [reg::RAX, reg::RBX, reg::RCX, reg::RDX].map(|register| vcpu.read(register).unwrap());
        assert_eq!(registers, [1, 2, 3, 4]);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn the_default_cpuid_hides_what_a_guest_cannot_have() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0xa2, 0xf4]);
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RAX, 1).unwrap();
        exits_with!(vcpu.run().unwrap(), Cpuid(cpuid) { cpuid.finish_default().unwrap() });
        let features = vcpu.read(reg::RCX).unwrap();
        let (monitor, vmx, x2apic, deadline, hypervisor) =
            (1 << 3, 1 << 5, 1 << 21, 1 << 24, 1 << 31);
        assert_eq!(features & (monitor | vmx | x2apic | deadline), 0);
        assert_ne!(features & hypervisor, 0);
    });
}

#[test]
fn msrs_exit_until_they_are_enabled() {
    on_every_engine(|engine| {
        // rdmsr; hlt; wrmsr; hlt
        let vm = vm(engine, &[0x0f, 0x32, 0xf4, 0x0f, 0x30, 0xf4]);
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RCX, 0xc000_0082).unwrap();
        assert!(vcpu.read(msr::LSTAR).is_err(), "not enabled");
        exits_with!(vcpu.run().unwrap(), MsrRead(read) {
            assert_eq!(read.index(), 0xc000_0082);
            read.finish(0x3344_5566_7788).unwrap();
        });
        exits_with!(vcpu.run().unwrap(), Hlt(hlt) { hlt.finish().unwrap() });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x5566_7788);
        assert_eq!(vcpu.read(reg::RDX).unwrap(), 0x3344);
        vcpu.enable_native_msr(msr::LSTAR.key(), true).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(msr::LSTAR).unwrap(), 0x3344_5566_7788);
        assert!(
            vcpu.enable_native_msr(0x277, true).is_err(),
            "PAT is never native"
        );
    });
}

#[test]
fn the_default_policy_knows_usual_msrs_and_faults_on_others() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x32, 0xf4]); // rdmsr; hlt
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RCX, 0x277).unwrap();
        exits_with!(vcpu.run().unwrap(), MsrRead(read) { assert!(read.finish_default().unwrap()) });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x0007_0406);
        vcpu.set_flat32(0x1000).unwrap();
        vcpu.write(reg::RCX, 0x1234_5678).unwrap();
        exits_with!(vcpu.run().unwrap(), MsrRead(read) { assert!(!read.finish_default().unwrap()) });
        assert_eq!(
            vcpu.injected()
                .unwrap()
                .map(|event| (event.vector, event.error_code)),
            Some((13, Some(0)))
        );
        assert_eq!(vcpu.read(reg::RIP).unwrap(), 0x1000);
    });
}

#[test]
fn the_default_policy_tells_what_the_processor_withstands() {
    use msr::ArchCapabilities as Told;
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x32, 0xf4]); // rdmsr; hlt
        let of_host = Told::from_bits(vm.msr_info(0).unwrap_or(0));
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RCX, msr::ARCH_CAPABILITIES.key().into())
            .unwrap();
        exits_with!(vcpu.run().unwrap(), MsrRead(read) { assert!(read.finish_default().unwrap()) });
        let [low, high] = [reg::RAX, reg::RDX].map(|half| vcpu.read(half).unwrap());
        let told = Told::from_bits(low | high << 32);
        assert!(of_host.contains(told), "{told:?} of {of_host:?}");
        // A kernel that hears nothing of RDCL_NO loads CR3 twice in each system call.
        for bit in [Told::RDCL_NO, Told::MDS_NO, Told::RSBA] {
            assert_eq!(told.contains(bit), of_host.contains(bit), "{bit:?}");
        }
        if engine == xhv::Engine::Software {
            assert!(told.contains(Told::RDCL_NO));
        }
        // They promise MSRs.
        for bit in [Told::IBRS_ALL, Told::TSX_CTRL, Told::XAPIC_DISABLE_STATUS] {
            assert!(!told.contains(bit), "{bit:?}");
        }
    });
}

#[test]
fn a_guest_turns_long_mode_on_by_itself() {
    on_every_engine(|engine| {
        #[rustfmt::skip]
        let code = [
            0x0f, 0x20, 0xe0,                   // mov eax, cr4
            0x83, 0xc8, 0x20,                   // or eax, PAE
            0x0f, 0x22, 0xe0,                   // mov cr4, eax
            0xb8, 0x00, 0x00, 0x02, 0x00,       // mov eax, 20000h
            0x0f, 0x22, 0xd8,                   // mov cr3, eax
            0xb9, 0x80, 0x00, 0x00, 0xc0,       // mov ecx, EFER
            0x31, 0xd2,                         // xor edx, edx
            0xb8, 0x00, 0x01, 0x00, 0x00,       // mov eax, LME
            0x0f, 0x30,                         // wrmsr
            0x0f, 0x20, 0xc0,                   // mov eax, cr0
            0x0d, 0x00, 0x00, 0x00, 0x80,       // or eax, PG
            0x0f, 0x22, 0xc0,                   // mov cr0, eax
            0x0f, 0x20, 0xc0,                   // mov eax, cr0
            0xf4,                               // hlt
        ];
        let vm = vm(engine, &code);
        vm.write_identity_map(Gpa(0x2_0000), 1 << 30).unwrap();
        let mut vcpu = flat32(&vm);
        vcpu.enable_usual_msrs().unwrap();
        loop {
            match vcpu.run().unwrap() {
                xhv::x86_64::Exit::MsrWrite(write) => assert!(write.finish_default().unwrap()),
                xhv::x86_64::Exit::ControlRegister(access) => access.finish().unwrap(),
                xhv::x86_64::Exit::Hlt(_) => break,
                other => panic!("{other:?}"),
            }
        }
        let efer = vcpu.read(msr::EFER).unwrap();
        assert!(efer.contains(msr::Efer::LMA | msr::Efer::LME), "{efer:?}");
        assert!(vcpu.guest_cr0().unwrap().contains(Cr0::PG | Cr0::PE));
        assert!(vcpu.guest_cr4().unwrap().contains(Cr4::PAE));
        assert!(
            !vcpu.guest_cr4().unwrap().contains(Cr4::VMXE),
            "the guest does not see VMXE"
        );
        assert!(vcpu.check_entry().is_empty(), "{:?}", vcpu.check_entry());
        let shown = Cr0::from_bits(vcpu.read(reg::RAX).unwrap());
        assert_eq!(shown, vcpu.guest_cr0().unwrap());
    });
}

#[test]
fn long_mode_runs_and_translates() {
    on_every_engine(|engine| {
        // mov rax, 1122334455667788h; push rax; hlt
        let code = [
            0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x50, 0xf4,
        ];
        let vm = vm(engine, &code);
        let mut vcpu = long_mode(&vm);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        let mut pushed = [0; 8];
        assert_eq!(vcpu.read_linear(0x7ff8, &mut pushed).unwrap(), 8);
        assert_eq!(u64::from_le_bytes(pushed), 0x1122_3344_5566_7788);
        assert_eq!(
            vcpu.translate(0x12_3456, Access::Write).unwrap(),
            Ok(Gpa(0x12_3456))
        );
        let fault = vcpu.translate(1 << 40, Access::Write).unwrap().unwrap_err();
        assert_eq!((fault.linear, fault.code), (1 << 40, 2));
    });
}

/// The 64-bit boot protocol (Documentation/arch/x86/boot.rst): selectors 10h and 18h name what is loaded already, RSI the parameters, and the
/// first 4 GiB are mapped.
#[test]
fn linux_starts_as_its_boot_protocol_says() {
    // mov eax, cs; mov ebx, ds; mov eax, 18h; mov ds, eax; mov ss, eax; push 10h; lea rcx, [rip+3]; push rcx; retfq;
    // mov edi, 0fffffffch; mov edx, [rdi]; hlt
    let code = [
        0x8c, 0xcd, 0x8c, 0xdb, 0xb8, 0x18, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xd0, 0x6a, 0x10, 0x48,
        0x8d, 0x0d, 3, 0, 0, 0, 0x51, 0x48, 0xcb, 0xbf, 0xfc, 0xff, 0xff, 0xff, 0x8b, 0x17, 0xf4,
    ];
    on_every_engine(|engine| {
        let vm = vm(engine, &code);
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_linux(CODE, Gpa(0x7000), Gpa(0x2_0000)).unwrap();
        vcpu.write(reg::RSP, 0x8000).unwrap();
        assert!(vcpu.check_entry().is_empty(), "{:?}", vcpu.check_entry());
        match vcpu.run().unwrap() {
            Exit::MmioRead(read) => {
                assert_eq!((read.gpa(), read.size()), (Gpa(0xffff_fffc), 4));
                read.finish(0x1234).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        let registers = [reg::RBP, reg::RBX, reg::RDX, reg::RSI, reg::RSP];
        let values = registers.map(|register| vcpu.read(register).unwrap());
        assert_eq!(values, [0x10, 0x18, 0x1234, 0x7000, 0x8000]);
        assert!(!vcpu.read(reg::RFLAGS).unwrap().contains(reg::Rflags::IF));
    });
}

/// The 32-bit boot protocol: as the 64-bit one, but in protected mode without paging.
#[test]
fn linux_for_i386_starts_as_its_boot_protocol_says() {
    // mov ebp, cs; mov ebx, ds; mov eax, 18h; mov ds, eax; mov ss, eax; push 10h; push CODE + 13h; retf;
    // mov edi, cr0; hlt
    let code = [
        0x8c, 0xcd, 0x8c, 0xdb, 0xb8, 0x18, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xd0, 0x6a, 0x10, 0x68,
        0x15, 0x10, 0, 0, 0xcb, 0x0f, 0x20, 0xc7, 0xf4,
    ];
    on_every_engine(|engine| {
        let vm = vm(engine, &code);
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_linux32(CODE as u32, Gpa(0x7000), Gpa(0x2_0000))
            .unwrap();
        vcpu.write(reg::RSP, 0x8000).unwrap();
        assert!(vcpu.check_entry().is_empty(), "{:?}", vcpu.check_entry());
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        let registers = [reg::RBP, reg::RBX, reg::RAX, reg::RSI, reg::RSP];
        let values = registers.map(|register| vcpu.read(register).unwrap());
        assert_eq!(values, [0x10, 0x18, 0x18, 0x7000, 0x8000]);
        let cr0 = Cr0::from_bits(vcpu.read(reg::RDI).unwrap());
        assert!(cr0.contains(Cr0::PE) && !cr0.contains(Cr0::PG), "{cr0:?}");
        assert!(!vcpu.read(reg::RFLAGS).unwrap().contains(reg::Rflags::IF));
    });
}

#[test]
fn xsetbv_is_checked() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x01, 0xd1, 0xf4]); // xsetbv; hlt
        let mut vcpu = flat32(&vm);
        vcpu.modify(vmcs::GUEST_CR4, |cr4: Cr4| cr4 | Cr4::OSXSAVE)
            .unwrap();
        vcpu.write(reg::RAX, 3).unwrap();
        exits_with!(vcpu.run().unwrap(), Xsetbv(xsetbv) {
            assert_eq!((xsetbv.index(), xsetbv.value()), (0, 3));
            xsetbv.finish().unwrap();
        });
        assert_eq!(vcpu.read(reg::XCR0).unwrap(), Xcr0::X87 | Xcr0::SSE);
        vcpu.write(reg::RIP, 0x1000).unwrap();
        vcpu.write(reg::RAX, 2).unwrap();
        exits_with!(vcpu.run().unwrap(), Xsetbv(xsetbv) { xsetbv.finish().unwrap() });
        assert_eq!(vcpu.injected().unwrap().map(|event| event.vector), Some(13));
    });
}

#[test]
fn hypercalls_answer() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x01, 0xc1, 0xf4]); // vmcall; hlt
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RAX, 42).unwrap();
        exits_with!(vcpu.run().unwrap(), Hypercall(call) {
            assert_eq!(call.number(), 42);
            call.finish(43).unwrap();
        });
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 43);
    });
}

#[test]
fn a_control_that_the_host_lacks_is_named() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        let allowed = vcpu.read(capabilities::PROCBASED2).unwrap().allowed1();
        let lacking = Secondary::from_bits(!allowed)
            & (Secondary::ENABLE_ENCLS_EXITING | Secondary::ENABLE_PML | Secondary::ENABLE_PCONFIG);
        if lacking.is_empty() {
            return eprintln!("skipped: this host has every control");
        }
        let error = vcpu
            .set_controls(lacking, Secondary::empty())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("does not have") && error.contains("ENABLE_"),
            "{error}"
        );
    });
}

#[test]
fn fp_state_is_typed() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        let mut state = FpState::default();
        state.xmm[3] = 0x1234_5678_9abc_def0_1122_3344_5566_7788;
        state.st[0] = 0x3fff_8000_0000_0000_0000;
        state.ftw = 1;
        state.mxcsr = 0x1fa0;
        vcpu.set_fpstate(&state).unwrap();
        let read = vcpu.fpstate().unwrap();
        assert_eq!(
            (read.xmm, read.st, read.ftw, read.mxcsr),
            (state.xmm, state.st, state.ftw, state.mxcsr)
        );
        assert!(vcpu.read_fpstate(&mut [0; 100]).is_err(), "too short");
    });
}

#[test]
fn the_tsc_follows_the_vm() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x31, 0xf4]); // rdtsc; hlt
        let mut vcpu = flat32(&vm);
        vm.sync_tsc(1 << 40).unwrap();
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
        let high = vcpu.read(reg::RDX).unwrap();
        assert_eq!(high, 1 << 8, "a little later than 2^40");
    });
}
