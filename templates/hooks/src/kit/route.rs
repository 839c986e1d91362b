//! Routes of requests that are served, as a framework's router finds them.
//!
//! The route is recorded on the current span, that of the server below the framework. The last one counts: of nested
//! routers the leaf's, which has the whole template. A router that has passed a request on and finds that nobody takes it
//! calls [`unmatched`].

use crate::attribute::key;
use crate::context;
use crate::http::FormattedText;
use crate::scope::Scope;

/// A route has been matched, given as the framework writes it: `/users/{id}`. A leading slash is added where the framework
/// writes none.
#[inline]
pub fn matched(scope: &'static Scope, route: &str) {
    if scope.enabled() {
        record(route);
    }
}

fn record(route: &str) {
    if route.starts_with('/') {
        context::current().set(&[(key::HTTP_ROUTE, route.into())]);
    } else {
        let rooted = FormattedText::<512>::of(&format_args!("/{route}"));
        context::current().set(&[(key::HTTP_ROUTE, (&rooted).into())]);
    }
}

/// No route has been matched after all: what was recorded on the way does not count.
#[inline]
pub fn unmatched(scope: &'static Scope) {
    if scope.enabled() {
        context::current().set(&[(key::HTTP_ROUTE, "".into())]);
    }
}
