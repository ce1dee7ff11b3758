//! What a row may say after its name and width, in any order.

use proc_macro2::{Delimiter, Ident, Literal, TokenTree};

use super::cursor::{Cursor, Read};
use crate::model::{Facts, Name, Number, Version};

/// Reads facts up to and including the `;`. `accepted` are the words that this kind of row may use.
pub(super) fn parse(cursor: &mut Cursor<'_>, accepted: &[&str]) -> Read<Facts> {
    let mut facts = Facts::default();
    facts_into(cursor, accepted, &mut facts)?;
    if !cursor.take(';') {
        let what = format!("{} or `;`", list(accepted));
        return cursor.expected(&what);
    }
    Ok(facts)
}

/// Reads facts as far as there are any.
pub(super) fn facts_into(
    cursor: &mut Cursor<'_>,
    accepted: &[&str],
    facts: &mut Facts,
) -> Read<()> {
    loop {
        if cursor.at('=') && accepted.contains(&"=") {
            cursor.bump();
            equals(cursor, facts)?;
            continue;
        }
        if cursor.at_string() && accepted.contains(&"doc") {
            let span = cursor.span();
            if facts.doc.replace(cursor.string("documentation")?).is_some() {
                return cursor.fail(span, "a row has one line of documentation");
            }
            continue;
        }
        let Some(word) = cursor.peek_word() else {
            return Ok(());
        };
        let Some(word) = accepted.iter().copied().find(|accepted| *accepted == word) else {
            return Ok(());
        };
        let ident = cursor.ident("a fact")?;
        fact(cursor, word, ident, facts)?;
    }
}

/// Reads the rest of one fact after its word.
fn fact(cursor: &mut Cursor<'_>, word: &str, ident: Ident, facts: &mut Facts) -> Read<()> {
    let twice = match word {
        "high" => facts
            .high
            .replace(cursor.number("the encoding of the high half")?)
            .is_some(),
        "since" => facts.since.replace(macos(cursor)?).is_some(),
        "deprecated" => facts.deprecated.replace(macos(cursor)?).is_some(),
        "unsure" => facts
            .unsure
            .replace(cursor.string("a string that says why")?)
            .is_some(),
        "requires" => {
            facts.requires = alternatives(cursor)?;
            false
        }
        "native" | "managed" | "emulated" => {
            let twice = facts.routes.contains(&ident);
            facts.routes.push(ident.clone());
            twice
        }
        "via" => facts
            .via
            .replace(cursor.path("the path of a VMCS field")?)
            .is_some(),
        "alias" => {
            cursor.word("of")?;
            facts
                .alias_of
                .replace(cursor.path("the name of a row")?)
                .is_some()
        }
        "after" => facts
            .after
            .replace(cursor.ident("the name of a row")?)
            .is_some(),
        "order" => facts.order.replace(cursor.number("a number")?).is_some(),
        "volatile" => facts.volatile.replace(ident.span()).is_some(),
        "optional" => facts.optional.replace(ident.span()).is_some(),
        "packed" => facts.packed.replace(ident.span()).is_some(),
        "nosave" => {
            let why = cursor.string("a string that says why")?;
            facts.nosave.replace((ident.span(), why)).is_some()
        }
        "thread" => facts
            .thread
            .replace(cursor.ident("`owner`, `any` or `binds`")?)
            .is_some(),
        "overrides" => {
            facts.overrides = names(cursor)?;
            false
        }
        _ => facts.access.replace(ident.clone()).is_some(),
    };
    if twice {
        let what = match facts.access.as_ref() == Some(&ident) {
            true => "access".to_string(),
            false => format!("`{word}`"),
        };
        return cursor.fail(ident.span(), format!("{what} is given twice"));
    }
    Ok(())
}

/// `= NAME, NAME` or `= 0xe089 "why"`.
fn equals(cursor: &mut Cursor<'_>, facts: &mut Facts) -> Read<()> {
    if cursor.at_number() {
        let number = cursor.number("a number")?;
        let why = cursor.string("a string that says why the number departs")?;
        facts.number = Some((number, why));
        return Ok(());
    }
    loop {
        facts.apple.push(name(cursor, "Apple's name")?);
        if !cursor.take(',') {
            return Ok(());
        }
    }
}

/// A name, perhaps with a running number: `LASTBRANCH_{0}_FROM_IP`.
pub(super) fn name(cursor: &mut Cursor<'_>, what: &str) -> Read<Name> {
    let ident = cursor.ident(what)?;
    let is_running = match cursor.peek() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let mut inside = group.stream().into_iter();
            let is_number = inside
                .next()
                .is_some_and(|token| token.to_string().starts_with(|c: char| c.is_ascii_digit()));
            is_number && inside.next().is_none()
        }
        _ => false,
    };
    if !is_running {
        return Ok(Name { ident, first: None });
    }
    let group = cursor.group(Delimiter::Brace)?;
    let first = cursor.enter(&group).number("the first running number")?;
    let tail = match cursor.peek_word() {
        Some(word) if word.starts_with('_') && word.len() > 1 => {
            cursor.bump();
            word
        }
        _ => String::new(),
    };
    Ok(Name {
        ident,
        first: Some((first, tail)),
    })
}

/// `A, B`
fn names(cursor: &mut Cursor<'_>) -> Read<Vec<Ident>> {
    let mut names = vec![cursor.ident("the name of a row")?];
    while cursor.take(',') {
        names.push(cursor.ident("the name of a row")?);
    }
    Ok(names)
}

/// `a|b`
fn alternatives(cursor: &mut Cursor<'_>) -> Read<Vec<Ident>> {
    let mut names = vec![cursor.ident("a feature")?];
    while cursor.take('|') {
        names.push(cursor.ident("a feature")?);
    }
    Ok(names)
}

/// `macos 10.10.3`
pub(super) fn macos(cursor: &mut Cursor<'_>) -> Read<Version> {
    const WHAT: &str = "a version such as `11.0`";
    cursor.word("macos")?;
    let span = cursor.span();
    let Some(TokenTree::Literal(literal)) = cursor.peek().cloned() else {
        return cursor.expected(WHAT);
    };
    let Some((major, minor)) = version(&literal) else {
        return cursor.expected(WHAT);
    };
    cursor.bump();
    let mut patch = 0;
    if cursor.take('.') {
        let number: Number = cursor.number(WHAT)?;
        match u8::try_from(number.value) {
            Ok(value) => patch = value,
            Err(_) => return cursor.fail(span, format!("expected {WHAT}")),
        }
    }
    Ok(Version(major, minor, patch))
}

fn version(literal: &Literal) -> Option<(u8, u8)> {
    let text = literal.to_string();
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `a`, `b` or `c`, as a message lists them.
fn list(words: &[&str]) -> String {
    let mut text: Vec<String> = words
        .iter()
        .map(|word| match *word {
            "doc" => "a string".to_string(),
            word => format!("`{word}`"),
        })
        .collect();
    text.dedup();
    text.join(", ")
}
