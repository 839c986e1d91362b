//! The page for Prometheus, scraped by hand.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::App;
use crate::support::Otlp;
use crate::support::metrics::{Point, Series};

pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// An answer of the page's server.
#[derive(Debug)]
pub(crate) struct Scraped {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn scrape(address: &str, accept: &str) -> Scraped {
    request(address, &format!("GET /metrics HTTP/1.1\r\naccept: {accept}"))
}

fn request(address: &str, request: &str) -> Scraped {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    write!(stream, "{request}\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    Scraped { head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Samples by name and labels, the bounds of buckets as numbers.
fn samples(body: &str) -> BTreeMap<String, f64> {
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<(String, f64)> = lines
        .map(|line| {
            // A sample may be followed by its exemplar.
            let line = line.split_once(" # ").map_or(line, |(sample, _)| sample);
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect();
    let count = samples.len();
    let samples: BTreeMap<_, _> = samples.into_iter().collect();
    assert_eq!(samples.len(), count, "a series comes twice:\n{body}");
    samples
}

#[test]
fn both_formats_are_offered_and_have_the_same_values() {
    let mut app = App::start(&[("METRICS_EXPORTER", "prometheus"), ("EXPORTER_PROMETHEUS_PORT", "0")]);
    app.serve(["/a", "/b 503", "/a"]);
    let text = app.page_with("", 3);
    assert!(text.head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8"), "{}", text.head);
    assert!(text.body.contains("# TYPE orders_served_total counter\n"), "{}", text.body);
    let open = scrape(&app.page(), OPENMETRICS);
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.contains("# TYPE orders_served counter\n"), "{}", open.body);
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    assert_eq!(samples(&text.body), samples(&open.body));
    let labels = ["service_name=\"measures\"", "telemetry_distro_name=\"otel-rs\""];
    let target = text.body.lines().find(|line| line.starts_with("target_info{")).unwrap();
    assert!(labels.iter().all(|label| target.contains(label)), "{target}");

    let address = app.page();
    let head = request(&address, "HEAD /metrics HTTP/1.1");
    assert!(head.head.starts_with("http/1.1 200 ") && head.body.is_empty(), "{head:?}");
    assert!(request(&address, "POST /metrics HTTP/1.1").head.starts_with("http/1.1 405 "));
    assert!(request(&address, "GET / HTTP/1.1").head.starts_with("http/1.1 404 "));
    app.end();
    assert!(TcpStream::connect(&address).is_err(), "the page ends with the program");
}

#[test]
fn idle_and_slow_connections_do_not_block_others() {
    let mut app = App::start(&[("METRICS_EXPORTER", "prometheus"), ("EXPORTER_PROMETHEUS_PORT", "0")]);
    app.serve(["/a"]);
    let address = app.page();
    app.page_with("", 1);
    // Some send nothing; some begin a request, and some have had an answer and stay open.
    let mut open = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(&address).unwrap();
        let text = ["", "GET /met", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"][number % 3];
        // The server may have closed the connection already.
        let _ = stream.write_all(text.as_bytes());
        open.push(stream);
    }
    for _ in 0..3 {
        let page = scrape(&address, "");
        assert!(page.head.starts_with("http/1.1 200 ") && page.body.contains("orders_served_total"), "{page:?}");
    }
    let mut last = open.pop().unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404", "the newest of them are still open");
    app.end();
}

#[test]
fn the_page_shows_the_numbers_that_otlp_has() {
    let otlp = Otlp::start();
    let settings = [("METRICS_EXPORTER", "otlp,prometheus"), ("EXPORTER_PROMETHEUS_PORT", "0")];
    let mut app = App::exporting(&otlp, &settings);
    app.serve(["/a", "/b 503", "/a", "/c/{id}"]);
    let page = app.page_with("", 4);
    app.end();
    let mut shown = samples(&page.body);
    shown.retain(|series, _| !series.starts_with("target_info"));
    let metrics = otlp.metrics();
    assert_eq!(metrics.series().count(), 8, "{metrics}");
    for series in metrics.series() {
        for (sample, value) in expected(series) {
            assert_eq!(shown.remove(&sample), Some(value), "{sample}\n{}", page.body);
        }
    }
    assert_eq!(shown, BTreeMap::new(), "the page shows more");
}

/// The samples of a series, by hand.
fn expected(series: &Series) -> Vec<(String, f64)> {
    let version = match series.scope.as_str() {
        "server" => "1.0.0",
        "client" => "2.0.0",
        _ => "3.0.0",
    };
    let mut labels: BTreeMap<String, String> =
        series.attributes.iter().map(|(key, value)| (key.replace('.', "_"), value.to_string())).collect();
    labels.insert("otel_scope_name".into(), series.scope.clone());
    labels.insert("otel_scope_version".into(), version.into());
    labels.insert("otel_scope_schema_url".into(), "https://opentelemetry.io/schemas/1.42.0".into());
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", value.trim_matches('"'))).collect();
    let labels = labels.join(",");
    let name = series.name.replace('.', "_");
    match &series.point {
        Point::Sum { value, monotonic } => {
            let total = if *monotonic { "_total" } else { "" };
            vec![(format!("{name}{total}{{{labels}}}"), *value)]
        }
        Point::Histogram { count, sum, bounds, buckets } => {
            let name = if series.unit == "s" { format!("{name}_seconds") } else { name };
            let mut below = 0;
            let bounds = bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
            let mut samples: Vec<(String, f64)> = bounds
                .zip(buckets)
                .map(|(bound, count)| {
                    below += count;
                    (format!("{name}_bucket{{{labels},le=\"{bound}\"}}"), below as f64)
                })
                .collect();
            samples.push((format!("{name}_sum{{{labels}}}"), *sum));
            samples.push((format!("{name}_count{{{labels}}}"), *count as f64));
            samples
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_in_use_is_one_warning_and_no_harm() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let otlp = Otlp::start();
    let settings = [
        ("METRICS_EXPORTER", "otlp,prometheus"),
        ("EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("EXPORTER_PROMETHEUS_PORT", &port),
    ];
    let mut app = App::exporting(&otlp, &settings);
    app.serve(["/a"]);
    let stderr = app.end();
    assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
    let expected = format!(
        "otel-rs: warning: cannot offer metrics to Prometheus at `127.0.0.1:{port}`, the program keeps running without the page\n\
         otel-rs:   caused by: Address already in use (os error 98)\n\
         otel-rs: hint: set `OTEL_EXPORTER_PROMETHEUS_PORT` to a port that is free\n"
    );
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(otlp.metrics().require("orders.served", &[]).value(), 1.0);
}
