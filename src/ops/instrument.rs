//! `otel-rs instrument`: runs a program with a channel to us, and sees to its end.
//!
//! Whatever goes wrong between us and the telemetry costs the telemetry, with one warning. Only what a shell would
//! refuse as well (no such program, a mistyped flag) keeps the program from running.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, Outcome, speakers};
use crate::channel::{self, Channel, ChannelError, Draining, feed, wire};
use crate::config::{self, Config};
use crate::launch::{self, ChildEnd, Ended, Environment, Program, Signals, Variable};
use crate::layers::{self, LayerNote};
use crate::telemetry;
use crate::ui::{self, Explain};

/// The exit status for a mistyped command line.
const USAGE: i32 = 2;
/// How long the program's end may be held up for its telemetry.
const LAST_EXPORT: Duration = Duration::from_secs(4);
/// Records that telemetry has not read yet may take this part of the memory limit.
const UNREAD_SHARE: usize = 4;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Flags given, under the names of the variables that they override.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// The program, as typed.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
}

/// What goes wrong on our side.
#[derive(Debug, thiserror::Error)]
enum InstrumentError {
    #[error("running `{program}` without telemetry: signals cannot be watched")]
    Signals { program: String, source: std::io::Error },
    #[error("running `{program}` without telemetry")]
    Channel { program: String, source: ChannelError },
    #[error("running `{program}` without telemetry")]
    ConfigFile { program: String, source: config::FileError },
    #[error("running `{program}` without telemetry")]
    Telemetry { program: String, source: telemetry::TelemetryError },
}

impl Explain for InstrumentError {
    fn hint(&self) -> Option<String> {
        match self {
            InstrumentError::Signals { .. } => None,
            InstrumentError::ConfigFile { source, .. } => source.hint(),
            InstrumentError::Channel { source, .. } => source.hint(),
            InstrumentError::Telemetry { source, .. } => source.hint(),
        }
    }
}

/// Why nothing will be heard of a program.
#[derive(Debug, thiserror::Error)]
enum LayersError {
    #[error("`{program}` was built without layers, so there will be no telemetry of its own")]
    None { program: String },
    #[error(
        "running `{program}` without telemetry: its layers speak wire version {found}, expected {expected}",
        expected = wire::VERSION
    )]
    OtherVersion { program: String, found: u32 },
}

impl Explain for LayersError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            LayersError::None { .. } => "run `otel-rs bootstrap` in its project and build it again".into(),
            LayersError::OtherVersion { .. } => {
                "run this otel-rs's `bootstrap` in its project and build it again".into()
            }
        })
    }
}

/// Runs the program. Returns when it has ended and its telemetry is out, or given up.
pub(crate) fn run(options: Options) -> Outcome {
    ui::set_prefix("otel-rs: ");
    let environment = Environment::take();
    let config::Resolved { config, warnings, unusable_file, settings, .. } =
        config::resolve(&options.flags, &|name| environment.get(name)).map_err(|error| failure(USAGE, error))?;
    let file = launch::find_program(&options.program, environment.get_os("PATH"))
        .map_err(|error| failure(error.status(), error))?;
    let program = Program { name: options.program, file, args: options.args };
    if let Some(source) = unusable_file {
        ui::warning_of(&InstrumentError::ConfigFile { program: program.short_name(), source });
    }
    if config.disabled {
        let understood = layers_of(&program).is_none_or(|notes| speaks_with_us(&notes));
        let settings = config.disabled_settings().filter(|_| understood);
        let variable = settings.map(|settings| (wire::CHANNEL_VARIABLE, Some(channel::without_socket(&settings))));
        return Err(replace_ourselves(&program, &environment, variable.as_slice()));
    }
    ui::set_level(config.log_level);
    warnings.iter().for_each(|warning| ui::warning_of(warning));
    settings.iter().filter_map(config::Setting::told).for_each(ui::detail);

    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(source) => {
            ui::warning_of(&InstrumentError::Signals { program: program.short_name(), source });
            return Err(replace_ourselves(&program, &environment, &[]));
        }
    };
    let notes = layers_of(&program);
    let known = notes.as_deref().unwrap_or_default();
    speakers::unknown(&config.instrumentations, known).iter().for_each(|name| ui::warning_of(name));
    let understood = understands_us(&program, notes.as_deref(), config.run.span);
    let session = if understood { Session::open(config, &environment, &program) } else { None };
    let ours = session.as_ref().map_or(&[][..], |session| &session.variables);
    let child = program.spawn(&environment, ours, &signals).map_err(|error| failure(error.status(), error))?;
    session.iter().for_each(|session| session.running.started(child.pid()));
    let ended = child.wait(&signals, || session.iter().for_each(|session| session.running.ask()));
    let report = session.and_then(|session| session.close(ended, &signals));
    tell(&program, ended.end, report.as_ref());
    ended.end.imitate();
    Ok(ended.end.status())
}

/// Becomes the program. Returns only if that failed.
fn replace_ourselves(program: &Program, environment: &Environment, ours: &[Variable]) -> Failure {
    let error = program.exec(environment, ours);
    failure(error.status(), error)
}

fn failure(status: i32, error: impl Explain + 'static) -> Failure {
    Failure { status, error: Box::new(error) }
}

/// The program's layers. `None` where that is not known: a script has none, but what it starts may have.
fn layers_of(program: &Program) -> Option<Vec<LayerNote>> {
    launch::is_elf(&program.file).then(|| layers::layers_in(&program.file).ok()).flatten()
}

/// Whether a program has layers, all of them of our version of the wire format.
fn speaks_with_us(notes: &[LayerNote]) -> bool {
    !notes.is_empty() && notes.iter().all(|note| note.wire_version == wire::VERSION)
}

/// Whether the program may be given a channel: not if its layers speak another version of the wire format. Warns where
/// nothing will come of it, which is never so if its run as a whole is told of.
fn understands_us(program: &Program, notes: Option<&[LayerNote]>, run_is_told: bool) -> bool {
    let Some(notes) = notes else { return true };
    let Some(other) = notes.iter().find(|note| note.wire_version != wire::VERSION) else {
        if notes.is_empty() && !run_is_told {
            ui::warning_of(&LayersError::None { program: program.short_name() });
        }
        return true;
    };
    ui::warning_of(&LayersError::OtherVersion { program: program.short_name(), found: other.wire_version });
    false
}

/// The run half at work: a channel, the thread that drains it, and telemetry.
struct Session {
    /// What the program's environment has besides our own.
    variables: Vec<Variable>,
    draining: Draining,
    running: telemetry::Running,
}

impl Session {
    /// Starts all of it, or warns and does without.
    fn open(config: Config, environment: &Environment, program: &Program) -> Option<Session> {
        let opened = Session::try_open(config, environment, program);
        opened.inspect_err(|error| ui::warning_of(error)).ok()
    }

    fn try_open(config: Config, environment: &Environment, program: &Program) -> Result<Session, InstrumentError> {
        let no_channel = |source| InstrumentError::Channel { program: program.short_name(), source };
        let runtime_directory = environment.get_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let channel = Channel::open(runtime_directory.as_deref()).map_err(no_channel)?;
        let variable = channel.variable(&config.channel_settings());
        let (mut sender, receiver) = feed::queue();
        sender.limit_to(config.memory_limit / UNREAD_SHARE);
        let running = telemetry::start(&config, program, environment, receiver)
            .map_err(|source| InstrumentError::Telemetry { program: program.short_name(), source })?;
        let draining = channel.drain(sender).map_err(no_channel)?;
        let mut variables = running.variables();
        variables.push((wire::CHANNEL_VARIABLE, Some(variable)));
        Ok(Session { variables, draining, running })
    }

    /// Brings out what the program has written. `None` when that was given up, because it took too long or because
    /// somebody asked us to end, too.
    fn close(mut self, ended: Ended, signals: &Signals) -> Option<telemetry::Report> {
        self.draining.finish();
        let running = self.running;
        signals.unless_asked_to_end(2 * LAST_EXPORT, move || running.finish(ended, LAST_EXPORT))
    }
}

/// Tells of a violent end, and of what was lost.
fn tell(program: &Program, end: ChildEnd, report: Option<&telemetry::Report>) {
    let app = program.short_name();
    if let ChildEnd::Killed(signal) = end
        && launch::is_violent(signal)
    {
        let requests = match report.map_or(0, |report| report.open_requests) {
            0 => String::new(),
            1 => "; 1 request was open".to_owned(),
            many => format!("; {many} requests were open"),
        };
        ui::note(format_args!("`{app}` was killed by {}{requests}", launch::signal_name(signal)));
    }
    for warning in report.iter().flat_map(|report| &report.warnings) {
        // What went wrong has been warned of when it happened; this is what it came to.
        ui::note(warning);
    }
}
