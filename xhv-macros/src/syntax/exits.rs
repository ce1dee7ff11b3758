//! Reads tables of exit reasons.

use proc_macro2::{Delimiter, Literal};

use super::cursor::{Cursor, Read};
use super::{bits, facts, head, rows, table, type_name};
use crate::model::{Detail, ExitRow, Exits, Slice, Source};

const FACTS: &[&str] = &["=", "since", "deprecated", "unsure", "doc"];

/// `exits` after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Exits> {
    let name = type_name(cursor)?;
    let in_value = match cursor.peek_word().as_deref() {
        Some("of") => false,
        Some("in") => true,
        _ => return cursor.expected("`of` and a row, or `in` and a type"),
    };
    cursor.bump();
    let path = cursor.path(if in_value {
        "a type"
    } else {
        "the path of a row"
    })?;
    let slice = slice(cursor)?;
    let source = if in_value {
        Source::Value(path, slice)
    } else {
        Source::Row(path, slice)
    };
    let head = head(cursor, docs)?;
    let rows = rows(cursor, |cursor| parse_row(cursor, in_value))?;
    Ok(Exits {
        head,
        name,
        source,
        rows,
    })
}

fn slice(cursor: &mut Cursor<'_>) -> Read<Slice> {
    let (msb, lsb) = bits(cursor)?;
    let lsb = lsb.unwrap_or_else(|| msb.clone());
    Ok(Slice { msb, lsb })
}

fn parse_row(cursor: &mut Cursor<'_>, in_value: bool) -> Read<ExitRow> {
    let number = cursor.number("the number of the reason")?;
    let name = cursor.ident("the name of the reason")?;
    let mut payload = Vec::new();
    if cursor.at_group(Delimiter::Brace) {
        let group = cursor.group(Delimiter::Brace)?;
        let mut inside = cursor.enter(&group);
        while !inside.is_done() {
            payload.push(parse_detail(&mut inside, in_value)?);
            if !inside.is_done() && !inside.take(',') {
                return inside.expected("`,`");
            }
        }
    }
    let facts = facts::parse(cursor, FACTS)?;
    Ok(ExitRow {
        number,
        name,
        payload,
        facts,
    })
}

/// `gpa: vmcs::GUEST_PHYSICAL_ADDRESS[31:0] as T`, or `iss: [24:0] as T`.
fn parse_detail(cursor: &mut Cursor<'_>, in_value: bool) -> Read<Detail> {
    let name = cursor.ident("the name of the detail")?;
    cursor.sign(':')?;
    let row = match in_value {
        true => None,
        false => Some(cursor.path("the path of a row")?),
    };
    let slice = match in_value || cursor.at_group(Delimiter::Bracket) {
        true => Some(slice(cursor)?),
        false => None,
    };
    let ty = table::parse_as(cursor)?;
    Ok(Detail {
        name,
        row,
        slice,
        ty,
    })
}
