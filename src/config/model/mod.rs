//! The configuration as the other rooms see it, each part with its defaults.
//!
//! Defaults are those of the registry's rows, so that a variable's default and its meaning cannot differ. Both sources,
//! variables and a configuration file, start from them.

mod endpoint;
mod exporters;
mod http;
mod instrumentations;
mod limits;
mod metrics;
mod origin;
mod processors;
mod proxy;
mod resource;
mod run;
mod sampler;
mod selection;
mod views;

use std::time::Duration;

pub(in crate::config) use endpoint::BaseEndpoint;
pub(crate) use endpoint::Endpoint;
pub(in crate::config) use exporters::Signal;
pub(crate) use exporters::{Exporter, Headers, JsonTarget, Otlp, Protocol, Tls};
pub(crate) use http::Http;
pub(crate) use instrumentations::{Instrumentations, ObserverThread};
pub(crate) use limits::{LogLimits, SpanLimits};
pub(crate) use metrics::{
    CardinalityLimit, ExemplarFilter, HistogramAggregation, HostMetrics, Metrics, Periodic, Prometheus, Reader,
    Temporality,
};
pub(crate) use origin::{ExporterSetting, SettingOrigin};
pub(crate) use processors::{Batch, Logs, Processor, Traces};
pub(crate) use proxy::Proxy;
pub(crate) use resource::{AttributeValue, Resource};
pub(crate) use run::Run;
pub(crate) use sampler::Sampler;
pub(crate) use selection::{Selection, glob_matches};
pub(crate) use views::{Aggregation, InstrumentKind, Stream, View};

pub(crate) use crate::ui::Level as LogLevel;

/// Everything in which runs differ at a user's wish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// OTEL_SDK_DISABLED: run the program and nothing else.
    pub(crate) disabled: bool,
    /// OTEL_LOG_LEVEL: how much otel-rs writes to stderr.
    pub(crate) log_level: LogLevel,
    /// What all telemetry has in common.
    pub(crate) resource: Resource,
    /// The headers that carry a trace from process to process: names of OTEL_PROPAGATORS, none for no headers.
    pub(crate) propagators: Vec<&'static str>,
    /// Which traces are recorded.
    pub(crate) sampler: Sampler,
    /// Spans.
    pub(crate) traces: Traces,
    /// Metrics.
    pub(crate) metrics: Metrics,
    /// Log records.
    pub(crate) logs: Logs,
    /// What is recorded of HTTP requests.
    pub(crate) http: Http,
    /// Which instrumentations are enabled.
    pub(crate) instrumentations: Instrumentations,
    /// Requests that are not recorded: patterns of OTEL_RS_EXCLUDED_URLS.
    pub(crate) excluded_urls: Vec<String>,
    /// How long after a request's end the tasks it left behind still count as its work.
    pub(crate) detach_after: Duration,
    /// OTEL_RS_HOST_METRICS.
    pub(crate) host_metrics: HostMetrics,
    /// What is recorded of the program's run as a whole.
    pub(crate) run: Run,
    /// OTEL_RS_MEMORY_LIMIT: bytes for open spans and all that waits to be exported, of all signals together.
    pub(crate) memory_limit: usize,
    /// OTEL_RS_RUNTIME_POLL_TIMES: whether the polls of asynchronous runtimes are timed.
    pub(crate) runtime_poll_times: bool,
    /// OTEL_RS_BAGGAGE_ATTRIBUTES: patterns of keys of baggage whose entries become attributes of spans and log records.
    pub(crate) baggage_attributes: Vec<String>,
    /// OTEL_RS_SPANS: which of the program's own spans are recorded, as directives; empty for the default.
    pub(crate) spans: Vec<String>,
    /// OTEL_RS_LOGS: which log records are recorded, as directives; empty for those that the program's logger accepts.
    pub(crate) log_records: Vec<String>,
    /// OTEL_RS_LOG_IDS: whether the program's own lines of JSON show the ids of spans.
    pub(crate) log_ids: bool,
    /// OTEL_RS_SPAN_EVENTS: whether log records become events of the spans in which they were written.
    pub(crate) span_events: bool,
    /// OTEL_RS_LOG_SPAN_FIELDS: whether log records have the fields of the program's own spans around them.
    pub(crate) log_span_fields: bool,
    /// OTEL_RS_OBSERVER_THREAD: whether callbacks of metrics may have a thread in the program.
    pub(crate) observer_thread: ObserverThread,
}

/// The words of OTEL_LOG_LEVEL.
pub(in crate::config) const LOG_LEVELS: &[(&str, LogLevel)] = &[
    ("none", LogLevel::None),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];
