//! JSON as a snapshot of an AArch64 vCPU: it is refused with a reason, or restored and run.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use xhv::aarch64::VcpuState;
use xhv_fuzz::{arm, run_arm, text};

static GENUINE: LazyLock<String> = LazyLock::new(|| {
    let (_vm, mut vcpu) = arm(&[]);
    vcpu.set_el1(0x4000_1000, 0x4000_8000)
        .expect("a good state");
    vcpu.save().expect("it can be saved").to_json()
});

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(&GENUINE, data) else {
        return;
    };
    let Ok(state) = VcpuState::from_json(&text) else {
        return;
    };
    assert!(
        VcpuState::from_json(&state.to_json()).is_ok(),
        "what is read can be written"
    );
    let (_vm, mut vcpu) = arm(data);
    if vcpu.restore(&state).is_ok() {
        run_arm(&mut vcpu);
        let _ = vcpu.save();
    }
});
