//! A finished span as the exporters take it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::attributes::attribute::into_sdk;
use crate::attributes::limits;
use crate::config::SpanLimits;
use crate::conventions::{self, Described};
use crate::records::assemble::FinishedSpan;
use crate::records::facts::Facts;
use crate::signals::metrics::data::Origin;
use crate::wire::key;

/// Makes the SDK's span of a finished one, its `facts` and their description by the conventions, within its limits.
pub(crate) fn data(
    span: &FinishedSpan,
    facts: &Facts<'_>,
    mut described: Described<'_>,
    limits: &SpanLimits,
) -> SpanData {
    let dropped = limits::attributes(&mut described.attributes, limits.attributes, limits.value_length);
    let mut events = SpanEvents::default();
    for (time, part) in span.events().iter().take(limits.events) {
        let (name, mut attributes) = conventions::event(span.attributes(*part));
        let dropped = limits::attributes(&mut attributes, limits.event_attributes, limits.value_length);
        events.events.push(Event::new(name.into_string(), at(*time), into_sdk(attributes), dropped));
    }
    let beyond = span.events().len().saturating_sub(limits.events);
    events.dropped_count = span.dropped_events.saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX));
    let mut links = SpanLinks::default();
    let mut invalid = 0;
    for (_, part) in span.links().iter().take(limits.links) {
        let Some((linked, mut attributes)) = conventions::link(span.attributes(*part)) else {
            invalid += 1;
            continue;
        };
        let dropped = limits::attributes(&mut attributes, limits.link_attributes, limits.value_length);
        links.links.push(Link::new(linked, into_sdk(attributes), dropped));
    }
    let beyond = span.links().len().saturating_sub(limits.links) + invalid;
    links.dropped_count = span.dropped_links.saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX));
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(span.start.trace),
            SpanId::from_bytes(span.start.span),
            TraceFlags::new(span.start.flags),
            false,
            trace_state(facts),
        ),
        parent_span_id: SpanId::from_bytes(span.start.parent),
        parent_span_is_remote: span.start.parent_remote,
        span_kind: described.kind,
        name: described.name.into_sdk(),
        start_time: at(span.start.time),
        end_time: at(span.end),
        attributes: into_sdk(described.attributes),
        dropped_attributes_count: span.dropped_attributes.saturating_add(dropped),
        events,
        links,
        status: described.status,
        instrumentation_scope: (*span.scope).clone(),
    }
}

/// The trace state that came with the trace; empty when it is malformed, as W3C Trace Context requires (section 3.3).
fn trace_state(facts: &Facts<'_>) -> TraceState {
    facts.text(key::TRACE_STATE).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The origin of what was measured of a span.
pub(crate) fn origin(span: &FinishedSpan, read_at: SystemTime) -> Origin {
    Origin {
        trace: TraceId::from_bytes(span.start.trace),
        span: SpanId::from_bytes(span.start.span),
        is_sampled: span.start.flags & 1 == 1,
        at: at(span.end),
        read_at,
    }
}

/// Nanoseconds since 1970 as the SDK's time.
pub(crate) fn at(unix_ns: u64) -> SystemTime {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::budget::Budget;
    use crate::records::assemble::{Assembler, LogsInSpans};
    use crate::records::record::SpanStart;
    use crate::records::record::make::{self, Given};
    use crate::resource::testing::source;
    use crate::wire::{ProcessId, kind};

    /// A span with three attributes, and three events of two each.
    fn finished() -> FinishedSpan {
        let start = SpanStart {
            trace: [1; 16],
            span: [2; 8],
            parent: [0; 8],
            time: 10,
            scope: 0,
            domain: 0,
            flags: 1,
            parent_remote: false,
        };
        let facts = [Given::Named("a", "x€z"), Given::NamedInt("b", 12_345), Given::Named("c", "long")];
        let mut bytes = make::start(&start, &facts);
        for (time, name) in [(13, "third"), (11, "first"), (12, "second")] {
            let facts = [Given::Text(key::EVENT_NAME, name), Given::Named("k", "value"), Given::NamedInt("n", 1)];
            bytes.extend(make::span(kind::SPAN_EVENT, [2; 8], time, &facts));
        }
        bytes.extend(make::span(kind::SPAN_END, [2; 8], 20, &[]));
        assembled(&bytes)
    }

    /// The one span in these records.
    fn assembled(bytes: &[u8]) -> FinishedSpan {
        let mut assembler = Assembler::new(&Budget::new(64_000_000), LogsInSpans::default());
        assembler.attach(ProcessId(1), source(0, "test"), Box::new(|_| None));
        assembler.records(ProcessId(1), bytes).unwrap();
        let mut all = Vec::new();
        (0..2).for_each(|_| assembler.pass(ProcessId(1), &mut all));
        all.pop().unwrap()
    }

    #[test]
    fn links_are_valid_spans_within_the_limit() {
        let linked = |span: u8| {
            let mut bytes = [7; 26];
            bytes[16..24].fill(span);
            bytes[24..].copy_from_slice(&[1, 1]);
            bytes
        };
        let start = SpanStart {
            trace: [1; 16],
            span: [2; 8],
            parent: [0; 8],
            time: 10,
            scope: 0,
            domain: 0,
            flags: 1,
            parent_remote: false,
        };
        let mut bytes = make::start(&start, &[]);
        for (time, span) in [(12, 4), (11, 3), (13, 0), (14, 5), (15, 6)] {
            let facts = [
                Given::Bytes(key::LINKED, &linked(span)),
                Given::Text(key::TRACE_STATE, "a=1"),
                Given::Named("k", "v"),
            ];
            bytes.extend(make::span(kind::SPAN_LINK, [2; 8], time, &facts));
        }
        bytes.extend(make::span(kind::SPAN_END, [2; 8], 20, &[]));
        let finished = assembled(&bytes);
        let limits = SpanLimits {
            value_length: None,
            attributes: 128,
            events: 128,
            links: 4,
            event_attributes: 128,
            link_attributes: 128,
        };
        let described = conventions::describe(0, &finished.facts(), None, &conventions::Settings::default());
        let data = data(&finished, &finished.facts(), described, &limits);
        let spans: Vec<_> = data.links.iter().map(|link| link.span_context.span_id().to_bytes()[0]).collect();
        // One of those within the limit is no span, and one is beyond it.
        assert_eq!((spans, data.links.dropped_count), (vec![3, 4, 5], 2));
        let first = &data.links.links[0];
        assert!(first.span_context.is_remote() && first.span_context.is_sampled());
        assert_eq!(first.span_context.trace_state().header(), "a=1");
        assert_eq!(first.attributes, [opentelemetry::KeyValue::new("k", "v")]);
    }

    #[test]
    fn limits_hold_and_what_they_drop_is_counted() {
        const WIDE: SpanLimits = SpanLimits {
            value_length: None,
            attributes: 128,
            events: 128,
            links: 128,
            event_attributes: 128,
            link_attributes: 128,
        };
        let none: &[&str] = &[];
        // Limits, attributes, dropped, events, dropped, attributes of an event, dropped.
        let table = [
            (WIDE, ["x€z", "12345", "long"].as_slice(), 0, ["first", "second", "third"].as_slice(), 0, 2, 0),
            (
                SpanLimits { value_length: Some(2), ..WIDE },
                &["x€", "12345", "lo"],
                0,
                &["first", "second", "third"],
                0,
                2,
                0,
            ),
            (SpanLimits { attributes: 1, ..WIDE }, &["x€z"], 2, &["first", "second", "third"], 0, 2, 0),
            (SpanLimits { events: 2, ..WIDE }, &["x€z", "12345", "long"], 0, &["first", "second"], 1, 2, 0),
            (
                SpanLimits { event_attributes: 1, ..WIDE },
                &["x€z", "12345", "long"],
                0,
                &["first", "second", "third"],
                0,
                1,
                1,
            ),
            (SpanLimits { attributes: 0, events: 0, ..WIDE }, none, 3, none, 3, 0, 0),
        ];
        for (limits, attributes, dropped, events, dropped_events, event_attributes, event_dropped) in table {
            let finished = finished();
            let described = conventions::describe(0, &finished.facts(), None, &conventions::Settings::default());
            let data = data(&finished, &finished.facts(), described, &limits);
            let values: Vec<_> = data.attributes.iter().map(|kv| kv.value.as_str().into_owned()).collect();
            assert_eq!(
                (values.join(" "), data.dropped_attributes_count),
                (attributes.join(" "), dropped),
                "{limits:?}"
            );
            let names: Vec<_> = data.events.iter().map(|event| event.name.as_ref()).collect();
            assert_eq!((names.as_slice(), data.events.dropped_count), (events, dropped_events), "{limits:?}");
            for event in data.events.iter() {
                let found = (event.attributes.len(), event.dropped_attributes_count);
                assert_eq!(found, (event_attributes, event_dropped), "{limits:?}");
            }
        }
    }
}
