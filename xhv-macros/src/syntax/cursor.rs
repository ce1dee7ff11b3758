//! A cursor over tokens: the few steps that all readers take, each with the error that says what was expected.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};

use crate::errors::Errors;
use crate::model::{Number, Path};

/// An error has been reported; the caller gives up on the current row.
#[derive(Debug)]
pub(crate) struct Reported;

/// What a reader answers.
pub(crate) type Read<T> = Result<T, Reported>;

/// Tokens, and how far they are read.
pub(crate) struct Cursor<'e> {
    tokens: Vec<TokenTree>,
    next: usize,
    /// Where the end is reported.
    end: Span,
    /// Errors of all readers.
    pub(crate) errors: &'e mut Errors,
}

impl<'e> Cursor<'e> {
    /// A cursor at the first token; `end` is where a missing token is reported.
    pub(crate) fn new(tokens: TokenStream, end: Span, errors: &'e mut Errors) -> Cursor<'e> {
        Cursor {
            tokens: flatten(tokens),
            next: 0,
            end,
            errors,
        }
    }

    /// A cursor into a group.
    pub(crate) fn enter<'s>(&'s mut self, group: &Group) -> Cursor<'s> {
        Cursor::new(group.stream(), group.span_close(), self.errors)
    }

    /// The next token, unread.
    pub(crate) fn peek(&self) -> Option<&TokenTree> {
        self.tokens.get(self.next)
    }

    /// The token after the next.
    pub(crate) fn peek_second(&self) -> Option<&TokenTree> {
        self.tokens.get(self.next + 1)
    }

    /// Whether all is read.
    pub(crate) fn is_done(&self) -> bool {
        self.peek().is_none()
    }

    /// Reads a token.
    pub(crate) fn bump(&mut self) -> Option<TokenTree> {
        let token = self.tokens.get(self.next).cloned();
        self.next += usize::from(token.is_some());
        token
    }

    /// Where the next token stands.
    pub(crate) fn span(&self) -> Span {
        self.peek().map_or(self.end, TokenTree::span)
    }

    /// Reports that something else was expected at the next token.
    pub(crate) fn expected<T>(&mut self, what: &str) -> Read<T> {
        let found = match self.peek() {
            None => "the end".to_string(),
            Some(TokenTree::Group(group)) => format!("`{}`", open(group.delimiter())),
            Some(token) => format!("`{token}`"),
        };
        self.fail(self.span(), format!("expected {what}, found {found}"))
    }

    /// Reports an error.
    pub(crate) fn fail<T>(&mut self, span: Span, message: impl Into<String>) -> Read<T> {
        self.errors.add(span, message);
        Err(Reported)
    }

    /// Whether the next token is this sign.
    pub(crate) fn at(&self, sign: char) -> bool {
        matches!(self.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
    }

    /// Reads this sign, if it is next.
    pub(crate) fn take(&mut self, sign: char) -> bool {
        let at = self.at(sign);
        self.next += usize::from(at);
        at
    }

    /// Reads this sign.
    pub(crate) fn sign(&mut self, sign: char) -> Read<()> {
        if self.take(sign) {
            Ok(())
        } else {
            self.expected(&format!("`{sign}`"))
        }
    }

    /// The next token as a word.
    pub(crate) fn peek_word(&self) -> Option<String> {
        match self.peek() {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        }
    }

    /// Whether the next token is this word.
    pub(crate) fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(TokenTree::Ident(ident)) if ident == word)
    }

    /// Reads this word, if it is next.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let at = self.at_word(word);
        self.next += usize::from(at);
        at
    }

    /// Reads this word.
    pub(crate) fn word(&mut self, word: &str) -> Read<()> {
        if self.take_word(word) {
            Ok(())
        } else {
            self.expected(&format!("`{word}`"))
        }
    }

    /// Reads an identifier.
    pub(crate) fn ident(&mut self, what: &str) -> Read<Ident> {
        match self.peek() {
            Some(TokenTree::Ident(ident)) => {
                let ident = ident.clone();
                self.next += 1;
                Ok(ident)
            }
            _ => self.expected(what),
        }
    }

    /// Whether the next token is a string.
    pub(crate) fn at_string(&self) -> bool {
        matches!(self.peek(), Some(TokenTree::Literal(lit)) if is_string(lit))
    }

    /// Reads a string.
    pub(crate) fn string(&mut self, what: &str) -> Read<Literal> {
        match self.peek() {
            Some(TokenTree::Literal(lit)) if is_string(lit) => {
                let lit = lit.clone();
                self.next += 1;
                Ok(lit)
            }
            _ => self.expected(what),
        }
    }

    /// Whether the next token is a number.
    pub(crate) fn at_number(&self) -> bool {
        matches!(self.peek(), Some(TokenTree::Literal(lit)) if lit.to_string().starts_with(|c: char| c.is_ascii_digit()))
    }

    /// Reads a number without a suffix.
    pub(crate) fn number(&mut self, what: &str) -> Read<Number> {
        match self.peek() {
            Some(TokenTree::Literal(lit)) => match number_value(&lit.to_string()) {
                Some(value) => {
                    let token = lit.clone();
                    self.next += 1;
                    Ok(Number { value, token })
                }
                None => self.expected(what),
            },
            _ => self.expected(what),
        }
    }

    /// Whether the next token opens a group of this kind.
    pub(crate) fn at_group(&self, delimiter: Delimiter) -> bool {
        matches!(self.peek(), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
    }

    /// Reads a group of this kind.
    pub(crate) fn group(&mut self, delimiter: Delimiter) -> Read<Group> {
        match self.peek() {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
                let group = group.clone();
                self.next += 1;
                Ok(group)
            }
            _ => self.expected(&format!("`{}`", open(delimiter))),
        }
    }

    /// Reads a path: `a::b::C`.
    pub(crate) fn path(&mut self, what: &str) -> Read<Path> {
        let mut tokens = TokenStream::new();
        if self.at(':') {
            self.colons(&mut tokens)?;
        }
        let mut last = self.ident(what)?;
        tokens.extend([TokenTree::Ident(last.clone())]);
        while self.at(':') && self.second_is(':') {
            self.colons(&mut tokens)?;
            last = self.ident("the rest of the path")?;
            tokens.extend([TokenTree::Ident(last.clone())]);
        }
        Ok(Path { tokens, last })
    }

    /// Whether the token after the next is this sign.
    pub(crate) fn second_is(&self, sign: char) -> bool {
        matches!(self.peek_second(), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
    }

    fn colons(&mut self, tokens: &mut TokenStream) -> Read<()> {
        for _ in 0..2 {
            tokens.extend(self.peek().cloned());
            self.sign(':')?;
        }
        Ok(())
    }

    /// Skips the rest of a row that could not be read: up to its `;`, or the brace that ends an item.
    pub(crate) fn skip_row(&mut self) {
        while let Some(token) = self.bump() {
            if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';') {
                break;
            }
        }
    }

    /// Skips the rest of an item that could not be read: up to the braces of its table.
    pub(crate) fn skip_item(&mut self) {
        while let Some(token) = self.bump() {
            if matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace) {
                break;
            }
        }
    }

    /// Reads rows to the end; a row that is wrong is reported and left out.
    pub(crate) fn rows<T>(&mut self, mut row: impl FnMut(&mut Cursor<'_>) -> Read<T>) -> Vec<T> {
        let mut rows = Vec::new();
        while !self.is_done() {
            match row(self) {
                Ok(row) => rows.push(row),
                Err(Reported) => self.skip_row(),
            }
        }
        rows
    }
}

/// Groups without delimiters come from `macro_rules` fragments and mean nothing here.
fn flatten(tokens: TokenStream) -> Vec<TokenTree> {
    let mut flat = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                flat.extend(flatten(group.stream()));
            }
            token => flat.push(token),
        }
    }
    flat
}

fn open(delimiter: Delimiter) -> &'static str {
    match delimiter {
        Delimiter::Parenthesis => "(",
        Delimiter::Brace => "{",
        Delimiter::Bracket => "[",
        Delimiter::None => "",
    }
}

fn is_string(lit: &Literal) -> bool {
    let text = lit.to_string();
    text.starts_with('"') || text.starts_with("r\"") || text.starts_with("r#")
}

/// The value of an integer literal without a suffix.
pub(crate) fn number_value(text: &str) -> Option<u128> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let radix = |prefix: &str, radix| {
        digits
            .strip_prefix(prefix)
            .map(|rest| u128::from_str_radix(rest, radix).ok())
    };
    radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .unwrap_or_else(|| digits.parse().ok())
}
