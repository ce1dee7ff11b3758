//! Reads tables of rows that become typed constants, and `msr` and `sysreg`, which are one row with its bit fields.

use proc_macro2::{Literal, TokenTree};

use super::cursor::{Cursor, Read};
use super::{facts, fields, head, range, rows, width};
use crate::model::{Fields, Item, Key, Kind, Number, Path, Row, Table};

/// Facts that every kind of row may have.
macro_rules! facts {
    ($($word:literal)*) => {
        &[$($word,)* "=", "since", "deprecated", "unsure", "alias", "after", "order", "volatile", "optional", "nosave", "doc"]
    };
}

fn accepted(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Vmcs => {
            facts!["rw" "cond" "ro" "hidden" "refused" "undocumented" "framework" "unknown" "high"]
        }
        Kind::Msr => facts!["rw" "ro" "wo" "native" "managed" "via" "emulated"],
        Kind::SystemRegister
        | Kind::FeatureRegister
        | Kind::GicDistributor
        | Kind::GicRedistributor
        | Kind::GicIcc
        | Kind::GicIch
        | Kind::GicIcv
        | Kind::GicMsi => facts!["rw" "ro" "wo" "requires"],
        Kind::Register | Kind::Simd => facts!["rw" "ro" "wo"],
        Kind::Capability => facts![],
    }
}

/// `gic distributor`
pub(super) fn parse_gic_kind(cursor: &mut Cursor<'_>) -> Read<Kind> {
    let kind = match cursor.peek_word().as_deref() {
        Some("distributor") => Kind::GicDistributor,
        Some("redistributor") => Kind::GicRedistributor,
        Some("icc") => Kind::GicIcc,
        Some("ich") => Kind::GicIch,
        Some("icv") => Kind::GicIcv,
        Some("msi") => Kind::GicMsi,
        _ => {
            return cursor.expected("`distributor`, `redistributor`, `icc`, `ich`, `icv` or `msi`");
        }
    };
    cursor.bump();
    Ok(kind)
}

/// A table after its keyword.
pub(super) fn parse(cursor: &mut Cursor<'_>, docs: Vec<Literal>, kind: Kind) -> Read<Table> {
    if kind == Kind::Register || kind == Kind::Simd {
        // The name of the architecture, for the reader.
        if !cursor.at_word("cite") {
            cursor.ident("an architecture or `cite`")?;
        }
    }
    let head = head(cursor, docs)?;
    let rows = rows(cursor, |cursor| parse_row(cursor, kind))?;
    Ok(Table { head, kind, rows })
}

fn parse_row(cursor: &mut Cursor<'_>, kind: Kind) -> Read<Row> {
    let key = parse_key(cursor, kind)?;
    let name = facts::name(cursor, "the name of the row")?;
    let has_width = kind != Kind::Capability || cursor.at(':');
    let (width, ty) = if has_width {
        cursor.sign(':')?;
        (width(cursor)?, parse_as(cursor)?)
    } else {
        let span = name.ident.span();
        (
            crate::model::Width {
                bits: 64,
                natural: false,
                signed: false,
                span,
            },
            None,
        )
    };
    let facts = facts::parse(cursor, accepted(kind))?;
    Ok(Row {
        key,
        name,
        width,
        ty,
        facts,
    })
}

/// A number, a range, or the five columns of a system register.
fn parse_key(cursor: &mut Cursor<'_>, kind: Kind) -> Read<Key> {
    let may_have_ops = matches!(
        kind,
        Kind::SystemRegister | Kind::GicIcc | Kind::GicIch | Kind::GicIcv
    );
    let second_is_number = matches!(cursor.peek_second(), Some(TokenTree::Literal(_)));
    if kind != Kind::SystemRegister && !(may_have_ops && second_is_number) {
        return Ok(Key::Range(range(cursor, "the number of a row")?));
    }
    let mut number = |what: &str| -> Read<Number> { cursor.number(what) };
    Ok(Key::Ops([
        number("op0")?,
        number("op1")?,
        number("CRn")?,
        number("CRm")?,
        number("op2")?,
    ]))
}

/// `as Type`, if it is there.
pub(super) fn parse_as(cursor: &mut Cursor<'_>) -> Read<Option<Path>> {
    match cursor.take_word("as") {
        true => cursor.path("a type").map(Some),
        false => Ok(None),
    }
}

/// `msr 0xc000_0080 EFER: Efer rw … cite "…" { bit rows }`: the type and the constant.
pub(super) fn parse_single(
    cursor: &mut Cursor<'_>,
    docs: Vec<Literal>,
    kind: Kind,
) -> Read<[Item; 2]> {
    let key = parse_key(cursor, kind)?;
    let name = facts::name(cursor, "the name of the register")?;
    cursor.sign(':')?;
    let type_name = cursor.ident("the name of the type that the rows describe")?;
    let mut facts = crate::model::Facts::default();
    facts::facts_into(cursor, accepted(kind), &mut facts)?;
    let head = head(cursor, docs)?;
    let width = crate::model::Width {
        bits: 64,
        natural: false,
        signed: false,
        span: type_name.span(),
    };
    let field_rows = rows(cursor, fields::parse_row)?;
    let ty = Path {
        tokens: TokenTree::Ident(type_name.clone()).into(),
        last: type_name.clone(),
    };
    let row = Row {
        key,
        name,
        width: width.clone(),
        ty: Some(ty),
        facts,
    };
    let fields = Fields {
        head: head.clone(),
        name: type_name,
        width,
        rows: field_rows,
    };
    Ok([
        Item::Fields(fields),
        Item::Table(Table {
            head,
            kind,
            rows: vec![row],
        }),
    ])
}
