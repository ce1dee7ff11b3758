//! Writes exits: an open newtype for the number, a struct for each reason with details, an enum over all.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{Raw, apple_names, camel, docs, head_docs, hex, members};
use crate::model::{Detail, ExitRow, Exits, Name, Range, Slice, Source, ValueRow, Width, storage};

/// An `exits` item.
pub(super) fn emit(exits: &Exits) -> TokenStream {
    let reason = emit_reason(exits);
    let structs = exits.rows.iter().map(|row| emit_struct(exits, row));
    let enumeration = emit_enum(exits);
    let methods = emit_methods(exits);
    quote!(#reason #(#structs)* #enumeration #methods)
}

/// Apple's names of the reasons, for `mod raw`.
pub(super) fn raw(exits: &Exits, raw: &mut Raw) {
    for row in &exits.rows {
        for name in apple_names(&row.facts.apple, 0) {
            raw.add(&name, "u32", &row.number.token);
        }
    }
}

fn slice(exits: &Exits) -> &Slice {
    let (Source::Row(_, slice) | Source::Value(_, slice)) = &exits.source;
    slice
}

fn width(slice: &Slice) -> u32 {
    (slice.msb.value.saturating_sub(slice.lsb.value) + 1).min(64) as u32
}

fn reason_name(exits: &Exits) -> Ident {
    format_ident!("{}Reason", exits.name, span = exits.name.span())
}

/// `ExitReason`, an open newtype.
fn emit_reason(exits: &Exits) -> TokenStream {
    let line = format!("Number of a reason of [`{}`].", exits.name);
    let bits = width(slice(exits));
    let width = Width {
        bits,
        natural: false,
        signed: false,
        span: exits.name.span(),
    };
    let rows: Vec<ValueRow> = exits.rows.iter().map(value_row).collect();
    super::values::emit_type(&reason_name(exits), &width, &quote!(#[doc = #line]), &rows)
}

fn value_row(row: &ExitRow) -> ValueRow {
    ValueRow {
        range: Range {
            first: row.number.clone(),
            rest: None,
        },
        name: Name {
            ident: row.name.clone(),
            first: None,
        },
        facts: row.facts.clone(),
    }
}

fn variant(row: &ExitRow) -> Ident {
    Ident::new(&camel(&row.name.to_string()), row.name.span())
}

fn detail_type(detail: &Detail) -> TokenStream {
    detail
        .ty
        .as_ref()
        .map_or(quote!(u64), |ty| ty.tokens.clone())
}

/// The struct of a reason with details.
fn emit_struct(exits: &Exits, row: &ExitRow) -> Option<TokenStream> {
    if row.payload.is_empty() {
        return None;
    }
    let name = variant(row);
    let line = format!("Details of [`{}::{name}`].", exits.name);
    let members = row.payload.iter().map(|detail| {
        let (member, ty) = (&detail.name, detail_type(detail));
        let from = match (&detail.row, &detail.slice) {
            (Some(row), Some(slice)) => format!("`{}`{}", row.last, slice_text(slice)),
            (Some(row), None) => format!("`{}`.", row.last),
            (None, slice) => slice.as_ref().map(slice_text).unwrap_or_default(),
        };
        quote!(#[doc = #from] pub #member: #ty)
    });
    Some(quote! {
        #[doc = #line]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::cmp::Eq)]
        pub struct #name { #(#members),* }
    })
}

fn slice_text(slice: &Slice) -> String {
    format!(" Bits {}:{}.", slice.msb.value, slice.lsb.value)
}

fn emit_enum(exits: &Exits) -> TokenStream {
    let (name, reason) = (&exits.name, reason_name(exits));
    let head = head_docs(&exits.head, name);
    let variants = exits.rows.iter().map(|row| {
        let variant = variant(row);
        let docs = docs(&row.facts, 0, &format!("Reason {}", row.number.token), None);
        match row.payload.is_empty() {
            true => quote!(#docs #variant),
            false => quote!(#docs #variant(#variant)),
        }
    });
    quote! {
        #head
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::cmp::Eq)]
        #[non_exhaustive]
        pub enum #name {
            #(#variants,)*
            #[doc = "A reason without a row: its number."]
            Unlisted(#reason),
        }
    }
}

fn emit_methods(exits: &Exits) -> TokenStream {
    let (name, reason) = (&exits.name, reason_name(exits));
    let arms = exits.rows.iter().map(|row| {
        let (variant, constant) = (variant(row), super::constant_name(&row.name));
        match row.payload.is_empty() {
            true => quote!(Self::#variant => #reason::#constant),
            false => quote!(Self::#variant(_) => #reason::#constant),
        }
    });
    let infos = exits.rows.iter().map(emit_info);
    let decode = emit_decode(exits);
    quote! {
        impl #name {
            #[doc = "All rows of the table."]
            pub const ALL: &'static [::xhv::typed::ExitInfo] = &[#(#infos),*];
            #[doc = "The number of the reason."]
            pub const fn reason(&self) -> #reason {
                match *self {
                    #(#arms,)*
                    Self::Unlisted(reason) => reason,
                }
            }
            #decode
        }
    }
}

fn emit_info(row: &ExitRow) -> TokenStream {
    let (number, name) = (&row.number.token, row.name.to_string());
    let members = members(&row.facts, 0);
    let payload = row.payload.iter().map(|detail| {
        let name = detail.name.to_string();
        let ty = detail
            .ty
            .as_ref()
            .map_or("u64".to_string(), |ty| ty.last.to_string());
        quote!((#name, #ty))
    });
    quote! {
        ::xhv::typed::ExitInfo {
            number: #number, name: #name, payload: &[#(#payload),*], #members ..::xhv::typed::ExitInfo::EMPTY
        }
    }
}

/// `decode`: from rows that a closure reads, or from the value itself.
fn emit_decode(exits: &Exits) -> TokenStream {
    let reason = reason_name(exits);
    let raw = format_ident!("u{}", storage(width(slice(exits))));
    let number = extract(&quote!(value), slice(exits));
    let arms = exits.rows.iter().map(emit_arm);
    let select = quote! {
        let reason = (#number) as #raw;
        let exit = match reason { #(#arms,)* _ => Self::Unlisted(#reason(reason)) };
    };
    match &exits.source {
        Source::Value(ty, _) => {
            let ty = &ty.tokens;
            quote! {
                #[doc = "The reason and details in a value."]
                pub fn decode(value: #ty) -> Self {
                    let value = <#ty as ::xhv::typed::Bits>::into_u128(value) as u64;
                    #select
                    exit
                }
            }
        }
        Source::Row(row, _) => {
            let row = &row.tokens;
            quote! {
                #[doc = "Reads the reason and its details with `read`, row by row."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Those of `read`."]
                pub fn decode<E>(
                    mut read: impl ::core::ops::FnMut(&'static ::xhv::typed::RowInfo) -> ::core::result::Result<u64, E>,
                ) -> ::core::result::Result<Self, E> {
                    let value = read(#row.info())?;
                    #select
                    ::core::result::Result::Ok(exit)
                }
            }
        }
    }
}

fn emit_arm(row: &ExitRow) -> TokenStream {
    let (number, variant) = (&row.number.token, variant(row));
    if row.payload.is_empty() {
        return quote!(#number => Self::#variant);
    }
    let members = row.payload.iter().map(|detail| {
        let (member, ty) = (&detail.name, detail_type(detail));
        let value = match &detail.row {
            Some(path) => {
                let path = &path.tokens;
                quote!(read(#path.info())?)
            }
            None => quote!(value),
        };
        let value = detail
            .slice
            .as_ref()
            .map_or(value.clone(), |slice| extract(&value, slice));
        quote!(#member: <#ty as ::xhv::typed::Bits>::from_u128((#value) as u128))
    });
    quote!(#number => Self::#variant(#variant { #(#members),* }))
}

/// Bits of a `u64`.
fn extract(value: &TokenStream, slice: &Slice) -> TokenStream {
    let (shift, mask) = (
        slice.lsb.value as u32,
        hex(u128::from(u64::MAX >> (64 - width(slice)))),
    );
    match shift {
        0 => quote!((#value) & #mask),
        _ => quote!(((#value) >> #shift) & #mask),
    }
}
