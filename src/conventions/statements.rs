//! Statements that have been read: a program has few of them and sends each many times.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::command;
use super::sql::{self, Statement};
use crate::wire::Language;

/// Statements that are remembered, and their bytes. Beyond that all are forgotten: a program that writes values into its
/// statements never sends one twice.
const MAX_STATEMENTS: usize = 1024;
const MAX_BYTES: usize = 1 << 20;

/// What a statement is about, shared by all spans of it. See [`Statement`].
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct KnownStatement {
    pub(super) text: Option<Arc<str>>,
    pub(super) summary: Option<Arc<str>>,
    pub(super) operation: Option<Arc<str>>,
    pub(super) collection: Option<Arc<str>>,
    pub(super) batch: Option<usize>,
}

impl From<Statement> for KnownStatement {
    fn from(statement: Statement) -> Self {
        let Statement { text, summary, operation, collection, batch } = statement;
        let shared = |text: Option<String>| text.map(Arc::from);
        KnownStatement {
            text: shared(text),
            summary: shared(summary),
            operation: shared(operation),
            collection: shared(collection),
            batch,
        }
    }
}

/// Statements by language and text.
#[derive(Debug, Default)]
pub(super) struct Statements(RefCell<Known>);

type ByText = HashMap<Box<str>, KnownStatement, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Known {
    by_language: Vec<(Language, ByText)>,
    statements: usize,
    bytes: usize,
}

impl Statements {
    /// Reads a statement of that language, or finds it.
    pub(super) fn read(&self, text: &str, language: Language) -> KnownStatement {
        let mut known = self.0.borrow_mut();
        let of_language = known.by_language.iter().find(|(known, _)| *known == language);
        if let Some(found) = of_language.and_then(|(_, statements)| statements.get(text)) {
            return found.clone();
        }
        let read = KnownStatement::from(read(text, language));
        if known.statements >= MAX_STATEMENTS || known.bytes + text.len() > MAX_BYTES {
            *known = Known::default();
        }
        known.statements += 1;
        known.bytes += text.len();
        let index = known.by_language.iter().position(|(known, _)| *known == language).unwrap_or_else(|| {
            known.by_language.push((language, ByText::default()));
            known.by_language.len() - 1
        });
        known.by_language[index].1.insert(text.into(), read.clone());
        read
    }
}

fn read(text: &str, language: Language) -> Statement {
    match language {
        Language::Command => command::read(text),
        Language::Plain => command::plain(text),
        dialect => sql::read(text, dialect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_in_each_language_and_the_memory_is_bounded() {
        let statements = Statements::default();
        let text = r#"SELECT "a" FROM t"#;
        for _ in 0..2 {
            for language in [Language::PostgreSql, Language::MySql, Language::Command, Language::Plain] {
                assert_eq!(statements.read(text, language), read(text, language).into(), "{language:?}");
            }
        }
        assert_eq!(statements.0.borrow().statements, 4);
        for number in 0..3 * MAX_STATEMENTS {
            statements.read(&format!("SELECT {number}"), Language::Sql);
        }
        let long = "x".repeat(MAX_BYTES / 4);
        for number in 0..9 {
            statements.read(&format!("{number}{long}"), Language::Plain);
            let known = statements.0.borrow();
            assert!(known.statements <= MAX_STATEMENTS && known.bytes <= MAX_BYTES);
            let kept: usize = known.by_language.iter().map(|(_, statements)| statements.len()).sum();
            assert_eq!(kept, known.statements);
        }
    }
}
