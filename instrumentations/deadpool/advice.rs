//! Metrics of a pool of connections. The spans are made by the clients of the databases.

use otel_rs_hooks::kit::pool::Pool;

use crate::managed::{Manager, PoolError};

otel_rs_hooks::pool_metrics!(metric);

/// A pool is made, without connections yet. Its name is that of the manager's type.
pub(crate) fn open<M: Manager>(max_size: usize) -> Pool {
    let pool = Pool::of_clients::<M::Type, M>(&SCOPE, &METRICS);
    limits(&pool, max_size);
    pool
}

/// A pool may have other limits from now on: all of its connections may be idle.
pub(crate) fn limits(pool: &Pool, max_size: usize) {
    pool.limits(max_size, max_size, 0);
}

/// Whether there was no connection in time.
pub(crate) fn timed_out<E>(error: &PoolError<E>) -> bool {
    matches!(error, PoolError::Timeout(_))
}
