//! JSON as a snapshot of an AArch64 vCPU: it is refused with a reason, or restored and run.
#![no_main]

xhv_fuzz::snapshot_target!(aarch64, arm, run_arm, |vcpu| vcpu
    .set_el1(0x4000_1000, 0x4000_8000));
