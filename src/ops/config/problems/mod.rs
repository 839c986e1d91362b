//! Why nothing arrives: everything that stands in the way, one plain sentence each.

mod endpoints;
mod names;

use serde::Serialize;

use super::InspectedProgram;
use super::exports::Export;
use crate::config::{
    BATCHES_OF_LOGS, BATCHES_OF_SPANS, OTEL_CONFIG_FILE, OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_SDK_DISABLED,
    OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, Resolved, ValueSource, Variable,
};
use crate::launch::{Environment, FindError};
use crate::ops::instrumentation_names;
use crate::ui::Explain;
use crate::wire;

/// Something in the way.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Problem {
    pub(super) problem: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

/// What the problems are found in.
pub(super) struct Evidence<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) environment: &'a Environment,
    pub(super) not_found: Option<&'a FindError>,
    pub(super) program: Option<&'a InspectedProgram>,
    pub(super) exports: &'a [Export],
}

/// All problems, the most important first.
pub(super) fn of(evidence: &Evidence<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    let resolved = evidence.resolved;
    if let Some(error) = &resolved.unusable_file {
        found.push(explained(error));
    } else if resolved.config.disabled {
        let hint = Remedy(resolved).set(&OTEL_SDK_DISABLED, "false");
        found.push(problem("nothing is collected: the SDK is disabled", &hint));
    }
    found.extend(evidence.not_found.map(|error| explained(error)));
    found.extend(evidence.program.and_then(|program| layers(program, resolved.config.run.span)));
    if !resolved.config.disabled {
        exporters(resolved, &mut found);
        sampler(resolved, &mut found);
        batches(resolved, &mut found);
        endpoints::problems(evidence.exports, &mut found);
        let layers = evidence.program.and_then(|program| program.layers.as_deref()).unwrap_or_default();
        let unknown = instrumentation_names::unknown(&resolved.config.instrumentations, layers);
        found.extend(unknown.iter().map(|name| explained(name)));
    }
    found.extend(resolved.warnings.iter().map(|warning| explained(warning)));
    names::problems(evidence, &mut found);
    found
}

fn problem(problem: impl Into<String>, hint: &str) -> Problem {
    Problem { problem: problem.into(), hint: Some(hint.to_owned()) }
}

fn explained(error: &dyn Explain) -> Problem {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let problem = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    Problem { problem, hint: error.hint() }
}

/// A program without layers has telemetry only if its run is recorded.
fn layers(program: &InspectedProgram, run_is_recorded: bool) -> Option<Problem> {
    let (name, notes) = (&program.name, program.layers.as_ref()?);
    if notes.is_empty() && !run_is_recorded {
        let hint = "run `otel-rs bootstrap` in its project and build it again";
        return Some(problem(format!("`{name}` was built without layers, so it records nothing"), hint));
    }
    let other = notes.iter().find(|note| note.wire_version != wire::VERSION)?;
    let text = format!(
        "`{name}` was built with another otel-rs: its layers use wire version {}, this one {}",
        other.wire_version,
        wire::VERSION
    );
    Some(problem(text, "run this otel-rs's `bootstrap` in its project and build it again"))
}

/// Where a setting is corrected.
struct Remedy<'a>(&'a Resolved);

impl Remedy<'_> {
    /// The configuration file, if there is one: then no variable changes anything.
    fn file(&self) -> Option<&str> {
        let file = self.0.settings.iter().find(|setting| setting.env == OTEL_CONFIG_FILE.env)?;
        (!file.shown.is_empty()).then_some(&file.shown)
    }

    fn set(&self, variable: &Variable, value: &str) -> String {
        let set = || format!("set `{}` to `{value}`", variable.env);
        self.file().map_or_else(set, |file| format!("correct it in `{file}`"))
    }

    fn source(&self, variable: &Variable) -> Option<ValueSource> {
        self.0.settings.iter().find(|setting| setting.env == variable.env).map(|setting| setting.source)
    }
}

fn exporters(resolved: &Resolved, found: &mut Vec<Problem>) {
    let config = &resolved.config;
    let empty = [
        ("spans are", OTEL_TRACES_EXPORTER, config.traces.processors.is_empty()),
        ("metrics are", OTEL_METRICS_EXPORTER, config.metrics.readers.is_empty()),
        ("log records are", OTEL_LOGS_EXPORTER, config.logs.processors.is_empty()),
    ];
    let remedy = Remedy(resolved);
    for (what, variable, _) in empty.into_iter().filter(|(.., is_empty)| *is_empty) {
        let text = match remedy.file() {
            Some(file) => format!("no {what} exported: `{file}` names no exporter for them"),
            None => format!("no {what} exported: their exporter is `none`"),
        };
        found.push(problem(text, &remedy.set(&variable, "otlp")));
    }
}

fn sampler(resolved: &Resolved, found: &mut Vec<Problem>) {
    let (name, ratio) = (resolved.config.sampler.name, resolved.config.sampler.ratio);
    let takes_ratio = name.ends_with("traceidratio");
    let remedy = Remedy(resolved);
    let on = &remedy.set(&OTEL_TRACES_SAMPLER, "parentbased_always_on");
    match name {
        "always_off" => found.push(problem("no spans are exported: the sampler is `always_off`", on)),
        "parentbased_always_off" => found.push(problem(
            "no trace begins here: the sampler `parentbased_always_off` samples only those that a caller has sampled",
            on,
        )),
        _ if takes_ratio && ratio == 0.0 => {
            found.push(problem(format!("no spans are exported: `{name}` samples a share of 0"), on));
        }
        _ if takes_ratio && remedy.source(&OTEL_TRACES_SAMPLER_ARG) == Some(ValueSource::Default) => {
            found.push(problem(
                format!("the sampler `{name}` has no share to sample, so it samples everything"),
                "set `OTEL_TRACES_SAMPLER_ARG` to a number between 0 and 1",
            ))
        }
        _ if !takes_ratio
            && remedy.source(&OTEL_TRACES_SAMPLER_ARG).is_some_and(|source| source != ValueSource::Default) =>
        {
            found.push(problem(
                format!("`OTEL_TRACES_SAMPLER_ARG` has no effect: the sampler `{name}` takes no share"),
                "set `OTEL_TRACES_SAMPLER` to `parentbased_traceidratio`",
            ));
        }
        _ => {}
    }
}

/// More in one export than may wait for it is a contradiction; the queue's size counts, as in the specification.
fn batches(resolved: &Resolved, found: &mut Vec<Problem>) {
    let kinds = [
        (BATCHES_OF_SPANS, "spans", &resolved.config.traces.processors),
        (BATCHES_OF_LOGS, "log records", &resolved.config.logs.processors),
    ];
    for (variables, what, processors) in kinds {
        let Some(batch) = processors.iter().map(|processor| processor.batch).find(|batch| batch.size > batch.queue)
        else {
            continue;
        };
        let text = format!(
            "an export may hold {} {what}, but only {} may wait for it, so none will ever be full",
            batch.size, batch.queue
        );
        let hint = Remedy(resolved).set(&variables.size, &batch.queue.to_string());
        found.push(problem(text, &hint));
    }
}
