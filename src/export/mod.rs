//! Where telemetry goes: to collectors, onto a page for Prometheus, or in front of people.

mod connect;
mod console;
mod console_logs;
mod delivery;
pub(crate) mod destinations;
mod failure;
mod json;
mod lines;
pub(crate) mod metric_table;
pub(crate) mod metrics;
pub(crate) mod notices;
mod otlp;
pub(crate) mod probe;
pub(crate) mod prometheus;
mod queue;
mod sink;
mod tls;

pub(crate) use sink::Sink;
