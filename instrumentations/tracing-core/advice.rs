//! Events that the program's subscriber accepts; their text is copied while the subscriber formats it.

use core::fmt;

use otel_rs_hooks::{directives, key, Key, Log, PendingLog, Places, Severity, SharedSpan};

use crate::callsite::Identifier;
use crate::field::{Field, Visit};
use crate::subscriber::{NoSubscriber, Subscriber};
use crate::{Event, Level};

/// Hands an event to the program's subscriber, and records it if that accepts it.
#[inline]
pub(crate) fn event(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>) {
    let log = if otel_rs_hooks::active() { start(subscriber, event) } else { None };
    match log {
        Some(log) => take(subscriber, event, log),
        None => {
            hand(subscriber, event);
        }
    }
}

/// What the crate does without us; whether the subscriber accepts it.
#[inline]
fn hand(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>) -> bool {
    let is_accepted = subscriber.event_enabled(event);
    if is_accepted {
        subscriber.event(event);
    }
    is_accepted
}

fn start(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>) -> Option<Log> {
    let metadata = event.metadata();
    if *metadata.level() == Level::ERROR {
        SharedSpan::fail_current();
    }
    // A record of the `log` crate that a bridge made an event of: it was recorded where it came from.
    let bridged = metadata.target() == "log" && metadata.name() == "log event";
    if bridged || subscriber.is::<NoSubscriber>() {
        return None;
    }
    let severity = severity(metadata.level());
    if directives::wants_log(metadata.target(), severity) == Some(false) {
        return None;
    }
    Log::now(&SCOPE, severity)
}

fn severity(level: &Level) -> Severity {
    match *level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

// A function of its own: a record uses stack space only while a launcher listens.
#[inline(never)]
fn take(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>, log: Log) {
    static PLACES: Places = Places::new();
    let metadata = event.metadata();
    // That of its fields, which is what a value is recorded with.
    let callsite = address(&event.fields().next().map_or(metadata.callsite(), |field| field.callsite()));
    let subject = event as *const Event<'_> as usize;
    // A subscriber that hands it on to others: it is recorded once.
    if PendingLog::find(callsite, |pending| pending.map_or(false, |pending| pending.is_of(subject))) {
        hand(subscriber, event);
        return;
    }
    let pending = log.pending(subject, cfg!(panic = "abort"));
    pending.set_place(&PLACES.written(metadata, || {
        [
            (key::LOG_TARGET, metadata.target().into()),
            (key::CODE_FILE, metadata.file().into()),
            (key::CODE_LINE, metadata.line().into()),
        ]
    }));
    if !pending.while_registered(callsite, || hand(subscriber, event)) {
        return pending.discard();
    }
    pending.write(|pending| event.record(&mut Fields(pending)));
}

fn address(callsite: &Identifier) -> usize {
    callsite.0 as *const _ as *const () as usize
}

/// Gives `record` a value that is code of the program's: one that is taken if an event is being recorded.
pub(crate) fn copied(field: &Field, value: &dyn fmt::Debug, record: &mut dyn FnMut(&dyn fmt::Debug)) {
    PendingLog::find(address(&field.callsite()), |pending| match pending {
        Some(pending) => record(&pending.copied(field.otel_index(), key_of(field), value)),
        None => record(value),
    });
}

/// Has `record` give an error to a visitor of the program's, which may format it by itself.
#[cfg(feature = "std")]
pub(crate) fn handed(field: &Field, error: &(dyn std::error::Error + 'static), record: &mut dyn FnMut()) {
    PendingLog::find(address(&field.callsite()), |pending| match pending {
        Some(pending) => pending.with_error(field.otel_index(), key_of(field), error, record),
        None => record(),
    });
}

fn key_of(field: &Field) -> Key<'static> {
    match field.name() {
        "message" => key::LOG_BODY,
        name => Key::Named(name),
    }
}

/// Takes each field that was not formatted, and numbers as numbers.
struct Fields<'a>(&'a PendingLog);

/// A value by its `Debug`.
struct Shown<'a>(&'a dyn fmt::Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.format_missing(field.otel_index(), key_of(field), &Shown(value));
    }

    #[cfg(feature = "std")]
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.format_missing(field.otel_index(), key_of(field), &value);
    }

    // Whether a visitor of the program's has formatted it is unknown.
    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, _: valuable::Value<'_>) {
        self.0.mark_begun(field.otel_index());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.set(key_of(field), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.set(key_of(field), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if value <= i64::MAX as u64 {
            self.0.set(key_of(field), value.into());
        } else {
            self.0.set_display(key_of(field), &value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.set_display(key_of(field), &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.set_display(key_of(field), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.set(key_of(field), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.set_text(key_of(field), value);
    }
}
