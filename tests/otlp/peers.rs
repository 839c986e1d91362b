//! Third-party receivers and OTLP/JSON.

use super::run;
use crate::support::peers::{Mock, Rotel};
use crate::support::{Otlp, need, wait_for};

#[test]
fn elastics_mock_server_reads_our_json() {
    let mock = need!(Mock::start());
    run("/a\n", &[("EXPORTER_OTLP_ENDPOINT", &mock.http), ("EXPORTER_OTLP_PROTOCOL", "http/json")]).is_complete();
    let (spans, metrics) = mock.received(3);
    let server = spans.iter().find(|span| span["name"] == "GET /a").expect("the request");
    assert_eq!(spans.iter().filter(|span| span["parentSpanId"] == server["spanId"]).count(), 2, "{spans:#?}");
    assert!(metrics.iter().any(|name| name == "http.server.request.duration"), "{metrics:?}");
}

#[test]
fn rotel_forwards_our_json() {
    let onward = Otlp::start();
    let rotel = need!(Rotel::start(&onward));
    run("/a\n", &[("EXPORTER_OTLP_ENDPOINT", &rotel.http), ("EXPORTER_OTLP_PROTOCOL", "http/json")]).is_complete();
    wait_for("what rotel passes on", 10, || (onward.spans() >= 3).then_some(()));
    // It loses histograms of JSON, though not those of protobuf.
    wait_for("the metrics", 10, || (onward.metrics().all("orders.served", &[]).len() == 1).then_some(()));
}
