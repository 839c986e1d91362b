//! One span for each call of an endpoint, until the head of the response has arrived. The requests' own spans are made where
//! they are sent.

use std::error::Error as StdError;
use std::future::Future;

use otel_rs_hooks::carry;
use otel_rs_hooks::http::error_class;
use otel_rs_hooks::kit::endpoint::{self, Call};
use otel_rs_hooks::kit::Failure;
use reqwest::{Error, Response};

use crate::http::{Method, Url};

/// Sends a request with `work`, inside a span of its own.
pub(crate) async fn send(
    node: &Url,
    method: Method,
    path: &str,
    work: impl Future<Output = Result<Response, Error>>,
) -> Result<Response, Error> {
    let method = name(method);
    let (address, port) = (node.host_str(), node.port_or_known_default());
    let mut call = endpoint::start(&SCOPE, &Call { system: "opensearch", method, path, address, port });
    if call.is_none() {
        return work.await;
    }
    let work = {
        let _entered = call.context().enter();
        carry(&SCOPE, work)
    };
    let result = work.await;
    match &result {
        Ok(response) => endpoint::answered(&mut call, response.status().as_u16()),
        Err(error) => call.fail(&Failure::class(error_class(error, &class))),
    }
    result
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
        Method::Head => "HEAD",
    }
}

fn class(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    error.downcast_ref::<Error>().filter(|error| error.is_timeout()).map(|_| "timeout")
}
