//! One span for each query and insert: from when it is sent until its answer is complete, fails or is dropped. The requests'
//! own spans are made where they are sent.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use otel_rs_hooks::carry;
use otel_rs_hooks::http::{error_class, FormattedText};
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use url::Url;

use crate::error::{Error, Result};
use crate::response::{Chunks, Response};
use crate::Client;

/// The text of a query, if it may be recorded.
pub(crate) fn text(query: &str) -> Option<String> {
    SCOPE.enabled().then(|| query.to_owned())
}

/// Sends a statement with `request`, inside a span of its own.
pub(crate) fn send<R>(
    client: &Client,
    sql: Option<&str>,
    request: impl FnOnce(&Client) -> R,
) -> (Option<Statement>, R) {
    let sql = match sql {
        Some(sql) if SCOPE.enabled() => sql,
        _ => return (None, request(client)),
    };
    let url = Url::parse(&client.url).ok();
    let address = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let session = Session::multiplexed(
        &SCOPE,
        &Database {
            system: "clickhouse",
            language: Language::Sql,
            namespace: client.database.as_deref().unwrap_or_default(),
            address: address.trim_start_matches('[').trim_end_matches(']'),
            port: url.as_ref().and_then(Url::port_or_known_default),
        },
    );
    let statement = session.start("", sql);
    let sent = {
        let _entered = statement.context().enter();
        request(client)
    };
    (Some(statement), sent)
}

/// The answer of a statement, which ends with it.
pub(crate) fn watch(statement: Option<Statement>, response: Response) -> Response {
    match (statement, response) {
        (Some(statement), Response::Waiting(future)) => Response::Waiting(Box::pin(answered(statement, future))),
        (_, response) => response,
    }
}

/// What holds the body of an answer.
pub(crate) trait Answer {
    fn chunks(&mut self) -> &mut Chunks;
}

impl Answer for Chunks {
    fn chunks(&mut self) -> &mut Chunks {
        self
    }
}

impl<Summary> Answer for (Chunks, Summary) {
    fn chunks(&mut self) -> &mut Chunks {
        &mut self.0
    }
}

/// Until the head of the answer has come, with which the statement goes on.
async fn answered<A: Answer>(
    mut statement: Statement,
    answer: Pin<Box<dyn Future<Output = Result<A>> + Send>>,
) -> Result<A> {
    let answer = {
        let _entered = statement.context().enter();
        carry(&SCOPE, answer)
    };
    let mut answer = answer.await;
    match &mut answer {
        Ok(answer) => {
            statement.answered(false);
            answer.chunks().otel_watch(statement);
        }
        Err(error) => statement.fail(error, failure),
    }
    answer
}

/// A body, and the statement whose answer it is.
pub(crate) struct Watched<S> {
    stream: S,
    statement: Statement,
}

impl<S> Watched<S> {
    /// A body of no statement.
    pub(crate) fn new(stream: S) -> Watched<S> {
        Watched { stream, statement: Statement::NONE }
    }

    /// The body is the answer of that statement.
    pub(crate) fn watch(&mut self, statement: Statement) {
        self.statement = statement;
    }

    /// The body's next chunk, its end, or an error.
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce(&mut S) -> Poll<Option<Result<T>>>) -> Poll<Option<Result<T>>> {
        let next = poll(&mut self.stream);
        if let Poll::Ready(chunk) = &next {
            self.statement.item(chunk.as_ref().map(|chunk| chunk.as_ref().map(|_| false)), failure);
        }
        next
    }
}

/// What a span records of an error: the server's code, if there is one.
fn failure(error: &Error) -> Failure {
    Failure::class(match error {
        Error::BadResponse(reason) => match code(reason) {
            Some(code) => return Failure::code(&code),
            None => "bad_response",
        },
        Error::Network(cause) => error_class(&**cause, &class),
        Error::TimedOut => "timeout",
        Error::Compression(_) | Error::Decompression(_) => "compression",
        Error::InvalidParams(_) => "invalid_params",
        _ => "_OTHER",
    })
}

/// The code of `Code: 60. DB::Exception: …`.
fn code(reason: &str) -> Option<u32> {
    let code = reason.strip_prefix("Code: ")?;
    let end = code.find(|c: char| !c.is_ascii_digit()).unwrap_or(code.len());
    code[..end].parse().ok()
}

/// An insert that was dropped before its end takes its request back.
fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let is_aborted = FormattedText::<8>::of(&error).as_bytes() == b"aborted";
    is_aborted.then_some("cancelled")
}
