//! A log record as OTLP has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use opentelemetry::InstrumentationScope;

use super::protobuf::{Any, bytes, fixed32, fixed64, named, number};
use crate::config::LogLimits;
use crate::records::assemble::CompleteRecord;
use crate::records::record::LogHeader;
use crate::signals::logs::described::{DescribedLog, LogValue, described};

/// Targets whose scopes are remembered.
const MAX_TARGETS: usize = 1024;

/// Encodes log records.
pub(crate) struct LogEncoder {
    limits: LogLimits,
    /// Patterns of entries of baggage that become attributes.
    baggage: Vec<String>,
    /// Scopes by their targets.
    scopes: HashMap<Box<str>, Arc<InstrumentationScope>, foldhash::fast::RandomState>,
    /// The encoded record that is at hand.
    message: Vec<u8>,
}

impl LogEncoder {
    pub(crate) fn new(limits: LogLimits, baggage: Vec<String>) -> LogEncoder {
        LogEncoder { limits, baggage, scopes: HashMap::default(), message: Vec::new() }
    }

    /// A record within its limits, and its scope.
    pub(crate) fn encode(&mut self, logged: &CompleteRecord<LogHeader>) -> (Arc<InstrumentationScope>, &[u8]) {
        let observed = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let facts = logged.facts();
        let described = described(logged, &facts, &self.limits, &self.baggage);
        let scope = match &described.target {
            Some(target) => self.scope(target),
            None => Arc::clone(&logged.scope),
        };
        self.message.clear();
        log_record(&mut self.message, &logged.header, &described, u64::try_from(observed).unwrap_or(u64::MAX));
        (scope, &self.message)
    }

    /// The scope that is named by a target.
    fn scope(&mut self, target: &str) -> Arc<InstrumentationScope> {
        if let Some(known) = self.scopes.get(target) {
            return Arc::clone(known);
        }
        if self.scopes.len() >= MAX_TARGETS {
            self.scopes.clear();
        }
        let scope = Arc::new(InstrumentationScope::builder(target.to_owned()).build());
        self.scopes.insert(target.into(), Arc::clone(&scope));
        scope
    }
}

/// Appends a log record that was read at `observed`, in nanoseconds since 1970. What it writes is what
/// [`data`](crate::signals::logs::data) makes of it.
fn log_record(to: &mut Vec<u8>, header: &LogHeader, described: &DescribedLog<'_>, observed: u64) {
    fixed64(to, 1, header.time);
    if let Some(severity) = described.severity {
        number(to, 2, severity as u64);
        bytes(to, 3, severity.name().as_bytes());
    }
    if let Some(body) = &described.body {
        Any::Text(body).field(to, 5);
    }
    for (name, value) in &described.attributes {
        match value {
            LogValue::List(items) => {
                let items: Vec<Any<'_>> = items.iter().map(simple).collect();
                named(to, 6, name, Any::Values(&items));
            }
            other => named(to, 6, name, simple(other)),
        }
    }
    number(to, 7, described.dropped_attributes.into());
    if described.has_span {
        fixed32(to, 8, header.flags.into());
        bytes(to, 9, &header.trace);
        bytes(to, 10, &header.span);
    }
    fixed64(to, 11, observed);
}

/// A value that is no list. Lists hold none.
fn simple<'a>(value: &'a LogValue<'_>) -> Any<'a> {
    match value {
        LogValue::Text(text) => Any::Text(text),
        LogValue::Int(number) => Any::Int(*number),
        LogValue::Float(number) => Any::Float(*number),
        LogValue::Bool(truth) => Any::Bool(*truth),
        LogValue::List(_) => Any::Values(&[]),
    }
}
