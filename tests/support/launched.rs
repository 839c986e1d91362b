//! Apps under the launcher.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::http::{Answer, ClientRequest, Http};
use super::{Fixture, OTEL_RS, Otlp, clean, wait_for};

/// How telemetry goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    Grpc,
}

/// What an app is launched with.
pub(crate) struct Launch {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// A shop that listens.
pub(crate) struct Launched {
    launcher: Child,
    pub(crate) shop: u16,
    pub(crate) stock: u16,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    http: Http,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Launch {
    pub(crate) fn of(fixture: &Fixture) -> Self {
        Self::program(&fixture.program)
    }

    /// Any program that prints `listening shop=PORT stock=PORT` first.
    pub(crate) fn program(program: &Path) -> Self {
        Self { program: program.to_owned(), environment: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn to(self, otlp: &Otlp) -> Self {
        self.by(Way::Http, &otlp.url())
    }

    pub(crate) fn by(self, way: Way, url: &str) -> Self {
        let protocol = if way == Way::Grpc { "grpc" } else { "http/protobuf" };
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    }

    pub(crate) fn start(self) -> Launched {
        let mut command = clean(OTEL_RS);
        command.args(["instrument", "--"]).arg(&self.program);
        command.env("OTEL_LOGS_EXPORTER", "none").env("OTEL_RS_HOST_METRICS", "none").envs(self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut launcher = command.spawn().expect("otel-rs starts");
        let stderr = read(launcher.stderr.take().expect("piped"));
        let mut lines = BufReader::new(launcher.stdout.take().expect("piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("text on stdout");
        let port = |name: &str| {
            let word = first.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|port| port.parse().ok())
        };
        let (Some(shop), Some(stock)) = (port("shop"), port("stock")) else {
            let _ = launcher.kill();
            panic!("the shop printed {first:?} instead of its ports; stderr:\n{}", stderr.join().unwrap_or_default());
        };
        Launched { launcher, shop, stock, stdout: Some(read(lines)), stderr: Some(stderr), http: Http::new(false) }
    }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Launched {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.shop)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(ClientRequest { method: "GET", url: self.url(path), headers: Vec::new() })
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        self.ask(ClientRequest { method: "POST", url: self.url(path), headers: Vec::new() })
    }

    pub(crate) fn ask(&self, ask: ClientRequest) -> Answer {
        self.http.send(ask)
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// The launcher's child.
    pub(crate) fn app(&self) -> Pid {
        let launcher = self.launcher.id();
        let path = format!("/proc/{launcher}/task/{launcher}/children");
        let children = wait_for("the launcher's child", 60, || {
            std::fs::read_to_string(&path).ok().filter(|text| !text.trim().is_empty())
        });
        let first = children.split_whitespace().next().expect("a child");
        Pid::from_raw(first.parse().expect("a process id"))
    }

    /// Memory of the app that is its own, in KiB: what it shares with the launcher is left out.
    pub(crate) fn app_memory_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.app())).expect("the app's status");
        let line = text.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.launcher.id() as i32), signal).expect("the launcher is there");
    }

    /// Ends it as a supervisor would, after which all telemetry is out.
    pub(crate) fn stop(self) -> End {
        // The client has its answer a moment before the server is through with it.
        std::thread::sleep(Duration::from_millis(200));
        self.send(Signal::SIGTERM);
        let end = self.end();
        let terminated = end.status.signal() == Some(15) || end.status.code() == Some(143);
        assert!(terminated, "ended by {:?} instead of SIGTERM; stderr:\n{}", end.status, end.stderr);
        end
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let status = wait_for("the launcher's end", 60, || self.launcher.try_wait().expect("a child"));
        let stderr = self.stderr.take().expect("taken once").join().unwrap_or_default();
        let _ = self.stdout.take().map(JoinHandle::join);
        End { status, stderr }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // A test that failed half way leaves nothing behind: the app dies with its launcher.
        if self.launcher.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.launcher.kill();
            let _ = self.launcher.wait();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
