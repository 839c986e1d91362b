//! What looking at processes and the machine costs the launcher: `cargo bench --bench host`.
//!
//! A program that sleeps is launched without these metrics, with them, and with them read often. What reading costs is
//! divided by the number of reads; what is used at the default interval besides are the looks between exports.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

const SECONDS: u64 = 20;
const OFTEN: Duration = Duration::from_millis(100);
/// OTEL_METRIC_EXPORT_INTERVAL's default.
const DEFAULT: Duration = Duration::from_secs(60);

/// Seconds of CPU that a launcher uses, program included.
fn used(script: &str, metrics: &str, interval: Duration) -> f64 {
    let before = children();
    let mut launched = Command::new(env!("CARGO_BIN_EXE_otel-rs"));
    launched.env("OTEL_RS_HOST_METRICS", metrics).env("OTEL_METRIC_EXPORT_INTERVAL", interval.as_millis().to_string());
    launched.env("OTEL_METRICS_EXPORTER", "otlp/stdout").env("OTEL_TRACES_EXPORTER", "none");
    launched.env("OTEL_LOGS_EXPORTER", "none").env("OTEL_RS_PROCESS_SPAN", "true");
    launched.args(["instrument", "--", "sh", "-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(launched.status().expect("otel-rs starts").success());
    children() - before
}

fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn main() {
    let one = format!("exec sleep {SECONDS}");
    let many = format!("for n in $(seq 199); do sleep {SECONDS} & done; wait");
    println!("{:<30}{:>12}{:>36}", "", "one export", "share of a core, every 60 s");
    for (what, script) in [("1 process", &one), ("200 processes", &many)] {
        let without = used(script, "none", DEFAULT);
        for metrics in ["process", "system", "process,system"] {
            let by_default = used(script, metrics, DEFAULT);
            let export = (used(script, metrics, OFTEN) - by_default) / (SECONDS as f64 / OFTEN.as_secs_f64());
            let between = (by_default - without).max(0.0) / SECONDS as f64;
            let share = (between + export / DEFAULT.as_secs_f64()) * 100.0;
            println!("{:<30}{:>9.2} ms{share:>34.3} %", format!("{what}: {metrics}"), export * 1e3);
        }
    }
}
