//! One span per statement: from the moment it is first polled until its rows are exhausted, fail or are dropped.

use std::future::Future;

use futures_core::stream::BoxStream;
use futures_core::Stream;
use futures_util::{future, stream, StreamExt};
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use sqlx_core::error::Error;
use sqlx_core::Either;

/// What the statements of a connection have in common.
pub(crate) fn session(options: &crate::PgConnectOptions) -> Session {
    let socket = options.fetch_socket();
    let database = Database {
        system: "postgresql",
        language: Language::PostgreSql,
        // The server's own default, too.
        namespace: options.database.as_ref().unwrap_or(&options.username),
        port: if socket.is_none() { Some(options.port) } else { None },
        address: socket.as_deref().unwrap_or(&options.host),
    };
    Session::new(&SCOPE, &database)
}

/// What a span records of an error.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::Database(error) => error.code().map_or(Failure::class("_OTHER"), |code| Failure::code(&code)),
        Error::Io(_) => Failure::class("io"),
        Error::Tls(_) => Failure::class("tls"),
        Error::Protocol(_) => Failure::class("protocol"),
        Error::Decode(_) | Error::ColumnDecode { .. } => Failure::class("decode"),
        Error::WorkerCrashed => Failure::class("worker_crashed"),
        _ => Failure::class("_OTHER"),
    }
}

/// Watches the items that a statement answers with.
fn watch<S, T>(items: S, statement: Statement, is_row: fn(&T) -> bool) -> impl Stream<Item = Result<T, Error>>
where
    S: Stream<Item = Result<T, Error>>,
{
    // A last item of our own marks that the items are exhausted; `scan` ends there.
    let items = items.map(Some).chain(stream::once(future::ready(None)));
    items.scan(statement, move |statement, item| {
        statement.item(item.as_ref().map(|item| item.as_ref().map(is_row)), failure);
        future::ready(item)
    })
}

/// Watches a statement that answers with rows.
pub(crate) async fn statement<Q, F, S, D, R>(
    session: Session,
    sql: Q,
    run: F,
) -> Result<impl Stream<Item = Result<Either<D, R>, Error>>, Error>
where
    Q: AsRef<str>,
    F: Future<Output = Result<S, Error>>,
    S: Stream<Item = Result<Either<D, R>, Error>>,
{
    let (items, mut statement) = session.open(sql, run, failure).await?;
    statement.count_rows();
    Ok(watch(items, statement, Either::is_right))
}

/// Watches data that is copied out.
pub(crate) async fn copy_out<'c, F, S, T>(
    session: Session,
    sql: &str,
    run: F,
) -> Result<BoxStream<'c, Result<T, Error>>, Error>
where
    F: Future<Output = Result<S, Error>>,
    S: Stream<Item = Result<T, Error>> + Send + 'c,
    T: Send + 'c,
{
    let (data, statement) = session.open(sql, run, failure).await?;
    Ok(Box::pin(watch(data, statement, |_| false)))
}
