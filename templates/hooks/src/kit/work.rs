//! Work inside the program that is worth a span of its own.
//!
//! ```text
//! work::start(&SCOPE, "render", &[(Key::Named("template.name"), name.into())]).run(|| render(name), |_| Failure::class("render"))
//! // What a library does on its own, again and again: looking for jobs, showing that it is alive.
//! work::quiet(&SCOPE, fetch_next_job()).await
//! ```

use std::future::Future;

use crate::attribute::{key, Attribute};
use crate::context::{Carry, Context};
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

/// Work of a library's own that belongs to nobody: no spans are recorded of it.
pub async fn quiet<F: Future>(scope: &'static Scope, work: F) -> F::Output {
    if !scope.enabled() {
        return work.await;
    }
    let quiet = Span::non_recording(scope, Context::EMPTY);
    let output = Carry::within(quiet.context(), work).await;
    drop(quiet);
    output
}

/// The same on this thread.
pub fn quiet_now<R>(scope: &'static Scope, work: impl FnOnce() -> R) -> R {
    if !scope.enabled() {
        return work();
    }
    let quiet = Span::non_recording(scope, Context::EMPTY);
    let _entered = quiet.context().enter();
    work()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context as Waking, Poll, Wake};

    use super::*;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|jobs|1.0.0|0.1.0|\n");

    struct Idle;

    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn results_of_quiet_work_come_back_unchanged() {
        assert_eq!(quiet_now(&SCOPE, || 7), 7);
        let waker = Arc::new(Idle).into();
        let polled = Box::pin(quiet(&SCOPE, async { 7 })).as_mut().poll(&mut Waking::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(7));
    }
}
