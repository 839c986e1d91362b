//! Expectations of spans: `traces.require(server().named("GET /users/{id}").attr("http.response.status_code", 200))`.

use std::fmt;

use super::model::{Kind, Span, Value};

/// Everything that was received, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(pub(crate) Vec<Span>);

/// A description of a span.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanMatcher {
    checks: Vec<Check>,
}

#[derive(Clone, Debug)]
enum Check {
    Kind(Kind),
    Name(String),
    Attr(String, Value),
    Like(String, Value),
    Has(String),
    Without(String),
    Parent(String, String),
    Root,
    Trace(String),
    Error(bool),
    Scope(String),
    Version(String),
    Event(String),
    Links(Vec<(String, String)>),
}

/// A span of one kind.
pub(crate) fn of_kind(kind: Kind) -> SpanMatcher {
    span().with(Check::Kind(kind))
}

/// A span of any kind.
pub(crate) fn span() -> SpanMatcher {
    SpanMatcher::default()
}

/// A request served.
pub(crate) fn server() -> SpanMatcher {
    of_kind(Kind::Server)
}

/// A request sent, or a database operation.
pub(crate) fn client() -> SpanMatcher {
    of_kind(Kind::Client)
}

impl SpanMatcher {
    fn with(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    pub(crate) fn named(self, name: impl Into<String>) -> Self {
        self.with(Check::Name(name.into()))
    }

    pub(crate) fn attr(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(Check::Attr(key.to_owned(), value.into()))
    }

    /// The same, where `{}` in a text stands for any text.
    pub(crate) fn like(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(Check::Like(key.to_owned(), value.into()))
    }

    pub(crate) fn has(self, key: &str) -> Self {
        self.with(Check::Has(key.to_owned()))
    }

    pub(crate) fn without(self, key: &str) -> Self {
        self.with(Check::Without(key.to_owned()))
    }

    pub(crate) fn child_of(self, parent: &Span) -> Self {
        self.with(Check::Parent(parent.trace.clone(), parent.id.clone()))
    }

    /// A child of a span of another program, by its ids.
    pub(crate) fn child_of_remote(self, trace: &str, span: &str) -> Self {
        self.with(Check::Parent(trace.to_owned(), span.to_owned()))
    }

    pub(crate) fn root(self) -> Self {
        self.with(Check::Root)
    }

    pub(crate) fn in_trace(self, trace: &str) -> Self {
        self.with(Check::Trace(trace.to_owned()))
    }

    pub(crate) fn failed(self) -> Self {
        self.with(Check::Error(true))
    }

    pub(crate) fn not_failed(self) -> Self {
        self.with(Check::Error(false))
    }

    /// Recorded by the instrumentation of this crate, with a version.
    pub(crate) fn recorded_by(self, name: &str) -> Self {
        self.with(Check::Scope(name.to_owned()))
    }

    /// Recorded by an instrumentation of a crate in this version.
    pub(crate) fn in_version(self, version: &str) -> Self {
        self.with(Check::Version(version.to_owned()))
    }

    pub(crate) fn event(self, name: &str) -> Self {
        self.with(Check::Event(name.to_owned()))
    }

    /// Linked with these spans, in this order, and no others.
    pub(crate) fn linked_with(self, spans: &[&Span]) -> Self {
        self.with(Check::Links(spans.iter().map(|span| (span.trace.clone(), span.id.clone())).collect()))
    }

    /// What about the span is not as described.
    fn mismatches(&self, span: &Span) -> Vec<String> {
        self.checks.iter().filter(|check| !check.holds(span)).map(ToString::to_string).collect()
    }
}

impl Check {
    fn holds(&self, span: &Span) -> bool {
        match self {
            Self::Kind(kind) => span.kind == *kind,
            Self::Name(name) => span.name == *name,
            Self::Attr(key, value) => span.get(key) == Some(value),
            Self::Like(key, value) => span.get(key).is_some_and(|found| found.is_like(value)),
            Self::Has(key) => span.get(key).is_some(),
            Self::Without(key) => span.get(key).is_none(),
            Self::Parent(trace, id) => span.trace == *trace && span.parent == *id,
            Self::Root => span.parent.is_empty(),
            Self::Trace(trace) => span.trace == *trace,
            Self::Error(error) => span.error == *error,
            // The layer's own crate and its version from Cargo.lock.
            Self::Scope(name) => span.scope.0 == *name && span.scope.1.starts_with(|c: char| c.is_ascii_digit()),
            Self::Version(version) => span.scope.1 == *version,
            Self::Event(name) => span.events.iter().any(|(event, _)| event == name),
            Self::Links(links) => {
                let found = span.links.iter().map(|link| (&link.trace, &link.span));
                found.eq(links.iter().map(|(trace, span)| (trace, span)))
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "kind {kind:?}"),
            Self::Name(name) => write!(f, "named `{name}`"),
            Self::Attr(key, value) | Self::Like(key, value) => write!(f, "{key}={value}"),
            Self::Has(key) => write!(f, "with {key}"),
            Self::Without(key) => write!(f, "without {key}"),
            Self::Parent(trace, id) => write!(f, "child of {trace}/{id}"),
            Self::Root => write!(f, "without a parent"),
            Self::Trace(trace) => write!(f, "in trace {trace}"),
            Self::Error(true) => write!(f, "failed"),
            Self::Error(false) => write!(f, "not failed"),
            Self::Scope(name) => write!(f, "recorded by {name} with its version"),
            Self::Version(version) => write!(f, "with version {version}"),
            Self::Event(name) => write!(f, "with event {name}"),
            Self::Links(links) => {
                let links: Vec<_> = links.iter().map(|(trace, span)| format!("{trace}/{span}")).collect();
                write!(f, "linked with [{}]", links.join(", "))
            }
        }
    }
}

impl fmt::Display for SpanMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(ToString::to_string).collect();
        write!(f, "{}", checks.join(", "))
    }
}

impl Traces {
    pub(crate) fn all(&self, matcher: &SpanMatcher) -> Vec<Span> {
        self.0.iter().filter(|span| matcher.mismatches(span).is_empty()).cloned().collect()
    }

    /// The one span that is as described; fails if there is none, or more than one.
    #[track_caller]
    pub(crate) fn require(&self, matcher: SpanMatcher) -> Span {
        let mut found = self.find(1, &matcher).unwrap_or_else(|problem| panic!("{problem}"));
        found.remove(0)
    }

    /// Exactly so many spans that are as described.
    #[track_caller]
    pub(crate) fn require_count(&self, count: usize, matcher: SpanMatcher) -> Vec<Span> {
        self.find(count, &matcher).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Exactly so many spans that are as described, or what was received instead.
    pub(crate) fn find(&self, count: usize, matcher: &SpanMatcher) -> Result<Vec<Span>, String> {
        let found = self.all(matcher);
        match found.len() {
            exact if exact == count => Ok(found),
            0 if count == 1 => Err(format!("no span is: {matcher}\n{}", self.nearest(matcher))),
            many if count == 1 => Err(format!("{many} spans are: {matcher}\n{}", Traces(found))),
            other => Err(format!("{other} spans instead of {count} are: {matcher}\n{}", self.nearest(matcher))),
        }
    }

    #[track_caller]
    pub(crate) fn forbid(&self, matcher: SpanMatcher) {
        let found = self.all(&matcher);
        assert!(found.is_empty(), "no span may be: {matcher}\n{}", Traces(found));
    }

    /// The spans of one trace.
    pub(crate) fn trace(&self, trace: &str) -> Traces {
        Traces(self.all(&span().in_trace(trace)))
    }

    /// The spans with the fewest mismatches first, and what is wrong with each.
    fn nearest(&self, matcher: &SpanMatcher) -> String {
        let mut spans: Vec<_> = self.0.iter().map(|span| (matcher.mismatches(span), span)).collect();
        spans.sort_by_key(|(wrong, _)| wrong.len());
        let lines: Vec<_> =
            spans.iter().take(6).map(|(wrong, span)| format!("  not {}:\n    {span}", wrong.join(", not "))).collect();
        format!("of {} spans received, the nearest:\n{}", self.0.len(), lines.join("\n"))
    }
}

impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|span| writeln!(f, "  {span}"))
    }
}
