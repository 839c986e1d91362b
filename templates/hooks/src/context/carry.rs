//! Contexts that travel with futures and closures.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{self, Poll};

use super::{current, Context};
use crate::scope::Scope;
use crate::{clock, settings};

/// Wraps a future that is about to be spawned so that it runs, and is dropped, in the context of its maker.
#[inline]
pub fn carry<F>(scope: &'static Scope, future: F) -> Carry<F> {
    let context = if scope.enabled() { Some(current()) } else { None };
    Carry { context, over_since: 0, future: ManuallyDrop::new(future) }
}

/// Wraps a future so that it runs with no span: for connection drivers, pool reapers and other housekeeping that
/// happens to be started by a request.
#[inline]
pub fn detach<F>(scope: &'static Scope, future: F) -> Carry<F> {
    let context = if scope.enabled() { Some(Context::EMPTY) } else { None };
    Carry { context, over_since: 0, future: ManuallyDrop::new(future) }
}

/// Wraps a closure that will run on another thread so that it runs in the context of its maker.
#[inline]
pub fn carry_fn<F, R>(scope: &'static Scope, work: F) -> impl FnOnce() -> R
where
    F: FnOnce() -> R,
{
    let context = if scope.enabled() { Some(current()) } else { None };
    move || {
        let _entered = context.as_ref().map(Context::enter);
        work()
    }
}

/// Runs `work` with no current span: whatever it spawns starts empty.
#[inline]
pub fn detached<R>(work: impl FnOnce() -> R) -> R {
    let _entered = Context::EMPTY.enter();
    work()
}

/// A future with a context of its own; see [`carry`] and [`detach`].
pub struct Carry<F> {
    /// `None` where the instrumentation is disabled.
    context: Option<Context>,
    /// When the request this context belongs to was first seen to be over (Unix nanoseconds), or 0.
    over_since: u64,
    future: ManuallyDrop<F>,
}

impl<F> fmt::Debug for Carry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carry").field("context", &self.context).finish_non_exhaustive()
    }
}

impl<F> Carry<F> {
    /// Wraps a future so that it runs in a context.
    pub(crate) fn within(context: &Context, future: F) -> Carry<F> {
        Carry { context: Some(context.clone()), over_since: 0, future: ManuallyDrop::new(future) }
    }

    /// Lets go of a request that has been over for long; see `live`.
    fn outlive(&mut self) {
        if self.context.as_ref().map_or(false, |context| context.live.is_over()) {
            let now = clock::now();
            if self.over_since == 0 {
                self.over_since = now;
            } else if now.saturating_sub(self.over_since) > settings::detach_after_ns() {
                self.context = Some(Context::EMPTY);
            }
        }
    }
}

impl<F: Future> Future for Carry<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned structurally: it is never moved out, and dropped in place by `Drop`.
        let this = unsafe { self.get_unchecked_mut() };
        if this.context.is_none() {
            // SAFETY: as above.
            return unsafe { Pin::new_unchecked(&mut *this.future) }.poll(cx);
        }
        this.outlive();
        let _entered = this.context.as_ref().map(Context::enter);
        // SAFETY: as above.
        unsafe { Pin::new_unchecked(&mut *this.future) }.poll(cx)
    }
}

impl<F> Drop for Carry<F> {
    fn drop(&mut self) {
        let _entered = self.context.as_ref().map(Context::enter);
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.future) }
    }
}
