//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use std::any::type_name;
use std::future::Future;

use otel_rs_hooks::kit::pool::{self, Pool};

use crate::{Connection, Error, Manager};

/// The crates of clients of databases: a pool of their connections, or of what wraps these, is recorded.
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

static METRICS: pool::Metrics = pool::Metrics {
    count: &metric::DB_CLIENT_CONNECTION_COUNT,
    max: &metric::DB_CLIENT_CONNECTION_MAX,
    idle_max: &metric::DB_CLIENT_CONNECTION_IDLE_MAX,
    idle_min: &metric::DB_CLIENT_CONNECTION_IDLE_MIN,
    pending_requests: &metric::DB_CLIENT_CONNECTION_PENDING_REQUESTS,
    timeouts: &metric::DB_CLIENT_CONNECTION_TIMEOUTS,
    create_time: &metric::DB_CLIENT_CONNECTION_CREATE_TIME,
    wait_time: &metric::DB_CLIENT_CONNECTION_WAIT_TIME,
    use_time: &metric::DB_CLIENT_CONNECTION_USE_TIME,
};

/// A pool is made, without connections yet. Its name is that of the manager's type.
pub(crate) fn open<M: Manager>(max: usize, idle_max: u64) -> Pool {
    let pool = match pool::is_of(type_name::<M::Connection>(), &CLIENTS) {
        true => Pool::open(&SCOPE, &METRICS, type_name::<M>()),
        false => Pool::none(&SCOPE),
    };
    // None is as many as there may be.
    let idle_max = idle_max as usize;
    pool.limits(max, if idle_max == 0 { max } else { idle_max }, 0);
    pool
}

/// A connection is requested.
pub(crate) async fn get<M: Manager>(
    pool: &Pool,
    getting: impl Future<Output = Result<Connection<M>, Error<M::Error>>>,
) -> Result<Connection<M>, Error<M::Error>> {
    pool.wait().around(getting, |error| matches!(error, Error::Timeout)).await
}
