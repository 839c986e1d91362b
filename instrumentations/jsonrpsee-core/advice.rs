//! JSON-RPC calls that are sent over a connection which stays open.

#[cfg(feature = "client")]
pub(crate) use calls::call;

#[cfg(feature = "client")]
mod calls {
    use std::future::Future;

    use otel_rs_hooks::kit::call::{self, Method, RpcStatuses};
    use otel_rs_hooks::kit::Failure;
    use otel_rs_hooks::{Headers, HeadersMut};

    use super::SCOPE;
    use crate::client::Error;

    /// A message of JSON-RPC has no headers.
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
            Error::RestartNeeded(_) | Error::Transport(_) => Failure::class("connection_closed"),
            Error::ParseError(_) | Error::InvalidRequestId(_) => Failure::class("invalid_response"),
            _ => Failure::class("_OTHER"),
        }
    }
}
