//! Readers: temporality, aggregation, limits, intervals, and what is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use super::App;
use crate::support::metrics::{HTTP_BOUNDS, Metrics, Point, Series};
use crate::support::{Otlp, wait_for};

const SERVER: &str = "http.server.request.duration";

/// The values of a counter in all exports that have it.
fn each(exports: &[Metrics], name: &str) -> Vec<f64> {
    exports.iter().flat_map(|export| export.all(name, &[])).map(|series| series.value()).collect()
}

#[test]
fn two_readers_see_the_same() {
    let otlp = Otlp::start();
    let mut app = App::exporting(&otlp, &[("METRICS_EXPORTER", "console,otlp")]);
    app.serve(["/a", "/b", "/a"]);
    let stderr = app.end();
    let metrics = otlp.metrics();
    assert_eq!(metrics.require(SERVER, &[("http.route", "/a".into())]).count(), 2);
    assert_eq!(metrics.require("orders.served", &[]).value(), 3.0);
    let row = stderr.lines().find(|line| line.contains("GET /a 200")).unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(row.split_whitespace().nth(3), Some("2"), "{row}");
    assert!(stderr.contains("http.server.active_requests"), "{stderr}");
}

#[test]
fn cumulative_points_hold_all_there_was() {
    let otlp = Otlp::start();
    let mut app = App::exporting(&otlp, &[("METRIC_EXPORT_INTERVAL", "50")]);
    app.serve(["/a"; 3]);
    wait_for("three", 10, || each(&otlp.metric_exports(), "orders.served").contains(&3.0).then_some(()));
    app.serve(["/a"; 2]);
    app.end();
    let exports = otlp.metric_exports();
    let values = each(&exports, "orders.served");
    assert_eq!(values.last(), Some(&5.0));
    assert!(values.is_sorted(), "{values:?}");
    assert!(exports.iter().flat_map(Metrics::series).all(|series| !series.is_delta));
}

#[test]
fn delta_points_hold_what_has_changed() {
    let otlp = Otlp::start();
    let settings = [("METRIC_EXPORT_INTERVAL", "50"), ("EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")];
    let mut app = App::exporting(&otlp, &settings);
    let sum = || each(&otlp.metric_exports(), "orders.served").iter().sum::<f64>();
    let durations = || otlp.metric_exports().iter().map(|export| export.count(SERVER, &[])).sum::<u64>();
    app.serve(["/a"; 3]);
    wait_for("three", 10, || (sum() == 3.0 && durations() == 3).then_some(()));
    app.serve(["/a"; 2]);
    let stderr = app.end();
    assert_eq!(sum(), 5.0, "{stderr}");
    let exports = otlp.metric_exports();
    let requests: Vec<Series> = exports.iter().flat_map(|export| export.all(SERVER, &[])).collect();
    assert_eq!(requests.iter().map(Series::count).sum::<u64>(), 5);
    assert!(requests.len() >= 2 && requests.iter().all(|series| series.is_delta), "{requests:?}");
    // Values that may fall are exported whole.
    let open: Vec<Series> = exports.iter().flat_map(|all| all.all("http.server.active_requests", &[])).collect();
    assert!(!open.is_empty() && open.iter().all(|series| !series.is_delta), "{open:?}");
    assert!(!stderr.contains("lost"), "{stderr}");
}

#[test]
fn exponential_histograms_are_one_readers_choice() {
    let otlp = Otlp::start();
    let mut app = App::exporting(
        &otlp,
        &[
            ("METRICS_EXPORTER", "otlp,prometheus"),
            ("EXPORTER_PROMETHEUS_PORT", "0"),
            ("EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
        ],
    );
    app.serve(["/a"; 4]);
    let page = app.page_with("", 4);
    app.end();
    let series = otlp.metrics().require(SERVER, &[]);
    let Point::Exponential { count, sum, scale, ref buckets } = series.point else { panic!("{series}") };
    assert_eq!((count, buckets.iter().sum::<u64>()), (4, 4), "{series}");
    assert!(scale <= 20 && buckets.len() <= 160 && sum > 0.0, "{series}");
    let bounds = page.body.lines().filter(|line| line.starts_with("http_server_request_duration_seconds_bucket"));
    assert_eq!(bounds.count(), HTTP_BOUNDS.len() + 1, "{}", page.body);
}

#[test]
fn series_beyond_the_limit_become_one() {
    let otlp = Otlp::start();
    let mut app = App::exporting(&otlp, &[("RS_METRICS_CARDINALITY_LIMIT", "5")]);
    app.serve((0..20).map(|number| format!("/{number}")));
    app.end();
    let metrics = otlp.metrics();
    let all = metrics.all(SERVER, &[]);
    let overflow = metrics.require(SERVER, &[("otel.metric.overflow", crate::support::model::Value::Bool(true))]);
    assert!((5..=6).contains(&all.len()), "{metrics}");
    assert!(overflow.count() >= 15 && overflow.attributes.len() == 1, "{overflow}");
    assert_eq!(metrics.count(SERVER, &[]), 20);
}

#[test]
fn exports_come_at_the_interval_and_at_the_end() {
    let otlp = Otlp::start();
    let mut app = App::exporting(&otlp, &[("METRIC_EXPORT_INTERVAL", "20")]);
    app.serve(["/a"]);
    wait_for("three exports", 10, || (otlp.metric_exports().len() >= 3).then_some(()));
    app.end();

    let otlp = Otlp::start();
    let mut app = App::exporting(&otlp, &[]);
    app.serve(["/a"]);
    app.end();
    assert_eq!(otlp.metric_exports().len(), 1, "an hour had not passed");
}

/// A receiver that refuses the first export with a count of orders and takes all others. Reports on a channel when it has refused.
fn refusing_once() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut refused = false;
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    break;
                }
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
            let mut body = vec![0; length.trim().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let refuse = !refused && body.windows(13).any(|text| text == b"orders.served");
            refused |= refuse;
            let status = if refuse { "400 Bad Request" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let _ = (&stream).write_all(answer.as_bytes());
            if refuse {
                let _ = sender.send(());
            }
        }
    });
    (url, received)
}

#[test]
fn lost_points_are_counted_where_nothing_makes_up_for_them() {
    for (temporality, lost) in [("delta", true), ("cumulative", false)] {
        let (url, refused) = refusing_once();
        let mut app = App::start(&[
            ("METRICS_EXPORTER", "otlp"),
            ("EXPORTER_OTLP_ENDPOINT", &url),
            ("METRIC_EXPORT_INTERVAL", "50"),
            ("EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality),
        ]);
        app.serve(["/a"]);
        refused.recv().unwrap();
        app.serve(["/a"]);
        let stderr = app.end();
        assert_eq!(stderr.contains("lost"), lost, "{temporality}: {stderr}");
    }
}

#[test]
fn spans_lost_to_a_dead_collector_are_counted() {
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut app = App::start(&[("METRICS_EXPORTER", "otlp"), ("EXPORTER_OTLP_ENDPOINT", &nobody)]);
    app.serve(["/a"]);
    let stderr = app.end();
    // A request, a query and its rows, a call, and two counters.
    assert!(
        stderr.contains("otel-rs: 6 metric points were lost: 6 not accepted by any collector before the end\n"),
        "{stderr}"
    );
}
