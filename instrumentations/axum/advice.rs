//! The matched route of a request, recorded on the span of its server request.

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::kit::route;
use otel_rs_hooks::{current, key};

/// A router has matched the request that this thread is working on.
#[inline]
pub(crate) fn matched(route: &str) {
    route::matched(&SCOPE, route);
}

/// A service has it that is nested at the path before that tail, whose name is the library's own.
#[inline]
pub(crate) fn nested(route: &str, tail: &str) {
    if SCOPE.enabled() {
        let path = route.strip_suffix(tail).unwrap_or(route);
        let whole = FormattedText::<512>::of(&format_args!("{path}/{{*}}"));
        current().set(&[(key::HTTP_ROUTE, (&whole).into())]);
    }
}

/// No route of a router has matched it.
#[inline]
pub(crate) fn unmatched() {
    route::unmatched(&SCOPE);
}
