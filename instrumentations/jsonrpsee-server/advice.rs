//! JSON-RPC calls that are served. One that an HTTP request brings by itself is that request, whose span is described as the
//! call; any other has a span of its own.

use std::future::Future;
use std::mem;

use http::Extensions;
use jsonrpsee_core::server::MethodResponse;
use jsonrpsee_types::{Id, Request};
use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::kit::call::RpcStatuses;
use otel_rs_hooks::{carry, current, key, Attribute, Context, Domain, Key, Span, Value};

/// The context of a call. It is kept in the request's extensions: the program's middleware may make spans in between.
#[derive(Clone)]
struct Served(Context);

/// Serves a call that came by itself.
pub(crate) async fn single<'a, F>(request: Request<'a>, serve: impl FnOnce(Request<'a>) -> F) -> MethodResponse
where
    F: Future<Output = MethodResponse>,
{
    if !SCOPE.enabled() {
        return serve(request).await;
    }
    let context = current();
    if context.is_empty() || context.is_handling() {
        return own(request, serve).await;
    }
    describe(&request, |attributes| context.set(attributes));
    let response = serve(within(request, &context)).await;
    context.set(&[status(&response)]);
    response
}

/// Serves a call that came with others.
pub(crate) async fn one_of_batch<'a, F>(request: Request<'a>, serve: impl FnOnce(Request<'a>) -> F) -> MethodResponse
where
    F: Future<Output = MethodResponse>,
{
    if SCOPE.enabled() {
        own(request, serve).await
    } else {
        serve(request).await
    }
}

async fn own<'a, F>(request: Request<'a>, serve: impl FnOnce(Request<'a>) -> F) -> MethodResponse
where
    F: Future<Output = MethodResponse>,
{
    let mut call = Call(describe(&request, |attributes| Span::start(&SCOPE, Domain::RpcServer, attributes)));
    let request = within(request, call.0.context());
    let work = {
        let _entered = call.0.context().enter();
        carry(&SCOPE, serve(request))
    };
    let response = work.await;
    call.end(&[status(&response)]);
    response
}

fn describe<R>(request: &Request<'_>, record: impl FnOnce(&[Attribute<'_>]) -> R) -> R {
    let number;
    let id = match &request.id {
        Id::Null => Value::None,
        Id::Str(id) => (&**id).into(),
        Id::Number(id) => {
            number = FormattedText::<20>::of(id);
            (&number).into()
        }
    };
    record(&[
        (key::RPC_SYSTEM, "jsonrpc".into()),
        (key::RPC_STATUSES, i64::from(RpcStatuses::Errors as u8).into()),
        (key::RPC_METHOD_ORIGINAL, (&*request.method).into()),
        (Key::Named("jsonrpc.request.id"), id),
    ])
}

fn within<'a>(mut request: Request<'a>, context: &Context) -> Request<'a> {
    request.extensions.insert(Served(context.clone()));
    request
}

fn status(response: &MethodResponse) -> Attribute<'static> {
    (key::RPC_STATUS, response.as_error_code().map(i64::from).into())
}

/// The server has the method that is called.
#[inline]
pub(crate) fn known(method: &str, extensions: &Extensions) {
    if let Some(Served(context)) = extensions.get() {
        context.set(&[(key::RPC_METHOD, method.into())]);
    }
}

/// A call with a span of its own. Dropped before its end, it was cancelled.
struct Call(Span);

impl Call {
    fn end(&mut self, attributes: &[Attribute<'_>]) {
        mem::replace(&mut self.0, Span::NONE).end(attributes);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.0.is_none() {
            let class = if std::thread::panicking() { "panic" } else { "cancelled" };
            self.end(&[(key::ERROR_TYPE, class.into())]);
        }
    }
}
