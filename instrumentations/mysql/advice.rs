//! One span per statement: from the moment it is sent, preparation on the way included, until its rows are exhausted, fail
//! or are dropped. And the metrics of pools.

use std::sync::Arc;

use otel_rs_hooks::kit::pool::{self, Pool, Wait};
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::{DriverError, Error, Opts, Row};

otel_rs_hooks::pool_metrics!(metric);

/// The database that a connection or a pool is for.
fn with_database<T>(opts: &Opts, system: &'static str, work: impl FnOnce(&Database<'_>) -> T) -> T {
    let (socket, host) = (opts.get_socket(), opts.get_ip_or_hostname());
    work(&Database {
        system,
        language: Language::MySql,
        namespace: opts.get_db_name().unwrap_or_default(),
        port: if socket.is_none() { Some(opts.get_tcp_port()) } else { None },
        address: socket.unwrap_or(&host),
    })
}

/// A pool is made, without connections yet.
pub(crate) fn open(opts: &Opts) -> Arc<Pool> {
    let pool = with_database(opts, "mysql", |database| Pool::of_database(&SCOPE, &METRICS, database));
    let constraints = opts.get_pool_opts().constraints();
    pool.limits(constraints.max(), constraints.max(), constraints.min());
    Arc::new(pool)
}

/// A request has a connection, or none.
pub(crate) fn waited<T>(wait: Wait, answer: Result<T, Error>) -> Result<T, Error> {
    wait.ended(answer, |error| matches!(error, Error::DriverError(DriverError::Timeout)))
}

/// What the statements of a connection have in common, and the one that is being started.
#[derive(Debug)]
pub(crate) struct Otel {
    /// `None` while nothing is to be recorded.
    session: Option<Session>,
    /// A statement that has been answered, until its rows are asked for.
    open: Statement,
    /// One that has been prepared by the text, which will be executed.
    prepared: Option<(Arc<str>, Statement)>,
    /// Whether a statement is prepared in order to be executed at once.
    is_on_the_way: bool,
    /// Its place in a pool.
    pooled: pool::Connection,
}

impl Otel {
    /// A connection of which nothing is recorded.
    pub(crate) const SILENT: Otel = Otel {
        session: None,
        open: Statement::NONE,
        prepared: None,
        is_on_the_way: false,
        pooled: pool::Connection::NONE,
    };

    /// A connection that is ready for the program.
    pub(crate) fn connected(opts: &Opts, is_mariadb: bool) -> Otel {
        let system = if is_mariadb { "mariadb" } else { "mysql" };
        let session = with_database(opts, system, |database| Session::new(&SCOPE, database));
        Otel { session: Some(session), ..Otel::SILENT }
    }

    /// The connection is in that pool, and idle.
    pub(crate) fn pooled(&mut self, pool: &Pool) {
        self.pooled = pool.connection().idle();
    }

    /// The program has got the connection from its pool.
    pub(crate) fn given_out(&mut self) {
        self.pooled.taken();
        self.pooled.given_out();
    }

    /// The connection is idle.
    pub(crate) fn given_back(&mut self) {
        self.pooled.given_back();
    }

    /// The program keeps the connection for good.
    pub(crate) fn taken_out(&mut self) {
        self.pooled = pool::Connection::NONE;
    }

    /// Keeps the connection silent.
    pub(crate) fn silence(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// Ends the silence.
    pub(crate) fn speak(&mut self, session: Option<Session>) {
        self.session = session;
    }

    /// A statement is prepared in order to be executed at once, or has been.
    pub(crate) fn on_the_way(&mut self, is_on_the_way: bool) {
        self.is_on_the_way = is_on_the_way;
    }

    fn start(&mut self, operation: &str, text: &str) -> Statement {
        // What is left of a statement that was given up on the way is over.
        self.open = Statement::NONE;
        self.prepared = None;
        self.session.as_ref().map_or(Statement::NONE, |session| session.start(operation, text))
    }

    /// A text is sent.
    pub(crate) fn query(&mut self, text: &[u8]) -> Statement {
        if SCOPE.enabled() {
            self.start("", &String::from_utf8_lossy(text))
        } else {
            Statement::NONE
        }
    }

    /// A text is prepared. It is kept where it may be recorded.
    pub(crate) fn prepare(&mut self, text: &[u8]) -> (Statement, Option<Arc<str>>) {
        if !SCOPE.enabled() {
            return (Statement::NONE, None);
        }
        let text = String::from_utf8_lossy(text);
        let operation = if self.is_on_the_way { "" } else { "PREPARE" };
        (self.start(operation, &text), Some(text.into()))
    }

    /// A text has been prepared; what it is prepared for goes on.
    pub(crate) fn prepared<T>(&mut self, mut statement: Statement, answer: &Result<T, Error>, text: Option<Arc<str>>) {
        match (answer, text) {
            (Ok(_), Some(text)) if self.is_on_the_way => self.prepared = Some((text, statement)),
            (answer, _) => statement.ended(answer, failure),
        }
    }

    /// A prepared statement is executed.
    pub(crate) fn execute(&mut self, text: &Option<Arc<str>>) -> Statement {
        match (self.prepared.take(), text) {
            (Some((prepared, statement)), Some(text)) if Arc::ptr_eq(&prepared, text) => statement,
            (_, text) => self.start("", text.as_deref().unwrap_or("")),
        }
    }

    /// The head of the answer has come: there may be rows behind it.
    pub(crate) fn opened<T>(
        &mut self,
        mut statement: Statement,
        answer: &Result<T, Error>,
        has_rows: bool,
        has_more: bool,
    ) {
        if answer.is_err() || !(has_rows || has_more) {
            return statement.ended(answer, failure);
        }
        if has_rows {
            statement.count_rows();
        }
        statement.answered(false);
        self.open = statement;
    }

    /// The statement whose rows are to be read.
    pub(crate) fn take(&mut self) -> Statement {
        std::mem::replace(&mut self.open, Statement::NONE)
    }
}

/// What a span records of an error. Its number is more precise than its SQLSTATE.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::MySqlError(error) => Failure::code(&error.code),
        Error::IoError(_) => Failure::class("io"),
        Error::CodecError(_) => Failure::class("codec"),
        Error::DriverError(_) => Failure::class("driver"),
        _ => Failure::class("_OTHER"),
    }
}

/// A row has come, or the end of a set of rows; of the last one, if that is done.
pub(crate) fn row(statement: &mut Statement, next: &Option<Result<Row, Error>>, is_done: bool) {
    match next {
        Some(Ok(_)) => statement.answered(true),
        Some(Err(error)) => statement.fail(error, failure),
        None if is_done => statement.end(),
        None => statement.answered(false),
    }
}
