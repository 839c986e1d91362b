//! One span for each request that reaches the network, redirects included: until the head of its response has arrived.

use std::error::Error as StdError;
use std::future::{poll_fn, Future};

use http::uri::Authority;
use http::{Request, Response};
use otel_rs_hooks::carry;
use otel_rs_hooks::http::{error_class, root_cause, Call};
use otel_rs_hooks::kit::sent::{self, Attempt};

use crate::error::ErrorKind;
use crate::{AsyncBody, Error};

otel_rs_hooks::http_types!(http);

/// Sends a request with `send`, inside a span of its own.
pub(crate) async fn attempt<F>(
    mut request: Request<AsyncBody>,
    send: impl FnOnce(Request<AsyncBody>) -> F,
) -> Result<Response<AsyncBody>, Error>
where
    F: Future<Output = Result<Response<AsyncBody>, Error>>,
{
    if !SCOPE.enabled() {
        return send(request).await;
    }
    let attempt = start(&request);
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
        Err(error) => attempt.failed(error_class(error, &class), root_cause(error)),
    }
    result
}

fn start(request: &Request<AsyncBody>) -> Attempt {
    let uri = request.uri();
    let target = sent::Request {
        method: request.method().as_str(),
        url: Some(uri),
        scheme: uri.scheme_str(),
        authority: uri.authority().map_or("", Authority::as_str),
        target: uri.path(),
        resend: None,
    };
    Attempt::start(&SCOPE, &target, &Map(request.headers()))
}

/// Runs a call, in which its requests are counted.
pub(crate) async fn counted<F: Future>(work: F) -> F::Output {
    if !SCOPE.enabled() {
        return work.await;
    }
    let mut call = Call::new(&SCOPE);
    let mut work = Box::pin(work);
    poll_fn(|cx| call.run(|| work.as_mut().poll(cx))).await
}

fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    match error.downcast_ref::<Error>()?.kind() {
        ErrorKind::NameResolution => Some("dns"),
        ErrorKind::Timeout => Some("timeout"),
        ErrorKind::ConnectionFailed => Some("connection_failed"),
        ErrorKind::BadClientCertificate | ErrorKind::BadServerCertificate | ErrorKind::TlsEngine => Some("tls"),
        ErrorKind::ProtocolViolation | ErrorKind::InvalidContentEncoding => Some("invalid_response"),
        _ => None,
    }
}
