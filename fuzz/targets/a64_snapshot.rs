//! JSON as a snapshot of an AArch64 vCPU: it is refused with a reason, or restored and run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xhv::aarch64::VcpuState;
use xhv_fuzz::{arm, run_arm};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(state) = VcpuState::from_json(text) else {
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
