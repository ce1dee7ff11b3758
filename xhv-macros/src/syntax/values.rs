//! Reads open sets of named values.

use proc_macro2::{Delimiter, Literal};

use super::cursor::{Cursor, Read, Reported};
use super::{facts, head, range, rows, type_name, width};
use crate::model::{Facts, ValueRow, Values};

const FACTS: &[&str] = &["=", "since", "deprecated", "unsure", "alias", "doc"];

/// `values` after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Values> {
    let name = type_name(cursor)?;
    cursor.sign(':')?;
    let width = width(cursor)?;
    let head = head(cursor, docs)?;
    let rows = rows(cursor, parse_row)?;
    Ok(Values {
        head,
        name,
        width,
        rows,
    })
}

/// `3 NAME "…";`
pub(super) fn parse_row(cursor: &mut Cursor<'_>) -> Read<ValueRow> {
    let range = range(cursor, "a value")?;
    let name = facts::name(cursor, "the name of the value")?;
    let facts = facts::parse(cursor, FACTS)?;
    Ok(ValueRow { range, name, facts })
}

/// `{ 0 Byte, 1 Word "…" }`: the values of a field; `,` or `;` between two.
pub(super) fn parse_inline(cursor: &mut Cursor<'_>) -> Read<Vec<ValueRow>> {
    let group = cursor.group(Delimiter::Brace)?;
    let mut inside = cursor.enter(&group);
    let mut rows = Vec::new();
    while !inside.is_done() {
        let range = range(&mut inside, "a value")?;
        let name = facts::name(&mut inside, "the name of the value")?;
        let mut facts = Facts::default();
        facts::facts_into(&mut inside, FACTS, &mut facts)?;
        rows.push(ValueRow { range, name, facts });
        if !inside.is_done() && !inside.take(',') && !inside.take(';') {
            return inside.expected("`,`");
        }
    }
    match rows.is_empty() {
        true => {
            cursor.errors.add(
                group.span(),
                "expected named values such as `{ 0 Off, 1 On }`",
            );
            Err(Reported)
        }
        false => Ok(rows),
    }
}
