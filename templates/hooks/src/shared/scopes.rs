//! Spans that a program enters and leaves by itself, in whatever order.
//!
//! [`Context::enter`] is for scopes that nest. A program may leave its spans in another order than it entered them, on
//! another thread, or never. So each thread keeps the spans that it has entered, each with what was current before: a span
//! that is left gives that back if it is current, and otherwise hands it on to the span that was entered next.

use std::cell::RefCell;
use std::mem;

use super::counted::{Counted, Weak};
use super::Shared;
use crate::context::{current_id, replace_current, swap_current, Context, Role};

/// From this many entries on, those whose spans are over are looked for, each time their number has doubled.
const MANY: usize = 32;

struct Scope {
    span: Weak<Shared>,
    id: [u8; 8],
    before: Context,
}

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// Runs `run` with the thread's scopes. Nothing runs where the thread ends, nor in a signal's handler that interrupts this.
fn with_scopes<R>(run: impl FnOnce(&mut Vec<Scope>) -> R) -> Option<R> {
    SCOPES.try_with(|scopes| scopes.try_borrow_mut().ok().map(|mut scopes| run(&mut scopes))).ok().flatten()
}

/// Makes the context of `span` the current one, until the span is left.
pub(crate) fn enter(span: &Counted<Shared>) {
    with_scopes(|scopes| {
        if scopes.len() >= MANY && scopes.len().is_power_of_two() {
            forget_ended(scopes);
        }
        let context = span.context();
        scopes.push(Scope { span: span.downgrade(), id: context.span, before: context.clone() });
        let is_current = scopes.last_mut().map_or(false, |scope| {
            if span.is_client() {
                scope.before.role = Role::Client;
            }
            swap_current(&mut scope.before)
        });
        if !is_current {
            scopes.pop();
        }
    });
}

/// Leaves `span`, as it was entered last on this thread. Nothing happens where it was not.
pub(crate) fn leave(span: &Counted<Shared>) {
    with_scopes(|scopes| match scopes.last_mut() {
        // Most often: the one that was entered last.
        Some(last) if last.span.is_of(span) => {
            if current_id() == last.id {
                swap_current(&mut last.before);
            }
            scopes.truncate(scopes.len().saturating_sub(1));
        }
        _ => remove(scopes, span),
    });
}

/// The span of a program's that is current, if this thread has entered it.
pub(crate) fn current() -> Option<Counted<Shared>> {
    let id = current_id();
    with_scopes(|scopes| scopes.iter().rev().find(|scope| scope.id == id)?.span.upgrade()).flatten()
}

/// Leaves `span` below others that were entered later.
#[cold]
fn remove(scopes: &mut Vec<Scope>, span: &Counted<Shared>) {
    let Some(index) = scopes.iter().rposition(|scope| scope.span.is_of(span)) else { return };
    let Scope { before, .. } = scopes.remove(index);
    if let Some(next) = scopes.get_mut(index) {
        next.before = before;
    }
}

/// Forgets spans that were never left on this thread and are over.
#[cold]
#[inline(never)]
fn forget_ended(scopes: &mut Vec<Scope>) {
    let current = current_id();
    // What was current before the first of several in a row.
    let mut before: Option<Context> = None;
    let mut is_current = false;
    let mut kept = Vec::with_capacity(scopes.len());
    for mut scope in mem::take(scopes) {
        if scope.span.has_no_owner() {
            is_current |= scope.id == current;
            before.get_or_insert(scope.before);
            continue;
        }
        if let Some(before) = before.take() {
            scope.before = before;
        }
        is_current = false;
        kept.push(scope);
    }
    *scopes = kept;
    if let Some(before) = before.filter(|_| is_current) {
        replace_current(before);
    }
}

/// How many spans this thread has entered and not left.
#[cfg(test)]
pub(crate) fn depth() -> usize {
    with_scopes(|scopes| scopes.len()).unwrap_or(0)
}
