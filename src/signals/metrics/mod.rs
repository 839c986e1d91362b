//! Metrics: what is measured ([`instruments`], [`cells`], [`observed`], [`program`]), how it is added up ([`registry`],
//! [`streams`]), and which reader reads it when ([`readers`], [`exports`]).

mod cells;
pub(crate) mod data;
mod encode;
mod exemplars;
mod exponential;
mod exports;
mod histograms;
mod instruments;
mod ledgers;
mod numbers;
mod observed;
mod program;
mod readers;
mod registry;
mod streams;

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::bounds::losses::Losses;
use crate::channel::SeriesTable;
use crate::config;
use crate::conventions::Measured;
use crate::export::notices::ExportNotices;
use crate::host::Host;
use crate::launch::Ended;
use crate::resource::{Programs, Source};
use crate::ui;
use crate::wire::ProcessId;
pub(crate) use cells::{CellValue, Cells};
use data::Origin;
use ledgers::Ledgers;
use readers::Readers;
use streams::Views;

/// All instruments and their readers.
pub(crate) struct Metrics {
    ledgers: Ledgers,
    host: Host,
    readers: Readers,
}

impl Metrics {
    /// `None` when nobody reads. Must be called within the runtime in which exports will run; `wake` is notified when
    /// [`serve`](Self::serve) has something to do before the time.
    pub(crate) fn new(
        config: &config::Metrics,
        host: Host,
        notices: &Arc<ExportNotices>,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Option<Metrics> {
        let views = Views::from(config.views.as_slice());
        let (readers, plans) = Readers::new(config, &views, notices, wake, budget);
        if plans.is_empty() {
            return None;
        }
        for view in &*views {
            if let Some(reason) = streams::unusable_part(view) {
                let name = view.instrument_name.as_deref().unwrap_or("*");
                ui::warning(format_args!("cannot use the whole view of `{name}`"), &[reason], None);
            }
        }
        Some(Metrics { ledgers: Ledgers::new(plans, views, config.exemplars), host, readers })
    }

    /// Counts what was measured of a span of this program that lasted so long. `origin` is the span, where it is known.
    pub(crate) fn record(
        &mut self,
        source: &Source,
        scope: &InstrumentationScope,
        measured: &Measured,
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        self.ledgers.of(source).instruments.record(scope, measured, lasted, origin);
    }

    /// A process of this program has attached, with its counters and the instruments that it will make.
    pub(crate) fn attach(&mut self, process: ProcessId, source: &Source, cells: Cells, series: Option<SeriesTable>) {
        let ledger = self.ledgers.of(source);
        ledger.counters.attach(process, cells);
        if let Some(series) = series {
            ledger.program.attach(process, series);
        }
    }

    /// A process of this program has attached that has this pid and an executable of this name.
    pub(crate) fn process_attached(&mut self, source: &Source, pid: u32, executable: &str) {
        self.host.attached(pid, source.number(), executable);
    }

    /// A process has exited: its counters stay, what it had open is closed.
    pub(crate) fn process_exited(&mut self, process: ProcessId) {
        for ledger in self.ledgers.iter_mut() {
            ledger.counters.detach(process);
            ledger.program.detach(process);
        }
    }

    /// When there is something to do: the next reader is due, or processes are to be sampled.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.readers.next_due().into_iter().chain(self.host.next_sample()).min()
    }

    /// Exports what is due by `now`, and answers requests for pages.
    pub(crate) fn serve(&mut self, now: Instant, programs: &mut Programs) {
        let Metrics { ledgers, host, readers } = self;
        host.sample_if_due(now);
        readers.serve(now, ledgers, |ledgers| {
            let found = host.scan();
            // A program without layers has only the metrics that are found here.
            if host.pid().is_some() || !ledgers.is_empty() {
                ledgers.observe();
                ledgers.refresh(&found, programs);
            }
        });
    }

    /// The program may be about to end: samples it, requests that its callbacks observe, and waits for them a little. The
    /// next export has the values.
    pub(crate) fn observe(&mut self) {
        self.ledgers.observe();
        self.host.sample();
    }

    /// Exports everything for the last time, after the program's end; [`finish`](Self::finish) waits for it.
    pub(crate) fn flush(&mut self, ended: &Ended, programs: &mut Programs) {
        let found = self.host.final_scan(ended);
        // Processes that still run, such as a daemon left behind, get no further request: the end does not wait for them.
        if !found.is_empty() || !self.ledgers.is_empty() {
            self.ledgers.refresh(&found, programs);
        }
        self.readers.flush(&mut self.ledgers);
    }

    /// Waits for exports on the way, until `deadline` at most; returns the points that are lost.
    pub(crate) async fn finish(&mut self, deadline: Instant) -> Losses {
        self.readers.finish(deadline).await
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, Temporality};

    use super::cells::Counters;
    use super::data::Collected;
    use super::histograms::HistogramReader;
    use super::instruments::Instruments;
    use super::observed::Observed;
    use super::program::ProgramMetrics;
    use super::readers::Shared;
    use super::registry::InstrumentRegistry;
    use super::streams::ViewConfig;
    use super::*;
    use crate::config::{CardinalityLimit, ExemplarFilter, HistogramAggregation, View};
    use crate::host::Point;

    /// Instruments with one reader that is called by hand.
    pub(crate) struct TestMetrics {
        pub(crate) instruments: Instruments,
        pub(super) counters: Counters,
        pub(super) program: ProgramMetrics,
        observed: Observed,
        histograms: HistogramReader,
        reader: Shared,
    }

    impl TestMetrics {
        pub(crate) fn new(histograms: HistogramAggregation) -> TestMetrics {
            TestMetrics::with(vec![], histograms, 2000)
        }

        pub(crate) fn with(
            views: Vec<View>,
            histograms: HistogramAggregation,
            cardinality_limit: usize,
        ) -> TestMetrics {
            let cardinality_limit = CardinalityLimit::all(cardinality_limit);
            let views = Views::from(views);
            let reader = Shared::new(Temporality::Cumulative);
            let config = ViewConfig { views: Arc::clone(&views), histograms, cardinality_limit };
            let provider = readers::provider(reader.clone(), Resource::builder_empty().build(), config.clone());
            let registry = InstrumentRegistry::new(vec![provider], views);
            TestMetrics {
                instruments: Instruments::new(registry, ExemplarFilter::TraceBased),
                counters: Counters::default(),
                program: ProgramMetrics::default(),
                observed: Observed::default(),
                histograms: HistogramReader::new(config, Temporality::Cumulative),
                reader,
            }
        }

        pub(crate) fn collect_all(&mut self) -> Collected {
            let histograms = self.program.read(self.instruments.registry());
            Collected {
                program: None,
                metrics: self.collect(),
                histograms: self.histograms.read(&histograms),
                exemplars: self.instruments.exemplars().clone(),
            }
        }

        pub(super) fn observe(&mut self, found: &[Point]) {
            self.observed.observe(self.instruments.registry(), found);
        }

        pub(crate) fn collect(&mut self) -> ResourceMetrics {
            self.instruments.read(&mut self.counters);
            self.reader.all()
        }
    }

    /// What a reader reads of a provider of one's own.
    pub(crate) fn reading(provider: MeterProviderBuilder, record: impl FnOnce(&SdkMeterProvider)) -> ResourceMetrics {
        let reader = Shared::new(Temporality::Cumulative);
        let provider = provider.with_reader(reader.clone()).build();
        record(&provider);
        reader.all()
    }
}
