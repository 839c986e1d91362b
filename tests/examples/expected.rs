//! `example/expected.toml`: the telemetry expected of an example, and its comparison with the received one.

use std::collections::BTreeMap;
use std::fmt;

use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::support::expect::{SpanMatcher, Traces, of_kind};
use crate::support::logs::Log;
use crate::support::metrics::{Metrics, Point, Series};
use crate::support::model::{Attributes, Kind, Span, Value, is_like};
use crate::support::source;

/// What a run of an example left.
pub(crate) struct Received {
    pub(crate) stdout: String,
    pub(crate) traces: Traces,
    pub(crate) metrics: Metrics,
    pub(crate) logs: Vec<Log>,
}

/// The file. `{}` in a text stands for any text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// Services that are started for the program.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// Variables that are set for the program and the launcher.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    stdout: String,
    /// All spans.
    #[serde(default)]
    span: Vec<ExpectedSpan>,
    /// Some of the metrics.
    #[serde(default)]
    metric: Vec<ExpectedMetric>,
    /// All log records.
    #[serde(default)]
    log: Vec<ExpectedLog>,
    /// The crate and its version.
    #[serde(skip)]
    of: (String, String),
    /// Whether there is no entry for this version.
    #[serde(skip)]
    is_empty: bool,
}

/// What spans, metrics and log records have in common.
#[derive(Deserialize)]
struct Common {
    /// Versions of the crate for which the entry is there. The entry is left out for others.
    versions: Option<VersionReq>,
    /// The instrumented crate. Its version is compared if it is the crate of the folder.
    scope: Option<String>,
    /// Attributes with these values.
    #[serde(default)]
    attributes: BTreeMap<String, toml::Value>,
    /// Attributes with any value.
    #[serde(default)]
    has: Vec<String>,
    /// Attributes that are absent.
    #[serde(default)]
    without: Vec<String>,
    /// Keys that an entry cannot have.
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct ExpectedSpan {
    /// A name for `parent` of other entries.
    id: Option<String>,
    name: String,
    kind: ExpectedKind,
    /// The `id` of an entry further up; none for a root.
    parent: Option<String>,
    /// The `id`s of entries further up that it is linked with, in this order; any links if that is not stated.
    links: Option<Vec<String>>,
    #[serde(default)]
    failed: bool,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default = "one")]
    count: usize,
    #[serde(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectedKind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Deserialize)]
struct ExpectedMetric {
    name: String,
    unit: Option<String>,
    /// Of a histogram.
    count: Option<u64>,
    /// Of a histogram.
    sum: Option<f64>,
    /// Of a counter, an up-down counter or a gauge.
    value: Option<f64>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct ExpectedLog {
    severity: String,
    body: String,
    /// The `id` of a span, or the own id of one that is not exported here; none for a record outside of any.
    span: Option<String>,
    #[serde(flatten)]
    common: Common,
}

fn one() -> usize {
    1
}

impl Expected {
    pub(crate) fn read(of: &str, version: &str) -> Result<Self, String> {
        let path = source("instrumentations").join(of).join("example/expected.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut expected: Self = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let spans = expected.span.iter().map(|entry| &entry.common);
        let metrics = expected.metric.iter().map(|entry| &entry.common);
        let mut all = spans.chain(metrics).chain(expected.log.iter().map(|entry| &entry.common));
        if let Some(key) = all.find_map(|common| common.unknown.keys().next()) {
            return Err(format!("{}: unknown key `{key}`", path.display()));
        }
        let is_now = |common: &Common| {
            let version = Version::parse(version).expect("`tested` holds versions");
            common.versions.as_ref().is_none_or(|versions| versions.matches(&version))
        };
        expected.span.retain(|entry| is_now(&entry.common));
        expected.metric.retain(|entry| is_now(&entry.common));
        expected.log.retain(|entry| is_now(&entry.common));
        expected.is_empty = expected.span.is_empty() && expected.metric.is_empty() && expected.log.is_empty();
        expected.of = (of.to_owned(), version.to_owned());
        Ok(expected)
    }

    /// Expects paths of sources as the compiler has them for a member of a workspace, whose folder they begin with.
    pub(crate) fn below(&mut self, folder: &str) {
        let spans = self.span.iter_mut().map(|entry| &mut entry.common);
        let logs = self.log.iter_mut().map(|entry| &mut entry.common);
        for common in spans.chain(logs) {
            if let Some(toml::Value::String(path)) = common.attributes.get_mut("code.file.path") {
                path.insert_str(0, folder);
            }
        }
    }

    /// What was not received as expected, or received without being expected.
    pub(crate) fn problems(&self, received: &Received) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_like(&received.stdout, &self.stdout) {
            problems.push(format!("stdout is:\n{}\ninstead of:\n{}", received.stdout, self.stdout));
        }
        if self.is_empty {
            problems.push("expected.toml has no span, metric or log record for this version".to_owned());
        }
        let spans = self.spans(&received.traces, &mut problems);
        problems.extend(self.metric.iter().filter_map(|metric| metric.problem(&self.of, &received.metrics)));
        self.logs(&received.logs, &spans, &mut problems);
        problems
    }

    /// Compares all spans. Returns those that have an id.
    fn spans(&self, traces: &Traces, problems: &mut Vec<String>) -> BTreeMap<&str, Span> {
        let mut ids = BTreeMap::<&str, Span>::new();
        let mut rest = traces.clone();
        for entry in &self.span {
            let parent = entry.parent.as_deref().map(|id| ids.get(id).ok_or(id)).transpose();
            let parent = match parent {
                Ok(parent) => parent,
                Err(id) => {
                    problems.push(format!("`{}` has no parent: no span is `{id}`", entry.name));
                    continue;
                }
            };
            let links = entry.links.as_ref().map(|links| links.iter().map(|id| ids.get(id.as_str()).ok_or(id)));
            let links = match links.map(Iterator::collect::<Result<Vec<_>, _>>).transpose() {
                Ok(links) => links,
                Err(id) => {
                    problems.push(format!("`{}` lacks a link: no span is `{id}`", entry.name));
                    continue;
                }
            };
            let matcher = entry.matcher(&self.of, parent, links.as_deref());
            match traces.find(entry.count, &matcher) {
                Ok(found) => {
                    rest.0.retain(|span| !found.iter().any(|found| found.id == span.id));
                    if let (Some(id), Some(first)) = (entry.id.as_deref(), found.into_iter().next()) {
                        ids.insert(id, first);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !rest.0.is_empty() {
            problems.push(format!("{} spans are not in expected.toml:\n{rest}", rest.0.len()));
        }
        ids
    }

    /// Compares all log records, in their order.
    fn logs(&self, logs: &[Log], spans: &BTreeMap<&str, Span>, problems: &mut Vec<String>) {
        if logs.len() != self.log.len() {
            problems.push(format!("{} log records instead of {}:\n{}", logs.len(), self.log.len(), Lines(logs)));
        }
        for (entry, log) in self.log.iter().zip(logs) {
            let wrong = entry.mismatches(&self.of, log, spans);
            if !wrong.is_empty() {
                problems.push(format!(
                    "the log record is not {}:\n{}",
                    wrong.join(", not "),
                    Lines(std::slice::from_ref(log))
                ));
            }
        }
    }
}

impl ExpectedSpan {
    fn matcher(&self, of: &(String, String), parent: Option<&Span>, links: Option<&[&Span]>) -> SpanMatcher {
        let kind = of_kind(match self.kind {
            ExpectedKind::Internal => Kind::Internal,
            ExpectedKind::Server => Kind::Server,
            ExpectedKind::Client => Kind::Client,
            ExpectedKind::Producer => Kind::Producer,
            ExpectedKind::Consumer => Kind::Consumer,
        });
        let named = kind.named(&self.name);
        let mut matcher = parent.map_or_else(|| named.clone().root(), |parent| named.clone().child_of(parent));
        matcher = if self.failed { matcher.failed() } else { matcher.not_failed() };
        matcher = links.into_iter().fold(matcher, SpanMatcher::linked_with);
        if let Some(scope) = &self.common.scope {
            matcher = matcher.recorded_by(scope);
            matcher = if *scope == of.0 { matcher.in_version(&of.1) } else { matcher };
        }
        matcher = self.events.iter().fold(matcher, |matcher, event| matcher.event(event));
        let values = self.common.values();
        matcher = values.into_iter().fold(matcher, |matcher, (key, value)| matcher.like(key, value));
        matcher = self.common.has.iter().fold(matcher, |matcher, key| matcher.has(key));
        self.common.without.iter().fold(matcher, |matcher, key| matcher.without(key))
    }
}

impl ExpectedMetric {
    fn problem(&self, of: &(String, String), metrics: &Metrics) -> Option<String> {
        let named = metrics.all(&self.name, &[]);
        let wrong: Vec<_> = named.iter().map(|series| (self.mismatches(of, series), series)).collect();
        match wrong.iter().filter(|(wrong, _)| wrong.is_empty()).count() {
            1 => None,
            0 if named.is_empty() => {
                let others: std::collections::BTreeSet<_> =
                    metrics.series().map(|series| series.name.as_str()).collect();
                Some(format!("no metric is named {}; received: {others:?}", self.name))
            }
            count => {
                let line = |(wrong, series): &(Vec<String>, &Series)| match wrong[..] {
                    [] => format!("  {series}"),
                    _ => format!("  not {}:\n    {series}", wrong.join(", not ")),
                };
                let lines: Vec<_> = wrong.iter().map(line).collect();
                let matcher = self.common.values();
                let matcher: Vec<_> = matcher.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                Some(format!(
                    "{count} series of {}{} are as expected:\n{}",
                    self.name,
                    matcher.concat(),
                    lines.join("\n")
                ))
            }
        }
    }

    fn mismatches(&self, of: &(String, String), series: &Series) -> Vec<String> {
        let mut wrong = self.common.mismatches(of, (&series.scope, &series.scope_version), &series.attributes);
        wrong.extend(self.unit.as_ref().filter(|unit| **unit != series.unit).map(|unit| format!("in `{unit}`")));
        let (count, sum, value) = match series.point {
            Point::Histogram { count, sum, .. } | Point::Exponential { count, sum, .. } => {
                (Some(count), Some(sum), None)
            }
            Point::Sum { value, .. } | Point::Gauge(value) => (None, None, Some(value)),
        };
        let differs = |expected: Option<f64>, found: Option<f64>| expected.filter(|expected| Some(*expected) != found);
        wrong.extend(self.count.filter(|expected| Some(*expected) != count).map(|count| format!("count {count}")));
        wrong.extend(differs(self.sum, sum).map(|sum| format!("sum {sum}")));
        wrong.extend(differs(self.value, value).map(|value| format!("value {value}")));
        wrong
    }
}

impl ExpectedLog {
    fn mismatches(&self, of: &(String, String), log: &Log, spans: &BTreeMap<&str, Span>) -> Vec<String> {
        let mut wrong = self.common.mismatches(of, (&log.scope.0, &log.scope.1), &log.attributes);
        if log.severity.1 != self.severity {
            wrong.push(format!("severity {}", self.severity));
        }
        let body = Value::from(&self.body);
        if !log.body.is_like(&body) {
            wrong.push(format!("body {body}"));
        }
        let span = self.span.as_deref().map(|id| spans.get(id).map_or(id, |span| span.id.as_str()));
        if span.unwrap_or("") != log.span {
            wrong.push(format!("in span {}", self.span.as_deref().unwrap_or("none")));
        }
        wrong
    }
}

impl Common {
    fn values(&self) -> Vec<(&str, Value)> {
        self.attributes.iter().map(|(key, stated)| (key.as_str(), value(stated))).collect()
    }

    fn mismatches(&self, of: &(String, String), scope: (&str, &str), attributes: &Attributes) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(expected) = &self.scope {
            let has_version = *expected != of.0 || scope.1 == of.1;
            if scope.0 != expected || !has_version {
                wrong.push(format!("of scope {expected}{}", if has_version { "" } else { " in its version" }));
            }
        }
        for (key, value) in self.values() {
            if !attributes.get(key).is_some_and(|found| found.is_like(&value)) {
                wrong.push(format!("{key}={value}"));
            }
        }
        let has = self.has.iter().filter(|key| !attributes.contains_key(*key));
        wrong.extend(has.map(|key| format!("with {key}")));
        let without = self.without.iter().filter(|key| attributes.contains_key(*key));
        wrong.extend(without.map(|key| format!("without {key}")));
        wrong
    }
}

fn value(stated: &toml::Value) -> Value {
    match stated {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::Int(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(truth) => Value::Bool(*truth),
        toml::Value::Array(values) => Value::List(values.iter().map(value).collect()),
        other => Value::Other(other.to_string()),
    }
}

/// Log records, a line each.
struct Lines<'a>(&'a [Log]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|log| {
            write!(f, "  {} {} span {} scope {} {}", log.severity.1, log.body, log.span, log.scope.0, log.scope.1)?;
            log.attributes.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))?;
            writeln!(f)
        })
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stdout:\n{}\nspans:\n{}\nmetrics:\n{}\n", self.stdout, self.traces, self.metrics)?;
        write!(f, "log records:\n{}", Lines(&self.logs))
    }
}
