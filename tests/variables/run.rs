//! One run of `records_everything` under the launcher, and its outcome: what is exported and written to stderr.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use crate::launcher::program;
use crate::support::expect::Traces;
use crate::support::logs::Log;
use crate::support::metrics::{Metrics, Point};
use crate::support::model::Attributes;
use crate::support::{OTEL_RS, Otlp, clean};

/// A run that is being set up.
pub(super) struct Run {
    program: &'static str,
    environment: Vec<(String, OsString)>,
    flags: Vec<String>,
    headers: Vec<String>,
    otlp: Otlp,
}

/// A run whose first round is recorded.
pub(super) struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<()>,
    written: Arc<Mutex<String>>,
    pub(super) sent: BTreeMap<String, String>,
    pub(super) otlp: Otlp,
}

/// What came of a run.
pub(super) struct Outcome {
    /// Headers that a call took along.
    pub(super) sent: BTreeMap<String, String>,
    pub(super) stderr: String,
    pub(super) traces: Traces,
    pub(super) metrics: Metrics,
    pub(super) logs: Vec<Log>,
    pub(super) otlp: Otlp,
}

/// A run with one variable set.
pub(super) fn with(name: &str, value: impl ToString) -> Outcome {
    Run::new().env(name, value).outcome()
}

/// A run with nothing set but where the collector is.
pub(super) fn by_default() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| Run::new().outcome())
}

/// A bad value is warned of, and everything exported is what is exported by default.
#[track_caller]
pub(super) fn refused(name: &str, value: &str) {
    let outcome = with(name, value);
    outcome.warns(name, value);
    outcome.is_as(by_default(), name);
}

/// The same, where the variable acts on `run` alone.
#[track_caller]
pub(super) fn refused_in(run: impl Fn() -> Run, name: &str, value: &str) {
    let (outcome, unset) = (run().env(name, value).outcome(), run().env(name, "").outcome());
    outcome.warns(name, value);
    outcome.is_as(&unset, name);
}

/// The same for a secret, which is not shown.
#[track_caller]
pub(super) fn refused_unseen(name: &str, value: &str) {
    let outcome = with(name, value);
    outcome.warns(name, "");
    assert!(!outcome.stderr.contains(value), "{}", outcome.stderr);
    outcome.is_as(by_default(), name);
}

/// What differs between two runs of the same.
const FLEETING: [&str; 6] = [
    "process.pid",
    "process.parent_pid",
    // Not there if the program has ended before it was looked at.
    "process.owner",
    "process.creation.time",
    "service.instance.id",
    // Of the span of a run.
    "process.executable.path",
];

fn lasting(attributes: &Attributes) -> String {
    let lasting = attributes.iter().filter(|(key, _)| !FLEETING.contains(&key.as_str()));
    lasting.map(|(key, value)| format!(" {key}={value}")).collect()
}

impl Outcome {
    /// Names the variable in a warning, and its value.
    #[track_caller]
    pub(super) fn warns(&self, name: &str, value: &str) {
        let stderr = &self.stderr;
        let line = stderr.lines().find(|line| line.contains("warning") && line.contains(&format!("`{name}`")));
        assert!(line.is_some_and(|line| line.contains(value)), "no warning names {name} and {value}:\n{stderr}");
    }

    /// Everything exported and written is as in `other`, but for the warnings of the variable.
    #[track_caller]
    pub(super) fn is_as(&self, other: &Outcome, name: &str) {
        let (found, expected) = (self.picture(name), other.picture(name));
        let only = |ours: &str, theirs: &str| {
            let lines = ours.lines().filter(|line| !theirs.lines().any(|other| other == *line));
            lines.map(|line| format!("  {line}\n")).collect::<String>()
        };
        let (more, less) = (only(&found, &expected), only(&expected, &found));
        assert!(found == expected, "`{name}` is in effect; with it:\n{more}without it:\n{less}");
    }

    /// Everything exported, how it came, and what was written but for what concerns `name`: without what differs from run
    /// to run, such as times, ids and the order of what arrives.
    fn picture(&self, name: &str) -> String {
        let by_id: BTreeMap<_, _> = self.traces.0.iter().map(|span| (span.id.as_str(), span.name.as_str())).collect();
        let mut picture = Vec::new();
        for span in &self.traces.0 {
            let parent = by_id.get(span.parent.as_str()).copied().unwrap_or(&span.parent);
            let events = span.events.iter().map(|(name, with)| format!(" [{name}{}]", lasting(with)));
            let (kind, scope, events) = (span.kind, &span.scope, events.collect::<String>());
            let attributes = lasting(&span.attributes);
            let what = format!("{kind:?} `{}` below `{parent}` by {scope:?}:{attributes}{events}", span.name);
            picture.push(format!("span {what}"));
            picture.push(format!("resource of spans:{}", lasting(&span.resource)));
        }
        for series in self.metrics.series() {
            let point = match &series.point {
                Point::Histogram { count, bounds, .. } => format!("{count} in {bounds:?}"),
                Point::Exponential { count, .. } => format!("{count} in buckets of base 2"),
                Point::Sum { value, monotonic } => format!("{value}, monotonic {monotonic}"),
                Point::Gauge(_) => "some value".to_owned(),
            };
            let (name, attributes, is_delta) = (&series.name, lasting(&series.attributes), series.is_delta);
            picture.push(format!("metric {name}{attributes}: {point}, delta {is_delta}"));
        }
        for log in &self.logs {
            let (body, severity) = (&log.body, &log.severity);
            let span = by_id.get(log.span.as_str()).copied().unwrap_or_default();
            let attributes = lasting(&log.attributes);
            picture.push(format!("log {body} {severity:?} within `{span}`:{attributes}"));
            picture.push(format!("resource of logs:{}", lasting(&log.resource)));
        }
        for seen in self.otlp.requests("") {
            let names = seen.headers.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
            let kind = ["content-type", "content-encoding", "grpc-encoding"].map(|name| seen.headers.get(name));
            picture.push(format!("request of {} as {kind:?} with {names}", seen.path));
        }
        picture.extend(self.sent.iter().map(|(name, value)| format!("sent {name} of {} letters", value.len())));
        // A hint goes with its warning.
        let mut concerns = false;
        for line in self.stderr.lines() {
            concerns = line.contains(&format!("`{name}`")) || concerns && line.contains("hint: ");
            if !concerns {
                picture.push(format!("stderr {line}"));
            }
        }
        // In how many requests it came is a matter of time.
        let once = |line: &str| line.starts_with("request ") || line.starts_with("resource ");
        let mut counted = BTreeMap::<String, usize>::new();
        for line in picture {
            let count = counted.entry(line).or_default();
            *count += 1;
        }
        let lines =
            counted.iter().map(|(line, count)| if once(line) { line.clone() } else { format!("{line} ({count})") });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Run {
    /// With a collector of its own.
    pub(super) fn new() -> Run {
        let otlp = Otlp::start();
        let environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), otlp.url().into())];
        Run { program: "records_everything", environment, flags: Vec::new(), headers: Vec::new(), otlp }
    }

    /// Of another program, which ends by itself.
    pub(super) fn of(program: &'static str) -> Run {
        Run { program, ..Run::new() }
    }

    /// With another collector.
    pub(super) fn to(mut self, otlp: Otlp) -> Run {
        self.otlp = otlp;
        let url = self.otlp.url();
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    }

    /// A later value counts more; an empty one unsets.
    pub(super) fn env(self, name: &str, value: impl ToString) -> Run {
        self.bytes(name, value.to_string())
    }

    /// The same for bytes that may not be text.
    pub(super) fn bytes(mut self, name: &str, value: impl Into<OsString>) -> Run {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn flag(mut self, flag: &str) -> Run {
        self.flags.push(flag.to_owned());
        self
    }

    /// A header of the request that is served.
    pub(super) fn header(mut self, name: &str, value: &str) -> Run {
        self.headers.push(format!("{name}={value}"));
        self
    }

    pub(super) fn url(&self) -> String {
        self.otlp.url()
    }

    pub(super) fn start(self) -> Running {
        let mut command = clean(OTEL_RS);
        command.arg("instrument").args(&self.flags).arg("--").arg(program(self.program)).args(&self.headers);
        // The machine's metrics have nothing to do with most variables.
        command.env("OTEL_RS_HOST_METRICS", "none").envs(self.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("otel-rs starts");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let written = Arc::<Mutex<String>>::default();
        let sink = Arc::clone(&written);
        let stderr = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut written = sink.lock().expect("no panic while it was held");
                written.push_str(&line);
                written.push('\n');
            }
        });
        let (stdin, stdout) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut running = Running { child, stdin, stdout, stderr, written, sent: BTreeMap::new(), otlp: self.otlp };
        running.round();
        running
    }

    /// One round, and the end.
    pub(super) fn outcome(self) -> Outcome {
        self.start().end()
    }
}

impl Running {
    /// What was written to stderr so far.
    pub(super) fn stderr_so_far(&self) -> String {
        self.written.lock().expect("no panic while it was held").clone()
    }

    /// Runs many rounds, as fast as it can.
    pub(super) fn rounds(&mut self, count: usize) {
        self.stdin.write_all("\n".repeat(count).as_bytes()).expect("it reads");
        (0..count).for_each(|_| self.round());
    }

    /// Runs one more round.
    pub(super) fn again(&mut self) {
        self.stdin.write_all(b"\n").expect("it reads");
        self.round();
    }

    fn round(&mut self) {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).expect("text") > 0 && line.trim_end() != "recorded" {
            if let Some((name, value)) = line.trim_end().strip_prefix("sent ").and_then(|rest| rest.split_once(' ')) {
                self.sent.insert(name.to_owned(), value.to_owned());
            }
            line.clear();
        }
    }

    pub(super) fn end(self) -> Outcome {
        let Running { mut child, stdin, mut stdout, stderr, written, sent, otlp } = self;
        drop(stdin);
        let mut rest = String::new();
        let _ = stdout.read_to_string(&mut rest);
        let status = child.wait().expect("a child");
        stderr.join().expect("read");
        let stderr = std::mem::take(&mut *written.lock().expect("no panic while it was held"));
        assert_eq!(status.code(), Some(0), "the program's own end; stderr:\n{stderr}");
        let (traces, metrics, logs) = (otlp.traces(), otlp.metrics(), otlp.logs());
        Outcome { sent, stderr, traces, metrics, logs, otlp }
    }
}
