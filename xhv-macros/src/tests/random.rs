//! Random tokens, and tables with random damage: errors are fine, a panic is not.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::golden::FORMS;

/// A generator of numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Words of the language, and what can go wrong around them.
const TOKENS: &str = "registers simd vmcs controls capabilities msr msrs sysreg sysregs fields values exits framework \
    library state instructions gic distributor feature_registers cite \"c\" A B RIP u8 u64 u128 u0 i32 natural as of in \
    on since macos 10.10 11.0 unsure requires alias after order volatile optional nosave high rw ro hidden native via \
    thread owner step type opaque vector struct enum flags const fn out inout ref size align extra overrides res0 res1 \
    : ; , . = | * - > # _ 0 1 31 32 63 64 127 128 255 0x2010 0x6820 0xffff_ffff_ffff_ffff 1u8 1.5 \
    340282366920938463463374607431768211455 340282366920938463463374607431768211456 'a' b\"x\" r#type self";

fn token_list() -> Vec<TokenTree> {
    TOKENS.parse::<TokenStream>().unwrap().into_iter().collect()
}

fn random_tokens(random: &mut Random, tokens: &[TokenTree], depth: usize) -> TokenStream {
    let length = random.below(12);
    (0..length)
        .map(|_| {
            if depth > 0 && random.below(5) == 0 {
                return random_group(random, tokens, depth);
            }
            tokens[random.below(tokens.len())].clone()
        })
        .collect()
}

fn random_group(random: &mut Random, tokens: &[TokenTree], depth: usize) -> TokenTree {
    const DELIMITERS: [Delimiter; 4] = [
        Delimiter::Brace,
        Delimiter::Bracket,
        Delimiter::Parenthesis,
        Delimiter::None,
    ];
    let delimiter = DELIMITERS[random.below(4)];
    TokenTree::Group(Group::new(
        delimiter,
        random_tokens(random, tokens, depth - 1),
    ))
}

/// The same table with a token lost, doubled, replaced or emptied somewhere.
fn damaged(random: &mut Random, tokens: &[TokenTree], stream: TokenStream) -> TokenStream {
    let mut trees: Vec<TokenTree> = stream.into_iter().collect();
    let at = random.below(trees.len());
    if let Some(TokenTree::Group(group)) = trees.get(at)
        && random.below(8) != 0
    {
        let inside = damaged(random, tokens, group.stream());
        trees[at] = TokenTree::Group(Group::new(group.delimiter(), inside));
    } else if !trees.is_empty() {
        match random.below(3) {
            0 => drop(trees.remove(at)),
            1 => trees.insert(at, trees[at].clone()),
            _ => trees[at] = tokens[random.below(tokens.len())].clone(),
        }
    }
    trees.into_iter().collect()
}

#[test]
fn random_tokens_do_not_panic() {
    let tokens = token_list();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let accepted = (0..20_000)
        .filter(|_| crate::expand(random_tokens(&mut random, &tokens, 3)).is_ok())
        .count();
    // Only the empty file is likely to be met.
    assert!(accepted < 4_000, "{accepted}");
}

#[test]
fn damaged_tables_do_not_panic() {
    let tokens = token_list();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut accepted, mut refused) = (0, 0);
    for (_, source) in FORMS {
        let whole: TokenStream = source.parse().unwrap();
        for _ in 0..400 {
            let mut stream = whole.clone();
            for _ in 0..=random.below(3) {
                stream = damaged(&mut random, &tokens, stream);
            }
            match crate::expand(stream) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    // Some damage is harmless, most is not.
    assert!(
        refused > accepted && accepted > 0,
        "{accepted} accepted, {refused} refused"
    );
}
