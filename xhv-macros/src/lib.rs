//! The table language of `xhv`: `spec!` turns tables into typed constants, bit-field types, exits, snapshots and FFI.
//!
//! The pipeline: `syntax` reads tokens into the `model`, `check` compares what a table says twice, `emit` writes
//! Rust. Each stage reports everything it finds; the next one runs only if nothing was found.

mod check;
mod emit;
mod errors;
mod model;
mod syntax;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

/// Turns tables into typed items; the language is described in `spec/README.md`.
#[proc_macro]
pub fn spec(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input.into())
        .unwrap_or_else(|errors| errors.into_tokens())
        .into()
}

fn expand(input: TokenStream) -> Result<TokenStream, errors::Errors> {
    let mut errors = errors::Errors::default();
    let file = syntax::parse(input, &mut errors);
    errors = errors.stop()?;
    check::check(&file, &mut errors);
    errors.stop()?;
    Ok(emit::emit(&file))
}
