//! Log records are exported completely, with the ids of their span, however the program ends.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};

use super::records::CountFile;
use super::{Launched, launch, until};
use crate::support::Otlp;
use crate::support::expect::span;
use crate::support::logs::Log;
use crate::support::model::Value;

fn logging(otlp: &Otlp) -> Command {
    let mut command = launch("writes_logs");
    command.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_TRACES_EXPORTER", "otlp").stdout(Stdio::null());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    command
}

fn only<'a>(logs: &'a [Log], severity: &str) -> &'a Log {
    let mut found = logs.iter().filter(|log| log.severity.1 == severity);
    let first = found.next().unwrap_or_else(|| panic!("no {severity} in {logs:#?}"));
    assert!(found.next().is_none(), "more than one {severity} in {logs:#?}");
    first
}

#[test]
fn a_log_record_has_the_text_of_the_program_and_the_ids_of_its_request() {
    let otlp = Otlp::start();
    assert!(logging(&otlp).stderr(Stdio::null()).status().unwrap().success());
    let logs = otlp.logs();
    assert_eq!(logs.len(), 4, "the inner record of the talkative one is a repetition: {logs:#?}");

    let warning = only(&logs, "WARN");
    let work = otlp.traces().require(span().named("work"));
    assert_eq!((&warning.trace, &warning.span), (&work.trace, &work.id));
    assert!((work.start..=work.end).contains(&warning.time) && warning.observed >= warning.time, "{warning:?}");
    assert_eq!(warning.severity.0, 13);
    assert_eq!(warning.body, "out of teapots".into());
    let expected: [(&str, Value); 5] = [
        ("code.file.path", "src/orders.rs".into()),
        ("code.line.number", 7.into()),
        ("left", 0.into()),
        ("price", Value::Float(1.5)),
        ("sorry", Value::Bool(true)),
    ];
    assert_eq!(warning.attributes, expected.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(warning.scope, ("shop::orders".into(), String::new()), "the target names the scope");
    assert_eq!(warning.resource["service.name"], "writes_logs".into());

    let outside = only(&logs, "INFO");
    assert_eq!((outside.trace.as_str(), outside.span.as_str()), ("", ""));
    assert_eq!(outside.body, "outer".into());
    assert_eq!(outside.scope, ("logger".into(), "1.2.3".into()), "without a target it is the layer's");
    let Value::Str(long) = &only(&logs, "ERROR").body else { panic!("text") };
    assert!(long.len() > 4000 && long.ends_with("x…"), "{}", long.len());
    let half = only(&logs, "DEBUG");
    assert_eq!((&half.body, half.dropped_attributes), (&"half".into(), 1), "the attribute that panicked is missing");
}

#[test]
fn log_records_that_were_written_before_sigkill_are_exported() {
    for run in 0..5 {
        let otlp = Otlp::start();
        let counts = CountFile::new();
        let mut command = logging(&otlp);
        command.arg(counts.0.path());
        let mut launched = Launched::start(command);
        until("some records are written", || counts.read().1 > 100 * run);
        kill(launched.app, Signal::SIGKILL).unwrap();
        assert_eq!(launched.launcher.wait().unwrap().signal(), Some(9));
        let (begun, ended) = counts.read();
        let mut numbers: Vec<_> = otlp.logs().iter().filter_map(|log| log.attributes.get("number").cloned()).collect();
        assert!((ended..=begun).contains(&numbers.len()), "{} exported, {ended} to {begun} written", numbers.len());
        numbers.dedup();
        assert!((ended..=begun).contains(&numbers.len()), "none comes twice");
    }
}

#[test]
fn the_processor_s_variables_and_the_limits_act() {
    let otlp = Otlp::start();
    let mut command = logging(&otlp);
    command.env("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1").env("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2");
    command.env("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3").env("OTEL_TRACES_EXPORTER", "none");
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(otlp.ways(), ["http"; 4], "one export for each record");
    let logs = otlp.logs();
    let warning = only(&logs, "WARN");
    assert_eq!((warning.attributes.len(), warning.dropped_attributes), (2, 3), "{warning:?}");
    assert_eq!(warning.attributes["code.file.path"], "src".into());
}

#[test]
fn the_console_shows_a_line_for_each_record() {
    let mut command = launch("writes_logs");
    let output = command.env("OTEL_LOGS_EXPORTER", "console").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().find(|line| line.contains("teapots")).unwrap_or_else(|| panic!("{stderr}"));
    for part in ["log ", " WARN  shop::orders: out of teapots  left=0", "  trace "] {
        assert!(line.contains(part), "{part:?} in {line:?}");
    }
    assert!(!String::from_utf8_lossy(&output.stdout).contains("teapots"));
}

#[test]
fn records_lost_without_a_collector_are_counted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut command = launch("writes_logs");
    command.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("4 log records were lost"), "{stderr}");
}

#[test]
fn nothing_is_written_without_a_reader() {
    let output = launch("writes_logs").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("as it should"), "a record that is not exported is not formatted: {stderr}");
}
