//! Jobs: one span when a job is put into a queue, and one for each of its runs.

use std::collections::HashMap;

use otel_rs_hooks::http::class_of_io;
use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::{Failure, Operation};
use otel_rs_hooks::metrics::{AttributeText, AttributeValue};
use otel_rs_hooks::{key, Headers, HeadersMut, Key};
use serde_json::Value;

use crate::{Error, Job};

const TYPE: &str = "faktory.job.type";

/// The headers of a job.
struct Custom<'a>(&'a mut HashMap<String, Value>);

impl Headers for Custom<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if let Some(value) = self.0.get(name).and_then(Value::as_str) {
            visit(value.as_bytes());
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (name, value) in self.0.iter() {
            if let Some(value) = value.as_str() {
                visit(name, value.as_bytes());
            }
        }
    }
}

impl HeadersMut for Custom<'_> {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned().into());
    }

    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}

fn queue(name: &str) -> Destination<'_> {
    Destination { system: "faktory", name, ..Destination::default() }
}

fn describe(operation: &Operation, job: &Job) {
    operation.set(&[(key::MESSAGING_MESSAGE, job.id().as_str().into()), (Key::Named(TYPE), job.kind.as_str().into())]);
}

/// A job is about to be put into its queue, and carries the context of that.
pub(crate) fn enqueue(mut job: Job) -> (Operation, Job) {
    if !SCOPE.enabled() {
        return (Operation::NONE, job);
    }
    let operation = queue(&job.queue).send(&SCOPE, "enqueue", &mut Custom(&mut job.custom));
    describe(&operation, &job);
    (operation, job)
}

/// Jobs are about to be put into their queues at once.
pub(crate) fn enqueue_many(mut jobs: Vec<Job>) -> (Operation, Vec<Job>) {
    if !SCOPE.enabled() {
        return (Operation::NONE, jobs);
    }
    for job in &mut jobs {
        let mut created = queue(&job.queue).create(&SCOPE, "create", &mut Custom(&mut job.custom));
        describe(&created, job);
        created.end(&[]);
    }
    let first = jobs.first().map_or("", |job| job.queue.as_str());
    let name = if jobs.iter().all(|job| job.queue == first) { first } else { "" };
    (queue(name).send_batch(&SCOPE, "enqueue_many", jobs.len()), jobs)
}

/// What a span records of an error.
pub(crate) fn failure(error: &Error) -> Failure {
    match error {
        Error::IO(error) => Failure::class(class_of_io(error).unwrap_or("io")),
        Error::Protocol(_) => Failure::class("protocol"),
        Error::Serialization(_) => Failure::class("serialization"),
        _ => Failure::class("_OTHER"),
    }
}

/// A job is about to run.
pub(crate) fn run(job: &Job) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let operation = queue(&job.queue).process(&SCOPE, "run", &Custom(&mut job.custom.clone()));
    describe(&operation, job);
    // A reference to an option before 0.13.1, an option of a reference since.
    let retries = job.failure().as_ref().map(|failure| failure.retry_count as i64);
    operation.set(&[(Key::Named("faktory.job.retry_count"), retries.into())]);
    let text = |text| AttributeValue::Text(AttributeText::Borrowed(text));
    let attributes = [("messaging.destination.name", text(job.queue.as_str())), (TYPE, text(job.kind.as_str()))];
    if let Some(since) = job.enqueued_at {
        // Negative where the clocks of several machines differ.
        let waited = chrono::Utc::now().signed_duration_since(since).to_std().unwrap_or_default();
        metric::FAKTORY_JOB_QUEUE_TIME.measure(waited.as_secs_f64(), &attributes);
    }
    if retries.is_some() {
        metric::FAKTORY_JOB_RETRIES.measure(1_i64, &attributes);
    }
    operation
}

/// What a span records of a job that has failed. The error of the program's own is kept out: it may quote what the job was
/// about.
pub(crate) fn failed(has_panicked: bool, is_unknown: bool) -> Failure {
    match (has_panicked, is_unknown) {
        (true, _) => Failure::class("panic"),
        (_, true) => Failure::class("unknown_job_type"),
        _ => Failure::class("_OTHER"),
    }
}
