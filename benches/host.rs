//! What looking at processes and the machine costs the launcher: `cargo bench --bench host`.
//!
//! A program that sleeps is launched with and without these metrics, read often; what the launcher used more is divided by
//! the number of looks.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

const SECONDS: u64 = 20;
const INTERVAL: Duration = Duration::from_millis(100);
/// OTEL_METRIC_EXPORT_INTERVAL's default.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// Seconds of CPU that a launcher uses, program included.
fn used(metrics: &str) -> f64 {
    let before = children();
    let mut launched = Command::new(env!("CARGO_BIN_EXE_otel-rs"));
    launched.env("OTEL_RS_HOST_METRICS", metrics).env("OTEL_METRIC_EXPORT_INTERVAL", INTERVAL.as_millis().to_string());
    launched.env("OTEL_METRICS_EXPORTER", "otlp/stdout").env("OTEL_TRACES_EXPORTER", "none");
    launched.env("OTEL_LOGS_EXPORTER", "none").env("OTEL_RS_PROCESS_SPAN", "true");
    launched.args(["instrument", "--", "sleep", &SECONDS.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(launched.status().expect("otel-rs starts").success());
    children() - before
}

fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn main() {
    let looks = SECONDS as f64 / INTERVAL.as_secs_f64();
    let without = used("none");
    println!("{:<20}{:>12}{:>34}", "", "one look", "share of a core, every 60 s");
    for metrics in ["process", "system", "process,system"] {
        let look = (used(metrics) - without) / looks;
        let share = look / DEFAULT_INTERVAL.as_secs_f64() * 100.0;
        println!("{metrics:<20}{:>9.2} ms{share:>32.4} %", look * 1e3);
    }
}
