//! The matched route of a request, recorded on the span of its server request.

use otel_rs_hooks::{current, key};

/// A router has matched the request that this thread is working on.
#[inline]
pub(crate) fn matched(route: &str) {
    if SCOPE.enabled() {
        current().set(&[(key::HTTP_ROUTE, route.into())]);
    }
}
