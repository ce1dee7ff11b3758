//! What bad input gets: an error in words, nothing lost, no panic.

use xhv::Gpa;
use xhv::x86_64::{msr, reg, vmcs};

use crate::support::{on_every_engine, real_mode, vm};

#[test]
fn refused_calls_say_why() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        let error = vcpu.read(msr::STAR).unwrap_err().to_string();
        assert!(
            error.contains("STAR") && error.contains("enable_native_msr"),
            "{error}"
        );
        let error = vcpu.flush().unwrap_err().to_string();
        assert!(error.contains("no effect since macOS 11.0"), "{error}");
        assert!(vcpu.read_fpstate(&mut []).is_err());
        assert!(vcpu.write_fpstate(&[0; 8]).is_err());
        assert!(
            vcpu.write(vmcs::GUEST_ACTIVITY_STATE, vmcs::ActivityState(77))
                .is_err()
                || !vcpu.check_entry().is_empty()
        );
    });
}

#[test]
fn bad_controls_are_explained() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        // NMI-window exiting without virtual NMIs.
        use xhv::x86_64::controls::{
            PinBasedControls as Pin, PrimaryProcessorBasedControls as Primary,
        };
        vcpu.modify(vmcs::PIN_BASED_CONTROLS, |pin: Pin| pin - Pin::VIRTUAL_NMIS)
            .unwrap();
        vcpu.modify(
            vmcs::PRIMARY_PROCESSOR_BASED_CONTROLS,
            |primary: Primary| primary | Primary::NMI_WINDOW_EXITING,
        )
        .unwrap();
        let violations = vcpu.check_entry();
        assert!(
            violations
                .iter()
                .any(|violation| violation.to_string().contains("NMI")),
            "{violations:?}"
        );
        let error = vcpu
            .run()
            .map(|exit| format!("{exit:?}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("hv_vcpu_run") && error.contains("NMI"),
            "{error}"
        );
    });
}

#[test]
fn raw_numbers_from_outside_do_not_panic() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        vcpu.write(reg::RIP, u64::MAX).unwrap();
        // Refused, or an exit: never a panic.
        let _ = vcpu.run().map(|exit| format!("{exit:?}"));
        vcpu.set_real_mode(0xffff, 0xffff).unwrap();
        let _ = vcpu.run().map(|exit| format!("{exit:?}"));
        assert!(vm.track_dirty(Gpa(1), 5).is_err());
        assert!(vm.write_identity_map(Gpa(7), 1).is_err());
        assert!(vm.write_identity_map(Gpa(0x1000), 1 << 40).is_err());
        assert!(vm.capability(0x1234_5678).is_err());
    });
}
