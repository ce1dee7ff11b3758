//! Checks exit reasons: numbers that fit and ascend, details with names of their own.

use super::{Ascending, Names, check_bits, check_fits};
use crate::errors::Errors;
use crate::model::{Exits, Source};

/// Checks a table of exits.
pub(super) fn check(exits: &Exits, errors: &mut Errors) {
    let (Source::Row(_, slice) | Source::Value(_, slice)) = &exits.source;
    if !check_bits(&slice.msb, Some(&slice.lsb), 64, errors) {
        return;
    }
    let width = (slice.msb.value - slice.lsb.value + 1) as u32;
    if width > 32 {
        errors.add(slice.msb.span(), "a reason has at most 32 bits");
        return;
    }
    let (mut ascending, mut names) = (Ascending::default(), Names::default());
    for row in &exits.rows {
        ascending.add(&row.number, errors);
        check_fits(
            &row.number,
            width,
            &format!("the {width} bits of a reason"),
            errors,
        );
        names.add_as(crate::emit::camel(&row.name.to_string()), &row.name, errors);
        if crate::emit::camel(&row.name.to_string()) == "Unlisted" {
            errors.add(
                row.name.span(),
                "`Unlisted` is what numbers without a row become",
            );
        }
        let mut details = Names::default();
        for detail in &row.payload {
            details.add(&detail.name, errors);
            if let Some(slice) = &detail.slice {
                check_bits(&slice.msb, Some(&slice.lsb), 64, errors);
            }
        }
    }
}
