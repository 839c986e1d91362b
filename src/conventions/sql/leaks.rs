//! Forms of literals in each dialect, and proof that none of them gets through.

use super::*;

fn text(sql: &str, language: Language) -> String {
    read(sql, language).text.unwrap_or_default()
}

const PG: Language = Language::PostgreSql;
const MY: Language = Language::MySql;
const LITE: Language = Language::Sqlite;
const MS: Language = Language::TransactSql;
const OTHER: Language = Language::Sql;
const ORA: Language = Language::OracleSql;

#[test]
fn every_form_of_a_literal_is_replaced() {
    for (language, sql, clean) in [
        // Booleans are literals, NULL is not
        (
            PG,
            "SELECT TRUE, false, NULL WHERE a IS NOT TRUE AND b = FALSE",
            "SELECT ?, ?, NULL WHERE a IS NOT ? AND b = ?",
        ),
        (PG, "SELECT t.true, true_name FROM t", "SELECT t.true, true_name FROM t"),
        // Numbers
        (
            PG,
            "SELECT 1, 1.5, .5, 1., 1e5, 1.5E-9, 1e+3, 0xFF, 0b01, 0o7, 1_000, -1, +2",
            "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, -?, +?",
        ),
        (MS, "SELECT $100.50, 0xDEADBEEF WHERE a = @p1", "SELECT ?, ? WHERE a = @p1"),
        (PG, "SELECT a[1], ARRAY[1, 'x'] FROM t LIMIT 10 OFFSET 5", "SELECT a[?], ARRAY[?, ?] FROM t LIMIT ? OFFSET ?"),
        // Strings
        (
            PG,
            r"SELECT E'a\'hunter2', U&'\0061hunter2' UESCAPE '!', B'01', X'ff', N'x'",
            "SELECT ?, U&? UESCAPE ?, ?, ?, ?",
        ),
        (PG, "SELECT 'a'\n'hunter2', $$hunter2$$, $a$ $b$hunter2 $a$", "SELECT ? ?, ?, ?"),
        (
            PG,
            "SELECT DATE '2020-01-01', INTERVAL '1 day', '{1}'::int[], '$.a'::jsonpath",
            "SELECT DATE ?, INTERVAL ?, ?::int[], ?::jsonpath",
        ),
        (
            PG,
            r"SELECT * FROM t WHERE a LIKE 'x' ESCAPE '\' AND b = 'hunter2'",
            "SELECT * FROM t WHERE a LIKE ? ESCAPE ? AND b = ?",
        ),
        (MY, r#"SELECT _utf8mb4'hunter2', "hun""ter2", 'it\'s', "say \"x\"""#, "SELECT ?, ?, ?, ?"),
        (MY, r"SELECT 'hunter2\\', b FROM t", "SELECT ?, b FROM t"),
        (
            MY,
            "SELECT INTERVAL 1 DAY, TIMESTAMP'2020-01-01', x'4D', {d '2020-01-01'}",
            "SELECT INTERVAL ? DAY, TIMESTAMP?, ?, {d ?}",
        ),
        (ORA, "SELECT q'[it's hunter2]', nq'!it's!', Q'(a')b)' FROM dual", "SELECT ?, ?, ? FROM dual"),
        (MS, "SELECT N'it''s hunter2', [a b] FROM \"t\"", "SELECT ?, [a b] FROM \"t\""),
        // Without escapes, or with: both readings
        (MY, r"SELECT * FROM t WHERE a = 'x\' AND b = 'hunter2'", "SELECT * FROM t WHERE a = ? AND b = ?"),
        (MY, r"SELECT 'a\', 'hunter2', 'b\', 'hunter2'", "SELECT ?, ?, ?, ?"),
        (MY, r"SELECT 'it\'s', 'don\'t', b FROM t", "SELECT ?, ?, b FROM t"),
        (MY, r"SELECT a FROM t WHERE b = 'x\' AND c = ' hunter2 \'y'", "SELECT a FROM t WHERE b = ?…"),
        // SQLite takes "…" for a string where there is no such name
        (
            LITE,
            r#"INSERT INTO t ("a", "b") VALUES ("hunter2", 'x', "hunter2")"#,
            r#"INSERT INTO t ("a", "b") VALUES (?, ?, ?)"#,
        ),
        (
            LITE,
            r#"SELECT 'a', "hunter2" FROM "t" AS "u" WHERE b IN ('a', "hunter2")"#,
            r#"SELECT ?, ? FROM "t" AS "u" WHERE b IN (?)"#,
        ),
        (
            LITE,
            r#"SELECT 1 WHERE a BETWEEN "hunter2" AND "hunter2" OR f(a, "hunter2")"#,
            "SELECT ? WHERE a BETWEEN ? AND ? OR f(a, ?)",
        ),
        (LITE, r#"SELECT a IS DISTINCT FROM "hunter2" FROM "t""#, r#"SELECT a IS DISTINCT FROM ? FROM "t""#),
        (
            LITE,
            r#"UPDATE "t" SET "a" = "hunter2", "b" = 1 WHERE "t"."c" = ?"#,
            r#"UPDATE "t" SET "a" = ?, "b" = ? WHERE "t"."c" = ?"#,
        ),
        (
            LITE,
            r#"CREATE TABLE "t" ("id" INTEGER, "n" TEXT DEFAULT "hunter2")"#,
            r#"CREATE TABLE "t" ("id" INTEGER, "n" TEXT DEFAULT ?)"#,
        ),
        (
            LITE,
            r#"SELECT "t"."a", "t"."b" AS "c" FROM "t" JOIN "u" ON "t"."a" = "u"."a""#,
            r#"SELECT "t"."a", "t"."b" AS "c" FROM "t" JOIN "u" ON "t"."a" = "u"."a""#,
        ),
        // Settings and passwords
        (
            LITE,
            "PRAGMA key = hunter2; PRAGMA key(hunter2); PRAGMA rekey = \"hunter2\"",
            "PRAGMA key = ?; PRAGMA key(?); PRAGMA rekey = ?",
        ),
        (LITE, "PRAGMA foreign_keys = ON", "PRAGMA foreign_keys = ?"),
        (LITE, "ATTACH DATABASE \"file:x?key=hunter2\" AS aux KEY hunter2", "ATTACH DATABASE ? AS aux KEY ?"),
        (PG, "SET app.secret = hunter2", "SET app.secret = ?"),
        (PG, "SET app.secret TO hunter2, \"hunter2\"", "SET app.secret TO ?, ?"),
        (PG, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        (MY, "SET PASSWORD FOR 'a'@'h' = PASSWORD('hunter2')", "SET PASSWORD FOR ?@? = ?(?)"),
        (PG, "ALTER ROLE bob WITH ENCRYPTED PASSWORD 'hunter2'", "ALTER ROLE bob WITH ENCRYPTED PASSWORD ?"),
        (
            MY,
            "CREATE USER 'a'@'h' IDENTIFIED WITH x BY 'hunter2' REPLACE \"hunter2\"",
            "CREATE USER ?@? IDENTIFIED WITH x BY ? REPLACE ?",
        ),
        (ORA, "CREATE USER bob IDENTIFIED BY hunter2", "CREATE USER bob IDENTIFIED BY ?"),
        (
            ORA,
            "ALTER USER bob IDENTIFIED BY \"hunter2\" REPLACE \"hunter2\"",
            "ALTER USER bob IDENTIFIED BY ? REPLACE ?",
        ),
        (PG, "CREATE SERVER s OPTIONS (host 'h', password 'hunter2')", "CREATE SERVER s OPTIONS (host ?, password ?)"),
        (
            PG,
            "SELECT * FROM dblink('host=h password=hunter2', 'SELECT 1') AS t(a int)",
            "SELECT * FROM dblink(?, ?) AS t(a int)",
        ),
        (PG, "CREATE TABLE user (password TEXT, key INT)", "CREATE TABLE user (password TEXT, key INT)"),
        (MS, "EXEC sp_addlogin bob, hunter2, N'x'", "EXEC sp_addlogin ?, ?, ?"),
        // Data behind a statement that is not SQL
        (
            PG,
            "COPY t (a, b) FROM STDIN WITH (FORMAT\ncsv);\nhunter2\t'x\n\\.\n",
            "COPY t (a, b) FROM STDIN WITH (FORMAT csv); ?",
        ),
        (PG, "COPY t FROM STDIN\nhunter2\t1\n\\.", "COPY t FROM STDIN ?"),
        (PG, "COPY t TO STDOUT; SELECT a FROM t", "COPY t TO STDOUT; SELECT a FROM t"),
        // Comments
        (PG, "SELECT a /* hunter2 /* hunter2 */ ' */ FROM t -- hunter2\n/*k='hunter2'*/", "SELECT a FROM t"),
        (MY, "SELECT /*+ hunter2 */ a /*!50001 , 'hunter2' */ FROM t # hunter2", "SELECT a , ? FROM t"),
        (MY, "SELECT 5--1, 'hunter2'", "SELECT ?--?, ?"),
        (MY, "SELECT 5--'a\n, hunter2'", "SELECT ?--?"),
        // Of an unknown dialect
        (OTHER, "SELECT 5--'a\n, hunter2'", "SELECT ? ?…"),
        (OTHER, "SELECT a #- '{hunter2\n, hunter2}'", "SELECT a ?…"),
        (OTHER, "SELECT /* /* */ a ' */ hunter2 '", "SELECT ?…"),
        (OTHER, "SELECT a FROM t -- it is\n WHERE b = 'hunter2'", "SELECT a FROM t WHERE b = ?"),
        // Cut short, or never closed
        (PG, "SELECT 'hunter2", "SELECT ?"),
        (PG, "SELECT $a$hunter2", "SELECT ?"),
        (PG, "SELECT a FROM \"hunter2", "SELECT a FROM ?"),
        (MY, "SELECT a FROM `hunter2", "SELECT a FROM ?"),
        (MS, "SELECT a FROM [hunter2", "SELECT a FROM ?"),
        (PG, "SELECT 1 /* hunter2", "SELECT ?"),
        (PG, "SELECT 'größe', größe, '日本'", "SELECT ?, größe, ?"),
        // A batch of the same statement is that statement
        (PG, "INSERT INTO t VALUES (1); INSERT INTO t VALUES ('x');", "INSERT INTO t VALUES (?)"),
        (PG, "INSERT INTO t VALUES (1); DELETE FROM t", "INSERT INTO t VALUES (?); DELETE FROM t"),
    ] {
        let found = text(sql, language);
        assert_eq!(found, clean, "{language:?}: {sql}");
        assert!(!found.contains("hunter2"));
    }
}

/// A generator of the simplest kind.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % most
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }

    /// User data that contains `hunter2`.
    fn data(&mut self) -> String {
        const PIECES: &[&str] = &[
            "'",
            "''",
            "\"",
            "\\",
            "\\\\",
            "`",
            "--",
            "-- ",
            "/*",
            "*/",
            "/*!",
            "#",
            ";",
            "$$",
            "$t$",
            "\n",
            "ü",
            " ",
            ",",
            "(",
            ")",
            "]",
            "[",
            "q'[",
            "hunter2",
            " and ",
            "OR",
            "E",
            "=",
            ".",
            "x",
            "0",
            "COPY",
            " FROM STDIN",
            "%",
        ];
        let before = self.below(4);
        let after = self.below(4);
        let pieces: Vec<&str> = (0..before + after).map(|_| self.of(PIECES)).collect();
        format!("{}hunter2{}", pieces[..before].concat(), pieces[before..].concat())
    }
}

/// How a dialect writes data in one of its modes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// `'it''s'`
    Doubled(&'static str, char),
    /// `'it\'s'`
    Escaped(&'static str, char),
    Dollars,
    Oracle,
}

impl Form {
    fn write(self, data: &str) -> String {
        match self {
            Form::Doubled(prefix, quote) => {
                format!("{prefix}{quote}{}{quote}", data.replace(quote, &format!("{quote}{quote}")))
            }
            Form::Escaped(prefix, quote) => {
                let escaped = data.replace('\\', r"\\").replace(quote, &format!("\\{quote}"));
                format!("{prefix}{quote}{escaped}{quote}")
            }
            Form::Dollars => format!("$body${data}$body$"),
            Form::Oracle => format!("q'[{}]'", data.replace("]'", "")),
        }
    }
}

/// Systems, and the forms that may stand together in one statement.
const MODES: &[(Language, &[Form])] = &[
    (PG, &[Form::Doubled("", '\''), Form::Escaped("E", '\''), Form::Dollars, Form::Doubled("U&", '\'')]),
    // standard_conforming_strings = off
    (PG, &[Form::Escaped("", '\''), Form::Escaped("e", '\''), Form::Dollars]),
    (MY, &[Form::Escaped("", '\''), Form::Escaped("", '"'), Form::Escaped("_utf8", '\'')]),
    // NO_BACKSLASH_ESCAPES
    (MY, &[Form::Doubled("", '\''), Form::Doubled("", '"'), Form::Doubled("N", '\'')]),
    (LITE, &[Form::Doubled("", '\''), Form::Doubled("", '"')]),
    (MS, &[Form::Doubled("", '\''), Form::Doubled("N", '\''), Form::Doubled("", '"')]),
    (ORA, &[Form::Doubled("", '\''), Form::Oracle]),
    (OTHER, &[Form::Doubled("", '\''), Form::Doubled("", '"')]),
    (OTHER, &[Form::Escaped("", '\''), Form::Escaped("", '"')]),
];

const TEMPLATES: &[&str] = &[
    "SELECT a FROM t WHERE b = {} AND c IN ({}, {}, 5) ORDER BY d",
    "INSERT INTO t (a, b) VALUES ({}, {}), ({}, TRUE)",
    "UPDATE t SET a = {}, b = f({}, {}) WHERE c LIKE {} OR d BETWEEN {} AND {}",
    "SELECT {} || {} AS x, CASE WHEN a = {} THEN {} ELSE {} END FROM t; DELETE FROM t WHERE a = {}",
    "SELECT a FROM t WHERE b={}AND c={}OR d={}",
    "CALL p({}, {})",
    "PRAGMA key = {}; SELECT {}",
    "SELECT a /* note */ FROM t WHERE b = {} -- tail\n AND c = {}",
];

fn statement(random: &mut Random, forms: &[Form]) -> String {
    let mut sql = String::new();
    for (index, piece) in random.of(TEMPLATES).split("{}").enumerate() {
        if index > 0 {
            let form = forms[random.below(forms.len())];
            sql.push_str(&form.write(&random.data()));
        }
        sql.push_str(piece);
    }
    sql
}

#[test]
fn no_literal_of_any_dialect_gets_through() {
    let mut random = Random(9);
    for round in 0..4_500 {
        let (language, forms) = MODES[round % MODES.len()];
        let sql = statement(&mut random, forms);
        let found = text(&sql, language);
        assert!(!found.contains("hunter2"), "{language:?} {forms:?}:\n{sql}\n{found}");
        let summary = read(&sql, language).summary.unwrap_or_default();
        assert!(!summary.contains("hunter2"), "{language:?}: {sql}\n{summary}");
    }
}

#[test]
fn no_literal_gets_through_if_the_text_is_cut_short_on_its_way() {
    let mut random = Random(24);
    for round in 0..900 {
        let (language, forms) = MODES[round % MODES.len()];
        let sql = statement(&mut random, forms);
        // Blank space stands for what was before, so that the bound of the text that is kept does not matter.
        let mut long = format!("{}{sql}", " ".repeat(MAX_VALUE - 1 - random.below(sql.len())));
        let mut end = MAX_VALUE.min(long.len());
        while !long.is_char_boundary(end) {
            end -= 1;
        }
        long.truncate(end);
        let found = text(&long, language);
        assert!(!found.contains("hunter2"), "{language:?} {forms:?}:\n{}\n{found}", long.trim_start());
    }
}

/// A string that is followed by a word at once has not ended: so much is known of a text that is cut short, too.
#[test]
fn only_the_doubtful_part_of_truncated_text_is_cut() {
    let cut = |sql: &str| format!("{}{sql}", " ".repeat(MAX_VALUE - sql.len()));
    assert_eq!(text(&cut(r"SELECT 'it\'s', a, b = 'hunter2"), MY), "SELECT ?, a, b = ?");
    assert_eq!(text(&cut(r"SELECT 'x\' , a, b = ' hunter2"), MY), "SELECT ?…");
}
