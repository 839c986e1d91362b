//! The same telemetry through third-party receivers, by both transports of OTLP.

use super::{SPAN, TRACE, get_as_caller};
use crate::support::expect::{client, server, span};
use crate::support::launched::{Launch, Way};
use crate::support::peers::{Mock, Rotel};
use crate::support::{Fixture, Otlp, need, wait_for};

#[test]
fn the_receiver_is_reached_by_the_configured_protocol() {
    for (way, name) in [(Way::Http, "http"), (Way::Grpc, "grpc")] {
        let otlp = Otlp::start();
        let shop = Launch::of(&Fixture::with("shop", "newest")).by(way, &otlp.url()).start();
        get_as_caller(&shop, "/orders/1", false);
        shop.stop();
        otlp.traces().require_count(5, span().in_trace(TRACE));
        assert!(otlp.ways().iter().all(|way| *way == name), "{:?}", otlp.ways());
    }
}

#[test]
fn elastics_mock_server_reads_it_over_http() {
    let mock = need!(Mock::start());
    read_by_mock(&mock, Way::Http, &mock.http);
}

#[test]
fn elastics_mock_server_reads_it_over_grpc() {
    let mock = need!(Mock::start());
    read_by_mock(&mock, Way::Grpc, &mock.grpc);
}

fn read_by_mock(mock: &Mock, way: Way, url: &str) {
    let shop = Launch::of(&Fixture::with("shop", "newest")).by(way, url).start();
    get_as_caller(&shop, "/orders/1", false);
    shop.stop();
    let (spans, metrics) = mock.received(5);
    let ours: Vec<_> = spans.iter().filter(|span| span["traceId"] == TRACE).collect();
    assert_eq!(ours.len(), 5, "{spans:#?}");
    let named = |name: &str| {
        ours.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {ours:#?}"))
    };
    let (order, call, stock) = (named("GET /orders/{id}"), named("GET"), named("GET /stock/{item}"));
    assert_eq!(order["parentSpanId"], SPAN);
    assert_eq!(call["parentSpanId"], order["spanId"]);
    assert_eq!(stock["parentSpanId"], call["spanId"]);
    assert_eq!(named("SELECT orders")["parentSpanId"], order["spanId"]);
    assert_eq!(named("SELECT stock")["parentSpanId"], stock["spanId"]);
    assert_eq!(order["kind"], "SPAN_KIND_SERVER");
    assert_eq!(order["attributes"]["http.route"], "/orders/{id}");
    for name in [
        "http.server.request.duration",
        "http.client.request.duration",
        "db.client.operation.duration",
        "http.server.active_requests",
    ] {
        assert!(metrics.iter().any(|metric| metric == name), "{name} is not in {metrics:?}");
    }
}

#[test]
fn rotel_passes_on_what_it_got_over_http() {
    let onward = Otlp::start();
    let rotel = need!(Rotel::start(&onward));
    passed_on_by_rotel(&onward, Way::Http, &rotel.http);
}

#[test]
fn rotel_passes_on_what_it_got_over_grpc() {
    let onward = Otlp::start();
    let rotel = need!(Rotel::start(&onward));
    passed_on_by_rotel(&onward, Way::Grpc, &rotel.grpc);
}

fn passed_on_by_rotel(onward: &Otlp, way: Way, url: &str) {
    let shop = Launch::of(&Fixture::with("shop", "newest")).by(way, url).start();
    get_as_caller(&shop, "/orders/1", false);
    shop.stop();
    wait_for("what rotel passes on", 10, || (onward.spans() >= 9).then_some(()));
    let traces = onward.traces();
    let order = traces.require(server().named("GET /orders/{id}").child_of_remote(TRACE, SPAN).recorded_by("hyper"));
    let call = traces.require(client().named("GET").child_of(&order));
    traces.require(server().named("GET /stock/{item}").child_of(&call));
    wait_for("the metrics", 10, || (onward.metrics().count("http.server.request.duration", &[]) == 2).then_some(()));
}
