//! Timeouts, retries, refusals and waits of middleware, counted and recorded as events of the current span.

use std::task::Poll;
use std::time::{Duration, Instant};

use otel_rs_hooks::{current, key, Cell, Context, Entered, Key};

/// A request was given up.
pub(crate) fn timed_out() {
    metric::TOWER_TIMEOUT_COUNT.add(1);
    fail("timeout", "timeout");
}

/// A request was refused.
pub(crate) fn overloaded() {
    metric::TOWER_LOAD_SHED_COUNT.add(1);
    fail("load_shed", "overloaded");
}

/// The context whose span gets the events; empty where the instrumentation is disabled.
fn recorded_context() -> Context {
    if SCOPE.enabled() {
        current()
    } else {
        Context::EMPTY
    }
}

fn fail(event: &str, error: &str) {
    let context = recorded_context();
    context.event(event, &[(key::ERROR_TYPE, error.into())]);
    context.set(&[(key::ERROR_TYPE, error.into())]);
}

/// A request is sent again: `attempt` counts the times, the first being 1.
pub(crate) fn retrying(attempt: &mut u32) {
    *attempt = attempt.saturating_add(1);
    metric::TOWER_RETRY_COUNT.add(1);
    recorded_context().event("retry", &[(Key::Named("tower.retry.attempt"), i64::from(*attempt).into())]);
}

/// A place where requests wait.
pub(crate) struct Place {
    event: &'static str,
    /// Waits shorter than this are not recorded.
    least: Duration,
    waits: &'static Cell,
}

/// It takes a buffer's worker a moment to wake up, however idle it is.
const WAKING_UP: Duration = Duration::from_millis(1);

const fn place(event: &'static str, least: Duration, waits: &'static Cell) -> Place {
    Place { event, least, waits }
}

pub(crate) static CONCURRENCY_LIMIT: Place =
    place("concurrency_limit.wait", Duration::ZERO, &metric::TOWER_CONCURRENCY_LIMIT_WAIT_COUNT);
pub(crate) static RATE_LIMIT: Place = place("rate_limit.wait", Duration::ZERO, &metric::TOWER_RATE_LIMIT_WAIT_COUNT);
pub(crate) static BUFFER_FULL: Place = place("buffer.full", WAKING_UP, &metric::TOWER_BUFFER_FULL_COUNT);
static BUFFER: Place = place("buffer.wait", WAKING_UP, &metric::TOWER_BUFFER_WAIT_COUNT);

impl Place {
    fn left(&self, context: &Context, waited: Duration) {
        if waited >= self.least {
            self.waits.add(1);
            context.event(self.event, &[(Key::Named("tower.wait.duration"), waited.as_secs_f64().into())]);
        }
    }
}

/// Since when a service has not been ready.
#[derive(Debug)]
pub(crate) struct Wait {
    since: Option<Instant>,
}

impl Wait {
    pub(crate) const NONE: Wait = Wait { since: None };

    /// Looks at what `poll_ready` found and hands it on.
    #[inline]
    pub(crate) fn poll<T>(&mut self, place: &Place, found: Poll<T>) -> Poll<T> {
        match (&found, self.since) {
            (Poll::Pending, None) if SCOPE.enabled() => self.since = Some(Instant::now()),
            (Poll::Ready(_), Some(since)) => {
                self.since = None;
                place.left(&current(), since.elapsed());
            }
            _ => {}
        }
        found
    }
}

/// What a message in a buffer brings along for the worker.
#[derive(Debug)]
pub(crate) struct Queued {
    /// `None` where the instrumentation is disabled.
    context: Option<Context>,
    since: Option<Instant>,
}

impl Queued {
    pub(crate) fn new() -> Self {
        if SCOPE.enabled() {
            Queued { context: Some(current()), since: Some(Instant::now()) }
        } else {
            Queued { context: None, since: None }
        }
    }

    pub(crate) fn enter(&self) -> Option<Entered> {
        self.context.as_ref().map(Context::enter)
    }

    /// The worker hands the request to the service.
    pub(crate) fn served(&self) {
        if let (Some(context), Some(since)) = (&self.context, self.since) {
            BUFFER.left(context, since.elapsed());
        }
    }
}
