//! Loggers and subscribers of programs: they show to the byte what they show without us, each value is formatted as often
//! and by the same code, and the records arrive.

mod usual;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use crate::launcher::launch_file;
use crate::support::logs::Log;
use crate::support::model::Value;
use crate::support::{Fixture, Otlp};

const FOR_LOG: [&str; 7] = ["lines", "forms", "twice", "narrow", "bridge", "silent", "rejects"];
const FOR_TRACING: [&str; 7] = ["fmt", "json", "pretty", "both", "plain", "filtered", "nobody"];
/// These format nothing.
const NOBODY: [&str; 3] = ["silent", "rejects", "nobody"];

/// A run with the launcher and one without.
struct Run {
    with: Output,
    without: Output,
    logs: Vec<Log>,
}

impl Run {
    fn of(versions: &str, case: &str, logger: &str) -> Run {
        let fixture = Fixture::with("logging", versions);
        let otlp = Otlp::start();
        let mut launched = launch_file(&fixture.program);
        launched.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
        // Some cases are about panics; what is logged is the matter here.
        launched.env("OTEL_RS_DISABLED_INSTRUMENTATIONS", "panic");
        let mut alone = Command::new(&fixture.program);
        let [with, without] = [&mut launched, &mut alone]
            .map(|command| command.args([case, logger]).env("RUST_BACKTRACE", "0").output().unwrap());
        Run { with, without, logs: otlp.logs() }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.with.stdout).into_owned()
    }

    /// The records' messages; text that is longer than the rest is cut.
    fn bodies(&self) -> Vec<&str> {
        fn text(log: &Log) -> &str {
            let Value::Str(text) = &log.body else { panic!("no text: {log:?}") };
            text.get(..20).unwrap_or(text)
        }
        self.logs.iter().map(text).collect()
    }

    fn only(&self) -> &Log {
        let [log] = &self.logs[..] else { panic!("not one record: {:?}", self.logs) };
        log
    }

    #[track_caller]
    fn require_same(&self, what: &str) {
        let text = |output: &Output| {
            let [stdout, stderr] =
                [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            // The first line of a panic's message has the thread's id, and the launcher names a signal that ends the program.
            let stderr = stderr.split(") panicked").last().unwrap_or_default();
            let stderr: Vec<_> =
                stderr.lines().filter(|line| !line.contains("was killed by")).map(str::to_owned).collect();
            (output.status, stdout, stderr)
        };
        assert_eq!(text(&self.with), text(&self.without), "{what}");
    }
}

/// Those in which a logger formats all that there is.
fn cases(versions: &str, logger: &str) -> Vec<&'static str> {
    let shows_pairs = FOR_TRACING.contains(&logger) || versions != "oldest" && ["lines", "forms"].contains(&logger);
    let cases = ["once", "counts", "long", "talks", "breaks", "panics", "trace", "pairs"];
    cases.into_iter().filter(|case| shows_pairs || *case != "pairs").collect()
}

#[track_caller]
fn require_the_same_in(versions: &str) {
    for logger in FOR_LOG.into_iter().chain(FOR_TRACING).filter(|logger| !NOBODY.contains(logger)) {
        for case in cases(versions, logger) {
            Run::of(versions, case, logger).require_same(&format!("{versions}: {case} {logger}"));
        }
    }
}

#[test]
fn the_newest_loggers_format_what_they_format_without_us() {
    require_the_same_in("newest");
}

#[test]
fn the_oldest_loggers_format_what_they_format_without_us() {
    require_the_same_in("oldest");
}

/// A panic that is caught too early, or that comes a second time, would end these at once.
#[test]
fn a_program_that_aborts_at_a_panic_ends_where_it_would() {
    require_the_same_in("abort");
    for logger in ["lines", "fmt"] {
        let run = Run::of("abort", "panics", logger);
        assert_eq!(run.with.status.signal(), Some(6), "{:?}", run.with);
        assert_eq!(run.shown(), "", "{logger}");
    }
}

#[test]
fn formatted_values_arrive_as_the_logger_showed_them() {
    for versions in ["newest", "oldest", "abort"] {
        for logger in ["lines", "narrow", "bridge"] {
            let run = Run::of(versions, "once", logger);
            assert_eq!(run.bodies(), ["ids: 1, 2, 3", "a literal", "aligned      7---c 1"], "{versions} {logger}");
        }
        for logger in ["fmt", "json", "pretty"] {
            let run = Run::of(versions, "once", logger);
            assert_eq!(run.bodies(), ["ids: 1, 2, 3", "fields", "a literal"], "{versions} {logger}");
            let attributes = &run.logs[1].attributes;
            assert_eq!((&attributes["ids"], &attributes["more"]), (&"1, 2, 3".into(), &"4; 5".into()), "{logger}");
        }
    }
}

#[test]
fn a_program_that_formats_twice_gets_the_first_text_recorded() {
    for (logger, bodies) in [("lines", 2), ("twice", 4), ("fmt", 2), ("both", 4)] {
        let run = Run::of("newest", "counts", logger);
        assert!(run.shown().contains(&format!("formatted {}, asked 0", 3 * bodies)), "{}", run.shown());
        let first = if logger == "lines" || logger == "twice" {
            r#"shown 1 and Counts { name: "debugged", number: 2 }"#.get(..20).unwrap()
        } else {
            "shown 1"
        };
        assert_eq!((run.logs.len(), run.bodies()[0]), (3, first), "{logger}");
        assert!(run.logs.iter().all(|log| log.severity == (13, "WARN".to_owned())));
    }
}

#[test]
fn unformatted_values_are_formatted_once_and_never_where_a_panic_would_abort() {
    for (versions, logger) in [("newest", "silent"), ("newest", "nobody"), ("oldest", "silent"), ("oldest", "nobody")] {
        let run = Run::of(versions, "counts", logger);
        let text = if logger == "silent" { "shown 1 and Counts {" } else { "shown 1" };
        assert_eq!((run.logs.len(), run.bodies()[0]), (3, text), "{versions} {logger}");
        assert!(run.shown().starts_with("formatted 6,"), "{}", run.shown());
        // What it logs meanwhile would not have been logged without us.
        assert_eq!(Run::of(versions, "talks", logger).bodies(), ["outer"], "{versions} {logger}");
    }
    for logger in ["silent", "nobody"] {
        let run = Run::of("abort", "panics", logger);
        assert!(run.with.status.success() && run.shown().starts_with("formatted 0,"), "{:?}", run.with);
        let Log { body, dropped_attributes, .. } = run.only();
        assert_eq!((body, *dropped_attributes), (&Value::Other("None".to_owned()), 1), "{logger}");
    }
}

#[test]
fn a_logger_that_rejects_records_has_none_recorded() {
    for (logger, formatted) in [("rejects", 0), ("filtered", 6)] {
        let run = Run::of("newest", "counts", logger);
        assert!(run.logs.is_empty(), "{:?}", run.logs);
        assert!(run.shown().contains(&format!("formatted {formatted},")), "{}", run.shown());
    }
}

#[test]
fn enabled_is_not_called_for_a_record_that_the_logger_read() {
    for case in ["once", "counts", "pairs"] {
        let run = Run::of("newest", case, "lines");
        assert!(run.shown().ends_with("asked 0\n") && !run.logs.is_empty(), "{}", run.shown());
    }
}

#[test]
fn text_that_breaks_off_and_text_that_is_too_long_arrive_in_part() {
    for (versions, logger) in [("newest", "lines"), ("newest", "fmt"), ("oldest", "lines"), ("oldest", "fmt")] {
        let run = Run::of(versions, "long", logger);
        let Value::Str(text) = &run.only().body else { panic!("text") };
        assert!(text.starts_with("000000010002") && text.ends_with('…') && text.len() > 3_500, "{versions} {logger}");
        let run = Run::of(versions, "breaks", logger);
        assert_eq!(run.bodies(), ["half…", "half…"], "{versions} {logger}");
        assert!(run.shown().contains("a panic with Some(42)"), "{}", run.shown());
        // Each of these is logged by the program, once.
        let run = Run::of(versions, "talks", logger);
        let mut bodies = run.bodies();
        bodies.sort_unstable();
        let expected = match (versions, logger) {
            // For `log` there is no logger here.
            ("newest", "fmt") => vec!["inner by log", "inner by tracing", "outer"],
            // While an event is dispatched, older versions dispatch no other.
            ("oldest", "fmt") => vec!["inner by log", "outer"],
            // There is no subscriber that could reject the event.
            _ => vec!["inner by log", "inner by tracing", "outer"],
        };
        assert_eq!(bodies, expected, "{versions} {logger}");
    }
}

#[test]
fn pairs_and_fields_arrive_from_every_formatter() {
    for (versions, logger) in [("newest", "lines"), ("newest", "twice"), ("newest", "silent"), ("abort", "lines")] {
        let run = Run::of(versions, "pairs", logger);
        let attributes = &run.logs[0].attributes;
        assert_eq!(attributes["number"], 7.into(), "{attributes:?}");
        assert_eq!((&attributes["text"], &attributes["open"]), (&"tea".into(), &Value::Bool(true)));
        assert_eq!(attributes["price"], Value::Float(1.5));
        let is_shown = |key: &str, text: &str| matches!(&attributes[key], Value::Str(value) if value.contains(text));
        assert!(is_shown("shown", "shown 1") && is_shown("debugged", "debugged"), "{logger}: {attributes:?}");
        assert_eq!(run.logs[1].attributes["once"], "1, 2, 3".into(), "{logger}");
        assert_eq!(run.logs[0].dropped_attributes, 0, "{logger}");
        assert_eq!(run.logs[2].attributes["visited"], 1.into(), "{logger}");
    }
    for versions in ["newest", "oldest"] {
        for logger in ["fmt", "json", "pretty", "plain", "nobody"] {
            let run = Run::of(versions, "pairs", logger);
            let Log { body, attributes, dropped_attributes, .. } = run.only();
            assert_eq!((body, &attributes["number"]), (&"pairs".into(), &7.into()), "{attributes:?}");
            assert_eq!(attributes["wide"], u128::MAX.to_string().as_str().into());
            let is_shown = |key: &str| matches!(&attributes[key], Value::Str(value) if value.contains(key));
            assert!(is_shown("shown") && is_shown("debugged"), "{logger}: {attributes:?}");
            // Some visitors format errors otherwise than other values.
            assert!(is_shown("error") && *dropped_attributes == 0, "{versions} {logger}: {attributes:?}");
        }
    }
}
