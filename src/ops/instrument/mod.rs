//! `otel-rs instrument`: runs a program with a channel to us, and sees to its end.
//!
//! Whatever goes wrong between us and the telemetry costs the telemetry, with one warning. Only what a shell would
//! refuse as well (no such program, a mistyped flag) keeps the program from running.
//!
//! There are three processes: the launcher, which watches and ends as the program does; the program; and the one that
//! exports, which may die of anything. All that can fail is done before the program starts. A launcher that is short of
//! something then becomes the program.

mod census;
mod session;

use std::ffi::OsString;

use super::{Failure, Outcome, instrumentation_names};
use crate::channel::{self, ChannelError};
use crate::launch::{self, ChildEnd, Environment, NotReady, Program, Signals, Variable};
use crate::layers::{self, LayerNote};
use crate::ui::{self, Explain, plural};
use crate::{config, wire};
use session::Session;

/// The exit status for a mistyped command line.
const USAGE: i32 = 2;

/// The options of the command line.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Flags given, under the names of the variables that they override.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// The program, as typed.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
}

/// Errors of the launcher itself.
#[derive(Debug, thiserror::Error)]
enum InstrumentError {
    #[error("running `{program}` without telemetry: signals cannot be watched")]
    Signals { program: String, source: std::io::Error },
    #[error("running `{program}` without telemetry")]
    Channel { program: String, source: ChannelError },
    #[error("running `{program}` without telemetry")]
    ConfigFile { program: String, source: config::FileError },
    #[error("running `{program}` without telemetry: the launcher cannot start a process")]
    Fork { program: String, source: std::io::Error },
    #[error("running `{program}` without telemetry")]
    Telemetry { program: String, source: NotReady },
}

impl Explain for InstrumentError {
    fn hint(&self) -> Option<String> {
        match self {
            InstrumentError::Signals { .. } | InstrumentError::Fork { .. } => None,
            InstrumentError::ConfigFile { source, .. } => source.hint(),
            InstrumentError::Channel { source, .. } => source.hint(),
            InstrumentError::Telemetry { source: NotReady::Failed { hint, .. }, .. } => hint.clone(),
            InstrumentError::Telemetry { .. } => None,
        }
    }
}

/// Why a program will have no telemetry of its own.
#[derive(Debug, thiserror::Error)]
enum LayersError {
    #[error("`{program}` was built without layers, so there will be no telemetry of its own")]
    None { program: String },
    #[error(
        "running `{program}` without telemetry: its layers have wire version {found}, expected {expected}",
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
    // Nothing may be waited for before the program runs, not even a reader of stderr.
    ui::hold();
    // First of all: from here on a limit that our own writing reaches does not end us.
    let signals = Signals::take();
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
        let understood = layers_of(&program).is_none_or(|notes| has_our_wire_version(&notes));
        let settings = config.disabled_settings().filter(|_| understood);
        let variable = settings.map(|settings| (wire::CHANNEL_VARIABLE, Some(channel::without_socket(&settings))));
        return Err(replace_ourselves(&program, &environment, variable.as_slice()));
    }
    ui::set_level(config.log_level);
    warnings.iter().for_each(|warning| ui::warning_of(warning));
    settings.iter().filter_map(config::EffectiveSetting::message).for_each(ui::detail);

    let notes = layers_of(&program);
    let known = notes.as_deref().unwrap_or_default();
    instrumentation_names::unknown(&config.instrumentations, known).iter().for_each(|name| ui::warning_of(name));
    if !understands_us(&program, notes.as_deref(), config.run.span) {
        return Err(replace_ourselves(&program, &environment, &[]));
    }
    let started = signals.map_err(|source| InstrumentError::Signals { program: program.short_name(), source });
    let started = started.and_then(|signals| Ok((Session::open(&config, &environment, &program)?, signals)));
    let (session, signals) = match started {
        Ok(started) => started,
        Err(error) => {
            // Messages about telemetry are pointless without it.
            ui::forget();
            ui::warning_of(&error);
            return Err(replace_ourselves(&program, &environment, &[]));
        }
    };
    let mut running = session.start(config.run.follow).map_err(|error| failure(error.status(), error))?;
    let ended = running.child.wait(&signals, &mut running.exporter);
    if config.run.follow && ended.end == ChildEnd::Exited(0) && running.exporter.is_some() {
        let left = launch::count_left(running.exporter.as_ref().map(launch::Exporter::pid));
        if left > 0 {
            let (app, processes) = (program.short_name(), plural::counted(left as u64, "process", "processes"));
            ui::note(format_args!("`{app}` has exited and left {processes}: staying until they end, too"));
            running.child.follow(&signals, &mut running.exporter);
        }
    }
    if !running.close(&ended, &signals) {
        session::warn_of_end(&program, ended.end, 0);
    }
    ui::finish();
    ended.end.imitate();
    Ok(ended.end.status())
}

/// Becomes the program. Returns only if that failed.
fn replace_ourselves(program: &Program, environment: &Environment, ours: &[Variable]) -> Failure {
    ui::finish();
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
fn has_our_wire_version(notes: &[LayerNote]) -> bool {
    !notes.is_empty() && notes.iter().all(|note| note.wire_version == wire::VERSION)
}

/// Whether the program may be given a channel: not if its layers have another version of the wire format. Warns where
/// no telemetry will come, which is never the case if its run as a whole is recorded.
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
