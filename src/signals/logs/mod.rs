//! Log records on their way to every exporter.

pub(crate) mod data;
mod encode;

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::bounds::losses::Reason;
use crate::config::{self, Exporter, LogLimits};
use crate::export::console_logs::ConsoleLogs;
use crate::export::notices::ExportNotices;
use crate::export::queue::Queue;
use crate::export::{Backend, Delivered, Destinations, Item, Signal, Sink};
use crate::records::assemble::CompleteRecord;
use crate::records::record::LogHeader;
use crate::signals::sourced::Sourced;
use data::LogData;
use encode::request;

impl Item for LogData {
    const MANY: &'static str = "log records";
    const QUEUE: &'static str = "OTEL_BLRP_MAX_QUEUE_SIZE";

    fn weight(&self) -> usize {
        size_of::<LogData>() + self.weight
    }
}

/// All destinations of log records.
pub(crate) struct Logs {
    /// The SDK lets nobody else make a record.
    maker: SdkLogger,
    destinations: Destinations<Sourced<LogData>>,
    limits: LogLimits,
}

impl Logs {
    /// `None` if nobody wants them.
    pub(crate) fn new(
        config: &config::Logs,
        notices: &Arc<ExportNotices>,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Option<Logs> {
        let mut backends: Vec<Box<dyn Backend<Sourced<LogData>> + Send>> = Vec::new();
        for processor in &config.processors {
            if let Some(sink) = Sink::new(&processor.exporter, Signal::Logs, notices) {
                let way = sink.way(request);
                backends.push(Box::new(Queue::new(way, sink.target(), processor.batch, notices, wake, budget)));
            } else if processor.exporter == Exporter::Console {
                backends.push(Box::new(ConsoleLogs::default()));
            }
        }
        let destinations = Destinations::new(backends);
        let maker = SdkLoggerProvider::builder().build().logger("otel-rs");
        let limits = config.limits;
        destinations.is_wanted().then_some(Logs { maker, destinations, limits })
    }

    /// Takes a record.
    pub(crate) fn push(&mut self, logged: &CompleteRecord<LogHeader>) {
        let data = data::data(self.maker.create_log_record(), logged, &self.limits);
        self.destinations.push(Sourced { source: logged.source.clone(), item: data });
    }

    /// Does what is due.
    pub(crate) fn pump(&mut self, now: Instant) {
        self.destinations.pump(now, &|_| false);
    }

    /// From now on everything is due.
    pub(crate) fn flush(&mut self) {
        self.destinations.flush();
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.destinations.is_done()
    }

    /// Whether some destination is known not to answer.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.destinations.is_unreachable()
    }

    /// When the oldest came that waits at some destination and may be dropped.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.destinations.oldest()
    }

    /// Drops the oldest that wait at one destination.
    pub(crate) fn drop_oldest(&mut self, reason: Reason) {
        self.destinations.drop_oldest(reason);
    }

    /// Gives up what is left and says how it went, for each destination.
    pub(crate) fn finish(&mut self) -> Vec<Delivered> {
        self.destinations.finish()
    }
}
