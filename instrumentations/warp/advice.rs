//! The route of a request, made of the path segments that filters have taken, and recorded on the span of its server
//! request. A segment that a filter names is in it, one that is a parameter is `{}`.

use std::cell::RefCell;
use std::fmt;
use std::task::Poll;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::{current, key};

use crate::route::Route;

/// What filters have taken of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    /// A bit for each segment that a filter names, from the left. Those beyond the 64th count as parameters.
    named: u64,
    /// Where the rest of the path begins, if one filter has taken all of it.
    rest: Option<usize>,
    /// Where it ends.
    end: usize,
}

/// What is taken of the path of a request, and what had been before filters rejected it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    named: u64,
    rest: Option<usize>,
    is_whole: bool,
    /// What was recorded while a filter waited.
    waiting: Option<Taken>,
    rejected: Option<Taken>,
    /// Whether filters that name the path differently have rejected the request.
    is_ambiguous: bool,
    is_recovered: bool,
}

impl Template {
    pub(crate) const NEW: Template = Template {
        named: 0,
        rest: None,
        is_whole: false,
        waiting: None,
        rejected: None,
        is_ambiguous: false,
        is_recovered: false,
    };

    /// A filter has taken all that begins at `start`.
    pub(crate) fn take_rest(&mut self, start: usize) {
        self.rest = Some(start);
    }

    /// A filter has found that nothing of the path is left, as it requires.
    pub(crate) fn is_whole(&mut self) {
        self.is_whole = true;
    }

    /// The answer is made of a rejection.
    pub(crate) fn recover(&mut self) {
        self.is_recovered = true;
    }

    fn taken(&self, end: usize) -> Taken {
        Taken { named: self.named, rest: self.rest, end }
    }

    /// Keeps what was taken of a whole path: that is the route of the rejection, if there is no other.
    fn reject(&mut self, end: usize) {
        if self.is_whole {
            let taken = self.taken(end);
            self.is_ambiguous |= self.rejected.map_or(false, |other| other != taken);
            self.rejected = Some(taken);
        }
    }

    fn of_rejection(&self) -> Option<Taken> {
        self.rejected.filter(|_| !self.is_ambiguous)
    }
}

/// Takes a segment that the filter names.
#[inline]
pub(crate) fn named<T, E>(route: &mut Route, take: impl FnOnce(&mut Route) -> Result<T, E>) -> Result<T, E> {
    let start = route.matched_path_index();
    let taken = take(route);
    if taken.is_ok() && SCOPE.enabled() {
        route.otel.named |= bit(number(route.full_path(), start));
    }
    taken
}

/// Filters have rejected the request, after those that took the path up to `index`.
#[inline]
pub(crate) fn rejected(route: &mut Route, index: usize) {
    if SCOPE.enabled() {
        let end = route.matched_path_index();
        route.otel.reject(end);
        if index < end {
            route.otel.named &= bit(number(route.full_path(), index)).wrapping_sub(1);
            route.otel.rest = None;
            route.otel.is_whole = false;
        }
    }
}

/// All filters have had the request, or one of them waits.
#[inline]
pub(crate) fn answered<T, E>(answer: Poll<Result<T, E>>, route: &RefCell<Route>) -> Poll<Result<T, E>> {
    if SCOPE.enabled() {
        if let Ok(mut route) = route.try_borrow_mut() {
            match &answer {
                Poll::Ready(result) => record(&mut route, result.is_ok()),
                Poll::Pending => wait(&mut route),
            }
        }
    }
    answer
}

/// A filter that has the whole path waits, most likely for the answer. If the client leaves, that is the route.
fn wait(route: &mut Route) {
    let taken = route.otel.taken(route.matched_path_index());
    if (route.otel.is_whole || taken.rest.is_some()) && route.otel.waiting != Some(taken) {
        route.otel.waiting = Some(taken);
        show(route, taken);
    }
}

fn record(route: &mut Route, is_answered: bool) {
    let end = route.matched_path_index();
    let is_taken = end > first(route.full_path()) || route.otel.is_whole || route.otel.rest.is_some();
    let taken = if is_answered && is_taken {
        Some(route.otel.taken(end))
    } else if is_answered && !route.otel.is_recovered {
        None
    } else {
        route.otel.reject(end);
        route.otel.of_rejection()
    };
    match taken {
        Some(taken) if route.otel.waiting != Some(taken) => show(route, taken),
        None if route.otel.waiting.is_some() => otel_rs_hooks::kit::route::unmatched(&SCOPE),
        _ => {}
    }
}

fn show(route: &Route, taken: Taken) {
    let text = FormattedText::<512>::of(&Shown { path: route.full_path(), taken });
    current().set(&[(key::HTTP_ROUTE, (&text).into())]);
}

/// Where the first segment begins.
fn first(path: &str) -> usize {
    usize::from(path.starts_with('/'))
}

/// Which segment begins at `index`.
fn number(path: &str, index: usize) -> usize {
    path.get(first(path)..index).map_or(0, |before| before.bytes().filter(|byte| *byte == b'/').count())
}

fn bit(number: usize) -> u64 {
    if number < 64 {
        1 << number
    } else {
        0
    }
}

struct Shown<'a> {
    path: &'a str,
    taken: Taken,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Taken { named, rest, end } = self.taken;
        let taken = self.path.get(first(self.path)..rest.unwrap_or(end)).unwrap_or_default().trim_end_matches('/');
        let segments = taken.split('/').enumerate().filter(|(_, segment)| !segment.is_empty());
        for (number, segment) in segments {
            f.write_str("/")?;
            f.write_str(if named & bit(number) == 0 { "{}" } else { segment })?;
        }
        match rest {
            Some(_) => f.write_str("/{*}"),
            None if taken.is_empty() => f.write_str("/"),
            None => Ok(()),
        }
    }
}
