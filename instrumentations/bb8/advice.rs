//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use std::future::Future;

use otel_rs_hooks::kit::pool::Pool;

use crate::api::{Builder, ManageConnection, PooledConnection, RunError};

otel_rs_hooks::pool_metrics!(metric);

/// A pool is made, without connections yet. Its name is that of the manager's type.
pub(crate) fn open<M: ManageConnection>(options: &Builder<M>) -> Pool {
    let pool = Pool::of_clients::<M::Connection, M>(&SCOPE, &METRICS);
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
