//! Calls that are sent and served, one span each. Their context travels in tarpc's own, where no span of the program's does.

use std::future::Future;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::kit::call::{self, Method};
use otel_rs_hooks::kit::{Failure, Operation};
use otel_rs_hooks::{current, Carry, Headers, HeadersMut};

use crate::client::RpcError;
use crate::context::Context;
use crate::trace::{self, SamplingDecision};
use crate::{RequestName, ServerError};

const HEADER: &str = "traceparent";

/// Sends a call with `work`, which gets the context that goes with it.
pub(crate) async fn call<Req: RequestName, T, F>(
    context: Context,
    request: Req,
    work: impl FnOnce(Req, Option<trace::Context>) -> F,
) -> Result<T, RpcError>
where
    F: Future<Output = Result<T, RpcError>>,
{
    if !SCOPE.enabled() {
        return work(request, None).await;
    }
    // What the program names counts where nothing is current.
    let named = if current().is_empty() { Ids::named(&context.trace_context) } else { None };
    let mut ids = Ids { named, given: None };
    let call = call::sent(&SCOPE, &method(request.name()), "", None, &mut ids);
    call.around(work(request, ids.given), sending_failure).await
}

/// Serves a call with `work`.
pub(crate) async fn serve<Req: RequestName, T, F>(
    mut context: Context,
    request: Req,
    work: impl FnOnce(Context, Req) -> F,
) -> Result<T, ServerError>
where
    F: Future<Output = Result<T, ServerError>>,
{
    if !SCOPE.enabled() {
        return work(context, request).await;
    }
    let ids = Ids { named: Ids::named(&context.trace_context), given: None };
    let call = call::served(&SCOPE, &method(request.name()), &ids);
    if trace::Context::try_from(&tracing::Span::current()).is_err() {
        context.trace_context = own(&call).unwrap_or(context.trace_context);
    }
    call.around(work(context, request), serving_failure).await
}

/// The context of a call that has arrived and has no span of the program's. It stays the client's until the call is served.
pub(crate) fn received(context: trace::Context) -> trace::Context {
    if SCOPE.enabled() {
        context
    } else {
        context.new_child()
    }
}

/// The driver of a connection.
#[allow(dead_code)]
pub(crate) fn connection<F>(driver: F) -> Carry<F> {
    otel_rs_hooks::detach(&SCOPE, driver)
}

fn method(name: &str) -> Method<'_> {
    Method { system: "tarpc", statuses: None, success: "", name }
}

/// The context of a call's span, as tarpc writes it.
fn own(call: &Operation) -> Option<trace::Context> {
    let mut ids = Ids { named: None, given: None };
    call.context().inject(&mut ids);
    ids.given
}

/// tarpc's context as the header that it stands for.
struct Ids {
    named: Option<FormattedText<55>>,
    given: Option<trace::Context>,
}

impl Ids {
    fn named(context: &trace::Context) -> Option<FormattedText<55>> {
        if context.trace_id.is_none() || context.span_id.is_none() {
            return None;
        }
        let (trace, span) = (u128::from(context.trace_id), u64::from(context.span_id));
        let sampled = u8::from(context.sampling_decision == SamplingDecision::Sampled);
        Some(FormattedText::of(&format_args!("00-{trace:032x}-{span:016x}-{sampled:02x}")))
    }
}

impl Headers for Ids {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if let Some(text) = self.named.as_ref().filter(|_| name == HEADER) {
            visit(text.as_bytes());
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        if let Some(text) = &self.named {
            visit(HEADER, text.as_bytes());
        }
    }
}

impl HeadersMut for Ids {
    fn set(&mut self, name: &str, value: &[u8]) {
        if name == HEADER {
            self.given = std::str::from_utf8(value).ok().and_then(parsed);
        }
    }

    fn remove(&mut self, _: &str) {}
}

fn parsed(header: &str) -> Option<trace::Context> {
    let mut parts = header.split('-').skip(1);
    let trace = u128::from_str_radix(parts.next()?, 16).ok()?;
    let span = u64::from_str_radix(parts.next()?, 16).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let sampled = if flags & 1 == 1 { SamplingDecision::Sampled } else { SamplingDecision::Unsampled };
    Some(trace::Context { trace_id: trace.into(), span_id: span.into(), sampling_decision: sampled })
}

fn sending_failure(error: &RpcError) -> Failure {
    match error {
        RpcError::Server(error) => serving_failure(error),
        RpcError::DeadlineExceeded => Failure::class("timeout"),
        RpcError::Shutdown => Failure::class("connection_closed"),
        _ => Failure::class("_OTHER"),
    }
}

fn serving_failure(error: &ServerError) -> Failure {
    Failure::code(&format_args!("{:?}", error.kind))
}
