//! Writes a decoder.
use crate::model::Instructions;
use proc_macro2::TokenStream;
pub(super) fn emit(_instructions: &Instructions) -> TokenStream {
    TokenStream::new()
}
