//! Remote procedure calls: over a transport that is not instrumented, or as HTTP requests of an instrumented library.
//!
//! ```text
//! // A client: the context goes into the call's metadata.
//! let call = call::sent(&SCOPE, &Method { system: "jsonrpc", name: method }, "shop.test", Some(80), &mut metadata);
//! call.around(send(request), |error| Failure::code(&error.code)).await
//! // A server that runs on hyper: the request's span becomes the call's.
//! call::over_http(&Method { system: "grpc", name: path.trim_start_matches('/') });
//! ```

use crate::attribute::key;
use crate::context::{self, Context};
use crate::headers::{Headers, HeadersMut};
use crate::kit::Operation;
use crate::scope::Scope;
use crate::span::{Domain, Span};

/// The method that is called.
#[derive(Clone, Copy, Debug)]
pub struct Method<'a> {
    /// A value of `rpc.system.name`: `grpc`, `jsonrpc`.
    pub system: &'a str,
    /// The method with its service, as the framework knows it: `shop.Orders/Place`. Empty where it knows none: a client's
    /// word for it goes into [`key::RPC_METHOD_ORIGINAL`].
    pub name: &'a str,
}

/// A call has arrived. Its parent is the span that its headers name.
pub fn served(scope: &'static Scope, method: &Method<'_>, headers: &dyn Headers) -> Operation {
    if !scope.enabled() {
        return Operation::NONE;
    }
    let attributes = [(key::RPC_SYSTEM, method.system.into()), (key::RPC_METHOD, method.name.into())];
    let span = Span::start_with_parent(scope, Domain::RpcServer, Context::extract(headers), &attributes);
    Operation::of(span, Some(key::RPC_STATUS))
}

/// A call is about to be sent to a server; its context is put into the headers.
pub fn sent(
    scope: &'static Scope,
    method: &Method<'_>,
    address: &str,
    port: Option<u16>,
    headers: &mut dyn HeadersMut,
) -> Operation {
    if !scope.enabled() {
        return Operation::NONE;
    }
    let attributes = [
        (key::RPC_SYSTEM, method.system.into()),
        (key::RPC_METHOD, method.name.into()),
        (key::SERVER_ADDRESS, address.into()),
        (key::SERVER_PORT, port.into()),
    ];
    let span = Span::start_with_parent(scope, Domain::RpcClient, Context::of_request(headers), &attributes);
    span.context().inject(headers);
    Operation::of(span, Some(key::RPC_STATUS))
}

/// The current HTTP request is a call: its span is described as one. The status that ends the call is recorded by
/// `current().set(&[(key::RPC_STATUS, …)])`.
pub fn over_http(method: &Method<'_>) {
    context::current().set(&[(key::RPC_SYSTEM, method.system.into()), (key::RPC_METHOD, method.name.into())]);
}
