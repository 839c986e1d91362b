//! Spans: started, updated, ended. Each step is one record; the launcher puts them together.

mod role;
mod sample;

use crate::attribute::{key, Attribute, Value};
use crate::clock::now;
use crate::context::{self, flag, Context, Live, Role};
use crate::scope::Scope;
use crate::{ids, ring, settings, wire};

pub use wire::Domain;

/// What a program chooses of a span by itself; whatever is absent is chosen as for any other span.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen {
    /// The trace's id, for a span without a parent.
    pub trace: Option<[u8; 16]>,
    /// The span's id.
    pub span: Option<[u8; 8]>,
    /// Whether it is sampled.
    pub is_sampled: Option<bool>,
}

/// The class of error of what a panic ends, and of the panic itself.
pub(crate) const PANIC: &str = "panic";

/// The class of error of what is dropped before its end: a panic's if there is one.
pub(crate) fn panic_or(otherwise: &'static str) -> &'static str {
    if std::thread::panicking() {
        PANIC
    } else {
        otherwise
    }
}

/// An open span. Dropping it ends it, with an error if the thread is panicking; a dormant one does nothing.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    context: Context,
    root: Live,
}

impl Span {
    /// A span that does nothing.
    pub const NONE: Span = Span { context: Context::EMPTY, root: Live::NEVER };

    /// Starts a span as a child of the thread's current span; without one, as a child of the process's own parent, if the
    /// launcher named one.
    #[inline]
    pub fn start(scope: &'static Scope, domain: Domain, attributes: &[Attribute<'_>]) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        context::with_current_or_process(|parent| begin(scope, domain, parent, now(), Chosen::default(), attributes))
    }

    /// Starts a span as a child of `parent`, or as the root of a new trace when `parent` is empty. For work that came
    /// from outside: a server's requests take their parent from their headers, never from the thread or the process.
    #[inline]
    pub fn start_with_parent(
        scope: &'static Scope,
        domain: Domain,
        parent: Context,
        attributes: &[Attribute<'_>],
    ) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        begin(scope, domain, &parent, now(), Chosen::default(), attributes)
    }

    /// Starts a span at a time that the program gives, in nanoseconds since 1970. Otherwise as [`start_with_parent`](
    /// Self::start_with_parent).
    pub fn start_at(
        scope: &'static Scope,
        domain: Domain,
        parent: Context,
        time: u64,
        attributes: &[Attribute<'_>],
    ) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        begin(scope, domain, &parent, time, Chosen::default(), attributes)
    }

    /// The same with what the program chooses by itself.
    pub(crate) fn start_as(
        scope: &'static Scope,
        domain: Domain,
        parent: Context,
        time: u64,
        chosen: Chosen,
        attributes: &[Attribute<'_>],
    ) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        begin(scope, domain, &parent, time, chosen, attributes)
    }

    /// A request that the user excluded: nothing is recorded of it, and the work below it is never
    /// sampled, here or in the services it calls.
    pub fn non_recording(scope: &'static Scope, parent: Context) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        let (trace, span) = made_ids(&parent);
        let root = Live::claim(span);
        let flags = flag::MUTED | flag::NOT_RECORDED;
        let context = Context { trace, span, flags, remote: false, role: Role::Work, live: root, ..parent };
        Span { context, root }
    }

    /// A span of a test: open, and recorded nowhere.
    #[cfg(test)]
    pub(crate) fn of_test() -> Span {
        Span::of_test_with(1)
    }

    /// The same with an id.
    #[cfg(test)]
    pub(crate) fn of_test_with(id: u8) -> Span {
        Span { context: Context { trace: [1; 16], span: [id; 8], ..Context::EMPTY }, root: Live::NEVER }
    }

    /// Whether the span does nothing.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.context.is_empty()
    }

    /// The context that makes this span the current one.
    #[inline]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Sets attributes of the span; a later value of the same key replaces the earlier one.
    #[inline]
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        self.context.set(attributes);
    }

    /// Ends the span with final attributes.
    #[inline]
    pub fn end(mut self, attributes: &[Attribute<'_>]) {
        if !self.context.is_empty() {
            self.finish(now(), attributes);
        }
    }

    /// Ends the span at a time that the program gives, in nanoseconds since 1970.
    pub fn end_at(mut self, time: u64, attributes: &[Attribute<'_>]) {
        if !self.context.is_empty() {
            self.finish(time, attributes);
        }
    }

    #[inline(never)]
    fn finish(&mut self, time: u64, attributes: &[Attribute<'_>]) {
        self.root.release();
        if self.context.is_recorded() {
            ring::write_span(wire::kind::SPAN_END, self.context.span, time, attributes);
        }
        // No span any more.
        self.context.span = [0; 8];
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if !self.context.is_empty() {
            let error = [(key::ERROR_TYPE, PANIC.into())];
            self.finish(now(), if std::thread::panicking() { &error } else { &[] });
        }
    }
}

impl Context {
    /// Whether records may be written about its span.
    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        !self.is_empty() && !self.remote && self.flags & flag::NOT_RECORDED == 0
    }

    /// Whether what is set of its span may be exported.
    pub fn is_recording(&self) -> bool {
        self.is_recorded() && self.is_sampled()
    }

    /// Sets attributes of the span this context belongs to.
    #[inline]
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        if self.is_recorded() {
            ring::write_span(wire::kind::SPAN_UPDATE, self.span, now(), attributes);
        }
    }

    /// Adds an event to the span this context belongs to. At most 15 attributes; more are left out.
    pub fn event(&self, name: &str, attributes: &[Attribute<'_>]) {
        if self.is_recorded() {
            self.event_at(name, now(), attributes);
        }
    }

    /// The same at a time that the program gives, in nanoseconds since 1970.
    pub fn event_at(&self, name: &str, time: u64, attributes: &[Attribute<'_>]) {
        if !self.is_recorded() {
            return;
        }
        let mut all = [(key::EVENT_NAME, Value::None); 16];
        for (slot, attribute) in all.iter_mut().skip(1).zip(attributes) {
            *slot = *attribute;
        }
        if let Some(first) = all.first_mut() {
            *first = (key::EVENT_NAME, name.into());
        }
        ring::write_span(wire::kind::SPAN_EVENT, self.span, time, &all);
    }

    /// Links the span this context belongs to with that of another one. At most 14 attributes; more are left out.
    pub fn link(&self, to: &Context, attributes: &[Attribute<'_>]) {
        if !self.is_recorded() || to.is_empty() {
            return;
        }
        let mut linked = [0; 26];
        let ids = to.trace.iter().chain(&to.span).copied().chain([to.flags & flag::W3C, u8::from(to.remote)]);
        linked.iter_mut().zip(ids).for_each(|(slot, byte)| *slot = byte);
        let mut all = [(key::LINKED, Value::None); 16];
        let state = to.carried.as_deref().map_or(&[][..], |carried| &carried.tracestate);
        let state = if state.is_empty() { Value::None } else { state.into() };
        let own = [(key::LINKED, linked[..].into()), (key::TRACE_STATE, state)];
        all.iter_mut().zip(own.iter().chain(attributes)).for_each(|(slot, attribute)| *slot = *attribute);
        ring::write_span(wire::kind::SPAN_LINK, self.span, now(), &all);
    }
}

/// A span that is not recorded, as the API behaves without an SDK: work below it becomes a child of the parent that
/// this span would have had.
fn pass_on(parent: Context, id: [u8; 8]) -> Span {
    if parent.is_empty() {
        return Span::NONE;
    }
    if !parent.remote || parent.live != Live::NEVER {
        return Span { context: parent, root: Live::NEVER };
    }
    let root = Live::claim(id);
    Span { context: Context { live: root, ..parent }, root }
}

/// A span that has begun, and whose start is to be recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    scope: &'static Scope,
    domain: Domain,
    time: u64,
    /// The span that it is a child of, and whether that is another process's.
    parent: [u8; 8],
    is_parent_remote: bool,
}

impl Begun {
    /// Records the start of the span with that context. `written` are attributes that are written already, and how many they
    /// are; they come first.
    #[inline]
    pub(crate) fn record(&self, context: &Context, written: [(&[u8], u16); 2], attributes: &[Attribute<'_>]) {
        let start = ring::SpanStart {
            trace: context.trace,
            span: context.span,
            parent: self.parent,
            time: self.time,
            domain: self.domain as u8,
            flags: context.flags & flag::W3C,
            parent_remote: self.is_parent_remote,
            trace_state: context.carried.as_deref().map_or(&[], |carried| &carried.tracestate),
            baggage: context.baggage_to_record(),
        };
        ring::write_start(self.scope, &start, written, attributes);
    }
}

#[inline(never)]
fn begin(
    scope: &'static Scope,
    domain: Domain,
    parent: &Context,
    time: u64,
    chosen: Chosen,
    attributes: &[Attribute<'_>],
) -> Span {
    let (span, begun) = prepare(scope, domain, parent, time, chosen);
    if let Some(begun) = begun {
        begun.record(&span.context, [(&[], 0); 2], attributes);
    }
    span
}

/// The ids of a new span: its parent's trace, or a new one, and its own.
#[inline]
fn made_ids(parent: &Context) -> ([u8; 16], [u8; 8]) {
    if parent.is_empty() {
        ids::trace_and_span_id()
    } else {
        (parent.trace, ids::span_id())
    }
}

/// Begins a span, without a record of its start; `None` where none is to be recorded.
#[inline]
pub(crate) fn prepare(
    scope: &'static Scope,
    domain: Domain,
    parent: &Context,
    time: u64,
    chosen: Chosen,
) -> (Span, Option<Begun>) {
    let (trace, id) = made_ids(parent);
    let id = chosen.span.filter(|id| *id != [0; 8]).unwrap_or(id);
    if settings::pass_on() {
        return (pass_on(parent.clone(), id), None);
    }
    let (trace, flags) = if parent.is_empty() {
        let trace = chosen.trace.filter(|id| *id != [0; 16]).unwrap_or(trace);
        (trace, u8::from(sample::root(&trace, parent)))
    } else {
        (trace, parent.flags & flag::W3C & !flag::SAMPLED | u8::from(sample::child(parent)))
    };
    let flags = chosen.is_sampled.map_or(flags, |sampled| flags & !flag::SAMPLED | u8::from(sampled));
    let flags = match parent.flags & flag::MUTED {
        0 => flags | parent.flags & (flag::DEBUG | flag::DECIDED),
        muted => flags & !flag::SAMPLED | muted,
    };
    let flags = if domain == Domain::HttpClient { flags | flag::REQUEST } else { flags };
    // A server request, and whatever has no local parent, is a root within this process.
    let root = if parent.is_empty() || parent.remote { Live::claim(id) } else { Live::NEVER };
    let live = if root == Live::NEVER { parent.live } else { root };
    let begun = Begun { scope, domain, time, parent: parent.span, is_parent_remote: parent.remote };
    let role = Role::of(domain, parent);
    if matches!(role, Role::Sent | Role::Call) && parent.role == Role::Client {
        // The call as the program sees it; its requests are those that are sent.
        parent.set(&[(key::SPAN_KIND, (wire::SpanKind::Internal as i64).into())]);
    }
    let mut span = Span { context: parent.clone(), root };
    let Context { trace: of, span: own, flags: bits, remote, role: is, live: open, .. } = &mut span.context;
    (*of, *own, *bits, *remote, *is, *open) = (trace, id, flags, false, role, live);
    (span, Some(begun))
}
