//! Where tokio spawns, the hooks' own functions do all there is to do; see the rules. Here is what a runtime tells of itself.

#[cfg(feature = "rt")]
pub(crate) use runtime::{Numbers, Running};

/// Notes the socket this thread is about to read from.
#[cfg(all(feature = "net", unix))]
#[inline]
pub(crate) fn reading(stream: &crate::net::TcpStream) {
    if SCOPE.enabled() {
        ::otel_rs_hooks::net::reading(::std::os::unix::io::AsRawFd::as_raw_fd(stream));
    }
}

#[cfg(all(feature = "net", not(unix)))]
#[inline]
pub(crate) fn reading(_: &crate::net::TcpStream) {}

/// Runtimes that run, and their workers.
#[cfg(feature = "rt")]
mod runtime {
    use std::fmt;
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Weak};

    use otel_rs_hooks::metrics::{self, on_collect, ItemValue, Kind, Metric, NumberKind, Series};

    use super::SCOPE;
    use crate::runtime::scheduler::{self, current_thread};
    use crate::runtime::Handle;

    // What is looked up is told by how much it has changed: runtimes that share an id add up.
    static WORKERS: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.workers",
        "{thread}",
        "The number of worker threads of the runtime.",
    );
    static ALIVE_TASKS: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.alive_tasks",
        "{task}",
        "The number of tasks that have been spawned and are not over.",
    );
    static GLOBAL_QUEUE_DEPTH: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.global_queue_depth",
        "{task}",
        "The number of tasks that are scheduled in the runtime's global queue.",
    );
    static BLOCKING_THREADS: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.blocking_threads",
        "{thread}",
        "The number of threads for blocking work that the runtime has.",
    );
    static IDLE_BLOCKING_THREADS: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.idle_blocking_threads",
        "{thread}",
        "The number of those that have nothing to do.",
    );
    static BLOCKING_QUEUE_DEPTH: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.blocking_queue_depth",
        "{task}",
        "The number of blocking tasks that wait for a thread.",
    );
    static LOCAL_QUEUE_DEPTH: Metric = Metric::new(
        &SCOPE,
        Kind::UpDownCounter,
        NumberKind::I64,
        "tokio.runtime.worker.local_queue_depth",
        "{task}",
        "The number of tasks that are scheduled in the worker's own queue.",
    );
    static BUSY_DURATION: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::F64,
        "tokio.runtime.worker.busy_duration",
        "s",
        "The time the worker has been busy.",
    );
    static PARKS: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::U64,
        "tokio.runtime.worker.parks",
        "{park}",
        "The number of times the worker went to sleep for want of work.",
    );
    static POLLS: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::U64,
        "tokio.runtime.worker.polls",
        "{poll}",
        "The number of times the worker polled a task.",
    );
    static STEALS: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::U64,
        "tokio.runtime.worker.steals",
        "{task}",
        "The number of tasks the worker stole from others.",
    );
    static REMOTE_SCHEDULES: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::U64,
        "tokio.runtime.remote_schedules",
        "{schedule}",
        "The number of tasks that were scheduled from outside of the runtime.",
    );
    static BUDGET_FORCED_YIELDS: Metric = Metric::new(
        &SCOPE,
        Kind::Counter,
        NumberKind::U64,
        "tokio.runtime.budget_forced_yields",
        "{yield}",
        "The number of times tasks were made to yield, since they had used up their budget.",
    );

    /// What a runtime knows of itself, without waiting for anybody. The rules implement it where tokio counts.
    pub(crate) trait Numbers: Weakly {
        /// Workers, tasks that are alive and that are in the global queue; threads for blocking work, those of them that
        /// are idle, and what waits for one.
        fn now(&self) -> [usize; 6];
        /// How many nanoseconds a worker was busy, how often it went to sleep, and how many tasks are in its own queue.
        fn worker(&self, index: usize) -> (u64, u64, usize);
        /// How often tasks were scheduled from outside, and had to yield; with `tokio_unstable`.
        fn more(&self) -> Option<[u64; 2]> {
            None
        }
        /// How often a worker polled, and how many tasks it stole; with `tokio_unstable`.
        fn more_of_worker(&self, _index: usize) -> Option<[u64; 2]> {
            None
        }
    }

    /// A handle that can be had again as long as there is another.
    pub(crate) trait Weakly: Sized + 'static {
        type Weak: Send + Sync + 'static;
        fn downgrade(&self) -> Self::Weak;
        fn upgrade(weak: &Self::Weak) -> Option<Self>;
        fn flavor(&self) -> &'static str;
    }

    /// A runtime, until it is dropped.
    pub(crate) struct Running(Option<Arc<dyn Over>>);

    trait Over: Send + Sync {
        /// The runtime is dropped.
        fn over(&self);
    }

    struct State<H: Weakly> {
        /// Free for others when all that was told of this one has been taken back.
        _id: Id,
        handle: H::Weak,
        is_over: AtomicBool,
        now: [Level; 6],
        more: Vec<Sum>,
        workers: Vec<Worker>,
    }

    struct Worker {
        queue: Level,
        busy: Sum,
        parks: Sum,
        more: Vec<Sum>,
    }

    impl Running {
        /// A runtime is made.
        pub(crate) fn start<H: Numbers>(handle: &H) -> Running {
            if !SCOPE.enabled() || !metrics::wanted() {
                return Running(None);
            }
            let state = Arc::new(State::new(handle));
            state.tell(Some(handle));
            let observed = Arc::clone(&state);
            on_collect(move || observed.tell(H::upgrade(&observed.handle).as_ref()));
            Running(Some(state))
        }
    }

    impl fmt::Debug for Running {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Running").finish()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            if let Some(state) = &self.0 {
                state.over();
            }
        }
    }

    impl<H: Numbers> State<H> {
        fn new(handle: &H) -> State<H> {
            let (id, flavor) = (Id::free(), handle.flavor());
            let item = || [("tokio.runtime.id", ItemValue::Int(id.0.into())), ("tokio.runtime.flavor", flavor.into())];
            let level = |metric: &Metric| Level(metric.bind(&item()), AtomicI64::new(0));
            let sum = |metric: &Metric| Sum(metric.bind(&item()), AtomicU64::new(0));
            let workers = 0..handle.now()[0];
            let workers = workers.map(|index| {
                let [id, flavor] = item();
                let items = [id, flavor, ("tokio.worker.index", ItemValue::Int(index as i64))];
                let sum = |metric: &Metric| Sum(metric.bind(&items), AtomicU64::new(0));
                Worker {
                    queue: Level(LOCAL_QUEUE_DEPTH.bind(&items), AtomicI64::new(0)),
                    busy: sum(&BUSY_DURATION),
                    parks: sum(&PARKS),
                    more: handle.more_of_worker(index).map_or_else(Vec::new, |_| vec![sum(&POLLS), sum(&STEALS)]),
                }
            });
            State {
                workers: workers.collect(),
                more: handle.more().map_or_else(Vec::new, |_| vec![sum(&REMOTE_SCHEDULES), sum(&BUDGET_FORCED_YIELDS)]),
                now: [
                    level(&WORKERS),
                    level(&ALIVE_TASKS),
                    level(&GLOBAL_QUEUE_DEPTH),
                    level(&BLOCKING_THREADS),
                    level(&IDLE_BLOCKING_THREADS),
                    level(&BLOCKING_QUEUE_DEPTH),
                ],
                is_over: AtomicBool::new(false),
                handle: handle.downgrade(),
                _id: id,
            }
        }

        /// Tells what there is, or that there is nothing any more; then false.
        fn tell(&self, handle: Option<&H>) -> bool {
            let Some(handle) = handle.filter(|_| !self.is_over.load(Relaxed)) else {
                self.now.iter().for_each(|level| level.tell(0));
                self.workers.iter().for_each(|worker| worker.queue.tell(0));
                return false;
            };
            self.now.iter().zip(handle.now()).for_each(|(level, now)| level.tell(now));
            self.workers.iter().enumerate().for_each(|(index, worker)| worker.queue.tell(handle.worker(index).2));
            self.count_of(handle);
            true
        }

        fn count_of(&self, handle: &H) {
            let tell = |sums: &[Sum], now: Option<[u64; 2]>| {
                sums.iter().zip(now.unwrap_or_default()).for_each(|(sum, now)| sum.tell(now));
            };
            tell(&self.more, handle.more());
            for (index, worker) in self.workers.iter().enumerate() {
                let (busy, parks, _) = handle.worker(index);
                worker.busy.tell_seconds(busy);
                worker.parks.tell(parks);
                tell(&worker.more, handle.more_of_worker(index));
            }
        }
    }

    impl<H: Numbers> Over for State<H> {
        fn over(&self) {
            self.is_over.store(true, Relaxed);
            // The last that can be counted; what there is now is taken back by the callback.
            if let Some(handle) = H::upgrade(&self.handle) {
                self.count_of(&handle);
            }
        }
    }

    /// A number that rises and falls, and what was told of it.
    struct Level(Series, AtomicI64);

    impl Level {
        fn tell(&self, now: usize) {
            let now = now as i64;
            let before = self.1.swap(now, Relaxed);
            if before != now {
                self.0.measure(now - before);
            }
        }
    }

    /// A number that only rises. At a runtime's end two may tell of it at once.
    struct Sum(Series, AtomicU64);

    impl Sum {
        fn more(&self, now: u64) -> u64 {
            now.saturating_sub(self.1.fetch_max(now, Relaxed))
        }

        fn tell(&self, now: u64) {
            let more = self.more(now);
            if more > 0 {
                self.0.measure(more);
            }
        }

        fn tell_seconds(&self, nanoseconds: u64) {
            let more = self.more(nanoseconds);
            if more > 0 {
                self.0.measure(more as f64 / 1e9);
            }
        }
    }

    /// A runtime's handle that does not keep it.
    pub(crate) enum WeakHandle {
        CurrentThread(Weak<current_thread::Handle>),
        #[cfg(feature = "rt-multi-thread")]
        MultiThread(Weak<scheduler::multi_thread::Handle>),
        #[allow(dead_code)]
        Other,
    }

    impl Weakly for Handle {
        type Weak = WeakHandle;

        fn downgrade(&self) -> WeakHandle {
            match &self.inner {
                scheduler::Handle::CurrentThread(handle) => WeakHandle::CurrentThread(Arc::downgrade(handle)),
                #[cfg(feature = "rt-multi-thread")]
                scheduler::Handle::MultiThread(handle) => WeakHandle::MultiThread(Arc::downgrade(handle)),
                #[allow(unreachable_patterns)]
                _ => WeakHandle::Other,
            }
        }

        fn upgrade(weak: &WeakHandle) -> Option<Handle> {
            let inner = match weak {
                WeakHandle::CurrentThread(handle) => scheduler::Handle::CurrentThread(handle.upgrade()?),
                #[cfg(feature = "rt-multi-thread")]
                WeakHandle::MultiThread(handle) => scheduler::Handle::MultiThread(handle.upgrade()?),
                WeakHandle::Other => return None,
            };
            Some(Handle { inner })
        }

        fn flavor(&self) -> &'static str {
            match &self.inner {
                scheduler::Handle::CurrentThread(_) => "current_thread",
                #[allow(unreachable_patterns)]
                _ => "multi_thread",
            }
        }
    }

    /// The lowest number that no other runtime has. The 65th at a time and those after it share one.
    struct Id(u8);

    static TAKEN: AtomicU64 = AtomicU64::new(0);

    impl Id {
        fn free() -> Id {
            let mut free = 64;
            let _ = TAKEN.fetch_update(Relaxed, Relaxed, |taken| {
                free = taken.trailing_ones();
                1_u64.checked_shl(free).map(|bit| taken | bit)
            });
            Id(free as u8)
        }
    }

    impl Drop for Id {
        fn drop(&mut self) {
            if let Some(bit) = 1_u64.checked_shl(self.0.into()) {
                TAKEN.fetch_and(!bit, Relaxed);
            }
        }
    }
}
