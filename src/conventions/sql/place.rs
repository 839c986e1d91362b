//! Where in a statement a token stands, as far as it decides whether a word is a value.

use super::lexer::Token;

/// Words behind which a name stands, and never a value.
const ANNOUNCING: &[&str] = &[
    "FROM",
    "JOIN",
    "INTO",
    "UPDATE",
    "TABLE",
    "INDEX",
    "VIEW",
    "TRIGGER",
    "EXISTS",
    "AS",
    "REFERENCES",
    "COLUMN",
    "TO",
    "CONSTRAINT",
    "SAVEPOINT",
];
/// Kinds of objects in `CREATE` and `ALTER` that have no password.
const PLAIN_OBJECTS: &[&str] = &[
    "TABLE",
    "VIEW",
    "INDEX",
    "UNIQUE",
    "TEMP",
    "TEMPORARY",
    "TRIGGER",
    "FUNCTION",
    "PROCEDURE",
    "SEQUENCE",
    "TYPE",
    "DOMAIN",
    "MATERIALIZED",
    "VIRTUAL",
    "SCHEMA",
    "EXTENSION",
    "UNLOGGED",
    "GLOBAL",
    "LOCAL",
    "EXTERNAL",
    "CLUSTERED",
    "FULLTEXT",
    "SPATIAL",
    "RULE",
    "POLICY",
    "AGGREGATE",
    "OPERATOR",
];
/// Words behind which a password or a key may stand without quotes.
const BEFORE_SECRETS: &[&str] = &["IDENTIFIED", "BY", "PASSWORD", "KEY", "SECRET", "CREDENTIALS", "REPLACE", "REKEY"];
/// Words that may stand in place of such a password.
const NO_SECRETS: &[&str] = &[
    "BY",
    "WITH",
    "AS",
    "VALUES",
    "FOR",
    "TO",
    "EXPIRE",
    "NULL",
    "USING",
    "REQUIRE",
    "RANDOM",
    "EXTERNALLY",
    "GLOBALLY",
    "PASSWORD",
    "IDENTIFIED",
    "OR",
    "ACCOUNT",
    "HISTORY",
    "REUSE",
    "NEVER",
    "DEFAULT",
    "INTERVAL",
    "IF",
    "NOT",
    "EXISTS",
    "USER",
    "ROLE",
    "LOGIN",
];

fn among(list: &[&str], word: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// What a statement's first word makes of the words behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    /// The first word is still to come.
    #[default]
    Unknown,
    Plain,
    /// `PRAGMA name = value`, `SET name TO value`: whether the value has begun.
    Setting {
        is_pragma: bool,
        value: bool,
    },
    /// `CREATE` or `ALTER`, of something still to come.
    Definition {
        is_plain: bool,
    },
    /// Of a user, a server, a database: passwords may follow.
    Account,
    /// `EXEC name value, value`: whether the name has been read.
    Call {
        named: bool,
    },
    Copy {
        from: bool,
    },
}

/// The place of the token to come.
#[derive(Debug, Default)]
pub(super) struct Place {
    kind: Kind,
    depth: usize,
    /// The word before, if it was one.
    announced: bool,
    secret: bool,
    /// The token before was `(`, `,` or `SET`.
    begins: bool,
    dotted: bool,
    /// The word before was `DISTINCT`: `IS DISTINCT FROM`.
    distinct: bool,
    /// Between `SET` and the clause after it.
    set: bool,
    /// Behind `INSERT INTO name`, and within its list of columns.
    into: bool,
    columns: bool,
    /// The text that follows is data, not SQL.
    pub(super) data: bool,
}

impl Place {
    /// Whether only a name can stand here, which `behind` follows.
    pub(super) fn is_of_name(&self, behind: &str) -> bool {
        let next = behind.trim_start().as_bytes().first().copied();
        self.announced
            || self.dotted
            || behind.starts_with('.')
            || (self.begins && self.depth == 1 && (self.columns || matches!(self.kind, Kind::Definition { .. })))
            || (self.begins && self.depth == 0 && self.set && next == Some(b'='))
    }

    /// Whether a word that stands here is a value.
    pub(super) fn is_of_value(&self, word: &str) -> bool {
        let is_boolean = word.eq_ignore_ascii_case("TRUE") || word.eq_ignore_ascii_case("FALSE");
        (is_boolean && !self.dotted) || self.is_hidden(word)
    }

    /// Whether a word or a name in quotes that stands here is a value.
    pub(super) fn is_hidden(&self, word: &str) -> bool {
        match self.kind {
            Kind::Setting { value, .. } => value,
            Kind::Account => self.secret && !among(NO_SECRETS, word),
            Kind::Call { named } => named && !self.dotted,
            _ => false,
        }
    }

    /// Within parentheses, line ends mean nothing.
    pub(super) fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    pub(super) fn pass(&mut self, token: &Token<'_>) {
        let dotted = std::mem::replace(&mut self.dotted, matches!(token, Token::Punct(".")));
        let announced = std::mem::take(&mut self.announced);
        let secret = std::mem::take(&mut self.secret);
        self.begins = matches!(token, Token::Punct("(" | ","));
        match token {
            Token::Punct(";") => *self = Place { data: self.data, ..Place::default() },
            Token::Punct("(") => {
                self.depth += 1;
                self.columns |= self.into && self.depth == 1;
                self.value(true);
            }
            Token::Punct(")") => {
                self.depth = self.depth.saturating_sub(1);
                self.columns = false;
                self.into = false;
            }
            Token::Punct("=") => {
                self.secret = secret;
                self.value(false);
            }
            Token::Word(word) => self.word(word, dotted, announced),
            Token::Quoted(..) => {
                if let Kind::Call { named } = &mut self.kind {
                    *named |= !dotted;
                }
            }
            _ => {}
        }
    }

    /// A value begins, if this is a setting.
    fn value(&mut self, in_parentheses: bool) {
        if let Kind::Setting { is_pragma, value } = &mut self.kind {
            *value |= *is_pragma || !in_parentheses;
        }
    }

    fn word(&mut self, word: &str, dotted: bool, announced: bool) {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        match &mut self.kind {
            Kind::Unknown => self.kind = first(word),
            Kind::Definition { is_plain } if !*is_plain && !announced && self.depth == 0 => {
                *is_plain = among(PLAIN_OBJECTS, word);
                if is_account(word) {
                    self.kind = Kind::Account;
                }
            }
            Kind::Call { named } if !dotted => *named = true,
            Kind::Copy { from } => {
                self.data |= *from && is("STDIN");
                *from = is("FROM");
            }
            Kind::Setting { value, .. } if is("TO") => *value = true,
            _ => {}
        }
        self.secret = self.kind == Kind::Account && among(BEFORE_SECRETS, word);
        let is_definition = matches!(self.kind, Kind::Definition { .. });
        let is_comparison = is("FROM") && self.distinct;
        self.announced = !dotted && !is_comparison && (among(ANNOUNCING, word) || (is_definition && is("ON")));
        self.distinct = is("DISTINCT");
        if is("INTO") {
            self.into = true;
        } else if among(&["VALUES", "SELECT", "DEFAULT"], word) {
            self.into = false;
        }
        if is("SET") {
            self.set = true;
            self.begins = true;
        } else if among(&["WHERE", "FROM", "RETURNING"], word) {
            self.set = false;
        }
    }
}

fn first(word: &str) -> Kind {
    let is = |known: &[&str]| among(known, word);
    if is(&["PRAGMA"]) {
        Kind::Setting { is_pragma: true, value: false }
    } else if is(&["SET"]) {
        Kind::Setting { is_pragma: false, value: false }
    } else if is(&["CREATE", "ALTER"]) {
        Kind::Definition { is_plain: false }
    } else if is(&["GRANT", "ATTACH", "CONNECT", "OPEN", "BACKUP", "RESTORE", "CHANGE", "START"]) {
        Kind::Account
    } else if is(&["EXEC", "EXECUTE"]) {
        Kind::Call { named: false }
    } else if is(&["COPY"]) {
        Kind::Copy { from: false }
    } else {
        Kind::Plain
    }
}

/// Objects that have passwords, keys or connections.
fn is_account(word: &str) -> bool {
    const ACCOUNTS: &[&str] = &[
        "USER",
        "ROLE",
        "LOGIN",
        "GROUP",
        "SERVER",
        "SUBSCRIPTION",
        "CREDENTIAL",
        "SECRET",
        "DATABASE",
        "MASTER",
        "SYMMETRIC",
        "ASYMMETRIC",
        "CERTIFICATE",
        "APPLICATION",
        "PROFILE",
        "ENDPOINT",
        "CONNECTION",
        "LINK",
        "PUBLIC",
        "STAGE",
        "STORAGE",
        "INTEGRATION",
        "RESOURCE",
        "KEY",
        "PLUGGABLE",
    ];
    among(ACCOUNTS, word)
}
