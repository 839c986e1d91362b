//! What the program's subscriber accepts, told once more.

use core::fmt;

use otel_rs_hooks::{key, Key, Log, Said, Severity};

use crate::field::{Field, Visit};
use crate::subscriber::{NoSubscriber, Subscriber};
use crate::{Event, Level};

/// Hands an event to the program's subscriber, and then tells it.
#[inline]
pub(crate) fn event(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>) {
    let told = if otel_rs_hooks::active() { accepted(subscriber, event) } else { None };
    subscriber.event(event);
    if let Some(told) = told {
        told.tell(|said| say(said, event));
    }
}

fn accepted(subscriber: &(dyn Subscriber + Send + Sync), event: &Event<'_>) -> Option<Log> {
    let metadata = event.metadata();
    // A record of the `log` crate that a bridge made an event of: it was told where it came from.
    let bridged = metadata.target() == "log" && metadata.name() == "log event";
    if bridged || subscriber.is::<NoSubscriber>() {
        return None;
    }
    Log::now(&SCOPE, severity(metadata.level()))
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

fn say(said: &mut Said, event: &Event<'_>) {
    let metadata = event.metadata();
    said.set(key::LOG_TARGET, metadata.target().into());
    said.set(key::CODE_FILE, metadata.file().into());
    said.set(key::CODE_LINE, metadata.line().into());
    event.record(&mut Fields(said));
}

/// Says each field, and numbers as numbers.
struct Fields<'a>(&'a mut Said);

fn key_of(field: &Field) -> Key<'static> {
    match field.name() {
        "message" => key::LOG_BODY,
        name => Key::Named(name),
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
        self.0.text(key_of(field), &Shown(value));
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
            self.0.text(key_of(field), &value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.set(key_of(field), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.set(key_of(field), value.into());
    }
}
