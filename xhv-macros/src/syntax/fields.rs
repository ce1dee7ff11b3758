//! Reads bit-field types and control words.

use proc_macro2::Literal;

use super::cursor::{Cursor, Read};
use super::{at_values, bits, facts, head, rows, table, type_name, values, width};
use crate::model::{Controls, FieldRow, Fields, What};

const FACTS: &[&str] = &[
    "ro", "wo", "rw", "w1c", "rc", "since", "unsure", "=", "requires", "doc",
];

/// `fields` after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Fields> {
    let name = type_name(cursor)?;
    cursor.sign(':')?;
    let width = width(cursor)?;
    let head = head(cursor, docs)?;
    let rows = rows(cursor, parse_row)?;
    Ok(Fields {
        head,
        name,
        width,
        rows,
    })
}

/// `[13:12] IOPL … ;`
pub(super) fn parse_row(cursor: &mut Cursor<'_>) -> Read<FieldRow> {
    let (msb, lsb) = bits(cursor)?;
    let name = cursor.ident("the name of the field, `res0`, `res1`, `res` or `ignored`")?;
    let access = ["ro", "wo", "rw", "w1c", "rc"]
        .iter()
        .any(|word| cursor.at_word(word))
        .then(|| cursor.ident("an access"))
        .transpose()?;
    let what = if ["res0", "res1", "res", "ignored"]
        .iter()
        .any(|word| name == word)
    {
        What::Reserved(name)
    } else if let Some(ty) = table::parse_as(cursor)? {
        What::Typed(name, ty)
    } else if at_values(cursor) {
        What::Values(name, values::parse_inline(cursor)?)
    } else {
        What::Plain(name)
    };
    let mut facts = facts::parse(cursor, FACTS)?;
    facts.access = facts.access.or(access);
    Ok(FieldRow {
        msb,
        lsb,
        what,
        facts,
    })
}

/// `controls` after its keyword.
pub(super) fn parse_controls(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<Controls> {
    let name = type_name(cursor)?;
    cursor.sign(':')?;
    let width = width(cursor)?;
    let (mut of, mut capability, mut default1, mut true_default1) = (None, None, None, None);
    while !cursor.at_word("cite") {
        if cursor.take_word("of") {
            of = Some(cursor.path("the path of a VMCS field")?);
        } else if cursor.take_word("capability") {
            capability = Some(cursor.path("the path of a capability")?);
        } else if cursor.take_word("default1") {
            default1 = Some(cursor.number("the bits that are 1")?);
        } else if cursor.take_word("true_default1") {
            true_default1 = Some(cursor.number("the bits that are 1")?);
        } else {
            return cursor.expected("`of`, `capability`, `default1`, `true_default1` or `cite`");
        }
    }
    let head = head(cursor, docs)?;
    let rows = rows(cursor, parse_control)?;
    let fields = Fields {
        head,
        name,
        width,
        rows,
    };
    Ok(Controls {
        fields,
        of,
        capability,
        default1,
        true_default1,
    })
}

/// `0 NAME = APPLE "…";` or a row as in `fields`.
fn parse_control(cursor: &mut Cursor<'_>) -> Read<FieldRow> {
    if !cursor.at_number() {
        return parse_row(cursor);
    }
    let msb = cursor.number("a bit number")?;
    let name = cursor.ident("the name of the control")?;
    let facts = facts::parse(cursor, FACTS)?;
    Ok(FieldRow {
        msb,
        lsb: None,
        what: What::Plain(name),
        facts,
    })
}
