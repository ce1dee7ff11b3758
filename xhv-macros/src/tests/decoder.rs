//! The overlap checks of `instructions` against every word: eight free bits are few enough to try all.

use super::expand;
use crate::errors::Errors;
use crate::model::{Item, Pattern};

fn rows(source: &str) -> Vec<Pattern> {
    let mut errors = Errors::default();
    let file = crate::syntax::parse(source.parse().unwrap(), &mut errors);
    assert_eq!(errors.lines(), [""; 0]);
    file.items
        .into_iter()
        .flat_map(|item| match item {
            Item::Instructions(instructions) => instructions.rows,
            _ => Vec::new(),
        })
        .collect()
}

/// A number below `limit` that is the same in every run (xorshift).
fn below(state: &mut u32, limit: u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state % limit
}

/// Tables of two random patterns of eight bits are refused exactly when a word matches both.
#[test]
fn overlaps_are_found_exactly() {
    let mut state = 0x1234_5678;
    let mut pattern = || -> String {
        (0..8)
            .map(|_| ["0 ", "1 ", "_ "][below(&mut state, 3) as usize])
            .collect()
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..500 {
        let (a, b) = (pattern(), pattern());
        let zeros = "0".repeat(24);
        let source = format!("instructions I cite \"c\" {{ [{a}{zeros}] A; [{b}{zeros}] B; }}");
        let rows = rows(&source);
        let both = (0..=0xff_u32).map(|high| high << 24).any(|word| {
            rows.iter().all(|row| {
                let (mask, value) = row.mask_and_value();
                word & mask == value
            })
        });
        assert_eq!(expand(&source).is_err(), both, "{source}");
        if both { refused += 1 } else { accepted += 1 }
    }
    assert!(accepted > 50 && refused > 50);
}
