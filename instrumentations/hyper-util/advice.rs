//! Each attempt to send a request is a span, from the call until the response's head has arrived. Connections are
//! counted by server.

#[cfg(all(feature = "client-legacy", any(feature = "http1", feature = "http2")))]
pub(crate) use self::client::{attempt, host};

#[cfg(all(feature = "client-legacy", any(feature = "http1", feature = "http2")))]
mod client {
    use std::error::Error;
    use std::future::Future;

    use http::uri::{Authority, Scheme};
    use http::{Request, Response};
    use otel_rs_hooks::carry;
    use otel_rs_hooks::http::client::Host;
    use otel_rs_hooks::http::{error_class, root_cause};
    use otel_rs_hooks::kit::sent::{self, Attempt};

    use super::SCOPE;

    otel_rs_hooks::http_types!(http);

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
        if !SCOPE.enabled() {
            return send(request).await;
        }
        let attempt = start(&request);
        if attempt.is_none() {
            return send(request).await;
        }
        attempt.inject(&mut Map(request.headers_mut()));
        let sending = {
            let _entered = attempt.enter();
            carry(&SCOPE, send(request))
        };
        let result = sending.await;
        match &result {
            Ok(response) => {
                let version = version(response.version());
                attempt.answered(response.status().as_u16(), version, &Map(response.headers()));
            }
            Err(error) => attempt.failed(error_class(error, &class), &root_cause(error)),
        }
        result
    }

    fn start<B>(request: &Request<B>) -> Attempt {
        let uri = request.uri();
        let target = sent::Request {
            method: request.method().as_str(),
            url: Some(uri),
            scheme: uri.scheme_str(),
            authority: uri.authority().map_or("", Authority::as_str),
            target: uri.path(),
            ..sent::Request::default()
        };
        Attempt::start(&SCOPE, &target, &Map(request.headers()))
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

    /// The class of an error of the protocol.
    fn class(error: &(dyn Error + 'static)) -> Option<&'static str> {
        let error = error.downcast_ref::<hyper::Error>()?;
        if error.is_timeout() {
            Some("timeout")
        } else if error.is_user() {
            Some("body_error")
        } else if error.is_parse() {
            Some("invalid_response")
        } else if error.is_closed() || error.is_incomplete_message() {
            Some("connection_closed")
        } else {
            None
        }
    }
}
