//! Writes tables: one `ALL` list of the module, and a typed constant for each row that points into it.

use std::collections::HashMap;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{Raw, apple_names, docs, hex, members, option, version};
use crate::model::{Facts, File, Item, Key, Kind, Path, Row, Table};

/// `ALL` and the constants of all tables of the file.
pub(super) fn emit(file: &File) -> TokenStream {
    let mut infos = Vec::new();
    let mut constants = TokenStream::new();
    let local = local_keys(file);
    for item in &file.items {
        let Item::Table(table) = item else { continue };
        for row in &table.rows {
            for (index, key) in row.keys().into_iter().enumerate() {
                constants.extend(emit_constant(
                    table,
                    row,
                    index as u128,
                    key,
                    infos.len(),
                    &local,
                ));
                infos.push(emit_info(table, row, index as u128, key, &local));
            }
            constants.extend(emit_width_check(row));
        }
    }
    if infos.is_empty() {
        return TokenStream::new();
    }
    let count = infos.len();
    quote! {
        #constants
        #[doc = "All rows of this module, in the order of the tables."]
        pub static ALL: [::xhv::typed::RowInfo; #count] = [#(#infos),*];
    }
}

/// Keys of the VMCS fields of this file.
type LocalKeys = HashMap<String, Literal>;

fn local_keys(file: &File) -> LocalKeys {
    let mut keys = LocalKeys::new();
    for item in &file.items {
        let Item::Table(table) = item else { continue };
        for row in table.rows.iter().filter(|_| table.kind == Kind::Vmcs) {
            keys.extend(
                row.keys()
                    .into_iter()
                    .map(|key| (row.name.ident.to_string(), key_token(row, key))),
            );
        }
    }
    keys
}

/// The encoding of the field that holds an MSR. One of the same file is written as its number: its constant points into
/// `ALL`, which could not be evaluated without itself.
fn via_key(via: &Path, local: &LocalKeys) -> TokenStream {
    let tokens = &via.tokens;
    let is_local = tokens.clone().into_iter().count() == 1;
    match local.get(&via.last.to_string()).filter(|_| is_local) {
        Some(key) => quote!(#key),
        None => quote!(#tokens.key()),
    }
}

/// A type must not be wider than its row.
fn emit_width_check(row: &Row) -> Option<TokenStream> {
    let ty = row.ty.as_ref()?;
    let (tokens, width) = (&ty.tokens, row.width.bits);
    let message = format!(
        "`{}` is wider than the {width} bits of `{}`",
        ty.last, row.name.ident
    );
    Some(quote_spanned! {ty.last.span()=>
        const _: () = ::core::assert!(<#tokens as ::xhv::typed::Bits>::WIDTH <= #width, #message);
    })
}

/// ```text
/// pub const TSC_OFFSET: ::xhv::typed::VmcsField<u64, ::xhv::typed::ReadOnly> = ::xhv::typed::Row::new(0x2010, &ALL[3]);
/// ```
fn emit_constant(
    table: &Table,
    row: &Row,
    index: u128,
    key: u128,
    place: usize,
    local: &LocalKeys,
) -> TokenStream {
    let name = row.name.nth(index);
    let (ty, access) = (value_type(row), access(table.kind, row));
    let docs = docs(
        &row.facts,
        index,
        &what(table.kind, row, key),
        Some(&table.head.cite),
    );
    let row_type = match &row.facts.via {
        Some(_) => quote!(::xhv::typed::Msr<#ty, #access, ::xhv::typed::space::MsrInVmcs>),
        None => {
            let alias = format_ident!("{}", alias(table.kind));
            quote!(::xhv::typed::#alias<#ty, #access>)
        }
    };
    let key = match &row.facts.via {
        Some(field) => via_key(field, local),
        None => {
            let key = key_token(row, key);
            quote!(#key)
        }
    };
    quote! {
        #docs
        pub const #name: #row_type = ::xhv::typed::Row::new(#key, &ALL[#place]);
    }
}

fn emit_info(table: &Table, row: &Row, index: u128, key: u128, local: &LocalKeys) -> TokenStream {
    let kind = format_ident!("{}", kind_name(table.kind));
    let (key, name) = (key_token(row, key), row.name.nth(index).to_string());
    let (width, cite) = (row.width.bits, &table.head.cite);
    let (ty, access) = (value_type(row), access(table.kind, row));
    let (members, more) = (
        members(&row.facts, index),
        more_members(table.kind, row, local),
    );
    let apple = default_apple(table.kind, row, index);
    quote! {
        ::xhv::typed::RowInfo {
            kind: ::xhv::typed::Kind::#kind, key: #key, name: #name, width: #width, #members #apple #more cite: #cite,
            ..::xhv::typed::RowInfo::EMPTY
        }.typed::<#ty, #access>()
    }
}

/// Apple calls a system register `HV_SYS_REG_` and its name, where the row does not say otherwise.
fn default_apple(kind: Kind, row: &Row, index: u128) -> Option<TokenStream> {
    let is_default = kind == Kind::SystemRegister && row.facts.apple.is_empty();
    is_default.then(|| {
        let apple = format!("HV_SYS_REG_{}", row.name.nth(index));
        quote!(apple: &[#apple],)
    })
}

/// The members that `members` does not know.
fn more_members(kind: Kind, row: &Row, local: &LocalKeys) -> TokenStream {
    let facts = &row.facts;
    let mut out = TokenStream::new();
    if row.width.natural {
        out.extend(quote!(natural: true,));
    }
    if let (Kind::Vmcs, Some(class)) = (kind, &facts.access) {
        let class = format_ident!("{}", super::camel(&class.to_string()));
        let class = option(Some(quote!(::xhv::typed::VmcsClass::#class)));
        out.extend(quote!(class: #class,));
    }
    if let Some(high) = &facts.high {
        let high = option(Some({
            let token = &high.token;
            quote!(#token)
        }));
        out.extend(quote!(high: #high,));
    }
    if kind == Kind::Msr {
        let routes = routes(facts, local);
        out.extend(quote!(routes: &[#(#routes),*],));
    }
    if let Key::Ops(ops) = &row.key {
        let ops = ops.iter().map(|number| &number.token);
        let ops = option(Some(quote!([#(#ops),*])));
        out.extend(quote!(ops: #ops,));
    }
    if let Some((_, why)) = &facts.number {
        let why = option(Some(quote!(#why)));
        out.extend(quote!(departure: #why,));
    }
    if let Some(deprecated) = facts.deprecated {
        let deprecated = option(Some(version(deprecated)));
        out.extend(quote!(deprecated: #deprecated,));
    }
    if !facts.requires.is_empty() {
        let requires = facts.requires.iter().map(Ident::to_string);
        out.extend(quote!(requires: &[#(#requires),*],));
    }
    out.extend(state_members(facts));
    out
}

fn routes(facts: &Facts, local: &LocalKeys) -> Vec<TokenStream> {
    let mut routes = Vec::new();
    for route in &facts.routes {
        let route = format_ident!("{}", super::camel(&route.to_string()));
        routes.push(quote!(::xhv::typed::Route::#route));
    }
    if let Some(via) = &facts.via {
        let via = via_key(via, local);
        routes.push(quote!(::xhv::typed::Route::Vmcs(#via)));
    }
    if routes.is_empty() {
        routes.push(quote!(::xhv::typed::Route::Emulated));
    }
    routes
}

/// What a snapshot needs to know.
fn state_members(facts: &Facts) -> TokenStream {
    let mut out = TokenStream::new();
    if let Some(alias) = &facts.alias_of {
        let alias = alias.last.to_string();
        out.extend(quote!(save: ::xhv::typed::Save::AliasOf(#alias),));
    }
    if let Some((_, why)) = &facts.nosave {
        out.extend(quote!(save: ::xhv::typed::Save::No(#why),));
    }
    if facts.volatile.is_some() {
        out.extend(quote!(volatile: true,));
    }
    if facts.optional.is_some() {
        out.extend(quote!(optional: true,));
    }
    if let Some(order) = &facts.order {
        let order = &order.token;
        out.extend(quote!(order: #order,));
    }
    if let Some(after) = &facts.after {
        let after = option(Some({
            let after = after.to_string();
            quote!(#after)
        }));
        out.extend(quote!(after: #after,));
    }
    out
}

/// Apple's names of a table, for `mod raw`.
pub(super) fn raw(table: &Table, raw: &mut Raw) {
    for row in &table.rows {
        for (index, key) in row.keys().into_iter().enumerate() {
            for name in apple_names(&row.facts.apple, index as u128) {
                raw.add(&name, "u32", &key_token(row, key));
            }
            if table.kind == Kind::SystemRegister && row.facts.apple.is_empty() {
                let name = format_ident!("HV_SYS_REG_{}", row.name.nth(index as u128));
                raw.add(&name, "u32", &key_token(row, key));
            }
        }
    }
}

/// The key as the row writes it, where it writes one.
fn key_token(row: &Row, key: u128) -> Literal {
    match &row.key {
        Key::Range(range) if range.rest.is_none() => range.first.token.clone(),
        _ => hex(key),
    }
}

/// The type of the value: the row's, or an unsigned integer.
fn value_type(row: &Row) -> TokenStream {
    match &row.ty {
        Some(ty) => ty.tokens.clone(),
        None => {
            let int = format_ident!("u{}", row.width.bits);
            quote!(#int)
        }
    }
}

/// The access marker of a row.
fn access(kind: Kind, row: &Row) -> TokenStream {
    let word = row.facts.access.as_ref().map(Ident::to_string);
    let access = match (kind, word.as_deref()) {
        (Kind::Capability, _) | (_, Some("ro" | "refused" | "framework")) => "ReadOnly",
        (_, Some("unknown")) if is_exit_information(row) => "ReadOnly",
        (_, Some("hidden")) => "NoAccess",
        (_, Some("wo")) => "WriteOnly",
        (Kind::FeatureRegister, None) => "ReadOnly",
        _ => "ReadWrite",
    };
    let access = format_ident!("{access}");
    quote!(::xhv::typed::#access)
}

/// Type 1 in bits 11:10 of an encoding (Intel SDM vol. 3, B.1).
fn is_exit_information(row: &Row) -> bool {
    matches!(&row.key, Key::Range(range) if range.first.value >> 10 & 3 == 1)
}

/// What the documentation says first about a row.
fn what(kind: Kind, row: &Row, key: u128) -> String {
    let width = if row.width.natural {
        "natural width".into()
    } else {
        format!("{} bits", row.width.bits)
    };
    let what = match kind {
        Kind::Register => "Register",
        Kind::Simd => "Vector register",
        Kind::Vmcs => "VMCS field",
        Kind::Msr => "MSR",
        Kind::SystemRegister => "System register",
        Kind::Capability => "VMX capability",
        Kind::FeatureRegister => "Feature register",
        _ => "GIC register",
    };
    format!("{what} {key:#x}, {width}{}", reach(kind, &row.facts))
}

/// How a client reaches an MSR.
fn reach(kind: Kind, facts: &Facts) -> String {
    let mut reach: String = facts
        .routes
        .iter()
        .map(|route| format!(", {route}"))
        .collect();
    if let Some(via) = &facts.via {
        reach += &format!(", held by VMCS field `{}`", via.last);
    }
    match reach.is_empty() && kind == Kind::Msr {
        true => ", emulated by the client".to_string(),
        false => reach,
    }
}

fn alias(kind: Kind) -> &'static str {
    match kind {
        Kind::Register => "Register",
        Kind::Simd => "SimdRegister",
        Kind::Vmcs => "VmcsField",
        Kind::Msr => "Msr",
        Kind::SystemRegister => "SystemRegister",
        Kind::Capability => "Capability",
        Kind::FeatureRegister => "FeatureRegister",
        Kind::GicDistributor => "GicDistributorRegister",
        Kind::GicRedistributor => "GicRedistributorRegister",
        Kind::GicIcc => "GicIccRegister",
        Kind::GicIch => "GicIchRegister",
        Kind::GicIcv => "GicIcvRegister",
        Kind::GicMsi => "GicMsiRegister",
    }
}

fn kind_name(kind: Kind) -> String {
    format!("{kind:?}")
}
