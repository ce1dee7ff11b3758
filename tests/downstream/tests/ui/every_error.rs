//! One build reports every wrong row at its smallest wrong token.
xhv::spec! {
    vmcs cite "none" {
        0x4000  PIN:        u64      rw;
        0x4402  REASON:     u32      rw;
        0x6820  RFLAGS:     natural  rw  high 0x6821;
    }
    sysregs cite "none" {
        3 0 1 0 9  CPACR_EL1:  u64;
        3 0 1 0 2  CPACR2_EL1: u64;
    }
}
