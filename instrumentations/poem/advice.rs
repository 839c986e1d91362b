//! The matched route of a request, recorded on the span of its server request.

use otel_rs_hooks::kit::route;

/// A router has found a pattern: that of the routers around it, followed by its own.
#[inline]
pub(crate) fn matched(pattern: &str) {
    route::matched(&SCOPE, pattern);
}

/// A router, which may be nested in others, has found none.
#[inline]
pub(crate) fn unmatched() {
    route::unmatched(&SCOPE);
}
