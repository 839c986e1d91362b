//! Exports of one reader: one at a time, within a limit, and counted when they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use tokio::task::JoinHandle;

use super::{Collected, encode};
use crate::telemetry::export::Sink;
use crate::telemetry::export::complaints::{Complaints, Failure};

/// The way of one reader to a collector.
pub(super) struct Exports {
    to: Arc<Collector>,
    in_flight: Option<InFlight>,
}

struct InFlight {
    task: JoinHandle<()>,
    /// Whether nobody else tells what it does.
    is_needed: bool,
}

struct Collector {
    sink: Arc<Sink>,
    complaints: Arc<Complaints>,
    /// The time one export may take.
    limit: Duration,
    losses: Losses,
}

/// Points that did not arrive.
#[derive(Debug, Default)]
struct Losses {
    /// Changes since the export before: nobody tells of them again. Counted before they are sent.
    changes: AtomicU64,
    /// Sums since the start, of the last export alone: the next one that arrives makes up for it.
    sums: AtomicU64,
    /// Points that the collector has sent back.
    rejected: AtomicU64,
}

impl Exports {
    pub(super) fn new(sink: Arc<Sink>, limit: Duration, complaints: &Arc<Complaints>) -> Exports {
        let to = Collector { sink, complaints: Arc::clone(complaints), limit, losses: Losses::default() };
        Exports { to: Arc::new(to), in_flight: None }
    }

    /// Whether an export is still on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|before| !before.task.is_finished())
    }

    /// Exports, after what may still be on its way.
    pub(super) fn export(&mut self, all: Vec<Collected>) {
        let (changes, sums) = points(&all);
        if changes + sums == 0 {
            return;
        }
        let before = self.in_flight.take();
        // Sums since the start are told again now.
        if let Some(before) = before.as_ref().filter(|before| !before.is_needed) {
            before.task.abort();
        }
        let to = Arc::clone(&self.to);
        to.losses.changes.fetch_add(changes, Relaxed);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.task.await;
            }
            to.losses.sums.store(sums, Relaxed);
            if to.send(&all).await {
                to.losses.sums.store(0, Relaxed);
                to.losses.changes.fetch_sub(changes, Relaxed);
            }
        });
        self.in_flight = Some(InFlight { task, is_needed: changes > 0 });
    }

    /// Waits for what is on its way, until `deadline` at most; returns the number of points that are lost.
    pub(super) async fn finish(&mut self, deadline: Instant) -> u64 {
        if let Some(InFlight { task, .. }) = &mut self.in_flight
            && tokio::time::timeout_at(deadline.into(), &mut *task).await.is_err()
        {
            task.abort();
            let failure = Failure::Unreachable("no answer before the program's end".into());
            self.to.complaints.failed("metrics", &self.to.sink.place(), &failure);
        }
        let Losses { changes, sums, rejected } = &self.to.losses;
        changes.load(Relaxed) + sums.load(Relaxed) + rejected.load(Relaxed)
    }
}

impl Collector {
    /// Whether it arrived.
    async fn send(&self, all: &[Collected]) -> bool {
        let request = encode::request(all);
        let answer = tokio::time::timeout(self.limit, self.sink.send(&request)).await;
        match answer.unwrap_or_else(|_| Err(Failure::late(self.limit))) {
            Ok(0) => {
                self.complaints.arrived("metrics", &self.sink.place());
                true
            }
            Ok(rejected) => {
                self.losses.rejected.fetch_add(rejected, Relaxed);
                let failure = Failure::Refused(format!("the collector rejected {rejected} points of metrics"));
                self.complaints.failed("metrics", &self.sink.place(), &failure);
                true
            }
            Err(failure) => {
                self.complaints.failed("metrics", &self.sink.place(), &failure);
                false
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
