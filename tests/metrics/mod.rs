//! How metrics leave the launcher: readers of several kinds, side by side.

pub(crate) mod page;
pub(crate) mod prometheus;
mod readers;
mod runtimes;
mod views;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::launcher::launch;
use crate::support::{Otlp, wait_for};

/// `measures` under the launcher.
pub(crate) struct App {
    launcher: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    printed: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl App {
    /// Starts it with settings without their `OTEL_`. Nothing is read of itself but at the end, if they do not say so.
    pub(crate) fn start(settings: &[(&str, &str)]) -> App {
        let mut command = launch("measures");
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
        command.envs(settings.iter().map(|(name, value)| (format!("OTEL_{name}"), value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut launcher = command.spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (mut stderr, heard) = (launcher.stderr.take().unwrap(), Arc::clone(&printed));
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let (requests, answers) = (launcher.stdin.take(), BufReader::new(launcher.stdout.take().unwrap()));
        let mut app = App { launcher, requests, answers, printed, reading: Some(reading) };
        assert!(app.answer().starts_with("ready "), "{}", app.printed());
        app
    }

    /// The same, exporting to `otlp` at least.
    fn exporting(otlp: &Otlp, settings: &[(&str, &str)]) -> App {
        let url = otlp.url();
        let mut all = vec![("METRICS_EXPORTER", "otlp"), ("EXPORTER_OTLP_ENDPOINT", url.as_str())];
        all.extend(settings);
        App::start(&all)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lets it serve requests, one after the other: `ROUTE` or `ROUTE STATUS` each.
    pub(crate) fn serve(&mut self, requests: impl IntoIterator<Item = impl AsRef<str>>) {
        for request in requests {
            writeln!(self.requests.as_ref().unwrap(), "{}", request.as_ref()).unwrap();
            assert_eq!(self.answer(), "done");
        }
    }

    /// The stderr of the launcher so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// `host:port` of the page for Prometheus.
    fn page(&self) -> String {
        wait_for("the page's address", 10, || {
            let printed = self.printed();
            let (_, rest) = printed.split_once("metrics are at http://")?;
            Some(rest.split_once("/metrics\n")?.0.to_owned())
        })
    }

    /// Waits for the page to show that many requests served.
    pub(crate) fn page_with(&self, format: &str, served: u64) -> page::Scraped {
        let address = self.page();
        wait_for("all requests on the page", 10, || {
            let scraped = page::scrape(&address, format);
            let shown = format!(" {served}");
            let mut lines = scraped.body.lines().filter(|line| line.starts_with("http_server_request_duration"));
            let mut total = lines.by_ref().filter(|line| line.contains("_count{")).peekable();
            total.peek()?;
            let sum: u64 = total.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
            let counted = scraped.body.lines().any(|l| l.starts_with("orders_served_total") && l.ends_with(&shown));
            (sum == served && counted).then_some(scraped)
        })
    }

    /// Ends it; returns all of its stderr.
    pub(crate) fn end(mut self) -> String {
        self.requests = None;
        let status = wait_for("the launcher's end", 30, || self.launcher.try_wait().unwrap());
        self.reading.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {}", self.printed());
        self.printed()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // A test that failed half way leaves nothing behind.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}
