//! The exporting thread's work, from the first record to the last export.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::assemble::{Assembler, Finished, Strings};
use super::export::complaints::{Complaints, Failure};
use super::export::console::Console;
use super::export::otlp::{self, ExporterError, LastFailure};
use super::export::queue::{Queue, SendBatch};
use super::export::{Delivered, SpanBackend, metric_table};
use super::metrics::{CellValue, Cells, Metrics};
use super::{Report, TelemetryError, record, resource, semconv, span};
use crate::channel::CellTable;
use crate::channel::feed::{Feed, ProcessId, Receiver};
use crate::channel::wire::domain;
use crate::config::{Config, Exporter};
use crate::launch::{ChildEnd, signal_name};
use crate::ui;

/// How often what is due is looked for when nothing comes in.
const TICK: Duration = Duration::from_millis(100);
/// When nothing has come for this long, what was waited for is not coming. Longer than the draining thread ever pauses:
/// the rings of a process that writes more than can be taken are left for a while, and their records are then late.
const SILENCE: Duration = Duration::from_secs(2);
/// Messages taken at once before others get their turn.
const AT_ONCE: usize = 8;
/// How long counting what is given up may take.
const COUNTING: Duration = Duration::from_millis(500);
/// How long spans cut off by their process's end wait to learn how it ended.
const WAIT_FOR_END: Duration = Duration::from_secs(2);
/// The time a silent collector still gets at the end.
const PATIENCE_WITH_SILENCE: Duration = Duration::from_secs(3);
/// Warnings about unreadable records; what goes wrong more often goes wrong in the same way.
const MAX_TROUBLES: usize = 8;

/// The program has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) end: ChildEnd,
    pub(super) deadline: Duration,
}

struct OtlpMetrics {
    exporter: Arc<MetricExporter>,
    last: Arc<LastFailure>,
    endpoint: String,
    in_flight: Option<JoinHandle<()>>,
}

/// Everything the exporting thread holds.
pub(super) struct Engine {
    pids: HashMap<ProcessId, u32>,
    assembler: Assembler,
    backends: Vec<Box<dyn SpanBackend + Send>>,
    metrics: Option<Metrics>,
    otlp_metrics: Option<OtlpMetrics>,
    console_metrics: bool,
    metric_interval: Duration,
    complaints: Arc<Complaints>,
    wake: Arc<Notify>,
    finished: Vec<Finished>,
    /// Spans cut off by their process's end, and since when they wait.
    cut: Vec<Finished>,
    cut_since: Option<Instant>,
    last_message: Instant,
    troubles: usize,
    report: Report,
}

impl Engine {
    /// Must be called within the runtime that `run` will run in.
    pub(super) fn new(config: &Config) -> Result<Engine, TelemetryError> {
        let resource = resource::of(config);
        let complaints = Arc::new(Complaints::default());
        let wake = Arc::new(Notify::new());
        let mut backends: Vec<Box<dyn SpanBackend + Send>> = Vec::new();
        for kind in &config.traces.exporters {
            match kind {
                Exporter::Console => backends.push(Box::new(Console::default())),
                Exporter::Otlp => {
                    let (mut exporter, last) = otlp::span_exporter(&config.traces.otlp)?;
                    exporter.set_resource(&resource);
                    let endpoint = config.traces.otlp.endpoint.clone();
                    let (complaints, wake) = (Arc::clone(&complaints), Arc::clone(&wake));
                    backends.push(Box::new(Queue::new(
                        sender(exporter, last),
                        endpoint,
                        config.batch,
                        complaints,
                        wake,
                    )));
                }
            }
        }
        let wanted = |kind| config.metrics.exporters.contains(&kind);
        let otlp_metrics = match wanted(Exporter::Otlp) {
            true => Some(OtlpMetrics::new(config)?),
            false => None,
        };
        Ok(Engine {
            pids: HashMap::new(),
            assembler: Assembler::default(),
            backends,
            metrics: (!config.metrics.exporters.is_empty()).then(|| Metrics::new(resource)),
            otlp_metrics,
            console_metrics: wanted(Exporter::Console),
            metric_interval: config.metric_interval,
            complaints,
            wake,
            finished: Vec::new(),
            cut: Vec::new(),
            cut_since: None,
            last_message: Instant::now(),
            troubles: 0,
            report: Report::default(),
        })
    }

    /// Works until the program has ended and all is exported, or time is up.
    pub(super) async fn run(mut self, mut feed: Receiver, ending: oneshot::Receiver<Ending>) -> Report {
        let wake = Arc::clone(&self.wake);
        let mut ending = pin!(ending);
        let mut told: Option<(Ending, Instant)> = None;
        let mut closed = false;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut metric_tick =
            tokio::time::interval_at(tokio::time::Instant::now() + self.metric_interval, self.metric_interval);
        metric_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                said = &mut ending, if told.is_none() => {
                    // A launcher that went away without a word wants nothing more than to be gone.
                    let said = said.unwrap_or(Ending { end: ChildEnd::Exited(0), deadline: Duration::ZERO });
                    told = Some((said, Instant::now() + said.deadline));
                }
                message = feed.recv(), if !closed => {
                    self.last_message = Instant::now();
                    closed = self.take(message);
                    for _ in 0..AT_ONCE {
                        let Some(message) = feed.try_recv() else { break };
                        closed |= self.take(Some(message));
                    }
                    // Exports run on this thread too.
                    tokio::task::yield_now().await;
                }
                () = wake.notified() => {}
                _ = tick.tick() => self.idle(),
                _ = metric_tick.tick() => self.export_metrics(),
            }
            self.pump(Instant::now());
            if let Some((said, deadline)) = told
                && (closed || Instant::now() >= deadline)
            {
                if !closed {
                    self.count_unread(&mut feed).await;
                }
                return self.finish(said, deadline).await;
            }
        }
    }

    /// Time is up: what has not been read yet is counted, which takes next to no time, and given up.
    async fn count_unread(&mut self, feed: &mut Receiver) {
        let until = tokio::time::Instant::now() + COUNTING;
        while let Ok(Some(message)) = tokio::time::timeout_at(until, feed.recv()).await {
            match message {
                Feed::Records { bytes, .. } => self.assembler.lost += record::spans_ended(&bytes),
                Feed::Gone { dropped, .. } => self.report.dropped += dropped,
                Feed::Closed => break,
                Feed::Attached { .. } | Feed::PassDone { .. } | Feed::Poisoned { .. } => {}
            }
        }
    }

    /// Takes a message; whether it was the last.
    fn take(&mut self, message: Option<Feed>) -> bool {
        match message {
            Some(Feed::Attached { process, pid, cells, strings }) => {
                self.pids.insert(process, pid);
                self.attach(process, Box::new(move |id| strings.get(id)), Box::new(move || read(&cells)));
            }
            Some(Feed::Records { process, bytes }) => {
                if let Err(reason) = self.assembler.records(process, &bytes) {
                    let pid = self.pids.get(&process).copied().unwrap_or(0);
                    self.trouble(&format!("cannot read some of the telemetry of process {pid}"), reason);
                }
            }
            Some(Feed::PassDone { process }) => {
                self.assembler.pass(process, &mut self.finished);
                self.emit_finished();
            }
            Some(Feed::Gone { process, dropped, last_seen_unix_ns }) => {
                self.report.dropped += dropped;
                self.gone(process, last_seen_unix_ns);
            }
            Some(Feed::Poisoned { process, pid, reason }) => {
                self.trouble(&format!("cannot read the telemetry of process {pid} any more"), &reason);
                self.gone(process, now_unix_ns());
            }
            Some(Feed::Closed) | None => return true,
        }
        false
    }

    fn attach(&mut self, process: ProcessId, strings: Strings, cells: Cells) {
        self.assembler.attach(process, strings);
        if let Some(metrics) = &mut self.metrics {
            metrics.attach(process, cells);
        }
    }

    fn gone(&mut self, process: ProcessId, last_seen_unix_ns: u64) {
        self.pids.remove(&process);
        let before = self.cut.len();
        self.assembler.gone(process, last_seen_unix_ns, &mut self.finished, &mut self.cut);
        if let Some(metrics) = &mut self.metrics {
            metrics.gone(process);
        }
        let requests = self.cut[before..].iter().filter(|span| span.start.domain == domain::HTTP_SERVER).count();
        self.report.open_requests += requests as u64;
        if self.cut.len() > before {
            self.cut_since.get_or_insert_with(Instant::now);
        }
        self.emit_finished();
    }

    fn emit_finished(&mut self) {
        for span in std::mem::take(&mut self.finished) {
            self.emit(&span);
        }
    }

    fn emit_cut(&mut self, reason: &str) {
        self.cut_since = None;
        for mut span in std::mem::take(&mut self.cut) {
            span.cut = Some(reason.to_owned());
            self.emit(&span);
        }
    }

    fn emit(&mut self, finished: &Finished) {
        let mut described = semconv::describe(finished.start.domain, &finished.facts(), finished.cut.as_deref());
        if let (Some(metrics), Some(measured)) = (&mut self.metrics, described.measured.take()) {
            let lasted = Duration::from_nanos(finished.end.saturating_sub(finished.start.time));
            metrics.record(&finished.scope, &measured, lasted);
        }
        if finished.start.flags & 1 == 0 {
            return;
        }
        let Some((last, others)) = self.backends.split_last_mut() else { return };
        let data = span::data(finished, described);
        for backend in others {
            backend.push(data.clone());
        }
        last.push(data);
    }

    fn idle(&mut self) {
        if self.last_message.elapsed() >= SILENCE {
            self.last_message = Instant::now();
            self.assembler.pass_all(&mut self.finished);
            self.emit_finished();
        }
        if self.cut_since.is_some_and(|since| since.elapsed() >= WAIT_FOR_END) {
            self.emit_cut("process_exited");
        }
    }

    fn pump(&mut self, now: Instant) {
        for backend in &mut self.backends {
            backend.pump(now, &|trace| self.assembler.is_trace_open(trace));
        }
    }

    fn export_metrics(&mut self) {
        let Some(metrics) = &mut self.metrics else { return };
        let all = metrics.collect();
        if self.console_metrics {
            ui::err_raw(metric_table::render(&all));
        }
        if let Some(otlp) = &mut self.otlp_metrics {
            otlp.export(all, &self.complaints);
        }
    }

    async fn finish(mut self, said: Ending, deadline: Instant) -> Report {
        let now = Instant::now();
        for process in self.assembler.process_ids() {
            self.gone(process, now_unix_ns());
        }
        match said.end {
            ChildEnd::Killed(signal) => self.emit_cut(&signal_name(signal)),
            ChildEnd::Exited(_) => self.emit_cut("process_exited"),
        }
        let silent = self.backends.iter().any(|backend| backend.is_unreachable());
        let deadline = if silent { deadline.min(now + PATIENCE_WITH_SILENCE) } else { deadline };
        self.backends.iter_mut().for_each(|backend| backend.flush());
        self.pump(Instant::now());
        self.export_metrics();
        let wake = Arc::clone(&self.wake);
        while Instant::now() < deadline && !self.backends.iter().all(|backend| backend.is_done()) {
            let _ = tokio::time::timeout(TICK, wake.notified()).await;
            self.pump(Instant::now());
        }
        if let Some(OtlpMetrics { in_flight: Some(task), endpoint, .. }) = &mut self.otlp_metrics
            && tokio::time::timeout_at(deadline.into(), task).await.is_err()
        {
            let failure = Failure::Unreachable("no answer before the program's end".into());
            self.complaints.failed("metrics", endpoint, &failure);
        }
        let mut total = Delivered::default();
        for delivered in self.backends.iter_mut().map(|backend| backend.finish()) {
            // Several destinations get the same spans.
            total.exported = total.exported.max(delivered.exported);
            total.lost = total.lost.max(delivered.lost);
        }
        self.report.exported_spans = total.exported;
        self.report.lost = total.lost + self.assembler.lost;
        self.warn_about_losses();
        self.report
    }

    fn warn_about_losses(&mut self) {
        let Report { lost, dropped, .. } = self.report;
        if lost > 0 {
            self.report.warnings.push(format!("{lost} {} lost", if lost == 1 { "span was" } else { "spans were" }));
        }
        if dropped > 0 {
            let records = if dropped == 1 { "record was" } else { "records were" };
            self.report
                .warnings
                .push(format!("{dropped} {records} dropped by the program, which wrote faster than could be read"));
        }
    }

    /// Warns, but not for ever.
    fn trouble(&mut self, message: &str, reason: &str) {
        self.troubles += 1;
        if self.troubles <= MAX_TROUBLES {
            ui::warning(message, &[reason.to_owned()], None);
        }
    }
}

impl OtlpMetrics {
    fn new(config: &Config) -> Result<OtlpMetrics, ExporterError> {
        let (exporter, last) = otlp::metric_exporter(&config.metrics.otlp)?;
        let endpoint = config.metrics.otlp.endpoint.clone();
        Ok(OtlpMetrics { exporter: Arc::new(exporter), last, endpoint, in_flight: None })
    }

    fn export(&mut self, all: ResourceMetrics, complaints: &Arc<Complaints>) {
        let (exporter, last) = (Arc::clone(&self.exporter), Arc::clone(&self.last));
        let (endpoint, complaints) = (self.endpoint.clone(), Arc::clone(complaints));
        // Sums are cumulative: what an export that is overtaken by the next one held is in that one too.
        if let Some(slow) = self.in_flight.take() {
            slow.abort();
        }
        self.in_flight = Some(tokio::spawn(async move {
            if all.scope_metrics().next().is_none() {
                return;
            }
            match last.behind(exporter.export(&all).await) {
                Ok(()) => complaints.arrived("metrics", &endpoint),
                Err(failure) => complaints.failed("metrics", &endpoint, &failure),
            }
        }));
    }
}

fn sender(exporter: opentelemetry_otlp::SpanExporter, last: Arc<LastFailure>) -> SendBatch {
    let exporter = Arc::new(exporter);
    Box::new(move |spans| {
        let (exporter, last) = (Arc::clone(&exporter), Arc::clone(&last));
        Box::pin(async move {
            last.behind(exporter.export(spans).await)?;
            Ok(last.rejected())
        })
    })
}

fn read(cells: &CellTable) -> Vec<CellValue> {
    let described = (0..cells.len()).filter_map(|index| {
        let about = cells.description(index)?;
        let value = cells.value(index)?;
        Some(CellValue { kind: about.kind, attributes: about.attributes, description: about.bytes, value })
    });
    described.collect()
}

fn now_unix_ns() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
