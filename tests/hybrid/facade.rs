//! The facade `metrics` without a recorder: what a program counts with it arrives, to the last one.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};

use super::{require_little_memory, require_names_bounded, shown, stderr};
use crate::launcher::{Launched, launch_file};
use crate::support::metrics::{HTTP_BOUNDS, Metrics, Point, Series};
use crate::support::{Fixture, Otlp};

/// A set of locked versions, and those of the facade in it.
const SETS: [(&str, [&str; 3]); 2] =
    [("oldest", ["0.22.4", "0.23.1", "0.24.2"]), ("newest", ["0.22.4", "0.23.1", "0.24.6"])];

/// The business under the launcher, which exports at its end only.
fn business(versions: &str, otlp: &Otlp, arguments: &[&str]) -> Command {
    let mut command = launch_file(&Fixture::with("facade", versions).program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("RUST_BACKTRACE", "0");
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").args(arguments).stdin(Stdio::piped());
    command
}

/// The metrics of a run to its end, and its output.
fn run_to_end(versions: &str, arguments: &[&str]) -> (Metrics, Output) {
    let otlp = Otlp::start();
    let output = business(versions, &otlp, arguments).output().unwrap();
    (otlp.metrics(), output)
}

/// The series of a metric that one version of the facade made.
fn series(metrics: &Metrics, version: &str, name: &str) -> Vec<Series> {
    let is = |series: &&Series| (&*series.scope, &*series.scope_version, &*series.name) == ("metrics", version, name);
    metrics.series().filter(is).cloned().collect()
}

/// Its attributes, unit, kind and value, in that order.
fn values(metrics: &Metrics, version: &str, name: &str) -> Vec<(String, String, &'static str, f64)> {
    let value = |series: &Series| {
        let (kind, value) = match series.point {
            Point::Sum { monotonic: true, value } => ("counter", value),
            Point::Sum { value, .. } => ("up-down", value),
            Point::Gauge(value) => ("gauge", value),
            _ => ("histogram", series.sum()),
        };
        (shown(series), series.unit.clone(), kind, value)
    };
    let mut values: Vec<_> = series(metrics, version, name).iter().map(value).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

#[track_caller]
fn require(metrics: &Metrics, version: &str, name: &str, expected: &[(&str, &str, &'static str, f64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(attributes, unit, kind, value)| ((*attributes).to_owned(), (*unit).to_owned(), *kind, *value))
        .collect();
    assert_eq!(values(metrics, version, name), expected, "{name} of {version}\n{metrics}");
}

/// What `all` counts.
#[track_caller]
fn require_all(metrics: &Metrics, versions: &[&str]) {
    for version in versions {
        let sales =
            [("online=true product=tea", "{count}", "counter", 7.0), ("product=pot", "{count}", "counter", 5.0)];
        require(metrics, version, "shop.sales", &sales);
        require(metrics, version, "shop.visits", &[("", "", "counter", 25.0)]);
        require(metrics, version, "shop.deliveries", &[("", "", "counter", 50.0)]);
        require(metrics, version, "shop.visitors", &[("", "", "gauge", 2.0)]);
        require(metrics, version, "shop.cellar", &[("floor=-1", "KiBy", "gauge", 12.25)]);
        require(metrics, version, "shop.temperature", &[("", "", "gauge", -1.5)]);
        for sales in series(metrics, version, "shop.sales") {
            assert_eq!(sales.description, "Sales so far.", "{sales}");
        }
        let [wait] = &series(metrics, version, "shop.wait")[..] else { panic!("{version}\n{metrics}") };
        let Point::Histogram { count, sum, bounds, buckets } = &wait.point else { panic!("{wait}") };
        assert_eq!((*count, *sum, &bounds[..], &*wait.unit), (3, 20.206, &HTTP_BOUNDS[..], "s"), "{wait}");
        assert_eq!((buckets[1], buckets[6], buckets[14]), (1, 1, 1), "{wait}");
        let [baskets] = &series(metrics, version, "shop.baskets")[..] else { panic!("{version}\n{metrics}") };
        let Point::Histogram { count: 1, bounds, .. } = &baskets.point else { panic!("{baskets}") };
        assert_eq!((baskets.sum(), bounds.len(), bounds[14]), (7.0, 15, 10_000.0), "{baskets}");
        let [oven] = &series(metrics, version, "shop_oven_seconds")[..] else { panic!("{version}\n{metrics}") };
        let Point::Histogram { count: 1, bounds, .. } = &oven.point else { panic!("{oven}") };
        assert_eq!((oven.sum(), &bounds[..], &*oven.unit), (0.3, &HTTP_BOUNDS[..], ""), "{oven}");
    }
}

#[test]
fn every_normal_end_exports_all_that_was_recorded() {
    for (set, versions) in SETS {
        for (end, status) in [("return", 0), ("exit", 0), ("panic", 101)] {
            let (metrics, output) = run_to_end(set, &["all", end]);
            assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
            assert!(!stderr(&output).contains("otel-rs:"), "nothing to say: {}", stderr(&output));
            require_all(&metrics, &versions);
        }
    }
}

#[test]
fn sigkill_loses_no_recorded_value() {
    for (set, versions) in SETS {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let otlp = Otlp::start();
            let mut launched = Launched::start(business(set, &otlp, &["all", "wait"]));
            kill(launched.app, signal).unwrap();
            assert_eq!(launched.launcher.wait().unwrap().signal(), Some(signal as i32));
            require_all(&otlp.metrics(), &versions);
        }
    }
}

#[test]
fn counts_of_four_threads_are_exact() {
    for (set, versions) in SETS {
        let (metrics, _) = run_to_end(set, &["threads", "exit"]);
        for version in versions {
            require(&metrics, version, "shop.adds", &[("", "", "counter", 400_000.0)]);
            require(&metrics, version, "shop.totals", &[("", "", "counter", 399_999.0)]);
            require(&metrics, version, "shop.level", &[("", "", "gauge", 400_000.0)]);
            require(&metrics, version, "shop.sizes", &[("", "", "histogram", 400_000.0)]);
        }
    }
}

#[test]
fn series_beyond_the_limit_are_counted_as_one() {
    let (set, versions) = SETS[1];
    let otlp = Otlp::start();
    business(set, &otlp, &["many", "exit"]).env("OTEL_RS_METRICS_CARDINALITY_LIMIT", "20").output().unwrap();
    let metrics = otlp.metrics();
    for version in versions {
        let customers = series(&metrics, version, "shop.customers");
        let is_overflow = |series: &&Series| shown(series) == "otel.metric.overflow=true";
        let overflow: f64 = customers.iter().filter(is_overflow).map(Series::value).sum();
        assert_eq!((customers.len(), overflow), (20, 3.0 * 81.0), "{metrics}");
        assert_eq!(customers.iter().map(Series::value).sum::<f64>(), 300.0, "{metrics}");
        // The total of one of many would be added with each look at it.
        let points = series(&metrics, version, "shop.points");
        assert_eq!(points.iter().map(Series::value).sum::<f64>(), 5.0 * 19.0, "{metrics}");
        require(&metrics, version, "shop.late", &[("", "", "counter", 1.0)]);
    }
}

#[test]
fn a_million_sets_of_labels_are_counted_in_little_memory() {
    let (metrics, output) = run_to_end("newest", &["million", "exit", "v24"]);
    let customers = series(&metrics, "0.24.6", "shop.customers");
    assert_eq!((customers.len(), customers.iter().map(Series::value).sum::<f64>()), (2000, 1_000_000.0));
    require_little_memory(&output);
}

#[test]
fn unbounded_names_descriptions_and_labels_take_little_memory_with_a_warning() {
    for (set, version) in [("newest", "0.24.6"), ("oldest", "0.22.4")] {
        let module = if set == "newest" { "v24" } else { "v22" };
        let (metrics, output) = run_to_end(set, &["names", "exit", module]);
        assert_eq!(series(&metrics, version, "shop.visits").len(), 1, "{metrics}");
        require_names_bounded(&output);
    }
}

#[test]
fn nan_is_ignored() {
    for (set, versions) in SETS {
        let (metrics, output) = run_to_end(set, &["wrong", "return"]);
        for version in versions {
            require(&metrics, version, "shop.level", &[("", "", "gauge", 2.5)]);
            require(&metrics, version, "shop.sum", &[("", "", "gauge", 1.5)]);
            let [wait] = &series(&metrics, version, "shop.wait")[..] else { panic!("{version}\n{metrics}") };
            assert_eq!((wait.count(), wait.sum()), (1, 1.5), "{wait}");
        }
        let trouble = "some measurements of the program's metrics are left out";
        assert_eq!(stderr(&output).matches(trouble).count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn a_recorder_of_the_program_s_own_takes_precedence() {
    let (set, versions) = SETS[1];
    let (metrics, output) = run_to_end(set, &["own", "return"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("own 7\n").count(), 3, "{output:?}");
    for version in versions {
        require(&metrics, version, "shop.before", &[("", "", "counter", 1.0)]);
        require(&metrics, version, "shop.after", &[]);
    }
    assert_eq!(stderr(&output).matches("installs a recorder of its own").count(), 1, "{}", stderr(&output));
}

#[test]
fn a_local_recorder_takes_precedence_while_it_is_set() {
    let (set, versions) = SETS[1];
    let (metrics, output) = run_to_end(set, &["local", "return"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("own 5\n").count(), 3, "{output:?}");
    for version in versions {
        require(&metrics, version, "shop.outside", &[("", "", "counter", 2.0)]);
        require(&metrics, version, "shop.inside", &[]);
    }
}

#[test]
fn without_the_launcher_nothing_is_counted_or_printed() {
    let output = Command::new(&Fixture::with("facade", "newest").program).args(["all", "return"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// The program of the guide: `instrumentations/metrics/example`.
#[test]
fn the_guide_s_program_records_its_metrics() {
    let shop = Fixture::newest_example("metrics");
    let otlp = Otlp::start();
    let mut command = launch_file(&shop.program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    assert!(command.status().unwrap().success());
    let metrics = otlp.metrics();
    let sales = [("product=pot", "{count}", "counter", 1.0), ("product=tea", "{count}", "counter", 2.0)];
    require(&metrics, "0.24.6", "shop.sales", &sales);
    require(&metrics, "0.24.6", "shop.visitors", &[("", "", "gauge", 0.0)]);
    require(&metrics, "0.24.6", "shop.temperature", &[("", "", "gauge", 21.5)]);
    require(&metrics, "0.24.6", "shop.deliveries", &[("", "", "counter", 7.0)]);
    require(&metrics, "0.24.6", "shop.wait", &[("", "s", "histogram", 4.32)]);
}
