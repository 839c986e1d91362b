//! What the user asked for: flags, the `OTEL_*` environment and defaults, resolved into one [`Config`].
//!
//! `VARIABLES` is the one list: it feeds the command line, the help texts and the resolution. A flag beats the
//! environment, the environment beats the default. An empty variable counts as unset. A bad value in the environment is
//! a warning and the default is used, since the program must run; a bad flag is an error, since somebody just typed it.

mod endpoint;
mod resolve;
mod value;
mod variables;

use std::fmt;
use std::time::Duration;

pub(crate) use resolve::resolve;
pub(crate) use variables::{Kind, VARIABLES, Variable};

/// Everything the run half does differently at a user's wish.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// OTEL_SDK_DISABLED: run the program and nothing else.
    pub(crate) disabled: bool,
    /// The resource's attributes that are known before the program starts, `service.name` included.
    pub(crate) resource: Vec<(String, String)>,
    /// Spans.
    pub(crate) traces: Signal,
    /// Metrics.
    pub(crate) metrics: Signal,
    /// Log records.
    #[allow(dead_code, reason = "resolved already, so that the command line and its errors are complete")]
    pub(crate) logs: Signal,
    /// Which traces are recorded.
    pub(crate) sampler: Sampler,
    /// The headers that carry a trace from process to process.
    pub(crate) propagators: Vec<&'static str>,
    /// How long after a request's end the tasks it left behind still count as its work.
    pub(crate) detach_after: Duration,
    /// Time between two exports of metrics.
    pub(crate) metric_interval: Duration,
    /// How spans are gathered before they are exported.
    pub(crate) batch: Batch,
}

impl Config {
    /// What the hooks must know, in the words of the wire format's `settings`; the socket is not part of it.
    pub(crate) fn channel_settings(&self) -> String {
        use crate::channel::wire::settings;
        format!(
            "{}={};{}={};{}={};{}={}",
            settings::SAMPLER,
            self.sampler.name,
            settings::RATIO,
            self.sampler.ratio,
            settings::PROPAGATORS,
            self.propagators.join(","),
            settings::DETACH_AFTER_MS,
            self.detach_after.as_millis()
        )
    }
}

/// Where one kind of telemetry goes.
#[derive(Debug, Clone)]
pub(crate) struct Signal {
    /// Its exporters; empty means it is not collected.
    pub(crate) exporters: Vec<Exporter>,
    /// How to reach an OTLP receiver, should `exporters` name one.
    pub(crate) otlp: Otlp,
}

/// A kind of exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exporter {
    /// OTLP to a collector.
    Otlp,
    /// Text for people, on stderr.
    Console,
}

/// How to reach an OTLP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// The whole URL for HTTP, scheme and authority for gRPC. Always with a scheme.
    pub(crate) endpoint: String,
    /// How to speak.
    pub(crate) protocol: Protocol,
    /// Sent with each request.
    pub(crate) headers: Headers,
    /// The time one export may take, retries included.
    pub(crate) timeout: Duration,
}

/// An OTLP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

/// Headers, whose values are secrets: they never show in any output.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "REDACTED"))).finish()
    }
}

/// OTEL_TRACES_SAMPLER and its argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// A value of OTEL_TRACES_SAMPLER.
    pub(crate) name: &'static str,
    /// Between 0 and 1.
    pub(crate) ratio: f64,
}

/// How spans are gathered before they are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The longest a span waits.
    pub(crate) delay: Duration,
    /// Spans in one export.
    pub(crate) size: usize,
}
