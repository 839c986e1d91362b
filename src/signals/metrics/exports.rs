//! Exports of one reader: one at a time, within a limit, and counted when they fail.
//!
//! Sums since the start are in the next export again, so one that fails is not repeated. Changes are in no other: their
//! export is held, and repeated until it is accepted, refused or the end has come. While it is held the reader reads
//! nothing, so that its next export has all that came since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::data::Collected;
use super::encode;
use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::export::Sink;
use crate::export::failure::Failure;
use crate::export::notices::ExportNotices;

/// The first pause before changes are sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The way of one reader to a collector.
pub(super) struct Exports {
    to: Arc<Collector>,
    in_flight: Option<InFlight>,
    budget: Budget,
}

struct InFlight {
    task: JoinHandle<()>,
    /// Whether it holds changes.
    is_needed: bool,
}

struct Collector {
    sink: Arc<Sink>,
    notices: Arc<ExportNotices>,
    /// The time one export may take.
    limit: Duration,
    lost: Points,
    /// Whether the end has come.
    is_closed: AtomicBool,
    closed: Notify,
}

/// Points that did not arrive.
#[derive(Debug, Default)]
struct Points {
    /// Changes since the export before: in no other export. Counted before they are sent.
    changes: AtomicU64,
    /// Sums since the start, of the last export alone: the next one that arrives makes up for it.
    sums: AtomicU64,
    /// Points that the collector has rejected.
    rejected: AtomicU64,
}

/// What became of an attempt.
enum Outcome {
    Accepted,
    Refused,
    /// It may be accepted later.
    Failed,
}

impl Exports {
    pub(super) fn new(sink: Arc<Sink>, limit: Duration, notices: &Arc<ExportNotices>, budget: &Budget) -> Exports {
        let to = Collector {
            sink,
            notices: Arc::clone(notices),
            limit,
            lost: Points::default(),
            is_closed: AtomicBool::new(false),
            closed: Notify::new(),
        };
        Exports { to: Arc::new(to), in_flight: None, budget: budget.clone() }
    }

    /// Whether an export is still on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|before| !before.task.is_finished())
    }

    /// The end has come: what is held is tried once more.
    pub(super) fn close(&self) {
        self.to.is_closed.store(true, Relaxed);
        self.to.closed.notify_one();
    }

    /// Exports, after what may still be on its way.
    pub(super) fn export(&mut self, all: Vec<Collected>) {
        let (changes, sums) = points(&all);
        if changes + sums == 0 {
            return;
        }
        let encoded = match self.to.sink.encode(&encode::request(&all)) {
            Ok(encoded) => encoded,
            Err(failure) => {
                self.to.notices.failed("metrics", &self.to.sink.target(), &failure);
                self.to.lost.rejected.fetch_add(changes + sums, Relaxed);
                return;
            }
        };
        let charge = self.budget.charge(encoded.len());
        let before = self.in_flight.take();
        // Sums since the start are exported again now.
        if let Some(before) = before.as_ref().filter(|before| !before.is_needed) {
            before.task.abort();
        }
        let to = Arc::clone(&self.to);
        to.lost.changes.fetch_add(changes, Relaxed);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.task.await;
            }
            to.lost.sums.store(sums, Relaxed);
            match to.deliver(&encoded, changes > 0).await {
                Outcome::Accepted => {
                    to.lost.sums.store(0, Relaxed);
                    to.lost.changes.fetch_sub(changes, Relaxed);
                }
                Outcome::Refused => {
                    to.lost.rejected.fetch_add(changes, Relaxed);
                    to.lost.changes.fetch_sub(changes, Relaxed);
                }
                Outcome::Failed => {}
            }
            drop(charge);
        });
        self.in_flight = Some(InFlight { task, is_needed: changes > 0 });
    }

    /// Waits for what is on its way, until `deadline` at most; returns the points that are lost.
    pub(super) async fn finish(&mut self, deadline: Instant) -> Losses {
        if let Some(InFlight { task, .. }) = &mut self.in_flight
            && tokio::time::timeout_at(deadline.into(), &mut *task).await.is_err()
        {
            task.abort();
            let failure = Failure::closing();
            self.to.notices.failed("metrics", &self.to.sink.target(), &failure);
        }
        let Points { changes, sums, rejected } = &self.to.lost;
        let mut lost = Losses::default();
        lost.add(Reason::Rejected, rejected.load(Relaxed));
        lost.add(Reason::Unanswered, changes.load(Relaxed) + sums.load(Relaxed));
        lost
    }
}

impl Collector {
    /// Sends it, again and again if it `is_needed`.
    async fn deliver(&self, encoded: &Bytes, is_needed: bool) -> Outcome {
        let mut pause = FIRST_PAUSE;
        loop {
            let is_last = !is_needed || self.is_closed.load(Relaxed);
            let outcome = self.send(encoded.clone()).await;
            if is_last || !matches!(outcome, Outcome::Failed) {
                return outcome;
            }
            let _ = tokio::time::timeout(pause, self.closed.notified()).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn send(&self, encoded: Bytes) -> Outcome {
        let answer = tokio::time::timeout(self.limit, self.sink.send(encoded)).await;
        match answer.unwrap_or_else(|_| Err(Failure::timeout(self.limit))) {
            Ok(0) => {
                self.notices.arrived("metrics", &self.sink.target());
                Outcome::Accepted
            }
            Ok(rejected) => {
                self.lost.rejected.fetch_add(rejected, Relaxed);
                let failure = Failure::rejected(format_args!("{rejected} points of metrics"));
                self.notices.failed("metrics", &self.sink.target(), &failure);
                Outcome::Accepted
            }
            Err(failure) => {
                self.notices.failed("metrics", &self.sink.target(), &failure);
                if failure.is_retryable() { Outcome::Failed } else { Outcome::Refused }
            }
        }
    }
}

/// The number of points that tell of changes, and of those that tell of sums since the start.
fn points(all: &[Collected]) -> (u64, u64) {
    fn of<T>(data: &MetricData<T>) -> (usize, Temporality) {
        match data {
            MetricData::Gauge(gauge) => (gauge.data_points().count(), Temporality::Cumulative),
            MetricData::Sum(sum) => (sum.data_points().count(), sum.temporality()),
            MetricData::Histogram(histogram) => (histogram.data_points().count(), histogram.temporality()),
            MetricData::ExponentialHistogram(histogram) => (histogram.data_points().count(), histogram.temporality()),
        }
    }
    let (mut changes, mut sums) = (0, 0);
    for metric in all.iter().flat_map(|all| all.metrics.scope_metrics()).flat_map(|scope| scope.metrics()) {
        let (count, temporality) = match metric.data() {
            AggregatedMetrics::F64(data) => of(data),
            AggregatedMetrics::I64(data) => of(data),
            AggregatedMetrics::U64(data) => of(data),
        };
        let to = if temporality == Temporality::Delta { &mut changes } else { &mut sums };
        *to += count as u64;
    }
    for histogram in all.iter().flat_map(|all| &all.histograms) {
        let to = if histogram.is_delta { &mut changes } else { &mut sums };
        *to += histogram.points.len() as u64;
    }
    (changes, sums)
}
