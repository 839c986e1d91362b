//! OTLP receivers made by others: Elastic's mock server and rotel.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::services::free_port;
use super::{Otlp, output, wait_for};

/// Elastic's mock server: it decodes with its own protobuf definitions and shows what it has in JSON.
pub(crate) struct Mock {
    server: Child,
    pub(crate) http: String,
    pub(crate) grpc: String,
    lines: Arc<Mutex<Vec<serde_json::Value>>>,
}

const MOCK_SCRIPT: &str = r"
const {MockOtlpServer} = require('./lib/mockotlpserver');
const {JSONPrinter} = require('./lib/printers');
const server = new MockOtlpServer({
    logLevel: 'error', services: ['http', 'grpc'],
    httpHostname: '127.0.0.1', httpPort: 0, grpcHostname: '127.0.0.1', grpcPort: 0,
});
server.start().then(() => {
    new JSONPrinter(server._log, 0).subscribe();
    console.log(JSON.stringify({http: server.httpUrl, grpc: server.grpcUrl}));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
";

/// Where npm has put the mock server: MOCKOTLPSERVER names its package folder or a folder with `node_modules`.
fn mock_folder() -> Result<PathBuf, String> {
    let package = "node_modules/@elastic/mockotlpserver";
    let mut places: Vec<PathBuf> = std::env::var_os("MOCKOTLPSERVER").into_iter().map(PathBuf::from).collect();
    places.push(super::kept("").with_file_name("peers"));
    places.push(super::source(""));
    let (_, global, _) = output(Command::new("npm").args(["root", "--global"]).stderr(Stdio::null()));
    places.extend(PathBuf::from(global.trim()).parent().map(PathBuf::from));
    let folders = places.into_iter().flat_map(|place| [place.clone(), place.join(package)]);
    let mut folders = folders.filter(|folder| folder.join("lib/mockotlpserver.js").is_file());
    folders
        .next()
        .ok_or_else(|| "`@elastic/mockotlpserver` is not installed (npm), or MOCKOTLPSERVER not set".to_owned())
}

impl Mock {
    pub(crate) fn start() -> Result<Self, String> {
        if which::which("node").is_err() {
            return Err("`node` is not installed".to_owned());
        }
        let mut command = Command::new("node");
        command.args(["-e", MOCK_SCRIPT]).current_dir(mock_folder()?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().map_err(|error| format!("node: {error}"))?;
        let mut stdout = BufReader::new(server.stdout.take().expect("piped")).lines();
        let first = stdout.next().and_then(Result::ok).ok_or("the mock server ended at once")?;
        let urls: serde_json::Value = serde_json::from_str(&first).map_err(|error| format!("{first}: {error}"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        std::thread::spawn(move || {
            for line in stdout.map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(value);
                }
            }
        });
        let url = |name: &str| urls[name].as_str().unwrap_or_default().replace("localhost", "127.0.0.1");
        Ok(Self { http: url("http"), grpc: url("grpc"), server, lines })
    }

    /// What it shows once it shows `count` spans or more: spans, then names of metrics.
    pub(crate) fn received(&self, count: usize) -> (Vec<serde_json::Value>, Vec<String>) {
        let each = |value: &serde_json::Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        wait_for("the mock server's spans and metrics", 10, || {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut spans, mut metrics) = (Vec::new(), Vec::new());
            for line in lines.iter() {
                for scope in each(line, "resourceSpans").iter().flat_map(|resource| each(resource, "scopeSpans")) {
                    spans.extend(each(&scope, "spans"));
                }
                for scope in each(line, "resourceMetrics").iter().flat_map(|resource| each(resource, "scopeMetrics")) {
                    metrics.extend(
                        each(&scope, "metrics").iter().filter_map(|metric| Some(metric["name"].as_str()?.to_owned())),
                    );
                }
            }
            (spans.len() >= count && !metrics.is_empty()).then_some((spans, metrics))
        })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// rotel, a collector: it takes our OTLP and sends what it understood on to a receiver of our own.
pub(crate) struct Rotel {
    agent: Child,
    pub(crate) http: String,
    pub(crate) grpc: String,
    _folder: tempfile::TempDir,
}

/// The binary inside the Python package; ROTEL names it directly.
fn rotel_agent() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ROTEL") {
        return Ok(path.into());
    }
    let missing = || "`rotel` is not installed (pip), or ROTEL not set".to_owned();
    let own = super::kept("").with_file_name("peers").join("venv/bin/python3");
    for python in [own, PathBuf::from("python3")] {
        let script = "import os, rotel; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
        let Ok(output) = Command::new(python).args(["-c", script]).output() else { continue };
        let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if path.is_file() {
            return Ok(path);
        }
    }
    Err(missing())
}

impl Rotel {
    pub(crate) fn start(onward: &Otlp) -> Result<Self, String> {
        let program = rotel_agent()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (http, grpc) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(program);
        command.args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--batch-timeout", "100ms"]);
        command.args(["--otlp-exporter-endpoint", &onward.url()]);
        command.args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc]);
        command.arg("--pid-file").arg(folder.path().join("pid")).arg("--log-file").arg(folder.path().join("log"));
        let log = std::fs::File::create(folder.path().join("stderr")).map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
        let mut agent = command.spawn().map_err(|error| format!("rotel: {error}"))?;
        wait_for("rotel's ports", 10, || {
            let ended = agent.try_wait().ok().flatten();
            assert!(
                ended.is_none(),
                "rotel: {}",
                std::fs::read_to_string(folder.path().join("stderr")).unwrap_or_default()
            );
            [&http, &grpc].iter().all(|address| std::net::TcpStream::connect(address).is_ok()).then_some(())
        });
        Ok(Self { agent, http: format!("http://{http}"), grpc: format!("http://{grpc}"), _folder: folder })
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}
