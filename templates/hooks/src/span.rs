//! Spans: started, told about, ended. Each step is one record; the launcher puts them together.

use std::sync::atomic::{AtomicU32, AtomicU8, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::attribute::{key, Attribute};
use crate::context::{self, flag, Context};
use crate::live::Live;
use crate::{attach, random, ring, sample, settings, wire};

pub use wire::Domain;

/// The instrumented crate and its version. Each layer has one, made by the layer writer; its marker text stays in the
/// binary and tells `otel-rs inspect` which layers it carries.
#[derive(Debug)]
pub struct Scope {
    marker: &'static str,
    id: AtomicU32,
    /// Whether the user lets it speak, once that is known.
    enabled: AtomicU8,
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

impl Scope {
    /// A scope with its marker, see [`wire::LAYER_MARKER`].
    pub const fn new(marker: &'static str) -> Scope {
        Scope { marker, id: AtomicU32::new(0), enabled: AtomicU8::new(UNKNOWN) }
    }

    /// Whether a launcher listens and the user lets this crate's instrumentation speak. Hooks that take a scope ask by
    /// themselves; advice asks before it does anything else that the program would not do without it.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        crate::active()
            && match self.enabled.load(Relaxed) {
                YES => true,
                NO => false,
                _ => self.resolve_enabled(),
            }
    }

    #[cold]
    fn resolve_enabled(&self) -> bool {
        let crate_name = self.marker.split('|').nth(1).unwrap_or("");
        let enabled = settings::get().map_or(true, |settings| settings.is_enabled(crate_name));
        self.enabled.store(if enabled { YES } else { NO }, Relaxed);
        enabled
    }

    /// The scope's id in the string table, or 0 while another thread is adding to the table.
    pub(crate) fn id(&self) -> u32 {
        let known = self.id.load(Relaxed);
        if known != 0 {
            return known;
        }
        let id = attach::intern(self.marker.as_bytes());
        self.id.store(id, Relaxed);
        id
    }

    pub(crate) fn marker(&self) -> &'static str {
        self.marker
    }
}

/// Unix time in nanoseconds.
#[inline]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// An open span. Dropping it ends it; a dormant one does nothing.
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
    /// launcher told of one.
    #[inline]
    pub fn start(scope: &'static Scope, domain: Domain, attributes: &[Attribute<'_>]) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        begin(scope, domain, context::current_or_process(), attributes)
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
        begin(scope, domain, parent, attributes)
    }

    /// A request that the user does not want to hear of: nothing is written about it, and the work below it is never
    /// sampled, here or in the services it calls.
    pub fn non_recording(scope: &'static Scope, parent: Context) -> Span {
        if !scope.enabled() {
            return Span::NONE;
        }
        let span = random::span_id();
        let trace = if parent.is_empty() { random::trace_id() } else { parent.trace };
        let root = Live::claim(span);
        let flags = flag::MUTED | flag::NOT_RECORDED;
        Span { context: Context { trace, span, flags, remote: false, live: root, ..parent }, root }
    }

    /// A span of a test: open, and recorded nowhere.
    #[cfg(test)]
    pub(crate) fn of_test() -> Span {
        Span { context: Context { trace: [1; 16], span: [1; 8], ..Context::EMPTY }, root: Live::NEVER }
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

    /// Says more about the span; a later value of the same key replaces the earlier one.
    #[inline]
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        self.context.set(attributes);
    }

    /// Ends the span with last words.
    #[inline]
    pub fn end(mut self, attributes: &[Attribute<'_>]) {
        if !self.context.is_empty() {
            self.finish(attributes);
        }
    }

    #[inline(never)]
    fn finish(&mut self, attributes: &[Attribute<'_>]) {
        self.root.release();
        if self.context.is_recorded() {
            ring::write_span(wire::kind::SPAN_END, self.context.span, now(), attributes);
        }
        self.context = Context::EMPTY;
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if !self.context.is_empty() {
            self.finish(&[]);
        }
    }
}

impl Context {
    /// Whether records may be written about its span.
    #[inline]
    fn is_recorded(&self) -> bool {
        !self.is_empty() && !self.remote && self.flags & flag::NOT_RECORDED == 0
    }

    /// Says more about the span this context belongs to.
    #[inline]
    pub fn set(&self, attributes: &[Attribute<'_>]) {
        if self.is_recorded() {
            ring::write_span(wire::kind::SPAN_UPDATE, self.span, now(), attributes);
        }
    }

    /// Adds an event to the span this context belongs to. At most 15 attributes; more are left out.
    pub fn event(&self, name: &str, attributes: &[Attribute<'_>]) {
        if !self.is_recorded() {
            return;
        }
        let mut all = [(key::EVENT_NAME, crate::Value::None); 16];
        for (slot, attribute) in all.iter_mut().skip(1).zip(attributes) {
            *slot = *attribute;
        }
        if let Some(first) = all.first_mut() {
            *first = (key::EVENT_NAME, name.into());
        }
        ring::write_span(wire::kind::SPAN_EVENT, self.span, now(), &all);
    }
}

/// No span, as the specification has it without an SDK: the work below belongs to whatever span this one would have
/// been a child of.
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

#[inline(never)]
fn begin(scope: &'static Scope, domain: Domain, parent: Context, attributes: &[Attribute<'_>]) -> Span {
    let id = random::span_id();
    if settings::pass_on() {
        return pass_on(parent, id);
    }
    let (trace, flags) = if parent.is_empty() {
        let trace = random::trace_id();
        (trace, u8::from(sample::root(&trace, &parent)))
    } else {
        (parent.trace, parent.flags & flag::W3C & !flag::SAMPLED | u8::from(sample::child(&parent)))
    };
    let flags = match parent.flags & flag::MUTED {
        0 => flags | parent.flags & (flag::DEBUG | flag::DECIDED),
        muted => flags & !flag::SAMPLED | muted,
    };
    let flags = if domain == Domain::HttpClient { flags | flag::REQUEST } else { flags };
    // A server request, and whatever has no local parent, is a root within this process.
    let root = if parent.is_empty() || parent.remote { Live::claim(id) } else { Live::NEVER };
    let live = if root == Live::NEVER { parent.live } else { root };
    let start = ring::Start {
        trace,
        span: id,
        parent: parent.span,
        time: now(),
        domain: domain as u8,
        flags: flags & flag::W3C,
        parent_remote: parent.remote,
        trace_state: parent.carried.as_deref().map_or(&[], |carried| &carried.tracestate),
    };
    ring::write_start(scope, &start, attributes);
    Span { context: Context { trace, span: id, flags, remote: false, live, ..parent }, root }
}
