//! Programs that count with the default registry of the crate for Prometheus: its contents are exported, and their own page
//! stays as it is.

use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};

use super::{Expected, require, series, shown, stderr};
use crate::launcher::{Launched, launch_file};
use crate::support::fixture::sets;
use crate::support::metrics::{Metrics, Point};
use crate::support::{Fixture, Otlp, succeed, wait_for};

const SCOPE: &str = "prometheus";

/// What the business has in its registry, but for its histograms.
const HELD: [Expected<'static>; 7] = [
    ("shop_sales_total", "", "counter", &[("online=no product=pot", 5.0), ("online=yes product=tea", 7.0)]),
    ("shop_revenue", "", "counter", &[("currency=EUR", 24.5)]),
    ("shop_visitors", "", "gauge", &[("", -3.0)]),
    ("shop_temperature", "", "gauge", &[("room=hall", 21.5)]),
    ("shop_latency_count", "", "counter", &[("", 4.0)]),
    ("shop_latency_sum", "", "up-down", &[("", 6.5)]),
    ("shop_latency", "", "gauge", &[("quantile=0.5", 1.25)]),
];

fn business(otlp: &Otlp, versions: &str, what: &str) -> Command {
    let mut command = launch_file(&Fixture::with("registry", versions).program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").arg(what).stdin(Stdio::piped());
    // It has one thread.
    command.env("OTEL_RS_OBSERVER_THREAD", "always");
    command
}

#[track_caller]
fn require_held(metrics: &Metrics) {
    require(metrics, SCOPE, &HELD);
    let of_registry = metrics.series().filter(|series| series.name.starts_with("shop"));
    assert_eq!(of_registry.count(), 8 + 2, "no more than that: {metrics}");
    let baskets = series(metrics, SCOPE, "shop_basket");
    let expected = [("product=pot", 1, 2.0, [0, 1, 0]), ("product=tea", 5, 26.0, [2, 2, 1])];
    assert_eq!(baskets.len(), expected.len(), "{metrics}");
    for (basket, (labels, count, sum, buckets)) in baskets.iter().zip(expected) {
        assert_eq!((&*shown(basket), &*basket.description), (labels, "What a sale brings."));
        let Point::Histogram { count: total, sum: summed, bounds, buckets: filled } = &basket.point else {
            panic!("{basket}")
        };
        assert_eq!((*total, *summed, &bounds[..], &filled[..]), (count, sum, &[1.0, 10.0][..], &buckets[..]));
    }
}

#[test]
fn a_program_that_returns_exports_its_registry_and_its_own_page_is_unchanged() {
    for versions in &sets("registry") {
        let otlp = Otlp::start();
        let output = business(&otlp, versions, "page").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{versions}: {}", stderr(&output));
        assert!(!stderr(&output).contains("otel-rs:"), "nothing to say: {}", stderr(&output));
        require_held(&otlp.metrics());
        let alone = succeed(Command::new(&Fixture::with("registry", versions).program).arg("page")).0;
        assert!(alone.contains("shop:revenue{currency=\"EUR\"} 24.5\n"), "{alone}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), alone, "{versions}");
    }
}

#[test]
fn a_metric_has_its_help_and_the_version_that_counted_it() {
    let otlp = Otlp::start();
    assert!(business(&otlp, "newest", "page").stdout(Stdio::null()).status().unwrap().success());
    let metrics = otlp.metrics();
    let sales = series(&metrics, SCOPE, "shop_sales_total");
    assert_eq!((&*sales[0].description, &*sales[0].scope_version), ("Sales so far.", "0.14.0"), "{metrics}");
    assert_eq!(sales[0].schema_url, "", "the names are the program's own");
}

#[test]
fn sigkill_leaves_the_last_gathered_values() {
    let otlp = Otlp::start();
    let mut command = business(&otlp, "oldest", "wait");
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "50");
    let mut launched = Launched::start(command);
    wait_for("what the registry holds", 20, || series(&otlp.metrics(), SCOPE, "shop_visitors").pop());
    kill(launched.app, Signal::SIGKILL).unwrap();
    launched.launcher.wait().unwrap();
    require_held(&otlp.metrics());
}

#[test]
fn a_blocking_collector_does_not_delay_the_program() {
    let otlp = Otlp::start();
    let output = business(&otlp, "newest", "blocks").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let trouble = "a callback of the program's metrics takes too long";
    assert_eq!(stderr(&output).matches(trouble).count(), 1, "{}", stderr(&output));
}

/// The program of `instrumentations/prometheus/example`.
#[test]
fn the_example_records_its_metrics() {
    let shop = Fixture::newest_example("prometheus");
    let otlp = Otlp::start();
    let mut command = launch_file(&shop.program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let expected: [Expected<'_>; 2] = [
        ("shop_sales_total", "", "counter", &[("product=pot", 1.0), ("product=tea", 2.0)]),
        ("shop_visitors", "", "gauge", &[("", 2.0)]),
    ];
    require(&otlp.metrics(), SCOPE, &expected);
}
