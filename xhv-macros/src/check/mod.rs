//! Compares what a spec file says twice, and refuses what cannot be: one file for each kind of item, after `syntax`.

mod exits;
mod fields;
mod framework;
mod instructions;
mod state;
mod table;
mod values;

use std::collections::HashMap;

use proc_macro2::Ident;

use crate::errors::Errors;
use crate::model::{Fields, File, Item, MAX_RANGE, Name, Number, Range, What};

/// Checks a file; errors are added at the smallest wrong token.
pub(crate) fn check(file: &File, errors: &mut Errors) {
    let mut names = Names::default();
    for item in &file.items {
        check_name(item, &mut names, errors);
        match item {
            Item::Table(table) => table::check(table, errors),
            Item::Fields(fields) => fields::check(fields, errors),
            Item::Values(values) => values::check(values, errors),
            Item::Controls(controls) => fields::check_controls(controls, errors),
            Item::Exits(exits) => exits::check(exits, errors),
            Item::Framework(framework) => framework::check(framework, errors),
            Item::State(state) => state::check(state, errors),
            Item::Instructions(instructions) => instructions::check(instructions, errors),
        }
    }
    table::check_file(file, errors);
}

/// Types of one file share a name space, those that the expansion adds too.
fn check_name(item: &Item, names: &mut Names, errors: &mut Errors) {
    match item {
        Item::Table(_) | Item::Framework(_) => {}
        Item::Fields(fields) => check_field_types(fields, names, errors),
        Item::Values(values) => names.add(&values.name, errors),
        Item::Controls(controls) => check_field_types(&controls.fields, names, errors),
        Item::Exits(exits) => {
            names.add(&exits.name, errors);
            names.add_as(format!("{}Reason", exits.name), &exits.name, errors);
            for row in exits.rows.iter().filter(|row| !row.payload.is_empty()) {
                names.add_as(crate::emit::camel(&row.name.to_string()), &row.name, errors);
            }
        }
        Item::State(state) => names.add(&state.name, errors),
        Item::Instructions(instructions) => {
            names.add(&instructions.name, errors);
            for row in instructions.rows.iter().filter(|row| row.name != "_") {
                names.add_as(crate::emit::camel(&row.name.to_string()), &row.name, errors);
            }
        }
    }
}

/// A bit-field type, and the types of its fields with named values.
fn check_field_types(fields: &Fields, names: &mut Names, errors: &mut Errors) {
    names.add(&fields.name, errors);
    for row in &fields.rows {
        if let What::Values(name, _) = &row.what {
            let ty = crate::emit::values_type(fields, name);
            names.add_as(ty.to_string(), name, errors);
        }
    }
}

/// Names that must differ.
#[derive(Default)]
struct Names {
    seen: HashMap<String, Ident>,
}

impl Names {
    /// Adds a name, or reports that it is taken.
    fn add(&mut self, name: &Ident, errors: &mut Errors) {
        self.add_as(name.to_string(), name, errors);
    }

    /// Adds a name in the form in which it must be unique.
    fn add_as(&mut self, form: String, name: &Ident, errors: &mut Errors) {
        match self.seen.get(&form) {
            None => {
                self.seen.insert(form, name.clone());
            }
            Some(first) if first == name => {
                errors.add(name.span(), format!("`{name}` is defined twice"));
            }
            Some(first) => errors.add(
                name.span(),
                format!("`{first}` and `{name}` would both be called `{form}`"),
            ),
        }
    }

    /// Whether the name has been added.
    fn contains(&self, name: &Ident) -> bool {
        self.seen.contains_key(&name.to_string())
    }
}

/// Numbers that must ascend.
#[derive(Default)]
struct Ascending {
    last: Option<u128>,
}

impl Ascending {
    /// The next range, which must start after the last one began, and must not repeat its number.
    fn add(&mut self, first: &Number, errors: &mut Errors) {
        if let Some(last) = self.last {
            let token = &first.token;
            if first.value == last {
                errors.add(first.span(), format!("`{token}` is used twice"));
            } else if first.value < last {
                errors.add(
                    first.span(),
                    format!("`{token}` stands after {last:#x}: rows ascend"),
                );
            }
        }
        self.last = Some(self.last.map_or(first.value, |last| last.max(first.value)));
    }
}

impl Ascending {
    /// The same for numbers whose repetition another check finds.
    fn add_other(&mut self, first: &Number, errors: &mut Errors) {
        if self.last != Some(first.value) {
            self.add(first, errors);
        }
    }
}

/// A range of numbers and the name that counts them.
fn check_range(range: &Range, name: &Name, apple: &[Name], errors: &mut Errors) {
    let Some((last, step)) = &range.rest else {
        for name in core::iter::once(name).chain(apple) {
            if let Some((number, _)) = &name.first {
                errors.add(
                    number.span(),
                    "a running number needs a range such as `0..=3`",
                );
            }
        }
        return;
    };
    for name in core::iter::once(name).chain(apple) {
        if name.first.is_none() {
            let why = format!(
                "a range needs a running number in the name: `{}{{0}}`",
                name.ident
            );
            errors.add(name.ident.span(), why);
        }
    }
    let step_span = step.as_ref().map_or(last.span(), Number::span);
    let distance = last.value.checked_sub(range.first.value);
    match distance {
        None => errors.add(last.span(), "the range ends before it starts"),
        Some(_) if range.step() == 0 => errors.add(step_span, "the step must not be 0"),
        Some(distance) if distance % range.step() != 0 => {
            errors.add(last.span(), "the step does not lead to the last number");
        }
        Some(distance) if distance / range.step() >= MAX_RANGE => {
            errors.add(
                last.span(),
                format!("more than {MAX_RANGE} rows in one range"),
            );
        }
        Some(_) => {}
    }
}

/// Whether a number fits so many bits.
fn fits(value: u128, bits: u32) -> bool {
    128 - value.leading_zeros() <= bits
}

/// Reports a number that does not fit.
fn check_fits(number: &Number, bits: u32, what: &str, errors: &mut Errors) {
    if !fits(number.value, bits) {
        errors.add(
            number.span(),
            format!("`{}` does not fit {what}", number.token),
        );
    }
}

/// A slice of a value: `[15:0]`.
fn check_bits(msb: &Number, lsb: Option<&Number>, width: u32, errors: &mut Errors) -> bool {
    if msb.value >= u128::from(width) {
        errors.add(
            msb.span(),
            format!("bit {} is beyond the {width} bits", msb.token),
        );
        return false;
    }
    match lsb {
        Some(lsb) if lsb.value > msb.value => {
            errors.add(lsb.span(), "the highest bit stands first");
            false
        }
        _ => true,
    }
}
