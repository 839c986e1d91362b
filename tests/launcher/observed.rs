//! The thread that callbacks of metrics run on: where a program has others, and nowhere else.

use super::launch;
use crate::support::Otlp;

/// The program's lines, and the last values of both gauges.
fn observe(steps: &[&str], settings: &[(&str, &str)]) -> (Vec<String>, [Option<f64>; 2]) {
    let otlp = Otlp::start();
    let mut command = launch("observes");
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "100").envs(settings.iter().copied());
    let output = command.args(steps).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let metrics = otlp.metrics();
    let last = |name| metrics.all(name, &[]).first().map(|series| series.value());
    (lines, [last("observed.own"), last("observed.quick")])
}

#[test]
fn a_program_of_one_thread_stays_one_and_is_observed_at_its_end() {
    let (lines, last) = observe(&["idle", "unshare"], &[]);
    assert_eq!(lines[0], "start threads 1 own 0 quick 0");
    assert_eq!(lines[1], "idle threads 1 own 0 quick 1");
    assert_eq!(lines[2], "unshare threads 1 own 0 quick 1");
    assert_eq!(last[0], Some(1.0));
    assert!(last[1] >= Some(2.0), "{last:?}");
}

#[test]
fn a_program_of_several_threads_is_observed_while_it_runs() {
    let (lines, last) = observe(&["thread", "wait", "wait"], &[]);
    assert_eq!(lines[0], "start threads 1 own 0 quick 0");
    assert!(last[0] >= Some(3.0) && last[1] >= Some(3.0), "{lines:?} {last:?}");
}

#[test]
fn observer_thread_never_starts_no_thread() {
    let (lines, last) = observe(&["thread", "idle"], &[("OTEL_RS_OBSERVER_THREAD", "never")]);
    assert_eq!(lines[1], "thread threads 2 own 0 quick 0");
    assert_eq!(lines[2], "idle threads 2 own 0 quick 1");
    assert_eq!(last, [None, Some(2.0)]);
}

#[test]
fn observer_thread_always_starts_a_thread() {
    let (lines, last) = observe(&["wait"], &[("OTEL_RS_OBSERVER_THREAD", "always")]);
    assert!(lines[0].starts_with("start threads 2 "), "{lines:?}");
    assert!(last[0] >= Some(2.0) && last[1] >= Some(2.0), "{last:?}");
}
