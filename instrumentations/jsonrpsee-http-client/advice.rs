//! JSON-RPC calls that are sent over HTTP. The spans of the requests are made where they are sent.

use std::error::Error as StdError;
use std::future::Future;

use jsonrpsee_core::client::Error;
use otel_rs_hooks::http::{error_class, server};
use otel_rs_hooks::kit::call::{self, Method, RpcStatuses};
use otel_rs_hooks::kit::Failure;
use otel_rs_hooks::{current, key, Headers, HeadersMut};

/// A message of JSON-RPC has no headers. Those of its request get the context where it is sent.
struct NoHeaders;

impl Headers for NoHeaders {
    fn named<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {}

    fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) {}
}

impl HeadersMut for NoHeaders {
    fn set(&mut self, _: &str, _: &[u8]) {}

    fn remove(&mut self, _: &str) {}
}

/// Sends a call; without a method, a batch of them.
pub(crate) async fn call<T>(name: &str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    if !SCOPE.enabled() {
        return work.await;
    }
    let method = Method { system: "jsonrpc", statuses: Some(RpcStatuses::Errors), success: "", name };
    call::sent(&SCOPE, &method, "", None, &mut NoHeaders).around(work, failure).await
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Call(error) => Failure::code(&error.code()),
        Error::RequestTimeout => Failure::class("timeout"),
        Error::Transport(error) => {
            let error: &(dyn StdError + 'static) = &**error;
            Failure::class(error_class(error, &|_| None))
        }
        Error::ParseError(_) | Error::InvalidRequestId(_) => Failure::class("invalid_response"),
        _ => Failure::class("_OTHER"),
    }
}

/// The current call is sent to that address.
#[inline]
pub(crate) fn sent_to(url: &str) {
    if SCOPE.enabled() {
        let call = current();
        if let (true, Some((scheme, rest))) = (call.is_call(), url.split_once("://")) {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let (address, port) = server(authority, Some(scheme));
            call.set(&[(key::SERVER_ADDRESS, address.into()), (key::SERVER_PORT, port.into())]);
        }
    }
}
