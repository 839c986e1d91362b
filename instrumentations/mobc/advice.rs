//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use std::future::Future;

use otel_rs_hooks::kit::pool::Pool;

use crate::{Connection, Error, Manager};

otel_rs_hooks::pool_metrics!(metric);

/// A pool is made, without connections yet. Its name is that of the manager's type.
pub(crate) fn open<M: Manager>(max: usize, idle_max: u64) -> Pool {
    let pool = Pool::of_clients::<M::Connection, M>(&SCOPE, &METRICS);
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
