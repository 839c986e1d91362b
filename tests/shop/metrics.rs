//! Metrics: units, bounds, attributes, and that every request is in them.

use super::{received, received_with, require_as_defined};
use crate::support::http::{ClientRequest, Http};
use crate::support::launched::Launch;
use crate::support::metrics::{DATABASE_BOUNDS, HTTP_BOUNDS, Point, Series};
use crate::support::{Fixture, Otlp, wait_for};

fn bounds(series: &Series) -> &[f64] {
    match &series.point {
        Point::Histogram { bounds, .. } => bounds,
        _ => panic!("{series} is no histogram"),
    }
}

#[test]
fn durations_have_the_conventions_units_and_bounds() {
    let (_, _, metrics) = received("newest", |shop| {
        for _ in 0..3 {
            assert_eq!(shop.get("/orders/1").0, 200);
        }
    });
    let orders = metrics.require("http.server.request.duration", &[("http.route", "/orders/{id}".into())]);
    assert_eq!((orders.unit.as_str(), orders.count(), bounds(&orders)), ("s", 3, HTTP_BOUNDS.as_slice()), "{orders}");
    let keys: Vec<_> = orders.attributes.keys().map(String::as_str).collect();
    for key in ["http.request.method", "http.response.status_code", "network.protocol.version", "url.scheme"] {
        assert!(keys.contains(&key), "{orders} lacks {key}");
    }
    for key in ["url.path", "client.address", "user_agent.original", "url.query"] {
        assert!(!keys.contains(&key), "{orders} has {key}, of which there is no end");
    }
    match orders.point {
        Point::Histogram { sum, .. } => assert!(sum > 0.0 && sum < 30.0, "{orders}: in seconds"),
        _ => unreachable!("`bounds` looked"),
    }

    let calls = metrics.require("http.client.request.duration", &[]);
    assert_eq!((calls.unit.as_str(), calls.count(), bounds(&calls)), ("s", 3, HTTP_BOUNDS.as_slice()), "{calls}");
    assert_eq!(calls.attributes["server.address"], "127.0.0.1".into());

    let queries = metrics.require(
        "db.client.operation.duration",
        &[("db.collection.name", "orders".into()), ("db.operation.name", "SELECT".into())],
    );
    assert_eq!(
        (queries.unit.as_str(), queries.count(), bounds(&queries)),
        ("s", 3, DATABASE_BOUNDS.as_slice()),
        "{queries}"
    );
    let rows = metrics.require(
        "db.client.response.returned_rows",
        &[("db.collection.name", "orders".into()), ("db.operation.name", "SELECT".into())],
    );
    assert!(matches!(rows.point, Point::Histogram { count: 3, sum: 3.0, .. }), "one row for each: {rows}");
    assert_eq!((rows.unit.as_str(), &rows.attributes), ("{row}", &queries.attributes), "{rows}");
}

#[test]
fn active_requests_rise_and_fall() {
    let otlp = Otlp::start();
    let shop = Launch::of(&Fixture::with("shop", "newest")).to(&otlp).env("OTEL_METRIC_EXPORT_INTERVAL", 100).start();
    let url = shop.url("/limits/waiting");
    let asking = std::thread::spawn(move || {
        // One is served at a time, 150 ms each.
        Http::new(false).send_all(vec![ClientRequest { method: "GET", url, headers: Vec::new() }; 6])
    });
    let active = || otlp.metrics().all("http.server.active_requests", &[]);
    let busy = wait_for("active requests", 60, || active().into_iter().find(|series| series.value() >= 2.0));
    assert_eq!((&busy.attributes["http.request.method"], busy.attributes.len()), (&"GET".into(), 2), "{busy}");
    asking.join().unwrap();
    let none = |all: Vec<Series>| (!all.is_empty() && all.iter().all(|series| series.value() == 0.0)).then_some(());
    wait_for("active requests to fall to none", 60, || none(active()));
    shop.stop();
    require_as_defined(&otlp.metrics());
}

#[test]
fn every_request_counts_whether_sampled_or_not() {
    let few = |launch: Launch| launch.env("OTEL_TRACES_SAMPLER", "traceidratio").env("OTEL_TRACES_SAMPLER_ARG", "0.1");
    let (_, traces, metrics) = received_with("newest", few, |shop| shop.http().repeat(&shop.url("/hello"), 400, 4));
    assert_eq!(metrics.require("http.server.request.duration", &[]).count(), 400);
    require_as_defined(&metrics);
    let sampled = traces.0.len();
    assert!((10..90).contains(&sampled), "a tenth of 400 is sampled, more or less: {sampled}");
}
