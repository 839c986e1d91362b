//! The matched route of a request, recorded on the span of its server request.

use otel_rs_hooks::kit::route;

/// A route has been found: its template, with the path that it is mounted at and without the query.
#[inline]
pub(crate) fn matched(template: &str) {
    route::matched(&SCOPE, template);
}

/// Every route that was tried has forwarded the request, or there was none.
#[inline]
pub(crate) fn unmatched() {
    route::unmatched(&SCOPE);
}
