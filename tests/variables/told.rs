//! One run of `tells_all` under the launcher, and all that could be seen of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use crate::launcher::program;
use crate::support::expect::Traces;
use crate::support::logs::Log;
use crate::support::metrics::Metrics;
use crate::support::{OTEL_RS, Otlp, clean};

/// A run that is being set up.
pub(super) struct Run {
    environment: Vec<(String, String)>,
    flags: Vec<String>,
    headers: Vec<String>,
    otlp: Otlp,
}

/// A run that has told its first round.
pub(super) struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<()>,
    said: Arc<Mutex<String>>,
    pub(super) sent: BTreeMap<String, String>,
    pub(super) otlp: Otlp,
}

/// What was seen of a run.
pub(super) struct Told {
    /// Headers that a call took along.
    pub(super) sent: BTreeMap<String, String>,
    pub(super) stderr: String,
    pub(super) traces: Traces,
    pub(super) metrics: Metrics,
    pub(super) logs: Vec<Log>,
    pub(super) otlp: Otlp,
}

/// A run with one variable set.
pub(super) fn with(name: &str, value: impl ToString) -> Told {
    Run::new().env(name, value).tell()
}

/// A run with nothing set but where the collector is.
pub(super) fn by_default() -> &'static Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    TOLD.get_or_init(|| Run::new().tell())
}

/// What is said of a bad value; the run goes on with the default.
pub(super) fn refused(name: &str, value: &str) {
    let told = with(name, value);
    let line = told.stderr.lines().find(|line| line.contains("warning") && line.contains(&format!("`{name}`")));
    assert!(line.is_some_and(|line| line.contains(value)), "no warning names {name} and {value}:\n{}", told.stderr);
    assert_eq!(told.traces.0.len(), by_default().traces.0.len(), "the default is used:\n{}", told.stderr);
}

/// The same for a secret, which is not shown.
pub(super) fn refused_unseen(name: &str, value: &str) {
    let told = with(name, value);
    let line = told.stderr.lines().find(|line| line.contains("warning") && line.contains(&format!("`{name}`")));
    assert!(line.is_some(), "no warning names {name}:\n{}", told.stderr);
    assert!(!told.stderr.contains(value), "{}", told.stderr);
}

impl Run {
    /// With a collector of its own.
    pub(super) fn new() -> Run {
        let otlp = Otlp::start();
        let environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), otlp.url())];
        Run { environment, flags: Vec::new(), headers: Vec::new(), otlp }
    }

    /// With another collector.
    pub(super) fn to(mut self, otlp: Otlp) -> Run {
        self.otlp = otlp;
        let url = self.otlp.url();
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    }

    /// A later value counts more; an empty one unsets.
    pub(super) fn env(mut self, name: &str, value: impl ToString) -> Run {
        self.environment.push((name.to_owned(), value.to_string()));
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
        command.arg("instrument").args(&self.flags).arg("--").arg(program("tells_all")).args(&self.headers);
        // What the machine does is no business of most variables.
        command.env("OTEL_RS_HOST_METRICS", "none").envs(self.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("otel-rs starts");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let said = Arc::<Mutex<String>>::default();
        let saying = Arc::clone(&said);
        let stderr = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut said = saying.lock().expect("no panic while it was held");
                said.push_str(&line);
                said.push('\n');
            }
        });
        let (stdin, stdout) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut running = Running { child, stdin, stdout, stderr, said, sent: BTreeMap::new(), otlp: self.otlp };
        running.round();
        running
    }

    /// One round, and the end.
    pub(super) fn tell(self) -> Told {
        self.start().end()
    }
}

impl Running {
    /// What was said on stderr so far.
    pub(super) fn said(&self) -> String {
        self.said.lock().expect("no panic while it was held").clone()
    }

    /// Has it told many times, as fast as it can.
    pub(super) fn rounds(&mut self, count: usize) {
        self.stdin.write_all("\n".repeat(count).as_bytes()).expect("it reads");
        (0..count).for_each(|_| self.round());
    }

    /// Has it told once more.
    pub(super) fn again(&mut self) {
        self.stdin.write_all(b"\n").expect("it reads");
        self.round();
    }

    fn round(&mut self) {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).expect("text") > 0 && line.trim_end() != "told" {
            if let Some((name, value)) = line.trim_end().strip_prefix("sent ").and_then(|rest| rest.split_once(' ')) {
                self.sent.insert(name.to_owned(), value.to_owned());
            }
            line.clear();
        }
    }

    pub(super) fn end(self) -> Told {
        let Running { mut child, stdin, mut stdout, stderr, said, sent, otlp } = self;
        drop(stdin);
        let mut rest = String::new();
        let _ = stdout.read_to_string(&mut rest);
        let status = child.wait().expect("a child");
        stderr.join().expect("read");
        let stderr = std::mem::take(&mut *said.lock().expect("no panic while it was held"));
        assert_eq!(status.code(), Some(0), "the program's own end; stderr:\n{stderr}");
        let (traces, metrics, logs) = (otlp.traces(), otlp.metrics(), otlp.logs());
        Told { sent, stderr, traces, metrics, logs, otlp }
    }
}
