//! One span for each connection that a client makes, from the look-up of the server's name until the head of the response to
//! its handshake has arrived.

#[cfg(feature = "connect")]
pub(crate) use client::connect;

#[cfg(feature = "connect")]
mod client {
    use std::error::Error as StdError;
    use std::future::Future;

    use otel_rs_hooks::carry;
    use otel_rs_hooks::http::{error_class, root_cause};
    use otel_rs_hooks::kit::sent::{self, Attempt};
    use tungstenite::error::ProtocolError;
    use tungstenite::handshake::client::{Request, Response};
    use tungstenite::http::{self, uri::Authority};
    use tungstenite::Error;

    use super::SCOPE;

    otel_rs_hooks::http_types!(http);

    /// Connects with `work`, inside a span of its own.
    pub(crate) async fn connect<F, S>(
        mut request: Request,
        work: impl FnOnce(Request) -> F,
    ) -> Result<(S, Response), Error>
    where
        F: Future<Output = Result<(S, Response), Error>>,
    {
        if !SCOPE.enabled() {
            return work(request).await;
        }
        let attempt = start(&request);
        attempt.inject(&mut Map(request.headers_mut()));
        // By this, tungstenite's own instrumentation sees that the handshake has its span.
        request.extensions_mut().insert(attempt.context().clone());
        let connecting = {
            let _entered = attempt.enter();
            carry(&SCOPE, work(request))
        };
        let result = connecting.await;
        let response: &Response = match &result {
            Ok((_, response)) => response,
            Err(Error::Http(response)) => response,
            Err(error) => {
                // What errors of URLs quote is the URL.
                match error {
                    Error::Url(_) => attempt.failed(error_class(error, &class), &"no such server"),
                    // And here, a header's value.
                    Error::Utf8 { .. } => attempt.failed(error_class(error, &class), &"not UTF-8"),
                    _ => attempt.failed(error_class(error, &class), root_cause(error)),
                }
                return result;
            }
        };
        attempt.answered(response.status().as_u16(), version(response.version()), &Map(response.headers()));
        result
    }

    fn start(request: &Request) -> Attempt {
        let uri = request.uri();
        let target = sent::Request {
            method: request.method().as_str(),
            url: Some(uri),
            scheme: uri.scheme_str().map(|scheme| if scheme == "wss" { "https" } else { "http" }),
            authority: uri.authority().map_or("", Authority::as_str),
            target: uri.path(),
            resend: None,
        };
        Attempt::start(&SCOPE, &target, &Map(request.headers()))
    }

    fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
        match error.downcast_ref::<Error>()? {
            Error::Protocol(ProtocolError::HandshakeIncomplete) => Some("connection_closed"),
            Error::Protocol(_) | Error::HttpFormat(_) | Error::AttackAttempt => Some("invalid_response"),
            Error::Tls(_) => Some("tls"),
            _ => None,
        }
    }
}
