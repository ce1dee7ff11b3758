//! Reads tokens into the `model`: one file for each kind of item, with the names of the model.

mod cursor;
mod exits;
mod facts;
mod fields;
mod framework;
mod instructions;
mod state;
mod table;
mod values;

use proc_macro2::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};

use crate::errors::Errors;
use crate::model::{File, Head, Item, Kind, Number, Range, Width};
use cursor::{Cursor, Read};

const KEYWORDS: &str = "`registers`, `simd`, `feature_registers`, `gic`, `vmcs`, `controls`, `capabilities`, `msr`, `msrs`, \
     `sysreg`, `sysregs`, `fields`, `values`, `exits`, `framework`, `library`, `state` or `instructions`";

/// Reads a spec file; what is wrong is reported and left out.
pub(crate) fn parse(input: TokenStream, errors: &mut Errors) -> File {
    let mut cursor = Cursor::new(input, Span::call_site(), errors);
    let mut file = File::default();
    while !cursor.is_done() {
        if parse_item(&mut cursor, &mut file.items).is_err() {
            cursor.skip_item();
        }
    }
    file
}

fn parse_item(cursor: &mut Cursor<'_>, items: &mut Vec<Item>) -> Read<()> {
    let docs = docs(cursor)?;
    let Some(keyword) = cursor.peek_word() else {
        return cursor.expected(KEYWORDS);
    };
    if !KEYWORDS.contains(&format!("`{keyword}`")) {
        return cursor.expected(KEYWORDS);
    }
    cursor.bump();
    match keyword.as_str() {
        "registers" => items.push(Item::Table(table::parse(cursor, docs, Kind::Register)?)),
        "simd" => items.push(Item::Table(table::parse(cursor, docs, Kind::Simd)?)),
        "vmcs" => items.push(Item::Table(table::parse(cursor, docs, Kind::Vmcs)?)),
        "msrs" => items.push(Item::Table(table::parse(cursor, docs, Kind::Msr)?)),
        "sysregs" => items.push(Item::Table(table::parse(
            cursor,
            docs,
            Kind::SystemRegister,
        )?)),
        "capabilities" => items.push(Item::Table(table::parse(cursor, docs, Kind::Capability)?)),
        "feature_registers" => {
            items.push(Item::Table(table::parse(
                cursor,
                docs,
                Kind::FeatureRegister,
            )?));
        }
        "gic" => {
            let kind = table::parse_gic_kind(cursor)?;
            items.push(Item::Table(table::parse(cursor, docs, kind)?));
        }
        "msr" => items.extend(table::parse_single(cursor, docs, Kind::Msr)?),
        "sysreg" => items.extend(table::parse_single(cursor, docs, Kind::SystemRegister)?),
        "fields" => items.push(Item::Fields(fields::parse(cursor, docs)?)),
        "controls" => items.push(Item::Controls(fields::parse_controls(cursor, docs)?)),
        "values" => items.push(Item::Values(values::parse(cursor, docs)?)),
        "exits" => items.push(Item::Exits(exits::parse(cursor, docs)?)),
        "state" => items.push(Item::State(state::parse(cursor, docs)?)),
        "instructions" => items.push(Item::Instructions(instructions::parse(cursor, docs)?)),
        _ => items.push(Item::Framework(framework::parse(
            cursor,
            docs,
            keyword == "framework",
        )?)),
    }
    cursor.take(';');
    Ok(())
}

/// `/// …` lines, which reach a macro as `#[doc = "…"]`.
fn docs(cursor: &mut Cursor<'_>) -> Read<Vec<Literal>> {
    let mut docs = Vec::new();
    while cursor.take('#') {
        let group = cursor.group(Delimiter::Bracket)?;
        let mut inside = cursor.enter(&group);
        inside.word("doc")?;
        inside.sign('=')?;
        docs.push(inside.string("documentation")?);
    }
    Ok(docs)
}

/// `cite "document, place"`, which ends a head.
fn head(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Head> {
    cursor.word("cite")?;
    let cite = cursor.string("a string with document and place")?;
    Ok(Head { docs, cite })
}

/// `u32`, `u5`, `natural`, `i32`.
fn width(cursor: &mut Cursor<'_>) -> Read<Width> {
    const WHAT: &str = "a width: `u1` to `u128`";
    let span = cursor.span();
    let Some(word) = cursor.peek_word() else {
        return cursor.expected(WHAT);
    };
    if word == "natural" {
        cursor.bump();
        return Ok(Width {
            bits: 64,
            natural: true,
            signed: false,
            span,
        });
    }
    let signed = word == "i32" || word == "i64";
    let digits = word.strip_prefix(if signed { 'i' } else { 'u' });
    let bits = digits.and_then(|digits| digits.parse().ok());
    match bits {
        Some(bits) if (1..=128).contains(&bits) => {
            cursor.bump();
            Ok(Width {
                bits,
                natural: false,
                signed,
                span,
            })
        }
        _ => cursor.expected(WHAT),
    }
}

/// `0x10` or `0x80..=0xfc step 4`.
fn range(cursor: &mut Cursor<'_>, what: &str) -> Read<Range> {
    let first = cursor.number(what)?;
    if !cursor.at('.') {
        return Ok(Range { first, rest: None });
    }
    cursor.sign('.')?;
    cursor.sign('.')?;
    cursor.sign('=')?;
    let last = cursor.number("the last number of the range")?;
    let step = match cursor.take_word("step") {
        true => Some(cursor.number("the step of the range")?),
        false => None,
    };
    Ok(Range {
        first,
        rest: Some((last, step)),
    })
}

/// `[15:0]` or `[25]`: highest bit, and lowest if it is another.
fn bits(cursor: &mut Cursor<'_>) -> Read<(Number, Option<Number>)> {
    let group = cursor.group(Delimiter::Bracket)?;
    let mut inside = cursor.enter(&group);
    let msb = inside.number("a bit number")?;
    let lsb = match inside.take(':') {
        true => Some(inside.number("the lowest bit")?),
        false => None,
    };
    if !inside.is_done() {
        return inside.expected("`]`");
    }
    Ok((msb, lsb))
}

/// The braces of a table, and a reader for each row.
fn rows<T>(cursor: &mut Cursor<'_>, row: impl FnMut(&mut Cursor<'_>) -> Read<T>) -> Read<Vec<T>> {
    let group = cursor.group(Delimiter::Brace)?;
    Ok(cursor.enter(&group).rows(row))
}

/// A type name in a head.
fn type_name(cursor: &mut Cursor<'_>) -> Read<Ident> {
    cursor.ident("a name")
}

/// Whether the next group looks like `{ 0 Name, … }` rather than `{ name: … }`.
fn at_values(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}
