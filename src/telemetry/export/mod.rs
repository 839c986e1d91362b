//! Where telemetry goes.

pub(crate) mod complaints;
mod connect;
pub(crate) mod console;
pub(crate) mod metric_table;
pub(crate) mod otlp;
pub(crate) mod queue;

use std::time::Instant;

use opentelemetry_sdk::trace::SpanData;

/// A destination for spans.
pub(crate) trait SpanBackend {
    /// Takes a finished span.
    fn push(&mut self, span: SpanData);

    /// Does what is due. `is_open` tells whether a trace may still grow.
    fn pump(&mut self, now: Instant, is_open: &dyn Fn([u8; 16]) -> bool);

    /// From now on everything is due; the next `pump`s send all there is.
    fn flush(&mut self);

    /// Whether nothing is left to do.
    fn is_done(&self) -> bool;

    /// Whether the destination is known not to answer.
    fn is_unreachable(&self) -> bool {
        false
    }

    /// Gives up what is left and says how it went.
    fn finish(&mut self) -> Delivered;
}

/// How many spans arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) exported: u64,
    pub(crate) lost: u64,
}
