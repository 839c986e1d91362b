//! Callbacks: what only the program can look up, when somebody is about to read.
//!
//! This is the one place where the hooks start a thread, and they do so with the first callback: somebody has to be there
//! when the launcher asks. It sleeps in between. The callbacks run on a second one that lives for one round, so that one
//! that does not come back keeps neither the others nor the next round.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU8, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::attach::{self, Region};
use crate::sys;
use crate::wire::{self, header};

/// How long one callback may take before the others go on without it.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the program's end waits for a last round.
const PATIENCE_AT_EXIT: Duration = Duration::from_millis(250);

type Run = Box<dyn Fn() -> bool + Send + Sync>;

struct Callback {
    next: *const Callback,
    /// Null when it is over.
    run: AtomicPtr<Run>,
    state: AtomicU8,
    was_stuck: AtomicBool,
}

// SAFETY: `next` does not change once others see the callback, and points to one that is never freed.
unsafe impl Sync for Callback {}

const READY: u8 = 0;
const RUNNING: u8 = 1;

/// An insert-only list.
static CALLBACKS: AtomicPtr<Callback> = AtomicPtr::new(ptr::null_mut());
/// How many there are, and may be: they stay in the list.
static COUNT: AtomicUsize = AtomicUsize::new(0);
const MOST: usize = wire::SERIES_SLOTS;
/// The process whose callbacks are run by a thread; a forked child has none.
static ANSWERING: AtomicU32 = AtomicU32::new(0);

/// Has `callback` called whenever somebody is about to read metrics, and once more when the program ends by itself: it
/// measures what it finds. It is called on a thread of the hooks' own, until it returns false or panics; while it has not
/// returned it is not called again, and what it last told stays. It is dropped unused when nobody reads,
/// or there are too many.
pub fn on_collect(callback: impl Fn() -> bool + Send + Sync + 'static) {
    let Some(region) = attach::region().filter(|_| super::wanted()) else { return };
    let run: *mut Run = Box::into_raw(Box::new(Box::new(callback)));
    let more = |count| Some(count + 1).filter(|count| *count <= MOST);
    if COUNT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
        if !takes_the_place_of_one_that_is_over(run) {
            // SAFETY: made above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(run) });
            region.count_without_room();
        }
        return;
    }
    let added = Box::into_raw(Box::new(Callback {
        next: ptr::null(),
        run: AtomicPtr::new(run),
        state: AtomicU8::new(READY),
        was_stuck: AtomicBool::new(false),
    }));
    let mut head = CALLBACKS.load(Ordering::Acquire);
    loop {
        // SAFETY: nobody else sees it before it is in the list.
        unsafe { (*added).next = head };
        match CALLBACKS.compare_exchange(head, added, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => break,
            Err(now) => head = now,
        }
    }
    let pid = sys::pid();
    let before = ANSWERING.swap(pid, Ordering::AcqRel);
    if before != pid {
        start(region);
    }
    if before == 0 {
        sys::at_exit(once_more);
    }
}

fn takes_the_place_of_one_that_is_over(run: *mut Run) -> bool {
    let mut next: *const Callback = CALLBACKS.load(Ordering::Acquire);
    // SAFETY: callbacks in the list are never freed; it ends with null.
    while let Some(callback) = unsafe { next.as_ref() } {
        next = callback.next;
        if callback.run.compare_exchange(ptr::null_mut(), run, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return true;
        }
    }
    false
}

/// Starts the thread that answers. Where that cannot be, callbacks are not run.
fn start(region: &'static Region) {
    let before = sys::block_signals();
    // It lives as long as the program. Signals are for the program's own threads.
    let _ = thread::Builder::new().name("otel-rs-metrics".into()).spawn(move || answer(region));
    sys::restore_signals(&before);
}

fn answer(region: &'static Region) {
    let (asked, answered) = (region.at::<AtomicU32>(header::ASKED), region.at::<AtomicU32>(header::ANSWERED));
    region.at::<AtomicU32>(header::ANSWERS).store(1, Ordering::Release);
    loop {
        let question = asked.load(Ordering::Acquire);
        if answered.load(Ordering::Acquire) == question {
            sys::wait(asked, question, None);
            continue;
        }
        run_all(region);
        answered.store(question, Ordering::Release);
        sys::wake(answered);
    }
}

/// The program ends: what callbacks would tell now is the last that can be told. Not for one that is stuck.
extern "C" fn once_more() {
    let Some(region) = attach::region().filter(|_| ANSWERING.load(Ordering::Acquire) == sys::pid()) else { return };
    let (asked, answered) = (region.at::<AtomicU32>(header::ASKED), region.at::<AtomicU32>(header::ANSWERED));
    let question = asked.load(Ordering::Acquire);
    if answered.load(Ordering::Acquire) != question {
        return;
    }
    let question = asked.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    sys::wake(asked);
    let since = Instant::now();
    loop {
        let now = answered.load(Ordering::Acquire);
        let left = PATIENCE_AT_EXIT.checked_sub(since.elapsed());
        match left {
            Some(left) if now != question => sys::wait(answered, now, Some(left)),
            _ => return,
        }
    }
}

/// One pass over callbacks on a thread of its own.
struct Round {
    /// The first that has not been through.
    at: AtomicUsize,
    is_given_up: AtomicBool,
    waiter: Thread,
}

fn run_all(region: &'static Region) {
    let callbacks: Arc<[&'static Callback]> = all().into();
    let mut from = 0;
    while from < callbacks.len() {
        let round = Arc::new(Round {
            at: AtomicUsize::new(from),
            is_given_up: AtomicBool::new(false),
            waiter: thread::current(),
        });
        let (theirs, todo) = (Arc::clone(&round), Arc::clone(&callbacks));
        let runner = thread::Builder::new().name("otel-rs-observe".into());
        if runner.spawn(move || theirs.run(region, &todo)).is_err() {
            return;
        }
        from = round.wait(callbacks.len());
        if let Some(stuck) = callbacks.get(from) {
            round.is_given_up.store(true, Ordering::Release);
            if !stuck.was_stuck.swap(true, Ordering::Relaxed) {
                region.at::<AtomicU32>(header::STUCK).fetch_add(1, Ordering::Relaxed);
            }
        }
        from += 1;
    }
}

fn all() -> Vec<&'static Callback> {
    let mut all = Vec::new();
    let mut next: *const Callback = CALLBACKS.load(Ordering::Acquire);
    // SAFETY: callbacks in the list are never freed; it ends with null.
    while let Some(callback) = unsafe { next.as_ref() } {
        next = callback.next;
        if !callback.run.load(Ordering::Acquire).is_null() {
            all.push(callback);
        }
    }
    // In the order in which they came.
    all.reverse();
    all
}

impl Round {
    fn run(&self, region: &Region, callbacks: &[&'static Callback]) {
        for (index, callback) in callbacks.iter().enumerate().skip(self.at.load(Ordering::Acquire)) {
            if self.is_given_up.load(Ordering::Acquire) {
                return;
            }
            callback.call(region);
            // Of a round that was given up nobody reads this.
            self.at.store(index + 1, Ordering::Release);
            self.waiter.unpark();
        }
    }

    /// The first callback that has not been through when all are, or one takes too long.
    fn wait(&self, end: usize) -> usize {
        let (mut seen, mut since) = (usize::MAX, Instant::now());
        loop {
            let at = self.at.load(Ordering::Acquire);
            if at != seen {
                (seen, since) = (at, Instant::now());
            }
            match PATIENCE.checked_sub(since.elapsed()) {
                Some(left) if at < end && !left.is_zero() => thread::park_timeout(left),
                _ => return at,
            }
        }
    }
}

impl Callback {
    fn call(&self, region: &Region) {
        if self.state.compare_exchange(READY, RUNNING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return;
        }
        // SAFETY: null, or made in `on_collect`; only who has set the state to running may free it.
        if let Some(run) = unsafe { self.run.load(Ordering::Acquire).as_ref() } {
            let outcome = catch_unwind(AssertUnwindSafe(run));
            if outcome.is_err() {
                region.at::<AtomicU32>(header::PANICKED).fetch_add(1, Ordering::Relaxed);
            }
            if !outcome.unwrap_or(false) {
                let over = self.run.swap(ptr::null_mut(), Ordering::AcqRel);
                // SAFETY: as above; nobody finds it any more.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(over) })));
            }
        }
        self.state.store(READY, Ordering::Release);
    }
}
