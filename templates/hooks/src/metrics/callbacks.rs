//! Callbacks of observable instruments: the program looks up current values when metrics are about to be read.
//!
//! This is the one place where the hooks start a thread: callbacks must run when the launcher is about to read. The thread
//! sleeps in between. The callbacks run on a second one that lives for one round, so that one that does not come back
//! keeps neither the others nor the next round.
//!
//! A program of one thread may do what one of several may not (`unshare`, `setns`), so it stays one: the thread is started
//! only where there is another already. Until then callbacks that are [quick](on_collect_or_idle) are called when the
//! program is idle, and all others once, at its end.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::attach;
use crate::region::Region;
use crate::settings::{self, ObserverThread};
use crate::sys;
use crate::wire::{self, header};

/// How long one callback may take before the others go on without it.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the program's end waits for a last round.
const PATIENCE_AT_EXIT: Duration = Duration::from_millis(250);
/// The shortest time between two rounds.
const PAUSE: Duration = Duration::from_millis(10);
/// The shortest time between two rounds of quick callbacks on the program's own thread.
const IDLE_INTERVAL_NS: u64 = 50_000_000;

type CallbackFn = Box<dyn Fn() -> bool + Send + Sync>;

struct Callback {
    next: *const Callback,
    /// The region of the process that has it; the children it forks do not.
    owner: u64,
    is_quick: bool,
    /// The callback; null once it has ended.
    run: AtomicPtr<CallbackFn>,
    state: AtomicU8,
    was_stuck: AtomicBool,
}

// SAFETY: `next` does not change once others see the callback, and points to one that is never freed.
unsafe impl Sync for Callback {}

const READY: u8 = 0;
const RUNNING: u8 = 1;

/// An insert-only list.
static CALLBACKS: AtomicPtr<Callback> = AtomicPtr::new(ptr::null_mut());
/// The region of the process that [`OBSERVER`] is about; a forked child finds its parent's.
static OWNER: AtomicU64 = AtomicU64::new(0);
/// How the callbacks are run.
static OBSERVER: AtomicU8 = AtomicU8::new(NONE);

/// The thread that was found to be the program's only one.
static ONLY: AtomicUsize = AtomicUsize::new(0);

/// There are no callbacks.
const NONE: u8 = 0;
/// No thread runs them yet: the program has one thread.
const WAITING: u8 = 1;
/// A thread runs them.
const THREAD: u8 = 2;
/// A thread cannot be started, or is not allowed.
const REFUSED: u8 = 3;
/// How many there are, and may be: they stay in the list.
static COUNT: AtomicUsize = AtomicUsize::new(0);
const MOST: usize = wire::SERIES_SLOTS;

/// Has `callback` called whenever metrics are about to be read, and once more when the program ends by itself: it
/// measures what it finds. It is called on a thread of the hooks' own, until it returns false or panics; while it has not
/// returned it is not called again, and what it observed last stays. It is dropped unused when metrics are not exported,
/// or there are too many.
pub fn on_collect(callback: impl Fn() -> bool + Send + Sync + 'static) {
    add(Box::new(callback), false);
}

/// The same for a callback that takes no lock, does not wait and runs no code of the user's: in a program of one thread
/// it is called by [`idle`] as well.
pub fn on_collect_or_idle(callback: impl Fn() -> bool + Send + Sync + 'static) {
    add(Box::new(callback), true);
}

fn add(run: CallbackFn, is_quick: bool) {
    let Some(region) = attach::region().filter(|_| super::enabled()) else { return };
    let run: *mut CallbackFn = Box::into_raw(Box::new(run));
    let more = |count| Some(count + 1).filter(|count| *count <= MOST);
    if COUNT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
        if !takes_the_place_of_one_that_is_over(run, region.address(), is_quick) {
            // SAFETY: made above, and no other thread has seen it.
            drop(unsafe { Box::from_raw(run) });
            region.count_without_room();
        }
        return;
    }
    let added = Box::into_raw(Box::new(Callback {
        next: ptr::null(),
        owner: region.address(),
        is_quick,
        run: AtomicPtr::new(run),
        state: AtomicU8::new(READY),
        was_stuck: AtomicBool::new(false),
    }));
    let mut head = CALLBACKS.load(Ordering::Acquire);
    loop {
        // SAFETY: no other thread sees it before it is in the list.
        unsafe { (*added).next = head };
        match CALLBACKS.compare_exchange(head, added, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => break,
            Err(now) => head = now,
        }
    }
    static IS_AT_EXIT: AtomicBool = AtomicBool::new(false);
    if OWNER.swap(region.address(), Ordering::AcqRel) != region.address() {
        let may_be = settings::observer_thread() != ObserverThread::Never;
        OBSERVER.store(if may_be { WAITING } else { REFUSED }, Ordering::Release);
        if !IS_AT_EXIT.swap(true, Ordering::AcqRel) {
            sys::at_exit(once_more);
        }
    }
    look_for_threads();
}

/// Starts the thread for callbacks that wait for it, if this thread is not the one that was the only one so far.
#[inline]
pub(crate) fn catch_up() {
    if OBSERVER.load(Ordering::Relaxed) == WAITING {
        catch_up_on_another_thread();
    }
}

fn takes_the_place_of_one_that_is_over(run: *mut CallbackFn, owner: u64, is_quick: bool) -> bool {
    let mut next: *const Callback = CALLBACKS.load(Ordering::Acquire);
    // SAFETY: callbacks in the list are never freed; it ends with null.
    while let Some(callback) = unsafe { next.as_ref() } {
        next = callback.next;
        if callback.owner == owner
            && callback.is_quick == is_quick
            && callback.run.compare_exchange(ptr::null_mut(), run, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            return true;
        }
    }
    false
}

#[cold]
fn catch_up_on_another_thread() {
    if ONLY.load(Ordering::Relaxed) != attach::this_thread() {
        look_for_threads();
    }
}

/// The same whichever thread this is. A system call, where callbacks wait.
pub(crate) fn look_for_threads() {
    if OBSERVER.load(Ordering::Relaxed) != WAITING {
        return;
    }
    let Some(region) = own_region().filter(|region| !region.is_filtered()) else { return };
    if settings::observer_thread() == ObserverThread::Always || sys::threads() > 1 {
        start(region);
    } else {
        ONLY.store(attach::this_thread(), Ordering::Relaxed);
    }
}

/// This process's region, if it has callbacks of its own.
fn own_region() -> Option<&'static Region> {
    attach::region().filter(|region| OWNER.load(Ordering::Acquire) == region.address())
}

/// Starts the thread that runs callbacks, once. Where that cannot be, callbacks are not run.
fn start(region: &'static Region) {
    if OBSERVER.compare_exchange(WAITING, THREAD, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    // Before the thread runs: a round that is requested meanwhile is its first.
    let has_observer = region.at::<AtomicU32>(header::HAS_OBSERVER);
    has_observer.store(1, Ordering::Release);
    let before = sys::block_signals();
    // It lives as long as the program. Signals are for the program's own threads.
    let started = thread::Builder::new().name("otel-rs-metrics".into()).spawn(move || run_rounds(region));
    sys::restore_signals(&before);
    if started.is_err() {
        has_observer.store(0, Ordering::Release);
        OBSERVER.store(REFUSED, Ordering::Release);
    }
}

/// The calling thread is about to sleep and holds nothing that others wait for. Where no thread runs the callbacks, the
/// quick ones run now.
#[inline]
pub fn idle() {
    if matches!(OBSERVER.load(Ordering::Relaxed), WAITING | REFUSED) {
        run_quick_now_and_then();
    }
}

#[cold]
fn run_quick_now_and_then() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = crate::clock::now();
    if now.wrapping_sub(LAST.load(Ordering::Relaxed)) < IDLE_INTERVAL_NS {
        return;
    }
    LAST.store(now, Ordering::Relaxed);
    look_for_threads();
    if OBSERVER.load(Ordering::Relaxed) != THREAD {
        own_region().into_iter().for_each(run_quick);
    }
}

fn run_quick(region: &Region) {
    all(region).iter().filter(|callback| callback.is_quick).for_each(|callback| callback.call(region));
}

fn run_rounds(region: &'static Region) {
    let (requested, finished) =
        (region.at::<AtomicU32>(header::REQUESTED_ROUND), region.at::<AtomicU32>(header::FINISHED_ROUND));
    loop {
        let round = requested.load(Ordering::Acquire);
        if finished.load(Ordering::Acquire) == round {
            sys::wait(requested, round, None);
            continue;
        }
        run_all(region);
        finished.store(round, Ordering::Release);
        sys::wake(finished);
        // Any process may write the word; callbacks are not run over and over for that.
        thread::sleep(PAUSE);
    }
}

/// The program ends: what callbacks observe now is the last that can be exported.
extern "C" fn once_more() {
    let Some(region) = own_region().filter(|region| !region.is_filtered()) else { return };
    if OBSERVER.load(Ordering::Acquire) != THREAD {
        run_quick(region);
        if all(region).iter().all(|callback| callback.is_quick) {
            return;
        }
        // At its end, a program need not stay single-threaded any longer.
        start(region);
    }
    if OBSERVER.load(Ordering::Acquire) != THREAD {
        return;
    }
    let (requested, finished) =
        (region.at::<AtomicU32>(header::REQUESTED_ROUND), region.at::<AtomicU32>(header::FINISHED_ROUND));
    let since = Instant::now();
    let is_finished = |round: u32| loop {
        let now = finished.load(Ordering::Acquire);
        match PATIENCE_AT_EXIT.checked_sub(since.elapsed()) {
            _ if now == round => return true,
            Some(left) => sys::wait(finished, now, Some(left)),
            None => return false,
        }
    };
    // The launcher may be waiting for a round already, which may be too early for the last values.
    if is_finished(requested.load(Ordering::Acquire)) {
        let round = requested.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        sys::wake(requested);
        is_finished(round);
    }
}

/// One pass over callbacks on a thread of its own.
struct Round {
    /// The first callback that has not been run in this round.
    at: AtomicUsize,
    is_given_up: AtomicBool,
    waiter: Thread,
}

fn run_all(region: &'static Region) {
    let callbacks: Arc<[&'static Callback]> = all(region).into();
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

/// Those of this process that are not over, in the order in which they came.
fn all(region: &Region) -> Vec<&'static Callback> {
    let mut all = Vec::new();
    let mut next: *const Callback = CALLBACKS.load(Ordering::Acquire);
    // SAFETY: callbacks in the list are never freed; it ends with null.
    while let Some(callback) = unsafe { next.as_ref() } {
        next = callback.next;
        if callback.owner == region.address() && !callback.run.load(Ordering::Acquire).is_null() {
            all.push(callback);
        }
    }
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
            // The value of an abandoned round is not read.
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
        // SAFETY: null, or made in `on_collect`; only the thread that has set the state to running may free it.
        if let Some(run) = unsafe { self.run.load(Ordering::Acquire).as_ref() } {
            let outcome = catch_unwind(AssertUnwindSafe(run));
            if outcome.is_err() {
                region.at::<AtomicU32>(header::PANICKED).fetch_add(1, Ordering::Relaxed);
            }
            if !outcome.unwrap_or(false) {
                let over = self.run.swap(ptr::null_mut(), Ordering::AcqRel);
                // SAFETY: as above; no other thread finds it any more.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(over) })));
            }
        }
        self.state.store(READY, Ordering::Release);
    }
}
