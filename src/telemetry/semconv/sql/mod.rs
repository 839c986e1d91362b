//! A statement's text without its literals, and what it does to which tables, in one pass over its bytes.
//!
//! This is a lexer and not a parser: it has an answer for every text, however odd, cut short or foreign. Where a dialect
//! is unknown it hides more rather than less.

mod lexer;
mod summary;

use lexer::{Lexer, Token};
use summary::Reader;

/// Bytes of sanitised text that are kept.
const MAX_TEXT: usize = 4096;

/// What a statement is about.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Statement {
    /// The statement with `?` for literals and without comments.
    pub(super) text: Option<String>,
    /// Operations and tables: `SELECT orders customers`.
    pub(super) summary: Option<String>,
    /// The main operation: `SELECT`.
    pub(super) operation: Option<String>,
    /// The table, if there is exactly one.
    pub(super) collection: Option<String>,
}

/// Reads a statement of the database `system` (a value of `db.system.name`).
pub(super) fn read(sql: &str, system: &str) -> Statement {
    let mut text = Text::default();
    let mut reader = Reader::default();
    for (token, spaced) in Lexer::new(sql, system) {
        text.push(&token, spaced);
        reader.token(&token);
    }
    let (summary, operation, collection) = reader.finish();
    Statement { text: (!text.out.is_empty()).then_some(text.out), summary, operation, collection }
}

/// The sanitised text as it grows.
#[derive(Default)]
struct Text {
    out: String,
    full: bool,
    after_in: bool,
    /// Where a list of nothing but literals after `IN (` began.
    list: Option<usize>,
}

impl Text {
    fn push(&mut self, token: &Token<'_>, spaced: bool) {
        match token {
            Token::Punct("(") if self.after_in => {
                self.write("(", spaced);
                self.list = Some(self.out.len());
            }
            // Lists of different lengths are the same statement.
            Token::Punct(")") if self.list.is_some_and(|from| from < self.out.len() || self.full) => {
                self.out.truncate(self.list.unwrap_or_default());
                self.full = false;
                self.list = None;
                self.write("?)", false);
            }
            Token::Literal | Token::Punct("," | "-" | "+" | "?") => {
                self.write(if *token == Token::Literal { "?" } else { token.text() }, spaced);
            }
            _ => {
                self.list = None;
                self.write(token.text(), spaced);
            }
        }
        self.after_in = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("IN"));
    }

    fn write(&mut self, piece: &str, spaced: bool) {
        if self.full {
            return;
        }
        let space = usize::from(spaced && !self.out.is_empty());
        if self.out.len() + space + piece.len() > MAX_TEXT {
            self.full = true;
            self.out.push('…');
            return;
        }
        if space == 1 {
            self.out.push(' ');
        }
        self.out.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str, system: &str) -> String {
        read(sql, system).text.unwrap_or_default()
    }

    #[test]
    fn literals_become_question_marks() {
        for (system, sql, clean) in [
            ("postgresql", "SELECT 1", "SELECT ?"),
            ("postgresql", "select  *\n from\tt where a='x''y' and b = 1.5e-9", "select * from t where a=? and b = ?"),
            ("postgresql", "SELECT a1, b_2 FROM t3 WHERE x = -5", "SELECT a1, b_2 FROM t3 WHERE x = -?"),
            ("postgresql", "SELECT $1::int, $2", "SELECT $1::int, $2"),
            ("postgresql", r#"SELECT "Name" FROM "my table""#, r#"SELECT "Name" FROM "my table""#),
            ("postgresql", "SELECT E'a\\'b', N'x', x'ff', 0xff", "SELECT ?, ?, ?, ?"),
            ("postgresql", r"SELECT 'a\' , b FROM t", "SELECT ? , b FROM t"),
            ("postgresql", "DO $body$ BEGIN secret(); END $body$", "DO ?"),
            ("postgresql", "SELECT $$it's$$ || 'x'", "SELECT ? || ?"),
            ("postgresql", "SELECT /* a /* nested */ 'x' */ 2 -- tail 'y'", "SELECT ?"),
            ("postgresql", "SELECT data->>'key' FROM t WHERE d @> '{\"a\":1}'", "SELECT data->>? FROM t WHERE d @> ?"),
            ("mysql", r#"SELECT "secret", 'it\'s', `col` # note"#, "SELECT ?, ?, `col`"),
            ("mysql", "SELECT * FROM `my`.`tbl` WHERE a = :name", "SELECT * FROM `my`.`tbl` WHERE a = :name"),
            ("sqlite", r#"SELECT [a b], "c" FROM t WHERE d = "secret""#, r#"SELECT [a b], "c" FROM t WHERE d = ?"#),
            ("sqlite", r#"SELECT 1 FROM a JOIN b ON a.x = "b"."y""#, r#"SELECT ? FROM a JOIN b ON a.x = "b"."y""#),
            ("sqlite", "INSERT INTO t VALUES (?1, ?, @a, :b, .5)", "INSERT INTO t VALUES (?1, ?, @a, :b, ?)"),
            ("unheard_of", r#"SELECT "secret" FROM t WHERE a = 'b\' c'"#, "SELECT ? FROM t WHERE a = ?"),
            ("postgresql", "SELECT 'never closed", "SELECT ?"),
            ("postgresql", "SELECT 'ünïcödé', größe FROM t", "SELECT ?, größe FROM t"),
            ("postgresql", "", ""),
        ] {
            assert_eq!(text(sql, system), clean, "{system}: {sql}");
        }
    }

    #[test]
    fn lists_of_literals_shrink() {
        assert_eq!(
            text("SELECT 1 WHERE a IN (1, 2,3) AND b IN ('x')", "sqlite"),
            "SELECT ? WHERE a IN (?) AND b IN (?)"
        );
        assert_eq!(text("WHERE a IN ($1, $2)", "postgresql"), "WHERE a IN ($1, $2)");
        assert_eq!(text("WHERE a IN (SELECT 1)", "postgresql"), "WHERE a IN (SELECT ?)");
        assert_eq!(text("WHERE a IN ()", "postgresql"), "WHERE a IN ()");
        let long = format!("SELECT a FROM t WHERE id IN ({}) ORDER BY a", vec!["12345"; 5000].join(", "));
        assert_eq!(text(&long, "postgresql"), "SELECT a FROM t WHERE id IN (?) ORDER BY a");
    }

    #[test]
    fn text_is_bounded() {
        let long = format!("INSERT INTO t VALUES {}", vec!["('a', 'b')"; 9000].join(", "));
        let statement = read(&long, "postgresql");
        assert!(statement.text.unwrap().len() <= MAX_TEXT + '…'.len_utf8());
        assert_eq!(statement.summary.unwrap(), "INSERT t");
    }

    #[test]
    fn no_text_makes_it_panic_or_leak() {
        let nasty = r#"SELECT 'hunter2' /*hunter2*/ "q" `w` [e] $t$hunter2$t$ 0x1 .5 \ ü ; -- hunter2"#;
        for system in ["postgresql", "mysql", "sqlite", "microsoft.sql_server", "", "x"] {
            for (from, _) in nasty.char_indices() {
                for (to, _) in nasty.char_indices().filter(|(to, _)| *to >= from) {
                    let _ = read(&nasty[from..to], system);
                }
            }
            // `$t$hunter2$t$` is a string for some and a name for others.
            let names = matches!(system, "mysql" | "sqlite" | "microsoft.sql_server");
            let clean = text(nasty, system).replace("$t$hunter2$t$", if names { "" } else { "leaked" });
            assert!(!clean.contains("hunter2") && !clean.contains("leaked"), "{system}: {clean}");
        }
    }
}
