//! What the exporting thread emits: spans, log records and measurements, described by the conventions, on their way to the
//! exporters and within the memory limit.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::bounds::losses::Reason;
use crate::config::{Config, SpanLimits};
use crate::conventions::{self, Measures, Settings};
use crate::export::destinations::{self, Destinations};
use crate::export::notices::{ExportNotices, Notice};
use crate::host::Host;
use crate::launch::Ended;
use crate::records::assemble::{CompleteRecord, FinishedSpan};
use crate::records::facts::{FactBuffer, Facts};
use crate::records::record::{LogHeader, MeasurementHeader};
use crate::records::scope;
use crate::resource::Source;
use crate::signals::direct::{self, EncodedItem};
use crate::signals::sourced::Sourced;
use crate::signals::traces::{self, data};
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::run_span::RunSpan;
use crate::ui;

/// The three signals, each `None` without an exporter, but for traces.
pub(super) struct Output {
    pub(super) traces: Destinations<Sourced<SpanData>>,
    pub(super) logs: Option<Logs>,
    pub(super) metrics: Option<Metrics>,
    /// The memory of open spans and of all that waits to be exported.
    budget: Budget,
    limits: SpanLimits,
    settings: Settings,
    /// Patterns of entries of baggage that become attributes.
    baggage: Vec<String>,
    /// The encoded span that is at hand.
    message: Vec<u8>,
    /// Memory for the facts about it.
    facts: FactBuffer,
}

impl Output {
    /// Must be called within the runtime in which exports will run; `wake` is notified when there is something to do.
    pub(super) fn new(config: &Config, host: Host, budget: &Budget, wake: &Arc<Notify>) -> Output {
        let notices = Arc::new(ExportNotices::new(show));
        let traces = destinations::of_spans(&config.traces, &notices, wake, budget);
        let logs = Logs::new(config, &notices, wake, budget);
        let metrics = Metrics::new(&config.metrics, host, &notices, wake, budget);
        notices.warn_of_unusable();
        let (limits, settings) = (config.traces.limits, Settings::new(&config.http));
        Output {
            traces,
            logs,
            metrics,
            budget: budget.clone(),
            limits,
            settings,
            baggage: config.baggage_attributes.clone(),
            message: Vec::new(),
            facts: FactBuffer::default(),
        }
    }

    /// Counts a span, which was read then, in the metrics, and exports it if it is sampled.
    pub(super) fn span(&mut self, span: &FinishedSpan, read_at: SystemTime) {
        let facts = span.facts_in(std::mem::take(&mut self.facts));
        self.described_span(span, &facts, read_at);
        self.facts = facts.into_buffer();
    }

    fn described_span(&mut self, span: &FinishedSpan, facts: &Facts<'_>, read_at: SystemTime) {
        let mut described = conventions::describe(span.start.domain, facts, span.cut.as_deref(), &self.settings);
        if let Some(metrics) = &mut self.metrics {
            let lasted = Duration::from_nanos(span.end.saturating_sub(span.start.time));
            let origin = Some(data::origin(span, read_at));
            let points = (&described.measured, described.attributes.as_slice());
            metrics.record(&span.source, &span.scope, points, lasted, origin);
        }
        if span.start.flags & 1 != 1 || !self.traces.is_any() {
            return described.reuse();
        }
        for (key, value) in conventions::baggage(facts, &self.baggage) {
            described.add(key, value);
        }
        // Both apply the limits.
        let whole = self.traces.take_whole().then(|| described.clone());
        if self.traces.take_encoded() {
            self.message.clear();
            direct::span(&mut self.message, span, facts, &mut described, &self.limits);
            let item = EncodedItem { source: &span.source, scope: &span.scope, message: &self.message };
            self.traces.push_encoded(&item);
        }
        if let Some(described) = whole {
            let item = data::data(span, facts, described, &self.limits);
            self.traces.push_whole(Sourced { source: span.source.clone(), item });
        }
        described.reuse();
    }

    /// Exports log records.
    pub(super) fn log_records(&mut self, records: &[CompleteRecord<LogHeader>]) {
        if let Some(logs) = &mut self.logs {
            records.iter().for_each(|record| logs.push(record));
        }
    }

    /// Counts measurements in the metrics.
    pub(super) fn measurements(&mut self, records: &[CompleteRecord<MeasurementHeader>]) {
        let Some(metrics) = &mut self.metrics else { return };
        for record in records {
            let facts = record.facts_in(std::mem::take(&mut self.facts));
            let Measures { attributes, measured } = conventions::measure(record.header.about, &facts, &self.settings);
            metrics.record(&record.source, &record.scope, (&measured, &attributes), Duration::ZERO, None);
            self.facts = facts.into_buffer();
        }
    }

    /// Counts the run of `source` in the metrics, and exports its span if it is sampled.
    pub(super) fn run(&mut self, run: RunSpan, ended: &Ended, source: Source) {
        let described = run.described(ended);
        if let Some(metrics) = &mut self.metrics {
            let (lasted, origin) = (run.lasted(ended), run.origin(ended));
            let points = (&described.measured, described.attributes.as_slice());
            metrics.record(&source, &scope::own(), points, lasted, Some(origin));
        }
        if run.is_sampled() && self.traces.is_any() {
            let item = run.data(ended, described, &self.limits);
            if self.traces.take_encoded() {
                let message = traces::encoded(item.clone());
                self.traces.push_encoded(&EncodedItem { source: &source, scope: &scope::own(), message: &message });
            }
            self.traces.push_whole(Sourced { source, item });
        }
    }

    /// Exports the spans and log records that are due. Traces in which `is_open` finds an open span wait where they are
    /// shown as a whole.
    pub(super) fn export_due(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool) {
        self.traces.export_due(now, is_open);
        if let Some(logs) = &mut self.logs {
            logs.export_due(now);
        }
    }

    /// Keeps within the memory limit, of which the feed holds `unread` bytes: the oldest batches are dropped, of whatever
    /// signal.
    pub(super) fn keep_within_limit(&mut self, unread: usize) {
        while self.budget.is_exceeded_with(unread) {
            let logs = self.logs.as_ref().and_then(Logs::oldest);
            match (self.traces.oldest(), logs) {
                (None, None) => return,
                (Some(spans), logs) if logs.is_none_or(|logs| spans <= logs) => {
                    self.traces.drop_oldest(Reason::Memory);
                }
                _ => self.logs.iter_mut().for_each(|logs| logs.drop_oldest(Reason::Memory)),
            }
        }
    }

    /// From now on all spans and log records are due.
    pub(super) fn flush(&mut self) {
        self.traces.flush();
        if let Some(logs) = &mut self.logs {
            logs.flush();
        }
    }

    /// Whether no span and no log record waits.
    pub(super) fn is_done(&self) -> bool {
        self.traces.is_done() && self.logs.as_ref().is_none_or(Logs::is_done)
    }

    /// Whether a destination of spans or log records does not answer.
    pub(super) fn is_unreachable(&self) -> bool {
        self.traces.is_unreachable() || self.logs.as_ref().is_some_and(Logs::is_unreachable)
    }
}

/// Shows a notice about exports.
fn show(notice: Notice) {
    match notice {
        Notice::Warning { message, causes, hint } => ui::warning(message, &causes, hint.as_deref()),
        Notice::Note(text) => ui::note(text),
    }
}
