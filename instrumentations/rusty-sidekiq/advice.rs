//! Jobs: one span when a job is put into a queue, and one for each of its runs. The context travels in the job's JSON.

use std::future::Future;

use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::{Failure, Getter, Operation};
use otel_rs_hooks::metrics::{AttributeText, AttributeValue};
use otel_rs_hooks::{carry, current, key, Context, Headers, Key};
use serde_json::{Map, Value};

use crate::{Error, Job, Result};

/// The key that Sidekiq's own instrumentation uses.
const CLASS: &str = "messaging.sidekiq.job_class";

/// The texts of a job's JSON, as it was fetched: headers among them.
#[derive(Clone, Default)]
pub(crate) struct Fetched(Option<Map<String, Value>>);

impl Fetched {
    fn headers(&self) -> impl Headers + '_ {
        Getter::new(move |name| Some(self.0.as_ref()?.get(name)?.as_str()?.as_bytes()))
    }
}

/// A processor has fetched a job.
pub(crate) fn fetched(job: &str) -> Fetched {
    let mut fetched = Fetched(if SCOPE.enabled() { serde_json::from_str(job).ok() } else { None });
    fetched.0.iter_mut().for_each(|job: &mut Map<_, _>| job.retain(|_, value| value.is_string()));
    fetched
}

/// Who has made a job that was scheduled, or that has failed.
pub(crate) fn context_of(job: &str) -> Context {
    Context::extract(&fetched(job).headers())
}

/// Runs `work` in that context.
pub(crate) async fn within<F: Future>(context: Context, work: F) -> F::Output {
    if !SCOPE.enabled() {
        return work.await;
    }
    let work = {
        let _entered = context.enter();
        carry(&SCOPE, work)
    };
    work.await
}

/// What a processor does on its own is not recorded.
pub(crate) fn quiet<F: Future>(work: F) -> impl Future<Output = F::Output> {
    otel_rs_hooks::kit::work::quiet(&SCOPE, work)
}

/// Adds headers to a job's JSON, an object that is not empty and has none of them.
fn with_headers(mut job: String, headers: &[(String, String)]) -> String {
    if headers.is_empty() || !job.ends_with('}') {
        return job;
    }
    job.pop();
    for (name, value) in headers {
        job.push(',');
        job.push_str(&Value::from(name.as_str()).to_string());
        job.push(':');
        job.push_str(&Value::from(value.as_str()).to_string());
    }
    job.push('}');
    job
}

/// A job carries the current context.
pub(crate) fn carrying(job: String) -> String {
    let mut headers = Vec::<(String, String)>::new();
    if SCOPE.enabled() {
        current().inject(&mut headers);
    }
    with_headers(job, &headers)
}

fn queue(job: &Job) -> Destination<'_> {
    Destination { system: "sidekiq", name: &job.queue, ..Destination::default() }
}

/// A job is about to be stored, and carries the context of that.
pub(crate) fn send(word: &'static str, job: &Job, json: String) -> (Operation, String) {
    if !SCOPE.enabled() {
        return (Operation::NONE, json);
    }
    let mut headers = Vec::<(String, String)>::new();
    let operation = queue(job).send(&SCOPE, word, &mut headers);
    operation.set(&[(key::MESSAGING_MESSAGE, job.jid.as_str().into()), (Key::Named(CLASS), job.class.as_str().into())]);
    (operation, with_headers(json, &headers))
}

/// Since when it has been in its queue, in seconds: those of Sidekiq before version 8 are seconds, others milliseconds.
fn enqueued_at(job: &Job) -> Option<f64> {
    job.enqueued_at.map(|time| if time > 1e11 { time / 1e3 } else { time })
}

/// A job is about to be performed.
pub(crate) fn perform(job: &Job, fetched: &Fetched) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let operation = queue(job).process(&SCOPE, "perform", &fetched.headers());
    let failures = job.retry_count.map(|count| count as i64);
    operation.set(&[
        (key::MESSAGING_MESSAGE, job.jid.as_str().into()),
        (Key::Named(CLASS), job.class.as_str().into()),
        (Key::Named("messaging.sidekiq.retry_count"), failures.into()),
    ]);
    let text = |text| AttributeValue::Text(AttributeText::Borrowed(text));
    let attributes = [("messaging.destination.name", text(job.queue.as_str())), (CLASS, text(job.class.as_str()))];
    if let Some(since) = enqueued_at(job) {
        // Negative where the clocks of several machines differ.
        let waited = chrono::Utc::now().timestamp_millis() as f64 / 1e3 - since;
        metric::RUSTY_SIDEKIQ_JOB_QUEUE_TIME.measure(waited.max(0.0), &attributes);
    }
    if failures.is_some() {
        metric::RUSTY_SIDEKIQ_JOB_RETRIES.measure(1_i64, &attributes);
    }
    operation
}

/// The program's part of a job is over. If it has failed, the work goes on: it is stored for a retry.
pub(crate) fn performed(result: Result<()>) -> Result<()> {
    if let (Err(error), true) = (&result, SCOPE.enabled()) {
        current().set(&[(key::ERROR_TYPE, class(error).into())]);
    }
    result
}

/// What a span records of an error. Its message is kept out: it may quote what the job was about.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Json(_) => "json",
        Error::BB8(_) => "pool",
        Error::Redis(_) => "redis",
        _ => "_OTHER",
    }
}

pub(crate) fn failure(error: &Error) -> Failure {
    Failure::class(class(error))
}
