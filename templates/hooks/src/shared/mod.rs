//! Spans of the program's own, which have several owners.

mod counted;
mod scopes;

use std::any::Any;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use crate::attribute::key;
use crate::clock::now;
use crate::context::{self, flag, Context, Entered};
use crate::logs::PendingLog;
use crate::places::Written;
use crate::scope::Scope;
use crate::span::{self, Begun, Chosen, Span};
use crate::{attach, ring, wire, Domain};
use counted::Counted;

/// What the program's type of a span is described by, such as the metadata of a callsite.
pub type About = &'static (dyn Any + Send + Sync);

/// A span that the program makes, clones, enters and leaves by itself. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct SharedSpan(Counted<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    kind: Kind,
    about: Option<About>,
    status: AtomicU8,
    is_client: AtomicBool,
}

#[derive(Debug)]
enum Kind {
    Own(Span),
    /// A handle of what is current, whose span is another's to end.
    Other(Context),
}

/// Values of [`Shared::status`].
const NO_STATUS: u8 = 0;
const GIVEN: u8 = 1;
const FAILED: u8 = 2;

thread_local! {
    /// The span that the program's library converted last, see [`SharedSpan::noted`].
    static NOTED: Cell<Option<Context>> = const { Cell::new(None) };
}

/// The start of a span that is not recorded yet.
#[derive(Debug)]
#[must_use = "a span without a start is not exported"]
pub struct SharedStart {
    begun: Option<Begun>,
    place: Written,
}

impl SharedStart {
    #[inline]
    fn record(&self, context: &Context, values: (&[u8], u16)) {
        if let Some(begun) = self.begun {
            self.place.with(|place| begun.record(context, [place, values], &[]));
        }
    }
}

impl Shared {
    fn new(kind: Kind, about: Option<About>, status: u8) -> Shared {
        Shared { kind, about, status: AtomicU8::new(status), is_client: AtomicBool::new(false) }
    }

    /// Whether its context is a client's while it is entered.
    pub(crate) fn is_client(&self) -> bool {
        self.is_client.load(Relaxed)
    }

    pub(crate) fn context(&self) -> &Context {
        match &self.kind {
            Kind::Own(span) => span.context(),
            Kind::Other(context) => context,
        }
    }
}

impl SharedSpan {
    /// A span with owners. `None` for one that does nothing.
    #[inline]
    pub(crate) fn new(span: Span, about: Option<About>) -> Option<SharedSpan> {
        if span.is_none() {
            return None;
        }
        Some(SharedSpan(Counted::new(Shared::new(Kind::Own(span), about, NO_STATUS))))
    }

    /// Begins a span at a place of the program: as a child of `parent`, as the root of a new trace when that is empty, or,
    /// without one, as a child of the thread's current span or else of the process's own parent. It is recorded by
    /// [`record_start`](Self::record_start) or [`record_start_with`](Self::record_start_with). `None` for one that does
    /// nothing.
    #[inline]
    pub fn begin(
        scope: &'static Scope,
        parent: Option<Context>,
        place: Written,
        about: Option<About>,
    ) -> Option<(SharedSpan, SharedStart)> {
        if !scope.enabled() {
            return None;
        }
        let prepare = |parent: &Context| span::prepare(scope, Domain::Internal, parent, now(), Chosen::default());
        let (span, begun) = match parent {
            Some(parent) => prepare(&parent),
            None => context::with_current_or_process(prepare),
        };
        Some((SharedSpan::new(span, about)?, SharedStart { begun, place }))
    }

    /// Records that it has begun.
    #[inline]
    pub fn record_start(&self, start: &SharedStart) {
        start.record(self.context(), (&[], 0));
    }

    /// Runs `run` and `complete` as [`set_values`](Self::set_values) does, and records that the span has begun together with
    /// its values; without them where that ends in a panic.
    pub fn record_start_with<R>(
        &self,
        start: &SharedStart,
        (of, subject): (usize, usize),
        aborts: bool,
        run: impl FnOnce() -> R,
        complete: impl FnOnce(&PendingLog),
    ) -> R {
        struct Otherwise<'a>(Option<(&'a SharedSpan, &'a SharedStart)>);
        impl Drop for Otherwise<'_> {
            fn drop(&mut self) {
                if let Some((span, start)) = self.0 {
                    span.record_start(start);
                }
            }
        }
        let mut otherwise = Otherwise(Some((self, start)));
        let pending = PendingLog::of_span(subject, aborts);
        let result = pending.while_registered(of, run);
        pending.complete(complete);
        pending.read(|bytes, count| {
            otherwise.0 = None;
            start.record(self.context(), (bytes, count));
        });
        result
    }

    /// The program's span that is current on this thread; where another kind of span is, a handle that can be entered.
    pub fn current() -> Option<SharedSpan> {
        if !attach::active() {
            return None;
        }
        if let Some(span) = scopes::current() {
            return Some(SharedSpan(span));
        }
        let context = context::current();
        if context.is_empty() {
            return None;
        }
        Some(SharedSpan(Counted::new(Shared::new(Kind::Other(context), None, GIVEN))))
    }

    /// Whether it is a span of the program's, rather than a handle of another.
    pub fn is_own(&self) -> bool {
        matches!(self.0.kind, Kind::Own(_))
    }

    /// What was given when it was made.
    pub fn about(&self) -> Option<About> {
        self.0.about
    }

    /// The context of its work.
    pub fn context(&self) -> &Context {
        self.0.context()
    }

    /// Makes its context the current one of this thread, until it is left. Unlike [`Context::enter`], spans may be left
    /// in any order.
    pub fn enter(&self) {
        scopes::enter(&self.0);
    }

    /// Leaves the span, if it was entered on this thread.
    pub fn leave(&self) {
        scopes::leave(&self.0);
    }

    /// Whether values of its own are recorded, so that it is worth to format them.
    pub fn takes_values(&self) -> bool {
        let context = self.context();
        self.is_own() && context.is_recorded() && context.flags & flag::SAMPLED != 0
    }

    /// Runs `run`, while which the program's subscriber formats values of the span; their text is copied. Those that it has
    /// not formatted are added by `complete`, which may run code of the app. Both are found and told apart by `of` and
    /// `subject`, see [`PendingLog`].
    pub fn set_values<R>(
        &self,
        (of, subject): (usize, usize),
        aborts: bool,
        run: impl FnOnce() -> R,
        complete: impl FnOnce(&PendingLog),
    ) -> R {
        let pending = PendingLog::of_span(subject, aborts);
        let result = pending.while_registered(of, run);
        pending.complete(complete);
        pending.read(|bytes, count| {
            if count > 0 {
                ring::write_update(self.context().span, now(), (bytes, count), &[]);
            }
        });
        result
    }

    /// Notes that the program has given the span a status, which an error below does not change.
    pub fn mark_status(&self) {
        self.0.status.store(GIVEN, Relaxed);
    }

    /// Notes that the program has made it a client's span: a request that is sent directly below is recorded as the
    /// client's span then, and this one as the work around it.
    pub fn mark_client(&self) {
        self.0.is_client.store(true, Relaxed);
    }

    /// Something in the current span of the program has failed: its status is an error, unless the program gave it one.
    pub fn fail_current() {
        if !attach::active() {
            return;
        }
        let Some(span) = scopes::current() else { return };
        if span.status.compare_exchange(NO_STATUS, FAILED, Relaxed, Relaxed).is_ok() {
            span.context().set(&[(key::SPAN_STATUS, (wire::SpanStatus::Error as i64).into())]);
        }
    }

    /// Notes that the library converts this span into something that does not show it, see [`noted`](Self::noted).
    #[inline]
    pub fn note(span: Option<&SharedSpan>) {
        if let Some(span) = span {
            let _ = NOTED.try_with(|noted| noted.set(Some(span.context().clone())));
        }
    }

    /// Runs `convert`; the context of the span that it converts can be taken by [`take_noted`](Self::take_noted).
    #[inline]
    pub fn noted<R>(convert: impl FnOnce() -> R) -> R {
        if attach::active() {
            SharedSpan::take_noted();
        }
        convert()
    }

    /// Makes the context of the span that was converted last the current one, if there is one.
    #[inline]
    pub fn enter_noted() -> Option<Entered> {
        if !attach::active() {
            return None;
        }
        SharedSpan::take_noted().map(|context| context.enter())
    }

    /// The context of the span that was converted last.
    pub fn take_noted() -> Option<Context> {
        NOTED.try_with(Cell::take).ok().flatten()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::context::Role;

    fn span(id: u8) -> SharedSpan {
        SharedSpan::new(Span::of_test_with(id), None).unwrap()
    }

    fn is_current(id: u8) -> bool {
        scopes::current().map_or(id == 0, |span| span.context().span == [id; 8])
    }

    #[test]
    fn spans_are_left_in_any_order() {
        let spans = [1, 2, 3].map(span);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            spans.iter().for_each(SharedSpan::enter);
            assert!(is_current(3));
            for index in order {
                spans[index].leave();
            }
            assert!(is_current(0), "{order:?}");
            assert_eq!(scopes::depth(), 0, "{order:?}");
        }
    }

    #[test]
    fn ten_thousand_spans_on_eight_threads_leave_nothing_behind() {
        let entered_and_left = |thread: usize| {
            for round in 0..1250 {
                let spans: Vec<_> = (1..=8).map(span).collect();
                spans.iter().for_each(SharedSpan::enter);
                let step = [1, 3, 5, 7][(round + thread) % 4];
                (0..8).for_each(|index| spans[(index * step + round) % 8].leave());
                assert!(is_current(0) && scopes::depth() == 0);
            }
        };
        let entered_and_left = &entered_and_left;
        std::thread::scope(|scope| (0..8).for_each(|thread| drop(scope.spawn(move || entered_and_left(thread)))));
    }

    #[test]
    fn a_span_that_is_left_below_another_leaves_that_current() {
        let (outer, inner) = (span(1), span(2));
        outer.enter();
        inner.enter();
        outer.leave();
        assert!(is_current(2));
        inner.leave();
        assert!(is_current(0));
    }

    #[test]
    fn a_span_may_be_entered_again_within_itself() {
        let (outer, inner) = (span(1), span(2));
        outer.enter();
        inner.enter();
        outer.enter();
        outer.leave();
        assert!(is_current(2));
        outer.leave();
        inner.leave();
        assert_eq!(scopes::depth(), 0);
    }

    #[test]
    fn leaving_on_another_thread_changes_nothing_there() {
        let span = span(1);
        span.enter();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                span.leave();
                assert_eq!(scopes::depth(), 0);
            });
        });
        assert!(is_current(1));
        span.leave();
        assert!(is_current(0));
    }

    #[test]
    fn spans_that_are_never_left_are_forgotten_when_they_are_over() {
        let first = span(1);
        first.enter();
        for _ in 0..10_000 {
            span(2).enter();
        }
        assert!(scopes::depth() < 200, "{}", scopes::depth());
        let last = span(3);
        last.enter();
        last.leave();
        first.leave();
        assert!(scopes::depth() < 200);
    }

    #[test]
    fn a_context_of_the_hooks_that_is_current_stays() {
        let (span, other) = (span(1), Span::of_test_with(9));
        span.enter();
        let before = context::replace_current(other.context().clone()).unwrap();
        span.leave();
        let current = context::replace_current(Context::EMPTY).unwrap();
        assert_eq!((before.span, current.span, scopes::depth()), ([1; 8], [9; 8], 0));
    }

    #[test]
    fn what_is_sent_within_a_client_s_span_finds_it() {
        let span = span(4);
        let entered = || {
            span.enter();
            let current = context::replace_current(span.context().clone()).unwrap();
            span.leave();
            (current.span, current.role)
        };
        assert_eq!(entered(), ([4; 8], Role::Work));
        span.mark_client();
        assert_eq!(entered(), ([4; 8], Role::Client));
        assert_eq!(scopes::depth(), 0);
    }

    #[test]
    fn a_conversion_is_noted_once() {
        let span = span(7);
        SharedSpan::note(Some(&span));
        SharedSpan::note(None);
        assert_eq!(SharedSpan::take_noted().unwrap().span, [7; 8]);
        assert!(SharedSpan::take_noted().is_none());
    }
}
