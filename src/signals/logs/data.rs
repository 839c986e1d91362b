//! A log record as the exporters take it.

use std::time::SystemTime;

use opentelemetry::logs::{AnyValue, LogRecord as _};
use opentelemetry::{InstrumentationScope, SpanId, TraceFlags, TraceId};
use opentelemetry_sdk::logs::SdkLogRecord;

use super::described::{DescribedLog, LogValue, described};
use crate::config::LogLimits;
use crate::records::assemble::CompleteRecord;
use crate::records::record::LogHeader;
use crate::signals::traces::data;

/// A log record as it is exported.
#[derive(Debug, Clone)]
pub(crate) struct LogData {
    pub(crate) record: SdkLogRecord,
    /// Named by the record's target, as the specification's data model demands for the name of a logger.
    pub(crate) scope: InstrumentationScope,
    /// Attributes that found no room in the record or are beyond its limits.
    pub(crate) dropped_attributes: u32,
    /// Bytes that the record holds on the heap, roughly.
    pub(crate) weight: usize,
}

/// Fills `record` within its limits. `baggage` are patterns of entries that become attributes.
pub(super) fn data(
    mut record: SdkLogRecord,
    logged: &CompleteRecord<LogHeader>,
    log_limits: &LogLimits,
    baggage: &[String],
) -> LogData {
    let (log, facts) = (&logged.header, logged.facts());
    let DescribedLog { severity, has_span, body, attributes, dropped_attributes, target } =
        described(logged, &facts, log_limits, baggage);
    record.set_timestamp(data::at(log.time));
    // Always set: the exporter refuses a record without.
    record.set_observed_timestamp(SystemTime::now());
    if let Some(severity) = severity {
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
    }
    if has_span {
        let (trace, id) = (TraceId::from_bytes(log.trace), SpanId::from_bytes(log.span));
        record.set_trace_context(trace, id, Some(TraceFlags::new(log.flags)));
    }
    let mut weight = 0;
    if let Some(body) = body {
        weight += body.len();
        record.set_body(AnyValue::from(body.into_string()));
    }
    for (name, value) in attributes {
        let text = if let LogValue::Text(text) = &value { text.len() } else { 0 };
        weight += name.len() + text + size_of::<(opentelemetry::Key, AnyValue)>();
        record.add_attribute(name.into_owned(), any(value));
    }
    let scope = match target {
        Some(target) => InstrumentationScope::builder(target.into_owned()).build(),
        None => (*logged.scope).clone(),
    };
    LogData { record, scope, dropped_attributes, weight }
}

fn any(value: LogValue<'_>) -> AnyValue {
    match value {
        LogValue::Text(text) => AnyValue::from(text.into_string()),
        LogValue::Int(number) => number.into(),
        LogValue::Float(number) => number.into(),
        LogValue::Bool(truth) => truth.into(),
        LogValue::List(items) => AnyValue::ListAny(Box::new(items.into_iter().map(any).collect())),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use opentelemetry::logs::{Logger as _, LoggerProvider as _};
    use opentelemetry_sdk::logs::SdkLoggerProvider;

    use super::*;
    use crate::bounds::budget::Budget;
    use crate::records::assemble::{Assembler, LogsInSpans};
    use crate::records::record::LogHeader;
    use crate::records::record::make::{self, Given};
    use crate::resource::testing::source;
    use crate::wire::ProcessId;

    /// A record as the hooks write it, on its way out.
    pub(crate) fn made(log: &LogHeader, facts: &[Given<'_>], limits: &LogLimits) -> LogData {
        let mut assembler = Assembler::new(&Budget::new(64_000_000), LogsInSpans::default());
        let marker = |id| (id == 4).then(|| b"otel-rs:layer:1|log|0.4.35|0.1.0|\n".to_vec());
        assembler.attach(ProcessId(1), source(0, "test"), Box::new(marker));
        assembler.records(ProcessId(1), &make::log(log, facts)).unwrap();
        let maker = SdkLoggerProvider::builder().build().logger("test");
        data(maker.create_log_record(), &assembler.logged[0], limits, &["tenant".to_owned()])
    }

    pub(crate) const LOG: LogHeader =
        LogHeader { trace: [1; 16], span: [2; 8], time: 3, scope: 4, flags: 1, severity: 13, left_out: 0 };
    pub(crate) const NO_LIMITS: LogLimits = LogLimits { value_length: None, attributes: 128 };
}

#[cfg(test)]
mod tests {
    use opentelemetry::logs::Severity;

    use super::testing::{LOG, NO_LIMITS, made};
    use super::*;
    use crate::records::record::LogHeader;
    use crate::records::record::make::Given;
    use crate::wire::key;

    #[test]
    fn a_record_s_facts_are_all_exported_and_redacted() {
        let facts = [
            Given::Text(key::LOG_BODY, "cannot reach http://u:hunter2@db/"),
            Given::Text(key::LOG_TARGET, "shop::orders"),
            Given::Text(key::CODE_FILE, "src/orders.rs"),
            Given::Int(key::CODE_LINE, 7),
            Given::NamedInt("order", 71),
            Given::NamedInt("pin", 1234),
            Given::Named("api_key", "hunter2"),
            Given::Named("login", "password=hunter2"),
            Given::Text(key::BAGGAGE, "tenant=token%3Dhunter2,other=1"),
        ];
        let LogData { record, scope, weight, .. } = made(&LOG, &facts, &NO_LIMITS);
        assert_eq!(record.body(), Some(&AnyValue::from("cannot reach http://REDACTED:REDACTED@db/")));
        assert_eq!((record.severity_number(), record.severity_text()), (Some(Severity::Warn), Some("WARN")));
        let context = record.trace_context().unwrap();
        assert_eq!((context.trace_id, context.span_id), (TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8])));
        assert_eq!(record.timestamp(), Some(data::at(3)));
        assert!(record.observed_timestamp().is_some());
        let attributes: Vec<_> = record.attributes_iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let expected: [(&str, AnyValue); 7] = [
            ("code.file.path", "src/orders.rs".into()),
            ("code.line.number", 7.into()),
            ("order", 71.into()),
            ("pin", "REDACTED".into()),
            ("api_key", "REDACTED".into()),
            ("login", "password=REDACTED".into()),
            ("tenant", "token=REDACTED".into()),
        ];
        assert_eq!(attributes, expected);
        assert_eq!((scope.name(), scope.version()), ("shop::orders", None));
        assert!(weight > 50);
    }

    #[test]
    fn an_error_in_a_record_of_an_error_is_an_exception() {
        let error = LogHeader { severity: 17, ..LOG };
        let exception = |log: &LogHeader, facts: &[Given<'_>]| {
            let LogData { record, .. } = made(log, facts, &NO_LIMITS);
            let mut attributes = record.attributes_iter().map(|(key, value)| (key.as_str().to_owned(), value.clone()));
            attributes.find(|(name, _)| name == "exception.message").map(|(_, value)| value)
        };
        let (given, io) = (|name| [Given::Named(name, "no route, password=hunter2")], "no route, password=REDACTED");
        for field in ["error", "err", "exception"] {
            assert_eq!(exception(&error, &given(field)), Some(io.into()), "{field}");
        }
        let both = [Given::Named("err", "second"), Given::Named("error", "first")];
        assert_eq!(exception(&error, &both), Some("first".into()));
        let own = [Given::Named("exception.message", "own"), Given::Named("error", "another")];
        assert_eq!(exception(&error, &own), Some("own".into()));
        // No error, or none of an error.
        assert_eq!(exception(&error, &given("errors")), None);
        assert_eq!(exception(&error, &[Given::NamedInt("error", 7)]), None);
        assert_eq!(exception(&LOG, &given("error")), None);
        let LogData { record, dropped_attributes, .. } =
            made(&error, &given("error"), &LogLimits { attributes: 1, ..NO_LIMITS });
        assert_eq!((record.attributes_iter().count(), dropped_attributes), (1, 1));
    }

    #[test]
    fn an_exception_without_another_message_is_named_by_its_own() {
        let facts = [Given::Named("exception.message", "password=hunter2 is wrong")];
        let LogData { record, .. } = made(&LOG, &facts, &NO_LIMITS);
        assert_eq!(record.body(), Some(&AnyValue::from("password=REDACTED is wrong")));
    }

    #[test]
    fn missing_facts_are_left_out() {
        let outside = LogHeader { trace: [0; 16], span: [0; 8], severity: 0, ..LOG };
        let LogData { record, scope, .. } = made(&outside, &[], &NO_LIMITS);
        assert_eq!((record.body(), record.severity_number()), (None, None));
        assert!(record.trace_context().is_none());
        assert_eq!((scope.name(), scope.version()), ("log", Some("0.4.35")));
    }

    /// Two limits, how many attributes they cost, and those that stay.
    type Row = (usize, Option<usize>, u32, Vec<(&'static str, AnyValue)>);

    #[test]
    fn limits_apply_to_attributes_and_not_to_the_message() {
        let facts = [
            Given::Text(key::LOG_BODY, "hello"),
            Given::Text(key::CODE_FILE, "main.rs"),
            Given::Named("a", "x€z"),
            Given::NamedInt("b", 12_345),
        ];
        let table: [Row; 3] = [
            (3, None, 2, vec![("code.file.path", "main.rs".into()), ("a", "x€z".into()), ("b", 12_345.into())]),
            (2, Some(2), 3, vec![("code.file.path", "ma".into()), ("a", "x€".into())]),
            (0, Some(2), 5, vec![]),
        ];
        let log = LogHeader { left_out: 2, ..LOG };
        for (attributes, value_length, dropped, expected) in table {
            let LogData { record, dropped_attributes, .. } =
                made(&log, &facts, &LogLimits { value_length, attributes });
            assert_eq!(dropped_attributes, dropped);
            let found: Vec<_> = record.attributes_iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            assert_eq!(found, expected);
            assert_eq!(record.body(), Some(&AnyValue::from("hello")));
        }
    }
}
