//! Panics become log records after the program's own hook, whose output stays as it is.

use std::process::{Command, Output};

use super::{launch, program};
use crate::support::Otlp;
use crate::support::expect::span;
use crate::support::logs::Log;
use crate::support::model::Value;

/// A run with the launcher and one without.
struct Run {
    with: Output,
    without: Output,
    otlp: Otlp,
}

impl Run {
    fn of(case: &str) -> Run {
        Run::with(case, &[("RUST_BACKTRACE", "0")])
    }

    fn with(case: &str, variables: &[(&str, &str)]) -> Run {
        let otlp = Otlp::start();
        let mut launched = launch("panics");
        launched.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_TRACES_EXPORTER", "otlp");
        launched.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let mut alone = Command::new(program("panics"));
        let [with, without] = [&mut launched, &mut alone]
            .map(|command| command.arg(case).envs(variables.iter().copied()).output().unwrap());
        Run { with, without, otlp }
    }

    /// The record, of which there is one; the program shows what it shows without us.
    #[track_caller]
    fn only(&self) -> Log {
        self.require_same();
        let logs = self.otlp.logs();
        let [log] = &logs[..] else { panic!("not one record: {logs:#?}") };
        log.clone()
    }

    #[track_caller]
    fn require_same(&self) {
        let text = |output: &Output| {
            // The first line of a panic's message has the thread's id.
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            let lines: Vec<_> =
                stderr.lines().map(|line| line.rsplit(") panicked").next().unwrap().to_owned()).collect();
            (output.status, String::from_utf8_lossy(&output.stdout).into_owned(), lines)
        };
        assert_eq!(text(&self.with), text(&self.without));
    }
}

fn text(log: &Log, name: &str) -> String {
    match log.attributes.get(name) {
        Some(Value::Str(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_panic_is_an_exception_in_the_span_that_it_ends() {
    let run = Run::of("text");
    let log = run.only();
    assert_eq!(log.severity, (17, "ERROR".to_owned()));
    assert_eq!((text(&log, "exception.type"), text(&log, "thread.name")), ("panic".into(), "main".into()));
    assert_eq!(text(&log, "exception.message"), "no password=REDACTED for 7");
    assert_eq!(log.body, "no password=REDACTED for 7".into());
    assert!(text(&log, "code.file.path").ends_with("src/bin/panics.rs"), "{log:?}");
    assert!(matches!(log.attributes["code.line.number"], Value::Int(line) if line > 40), "{log:?}");
    assert_eq!(log.attributes["thread.id"], 1.into());
    assert!(!log.attributes.contains_key("exception.stacktrace"), "{log:?}");
    assert_eq!((log.scope.0.as_str(), log.dropped_attributes), ("otel-rs", 0));
    // The message is formatted once by whoever panics, as it is without us.
    assert!(String::from_utf8_lossy(&run.with.stdout).contains("formatted 1\n"), "{:?}", run.with);
    let work = run.otlp.traces().require(span().named("work").failed().attr("error.type", "panic"));
    assert_eq!((&log.trace, &log.span), (&work.trace, &work.id));
}

#[test]
fn every_panic_is_recorded_once() {
    for (case, message) in [
        ("literal", "a literal"),
        ("thread", "in a thread"),
        ("resumed", "once password=REDACTED"),
        ("chained", "chained"),
        ("replaced", "replaced password=REDACTED"),
        ("uncaught", "the end"),
        ("forked", "in a child"),
    ] {
        let log = Run::of(case).only();
        assert_eq!(text(&log, "exception.message"), message, "{case}");
        let thread = if case == "thread" { "worker" } else { "main" };
        assert_eq!(text(&log, "thread.name"), thread, "{case}");
    }
    let log = Run::of("value").only();
    assert_eq!((text(&log, "exception.type"), &log.body), ("panic".into(), &Value::Other("None".into())));
}

#[test]
fn a_stack_trace_is_recorded_where_the_user_asks_for_one() {
    let run = Run::with("text", &[("RUST_BACKTRACE", "1")]);
    let log = run.only();
    let trace = text(&log, "exception.stacktrace");
    assert!(trace.contains("panics::main") && !trace.contains("otel_rs_hooks::panics"), "{trace}");
    assert!(!trace.contains("short_backtrace") && !trace.contains("rust_panic_with_hook"), "{trace}");
}

#[test]
fn what_panics_while_it_is_formatted_for_the_launcher_is_no_panic_of_the_program() {
    let run = Run::of("formatted");
    assert!(run.with.status.success());
    let logs = run.otlp.logs();
    assert_eq!(logs.iter().map(|log| log.body.clone()).collect::<Vec<_>>(), ["half".into()]);
}

#[test]
fn panics_are_not_recorded_where_they_are_disabled() {
    for variables in [
        ("OTEL_RS_DISABLED_INSTRUMENTATIONS", "panic"),
        ("OTEL_RS_ENABLED_INSTRUMENTATIONS", "hyper"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ] {
        let run = Run::with("text", &[variables]);
        assert!(run.with.status.success(), "{:?}", run.with);
        run.require_same();
        assert!(run.otlp.logs().is_empty(), "{variables:?}");
    }
}
