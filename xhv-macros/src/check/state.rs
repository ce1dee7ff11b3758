//! Checks the form that makes a snapshot struct.

use super::Names;
use crate::errors::Errors;
use crate::model::State;

/// Keys of the file that are not groups.
const TAKEN: &[&str] = &["format", "version", "arch", "extra"];

/// Checks a snapshot struct.
pub(super) fn check(state: &State, errors: &mut Errors) {
    if state.arch != "x86_64" && state.arch != "aarch64" {
        errors.add(state.arch.span(), "expected `x86_64` or `aarch64`");
    }
    let mut names = Names::default();
    let groups = state.groups.iter().map(|group| &group.name);
    for name in groups.chain(state.extras.iter().map(|extra| &extra.name)) {
        names.add(name, errors);
        if TAKEN.contains(&name.to_string().as_str()) {
            errors.add(
                name.span(),
                format!("`{name}` is a key that every file has"),
            );
        }
    }
}
