//! One span per statement: from its first step until its rows are exhausted, fail or are dropped.

use std::error::Error as _;
use std::ffi::CStr;

use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::raw_statement::RawStatement;
use crate::{ffi, Error, Result};

/// What the statements of a connection have in common. Rows of one are read while others run.
pub(crate) fn session(path: &CStr) -> Session {
    let path = path.to_string_lossy();
    // The parameters of a URI may hold a key.
    let file = path.strip_prefix("file:").map_or(&*path, |uri| uri.split('?').next().unwrap_or(""));
    let database = Database { system: "sqlite", language: Language::Sqlite, namespace: file, address: "", port: None };
    Session::multiplexed(&SCOPE, &database)
}

/// What a span records of an error: SQLite's extended result code.
pub(crate) fn failure(error: &Error) -> Failure {
    let sqlite = error.source().and_then(|source| source.downcast_ref::<ffi::Error>());
    sqlite.map_or(Failure::class("_OTHER"), |error| Failure::code(&error.extended_code))
}

/// Records a statement that could not be compiled.
pub(crate) fn prepared<T>(session: &Session, sql: &str, prepared: Result<T>) -> Result<T> {
    if let Err(error) = &prepared {
        session.start("", sql).fail(error, failure);
    }
    prepared
}

/// Starts a compiled statement.
pub(crate) fn start(session: &Session, statement: &RawStatement) -> Statement {
    if !SCOPE.enabled() {
        return Statement::NONE;
    }
    let sql = statement.sql().and_then(|sql| sql.to_str().ok());
    session.start("", sql.unwrap_or(""))
}

/// Executes a statement that answers without rows.
pub(crate) fn execute(statement: &mut crate::Statement<'_>) -> Result<usize> {
    let mut run = statement.otel_start();
    let answer = statement.otel_execute();
    run.ended(&answer, failure);
    answer
}

/// Reads the next row; the first one starts the statement.
pub(crate) fn step(run: &mut Option<Statement>, statement: &crate::Statement<'_>) -> Result<bool> {
    let run = run.get_or_insert_with(|| {
        let mut run = statement.otel_start();
        run.count_rows();
        run
    });
    let row = statement.step();
    let item = match &row {
        Ok(true) => Some(Ok(true)),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    };
    run.item(item, failure);
    row
}
