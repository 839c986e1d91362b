//! Spans that the program makes, and events that no subscriber takes.

use core::fmt;

use otel_rs_hooks::wire::{SpanKind, SpanStatus};
use otel_rs_hooks::{directives, key, Context, Decisions, Key, Log, PendingLog, Places, Severity, SharedSpan};

use crate::field::{Field, ValueSet, Visit};
use crate::span::{Attributes, Id, Span};
use crate::{Level, Metadata};

/// Spans of these targets, and of what is below them, show what other instrumentations record already.
const COVERED: &[&str] = &[
    "aws_smithy_runtime",
    "axum",
    "axum_tracing_opentelemetry",
    "clickhouse",
    "h2",
    "hyper",
    "hyper_util",
    "jsonrpsee_server",
    "lambda_runtime",
    "lapin",
    "otel::tracing",
    "reqwest",
    "reqwest_tracing",
    "rustls",
    "sqlx",
    "tarpc",
    "tokio",
    "tower",
    "tower_http",
];

/// What a span is a child of.
pub(crate) enum Parent {
    /// What is current.
    Current,
    /// A span that the program gave.
    Given(Context),
    /// Nothing: it begins a trace.
    None,
}

/// Values of a decision about a callsite.
const YES: u8 = 1;
/// The user has set no directives.
const BY_DEFAULT: u8 = 2;

fn severity(level: &Level) -> Severity {
    match *level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

fn is_covered(target: &str) -> bool {
    COVERED.iter().any(|covered| {
        let rest = target.strip_prefix(covered);
        rest.map_or(false, |rest| rest.is_empty() || rest.starts_with("::"))
    })
}

/// Whether a level is severe enough for any target.
fn is_severe(level: &Level, least: Option<Severity>) -> bool {
    least.map_or(false, |least| severity(level) as u8 >= least as u8)
}

/// Whether spans of that level are recorded for any target.
fn takes_spans(level: &Level) -> bool {
    SCOPE.enabled() && !directives::spans_are_exported_elsewhere() && is_severe(level, directives::least_span())
}

/// Whether spans of that level may be wanted.
#[doc(hidden)]
#[inline]
pub fn otel_wants_level(level: Level) -> bool {
    otel_rs_hooks::active() && takes_spans(&level)
}

/// Whether a span is wanted, whatever the program's subscriber decides.
#[doc(hidden)]
#[inline]
pub fn otel_wants_span(metadata: &'static Metadata<'static>) -> bool {
    otel_rs_hooks::active() && wants_span(metadata)
}

#[inline(never)]
fn wants_span(metadata: &'static Metadata<'static>) -> bool {
    static DECISIONS: Decisions = Decisions::new();
    SCOPE.enabled()
        && !directives::spans_are_exported_elsewhere()
        && !otel_rs_hooks::formatting()
        && DECISIONS.of(metadata, || {
            let target = metadata.target();
            u8::from(directives::wants_span(target, severity(metadata.level()), is_covered(target)))
        }) == YES
}

/// Whether an event that the program's subscriber does not accept is wanted.
#[doc(hidden)]
#[inline]
pub fn otel_wants_event(metadata: &'static Metadata<'static>) -> bool {
    otel_rs_hooks::active() && wants_event(metadata)
}

#[inline(never)]
fn wants_event(metadata: &'static Metadata<'static>) -> bool {
    static DECISIONS: Decisions = Decisions::new();
    let level = metadata.level();
    // What fails is independent of what is recorded of it. An event that the subscriber accepts is seen by `tracing-core`.
    if *level == Level::ERROR && SCOPE.enabled() && !otel_rs_hooks::formatting() {
        SharedSpan::fail_current();
    }
    let is_wanted_by_default = *level <= Level::INFO && !has_consumer();
    if !is_wanted_by_default && !is_severe(level, directives::least_log()) {
        return false;
    }
    if !SCOPE.enabled() || otel_rs_hooks::formatting() {
        return false;
    }
    let decided = DECISIONS.of(metadata, || match directives::wants_log(metadata.target(), severity(level)) {
        Some(is_wanted) => u8::from(is_wanted),
        None => BY_DEFAULT,
    });
    decided == YES || decided == BY_DEFAULT && is_wanted_by_default
}

/// Whether the program has something that takes its events.
fn has_consumer() -> bool {
    #[cfg(feature = "log")]
    if log::max_level() != log::LevelFilter::Off {
        return true;
    }
    crate::dispatcher::has_been_set()
}

/// Records an event that is wanted and that the program's subscriber does not accept.
#[doc(hidden)]
pub fn otel_event(metadata: &'static Metadata<'static>, values: &ValueSet<'_>) {
    static PLACES: Places = Places::new();
    if is_logged(metadata) {
        return;
    }
    let log = match Log::now(&SCOPE, severity(metadata.level())) {
        Some(log) => log,
        None => return,
    };
    let pending = log.pending(values as *const ValueSet<'_> as usize, cfg!(panic = "abort"));
    pending.set_place(&PLACES.written(metadata, || {
        [
            (key::LOG_TARGET, metadata.target().into()),
            (key::CODE_FILE, metadata.file().into()),
            (key::CODE_LINE, metadata.line().into()),
        ]
    }));
    pending.write(|pending| {
        values.record(&mut Fields { pending, metadata, is_span: false, has_special: false });
    });
}

/// The same of an event that names its parent.
#[doc(hidden)]
pub fn otel_child_event(parent: impl Into<Option<Id>>, metadata: &'static Metadata<'static>, values: &ValueSet<'_>) {
    SharedSpan::noted(|| parent.into());
    let _entered = SharedSpan::enter_noted();
    otel_event(metadata, values);
}

/// Whether the event is handed to the `log` crate, where it is recorded.
#[cfg(feature = "log")]
fn is_logged(metadata: &Metadata<'_>) -> bool {
    let is_handed_on = cfg!(feature = "log-always") || !crate::dispatcher::has_been_set();
    let level = level_to_log!(*metadata.level());
    is_handed_on && level <= log::STATIC_MAX_LEVEL && level <= log::max_level()
}

#[cfg(not(feature = "log"))]
fn is_logged(_: &Metadata<'_>) -> bool {
    false
}

impl Span {
    #[doc(hidden)]
    pub fn otel_new(is_enabled: bool, metadata: &'static Metadata<'static>, values: &ValueSet<'_>) -> Span {
        if is_enabled {
            Span::new(metadata, values)
        } else {
            unaccepted(metadata, values, Parent::Current)
        }
    }

    #[doc(hidden)]
    pub fn otel_child_of(
        is_enabled: bool,
        parent: impl Into<Option<Id>>,
        metadata: &'static Metadata<'static>,
        values: &ValueSet<'_>,
    ) -> Span {
        if is_enabled {
            return Span::child_of(parent, metadata, values);
        }
        let id = SharedSpan::noted(|| parent.into());
        let parent = parent_of(id.is_none());
        unaccepted(metadata, values, parent)
    }
}

fn parent_of(is_root: bool) -> Parent {
    match SharedSpan::take_noted() {
        Some(context) => Parent::Given(context),
        None if is_root => Parent::None,
        // An id, which may be of any subscriber.
        None => Parent::Current,
    }
}

/// Makes a span that the program's subscriber accepts.
pub(crate) fn accepted(
    metadata: &'static Metadata<'static>,
    attributes: &Attributes<'_>,
    make: impl FnOnce() -> Span,
) -> Span {
    if !otel_rs_hooks::active() {
        return make();
    }
    if otel_rs_hooks::formatting() {
        // Code that runs for us makes it: the program would not have it otherwise.
        return crate::__macro_support::__disabled_span(metadata);
    }
    let parent = if attributes.is_contextual() { Parent::Current } else { parent_of(attributes.is_root()) };
    if wants_span(metadata) {
        start(metadata, attributes.values(), parent, make)
    } else {
        make()
    }
}

/// Makes a span that is disabled for the program.
fn unaccepted(metadata: &'static Metadata<'static>, values: &ValueSet<'_>, parent: Parent) -> Span {
    start(metadata, values, parent, || {
        let span = crate::__macro_support::__disabled_span(metadata);
        if_log_enabled! { *metadata.level(), {
            span.record_all(values);
        }}
        span
    })
}

#[inline(never)]
fn start(
    metadata: &'static Metadata<'static>,
    values: &ValueSet<'_>,
    parent: Parent,
    make: impl FnOnce() -> Span,
) -> Span {
    static PLACES: Places = Places::new();
    let place = PLACES.written(metadata, || {
        [
            (key::SPAN_NAME, metadata.name().into()),
            (Key::Named("target"), metadata.target().into()),
            (Key::Named("level"), metadata.level().as_str().into()),
            (Key::Named("code.file.path"), metadata.file().into()),
            (Key::Named("code.line.number"), metadata.line().into()),
        ]
    });
    let parent = match parent {
        Parent::Current => None,
        Parent::Given(context) => Some(context),
        Parent::None => Some(Context::EMPTY),
    };
    let (otel, begun) = match SharedSpan::begin(&SCOPE, parent, place, Some(metadata)) {
        Some(begun) => begun,
        None => return make(),
    };
    let mut made = if otel.takes_values() && !metadata.fields().is_empty() {
        let found_by = found_by(metadata, values);
        otel.record_start_with(&begun, found_by, cfg!(panic = "abort"), make, |pending| {
            complete(&otel, metadata, values, pending)
        })
    } else {
        otel.record_start(&begun);
        make()
    };
    made.otel = Some(otel);
    made
}

/// Runs `run`, which gives values of a span to the program's subscriber, and records them.
fn with_values<R>(
    otel: &SharedSpan,
    metadata: &'static Metadata<'static>,
    values: &ValueSet<'_>,
    run: impl FnOnce() -> R,
) -> R {
    let found_by = found_by(metadata, values);
    otel.set_values(found_by, cfg!(panic = "abort"), run, |pending| complete(otel, metadata, values, pending))
}

/// By what the values of a span are found while the program's subscriber has them, and told apart.
fn found_by(metadata: &'static Metadata<'static>, values: &ValueSet<'_>) -> (usize, usize) {
    let callsite = metadata.callsite().0 as *const _ as *const () as usize;
    (callsite, values as *const ValueSet<'_> as usize)
}

/// Takes the values of a span that are not there yet.
fn complete(otel: &SharedSpan, metadata: &'static Metadata<'static>, values: &ValueSet<'_>, pending: &PendingLog) {
    let mut fields = Fields { pending, metadata, is_span: true, has_special: false };
    values.record(&mut fields);
    if fields.has_special {
        set_special(otel, pending);
    }
}

/// Fields that stand for something else than an attribute, as with `tracing-opentelemetry`.
fn set_special(otel: &SharedSpan, pending: &PendingLog) {
    pending.rename("otel.name", key::SPAN_NAME);
    pending.rename("otel.status_description", key::ERROR_MESSAGE);
    pending.rename("otel.status_message", key::ERROR_MESSAGE);
    if let Some(Some(kind)) = pending.take_text("otel.kind", kind_of) {
        // A request that is served has its server's span already.
        if kind != SpanKind::Server || !otel.context().is_handling() {
            pending.set(key::SPAN_KIND, (kind as i64).into());
        }
        if kind == SpanKind::Client {
            otel.mark_client();
        }
    }
    if let Some(Some(status)) = pending.take_text("otel.status_code", status_of) {
        pending.set(key::SPAN_STATUS, (status as i64).into());
        otel.mark_status();
    }
}

fn kind_of(text: &str) -> Option<SpanKind> {
    let kinds = [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ];
    kinds.iter().find(|(known, _)| text.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
}

fn status_of(text: &str) -> Option<SpanStatus> {
    let statuses = [("ok", SpanStatus::Ok), ("error", SpanStatus::Error)];
    statuses.iter().find(|(known, _)| text.eq_ignore_ascii_case(known)).map(|(_, status)| *status)
}

/// The span that the program's subscriber has as current, or none, as what it is for us.
pub(crate) fn current(mut span: Span) -> Span {
    span.otel = SharedSpan::current();
    span
}

/// The current span, in place of one that the program's subscriber does not have.
pub(crate) fn or_current(span: &Span, mut current: Span) -> Span {
    if is_own(span) {
        current.otel = span.otel.clone();
    }
    current
}

#[inline]
pub(crate) fn is_own(span: &Span) -> bool {
    span.otel.as_ref().map_or(false, SharedSpan::is_own)
}

/// The metadata by which a span's fields are known.
#[inline]
pub(crate) fn metadata(span: &Span) -> Option<&'static Metadata<'static>> {
    span.metadata().or_else(|| known(span.otel.as_ref()?))
}

fn known(otel: &SharedSpan) -> Option<&'static Metadata<'static>> {
    otel.about()?.downcast_ref()
}

/// Runs `run`, which records values of a span, and records them.
#[inline]
pub(crate) fn recorded(span: &Span, values: &ValueSet<'_>, run: impl FnOnce()) {
    match &span.otel {
        Some(otel) if otel.takes_values() => match known(otel) {
            Some(metadata) => with_values(otel, metadata, values, run),
            None => run(),
        },
        _ => run(),
    }
}

/// Runs `convert`, which makes an id of the span that this one follows from, and links them.
pub(crate) fn linked(span: &Span, convert: impl FnOnce() -> Option<Id>) -> Option<Id> {
    let id = SharedSpan::noted(convert);
    if let Some(otel) = &span.otel {
        if let Some(cause) = SharedSpan::take_noted() {
            otel.context().link(&cause, &[]);
        }
    }
    id
}

/// Takes each field that was not formatted, and numbers as numbers.
struct Fields<'a> {
    pending: &'a PendingLog,
    metadata: &'static Metadata<'static>,
    is_span: bool,
    /// Whether there was a field that stands for something else.
    has_special: bool,
}

impl Fields<'_> {
    fn slot(&self, field: &Field) -> usize {
        self.metadata.fields().iter().position(|known| known == *field).unwrap_or(usize::MAX)
    }

    fn key(&mut self, field: &Field) -> Key<'static> {
        let name = field.name();
        self.has_special |= name.starts_with("otel.");
        if name == "message" && !self.is_span {
            key::LOG_BODY
        } else {
            Key::Named(name)
        }
    }

    fn format(&mut self, field: &Field, value: &dyn fmt::Display) {
        let key = self.key(field);
        self.pending.format_missing(self.slot(field), key, value);
    }
}

/// A value by its `Debug`.
struct Shown<'a>(&'a dyn fmt::Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.format(field, &Shown(value));
    }

    #[cfg(feature = "std")]
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.format(field, &value);
    }

    // Whether a visitor of the program's has formatted it is unknown.
    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, _: valuable::Value<'_>) {
        self.pending.mark_begun(self.slot(field));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let key = self.key(field);
        self.pending.set(key, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let key = self.key(field);
        self.pending.set(key, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let key = self.key(field);
        if value <= i64::MAX as u64 {
            self.pending.set(key, value.into());
        } else {
            self.pending.set_display(key, &value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        let key = self.key(field);
        self.pending.set_display(key, &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        let key = self.key(field);
        self.pending.set_display(key, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let key = self.key(field);
        self.pending.set(key, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let key = self.key(field);
        self.pending.set_text(key, value);
    }
}
