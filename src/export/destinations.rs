//! The destinations of spans and of log records.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use serde::Serialize;
use tokio::sync::Notify;

use super::console::Console;
use super::console_logs::ConsoleLogs;
use super::delivery::Delivery;
use super::notices::ExportNotices;
use super::queue::{Encoded, Queue};
use super::sink::Sink;
use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::config::{self, Exporter, Processor};
use crate::signals::direct::EncodedItem;
use crate::signals::logs::data::LogData;
use crate::signals::sourced::Sourced;
use crate::signals::{BatchItem, logs, traces};

/// A destination for spans or log records as the SDK holds them.
pub(crate) trait Accepts<T>: Backend {
    /// Accepts a span or log record.
    fn push(&mut self, item: T);
}

/// What becomes of accepted spans or log records.
pub(crate) trait Backend {
    /// Exports what is due. `is_open` is whether a trace may still grow.
    fn export_due(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool);

    /// From now on everything is due; the next [`export_due`](Self::export_due) exports all there is.
    fn flush(&mut self);

    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;

    /// Whether the destination does not answer at present.
    fn is_unreachable(&self) -> bool {
        false
    }

    /// The arrival of the oldest item that waits and may be dropped.
    fn oldest(&self) -> Option<Instant> {
        None
    }

    /// Drops the oldest waiting items, as many as belong together; whether there were any.
    fn drop_oldest(&mut self, _: Reason) -> bool {
        false
    }

    /// Gives up what is left and returns what became of all.
    fn finish(&mut self) -> Delivered;
}

/// How many arrived at one destination, and what became of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The destination.
    pub(crate) target: String,
    pub(crate) exported: u64,
    pub(crate) lost: Losses,
}

/// A destination of one signal.
pub(crate) enum Destination<T> {
    /// It takes what the SDK holds.
    Whole(Box<dyn Accepts<T> + Send>),
    /// It takes what is encoded.
    Encoded(Box<Queue<Encoded>>),
}

impl<T> Destination<T> {
    fn backend(&self) -> &dyn Backend {
        match self {
            Destination::Whole(backend) => &**backend,
            Destination::Encoded(queue) => &**queue,
        }
    }

    fn backend_mut(&mut self) -> &mut dyn Backend {
        match self {
            Destination::Whole(backend) => &mut **backend,
            Destination::Encoded(queue) => &mut **queue,
        }
    }
}

/// All destinations of one signal.
pub(crate) struct Destinations<T>(Vec<Destination<T>>);

impl<T: BatchItem> Destinations<T> {
    pub(crate) fn new(backends: Vec<Destination<T>>) -> Self {
        Destinations(backends)
    }

    /// Whether there is any.
    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether any takes what is encoded.
    pub(crate) fn take_encoded(&self) -> bool {
        self.0.iter().any(|destination| matches!(destination, Destination::Encoded(_)))
    }

    /// Whether any takes what the SDK holds.
    pub(crate) fn take_whole(&self) -> bool {
        self.0.iter().any(|destination| matches!(destination, Destination::Whole(_)))
    }

    /// Hands an encoded span or log record to each destination that takes such.
    pub(crate) fn push_encoded(&mut self, item: &EncodedItem<'_>) {
        for destination in &mut self.0 {
            if let Destination::Encoded(queue) = destination {
                queue.push(item);
            }
        }
    }

    /// Hands a span or log record to each destination that takes what the SDK holds.
    pub(crate) fn push_whole(&mut self, item: T) {
        let backends = self.0.iter_mut().filter_map(|destination| match destination {
            Destination::Whole(backend) => Some(backend),
            Destination::Encoded(_) => None,
        });
        let mut backends = backends.peekable();
        while let Some(backend) = backends.next() {
            if backends.peek().is_none() {
                return backend.push(item);
            }
            backend.push(item.clone());
        }
    }

    /// Exports what is due; see [`Backend::export_due`].
    pub(crate) fn export_due(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool) {
        self.0.iter_mut().for_each(|each| each.backend_mut().export_due(now, is_open));
    }

    /// From now on everything is due.
    pub(crate) fn flush(&mut self) {
        self.0.iter_mut().for_each(|each| each.backend_mut().flush());
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.0.iter().all(|each| each.backend().is_done())
    }

    /// Whether some destination does not answer at present.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.0.iter().any(|each| each.backend().is_unreachable())
    }

    /// The arrival of the oldest item that waits at some destination and may be dropped.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.0.iter().filter_map(|each| each.backend().oldest()).min()
    }

    /// Drops the oldest items that wait at one destination.
    pub(crate) fn drop_oldest(&mut self, reason: Reason) {
        let all = self.0.iter_mut().map(Destination::backend_mut);
        let waiting = all.filter_map(|backend| Some((backend.oldest()?, backend)));
        if let Some((_, backend)) = waiting.min_by_key(|(since, _)| *since) {
            backend.drop_oldest(reason);
        }
    }

    /// Gives up what is left and returns what became of all, for each destination.
    pub(crate) fn finish(&mut self) -> Vec<Delivered> {
        self.0.iter_mut().map(|each| each.backend_mut().finish()).collect()
    }
}

/// The destinations of spans.
pub(crate) fn of_spans(
    config: &config::Traces,
    notices: &Arc<ExportNotices>,
    wake: &Arc<Notify>,
    budget: &Budget,
) -> Destinations<Sourced<SpanData>> {
    let destination = |processor| match queue(processor, traces::request, notices, wake, budget) {
        Some(queue) => Some(queue),
        None => {
            (processor.exporter == Exporter::Console).then(|| Destination::Whole(Box::new(Console::default()) as _))
        }
    };
    Destinations::new(config.processors.iter().filter_map(destination).collect())
}

/// The destinations of log records.
pub(crate) fn of_log_records(
    config: &config::Logs,
    notices: &Arc<ExportNotices>,
    wake: &Arc<Notify>,
    budget: &Budget,
) -> Destinations<Sourced<LogData>> {
    let destination = |processor| match queue(processor, logs::request, notices, wake, budget) {
        Some(queue) => Some(queue),
        None => {
            (processor.exporter == Exporter::Console).then(|| Destination::Whole(Box::new(ConsoleLogs::default()) as _))
        }
    };
    Destinations::new(config.processors.iter().filter_map(destination).collect())
}

/// The queue before a processor's sink, if it has one; `request` makes a request of a batch where the sink takes no
/// protobuf.
fn queue<T: BatchItem, R: Message + Serialize>(
    processor: &Processor,
    request: impl Fn(Vec<T>) -> R + Send + 'static,
    notices: &Arc<ExportNotices>,
    wake: &Arc<Notify>,
    budget: &Budget,
) -> Option<Destination<T>> {
    let sink = Sink::new(&processor.exporter, T::SIGNAL, notices)?;
    let delivery = Delivery::new(Arc::clone(&sink) as _, T::SIGNAL, processor.batch.timeout, notices);
    if sink.takes_protobuf() {
        let pack = Box::new(move |protobuf| sink.pack(protobuf));
        let queue = Queue::of_encoded(pack, T::QUEUE, delivery, processor.batch, wake, budget);
        return Some(Destination::Encoded(Box::new(queue)));
    }
    let encode = Box::new(move |items| sink.encode(&request(items)));
    Some(Destination::Whole(Box::new(Queue::new(encode, delivery, processor.batch, wake, budget))))
}
