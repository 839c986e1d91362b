//! Statements of a database: from the moment each is sent until its rows are exhausted, fail or are dropped.
//!
//! ```text
//! // Beside the connection:
//! let session = Session::new(&SCOPE, &Database { system: "postgresql", language: Language::PostgreSql, … });
//! // What answers once, on this thread or as a future:
//! session.run("", sql, execute, failure)
//! session.command("PREPARE", sql, prepare, failure).await
//! // What answers with rows, in the library's own stream or loop:
//! let (rows, mut statement) = session.open(sql, run, failure).await?;
//! statement.count_rows();
//! …
//! statement.answered(true);   // for each row
//! statement.end();            // when there are no more
//! // What is sent with many sets of parameters at once:
//! let batch = Batch::default();
//! let answer = send(batch.counted(sets));
//! statement.batch(&batch);
//! ```
//!
//! Parameters are never recorded, and the text's own values are taken out by the launcher, in the [`Language`] of the
//! database. A prepared statement is a `PREPARE` of its text; each execution is a statement of the same text.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use crate::attribute::{key, Attribute, Value};
use crate::context::Context;
use crate::kit::failure::{Failure, CANCELLED};
use crate::scope::Scope;
use crate::span::{Domain, Span};
pub use crate::wire::Language;

/// A database, as its client knows it. What is not known is left empty.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// A value of `db.system.name`: `postgresql`, `redis`.
    pub system: &'static str,
    /// The language of its queries.
    pub language: Language,
    /// Name of the database; of an embedded one, the file.
    pub namespace: &'a str,
    /// Name or address of the server; a path for Unix sockets.
    pub address: &'a str,
    /// The server's port.
    pub port: Option<u16>,
}

/// What the statements of a connection have in common. Clones are the same session.
#[derive(Clone, Debug)]
pub struct Session(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    scope: &'static Scope,
    system: &'static str,
    language: Language,
    namespace: Box<str>,
    address: Box<str>,
    port: Option<u16>,
    /// Whether many statements may be under way at once.
    multiplexed: bool,
    /// Whether a statement is under way, or the connection is being set up.
    busy: AtomicBool,
}

impl Session {
    /// A connection that does one thing at a time. What the library sends on its own while a statement is under way gets
    /// no span: it is a part of that statement.
    pub fn new(scope: &'static Scope, database: &Database<'_>) -> Session {
        Session::of(scope, database, false, false)
    }

    /// A connection that is still being set up: nothing is recorded of it until it is [`ready`](Self::ready).
    pub fn connecting(scope: &'static Scope, database: &Database<'_>) -> Session {
        Session::of(scope, database, false, true)
    }

    /// A connection that sends a statement before the one before it has been answered.
    pub fn multiplexed(scope: &'static Scope, database: &Database<'_>) -> Session {
        Session::of(scope, database, true, false)
    }

    fn of(scope: &'static Scope, database: &Database<'_>, multiplexed: bool, busy: bool) -> Session {
        let Database { system, language, namespace, address, port } = *database;
        let (namespace, address, busy) = (namespace.into(), address.into(), AtomicBool::new(busy));
        Session(Arc::new(Shared { scope, system, language, namespace, address, port, multiplexed, busy }))
    }

    /// No statement is in progress.
    pub fn ready(&self) {
        self.0.busy.store(false, Relaxed);
    }

    /// Starts a statement by its text, or by the name of its operation where it has none; either may be empty.
    pub fn start(&self, operation: &str, sql: &str) -> Statement {
        let shared = &*self.0;
        if !shared.scope.enabled() || (!shared.multiplexed && shared.busy.swap(true, Relaxed)) {
            return Statement::NONE;
        }
        let language = if sql.is_empty() { Value::None } else { i64::from(shared.language as u8).into() };
        let attributes = [
            (key::DB_SYSTEM, shared.system.into()),
            (key::DB_NAMESPACE, Value::known(&shared.namespace)),
            (key::SERVER_ADDRESS, Value::known(&shared.address)),
            (key::SERVER_PORT, shared.port.into()),
            (key::DB_OPERATION, Value::known(operation)),
            (key::DB_LANGUAGE, language),
            (key::DB_QUERY, Value::known(sql)),
        ];
        let span = Span::start(shared.scope, Domain::Database, &attributes);
        Statement { session: Some(self.clone()), span, rows: None, answered: false }
    }

    /// Records an operation whose end is not awaited as a span without duration.
    pub fn mark(&self, operation: &str) {
        self.start(operation, "").end();
    }

    /// Runs a statement with a single result, on this thread.
    pub fn run<T, E>(
        &self,
        operation: &str,
        sql: &str,
        work: impl FnOnce() -> Result<T, E>,
        failure: fn(&E) -> Failure,
    ) -> Result<T, E> {
        let mut statement = self.start(operation, sql);
        let answer = work();
        statement.ended(&answer, failure);
        answer
    }

    /// Runs a statement until its first answer; it goes on after that.
    pub async fn open<Q, F, T, E>(self, sql: Q, run: F, failure: fn(&E) -> Failure) -> Result<(T, Statement), E>
    where
        Q: AsRef<str>,
        F: Future<Output = Result<T, E>>,
    {
        let mut statement = self.start("", sql.as_ref());
        match run.await {
            Ok(opened) => Ok((opened, statement)),
            Err(error) => {
                statement.fail(&error, failure);
                Err(error)
            }
        }
    }

    /// Runs a statement with a single result, as a future.
    pub async fn command<Q, F, T, E>(
        self,
        operation: &'static str,
        sql: Q,
        run: F,
        failure: fn(&E) -> Failure,
    ) -> Result<T, E>
    where
        Q: AsRef<str>,
        F: Future<Output = Result<T, E>>,
    {
        let mut statement = self.start(operation, sql.as_ref());
        let answer = run.await;
        statement.ended(&answer, failure);
        answer
    }
}

/// Counts sets of parameters while the library takes them from an iterator of the program's.
#[derive(Debug, Default)]
pub struct Batch(AtomicU64);

impl Batch {
    /// The same sets, which are counted as they are taken.
    pub fn counted<'b, I>(&'b self, sets: I) -> impl Iterator<Item = I::Item> + 'b
    where
        I: IntoIterator + 'b,
    {
        sets.into_iter().inspect(move |_| {
            self.0.fetch_add(1, Relaxed);
        })
    }
}

/// A statement under way. Dropped early, it counts as answered if anything came back, and as cancelled otherwise.
#[derive(Debug)]
#[must_use = "the statement is over as soon as this is dropped"]
pub struct Statement {
    /// `None` while the hooks are dormant, and once the statement has ended.
    session: Option<Session>,
    span: Span,
    /// Rows so far; `None` for statements that cannot return rows.
    rows: Option<u64>,
    answered: bool,
}

impl Statement {
    /// No statement.
    pub const NONE: Statement = Statement { session: None, span: Span::NONE, rows: None, answered: false };

    /// The context of what the library sends for it by another instrumented library.
    pub fn context(&self) -> &Context {
        self.span.context()
    }

    /// The statement may answer with rows.
    pub fn count_rows(&mut self) {
        self.rows = Some(0);
    }

    /// Records more of it.
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        self.span.set(attributes);
    }

    /// The statement is sent with many sets of parameters at once, and these have been counted.
    pub fn batch(&self, batch: &Batch) {
        let size = batch.0.load(Relaxed);
        // One is no batch, and nothing is none.
        if size > 1 {
            self.set(&[(key::DB_BATCH_SIZE, size.into())]);
        }
    }

    /// Something came back: a row, or anything else.
    pub fn answered(&mut self, is_row: bool) {
        self.answered = true;
        self.rows = self.rows.map(|rows| rows + u64::from(is_row));
    }

    /// The next item of an answer: a row or not, an error, or its end.
    pub fn item<E>(&mut self, item: Option<Result<bool, &E>>, failure: fn(&E) -> Failure) {
        match item {
            Some(Ok(is_row)) => self.answered(is_row),
            Some(Err(error)) => self.fail(error, failure),
            None => self.end(),
        }
    }

    /// The statement has failed, and is over.
    pub fn fail<E: ?Sized>(&mut self, error: &E, failure: fn(&E) -> Failure) {
        if self.session.is_some() {
            let failure = failure(error);
            self.finish(&[(key::DB_STATUS, failure.status()), (key::ERROR_TYPE, failure.kind())]);
        }
    }

    /// Ends with its only answer.
    pub fn ended<T, E>(&mut self, answer: &Result<T, E>, failure: fn(&E) -> Failure) {
        match answer {
            Ok(_) => self.end(),
            Err(error) => self.fail(error, failure),
        }
    }

    /// The result is complete: the statement ends without an error.
    pub fn end(&mut self) {
        self.finish(&[(key::DB_ROWS, self.rows.into())]);
    }

    fn finish(&mut self, last: &[Attribute<'_>]) {
        if let Some(session) = self.session.take() {
            session.ready();
            std::mem::replace(&mut self.span, Span::NONE).end(last);
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if self.answered {
            // A caller that reads only the first row may drop the stream without cancelling the statement.
            self.end();
        } else {
            self.finish(&[(key::ERROR_TYPE, CANCELLED.into())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|driver|1.0.0|0.1.0|\n");

    fn session(of: fn(&'static Scope, &Database<'_>) -> Session) -> Session {
        let language = Language::Sqlite;
        of(&SCOPE, &Database { system: "sqlite", language, namespace: "shop.db", address: "", port: None })
    }

    /// A statement under way, recorded nowhere.
    fn open(session: &Session) -> Statement {
        session.0.busy.store(true, Relaxed);
        Statement { session: Some(session.clone()), span: Span::of_test(), ..Statement::NONE }
    }

    fn is_busy(session: &Session) -> bool {
        session.0.busy.load(Relaxed)
    }

    #[test]
    fn a_session_is_busy_until_its_statement_ends() {
        let session = session(Session::new);
        let ends: [fn(Statement); 5] = [
            drop,
            |mut statement| statement.ended(&Ok::<_, ()>(7), |_| Failure::class("io")),
            |mut statement| statement.end(),
            |mut statement| statement.fail("gone", |_| Failure::class("io")),
            |mut statement| statement.item(None::<Result<bool, &()>>, |_| Failure::class("io")),
        ];
        for end in ends {
            let statement = open(&session);
            assert!(is_busy(&session));
            end(statement);
            assert!(!is_busy(&session));
        }
    }

    #[test]
    fn a_session_that_connects_is_busy_until_it_is_ready() {
        let session = session(Session::connecting);
        assert!(is_busy(&session));
        session.ready();
        assert!(!is_busy(&session));
    }

    #[test]
    fn only_rows_are_counted_and_only_where_there_can_be_any() {
        let session = session(Session::new);
        let mut statement = open(&session);
        statement.answered(true);
        assert_eq!((statement.rows, statement.answered), (None, true));
        statement.count_rows();
        for is_row in [true, false, true] {
            statement.item(Some(Ok::<_, &()>(is_row)), |_| Failure::class("io"));
        }
        assert_eq!(statement.rows, Some(2));
    }

    #[test]
    fn sets_of_parameters_are_counted_as_they_are_taken() {
        let batch = Batch::default();
        let mut sets = batch.counted([7, 8, 9]);
        assert_eq!(sets.next(), Some(7));
        assert_eq!(batch.0.load(Relaxed), 1);
        assert_eq!(sets.collect::<Vec<_>>(), [8, 9]);
        assert_eq!(batch.0.load(Relaxed), 3);
    }

    #[test]
    fn dormant_hooks_leave_the_session_alone() {
        let session = session(Session::new);
        assert!(session.start("", "SELECT 1").session.is_none());
        assert_eq!(session.run("", "SELECT 1", || Ok::<_, ()>(7), |_| Failure::class("io")), Ok(7));
        session.mark("ROLLBACK");
        assert!(!is_busy(&session));
    }
}
