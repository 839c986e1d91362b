//! Runtimes of asynchronous programs. There is no convention for them: names are the runtime's own.

/// What the conventions do not name.
mod name {
    pub(super) const WORKERS: &str = "tokio.runtime.workers";
    pub(super) const ALIVE_TASKS: &str = "tokio.runtime.alive_tasks";
    pub(super) const GLOBAL_QUEUE_DEPTH: &str = "tokio.runtime.global_queue_depth";
    pub(super) const BLOCKING_THREADS: &str = "tokio.runtime.blocking_threads";
    pub(super) const IDLE_BLOCKING_THREADS: &str = "tokio.runtime.idle_blocking_threads";
    pub(super) const BLOCKING_QUEUE_DEPTH: &str = "tokio.runtime.blocking_queue_depth";
    pub(super) const REMOTE_SCHEDULES: &str = "tokio.runtime.remote_schedules";
    pub(super) const BUDGET_FORCED_YIELDS: &str = "tokio.runtime.budget_forced_yields";
    pub(super) const LOCAL_QUEUE_DEPTH: &str = "tokio.runtime.worker.local_queue_depth";
    pub(super) const BUSY_DURATION: &str = "tokio.runtime.worker.busy_duration";
    pub(super) const PARKS: &str = "tokio.runtime.worker.parks";
    pub(super) const POLLS: &str = "tokio.runtime.worker.polls";
    pub(super) const STEALS: &str = "tokio.runtime.worker.steals";
    pub(super) const POLL_DURATION: &str = "tokio.runtime.worker.poll_duration";
}

mod key {
    pub(super) const ID: &str = "tokio.runtime.id";
    pub(super) const FLAVOR: &str = "tokio.runtime.flavor";
    pub(super) const WORKER: &str = "tokio.worker.index";
}

/// From what a poll should take to what keeps everything else of its worker waiting; in seconds.
const POLLS_TAKE: &[f64] =
    &[1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

metrics! { RUNTIME
    WORKERS Development UpDownCounter "{thread}" [ID FLAVOR]
        "The number of worker threads of the runtime."
        "How many tasks can run at once?";
    ALIVE_TASKS Development UpDownCounter "{task}" [ID FLAVOR]
        "The number of tasks that have been spawned and are not over."
        "How much is going on? Are tasks left behind?";
    GLOBAL_QUEUE_DEPTH Development UpDownCounter "{task}" [ID FLAVOR]
        "The number of tasks that are scheduled in the runtime's global queue."
        "Do tasks wait for a worker?";
    BLOCKING_THREADS Development UpDownCounter "{thread}" [ID FLAVOR]
        "The number of threads for blocking work that the runtime has."
        "How many threads does blocking work take?";
    IDLE_BLOCKING_THREADS Development UpDownCounter "{thread}" [ID FLAVOR]
        "The number of those that have nothing to do."
        "How many of them are kept for nothing?";
    BLOCKING_QUEUE_DEPTH Development UpDownCounter "{task}" [ID FLAVOR]
        "The number of blocking tasks that wait for a thread."
        "Does blocking work wait?";
    REMOTE_SCHEDULES Development Counter "{schedule}" [ID FLAVOR]
        "The number of tasks that were scheduled from outside of the runtime."
        "How often is the runtime woken from outside?";
    BUDGET_FORCED_YIELDS Development Counter "{yield}" [ID FLAVOR]
        "The number of times tasks were made to yield, since they had used up their budget."
        "Do tasks run too long at a stretch?";
    LOCAL_QUEUE_DEPTH Development UpDownCounter "{task}" [ID FLAVOR WORKER]
        "The number of tasks that are scheduled in the worker's own queue."
        "Which worker has too much to do?";
    BUSY_DURATION Development Counter "s" [ID FLAVOR WORKER]
        "The time the worker has been busy."
        "How busy are the workers? Is the work shared out?";
    PARKS Development Counter "{park}" [ID FLAVOR WORKER]
        "The number of times the worker went to sleep for want of work."
        "How often is a worker woken for a little?";
    POLLS Development Counter "{poll}" [ID FLAVOR WORKER]
        "The number of times the worker polled a task."
        "How many steps do tasks take?";
    STEALS Development Counter "{task}" [ID FLAVOR WORKER]
        "The number of tasks the worker stole from others."
        "How often is work moved between workers?";
    POLL_DURATION Development Histogram(POLLS_TAKE) "s" [ID FLAVOR]
        "How long the workers' polls took."
        "Does a task keep its worker from all else?";
}
