//! The readers of metrics: how often each reads, and where it exports to.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::metrics::Temporality;
use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::bounds::losses::Losses;
use crate::config::{self, Exporter, HistogramAggregation, Periodic};
use crate::export::metrics::MetricExports;
use crate::export::notices::ExportNotices;
use crate::export::prometheus::Page;
use crate::export::{Sink, metric_table};
use crate::signals::Signal;
use crate::signals::metrics::{Ledgers, ReaderPlan, Views};
use crate::ui;

/// All readers. Each reads the metrics that are kept for the plan of its number.
#[derive(Default)]
pub(super) struct Readers {
    periodic: Vec<PeriodicReader>,
    pages: Vec<(usize, Page)>,
}

/// A reader that reads by itself from time to time, and where it exports to.
struct PeriodicReader {
    number: usize,
    every: Duration,
    due: Instant,
    /// When it has last read: an exemplar is exported once.
    read_at: SystemTime,
    to: ReaderTarget,
}

enum ReaderTarget {
    Console,
    Collector(MetricExports),
}

impl Readers {
    /// Readers, and the plan of each. Must be called within the runtime in which exports will run; `wake` is notified
    /// when a page is requested.
    pub(super) fn new(
        config: &config::Metrics,
        views: &Views,
        notices: &Arc<ExportNotices>,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> (Readers, Vec<ReaderPlan>) {
        let mut readers = Readers::default();
        let mut plans = Vec::new();
        for reader in &config.readers {
            match reader {
                config::Reader::Prometheus(prometheus) => {
                    let Some(page) = Page::open(prometheus, notices, wake) else { continue };
                    readers.pages.push((plans.len(), page));
                    let buckets = HistogramAggregation::ExplicitBuckets;
                    let limit = prometheus.cardinality_limit;
                    plans.push(ReaderPlan::new(Temporality::Cumulative, views, buckets, buckets, limit));
                }
                config::Reader::Periodic(periodic) => {
                    let to = match Sink::new(&periodic.exporter, Signal::Metrics, notices) {
                        Some(sink) => {
                            ReaderTarget::Collector(MetricExports::new(sink, periodic.timeout, notices, budget))
                        }
                        None if periodic.exporter == Exporter::Console => ReaderTarget::Console,
                        None => continue,
                    };
                    let (sdk, programs) = match to {
                        // A person sees percentiles, for which fine buckets are better than coarse ones. Programs add up
                        // their own histograms in the buckets that they were configured with.
                        ReaderTarget::Console => {
                            (HistogramAggregation::Exponential, HistogramAggregation::ExplicitBuckets)
                        }
                        ReaderTarget::Collector(_) => (periodic.histograms, periodic.histograms),
                    };
                    readers.periodic.push(PeriodicReader::new(plans.len(), periodic, to));
                    let (temporality, limit) = (temporality(periodic.temporality), periodic.cardinality_limit);
                    plans.push(ReaderPlan::new(temporality, views, sdk, programs, limit));
                }
            }
        }
        (readers, plans)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.periodic.iter().map(|reader| reader.due).min()
    }

    /// Exports of those that are due, and answers requests for pages. `refresh` is called before.
    pub(super) fn serve(&mut self, now: Instant, ledgers: &mut Ledgers, mut refresh: impl FnMut(&mut Ledgers)) {
        if self.next_due().is_some_and(|due| due <= now) {
            refresh(ledgers);
        }
        for reader in self.periodic.iter_mut().filter(|reader| reader.due <= now) {
            // What was missed is not made up for.
            reader.due = now + reader.every;
            // While an export is held, another would be out of order or hold the same again. Nothing is lost: the next one
            // has it.
            if !reader.is_busy() {
                reader.export(ledgers);
            }
        }
        for (number, page) in &mut self.pages {
            while let Some(scrape) = page.next_scrape() {
                refresh(ledgers);
                // A client that has hung up in the meantime needs no answer.
                let _ = scrape.send(ledgers.collect(*number, SystemTime::UNIX_EPOCH));
            }
        }
    }

    /// Exports of all for the last time, and closes the pages.
    pub(super) fn flush(&mut self, ledgers: &mut Ledgers) {
        for reader in &mut self.periodic {
            if let ReaderTarget::Collector(exports) = &reader.to {
                exports.close();
            }
            reader.export(ledgers);
        }
        self.pages.clear();
    }

    /// Waits for exports on the way, until `deadline` at most; returns the points that are lost.
    pub(super) async fn finish(&mut self, deadline: Instant) -> Losses {
        let mut most = Losses::default();
        for reader in &mut self.periodic {
            if let ReaderTarget::Collector(exports) = &mut reader.to {
                // Several readers read the same points.
                let lost = exports.finish(deadline).await;
                if lost.total() > most.total() {
                    most = lost;
                }
            }
        }
        most
    }
}

impl PeriodicReader {
    fn new(number: usize, periodic: &Periodic, to: ReaderTarget) -> PeriodicReader {
        let every = periodic.interval;
        PeriodicReader { number, every, due: Instant::now() + every, read_at: SystemTime::UNIX_EPOCH, to }
    }

    fn is_busy(&self) -> bool {
        matches!(&self.to, ReaderTarget::Collector(exports) if exports.is_busy())
    }

    fn export(&mut self, ledgers: &mut Ledgers) {
        let since = std::mem::replace(&mut self.read_at, SystemTime::now());
        let all = ledgers.collect(self.number, since);
        match &mut self.to {
            ReaderTarget::Console => all.iter().for_each(|program| ui::err_raw(metric_table::render(program))),
            ReaderTarget::Collector(exports) => exports.export(all),
        }
    }
}

fn temporality(configured: config::Temporality) -> Temporality {
    match configured {
        config::Temporality::Cumulative => Temporality::Cumulative,
        config::Temporality::Delta => Temporality::Delta,
        config::Temporality::LowMemory => Temporality::LowMemory,
    }
}
