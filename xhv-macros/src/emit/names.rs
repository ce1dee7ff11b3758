//! How names of tables become names of Rust.

use proc_macro2::Ident;

use crate::model::{FieldRow, What};

/// Words that Rust keeps for itself and that a getter could be called.
const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Methods that every bit-field type has.
const METHODS: &[&str] = &[
    "from_bits",
    "bits",
    "empty",
    "is_empty",
    "contains",
    "intersects",
    "union",
    "intersection",
    "difference",
    "insert",
    "remove",
    "toggle",
    "set",
    "with",
];

/// `IOPL` → `iopl`, `TYPE` → `type_`.
pub(crate) fn getter_name(name: &Ident) -> Ident {
    let mut getter = plain(name).to_lowercase();
    if RESERVED.contains(&getter.as_str()) || METHODS.contains(&getter.as_str()) {
        getter.push('_');
    }
    Ident::new(&getter, name.span())
}

/// `AllToo` → `ALL_TOO`; upper-case names stay.
pub(crate) fn constant_name(name: &Ident) -> Ident {
    let text = plain(name);
    let mut constant = String::new();
    let mut before = None::<char>;
    for c in text.chars() {
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && text.contains(|c: char| c.is_ascii_lowercase());
        if starts_word {
            constant.push('_');
        }
        constant.push(c.to_ascii_uppercase());
        before = Some(c);
    }
    if constant == "SELF" {
        constant.push('_');
    }
    Ident::new(&constant, name.span())
}

/// `EPT_VIOLATION` → `EptViolation`, `ADD_imm` → `AddImm`; `CamelCase` stays.
pub(crate) fn camel(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let mut out = String::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let is_mixed = part.contains(|c: char| c.is_ascii_lowercase())
            && part.contains(|c: char| c.is_ascii_uppercase());
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        match is_mixed {
            true => out.push_str(chars.as_str()),
            false => out.push_str(&chars.as_str().to_ascii_lowercase()),
        }
    }
    if out.starts_with(|c: char| !c.is_ascii_alphabetic()) || out.is_empty() {
        out.insert(0, 'N');
    }
    match out.as_str() {
        "Self" => "Self_".to_string(),
        _ => out,
    }
}

fn plain(name: &Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_string()
}

/// Whether a row of a bit-field type is a flag: one bit and nothing more.
pub(crate) fn is_flag(row: &FieldRow) -> bool {
    matches!(row.what, What::Plain(_)) && row.width() == 1
}
