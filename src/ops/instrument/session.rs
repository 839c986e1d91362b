//! Telemetry for one run: what the launcher has of it, and what the process does that exports.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::InstrumentError;
use super::census::Census;
use crate::channel::{Channel, ChannelDirectory, Draining, Listening, feed};
use crate::config::{Config, Exporter as To, JsonTarget, Reader};
use crate::launch::{self, ChildEnd, Ended, Environment, Exporter, Order, Orders, Program, RunningChild, Signals};
use crate::telemetry::{PreparedTelemetry, RunningTelemetry, TelemetryReport};
use crate::ui::{self, Explain, plural};
use crate::{telemetry, wire};

/// How long the program's end may be held up for its telemetry.
const LAST_EXPORT: Duration = Duration::from_secs(4);
/// Records that telemetry has not read yet may take this part of the memory limit.
const UNREAD_SHARE: usize = 4;
/// How often the exporting process polls for changes that it is not notified of: at first, and once a process has attached.
const TURN: Duration = Duration::from_millis(100);
const CALM_TURN: Duration = Duration::from_millis(500);

/// All that can fail has been done, and the program waits for the word.
pub(super) struct Session {
    child: launch::Waiting,
    exporter: Exporter,
    place: ChannelDirectory,
}

/// The program runs.
pub(super) struct Running {
    pub(super) child: RunningChild,
    /// `None` once it is gone.
    pub(super) exporter: Option<Exporter>,
    /// Where processes find the exporter. The directory is removed with it.
    _place: ChannelDirectory,
}

impl Session {
    /// Prepares everything, or leaves all as it was.
    pub(super) fn open(
        config: &Config,
        environment: &Environment,
        program: &Program,
    ) -> Result<Session, InstrumentError> {
        let name = || program.short_name();
        let runtime_directory = environment.get_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let channel = Channel::open(runtime_directory.as_deref());
        let channel = channel.map_err(|source| InstrumentError::Channel { program: name(), source })?;
        let beginning = PreparedTelemetry::of(config, program, environment);
        let mut variables = beginning.variables();
        variables.push((wire::CHANNEL_VARIABLE, Some(channel.variable(&config.channel_settings()))));
        let child = program.fork(environment, &variables);
        let child = child.map_err(|source| InstrumentError::Fork { program: name(), source })?;
        let socket = channel.socket();
        let (listening, place) = channel.split();
        let work = Work { config: config.clone(), environment: environment.clone(), program: program.clone(), socket };
        match Exporter::start(move |orders| work.export(listening, beginning, orders)) {
            Ok(exporter) => Ok(Session { child, exporter, place }),
            Err(source) => {
                child.cancel();
                Err(InstrumentError::Telemetry { program: name(), source })
            }
        }
    }

    /// Starts the program; `follow`: to stay with what it leaves behind.
    pub(super) fn start(self, follow: bool) -> Result<Running, launch::SpawnError> {
        let Session { child, exporter, place } = self;
        if follow {
            launch::adopt_orphans();
        }
        match child.start() {
            Ok(child) => {
                exporter.started(child.pid());
                // The exporting process prints the warnings that were held back, too.
                ui::leave();
                launch::let_go_of_inherited();
                launch::replace_by_nothing(1);
                Ok(Running { child, exporter: Some(exporter), _place: place })
            }
            Err(error) => {
                exporter.kill();
                Err(error)
            }
        }
    }
}

impl Running {
    /// Brings out what the program has written. `false` when that was given up, because it took too long or because
    /// a signal requested the end of the launcher, too; or when no process was left to do it.
    pub(super) fn close(self, ended: &Ended, signals: &Signals) -> bool {
        self.exporter.is_some_and(|exporter| exporter.finish(ended, 2 * LAST_EXPORT, signals))
    }
}

/// What the exporting process works with.
struct Work {
    config: Config,
    environment: Environment,
    program: Program,
    socket: PathBuf,
}

impl Work {
    /// Works until the program has ended and its telemetry is out.
    fn export(&self, listening: Listening, beginning: PreparedTelemetry, orders: &Orders) {
        if !self.writes_to_stdout() {
            launch::replace_by_nothing(1);
        }
        let (mut sender, receiver) = feed::queue();
        sender.limit_to(self.config.memory_limit / UNREAD_SHARE);
        let running = match telemetry::start(beginning, &self.config, &self.program, &self.environment, receiver) {
            Ok(running) => running,
            Err(error) => return refuse(orders, &error),
        };
        let mut draining = match listening.drain(sender) {
            Ok(draining) => draining,
            Err(error) => return refuse(orders, &error),
        };
        // Messages that were held back come before the program's own output, as far as there is room.
        ui::release();
        orders.ready();
        let Some(ended) = self.serve(&running, &draining, orders) else { return };
        draining.finish();
        let mut report = running.finish(ended, LAST_EXPORT);
        warn_of_processes(&draining, &mut report);
        warn_of_end(&self.program, ended.end, report.open_requests);
        report.warnings.iter().for_each(ui::loss);
    }

    /// Carries out the orders of the launcher until the program has ended. `None` when the launcher is gone.
    fn serve(&self, running: &RunningTelemetry, draining: &Draining, orders: &Orders) -> Option<Ended> {
        let mut census = None;
        loop {
            match orders.next(if census.is_some() { TURN } else { CALM_TURN }) {
                Some(Order::Started(pid)) => {
                    running.started(pid);
                    census = Some(Census::of(pid, self.socket.clone(), Instant::now()));
                }
                Some(Order::Observe) => {
                    running.observe();
                    orders.answered();
                }
                Some(Order::End(ended)) => return Some(ended),
                Some(Order::Gone) => return None,
                None => {}
            }
            ui::retry();
            if draining.tally().attached.load(Relaxed) > 0 {
                census = None;
            } else if let Some(known) = &mut census
                && let Some(absent) = known.look(Instant::now())
            {
                ui::warning_of(&absent);
                census = None;
            }
        }
    }

    fn writes_to_stdout(&self) -> bool {
        let Config { traces, logs, metrics, .. } = &self.config;
        let processors = traces.processors.iter().chain(&logs.processors).map(|processor| &processor.exporter);
        let readers = metrics.readers.iter().filter_map(|reader| match reader {
            Reader::Periodic(periodic) => Some(&periodic.exporter),
            Reader::Prometheus(_) => None,
        });
        processors.chain(readers).any(|exporter| *exporter == To::JsonLines(JsonTarget::Stdout))
    }
}

fn refuse(orders: &Orders, error: &(impl Explain + 'static)) {
    let text = ui::causes(error).iter().fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    orders.failed(&text, error.hint().as_deref());
}

/// What was lost with whole processes.
fn warn_of_processes(draining: &Draining, report: &mut TelemetryReport) {
    let tally = draining.tally();
    let processes = |count| plural::counted(count, "process", "processes");
    let (refused, left) = (tally.refused.load(Relaxed), tally.left_behind.load(Relaxed));
    if refused > 0 {
        report.warnings.push(format!("telemetry of {} is lost: too many open files", processes(refused)));
    }
    if left > 0 {
        report.warnings.push(format!("{} left behind: running on without telemetry", processes(left)));
    }
}

/// Warns of a violent end.
pub(super) fn warn_of_end(program: &Program, end: ChildEnd, open_requests: u64) {
    let app = program.short_name();
    if let ChildEnd::Killed(signal) = end
        && launch::is_violent(signal)
    {
        let requests = match open_requests {
            0 => String::new(),
            open => format!("; {} open", plural::counted(open, "request was", "requests were")),
        };
        ui::note(format_args!("`{app}` was killed by {}{requests}", launch::signal_name(signal)));
    }
}
