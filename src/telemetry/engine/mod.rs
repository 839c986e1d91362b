//! The exporting thread's work, from the first record to the last export.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::channel::feed::{Feed, Receiver};
use crate::channel::{CellTable, SeriesTable};
use crate::config::{Config, SpanLimits};
use crate::conventions::{self, HttpSettings};
use crate::export::destinations::{self, Delivered, Destinations};
use crate::export::notices::{ExportNotices, Notice};
use crate::host::Host;
use crate::launch::{ChildEnd, Ended, Usage, signal_name};
use crate::records::assemble::{Assembler, Finished, Strings};
use crate::records::{record, scope};
use crate::redact;
use crate::resource::{Programs, Source};
use crate::signals::metrics::{CellValue, Cells};
use crate::signals::sourced::Sourced;
use crate::signals::traces::data;
use crate::telemetry::Report;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::run::Run;
use crate::ui;
use crate::wire::{ProcessId, domain};

/// How often what is due is looked for when nothing comes in.
const TICK: Duration = Duration::from_millis(100);
/// When nothing has come for this long, what was waited for is not coming. Longer than the draining thread ever pauses:
/// the rings of a process that writes more than can be taken are left for a while, and their records are then late.
const SILENCE: Duration = Duration::from_secs(2);
/// Messages taken at once before others get their turn.
const AT_ONCE: usize = 8;
/// The time that this may take: exports run on the same thread, and must go on while much comes in.
const SLICE: Duration = Duration::from_millis(5);
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
pub(crate) struct Ending {
    pub(crate) ended: Ended,
    pub(crate) deadline: Duration,
}

/// By which somebody has the program asked, and is told when that has been done.
pub(crate) type Asks = mpsc::UnboundedSender<std::sync::mpsc::SyncSender<()>>;
type Asked = mpsc::UnboundedReceiver<std::sync::mpsc::SyncSender<()>>;

/// Everything the exporting thread holds.
pub(crate) struct Engine {
    programs: Programs,
    pids: HashMap<ProcessId, u32>,
    assembler: Assembler,
    /// The memory of open spans and of all that waits to be exported.
    budget: Budget,
    traces: Destinations<Sourced<SpanData>>,
    limits: SpanLimits,
    conventions: HttpSettings,
    logs: Option<Logs>,
    metrics: Option<Metrics>,
    /// The program's run as a whole, if that is told of.
    run: Option<Run>,
    wake: Arc<Notify>,
    finished: Vec<Finished>,
    /// Spans cut off by their process's end, and since when they wait.
    cut: Vec<Finished>,
    cut_since: Option<Instant>,
    last_message: Instant,
    /// Log records that were not read in time.
    unread_logs: Losses,
    troubles: usize,
    report: Report,
}

impl Engine {
    /// Must be called within the runtime that `run` will run in.
    pub(crate) fn new(config: &Config, programs: Programs, host: Host, run: Option<Run>) -> Engine {
        let notices = Arc::new(ExportNotices::new(show));
        let wake = Arc::new(Notify::new());
        let budget = Budget::new(config.memory_limit);
        let traces = destinations::of_spans(&config.traces, &notices, &wake, &budget);
        let logs = Logs::new(&config.logs, &notices, &wake, &budget);
        let metrics = Metrics::new(&config.metrics, host, &notices, &wake, &budget);
        notices.warn_of_unusable();
        Engine {
            pids: HashMap::new(),
            assembler: Assembler::new(&budget),
            budget,
            traces,
            limits: config.traces.limits,
            conventions: HttpSettings::new(&config.http),
            logs,
            metrics,
            programs,
            run,
            wake,
            finished: Vec::new(),
            cut: Vec::new(),
            cut_since: None,
            last_message: Instant::now(),
            unread_logs: Losses::default(),
            troubles: 0,
            report: Report::default(),
        }
    }

    /// Wakes it, to do what there is to do.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Works until the program has ended and all is exported, or time is up.
    pub(crate) async fn run(
        mut self,
        mut feed: Receiver,
        mut asked: Asked,
        ending: oneshot::Receiver<Ending>,
    ) -> Report {
        let wake = Arc::clone(&self.wake);
        let mut ending = pin!(ending);
        let mut told: Option<(Ending, Instant)> = None;
        let mut closed = false;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                said = &mut ending, if told.is_none() => {
                    // A launcher that went away without a word wants nothing more than to be gone.
                    let nothing = Ended { end: ChildEnd::Exited(0), usage: Usage::default(), at: SystemTime::now() };
                    let said = said.unwrap_or(Ending { ended: nothing, deadline: Duration::ZERO });
                    told = Some((said, Instant::now() + said.deadline));
                }
                message = feed.recv(), if !closed => {
                    self.last_message = Instant::now();
                    closed = self.take(message);
                    for _ in 0..AT_ONCE {
                        if self.last_message.elapsed() >= SLICE {
                            break;
                        }
                        let Some(message) = feed.try_recv() else { break };
                        closed |= self.take(Some(message));
                    }
                    // Exports run on this thread too.
                    tokio::task::yield_now().await;
                }
                () = wake.notified() => {}
                Some(who) = asked.recv() => {
                    self.metrics.iter_mut().for_each(Metrics::observe);
                    let _ = who.send(());
                }
                _ = tick.tick() => self.idle(),
                () = until(self.metrics.as_ref().and_then(Metrics::next_due)) => {}
            }
            let now = Instant::now();
            if let Some(metrics) = &mut self.metrics {
                metrics.serve(now, &mut self.programs);
            }
            self.pump(now);
            self.relieve(feed.waiting());
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
                Feed::Records { bytes, .. } => {
                    let unread = record::count(&bytes);
                    self.assembler.lost.add(Reason::Unread, unread.spans);
                    self.unread_logs.add(Reason::Unread, unread.logs);
                    self.report.lost_measurements += unread.measurements;
                }
                Feed::Gone { dropped, .. } => self.report.dropped += dropped,
                Feed::Closed => break,
                Feed::Attached { .. } | Feed::PassDone { .. } | Feed::Poisoned { .. } | Feed::Unattached { .. } => {}
            }
        }
    }

    /// Takes a message; whether it was the last.
    fn take(&mut self, message: Option<Feed>) -> bool {
        match message {
            Some(Feed::Attached { process, pid, cells, strings, series }) => {
                let introduction = strings.introduction();
                let source = self.programs.attached(pid, &introduction);
                if let (Some(metrics), Some(name)) = (&mut self.metrics, self.programs.executable(pid, &introduction)) {
                    metrics.process_attached(&source, pid, &name);
                }
                self.pids.insert(process, pid);
                let (strings, cells) = (Box::new(move |id| strings.get(id)), Box::new(move || read(&cells)));
                self.attach(process, &source, strings, cells, Some(series));
            }
            Some(Feed::Records { process, bytes }) => {
                if let Err(reason) = self.assembler.records(process, &bytes) {
                    let pid = self.pids.get(&process).copied().unwrap_or(0);
                    self.trouble(&format!("cannot read some of the telemetry of process {pid}"), reason);
                }
                self.emit_complete();
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
            Some(Feed::Unattached { pid, reason }) => {
                self.trouble(&format!("cannot read the telemetry of a process that process {pid} has forked"), &reason);
            }
            Some(Feed::Closed) | None => return true,
        }
        false
    }

    fn attach(
        &mut self,
        process: ProcessId,
        source: &Source,
        strings: Strings,
        cells: Cells,
        series: Option<SeriesTable>,
    ) {
        self.assembler.attach(process, source.clone(), strings);
        if let Some(metrics) = &mut self.metrics {
            metrics.attach(process, source, cells, series);
        }
    }

    fn gone(&mut self, process: ProcessId, last_seen_unix_ns: u64) {
        self.pids.remove(&process);
        let before = self.cut.len();
        self.assembler.gone(process, last_seen_unix_ns, &mut self.finished, &mut self.cut);
        if let Some(metrics) = &mut self.metrics {
            metrics.process_exited(process);
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

    /// Records that are complete as they come.
    fn emit_complete(&mut self) {
        let logged = std::mem::take(&mut self.assembler.logged);
        if let Some(logs) = &mut self.logs {
            logged.iter().for_each(|log| logs.push(log));
        }
        let measured = std::mem::take(&mut self.assembler.measured);
        if let Some(metrics) = &mut self.metrics {
            for each in &measured {
                let points = conventions::measure(each.what.about, &each.facts(), &self.conventions);
                let record = |point| metrics.record(&each.source, &each.scope, point, Duration::ZERO, None);
                points.iter().for_each(record);
            }
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
        let mut described =
            conventions::describe(finished.start.domain, &finished.facts(), finished.cut.as_deref(), &self.conventions);
        if let Some(metrics) = &mut self.metrics {
            let lasted = Duration::from_nanos(finished.end.saturating_sub(finished.start.time));
            let origin = Some(data::origin(finished));
            let record = |measured| metrics.record(&finished.source, &finished.scope, &measured, lasted, origin);
            described.measured.drain(..).for_each(record);
        }
        if finished.start.flags & 1 == 1 && self.traces.is_any() {
            let item = data::data(finished, described, &self.limits);
            self.traces.push(Sourced { source: finished.source.clone(), item });
        }
    }

    fn emit_run(&mut self, ended: &Ended) {
        let Some(run) = self.run.take() else { return };
        let source = self.programs.launched();
        let mut described = run.described(ended);
        if let Some(metrics) = &mut self.metrics {
            let (lasted, origin) = (run.lasted(ended), run.origin(ended));
            let scope = scope::own();
            let record = |measured| metrics.record(&source, &scope, &measured, lasted, Some(origin));
            described.measured.drain(..).for_each(record);
        }
        if run.is_sampled() && self.traces.is_any() {
            self.traces.push(Sourced { source, item: run.data(ended, described, &self.limits) });
        }
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
        let is_run = |trace| self.run.as_ref().is_some_and(|run| run.is_in(trace));
        self.traces.export_due(now, &|trace| is_run(trace) || self.assembler.is_trace_open(trace));
        if let Some(logs) = &mut self.logs {
            logs.export_due(now);
        }
    }

    /// Keeps within the memory limit, of which `unread` bytes have not been taken from the feed: the oldest batches go, of
    /// whatever signal.
    fn relieve(&mut self, unread: usize) {
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

    async fn finish(mut self, said: Ending, deadline: Instant) -> Report {
        let now = Instant::now();
        for process in self.assembler.process_ids() {
            self.gone(process, now_unix_ns());
        }
        match said.ended.end {
            ChildEnd::Killed(signal) => self.emit_cut(&signal_name(signal)),
            ChildEnd::Exited(_) => self.emit_cut("process_exited"),
        }
        self.emit_run(&said.ended);
        self.relieve(0);
        let silent = self.traces.is_unreachable() || self.logs.as_ref().is_some_and(Logs::is_unreachable);
        let deadline = if silent { deadline.min(now + PATIENCE_WITH_SILENCE) } else { deadline };
        self.traces.flush();
        if let Some(logs) = &mut self.logs {
            logs.flush();
        }
        self.pump(Instant::now());
        if let Some(metrics) = &mut self.metrics {
            metrics.flush(&said.ended, &mut self.programs);
        }
        let wake = Arc::clone(&self.wake);
        let is_done = |engine: &Engine| engine.traces.is_done() && engine.logs.as_ref().is_none_or(Logs::is_done);
        while Instant::now() < deadline && !is_done(&self) {
            let _ = tokio::time::timeout(TICK, wake.notified()).await;
            self.pump(Instant::now());
        }
        if let Some(metrics) = &mut self.metrics {
            let lost = metrics.finish(deadline).await;
            if lost.total() > 0 {
                let total = lost.total();
                let points = if total == 1 { "metric point was" } else { "metric points were" };
                self.report.warnings.push(format!("{total} {points} lost: {lost}"));
            }
        }
        let delivered = self.traces.finish();
        self.report.exported_spans = delivered.iter().map(|to| to.exported).max().unwrap_or(0);
        self.report.lost = self.warn_about_lost(["span was", "spans were"], &self.assembler.lost.clone(), &delivered);
        if let Some(logs) = &mut self.logs {
            let delivered = logs.finish();
            let unread = std::mem::take(&mut self.unread_logs);
            self.report.lost_logs = self.warn_about_lost(["log record was", "log records were"], &unread, &delivered);
        }
        self.warn_about_unread();
        self.report
    }

    /// Reports what was lost of a signal on the way to each destination, `before` that and later; the most of it.
    fn warn_about_lost(&mut self, [one, many]: [&str; 2], before: &Losses, delivered: &[Delivered]) -> u64 {
        let none = [Delivered::default()];
        let delivered = if delivered.is_empty() { &none } else { delivered };
        let mut most = 0;
        for to in delivered {
            let mut lost = before.clone();
            lost.add_all(&to.lost);
            let total = lost.total();
            most = most.max(total);
            if total == 0 {
                continue;
            }
            let were = if total == 1 { one } else { many };
            let place = match delivered {
                [_] => String::new(),
                _ => format!(" on the way to `{}`", redact::endpoint(&to.target)),
            };
            let (exported, written) = (to.exported, to.exported + total);
            self.report
                .warnings
                .push(format!("{total} {were} lost{place} and {exported} exported, of {written} in all: {lost}"));
        }
        most
    }

    fn warn_about_unread(&mut self) {
        let Report { lost_measurements, dropped, .. } = self.report;
        if lost_measurements > 0 {
            let measurements = if lost_measurements == 1 { "measurement was" } else { "measurements were" };
            self.report.warnings.push(format!("{lost_measurements} {measurements} lost"));
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

fn read(cells: &CellTable) -> Vec<CellValue> {
    let described = (0..cells.len()).filter_map(|index| {
        let about = cells.description(index)?;
        let value = cells.value(index)?;
        Some(CellValue { kind: about.kind, attributes: about.attributes, description: about.bytes, value })
    });
    described.collect()
}

/// Shows a notice about exports.
fn show(notice: Notice) {
    match notice {
        Notice::Warning { message, causes, hint } => ui::warning(message, &causes, hint.as_deref()),
        Notice::Note(text) => ui::note(text),
    }
}

/// Waits until then, or for ever.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

fn now_unix_ns() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
