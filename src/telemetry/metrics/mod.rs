//! Metrics: what is measured ([`instruments`], [`cells`], [`observed`], [`user`]), how it is added up ([`streams`]), and who reads it when
//! ([`readers`], [`exports`]).

mod cells;
mod encode;
mod exemplars;
mod exponential;
mod exports;
mod histograms;
mod instruments;
mod numbers;
mod observed;
mod readers;
mod streams;
mod user;

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use tokio::sync::Notify;

use super::assemble::scope_from;
use super::budget::Budget;
use super::export::complaints::Complaints;
use super::host::Host;
use super::losses::Losses;
use super::resource::LateResource;
use super::semconv::Measured;
use crate::channel::SeriesTable;
use crate::channel::feed::ProcessId;
use crate::config::{self, ExemplarFilter};
use crate::launch::Ended;
use crate::ui;
use cells::Counters;
pub(super) use cells::{CellValue, Cells};
pub(super) use exemplars::{Exemplar, Exemplars, Origin};
pub(super) use histograms::{Distribution, HistogramMetric};
use instruments::Instruments;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use readers::{Readers, Refreshed, Shared};
pub(super) use streams::Exponential;
use streams::{Shaping, Views};
use user::User;

/// What a reader has read.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// What the SDK keeps.
    pub(super) metrics: ResourceMetrics,
    /// What it does not.
    pub(super) histograms: Vec<HistogramMetric>,
    pub(super) exemplars: Exemplars,
}

/// All instruments and their readers.
pub(super) struct Metrics {
    /// What the instruments will be made of, until there is a process to measure: only then is the resource known.
    planned: Option<Planned>,
    instruments: Option<Instruments>,
    counters: Counters,
    user: User,
    host: Host,
    readers: Readers,
}

/// What instruments are made of.
struct Planned {
    readers: Vec<(Shared, Shaping)>,
    views: Views,
    exemplars: ExemplarFilter,
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
        budget: &Budget,
    ) -> Option<Metrics> {
        let views = Views::from(config.views.as_slice());
        let (readers, shaped) = Readers::new(config, &views, complaints, wake, budget);
        if shaped.is_empty() {
            return None;
        }
        for view in &*views {
            if let Some(trouble) = streams::trouble(view) {
                let name = view.instrument_name.as_deref().unwrap_or("*");
                ui::warning(format_args!("cannot use the whole view of `{name}`"), &[trouble], None);
            }
        }
        let planned = Some(Planned { readers: shaped, views, exemplars: config.exemplars, resource: resource.clone() });
        Some(Metrics {
            planned,
            instruments: None,
            counters: Counters::default(),
            user: User::default(),
            host,
            readers,
        })
    }

    /// Counts what was measured of a span that lasted so long. `origin` is the span, where it is known.
    pub(super) fn record(
        &mut self,
        scope: &InstrumentationScope,
        measured: &Measured,
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        if let Some(instruments) = &mut self.instruments {
            instruments.record(scope, measured, lasted, origin);
        }
    }

    /// Counts the program's run, of which nobody else may have told anything.
    pub(super) fn record_run(&mut self, measured: &Measured, lasted: Duration, origin: Origin) {
        make(&mut self.planned, &mut self.instruments);
        self.record(&scope_from(""), measured, lasted, Some(origin));
    }

    /// A process has come, with its counters and the instruments it will make.
    pub(super) fn attach(&mut self, process: ProcessId, cells: Cells, series: Option<SeriesTable>) {
        make(&mut self.planned, &mut self.instruments);
        self.counters.attach(process, cells);
        if let Some(series) = series {
            self.user.attach(process, series);
        }
    }

    /// A process has gone: what it counted stays, what it had open is closed.
    pub(super) fn gone(&mut self, process: ProcessId) {
        self.counters.gone(process);
        self.user.gone(process);
    }

    /// When there is something to do: the next reader wants to read, or processes are to be looked at.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.readers.next_due().into_iter().chain(self.host.next_glance()).min()
    }

    /// Exports what is due by `now`, and answers who has asked.
    pub(super) fn serve(&mut self, now: Instant) {
        let Metrics { planned, instruments, counters, user, host, readers } = self;
        host.glance(now);
        readers.serve(now, || {
            let found = host.look();
            if let Some(pid) = host.pid() {
                // Of a program without layers this is all there is.
                planned.iter().for_each(|planned| planned.resource.process_came(pid));
                make(planned, instruments);
            }
            instruments.as_mut().map_or_else(Refreshed::default, |instruments| {
                user.ask();
                instruments.read(counters);
                instruments.observe(&found);
                Refreshed { histograms: user.read(instruments), exemplars: instruments.exemplars().clone() }
            })
        });
    }

    /// The program may be about to end: looks at it, has callbacks look up what they can, and waits for them a little. It
    /// is read with the next export.
    pub(super) fn ask(&mut self) {
        self.user.ask();
        self.host.see();
    }

    /// Exports everything for the last time, after the program's end; [`finish`](Self::finish) waits for it.
    pub(super) fn flush(&mut self, ended: &Ended) {
        if let (Some(planned), Some(pid)) = (&self.planned, self.host.pid()) {
            planned.resource.process_came(pid);
        }
        let found = self.host.look_last(ended);
        if !found.is_empty() {
            make(&mut self.planned, &mut self.instruments);
        }
        let mut refreshed = Refreshed::default();
        if let Some(instruments) = &mut self.instruments {
            // Who is still there, such as a daemon left behind, is not asked any more: nobody waits at the end.
            instruments.read(&mut self.counters);
            instruments.observe(&found);
            refreshed.histograms = self.user.read(instruments);
            refreshed.exemplars = instruments.exemplars().clone();
        }
        self.readers.flush(&refreshed);
    }

    /// Waits for exports on the way, until `deadline` at most; returns the points that are lost.
    pub(super) async fn finish(&mut self, deadline: Instant) -> Losses {
        self.readers.finish(deadline).await
    }
}

/// Makes the instruments, if they have not been made.
fn make(planned: &mut Option<Planned>, instruments: &mut Option<Instruments>) {
    if let Some(Planned { readers, views, exemplars, resource }) = planned.take() {
        let provider = |(reads, shaping)| readers::provider(reads, resource.get().clone(), shaping);
        *instruments = Some(Instruments::new(readers.into_iter().map(provider).collect(), views, exemplars));
    }
}

#[cfg(test)]
pub(super) mod testing {
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, Temporality};

    use super::histograms::Telling;
    use super::*;
    use crate::config::{CardinalityLimit, HistogramAggregation, View};

    /// Instruments with one reader that is asked by hand.
    pub(in crate::telemetry) struct Metrics {
        pub(in crate::telemetry) instruments: Instruments,
        pub(super) counters: Counters,
        pub(super) user: User,
        telling: Telling,
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
            let telling = Telling::new(shaping.clone(), Temporality::Cumulative);
            let provider = readers::provider(reader.clone(), Resource::builder_empty().build(), shaping);
            let instruments = Instruments::new(vec![provider], views, ExemplarFilter::TraceBased);
            Metrics { instruments, counters: Counters::default(), user: User::default(), telling, reader }
        }

        pub(in crate::telemetry) fn collect_all(&mut self) -> Collected {
            let histograms = self.user.read(&self.instruments);
            Collected {
                metrics: self.collect(),
                histograms: self.telling.tell(&histograms),
                exemplars: self.instruments.exemplars().clone(),
            }
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
