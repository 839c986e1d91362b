//! Programs that measure themselves with OpenTelemetry's API and no SDK, or with the facade `metrics` and no recorder: what
//! they counted arrives, to the last one. So do the spans that they make with the API.

mod buckets;
mod callbacks;
mod facade;
mod limits;
mod prometheus;
mod registry;
mod spans;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};

use crate::launcher::{Launched, launch_file};
use crate::support::metrics::{Metrics, Point, Series};
use crate::support::model::Value;
use crate::support::{Fixture, Otlp, wait_for};

/// The business's scopes, one for each version of the API.
const VERSIONS: [&str; 7] = ["v27", "v28", "v29", "v30", "v31", "v32", "v33"];

/// The business under the launcher, which exports at its end only.
fn business(otlp: &Otlp, arguments: &[&str]) -> Command {
    let mut command = launch_file(&Fixture::of("business").program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    // A callback's panic should not take long.
    command.env("RUST_BACKTRACE", "0");
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").args(arguments).stdin(Stdio::piped());
    // It has one thread.
    command.env("OTEL_RS_OBSERVER_THREAD", "always");
    command
}

/// The metrics of a run to its end, and its output.
fn run_to_end(arguments: &[&str]) -> (Metrics, Output) {
    let otlp = Otlp::start();
    let output = business(&otlp, arguments).output().unwrap();
    (otlp.metrics(), output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A business that has recorded a million sets of attributes has kept what the limit of 2000 series allows. 16,000 take 8 MiB.
#[track_caller]
fn require_little_memory(output: &Output) {
    let grown = grown(output);
    assert!((1..6 << 10).contains(&grown), "by {grown} KiB");
}

/// By how many KiB it grew.
fn grown(output: &Output) -> u64 {
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.lines().find_map(|line| line.strip_prefix("grew ")?.parse().ok()).expect("so many KiB")
}

/// Invalid names take a bounded amount of memory; a warning shows some of them, and that there were more.
fn require_names_bounded(output: &Output) {
    assert!(grown(output) < 16 << 10, "by {} KiB", grown(output));
    let stderr = stderr(output);
    assert!(stderr.contains("the metric `shop sales 0` of"), "{stderr}");
    assert_eq!(stderr.matches("some of the program's metrics are left out").count(), 1, "{stderr}");
}

/// The series of a metric, in the order of their attributes.
fn series(metrics: &Metrics, scope: &str, name: &str) -> Vec<Series> {
    let mut found: Vec<Series> =
        metrics.series().filter(|series| series.scope == scope && series.name == name).cloned().collect();
    found.sort_by_key(|series| format!("{:?}", series.attributes));
    found
}

/// Attributes, as they are compared.
fn shown(series: &Series) -> String {
    let shown = series.attributes.iter().map(|(key, value)| format!("{key}={value}").replace('"', ""));
    shown.collect::<Vec<_>>().join(" ")
}

/// Name, unit and kind of a metric, and each series with its value.
type Expected<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, f64)]);

/// What `all` counts.
const COUNTED: [Expected<'static>; 7] = [
    ("shop.sales", "{sale}", "counter", &[("online=false product=pot", 5.0), ("online=true product=tea", 7.0)]),
    ("shop.revenue", "EUR", "counter", &[("", 25.0)]),
    ("shop.visitors", "", "up-down", &[("", 7.0)]),
    ("shop.balance", "", "up-down", &[("", -0.75)]),
    ("shop.open.days", "", "gauge", &[("", 6.0)]),
    ("shop.floor", "", "gauge", &[("level=-1", -1.0)]),
    ("shop.temperature", "Cel", "gauge", &[("share=0.5", 21.5), ("", 30.0)]),
];
/// The metrics that its callbacks observe.
const OBSERVED: [Expected<'static>; 7] = [
    ("shop.deliveries", "{delivery}", "counter", &[("by=bike", 42.0)]),
    ("shop.energy", "J", "counter", &[("", 1.75)]),
    ("shop.stock", "", "up-down", &[("by=bike", -4.0)]),
    ("shop.debts", "", "up-down", &[("", -0.5)]),
    ("shop.lamps", "", "gauge", &[("", 9.0)]),
    ("shop.depth", "", "gauge", &[("", -9.0)]),
    ("shop.light", "", "gauge", &[("", 0.125)]),
];

#[track_caller]
fn require(metrics: &Metrics, scope: &str, expected: &[Expected<'_>]) {
    for (name, unit, kind, values) in expected {
        let found = series(metrics, scope, name);
        let mut seen: Vec<(String, f64)> = found.iter().map(|series| (shown(series), series.value())).collect();
        let mut wanted: Vec<(String, f64)> = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(seen, wanted, "{name} of {scope}\n{metrics}");
        for series in &found {
            let is = match series.point {
                Point::Sum { monotonic: true, .. } => "counter",
                Point::Sum { monotonic: false, .. } => "up-down",
                Point::Gauge(_) => "gauge",
                _ => "histogram",
            };
            assert_eq!((series.unit.as_str(), is, series.is_delta), (*unit, *kind, false), "{series}");
        }
    }
}

/// Checks the metrics that do not depend on callbacks.
#[track_caller]
fn require_counted(metrics: &Metrics) {
    for scope in VERSIONS {
        require(metrics, scope, &COUNTED);
        let [basket] = &series(metrics, scope, "shop.basket")[..] else { panic!("{scope}\n{metrics}") };
        let Point::Histogram { count, sum, bounds, buckets } = &basket.point else { panic!("{basket}") };
        assert_eq!((*count, *sum, &bounds[..], &buckets[..]), (4, 15.0, &[1.0, 10.0][..], &[2, 1, 1][..]), "{scope}");
        let [items] = &series(metrics, scope, "shop.basket.items")[..] else { panic!("{scope}\n{metrics}") };
        let Point::Histogram { count, sum, bounds, buckets } = &items.point else { panic!("{items}") };
        assert_eq!((*count, *sum, bounds.len(), buckets.len()), (3, 20_007.0, 15, 16), "{scope}");
        assert_eq!((bounds[1], buckets[1], bounds[2], buckets[2], buckets[15]), (5.0, 1, 10.0, 1, 1), "{scope}");
    }
}

/// Checks the metrics that callbacks observe.
#[track_caller]
fn require_observed(metrics: &Metrics) {
    VERSIONS.iter().for_each(|scope| require(metrics, scope, &OBSERVED));
}

#[test]
fn every_normal_end_exports_all_that_was_recorded() {
    for (end, status) in [("return", 0), ("exit", 0), ("panic", 101)] {
        let (metrics, output) = run_to_end(&["all", end]);
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        assert!(!stderr(&output).contains("otel-rs:"), "nothing to say: {}", stderr(&output));
        require_counted(&metrics);
        require_observed(&metrics);
    }
}

#[test]
fn sigkill_loses_no_counted_value() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let otlp = Otlp::start();
        let mut launched = Launched::start(business(&otlp, &["all", "wait"]));
        kill(launched.app, signal).unwrap();
        assert_eq!(launched.launcher.wait().unwrap().signal(), Some(signal as i32));
        require_counted(&otlp.metrics());
    }
}

#[test]
fn sigkill_leaves_the_last_observed_values() {
    let otlp = Otlp::start();
    let mut command = business(&otlp, &["all", "wait"]);
    let mut launched = Launched::start({
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "50");
        command
    });
    let is_there = |scope: &&str| !series(&otlp.metrics(), scope, "shop.light").is_empty();
    wait_for("what callbacks observe", 20, || VERSIONS.iter().all(is_there).then_some(()));
    kill(launched.app, Signal::SIGKILL).unwrap();
    launched.launcher.wait().unwrap();
    let metrics = otlp.metrics();
    require_counted(&metrics);
    require_observed(&metrics);
}

/// The ways in which a program ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Returns,
    Panics,
    Exits,
    /// The launcher gets SIGTERM, as a supervisor sends it.
    Terminated,
    /// The program gets SIGKILL.
    Killed,
}

const ENDS: [End; 5] = [End::Returns, End::Panics, End::Exits, End::Terminated, End::Killed];

/// All metrics of the business, when it ended that way as soon as the work was done. It is exported once.
#[track_caller]
fn metrics_after_the_end(work: &str, scope: Option<&str>, end: End) -> Metrics {
    let otlp = Otlp::start();
    let (word, expected) = match end {
        End::Returns => ("return", Ok(0)),
        End::Panics => ("panic", Ok(101)),
        End::Exits => ("exit", Ok(0)),
        End::Terminated => ("wait", Err(Signal::SIGTERM)),
        End::Killed => ("wait", Err(Signal::SIGKILL)),
    };
    let arguments: Vec<&str> = [work, word].into_iter().chain(scope).collect();
    let mut launched = Launched::start(business(&otlp, &arguments));
    // `wait` would close stdin, and a waiting program would then return.
    let _stdin = launched.launcher.stdin.take();
    match end {
        End::Terminated => launched.send(Signal::SIGTERM),
        End::Killed => kill(launched.app, Signal::SIGKILL).unwrap(),
        End::Returns | End::Panics | End::Exits => {}
    }
    let status = launched.launcher.wait().unwrap();
    let ended = status.code().ok_or_else(|| Signal::try_from(status.signal().unwrap()).unwrap());
    assert_eq!(ended, expected, "{end:?}");
    otlp.metrics()
}

/// What `threads` counts.
#[track_caller]
fn require_four_million(metrics: &Metrics, scope: &str) {
    let adds: Vec<_> = series(metrics, scope, "shop.adds").iter().map(Series::value).collect();
    assert_eq!(adds, [2_000_000.0, 2_000_000.0], "{scope}\n{metrics}");
    let fractions: Vec<_> = series(metrics, scope, "shop.fractions").iter().map(Series::value).collect();
    assert_eq!(fractions, [2_000_000.0], "{scope}\n{metrics}");
    let [sizes] = &series(metrics, scope, "shop.sizes")[..] else { panic!("{scope}\n{metrics}") };
    let Point::Histogram { count, sum, buckets, .. } = &sizes.point else { panic!("{sizes}") };
    let expected = 4.0 * 1_000_000.0 * 1_000_001.0 / 2.0;
    assert_eq!((*count, *sum, &buckets[..]), (4_000_000, expected, &[2_000_000, 2_000_000][..]), "{scope}");
}

#[test]
fn callbacks_run_before_a_signal_that_ends_the_program_is_passed_on() {
    let metrics = metrics_after_the_end("all", None, End::Terminated);
    require_counted(&metrics);
    require_observed(&metrics);
}

#[test]
fn a_million_adds_of_each_of_four_threads_are_four_million() {
    let metrics = metrics_after_the_end("threads", None, End::Exits);
    VERSIONS.iter().for_each(|scope| require_four_million(&metrics, scope));
}

#[test]
fn every_kind_of_end_exports_all_additions() {
    for scope in [VERSIONS[0], VERSIONS[6]] {
        for end in ENDS {
            let metrics = metrics_after_the_end("threads", Some(scope), end);
            require_four_million(&metrics, scope);
        }
    }
}

#[test]
fn a_metric_has_its_description_and_the_scope_of_its_meter() {
    let (metrics, _) = run_to_end(&["all", "return"]);
    for scope in VERSIONS {
        for (name, description) in [("shop.sales", "Sales so far."), ("shop.basket", "What a sale brings.")] {
            for found in series(&metrics, scope, name) {
                assert_eq!((&*found.description, &*found.scope_version), (description, "1.2.3"), "{scope}");
                assert_eq!(found.schema_url, "https://example.org/shop", "{scope}");
                assert_eq!(found.scope_attributes.get("team"), Some(&Value::from("tea")), "{scope}");
            }
        }
    }
}

#[test]
fn a_bound_instrument_counts_as_any_other() {
    let (metrics, _) = run_to_end(&["bound", "return"]);
    require(&metrics, "v33", &[("shop.bound", "", "counter", &[("product=tea", 2000.0)])]);
}

#[test]
fn measurements_of_known_series_do_not_allocate() {
    let allocations = |arguments: &[&str]| -> Vec<(String, u64)> {
        let stdout = String::from_utf8(run_to_end(arguments).1.stdout).unwrap();
        let lines = stdout.lines().filter_map(|line| line.strip_suffix(" allocations")?.split_once(": "));
        lines.map(|(of, count)| (of.to_owned(), count.parse().unwrap())).collect()
    };
    let found = allocations(&["frugal", "return"]);
    for scope in VERSIONS {
        let of_scope: Vec<_> = found.iter().filter(|(of, _)| of == scope).map(|(_, count)| *count).collect();
        assert!(matches!(of_scope[..], [1..=u64::MAX, 0]), "only the first time: {scope} {of_scope:?}");
    }
    assert_eq!(allocations(&["bound", "return"]), [("bound".to_owned(), 0)]);
}

#[test]
fn a_forked_child_counts_for_itself_and_its_count_stays() {
    let (metrics, _) = run_to_end(&["forked", "return"]);
    let expected: [Expected<'_>; 2] =
        [("shop.forked", "", "counter", &[("", 111.0)]), ("shop.people", "", "up-down", &[("", 1.0)])];
    require(&metrics, "v33", &expected);
}

#[test]
fn a_provider_of_the_program_s_own_takes_precedence() {
    let (metrics, output) = run_to_end(&["own", "return", "v30"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("own 5\n"), "{output:?}");
    assert_eq!(series(&metrics, "v30", "shop.before").iter().map(Series::value).collect::<Vec<_>>(), [1.0]);
    assert!(series(&metrics, "v30", "shop.after").is_empty(), "{metrics}");
    assert_eq!(stderr(&output).matches("meter provider of its own").count(), 1, "{}", stderr(&output));
}

/// The program of the guide: `instrumentations/opentelemetry/example`.
#[test]
fn the_guide_s_program_records_its_metrics() {
    let shop = Fixture::newest_example("opentelemetry");
    let otlp = Otlp::start();
    let mut command = launch_file(&shop.program);
    command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    assert!(command.status().unwrap().success());
    let metrics = otlp.metrics();
    let expected: [Expected<'_>; 6] = [
        ("shop.sales", "{sale}", "counter", &[("product=kettle", 1.0), ("product=pot", 1.0), ("product=tea", 2.0)]),
        ("shop.visitors", "{visitor}", "up-down", &[("", 2.0)]),
        ("shop.temperature", "Cel", "gauge", &[("", 21.5)]),
        ("shop.stock", "{item}", "up-down", &[("", 96.0)]),
        ("shop.deliveries", "{delivery}", "counter", &[("", 1.0)]),
        ("shop.stock.share", "", "gauge", &[("", 0.96)]),
    ];
    require(&metrics, "shop", &expected);
    let [baskets] = &series(&metrics, "shop", "shop.basket.value")[..] else { panic!("{metrics}") };
    assert!(matches!(baskets.point, Point::Histogram { count: 4, sum: 172.5, .. }), "{baskets}");
}
