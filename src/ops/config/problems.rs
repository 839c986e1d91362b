//! Why nothing arrives: everything that stands in the way, one plain sentence each.

use serde::Serialize;

use super::Looked;
use super::exports::{Export, protocol};
use crate::config::{Endpoint, Origin, Otlp, OtlpSetting, Protocol, Resolved, SettingOrigin, Tls, VARIABLES};
use crate::export::probe::ProbeResult;
use crate::launch::{Environment, FindError};
use crate::ops::speakers;
use crate::ui::Explain;
use crate::wire;

/// Names that look like misspelt ones and are not.
const FOREIGN: [&str; 2] = [wire::CHANNEL_VARIABLE, "OTEL_EXPERIMENTAL_CONFIG_FILE"];
const CONFIG_FILE: &str = "OTEL_CONFIG_FILE";
/// Letters that may differ in a misspelt name.
const TYPO: usize = 3;

/// Something in the way.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Problem {
    pub(super) problem: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

/// What there is to judge by.
pub(super) struct Evidence<'a> {
    pub(super) resolved: &'a Resolved,
    pub(super) environment: &'a Environment,
    pub(super) missing: Option<&'a FindError>,
    pub(super) looked: Option<&'a Looked>,
    pub(super) exports: &'a [Export],
}

/// All of it, what matters most first.
pub(super) fn of(evidence: &Evidence<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    let resolved = evidence.resolved;
    if let Some(error) = &resolved.unusable_file {
        found.push(explained(error));
    } else if resolved.config.disabled {
        let hint = Remedy(resolved).set("OTEL_SDK_DISABLED", "false");
        found.push(problem("nothing is collected: the SDK is disabled", &hint));
    }
    found.extend(evidence.missing.map(|error| explained(error)));
    found.extend(evidence.looked.and_then(|looked| layers(looked, resolved.config.run.span)));
    if !resolved.config.disabled {
        exporters(resolved, &mut found);
        sampler(resolved, &mut found);
        batches(resolved, &mut found);
        endpoints(evidence.exports, &mut found);
        let layers = evidence.looked.and_then(|looked| looked.layers.as_deref()).unwrap_or_default();
        found.extend(speakers::unknown(&resolved.config.instrumentations, layers).iter().map(|name| explained(name)));
    }
    found.extend(resolved.warnings.iter().map(|warning| explained(warning)));
    names(evidence, &mut found);
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

/// A program without layers still has its run to tell of, if that is told.
fn layers(looked: &Looked, run_is_told: bool) -> Option<Problem> {
    let (name, notes) = (&looked.name, looked.layers.as_ref()?);
    if notes.is_empty() && !run_is_told {
        let hint = "run `otel-rs bootstrap` in its project and build it again";
        return Some(problem(format!("`{name}` was built without layers, so it has nothing to tell"), hint));
    }
    let other = notes.iter().find(|note| note.wire_version != wire::VERSION)?;
    let text = format!(
        "`{name}` was built with another otel-rs: its layers speak wire version {}, this one {}",
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
        let file = self.0.settings.iter().find(|setting| setting.env == CONFIG_FILE)?;
        (!file.shown.is_empty()).then_some(&file.shown)
    }

    fn set(&self, name: &str, value: &str) -> String {
        self.file().map_or_else(|| format!("set `{name}` to `{value}`"), |file| format!("correct it in `{file}`"))
    }

    fn origin(&self, name: &str) -> Option<Origin> {
        self.0.settings.iter().find(|setting| setting.env == name).map(|setting| setting.origin)
    }
}

fn exporters(resolved: &Resolved, found: &mut Vec<Problem>) {
    let config = &resolved.config;
    let empty = [
        ("spans are", "OTEL_TRACES_EXPORTER", config.traces.processors.is_empty()),
        ("metrics are", "OTEL_METRICS_EXPORTER", config.metrics.readers.is_empty()),
        ("log records are", "OTEL_LOGS_EXPORTER", config.logs.processors.is_empty()),
    ];
    let remedy = Remedy(resolved);
    for (what, name, _) in empty.into_iter().filter(|(.., is_empty)| *is_empty) {
        let text = match remedy.file() {
            Some(file) => format!("no {what} exported: `{file}` names no exporter for them"),
            None => format!("no {what} exported: their exporter is `none`"),
        };
        found.push(problem(text, &remedy.set(name, "otlp")));
    }
}

fn sampler(resolved: &Resolved, found: &mut Vec<Problem>) {
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let (name, ratio) = (resolved.config.sampler.name, resolved.config.sampler.ratio);
    let takes_ratio = name.ends_with("traceidratio");
    let remedy = Remedy(resolved);
    let on = &remedy.set("OTEL_TRACES_SAMPLER", "parentbased_always_on");
    match name {
        "always_off" => found.push(problem("no spans are exported: the sampler is `always_off`", on)),
        "parentbased_always_off" => found.push(problem(
            "no trace begins here: the sampler `parentbased_always_off` takes only those that a caller has sampled",
            on,
        )),
        _ if takes_ratio && ratio == 0.0 => {
            found.push(problem(format!("no spans are exported: `{name}` samples a share of 0"), on));
        }
        _ if takes_ratio && remedy.origin(ARGUMENT) == Some(Origin::Default) => found.push(problem(
            format!("the sampler `{name}` has no share to sample, so it takes everything"),
            "set `OTEL_TRACES_SAMPLER_ARG` to a number between 0 and 1",
        )),
        _ if !takes_ratio && remedy.origin(ARGUMENT).is_some_and(|origin| origin != Origin::Default) => {
            found.push(problem(
                format!("`{ARGUMENT}` has no effect: the sampler `{name}` takes no share"),
                "set `OTEL_TRACES_SAMPLER` to `parentbased_traceidratio`",
            ));
        }
        _ => {}
    }
}

/// More in one export than may wait for it is a contradiction; the queue's size counts, as the specification says.
fn batches(resolved: &Resolved, found: &mut Vec<Problem>) {
    let kinds = [
        ("BSP", "spans", &resolved.config.traces.processors),
        ("BLRP", "log records", &resolved.config.logs.processors),
    ];
    for (kind, what, processors) in kinds {
        let Some(batch) = processors.iter().map(|processor| processor.batch).find(|batch| batch.size > batch.queue)
        else {
            continue;
        };
        let text = format!(
            "an export may hold {} {what}, but only {} may wait for it, so none will ever be full",
            batch.size, batch.queue
        );
        let (size, queue) = (format!("OTEL_{kind}_MAX_EXPORT_BATCH_SIZE"), batch.queue.to_string());
        found.push(problem(text, &Remedy(resolved).set(&size, &queue)));
    }
}

fn endpoints(exports: &[Export], found: &mut Vec<Problem>) {
    found.extend(exports.iter().filter_map(|export| export.page.as_ref()).map(|error| explained(error)));
    let mut by_text: Vec<(String, String, Vec<&str>)> = Vec::new();
    for export in exports {
        let Some((otlp, answer)) = &export.otlp else { continue };
        found.extend(without_effect(otlp).filter(|problem| !found.contains(problem)));
        let about = About { endpoint: &otlp.endpoint, spoken: otlp.protocol, written: &otlp.written };
        let Some((text, hint)) = about.trouble(answer) else { continue };
        match by_text.iter_mut().find(|(known, ..)| *known == text) {
            Some((.., whats)) => whats.push(export.what),
            None => by_text.push((text, hint, vec![export.what])),
        }
    }
    for (text, hint, whats) in by_text {
        let whats = match whats.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            whats => whats.concat(),
        };
        found.push(problem(format!("{whats} do not arrive: {text}"), &hint));
    }
}

/// Files for TLS where there is none: whoever set them believes that what is sent there is encrypted.
fn without_effect(otlp: &Otlp) -> Option<Problem> {
    let Tls { certificate, client_certificate, client_key } = &otlp.tls;
    let files = [
        (OtlpSetting::Certificate, certificate),
        (OtlpSetting::ClientCertificate, client_certificate),
        (OtlpSetting::ClientKey, client_key),
    ];
    let set: Vec<String> =
        files.iter().filter(|(_, file)| file.is_some()).map(|(what, _)| otlp.written.name(*what)).collect();
    if set.is_empty() || otlp.endpoint.is_https() {
        return None;
    }
    let endpoint = otlp.endpoint.redacted();
    let text = format!("no TLS is spoken with `{endpoint}`, so these have no effect: {}", set.join(", "));
    Some(problem(text, &format!("begin {} with `https://`", otlp.written.name(OtlpSetting::Endpoint))))
}

/// An endpoint, how it is spoken to, and where that is written.
struct About<'a> {
    endpoint: &'a Endpoint,
    spoken: Protocol,
    written: &'a SettingOrigin,
}

impl About<'_> {
    /// What is wrong with it, and what would be right.
    fn trouble(&self, answer: &ProbeResult) -> Option<(String, String)> {
        let About { endpoint, spoken, written } = *self;
        // Without the path: who is not there or speaks another language is so for all of them.
        let server = endpoint.server();
        // The port is a hint only where nobody answers as they should.
        let usual = match (spoken, endpoint.url().port()) {
            (Protocol::HttpProtobuf | Protocol::HttpJson, Some(4317)) => Some("grpc"),
            (Protocol::Grpc, Some(4318)) => Some("http/protobuf"),
            _ => None,
        };
        let spoken = protocol(spoken);
        let other = if spoken == "grpc" { "http/protobuf" } else { "grpc" };
        let endpoint = endpoint.redacted();
        let correct = |what| format!("correct {}", written.name(what));
        Some(match answer {
            ProbeResult::Accepts => return None,
            ProbeResult::ExporterUnusable(reason, hint) => {
                (reason.clone(), hint.clone().unwrap_or_else(|| correct(OtlpSetting::Certificate)))
            }
            ProbeResult::TlsFailed(reason) => (
                format!("TLS with `{server}` does not come about: {reason}"),
                format!(
                    "set {} to the certificate of its authority (PEM), and a client certificate if it asks for one",
                    written.name(OtlpSetting::Certificate)
                ),
            ),
            ProbeResult::NoAnswer(reason) => (
                format!("nobody answers at `{server}`: {reason}"),
                match usual {
                    Some(usual) => format!("start a collector there; its port is that of `{usual}`, not of `{spoken}`"),
                    None => format!("start a collector there, or {}", correct(OtlpSetting::Endpoint)),
                },
            ),
            ProbeResult::ProxyFailed { proxy, variable, reason } => (
                format!("the proxy `{proxy}` does not lead to `{server}`: {reason}"),
                format!("correct `{variable}`, or name the collector's host in `NO_PROXY`"),
            ),
            ProbeResult::OtherProtocol => (
                format!("`{server}` speaks `{other}`, but is spoken to in `{spoken}`"),
                written.set(OtlpSetting::Protocol, other),
            ),
            ProbeResult::NotOtlp => {
                (format!("who answers at `{server}` is no OTLP receiver"), correct(OtlpSetting::Endpoint))
            }
            ProbeResult::Rejects(status @ (401 | 403)) => {
                (format!("`{endpoint}` wants to know who we are: {status}"), correct(OtlpSetting::Headers))
            }
            ProbeResult::Rejects(status @ (404 | 405)) => (
                format!("no OTLP receiver is at `{endpoint}`: {status}"),
                format!("{}; receivers are usually at `/v1/traces` and the like", correct(OtlpSetting::Endpoint)),
            ),
            ProbeResult::Rejects(status) => {
                (format!("`{endpoint}` refuses an empty export: {status}"), "look into the collector's log".into())
            }
        })
    }
}

/// Variables that are set and not read as they were meant.
fn names(evidence: &Evidence<'_>, found: &mut Vec<Problem>) {
    let resolved = evidence.resolved;
    let remedy = Remedy(resolved);
    let file = remedy.file();
    let ours = |name: &str| VARIABLES.iter().any(|variable| variable.env == name);
    let set: Vec<(String, bool)> = evidence
        .environment
        .iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().trim().is_empty()))
        .filter(|(name, _)| name.starts_with("OTEL_"))
        .collect();
    for (name, is_empty) in &set {
        if ours(name) && *is_empty && file.is_none() {
            found.push(problem(format!("`{name}` is empty, which counts as not set"), "set it or unset it"));
        } else if !ours(name)
            && !FOREIGN.contains(&name.as_str())
            && let Some(meant) = meant(name)
        {
            found.push(problem(
                format!("`{name}` is no variable that otel-rs reads"),
                &format!("did you mean `{meant}`?"),
            ));
        }
    }
    // A file that cannot be used may refer to more than was read of it.
    if let Some(file) = file
        && resolved.unusable_file.is_none()
    {
        let has_effect = |name: &String| name == CONFIG_FILE || resolved.asked.contains(name);
        let others = set.iter().filter(|(name, is_empty)| ours(name) && !is_empty && !has_effect(name));
        let names: Vec<_> = others.map(|(name, _)| format!("`{name}`")).collect();
        if !names.is_empty() {
            found.push(problem(
                format!("`{file}` counts alone and does not refer to {}", names.join(", ")),
                "refer to a variable in the file as `${NAME}`",
            ));
        }
    }
}

/// The variable that a misspelt name is closest to.
fn meant(name: &str) -> Option<&'static str> {
    let distance = |variable: &str| strsim::damerau_levenshtein(name, variable);
    let closest = VARIABLES.iter().map(|variable| variable.env).min_by_key(|variable| distance(variable))?;
    (distance(closest) <= TYPO).then_some(closest)
}
