//! Writes FFI: types, constants, and an `unsafe fn` for each C function that is linked, looked up, or absent.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{docs, hex, option, token, values, version};
use crate::model::{
    CType, Facts, Ffi, FfiRow, Framework, Parameter, Struct, ValueRow, Version, Width,
};

/// A `framework` or `library` item.
pub(super) fn emit(framework: &Framework) -> TokenStream {
    let mut lists = Lists::default();
    let rows: Vec<TokenStream> = framework
        .rows
        .iter()
        .map(|row| emit_row(framework, row, &mut lists))
        .collect();
    let Lists {
        functions,
        types,
        constants,
    } = lists;
    quote! {
        #(#rows)*
        #[doc = "The functions of this module."]
        pub static FUNCTIONS: &[::xhv::typed::ffi::FunctionInfo] = &[#(#functions),*];
        #[doc = "The types of this module."]
        pub static TYPES: &[::xhv::typed::ffi::TypeInfo] = &[#(#types),*];
        #[doc = "The constants of this module."]
        pub static CONSTANTS: &[::xhv::typed::ffi::ConstantInfo] = &[#(#constants),*];
    }
}

/// Descriptions, in the order of the rows.
#[derive(Default)]
struct Lists {
    functions: Vec<TokenStream>,
    types: Vec<TokenStream>,
    constants: Vec<TokenStream>,
}

fn emit_row(framework: &Framework, row: &FfiRow, lists: &mut Lists) -> TokenStream {
    let name = &row.name;
    let lines = &row.docs;
    let docs = docs(
        &row.facts,
        0,
        &format!("`{name}`"),
        Some(&framework.head.cite),
    );
    let docs = match lines.is_empty() {
        true => docs,
        false => quote!(#(#[doc = #lines])* #[doc = ""] #docs),
    };
    match &row.what {
        Ffi::Alias(ty) => {
            lists
                .types
                .push(type_info(framework, row, "Alias", &ty.text, &[]));
            let ty = &ty.tokens;
            quote!(#docs #[allow(non_camel_case_types)] pub type #name = #ty;)
        }
        Ffi::Opaque => {
            lists
                .types
                .push(type_info(framework, row, "Opaque", "", &[]));
            emit_opaque(name, &docs)
        }
        Ffi::Vector(size, _) => {
            lists
                .types
                .push(type_info(framework, row, "Vector", "", &[]));
            match size.value {
                16 => emit_vector(framework, name, &docs),
                _ => emit_long_vector(name, size, &docs),
            }
        }
        Ffi::Struct(layout) => {
            lists.types.push(type_info(
                framework,
                row,
                "Struct",
                "",
                &layout_members(layout),
            ));
            emit_struct(row, layout, &docs)
        }
        Ffi::Enum(width, rows, is_flags) => {
            if name != "_" {
                let kind = if *is_flags { "Flags" } else { "Enum" };
                lists.types.push(type_info(
                    framework,
                    row,
                    kind,
                    &int(width).to_string(),
                    &[],
                ));
            }
            emit_enum(framework, row, width, rows, &docs, lists)
        }
        Ffi::Const(ty, value) => {
            lists
                .constants
                .push(constant_info(framework, row, &ty.text, value.value));
            let (ty, value) = (&ty.tokens, token(value));
            quote!(#docs pub const #name: #ty = #value;)
        }
        Ffi::Fn(parameters, result) => {
            lists
                .functions
                .push(function_info(framework, row, parameters, result.as_ref()));
            emit_fn(framework, row, parameters, result.as_ref(), &docs)
        }
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
            #[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
            fn from(value: u128) -> Self {
                // SAFETY: both are 16 bytes, and every byte is valid in both.
                #name(unsafe { ::core::mem::transmute(value.to_le_bytes()) })
            }
        }
        impl ::core::convert::From<#name> for u128 {
            #[inline]
            #[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
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

fn layout_members(layout: &Struct) -> Vec<TokenStream> {
    let member = |member: &crate::model::Member| {
        let (offset, name) = (token(&member.offset), member.name.to_string());
        let (text, ty) = (&member.ty.text, &member.ty.tokens);
        quote!((#offset, #name, #text, ::core::mem::size_of::<#ty>()))
    };
    layout.members.iter().map(member).collect()
}

fn int(width: &Width) -> Ident {
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
    lists: &mut Lists,
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
        lists
            .constants
            .extend(values::emit_infos(value_row).into_iter().map(
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

fn since(framework: &Framework, facts: &Facts) -> Version {
    facts.since.unwrap_or(framework.baseline)
}

/// ```text
/// pub unsafe fn hv_vcpu_run(vcpu: hv_vcpu_t) -> hv_return_t { … }
/// ```
fn emit_fn(
    framework: &Framework,
    row: &FfiRow,
    parameters: &[Parameter],
    result: Option<&CType>,
    docs: &TokenStream,
) -> TokenStream {
    let name = &row.name;
    let arch = framework.arch.to_string();
    let host = quote!(all(target_os = "macos", target_arch = #arch));
    let names: Vec<&Ident> = parameters.iter().map(|parameter| &parameter.name).collect();
    let typed: Vec<TokenStream> = parameters.iter().map(parameter_tokens).collect();
    let result_type = result.map(|ty| {
        let ty = &ty.tokens;
        quote!(-> #ty)
    });
    let thread = thread_line(row);
    let present = match is_looked_up(framework, &row.facts) {
        true => emit_looked_up(name, &names, &typed, result_type.as_ref()),
        false => emit_linked(framework, name, &names, &typed, result_type.as_ref()),
    };
    quote! {
        #docs
        #[doc = ""]
        #[doc = "# Safety"]
        #[doc = "Pointers must be valid for what the C function does with them."]
        #[doc = #thread]
        #[allow(
            unsafe_code, clippy::undocumented_unsafe_blocks, clippy::too_many_arguments, clippy::multiple_unsafe_ops_per_block,
        )]
        pub unsafe fn #name(#(#typed),*) #result_type {
            #[cfg(#host)]
            { #present }
            #[cfg(not(#host))]
            { let _ = (#(#names,)*); ::xhv::typed::ffi::Absent::absent() }
        }
    }
}

fn parameter_tokens(parameter: &Parameter) -> TokenStream {
    let (name, ty) = (&parameter.name, &parameter.ty.tokens);
    quote!(#name: #ty)
}

fn thread_line(row: &FfiRow) -> &'static str {
    match row.facts.thread.as_ref().map(Ident::to_string).as_deref() {
        Some("owner") => "Only the thread that created the vCPU may call it.",
        Some("binds") => {
            "The calling thread must have no vCPU; it becomes the owner of the new one."
        }
        Some("any") => "Any thread may call it.",
        _ => "No document says which threads may call it.",
    }
}

fn is_looked_up(framework: &Framework, facts: &Facts) -> bool {
    since(framework, facts) > framework.baseline
}

fn emit_linked(
    framework: &Framework,
    name: &Ident,
    names: &[&Ident],
    typed: &[TokenStream],
    result: Option<&TokenStream>,
) -> TokenStream {
    let library = framework.name.to_string();
    let link = match framework.is_framework {
        true => quote!(#[link(name = #library, kind = "framework")]),
        false => quote!(#[link(name = #library)]),
    };
    quote! {
        #link
        unsafe extern "C" {
            #[allow(improper_ctypes)]
            fn #name(#(#typed),*) #result;
        }
        // SAFETY: the caller's, see above; the signature is the C function's.
        unsafe { #name(#(#names),*) }
    }
}

fn emit_looked_up(
    name: &Ident,
    names: &[&Ident],
    typed: &[TokenStream],
    result: Option<&TokenStream>,
) -> TokenStream {
    let symbol = symbol(name);
    // Hygienic: parameters may have this name too.
    let address = Ident::new("address", proc_macro2::Span::mixed_site());
    quote! {
        static SYMBOL: ::xhv::typed::ffi::Symbol = ::xhv::typed::ffi::Symbol::new(#symbol);
        #[allow(improper_ctypes_definitions)]
        type Function = unsafe extern "C" fn(#(#typed),*) #result;
        match SYMBOL.get() {
            ::core::option::Option::Some(#address) => {
                // SAFETY: the symbol of this name is a function of this signature; the rest is the caller's, see above.
                unsafe { ::core::mem::transmute::<*mut ::core::ffi::c_void, Function>(#address)(#(#names),*) }
            }
            ::core::option::Option::None => ::xhv::typed::ffi::Absent::absent(),
        }
    }
}

fn symbol(name: &Ident) -> Literal {
    let bytes = std::ffi::CString::new(name.to_string()).unwrap_or_default();
    Literal::c_string(&bytes)
}

fn function_info(
    framework: &Framework,
    row: &FfiRow,
    parameters: &[Parameter],
    result: Option<&CType>,
) -> TokenStream {
    let (name, text) = (&row.name, row.name.to_string());
    let parameters = parameters.iter().map(|parameter| {
        let (name, ty) = (parameter.name.to_string(), &parameter.ty.text);
        quote!((#name, #ty))
    });
    let result = result.map_or("", |ty| ty.text.as_str());
    let since = version(since(framework, &row.facts));
    let deprecated = option(row.facts.deprecated.map(version));
    let thread = match row.facts.thread.as_ref().map(Ident::to_string).as_deref() {
        Some("owner") => quote!(Owner),
        Some("binds") => quote!(Binds),
        Some("any") => quote!(Any),
        _ => quote!(Unknown),
    };
    let looked_up = is_looked_up(framework, &row.facts);
    let (unsure, doc) = (unsure(row), doc(row));
    let arch = framework.arch.to_string();
    let symbol = symbol(name);
    let present = match looked_up {
        true => quote!({
            static SYMBOL: ::xhv::typed::ffi::Symbol = ::xhv::typed::ffi::Symbol::new(#symbol);
            SYMBOL.get().is_some()
        }),
        false => quote!(true),
    };
    quote! {
        ::xhv::typed::ffi::FunctionInfo {
            name: #text, parameters: &[#(#parameters),*], result: #result, since: #since, deprecated: #deprecated,
            thread: ::xhv::typed::ffi::Thread::#thread, looked_up: #looked_up, unsure: #unsure, doc: #doc,
            binding: || #name as *const (),
            present: || ::core::cfg!(all(target_os = "macos", target_arch = #arch)) && #present,
        }
    }
}

fn unsure(row: &FfiRow) -> TokenStream {
    option(row.facts.unsure.as_ref().map(|unsure| quote!(#unsure)))
}

fn doc(row: &FfiRow) -> Literal {
    let first = row.docs.first();
    row.facts
        .doc
        .as_ref()
        .or(first)
        .cloned()
        .unwrap_or_else(|| Literal::string(""))
}

fn type_info(
    framework: &Framework,
    row: &FfiRow,
    kind: &str,
    underlying: &str,
    members: &[TokenStream],
) -> TokenStream {
    let (name, text, kind) = (&row.name, row.name.to_string(), format_ident!("{kind}"));
    let since = version(since(framework, &row.facts));
    let (unsure, doc) = (unsure(row), doc(row));
    quote! {
        ::xhv::typed::ffi::TypeInfo {
            name: #text, kind: ::xhv::typed::ffi::TypeKind::#kind, underlying: #underlying,
            size: ::core::mem::size_of::<#name>(), align: ::core::mem::align_of::<#name>(),
            members: &[#(#members),*], since: #since, unsure: #unsure, doc: #doc,
        }
    }
}

fn constant_info(framework: &Framework, row: &FfiRow, of: &str, value: u128) -> TokenStream {
    let since = version(since(framework, &row.facts));
    let (name, value) = (row.name.to_string(), hex(value));
    let members = super::members(&row.facts, 0);
    quote! {
        ::xhv::typed::ffi::ConstantInfo {
            of: #of, since: #since,
            row: ::xhv::typed::ValueInfo { name: #name, value: #value, #members ..::xhv::typed::ValueInfo::EMPTY },
        }
    }
}
