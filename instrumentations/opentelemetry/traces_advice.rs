//! Spans, contexts, baggage and the propagator. Spans that the program makes are the hooks', and contexts are mirrored: what
//! the API attaches is current for the hooks, and what the hooks have made current since is seen through the API.
#![cfg(feature = "trace")]

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use otel_rs_hooks::kit::{ManualSpan, Setter, Start};
use otel_rs_hooks::wire::SpanKind as Kind;
use otel_rs_hooks::{self as hooks, Attached, Attribute, BaggageMember, Chosen, Headers, Key};

use crate::baggage::{Baggage, BaggageExt, KeyValueMetadata};
use crate::propagation::{text_map_propagator::FieldIter, Extractor, Injector, TextMapPropagator};
use crate::trace::context::SynchronizedSpan;
use crate::trace::{
    self, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use crate::{Array, Context, InstrumentationScope, KeyValue, Value};

/// Whether the program has set a provider of its own. Tracers made before then do as those of the no-op provider do.
static IS_REPLACED: AtomicBool = AtomicBool::new(false);

/// The program has set a provider of its own, which gets its spans.
pub(crate) fn own_tracer_provider() {
    if !IS_REPLACED.swap(true, Relaxed) {
        hooks::metrics::report_own_tracer_provider();
    }
}

pub(crate) struct TracerProvider;

impl trace::TracerProvider for TracerProvider {
    type Tracer = Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Tracer {
        Tracer(scope)
    }
}

pub(crate) struct Tracer(InstrumentationScope);

/// What a builder holds in some versions only.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    pub(crate) end: Option<SystemTime>,
    pub(crate) status: Status,
    pub(crate) is_sampled: Option<bool>,
}

impl trace::Tracer for Tracer {
    type Span = Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Span {
        if !super::SCOPE.enabled() || IS_REPLACED.load(Relaxed) || parent.otel_is_suppressed() {
            return Span { context: parent.span().span_context().clone(), manual: None };
        }
        let given = builder.otel_given();
        let chosen = Chosen {
            trace: given.trace.map(TraceId::to_bytes),
            span: given.span.map(SpanId::to_bytes),
            is_sampled: given.is_sampled,
        };
        let kind = match builder.span_kind {
            Some(SpanKind::Client) => Kind::Client,
            Some(SpanKind::Server) => Kind::Server,
            Some(SpanKind::Producer) => Kind::Producer,
            Some(SpanKind::Consumer) => Kind::Consumer,
            Some(SpanKind::Internal) | None => Kind::Internal,
        };
        let scope = (self.0.name(), self.0.version(), self.0.schema_url());
        let start = Start { name: &builder.name, kind, scope, time: builder.start_time, chosen };
        let attributes = builder.attributes.as_deref().unwrap_or(&[]);
        let (first, rest) = attributes.split_at(attributes.len().min(AT_ONCE));
        let parent = context_of(parent);
        // Another version of the API may have suppressed telemetry, which this one's contexts do not show.
        let parent = if parent.is_empty() && hooks::current().is_muted() { parent.muted() } else { parent };
        let manual = converted(first, |first| ManualSpan::start(&super::SCOPE, parent, &start, first));
        let mut span = Span { context: span_context_of(manual.context()), manual: Some(manual) };
        span.set(rest);
        for event in builder.events.iter().flatten() {
            span.event(&event.name, event.timestamp, &event.attributes);
        }
        for link in builder.links.iter().flatten() {
            span.link(&link.span_context, &link.attributes);
        }
        trace::Span::set_status(&mut span, given.status);
        if let Some(manual) = &mut span.manual {
            manual.ends(given.end);
        }
        span
    }
}

/// A span of a tracer above, or a handle of one that is current for the hooks.
pub(crate) struct Span {
    context: SpanContext,
    /// `None` where nothing is recorded, as by the no-op tracer.
    manual: Option<ManualSpan>,
}

impl Span {
    fn of(context: hooks::Context) -> Span {
        Span { context: span_context_of(&context), manual: Some(ManualSpan::of(context)) }
    }

    fn set(&self, attributes: &[KeyValue]) {
        if let Some(manual) = self.manual.as_ref().filter(|manual| manual.is_recording()) {
            attributes.chunks(AT_ONCE).for_each(|some| converted(some, |some| manual.set(some)));
        }
    }

    fn event(&self, name: &str, time: SystemTime, attributes: &[KeyValue]) {
        if let Some(manual) = &self.manual {
            converted(attributes, |attributes| manual.event(name, time, attributes));
        }
    }

    fn link(&self, to: &SpanContext, attributes: &[KeyValue]) {
        if let Some(manual) = &self.manual {
            converted(attributes, |attributes| manual.link(&context_of_span(to), attributes));
        }
    }
}

impl trace::Span for Span {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.event(&name.into(), timestamp, &attributes);
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.manual.as_ref().map_or(false, ManualSpan::is_recording)
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.set(&[attribute]);
    }

    fn set_status(&mut self, status: Status) {
        let Some(manual) = &mut self.manual else { return };
        match status {
            Status::Unset => {}
            Status::Ok => manual.succeed(),
            Status::Error { description } => manual.fail(&description),
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(manual) = &self.manual {
            manual.rename(&new_name.into());
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.link(&span_context, &attributes);
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(manual) = &mut self.manual {
            manual.end(timestamp);
        }
    }

    fn otel_context(&self) -> Option<hooks::Context> {
        self.manual.as_ref().map(|manual| manual.context().clone())
    }
}

/// How many attributes are converted at once; events and links have no more.
const AT_ONCE: usize = 16;

/// Calls `with` with the first [`AT_ONCE`] attributes as the hooks take them.
fn converted<R>(attributes: &[KeyValue], with: impl FnOnce(&[Attribute<'_>]) -> R) -> R {
    let is_list = |attribute: &KeyValue| matches!(attribute.value, Value::Array(_));
    let lists: Vec<Vec<hooks::Value<'_>>> = match attributes.iter().any(is_list) {
        true => attributes.iter().take(AT_ONCE).map(|attribute| items(&attribute.value)).collect(),
        false => Vec::new(),
    };
    let mut all = [(Key::Named(""), hooks::Value::None); AT_ONCE];
    for (index, (slot, KeyValue { key, value, .. })) in all.iter_mut().zip(attributes).enumerate() {
        let value = match value {
            Value::String(text) => text.as_str().into(),
            Value::I64(number) => (*number).into(),
            Value::F64(number) => (*number).into(),
            Value::Bool(truth) => (*truth).into(),
            _ => lists.get(index).map_or(hooks::Value::None, |items| hooks::Value::List(items)),
        };
        *slot = (Key::Named(key.as_str()), value);
    }
    with(all.get(..attributes.len()).unwrap_or(&all))
}

fn items(value: &Value) -> Vec<hooks::Value<'_>> {
    match value {
        Value::Array(Array::Bool(items)) => items.iter().map(|item| (*item).into()).collect(),
        Value::Array(Array::I64(items)) => items.iter().map(|item| (*item).into()).collect(),
        Value::Array(Array::F64(items)) => items.iter().map(|item| (*item).into()).collect(),
        Value::Array(Array::String(items)) => items.iter().map(|item| item.as_str().into()).collect(),
        _ => Vec::new(),
    }
}

/// The hooks' context of one that is about to be attached.
pub(crate) fn mirrored(cx: &Context) -> Option<hooks::Context> {
    if !super::SCOPE.enabled() {
        return None;
    }
    let context = context_of(cx);
    // A propagator of the program's own finds the caller's span, to which the request's is closer.
    let context = if context.is_remote() {
        let baggage = context.baggage().to_owned();
        context.for_work().with_baggage(&baggage)
    } else {
        context
    };
    Some(if cx.otel_is_suppressed() { context.muted() } else { context })
}

/// A context has been attached: it is current for the hooks, too.
pub(crate) fn enter(mirrored: Option<hooks::Context>) -> Attached {
    mirrored.map_or(Attached::NONE, hooks::Context::attach)
}

/// Calls `read` with the current context: this crate's own, with the span and the baggage that are current for the hooks.
/// The cell of the current context is borrowed meanwhile.
pub(crate) fn seen<T>(own: &Context, read: impl FnOnce(&Context) -> T) -> T {
    match super::SCOPE.enabled().then(hooks::current).and_then(|now| composed(own, now)) {
        Some(composed) => read(&composed),
        None => read(own),
    }
}

/// `None` where the context is as the hooks have it.
fn composed(own: &Context, now: hooks::Context) -> Option<Context> {
    let ids = own.span.as_deref().map(|span| ids(span.otel_span_context())).unwrap_or_default();
    let is_own_span = ids == (now.trace_id(), now.span_id());
    if is_own_span && (now.baggage().is_empty() || !own.baggage().is_empty()) {
        return None;
    }
    let mut composed = with_baggage_of(own, &now);
    if !is_own_span {
        composed.span = if now.is_empty() { None } else { Some(Arc::new(Span::of(now).into())) };
    }
    Some(composed)
}

fn ids(span: &SpanContext) -> ([u8; 16], [u8; 8]) {
    match span.is_valid() {
        true => (span.trace_id().to_bytes(), span.span_id().to_bytes()),
        false => Default::default(),
    }
}

/// The hooks' context of one of the API's.
fn context_of(cx: &Context) -> hooks::Context {
    let context = match cx.span.as_deref() {
        None => hooks::Context::EMPTY,
        Some(span) => span.otel.clone().unwrap_or_else(|| context_of_span(span.otel_span_context())),
    };
    let baggage = cx.baggage();
    if is_baggage_of(baggage, &context) {
        return context;
    }
    let members = baggage.iter().map(|(key, (value, properties))| BaggageMember {
        key: key.as_str(),
        value: value.as_str().into(),
        properties: properties.as_str(),
    });
    context.with_baggage_members(members)
}

/// The hooks' context of a span that they did not make.
fn context_of_span(span: &SpanContext) -> hooks::Context {
    let (trace, id) = ids(span);
    let state = span.trace_state().header();
    hooks::Context::of_program(trace, id, span.trace_flags().to_u8(), &state, span.is_remote())
}

fn span_context_of(context: &hooks::Context) -> SpanContext {
    let state = match context.tracestate() {
        "" => TraceState::NONE,
        state => state.parse().unwrap_or_default(),
    };
    let (trace, span) = (TraceId::from_bytes(context.trace_id()), SpanId::from_bytes(context.span_id()));
    SpanContext::new(trace, span, TraceFlags::new(context.trace_flags()), context.is_remote(), state)
}

/// Whether that is the baggage which the context has already. It is passed on as it came then.
fn is_baggage_of(baggage: &Baggage, context: &hooks::Context) -> bool {
    context.baggage_members().count() == baggage.len()
        && context.baggage_members().all(|member| {
            let known = baggage.get_with_metadata(member.key);
            known.map_or(false, |(value, properties)| {
                value.as_str() == member.value && properties.as_str() == member.properties
            })
        })
}

fn with_baggage_of(cx: &Context, context: &hooks::Context) -> Context {
    if is_baggage_of(cx.baggage(), context) {
        return cx.clone();
    }
    let members = context.baggage_members().map(|BaggageMember { key, value, properties }| {
        KeyValueMetadata::new(key.to_owned(), value.into_owned(), properties)
    });
    cx.with_cleared_baggage().with_baggage(members.collect::<Vec<_>>())
}

/// The formats that the launcher is configured to propagate.
#[derive(Debug)]
pub(crate) struct Propagator;

impl TextMapPropagator for Propagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        if super::SCOPE.enabled() {
            let set = |name: &str, value: &[u8]| injector.set(name, String::from_utf8_lossy(value).into_owned());
            context_of(cx).inject(&mut Setter(set));
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        if !super::SCOPE.enabled() {
            return Context::current();
        }
        let context = hooks::Context::extract_for_work(&Extracted(extractor));
        let mut extracted = if context.baggage().is_empty() { cx.clone() } else { with_baggage_of(cx, &context) };
        if !context.is_empty() {
            let mut span = SynchronizedSpan::from(span_context_of(&context));
            span.otel = Some(context);
            extracted.span = Some(Arc::new(span));
        }
        extracted
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: OnceLock<Vec<String>> = OnceLock::new();
        if !super::SCOPE.enabled() {
            return FieldIter::new(&[]);
        }
        let fields = || hooks::Context::injected_fields().into_iter().map(str::to_owned).collect();
        FieldIter::new(FIELDS.get_or_init(fields))
    }
}

struct Extracted<'e>(&'e dyn Extractor);

impl Headers for Extracted<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.get(name).into_iter().for_each(|value| visit(value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for name in self.0.keys() {
            self.0.get(name).into_iter().for_each(|value| visit(name, value.as_bytes()));
        }
    }
}
