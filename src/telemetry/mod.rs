//! Records become telemetry, on a thread of its own: assembled, described by the semantic conventions, exported.
//!
//! The only room that names `opentelemetry`. Whatever goes wrong in here is one warning; the program runs on.

mod engine;
mod logs;
mod metrics;
mod readers;
mod run;

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
use engine::{Ending, Engine};
use run::Run;

/// The thread's name; panics on it are not printed as a program's own would be.
const THREAD: &str = "otel-rs-export";

/// How long a signal that may end the program is held back for what only it can look up.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What keeps telemetry from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// No thread, or no runtime for it.
    #[error("cannot start the exporting thread")]
    Thread(#[source] std::io::Error),
}

impl Explain for TelemetryError {}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Spans that arrived.
    pub(crate) exported_spans: u64,
    /// Spans that did not.
    pub(crate) lost: u64,
    /// Log records that did not arrive.
    pub(crate) lost_logs: u64,
    /// Measurements that were written and not read in time.
    pub(crate) lost_measurements: u64,
    /// Records that the program had to drop.
    pub(crate) dropped: u64,
    /// Requests that were being served when their process ended.
    pub(crate) open_requests: u64,
    /// What the user should be told about it, besides what has been told already.
    pub(crate) warnings: Vec<String>,
}

/// Telemetry at work.
#[derive(Debug)]
pub(crate) struct Running {
    pid: LaunchedPid,
    wake: Arc<Notify>,
    asks: engine::Asks,
    ending: oneshot::Sender<Ending>,
    report: mpsc::Receiver<Report>,
}

/// What telemetry needs to have found out before the program is started.
#[derive(Default)]
pub(crate) struct Beginning {
    pid: LaunchedPid,
    run: Option<Run>,
}

impl Beginning {
    /// `program` is about to be started in `environment`.
    pub(crate) fn of(config: &Config, program: &Program, environment: &Environment) -> Beginning {
        let pid = LaunchedPid::default();
        let run = config.run.span.then(|| Run::begin(config, program, environment, pid.clone()));
        Beginning { pid, run }
    }

    /// What the program's environment must have, or must not have, for its work to become part of the run's trace.
    pub(crate) fn variables(&self) -> Vec<(&'static str, Option<OsString>)> {
        self.run.as_ref().map(Run::variables).unwrap_or_default()
    }
}

/// Starts exporting what comes out of `feed`. `program` is about to be started in `environment`.
pub(crate) fn start(
    Beginning { pid, run }: Beginning,
    config: &Config,
    program: &Program,
    environment: &Environment,
    feed: Receiver,
) -> Result<Running, TelemetryError> {
    let programs = Programs::new(&config.resource, program, environment, pid.clone(), sdk_attributes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TelemetryError::Thread)?;
    let engine = {
        // Exporters look for their runtime while they are made.
        let _entered = runtime.enter();
        Engine::new(config, programs, Host::new(config.host_metrics, &program.file, pid.clone()), run)
    };
    let wake = engine.wake();
    let (ending, told) = oneshot::channel();
    let (asks, asked) = tokio::sync::mpsc::unbounded_channel();
    let (sender, report) = mpsc::channel();
    keep_panics_quiet();
    let work = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(engine.run(feed, asked, told))));
        let report = outcome.unwrap_or_else(|panic| {
            let hint = "please report this; the program itself is not affected";
            ui::warning("telemetry has stopped: internal error", &[panic_text(panic.as_ref())], Some(hint));
            Report::default()
        });
        let _ = sender.send(report);
        // A name that is still being resolved must not hold up the end.
        runtime.shutdown_background();
    };
    thread::Builder::new().name(THREAD.into()).spawn(work).map_err(TelemetryError::Thread)?;
    Ok(Running { pid, wake, asks, ending, report })
}

impl Running {
    /// The program runs.
    pub(crate) fn started(&self, pid: u32) {
        let _ = self.pid.set(pid);
        // It is to be looked at soon: it may not live for long.
        self.wake.notify_one();
    }

    /// Has the program look up what only it can, while it still can; waits a little for that.
    pub(crate) fn ask(&self) {
        let (done, answer) = mpsc::sync_channel(1);
        if self.asks.send(done).is_ok() {
            let _ = answer.recv_timeout(LAST_WORDS);
        }
    }

    /// Exports what is left and stops; takes `deadline` at most, or little more.
    pub(crate) fn finish(self, ended: Ended, deadline: Duration) -> Report {
        let _ = self.ending.send(Ending { ended, deadline });
        self.report.recv_timeout(deadline + Duration::from_secs(3)).unwrap_or_else(|_| Report {
            warnings: vec!["telemetry did not finish in time, some of it is lost".into()],
            ..Report::default()
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
