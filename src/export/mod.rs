//! Where telemetry goes.

mod connect;
pub(crate) mod console;
pub(crate) mod console_logs;
pub(crate) mod failure;
mod json;
mod lines;
pub(crate) mod metric_table;
pub(crate) mod notices;
mod otlp;
pub(crate) mod probe;
pub(crate) mod prometheus;
pub(crate) mod queue;
mod sink;
pub(crate) mod tls;

pub(crate) use sink::{Signal, Sink, Unusable};

use std::time::Instant;

use crate::bounds::losses::{Losses, Reason};

/// What is exported one by one: a span or a log record.
pub(crate) trait Item: Clone + Send + Sync + 'static {
    /// What many of them are called.
    const MANY: &'static str;
    /// The variable that bounds their queue.
    const QUEUE: &'static str;

    /// Roughly the memory that one takes.
    fn weight(&self) -> usize;
}

/// A destination for spans or log records.
pub(crate) trait Backend<T> {
    /// Takes one.
    fn push(&mut self, item: T);

    /// Does what is due. `is_open` tells whether a trace may still grow.
    fn pump(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool);

    /// From now on everything is due; the next `pump`s send all there is.
    fn flush(&mut self);

    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;

    /// Whether the destination is known not to answer.
    fn is_unreachable(&self) -> bool {
        false
    }

    /// When the oldest came that waits and may be dropped.
    fn oldest(&self) -> Option<Instant> {
        None
    }

    /// Drops the oldest that wait, as many as belong together; whether there were any.
    fn drop_oldest(&mut self, _: Reason) -> bool {
        false
    }

    /// Gives up what is left and says how it went.
    fn finish(&mut self) -> Delivered;
}

/// How many arrived at one destination, and what became of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The destination.
    pub(crate) place: String,
    pub(crate) exported: u64,
    pub(crate) lost: Losses,
}

/// All destinations of one signal.
pub(crate) struct Destinations<T>(Vec<Box<dyn Backend<T> + Send>>);

impl<T: Item> Destinations<T> {
    pub(crate) fn new(backends: Vec<Box<dyn Backend<T> + Send>>) -> Self {
        Destinations(backends)
    }

    /// Whether there is any.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_empty()
    }

    /// Hands one to each.
    pub(crate) fn push(&mut self, item: T) {
        let Some((last, others)) = self.0.split_last_mut() else { return };
        for backend in others {
            backend.push(item.clone());
        }
        last.push(item);
    }

    /// Does what is due; see [`Backend::pump`].
    pub(crate) fn pump(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool) {
        self.0.iter_mut().for_each(|backend| backend.pump(now, is_open));
    }

    /// From now on everything is due.
    pub(crate) fn flush(&mut self) {
        self.0.iter_mut().for_each(|backend| backend.flush());
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.0.iter().all(|backend| backend.is_done())
    }

    /// Whether some destination is known not to answer.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.0.iter().any(|backend| backend.is_unreachable())
    }

    /// When the oldest came that waits at some destination and may be dropped.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.0.iter().filter_map(|backend| backend.oldest()).min()
    }

    /// Drops the oldest that wait at one destination.
    pub(crate) fn drop_oldest(&mut self, reason: Reason) {
        let waiting = self.0.iter_mut().filter_map(|backend| Some((backend.oldest()?, backend)));
        if let Some((_, backend)) = waiting.min_by_key(|(since, _)| *since) {
            backend.drop_oldest(reason);
        }
    }

    /// Gives up what is left and says how it went, for each destination.
    pub(crate) fn finish(&mut self) -> Vec<Delivered> {
        self.0.iter_mut().map(|backend| backend.finish()).collect()
    }
}
