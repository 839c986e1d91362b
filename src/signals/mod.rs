//! The three signals: what a span, a log record and a metric are when they are exported, and their requests.

pub(crate) mod direct;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod resource;
pub(crate) mod sourced;
pub(crate) mod traces;

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// What its items are called.
    pub(crate) fn many(self) -> &'static str {
        match self {
            Signal::Traces => "spans",
            Signal::Metrics => "metrics",
            Signal::Logs => "log records",
        }
    }
}

/// What is exported in batches: a span or a log record.
pub(crate) trait BatchItem: Clone + Send + Sync + 'static {
    /// The signal that it belongs to.
    const SIGNAL: Signal;
    /// The variable that bounds the queue of many.
    const QUEUE: &'static str;

    /// Roughly the memory that one takes.
    fn weight(&self) -> usize;
}
