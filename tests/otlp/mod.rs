//! How telemetry leaves the launcher: by OTLP to receivers that answer in all manner of ways, and as lines of JSON.

mod failures;
mod lines;
mod outages;
mod peers;
mod proxies;
mod sdk;
mod security;
mod transport;

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::launcher::launch;

/// Ways to send.
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// How a program ended, and its output.
struct End {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl End {
    /// The text is printed so often.
    #[track_caller]
    fn prints(&self, times: usize, text: &str) {
        let found = self.stderr.matches(text).count();
        assert!(found == times, "{found} times {text:?} instead of {times} in:\n{}", self.stderr);
    }

    /// The program itself has not noticed anything.
    #[track_caller]
    fn is_good(&self) {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        assert_eq!(self.stdout.lines().last(), Some("done"), "{}", self.stderr);
    }

    /// All telemetry has arrived, without a warning.
    #[track_caller]
    fn is_complete(&self) {
        self.is_good();
        self.prints(0, "cannot export");
        self.prints(0, "lost");
    }
}

/// `measures`, with settings without their `OTEL_`. Exports spans, and metrics at the end.
fn measures(settings: &[(&str, &str)]) -> Command {
    let mut command = launch("measures");
    let usual = [("TRACES_EXPORTER", "otlp"), ("METRICS_EXPORTER", "otlp"), ("METRIC_EXPORT_INTERVAL", "3600000")];
    for (name, value) in usual.iter().chain(settings) {
        command.env(format!("OTEL_{name}"), value);
    }
    command
}

/// Lets it serve `requests`, one a line, of three spans each.
fn serve(mut command: Command, requests: &str) -> End {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut launcher = command.spawn().unwrap();
    // A program that reads nothing may be gone by now.
    let _ = launcher.stdin.take().unwrap().write_all(requests.as_bytes());
    let output = launcher.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    End { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Both at once.
fn run(requests: &str, settings: &[(&str, &str)]) -> End {
    serve(measures(settings), requests)
}
