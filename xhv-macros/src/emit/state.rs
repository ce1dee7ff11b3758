//! Writes the snapshot struct: a group for each table, and the parts that are written by hand.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::head_docs;
use crate::model::State;

/// A `state` item.
pub(super) fn emit(state: &State) -> TokenStream {
    let name = &state.name;
    let docs = head_docs(&state.head, name);
    let arch_text = state.arch.to_string();
    let arch = match arch_text.as_str() {
        "x86_64" => format_ident!("X86_64"),
        _ => format_ident!("Aarch64"),
    };
    let groups: Vec<_> = state.groups.iter().map(|group| &group.name).collect();
    let modules: Vec<_> = state
        .groups
        .iter()
        .map(|group| &group.module.tokens)
        .collect();
    let texts: Vec<_> = groups.iter().map(ToString::to_string).collect();
    let group_docs = state
        .groups
        .iter()
        .map(|group| format!("Rows of `{}`.", group.module.last));
    let extras = state.extras.iter().map(|extra| {
        let (name, ty) = (&extra.name, &extra.ty.tokens);
        let line = format!("`{name}`: no list of rows; absent where it was not saved.");
        quote! {
            #[doc = #line]
            #[serde(default, skip_serializing_if = "::core::option::Option::is_none")]
            pub #name: ::core::option::Option<#ty>
        }
    });
    quote! {
        #docs
        #[derive(
            ::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default, ::core::cmp::PartialEq,
            ::xhv::typed::serde::Serialize, ::xhv::typed::serde::Deserialize,
        )]
        #[serde(crate = "::xhv::typed::serde", deny_unknown_fields)]
        pub struct #name {
            format: ::xhv::typed::state::Format,
            version: ::xhv::typed::state::FormatVersion,
            arch: ::xhv::typed::state::#arch,
            #(
                #[doc = #group_docs]
                #[serde(default)]
                pub #groups: ::xhv::typed::state::Group,
            )*
            #(#extras,)*
            #[doc = "Rows of tables that are not the library's, by the name of their group."]
            #[serde(default, skip_serializing_if = "::std::collections::BTreeMap::is_empty")]
            pub extra: ::std::collections::BTreeMap<::std::string::String, ::xhv::typed::state::Group>,
        }
        impl ::xhv::typed::state::Snapshot for #name {
            const ARCH: &'static str = #arch_text;
            fn tables() -> &'static [::xhv::typed::state::Table] {
                static TABLES: &[::xhv::typed::state::Table] = &[
                    #(::xhv::typed::state::Table { name: #texts, rows: &#modules::ALL },)*
                ];
                TABLES
            }
            fn groups(&self) -> ::std::vec::Vec<&::xhv::typed::state::Group> {
                ::core::convert::Into::into([#(&self.#groups),*])
            }
            fn from_groups(groups: ::std::vec::Vec<::xhv::typed::state::Group>) -> Self {
                let mut groups = ::core::iter::IntoIterator::into_iter(groups);
                let mut next = || ::core::option::Option::unwrap_or_default(::core::iter::Iterator::next(&mut groups));
                Self { #(#groups: next(),)* ..::core::default::Default::default() }
            }
            fn extra(&self) -> &::std::collections::BTreeMap<::std::string::String, ::xhv::typed::state::Group> {
                &self.extra
            }
            fn extra_mut(&mut self) -> &mut ::std::collections::BTreeMap<::std::string::String, ::xhv::typed::state::Group> {
                &mut self.extra
            }
        }
        impl #name {
            #[doc = "The rows that differ, with bit names; volatile ones are left out."]
            pub fn diff(&self, other: &Self) -> ::std::vec::Vec<::xhv::typed::state::Difference> {
                ::xhv::typed::state::diff(self, other)
            }
        }
    }
}
