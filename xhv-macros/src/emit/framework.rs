//! Writes FFI: types, constants, and an `unsafe fn` for each C function that is linked, looked up, or absent.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::{ctypes, docs, hex, option, token, version};
use crate::model::{CType, Facts, Ffi, FfiRow, Framework, Parameter, Version};

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
    let (name, lines) = (&row.name, &row.docs);
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
        _ => {
            lists.types.extend(type_info(framework, row));
            ctypes::emit(framework, row, &docs, &mut lists.constants)
        }
    }
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

/// The description of a type; none for a nameless enum.
fn type_info(framework: &Framework, row: &FfiRow) -> Option<TokenStream> {
    let (kind, underlying, members) = match &row.what {
        Ffi::Alias(ty) => (quote!(Alias), ty.text.clone(), Vec::new()),
        Ffi::Opaque => (quote!(Opaque), String::new(), Vec::new()),
        Ffi::Vector(..) => (quote!(Vector), String::new(), Vec::new()),
        Ffi::Struct(layout) => (quote!(Struct), String::new(), ctypes::members(layout)),
        Ffi::Enum(width, _, true) => (quote!(Flags), ctypes::int(width).to_string(), Vec::new()),
        Ffi::Enum(width, _, false) => (quote!(Enum), ctypes::int(width).to_string(), Vec::new()),
        Ffi::Const(..) | Ffi::Fn(..) => return None,
    };
    let (name, text) = (&row.name, row.name.to_string());
    let since = version(since(framework, &row.facts));
    let (unsure, doc) = (unsure(row), doc(row));
    (text != "_").then(|| {
        quote! {
            ::xhv::typed::ffi::TypeInfo {
                name: #text, kind: ::xhv::typed::ffi::TypeKind::#kind, underlying: #underlying,
                size: ::core::mem::size_of::<#name>(), align: ::core::mem::align_of::<#name>(),
                members: &[#(#members),*], since: #since, unsure: #unsure, doc: #doc,
            }
        }
    })
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
