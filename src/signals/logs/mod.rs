//! Log records: their data, and the requests that export them.

pub(crate) mod data;
pub(crate) mod described;
mod encode;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};

use crate::config::LogLimits;
use crate::records::assemble::CompleteRecord;
use crate::records::record::LogHeader;
use crate::signals::sourced::Sourced;
use crate::signals::{BatchItem, Signal};
use data::LogData;
pub(crate) use encode::request;

impl BatchItem for LogData {
    const SIGNAL: Signal = Signal::Logs;
    const QUEUE: &'static str = "OTEL_BLRP_MAX_QUEUE_SIZE";

    fn weight(&self) -> usize {
        size_of::<LogData>() + self.weight
    }
}

/// Makes log records of what programs wrote.
pub(crate) struct LogMaker {
    /// Only the SDK makes an empty record.
    logger: SdkLogger,
    limits: LogLimits,
    /// Patterns of entries of baggage that become attributes.
    baggage: Vec<String>,
}

impl LogMaker {
    pub(crate) fn new(limits: LogLimits, baggage: Vec<String>) -> LogMaker {
        LogMaker { logger: SdkLoggerProvider::builder().build().logger("otel-rs"), limits, baggage }
    }

    /// A record within its limits, with its program.
    pub(crate) fn make(&self, logged: &CompleteRecord<LogHeader>) -> Sourced<LogData> {
        let item = data::data(self.logger.create_log_record(), logged, &self.limits, &self.baggage);
        Sourced { source: logged.source.clone(), item }
    }
}
