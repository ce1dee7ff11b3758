//! Writes open newtypes with named constants.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{constant_name, docs, head_docs, hex, members, option};
use crate::model::{ValueRow, Values, Width, storage};

/// A `values` item.
pub(super) fn emit(values: &Values) -> TokenStream {
    let docs = head_docs(&values.head, &values.name);
    emit_type(&values.name, &values.width, &docs, &values.rows)
}

/// An open newtype: `pub struct Name(pub u8)` and its constants.
pub(super) fn emit_type(
    name: &Ident,
    width: &Width,
    head: &TokenStream,
    rows: &[ValueRow],
) -> TokenStream {
    let raw = format_ident!("u{}", storage(width.bits));
    let bits = width.bits;
    let bits_literal = proc_macro2::Literal::u32_unsuffixed(bits);
    let infos = rows.iter().flat_map(emit_infos);
    let constants = rows.iter().flat_map(|row| {
        row.range.numbers().enumerate().map(|(index, value)| {
            let index = index as u128;
            let constant = constant_name(&row.name.nth(index));
            let docs = docs(&row.facts, index, &format!("{value:#x}"), None);
            let value = hex(value);
            quote!(#docs pub const #constant: Self = #name(#value);)
        })
    });
    quote! {
        ::xhv::__values_type! { #head #name, #raw, #bits_literal }
        impl ::xhv::typed::Bits for #name {
            const WIDTH: u32 = #bits;
            const NAME: &'static str = ::core::stringify!(#name);
            const VALUES: &'static [::xhv::typed::ValueInfo] = &[#(#infos),*];
            #[inline(always)]
            fn from_u128(bits: u128) -> Self { #name(bits as #raw) }
            #[inline(always)]
            fn into_u128(self) -> u128 { self.0 as u128 }
        }
        impl #name {
            #[doc = "The named values."]
            pub const VALUES: &'static [::xhv::typed::ValueInfo] = <Self as ::xhv::typed::Bits>::VALUES;
            #(#constants)*
        }
    }
}

/// The descriptions of a row's values.
pub(super) fn emit_infos(row: &ValueRow) -> Vec<TokenStream> {
    let info = |(index, value): (usize, u128)| {
        let name = row.name.nth(index as u128).to_string();
        let (value, members) = (hex(value), members(&row.facts, index as u128));
        let alias = row.facts.alias_of.as_ref().map(|alias| {
            let alias = alias.last.to_string();
            let alias = option(Some(quote!(#alias)));
            quote!(alias_of: #alias,)
        });
        quote! {
            ::xhv::typed::ValueInfo { name: #name, value: #value, #members #alias ..::xhv::typed::ValueInfo::EMPTY }
        }
    };
    row.range.numbers().enumerate().map(info).collect()
}
