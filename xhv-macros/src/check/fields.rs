//! Checks bit fields: every bit once, in order, names that can be called.

use super::{Names, check_bits, check_fits, values};
use crate::errors::Errors;
use crate::model::{Controls, FieldRow, Fields, What, Width};

/// Constants that every bit-field type has.
const CONSTANTS: &[&str] = &["FIELDS", "VALUES", "WIDTH", "NAME", "RES0", "RES1"];

/// Checks a bit-field type.
pub(super) fn check(fields: &Fields, errors: &mut Errors) {
    if fields.width.natural || fields.width.signed {
        errors.add(fields.width.span, "expected `u1` to `u128`");
        return;
    }
    check_rows(fields, errors);
    check_every_bit(fields, errors);
}

/// Checks a control word, whose rows ascend and may leave gaps.
pub(super) fn check_controls(controls: &Controls, errors: &mut Errors) {
    let fields = &controls.fields;
    if fields.width.natural || ![32, 64].contains(&fields.width.bits) {
        errors.add(fields.width.span, "expected `u32` or `u64`");
        return;
    }
    check_rows(fields, errors);
    let mut next = 0;
    for row in &fields.rows {
        let (msb, lsb) = row.bits();
        if lsb < next {
            errors.add(
                row.msb.span(),
                format!("bit {lsb} stands after bit {}: rows ascend", next - 1),
            );
        }
        next = next.max(msb + 1);
    }
    for number in [&controls.default1, &controls.true_default1]
        .into_iter()
        .flatten()
    {
        check_fits(
            number,
            fields.width.bits,
            &format!("the {} bits", fields.width.bits),
            errors,
        );
    }
}

fn check_rows(fields: &Fields, errors: &mut Errors) {
    let mut names = Names::default();
    for row in &fields.rows {
        let is_valid = check_bits(&row.msb, row.lsb.as_ref(), fields.width.bits, errors);
        if let Some(name) = row.name() {
            names.add_as(crate::emit::getter_name(name).to_string(), name, errors);
            check_name(row, errors);
        }
        if let (What::Values(_, rows), true) = (&row.what, is_valid) {
            let width = Width {
                bits: row.width(),
                natural: false,
                signed: false,
                span: row.msb.span(),
            };
            values::check_rows(rows, &width, errors);
        }
    }
}

fn check_name(row: &FieldRow, errors: &mut Errors) {
    let Some(name) = row.name() else { return };
    let taken = crate::emit::is_flag(row) && CONSTANTS.contains(&name.to_string().as_str());
    if taken {
        errors.add(
            name.span(),
            format!("`{name}` is what every bit-field type has: call it otherwise"),
        );
    }
}

/// Descending, and every bit exactly once.
fn check_every_bit(fields: &Fields, errors: &mut Errors) {
    // The lowest bit that has been described.
    let mut described = u128::from(fields.width.bits);
    for row in &fields.rows {
        let (msb, lsb) = row.bits();
        if msb >= u128::from(fields.width.bits) || lsb > msb {
            return;
        }
        if msb >= described {
            let why = match msb < u128::from(fields.width.bits) && described == 0 {
                true => format!("bit {msb} is described twice"),
                false if msb == described || lsb < described => {
                    format!("bit {msb} is described twice")
                }
                false => format!("bit {msb} stands after bit {described}: rows descend"),
            };
            errors.add(row.msb.span(), why);
        } else if msb + 1 < described {
            errors.add(
                row.msb.span(),
                format!("{} not described", gap(described - 1, msb + 1)),
            );
        }
        described = described.min(lsb);
    }
    if described > 0 {
        let span = fields.name.span();
        errors.add(span, format!("{} not described", gap(described - 1, 0)));
    }
}

fn gap(msb: u128, lsb: u128) -> String {
    if msb == lsb {
        format!("bit {msb} is")
    } else {
        format!("bits {msb}:{lsb} are")
    }
}
