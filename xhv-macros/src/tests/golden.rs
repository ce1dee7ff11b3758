//! What each form becomes, as text beside this file. `XHV_BLESS=1 cargo test -p xhv-macros` writes it anew.

use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A small table of every form.
pub(super) const FORMS: &[(&str, &str)] = &[
    ("fields", include_str!("golden/fields.spec")),
    ("values", include_str!("golden/values.spec")),
    ("registers", include_str!("golden/registers.spec")),
    ("simd", include_str!("golden/simd.spec")),
    ("vmcs", include_str!("golden/vmcs.spec")),
    ("controls", include_str!("golden/controls.spec")),
    ("msrs", include_str!("golden/msrs.spec")),
    ("sysregs", include_str!("golden/sysregs.spec")),
    ("gic", include_str!("golden/gic.spec")),
    ("capabilities", include_str!("golden/capabilities.spec")),
    ("exits", include_str!("golden/exits.spec")),
    ("syndromes", include_str!("golden/syndromes.spec")),
    ("framework", include_str!("golden/framework.spec")),
    ("state", include_str!("golden/state.spec")),
    ("instructions", include_str!("golden/instructions.spec")),
];

#[test]
fn forms_become_what_they_became() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/golden");
    let bless = std::env::var_os("XHV_BLESS").is_some();
    for (name, source) in FORMS {
        let expansion = super::expand(source).unwrap_or_else(|lines| panic!("{name}: {lines:?}"));
        let text = layout(expansion);
        let file = folder.join(format!("{name}.expanded"));
        if bless {
            std::fs::write(&file, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        let differs = golden.lines().zip(text.lines()).position(|(a, b)| a != b);
        let line = differs.unwrap_or(golden.lines().count().min(text.lines().count()));
        assert!(
            golden == text,
            "{name}.expanded, line {}: expected\n{}\nfound\n{}\nXHV_BLESS=1 writes it anew",
            line + 1,
            golden.lines().nth(line).unwrap_or("the end"),
            text.lines().nth(line).unwrap_or("the end"),
        );
    }
}

/// Tokens as lines: braces indent, `;` and attributes end a line.
fn layout(tokens: TokenStream) -> String {
    let mut out = Layout {
        text: String::new(),
        depth: 0,
        glued: true,
    };
    out.tokens(tokens);
    out.newline();
    out.text
}

struct Layout {
    text: String,
    depth: usize,
    /// Whether the next token follows without a space.
    glued: bool,
}

impl Layout {
    fn newline(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        self.text.push_str(&"    ".repeat(self.depth));
        self.glued = true;
    }

    fn push(&mut self, text: &str) {
        if !self.glued {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.glued = false;
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut after_hash = false;
        for token in tokens {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    self.braces(group.stream())
                }
                TokenTree::Group(group) => {
                    self.group(group.delimiter(), group.stream(), after_hash)
                }
                TokenTree::Punct(punct) => self.punct(punct.as_char(), punct.spacing()),
                token => self.push(&token.to_string()),
            }
            after_hash = self.text.ends_with('#');
        }
    }

    fn braces(&mut self, inside: TokenStream) {
        self.push("{");
        self.depth += 1;
        self.newline();
        self.tokens(inside);
        self.depth -= 1;
        self.newline();
        self.text.push('}');
        self.newline();
    }

    fn group(&mut self, delimiter: Delimiter, inside: TokenStream, is_attribute: bool) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            _ => ("", ""),
        };
        self.glued = true;
        self.push(open);
        self.glued = true;
        self.tokens(inside);
        self.text.truncate(self.text.trim_end().len());
        self.text.push_str(close);
        self.glued = false;
        if is_attribute {
            self.newline();
        }
    }

    fn punct(&mut self, sign: char, spacing: Spacing) {
        let is_joint = spacing == Spacing::Joint;
        let last = self.text.chars().next_back();
        let after_word = last.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '>');
        let after_arrow = self.text.ends_with("->") || self.text.ends_with("=>");
        match sign {
            ',' | ';' | '.' | '?' if self.text.trim_end().ends_with('}') => {
                self.text.truncate(self.text.trim_end().len());
                self.glued = true;
            }
            ',' | ';' | '.' | '?' | '>' => self.glued = true,
            ':' => self.glued |= !is_joint || (after_word && !after_arrow),
            '<' | '!' => self.glued |= after_word && !after_arrow,
            _ => {}
        }
        self.push(&sign.to_string());
        match sign {
            ';' => self.newline(),
            ',' if self.text.ends_with("},") => self.newline(),
            '.' | '#' | '&' | '<' | '!' => self.glued = true,
            ':' => self.glued = is_joint || self.text.ends_with("::"),
            _ => self.glued = is_joint,
        }
    }
}
