//! Checks named values: they fit, ascend, and a second name of a value says so.

use std::collections::HashMap;

use super::{Names, check_range, fits};
use crate::errors::Errors;
use crate::model::{ValueRow, Values, Width};

/// Checks a set of values.
pub(super) fn check(values: &Values, errors: &mut Errors) {
    if values.width.natural || values.width.signed || values.width.bits > 64 {
        errors.add(values.width.span, "expected `u1` to `u64`");
        return;
    }
    check_rows(&values.rows, &values.width, errors);
}

/// Checks rows of values that have this width.
pub(super) fn check_rows(rows: &[ValueRow], width: &Width, errors: &mut Errors) {
    let mut names = Names::default();
    let mut first_names = HashMap::new();
    let mut last = None;
    for row in rows {
        check_range(&row.range, &row.name, &row.facts.apple, errors);
        check_fits(row, width, errors);
        check_ascending(row, &mut last, errors);
        for (index, value) in row.range.numbers().enumerate() {
            let name = row.name.nth(index as u128);
            names.add_as(crate::emit::constant_name(&name).to_string(), &name, errors);
            if row.facts.alias_of.is_none()
                && let Some(first) = first_names.insert(value, name)
            {
                let why =
                    format!("`{first}` has this value: a second name says `alias of {first}`");
                errors.add(row.range.first.span(), why);
            }
        }
        check_alias(row, &names, errors);
    }
}

fn check_fits(row: &ValueRow, width: &Width, errors: &mut Errors) {
    let last = row
        .range
        .rest
        .as_ref()
        .map_or(&row.range.first, |(last, _)| last);
    if !fits(last.value, width.bits) {
        errors.add(
            last.span(),
            format!("`{}` does not fit {} bits", last.token, width.bits),
        );
    }
}

fn check_ascending(row: &ValueRow, last: &mut Option<u128>, errors: &mut Errors) {
    let first = &row.range.first;
    if let Some(last) = *last
        && first.value < last
    {
        errors.add(
            first.span(),
            format!("`{}` stands after {last:#x}: rows ascend", first.token),
        );
    }
    *last = Some(last.map_or(first.value, |last| last.max(first.value)));
}

fn check_alias(row: &ValueRow, names: &Names, errors: &mut Errors) {
    let Some(alias) = &row.facts.alias_of else {
        return;
    };
    if !names.contains(&crate::emit::constant_name(&alias.last)) || alias.last == row.name.ident {
        let why = format!("no value before this one is called `{}`", alias.last);
        errors.add(alias.last.span(), why);
    }
}
