//! Tokens of any SQL dialect.

use super::dialect::{Dialect, DoubleQuoted, Known};
use super::place::Place;

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// A keyword or a plain name.
    Word(&'a str),
    /// A name in quotes: as it stands, and without them.
    Quoted(&'a str, &'a str),
    /// Anything that could be a user's data.
    Literal,
    /// A bound parameter other than `?`: `$1`, `:name`, `@p1`.
    Parameter(&'a str),
    /// One character, or an operator that must stay together.
    Punct(&'a str),
}

impl<'a> Token<'a> {
    /// The token as it may be shown.
    pub(super) fn text(&self) -> &'a str {
        match self {
            Token::Word(text) | Token::Quoted(text, _) | Token::Parameter(text) | Token::Punct(text) => text,
            Token::Literal => "?",
        }
    }
}

/// Words that may follow a string without a blank.
const KEYWORDS: &[&str] = &[
    "AND", "OR", "AS", "FROM", "IN", "IS", "LIKE", "NOT", "THEN", "WHEN", "ELSE", "END", "WHERE", "ORDER", "GROUP",
    "UNION", "LIMIT", "ON", "BETWEEN", "COLLATE", "ESCAPE", "FOR", "XOR", "DIV", "MOD", "INTO", "ASC", "DESC",
    "VALUES",
];

/// The tokens of a statement, each with whether blank space or a comment stood before it.
pub(super) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    dialect: Dialect,
    /// Whether a backslash escapes a quote, in this reading.
    escapes: bool,
    place: Place,
    after_name: bool,
    /// The start of the first token that another reading would end elsewhere.
    doubt: Option<usize>,
    /// Reading on from there makes no sense in any reading.
    lost: bool,
    /// The text ends within a literal, a name or a comment.
    open: bool,
    /// A word stands where none can be, directly behind a string, or a backslash outside of one.
    odd: bool,
}

/// How certain a reading was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The start of the first token whose end is uncertain.
    pub(super) doubt: Option<usize>,
    /// No other reading can help.
    pub(super) lost: bool,
    pub(super) open: bool,
    pub(super) odd: bool,
}

impl<'a> Lexer<'a> {
    /// `escapes`: whether a backslash escapes a quote, in place of what is usual.
    pub(super) fn new(sql: &'a str, dialect: Dialect, escapes: bool) -> Self {
        Lexer {
            sql,
            at: 0,
            dialect,
            escapes,
            place: Place::default(),
            after_name: false,
            doubt: None,
            lost: false,
            open: false,
            odd: false,
        }
    }

    /// How it went. To be called at the end.
    pub(super) fn reading(&self) -> Reading {
        Reading { doubt: self.doubt, lost: self.lost, open: self.open, odd: self.odd }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.sql.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The text from `from` up to here.
    fn since(&self, from: usize) -> &'a str {
        self.sql.get(from..self.at).unwrap_or_default()
    }

    /// Moves to the first byte from `from` on that `end` accepts, or to the end.
    fn skip_to(&mut self, from: usize, end: impl Fn(u8) -> bool) {
        let rest = self.sql.as_bytes().get(from..).unwrap_or_default();
        self.at = rest.iter().position(|byte| end(*byte)).map_or(self.sql.len(), |found| from + found);
    }

    /// Moves behind the next `needle`, or to the end.
    fn skip_past(&mut self, from: usize, needle: &str) {
        let rest = self.sql.get(from..).unwrap_or_default();
        let found = rest.find(needle);
        self.open |= found.is_none();
        self.at = found.map_or(self.sql.len(), |found| from + found + needle.len());
    }

    /// Gives up: from `at` on no reading can distinguish literals from the rest.
    fn lose(&mut self, at: usize) {
        self.doubt.get_or_insert(at);
        self.lost = true;
    }

    fn skip_blanks(&mut self) -> bool {
        let start = self.at;
        loop {
            match (self.byte(0), self.byte(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => {
                    let is_spaced = self.byte(2) <= b' ';
                    match self.dialect.spaced_comments {
                        Known::Yes if !is_spaced => return self.at > start,
                        known => self.skip_line(known == Known::Maybe && !is_spaced),
                    }
                }
                (b'#', _) if self.dialect.hash_comments != Known::No => {
                    self.skip_line(self.dialect.hash_comments == Known::Maybe);
                }
                (b'/', b'*') if self.dialect.executed_comments && self.is_executed() => {
                    // `/*!50001 … */`: MySQL executes what is in it.
                    self.skip_to(self.at + 3, |byte| !(byte.is_ascii_digit() || byte == b'!'));
                }
                (b'*', b'/') if self.dialect.executed_comments => self.at += 2,
                (b'/', b'*') => self.skip_comment(),
                _ => return self.at > start,
            }
            if self.at >= self.sql.len() {
                return self.at > start;
            }
        }
    }

    fn is_executed(&self) -> bool {
        self.byte(2) == b'!' || (self.byte(2) == b'M' && self.byte(3) == b'!')
    }

    /// A comment to the end of the line, or perhaps none.
    fn skip_line(&mut self, is_uncertain: bool) {
        let from = self.at;
        self.skip_to(from, |byte| byte == b'\n');
        if is_uncertain && self.since(from).contains(['\'', '"', '`', '$', '*']) {
            self.lose(from);
        }
    }

    fn skip_comment(&mut self) {
        let from = self.at;
        let mut depth = 0;
        while self.at < self.sql.len() {
            match (self.byte(0), self.byte(1)) {
                (b'/', b'*') if depth == 0 || self.dialect.nested_comments != Known::No => {
                    if depth > 0 && self.dialect.nested_comments == Known::Maybe {
                        self.lose(from);
                    }
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.open = true;
        self.at = self.sql.len();
    }

    /// Moves behind a string or name whose opening quote is here. `escapes`: whether a backslash escapes a quote, and
    /// whether that is certain.
    fn skip_quoted(&mut self, close: u8, (escapes, is_certain): (bool, bool)) {
        let from = self.at;
        self.at += 1;
        let mut backslashes = 0_usize;
        while self.at < self.sql.len() {
            let byte = self.byte(0);
            if byte == b'\\' {
                backslashes += 1;
                self.at += 1;
                continue;
            }
            let is_escaped = std::mem::take(&mut backslashes) % 2 == 1;
            self.at += 1;
            if byte != close {
                continue;
            }
            if is_escaped && !is_certain {
                self.doubt.get_or_insert(from);
            }
            if is_escaped && escapes {
                continue;
            }
            if self.byte(0) != close || close == b']' {
                return;
            }
            self.at += 1;
        }
        self.open = true;
        self.at = self.sql.len();
    }

    /// Reads a name in quotes; without a closing quote the rest counts as a literal.
    fn name(&mut self, close: u8) -> Token<'a> {
        let from = self.at;
        let was_open = std::mem::take(&mut self.open);
        self.skip_quoted(close, (false, true));
        let whole = self.since(from);
        let is_open = self.open;
        self.open |= was_open;
        if is_open {
            return Token::Literal;
        }
        let inner = whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default();
        Token::Quoted(whole, inner)
    }

    fn token(&mut self) -> Token<'a> {
        let from = self.at;
        match (self.byte(0), self.byte(1)) {
            (b'\'', _) => self.string(b'\'', false),
            (b'"', _) if self.dialect.double_quoted == DoubleQuoted::String => self.string(b'"', false),
            (b'"', _) => match self.name(b'"') {
                _ if self.dialect.double_quoted == DoubleQuoted::Either
                    && !self.place.is_of_name(&self.sql[self.at..]) =>
                {
                    Token::Literal
                }
                name => name,
            },
            (b'`', _) => self.name(b'`'),
            (b'[', _) if self.dialect.bracket_names => self.name(b']'),
            (b'0'..=b'9', _) => self.number(),
            (b'.', b'0'..=b'9') if !self.after_name => self.number(),
            (b'$', b'0'..=b'9') if self.dialect.dollar_numbers => self.number(),
            (b'$', b'0'..=b'9') | (b':' | b'@' | b'?', b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                self.skip_to(from + 1, |byte| !is_name_byte(byte));
                Token::Parameter(self.since(from))
            }
            (b'$', _) => self.dollar_string(),
            (byte, _) if is_name_byte(byte) => self.word(),
            (b':', b':') | (b'@', b'@') => {
                self.at += 2;
                Token::Punct(self.since(from))
            }
            (byte, _) => {
                // No dialect has one outside of strings.
                self.odd |= byte == b'\\';
                self.at += 1;
                while !self.sql.is_char_boundary(self.at) {
                    self.at += 1;
                }
                Token::Punct(self.since(from))
            }
        }
    }

    /// A string whose opening quote is here. `E'…'` has escapes whatever the settings.
    fn string(&mut self, quote: u8, has_escapes: bool) -> Token<'a> {
        let escapes = if has_escapes { (true, true) } else { (self.escapes, !self.dialect.escapes_vary) };
        self.skip_quoted(quote, escapes);
        let next = &self.sql[self.at.min(self.sql.len())..];
        let word = next.bytes().take_while(|byte| is_name_byte(*byte)).count();
        self.odd |= word > 0 && !KEYWORDS.iter().any(|known| known.eq_ignore_ascii_case(&next[..word]));
        Token::Literal
    }

    fn number(&mut self) -> Token<'a> {
        loop {
            self.skip_to(self.at + 1, |byte| !byte.is_ascii_alphanumeric() && byte != b'.' && byte != b'_');
            let exponent = matches!(self.sql.as_bytes()[self.at - 1], b'e' | b'E');
            if !(exponent && matches!(self.byte(0), b'+' | b'-') && self.byte(1).is_ascii_digit()) {
                return Token::Literal;
            }
        }
    }

    /// `$tag$…$tag$`. Where a dialect has no such strings, one that is closed is taken for one nevertheless.
    fn dollar_string(&mut self) -> Token<'a> {
        let from = self.at;
        self.skip_to(from + 1, |byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80));
        if self.byte(0) != b'$' {
            self.at = from + 1;
            return Token::Punct("$");
        }
        self.at += 1;
        let tag = self.since(from);
        if !self.dialect.dollar_strings && !self.sql[self.at..].contains(tag) {
            self.at = from + 1;
            return Token::Punct("$");
        }
        self.skip_past(self.at, tag);
        Token::Literal
    }

    fn word(&mut self) -> Token<'a> {
        let from = self.at;
        self.skip_to(from, |byte| !is_name_byte(byte));
        let word = self.since(from);
        let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(word));
        if self.byte(0) == b'\'' {
            if self.dialect.q_strings && is(&["q", "nq"]) {
                return self.q_string();
            }
            // `E'…'`, `N'…'`, `x'…'`, `_utf8'…'`: a prefix belongs to its string.
            if is(&["e", "n", "x", "b"]) || word.starts_with('_') {
                return self.string(b'\'', is(&["e"]));
            }
        }
        if self.place.is_of_value(word) && self.byte(0) != b'.' {
            return Token::Literal;
        }
        Token::Word(word)
    }

    /// `q'[…]'`, with the quote here.
    fn q_string(&mut self) -> Token<'a> {
        let open = self.sql[self.at + 1..].chars().next().unwrap_or('\'');
        let close = match open {
            '[' => ']',
            '(' => ')',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        self.skip_past(self.at + 1 + open.len_utf8(), &format!("{close}'"));
        Token::Literal
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Token<'a>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.at;
        let spaced = self.skip_blanks();
        if self.at >= self.sql.len() {
            return None;
        }
        // What follows `COPY … FROM STDIN` is no SQL.
        let is_behind = |text: &str| text.contains('\n') || self.sql[..before].trim_end().ends_with(';');
        if self.place.data && self.place.is_outermost() && is_behind(self.since(before)) {
            self.at = self.sql.len();
            return Some((Token::Literal, true));
        }
        let token = match self.token() {
            // Passwords and settings may be names in quotes.
            Token::Quoted(_, inner) if self.place.is_hidden(inner) => Token::Literal,
            token => token,
        };
        self.at = self.at.min(self.sql.len());
        self.after_name = matches!(token, Token::Word(_) | Token::Quoted(..) | Token::Punct(")" | "]"));
        self.place.pass(&token);
        Some((token, spaced))
    }
}
