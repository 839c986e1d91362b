//! Dialects, as far as they differ in what a literal is.

use crate::wire::Language;

/// What of a language is known of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
    /// It depends on a setting, or the dialect is unknown.
    Maybe,
}

/// What `"…"` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DoubleQuoted {
    Name,
    String,
    /// A name where only a name can stand; elsewhere a name or a string.
    Either,
}

/// A dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) double_quoted: DoubleQuoted,
    /// Whether a backslash escapes a quote, if nothing is known of the session's settings.
    pub(super) escapes: bool,
    /// Whether settings can change that: `NO_BACKSLASH_ESCAPES`, `standard_conforming_strings`.
    pub(super) escapes_vary: bool,
    pub(super) hash_comments: Known,
    pub(super) nested_comments: Known,
    /// Whether `--` begins a comment only before a blank.
    pub(super) spaced_comments: Known,
    /// Whether `/*!` is no comment: what is in it is executed.
    pub(super) executed_comments: bool,
    pub(super) bracket_names: bool,
    pub(super) dollar_strings: bool,
    /// Whether `$1` is money, and no parameter.
    pub(super) dollar_numbers: bool,
    /// `q'[…]'`
    pub(super) q_strings: bool,
}

impl Dialect {
    /// That of a language. In one that is not known, more counts as a literal than in any other.
    pub(super) fn of(language: Language) -> Dialect {
        let standard = Dialect {
            double_quoted: DoubleQuoted::Name,
            escapes: false,
            escapes_vary: false,
            hash_comments: Known::No,
            nested_comments: Known::No,
            spaced_comments: Known::No,
            executed_comments: false,
            bracket_names: false,
            dollar_strings: false,
            dollar_numbers: false,
            q_strings: false,
        };
        match language {
            Language::PostgreSql => {
                Dialect { escapes_vary: true, dollar_strings: true, nested_comments: Known::Yes, ..standard }
            }
            Language::Sqlite => Dialect { double_quoted: DoubleQuoted::Either, bracket_names: true, ..standard },
            Language::TransactSql => Dialect {
                double_quoted: DoubleQuoted::Either,
                bracket_names: true,
                nested_comments: Known::Yes,
                dollar_numbers: true,
                ..standard
            },
            Language::OracleSql => Dialect { q_strings: true, ..standard },
            Language::MySql => Dialect {
                double_quoted: DoubleQuoted::String,
                escapes: true,
                escapes_vary: true,
                hash_comments: Known::Yes,
                spaced_comments: Known::Yes,
                executed_comments: true,
                ..standard
            },
            Language::Sql | Language::Command | Language::Plain => Dialect {
                double_quoted: DoubleQuoted::String,
                escapes: true,
                escapes_vary: true,
                hash_comments: Known::Maybe,
                nested_comments: Known::Maybe,
                spaced_comments: Known::Maybe,
                dollar_strings: true,
                q_strings: true,
                ..standard
            },
        }
    }
}
