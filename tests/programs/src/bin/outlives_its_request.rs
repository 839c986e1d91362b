//! Serves a request that leaves a task behind. The task takes two steps, each a span: `first` just after the request's end,
//! `second` a while later.

use std::pin::pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use otel_rs_hooks::{Context, Domain, Scope, Span, carry, key};
use otel_rs_test_programs::HeaderList;

static SCOPE: Scope = Scope::new("otel-rs:layer:5|shop|1.0.0|0.1.0|\n");

fn main() {
    let request = Span::start_with_parent(
        &SCOPE,
        Domain::HttpServer,
        Context::extract(&HeaderList::default()),
        &[(key::HTTP_METHOD, "GET".into()), (key::HTTP_ROUTE, "/orders".into())],
    );
    let mut steps = ["first", "second"].into_iter();
    let task = std::future::poll_fn(move |_| match steps.next() {
        Some(step) => {
            Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, step.into())]).end(&[]);
            Poll::Pending
        }
        None => Poll::Ready(()),
    });
    let left_behind = {
        let _entered = request.context().enter();
        carry(&SCOPE, task)
    };
    request.end(&[(key::HTTP_STATUS, 200.into())]);
    let mut left_behind = pin!(left_behind);
    let mut by_nobody = Task::from_waker(Waker::noop());
    let _ = left_behind.as_mut().poll(&mut by_nobody);
    std::thread::sleep(Duration::from_millis(200));
    let _ = left_behind.as_mut().poll(&mut by_nobody);
}
