//! Writes the types of FFI: aliases, objects, vectors, structures with asserted layouts, enums as constants.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{hex, token, values, version};
use crate::model::{Ffi, FfiRow, Framework, Struct, ValueRow, Width};

/// A type; the constants of an enum are described in `constant_infos`.
pub(super) fn emit(
    framework: &Framework,
    row: &FfiRow,
    docs: &TokenStream,
    constant_infos: &mut Vec<TokenStream>,
) -> TokenStream {
    let name = &row.name;
    match &row.what {
        Ffi::Alias(ty) => {
            let ty = &ty.tokens;
            quote!(#docs #[allow(non_camel_case_types)] pub type #name = #ty;)
        }
        Ffi::Opaque => emit_opaque(name, docs),
        Ffi::Vector(size, _) if size.value == 16 => emit_vector(framework, name, docs),
        Ffi::Vector(size, _) => emit_long_vector(name, size, docs),
        Ffi::Struct(layout) => emit_struct(row, layout, docs),
        Ffi::Enum(width, rows, _) => emit_enum(framework, row, width, rows, docs, constant_infos),
        Ffi::Const(..) | Ffi::Fn(..) => TokenStream::new(),
    }
}

fn emit_opaque(name: &Ident, docs: &TokenStream) -> TokenStream {
    let text = name.to_string();
    let object = format_ident!(
        "{}_s",
        text.strip_suffix("_t").unwrap_or(&text),
        span = name.span()
    );
    let line = format!("What [`{name}`] points to.");
    quote! {
        #[doc = #line]
        #[allow(non_camel_case_types)]
        #[repr(C)]
        #[derive(::core::fmt::Debug)]
        pub struct #object { _private: [u8; 0] }
        #docs
        #[allow(non_camel_case_types)]
        pub type #name = *mut #object;
    }
}

/// A vector of 16 bytes. On the machine that has it, it travels in a vector register: a struct around the vector does
/// that on stable Rust (AAPCS64 6.8.2, a homogeneous aggregate).
fn emit_vector(framework: &Framework, name: &Ident, docs: &TokenStream) -> TokenStream {
    let arch = framework.arch.to_string();
    let is_here = quote!(all(target_arch = "aarch64", target_arch = #arch));
    quote! {
        #docs
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #[cfg_attr(#is_here, repr(C))]
        #[cfg_attr(not(#is_here), repr(C, align(16)))]
        pub struct #name(
            #[cfg(#is_here)] ::core::arch::aarch64::uint8x16_t,
            #[cfg(not(#is_here))] [u8; 16],
        );
        impl ::core::convert::From<u128> for #name {
            #[inline]
            #[allow(unsafe_code, clippy::undocumented_unsafe_blocks, clippy::useless_transmute)]
            fn from(value: u128) -> Self {
                // SAFETY: both are 16 bytes, and every byte is valid in both.
                #name(unsafe { ::core::mem::transmute(value.to_le_bytes()) })
            }
        }
        impl ::core::convert::From<#name> for u128 {
            #[inline]
            #[allow(unsafe_code, clippy::undocumented_unsafe_blocks, clippy::useless_transmute)]
            fn from(value: #name) -> u128 {
                // SAFETY: both are 16 bytes, and every byte is valid in both.
                u128::from_le_bytes(unsafe { ::core::mem::transmute(value.0) })
            }
        }
    }
}

/// A vector that only travels by pointer.
fn emit_long_vector(name: &Ident, size: &crate::model::Number, docs: &TokenStream) -> TokenStream {
    let size = token(size);
    quote! {
        #docs
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #[repr(C, align(16))]
        pub struct #name(pub [u8; #size]);
    }
}

/// A `repr(C)` struct, and assertions that its layout is the one that the row states.
fn emit_struct(row: &FfiRow, layout: &Struct, docs: &TokenStream) -> TokenStream {
    let name = &row.name;
    let (size, align) = (token(&layout.size), token(&layout.align));
    let repr = match &row.facts.packed {
        Some(_) => quote!(#[repr(C, packed)]),
        None => quote!(#[repr(C)]),
    };
    let members = layout.members.iter().map(|member| {
        let (name, ty) = (&member.name, &member.ty.tokens);
        let docs = super::docs(
            &member.facts,
            0,
            &format!("Offset {}", member.offset.token),
            None,
        );
        quote!(#docs pub #name: #ty)
    });
    let offsets = layout.members.iter().map(|member| {
        let (member_name, offset) = (&member.name, token(&member.offset));
        let message = format!("`{member_name}` is not at offset {offset}");
        quote_spanned! {member.offset.span()=>
            const _: () = ::core::assert!(::core::mem::offset_of!(#name, #member_name) == #offset, #message);
        }
    });
    let messages = [
        format!("`{name}` is not of size {size}"),
        format!("`{name}` is not aligned to {align}"),
    ];
    let [size_message, align_message] = messages;
    let size_check = quote_spanned! {layout.size.span()=>
        const _: () = ::core::assert!(::core::mem::size_of::<#name>() == #size, #size_message);
    };
    let align_check = quote_spanned! {layout.align.span()=>
        const _: () = ::core::assert!(::core::mem::align_of::<#name>() == #align, #align_message);
    };
    quote! {
        #docs
        #[allow(non_camel_case_types)]
        #repr
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        pub struct #name { #(#members),* }
        #size_check
        #align_check
        #(#offsets)*
    }
}

/// The descriptions of the members of a structure.
pub(super) fn members(layout: &Struct) -> Vec<TokenStream> {
    let member = |member: &crate::model::Member| {
        let (offset, name) = (token(&member.offset), member.name.to_string());
        let (text, ty) = (&member.ty.text, &member.ty.tokens);
        quote!((#offset, #name, #text, ::core::mem::size_of::<#ty>()))
    };
    layout.members.iter().map(member).collect()
}

/// The Rust integer of an enum.
pub(super) fn int(width: &Width) -> Ident {
    let sign = if width.signed { "i" } else { "u" };
    format_ident!("{sign}{}", width.storage())
}

/// A type alias and constants: never a Rust enum for a number that the system writes.
fn emit_enum(
    framework: &Framework,
    row: &FfiRow,
    width: &Width,
    rows: &[ValueRow],
    docs: &TokenStream,
    constant_infos: &mut Vec<TokenStream>,
) -> TokenStream {
    let name = &row.name;
    let int = int(width);
    let alias =
        (name != "_").then(|| quote!(#docs #[allow(non_camel_case_types)] pub type #name = #int;));
    let ty = if name == "_" { &int } else { name };
    let mut constants = TokenStream::new();
    for value_row in rows {
        for (index, value) in value_row.range.numbers().enumerate() {
            let constant = value_row.name.nth(index as u128);
            let docs = super::docs(
                &value_row.facts,
                index as u128,
                &format!("{value:#x}"),
                None,
            );
            let value = value_token(width, value);
            constants.extend(
                quote!(#docs #[allow(non_upper_case_globals)] pub const #constant: #ty = #value;),
            );
        }
        let since = value_row
            .facts
            .since
            .or(row.facts.since)
            .unwrap_or(framework.baseline);
        let (of, since) = (name.to_string(), version(since));
        constant_infos.extend(values::emit_infos(value_row).into_iter().map(
            |info| quote!(::xhv::typed::ffi::ConstantInfo { of: #of, since: #since, row: #info }),
        ));
    }
    quote!(#alias #constants)
}

/// The bits of a negative number are written as an unsigned one.
fn value_token(width: &Width, value: u128) -> TokenStream {
    let literal = hex(value);
    if !width.signed {
        return quote!(#literal);
    }
    let int = format_ident!("i{}", width.storage());
    let unsigned: Literal = match width.storage() {
        32 => Literal::u32_suffixed(value as u32),
        _ => Literal::u64_suffixed(value as u64),
    };
    quote!(#unsigned as #int)
}
