//! A task runs in the context of whoever spawns it.

#[cfg(feature = "std")]
pub(crate) use tasks::{boxed, boxed_local, carry};

#[cfg(feature = "std")]
mod tasks {
    use std::boxed::Box;

    use futures_task::{FutureObj, LocalFutureObj};
    use otel_rs_hooks::Carry;

    use super::SCOPE;

    /// Wraps a future that is about to be spawned.
    #[inline]
    pub(crate) fn carry<F>(future: F) -> Carry<F> {
        otel_rs_hooks::carry(&SCOPE, future)
    }

    /// The same for one that comes as an object. It gets another box, where the instrumentation is enabled.
    pub(crate) fn boxed(future: FutureObj<'static, ()>) -> FutureObj<'static, ()> {
        if SCOPE.enabled() {
            FutureObj::new(Box::new(carry(future)))
        } else {
            future
        }
    }

    /// The same for one that stays on its thread.
    pub(crate) fn boxed_local(future: LocalFutureObj<'static, ()>) -> LocalFutureObj<'static, ()> {
        if SCOPE.enabled() {
            LocalFutureObj::new(Box::new(carry(future)))
        } else {
            future
        }
    }
}
