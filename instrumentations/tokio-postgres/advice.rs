//! One span per statement: from the moment it is first polled, implicit preparation included, until its answer is
//! complete, fails or is dropped.

use std::borrow::Cow;
use std::error::Error as _;
use std::future::Future;
use std::io;
use std::task::Poll;

use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use postgres_protocol::message::backend::Message;

use crate::client::Responses;
use crate::{Client, Config, Error};

fn session_at(config: &Config, address: &str, port: Option<u16>) -> Session {
    // The server's own default, too.
    let namespace = config.get_dbname().or_else(|| config.get_user()).unwrap_or("");
    let (system, language) = ("postgresql", Language::PostgreSql);
    Session::multiplexed(&SCOPE, &Database { system, language, namespace, address, port })
}

/// What the statements of a connection have in common. They are sent before those in front of them are answered.
#[cfg(feature = "runtime")]
pub(crate) fn session(config: &Config, host: Option<&str>, address: &crate::client::Addr, port: u16) -> Session {
    use crate::client::Addr;
    let (address, port) = match (host, address) {
        (Some(host), _) => (Cow::Borrowed(host), Some(port)),
        (None, Addr::Tcp(address)) => (Cow::Owned(address.to_string()), Some(port)),
        #[cfg(unix)]
        (None, Addr::Unix(folder)) => (folder.to_string_lossy(), None),
    };
    session_at(config, &address, port)
}

/// A connection over a stream of the program's own.
pub(crate) fn connected<C>(config: &Config, made: Result<(Client, C), Error>) -> Result<(Client, C), Error> {
    made.map(|(mut client, connection)| {
        client.otel = Some(session_at(config, "", None));
        (client, connection)
    })
}

/// What a span records of an error: the SQLSTATE, if the server has given one.
fn failure(error: &Error) -> Failure {
    match error.code() {
        Some(state) => Failure::code(&state.code()),
        None if error.is_closed() => Failure::class("closed"),
        None if error.source().map_or(false, |source| source.is::<io::Error>()) => Failure::class("io"),
        None => Failure::class("_OTHER"),
    }
}

fn start(session: &Option<Session>, operation: &str, text: &str) -> Statement {
    session.as_ref().map_or(Statement::NONE, |session| session.start(operation, text))
}

/// Runs a statement with a single result.
pub(crate) async fn command<F, T>(
    session: &Option<Session>,
    operation: &'static str,
    text: &str,
    run: F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut statement = start(session, operation, text);
    let answer = run.await;
    statement.ended(&answer, failure);
    answer
}

/// What the server answers with, piece by piece.
pub(crate) trait Answer {
    /// How its end is known.
    const KIND: Kind;
    /// What is read from the connection.
    fn responses(&mut self) -> &mut Responses;
}

macro_rules! answers {
    ($($answer:ty: $kind:ident $(<$data:ident>)?;)*) => {
        $(impl$(<$data>)? Answer for $answer {
            const KIND: Kind = Kind::$kind;
            fn responses(&mut self) -> &mut Responses {
                &mut self.responses
            }
        })*
    };
}

answers! {
    crate::RowStream: Rows;
    crate::SimpleQueryStream: SimpleRows;
    crate::CopyOutStream: Data;
    crate::CopyInSink<T>: Accepted <T>;
}

/// Kinds of answers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Rows, of which the first answer has come.
    Rows,
    /// Rows, of which nothing may have come.
    SimpleRows,
    /// Data, of which the first answer has come.
    Data,
    /// That the server has accepted data that is still to be sent: nothing is read after that.
    Accepted,
}

/// Runs a statement until its first answer; it goes on after that.
pub(crate) async fn answer<F, A>(session: &Option<Session>, text: &str, run: F) -> Result<A, Error>
where
    F: Future<Output = Result<A, Error>>,
    A: Answer,
{
    let mut statement = start(session, "", text);
    match run.await {
        Ok(mut answer) => {
            match A::KIND {
                Kind::Rows => {
                    statement.count_rows();
                    statement.answered(false);
                }
                Kind::SimpleRows => statement.count_rows(),
                Kind::Data => statement.answered(false),
                Kind::Accepted => {}
            }
            answer.responses().otel = Watch { statement, kind: A::KIND };
            Ok(answer)
        }
        Err(error) => {
            statement.fail(&error, failure);
            Err(error)
        }
    }
}

/// Watches the messages that a statement is answered with.
pub(crate) struct Watch {
    statement: Statement,
    kind: Kind,
}

impl Watch {
    /// No statement.
    pub(crate) const NONE: Watch = Watch { statement: Statement::NONE, kind: Kind::Data };

    /// A message, or an error, has come.
    pub(crate) fn seen(&mut self, next: &Poll<Result<Message, Error>>) {
        let statement = &mut self.statement;
        match next {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => statement.fail(error, failure),
            Poll::Ready(Ok(message)) => match (message, self.kind) {
                (Message::ReadyForQuery(_) | Message::CopyDone, _) => statement.end(),
                (Message::CommandComplete(_), Kind::Accepted) => statement.end(),
                (Message::DataRow(_), _) => statement.answered(true),
                _ => statement.answered(false),
            },
        }
    }
}

/// A transaction is dropped.
pub(crate) fn dropped(session: &Option<Session>) {
    if let Some(session) = session {
        session.mark("ROLLBACK");
    }
}
