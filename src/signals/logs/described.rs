//! What is exported of a log record: it borrows from the record.

use std::borrow::Cow;

use opentelemetry::logs::Severity;
use opentelemetry_semantic_conventions::attribute as name;

use crate::attributes::attribute::Text;
use crate::attributes::limits;
use crate::config::LogLimits;
use crate::conventions;
use crate::records::assemble::CompleteRecord;
use crate::records::facts::Facts;
use crate::records::record::LogHeader;
use crate::records::value::FactValue;
use crate::redact;
use crate::wire::key;

/// A log record within its limits, without its secrets.
#[derive(Debug)]
pub(crate) struct DescribedLog<'a> {
    pub(crate) severity: Option<Severity>,
    /// Whether it belongs to a span.
    pub(crate) has_span: bool,
    pub(crate) body: Option<Text<'a>>,
    pub(crate) attributes: Vec<(Cow<'a, str>, LogValue<'a>)>,
    /// Attributes that found no room in the record or are beyond its limits.
    pub(crate) dropped_attributes: u32,
    /// The record's target, by which the specification's data model names its scope.
    pub(crate) target: Option<Cow<'a, str>>,
}

/// The value of an attribute of a log record.
#[derive(Debug)]
pub(crate) enum LogValue<'a> {
    Text(Text<'a>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Items may be of several types.
    List(Vec<LogValue<'a>>),
}

/// Describes a record; `facts` are its own, and `baggage` are patterns of entries that become attributes.
pub(crate) fn described<'a>(
    logged: &'a CompleteRecord<LogHeader>,
    facts: &Facts<'a>,
    log_limits: &LogLimits,
    baggage: &[String],
) -> DescribedLog<'a> {
    let log = &logged.header;
    // A panic has no other message than its exception's.
    let message = || named(facts, name::EXCEPTION_MESSAGE).map(|value| value.text());
    let body = facts.text(key::LOG_BODY).or_else(message);
    let known = [(key::CODE_FILE, name::CODE_FILE_PATH), (key::CODE_LINE, name::CODE_LINE_NUMBER)];
    let known = known.into_iter().filter_map(|(key, name)| Some((name.into(), facts.get(key)?)));
    let mut dropped_attributes = u32::from(log.left_out);
    let is_error = log.severity >= ERROR;
    let exception = if is_error { conventions::logged_error(facts) } else { None };
    let exception = exception.map(|value| (name::EXCEPTION_MESSAGE.into(), value));
    let around = logged.span_fields();
    let is_free = |name: &str| named(facts, name).is_none();
    let mut entries = conventions::baggage(facts, baggage);
    entries.retain(|(key, _)| is_free(key) && !around.iter().any(|(name, _)| name == key));
    let around = around.into_iter().filter(|(name, _)| is_free(name)).map(|(name, value)| (name.into(), value));
    let length = log_limits.value_length;
    let recorded = known.chain(facts.named()).chain(exception).chain(around);
    let recorded = recorded.map(|(name, value)| {
        let value = LogValue::of(&name, value, length);
        (name, value)
    });
    let entries = entries.into_iter().map(|(key, value)| {
        let value = LogValue::text(&key, value.into(), length);
        (key.into(), value)
    });
    let mut attributes = Vec::new();
    for attribute in recorded.chain(entries) {
        if attributes.len() >= log_limits.attributes {
            dropped_attributes += 1;
            continue;
        }
        attributes.push(attribute);
    }
    DescribedLog {
        severity: severity(log.severity),
        has_span: log.trace != [0; 16] && log.span != [0; 8],
        body: body.map(|body| Text::from(body).cleaned(redact::message)),
        attributes,
        dropped_attributes,
        target: facts.text(key::LOG_TARGET),
    }
}

/// The least severity of an error, as OpenTelemetry numbers it.
const ERROR: u8 = 17;

fn named<'a>(facts: &Facts<'a>, wanted: &str) -> Option<FactValue<'a>> {
    facts.named().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

impl<'a> LogValue<'a> {
    fn text(name: &str, text: Text<'a>, length: Option<usize>) -> LogValue<'a> {
        if redact::is_secret_attribute(name) {
            return LogValue::Text(redact::REDACTED.into());
        }
        let text = text.cleaned(redact::message);
        let short = limits::text(&text, length).len();
        LogValue::Text(if short < text.len() { text[..short].to_owned().into() } else { text })
    }

    fn of(name: &str, value: FactValue<'a>, length: Option<usize>) -> LogValue<'a> {
        match value {
            FactValue::Bool(truth) => LogValue::Bool(truth),
            FactValue::Bytes(_) => LogValue::text(name, value.text().into(), length),
            _ if redact::is_secret_attribute(name) => LogValue::Text(redact::REDACTED.into()),
            FactValue::Int(number) => LogValue::Int(number),
            FactValue::Float(number) => LogValue::Float(number),
            FactValue::List(_) => LogValue::List(value.items().map(|item| LogValue::of(name, item, length)).collect()),
        }
    }
}

/// The first name of each range of four; the hooks write no other.
fn severity(number: u8) -> Option<Severity> {
    Some(match number {
        1..=4 => Severity::Trace,
        5..=8 => Severity::Debug,
        9..=12 => Severity::Info,
        13..=16 => Severity::Warn,
        17..=20 => Severity::Error,
        21..=24 => Severity::Fatal,
        _ => return None,
    })
}
