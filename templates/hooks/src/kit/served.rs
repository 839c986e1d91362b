//! HTTP requests that a server answers.
//!
//! ```text
//! static SERVER: Server = Server::new(&SCOPE);
//! // The head of a request has been read:
//! let mut exchange = Exchange::start(&SERVER, &Request { method, path, query, scheme, authority, version, peer }, &headers);
//! let response = { let _entered = exchange.enter(); service.call(request) }; // and each poll of its future and of the body
//! exchange.head(status, &headers);
//! exchange.transfer.sent(chunk.len());
//! exchange.sent(); // or client_left, broken, fail; a drop counts as cancelled
//! ```

use std::mem;

use crate::attribute::{key, Value};
use crate::cells::{self, CellKind, CellSlot};
use crate::context::{Context, Entered};
use crate::headers::{first, is_there, Headers, Listed};
use crate::http::{self, Message, METHODS};
use crate::kit::failure::CANCELLED;
use crate::scope::Scope;
use crate::span::{panic_or, Domain, Span};
use crate::Transfer;

/// The server of a library: a static of its advice.
#[derive(Debug)]
pub struct Server {
    scope: &'static Scope,
    /// `http.server.active_requests` by method and scheme. The set is fixed: a client that makes up methods cannot add to it.
    active: [[CellSlot; SCHEMES.len()]; METHODS],
}

const SCHEMES: [&str; 2] = ["http", "https"];

impl Server {
    /// The server of the library of `scope`.
    pub const fn new(scope: &'static Scope) -> Server {
        // Used only to fill the table.
        #[allow(clippy::declare_interior_mutable_const)]
        const SLOT: CellSlot = CellSlot::new();
        #[allow(clippy::declare_interior_mutable_const)]
        const SLOTS: [CellSlot; SCHEMES.len()] = [SLOT; SCHEMES.len()];
        Server { scope, active: [SLOTS; METHODS] }
    }

    /// Whether requests are recorded.
    #[inline]
    pub fn enabled(&'static self) -> bool {
        self.scope.enabled()
    }

    fn count(&self, (method, scheme): (usize, usize), by: i64) {
        let Some(slot) = self.active.get(method).and_then(|schemes| schemes.get(scheme)) else { return };
        slot.add(by, || {
            let scheme = SCHEMES.get(scheme).copied();
            let series = [(key::HTTP_METHOD, http::method_name(method).into()), (key::URL_SCHEME, scheme.into())];
            cells::describe(self.scope, CellKind::UpDownCounter, ["http.server.active_requests", "", ""], &series)
        });
    }
}

/// The head of a request, as far as the server knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// As it was sent.
    pub method: &'a str,
    /// The target's scheme, otherwise that of the connection; `None` where neither is known. What proxies report is read
    /// from the headers.
    pub scheme: Option<&'a str>,
    /// The target's authority, `:authority` of HTTP/2 among them; without one, the `Host` header is read.
    pub authority: Option<&'a str>,
    /// The target's path, raw.
    pub path: &'a str,
    /// Its query without the `?`, raw.
    pub query: Option<&'a str>,
    /// `1.0`, `1.1`, `2` or `3`; empty if unknown.
    pub version: &'a str,
    /// Address and port of the connection's other end.
    pub peer: Option<(&'a [u8], u16)>,
}

/// One request and its response. It starts when the request's head has been read and ends when the last byte of the
/// response has been handed to the connection, or when that will never happen. Dropped before, it counts as `cancelled`,
/// or as `panic` while the thread is panicking.
#[derive(Debug)]
pub struct Exchange {
    span: Span,
    /// Where the request is counted among the active ones; `None` if the user excluded it.
    counted: Option<(&'static Server, (usize, usize))>,
    /// Whether the client's address has not been recorded yet.
    nameless: bool,
    /// Of the response, once there is one.
    status: Option<u16>,
    /// Whether the response's length was announced, so that less is not all of it.
    fixed: bool,
    /// Counts the bytes of both bodies.
    pub transfer: Transfer,
}

impl Exchange {
    /// An exchange that records nothing: there is no request, or it has ended.
    pub const NONE: Exchange = Exchange {
        span: Span::NONE,
        counted: None,
        nameless: false,
        status: None,
        fixed: false,
        transfer: Transfer::NONE,
    };

    /// The request's head has been read. Its parent is the span that its headers name.
    #[inline]
    pub fn start(server: &'static Server, request: &Request<'_>, headers: &dyn Headers) -> Exchange {
        if server.enabled() {
            Exchange::open(server, request, headers)
        } else {
            Exchange::NONE
        }
    }

    fn open(server: &'static Server, request: &Request<'_>, headers: &dyn Headers) -> Exchange {
        let headers = &Listed::of(headers);
        let own = request.scheme.unwrap_or("http");
        let scheme = http::scheme(headers, Some(own)).unwrap_or("http");
        let header = |name| first(headers, name);
        // An absolute target outranks the header (RFC 9112, section 3.2.2).
        let host = request.authority.map(str::as_bytes).or_else(|| header("host"));
        let parent = Context::extract(headers);
        if http::is_excluded(own, host.unwrap_or_default(), request.path) {
            let mut silent = Exchange::NONE;
            silent.span = Span::non_recording(server.scope, parent);
            return silent;
        }
        let span = Span::start_with_parent(
            server.scope,
            Domain::HttpServer,
            parent,
            &[
                (key::HTTP_METHOD, request.method.into()),
                (key::URL_SCHEME, scheme.into()),
                (key::URL_PATH, request.path.into()),
                (key::URL_QUERY, request.query.into()),
                (key::HTTP_HOST, host.into()),
                (key::HTTP_VERSION, Value::known(request.version)),
                (key::USER_AGENT, header("user-agent").into()),
                (key::HTTP_FORWARDED, header("forwarded").into()),
                (key::HTTP_FORWARDED_FOR, header("x-forwarded-for").into()),
                (key::HTTP_FORWARDED_HOST, header("x-forwarded-host").into()),
                (key::HTTP_FORWARDED_PORT, header("x-forwarded-port").into()),
                (key::PEER_ADDRESS, request.peer.map(|(address, _)| address).into()),
                (key::PEER_PORT, request.peer.map(|(_, port)| port).into()),
            ],
        );
        http::capture_headers(span.context(), Message::ServerRequest, headers);
        let place = (http::method_number(request.method), usize::from(scheme == "https"));
        server.count(place, 1);
        let (counted, transfer) = (Some((server, place)), Transfer::served());
        Exchange { span, counted, nameless: request.peer.is_none(), status: None, fixed: false, transfer }
    }

    /// Whether nothing is recorded: there is no request, or it has ended.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.span.is_none()
    }

    /// Whether the client's address is still unknown.
    #[inline]
    pub fn is_nameless(&self) -> bool {
        self.nameless
    }

    /// Records the client's address, as soon as the connection shows it.
    pub fn name(&mut self, address: &[u8], port: u16) {
        self.nameless = false;
        self.span.set(&[(key::PEER_ADDRESS, address.into()), (key::PEER_PORT, port.into())]);
    }

    /// The context in which the request's work belongs.
    pub fn context(&self) -> &Context {
        self.span.context()
    }

    /// Makes the request's context current: for the service's call, its future and the response's body.
    #[inline]
    pub fn enter(&self) -> Option<Entered> {
        if self.span.is_none() {
            None
        } else {
            Some(self.span.context().enter())
        }
    }

    /// The service has answered; the body follows.
    #[inline]
    pub fn head(&mut self, status: u16, headers: &dyn Headers) {
        if !self.span.is_none() {
            self.answered(status, headers);
        }
    }

    fn answered(&mut self, status: u16, headers: &dyn Headers) {
        http::capture_headers(self.span.context(), Message::ServerResponse, headers);
        self.fixed = self.fixed || is_there(headers, "content-length");
        self.status = Some(status);
    }

    /// Whether the response's length is announced, in its head or by its body.
    #[inline]
    pub fn sized(&mut self, fixed: bool) {
        self.fixed |= fixed;
    }

    /// All that was written so far has left. That ends the request if its response is part of it.
    #[inline]
    pub fn sent(&mut self) {
        if self.status.is_some() {
            self.end(Value::None, Value::None);
        }
    }

    /// The client closed or reset the connection, or its stream. One that leaves a response without an announced end is done
    /// with it, and so is one that gives back the stream (`is_reset`); otherwise it is a failure.
    #[cold]
    pub fn client_left(&mut self, is_reset: bool) {
        match self.status {
            None => self.fail("client_disconnected"),
            Some(_) if !self.fixed || is_reset || self.transfer.has_failed() => {
                self.end(Value::None, http::CLIENT_CLOSED.into());
            }
            Some(_) => self.end("client_disconnected".into(), http::CLIENT_CLOSED.into()),
        }
    }

    /// The service, or the body that it has answered with, has failed: there will be no complete response.
    #[cold]
    pub fn broken(&mut self) {
        self.fail(if self.status.is_some() { "body_error" } else { "service_error" });
    }

    /// The response will not be completed, for a reason of which there are few.
    #[cold]
    pub fn fail(&mut self, class: &'static str) {
        self.end(class.into(), Value::None);
    }

    fn end(&mut self, error: Value<'_>, how: Value<'_>) {
        if let Some((server, place)) = self.counted.take() {
            server.count(place, -1);
        }
        let status = self.status.take();
        let span = mem::replace(&mut self.span, Span::NONE);
        let sizes = mem::replace(&mut self.transfer, Transfer::NONE).sizes();
        self.fixed = false;
        span.end(&[
            (key::HTTP_STATUS, status.into()),
            (key::ERROR_TYPE, error),
            (http::RESPONSE_END, how),
            (key::HTTP_REQUEST_BODY_SIZE, sizes.map(|(received, _)| received).into()),
            (key::HTTP_RESPONSE_BODY_SIZE, sizes.map(|(_, sent)| sent).into()),
        ]);
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if !self.span.is_none() {
            self.fail(panic_or(CANCELLED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Exchange {
        let mut exchange = Exchange::NONE;
        exchange.span = Span::of_test();
        exchange
    }

    struct NoHeaders;

    impl Headers for NoHeaders {
        fn named<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {}

        fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) {}
    }

    #[test]
    fn an_exchange_ends_with_the_last_byte_of_its_response() {
        let mut exchange = open();
        exchange.sent();
        assert!(!exchange.is_none(), "nothing of a response has left");
        exchange.head(200, &NoHeaders);
        exchange.sent();
        assert!(exchange.is_none());
        exchange.sent();
        exchange.client_left(true);
        exchange.broken();
        drop(Exchange::NONE);
    }
}
