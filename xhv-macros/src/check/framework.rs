//! Checks FFI: names, layouts, threads.

use super::{Ascending, Names, check_fits, values};
use crate::errors::Errors;
use crate::model::{Ffi, FfiRow, Framework, Struct};

/// Checks the FFI of a library.
pub(super) fn check(framework: &Framework, errors: &mut Errors) {
    if framework.arch != "x86_64" && framework.arch != "aarch64" {
        errors.add(framework.arch.span(), "expected `x86_64` or `aarch64`");
    }
    let mut names = Names::default();
    for row in &framework.rows {
        if row.name != "_" {
            names.add(&row.name, errors);
        } else if !matches!(row.what, Ffi::Enum(..)) {
            errors.add(row.name.span(), "only an `enum` or `flags` may be nameless");
        }
        check_row(row, &mut names, errors);
    }
}

fn check_row(row: &FfiRow, names: &mut Names, errors: &mut Errors) {
    match &row.what {
        Ffi::Alias(_) | Ffi::Opaque => {}
        Ffi::Vector(size, align) => {
            if ![16, 32, 64].contains(&size.value) {
                errors.add(size.span(), "a vector is of 16, 32 or 64 bytes");
            }
            if align.value != 16 {
                errors.add(align.span(), "a vector is aligned to 16 bytes");
            }
        }
        Ffi::Struct(layout) => check_struct(layout, errors),
        Ffi::Enum(width, rows, _) => {
            if ![8, 16, 32, 64].contains(&width.bits) || width.natural {
                errors.add(width.span, "expected `u8`, `u16`, `u32`, `u64` or `i32`");
            }
            values::check_rows(rows, width, errors);
            for row in rows {
                for index in 0..row.range.numbers().count() {
                    names.add(&row.name.nth(index as u128), errors);
                }
            }
        }
        Ffi::Const(ty, value) => {
            let bits = ty.text.trim_start_matches(['u', 'i']).parse().unwrap_or(64);
            check_fits(value, bits, &format!("`{}`", ty.text), errors);
        }
        Ffi::Fn(parameters, _) => {
            let mut names = Names::default();
            for parameter in parameters {
                names.add(&parameter.name, errors);
            }
            check_thread(row, errors);
        }
    }
}

fn check_thread(row: &FfiRow, errors: &mut Errors) {
    if let Some(thread) = &row.facts.thread
        && thread != "owner"
        && thread != "any"
        && thread != "binds"
    {
        errors.add(thread.span(), "expected `owner`, `any` or `binds`");
    }
}

/// Sizes of members are known to rustc only: the expansion asserts them.
fn check_struct(layout: &Struct, errors: &mut Errors) {
    let Struct {
        size,
        align,
        members,
    } = layout;
    if !align.value.is_power_of_two() || align.value > 4096 {
        errors.add(align.span(), "an alignment is a power of two");
    } else if size.value % align.value != 0 {
        errors.add(
            size.span(),
            format!("`{}` is no multiple of the alignment", size.token),
        );
    }
    let (mut ascending, mut names) = (Ascending::default(), Names::default());
    for member in members {
        names.add(&member.name, errors);
        ascending.add(&member.offset, errors);
        if member.offset.value >= size.value {
            let why = format!("offset {} is beyond the size", member.offset.token);
            errors.add(member.offset.span(), why);
        }
    }
}
