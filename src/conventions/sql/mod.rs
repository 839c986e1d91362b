//! A statement's text without its literals, and what it does to which tables, in one pass over its bytes.
//!
//! This is a lexer and not a parser: it has an answer for every text, however odd, cut short or foreign. Where a dialect
//! is unknown it hides more rather than less.
//!
//! Where it depends on a session's settings what a literal is (`NO_BACKSLASH_ESCAPES`), both readings are tried. If only one
//! of them makes sense, it is the right one; otherwise the text is cut where they part.

mod body;
mod dialect;
mod lexer;
mod place;
mod summary;
mod words;

use dialect::Dialect;
use lexer::{Lexer, Reading, Token};
pub(super) use summary::name_of_batch;
use summary::{Reader, Summary};

use crate::wire::{Language, MAX_VALUE};

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
    /// How many statements there are, if there are several.
    pub(super) batch: Option<usize>,
}

/// Reads a statement of that language.
pub(super) fn read(sql: &str, language: Language) -> Statement {
    let dialect = Dialect::of(language);
    let (usual, reading) = pass(sql, dialect, dialect.escapes, None);
    let Some(doubt) = reading.doubt else { return usual };
    if !reading.lost {
        let (other, other_reading) = pass(sql, dialect, !dialect.escapes, None);
        // A text that was cut short on its way may end within a literal.
        let is_whole = sql.len() + 3 < MAX_VALUE;
        let makes_sense = |reading: Reading| !(reading.lost || reading.odd || (reading.open && is_whole));
        match (makes_sense(reading), makes_sense(other_reading)) {
            (true, false) => return usual,
            (false, true) => return other,
            _ => {}
        }
    }
    pass(&sql[..doubt], dialect, dialect.escapes, Some("?\u{2026}")).0
}

/// Reads a statement once. `tail`, if given, replaces the part that is not read.
fn pass(sql: &str, dialect: Dialect, escapes: bool, tail: Option<&str>) -> (Statement, Reading) {
    let mut text = Text::default();
    let mut reader = Reader::default();
    let mut lexer = Lexer::new(sql, dialect, escapes);
    for (token, spaced) in &mut lexer {
        text.push(&token, spaced);
        reader.token(&token);
    }
    if let Some(tail) = tail {
        text.write(tail, true);
    }
    let Summary { summary, operation, table, statements } = reader.finish();
    let batch = (statements > 1).then_some(statements);
    let text = text.finish(batch.is_some());
    (Statement { text, summary, operation, collection: table, batch }, lexer.reading())
}

/// The sanitised text as it grows.
#[derive(Default)]
struct Text {
    out: String,
    full: bool,
    after_in: bool,
    /// Where a list of nothing but literals after `IN (` began.
    list: Option<usize>,
    /// Where statements end.
    ends: Vec<usize>,
}

impl Text {
    /// The whole text; of a batch of equal statements, one of them.
    fn finish(mut self, is_batch: bool) -> Option<String> {
        self.ends.push(self.out.len());
        let mut from = 0;
        let mut statements = self.ends.iter().map(|end| {
            let statement = self.out[from..*end].trim_matches([';', ' ']);
            from = *end;
            statement
        });
        let first = statements.next().unwrap_or_default();
        if is_batch && !self.full && statements.all(|statement| statement == first || statement.is_empty()) {
            return Some(first.to_owned());
        }
        (!self.out.is_empty()).then_some(self.out)
    }

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
        if *token == Token::Punct(";") && !self.full {
            self.ends.push(self.out.len());
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
mod leaks;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str, language: Language) -> String {
        read(sql, language).text.unwrap_or_default()
    }

    #[test]
    fn literals_become_question_marks() {
        for (language, sql, clean) in [
            (Language::PostgreSql, "SELECT 1", "SELECT ?"),
            (
                Language::PostgreSql,
                "select  *\n from\tt where a='x''y' and b = 1.5e-9",
                "select * from t where a=? and b = ?",
            ),
            (Language::PostgreSql, "SELECT a1, b_2 FROM t3 WHERE x = -5", "SELECT a1, b_2 FROM t3 WHERE x = -?"),
            (Language::PostgreSql, "SELECT $1::int, $2", "SELECT $1::int, $2"),
            (Language::PostgreSql, r#"SELECT "Name" FROM "my table""#, r#"SELECT "Name" FROM "my table""#),
            (Language::PostgreSql, "SELECT E'a\\'b', N'x', x'ff', 0xff", "SELECT ?, ?, ?, ?"),
            (Language::PostgreSql, r"SELECT 'a\' , b FROM t", "SELECT ? , b FROM t"),
            (Language::PostgreSql, "DO $body$ BEGIN secret(); END $body$", "DO ?"),
            (Language::PostgreSql, "SELECT $$it's$$ || 'x'", "SELECT ? || ?"),
            (Language::PostgreSql, "SELECT /* a /* nested */ 'x' */ 2 -- tail 'y'", "SELECT ?"),
            (
                Language::PostgreSql,
                "SELECT data->>'key' FROM t WHERE d @> '{\"a\":1}'",
                "SELECT data->>? FROM t WHERE d @> ?",
            ),
            (Language::MySql, r#"SELECT "secret", 'it\'s', `col` # note"#, "SELECT ?, ?, `col`"),
            (Language::MySql, "SELECT * FROM `my`.`tbl` WHERE a = :name", "SELECT * FROM `my`.`tbl` WHERE a = :name"),
            (
                Language::Sqlite,
                r#"SELECT [a b], "c" FROM t WHERE d = "secret""#,
                r#"SELECT [a b], ? FROM t WHERE d = ?"#,
            ),
            (
                Language::Sqlite,
                r#"SELECT 1 FROM a JOIN b ON a.x = "b"."y""#,
                r#"SELECT ? FROM a JOIN b ON a.x = "b"."y""#,
            ),
            (Language::Sqlite, "INSERT INTO t VALUES (?1, ?, @a, :b, .5)", "INSERT INTO t VALUES (?1, ?, @a, :b, ?)"),
            (Language::Sql, r#"SELECT "secret" FROM t WHERE a = 'b\' c'"#, "SELECT ? FROM t WHERE a = ?"),
            (Language::PostgreSql, "SELECT 'never closed", "SELECT ?"),
            (Language::PostgreSql, "SELECT 'ünïcödé', größe FROM t", "SELECT ?, größe FROM t"),
            (Language::PostgreSql, "", ""),
        ] {
            assert_eq!(text(sql, language), clean, "{language:?}: {sql}");
        }
    }

    #[test]
    fn lists_of_literals_shrink() {
        assert_eq!(
            text("SELECT 1 WHERE a IN (1, 2,3) AND b IN ('x')", Language::Sqlite),
            "SELECT ? WHERE a IN (?) AND b IN (?)"
        );
        assert_eq!(text("WHERE a IN ($1, $2)", Language::PostgreSql), "WHERE a IN ($1, $2)");
        assert_eq!(text("WHERE a IN (SELECT 1)", Language::PostgreSql), "WHERE a IN (SELECT ?)");
        assert_eq!(text("WHERE a IN ()", Language::PostgreSql), "WHERE a IN ()");
        let long = format!("SELECT a FROM t WHERE id IN ({}) ORDER BY a", vec!["12345"; 5000].join(", "));
        assert_eq!(text(&long, Language::PostgreSql), "SELECT a FROM t WHERE id IN (?) ORDER BY a");
    }

    #[test]
    fn text_is_bounded() {
        let long = format!("INSERT INTO t VALUES {}", vec!["('a', 'b')"; 9000].join(", "));
        let statement = read(&long, Language::PostgreSql);
        assert!(statement.text.unwrap().len() <= MAX_TEXT + '…'.len_utf8());
        assert_eq!(statement.summary.unwrap(), "INSERT t");
    }

    #[test]
    fn no_text_makes_it_panic_or_leak() {
        use Language::{MySql, OracleSql, PostgreSql, Sql, Sqlite, TransactSql};
        let nasty = r#"SELECT 'hunter2' /*hunter2*/ "q" `w` [e] $t$hunter2$t$ 0x1 .5 \ ü ; -- hunter2"#;
        for language in [PostgreSql, MySql, Sqlite, TransactSql, OracleSql, Sql] {
            for (from, _) in nasty.char_indices() {
                for (to, _) in nasty.char_indices().filter(|(to, _)| *to >= from) {
                    let _ = read(&nasty[from..to], language);
                }
            }
            // `$t$hunter2$t$` is a string for some and a name for others.
            let names = matches!(language, MySql | Sqlite | TransactSql | OracleSql);
            let clean = text(nasty, language).replace("$t$hunter2$t$", if names { "" } else { "leaked" });
            assert!(!clean.contains("hunter2") && !clean.contains("leaked"), "{language:?}: {clean}");
        }
    }
}
