//! Records become telemetry, on a thread of its own: assembled, described by the semantic conventions, exported.
//!
//! A failure in here is one warning; the program keeps running.

mod engine;
mod logs;
mod metrics;
mod readers;
mod report;
mod run_span;

use std::any::Any;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::channel::feed::Receiver;
use crate::config::Config;
use crate::host::Host;
use crate::launch::{Ended, Environment, LaunchedPid, Program};
use crate::resource::Programs;
use crate::signals::resource::sdk_attributes;
use crate::ui::{self, Explain};
use engine::{Engine, ObserveRequests, ProgramEnd};
pub(crate) use report::TelemetryReport;
use run_span::RunSpan;

/// The thread's name; panics on it are not printed as a program's own would be.
const THREAD: &str = "otel-rs-export";

/// How long a signal that may end the program is held back for its callbacks.
const LAST_OBSERVATION: Duration = Duration::from_millis(100);

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// No thread, or no runtime for it.
    #[error("cannot start the exporting thread")]
    Thread(#[source] std::io::Error),
}

impl Explain for TelemetryError {}

/// Telemetry that has started.
#[derive(Debug)]
pub(crate) struct RunningTelemetry {
    pid: LaunchedPid,
    wake: Arc<Notify>,
    requests: ObserveRequests,
    ending: oneshot::Sender<ProgramEnd>,
    report: mpsc::Receiver<TelemetryReport>,
}

/// The part of telemetry that is prepared before the program starts.
#[derive(Default)]
pub(crate) struct PreparedTelemetry {
    pid: LaunchedPid,
    run: Option<RunSpan>,
}

impl PreparedTelemetry {
    /// `program` is about to be started in `environment`.
    pub(crate) fn of(config: &Config, program: &Program, environment: &Environment) -> PreparedTelemetry {
        let pid = LaunchedPid::default();
        let run = config.run.span.then(|| RunSpan::begin(config, program, environment, pid.clone()));
        PreparedTelemetry { pid, run }
    }

    /// Variables that the program's environment must have, or must not have, for its work to join the run's trace.
    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        self.run.as_ref().map(RunSpan::variables).unwrap_or_default()
    }
}

/// Starts exporting what comes out of `feed`. `program` is about to be started in `environment`.
pub(crate) fn start(
    PreparedTelemetry { pid, run }: PreparedTelemetry,
    config: &Config,
    program: &Program,
    environment: &Environment,
    feed: Receiver,
) -> Result<RunningTelemetry, TelemetryError> {
    let programs = Programs::new(&config.resource, program, environment, pid.clone(), sdk_attributes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TelemetryError::Thread)?;
    let engine = {
        // Exporters look for their runtime while they are made.
        let _entered = runtime.enter();
        Engine::new(config, programs, Host::new(config.host_metrics, &program.file, pid.clone()), run)
    };
    let wake = engine.wake();
    let (ending, end) = oneshot::channel();
    let (requests, requested) = tokio::sync::mpsc::unbounded_channel();
    let (sender, report) = mpsc::channel();
    keep_panics_quiet();
    let work = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(engine.run(feed, requested, end))));
        let report = outcome.unwrap_or_else(|panic| {
            let hint = "please report this; the program itself is not affected";
            ui::warning("telemetry has stopped: internal error", &[panic_text(panic.as_ref())], Some(hint));
            TelemetryReport::default()
        });
        let _ = sender.send(report);
        // A name resolution that still runs must not delay the end.
        runtime.shutdown_background();
    };
    thread::Builder::new().name(THREAD.into()).spawn(work).map_err(TelemetryError::Thread)?;
    Ok(RunningTelemetry { pid, wake, requests, ending, report })
}

impl RunningTelemetry {
    /// The program runs.
    pub(crate) fn started(&self, pid: u32) {
        let _ = self.pid.set(pid);
        // It is sampled soon, since it may not live for long.
        self.wake.notify_one();
    }

    /// Requests that the program's callbacks observe while it still runs; waits a little for that.
    pub(crate) fn observe(&self) {
        let (done, answer) = mpsc::sync_channel(1);
        if self.requests.send(done).is_ok() {
            let _ = answer.recv_timeout(LAST_OBSERVATION);
        }
    }

    /// Exports what is left and stops; takes `deadline` at most, or little more.
    pub(crate) fn finish(self, ended: Ended, deadline: Duration) -> TelemetryReport {
        let _ = self.ending.send(ProgramEnd { ended, deadline });
        self.report.recv_timeout(deadline + Duration::from_secs(3)).unwrap_or_else(|_| TelemetryReport {
            warnings: vec!["telemetry did not finish in time, some of it is lost".into()],
            ..TelemetryReport::default()
        })
    }
}

/// The warning about a panic is ours; the standard library's text would look like the program's own.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let standard = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(THREAD) {
                standard(panic);
            }
        }));
    });
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic".into())
}
