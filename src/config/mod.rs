//! What the user asked for: flags, the `OTEL_*` environment and defaults, resolved into one [`Config`].
//!
//! `VARIABLES` is the one list: it feeds the command line, the help texts and the resolution. A flag beats the
//! environment, the environment beats the default. An empty variable counts as unset. A bad value in the environment is
//! a warning and the default is used, since the program must run; a bad flag is an error, since somebody just typed it.

mod endpoint;
mod entities;
mod file;
mod from_file;
mod from_variables;
mod hooks;
mod limits;
mod opt_in;
mod origin;
mod proxy;
mod resolve;
mod sampler;
mod selection;
mod setting;
mod value;
mod variables;
mod warning;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use endpoint::Endpoint;
pub(crate) use file::FileError;
pub(crate) use from_file::OLD_NAME as OLD_CONFIG_FILE;
pub(crate) use limits::{LogLimits, SpanLimits};
pub(crate) use origin::{OtlpSetting, SettingOrigin};
pub(crate) use proxy::Proxy;
pub(crate) use resolve::{Resolved, resolve};
pub(crate) use selection::{Selection, fits};
pub(crate) use setting::{Origin, Setting};
pub(crate) use variables::{Kind, VARIABLES, Variable};

pub(crate) use crate::ui::Level as LogLevel;

/// Everything the run half does differently at a user's wish. Both sources, variables and a configuration file, end here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// OTEL_SDK_DISABLED: run the program and nothing else.
    pub(crate) disabled: bool,
    /// OTEL_LOG_LEVEL: how much we say.
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
    /// What is told of HTTP requests.
    pub(crate) http: Http,
    /// Which instrumentations speak.
    pub(crate) instrumentations: Instrumentations,
    /// Requests that are not told of: patterns of OTEL_RS_EXCLUDED_URLS.
    pub(crate) excluded_urls: Vec<String>,
    /// How long after a request's end the tasks it left behind still count as its work.
    pub(crate) detach_after: Duration,
    /// OTEL_RS_HOST_METRICS.
    pub(crate) host_metrics: HostMetrics,
    /// What is told of the program's run as a whole.
    pub(crate) run: Run,
    /// OTEL_RS_MEMORY_LIMIT: bytes for open spans and all that waits to be exported, of all signals together.
    pub(crate) memory_limit: usize,
    /// OTEL_RS_RUNTIME_POLL_TIMES: whether the polls of asynchronous runtimes are timed.
    pub(crate) runtime_poll_times: bool,
    /// OTEL_RS_OBSERVER_THREAD: whether callbacks of metrics may have a thread in the program.
    pub(crate) observer_thread: ObserverThread,
}

/// What is told of the program's run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// OTEL_RS_PROCESS_SPAN: whether the run is a span.
    pub(crate) span: bool,
    /// OTEL_RS_PROCESS_SPAN_ARGS: whether the span holds the arguments.
    pub(crate) arguments: bool,
    /// OTEL_RS_ENVIRONMENT_PARENT: whether the environment's TRACEPARENT is the parent of work that has none. The span of
    /// the run, which is put into the program's environment, always is.
    pub(crate) environment_parent: bool,
    /// OTEL_RS_FOLLOW: whether the launcher stays while processes run that a program which exited with 0 left behind.
    pub(crate) follow: bool,
}

/// What is measured besides what the program tells itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostMetrics {
    /// What the program's processes use.
    pub(crate) process: bool,
    /// Whether that is told of each of them, and not only of each program.
    pub(crate) process_ids: bool,
    /// What the machine does.
    pub(crate) system: bool,
}

impl HostMetrics {
    fn named(names: &[&str]) -> HostMetrics {
        let process_ids = names.contains(&"process.pid");
        HostMetrics {
            process: process_ids || names.contains(&"process"),
            process_ids,
            system: names.contains(&"system"),
        }
    }
}

/// What all telemetry of a program has in common, as far as it was set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// Attributes set by the user, which win over detected ones. May lack `service.name`.
    pub(crate) attributes: Vec<(String, Value)>,
    /// Which detectors look around: names of OTEL_EXPERIMENTAL_RESOURCE_DETECTORS.
    pub(crate) detectors: Vec<&'static str>,
    /// Which of the attributes that they find are kept; `None` for all.
    pub(crate) detected: Option<Selection>,
    /// The schema of `attributes`, if it was said.
    pub(crate) schema_url: Option<String>,
    /// Whether OTEL_SERVICE_NAME counts that a program was started with. It does not where a flag or a file counts more.
    pub(crate) takes_own_name: bool,
    /// The same for OTEL_RESOURCE_ATTRIBUTES.
    pub(crate) takes_own_attributes: bool,
}

impl Resource {
    /// The same for a program that was started with a `service_name` and `attributes` of its own, values of OTEL_SERVICE_NAME
    /// and OTEL_RESOURCE_ATTRIBUTES: they count more. A name that all programs have (`is_named`) outranks the one among
    /// the attributes. Fails with what was expected.
    pub(crate) fn with_own(
        &self,
        service_name: Option<&str>,
        attributes: Option<&str>,
        is_named: bool,
    ) -> std::result::Result<Resource, String> {
        let mut own = attributes.map_or(Ok(Vec::new()), value::pairs)?;
        own.retain(|(key, value)| key != "service.name" || !(is_named || value.is_empty()));
        if let Some(name) = service_name {
            own.retain(|(key, _)| key != "service.name");
            own.push(("service.name".into(), name.to_owned()));
        }
        let mut resource = self.clone();
        resource.attributes.retain(|(known, _)| own.iter().all(|(key, _)| key != known));
        resource.attributes.extend(own.into_iter().map(|(key, value)| (key, Value::Text(value))));
        Ok(resource)
    }
}

/// The value of an attribute that a user set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    Texts(Vec<String>),
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traces {
    /// Each gets every sampled span; none means that spans are not exported.
    pub(crate) processors: Vec<Processor>,
    pub(crate) limits: SpanLimits,
}

/// Where log records go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logs {
    /// Each gets every record; none means that records are not exported.
    pub(crate) processors: Vec<Processor>,
    pub(crate) limits: LogLimits,
}

/// Where metrics go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metrics {
    /// Each reads all metrics; none means that metrics are not kept.
    pub(crate) readers: Vec<Reader>,
    /// Each that fits an instrument makes a stream of it.
    pub(crate) views: Vec<View>,
    pub(crate) exemplars: ExemplarFilter,
}

/// OTEL_METRICS_EXEMPLAR_FILTER: which measurements may become exemplars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExemplarFilter {
    AlwaysOn,
    AlwaysOff,
    /// Those that were made in a sampled span.
    TraceBased,
}

impl ExemplarFilter {
    /// The names that both sources have for them.
    const NAMES: &[(&str, ExemplarFilter)] = &[
        ("always_on", ExemplarFilter::AlwaysOn),
        ("always_off", ExemplarFilter::AlwaysOff),
        ("trace_based", ExemplarFilter::TraceBased),
    ];
}

/// OTEL_RS_OBSERVER_THREAD: whether callbacks of metrics have a thread in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObserverThread {
    /// Once the program has several.
    Auto,
    Always,
    Never,
}

impl ObserverThread {
    const NAMES: &[(&str, ObserverThread)] =
        &[("auto", ObserverThread::Auto), ("always", ObserverThread::Always), ("never", ObserverThread::Never)];
}

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// Its name in the path of an OTLP receiver.
    fn path(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }
}

/// A way for spans or log records.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Processor {
    pub(crate) exporter: Exporter,
    pub(crate) batch: Batch,
}

/// How spans or log records are gathered before they are exported. A simple processor has no delay and size 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The longest one waits.
    pub(crate) delay: Duration,
    /// The time that one export may take.
    pub(crate) timeout: Duration,
    /// How many may wait; beyond that the oldest are dropped and counted.
    pub(crate) queue: usize,
    /// How many go out in one export at most.
    pub(crate) size: usize,
}

/// A kind of exporter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Exporter {
    /// OTLP to a collector.
    Otlp(Otlp),
    /// Text for people, on stderr.
    Console,
    /// A line of OTLP/JSON for each export.
    JsonLines(JsonTarget),
}

/// Where lines of OTLP/JSON go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonTarget {
    Stdout,
    /// Appended to.
    File(PathBuf),
}

/// How to reach an OTLP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Where requests go; its credentials became a header.
    pub(crate) endpoint: Endpoint,
    pub(crate) protocol: Protocol,
    /// Sent with each request.
    pub(crate) headers: Headers,
    /// Whether requests are compressed by gzip.
    pub(crate) gzip: bool,
    /// The time one export may take, retries included.
    pub(crate) timeout: Duration,
    /// For `https`.
    pub(crate) tls: Tls,
    /// What stands between.
    pub(crate) proxy: Option<Box<Proxy>>,
    pub(crate) written: SettingOrigin,
}

/// An OTLP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
}

/// Whom to trust and who we are: files in PEM, read when an exporter is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificates that are trusted in place of the system's.
    pub(crate) certificate: Option<PathBuf>,
    /// Our own certificate, with `client_key`.
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// Headers, whose values are secrets: they never show in any output.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "REDACTED"))).finish()
    }
}

/// A reader of metrics.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reader {
    Periodic(Periodic),
    Prometheus(Prometheus),
}

/// A reader that exports by itself from time to time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Periodic {
    pub(crate) exporter: Exporter,
    /// Time between two exports.
    pub(crate) interval: Duration,
    /// The time one export may take.
    pub(crate) timeout: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) histograms: HistogramAggregation,
    pub(crate) cardinality_limit: CardinalityLimit,
}

/// Series per instrument, which may depend on its kind; what comes on top is one series marked `otel.metric.overflow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CardinalityLimit([usize; 7]);

impl CardinalityLimit {
    /// The same for all kinds.
    pub(crate) fn all(limit: usize) -> CardinalityLimit {
        CardinalityLimit([limit; 7])
    }

    pub(crate) fn set(&mut self, kind: InstrumentKind, limit: usize) {
        self.0[kind as usize] = limit;
    }

    pub(crate) fn of(&self, kind: InstrumentKind) -> usize {
        self.0[kind as usize]
    }

    fn most(&self) -> usize {
        self.0.into_iter().max().unwrap_or(0)
    }
}

/// A page that Prometheus scrapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prometheus {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) cardinality_limit: CardinalityLimit,
    /// Whether series say which scope they are from.
    pub(crate) scope_info: bool,
    /// Whether the resource is there, as a series of its own.
    pub(crate) target_info: bool,
    /// Attributes of the resource that are labels of every series; `None` for none of them.
    pub(crate) resource_labels: Option<Selection>,
    pub(crate) written: SettingOrigin,
}

/// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temporality {
    Cumulative,
    Delta,
    LowMemory,
}

/// OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistogramAggregation {
    ExplicitBuckets,
    /// Base 2, of at most 160 buckets.
    Exponential,
}

/// How the streams of some instruments differ from what their makers advise.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct View {
    /// A name, in which `*` stands for any characters and `?` for one.
    pub(crate) instrument_name: Option<String>,
    pub(crate) instrument_kind: Option<InstrumentKind>,
    pub(crate) unit: Option<String>,
    pub(crate) meter_name: Option<String>,
    pub(crate) meter_version: Option<String>,
    pub(crate) meter_schema_url: Option<String>,
    pub(crate) stream: Stream,
}

/// Kinds of instruments, as views select them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstrumentKind {
    Counter,
    Gauge,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
}

/// What a view makes of an instrument; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Stream {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) aggregation: Option<Aggregation>,
    pub(crate) cardinality_limit: Option<usize>,
    /// Attributes that are kept; `None` for all.
    pub(crate) attributes: Option<Selection>,
}

/// How measurements become points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Aggregation {
    Default,
    Drop,
    Sum,
    LastValue,
    ExplicitBuckets { boundaries: Option<Vec<f64>>, record_min_max: bool },
    Exponential { max_scale: i8, max_size: u32, record_min_max: bool },
}

/// OTEL_TRACES_SAMPLER and its argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// A value of OTEL_TRACES_SAMPLER.
    pub(crate) name: &'static str,
    /// Between 0 and 1.
    pub(crate) ratio: f64,
}

/// What is told of HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http {
    /// Names of headers to be recorded, in small letters.
    pub(crate) server_request_headers: Vec<String>,
    pub(crate) server_response_headers: Vec<String>,
    pub(crate) client_request_headers: Vec<String>,
    pub(crate) client_response_headers: Vec<String>,
    /// Headers whose values are never told, in small letters; `*` stands for any characters.
    pub(crate) sanitized_headers: Vec<String>,
    /// Methods that have their own name; others are `_OTHER`.
    pub(crate) known_methods: Vec<String>,
}

/// Which instrumentations speak: names as in `otel-rs list`, `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instrumentations {
    pub(crate) enabled: Vec<String>,
    /// Wins over `enabled`.
    pub(crate) disabled: Vec<String>,
}

impl Config {
    /// Notes that all of it comes from a file.
    fn written_in(&mut self, file: &Path) {
        let note = |exporter: &mut Exporter| {
            if let Exporter::Otlp(otlp) = exporter {
                otlp.written = SettingOrigin::in_file(file);
            }
        };
        let processors = self.traces.processors.iter_mut().chain(&mut self.logs.processors);
        processors.for_each(|processor| note(&mut processor.exporter));
        for reader in &mut self.metrics.readers {
            match reader {
                Reader::Periodic(periodic) => note(&mut periodic.exporter),
                Reader::Prometheus(page) => page.written = SettingOrigin::in_file(file),
            }
        }
    }
}
