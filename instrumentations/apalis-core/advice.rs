//! One span per run of a job, in a trace of its own, linked with the span that made the job.

use std::any::Any;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context as Waking, Poll};
use std::time::Instant;

use otel_rs_hooks::kit::{work, Failure, Operation};
use otel_rs_hooks::metrics::{AttributeText, AttributeValue};
use otel_rs_hooks::{Context, Entered, Key};
use tower::Service;

use crate::error::Error;
use crate::request::Request;
use crate::task::attempt::Attempt;

const TYPE: &str = "apalis.job.type";

/// A worker is about to look for jobs, and to go on with those under way.
pub(crate) fn worker() -> Option<Entered> {
    if SCOPE.enabled() {
        Some(Context::EMPTY.enter())
    } else {
        None
    }
}

/// A job has been made.
pub(crate) fn made<T, C>(mut job: Request<T, C>) -> Request<T, C> {
    if SCOPE.enabled() {
        let current = otel_rs_hooks::current();
        if !current.is_empty() {
            job.parts.data.otel = current;
        }
    }
    job
}

/// A job's type without its module and parameters: what is the same for all of them.
fn short(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// What a worker calls for each of its jobs.
pub(crate) struct Recorded<S>(S);

impl<S> Recorded<S> {
    pub(crate) fn new(service: S) -> Recorded<S> {
        Recorded(service)
    }
}

impl<S, T, C> Service<Request<T, C>> for Recorded<S>
where
    S: Service<Request<T, C>>,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Run<S::Future>;

    fn poll_ready(&mut self, waking: &mut Waking<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(waking)
    }

    fn call(&mut self, job: Request<T, C>) -> Self::Future {
        let running = Running::start(&job);
        let entered = running.enter();
        let work = self.0.call(job);
        drop(entered);
        Run { work, running }
    }
}

/// A run under way.
struct Running {
    /// `None` while the hooks are dormant, and once it has ended.
    began: Option<Instant>,
    operation: Operation,
    kind: &'static str,
    attempt: Option<Attempt>,
}

impl Running {
    const NONE: Running = Running { began: None, operation: Operation::NONE, kind: "", attempt: None };

    fn start<T, C>(job: &Request<T, C>) -> Running {
        if !SCOPE.enabled() {
            return Running::NONE;
        }
        let kind = short(std::any::type_name::<T>());
        let operation = work::start(&SCOPE, kind, &[(Key::Named(TYPE), kind.into())]);
        operation.context().link(&job.parts.data.otel, &[]);
        Running { began: Some(Instant::now()), operation, kind, attempt: Some(job.parts.attempt.clone()) }
    }

    fn enter(&self) -> Option<Entered> {
        if self.operation.is_none() {
            None
        } else {
            Some(self.operation.context().enter())
        }
    }

    fn end(mut self, failure: Option<&'static str>) {
        self.measure(failure);
        match failure {
            Some(class) => self.operation.fail(&Failure::class(class)),
            None => self.operation.end(&[]),
        }
    }

    fn measure(&mut self, failure: Option<&'static str>) {
        let Some(began) = self.began.take() else { return };
        // Layers of the program count attempts as well, those of this run and of runs before it.
        let attempts = self.attempt.as_ref().map_or(0, Attempt::current);
        if attempts > 0 {
            self.operation.set(&[(Key::Named("apalis.job.attempts"), attempts.into())]);
        }
        let kind = AttributeValue::Text(AttributeText::Borrowed(self.kind));
        let seconds = began.elapsed().as_secs_f64();
        match failure {
            Some(class) => {
                metric::APALIS_CORE_JOB_DURATION.measure(seconds, &[(TYPE, kind), ("error.type", class.into())])
            }
            None => metric::APALIS_CORE_JOB_DURATION.measure(seconds, &[(TYPE, kind)]),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let class = if std::thread::panicking() { "panic" } else { "cancelled" };
        self.measure(Some(class));
    }
}

/// What a span records of an error. Its message is kept out: it may quote what the job was about.
fn class<E: 'static>(error: &E) -> &'static str {
    match (error as &dyn Any).downcast_ref::<Error>() {
        Some(Error::Failed(_)) => "failed",
        Some(Error::Abort(_)) => "aborted",
        Some(Error::MissingData(_)) => "missing_data",
        _ => "_OTHER",
    }
}

pin_project_lite::pin_project! {
    /// A run as a future.
    pub(crate) struct Run<F> {
        #[pin]
        work: F,
        running: Running,
    }
}

impl<F, T, E: 'static> Future for Run<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, waking: &mut Waking<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Where the work panics, the run ends at once.
        let running = mem::replace(this.running, Running::NONE);
        let entered = running.enter();
        let polled = this.work.poll(waking);
        drop(entered);
        match &polled {
            Poll::Pending => *this.running = running,
            Poll::Ready(Ok(_)) => running.end(None),
            Poll::Ready(Err(error)) => running.end(Some(class(error))),
        }
        polled
    }
}
