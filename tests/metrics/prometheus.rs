//! The page for Prometheus, checked by promtool and scraped by Prometheus.

use std::process::{Child, Command, Stdio};

use super::App;
use crate::support::http::{ClientRequest, Http};
use crate::support::services::free_port;
use crate::support::{clean, need, source, wait_for};

/// The findings of `promtool` for names that the semantic conventions force; each is listed in docs/reference/prometheus.md.
const FORCED: &[&str] = &["non-histogram and non-summary metrics should not have \"_count\" suffix"];

fn page() -> App {
    let everything = ("RS_HOST_METRICS", "process,system");
    App::start(&[("METRICS_EXPORTER", "prometheus"), ("EXPORTER_PROMETHEUS_PORT", "0"), everything])
}

pub(crate) fn is_installed(program: &str) -> Result<(), String> {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(|_| ()).map_err(|_| format!("`{program}` is not installed"))
}

#[test]
fn promtool_reports_no_problem() {
    need!(is_installed("promtool"));
    let mut app = page();
    app.serve(["/a", "/b 503"]);
    let text = app.page_with("", 2).body;
    assert!(text.contains("\nprocess_thread_count{") && text.contains("\nsystem_cpu_time_seconds_total{"), "{text}");
    check(&text);
}

/// Has `promtool`, which must be installed, check a page.
#[track_caller]
pub(crate) fn check(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page");
    std::fs::write(&file, text).unwrap();
    let mut check = Command::new("promtool");
    let output = check.args(["check", "metrics"]).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    // 3 is lint, 1 is a page that cannot be read.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{stderr}\n{text}");
    // The page holds such a name, so that the finding for it is known.
    assert!(stderr.contains("_count"), "{stderr}\n{text}");
    for line in stderr.lines() {
        assert!(FORCED.iter().any(|forced| line.ends_with(forced)), "{line}\n{text}");
    }
}

#[test]
fn the_manual_lists_the_findings_of_promtool() {
    let manual = std::fs::read_to_string(source("docs/reference/prometheus.md")).unwrap();
    for forced in FORCED {
        assert!(manual.contains(forced), "{forced}");
    }
}

/// A Prometheus that scrapes one target.
struct Prometheus {
    server: Child,
    url: String,
    http: Http,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(target: &str) -> Result<Prometheus, String> {
        is_installed("prometheus")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let config = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\n\
             scrape_configs:\n  - job_name: measures\n    static_configs:\n      - targets: ['{target}']\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).map_err(|error| error.to_string())?;
        let address = format!("127.0.0.1:{}", free_port());
        let server = clean("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        wait_for("Prometheus", 30, || std::net::TcpStream::connect(&address).ok());
        Ok(Prometheus { server, url: format!("http://{address}"), http: Http::new(false), _folder: folder })
    }

    /// The only number that a query yields; `None` when it yields nothing yet.
    fn query(&self, query: &str) -> Option<f64> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let url = format!("{}/api/v1/query?query={query}", self.url);
        let (status, body) = self.http.send(ClientRequest { method: "GET", url, headers: Vec::new() });
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        (status == 200).then_some(())?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn prometheus_scrapes_and_answers() {
    let mut app = page();
    let prometheus = need!(Prometheus::start(&app.page()));
    app.serve(["/a", "/b 503", "/a"]);
    for (query, expected) in [
        ("sum(orders_served_total{otel_scope_name=\"server\"})", 3.0),
        ("sum(http_server_request_duration_seconds_count{http_route=\"/a\"})", 2.0),
        ("sum(http_server_request_duration_seconds_bucket{le=\"10.0\"})", 3.0),
        ("max(http_server_active_requests)", 0.0),
        // `target_info` is joined by `instance`, as the specification recommends.
        (
            "sum(orders_served_total * on(instance) group_left(service_name) target_info{service_name=\"measures\"})",
            3.0,
        ),
        ("min(up)", 1.0),
    ] {
        wait_for(query, 30, || (prometheus.query(query) == Some(expected)).then_some(()));
    }
    app.end();
}
