//! Spans and log records: how they are gathered, and where they go.

use std::time::Duration;

use super::{Exporter, LogLimits, SpanLimits};
use crate::config::registry::BatchVariables;
use crate::config::text;

/// Where spans go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traces {
    /// Each gets every sampled span; none means that spans are not exported.
    pub(crate) processors: Vec<Processor>,
    pub(crate) limits: SpanLimits,
}

/// Where log records go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logs {
    /// Each gets every record; none means that records are not exported.
    pub(crate) processors: Vec<Processor>,
    pub(crate) limits: LogLimits,
}

/// An exporter of spans or log records, and what is before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Processor {
    pub(crate) exporter: Exporter,
    pub(crate) batch: Batch,
}

/// How spans or log records are gathered before they are exported. A simple processor has no delay and size 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The longest one waits.
    pub(crate) delay: Duration,
    /// The time that one export may take.
    pub(crate) timeout: Duration,
    /// How many may wait; beyond that the oldest are dropped and counted.
    pub(crate) queue: usize,
    /// How many go out in one export at most.
    pub(crate) size: usize,
}

impl Batch {
    /// The defaults of the processor that these variables configure.
    pub(in crate::config) fn default_of(variables: &BatchVariables) -> Batch {
        Batch {
            delay: variables.delay.default_as(text::delay),
            timeout: variables.timeout.default_as(text::timeout),
            queue: variables.queue.default_as(text::count),
            size: variables.size.default_as(text::count),
        }
    }
}
