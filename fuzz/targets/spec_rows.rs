//! Text as the table language of `spec!`: errors or Rust, no panic.
#![no_main]
#![allow(dead_code)] // The macro crate's modules, whose crate root is here.

#[path = "../../xhv-macros/src/check/mod.rs"]
mod check;
#[path = "../../xhv-macros/src/emit/mod.rs"]
mod emit;
#[path = "../../xhv-macros/src/errors.rs"]
mod errors;
#[path = "../../xhv-macros/src/model/mod.rs"]
mod model;
#[path = "../../xhv-macros/src/syntax/mod.rs"]
mod syntax;

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;

/// As in `xhv-macros/src/lib.rs`.
fn expand(input: TokenStream) -> Result<TokenStream, errors::Errors> {
    let mut errors = errors::Errors::default();
    let file = syntax::parse(input, &mut errors);
    errors = errors.stop()?;
    check::check(&file, &mut errors);
    errors.stop()?;
    Ok(emit::emit(&file))
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // Deep nesting is the compiler's parser's, not ours.
    if text.bytes().filter(|byte| b"([{".contains(byte)).count() > 64 {
        return;
    }
    if let Ok(tokens) = text.parse::<TokenStream>() {
        let _ = expand(tokens).map_err(|errors| errors.into_tokens());
    }
});
