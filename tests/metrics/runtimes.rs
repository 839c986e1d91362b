//! Runtimes of known size with known work.

use crate::support::definition::Definition;
use crate::support::launched::Launch;
use crate::support::metrics::{Metrics, Point};
use crate::support::model::Value;
use crate::support::{Fixture, Otlp, wait_for};

const MANY: i32 = 0;
const ONE: i32 = 1;
const TWO: i32 = 2;

fn with(id: i32, flavor: &str) -> [(&'static str, Value); 2] {
    [("tokio.runtime.id", id.into()), ("tokio.runtime.flavor", flavor.into())]
}

/// What there is of a runtime: workers, tasks and those in its queue; threads for blocking work, idle ones, and what waits.
fn levels(metrics: &Metrics, id: i32, flavor: &str) -> Option<[f64; 6]> {
    let names = [
        ("workers", "{thread}"),
        ("alive_tasks", "{task}"),
        ("global_queue_depth", "{task}"),
        ("blocking_threads", "{thread}"),
        ("idle_blocking_threads", "{thread}"),
        ("blocking_queue_depth", "{task}"),
    ];
    let mut levels = [0.0; 6];
    for (level, (name, unit)) in levels.iter_mut().zip(names) {
        let found = metrics.all(&format!("tokio.runtime.{name}"), &with(id, flavor));
        assert!(found.len() <= 1, "{name} is one series:\n{metrics}");
        let series = found.first()?;
        assert!(matches!(series.point, Point::Sum { monotonic: false, .. }), "{series}");
        assert_eq!(series.unit, unit, "{series}");
        *level = series.value();
    }
    Some(levels)
}

/// The values of a metric of its workers, by their number.
fn worker_values(metrics: &Metrics, name: &str, id: i32, flavor: &str) -> Vec<f64> {
    let mut found = metrics.all(&format!("tokio.runtime.worker.{name}"), &with(id, flavor));
    found.sort_by_key(|series| series.attributes["tokio.worker.index"].to_string());
    for (index, series) in found.iter().enumerate() {
        assert_eq!(series.attributes["tokio.worker.index"], (index as i32).into(), "{series}");
        assert_eq!((series.attributes.len(), series.scope.as_str()), (3, "tokio"), "{series}");
    }
    found.iter().map(|series| series.value()).collect()
}

fn runtimes_are_measured(versions: &str) {
    let steps = tempfile::tempdir().unwrap();
    let step = |name: &str| std::fs::write(steps.path().join(name), "").unwrap();
    let otlp = Otlp::start();
    let launch = Launch::of(&Fixture::with("runtime", versions)).to(&otlp).env("OTEL_METRIC_EXPORT_INTERVAL", 100);
    let program = launch.env("STEPS", steps.path().display()).start();
    let wait_for_metrics = |what: &str, is: &dyn Fn(&Metrics) -> bool| {
        wait_for(what, 20, || Some(otlp.metrics()).filter(|metrics| is(metrics)))
    };

    // Five tasks that do not end; three for two threads.
    let many = [3.0, 5.0, 0.0, 2.0, 0.0, 1.0];
    let metrics = wait_for_metrics("three workers and their tasks", &|metrics| {
        levels(metrics, MANY, "multi_thread") == Some(many)
    });
    // Two tasks that are never polled, and an idle thread.
    assert_eq!(levels(&metrics, ONE, "current_thread"), Some([1.0, 2.0, 2.0, 1.0, 1.0, 0.0]), "{metrics}");
    let busy = |metrics: &Metrics| worker_values(metrics, "busy_duration", MANY, "multi_thread").iter().sum::<f64>();
    let metrics = wait_for_metrics("a worker that was busy for 0.3 s", &|metrics| busy(metrics) >= 0.3);
    assert!(busy(&metrics) < 60.0, "in seconds: {metrics}");
    for name in ["busy_duration", "parks", "local_queue_depth"] {
        assert_eq!(worker_values(&metrics, name, MANY, "multi_thread").len(), 3, "{name}: {metrics}");
        assert_eq!(worker_values(&metrics, name, ONE, "current_thread").len(), 1, "{name}: {metrics}");
    }
    assert_eq!(worker_values(&metrics, "local_queue_depth", MANY, "multi_thread"), [0.0; 3], "{metrics}");
    wait_for_metrics("workers that went to sleep", &|metrics| {
        worker_values(metrics, "parks", MANY, "multi_thread").iter().all(|parks| *parks >= 1.0)
    });
    // Polls are not timed unless the variable is set.
    assert!(metrics.all("tokio.runtime.worker.poll_duration", &[]).is_empty(), "{metrics}");

    step("drop");
    let metrics =
        wait_for_metrics("a runtime that is gone", &|metrics| levels(metrics, MANY, "multi_thread") == Some([0.0; 6]));
    assert_eq!(levels(&metrics, ONE, "current_thread").map(|levels| levels[0]), Some(1.0), "{metrics}");
    assert!(busy(&metrics) >= 0.3, "what is counted stays: {metrics}");
    step("make");
    let fresh = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    wait_for_metrics("a runtime with the number that is free", &|metrics| {
        levels(metrics, MANY, "current_thread") == Some(fresh)
    });
    step("end");
    let end = program.end();
    assert!(end.status.success(), "{end:?}");
    let metrics = otlp.metrics();
    for (id, flavor) in [(MANY, "multi_thread"), (ONE, "current_thread"), (MANY, "current_thread")] {
        assert_eq!(levels(&metrics, id, flavor), Some([0.0; 6]), "{metrics}");
    }
}

#[test]
fn runtimes_are_measured_in_the_newest_version() {
    runtimes_are_measured("newest");
}

#[test]
fn runtimes_are_measured_in_the_oldest_supported_version() {
    runtimes_are_measured("oldest");
}

/// The sum over a runtime's workers.
fn sum_of(metrics: &Metrics, name: &str, id: i32, flavor: &str) -> f64 {
    worker_values(metrics, name, id, flavor).iter().sum()
}

fn runtimes_count(versions: &str) {
    let otlp = Otlp::start();
    let launch = Launch::of(&Fixture::with("runtime", versions)).to(&otlp).env("COUNTS", 1);
    let end = launch.env("OTEL_RS_RUNTIME_POLL_TIMES", "true").start().end();
    assert!(end.status.success(), "{end:?}");
    // The last counts of a worker are recorded when its runtime is dropped.
    let metrics = otlp.metrics();
    Definition::of("tokio").check(&metrics, &[]);
    Definition::of("tokio").check_attributes(&metrics, &[]);
    for (id, flavor, polls) in [(MANY, "multi_thread", 1001 + 11 + 10 + 1), (ONE, "current_thread", 501)] {
        assert_eq!(sum_of(&metrics, "polls", id, flavor), f64::from(polls), "{metrics}");
        let durations = metrics.require("tokio.runtime.worker.poll_duration", &with(id, flavor));
        assert_eq!((durations.count(), durations.attributes.len()), (polls as u64, 2), "{durations}");
    }
    let of = |name: &str, id: i32, flavor: &str| {
        metrics.require(&format!("tokio.runtime.{name}"), &with(id, flavor)).value()
    };
    // Four tasks were spawned from outside, and one of them was woken ten times.
    assert_eq!(of("remote_schedules", MANY, "multi_thread"), 14.0, "{metrics}");
    assert_eq!(of("remote_schedules", ONE, "current_thread"), 1.0, "{metrics}");
    assert_eq!(of("budget_forced_yields", MANY, "multi_thread"), 10.0, "{metrics}");
    assert_eq!(sum_of(&metrics, "steals", MANY, "multi_thread"), 0.0, "{metrics}");
    assert_eq!(sum_of(&metrics, "steals", TWO, "multi_thread"), 50.0, "{metrics}");
    // The poll that blocks is recorded.
    let durations = metrics.require("tokio.runtime.worker.poll_duration", &with(MANY, "multi_thread"));
    let Point::Histogram { bounds, buckets, sum, .. } = &durations.point else { panic!("{durations}") };
    let blocking = bounds.iter().position(|bound| *bound == 0.05).unwrap() + 1;
    // On a machine that is busy, others may be interrupted.
    assert!((1..5).contains(&buckets[blocking..].iter().sum::<u64>()), "{durations}");
    assert!((0.06..60.0).contains(sum), "{durations}");
}

#[test]
fn runtimes_count_in_the_newest_version() {
    runtimes_count("newest");
}

#[test]
fn runtimes_count_in_the_oldest_version_that_counts() {
    runtimes_count("oldest");
}

#[test]
fn runtimes_count_the_same_with_the_unstable_flag() {
    runtimes_count("unstable");
}
