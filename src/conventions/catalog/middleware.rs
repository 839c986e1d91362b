//! What stands between a server and its handlers, or a client and its connections. There is no convention for it.

/// The names are of the crate that it is made with.
mod name {
    pub(super) const TIMEOUTS: &str = "tower.timeout.count";
    pub(super) const RETRIES: &str = "tower.retry.count";
    pub(super) const LOAD_SHED: &str = "tower.load_shed.count";
    pub(super) const CONCURRENCY_LIMIT_WAITS: &str = "tower.concurrency_limit.wait.count";
    pub(super) const RATE_LIMIT_WAITS: &str = "tower.rate_limit.wait.count";
    pub(super) const BUFFER_WAITS: &str = "tower.buffer.wait.count";
    pub(super) const BUFFER_FULL_WAITS: &str = "tower.buffer.full.count";
}

metrics! { MIDDLEWARE
    TIMEOUTS Development Counter "{timeout}" []
        "The number of requests that were given up since they took too long."
        "How often do we lose patience?";
    RETRIES Development Counter "{retry}" []
        "The number of times requests were sent again."
        "How often does it take more than one attempt?";
    LOAD_SHED Development Counter "{request}" []
        "The number of requests that were refused since the service was busy."
        "How many requests do we turn away?";
    CONCURRENCY_LIMIT_WAITS Development Counter "{wait}" []
        "The number of times a request waited for others to finish."
        "Do we allow too few at once?";
    RATE_LIMIT_WAITS Development Counter "{wait}" []
        "The number of times a request waited for the next period."
        "Do we allow too few in a period?";
    BUFFER_WAITS Development Counter "{wait}" []
        "The number of times a request waited in a buffer."
        "Do requests queue up?";
    BUFFER_FULL_WAITS Development Counter "{wait}" []
        "The number of times a request waited for room in a buffer."
        "Is a buffer too small?";
}
