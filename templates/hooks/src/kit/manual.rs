//! Spans that the program makes by itself, with OpenTelemetry's API.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::attribute::{self, key, Attribute, Value};
use crate::clock::now;
use crate::context::Context;
use crate::scope::Scope;
use crate::span::{Chosen, Domain, Span};
use crate::wire::{SpanKind, SpanStatus};

/// What a span starts with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: SpanKind,
    /// The scope that the program named: name, version, schema URL.
    pub scope: (&'a str, Option<&'a str>, Option<&'a str>),
    /// When it starts; absent, now.
    pub time: Option<SystemTime>,
    /// What else the program chooses by itself.
    pub chosen: Chosen,
}

/// A span that the program makes, or its handle of one that it did not make. A span of its own ends when this is dropped.
#[derive(Debug)]
pub struct ManualSpan {
    context: Context,
    /// The span, if it is of its own and has not ended.
    open: Option<Span>,
    is_recording: bool,
    is_ok: bool,
    /// When it ends if nothing else is known.
    end: Option<SystemTime>,
}

/// Bytes of attributes in one record, and of those that are recorded with the start.
const ROOM: usize = 20 << 10;
const START_ROOM: usize = 12 << 10;
/// Longest name of a span, and of anything that names a scope.
const NAME: usize = 4 << 10;
const SCOPE_TEXT: usize = 1 << 10;

impl ManualSpan {
    /// Starts a span of the program's own. If it is not sampled, it has a context, and records nothing.
    pub fn start(
        scope: &'static Scope,
        parent: Context,
        start: &Start<'_>,
        attributes: &[Attribute<'_>],
    ) -> ManualSpan {
        let parent = parent.or_of_process();
        let above = parent.ids();
        let (name, version, schema) = start.scope;
        let version = version.map(|text| cut(text, SCOPE_TEXT));
        let schema = schema.map(|text| cut(text, SCOPE_TEXT));
        let mut all = [(key::SPAN_NAME, Value::None); 5 + WITH_START];
        let own = [
            (key::SPAN_NAME, cut(start.name, NAME).into()),
            (key::SPAN_KIND, Value::Int(start.kind as i64)),
            (key::SCOPE_NAME, cut(name, SCOPE_TEXT).into()),
            (key::SCOPE_VERSION, version.into()),
            (key::SCOPE_SCHEMA_URL, schema.into()),
        ];
        let fit = fitting(attributes, START_ROOM).min(WITH_START);
        let (first, rest) = attributes.split_at(fit);
        all.iter_mut().zip(own.iter().chain(first)).for_each(|(slot, attribute)| *slot = *attribute);
        let time = start.time.map_or_else(now, nanoseconds);
        let span = Span::start_as(scope, Domain::Internal, parent, time, start.chosen, &all);
        let context = span.context().clone();
        // Where traces are only passed on, the context is the parent's, which is another's to record.
        let is_recording = context.is_recording() && context.ids() != above;
        let manual = ManualSpan { context, open: Some(span), is_recording, is_ok: false, end: None };
        manual.set(rest);
        manual
    }

    /// A handle of the span of that context, which somebody else ends.
    pub fn of(context: Context) -> ManualSpan {
        let is_recording = context.is_recording();
        ManualSpan { context, open: None, is_recording, is_ok: false, end: None }
    }

    /// The context that makes this span the current one, also after its end.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whether what is set is recorded. It is not once the span has ended.
    pub fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Sets attributes, in as many records as they take.
    pub fn set(&self, mut attributes: &[Attribute<'_>]) {
        while self.is_recording && !attributes.is_empty() {
            let (now, later) = attributes.split_at(fitting(attributes, ROOM).max(1));
            self.context.set(now);
            attributes = later;
        }
    }

    /// Gives the span another name.
    pub fn rename(&self, name: &str) {
        self.set(&[(key::SPAN_NAME, cut(name, NAME).into())]);
    }

    /// Sets the status to ok, which is final.
    pub fn succeed(&mut self) {
        self.set(&[(key::SPAN_STATUS, Value::Int(SpanStatus::Ok as i64))]);
        self.is_ok |= self.is_recording;
    }

    /// Sets the status to an error, unless it is ok.
    pub fn fail(&self, description: &str) {
        if !self.is_ok {
            let status = (key::SPAN_STATUS, Value::Int(SpanStatus::Error as i64));
            self.set(&[status, (key::ERROR_MESSAGE, description.into())]);
        }
    }

    /// Adds an event.
    pub fn event(&self, name: &str, time: SystemTime, attributes: &[Attribute<'_>]) {
        if self.is_recording {
            let fit = fitting(attributes, ROOM);
            self.context.event_at(cut(name, NAME), nanoseconds(time), attributes.get(..fit).unwrap_or(&[]));
        }
    }

    /// Links the span with another one.
    pub fn link(&self, to: &Context, attributes: &[Attribute<'_>]) {
        if self.is_recording {
            let fit = fitting(attributes, ROOM);
            self.context.link(to, attributes.get(..fit).unwrap_or(&[]));
        }
    }

    /// Names the time at which it ends if it is dropped.
    pub fn ends(&mut self, time: Option<SystemTime>) {
        self.end = time;
    }

    /// Ends the span, if it is of the program's own.
    pub fn end(&mut self, time: SystemTime) {
        if let Some(span) = self.open.take() {
            self.is_recording = false;
            span.end_at(nanoseconds(time), &[]);
        }
    }
}

impl Drop for ManualSpan {
    fn drop(&mut self) {
        if let Some(time) = self.end {
            self.end(time);
        }
    }
}

/// Attributes of the program's that a start record may hold.
const WITH_START: usize = 16;

/// How many of the attributes fit into so many bytes.
fn fitting(attributes: &[Attribute<'_>], room: usize) -> usize {
    let mut bytes = 0;
    let fits = |attribute: &&Attribute<'_>| {
        bytes += attribute::size(&[**attribute]).0;
        bytes <= room
    };
    attributes.iter().take_while(fits).count()
}

/// So many bytes of a text at most.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

/// Nanoseconds since 1970; 0 before then.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Key;
    use std::time::Duration;

    #[test]
    fn attributes_are_split_into_records_that_have_room() {
        let long = "x".repeat(8 << 10);
        let attributes = [(Key::Named("k"), Value::from(long.as_str())); 5];
        assert_eq!((fitting(&attributes, ROOM), fitting(&attributes, START_ROOM), fitting(&attributes, 9)), (2, 1, 0));
        assert_eq!(fitting(&[], ROOM), 0);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(
            (cut("short", 9), cut("h\u{e9}", 2), cut("h\u{e9}", 3), cut("\u{e9}", 0)),
            ("short", "h", "h\u{e9}", "")
        );
    }

    #[test]
    fn times_outside_of_the_range_are_bounded() {
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::new(1, 5)), 1_000_000_005);
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_secs(9)), 0);
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::from_secs(1 << 40)), u64::MAX);
    }

    #[test]
    fn a_span_that_has_ended_records_no_more() {
        let mut span = ManualSpan::of(Context::EMPTY);
        (span.open, span.is_recording) = (Some(Span::of_test()), true);
        span.succeed();
        assert!(span.is_ok && span.is_recording());
        span.end(UNIX_EPOCH);
        assert!(!span.is_recording() && span.open.is_none());
        // A handle of another's span does not end it.
        let mut handle = ManualSpan::of(Context::EMPTY);
        handle.is_recording = true;
        handle.end(UNIX_EPOCH);
        assert!(handle.is_recording());
    }
}
