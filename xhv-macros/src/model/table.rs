//! Tables of rows, bit fields, named values and control words.

use proc_macro2::{Ident, Literal, Span};

use super::{Head, Name, Number, Path, Range, Version, Width};

/// What a row may say after its name and width.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// `rw`, `ro`, `wo`, or a class of the VMCS; in bit fields also `w1c`.
    pub access: Option<Ident>,
    /// `= NAME, OLDER_NAME`.
    pub apple: Vec<Name>,
    /// `= 0xe089 "why"`: the number, where it departs from the computed one.
    pub number: Option<(Number, Literal)>,
    /// `high 0x2011`.
    pub high: Option<Number>,
    /// `since macos 11.0`.
    pub since: Option<Version>,
    /// `deprecated macos 11.0`.
    pub deprecated: Option<Version>,
    /// `unsure "why"`.
    pub unsure: Option<Literal>,
    /// `requires el2|gic`.
    pub requires: Vec<Ident>,
    /// `native`, `managed`, `emulated`.
    pub routes: Vec<Ident>,
    /// `via vmcs::GUEST_IA32_EFER`.
    pub via: Option<Path>,
    /// `alias of OTHER`.
    pub alias_of: Option<Path>,
    /// `after ROW`.
    pub after: Option<Ident>,
    /// `order 3`.
    pub order: Option<Number>,
    /// `volatile`.
    pub volatile: Option<Span>,
    /// `optional`.
    pub optional: Option<Span>,
    /// `nosave "why"`.
    pub nosave: Option<(Span, Literal)>,
    /// `thread owner`.
    pub thread: Option<Ident>,
    /// `packed`.
    pub packed: Option<Span>,
    /// `overrides A, B`.
    pub overrides: Vec<Ident>,
    /// The line of documentation.
    pub doc: Option<Literal>,
}

/// The kinds of tables, which differ in the space of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `registers`
    Register,
    /// `simd`
    Simd,
    /// `vmcs`
    Vmcs,
    /// `msrs`
    Msr,
    /// `sysregs`
    SystemRegister,
    /// `capabilities`
    Capability,
    /// `feature_registers`
    FeatureRegister,
    /// `gic distributor`
    GicDistributor,
    /// `gic redistributor`
    GicRedistributor,
    /// `gic icc`
    GicIcc,
    /// `gic ich`
    GicIch,
    /// `gic icv`
    GicIcv,
    /// `gic msi`
    GicMsi,
}

/// A list of rows that become typed constants.
#[derive(Debug)]
pub(crate) struct Table {
    /// Docs and citation.
    pub head: Head,
    /// Kind of rows.
    pub kind: Kind,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a row is found by.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// Id, encoding or index; or several.
    Range(Range),
    /// op0, op1, CRn, CRm, op2.
    Ops([Number; 5]),
}

/// A row that becomes a typed constant.
#[derive(Debug)]
pub(crate) struct Row {
    /// What it is found by.
    pub key: Key,
    /// Its name in the manual.
    pub name: Name,
    /// Its width.
    pub width: Width,
    /// The type of its value, if it is not a plain number.
    pub ty: Option<Path>,
    /// The rest.
    pub facts: Facts,
}

/// A bit-field type.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Docs and citation.
    pub head: Head,
    /// Name of the type.
    pub name: Ident,
    /// Its width.
    pub width: Width,
    /// The rows, highest bit first.
    pub rows: Vec<FieldRow>,
}

/// A row of a bit-field type.
#[derive(Debug)]
pub(crate) struct FieldRow {
    /// Highest bit.
    pub msb: Number,
    /// Lowest bit, if it is not the highest too.
    pub lsb: Option<Number>,
    /// What the bits are.
    pub what: What,
    /// The rest.
    pub facts: Facts,
}

impl FieldRow {
    /// Highest and lowest bit.
    pub(crate) fn bits(&self) -> (u128, u128) {
        (
            self.msb.value,
            self.lsb.as_ref().map_or(self.msb.value, |lsb| lsb.value),
        )
    }
    /// How many bits; `check` has seen that they are in order.
    pub(crate) fn width(&self) -> u32 {
        let (msb, lsb) = self.bits();
        u32::try_from(msb.saturating_sub(lsb) + 1)
            .unwrap_or(128)
            .min(128)
    }
    /// Its name, if it is not reserved.
    pub(crate) fn name(&self) -> Option<&Ident> {
        match &self.what {
            What::Reserved(_) => None,
            What::Plain(name) | What::Typed(name, _) | What::Values(name, _) => Some(name),
        }
    }
}

/// What a field's bits are.
#[derive(Debug)]
pub(crate) enum What {
    /// `res0`, `res1`, `res`, `ignored`.
    Reserved(Ident),
    /// A flag if it is one bit, else a number.
    Plain(Ident),
    /// A value of a type.
    Typed(Ident, Path),
    /// One of these values, or any other.
    Values(Ident, Vec<ValueRow>),
}

/// An open set of named values.
#[derive(Debug)]
pub(crate) struct Values {
    /// Docs and citation.
    pub head: Head,
    /// Name of the type.
    pub name: Ident,
    /// Its width.
    pub width: Width,
    /// The rows.
    pub rows: Vec<ValueRow>,
}

/// A named value, or a range of them.
#[derive(Debug)]
pub(crate) struct ValueRow {
    /// The value or values.
    pub range: Range,
    /// The name.
    pub name: Name,
    /// The rest.
    pub facts: Facts,
}

/// A control word.
#[derive(Debug)]
pub(crate) struct Controls {
    /// The type; its rows ascend and may leave gaps.
    pub fields: Fields,
    /// `of vmcs::PIN_BASED_CONTROLS`.
    pub of: Option<Path>,
    /// `capability capabilities::PINBASED`.
    pub capability: Option<Path>,
    /// `default1 0x16`.
    pub default1: Option<Number>,
    /// `true_default1 0x16`.
    pub true_default1: Option<Number>,
}

impl Key {
    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        match self {
            Key::Range(range) => range.first.span(),
            Key::Ops(ops) => ops[0].span(),
        }
    }
}

impl Row {
    /// The names of the row.
    pub(crate) fn names(&self) -> impl Iterator<Item = Ident> {
        (0..self.keys().len()).map(|index| self.name.nth(index as u128))
    }

    /// The numbers of the row.
    pub(crate) fn keys(&self) -> Vec<u128> {
        match &self.key {
            Key::Range(range) => range.numbers().collect(),
            Key::Ops(ops) => {
                let computed = packed(ops);
                vec![
                    self.facts
                        .number
                        .as_ref()
                        .map_or(computed, |(number, _)| number.value),
                ]
            }
        }
    }
}

/// op0[15:14] op1[13:11] CRn[10:7] CRm[6:3] op2[2:0], as `hv_sys_reg_t` packs them.
pub(crate) fn packed(ops: &[Number; 5]) -> u128 {
    let [op0, op1, crn, crm, op2] = ops.each_ref().map(|number| number.value & 0xf);
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}
