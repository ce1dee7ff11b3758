//! Checks tables of rows: keys against widths, classes and names, and what rows say about each other.

use std::collections::HashMap;

use proc_macro2::Ident;

use super::{Ascending, Names, check_range, fits};
use crate::errors::Errors;
use crate::model::{Facts, File, Item, Key, Kind, Number, Row, Table, Width, packed};

/// Checks one table.
pub(super) fn check(table: &Table, errors: &mut Errors) {
    let mut ascending = Ascending::default();
    for row in &table.rows {
        check_key(table.kind, row, &mut ascending, errors);
        check_width(table.kind, row, errors);
        check_facts(table.kind, row, errors);
        if table.kind == Kind::Vmcs {
            check_vmcs(row, errors);
        }
    }
}

/// Checks what the rows of all tables of a file say about each other.
pub(super) fn check_file(file: &File, errors: &mut Errors) {
    let mut names = Names::default();
    let mut keys = HashMap::new();
    let tables = || {
        file.items.iter().filter_map(|item| match item {
            Item::Table(table) => Some(table),
            _ => None,
        })
    };
    for table in tables() {
        for row in &table.rows {
            check_unique(table.kind, row, &mut names, &mut keys, errors);
        }
    }
    let rows = tables().flat_map(|table| &table.rows);
    let by_name: HashMap<String, &Row> = rows
        .clone()
        .flat_map(|row| row.names().map(move |name| (name.to_string(), row)))
        .collect();
    for row in rows {
        check_order(row, &by_name, errors);
    }
}

fn check_unique(
    kind: Kind,
    row: &Row,
    names: &mut Names,
    keys: &mut HashMap<(u8, u128), Ident>,
    errors: &mut Errors,
) {
    let keys_of_row = row.keys();
    // A range without a running number has been reported.
    let count = if row.name.first.is_some() {
        keys_of_row.len()
    } else {
        1
    };
    for (index, key) in keys_of_row.into_iter().enumerate().take(count) {
        let name = row.name.nth(index as u128);
        names.add(&name, errors);
        if row.facts.alias_of.is_some() {
            continue;
        }
        if let Some(first) = keys.insert((kind as u8, key), name) {
            let why = format!("the number of `{first}`, {key:#x}, is used twice");
            errors.add(row.key.span(), why);
        }
    }
}

/// `after` names a row of the file, and no row waits for itself.
fn check_order(row: &Row, rows: &HashMap<String, &Row>, errors: &mut Errors) {
    let Some(after) = &row.facts.after else {
        return;
    };
    let mut next = Some(after);
    for _ in 0..=rows.len() {
        let Some(name) = next else { return };
        if *name == row.name.ident {
            errors.add(
                after.span(),
                format!("`{name}` would be written after itself"),
            );
            return;
        }
        match rows.get(&name.to_string()) {
            Some(row) => next = row.facts.after.as_ref(),
            None if name == after => {
                errors.add(after.span(), format!("no row is called `{after}`"));
                return;
            }
            None => return,
        }
    }
}

fn check_key(kind: Kind, row: &Row, ascending: &mut Ascending, errors: &mut Errors) {
    match &row.key {
        Key::Range(range) => {
            check_range(range, &row.name, &row.facts.apple, errors);
            for number in [
                Some(&range.first),
                range.rest.as_ref().map(|(last, _)| last),
            ] {
                check_key_fits(kind, number, errors);
            }
            ascending.add_other(&range.first, errors);
            if let Some((number, _)) = &row.facts.number {
                errors.add(
                    number.span(),
                    "only a system register has a computed number",
                );
            }
        }
        Key::Ops(ops) => check_ops(row, ops, errors),
    }
}

fn check_key_fits(kind: Kind, number: Option<&Number>, errors: &mut Errors) {
    let Some(number) = number else { return };
    let (bits, what) = match kind {
        Kind::Vmcs => (15, "a VMCS encoding of 15 bits"),
        _ => (32, "a key of 32 bits"),
    };
    super::check_fits(number, bits, what, errors);
}

/// op0 has 2 bits, op1 and op2 3, CRn and CRm 4; a number of its own must differ from theirs.
fn check_ops(row: &Row, ops: &[Number; 5], errors: &mut Errors) {
    const COLUMNS: [(&str, u128); 5] =
        [("op0", 3), ("op1", 7), ("CRn", 15), ("CRm", 15), ("op2", 7)];
    for (number, (column, most)) in ops.iter().zip(COLUMNS) {
        if number.value > most {
            let why = format!(
                "`{}` is no {column}: accepted are 0 to {most}",
                number.token
            );
            errors.add(number.span(), why);
            return;
        }
    }
    let Some((number, _)) = &row.facts.number else {
        return;
    };
    if !fits(number.value, 16) {
        errors.add(
            number.span(),
            format!("`{}` does not fit the 16 bits", number.token),
        );
    } else if number.value == packed(ops) {
        let why = format!("`{}` is the computed number: leave it out", number.token);
        errors.add(number.span(), why);
    }
}

fn check_width(kind: Kind, row: &Row, errors: &mut Errors) {
    let Width {
        bits,
        natural,
        signed,
        span,
    } = row.width;
    let accepted: &[u32] = match kind {
        Kind::Simd => &[128],
        Kind::Vmcs => &[16, 32, 64],
        _ => &[8, 16, 32, 64],
    };
    if natural && kind != Kind::Vmcs {
        errors.add(span, "`natural` is a width of VMCS fields: expected `u64`");
    } else if signed || !accepted.contains(&bits) {
        let list: Vec<String> = accepted.iter().map(|bits| format!("`u{bits}`")).collect();
        errors.add(span, format!("expected {}", list.join(" or ")));
    }
}

fn check_facts(kind: Kind, row: &Row, errors: &mut Errors) {
    let Facts {
        alias_of,
        nosave,
        volatile,
        routes,
        via,
        ..
    } = &row.facts;
    if let (Some(_), Some((span, _))) = (alias_of, nosave) {
        errors.add(*span, "an alias is not saved: leave `nosave` out");
    }
    if let (Some((span, _)), Some(_)) = (nosave, volatile) {
        errors.add(*span, "`nosave` and `volatile` contradict each other");
    }
    if let Some(alias) = alias_of
        && alias.last == row.name.ident
        && alias.tokens.clone().into_iter().count() == 1
    {
        errors.add(alias.last.span(), "a row cannot be an alias of itself");
    }
    if kind != Kind::Msr {
        return;
    }
    if let Some(emulated) = routes.iter().find(|route| *route == "emulated")
        && (routes.len() > 1 || via.is_some())
    {
        errors.add(
            emulated.span(),
            "`emulated` says that there is no other way",
        );
    }
}

/// An encoding tells width in bits 14:13, type in 11:10 and the half in bit 0 (Intel SDM vol. 3, B.1).
fn check_vmcs(row: &Row, errors: &mut Errors) {
    let Key::Range(range) = &row.key else { return };
    let encoding = range.first.value;
    if !fits(encoding, 15) {
        return;
    }
    let width = ["u16", "u64", "u32", "natural"][(encoding >> 13 & 3) as usize];
    let written = if row.width.natural {
        "natural".to_string()
    } else {
        format!("u{}", row.width.bits)
    };
    if written != width {
        let why = format!(
            "encoding {} is of width `{width}`, not `{written}`",
            range.first.token
        );
        errors.add(row.width.span, why);
    }
    if encoding & 1 != 0 {
        errors.add(
            range.first.span(),
            "an odd encoding is the high half of the field before",
        );
    }
    check_high(row, encoding, width, errors);
    check_class(row, encoding, errors);
}

fn check_high(row: &Row, encoding: u128, width: &str, errors: &mut Errors) {
    match (&row.facts.high, width == "u64") {
        (None, true) => errors.add(
            row.name.ident.span(),
            format!(
                "a 64-bit field says where its high half is: `high {:#06x}`",
                encoding + 1
            ),
        ),
        (Some(high), false) => errors.add(high.span(), "only a `u64` field has a high half"),
        (Some(high), true) if high.value != encoding + 1 => errors.add(
            high.span(),
            format!("the high half of {encoding:#06x} is {:#06x}", encoding + 1),
        ),
        _ => {}
    }
}

fn check_class(row: &Row, encoding: u128, errors: &mut Errors) {
    let Some(class) = &row.facts.access else {
        let span = row.name.ident.span();
        errors.add(span, "expected a class: `rw`, `cond`, `ro`, `hidden`, `refused`, `undocumented`, `framework` or `unknown`");
        return;
    };
    let is_exit_information = encoding >> 10 & 3 == 1;
    if is_exit_information && (class == "rw" || class == "cond" || class == "undocumented") {
        let why = format!(
            "encoding {encoding:#06x} is exit information, which cannot be `{class}`: expected `ro`"
        );
        errors.add(class.span(), why);
    }
}
