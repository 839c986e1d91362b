//! Pools of connections: the metrics agree with the pools' own numbers.

use crate::support::definition::Definition;
use crate::support::launched::Launch;
use crate::support::metrics::Metrics;
use crate::support::{Fixture, Otlp, wait_for};

const COUNT: &str = "db.client.connection.count";
const POOL: &str = "db.client.connection.pool.name";

/// A sum of the pool, once it has been received.
fn sum(metrics: &Metrics, name: &str, pool: &str, state: Option<&str>) -> Option<f64> {
    let mut with = vec![(POOL, pool.into())];
    with.extend(state.map(|state| ("db.client.connection.state", state.into())));
    let found = metrics.all(name, &with);
    assert!(found.len() <= 1, "{name} of {pool} is one series:\n{metrics}");
    found.first().map(|series| series.value())
}

/// Used and idle connections.
fn count(metrics: &Metrics, pool: &str) -> Option<(f64, f64)> {
    Some((sum(metrics, COUNT, pool, Some("used"))?, sum(metrics, COUNT, pool, Some("idle"))?))
}

/// How many there may be, how many idle, and how many there should be.
fn limits(metrics: &Metrics, pool: &str) -> [Option<f64>; 3] {
    ["max", "idle.max", "idle.min"].map(|name| sum(metrics, &format!("db.client.connection.{name}"), pool, None))
}

fn times(metrics: &Metrics, pool: &str) -> [u64; 3] {
    ["create_time", "wait_time", "use_time"]
        .map(|name| metrics.count(&format!("db.client.connection.{name}"), &[(POOL, pool.into())]))
}

pub(super) fn pool_metrics_agree_with_the_pools(versions: &str) {
    let folder = tempfile::tempdir().unwrap();
    let pool = |name: &str| folder.path().join(name).with_extension("db").display().to_string();
    let otlp = Otlp::start();
    let shop = Launch::of(&Fixture::with("shop", versions)).to(&otlp).env("OTEL_METRIC_EXPORT_INTERVAL", 100);
    let shop = shop.env("POOLS", folder.path().display()).start();
    let step = |step: &str| {
        let (status, body) = shop.get(&format!("/pools/{step}"));
        assert_eq!(status, 200, "{step}: {body}");
        body
    };
    let received = |what: &str, is: &dyn Fn(&Metrics) -> bool| {
        wait_for(what, 20, || {
            let metrics = otlp.metrics();
            is(&metrics).then_some(metrics)
        })
    };

    let open = pool("open");
    assert_eq!(step("open"), "3 1");
    let metrics = received("two connections in use and one idle", &|metrics| count(metrics, &open) == Some((2.0, 1.0)));
    assert_eq!(limits(&metrics, &open), [Some(3.0), Some(3.0), Some(1.0)], "{metrics}");
    assert_eq!(step("wait"), "3 0");
    let pending = |metrics: &Metrics, pool: &str| sum(metrics, "db.client.connection.pending_requests", pool, None);
    let metrics = received("two that wait", &|metrics| pending(metrics, &open) == Some(2.0));
    assert_eq!(sum(&metrics, "db.client.connection.timeouts", &open, None), Some(0.0), "{metrics}");
    received("three connections in use", &|metrics| count(metrics, &open) == Some((3.0, 0.0)));
    assert_eq!(step("close"), "0");
    let metrics = received("a pool that is closed", &|metrics| count(metrics, &open) == Some((0.0, 0.0)));
    assert_eq!(limits(&metrics, &open), [Some(0.0); 3], "{metrics}");
    assert_eq!(pending(&metrics, &open), Some(0.0), "{metrics}");
    // One was opened by the pool itself or for its first user. Six were obtained, and given back.
    assert_eq!(times(&metrics, &open), [3, 6, 6], "{metrics}");

    let small = pool("small");
    assert_eq!(step("time-out"), "Err(PoolTimedOut)");
    let timeouts = |metrics: &Metrics| sum(metrics, "db.client.connection.timeouts", &small, None);
    let metrics = received("a pool that was dropped", &|metrics| {
        timeouts(metrics) == Some(1.0) && limits(metrics, &small)[0] == Some(0.0)
    });
    assert_eq!(count(&metrics, &small), Some((0.0, 0.0)), "{metrics}");
    assert_eq!((pending(&metrics, &small), times(&metrics, &small)), (Some(0.0), [1, 1, 1]), "{metrics}");

    let twins = pool("twins");
    assert_eq!(step("twins"), "1 1");
    let metrics = received("one pool of two", &|metrics| limits(metrics, &twins)[0] == Some(2.0));
    assert_eq!((count(&metrics, &twins), times(&metrics, &twins)), (Some((0.0, 1.0)), [2, 2, 2]), "{metrics}");

    // The shop's own, of a database that has no name either.
    assert_eq!(shop.get("/orders/1").0, 200);
    let metrics =
        received("a connection to a database in memory", &|metrics| count(metrics, ":memory:") == Some((0.0, 1.0)));
    assert_eq!(limits(&metrics, ":memory:"), [Some(1.0), Some(1.0), Some(0.0)], "{metrics}");
    shop.stop();

    let (database, metrics) = (Definition::of("database").and("sqlx-core"), otlp.metrics());
    database.check(&metrics, &[]);
    // A database within the process has no address and no stored procedures, and nothing failed.
    let missing =
        ["server.address", "server.port", "db.response.status_code", "db.stored_procedure.name", "error.type"];
    let missing = missing.map(|key| ("*", key));
    database.check_attributes(&metrics, &missing);
    let mut of_pools = metrics.series().filter(|series| series.name.starts_with("db.client.connection."));
    assert!(of_pools.all(|series| series.scope == "sqlx-core"), "{metrics}");
    for name in ["create_time", "wait_time", "use_time"] {
        let time = metrics.require(&format!("db.client.connection.{name}"), &[(POOL, open.as_str().into())]);
        assert!(time.sum() > 0.0 && time.sum() < 60.0, "{time}: in seconds");
    }
}
