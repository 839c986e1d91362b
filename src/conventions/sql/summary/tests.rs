//! What texts of SQL are about.

use super::super::read;
use crate::wire::Language;

#[test]
fn statements_are_summed_up() {
    for (sql, summary, operation, collection) in [
        ("SELECT * FROM orders WHERE id = $1", "SELECT orders", "SELECT", "orders"),
        ("select a from shop.orders o", "SELECT shop.orders", "SELECT", "shop.orders"),
        ("SELECT * FROM songs, artists a", "SELECT songs artists", "SELECT", ""),
        ("SELECT * FROM a JOIN b ON a.x = b.y LEFT JOIN c USING (z)", "SELECT a b c", "SELECT", ""),
        (
            "SELECT d FROM (SELECT * FROM orders o JOIN customers c ON 1=1)",
            "SELECT SELECT orders customers",
            "SELECT",
            "",
        ),
        ("INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT DO UPDATE SET a = 1", "INSERT t", "INSERT", "t"),
        ("INSERT INTO t SELECT x FROM s", "INSERT t SELECT s", "INSERT", ""),
        ("INSERT OR REPLACE INTO t VALUES (1)", "INSERT t", "INSERT", "t"),
        ("UPDATE t SET a = replace(a, 'x', 'y') WHERE b = 1", "UPDATE t", "UPDATE", "t"),
        ("DELETE FROM \"my t\" WHERE a = 1", "DELETE my t", "DELETE", "my t"),
        ("SELECT a FROM t FOR UPDATE", "SELECT t", "SELECT", "t"),
        ("SELECT EXTRACT(YEAR FROM ts), a IS DISTINCT FROM b FROM t", "SELECT t", "SELECT", "t"),
        ("SELECT * FROM generate_series(1, 2)", "SELECT", "SELECT", ""),
        ("WITH x AS (SELECT * FROM a) INSERT INTO b SELECT * FROM x", "SELECT a INSERT b SELECT", "INSERT", ""),
        ("WITH RECURSIVE x(n) AS (SELECT 1) SELECT * FROM x", "SELECT SELECT", "SELECT", ""),
        ("SELECT 1", "SELECT", "SELECT", ""),
        ("CREATE TABLE IF NOT EXISTS t (id INT REFERENCES u ON DELETE CASCADE)", "CREATE TABLE t", "CREATE", "t"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX i", "CREATE", ""),
        ("DROP TABLE t", "DROP TABLE t", "DROP", "t"),
        ("TRUNCATE t", "TRUNCATE t", "TRUNCATE", "t"),
        ("TRUNCATE TABLE t", "TRUNCATE TABLE t", "TRUNCATE", "t"),
        ("CALL do_it(1)", "CALL do_it", "CALL", ""),
        ("EXPLAIN ANALYZE SELECT * FROM t", "EXPLAIN SELECT t", "EXPLAIN", "t"),
        ("PRAGMA foreign_keys = ON", "PRAGMA", "PRAGMA", ""),
        ("/* c */ BEGIN IMMEDIATE", "BEGIN", "BEGIN", ""),
        ("SELECT 1; DELETE FROM t", "BATCH", "BATCH", ""),
        ("INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)", "BATCH", "BATCH INSERT", ""),
        ("DELETE FROM t WHERE a = 1; UPDATE t SET a = 1", "BATCH", "BATCH", "t"),
        ("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);", "BATCH INSERT t", "BATCH INSERT", "t"),
        ("SELECT a FROM t;", "SELECT t", "SELECT", "t"),
        (";; SELECT a FROM t ; -- done", "SELECT t", "SELECT", "t"),
        ("BEGIN; INSERT INTO t VALUES (1); COMMIT", "BATCH", "BATCH", ""),
        ("WITH x AS (SELECT 1) SELECT * FROM x; SELECT * FROM x", "BATCH", "BATCH SELECT", ""),
        (
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE u SET a = 1; DELETE FROM v; END",
            "CREATE TRIGGER r",
            "CREATE",
            "",
        ),
        ("CREATE PROCEDURE p() BEGIN IF a THEN DELETE FROM t; END IF; END; DELETE FROM t", "BATCH", "BATCH", ""),
        ("BEGIN DELETE FROM t; UPDATE u SET a = 1; END;", "BEGIN", "BEGIN", ""),
        ("SELECT ';' FROM t", "SELECT t", "SELECT", "t"),
        ("EXEC do_it a, b", "EXEC do_it", "EXEC", ""),
        ("(SELECT a FROM t) UNION (SELECT a FROM u)", "SELECT t SELECT u", "SELECT", ""),
        ("hunter2 is no statement", "", "", ""),
    ] {
        let statement = read(sql, Language::PostgreSql);
        assert_eq!(statement.summary.as_deref().unwrap_or(""), summary, "{sql}");
        assert_eq!(statement.operation.as_deref().unwrap_or(""), operation, "{sql}");
        assert_eq!(statement.collection.as_deref().unwrap_or(""), collection, "{sql}");
    }
}

#[test]
fn words_that_are_keywords_elsewhere_are_names() {
    let names = ["local", "global", "temp", "temporary", "unlogged", "external", "virtual", "materialized", "quick"];
    for name in names.into_iter().chain(["abort", "fail", "rollback", "replace", "user", "type", "index"]) {
        for (sql, summary) in [
            (format!("CREATE TABLE {name} (id INT)"), format!("CREATE TABLE {name}")),
            (format!("CREATE LOCAL TEMPORARY TABLE IF NOT EXISTS {name} (id INT)"), format!("CREATE TABLE {name}")),
            (format!("DROP TABLE IF EXISTS {name}"), format!("DROP TABLE {name}")),
            (format!("ALTER TABLE {name} ADD COLUMN a INT"), format!("ALTER TABLE {name}")),
            (format!("TRUNCATE {name}"), format!("TRUNCATE {name}")),
            (format!("SELECT a FROM {name} WHERE b = 1"), format!("SELECT {name}")),
            (format!("SELECT a FROM {name} t, u"), format!("SELECT {name} u")),
            (format!("INSERT INTO {name} (id) VALUES (1)"), format!("INSERT {name}")),
            (format!("INSERT INTO {name} SELECT a FROM t"), format!("INSERT {name} SELECT t")),
            (format!("UPDATE {name} SET a = 1"), format!("UPDATE {name}")),
            (format!("DELETE FROM {name}"), format!("DELETE {name}")),
            (format!("SELECT a INTO {name} FROM t"), format!("SELECT {name} t")),
            (format!("SELECT 1 INTO {name}"), format!("SELECT {name}")),
            (format!("CREATE TABLE {name}.t (id INT)"), format!("CREATE TABLE {name}.t")),
        ] {
            assert_eq!(read(&sql, Language::PostgreSql).summary, Some(summary), "{sql}");
        }
    }
    for (sql, summary) in [
        ("SELECT a INTO TEMP t FROM u", "SELECT t u"),
        ("SELECT a INTO LOCAL TEMPORARY TABLE t FROM u", "SELECT t u"),
        ("SELECT a INTO UNLOGGED \"t\" FROM u", "SELECT t u"),
        ("UPDATE OR ROLLBACK t SET a = 1", "UPDATE t"),
        ("UPDATE LOW_PRIORITY IGNORE t SET a = 1", "UPDATE t"),
        ("CREATE INDEX CONCURRENTLY ON t (a)", "CREATE INDEX"),
        ("CREATE INDEX local ON t (a)", "CREATE INDEX local"),
        ("WITH local AS (SELECT 1) SELECT * FROM local", "SELECT SELECT"),
    ] {
        assert_eq!(read(sql, Language::PostgreSql).summary.as_deref(), Some(summary), "{sql}");
    }
}

#[test]
fn a_back_quoted_path_is_one_name() {
    let statement = read("SELECT * FROM `my`.`tbl` WHERE a = \"x\"", Language::MySql);
    assert_eq!(statement.collection.as_deref(), Some("my.tbl"));
}
