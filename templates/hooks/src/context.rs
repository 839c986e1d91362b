//! The current span of this thread, and what travels with it.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::live::Live;
use crate::propagate;

/// Which span work belongs to. Cheap to clone: it allocates only for requests that brought a tracestate or baggage.
#[derive(Clone, Default)]
pub struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) flags: u8,
    pub(crate) remote: bool,
    /// Whether the request this belongs to is still open.
    pub(crate) live: Live,
    pub(crate) carried: Option<Arc<Carried>>,
}

/// Headers that are passed on as they came.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) tracestate: Vec<u8>,
    pub(crate) baggage: Vec<u8>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({:032x}, {:016x})", u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span))
    }
}

thread_local! {
    static CURRENT: Cell<Context> = const { Cell::new(Context::EMPTY) };
}

/// The context of the work this thread is doing now; empty when the hooks are dormant or nothing is being traced.
#[inline]
pub fn current() -> Context {
    if !crate::active() {
        return Context::EMPTY;
    }
    let peek = |cell: &Cell<Context>| {
        let context = cell.take();
        cell.set(context.clone());
        context
    };
    CURRENT.try_with(peek).unwrap_or_default()
}

impl Context {
    /// No span.
    pub const EMPTY: Context =
        Context { trace: [0; 16], span: [0; 8], flags: 0, remote: false, live: Live::NEVER, carried: None };

    /// Whether there is no span.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.span == [0; 8]
    }

    /// Makes this the thread's current context until the guard is dropped. Guards must be dropped in reverse order of
    /// their making, on the same thread; they cannot be sent.
    #[inline]
    pub fn enter(&self) -> Entered {
        if !crate::active() {
            return Entered { previous: None, not_send: PhantomData };
        }
        let previous = CURRENT.try_with(|cell| cell.replace(self.clone())).ok();
        Entered { previous, not_send: PhantomData }
    }

    /// Reads a context from a request's headers. `headers(name, visit)` calls `visit` with each value of the header
    /// `name` (lowercase). Empty when there is none or it is malformed; baggage is kept even then.
    pub fn extract(headers: impl Fn(&str, &mut dyn FnMut(&[u8]))) -> Context {
        if !crate::active() {
            return Context::EMPTY;
        }
        propagate::extract(&headers)
    }

    /// Hands the headers that carry this context to `set(name, value)`; names are lowercase, values are valid header text.
    pub fn inject(&self, mut set: impl FnMut(&'static str, &[u8])) {
        if crate::active() {
            propagate::inject(self, &mut set);
        }
    }
}

/// Keeps a context current; see [`Context::enter`].
#[derive(Debug)]
#[must_use = "the context is left as soon as this is dropped"]
pub struct Entered {
    previous: Option<Context>,
    not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if let Some(previous) = self.previous.take() {
            // The value that was current is dropped here; it owns at most an `Arc` of plain bytes.
            let _ = CURRENT.try_with(|cell| cell.set(previous));
        }
    }
}
