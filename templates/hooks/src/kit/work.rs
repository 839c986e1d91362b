//! Work inside the program that is worth a span of its own.
//!
//! ```text
//! work::start(&SCOPE, "render", &[(Key::Named("template.name"), name.into())]).run(|| render(name), |_| Failure::class("render"))
//! ```

use crate::attribute::{key, Attribute};
use crate::kit::Operation;
use crate::scope::Scope;
use crate::span::{Domain, Span};

/// Starts work of that name, of which there are few: what differs from time to time belongs into the attributes.
pub fn start(scope: &'static Scope, name: &str, attributes: &[Attribute<'_>]) -> Operation {
    let span = Span::start(scope, Domain::Internal, &[(key::SPAN_NAME, name.into())]);
    if !attributes.is_empty() {
        span.set(attributes);
    }
    Operation::of(span, None)
}
