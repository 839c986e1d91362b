//! Spans as the tests see them.

use std::collections::BTreeMap;
use std::fmt;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Value>),
    Other(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Str(text.clone())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

/// Whether a text is as a pattern states, in which `{}` stands for any text.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("{}") else { return text == pattern };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|index| text.is_char_boundary(index) && is_like(&text[index..], rest))
}

impl Value {
    /// Whether the value is as stated, where `{}` in a text stands for any text.
    pub(crate) fn is_like(&self, stated: &Value) -> bool {
        match (self, stated) {
            (Self::Str(text), Self::Str(pattern)) => is_like(text, pattern),
            (Self::List(values), Self::List(all)) => {
                values.len() == all.len() && values.iter().zip(all).all(|(value, stated)| value.is_like(stated))
            }
            _ => self == stated,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) | Self::Other(text) => write!(f, "{text:?}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::List(values) => f.debug_list().entries(values.iter().map(ToString::to_string)).finish(),
        }
    }
}

pub(crate) type Attributes = BTreeMap<String, Value>;

pub(crate) fn attributes(pairs: &[KeyValue]) -> Attributes {
    pairs.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref()))).collect()
}

pub(crate) fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        Some(Any::StringValue(text)) => Value::Str(text.clone()),
        Some(Any::IntValue(number)) => Value::Int(*number),
        Some(Any::DoubleValue(number)) => Value::Float(*number),
        Some(Any::BoolValue(truth)) => Value::Bool(*truth),
        Some(Any::ArrayValue(list)) => Value::List(list.values.iter().map(|item| value(Some(item))).collect()),
        other => Value::Other(format!("{other:?}")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: none.
    pub(crate) parent: String,
    /// W3C tracestate, as it came.
    pub(crate) trace_state: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<(String, Attributes)>,
    /// When its events happened, in their order.
    pub(crate) event_times: Vec<u64>,
    pub(crate) links: Vec<Link>,
    pub(crate) error: bool,
    /// The status's number, 0 for none.
    pub(crate) status: i32,
    /// The status's description.
    pub(crate) message: String,
    pub(crate) scope: (String, String),
    pub(crate) resource: Attributes,
}

/// A span's link to another one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) trace_state: String,
    pub(crate) attributes: Attributes,
}

impl Span {
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Value::Str(text)) => text,
            other => panic!("`{key}` of {self} is {other:?}, not text"),
        }
    }

    pub(crate) fn millis(&self) -> u64 {
        self.end.saturating_sub(self.start) / 1_000_000
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = if self.parent.is_empty() { "none" } else { &self.parent };
        write!(f, "{:?} `{}` {}/{} parent {parent}", self.kind, self.name, self.trace, self.id)?;
        write!(f, " scope {} {}{}", self.scope.0, self.scope.1, if self.error { " ERROR" } else { "" })?;
        for link in &self.links {
            write!(f, " link {}/{}", link.trace, link.span)?;
        }
        for (key, value) in &self.attributes {
            write!(f, " {key}={value}")?;
        }
        for (name, attributes) in &self.events {
            write!(f, " [{name}")?;
            for (key, value) in attributes {
                write!(f, " {key}={value}")?;
            }
            write!(f, "]")?;
        }
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of one export request.
pub(crate) fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in &request.resource_spans {
        let resource =
            resource_spans.resource.as_ref().map(|resource| attributes(&resource.attributes)).unwrap_or_default();
        for scope_spans in &resource_spans.scope_spans {
            let scope = scope_spans.scope.clone().unwrap_or_default();
            for span in &scope_spans.spans {
                spans.push(one(span, (scope.name.clone(), scope.version.clone()), &resource));
            }
        }
    }
    spans
}

fn link(link: &proto::span::Link) -> Link {
    Link {
        trace: hex(&link.trace_id),
        span: hex(&link.span_id),
        trace_state: link.trace_state.clone(),
        attributes: attributes(&link.attributes),
    }
}

fn one(span: &proto::Span, scope: (String, String), resource: &Attributes) -> Span {
    use proto::span::SpanKind;
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        trace_state: span.trace_state.clone(),
        name: span.name.clone(),
        kind: match span.kind() {
            SpanKind::Internal => Kind::Internal,
            SpanKind::Server => Kind::Server,
            SpanKind::Client => Kind::Client,
            SpanKind::Producer => Kind::Producer,
            SpanKind::Consumer => Kind::Consumer,
            _ => Kind::Other,
        },
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(|event| (event.name.clone(), attributes(&event.attributes))).collect(),
        event_times: span.events.iter().map(|event| event.time_unix_nano).collect(),
        links: span.links.iter().map(link).collect(),
        message: span.status.as_ref().map(|status| status.message.clone()).unwrap_or_default(),
        status: span.status.as_ref().map_or(0, |status| status.code),
        error: span.status.as_ref().is_some_and(|status| status.code() == proto::status::StatusCode::Error),
        scope,
        resource: resource.clone(),
    }
}
