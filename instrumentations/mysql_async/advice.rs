//! One span per statement: from the moment it is sent, preparation on the way included, until its rows are exhausted, fail
//! or are dropped. And the metrics of pools.

use std::future::Future;
use std::sync::Arc;

use otel_rs_hooks::kit::pool::{self, Pool, Wait};
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::conn::PendingResult;
use crate::error::ServerError;
use crate::queryable::query_result::ResultSetMeta;
use crate::{Conn, Error, Opts, Row};

otel_rs_hooks::pool_metrics!(metric);

/// The database that a connection or a pool is for.
fn database<'a>(opts: &'a Opts, system: &'static str) -> Database<'a> {
    let socket = opts.socket();
    Database {
        system,
        language: Language::MySql,
        namespace: opts.db_name().unwrap_or_default(),
        port: if socket.is_none() { Some(opts.tcp_port()) } else { None },
        address: socket.unwrap_or_else(|| opts.ip_or_hostname()),
    }
}

/// A pool is made, without connections yet.
pub(crate) fn open(opts: &Opts) -> Arc<Pool> {
    let pool = Pool::of_database(&SCOPE, &METRICS, &database(opts, "mysql"));
    let (constraints, idle_max) = (opts.pool_opts().constraints(), opts.pool_opts().active_bound());
    pool.limits(constraints.max(), idle_max, constraints.min());
    Arc::new(pool)
}

/// A pool makes a connection for a request.
pub(crate) async fn connect(
    pool: Arc<Pool>,
    making: impl Future<Output = Result<Conn, Error>>,
    otel: fn(&mut Conn) -> &mut Otel,
) -> Result<Conn, Error> {
    let mut conn = pool.create(making).await?;
    otel(&mut conn).pooled = pool.connection();
    Ok(conn)
}

/// What the statements of a connection have in common, and the one that is being started.
pub(crate) struct Otel {
    /// `None` while nothing is to be recorded.
    session: Option<Session>,
    /// A statement that has been answered, until its rows are asked for.
    open: Statement,
    /// One that has been prepared by the text, which will be executed.
    prepared: Option<(Arc<[u8]>, Statement)>,
    /// Whether the program prepares a statement by itself.
    is_alone: bool,
    /// Its place in a pool.
    pooled: pool::Connection,
}

impl Otel {
    /// A connection of which nothing is recorded.
    pub(crate) const SILENT: Otel =
        Otel { session: None, open: Statement::NONE, prepared: None, is_alone: false, pooled: pool::Connection::NONE };

    /// A connection that is ready for the program.
    pub(crate) fn connected(opts: &Opts, is_mariadb: bool) -> Otel {
        let session = Session::new(&SCOPE, &database(opts, if is_mariadb { "mariadb" } else { "mysql" }));
        Otel { session: Some(session), ..Otel::SILENT }
    }

    /// The program has got the connection from its pool, for a request that has waited.
    pub(crate) fn given_out(&mut self, wait: Option<Wait>) {
        wait.and_then(|wait| wait.tried(Some(())));
        self.pooled.taken();
        self.pooled.given_out();
    }

    /// The program has given the connection back.
    pub(crate) fn given_back(&mut self) {
        self.pooled.given_back();
    }

    /// Keeps the connection silent, if that is so.
    pub(crate) fn silence(&mut self, is_silent: bool) -> Option<Session> {
        if is_silent {
            self.session.take()
        } else {
            None
        }
    }

    /// Ends the silence.
    pub(crate) fn speak(&mut self, session: Option<Session>) {
        if session.is_some() {
            self.session = session;
        }
    }

    /// The program prepares a statement by itself, or has done so.
    pub(crate) fn alone(&mut self, is_alone: bool) {
        self.is_alone = is_alone;
    }

    fn start(&mut self, operation: &str, text: &[u8]) -> Statement {
        // What is left of a statement that was given up on the way is over.
        self.open = Statement::NONE;
        self.prepared = None;
        match &self.session {
            Some(session) if SCOPE.enabled() => session.start(operation, &String::from_utf8_lossy(text)),
            _ => Statement::NONE,
        }
    }

    /// A text is sent.
    pub(crate) fn query(&mut self, text: &[u8]) -> Statement {
        self.start("", text)
    }

    /// A text is prepared.
    pub(crate) fn prepare(&mut self, text: &[u8]) -> Statement {
        let operation = if self.is_alone { "PREPARE" } else { "" };
        self.start(operation, text)
    }

    /// A text has been prepared; what it is prepared for goes on.
    pub(crate) fn prepared<T>(&mut self, mut statement: Statement, answer: &Result<Arc<T>, Error>, text: &Arc<[u8]>) {
        match answer {
            Ok(_) if !self.is_alone => self.prepared = Some((text.clone(), statement)),
            answer => statement.ended(answer, failure),
        }
    }

    /// A prepared statement is executed.
    pub(crate) fn execute(&mut self, text: &Arc<[u8]>) -> Statement {
        match self.prepared.take() {
            Some((prepared, statement)) if Arc::ptr_eq(&prepared, text) => statement,
            _ => self.start("", text),
        }
    }

    /// The statement whose rows are to be read.
    pub(crate) fn take(&mut self) -> Statement {
        std::mem::replace(&mut self.open, Statement::NONE)
    }

    /// A transaction is dropped.
    pub(crate) fn dropped(&self) {
        if let Some(session) = &self.session {
            session.mark("ROLLBACK");
        }
    }
}

/// What a span records of an error. Its number is more precise than its SQLSTATE.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(error) => server_failure(error),
        Error::Io(_) => Failure::class("io"),
        Error::Driver(_) => Failure::class("driver"),
        _ => Failure::class("_OTHER"),
    }
}

fn server_failure(error: &ServerError) -> Failure {
    Failure::code(&error.code)
}

/// The head of the answer has come: there may be rows behind it.
pub(crate) fn opened(conn: &mut Conn, mut statement: Statement, answer: &Result<(), Error>) {
    if let Err(error) = answer {
        return statement.fail(error, failure);
    }
    match conn.get_pending_result() {
        Ok(Some(PendingResult::Pending(ResultSetMeta::Text(columns) | ResultSetMeta::Binary(columns))))
            if !columns.is_empty() =>
        {
            statement.count_rows()
        }
        _ if !conn.more_results_exists() => return statement.end(),
        _ => {}
    }
    statement.answered(false);
    conn.otel().open = statement;
}

/// A row has come, or the end of the rows.
pub(crate) fn row(statement: &mut Statement, row: &Result<Option<Row>, Error>, conn: &Conn) {
    match row {
        Ok(Some(_)) => statement.answered(true),
        Ok(None) if conn.more_results_exists() => statement.answered(false),
        Ok(None) => statement.end(),
        Err(error) => statement.fail(error, failure),
    }
}

/// The next set of rows begins, or there is none.
pub(crate) fn set(statement: &mut Statement, set: &Result<bool, Error>, conn: &Conn) {
    match (set, conn.get_pending_result()) {
        (Err(error), _) => statement.fail(error, failure),
        (Ok(_), Err(error)) => statement.fail(error, server_failure),
        (Ok(true), Ok(_)) => statement.answered(false),
        (Ok(false), Ok(_)) => statement.end(),
    }
}
