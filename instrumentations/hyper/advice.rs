//! A server's requests as spans, those of a client that has no pool, and the bodies of requests that any client sends.
//!
//! [`Exchange`] is one request and its response. It starts when the request's head has been read and ends when the last
//! byte of the response has been handed to the connection, or when that will never happen. Everything the service does in
//! between runs inside its context. [`Connection`] keeps what is the same for all requests of a connection. [`Attempt`] is
//! a request sent, until the head of its response has arrived.

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
pub(crate) use self::server::{Connection, Exchange};

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
mod server {
    use std::mem;

    use http::header::{HeaderMap, CONTENT_LENGTH, FORWARDED, HOST, USER_AGENT};
    use otel_rs_hooks::http::{self as calls, Message};
    use otel_rs_hooks::net::{AddressText, Sockets};
    use otel_rs_hooks::{key, Cell, CellKind, Context, Domain, Entered, Span, Transfer, Value};

    use super::{version, Map, SCOPE};

    pub(crate) struct Connection {
        /// The sockets that the connection was read from and written to.
        sockets: Sockets,
        /// The other end, once it was looked up, which takes a system call.
        peer: Option<Option<(AddressText, u16)>>,
        tls: Option<bool>,
    }

    impl Connection {
        pub(crate) const NEW: Connection = Connection { sockets: Sockets::NONE, peer: None, tls: None };

        /// It was read from or written to by way of these.
        #[inline]
        pub(crate) fn through(&mut self, sockets: Sockets) {
            if self.peer.is_none() {
                self.sockets = self.sockets.and(sockets);
            }
        }

        /// Names the type of the connection's I/O. A server is generic over it, and it is the only sign of TLS: an
        /// HTTP/1 request does not carry its scheme.
        #[inline]
        #[cfg(feature = "http1")]
        pub(crate) fn over(&mut self, io: &str) {
            if self.tls.is_none() && SCOPE.enabled() {
                self.tls = Some(io.contains("TlsStream") || io.contains("SslStream"));
            }
        }

        /// `None` as long as it is not known.
        fn peer(&mut self) -> Option<&(AddressText, u16)> {
            if self.peer.is_none() && self.sockets.is_one() {
                self.peer = Some(self.sockets.peer().map(|peer| (AddressText::of(peer.ip()), peer.port())));
            }
            self.peer.as_ref()?.as_ref()
        }
    }

    pub(crate) struct Exchange {
        span: Span,
        /// This request in `http.server.active_requests`; `None` if the user excluded it.
        counted: Option<&'static Cell>,
        /// Whether the client's address has not been recorded yet.
        nameless: bool,
        /// Of the response, once there is one.
        status: Option<u16>,
        /// Whether the response's length was announced, so that less is not all of it.
        fixed: bool,
        /// The bodies.
        pub(crate) transfer: Transfer,
    }

    impl Exchange {
        /// An exchange that records nothing: there is no request, or it has ended.
        pub(crate) const NONE: Exchange = Exchange {
            span: Span::NONE,
            counted: None,
            nameless: false,
            status: None,
            fixed: false,
            transfer: Transfer::NONE,
        };

        /// The request's head has been read.
        #[inline]
        pub(crate) fn start<B>(connection: &mut Connection, request: &http::Request<B>) -> Exchange {
            if !SCOPE.enabled() {
                return Exchange::NONE;
            }
            Exchange::open(connection, request)
        }

        fn open<B>(connection: &mut Connection, request: &http::Request<B>) -> Exchange {
            let headers = request.headers();
            let uri = request.uri();
            let own = uri.scheme_str().unwrap_or(if connection.tls == Some(true) { "https" } else { "http" });
            let scheme = calls::scheme(&Map(headers), Some(own)).unwrap_or("http");
            // An absolute target outranks the header (RFC 9112, section 3.2.2); HTTP/2 puts `:authority` there.
            let host = match uri.authority() {
                Some(authority) => Some(authority.as_str().as_bytes()),
                None => bytes(headers, HOST),
            };
            let parent = Context::extract(&Map(headers));
            if calls::is_excluded(own, host.unwrap_or_default(), uri.path()) {
                let mut silent = Exchange::NONE;
                silent.span = Span::non_recording(&SCOPE, parent);
                return silent;
            }
            let peer = connection.peer();
            let span = Span::start_with_parent(
                &SCOPE,
                Domain::HttpServer,
                parent,
                &[
                    (key::HTTP_METHOD, request.method().as_str().into()),
                    (key::URL_SCHEME, scheme.into()),
                    (key::URL_PATH, uri.path().into()),
                    (key::URL_QUERY, uri.query().into()),
                    (key::HTTP_HOST, host.into()),
                    (key::HTTP_VERSION, version(request.version()).into()),
                    (key::USER_AGENT, bytes(headers, USER_AGENT).into()),
                    (key::HTTP_FORWARDED, bytes(headers, FORWARDED).into()),
                    (key::HTTP_FORWARDED_FOR, bytes(headers, "x-forwarded-for").into()),
                    (key::HTTP_FORWARDED_HOST, bytes(headers, "x-forwarded-host").into()),
                    (key::HTTP_FORWARDED_PORT, bytes(headers, "x-forwarded-port").into()),
                    (key::PEER_ADDRESS, peer.map(|(address, _)| address.as_bytes()).into()),
                    (key::PEER_PORT, peer.map(|(_, port)| *port).into()),
                ],
            );
            calls::capture_headers(span.context(), Message::ServerRequest, &Map(headers));
            let counted = active_requests(request.method().as_str(), scheme);
            counted.add(1);
            let (counted, transfer) = (Some(counted), Transfer::served());
            Exchange { span, counted, nameless: peer.is_none(), status: None, fixed: false, transfer }
        }

        /// Records the client's address as soon as the connection shows it: what lies between may have read a request ahead.
        #[inline]
        #[cfg(feature = "http1")]
        pub(crate) fn name(&mut self, connection: &mut Connection) {
            if self.nameless {
                if let Some((address, port)) = connection.peer() {
                    self.nameless = false;
                    let peer = [(key::PEER_ADDRESS, address.as_bytes().into()), (key::PEER_PORT, (*port).into())];
                    self.span.set(&peer);
                }
            }
        }

        /// Makes the request's context current: for the service's call, its future and the response's body.
        #[inline]
        pub(crate) fn enter(&self) -> Option<Entered> {
            if self.span.is_none() {
                None
            } else {
                Some(self.span.context().enter())
            }
        }

        /// The service has answered; the body follows.
        #[inline]
        pub(crate) fn head(&mut self, status: http::StatusCode, headers: &HeaderMap) {
            if !self.span.is_none() {
                calls::capture_headers(self.span.context(), Message::ServerResponse, &Map(headers));
            }
            self.status = Some(status.as_u16());
            self.sized(headers.contains_key(CONTENT_LENGTH));
        }

        /// Whether the response's length is announced, in its head or by its body.
        #[inline]
        pub(crate) fn sized(&mut self, fixed: bool) {
            self.fixed |= fixed;
        }

        /// All that was written so far has left. That ends the request if its response is part of it.
        #[inline]
        pub(crate) fn sent(&mut self) {
            if self.status.is_some() {
                self.end(Value::None, Value::None);
            }
        }

        /// The response will not be completed. A client that leaves one without an end is done with it; one that
        /// gives back the stream of a response, too. A connection that breaks within a response of known length is a
        /// failure.
        #[cold]
        pub(crate) fn failed(&mut self, error: &crate::Error) {
            let failure = match self.status {
                None if error.is_user() => "service_error",
                Some(_) if error.is_user() => "body_error",
                _ if error.is_timeout() => "timeout",
                Some(_) if !self.fixed || is_cancelled(error) || self.transfer.has_failed() => {
                    return self.end(Value::None, calls::CLIENT_CLOSED.into());
                }
                Some(_) => return self.end("client_disconnected".into(), calls::CLIENT_CLOSED.into()),
                None => "client_disconnected",
            };
            self.end(failure.into(), Value::None);
        }

        fn end(&mut self, error: Value<'_>, how: Value<'_>) {
            if let Some(cell) = self.counted.take() {
                cell.add(-1);
            }
            let status = self.status.take();
            let span = mem::replace(&mut self.span, Span::NONE);
            let sizes = mem::replace(&mut self.transfer, Transfer::NONE).sizes();
            span.end(&[
                (key::HTTP_STATUS, status.into()),
                (key::ERROR_TYPE, error),
                (calls::RESPONSE_END, how),
                (key::HTTP_REQUEST_BODY_SIZE, sizes.map(|(received, _)| received).into()),
                (key::HTTP_RESPONSE_BODY_SIZE, sizes.map(|(_, sent)| sent).into()),
            ]);
        }
    }

    impl Drop for Exchange {
        #[inline]
        fn drop(&mut self) {
            if !self.span.is_none() {
                let failure = if std::thread::panicking() { "panic" } else { "cancelled" };
                self.end(failure.into(), Value::None);
            }
        }
    }

    /// Whether the client gave the stream back, as it does with what it no longer needs.
    fn is_cancelled(error: &crate::Error) -> bool {
        #[cfg(feature = "http2")]
        if let Some(error) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>()) {
            let reason = error.reason();
            return !error.is_go_away() && (reason == Some(h2::Reason::CANCEL) || reason == Some(h2::Reason::NO_ERROR));
        }
        let _ = error;
        false
    }

    fn bytes(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&[u8]> {
        headers.get(name).map(|value| value.as_bytes())
    }

    /// The cell of `http.server.active_requests` for requests like this one. The set of cells is fixed: a client that
    /// makes up methods cannot add to it.
    fn active_requests(method: &str, scheme: &str) -> &'static Cell {
        macro_rules! cells {
            ($($method:literal)*) => {
                match (method, scheme) {
                    $(
                        ($method, "https") => cell!($method, "https"),
                        ($method, _) => cell!($method, "http"),
                    )*
                    (_, "https") => cell!("_OTHER", "https"),
                    _ => cell!("_OTHER", "http"),
                }
            };
        }
        macro_rules! cell {
            ($method:literal, $scheme:literal) => {{
                static CELL: Cell = Cell::new(
                    &SCOPE,
                    CellKind::UpDownCounter,
                    "http.server.active_requests",
                    "",
                    "",
                    &[("http.request.method", $method), ("url.scheme", $scheme)],
                );
                &CELL
            }};
        }
        cells!("GET" "HEAD" "POST" "PUT" "DELETE" "CONNECT" "OPTIONS" "TRACE" "PATCH")
    }
}

#[cfg(all(feature = "client", feature = "http1"))]
pub(crate) use self::client::failed;
#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
pub(crate) use self::client::{head, Attempt, Failure};

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
mod client {
    use std::error::Error;
    use std::future::Future;
    use std::io::{self, ErrorKind};
    use std::mem;

    use http::header::{HeaderMap, HOST};
    use http::{Request, Response};
    use otel_rs_hooks::http::client::{is_pooled, ActiveRequest, Host};
    use otel_rs_hooks::http::{self as calls, FormattedText, Message};
    use otel_rs_hooks::{key, Attribute, Context, Domain, Span, Transfer};

    use super::{version, Map, SCOPE};

    /// Longest URL that is recorded.
    const MAX_URL: usize = 2048;

    /// A request that the program sends over a connection of its own. Those of a pool are the pool's.
    pub(crate) struct Attempt {
        span: Span,
        /// Counts it for as long as it lasts.
        _active: Option<ActiveRequest>,
    }

    impl Attempt {
        /// Starts the span and passes it on in the request's headers.
        #[inline]
        pub(crate) fn start<B>(scheme: Option<&'static str>, request: &mut Request<B>) -> Attempt {
            if !SCOPE.enabled() || is_pooled() {
                return Attempt { span: Span::NONE, _active: None };
            }
            Attempt::open(scheme, request)
        }

        fn open<B>(scheme: Option<&'static str>, request: &mut Request<B>) -> Attempt {
            let uri = request.uri();
            let scheme = uri.scheme_str().or(scheme);
            let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            let authority = uri.authority().map(|authority| authority.as_str()).or(named).unwrap_or_default();
            if calls::is_excluded(scheme.unwrap_or("http"), authority.as_bytes(), uri.path()) {
                return Attempt { span: Span::NONE, _active: None };
            }
            let path = uri.path_and_query().map_or("", |path| path.as_str());
            let url = scheme.filter(|_| !authority.is_empty());
            let url = url.map(|scheme| FormattedText::<MAX_URL>::of(&format_args!("{scheme}://{authority}{path}")));
            let (address, port) = calls::server(authority, scheme);
            let method = request.method().as_str();
            let span = Span::start_with_parent(
                &SCOPE,
                Domain::HttpClient,
                Context::of_request(&Map(request.headers())),
                &[
                    (key::HTTP_METHOD, method.into()),
                    (key::URL_FULL, url.as_ref().into()),
                    (key::SERVER_ADDRESS, address.into()),
                    (key::SERVER_PORT, port.into()),
                ],
            );
            let host = address.and_then(|address| Some(Host::of(&SCOPE, address, port?)));
            let active = host.map(|host| host.active_request(method));
            span.context().inject(&mut Map(request.headers_mut()));
            calls::capture_headers(span.context(), Message::ClientRequest, &Map(request.headers()));
            Attempt { span, _active: active }
        }

        /// Ends the span with the outcome of the request.
        pub(crate) async fn follow<R, E, F>(mut self, sent: F) -> Result<Response<R>, E>
        where
            E: Failure,
            F: Future<Output = Result<Response<R>, E>>,
        {
            let mut result = sent.await;
            match &mut result {
                _ if self.span.is_none() => {}
                Ok(response) => self.answered(response),
                Err(failure) => {
                    if let Some(headers) = failure.unsent() {
                        self.span.context().withdraw(&mut Map(headers));
                    }
                    self.failed(failure.error());
                }
            }
            result
        }

        fn answered<R>(&mut self, response: &Response<R>) {
            calls::capture_headers(self.span.context(), Message::ClientResponse, &Map(response.headers()));
            let status = (key::HTTP_STATUS, response.status().as_u16().into());
            self.end(&[status, (key::HTTP_VERSION, version(response.version()).into())]);
        }

        #[cold]
        fn failed(&mut self, error: &crate::Error) {
            let mut root: &dyn Error = error;
            while let Some(deeper) = root.source() {
                root = deeper;
            }
            self.end(&[
                (key::ERROR_TYPE, class(error).into()),
                (key::ERROR_MESSAGE, (&FormattedText::<256>::of(&root)).into()),
            ]);
        }

        fn end(&mut self, attributes: &[Attribute<'_>]) {
            mem::replace(&mut self.span, Span::NONE).end(attributes);
        }
    }

    impl Drop for Attempt {
        fn drop(&mut self) {
            if !self.span.is_none() {
                self.end(&[(key::ERROR_TYPE, calls::abandon_reason().into())]);
            }
        }
    }

    /// Why a request has no response.
    pub(crate) trait Failure {
        fn error(&self) -> &crate::Error;

        /// The headers of the request, if that is given back.
        fn unsent(&mut self) -> Option<&mut HeaderMap> {
            None
        }
    }

    impl Failure for crate::Error {
        fn error(&self) -> &crate::Error {
            self
        }
    }

    /// Puts an error into one of few classes, as the pool's requests have them.
    fn class(error: &crate::Error) -> &'static str {
        if error.is_timeout() {
            return "timeout";
        } else if error.is_user() {
            return "body_error";
        } else if error.is_parse() {
            return "invalid_response";
        }
        let source = error.source();
        #[cfg(feature = "http2")]
        if source.and_then(|source| source.downcast_ref::<h2::Error>()).map_or(false, |error| error.is_reset()) {
            return "stream_reset";
        }
        match source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind) {
            Some(ErrorKind::ConnectionReset) => "connection_reset",
            Some(ErrorKind::ConnectionAborted) => "connection_aborted",
            Some(ErrorKind::TimedOut) => "timeout",
            Some(ErrorKind::BrokenPipe) => "connection_closed",
            _ if error.is_closed() || error.is_canceled() || error.is_incomplete_message() => "connection_closed",
            _ => "_OTHER",
        }
    }

    /// The response's head is there.
    pub(crate) fn head(transfer: &Transfer, status: http::StatusCode, version: http::Version) {
        transfer.head(status.as_u16(), super::version(version));
    }

    /// The connection has come to an end in the middle.
    #[cold]
    #[cfg(feature = "http1")]
    pub(crate) fn failed(transfer: &Transfer, error: &crate::Error) {
        transfer.failed(match class(error) {
            known @ ("timeout" | "body_error" | "invalid_response") => known,
            _ => "connection_closed",
        });
    }
}

#[cfg(all(any(feature = "client", feature = "server"), any(feature = "http1", feature = "http2")))]
use self::message::{version, Map};

#[cfg(all(any(feature = "client", feature = "server"), any(feature = "http1", feature = "http2")))]
mod message {
    use std::ops::Deref;

    use http::header::HeaderMap;
    use otel_rs_hooks::Headers;

    /// Headers as the hooks read them, which depend on no HTTP library.
    pub(super) struct Map<M>(pub(super) M);

    impl<M: Deref<Target = HeaderMap>> Headers for Map<M> {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
        }
    }

    #[cfg(feature = "client")]
    impl otel_rs_hooks::HeadersMut for Map<&mut HeaderMap> {
        fn set(&mut self, name: &str, value: &[u8]) {
            let name = http::header::HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, http::header::HeaderValue::from_bytes(value)) {
                self.0.insert(name, value);
            }
        }

        fn remove(&mut self, name: &str) {
            self.0.remove(name);
        }
    }

    pub(super) fn version(version: http::Version) -> &'static str {
        match version {
            http::Version::HTTP_10 => "1.0",
            http::Version::HTTP_2 => "2",
            _ => "1.1",
        }
    }
}
