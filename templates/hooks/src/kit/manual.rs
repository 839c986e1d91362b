//! Spans that the program makes by itself, with OpenTelemetry's API.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::attribute::{self, key, Attribute, Key, Value};
use crate::clock::now;
use crate::context::{self, Context, Role};
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
    /// Whether the program made it for a request that has a span already, which it stands for.
    is_alias: bool,
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
    /// Starts a span of the program's own. If it is not sampled, it has a context, and records nothing. If it is a second
    /// span of the request that is served or sent, it stands for the first one.
    pub fn start(
        scope: &'static Scope,
        parent: Context,
        start: &Start<'_>,
        attributes: &[Attribute<'_>],
    ) -> ManualSpan {
        let kind = match same_request(scope, &parent, start, attributes) {
            Same::Request(request) => {
                let mut alias = ManualSpan::of(request);
                alias.is_alias = true;
                alias.set(attributes);
                return alias;
            }
            Same::Work => SpanKind::Internal,
            Same::No => start.kind,
        };
        let parent = parent.or_of_process();
        let above = parent.ids();
        let (name, version, schema) = start.scope;
        let version = version.map(|text| cut(text, SCOPE_TEXT));
        let schema = schema.map(|text| cut(text, SCOPE_TEXT));
        let mut all = [(key::SPAN_NAME, Value::None); 5 + WITH_START];
        let own = [
            (key::SPAN_NAME, cut(start.name, NAME).into()),
            (key::SPAN_KIND, Value::Int(kind as i64)),
            (key::SCOPE_NAME, cut(name, SCOPE_TEXT).into()),
            (key::SCOPE_VERSION, version.into()),
            (key::SCOPE_SCHEMA_URL, schema.into()),
        ];
        let fit = fitting(attributes, START_ROOM).min(WITH_START);
        let (first, rest) = attributes.split_at(fit);
        all.iter_mut().zip(own.iter().chain(first)).for_each(|(slot, attribute)| *slot = *attribute);
        let time = start.time.map_or_else(now, nanoseconds);
        let span = Span::start_as(scope, Domain::Internal, parent, time, start.chosen, &all);
        let mut context = span.context().clone();
        if kind == SpanKind::Client && !names_a_system(attributes) {
            context.role = Role::Client;
        }
        // Where traces are only passed on, the context is the parent's, which is another's to record.
        let is_recording = context.is_recording() && context.ids() != above;
        let manual = ManualSpan { context, open: Some(span), is_alias: false, is_recording, is_ok: false, end: None };
        manual.set(rest);
        manual
    }

    /// A handle of the span of that context, which somebody else ends.
    pub fn of(context: Context) -> ManualSpan {
        let is_recording = context.is_recording();
        ManualSpan { context, open: None, is_alias: false, is_recording, is_ok: false, end: None }
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

    /// Ends the span, if it is of the program's own. A request that it stands for goes on.
    pub fn end(&mut self, time: SystemTime) {
        self.is_recording &= !self.is_alias;
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

/// What a span that the program starts has to do with the request that an instrumentation records already.
enum Same {
    /// Nothing.
    No,
    /// It is below that request and of the kind that this one has: it is work for it.
    Work,
    /// It stands where that one does: below the same caller, or directly below it.
    Request(Context),
}

/// Whether the program starts a second span of the request that is served or sent now.
fn same_request(scope: &'static Scope, parent: &Context, start: &Start<'_>, attributes: &[Attribute<'_>]) -> Same {
    let is_server = start.kind == SpanKind::Server;
    let has_own_ids = start.chosen.trace.is_some() || start.chosen.span.is_some();
    if !is_server && start.kind != SpanKind::Client || has_own_ids || parent.is_muted() || !scope.enabled() {
        return Same::No;
    }
    same_as(&context::current(), parent, is_server, attributes)
}

fn same_as(now: &Context, parent: &Context, is_server: bool, attributes: &[Attribute<'_>]) -> Same {
    // A propagator of the program's own finds the caller's span in the headers: that is where the request's span is, too.
    let is_beside = is_server && parent.ids() == now.brought();
    let above = if is_beside || parent.ids() == now.ids() { now } else { parent };
    match above.role {
        Role::Served if is_server && !above.is_over() => Same::Request(above.clone()),
        Role::Handling if is_server && !above.is_over() => Same::Work,
        Role::Sent | Role::Call if !is_server && !names_a_system(attributes) => Same::Request(above.clone()),
        _ => Same::No,
    }
}

/// Whether the attributes name what is called, such as a database, for which an HTTP request is only the way there.
fn names_a_system(attributes: &[Attribute<'_>]) -> bool {
    attributes.iter().any(|(key, _)| match key {
        Key::Named(name) => {
            name.ends_with(".system") || name.ends_with(".system.name") || *name == "gen_ai.provider.name"
        }
        _ => false,
    })
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
    use crate::context::Live;
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
        // Nor does one that the program made for it, which records no more afterwards.
        handle.is_alias = true;
        handle.end(UNIX_EPOCH);
        assert!(!handle.is_recording());
    }

    /// A context with that span in trace 1; its request was brought by span 9 of another process.
    fn context(span: u8, role: Role) -> Context {
        let mut context = Context::of_test(span);
        context.role = role;
        context.brought = context::Ids { trace: [1; 16], span: [9; 8] };
        context
    }

    fn shown(same: Same) -> &'static str {
        match same {
            Same::No => "no",
            Same::Work => "work",
            Same::Request(request) if request.ids() == context(5, Role::Work).ids() => "request",
            Same::Request(_) => "another",
        }
    }

    #[test]
    fn a_request_that_has_a_span_gets_no_second_one() {
        let (current, caller, other) = (context(5, Role::Work), context(9, Role::Work), context(7, Role::Work));
        for (role, parent, server, client) in [
            (Role::Served, &current, "request", "no"),
            (Role::Served, &caller, "request", "no"),
            (Role::Served, &other, "no", "no"),
            (Role::Served, &Context::EMPTY, "no", "no"),
            (Role::Handling, &current, "work", "no"),
            (Role::Handling, &caller, "work", "no"),
            (Role::Handling, &other, "no", "no"),
            (Role::Sent, &current, "no", "request"),
            (Role::Sent, &caller, "no", "no"),
            (Role::Sent, &other, "no", "no"),
            (Role::Work, &current, "no", "no"),
            (Role::Call, &current, "no", "request"),
            (Role::Client, &current, "no", "no"),
        ] {
            let same = |is_server| shown(same_as(&context(5, role), parent, is_server, &[]));
            assert_eq!((same(true), same(false)), (server, client), "{role:?} {parent:?}");
        }
        // The program may pass the span on by itself.
        for (role, server, client) in
            [(Role::Served, "request", "no"), (Role::Handling, "work", "no"), (Role::Sent, "no", "request")]
        {
            let same = |is_server| shown(same_as(&Context::EMPTY, &context(5, role), is_server, &[]));
            assert_eq!((same(true), same(false)), (server, client), "{role:?}");
        }
        // Nobody brought a request of one without a caller.
        let mut first = context(5, Role::Served);
        first.brought = Context::EMPTY.ids();
        assert_eq!(shown(same_as(&first, &Context::EMPTY, true, &[])), "request");
    }

    #[test]
    fn a_request_that_is_over_has_nothing_to_be_added_to() {
        for (role, expected) in [(Role::Served, "request"), (Role::Handling, "work")] {
            let root = Live::claim([0xa5; 8]);
            let mut now = context(5, role);
            now.live = root;
            let same = || shown(same_as(&now, &context(5, Role::Work), true, &[]));
            assert_eq!(same(), expected);
            root.release();
            assert_eq!(same(), "no");
        }
    }

    #[test]
    fn a_call_of_another_system_is_no_request_by_itself() {
        let sent = || context(5, Role::Sent);
        for (name, expected) in [
            ("db.system", "no"),
            ("db.system.name", "no"),
            ("rpc.system", "no"),
            ("gen_ai.provider.name", "no"),
            ("http.request.method", "request"),
            ("system", "request"),
        ] {
            let same = same_as(&sent(), &sent(), false, &[(Key::Named(name), "x".into())]);
            assert_eq!(shown(same), expected, "{name}");
        }
    }
}
