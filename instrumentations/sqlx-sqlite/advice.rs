//! One span per statement: from the moment it is first polled until its rows are exhausted, fail or are dropped.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;

use futures_core::Stream;
use futures_util::{future, stream, StreamExt};
use otel_rs_hooks::{key, Attribute, Domain, Span, Value};
use sqlx_core::error::Error;
use sqlx_core::Either;

/// What the spans of a connection have in common.
pub(crate) struct Connection {
    file: String,
    /// Whether a statement is under way, or the connection is being set up. What sqlx sends on its own meanwhile gets no
    /// span: it is part of what the user sees already. A connection does one thing at a time, so a flag is enough.
    busy: AtomicBool,
}

impl Connection {
    pub(crate) fn new(options: &crate::SqliteConnectOptions) -> Arc<Self> {
        let file = if options.in_memory { ":memory:".into() } else { options.filename.to_string_lossy() };
        Arc::new(Connection { file: file.into_owned(), busy: AtomicBool::new(true) })
    }

    /// The connection has been set up.
    pub(crate) fn ready(&self) {
        self.busy.store(false, Relaxed);
    }

    fn start(&self, operation: &'static str, sql: &str) -> Span {
        Span::start(
            &SCOPE,
            Domain::Database,
            &[
                (key::DB_SYSTEM, "sqlite".into()),
                (key::DB_NAMESPACE, self.file.as_str().into()),
                (key::DB_OPERATION, text(operation)),
                (key::DB_QUERY, text(sql)),
            ],
        )
    }
}

/// The code that tells what went wrong in the database.
fn code(error: &Error) -> Option<String> {
    match error {
        Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}

// From here on the advice of all drivers is the same.

fn text(text: &str) -> Value<'_> {
    if text.is_empty() {
        Value::None
    } else {
        text.into()
    }
}

/// The class of an error. Its message is kept out: it may quote values.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Io(_) => "io",
        Error::Tls(_) => "tls",
        Error::Protocol(_) => "protocol",
        Error::Decode(_) | Error::ColumnDecode { .. } => "decode",
        Error::WorkerCrashed => "worker_crashed",
        _ => "_OTHER",
    }
}

/// A statement under way.
pub(crate) struct Statement {
    /// `None` when there is nothing to tell, or all has been told.
    connection: Option<Arc<Connection>>,
    span: Span,
    /// `None` where there cannot be any.
    rows: Option<u64>,
    answered: bool,
}

impl Statement {
    pub(crate) const SILENT: Statement = Statement { connection: None, span: Span::NONE, rows: None, answered: false };

    fn start(connection: Arc<Connection>, operation: &'static str, sql: &str) -> Self {
        if !SCOPE.enabled() || connection.busy.swap(true, Relaxed) {
            return Statement::SILENT;
        }
        let span = connection.start(operation, sql);
        Statement { connection: Some(connection), span, ..Statement::SILENT }
    }

    /// What the statement answered: rows or not, an error, or nothing more.
    fn answer(&mut self, row: Option<Result<bool, &Error>>) {
        match row {
            Some(Ok(row)) => {
                self.answered = true;
                self.rows = self.rows.map(|rows| rows + u64::from(row));
            }
            Some(Err(error)) => self.fail(error),
            None => self.end(&[(key::DB_ROWS, self.rows.into())]),
        }
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        if self.connection.is_some() {
            let code = code(error);
            let class = code.as_deref().unwrap_or_else(|| class(error));
            self.end(&[(key::DB_STATUS, code.as_deref().into()), (key::ERROR_TYPE, class.into())]);
        }
    }

    pub(crate) fn end(&mut self, last: &[Attribute<'_>]) {
        if let Some(connection) = self.connection.take() {
            connection.ready();
            std::mem::replace(&mut self.span, Span::NONE).end(last);
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        // Whoever wanted only the first row is content; whoever left before any answer gave up.
        let last = if self.answered { (key::DB_ROWS, self.rows.into()) } else { (key::ERROR_TYPE, "cancelled".into()) };
        self.end(&[last]);
    }
}

/// Starts a statement that goes on after its first answer.
pub(crate) async fn open<Q, F, T>(connection: Arc<Connection>, sql: Q, run: F) -> Result<(T, Statement), Error>
where
    Q: AsRef<str>,
    F: Future<Output = Result<T, Error>>,
{
    let mut statement = Statement::start(connection, "", sql.as_ref());
    match run.await {
        Ok(opened) => Ok((opened, statement)),
        Err(error) => {
            statement.fail(&error);
            Err(error)
        }
    }
}

/// Watches what a statement answers with.
fn watch<S, T>(items: S, statement: Statement, row: fn(&T) -> bool) -> impl Stream<Item = Result<T, Error>>
where
    S: Stream<Item = Result<T, Error>>,
{
    // A last item of our own tells that the items are exhausted; `scan` ends there.
    let items = items.map(Some).chain(stream::once(future::ready(None)));
    items.scan(statement, move |statement, item| {
        statement.answer(item.as_ref().map(|item| item.as_ref().map(row)));
        future::ready(item)
    })
}

/// Watches a statement that answers with rows.
pub(crate) async fn statement<Q, F, S, D, R>(
    connection: Arc<Connection>,
    sql: Q,
    run: F,
) -> Result<impl Stream<Item = Result<Either<D, R>, Error>>, Error>
where
    Q: AsRef<str>,
    F: Future<Output = Result<S, Error>>,
    S: Stream<Item = Result<Either<D, R>, Error>>,
{
    let (items, mut statement) = open(connection, sql, run).await?;
    statement.rows = Some(0);
    Ok(watch(items, statement, Either::is_right))
}

/// Watches what answers but once.
pub(crate) async fn command<Q, F, T>(
    connection: Arc<Connection>,
    operation: &'static str,
    sql: Q,
    run: F,
) -> Result<T, Error>
where
    Q: AsRef<str>,
    F: Future<Output = Result<T, Error>>,
{
    let mut statement = Statement::start(connection, operation, sql.as_ref());
    let answer = run.await;
    match &answer {
        Ok(_) => statement.end(&[]),
        Err(error) => statement.fail(error),
    }
    answer
}

/// Marks the moment at which a transaction was dropped.
pub(crate) fn rolled_back(connection: &Arc<Connection>) {
    Statement::start(connection.clone(), "ROLLBACK", "").end(&[]);
}
