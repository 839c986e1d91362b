//! A pinned task is made, and runs, in the context of whoever spawns it.

use otel_rs_hooks::Carry;

/// Wraps the function that makes a task on the thread that is to run it.
pub(crate) fn carry<F>(make: impl FnOnce() -> F) -> impl FnOnce() -> Carry<F> {
    otel_rs_hooks::carry_fn(&SCOPE, move || otel_rs_hooks::carry(&SCOPE, make()))
}
