//! A thread of a scope runs in the context of whoever spawns it.

/// Wraps work that is about to be handed over.
#[inline]
pub(crate) fn carry<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    otel_rs_hooks::carry_fn(&SCOPE, work)
}
