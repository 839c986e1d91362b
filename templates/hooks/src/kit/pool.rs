//! Pools of connections to databases: how many connections they have, how many requests wait for one, and how long.
//!
//! ```text
//! otel_rs_hooks::pool_metrics!(metric);
//! // Beside the pool, which is dropped with it; of a generic one, whose connections are of a type `C` made by an `M`:
//! let pool = Pool::of_clients::<C, M>(&SCOPE, &METRICS);
//! // Beside the pool of a client, which knows its database:
//! let pool = Pool::of_database(&SCOPE, &METRICS, &Database { system: "mysql", address, port, … });
//! pool.limits(max, max, 0);
//! // A connection is requested, made for that, and tried:
//! pool.wait().around(get, |error| matches!(error, Error::Timeout)).await
//! pool.create(manager.connect()).await
//! pool.check(manager.is_valid(&mut connection)).await
//! // Beside each connection: in use from when it is made, idle in between.
//! connection.otel = pool.connection();
//! connection.otel.given_back();   // it is idle
//! connection.otel.taken();        // it is tried
//! connection.otel.given_out();    // the program has it
//! ```
//!
//! A generic pool may hold anything: one that does not hold connections to a database has no metrics, but what its
//! connections spawn belongs to nobody all the same. What pools of the same name measure adds up.

use std::any::type_name;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Instant;

use crate::context::{self, detach, detached, Carry};
use crate::kit::statement::Database;
use crate::metrics::{self, AttributeText, AttributeValue, Metric, Series};
use crate::scope::Scope;
use crate::span::Span;

/// The metrics of a layer that records pools.
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    /// `db.client.connection.count`
    pub count: &'static Metric,
    /// `db.client.connection.max`
    pub max: &'static Metric,
    /// `db.client.connection.idle.max`
    pub idle_max: &'static Metric,
    /// `db.client.connection.idle.min`
    pub idle_min: &'static Metric,
    /// `db.client.connection.pending_requests`
    pub pending_requests: &'static Metric,
    /// `db.client.connection.timeouts`
    pub timeouts: &'static Metric,
    /// `db.client.connection.create_time`
    pub create_time: &'static Metric,
    /// `db.client.connection.wait_time`
    pub wait_time: &'static Metric,
    /// `db.client.connection.use_time`
    pub use_time: &'static Metric,
}

/// Defines, in the advice that calls it, `METRICS`: the [`Metrics`] of a layer that declares all of them. `metric` is its
/// module of metrics.
#[macro_export]
macro_rules! pool_metrics {
    ($metric:ident) => {
        static METRICS: $crate::kit::pool::Metrics = $crate::kit::pool::Metrics {
            count: &$metric::DB_CLIENT_CONNECTION_COUNT,
            max: &$metric::DB_CLIENT_CONNECTION_MAX,
            idle_max: &$metric::DB_CLIENT_CONNECTION_IDLE_MAX,
            idle_min: &$metric::DB_CLIENT_CONNECTION_IDLE_MIN,
            pending_requests: &$metric::DB_CLIENT_CONNECTION_PENDING_REQUESTS,
            timeouts: &$metric::DB_CLIENT_CONNECTION_TIMEOUTS,
            create_time: &$metric::DB_CLIENT_CONNECTION_CREATE_TIME,
            wait_time: &$metric::DB_CLIENT_CONNECTION_WAIT_TIME,
            use_time: &$metric::DB_CLIENT_CONNECTION_USE_TIME,
        };
    };
}

/// The crates of clients of databases: a generic pool of their connections, or of what wraps these, is recorded.
const CLIENTS: [&str; 22] = [
    "async_memcached",
    "clickhouse",
    "clickhouse_rs",
    "deadpool_postgres",
    "diesel",
    "diesel_async",
    "duckdb",
    "fred",
    "libsql",
    "memcache",
    "mongodb",
    "mysql",
    "mysql_async",
    "neo4rs",
    "odbc_api",
    "oracle",
    "postgres",
    "redis",
    "rusqlite",
    "scylla",
    "tiberius",
    "tokio_postgres",
];

/// Types that hold a connection, and nothing else that counts.
const WRAPPERS: [&str; 4] = ["Arc", "Box", "Option", "SyncWrapper"];

/// Whether a type is of one of the [`CLIENTS`], as the name of [`type_name`]: by itself, or inside of a
/// `Box`, an `Arc` and the like.
fn is_of_client(name: &str) -> bool {
    let mut rest = name;
    loop {
        rest = rest.trim_start_matches('&');
        rest = rest.strip_prefix("dyn ").or_else(|| rest.strip_prefix("mut ")).unwrap_or(rest);
        if rest.split("::").next().map_or(false, |own| CLIENTS.contains(&own)) {
            return true;
        }
        match rest.split_once('<') {
            Some((path, held)) if path.rsplit("::").next().map_or(false, |own| WRAPPERS.contains(&own)) => rest = held,
            _ => return false,
        }
    }
}

/// The name of a pool of connections to that database.
fn name(database: &Database<'_>) -> String {
    let Database { system, namespace, address, port, .. } = *database;
    match (address, namespace, port) {
        ("", "", _) => system.to_owned(),
        ("", namespace, _) => namespace.to_owned(),
        (address, "", None) => address.to_owned(),
        (address, "", Some(port)) => format!("{address}:{port}"),
        (address, namespace, None) => format!("{address}/{namespace}"),
        (address, namespace, Some(port)) => format!("{address}:{port}/{namespace}"),
    }
}

/// A pool, until it is dropped.
#[derive(Debug)]
pub struct Pool {
    scope: &'static Scope,
    series: Option<PoolSeries>,
    /// What was recorded of its limits.
    limits: [AtomicI64; 3],
}

#[derive(Clone, Copy, Debug)]
struct PoolSeries {
    limits: [Series; 3],
    pending: Series,
    timeouts: Series,
    create_time: Series,
    wait_time: Series,
    connection: ConnectionSeries,
}

#[derive(Clone, Copy, Debug)]
struct ConnectionSeries {
    used: Series,
    idle: Series,
    use_time: Series,
}

impl Pool {
    /// A pool without metrics: it does not hold connections to a database.
    pub fn none(scope: &'static Scope) -> Pool {
        Pool { scope, series: None, limits: Default::default() }
    }

    /// A generic pool is made, without connections yet. It is recorded if its connections, of type `C`, are those of a client of a
    /// database; its name is that of the type `M`, which makes them.
    pub fn of_clients<C, M>(scope: &'static Scope, metrics: &Metrics) -> Pool {
        match is_of_client(type_name::<C>()) {
            true => Pool::open(scope, metrics, type_name::<M>()),
            false => Pool::none(scope),
        }
    }

    /// The pool of a client is made, without connections yet. Its name is `server.address:server.port/db.namespace`, as far as
    /// they are known.
    pub fn of_database(scope: &'static Scope, metrics: &Metrics, database: &Database<'_>) -> Pool {
        if !scope.enabled() || !metrics::enabled() {
            return Pool::none(scope);
        }
        Pool::open(scope, metrics, &name(database))
    }

    /// A pool of connections to a database is made, without connections yet.
    pub fn open(scope: &'static Scope, metrics: &Metrics, name: &str) -> Pool {
        if !scope.enabled() || !metrics::enabled() {
            return Pool::none(scope);
        }
        let item = || ("db.client.connection.pool.name", AttributeValue::Text(AttributeText::Borrowed(name)));
        let bind = |metric: &Metric| metric.bind(&[item()]);
        let count = |state| {
            let state = AttributeValue::Text(AttributeText::Static(state));
            metrics.count.bind(&[item(), ("db.client.connection.state", state)])
        };
        let series = PoolSeries {
            limits: [bind(metrics.max), bind(metrics.idle_max), bind(metrics.idle_min)],
            pending: bind(metrics.pending_requests),
            timeouts: bind(metrics.timeouts),
            create_time: bind(metrics.create_time),
            wait_time: bind(metrics.wait_time),
            connection: ConnectionSeries { used: count("used"), idle: count("idle"), use_time: bind(metrics.use_time) },
        };
        Pool { scope, series: Some(series), limits: Default::default() }
    }

    /// How many connections it may have, how many idle, and how many idle ones it keeps. They are zero once it is dropped.
    pub fn limits(&self, max: usize, idle_max: usize, idle_min: usize) {
        let Some(series) = self.series else { return };
        let now = [max, idle_max, idle_min].map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        for ((series, recorded), now) in series.limits.iter().zip(&self.limits).zip(now) {
            let before = recorded.swap(now, Relaxed);
            if before != now {
                series.measure(now - before);
            }
        }
    }

    /// A connection is requested.
    pub fn wait(&self) -> Wait {
        if let Some(series) = self.series {
            series.pending.measure(1_i64);
        }
        Wait(self.series.map(|series| (series, Instant::now())))
    }

    /// Makes a connection, which outlives the request that it is made for: what it spawns belongs to nobody, and what it
    /// does by itself is no part of that request.
    pub fn create<F, T, E>(&self, making: F) -> impl Future<Output = Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (making, create_time) = (detach(self.scope, making), self.series.map(|series| series.create_time));
        async move {
            let since = create_time.map(|series| (series, Instant::now()));
            created(since, making.await)
        }
    }

    /// The same on this thread.
    pub fn make<T, E>(&self, making: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let since = self.series.map(|series| (series.create_time, Instant::now()));
        created(since, detached(making))
    }

    /// Tries whether a connection is still good: statements for that are not recorded.
    pub fn check<F: Future>(&self, checking: F) -> impl Future<Output = F::Output> {
        let scope = self.series.map(|_| self.scope);
        async move {
            let Some(scope) = scope else { return checking.await };
            let quiet = Span::non_recording(scope, context::current());
            Carry::within(quiet.context(), checking).await
        }
    }

    /// The same on this thread.
    pub fn check_now<R>(&self, checking: impl FnOnce() -> R) -> R {
        if self.series.is_none() {
            return checking();
        }
        let quiet = Span::non_recording(self.scope, context::current());
        let _entered = quiet.context().enter();
        checking()
    }

    /// A connection is there. It is in use.
    pub fn connection(&self) -> Connection {
        let series = self.series.map(|series| series.connection);
        if let Some(series) = series {
            series.used.measure(1_i64);
        }
        Connection { series, is_idle: false, since: None }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.limits(0, 0, 0);
    }
}

fn created<T, E>(since: Option<(Series, Instant)>, made: Result<T, E>) -> Result<T, E> {
    if let (Some((create_time, since)), Ok(_)) = (since, &made) {
        create_time.measure(since.elapsed().as_secs_f64());
    }
    made
}

/// A request that waits for a connection.
#[derive(Debug)]
pub struct Wait(Option<(PoolSeries, Instant)>);

impl Wait {
    /// Until there is one, or none: `timed_out` is for whether an error is a timeout.
    pub fn ended<T, E>(self, answer: Result<T, E>, timed_out: impl FnOnce(&E) -> bool) -> Result<T, E> {
        if let Some((series, since)) = self.0 {
            match &answer {
                Ok(_) => series.wait_time.measure(since.elapsed().as_secs_f64()),
                Err(error) if timed_out(error) => series.timeouts.measure(1_u64),
                Err(_) => {}
            }
        }
        answer
    }

    /// A request that does not wait got one, or none.
    pub fn tried<T>(self, answer: Option<T>) -> Option<T> {
        self.ended(answer.ok_or(()), |()| false).ok()
    }

    /// The same as [`ended`](Self::ended) for a future.
    pub async fn around<F, T, E>(self, waiting: F, timed_out: fn(&E) -> bool) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let answer = waiting.await;
        self.ended(answer, timed_out)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some((series, _)) = self.0 {
            series.pending.measure(-1_i64);
        }
    }
}

/// A pool's connection, until it is closed or taken out of the pool for good.
#[derive(Debug)]
pub struct Connection {
    series: Option<ConnectionSeries>,
    is_idle: bool,
    /// When the program was given it.
    since: Option<Instant>,
}

impl Connection {
    /// A connection that is not counted.
    pub const NONE: Connection = Connection { series: None, is_idle: false, since: None };

    /// It is no longer idle.
    pub fn taken(&mut self) {
        if let (Some(series), true) = (self.series, self.is_idle) {
            series.idle.measure(-1_i64);
            series.used.measure(1_i64);
        }
        self.is_idle = false;
    }

    /// The program has it.
    pub fn given_out(&mut self) {
        self.since = self.series.map(|_| Instant::now());
    }

    /// It is idle.
    pub fn given_back(&mut self) {
        let Some(series) = self.series else { return };
        if let Some(since) = self.since.take() {
            series.use_time.measure(since.elapsed().as_secs_f64());
        }
        if !self.is_idle {
            series.used.measure(-1_i64);
            series.idle.measure(1_i64);
        }
        self.is_idle = true;
    }

    /// A connection that is there, and idle.
    pub fn idle(mut self) -> Connection {
        self.given_back();
        self
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(series) = self.series else { return };
        if let Some(since) = self.since.take() {
            series.use_time.measure(since.elapsed().as_secs_f64());
        }
        if self.is_idle { series.idle } else { series.used }.measure(-1_i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_of_a_client_that_defines_it() {
        for name in [
            "redis::connection::Connection",
            "deadpool_sync::SyncWrapper<rusqlite::Connection>",
            "alloc::boxed::Box<dyn redis::connection::ConnectionLike>",
            "core::option::Option<alloc::sync::Arc<postgres::client::Client>>",
            "&mut redis::connection::Connection",
        ] {
            assert!(is_of_client(name), "{name}");
        }
        for name in [
            "alloc::vec::Vec<redis::types::Value>",
            "shop::Cache<redis::connection::Connection>",
            "redis_cluster::Client",
            "rediss::Client",
            "core::option::Option",
            "u8",
            "()",
            "",
        ] {
            assert!(!is_of_client(name), "{name}");
        }
    }

    #[test]
    fn a_clients_pool_is_named_after_its_database() {
        let name = |address, port, namespace| {
            let language = crate::wire::Language::Sql;
            name(&Database { system: "mysql", language, namespace, address, port })
        };
        assert_eq!(name("db.test", Some(3306), "shop"), "db.test:3306/shop");
        assert_eq!(name("db.test", Some(3306), ""), "db.test:3306");
        assert_eq!(name("/run/mysqld.sock", None, "shop"), "/run/mysqld.sock/shop");
        assert_eq!(name("/run/mysqld.sock", None, ""), "/run/mysqld.sock");
        assert_eq!(name("", None, "shop.db"), "shop.db");
        assert_eq!(name("", None, ""), "mysql");
    }

    #[test]
    fn a_connection_is_idle_or_in_use() {
        let mut connection = Connection::NONE;
        connection.series = Some(ConnectionSeries { used: Series::NONE, idle: Series::NONE, use_time: Series::NONE });
        connection.given_back();
        assert!(connection.is_idle && connection.since.is_none());
        connection.taken();
        assert!(!connection.is_idle && connection.since.is_none());
        connection.given_out();
        assert!(!connection.is_idle && connection.since.is_some());
        let connection = connection.idle();
        assert!(connection.is_idle && connection.since.is_none());
    }

    #[test]
    fn dormant_hooks_leave_the_pool_alone() {
        static SCOPE: Scope = Scope::new("otel-rs:layer:1|pool|1.0.0|0.1.0|\n");
        let pool = Pool::none(&SCOPE);
        pool.limits(8, 8, 0);
        assert!(pool.limits.iter().all(|limit| limit.load(Relaxed) == 0));
        assert_eq!(pool.wait().ended(Err::<(), _>("late"), |_| true), Err("late"));
        assert_eq!(pool.wait().tried(Some(7)), Some(7));
        assert_eq!(pool.make(|| Ok::<_, ()>(7)), Ok(7));
        assert_eq!(pool.check_now(|| 7), 7);
        let mut connection = pool.connection();
        connection.given_out();
        assert!(connection.series.is_none() && connection.since.is_none());
    }
}
