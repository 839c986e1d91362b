//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use std::any::type_name;
use std::future::Future;

use otel_rs_hooks::kit::pool::{self, Pool};

use crate::api::{Builder, ManageConnection, PooledConnection, RunError};

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
pub(crate) fn open<M: ManageConnection>(options: &Builder<M>) -> Pool {
    let pool = match pool::is_of(type_name::<M::Connection>(), &CLIENTS) {
        true => Pool::open(&SCOPE, &METRICS, type_name::<M>()),
        false => Pool::none(&SCOPE),
    };
    let (max, min) = (options.max_size as usize, options.min_idle.unwrap_or(0) as usize);
    pool.limits(max, max, min);
    pool
}

/// A connection is requested.
pub(crate) async fn get<'a, M: ManageConnection>(
    pool: &Pool,
    getting: impl Future<Output = Result<PooledConnection<'a, M>, RunError<M::Error>>>,
) -> Result<PooledConnection<'a, M>, RunError<M::Error>> {
    let mut connection = pool.wait().around(getting, |error| matches!(error, RunError::TimedOut)).await?;
    connection.otel_given_out();
    Ok(connection)
}
