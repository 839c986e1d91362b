//! Contexts that guards keep current, where the guards may be dropped in any order, as those of OpenTelemetry's API may.

use std::cell::Cell;

use super::{Context, Ids, CURRENT};
use crate::attach::active;

/// Names an attached context on its thread, for the guard whose drop ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the context stays attached until this is left"]
pub struct Attached(u64);

struct Entry {
    number: u64,
    ids: Ids,
    /// What was current before.
    before: Context,
}

/// As many as the API's own stack takes; a thread that leaks more guards attaches no further contexts.
const MOST: usize = u16::MAX as usize;

thread_local! {
    /// The attached contexts of this thread, and the number of the last one.
    static ATTACHED: Cell<(Vec<Entry>, u64)> = const { Cell::new((Vec::new(), 0)) };
}

impl Context {
    /// Makes this the thread's current context until [`Attached::leave`]. Unlike those of [`enter`](Self::enter), such
    /// contexts may be left in any order.
    pub fn attach(self) -> Attached {
        if active() {
            push(self)
        } else {
            Attached::NONE
        }
    }
}

fn push(context: Context) -> Attached {
    let push = |cell: &Cell<(Vec<Entry>, u64)>| {
        let (mut entries, last) = cell.take();
        let (ids, number) = (context.ids(), last + 1);
        let before = match entries.len() {
            MOST.. => None,
            _ => CURRENT.try_with(|current| current.replace(context)).ok(),
        };
        let attached = before.as_ref().map_or(Attached::NONE, |_| Attached(number));
        entries.extend(before.map(|before| Entry { number, ids, before }));
        cell.set((entries, number));
        attached
    };
    // No user code runs while the stack is taken out: contexts own plain bytes.
    ATTACHED.try_with(push).unwrap_or(Attached::NONE)
}

impl Attached {
    /// Nothing is attached.
    pub const NONE: Attached = Attached(0);

    /// Ends what [`Context::attach`] began, on the same thread. The context before it is current again, unless another one
    /// has been made current since: then it is current once that one is left.
    pub fn leave(self) {
        if self == Attached::NONE {
            return;
        }
        let leave = |cell: &Cell<(Vec<Entry>, u64)>| {
            let (mut entries, last) = cell.take();
            if let Some(at) = entries.iter().rposition(|entry| entry.number == self.0) {
                let left = entries.remove(at);
                match entries.get_mut(at) {
                    Some(above) if above.before.ids() == left.ids => above.before = left.before,
                    Some(_) => {}
                    None => restore(left),
                }
            }
            cell.set((entries, last));
        };
        let _ = ATTACHED.try_with(leave);
    }
}

/// Makes current what was before, if what was attached still is.
fn restore(left: Entry) {
    let restore = |current: &Cell<Context>| {
        let now = current.take();
        current.set(if now.ids() == left.ids { left.before } else { now });
    };
    let _ = CURRENT.try_with(restore);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(number: u8) -> Context {
        Context { trace: [1; 16], span: [number; 8], ..Context::EMPTY }
    }

    fn now() -> u8 {
        CURRENT.with(|current| {
            let now = current.take();
            current.set(now.clone());
            now.span[0]
        })
    }

    fn entered(number: u8) -> Context {
        CURRENT.with(|current| current.replace(context(number)))
    }

    #[test]
    fn contexts_may_be_left_in_any_order() {
        for (order, seen) in [
            ([2, 1, 0], [2, 1, 0]),
            ([0, 1, 2], [3, 3, 0]),
            ([1, 0, 2], [3, 3, 0]),
            ([0, 2, 1], [3, 2, 0]),
            ([1, 2, 0], [3, 1, 0]),
            ([2, 0, 1], [2, 2, 0]),
        ] {
            let attached: Vec<_> = (1..=3).map(|number| push(context(number))).collect();
            assert_eq!(now(), 3);
            let after = order.map(|index: usize| {
                attached[index].leave();
                now()
            });
            assert_eq!(after, seen, "{order:?}");
            attached.iter().for_each(|attached| attached.leave());
            assert_eq!((now(), ATTACHED.with(|cell| cell.take().0.len())), (0, 0), "left twice");
        }
    }

    #[test]
    fn what_was_made_current_since_stays() {
        let outer = push(context(1));
        let before = entered(2);
        let inner = push(context(3));
        outer.leave();
        assert_eq!(now(), 3);
        inner.leave();
        assert_eq!(now(), 2);
        CURRENT.with(|current| current.set(before));
        // A guard that is dropped on the way, as one held across an await.
        let held = push(context(1));
        entered(2);
        held.leave();
        assert_eq!(now(), 2);
        CURRENT.with(|current| current.set(Context::EMPTY));
    }

    #[test]
    fn leaked_guards_take_bounded_memory() {
        let _leaked: Vec<_> = (0..MOST).map(|_| push(context(1))).collect();
        assert_eq!(push(context(2)), Attached::NONE);
        assert_eq!(now(), 1);
    }
}
