//! Exports of one reader of metrics: one at a time, within a limit, and counted when they fail.
//!
//! Sums since the start are in the next export again, so one that fails is not repeated. Changes are in one export
//! only, which is held, and repeated until it is accepted, rejected or the end has come. While it is held the reader
//! reads nothing, so that its next export has all that came since.

mod exporter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::exporter::Exporter;
use super::delivery::{Delivery, Outcome, RetryPause};
use super::notices::ExportNotices;
use super::sink::Sink;
use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::signals::Signal;
use crate::signals::metrics::data::Collected;

/// The exports of one reader to one collector.
pub(crate) struct MetricExports {
    to: Arc<Target>,
    in_flight: Option<InFlight>,
}

struct InFlight {
    task: JoinHandle<()>,
    /// Whether it holds changes.
    is_needed: bool,
}

struct Target {
    exporter: Exporter,
    delivery: Arc<Delivery>,
    lost: LostPoints,
    /// Whether the end has come.
    is_closed: AtomicBool,
    closed: Notify,
}

/// Points that did not arrive.
#[derive(Debug, Default)]
struct LostPoints {
    /// Changes since the export before: in no other export. Counted before they are sent.
    changes: AtomicU64,
    /// Sums since the start, of the last export alone: the next one that arrives makes up for it.
    sums: AtomicU64,
    /// Points that the collector has rejected.
    rejected: AtomicU64,
}

impl MetricExports {
    pub(crate) fn new(
        sink: Arc<Sink>,
        timeout: Duration,
        notices: &Arc<ExportNotices>,
        budget: &Budget,
    ) -> MetricExports {
        let delivery = Delivery::new(Arc::clone(&sink) as _, Signal::Metrics, timeout, notices);
        let exporter = Exporter::new(sink, Arc::clone(&delivery), timeout, budget);
        let (lost, is_closed, closed) = (LostPoints::default(), AtomicBool::new(false), Notify::new());
        MetricExports { to: Arc::new(Target { exporter, delivery, lost, is_closed, closed }), in_flight: None }
    }

    /// Whether an export is still on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|before| !before.task.is_finished())
    }

    /// The end has come: what is held is tried once more.
    pub(crate) fn close(&self) {
        self.to.is_closed.store(true, Relaxed);
        self.to.closed.notify_one();
    }

    /// Exports, after what may still be on its way.
    pub(crate) fn export(&mut self, programs: Vec<Collected>) {
        let (changes, sums) = points(&programs);
        if changes + sums == 0 {
            return;
        }
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
            to.export(programs, changes, sums).await;
        });
        self.in_flight = Some(InFlight { task, is_needed: changes > 0 });
    }

    /// Waits for what is on its way, until `deadline` at most; returns the points that are lost.
    pub(crate) async fn finish(&mut self, deadline: Instant) -> Losses {
        if let Some(InFlight { task, .. }) = &mut self.in_flight
            && tokio::time::timeout_at(deadline.into(), &mut *task).await.is_err()
        {
            task.abort();
            self.to.delivery.unfinished();
        }
        let LostPoints { changes, sums, rejected } = &self.to.lost;
        let mut lost = Losses::default();
        lost.add(Reason::Rejected, rejected.load(Relaxed));
        lost.add(Reason::Unanswered, changes.load(Relaxed) + sums.load(Relaxed));
        lost
    }
}

impl Target {
    /// Exports points of both kinds and counts those that are lost.
    async fn export(&self, programs: Vec<Collected>, changes: u64, sums: u64) {
        self.lost.sums.store(sums, Relaxed);
        match self.deliver(programs, changes, sums).await {
            None => {
                self.lost.rejected.fetch_add(changes + sums, Relaxed);
                self.lost.sums.store(0, Relaxed);
                self.lost.changes.fetch_sub(changes, Relaxed);
            }
            Some(Outcome::Accepted { rejected }) => {
                self.lost.rejected.fetch_add(rejected, Relaxed);
                self.lost.sums.store(0, Relaxed);
                self.lost.changes.fetch_sub(changes, Relaxed);
            }
            Some(Outcome::Rejected) => {
                self.lost.rejected.fetch_add(changes, Relaxed);
                self.lost.changes.fetch_sub(changes, Relaxed);
            }
            Some(Outcome::Failed) => {}
        }
    }

    /// Delivers, again and again if there are changes. `None` where no request can be made of it.
    async fn deliver(&self, programs: Vec<Collected>, changes: u64, sums: u64) -> Option<Outcome> {
        let is_last = || changes == 0 || self.is_closed.load(Relaxed);
        let mut was_last = is_last();
        let mut sent = self.exporter.export(programs, changes + sums).await?;
        let mut pause = RetryPause::first();
        while sent.outcome == Outcome::Failed && !was_last {
            let _ = tokio::time::timeout(pause.duration(), self.closed.notified()).await;
            pause = pause.next();
            was_last = is_last();
            sent.outcome = self.delivery.attempt(sent.request.clone(), changes + sums).await;
        }
        Some(sent.outcome)
    }
}

/// The number of points that are changes, and of those that are sums since the start.
fn points(programs: &[Collected]) -> (u64, u64) {
    fn of<T>(data: &MetricData<T>) -> (usize, Temporality) {
        match data {
            MetricData::Gauge(gauge) => (gauge.data_points().count(), Temporality::Cumulative),
            MetricData::Sum(sum) => (sum.data_points().count(), sum.temporality()),
            MetricData::Histogram(histogram) => (histogram.data_points().count(), histogram.temporality()),
            MetricData::ExponentialHistogram(histogram) => (histogram.data_points().count(), histogram.temporality()),
        }
    }
    let (mut changes, mut sums) = (0, 0);
    for metric in programs.iter().flat_map(|one| one.metrics.scope_metrics()).flat_map(|scope| scope.metrics()) {
        let (count, temporality) = match metric.data() {
            AggregatedMetrics::F64(data) => of(data),
            AggregatedMetrics::I64(data) => of(data),
            AggregatedMetrics::U64(data) => of(data),
        };
        let to = if temporality == Temporality::Delta { &mut changes } else { &mut sums };
        *to += count as u64;
    }
    for histogram in programs.iter().flat_map(|one| &one.histograms) {
        let to = if histogram.is_delta { &mut changes } else { &mut sums };
        *to += histogram.points.len() as u64;
    }
    (changes, sums)
}
