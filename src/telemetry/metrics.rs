//! The metrics of a run: instruments, measurements of the machine, and the readers that export both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use tokio::sync::Notify;

use super::readers::Readers;
use crate::attributes::attribute::Attribute;
use crate::bounds::budget::Budget;
use crate::bounds::losses::Losses;
use crate::channel::SeriesTable;
use crate::conventions::Measurements;
use crate::export::notices::ExportNotices;
use crate::host::Host;
use crate::launch::Ended;
use crate::resource::{Programs, Source};
use crate::signals::metrics::data::Origin;
use crate::signals::metrics::{Cells, Ledgers, Views, unusable_part};
use crate::wire::ProcessId;
use crate::{config, ui};

/// The metrics of all programs, and their readers.
pub(crate) struct Metrics {
    ledgers: Ledgers,
    host: Host,
    readers: Readers,
}

impl Metrics {
    /// `None` without a reader. Must be called within the runtime in which exports will run; `wake` is notified when
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
            if let Some(reason) = unusable_part(view) {
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
        scope: &Arc<InstrumentationScope>,
        measured: (&Measurements, &[Attribute<'_>]),
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        self.ledgers.record(source, scope, measured, lasted, origin);
    }

    /// A process of this program has attached, with its counters and the instruments that it will make.
    pub(crate) fn attach(&mut self, process: ProcessId, source: &Source, cells: Cells, series: Option<SeriesTable>) {
        self.ledgers.attach(process, source, cells, series);
    }

    /// A process of this program has attached that has this pid and an executable of this name.
    pub(crate) fn process_attached(&mut self, source: &Source, pid: u32, executable: &str) {
        self.host.attached(pid, source.number(), executable);
    }

    /// A process has exited: its counters stay, what it had open is closed.
    pub(crate) fn process_exited(&mut self, process: ProcessId) {
        self.ledgers.detach(process);
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
