//! Writes bit-field types: a constant for each flag, a getter and a setter for each wider field, and the field table.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{Raw, apple_names, docs, getter_name, head_docs, hex, is_flag, members, values};
use crate::model::{Controls, FieldRow, Fields, What, Width, storage};

/// A `fields` item.
pub(super) fn emit(fields: &Fields) -> TokenStream {
    let name = &fields.name;
    let width = fields.width.bits;
    let raw = integer(width);
    let docs = head_docs(&fields.head, name);
    let infos = fields.rows.iter().map(|row| emit_info(fields, row));
    let parts = fields.rows.iter().map(|row| emit_row(fields, row));
    let types = fields
        .rows
        .iter()
        .filter_map(|row| emit_values(fields, row));
    let checks = fields.rows.iter().filter_map(emit_width_check);
    let width_literal = proc_macro2::Literal::u32_unsuffixed(width);
    let (res0, res1) = (reserved(fields, "res0"), reserved(fields, "res1"));
    quote! {
        ::xhv::__fields_type! { #docs #name, #raw, #width_literal }
        impl ::xhv::typed::Bits for #name {
            const WIDTH: u32 = #width;
            const NAME: &'static str = ::core::stringify!(#name);
            const FIELDS: &'static [::xhv::typed::FieldInfo] = &[#(#infos),*];
            #[inline(always)]
            fn from_u128(bits: u128) -> Self { Self::from_bits(bits as #raw) }
            #[inline(always)]
            fn into_u128(self) -> u128 { self.bits() as u128 }
        }
        impl #name {
            #[doc = "What the table says about the bits, highest first."]
            pub const FIELDS: &'static [::xhv::typed::FieldInfo] = <Self as ::xhv::typed::Bits>::FIELDS;
            #[doc = "The bits that the table says are zero."]
            pub const RES0: Self = Self::from_bits(#res0);
            #[doc = "The bits that the table says are one."]
            pub const RES1: Self = Self::from_bits(#res1);
                        #(#parts)*
        }
        #(#types)*
        #(#checks)*
    }
}

/// A `controls` item: the type, and what binds it to its field and capability.
pub(super) fn emit_controls(controls: &Controls) -> TokenStream {
    let name = &controls.fields.name;
    let types = emit(&controls.fields);
    let cast = |path: &crate::model::Path, ty: TokenStream| {
        let path = &path.tokens;
        quote!(#path.cast::<#ty>())
    };
    let field = super::option(controls.of.as_ref().map(|path| cast(path, quote!(Self))));
    let capability = super::option(
        controls
            .capability
            .as_ref()
            .map(|path| cast(path, quote!(u64))),
    );
    let number = |number: &Option<crate::model::Number>| match number {
        Some(number) => number.token.clone(),
        None => hex(0),
    };
    let default1 = number(&controls.default1);
    let true_default1 = controls
        .true_default1
        .as_ref()
        .map_or(default1.clone(), |number| number.token.clone());
    quote! {
        #types
        impl ::xhv::typed::Controls for #name {
            const FIELD: ::core::option::Option<::xhv::typed::VmcsField<Self, ::xhv::typed::ReadWrite>> = #field;
            const CAPABILITY: ::core::option::Option<::xhv::typed::Capability> = #capability;
            const DEFAULT1: u64 = #default1;
            const TRUE_DEFAULT1: u64 = #true_default1;
        }
    }
}

/// Apple's names of control bits, for `mod raw`.
pub(super) fn raw(controls: &Controls, raw: &mut Raw) {
    for row in &controls.fields.rows {
        for name in apple_names(&row.facts.apple, 0) {
            raw.add(&name, "u64", &hex(mask(row) << row.bits().1));
        }
    }
}

/// The bits of all rows that are reserved in this way.
fn reserved(fields: &Fields, word: &str) -> proc_macro2::Literal {
    let rows = fields
        .rows
        .iter()
        .filter(|row| matches!(&row.what, What::Reserved(is) if is == word));
    hex(rows
        .map(|row| mask(row) << row.bits().1)
        .fold(0, |all, bits| all | bits))
}

fn integer(bits: u32) -> Ident {
    format_ident!("u{}", storage(bits))
}

fn mask(row: &FieldRow) -> u128 {
    u128::MAX >> (128 - row.width())
}

/// The type of a field with named values: the parent's name and its own.
pub(crate) fn values_type(fields: &Fields, name: &Ident) -> Ident {
    let text = format!("{}{}", fields.name, super::camel(&name.to_string()));
    Ident::new(&text, name.span())
}

fn emit_values(fields: &Fields, row: &FieldRow) -> Option<TokenStream> {
    let What::Values(name, rows) = &row.what else {
        return None;
    };
    let width = Width {
        bits: row.width(),
        natural: false,
        signed: false,
        span: name.span(),
    };
    let line = format!("Values of [`{}`], field `{name}`.", fields.name);
    let docs = quote!(#[doc = #line]);
    Some(values::emit_type(
        &values_type(fields, name),
        &width,
        &docs,
        rows,
    ))
}

/// A type must not be wider than its field.
fn emit_width_check(row: &FieldRow) -> Option<TokenStream> {
    let What::Typed(name, ty) = &row.what else {
        return None;
    };
    let (tokens, width) = (&ty.tokens, row.width());
    let message = format!("`{}` is wider than the {width} bits of `{name}`", ty.last);
    Some(quote_spanned! {ty.last.span()=>
        const _: () = ::core::assert!(<#tokens as ::xhv::typed::Bits>::WIDTH <= #width, #message);
    })
}

/// A row of the field table.
fn emit_info(fields: &Fields, row: &FieldRow) -> TokenStream {
    let (msb, lsb) = row.bits();
    let (msb, lsb) = (msb as u8, lsb as u8);
    let name = row.name().map(Ident::to_string).unwrap_or_default();
    let kind = match &row.what {
        What::Reserved(word) => {
            let word = word.to_string();
            let reserved = match word.as_str() {
                "res0" => quote!(Zero),
                "res1" => quote!(One),
                "ignored" => quote!(Ignored),
                _ => quote!(Undefined),
            };
            quote!(::xhv::typed::FieldKind::Reserved(::xhv::typed::Reserved::#reserved))
        }
        What::Plain(_) if is_flag(row) => quote!(::xhv::typed::FieldKind::Flag),
        What::Plain(_) => quote!(::xhv::typed::FieldKind::Number),
        What::Typed(_, ty) => {
            let ty = &ty.tokens;
            quote!(::xhv::typed::FieldKind::typed::<#ty>())
        }
        What::Values(name, _) => {
            let ty = values_type(fields, name);
            quote!(::xhv::typed::FieldKind::typed::<#ty>())
        }
    };
    let members = members(&row.facts, 0);
    let access = row.facts.access.as_ref().map(|access| {
        let access = access.to_string();
        quote!(access: #access,)
    });
    quote! {
        ::xhv::typed::FieldInfo {
            name: #name, msb: #msb, lsb: #lsb, kind: #kind, #members #access ..::xhv::typed::FieldInfo::EMPTY
        }
    }
}

/// The constant, or getter and setter, of a row.
fn emit_row(fields: &Fields, row: &FieldRow) -> TokenStream {
    let Some(name) = row.name() else {
        return TokenStream::new();
    };
    let (msb, lsb) = row.bits();
    let place = if msb == lsb {
        format!("Bit {msb}")
    } else {
        format!("Bits {msb}:{lsb}")
    };
    let place = match &row.facts.access {
        Some(access) => format!("{place}, {access}"),
        None => place,
    };
    let docs = docs(&row.facts, 0, &place, None);
    if is_flag(row) {
        let bit = hex(1 << lsb);
        return quote!(#docs pub const #name: Self = Self::from_bits(#bit););
    }
    let accessors = emit_accessors(fields, row, name);
    quote!(#docs #accessors)
}

/// Getter and setter of a field that is no flag.
fn emit_accessors(fields: &Fields, row: &FieldRow, name: &Ident) -> TokenStream {
    let raw = integer(fields.width.bits);
    let (shift, bits) = (row.bits().1 as u32, hex(mask(row)));
    let small = integer(row.width());
    let getter = getter_name(name);
    let plain = getter.to_string();
    let setter = format_ident!("with_{}", plain.trim_end_matches('_'), span = name.span());
    let setter_doc =
        format!("The value with `{name}` replaced; bits of `value` beyond the field are dropped.");
    let bits_of_field = quote!((self.bits() >> #shift) & #bits);
    // Conversions of other people's types are trait functions, which are not `const`.
    let (constness, ty, get, number) = match &row.what {
        What::Typed(_, ty) => {
            let ty = &ty.tokens;
            let get = quote!(<#ty as ::xhv::typed::Bits>::from_u128((#bits_of_field) as u128));
            let number = quote!(<#ty as ::xhv::typed::Bits>::into_u128(value));
            (None, ty.clone(), get, number)
        }
        What::Values(..) => {
            let ty = values_type(fields, name);
            let get = quote!(#ty((#bits_of_field) as #small));
            (Some(quote!(const)), quote!(#ty), get, quote!(value.0))
        }
        _ => {
            let get = quote!((#bits_of_field) as #small);
            (Some(quote!(const)), quote!(#small), get, quote!(value))
        }
    };
    quote! {
        #[inline(always)]
        pub #constness fn #getter(self) -> #ty { #get }
        #[doc = #setter_doc]
        #[inline(always)]
        #[must_use]
        pub #constness fn #setter(self, value: #ty) -> Self {
            Self::from_bits((self.bits() & !(#bits << #shift)) | ((#number as #raw & #bits) << #shift))
        }
    }
}
