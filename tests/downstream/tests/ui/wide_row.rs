//! The type of a row must not be wider than the row.
xhv::spec! {
    registers x cite "none" {
        0 A: u64 as u64;
        1 B: u32 as u64;
    }
}
