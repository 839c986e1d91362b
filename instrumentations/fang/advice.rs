//! Tasks: one span when a task is put into the queue, and one for each of its runs.

use std::future::Future;
use std::sync::Arc;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::{Failure, Operation, Recent};
use otel_rs_hooks::metrics::{AttributeText, AttributeValue};
use otel_rs_hooks::{current, key, Key};
use uuid::Uuid;

use crate::{FangError, Task};

const NAME: &str = "fang.task.name";

/// The headers of a task.
type Headers = Vec<(String, String)>;

/// Headers of the tasks that this process has put into a queue: fang's table has no place for them. One that has been there
/// before, as happens with unique tasks, keeps its headers.
static SENT: Recent<Uuid, Arc<Headers>> = Recent::new(1024);

/// The name of the type that the program runs.
fn name(metadata: &serde_json::Value) -> Option<&str> {
    metadata.get("type").and_then(serde_json::Value::as_str)
}

fn queue(task_type: &str) -> Destination<'_> {
    Destination { system: "fang", name: task_type, ..Destination::default() }
}

/// A task is about to be put into a queue.
#[cfg_attr(not(any(feature = "asynk-sqlx", feature = "blocking")), allow(dead_code))]
pub(crate) fn inserting(metadata: &serde_json::Value, task_type: &str) -> (Operation, Headers) {
    if !SCOPE.enabled() {
        return (Operation::NONE, Headers::new());
    }
    let mut headers = Headers::new();
    let operation = queue(task_type).send(&SCOPE, "insert_task", &mut headers);
    operation.set(&[(Key::Named(NAME), name(metadata).into())]);
    (operation, headers)
}

/// It is there.
fn inserted(task: &Task, headers: Headers) {
    let id = FormattedText::<36>::of(&task.id);
    current().set(&[(key::MESSAGING_MESSAGE, (&id).into())]);
    SENT.put(task.id, Arc::new(headers));
}

fn not_inserted<E>(_: &E) -> Failure {
    Failure::class("_OTHER")
}

/// Puts it there.
#[cfg_attr(not(feature = "asynk-sqlx"), allow(dead_code))]
pub(crate) async fn insert<E>(
    (operation, headers): (Operation, Headers),
    work: impl Future<Output = Result<Task, E>>,
) -> Result<Task, E> {
    if operation.is_none() {
        return work.await;
    }
    let work = async {
        let task = work.await?;
        inserted(&task, headers);
        Ok(task)
    };
    operation.around(work, not_inserted).await
}

/// The same on this thread.
#[cfg_attr(not(feature = "blocking"), allow(dead_code))]
pub(crate) fn insert_now<E>(
    (operation, headers): (Operation, Headers),
    work: impl FnOnce() -> Result<Task, E>,
) -> Result<Task, E> {
    if operation.is_none() {
        return work();
    }
    let work = || {
        let task = work()?;
        inserted(&task, headers);
        Ok(task)
    };
    operation.run(work, not_inserted)
}

/// A task is about to run.
pub(crate) fn start(task: &Task) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let operation = queue(&task.task_type).process(&SCOPE, "run", &*SENT.get(&task.id).unwrap_or_default());
    let (id, name) = (FormattedText::<36>::of(&task.id), name(&task.metadata));
    let retries = Some(task.retries).filter(|retries| *retries > 0);
    operation.set(&[
        (key::MESSAGING_MESSAGE, (&id).into()),
        (Key::Named(NAME), name.into()),
        (Key::Named("fang.task.retry_count"), retries.map(i64::from).into()),
    ]);
    let text = |text| AttributeValue::Text(AttributeText::Borrowed(text));
    let known = [("messaging.destination.name", Some(task.task_type.as_str())), (NAME, name)];
    let attributes: Vec<_> = known.into_iter().filter_map(|(key, value)| Some((key, text(value?)))).collect();
    // Negative where the clocks of several machines differ.
    let waited = chrono::Utc::now().signed_duration_since(task.scheduled_at).to_std().unwrap_or_default();
    metric::FANG_TASK_QUEUE_TIME.measure(waited.as_secs_f64(), &attributes);
    if retries.is_some() {
        metric::FANG_TASK_RETRIES.measure(1_i64, &attributes);
    }
    operation
}

/// What a span records of an error. Its description is kept out: it may quote what the task was about.
pub(crate) fn failure(_: &FangError) -> Failure {
    Failure::class("FangError")
}

/// The program's part of a run is over. If it has failed, the run goes on: that is stored.
pub(crate) fn ran(result: Result<(), FangError>) -> Result<(), FangError> {
    if result.is_err() && SCOPE.enabled() {
        current().set(&[(key::ERROR_TYPE, "FangError".into())]);
    }
    result
}
