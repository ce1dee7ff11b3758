//! Reads C functions, types and constants.

use proc_macro2::{Delimiter, Ident, Literal, TokenStream, TokenTree};
use quote::quote;

use super::cursor::{Cursor, Read};
use super::{facts, head, rows, values, width};
use crate::model::{CType, Facts, Ffi, FfiRow, Framework, Member, Parameter, Struct, Version};

const FACTS: &[&str] = &["since", "deprecated", "unsure", "packed", "doc"];
const FN_FACTS: &[&str] = &["since", "deprecated", "unsure", "thread", "doc"];
const MEMBER_FACTS: &[&str] = &["since", "unsure", "doc"];

/// `framework` or `library` after its keyword.
pub(super) fn parse(
    cursor: &mut Cursor<'_>,
    docs: Vec<Literal>,
    is_framework: bool,
) -> Read<Framework> {
    let name = cursor.ident("the name of the library")?;
    cursor.word("on")?;
    let arch = cursor.ident("`x86_64` or `aarch64`")?;
    let baseline = match cursor.take_word("since") {
        true => facts::macos(cursor)?,
        false if arch == "x86_64" => Version(10, 10, 0),
        false => Version(11, 0, 0),
    };
    let head = head(cursor, docs)?;
    let rows = rows(cursor, parse_row)?;
    Ok(Framework {
        head,
        is_framework,
        name,
        arch,
        baseline,
        rows,
    })
}

fn parse_row(cursor: &mut Cursor<'_>) -> Read<FfiRow> {
    const WHAT: &str = "`type`, `opaque`, `vector`, `struct`, `enum`, `flags`, `const` or `fn`";
    let docs = super::docs(cursor)?;
    let Some(keyword) = cursor.peek_word() else {
        return cursor.expected(WHAT);
    };
    let is_known = [
        "type", "opaque", "vector", "struct", "enum", "flags", "const", "fn",
    ]
    .contains(&keyword.as_str());
    if !is_known {
        return cursor.expected(WHAT);
    }
    cursor.bump();
    let name = cursor.ident("a name")?;
    let mut early = Facts::default();
    let what = match keyword.as_str() {
        "type" => {
            cursor.sign('=')?;
            Ffi::Alias(parse_type(cursor)?)
        }
        "opaque" => Ffi::Opaque,
        "vector" => {
            cursor.word("size")?;
            let size = cursor.number("a size in bytes")?;
            cursor.word("align")?;
            Ffi::Vector(size, cursor.number("an alignment in bytes")?)
        }
        "struct" => Ffi::Struct(parse_struct(cursor, &mut early)?),
        "enum" | "flags" => {
            cursor.sign(':')?;
            let width = width(cursor)?;
            facts::facts_into(cursor, FACTS, &mut early)?;
            Ffi::Enum(width, rows(cursor, values::parse_row)?, keyword == "flags")
        }
        "const" => parse_const(cursor)?,
        _ => parse_fn(cursor)?,
    };
    let facts = parse_facts(cursor, &what, early)?;
    Ok(FfiRow {
        docs,
        name,
        what,
        facts,
    })
}

/// Rows end with `;`, which may be left out after braces.
/// A structure may say its facts before the braces, too.
fn parse_facts(cursor: &mut Cursor<'_>, what: &Ffi, mut facts: Facts) -> Read<Facts> {
    match what {
        Ffi::Fn(..) => facts::parse(cursor, FN_FACTS),
        Ffi::Struct(_) | Ffi::Enum(..) => {
            facts::facts_into(cursor, FACTS, &mut facts)?;
            cursor.take(';');
            Ok(facts)
        }
        _ => facts::parse(cursor, FACTS),
    }
}

fn parse_struct(cursor: &mut Cursor<'_>, facts: &mut Facts) -> Read<Struct> {
    cursor.word("size")?;
    let size = cursor.number("a size in bytes")?;
    cursor.word("align")?;
    let align = cursor.number("an alignment in bytes")?;
    facts::facts_into(cursor, FACTS, facts)?;
    let members = rows(cursor, |cursor| {
        let offset = cursor.number("the offset of a member in bytes")?;
        let name = cursor.ident("the name of the member")?;
        cursor.sign(':')?;
        let ty = parse_type(cursor)?;
        let facts = facts::parse(cursor, MEMBER_FACTS)?;
        Ok(Member {
            offset,
            name,
            ty,
            facts,
        })
    })?;
    Ok(Struct {
        size,
        align,
        members,
    })
}

fn parse_const(cursor: &mut Cursor<'_>) -> Read<Ffi> {
    cursor.sign(':')?;
    let ty = parse_type(cursor)?;
    cursor.sign('=')?;
    let value = cursor.number("a number")?;
    Ok(Ffi::Const(ty, value))
}

fn parse_fn(cursor: &mut Cursor<'_>) -> Read<Ffi> {
    let group = cursor.group(Delimiter::Parenthesis)?;
    let mut inside = cursor.enter(&group);
    let mut parameters = Vec::new();
    while !inside.is_done() {
        let name = inside.ident("the name of a parameter")?;
        inside.sign(':')?;
        let ty = parse_type(&mut inside)?;
        parameters.push(Parameter { name, ty });
        if !inside.is_done() && !inside.take(',') {
            return inside.expected("`,`");
        }
    }
    if !cursor.at('-') {
        return Ok(Ffi::Fn(parameters, None));
    }
    cursor.sign('-')?;
    cursor.sign('>')?;
    Ok(Ffi::Fn(parameters, Some(parse_type(cursor)?)))
}

/// A type: a path, a pointer, an array; `out T` and `ref T` are pointers too.
pub(super) fn parse_type(cursor: &mut Cursor<'_>) -> Read<CType> {
    if cursor.at('*') {
        cursor.bump();
        let constness = cursor.ident("`const` or `mut`")?;
        if constness != "const" && constness != "mut" {
            return cursor.fail(constness.span(), "expected `const` or `mut`");
        }
        let to = parse_type(cursor)?;
        let tokens = to.tokens;
        let text = format!("*{constness} {}", to.text);
        return Ok(CType {
            tokens: quote!(*#constness #tokens),
            text,
        });
    }
    if cursor.at_group(Delimiter::Bracket) {
        return parse_array(cursor);
    }
    for word in ["out", "inout", "ref"] {
        let is_prefix = cursor.at_word(word)
            && !matches!(cursor.peek_second(), Some(TokenTree::Punct(punct)) if punct.as_char() != '*');
        if is_prefix && cursor.peek_second().is_some() {
            cursor.bump();
            let to = parse_type(cursor)?;
            let tokens = to.tokens;
            let tokens = if word == "ref" {
                quote!(*const #tokens)
            } else {
                quote!(*mut #tokens)
            };
            return Ok(CType {
                tokens,
                text: format!("{word} {}", to.text),
            });
        }
    }
    let path = cursor.path("a type")?;
    let text = path.tokens.to_string().replace(' ', "");
    let tokens = if text.contains(':') {
        path.tokens
    } else {
        known(&path.last)
    };
    Ok(CType { tokens, text })
}

fn parse_array(cursor: &mut Cursor<'_>) -> Read<CType> {
    let group = cursor.group(Delimiter::Bracket)?;
    let mut inside = cursor.enter(&group);
    let of = parse_type(&mut inside)?;
    inside.sign(';')?;
    let count = inside.number("the length of the array")?;
    let (tokens, length) = (
        of.tokens,
        Literal::usize_unsuffixed(count.value.min(1 << 20) as usize),
    );
    let text = format!("[{}; {}]", of.text, count.value);
    Ok(CType {
        tokens: quote!([#tokens; #length]),
        text,
    })
}

/// Types of C that Rust calls by another name or keeps elsewhere.
fn known(name: &Ident) -> TokenStream {
    match name.to_string().as_str() {
        "void" | "c_void" => quote!(::core::ffi::c_void),
        "size_t" => quote!(usize),
        "int" => quote!(::core::ffi::c_int),
        "uint" => quote!(::core::ffi::c_uint),
        _ => quote!(#name),
    }
}
