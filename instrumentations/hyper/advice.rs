//! A server's requests as spans, and the bodies of requests that a client sends.
//!
//! [`Exchange`] is one request and its response. It starts when the request's head has been read and ends when the last
//! byte of the response has been handed to the connection, or when that will never happen. Everything the service does in
//! between runs inside its context. [`Connection`] keeps what is the same for all requests of a connection.

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
pub(crate) use self::server::{Connection, Exchange};

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
mod server {
    use std::mem;

    use http::header::{HeaderMap, FORWARDED, HOST, USER_AGENT};
    use otel_rs_hooks::http::{self as calls, Message};
    use otel_rs_hooks::net::{self, AddressText};
    use otel_rs_hooks::{key, Cell, CellKind, Context, Domain, Entered, Headers, Span, Transfer, Value};

    use super::SCOPE;

    pub(crate) struct Connection {
        /// The other end, once it was asked for: that takes a system call.
        peer: Option<Option<(AddressText, u16)>>,
        tls: Option<bool>,
    }

    impl Connection {
        pub(crate) const NEW: Connection = Connection { peer: None, tls: None };

        /// Names the type of the connection's I/O. A server is generic over it, and it is the only sign of TLS: an
        /// HTTP/1 request does not say its scheme.
        #[inline]
        #[cfg(feature = "http1")]
        pub(crate) fn over(&mut self, io: &str) {
            if self.tls.is_none() && SCOPE.enabled() {
                self.tls = Some(io.contains("TlsStream") || io.contains("SslStream"));
            }
        }

        fn peer(&mut self) -> Option<&(AddressText, u16)> {
            self.peer.get_or_insert_with(|| net::peer().map(|peer| (AddressText::of(peer.ip()), peer.port()))).as_ref()
        }
    }

    pub(crate) struct Exchange {
        span: Span,
        /// This request in `http.server.active_requests`; `None` if the user does not want to hear of it.
        counted: Option<&'static Cell>,
        /// Of the response, once there is one.
        status: Option<u16>,
        /// The bodies.
        pub(crate) transfer: Transfer,
    }

    impl Exchange {
        /// No request, or one that is over.
        pub(crate) const NONE: Exchange = Exchange { span: Span::NONE, counted: None, status: None, transfer: Transfer::NONE };

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
            let scheme = match uri.scheme_str() {
                Some(scheme) => scheme,
                None if connection.tls == Some(true) => "https",
                None => "http",
            };
            // An absolute target outranks the header (RFC 9112, section 3.2.2); HTTP/2 puts `:authority` there.
            let host = match uri.authority() {
                Some(authority) => Some(authority.as_str().as_bytes()),
                None => bytes(headers, HOST),
            };
            let parent = Context::extract(&Map(headers));
            if calls::is_excluded(scheme, host.unwrap_or_default(), uri.path()) {
                let span = Span::silent(&SCOPE, parent);
                return Exchange { span, counted: None, status: None, transfer: Transfer::NONE };
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
                    (key::PEER_ADDRESS, peer.map(|(address, _)| address.as_bytes()).into()),
                    (key::PEER_PORT, peer.map(|(_, port)| *port).into()),
                ],
            );
            calls::capture(span.context(), Message::ServerRequest, &Map(headers));
            let counted = active_requests(request.method().as_str(), scheme);
            counted.add(1);
            Exchange { span, counted: Some(counted), status: None, transfer: Transfer::served() }
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
                calls::capture(self.span.context(), Message::ServerResponse, &Map(headers));
            }
            self.status = Some(status.as_u16());
        }

        /// All that was written so far has left. That ends the request if its response is part of it.
        #[inline]
        pub(crate) fn sent(&mut self) {
            if self.status.is_some() {
                self.end(Value::None);
            }
        }

        /// The response will not be completed.
        #[cold]
        pub(crate) fn failed(&mut self, error: &crate::Error) {
            self.end(Value::from(match self.status {
                None if error.is_user() => "service_error",
                Some(_) if error.is_user() => "body_error",
                _ if error.is_timeout() => "timeout",
                _ => "client_disconnected",
            }));
        }

        fn end(&mut self, error: Value<'_>) {
            if let Some(cell) = self.counted.take() {
                cell.add(-1);
            }
            let status = self.status.take();
            let span = mem::replace(&mut self.span, Span::NONE);
            let sizes = mem::replace(&mut self.transfer, Transfer::NONE).sizes();
            span.end(&[
                (key::HTTP_STATUS, status.into()),
                (key::ERROR_TYPE, error),
                (key::HTTP_REQUEST_BODY_SIZE, sizes.map(|(received, _)| received).into()),
                (key::HTTP_RESPONSE_BODY_SIZE, sizes.map(|(_, sent)| sent).into()),
            ]);
        }
    }

    impl Drop for Exchange {
        #[inline]
        fn drop(&mut self) {
            if !self.span.is_none() {
                self.end(Value::from(if std::thread::panicking() { "panic" } else { "cancelled" }));
            }
        }
    }

    /// The hooks know no HTTP library.
    struct Map<'h>(&'h HeaderMap);

    impl Headers for Map<'_> {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
        }
    }

    fn bytes(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&[u8]> {
        headers.get(name).map(|value| value.as_bytes())
    }

    fn version(version: http::Version) -> &'static str {
        match version {
            http::Version::HTTP_10 => "1.0",
            http::Version::HTTP_2 => "2",
            _ => "1.1",
        }
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

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
pub(crate) use self::client::head;
#[cfg(all(feature = "client", feature = "http1"))]
pub(crate) use self::client::failed;

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
mod client {
    use otel_rs_hooks::Transfer;

    /// The response's head is there.
    pub(crate) fn head(transfer: &Transfer, status: http::StatusCode, version: http::Version) {
        let version = match version {
            http::Version::HTTP_10 => "1.0",
            http::Version::HTTP_2 => "2",
            _ => "1.1",
        };
        transfer.head(status.as_u16(), version);
    }

    /// The connection has come to an end in the middle.
    #[cold]
    #[cfg(feature = "http1")]
    pub(crate) fn failed(transfer: &Transfer, error: &crate::Error) {
        transfer.failed(if error.is_timeout() {
            "timeout"
        } else if error.is_user() {
            "body_error"
        } else if error.is_parse() {
            "invalid_response"
        } else {
            "connection_closed"
        });
    }
}
