//! What the exporting thread receives: messages of the draining thread, assembled to spans, log records and measurements.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::output::Output;
use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::channel::feed::{Feed, Receiver};
use crate::channel::{CellTable, SeriesTable};
use crate::config::Config;
use crate::records::assemble::{Assembler, FinishedSpan, LogsInSpans, StringLookup};
use crate::records::record;
use crate::resource::{Programs, Source};
use crate::signals::metrics::{CellValue, Cells};
use crate::telemetry::report::TelemetryReport;
use crate::ui;
use crate::wire::{Domain, ProcessId};

/// Messages that are taken at once before exports get their turn.
const AT_ONCE: usize = 8;
/// The time that this may take: exports run on the same thread, and must go on while much comes in.
const SLICE: Duration = Duration::from_millis(5);
/// Without a message for this long, records that a span still waits for will not come. Longer than the draining thread
/// ever pauses: it leaves the rings of a process that writes too fast for a while, and their records are late then.
const SILENCE: Duration = Duration::from_secs(2);
/// How long spans cut off by their process's end wait for the cause of that end.
const WAIT_FOR_END: Duration = Duration::from_secs(2);
/// How long counting unread records may take.
const COUNTING: Duration = Duration::from_millis(500);
/// Warnings about unreadable records; further ones have the same cause.
const MAX_WARNINGS: usize = 8;

/// Assembles what processes have written, and hands it to the [`Output`].
pub(super) struct Intake {
    assembler: Assembler,
    pids: HashMap<ProcessId, u32>,
    finished: Vec<FinishedSpan>,
    /// Spans cut off by their process's end, and since when they wait.
    cut: Vec<FinishedSpan>,
    cut_since: Option<Instant>,
    last_message: Instant,
    /// When a pass was counted that no message announced.
    last_pass: Instant,
    /// Log records that were not read in time.
    unread_logs: Losses,
    warnings: usize,
}

impl Intake {
    pub(super) fn new(config: &Config, budget: &Budget) -> Intake {
        let in_spans = LogsInSpans { fields: config.log_span_fields, events: config.has_span_events() };
        Intake {
            assembler: Assembler::new(budget, in_spans),
            pids: HashMap::new(),
            finished: Vec::new(),
            cut: Vec::new(),
            cut_since: None,
            last_message: Instant::now(),
            last_pass: Instant::now(),
            unread_logs: Losses::default(),
            warnings: 0,
        }
    }

    /// Whether a span of this trace is still open.
    pub(super) fn is_trace_open(&self, trace: [u8; 16]) -> bool {
        self.assembler.is_trace_open(trace)
    }

    /// Spans that were lost before the export.
    pub(super) fn lost_spans(&self) -> &Losses {
        &self.assembler.lost
    }

    /// Log records that were lost before the export.
    pub(super) fn lost_logs(&self) -> &Losses {
        &self.unread_logs
    }

    /// Takes a message and a few more that are there already; whether the last one was among them.
    pub(super) fn take_some(
        &mut self,
        first: Option<Feed>,
        feed: &mut Receiver,
        programs: &mut Programs,
        output: &mut Output,
        report: &mut TelemetryReport,
    ) -> bool {
        self.last_message = Instant::now();
        let mut is_closed = self.take(first, programs, output, report);
        for _ in 0..AT_ONCE {
            if self.last_message.elapsed() >= SLICE {
                break;
            }
            let Some(message) = feed.try_recv() else { break };
            is_closed |= self.take(Some(message), programs, output, report);
        }
        is_closed
    }

    /// Takes a message; whether it was the last.
    fn take(
        &mut self,
        message: Option<Feed>,
        programs: &mut Programs,
        output: &mut Output,
        report: &mut TelemetryReport,
    ) -> bool {
        match message {
            Some(Feed::Attached { process, pid, cells, strings, series }) => {
                let introduction = strings.introduction();
                let source = programs.attached(pid, &introduction);
                if let (Some(metrics), Some(name)) = (&mut output.metrics, programs.executable(pid, &introduction)) {
                    metrics.process_attached(&source, pid, &name);
                }
                self.pids.insert(process, pid);
                let (strings, cells) = (Box::new(move |id| strings.get(id)), Box::new(move || read(&cells)));
                self.attach(process, &source, strings, cells, Some(series), output);
            }
            Some(Feed::Records { process, bytes }) => {
                if let Err(reason) = self.assembler.records(process, &bytes) {
                    let pid = self.pids.get(&process).copied().unwrap_or(0);
                    self.warn(&format!("cannot read some of the telemetry of process {pid}"), reason);
                }
                self.emit_logged(output);
                let mut measured = std::mem::take(&mut self.assembler.measured);
                output.measurements(&measured);
                self.assembler.reuse_records(&mut measured);
                self.assembler.measured = measured;
            }
            Some(Feed::PassDone { process }) => {
                self.assembler.pass(process, &mut self.finished);
                self.emit_finished(output);
            }
            Some(Feed::Exited { process, dropped, last_seen_unix_ns }) => {
                report.dropped += dropped;
                self.process_exited(process, last_seen_unix_ns, output, report);
            }
            Some(Feed::Poisoned { process, pid, reason }) => {
                self.warn(&format!("cannot read the telemetry of process {pid} any more"), &reason);
                self.process_exited(process, now_unix_ns(), output, report);
            }
            Some(Feed::TooManyProcesses) => self.warn(
                "cannot read the telemetry of further processes",
                "too many processes for the limit of open files (`ulimit -n`)",
            ),
            Some(Feed::Unattached { pid, reason }) => {
                self.warn(&format!("cannot read the telemetry of a process that process {pid} has forked"), &reason);
            }
            Some(Feed::Closed) | None => return true,
        }
        false
    }

    /// A process has attached; `source` is its program.
    pub(super) fn attach(
        &mut self,
        process: ProcessId,
        source: &Source,
        strings: StringLookup,
        cells: Cells,
        series: Option<SeriesTable>,
        output: &mut Output,
    ) {
        self.assembler.attach(process, source.clone(), strings);
        if let Some(metrics) = &mut output.metrics {
            metrics.attach(process, source, cells, series);
        }
    }

    fn process_exited(
        &mut self,
        process: ProcessId,
        last_seen_unix_ns: u64,
        output: &mut Output,
        report: &mut TelemetryReport,
    ) {
        self.pids.remove(&process);
        let before = self.cut.len();
        self.assembler.process_exited(process, last_seen_unix_ns, &mut self.finished, &mut self.cut);
        if let Some(metrics) = &mut output.metrics {
            metrics.process_exited(process);
        }
        let is_served = |span: &&FinishedSpan| {
            matches!(Domain::of(span.start.domain.into()), Some(Domain::HttpServer | Domain::RpcServer))
        };
        let requests = self.cut[before..].iter().filter(is_served).count();
        report.open_requests += requests as u64;
        if self.cut.len() > before {
            self.cut_since.get_or_insert_with(Instant::now);
        }
        self.emit_finished(output);
    }

    /// The program has ended, by `cause`: what is open is cut off there.
    pub(super) fn finish(&mut self, cause: &str, output: &mut Output, report: &mut TelemetryReport) {
        for process in self.assembler.process_ids() {
            self.process_exited(process, now_unix_ns(), output, report);
        }
        self.emit_cut(cause, output);
    }

    /// Whether something is to be done later that no message announces.
    pub(super) fn is_waiting(&self) -> bool {
        self.cut_since.is_some() || self.last_message.elapsed() < SILENCE
    }

    /// Hands out spans that have waited long enough.
    pub(super) fn idle(&mut self, output: &mut Output) {
        if self.last_message.elapsed() >= SILENCE && self.last_pass.elapsed() >= SILENCE {
            self.last_pass = Instant::now();
            self.assembler.pass_all(&mut self.finished);
            self.emit_finished(output);
        }
        if self.cut_since.is_some_and(|since| since.elapsed() >= WAIT_FOR_END) {
            self.emit_cut("process_exited", output);
        }
    }

    fn emit_logged(&mut self, output: &mut Output) {
        let mut logged = std::mem::take(&mut self.assembler.logged);
        output.log_records(&logged);
        self.assembler.reuse_records(&mut logged);
        self.assembler.logged = logged;
    }

    fn emit_finished(&mut self, output: &mut Output) {
        self.emit_logged(output);
        let now = SystemTime::now();
        for span in self.finished.drain(..) {
            output.span(&span, now);
            self.assembler.reuse(span);
        }
    }

    fn emit_cut(&mut self, cause: &str, output: &mut Output) {
        self.cut_since = None;
        let now = SystemTime::now();
        for mut span in std::mem::take(&mut self.cut) {
            span.cut = Some(cause.to_owned());
            output.span(&span, now);
        }
    }

    /// Time is up: counts the records that were not read, which takes little time, and gives them up.
    pub(super) async fn count_unread(&mut self, feed: &mut Receiver, report: &mut TelemetryReport) {
        let until = tokio::time::Instant::now() + COUNTING;
        while let Ok(Some(message)) = tokio::time::timeout_at(until, feed.recv()).await {
            match message {
                Feed::Records { bytes, .. } => {
                    let unread = record::count(&bytes);
                    self.assembler.lost.add(Reason::Unread, unread.spans);
                    self.unread_logs.add(Reason::Unread, unread.logs);
                    report.lost_measurements += unread.measurements;
                }
                Feed::Exited { dropped, .. } => report.dropped += dropped,
                Feed::Closed => break,
                Feed::Attached { .. }
                | Feed::PassDone { .. }
                | Feed::Poisoned { .. }
                | Feed::TooManyProcesses
                | Feed::Unattached { .. } => {}
            }
        }
    }

    /// Warns, a limited number of times.
    fn warn(&mut self, message: &str, reason: &str) {
        self.warnings += 1;
        if self.warnings <= MAX_WARNINGS {
            ui::warning(message, &[reason.to_owned()], None);
        }
    }
}

/// Reads the cells that have a description.
fn read(cells: &CellTable) -> Vec<CellValue> {
    let described = (0..cells.len()).filter_map(|index| {
        let about = cells.description(index)?;
        let value = cells.value(index)?;
        Some(CellValue { kind: about.kind, attributes: about.attributes, description: about.bytes, value })
    });
    described.collect()
}

pub(super) fn now_unix_ns() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
