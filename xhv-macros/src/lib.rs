//! The table language of `xhv`: `spec!` turns tables into typed constants, bit-field types, exits, snapshots and FFI.

/// Turns tables into typed items; the language is described in `spec/README.md`.
#[proc_macro]
pub fn spec(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    input
}
