//! One span per run of a job, in a trace of its own.

use std::convert::Infallible;
use std::future::Future;
use std::time::Instant;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::kit::{work, Failure, Operation};
use otel_rs_hooks::{Context, Entered, Key};

/// A run of a job.
pub(crate) struct Run {
    operation: Operation,
    duration: Duration,
}

/// Measures a run until this is dropped.
struct Duration {
    /// `None` while the hooks are dormant.
    began: Option<Instant>,
    is_done: bool,
}

impl Run {
    /// A job is about to run.
    pub(crate) fn start(id: &uuid::Uuid) -> Run {
        if !SCOPE.enabled() {
            return Run { operation: Operation::NONE, duration: Duration { began: None, is_done: false } };
        }
        let _entered = Context::EMPTY.enter();
        let id = FormattedText::<36>::of(id);
        let operation =
            work::start(&SCOPE, "scheduled job", &[(Key::Named("tokio_cron_scheduler.job.id"), (&id).into())]);
        Run { operation, duration: Duration { began: Some(Instant::now()), is_done: false } }
    }

    /// Runs a job that is a plain function.
    pub(crate) fn within(self, job: impl FnOnce()) {
        let Run { operation, mut duration } = self;
        let work = || -> Result<(), Infallible> {
            job();
            Ok(())
        };
        let _ = operation.run(work, never);
        duration.is_done = true;
    }

    /// Makes the run's context current, for the call of the user's function.
    pub(crate) fn enter(&self) -> Option<Entered> {
        (!self.operation.is_none()).then(|| self.operation.context().enter())
    }

    /// Runs what that function has returned.
    pub(crate) async fn around<F: Future<Output = ()>>(self, job: F) {
        let Run { operation, mut duration } = self;
        let _ = operation.around(completed(job), never).await;
        duration.is_done = true;
    }
}

impl Drop for Duration {
    fn drop(&mut self) {
        let Some(began) = self.began else { return };
        let seconds = began.elapsed().as_secs_f64();
        let metric = &metric::TOKIO_CRON_SCHEDULER_JOB_DURATION;
        if self.is_done {
            metric.measure(seconds, &[]);
        } else {
            let class = if std::thread::panicking() { "panic" } else { "cancelled" };
            metric.measure(seconds, &[("error.type", class.into())]);
        }
    }
}

fn never(error: &Infallible) -> Failure {
    match *error {}
}

async fn completed(job: impl Future<Output = ()>) -> Result<(), Infallible> {
    job.await;
    Ok(())
}

/// A task of the scheduler's own.
pub(crate) fn detach<F: Future>(task: F) -> impl Future<Output = F::Output> {
    otel_rs_hooks::detach(&SCOPE, task)
}
