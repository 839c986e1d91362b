//! Metrics: what is measured ([`instruments`], [`cells`], [`observed`]), how it is added up ([`streams`]), and who reads it when
//! ([`readers`], [`exports`]).

mod cells;
mod exports;
mod instruments;
mod observed;
mod readers;
mod streams;

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use tokio::sync::Notify;

use super::assemble::scope_from;
use super::export::complaints::Complaints;
use super::host::Host;
use super::resource::LateResource;
use super::semconv::Measured;
use crate::channel::feed::ProcessId;
use crate::config;
use crate::launch::Usage;
use crate::ui;
use cells::Counters;
pub(super) use cells::{CellValue, Cells};
use instruments::Instruments;
use readers::{Readers, Shared};
use streams::{Shaping, Views};

/// All instruments and their readers.
pub(super) struct Metrics {
    /// What the instruments will be made of, until there is a process to measure: only then is the resource known.
    planned: Option<Planned>,
    instruments: Option<Instruments>,
    counters: Counters,
    host: Host,
    readers: Readers,
}

/// What instruments are made of.
struct Planned {
    readers: Vec<(Shared, Shaping)>,
    views: Views,
    resource: LateResource,
}

impl Metrics {
    /// `None` when nobody reads. Must be called within the runtime in which exports will run; `wake` is notified when
    /// [`serve`](Self::serve) has something to do before the time.
    pub(super) fn new(
        config: &config::Metrics,
        resource: &LateResource,
        host: Host,
        complaints: &Arc<Complaints>,
        wake: &Arc<Notify>,
    ) -> Option<Metrics> {
        let views = Views::from(config.views.as_slice());
        let (readers, shaped) = Readers::new(config, &views, complaints, wake);
        if shaped.is_empty() {
            return None;
        }
        for view in &*views {
            if let Some(trouble) = streams::trouble(view) {
                let name = view.instrument_name.as_deref().unwrap_or("*");
                ui::warning(format_args!("cannot use the whole view of `{name}`"), &[trouble], None);
            }
        }
        let planned = Some(Planned { readers: shaped, views, resource: resource.clone() });
        Some(Metrics { planned, instruments: None, counters: Counters::default(), host, readers })
    }

    /// Counts what was measured of a span that lasted so long.
    pub(super) fn record(&mut self, scope: &InstrumentationScope, measured: &Measured, lasted: Duration) {
        if let Some(instruments) = &mut self.instruments {
            instruments.record(scope, measured, lasted);
        }
    }

    /// Counts the program's run, of which nobody else may have told anything.
    pub(super) fn record_run(&mut self, measured: &Measured, lasted: Duration) {
        make(&mut self.planned, &mut self.instruments);
        self.record(&scope_from(""), measured, lasted);
    }

    /// A process has come, with its counters.
    pub(super) fn attach(&mut self, process: ProcessId, cells: Cells) {
        make(&mut self.planned, &mut self.instruments);
        self.counters.attach(process, cells);
    }

    /// A process has gone: what it counted stays, what it had open is closed.
    pub(super) fn gone(&mut self, process: ProcessId) {
        self.counters.gone(process);
    }

    /// When the next reader wants to read.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.readers.next_due()
    }

    /// Exports what is due by `now`, and answers who has asked.
    pub(super) fn serve(&mut self, now: Instant) {
        let Metrics { planned, instruments, counters, host, readers } = self;
        readers.serve(now, || {
            let found = host.look();
            if let Some(pid) = host.pid() {
                // Of a program without layers this is all there is.
                planned.iter().for_each(|planned| planned.resource.process_came(pid));
                make(planned, instruments);
            }
            if let Some(instruments) = instruments {
                instruments.read(counters);
                instruments.observe(&found);
            }
        });
    }

    /// Exports everything for the last time; [`finish`](Self::finish) waits for it.
    /// `usage` is what the program used in all.
    pub(super) fn flush(&mut self, usage: &Usage) {
        if let (Some(planned), Some(pid)) = (&self.planned, self.host.pid()) {
            planned.resource.process_came(pid);
        }
        let found = self.host.look_last(usage);
        if !found.is_empty() {
            make(&mut self.planned, &mut self.instruments);
        }
        if let Some(instruments) = &mut self.instruments {
            instruments.read(&mut self.counters);
            instruments.observe(&found);
        }
        self.readers.flush();
    }

    /// Waits for exports on the way, until `deadline` at most; returns the number of points that are lost.
    pub(super) async fn finish(&mut self, deadline: Instant) -> u64 {
        self.readers.finish(deadline).await
    }
}

/// Makes the instruments, if they have not been made.
fn make(planned: &mut Option<Planned>, instruments: &mut Option<Instruments>) {
    if let Some(Planned { readers, views, resource }) = planned.take() {
        let provider = |(reads, shaping)| readers::provider(reads, resource.get().clone(), shaping);
        *instruments = Some(Instruments::new(readers.into_iter().map(provider).collect(), views));
    }
}

#[cfg(test)]
pub(super) mod testing {
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, Temporality};

    use super::*;
    use crate::config::{CardinalityLimit, HistogramAggregation, View};

    /// Instruments with one reader that is asked by hand.
    pub(in crate::telemetry) struct Metrics {
        pub(in crate::telemetry) instruments: Instruments,
        pub(super) counters: Counters,
        reader: Shared,
    }

    impl Metrics {
        pub(in crate::telemetry) fn new(histograms: HistogramAggregation) -> Metrics {
            Metrics::with(vec![], histograms, 2000)
        }

        pub(in crate::telemetry) fn with(
            views: Vec<View>,
            histograms: HistogramAggregation,
            cardinality_limit: usize,
        ) -> Metrics {
            let cardinality_limit = CardinalityLimit::all(cardinality_limit);
            let views = Views::from(views);
            let reader = Shared::new(Temporality::Cumulative);
            let shaping = Shaping { views: Arc::clone(&views), histograms, cardinality_limit };
            let provider = readers::provider(reader.clone(), Resource::builder_empty().build(), shaping);
            Metrics { instruments: Instruments::new(vec![provider], views), counters: Counters::default(), reader }
        }

        pub(in crate::telemetry) fn collect(&mut self) -> ResourceMetrics {
            self.instruments.read(&mut self.counters);
            self.reader.all()
        }
    }

    /// What a reader reads of a provider of one's own.
    pub(in crate::telemetry) fn reading(
        provider: MeterProviderBuilder,
        record: impl FnOnce(&SdkMeterProvider),
    ) -> ResourceMetrics {
        let reader = Shared::new(Temporality::Cumulative);
        let provider = provider.with_reader(reader.clone()).build();
        record(&provider);
        reader.all()
    }
}
