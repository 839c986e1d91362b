//! Each attempt to send a request is a span, from the call until the response's head has arrived. Connections are
//! counted by server.

#[cfg(all(feature = "client-legacy", any(feature = "http1", feature = "http2")))]
pub(crate) use self::client::{attempt, host};

#[cfg(all(feature = "client-legacy", any(feature = "http1", feature = "http2")))]
mod client {
    use std::error::Error;
    use std::future::Future;
    use std::io::{self, ErrorKind};
    use std::mem;
    use std::ops::Deref;

    use http::header::{HeaderMap, HeaderName, HeaderValue};
    use http::uri::{Authority, Scheme};
    use http::{Request, Response, Uri};
    use otel_rs_hooks::http::client::{ActiveRequest, Host};
    use otel_rs_hooks::http::{self as calls, FormattedText, Message};
    use otel_rs_hooks::{carry, key, Context, Domain, Headers, HeadersMut, Span, Value};

    use super::SCOPE;

    /// Longest URL that is recorded.
    const MAX_URL: usize = 2048;

    /// Sends a request with `send`, inside a span of its own. The span starts with the first poll, so that a future
    /// that waits for its turn is not a request that takes long.
    pub(crate) async fn attempt<B, R, E, F>(
        mut request: Request<B>,
        send: impl FnOnce(Request<B>) -> F,
    ) -> Result<Response<R>, E>
    where
        E: Error + 'static,
        F: Future<Output = Result<Response<R>, E>>,
    {
        if !SCOPE.enabled() || is_excluded(request.uri()) {
            return send(request).await;
        }
        let attempt = Attempt::start(&request);
        let mut headers = Map(request.headers_mut());
        attempt.span.context().inject(&mut headers);
        calls::capture_headers(attempt.span.context(), Message::ClientRequest, &headers);
        let sending = {
            let _entered = attempt.span.context().enter();
            carry(&SCOPE, send(request))
        };
        let result = sending.await;
        match &result {
            Ok(response) => attempt.answered(response),
            Err(error) => attempt.failed(error),
        }
        result
    }

    fn is_excluded(uri: &Uri) -> bool {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        calls::is_excluded(uri.scheme_str().unwrap_or("http"), authority.as_bytes(), uri.path())
    }

    /// Where a connection to the pool's `(scheme, authority)` goes; `None` where it is not recorded.
    pub(crate) fn host((scheme, authority): &(Scheme, Authority)) -> Option<&'static Host> {
        if !SCOPE.enabled() {
            return None;
        }
        let (address, port) = server(authority.host(), authority.port_u16(), *scheme == Scheme::HTTPS);
        Some(Host::of(&SCOPE, address, port))
    }

    fn server(host: &str, port: Option<u16>, https: bool) -> (&str, u16) {
        // Brackets belong to the URL's syntax, not to the address.
        let address = host.trim_start_matches('[').trim_end_matches(']');
        (address, port.unwrap_or(if https { 443 } else { 80 }))
    }

    struct Attempt {
        span: Span,
        /// Counts it for as long as it lasts.
        _active: ActiveRequest,
    }

    impl Attempt {
        fn start<B>(request: &Request<B>) -> Attempt {
            let uri = request.uri();
            let parent = Context::of_request(&Map(request.headers()));
            let https = uri.scheme_str() == Some("https");
            let (address, port) = server(uri.host().unwrap_or_default(), uri.port_u16(), https);
            let method = request.method().as_str();
            let span = Span::start_with_parent(
                &SCOPE,
                Domain::HttpClient,
                parent,
                &[
                    (key::HTTP_METHOD, method.into()),
                    (key::URL_FULL, (&FormattedText::<MAX_URL>::of(uri)).into()),
                    (key::SERVER_ADDRESS, address.into()),
                    (key::SERVER_PORT, port.into()),
                    (key::HTTP_RESEND, calls::count_attempt().into()),
                ],
            );
            Attempt { span, _active: Host::of(&SCOPE, address, port).active_request(method) }
        }

        fn answered<R>(mut self, response: &Response<R>) {
            calls::capture_headers(self.span.context(), Message::ClientResponse, &Map(response.headers()));
            let version = match response.version() {
                http::Version::HTTP_10 => "1.0",
                http::Version::HTTP_2 => "2",
                http::Version::HTTP_3 => "3",
                _ => "1.1",
            };
            self.end(&[(key::HTTP_STATUS, response.status().as_u16().into()), (key::HTTP_VERSION, version.into())]);
        }

        #[cold]
        fn failed(mut self, error: &(dyn Error + 'static)) {
            let root = FormattedText::<256>::of(&root(error));
            self.end(&[(key::ERROR_TYPE, class(error).into()), (key::ERROR_MESSAGE, (&root).into())]);
        }

        fn end(&mut self, attributes: &[(otel_rs_hooks::Key<'_>, Value<'_>)]) {
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

    /// Headers as the hooks read them, which depend on no HTTP library.
    struct Map<M>(M);

    impl<M: Deref<Target = HeaderMap>> Headers for Map<M> {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
        }
    }

    impl HeadersMut for Map<&mut HeaderMap> {
        fn set(&mut self, name: &str, value: &[u8]) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
                self.0.insert(name, value);
            }
        }

        fn remove(&mut self, name: &str) {
            self.0.remove(name);
        }
    }

    /// What an error was caused by. An `io::Error` hides the error it was made from behind that one's own source.
    fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    }

    fn root<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
        while let Some(deeper) = cause(error) {
            error = deeper;
        }
        error
    }

    /// Puts an error into one of few classes, by the first cause with a known class.
    fn class(error: &(dyn Error + 'static)) -> &'static str {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                match error.kind() {
                    ErrorKind::ConnectionRefused => return "connection_refused",
                    ErrorKind::ConnectionReset => return "connection_reset",
                    ErrorKind::ConnectionAborted => return "connection_aborted",
                    ErrorKind::BrokenPipe => return "connection_closed",
                    ErrorKind::TimedOut => return "timeout",
                    ErrorKind::AddrNotAvailable => return "address_not_available",
                    _ => {}
                }
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                if error.is_timeout() {
                    return "timeout";
                } else if error.is_user() {
                    return "body_error";
                } else if error.is_parse() {
                    return "invalid_response";
                } else if error.is_closed() || error.is_incomplete_message() {
                    return "connection_closed";
                }
            }
            // Resolvers and TLS libraries are plugged in: their types cannot be named here, so messages are matched.
            let text = FormattedText::<256>::of(error);
            if mentions(text.as_bytes(), &["dns error", "lookup address", "resolve"]) {
                return "dns";
            } else if mentions(text.as_bytes(), &["certificate", "tls", "ssl", "handshake"]) {
                return "tls";
            } else if mentions(text.as_bytes(), &["timed out", "deadline"]) {
                return "timeout";
            } else if mentions(text.as_bytes(), &["unreachable"]) {
                return "unreachable";
            } else if mentions(text.as_bytes(), &["stream error"]) {
                return "stream_reset"; // the words of HTTP/2's implementation
            }
            next = cause(error);
        }
        "_OTHER"
    }

    fn mentions(text: &[u8], words: &[&str]) -> bool {
        words.iter().any(|word| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
    }
}
