//! Remote procedure calls: over a transport that is not instrumented, or as HTTP requests of an instrumented library.
//!
//! ```text
//! // A client: the context goes into the call's metadata.
//! let method = Method { system: "jsonrpc", statuses: Some(RpcStatuses::Errors), success: "", name };
//! let call = call::sent(&SCOPE, &method, "shop.test", Some(80), &mut metadata);
//! call.around(send(request), |error| Failure::code(&error.code)).await
//! // A server that runs on hyper: the request's span becomes the call's.
//! let name = path.trim_start_matches('/');
//! call::over_http(&SCOPE, &Method { system: "grpc", statuses: Some(RpcStatuses::Grpc), success: "OK", name });
//! ```

use crate::attribute::{key, Attribute, Value};
use crate::context::{self, Context};
use crate::headers::{Headers, HeadersMut};
use crate::kit::operation::{Operation, Status};
use crate::scope::Scope;
use crate::span::{Domain, Span};
pub use crate::wire::RpcStatuses;

/// The method that is called.
#[derive(Clone, Copy, Debug)]
pub struct Method<'a> {
    /// A value of `rpc.system.name`: `grpc`, `jsonrpc`.
    pub system: &'a str,
    /// How the system writes statuses, and which of them are errors. `None` where no status is an error by itself.
    pub statuses: Option<RpcStatuses>,
    /// The status of a call that succeeds: `OK`. Empty where the system has none.
    pub success: &'static str,
    /// The method with its service, as the framework knows it: `shop.Orders/Place`. Empty where it knows none: a client's
    /// word for it goes into [`key::RPC_METHOD_ORIGINAL`].
    pub name: &'a str,
}

impl<'a> Method<'a> {
    fn attributes(&self) -> [Attribute<'a>; 3] {
        let statuses = self.statuses.map(|statuses| i64::from(statuses as u8));
        [
            (key::RPC_SYSTEM, self.system.into()),
            (key::RPC_STATUSES, statuses.into()),
            (key::RPC_METHOD, Value::known(self.name)),
        ]
    }

    fn operation(&self, span: Span) -> Operation {
        Operation::of(span, Some(Status { key: key::RPC_STATUS, success: self.success }))
    }
}

/// A call has arrived. Its parent is the span that its headers name.
pub fn served(scope: &'static Scope, method: &Method<'_>, headers: &dyn Headers) -> Operation {
    if !scope.enabled() {
        return Operation::NONE;
    }
    let parent = Context::extract(headers);
    method.operation(Span::start_with_parent(scope, Domain::RpcServer, parent, &method.attributes()))
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
    let [system, statuses, name] = method.attributes();
    let (address, port) = ((key::SERVER_ADDRESS, Value::known(address)), (key::SERVER_PORT, port.into()));
    let attributes = [system, statuses, name, address, port];
    let span = Span::start_with_parent(scope, Domain::RpcClient, Context::of_request(headers), &attributes);
    span.context().inject(headers);
    method.operation(span)
}

/// The current HTTP request is a call: its span is described as one. The status that ends the call, that of success
/// included, is recorded by `current().set(&[(key::RPC_STATUS, …)])`.
pub fn over_http(scope: &'static Scope, method: &Method<'_>) {
    if scope.enabled() {
        context::current().set(&method.attributes());
    }
}
