//! The log records of a run: made from what programs wrote, and handed to their destinations.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::bounds::budget::Budget;
use crate::bounds::losses::Reason;
use crate::config::Config;
use crate::export::destinations::{self, Delivered, Destinations};
use crate::export::notices::ExportNotices;
use crate::records::assemble::CompleteRecord;
use crate::records::record::LogHeader;
use crate::signals::direct::{EncodedItem, LogEncoder};
use crate::signals::logs::LogMaker;
use crate::signals::logs::data::LogData;
use crate::signals::sourced::Sourced;

/// All destinations of log records.
pub(crate) struct Logs {
    maker: LogMaker,
    encoder: LogEncoder,
    destinations: Destinations<Sourced<LogData>>,
}

impl Logs {
    /// `None` without a destination.
    pub(crate) fn new(
        config: &Config,
        notices: &Arc<ExportNotices>,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Option<Logs> {
        let destinations = destinations::of_log_records(&config.logs, notices, wake, budget);
        let (limits, baggage) = (config.logs.limits, &config.baggage_attributes);
        destinations.is_any().then(|| Logs {
            maker: LogMaker::new(limits, baggage.clone()),
            encoder: LogEncoder::new(limits, baggage.clone()),
            destinations,
        })
    }

    /// Accepts a record.
    pub(crate) fn push(&mut self, logged: &CompleteRecord<LogHeader>) {
        if self.destinations.take_encoded() {
            let (scope, message) = self.encoder.encode(logged);
            self.destinations.push_encoded(&EncodedItem { source: &logged.source, scope: &scope, message });
        }
        if self.destinations.take_whole() {
            self.destinations.push_whole(self.maker.make(logged));
        }
    }

    /// Exports what is due.
    pub(crate) fn export_due(&mut self, now: Instant) {
        self.destinations.export_due(now, &|_| false);
    }

    /// From now on everything is due.
    pub(crate) fn flush(&mut self) {
        self.destinations.flush();
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.destinations.is_done()
    }

    /// Whether some destination does not answer at present.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.destinations.is_unreachable()
    }

    /// The arrival of the oldest record that waits at some destination and may be dropped.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.destinations.oldest()
    }

    /// Drops the oldest records that wait at one destination.
    pub(crate) fn drop_oldest(&mut self, reason: Reason) {
        self.destinations.drop_oldest(reason);
    }

    /// Gives up what is left and returns what became of all, for each destination.
    pub(crate) fn finish(&mut self) -> Vec<Delivered> {
        self.destinations.finish()
    }
}
