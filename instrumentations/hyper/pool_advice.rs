//! The pool of connections that 0.14 has: each attempt to send a request is a span, from the call until the response's head
//! has arrived. Connections are counted by server.

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
#[allow(unused_imports)] // Since 1.0 the pool is a crate of its own.
pub(crate) use self::client::{attempt, host};

#[cfg(all(feature = "client", any(feature = "http1", feature = "http2")))]
#[allow(dead_code)] // As above.
mod client {
    use std::error::Error;
    use std::future::Future;

    use http::uri::{Authority, Scheme};
    use http::{Request, Response};
    use otel_rs_hooks::carry;
    use otel_rs_hooks::http::client::Host;
    use otel_rs_hooks::http::{error_class, root_cause, server};
    use otel_rs_hooks::kit::sent::{self, Attempt};

    use crate::otel_rs::message::{version, Map};
    use crate::otel_rs::SCOPE;

    /// Sends a request with `send`, inside a span of its own. The span starts with the first poll, so that a future
    /// that waits for its turn is not a request that takes long.
    pub(crate) async fn attempt<B, R, F>(
        mut request: Request<B>,
        send: impl FnOnce(Request<B>) -> F,
    ) -> Result<Response<R>, crate::Error>
    where
        F: Future<Output = Result<Response<R>, crate::Error>>,
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
        let (address, port) = server(authority.as_str(), Some(scheme.as_str()));
        Some(Host::of(&SCOPE, address?, port?))
    }

    /// The class of an error of the protocol.
    fn class(error: &(dyn Error + 'static)) -> Option<&'static str> {
        let error = error.downcast_ref::<crate::Error>()?;
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
