//! Writes a checked spec file out as Rust: mostly constants of the types in `xhv::typed`, with absolute paths only.

mod ctypes;
mod exits;
mod fields;
mod framework;
mod instructions;
mod names;
mod state;
mod table;
mod values;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use crate::model::{Facts, File, Head, Item, Name, Number, Version};

pub(crate) use fields::values_type;
pub(crate) use names::{camel, constant_name, getter_name, is_flag};

/// The expansion of a file.
pub(crate) fn emit(file: &File) -> TokenStream {
    let mut out = TokenStream::new();
    for item in &file.items {
        out.extend(match item {
            Item::Table(_) => TokenStream::new(),
            Item::Fields(fields) => fields::emit(fields),
            Item::Values(values) => values::emit(values),
            Item::Controls(controls) => fields::emit_controls(controls),
            Item::Exits(exits) => exits::emit(exits),
            Item::Framework(framework) => framework::emit(framework),
            Item::State(state) => state::emit(state),
            Item::Instructions(instructions) => instructions::emit(instructions),
        });
    }
    out.extend(table::emit(file));
    out.extend(emit_raw(file));
    out
}

/// `pub mod raw`: Apple's names of the rows of all tables, for FFI.
fn emit_raw(file: &File) -> Option<TokenStream> {
    let mut raw = Raw::default();
    for item in &file.items {
        match item {
            Item::Table(table) => table::raw(table, &mut raw),
            Item::Controls(controls) => fields::raw(controls, &mut raw),
            Item::Exits(exits) => exits::raw(exits, &mut raw),
            _ => {}
        }
    }
    let constants = raw.constants;
    (!constants.is_empty()).then(|| {
        quote! {
            #[doc = "The numbers of this module by Apple's names."]
            pub mod raw { #(#constants)* }
        }
    })
}

/// Constants of `pub mod raw`.
#[derive(Default)]
struct Raw {
    seen: std::collections::HashSet<String>,
    constants: Vec<TokenStream>,
}

impl Raw {
    /// A constant; a name that two rows share is written once.
    fn add(&mut self, name: &Ident, ty: &str, value: &Literal) {
        if !self.seen.insert(name.to_string()) {
            return;
        }
        let ty = Ident::new(ty, name.span());
        let doc = format!(" `{name}` of Hypervisor.framework.");
        self.constants
            .push(quote!(#[doc = #doc] pub const #name: #ty = #value;));
    }
}

/// `Some(x)` or `None`, by their absolute names.
fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn version(version: Version) -> TokenStream {
    let Version(major, minor, patch) = version;
    quote!(::xhv::typed::Version(#major, #minor, #patch))
}

fn version_text(Version(major, minor, patch): Version) -> String {
    match patch {
        0 => format!("{major}.{minor}"),
        _ => format!("{major}.{minor}.{patch}"),
    }
}

/// Apple's names of the row with this place in its range.
fn apple_names(apple: &[Name], index: u128) -> Vec<Ident> {
    apple.iter().map(|name| name.nth(index)).collect()
}

/// The members of a description that most rows do not have: only what departs from `EMPTY`.
fn members(facts: &Facts, index: u128) -> TokenStream {
    let mut out = TokenStream::new();
    let apple = apple_names(&facts.apple, index);
    if !apple.is_empty() {
        let apple = apple.iter().map(Ident::to_string);
        out.extend(quote!(apple: &[#(#apple),*],));
    }
    if let Some(since) = facts.since {
        let since = option(Some(version(since)));
        out.extend(quote!(since: #since,));
    }
    if let Some(unsure) = &facts.unsure {
        let unsure = option(Some(quote!(#unsure)));
        out.extend(quote!(unsure: #unsure,));
    }
    if let Some(doc) = &facts.doc {
        let doc = numbered(doc, facts, index);
        out.extend(quote!(doc: #doc,));
    }
    out
}

/// A documentation string with `{N}` replaced by the running number.
fn numbered(doc: &Literal, facts: &Facts, index: u128) -> Literal {
    let text = doc.to_string();
    let starts = facts.apple.iter().filter_map(|name| name.first.as_ref());
    let start = starts.map(|(number, _)| number.value).next().unwrap_or(0);
    let replaced = text.replace(&format!("{{{start}}}"), &(start + index).to_string());
    match replaced.parse::<Literal>() {
        Ok(literal) if replaced != text => literal,
        _ => doc.clone(),
    }
}

/// The documentation of a row: its line, then the facts, then the source.
fn docs(facts: &Facts, index: u128, what: &str, cite: Option<&Literal>) -> TokenStream {
    let mut out = TokenStream::new();
    if let Some(doc) = &facts.doc {
        let doc = numbered(doc, facts, index);
        out.extend(quote!(#[doc = #doc] #[doc = ""]));
    }
    let mut line = what.to_string();
    for apple in apple_names(&facts.apple, index) {
        line += &format!(", `{apple}`");
    }
    if let Some(since) = facts.since {
        line += &format!(", since macOS {}", version_text(since));
    }
    if let Some(deprecated) = facts.deprecated {
        line += &format!(", deprecated in macOS {}", version_text(deprecated));
    }
    if !facts.requires.is_empty() {
        let list: Vec<String> = facts.requires.iter().map(Ident::to_string).collect();
        line += &format!(", needs {}", list.join(" or "));
    }
    if !line.is_empty() {
        line += ".";
        out.extend(quote!(#[doc = #line]));
    }
    if let Some(unsure) = &facts.unsure {
        out.extend(quote!(#[doc = ""] #[doc = "Not verified:"] #[doc = #unsure]));
    }
    if let Some(cite) = cite {
        out.extend(quote!(#[doc = ""] #[doc = "Source:"] #[doc = #cite]));
    }
    out
}

/// The documentation of an item.
fn head_docs(head: &Head, name: &Ident) -> TokenStream {
    let (docs, cite) = (&head.docs, &head.cite);
    let lines = if docs.is_empty() {
        let line = format!("`{name}`.");
        quote!(#[doc = #line])
    } else {
        quote!(#(#[doc = #docs])*)
    };
    quote!(#lines #[doc = ""] #[doc = "Source:"] #[doc = #cite])
}

/// A number with so many digits of its own as the row has, in hexadecimal.
fn hex(value: u128) -> Literal {
    // A hexadecimal literal always parses.
    format!("{value:#x}")
        .parse()
        .unwrap_or_else(|_| Literal::u128_unsuffixed(value))
}

/// The row's own token where it has one, so that hexadecimal stays hexadecimal.
fn token(number: &Number) -> &Literal {
    &number.token
}
