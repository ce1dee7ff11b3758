//! Reads instruction patterns: `[sf 0 0 100010 sh imm12:12 Rn:5 Rd:5] ADD_imm "…";`.

use proc_macro2::{Delimiter, Literal, TokenTree};

use super::cursor::{Cursor, Read};
use super::{facts, head, rows, type_name};
use crate::model::{Bits, Instructions, Part, Pattern};

const FACTS: &[&str] = &["overrides", "unsure", "requires", "doc"];

/// `instructions` after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Instructions> {
    let name = type_name(cursor)?;
    let head = head(cursor, docs)?;
    let rows = rows(cursor, parse_row)?;
    Ok(Instructions { head, name, rows })
}

fn parse_row(cursor: &mut Cursor<'_>) -> Read<Pattern> {
    let group = cursor.group(Delimiter::Bracket)?;
    let mut inside = cursor.enter(&group);
    let mut parts = Vec::new();
    while !inside.is_done() {
        parts.push(parse_part(&mut inside)?);
    }
    let name = cursor.ident("the name of the instruction, or `_`")?;
    let facts = facts::parse(cursor, FACTS)?;
    Ok(Pattern {
        span: group.span(),
        parts,
        name,
        facts,
    })
}

/// Digits, or a field with its width.
fn parse_part(cursor: &mut Cursor<'_>) -> Read<Part> {
    const WHAT: &str = "binary digits or a field such as `Rn:5`";
    match cursor.peek() {
        Some(TokenTree::Literal(literal)) => {
            let digits = literal.to_string();
            let is_binary = digits.len() <= 32 && digits.bytes().all(|c| c == b'0' || c == b'1');
            let Ok(bits) = u32::from_str_radix(&digits, 2) else {
                return cursor.expected(WHAT);
            };
            if !is_binary {
                return cursor.expected(WHAT);
            }
            cursor.bump();
            Ok(Part {
                width: digits.len() as u32,
                what: Bits::Fixed(bits),
            })
        }
        Some(TokenTree::Ident(_)) => parse_field(cursor),
        _ => cursor.expected(WHAT),
    }
}

fn parse_field(cursor: &mut Cursor<'_>) -> Read<Part> {
    const WIDTH: &str = "a width from 1 to 32, or `s` and a width";
    let span = cursor.span();
    let name = cursor.ident("a field")?;
    let mut width = "1".to_string();
    if cursor.take(':') {
        match cursor.peek() {
            Some(TokenTree::Literal(_) | TokenTree::Ident(_)) => {}
            _ => return cursor.expected(WIDTH),
        }
        width = cursor
            .bump()
            .map(|token| token.to_string())
            .unwrap_or_default();
    }
    let (signed, digits) = match width.strip_prefix('s') {
        Some(digits) => (true, digits),
        None => (false, width.as_str()),
    };
    match digits.parse() {
        Ok(width) if (1..=32).contains(&width) => {
            let what = if name == "_" {
                Bits::Any
            } else {
                Bits::Field { name, signed }
            };
            Ok(Part { width, what })
        }
        _ => cursor.fail(span, format!("expected {WIDTH}")),
    }
}
