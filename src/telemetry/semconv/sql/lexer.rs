//! Tokens of any SQL dialect.

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

/// Where dialects differ, and it matters.
#[derive(Clone, Copy)]
struct Dialect {
    /// `"…"` is a string and not a name.
    double_quotes_are_strings: bool,
    /// `"…"` is a string where a name makes no sense.
    double_quotes_may_be_strings: bool,
    backslash_escapes: bool,
    hash_comments: bool,
    bracket_names: bool,
    dollar_strings: bool,
    nested_comments: bool,
}

impl Dialect {
    fn of(system: &str) -> Dialect {
        let standard = Dialect {
            double_quotes_are_strings: false,
            double_quotes_may_be_strings: false,
            backslash_escapes: false,
            hash_comments: false,
            bracket_names: false,
            dollar_strings: false,
            nested_comments: false,
        };
        match system {
            "postgresql" | "cockroachdb" => Dialect { dollar_strings: true, nested_comments: true, ..standard },
            "sqlite" => Dialect { double_quotes_may_be_strings: true, bracket_names: true, ..standard },
            "microsoft.sql_server" => Dialect { bracket_names: true, nested_comments: true, ..standard },
            "oracle.db" => standard,
            "mysql" | "mariadb" => {
                Dialect { double_quotes_are_strings: true, backslash_escapes: true, hash_comments: true, ..standard }
            }
            _ => Dialect {
                double_quotes_are_strings: true,
                backslash_escapes: true,
                hash_comments: true,
                dollar_strings: true,
                ..standard
            },
        }
    }
}

/// The tokens of a statement, each with whether blank space or a comment stood before it.
pub(super) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    dialect: Dialect,
    /// Whether a value, not a name, is expected next: after a comparison.
    value_next: bool,
    after_name: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a str, system: &str) -> Self {
        Lexer { sql, at: 0, dialect: Dialect::of(system), value_next: false, after_name: false }
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
        self.at = rest.find(needle).map_or(self.sql.len(), |found| from + found + needle.len());
    }

    fn skip_blanks(&mut self) -> bool {
        let start = self.at;
        loop {
            match (self.byte(0), self.byte(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.skip_to(self.at, |byte| byte == b'\n'),
                (b'#', _) if self.dialect.hash_comments => self.skip_to(self.at, |byte| byte == b'\n'),
                (b'/', b'*') => self.skip_comment(),
                _ => return self.at > start,
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.sql.len() {
            match (self.byte(0), self.byte(1)) {
                (b'/', b'*') if depth == 0 || self.dialect.nested_comments => {
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
        self.at = self.sql.len();
    }

    /// Moves behind a string or name whose opening quote is here.
    fn skip_quoted(&mut self, close: u8, backslash: bool) {
        self.at += 1;
        while self.at < self.sql.len() {
            match self.byte(0) {
                b'\\' if backslash => self.at += 2,
                byte if byte == close && self.byte(1) == close && close != b']' => self.at += 2,
                byte if byte == close => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.sql.len();
    }

    fn name(&mut self, close: u8) -> Token<'a> {
        let from = self.at;
        self.skip_quoted(close, false);
        let whole = self.since(from);
        let inner = whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default();
        Token::Quoted(whole, inner)
    }

    fn token(&mut self) -> Token<'a> {
        let from = self.at;
        match (self.byte(0), self.byte(1)) {
            (b'\'', _) => self.string(self.dialect.backslash_escapes),
            (b'"', _) if self.dialect.double_quotes_are_strings => {
                self.skip_quoted(b'"', self.dialect.backslash_escapes);
                Token::Literal
            }
            (b'"', _) => match self.name(b'"') {
                _ if self.dialect.double_quotes_may_be_strings && self.value_next && self.byte(0) != b'.' => {
                    Token::Literal
                }
                name => name,
            },
            (b'`', _) => self.name(b'`'),
            (b'[', _) if self.dialect.bracket_names => self.name(b']'),
            (b'0'..=b'9', _) => self.number(),
            (b'.', b'0'..=b'9') if !self.after_name => self.number(),
            (b'$', b'0'..=b'9') | (b':' | b'@' | b'?', b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                self.skip_to(from + 1, |byte| !is_name_byte(byte));
                Token::Parameter(self.since(from))
            }
            (b'$', _) if self.dialect.dollar_strings => self.dollar_string(),
            (byte, _) if is_name_byte(byte) => self.word(),
            (b':', b':') | (b'@', b'@') => {
                self.at += 2;
                Token::Punct(self.since(from))
            }
            _ => {
                self.at += 1;
                while !self.sql.is_char_boundary(self.at) {
                    self.at += 1;
                }
                Token::Punct(self.since(from))
            }
        }
    }

    fn string(&mut self, backslash: bool) -> Token<'a> {
        self.skip_quoted(b'\'', backslash);
        Token::Literal
    }

    fn number(&mut self) -> Token<'a> {
        loop {
            self.skip_to(self.at, |byte| !byte.is_ascii_alphanumeric() && byte != b'.' && byte != b'_');
            let exponent = self.at > 0 && matches!(self.sql.as_bytes()[self.at - 1], b'e' | b'E');
            if !(exponent && matches!(self.byte(0), b'+' | b'-') && self.byte(1).is_ascii_digit()) {
                return Token::Literal;
            }
            self.at += 1;
        }
    }

    fn dollar_string(&mut self) -> Token<'a> {
        let from = self.at;
        self.skip_to(from + 1, |byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80));
        if self.byte(0) != b'$' {
            self.at = from + 1;
            return Token::Punct("$");
        }
        self.at += 1;
        let tag = self.since(from);
        self.skip_past(self.at, tag);
        Token::Literal
    }

    fn word(&mut self) -> Token<'a> {
        let from = self.at;
        self.skip_to(from, |byte| !is_name_byte(byte));
        let word = self.since(from);
        // `E'…'`, `N'…'`, `x'…'`, `_utf8'…'`: a prefix belongs to its string.
        let prefix = matches!(word, "e" | "E" | "n" | "N" | "x" | "X" | "b" | "B") || word.starts_with('_');
        match self.byte(0) {
            b'\'' if prefix => self.string(self.dialect.backslash_escapes || word.eq_ignore_ascii_case("e")),
            _ => Token::Word(word),
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Token<'a>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let spaced = self.skip_blanks();
        if self.at >= self.sql.len() {
            return None;
        }
        let token = self.token();
        self.at = self.at.min(self.sql.len());
        self.after_name = matches!(token, Token::Word(_) | Token::Quoted(..) | Token::Punct(")" | "]"));
        self.value_next = match &token {
            Token::Punct(text) => {
                matches!(*text, "=" | "<" | ">" | "|") || (self.value_next && matches!(*text, "(" | ","))
            }
            Token::Word(word) => ["LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "VALUES"]
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known)),
            // In a list of values the next one is a value as well.
            _ => false,
        };
        Some((token, spaced))
    }
}
