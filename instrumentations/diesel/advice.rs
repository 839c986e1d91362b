//! One span per statement: from when a connection reports its start until it reports its end.

use std::fmt;

use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::connection::{Instrumentation, InstrumentationEvent};
use crate::result::{DatabaseErrorKind, Error};

/// What the statements of a connection have in common, and the one that is under way.
pub(crate) struct Otel {
    /// `None` while nothing is to be recorded.
    session: Option<Session>,
    statement: Statement,
}

// The back ends that are not compiled do not call theirs.
#[allow(dead_code)]
impl Otel {
    /// A connection of which nothing is recorded.
    pub(crate) const SILENT: Otel = Otel { session: None, statement: Statement::NONE };

    fn of(database: &Database<'_>) -> Otel {
        Otel { session: Some(Session::new(&SCOPE, database)), statement: Statement::NONE }
    }

    /// A connection to SQLite.
    pub(crate) fn sqlite(url: &str) -> Otel {
        let file = url.strip_prefix("sqlite://").unwrap_or(url);
        // The parameters of a URI may hold a key.
        let file = file.strip_prefix("file:").map_or(file, |uri| uri.split('?').next().unwrap_or(""));
        Otel::of(&Database { system: "sqlite", language: Language::Sqlite, namespace: file, address: "", port: None })
    }

    /// A connection to PostgreSQL.
    pub(crate) fn postgresql(url: &str) -> Otel {
        let (address, port, namespace) = place(url, &["postgres://", "postgresql://"], 5432).unwrap_or_default();
        let (system, language) = ("postgresql", Language::PostgreSql);
        Otel::of(&Database { system, language, namespace, address, port })
    }

    /// A connection to MySQL or MariaDB.
    pub(crate) fn mysql(url: &str) -> Otel {
        let (address, port, namespace) = place(url, &["mysql://"], 3306).unwrap_or_default();
        Otel::of(&Database { system: "mysql", language: Language::MySql, namespace, address, port })
    }

    /// A connection reports something.
    pub(crate) fn event(&mut self, event: &InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                // One that has not reported its end is over.
                self.statement = Statement::NONE;
                if let (Some(session), true) = (&self.session, SCOPE.enabled()) {
                    self.statement = session.start("", &format!("{query:+0}"));
                }
            }
            InstrumentationEvent::FinishQuery { error: Some(error), .. } => self.statement.fail(*error, failure),
            InstrumentationEvent::FinishQuery { error: None, .. } => self.statement.end(),
            _ => {}
        }
    }
}

/// Ours, and what the program has set.
pub(crate) struct Observers {
    pub(crate) otel: Otel,
    own: Option<Box<dyn Instrumentation>>,
}

impl Observers {
    pub(crate) fn new(own: Option<Box<dyn Instrumentation>>) -> Observers {
        Observers { otel: Otel::SILENT, own }
    }

    /// The program sets another one.
    pub(crate) fn set(&mut self, own: Box<dyn Instrumentation>) {
        self.own = Some(own);
    }

    /// What the program has set.
    pub(crate) fn as_deref(&self) -> Option<&dyn Instrumentation> {
        self.own.as_deref()
    }

    /// The same.
    pub(crate) fn as_deref_mut(&mut self) -> Option<&mut dyn Instrumentation> {
        self.own.as_deref_mut()
    }
}

impl Instrumentation for Observers {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        self.otel.event(&event);
        if let Some(own) = self.own.as_deref_mut() {
            own.on_connection_event(event);
        }
    }
}

/// Host, port and database of `postgres://user:password@host:port/database?…`, of which no other form is read.
#[allow(dead_code)]
fn place<'a>(url: &'a str, schemes: &[&str], default: u16) -> Option<(&'a str, Option<u16>, &'a str)> {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(*scheme))?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if parameters.contains('@') {
        // The question mark may be a part of the password.
        return None;
    }
    // What is not encoded in a password may be a slash, but no database has an at sign.
    let (authority, namespace) = match rest.rsplit_once('@') {
        Some((_, place)) => place.split_once('/').unwrap_or((place, "")),
        None => rest.split_once('/').unwrap_or((rest, "")),
    };
    // Of several hosts, the one that answered is unknown; without one, it is a socket.
    if authority.is_empty() || authority.contains(',') {
        return Some(("", None, namespace));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, Some(default)),
    };
    Some((host.trim_matches(&['[', ']'][..]), port, namespace))
}

/// Whether a query is formatted for us: nobody else asks for a sign and zeros of a text.
pub(crate) fn is_text_only(formatter: &fmt::Formatter<'_>) -> bool {
    formatter.sign_plus() && formatter.sign_aware_zero_pad()
}

/// What a span records of an error. No code of the database is kept.
fn failure(error: &Error) -> Failure {
    Failure::class(match error {
        Error::DatabaseError(kind, _) => match kind {
            DatabaseErrorKind::UniqueViolation => "UniqueViolation",
            DatabaseErrorKind::ForeignKeyViolation => "ForeignKeyViolation",
            DatabaseErrorKind::UnableToSendCommand => "UnableToSendCommand",
            DatabaseErrorKind::SerializationFailure => "SerializationFailure",
            DatabaseErrorKind::ReadOnlyTransaction => "ReadOnlyTransaction",
            DatabaseErrorKind::NotNullViolation => "NotNullViolation",
            DatabaseErrorKind::CheckViolation => "CheckViolation",
            DatabaseErrorKind::ClosedConnection => "ClosedConnection",
            _ => "_OTHER",
        },
        Error::QueryBuilderError(_) => "QueryBuilderError",
        Error::SerializationError(_) => "SerializationError",
        Error::DeserializationError(_) => "DeserializationError",
        _ => "_OTHER",
    })
}
