//! Writes a decoder: a newtype with field getters for each instruction, an enum over all, and a decision tree.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{camel, docs, getter_name, head_docs, hex};
use crate::model::{Bits, Instructions, Pattern};

/// An `instructions` item.
pub(super) fn emit(instructions: &Instructions) -> TokenStream {
    let name = &instructions.name;
    let head = head_docs(&instructions.head, name);
    let named: Vec<&Pattern> = instructions
        .rows
        .iter()
        .filter(|row| row.name != "_")
        .collect();
    let structs = named.iter().map(|row| emit_struct(name, row));
    let variants = named.iter().map(|row| {
        let (variant, docs) = (variant(row), docs(&row.facts, 0, &pattern_text(row), None));
        quote!(#docs #variant(#variant))
    });
    let words = named.iter().map(|row| {
        let variant = variant(row);
        quote!(Self::#variant(instruction) => instruction.0)
    });
    let infos = instructions.rows.iter().map(emit_info);
    let tree = emit_tree(&by_specificity(instructions), 0);
    quote! {
        #head
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::cmp::Eq)]
        pub enum #name { #(#variants,)* }
        #(#structs)*
        impl #name {
            #[doc = "All rows of the table, those without an instruction too."]
            pub const ALL: &'static [::xhv::typed::InstructionInfo] = &[#(#infos),*];
            #[doc = "The instruction that a word is, if the table has it."]
            pub const fn decode(word: u32) -> ::core::option::Option<Self> { #tree }
            #[doc = "The word."]
            pub const fn word(self) -> u32 { match self { #(#words,)* } }
        }
    }
}

fn variant(row: &Pattern) -> Ident {
    Ident::new(&camel(&row.name.to_string()), row.name.span())
}

/// Fields with the place of their lowest bit.
fn fields(row: &Pattern) -> Vec<(&Ident, u32, u32, bool)> {
    let mut lsb = 32;
    let mut fields = Vec::new();
    for part in &row.parts {
        lsb -= part.width;
        if let Bits::Field { name, signed } = &part.what {
            fields.push((name, part.width, lsb, *signed));
        }
    }
    fields
}

/// `0b0010001…` as the row draws it.
fn pattern_text(row: &Pattern) -> String {
    let part = |part: &crate::model::Part| match &part.what {
        Bits::Fixed(bits) => format!("{bits:0width$b}", width = part.width as usize),
        Bits::Any => "x".repeat(part.width as usize),
        Bits::Field { name, .. } if part.width == 1 => name.to_string(),
        Bits::Field { name, .. } => format!("{name}:{}", part.width),
    };
    format!(
        "`{}`",
        row.parts.iter().map(part).collect::<Vec<_>>().join(" ")
    )
}

fn emit_struct(of: &Ident, row: &Pattern) -> TokenStream {
    let name = variant(row);
    let line = format!("Fields of [`{of}::{name}`]; the number is the word.");
    let getters = fields(row).into_iter().map(|(field, width, lsb, signed)| {
        let getter = getter_name(field);
        let text = match width {
            1 => format!("`{field}`, bit {lsb}."),
            _ => format!("`{field}`, bits {}:{lsb}.", lsb + width - 1),
        };
        let (ty, value) = extract(width, lsb, signed);
        quote! {
            #[doc = #text]
            #[inline(always)]
            pub const fn #getter(self) -> #ty { #value }
        }
    });
    quote! {
        #[doc = #line]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::cmp::Eq)]
        pub struct #name(pub u32);
        impl #name { #(#getters)* }
    }
}

/// Type and value of a field: `bool` for one bit, `i32` with the sign extended, else `u32`.
fn extract(width: u32, lsb: u32, signed: bool) -> (TokenStream, TokenStream) {
    let mask = hex(u128::from(u32::MAX >> (32 - width)));
    match (signed, width) {
        (true, _) => {
            let (up, down) = (32 - lsb - width, 32 - width);
            (quote!(i32), quote!(((self.0 << #up) as i32) >> #down))
        }
        (false, 1) => (quote!(bool), quote!(self.0 >> #lsb & 1 != 0)),
        (false, 32) => (quote!(u32), quote!(self.0)),
        (false, _) => (quote!(u32), quote!(self.0 >> #lsb & #mask)),
    }
}

fn emit_info(row: &Pattern) -> TokenStream {
    let (mask, value) = row.mask_and_value();
    let (mask, value) = (hex(mask.into()), hex(value.into()));
    let name = row.name.to_string();
    let overrides = row.facts.overrides.iter().map(Ident::to_string);
    let fields = fields(row).into_iter().map(|(field, width, lsb, signed)| {
        let (field, msb, lsb) = (field.to_string(), (lsb + width - 1) as u8, lsb as u8);
        quote! {
            ::xhv::typed::PatternField { name: #field, msb: #msb, lsb: #lsb, signed: #signed }
        }
    });
    let doc = row
        .facts
        .doc
        .clone()
        .unwrap_or_else(|| proc_macro2::Literal::string(""));
    quote! {
        ::xhv::typed::InstructionInfo {
            name: #name, mask: #mask, value: #value, fields: &[#(#fields),*], overrides: &[#(#overrides),*],
            doc: #doc,
        }
    }
}

/// Rows that override others come before them: `check` has seen that they fix more bits.
fn by_specificity(instructions: &Instructions) -> Vec<&Pattern> {
    let mut rows: Vec<&Pattern> = instructions.rows.iter().collect();
    rows.sort_by_key(|row| core::cmp::Reverse(row.mask_and_value().0.count_ones()));
    rows
}

/// So few rows are compared one after the other.
const LEAF: usize = 3;
/// One `match` looks at so many bits at most.
const MATCH_BITS: u32 = 8;

/// A tree of matches on bits that all remaining rows fix; `known` are the bits already looked at.
fn emit_tree(rows: &[&Pattern], known: u32) -> TokenStream {
    let common = rows
        .iter()
        .fold(!known, |common, row| common & row.mask_and_value().0);
    if rows.len() <= LEAF {
        return emit_leaf(rows);
    }
    let Some((lsb, width)) = widest_run(common).or_else(|| most_fixed(rows, known)) else {
        return emit_leaf(rows);
    };
    let mask = u32::MAX >> (32 - width);
    let bits = mask << lsb;
    let arms = (0..=mask).filter_map(|value| {
        let matching: Vec<&Pattern> = rows
            .iter()
            .copied()
            .filter(|row| {
                let (row_mask, row_value) = row.mask_and_value();
                (row_value ^ value << lsb) & row_mask & bits == 0
            })
            .collect();
        (!matching.is_empty()).then(|| {
            let tree = emit_tree(&matching, known | bits);
            let value = hex(value.into());
            quote!(#value => #tree)
        })
    });
    let mask = hex(mask.into());
    quote!(match word >> #lsb & #mask { #(#arms,)* _ => ::core::option::Option::None })
}

/// The widest run of ones, highest first; at most `MATCH_BITS` of it.
fn widest_run(bits: u32) -> Option<(u32, u32)> {
    let mut best = None;
    let mut msb = 32;
    while msb > 0 {
        let run = (bits << (32 - msb)).leading_ones().min(msb);
        if run > best.map_or(0, |(_, width)| width) {
            let width = run.min(MATCH_BITS);
            best = Some((msb - width, width));
        }
        msb -= run.max(1);
    }
    best
}

/// The bit that most rows fix; the others go both ways.
fn most_fixed(rows: &[&Pattern], known: u32) -> Option<(u32, u32)> {
    let fixing = |bit: &u32| {
        rows.iter()
            .filter(|row| row.mask_and_value().0 >> bit & 1 != 0)
            .count()
    };
    let bit = (0..32)
        .filter(|bit| known >> bit & 1 == 0)
        .max_by_key(fixing)?;
    (fixing(&bit) > 0).then_some((bit, 1))
}

fn emit_leaf(rows: &[&Pattern]) -> TokenStream {
    let mut tree = quote!({ ::core::option::Option::None });
    for row in rows.iter().rev() {
        let (mask, value) = row.mask_and_value();
        let (mask, value) = (hex(mask.into()), hex(value.into()));
        let found = match row.name == "_" {
            true => quote!(::core::option::Option::None),
            false => {
                let variant = variant(row);
                quote!(::core::option::Option::Some(Self::#variant(#variant(word))))
            }
        };
        tree = quote!({ if word & #mask == #value { #found } else #tree });
    }
    tree
}
