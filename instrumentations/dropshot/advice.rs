//! The matched route of a request, recorded on the span of its server request.

use otel_rs_hooks::kit::route;

/// The router has found an endpoint.
#[inline]
pub(crate) fn matched(path: &str) {
    route::matched(&SCOPE, path);
}
