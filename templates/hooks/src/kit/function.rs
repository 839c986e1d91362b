//! Functions of the user's own that bootstrap was asked to make spans of (`--span`). The woven text calls [`enter`] or
//! [`around`] at the start of such a function's body; dormant, that is one relaxed load.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::attribute::{key, Key};
use crate::context::Entered;
use crate::kit::failure::CANCELLED;
use crate::scope::Scope;
use crate::span::{panic_or, Domain, Span, PANIC};

/// A woven function.
#[derive(Debug)]
pub struct Function {
    /// The span's name.
    pub name: &'static str,
    /// The function's whole path, from its crate on.
    pub path: &'static str,
    /// The source file as the compiler names it.
    pub file: &'static str,
    /// The line of the file on which it begins.
    pub line: u32,
}

/// Starts the span of a call and makes it the current one, until the guard is dropped at the end of the body.
#[inline(always)]
pub fn enter(scope: &'static Scope, function: &'static Function) -> Guard {
    if scope.enabled() {
        Guard::begun(scope, function)
    } else {
        Guard { open: None }
    }
}

/// Wraps the body of an `async` function, whose span starts here and is the current one in each poll.
#[inline(always)]
pub fn around<F: Future>(scope: &'static Scope, function: &'static Function, body: F) -> Within<F> {
    Within { span: start_if_enabled(scope, function), error: |_| None, body: ManuallyDrop::new(body) }
}

/// The same for a function that returns a `Result`: `Err` makes the span's status an error.
#[inline(always)]
pub fn around_result<F, T, E>(scope: &'static Scope, function: &'static Function, body: F) -> Within<F>
where
    F: Future<Output = Result<T, E>>,
{
    Within { span: start_if_enabled(scope, function), error: error_type, body: ManuallyDrop::new(body) }
}

#[inline(always)]
fn start_if_enabled(scope: &'static Scope, function: &'static Function) -> Span {
    if scope.enabled() {
        start(scope, function)
    } else {
        Span::NONE
    }
}

#[inline(never)]
fn start(scope: &'static Scope, function: &Function) -> Span {
    let attributes = [
        (key::SPAN_NAME, function.name.into()),
        (Key::Named("code.function.name"), function.path.into()),
        (Key::Named("code.file.path"), function.file.into()),
        (Key::Named("code.line.number"), function.line.into()),
    ];
    Span::start(scope, Domain::Internal, &attributes)
}

/// The type of the error, if the result is one. Nothing else can be had of an error of any type.
fn error_type<T, E>(result: &Result<T, E>) -> Option<&'static str> {
    result.as_ref().err().map(|_| type_name::<E>())
}

/// The span of a call, open as long as this lives.
#[derive(Debug)]
#[must_use = "the span ends as soon as this is dropped"]
pub struct Guard {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    span: Span,
    /// Whether the call itself was made while a panic was unwinding the thread.
    unwinding: bool,
    entered: Entered,
}

fn end(span: Span, error: Option<&'static str>) {
    match error {
        Some(error) => span.end(&[(key::ERROR_TYPE, error.into())]),
        None => span.end(&[]),
    }
}

impl Guard {
    /// Out of line, as [`end`](Self::end) is: a dormant call must not move what an active one holds.
    #[inline(never)]
    fn begun(scope: &'static Scope, function: &'static Function) -> Guard {
        let span = start(scope, function);
        if span.is_none() {
            return Guard { open: None };
        }
        let entered = span.context().enter();
        Guard { open: Some(Open { span, unwinding: std::thread::panicking(), entered }) }
    }

    /// Ends the span with what the function returns.
    #[inline(always)]
    pub fn returned<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        if self.open.is_some() {
            self.end(error_type(&result));
        }
        result
    }

    /// Lets the span go on until the future that the function returns has ended.
    #[inline(always)]
    pub fn future<F: Future>(mut self, body: F) -> Within<F> {
        let span = if self.open.is_some() { self.leave() } else { Span::NONE };
        Within { span, error: |_| None, body: ManuallyDrop::new(body) }
    }

    #[inline(never)]
    fn end(&mut self, error: Option<&'static str>) {
        if let Some(Open { span, unwinding, entered }) = self.open.take() {
            drop(entered);
            end(span, error.or_else(|| (!unwinding && std::thread::panicking()).then_some(PANIC)));
        }
    }

    #[inline(never)]
    fn leave(&mut self) -> Span {
        self.open.take().map_or(Span::NONE, |Open { span, entered, .. }| {
            drop(entered);
            span
        })
    }
}

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        if self.open.is_some() {
            self.end(None);
        }
    }
}

/// A future whose span is the current one in each poll; dropped early, it counts as `cancelled`.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Within<F: Future> {
    span: Span,
    error: fn(&F::Output) -> Option<&'static str>,
    body: ManuallyDrop<F>,
}

impl<F: Future> fmt::Debug for Within<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within").field("span", &self.span).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        // SAFETY: `body` is pinned structurally: it is never moved out, and dropped in place by `Drop`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let body = unsafe { Pin::new_unchecked(&mut *this.body) };
        if this.span.is_none() {
            return body.poll(cx);
        }
        let entered = this.span.context().enter();
        let polled = body.poll(cx);
        drop(entered);
        if let Poll::Ready(output) = &polled {
            end(std::mem::replace(&mut this.span, Span::NONE), (this.error)(output));
        }
        polled
    }
}

impl<F: Future> Drop for Within<F> {
    #[inline]
    fn drop(&mut self) {
        let entered = if self.span.is_none() { None } else { Some(self.span.context().enter()) };
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.body) };
        if entered.is_some() {
            drop(entered);
            end(std::mem::replace(&mut self.span, Span::NONE), Some(panic_or(CANCELLED)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|shop|1.0.0|0.1.0|\n");
    static FUNCTION: Function = Function { name: "a::b", path: "shop::a::b", file: "src/a.rs", line: 7 };

    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn results_pass_through() {
        let guard = Guard { open: None };
        assert_eq!(guard.returned(Err::<u8, _>("no")), Err("no"));
        assert_eq!(enter(&SCOPE, &FUNCTION).returned(Ok::<_, ()>(7)), Ok(7));
    }

    #[test]
    fn an_error_is_named_by_its_type() {
        assert_eq!(error_type(&Err::<(), _>(std::fmt::Error)), Some("core::fmt::Error"));
        assert_eq!(error_type(&Ok::<u8, std::fmt::Error>(1)), None);
    }

    #[test]
    fn a_body_is_dropped_once_polled_or_not() {
        let count = Arc::new(AtomicUsize::new(0));
        let body = Dropped(count.clone());
        drop(around(&SCOPE, &FUNCTION, async move { drop(body) }));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let body = Dropped(count.clone());
        let span = Span::of_test();
        drop(Within { span, error: |_: &()| None, body: ManuallyDrop::new(async move { drop(body) }) });
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn futures_can_be_sent_as_their_bodies_can() {
        fn send<T: Send>(value: T) -> T {
            value
        }
        drop(send(around_result(&SCOPE, &FUNCTION, async { Ok::<_, ()>(1) })));
        drop(enter(&SCOPE, &FUNCTION).future(send(std::future::ready(()))));
    }
}
