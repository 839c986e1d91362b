//! The exporting thread's work, from the first record to the last export: what comes in ([`intake`]) goes out again
//! ([`output`]).

mod intake;
mod output;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::bounds::budget::Budget;
use crate::channel::feed::Receiver;
use crate::config::Config;
use crate::host::Host;
use crate::launch::{ChildEnd, Ended, Usage, signal_name};
use crate::resource::Programs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::report::TelemetryReport;
use crate::telemetry::run_span::RunSpan;
use intake::Intake;
use output::Output;

/// How often due work is looked for when nothing comes in.
const TICK: Duration = Duration::from_millis(100);
/// The same when nothing waits, either.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// The time that an unreachable collector still gets at the end.
const TIME_FOR_UNREACHABLE: Duration = Duration::from_secs(3);

/// The end of the program, and how long the last export may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramEnd {
    pub(crate) ended: Ended,
    pub(crate) deadline: Duration,
}

/// Requests that the program's callbacks observe now. Each brings a channel that is answered once they have.
pub(crate) type ObserveRequests = mpsc::UnboundedSender<std::sync::mpsc::SyncSender<()>>;
type ObserveReceiver = mpsc::UnboundedReceiver<std::sync::mpsc::SyncSender<()>>;

/// Everything the exporting thread holds.
pub(crate) struct Engine {
    programs: Programs,
    intake: Intake,
    output: Output,
    /// The program's run as a whole, where that is configured.
    run: Option<RunSpan>,
    wake: Arc<Notify>,
    report: TelemetryReport,
}

impl Engine {
    /// Must be called within the runtime that `run` will run in.
    pub(crate) fn new(config: &Config, programs: Programs, host: Host, run: Option<RunSpan>) -> Engine {
        let wake = Arc::new(Notify::new());
        let budget = Budget::new(config.memory_limit);
        let output = Output::new(config, host, &budget, &wake);
        Engine { programs, intake: Intake::new(config, &budget), output, run, wake, report: TelemetryReport::default() }
    }

    /// Wakes the engine before its next tick.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Works until the program has ended and all is exported, or time is up.
    pub(crate) async fn run(
        mut self,
        mut feed: Receiver,
        mut requests: ObserveReceiver,
        ending: oneshot::Receiver<ProgramEnd>,
    ) -> TelemetryReport {
        let wake = Arc::clone(&self.wake);
        let mut ending = pin!(ending);
        let mut end: Option<(Ended, Instant)> = None;
        let mut is_closed = false;
        let mut next_tick = Instant::now() + TICK;
        loop {
            tokio::select! {
                received = &mut ending, if end.is_none() => {
                    // The launcher ended without a message: the last export gets no time.
                    let none = Ended { end: ChildEnd::Exited(0), usage: Usage::default(), at: SystemTime::now() };
                    let received = received.unwrap_or(ProgramEnd { ended: none, deadline: Duration::ZERO });
                    end = Some((received.ended, Instant::now() + received.deadline));
                }
                message = feed.recv(), if !is_closed => {
                    let Engine { programs, intake, output, report, .. } = &mut self;
                    is_closed = intake.take_some(message, &mut feed, programs, output, report);
                    // Exports run on this thread too.
                    tokio::task::yield_now().await;
                }
                () = wake.notified() => {}
                Some(request) = requests.recv() => {
                    // A process that has just attached is among those that observe.
                    if let Some(message) = feed.try_recv().filter(|_| !is_closed) {
                        let Engine { programs, intake, output, report, .. } = &mut self;
                        is_closed = intake.take_some(Some(message), &mut feed, programs, output, report);
                    }
                    self.output.metrics.iter_mut().for_each(Metrics::observe);
                    let _ = request.send(());
                }
                () = until(Some(next_tick)) => {
                    self.intake.idle(&mut self.output);
                    next_tick = Instant::now() + IDLE_TICK;
                }
                () = until(self.output.metrics.as_ref().and_then(Metrics::next_due)) => {}
            }
            let now = Instant::now();
            if let Some(metrics) = &mut self.output.metrics {
                metrics.serve(now, &mut self.programs);
            }
            self.export_due(now);
            self.output.keep_within_limit(feed.waiting());
            if end.is_some() || !self.output.is_done() || self.intake.is_waiting() {
                next_tick = next_tick.min(now + TICK);
            }
            if let Some((ended, deadline)) = end
                && (is_closed || Instant::now() >= deadline)
            {
                if !is_closed {
                    self.intake.count_unread(&mut feed, &mut self.report).await;
                }
                return self.finish(&ended, deadline).await;
            }
        }
    }

    fn export_due(&mut self, now: Instant) {
        let Engine { intake, output, run, .. } = self;
        let is_run = |trace| run.as_ref().is_some_and(|run| run.is_in(trace));
        output.export_due(now, &|trace| is_run(trace) || intake.is_trace_open(trace));
    }

    /// Exports what is left, and reports what was lost.
    async fn finish(mut self, ended: &Ended, deadline: Instant) -> TelemetryReport {
        let now = Instant::now();
        let cause = match ended.end {
            ChildEnd::Killed(signal) => signal_name(signal),
            ChildEnd::Exited(_) => "process_exited".to_owned(),
        };
        self.intake.finish(&cause, &mut self.output, &mut self.report);
        if let Some(run) = self.run.take() {
            self.output.run(run, ended, self.programs.launched());
        }
        self.output.keep_within_limit(0);
        let is_unreachable = self.output.is_unreachable();
        let deadline = if is_unreachable { deadline.min(now + TIME_FOR_UNREACHABLE) } else { deadline };
        self.output.flush();
        self.export_due(Instant::now());
        if let Some(metrics) = &mut self.output.metrics {
            metrics.flush(ended, &mut self.programs);
        }
        let wake = Arc::clone(&self.wake);
        while Instant::now() < deadline && !self.output.is_done() {
            let _ = tokio::time::timeout(TICK, wake.notified()).await;
            self.export_due(Instant::now());
        }
        self.report(deadline).await
    }

    async fn report(self, deadline: Instant) -> TelemetryReport {
        let Engine { intake, mut output, mut report, .. } = self;
        if let Some(metrics) = &mut output.metrics {
            report.add_lost_points(&metrics.finish(deadline).await);
        }
        report.add_spans(intake.lost_spans(), &output.traces.finish());
        if let Some(logs) = &mut output.logs {
            report.add_logs(intake.lost_logs(), &logs.finish());
        }
        report.warn_of_unread();
        report
    }
}

/// Waits until `then`; for ever if it is `None`.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
