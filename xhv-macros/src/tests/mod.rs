//! Tests of the whole pipeline: what is refused and where, what a table becomes, and that no input ends in a panic.

mod decoder;
mod golden;
mod random;
mod refusals;

use proc_macro2::TokenStream;

/// The expansion of a source text, or its errors as `line:column: message`.
fn expand(source: &str) -> Result<TokenStream, Vec<String>> {
    let tokens: TokenStream = source.parse().map_err(|error| vec![format!("{error}")])?;
    crate::expand(tokens).map_err(|errors| errors.lines())
}
