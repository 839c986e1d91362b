//! The current span of this thread, and what travels with it.

mod announced;
mod attached;
mod carry;
mod live;
mod members;
mod propagate;
mod role;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Arc;

use crate::attach::active;
use crate::headers::{Headers, HeadersMut};
use crate::settings;

pub use attached::Attached;
pub use carry::{carry, carry_fn, detach, detached, Carry};
pub(crate) use live::Live;
pub use members::BaggageMember;
pub(crate) use role::Role;

/// Bits of [`Context::flags`]. The lowest two are W3C's and travel; the others are our own.
pub(crate) mod flag {
    pub(crate) const SAMPLED: u8 = 1;
    /// All that W3C Trace Context defines: sampled, and random trace id.
    pub(crate) const W3C: u8 = 0b11;
    /// Sampled for debugging: B3 and Jaeger pass that on.
    pub(crate) const DEBUG: u8 = 1 << 7;
    /// The caller named its trace and left the decision to whom it calls.
    pub(crate) const DEFERRED: u8 = 1 << 6;
    /// The request being served brought a decision without a trace.
    pub(crate) const DECIDED: u8 = 1 << 5;
    /// Never sampled, nor is any work below it.
    pub(crate) const MUTED: u8 = 1 << 4;
    /// The span itself is not recorded; its context is only passed on.
    pub(crate) const NOT_RECORDED: u8 = 1 << 3;
    /// This very span is a request that is being sent.
    pub(crate) const REQUEST: u8 = 1 << 2;
}

/// Which span work belongs to. Cheap to clone: it allocates only for requests that brought a tracestate or baggage.
#[derive(Default)]
pub struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) flags: u8,
    pub(crate) remote: bool,
    /// What its span is to the request that the work belongs to.
    pub(crate) role: Role,
    /// The entry that shows whether the request of this context is still open.
    pub(crate) live: Live,
    /// The caller's span, as the request being served named it; zeros where none did.
    pub(crate) brought: Ids,
    pub(crate) carried: Option<Arc<Carried>>,
}

impl Clone for Context {
    #[inline]
    fn clone(&self) -> Context {
        // All fields, so that none with an owner is added and forgotten here.
        let Context { trace: _, span: _, flags: _, remote: _, role: _, live: _, brought: _, carried } = self;
        if let Some(carried) = carried {
            std::mem::forget(Arc::clone(carried));
        }
        // SAFETY: `carried` has one more owner now; all else is plain bytes. One copy of the whole is several times faster than
        // one of each field.
        unsafe { std::ptr::read(self) }
    }
}

/// A span's trace, and its own id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

impl Ids {
    const NONE: Ids = Ids { trace: [0; 16], span: [0; 8] };
}

/// Headers that are passed on as they came.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) tracestate: Vec<u8>,
    pub(crate) baggage: Vec<u8>,
    /// Spans that the same request named in other formats, where these contradict each other.
    pub(crate) others: Vec<Ids>,
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
    if !active() {
        return Context::EMPTY;
    }
    CURRENT.try_with(peek).unwrap_or_default()
}

/// A copy of what a cell of this thread holds.
#[inline]
fn peek(cell: &Cell<Context>) -> Context {
    // SAFETY: of this thread alone, and nothing else reaches the cell meanwhile but a signal's handler: of that, any part of
    // what is read may be, and all of it is plain bytes. What has an owner is not dropped here.
    let now = ManuallyDrop::new(unsafe { std::ptr::read(cell.as_ptr()) });
    if now.carried.is_none() {
        return ManuallyDrop::into_inner(now);
    }
    let context = cell.take();
    cell.set(context.clone());
    context
}

/// Makes a context the current one, and gives back the one before. `None` where the thread is ending.
pub(crate) fn replace_current(context: Context) -> Option<Context> {
    CURRENT.try_with(|cell| cell.replace(context)).ok()
}

/// Swaps the thread's current context with `context`. False where the thread is ending.
#[inline]
pub(crate) fn swap_current(context: &mut Context) -> bool {
    // SAFETY: of this thread alone, and nothing else reaches the cell meanwhile.
    CURRENT.try_with(|cell| std::mem::swap(unsafe { &mut *cell.as_ptr() }, context)).is_ok()
}

/// The id of the current span; zeros for none.
pub(crate) fn current_id() -> [u8; 8] {
    // SAFETY: of this thread alone, and nothing else reaches the cell meanwhile.
    CURRENT.try_with(|cell| unsafe { (*cell.as_ptr()).span }).unwrap_or_default()
}

/// The context of the work this thread is doing now, or what the process was started with when it does none.
#[inline]
pub(crate) fn current_or_process() -> Context {
    let current = current();
    if current.is_empty() {
        current.or_of_process()
    } else {
        current
    }
}

/// The same, in place: `then` must leave the thread's current context as it is.
#[inline]
pub(crate) fn with_current_or_process<R>(then: impl FnOnce(&Context) -> R) -> R {
    let current = if active() { CURRENT.try_with(Cell::as_ptr).ok() } else { None };
    // SAFETY: of this thread alone, which lives on while `then` runs. A signal's handler that makes another context current
    // gives the same bytes back before it returns, and what `carried` points to lives on meanwhile.
    match current.map(|current| unsafe { &*current }) {
        Some(current) => then(current.or_else_of_process()),
        None => then(&current_or_process()),
    }
}

/// The parent of work that has none in this process, as the environment names it; `None` where that names none.
fn process_parent() -> Option<&'static Context> {
    /// Made once and never freed.
    static PARENT: AtomicPtr<Context> = AtomicPtr::new(std::ptr::null_mut());
    let environment = settings::get()?.environment.as_ref()?;
    // SAFETY: null, or leaked below.
    if let Some(known) = unsafe { PARENT.load(Ordering::Acquire).as_ref() } {
        return Some(known);
    }
    let made = Box::into_raw(Box::new(propagate::from_environment(environment)));
    match PARENT.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: made above, and never freed from now on.
        Ok(_) => Some(unsafe { &*made }),
        Err(known) => {
            // SAFETY: made above and seen by no other thread; the one that is kept is never freed.
            unsafe {
                drop(Box::from_raw(made));
                known.as_ref()
            }
        }
    }
}

impl Context {
    /// No span.
    pub const EMPTY: Context = Context {
        trace: [0; 16],
        span: [0; 8],
        flags: 0,
        remote: false,
        role: Role::Work,
        live: Live::NEVER,
        brought: Ids::NONE,
        carried: None,
    };

    /// Whether there is no span.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.span == [0; 8]
    }

    /// Whether its span, rather than one above it, is a request that is being sent and recorded.
    pub(crate) fn is_request_sent(&self) -> bool {
        self.flags & flag::REQUEST != 0
    }

    /// Whether its span, rather than one above it, is a remote procedure call that is being sent: the transport below it
    /// has no span of its own.
    pub fn is_call(&self) -> bool {
        self.role == Role::Call
    }

    /// Makes this the thread's current context until the guard is dropped. Guards must be dropped in reverse order of
    /// their making, on the same thread; they cannot be sent.
    #[inline]
    pub fn enter(&self) -> Entered {
        if !active() {
            return Entered { previous: None, not_send: PhantomData };
        }
        let previous = CURRENT.try_with(|cell| cell.replace(self.clone())).ok();
        Entered { previous, not_send: PhantomData }
    }

    /// Reads a context from a request's headers. Empty when there is none or it is malformed; baggage is kept even then.
    pub fn extract(headers: &dyn Headers) -> Context {
        if !active() {
            return Context::EMPTY;
        }
        propagate::extract(headers)
    }

    /// Reads a context from headers as [`extract`](Self::extract) does, for a program that looks for the parent of its work;
    /// see [`for_work`](Self::for_work).
    pub fn extract_for_work(headers: &dyn Headers) -> Context {
        Context::extract(headers).for_work()
    }

    /// What the program has read from headers, for its work. Where they are those of the request that is being served, it is
    /// the context of that work: its spans have the caller's as their parent already.
    pub fn for_work(self) -> Context {
        let current = current();
        if self.is_brought_to(&current) {
            current
        } else {
            self
        }
    }

    fn is_brought_to(&self, work: &Context) -> bool {
        self.remote && !self.is_empty() && !work.is_empty() && work.brought == self.ids()
    }

    /// The parent of a request that is about to be sent with these headers: the span that the program itself named in
    /// them, otherwise the current one. Headers copied from the request being served name nothing new, nor does the
    /// current span if the program wrote it there. A client span of the program's own is where the request belongs.
    pub fn of_request(headers: &dyn Headers) -> Context {
        let current = current_or_process();
        let named = current.named_beside(headers);
        current.sent_in(named)
    }

    /// The parent of a request that is sent within this context, with headers that name such a span.
    fn sent_in(self, named: Option<Context>) -> Context {
        match named {
            Some(named) if self.is_recorded() && named.ids() == self.ids() => self,
            // As if it were current, which it need not be.
            Some(named) if announced::is_announced(named.span) => {
                Context { remote: false, role: Role::Client, live: self.live, ..named }
            }
            Some(named) => named,
            None => self,
        }
    }

    /// The span that the program itself named in the headers of what it is about to send within this context.
    pub(crate) fn named_beside(&self, headers: &dyn Headers) -> Option<Context> {
        if active() {
            propagate::named(self, headers)
        } else {
            None
        }
    }

    /// Takes out of a request's headers what [`inject`](Self::inject) wrote of the span: the request was given back unsent.
    pub fn withdraw(&self, headers: &mut dyn HeadersMut) {
        if active() {
            propagate::withdraw(self, headers);
        }
    }

    /// A context that the program itself names, such as that of a span which its own SDK records. `flags` are W3C's;
    /// `is_remote` is whether its span is another process's.
    pub fn of_program(trace: [u8; 16], span: [u8; 8], flags: u8, tracestate: &str, is_remote: bool) -> Context {
        if !active() || trace == [0; 16] || span == [0; 8] {
            return Context::EMPTY;
        }
        let carried = Carried { tracestate: tracestate.as_bytes().to_vec(), ..Carried::default() };
        let carried = if tracestate.is_empty() { None } else { Some(Arc::new(carried)) };
        let flags = flags & flag::W3C | flag::NOT_RECORDED;
        Context { trace, span, flags, remote: is_remote, carried, ..Context::EMPTY }
    }

    /// The trace's id; zeros if there is no span.
    #[inline]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace
    }

    /// The span's id; zeros if there is no span.
    #[inline]
    pub fn span_id(&self) -> [u8; 8] {
        self.span
    }

    /// W3C's trace flags.
    #[inline]
    pub fn trace_flags(&self) -> u8 {
        self.flags & flag::W3C
    }

    /// Whether the span is another process's.
    #[inline]
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// Whether the span is sampled, and so may be exported.
    #[inline]
    pub fn is_sampled(&self) -> bool {
        self.flags & flag::SAMPLED != 0
    }

    /// The tracestate that travels with the trace, as it came.
    pub fn tracestate(&self) -> &str {
        let state = self.carried.as_deref().map_or(&[][..], |carried| &carried.tracestate);
        std::str::from_utf8(state).unwrap_or("")
    }

    /// The baggage that travels with the work, in the form of W3C's header, as it came.
    pub fn baggage(&self) -> &str {
        let baggage = self.carried.as_deref().map_or(&[][..], |carried| &carried.baggage);
        std::str::from_utf8(baggage).unwrap_or("")
    }

    /// The baggage, where spans and log records are written with it.
    #[inline]
    pub(crate) fn baggage_to_record(&self) -> &[u8] {
        match self.carried.as_deref() {
            Some(carried) if !carried.baggage.is_empty() && settings::baggage() => &carried.baggage,
            _ => &[],
        }
    }

    /// The same context with other baggage, in the form of W3C's header.
    pub fn with_baggage(self, baggage: &str) -> Context {
        let (tracestate, others) = match self.carried.as_deref() {
            Some(known) => (known.tracestate.clone(), known.others.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let carried = Carried { tracestate, baggage: baggage.as_bytes().to_vec(), others };
        Context { carried: Some(Arc::new(carried)), ..self }
    }

    /// The same context, below which nothing is sampled, here or in the services that are called.
    pub fn muted(self) -> Context {
        Context { flags: self.flags & !flag::SAMPLED | flag::MUTED, ..self }
    }

    /// Whether it is [`muted`](Self::muted).
    pub fn is_muted(&self) -> bool {
        self.flags & flag::MUTED != 0
    }

    /// This context, or, if it has no span, that of the process: what the environment names as the parent of its work.
    pub fn or_of_process(self) -> Context {
        if self.is_empty() {
            self.or_else_of_process().clone()
        } else {
            self
        }
    }

    /// The same in place.
    #[inline]
    fn or_else_of_process(&self) -> &Context {
        if self.is_empty() && !self.is_muted() {
            process_parent().filter(|process| !process.is_empty()).unwrap_or(self)
        } else {
            self
        }
    }

    /// The headers that [`inject`](Self::inject) may write.
    pub fn injected_fields() -> Vec<&'static str> {
        if active() {
            propagate::fields()
        } else {
            Vec::new()
        }
    }

    pub(crate) fn ids(&self) -> Ids {
        Ids { trace: self.trace, span: self.span }
    }

    /// Writes this context to a request's headers. A trace that the program itself named in them stays, unless it named the
    /// span that is current now, or a client span of its own: this one comes between that and the request then.
    pub fn inject(&self, headers: &mut dyn HeadersMut) {
        let current = current();
        if current.is_recorded() && current.ids() != self.ids() {
            current.withdraw(headers);
        }
        match self.role {
            Role::Client => announced::announce(self.span),
            Role::Sent | Role::Call => self.withdraw_announced(headers),
            _ => {}
        }
        self.inject_if_unnamed(headers);
    }

    fn withdraw_announced(&self, headers: &mut dyn HeadersMut) {
        if announced::are_any() {
            let named = self.named_beside(headers).filter(|named| announced::is_announced(named.span));
            named.unwrap_or_default().withdraw(headers);
        }
    }

    /// The same; returns whether the headers carry this very span's context then.
    pub(crate) fn inject_if_unnamed(&self, headers: &mut dyn HeadersMut) -> bool {
        active() && propagate::inject(self, headers)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_belongs_to_the_span_that_its_headers_name() {
        let current = Context { live: Live::claim([0xb0; 8]), ..Context::of_test(0xb1) };
        let named = |span| Context { remote: true, ..Context::of_test(span) };
        assert_eq!(current.clone().sent_in(None).ids(), current.ids());
        let same = current.clone().sent_in(Some(named(0xb1)));
        assert!(same.ids() == current.ids() && !same.remote, "the current span, which the program named");
        let theirs = current.clone().sent_in(Some(named(0xb2)));
        assert!(theirs.ids() == named(0xb2).ids() && theirs.remote && theirs.role == Role::Work);
        announced::announce([0xb3; 8]);
        let own = current.clone().sent_in(Some(named(0xb3)));
        assert!(own.ids() == named(0xb3).ids() && !own.remote);
        assert_eq!((own.role, own.live), (Role::Client, current.live));
        current.live.release();
    }
    #[test]
    fn the_callers_span_is_that_of_the_request_which_it_brought() {
        let caller = Context { remote: true, ..Context::of_test(0xb5) };
        let work = Context { brought: caller.ids(), ..Context::of_test(0xb6) };
        assert!(caller.is_brought_to(&work));
        assert!(!Context { remote: false, ..caller.clone() }.is_brought_to(&work), "the program's own");
        assert!(!caller.is_brought_to(&Context::of_test(0xb6)) && !caller.is_brought_to(&Context::EMPTY));
        let nobody = Context { remote: true, ..Context::EMPTY };
        assert!(!nobody.is_brought_to(&Context::of_test(0xb6)), "a request without a caller");
    }
}
