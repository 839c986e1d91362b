//! `otel-rs config`: what `otel-rs instrument` would do with a program, and what is in the way of its telemetry.
//!
//! Nothing is run. Collectors are probed, since most telemetry that is missed was sent where no receiver is.

mod exports;
mod problems;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;

use super::coverage::CoverageSummary;
use super::{Failure, Format, Outcome};
use crate::catalog::Catalog;
use crate::config::{self, ValueSource};
use crate::launch::{self, Environment, FindError, Program};
use crate::layers::{self, LayerNote};
use crate::rules::Coverage;
use crate::{resource, signals, ui};
use exports::Export;
use problems::Problem;

/// The exit status for a mistyped command line.
const USAGE: i32 = 2;

/// What to report.
#[derive(Debug)]
pub(crate) struct Options {
    /// Flags given, under the names of the variables that they override.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// The program, as typed.
    pub(crate) program: Option<OsString>,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// How to show it.
    pub(crate) format: Format,
}

/// The report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ConfigReport {
    settings: Vec<SettingRow>,
    resource: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<InspectedProgram>,
    exports: Vec<Export>,
    problems: Vec<Problem>,
}

/// A variable's value, for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct SettingRow {
    group: &'static str,
    name: &'static str,
    /// Without secrets; empty if there is none.
    value: String,
    /// The flag, `environment` or `default`.
    from: String,
}

/// What was found out about the program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct InspectedProgram {
    name: String,
    file: PathBuf,
    /// `None` for a script, which has no layers of its own but may start a program that has.
    layers: Option<Vec<LayerNote>>,
    /// The parts of its telemetry that the layers provide, with their crates.
    covered: BTreeMap<Coverage, BTreeSet<String>>,
    /// The same for people.
    #[serde(skip)]
    verdict: Vec<String>,
}

/// Resolves the configuration, inspects the program, probes the collectors, and reports.
pub(crate) fn run(options: Options) -> Outcome {
    // First, since it reads a variable of the process.
    let catalog = Catalog::load()?;
    let environment = Environment::take();
    let resolved = config::resolve(&options.flags, &|name| environment.get(name))
        .map_err(|error| Failure { status: USAGE, error: Box::new(error) })?;
    let (program, not_found) = program(&options, &environment);
    let inspected = program.as_ref().map(|program| inspect(program, &catalog));
    let exports = exports::of(&resolved.config);
    let unnamed = Program { name: "PROGRAM".into(), file: "PROGRAM".into(), args: Vec::new() };
    let program_or_unnamed = program.as_ref().unwrap_or(&unnamed);
    let sdk = signals::resource::sdk_attributes();
    let resource = resource::resource_of(&resolved.config.resource, program_or_unnamed, &environment, &sdk);
    let problems = problems::of(&problems::Evidence {
        resolved: &resolved,
        environment: &environment,
        not_found: not_found.as_ref(),
        program: inspected.as_ref(),
        exports: &exports,
    });
    let report = ConfigReport { settings: settings(&resolved), resource, program: inspected, exports, problems };
    match options.format {
        Format::Json => ui::out(serde_json::json!(report)),
        Format::Table => ui::out_raw(show::text(&report)),
    }
    Ok(i32::from(!report.problems.is_empty()))
}

fn program(options: &Options, environment: &Environment) -> (Option<Program>, Option<FindError>) {
    let Some(name) = &options.program else { return (None, None) };
    match launch::find_program(name, environment.get_os("PATH")) {
        Ok(file) => (Some(Program { name: name.clone(), file, args: options.args.clone() }), None),
        Err(error) => (None, Some(error)),
    }
}

fn inspect(program: &Program, catalog: &Catalog) -> InspectedProgram {
    let layers = launch::is_elf(&program.file).then(|| layers::layers_in(&program.file).unwrap_or_default());
    let names = layers.iter().flatten().map(|note| note.name.as_str());
    let summary = CoverageSummary::of(catalog, names);
    let (covered, verdict) = (summary.covered().clone(), summary.lines());
    InspectedProgram { name: program.short_name(), file: program.file.clone(), layers, covered, verdict }
}

fn settings(resolved: &config::Resolved) -> Vec<SettingRow> {
    let shown = resolved.settings.iter().filter_map(|setting| {
        let variable = config::variable(setting.env)?;
        let from = match setting.source {
            ValueSource::Flag => format!("--{}", variable.flag.unwrap_or_default()),
            ValueSource::Environment => "environment".to_owned(),
            ValueSource::Default => "default".to_owned(),
        };
        Some(SettingRow { group: variable.group, name: setting.env, value: setting.shown.clone(), from })
    });
    shown.collect()
}
