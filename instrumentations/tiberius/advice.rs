//! One span per statement, procedure and bulk load: from the moment it is sent until its rows are exhausted, fail or are
//! dropped.

use std::future::Future;
use std::task::Poll;

use otel_rs_hooks::key;
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::error::Error;
use crate::{Config, Result};

/// What the statements of a connection have in common.
pub(crate) fn session(config: &Config) -> Session {
    // The port of a named instance is looked up by the program.
    let port = if config.port.is_none() && config.instance_name.is_some() { None } else { Some(config.get_port()) };
    Session::new(
        &SCOPE,
        &Database {
            system: "microsoft.sql_server",
            language: Language::TransactSql,
            namespace: config.database.as_deref().unwrap_or_default(),
            address: config.get_host(),
            port,
        },
    )
}

/// Runs a statement with a single result.
pub(crate) async fn run<T>(mut statement: Statement, work: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = work.await;
    statement.ended(&answer, failure);
    answer
}

/// Runs what begins a statement, which goes on with what is returned: until then, it has no answer. `place` is where that keeps it.
pub(crate) async fn load<T>(
    mut statement: Statement,
    work: impl Future<Output = Result<T>>,
    place: fn(&mut T) -> &mut Statement,
) -> Result<T> {
    let mut answer = work.await;
    match &mut answer {
        Ok(opened) => *place(opened) = statement,
        Err(error) => statement.fail(error, failure),
    }
    answer
}

/// The same for a statement that has its first answer then, and may go on with rows.
pub(crate) async fn open<T>(
    mut statement: Statement,
    work: impl Future<Output = Result<T>>,
    place: fn(&mut T) -> &mut Statement,
) -> Result<T> {
    statement.count_rows();
    let mut answer = load(statement, work, place).await;
    if let Ok(opened) = &mut answer {
        place(opened).answered(false);
    }
    answer
}

/// A row has come, something else, or the end.
pub(crate) fn item<T>(statement: &mut Statement, next: &Poll<Option<Result<T>>>, is_row: fn(&T) -> bool) {
    if let Poll::Ready(next) = next {
        statement.item(next.as_ref().map(|next| next.as_ref().map(is_row)), failure);
    }
}

/// A procedure is called.
pub(crate) fn procedure(session: &Session, name: &str) -> Statement {
    let statement = session.start("EXECUTE", "");
    statement.set(&[(key::DB_PROCEDURE, name.into())]);
    statement
}

/// Rows are about to be loaded into a table.
pub(crate) fn bulk(session: &Session, table: &str) -> Statement {
    let statement = session.start("INSERT BULK", "");
    statement.set(&[(key::DB_COLLECTION, table.into())]);
    statement
}

/// What a span records of an error: the server's number, if there is one.
fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(error) => Failure::code(&error.code()),
        Error::Io { .. } => Failure::class("io"),
        Error::Tls(_) => Failure::class("tls"),
        Error::Protocol(_) | Error::Encoding(_) => Failure::class("protocol"),
        Error::Conversion(_) => Failure::class("conversion"),
        _ => Failure::class("_OTHER"),
    }
}
