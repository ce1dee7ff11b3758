//! Offsets and sizes of C structures are asserted.
#![allow(missing_docs)]
xhv::spec! {
    framework Hypervisor on aarch64 cite "none" {
        struct right_t size 16 align 8 { 0 a: u32; 8 b: u64; }
        struct wrong_t size 16 align 8 { 0 a: u32; 4 b: u64; }
    }
}
