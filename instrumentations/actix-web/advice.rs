//! The matched route of a request, recorded on the span of its server request.

/// A route has matched the request that this thread is working on.
#[inline]
pub(crate) fn matched(pattern: impl FnOnce() -> Option<String>) {
    if SCOPE.enabled() {
        if let Some(pattern) = pattern() {
            otel_rs_hooks::kit::route::matched(&SCOPE, &pattern);
        }
    }
}
