//! The usual loggers and subscribers, and none: which records arrive, by default and by OTEL_RS_LOGS, and what the program
//! shows meanwhile.

use std::process::{Command, Output};

use crate::launcher::launch_file;
use crate::support::logs::Log;
use crate::support::{Fixture, Otlp};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

const BY_LOG: [&str; 3] = ["env_logger", "fern", "slog"];
const BY_TRACING: [&str; 5] = ["fmt", "json", "env_filter", "layered", "reload"];

/// What the program shows, and the records.
fn run(logger: &str, variables: &[(&str, &str)]) -> (Output, Vec<Log>) {
    let otlp = Otlp::start();
    let mut launched = launch_file(&Fixture::with("loggers", "newest").program);
    launched.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    launched.env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01")).env("OTEL_RS_ENVIRONMENT_PARENT", "true");
    let output = launched.arg(logger).envs(variables.iter().copied()).output().unwrap();
    // Records of different targets are exported apart.
    let mut logs = otlp.logs();
    logs.sort_by_key(|log| std::cmp::Reverse(log.severity.0));
    (output, logs)
}

fn alone(logger: &str) -> Output {
    Command::new(&Fixture::with("loggers", "newest").program).arg(logger).output().unwrap()
}

fn shown(output: &Output) -> (Vec<u8>, Vec<u8>, Option<i32>) {
    (output.stdout.clone(), output.stderr.clone(), output.status.code())
}

/// What is on stdout but for the last line, which counts, and on stderr.
fn but_for_counts(output: &Output) -> (String, String) {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let (lines, counts) = stdout.split_at(stdout.find("computed").unwrap());
    assert_eq!(counts.lines().count(), 1);
    (lines.to_owned(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn counts(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

fn severities(logs: &[Log]) -> Vec<&str> {
    logs.iter().map(|log| log.severity.1.as_str()).collect()
}

#[test]
fn records_that_a_usual_logger_accepts_arrive_and_the_program_shows_what_it_shows_without_us() {
    for logger in BY_LOG.into_iter().chain(BY_TRACING) {
        let (with, logs) = run(logger, &[]);
        // How often values are computed and formatted included.
        assert_eq!(shown(&with), shown(&alone(logger)), "{logger}");
        assert_eq!(severities(&logs), ["ERROR", "WARN", "INFO"], "{logger}");
        for log in &logs {
            assert_eq!((log.trace.as_str(), log.span.as_str()), (TRACE, SPAN), "{logger}");
            assert_eq!(log.scope.0, "loggers_newest", "{logger}: {log:?}");
        }
        let first = &logs[0];
        assert_eq!(first.body, "counted 1".into(), "{logger}");
        if BY_TRACING.contains(&logger) {
            let error = "an error occurred when formatting an argument";
            assert_eq!(first.attributes["error"], error.into(), "{logger}");
            assert_eq!(first.attributes["exception.message"], error.into(), "{logger}");
        }
    }
}

#[test]
fn without_a_logger_records_arrive_from_info_on() {
    let (with, logs) = run("none", &[]);
    assert_eq!(severities(&logs), ["ERROR", "WARN", "INFO"]);
    let expected = ["counted 1", "counted 2", "counted 3"].map(Into::into);
    assert_eq!(logs.iter().map(|log| log.body.clone()).collect::<Vec<_>>(), expected);
    assert!(logs.iter().all(|log| (log.trace.as_str(), log.span.as_str()) == (TRACE, SPAN)), "{logs:?}");
    assert_eq!(but_for_counts(&with), but_for_counts(&alone("none")));
    assert_eq!(counts(&with), "computed 3, formatted 3");
    // Nothing is computed where nothing is recorded.
    for variable in [
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_RS_LOGS", "off"),
        ("OTEL_RS_DISABLED_INSTRUMENTATIONS", "log"),
        ("OTEL_SDK_DISABLED", "true"),
    ] {
        let (with, logs) = run("none", &[variable]);
        assert_eq!((shown(&with), logs.len()), (shown(&alone("none")), 0), "{variable:?}");
    }
}

#[test]
fn records_beyond_the_programs_level_are_the_launchers_alone() {
    for (logger, directives, expected, counted) in [
        ("env_logger", "trace", &["ERROR", "WARN", "INFO", "DEBUG", "TRACE"][..], "computed 5, formatted 5"),
        ("fern", "debug", &["ERROR", "WARN", "INFO", "DEBUG"], "computed 4, formatted 4"),
        ("slog", "debug", &["ERROR", "WARN", "INFO", "DEBUG"], "computed 5, formatted 4"),
        ("none", "trace", &["ERROR", "WARN", "INFO", "DEBUG", "TRACE"], "computed 5, formatted 5"),
        // One target alone: the macros compute what they cannot exclude.
        ("env_logger", "off,loggers::inner=debug", &["DEBUG"], "computed 4, formatted 4"),
        // Less than the program shows.
        ("env_logger", "warn", &["ERROR", "WARN"], "computed 3, formatted 3"),
        ("fern", "off", &[], "computed 3, formatted 3"),
        ("none", "error", &["ERROR"], "computed 1, formatted 1"),
    ] {
        let (with, logs) = run(logger, &[("OTEL_RS_LOGS", directives)]);
        assert_eq!(severities(&logs), expected, "{logger} {directives}");
        assert_eq!(counts(&with), counted, "{logger} {directives}");
        // The level that the facade reports is the program's as well.
        assert_eq!(but_for_counts(&with), but_for_counts(&alone(logger)), "{logger} {directives}");
    }
}

#[test]
fn ids_are_in_the_programs_own_lines_of_json_only_if_the_user_wants_them() {
    let (with, logs) = run("json", &[("OTEL_RS_LOG_IDS", "true")]);
    let ids = format!(r#","trace_id":"{TRACE}","span_id":"{SPAN}"}}"#);
    let lines = String::from_utf8(with.stdout).unwrap();
    assert_eq!(lines.matches(&ids).count(), 3, "{lines}");
    assert_eq!(lines.replace(&ids, "}"), String::from_utf8(alone("json").stdout).unwrap());
    assert_eq!(logs.len(), 3);
    // Without a span there is nothing to show, and no other format shows ids.
    for (logger, variable) in [("json", ("OTEL_RS_ENVIRONMENT_PARENT", "false")), ("fmt", ("OTEL_RS_LOGS", ""))] {
        let (with, _) = run(logger, &[("OTEL_RS_LOG_IDS", "true"), variable]);
        assert_eq!(shown(&with), shown(&alone(logger)), "{logger}");
    }
}
