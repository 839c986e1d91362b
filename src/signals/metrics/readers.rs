//! Who reads the metrics, how often, and where they go from there.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use tokio::sync::Notify;

use super::exports::Exports;
use super::ledgers::{Ledgers, ReaderPlan};
use super::streams::{ViewConfig, Views};
use crate::bounds::budget::Budget;
use crate::bounds::losses::Losses;
use crate::config::{self, Exporter, HistogramAggregation, Periodic};
use crate::export::notices::ExportNotices;
use crate::export::prometheus::Page;
use crate::export::{Signal, Sink, metric_table};
use crate::ui;

/// All readers. A reader reads what is under its number in the plans.
#[derive(Default)]
pub(super) struct Readers {
    periodic: Vec<Reader>,
    pages: Vec<(usize, Page)>,
}

/// A reader that reads by itself from time to time, and where it takes what it reads.
struct Reader {
    number: usize,
    every: Duration,
    due: Instant,
    /// When it has last read: an exemplar is told once.
    read_at: SystemTime,
    to: Destination,
}

enum Destination {
    Console,
    Sink(Exports),
}

impl Readers {
    /// Readers, and what each wants to read. Must be called within the runtime in which exports will run; `wake` is
    /// notified when somebody asks for a page.
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
            let shaping =
                |histograms, cardinality_limit| ViewConfig { views: Arc::clone(views), histograms, cardinality_limit };
            match reader {
                config::Reader::Prometheus(prometheus) => {
                    let Some(page) = Page::open(prometheus, wake) else { continue };
                    let shaping = shaping(HistogramAggregation::ExplicitBuckets, prometheus.cardinality_limit);
                    readers.pages.push((plans.len(), page));
                    let program_views = shaping.clone();
                    plans.push(ReaderPlan { temporality: Temporality::Cumulative, sdk_views: shaping, program_views });
                }
                config::Reader::Periodic(periodic) => {
                    let to = match Sink::new(&periodic.exporter, Signal::Metrics, notices) {
                        Some(sink) => Destination::Sink(Exports::new(sink, periodic.timeout, notices, budget)),
                        None if periodic.exporter == Exporter::Console => Destination::Console,
                        None => continue,
                    };
                    let histograms = match to {
                        // A person sees percentiles, which fine buckets tell better than coarse ones.
                        Destination::Console => HistogramAggregation::Exponential,
                        Destination::Sink(_) => periodic.histograms,
                    };
                    let shaping = shaping(histograms, periodic.cardinality_limit);
                    // What programs add up themselves is as fine as they were asked to make it, which the console does not.
                    let histograms = match to {
                        Destination::Console => HistogramAggregation::ExplicitBuckets,
                        Destination::Sink(_) => histograms,
                    };
                    readers.periodic.push(Reader::new(plans.len(), periodic, to));
                    let program_views = ViewConfig { histograms, ..shaping.clone() };
                    let temporality = temporality(periodic.temporality);
                    plans.push(ReaderPlan { temporality, sdk_views: shaping, program_views });
                }
            }
        }
        (readers, plans)
    }

    /// When the next one wants to read.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.periodic.iter().map(|reader| reader.due).min()
    }

    /// Lets those read whose time has come, and answers who has asked for a page. `refresh` is called before.
    pub(super) fn serve(&mut self, now: Instant, ledgers: &mut Ledgers, mut refresh: impl FnMut(&mut Ledgers)) {
        if self.next_due().is_some_and(|due| due <= now) {
            refresh(ledgers);
        }
        for reader in self.periodic.iter_mut().filter(|reader| reader.due <= now) {
            // What was missed is not made up for.
            reader.due = now + reader.every;
            // What an export holds that is held up would be told twice, or out of order. It is not lost: the next one
            // has it.
            if !reader.is_busy() {
                reader.export(ledgers);
            }
        }
        for (number, page) in &mut self.pages {
            while let Some(who) = page.asked() {
                refresh(ledgers);
                // Whoever has gone in the meantime does not want it any more.
                let _ = who.send(ledgers.collect(*number, SystemTime::UNIX_EPOCH));
            }
        }
    }

    /// Lets all read for the last time, and closes the pages.
    pub(super) fn flush(&mut self, ledgers: &mut Ledgers) {
        for reader in &mut self.periodic {
            if let Destination::Sink(exports) = &reader.to {
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
            if let Destination::Sink(exports) = &mut reader.to {
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

impl Reader {
    fn new(number: usize, periodic: &Periodic, to: Destination) -> Reader {
        let every = periodic.interval;
        Reader { number, every, due: Instant::now() + every, read_at: SystemTime::UNIX_EPOCH, to }
    }

    fn is_busy(&self) -> bool {
        matches!(&self.to, Destination::Sink(exports) if exports.is_busy())
    }

    fn export(&mut self, ledgers: &mut Ledgers) {
        let since = std::mem::replace(&mut self.read_at, SystemTime::now());
        let all = ledgers.collect(self.number, since);
        match &mut self.to {
            Destination::Console => all.iter().for_each(|program| ui::err_raw(metric_table::render(program))),
            Destination::Sink(exports) => exports.export(all),
        }
    }
}

fn temporality(wanted: config::Temporality) -> Temporality {
    match wanted {
        config::Temporality::Cumulative => Temporality::Cumulative,
        config::Temporality::Delta => Temporality::Delta,
        config::Temporality::LowMemory => Temporality::LowMemory,
    }
}

/// A provider whose metrics are read by `reads` alone.
pub(super) fn provider(reads: Shared, resource: Resource, shaping: ViewConfig) -> SdkMeterProvider {
    let view = move |instrument: &opentelemetry_sdk::metrics::Instrument| shaping.sdk_stream(instrument);
    SdkMeterProvider::builder().with_resource(resource).with_view(view).with_reader(reads).build()
}

/// A reader that reads when it is told to, with no thread of its own.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<ManualReader>);

impl Shared {
    pub(super) fn new(temporality: Temporality) -> Shared {
        Shared(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    /// Everything there is to read.
    pub(super) fn all(&self) -> ResourceMetrics {
        let mut all = ResourceMetrics::default();
        // Fails only after a shutdown, of which there is none.
        let _ = self.0.collect(&mut all);
        all
    }
}

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, to: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(to)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
