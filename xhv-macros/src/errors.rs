//! The collector of errors: all stages add to it, one build shows them all.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// What is wrong in a spec file, and where.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    list: Vec<(Span, String)>,
}

impl Errors {
    /// Adds an error at a token.
    pub(crate) fn add(&mut self, span: Span, message: impl Into<String>) {
        self.list.push((span, message.into()));
    }

    /// Ends a stage: goes on only if there are no errors.
    pub(crate) fn stop(self) -> Result<Errors, Errors> {
        if self.list.is_empty() {
            Ok(self)
        } else {
            Err(self)
        }
    }

    /// The errors as `compile_error!` calls at their tokens.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.list
            .into_iter()
            .map(|(span, message)| quote_spanned!(span=> ::core::compile_error!(#message);))
            .collect()
    }

    /// `line:column: message` for each error, columns from 1, as rustc counts.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<String> {
        let at = |(span, message): &(Span, String)| {
            let start = span.start();
            format!("{}:{}: {message}", start.line, start.column + 1)
        };
        self.list.iter().map(at).collect()
    }
}
