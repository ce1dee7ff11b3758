//! The table language of `xhv`: `spec!` turns tables into typed constants, bit-field types, exits, snapshots and FFI.
