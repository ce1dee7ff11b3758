//! JSON as a snapshot of an x86 vCPU: it is refused with a reason, or restored and run.
#![no_main]

xhv_fuzz::snapshot_target!(x86_64, intel, run_intel, |vcpu| vcpu
    .set_real_mode(0, 0x1000));
