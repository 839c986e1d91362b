//! Readers and views of a configuration file.

use super::App;
use crate::support::Otlp;
use crate::support::metrics::Point;

/// Runs three requests with a file whose `ONE` and `OTHER` are receivers.
fn run(file: &str) -> (Otlp, Otlp) {
    let (one, other) = (Otlp::start(), Otlp::start());
    let text = file.replace("ONE", &one.url()).replace("OTHER", &other.url());
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), text).unwrap();
    let mut app = App::start(&[("CONFIG_FILE", path.path().to_str().unwrap())]);
    app.serve(["/a", "/b 503", "/a"]);
    let stderr = app.end();
    assert_eq!(stderr, "");
    (one, other)
}

#[test]
fn views_rename_drop_filter_and_change_buckets() {
    let (otlp, _) = run(r#"
file_format: "1.0"
meter_provider:
  readers:
    - periodic: {interval: 3600000, exporter: {otlp_http: {endpoint: "ONE/v1/metrics"}}}
  views:
    - selector: {instrument_name: "http.server.*", instrument_type: histogram}
      stream:
        name: requests
        description: Mine.
        aggregation: {explicit_bucket_histogram: {boundaries: [0.5, 1.0]}}
        attribute_keys: {excluded: ["http.rout*", url.scheme]}
    - selector: {instrument_type: histogram, unit: s, meter_name: database}
      stream: {aggregation: {drop: {}}}
    - selector: {instrument_name: http.client.request.duration}
      stream: {aggregation: {base2_exponential_bucket_histogram: {max_scale: 2}}}
distribution: {otel_rs: {host_metrics: []}}
"#);
    let metrics = otlp.metrics();
    let names: Vec<&str> = metrics.series().map(|series| series.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "http.client.request.duration",
            "db.client.response.returned_rows",
            "http.server.active_requests",
            "orders.served",
            "requests",
            "requests"
        ],
        "{metrics}"
    );
    let good = metrics.require("requests", &[("http.response.status_code", 200.into())]);
    let Point::Histogram { count: 2, ref bounds, .. } = good.point else { panic!("{good}") };
    assert_eq!(bounds, &[0.5, 1.0]);
    assert_eq!(good.attributes.keys().collect::<Vec<_>>(), ["http.request.method", "http.response.status_code"]);
    let calls = metrics.require("http.client.request.duration", &[]);
    assert!(matches!(calls.point, Point::Exponential { count: 3, scale: ..=2, .. }), "{calls}");
}

#[test]
fn readers_of_one_kind_differ() {
    let (one, other) = run(r#"
file_format: "1.0"
meter_provider:
  readers:
    - periodic: {interval: 3600000, exporter: {otlp_http: {endpoint: "ONE/v1/metrics"}}}
    - periodic:
        interval: 3600000
        cardinality_limits: {default: 9, histogram: 1}
        exporter:
          otlp_http:
            endpoint: "OTHER/v1/metrics"
            temporality_preference: delta
            default_histogram_aggregation: base2_exponential_bucket_histogram
"#);
    let served = |otlp: &Otlp| otlp.metrics().require("orders.served", &[]);
    assert_eq!((served(&one).value(), served(&one).is_delta), (3.0, false));
    assert_eq!((served(&other).value(), served(&other).is_delta), (3.0, true));
    let durations = |otlp: &Otlp| otlp.metrics().all("http.server.request.duration", &[]);
    let (plain, fine) = (durations(&one), durations(&other));
    assert!(plain.iter().all(|series| matches!(series.point, Point::Histogram { .. })), "{plain:?}");
    assert!(fine.iter().all(|series| matches!(series.point, Point::Exponential { .. })), "{fine:?}");
    assert_eq!(plain.len(), 2);
    let overflow = |series: &&crate::support::metrics::Series| series.attributes.contains_key("otel.metric.overflow");
    assert_eq!(fine.iter().filter(overflow).count(), 1, "{fine:?}");
}
