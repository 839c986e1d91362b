//! Messages are counted where the protocol writes and reads them. One span for each handshake of a client, until the head of
//! the response has arrived.

use otel_rs_hooks::metrics::Metric;

use crate::error::Error;
use crate::protocol::frame::coding::{Control, Data, OpCode};
use crate::protocol::{Message, Role};

#[cfg(feature = "handshake")]
pub(crate) use handshake::{answered, connect, failed, round, start};

/// Counts a message whose first frame was put on its way.
pub(crate) fn sent(role: Role, opcode: OpCode, result: Result<(), Error>) -> Result<(), Error> {
    let kind = match opcode {
        OpCode::Data(Data::Text) => "text",
        OpCode::Data(Data::Binary) => "binary",
        OpCode::Control(Control::Ping) => "ping",
        OpCode::Control(Control::Pong) => "pong",
        OpCode::Control(Control::Close) => "close",
        // A further frame of a message that is counted already.
        _ => return result,
    };
    // A frame that was given back is sent again; after any other error it stays in the buffer.
    if !matches!(result, Err(Error::WriteBufferFull(_))) {
        count(&metric::TUNGSTENITE_MESSAGES_SENT, role, kind);
    }
    result
}

/// Counts a message that is complete.
pub(crate) fn received(role: Role, message: &Message) {
    let kind = match message {
        Message::Text(_) => "text",
        Message::Binary(_) => "binary",
        Message::Ping(_) => "ping",
        Message::Pong(_) => "pong",
        Message::Close(_) => "close",
        _ => return,
    };
    count(&metric::TUNGSTENITE_MESSAGES_RECEIVED, role, kind);
}

fn count(metric: &Metric, role: Role, kind: &'static str) {
    let role = match role {
        Role::Server => "server",
        Role::Client => "client",
    };
    metric.measure(1_i64, &[("tungstenite.role", role.into()), ("tungstenite.message.type", kind.into())]);
}

#[cfg(feature = "handshake")]
mod handshake {
    use std::error::Error as StdError;
    use std::mem;

    use http::uri::Authority;
    use otel_rs_hooks::http::{error_class, root_cause};
    use otel_rs_hooks::kit::sent::{self, Attempt};
    use otel_rs_hooks::Context;

    use super::SCOPE;
    use crate::error::{Error, ProtocolError, Result, UrlError};
    use crate::handshake::client::{Request, Response};
    use crate::handshake::HandshakeRole;

    otel_rs_hooks::http_types!(http);

    /// Connects with `work`, inside a span of its own.
    pub(crate) fn connect<S>(
        resend: u8,
        mut request: Request,
        work: impl FnOnce(Request) -> Result<(S, Response)>,
    ) -> Result<(S, Response)> {
        if !SCOPE.enabled() {
            return work(request);
        }
        let mut attempt = open(&mut request, resend);
        request.extensions_mut().insert(attempt.context().clone());
        let entered = attempt.enter();
        let result = work(request);
        drop(entered);
        match &result {
            Ok((_, response)) => ended(&mut attempt, Ok(response)),
            Err(error) => ended(&mut attempt, Err(error)),
        }
        result
    }

    /// Starts a handshake, whose request `generate` writes. The context that a request carries is that of the span which it
    /// has already.
    pub(crate) fn start<T>(mut request: Request, generate: impl FnOnce(Request) -> Result<T>) -> (Attempt, Result<T>) {
        if !SCOPE.enabled() || request.extensions().get::<Context>().is_some() {
            return (Attempt::NONE, generate(request));
        }
        let mut attempt = open(&mut request, 0);
        let result = generate(request);
        if let Err(error) = &result {
            failed(&mut attempt, error);
        }
        (attempt, result)
    }

    fn open(request: &mut Request, resend: u8) -> Attempt {
        let uri = request.uri();
        let target = sent::Request {
            method: request.method().as_str(),
            url: Some(uri),
            scheme: uri.scheme_str().map(|scheme| if scheme == "wss" { "https" } else { "http" }),
            authority: uri.authority().map_or("", Authority::as_str),
            target: uri.path(),
            resend: Some(resend.into()).filter(|resend| *resend > 0),
        };
        let attempt = Attempt::start(&SCOPE, &target, &Map(request.headers()));
        attempt.inject(&mut Map(request.headers_mut()));
        attempt
    }

    /// Ends a handshake with the response, if it is one.
    pub(crate) fn answered(attempt: &mut Attempt, result: Result<Response>) -> Result<Response> {
        ended(attempt, result.as_ref());
        result
    }

    /// Ends a handshake whose connection failed.
    pub(crate) fn round<R: HandshakeRole, T>(role: &mut R, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            role.otel_failed(error);
        }
        result
    }

    pub(crate) fn failed(attempt: &mut Attempt, error: &Error) {
        ended(attempt, Err(error));
    }

    fn ended(attempt: &mut Attempt, result: std::result::Result<&Response, &Error>) {
        if attempt.is_none() {
            return;
        }
        let attempt = mem::replace(attempt, Attempt::NONE);
        let response: &Response = match result {
            Ok(response) => response,
            Err(Error::Http(response)) => response,
            // What it quotes is the URL.
            Err(error @ Error::Url(_)) => return attempt.failed(error_class(error, &class), &"no such server"),
            // And here, a header's value.
            Err(error @ Error::Utf8 { .. }) => return attempt.failed(error_class(error, &class), &"not UTF-8"),
            Err(error) => return attempt.failed(error_class(error, &class), root_cause(error)),
        };
        attempt.answered(response.status().as_u16(), version(response.version()), &Map(response.headers()));
    }

    fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
        match error.downcast_ref::<Error>()? {
            Error::Protocol(ProtocolError::HandshakeIncomplete) => Some("connection_closed"),
            Error::Protocol(_) | Error::HttpFormat(_) | Error::AttackAttempt => Some("invalid_response"),
            Error::Tls(_) | Error::Url(UrlError::TlsFeatureNotEnabled) => Some("tls"),
            Error::Url(UrlError::UnableToConnect(_)) => Some("connection_failed"),
            _ => None,
        }
    }
}
