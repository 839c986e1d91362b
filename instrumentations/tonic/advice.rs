//! gRPC calls. One that is served is a request of the HTTP server below, whose span is described as the call. One that is
//! sent is a [`Call`], until the last message of its response has been read.

use std::task::Poll;

use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, Uri};
use otel_rs_hooks::kit::call::{self, Method, RpcStatuses};
use otel_rs_hooks::kit::Operation;
use otel_rs_hooks::{current, http::server, key, Attribute, Context, Entered};

use crate::{Code, Response, Status, Streaming};

otel_rs_hooks::http_types!(http);

const fn method(name: &str) -> Method<'_> {
    Method { system: "grpc", statuses: Some(RpcStatuses::Grpc), success: "OK", name }
}

/// `package.Service/Method`. Before it, there may be a prefix of the server's own.
fn name(uri: &Uri) -> &str {
    let path = uri.path();
    let start = path.rmatch_indices('/').nth(1).map_or(0, |(slash, _)| slash);
    path.get(start..).unwrap_or(path).trim_start_matches('/')
}

fn code(code: Code) -> Attribute<'static> {
    (key::RPC_STATUS, i64::from(code as i32).into())
}

/// A service has a method for the current request.
#[inline]
pub(crate) fn serving(uri: &Uri) {
    if SCOPE.enabled() {
        call::over_http(&SCOPE, &method(name(uri)));
    }
}

/// A status is written into the trailers, or the head, of the current request's response.
#[inline]
pub(crate) fn status(status: Code) {
    if SCOPE.enabled() {
        call::over_http(&SCOPE, &method(""));
        current().set(&[code(status)]);
    }
}

/// The context of a request that has arrived at the server, if it is a call.
pub(crate) struct Arrived(Option<Context>);

impl Arrived {
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>) -> Arrived {
        let is_call = |value: &http::HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        if !SCOPE.enabled() || !request.headers().get(http::header::CONTENT_TYPE).map_or(false, is_call) {
            return Arrived(None);
        }
        let context = current();
        call::over_http(&SCOPE, &method(""));
        context.set(&[(key::RPC_METHOD_ORIGINAL, name(request.uri()).into())]);
        Arrived(Some(context))
    }

    /// The head of the response is there. It holds the status if nothing else follows.
    #[inline]
    pub(crate) fn answered(&self, headers: &HeaderMap) {
        if let (Some(context), Some(status)) = (&self.0, headers.get("grpc-status")) {
            context.set(&[code(Code::from_bytes(status.as_bytes()))]);
        }
    }
}

/// A call that a client sends. Dropped before its end, it was cancelled.
pub(crate) struct Call(Operation);

impl Call {
    /// No call: the stream of a request, or of a call that has ended.
    pub(crate) const NONE: Call = Call(Operation::NONE);

    /// The request is about to be sent.
    #[inline]
    pub(crate) fn start<B>(request: Request<B>) -> (Call, Request<B>) {
        if !SCOPE.enabled() {
            return (Call::NONE, request);
        }
        let (mut head, body) = request.into_parts();
        let (address, port) = origin(head.uri.scheme(), head.uri.authority());
        let (method, headers) = (method(name(&head.uri)), &mut Map(&mut head.headers));
        let call = Call(call::sent(&SCOPE, &method, address.unwrap_or_default(), port, headers));
        (call, Request::from_parts(head, body))
    }

    /// Makes the call's context current.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered> {
        if self.0.is_none() {
            None
        } else {
            Some(self.0.context().enter())
        }
    }

    /// The head of the response has arrived, or never will.
    #[inline]
    pub(crate) fn sent<R>(&mut self, result: Result<R, Status>) -> Result<R, Status> {
        if let Err(status) = &result {
            self.ended(status.code());
        }
        result
    }

    /// The response's messages can be read, unless its head is all there is.
    #[inline]
    pub(crate) fn answered<T>(
        mut self,
        result: Result<Response<Streaming<T>>, Status>,
    ) -> Result<Response<Streaming<T>>, Status> {
        let mut result = self.sent(result);
        if let Ok(response) = &mut result {
            response.get_mut().otel_attach(self);
        }
        result
    }

    /// The response's stream was polled.
    #[inline]
    pub(crate) fn polled<T>(&mut self, polled: &Poll<Option<Result<T, Status>>>) {
        match polled {
            Poll::Ready(None) => self.ended(Code::Ok),
            Poll::Ready(Some(Err(status))) => self.ended(status.code()),
            _ => {}
        }
    }

    fn ended(&mut self, status: Code) {
        if !self.0.is_none() {
            self.0.end(&[code(status)]);
        }
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        // One that a panic ends is recorded as such.
        if !self.0.is_none() && !std::thread::panicking() {
            self.ended(Code::Cancelled);
        }
    }
}

/// The channel sends the current call to that server.
#[inline]
pub(crate) fn sent_to(scheme: Option<&Scheme>, authority: Option<&Authority>) {
    if SCOPE.enabled() {
        let call = current();
        if call.is_call() {
            let (address, port) = origin(scheme, authority);
            call.set(&[(key::SERVER_ADDRESS, address.into()), (key::SERVER_PORT, port.into())]);
        }
    }
}

fn origin<'a>(scheme: Option<&Scheme>, authority: Option<&'a Authority>) -> (Option<&'a str>, Option<u16>) {
    server(authority.map_or("", |authority| authority.as_str()), scheme.map(|scheme| scheme.as_str()))
}
