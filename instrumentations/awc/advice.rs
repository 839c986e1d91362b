//! Each attempt to send a request is a span, from the connection until the response's head has arrived.

use std::fmt::Display;
use std::future::{pending, Future};
use std::pin::Pin;
use std::task::Poll;
use std::{io, mem};

use actix_http::error::ParseError;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_http::{RequestHead, RequestHeadType, ResponseHead};
use http::Version;
use otel_rs_hooks::http::{class_of_io, error_class, root_cause, Call};
use otel_rs_hooks::kit::sent::{self, Request};
use otel_rs_hooks::{Headers, HeadersMut};

use crate::client::{ConnectError, SendRequestError};
use crate::connect::ConnectRequest;

/// The headers of a request, or of a response. Names are compared as text: a look-up by one that is not known in advance
/// would allocate it.
struct Map<'a>(&'a HeaderMap);

impl Headers for Map<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|(known, _)| known.as_str() == name).for_each(|(_, value)| visit(value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
    }
}

/// The headers of a request that is about to be sent. A frozen one shares its head; what is added to it is its own, and
/// outranks the head.
struct Outgoing<'a>(&'a mut RequestHeadType);

impl Outgoing<'_> {
    fn own(&mut self) -> &mut HeaderMap {
        match self.0 {
            RequestHeadType::Owned(head) => &mut head.headers,
            RequestHeadType::Rc(_, added) => added.get_or_insert_with(HeaderMap::new),
        }
    }
}

impl Headers for Outgoing<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.each(&mut |known, value| {
            if known == name {
                visit(value);
            }
        });
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        let (head, added) = (&self.0.as_ref().headers, self.0.extra_headers());
        for (name, value) in added.into_iter().flat_map(HeaderMap::iter) {
            visit(name.as_str(), value.as_bytes());
        }
        for (name, value) in head.iter().filter(|(name, _)| !added.map_or(false, |added| added.contains_key(*name))) {
            visit(name.as_str(), value.as_bytes());
        }
    }
}

impl HeadersMut for Outgoing<'_> {
    fn set(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            self.own().insert(name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        self.own().remove(name);
    }
}

/// One request over the network.
pub(crate) struct Attempt {
    sent: sent::Attempt,
    has_begun: bool,
}

impl Attempt {
    /// An attempt that is yet to begin.
    pub(crate) const NEW: Attempt = Attempt { sent: sent::Attempt::NONE, has_begun: false };

    /// It begins, unless it has begun.
    #[inline]
    pub(crate) fn start(&mut self, request: Option<&ConnectRequest>) {
        if !mem::replace(&mut self.has_begun, true) && SCOPE.enabled() {
            self.sent = request.map_or(sent::Attempt::NONE, open);
        }
    }

    /// Polls what the attempt consists of, in its context.
    #[inline]
    pub(crate) fn poll<T, E: Failure>(&mut self, poll: impl FnOnce() -> Poll<Result<T, E>>) -> Poll<Result<T, E>> {
        if self.sent.is_none() {
            return poll();
        }
        let polled = {
            let _entered = self.sent.enter();
            poll()
        };
        if let Poll::Ready(Err(error)) = &polled {
            let attempt = self.end();
            match error.io() {
                Some(io) => attempt.failed(error.class(), &root_cause(io)),
                None => attempt.failed(error.class(), error),
            }
        }
        polled
    }

    pub(crate) fn take(&mut self) -> Attempt {
        mem::replace(self, Attempt::NEW)
    }

    /// Puts its context into the request.
    #[inline]
    pub(crate) fn inject(&mut self, head: &mut RequestHeadType) {
        if !self.sent.is_none() {
            self.sent.inject(&mut Outgoing(head));
        }
    }

    /// The head of the response has arrived.
    #[inline]
    pub(crate) fn answered(&mut self, head: &ResponseHead) {
        if !self.sent.is_none() {
            let version = match head.version {
                Version::HTTP_10 => "1.0",
                Version::HTTP_2 => "2",
                _ => "1.1",
            };
            self.end().answered(head.status.as_u16(), version, &Map(&head.headers));
        }
    }

    fn end(&mut self) -> sent::Attempt {
        mem::replace(&mut self.sent, sent::Attempt::NONE)
    }
}

fn open(request: &ConnectRequest) -> sent::Attempt {
    let (head, added): (&RequestHead, _) = match request {
        ConnectRequest::Client(head, ..) => (head.as_ref(), head.extra_headers()),
        ConnectRequest::Tunnel(head, _) => (head, None),
    };
    let uri = &head.uri;
    let scheme = match uri.scheme_str() {
        Some("ws") => Some("http"),
        Some("wss") => Some("https"),
        other => other,
    };
    let target = Request {
        method: head.method.as_str(),
        url: Some(uri),
        scheme,
        authority: uri.authority().map_or("", |authority| authority.as_str()),
        target: uri.path(),
        resend: None,
    };
    let names_span = |headers: &&HeaderMap| headers.keys().any(|name| name.as_str() == "traceparent");
    let headers = added.filter(names_span).unwrap_or(&head.headers);
    sent::Attempt::start(&SCOPE, &target, &Map(headers))
}

/// The call has run out of time: what is left of it ends now.
#[cold]
pub(crate) fn timed_out<T: 'static>(send: &mut Pin<Box<dyn Future<Output = T>>>) {
    if SCOPE.enabled() {
        let mut call = Call::new(&SCOPE);
        call.set_timed_out();
        call.run(|| *send = Box::pin(pending()));
    }
}

/// Why there is no response.
pub(crate) trait Failure: Display {
    fn class(&self) -> &'static str;

    /// The error of the connection that it is about.
    fn io(&self) -> Option<&io::Error>;
}

impl Failure for ConnectError {
    fn class(&self) -> &'static str {
        match self {
            ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved => "dns",
            ConnectError::Timeout => "timeout",
            ConnectError::Disconnected => "connection_closed",
            ConnectError::Io(error) => error_class(error, &|_| None),
            ConnectError::H2(error) => class_of_h2(error),
            other => error_class(other, &|_| None),
        }
    }

    fn io(&self) -> Option<&io::Error> {
        match self {
            ConnectError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl Failure for SendRequestError {
    fn class(&self) -> &'static str {
        match self {
            SendRequestError::Connect(error) => error.class(),
            SendRequestError::Send(error) => class_of_io(error).unwrap_or("connection_closed"),
            SendRequestError::Response(ParseError::Io(error)) => class_of_io(error).unwrap_or("connection_closed"),
            SendRequestError::Response(_) => "invalid_response",
            SendRequestError::Timeout => "timeout",
            SendRequestError::H2(error) => class_of_h2(error),
            SendRequestError::Body(_) => "body_error",
            _ => "_OTHER",
        }
    }

    fn io(&self) -> Option<&io::Error> {
        match self {
            SendRequestError::Connect(error) => error.io(),
            SendRequestError::Send(error) | SendRequestError::Response(ParseError::Io(error)) => Some(error),
            _ => None,
        }
    }
}

fn class_of_h2(error: &h2::Error) -> &'static str {
    match error.get_io() {
        Some(io) => class_of_io(io).unwrap_or("connection_closed"),
        None if error.reason().is_some() && !error.is_go_away() => "stream_reset",
        None => "_OTHER",
    }
}
