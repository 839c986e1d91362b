//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use otel_rs_hooks::kit::pool::Pool;

use crate::ManageConnection;

otel_rs_hooks::pool_metrics!(metric);

/// A pool is made, without connections yet. Its name is that of the manager's type.
pub(crate) fn open<M: ManageConnection>(max_size: u32, min_idle: Option<u32>) -> Pool {
    let pool = Pool::of_clients::<M::Connection, M>(&SCOPE, &METRICS);
    // Without a number the pool always has all of its connections open.
    pool.limits(max_size as usize, max_size as usize, min_idle.unwrap_or(max_size) as usize);
    pool
}
