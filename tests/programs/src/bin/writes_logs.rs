//! Writes a few log records of all kinds and, if there is a FILE, goes on writing them for ever and keeps count there.

use std::fmt;
use std::path::Path;

use otel_rs_hooks::{Domain, Key, Scope, Severity, Span, key, log};
use otel_rs_test_programs::Counts;

static SCOPE: Scope = Scope::new("otel-rs:layer:5|logger|1.2.3|0.1.0|\n");

/// Logs while it is formatted.
struct Talkative;

impl fmt::Display for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        log(&SCOPE, Severity::Fatal, |attributes| attributes.set(key::LOG_BODY, "inner".into()));
        f.write_str("outer")
    }
}

/// Cannot be formatted.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("as it should")
    }
}

fn main() {
    let span = Span::start(&SCOPE, Domain::Internal, &[(key::SPAN_NAME, "work".into())]);
    {
        let _entered = span.context().enter();
        log(&SCOPE, Severity::Warn, |attributes| {
            attributes.set(key::LOG_TARGET, "shop::orders".into());
            attributes.set(key::CODE_FILE, "src/orders.rs".into());
            attributes.set(key::CODE_LINE, 7.into());
            attributes.set_display(key::LOG_BODY, &format_args!("out of {}", "teapots"));
            attributes.set(Key::Named("left"), 0.into());
            attributes.set(Key::Named("sorry"), true.into());
            attributes.set(Key::Named("price"), 1.5.into());
        });
    }
    span.end(&[]);
    log(&SCOPE, Severity::Info, |attributes| attributes.set_display(key::LOG_BODY, &Talkative));
    log(&SCOPE, Severity::Error, |attributes| attributes.set_display(key::LOG_BODY, &"x".repeat(100_000)));
    log(&SCOPE, Severity::Debug, |attributes| {
        attributes.set(key::LOG_BODY, "half".into());
        attributes.set_display(Key::Named("never"), &Panics);
    });
    println!("ready {}", std::process::id());
    let Some(file) = std::env::args().nth(1) else { return };
    let counts = Counts::open(Path::new(&file));
    loop {
        counts.count(|number| {
            log(&SCOPE, Severity::Info, |attributes| {
                attributes.set(key::LOG_BODY, "counted".into());
                attributes.set(Key::Named("number"), (number as i64).into());
            });
        });
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}
