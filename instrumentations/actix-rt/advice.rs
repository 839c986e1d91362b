//! A task runs in the context of whoever spawns it.

use otel_rs_hooks::Carry;

/// Wraps a future that is about to be spawned.
#[inline]
pub(crate) fn carry<F>(future: F) -> Carry<F> {
    otel_rs_hooks::carry(&SCOPE, future)
}
