//! A span as OTLP has it.

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceState};

use super::protobuf::{attributes, begin, bytes, fixed32, fixed64, number};
use crate::attributes::limits;
use crate::config::SpanLimits;
use crate::conventions::{self, Described};
use crate::records::assemble::FinishedSpan;
use crate::records::facts::Facts;
use crate::wire::key;

/// `HAS_IS_REMOTE` and `IS_REMOTE` of OTLP's flags.
const IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Appends a finished span, its `facts` and their description by the conventions, within its limits. What it writes is
/// what [`data`](crate::signals::traces::data::data) makes of it.
pub(crate) fn span(
    to: &mut Vec<u8>,
    span: &FinishedSpan,
    facts: &Facts<'_>,
    described: &mut Described<'_>,
    limits: &SpanLimits,
) {
    let dropped = limits::attributes(&mut described.attributes, limits.attributes, limits.value_length);
    bytes(to, 1, &span.start.trace);
    bytes(to, 2, &span.start.span);
    if let Some(state) = facts.text(key::TRACE_STATE) {
        // What is malformed counts as none.
        let state: TraceState = state.parse().unwrap_or_default();
        bytes(to, 3, state.header().as_bytes());
    }
    if span.start.parent != [0; 8] {
        bytes(to, 4, &span.start.parent);
    }
    let (first, second) = (&described.name.first, described.name.second.as_deref());
    let length = first.len() + second.map_or(0, |second| 1 + second.len());
    if length > 0 {
        begin(to, 5, length);
        to.extend_from_slice(first.as_bytes());
        if let Some(second) = second {
            to.push(b' ');
            to.extend_from_slice(second.as_bytes());
        }
    }
    number(to, 6, kind(&described.kind));
    fixed64(to, 7, span.start.time);
    fixed64(to, 8, span.end);
    attributes(to, 9, &described.attributes);
    number(to, 10, span.dropped_attributes.saturating_add(dropped).into());
    events(to, span, limits);
    links(to, span, limits);
    status(to, &described.status);
    fixed32(to, 16, flags(span.start.parent_remote, span.start.flags));
}

fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn flags(is_remote: bool, flags: u8) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    IS_KNOWN | remote | u32::from(flags)
}

fn events(to: &mut Vec<u8>, span: &FinishedSpan, limits: &SpanLimits) {
    for (time, part) in span.events().iter().take(limits.events) {
        let (name, mut own) = conventions::event(span.attributes(*part));
        let dropped = limits::attributes(&mut own, limits.event_attributes, limits.value_length);
        message(to, 11, |to| {
            fixed64(to, 1, *time);
            bytes(to, 2, name.as_bytes());
            attributes(to, 3, &own);
            number(to, 4, dropped.into());
        });
    }
    let beyond = span.events().len().saturating_sub(limits.events);
    number(to, 12, span.dropped_events.saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX)).into());
}

fn links(to: &mut Vec<u8>, span: &FinishedSpan, limits: &SpanLimits) {
    let mut invalid = 0;
    for (_, part) in span.links().iter().take(limits.links) {
        let Some((linked, mut own)) = conventions::link(span.attributes(*part)) else {
            invalid += 1;
            continue;
        };
        let dropped = limits::attributes(&mut own, limits.link_attributes, limits.value_length);
        link(to, &linked, |to| {
            attributes(to, 4, &own);
            number(to, 5, dropped.into());
        });
    }
    let beyond = span.links().len().saturating_sub(limits.links) + invalid;
    number(to, 14, span.dropped_links.saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX)).into());
}

fn link(to: &mut Vec<u8>, linked: &SpanContext, rest: impl FnOnce(&mut Vec<u8>)) {
    message(to, 13, |to| {
        bytes(to, 1, &linked.trace_id().to_bytes());
        bytes(to, 2, &linked.span_id().to_bytes());
        bytes(to, 3, linked.trace_state().header().as_bytes());
        rest(to);
        fixed32(to, 6, flags(linked.is_remote(), linked.trace_flags().to_u8()));
    });
}

/// Always there, as from the SDK; without fields where nothing is set.
fn status(to: &mut Vec<u8>, status: &Status) {
    let (code, text) = match status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, description.as_ref()),
    };
    message(to, 15, |to| {
        bytes(to, 2, text.as_bytes());
        number(to, 3, code);
    });
}

/// A message within another. Its length is known only when it is written, and what precedes it follows then.
fn message(to: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    write(to);
    let length = to.len() - start;
    begin(to, field, length);
    let header = to.len() - start - length;
    to[start..].rotate_right(header);
}
