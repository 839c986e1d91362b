//! Metrics of runtimes. Context propagation into tasks needs no advice: the rules call the hooks directly.

#[cfg(feature = "rt")]
pub(crate) use runtime::{Numbers, Polls, Published, Running};

/// Notes the socket this thread is about to read from or to write to.
#[cfg(feature = "net")]
#[inline]
pub(crate) fn using(_stream: &crate::net::TcpStream) {
    #[cfg(unix)]
    if SCOPE.enabled() {
        ::otel_rs_hooks::net::using(::std::os::unix::io::AsRawFd::as_raw_fd(_stream));
    }
}

/// Runtimes that run, and their workers.
#[cfg(feature = "rt")]
mod runtime {
    use std::fmt;
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Weak};
    use std::time::Instant;

    use otel_rs_hooks::metrics::{self, on_collect_or_idle, AttributeValue, Distribution, Metric, Series};

    use super::{metric, SCOPE};
    use crate::runtime::scheduler::{self, current_thread};
    use crate::runtime::Handle;

    /// In the order of [`Numbers::now`]. What is looked up is recorded as how much it has changed: runtimes that share an id
    /// add up.
    static LEVELS: [&Metric; 6] = [
        &metric::TOKIO_RUNTIME_WORKERS,
        &metric::TOKIO_RUNTIME_ALIVE_TASKS,
        &metric::TOKIO_RUNTIME_GLOBAL_QUEUE_DEPTH,
        &metric::TOKIO_RUNTIME_BLOCKING_THREADS,
        &metric::TOKIO_RUNTIME_IDLE_BLOCKING_THREADS,
        &metric::TOKIO_RUNTIME_BLOCKING_QUEUE_DEPTH,
    ];

    /// What a worker has counted, for itself alone. It stands beside tokio's own numbers, which count some of this only
    /// with `tokio_unstable`, and is published when they are.
    pub(crate) struct Polls {
        polls: u64,
        steals: u64,
        times: Option<Arc<Times>>,
    }

    impl Polls {
        pub(crate) const NEW: Polls = Polls { polls: 0, steals: 0, times: None };

        /// Enables the timing of polls, if it is configured.
        pub(crate) fn time(&mut self, published: &Published) {
            self.times = published.times.clone();
        }

        /// A worker polls a task, and those that run right after it in its place.
        #[inline]
        pub(crate) fn start(&mut self) {
            self.polls += 1;
            if let Some(times) = &self.times {
                times.start();
            }
        }

        #[inline]
        pub(crate) fn end(&mut self) {
            if let Some(times) = &self.times {
                times.end();
            }
        }

        #[inline]
        pub(crate) fn stole(&mut self, tasks: u16) {
            self.steals += u64::from(tasks);
        }

        pub(crate) fn publish(&self, to: &Published) {
            to.polls.store(self.polls, Relaxed);
            to.steals.store(self.steals, Relaxed);
        }
    }

    /// How many of a worker's polls took how long: between bounds in seconds, and in all. The worker alone writes. It
    /// takes two clock readings a poll, which is noticeable for small ones, so it is opt-in.
    #[derive(Debug)]
    struct Times {
        bounds: &'static [f64],
        counts: Vec<AtomicU64>,
        nanoseconds: AtomicU64,
        made: Instant,
        /// Nanoseconds from then to the poll that is going on; `u64::MAX` while none is.
        since: AtomicU64,
    }

    impl Times {
        fn new(bounds: &'static [f64]) -> Times {
            let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
            let [nanoseconds, since] = [0, u64::MAX].map(AtomicU64::new);
            Times { bounds, counts, nanoseconds, made: Instant::now(), since }
        }

        fn if_enabled() -> Option<Arc<Times>> {
            let is_enabled = SCOPE.enabled() && metrics::poll_times();
            let bounds =
                if is_enabled { metric::TOKIO_RUNTIME_WORKER_POLL_DURATION.instrument().bounds() } else { &[] };
            Some(bounds).filter(|bounds| !bounds.is_empty()).map(|bounds| Arc::new(Times::new(bounds)))
        }

        // Cold, not to be in the way of those that are not timed.
        #[cold]
        fn start(&self) {
            self.since.store(self.made.elapsed().as_nanos() as u64, Relaxed);
        }

        #[cold]
        fn end(&self) {
            let took = (self.made.elapsed().as_nanos() as u64).checked_sub(self.since.load(Relaxed));
            // A poll that gives its worker away (`block_in_place`) has no end here.
            self.since.store(u64::MAX, Relaxed);
            let Some(took) = took else { return };
            let bucket = self.bounds.partition_point(|bound| *bound < took as f64 / 1e9);
            let add = |to: &AtomicU64, more| to.store(to.load(Relaxed).wrapping_add(more), Relaxed);
            add(&self.nanoseconds, took);
            self.counts.get(bucket).into_iter().for_each(|count| add(count, 1));
        }
    }

    /// The published copy, which other threads may read.
    #[derive(Debug)]
    pub(crate) struct Published {
        polls: AtomicU64,
        steals: AtomicU64,
        times: Option<Arc<Times>>,
        shared: Shared,
    }

    impl Default for Published {
        fn default() -> Published {
            let zero = AtomicU64::default;
            Published { polls: zero(), steals: zero(), times: Times::if_enabled(), shared: Shared::default() }
        }
    }

    /// Of the runtime as a whole, and so in use at its first worker alone: any thread counts here.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    struct Shared {
        remote_schedules: AtomicU64,
        forced_yields: AtomicU64,
    }

    impl Published {
        /// A task is scheduled from outside. Not inlined, as the next one: the caller is to stay as quick as it was.
        #[inline(never)]
        pub(crate) fn scheduled_from_outside(&self) {
            if SCOPE.enabled() {
                self.shared.remote_schedules.fetch_add(1, Relaxed);
            }
        }

        /// A task has used up its budget.
        #[inline(never)]
        pub(crate) fn forced_to_yield(&self) {
            if SCOPE.enabled() {
                self.shared.forced_yields.fetch_add(1, Relaxed);
            }
        }
    }

    /// What a runtime reports of itself, without waiting for anything. The rules implement it where tokio counts.
    pub(crate) trait Numbers: Weakly {
        /// Workers, tasks that are alive and that are in the global queue; threads for blocking work, those of them that
        /// are idle, and what waits for one.
        fn now(&self) -> [usize; 6];
        /// How many nanoseconds a worker was busy, how often it went to sleep, how many tasks are in its own queue, and
        /// what else it has counted.
        fn worker(&self, index: usize) -> (u64, u64, usize, &Published);
    }

    /// A handle that can be had again as long as there is another.
    pub(crate) trait Weakly: Clone + Send + Sync + 'static {
        type Weak: Send + Sync + 'static;
        fn downgrade(&self) -> Self::Weak;
        fn upgrade(weak: &Self::Weak) -> Option<Self>;
        fn flavor(&self) -> &'static str;
    }

    /// A runtime, until it is dropped.
    pub(crate) struct Running(Option<Box<dyn Over>>);

    trait Over: Send + Sync {
        /// The runtime is dropped, and its workers are, if that was waited for.
        fn over(&self);
    }

    /// The runtime's own hold on what is recorded, and on its handle: the workers' last numbers come when it is all but gone.
    struct Hold<H: Weakly> {
        state: Arc<State<H>>,
        handle: H,
    }

    struct State<H: Weakly> {
        /// Free for others when all that was recorded of this one has been subtracted.
        _id: Id,
        handle: H::Weak,
        is_over: AtomicBool,
        now: [Level; 6],
        remote_schedules: Sum,
        forced_yields: Sum,
        workers: Vec<Worker>,
    }

    struct Worker {
        queue: Level,
        busy: Sum,
        parks: Sum,
        polls: Sum,
        steals: Sum,
        times: Option<RecordedTimes>,
    }

    impl Running {
        /// A runtime is made.
        pub(crate) fn start<H: Numbers>(handle: &H) -> Running {
            if !SCOPE.enabled() || !metrics::enabled() {
                return Running(None);
            }
            let state = Arc::new(State::new(handle));
            state.record(Some(handle));
            let observed = Arc::clone(&state);
            on_collect_or_idle(move || observed.record(H::upgrade(&observed.handle).as_ref()));
            Running(Some(Box::new(Hold { state, handle: handle.clone() })))
        }
    }

    impl fmt::Debug for Running {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Running").finish()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            if let Some(hold) = &self.0 {
                hold.over();
            }
        }
    }

    impl<H: Numbers> State<H> {
        fn new(handle: &H) -> State<H> {
            let (id, flavor) = (Id::free(), handle.flavor());
            let item =
                || [("tokio.runtime.id", AttributeValue::Int(id.0.into())), ("tokio.runtime.flavor", flavor.into())];
            let level = |metric: &Metric| Level(metric.bind(&item()), AtomicI64::new(0));
            let sum = |metric: &Metric| Sum(metric.bind(&item()), AtomicU64::new(0));
            let times = |published: &Published| {
                let times = published.times.as_ref()?;
                Some(RecordedTimes(metric::TOKIO_RUNTIME_WORKER_POLL_DURATION.bind(&item()), Times::new(times.bounds)))
            };
            let workers = 0..handle.now()[0];
            let workers = workers.map(|index| {
                let [id, flavor] = item();
                let items = [id, flavor, ("tokio.worker.index", AttributeValue::Int(index as i64))];
                let sum = |metric: &Metric| Sum(metric.bind(&items), AtomicU64::new(0));
                Worker {
                    queue: Level(metric::TOKIO_RUNTIME_WORKER_LOCAL_QUEUE_DEPTH.bind(&items), AtomicI64::new(0)),
                    busy: sum(&metric::TOKIO_RUNTIME_WORKER_BUSY_DURATION),
                    parks: sum(&metric::TOKIO_RUNTIME_WORKER_PARKS),
                    polls: sum(&metric::TOKIO_RUNTIME_WORKER_POLLS),
                    steals: sum(&metric::TOKIO_RUNTIME_WORKER_STEALS),
                    times: times(handle.worker(index).3),
                }
            });
            State {
                workers: workers.collect(),
                remote_schedules: sum(&metric::TOKIO_RUNTIME_REMOTE_SCHEDULES),
                forced_yields: sum(&metric::TOKIO_RUNTIME_BUDGET_FORCED_YIELDS),
                now: LEVELS.map(level),
                is_over: AtomicBool::new(false),
                handle: handle.downgrade(),
                _id: id,
            }
        }

        /// Records the present values, or that there are none any more; then false.
        fn record(&self, handle: Option<&H>) -> bool {
            let Some(handle) = handle.filter(|_| !self.is_over.load(Relaxed)) else {
                self.now.iter().for_each(|level| level.record(0));
                self.workers.iter().for_each(|worker| worker.queue.record(0));
                return false;
            };
            self.now.iter().zip(handle.now()).for_each(|(level, now)| level.record(now));
            self.workers.iter().enumerate().for_each(|(index, worker)| worker.queue.record(handle.worker(index).2));
            self.count_of(handle);
            true
        }

        fn count_of(&self, handle: &H) {
            let (mut remote_schedules, mut forced_yields) = (0, 0);
            for (index, worker) in self.workers.iter().enumerate() {
                let (busy, parks, _, published) = handle.worker(index);
                worker.busy.record_seconds(busy);
                worker.parks.record(parks);
                worker.polls.record(published.polls.load(Relaxed));
                worker.steals.record(published.steals.load(Relaxed));
                remote_schedules += published.shared.remote_schedules.load(Relaxed);
                forced_yields += published.shared.forced_yields.load(Relaxed);
                if let (Some(recorded), Some(times)) = (&worker.times, &published.times) {
                    recorded.record(times);
                }
            }
            self.remote_schedules.record(remote_schedules);
            self.forced_yields.record(forced_yields);
        }
    }

    impl<H: Numbers> Over for Hold<H> {
        fn over(&self) {
            self.state.is_over.store(true, Relaxed);
            // The last that can be counted; what there is now is taken back by the callback.
            self.state.count_of(&self.handle);
        }
    }

    /// A number that rises and falls, and what was recorded of it.
    struct Level(Series, AtomicI64);

    impl Level {
        fn record(&self, now: usize) {
            let now = now as i64;
            let before = self.1.swap(now, Relaxed);
            if before != now {
                self.0.measure(now - before);
            }
        }
    }

    /// A number that only rises. At a runtime's end two threads may record it at once.
    struct Sum(Series, AtomicU64);

    /// By how much it has risen since it was recorded.
    fn more(recorded: &AtomicU64, now: u64) -> u64 {
        now.saturating_sub(recorded.fetch_max(now, Relaxed))
    }

    impl Sum {
        fn record(&self, now: u64) {
            let more = more(&self.1, now);
            if more > 0 {
                self.0.measure(more);
            }
        }

        fn record_seconds(&self, nanoseconds: u64) {
            let more = more(&self.1, nanoseconds);
            if more > 0 {
                self.0.measure(more as f64 / 1e9);
            }
        }
    }

    /// How long a worker's polls took, and what was recorded of it.
    struct RecordedTimes(Series, Times);

    impl RecordedTimes {
        fn record(&self, now: &Times) {
            let more = |(now, recorded): (&AtomicU64, &AtomicU64)| more(recorded, now.load(Relaxed));
            let counts: Vec<_> = now.counts.iter().zip(&self.1.counts).map(more).collect();
            let sum = more((&now.nanoseconds, &self.1.nanoseconds)) as f64 / 1e9;
            self.0.add(&Distribution { bounds: now.bounds, counts: &counts, sum });
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
