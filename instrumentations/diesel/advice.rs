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
