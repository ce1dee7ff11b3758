//! Reads the form that makes a snapshot struct.

use proc_macro2::{Delimiter, Literal};

use super::cursor::{Cursor, Read, Reported};
use super::{framework, head, type_name};
use crate::model::{Extra, Group, State};

/// `state` after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>) -> Read<State> {
    let name = type_name(cursor)?;
    cursor.word("on")?;
    let arch = cursor.ident("`x86_64` or `aarch64`")?;
    let head = head(cursor, docs)?;
    let braces = cursor.group(Delimiter::Brace)?;
    let mut inside = cursor.enter(&braces);
    let (mut groups, mut extras) = (Vec::new(), Vec::new());
    while !inside.is_done() {
        if parse_row(&mut inside, &mut groups, &mut extras).is_err() {
            inside.skip_row();
        }
    }
    if braces.stream().is_empty() {
        cursor
            .errors
            .add(braces.span(), "expected groups such as `general reg;`");
        return Err(Reported);
    }
    Ok(State {
        head,
        name,
        arch,
        groups,
        extras,
    })
}

/// `general reg;` or `extra fpu: FpState;`
fn parse_row(
    cursor: &mut Cursor<'_>,
    groups: &mut Vec<Group>,
    extras: &mut Vec<Extra>,
) -> Read<()> {
    if cursor.take_word("extra") {
        let name = cursor.ident("the name of the part")?;
        cursor.sign(':')?;
        let ty = framework::parse_type(cursor)?;
        extras.push(Extra { name, ty });
    } else {
        let name = cursor.ident("the name of a group, or `extra`")?;
        let module = cursor.path("the module whose `ALL` is saved")?;
        groups.push(Group { name, module });
    }
    cursor.sign(';')
}
