//! Checks instruction patterns: 32 bits each, no word with two meanings.

use super::Names;
use crate::errors::Errors;
use crate::model::{Bits, Instructions, Pattern};

/// Checks a decoder.
pub(super) fn check(instructions: &Instructions, errors: &mut Errors) {
    for row in &instructions.rows {
        check_pattern(row, errors);
    }
    for row in &instructions.rows {
        for overridden in &row.facts.overrides {
            check_override(row, overridden, instructions, errors);
        }
    }
    for (index, row) in instructions.rows.iter().enumerate() {
        for other in &instructions.rows[..index] {
            check_overlap(row, other, errors);
        }
    }
}

fn check_pattern(row: &Pattern, errors: &mut Errors) {
    let width: u32 = row.parts.iter().map(|part| part.width).sum();
    if width != 32 {
        errors.add(row.span, format!("the pattern has {width} bits, not 32"));
    }
    let mut names = Names::default();
    for part in &row.parts {
        if let Bits::Field { name, .. } = &part.what {
            names.add_as(crate::emit::getter_name(name).to_string(), name, errors);
        }
    }
}

fn check_override(
    row: &Pattern,
    overridden: &proc_macro2::Ident,
    instructions: &Instructions,
    errors: &mut Errors,
) {
    let Some(other) = instructions
        .rows
        .iter()
        .find(|other| other.name == *overridden)
    else {
        errors.add(
            overridden.span(),
            format!("no row is called `{overridden}`"),
        );
        return;
    };
    if core::ptr::eq(other, row) || !overlap(row, other) {
        errors.add(
            overridden.span(),
            format!("`{overridden}` has no word in common with this row"),
        );
    } else if row.mask_and_value().0.count_ones() <= other.mask_and_value().0.count_ones() {
        let why =
            format!("`{overridden}` fixes as many bits as this row, which is not more specific");
        errors.add(overridden.span(), why);
    } else if overrides(other, row) {
        let why = format!("`{overridden}` overrides this row already");
        errors.add(overridden.span(), why);
    }
}

fn check_overlap(row: &Pattern, other: &Pattern, errors: &mut Errors) {
    if !overlap(row, other) || overrides(row, other) || overrides(other, row) {
        return;
    }
    // Two rows that decode to nothing do not contradict each other.
    if row.name == "_" && other.name == "_" {
        return;
    }
    let (mask, value) = row.mask_and_value();
    let (other_mask, other_value) = other.mask_and_value();
    let word = value | other_value;
    let (name, other_name) = (&row.name, &other.name);
    let narrower = if mask.count_ones() >= other_mask.count_ones() {
        name
    } else {
        other_name
    };
    let why = format!(
        "`{name}` and `{other_name}` both match {word:#010x}: the more specific one, `{narrower}`, must say `overrides`"
    );
    errors.add(row.name.span(), why);
}

fn overrides(row: &Pattern, other: &Pattern) -> bool {
    row.facts.overrides.contains(&other.name)
}

fn overlap(row: &Pattern, other: &Pattern) -> bool {
    let ((mask, value), (other_mask, other_value)) = (row.mask_and_value(), other.mask_and_value());
    (value ^ other_value) & mask & other_mask == 0
}
