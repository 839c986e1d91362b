//! The context of whoever makes a job.

use otel_rs_hooks::{current, Context, Entered};

/// The context in which a job was made. It is empty where no span was current: a thread that waits for one job executes
/// others meanwhile, and those must not run in its context.
pub(crate) struct Maker(Option<Context>);

impl Maker {
    /// The context of this thread; `None` where the instrumentation is disabled.
    #[inline]
    pub(crate) fn current() -> Maker {
        Maker(if SCOPE.enabled() { Some(current()) } else { None })
    }

    /// Makes it the current one until the guard is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered> {
        self.0.as_ref().map(Context::enter)
    }
}
