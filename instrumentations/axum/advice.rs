//! The matched route of a request, recorded on the span of its server request.

/// A router has matched the request that this thread is working on.
#[inline]
pub(crate) fn matched(route: &str) {
    otel_rs_hooks::kit::route::matched(&SCOPE, route);
}
