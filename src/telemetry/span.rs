//! A finished span as the SDK's exporters take it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::assemble::Finished;
use super::facts::Facts;
use super::semconv::{self, Described};
use crate::channel::wire::key;

/// Puts a span and what the conventions say about it together.
pub(crate) fn data(span: &Finished, described: Described) -> SpanData {
    let mut events = SpanEvents::default();
    for (time, part) in &span.events {
        let (name, attributes) = semconv::event(span.attributes(*part));
        events.events.push(Event::new(name, at(*time), attributes, 0));
    }
    events.dropped_count = span.dropped_events;
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(span.start.trace),
            SpanId::from_bytes(span.start.span),
            TraceFlags::new(span.start.flags),
            false,
            trace_state(&span.facts()),
        ),
        parent_span_id: SpanId::from_bytes(span.start.parent),
        parent_span_is_remote: span.start.parent_remote,
        span_kind: described.kind,
        name: described.name,
        start_time: at(span.start.time),
        end_time: at(span.end),
        attributes: described.attributes,
        dropped_attributes_count: span.dropped_attributes,
        events,
        links: SpanLinks::default(),
        status: described.status,
        instrumentation_scope: span.scope.clone(),
    }
}

/// What came with the trace; nothing when it is malformed, as W3C Trace Context asks (section 3.3).
fn trace_state(facts: &Facts<'_>) -> TraceState {
    facts.text(key::TRACE_STATE).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn at(unix_ns: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_ns)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanKind, Status};

    /// A span of one trace that started `id` milliseconds after 1970 and lasted one.
    pub(crate) fn span(id: u8, parent: u8, name: &'static str) -> SpanData {
        let start = u64::from(id) * 1_000_000;
        SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes([0xab; 16]),
                SpanId::from_bytes([id; 8]),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: SpanId::from_bytes([parent; 8]),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: at(start),
            end_time: at(start + 1_000_000),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("test").build(),
        }
    }
}
