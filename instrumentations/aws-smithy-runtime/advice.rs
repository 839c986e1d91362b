//! One span for each operation of a client, around its attempts. The requests' own spans are made where they are sent, and
//! so is the context put into their headers: after they were signed, so that it is no part of the signature.

#[cfg(feature = "client")]
pub(crate) use self::client::{answered, operation, sending, timed};

#[cfg(feature = "client")]
mod client {
    use std::error::Error as StdError;
    use std::future::{poll_fn, Future};
    use std::pin::pin;
    use std::task::Poll;

    use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
    use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
    use otel_rs_hooks::http::{error_class, server, Call, FormattedText};
    use otel_rs_hooks::kit::call::{self, Method};
    use otel_rs_hooks::kit::{Failure, Operation, Setter};
    use otel_rs_hooks::{carry, current, key, Key};

    use super::SCOPE;

    type Outcome = Result<InterceptorContext, SdkError<Error, HttpResponse>>;

    /// Runs an operation inside a span of its own, in which its requests are counted.
    pub(crate) async fn operation(service: &str, name: &str, work: impl Future<Output = Outcome>) -> Outcome {
        let mut operation = start(service, name);
        if operation.is_none() {
            return work.await;
        }
        let mut requests = Call::new(&SCOPE);
        let mut work = pin!({
            let _entered = operation.context().enter();
            carry(&SCOPE, work)
        });
        let outcome = poll_fn(|cx| requests.run(|| work.as_mut().poll(cx))).await;
        match &outcome {
            // Older versions return an error within the context.
            Ok(context) => match context.output_or_error() {
                Some(Err(error)) => operation.fail(&failure(error)),
                _ => operation.end(&[]),
            },
            Err(error) => operation.fail(&sdk_failure(error)),
        }
        outcome
    }

    fn start(service: &str, name: &str) -> Operation {
        if !SCOPE.enabled() {
            return Operation::NONE;
        }
        let full = FormattedText::<128>::of(&format_args!("{service}.{name}"));
        let name = std::str::from_utf8(full.as_bytes()).unwrap_or(name);
        let method = Method { system: "aws-api", statuses: None, success: "", name };
        call::sent(&SCOPE, &method, "", None, &mut Setter(|_: &str, _: &[u8]| {}))
    }

    /// An attempt is about to be sent.
    pub(crate) fn sending(request: &HttpRequest) {
        if !SCOPE.enabled() {
            return;
        }
        let (operation, url) = (current(), request.uri());
        if !operation.is_call() {
            return;
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.split(|end| matches!(end, '/' | '?')).next().unwrap_or("");
        if !authority.is_empty() {
            let (address, port) = server(authority, Some(scheme));
            operation.set(&[(key::SERVER_ADDRESS, address.into()), (key::SERVER_PORT, port.into())]);
        }
        let target = request.headers().get("x-amz-target").unwrap_or("");
        super::targets::describe(&operation, target, request.body().bytes().unwrap_or_default());
    }

    /// An attempt has been answered. The last one of an operation counts.
    pub(crate) fn answered(response: &HttpResponse) {
        if !SCOPE.enabled() {
            return;
        }
        let operation = current();
        if operation.is_call() {
            let headers = response.headers();
            let id = headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id"));
            operation.set(&[
                (key::HTTP_STATUS, response.status().as_u16().into()),
                (Key::Named("aws.request_id"), id.into()),
                (Key::Named("aws.extended_request_id"), headers.get("x-amz-id-2").into()),
            ]);
        }
    }

    fn failure(error: &OrchestratorError<Error>) -> Failure {
        if let Some(error) = error.as_operation_error() {
            service_failure(error)
        } else if let Some(error) = error.as_connector_error() {
            connector_failure(error)
        } else if error.is_timeout_error() {
            Failure::class("timeout")
        } else if error.is_response_error() {
            Failure::class("response_error")
        } else {
            Failure::class("_OTHER")
        }
    }

    fn sdk_failure(error: &SdkError<Error, HttpResponse>) -> Failure {
        match error {
            SdkError::ServiceError(error) => service_failure(error.err()),
            SdkError::DispatchFailure(error) => {
                error.as_connector_error().map_or(Failure::class("_OTHER"), connector_failure)
            }
            SdkError::TimeoutError(_) => Failure::class("timeout"),
            SdkError::ResponseError(_) => Failure::class("response_error"),
            SdkError::ConstructionFailure(_) => Failure::class("construction_failure"),
            _ => Failure::class("_OTHER"),
        }
    }

    fn connector_failure(error: &ConnectorError) -> Failure {
        let class = |error: &(dyn StdError + 'static)| {
            error.downcast_ref::<ConnectorError>().filter(|error| error.is_timeout()).map(|_| "timeout")
        };
        Failure::class(error_class(error, &class))
    }

    /// The service's code of an error. Its type is erased; what is generated is displayed as `Code: message`, or as
    /// `unhandled error (Code)` where the service's model does not list it.
    fn service_failure(error: &Error) -> Failure {
        let text = FormattedText::<128>::of(error);
        let text = text.as_bytes();
        let code = match text.strip_prefix(b"unhandled error (") {
            Some(rest) => rest.split(|byte| *byte == b')').next(),
            None => text.split(|byte| *byte == b':').next(),
        };
        let is_code = |code: &&str| {
            (1..=64).contains(&code.len())
                && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        match code.and_then(|code| std::str::from_utf8(code).ok()).filter(is_code) {
            Some(code) => Failure::code(&code),
            None => Failure::class("service_error"),
        }
    }

    /// Runs what has a time limit. When its time is up, the request that is dropped with it records that.
    pub(crate) async fn timed<T>(
        work: impl Future<Output = Result<T, SdkError<Error, HttpResponse>>>,
    ) -> Result<T, SdkError<Error, HttpResponse>> {
        let mut work = pin!(Some(work));
        let result = poll_fn(|cx| match work.as_mut().as_pin_mut() {
            Some(work) => work.poll(cx),
            None => Poll::Pending,
        })
        .await;
        if let Err(SdkError::TimeoutError(_)) = &result {
            let mut call = Call::new(&SCOPE);
            call.set_timed_out();
            call.run(|| work.set(None));
        }
        result
    }
}
