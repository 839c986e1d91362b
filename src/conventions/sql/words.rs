//! The words of SQL by which a statement is summed up.

/// Statements that read or write rows.
pub(super) const OPERATIONS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "UPSERT"];
/// Statements about objects, whose kind and name follow.
pub(super) const DEFINITIONS: &[&str] = &["CREATE", "DROP", "ALTER", "TRUNCATE"];
/// Statements whose target follows at once.
pub(super) const DIRECT: &[&str] = &["CALL", "EXEC", "EXECUTE", "COPY", "LOCK"];
/// Statements that are summed up by their first word.
pub(super) const PLAIN: &[&str] = &[
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "END",
    "SET",
    "RESET",
    "SHOW",
    "PRAGMA",
    "VACUUM",
    "ANALYZE",
    "DO",
    "GRANT",
    "REVOKE",
    "LISTEN",
    "NOTIFY",
    "UNLISTEN",
    "ATTACH",
    "DETACH",
    "REINDEX",
    "USE",
    "PREPARE",
    "DEALLOCATE",
    "DISCARD",
    "DECLARE",
    "FETCH",
    "CLOSE",
    "OPTIMIZE",
    "KILL",
    "DESCRIBE",
    "DESC",
    "LOAD",
    "HANDLER",
    "REFRESH",
    "COMMENT",
    "CHECKPOINT",
    "CLUSTER",
    "VALUES",
    "TABLE",
];
/// Kinds of objects that a definition names.
pub(super) const OBJECTS: &[&str] = &[
    "TABLE",
    "VIEW",
    "INDEX",
    "DATABASE",
    "SCHEMA",
    "TRIGGER",
    "FUNCTION",
    "PROCEDURE",
    "SEQUENCE",
    "TYPE",
    "USER",
    "ROLE",
    "EXTENSION",
    "DOMAIN",
    "POLICY",
    "COLLATION",
];
/// Words that may stand between a keyword and the name it announces, and are no names themselves.
pub(super) const FILLERS: &[&str] = &[
    "ONLY",
    "LATERAL",
    "IF",
    "NOT",
    "EXISTS",
    "LOW_PRIORITY",
    "HIGH_PRIORITY",
    "DELAYED",
    "IGNORE",
    "OR",
    "INTO",
    "FROM",
    "TABLE",
    "UNIQUE",
    "CONCURRENTLY",
];
/// Words that stand there after `OR`.
pub(super) const AFTER_OR: &[&str] = &["ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"];
/// Words that stand before the table that `SELECT … INTO` makes. Any of them may be its name as well.
pub(super) const KINDS_OF_NEW_TABLE: &[&str] = &["TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL"];
