//! What a snapshot holds, and how it is given back.

use xhv::aarch64::{VcpuState, sysreg};

/// | snapshot | both CNTV_TVAL and CNTV_CVAL saved and restored in map order | random deadline |
#[test]
fn both_cntv_tval_and_cntv_cval_saved() {
    let vm = crate::vm!(aarch64);
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.write(sysreg::CNTV_CVAL_EL0, 0x1234_5678).unwrap();
    let json = serde_json::to_string(&vcpu.save().unwrap()).unwrap();
    assert!(
        json.contains("CNTV_CVAL_EL0") && !json.contains("TVAL"),
        "{json}"
    );
}

/// | snapshot | SIMD, FPCR/FPSR, pointer-auth keys, CNTKCTL, AMAIR, CONTEXTIDR left out; restore errors ignored; values rounded by JSON numbers | guest dies later |
#[test]
fn state_left_out_or_rounded() {
    let vm = crate::vm!(aarch64);
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_el1(0, 0).unwrap();
    let odd = 0xfedc_ba98_7654_3211_u64;
    vcpu.set_x(7, odd).unwrap();
    vcpu.write(xhv::aarch64::simd::Q31, u128::from(odd) << 64 | 5)
        .unwrap();
    vcpu.write(sysreg::CONTEXTIDR_EL1, 77).unwrap();
    let json = serde_json::to_string(&vcpu.save().unwrap()).unwrap();
    for name in [
        "Q0",
        "Q31",
        "FPCR",
        "FPSR",
        "APIAKEYLO_EL1",
        "APGAKEYHI_EL1",
        "CNTKCTL_EL1",
        "AMAIR_EL1",
        "CONTEXTIDR_EL1",
    ] {
        assert!(
            json.contains(&format!("\"{name}\":\"0x")),
            "{name} is not in {json}"
        );
    }
    // Through a reader that knows no 64-bit integers.
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let state: VcpuState = serde_json::from_value(value).unwrap();
    let mut other = crate::vm!(aarch64).create_vcpu().unwrap();
    other.restore(&state).unwrap();
    assert_eq!(other.x(7).unwrap(), odd);
    assert_eq!(
        other.read(xhv::aarch64::simd::Q31).unwrap(),
        u128::from(odd) << 64 | 5
    );
    assert_eq!(other.read(sysreg::CONTEXTIDR_EL1).unwrap(), 77);
    // An error is told, and changes nothing.
    let damaged = json
        .replace("CONTEXTIDR_EL1", "CONTEXTIDR_EL9")
        .replace(&format!("{odd:#x}"), "0x1");
    let damaged: VcpuState = serde_json::from_str(&damaged).unwrap();
    let told = other.restore(&damaged).unwrap_err().to_string();
    assert!(told.contains("CONTEXTIDR_EL"), "{told}");
    assert_eq!(other.x(7).unwrap(), odd);
}
