//! A server's requests as spans, those of a client that has no pool, and the bodies of requests that any client sends.
//!
//! [`Exchange`] is one request and its response. Everything the service does in between runs inside its context.
//! [`Connection`] keeps what is the same for all requests of a connection. [`Attempt`] is a request sent, until the head
//! of its response has arrived. The pool that 0.14 has is in `pool`.

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
pub(crate) use self::server::{Connection, Exchange};

#[cfg(all(feature = "server", any(feature = "http1", feature = "http2")))]
mod server {
    use http::HeaderMap;
    use otel_rs_hooks::kit::served::{self, Request, Server};
    use otel_rs_hooks::net::{AddressText, Sockets};
    use otel_rs_hooks::{Entered, Transfer};

    use super::{version, Map, SCOPE};

    static SERVER: Server = Server::new(&SCOPE);

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

    /// A request and its response, of this library's types.
    pub(crate) struct Exchange(served::Exchange);

    impl std::ops::Deref for Exchange {
        type Target = served::Exchange;

        fn deref(&self) -> &served::Exchange {
            &self.0
        }
    }

    impl std::ops::DerefMut for Exchange {
        fn deref_mut(&mut self) -> &mut served::Exchange {
            &mut self.0
        }
    }

    impl Exchange {
        /// An exchange that records nothing: there is no request, or it has ended.
        pub(crate) const NONE: Exchange = Exchange(served::Exchange::NONE);

        /// The head of the connection's next request has been read.
        #[inline]
        #[cfg(feature = "http1")]
        pub(crate) fn begin<B>(&mut self, connection: &mut Connection, request: &http::Request<B>) {
            if SERVER.enabled() {
                *self = Exchange::start(connection, request);
            } else if !self.0.is_none() {
                *self = Exchange::NONE;
            }
        }

        /// The request's head has been read.
        #[inline]
        pub(crate) fn start<B>(connection: &mut Connection, request: &http::Request<B>) -> Exchange {
            if !SERVER.enabled() {
                return Exchange::NONE;
            }
            let uri = request.uri();
            let own = uri.scheme_str().unwrap_or(if connection.tls == Some(true) { "https" } else { "http" });
            let head = Request {
                method: request.method().as_str(),
                scheme: Some(own),
                authority: uri.authority().map(|authority| authority.as_str()),
                path: uri.path(),
                query: uri.query(),
                version: version(request.version()),
                peer: connection.peer().map(|(address, port)| (address.as_bytes(), *port)),
            };
            Exchange(served::Exchange::start(&SERVER, &head, &Map(request.headers())))
        }

        /// Records the client's address as soon as the connection shows it: what lies between may have read a request ahead.
        #[inline]
        #[cfg(feature = "http1")]
        pub(crate) fn name(&mut self, connection: &mut Connection) {
            if self.0.is_nameless() {
                if let Some((address, port)) = connection.peer() {
                    self.0.name(address.as_bytes(), *port);
                }
            }
        }

        /// The service has answered; the body follows.
        #[inline]
        pub(crate) fn head(&mut self, status: http::StatusCode, headers: &HeaderMap) {
            self.0.head(status.as_u16(), &Map(headers));
        }

        /// The response will not be completed.
        #[cold]
        pub(crate) fn failed(&mut self, error: &crate::Error) {
            if error.is_user() {
                self.0.broken();
            } else if error.is_timeout() {
                self.0.fail("timeout");
            } else {
                self.0.client_left(is_cancelled(error));
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
}

#[cfg(all(feature = "client", feature = "http1"))]
pub(crate) use self::client::failed;
#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
pub(crate) use self::client::{head, Attempt, Failure};
#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
#[allow(unused_imports)] // Since 1.0 the pool is a crate of its own.
pub(crate) use self::pool::{attempt, host};

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
mod client {
    use std::error::Error;
    use std::future::Future;
    use std::io;

    use http::header::{HeaderMap, HOST};
    use http::{Request, Response};
    use otel_rs_hooks::http::client::is_pooled;
    use otel_rs_hooks::http::{class_of_io, root_cause};
    use otel_rs_hooks::kit::sent;
    use otel_rs_hooks::{current, Transfer};

    use super::{version, Map, SCOPE};

    /// A request that the program sends over a connection of its own. Those of a pool are the pool's, and those of a remote
    /// procedure call are the call's.
    pub(crate) struct Attempt(sent::Attempt);

    impl Attempt {
        /// Starts the span and passes it on in the request's headers.
        #[inline]
        pub(crate) fn start<B>(scheme: Option<&'static str>, request: &mut Request<B>) -> Attempt {
            if !SCOPE.enabled() || is_pooled() || current().is_call() {
                return Attempt(sent::Attempt::NONE);
            }
            let attempt = Attempt::open(scheme, request);
            attempt.inject(&mut Map(request.headers_mut()));
            Attempt(attempt)
        }

        fn open<B>(scheme: Option<&'static str>, request: &Request<B>) -> sent::Attempt {
            let uri = request.uri();
            let scheme = uri.scheme_str().or(scheme);
            let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            let authority = uri.authority().map(|authority| authority.as_str()).or(named).unwrap_or_default();
            let target = sent::Request {
                method: request.method().as_str(),
                scheme,
                authority,
                target: uri.path_and_query().map_or("", |target| target.as_str()),
                ..sent::Request::default()
            };
            sent::Attempt::start(&SCOPE, &target, &Map(request.headers()))
        }

        /// Sends the request, and ends the span with its outcome.
        pub(crate) async fn follow<R, E, F>(mut self, sent: F) -> Result<Response<R>, E>
        where
            E: Failure,
            F: Future<Output = Result<Response<R>, E>>,
        {
            let mut result = sent.await;
            self.end(&mut result);
            result
        }

        /// Ends the span with the outcome of the request.
        #[inline]
        pub(crate) fn end<R, E: Failure>(&mut self, result: &mut Result<Response<R>, E>) {
            if self.0.is_none() {
                return;
            }
            let attempt = std::mem::replace(&mut self.0, sent::Attempt::NONE);
            match result {
                Ok(response) => {
                    let version = version(response.version());
                    attempt.answered(response.status().as_u16(), version, &Map(response.headers()));
                }
                Err(failure) => {
                    if let Some(headers) = failure.unsent() {
                        attempt.withdraw(&mut Map(headers));
                    }
                    let error = failure.error();
                    attempt.failed(class(error), &root_cause(error));
                }
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
        match source.and_then(|source| source.downcast_ref::<io::Error>()).and_then(class_of_io) {
            Some(class @ ("connection_reset" | "connection_aborted" | "connection_closed" | "timeout")) => class,
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
    otel_rs_hooks::http_types!(http);
}
